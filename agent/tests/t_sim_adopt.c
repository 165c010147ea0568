// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The network process dies and a new one takes over: at steps on its way up, at
 * random moments, over and over by one message, with the kernel's SAs lost.
 * t_sim_kill.c goes through all steps.
 */
#include <sanitizer/lsan_interface.h>

#include "sim.h"
#include "tap.h"
#include "ts.h"

static const char * const points[] = {
	"before-store", "in-store", "after-store", "before-send", "after-send", "before-install-in",
	"after-install-in", "before-install-out", "after-install-out", "before-switch",
	"after-switch", "after-mark", "before-unmark",
};

#define POINTS	(sizeof(points) / sizeof(points[0]))

static unsigned int seeds(unsigned int few, unsigned int many)
{
	const char *l = getenv("IPSECVTI_LONG");

	return l && *l == '1' ? many : few;
}

static struct sim *up(uint64_t seed)
{
	struct sim *s = sim_new(seed);
	const char *why;

	s->side[0].t.dpd_seconds = s->side[1].t.dpd_seconds = 20;
	s->tries = 10;
	/* Narrowed, so that a successor must know to what. */
	s->side[1].t.n_local_ts = 1;
	ts_parse(&s->side[1].t.local_ts[0], "10.2.0.0/16", &why);
	sim_start(s);
	sim_up(s, 5000);
	sim_run(s, 1000);
	sim_traffic(s, 10);
	return s;
}

/* While the tunnel comes up nothing is promised but that it does in the end. */
static void t_bringup(void)
{
	unsigned int bad = 0, hit = 0;

	for (size_t p = 0; p < POINTS; p++) {
		for (int victim = 0; victim < 2; victim++) {
			for (unsigned int nth = 1; nth <= 4; nth++) {
				struct sim *s = sim_new(p * 8 + nth);

				s->side[0].t.retry_seconds = 2;
				sim_start(s);
				s->kill_side = victim;
				s->kill_nth = nth;
				s->kill_point = points[p];
				__lsan_disable();
				sim_run(s, 20000);
				__lsan_enable();
				s->kill_point = NULL;
				hit += s->killed;
				/* What was installed and never announced goes after a while. */
				sim_run(s, 400000);
				if (!sim_settled(s)) {
					bad++;
					printf("# kill %c at %s, time %u\n", 'a' + victim, points[p], nth);
				}
				sim_free(s);
			}
		}
	}
	ok(!bad, "killed while coming up: %u kills, %u bad", hit, bad);
}

/* At any moment, on a bad link, during anything. */
static void t_random(void)
{
	unsigned int n = seeds(20, 500), bad = 0, lost = 0;

	for (unsigned int i = 0; i < n; i++) {
		struct sim *s = up(500 + i);
		int victim = (int)(i & 1);

		s->jitter = 40;
		s->loss = 10;
		s->loss_run = 1;
		for (int k = 0; k < 4; k++) {
			sim_rekey(s, sim_random(s) % 2, sim_random(s) % 2);
			sim_run(s, sim_random(s) % 200);
			s->down_ms = 20 + sim_random(s) % 500;
			sim_kill(s, victim);
			sim_run(s, 15000);
		}
		sim_run(s, 60000);
		lost += sim_lost(s) != 0;
		bad += s->side[!victim].ike->n.ike_up != 1;
		sim_traffic(s, 0);
		s->loss = 0;
		sim_run(s, 200000);
		if (!sim_settled(s)) {
			printf("# seed %u\n", 500 + i);
			bad++;
		}
		sim_free(s);
	}
	ok(!bad, "killed four times at random moments: %u of %u bad", bad, n);
	ok(!lost, "no packet lost (%u runs lost some)", lost);
}

static void t_control(void)
{
	struct sim *s = up(1);
	uint32_t unique = sim_main(s, 1)->r.unique;

	s->no_adopt = true;
	sim_kill(s, 0);
	sim_run(s, 100000);
	ok(!sim_main(s, 1) || sim_main(s, 1)->r.unique != unique || s->side[1].ike->n.ike_up != 1,
	   "control: without adoption the peer sees another IKE SA");
	sim_free(s);
}

/* The kernel lost the SAs while net was dead: the peer is told, a new child comes. */
static void t_kernel_lost(void)
{
	struct sim *s = up(2);

	sim_traffic(s, 0);
	s->down_ms = 500;
	sim_kill(s, 0);
	sim_kernel_forget(s, 0);
	sim_run(s, 100000);
	ok(sim_settled(s), "kernel SAs lost: replaced under the same IKE SA");
	ok(s->side[1].ike->n.ike_up == 1, "the IKE SA stays");
	sim_free(s);
}

static void t_poison(void)
{
	struct sim *s = up(3);

	s->kill_side = 1;
	s->down_ms = 100;
	s->kill_point = "after-mark";
	s->kill_repeat = 3;
	__lsan_disable();
	sim_rekey(s, 0, false);
	sim_run(s, 30000);
	__lsan_enable();
	s->kill_point = NULL;
	ok(s->killed == 3, "one message killed the process three times");
	ok(s->side[1].ike->n.poisoned == 1, "then its record is dropped");
	sim_traffic(s, 0);
	sim_run(s, 400000);
	ok(sim_main(s, 0) && sim_main(s, 1) && sim_count(s, 1) == 3,
	   "a new IKE SA comes up; the kernel keeps the old inbound SA");
	sim_run(s, 3700000);
	ok(sim_settled(s), "to their hard limit");
	sim_free(s);
}

int main(int argc, char **argv)
{
	sim_verbose = argc > 1;
	t_bringup();
	t_random();
	t_control();
	t_kernel_lost();
	t_poison();
	return done();
}
