// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * CREATE_CHILD_SA for child SAs (RFC 7296 1.3.1, 1.3.3, 2.8): new ones and
 * rekeys. Whatever goes wrong here is the child's affair; the IKE SA stays.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "mismatch.h"
#include "ts.h"
#include "xchg.h"

static unsigned int esn_flag(const struct sa *sa)
{
	return sa->peer->t.esn_only ? PROP_ESN_ONLY : 0;
}

static uint32_t spi_of(const struct chosen *c)
{
	struct rd r = rd_init(c->spi, 4);

	return rd_u32(&r);
}

static bool has(const struct ts *list, unsigned int n, const struct ts *t)
{
	for (unsigned int i = 0; i < n; i++)
		if (ts_contains(&list[i], t))
			return true;
	return false;
}

/*
 * Which pair the peer means, and how much of it. Its first selectors are the
 * packet that it has in hand (RFC 7296 2.9), else whatever has no child yet;
 * more is set when there would be others.
 */
static bool choose_pair(struct sa *sa, const struct ts_set *local, const struct ts_set *remote,
			struct child_terms *terms)
{
	const struct tunnel *t = &sa->peer->t;
	unsigned int best = 0, rank, found = 0;
	struct ends want, both;

	for (unsigned int k = 0; k < ends_pairs(t); k++) {
		if (terms->old && terms->old->pair != k)
			continue;
		ends_wanted(t, k, &want);
		if (!ends_narrow(&want, local, remote, &both))
			continue;
		found++;
		rank = 1 + !child_current(sa, k);
		if (has(want.local, want.n_local, &local->t[0]) &&
		    has(want.remote, want.n_remote, &remote->t[0]))
			rank += 2;
		if (rank <= best)
			continue;
		best = rank;
		terms->pair = k;
		terms->ends = both;
	}
	terms->more = found > 1;
	return found;
}

uint16_t child_choose(struct sa *sa, const struct incoming *in, unsigned int flags,
		      struct child_terms *terms)
{
	const struct payload *kep = msg_find(&in->m, PAYLOAD_KE, 0);
	struct ts_set tsi, tsr;
	struct sa_list theirs;
	struct ke_pl ke = { 0 };
	struct peer *p = sa->peer;
	const struct mismatch m = {
		.what = "no common proposal for the child SA", .ours = p->t.esp, .n = p->t.n_esp,
		.theirs = &theirs, .spi_len = 4, .flags = flags | esn_flag(sa),
	};

	if (wire_get_sa(msg_find(&in->m, PAYLOAD_SA, 0)->body, &theirs) ||
	    wire_get_ts(msg_find(&in->m, PAYLOAD_TSi, 0)->body, &tsi) ||
	    wire_get_ts(msg_find(&in->m, PAYLOAD_TSr, 0)->body, &tsr) ||
	    (kep && wire_get_ke(kep->body, &ke)))
		return NOTIFY_INVALID_SYNTAX;
	mismatch_void(p, &theirs);
	if (xchg_choose(m.ours, m.n, &theirs, ke.group, 4, m.flags, &terms->chosen)) {
		mismatch_proposals(p, in->remote, &m);
		return NOTIFY_NO_PROPOSAL_CHOSEN;
	}
	if (!spi_of(&terms->chosen))
		return NOTIFY_INVALID_SYNTAX;
	if (terms->chosen.ke.id != KE_NONE && terms->chosen.ke.id != ke.group) {
		terms->group = terms->chosen.ke.id;
		return NOTIFY_INVALID_KE_PAYLOAD;
	}
	if (!choose_pair(sa, &tsr, &tsi, terms)) {
		ends_all(&p->t, &terms->ends);
		mismatch_selectors(p, "no common traffic selectors", &terms->ends, &tsr, &tsi);
		return NOTIFY_TS_UNACCEPTABLE;
	}
	return 0;
}

uint16_t child_take(struct sa *sa, struct child_terms *terms)
{
	struct ike_child *c = child_slot(sa, false);

	if (!c)
		return NOTIFY_TEMPORARY_FAILURE;
	c->pair = (uint8_t)terms->pair;
	c->spi_out = spi_of(&terms->chosen);
	if (child_by_out(sa, c->spi_out) || !ends_set(sa, c, &terms->ends) ||
	    sa->ike->ops->spi_alloc(sa->ike->ctx, sa->r.tunnel, &c->spi_in)) {
		child_free(sa, c);
		return NOTIFY_TEMPORARY_FAILURE;
	}
	terms->c = c;
	return 0;
}

void child_put(struct wire_out *o, const struct child_terms *terms, const uint8_t *nonce,
	       const struct ke *ke)
{
	uint8_t spi[4];
	struct wr w = wr_init(spi, sizeof(spi));
	struct sa_list list;

	wr_u32(&w, terms->c->spi_in);
	prop_answer(&terms->chosen, view(spi, sizeof(spi)), &list);
	wire_put_sa(o, &list);
	if (nonce)
		wire_put_nonce(o, view(nonce, IKE_NONCE));
	if (ke && ke->group)
		wire_put_ke(o, ke->group, view(ke->pub, ke->pub_len));
	wire_put_ts(o, PAYLOAD_TSi, terms->ends.remote, terms->ends.n_remote);
	wire_put_ts(o, PAYLOAD_TSr, terms->ends.local, terms->ends.n_local);
	if (terms->more)
		wire_put_status(o, NOTIFY_ADDITIONAL_TS_POSSIBLE, NULL, 0);
}

struct ike_child *child_accept(struct sa *sa, const struct incoming *in, uint32_t spi_in,
			       unsigned int flags, struct chosen *chosen)
{
	struct proposal offers[XCHG_OFFERS];
	struct ends want, got = { 0 };
	struct ts_set tsi, tsr;
	struct sa_list answer;
	struct ike_child *c;
	struct notify more;
	bool fits;
	const struct mismatch m = {
		.what = "the answer for the child SA is not among our proposals",
		.ours = offers, .n = xchg_offers(sa, PROTO_ESP, offers), .theirs = &answer,
		.spi_len = 4, .flags = flags | esn_flag(sa), .answer = true,
	};

	if (wire_get_sa(msg_find(&in->m, PAYLOAD_SA, 0)->body, &answer) ||
	    wire_get_ts(msg_find(&in->m, PAYLOAD_TSi, 0)->body, &tsi) ||
	    wire_get_ts(msg_find(&in->m, PAYLOAD_TSr, 0)->body, &tsr))
		return NULL;
	if (prop_accept(m.ours, m.n, &answer, 4, m.flags, chosen)) {
		mismatch_proposals(sa->peer, in->remote, &m);
		return NULL;
	}
	ends_wanted(&sa->peer->t, sa->r.req.pair, &want);
	fits = tsi.n && tsi.n <= TUNNEL_SELECTORS && tsr.n && tsr.n <= TUNNEL_SELECTORS;
	if (fits) {
		got.n_local = tsi.n;
		got.n_remote = tsr.n;
		memcpy(got.local, tsi.t, tsi.n * sizeof(tsi.t[0]));
		memcpy(got.remote, tsr.t, tsr.n * sizeof(tsr.t[0]));
		fits = ends_within(&got, &want);
	}
	c = child_slot(sa, true);
	if (!c)
		return NULL;
	c->pair = sa->r.req.pair;
	c->spi_in = spi_in;
	c->spi_out = spi_of(chosen);
	if (msg_notify(&in->m, NOTIFY_ADDITIONAL_TS_POSSIBLE, &more) && !sa->peer->t.per_pair)
		log_notice("the peer would take more child SAs", KV_S("tunnel", sa->peer->t.name),
			   KV_S("hint", "children = per-pair"));
	if (fits && c->spi_out && ends_set(sa, c, &got))
		return c;
	if (!fits)
		mismatch_selectors(sa->peer, "the answer's selectors are not among ours", &want,
				   &tsi, &tsr);
	child_retire(sa, c, 0);
	return NULL;
}

/* --- initiator --- */

/* The same once more after a while: a rekey of old, or a child for the pair. */
static void later(struct sa *sa, struct ike_child *old, unsigned int pair, uint64_t ms)
{
	if (old)
		old->retry_at = ike_now(sa->ike) + ike_jitter(ms);
	else if (!child_current(sa, pair) && !sa->r.superseded)
		child_want(sa, pair, ike_jitter(ms));
}

/* The group that we send a value for: what worked the last time, or what the peer asked for. */
static uint16_t group_for(const struct sa *sa, const struct ike_child *old)
{
	const struct tunnel *t = &sa->peer->t;
	uint16_t group = prop_guess_ke(t->esp, t->n_esp);

	if (sa->r.ke_asked)
		return sa->r.ke_asked;
	if (old && old->ke && (!group || prop_has_ke(t->esp, t->n_esp, old->ke)))
		return old->ke;
	return group;
}

static void same_suite(struct sa *sa, const struct ike_child *old, uint16_t group)
{
	xchg_again(sa, &old->encr);
	xchg_again(sa, &old->integ);
	xchg_again(sa, &(struct transform){ .type = TRANSFORM_KE, .id = group });
	xchg_again(sa, &(struct transform){ .type = TRANSFORM_ESN, .id = old->esn });
}

static void start(struct sa *sa, struct ike_child *old, unsigned int pair)
{
	const struct tunnel *t = &sa->peer->t;
	struct ike_request *req = &sa->r.req;
	struct proposal offers[XCHG_OFFERS];
	struct ends ends;
	struct sa_list offer;
	uint8_t spi_new[4], spi_old[4];
	struct wr wn = wr_init(spi_new, 4), wo = wr_init(spi_old, 4);
	struct wire_out o;
	uint16_t group = group_for(sa, old);
	int err;

	if (!child_room(sa)) {
		/* Old ones have to go first. */
		later(sa, old, pair, sa->ike->times.busy_ms);
		window_done(sa);
		return;
	}
	err = sa->ike->ops->spi_alloc(sa->ike->ctx, t->id, &req->spi);
	if (!err && group)
		err = ke_generate(&req->ke, group);
	if (err) {
		log_warn("child SA not started", KV_S("tunnel", t->name), KV_ERR("error", err));
		later(sa, old, pair, t->retry_seconds * 1000ull);
		window_done(sa);
		return;
	}
	req->child = old ? old->id : 0;
	req->pair = (uint8_t)pair;
	crypto_random(req->nonce, sizeof(req->nonce));
	wr_u32(&wn, req->spi);
	xchg_request(sa, &o, EXCHANGE_CREATE_CHILD_SA);
	if (old) {
		wr_u32(&wo, old->spi_in);
		wire_put_notify(&o, PROTO_ESP, view(spi_old, 4), NOTIFY_REKEY_SA, view(NULL, 0));
	}
	if (old)
		same_suite(sa, old, group);
	prop_offer(offers, xchg_offers(sa, PROTO_ESP, offers), view(spi_new, 4),
		   (group ? 0 : PROP_NO_KE) | esn_flag(sa), &offer);
	wire_put_sa(&o, &offer);
	wire_put_nonce(&o, view(req->nonce, sizeof(req->nonce)));
	if (group)
		wire_put_ke(&o, group, view(req->ke.pub, req->ke.pub_len));
	/* What was narrowed once is asked for as it is: peers refuse a changed set. */
	if (old)
		ends_get(sa, old, &ends);
	else
		ends_wanted(t, pair, &ends);
	wire_put_ts(&o, PAYLOAD_TSi, ends.local, ends.n_local);
	wire_put_ts(&o, PAYLOAD_TSr, ends.remote, ends.n_remote);
	if (xchg_request_end(sa, &o, old ? TASK_CHILD_REKEY : TASK_CHILD_NEW))
		window_done(sa);
}

/* One that is still unused when another is asked for, by whomever, was given up by the peer. */
static bool has_successor(struct sa *sa, uint32_t id)
{
	uint64_t patience = 10 * sa->ike->times.linger_ms;
	bool has = false;

	for (int i = 0; i < IKE_CHILDREN; i++) {
		struct ike_child *c = &sa->r.child[i];

		if (c->state != CHILD_READY || c->replaces != id)
			continue;
		if (ike_now(sa->ike) - c->made < patience)
			has = true;
		else
			child_retire(sa, c, 0);
	}
	return has;
}

void child_new_start(struct sa *sa)
{
	uint64_t now = ike_now(sa->ike);
	const struct ike_child *cur;

	for (unsigned int k = 0; k < TUNNEL_PAIRS; k++) {
		if (!sa->r.want_at[k] || sa->r.want_at[k] > now)
			continue;
		sa->r.want_at[k] = 0;
		cur = child_current(sa, k);
		/* The peer's new one, which waits for its first packet, is as good as ours. */
		if (k >= ends_pairs(&sa->peer->t) || (cur && has_successor(sa, cur->id)))
			continue;
		start(sa, NULL, k);
		return;
	}
}

void child_rekey_start(struct sa *sa)
{
	uint64_t now = ike_now(sa->ike);

	for (int i = 0; i < IKE_CHILDREN; i++) {
		struct ike_child *c = &sa->r.child[i];

		if (c->state != CHILD_CURRENT || !c->rekey_at || c->rekey_at > now ||
		    c->retry_at > now)
			continue;
		start(sa, c, c->pair);
		return;
	}
}

/* -ENOENT: no KE of its own; else the shared secret is in gir, or an error. */
static int answer_secret(const struct sa *sa, const struct incoming *in,
			 const struct chosen *chosen, struct secret *gir)
{
	const struct payload *p = msg_find(&in->m, PAYLOAD_KE, 0);
	struct ke_pl ke;

	if (chosen->ke.id == KE_NONE)
		return -ENOENT;
	if (!p || wire_get_ke(p->body, &ke) || ke.group != chosen->ke.id ||
	    sa->r.req.ke.group != ke.group)
		return -EBADMSG;
	return ke_derive(&sa->r.req.ke, ke.data, gir);
}

/*
 * The peer's own, which stays. Where another carries on, the peer's first packet through this one
 * tells when the peer has it: the answer that makes it there may be late.
 */
static void need(struct sa *sa, struct ike_child *twin)
{
	if (twin->state == CHILD_READY && !sa->peer->current[twin->pair])
		child_use(sa, twin);
}

static void settle(struct sa *sa, struct ike_child *c, struct view nr)
{
	struct ike_request *req = &sa->r.req;
	struct ike_child *twin = req->twin ? child_by_id(sa, req->twin) : NULL;

	c->replaces = req->child;
	sa->ike->n.child_rekeys += req->task == TASK_CHILD_REKEY;
	sa->r.child_rekeys += req->task == TASK_CHILD_REKEY;
	if (!twin || twin->state == CHILD_OLD) {
		child_use(sa, c);
		return;
	}
	sa->ike->n.collisions++;
	if (xchg_lost(req, nr)) {
		log_info("both sides rekeyed the child: the peer's stays",
			 KV_S("tunnel", sa->peer->t.name), KV_U("child", twin->id));
		child_retire(sa, c, 0);
		need(sa, twin);
		return;
	}
	log_info("both sides rekeyed the child: ours stays", KV_S("tunnel", sa->peer->t.name),
		 KV_U("child", c->id));
	child_use(sa, c);
	/*
	 * Its maker deletes it. libreswan (5.2) does not, and goes by the child
	 * that it made last: when that is one of ours again, we delete it.
	 */
	child_retire(sa, twin, 10 * sa->ike->times.linger_ms);
	twin->switch_at = ike_now(sa->ike) + 8 * sa->ike->times.linger_ms;
}

/* The peer deleted the child before its answer, which was late, told us of it. */
static bool stillborn(struct sa *sa, struct ike_child *c)
{
	for (unsigned int i = 0; c && i < sa->r.req.n_stillborn; i++) {
		if (sa->r.req.stillborn[i] != c->spi_out)
			continue;
		log_info("the peer has deleted the new child SA already",
			 KV_S("tunnel", sa->peer->t.name), KV_X("out", c->spi_out));
		child_free(sa, c);
		return true;
	}
	return false;
}

void child_response(struct sa *sa, struct incoming *in)
{
	_auto_secret_ struct secret gir = { 0 };
	struct ike_request *req = &sa->r.req;
	struct child_deal deal = { .initiator = true };
	struct ike_child *c, *old = child_by_id(sa, req->child);
	struct chosen chosen;
	struct view nr;
	int err = -EBADMSG;

	if (sa->r.state != SA_UP) {
		window_done(sa);
		return;
	}
	c = child_accept(sa, in, req->spi, req->ke.group ? 0 : PROP_NO_KE, &chosen);
	if (stillborn(sa, c)) {
		later(sa, old, req->pair, sa->ike->times.busy_ms);
		window_done(sa);
		sa_store(sa);
		return;
	}
	if (c && !wire_get_nonce(msg_find(&in->m, PAYLOAD_NONCE, 0)->body, &nr))
		err = answer_secret(sa, in, &chosen, &gir);
	if (!err || err == -ENOENT) {
		deal.chosen = &chosen;
		deal.gir = err ? NULL : &gir;
		deal.ni = view(req->nonce, sizeof(req->nonce));
		deal.nr = nr;
		err = child_install(sa, c, &deal);
	}
	if (err) {
		log_warn("child SA of the peer's answer cannot be used",
			 KV_S("tunnel", sa->peer->t.name), KV_ERR("error", err));
		if (c)
			child_retire(sa, c, 0);
		later(sa, old, req->pair, sa->peer->t.retry_seconds * 1000ull);
	} else {
		xchg_agreed(sa);
		settle(sa, c, nr);
		ike_rekey_proven(sa);
	}
	window_done(sa);
	sa_store(sa);
}

/* The group the peer asks for, if we may use it and have not tried it yet. */
static bool other_group(struct sa *sa, const struct notify *n, bool rekey)
{
	const struct tunnel *t = &sa->peer->t;
	struct rd r = rd_view(n->data);
	uint16_t group = rd_u16(&r);
	/* Where we ask for none we are free; the suite in use goes with it. */
	bool free = rekey && !prop_guess_ke(t->esp, t->n_esp) && prop_sound_ke(group);

	if (!rd_done(&r) || group == sa->r.req.ke.group || group == sa->r.ke_asked ||
	    (!free && !prop_has_ke(t->esp, t->n_esp, group)))
		return false;
	sa->r.ke_asked = group;
	return true;
}

/* A rekey that came early, to see whether it would work, need not be tried again and again. */
static bool at_its_time(struct sa *sa, struct ike_child *old)
{
	uint64_t life = sa->peer->t.child_seconds * 1000ull;
	uint64_t due = old->made + ike_jitter(life * 80 / 100);

	if (ike_now(sa->ike) >= old->made + life / 2)
		return false;
	old->rekey_at = due;
	return true;
}

/* No, and for good. Where others of the tunnel's children are up there is no hurry. */
static void refused(struct sa *sa, struct incoming *in, struct ike_child *old,
		    const struct notify *n)
{
	struct ike_request *req = &sa->r.req;
	uint64_t pause = sa->peer->t.retry_seconds * 1000ull;
	char why[DOOR_TEXT_MAX];
	struct ike_child *last;
	struct ends ends;

	if (old)
		ends_get(sa, old, &ends);
	else
		ends_wanted(&sa->peer->t, req->pair, &ends);
	mismatch_refused(sa->peer, in->remote, task_name(req->task), &ends, n, req->ke.group, why);
	peer_note(sa->peer, why);
	last = old ? NULL : child_current(sa, req->pair);
	if (last && last->unknown)
		child_drop(sa, last);
	if (!old && child_sending(sa->peer))
		pause *= 12;
	/* The child of IKE_AUTH needs no group: another IKE SA may have what this one cannot. */
	else if (!old && !sa->r.busy_since && prop_guess_ke(sa->peer->t.esp, sa->peer->t.n_esp))
		sa->r.busy_since = ike_now(sa->ike);
	if (!old || !at_its_time(sa, old))
		later(sa, old, req->pair, pause);
	sa->r.ke_asked = 0;
	if (old && n->type == NOTIFY_NO_ADDITIONAL_SAS)
		peer_reconnect(sa->peer);	/* it cannot rekey at all (RFC 7296 4) */
}

void child_refused(struct sa *sa, struct incoming *in)
{
	struct ike_request *req = &sa->r.req;
	struct ike_child *old = child_by_id(sa, req->child);
	struct ike_child *twin = req->twin ? child_by_id(sa, req->twin) : NULL;
	bool rekey = req->task == TASK_CHILD_REKEY;
	struct notify n = { 0 };

	if (!msg_error(&in->m, &n))
		n.type = 0;
	if (twin || (rekey && (!old || old->state == CHILD_OLD))) {
		/* The peer's own rekey of it holds; ours was late. */
		if (twin)
			need(sa, twin);
	} else if (n.type == NOTIFY_TEMPORARY_FAILURE) {
		later(sa, old, req->pair, xchg_busy(sa));
	} else if (n.type == NOTIFY_CHILD_SA_NOT_FOUND && rekey) {
		log_notice("peer does not know the child SA any more",
			   KV_S("tunnel", sa->peer->t.name), KV_U("child", old->id));
		/*
		 * A new one takes its place (RFC 7296 2.25). Until then it stays: the peer
		 * may have it with another IKE SA (libreswan 5.2 after ike_rekey_proven()).
		 */
		old->rekey_at = 0;
		old->unknown = true;
		child_want(sa, old->pair, 0);
	} else if (n.type == NOTIFY_INVALID_KE_PAYLOAD && other_group(sa, &n, rekey)) {
		log_info("peer wants another group", KV_S("tunnel", sa->peer->t.name),
			 KV_U("group", sa->r.ke_asked));
		if (rekey)
			old->retry_at = 0;
		else
			child_want(sa, req->pair, 0);
	} else {
		refused(sa, in, rekey ? old : NULL, &n);
	}
	window_done(sa);
	sa_store(sa);
}

/* --- responder --- */

static void not_found(struct sa *sa, struct incoming *in, struct view spi)
{
	struct wire_out o;

	xchg_answer(sa, &o, in);
	wire_put_notify(&o, PROTO_ESP, spi, NOTIFY_CHILD_SA_NOT_FOUND, view(NULL, 0));
	xchg_answer_end(sa, &o, in);
}

static void refuse(struct sa *sa, struct incoming *in, uint16_t type, uint16_t group)
{
	uint8_t data[2] = { (uint8_t)(group >> 8), (uint8_t)group };
	bool ke = type == NOTIFY_INVALID_KE_PAYLOAD;

	xchg_refuse(sa, in, type, ke ? data : NULL, ke ? sizeof(data) : 0);
}

/* Is this request to be served, and as a rekey of which child? 0, or the notify to answer. */
static uint16_t admit(struct sa *sa, struct ike_child *old, bool rekey, bool *twin)
{
	switch (collide(xchg_own(sa, old ? old->id : 0),
			rekey ? PEER_CHILD_REKEY : PEER_CHILD_NEW)) {
	case ANSWER:
		break;
	case ANSWER_TWIN:
		*twin = true;
		break;
	default:
		return NOTIFY_TEMPORARY_FAILURE;
	}
	/* Replaced already, or asked for twice: the first of them will tell. */
	if (rekey && (old->state == CHILD_OLD || has_successor(sa, old->id)))
		return NOTIFY_TEMPORARY_FAILURE;
	return 0;
}

/* A second child of a pair is refused, but a new one for the same traffic replaces the first. */
static bool same_traffic(const struct sa *sa, const struct ike_child *c, const struct ends *ends)
{
	struct ends has;

	ends_get(sa, c, &has);
	return ends_equal(&has, ends);
}

static int respond(struct sa *sa, struct incoming *in, struct child_terms *terms, struct view ni,
		   const uint8_t nonce[IKE_NONCE], struct ke *ke)
{
	_auto_secret_ struct secret gir = { 0 };
	struct child_deal deal = {
		.chosen = &terms->chosen, .ni = ni, .nr = view(nonce, IKE_NONCE),
	};
	struct ke_pl theirs;
	int err = 0;

	if (terms->chosen.ke.id != KE_NONE) {
		wire_get_ke(msg_find(&in->m, PAYLOAD_KE, 0)->body, &theirs);
		err = ke_generate(ke, terms->chosen.ke.id);
		if (!err)
			err = ke_derive(ke, theirs.data, &gir);
		deal.gir = &gir;
	}
	return err ? err : child_install(sa, terms->c, &deal);
}

static void keep_twin(struct sa *sa, uint32_t id, struct view ni, struct view nr)
{
	struct ike_request *req = &sa->r.req;
	struct view low = nonce_cmp(ni.data, ni.len, nr.data, nr.len) < 0 ? ni : nr;

	req->twin = id;
	req->twin_nonce_len = (uint16_t)low.len;
	memcpy(req->twin_nonce, low.data, low.len);
}

/* What the peer may have, and a slot for it; 0, or the notify to answer. */
static uint16_t grant(struct sa *sa, const struct incoming *in, struct child_terms *terms)
{
	uint16_t no = child_choose(sa, in, PROP_KE_ANY, terms);
	struct ike_child *cur;

	if (no)
		return no;
	if (!terms->old) {
		cur = child_current(sa, terms->pair);
		if (cur && !same_traffic(sa, cur, &terms->ends)) {
			log_ratelimited(LOG_NOTICE, "the peer wants another child SA beside the one it has",
					KV_S("tunnel", sa->peer->t.name), KV_U("child", cur->id),
					KV_S("hint", sa->peer->t.per_pair ? NULL :
						     "a child SA for each pair needs children = per-pair"));
			return NOTIFY_NO_ADDITIONAL_SAS;
		}
		terms->old = cur;
	}
	return child_take(sa, terms);
}

/* The new one follows old, or is the first of its pair. */
static void place(struct sa *sa, struct ike_child *c, struct ike_child *old)
{
	sa->r.want_at[c->pair] = 0;
	if (old) {
		c->replaces = old->id;
		old->rekey_at = 0;	/* the peer sees to it */
	} else if (sa->peer->current[c->pair]) {
		/*
		 * Another IKE SA has the pair: the peer's packets tell when this one is ready,
		 * or its next message, which we ask for should none come.
		 */
		sa->r.dpd_at = ike_now(sa->ike) + 10 * sa->ike->times.linger_ms;
		sa->r.dpd_now = true;
	} else {
		child_use(sa, c);
	}
}

static void serve(struct sa *sa, struct incoming *in, struct ike_child *old, bool twin)
{
	struct child_terms terms = { .old = old };
	bool rekey = old;
	uint8_t nonce[IKE_NONCE];
	struct ke ke = { 0 };
	struct wire_out o;
	struct view ni;
	uint16_t no;
	int err;

	if (wire_get_nonce(msg_find(&in->m, PAYLOAD_NONCE, 0)->body, &ni)) {
		refuse(sa, in, NOTIFY_INVALID_SYNTAX, 0);
		return;
	}
	no = grant(sa, in, &terms);
	if (no) {
		refuse(sa, in, no, terms.group);
		return;
	}
	crypto_random(nonce, sizeof(nonce));
	err = respond(sa, in, &terms, ni, nonce, &ke);
	if (err) {
		child_free(sa, terms.c);
		ke_clear(&ke);
		refuse(sa, in, err == -EBADMSG ? NOTIFY_INVALID_SYNTAX :
		       NOTIFY_TEMPORARY_FAILURE, 0);
		return;
	}
	/* Both sides ask for a child of the same pair at once. */
	if (!rekey && sa->r.req.task == TASK_CHILD_NEW && sa->r.req.pair == terms.pair)
		twin = true;
	place(sa, terms.c, terms.old);
	sa->ike->n.child_rekeys += rekey;
	sa->r.child_rekeys += rekey;
	sa->r.busy_since = 0;
	if (twin)
		keep_twin(sa, terms.c->id, ni, view(nonce, sizeof(nonce)));
	xchg_answer(sa, &o, in);
	child_put(&o, &terms, nonce, &ke);
	ke_clear(&ke);
	xchg_answer_end(sa, &o, in);
}

void child_request(struct sa *sa, struct incoming *in)
{
	struct ike_child *old = NULL;
	bool twin = false, rekey, coming;
	struct notify n;
	struct rd r;
	uint16_t no;

	ike_twin_settle(sa);
	rekey = msg_notify(&in->m, NOTIFY_REKEY_SA, &n);
	if (rekey && (n.protocol != PROTO_ESP || n.spi.len != 4)) {
		refuse(sa, in, NOTIFY_INVALID_SYNTAX, 0);
		return;
	}
	if (rekey) {
		r = rd_view(n.spi);
		old = child_by_out(sa, rd_u32(&r));
		/* It may be the one that the answer to our own request will tell us of. */
		coming = sa->r.req.task == TASK_CHILD_NEW || sa->r.req.task == TASK_CHILD_REKEY;
		if (!old && sa->r.state == SA_UP && !coming) {
			not_found(sa, in, n.spi);
			return;
		}
	}
	no = rekey && !old ? NOTIFY_TEMPORARY_FAILURE : admit(sa, old, rekey, &twin);
	if (no)
		refuse(sa, in, no, 0);
	else
		serve(sa, in, old, twin);
}
