// SPDX-License-Identifier: GPL-2.0
#include "elephant.h"

#include <linux/cpumask.h>
#include <linux/kernel_stat.h>
#include <linux/math64.h>
#include <linux/moduleparam.h>
#include <linux/netdevice.h>
#include <linux/random.h>
#include <linux/sched/clock.h>
#include <linux/sched/isolation.h>
#include <linux/tick.h>
#include <linux/topology.h>

#include "lane.h"
#include "sa.h"

/* A train of so many segments is bulk; what is shorter is not worth a look at the clock. */
#define BULK_SEGMENTS 16
/* So many full polls in a row, of 64 packets each, are no burst. */
#define FULL_POLLS 16
/* How long a CPU is looked at before it is called idle, and an SA before it is an elephant. */
#define LOOK (10 * NSEC_PER_MSEC)
#define LOOK_GUEST (100 * NSEC_PER_MSEC)

/*
 * The CPUs whose lanes may have guests. At first all that do the system's
 * housekeeping; an empty list leaves every SA where it is.
 */
static struct cpumask hosts;
static bool hosts_given;

static int set_hosts(const char *text, const struct kernel_param *param)
{
	cpumask_var_t mask;
	int err;

	if (!alloc_cpumask_var(&mask, GFP_KERNEL))
		return -ENOMEM;
	err = cpulist_parse(text, mask);
	if (!err)
		cpumask_copy(&hosts, mask);
	hosts_given |= !err;
	free_cpumask_var(mask);
	return err;
}

static int get_hosts(char *text, const struct kernel_param *param)
{
	return cpumap_print_to_pagebuf(true, text, &hosts);
}

static const struct kernel_param_ops hosts_ops = { .set = set_hosts, .get = get_hosts };
module_param_cb(lanes, &hosts_ops, NULL, 0644);
MODULE_PARM_DESC(lanes, "CPUs that may relieve another one of its busiest SA, a list; none: never");

/*
 * In test builds SAs may move without a reason, and at once: order is kept, and
 * nothing is left behind, however often that happens.
 */
#ifdef CONFIG_IPSECVTI_TEST_SUITES
static unsigned int restless;
module_param(restless, uint, 0644);
MODULE_PARM_DESC(restless, "SAs move at one of so many occasions, for tests; 0: never");
#else
static const unsigned int restless;
#endif

static bool on_a_whim(void)
{
	unsigned int odds = READ_ONCE(restless);

	return unlikely(odds) && !(get_random_u32() % odds);
}

/**
 * vti_elephant_bulky() - is a packet worth a look at the clock?
 * @segments: of its train
 */
bool vti_elephant_bulky(unsigned int segments)
{
	return segments >= BULK_SEGMENTS || unlikely(READ_ONCE(restless));
}

static u64 idle_time(int cpu)
{
	u64 idle = get_cpu_idle_time_us(cpu, NULL);

	/* Nobody counts where the tick never stops. */
	return idle != -1ULL ? idle : div_u64(kcpustat_cpu(cpu).cpustat[CPUTIME_IDLE],
					      NSEC_PER_USEC);
}

/* The next one that may have guests, near in memory. */
static int next_host(int after)
{
	const struct cpumask *near = cpumask_of_node(numa_node_id());
	int cpu = after, turn;

	for (turn = 0; turn < nr_cpu_ids; turn++) {
		cpu = cpumask_next(cpu, &hosts);
		if (cpu >= nr_cpu_ids)
			cpu = cpumask_first(&hosts);
		if (cpu >= nr_cpu_ids)
			break;
		if (cpu != smp_processor_id() && cpu_online(cpu) && cpumask_test_cpu(cpu, near) &&
		    vti_lane_free(cpu))
			return cpu;
	}
	return -1;
}

/**
 * vti_herd_choose() - who could relieve this CPU?
 * @herd: this CPU's
 *
 * BH disabled. One CPU at a time is looked at for a while; whoever was idle for
 * most of it is the one.
 *
 * Return: a CPU; negative if none is known yet.
 */
int vti_herd_choose(struct vti_herd *herd)
{
	u64 now = local_clock(), time = now - herd->looked;
	int cpu = herd->candidate;

	if (on_a_whim())
		return next_host(cpu);
	if (cpu >= 0 && time < LOOK)
		return -1;
	if (cpu >= 0 && time < 10 * LOOK && vti_lane_free(cpu) &&
	    (idle_time(cpu) - herd->idle) * NSEC_PER_USEC * 4 > time * 3) {
		herd->candidate = -1;
		return cpu;
	}
	herd->candidate = next_host(cpu);
	herd->looked = now;
	if (herd->candidate >= 0)
		herd->idle = idle_time(herd->candidate);
	return -1;
}

/**
 * vti_herd_polled() - a poll is over
 * @herd: this CPU's
 * @full: it found as much as it may do
 *
 * Return: the SA that has had most of this CPU for long; NULL if none has.
 */
const struct vti_sa *vti_herd_polled(struct vti_herd *herd, bool full)
{
	const struct vti_sa *sa = herd->votes >= NAPI_POLL_WEIGHT / 4 ? herd->sa : NULL;
	const struct vti_sa *any = herd->sa;

	if (likely(!full || !sa || sa != herd->last))
		herd->full = 0;
	herd->last = sa;
	herd->sa = NULL;
	herd->votes = 0;
	if (full && ++herd->full > FULL_POLLS)
		return sa;
	return on_a_whim() ? any : NULL;
}

/**
 * vti_elephant_sent() - a train was sent by an SA that is at home
 * @sa: SA
 * @begun: local_clock() before it
 *
 * BH disabled. Whoever needs more than half of this CPU for sending is moved to
 * another one.
 */
void vti_elephant_sent(struct vti_sa *sa, u64 begun)
{
	struct vti_pcpu_stats *stats = this_cpu_ptr(sa->stats);
	u64 now = local_clock(), time = now - stats->since;
	bool elephant;

	stats->busy += now - begun;
	elephant = on_a_whim();
	if (likely(time < LOOK && !elephant))
		return;
	elephant |= stats->busy > time / 2;
	stats->busy = 0;
	stats->since = now;
	if (elephant && READ_ONCE(sa->lane) == VTI_LANE_HOME)
		vti_lane_relieve(sa);
}

/**
 * vti_guest_may_stay() - is a guest worth what it costs?
 * @time: of its lane
 * @now: local_clock()
 *
 * It goes home when it needs less than a fifth of the CPU, or others need more
 * than a third.
 */
bool vti_guest_may_stay(struct vti_guest_time *time, u64 now)
{
	u64 passed = now - time->since;
	bool stays;

	if (on_a_whim())
		return false;
	if (passed < LOOK_GUEST)
		return true;
	stays = passed > 10 * LOOK_GUEST || (time->guest * 5 >= passed && time->own * 3 <= passed);
	*time = (struct vti_guest_time) { .since = now };
	return stays;
}

void __init vti_elephant_init(void)
{
	if (!hosts_given)
		cpumask_copy(&hosts, housekeeping_cpumask(HK_TYPE_DOMAIN));
}
