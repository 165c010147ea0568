// SPDX-License-Identifier: GPL-2.0
#include "sa.h"

#include <linux/hash.h>
#include <linux/netlink.h>
#include <linux/random.h>
#include <linux/rculist.h>
#include <linux/timekeeping.h>
#include <net/xfrm.h>

#include "compat/compat.h"
#include "esp.h"
#include "lane.h"
#include "netlink.h"
#include "spi.h"
#include "trace.h"

/*
 * All SAs of all namespaces, by SPI. The table costs 128 KB once and holds
 * 20,000 SAs at about one a bucket. Outbound ones are here for the sake of ICMP
 * errors, which quote them.
 */
#define TABLE_BITS 14
static struct hlist_head table[1 << TABLE_BITS];
static DEFINE_SPINLOCK(table_lock);

static struct workqueue_struct *workers;
static struct kmem_cache *sas;

static struct hlist_head *bucket(const struct net *net, __be32 spi)
{
	return &table[vti_spi_hash(net, spi, TABLE_BITS)];
}

static struct vti_sa *find(const struct net *net, __be32 spi, u8 dir)
{
	struct vti_sa *sa;

	hlist_for_each_entry_rcu(sa, bucket(net, spi), hash, lockdep_is_held(&table_lock))
		if (sa->spi == spi && net_eq(sa->net, net) && sa->dir == dir)
			return sa;
	return NULL;
}

/**
 * vti_sa_find_in() - the inbound SA with an SPI
 * @net: outer namespace
 * @spi: as on the wire
 *
 * Under RCU.
 */
struct vti_sa *vti_sa_find_in(struct net *net, __be32 spi)
{
	return find(net, spi, IPSECVTI_DIR_IN);
}

/**
 * vti_sa_quoted() - whose packet does an ICMP error quote?
 * @net: outer namespace
 * @spi: as on the wire
 * @remote: destination of the quoted packet
 * @family: its family
 *
 * Under RCU.
 *
 * Return: the SA that it was sent with, or NULL if none of ours.
 */
struct vti_sa *vti_sa_quoted(struct net *net, __be32 spi, const xfrm_address_t *remote, u8 family)
{
	const struct vti_endpoint *ep;
	struct vti_sa *sa;

	/* Peers choose these SPIs, so two may have the same. */
	hlist_for_each_entry_rcu(sa, bucket(net, spi), hash) {
		if (sa->spi != spi || !net_eq(sa->net, net) || sa->dir != IPSECVTI_DIR_OUT)
			continue;
		ep = rcu_dereference(sa->vd->endpoint);
		if (ep && ep->family == family && xfrm_addr_equal(&ep->remote, remote, family))
			return sa;
	}
	return NULL;
}

/**
 * vti_sa_raise() - something happened to an SA
 * @sa: SA
 * @event: what
 *
 * Any context. The event is latched at once, and only the first time does a
 * worker tell user space and update the carrier. After HARD_EXPIRE the SA
 * carries nothing more.
 */
void vti_sa_raise(struct vti_sa *sa, enum ipsecvti_event_type event)
{
	if (event == IPSECVTI_EVENT_TYPE_HARD_EXPIRE)
		WRITE_ONCE(sa->dead, true);
	if (!test_bit(event, &sa->events) && !test_and_set_bit(event, &sa->events))
		mod_delayed_work(workers, &sa->clock, 0);
}

/**
 * vti_sa_drop() - count a packet under a name, with its SA and device; free it
 * @sa: SA
 * @seq: its sequence number; 0 while it has none
 * @skb: packet
 * @drop: name
 */
void vti_sa_drop(struct vti_sa *sa, u64 seq, struct sk_buff *skb, enum vti_drop drop)
{
	trace_ipsecvti_drop(sa->vd, sa, seq, drop);
	atomic_long_inc(&sa->drops.n[drop]);
	atomic_long_inc(&sa->vd->drops.n[drop]);
	kfree_skb_reason(skb, vti_drop_info[drop].reason);
}

/**
 * vti_sa_count() - count what an SA has carried
 * @sa: SA
 * @packets: inner packets
 * @bytes: their bytes
 *
 * BH disabled.
 */
void vti_sa_count(struct vti_sa *sa, unsigned int packets, unsigned int bytes)
{
	struct vti_pcpu_stats *stats = this_cpu_ptr(sa->stats);

	u64_stats_update_begin(&stats->sync);
	u64_stats_add(&stats->packets, packets);
	u64_stats_add(&stats->bytes, bytes);
	u64_stats_update_end(&stats->sync);
	stats->used = jiffies | 1;
}

/**
 * vti_sa_sum() - what all CPUs have carried
 * @sa: SA
 * @packets: inner packets
 * @bytes: their bytes
 * @used: jiffies of the latest one; 0 if there was none
 */
void vti_sa_sum(const struct vti_sa *sa, u64 *packets, u64 *bytes, unsigned long *used)
{
	int cpu;

	*packets = 0;
	*bytes = 0;
	*used = 0;
	for_each_possible_cpu(cpu) {
		const struct vti_pcpu_stats *stats = per_cpu_ptr(sa->stats, cpu);
		unsigned long at = READ_ONCE(stats->used);
		unsigned int start;
		u64 p, b;

		do {
			start = u64_stats_fetch_begin(&stats->sync);
			p = u64_stats_read(&stats->packets);
			b = u64_stats_read(&stats->bytes);
		} while (u64_stats_fetch_retry(&stats->sync, start));
		*packets += p;
		*bytes += b;
		if (at && (!*used || time_after(at, *used)))
			*used = at;
	}
}

/**
 * vti_sa_pending() - how many packets are being worked on
 * @sa: SA
 *
 * Return: never less than what this CPU has begun and nobody has done.
 */
unsigned long vti_sa_pending(const struct vti_sa *sa)
{
	unsigned long n = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		n -= READ_ONCE(per_cpu_ptr(sa->stats, cpu)->done);
	/* What is done was begun: in this order no end is counted without its beginning. */
	smp_rmb();
	for_each_possible_cpu(cpu)
		n += READ_ONCE(per_cpu_ptr(sa->stats, cpu)->begun);
	return n;
}

static bool reached(u64 limit, u64 value)
{
	return limit && value >= limit;
}

/* Latch what has been reached by time, bytes or, inbound, packets. */
static void check_limits(struct vti_sa *sa, u64 age)
{
	const struct vti_limits *l = &sa->limits;
	unsigned long used;
	u64 packets, bytes;

	vti_sa_sum(sa, &packets, &bytes, &used);
	if (reached(l->hard_seconds, age) || reached(l->hard_bytes, bytes) ||
	    reached(l->hard_packets, packets)) {
		WRITE_ONCE(sa->dead, true);
		set_bit(IPSECVTI_EVENT_TYPE_HARD_EXPIRE, &sa->events);
	}
	if (reached(l->soft_seconds, age) || reached(l->soft_bytes, bytes) ||
	    reached(l->soft_packets, packets))
		set_bit(IPSECVTI_EVENT_TYPE_SOFT_EXPIRE, &sa->events);
}

/* When to look again, in jiffies. */
static unsigned long next_check(const struct vti_sa *sa, u64 age)
{
	const struct vti_limits *l = &sa->limits;
	u64 seconds = 60;	/* jiffies stand still in suspend, ages don't */

	if (l->soft_bytes || l->hard_bytes || l->soft_packets || l->hard_packets)
		seconds = 1;
	if (l->soft_seconds > age)
		seconds = min_t(u64, seconds, l->soft_seconds - age);
	if (l->hard_seconds > age)
		seconds = min_t(u64, seconds, l->hard_seconds - age);
	return seconds * HZ;
}

/*
 * Checks the limits that are not checked for every packet, and tells what was
 * latched since: events and carrier want a context that may sleep.
 */
static void clock(struct work_struct *work)
{
	struct vti_sa *sa = container_of(to_delayed_work(work), struct vti_sa, clock);
	u64 age = ktime_get_boottime_seconds() - sa->created;
	struct net *net = vti_dev_outer_get(sa->vd);
	unsigned long news;
	struct vti_net *vn;
	int event;

	if (!net)
		return;
	vn = vti_net(net);
	mutex_lock(&vn->lock);
	if (!sa->alive)
		goto unlock;
	check_limits(sa, age);
	news = READ_ONCE(sa->events) & ~sa->told;
	sa->told |= news;
	if (news)
		vn->gen++;
	for_each_set_bit(event, &news, BITS_PER_LONG)
		vti_netlink_sa_event(sa, net, event);
	if (news & BIT(IPSECVTI_EVENT_TYPE_HARD_EXPIRE))
		vti_dev_update_carrier(sa->vd);
	if (sa->limits.soft_seconds || sa->limits.hard_seconds || sa->limits.soft_bytes ||
	    sa->limits.hard_bytes || sa->limits.soft_packets || sa->limits.hard_packets)
		queue_delayed_work(workers, &sa->clock, next_check(sa, age));
unlock:
	mutex_unlock(&vn->lock);
	put_net(net);
}

/* After the last reference and a grace period: nobody can see the SA any more. */
static void sa_free(struct work_struct *work)
{
	struct vti_sa *sa = container_of(to_rcu_work(work), struct vti_sa, free);

	cancel_delayed_work_sync(&sa->clock);
	vti_lane_forget(sa);
	vti_sa_discard(sa);
}

static void last_reference(struct percpu_ref *ref)
{
	struct vti_sa *sa = container_of(ref, struct vti_sa, ref);

	queue_rcu_work(workers, &sa->free);
}

static int check_params(const struct vti_sa_params *p, const struct vti_suite *suite,
			struct netlink_ext_ack *extack)
{
	const struct vti_limits *l = &p->limits;

	if (p->dir != IPSECVTI_DIR_IN && p->dir != IPSECVTI_DIR_OUT) {
		NL_SET_ERR_MSG(extack, "direction is neither in nor out");
		return -EINVAL;
	}
	if (ntohl(p->spi) < VTI_SPI_RESERVED) {
		NL_SET_ERR_MSG(extack, "SPIs 0 to 255 are reserved");
		return -EINVAL;
	}
	if (!suite) {
		NL_SET_ERR_MSG_FMT(extack, "unknown suite %u", p->suite);
		return -EOPNOTSUPP;
	}
	if (p->key_len != suite->key + suite->extra) {
		NL_SET_ERR_MSG_FMT(extack, "key of %u bytes; %s takes %u (key %u, %s %u)",
				   p->key_len, suite->name, suite->key + suite->extra, suite->key,
				   vti_suite_paired(suite) ? "HMAC" : "salt", suite->extra);
		return -EINVAL;
	}
	if ((suite->key && !memchr_inv(p->key, 0, suite->key)) ||
	    (vti_suite_paired(suite) && !memchr_inv(p->key + suite->key, 0, suite->extra))) {
		NL_SET_ERR_MSG(extack, "the key is all zero");
		return -EINVAL;
	}
	if (p->esn > 1) {
		NL_SET_ERR_MSG(extack, "esn is neither 0 nor 1");
		return -EINVAL;
	}
	if (p->mode > IPSECVTI_MODE_TRANSPORT) {
		NL_SET_ERR_MSG(extack, "mode is neither tunnel nor transport");
		return -EINVAL;
	}
	if (p->window < IPSECVTI_WINDOW_MIN || p->window > IPSECVTI_WINDOW_MAX) {
		NL_SET_ERR_MSG_FMT(extack, "replay window of %u packets; %u to %u are possible",
				   p->window, IPSECVTI_WINDOW_MIN, IPSECVTI_WINDOW_MAX);
		return -EINVAL;
	}
	if (p->cookie_len > IPSECVTI_COOKIE_MAX) {
		NL_SET_ERR_MSG_FMT(extack, "cookie longer than %u bytes", IPSECVTI_COOKIE_MAX);
		return -EINVAL;
	}
	if ((l->hard_seconds && l->soft_seconds > l->hard_seconds) ||
	    (l->hard_bytes && l->soft_bytes > l->hard_bytes) ||
	    (l->hard_packets && l->soft_packets > l->hard_packets)) {
		NL_SET_ERR_MSG(extack, "a soft limit lies behind its hard limit");
		return -EINVAL;
	}
	return 0;
}

/*
 * Transport mode is for a GRE device on top of ours, between the same
 * addresses: whatever else it might carry has a route of its own.
 */
static int make_selectors(struct vti_sa *sa, const struct vti_sa_params *p,
			  struct netlink_ext_ack *extack)
{
	struct vti_selectors *s = vti_selectors_new(p->local_ts, p->local_ts_len, p->remote_ts,
						    p->remote_ts_len, extack);

	if (IS_ERR(s))
		return PTR_ERR(s);
	sa->selectors = s;
	if (!sa->transport || (s && vti_selectors_only(s, IPPROTO_GRE)))
		return 0;
	NL_SET_ERR_MSG(extack, "transport mode is for GRE: its traffic selectors say protocol 47");
	return -EOPNOTSUPP;
}

/*
 * In test builds an outbound SA may begin late in its sequence space, which no
 * test could use up.
 */
#ifdef CONFIG_IPSECVTI_TEST_SUITES
static unsigned long long first_seq;
module_param(first_seq, ullong, 0644);
MODULE_PARM_DESC(first_seq, "first sequence number of outbound SAs, for tests; 0: 1, as ever");

static void begin(struct vti_sa *sa)
{
	u64 first = READ_ONCE(first_seq);

	if (first && sa->dir == IPSECVTI_DIR_OUT)
		atomic64_set(&sa->seq, first - 1);
}
#else
static void begin(struct vti_sa *sa)
{
}
#endif

/**
 * vti_sa_new() - make an SA
 * @vd: device, held by the caller
 * @p: what it shall be; everything is checked here
 * @extack: for the refusal
 *
 * May sleep and load modules; to be called without locks.
 *
 * Return: an SA for vti_sa_insert() or vti_sa_discard(), or ERR_PTR().
 */
struct vti_sa *vti_sa_new(struct vti_dev *vd, const struct vti_sa_params *p,
			  struct netlink_ext_ack *extack)
{
	const struct vti_suite *suite = vti_suite_find(p->suite);
	struct vti_sa *sa;
	int err, cpu;

	err = check_params(p, suite, extack);
	if (err)
		return ERR_PTR(err);
	sa = kmem_cache_zalloc(sas, GFP_KERNEL_ACCOUNT);
	if (!sa)
		return ERR_PTR(-ENOMEM);
	sa->vd = vd;
	netdev_hold(vd->dev, &sa->tracker, GFP_KERNEL);
	sa->suite = suite;
	sa->spi = p->spi;
	sa->child_id = p->child_id;
	sa->dir = p->dir;
	sa->esn = p->esn;
	sa->transport = p->mode == IPSECVTI_MODE_TRANSPORT;
	sa->limits = p->limits;
	sa->window = p->window;
	sa->last_seq = sa->esn ? VTI_SEQ_MAX : U32_MAX;
	if (sa->limits.hard_packets)
		sa->last_seq = min(sa->last_seq, sa->limits.hard_packets);
	sa->soft_seq = sa->limits.soft_packets ?: U64_MAX;
	begin(sa);
	sa->created = ktime_get_boottime_seconds();
	INIT_LIST_HEAD(&sa->list);
	INIT_DELAYED_WORK(&sa->clock, clock);
	sa->lane = VTI_LANE_HOME;
	INIT_RCU_WORK(&sa->free, sa_free);
	sa->cookie_len = p->cookie_len;
	memcpy(sa->cookie, p->cookie, p->cookie_len);

	err = make_selectors(sa, p, extack);
	if (err)
		goto discard;
	sa->tfm = vti_esp_cipher(suite, p->esn, p->key, extack);
	err = PTR_ERR_OR_ZERO(sa->tfm);
	if (err)
		goto discard;
	sa->async = crypto_aead_alg(sa->tfm)->base.cra_flags & CRYPTO_ALG_ASYNC;
	err = -ENOMEM;
	sa->stats = alloc_percpu_gfp(struct vti_pcpu_stats, GFP_KERNEL_ACCOUNT);
	if (!sa->stats)
		goto discard;
	for_each_possible_cpu(cpu)
		u64_stats_init(&per_cpu_ptr(sa->stats, cpu)->sync);
	if (sa->dir == IPSECVTI_DIR_IN) {
		sa->replay = kvmalloc(vti_replay_size(sa->window), GFP_KERNEL_ACCOUNT);
		if (!sa->replay)
			goto discard;
		vti_replay_init(sa->replay, sa->window, sa->esn);
	}
	if (percpu_ref_init(&sa->ref, last_reference, 0, GFP_KERNEL))
		goto discard;
	return sa;

discard:
	vti_sa_discard(sa);
	return ERR_PTR(err);
}

/**
 * vti_sa_discard() - free an SA that is not, or no longer, published
 * @sa: SA
 *
 * May sleep. The cipher wipes its key.
 */
void vti_sa_discard(struct vti_sa *sa)
{
	percpu_ref_exit(&sa->ref);
	crypto_free_aead(sa->tfm);
	kvfree(sa->replay);
	kfree(sa->selectors);
	free_percpu(sa->stats);
	netdev_put(sa->vd->dev, &sa->tracker);
	kmem_cache_free(sas, sa);
}

/* Best effort: the kernel's own xfrm neither asks us, nor shows us SAs with marks. */
static bool xfrm_has(struct net *net, __be32 spi, const struct vti_endpoint *ep)
{
	struct xfrm_state *x;

	if (!ep || ep->family == AF_UNSPEC)
		return false;	/* not known yet where packets will come to */
	x = xfrm_state_lookup(net, 0, &ep->local, spi, IPPROTO_ESP, ep->family);
	if (x)
		xfrm_state_put(x);
	return x;
}

static bool has(struct vti_net *vn, __be32 spi)
{
	bool found;

	rcu_read_lock();
	found = find(vn->net, spi, IPSECVTI_DIR_IN);
	rcu_read_unlock();
	return found;
}

/**
 * vti_sa_spi_taken() - has an SA this SPI, of ours or of the kernel's xfrm?
 * @vn: outer namespace, locked
 * @vd: device
 * @spi: inbound SPI
 */
bool vti_sa_spi_taken(struct vti_net *vn, const struct vti_dev *vd, __be32 spi)
{
	return has(vn, spi) || xfrm_has(vn->net, spi,
					rcu_dereference_protected(vd->endpoint,
								  lockdep_is_held(&vn->lock)));
}

static int check_spi(struct vti_net *vn, struct vti_sa *sa, const struct vti_endpoint *ep,
		     struct netlink_ext_ack *extack)
{
	if (has(vn, sa->spi)) {
		NL_SET_ERR_MSG_FMT(extack, "SPI 0x%08x is in use", ntohl(sa->spi));
		return -EEXIST;
	}
	if (xfrm_has(vn->net, sa->spi, ep)) {
		NL_SET_ERR_MSG_FMT(extack, "SPI 0x%08x is in use by the kernel's xfrm",
				   ntohl(sa->spi));
		return -EEXIST;
	}
	return vti_spi_check(vn, sa, extack);
}

/**
 * vti_sa_insert() - publish an SA
 * @vn: outer namespace, locked
 * @sa: from vti_sa_new()
 * @extack: for the refusal
 *
 * Return: 0, or an error with the SA still the caller's.
 */
int vti_sa_insert(struct vti_net *vn, struct vti_sa *sa, struct netlink_ext_ack *extack)
{
	const struct vti_endpoint *ep = rcu_dereference_protected(sa->vd->endpoint,
								  lockdep_is_held(&vn->lock));
	int err;

	if (!ep || ep->family == AF_UNSPEC) {
		NL_SET_ERR_MSG(extack, "the device has no outer addresses yet");
		return -EDESTADDRREQ;
	}
	if (sa->dir == IPSECVTI_DIR_OUT && READ_ONCE(vti_hibernating)) {
		NL_SET_ERR_MSG(extack, "the machine is hibernating");
		return -EAGAIN;
	}
	if (sa->dir == IPSECVTI_DIR_IN) {
		err = check_spi(vn, sa, ep, extack);
		if (err)
			return err;
	}
	err = xa_alloc_cyclic(&vn->sas, &sa->id, sa, XA_LIMIT(1, INT_MAX), &vn->next_sa,
			      GFP_KERNEL);
	if (err < 0)
		return err;
	sa->net = vn->net;
	sa->alive = true;
	list_add_tail(&sa->list, &sa->vd->sas);
	spin_lock_bh(&table_lock);
	hlist_add_head_rcu(&sa->hash, bucket(sa->net, sa->spi));
	spin_unlock_bh(&table_lock);
	vn->gen++;
	queue_delayed_work(workers, &sa->clock, next_check(sa, 0));
	vti_dev_update_carrier(sa->vd);
	if (sa->dir == IPSECVTI_DIR_IN)
		vti_spi_land(vn, sa);
	return 0;
}

static void outset_free(struct rcu_head *rcu)
{
	struct vti_outset *set = container_of(rcu, struct vti_outset, rcu);

	kfree(set->groups);
	kfree(set->slots);
	kfree(set);
}

/**
 * vti_outset_alloc() - room for an outbound set
 * @n_groups: groups
 * @n_slots: slots of all groups
 *
 * Return: to be filled and given to vti_outset_replace() or vti_outset_free().
 */
struct vti_outset *vti_outset_alloc(unsigned int n_groups, unsigned int n_slots)
{
	struct vti_outset *set = kzalloc(struct_size(set, by_cpu, nr_cpu_ids),
					 GFP_KERNEL_ACCOUNT);

	if (!set)
		return NULL;
	set->groups = kcalloc(n_groups, sizeof(*set->groups), GFP_KERNEL_ACCOUNT);
	set->slots = kcalloc(n_slots, sizeof(*set->slots), GFP_KERNEL_ACCOUNT);
	if (!set->groups || !set->slots) {
		outset_free(&set->rcu);
		return NULL;
	}
	return set;
}

/**
 * vti_outset_free() - free a set that was never published
 * @set: set
 */
void vti_outset_free(struct vti_outset *set)
{
	outset_free(&set->rcu);
}

static void mark_current(const struct vti_outset *set, bool is_current)
{
	unsigned int i;

	for (i = 0; set && i < set->n_slots; i++)
		set->slots[i].sa->current_out = is_current;
}

/*
 * A CPU's own SA of a group, else the one for any CPU, which also stands in for
 * one that has reached its limit.
 */
static struct vti_sa *choose_slot(const struct vti_outset *set, const struct vti_out_group *group,
				  unsigned int cpu)
{
	struct vti_sa *any = NULL;
	unsigned int i;

	for (i = group->first; i < group->first + group->n; i++) {
		const struct vti_out_slot *slot = &set->slots[i];

		if (slot->cpu == cpu && !READ_ONCE(slot->sa->dead))
			return slot->sa;
		if (slot->cpu == IPSECVTI_CPU_ANY)
			any = slot->sa;
	}
	return any;
}

/**
 * vti_outset_choose() - which SA a packet is sent with
 * @set: outbound set
 * @skb: inner packet, at its network header
 *
 * Under RCU, BH disabled. This is the long way; see @by_cpu for the short one.
 *
 * Return: an SA, which may be dead; NULL if no selectors fit.
 */
struct vti_sa *vti_outset_choose(const struct vti_outset *set, const struct sk_buff *skb)
{
	unsigned int g;

	for (g = 0; g < set->n_groups; g++) {
		const struct vti_out_group *group = &set->groups[g];
		const struct vti_selectors *s = set->slots[group->first].sa->selectors;

		if (!s || vti_selectors_match(s, skb, true))
			return choose_slot(set, group, smp_processor_id());
	}
	return NULL;
}

/* The short way is open where the first group takes all packets. */
static void resolve(struct vti_outset *set)
{
	const struct vti_out_group *group = set->groups;
	unsigned int cpu;

	if (!set->n_groups || set->slots[group->first].sa->selectors)
		return;
	for_each_possible_cpu(cpu)
		set->by_cpu[cpu] = choose_slot(set, group, cpu);
}

/**
 * vti_outset_replace() - switch a device to another outbound set, in one step
 * @vn: outer namespace, locked
 * @vd: device
 * @set: from vti_outset_alloc(), filled and checked; NULL to hold traffic
 */
void vti_outset_replace(struct vti_net *vn, struct vti_dev *vd, struct vti_outset *set)
{
	struct vti_outset *old;

	lockdep_assert_held(&vn->lock);
	if (set)
		resolve(set);
	old = rcu_replace_pointer(vd->out, set, lockdep_is_held(&vn->lock));
	mark_current(old, false);
	mark_current(set, true);
	if (old)
		call_rcu(&old->rcu, outset_free);
	vd->gen++;
	vn->gen++;
	vti_dev_update_carrier(vd);
}

/*
 * Take an SA's slots out of the set in place of which @set will stand. A group
 * that loses its SA for any CPU goes with it: some CPUs could not send.
 */
static void outset_copy_without(struct vti_outset *set, const struct vti_outset *from,
				const struct vti_sa *sa)
{
	unsigned int g, i;
	bool any;

	for (g = 0; g < from->n_groups; g++) {
		const struct vti_out_group *old = &from->groups[g];
		struct vti_out_group *group = &set->groups[set->n_groups];

		*group = *old;
		group->first = set->n_slots;
		group->n = 0;
		any = false;
		for (i = old->first; i < old->first + old->n; i++) {
			if (from->slots[i].sa == sa)
				continue;
			any |= from->slots[i].cpu == IPSECVTI_CPU_ANY;
			set->slots[set->n_slots++] = from->slots[i];
			group->n++;
		}
		if (any)
			set->n_groups++;
		else
			set->n_slots = group->first;
	}
}

static void outset_forget(struct vti_net *vn, const struct vti_sa *sa)
{
	const struct vti_outset *old = rcu_dereference_protected(sa->vd->out,
								 lockdep_is_held(&vn->lock));
	struct vti_outset *set;

	set = vti_outset_alloc(old->n_groups, old->n_slots);
	if (set) {
		outset_copy_without(set, old, sa);
		if (!set->n_groups) {
			vti_outset_free(set);
			set = NULL;
		}
	}
	/* Without memory the whole set goes: nothing is sent rather than by a dead SA. */
	vti_outset_replace(vn, sa->vd, set);
}

/**
 * vti_sa_kill() - unpublish an SA for good
 * @vn: outer namespace, locked
 * @sa: published SA; not to be touched afterwards
 *
 * The outbound set forgets it first. It is freed when the last packet that is
 * on its way with it has arrived somewhere.
 */
void vti_sa_kill(struct vti_net *vn, struct vti_sa *sa)
{
	struct vti_dev *vd = sa->vd;

	lockdep_assert_held(&vn->lock);
	WRITE_ONCE(sa->dead, true);
	sa->alive = false;
	if (sa->current_out)
		outset_forget(vn, sa);
	spin_lock_bh(&table_lock);
	hlist_del_rcu(&sa->hash);
	spin_unlock_bh(&table_lock);
	list_del(&sa->list);
	xa_erase(&vn->sas, sa->id);
	vn->gen++;
	percpu_ref_kill(&sa->ref);
	vti_dev_update_carrier(vd);
}

/**
 * vti_sa_kill_all() - unpublish all SAs of a device
 * @vn: outer namespace, locked
 * @vd: device
 */
void vti_sa_kill_all(struct vti_net *vn, struct vti_dev *vd)
{
	struct vti_sa *sa, *next;

	if (rcu_access_pointer(vd->out))
		vti_outset_replace(vn, vd, NULL);
	list_for_each_entry_safe(sa, next, &vd->sas, list)
		vti_sa_kill(vn, sa);
}

int __init vti_sa_init(void)
{
	vti_spi_secret = get_random_u64() | 1;
	workers = alloc_workqueue(KBUILD_MODNAME, WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	if (!workers)
		return -ENOMEM;
	sas = KMEM_CACHE(vti_sa, SLAB_HWCACHE_ALIGN);
	if (!sas) {
		destroy_workqueue(workers);
		return -ENOMEM;
	}
	return 0;
}

/* All devices are gone, and with them all SAs; only callbacks may still be under way. */
void vti_sa_exit(void)
{
	rcu_barrier();
	destroy_workqueue(workers);
	kmem_cache_destroy(sas);
}
