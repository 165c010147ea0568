// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Want of memory. A tunnel comes up, is rekeyed by both sides and goes; each
 * allocation that an engine or its library makes on the way fails in one run,
 * alone or with those behind it. Nothing breaks, nothing leaks, and in the end
 * the tunnel is up.
 */
#include "sim.h"
#include "tap.h"

#define LARGE	4096	/* the library wants nothing so large */

static unsigned int seen, fail_at, fail_n, failed;
static bool only_ours;		/* the library's are neither counted nor failed */

void *__interceptor_calloc(size_t n, size_t size);
void *__interceptor_malloc(size_t size);

/* Called before the sanitizer has begun, so it is not looked at by it. */
#define BARE __attribute__((no_sanitize("address", "undefined")))

BARE static bool fails(bool ours)
{
	if (!sim_current || sim_current->active < 0 || sim_own_memory || (only_ours && !ours))
		return false;
	seen++;
	if (!fail_at || seen < fail_at || seen >= fail_at + fail_n)
		return false;
	failed++;
	return true;
}

/* In front of the sanitizer's, for mbedTLS too. */
BARE void *calloc(size_t n, size_t size)
{
	return fails(size > LARGE) ? NULL : __interceptor_calloc(n, size);
}

BARE void *malloc(size_t size)
{
	return fails(size > LARGE / 8) ? NULL : __interceptor_malloc(size);
}

static const struct {
	const char *name, *ike, *esp;
	unsigned int fragment_size;
} cases[] = {
	{ "AEAD, curve", "aes128gcm16-prfsha256-x25519", "aes128gcm16-ecp256", 0 },
	{ "CBC, fragments", "aes128-sha256-ecp256", "aes128-sha256", 576 },
	{ "MODP", "chacha20poly1305-prfsha512-modp1024", "chacha20poly1305", 1280 },
};

static struct sim *story(size_t c)
{
	struct sim *s = sim_new(3);

	sim_suites(s, cases[c].ike, cases[c].esp);
	for (int i = 0; i < 2; i++) {
		s->side[i].t.fragment_size = (uint16_t)cases[c].fragment_size;
		s->side[i].t.retry_seconds = 2;
		s->side[i].t.local_id.len = 255;	/* long messages */
		memset(s->side[i].t.local_id.data, 'a' + i, 255);
		s->side[!i].t.remote_id = s->side[i].t.local_id;
	}
	s->tries = 4;
	sim_start(s);
	sim_run(s, 3000);
	sim_rekey(s, 0, false);
	sim_run(s, 3000);
	sim_rekey(s, 1, true);
	sim_run(s, 3000);
	sim_rekey(s, 0, true);
	sim_rekey(s, 1, false);
	sim_run(s, 3000);
	return s;
}

static unsigned int baseline(size_t c)
{
	struct sim *s;
	bool good;

	fail_at = 0;
	seen = 0;
	s = story(c);
	sim_run(s, 30000);
	good = sim_settled(s);
	sim_free(s);
	ok(good && seen > (only_ours ? 4 : 500), "%s: %u allocations%s", cases[c].name, seen,
	   only_ours ? " of ours" : "");
	return seen;
}

static bool one(size_t c, unsigned int at, unsigned int n)
{
	struct sim *s;
	bool good;

	seen = 0;
	fail_at = at;
	fail_n = n;
	s = story(c);
	fail_at = 0;
	/* Whatever was begun is over, and a pause after a failure too. */
	sim_run(s, 600000);
	good = sim_settled(s) && !s->side[0].ike->half_open && !s->side[1].ike->half_open;
	if (!good)
		printf("# case %zu, allocation %u, %u in a row\n", c, at, n);
	sim_free(s);
	return good;
}

static void t_case(size_t c)
{
	static const unsigned int rows[] = { 1, 3, 50 };
	const char *l = getenv("IPSECVTI_LONG");
	unsigned int all = baseline(c), runs = 0, bad = 0;
	unsigned int step = only_ours ? 1 : l && *l == '1' ? 7 : all / 60;

	for (unsigned int at = 1; at <= all; at += step, runs++)
		bad += !one(c, at, rows[runs % 3]);
	ok(!bad, "%s: %u runs, %u not settled", cases[c].name, runs, bad);
}

int main(int argc, char **argv)
{
	if (argc > 3) {
		sim_verbose = true;
		only_ours = argc > 4;
		ok(one((size_t)atoi(argv[1]), (unsigned int)atoi(argv[2]),
		       (unsigned int)atoi(argv[3])), "one run");
		return done();
	}
	for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
		only_ours = false;
		t_case(c);
		only_ours = true;
		t_case(c);
	}
	ok(failed > 500, "%u allocations failed", failed);
	return done();
}
