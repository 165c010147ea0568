// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/ipsecvti.h>

#include "addr.h"
#include "id.h"
#include "nat.h"
#include "puppet.h"
#include "sk.h"
#include "suite.h"

/*
 * Orders as they are seen in logs of these peers (IOS and ASA debugs, RouterOS
 * logs, strongSwan's "parsed ..." lines).
 */
const struct style style_plain = {
	.name = "plain",
	.init = { SA, KE, NONCE, NATD, FRAG },
	.auth = { IDi, IDr, AUTH, SA, TSi, TSr },
	.child = { REKEY, SA, NONCE, KE, TSi, TSr },
};

const struct style style_cisco = {
	.name = "Cisco",
	.init = { SA, KE, NONCE, VENDOR, VENDOR, NATD, FRAG, VENDOR },
	.auth = { VENDOR, IDi, IDr, AUTH, SA, TSi, TSr, CONTACT, WINDOW, NO_TFC, FIRST_ONLY },
	.child = { SA, NONCE, KE, TSi, TSr, REKEY },
};

const struct style style_windows = {
	.name = "Windows",
	.init = { SA, KE, NONCE, FRAG, NATD, VENDOR, VENDOR, VENDOR, VENDOR },
	.auth = { IDi, IDr, AUTH, MOBIKE, CPRQ, SA, TSi, TSr },
	.child = { SA, NONCE, REKEY, TSi, TSr, KE },
};

const struct style style_mikrotik = {
	.name = "MikroTik",
	.init = { NONCE, KE, SA, NATD },
	.auth = { IDi, IDr, AUTH, CONTACT, CPRQ, SA, TSi, TSr },
	.child = { NONCE, KE, REKEY, CPRQ, SA, TSi, TSr },
};

const struct style style_paloalto = {
	.name = "PaloAlto",
	.init = { SA, KE, NONCE, NATD, VENDOR },
	.auth = { IDi, IDr, AUTH, CONTACT, SA, TSi, TSr },
	.child = { SA, NONCE, KE, TSi, TSr, REKEY },
};

struct ts puppet_ts(const char *text)
{
	const char *why;
	struct ts t;

	if (ts_parse(&t, text, &why))
		abort();
	return t;
}

/* --- life, sending, receiving --- */

static void take(void *arg, const struct addr *local, const struct addr *remote, bool marker,
		 const uint8_t *msg, size_t len)
{
	struct puppet *p = arg;

	if (p->n == PUPPET_INBOX || len > PUPPET_MSG) {
		sim_fault(p->s, "the puppet's box is full");
		return;
	}
	memcpy(p->box[p->n].msg.b, msg, len);
	p->box[p->n].msg.len = len;
	p->box[p->n].to = *local;
	p->box[p->n].from = *remote;
	p->box[p->n++].marker = marker;
}

struct puppet *puppet_new(struct sim *s, int side, const struct style *style)
{
	struct puppet *p = calloc(1, sizeof(*p));

	if (!p)
		abort();
	p->s = s;
	p->side = side;
	p->style = style;
	p->t = s->side[side].t;
	p->local = s->side[side].addr;
	p->remote = s->side[!side].addr;
	p->local.port = p->remote.port = 500;
	s->side[side].take = take;
	s->side[side].take_arg = p;
	return p;
}

void puppet_free(struct puppet *p)
{
	p->s->side[p->side].take = NULL;
	free(p);
}

void puppet_suites(struct puppet *p, const char *ike, const char *esp)
{
	sim_side_suites(p->s, p->side, ike, esp);
	p->t = p->s->side[p->side].t;
}

static const struct sk_key *own_key(const struct puppet *p)
{
	return p->initiator ? &p->keys.i : &p->keys.r;
}

static const struct sk_key *peer_key(const struct puppet *p)
{
	return p->initiator ? &p->keys.r : &p->keys.i;
}

/* Takes the ith message out of the box and opens it. */
static bool open_one(struct puppet *p, unsigned int i)
{
	p->raw_len = p->box[i].msg.len;
	memcpy(p->plain, p->box[i].msg.b, p->raw_len);
	p->from = p->box[i].from;
	p->to = p->box[i].to;
	p->with_marker = p->box[i].marker;
	memmove(&p->box[i], &p->box[i + 1], (p->n - i - 1) * sizeof(p->box[0]));
	p->n--;
	if (wire_parse(&p->m, p->plain, p->raw_len))
		return false;
	return p->m.hdr.exchange == EXCHANGE_IKE_SA_INIT ||
	       !sk_open(&p->m, p->plain, peer_key(p));
}

bool puppet_wait(struct puppet *p, uint8_t exchange, bool response, uint64_t ms)
{
	uint64_t end = p->s->now + ms;
	struct ike_hdr h;

	for (;;) {
		for (unsigned int i = 0; i < p->n; i++)
			if (!wire_peek_hdr(&h, p->box[i].msg.b, p->box[i].msg.len) &&
			    h.exchange == exchange && !!(h.flags & IKE_FLAG_RESPONSE) == response)
				return open_one(p, i);
		if (p->s->now >= end)
			return false;
		sim_run(p->s, 10);
	}
}

bool puppet_quiet(struct puppet *p, uint8_t exchange, bool response, uint64_t ms)
{
	return !puppet_wait(p, exchange, response, ms);
}

uint16_t puppet_error(const struct puppet *p)
{
	struct notify n;

	return msg_error(&p->m, &n) ? n.type : 0;
}

void puppet_send(struct puppet *p, const struct puppet_msg *msg)
{
	sim_send(&p->s->side[p->side], &p->local, &p->remote, p->marker, msg->b, msg->len);
}

/* --- messages --- */

void puppet_begin(struct puppet *p, struct wire_out *o, uint8_t exchange, bool response,
		  struct puppet_msg *out)
{
	struct ike_hdr h = {
		.spi_i = p->spi_i, .spi_r = p->spi_r, .exchange = exchange,
		.flags = (p->initiator ? IKE_FLAG_INITIATOR : 0) |
			 (response ? IKE_FLAG_RESPONSE : 0),
		.id = response ? p->m.hdr.id : p->mid,
	};

	if (!response)
		p->mid++;
	wire_begin(o, out->b, sizeof(out->b), &h);
	if (exchange != EXCHANGE_IKE_SA_INIT)
		sk_begin(o, own_key(p));
}

void puppet_end(struct puppet *p, struct wire_out *o, struct puppet_msg *out)
{
	int n = o->sk_at ? sk_seal(o, own_key(p), ++p->iv) : wire_end(o);

	if (n < 0)
		abort();
	out->len = (size_t)n;
}

void puppet_notify(struct puppet *p, uint8_t exchange, uint16_t type, const void *data, size_t len,
		   struct puppet_msg *out)
{
	struct wire_out o;

	puppet_begin(p, &o, exchange, true, out);
	wire_put_status(&o, type, data, len);
	puppet_end(p, &o, out);
}

void puppet_empty(struct puppet *p, uint8_t exchange, bool response, struct puppet_msg *out)
{
	struct wire_out o;

	puppet_begin(p, &o, exchange, response, out);
	puppet_end(p, &o, out);
}

/* What a part needs to know. */
struct filling {
	bool response;
	const struct sa_list *sa;
	const struct ke *ke;
	struct view nonce;
	const struct puppet_child *child;
	const struct ident *own, *theirs;
	struct view auth;
	unsigned int vendors;
};

static void put_nat(struct puppet *p, struct wire_out *o)
{
	nat_put(o, p->spi_i, p->spi_r, &p->local, &p->remote, false);
}

static void put_ends(struct wire_out *o, const struct filling *f, bool initiators)
{
	const struct puppet_child *c = f->child;
	bool own = c->initiator == initiators;

	wire_put_ts(o, initiators ? PAYLOAD_TSi : PAYLOAD_TSr, own ? c->local : c->remote,
		    own ? c->n_local : c->n_remote);
}

static void put_rekey(struct wire_out *o, const struct puppet_child *c)
{
	uint8_t spi[4];
	struct wr w = wr_init(spi, sizeof(spi));

	wr_u32(&w, c->rekeys);
	if (c->rekeys && c->initiator)
		wire_put_notify(o, PROTO_ESP, view(spi, 4), NOTIFY_REKEY_SA, view(NULL, 0));
}

static void put(struct puppet *p, struct wire_out *o, enum part part, struct filling *f)
{
	static const uint8_t cfg[] = { 1, 0, 0, 0, 0, 1, 0, 0 };	/* an address, please */
	static const uint8_t one[] = { 0, 0, 0, 1 };
	char vendor[17];

	switch (part) {
	case SA:
		wire_put_sa(o, f->sa);
		break;
	case KE:
		if (f->ke && f->ke->group)
			wire_put_ke(o, f->ke->group, view(f->ke->pub, f->ke->pub_len));
		break;
	case NONCE:
		wire_put_nonce(o, f->nonce);
		break;
	case NATD:
		put_nat(p, o);
		break;
	case FRAG:
		wire_put_status(o, NOTIFY_IKEV2_FRAGMENTATION_SUPPORTED, NULL, 0);
		break;
	case VENDOR:
		snprintf(vendor, sizeof(vendor), "%.12s %u", p->style->name, ++f->vendors);
		wire_put_vendor(o, view(vendor, 16));
		break;
	case IDi:
		wire_put_id(o, f->response ? PAYLOAD_IDr : PAYLOAD_IDi, f->own);
		break;
	case IDr:
		if (!f->response && f->theirs->type)
			wire_put_id(o, PAYLOAD_IDr, f->theirs);
		break;
	case AUTH:
		wire_put_auth(o, AUTH_METHOD_PSK, f->auth);
		break;
	case TSi:
		put_ends(o, f, true);
		break;
	case TSr:
		put_ends(o, f, false);
		break;
	case CPRQ:
		if (f->response)
			break;
		wire_open(o, PAYLOAD_CP);
		wr_bytes(&o->w, cfg, sizeof(cfg));
		wire_close(o);
		break;
	case REKEY:
		put_rekey(o, f->child);
		break;
	case CONTACT:
		if (!f->response)
			wire_put_status(o, NOTIFY_INITIAL_CONTACT, NULL, 0);
		break;
	case WINDOW:
		wire_put_status(o, NOTIFY_SET_WINDOW_SIZE, one, sizeof(one));
		break;
	case NO_TFC:
		wire_put_status(o, NOTIFY_ESP_TFC_PADDING_NOT_SUPPORTED, NULL, 0);
		break;
	case FIRST_ONLY:
		wire_put_status(o, NOTIFY_NON_FIRST_FRAGMENTS_ALSO, NULL, 0);
		break;
	case MOBIKE:
		wire_put_status(o, NOTIFY_MOBIKE_SUPPORTED, NULL, 0);
		break;
	case END:
		break;
	}
}

static void fill(struct puppet *p, struct wire_out *o, const enum part parts[PARTS_MAX],
		 struct filling *f)
{
	for (int i = 0; i < PARTS_MAX && parts[i] != END; i++)
		put(p, o, parts[i], f);
}

/* --- IKE_SA_INIT --- */

static uint64_t fresh_spi(struct puppet *p)
{
	return 0x5050505000000000 | sim_random(p->s) | 1;
}

void puppet_init_ask(struct puppet *p, struct puppet_msg *out)
{
	struct filling f = { .ke = &p->ke };
	struct sa_list offer;
	struct wire_out o;

	p->initiator = true;
	p->mid = 0;
	p->spi_r = 0;
	if (!p->spi_i)
		p->spi_i = fresh_spi(p);
	if (!p->ni_len) {
		crypto_random(p->ni, IKE_NONCE);
		p->ni_len = IKE_NONCE;
	}
	if (!p->ke.group)
		ke_generate(&p->ke, prop_guess_ke(p->t.ike, p->t.n_ike));
	prop_offer(p->t.ike, p->t.n_ike, view(NULL, 0), 0, &offer);
	f.sa = &offer;
	f.nonce = view(p->ni, p->ni_len);
	puppet_begin(p, &o, EXCHANGE_IKE_SA_INIT, false, out);
	if (p->cookie_len)
		wire_put_status(&o, NOTIFY_COOKIE, p->cookie, p->cookie_len);
	fill(p, &o, p->style->init, &f);
	puppet_end(p, &o, out);
	p->init[0] = *out;
}

static bool keys(struct puppet *p, struct view theirs)
{
	struct view ni = view(p->ni, p->ni_len), nr = view(p->nr, p->nr_len);
	struct secret gir = { 0 };
	uint8_t seed[HASH_MAX];

	return !ke_derive(&p->ke, theirs, &gir) &&
	       !kdf_skeyseed(p->suite.prf.id, ni, nr, view(gir.data, gir.len), seed) &&
	       !kdf_ike(&p->suite, view(seed, kdf_prf_len(p->suite.prf.id)), ni, nr, p->spi_i,
			p->spi_r, &p->keys);
}

/* SA, KE and nonce of the message at hand. */
static bool init_parts(struct puppet *p, struct sa_list *sa, struct ke_pl *ke, struct view *nonce)
{
	const struct payload *a = msg_find(&p->m, PAYLOAD_SA, 0);
	const struct payload *b = msg_find(&p->m, PAYLOAD_KE, 0);
	const struct payload *c = msg_find(&p->m, PAYLOAD_NONCE, 0);

	return a && b && c && !wire_get_sa(a->body, sa) && !wire_get_ke(b->body, ke) &&
	       !wire_get_nonce(c->body, nonce);
}

bool puppet_init_take(struct puppet *p)
{
	struct sa_list answer;
	struct view nonce;
	struct ke_pl ke;

	if (!init_parts(p, &answer, &ke, &nonce) ||
	    prop_accept(p->t.ike, p->t.n_ike, &answer, 0, 0, &p->suite))
		return false;
	p->spi_r = p->m.hdr.spi_r;
	memcpy(p->nr, nonce.data, nonce.len);
	p->nr_len = nonce.len;
	memcpy(p->init[1].b, p->plain, p->raw_len);
	p->init[1].len = p->raw_len;
	return keys(p, ke.data);
}

bool puppet_init_answer(struct puppet *p, struct puppet_msg *out)
{
	struct filling f = { .response = true, .ke = &p->ke };
	struct sa_list theirs, mine;
	struct view nonce;
	struct wire_out o;
	struct ke_pl ke;

	p->initiator = false;
	p->mid = 0;
	if (!init_parts(p, &theirs, &ke, &nonce) ||
	    xchg_choose(p->t.ike, p->t.n_ike, &theirs, ke.group, 0, 0, &p->suite) ||
	    p->suite.ke.id != ke.group || ke_generate(&p->ke, ke.group))
		return false;
	p->spi_i = p->m.hdr.spi_i;
	p->spi_r = fresh_spi(p);
	memcpy(p->ni, nonce.data, nonce.len);
	p->ni_len = nonce.len;
	crypto_random(p->nr, IKE_NONCE);
	p->nr_len = IKE_NONCE;
	memcpy(p->init[0].b, p->plain, p->raw_len);
	p->init[0].len = p->raw_len;
	prop_answer(&p->suite, view(NULL, 0), &mine);
	f.sa = &mine;
	f.nonce = view(p->nr, p->nr_len);
	puppet_begin(p, &o, EXCHANGE_IKE_SA_INIT, true, out);
	fill(p, &o, p->style->init, &f);
	puppet_end(p, &o, out);
	p->init[1] = *out;
	return keys(p, ke.data);
}

/* --- a new IKE SA by the old one --- */

static struct view spi_view(uint64_t spi, uint8_t b[8])
{
	struct wr w = wr_init(b, 8);

	wr_u64(&w, spi);
	return view(b, 8);
}

static uint64_t spi_of(const struct chosen *c)
{
	struct rd r = rd_init(c->spi, 8);

	return rd_u64(&r);
}

/* The puppet becomes the new SA; old stays what it was. */
static bool succeed(struct puppet *p, struct puppet *old, bool initiator, struct view theirs,
		    uint64_t spi_i, uint64_t spi_r)
{
	struct view ni = view(p->ni, p->ni_len), nr = view(p->nr, p->nr_len);
	struct secret gir = { 0 };
	uint8_t seed[HASH_MAX];

	*old = *p;
	p->initiator = initiator;
	p->spi_i = spi_i;
	p->spi_r = spi_r;
	p->mid = 0;
	p->iv = 0;
	return !ke_derive(&p->ke, theirs, &gir) &&
	       !kdf_skeyseed_rekey(&old->keys, view(gir.data, gir.len), ni, nr, seed) &&
	       !kdf_ike(&p->suite, view(seed, kdf_prf_len(old->keys.prf)), ni, nr, spi_i, spi_r,
			&p->keys);
}

void puppet_ike_ask(struct puppet *p, struct puppet_msg *out)
{
	struct sa_list offer;
	struct wire_out o;
	uint8_t spi[8];

	p->next_spi = fresh_spi(p);
	crypto_random(p->ni, IKE_NONCE);
	p->ni_len = IKE_NONCE;
	ke_generate(&p->ke, p->suite.ke.id);
	prop_offer(p->t.ike, p->t.n_ike, spi_view(p->next_spi, spi), 0, &offer);
	puppet_begin(p, &o, EXCHANGE_CREATE_CHILD_SA, false, out);
	wire_put_sa(&o, &offer);
	wire_put_nonce(&o, view(p->ni, p->ni_len));
	wire_put_ke(&o, p->ke.group, view(p->ke.pub, p->ke.pub_len));
	puppet_end(p, &o, out);
}

bool puppet_ike_take(struct puppet *p, struct puppet *old)
{
	struct sa_list answer;
	struct view nonce;
	struct ke_pl ke;

	if (!init_parts(p, &answer, &ke, &nonce) ||
	    prop_accept(p->t.ike, p->t.n_ike, &answer, 8, 0, &p->suite))
		return false;
	memcpy(p->nr, nonce.data, nonce.len);
	p->nr_len = nonce.len;
	return succeed(p, old, true, ke.data, p->next_spi, spi_of(&p->suite));
}

bool puppet_ike_answer(struct puppet *p, struct puppet *old, struct puppet_msg *out)
{
	struct sa_list theirs, mine;
	struct wire_out o;
	struct view nonce;
	struct ke_pl ke;
	uint8_t spi[8];

	if (!init_parts(p, &theirs, &ke, &nonce) ||
	    prop_select(p->t.ike, p->t.n_ike, &theirs, 8, 0, &p->suite) ||
	    ke_generate(&p->ke, ke.group))
		return false;
	p->next_spi = fresh_spi(p);
	memcpy(p->ni, nonce.data, nonce.len);
	p->ni_len = nonce.len;
	crypto_random(p->nr, IKE_NONCE);
	p->nr_len = IKE_NONCE;
	prop_answer(&p->suite, spi_view(p->next_spi, spi), &mine);
	puppet_begin(p, &o, EXCHANGE_CREATE_CHILD_SA, true, out);
	wire_put_sa(&o, &mine);
	wire_put_nonce(&o, view(p->nr, p->nr_len));
	wire_put_ke(&o, p->ke.group, view(p->ke.pub, p->ke.pub_len));
	puppet_end(p, &o, out);
	return succeed(p, old, false, ke.data, spi_of(&p->suite), p->next_spi);
}

void puppet_ike_delete(struct puppet *p, struct puppet_msg *out)
{
	struct wire_out o;

	puppet_begin(p, &o, EXCHANGE_INFORMATIONAL, false, out);
	wire_put_delete_ike(&o);
	puppet_end(p, &o, out);
}

/* --- children --- */

static uint32_t get_spi(const uint8_t b[4])
{
	struct rd r = rd_init(b, 4);

	return rd_u32(&r);
}

static void new_spi(struct puppet *p, struct puppet_child *c, uint8_t b[4])
{
	struct wr w = wr_init(b, 4);

	sim_ops.spi_alloc(&p->s->side[p->side], p->t.id, &c->spi_in);
	wr_u32(&w, c->spi_in);
}

static void any_ends(struct puppet_child *c)
{
	if (c->n_local)
		return;
	c->n_local = c->n_remote = 2;
	c->local[0] = c->remote[0] = ts_any(TS_IPV4);
	c->local[1] = c->remote[1] = ts_any(TS_IPV6);
}

static void install_one(struct puppet *p, const struct puppet_child *c, uint32_t dir,
			const struct child_keys *k, uint32_t *sa_id)
{
	bool in = dir == IPSECVTI_DIR_IN;
	struct door_sa_new n = {
		.tunnel = p->t.id, .dir = dir, .spi = in ? c->spi_in : c->spi_out,
		.suite = (uint32_t)suite_kernel(&c->chosen.encr, &c->chosen.integ),
		.child_id = 1, .window = 64, .esn = c->chosen.esn.id == ESN_YES, .key_len = k->len,
	};

	memcpy(n.key, in == c->initiator ? k->r : k->i, k->len);
	if (!ts_everything(c->local, c->n_local) || !ts_everything(c->remote, c->n_remote)) {
		ts_pack(&n.local_ts, c->local, c->n_local);
		ts_pack(&n.remote_ts, c->remote, c->n_remote);
	}
	if (sim_ops.sa_new(&p->s->side[p->side], &n, sa_id))
		sim_fault(p->s, "the puppet's kernel refuses an SA");
}

static bool install(struct puppet *p, struct puppet_child *c, struct view gir, struct view ni,
		    struct view nr)
{
	struct child_keys k;

	if (kdf_child(&p->keys, &c->chosen, gir, ni, nr, &k))
		return false;
	install_one(p, c, IPSECVTI_DIR_IN, &k, &c->sa_in);
	install_one(p, c, IPSECVTI_DIR_OUT, &k, &c->sa_out);
	return true;
}

void puppet_child_use(struct puppet *p, const struct puppet_child *c)
{
	struct door_out_set set = { .tunnel = p->t.id, .n = 1 };

	set.sa[0].child_id = 1;
	set.sa[0].sa_id = c->sa_out;
	sim_ops.out_set(&p->s->side[p->side], &set);
}

void puppet_child_gone(struct puppet *p, struct puppet_child *c)
{
	sim_ops.sa_del(&p->s->side[p->side], p->t.id, c->sa_in);
	sim_ops.sa_del(&p->s->side[p->side], p->t.id, c->sa_out);
}

struct puppet_child puppet_child_after(const struct puppet_child *old)
{
	struct puppet_child c = { .rekeys = old->spi_in, .group = old->group };

	c.n_local = old->n_local;
	c.n_remote = old->n_remote;
	memcpy(c.local, old->local, sizeof(c.local));
	memcpy(c.remote, old->remote, sizeof(c.remote));
	return c;
}

void puppet_child_ask(struct puppet *p, struct puppet_child *c, struct puppet_msg *out)
{
	struct filling f = { .child = c, .ke = &c->ke };
	struct sa_list offer;
	struct wire_out o;
	uint8_t spi[4];

	c->initiator = true;
	any_ends(c);
	new_spi(p, c, spi);
	crypto_random(c->nonce, sizeof(c->nonce));
	if (c->group)
		ke_generate(&c->ke, c->group);
	prop_offer(p->t.esp, p->t.n_esp, view(spi, 4), c->group ? 0 : PROP_NO_KE, &offer);
	f.sa = &offer;
	f.nonce = view(c->nonce, sizeof(c->nonce));
	puppet_begin(p, &o, EXCHANGE_CREATE_CHILD_SA, false, out);
	fill(p, &o, p->style->child, &f);
	puppet_end(p, &o, out);
}

/* The selectors in the message at hand, of whoever began the exchange. */
static bool ends(struct puppet *p, struct puppet_child *c)
{
	const struct payload *i = msg_find(&p->m, PAYLOAD_TSi, 0);
	const struct payload *r = msg_find(&p->m, PAYLOAD_TSr, 0);
	struct ts_set tsi, tsr, *local = c->initiator ? &tsi : &tsr;
	struct ts_set *remote = c->initiator ? &tsr : &tsi;

	if (!i || !r || wire_get_ts(i->body, &tsi) || wire_get_ts(r->body, &tsr) ||
	    local->n > TUNNEL_SELECTORS || remote->n > TUNNEL_SELECTORS)
		return false;
	c->n_local = local->n;
	c->n_remote = remote->n;
	memcpy(c->local, local->t, local->n * sizeof(struct ts));
	memcpy(c->remote, remote->t, remote->n * sizeof(struct ts));
	return true;
}

static bool secret(struct puppet *p, const struct puppet_child *c, struct secret *gir)
{
	const struct payload *k = msg_find(&p->m, PAYLOAD_KE, 0);
	struct ke_pl ke;

	if (!c->ke.group)
		return true;
	return k && !wire_get_ke(k->body, &ke) && ke.group == c->ke.group &&
	       !ke_derive(&c->ke, ke.data, gir);
}

bool puppet_child_take(struct puppet *p, struct puppet_child *c)
{
	const struct payload *sa = msg_find(&p->m, PAYLOAD_SA, 0);
	const struct payload *n = msg_find(&p->m, PAYLOAD_NONCE, 0);
	struct secret gir = { 0 };
	struct sa_list answer;
	struct view nonce;

	if (!sa || !n || wire_get_sa(sa->body, &answer) || wire_get_nonce(n->body, &nonce) ||
	    prop_accept(p->t.esp, p->t.n_esp, &answer, 4, c->group ? 0 : PROP_NO_KE, &c->chosen) ||
	    !ends(p, c) || !secret(p, c, &gir))
		return false;
	c->spi_out = get_spi(c->chosen.spi);
	return install(p, c, view(gir.data, gir.len), view(c->nonce, sizeof(c->nonce)), nonce);
}

/* Chooses for the request at hand; the selectors are the engine's unless the script has some. */
static bool choose(struct puppet *p, struct puppet_child *c, unsigned int flags, uint8_t spi[4],
		   struct sa_list *mine)
{
	const struct payload *sa = msg_find(&p->m, PAYLOAD_SA, 0);
	bool own = c->n_local;
	struct sa_list theirs;

	c->initiator = false;
	if (!sa || wire_get_sa(sa->body, &theirs) ||
	    prop_select(p->t.esp, p->t.n_esp, &theirs, 4, flags, &c->chosen) ||
	    (!own && !ends(p, c)))
		return false;
	c->spi_out = get_spi(c->chosen.spi);
	new_spi(p, c, spi);
	prop_answer(&c->chosen, view(spi, 4), mine);
	return true;
}

bool puppet_child_answer(struct puppet *p, struct puppet_child *c, struct puppet_msg *out)
{
	const struct payload *n = msg_find(&p->m, PAYLOAD_NONCE, 0);
	struct filling f = { .response = true, .child = c, .ke = &c->ke };
	struct secret gir = { 0 };
	struct sa_list mine;
	struct wire_out o;
	struct view nonce;
	uint8_t spi[4];

	if (!choose(p, c, c->group ? 0 : PROP_NO_KE, spi, &mine) || !n ||
	    wire_get_nonce(n->body, &nonce))
		return false;
	if (c->chosen.ke.id)
		ke_generate(&c->ke, c->chosen.ke.id);
	if (!secret(p, c, &gir))
		return false;
	crypto_random(c->nonce, sizeof(c->nonce));
	f.sa = &mine;
	f.nonce = view(c->nonce, sizeof(c->nonce));
	puppet_begin(p, &o, EXCHANGE_CREATE_CHILD_SA, true, out);
	fill(p, &o, p->style->child, &f);
	puppet_end(p, &o, out);
	return install(p, c, view(gir.data, gir.len), nonce, f.nonce);
}

void puppet_delete(struct puppet *p, uint32_t spi, struct puppet_msg *out)
{
	struct wire_out o;

	puppet_begin(p, &o, EXCHANGE_INFORMATIONAL, false, out);
	wire_put_delete_esp(&o, &spi, 1);
	puppet_end(p, &o, out);
}

uint32_t puppet_spi(const struct puppet *p)
{
	const struct payload *d = msg_find(&p->m, PAYLOAD_DELETE, 0);
	struct delete_pl del;
	struct notify n;

	if (msg_notify(&p->m, NOTIFY_REKEY_SA, &n) && n.spi.len == 4)
		return get_spi(n.spi.data);
	if (d && !wire_get_delete(d->body, &del) && del.protocol == PROTO_ESP && del.n)
		return wire_delete_spi(&del, 0);
	return 0;
}

/* --- IKE_AUTH --- */

static struct view auth(struct puppet *p, uint8_t mac[HASH_MAX])
{
	const struct puppet_msg *init = &p->init[!p->initiator];
	const char *psk = p->s->side[p->side].psk[0];
	uint8_t octets[PUPPET_MSG + NONCE_MAX + HASH_MAX], id[HASH_MAX];
	struct wr w = wr_init(octets, sizeof(octets));
	uint16_t prf = p->suite.prf.id;

	wr_bytes(&w, init->b, init->len);
	if (p->initiator)
		wr_bytes(&w, p->nr, p->nr_len);
	else
		wr_bytes(&w, p->ni, p->ni_len);
	kdf_mac_id(&p->keys, p->initiator, &p->t.local_id, id);
	wr_bytes(&w, id, kdf_prf_len(prf));
	kdf_psk_auth(prf, view(psk, strlen(psk)), view(octets, w.len), mac);
	return view(mac, kdf_prf_len(prf));
}

void puppet_auth_ask(struct puppet *p, struct puppet_child *c, struct puppet_msg *out)
{
	struct filling f = { .child = c, .own = &p->t.local_id, .theirs = &p->t.remote_id };
	uint8_t mac[HASH_MAX], spi[4];
	struct sa_list offer;
	struct wire_out o;

	c->initiator = true;
	any_ends(c);
	new_spi(p, c, spi);
	p->mid = 1;
	prop_offer(p->t.esp, p->t.n_esp, view(spi, 4), PROP_NO_KE, &offer);
	f.sa = &offer;
	f.auth = auth(p, mac);
	puppet_begin(p, &o, EXCHANGE_IKE_AUTH, false, out);
	fill(p, &o, p->style->auth, &f);
	puppet_end(p, &o, out);
}

static bool auth_take(struct puppet *p, struct puppet_child *c)
{
	const struct payload *sa = msg_find(&p->m, PAYLOAD_SA, 0);
	struct sa_list answer;

	if (!sa || wire_get_sa(sa->body, &answer) ||
	    prop_accept(p->t.esp, p->t.n_esp, &answer, 4, PROP_NO_KE, &c->chosen) || !ends(p, c))
		return false;
	c->spi_out = get_spi(c->chosen.spi);
	return install(p, c, view(NULL, 0), view(p->ni, p->ni_len), view(p->nr, p->nr_len));
}

bool puppet_auth_answer(struct puppet *p, struct puppet_child *c, struct puppet_msg *out)
{
	struct filling f = {
		.response = true, .child = c, .own = &p->t.local_id, .theirs = &p->t.remote_id,
	};
	uint8_t mac[HASH_MAX], spi[4];
	struct sa_list mine;
	struct wire_out o;

	if (!choose(p, c, PROP_NO_KE, spi, &mine))
		return false;
	f.sa = &mine;
	f.auth = auth(p, mac);
	puppet_begin(p, &o, EXCHANGE_IKE_AUTH, true, out);
	fill(p, &o, p->style->auth, &f);
	puppet_end(p, &o, out);
	return install(p, c, view(NULL, 0), view(p->ni, p->ni_len), view(p->nr, p->nr_len));
}

/* --- whole --- */

bool puppet_connect(struct puppet *p, struct puppet_child *c)
{
	struct puppet_msg out;

	puppet_init_ask(p, &out);
	puppet_send(p, &out);
	if (!puppet_wait(p, EXCHANGE_IKE_SA_INIT, true, 1000) || !puppet_init_take(p))
		return false;
	puppet_auth_ask(p, c, &out);
	puppet_send(p, &out);
	if (!puppet_wait(p, EXCHANGE_IKE_AUTH, true, 1000) || !auth_take(p, c))
		return false;
	puppet_child_use(p, c);
	return true;
}

bool puppet_accept(struct puppet *p, struct puppet_child *c)
{
	struct puppet_msg out;

	if (!puppet_wait(p, EXCHANGE_IKE_SA_INIT, false, 10000) || !puppet_init_answer(p, &out))
		return false;
	puppet_send(p, &out);
	if (!puppet_wait(p, EXCHANGE_IKE_AUTH, false, 1000) || !puppet_auth_answer(p, c, &out))
		return false;
	puppet_send(p, &out);
	puppet_child_use(p, c);
	sim_run(p->s, 100);
	return true;
}
