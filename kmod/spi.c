// SPDX-License-Identifier: GPL-2.0
#include "spi.h"

#include <linux/netlink.h>
#include <linux/random.h>
#include <linux/rculist.h>

#include "compat/compat.h"
#include "esp.h"
#include "receive.h"
#include "sa.h"

#define RESERVED_FOR (30 * HZ)
#define PER_DEVICE 256
#define HELD_FOR HZ
#define HELD_MAX 512		/* for one SPI: 10 ms of 50,000 packets a second */
#define HELD_ALL 8192		/* for all, whoever knows how many SPIs */

u64 vti_spi_secret __read_mostly;

/* Reservations are few and short. */
#define TABLE_BITS 8
static struct hlist_head table[1 << TABLE_BITS];
static DEFINE_SPINLOCK(table_lock);
static atomic_t reservations;
static atomic_t held;		/* packets that wait, in all reservations */

static struct hlist_head *bucket(const struct net *net, __be32 spi)
{
	return &table[vti_spi_hash(net, spi, TABLE_BITS)];
}

static struct vti_spi *find(const struct net *net, __be32 spi)
{
	struct vti_spi *r;

	hlist_for_each_entry_rcu(r, bucket(net, spi), hash)
		if (r->spi == spi && net_eq(r->net, net))
			return r;
	return NULL;
}

/* The reservation with an SPI, for those who hold its namespace's lock: it stays. */
static struct vti_spi *find_locked(struct vti_net *vn, __be32 spi)
{
	struct vti_spi *r;

	lockdep_assert_held(&vn->lock);
	rcu_read_lock();
	r = find(vn->net, spi);
	rcu_read_unlock();
	return r;
}

/* Nothing waits any more. The reservation's lock is held. */
static void take_all(struct vti_spi *r, struct sk_buff_head *packets)
{
	atomic_sub(skb_queue_len(&r->held), &held);
	skb_queue_splice_init(&r->held, packets);
}

static void drop_all(struct vti_dev *vd, struct sk_buff_head *packets)
{
	struct sk_buff *skb;

	while ((skb = __skb_dequeue(packets)))
		vti_dev_drop(vd, skb, VTI_DROP_LARVAL);
}

static void expire(struct work_struct *work)
{
	struct vti_spi *r = container_of(to_delayed_work(work), struct vti_spi, expire);
	struct sk_buff_head packets;

	__skb_queue_head_init(&packets);
	spin_lock_bh(&r->lock);
	take_all(r, &packets);
	spin_unlock_bh(&r->lock);
	drop_all(r->vd, &packets);
}

/* Takes a reservation away, with the packets that wait for it. May sleep. */
static void release(struct vti_spi *r, struct sk_buff_head *packets)
{
	spin_lock_bh(&table_lock);
	hlist_del_rcu(&r->hash);
	spin_unlock_bh(&table_lock);
	atomic_dec(&reservations);
	list_del(&r->list);
	r->vd->n_reserved--;
	spin_lock_bh(&r->lock);
	r->gone = true;
	take_all(r, packets);
	spin_unlock_bh(&r->lock);
	cancel_delayed_work_sync(&r->expire);
	kfree_rcu(r, rcu);
}

static void release_and_drop(struct vti_spi *r)
{
	struct vti_dev *vd = r->vd;
	struct sk_buff_head packets;

	__skb_queue_head_init(&packets);
	release(r, &packets);
	drop_all(vd, &packets);
}

/**
 * vti_spi_hold() - keep a packet whose SA may be about to come
 * @net: outer namespace
 * @spi: its SPI, of which there is no SA
 * @skb: packet; skb->data is the ESP header
 * @tos: outer DSCP and ECN
 *
 * Under RCU, BH disabled.
 *
 * Return: true if it was taken (or dropped); false if the SPI is not reserved,
 * or no longer: then its SA may be there now.
 */
bool vti_spi_hold(struct net *net, __be32 spi, struct sk_buff *skb, u8 tos)
{
	struct vti_spi *r;
	bool room;

	if (likely(!atomic_read(&reservations)))
		return false;
	r = find(net, spi);
	if (!r)
		return false;
	spin_lock(&r->lock);
	if (r->gone) {
		spin_unlock(&r->lock);
		return false;
	}
	room = skb_queue_len(&r->held) < HELD_MAX && atomic_read(&held) < HELD_ALL;
	if (room) {
		atomic_inc(&held);
		vti_receive_keep(skb, r->vd);
		VTI_CB(skb)->tos = tos;
		__skb_queue_tail(&r->held, skb);
		if (skb_queue_len(&r->held) == 1)
			schedule_delayed_work(&r->expire, HELD_FOR);
	}
	spin_unlock(&r->lock);
	if (!room)
		vti_dev_drop(r->vd, skb, VTI_DROP_LARVAL);
	return true;
}

/**
 * vti_spi_check() - may an SA have its SPI?
 * @vn: outer namespace, locked
 * @sa: inbound SA, not yet published
 * @extack: for the refusal
 */
int vti_spi_check(struct vti_net *vn, const struct vti_sa *sa, struct netlink_ext_ack *extack)
{
	const struct vti_spi *r = find_locked(vn, sa->spi);

	if (!r || r->vd == sa->vd || time_after_eq(jiffies, r->until))
		return 0;
	NL_SET_ERR_MSG_FMT(extack, "SPI 0x%08x is reserved for another device", ntohl(sa->spi));
	return -EEXIST;
}

/**
 * vti_spi_land() - an inbound SA was published: its packets have waited for it
 * @vn: outer namespace, locked
 * @sa: SA
 *
 * Context: may sleep.
 */
void vti_spi_land(struct vti_net *vn, struct vti_sa *sa)
{
	struct vti_spi *r = find_locked(vn, sa->spi);
	struct sk_buff_head packets;
	struct sk_buff *skb;

	if (!r)
		return;
	if (r->vd != sa->vd)
		return release_and_drop(r);
	__skb_queue_head_init(&packets);
	release(r, &packets);
	local_bh_disable();
	rcu_read_lock();
	while ((skb = __skb_dequeue(&packets)))
		vti_receive_held(sa, skb);
	rcu_read_unlock();
	local_bh_enable();
}

/**
 * vti_spi_prune() - forget reservations that have expired
 * @vd: device; its outer namespace is locked
 */
void vti_spi_prune(struct vti_dev *vd)
{
	struct vti_spi *r, *next;

	list_for_each_entry_safe(r, next, &vd->reserved, list)
		if (time_after_eq(jiffies, r->until))
			release_and_drop(r);
}

/**
 * vti_spi_release_all() - forget all reservations
 * @vd: device; its outer namespace is locked
 */
void vti_spi_release_all(struct vti_dev *vd)
{
	struct vti_spi *r, *next;

	list_for_each_entry_safe(r, next, &vd->reserved, list)
		release_and_drop(r);
}

/**
 * vti_spi_alloc() - reserve an inbound SPI for 30 seconds
 * @vn: outer namespace, locked
 * @vd: device; its addresses may come later
 * @lowest: smallest to choose, host order
 * @highest: largest
 * @spi: the choice
 * @extack: for the refusal
 */
int vti_spi_alloc(struct vti_net *vn, struct vti_dev *vd, u32 lowest, u32 highest, __be32 *spi,
		  struct netlink_ext_ack *extack)
{
	u64 span = (u64)highest - lowest + 1;
	struct vti_spi *r;
	int tries;

	if (lowest < VTI_SPI_RESERVED || highest < lowest) {
		NL_SET_ERR_MSG(extack, "SPIs go from 256 upwards, the lowest first");
		return -EINVAL;
	}
	vti_spi_prune(vd);
	if (vd->n_reserved >= PER_DEVICE) {
		NL_SET_ERR_MSG_FMT(extack, "%u SPIs of this device are reserved and unused",
				   vd->n_reserved);
		return -ENOSPC;
	}
	r = kzalloc(sizeof(*r), GFP_KERNEL_ACCOUNT);
	if (!r)
		return -ENOMEM;
	for (tries = 0; tries < 128; tries++) {
		r->spi = htonl(lowest + (u32)((get_random_u32() * span) >> 32));
		if (vti_sa_spi_taken(vn, vd, r->spi) || find_locked(vn, r->spi))
			continue;
		r->vd = vd;
		r->net = vn->net;
		r->until = jiffies + RESERVED_FOR;
		spin_lock_init(&r->lock);
		__skb_queue_head_init(&r->held);
		INIT_DELAYED_WORK(&r->expire, expire);
		list_add_tail(&r->list, &vd->reserved);
		vd->n_reserved++;
		atomic_inc(&reservations);
		spin_lock_bh(&table_lock);
		hlist_add_head_rcu(&r->hash, bucket(r->net, r->spi));
		spin_unlock_bh(&table_lock);
		*spi = r->spi;
		return 0;
	}
	kfree(r);
	NL_SET_ERR_MSG(extack, "no free SPI found in the range");
	return -EBUSY;
}
