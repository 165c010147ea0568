// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Names of peers. The C library's resolver waits and parses what strangers
 * send, so it runs in a child without rights that answers over a pipe. The
 * secrets are not in that child: keys.c has its pages wiped on fork.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <netdb.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "addr.h"
#include "keeper.h"
#include "log.h"

#define JOB_MS		20000	/* then the child is ended */
#define FRESH_MS	300000	/* an answer is asked for again after this */
#define DOUBT_MS	30000	/* when the tunnel is not up */
#define RETRY_MS	10000	/* and a failure after this */
#define BATCH		64	/* tunnels of one job */

struct answer {
	uint32_t tunnel;
	struct resolved r;
};

_Static_assert(sizeof(struct answer) <= PIPE_BUF, "an answer is written whole");

struct resolver {
	struct keeper *k;
	pid_t pid;
	struct loop_fd watch;
	struct loop_timer timeout;
};

/* addr NULL: any of that name. */
static bool has(const struct resolved *r, uint8_t name, const struct addr *addr)
{
	for (uint32_t i = 0; i < r->n; i++)
		if (r->name[i] == name && (!addr || addr_ip_equal(&r->addr[i], addr)))
			return true;
	return false;
}

static void put(struct resolved *r, uint8_t name, const struct addr *addr)
{
	if (r->n == RESOLVED_MAX)
		return;
	r->name[r->n] = name;
	r->addr[r->n++] = *addr;
}

bool resolved_merge(struct resolved *found, const struct resolved *answer)
{
	struct resolved all = { 0 };
	bool changed;
	uint32_t i;

	for (i = 0; i < found->n; i++)
		if (has(answer, found->name[i], &found->addr[i]) ||
		    !has(answer, found->name[i], NULL))
			put(&all, found->name[i], &found->addr[i]);
	for (i = 0; i < answer->n; i++)
		if (!has(&all, answer->name[i], &answer->addr[i]))
			put(&all, answer->name[i], &answer->addr[i]);
	changed = memcmp(&all, found, sizeof(all)) != 0;
	*found = all;
	return changed;
}

static void look_up(const char *name, unsigned int number, struct resolved *r)
{
	struct addrinfo hints = { .ai_socktype = SOCK_DGRAM, .ai_flags = AI_ADDRCONFIG };
	struct addrinfo *list, *i;

	if (getaddrinfo(name, NULL, &hints, &list))
		return;
	for (i = list; i && r->n < RESOLVED_MAX; i = i->ai_next)
		if (!addr_from_sockaddr(&r->addr[r->n], i->ai_addr, i->ai_addrlen)) {
			r->addr[r->n].port = 0;
			r->name[r->n++] = (uint8_t)number;
		}
	freeaddrinfo(list);
}

static void child(struct resolver *r, int out)
{
	const struct rlimit none = { 0, 0 };
	struct ktunnel *kt;
	unsigned int i;
	sigset_t set;

	sigemptyset(&set);
	sigprocmask(SIG_SETMASK, &set, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	setrlimit(RLIMIT_CORE, &none);
	if (dup2(out, 3) < 0 || close_range(4, ~0u, 0))
		_exit(1);
	if (!geteuid() && (setgroups(0, NULL) || setresgid(r->k->net.gid, r->k->net.gid,
							   r->k->net.gid) ||
			   setresuid(r->k->net.uid, r->k->net.uid, r->k->net.uid)))
		_exit(1);
	for (kt = r->k->tunnels; kt; kt = kt->next) {
		struct answer a = { .tunnel = kt->t.id };

		if (!kt->resolving)
			continue;
		for (i = 0; i < kt->n_names; i++)
			look_up(kt->names[i], i, &a.r);
		if (write(3, &a, sizeof(a)) != sizeof(a))
			_exit(1);
	}
	_exit(0);
}

static void take(struct resolver *r, const struct answer *a)
{
	struct ktunnel *kt = keeper_tunnel(r->k, a->tunnel);
	uint64_t now = loop_now(r->k->loop);
	char text[ADDR_TEXT_MAX];
	uint32_t i;

	if (!kt || !kt->resolving || a->r.n > RESOLVED_MAX)
		return;
	for (i = 0; i < a->r.n; i++)
		if (!addr_ip_len(&a->r.addr[i]) || a->r.addr[i].port ||
		    a->r.name[i] >= TUNNEL_ADDRS)
			return;
	kt->resolving = false;
	kt->resolve_at = now + (!a->r.n ? RETRY_MS : *kt->note ? DOUBT_MS : FRESH_MS);
	if (!a->r.n) {
		log_ratelimited(LOG_WARNING, "the peer's name has no address",
				KV_S("tunnel", kt->t.name), KV_S("name", kt->names[0]));
		return;		/* what was found before stays */
	}
	if (!resolved_merge(&kt->found, &a->r))
		return;
	for (i = 0; i < kt->found.n; i++)
		log_info("the peer's name has an address", KV_S("tunnel", kt->t.name),
			 KV_S("name", kt->names[kt->found.name[i] % TUNNEL_ADDRS]),
			 KV_S("address", addr_format_ip(&kt->found.addr[i], text, sizeof(text))));
	keeper_update(kt);
}

void resolver_doubt(struct ktunnel *kt)
{
	uint64_t soon = loop_now(kt->k->loop) + RETRY_MS;

	if (kt->n_names && kt->resolve_at > soon)
		kt->resolve_at = soon;
}

static void done(struct resolver *r)
{
	struct ktunnel *kt;

	loop_fd_del(r->k->loop, &r->watch);
	loop_timer_stop(r->k->loop, &r->timeout);
	close(r->watch.fd);
	/* A fork that failed has no child; to kill() -1 is everybody. */
	if (r->pid > 0) {
		kill(r->pid, SIGKILL);
		waitpid(r->pid, NULL, 0);
	}
	r->pid = 0;
	for (kt = r->k->tunnels; kt; kt = kt->next) {
		if (!kt->resolving)
			continue;
		kt->resolving = false;
		kt->resolve_at = loop_now(r->k->loop) + RETRY_MS;
	}
}

static void answer_ready(void *arg, uint32_t events)
{
	struct resolver *r = arg;
	struct answer a;
	/* Whole, as it was written. */
	ssize_t got = read(r->watch.fd, &a, sizeof(a));

	if (got == sizeof(a))
		take(r, &a);
	else if (got >= 0 || errno != EAGAIN)
		done(r);
}

static void too_long(void *arg)
{
	done(arg);
}

void resolver_run(struct resolver *r)
{
	uint64_t now = loop_now(r->k->loop);
	unsigned int due = 0;
	struct ktunnel *kt;
	int fds[2];

	if (r->pid)
		return;
	for (kt = r->k->tunnels; kt && due < BATCH; kt = kt->next) {
		kt->resolving = kt->n_names && !kt->leaving && kt->resolve_at <= now;
		due += kt->resolving;
	}
	if (!due || pipe2(fds, O_CLOEXEC | O_NONBLOCK))
		return;
	r->pid = fork();
	if (!r->pid)
		child(r, fds[1]);
	close(fds[1]);
	if (r->pid < 0 || loop_fd_add(r->k->loop, &r->watch, fds[0], EPOLLIN)) {
		r->watch.fd = fds[0];
		done(r);
		return;
	}
	loop_timer_in(r->k->loop, &r->timeout, JOB_MS);
}

struct resolver *resolver_new(struct keeper *k)
{
	struct resolver *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->k = k;
	r->watch = (struct loop_fd){ .ready = answer_ready, .arg = r };
	r->timeout = (struct loop_timer)LOOP_TIMER(too_long, r);
	return r;
}

void resolver_free(struct resolver *r)
{
	if (r && r->pid)
		done(r);
	free(r);
}
