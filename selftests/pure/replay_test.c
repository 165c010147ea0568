// SPDX-License-Identifier: GPL-2.0
/*
 * The replay window's whole behaviour: a table of numbered steps that every
 * window size runs, tables for the inference of extended numbers and for what
 * a receiver makes of the 32 bits in a packet, random steps against a plain
 * set, and threads that commit the same numbers.
 *
 *	replay_test		everything but the threads
 *	replay_test stress	threads, a window's numbers at a time
 *	replay_test slide	threads, while the window moves on
 */
#include "replay.h"
#include "tap.h"

#include <pthread.h>
#include <stdlib.h>

static const u32 windows[] = { 32, 33, 63, 64, 100, 1000, 1024, 4096, 65535, 65536 };

#define N_WINDOWS (sizeof(windows) / sizeof(*windows))
#define TWO_32 (1ULL << 32)

static const char *const verdicts[] = { "ok", "seen", "old" };

static struct vti_replay *new_window(u32 window, bool esn)
{
	/* Exactly as large as the module's, so that the sanitizer sees one step too far. */
	struct vti_replay *replay = malloc(vti_replay_size(window));

	if (!replay)
		abort();
	vti_replay_init(replay, window, esn);
	return replay;
}

/* Moves top there, in hops that an authenticated sender could make. */
static void advance(struct vti_replay *replay, u64 top)
{
	u64 now = atomic64_read(&replay->top);

	while (now < top) {
		now = top - now > TWO_32 - 1 ? now + TWO_32 - 1 : top;
		vti_replay_commit(replay, now);
	}
}

/* Pre-check and commit agree, and the pre-check leaves every byte alone. */
static enum vti_replay_verdict step(struct vti_replay *replay, u64 seq, bool *agree)
{
	size_t size = vti_replay_size(replay->window);
	enum vti_replay_verdict check, commit;
	void *before = malloc(size);

	if (!before)
		abort();
	memcpy(before, replay, size);
	check = vti_replay_check(replay, seq);
	*agree = !memcmp(before, replay, size);
	free(before);
	commit = vti_replay_commit(replay, seq);
	*agree = *agree && check == commit;
	return commit;
}

/* The number is windows * W + plus, W being the window; steps follow one another. */
static const struct {
	int windows, plus;
	enum vti_replay_verdict verdict;
} steps[] = {
	/*  1 */ { 0, 0, VTI_REPLAY_OLD },	/* never sent */
	/*  2 */ { 0, 1, VTI_REPLAY_OK },
	/*  3 */ { 0, 1, VTI_REPLAY_SEEN },
	/*  4 */ { 0, 9, VTI_REPLAY_OK },
	/*  5 */ { 0, 8, VTI_REPLAY_OK },	/* out of order */
	/*  6 */ { 0, 7, VTI_REPLAY_OK },
	/*  7 */ { 0, 7, VTI_REPLAY_SEEN },
	/*  8 */ { 0, 9, VTI_REPLAY_SEEN },	/* the top itself */
	/*  9 */ { 0, 0, VTI_REPLAY_OLD },
	/* 10 */ { 1, 0, VTI_REPLAY_OK },	/* window 1 ... W */
	/* 11 */ { 0, 1, VTI_REPLAY_SEEN },
	/* 12 */ { 0, 2, VTI_REPLAY_OK },
	/* 13 */ { 1, 1, VTI_REPLAY_OK },	/* window 2 ... W + 1 */
	/* 14 */ { 0, 1, VTI_REPLAY_OLD },
	/* 15 */ { 0, 2, VTI_REPLAY_SEEN },
	/* 16 */ { 0, 3, VTI_REPLAY_OK },
	/* 17 */ { 2, 0, VTI_REPLAY_OK },	/* a jump by W - 1: window W + 1 ... 2W */
	/* 18 */ { 1, 1, VTI_REPLAY_SEEN },
	/* 19 */ { 1, 0, VTI_REPLAY_OLD },
	/* 20 */ { 1, 2, VTI_REPLAY_OK },
	/* 21 */ { 3, 0, VTI_REPLAY_OK },	/* by W: nothing of the old window is left */
	/* 22 */ { 2, 0, VTI_REPLAY_OLD },
	/* 23 */ { 2, 1, VTI_REPLAY_OK },
	/* 24 */ { 4, 1, VTI_REPLAY_OK },	/* by W + 1 */
	/* 25 */ { 3, 1, VTI_REPLAY_OLD },
	/* 26 */ { 3, 2, VTI_REPLAY_OK },
	/* 27 */ { 3, 2, VTI_REPLAY_SEEN },
	/* 28 */ { 5, 33, VTI_REPLAY_OK },	/* by W + a block */
	/* 29 */ { 4, 33, VTI_REPLAY_OLD },
	/* 30 */ { 4, 34, VTI_REPLAY_OK },
	/* 31 */ { 5, 3, VTI_REPLAY_OK },	/* in a block that an older one held */
	/* 32 */ { 5, 34, VTI_REPLAY_OK },
	/* 33 */ { 5, 33, VTI_REPLAY_SEEN },
	/* 34 */ { 1000, 0, VTI_REPLAY_OK },	/* far ahead */
	/* 35 */ { 5, 34, VTI_REPLAY_OLD },	/* far behind */
	/* 36 */ { 0, 1, VTI_REPLAY_OLD },
	/* 37 */ { 999, 0, VTI_REPLAY_OLD },
	/* 38 */ { 999, 1, VTI_REPLAY_OK },
	/* 39 */ { 999, 1, VTI_REPLAY_SEEN },
	/* 40 */ { 1000, -1, VTI_REPLAY_OK },
	/* 41 */ { 1000, 1, VTI_REPLAY_OK },
	/* 42 */ { 999, 1, VTI_REPLAY_OLD },
	/* 43 */ { 999, 2, VTI_REPLAY_OK },
	/* 44 */ { 1000, 0, VTI_REPLAY_SEEN },
};

/* The steps begin at an offset: at the start, and so that they cross 2^32 and further wraps. */
static void test_steps(u32 window, u64 offset)
{
	struct vti_replay *replay = new_window(window, true);
	unsigned int wrong = 0;
	size_t i;

	if (offset)
		advance(replay, offset);
	for (i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		u64 seq = offset + steps[i].windows * (s64)window + steps[i].plus;
		enum vti_replay_verdict wanted = steps[i].verdict, got;
		bool agree;

		/* With an offset step 1 is the top, and step 9 is still in the window. */
		if (offset && (i == 0 || i == 8))
			wanted = VTI_REPLAY_SEEN;
		got = step(replay, seq, &agree);
		if (got != wanted || !agree) {
			printf("# step %zu, number %llu: %s, wanted %s%s\n", i + 1, seq, verdicts[got],
			       verdicts[wanted], agree ? "" : "; the pre-check differs or writes");
			wrong++;
		}
	}
	tap(!wrong, "window %u: table of %zu steps from %#llx", window, i, offset);
	free(replay);
}

/* Number by number, up and down. */
static void test_runs(u32 window, bool esn)
{
	struct vti_replay *replay = new_window(window, esn);
	bool good = true, agree;
	u64 i;

	for (i = 1; i <= 3ULL * window; i++)
		good &= vti_replay_commit(replay, i) == VTI_REPLAY_OK;
	for (i = 3ULL * window; i > 2ULL * window; i--)
		good &= vti_replay_commit(replay, i) == VTI_REPLAY_SEEN;
	for (; i > 0; i--)
		good &= vti_replay_commit(replay, i) == VTI_REPLAY_OLD;
	tap(good, "window %u%s: upwards, then all of them again", window, esn ? ", ESN" : "");

	vti_replay_init(replay, window, esn);
	good = step(replay, 5ULL * window, &agree) == VTI_REPLAY_OK && agree;
	for (i = 5ULL * window - 1; i > 4ULL * window; i--)
		good &= vti_replay_commit(replay, i) == VTI_REPLAY_OK;
	good &= vti_replay_commit(replay, i) == VTI_REPLAY_OLD;
	tap(good, "window %u%s: downwards to the edge", window, esn ? ", ESN" : "");
	free(replay);
}

/* RFC 4303 A2.2. Numbers are given as distances from 0 or from W; 2^32 - n is -n. */
#define NONE 9
static const struct {
	char letter;			/* the appendix's case */
	u32 high;			/* of the top */
	int w, plus;			/* low half of the top: w * W + plus */
	int low_w, low_plus;		/* what the packet says: likewise */
	int up;				/* upper half that follows, relative to the top's */
} inferences[] = {
	/*  1 */ { 'A', 5, 1, -1, 0, 0, 0 },	/* window 0 ... W - 1: its left edge */
	/*  2 */ { 'A', 5, 1, -1, 1, -1, 0 },	/* its top */
	/*  3 */ { 'A', 5, 1, -1, 1, 0, 0 },	/* right of it */
	/*  4 */ { 'A', 5, 1, -1, 0, -1, 0 },	/* as far right as can be */
	/*  5 */ { 'A', 5, 1, 0, 0, 1, 0 },	/* window 1 ... W: its left edge */
	/*  6 */ { 'A', 5, 1, 0, 0, 0, 1 },	/* left of it is the next subspace */
	/*  7 */ { 'A', 5, 0, -1, -1, 0, 0 },	/* window up to 2^32 - 1: its left edge */
	/*  8 */ { 'A', 5, 0, -1, -1, -1, 1 },	/* left of it */
	/*  9 */ { 'A', 5, 0, -1, 0, 0, 1 },	/* the next number */
	/* 10 */ { 'A', 5, 0, -1, 0, -1, 0 },	/* its top */
	/* 11 */ { 'B', 5, 1, -2, 0, -1, -1 },	/* window -1 ... W - 2: its left edge */
	/* 12 */ { 'B', 5, 1, -2, 0, -2, 0 },	/* left of it: far right */
	/* 13 */ { 'B', 5, 1, -2, 0, 0, 0 },
	/* 14 */ { 'B', 5, 1, -2, 1, -2, 0 },	/* its top */
	/* 15 */ { 'B', 5, 0, 0, -1, 1, -1 },	/* window -W + 1 ... 0: its left edge */
	/* 16 */ { 'B', 5, 0, 0, -1, 0, 0 },	/* left of it: far right */
	/* 17 */ { 'B', 5, 0, 0, 0, -1, -1 },
	/* 18 */ { 'B', 5, 0, 0, 0, 0, 0 },	/* its top */
	/* 19 */ { 'B', 5, 0, 0, 0, 1, 0 },	/* the next number */
	/* 20 */ { 'B', 0, 0, 1, 0, -1, NONE },	/* before the first number of all */
	/* 21 */ { 'B', 0, 0, 1, -1, 2, NONE },	/* likewise, at the edge */
	/* 22 */ { 'B', 0, 0, 1, -1, 1, 0 },	/* right of everything */
	/* 23 */ { 'B', 0, 0, 1, 0, 2, 0 },
};

static void test_inference(u32 window)
{
	unsigned int wrong = 0;
	size_t i;

	for (i = 0; i < sizeof(inferences) / sizeof(*inferences); i++) {
		u32 top_low = inferences[i].w * window + inferences[i].plus;
		u32 low = inferences[i].low_w * window + inferences[i].low_plus;
		u64 top = (u64)inferences[i].high << 32 | top_low;
		u64 wanted = (u64)(inferences[i].high + inferences[i].up) << 32 | low;
		struct vti_replay *replay = new_window(window, true);
		char letter = top_low >= window - 1 ? 'A' : 'B';
		u64 seq = 0;
		bool any;

		advance(replay, top);
		any = vti_replay_infer(replay, low, &seq);
		if (any != (inferences[i].up != NONE) || (any && seq != wanted) ||
		    letter != inferences[i].letter) {
			printf("# row %zu, top %#llx, low %#x: %d %#llx, wanted %#llx\n", i + 1, top, low,
			       any, seq, wanted);
			wrong++;
		}
		free(replay);
	}
	tap(!wrong, "window %u: table of %zu inferences", window, i);
}

/*
 * What a receiver does with the lower half of 2^32 + windows * W + plus: infer,
 * check, commit. OTHER is another number inferred, for which the ICV would fail
 * (RFC 4303 A2.2); without ESN there is no such thing.
 */
enum { OK = VTI_REPLAY_OK, SEEN = VTI_REPLAY_SEEN, OLD = VTI_REPLAY_OLD, OTHER };

static const struct {
	int windows, plus, esn, plain;
} received[] = {
	/*  1 */ { -2, 0, OK, OK },
	/*  2 */ { -2, 0, SEEN, SEEN },
	/*  3 */ { -3, 1, OK, OK },		/* the left edge */
	/*  4 */ { -3, 0, OTHER, OLD },		/* left of it */
	/*  5 */ { 0, -1, OK, OK },		/* 2^32 - 1: the last one without ESN */
	/*  6 */ { -1, 0, OK, OK },
	/*  7 */ { -1, -1, OTHER, OLD },
	/*  8 */ { -1, 0, SEEN, SEEN },
	/*  9 */ { 0, 0, OK, OLD },		/* 2^32 */
	/* 10 */ { 0, 1, OK, OLD },
	/* 11 */ { 0, 0, SEEN, OLD },
	/* 12 */ { -1, 1, OTHER, OK },		/* the edge has moved on, or not */
	/* 13 */ { -1, 2, OK, OK },		/* the edge, below 2^32 */
	/* 14 */ { -1, 2, SEEN, SEEN },
	/* 15 */ { 0, -1, SEEN, SEEN },
	/* 16 */ { 1, -1, OK, OLD },		/* the window begins at 2^32 */
	/* 17 */ { 0, 0, SEEN, OLD },
	/* 18 */ { 0, -1, OTHER, SEEN },	/* left of it, and of 2^32 */
	/* 19 */ { 1, 0, OK, OLD },
	/* 20 */ { 0, 0, OTHER, OLD },
	/* 21 */ { 0, 1, SEEN, OLD },
	/* 22 */ { 1000, 0, OK, OLD },		/* far ahead */
	/* 23 */ { 1000, 0, SEEN, OLD },
	/* 24 */ { 999, 0, OTHER, OLD },
	/* 25 */ { 999, 1, OK, OLD },
	/* 26 */ { 1, 0, OTHER, OLD },		/* far behind */
	/* 27 */ { -2, 0, OTHER, OLD },
	/* 28 */ { 1000, 1, OK, OLD },
};

static void test_received(u32 window, bool esn)
{
	struct vti_replay *replay = new_window(window, esn);
	unsigned int wrong = 0;
	size_t i;

	advance(replay, TWO_32 - 4ULL * window);
	for (i = 0; i < sizeof(received) / sizeof(*received); i++) {
		u64 full = TWO_32 + received[i].windows * (s64)window + received[i].plus, seq = 0;
		int wanted = esn ? received[i].esn : received[i].plain, got;
		bool agree = true;

		if (!vti_replay_infer(replay, (u32)full, &seq) || (esn && seq != full))
			got = OTHER;
		else
			got = step(replay, seq, &agree);
		if (got != wanted || !agree || (!esn && seq != (u32)full)) {
			printf("# row %zu, number %#llx taken for %#llx: %d, wanted %d\n", i + 1, full, seq,
			       got, wanted);
			wrong++;
		}
	}
	tap(!wrong, "window %u%s: table of %zu numbers as received", window, esn ? ", ESN" : "", i);
	free(replay);
}

static void test_no_esn(void)
{
	struct vti_replay *replay = new_window(64, false);
	bool good = true;
	u64 seq;

	advance(replay, TWO_32 - 2);
	good &= vti_replay_infer(replay, 3, &seq) && seq == 3;
	good &= vti_replay_check(replay, seq) == VTI_REPLAY_OLD;
	good &= vti_replay_infer(replay, 0xffffffff, &seq) && seq == 0xffffffff;
	good &= vti_replay_commit(replay, seq) == VTI_REPLAY_OK;
	good &= vti_replay_infer(replay, 0, &seq) && vti_replay_commit(replay, seq) == VTI_REPLAY_OLD;
	tap(good, "without ESN numbers end at 2^32 - 1");
	free(replay);
}

/* The oracle: a set of all numbers ever accepted, as a hash table without deletion. */
struct set {
	u64 *slots;
	size_t mask, used;
};

static bool set_add(struct set *set, u64 n)
{
	size_t i = (n * 0x9e3779b97f4a7c15ULL) >> 20 & set->mask;

	for (; set->slots[i]; i = (i + 1) & set->mask) {
		if (set->slots[i] == n)
			return false;
	}
	set->slots[i] = n;
	if (++set->used > set->mask / 2)
		abort();
	return true;
}

static bool set_has(const struct set *set, u64 n)
{
	size_t i = (n * 0x9e3779b97f4a7c15ULL) >> 20 & set->mask;

	for (; set->slots[i]; i = (i + 1) & set->mask) {
		if (set->slots[i] == n)
			return true;
	}
	return false;
}

static u64 random_state = 1;

static u64 random64(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

/* Of the numbers with these lower bits the one in the window, else the first one right of it. */
static bool model_infer(u64 top, u32 window, u32 low, u64 *seq)
{
	u64 high = top >> 32 ? (top >> 32) - 1 : 0;
	u64 bottom = top >= window ? top - window + 1 : 0;

	/* Before the first number of all there is room for a window, too. */
	if (top < window - 1 && low >= TWO_32 + top - window + 1)
		return false;
	for (; (high << 32 | low) < bottom; high++)
		;
	*seq = high << 32 | low;
	return true;
}

static u64 random_number(u64 top, u32 window)
{
	u64 r = random64();

	switch (r >> 60) {
	case 0:
		return top + (r & 0xffff) % (3ULL * window);		/* a jump */
	case 1:
		return top > 3ULL * window ? top - (r & 0xfffff) % (3ULL * window) : top;
	case 2:
		return top >= window ? top - window + (r & 3) : r & 3;	/* around the edge */
	case 3:
	case 4:
	case 5:
		return top > window ? top - (r & 0xfffff) % window : 1 + r % (top + 1);
	default:
		return top + 1 + (r & 1);
	}
}

static void test_random(u32 window, u64 start)
{
	struct vti_replay *replay = new_window(window, true);
	struct set set = { .mask = (1u << 20) - 1 };
	unsigned int wrong = 0, i, counts[3] = { 0 };
	u64 top;

	set.slots = calloc(set.mask + 1, sizeof(u64));
	if (!set.slots)
		abort();
	advance(replay, start);
	top = start;
	if (start)
		set_add(&set, start);
	for (i = 0; i < 400000 && wrong < 5; i++) {
		u64 seq = random_number(top, window), inferred = 0, model = 0;
		enum vti_replay_verdict wanted, got;
		bool any = vti_replay_infer(replay, (u32)seq, &inferred);

		if (any != model_infer(top, window, (u32)seq, &model) || (any && inferred != model)) {
			printf("# top %#llx, low %#x: inferred %#llx, wanted %#llx\n", top, (u32)seq,
			       inferred, model);
			wrong++;
		}
		if (!seq || (seq <= top && top - seq >= window))
			wanted = VTI_REPLAY_OLD;
		else
			wanted = set_has(&set, seq) ? VTI_REPLAY_SEEN : VTI_REPLAY_OK;
		got = vti_replay_check(replay, seq);
		if (got == wanted)
			got = vti_replay_commit(replay, seq);
		if (got != wanted) {
			printf("# top %#llx, number %#llx: %s, wanted %s\n", top, seq, verdicts[got],
			       verdicts[wanted]);
			wrong++;
		}
		counts[wanted]++;
		if (wanted == VTI_REPLAY_OK) {
			set_add(&set, seq);
			top = seq > top ? seq : top;
		}
	}
	/* Steps that are all of one kind would prove nothing. */
	if (!counts[0] || !counts[1] || !counts[2])
		wrong++;
	tap(!wrong, "window %u: %u random steps from %#llx as the set says (%u ok, %u seen, %u old)",
	    window, i, start, counts[0], counts[1], counts[2]);
	free(set.slots);
	free(replay);
}

/* Threads */

#define THREADS 4

struct stress {
	struct vti_replay *replay;
	pthread_barrier_t barrier;
	u64 first, step;		/* the rounds' numbers: first + n * step ... + W - 1 */
	unsigned int rounds;
	unsigned char *accepted;	/* by number - first */
	unsigned long wrong_round;	/* a number of an earlier round was accepted again */
	bool together;			/* rounds are separated, so no number can be too old */
};

struct worker {
	struct stress *stress;
	pthread_t thread;
	u64 seed;
};

static void *work(void *data)
{
	struct worker *worker = data;
	struct stress *stress = worker->stress;
	u32 window = stress->replay->window;
	unsigned int round;
	u32 size = 1, i;

	while (size < window)
		size <<= 1;
	for (round = 0; round < stress->rounds; round++) {
		u64 base = stress->first + round * stress->step;
		/* An odd multiplier visits every number of a power of two in an order of its own. */
		u32 factor = worker->seed * 2 + 1;

		if (stress->together)
			pthread_barrier_wait(&stress->barrier);
		for (i = 0; i < size; i++) {
			u32 offset = (i * factor + (u32)worker->seed) & (size - 1);
			u64 seq = base + offset;

			if (offset >= window)
				continue;
			if (vti_replay_commit(stress->replay, seq) == VTI_REPLAY_OK)
				__atomic_fetch_add(&stress->accepted[seq - stress->first], 1,
						   __ATOMIC_RELAXED);
			if (stress->together && round && stress->step == window &&
			    vti_replay_commit(stress->replay, seq - window) == VTI_REPLAY_OK)
				__atomic_fetch_add(&stress->wrong_round, 1, __ATOMIC_RELAXED);
		}
	}
	return NULL;
}

static void test_stress(u32 window, unsigned int rounds, u64 step, bool together)
{
	struct stress stress = {
		.replay = new_window(window, true), .first = TWO_32 - 5ULL * window - 3,
		.step = step, .rounds = rounds, .together = together,
	};
	u64 span = step * (rounds - 1) + window, n;
	unsigned long never = 0, twice = 0, once = 0;
	struct worker workers[THREADS];
	unsigned int i;

	stress.accepted = calloc(1, span);
	if (!stress.accepted)
		abort();
	advance(stress.replay, stress.first - 1);
	pthread_barrier_init(&stress.barrier, NULL, THREADS);
	for (i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){ .stress = &stress, .seed = i * 7 + 1 };
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]))
			abort();
	}
	for (i = 0; i < THREADS; i++)
		pthread_join(workers[i].thread, NULL);
	for (n = 0; n < span; n++) {
		if (n % step >= window)
			continue;
		never += !stress.accepted[n];
		once += stress.accepted[n] == 1;
		twice += stress.accepted[n] > 1;
	}
	if (together)
		tap(!never && !twice && !stress.wrong_round,
		    "window %u, %d threads, steps of %llu: %lu numbers once, %lu never, %lu twice, %lu again",
		    window, THREADS, step, once, never, twice, stress.wrong_round);
	else
		tap(!twice && once, "window %u, %d threads apart: %lu numbers once, %lu twice", window,
		    THREADS, once, twice);
	pthread_barrier_destroy(&stress.barrier);
	free(stress.accepted);
	free(stress.replay);
}

/*
 * The window moves on while threads offer the same numbers. Each offers every
 * number twice, in an order of its own within blocks of 8 and the second time
 * window / 4 later; and none begins a block further than that ahead of the
 * slowest one. So all offers are in the window, at most 7 + 2 * (window / 4)
 * behind its top, and exactly one of them all is the one.
 */
#define BLOCK 8

struct slide {
	struct vti_replay *replay;
	unsigned int threads;
	u64 first;
	u32 numbers, lag;
	unsigned char *accepted;
	unsigned long misread, again;
};

struct slider {
	struct slide *slide;
	pthread_t thread;
	unsigned int seed;
	_Alignas(64) u32 position;
};

static struct slider sliders[8];

static u32 slowest(unsigned int threads)
{
	u32 least = ~0U, position;
	unsigned int i;

	for (i = 0; i < threads; i++) {
		position = __atomic_load_n(&sliders[i].position, __ATOMIC_ACQUIRE);
		least = position < least ? position : least;
	}
	return least;
}

/* As the receiver does it. */
static void offer(struct slide *slide, u32 number)
{
	u64 full = slide->first + number, seq;

	if (!vti_replay_infer(slide->replay, (u32)full, &seq) || seq != full) {
		__atomic_fetch_add(&slide->misread, 1, __ATOMIC_RELAXED);
		return;
	}
	if (vti_replay_check(slide->replay, seq) == VTI_REPLAY_OK &&
	    vti_replay_commit(slide->replay, seq) == VTI_REPLAY_OK)
		__atomic_fetch_add(&slide->accepted[number], 1, __ATOMIC_RELAXED);
}

static void *slide_along(void *data)
{
	struct slider *self = data;
	struct slide *slide = self->slide;
	u32 at, i;

	for (at = 0; at < slide->numbers + slide->lag; at += BLOCK) {
		__atomic_store_n(&self->position, at, __ATOMIC_RELEASE);
		while (at > slowest(slide->threads) + slide->lag)
			sched_yield();
		for (i = 0; i < BLOCK; i++) {
			u32 number = at + ((i * (2 * self->seed + 1) + self->seed) & (BLOCK - 1));

			if (number < slide->numbers)
				offer(slide, number);
			if (number >= slide->lag && number - slide->lag < slide->numbers)
				offer(slide, number - slide->lag);
			/* What has left the window never comes back. */
			if (number >= 3 * slide->replay->window && number < slide->numbers &&
			    vti_replay_commit(slide->replay, slide->first + number - 3 * slide->replay->window) ==
			    VTI_REPLAY_OK)
				__atomic_fetch_add(&slide->again, 1, __ATOMIC_RELAXED);
		}
	}
	__atomic_store_n(&self->position, ~0U, __ATOMIC_RELEASE);
	return NULL;
}

static void test_slide(unsigned int threads, u32 window, u32 numbers)
{
	struct slide slide = {
		.replay = new_window(window, true), .threads = threads, .numbers = numbers,
		.lag = window / 4, .first = TWO_32 - numbers / 2 - 1,
	};
	unsigned long never = 0, once = 0, twice = 0;
	unsigned int i;
	u32 n;

	slide.accepted = calloc(1, numbers);
	if (!slide.accepted)
		abort();
	advance(slide.replay, slide.first - 1);
	for (i = 0; i < threads; i++)
		sliders[i] = (struct slider){ .slide = &slide, .seed = i };
	for (i = 0; i < threads; i++)
		if (pthread_create(&sliders[i].thread, NULL, slide_along, &sliders[i]))
			abort();
	for (i = 0; i < threads; i++)
		pthread_join(sliders[i].thread, NULL);
	for (n = 0; n < numbers; n++) {
		never += !slide.accepted[n];
		once += slide.accepted[n] == 1;
		twice += slide.accepted[n] > 1;
	}
	tap(!never && !twice && !slide.misread && !slide.again,
	    "window %u moving on, %u threads: %lu numbers once, %lu never, %lu twice, %lu misread, %lu again",
	    window, threads, once, never, twice, slide.misread, slide.again);
	free(slide.accepted);
	free(slide.replay);
}

int main(int argc, char **argv)
{
	size_t i;

	setvbuf(stdout, NULL, _IOLBF, 0);
	puts("TAP version 13");
	if (argc > 1 && !strcmp(argv[1], "stress")) {
		test_stress(32, 20000, 32, true);
		test_stress(33, 5000, 4096, true);
		test_stress(64, 5000, 64, true);
		test_stress(1000, 300, 1000, true);
		test_stress(4096, 100, 4096, true);
		test_stress(65536, 6, 65536, true);
		test_stress(32, 20000, 32, false);
		test_stress(4096, 100, 4096, false);
		return tap_end();
	}
	if (argc > 1 && !strcmp(argv[1], "slide")) {
		static const u32 numbers[] = { 20000, 40000, 100000, 200000, 300000 };
		static const u32 sizes[] = { 32, 64, 1024, 4096, 65536 };

		for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
			test_slide(2, sizes[i], numbers[i]);
			test_slide(8, sizes[i], numbers[i]);
		}
		return tap_end();
	}
	for (i = 0; i < N_WINDOWS; i++) {
		test_steps(windows[i], 0);
		test_steps(windows[i], TWO_32 - 4 * windows[i]);
		test_steps(windows[i], 7 * TWO_32 - 999 * windows[i] - 5);
		test_runs(windows[i], true);
		test_runs(windows[i], false);
		test_inference(windows[i]);
		test_received(windows[i], true);
		test_received(windows[i], false);
		test_random(windows[i], 0);
		test_random(windows[i], TWO_32 - 100000);
		test_random(windows[i], 40 * TWO_32 - 100000);
	}
	test_no_esn();
	return tap_end();
}
