// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Floods of IKE_SA_INIT: cookies from a threshold on, for all and for one
 * source, memory that does not grow, a peer that gets in meanwhile, and
 * secrets that are not for ever.
 */
#include <malloc.h>

#include "addr.h"
#include "cookie.h"
#include "sim.h"
#include "tap.h"

#define FLOOD	10000

size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

static size_t allocated(void)
{
	if (__sanitizer_get_current_allocated_bytes)
		return __sanitizer_get_current_allocated_bytes();
	return mallinfo2().uordblks;
}

/* --- the spoofer: IKE_SA_INITs like the peer's, from anywhere --- */

static uint8_t seen[4096];
static size_t seen_len;

static bool copy_first(struct sim *s, int from, uint8_t *msg, size_t *len)
{
	if (!from && !seen_len && msg[18] == EXCHANGE_IKE_SA_INIT) {
		memcpy(seen, msg, *len);
		seen_len = *len;
	}
	return false;
}

static void spoof(struct sim *s, struct addr from, uint32_t n)
{
	struct addr to = s->side[1].addr;
	uint8_t msg[4096];

	memcpy(msg, seen, seen_len);
	for (int i = 0; i < 4; i++)
		msg[i] = (uint8_t)(n >> 8 * i);
	from.port = to.port = 500;
	sim_enter(s, 1);
	ike_input(s->side[1].ike, &to, &from, false, msg, seen_len);
	sim_enter(s, -1);
}

static struct addr anywhere(struct sim *s)
{
	struct addr a = addr_make(AF_INET, "\x0a\x00\x00\x00", 0);

	for (int i = 1; i < 4; i++)
		a.ip[i] = (uint8_t)sim_random(s);
	return a;
}

/* The left side has gone, once it has shown what its IKE_SA_INIT looks like. */
static struct sim *begin(uint64_t seed)
{
	struct sim *s = sim_new(seed);

	memset(&s->side[1].t.remote[0], 0, sizeof(s->side[1].t.remote[0]));
	seen_len = 0;
	s->down_ms = 0;
	s->tap = copy_first;
	s->cut = false;
	sim_begin(s, 1);
	sim_begin(s, 0);
	sim_kill(s, 0);
	s->cut = true;
	sim_run(s, 60000);
	s->cut = false;
	return s;
}

static uint32_t flood_n;
static struct addr flood_from;	/* AF_UNSPEC: anywhere */
static struct loop_timer flood_timer;

static void flood(void *arg)
{
	struct sim *s = arg;

	for (int i = 0; i < 10 && flood_n < FLOOD; i++)
		spoof(s, flood_from.family ? flood_from : anywhere(s), ++flood_n);
	if (flood_n < FLOOD)
		loop_timer_in(s->link, &flood_timer, 10);
}

static void start_flood(struct sim *s, struct addr from)
{
	flood_n = 0;
	flood_from = from;
	flood_timer = (struct loop_timer)LOOP_TIMER(flood, s);
	loop_timer_in(s->link, &flood_timer, 0);
}

/* How many milliseconds of a flood of 10 s the peer needs to get in; 0: it does not. */
static uint64_t gets_in(struct sim *s, struct addr from)
{
	uint64_t start;

	start_flood(s, from);
	sim_run(s, 2000);
	start = s->now;
	sim_begin(s, 0);
	return sim_up(s, 8000 - 1) ? s->now - start : 0;
}

static void t_anywhere(void)
{
	const struct addr any = { 0 };
	struct sim *s = begin(1);
	struct ike *ike = s->side[1].ike;
	size_t before, most = 0, now;
	uint64_t ms;

	printf("# a flood from anywhere\n");	/* the buffer of standard output is there now */
	before = allocated();
	start_flood(s, any);
	for (int i = 0; i < 110; i++) {
		sim_run(s, 100);
		now = allocated() - before;
		most = now > most ? now : most;
	}
	ok(flood_n == FLOOD && ike->half_open == ike->times.half_open_cookie &&
	   ike->n_sas == ike->half_open && sim_sas(s, 1, -1) == ike->n_sas,
	   "%u spoofed IKE_SA_INITs: %u half-open, cookies for the rest (%llu)", flood_n,
	   ike->half_open, (unsigned long long)ike->n.cookies_sent);
	ok(ike->n.cookies_sent == FLOOD - ike->times.half_open_cookie && !ike->n.cookies_bad,
	   "a cookie for each");
	ok(most < ike->times.half_open_cookie * (sizeof(struct sa) + 1024),
	   "memory is flat: %zu bytes more at most, %zu for each half-open one", most,
	   sizeof(struct sa));
	sim_run(s, 60000);
	ok(!ike->half_open && !ike->n_sas && !ike->half, "and nothing later");
	now = allocated() - before;
	ok(now < 4096, "all of it is given back, but for %zu bytes", now);
	sim_free(s);

	s = begin(2);
	ms = gets_in(s, any);
	ok(ms && flood_n < FLOOD, "in the middle of it the peer gets in, in %llu ms",
	   (unsigned long long)ms);
	ok(s->side[1].ike->half_open == s->side[1].ike->times.half_open_cookie,
	   "while all places are taken");
	sim_run(s, 120000);
	ok(sim_settled(s), "settled");
	sim_free(s);

	s = begin(3);
	s->side[1].ike->times.half_open_cookie = s->side[1].ike->times.source_cookie = UINT32_MAX;
	ok(!gets_in(s, any), "control: without cookies it does not");
	ok(s->side[1].ike->half_open == s->side[1].ike->times.half_open_max,
	   "though there is a limit (%u)", s->side[1].ike->half_open);
	sim_free(s);
}

/* Whoever spoofs the peer's own address must not lock it out. */
static void t_source(void)
{
	struct sim *s = begin(4);
	struct addr net;
	uint64_t ms;

	ms = gets_in(s, s->side[0].addr);
	ok(ms && flood_n < FLOOD, "a flood from the peer's address: it gets in, in %llu ms",
	   (unsigned long long)ms);
	ok(s->side[1].ike->half_open == s->side[1].ike->times.source_cookie,
	   "%u are half-open from there", s->side[1].ike->half_open);
	sim_run(s, 120000);
	ok(sim_settled(s), "settled");
	sim_free(s);

	s = begin(5);
	s->side[1].ike->times.source_cookie = s->side[1].ike->times.half_open_cookie = UINT32_MAX;
	ok(!gets_in(s, s->side[0].addr), "control: without cookies it does not");
	ok(s->side[1].ike->half_open == s->side[1].ike->times.source_max,
	   "as one source has so many places (%u)", s->side[1].ike->half_open);
	sim_free(s);

	/* A host has a /64 to choose from. */
	s = begin(6);
	net = addr_make(AF_INET6, "\x20\x01\x0d\xb8\0\0\0\1\0\0\0\0\0\0\0\0", 0);
	for (uint32_t i = 0; i < 100; i++) {
		net.ip[8 + i % 8] = (uint8_t)i;
		spoof(s, net, i);
	}
	ok(s->side[1].ike->half_open == s->side[1].ike->times.source_cookie,
	   "a network of IPv6 is one source: %u half-open", s->side[1].ike->half_open);
	net.ip[7] = 2;
	spoof(s, net, 1000);
	ok(s->side[1].ike->half_open == s->side[1].ike->times.source_cookie + 1,
	   "the next network is another");
	sim_free(s);
}

/* --- the cookie itself --- */

static bool good_after(struct sim *s, struct msg *m, const struct addr *from, uint64_t ms)
{
	struct ike *ike = s->side[1].ike;
	uint8_t with[8192], cookie[COOKIE_LEN];
	struct wire_out o;
	struct msg back;
	int len;

	cookie_make(ike, m, from, cookie);
	sim_run(s, ms);
	wire_begin(&o, with, sizeof(with), &m->hdr);
	wire_put_status(&o, NOTIFY_COOKIE, cookie, sizeof(cookie));
	wire_put_nonce(&o, msg_find(m, PAYLOAD_NONCE, 0)->body);
	len = wire_end(&o);
	return len > 0 && !wire_parse(&back, with, (size_t)len) && cookie_good(ike, &back, from);
}

static void t_secrets(void)
{
	struct sim *s = begin(7);
	struct addr from = s->side[0].addr, other;
	struct ike *ike = s->side[1].ike;
	uint8_t a[COOKIE_LEN], b[COOKIE_LEN];
	struct msg m, m2;

	from.port = 500;
	ok(!wire_parse(&m, seen, seen_len), "a request");
	cookie_make(ike, &m, &from, a);
	other = from;
	other.port = 501;
	cookie_make(ike, &m, &other, b);
	ok(memcmp(a, b, sizeof(a)), "another port, another cookie");
	other = from;
	other.ip[3] ^= 1;
	cookie_make(ike, &m, &other, b);
	ok(memcmp(a, b, sizeof(a)), "another address, another cookie");
	m2 = m;
	m2.hdr.spi_i ^= 1;
	cookie_make(ike, &m2, &from, b);
	ok(memcmp(a, b, sizeof(a)), "another SPI, another cookie");
	cookie_make(ike, &m, &from, b);
	ok(!memcmp(a, b, sizeof(a)), "the same, the same");
	ok(good_after(s, &m, &from, 0), "good at once");
	ok(good_after(s, &m, &from, 100000), "good within the secret's life");
	/* The secret is 100 s old now: the next one comes in 20 s. */
	ok(good_after(s, &m, &from, 60000), "good after the next secret has come");
	cookie_make(ike, &m, &from, b);
	ok(memcmp(a, b, sizeof(a)), "which makes another cookie");
	ok(good_after(s, &m, &from, 110000), "good with the one before the last");
	ok(!good_after(s, &m, &from, 300000), "not with an older one");
	sim_run(s, 1000000);
	ok(!good_after(s, &m, &from, 250000), "nor after a long silence");
	sim_free(s);
}

/* A cookie that somebody has changed gets another one, and no more. */
static bool mangle(struct sim *s, int from, uint8_t *msg, size_t *len)
{
	uint8_t copy[4096];
	struct notify n;
	struct msg m;

	if (from || msg[18] != EXCHANGE_IKE_SA_INIT || *len > sizeof(copy) || s->tap_n)
		return false;
	memcpy(copy, msg, *len);
	if (wire_parse(&m, copy, *len) || !msg_notify(&m, NOTIFY_COOKIE, &n))
		return false;
	s->tap_n++;
	msg[n.data.data - copy + 20] ^= 1;
	return false;
}

static void t_mangled(void)
{
	struct sim *s = sim_new(8);

	s->tap = mangle;
	sim_start(s);
	s->side[1].ike->times.half_open_cookie = 0;
	ok(sim_up(s, 5000) && s->tap_n == 1, "a changed cookie: another round, then up");
	ok(s->side[1].ike->n.cookies_bad == 1 && s->side[1].ike->n.cookies_sent == 2,
	   "counted as bad");
	sim_free(s);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} tests[] = {
		{ "anywhere", t_anywhere }, { "source", t_source }, { "secrets", t_secrets },
		{ "mangled", t_mangled },
	};

	sim_verbose = argc > 2;
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		if (argc < 2 || !strcmp(argv[1], tests[i].name))
			tests[i].run();
	return done();
}
