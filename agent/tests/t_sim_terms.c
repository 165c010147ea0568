// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the two ends agree on, and what they say when they do not: suites and
 * selectors of a rekey, groups, identities, secrets.
 */
#include "addr.h"
#include "id.h"
#include "sim.h"
#include "tap.h"
#include "ts.h"

/* --- what a side asked for last --- */

static struct {
	int from;
	uint8_t exchange;
	unsigned int n;
	struct sa_list sa;
	struct ts_set tsi, tsr;
	uint16_t group;
	size_t longest;		/* of all datagrams */
} asked;

static bool watch(struct sim *s, int from, uint8_t *msg, size_t *len)
{
	uint8_t copy[16384];
	const struct payload *p;
	struct ke_pl ke;
	struct msg m;

	if (*len > asked.longest)
		asked.longest = *len;
	if (from != asked.from || !sim_read(s, from, msg, *len, copy, &m) ||
	    m.hdr.exchange != asked.exchange || m.hdr.flags & IKE_FLAG_RESPONSE)
		return false;
	p = msg_find(&m, PAYLOAD_SA, 0);
	if (!p || wire_get_sa(p->body, &asked.sa))
		return false;
	asked.n++;
	p = msg_find(&m, PAYLOAD_TSi, 0);
	asked.tsi.n = asked.tsr.n = 0;
	if (p)
		wire_get_ts(p->body, &asked.tsi);
	p = msg_find(&m, PAYLOAD_TSr, 0);
	if (p)
		wire_get_ts(p->body, &asked.tsr);
	p = msg_find(&m, PAYLOAD_KE, 0);
	asked.group = p && !wire_get_ke(p->body, &ke) ? ke.group : KE_NONE;
	return false;
}

static void look(struct sim *s, int from, uint8_t exchange)
{
	memset(&asked, 0, sizeof(asked));
	asked.from = from;
	asked.exchange = exchange;
	s->tap = watch;
}

static const char *first(char *buf, size_t size)
{
	struct sa_list one = asked.sa;

	one.n = one.n ? 1 : 0;
	return sa_list_format(&one, one.p[0].protocol, buf, size);
}

static struct ts selector(const char *text)
{
	const char *why;
	struct ts t;

	if (ts_parse(&t, text, &why))
		abort();
	return t;
}

static void id(struct ident *to, const char *text)
{
	const char *why;

	if (id_parse(to, text, &why))
		abort();
}

/* --- rekeys ask for what is in use --- */

static void t_rekey_asks(void)
{
	struct sim *s = sim_new(1);
	struct ts ten = selector("10.2.0.0/16");
	char text[400];

	sim_side_suites(s, 0, "aes256gcm16-prfsha384-ecp384, aes128gcm16-prfsha256-x25519-ecp256",
			"aes256gcm16-ecp256, aes128gcm16-ecp256-x25519");
	sim_side_suites(s, 1, "aes128gcm16-prfsha256-ecp256", "aes128gcm16-noesn-x25519");
	s->side[1].t.n_local_ts = 1;
	s->side[1].t.local_ts[0] = ten;
	sim_start(s);
	ok(sim_up(s, 5000), "up with the second proposals and narrowed");
	sim_run(s, 1000);
	sim_traffic(s, 10);

	look(s, 0, EXCHANGE_CREATE_CHILD_SA);
	sim_rekey(s, 0, false);
	sim_run(s, 10000);
	is_str(first(text, sizeof(text)), "aes128gcm16-curve25519-noesn",
	       "the rekey asks for the suite in use first");
	ok(asked.n == 2 && asked.sa.n == 3,
	   "in a second round (%u), with the peer's group, all proposals behind it (%u)", asked.n,
	   asked.sa.n);
	ok(asked.tsr.n == 1 && ts_equal(&asked.tsr.t[0], &ten), "and for the narrowed selectors");
	ok(asked.tsi.n == 2, "of both families on our side");

	look(s, 0, EXCHANGE_CREATE_CHILD_SA);
	sim_rekey(s, 0, false);
	sim_run(s, 10000);
	ok(asked.n == 1 && asked.group == KE_CURVE25519, "the next one begins with that group");
	ok(child_current(sim_main(s, 0), 0)->ke == KE_CURVE25519 && sim_main(s, 0)->r.child_rekeys == 2,
	   "twice rekeyed");

	look(s, 1, EXCHANGE_CREATE_CHILD_SA);
	sim_rekey(s, 1, false);
	sim_run(s, 10000);
	ok(asked.n == 1 && asked.tsi.n == 1 && ts_equal(&asked.tsi.t[0], &ten) && asked.tsr.n == 2,
	   "the responder asks for the same from its side");

	look(s, 0, EXCHANGE_CREATE_CHILD_SA);
	sim_rekey(s, 0, true);
	sim_run(s, 10000);
	is_str(first(text, sizeof(text)), "aes128gcm16-prfsha256-ecp256",
	       "an IKE rekey too asks for the suite in use first");
	ok(asked.n == 1 && asked.group == KE_ECP_256 && sim_main(s, 0)->r.ike_rekeys == 1,
	   "with its group, in one round");
	ok(!sim_lost(s), "no packet lost of %llu",
	   (unsigned long long)(s->side[0].sent + s->side[1].sent));
	sim_traffic(s, 0);
	sim_run(s, 5000);
	ok(sim_settled(s), "settled");
	sim_free(s);
}

/* Every suite and group that has a name, in IKE and as a child's own. */
static void t_every_group(void)
{
	const struct suite *row;
	char ike[64], esp[64];

	for (unsigned int i = 0; (row = suite_row(i)); i++) {
		struct sim *s;

		if (row->type != TRANSFORM_KE)
			continue;
		s = sim_new(i);
		snprintf(ike, sizeof(ike), "aes128gcm16-prfsha256-%s", row->name);
		snprintf(esp, sizeof(esp), "aes128gcm16-%s", row->name);
		sim_suites(s, ike, esp);
		look(s, 0, EXCHANGE_CREATE_CHILD_SA);
		sim_start(s);
		sim_up(s, 5000);
		sim_run(s, 1000);
		sim_rekey(s, 0, false);
		sim_run(s, 15000);
		ok(sim_settled(s) && sim_main(s, 0)->r.suite.ke.id == row->id &&
		   child_current(sim_main(s, 0), 0)->ke == row->id && asked.longest <= 1280 - 28,
		   "%s for IKE SA and child, %zu bytes at most", row->name, asked.longest);
		sim_free(s);
	}
}

/* GCP and others take no fragmented IKE_SA_INIT. */
static void t_default_fits(void)
{
	struct sim *s = sim_new(1);

	sim_suites(s, suite_default(PROTO_IKE), suite_default(PROTO_ESP));
	look(s, 0, EXCHANGE_IKE_SA_INIT);
	sim_start(s);
	ok(sim_up(s, 5000) && asked.sa.n == s->side[0].t.n_ike && asked.longest < 1280 - 28,
	   "all proposals of the default in %zu bytes", asked.longest);
	sim_free(s);
}

/* --- a group that does not fit shows early, or at least says so --- */

static bool noted(struct sim *s)
{
	return sim_peer(s, 0)->note[0];
}

static void t_pfs(void)
{
	struct sim *s = sim_new(2);
	struct door_status st;

	/* The peer would take a better group from whoever has none: modp1024 is none of these. */
	sim_side_suites(s, 0, NULL, "aes128gcm16-modp1024");
	sim_side_suites(s, 1, NULL, "aes128gcm16-modp2048");
	s->side[0].t.pfs_check = true;
	sim_start(s);
	ok(sim_up(s, 5000), "the first child has no group: up");
	sim_traffic(s, 10);
	look(s, 0, EXCHANGE_CREATE_CHILD_SA);
	ok(sim_until(s, 15000, noted), "pfs-check: within seconds it is known");
	ok(strstr(sim_peer(s, 0)->note, "child rekey: NO_PROPOSAL_CHOSEN") &&
	   strstr(sim_peer(s, 0)->note, "another group"), "the note says: %s",
	   sim_peer(s, 0)->note);
	ok(sim_logged("group: ours modp2048, theirs modp1024") == 1,
	   "the other side's log has both groups");
	sim_run(s, 300000);
	peer_status(sim_peer(s, 0), &st);
	ok(asked.n == 1 && st.state == TUNNEL_UP && st.note[0], "once is enough, the tunnel is up");
	ok(!sim_lost(s), "no packet lost");
	sim_run(s, 3600000);
	ok(asked.n > 1, "at its time the rekey is tried again (%u)", asked.n);
	sim_free(s);

	/* Control: without it nothing is known for most of an hour. */
	s = sim_new(3);
	sim_side_suites(s, 0, NULL, "aes128gcm16-modp1024");
	sim_side_suites(s, 1, NULL, "aes128gcm16-modp2048");
	sim_start(s);
	sim_up(s, 5000);
	ok(!sim_until(s, 2400000, noted), "control: without pfs-check nothing is seen");
	sim_free(s);

	/* Groups that fit: one rekey more, and that is all. */
	for (int who = 0; who < 2; who++) {
		s = sim_new(4);
		sim_suites(s, NULL, "aes128gcm16-ecp256");
		s->side[who].t.pfs_check = true;
		sim_start(s);
		sim_up(s, 5000);
		sim_traffic(s, 10);
		sim_run(s, 600000);
		ok(sim_main(s, 0)->r.child_rekeys == 1 &&
		   child_current(sim_main(s, 0), 0)->ke == KE_ECP_256 && !sim_lost(s),
		   "pfs-check by side %d: rekeyed once, no packet lost", who);
		sim_traffic(s, 0);
		sim_run(s, 5000);
		ok(sim_settled(s), "settled");
		sim_free(s);
	}
}

/* --- secrets --- */

static void t_rotation(void)
{
	static const struct {
		const char *left[2], *right[2];
		bool up;
	} cases[] = {
		{ { "new", "old" }, { "old", "" }, true },
		{ { "old", "" }, { "new", "old" }, true },
		{ { "new", "old" }, { "old", "new" }, true },
		{ { "new", "" }, { "new", "old" }, true },
		{ { "new", "" }, { "old", "" }, false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sim *s = sim_new(i);

		for (int k = 0; k < 2; k++) {
			strcpy(s->side[0].psk[k], cases[i].left[k]);
			strcpy(s->side[1].psk[k], cases[i].right[k]);
		}
		sim_start(s);
		sim_up(s, 30000);
		sim_run(s, 5000);
		ok(cases[i].up ? sim_settled(s) : !sim_count(s, 0) && !sim_count(s, 1),
		   "%s%s%s here, %s%s%s there: %s", cases[i].left[0], *cases[i].left[1] ? "," : "",
		   cases[i].left[1], cases[i].right[0], *cases[i].right[1] ? "," : "",
		   cases[i].right[1], cases[i].up ? "up" : "not up");
		sim_free(s);
	}
}

static bool right_is_up(struct sim *s)
{
	for (struct peer *p = sim_peer(s, 1); p; p = p->next)
		if (peer_main(p))
			return true;
	return false;
}

/* The right side has two tunnels with a secret each; which one does the left side's AUTH fit? */
static void t_by_identities(void)
{
	static const struct {
		const char *what, *own[2], *peer[2];	/* identities of the two tunnels */
		const char *asked;			/* by the left side, as left.example */
		bool other;				/* the second tunnel's secret */
		bool any;				/* the first is for any address */
		const char *psk;
		int up;					/* index of the tunnel, -1: none */
	} cases[] = {
		{ "by both identities", { "one.example", "two.example" },
		  { "left.example", "left.example" }, "two.example", .psk = "second", .up = 1 },
		{ "the pair goes before the peer's alone", { "one.example", "two.example" },
		  { "left.example", "any" }, "two.example", .psk = "second", .up = 1 },
		{ "by the peer's alone", { "one.example", "two.example" },
		  { "other.example", "left.example" }, "three.example", .psk = "second", .up = 1 },
		{ "an exact one before a pattern", { "one.example", "one.example" },
		  { "*.example", "left.example" }, "one.example", .psk = "second", .up = 1 },
		{ "a pattern before any", { "one.example", "one.example" },
		  { "any", "*.example" }, "one.example", .psk = "second", .up = 1 },
		{ "by the address", { "one.example", "one.example" },
		  { "any", "any" }, "one.example", .any = true, .psk = "second", .up = 1 },
		{ "not another tunnel's secret", { "one.example", "two.example" },
		  { "left.example", "left.example" }, "two.example", .psk = "first", .up = -1 },
		{ "nobody's", { "one.example", "two.example" },
		  { "other.example", "another.example" }, "one.example", .psk = "first", .up = -1 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sim *s = sim_new(i);
		struct tunnel two;
		struct peer *p;

		s->side[0].t.retry_seconds = 1000;
		id(&s->side[0].t.remote_id, cases[i].asked);
		strcpy(s->side[0].psk[0], cases[i].psk);
		strcpy(s->side[1].psk[0], "first");
		strcpy(s->side[1].other_psk, "second");
		id(&s->side[1].t.local_id, cases[i].own[0]);
		id(&s->side[1].t.remote_id, cases[i].peer[0]);
		two = s->side[1].t;
		two.id = 99;
		two.dev_id = 990;
		strcpy(two.name, "second");
		id(&two.local_id, cases[i].own[1]);
		id(&two.remote_id, cases[i].peer[1]);
		if (cases[i].any)
			memset(&s->side[1].t.remote[0], 0, sizeof(s->side[1].t.remote[0]));
		sim_begin(s, 1);
		sim_enter(s, 1);
		peer_set(s->side[1].ike, &two);
		sim_enter(s, -1);
		sim_begin(s, 0);
		sim_until(s, 3000, right_is_up);
		p = sim_peer(s, 1);
		ok((p && peer_main(p) ? 0 : p && peer_main(p->next) ? 1 : -1) == cases[i].up,
		   "secret found %s", cases[i].what);
		sim_free(s);
	}
}

/* --- logs that answer --- */

static void sides(struct sim *s, const char *ike0, const char *ike1, const char *esp0,
		  const char *esp1)
{
	sim_side_suites(s, 0, ike0, esp0);
	sim_side_suites(s, 1, ike1, esp1);
}

static void ike_cipher(struct sim *s)
{
	sides(s, "aes256gcm16-prfsha384-ecp384", "aes128gcm16-prfsha256-ecp256", NULL, NULL);
}

static void ike_group(struct sim *s)
{
	sides(s, "aes128gcm16-prfsha256-ecp384", "aes128gcm16-prfsha256-ecp256", NULL, NULL);
}

static void ike_prf(struct sim *s)
{
	sides(s, "aes128gcm16-prfsha384-ecp384", "aes128gcm16-prfsha256-ecp256", NULL, NULL);
}

static void esp_cipher(struct sim *s)
{
	sides(s, NULL, NULL, "aes256-sha256", "aes256gcm16, aes256-sha512");
}

static void esp_esn(struct sim *s)
{
	sides(s, NULL, NULL, "aes128gcm16-noesn", "aes128gcm16");
	s->side[1].t.esn_only = true;
}

static void wrong_ts(struct sim *s)
{
	s->side[0].t.n_remote_ts = s->side[1].t.n_local_ts = 1;
	s->side[0].t.remote_ts[0] = selector("10.1.0.0/16");
	s->side[1].t.local_ts[0] = selector("10.2.0.0/16");
}

static void wrong_id(struct sim *s)
{
	id(&s->side[1].t.remote_id, "other.example");
}

static void wrong_secret(struct sim *s)
{
	strcpy(s->side[0].psk[0], "another secret");
}

static void wrong_responder(struct sim *s)
{
	id(&s->side[0].t.remote_id, "*.other");
}

static const struct {
	const char *what;
	void (*set)(struct sim *s);
	const char *here, *there;	/* in a line of the initiator's, of the responder's */
} failures[] = {
	{ "cipher of the IKE SA", ike_cipher,
	  "exchange=IKE_SA_INIT answer=NO_PROPOSAL_CHOSEN difference=",
	  "difference=\"cipher: ours aes128gcm16, theirs aes256gcm16\" "
	  "ours=aes128gcm16-prfsha256-ecp256 theirs=aes256gcm16-prfsha384-ecp384" },
	{ "group of the IKE SA", ike_group, "ours=aes128gcm16-prfsha256-ecp384 theirs=\"not told\"",
	  "difference=\"group: ours ecp256, theirs ecp384\"" },
	{ "PRF", ike_prf, "answer=NO_PROPOSAL_CHOSEN",
	  "difference=\"PRF: ours prfsha256, theirs prfsha384\"" },
	{ "ESP suite", esp_cipher, "answer=NO_PROPOSAL_CHOSEN difference=",
	  "difference=\"hash: ours sha512, theirs sha256\" ours=\"aes256gcm16, aes256-sha512\" "
	  "theirs=aes256-sha256-esn-noesn" },
	{ "sequence numbers", esp_esn, "answer=NO_PROPOSAL_CHOSEN",
	  "difference=\"sequence numbers: ours esn, theirs noesn\"" },
	{ "selectors", wrong_ts, "answer=TS_UNACCEPTABLE difference=",
	  "difference=\"our end: ours 10.2.0.0/16, theirs 10.1.0.0/16\"" },
	{ "the initiator's identity", wrong_id, "local_id=left.example",
	  "difference=\"peer_id is not the one expected\" peer_id=left.example "
	  "expected=other.example local_id=right.example asked_for=right.example" },
	{ "secret", wrong_secret, "local_id=left.example asked_for=right.example",
	  "difference=\"the secrets differ\" peer_id=left.example expected=left.example" },
	{ "the responder's identity", wrong_responder,
	  "difference=\"peer_id is not the one expected\" peer_id=right.example expected=*.other",
	  "peer does not believe our identity or secret" },
};

static void t_logs(void)
{
	for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
		struct sim *s = sim_new(i);
		unsigned int here, there;
		char text[1 << 16];

		s->side[0].t.retry_seconds = 1000;
		failures[i].set(s);
		sim_start(s);
		sim_run(s, 20000);
		snprintf(text, sizeof(text), "%s", sim_log());
		here = sim_logged(failures[i].here);
		ok(here == 1, "%s: the initiator says %s", failures[i].what, failures[i].here);
		there = strstr(text, failures[i].there) != NULL;
		ok(there, "%s: the responder says %s", failures[i].what, failures[i].there);
		if (here != 1 || !there)
			printf("# %s\n", text);
		ok(!sim_out(s, 0) && !sim_out(s, 1), "and nothing is up");
		sim_free(s);
	}
}

/* An AEAD with a hash beside it, as some gateways' samples have it, in front of a sound proposal. */
static bool add_hash(struct sim *s, int from, uint8_t *msg, size_t *len)
{
	static const uint8_t sha256[] = { 3, 0, 0, 8, 3, 0, 0, 12 };
	const size_t sa = 28, prop = sa + 4, first = prop + 8;
	uint16_t l;

	if (from || msg[18] != EXCHANGE_IKE_SA_INIT)
		return false;
	memmove(msg + first + 8, msg + first, *len - first);
	memcpy(msg + first, sha256, 8);
	*len += 8;
	msg[prop + 7]++;
	for (size_t at = sa; at <= prop; at += prop - sa) {
		l = (uint16_t)((msg[at + 2] << 8 | msg[at + 3]) + 8);
		msg[at + 2] = (uint8_t)(l >> 8);
		msg[at + 3] = (uint8_t)l;
	}
	msg[26] = (uint8_t)(*len >> 8);
	msg[27] = (uint8_t)*len;
	return false;
}

static void t_void(void)
{
	struct sim *s = sim_new(1);

	sim_side_suites(s, 0, "aes128gcm16-prfsha256-x25519, aes256gcm16-prfsha256-x25519", NULL);
	sim_side_suites(s, 1, "aes128gcm16-prfsha256-x25519, aes256gcm16-prfsha256-x25519", NULL);
	s->side[0].t.retry_seconds = 1000;
	s->tap = add_hash;
	sim_start(s);
	sim_run(s, 3000);
	/* The message was changed on its way, so that AUTH cannot fit: only the choice counts. */
	ok(sim_logged("proposal of the peer's skipped tunnel=right number=1 "
		      "theirs=sha256-aes128gcm16-prfsha256-curve25519") == 1,
	   "an AEAD with a hash is skipped and named");
	sim_free(s);
	s = sim_new(2);
	s->side[0].t.retry_seconds = 1000;
	s->tap = add_hash;
	sim_start(s);
	sim_run(s, 10000);
	ok(sim_logged("difference=\"their proposal 1 has a hash beside an AEAD (RFC 5282)\"") >= 1,
	   "alone it is the reason of the refusal");
	sim_free(s);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} tests[] = {
		{ "rekey", t_rekey_asks }, { "groups", t_every_group }, { "fits", t_default_fits },
		{ "pfs", t_pfs }, { "rotation", t_rotation }, { "identities", t_by_identities },
		{ "logs", t_logs }, { "void", t_void },
	};

	sim_verbose = argc > 2;
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		if (argc < 2 || !strcmp(argv[1], tests[i].name))
			tests[i].run();
	return done();
}
