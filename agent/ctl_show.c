// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What "show" says of a tunnel, put together from configuration, net and
 * kernel. Names are those of strongSwan's VICI where the meaning is the same.
 */
#include <inttypes.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "addr.h"
#include "ctl.h"
#include "id.h"
#include "keeper.h"
#include "log.h"
#include "suite.h"
#include "ts.h"
#include "version.h"

/* The kernel's side of all tunnels, read once for an answer. */
struct kernel {
	struct nlv_dev *devs;
	struct nlv_sa *sas;
	size_t n_devs, n_sas;
};

static const char *const states[] = {
	[TUNNEL_DOWN] = "down",
	[TUNNEL_IDLE] = "idle",
	[TUNNEL_CONNECTING] = "connecting",
	[TUNNEL_UP] = "up",
	[TUNNEL_BACKOFF] = "backoff",
};

static void put_str(json_t *j, const char *key, const char *text)
{
	json_object_set_new(j, key, json_string(text));
}

static void put_int(json_t *j, const char *key, uint64_t v)
{
	json_object_set_new(j, key, json_integer((json_int_t)v));
}

static void put_bool(json_t *j, const char *key, bool v)
{
	json_object_set_new(j, key, json_boolean(v));
}

static void put_spi(json_t *j, const char *key, uint32_t spi)
{
	char text[16];

	snprintf(text, sizeof(text), "0x%08x", spi);
	put_str(j, key, text);
}

static void put_ike_spi(json_t *j, const char *key, uint64_t spi)
{
	char text[24];

	snprintf(text, sizeof(text), "%016" PRIx64, spi);
	put_str(j, key, text);
}

/* Free text of net's may hold what a peer has sent. */
static void put_text(json_t *j, const char *key, const char *text)
{
	char safe[4 * DOOR_TEXT_MAX];

	put_str(j, key, log_escape(safe, sizeof(safe), text, strlen(text)));
}

static void put_addr(json_t *j, const char *host, const char *port, const struct addr *a)
{
	char text[ADDR_TEXT_MAX];

	put_str(j, host, addr_format_ip(a, text, sizeof(text)));
	if (a->port)
		put_int(j, port, a->port);
}

static void put_id(json_t *j, const char *key, const struct ident *id)
{
	char text[ID_TEXT_MAX];

	put_str(j, key, id_format(id, text, sizeof(text)));
}

static void put_transform(json_t *j, const char *key, const struct transform *t)
{
	char text[64];

	if (t->type && t->id)
		put_str(j, key, suite_name(t, text, sizeof(text)));
}

static void put_ts(json_t *j, const char *key, const struct ts *ts, unsigned int n)
{
	json_t *list = json_array();
	char text[TS_TEXT_MAX];
	unsigned int i;

	for (i = 0; i < n && i < TUNNEL_SELECTORS; i++)
		json_array_append_new(list, json_string(ts_format(&ts[i], text, sizeof(text))));
	json_object_set_new(j, key, list);
}

/* ---- the kernel's part ---- */

static const struct nlv_dev *dev_of(const struct kernel *ke, const struct ktunnel *kt)
{
	size_t i;

	for (i = 0; kt->t.dev_id && i < ke->n_devs; i++)
		if (ke->devs[i].dev_id == kt->t.dev_id)
			return &ke->devs[i];
	return NULL;
}

static const struct nlv_sa *sa_of(const struct kernel *ke, uint32_t dev_id, uint32_t spi,
				  uint32_t dir)
{
	size_t i;

	for (i = 0; dev_id && i < ke->n_sas; i++)
		if (ke->sas[i].dev_id == dev_id && ke->sas[i].spi == spi && ke->sas[i].dir == dir)
			return &ke->sas[i];
	return NULL;
}

static unsigned int mtu_of(const char *name)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq req = { 0 };
	unsigned int mtu = 0;

	strncpy(req.ifr_name, name, sizeof(req.ifr_name) - 1);
	if (fd >= 0 && !ioctl(fd, SIOCGIFMTU, &req))
		mtu = (unsigned int)req.ifr_mtu;
	if (fd >= 0)
		close(fd);
	return mtu;
}

static void put_device(json_t *j, const struct nlv_dev *dev)
{
	uint32_t mtu;

	put_str(j, "ifname", dev->name);
	put_int(j, "dev-id", dev->dev_id);
	put_bool(j, "carrier", dev->carrier);
	if (!dev->has_netnsid && mtu_of(dev->name))
		put_int(j, "mtu", mtu_of(dev->name));
	mtu = dev->effective_mtu;
	if (mtu <= 60)
		return;		/* not known without an SA */
	put_int(j, "effective-mtu", mtu);
	put_int(j, "mss", mtu - 40);
	put_int(j, "mss6", mtu - 60);
}

static void put_use(json_t *j, const struct nlv_sa *sa, bool in)
{
	if (!sa)
		return;
	put_int(j, in ? "bytes-in" : "bytes-out",
		sa->stats.v[in ? IPSECVTI_A_STATS_RX_BYTES : IPSECVTI_A_STATS_TX_BYTES]);
	put_int(j, in ? "packets-in" : "packets-out",
		sa->stats.v[in ? IPSECVTI_A_STATS_RX_PACKETS : IPSECVTI_A_STATS_TX_PACKETS]);
	if (sa->used_ms != UINT64_MAX)
		put_int(j, in ? "use-in" : "use-out", sa->used_ms / 1000);
}

/* ---- net's part ---- */

static json_t *child_json(const struct kernel *ke, const struct ktunnel *kt,
			  const struct door_child *c)
{
	json_t *j = json_object();

	put_str(j, "name", kt->t.name);
	put_int(j, "uniqueid", c->id);
	if (kt->t.per_pair)
		put_int(j, "pair", c->pair);
	put_str(j, "state", "INSTALLED");
	put_bool(j, "encap", kt->status->encap);
	put_spi(j, "spi-in", c->spi_in);
	put_spi(j, "spi-out", c->spi_out);
	put_transform(j, "encr-alg", &c->esp[0]);
	if (c->esp[0].key_bits)
		put_int(j, "encr-keysize", c->esp[0].key_bits);
	put_transform(j, "integ-alg", &c->esp[1]);
	put_transform(j, "dh-group", &c->esp[2]);
	put_bool(j, "esn", c->esp[3].id == ESN_YES);
	put_use(j, sa_of(ke, kt->t.dev_id, c->spi_in, IPSECVTI_DIR_IN), true);
	put_use(j, sa_of(ke, kt->t.dev_id, c->spi_out, IPSECVTI_DIR_OUT), false);
	put_int(j, "install-time", c->age);
	put_int(j, "rekey-time", c->rekey_in);
	put_ts(j, "local-ts", c->local_ts, c->n_local_ts);
	put_ts(j, "remote-ts", c->remote_ts, c->n_remote_ts);
	return j;
}

static void put_ike(json_t *j, const struct ktunnel *kt)
{
	const struct door_status *s = kt->status;
	struct ident local = kt->t.local_id.type ? kt->t.local_id : id_from_addr(&s->local);

	put_int(j, "uniqueid", s->unique_id);
	put_str(j, "version", "2");
	put_addr(j, "local-host", "local-port", &s->local);
	put_id(j, "local-id", &local);
	put_addr(j, "remote-host", "remote-port", &s->remote);
	put_id(j, "remote-id", &s->remote_id);
	put_bool(j, "initiator", s->initiator);
	put_ike_spi(j, "initiator-spi", s->spi_i);
	put_ike_spi(j, "responder-spi", s->spi_r);
	put_bool(j, "nat-local", s->nat_local);
	put_bool(j, "nat-remote", s->nat_remote);
	put_transform(j, "encr-alg", &s->ike[0]);
	if (s->ike[0].key_bits)
		put_int(j, "encr-keysize", s->ike[0].key_bits);
	put_transform(j, "prf-alg", &s->ike[1]);
	put_transform(j, "integ-alg", &s->ike[2]);
	put_transform(j, "dh-group", &s->ike[3]);
	put_int(j, "established", s->ike_age);
	put_int(j, "rekey-time", s->ike_rekey_in);
}

/* Without an IKE SA: what is configured. */
static void put_configured(json_t *j, const struct ktunnel *kt)
{
	const struct addr any = { 0 };

	put_addr(j, "local-host", "local-port", kt->t.n_local ? &kt->t.local[0] : &any);
	put_addr(j, "remote-host", "remote-port", kt->t.n_remote ? &kt->t.remote[0] : &any);
	if (kt->t.local_id.type)
		put_id(j, "local-id", &kt->t.local_id);
	put_id(j, "remote-id", &kt->t.remote_id);
}

static void put_counts(json_t *j, const struct door_status *s)
{
	json_t *c = json_object();

	put_int(c, "ike-rekeys", s->ike_rekeys);
	put_int(c, "child-rekeys", s->child_rekeys);
	put_int(c, "retransmits", s->retransmits);
	put_int(c, "dpd-timeouts", s->dpd_timeouts);
	json_object_set_new(j, "counts", c);
}

static const char *why_not(const struct ktunnel *kt, const char *state)
{
	if (!strcmp(state, "up"))
		return kt->status->note;		/* such as a rekey that was refused */
	if (kt->t.down)
		return "taken down by the administrator";
	if (*kt->trouble)
		return kt->trouble;
	if (kt->n_names && !kt->t.n_remote)
		return "the peer's name has no address yet";
	if (!kt->k->net.ready)
		return "the network process is starting";
	return kt->status && *kt->status->note ? kt->status->note : kt->note;
}

static json_t *tunnel_json(const struct kernel *ke, const struct ktunnel *kt)
{
	const struct door_status *s = kt->status;
	const char *state = kt->t.down ? "down" : "idle";
	const struct nlv_dev *dev = dev_of(ke, kt);
	json_t *j = json_object(), *children = json_array(), *wrap = json_object();

	if (s && s->state < sizeof(states) / sizeof(states[0]))
		state = states[s->state];
	put_str(j, "name", kt->t.name);
	if (kt->description)
		put_text(j, "description", kt->description);
	put_str(j, "state", state);
	put_text(j, "note", why_not(kt, state));
	put_str(j, "start", kt->t.start == START_INITIATE ? "initiate" :
		kt->t.start == START_RESPOND ? "respond" : "demand");
	if (dev)
		put_device(j, dev);
	if (s && s->unique_id)
		put_ike(j, kt);
	else
		put_configured(j, kt);
	if (s)
		put_counts(j, s);
	if (s && s->n_pairs > 1)
		put_int(j, "pairs", s->n_pairs);
	for (uint32_t i = 0; s && i < s->n_children; i++)
		json_array_append_new(children, child_json(ke, kt, &s->child[i]));
	json_object_set_new(j, "child-sas", children);
	json_object_set_new(wrap, "tunnel", j);
	return wrap;
}

void ctl_show(struct keeper *k, const char *name, void (*say)(void *arg, json_t *j), void *arg)
{
	struct kernel ke = { 0 };
	const struct ktunnel *kt;

	/* A kernel that does not answer takes its own columns away, not the rest. */
	if (nlv_dev_dump(k->nl, false, &ke.devs, &ke.n_devs))
		ke.n_devs = 0;
	if (nlv_sa_dump(k->nl, NULL, true, &ke.sas, &ke.n_sas))
		ke.n_sas = 0;
	for (kt = k->tunnels; kt; kt = kt->next)
		if (!kt->leaving && (!name || !strcmp(kt->t.name, name)))
			say(arg, tunnel_json(&ke, kt));
	free(ke.devs);
	free(ke.sas);
}

json_t *ctl_agent(struct keeper *k)
{
	json_t *j = json_object(), *socks = json_array();
	const struct ktunnel *kt;
	uint64_t now = loop_now(k->loop), tunnels = 0;
	char text[ADDR_TEXT_MAX + 8];
	unsigned int i;

	for (kt = k->tunnels; kt; kt = kt->next)
		tunnels++;
	for (i = 0; i < k->udp.n; i++) {
		addr_format(&k->udp.sock[i].local, text, sizeof(text));
		json_array_append_new(socks, json_string(text));
	}
	put_str(j, "version", IPSECVTI_VERSION);
	put_int(j, "pid", (uint64_t)getpid());
	put_int(j, "uptime", (now - k->started_ms) / 1000);
	put_int(j, "net-pid", (uint64_t)k->net.pid);
	put_bool(j, "net-ready", k->net.ready);
	put_int(j, "net-uptime", k->net.pid ? (now - k->net.started_ms) / 1000 : 0);
	put_int(j, "net-restarts", k->net.restarts);
	put_int(j, "tunnels", tunnels);
	json_object_set_new(j, "sockets", socks);
	return j;
}
