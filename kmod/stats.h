/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Every packet that is dropped is counted under one of these names, by device
 * and, where there is one, by SA.
 */
#ifndef _IPSECVTI_STATS_H
#define _IPSECVTI_STATS_H

#include <linux/atomic.h>
#include <linux/skbuff.h>
#include <linux/types.h>
#include <linux/u64_stats_sync.h>

/**
 * enum vti_drop - why a packet was dropped
 *
 * What each name means is said once, in uapi/ipsecvti.yaml.
 */
enum vti_drop {
	VTI_DROP_NO_SA,
	VTI_DROP_NO_ADDRESS,
	VTI_DROP_NO_ROUTE,
	VTI_DROP_LOOP,
	VTI_DROP_TOO_BIG,
	VTI_DROP_OUTER_GONE,
	VTI_DROP_NO_SELECTOR,
	VTI_DROP_SA_EXPIRED,
	VTI_DROP_SEQ_EXHAUSTED,
	VTI_DROP_OUTER_DROP,
	VTI_DROP_NO_MEMORY,
	VTI_DROP_CRYPTO_ERROR,
	VTI_DROP_NOT_IP,
	VTI_DROP_TRUNCATED,
	VTI_DROP_REPLAY,
	VTI_DROP_REPLAY_OLD,
	VTI_DROP_ICV_FAILED,
	VTI_DROP_BAD_PADDING,
	VTI_DROP_BAD_NEXT_HEADER,
	VTI_DROP_BAD_INNER,
	VTI_DROP_RX_SELECTOR,
	VTI_DROP_BAD_ECN,
	VTI_DROP_LANE_FULL,
	VTI_DROP_DEVICE_DOWN,
	VTI_DROP_RX_NO_MEMORY,
	VTI_DROP_RX_CRYPTO_ERROR,
	VTI_DROP_RX_EXPIRED,
	VTI_DROP_LARVAL,
	VTI_DROP_TX_LANE_FULL,
	VTI_DROP_MAX,
};

#define VTI_DROP_NAME_MAX 16

/**
 * struct vti_drop_info - how user space sees a name
 * @name: as in uapi/ipsecvti.yaml
 * @attr: attribute of the set stats
 * @field: offset in struct rtnl_link_stats64
 * @reason: what the kernel's own drop monitor is told
 */
struct vti_drop_info {
	char name[VTI_DROP_NAME_MAX];
	u16 attr;
	u16 field;
	enum skb_drop_reason reason;
};

extern const struct vti_drop_info vti_drop_info[VTI_DROP_MAX];

/* Drops are rare on a healthy gateway: plain atomics, no copy for each CPU. */
struct vti_drops {
	atomic_long_t n[VTI_DROP_MAX];
	atomic_long_t rx_dummy;		/* RFC 4303 2.6: not an error */
	atomic_long_t rx_redirect;	/* ignored */
};

/**
 * struct vti_pcpu_stats - what one CPU has carried over one SA
 * @packets: inner packets
 * @bytes: bytes of inner packets
 * @used: jiffies of the latest one; 0 is never
 * @begun: packets that this CPU has begun to work on, good or bad
 * @done: packets that it has done with, whoever had begun
 * @busy: nanoseconds spent on trains sent since @since
 * @since: in nanoseconds
 * @sync: for readers on 32-bit machines
 */
struct vti_pcpu_stats {
	u64_stats_t packets;
	u64_stats_t bytes;
	unsigned long used;
	unsigned long begun;
	unsigned long done;
	u64 busy;
	u64 since;
	struct u64_stats_sync sync;
};

#endif
