// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Faults to order: every exchange, request and answer, dropped, doubled,
 * delayed, put behind the next and corrupted, sent by either side; every call
 * of the kernel and of the keeper failing. The tunnel comes up, rekeys both its
 * SAs and loses nothing.
 */
#include "fault.h"
#include "sim.h"
#include "tap.h"

static bool rekeyed(struct sim *s)
{
	struct sa *a = sim_main(s, 0), *b = sim_main(s, 1);

	return a && b && a->r.child_rekeys >= 1 && b->r.child_rekeys >= 1 &&
	       a->r.ike_rekeys >= 1 && b->r.ike_rekeys >= 1;
}

static void wish(struct sim *s, int side, bool ike)
{
	for (int i = 0; i < 3 && !rekeyed(s); i++) {
		sim_rekey(s, side, ike);
		sim_run(s, 20000);
		if (ike ? sim_main(s, 0) && sim_main(s, 0)->r.ike_rekeys :
			  sim_main(s, 0) && sim_main(s, 0)->r.child_rekeys)
			return;
	}
}

/*
 * Both sides from nothing to rekeyed with these rules at one of them. Returns how often a rule was
 * obeyed; fills lost and whether all is well in the end.
 */
static unsigned int life(const char *rules, int side, uint64_t *lost, bool *good)
{
	struct sim *s = sim_new(5);
	unsigned int hits;

	s->side[0].t.start = START_RESPOND;
	s->corrupts = !strncmp(rules, "corrupt", 7);
	sim_start(s);
	if (fault_set(s->side[side].ike, rules) < 0)
		abort();
	sim_enter(s, 0);
	peer_up(sim_peer(s, 0));
	sim_enter(s, -1);
	*good = sim_up(s, 60000);
	sim_run(s, 2000);
	s->side[0].lost = s->side[1].lost = 0;
	sim_traffic(s, 10);
	sim_run(s, 1000);
	wish(s, 0, false);
	wish(s, 1, true);
	sim_run(s, 100000);
	*lost = sim_lost(s);
	sim_traffic(s, 0);
	sim_run(s, 30000);
	*good = *good && rekeyed(s) && sim_settled(s);
	hits = fault_hits(s->side[side].ike);
	sim_free(s);
	return hits;
}

static void t_messages(void)
{
	static const char *const what[] = { "drop", "duplicate", "delay", "reorder", "corrupt" };
	static const char *const exchanges[] = {
		"IKE_SA_INIT", "IKE_AUTH", "CREATE_CHILD_SA", "INFORMATIONAL",
	};
	static const char *const kinds[] = { "request", "response" };

	for (size_t w = 0; w < 5; w++) {
		unsigned int runs = 0, hits = 0, bad = 0, lossy = 0;

		for (size_t e = 0; e < 4; e++) {
			for (int i = 0; i < 8; i++) {
				const char *kind = kinds[i & 1], *in = i & 2 ? ":in" : "";
				int side = i >> 2;
				unsigned int n;
				uint64_t lost;
				char rule[80];
				bool good;

				snprintf(rule, sizeof(rule), "%s:%s:%s%s", what[w], exchanges[e],
					 kind, in);
				n = life(rule, side, &lost, &good);
				/* The first exchanges have one side that asks. */
				if (!n && e < 2)
					continue;
				runs++;
				hits += n;
				bad += !good;
				lossy += lost != 0;
				if (!good || lost || n != 1)
					printf("# %s at %d: %u times, %llu lost\n", rule, side, n,
					       (unsigned long long)lost);
			}
		}
		ok(runs == 24 && hits == runs, "%s: %u messages, each once (%u)", what[w], runs, hits);
		ok(!bad, "all come up, rekey and settle (%u do not)", bad);
		ok(!lossy, "no packet lost (%u lose some)", lossy);
	}
}

static void t_calls(void)
{
	static const char *const calls[] = {
		"auth_mac", "auth_verify", "spi_alloc", "sa_new", "sa_del", "out_set", "sa_list",
		"endpoint",
	};

	for (size_t c = 0; c < sizeof(calls) / sizeof(calls[0]); c++) {
		unsigned int runs = 0, bad = 0, lossy = 0;

		for (int i = 0; i < 12; i++) {
			int side = i & 1;
			uint64_t lost;
			char rule[40];
			bool good;

			snprintf(rule, sizeof(rule), "fail:%s:%d", calls[c], 1 + i / 2);
			if (!life(rule, side, &lost, &good))
				continue;
			runs++;
			bad += !good;
			lossy += lost != 0;
			if (!good || lost)
				printf("# %s at %d: %llu lost\n", rule, side,
				       (unsigned long long)lost);
		}
		ok(runs, "%s fails in %u places", calls[c], runs);
		ok(!bad, "all come up, rekey and settle (%u do not)", bad);
		ok(!lossy, "no packet lost (%u lose some)", lossy);
	}
}

static void t_rules(void)
{
	static const char *const wrong[] = {
		"dropp:IKE_AUTH:request", "drop", "drop:IKE_AUTH", "drop:IKE_AUTH:request:soon", "fail",
		"drop:IKE_AUTH:request:1x", "fail:sa_new:1,fail",
	};
	struct sim *s = sim_new(6);
	struct ike *ike;

	s->side[0].t.start = START_RESPOND;
	sim_start(s);
	ike = s->side[0].ike;
	ok(fault_set(ike, "") == 0, "no rule");
	ok(fault_set(ike, "drop:IKE_AUTH:request,fail:sa_new:2,delay:any:response:in:0:20") == 3,
	   "three rules");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		ok(fault_set(ike, wrong[i]) == -1, "\"%s\" makes no sense", wrong[i]);

	/* Each one: nothing gets through. */
	fault_set(ike, "drop:any:request:0");
	sim_enter(s, 0);
	peer_up(sim_peer(s, 0));
	sim_enter(s, -1);
	ok(!sim_up(s, 60000) && fault_hits(ike) > 5 && !s->side[0].datagrams,
	   "each of them: %u requests dropped, none left", fault_hits(ike));
	fault_set(ike, "");
	ok(sim_up(s, 600000), "without the rule it comes up");
	sim_free(s);

	/* As the first process of the daemon would have it. */
	setenv("IPSECVTI_IMPAIR", "drop:IKE_AUTH:request", 1);
	s = sim_new(7);
	sim_start(s);
	ok(!sim_up(s, 1000) && sim_up(s, 10000) && fault_hits(s->side[0].ike) == 1,
	   "from the environment");
	sim_free(s);
	unsetenv("IPSECVTI_IMPAIR");
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} tests[] = {
		{ "rules", t_rules }, { "messages", t_messages }, { "calls", t_calls },
	};

	sim_verbose = argc > 2;
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		if (argc < 2 || !strcmp(argv[1], tests[i].name))
			tests[i].run();
	return done();
}
