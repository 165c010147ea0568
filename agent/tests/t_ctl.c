// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The control sockets with clients that lie, flood, do not read or go away:
 * whatever they say, the keeper answers and lives on.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "ctl.h"
#include "keeper.h"
#include "log.h"
#include "tap.h"

static struct keeper k;
static struct ktunnel tunnels[40];
static char dir[] = "/tmp/t_ctl.XXXXXX";

/* ---- clients ---- */

static int client(const char *name)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/%s", dir, name);
	if (fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof(sa)))
		abort();
	loop_once(k.loop, 0);
	return fd;
}

static void run(void)
{
	for (int i = 0; i < 5; i++)
		loop_once(k.loop, 0);
}

/* The last answer to one request; NULL: none, the connection is over. */
static const char *ask(int fd, const void *text, size_t len)
{
	static char answer[1 << 16];
	bool any = false;
	ssize_t got;

	if (send(fd, text, len, MSG_NOSIGNAL) < 0)
		return NULL;
	for (int i = 0; i < 100; i++) {
		loop_once(k.loop, 0);
		while ((got = recv(fd, answer, sizeof(answer) - 1, 0)) > 0) {
			answer[got] = 0;
			any = true;
			if (strstr(answer, "\"ok\":"))
				return answer;
		}
		if (!got)
			return NULL;
	}
	return any ? answer : "";
}

static bool says(int fd, const char *text, const char *want)
{
	const char *got = ask(fd, text, strlen(text));

	if (got && strstr(got, want))
		return true;
	printf("# %.60s: %s\n", text, got ? got : "closed");
	return false;
}

static void t_requests(void)
{
	static const struct {
		const char *text, *want;
	} requests[] = {
		{ "{\"command\":\"status\"}", "\"ok\":true" },
		{ "{\"command\":\"show\"}", "\"ok\":true" },
		{ "{\"command\":\"show\",\"name\":\"t7\"}", "\"ok\":true" },
		{ "{\"command\":\"show\",\"name\":\"nobody\"}", "no such tunnel" },
		{ "{\"command\":\"show\",\"name\":7}", "\"ok\":true" },
		{ "{\"command\":\"show\",\"name\":\"../../x\"}", "cannot be a tunnel's name" },
		{ "{\"command\":\"show\",\"name\":\"0123456789abcdef\"}", "cannot be" },
		{ "{\"command\":\"show\",\"name\":\"\\u0000\"}", "not JSON" },
		{ "{\"command\":\"show\",\"name\":\"\"}", "cannot be" },
		{ "{\"command\":\"up\"}", "which tunnel?" },
		{ "{\"command\":\"up\",\"name\":\"nobody\"}", "no such tunnel" },
		{ "{\"command\":\"none\"}", "unknown command" },
		{ "{\"command\":null}", "a request is an object" },
		{ "{\"command\":[\"show\"]}", "a request is an object" },
		{ "{\"command\":\"show\",\"command\":\"up\"}", "not JSON" },
		{ "[\"command\"]", "a request is an object" },
		{ "\"show\"", "not JSON" },
		{ "{", "not JSON" },
		{ "\xff\xfe", "not JSON" },
		{ "{\"command\":\"show\"}{}", "not JSON" },
	};
	unsigned int bad = 0, n = sizeof(requests) / sizeof(requests[0]);
	int fd = client("control.sock");

	for (unsigned int i = 0; i < n; i++)
		bad += !says(fd, requests[i].text, requests[i].want);
	ok(!bad, "%u requests on one connection, each answered as it deserves", n);
	close(fd);
	run();
}

static void t_sizes(void)
{
	static char big[CTL_REQUEST_MAX + 100];
	int fd = client("control.sock");
	unsigned int bad = 0;
	const char *got;

	memset(big, '[', sizeof(big));
	for (size_t n = 1; n <= CTL_REQUEST_MAX + 2; n += n < 4090 ? 61 : 1) {
		got = ask(fd, big, n);
		bad += !got || !strstr(got, n > CTL_REQUEST_MAX ? "too long" : "not JSON");
	}
	ok(!bad, "brackets in brackets, up to the limit and over it");
	ok(!ask(fd, "", 0), "a message of nothing is the end");
	close(fd);
	run();
}

static void t_looking(void)
{
	static const char *const writes[] = { "up", "down", "reconnect", "rekey", "rekey-ike",
					      "reload" };
	int fd = client("status.sock");
	unsigned int bad = 0;
	char text[100];

	for (unsigned int i = 0; i < 6; i++) {
		snprintf(text, sizeof(text), "{\"command\":\"%s\",\"name\":\"t7\"}", writes[i]);
		bad += !says(fd, text, "for looking only");
	}
	ok(!bad && !tunnels[7].t.down, "those who look change nothing");
	ok(says(fd, "{\"command\":\"status\"}", "\"ok\":true"), "and may look");
	close(fd);
	run();
}

static void t_crowd(void)
{
	int fds[3 * CTL_CLIENTS_MAX], root;
	unsigned int open = 0;
	char c;

	for (unsigned int i = 0; i < 3 * CTL_CLIENTS_MAX; i++)
		fds[i] = client("status.sock");
	run();
	for (unsigned int i = 0; i < 3 * CTL_CLIENTS_MAX; i++)
		open += recv(fds[i], &c, 1, 0) < 0;
	ok(open == CTL_CLIENTS_MAX, "of %u who look, %u may stay", 3 * CTL_CLIENTS_MAX, open);
	root = client("control.sock");
	ok(says(root, "{\"command\":\"status\"}", "\"ok\":true"), "root is served beside them");
	close(root);
	for (unsigned int i = 0; i < 3 * CTL_CLIENTS_MAX; i++)
		close(fds[i]);
	run();
	root = client("status.sock");
	ok(says(root, "{\"command\":\"status\"}", "\"ok\":true"), "and others when they have gone");
	close(root);
	run();
}

/* Net is there and silent: answers are late, and clients are impatient. */
static void t_impatient(void)
{
	static const char show[] = "{\"command\":\"show\"}";
	int fd = client("control.sock"), other = client("control.sock");

	k.net.ready = true;
	is_str(ask(fd, show, sizeof(show) - 1), "", "no answer yet");
	ok(!ask(fd, show, sizeof(show) - 1), "a second request before the first is answered ends it");
	is_str(ask(other, show, sizeof(show) - 1), "", "another one waits");
	close(other);
	run();
	k.net.status_done = k.net.status_sent;
	ctl_status_done(&k, false);
	run();
	close(fd);
	fd = client("control.sock");
	is_str(ask(fd, show, sizeof(show) - 1), "", "a third one");
	ctl_status_done(&k, true);
	run();
	ok(says(fd, "{\"command\":\"status\"}", "\"ok\":true"), "is answered when net has died");
	close(fd);
	k.net.ready = false;
	run();
}

/* Answers that nobody reads wait in a bounded queue, and a further request ends the client. */
static void t_deaf(void)
{
	static const char show[] = "{\"command\":\"show\"}";
	int fd = client("control.sock"), size = 1, sent = 0;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	while (sent < 100000 && send(fd, show, sizeof(show) - 1, MSG_NOSIGNAL) > 0) {
		sent++;
		run();
	}
	ok(sent < 100000, "a client that never reads is ended after %d requests", sent);
	close(fd);
	run();
	fd = client("control.sock");
	ok(says(fd, "{\"command\":\"status\"}", "\"ok\":true"), "others are not");
	close(fd);
	run();
}

static void quiet(void *arg, int priority, const char *line)
{
}

int main(void)
{
	log_sink(quiet, NULL);
	if (!mkdtemp(dir))
		abort();
	k.opt = (struct keeper_options){ .rundir = dir, .owner = "test", .confdir = dir };
	k.loop = loop_new();
	for (int i = 0; i < 40; i++) {
		tunnels[i].k = &k;
		tunnels[i].t.id = (uint32_t)i + 1;
		snprintf(tunnels[i].t.name, sizeof(tunnels[i].t.name), "t%d", i);
		tunnels[i].next = i < 39 ? &tunnels[i + 1] : NULL;
	}
	k.tunnels = &tunnels[0];
	if (ctl_open(&k))
		abort();
	t_requests();
	t_sizes();
	t_looking();
	t_crowd();
	t_impatient();
	t_deaf();
	ctl_close(&k);
	ok(!rmdir(dir), "the sockets are gone");
	loop_free(k.loop);
	return done();
}
