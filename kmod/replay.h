/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The anti-replay window (RFC 4303 3.4.3) and the inference of extended
 * sequence numbers (RFC 4303 appendix A2): pure, lockless, and free of
 * anything but integers and atomics, so that it also builds in user space.
 *
 * The window is a ring of tagged words. A word holds a block number in its
 * upper half and the bitmap of that block's 32 sequence numbers in its lower
 * half, so that one compare-and-swap both claims a number and, when the word
 * still belongs to an older block, clears it. There is no moment at which a
 * word says something about the wrong block: any number of CPUs may commit to
 * one window, and each number is accepted exactly once.
 */
#ifndef _IPSECVTI_REPLAY_H
#define _IPSECVTI_REPLAY_H

#include <linux/atomic.h>
#include <linux/types.h>

/**
 * enum vti_replay_verdict - what the window says about a sequence number
 * @VTI_REPLAY_OK: not seen, and not too old
 * @VTI_REPLAY_SEEN: accepted before
 * @VTI_REPLAY_OLD: left of the window, or never valid
 */
enum vti_replay_verdict {
	VTI_REPLAY_OK,
	VTI_REPLAY_SEEN,
	VTI_REPLAY_OLD,
};

/**
 * struct vti_replay - the state of one inbound SA
 * @top: highest number that was committed; 0 at first
 * @window: how many numbers up to and including @top may still come
 * @mask: number of words - 1; a power of two of at least window / 32 + 1 words
 * @esn: numbers are 64 bits wide, of which the packet carries the lower 32
 * @words: block number << 32 | bitmap
 */
struct vti_replay {
	atomic64_t top;
	u32 window;
	u32 mask;
	bool esn;
	atomic64_t words[];
};

size_t vti_replay_size(u32 window);
void vti_replay_init(struct vti_replay *replay, u32 window, bool esn);
bool vti_replay_infer(const struct vti_replay *replay, u32 low, u64 *seq);
enum vti_replay_verdict vti_replay_check(const struct vti_replay *replay, u64 seq);
enum vti_replay_verdict vti_replay_commit(struct vti_replay *replay, u64 seq);

#endif
