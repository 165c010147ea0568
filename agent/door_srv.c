// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Keeper's side of the door. Net may have been taken over: its lengths have
 * been checked (door_len_ok), here every handle and every value is. It can
 * reach the devices of its tunnels and no other, receive on SPIs that the
 * kernel has reserved for it and no other, and gets no secret out.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "addr.h"
#include "ctl.h"
#include "keeper.h"
#include "log.h"

#define SPI_LOWEST	256	/* RFC 4303 2.1 */

/* ---- handles ---- */

/* The tunnel of a request that needs its device; NULL and an errno. */
static struct ktunnel *with_device(struct keeper *k, uint32_t id, int *err)
{
	struct ktunnel *kt = keeper_tunnel(k, id);

	*err = !kt ? -ENOENT : !kt->t.dev_id ? -ENODEV : 0;
	return *err ? NULL : kt;
}

/* Whether an SA is one of this tunnel's. */
static int own_sa(struct ktunnel *kt, uint32_t sa_id, struct nlv_sa *sa)
{
	int err = sa_id ? nlv_sa_get(kt->k->nl, sa_id, false, sa) : -ENOENT;

	return !err && sa->dev_id != kt->t.dev_id ? -EPERM : err;
}

static struct spi_reserved *reserved(struct ktunnel *kt, uint32_t spi)
{
	uint64_t now = loop_now(kt->k->loop);
	unsigned int i;

	for (i = 0; i < SPIS_MAX; i++) {
		struct spi_reserved *r = &kt->spis[i];

		if (r->until <= now)
			r->spi = 0;
		if (r->spi == spi)
			return r;
	}
	return NULL;
}

/* ---- authentication ---- */

static int auth_mac(struct keeper *k, const struct door_auth *a, struct door_mac *mac)
{
	if (!keeper_tunnel(k, a->tunnel))
		return -ENOENT;
	return keys_mac(k->keys, a->tunnel, a->key, a->prf, a->octets, a->octets_len, mac);
}

/* "new.psk, old.psk": the nth of them. */
static const char *psk_name(const struct ktunnel *kt, uint32_t n, char *buf, size_t size)
{
	const char *at = kt->psk_files ? kt->psk_files : "";

	for (; n && strchr(at, ','); n--)
		at = strchr(at, ',') + 1;
	at += strspn(at, " \t");
	snprintf(buf, size, "%.*s", (int)strcspn(at, ", \t"), at);
	return buf;
}

static int auth_verify(struct keeper *k, const struct door_auth *a, struct door_key *out)
{
	const struct ktunnel *kt = keeper_tunnel(k, a->tunnel);
	char name[PATH_MAX];
	int err;

	if (!kt)
		return -ENOENT;
	if (a->mac_len > sizeof(a->mac))
		return -EINVAL;
	err = keys_verify(k->keys, a->tunnel, a->prf, a->octets, a->octets_len, a->mac,
			  a->mac_len, &out->key);
	if (!err)
		log_info("the peer has our secret", KV_S("tunnel", kt->t.name),
			 KV_S("psk-file", psk_name(kt, out->key, name, sizeof(name))));
	else if (err == -EACCES)
		log_ratelimited(LOG_WARNING, "the peer has another secret",
				KV_S("tunnel", kt->t.name), KV_S("psk-file", kt->psk_files));
	return err;
}

/* ---- the kernel ---- */

static int spi_alloc(struct keeper *k, const struct door_id *id, struct door_spi *out)
{
	struct spi_reserved *slot;
	struct nlv_who who;
	int err;
	struct ktunnel *kt = with_device(k, id->tunnel, &err);

	if (!kt)
		return err;
	slot = reserved(kt, 0);
	if (!slot)
		return -EBUSY;
	who = keeper_who(kt);
	err = nlv_spi_alloc(k->nl, &who, &out->spi);
	if (err)
		return err;
	slot->spi = out->spi;
	slot->until = loop_now(k->loop) + SPI_LIFE_MS;
	return 0;
}

/* Net may not fill the kernel: a tunnel has as many SAs as DOOR_SA_LIST can tell. */
static int count_sas(struct ktunnel *kt)
{
	struct nlv_who who = keeper_who(kt);
	struct nlv_sa *sas;
	size_t n;
	int err;

	if (kt->n_sas < DOOR_SAS_MAX)
		return 0;
	err = nlv_sa_dump(kt->k->nl, &who, false, &sas, &n);
	if (err)
		return err;
	free(sas);
	kt->n_sas = (uint32_t)n;
	return n < DOOR_SAS_MAX ? 0 : -ENOSPC;
}

/*
 * An inbound SA on an SPI that net has not reserved: one that it made before it
 * died, which it may then look at, or none of its business.
 */
static int made_before(struct ktunnel *kt, uint32_t spi)
{
	struct nlv_who who = keeper_who(kt);
	struct nlv_sa *sas;
	int err = -EPERM;
	size_t i, n;

	if (nlv_sa_dump(kt->k->nl, &who, false, &sas, &n))
		return err;
	for (i = 0; i < n; i++)
		if (sas[i].dev_id == kt->t.dev_id && sas[i].dir == IPSECVTI_DIR_IN &&
		    sas[i].spi == spi)
			err = -EEXIST;
	free(sas);
	return err;
}

static int sa_check(struct ktunnel *kt, const struct door_sa_new *s)
{
	if (s->dir != IPSECVTI_DIR_IN && s->dir != IPSECVTI_DIR_OUT)
		return -EINVAL;
	if (s->spi < SPI_LOWEST || s->esn > 1)
		return -EINVAL;
	if (s->key_len > sizeof(s->key) || !s->key_len ||
	    s->key_len != nlv_suite_key_len(s->suite))
		return -EINVAL;
	if (s->local_ts.len > sizeof(s->local_ts.data) ||
	    s->remote_ts.len > sizeof(s->remote_ts.data))
		return -EINVAL;
	if (s->window && (s->window < IPSECVTI_WINDOW_MIN || s->window > IPSECVTI_WINDOW_MAX))
		return -EINVAL;
	if (s->dir == IPSECVTI_DIR_IN && !reserved(kt, s->spi))
		return made_before(kt, s->spi);
	return count_sas(kt);
}

static int sa_new(struct keeper *k, const struct door_sa_new *s, struct door_sa_id *out)
{
	struct nlv_sa_new sa = {
		.dir = s->dir, .spi = s->spi, .suite = s->suite, .child_id = s->child_id,
		.window = s->dir == IPSECVTI_DIR_IN ? s->window : 0, .esn = s->esn,
		.key_len = s->key_len, .cookie_len = sizeof(s->cookie),
		.soft_seconds = s->soft_seconds, .hard_seconds = s->hard_seconds,
		.soft_bytes = s->soft_bytes, .hard_bytes = s->hard_bytes,
		.soft_packets = s->soft_packets, .hard_packets = s->hard_packets,
		.local_ts = s->local_ts, .remote_ts = s->remote_ts,
	};
	struct nlv_who who;
	int err;
	struct ktunnel *kt = with_device(k, s->tunnel, &err);

	if (kt)
		err = sa_check(kt, s);
	if (err)
		return err;
	memcpy(sa.cookie, s->cookie, sizeof(s->cookie));
	memcpy(sa.key, s->key, s->key_len);
	who = keeper_who(kt);
	err = nlv_sa_new(k->nl, &who, &sa, &out->sa_id);
	explicit_bzero(&sa, sizeof(sa));
	if (err) {
		log_ratelimited(LOG_ERR, "the kernel refuses an SA", KV_S("tunnel", kt->t.name),
				KV_S("why", nlv_text(k->nl)), KV_ERR("error", err));
		return err;
	}
	kt->n_sas++;
	if (s->dir == IPSECVTI_DIR_IN)
		reserved(kt, s->spi)->spi = 0;
	return 0;
}

/* The outbound set may point to it: net has its reasons, a delete is a delete. */
static int sa_del(struct keeper *k, const struct door_sa_del *d)
{
	struct nlv_who who;
	struct nlv_sa sa;
	int err;
	struct ktunnel *kt = with_device(k, d->tunnel, &err);

	if (kt)
		err = own_sa(kt, d->sa_id, &sa);
	if (err)
		return err;
	who = keeper_who(kt);
	who.force = true;
	err = nlv_sa_del(k->nl, &who, d->sa_id);
	if (!err && kt->n_sas)
		kt->n_sas--;
	return err;
}

static int out_set(struct keeper *k, const struct door_out_set *o)
{
	struct nlv_slot slots[sizeof(o->sa) / sizeof(o->sa[0])];
	struct nlv_who who;
	struct nlv_sa sa;
	uint32_t i;
	int err;
	struct ktunnel *kt = with_device(k, o->tunnel, &err);

	if (kt && o->n > sizeof(o->sa) / sizeof(o->sa[0]))
		err = -EINVAL;
	for (i = 0; !err && i < o->n; i++) {
		err = own_sa(kt, o->sa[i].sa_id, &sa);
		if (!err && sa.dir != IPSECVTI_DIR_OUT)
			err = -EINVAL;
		slots[i] = (struct nlv_slot){ o->sa[i].child_id, o->sa[i].sa_id, IPSECVTI_CPU_ANY };
	}
	if (err)
		return err;
	who = keeper_who(kt);
	return nlv_out_set(k->nl, &who, slots, o->n, NULL, NULL);
}

static void tell_sa(struct door_sa *to, const struct nlv_sa *s)
{
	const bool in = s->dir == IPSECVTI_DIR_IN;
	const uint64_t *v = s->stats.v;

	*to = (struct door_sa){
		.sa_id = s->sa_id, .spi = s->spi, .dir = s->dir, .suite = s->suite,
		.child_id = s->child_id, .esn = s->esn, .current = s->current, .dead = s->dead,
		.events = s->events, .life = s->hard_seconds, .age = s->age,
		.used_ms = s->used_ms, .seq = s->seq,
		.packets = v[in ? IPSECVTI_A_STATS_RX_PACKETS : IPSECVTI_A_STATS_TX_PACKETS],
		.bytes = v[in ? IPSECVTI_A_STATS_RX_BYTES : IPSECVTI_A_STATS_TX_BYTES],
	};
	memcpy(to->cookie, s->cookie, s->cookie_len < sizeof(to->cookie) ? s->cookie_len :
	       sizeof(to->cookie));
}

static int sa_list(struct keeper *k, const struct door_id *id, struct door_sa_list *out)
{
	struct nlv_who who;
	struct nlv_dev dev;
	struct nlv_sa *sas;
	size_t i, n;
	int err;
	struct ktunnel *kt = with_device(k, id->tunnel, &err);

	if (!kt)
		return err;
	who = keeper_who(kt);
	err = nlv_dev_get(k->nl, &who, false, &dev);
	if (!err)
		err = nlv_sa_dump(k->nl, &who, true, &sas, &n);
	if (err)
		return err;
	out->endpoint = (struct door_endpoint){
		.tunnel = id->tunnel, .encap = dev.encap, .local = dev.local, .remote = dev.remote,
	};
	kt->n_sas = (uint32_t)n;
	for (i = 0; i < n && out->n < DOOR_SAS_MAX; i++)
		if (sas[i].dev_id == kt->t.dev_id)
			tell_sa(&out->sa[out->n++], &sas[i]);
	if (i < n)
		log_ratelimited(LOG_WARNING, "a device has more SAs than expected",
				KV_S("tunnel", kt->t.name), KV_U("sas", n));
	free(sas);
	return 0;
}

static bool local_allowed(const struct ktunnel *kt, const struct addr *a)
{
	unsigned int i;

	for (i = 0; i < kt->t.n_local; i++)
		if (addr_ip_equal(&kt->t.local[i], a))
			return true;
	return !kt->t.n_local;
}

/* The peer may move (NAT, several addresses), so its address is free; what it may be is not. */
static int endpoint_check(const struct ktunnel *kt, const struct door_endpoint *e)
{
	const struct addr *l = &e->local, *r = &e->remote;

	if ((l->family != AF_INET && l->family != AF_INET6) || l->family != r->family)
		return -EAFNOSUPPORT;
	if (addr_is_any(l) || addr_is_any(r) || addr_ip_equal(l, r))
		return -EADDRNOTAVAIL;
	if (r->family == AF_INET ? (r->ip[0] & 0xf0) == 0xe0 || r->ip[0] == 255 : r->ip[0] == 0xff)
		return -EADDRNOTAVAIL;
	if (!local_allowed(kt, l))
		return -EPERM;
	if (e->encap != IPSECVTI_ENCAP_NONE && e->encap != IPSECVTI_ENCAP_UDP)
		return -EINVAL;
	/* ESP in UDP leaves from the port that we hold, or answers would find nobody. */
	if (e->encap == IPSECVTI_ENCAP_UDP &&
	    (!r->port || (l->port != kt->k->nat_port && l->port != kt->k->port)))
		return -EINVAL;
	return 0;
}

static int endpoint(struct keeper *k, const struct door_endpoint *e)
{
	struct nlv_dev_patch patch = {
		.set_addrs = true,
		.local = e->local,
		.remote = e->remote,
		.set_encap = true,
		.encap = e->encap,
		.sport = e->local.port,
		.dport = e->remote.port,
	};
	struct nlv_who who;
	int err;
	struct ktunnel *kt = with_device(k, e->tunnel, &err);

	if (kt)
		err = endpoint_check(kt, e);
	if (err)
		return err;
	who = keeper_who(kt);
	err = nlv_dev_set(k->nl, &who, &patch);
	if (err)
		log_ratelimited(LOG_ERR, "the kernel refuses the addresses",
				KV_S("tunnel", kt->t.name), KV_S("why", nlv_text(k->nl)),
				KV_ERR("error", err));
	return err;
}

/* ---- what net tells ---- */

static void status(struct keeper *k, const struct door_status *s, size_t len)
{
	struct ktunnel *kt = keeper_tunnel(k, s->tunnel);
	struct door_status *copy = kt ? malloc(len) : NULL;

	if (!copy)
		return;
	memcpy(copy, s, len);
	copy->note[sizeof(copy->note) - 1] = 0;
	for (uint32_t i = 0; i < copy->n_children; i++) {
		struct door_child *c = &copy->child[i];

		if (c->n_local_ts > TUNNEL_SELECTORS)
			c->n_local_ts = 0;
		if (c->n_remote_ts > TUNNEL_SELECTORS)
			c->n_remote_ts = 0;
	}
	free(kt->status);
	kt->status = copy;
}

static void status_end(struct keeper *k)
{
	if (k->net.status_done == k->net.status_sent)
		return;		/* nobody has asked */
	k->net.status_done++;
	k->net.status_asked_ms = loop_now(k->loop);
	ctl_status_done(k, false);
}

static void note(struct keeper *k, const struct door_note *n)
{
	struct ktunnel *kt = keeper_tunnel(k, n->tunnel);

	if (!kt)
		return;
	memcpy(kt->note, n->text, sizeof(kt->note));
	kt->note[sizeof(kt->note) - 1] = 0;
	if (*kt->note)
		resolver_doubt(kt);
}

void door_serve(struct keeper *k, const struct door_msg *m)
{
	union {
		struct door_mac mac;
		struct door_key key;
		struct door_spi spi;
		struct door_sa_id sa_id;
		struct door_sa_list list;
	} r;
	size_t len = 0;
	int err;

	memset(&r, 0, sizeof(r));
	switch (m->head.type) {
	case DOOR_AUTH_MAC:
		err = auth_mac(k, m->body, &r.mac);
		len = sizeof(r.mac);
		break;
	case DOOR_AUTH_VERIFY:
		err = auth_verify(k, m->body, &r.key);
		len = sizeof(r.key);
		break;
	case DOOR_SPI_ALLOC:
		err = spi_alloc(k, m->body, &r.spi);
		len = sizeof(r.spi);
		break;
	case DOOR_SA_NEW:
		err = sa_new(k, m->body, &r.sa_id);
		len = sizeof(r.sa_id);
		break;
	case DOOR_SA_DEL:
		err = sa_del(k, m->body);
		break;
	case DOOR_OUT_SET:
		err = out_set(k, m->body);
		break;
	case DOOR_SA_LIST:
		err = sa_list(k, m->body, &r.list);
		len = sizeof(r.list);
		break;
	case DOOR_ENDPOINT:
		err = endpoint(k, m->body);
		break;
	case DOOR_READY:
		if (k->net.ready)
			net_kill(k, "it is ready twice");
		else
			keeper_net_ready(k);
		return;
	case DOOR_STATUS:
		status(k, m->body, m->head.len);
		return;
	case DOOR_STATUS_END:
		status_end(k);
		return;
	case DOOR_NOTE:
		note(k, m->body);
		return;
	default:
		net_kill(k, "it sent what only the keeper sends");
		return;
	}
	net_reply(k, m->head.tag, err, &r, len);
	explicit_bzero(&r, sizeof(r));
}
