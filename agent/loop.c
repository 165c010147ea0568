// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Event loop on epoll, one timerfd and one signalfd. The timers are a pairing
 * heap threaded through the timers themselves: no allocation, so no failure.
 */
#include "loop.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define BATCH	32

struct loop {
	int epfd, timerfd;
	loop_clock_fn clock;
	void *clock_ctx;
	bool is_virtual, stopping;
	uint64_t virtual_now;
	uint64_t order;
	uint64_t programmed;	/* what the timerfd is set to; UINT64_MAX: nothing */
	struct loop_timer *heap;
	struct loop_fd timer_watch, signal_watch;
	void (*got_signal)(void *arg, int sig);
	void *signal_arg;
	struct epoll_event batch[BATCH];
	int batch_at, batch_n;
};

static uint64_t boot_clock(void *ctx)
{
	struct timespec ts;

	(void)ctx;
	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* ---- the heap ---- */

static bool before(const struct loop_timer *a, const struct loop_timer *b)
{
	return a->due != b->due ? a->due < b->due : a->order < b->order;
}

/* Joins two roots; prev of a first child is its parent, of the others the elder sibling. */
static struct loop_timer *meld(struct loop_timer *a, struct loop_timer *b)
{
	struct loop_timer *t;

	if (!a)
		return b;
	if (!b)
		return a;
	if (before(b, a)) {
		t = a;
		a = b;
		b = t;
	}
	b->prev = a;
	b->next = a->child;
	if (a->child)
		a->child->prev = b;
	a->child = b;
	a->next = NULL;
	a->prev = NULL;
	return a;
}

/* Two passes: pairs from the left, then all from the right. */
static struct loop_timer *meld_children(struct loop_timer *first)
{
	struct loop_timer *pairs = NULL, *root = NULL, *a, *b, *rest;

	while (first) {
		a = first;
		b = a->next;
		rest = b ? b->next : NULL;
		a->next = NULL;
		a->prev = NULL;
		if (b) {
			b->next = NULL;
			b->prev = NULL;
		}
		a = meld(a, b);
		a->next = pairs;
		pairs = a;
		first = rest;
	}
	while (pairs) {
		a = pairs;
		pairs = a->next;
		a->next = NULL;
		root = meld(root, a);
	}
	return root;
}

static void heap_remove(struct loop *l, struct loop_timer *t)
{
	struct loop_timer *sub = meld_children(t->child);

	if (l->heap == t) {
		l->heap = sub;
	} else {
		if (t->prev->child == t)
			t->prev->child = t->next;
		else
			t->prev->next = t->next;
		if (t->next)
			t->next->prev = t->prev;
		l->heap = meld(l->heap, sub);
	}
	t->child = NULL;
	t->next = NULL;
	t->prev = NULL;
	t->armed = false;
}

/* ---- timers ---- */

uint64_t loop_now(const struct loop *l)
{
	return l->is_virtual ? l->virtual_now : l->clock(l->clock_ctx);
}

uint64_t loop_next_due(const struct loop *l)
{
	return l->heap ? l->heap->due : UINT64_MAX;
}

void loop_timer_stop(struct loop *l, struct loop_timer *t)
{
	if (t->armed)
		heap_remove(l, t);
}

void loop_timer_at(struct loop *l, struct loop_timer *t, uint64_t due_ms)
{
	loop_timer_stop(l, t);
	t->due = due_ms;
	t->order = l->order++;
	t->child = NULL;
	t->next = NULL;
	t->prev = NULL;
	t->armed = true;
	l->heap = meld(l->heap, t);
}

void loop_timer_in(struct loop *l, struct loop_timer *t, uint64_t delay_ms)
{
	uint64_t now = loop_now(l);

	loop_timer_at(l, t, delay_ms < UINT64_MAX - now ? now + delay_ms : UINT64_MAX - 1);
}

/*
 * Fires what is due now. Bounded by the order counter as it was at the start:
 * a timer that arms itself for "now" waits for the next round, so that
 * descriptors are served in between.
 */
static size_t fire_due(struct loop *l, uint64_t now)
{
	uint64_t limit = l->order;
	size_t fired = 0;

	while (l->heap && l->heap->due <= now && l->heap->order < limit && !l->stopping) {
		struct loop_timer *t = l->heap;

		heap_remove(l, t);
		fired++;
		t->fire(t->arg);
	}
	return fired;
}

size_t loop_run_until(struct loop *l, uint64_t ms)
{
	size_t fired = 0;

	l->stopping = false;
	while (l->heap && l->heap->due <= ms && !l->stopping) {
		struct loop_timer *t = l->heap;

		heap_remove(l, t);
		if (t->due > l->virtual_now)
			l->virtual_now = t->due;
		fired++;
		t->fire(t->arg);
	}
	if (!l->stopping && ms > l->virtual_now)
		l->virtual_now = ms;
	return fired;
}

/*
 * The kernel's timer is set on the same clock as ours: epoll_wait()'s own
 * timeout stands still while the machine sleeps.
 */
static void program_timer(struct loop *l)
{
	uint64_t due = loop_next_due(l);
	struct itimerspec it = { 0 };

	if (due == l->programmed)
		return;
	if (due != UINT64_MAX) {
		uint64_t now = loop_now(l);
		uint64_t wait = due > now ? due - now : 0;

		/* Relative, as a test's clock has its own zero; 0 would disarm it. */
		it.it_value.tv_sec = (time_t)(wait / 1000);
		it.it_value.tv_nsec = (long)(wait % 1000) * 1000000;
		if (!wait)
			it.it_value.tv_nsec = 1;
	}
	if (!timerfd_settime(l->timerfd, 0, &it, NULL))
		l->programmed = due;
}

static void timer_ready(void *arg, uint32_t events)
{
	struct loop *l = arg;
	uint64_t n;

	(void)events;
	if (read(l->timerfd, &n, sizeof(n)) < 0 && errno != EAGAIN)
		return;
	l->programmed = UINT64_MAX;
}

/* ---- descriptors ---- */

int loop_fd_add(struct loop *l, struct loop_fd *w, int fd, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = w };

	if (epoll_ctl(l->epfd, EPOLL_CTL_ADD, fd, &ev) < 0)
		return -errno;
	w->fd = fd;
	w->watched = true;
	return 0;
}

int loop_fd_mod(struct loop *l, struct loop_fd *w, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = w };

	if (!w->watched)
		return -ENOENT;
	return epoll_ctl(l->epfd, EPOLL_CTL_MOD, w->fd, &ev) < 0 ? -errno : 0;
}

void loop_fd_del(struct loop *l, struct loop_fd *w)
{
	int i;

	if (!w->watched)
		return;
	epoll_ctl(l->epfd, EPOLL_CTL_DEL, w->fd, NULL);
	w->watched = false;
	/* Events of this round that have not been delivered yet must not find it. */
	for (i = l->batch_at; i < l->batch_n; i++)
		if (l->batch[i].data.ptr == w)
			l->batch[i].data.ptr = NULL;
}

static void signal_ready(void *arg, uint32_t events)
{
	struct loop *l = arg;
	struct signalfd_siginfo si;

	(void)events;
	if (read(l->signal_watch.fd, &si, sizeof(si)) == sizeof(si))
		l->got_signal(l->signal_arg, (int)si.ssi_signo);
}

int loop_signals(struct loop *l, const int *sigs, size_t n, void (*got)(void *arg, int sig),
		 void *arg)
{
	sigset_t set;
	size_t i;
	int fd, err;

	if (l->signal_watch.watched)
		return -EBUSY;
	sigemptyset(&set);
	for (i = 0; i < n; i++)
		sigaddset(&set, sigs[i]);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	l->got_signal = got;
	l->signal_arg = arg;
	l->signal_watch.ready = signal_ready;
	l->signal_watch.arg = l;
	err = loop_fd_add(l, &l->signal_watch, fd, EPOLLIN);
	if (err)
		close(fd);
	return err;
}

/* ---- rounds ---- */

int loop_once(struct loop *l, int max_wait_ms)
{
	int n;

	l->stopping = false;
	program_timer(l);
	n = epoll_wait(l->epfd, l->batch, BATCH, max_wait_ms);
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	l->batch_n = n;
	for (l->batch_at = 0; l->batch_at < l->batch_n;) {
		struct epoll_event *ev = &l->batch[l->batch_at++];
		struct loop_fd *w = ev->data.ptr;

		if (w)
			w->ready(w->arg, ev->events);
		if (l->stopping)
			break;
	}
	l->batch_at = 0;
	l->batch_n = 0;
	fire_due(l, loop_now(l));
	return 0;
}

int loop_run(struct loop *l)
{
	int err;

	do {
		err = loop_once(l, -1);
	} while (!l->stopping && !err);
	return err;
}

void loop_stop(struct loop *l)
{
	l->stopping = true;
}

/* ---- life ---- */

struct loop *loop_new_virtual(uint64_t start_ms)
{
	struct loop *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->epfd = -1;
	l->timerfd = -1;
	l->signal_watch.fd = -1;
	l->is_virtual = true;
	l->virtual_now = start_ms;
	return l;
}

struct loop *loop_new_clock(loop_clock_fn clock, void *ctx)
{
	struct loop *l = loop_new_virtual(0);

	if (!l)
		return NULL;
	l->is_virtual = false;
	l->clock = clock;
	l->clock_ctx = ctx;
	l->programmed = UINT64_MAX;
	l->epfd = epoll_create1(EPOLL_CLOEXEC);
	l->timerfd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	l->timer_watch.ready = timer_ready;
	l->timer_watch.arg = l;
	if (l->epfd < 0 || l->timerfd < 0 ||
	    loop_fd_add(l, &l->timer_watch, l->timerfd, EPOLLIN)) {
		int err = errno;

		loop_free(l);
		errno = err;
		return NULL;
	}
	return l;
}

struct loop *loop_new(void)
{
	return loop_new_clock(boot_clock, NULL);
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	if (l->signal_watch.watched)
		close(l->signal_watch.fd);
	if (l->timerfd >= 0)
		close(l->timerfd);
	if (l->epfd >= 0)
		close(l->epfd);
	free(l);
}
