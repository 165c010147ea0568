/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Traffic selectors: which inner packets an SA carries (RFC 4301 4.4.1.1).
 *
 * They are kept as IKEv2 says them (RFC 7296 3.13.1), ranges of addresses and
 * ports, and so they come and go over netlink: one behind the other.
 */
#ifndef _IPSECVTI_TS_H
#define _IPSECVTI_TS_H

#include <linux/skbuff.h>

struct netlink_ext_ack;

/**
 * struct vti_ts - one traffic selector, as on the wire
 * @type: VTI_TS_IPV4 or VTI_TS_IPV6
 * @proto: upper-layer protocol; 0 is any
 * @len: bytes of the whole
 * @first_port: lowest; ICMP: type << 8 | code
 * @last_port: highest; 65535 to 0 is OPAQUE, for packets whose ports can't be told
 * @addr: lowest and highest address
 */
struct vti_ts {
	u8 type;
	u8 proto;
	__be16 len;
	__be16 first_port;
	__be16 last_port;
	u8 addr[];
} __packed;

#define VTI_TS_IPV4 7
#define VTI_TS_IPV6 8

/* For each end: 64 selectors of IPv4, 25 of IPv6. An SA with both fits one message. */
#define VTI_TS_MAX_BYTES 1024

/**
 * struct vti_selectors - both ends of what an SA carries
 * @whole: types of which each end takes everything, as bits; for these nothing is read
 * @local_len: bytes of our end's
 * @remote_len: bytes of the peer's
 * @ts: ours, then the peer's
 */
struct vti_selectors {
	unsigned long whole;
	unsigned int local_len, remote_len;
	u8 ts[];
};

struct vti_selectors *vti_selectors_new(const u8 *local, unsigned int local_len,
					const u8 *remote, unsigned int remote_len,
					struct netlink_ext_ack *extack);
bool vti_selectors_equal(const struct vti_selectors *a, const struct vti_selectors *b);
bool vti_selectors_only(const struct vti_selectors *s, u8 proto);
bool vti_selectors_match(const struct vti_selectors *s, const struct sk_buff *skb, bool outbound);

#endif
