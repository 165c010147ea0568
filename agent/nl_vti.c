// SPDX-License-Identifier: GPL-2.0-or-later
/* Client of the genetlink family "ipsecvti". */
#include "nl_vti.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/genetlink.h>

#include "nlsock.h"
#include "ts.h"

#define DUMP_TRIES	8

struct nlv {
	struct nlsock ask;
	struct nlsock events;
	uint16_t family;
	uint32_t group;
	/* what is left of the datagram that nlv_event_read() is going through */
	const struct nlmsghdr *ev;
	int ev_left;
};

static const struct {
	const char *name;
	uint8_t key_len;
} suites[] = {
	[IPSECVTI_SUITE_AES128GCM16] = { "aes128gcm16", 20 },
	[IPSECVTI_SUITE_AES192GCM16] = { "aes192gcm16", 28 },
	[IPSECVTI_SUITE_AES256GCM16] = { "aes256gcm16", 36 },
	[IPSECVTI_SUITE_CHACHA20POLY1305] = { "chacha20poly1305", 36 },
	[IPSECVTI_SUITE_AES128_SHA1] = { "aes128-sha1", 16 + 20 },
	[IPSECVTI_SUITE_AES128_SHA256] = { "aes128-sha256", 16 + 32 },
	[IPSECVTI_SUITE_AES128_SHA384] = { "aes128-sha384", 16 + 48 },
	[IPSECVTI_SUITE_AES128_SHA512] = { "aes128-sha512", 16 + 64 },
	[IPSECVTI_SUITE_AES256_SHA1] = { "aes256-sha1", 32 + 20 },
	[IPSECVTI_SUITE_AES256_SHA256] = { "aes256-sha256", 32 + 32 },
	[IPSECVTI_SUITE_AES256_SHA384] = { "aes256-sha384", 32 + 48 },
	[IPSECVTI_SUITE_AES256_SHA512] = { "aes256-sha512", 32 + 64 },
	[IPSECVTI_SUITE_AES128GMAC] = { "aes128gmac", 20 },
	[IPSECVTI_SUITE_AES256GMAC] = { "aes256gmac", 36 },
	[IPSECVTI_SUITE_NULL_SHA256] = { "null-sha256", 32 },
};

static const char *const event_names[] = {
	[IPSECVTI_EVENT_TYPE_SOFT_EXPIRE] = "soft-expire",
	[IPSECVTI_EVENT_TYPE_HARD_EXPIRE] = "hard-expire",
	[IPSECVTI_EVENT_TYPE_FIRST_AUTH] = "first-auth",
	[IPSECVTI_EVENT_TYPE_ACQUIRE] = "acquire",
	[IPSECVTI_EVENT_TYPE_VM_FORK] = "vm-fork",
	[IPSECVTI_EVENT_TYPE_DEV_NEW] = "dev-new",
	[IPSECVTI_EVENT_TYPE_DEV_GONE] = "dev-gone",
	[IPSECVTI_EVENT_TYPE_PEER_MOVED] = "peer-moved",
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

const char *nlv_suite_name(uint32_t suite)
{
	return suite < COUNT(suites) ? suites[suite].name : NULL;
}

size_t nlv_suite_key_len(uint32_t suite)
{
	return suite < COUNT(suites) ? suites[suite].key_len : 0;
}

int nlv_suite_find(const char *name, uint32_t *suite, size_t *key_len)
{
	uint32_t i;

	for (i = 0; i < COUNT(suites); i++) {
		if (!suites[i].name || strcmp(suites[i].name, name))
			continue;
		*suite = i;
		*key_len = suites[i].key_len;
		return 0;
	}
	return -ENOENT;
}

const char *nlv_event_name(uint32_t type)
{
	return type < COUNT(event_names) ? event_names[type] : NULL;
}

/* ---- opening ---- */

static void read_family(void *arg, const struct nlmsghdr *h)
{
	const struct nlattr *tb[CTRL_ATTR_MAX + 1];
	struct nlv *n = arg;
	const struct nlattr *attr;

	nls_parse_genl(tb, CTRL_ATTR_MAX, h);
	n->family = (uint16_t)nls_uint(tb[CTRL_ATTR_FAMILY_ID], 0);
	if (!tb[CTRL_ATTR_MCAST_GROUPS])
		return;
	mnl_attr_for_each_nested(attr, tb[CTRL_ATTR_MCAST_GROUPS]) {
		const struct nlattr *g[CTRL_ATTR_MCAST_GRP_MAX + 1];
		char name[GENL_NAMSIZ];

		nls_parse_nest(g, CTRL_ATTR_MCAST_GRP_MAX, attr);
		nls_str(g[CTRL_ATTR_MCAST_GRP_NAME], name, sizeof(name));
		if (!strcmp(name, IPSECVTI_MCGRP_EVENTS))
			n->group = (uint32_t)nls_uint(g[CTRL_ATTR_MCAST_GRP_ID], 0);
	}
}

int nlv_open(struct nlv **out)
{
	struct nlv *n = calloc(1, sizeof(*n));
	int err;

	if (!n)
		return -ENOMEM;
	err = nls_open(&n->ask, NETLINK_GENERIC);
	if (!err) {
		nls_start_genl(&n->ask, GENL_ID_CTRL, 0, CTRL_CMD_GETFAMILY, 1);
		nls_put_str(&n->ask, CTRL_ATTR_FAMILY_NAME, IPSECVTI_FAMILY_NAME);
		err = nls_talk(&n->ask, read_family, n);
	}
	if (!err && !n->family)
		err = -ENOENT;
	if (err) {
		nlv_close(n);
		return err;
	}
	*out = n;
	return 0;
}

void nlv_close(struct nlv *n)
{
	if (!n)
		return;
	nls_close(&n->ask);
	nls_close(&n->events);
	free(n);
}

const char *nlv_text(const struct nlv *n)
{
	return n->ask.text;
}

/* ---- requests ---- */

static void start(struct nlv *n, uint8_t cmd, uint16_t flags)
{
	nls_start_genl(&n->ask, n->family, flags, cmd, IPSECVTI_FAMILY_VERSION);
}

#define SAME_HANDLE(set) \
	_Static_assert((int)IPSECVTI_A_DEV_DEV_ID == (int)IPSECVTI_A_##set##_DEV_ID && \
		       (int)IPSECVTI_A_DEV_IFNAME == (int)IPSECVTI_A_##set##_IFNAME, \
		       "the handle has one place in all attribute sets")
SAME_HANDLE(SA);
SAME_HANDLE(OUT);
SAME_HANDLE(SPI);

/*
 * The attribute sets number the handle alike, and owner and force follow it in
 * each, at places that the caller gives (0: this command has none).
 */
static void put_who(struct nlv *n, const struct nlv_who *who, uint16_t owner, uint16_t force)
{
	if (who->dev_id)
		nls_put_u32(&n->ask, IPSECVTI_A_DEV_DEV_ID, who->dev_id);
	else
		nls_put_str(&n->ask, IPSECVTI_A_DEV_IFNAME, who->ifname);
	if (owner && who->owner && *who->owner)
		nls_put_str(&n->ask, owner, who->owner);
	if (force && who->force)
		nls_put(&n->ask, force, NULL, 0);
}

static void put_addr(struct nlv *n, const struct addr *a, uint16_t v4, uint16_t v6)
{
	if (a->family == AF_INET)
		nls_put(&n->ask, v4, a->ip, 4);
	else if (a->family == AF_INET6)
		nls_put(&n->ask, v6, a->ip, 16);
}

static void get_addr(struct addr *a, const struct nlattr *v4, const struct nlattr *v6)
{
	memset(a, 0, sizeof(*a));
	if (v4 && mnl_attr_get_payload_len(v4) == 4) {
		a->family = AF_INET;
		memcpy(a->ip, mnl_attr_get_payload(v4), 4);
	} else if (v6 && mnl_attr_get_payload_len(v6) == 16) {
		a->family = AF_INET6;
		memcpy(a->ip, mnl_attr_get_payload(v6), 16);
	}
}

static uint32_t get_be32(const struct nlattr *a)
{
	return ntohl((uint32_t)nls_uint(a, 0));
}

static bool get_counters(struct counters *c, const struct nlattr *nest)
{
	const struct nlattr *tb[COUNTERS];
	unsigned int i;

	memset(c, 0, sizeof(*c));
	if (!nest)
		return false;
	nls_parse_nest(tb, COUNTERS - 1, nest);
	for (i = 1; i < COUNTERS; i++)
		c->v[i] = nls_uint(tb[i], 0);
	return true;
}

/* ---- devices ---- */

static void get_reserved(struct nlv_dev *d, const struct nlmsghdr *h)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, h, GENL_HDRLEN) {
		if (mnl_attr_get_type(attr) != IPSECVTI_A_DEV_RESERVED_SPI)
			continue;
		if (d->n_reserved < NLV_RESERVED)
			d->reserved[d->n_reserved] = get_be32(attr);
		d->n_reserved++;
	}
}

static void get_dev(struct nlv_dev *d, const struct nlmsghdr *h)
{
	const struct nlattr *tb[IPSECVTI_A_DEV_MAX + 1];

	memset(d, 0, sizeof(*d));
	nls_parse_genl(tb, IPSECVTI_A_DEV_MAX, h);
	nls_str(tb[IPSECVTI_A_DEV_IFNAME], d->name, sizeof(d->name));
	nls_str(tb[IPSECVTI_A_DEV_OWNER], d->owner, sizeof(d->owner));
	d->ifindex = (uint32_t)nls_uint(tb[IPSECVTI_A_DEV_IFINDEX], 0);
	d->dev_id = (uint32_t)nls_uint(tb[IPSECVTI_A_DEV_DEV_ID], 0);
	d->gen = (uint32_t)nls_uint(tb[IPSECVTI_A_DEV_GEN], 0);
	d->netns_gen = (uint32_t)nls_uint(tb[IPSECVTI_A_DEV_NETNS_GEN], 0);
	d->oif = (uint32_t)nls_uint(tb[IPSECVTI_A_DEV_OIF], 0);
	d->mark = (uint32_t)nls_uint(tb[IPSECVTI_A_DEV_MARK], 0);
	d->effective_mtu = (uint32_t)nls_uint(tb[IPSECVTI_A_DEV_EFFECTIVE_MTU], 0);
	d->forked = (uint32_t)nls_uint(tb[IPSECVTI_A_DEV_FORKED], 0);
	d->carrier = nls_uint(tb[IPSECVTI_A_DEV_CARRIER], 0) != 0;
	d->on_demand = nls_uint(tb[IPSECVTI_A_DEV_ON_DEMAND], 0) != 0;
	d->has_netnsid = tb[IPSECVTI_A_DEV_NETNSID] != NULL;
	d->netnsid = (int32_t)nls_uint(tb[IPSECVTI_A_DEV_NETNSID], 0);
	d->encap = (uint32_t)nls_uint(tb[IPSECVTI_A_DEV_ENCAP], IPSECVTI_ENCAP_NONE);
	d->df = (uint32_t)nls_uint(tb[IPSECVTI_A_DEV_DF], IPSECVTI_DF_COPY);
	d->dscp = (uint8_t)nls_uint(tb[IPSECVTI_A_DEV_DSCP], IPSECVTI_DSCP_COPY);
	d->ttl = (uint8_t)nls_uint(tb[IPSECVTI_A_DEV_TTL], 0);
	d->min_pmtu = (uint32_t)nls_uint(tb[IPSECVTI_A_DEV_MIN_PMTU], 0);
	d->pmtu = (uint32_t)nls_uint(tb[IPSECVTI_A_DEV_PMTU], 0);
	get_addr(&d->local, tb[IPSECVTI_A_DEV_LOCAL4], tb[IPSECVTI_A_DEV_LOCAL6]);
	get_addr(&d->remote, tb[IPSECVTI_A_DEV_REMOTE4], tb[IPSECVTI_A_DEV_REMOTE6]);
	d->local.port = ntohs((uint16_t)nls_uint(tb[IPSECVTI_A_DEV_SPORT], 0));
	d->remote.port = ntohs((uint16_t)nls_uint(tb[IPSECVTI_A_DEV_DPORT], 0));
	get_addr(&d->seen, tb[IPSECVTI_A_DEV_SEEN4], tb[IPSECVTI_A_DEV_SEEN6]);
	d->seen.port = ntohs((uint16_t)nls_uint(tb[IPSECVTI_A_DEV_SEEN_PORT], 0));
	d->has_stats = get_counters(&d->stats, tb[IPSECVTI_A_DEV_STATS]);
	get_reserved(d, h);
}

static void one_dev(void *arg, const struct nlmsghdr *h)
{
	get_dev(arg, h);
}

int nlv_dev_get(struct nlv *n, const struct nlv_who *who, bool stats, struct nlv_dev *dev)
{
	memset(dev, 0, sizeof(*dev));
	start(n, IPSECVTI_CMD_DEV_GET, 0);
	put_who(n, who, 0, 0);
	if (stats)
		nls_put(&n->ask, IPSECVTI_A_DEV_GET_STATS, NULL, 0);
	return nls_talk(&n->ask, one_dev, dev);
}

/* Results of a dump: an array that grows. */
struct pile {
	void *items;
	size_t n, size, item;
	bool no_memory;
};

static void *pile_next(struct pile *p)
{
	if (p->n == p->size) {
		size_t size = p->size ? p->size * 2 : 8;
		void *items = reallocarray(p->items, size, p->item);

		if (!items) {
			p->no_memory = true;
			return NULL;
		}
		p->items = items;
		p->size = size;
	}
	return (char *)p->items + p->item * p->n++;
}

static void add_dev(void *arg, const struct nlmsghdr *h)
{
	struct nlv_dev *d = pile_next(arg);

	if (d)
		get_dev(d, h);
}

static int pile_done(struct pile *p, int err, void **items, size_t *count)
{
	if (!err && p->no_memory)
		err = -ENOMEM;
	if (err) {
		free(p->items);
		return err;
	}
	*items = p->items;
	*count = p->n;
	return 0;
}

int nlv_dev_dump(struct nlv *n, bool stats, struct nlv_dev **devs, size_t *count)
{
	struct pile p = { .item = sizeof(struct nlv_dev) };
	int err = -EAGAIN, tries;
	void *items = NULL;

	for (tries = 0; err == -EAGAIN && tries < DUMP_TRIES; tries++) {
		p.n = 0;
		start(n, IPSECVTI_CMD_DEV_GET, NLM_F_DUMP);
		if (stats)
			nls_put(&n->ask, IPSECVTI_A_DEV_GET_STATS, NULL, 0);
		err = nls_talk(&n->ask, add_dev, &p);
	}
	err = pile_done(&p, err, &items, count);
	*devs = items;
	return err;
}

int nlv_dev_set(struct nlv *n, const struct nlv_who *who, const struct nlv_dev_patch *p)
{
	start(n, IPSECVTI_CMD_DEV_SET, 0);
	put_who(n, who, IPSECVTI_A_DEV_OWNER, IPSECVTI_A_DEV_FORCE);
	if (p->set_addrs) {
		put_addr(n, &p->local, IPSECVTI_A_DEV_LOCAL4, IPSECVTI_A_DEV_LOCAL6);
		put_addr(n, &p->remote, IPSECVTI_A_DEV_REMOTE4, IPSECVTI_A_DEV_REMOTE6);
	}
	if (p->set_encap) {
		nls_put_u32(&n->ask, IPSECVTI_A_DEV_ENCAP, p->encap);
		if (p->encap == IPSECVTI_ENCAP_UDP) {
			nls_put_u16(&n->ask, IPSECVTI_A_DEV_SPORT, htons(p->sport));
			nls_put_u16(&n->ask, IPSECVTI_A_DEV_DPORT, htons(p->dport));
		}
	}
	if (p->set_oif)
		nls_put_u32(&n->ask, IPSECVTI_A_DEV_OIF, p->oif);
	if (p->set_mark)
		nls_put_u32(&n->ask, IPSECVTI_A_DEV_MARK, p->mark);
	if (p->set_on_demand)
		nls_put_u8(&n->ask, IPSECVTI_A_DEV_ON_DEMAND, p->on_demand);
	if (p->set_df)
		nls_put_u32(&n->ask, IPSECVTI_A_DEV_DF, p->df);
	if (p->set_dscp)
		nls_put_u8(&n->ask, IPSECVTI_A_DEV_DSCP, p->dscp);
	if (p->set_ttl)
		nls_put_u8(&n->ask, IPSECVTI_A_DEV_TTL, p->ttl);
	if (p->set_min_pmtu)
		nls_put_u32(&n->ask, IPSECVTI_A_DEV_MIN_PMTU, p->min_pmtu);
	return nls_talk(&n->ask, NULL, NULL);
}

/* ---- SPIs, SAs, the outbound set ---- */

static void got_spi(void *arg, const struct nlmsghdr *h)
{
	const struct nlattr *tb[IPSECVTI_A_SPI_MAX + 1];

	nls_parse_genl(tb, IPSECVTI_A_SPI_MAX, h);
	*(uint32_t *)arg = get_be32(tb[IPSECVTI_A_SPI_SPI]);
}

int nlv_spi_alloc(struct nlv *n, const struct nlv_who *who, uint32_t *spi)
{
	int err;

	*spi = 0;
	start(n, IPSECVTI_CMD_SPI_ALLOC, 0);
	put_who(n, who, IPSECVTI_A_SPI_OWNER, IPSECVTI_A_SPI_FORCE);
	err = nls_talk(&n->ask, got_spi, spi);
	return !err && !*spi ? -EBADMSG : err;
}

static void got_sa_id(void *arg, const struct nlmsghdr *h)
{
	const struct nlattr *tb[IPSECVTI_A_SA_MAX + 1];

	nls_parse_genl(tb, IPSECVTI_A_SA_MAX, h);
	*(uint32_t *)arg = (uint32_t)nls_uint(tb[IPSECVTI_A_SA_SA_ID], 0);
}

static void put_limits(struct nlv *n, const struct nlv_sa_new *sa)
{
	if (sa->soft_seconds)
		nls_put_u32(&n->ask, IPSECVTI_A_SA_SOFT_SECONDS, sa->soft_seconds);
	if (sa->hard_seconds)
		nls_put_u32(&n->ask, IPSECVTI_A_SA_HARD_SECONDS, sa->hard_seconds);
	if (sa->soft_bytes)
		nls_put_u64(&n->ask, IPSECVTI_A_SA_SOFT_BYTES, sa->soft_bytes);
	if (sa->hard_bytes)
		nls_put_u64(&n->ask, IPSECVTI_A_SA_HARD_BYTES, sa->hard_bytes);
	if (sa->soft_packets)
		nls_put_u64(&n->ask, IPSECVTI_A_SA_SOFT_PACKETS, sa->soft_packets);
	if (sa->hard_packets)
		nls_put_u64(&n->ask, IPSECVTI_A_SA_HARD_PACKETS, sa->hard_packets);
}

static void put_ts(struct nlv *n, uint16_t attr, const struct ts_bytes *ts)
{
	if (ts->len)
		nls_put(&n->ask, attr, ts->data, ts->len);
}

static unsigned int get_ts(const struct nlattr *attr, struct ts *ts)
{
	unsigned int count = 0;
	struct rd r;

	if (!attr)
		return 0;
	r = rd_init(mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr));
	while (count < TUNNEL_SELECTORS && !rd_done(&r) && !ts_get(&r, &ts[count]))
		count++;
	return count;
}

int nlv_sa_new(struct nlv *n, const struct nlv_who *who, const struct nlv_sa_new *sa,
	       uint32_t *sa_id)
{
	int err;

	*sa_id = 0;
	start(n, IPSECVTI_CMD_SA_NEW, 0);
	put_who(n, who, IPSECVTI_A_SA_OWNER, IPSECVTI_A_SA_FORCE);
	nls_put_u32(&n->ask, IPSECVTI_A_SA_DIR, sa->dir);
	nls_put_u32(&n->ask, IPSECVTI_A_SA_SPI, htonl(sa->spi));
	nls_put_u32(&n->ask, IPSECVTI_A_SA_SUITE, sa->suite);
	nls_put(&n->ask, IPSECVTI_A_SA_KEY, sa->key, sa->key_len);
	nls_put_u8(&n->ask, IPSECVTI_A_SA_ESN, sa->esn);
	if (sa->window)
		nls_put_u32(&n->ask, IPSECVTI_A_SA_WINDOW, sa->window);
	if (sa->child_id)
		nls_put_u32(&n->ask, IPSECVTI_A_SA_CHILD_ID, sa->child_id);
	put_limits(n, sa);
	nls_put_u32(&n->ask, IPSECVTI_A_SA_MODE, sa->mode);
	put_ts(n, IPSECVTI_A_SA_LOCAL_TS, &sa->local_ts);
	put_ts(n, IPSECVTI_A_SA_REMOTE_TS, &sa->remote_ts);
	if (sa->cookie_len)
		nls_put(&n->ask, IPSECVTI_A_SA_COOKIE, sa->cookie, sa->cookie_len);
	err = nls_talk(&n->ask, got_sa_id, sa_id);
	return !err && !*sa_id ? -EBADMSG : err;
}

int nlv_sa_del(struct nlv *n, const struct nlv_who *who, uint32_t sa_id)
{
	start(n, IPSECVTI_CMD_SA_DEL, 0);
	put_who(n, who, IPSECVTI_A_SA_OWNER, IPSECVTI_A_SA_FORCE);
	if (sa_id)
		nls_put_u32(&n->ask, IPSECVTI_A_SA_SA_ID, sa_id);
	return nls_talk(&n->ask, NULL, NULL);
}

static void get_sa(struct nlv_sa *s, const struct nlmsghdr *h)
{
	const struct nlattr *tb[IPSECVTI_A_SA_MAX + 1];
	const struct nlattr *cookie;

	memset(s, 0, sizeof(*s));
	nls_parse_genl(tb, IPSECVTI_A_SA_MAX, h);
	nls_str(tb[IPSECVTI_A_SA_IFNAME], s->name, sizeof(s->name));
	s->ifindex = (uint32_t)nls_uint(tb[IPSECVTI_A_SA_IFINDEX], 0);
	s->dev_id = (uint32_t)nls_uint(tb[IPSECVTI_A_SA_DEV_ID], 0);
	s->sa_id = (uint32_t)nls_uint(tb[IPSECVTI_A_SA_SA_ID], 0);
	s->dir = (uint32_t)nls_uint(tb[IPSECVTI_A_SA_DIR], 0);
	s->spi = get_be32(tb[IPSECVTI_A_SA_SPI]);
	s->suite = (uint32_t)nls_uint(tb[IPSECVTI_A_SA_SUITE], 0);
	s->child_id = (uint32_t)nls_uint(tb[IPSECVTI_A_SA_CHILD_ID], 0);
	s->window = (uint32_t)nls_uint(tb[IPSECVTI_A_SA_WINDOW], 0);
	s->events = (uint32_t)nls_uint(tb[IPSECVTI_A_SA_EVENTS], 0);
	s->soft_seconds = (uint32_t)nls_uint(tb[IPSECVTI_A_SA_SOFT_SECONDS], 0);
	s->hard_seconds = (uint32_t)nls_uint(tb[IPSECVTI_A_SA_HARD_SECONDS], 0);
	s->soft_bytes = nls_uint(tb[IPSECVTI_A_SA_SOFT_BYTES], 0);
	s->hard_bytes = nls_uint(tb[IPSECVTI_A_SA_HARD_BYTES], 0);
	s->soft_packets = nls_uint(tb[IPSECVTI_A_SA_SOFT_PACKETS], 0);
	s->hard_packets = nls_uint(tb[IPSECVTI_A_SA_HARD_PACKETS], 0);
	s->age = nls_uint(tb[IPSECVTI_A_SA_AGE], 0);
	s->seq = nls_uint(tb[IPSECVTI_A_SA_SEQ], 0);
	s->used_ms = nls_uint(tb[IPSECVTI_A_SA_LAST_USED], UINT64_MAX);
	s->esn = nls_uint(tb[IPSECVTI_A_SA_ESN], 0) != 0;
	s->current = nls_uint(tb[IPSECVTI_A_SA_CURRENT], 0) != 0;
	s->dead = nls_uint(tb[IPSECVTI_A_SA_DEAD], 0) != 0;
	s->lane = (uint32_t)nls_uint(tb[IPSECVTI_A_SA_LANE], UINT32_MAX);
	s->mode = (uint32_t)nls_uint(tb[IPSECVTI_A_SA_MODE], IPSECVTI_MODE_TUNNEL);
	s->n_local_ts = get_ts(tb[IPSECVTI_A_SA_LOCAL_TS], s->local_ts);
	s->n_remote_ts = get_ts(tb[IPSECVTI_A_SA_REMOTE_TS], s->remote_ts);
	s->has_stats = get_counters(&s->stats, tb[IPSECVTI_A_SA_STATS]);
	cookie = tb[IPSECVTI_A_SA_COOKIE];
	if (cookie && mnl_attr_get_payload_len(cookie) <= sizeof(s->cookie)) {
		s->cookie_len = (uint8_t)mnl_attr_get_payload_len(cookie);
		memcpy(s->cookie, mnl_attr_get_payload(cookie), s->cookie_len);
	}
}

static void one_sa(void *arg, const struct nlmsghdr *h)
{
	get_sa(arg, h);
}

int nlv_sa_get(struct nlv *n, uint32_t sa_id, bool stats, struct nlv_sa *sa)
{
	memset(sa, 0, sizeof(*sa));
	start(n, IPSECVTI_CMD_SA_GET, 0);
	nls_put_u32(&n->ask, IPSECVTI_A_SA_SA_ID, sa_id);
	if (stats)
		nls_put(&n->ask, IPSECVTI_A_SA_GET_STATS, NULL, 0);
	return nls_talk(&n->ask, one_sa, sa);
}

static void add_sa(void *arg, const struct nlmsghdr *h)
{
	struct nlv_sa *s = pile_next(arg);

	if (s)
		get_sa(s, h);
}

int nlv_sa_dump(struct nlv *n, const struct nlv_who *who, bool stats, struct nlv_sa **sas,
		size_t *count)
{
	struct pile p = { .item = sizeof(struct nlv_sa) };
	int err = -EAGAIN, tries;
	void *items = NULL;

	for (tries = 0; err == -EAGAIN && tries < DUMP_TRIES; tries++) {
		p.n = 0;
		start(n, IPSECVTI_CMD_SA_GET, NLM_F_DUMP);
		if (who)
			put_who(n, who, 0, 0);
		if (stats)
			nls_put(&n->ask, IPSECVTI_A_SA_GET_STATS, NULL, 0);
		err = nls_talk(&n->ask, add_sa, &p);
	}
	err = pile_done(&p, err, &items, count);
	*sas = items;
	return err;
}

static void got_gen(void *arg, const struct nlmsghdr *h)
{
	const struct nlattr *tb[IPSECVTI_A_OUT_MAX + 1];

	nls_parse_genl(tb, IPSECVTI_A_OUT_MAX, h);
	*(uint32_t *)arg = (uint32_t)nls_uint(tb[IPSECVTI_A_OUT_GEN], 0);
}

static void put_slot(struct nlv *n, const struct nlv_slot *slot)
{
	struct nlattr *nest = nls_nest(&n->ask, IPSECVTI_A_OUT_GROUP_SLOT);

	nls_put_u32(&n->ask, IPSECVTI_A_OUT_SLOT_SA_ID, slot->sa_id);
	nls_put_u32(&n->ask, IPSECVTI_A_OUT_SLOT_CPU, slot->cpu);
	nls_nest_end(&n->ask, nest);
}

int nlv_out_set(struct nlv *n, const struct nlv_who *who, const struct nlv_slot *slots,
		size_t count, const uint32_t *expect_gen, uint32_t *gen)
{
	uint32_t new_gen = 0, prio = 0;
	size_t i = 0;
	int err;

	start(n, IPSECVTI_CMD_OUT_SET, 0);
	put_who(n, who, IPSECVTI_A_OUT_OWNER, IPSECVTI_A_OUT_FORCE);
	if (expect_gen)
		nls_put_u32(&n->ask, IPSECVTI_A_OUT_EXPECT_GEN, *expect_gen);
	while (i < count) {
		struct nlattr *group = nls_nest(&n->ask, IPSECVTI_A_OUT_GROUP);
		uint32_t child = slots[i].child_id;

		nls_put_u32(&n->ask, IPSECVTI_A_OUT_GROUP_CHILD_ID, child);
		nls_put_u32(&n->ask, IPSECVTI_A_OUT_GROUP_PRIO, prio++);
		for (; i < count && slots[i].child_id == child; i++)
			put_slot(n, &slots[i]);
		nls_nest_end(&n->ask, group);
	}
	err = nls_talk(&n->ask, got_gen, &new_gen);
	if (!err && gen)
		*gen = new_gen;
	return err;
}

/* ---- events ---- */

int nlv_subscribe(struct nlv *n)
{
	int err, fd, size = 1 << 20;

	if (!n->group)
		return -EOPNOTSUPP;
	err = nls_open(&n->events, NETLINK_GENERIC);
	if (err)
		return err;
	fd = mnl_socket_get_fd(n->events.s);
	/* Room for a storm of expiries; the smaller size does where this is refused. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0 ||
	    mnl_socket_setsockopt(n->events.s, NETLINK_ADD_MEMBERSHIP, &n->group,
				  sizeof(n->group)) < 0) {
		err = -errno;
		nls_close(&n->events);
		return err;
	}
	n->ev = NULL;
	return 0;
}

int nlv_fd(const struct nlv *n)
{
	return n->events.s ? mnl_socket_get_fd(n->events.s) : -1;
}

static void get_event(struct nlv_event *ev, const struct nlmsghdr *h)
{
	const struct nlattr *tb[IPSECVTI_A_EVENT_MAX + 1];

	memset(ev, 0, sizeof(*ev));
	nls_parse_genl(tb, IPSECVTI_A_EVENT_MAX, h);
	nls_str(tb[IPSECVTI_A_EVENT_IFNAME], ev->name, sizeof(ev->name));
	ev->type = (uint32_t)nls_uint(tb[IPSECVTI_A_EVENT_TYPE], 0);
	ev->dev_id = (uint32_t)nls_uint(tb[IPSECVTI_A_EVENT_DEV_ID], 0);
	ev->ifindex = (uint32_t)nls_uint(tb[IPSECVTI_A_EVENT_IFINDEX], 0);
	ev->sa_id = (uint32_t)nls_uint(tb[IPSECVTI_A_EVENT_SA_ID], 0);
	ev->spi = get_be32(tb[IPSECVTI_A_EVENT_SPI]);
	ev->has_spi = tb[IPSECVTI_A_EVENT_SPI] != NULL;
	ev->dir = (uint32_t)nls_uint(tb[IPSECVTI_A_EVENT_DIR], 0);
	ev->netns_gen = (uint32_t)nls_uint(tb[IPSECVTI_A_EVENT_NETNS_GEN], 0);
	get_addr(&ev->from, tb[IPSECVTI_A_EVENT_ADDRESS4], tb[IPSECVTI_A_EVENT_ADDRESS6]);
	ev->from.port = ntohs((uint16_t)nls_uint(tb[IPSECVTI_A_EVENT_PORT], 0));
	ev->has_netnsid = tb[IPSECVTI_A_EVENT_NETNSID] != NULL;
	ev->netnsid = (int32_t)nls_uint(tb[IPSECVTI_A_EVENT_NETNSID], 0);
}

int nlv_event_read(struct nlv *n, struct nlv_event *ev)
{
	for (;;) {
		struct sockaddr_nl from = { 0 };
		socklen_t from_len = sizeof(from);
		ssize_t got;

		while (n->ev && mnl_nlmsg_ok(n->ev, n->ev_left)) {
			const struct nlmsghdr *h = n->ev;

			n->ev = mnl_nlmsg_next(h, &n->ev_left);
			if (h->nlmsg_type != n->family)
				continue;
			get_event(ev, h);
			return 0;
		}
		n->ev = NULL;
		got = recvfrom(nlv_fd(n), n->events.rx.raw, sizeof(n->events.rx.raw), 0,
			       (struct sockaddr *)&from, &from_len);
		if (got < 0)
			return -errno;
		if (from.nl_pid)
			continue;
		n->ev = &n->events.rx.h;
		n->ev_left = (int)got;
	}
}
