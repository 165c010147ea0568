// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Bad messages. A stranger's: cut, lengthened, flipped; nothing may come of
 * them. And a peer's: the plaintext of a real exchange is changed and
 * encrypted again, so that it passes the ICV. Whatever comes, the engine
 * answers by RFC 7296 or is silent, leaks nothing, and the tunnel is up again
 * in the end.
 */
#include "bend.h"
#include "sk.h"
#include "tap.h"

static unsigned int seeds(unsigned int few, unsigned int many)
{
	const char *l = getenv("IPSECVTI_LONG");

	return l && *l == '1' ? many : few;
}

/* --- one exchange with one change --- */

enum stage { INIT, AUTH, CHILD, IKE, DELETE, STAGES };

static const char * const stage_names[] = { "IKE_SA_INIT", "IKE_AUTH", "child rekey", "IKE rekey",
					    "delete" };
static const char * const how_names[] = { "length", "type", "critical", "missing", "twice", "cut",
					  "flipped", "trailing" };

static bool run(enum stage stage, bool response, enum bend_how how, unsigned int which,
		unsigned int value, unsigned int *hits)
{
	static const uint8_t exchanges[] = { 34, 35, 36, 36, 37 };
	struct sim *s = sim_new(77 + which);
	bool good;

	memset(&bend, 0, sizeof(bend));
	bend.exchange = exchanges[stage];
	bend.response = response;
	bend.from = response;
	bend.how = how;
	bend.which = which;
	bend.value = value;
	sim_suites(s, NULL, "aes128gcm16-x25519");
	s->side[0].t.retry_seconds = s->side[1].t.retry_seconds = 2;
	if (stage <= AUTH)
		s->tap = bend_tap;
	sim_start(s);
	sim_up(s, 5000);
	sim_run(s, 1000);
	s->tap = bend_tap;
	if (stage == CHILD || stage == DELETE)
		sim_rekey(s, 0, false);
	if (stage == IKE)
		sim_rekey(s, 0, true);
	sim_run(s, 500000);
	/* Another nonce, public value or SPI cannot be told from a right one: no leak is all. */
	if ((stage == CHILD || stage == AUTH) && how == BEND_FLIP)
		good = sim_count(s, 0) == 2 && sim_count(s, 1) == 2 &&
		       sim_sas(s, 0, -1) == 1 && sim_sas(s, 1, -1) == 1;
	else
		good = sim_settled(s);
	*hits += bend.hits;
	if (!good)
		printf("# %s %s: %s, payload or byte %u, value %u\n", stage_names[stage],
		       response ? "response" : "request", how_names[how], which, value);
	sim_free(s);
	return good;
}

static void t_stage(enum stage stage, bool response)
{
	unsigned int hits = 0, bad = 0, runs = 0, step = seeds(29, 1);
	unsigned int before;

	for (int how = BEND_LENGTH; how <= BEND_TWICE; how++) {
		unsigned int values = how == BEND_LENGTH ? 11 : how == BEND_TYPE || how == BEND_CRITICAL ? 4 : 1;
		static const unsigned int types[] = { 200, 33, 41, 53 };

		for (unsigned int which = 0; which < 12; which++) {
			before = hits;
			for (unsigned int v = 0; v < values; v += how == BEND_LENGTH ? seeds(4, 1) : seeds(2, 1)) {
				bad += !run(stage, response, (enum bend_how)how, which,
					    how == BEND_TYPE || how == BEND_CRITICAL ? types[v] : v, &hits);
				runs++;
			}
			if (hits == before)
				break;
		}
	}
	for (int how = BEND_CUT; how <= BEND_FLIP; how++) {
		for (unsigned int which = how; ; which += step) {
			before = hits;
			bad += !run(stage, response, (enum bend_how)how, which, 1u << which % 8, &hits);
			runs++;
			if (hits == before)
				break;
		}
	}
	bad += !run(stage, response, BEND_GROW, 0, 0, &hits);
	bad += !run(stage, response, BEND_GROW, 0, 255, &hits);
	ok(!bad, "%s %s: %u changes in %u runs, %u not settled", stage_names[stage],
	   response ? "response" : "request", hits, runs + 2, bad);
}

/* --- strangers --- */

static uint8_t seen[16384];
static size_t seen_len;

static bool copy_tap(struct sim *s, int from, uint8_t *msg, size_t *len)
{
	if (from == 0 && !seen_len) {
		memcpy(seen, msg, *len);
		seen_len = *len;
	}
	return false;
}

static void give(struct sim *s, const uint8_t *msg, size_t len)
{
	uint8_t copy[16384];
	struct addr from = s->side[0].addr, to = s->side[1].addr;

	memcpy(copy, msg, len);
	from.port = 500;
	to.port = 500;
	ike_input(s->side[1].ike, &to, &from, false, copy, len);
}

static void t_strangers(void)
{
	struct sim *s = sim_new(1);
	uint8_t bad[16384];
	unsigned int lines;

	s->tap = copy_tap;
	s->side[0].t.retry_seconds = 1000;
	s->cut = false;
	sim_begin(s, 1);
	sim_begin(s, 0);
	sim_kill(s, 0);
	s->cut = true;
	sim_run(s, 50000);
	ok(seen_len > 100, "an IKE_SA_INIT of %zu bytes", seen_len);
	for (size_t n = 0; n < seen_len; n++)
		give(s, seen, n);
	ok(s->side[1].ike->half_open == 0, "cut at every length: no state");
	for (size_t n = 0; n < seen_len; n++) {
		memcpy(bad, seen, seen_len);
		bad[27] = (uint8_t)n;
		bad[26] = (uint8_t)(n >> 8);
		give(s, bad, seen_len);
	}
	ok(s->side[1].ike->half_open == 0, "every lie about the length: no state");
	for (unsigned int i = 0; i < seeds(3000, 100000); i++) {
		size_t n = sim_random(s) % 600;

		for (size_t k = 0; k < n; k++)
			bad[k] = (uint8_t)sim_random(s);
		if (i & 1 && n >= 28) {
			memcpy(bad, seen, 20);
			bad[24] = bad[25] = 0;
			bad[26] = (uint8_t)(n >> 8);
			bad[27] = (uint8_t)n;
		}
		give(s, bad, n);
	}
	ok(s->side[1].ike->half_open == 0, "random bytes: no state");
	lines = sim_logged("datagram dropped");
	ok(lines < 200, "and the log is limited: %u lines", lines);
	give(s, seen, seen_len);
	ok(s->side[1].ike->half_open == 1, "the true one opens half an IKE SA");
	sim_free(s);
}

static void t_flood(void)
{
	struct sim *s = sim_new(2);
	uint8_t msg[16384];

	seen_len = 0;
	s->tap = copy_tap;
	sim_begin(s, 1);
	sim_begin(s, 0);
	sim_kill(s, 0);
	s->cut = true;
	sim_run(s, 50000);
	s->side[1].ike->times.source_cookie = s->side[1].ike->times.source_max = 100;
	for (unsigned int i = 0; i < 2000; i++) {
		memcpy(msg, seen, seen_len);
		msg[0] ^= (uint8_t)(i >> 8);
		msg[1] ^= (uint8_t)i;
		give(s, msg, seen_len);
	}
	ok(s->side[1].ike->half_open == s->side[1].ike->times.half_open_cookie,
	   "2000 spoofed IKE_SA_INITs: %u half-open, cookies for the rest",
	   s->side[1].ike->half_open);
	sim_run(s, 60000);
	ok(s->side[1].ike->half_open == 0 && s->side[1].ike->n_sas == 0, "and nothing later");
	sim_free(s);
}

/*
 * Whoever forges the peer's address takes little of what that address may have; cookies keep the
 * rest for the peer itself.
 */
static void t_forged_source(void)
{
	struct sim *s = sim_new(4);
	unsigned int most = 0;
	uint8_t msg[16384];

	seen_len = 0;
	s->tap = copy_tap;
	sim_start(s);
	for (unsigned int i = 0; i < 400; i++) {
		for (unsigned int k = 0; k < 20; k++) {
			memcpy(msg, seen, seen_len);
			msg[0] ^= (uint8_t)(i + 1);
			msg[1] ^= (uint8_t)k;
			give(s, msg, seen_len);
		}
		if (s->side[1].ike->half_open > most)
			most = s->side[1].ike->half_open;
		sim_run(s, 50);
	}
	ok(most <= s->side[1].ike->times.source_cookie + 1 && s->side[1].ike->n.cookies_sent,
	   "8000 IKE_SA_INITs under the peer's address: %u half-open", most);
	ok(sim_out(s, 0) && sim_out(s, 1), "and the peer came up meanwhile");
	sim_run(s, 60000);
	ok(sim_settled(s), "nothing is left of the others");
	sim_free(s);
}

/* A peer that rekeys the IKE SA for ever and deletes none. */
static bool no_delete(struct sim *s, int from, uint8_t *msg, size_t *len)
{
	return from == 0 && msg[18] == EXCHANGE_INFORMATIONAL;
}

static void t_rekeys(void)
{
	struct sim *s = sim_new(6);
	unsigned int most = 0, n;

	sim_start(s);
	sim_up(s, 5000);
	sim_run(s, 1000);
	s->tap = no_delete;
	for (unsigned int i = 0; i < 60; i++) {
		sim_rekey(s, 0, true);
		sim_run(s, 100);
		n = sim_sas(s, 1, -1);
		most = n > most ? n : most;
	}
	ok(s->side[1].ike->n.ike_rekeys >= 50 && most > 8 && most <= 17,
	   "%u IKE rekeys without a delete: %u IKE SAs at most",
	   (unsigned int)s->side[1].ike->n.ike_rekeys, most);
	s->tap = NULL;
	sim_run(s, 300000);
	ok(sim_settled(s), "and one in the end");
	sim_free(s);
}

/* A message of which only a piece came, and then all of it at once: nothing is kept for the rest. */
static void t_pieces(void)
{
	struct sim *s = sim_new(8);
	struct sa *sa, *to;
	struct ike_hdr h;
	struct wire_out o;
	uint8_t msg[1000];
	int n;

	sim_start(s);
	sim_up(s, 5000);
	sim_run(s, 1000);
	sa = sim_main(s, 0);
	to = sim_main(s, 1);
	h = (struct ike_hdr){ .spi_i = sa->r.spi_i, .spi_r = sa->r.spi_r, .id = to->r.mid_in,
			      .exchange = EXCHANGE_INFORMATIONAL, .flags = IKE_FLAG_INITIATOR };
	wire_begin(&o, msg, sizeof(msg), &h);
	sk_begin_fragment(&o, &sa->r.keys.i, 1, 2, PAYLOAD_NOTIFY);
	wr_zero(&o.w, 100);
	n = sk_seal(&o, &sa->r.keys.i, 1000000);
	give(s, msg, (size_t)n);
	ok(n > 0 && to->frag, "a piece waits for the others");
	sim_rekey(s, 0, false);
	sim_run(s, 100);
	ok(!to->frag && s->side[1].ike->n.child_rekeys == 1, "until its message comes whole");
	sim_free(s);
}

/* --- values that no honest peer sends, in every exchange that has such a payload --- */

static const struct {
	const char *name, *ike, *esp;
	unsigned int len;	/* of a public value */
} groups[] = {
	{ "MODP-1024", "aes128gcm16-prfsha256-modp1024", "aes128gcm16-modp1024", 128 },
	{ "ECP-256", "aes128gcm16-prfsha256-ecp256", "aes128gcm16-ecp256", 64 },
	{ "ECP-384", "aes128gcm16-prfsha256-ecp384", "aes128gcm16-ecp384", 96 },
	{ "ECP-521", "aes128gcm16-prfsha256-ecp521", "aes128gcm16-ecp521", 132 },
	{ "X25519", "aes128gcm16-prfsha256-x25519", "aes128gcm16-x25519", 32 },
};

/* One payload of one message has other contents. Was it changed, and did all come right? */
static bool replace(enum stage stage, bool response, unsigned int group, uint8_t type,
		    const void *body, size_t len)
{
	static const uint8_t exchanges[] = { 34, 35, 36, 36, 37 };
	struct sim *s = sim_new(99);
	unsigned int before;
	bool good;

	memset(&bend, 0, sizeof(bend));
	bend.exchange = exchanges[stage];
	bend.response = response;
	bend.from = response;
	bend.how = BEND_BODY;
	bend.which = type;
	bend.body = view(body, len);
	sim_suites(s, groups[group].ike, groups[group].esp);
	s->side[0].t.retry_seconds = s->side[1].t.retry_seconds = 2;
	s->tap = stage <= AUTH ? bend_tap : NULL;
	sim_start(s);
	if (stage <= AUTH) {
		/* A half-open IKE SA or more is nothing that such a message makes. */
		while (!bend.hits)
			sim_run(s, 1);
		sim_run(s, 25);
		good = !sim_sas(s, !response, response ? SA_AUTH_SENT : SA_INIT_DONE) &&
		       !sim_count(s, !response);
	} else {
		sim_up(s, 5000);
		sim_run(s, 1000);
		before = s->side[!response].installs;
		s->tap = bend_tap;
		sim_rekey(s, 0, stage == IKE);
		sim_run(s, response ? 50 : 30);
		good = s->side[!response].installs == before && sim_sas(s, !response, -1) == 1;
	}
	good = good && bend.hits == 1;
	sim_run(s, 500000);
	good = sim_settled(s) && good;
	sim_free(s);
	return good;
}

static void t_publics(unsigned int g)
{
	static const uint8_t group_ids[] = { 2, 19, 20, 21, 31 };
	static const struct {
		const char *what;
		int more;		/* bytes */
		uint8_t fill, last;
	} values[] = {
		{ "0", 0, 0, 0 }, { "1", 0, 0, 1 }, { "all ones", 0, 0xff, 0xff },
		{ "one byte short", -1, 7, 7 }, { "one byte long", 1, 7, 7 }, { "4", 0, 0, 4 },
	};
	unsigned int runs = 0, bad = 0;
	uint8_t body[200];

	for (int stage = INIT; stage <= IKE; stage++) {
		for (unsigned int v = 0; stage != AUTH && v < sizeof(values) / sizeof(values[0]); v++) {
			size_t len = (size_t)((int)groups[g].len + values[v].more);

			/* 4 is a good number, and X25519 takes what has no small order. */
			if ((values[v].last == 4 && (g == 0 || g == 4)) || (values[v].fill == 0xff && g == 4))
				continue;
			memset(body, values[v].fill, sizeof(body));
			memcpy(body, (uint8_t[]){ 0, group_ids[g], 0, 0 }, 4);
			/* Little-endian, and big-endian otherwise. */
			body[g == 4 ? 4 : 3 + len] = values[v].last;
			for (int response = 0; response < 2; response++, runs++) {
				if (replace((enum stage)stage, response, g, PAYLOAD_KE, body, 4 + len))
					continue;
				printf("# %s %s: %s\n", stage_names[stage],
				       response ? "response" : "request", values[v].what);
				bad++;
			}
		}
	}
	ok(runs > 20 && !bad, "%s: %u bad public values, %u not as they should be", groups[g].name,
	   runs, bad);
}

/* Proposals from which no key of any length could come. */
static void t_proposals(void)
{
	static const struct {
		const char *what, *hex;	/* PP: the protocol, SS: the SPI with its size */
	} sas[] = {
		{ "no transforms", "00000008 01PP0000" },
		{ "ENCR_NULL", "00000010 01PP0001 00000008 0100000b" },
		{ "a cipher without key length", "00000010 01PP0001 00000008 01000014" },
		{ "a key of 0 bits", "00000014 01PP0001 0000000c 01000014 800e0000" },
		{ "a key of 1 bit", "00000014 01PP0001 0000000c 01000014 800e0001" },
		{ "a key of 65535 bits", "00000014 01PP0001 0000000c 01000014 800effff" },
		{ "integrity alone", "00000010 01PP0001 00000008 0300000c" },
		{ "AH", "00000010 01020001 00000008 0300000c" },
		{ "protocol 0", "00000014 01000001 0000000c 01000014 800e0080" },
		{ "an SPI of 255 bytes", "00000014 01PPff01 0000000c 01000014 800e0080" },
		{ "an SPI of 3 bytes", "00000013 01PP0300 aabbcc 00000000" },
		{ "255 transforms", "00000014 01PP00ff 0000000c 01000014 800e0080" },
		{ "a proposal of nothing", "00000000" },
		{ "a transform type that is unknown", "00000010 01PP0001 00000008 f0000001" },
	};
	unsigned int runs = 0, bad = 0;
	uint8_t body[100];
	char hex[120];

	for (unsigned int i = 0; i < sizeof(sas) / sizeof(sas[0]); i++) {
		for (int stage = INIT; stage <= IKE; stage++) {
			char *at;

			if (stage == AUTH)
				continue;
			snprintf(hex, sizeof(hex), "%s", sas[i].hex);
			at = strstr(hex, "PP");
			if (at)
				memcpy(at, stage == CHILD ? "03" : "01", 2);
			for (int response = 0; response < 2; response++, runs++) {
				if (replace((enum stage)stage, response, 4, PAYLOAD_SA, body,
					    unhex(body, sizeof(body), hex)))
					continue;
				printf("# %s %s: %s\n", stage_names[stage],
				       response ? "response" : "request", sas[i].what);
				bad++;
			}
		}
	}
	ok(!bad, "%u proposals without a key, %u not as they should be", runs, bad);
}

int main(int argc, char **argv)
{
	sim_verbose = argc > 1;
	if (argc > 5) {
		unsigned int hits = 0;

		ok(run((enum stage)atoi(argv[1]), atoi(argv[2]), (enum bend_how)atoi(argv[3]),
		       (unsigned int)atoi(argv[4]), (unsigned int)atoi(argv[5]), &hits), "one run");
		return done();
	}
	t_strangers();
	t_flood();
	t_forged_source();
	t_rekeys();
	t_pieces();
	for (unsigned int g = 0; g < sizeof(groups) / sizeof(groups[0]); g++)
		t_publics(g);
	t_proposals();
	for (int stage = INIT; stage < STAGES; stage++) {
		t_stage((enum stage)stage, false);
		t_stage((enum stage)stage, true);
	}
	return done();
}
