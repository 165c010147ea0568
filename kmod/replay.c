// SPDX-License-Identifier: GPL-2.0
#include "replay.h"

#include <linux/log2.h>
#include <linux/string.h>

#define BLOCK_SHIFT 5
#define BLOCK_MASK ((1U << BLOCK_SHIFT) - 1)

static u32 ring_words(u32 window)
{
	/* One more than it spans, so that its oldest and newest block never share a word. */
	return roundup_pow_of_two((window >> BLOCK_SHIFT) + 2);
}

/**
 * vti_replay_size() - bytes that a window takes
 * @window: packets, VTI_WINDOW_MIN to VTI_WINDOW_MAX
 */
size_t vti_replay_size(u32 window)
{
	return sizeof(struct vti_replay) + ring_words(window) * sizeof(atomic64_t);
}

/**
 * vti_replay_init() - an empty window
 * @replay: memory of vti_replay_size(@window) bytes
 * @window: packets
 * @esn: extended sequence numbers
 */
void vti_replay_init(struct vti_replay *replay, u32 window, bool esn)
{
	memset(replay, 0, vti_replay_size(window));
	replay->window = window;
	replay->mask = ring_words(window) - 1;
	replay->esn = esn;
}

/**
 * vti_replay_infer() - the full number behind the 32 bits of a packet
 * @replay: the window; only @replay->top is read
 * @low: as the packet has it
 * @seq: the full number, if there is one
 *
 * RFC 4303 A2.2: of all numbers with these lower bits, the one that is in the
 * window or, failing that, the next one to its right.
 *
 * Return: false if the number would lie before the first one.
 */
bool vti_replay_infer(const struct vti_replay *replay, u32 low, u64 *seq)
{
	u64 top = atomic64_read(&replay->top);
	u32 top_low = (u32)top, high = top >> 32;
	u32 bottom = top_low - replay->window + 1;

	if (!replay->esn) {
		*seq = low;
		return true;
	}
	if (top_low >= replay->window - 1) {	/* the window lies in one subspace */
		if (low < bottom)
			high++;
	} else if (low >= bottom) {		/* it spans two, and this is in the lower */
		if (!high)
			return false;
		high--;
	}
	*seq = (u64)high << 32 | low;
	return true;
}

static bool too_old(const struct vti_replay *replay, u64 seq)
{
	u64 top = atomic64_read(&replay->top);

	return !seq || (seq < top && top - seq >= replay->window);
}

/**
 * vti_replay_check() - would this number be accepted?
 * @replay: the window, which is not written
 * @seq: full number
 *
 * Saves the cipher a packet that vti_replay_commit() would refuse. An OK is
 * worth nothing until then.
 */
enum vti_replay_verdict vti_replay_check(const struct vti_replay *replay, u64 seq)
{
	u32 block = seq >> BLOCK_SHIFT;
	u64 word;
	s32 ahead;

	if (too_old(replay, seq))
		return VTI_REPLAY_OLD;
	word = atomic64_read(&replay->words[block & replay->mask]);
	ahead = block - (u32)(word >> 32);
	if (ahead < 0)
		return VTI_REPLAY_OLD;
	if (!ahead && word & BIT_ULL(seq & BLOCK_MASK))
		return VTI_REPLAY_SEEN;
	return VTI_REPLAY_OK;
}

/**
 * vti_replay_commit() - accept a number, once
 * @replay: the window
 * @seq: the full number that was authenticated
 *
 * Any context, any number of CPUs at once.
 *
 * Return: VTI_REPLAY_OK for exactly one caller for each number.
 */
enum vti_replay_verdict vti_replay_commit(struct vti_replay *replay, u64 seq)
{
	u64 bit = BIT_ULL(seq & BLOCK_MASK);
	u32 block = seq >> BLOCK_SHIFT;
	atomic64_t *slot = &replay->words[block & replay->mask];
	s64 word = atomic64_read(slot), want;
	s64 top;
	s32 ahead;

	if (too_old(replay, seq))
		return VTI_REPLAY_OLD;
	do {
		ahead = block - (u32)((u64)word >> 32);
		if (ahead < 0)
			return VTI_REPLAY_OLD;
		if (!ahead && word & bit)
			return VTI_REPLAY_SEEN;
		want = ahead ? (s64)((u64)block << 32 | bit) : (s64)(word | bit);
	} while (!atomic64_try_cmpxchg(slot, &word, want));

	top = atomic64_read(&replay->top);
	while ((u64)top < seq && !atomic64_try_cmpxchg(&replay->top, &top, seq))
		;
	return VTI_REPLAY_OK;
}
