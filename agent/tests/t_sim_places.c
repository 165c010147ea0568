// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Where the two ends are: several addresses of either side in order, and a
 * peer whose addresses change while the tunnel is up, down or coming up.
 */
#include "addr.h"
#include "sim.h"
#include "tap.h"

static struct addr at(const char *text)
{
	struct addr a;

	if (addr_parse(&a, text))
		abort();
	return a;
}

/* In what order the left side tried which addresses. */
static char tried[2048];

static bool note_init(struct sim *s, int from, uint8_t *msg, size_t *len)
{
	char a[ADDR_TEXT_MAX], b[ADDR_TEXT_MAX], pair[2 * ADDR_TEXT_MAX];
	struct sim_side *side = &s->side[0];

	if (from || msg[18] != EXCHANGE_IKE_SA_INIT)
		return false;
	snprintf(pair, sizeof(pair), "%s>%s ", addr_format_ip(&side->sent_from, a, sizeof(a)),
		 addr_format_ip(&side->sent_to, b, sizeof(b)));
	/* A retransmission is no new try. */
	if (strlen(tried) >= strlen(pair) &&
	    !strcmp(tried + strlen(tried) - strlen(pair), pair))
		return false;
	if (strlen(tried) + strlen(pair) < sizeof(tried))
		strcat(tried, pair);
	return false;
}

static struct sim *begin(uint64_t seed)
{
	struct sim *s = sim_new(seed);

	tried[0] = 0;
	s->tap = note_init;
	s->tries = 2;
	s->side[0].aside = at("192.0.2.9");
	return s;
}

static void t_order(void)
{
	struct sim *s = begin(1);
	struct tunnel *t = &s->side[0].t;

	t->n_local = t->n_remote = 2;
	t->local[0] = s->side[0].aside;
	t->local[1] = s->side[0].addr;
	t->remote[0] = at("198.51.100.1");
	t->remote[1] = s->side[1].addr;
	sim_start(s);
	ok(sim_up(s, 60000), "the last of four pairs of addresses is the one that works");
	is_str(tried, "192.0.2.9>198.51.100.1 192.0.2.1>198.51.100.1 192.0.2.9>192.0.2.2 "
	       "192.0.2.1>192.0.2.2 ", "each in its turn");
	sim_free(s);
}

static void t_absent(void)
{
	struct sim *s = begin(2);
	struct tunnel *t = &s->side[0].t;

	t->n_local = 3;
	t->local[0] = at("192.0.2.77");
	t->local[1] = at("2001:db8::1");
	t->local[2] = s->side[0].addr;
	sim_start(s);
	ok(sim_up(s, 1000), "a local address that is not here costs no time");
	is_str(tried, "192.0.2.1>192.0.2.2 ", "nor is anything sent from it");
	sim_free(s);

	/* A floating address that is elsewhere at first. */
	s = begin(3);
	t = &s->side[0].t;
	t->local[0] = at("192.0.2.77");
	sim_start(s);
	sim_run(s, 600000);
	ok(!*tried && !sim_out(s, 0), "while its only address is elsewhere the tunnel waits");
	is_str(s->side[0].note, "no local address towards the peer", "and says why");
	s->side[0].addr = t->local[0];
	s->side[1].t.remote[0] = t->local[0];
	peer_set(s->side[1].ike, &s->side[1].t);
	ok(sim_up(s, 10000), "it is up some seconds after the address has come");
	sim_free(s);
}

static bool no_sa(struct sim *s)
{
	return !sim_main(s, 0);
}

static void t_failover(void)
{
	struct sim *s = begin(4);
	struct addr old = s->side[1].addr;
	struct tunnel *t = &s->side[0].t;

	t->dpd_seconds = 10;
	t->n_remote = 2;
	t->remote[1] = at("192.0.2.3");
	s->side[1].t.n_local = 2;
	s->side[1].t.local[1] = t->remote[1];
	sim_start(s);
	ok(sim_up(s, 5000), "up with the first address");
	sim_run(s, 1000);
	s->side[1].addr = t->remote[1];
	ok(sim_until(s, 60000, no_sa), "the first address goes");
	tried[0] = 0;
	ok(sim_up(s, 60000), "up with the second");
	is_str(tried, "192.0.2.1>192.0.2.2 192.0.2.1>192.0.2.3 ", "after another try of the first");
	s->side[1].addr = old;
	ok(sim_until(s, 60000, no_sa), "back again");
	tried[0] = 0;
	ok(sim_up(s, 60000), "up with the first");
	is_str(tried, "192.0.2.1>192.0.2.2 ", "which is tried first");
	sim_free(s);
}

/* The keeper found the peer's name under other addresses. */
static void tell(struct sim *s, const char *first, const char *second)
{
	struct tunnel *t = &s->side[0].t;

	memset(t->remote, 0, sizeof(t->remote));
	t->n_remote = second ? 2 : 1;
	t->remote[0] = at(first);
	if (second)
		t->remote[1] = at(second);
	sim_enter(s, 0);
	peer_set(s->side[0].ike, t);
	sa_reap(s->side[0].ike);
	sim_enter(s, -1);
}

static void t_moved(void)
{
	struct sim *s = begin(5);
	struct sa *sa;

	/* While it comes up. */
	s->side[0].t.remote[0] = at("198.51.100.1");
	s->tries = 6;
	sim_start(s);
	sim_run(s, 500);
	tell(s, "192.0.2.2", NULL);
	ok(sim_up(s, 500), "the attempt at an address that the peer has no more ends at once");
	sim_run(s, 5000);
	ok(sim_settled(s), "and leaves nothing");

	/* While it is up. */
	sa = sim_main(s, 0);
	tell(s, "192.0.2.3", "192.0.2.2");
	sim_run(s, 5000);
	ok(sim_main(s, 0) == sa, "another address beside the one in use: nothing happens");
	tell(s, "192.0.2.2", "192.0.2.3");
	sim_run(s, 5000);
	ok(sim_main(s, 0) == sa && sim_settled(s), "nor when their order turns");
	s->side[1].t.n_local = 2;
	s->side[1].t.local[1] = at("192.0.2.3");
	peer_set(s->side[1].ike, &s->side[1].t);
	sim_run(s, 5000);
	sim_traffic(s, 10);
	s->side[1].addr = at("192.0.2.3");
	tried[0] = 0;
	tell(s, "192.0.2.3", NULL);
	sim_run(s, 500);
	is_str(tried, "192.0.2.1>192.0.2.3 ", "the address in use is gone: the new one, at once");
	ok(sim_out(s, 0) && addr_ip_equal(&s->side[0].endpoint.remote, &s->side[1].addr),
	   "the kernel sends there");
	sim_run(s, 60000);
	ok(!sim_lost(s), "no packet lost of %llu",
	   (unsigned long long)(s->side[0].sent + s->side[1].sent));
	sim_traffic(s, 0);
	sim_run(s, 5000);
	ok(sim_settled(s), "settled");
	sim_free(s);

	/* While it is down and backing off. */
	s = begin(6);
	s->side[0].t.remote[0] = at("198.51.100.1");
	s->side[0].t.retry_seconds = 3600;
	sim_start(s);
	sim_run(s, 20000);
	ok(!sim_sas(s, 0, -1), "backing off");
	tell(s, "192.0.2.2", NULL);
	ok(sim_up(s, 1000), "a new address is tried at once");
	sim_free(s);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} tests[] = {
		{ "order", t_order }, { "absent", t_absent }, { "failover", t_failover },
		{ "moved", t_moved },
	};

	sim_verbose = argc > 2;
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		if (argc < 2 || !strcmp(argv[1], tests[i].name))
			tests[i].run();
	return done();
}
