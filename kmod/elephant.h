/* SPDX-License-Identifier: GPL-2.0 */
/*
 * When an SA becomes the guest of another CPU's lane, of whose, and when it
 * goes home.
 */
#ifndef _IPSECVTI_ELEPHANT_H
#define _IPSECVTI_ELEPHANT_H

#include <linux/compiler.h>
#include <linux/init.h>
#include <linux/types.h>

struct vti_sa;

/**
 * struct vti_herd - what one CPU sees of its SAs
 * @sa: who seems to have most of the packets, see vti_herd_count()
 * @votes: how sure that is
 * @last: the one of the poll before
 * @full: polls in a row that found as much as they may do, most of it @last's
 * @candidate: CPU that may be idle enough for a guest; negative for none
 * @idle: its idle time when @looked, in microseconds
 * @looked: when, in nanoseconds
 */
struct vti_herd {
	const struct vti_sa *sa;
	const struct vti_sa *last;
	unsigned int votes;
	unsigned int full;
	int candidate;
	u64 idle;
	u64 looked;
};

/**
 * struct vti_guest_time - what a lane spends on its guest and on its own
 * @since: beginning of the time that is looked at, in nanoseconds
 * @guest: nanoseconds spent on the guest since then
 * @own: on the lane's own packets
 */
struct vti_guest_time {
	u64 since;
	u64 guest;
	u64 own;
};

/**
 * vti_herd_count() - one more packet of an SA
 * @herd: this CPU's
 * @sa: its SA
 *
 * Whoever has more than half of the packets of a poll is @herd->sa after it.
 */
static inline void vti_herd_count(struct vti_herd *herd, const struct vti_sa *sa)
{
	if (likely(herd->sa == sa)) {
		herd->votes++;
	} else if (!herd->votes) {
		herd->sa = sa;
		herd->votes = 1;
	} else {
		herd->votes--;
	}
}

const struct vti_sa *vti_herd_polled(struct vti_herd *herd, bool full);
int vti_herd_choose(struct vti_herd *herd);
bool vti_guest_may_stay(struct vti_guest_time *time, u64 now);
bool vti_elephant_bulky(unsigned int segments);
void vti_elephant_sent(struct vti_sa *sa, u64 begun);

void vti_elephant_init(void);

#endif
