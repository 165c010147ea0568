// SPDX-License-Identifier: GPL-2.0-or-later
/* Talking to the agent. */
#include "cli_ctl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli.h"

#define ANSWER_MAX	(256 * 1024)

static int dial(const char *name, bool quiet)
{
	const struct timeval patience = { .tv_sec = 15 };
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd, n = snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/%s", cli_rundir, name);

	if (n < 0 || (size_t)n >= sizeof(sa.sun_path)) {
		cli_refused("the run directory's name is too long");
		return -1;
	}
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd >= 0 && !connect(fd, (struct sockaddr *)&sa, sizeof(sa))) {
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
		return fd;
	}
	if (!quiet && (errno == ENOENT || errno == ECONNREFUSED))
		cli_refused("the agent is not running (no answer at %s; try: systemctl start "
			    "ipsecvtid)", sa.sun_path);
	else if (!quiet)
		cli_refused("%s: %s", sa.sun_path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

static int request(int fd, const char *command, const char *name)
{
	json_t *j = json_object();
	char *text;
	int err;

	json_object_set_new(j, "command", json_string(command));
	if (name)
		json_object_set_new(j, "name", json_string(name));
	text = json_dumps(j, JSON_COMPACT);
	json_decref(j);
	if (!text)
		return -ENOMEM;
	err = send(fd, text, strlen(text), MSG_NOSIGNAL) < 0 ? -errno : 0;
	free(text);
	return err;
}

static int last(const json_t *j, const char *name, bool quiet)
{
	const char *error = json_string_value(json_object_get(j, "error"));

	if (json_is_true(json_object_get(j, "ok")))
		return 0;
	if (quiet)
		return EXIT_REFUSED;
	return cli_refused("%s%s%s", name ? name : "", name ? ": " : "",
			   error ? error : "the agent refuses");
}

static int answers(int fd, const char *name, bool quiet,
		   void (*each)(void *arg, const json_t *answer), void *arg)
{
	char *buf = malloc(ANSWER_MAX);
	int status = -1;

	while (buf && status < 0) {
		ssize_t got = recv(fd, buf, ANSWER_MAX, MSG_TRUNC);
		json_t *j;

		if (got <= 0 || got > ANSWER_MAX) {
			status = cli_refused(got < 0 ? "no answer from the agent" :
					     "the agent has closed the connection");
			break;
		}
		j = json_loadb(buf, (size_t)got, 0, NULL);
		if (json_object_get(j, "ok"))
			status = last(j, name, quiet);
		else if (j && each)
			each(arg, j);
		json_decref(j);
	}
	free(buf);
	return status < 0 ? EXIT_REFUSED : status;
}

int ctl_ask(const char *command, const char *name, bool looks_only, bool quiet,
	    void (*each)(void *arg, const json_t *answer), void *arg)
{
	int fd = -1, err;

	/* Root asks at either door; status.sock is for those who have only that. */
	if (looks_only)
		fd = dial("status.sock", true);
	if (fd < 0)
		fd = dial("control.sock", quiet);
	if (fd < 0)
		return EXIT_REFUSED;
	err = request(fd, command, name);
	if (err)
		err = cli_refused("%s", strerror(-err));
	else
		err = answers(fd, name, quiet, each, arg);
	close(fd);
	return err;
}
