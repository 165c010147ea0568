// SPDX-License-Identifier: GPL-2.0-or-later
/* Control sockets: clients, requests, answers. */
#include "ctl.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "keeper.h"
#include "log.h"

#define ANSWER_MS	5000	/* net's patience with us; then what we know is shown */
#define CLIENT_MS	30000	/* a client that says nothing, or does not read, goes */
#define CLIENT_OUT_MAX	(16u << 20)

struct text {
	struct text *next;
	size_t len;
	char s[];
};

struct client {
	struct client *next;
	struct keeper *k;
	struct loop_fd watch;
	struct loop_timer timeout, answer;
	bool may_write, waiting;
	uint32_t want;			/* status_done at which to answer */
	char name[TUNNEL_NAME_MAX + 1];
	struct text *out, **out_tail;
	size_t out_bytes;
};

struct ctl {
	struct keeper *k;
	struct loop_fd status, control;
	struct client *clients;
	unsigned int n_clients[2];	/* of those who look, of root */
};

/* ---- clients ---- */

static void drop(struct client *c)
{
	struct ctl *ctl = c->k->ctl;
	struct client **p;
	struct text *t;

	for (p = &ctl->clients; *p != c; p = &(*p)->next)
		;
	*p = c->next;
	ctl->n_clients[c->may_write]--;
	loop_fd_del(c->k->loop, &c->watch);
	loop_timer_stop(c->k->loop, &c->timeout);
	loop_timer_stop(c->k->loop, &c->answer);
	close(c->watch.fd);
	while ((t = c->out)) {
		c->out = t->next;
		free(t);
	}
	free(c);
}

/* Whether the client is still there. */
static bool flush_out(struct client *c)
{
	struct text *t;

	while ((t = c->out)) {
		if (send(c->watch.fd, t->s, t->len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
			if (errno == EAGAIN)
				break;
			drop(c);
			return false;
		}
		c->out = t->next;
		if (!c->out)
			c->out_tail = &c->out;
		c->out_bytes -= t->len;
		free(t);
	}
	loop_fd_mod(c->k->loop, &c->watch, c->out ? EPOLLIN | EPOLLOUT : EPOLLIN);
	return true;
}

/* Queues; a client that does not read is dropped by its timeout. */
static void say(void *arg, json_t *j)
{
	struct client *c = arg;
	size_t len = j ? json_dumpb(j, NULL, 0, JSON_COMPACT) : 0;
	struct text *t = NULL;

	if (len && c->out_bytes + len < CLIENT_OUT_MAX)
		t = malloc(sizeof(*t) + len);
	if (t) {
		t->next = NULL;
		t->len = json_dumpb(j, t->s, len, JSON_COMPACT);
		*c->out_tail = t;
		c->out_tail = &t->next;
		c->out_bytes += len;
	}
	json_decref(j);
}

static bool finish(struct client *c, const char *error)
{
	json_t *j = json_object();

	json_object_set_new(j, "ok", json_boolean(!error));
	if (error)
		json_object_set_new(j, "error", json_string(error));
	say(c, j);
	loop_timer_in(c->k->loop, &c->timeout, CLIENT_MS);
	return flush_out(c);
}

/* ---- commands ---- */

static void show_now(struct client *c)
{
	c->waiting = false;
	loop_timer_stop(c->k->loop, &c->answer);
	ctl_show(c->k, *c->name ? c->name : NULL, say, c);
	finish(c, NULL);
}

static void answer_late(void *arg)
{
	show_now(arg);
}

void ctl_status_done(struct keeper *k, bool gone)
{
	struct client *c, *next;

	for (c = k->ctl ? k->ctl->clients : NULL; c; c = next) {
		next = c->next;
		if (c->waiting && (gone || (int32_t)(k->net.status_done - c->want) >= 0))
			show_now(c);
	}
}

static bool do_show(struct client *c)
{
	if (*c->name && !keeper_find(c->k, c->name))
		return finish(c, "no such tunnel in the agent's configuration");
	net_ask_status(c->k);
	if (!c->k->net.ready) {
		show_now(c);
		return true;
	}
	c->waiting = true;
	c->want = c->k->net.status_sent;
	loop_timer_in(c->k->loop, &c->answer, ANSWER_MS);
	return true;
}

static bool do_status(struct client *c)
{
	json_t *j = json_object();

	json_object_set_new(j, "agent", ctl_agent(c->k));
	say(c, j);
	return finish(c, NULL);
}

static bool do_reload(struct client *c)
{
	struct conf *bad = NULL;
	size_t i, errors = keeper_reload(c->k, &bad);
	json_t *j = json_object(), *list = json_array();

	for (i = 0; bad && i < bad->n_errors && i < CONF_ERRORS_MAX; i++)
		json_array_append_new(list, json_string(bad->errors[i]));
	conf_free(bad);
	if (errors) {
		json_object_set_new(j, "errors", list);
		say(c, j);
		return finish(c, "the configuration has errors: nothing is changed");
	}
	json_decref(list);
	json_decref(j);
	return finish(c, NULL);
}

/* Commands for one tunnel that net carries out. */
static bool order(struct client *c, uint16_t type)
{
	struct ktunnel *kt = keeper_find(c->k, c->name);
	struct door_id id = { 0 };

	if (!kt)
		return finish(c, "no such tunnel in the agent's configuration");
	id.tunnel = kt->t.id;
	if (type == DOOR_UP || type == DOOR_DOWN)
		kt->t.down = type == DOOR_DOWN;
	log_notice("command", KV_S("tunnel", kt->t.name), KV_S("do", type == DOOR_UP ? "up" :
		   type == DOOR_DOWN ? "down" : "reconnect"));
	kt->note[0] = 0;
	if (type == DOOR_UP && kt->t.start == START_RESPOND) {
		keeper_update(kt);	/* not down any more; the first word is the peer's */
	} else {
		/* Net learns of "down" by the order, the net after it from the tunnel. */
		kt->told.down = kt->t.down;
		net_tell(c->k, type, &id, sizeof(id));
	}
	return finish(c, NULL);
}

static bool do_up(struct client *c)
{
	struct keeper *k = c->k;

	/* The device may just have been made. */
	if (keeper_find(k, c->name) && !keeper_find(k, c->name)->t.dev_id)
		keeper_sync(k);
	return order(c, DOOR_UP);
}

static bool do_down(struct client *c)
{
	return order(c, DOOR_DOWN);
}

static bool do_reconnect(struct client *c)
{
	return order(c, DOOR_RECONNECT);
}

static bool rekey(struct client *c, uint32_t what)
{
	struct ktunnel *kt = keeper_find(c->k, c->name);
	struct door_rekey r = { .what = what };

	if (!kt)
		return finish(c, "no such tunnel in the agent's configuration");
	r.tunnel = kt->t.id;
	net_tell(c->k, DOOR_REKEY, &r, sizeof(r));
	return finish(c, NULL);
}

static bool do_rekey(struct client *c)
{
	return rekey(c, 0);
}

static bool do_rekey_ike(struct client *c)
{
	return rekey(c, 1);
}

static const struct {
	const char *name;
	bool (*run)(struct client *c);	/* false: the client is gone */
	bool writes, needs_name;
} commands[] = {
	{ "show", do_show, false, false },
	{ "status", do_status, false, false },
	{ "up", do_up, true, true },
	{ "down", do_down, true, true },
	{ "reconnect", do_reconnect, true, true },
	{ "rekey", do_rekey, true, true },
	{ "rekey-ike", do_rekey_ike, true, true },
	{ "reload", do_reload, true, false },
};

static bool serve(struct client *c, json_t *request)
{
	const char *command = json_string_value(json_object_get(request, "command"));
	const char *name = json_string_value(json_object_get(request, "name"));
	size_t i;

	if (!command)
		return finish(c, "a request is an object with \"command\"");
	if (name && !conf_name_ok(name))
		return finish(c, "that cannot be a tunnel's name");
	snprintf(c->name, sizeof(c->name), "%s", name ? name : "");
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(commands[i].name, command))
			continue;
		if (commands[i].writes && !c->may_write)
			return finish(c, "this socket is for looking only");
		if (commands[i].needs_name && !name)
			return finish(c, "which tunnel?");
		return commands[i].run(c);
	}
	return finish(c, "unknown command");
}

static void client_ready(void *arg, uint32_t events)
{
	struct client *c = arg;
	char text[CTL_REQUEST_MAX + 1];
	json_t *request;
	ssize_t got;

	if ((events & EPOLLOUT) && !flush_out(c))
		return;
	got = recv(c->watch.fd, text, sizeof(text), MSG_DONTWAIT);
	if (got < 0 && errno == EAGAIN)
		return;
	/* One request at a time, and no end of them: the next waits in the socket's queue. */
	if (got <= 0 || c->waiting || c->out) {
		drop(c);
		return;
	}
	if (got > CTL_REQUEST_MAX) {
		finish(c, "the request is too long");
		return;
	}
	request = json_loadb(text, (size_t)got, JSON_REJECT_DUPLICATES, NULL);
	if (request)
		serve(c, request);
	else
		finish(c, "the request is not JSON");
	json_decref(request);
}

static void client_timeout(void *arg)
{
	drop(arg);
}

static void accept_one(struct ctl *ctl, int listener, bool may_write)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct ucred cred = { .uid = (uid_t)-1 };
	socklen_t len = sizeof(cred);
	struct client *c;
	int size = 1 << 20;

	if (fd < 0)
		return;
	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len);
	c = ctl->n_clients[may_write] < CTL_CLIENTS_MAX ? calloc(1, sizeof(*c)) : NULL;
	/* The mode of the file says the same; a socket can be passed on, its peer cannot. */
	if (!c || (may_write && cred.uid && cred.uid != geteuid())) {
		free(c);
		close(fd);
		return;
	}
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	c->k = ctl->k;
	c->may_write = may_write;
	c->out_tail = &c->out;
	c->watch = (struct loop_fd){ .ready = client_ready, .arg = c, .fd = fd };
	c->timeout = (struct loop_timer)LOOP_TIMER(client_timeout, c);
	c->answer = (struct loop_timer)LOOP_TIMER(answer_late, c);
	if (loop_fd_add(ctl->k->loop, &c->watch, fd, EPOLLIN)) {
		close(fd);
		free(c);
		return;
	}
	loop_timer_in(ctl->k->loop, &c->timeout, CLIENT_MS);
	c->next = ctl->clients;
	ctl->clients = c;
	ctl->n_clients[may_write]++;
}

static void status_ready(void *arg, uint32_t events)
{
	struct ctl *ctl = arg;

	accept_one(ctl, ctl->status.fd, false);
}

static void control_ready(void *arg, uint32_t events)
{
	struct ctl *ctl = arg;

	accept_one(ctl, ctl->control.fd, true);
}

/* ---- opening ---- */

static int listen_at(struct keeper *k, const char *name, mode_t mode, const struct group *gr,
		     struct loop_fd *w)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd, n = snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/%s", k->opt.rundir, name);
	mode_t old;

	if (n < 0 || (size_t)n >= sizeof(sa.sun_path))
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* The lock on the pid file says that nobody else serves this directory. */
	unlink(sa.sun_path);
	old = umask(0177);
	n = bind(fd, (struct sockaddr *)&sa, sizeof(sa));
	umask(old);
	if (n || (gr && chown(sa.sun_path, (uid_t)-1, gr->gr_gid)) || chmod(sa.sun_path, mode) ||
	    listen(fd, CTL_CLIENTS_MAX)) {
		n = -errno;
		close(fd);
		return n;
	}
	return loop_fd_add(k->loop, w, fd, EPOLLIN);
}

int ctl_open(struct keeper *k)
{
	const struct group *gr = getgrnam(CTL_GROUP);
	struct ctl *ctl = calloc(1, sizeof(*ctl));
	int err;

	if (!ctl)
		return 1;
	k->ctl = ctl;
	ctl->k = k;
	ctl->status = (struct loop_fd){ .ready = status_ready, .arg = ctl, .fd = -1 };
	ctl->control = (struct loop_fd){ .ready = control_ready, .arg = ctl, .fd = -1 };
	err = listen_at(k, "control.sock", 0600, NULL, &ctl->control);
	if (!err)
		err = listen_at(k, "status.sock", gr ? 0660 : 0600, gr, &ctl->status);
	if (!err)
		return 0;
	log_err("cannot open the control sockets", KV_S("dir", k->opt.rundir),
		KV_ERR("error", err));
	return 1;
}

static void close_one(struct keeper *k, struct loop_fd *w, const char *name)
{
	char path[256];

	if (!w->watched)
		return;
	loop_fd_del(k->loop, w);
	close(w->fd);
	snprintf(path, sizeof(path), "%s/%s", k->opt.rundir, name);
	unlink(path);
}

void ctl_close(struct keeper *k)
{
	if (!k->ctl)
		return;
	while (k->ctl->clients)
		drop(k->ctl->clients);
	close_one(k, &k->ctl->control, "control.sock");
	close_one(k, &k->ctl->status, "status.sock");
	free(k->ctl);
	k->ctl = NULL;
}
