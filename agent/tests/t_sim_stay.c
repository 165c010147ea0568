// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What keeps a tunnel up for years: lifetimes with jitter, rekeys that are refused, the last resort
 * before a hard limit, reauthentication, peers that have forgotten a child, liveness checks and the
 * traffic that stretches them, peers that authenticate anew.
 */
#include <linux/ipsecvti.h>

#include "sim.h"
#include "tap.h"

/* SIM_SEED=n: that one only. */
static bool skipped(uint64_t seed)
{
	const char *only = getenv("SIM_SEED");

	return only && *only && strtoull(only, NULL, 10) != seed;
}

static struct sim *up(uint64_t seed)
{
	struct sim *s = sim_new(seed);

	sim_start(s);
	sim_up(s, 5000);
	sim_run(s, 1000);
	sim_traffic(s, 10);
	return s;
}

static bool quiet(struct sim *s)
{
	sim_traffic(s, 0);
	sim_run(s, 250000);
	return sim_settled(s);
}

static void none_lost(struct sim *s, const char *what)
{
	ok(!sim_lost(s), "%s: %llu of %llu packets lost", what, (unsigned long long)sim_lost(s),
	   (unsigned long long)(s->side[0].sent + s->side[1].sent));
}

/* --- lifetimes --- */

#define SEEDS	30
#define LIFE	1000	/* seconds */

static uint64_t first_rekey(uint64_t seed, bool ike)
{
	struct sim *s = sim_new(seed);
	uint64_t begin;
	uint32_t n;

	for (int i = 0; i < 2; i++) {
		s->side[i].t.child_seconds = ike ? 86400 : LIFE;
		s->side[i].t.ike_seconds = ike ? LIFE : 86400;
		s->side[i].t.dpd_seconds = 0;
	}
	sim_start(s);
	sim_up(s, 5000);
	begin = s->now;
	do {
		sim_run(s, 1000);
		n = ike ? sim_main(s, 0)->r.ike_rekeys : sim_main(s, 0)->r.child_rekeys;
	} while (!n && s->now - begin < LIFE * 1000);
	begin = s->now - begin;
	sim_free(s);
	return begin / 1000;
}

static void t_jitter(void)
{
	for (int ike = 0; ike < 2; ike++) {
		uint64_t at[SEEDS], low = LIFE, high = 0, sum = 0;
		unsigned int same = 0;

		for (unsigned int i = 0; i < SEEDS; i++) {
			at[i] = first_rekey(i + 1, ike);
			low = at[i] < low ? at[i] : low;
			high = at[i] > high ? at[i] : high;
			sum += at[i];
			for (unsigned int k = 0; k < i; k++)
				same += at[k] == at[i];
		}
		ok(low >= LIFE * 70 / 100 && high < LIFE * 94 / 100,
		   "%s of %u s: rekeyed after %llu to %llu s, %llu on average", ike ? "IKE SA" : "child",
		   LIFE, (unsigned long long)low, (unsigned long long)high,
		   (unsigned long long)sum / SEEDS);
		ok(high - low >= LIFE * 8 / 100 && same < SEEDS,
		   "and no two tunnels alike (%u pairs in a second)", same);
	}
}

/* --- rekeys that never work --- */

/* PFS with groups that have nothing in common: the first child needs none, no rekey ever works. */
static struct sim *mismatched(uint64_t seed)
{
	struct sim *s = sim_new(seed);

	sim_side_suites(s, 0, NULL, "aes128gcm16-x25519");
	sim_side_suites(s, 1, NULL, "aes128gcm16-ecp256");
	s->side[0].t.child_seconds = s->side[1].t.child_seconds = LIFE;
	sim_start(s);
	sim_up(s, 5000);
	sim_run(s, 1000);
	sim_traffic(s, 10);
	sim_logged("");
	return s;
}

static unsigned int refusals(struct sim *s)
{
	return sim_logged("exchange=\"child rekey\" answer=");
}

static void t_refused(void)
{
	struct sim *s = mismatched(1);
	unsigned int n;

	sim_run(s, LIFE * 1000 * 92 / 100);
	n = refusals(s);
	ok(n >= 3, "child rekeys refused: tried again %u times", n);
	ok(s->side[1].ike->n.ike_up == 1, "by one IKE SA");
	sim_run(s, LIFE * 1000 * 3);
	ok(s->side[1].ike->n.ike_up >= 4, "before each hard limit a new IKE SA: %llu of them",
	   (unsigned long long)s->side[1].ike->n.ike_up);
	none_lost(s, "over four hard limits");
	ok(quiet(s), "settled");
	sim_free(s);

	s = mismatched(2);
	s->side[0].ike->times.initiate_max = s->side[1].ike->times.initiate_max = 0;
	sim_run(s, LIFE * 1000 * 2);
	ok(sim_lost(s) > 0, "control: without them %llu packets are lost at the hard limit",
	   (unsigned long long)sim_lost(s));
	s->side[0].ike->times.initiate_max = 50;
	sim_run(s, 310000);
	s->side[0].lost = s->side[1].lost = 0;
	sim_run(s, 60000);
	none_lost(s, "a new IKE SA brings the child that this one could not");
	sim_free(s);
}

/* The peer says TEMPORARY_FAILURE to every rekey of the IKE SA, or of the child. */
static void t_busy(void)
{
	for (int ike = 0; ike < 2; ike++) {
		enum collide_peer what = ike ? PEER_IKE_REKEY : PEER_CHILD_REKEY;
		struct sim *s = sim_new(3);
		unsigned int n;

		for (int i = 0; i < 2; i++) {
			s->side[i].t.child_seconds = ike ? 86400 : LIFE;
			s->side[i].t.ike_seconds = ike ? LIFE : 86400;
		}
		sim_start(s);
		sim_up(s, 5000);
		sim_run(s, 1000);
		sim_traffic(s, 10);
		collide_set(OWN_NOTHING, what, ANSWER_BUSY);
		sim_order(s, 0, ike ? SIM_IKE_REKEY : SIM_CHILD_REKEY);
		sim_run(s, 30000);
		n = sim_main(s, 0)->r.busy;
		ok(n >= 3 && n <= 6, "TEMPORARY_FAILURE to each %s: %u tries in half a minute",
		   ike ? "IKE rekey" : "child rekey", n);
		collide_set(OWN_NOTHING, what, ANSWER);
		sim_run(s, 40000);
		ok((ike ? sim_main(s, 1)->r.ike_rekeys : sim_main(s, 1)->r.child_rekeys) == 1,
		   "done when the peer has time");
		ok(s->side[1].ike->n.ike_up == 1, "under the same IKE SA");
		collide_set(OWN_NOTHING, what, ANSWER_BUSY);
		sim_order(s, 0, ike ? SIM_IKE_REKEY : SIM_CHILD_REKEY);
		sim_run(s, 320000);
		ok(s->side[1].ike->n.ike_up == 2, "after five minutes of it a new IKE SA");
		sim_run(s, LIFE * 2000);
		none_lost(s, "over two hard limits");
		collide_set(OWN_NOTHING, what, ANSWER);
		ok(quiet(s), "settled");
		sim_free(s);
	}
}

/* --- reauthentication --- */

static void t_reauth(void)
{
	for (int who = 0; who < 4; who++) {
		struct sim *s = sim_new(4 + (uint64_t)who);
		uint64_t ups;

		s->side[0].t.reauth_seconds = who != 1 ? LIFE : 0;
		s->side[1].t.reauth_seconds = who != 0 ? LIFE : 0;
		s->side[0].t.ike_seconds = s->side[1].t.ike_seconds = LIFE * 7 / 10;
		if (who == 3)
			sim_nat(s, 0);
		sim_start(s);
		sim_up(s, 5000);
		sim_run(s, 1000);
		sim_traffic(s, 10);
		sim_run(s, LIFE * 3200);
		ups = s->side[1].ike->n.ike_up;
		ok(ups >= 4 && ups <= 5, "reauth by %s: %llu times authenticated",
		   who == 0 ? "the initiator" : who == 1 ? "the responder" :
		   who == 2 ? "both" : "both, one behind a NAT", (unsigned long long)ups);
		ok(s->side[1].ike->n.ike_rekeys >= 3, "%llu IKE rekeys do not put it off",
		   (unsigned long long)s->side[1].ike->n.ike_rekeys);
		none_lost(s, "make before break");
		ok(quiet(s), "settled");
		sim_free(s);
	}
}

/* A changed configuration counts at once; a peer that does not agree costs nothing. */
static void t_reauth_fails(void)
{
	struct sim *s = up(9);
	struct tunnel t = s->side[0].t;

	t.reauth_seconds = 100;
	peer_set(s->side[0].ike, &t);
	strcpy(s->side[0].psk[0], "another secret");
	sim_run(s, 300000);
	ok(sim_logged("an IKE SA ended beside the tunnel's own") >= 10,
	   "reauth with a secret that the peer does not know: tried again and again");
	ok(!sim_logged("tunnel is not up") && !sim_peer(s, 0)->failing, "which the tunnel does not mind");
	none_lost(s, "meanwhile");
	strcpy(s->side[0].psk[0], s->side[1].psk[0]);
	sim_run(s, 10000);
	ok(s->side[1].ike->n.ike_up == 2, "with the right one again it works");
	none_lost(s, "over it");
	ok(quiet(s), "settled");
	sim_free(s);
}

/* Both at the same moment, each wants to replace the one there is. */
static void t_both_reconnect(void)
{
	unsigned int bad = 0, lost = 0;

	for (uint64_t i = 0; i < 40; i++) {
		struct sim *s;

		if (skipped(100 + i))
			continue;
		s = up(100 + i);

		s->jitter = 40;
		sim_order(s, 0, SIM_RECONNECT);
		sim_run(s, sim_random(s) % 100);
		sim_order(s, 1, SIM_RECONNECT);
		sim_run(s, 60000);
		lost += sim_lost(s) != 0;
		if (sim_lost(s))
			printf("# seed %llu lost %llu\n", (unsigned long long)(100 + i),
			       (unsigned long long)sim_lost(s));
		if (!quiet(s)) {
			bad++;
			printf("# seed %llu\n", (unsigned long long)(100 + i));
		}
		sim_free(s);
	}
	ok(!bad, "both reconnect at once: %u of 40 did not settle", bad);
	ok(!lost, "no packet lost (%u runs lost some)", lost);
}

/* Whatever they are told to do with two of a kind, one of the two stays, and the same on both. */
static void t_both_connect(void)
{
	unsigned int bad = 0, lost = 0;

	for (uint64_t i = 0; i < 64; i++) {
		struct sim *s;

		if (skipped(200 + i))
			continue;
		s = sim_new(200 + i);
		s->jitter = 40;
		s->side[1].t.start = START_INITIATE;
		s->side[0].t.unique = (uint8_t)(i % 4);
		s->side[1].t.unique = (uint8_t)(i / 4 % 4);
		sim_start(s);
		sim_up(s, 60000);
		sim_run(s, 200);
		sim_traffic(s, 10);
		sim_run(s, 60000);
		lost += sim_lost(s) != 0;
		if (sim_lost(s))
			printf("# seed %llu lost %llu\n", (unsigned long long)(200 + i),
			       (unsigned long long)sim_lost(s));
		if (!quiet(s)) {
			bad++;
			printf("# seed %llu\n", (unsigned long long)(200 + i));
		}
		sim_free(s);
	}
	ok(!bad, "both connect at once, by every \"unique\": %u of 64 did not settle", bad);
	ok(!lost, "no packet lost once both are up (%u runs lost some)", lost);
}

/* --- a child that the peer has forgotten --- */

static void t_not_found(void)
{
	struct sim *s = up(10);
	struct ike_child *c = child_current(sim_main(s, 1), 0);

	/* Without a word, the kernel's SAs too. */
	sim_enter(s, 1);
	child_drop(sim_main(s, 1), c);
	sim_enter(s, -1);
	sim_order(s, 0, SIM_CHILD_REKEY);
	sim_run(s, 3000);
	ok(sim_logged("peer does not know the child SA any more") == 1, "CHILD_SA_NOT_FOUND");
	ok(sim_out(s, 0) && sim_out(s, 1), "a new child within seconds");
	ok(s->side[1].ike->n.ike_up == 1, "under the same IKE SA");
	ok(quiet(s), "settled");
	sim_free(s);
}

/* --- liveness --- */

static bool count_checks(struct sim *s, int from, uint8_t *msg, size_t *len)
{
	s->tap_n += !from && *len > 28 && msg[18] == EXCHANGE_INFORMATIONAL &&
		    !(msg[19] & IKE_FLAG_RESPONSE);
	return false;
}

static unsigned int checks(struct sim *s, uint64_t ms)
{
	s->tap = count_checks;
	s->tap_n = 0;
	sim_run(s, ms);
	return s->tap_n;
}

static struct sim *one_asks(uint64_t seed)
{
	struct sim *s = sim_new(seed);

	s->side[1].t.dpd_seconds = 0;
	sim_start(s);
	sim_up(s, 5000);
	sim_run(s, 1000);
	return s;
}

static void t_dpd(void)
{
	struct sim *s = one_asks(11);
	uint64_t begin;
	unsigned int n;

	n = checks(s, 900000);
	ok(n >= 29 && n <= 30, "without traffic one each 30 s: %u in 15 minutes", n);
	sim_traffic(s, 10);
	sim_run(s, 100000);
	n = checks(s, 900000);
	ok(n >= 10 && n <= 11, "traffic stretches that threefold: %u", n);
	sim_traffic(s, 0);
	sim_run(s, 30000);
	n = checks(s, 900000);
	ok(n >= 29 && n <= 30, "and no longer than it lasts: %u", n);

	/* The peer's process is dead, its kernel goes on sending. */
	sim_traffic(s, 10);
	sim_run(s, 100000);
	s->down_ms = 0;
	sim_kill(s, 1);
	begin = s->now;
	while (sim_sas(s, 0, SA_UP) && s->now - begin < 400000)
		sim_run(s, 1000);
	ok(s->now - begin >= 80000 && s->now - begin < 90000 + 85000,
	   "ESP goes on and IKE is dead: noticed after %llu s",
	   (unsigned long long)(s->now - begin) / 1000);
	ok(sim_peer(s, 0)->dpd_timeouts == 1, "and counted");
	sim_free(s);
}

/* A new interval counts at once, also where there was none. */
static void t_dpd_changes(void)
{
	struct sim *s = one_asks(12);
	unsigned int n;

	s->side[0].t.dpd_seconds = 0;
	peer_set(s->side[0].ike, &s->side[0].t);
	sim_run(s, 30000);
	n = checks(s, 300000);
	ok(!n, "dpd = off, read again: %u", n);
	s->side[0].t.dpd_seconds = 10;
	peer_set(s->side[0].ike, &s->side[0].t);
	n = checks(s, 100000);
	ok(n >= 9 && n <= 10, "dpd = 10s, read again: %u in 100 s", n);
	sim_free(s);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} tests[] = {
		{ "jitter", t_jitter }, { "refused", t_refused }, { "busy", t_busy },
		{ "reauth", t_reauth }, { "reauth_fails", t_reauth_fails },
		{ "both_reconnect", t_both_reconnect }, { "both_connect", t_both_connect },
		{ "not_found", t_not_found }, { "dpd", t_dpd },
		{ "dpd_changes", t_dpd_changes },
	};

	sim_verbose = argc > 2;
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		if (argc < 2 || !strcmp(argv[1], tests[i].name))
			tests[i].run();
	return done();
}
