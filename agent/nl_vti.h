/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Client of the kernel's generic netlink family "ipsecvti". Every call is one
 * request and its answer; the kernel answers before send() returns, so nothing
 * here waits. 0 or a negative errno; nlv_text() has the kernel's own words for
 * the last refusal.
 */
#ifndef AGENT_NL_VTI_H
#define AGENT_NL_VTI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/ipsecvti.h>

#include "counters.h"
#include "tunnel.h"

struct nlv;

/* Which device, by handle or (dev_id 0) by name, and who is writing. */
struct nlv_who {
	uint32_t dev_id;
	const char *ifname;
	const char *owner;	/* NULL: none */
	bool force;
};

#define NLV_RESERVED	32

struct nlv_dev {
	char name[TUNNEL_NAME_MAX + 1];
	char owner[IPSECVTI_OWNER_MAX + 1];
	uint32_t ifindex, dev_id, gen, netns_gen, oif, mark, effective_mtu, forked;
	int32_t netnsid;
	bool has_netnsid, carrier, on_demand, has_stats;
	uint32_t encap, df, min_pmtu, pmtu;
	uint8_t dscp, ttl;
	struct addr local, remote;	/* ports are those of encap udp */
	struct addr seen;	/* where the peer was seen instead; AF_UNSPEC: not */
	uint32_t n_reserved;		/* may exceed NLV_RESERVED: the rest is not kept */
	uint32_t reserved[NLV_RESERVED];	/* SPIs, host order */
	struct counters stats;
};

/* What to change on a device; what is not marked stays. */
struct nlv_dev_patch {
	bool set_addrs, set_encap, set_oif, set_mark, set_on_demand;
	bool set_df, set_dscp, set_ttl, set_min_pmtu;
	struct addr local, remote;	/* AF_UNSPEC leaves that one alone */
	uint32_t encap;
	uint16_t sport, dport;
	uint32_t oif, mark;
	bool on_demand;
	uint32_t df, min_pmtu;
	uint8_t dscp, ttl;
};

struct nlv_sa_new {
	uint32_t dir, spi, suite, child_id, window;	/* window 0: the kernel's default */
	uint8_t esn, key_len, cookie_len;
	uint32_t soft_seconds, hard_seconds;
	uint64_t soft_bytes, hard_bytes, soft_packets, hard_packets;
	uint8_t cookie[IPSECVTI_COOKIE_MAX];
	uint8_t key[IPSECVTI_KEY_MAX];
	uint32_t mode;
	struct ts_bytes local_ts, remote_ts;
};

struct nlv_sa {
	char name[TUNNEL_NAME_MAX + 1];
	uint32_t ifindex, dev_id, sa_id, dir, spi, suite, child_id, window, events;
	uint32_t soft_seconds, hard_seconds;
	uint64_t soft_bytes, hard_bytes, soft_packets, hard_packets;
	uint64_t age, seq, used_ms;	/* used_ms UINT64_MAX: never */
	uint32_t lane;			/* CPU that it was moved to; UINT32_MAX: none */
	bool esn, current, dead, has_stats;
	uint8_t cookie_len;
	uint8_t cookie[IPSECVTI_COOKIE_MAX];
	uint32_t mode;
	unsigned int n_local_ts, n_remote_ts;	/* the first ones, should there be more */
	struct ts local_ts[TUNNEL_SELECTORS], remote_ts[TUNNEL_SELECTORS];
	struct counters stats;
};

struct nlv_slot {
	uint32_t child_id, sa_id, cpu;	/* slots of one child-id in a row make a group */
};

struct nlv_event {
	char name[TUNNEL_NAME_MAX + 1];
	uint32_t type, dev_id, ifindex, sa_id, spi, dir, netns_gen;
	int32_t netnsid;
	bool has_netnsid, has_spi;
	struct addr from;	/* of peer-moved */
};

/* -ENOENT: the module is not there (the kernel has tried to load it). */
int nlv_open(struct nlv **out);
void nlv_close(struct nlv *n);
const char *nlv_text(const struct nlv *n);	/* never NULL; "" when the kernel gave no words */

int nlv_dev_get(struct nlv *n, const struct nlv_who *who, bool stats, struct nlv_dev *dev);
int nlv_dev_dump(struct nlv *n, bool stats, struct nlv_dev **devs, size_t *count);
int nlv_dev_set(struct nlv *n, const struct nlv_who *who, const struct nlv_dev_patch *patch);
int nlv_spi_alloc(struct nlv *n, const struct nlv_who *who, uint32_t *spi);
/* The key is wiped from the message, not from sa: that is the caller's. */
int nlv_sa_new(struct nlv *n, const struct nlv_who *who, const struct nlv_sa_new *sa,
	       uint32_t *sa_id);
int nlv_sa_del(struct nlv *n, const struct nlv_who *who, uint32_t sa_id);	/* 0: all */
int nlv_sa_get(struct nlv *n, uint32_t sa_id, bool stats, struct nlv_sa *sa);
/* Of one device, or of all when who is NULL. The caller frees *sas. */
int nlv_sa_dump(struct nlv *n, const struct nlv_who *who, bool stats, struct nlv_sa **sas,
		size_t *count);
/* expect_gen NULL: whatever it is now. gen may be NULL. */
int nlv_out_set(struct nlv *n, const struct nlv_who *who, const struct nlv_slot *slots,
		size_t count, const uint32_t *expect_gen, uint32_t *gen);

/* A second socket for events: nlv_fd() becomes readable. */
int nlv_subscribe(struct nlv *n);
int nlv_fd(const struct nlv *n);
/* -EAGAIN: none now. -ENOBUFS: some were lost; dump and compare. */
int nlv_event_read(struct nlv *n, struct nlv_event *ev);

const char *nlv_suite_name(uint32_t suite);		/* NULL: unknown */
int nlv_suite_find(const char *name, uint32_t *suite, size_t *key_len);
size_t nlv_suite_key_len(uint32_t suite);		/* 0: unknown */
const char *nlv_event_name(uint32_t type);		/* NULL: unknown */

#endif
