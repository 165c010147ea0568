// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Two engines, the ordinary life of a tunnel: up in every way that the
 * configuration allows, refusals, rekeys, deletes, liveness, NAT, loss.
 * IPSECVTI_LONG=1 runs many more seeds.
 */
#include <linux/ipsecvti.h>

#include "id.h"
#include "sim.h"
#include "tap.h"
#include "ts.h"

static unsigned int seeds(unsigned int few, unsigned int many)
{
	const char *l = getenv("IPSECVTI_LONG");

	return l && *l == '1' ? many : few;
}

/* SIM_SEED=n: that one only, and the log with it. */
static bool skipped(uint64_t seed)
{
	const char *only = getenv("SIM_SEED");

	return only && strtoull(only, NULL, 10) != seed;
}

static bool rekeyed(struct sim *s, unsigned int child, unsigned int ike)
{
	struct sa *a = sim_main(s, 0), *b = sim_main(s, 1);

	return a && b && a->r.child_rekeys >= child && b->r.child_rekeys >= child &&
	       a->r.ike_rekeys >= ike && b->r.ike_rekeys >= ike;
}

/* An established tunnel with a packet each way every ten milliseconds. */
static struct sim *up_tries(uint64_t seed, unsigned int tries)
{
	struct sim *s = sim_new(seed);

	s->tries = tries;
	sim_start(s);
	sim_up(s, 5000);
	sim_run(s, 1000);
	sim_traffic(s, 10);
	return s;
}

static struct sim *up(uint64_t seed)
{
	return up_tries(seed, 0);
}

/* With so many retransmissions that losing all of them is no matter of this test. */
static struct sim *up_patient(uint64_t seed)
{
	return up_tries(seed, 10);
}

static bool quiet(struct sim *s)
{
	sim_traffic(s, 0);
	s->loss = s->duplicate = 0;
	/* Whoever lost its peer to the loss needs a liveness check's time to see it. */
	sim_run(s, 250000);
	return sim_settled(s);
}

/* --- bring-up --- */

static void t_suites(void)
{
	static const char * const ciphers[] = {
		"aes128gcm16-prfsha256", "aes256gcm16-prfsha384", "aes256gcm16-prfsha512",
		"aes128-sha256", "aes192-sha384", "aes256-sha512", "aes256-sha384-prfsha256",
		"chacha20poly1305-prfsha256",
	};
	static const char * const groups[] = { "modp2048", "ecp256", "ecp384", "x25519" };
	static const char * const esp[] = {
		"aes128gcm16", "aes256gcm16", "aes256gcm16-noesn", "aes256-sha256",
		"chacha20poly1305", "aes128-sha512-noesn",
	};
	const size_t n_esp = sizeof(esp) / sizeof(esp[0]);

	for (size_t c = 0; c < sizeof(ciphers) / sizeof(ciphers[0]); c++) {
		for (size_t g = 0; g < 4; g++) {
			struct sim *s = sim_new(c * 8 + g);
			char ike[80];

			/* Every group with one cipher, every cipher with one group. */
			if (c && g != 3) {
				sim_free(s);
				continue;
			}
			snprintf(ike, sizeof(ike), "%s-%s", ciphers[c], groups[g]);
			sim_suites(s, ike, esp[(c + g) % n_esp]);
			sim_start(s);
			sim_up(s, 5000);
			sim_run(s, 5000);
			ok(sim_settled(s), "up with %s, %s", ike, esp[(c + g) % n_esp]);
			sim_free(s);
		}
	}
}

static void t_identities(void)
{
	static const char * const ids[] = {
		"192.0.2.1", "left.example", "me@left.example", "2001:db8::1", "keyid:0x010203",
		"asn1dn:0x300b3109300706035504030c00",
	};

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		struct sim *s = sim_new(i);
		const char *why;

		id_parse(&s->side[0].t.local_id, ids[i], &why);
		s->side[1].t.remote_id = s->side[0].t.local_id;
		sim_start(s);
		ok(sim_up(s, 5000), "identity %s", ids[i]);
		sim_free(s);
	}
}

static void t_default_identities(void)
{
	struct sim *s = sim_new(3);

	for (int i = 0; i < 2; i++) {
		memset(&s->side[i].t.local_id, 0, sizeof(s->side[i].t.local_id));
		s->side[i].t.remote_id = id_from_addr(&s->side[!i].addr);
	}
	sim_start(s);
	ok(sim_up(s, 5000), "without identities the addresses serve");
	sim_free(s);
}

/* Remembers the length of the last INFORMATIONAL that side 0 begins. */
static bool told(struct sim *s, int from, uint8_t *msg, size_t *len)
{
	if (!from && msg[18] == EXCHANGE_INFORMATIONAL && !(msg[19] & IKE_FLAG_RESPONSE))
		s->tap_n = (unsigned int)*len;
	return false;
}

static void t_refusals(void)
{
	struct sim *s = sim_new(1);
	const char *why;

	strcpy(s->side[0].psk[0], "another secret");
	sim_start(s);
	ok(!sim_up(s, 3000), "wrong secret: not up");
	ok(strstr(s->side[1].note, "pre-shared key") != NULL, "the responder says: %s",
	   s->side[1].note);
	ok(strstr(s->side[0].note, "AUTHENTICATION_FAILED") != NULL, "the initiator says: %s",
	   s->side[0].note);
	ok(sim_logged("the secrets differ") >= 1, "one line says that the secrets differ");
	sim_run(s, 120000);
	ok(!sim_count(s, 0) && !sim_count(s, 1), "nothing reached a kernel");
	ok(sim_sas(s, 1, -1) <= 1, "nothing half-open stays");
	sim_free(s);

	s = sim_new(2);
	sim_side_suites(s, 0, "aes256gcm16-prfsha384-ecp384", NULL);
	sim_start(s);
	ok(!sim_up(s, 20000), "no common IKE proposal: not up");
	ok(sim_logged("no common IKE proposal") >= 1, "one line with both sides' proposals");
	ok(strstr(s->side[0].note, "NO_PROPOSAL_CHOSEN") != NULL, "the initiator says: %s",
	   s->side[0].note);
	sim_free(s);

	s = sim_new(3);
	sim_side_suites(s, 0, NULL, "aes256gcm16");
	sim_start(s);
	ok(!sim_up(s, 20000), "no common ESP proposal: no child");
	ok(sim_sas(s, 0, SA_UP) == 1 && sim_sas(s, 1, SA_UP) == 1, "but the IKE SA stays");
	ok(strstr(s->side[0].note, "NO_PROPOSAL_CHOSEN") != NULL, "the initiator says: %s",
	   s->side[0].note);
	sim_free(s);

	s = sim_new(4);
	id_parse(&s->side[1].t.remote_id, "other.example", &why);
	sim_start(s);
	ok(!sim_up(s, 20000), "wrong identity of the initiator: not up");
	ok(sim_logged("no tunnel has these identities") >= 1, "one line names both identities");
	sim_free(s);

	s = sim_new(5);
	id_parse(&s->side[0].t.remote_id, "*.other", &why);
	s->tap = told;
	sim_start(s);
	ok(!sim_up(s, 20000), "wrong identity of the responder: not up");
	ok(!sim_count(s, 0), "nothing in the initiator's kernel");
	ok(sim_sas(s, 1, SA_UP) == 0 && !sim_count(s, 1),
	   "the responder was told and took everything down");
	ok(s->tap_n == IKE_HDR_LEN + 4 + 8 + 8 + 8 + 1 + 16, "by a notify and a DELETE");
	sim_free(s);

	s = sim_new(6);
	s->side[0].t.n_remote_ts = s->side[1].t.n_local_ts = 1;
	ts_parse(&s->side[0].t.remote_ts[0], "10.1.0.0/16", &why);
	ts_parse(&s->side[1].t.local_ts[0], "10.2.0.0/16", &why);
	sim_start(s);
	ok(!sim_up(s, 20000), "no common selectors: no child");
	ok(sim_logged("no common traffic selectors") >= 1, "one line with both sides' selectors");
	ok(sim_sas(s, 0, SA_UP) == 1, "but the IKE SA stays");
	sim_free(s);
}

static bool auth_is_out(struct sim *s)
{
	return sim_sas(s, 0, SA_AUTH_SENT) == 1;
}

/* "down" while the peer may or may not have taken our IKE_AUTH: it must not keep an IKE SA. */
static void t_abandoned(void)
{
	for (int lost = 0; lost < 3; lost++) {
		struct sim *s = sim_new((uint64_t)lost);

		if (lost == 1)
			strcpy(s->side[0].psk[0], "another secret");
		if (lost == 2)
			sim_side_suites(s, 0, NULL, "aes256gcm16");
		sim_start(s);
		ok(sim_until(s, 5000, auth_is_out), "IKE_AUTH is out, case %d", lost);
		peer_down(sim_peer(s, 0));
		sim_run(s, 3000);
		ok(sim_sas(s, 0, -1) == 0, "down: nothing is left here");
		ok(sim_sas(s, 1, SA_UP) == 0, "nor at the peer");
		ok(!sim_count(s, 0) && !sim_count(s, 1), "nor in a kernel");
		ok(!strcmp(s->side[0].note, "down by the administrator"), "the note says: %s",
		   s->side[0].note);
		peer_up(sim_peer(s, 0));
		ok(sim_up(s, 5000) == !lost, "up again as far as it can");
		sim_free(s);
	}
}

static void t_narrowing(void)
{
	struct sim *s = sim_new(1);
	const char *why;
	struct door_status st;

	s->side[1].t.n_local_ts = 1;
	ts_parse(&s->side[1].t.local_ts[0], "10.2.0.0/16", &why);
	sim_start(s);
	ok(sim_up(s, 5000), "any is narrowed");
	peer_status(sim_peer(s, 0), &st);
	ok(st.child[0].n_remote_ts == 1 && ts_equal(&st.child[0].remote_ts[0], &s->side[1].t.local_ts[0]),
	   "the initiator has the narrowed selector");
	ok(st.child[0].n_local_ts == 2, "its own side is any");
	sim_run(s, 5000);
	ok(sim_out(s, 0)->n.remote_ts.len == 16 && sim_out(s, 0)->n.local_ts.len == 16 + 40,
	   "its kernel is told");
	ok(sim_settled(s), "and so is the responder's");
	sim_rekey(s, 0, false);
	sim_run(s, 10000);
	sim_rekey(s, 1, false);
	sim_run(s, 10000);
	ok(sim_main(s, 1)->r.child_rekeys == 2 && sim_out(s, 0)->n.remote_ts.len == 16 &&
	   sim_settled(s), "rekeyed by either: the same selectors");
	sim_free(s);

	s = sim_new(2);
	s->side[0].t.n_local_ts = s->side[0].t.n_remote_ts = 1;
	ts_parse(&s->side[0].t.local_ts[0], "any", &why);
	ts_parse(&s->side[0].t.remote_ts[0], "any", &why);
	sim_start(s);
	ok(sim_up(s, 5000) && sim_out(s, 0)->n.remote_ts.len == 16, "one family: told");
	sim_free(s);

	s = sim_new(3);
	sim_start(s);
	ok(sim_up(s, 5000) && !sim_out(s, 0)->n.local_ts.len && !sim_out(s, 0)->n.remote_ts.len,
	   "both families, everything: nothing to tell");
	sim_free(s);
}

static void t_groups(void)
{
	struct sim *s = sim_new(1);

	sim_side_suites(s, 0, "aes128gcm16-prfsha256-x25519-ecp256", NULL);
	sim_side_suites(s, 1, "aes128gcm16-prfsha256-ecp256", NULL);
	sim_start(s);
	ok(sim_up(s, 5000), "INVALID_KE_PAYLOAD is obeyed");
	ok(sim_main(s, 0)->r.suite.ke.id == KE_ECP_256, "with the responder's group");
	sim_run(s, 5000);
	ok(sim_settled(s), "and nothing else is left");
	sim_free(s);

	s = sim_new(2);
	sim_side_suites(s, 0, "aes128gcm16-prfsha256-x25519", NULL);
	sim_side_suites(s, 1, "aes128gcm16-prfsha256-ecp256-x25519", NULL);
	sim_start(s);
	sim_up(s, 5000);
	ok(s->side[0].datagrams == 2, "a group that is not the first needs no second round");
	sim_free(s);
}

static void t_cookies(void)
{
	struct sim *s = sim_new(1);

	sim_side_suites(s, 0, "aes128gcm16-prfsha256-x25519-ecp256", NULL);
	sim_side_suites(s, 1, "aes128gcm16-prfsha256-ecp256", NULL);
	sim_start(s);
	s->side[1].ike->times.half_open_cookie = 0;
	ok(sim_up(s, 5000), "cookie, then INVALID_KE_PAYLOAD, then up");
	ok(s->side[1].ike->n.cookies_sent >= 1 && !s->side[1].ike->n.cookies_bad,
	   "cookies: %llu sent, %llu bad", (unsigned long long)s->side[1].ike->n.cookies_sent,
	   (unsigned long long)s->side[1].ike->n.cookies_bad);
	sim_run(s, 5000);
	ok(sim_settled(s), "settled");
	sim_free(s);

	s = sim_new(2);
	s->loss = 20;
	sim_start(s);
	s->side[1].ike->times.half_open_cookie = 0;
	ok(sim_up(s, 200000), "cookies on a link that loses");
	sim_free(s);
}

/* Selectors that no datagram holds: 32 of IPv6, 1,280 bytes of them. */
static void large(struct sim *s)
{
	char text[64];
	const char *why;

	for (int i = 0; i < 2; i++) {
		struct tunnel *t = &s->side[i].t;

		t->fragment_size = 576;
		t->n_local_ts = t->n_remote_ts = TUNNEL_SELECTORS;
		for (int k = 0; k < TUNNEL_SELECTORS; k++) {
			snprintf(text, sizeof(text), "2001:db8:%d:%x::/64", 1 + i, k);
			ts_parse(&t->local_ts[k], text, &why);
			snprintf(text, sizeof(text), "2001:db8:%d:%x::/64", 2 - i, k);
			ts_parse(&t->remote_ts[k], text, &why);
		}
	}
}

static bool too_long(struct sim *s, int from, uint8_t *msg, size_t *len)
{
	s->tap_n += *len > 576 - 32;
	return false;
}

static void t_fragments(void)
{
	unsigned int n = seeds(10, 300), bad = 0, lost = 0;
	struct sim *s = sim_new(1);

	large(s);
	s->tap = too_long;
	sim_start(s);
	ok(sim_up(s, 5000), "large messages: up");
	ok(s->side[0].datagrams == 4 && s->side[1].datagrams == 4 && !s->tap_n,
	   "IKE_AUTH in three fragments: %llu and %llu datagrams, %u too long",
	   (unsigned long long)s->side[0].datagrams, (unsigned long long)s->side[1].datagrams,
	   s->tap_n);
	sim_run(s, 5000);
	sim_rekey(s, 0, true);
	sim_run(s, 10000);
	sim_rekey(s, 1, false);
	sim_run(s, 10000);
	ok(rekeyed(s, 1, 1) && sim_settled(s) && !s->tap_n, "after rekeys of both kinds too");
	sim_free(s);

	s = sim_new(2);
	large(s);
	s->side[1].t.fragment_size = 0;
	s->tap = too_long;
	sim_start(s);
	ok(sim_up(s, 5000) && s->tap_n, "one side does without: messages in one piece");
	sim_free(s);

	for (unsigned int i = 0; i < n; i++) {
		s = sim_new(400 + i);
		large(s);
		s->tries = 12;
		s->loss = 15;
		s->duplicate = 10;
		s->jitter = 60;
		s->loss_run = 1;
		sim_start(s);
		bad += !sim_up(s, 300000);
		sim_run(s, 1000);
		s->side[0].lost = s->side[1].lost = 0;
		sim_traffic(s, 10);
		for (int k = 0; k < 4; k++) {
			sim_rekey(s, k % 2, k < 2);
			sim_run(s, 20000);
		}
		lost += sim_lost(s) != 0;
		bad += !quiet(s);
		sim_free(s);
	}
	ok(!bad, "fragments lost, doubled and out of order: %u of %u bad", bad, n);
	ok(!lost, "no packet lost (%u runs lost some)", lost);
}

/* --- loss --- */

static void t_loss(void)
{
	unsigned int n = seeds(6, 300);

	for (unsigned int loss = 10; loss <= 30; loss += 10) {
		unsigned int good = 0, broken = 0;

		for (unsigned int i = 0; i < n; i++) {
			struct sim *s = sim_new(i * 31 + loss);

			s->loss = loss;
			s->duplicate = 10;
			s->jitter = 60;
			sim_start(s);
			good += sim_up(s, 300000);
			broken += !quiet(s);
			sim_free(s);
		}
		ok(good == n, "%u%% loss: %u of %u come up", loss, good, n);
		ok(!broken, "%u%% loss: all settle", loss);
	}
}

/* --- rekey --- */

static void t_rekey(void)
{
	for (int kind = 0; kind < 2; kind++) {
		for (int who = 0; who < 2; who++) {
			struct sim *s = up(3 + (uint64_t)who);
			const char *what = kind ? "IKE" : "child";

			for (int i = 0; i < 5; i++) {
				peer_rekey(sim_peer(s, who), kind);
				sim_run(s, 20000);
			}
			ok(rekeyed(s, kind ? 0 : 5, kind ? 5 : 0), "%s rekeyed five times by %s", what,
			   who ? "the responder" : "the initiator");
			ok(!sim_lost(s), "no packet lost of %llu",
			   (unsigned long long)(s->side[0].sent + s->side[1].sent));
			ok(quiet(s), "%s rekey by %d leaves one of each", what, who);
			sim_free(s);
		}
	}
}

/* The named fault: the old inbound SA goes before the switch. The packets must show it. */
static void t_rekey_fault(void)
{
	struct sim *s = up(3);
	struct sim_sa *in = s->side[1].sa;

	while (!in->used || in->n.dir)
		in++;
	sim_rekey(s, 0, false);
	sim_run(s, 30);		/* the request is served, the answer on its way */
	sim_sa_drop(in);
	sim_run(s, 10000);
	ok(sim_lost(s) > 0, "control: an inbound SA that goes too early loses %llu packets",
	   (unsigned long long)sim_lost(s));
	sim_free(s);
}

static void t_rekey_idle(void)
{
	struct sim *s = sim_new(5);

	s->side[0].t.child_seconds = s->side[1].t.child_seconds = 300;
	s->side[0].t.ike_seconds = s->side[1].t.ike_seconds = 1000;
	sim_start(s);
	sim_up(s, 5000);
	sim_run(s, 1000);
	sim_traffic(s, 500);
	sim_run(s, 4 * 3600 * 1000ull);
	ok(rekeyed(s, 30, 10), "four hours of lifetimes: %u child and %u IKE rekeys",
	   sim_main(s, 0)->r.child_rekeys, sim_main(s, 0)->r.ike_rekeys);
	ok(!sim_lost(s), "no packet lost of %llu",
	   (unsigned long long)(s->side[0].sent + s->side[1].sent));
	ok(quiet(s), "settled");
	sim_free(s);

	/* No traffic at all: the responder of a rekey switches when the old child is deleted. */
	s = sim_new(6);
	s->side[0].t.child_seconds = 300;
	s->side[0].t.dpd_seconds = s->side[1].t.dpd_seconds = 0;
	sim_start(s);
	sim_up(s, 5000);
	sim_run(s, 3600 * 1000ull);
	ok(rekeyed(s, 10, 0), "rekeys without traffic");
	ok(quiet(s), "settled");
	sim_free(s);
}

static void t_rekey_pfs(void)
{
	struct sim *s = sim_new(7);

	sim_side_suites(s, 0, NULL, "aes128gcm16-x25519-ecp256");
	sim_side_suites(s, 1, NULL, "aes128gcm16-ecp256");
	sim_start(s);
	sim_up(s, 5000);
	sim_run(s, 1000);
	sim_traffic(s, 10);
	peer_rekey(sim_peer(s, 0), false);
	sim_run(s, 20000);
	ok(rekeyed(s, 1, 0) && child_current(sim_main(s, 0), 0)->ke == KE_ECP_256,
	   "INVALID_KE_PAYLOAD in a child rekey: the other group is used");
	ok(!sim_lost(s), "no packet lost");
	ok(quiet(s), "settled");
	sim_free(s);
}

static void t_collisions(void)
{
	unsigned int n = seeds(12, 500);

	for (int kind = 0; kind < 2; kind++) {
		unsigned int bad = 0, lost = 0, met = 0, bad_lossy = 0, not_rekeyed = 0;

		for (unsigned int i = 0; i < 2 * n; i++) {
			bool lossy = i >= n;
			struct sim *s;

			if (skipped(100 + i))
				continue;
			s = up_patient(100 + i);
			s->jitter = 40;
			s->loss_run = 1;
			s->loss = lossy ? 20 : 0;
			s->duplicate = lossy ? 10 : 0;
			peer_rekey(sim_peer(s, 0), kind);
			sim_run(s, sim_random(s) % 30);
			peer_rekey(sim_peer(s, 1), kind);
			sim_run(s, 200000);
			not_rekeyed += !rekeyed(s, !kind, kind);
			met += s->side[0].ike->n.collisions != 0;
			lost += sim_lost(s) != 0;
			if (sim_lost(s))
				printf("# seed %u lost %llu\n", 100 + i, (unsigned long long)sim_lost(s));
			if (!quiet(s)) {
				bad++;
				bad_lossy += lossy;
				printf("# seed %u\n", 100 + i);
			}
			sim_free(s);
		}
		ok(!bad && !not_rekeyed,
		   "simultaneous %s rekeys: %u of %u met, %u did not settle (%u lossy), %u not done",
		   kind ? "IKE" : "child", met, 2 * n, bad, bad_lossy, not_rekeyed);
		ok(!lost, "no packet lost (%u runs lost some)", lost);
	}
}

static void t_mixed(void)
{
	unsigned int n = seeds(12, 500), bad = 0, lost = 0;

	for (unsigned int i = 0; i < n; i++) {
		struct sim *s;

		if (skipped(1000 + i))
			continue;
		s = up_patient(1000 + i);
		s->jitter = 40;
		s->loss_run = 1;
		s->loss = i % 3 * 10;
		for (int k = 0; k < 8; k++) {
			peer_rekey(sim_peer(s, sim_random(s) % 2), sim_random(s) % 2);
			sim_run(s, sim_random(s) % 3000);
		}
		sim_run(s, 300000);
		lost += sim_lost(s) != 0;
		if (sim_lost(s))
			printf("# seed %u lost %llu\n", 1000 + i, (unsigned long long)sim_lost(s));
		if (!quiet(s)) {
			bad++;
			printf("# seed %u\n", 1000 + i);
		}
		sim_free(s);
	}
	ok(!bad, "rekeys of both kinds from both sides, mixed and lossy: %u of %u bad", bad, n);
	ok(!lost, "no packet lost (%u runs lost some)", lost);
}

/* --- ends --- */

static void t_down(void)
{
	for (int who = 0; who < 2; who++) {
		struct sim *s = up(4);

		sim_traffic(s, 0);
		peer_down(sim_peer(s, who));
		sim_run(s, who ? 200 : 5000);
		ok(!sim_count(s, who) && (who || !sim_count(s, 1)), "down by side %d: no kernel SAs", who);
		ok(!sim_sas(s, who, SA_UP), "no IKE SA");
		sim_run(s, 60000);
		peer_up(sim_peer(s, who));
		ok(sim_up(s, 400000), "and up again");
		sim_run(s, 60000);
		ok(sim_settled(s), "settled");
		sim_free(s);
	}
}

static void t_reconnect(void)
{
	for (int who = 0; who < 2; who++) {
		struct sim *s = up(14);
		uint32_t was = sim_main(s, 0)->r.unique;

		peer_reconnect(sim_peer(s, who));
		sim_run(s, 60000);
		ok(sim_main(s, 0)->r.unique != was, "reconnect by side %d: a new IKE SA", who);
		ok(!sim_lost(s), "no packet lost (%llu)", (unsigned long long)sim_lost(s));
		ok(quiet(s), "the old one is gone");
		sim_free(s);
	}
}

/* Of two made by rekeys of both sides, whether this one has set one aside; *made: its own. */
static bool set_aside(struct sim *s, int side, bool ike, bool *made)
{
	struct sa *sa = ike ? sim_peer(s, side)->sas : sim_main(s, side);
	struct ike_child *c;

	for (; ike && sa; sa = sa->peer_next) {
		*made = sa->r.initiator;
		if (sa->r.state == SA_REPLACED && sa->r.parent)
			return true;
	}
	for (int i = 0; !ike && i < IKE_CHILDREN; i++) {
		c = &sa->r.child[i];
		*made = c->initiator;
		if (c->state == CHILD_OLD && c->replaces)
			return true;
	}
	return false;
}

static bool mute(struct sim *s, int from, uint8_t *msg, size_t *len)
{
	const int *who = s->tap_arg;

	return (*who < 0 || from == *who) && msg[18] == EXCHANGE_INFORMATIONAL &&
	       !(msg[19] & IKE_FLAG_RESPONSE);
}

/*
 * Both rekey, and the one whose duplicate it is never gets to delete it: the other side does, but
 * first the child is rekeyed, by whoever may have lost it, or will.
 */
static void t_left_over(void)
{
	for (int ike = 0; ike < 2; ike++) {
		struct sim *s = up(16);
		int who = -1, other;
		bool made;

		s->tap = mute;
		s->tap_arg = &who;
		sim_rekey(s, 0, ike);
		sim_rekey(s, 1, ike);
		sim_run(s, 1000);
		ok(set_aside(s, 1, ike, &made) && set_aside(s, 0, ike, &made),
		   "%s rekeys: two, one of them set aside", ike ? "IKE" : "child");
		who = made ? 0 : 1;
		other = ike ? who : !who;
		sim_run(s, 22000);
		ok(set_aside(s, !who, ike, &made), "its maker has time to delete it");
		sim_run(s, 10000);
		ok(sim_main(s, other)->r.child_rekeys == (ike ? 1 : 3), "the child is rekeyed");
		ok(!set_aside(s, !who, ike, &made), "the duplicate is deleted by the other side");
		s->tap = NULL;
		ok(!sim_lost(s), "no packet lost");
		ok(quiet(s), "settled");
		sim_free(s);
	}
}

static bool asked(struct sim *s)
{
	return sim_sas(s, 0, SA_AUTH_SENT) == 1;
}

static bool tried(struct sim *s)
{
	return sim_sas(s, 0, SA_INIT_SENT) == 1;
}

static bool other_group(struct sim *s)
{
	struct sa *sa = sim_main(s, 0);

	return sa && sa->r.suite.ke.id == KE_ECP_384 && sim_out(s, 0);
}

/* Other proposals, while the first IKE_SA_INIT, its IKE_AUTH, or a new IKE SA's is out. */
static void t_reconfigured(void)
{
	static const char * const when[] = { "IKE_SA_INIT", "IKE_AUTH", "a reconnect" };

	for (int i = 0; i < 3; i++) {
		struct sim *s = i == 2 ? up(15) : sim_new(15);

		if (i == 2) {
			sim_side_suites(s, 1, "aes128gcm16-prfsha256-x25519-ecp384", "aes128gcm16");
			sim_enter(s, 1);
			peer_set(s->side[1].ike, &s->side[1].t);
			sim_enter(s, -1);
			sim_run(s, 60000);
			peer_reconnect(sim_peer(s, 0));
		} else {
			sim_suites(s, "aes128gcm16-prfsha256-x25519", "aes128gcm16");
			sim_side_suites(s, 1, "aes128gcm16-prfsha256-x25519-ecp384", "aes128gcm16");
			sim_start(s);
		}
		ok(sim_until(s, 1000, i == 1 ? asked : tried), "%s is out", when[i]);
		sim_side_suites(s, 0, "aes128gcm16-prfsha256-ecp384", "aes128gcm16");
		sim_enter(s, 0);
		peer_set(s->side[0].ike, &s->side[0].t);
		sim_enter(s, -1);
		ok(sim_until(s, 10000, other_group), "the new configuration is what it becomes");
		sim_run(s, 60000);
		ok(quiet(s), "and nothing else is left");
		sim_free(s);
	}
}

static void t_dpd(void)
{
	struct sim *s = up(5);

	sim_traffic(s, 0);
	s->cut = true;
	sim_run(s, 200000);
	ok(!sim_count(s, 0) && !sim_count(s, 1), "silence: both sides take everything down");
	ok(strstr(s->side[0].note, "no answer") != NULL, "and say: %s", s->side[0].note);
	s->cut = false;
	ok(sim_up(s, 400000), "up again when the link is back");
	sim_run(s, 60000);
	ok(sim_settled(s), "settled");
	sim_free(s);

	s = up(6);
	s->side[0].datagrams = s->side[1].datagrams = 0;
	sim_run(s, 600000);
	ok(s->side[0].datagrams + s->side[1].datagrams < 40,
	   "traffic stretches liveness checks: %llu datagrams in ten minutes",
	   (unsigned long long)(s->side[0].datagrams + s->side[1].datagrams));
	sim_free(s);
}

static void t_both_initiate(void)
{
	unsigned int n = seeds(20, 300), bad = 0, lossy_bad = 0, lost = 0, slow = 0;

	for (unsigned int i = 0; i < n; i++) {
		struct sim *s;

		if (skipped(40 + i))
			continue;
		s = sim_new(40 + i);
		s->side[1].t.start = START_INITIATE;
		s->jitter = 40;
		s->loss = i % 2 * 15;
		sim_start(s);
		sim_up(s, 300000);
		/* What a responder sends may overtake the answer that tells of its SA. */
		sim_run(s, 200);
		if (!s->loss)
			sim_traffic(s, 10);
		sim_run(s, 20000);
		slow += !s->loss && (sim_count(s, 0) != 2 || sim_count(s, 1) != 2);
		sim_run(s, 80000);
		if (sim_lost(s))
			printf("# seed %u lost %llu\n", 40 + i, (unsigned long long)sim_lost(s));
		lost += sim_lost(s) != 0;
		if (!quiet(s)) {
			bad++;
			lossy_bad += i % 2;
			printf("# seed %u\n", 40 + i);
		}
		sim_free(s);
	}
	ok(!bad, "both sides initiate: one IKE SA stays (%u of %u bad, %u lossy)", bad, n, lossy_bad);
	ok(!slow, "the loser is gone after 20 seconds (%u still had it)", slow);
	ok(!lost, "no packet lost once both are up (%u runs lost some)", lost);
}

static void t_lost_peer(void)
{
	struct sim *s = up(8);

	/* The responder's machine dies and comes back without its memory. */
	sim_traffic(s, 0);
	s->no_adopt = true;
	sim_kernel_forget(s, 1);
	sim_kill(s, 1);
	sim_run(s, 400000);
	ok(sim_settled(s), "a peer that lost everything: found by liveness check, up again");
	sim_free(s);
}

static void t_install_fails(void)
{
	for (int who = 0; who < 2; who++) {
		for (unsigned int nth = 1; nth <= 2; nth++) {
			struct sim *s = up(9);

			s->side[who].refuse_install = nth;
			peer_rekey(sim_peer(s, 0), false);
			sim_run(s, 100000);
			ok(rekeyed(s, 1, 0), "kernel of side %d refuses %u times: rekeyed later", who, nth);
			ok(!sim_lost(s), "no packet lost");
			ok(quiet(s), "settled");
			sim_free(s);
		}
	}
}

static void t_retransmission(void)
{
	struct sim *s = up(10);
	uint64_t repeated;

	s->duplicate = 100;
	repeated = s->side[1].ike->n.repeated;
	peer_rekey(sim_peer(s, 0), false);
	sim_run(s, 1000);
	ok(s->side[1].ike->n.repeated > repeated, "a request that comes twice is answered twice");
	ok(sim_main(s, 1)->r.child_rekeys == 1, "but served once");
	s->duplicate = 0;
	ok(quiet(s), "settled");
	sim_free(s);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} tests[] = {
		{ "suites", t_suites }, { "ids", t_identities }, { "default_ids", t_default_identities },
		{ "refusals", t_refusals }, { "abandoned", t_abandoned },
		{ "narrowing", t_narrowing }, { "groups", t_groups },
		{ "cookies", t_cookies },
		{ "fragments", t_fragments },
		{ "loss", t_loss }, { "rekey", t_rekey },
		{ "fault", t_rekey_fault },
		{ "idle", t_rekey_idle }, { "pfs", t_rekey_pfs }, { "collisions", t_collisions },
		{ "mixed", t_mixed }, { "down", t_down }, { "reconnect", t_reconnect },
		{ "left_over", t_left_over }, { "reconfigured", t_reconfigured },
		{ "dpd", t_dpd }, { "both", t_both_initiate }, { "lost", t_lost_peer },
		{ "install", t_install_fails }, { "retransmission", t_retransmission },
	};

	sim_verbose = argc > 2;
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		if (argc < 2 || !strcmp(argv[1], tests[i].name))
			tests[i].run();
	return done();
}
