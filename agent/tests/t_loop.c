// SPDX-License-Identifier: GPL-2.0-or-later
/* The event loop: order of timers, descriptors that vanish, virtual time, the log. */
#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "log.h"
#include "loop.h"
#include "tap.h"

#define MANY	500

struct shot {
	struct loop *l;
	struct loop_timer t;
	uint64_t due, fired;
	unsigned int order, again;
};

static unsigned int shots;

static void fire(void *arg)
{
	struct shot *s = arg;

	s->fired = loop_now(s->l);
	s->order = ++shots;
	if (s->again && s->again--)
		loop_timer_in(s->l, &s->t, 10);
}

/* A generator of its own, so that a failure comes back. */
static uint32_t random_next(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

static void virtual_order(void)
{
	struct loop *l = loop_new_virtual(1000);
	static struct shot s[MANY];
	uint32_t seed = 1;
	unsigned int i, late = 0, wrong = 0, stopped = 0;
	uint64_t last = 0;
	unsigned int by_order[MANY + 1];

	shots = 0;
	for (i = 0; i < MANY; i++) {
		s[i] = (struct shot){ .l = l, .t = LOOP_TIMER(fire, &s[i]) };
		s[i].due = 1000 + random_next(&seed) % 100;
		loop_timer_at(l, &s[i].t, s[i].due);
	}
	/* Re-arm some, stop some, from the middle of the heap. */
	for (i = 0; i < MANY; i += 3) {
		s[i].due = 1000 + random_next(&seed) % 100;
		loop_timer_at(l, &s[i].t, s[i].due);
	}
	for (i = 0; i < MANY; i += 7) {
		loop_timer_stop(l, &s[i].t);
		loop_timer_stop(l, &s[i].t);
		stopped++;
	}
	ok(loop_run_until(l, 1049) < MANY, "not everything by the middle");
	ok(loop_now(l) == 1049, "the clock stands where it was told to");
	loop_run_until(l, 2000);
	ok(shots == MANY - stopped, "%u of %u fired", shots, MANY - stopped);
	for (i = 0; i < MANY; i++) {
		late += s[i].order && s[i].fired != s[i].due;
		if (s[i].order)
			by_order[s[i].order] = i;
	}
	ok(!late, "each at its own time");
	for (i = 1; i <= shots; i++) {
		wrong += s[by_order[i]].due < last;
		last = s[by_order[i]].due;
	}
	ok(!wrong, "in the order of their times");
	ok(loop_next_due(l) == UINT64_MAX, "nothing is left");
	loop_free(l);
}

static void equals_and_repeats(void)
{
	struct loop *l = loop_new_virtual(0);
	struct shot a = { .l = l, .t = LOOP_TIMER(fire, &a) };
	struct shot b = { .l = l, .t = LOOP_TIMER(fire, &b) };
	struct shot c = { .l = l, .t = LOOP_TIMER(fire, &c), .again = 3 };

	shots = 0;
	loop_timer_at(l, &a.t, 5);
	loop_timer_at(l, &b.t, 5);
	loop_timer_at(l, &a.t, 5);	/* armed again: now behind b */
	loop_run_until(l, 5);
	ok(b.order == 1 && a.order == 2, "equal times fire in the order of arming");
	loop_timer_in(l, &c.t, 0);
	ok(loop_run_until(l, 34) == 3, "a timer arms itself again");
	ok(loop_timer_armed(&c.t) && loop_next_due(l) == 35, "and is still armed");
	loop_timer_in(l, &c.t, UINT64_MAX);
	ok(loop_next_due(l) >= UINT64_MAX - 1, "the farthest time does not wrap");
	loop_timer_stop(l, &c.t);
	loop_free(l);
}

static uint64_t test_now;

static uint64_t test_clock(void *ctx)
{
	return test_now;
}

struct end {
	struct loop *l;
	struct loop_fd w;
	struct end *other;
	unsigned int calls;
};

static void ready(void *arg, uint32_t events)
{
	struct end *e = arg;

	e->calls++;
	if (e->other)
		loop_fd_del(e->l, &e->other->w);
}

static void descriptors(void)
{
	struct loop *l = loop_new_clock(test_clock, NULL);
	int p[2], q[2], drained;
	struct end a = { .l = l }, b = { .l = l };
	char c;

	a.w = (struct loop_fd){ .ready = ready, .arg = &a };
	b.w = (struct loop_fd){ .ready = ready, .arg = &b };
	a.other = &b;
	b.other = &a;
	ok(!pipe(p) && !pipe(q) && write(p[1], "x", 1) == 1 && write(q[1], "x", 1) == 1,
	   "two pipes with something in them");
	ok(!loop_fd_add(l, &a.w, p[0], EPOLLIN) && !loop_fd_add(l, &b.w, q[0], EPOLLIN), "watched");
	ok(loop_fd_add(l, &a.w, p[0], EPOLLIN) == -EEXIST, "not twice");
	ok(!loop_once(l, 1000), "a round");
	ok(a.calls + b.calls == 1, "a watch removed by another's callback is not called");
	drained = read(p[0], &c, 1) == 1;
	ok(drained && !loop_once(l, 0), "a round with nothing to do");
	loop_fd_del(l, &a.w);
	loop_fd_del(l, &a.w);
	loop_fd_del(l, &b.w);
	ok(loop_fd_mod(l, &a.w, EPOLLOUT) == -ENOENT, "a removed watch cannot be changed");
	loop_free(l);
	close(p[0]);
	close(p[1]);
	close(q[0]);
	close(q[1]);
}

static void own_clock(void)
{
	struct loop *l = loop_new_clock(test_clock, NULL);
	struct shot a = { .l = l, .t = LOOP_TIMER(fire, &a) };

	shots = 0;
	test_now = 100;
	loop_timer_in(l, &a.t, 3600000);
	loop_once(l, 0);
	ok(!shots, "not due yet");
	test_now += 3600000;
	loop_once(l, 0);
	ok(shots == 1, "due by the test's clock");
	loop_free(l);
}

static int got_sig;

static void on_signal(void *arg, int sig)
{
	got_sig = sig;
	loop_stop(arg);
}

static void signals_and_real_time(void)
{
	const int sigs[] = { SIGUSR1 };
	struct loop *l = loop_new();
	struct shot a = { .l = l, .t = LOOP_TIMER(fire, &a) };
	uint64_t start;

	ok(!loop_signals(l, sigs, 1, on_signal, l), "signals");
	ok(loop_signals(l, sigs, 1, on_signal, l) == -EBUSY, "once only");
	raise(SIGUSR1);
	ok(!loop_run(l) && got_sig == SIGUSR1, "the signal comes through the loop");
	shots = 0;
	start = loop_now(l);
	loop_timer_in(l, &a.t, 30);
	while (!shots)
		loop_once(l, 1000);
	ok(loop_now(l) - start >= 30 && loop_now(l) - start < 900, "a real timer of 30 ms");
	loop_free(l);
}

/* ---- the log ---- */

static char line[LOG_LINE_MAX];
static unsigned int lines;

static void sink(void *arg, int priority, const char *text)
{
	snprintf(line, sizeof(line), "%d %s", priority, text);
	lines++;
}

static void logging(void)
{
	char longest[3000], small[8];
	unsigned int i;

	log_sink(sink, NULL);
	log_info("tunnel up", KV_S("tunnel", "ipsec0"), KV_U("n", 7), KV_D("d", -7),
		 KV_X("spi", 0xc0ffee));
	is_str(line, "6 tunnel up tunnel=ipsec0 n=7 d=-7 spi=0xc0ffee", "keys and values");
	log_warn("odd", KV_S("a", "two words"), KV_S("b", "x\"y\\z\n"), KV_S("c", ""),
		 KV_S("d", NULL));
	is_str(line, "4 odd a=\"two words\" b=\"x\\\"y\\\\z\\x0a\" c=\"\" d=-", "escaped values");
	log_err("bad", KV_S("name", "a b=c"), KV_ERR("error", -ENOENT),
		KV_BYTES("spi", "\x01\xff", 2));
	is_str(line, "3 bad name=\"a b=c\" error=\"No such file or directory\" spi=01ff",
	       "a value cannot look like a key");
	memset(longest, '\xff', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = 0;
	log_err("long", KV_S("v", longest), KV_S("w", longest), KV_S("x", longest), KV_S("y", longest));
	ok(strlen(line) < LOG_LINE_MAX, "a line has an end");
	lines = 0;
	log_debug("not now");
	ok(!lines, "below the level: nothing");
	for (i = 0; i < 100; i++)
		log_ratelimited(LOG_INFO, "again", KV_U("i", i));
	ok(lines >= 10 && lines <= 11, "%u of 100 lines pass the limit", lines);
	is_str(log_escape(small, sizeof(small), "a\nbcdef", 7), "a\\x0a", "escapes fit or are left out");
	log_sink(NULL, NULL);
}

int main(void)
{
	virtual_order();
	equals_and_repeats();
	descriptors();
	own_clock();
	signals_and_real_time();
	logging();
	return done();
}
