// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The keeper dies with all it knows, the kernel's SAs go on: RESTART.md's tier 3. A new IKE SA is
 * made beside the one that the peer still has, whatever the peer's "unique" says, and what that
 * costs in packets is printed.
 */
#include <linux/ipsecvti.h>

#include "sim.h"
#include "tap.h"

#define EVERY_MS	10	/* a packet each way */

static const char * const uniques[] = {
	[UNIQUE_REPLACE_LATE] = "replace-late", [UNIQUE_REPLACE] = "replace",
	[UNIQUE_KEEP] = "keep", [UNIQUE_NO] = "no",
};

/* Counts what a peer must never hear: unprotected notifies. */
static bool watch(struct sim *s, int from, uint8_t *msg, size_t *len)
{
	s->tap_n += !from && *len > 28 && msg[16] == PAYLOAD_NOTIFY && msg[18] != EXCHANGE_IKE_SA_INIT;
	return false;
}

static struct sim *up(uint64_t seed, enum tunnel_unique unique, bool nat)
{
	struct sim *s = sim_new(seed);

	if (nat)
		sim_nat(s, 0);
	for (int i = 0; i < 2; i++) {
		s->side[i].t.dpd_seconds = 20;
		s->side[i].t.child_seconds = 600;
	}
	s->side[1].t.unique = (uint8_t)unique;
	s->tap = watch;
	s->down_ms = 1000;
	sim_start(s);
	sim_up(s, 5000);
	sim_run(s, 1000);
	sim_traffic(s, EVERY_MS);
	sim_run(s, 1000);
	return s;
}

static void t_beside(void)
{
	for (int nat = 0; nat < 2; nat++) {
		for (int unique = UNIQUE_REPLACE_LATE; unique <= UNIQUE_NO; unique++) {
			const char *what = uniques[unique], *where = nat ? "behind a NAT" : "no NAT";
			struct sim *s = up((uint64_t)unique, (enum tunnel_unique)unique, nat);
			uint64_t spi = sim_main(s, 1)->r.spi_i;

			sim_logged("");
			sim_kill_keeper(s, 0);
			sim_run(s, 20000);
			ok(sim_main(s, 1) && sim_main(s, 1)->r.spi_i != spi, "unique = %s, %s: a new IKE SA",
			   what, where);
			sim_run(s, 100000);
			ok(!sim_lost(s), "%s, %s: %llu of %llu packets lost", what, where,
			   (unsigned long long)sim_lost(s),
			   (unsigned long long)(s->side[0].sent + s->side[1].sent));
			ok(!sim_logged("INITIAL_CONTACT") && !s->tap_n,
			   "%s, %s: no INITIAL_CONTACT, nothing said of the lost one", what, where);
			ok(sim_main(s, 1)->r.remote.port == (nat ? 24500 : 500), "%s, %s: from port %u", what,
			   where, sim_main(s, 1)->r.remote.port);
			/* The old inbound SA stays to its limit; "no" leaves the IKE SA to its own. */
			sim_run(s, unique == UNIQUE_NO ? 9 * 3600 * 1000ull : 700000);
			ok(!sim_lost(s) && sim_settled(s), "%s, %s: nothing is left of the old one", what,
			   where);
			sim_free(s);
		}
	}
}

/* What nobody knows any more goes with the tunnel. */
static void t_down(void)
{
	struct sim *s = up(50, UNIQUE_NO, false);

	sim_kill_keeper(s, 0);
	sim_run(s, 20000);
	ok(sim_count(s, 0) > 2, "the old inbound SA is there, too: %u", sim_count(s, 0));
	sim_traffic(s, 0);
	peer_down(sim_peer(s, 0));
	sim_run(s, 10000);
	ok(!sim_count(s, 0), "the tunnel is taken down: no SA is left");
	sim_free(s);
}

/* Without a packet that tells of the new one the old one stays a little longer. */
static void t_idle(void)
{
	for (int unique = UNIQUE_REPLACE_LATE; unique <= UNIQUE_NO; unique++) {
		struct sim *s = up(30 + (uint64_t)unique, (enum tunnel_unique)unique, false);
		uint32_t child = sim_out(s, 1)->n.child_id;
		bool at_once = unique == UNIQUE_REPLACE;

		sim_traffic(s, 0);
		sim_kill_keeper(s, 0);
		sim_run(s, 10000);
		ok((sim_out(s, 1)->n.child_id != child) == at_once, "unique = %s, no traffic: %s",
		   uniques[unique], at_once ? "the new one takes over at once" : "the old one goes on");
		sim_run(s, 40000);
		ok(sim_out(s, 1)->n.child_id != child, "then the new one carries");
		sim_run(s, unique == UNIQUE_NO ? 9 * 3600 * 1000ull : 700000);
		ok(sim_settled(s), "settled");
		sim_free(s);
	}
}

/* Who answers has keys first, and a packet may overtake the answer. */
static void t_larval(void)
{
	uint64_t lost[2] = { 0, 0 };

	for (int without = 0; without < 2; without++) {
		for (uint64_t i = 0; i < 10; i++) {
			struct sim *s = up(70 + i, UNIQUE_REPLACE, false);

			s->jitter = 60;
			s->no_larval = without;
			sim_kill_keeper(s, 0);
			sim_run(s, 20000);
			lost[without] += sim_lost(s);
			sim_free(s);
		}
	}
	ok(!lost[0], "packets that overtake the answer: %llu lost", (unsigned long long)lost[0]);
	ok(lost[1], "control: without larval hold %llu", (unsigned long long)lost[1]);
}

/* From another port: a peer that keeps what it has turns us away until that is at its end. */
static void t_kept(void)
{
	struct sim *s = up(8, UNIQUE_KEEP, false);
	uint64_t made = s->now, spi = sim_main(s, 1)->r.spi_i, lost;

	sim_main(s, 1)->r.dpd_at = 0;
	s->side[1].t.dpd_seconds = 0;
	peer_set(s->side[1].ike, &s->side[1].t);
	s->side[0].t.local_port = 1500;
	sim_logged("");
	sim_kill_keeper(s, 0);
	sim_run(s, 500000);
	ok(sim_main(s, 1)->r.spi_i == spi, "unique = keep, another port: refused");
	ok(sim_logged("peer refuses IKE_AUTH") >= 20, "again and again");
	ok(!sim_lost(s), "no packet lost meanwhile");
	sim_logged("");
	sim_run(s, made + 535000 - s->now);
	ok(!sim_logged("INITIAL_CONTACT"), "no INITIAL_CONTACT while a tenth of their life is left");
	sim_run(s, 30000);
	lost = sim_lost(s);
	ok(sim_logged("INITIAL_CONTACT") && sim_main(s, 1)->r.spi_i != spi,
	   "then a new IKE SA, by INITIAL_CONTACT");
	ok(lost < 20, "%llu packets lost, %llu ms of them", (unsigned long long)lost,
	   (unsigned long long)lost * EVERY_MS / 2);
	sim_run(s, 100000);
	ok(sim_lost(s) == lost, "and none more");
	sim_run(s, 700000);
	ok(sim_settled(s), "settled");
	sim_free(s);

	/* Its liveness check ends the old one before that: the next try comes soon. */
	s = up(9, UNIQUE_KEEP, false);
	s->side[0].t.local_port = 1500;
	sim_kill_keeper(s, 0);
	sim_run(s, 300000);
	lost = sim_lost(s);
	ok(!sim_logged("INITIAL_CONTACT") && sim_main(s, 0) && sim_main(s, 1)->r.remote.port == 1500,
	   "the peer's liveness check has ended the old one: taken without INITIAL_CONTACT");
	ok(lost < 2 * 25000 / EVERY_MS, "%llu packets lost, %llu ms of them", (unsigned long long)lost,
	   (unsigned long long)lost * EVERY_MS / 2);
	sim_free(s);

	/* Nothing is left of ours: then at the second try. */
	s = up(10, UNIQUE_KEEP, false);
	s->side[0].t.local_port = 1500;
	sim_kernel_forget(s, 0);
	sim_kill_keeper(s, 0);
	sim_run(s, 20000);
	ok(sim_logged("INITIAL_CONTACT") == 1 && sim_main(s, 1) && sim_main(s, 0) &&
	   sim_main(s, 1)->r.spi_i == sim_main(s, 0)->r.spi_i,
	   "the machine came up anew: a second try says INITIAL_CONTACT");
	sim_traffic(s, 0);
	sim_run(s, 100000);
	ok(sim_settled(s), "settled");
	sim_free(s);
}

/* Who only answers waits: the peer notices, and connects. */
static void t_waits(void)
{
	struct sim *s = up(10, UNIQUE_REPLACE_LATE, false);
	uint64_t spi = sim_main(s, 0)->r.spi_i, lost;

	sim_kill_keeper(s, 1);
	sim_run(s, 30000);
	ok(!sim_lost(s) && sim_main(s, 0)->r.spi_i == spi && !sim_main(s, 1),
	   "the answering side's keeper dies: its SAs go on");
	ok(strstr(s->side[1].note, "the IKE SA was lost") != NULL, "it says: %s", s->side[1].note);
	sim_run(s, 300000);
	lost = sim_lost(s);
	ok(sim_main(s, 1) && sim_main(s, 0) && sim_main(s, 0)->r.spi_i != spi, "the peer connects anew");
	ok(lost < 200, "%llu packets lost, %llu ms of them", (unsigned long long)lost,
	   (unsigned long long)lost * EVERY_MS / 2);
	sim_run(s, 700000);
	ok(sim_lost(s) == lost && sim_settled(s), "none more; settled");
	sim_free(s);
}

/* The peer puts a third one beside them, as strongSwan does when its liveness check fails. */
static void t_third(void)
{
	for (int i = 0; i < 10; i++) {
		struct sim *s = up(20 + (uint64_t)i, UNIQUE_REPLACE_LATE, false);

		s->side[0].t.start = s->side[1].t.start = START_INITIATE;
		sim_kill_keeper(s, 0);
		sim_run(s, 1000 + (uint64_t)i * 15);
		sim_order(s, 1, SIM_RECONNECT);
		sim_run(s, 2000);
		sim_order(s, 1, SIM_RECONNECT);
		sim_run(s, 11000);
		ok(sim_sas(s, 0, SA_UP) <= 2 && sim_sas(s, 1, SA_UP) <= 2,
		   "a third one beside them, and a fourth, case %d: soon %u and %u are left", i,
		   sim_sas(s, 0, SA_UP), sim_sas(s, 1, SA_UP));
		sim_run(s, 120000);
		ok(!sim_lost(s), "the peer reconnects meanwhile, case %d: %llu packets lost", i,
		   (unsigned long long)sim_lost(s));
		sim_run(s, 700000);
		ok(sim_settled(s), "one of each is left");
		sim_free(s);
	}
}

int main(int argc, char **argv)
{
	sim_verbose = argc > 1;
	t_beside();
	t_idle();
	t_down();
	t_larval();
	t_kept();
	t_waits();
	t_third();
	return done();
}
