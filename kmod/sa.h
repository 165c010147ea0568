/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Security associations.
 *
 * Life: vti_sa_new() makes one with its cipher; vti_sa_insert() publishes it;
 * vti_sa_kill() unpublishes it for good. The data path finds SAs under RCU.
 * Whoever keeps one beyond its RCU section (a packet on a lane, a cipher
 * request in flight) holds @ref. When the last reference is gone, a worker
 * frees the cipher and lets go of the device, so that a device is never freed
 * before all of its SAs.
 */
#ifndef _IPSECVTI_SA_H
#define _IPSECVTI_SA_H

#include <crypto/aead.h>
#include <linux/percpu-refcount.h>
#include <linux/workqueue.h>
#include <linux/ipsecvti.h>

#include "device.h"
#include "replay.h"
#include "ts.h"

struct netlink_ext_ack;
struct vti_suite;

/* Extended numbers end here: far from the wrap, whatever races overshoot. */
#define VTI_SEQ_MAX (U64_MAX >> 1)

/**
 * struct vti_limits - when an SA is to be replaced, and when it dies
 * @soft_seconds: age for the event; 0 is never
 * @hard_seconds: age of death; 0 is never
 * @soft_bytes: likewise, bytes of inner packets
 * @hard_bytes: likewise
 * @soft_packets: likewise, packets
 * @hard_packets: likewise
 */
struct vti_limits {
	u32 soft_seconds, hard_seconds;
	u64 soft_bytes, hard_bytes;
	u64 soft_packets, hard_packets;
};

/**
 * struct vti_sa - one SA
 * @tfm: cipher with its key
 * @suite: its row of the table
 * @vd: device
 * @net: outer namespace, for comparison only
 * @stats: for each CPU
 * @spi: as on the wire
 * @id: sa-id
 * @child_id: ties the directions together
 * @dir: enum ipsecvti_dir
 * @esn: extended sequence numbers
 * @async: the cipher may answer later
 * @transport: transport mode, for GRE between the outer addresses
 * @dead: carries nothing more
 * @alive: published and not killed; under vti_net.lock
 * @current_out: @vd's outbound set points here; under vti_net.lock
 * @events: latched, 1 << enum ipsecvti_event_type
 * @told: those of @events that user space was told; under vti_net.lock
 * @last_seq: hard limit in packets, and the end of the sequence space
 * @soft_seq: soft limit in packets of an outbound SA
 * @lane: CPU whose lane it lives on, or VTI_LANE_HOME; written under that
 *	lane's lock
 * @seq: highest number sent
 * @replay: window of an inbound SA
 * @selectors: what it carries; NULL is all packets
 * @ref: see above
 * @hash: in the table by SPI
 * @list: in vti_dev.sas
 * @tracker: of the reference to @vd
 * @created: seconds of CLOCK_BOOTTIME
 * @limits: as user space said
 * @window: as user space said
 * @clock: checks the limits that are not checked for every packet
 * @free: runs after @ref and a grace period
 * @drops: named drops
 * @cookie_len: bytes of @cookie
 * @cookie: user space's own
 */
struct vti_sa {
	struct crypto_aead *tfm;
	const struct vti_suite *suite;
	struct vti_dev *vd;
	struct net *net;
	struct vti_pcpu_stats __percpu *stats;
	struct vti_replay *replay;
	struct vti_selectors *selectors;
	__be32 spi;
	u32 id;
	u32 child_id;
	u8 dir;
	bool esn;
	bool async;
	bool transport;
	bool dead;
	bool alive;
	bool current_out;
	unsigned long events;
	unsigned long told;
	u64 last_seq;
	u64 soft_seq;
	int lane;
	struct percpu_ref ref;

	atomic64_t seq ____cacheline_aligned_in_smp;

	struct hlist_node hash ____cacheline_aligned_in_smp;
	struct list_head list;
	netdevice_tracker tracker;
	u64 created;
	struct vti_limits limits;
	u32 window;
	struct delayed_work clock;
	struct rcu_work free;
	struct vti_drops drops;
	u8 cookie_len;
	u8 cookie[IPSECVTI_COOKIE_MAX];
};

/**
 * struct vti_out_slot - which SA a CPU sends with
 * @sa: the SA
 * @cpu: the CPU, or IPSECVTI_CPU_ANY
 */
struct vti_out_slot {
	struct vti_sa *sa;
	u32 cpu;
};

/**
 * struct vti_out_group - the outbound SAs of one child SA
 * @child_id: their common child-id
 * @prio: smaller is asked first
 * @first: index of its first slot
 * @n: number of its slots, one of them for any CPU; all carry the same
 */
struct vti_out_group {
	u32 child_id;
	u32 prio;
	unsigned int first, n;
};

/**
 * struct vti_outset - all that a device may send with; replaced as a whole
 * @rcu: frees it
 * @n_groups: number of groups
 * @n_slots: number of slots of all groups
 * @by_cpu: for each possible CPU the SA that all packets take; NULL where
 *	selectors have to be asked
 * @groups: by prio
 * @slots: behind the groups
 */
struct vti_outset {
	struct rcu_head rcu;
	unsigned int n_groups, n_slots;
	struct vti_out_group *groups;
	struct vti_out_slot *slots;
	struct vti_sa *by_cpu[];
};

/**
 * struct vti_sa_params - what vti_sa_new() is asked for
 * @spi: as on the wire
 * @suite: enum ipsecvti_suite, unchecked
 * @dir: enum ipsecvti_dir, unchecked
 * @window: packets, unchecked
 * @child_id: any
 * @esn: extended sequence numbers, unchecked
 * @mode: enum ipsecvti_mode, unchecked
 * @limits: unchecked
 * @local_ts: traffic selectors of our end, unchecked; NULL for all packets
 * @local_ts_len: its bytes
 * @remote_ts: the peer's
 * @remote_ts_len: its bytes
 * @key: key blob
 * @key_len: its bytes
 * @cookie: may be NULL
 * @cookie_len: its bytes
 */
struct vti_sa_params {
	__be32 spi;
	u32 suite;
	u32 dir;
	u32 window;
	u32 child_id;
	u32 esn;
	u32 mode;
	struct vti_limits limits;
	const u8 *local_ts;
	unsigned int local_ts_len;
	const u8 *remote_ts;
	unsigned int remote_ts_len;
	const u8 *key;
	unsigned int key_len;
	const u8 *cookie;
	unsigned int cookie_len;
};

struct vti_sa *vti_sa_new(struct vti_dev *vd, const struct vti_sa_params *p,
			  struct netlink_ext_ack *extack);
int vti_sa_insert(struct vti_net *vn, struct vti_sa *sa, struct netlink_ext_ack *extack);
void vti_sa_discard(struct vti_sa *sa);
void vti_sa_kill(struct vti_net *vn, struct vti_sa *sa);
void vti_sa_kill_all(struct vti_net *vn, struct vti_dev *vd);
void vti_sa_raise(struct vti_sa *sa, enum ipsecvti_event_type event);
struct vti_sa *vti_sa_find_in(struct net *net, __be32 spi);
struct vti_sa *vti_sa_quoted(struct net *net, __be32 spi, const xfrm_address_t *remote,
			     u8 family);
void vti_sa_drop(struct vti_sa *sa, u64 seq, struct sk_buff *skb, enum vti_drop drop);
void vti_sa_count(struct vti_sa *sa, unsigned int packets, unsigned int bytes);
unsigned long vti_sa_pending(const struct vti_sa *sa);
void vti_sa_sum(const struct vti_sa *sa, u64 *packets, u64 *bytes, unsigned long *used);

/**
 * vti_sa_begin() - begin to work on a packet
 * @sa: its SA
 *
 * BH disabled; vti_sa_done() follows, on whichever CPU.
 */
static inline void vti_sa_begin(const struct vti_sa *sa)
{
	this_cpu_inc(sa->stats->begun);
}

/**
 * vti_sa_done() - the packet has left, or is dropped
 * @sa: its SA
 */
static inline void vti_sa_done(const struct vti_sa *sa)
{
	this_cpu_inc(sa->stats->done);
}

bool vti_sa_spi_taken(struct vti_net *vn, const struct vti_dev *vd, __be32 spi);

struct vti_outset *vti_outset_alloc(unsigned int n_groups, unsigned int n_slots);
void vti_outset_free(struct vti_outset *set);
struct vti_sa *vti_outset_choose(const struct vti_outset *set, const struct sk_buff *skb);
void vti_outset_replace(struct vti_net *vn, struct vti_dev *vd, struct vti_outset *set);

int vti_sa_init(void);
void vti_sa_exit(void);

#endif
