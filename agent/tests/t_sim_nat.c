// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A NAT before either side or both: where ESP and IKE go to, mappings that
 * change, keepalives (RFC 7296 2.23, RFC 3948).
 */
#include <sys/socket.h>

#include <linux/ipsecvti.h>

#include "addr.h"
#include "sim.h"
#include "tap.h"

static void t_nat(void)
{
	for (int nat = 1; nat < 4; nat++) {
		struct sim *s = sim_new((uint64_t)nat);

		/* Whoever is behind a NAT must be the one that starts. */
		if (nat & 1)
			sim_nat(s, 0);
		if (nat & 2) {
			sim_nat(s, 1);
			s->side[1].nat = s->side[1].addr;
			s->side[0].t.remote[0] = s->side[1].addr;
			s->side[1].nat.family = 0;
			s->side[0].t.force_encap = true;
		}
		sim_start(s);
		ok(sim_up(s, 5000), "NAT case %d: up", nat);
		ok(s->side[0].endpoint.encap && s->side[1].endpoint.encap, "ESP in UDP");
		ok(s->side[0].endpoint.local.port == 4500 && s->side[0].endpoint.remote.port == 4500,
		   "port 4500");
		ok(s->side[1].endpoint.remote.port == (nat & 1 ? 24500 : 4500),
		   "the responder sees port %u", s->side[1].endpoint.remote.port);
		sim_run(s, 5000);
		ok(sim_settled(s), "settled");
		sim_free(s);
	}
	struct sim *s = sim_new(9);

	sim_start(s);
	sim_up(s, 5000);
	ok(!s->side[0].endpoint.encap && !s->side[1].endpoint.encap, "no NAT: native ESP");
	sim_free(s);
}

/* The last request of the left, as its NAT lets it out. */
static struct {
	size_t len;
	uint8_t msg[4096];
} last;

static bool keep_last(struct sim *s, int from, uint8_t *msg, size_t *len)
{
	if (from == 0 && *len <= sizeof(last.msg)) {
		last.len = *len;
		memcpy(last.msg, msg, *len);
	}
	return false;
}

static struct sim *behind_nat(uint64_t seed, bool traffic)
{
	struct sim *s = sim_new(seed);

	sim_nat(s, 0);
	sim_start(s);
	sim_up(s, 5000);
	if (traffic)
		sim_traffic(s, 10);
	sim_run(s, 1000);
	return s;
}

static bool goes_to(struct sim *s, uint16_t port)
{
	return s->side[1].endpoint.remote.port == port && sim_main(s, 1)->r.remote.port == port;
}

static void t_rebinding(void)
{
	struct door_event ev = { .type = IPSECVTI_EVENT_TYPE_PEER_MOVED };
	struct addr there, elsewhere = addr_make(AF_INET, "\xc6\x33\x64\x09", 4500);
	struct sim *s = behind_nat(1, true);
	uint64_t lost = sim_lost(s);

	ok(goes_to(s, 24500) && !lost, "a NAT before the left, nothing lost");
	s->side[0].nat_shift = 30000;
	sim_run(s, 200);
	ok(goes_to(s, 34500), "another mapping: ESP and IKE go there");
	ok(s->side[1].lost && s->side[1].lost < 10, "%llu packets were lost, what was on its way",
	   (unsigned long long)s->side[1].lost);
	lost = sim_lost(s);
	sim_rekey(s, 1, false);
	sim_run(s, 10000);
	sim_rekey(s, 0, true);
	sim_run(s, 10000);
	ok(sim_lost(s) == lost && sim_main(s, 0)->r.child_rekeys == 1 &&
	   sim_main(s, 0)->r.ike_rekeys == 1, "rekeyed by either side, nothing more lost");
	sim_kill(s, 1);
	s->side[0].nat_shift = 40000;
	sim_run(s, 2000);
	ok(goes_to(s, 44500), "moved while the process was dead");
	ok(sim_settled(s), "settled");
	sim_free(s);

	s = behind_nat(2, false);
	s->tap = keep_last;
	s->side[0].nat_shift = 30000;
	sim_rekey(s, 0, false);
	sim_run(s, 1000);
	ok(goes_to(s, 34500) && sim_main(s, 0)->r.child_rekeys == 1,
	   "without traffic: moved by an IKE message");
	s->tap = NULL;
	elsewhere.port = 7;
	ike_input(s->side[1].ike, &sim_main(s, 1)->r.local, &elsewhere, true, last.msg, last.len);
	ok(goes_to(s, 34500), "the same message again, from elsewhere, moves nobody");
	ok(addr_equal(&s->side[1].sent_to, &elsewhere), "but is answered where it came from");
	there = s->side[0].endpoint.remote;
	ev.tunnel = s->side[0].t.id;
	ev.from = there;
	ev.from.port = 4501;
	peer_event(s->side[0].ike, &ev);
	ok(addr_equal(&s->side[0].endpoint.remote, &there) &&
	   addr_equal(&sim_main(s, 0)->r.remote, &there), "who is behind the NAT does not follow");
	ev.tunnel = s->side[1].t.id;
	ev.from = elsewhere;
	ev.from.port = 0;
	peer_event(s->side[1].ike, &ev);
	ok(goes_to(s, 34500), "nor does native ESP say where UDP goes to");
	sim_free(s);

	s = sim_new(3);
	sim_start(s);
	sim_up(s, 5000);
	there = s->side[1].endpoint.remote;
	ev.from = elsewhere;
	peer_event(s->side[1].ike, &ev);
	ok(addr_equal(&s->side[1].endpoint.remote, &there) &&
	   addr_ip_equal(&sim_main(s, 1)->r.remote, &there), "without a NAT nobody is followed");
	sim_free(s);
}

/* Keepalives of each side. */
static unsigned int keepalives[2];

static bool count_keepalives(struct sim *s, int from, uint8_t *msg, size_t *len)
{
	keepalives[from] += *len == 1 && *msg == 0xff;
	return false;
}

static void t_keepalives(void)
{
	struct sim *s = behind_nat(4, true);

	s->tap = count_keepalives;
	sim_run(s, 61000);
	ok(keepalives[0] == 3, "%u keepalives in a minute from behind a NAT", keepalives[0]);
	ok(addr_equal(&s->side[0].sent_to, &s->side[0].endpoint.remote), "to where ESP goes");
	sim_kill(s, 0);
	sim_run(s, 61000);
	ok(s->side[0].restarts == 1 && keepalives[0] >= 5,
	   "%u after a second one in which the process died", keepalives[0]);
	ok(!keepalives[1], "none from outside");
	s->side[0].nat_shift = 30000;
	sim_traffic(s, 0);
	sim_run(s, 25000);
	ok(sim_main(s, 1)->r.remote.port == 24500, "they prove nothing: who sees one follows nobody");
	sim_free(s);

	keepalives[0] = keepalives[1] = 0;
	s = sim_new(5);
	s->tap = count_keepalives;
	sim_start(s);
	ok(sim_up(s, 5000), "no NAT");
	sim_run(s, 61000);
	ok(!keepalives[0] && !keepalives[1], "none without a NAT");
	sim_free(s);
}

int main(int argc, char **argv)
{
	sim_verbose = argc > 1;
	t_nat();
	t_rebinding();
	t_keepalives();
	return done();
}
