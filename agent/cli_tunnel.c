// SPDX-License-Identifier: GPL-2.0-or-later
/* ipsecvti up, down, delete, reconnect, rekey, reload, check. */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "addr.h"
#include "cli.h"
#include "cli_ctl.h"
#include "conf.h"
#include "rtnl.h"

#define ALIAS		"made by ipsecvti up"
#define KIND		"ipsecvti"
#define WAIT_MS		15000
#define STEP_MS		200

static int one_name(int argc, char **argv, const char *command, const char **name)
{
	*name = NULL;
	if (argc != 1)
		return cli_usage("%s: %s", command, argc ? "one tunnel's name" : "which tunnel?");
	if (!conf_name_ok(argv[0]))
		return cli_usage("\"%s\" cannot be a tunnel's name", argv[0]);
	*name = argv[0];
	return 0;
}

/* ---- up ---- */

static int rt_refused(struct rtnl *r, const char *name, const char *what, int err)
{
	const char *text = rtnl_text(r);

	if (err == -EOPNOTSUPP && !strcmp(what, "make"))
		return cli_refused("%s: the kernel module ipsecvti is not there (try: modprobe "
				   "ipsecvti)", name);
	return cli_refused("%s: cannot %s the device: %s", name, what,
			   *text ? text : strerror(-err));
}

static int make_device(struct rtnl *r, const char *name, struct rtnl_link *link)
{
	int err = rtnl_link_add(r, name, KIND);

	if (err)
		return rt_refused(r, name, "make", err);
	err = rtnl_link_get(r, name, link);
	if (!err)
		err = rtnl_link_alias(r, name, ALIAS);
	return err ? rt_refused(r, name, "label", err) : 0;
}

static int prepare_device(struct rtnl *r, const struct conf_tunnel *ct)
{
	const char *name = ct->t.name;
	struct rtnl_link link;
	unsigned int i;
	int err = rtnl_link_get(r, name, &link);

	if (err == -ENODEV)
		err = make_device(r, name, &link);
	else if (err)
		err = rt_refused(r, name, "find", err);
	else if (strcmp(link.kind, KIND))
		err = cli_refused("%s is a device of another kind%s%s", name,
				  *link.kind ? ": " : "", link.kind);
	if (err)
		return err;
	for (i = 0; i < ct->n_address; i++) {
		err = rtnl_addr_add(r, link.ifindex, &ct->address[i].addr, ct->address[i].bits);
		if (err)
			return rt_refused(r, name, "give an address to", err);
	}
	err = rtnl_link_up(r, name);
	return err ? rt_refused(r, name, "set up", err) : 0;
}

struct progress {
	char state[16];
	char note[300];
};

static void note_progress(void *arg, const json_t *answer)
{
	const json_t *t = json_object_get(answer, "tunnel");
	const char *state = json_string_value(json_object_get(t, "state"));
	const char *note = json_string_value(json_object_get(t, "note"));
	struct progress *p = arg;

	snprintf(p->state, sizeof(p->state), "%s", state ? state : "");
	snprintf(p->note, sizeof(p->note), "%s", note ? note : "");
}

/* Until it is up, or it is clear that it will not be for now. */
static int wait_up(const char *name)
{
	const struct timespec step = { .tv_nsec = STEP_MS * 1000000 };
	struct progress p = { "", "" };
	int waited, err = 0;

	for (waited = 0; !err && waited < WAIT_MS; waited += STEP_MS) {
		err = ctl_ask("show", name, true, false, note_progress, &p);
		if (!err && !strcmp(p.state, "up")) {
			printf("%s: up\n", name);
			return 0;
		}
		if (!strcmp(p.state, "backoff"))
			break;
		nanosleep(&step, NULL);
	}
	if (err)
		return err;
	return cli_refused("%s: %s%s%s; the agent goes on trying", name, p.state,
			   *p.note ? ": " : "", p.note);
}

static int conf_refused(const struct conf *c)
{
	size_t i;

	for (i = 0; c && i < c->n_errors && i < CONF_ERRORS_MAX; i++)
		fprintf(stderr, "%s\n", c->errors[i]);
	return cli_refused("nothing is changed: the configuration has errors");
}

int do_up(int argc, char **argv)
{
	const struct conf_tunnel *ct;
	struct rtnl *r = NULL;
	bool wait = true;
	const char *name;
	struct conf *c;
	int err;

	if (argc && !strcmp(argv[argc - 1], "--no-wait")) {
		wait = false;
		argc--;
	}
	err = one_name(argc, argv, "up", &name);
	if (err)
		return err;
	c = conf_read(cli_confdir, CONF_NO_SECRETS);
	ct = c ? conf_find(c, name) : NULL;
	if (!c || c->n_errors) {
		err = conf_refused(c);
	} else if (!ct) {
		err = cli_refused("%s: no [tunnel %s] in %s", name, name, cli_confdir);
	} else if ((err = rtnl_open(&r))) {
		err = cli_refused("rtnetlink: %s", strerror(-err));
	} else {
		err = prepare_device(r, ct);
		/* The agent may not have read this tunnel yet. */
		if (!err && ctl_ask("show", name, false, true, NULL, NULL))
			err = ctl_ask("reload", NULL, false, false, NULL, NULL);
		if (!err)
			err = ctl_ask("up", name, false, false, NULL, NULL);
		if (!err && wait && ct->t.start == START_INITIATE)
			err = wait_up(name);
	}
	rtnl_close(r);
	conf_free(c);
	return err;
}

/* ---- the others ---- */

static int simple(int argc, char **argv, const char *command)
{
	const char *name;
	int err = one_name(argc, argv, command, &name);

	return err ? err : ctl_ask(command, name, false, false, NULL, NULL);
}

int do_down(int argc, char **argv)
{
	return simple(argc, argv, "down");
}

int do_reconnect(int argc, char **argv)
{
	return simple(argc, argv, "reconnect");
}

int do_rekey(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "ike"))
		return simple(1, argv, "rekey-ike");
	if (argc == 2 && !strcmp(argv[1], "child"))
		argc--;
	return simple(argc, argv, "rekey");
}

static void print_errors(void *arg, const json_t *answer)
{
	const json_t *list = json_object_get(answer, "errors");
	size_t i;

	for (i = 0; i < json_array_size(list); i++)
		fprintf(stderr, "%s\n", json_string_value(json_array_get(list, i)));
}

int do_reload(int argc, char **argv)
{
	if (argc)
		return cli_usage("reload takes no argument");
	return ctl_ask("reload", NULL, false, false, print_errors, NULL);
}

/* Only what "up" has made: a device from elsewhere belongs to whoever made it. */
int do_delete(int argc, char **argv)
{
	const struct timespec moment = { .tv_nsec = 500000000 };
	struct rtnl_link link;
	struct rtnl *r = NULL;
	const char *name;
	int err = one_name(argc, argv, "delete", &name);

	if (err)
		return err;
	err = rtnl_open(&r);
	if (err)
		return cli_refused("rtnetlink: %s", strerror(-err));
	err = rtnl_link_get(r, name, &link);
	if (err) {
		err = rt_refused(r, name, "find", err);
	} else if (strcmp(link.kind, KIND) || strcmp(link.alias, ALIAS)) {
		err = cli_refused("%s was not made by \"ipsecvti up\" (to remove it all the same: "
				  "ip link del %s)", name, name);
	} else {
		/* The peer is told while there is a device to tell it through; a missing agent
		 * is no reason to keep it.
		 */
		if (!ctl_ask("down", name, false, true, NULL, NULL))
			nanosleep(&moment, NULL);
		err = rtnl_link_del(r, name);
		if (err)
			err = rt_refused(r, name, "remove", err);
	}
	rtnl_close(r);
	return err;
}

/* ---- check ---- */

/* Names are asked for here, so that what the routes would make of them is seen before. */
static void check_names(struct conf *c, const struct conf_tunnel *ct)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_DGRAM };
	const struct conf_value *v = &ct->value[KEY_REMOTE];
	struct addrinfo *list, *i;
	unsigned int n;
	char why[400];

	for (n = 0; n < ct->n_names; n++) {
		int err = getaddrinfo(ct->names[n], NULL, &hints, &list);

		if (err) {
			conf_warning(c, v->file, v->line, "remote: \"%s\" has no address now (%s)",
				     ct->names[n], gai_strerror(err));
			continue;
		}
		for (i = list; i; i = i->ai_next) {
			struct addr a;

			if (!addr_from_sockaddr(&a, i->ai_addr, i->ai_addrlen) &&
			    conf_overlap(&ct->t, &a, why, sizeof(why)))
				conf_error(c, v->file, v->line, "remote-ts: %s", why);
		}
		freeaddrinfo(list);
	}
}

int do_check(int argc, char **argv)
{
	struct conf *c;
	size_t i, errors;

	if (argc > 1)
		return cli_usage("check: at most one directory");
	c = conf_read(argc ? argv[0] : cli_confdir, 0);
	if (!c)
		return cli_refused("no memory");
	for (i = 0; !c->n_errors && i < c->n_tunnels; i++)
		check_names(c, c->tunnels[i]);
	if (!c->n_errors)
		conf_print(c, stdout);
	for (i = 0; i < c->n_warnings && i < CONF_ERRORS_MAX; i++)
		fprintf(stderr, "warning: %s\n", c->warnings[i]);
	for (i = 0; i < c->n_errors && i < CONF_ERRORS_MAX; i++)
		fprintf(stderr, "%s\n", c->errors[i]);
	errors = c->n_errors;
	conf_free(c);
	if (!errors)
		return 0;
	return cli_refused("%zu error%s in the configuration", errors, errors == 1 ? "" : "s");
}
