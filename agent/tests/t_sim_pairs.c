// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * children = per-pair: several child SAs in one IKE SA, each with its pair of
 * selectors, each rekeyed, deleted, taken over and shown by itself. Numbered
 * packets go through all of them.
 */
#include <linux/ipsecvti.h>

#include "puppet.h"
#include "tap.h"

#define CHILD	EXCHANGE_CREATE_CHILD_SA

static unsigned int seeds(unsigned int few, unsigned int many)
{
	const char *l = getenv("IPSECVTI_LONG");

	return l && *l == '1' ? many : few;
}

/* Both sides alike: selectors of the left end, and of the right one. */
static void pairs(struct sim *s, const char *left, const char *right)
{
	const char *lists[] = { left, right };
	char word[64];

	for (int i = 0; i < 2; i++) {
		struct tunnel *a = &s->side[i].t, *b = &s->side[!i].t;

		a->per_pair = true;
		a->n_local_ts = b->n_remote_ts = 0;
		for (const char *at = lists[i]; sscanf(at, "%63s", word) == 1;) {
			a->local_ts[a->n_local_ts++] = puppet_ts(word);
			b->remote_ts[b->n_remote_ts++] = puppet_ts(word);
			at += strlen(word);
			at += strspn(at, " ");
		}
	}
}

#define LEFT	"10.1.0.0/16 10.2.0.0/16 2001:db8:1::/48"
#define RIGHT	"10.8.0.0/16 10.9.0.0/16 2001:db8:2::/48"

static struct sim *up(uint64_t seed)
{
	struct sim *s = sim_new(seed);

	pairs(s, LEFT, RIGHT);
	sim_start(s);
	sim_up(s, 10000);
	sim_run(s, 1000);
	sim_traffic(s, 10);
	sim_run(s, 100);
	return s;
}

static bool quiet(struct sim *s)
{
	sim_traffic(s, 0);
	s->loss = s->duplicate = 0;
	sim_run(s, 250000);
	return sim_settled(s);
}

/* What a side sends through for a pair of the left one's, whose numbers are not the right one's. */
static struct ike_child *child(struct sim *s, int side, unsigned int pair)
{
	struct sim_sa *out = sim_out_pair(s, side, pair);

	return out ? child_by_id(sim_main(s, side), out->n.child_id) : NULL;
}

static void t_up(void)
{
	struct sim *s = up(1);
	struct door_status st;
	unsigned int fit = 0;

	ok(sim_pairs(s) == 5, "two by two of IPv4 and one of IPv6: %u pairs", sim_pairs(s));
	ok(sim_settled(s), "a child SA for each, in one IKE SA");
	sim_run(s, 5000);
	ok(!sim_lost(s), "packets of all pairs pass: %llu",
	   (unsigned long long)(s->side[0].sent + s->side[1].sent));
	for (int i = 0; i < 2; i++) {
		peer_status(sim_peer(s, i), &st);
		ok(st.state == TUNNEL_UP && st.n_pairs == 5 && st.n_children == 5,
		   "all are shown by side %d", i);
		for (unsigned int k = 0; k < st.n_children; k++)
			fit += st.child[k].pair == k && st.child[k].n_local_ts == 1 &&
			       st.child[k].n_remote_ts == 1 && st.child[k].spi_in;
	}
	ok(fit == 10, "each with its selectors");
	sim_free(s);

	s = sim_new(2);
	pairs(s, LEFT, RIGHT);
	s->side[0].t.per_pair = s->side[1].t.per_pair = false;
	sim_start(s);
	sim_up(s, 5000);
	sim_run(s, 5000);
	ok(sim_settled(s) && sim_pairs(s) == 1, "control: otherwise one for all");
	sim_free(s);
}

static void t_rekeys(void)
{
	for (int who = 0; who < 2; who++) {
		struct sim *s = up(3);
		uint32_t before[5];
		unsigned int same = 0;
		struct sim_sa *k;

		for (unsigned int i = 0; i < 5; i++)
			before[i] = child(s, who, i)->id;
		/* One alone: the kernel says that its soft limit has come. */
		k = sim_out_pair(s, who, 3);
		sim_enter(s, who);
		peer_event(s->side[who].ike, &(struct door_event){
			.type = IPSECVTI_EVENT_TYPE_SOFT_EXPIRE, .tunnel = s->side[who].t.id,
			.sa_id = k->sa_id });
		sa_reap(s->side[who].ike);
		sim_enter(s, -1);
		sim_run(s, 10000);
		for (unsigned int i = 0; i < 5; i++)
			same += child(s, who, i)->id == before[i];
		ok(same == 4 && child(s, who, 3)->id != before[3],
		   "by side %d: one is rekeyed, four are as they were", who);
		sim_rekey(s, who, false);
		sim_run(s, 30000);
		same = 0;
		for (unsigned int i = 0; i < 5; i++)
			same += child(s, who, i)->id == before[i];
		ok(!same && sim_main(s, who)->r.child_rekeys == 6, "then all five");
		sim_rekey(s, who, true);
		sim_run(s, 10000);
		ok(sim_main(s, who)->r.ike_rekeys == 1, "then the IKE SA");
		ok(!sim_lost(s), "no packet lost of %llu",
		   (unsigned long long)(s->side[0].sent + s->side[1].sent));
		ok(quiet(s), "settled");
		sim_free(s);
	}
}

static void t_lives(void)
{
	struct sim *s = sim_new(4);

	pairs(s, LEFT, RIGHT);
	s->side[0].t.child_seconds = s->side[1].t.child_seconds = 300;
	s->side[0].t.ike_seconds = s->side[1].t.ike_seconds = 1000;
	sim_start(s);
	sim_up(s, 10000);
	sim_run(s, 1000);
	sim_traffic(s, 100);
	sim_run(s, 3600 * 1000ull);
	ok(sim_main(s, 0)->r.child_rekeys >= 5 * 10 && sim_main(s, 0)->r.ike_rekeys >= 3,
	   "an hour of lifetimes: %u child and %u IKE rekeys", sim_main(s, 0)->r.child_rekeys,
	   sim_main(s, 0)->r.ike_rekeys);
	ok(!sim_lost(s), "no packet lost of %llu",
	   (unsigned long long)(s->side[0].sent + s->side[1].sent));
	ok(quiet(s), "settled");
	sim_free(s);
}

/* One child goes: its pair gets another, the others do not notice. */
static void t_delete(void)
{
	for (int who = 0; who < 2; who++) {
		struct sim *s = up(5);
		uint32_t before[5];
		unsigned int same = 0;

		for (unsigned int i = 0; i < 5; i++)
			before[i] = child(s, 0, i)->id;
		sim_traffic(s, 0);
		sim_enter(s, who);
		child_retire(sim_main(s, who), child(s, who, 2), 0);
		window_run(sim_main(s, who));
		sim_enter(s, -1);
		sim_run(s, 200);
		ok(!sim_out_pair(s, 0, 2) && !sim_out_pair(s, 1, 2) && sim_out_pair(s, 0, 1) &&
		   sim_out_pair(s, 0, 3), "side %d deletes one of five", who);
		sim_run(s, 20000);
		for (unsigned int i = 0; i < 5; i++)
			same += child(s, 0, i)->id == before[i];
		ok(same == 4 && sim_out_pair(s, 0, 2), "it is made again, the others are as they were");
		ok(quiet(s), "settled");
		sim_free(s);
	}
}

static void t_restart(void)
{
	static const char *const points[] = { "after-send", "after-store", "before-send" };

	for (int who = 0; who < 2; who++) {
		struct sim *s = up(6);

		sim_kill(s, who);
		sim_run(s, 30000);
		ok(s->killed == 1 && s->side[who].ike->n.adopted == 1 && !sim_lost(s),
		   "side %d killed: taken over with all five, no packet lost", who);
		sim_rekey(s, 0, false);
		sim_run(s, 30000);
		sim_rekey(s, 1, true);
		sim_run(s, 30000);
		ok(sim_main(s, 0)->r.child_rekeys == 5 && sim_main(s, 1)->r.ike_rekeys == 1 &&
		   !sim_lost(s), "rekeyed afterwards");
		ok(quiet(s), "settled");
		sim_free(s);

		/* In the middle of five rekeys. */
		for (size_t p = 0; p < sizeof(points) / sizeof(points[0]); p++) {
			for (unsigned int nth = 1; nth < 9; nth += seeds(3, 1)) {
				bool good;

				s = up(7);
				s->kill_point = points[p];
				s->kill_side = who;
				s->kill_nth = nth;
				sim_rekey(s, 0, false);
				sim_run(s, 60000);
				good = s->killed == 1 && !sim_lost(s) && quiet(s);
				ok(good, "side %d killed %s number %u in five rekeys: %llu lost", who,
				   points[p], nth, (unsigned long long)sim_lost(s));
				sim_free(s);
			}
		}
	}
}

static void t_reconnect(void)
{
	for (int who = 0; who < 2; who++) {
		struct sim *s = up(8);
		uint32_t before = sim_main(s, 0)->r.unique;

		sim_enter(s, who);
		peer_reconnect(sim_peer(s, who));
		sim_enter(s, -1);
		sim_run(s, 60000);
		ok(sim_main(s, 0) && sim_main(s, 0)->r.unique != before, "side %d made a new IKE SA", who);
		ok(!sim_lost(s), "no packet of any pair lost (%llu)", (unsigned long long)sim_lost(s));
		ok(quiet(s), "settled");
		sim_free(s);
	}
}

static void t_both(void)
{
	unsigned int n = seeds(10, 300), bad = 0, lost = 0;

	for (unsigned int i = 0; i < n; i++) {
		struct sim *s = sim_new(100 + i);

		pairs(s, LEFT, RIGHT);
		s->side[1].t.start = START_INITIATE;
		s->jitter = 40;
		if (i & 1) {
			s->tries = 10;
			s->loss = 15;
			s->duplicate = 10;
			s->loss_run = 1;
		}
		sim_start(s);
		bad += !sim_up(s, 300000);
		sim_run(s, 60000);
		s->side[0].lost = s->side[1].lost = 0;
		sim_traffic(s, 10);
		/* All at once, by both. */
		sim_rekey(s, 0, false);
		sim_rekey(s, 1, false);
		sim_run(s, 60000);
		sim_rekey(s, 0, false);
		sim_rekey(s, 1, true);
		sim_run(s, 60000);
		lost += sim_lost(s) != 0;
		if (!quiet(s)) {
			printf("# seed %u\n", 100 + i);
			bad++;
		}
		sim_free(s);
	}
	ok(!bad, "both begin, both rekey everything at once: %u of %u bad", bad, n);
	ok(!lost, "no packet lost (%u runs lost some)", lost);
}

static void t_many(void)
{
	struct sim *s = sim_new(9);
	uint64_t lost;

	pairs(s, "10.1.0.0/16 10.2.0.0/16 10.3.0.0/16 10.4.0.0/16",
	      "10.5.0.0/16 10.6.0.0/16 10.7.0.0/16 10.8.0.0/16");
	sim_start(s);
	ok(sim_up(s, 20000) && sim_pairs(s) == TUNNEL_PAIRS, "%u pairs", sim_pairs(s));
	sim_run(s, 1000);
	sim_traffic(s, 10);
	for (int i = 0; i < 2; i++) {
		sim_rekey(s, 0, false);
		sim_rekey(s, 1, false);
		sim_run(s, 120000);
	}
	lost = sim_lost(s);
	ok(sim_main(s, 0)->r.child_rekeys >= 32, "rekeyed by both at once, twice: %u",
	   sim_main(s, 0)->r.child_rekeys);
	ok(!lost, "no packet lost");
	ok(quiet(s), "settled");
	ok(sim_main(s, 0)->r.n_ts == 2 * TUNNEL_PAIRS, "the record has %u selectors",
	   sim_main(s, 0)->r.n_ts);
	sim_free(s);
}

/* One side has pairs, the other has not. */
static void t_unlike(void)
{
	struct sim *s = sim_new(10);

	pairs(s, LEFT, RIGHT);
	s->side[1].t.per_pair = false;
	sim_start(s);
	sim_run(s, 60000);
	ok(s->side[0].out.n == 1 && s->side[1].out.n == 1, "the responder takes one: one is up");
	ok(sim_logged("a child SA for each pair needs children = per-pair") >= 1,
	   "and its log says what to do");
	ok(strstr(sim_peer(s, 0)->note, "NO_ADDITIONAL_SAS") != NULL, "the initiator's note: %s",
	   sim_peer(s, 0)->note);
	sim_free(s);

	s = sim_new(11);
	pairs(s, LEFT, RIGHT);
	s->side[0].t.per_pair = false;
	sim_start(s);
	sim_run(s, 10000);
	ok(s->side[0].out.n == 1 && s->side[1].out.n == 1, "the initiator asks for all in one: one is up");
	ok(sim_logged("the peer would take more child SAs") == 1, "the log says that there may be more");
	sim_rekey(s, 0, false);
	sim_run(s, 10000);
	ok(sim_main(s, 0)->r.child_rekeys == 1 && s->side[0].out.n == 1, "rekeyed as it is");
	sim_free(s);
}

/* --- peers that want it so --- */

static struct puppet *play(struct sim *s, const struct style *style)
{
	s->side[0].t.dpd_seconds = 0;
	return puppet_new(s, 1, style);
}

/* An ASA takes one pair in each child, in whatever order traffic comes, and no second selector. */
static void t_asa_asks(void)
{
	static const char *const order[][2] = {
		{ "10.9.0.0/16", "10.2.0.0/16" }, { "10.8.0.0/16", "10.1.0.0/16" },
		{ "10.9.0.0/16", "10.1.0.0/16" },
	};
	static const unsigned int pair[] = { 3, 0, 1 };
	struct sim *s = sim_new(12);
	struct puppet_child c[3] = { { 0 } };
	struct puppet_msg m;
	struct puppet *p;

	pairs(s, "10.1.0.0/16 10.2.0.0/16", "10.8.0.0/16 10.9.0.0/16");
	s->side[0].t.start = START_RESPOND;
	p = play(s, &style_cisco);
	sim_begin(s, 0);
	for (int i = 0; i < 3; i++) {
		c[i].n_local = c[i].n_remote = 1;
		c[i].local[0] = puppet_ts(order[i][0]);
		c[i].remote[0] = puppet_ts(order[i][1]);
		if (!i) {
			ok(puppet_connect(p, &c[i]), "ASA: up with what traffic came first");
		} else {
			puppet_child_ask(p, &c[i], &m);
			puppet_send(p, &m);
			ok(puppet_wait(p, CHILD, true, 1000) && puppet_child_take(p, &c[i]),
			   "ASA: another child for %s", order[i][0]);
		}
		ok(s->side[0].out.n == (unsigned int)i + 1 && child(s, 0, pair[i]) &&
		   child(s, 0, pair[i])->spi_out == c[i].spi_in, "it is pair %u", pair[i]);
	}
	ok(sim_out_pair(s, 0, 3)->n.spi == c[0].spi_in && sim_out_pair(s, 0, 0)->n.spi == c[1].spi_in &&
	   sim_out_pair(s, 0, 1)->n.spi == c[2].spi_in, "each packet has its SA");
	ok(puppet_quiet(p, CHILD, false, 20000), "we ask for none: the peer does when it has traffic");

	/* Outside of all pairs. */
	c[0].local[0] = puppet_ts("10.77.0.0/16");
	puppet_child_ask(p, &c[0], &m);
	puppet_send(p, &m);
	ok(puppet_wait(p, CHILD, true, 1000) && puppet_error(p) == NOTIFY_TS_UNACCEPTABLE,
	   "no pair: TS_UNACCEPTABLE");
	/* A part of a pair that has a child already. */
	c[0].local[0] = puppet_ts("10.9.7.0/24");
	puppet_child_ask(p, &c[0], &m);
	puppet_send(p, &m);
	ok(puppet_wait(p, CHILD, true, 1000) && puppet_error(p) == NOTIFY_NO_ADDITIONAL_SAS,
	   "a second one of a pair: NO_ADDITIONAL_SAS");
	ok(!s->faults, "no invariant broken");
	puppet_free(p);
	sim_free(s);
}

/* As responder it refuses more than one pair; a FortiGate refuses a second child. */
static void t_peers_refuse(void)
{
	static const struct {
		const char *name;
		uint16_t no;
		unsigned int takes;
	} peers[] = {
		{ "ASA", 0, 4 }, { "FortiGate", NOTIFY_NO_ADDITIONAL_SAS, 1 },
	};

	for (size_t i = 0; i < 2; i++) {
		struct sim *s = sim_new(13 + i);
		unsigned int up_now = 1, refused = 0;
		struct puppet_child c;
		struct puppet_msg m;
		struct puppet *p;

		pairs(s, "10.1.0.0/16 10.2.0.0/16", "10.8.0.0/16 10.9.0.0/16");
		p = play(s, &style_cisco);
		sim_begin(s, 0);
		memset(&c, 0, sizeof(c));
		ok(puppet_accept(p, &c) && c.n_local == 1 && c.n_remote == 1,
		   "%s: the first child is asked for with one pair", peers[i].name);
		while (up_now + refused < 4 && puppet_wait(p, CHILD, false, 10000)) {
			memset(&c, 0, sizeof(c));
			if (up_now < peers[i].takes) {
				up_now += puppet_child_answer(p, &c, &m) && c.n_local == 1 &&
					  c.n_remote == 1;
			} else {
				puppet_notify(p, CHILD, peers[i].no, NULL, 0, &m);
				refused++;
			}
			puppet_send(p, &m);
		}
		sim_run(s, 100);
		ok(up_now == peers[i].takes && s->side[0].out.n == up_now,
		   "%s: %u children are up, %u refused", peers[i].name, up_now, refused);
		if (refused)
			ok(puppet_quiet(p, CHILD, false, 30000) && sim_out_pair(s, 0, 0),
			   "the rest is not asked for all the time, what is up stays");
		ok(!s->faults, "no invariant broken");
		puppet_free(p);
		sim_free(s);
	}

	/* Who would have us ask by pairs says so. */
	struct sim *s = sim_new(15);
	struct puppet_child c = { 0 };
	struct puppet_msg m;
	struct puppet *p;

	pairs(s, "10.1.0.0/16 10.2.0.0/16", "10.8.0.0/16");
	s->side[0].t.per_pair = false;
	p = play(s, &style_cisco);
	sim_begin(s, 0);
	ok(puppet_accept(p, &c), "ASA: up with several selectors");
	puppet_delete(p, c.spi_in, &m);
	puppet_send(p, &m);
	ok(puppet_wait(p, CHILD, false, 30000), "deleted, and asked for again");
	puppet_notify(p, CHILD, NOTIFY_SINGLE_PAIR_REQUIRED, NULL, 0, &m);
	puppet_send(p, &m);
	sim_run(s, 100);
	ok(strstr(sim_peer(s, 0)->note, "children = per-pair") != NULL, "the note: %s",
	   sim_peer(s, 0)->note);
	puppet_free(p);
	sim_free(s);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} tests[] = {
		{ "up", t_up }, { "rekeys", t_rekeys }, { "lives", t_lives }, { "delete", t_delete },
		{ "restart", t_restart }, { "reconnect", t_reconnect }, { "both", t_both },
		{ "many", t_many }, { "unlike", t_unlike }, { "asa", t_asa_asks },
		{ "refuse", t_peers_refuse },
	};

	sim_verbose = argc > 2;
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		if (argc < 2 || !strcmp(argv[1], tests[i].name))
			tests[i].run();
	return done();
}
