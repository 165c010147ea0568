// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <string.h>

#include "addr.h"
#include "collide.h"
#include "cookie.h"
#include "fault.h"
#include "frag.h"
#include "log.h"
#include "nat.h"
#include "xchg.h"

#define P(type)		(1u << (PAYLOAD_##type - 33))
#define S(state)	(1u << (state))
#define T(task)		(1u << (task))

#define EVERYWHERE	(P(NOTIFY) | P(VENDOR))
#define REPEATABLE	(P(NOTIFY) | P(VENDOR) | P(DELETE) | P(CERT) | P(CERTREQ))
#define LIVING		(S(SA_UP) | S(SA_REPLACED) | S(SA_CLOSING))

/* Of the rows for one message the first that fits counts; a refusal is a row of its own. */
static const struct xchg_row rows[] = {
	{ EXCHANGE_IKE_SA_INIT, false, S(SA_FREE), 0,
	  P(SA) | P(KE) | P(NONCE), P(CERTREQ), NULL, "IKE_SA_INIT request" },
	{ EXCHANGE_IKE_SA_INIT, true, S(SA_INIT_SENT), T(TASK_INIT),
	  P(SA) | P(KE) | P(NONCE), P(CERTREQ), init_response, "IKE_SA_INIT response" },
	{ EXCHANGE_IKE_SA_INIT, true, S(SA_INIT_SENT), T(TASK_INIT),
	  P(NOTIFY), 0, init_refused, "IKE_SA_INIT refusal" },

	{ EXCHANGE_IKE_AUTH, false, S(SA_INIT_DONE), 0,
	  P(IDi) | P(AUTH) | P(SA) | P(TSi) | P(TSr), P(IDr) | P(CERT) | P(CERTREQ) | P(CP),
	  auth_request, "IKE_AUTH request" },
	{ EXCHANGE_IKE_AUTH, false, S(SA_INIT_DONE), 0,
	  P(IDi), P(SA) | P(TSi) | P(TSr) | P(IDr) | P(CERT) | P(CERTREQ) | P(CP),
	  auth_request_eap, "IKE_AUTH request for EAP" },
	{ EXCHANGE_IKE_AUTH, true, S(SA_AUTH_SENT), T(TASK_AUTH),
	  P(IDr) | P(AUTH) | P(SA) | P(TSi) | P(TSr), P(CERT) | P(CP),
	  auth_response, "IKE_AUTH response" },
	{ EXCHANGE_IKE_AUTH, true, S(SA_AUTH_SENT), T(TASK_AUTH),
	  P(IDr) | P(AUTH), P(CERT) | P(CP),
	  auth_response_childless, "IKE_AUTH response without child" },
	{ EXCHANGE_IKE_AUTH, true, S(SA_AUTH_SENT), T(TASK_AUTH),
	  P(NOTIFY), 0, auth_refused, "IKE_AUTH refusal" },

	{ EXCHANGE_CREATE_CHILD_SA, false, LIVING, 0,
	  P(SA) | P(NONCE) | P(TSi) | P(TSr), P(KE) | P(CP), child_request, "child request" },
	{ EXCHANGE_CREATE_CHILD_SA, false, LIVING, 0,
	  P(SA) | P(NONCE) | P(KE), 0, ike_rekey_request, "IKE rekey request" },
	{ EXCHANGE_CREATE_CHILD_SA, true, LIVING, T(TASK_CHILD_NEW) | T(TASK_CHILD_REKEY),
	  P(SA) | P(NONCE) | P(TSi) | P(TSr), P(KE) | P(CP), child_response, "child response" },
	{ EXCHANGE_CREATE_CHILD_SA, true, LIVING, T(TASK_CHILD_NEW) | T(TASK_CHILD_REKEY),
	  P(NOTIFY), 0, child_refused, "child refusal" },
	{ EXCHANGE_CREATE_CHILD_SA, true, LIVING, T(TASK_IKE_REKEY),
	  P(SA) | P(NONCE) | P(KE), 0, ike_rekey_response, "IKE rekey response" },
	{ EXCHANGE_CREATE_CHILD_SA, true, LIVING, T(TASK_IKE_REKEY),
	  P(NOTIFY), 0, ike_rekey_refused, "IKE rekey refusal" },

	{ EXCHANGE_INFORMATIONAL, false, LIVING, 0,
	  0, P(DELETE) | P(CP), info_request, "INFORMATIONAL request" },
	{ EXCHANGE_INFORMATIONAL, true, LIVING,
	  T(TASK_DPD) | T(TASK_IKE_DELETE) | T(TASK_CHILD_DELETE),
	  0, P(DELETE) | P(CP), info_response, "INFORMATIONAL response" },
};

const struct xchg_row *xchg_rows(size_t *n)
{
	*n = sizeof(rows) / sizeof(rows[0]);
	return rows;
}

const struct xchg_row *xchg_find(const struct msg *m, enum sa_state state, enum task task,
				 uint16_t *notify)
{
	bool response = m->hdr.flags & IKE_FLAG_RESPONSE, known = false;
	uint32_t have = 0, twice = 0;

	for (unsigned int i = 0; i < m->n; i++) {
		uint32_t bit = xchg_bit(m->p[i].type);

		twice |= have & bit & ~REPEATABLE;
		have |= bit;
	}
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct xchg_row *row = &rows[i];

		if (row->exchange != m->hdr.exchange || row->response != response ||
		    !(row->states & S(state)) || (response && !(row->tasks & T(task))))
			continue;
		known = true;
		if (!twice && (have & row->required) == row->required &&
		    !(have & ~(row->required | row->allowed | EVERYWHERE)))
			return row;
	}
	/* Before an SA is up, what does not belong there gets no answer at all. */
	*notify = known || S(state) & LIVING ? NOTIFY_INVALID_SYNTAX : 0;
	return NULL;
}

static void header(const struct sa *sa, struct ike_hdr *h, uint8_t exchange, uint32_t mid)
{
	*h = (struct ike_hdr){
		.spi_i = sa->r.spi_i, .spi_r = sa->r.spi_r, .exchange = exchange, .id = mid,
		.flags = sa->r.initiator ? IKE_FLAG_INITIATOR : 0,
	};
}

static const struct sk_key *own_key(const struct sa *sa)
{
	return sa->r.initiator ? &sa->r.keys.i : &sa->r.keys.r;
}

static const struct sk_key *peer_key(const struct sa *sa)
{
	return sa->r.initiator ? &sa->r.keys.r : &sa->r.keys.i;
}

void xchg_request(struct sa *sa, struct wire_out *o, uint8_t exchange)
{
	struct ike_hdr h;

	header(sa, &h, exchange, sa->r.mid_out);
	wire_begin(o, sa->r.req_msg, sizeof(sa->r.req_msg), &h);
	if (exchange != EXCHANGE_IKE_SA_INIT)
		sk_begin(o, own_key(sa));
}

/* So many bytes of IKE leave in one datagram: IP, UDP and the marker come before them. */
static size_t message_max(const struct sa *sa)
{
	size_t head = (sa->r.remote.family == AF_INET6 ? 40 : 20) + 8 + 4;

	if (!sa->r.fragments || !sa->peer || !sa->peer->t.fragment_size)
		return RECORD_MSG;
	return sa->peer->t.fragment_size - head;
}

/*
 * The store promises IVs in blocks, before any of them is used: a successor
 * starts behind the block, so no IV is used twice whenever we die. sa_store()
 * keeps some in hand, because a store in the middle of an exchange would show a
 * successor what never was answered.
 */
static int seal(struct sa *sa, struct wire_out *o)
{
	size_t max = message_max(sa);
	unsigned int n = frag_count(o, own_key(sa), max);
	uint64_t iv = sa->r.iv;

	if (iv + n > sa->r.iv_stored) {
		sa->r.iv_stored = iv + n + IKE_IV_BLOCK;
		/* One that was never stored has no successor. */
		if (sa->r.slot)
			sa_store(sa);
	}
	sa->r.iv += n;
	if (!n)
		return -EMSGSIZE;
	return n == 1 ? sk_seal(o, own_key(sa), iv) : frag_seal(o, own_key(sa), max, n, iv);
}

int xchg_request_end(struct sa *sa, struct wire_out *o, enum task task)
{
	int len = task == TASK_INIT ? wire_end(o) : seal(sa, o);

	if (len < 0) {
		log_err("request not built", KV_S("exchange", task_name(task)),
			KV_ERR("error", len));
		return len;
	}
	window_request(sa, task, (uint32_t)len);
	return 0;
}

void xchg_answer(struct sa *sa, struct wire_out *o, const struct incoming *in)
{
	struct ike_hdr h;

	header(sa, &h, in->m.hdr.exchange, in->m.hdr.id);
	h.flags |= IKE_FLAG_RESPONSE;
	/* A kill from here on finds no answer in the store, or this one whole. */
	sa->r.resp.valid = false;
	wire_begin(o, sa->r.resp_msg, sizeof(sa->r.resp_msg), &h);
	if (h.exchange != EXCHANGE_IKE_SA_INIT)
		sk_begin(o, own_key(sa));
}

int xchg_answer_end(struct sa *sa, struct wire_out *o, const struct incoming *in)
{
	bool clear = in->m.hdr.exchange == EXCHANGE_IKE_SA_INIT;
	int len;

	len = clear ? wire_end(o) : seal(sa, o);
	if (len < 0) {
		log_err("answer not built", KV_ERR("error", len));
		return len;
	}
	window_response(sa, in, (uint32_t)len);
	return 0;
}

void xchg_refuse(struct sa *sa, const struct incoming *in, uint16_t type, const void *data,
		 size_t len)
{
	struct wire_out o;

	log_ratelimited(LOG_NOTICE, "request refused",
			KV_S("tunnel", sa->peer ? sa->peer->t.name : NULL),
			KV_S("exchange", wire_exchange_name(in->m.hdr.exchange)),
			KV_S("answer", wire_notify_name(type)));
	xchg_answer(sa, &o, in);
	wire_put_status(&o, type, data, len);
	xchg_answer_end(sa, &o, in);
}

void xchg_bare(struct ike *ike, const struct incoming *in, uint16_t type, const void *data,
	       size_t len)
{
	uint8_t buf[256];
	struct wire_out o;
	struct ike_hdr h = {
		.spi_i = in->m.hdr.spi_i, .spi_r = in->m.hdr.spi_r,
		.exchange = in->m.hdr.exchange, .id = in->m.hdr.id,
		.flags = IKE_FLAG_RESPONSE |
			 (in->m.hdr.flags & IKE_FLAG_INITIATOR ? 0 : IKE_FLAG_INITIATOR),
	};
	int n;

	wire_begin(&o, buf, sizeof(buf), &h);
	wire_put_status(&o, type, data, len);
	n = wire_end(&o);
	if (n < 0)
		return;
	ike->n.out++;
	ike->ops->send(ike->ctx, in->local, in->remote, in->marker, buf, (size_t)n);
}

enum collide_own xchg_own(const struct sa *sa, uint32_t child_id)
{
	const struct ike_request *req = &sa->r.req;
	bool same = child_id && req->child == child_id;

	if (sa->r.state == SA_CLOSING)
		return OWN_IKE_DELETE;
	if (sa->r.state == SA_REPLACED)
		return OWN_REPLACED;
	switch (req->task) {
	case TASK_CHILD_NEW:
		return OWN_CHILD_NEW;
	case TASK_CHILD_REKEY:
		return same ? OWN_CHILD_REKEY_SAME : OWN_CHILD_REKEY;
	case TASK_CHILD_DELETE:
		return same ? OWN_CHILD_DELETE_SAME : OWN_CHILD_DELETE;
	case TASK_IKE_REKEY:
		return OWN_IKE_REKEY;
	case TASK_IKE_DELETE:
		return OWN_IKE_DELETE;
	default:
		return OWN_NOTHING;
	}
}

int xchg_choose(const struct proposal *ours, unsigned int n, const struct sa_list *theirs,
		uint16_t group, unsigned int spi_len, unsigned int flags, struct chosen *out)
{
	struct sa_list same = *theirs;

	for (unsigned int i = 0; i < same.n; i++) {
		struct sa_prop *p = &same.p[i];
		unsigned int left = 0;

		for (unsigned int k = 0; k < p->n; k++)
			if (p->t[k].type != TRANSFORM_KE || p->t[k].id == group)
				p->t[left++] = p->t[k];
		p->n = (uint8_t)left;
	}
	if (group && !prop_select(ours, n, &same, spi_len, flags, out) && out->ke.id == group)
		return 0;
	return prop_select(ours, n, theirs, spi_len, flags, out);
}

void xchg_again(struct sa *sa, const struct transform *t)
{
	struct ike_request *req = &sa->r.req;
	size_t room = sizeof(req->again) / sizeof(req->again[0]);

	if (t->type && (t->id || t->type == TRANSFORM_ESN) && req->n_again < room)
		req->again[req->n_again++] = *t;
}

unsigned int xchg_offers(const struct sa *sa, uint8_t protocol, struct proposal list[XCHG_OFFERS])
{
	const struct tunnel *t = &sa->peer->t;
	unsigned int n = protocol == PROTO_IKE ? t->n_ike : t->n_esp, at = 0;

	if (sa->r.req.n_again) {
		list[at] = (struct proposal){ .protocol = protocol, .n = sa->r.req.n_again };
		memcpy(list[at++].t, sa->r.req.again, sa->r.req.n_again * sizeof(list->t[0]));
	}
	memcpy(&list[at], protocol == PROTO_IKE ? t->ike : t->esp, n * sizeof(*list));
	return at + n;
}

bool xchg_lost(const struct ike_request *req, struct view nr)
{
	struct view low = view(req->nonce, sizeof(req->nonce));

	if (nonce_cmp(nr.data, nr.len, low.data, low.len) < 0)
		low = nr;
	return nonce_cmp(low.data, low.len, req->twin_nonce, req->twin_nonce_len) < 0;
}

uint64_t xchg_busy(struct sa *sa)
{
	unsigned int doubled = sa->r.busy < 3 ? 0 : sa->r.busy < 8 ? sa->r.busy - 2 : 5;

	if (!sa->r.busy_since)
		sa->r.busy_since = ike_now(sa->ike);
	sa->r.busy += sa->r.busy < UINT8_MAX;
	return (uint64_t)sa->ike->times.busy_ms << doubled;
}

void xchg_agreed(struct sa *sa)
{
	sa->r.busy = 0;
	sa->r.busy_since = 0;
	sa->r.ke_asked = 0;
}

/* Silence towards whoever shows no key; one limited line for the administrator. */
static void junk(struct ike *ike, const struct incoming *in, const char *why)
{
	char who[ADDR_TEXT_MAX];

	ike->n.malformed++;
	log_ratelimited(LOG_INFO, "datagram dropped",
			KV_S("peer", addr_format(in->remote, who, sizeof(who))),
			KV_S("why", why));
}

/* At most one unprotected notify of these kinds each second, whoever asks. */
static bool may_notify(struct ike *ike)
{
	uint64_t now = ike_now(ike);

	if (now - ike->notified_at < 1000)
		return false;
	ike->notified_at = now;
	return true;
}

/* Before an SA is up, only who may be about to prove itself is told what is wrong. */
static bool told(const struct sa *sa, const struct msg *m)
{
	return S(sa->r.state) & LIVING ||
	       (sa->r.state == SA_INIT_DONE && m->hdr.exchange == EXCHANGE_IKE_AUTH);
}

static void answer_error(struct sa *sa, struct incoming *in, uint16_t type)
{
	uint8_t critical = in->m.critical;

	if (in->m.hdr.flags & IKE_FLAG_RESPONSE) {
		/* Authentic and senseless: this SA has no future. */
		log_warn("malformed answer", KV_S("tunnel", sa->peer ? sa->peer->t.name : NULL),
			 KV_S("exchange", wire_exchange_name(in->m.hdr.exchange)));
		if (sa->r.state == SA_UP) {
			window_done(sa);
			sa_close(sa);
		} else if (S(sa->r.state) & LIVING) {
			struct peer *p = sa->peer;

			child_drop_all(sa);
			sa_kill(sa);
			peer_check(p);
		} else {
			sa_fail(sa, "the peer's answer was malformed");
		}
		return;
	}
	if (!told(sa, &in->m))
		return junk(sa->ike, in, "a request before its time");
	if (type == NOTIFY_UNSUPPORTED_CRITICAL_PAYLOAD)
		xchg_refuse(sa, in, type, &critical, 1);
	else
		xchg_refuse(sa, in, type, NULL, 0);
	/* What cannot be read in IKE_AUTH ends the IKE SA (RFC 7296 2.21.2). */
	if (sa->r.state == SA_INIT_DONE)
		sa_fade(sa);
}

static void heard(struct sa *sa)
{
	sa->r.heard = ike_now(sa->ike);
	if (sa->r.state == SA_UP && sa->peer && sa->peer->t.dpd_seconds)
		sa->r.dpd_at = sa->r.heard + sa->peer->t.dpd_seconds * 1000ull;
}

/*
 * -EAGAIN until all fragments are there. The message is known by its first one
 * then: that alone has the answer repeated (RFC 7383 2.6.1).
 */
static int open_fragment(struct sa *sa, struct incoming *in, uint8_t *buf)
{
	const uint8_t *hash;
	struct view text;
	uint8_t first;
	int err;

	if (!sa->r.fragments)
		return -ENOENT;
	err = sk_open_fragment(&in->m, buf, peer_key(sa), &text);
	if (err)
		return err;
	err = frag_take(&sa->frag, &in->m, in->hash, text);
	if (err)
		return -EAGAIN;
	text = frag_text(sa->frag, &first, &hash);
	memcpy(in->hash, hash, sizeof(in->hash));
	return wire_parse_inner(&in->m, first, text.data, text.len);
}

static void dispatch(struct sa *sa, struct incoming *in, uint8_t *buf)
{
	struct ike *ike = sa->ike;
	const struct xchg_row *row;
	uint16_t notify = 0;
	int err = 0;

	if (in->m.hdr.exchange == EXCHANGE_IKE_SA_INIT) {
		if (in->m.sk_type)
			return junk(ike, in, "SK in IKE_SA_INIT");
	} else {
		err = in->m.sk_type == PAYLOAD_SKF ? open_fragment(sa, in, buf) :
						     sk_open(&in->m, buf, peer_key(sa));
		if (err && !in->m.inner) {
			ike->n.bad_icv++;
			return junk(ike, in, err == -ENOENT ? "not encrypted" : "not authentic");
		}
		heard(sa);
		if (err == -EAGAIN)
			return;
		nat_follow(sa, in->local, in->remote, in->marker);
	}
	if (err) {
		notify = err == -EOPNOTSUPP ? NOTIFY_UNSUPPORTED_CRITICAL_PAYLOAD :
					      NOTIFY_INVALID_SYNTAX;
		return answer_error(sa, in, notify);
	}
	row = xchg_find(&in->m, sa->r.state, sa->r.req.task, &notify);
	if (!row && in->m.hdr.exchange == EXCHANGE_IKE_SA_INIT)
		return junk(ike, in, "payloads do not fit the exchange");
	if (!row)
		return answer_error(sa, in, notify);
	log_debug(row->name, KV_S("tunnel", sa->peer ? sa->peer->t.name : NULL),
		  KV_U("mid", in->m.hdr.id));
	row->handle(sa, in);
}

static void for_sa(struct sa *sa, struct incoming *in, uint8_t *buf)
{
	struct ike *ike = sa->ike;
	uint64_t mark;

	switch (window_place(sa, in->m.hdr.flags & IKE_FLAG_RESPONSE, in->m.hdr.id, in->hash)) {
	case WINDOW_AGAIN:
		window_repeat(sa, in);
		return;
	case WINDOW_STALE:
		return;
	case WINDOW_NEXT:
	case WINDOW_ANSWER:
		break;
	}
	if (sa->r.state == SA_FAILED)
		return;
	memcpy(&mark, in->hash, sizeof(mark));
	if (mark == ike->poison)
		return junk(ike, in, "this datagram killed a process before");
	if (ike->store)
		store_mark(ike->store, &sa->r, mark, ike_now(ike));
	dispatch(sa, in, buf);
	/* What came whole is not waited for in pieces. */
	if (in->m.inner && in->m.sk_type == PAYLOAD_SK)
		frag_free(&sa->frag);
	else
		frag_done(&sa->frag);
	if (!sa->dead && ike->store)
		store_clear(ike->store, &sa->r);
	if (!sa->dead)
		window_run(sa);
}

static bool addressed(const struct sa *sa, const struct ike_hdr *h)
{
	bool from_initiator = h->flags & IKE_FLAG_INITIATOR;

	if (from_initiator == sa->r.initiator || h->spi_i != sa->r.spi_i)
		return false;
	/* The responder's SPI is learnt from the answer to IKE_SA_INIT. */
	return h->spi_r == sa->r.spi_r ||
	       (sa->r.state == SA_INIT_SENT && h->exchange == EXCHANGE_IKE_SA_INIT);
}

static void receive(struct ike *ike, struct incoming *in, uint8_t *buf, size_t len)
{
	struct ike_hdr *h = &in->m.hdr;
	struct view raw = view(buf, len);
	struct sa *sa;
	int err;

	if (wire_peek_hdr(h, buf, len))
		return junk(ike, in, "header");
	if (h->version >> 4 > 2) {
		if (!(h->flags & IKE_FLAG_RESPONSE) && may_notify(ike))
			xchg_bare(ike, in, NOTIFY_INVALID_MAJOR_VERSION, NULL, 0);
		return junk(ike, in, "major version");
	}
	if (crypto_sha256(&raw, 1, in->hash))
		return;
	sa = sa_find(ike, h->flags & IKE_FLAG_INITIATOR ? h->spi_r : h->spi_i);
	if (!sa && (h->exchange != EXCHANGE_IKE_SA_INIT || h->spi_r ||
		    h->flags & IKE_FLAG_RESPONSE)) {
		/* After a cold start the peer may still have SAs that we have lost. */
		if (!(h->flags & IKE_FLAG_RESPONSE) && ike_now(ike) >= ike->quiet_until &&
		    may_notify(ike))
			xchg_bare(ike, in, NOTIFY_INVALID_IKE_SPI, NULL, 0);
		return junk(ike, in, "no such IKE SA");
	}
	if (sa && !addressed(sa, h))
		return junk(ike, in, "SPIs or roles do not fit");
	err = wire_parse(&in->m, buf, len);
	if (err && !sa && err == -EOPNOTSUPP)
		xchg_bare(ike, in, NOTIFY_UNSUPPORTED_CRITICAL_PAYLOAD, &in->m.critical, 1);
	if (err)
		return junk(ike, in, "payload chain");
	if (sa)
		for_sa(sa, in, buf);
	else
		init_request(ike, in);
}

void ike_receive(struct ike *ike, const struct addr *local, const struct addr *remote, bool marker,
		 uint8_t *msg, size_t len)
{
	struct incoming in = { .local = local, .remote = remote, .marker = marker };

	if (len == 1 || !ike->started)
		return;
	ike->n.in++;
	receive(ike, &in, msg, len);
	sa_reap(ike);
}

void ike_input(struct ike *ike, const struct addr *local, const struct addr *remote, bool marker,
	       uint8_t *msg, size_t len)
{
	if (!fault_input(ike, local, remote, marker, msg, len))
		ike_receive(ike, local, remote, marker, msg, len);
}
