/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A checked tunnel as the keeper hands it to net: everything that IKEv2 needs
 * to know about one configured peer, and no secret. Plain data, one size, so
 * that it crosses the door in one message.
 */
#ifndef AGENT_TUNNEL_H
#define AGENT_TUNNEL_H

#include <stdbool.h>
#include <stdint.h>

#define TUNNEL_NAME_MAX		15	/* IFNAMSIZ - 1: a tunnel is named as its device */
#define TUNNEL_ADDRS		4
#define TUNNEL_SELECTORS	16
#define TUNNEL_PAIRS		16	/* child SAs at the same time, with "children = per-pair" */
#define TUNNEL_PROPOSALS	8
#define PROPOSAL_TRANSFORMS	24
#define IDENT_MAX		255

/* A transport address; family AF_UNSPEC is "any" (a peer that may come from anywhere). */
struct addr {
	uint16_t family;	/* AF_INET, AF_INET6 or AF_UNSPEC */
	uint16_t port;		/* host order; 0 where it has no meaning */
	uint8_t ip[16];		/* network order; the first 4 bytes for AF_INET */
};

/* Identification payload (RFC 7296 3.5). */
struct ident {
	uint8_t type;		/* ID_IPV4_ADDR 1, ID_FQDN 2, ID_RFC822_ADDR 3, ...; 0 is "any" */
	uint8_t len;
	uint8_t data[IDENT_MAX];
};

/* One traffic selector (RFC 7296 3.13.1), as a range. */
struct ts {
	uint8_t type;		/* TS_IPV4_ADDR_RANGE 7, TS_IPV6_ADDR_RANGE 8 */
	uint8_t proto;		/* 0 is any */
	uint16_t port_lo, port_hi;
	uint8_t lo[16], hi[16];
};

/* Selectors as they are on the wire, one behind the other; len 0: none, for all packets. */
#define TS_BYTES_MAX		40
struct ts_bytes {
	uint16_t len;
	uint8_t data[TUNNEL_SELECTORS * TS_BYTES_MAX];
};

/* One transform of a proposal (RFC 7296 3.3.2). Compared as bytes: it has no holes. */
struct transform {
	uint16_t type;		/* ENCR 1, PRF 2, INTEG 3, KE 4, ESN 5 */
	uint16_t id;
	uint16_t key_bits;	/* 0 where the transform has a fixed length */
};
_Static_assert(sizeof(struct transform) == 6, "proposals are compared as bytes");

struct proposal {
	uint8_t protocol;	/* IKE 1, ESP 3 */
	uint8_t n;
	struct transform t[PROPOSAL_TRANSFORMS];
};

enum tunnel_start {
	START_INITIATE,		/* bring it up, keep it up */
	START_RESPOND,		/* wait for the peer */
	START_DEMAND,		/* on the first packet (kernel event "acquire") */
};

/* A peer that authenticates anew while an IKE SA with it is up. */
enum tunnel_unique {
	UNIQUE_REPLACE_LATE,	/* the new one takes over with its first packet */
	UNIQUE_REPLACE,		/* it takes over, the old one is deleted */
	UNIQUE_KEEP,		/* refused, unless it comes from where the old one is */
	UNIQUE_NO,		/* like the first, but nobody looks after the old one */
};

struct tunnel {
	uint32_t id;		/* the keeper's handle; never 0, never used twice */
	uint32_t dev_id;	/* the kernel's handle; 0 while the device does not exist */
	char name[TUNNEL_NAME_MAX + 1];
	uint8_t start;		/* enum tunnel_start */
	uint8_t unique;		/* enum tunnel_unique */
	bool down;		/* the administrator said "down" */
	uint16_t fragment_size;	/* longest IP datagram with IKE in it; 0: no fragments */
	bool force_encap;	/* pretend a NAT so that ESP goes in UDP */
	bool per_pair;		/* a child SA for each pair of selectors, not one for all */
	bool esn_only;		/* refuse a peer without extended sequence numbers */
	bool pfs_check;		/* the first child is rekeyed soon, to see whether the groups fit */
	uint8_t n_local, n_remote, n_ike, n_esp, n_local_ts, n_remote_ts;
	struct addr local[TUNNEL_ADDRS];	/* n_local 0: whatever the route gives */
	struct addr remote[TUNNEL_ADDRS];
	uint16_t local_port;	/* 500 unless "port =" says otherwise; NAT-T is 4500 or nat_port */
	uint16_t local_nat_port;
	uint16_t remote_port, remote_nat_port;
	struct ident local_id, remote_id;
	struct proposal ike[TUNNEL_PROPOSALS], esp[TUNNEL_PROPOSALS];
	struct ts local_ts[TUNNEL_SELECTORS], remote_ts[TUNNEL_SELECTORS];
	uint32_t ike_seconds;	/* hard life of an IKE SA; rekeyed before, with jitter */
	uint32_t reauth_seconds;	/* a new IKE SA by IKE_AUTH so often; 0: never */
	uint32_t child_seconds;
	uint64_t child_bytes, child_packets;	/* hard; 0 is no limit */
	uint32_t dpd_seconds;	/* 0 switches it off */
	uint32_t window;	/* replay window, packets */
	uint32_t retry_seconds;	/* first pause after a failed attempt; doubles, with jitter, to 64 times */
};

#endif
