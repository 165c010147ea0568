// SPDX-License-Identifier: GPL-2.0
#include "lane.h"

#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/delay.h>
#include <linux/netdevice.h>
#include <linux/prefetch.h>
#include <linux/sched/clock.h>
#include <linux/smp.h>

#include "compat/compat.h"
#include "elephant.h"
#include "esp.h"
#include "receive.h"
#include "send.h"
#include "trace.h"

#define LANE_PACKETS 4096
/* Trains of a guest that is sent are up to 64 KB each. */
#define GUEST_BYTES (8U << 20)
/* A lane whose guest has brought nothing for so long may have another one. */
#define SILENCE (HZ / 10 + 1)
/* A CPU that goes offline waits so long, in milliseconds, for its guest to go by itself. */
#define PATIENCE 100

/**
 * struct lane - one CPU's
 * @napi: does the work
 * @queue: packets of this CPU's. Only that CPU, with bottom halves disabled,
 *	touches it, so it needs no lock. The one exception is NAPI's: a CPU that
 *	goes offline leaves its lane to be polled by another, while nobody adds
 *	to it.
 * @taken: packets of the guest, likewise
 * @polls: number of polls
 * @herd: who the packets in @queue are of
 * @time: what they and the guest cost
 * @lock: of what follows, which other CPUs touch. BH disabled.
 * @guest: SA that lives here; its vti_sa.lane says so. Not held: an SA takes
 *	leave when it is freed, see vti_lane_forget().
 * @brought: its packets
 * @bytes: memory of these
 * @last: jiffies of the latest one
 * @open: guests are welcome
 * @shut: no packet is taken any more, for the guest has to go
 * @awake: @napi will look at @brought
 * @kick: has it do so
 */
struct lane {
	struct napi_struct napi;
	struct sk_buff_head queue;
	struct sk_buff_head taken;
	unsigned int polls;
	struct vti_herd herd;
	struct vti_guest_time time;

	spinlock_t lock ____cacheline_aligned_in_smp;	/* see above */
	struct vti_sa *guest;
	struct sk_buff_head brought;
	unsigned int bytes;
	unsigned long last;
	bool open;
	bool shut;
	bool awake;
	call_single_data_t kick;
};

static DEFINE_PER_CPU(struct lane, lanes);
static struct net_device *dummy;
static int hotplug_state;

/**
 * vti_lane_add() - queue a packet on this CPU's lane
 * @skb: packet with VTI_CB() filled and a reference to its SA
 *
 * BH disabled.
 *
 * Return: false if the lane is full; the packet is still the caller's.
 */
bool vti_lane_add(struct sk_buff *skb)
{
	struct lane *lane = this_cpu_ptr(&lanes);

	if (unlikely(skb_queue_len(&lane->queue) >= LANE_PACKETS))
		return false;
	__skb_queue_tail(&lane->queue, skb);
	if (skb_queue_len(&lane->queue) == 1)
		napi_schedule(&lane->napi);
	return true;
}

static void kick(void *data)
{
	struct lane *lane = data;

	napi_schedule(&lane->napi);
}

/* There is work in @brought. Under the lock; the CPU is online while it has a guest. */
static void wake(struct lane *lane, int cpu)
{
	if (lane->awake)
		return;
	WRITE_ONCE(lane->awake, true);
	if (cpu == smp_processor_id())
		napi_schedule(&lane->napi);
	else
		smp_call_function_single_async(cpu, &lane->kick);
}

/**
 * vti_lane_bring() - queue a packet where its SA lives
 * @sa: an SA that isn't at home
 * @skb: packet with VTI_CB() filled and a reference to its SA
 *
 * BH disabled.
 *
 * Return: 0; -ENOBUFS if the lane is full, or -EAGAIN if the SA has gone home,
 * with the packet still the caller's.
 */
int vti_lane_bring(struct vti_sa *sa, struct sk_buff *skb)
{
	struct lane *lane;
	int cpu;

	while ((cpu = READ_ONCE(sa->lane)) != VTI_LANE_HOME) {
		lane = per_cpu_ptr(&lanes, cpu);
		spin_lock(&lane->lock);
		if (likely(lane->guest == sa))
			goto found;
		spin_unlock(&lane->lock);
	}
	return -EAGAIN;

found:
	if (unlikely(lane->shut || skb_queue_len(&lane->brought) >= LANE_PACKETS ||
		     lane->bytes >= GUEST_BYTES)) {
		spin_unlock(&lane->lock);
		return -ENOBUFS;
	}
	__skb_queue_tail(&lane->brought, skb);
	lane->bytes += skb->truesize;
	WRITE_ONCE(lane->last, jiffies);
	wake(lane, cpu);
	spin_unlock(&lane->lock);
	return 0;
}

/* Everything of the guest's is done: it is worked on elsewhere from now on. Under the lock. */
static void dismiss(struct lane *lane)
{
	if (lane->guest) {
		WRITE_ONCE(lane->guest->lane, VTI_LANE_HOME);
		trace_ipsecvti_lane(lane->guest, VTI_LANE_HOME);
	}
	WRITE_ONCE(lane->guest, NULL);
}

/* Open, with nobody in it but one that has been silent for long. */
static bool vacant(const struct lane *lane)
{
	return READ_ONCE(lane->open) &&
	       (!READ_ONCE(lane->guest) ||
		(skb_queue_empty_lockless(&lane->brought) && !READ_ONCE(lane->awake) &&
		 time_after(jiffies, READ_ONCE(lane->last) + SILENCE)));
}

/**
 * vti_lane_free() - could a CPU's lane have a guest?
 * @cpu: CPU
 *
 * A hint, without the lock.
 */
bool vti_lane_free(int cpu)
{
	return vacant(per_cpu_ptr(&lanes, cpu));
}

/* From the queue of this CPU's lane to another one what is of an SA. */
static void carry_over(struct lane *from, struct lane *to, const struct vti_sa *sa)
{
	struct sk_buff *skb, *next;

	skb_queue_walk_safe(&from->queue, skb, next) {
		if (VTI_CB(skb)->sa != sa)
			continue;
		__skb_unlink(skb, &from->queue);
		__skb_queue_tail(&to->brought, skb);
		to->bytes += skb->truesize;
	}
}

/*
 * Makes an SA the guest of another lane. On this CPU nothing of it is under way
 * but what this lane's queue has, nor does its GRO hold any; what other CPUs
 * have in hand is in no order with that.
 */
static void move(struct vti_sa *sa, struct lane *from, int cpu)
{
	struct lane *lane = per_cpu_ptr(&lanes, cpu);

	spin_lock(&lane->lock);
	if (vacant(lane) && !(lane->guest && vti_sa_pending(lane->guest)) &&
	    READ_ONCE(sa->lane) == VTI_LANE_HOME) {
		dismiss(lane);
		WRITE_ONCE(lane->guest, sa);
		WRITE_ONCE(lane->last, jiffies);
		carry_over(from, lane, sa);
		WRITE_ONCE(sa->lane, cpu);
		trace_ipsecvti_lane(sa, cpu);
		if (!skb_queue_empty(&lane->brought))
			wake(lane, cpu);
	}
	spin_unlock(&lane->lock);
}

/**
 * vti_lane_relieve() - let another CPU do what an SA sends
 * @sa: outbound SA that is at home and has just sent something from here
 *
 * BH disabled.
 */
void vti_lane_relieve(struct vti_sa *sa)
{
	struct lane *lane = this_cpu_ptr(&lanes);
	int cpu = vti_herd_choose(&lane->herd);

	if (cpu >= 0 && !vti_sa_pending(sa))
		move(sa, lane, cpu);
}

/**
 * vti_lane_forget() - an SA is going to be freed
 * @sa: without references: nothing of it is on any lane
 */
void vti_lane_forget(struct vti_sa *sa)
{
	int cpu = READ_ONCE(sa->lane);
	struct lane *lane;

	if (cpu == VTI_LANE_HOME)
		return;
	lane = per_cpu_ptr(&lanes, cpu);
	spin_lock_bh(&lane->lock);
	if (lane->guest == sa)
		dismiss(lane);
	spin_unlock_bh(&lane->lock);
}

static unsigned int queued(const struct lane *lane, const struct vti_sa *sa)
{
	const struct sk_buff *skb;
	unsigned int n = 0;

	skb_queue_walk(&lane->queue, skb)
		n += VTI_CB(skb)->sa == sa;
	return n;
}

static void work_on(struct lane *lane, struct sk_buff_head *queue, struct sk_buff *skb)
{
	const struct sk_buff *next = skb_peek(queue);

	if (next) {
		prefetch(VTI_CB(next)->sa);
		prefetch(next->data);
	}
	if (VTI_CB(skb)->outbound)
		vti_send_poll(skb);
	else
		vti_receive_poll(skb, &lane->napi);
}

static int work_own(struct lane *lane, int budget)
{
	struct sk_buff *skb;
	int work = 0;

	while (work < budget && (skb = __skb_dequeue(&lane->queue))) {
		vti_herd_count(&lane->herd, VTI_CB(skb)->sa);
		work_on(lane, &lane->queue, skb);
		work++;
	}
	return work;
}

/* What was brought, at once: whoever brings it should not have to wait. */
static void take(struct lane *lane)
{
	spin_lock(&lane->lock);
	skb_queue_splice_tail_init(&lane->brought, &lane->taken);
	lane->bytes = 0;
	spin_unlock(&lane->lock);
}

static int work_guest(struct lane *lane, int budget)
{
	struct sk_buff *skb;
	int work = 0;

	while (work < budget) {
		skb = __skb_dequeue(&lane->taken);
		if (!skb) {
			take(lane);
			skb = __skb_dequeue(&lane->taken);
			if (!skb)
				break;
		}
		work_on(lane, &lane->taken, skb);
		work++;
	}
	return work;
}

/* With a guest, half of a poll is kept for it, and what it costs is timed. */
static int work_both(struct lane *lane, int budget)
{
	u64 start = local_clock(), begun, ended;
	int work = work_own(lane, budget / 2);

	begun = local_clock();
	work += work_guest(lane, budget - work);
	ended = local_clock();
	work += work_own(lane, budget - work);
	lane->time.guest += ended - begun;
	lane->time.own += local_clock() - start - (ended - begun);
	return work;
}

/*
 * The lane has nothing to do, and its GRO holds nothing. A guest that is not
 * worth it, or that has to leave, goes home now.
 */
static void rest(struct lane *lane)
{
	bool stays = vti_guest_may_stay(&lane->time, local_clock());

	spin_lock(&lane->lock);
	WRITE_ONCE(lane->awake, false);
	if (!skb_queue_empty(&lane->brought))
		wake(lane, smp_processor_id());
	else if ((!stays || !lane->open) && lane->guest && !vti_sa_pending(lane->guest))
		dismiss(lane);
	spin_unlock(&lane->lock);
}

/*
 * Somebody has most of this CPU: he may have another one's. GRO lets go of what
 * it holds when NAPI completes.
 */
static bool send_away(struct lane *lane, const struct vti_sa *elephant, int work)
{
	struct vti_sa *sa = (struct vti_sa *)elephant;
	int cpu = vti_herd_choose(&lane->herd);

	if (cpu < 0 || READ_ONCE(sa->lane) != VTI_LANE_HOME ||
	    vti_sa_pending(sa) != queued(lane, sa))
		return false;
	napi_complete_done(&lane->napi, work);
	move(sa, lane, cpu);
	if (!skb_queue_empty(&lane->queue))
		napi_schedule(&lane->napi);
	return true;
}

static int poll(struct napi_struct *napi, int budget)
{
	struct lane *lane = container_of(napi, struct lane, napi);
	bool guest = READ_ONCE(lane->guest) || READ_ONCE(lane->awake);
	const struct vti_sa *elephant;
	int work;

	rcu_read_lock();
	work = unlikely(guest) ? work_both(lane, budget) : work_own(lane, budget);
	WRITE_ONCE(lane->polls, lane->polls + 1);
	elephant = vti_herd_polled(&lane->herd, work >= budget);
	if (unlikely(elephant) && !guest && send_away(lane, elephant, work))
		work = min(work, budget - 1);
	else if (work < budget && napi_complete_done(napi, work) && unlikely(guest))
		rest(lane);
	rcu_read_unlock();
	return work;
}

static bool busy(const struct lane *lane)
{
	return test_bit(NAPI_STATE_SCHED, &lane->napi.state) ||
	       !skb_queue_empty_lockless(&lane->brought);
}

/**
 * vti_lane_drain() - wait until what is on the lanes now has been delivered
 *
 * Packets may wait in a lane's GRO lists from one poll to the next, but not
 * over two polls and a tick, and not in an idle lane. May sleep; whoever calls
 * has seen to it that no more of the packets in question are added.
 */
void vti_lane_drain(void)
{
	const unsigned int enough = 2 + 4 * LANE_PACKETS / NAPI_POLL_WEIGHT;
	int cpu;

	for_each_possible_cpu(cpu) {
		struct lane *lane = per_cpu_ptr(&lanes, cpu);
		unsigned int first = READ_ONCE(lane->polls);
		unsigned long start = jiffies;

		while (busy(lane) && (READ_ONCE(lane->polls) - first < enough ||
				      time_before(jiffies, start + 2)))
			usleep_range(500, 1000);
	}
}

static int come_online(unsigned int cpu)
{
	struct lane *lane = per_cpu_ptr(&lanes, cpu);

	spin_lock_bh(&lane->lock);
	WRITE_ONCE(lane->open, true);
	lane->shut = false;
	spin_unlock_bh(&lane->lock);
	return 0;
}

/*
 * On the CPU that will be gone. Its guest leaves as soon as its lane has nothing
 * to do; one that never stops is stopped.
 */
static int go_offline(unsigned int cpu)
{
	struct lane *lane = per_cpu_ptr(&lanes, cpu);
	bool occupied;
	int turn;

	for (turn = 0, occupied = true; occupied; turn++) {
		spin_lock_bh(&lane->lock);
		WRITE_ONCE(lane->open, false);
		lane->shut = turn > PATIENCE;
		if (lane->guest && !lane->awake && skb_queue_empty(&lane->brought) &&
		    !vti_sa_pending(lane->guest))
			dismiss(lane);
		occupied = lane->guest;
		spin_unlock_bh(&lane->lock);
		if (occupied)
			usleep_range(1000, 2000);
	}
	return 0;
}

static void lane_init(struct lane *lane)
{
	__skb_queue_head_init(&lane->queue);
	__skb_queue_head_init(&lane->taken);
	__skb_queue_head_init(&lane->brought);
	spin_lock_init(&lane->lock);
	lane->herd.candidate = -1;
	INIT_CSD(&lane->kick, kick, lane);
	/* A socket that polls busily would run a lane on its own CPU. */
	set_bit(NAPI_STATE_NO_BUSY_POLL, &lane->napi.state);
	netif_napi_add(dummy, &lane->napi, poll);
	napi_enable(&lane->napi);
}

static void lanes_stop(void)
{
	int cpu;

	/* Whoever was kicked has heard it. */
	kick_all_cpus_sync();
	for_each_possible_cpu(cpu) {
		struct lane *lane = per_cpu_ptr(&lanes, cpu);

		napi_disable(&lane->napi);
		netif_napi_del(&lane->napi);
		WARN_ON_ONCE(!skb_queue_empty(&lane->queue) || !skb_queue_empty(&lane->taken) ||
			     !skb_queue_empty(&lane->brought) || lane->guest);
	}
	vti_free_dummy(dummy);
}

int __init vti_lane_init(void)
{
	int cpu, err;

	vti_elephant_init();
	dummy = vti_alloc_dummy();
	if (!dummy)
		return -ENOMEM;
	for_each_possible_cpu(cpu)
		lane_init(per_cpu_ptr(&lanes, cpu));
	err = cpuhp_setup_state(CPUHP_AP_ONLINE_DYN, "net/ipsecvti:online", come_online,
				go_offline);
	if (err < 0) {
		lanes_stop();
		return err;
	}
	hotplug_state = err;
	return 0;
}

/* All SAs are gone, and each packet held one: the lanes are empty. */
void vti_lane_exit(void)
{
	cpuhp_remove_state_nocalls(hotplug_state);
	lanes_stop();
}
