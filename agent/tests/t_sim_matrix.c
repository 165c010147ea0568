// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a peer with the right keys, or a stranger, may say to an engine in every
 * state: every exchange, both directions, every payload with every lie about
 * its length, critical, missing and doubled, and the complete messages of the
 * table of exchanges bent in the same ways. RFC 7296 2.21 says what is answered
 * (here: rule()); all else is silence. Nothing comes into being before it is
 * due, an answer is repeated byte by byte, and the log stays short.
 */
#include <errno.h>

#include "sim.h"
#include "tap.h"

#define TEXT	4000
#define NOTIFY_NONE 0xffff	/* rule(): any answer */

/* --- states --- */

enum at {
	AT_NOBODY, AT_INIT_SENT, AT_INIT_DONE, AT_AUTH_SENT, AT_UP_RESPONDER, AT_UP_INITIATOR,
	AT_CHILD_NEW, AT_CHILD_REKEY, AT_CHILD_DELETE, AT_IKE_REKEY, AT_DPD, AT_REPLACED,
	AT_REPLACED_DELETING, AT_CLOSING, AT_FAILED, AT_STATES
};

static const struct {
	const char *name;
	int side;		/* whose engine is in that state */
	enum sa_state state;
	enum task task;
} places[AT_STATES] = {
	[AT_NOBODY] = { "no IKE SA", 1, SA_FREE, TASK_NONE },
	[AT_INIT_SENT] = { "IKE_SA_INIT sent", 0, SA_INIT_SENT, TASK_INIT },
	[AT_INIT_DONE] = { "IKE_SA_INIT answered", 1, SA_INIT_DONE, TASK_NONE },
	[AT_AUTH_SENT] = { "IKE_AUTH sent", 0, SA_AUTH_SENT, TASK_AUTH },
	[AT_UP_RESPONDER] = { "up, as responder", 1, SA_UP, TASK_NONE },
	[AT_UP_INITIATOR] = { "up, as initiator", 0, SA_UP, TASK_NONE },
	[AT_CHILD_NEW] = { "asking for a child", 0, SA_UP, TASK_CHILD_NEW },
	[AT_CHILD_REKEY] = { "rekeying the child", 0, SA_UP, TASK_CHILD_REKEY },
	[AT_CHILD_DELETE] = { "deleting the child", 0, SA_UP, TASK_CHILD_DELETE },
	[AT_IKE_REKEY] = { "rekeying the IKE SA", 0, SA_UP, TASK_IKE_REKEY },
	[AT_DPD] = { "in a liveness check", 0, SA_UP, TASK_DPD },
	[AT_REPLACED] = { "replaced", 1, SA_REPLACED, TASK_NONE },
	[AT_REPLACED_DELETING] = { "replaced, deleting", 0, SA_REPLACED, TASK_IKE_DELETE },
	[AT_CLOSING] = { "closing", 0, SA_CLOSING, TASK_IKE_DELETE },
	[AT_FAILED] = { "failed", 1, SA_FAILED, TASK_NONE },
};

static struct {
	struct sim *s;
	enum at at;
	uint64_t spi;		/* the engine's own, of the IKE SA in question */
	uint64_t spi_i, spi_r;
	bool initiator;
	struct sk_key theirs, own;	/* kept, as a failed SA wipes them */
	unsigned int kernel, sas, half_open;
} here;

/* What the engine has sent since it was last asked. */
static struct {
	unsigned int n;
	size_t len;
	uint8_t msg[16384];
} sent;

static bool take_sent(struct sim *s, int from, uint8_t *msg, size_t *len)
{
	if (!s->held || from != places[here.at].side)
		return false;
	sent.n++;
	sent.len = *len;
	memcpy(sent.msg, msg, *len);
	return true;
}

static struct sa *subject(void)
{
	struct ike *ike = here.s->side[places[here.at].side].ike;

	return here.spi ? sa_find(ike, here.spi) : NULL;
}

static void remember(struct sa *sa)
{
	here.spi = sa_spi(sa);
	here.spi_i = sa->r.spi_i;
	here.spi_r = sa->r.spi_r;
	here.initiator = sa->r.initiator;
	here.theirs = sa->r.initiator ? sa->r.keys.r : sa->r.keys.i;
	here.own = sa->r.initiator ? sa->r.keys.i : sa->r.keys.r;
}

static struct sa *any_sa(struct sim *s, int side)
{
	for (int i = 0; i < SA_HASH; i++)
		if (s->side[side].ike->hash[i])
			return s->side[side].ike->hash[i];
	return NULL;
}

static void pump(struct sim *s)
{
	while (sim_waiting(s))
		sim_deliver(s, 0);
}

static void establish(struct sim *s)
{
	pump(s);
	remember(sim_main(s, places[here.at].side));
}

static void reach_early(struct sim *s)
{
	if (here.at == AT_NOBODY)
		return;
	if (here.at == AT_INIT_SENT) {
		remember(any_sa(s, 0));
		return;
	}
	sim_deliver(s, 0);
	if (here.at == AT_AUTH_SENT)
		sim_deliver(s, 0);
	remember(any_sa(s, places[here.at].side));
	if (here.at == AT_FAILED)
		pump(s);
}

static void reach(struct sim *s)
{
	struct sa *sa;

	if (here.at <= AT_AUTH_SENT || here.at == AT_FAILED) {
		reach_early(s);
		return;
	}
	establish(s);
	sa = subject();
	sim_enter(s, places[here.at].side);
	switch (here.at) {
	case AT_CHILD_NEW:
		sa->r.want_at[0] = s->now;
		window_run(sa);
		break;
	case AT_CLOSING:
		peer_down(sa->peer);
		break;
	case AT_CHILD_REKEY:
		peer_rekey(sa->peer, false);
		break;
	case AT_CHILD_DELETE:
		peer_rekey(sa->peer, false);
		pump(s);
		sim_run(s, 3100);
		break;
	case AT_IKE_REKEY:
	case AT_REPLACED:
	case AT_REPLACED_DELETING:
		sim_enter(s, 0);
		peer_rekey(sim_peer(s, 0), true);
		break;
	case AT_DPD:
		sim_run(s, 30001);
		break;
	default:
		break;
	}
	sim_enter(s, -1);
	if (here.at == AT_REPLACED || here.at == AT_REPLACED_DELETING)
		sim_deliver(s, 0);
	if (here.at == AT_REPLACED_DELETING)
		sim_deliver(s, 0);
	sim_run(s, 1);
}

static bool in_place(void)
{
	struct sim_side *side = &here.s->side[places[here.at].side];
	struct sa *sa = subject();

	return (here.at == AT_NOBODY || (sa && sa->r.state == places[here.at].state &&
					 sa->r.req.task == places[here.at].task)) &&
	       sim_count(here.s, places[here.at].side) == here.kernel &&
	       side->ike->n_sas == here.sas && side->ike->half_open == here.half_open;
}

static void leave(void)
{
	if (here.s)
		sim_free(here.s);
	here.s = NULL;
}

/* The engine in that state, anew. */
static bool go(enum at at)
{
	struct sim *s;

	leave();
	memset(&here, 0, sizeof(here));
	here.at = at;
	here.s = s = sim_new(11);
	sim_suites(s, NULL, "aes128gcm16-x25519");
	s->side[0].t.retry_seconds = 1000;
	if (at == AT_FAILED)
		strcpy(s->side[1].psk[0], "another");
	s->held = true;
	sim_begin(s, 1);
	if (at != AT_NOBODY)
		sim_begin(s, 0);
	reach(s);
	here.kernel = sim_count(s, places[at].side);
	here.sas = s->side[places[at].side].ike->n_sas;
	here.half_open = s->side[places[at].side].ike->half_open;
	s->tap = take_sent;
	return in_place();
}

/* --- messages --- */

struct words {
	uint8_t exchange;
	bool response;
	bool malformed;		/* by RFC 7296 3 */
	uint8_t critical;	/* an unknown payload that is critical, or 0 */
	bool whole;		/* all that its row of the table asks for, and nothing else */
	const char *what;
	uint8_t first;
	size_t len;
	uint8_t text[TEXT];
};

static void add(struct words *w, uint8_t *last, uint8_t type, const void *body, size_t len)
{
	size_t at = w->len;

	if (at + 4 + len > TEXT)
		return;
	*(w->len ? last : &w->first) = type;
	w->text[at] = 0;
	w->text[at + 1] = 0;
	w->text[at + 2] = (uint8_t)((len + 4) >> 8);
	w->text[at + 3] = (uint8_t)(len + 4);
	memcpy(w->text + at + 4, body, len);
	w->len += len + 4;
}

/* One of each kind, as it should be. */
static const struct body {
	uint8_t type, len;
	uint8_t data[60];
} bodies[] = {
	{ PAYLOAD_SA, 36, { 0, 0, 0, 36, 1, 3, 4, 3, 0xa, 0xb, 0xc, 0xd, 3, 0, 0, 12, 1, 0, 0, 20,
			    0x80, 14, 0, 128, 0, 0, 0, 12, 4, 0, 0, 31 } },
	{ PAYLOAD_KE, 36, { 0, 31, 0, 0, 9 } },
	{ PAYLOAD_IDi, 16, { 2, 0, 0, 0, 'l', 'e', 'f', 't', '.', 'e', 'x', 'a', 'm', 'p', 'l', 'e' } },
	{ PAYLOAD_IDr, 17, { 2, 0, 0, 0, 'r', 'i', 'g', 'h', 't', '.', 'e', 'x', 'a', 'm', 'p', 'l',
			     'e' } },
	{ PAYLOAD_CERT, 6, { 4, 1, 2, 3, 4, 5 } },
	{ PAYLOAD_CERTREQ, 21, { 4, 1 } },
	{ PAYLOAD_AUTH, 36, { 2, 0, 0, 0, 1, 2, 3 } },
	{ PAYLOAD_NONCE, 32, { 1, 2, 3, 4 } },
	{ PAYLOAD_NOTIFY, 4, { 0, 0, 0x9f, 0xff } },
	{ PAYLOAD_DELETE, 8, { 3, 4, 0, 1, 9, 9, 9, 9 } },
	{ PAYLOAD_VENDOR, 5, { 'h', 'e', 'l', 'l', 'o' } },
	{ PAYLOAD_TSi, 20, { 1, 0, 0, 0, 7, 0, 0, 16, 0, 0, 255, 255, 0, 0, 0, 0, 255, 255, 255,
			     255 } },
	{ PAYLOAD_TSr, 20, { 1, 0, 0, 0, 7, 0, 0, 16, 0, 0, 255, 255, 0, 0, 0, 0, 255, 255, 255,
			     255 } },
	{ PAYLOAD_CP, 4, { 1, 0, 0, 0 } },
	{ PAYLOAD_EAP, 4, { 2, 0, 0, 4 } },
};

#define BODIES (sizeof(bodies) / sizeof(bodies[0]))

/* Well-formed contents that have broken others, and malformed ones whose generic length is right. */
static const struct special {
	const char *what;
	uint8_t type, len;
	bool malformed;
	uint8_t data[24];
} specials[] = {
	{ "REKEY_SA of protocol 0", PAYLOAD_NOTIFY, 8, false, { 0, 4, 0x40, 9, 1, 2, 3, 4 } },
	{ "REKEY_SA of protocol 1", PAYLOAD_NOTIFY, 8, false, { 1, 4, 0x40, 9, 1, 2, 3, 4 } },
	{ "REKEY_SA without an SPI", PAYLOAD_NOTIFY, 4, false, { 3, 0, 0x40, 9 } },
	{ "REKEY_SA with one of 8", PAYLOAD_NOTIFY, 12, false, { 3, 8, 0x40, 9, 1, 2, 3, 4 } },
	{ "notify whose SPI is longer", PAYLOAD_NOTIFY, 4, true, { 3, 4, 0x40, 9 } },
	{ "unknown error", PAYLOAD_NOTIFY, 4, false, { 0, 0, 0, 0x77 } },
	{ "INVALID_KE_PAYLOAD without a group", PAYLOAD_NOTIFY, 4, false, { 0, 0, 0, 17 } },
	{ "COOKIE of nothing", PAYLOAD_NOTIFY, 4, false, { 0, 0, 0x40, 6 } },
	{ "delete of SPI 0", PAYLOAD_DELETE, 8, false, { 3, 4, 0, 1 } },
	{ "delete with more than it has", PAYLOAD_DELETE, 8, true, { 3, 4, 0, 9, 1, 2, 3, 4 } },
	{ "delete with less", PAYLOAD_DELETE, 12, true, { 3, 4, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8 } },
	{ "delete of 65535", PAYLOAD_DELETE, 8, true, { 3, 4, 255, 255, 1, 2, 3, 4 } },
	{ "delete with SPIs of 8", PAYLOAD_DELETE, 12, true, { 3, 8, 0, 1, 1, 2, 3, 4 } },
	{ "delete with SPIs of nothing", PAYLOAD_DELETE, 4, true, { 3, 0, 255, 255 } },
	{ "delete of AH", PAYLOAD_DELETE, 8, false, { 2, 4, 0, 1, 1, 2, 3, 4 } },
	{ "delete of protocol 0", PAYLOAD_DELETE, 8, true, { 0, 4, 0, 1, 1, 2, 3, 4 } },
	{ "delete of IKE with an SPI", PAYLOAD_DELETE, 12, true, { 1, 8, 0, 1 } },
	{ "nonce of 15", PAYLOAD_NONCE, 15, true, { 1 } },
	{ "KE of nothing", PAYLOAD_KE, 4, true, { 0, 31 } },
	{ "identity of type 0", PAYLOAD_IDi, 5, false, { 0, 0, 0, 0, 'x' } },
	{ "AUTH of nothing", PAYLOAD_AUTH, 4, true, { 2 } },
	{ "SK inside", PAYLOAD_SK, 20, true, { 1 } },
	{ "SKF inside", PAYLOAD_SKF, 20, true, { 0, 1, 0, 1 } },
};

static const struct body *body_of(uint8_t type)
{
	for (size_t i = 0; i < BODIES; i++)
		if (bodies[i].type == type)
			return &bodies[i];
	return NULL;
}

static void send_words(const struct words *w)
{
	struct sim *s = here.s;
	int side = places[here.at].side;
	struct addr src = s->side[!side].addr, dst = s->side[side].addr;
	struct sa *sa = subject();
	struct ike_hdr h = {
		.spi_i = here.spi_i ? here.spi_i : 77, .spi_r = here.spi_r,
		.exchange = w->exchange,
		.id = !sa ? 0 : w->response ? sa->r.req.mid : sa->r.mid_in,
		.flags = (here.initiator ? 0 : IKE_FLAG_INITIATOR) |
			 (w->response ? IKE_FLAG_RESPONSE : 0),
	};
	static uint8_t msg[TEXT + 200];
	struct wire_out o;
	int n;

	src.port = dst.port = 500;
	wire_begin(&o, msg, sizeof(msg), &h);
	if (w->exchange != EXCHANGE_IKE_SA_INIT && here.theirs.encr)
		sk_begin(&o, &here.theirs);
	wr_patch_u8(&o.w, o.next_at, w->first);
	wr_bytes(&o.w, w->text, w->len);
	n = o.sk_at ? sk_seal(&o, &here.theirs, 1000000 + sim_random(s)) : wire_end(&o);
	for (int again = 0; n > 0 && again < 2; again++) {
		static uint8_t before[16384];
		uint8_t *copy = malloc((size_t)n);
		size_t len = sent.len;

		memcpy(copy, msg, (size_t)n);
		if (again) {
			/* Whatever it was: the same once more has the same answer, or none. */
			if (sent.n > 1)
				break;
			memcpy(before, sent.msg, len);
		}
		sim_enter(s, side);
		ike_input(s->side[side].ike, &dst, &src, false, copy, (size_t)n);
		sim_enter(s, -1);
		free(copy);
		if (again && sent.n > 1 && !(sent.n == 2 && sent.len == len &&
					     !memcmp(before, sent.msg, len)))
			sent.n = 99;
	}
}

/* --- what is right --- */

static bool living(enum at at)
{
	enum sa_state state = places[at].state;

	return state == SA_UP || state == SA_REPLACED || state == SA_CLOSING;
}

/* The notify of the answer to a request, NOTIFY_NONE for any answer, 0 for silence. */
static uint16_t rule(const struct words *w)
{
	if (w->response || w->exchange == EXCHANGE_IKE_SA_INIT)
		return 0;
	if (!living(here.at) && (places[here.at].state != SA_INIT_DONE ||
				 w->exchange != EXCHANGE_IKE_AUTH))
		return 0;
	if (w->malformed)
		return NOTIFY_INVALID_SYNTAX;
	if (w->critical)
		return NOTIFY_UNSUPPORTED_CRITICAL_PAYLOAD;
	return NOTIFY_NONE;
}

/* The answer's only notify, decrypted with the engine's own key. */
static bool answer_is(const struct words *w, uint16_t want)
{
	static uint8_t copy[16384];
	struct notify n;
	struct msg m;

	memcpy(copy, sent.msg, sent.len);
	if (wire_parse(&m, copy, sent.len) || sk_open(&m, copy, &here.own))
		return false;
	if (m.hdr.exchange != w->exchange || !(m.hdr.flags & IKE_FLAG_RESPONSE))
		return false;
	if (want == NOTIFY_NONE)
		return true;
	return msg_error(&m, &n) && n.type == want &&
	       (want != NOTIFY_UNSUPPORTED_CRITICAL_PAYLOAD ||
		(n.data.len == 1 && n.data.data[0] == w->critical));
}

static struct {
	unsigned int cases, answers, syntax, critical, silent, lines, rebuilt, bad;
} count;

static void wrong(const struct words *w, const char *why)
{
	if (count.bad++ < 10)
		printf("# %s, %s %s, %s: %s (%u sent)\n", places[here.at].name,
		       wire_exchange_name(w->exchange), w->response ? "response" : "request",
		       w->what, why, sent.n);
}

static void say(const struct words *w)
{
	struct sim_side *side = &here.s->side[places[here.at].side];
	unsigned int lines, sas = side->ike->n_sas, kernel = sim_count(here.s, places[here.at].side);
	uint16_t want = rule(w);

	sent.n = 0;
	sim_logged("");
	send_words(w);
	lines = sim_logged("\n");
	count.cases++;
	count.lines += lines;
	if (here.at == AT_NOBODY && w->exchange != EXCHANGE_IKE_SA_INIT && sent.n <= 2)
		count.silent++;		/* INVALID_IKE_SPI, once a second at most */
	else if (here.at == AT_NOBODY && w->exchange == EXCHANGE_IKE_SA_INIT && sent.n < 99)
		count.silent++;		/* what that is answered is t_sim_bad's */
	else if (!want && sent.n && (!w->response || sent.msg[19] & IKE_FLAG_RESPONSE))
		wrong(w, "an answer where none is due");	/* our own DELETE may be */
	else if (want && (sent.n < 1 || sent.n > 2))
		wrong(w, "not one answer, and the same again");
	else if (want && !answer_is(w, want))
		wrong(w, "another answer");
	else if (want)
		count.answers++;
	else
		count.silent++;
	count.syntax += want == NOTIFY_INVALID_SYNTAX;
	count.critical += want == NOTIFY_UNSUPPORTED_CRITICAL_PAYLOAD;
	/* A complete CREATE_CHILD_SA may make something, and so may the answer to ours. */
	if ((!w->whole || w->exchange != EXCHANGE_CREATE_CHILD_SA) && here.at != AT_NOBODY &&
	    (side->ike->n_sas > sas || sim_count(here.s, places[here.at].side) > kernel))
		wrong(w, "something came into being");
	/* It was said twice. */
	if (lines > (w->malformed && !w->response ? 2 : 8))
		wrong(w, "more in the log than is due");
	if (here.s->faults)
		wrong(w, "a fault");
	if (!in_place()) {
		count.rebuilt++;
		if (!go(here.at))
			wrong(w, "the state is not reached again");
	}
}

/* --- the tables --- */

/*
 * Whoever is waiting for an answer gives up an IKE SA for one that makes no sense, and has to be
 * brought there again: then one lie at each place is enough, another one each time, and other
 * exchanges are tried in other states. IPSECVTI_LONG=1 tries all in all.
 */
static bool costly(const struct words *w)
{
	const char *l = getenv("IPSECVTI_LONG");

	if (l && *l == '1')
		return false;
	return w->response ? places[here.at].task != TASK_NONE :
	       places[here.at].state == SA_INIT_DONE && w->exchange == EXCHANGE_IKE_AUTH;
}

/* The lies about the length of the payload at @at, whose true one is below 256. */
static void lies(const struct words *good, size_t at)
{
	static const int values[] = { 0, 1, 3, -1, +1, -4, +4, 255, 65535 };
	size_t truth = good->text[at + 3];
	static unsigned int turn;
	struct words w = *good;

	turn++;
	w.malformed = true;
	w.whole = false;
	w.what = "a lie about a length";
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		size_t v = i >= 3 && i < 7 ? truth + (size_t)values[i] : (size_t)values[i];

		if (v == truth || (costly(good) && i != turn % 9))
			continue;
		w.text[at + 2] = (uint8_t)(v >> 8);
		w.text[at + 3] = (uint8_t)v;
		say(&w);
	}
}

static bool awaited(uint8_t exchange)
{
	switch (places[here.at].task) {
	case TASK_AUTH:
		return exchange == EXCHANGE_IKE_AUTH;
	case TASK_CHILD_NEW:
	case TASK_CHILD_REKEY:
	case TASK_IKE_REKEY:
		return exchange == EXCHANGE_CREATE_CHILD_SA;
	default:
		return exchange == EXCHANGE_INFORMATIONAL;
	}
}

static void single(uint8_t exchange, bool response)
{
	struct words w = { .exchange = exchange, .response = response }, c;
	uint8_t last = 0;

	if (response && exchange % 3 != here.at % 3 && costly(&w) && !awaited(exchange))
		return;

	w.what = "empty";
	say(&w);
	for (size_t i = 0; i < BODIES; i++) {
		c = w;
		c.what = wire_payload_name(bodies[i].type);
		add(&c, &last, bodies[i].type, bodies[i].data, bodies[i].len);
		say(&c);
		c.text[1] = 0x80;
		c.what = "known and critical";
		say(&c);
		c.text[1] = 0;
		lies(&c, 0);
	}
	for (size_t i = 0; i < sizeof(specials) / sizeof(specials[0]); i++) {
		c = w;
		c.what = specials[i].what;
		c.malformed = specials[i].malformed;
		add(&c, &last, specials[i].type, specials[i].data, specials[i].len);
		say(&c);
	}
	for (unsigned int type = 1; type < 256; type += type == 1 ? 31 : type == 32 ? 17 : 67) {
		c = w;
		c.what = "unknown";
		add(&c, &last, (uint8_t)type, "abcd", 4);
		say(&c);
		c.critical = (uint8_t)type;
		c.what = "unknown and critical";
		c.text[1] = 0x80;
		say(&c);
	}
	/* Counts: 64 known ones are taken, one more is not; unknown ones are only counted. */
	for (unsigned int n = 63; n <= 65; n++) {
		c = w;
		c.what = "very many";
		c.malformed = n > MSG_PAYLOADS;
		for (unsigned int i = 0; i < n; i++)
			add(&c, &c.text[c.len >= 9 ? c.len - 9 : 0], PAYLOAD_VENDOR, "hello", 5);
		say(&c);
	}
	c = w;
	c.what = "300 unknown";
	for (unsigned int i = 0; i < 300; i++)
		add(&c, &c.text[c.len >= 4 ? c.len - 4 : 0], 222, "", 0);
	say(&c);
}

/* The payloads of a row, one behind the other; where each begins. */
static unsigned int build(const struct xchg_row *row, struct words *w, size_t at[16], int skip,
			  int twice)
{
	unsigned int n = 0, k = 0;

	memset(w, 0, sizeof(*w));
	w->exchange = row->exchange;
	w->response = row->response;
	for (uint8_t type = 33; type < 64; type++) {
		const struct body *b = body_of(type);

		if (!(row->required & xchg_bit(type)) || !b)
			continue;
		for (int i = 0; i < ((int)k == skip ? 0 : (int)k == twice ? 2 : 1); i++) {
			uint8_t *last = n ? &w->text[at[n - 1]] : NULL;

			at[n++] = w->len;
			add(w, last, type, b->data, b->len);
		}
		k++;
	}
	return k;
}

static void whole(const struct xchg_row *row)
{
	struct words w;
	size_t at[16];
	unsigned int n = build(row, &w, at, -1, -1);

	w.whole = true;
	w.what = "whole";
	say(&w);
	for (unsigned int k = 0; k < n; k++) {
		build(row, &w, at, -1, -1);
		lies(&w, at[k]);
		w.whole = true;
		w.what = "whole, one critical";
		w.text[at[k] + 1] = 0x80;
		say(&w);
		build(row, &w, at, (int)k, -1);
		w.what = "one missing";
		w.whole = true;		/* it may be another row's */
		say(&w);
		build(row, &w, at, -1, (int)k);
		w.what = "one twice";
		say(&w);
	}
}

static void t_state(enum at at)
{
	static const uint8_t exchanges[] = { 34, 35, 36, 37, 38, 43, 44, 0, 33, 255 };
	size_t n;
	const struct xchg_row *rows = xchg_rows(&n);

	memset(&count, 0, sizeof(count));
	if (!ok(go(at), "%s: reached", places[at].name))
		return;
	for (size_t i = 0; i < sizeof(exchanges); i++) {
		single(exchanges[i], false);
		single(exchanges[i], true);
	}
	for (size_t i = 0; i < n; i++)
		whole(&rows[i]);
	leave();
	ok(!count.bad && (!living(at) || (count.syntax > 500 && count.critical > 40)),
	   "%s: %u messages, %u answered (%u INVALID_SYNTAX, %u critical), %u in silence; "
	   "%u lines logged, state made anew %u times; %u wrong", places[at].name, count.cases,
	   count.answers, count.syntax, count.critical, count.silent, count.lines, count.rebuilt,
	   count.bad);
	ok(count.lines < count.cases / 2 + 20 * count.rebuilt, "%s: a limited log",
	   places[at].name);
}

int main(int argc, char **argv)
{
	sim_verbose = argc > 2;
	for (int at = AT_NOBODY; at < AT_STATES; at++)
		if (argc < 2 || at == atoi(argv[1]))
			t_state((enum at)at);
	return done();
}
