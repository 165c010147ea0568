// SPDX-License-Identifier: GPL-2.0-or-later
/* The keeper's affairs: tunnels and their configuration, devices, kernel events. */
#include "keeper.h"

#include <errno.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "addr.h"
#include "ctl.h"
#include "log.h"
#include "outer.h"
#include "sdnotify.h"

#define SOON_MS		50	/* a burst of device events is one look */
#define STOP_MS		4000

/* ---- finding ---- */

struct ktunnel *keeper_find(struct keeper *k, const char *name)
{
	struct ktunnel *kt;

	for (kt = k->tunnels; kt; kt = kt->next)
		if (!kt->leaving && !strcmp(kt->t.name, name))
			return kt;
	return NULL;
}

struct ktunnel *keeper_tunnel(struct keeper *k, uint32_t id)
{
	struct ktunnel *kt;

	for (kt = id ? k->tunnels : NULL; kt; kt = kt->next)
		if (kt->t.id == id)
			return kt;
	return NULL;
}

static struct ktunnel *by_device(struct keeper *k, uint32_t dev_id)
{
	struct ktunnel *kt;

	for (kt = dev_id ? k->tunnels : NULL; kt; kt = kt->next)
		if (kt->t.dev_id == dev_id && !kt->leaving)
			return kt;
	return NULL;
}

struct nlv_who keeper_who(const struct ktunnel *kt)
{
	return (struct nlv_who){ .dev_id = kt->t.dev_id, .owner = kt->k->opt.owner };
}

/* ---- telling net ---- */

static void add_found(struct ktunnel *kt, unsigned int name)
{
	const struct resolved *f = &kt->found;
	char why[400];
	uint32_t i;

	for (i = 0; i < f->n; i++) {
		if (f->name[i] != name)
			continue;
		if (conf_overlap(&kt->t, &f->addr[i], why, sizeof(why)))
			log_err("address not used", KV_S("tunnel", kt->t.name), KV_S("why", why));
		else
			conf_add_remote(&kt->t, &f->addr[i]);
	}
}

void keeper_update(struct ktunnel *kt)
{
	struct tunnel *t = &kt->t, was = kt->t;
	unsigned int i, k;

	*t = kt->conf;
	t->id = was.id;
	t->dev_id = was.dev_id;
	t->down = was.down;
	t->n_remote = 0;
	memset(t->remote, 0, sizeof(t->remote));
	for (i = 0; i <= kt->conf.n_remote; i++) {
		for (k = 0; k < kt->n_names; k++)
			if (kt->name_at[k] == i)
				add_found(kt, k);
		if (i < kt->conf.n_remote)
			conf_add_remote(t, &kt->conf.remote[i]);
	}
	if (kt->leaving || !memcmp(t, &kt->told, sizeof(*t)))
		return;
	/* Without an address of its own it would look like a tunnel for any peer. */
	if (kt->n_names && !t->n_remote && !kt->told.id)
		return;
	if (kt->n_names && !t->n_remote) {
		*t = kt->told;
		t->dev_id = was.dev_id;
		t->down = was.down;
	}
	kt->told = *t;
	net_tell(kt->k, DOOR_TUNNEL, t, sizeof(*t));
}

void keeper_net_ready(struct keeper *k)
{
	net_ready(k);
	log_notice("ready", KV_D("net_pid", k->net.pid));
	if (!k->announced)
		sdnotify("READY=1");
	k->announced = true;
}

void keeper_net_gone(struct keeper *k)
{
	ctl_status_done(k, true);
}

/* ---- devices ---- */

static void trouble(struct ktunnel *kt, const char *text)
{
	if (!strcmp(kt->trouble, text))
		return;
	if (*text)
		log_warn("tunnel cannot start", KV_S("tunnel", kt->t.name), KV_S("why", text));
	snprintf(kt->trouble, sizeof(kt->trouble), "%s", text);
}

/* What the device is to be; false while the interface is missing by which alone ESP may leave. */
static bool wanted(const struct ktunnel *kt, struct nlv_dev_patch *patch)
{
	*patch = kt->dev;
	patch->set_oif = *kt->oif;
	if (*kt->oif && strcmp(kt->oif, "any"))
		patch->oif = if_nametoindex(kt->oif);
	return !*kt->oif || patch->oif || !strcmp(kt->oif, "any");
}

static bool claim(struct ktunnel *kt, const struct nlv_dev *dev)
{
	struct nlv_who who = { .dev_id = dev->dev_id, .owner = kt->k->opt.owner };
	struct nlv_dev_patch patch;
	char text[DOOR_TEXT_MAX];
	int err;

	if (!wanted(kt, &patch)) {
		snprintf(text, sizeof(text), "oif: no interface \"%s\"", kt->oif);
		trouble(kt, text);
		return false;
	}
	/* Even with nothing to change: the device gets our name. */
	outer_changes(&patch, dev);
	err = nlv_dev_set(kt->k->nl, &who, &patch);
	kt->dev_new = err != 0;
	if (!err)
		return true;
	snprintf(text, sizeof(text), "the device refuses us: %s",
		 *nlv_text(kt->k->nl) ? nlv_text(kt->k->nl) : strerror(-err));
	trouble(kt, text);
	return false;
}

/*
 * What the administrator changes by hand stays until the configuration is read
 * again, but for oif: an interface may come back under another index.
 */
static void keep_up(struct ktunnel *kt, const struct nlv_dev *dev)
{
	struct nlv_who who = keeper_who(kt);
	struct nlv_dev_patch patch;
	int err = 0;

	if (!wanted(kt, &patch)) {
		log_ratelimited(LOG_WARNING, "the tunnel's interface is missing",
				KV_S("tunnel", kt->t.name), KV_S("oif", kt->oif));
		return;
	}
	if (!kt->dev_new)
		patch = (struct nlv_dev_patch){ .set_oif = patch.set_oif, .oif = patch.oif };
	if (outer_changes(&patch, dev))
		err = nlv_dev_set(kt->k->nl, &who, &patch);
	kt->dev_new = err != 0;
	if (err)
		log_ratelimited(LOG_ERR, "the kernel refuses the device's settings",
				KV_S("tunnel", kt->t.name), KV_S("why", nlv_text(kt->k->nl)),
				KV_ERR("error", err));
}

/* To the tunnel, or to all. */
static void event(struct keeper *k, struct ktunnel *kt, struct door_event ev)
{
	ev.tunnel = kt ? kt->t.id : 0;
	ev.dev_id = kt ? kt->t.dev_id : 0;
	net_tell(k, DOOR_EVENT, &ev, sizeof(ev));
}

/* The device of a tunnel among all: by handle, else by name, here before elsewhere. */
static const struct nlv_dev *pick(const struct ktunnel *kt, const struct nlv_dev *devs, size_t n)
{
	const struct nlv_dev *best = NULL;
	size_t i;

	for (i = 0; i < n; i++) {
		if (kt->t.dev_id && devs[i].dev_id == kt->t.dev_id)
			return &devs[i];
		if (!strcmp(devs[i].name, kt->t.name) && (!best || best->has_netnsid))
			best = &devs[i];
	}
	return best;
}

static void sync_one(struct ktunnel *kt, const struct nlv_dev *dev, bool *forked)
{
	if (dev && dev->dev_id == kt->t.dev_id) {
		*forked |= dev->forked != kt->forked;
		kt->forked = dev->forked;
		keep_up(kt, dev);
		return;
	}
	kt->t.dev_id = 0;
	if (!dev) {
		trouble(kt, "its device does not exist (ipsecvti up, or ip link add)");
	} else if (claim(kt, dev)) {
		kt->t.dev_id = dev->dev_id;
		kt->forked = dev->forked;
		kt->n_sas = DOOR_SAS_MAX;	/* not known: the first SA has them counted */
		log_info("device found", KV_S("tunnel", kt->t.name), KV_U("dev_id", dev->dev_id));
		trouble(kt, "");
	}
	keeper_update(kt);
}

void keeper_sync(struct keeper *k)
{
	struct nlv_dev *devs;
	struct ktunnel *kt;
	bool forked = false;
	size_t n;
	int err = nlv_dev_dump(k->nl, false, &devs, &n);

	if (err) {
		log_ratelimited(LOG_ERR, "cannot list the devices", KV_ERR("error", err));
		return;
	}
	for (kt = k->tunnels; kt; kt = kt->next)
		if (!kt->leaving)
			sync_one(kt, pick(kt, devs, n), &forked);
	free(devs);
	if (!forked)
		return;
	log_warn("the machine was cloned or restored: outbound SAs are dead");
	event(k, NULL, (struct door_event){ .type = IPSECVTI_EVENT_TYPE_VM_FORK });
}

static void sync_due(void *arg)
{
	struct keeper *k = arg;

	keeper_sync(k);
	resolver_run(k->resolver);
	loop_timer_in(k->loop, &k->sync_timer, SYNC_MS);
}

/* ---- kernel events ---- */

/*
 * Events were lost: whatever is latched is told again; net takes it twice
 * without harm. A peer that has moved is seen there again by its next packet.
 */
static void catch_up(struct keeper *k)
{
	struct nlv_sa *sas;
	size_t i, n;
	uint32_t type;
	int err;

	log_warn("kernel events were lost; comparing");
	keeper_sync(k);
	err = nlv_sa_dump(k->nl, NULL, false, &sas, &n);
	if (err) {
		log_err("cannot list the SAs", KV_ERR("error", err));
		return;
	}
	for (i = 0; i < n; i++) {
		struct ktunnel *kt = by_device(k, sas[i].dev_id);

		for (type = 1; kt && type <= IPSECVTI_EVENT_TYPE_FIRST_AUTH; type++)
			if (sas[i].events >> type & 1)
				event(k, kt, (struct door_event){ .type = type,
				      .sa_id = sas[i].sa_id, .spi = sas[i].spi,
				      .dir = sas[i].dir });
	}
	free(sas);
}

static void one_event(struct keeper *k, const struct nlv_event *ev)
{
	struct ktunnel *kt = by_device(k, ev->dev_id);

	switch (ev->type) {
	case IPSECVTI_EVENT_TYPE_DEV_NEW:
	case IPSECVTI_EVENT_TYPE_DEV_GONE:
		loop_timer_in(k->loop, &k->sync_timer, SOON_MS);
		break;
	case IPSECVTI_EVENT_TYPE_VM_FORK:
		/* By the devices' counts: each device says it, net is told once. */
		keeper_sync(k);
		break;
	default:
		if (kt)
			event(k, kt, (struct door_event){ .type = ev->type, .sa_id = ev->sa_id,
			      .spi = ev->spi, .dir = ev->dir, .from = ev->from });
	}
}

static void events_ready(void *arg, uint32_t events)
{
	struct keeper *k = arg;
	struct nlv_event ev;
	int err, i;

	for (i = 0; i < 256; i++) {
		err = nlv_event_read(k->nl, &ev);
		if (err == -ENOBUFS)
			catch_up(k);
		if (err)
			return;
		one_event(k, &ev);
	}
}

/* ---- configuration ---- */

static void forget(struct ktunnel *kt)
{
	struct ktunnel **p;
	struct keeper *k = kt->k;

	for (p = &k->tunnels; *p != kt; p = &(*p)->next)
		;
	*p = kt->next;
	loop_timer_stop(k->loop, &kt->leave_timer);
	keys_set(k->keys, kt->t.id, NULL, 0);
	free(kt->description);
	free(kt->psk_files);
	free(kt->status);
	free(kt);
}

/* Net has had its time to say farewell; what SAs are left go now, the device stays. */
static void left(void *arg)
{
	struct ktunnel *kt = arg;
	struct nlv_who who = keeper_who(kt);

	who.force = true;
	/* It may be back under another id by now, on the same device. */
	if (kt->t.dev_id && !by_device(kt->k, kt->t.dev_id))
		nlv_sa_del(kt->k->nl, &who, 0);
	log_notice("tunnel gone", KV_S("tunnel", kt->t.name));
	forget(kt);
}

static void leave(struct ktunnel *kt)
{
	struct door_id id = { kt->t.id };

	kt->leaving = true;
	net_tell(kt->k, DOOR_TUNNEL_GONE, &id, sizeof(id));
	kt->leave_timer = (struct loop_timer)LOOP_TIMER(left, kt);
	loop_timer_in(kt->k->loop, &kt->leave_timer, LEAVE_MS);
}

static struct ktunnel *new_tunnel(struct keeper *k, const char *name)
{
	struct ktunnel *kt = calloc(1, sizeof(*kt)), **end;

	if (!kt)
		return NULL;
	kt->k = k;
	strcpy(kt->t.name, name);
	kt->t.id = ++k->next_id;
	for (end = &k->tunnels; *end; end = &(*end)->next)
		;
	*end = kt;
	return kt;
}

static void take_tunnel(struct keeper *k, const struct conf_tunnel *ct)
{
	struct ktunnel *kt = keeper_find(k, ct->t.name);

	if (!kt)
		kt = new_tunnel(k, ct->t.name);
	if (!kt) {
		log_err("no memory for a tunnel", KV_S("tunnel", ct->t.name));
		return;
	}
	if (keys_set(k->keys, kt->t.id, ct->psk, ct->n_psk))
		log_err("no memory for a secret", KV_S("tunnel", ct->t.name));
	kt->dev = ct->dev;
	strcpy(kt->oif, ct->oif);
	kt->dev_new = true;
	kt->conf = ct->t;
	kt->conf.local_port = k->port;
	kt->conf.local_nat_port = k->nat_port;
	free(kt->description);
	kt->description = ct->description ? strdup(ct->description) : NULL;
	free(kt->psk_files);
	kt->psk_files = strdup(ct->value[KEY_PSK_FILE].text);
	if (kt->n_names != ct->n_names || memcmp(kt->names, ct->names, sizeof(kt->names))) {
		kt->n_names = ct->n_names;
		memcpy(kt->names, ct->names, sizeof(kt->names));
		kt->found.n = 0;
	}
	memcpy(kt->name_at, ct->name_at, sizeof(kt->name_at));
	kt->resolve_at = 0;
	keeper_update(kt);
}

static void take_conf(struct keeper *k, const struct conf *c)
{
	struct ktunnel *kt;
	size_t i;

	for (kt = k->tunnels; kt; kt = kt->next)
		if (!kt->leaving && !conf_find(c, kt->t.name))
			leave(kt);
	for (i = 0; i < c->n_tunnels; i++)
		take_tunnel(k, c->tunnels[i]);
	loop_timer_at(k->loop, &k->sync_timer, 0);
}

static size_t read_conf(struct keeper *k, struct conf **out)
{
	struct conf *c = conf_read(k->opt.confdir, 0);
	size_t i;

	*out = c;
	if (!c) {
		log_err("no memory for the configuration");
		return 1;
	}
	for (i = 0; i < c->n_warnings && i < CONF_ERRORS_MAX; i++)
		log_warn("configuration", KV_S("at", c->warnings[i]));
	for (i = 0; i < c->n_errors && i < CONF_ERRORS_MAX; i++)
		log_err("configuration", KV_S("at", c->errors[i]));
	return c->n_errors;
}

size_t keeper_reload(struct keeper *k, struct conf **bad)
{
	struct conf *c;
	size_t errors;

	sdnotify_reloading();
	errors = read_conf(k, &c);
	if (errors) {
		log_err("configuration has errors: nothing is changed", KV_U("errors", errors));
	} else {
		if (c->port != k->port || c->nat_port != k->nat_port)
			log_warn("port and nat-port take effect at the next start");
		take_conf(k, c);
		keeper_sync(k);
		log_notice("configuration read", KV_U("tunnels", c->n_tunnels));
	}
	if (errors && bad) {
		*bad = c;
		c = NULL;
	}
	conf_free(c);
	if (k->announced)
		sdnotify("READY=1");
	return errors;
}

/* ---- start and stop ---- */

static void watchdog(void *arg)
{
	struct keeper *k = arg;

	sdnotify("WATCHDOG=1");
	loop_timer_in(k->loop, &k->watchdog, sdnotify_watchdog_ms());
}

static int open_sockets(struct keeper *k, const struct conf *c)
{
	char why[320];

	k->port = c->port;
	k->nat_port = c->nat_port;
	if (!udp_open(&k->udp, c->listen, c->n_listen, c->port, c->nat_port, why, sizeof(why)))
		return 0;
	log_err("cannot open the IKE sockets", KV_S("why", why));
	return 1;
}

static int open_kernel(struct keeper *k)
{
	int err = nlv_open(&k->nl);

	if (!err)
		err = nlv_subscribe(k->nl);
	if (!err)
		err = loop_fd_add(k->loop, &k->event_watch, nlv_fd(k->nl), EPOLLIN);
	if (!err)
		return 0;
	if (err == -ENOENT)
		log_err("the kernel module is not loaded", KV_S("try", "modprobe ipsecvti"));
	else
		log_err("cannot talk to the kernel module", KV_ERR("error", err));
	return 1;
}

int keeper_start(struct keeper *k)
{
	struct conf *c;
	int bad;

	k->started_ms = loop_now(k->loop);
	k->event_watch = (struct loop_fd){ .ready = events_ready, .arg = k };
	k->sync_timer = (struct loop_timer)LOOP_TIMER(sync_due, k);
	k->watchdog = (struct loop_timer)LOOP_TIMER(watchdog, k);
	k->keys = keys_new();
	k->resolver = resolver_new(k);
	if (!k->keys || !k->resolver || net_prepare(k))
		return 1;
	bad = read_conf(k, &c) ? 2 : 0;
	if (!bad)
		bad = open_sockets(k, c);
	if (!bad)
		bad = open_kernel(k);
	if (!bad)
		bad = ctl_open(k);
	if (!bad) {
		take_conf(k, c);
		log_notice("started", KV_U("tunnels", c->n_tunnels), KV_U("sockets", k->udp.n),
			   KV_S("config", k->opt.confdir));
		if (!c->n_tunnels)
			log_notice("no tunnel is configured", KV_S("config", k->opt.confdir));
		if (!keys_locked(k->keys))
			log_warn("the secrets cannot be locked into memory (RLIMIT_MEMLOCK)");
	}
	conf_free(c);
	if (bad)
		return bad;
	/* Devices first, so that net hears of them with the tunnels. */
	sync_due(k);
	net_start(k);
	if (sdnotify_watchdog_ms())
		watchdog(k);
	return 0;
}

void keeper_stop(struct keeper *k, bool keep_sas)
{
	if (k->stopping && !keep_sas)
		return;
	k->stopping = true;
	k->net.stopping = true;
	sdnotify("STOPPING=1");
	loop_timer_stop(k->loop, &k->net.restart);
	if (!k->net.pid || !k->net.ready || keep_sas) {
		loop_stop(k->loop);
		return;
	}
	log_notice("stopping: telling the peers");
	net_tell(k, DOOR_STOP, NULL, 0);
	loop_timer_in(k->loop, &k->net.kill, STOP_MS);
}

void keeper_free(struct keeper *k)
{
	ctl_close(k);
	net_free(k);
	resolver_free(k->resolver);
	while (k->tunnels)
		forget(k->tunnels);
	loop_fd_del(k->loop, &k->event_watch);
	nlv_close(k->nl);
	udp_close(&k->udp);
	keys_free(k->keys);
}
