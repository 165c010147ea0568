/* SPDX-License-Identifier: GPL-2.0 */
/*
 * SPIs that are reserved and not yet used.
 *
 * A peer sends as soon as it has the keys, which may be before ours are
 * installed: until then its packets wait here (larval hold). A reservation
 * belongs to a device; all of this is changed under vti_net.lock.
 */
#ifndef _IPSECVTI_SPI_H
#define _IPSECVTI_SPI_H

#include <linux/skbuff.h>
#include <linux/workqueue.h>
#include <net/netns/hash.h>

#include "device.h"

struct netlink_ext_ack;
struct vti_sa;

#define VTI_SPI_RESERVED 256		/* 0 to 255: RFC 4303 2.1 */

/**
 * struct vti_spi - one reservation
 * @list: in vti_dev.reserved
 * @hash: in the table by SPI
 * @vd: device
 * @net: outer namespace, for comparison only
 * @spi: as on the wire
 * @until: jiffies
 * @lock: of @held and @gone
 * @gone: takes no more packets
 * @held: packets that wait for the SA
 * @expire: ends their wait
 * @rcu: frees it
 */
struct vti_spi {
	struct list_head list;
	struct hlist_node hash;
	struct vti_dev *vd;
	struct net *net;
	__be32 spi;
	unsigned long until;
	spinlock_t lock;	/* see above */
	bool gone;
	struct sk_buff_head held;
	struct delayed_work expire;
	struct rcu_head rcu;
};

extern u64 vti_spi_secret;

/**
 * vti_spi_hash() - bucket of an SPI
 * @net: outer namespace
 * @spi: as on the wire
 * @bits: of the table's size
 *
 * Root of any namespace chooses SPIs and everybody's packets are looked up in
 * one table, so nobody is to know which SPIs share a bucket: a multiplication by
 * a secret number, of which the upper bits count.
 */
static inline u32 vti_spi_hash(const struct net *net, __be32 spi, unsigned int bits)
{
	return ((ntohl(spi) ^ net_hash_mix(net)) * vti_spi_secret) >> (64 - bits);
}

int vti_spi_alloc(struct vti_net *vn, struct vti_dev *vd, u32 lowest, u32 highest, __be32 *spi,
		  struct netlink_ext_ack *extack);
int vti_spi_check(struct vti_net *vn, const struct vti_sa *sa, struct netlink_ext_ack *extack);
void vti_spi_land(struct vti_net *vn, struct vti_sa *sa);
bool vti_spi_hold(struct net *net, __be32 spi, struct sk_buff *skb, u8 tos);
void vti_spi_release_all(struct vti_dev *vd);
void vti_spi_prune(struct vti_dev *vd);

#endif
