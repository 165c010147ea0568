/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The event loop: descriptors, timers and signals for one thread.
 *
 * Time is milliseconds of CLOCK_BOOTTIME, so that a machine which slept finds
 * its lifetimes spent. A virtual loop has no descriptors and a clock that only
 * its owner moves: whatever is written against timers runs in a simulator
 * unchanged.
 *
 * Timers and descriptor watches are members of their owner's structure. The
 * loop allocates nothing after loop_new(), so arming a timer cannot fail.
 */
#ifndef AGENT_LOOP_H
#define AGENT_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

struct loop;

/* Zero it, or say LOOP_TIMER(fire, arg), before the first use. */
struct loop_timer {
	void (*fire)(void *arg);
	void *arg;
	/* the loop's own */
	uint64_t due;
	uint64_t order;		/* among equals the one armed first fires first */
	struct loop_timer *child, *next, *prev;
	bool armed;
};

#define LOOP_TIMER(fire_, arg_) { .fire = (fire_), .arg = (arg_) }

struct loop_fd {
	void (*ready)(void *arg, uint32_t events);	/* events: EPOLLIN, ... */
	void *arg;
	int fd;
	bool watched;
};

/* Milliseconds; replaced by the tests. */
typedef uint64_t (*loop_clock_fn)(void *ctx);

struct loop *loop_new(void);				/* NULL and errno */
struct loop *loop_new_virtual(uint64_t start_ms);	/* time moves by loop_run_until() only */
struct loop *loop_new_clock(loop_clock_fn clock, void *ctx);	/* not boottime */
void loop_free(struct loop *l);

uint64_t loop_now(const struct loop *l);

/* Arms or re-arms. The callback may re-arm or free its own timer. */
void loop_timer_at(struct loop *l, struct loop_timer *t, uint64_t due_ms);
void loop_timer_in(struct loop *l, struct loop_timer *t, uint64_t delay_ms);
void loop_timer_stop(struct loop *l, struct loop_timer *t);	/* harmless when not armed */
static inline bool loop_timer_armed(const struct loop_timer *t)
{
	return t->armed;
}

/* 0 or a negative errno. A watch may be removed from inside any callback. */
int loop_fd_add(struct loop *l, struct loop_fd *w, int fd, uint32_t events);
int loop_fd_mod(struct loop *l, struct loop_fd *w, uint32_t events);
void loop_fd_del(struct loop *l, struct loop_fd *w);	/* before close(); harmless twice */

/* Blocks the signals and has them delivered here, one at a time. Once in a loop's life. */
int loop_signals(struct loop *l, const int *sigs, size_t n, void (*got)(void *arg, int sig),
		 void *arg);

/* One round: waits for at most max_wait_ms (-1: as long as it takes). 0 or a negative errno. */
int loop_once(struct loop *l, int max_wait_ms);
int loop_run(struct loop *l);		/* until loop_stop(); 0 or a negative errno */
void loop_stop(struct loop *l);

/*
 * Virtual loops: fires every timer due up to and including the moment, each at
 * its own time, and leaves the clock there. Returns how many fired.
 */
size_t loop_run_until(struct loop *l, uint64_t ms);
/* When the next timer is due; UINT64_MAX: none is armed. */
uint64_t loop_next_due(const struct loop *l);

#endif
