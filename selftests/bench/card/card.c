// SPDX-License-Identifier: GPL-2.0
/*
 * Network cards without a network: packets come in at one as from a wire, by
 * NAPI and in memory as a driver has it, and are counted when they leave by
 * another.
 *
 *	ip link add NAME type card
 *
 * Everything else is a parameter in /sys/module/card/parameters. Writing to
 * "run" does a run, "result" tells of it.
 *
 * pktgen does not do for counting instructions: its control thread looks every
 * 100 ms whether a run has ended, its packets come one by one, and a pace is
 * kept by spinning, on the processor that is to be measured.
 */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/etherdevice.h>
#include <linux/hrtimer.h>
#include <linux/ip.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/tick.h>
#include <linux/timekeeping.h>
#include <linux/udp.h>
#include <net/ip.h>
#include <net/page_pool/helpers.h>
#include <net/rtnetlink.h>

#include "mark.h"

#define BUFFER 2048
#define RING 512		/* packets that wait for a driver that is late */
#define TICK_NS (NSEC_PER_MSEC / 2)
#define RECORDED_MAX 8192
#define SOURCE_IP 0xc6120801	/* 198.18.8.1 */
#define FIRST_IP 0xc6130000	/* 198.19.0.0 */

static char source[IFNAMSIZ] = "source";
module_param_string(source, source, sizeof(source), 0644);
MODULE_PARM_DESC(source, "card that packets come in at");

static unsigned int size = 128;
module_param(size, uint, 0644);
MODULE_PARM_DESC(size, "bytes of a frame without FCS; 0 is IMIX, 7 x 64, 4 x 570, 1 x 1420");

static unsigned int flows = 1;
module_param(flows, uint, 0644);
MODULE_PARM_DESC(flows, "destinations, from 198.19.0.0 on, by turns");

static unsigned int count;
module_param(count, uint, 0644);
MODULE_PARM_DESC(count, "packets, of which no more than window are on their way; 0 is a run by rate");

static unsigned int window = 256;
module_param(window, uint, 0644);
MODULE_PARM_DESC(window, "see count; 0 is for packets of which none arrives");

static unsigned int rate = 1000;
module_param(rate, uint, 0644);
MODULE_PARM_DESC(rate, "packets a second");

static unsigned int ms = 500;
module_param(ms, uint, 0644);
MODULE_PARM_DESC(ms, "how long, at that rate");

static unsigned int queues = 1;
module_param(queues, uint, 0644);
MODULE_PARM_DESC(queues, "processors that packets come in at, a bit mask");

static unsigned int record;
static int set_record(const char *value, const struct kernel_param *kp);
static const struct kernel_param_ops record_ops = { .set = set_record, .get = param_get_uint };
module_param_cb(record, &record_ops, &record, 0644);
MODULE_PARM_DESC(record, "how many of the frames that leave are to be kept; 0 forgets those kept");

static unsigned int replay;
module_param(replay, uint, 0644);
MODULE_PARM_DESC(replay, "1: what comes in are the frames kept; 2: with a wrong ICV; 3: of no protocol");

static char result[256];
module_param_string(result, result, sizeof(result), 0444);
MODULE_PARM_DESC(result, "of the last run");

struct card;

/* A card's part on one processor. */
struct queue {
	struct napi_struct napi;
	struct hrtimer timer;
	struct page_pool *pool;
	struct card *card;
	u64 due;		/* packets that should have come until now */
	u64 sent;		/* and have */
	u64 missed;		/* and were lost because nobody took them */
	unsigned int idle_polls;
};

struct card {
	struct net_device *dev;
	struct list_head list;
	struct queue __percpu *queues;
};

struct frame {
	unsigned int len;
	u8 data[] __counted_by(len);
};

static LIST_HEAD(cards);	/* under RTNL */
static DEFINE_MUTEX(run_lock);
static DECLARE_COMPLETION(done);
static struct frame *recorded[RECORDED_MAX];
static atomic_t n_recorded;
static DEFINE_PER_CPU(u64, delivered);

/* The run that goes on. */
static struct {
	unsigned int n_queues;
	u64 rate;		/* of each queue */
	ktime_t start, end;
	bool running, stalled;
	struct queue *queue;	/* the only one of a counted run */
	u64 first_cycle, last_cycle;
} run;

static u64 total_delivered(void)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu(delivered, cpu));
	return sum;
}

static unsigned int frame_size(u64 number)
{
	static const u16 imix[] = { 64, 570, 64, 64, 570, 64, 1420, 64, 570, 64, 64, 570 };

	return size ?: imix[number % ARRAY_SIZE(imix)];
}

static void write_frame(struct sk_buff *skb, const struct net_device *dev, u64 number)
{
	unsigned int len = frame_size(number);
	struct ethhdr *eth = skb_put(skb, len);
	struct iphdr *iph = (struct iphdr *)(eth + 1);
	struct udphdr *uh = (struct udphdr *)(iph + 1);

	ether_addr_copy(eth->h_dest, dev->dev_addr);
	eth_zero_addr(eth->h_source);
	eth->h_proto = htons(ETH_P_IP);
	len -= sizeof(*eth);
	*iph = (struct iphdr) {
		.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP,
		.tot_len = htons(len), .saddr = htonl(SOURCE_IP),
		.daddr = htonl(FIRST_IP + (u32)number % flows),
	};
	ip_send_check(iph);
	*uh = (struct udphdr) {
		.source = htons(9), .dest = htons(9), .len = htons(len - sizeof(*iph)),
	};
}

static void write_recorded(struct sk_buff *skb, const struct net_device *dev, u64 number)
{
	const struct frame *frame = recorded[number % (unsigned int)atomic_read(&n_recorded)];
	u8 *data = skb_put_data(skb, frame->data, frame->len);

	ether_addr_copy(data, dev->dev_addr);
	if (replay == 2)
		data[frame->len - 1] ^= 1;
	else if (replay == 3)
		((struct ethhdr *)data)->h_proto = htons(0xffff);
}

/* One packet comes in. */
static void receive_one(struct queue *q, u64 number)
{
	struct net_device *dev = q->card->dev;
	unsigned int room = BUFFER;
	struct sk_buff *skb;
	void *buffer;

	buffer = page_pool_dev_alloc_va(q->pool, &room);
	if (!buffer) {
		q->missed++;
		return;
	}
	skb = napi_build_skb(buffer, room);
	if (!skb) {
		page_pool_put_full_page(q->pool, virt_to_head_page(buffer), true);
		q->missed++;
		return;
	}
	skb_mark_for_recycle(skb);
	skb_reserve(skb, NET_SKB_PAD + NET_IP_ALIGN);
	if (replay)
		write_recorded(skb, dev, number);
	else
		write_frame(skb, dev, number);
	skb->protocol = eth_type_trans(skb, dev);
	napi_gro_receive(&q->napi, skb);
}

static void finished(void)
{
	run.last_cycle = get_cycles();
	mark_end();
	WRITE_ONCE(run.running, false);
	complete(&done);
}

static bool counted_due(struct queue *q)
{
	if (q->sent >= count)
		return false;
	if (!window || q->sent - total_delivered() < window)
		return true;
	run.stalled = true;
	return false;
}

static int poll(struct napi_struct *napi, int budget)
{
	struct queue *q = container_of(napi, struct queue, napi);
	int n = 0;

	while (n < budget && READ_ONCE(run.running) &&
	       (count ? counted_due(q) : q->sent + q->missed < READ_ONCE(q->due))) {
		receive_one(q, q->sent++ * run.n_queues + smp_processor_id());
		n++;
	}
	/* Where nothing arrives, a few more rounds tell that all others have had theirs. */
	if (count && !window && !n && READ_ONCE(run.running)) {
		if (++q->idle_polls < 8)
			return budget;
		finished();
	}
	if (n < budget)
		napi_complete_done(napi, n);
	return n;
}

/* A card raises its interrupt; what has not been taken in time is lost. */
static enum hrtimer_restart tick(struct hrtimer *timer)
{
	struct queue *q = container_of(timer, struct queue, timer);
	ktime_t now = ktime_get();
	u64 due;

	if (ktime_after(now, run.end))
		now = run.end;
	due = mul_u64_u64_div_u64(ktime_to_ns(ktime_sub(now, run.start)), run.rate, NSEC_PER_SEC);
	if (due - q->sent - q->missed > RING)
		q->missed = due - q->sent - RING;
	WRITE_ONCE(q->due, due);
	napi_schedule(&q->napi);
	if (now == run.end)
		return HRTIMER_NORESTART;
	hrtimer_forward_now(timer, TICK_NS);
	return HRTIMER_RESTART;
}

static void start_timer(void *info)
{
	struct queue *q = this_cpu_ptr(((struct card *)info)->queues);

	hrtimer_start(&q->timer, ktime_add_ns(run.start, TICK_NS), HRTIMER_MODE_ABS_PINNED_HARD);
}

static void keep(const struct sk_buff *skb)
{
	struct frame *frame = kmalloc(sizeof(*frame) + skb->len, GFP_ATOMIC);
	int n;

	if (!frame)
		return;
	frame->len = skb->len;
	skb_copy_bits(skb, 0, frame->data, skb->len);
	n = atomic_inc_return(&n_recorded) - 1;
	if (n < min_t(unsigned int, record, RECORDED_MAX)) {
		recorded[n] = frame;
		return;
	}
	atomic_dec(&n_recorded);
	kfree(frame);
}

static netdev_tx_t card_xmit(struct sk_buff *skb, struct net_device *dev)
{
	u64 n;

	if (unlikely(record))
		keep(skb);
	dev_consume_skb_any(skb);
	/* Neighbours and the like say something, too. */
	if (!READ_ONCE(run.running) && !READ_ONCE(run.rate))
		return NETDEV_TX_OK;
	n = this_cpu_inc_return(delivered);
	if (!count || !READ_ONCE(run.running))
		return NETDEV_TX_OK;
	if (n == count) {
		finished();
	} else if (run.stalled) {
		run.stalled = false;
		napi_schedule(&run.queue->napi);
	}
	return NETDEV_TX_OK;
}

static struct card *find_source(void)
{
	struct card *card;

	list_for_each_entry(card, &cards, list)
		if (sysfs_streq(card->dev->name, source) && netif_running(card->dev))
			return card;
	return NULL;
}

static void reset(struct card *card)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		struct queue *q = per_cpu_ptr(card->queues, cpu);

		q->due = 0;
		q->sent = 0;
		q->missed = 0;
		q->idle_polls = 0;
		per_cpu(delivered, cpu) = 0;
	}
	reinit_completion(&done);
}

/* On one processor, packet after packet: what does one cost? */
static int run_counted(struct card *card)
{
	u64 idle, now, before = 0;
	int cpu;

	preempt_disable();
	cpu = smp_processor_id();
	run.queue = this_cpu_ptr(card->queues);
	idle = get_cpu_idle_time_us(cpu, NULL);
	local_bh_disable();
	mark_begin();
	run.first_cycle = get_cycles();
	WRITE_ONCE(run.running, true);
	napi_schedule(&run.queue->napi);
	local_bh_enable();
	preempt_enable();
	while (!wait_for_completion_timeout(&done, 2 * HZ)) {
		now = total_delivered();
		if (now == before)
			break;
		before = now;
	}
	WRITE_ONCE(run.running, false);
	snprintf(result, sizeof(result), "sent=%llu delivered=%llu cycles=%llu idle_us=%llu\n",
		 run.queue->sent, total_delivered(), run.last_cycle - run.first_cycle,
		 get_cpu_idle_time_us(cpu, NULL) - idle);
	return 0;
}

/* A steady rate, for some time: what is lost? */
static int run_rated(struct card *card)
{
	u64 due = 0, sent = 0, missed = 0, before = U64_MAX, now, in_time;
	int cpu, still = 0;

	run.rate = max(1U, rate / run.n_queues);
	run.start = ktime_get();
	run.end = ktime_add_ms(run.start, ms);
	WRITE_ONCE(run.running, true);
	for_each_online_cpu(cpu)
		if (queues & BIT(cpu))
			smp_call_function_single(cpu, start_timer, card, true);
	/* What comes later was in a queue that would have grown as long as this went on. */
	msleep(ms + 20);
	in_time = total_delivered();
	/* The last ones are on their way until nothing has moved for a while. */
	while (still < 10) {
		msleep(20);
		now = total_delivered();
		still = now == before ? still + 1 : 0;
		before = now;
	}
	for_each_online_cpu(cpu) {
		const struct queue *q = per_cpu_ptr(card->queues, cpu);

		due += q->due;
		sent += q->sent;
		missed += q->missed;
	}
	WRITE_ONCE(run.running, false);
	WRITE_ONCE(run.rate, 0);
	snprintf(result, sizeof(result),
		 "due=%llu sent=%llu missed=%llu delivered=%llu in_time=%llu\n", due, sent, missed,
		 total_delivered(), in_time);
	return 0;
}

static int do_run(const char *value, const struct kernel_param *kp)
{
	struct card *card;
	int err = -ENODEV;

	if ((!size && count) || (size && (size < 64 || size > ETH_FRAME_LEN)) || !flows ||
	    (replay && !atomic_read(&n_recorded)) || !(queues & GENMASK(nr_cpu_ids - 1, 0)))
		return -EINVAL;
	mutex_lock(&run_lock);
	rtnl_lock();
	card = find_source();
	if (card)
		dev_hold(card->dev);
	rtnl_unlock();
	if (card) {
		reset(card);
		run.n_queues = count ? 1 : hweight32(queues);
		err = count ? run_counted(card) : run_rated(card);
		dev_put(card->dev);
	}
	mutex_unlock(&run_lock);
	return err;
}

static const struct kernel_param_ops run_ops = { .set = do_run };
module_param_cb(run, &run_ops, NULL, 0200);
MODULE_PARM_DESC(run, "writing anything does a run");

static void forget(void)
{
	int n;

	for (n = atomic_xchg(&n_recorded, 0); n; n--)
		kfree(recorded[n - 1]);
}

static int set_record(const char *value, const struct kernel_param *kp)
{
	int err = param_set_uint(value, kp);

	if (!err && !record)
		forget();
	return err;
}

static int card_open(struct net_device *dev)
{
	struct card *card = netdev_priv(dev);
	int cpu;

	for_each_possible_cpu(cpu)
		napi_enable(&per_cpu_ptr(card->queues, cpu)->napi);
	return 0;
}

static int card_stop(struct net_device *dev)
{
	struct card *card = netdev_priv(dev);
	int cpu;

	for_each_possible_cpu(cpu) {
		struct queue *q = per_cpu_ptr(card->queues, cpu);

		hrtimer_cancel(&q->timer);
		napi_disable(&q->napi);
	}
	return 0;
}

static void card_uninit(struct net_device *dev)
{
	struct card *card = netdev_priv(dev);
	int cpu;

	for_each_possible_cpu(cpu) {
		struct queue *q = per_cpu_ptr(card->queues, cpu);

		netif_napi_del(&q->napi);
		page_pool_destroy(q->pool);
	}
	list_del_init(&card->list);
}

static void card_free(struct net_device *dev)
{
	struct card *card = netdev_priv(dev);

	free_percpu(card->queues);
}

static int queue_init(struct card *card, struct queue *q)
{
	struct page_pool_params params = {
		.pool_size = 2 * RING,
		.nid = NUMA_NO_NODE,
		.napi = &q->napi,
		.netdev = card->dev,
	};

	q->card = card;
	netif_napi_add(card->dev, &q->napi, poll);
#ifdef CARD_HAVE_HRTIMER_SETUP
	hrtimer_setup(&q->timer, tick, CLOCK_MONOTONIC, HRTIMER_MODE_ABS_PINNED_HARD);
#else
	hrtimer_init(&q->timer, CLOCK_MONOTONIC, HRTIMER_MODE_ABS_PINNED_HARD);
	q->timer.function = tick;
#endif
	q->pool = page_pool_create(&params);
	return PTR_ERR_OR_ZERO(q->pool);
}

static int card_init(struct net_device *dev)
{
	struct card *card = netdev_priv(dev);
	int cpu, err = 0;

	card->dev = dev;
	card->queues = alloc_percpu(struct queue);
	if (!card->queues)
		return -ENOMEM;
	for_each_possible_cpu(cpu)
		err = queue_init(card, per_cpu_ptr(card->queues, cpu)) ?: err;
	/* A machine that has no memory for this has none for a benchmark. */
	WARN_ON(err);
	list_add(&card->list, &cards);
	return err;
}

static const struct net_device_ops card_ops = {
	.ndo_init = card_init,
	.ndo_uninit = card_uninit,
	.ndo_open = card_open,
	.ndo_stop = card_stop,
	.ndo_start_xmit = card_xmit,
};

static void card_setup(struct net_device *dev)
{
	ether_setup(dev);
	dev->netdev_ops = &card_ops;
	dev->needs_free_netdev = true;
	dev->priv_destructor = card_free;
	dev->flags |= IFF_NOARP;
	dev->flags &= ~IFF_MULTICAST;
	dev->priv_flags |= IFF_NO_QUEUE;
	dev->lltx = true;
	eth_hw_addr_random(dev);
}

static struct rtnl_link_ops card_link_ops __read_mostly = {
	.kind = "card",
	.priv_size = sizeof(struct card),
	.setup = card_setup,
};

static int __init card_module_init(void)
{
	return rtnl_link_register(&card_link_ops);
}

static void __exit card_module_exit(void)
{
	rtnl_link_unregister(&card_link_ops);
	forget();
}

module_init(card_module_init);
module_exit(card_module_exit);

MODULE_DESCRIPTION("Network cards without a network, for measuring");
MODULE_AUTHOR("The ipsecvti authors");
MODULE_LICENSE("GPL");
MODULE_ALIAS_RTNL_LINK("card");
