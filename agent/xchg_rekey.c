// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * CREATE_CHILD_SA for the IKE SA itself (RFC 7296 1.3.2, 2.8, 2.18). The new
 * IKE SA takes the children over; the old one is deleted by whoever made the
 * new one.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "mismatch.h"
#include "nat.h"
#include "xchg.h"

/* --- common --- */

static uint64_t new_spi(struct ike *ike)
{
	uint64_t spi = 0;

	while (!spi || sa_find(ike, spi))
		crypto_random(&spi, sizeof(spi));
	return spi;
}

static uint64_t get_spi(const uint8_t b[8])
{
	struct rd r = rd_init(b, 8);

	return rd_u64(&r);
}

static void put_spi(uint64_t spi, uint8_t b[8])
{
	struct wr w = wr_init(b, 8);

	wr_u64(&w, spi);
}

/* What a rekey does not change: addresses, identity, the tunnel. */
static struct sa *heir(struct sa *old, bool initiator, uint64_t ours, uint64_t theirs,
		       const struct chosen *chosen)
{
	const struct tunnel *t = &old->peer->t;
	struct ike *ike = old->ike;
	uint64_t now = ike_now(ike), life = t->ike_seconds * 1000ull;
	struct sa *sa = sa_new(ike, initiator);

	if (!sa)
		return NULL;
	sa->r.spi_i = initiator ? ours : theirs;
	sa->r.spi_r = initiator ? theirs : ours;
	sa->r.suite = *chosen;
	sa->r.parent = sa_spi(old);
	sa->r.local = old->r.local;
	sa->r.remote = old->r.remote;
	sa->r.marker = old->r.marker;
	sa->r.natt = old->r.natt;
	sa->r.fragments = old->r.fragments;
	sa->r.nat_local = old->r.nat_local;
	sa->r.nat_remote = old->r.nat_remote;
	sa->r.encap = old->r.encap;
	sa->r.peer_id = old->r.peer_id;
	sa->r.superseded = old->r.superseded;
	sa->r.ike_rekeys = old->r.ike_rekeys + 1;
	sa->r.child_rekeys = old->r.child_rekeys;
	sa->r.heard = now;
	sa->r.hard_at = now + life;
	sa->r.rekey_at = now + ike_jitter(life * (initiator ? 80 : 85) / 100);
	sa->r.reauth_at = old->r.reauth_at;
	sa->r.dpd_at = t->dpd_seconds ? now + t->dpd_seconds * 1000ull : 0;
	return sa;
}

static int derive(struct sa *old, struct sa *sa, const struct ke *ke, struct view theirs,
		  struct view ni, struct view nr)
{
	_auto_secret_ struct secret gir = { 0 };
	uint8_t seed[HASH_MAX];
	int err = ke_derive(ke, theirs, &gir);

	if (!err)
		err = kdf_skeyseed_rekey(&old->r.keys, view(gir.data, gir.len), ni, nr, seed);
	/* SKEYSEED comes from the old SA's PRF, the keys from the new one's. */
	if (!err)
		err = kdf_ike(&sa->r.suite, view(seed, kdf_prf_len(old->r.keys.prf)), ni, nr,
			      sa->r.spi_i, sa->r.spi_r, &sa->r.keys);
	secret_wipe_object(seed);
	return err;
}

static void discard(struct sa *sa)
{
	explicit_bzero(sa, sizeof(*sa));
	free(sa);
}

static void enter(struct sa *old, struct sa *sa)
{
	char name[64];

	sa->r.unique = sa->ike->store ? store_unique(sa->ike->store) : ++sa->ike->unique;
	sa_bind(sa, old->peer);
	sa_link(sa);
	sa_state(sa, SA_UP);
	peer_trim(old->peer);
	sa->ike->n.ike_rekeys++;
	log_info("IKE SA rekeyed", KV_S("tunnel", old->peer->t.name), KV_U("unique", sa->r.unique),
		 KV_U("was", old->r.unique),
		 KV_S("suite", prop_chosen_format(&sa->r.suite, name, sizeof(name))),
		 KV_S("role", sa->r.initiator ? "initiator" : "responder"),
		 KV_X("spi", sa_spi(sa)));
}

static void wake(struct sa *sa)
{
	sa->queued = true;
	loop_timer_in(sa->ike->loop, &sa->timer, 0);
}

/* The children go to the successor; old waits for the peer's DELETE, or for ours. */
static void hand_over(struct sa *old, struct sa *to, bool we_delete)
{
	uint64_t now = ike_now(old->ike);

	child_move(old, to);
	to->r.superseded = !old->r.req.twin_settled && old->r.superseded;
	sa_state(old, SA_REPLACED);
	old->r.delete_at = we_delete ? now : 0;
	old->r.expire_at = we_delete ? 0 : now + old->ike->times.replaced_ms;
	sa_store(to);
	wake(to);
}

/*
 * A duplicate without children: its maker deletes it. libreswan (5.2) neither
 * deletes its own, and would go on with it, nor minds the nonces: its children
 * go to the one that we made, and go with that. So ours stays until a rekey of
 * the children has shown that the peer knows them as we do, or has replaced
 * them (ike_rekey_proven()).
 */
static void set_aside(struct sa *sa)
{
	uint64_t now = ike_now(sa->ike);

	sa_state(sa, SA_REPLACED);
	sa->r.delete_at = now + (sa->r.initiator ? 20 : 10) * sa->ike->times.linger_ms;
	sa->r.expire_at = sa->r.initiator ? 0 : now + sa->ike->times.replaced_ms;
	sa_store(sa);
	wake(sa);
}

void ike_rekey_proven(struct sa *sa)
{
	uint64_t oldest = UINT64_MAX, now = ike_now(sa->ike);

	for (const struct ike_child *c = sa->r.child; c < sa->r.child + IKE_CHILDREN; c++)
		if (c->state == CHILD_CURRENT && c->made < oldest)
			oldest = c->made;
	for (struct sa *aside = sa->peer->sas; aside; aside = aside->peer_next) {
		if (aside->r.state != SA_REPLACED || !aside->r.initiator ||
		    aside->r.parent != sa->r.parent || aside->r.delete_at <= now ||
		    aside->r.made > oldest)
			continue;
		aside->r.delete_at = now;
		sa_store(aside);
		wake(aside);
	}
}

static struct sa *twin_of(struct sa *old)
{
	struct sa *twin = old->r.req.twin_spi ? sa_find(old->ike, old->r.req.twin_spi) : NULL;

	return twin && twin->r.state == SA_UP ? twin : NULL;
}

void ike_twin_wins(struct sa *old)
{
	struct sa *twin = old->r.req.task == TASK_IKE_REKEY ? twin_of(old) : NULL;

	if (twin)
		hand_over(old, twin, false);
}

void ike_twin_settle(struct sa *sa)
{
	struct sa *old = sa->r.parent ? sa_find(sa->ike, sa->r.parent) : NULL;

	if (!old || sa->r.state != SA_UP || old->r.state != SA_UP || twin_of(old) != sa)
		return;
	/* Our request stays out; when its answer comes, the nonces say the same. */
	child_move(old, sa);
	if (!old->r.req.twin_settled)
		sa->r.superseded = old->r.superseded;
	old->r.req.twin_settled = true;
	sa_store(sa);
	sa_store(old);
}

/* --- initiator --- */

void ike_rekey_start(struct sa *sa)
{
	const struct tunnel *t = &sa->peer->t;
	struct ike_request *req = &sa->r.req;
	struct proposal offers[XCHG_OFFERS];
	struct transform ke = sa->r.suite.ke;
	struct sa_list offer;
	struct wire_out o;
	uint8_t spi[8];

	if (sa->r.ke_asked)
		ke.id = sa->r.ke_asked;
	if (!prop_has_ke(t->ike, t->n_ike, ke.id))
		ke.id = prop_guess_ke(t->ike, t->n_ike);
	if (ke_generate(&req->ke, ke.id)) {
		sa->r.retry_at = ike_now(sa->ike) + t->retry_seconds * 1000ull;
		window_done(sa);
		return;
	}
	req->ike_spi = new_spi(sa->ike);
	put_spi(req->ike_spi, spi);
	crypto_random(req->nonce, sizeof(req->nonce));
	xchg_again(sa, &sa->r.suite.encr);
	xchg_again(sa, &sa->r.suite.prf);
	xchg_again(sa, &sa->r.suite.integ);
	xchg_again(sa, &ke);
	prop_offer(offers, xchg_offers(sa, PROTO_IKE, offers), view(spi, sizeof(spi)), 0, &offer);
	xchg_request(sa, &o, EXCHANGE_CREATE_CHILD_SA);
	wire_put_sa(&o, &offer);
	wire_put_nonce(&o, view(req->nonce, sizeof(req->nonce)));
	wire_put_ke(&o, ke.id, view(req->ke.pub, req->ke.pub_len));
	if (xchg_request_end(sa, &o, TASK_IKE_REKEY))
		window_done(sa);
}

static void settle(struct sa *old, struct sa *sa, struct view nr)
{
	struct sa *twin = twin_of(old);
	bool lose = twin && xchg_lost(&old->r.req, nr);

	if (twin) {
		old->ike->n.collisions++;
		log_info("both sides rekeyed the IKE SA", KV_S("tunnel", old->peer->t.name),
			 KV_U("stays", lose ? twin->r.unique : sa->r.unique),
			 KV_U("goes", lose ? sa->r.unique : twin->r.unique));
	}
	if (lose) {
		hand_over(old, twin, false);
		set_aside(sa);
		child_rekey_by(twin, ike_now(twin->ike) + twin->ike->times.linger_ms);
		sa_store(twin);
		wake(twin);
		return;
	}
	if (twin)
		child_move(twin, old);	/* if the peer seemed to have settled otherwise */
	hand_over(old, sa, true);
	if (twin)
		set_aside(twin);
}

static void later(struct sa *old, uint64_t ms)
{
	old->r.retry_at = ike_now(old->ike) + ike_jitter(ms);
}

static void failed(struct sa *old, const char *why)
{
	log_warn("IKE rekey failed", KV_S("tunnel", old->peer->t.name), KV_S("why", why));
	later(old, old->peer->t.retry_seconds * 1000ull);
}

void ike_rekey_response(struct sa *old, struct incoming *in)
{
	struct ike_request *req = &old->r.req;
	struct proposal offers[XCHG_OFFERS];
	unsigned int n = xchg_offers(old, PROTO_IKE, offers);
	struct sa_list answer;
	struct chosen chosen;
	struct ke_pl ke;
	struct view nr;
	struct sa *sa;

	if (old->r.state != SA_UP) {
		window_done(old);
		return;
	}
	if (wire_get_sa(msg_find(&in->m, PAYLOAD_SA, 0)->body, &answer) ||
	    wire_get_ke(msg_find(&in->m, PAYLOAD_KE, 0)->body, &ke) ||
	    wire_get_nonce(msg_find(&in->m, PAYLOAD_NONCE, 0)->body, &nr) ||
	    prop_accept(offers, n, &answer, 8, 0, &chosen) ||
	    chosen.ke.id != req->ke.group || ke.group != req->ke.group || !get_spi(chosen.spi)) {
		failed(old, "the answer does not fit");
		window_done(old);
		sa_store(old);
		return;
	}
	sa = heir(old, true, req->ike_spi, get_spi(chosen.spi), &chosen);
	if (sa && derive(old, sa, &req->ke, ke.data, view(req->nonce, sizeof(req->nonce)), nr)) {
		discard(sa);
		sa = NULL;
	}
	if (!sa) {
		failed(old, "no keys");
		window_done(old);
		sa_store(old);
		return;
	}
	enter(old, sa);
	settle(old, sa, nr);
	window_done(old);
	sa_store(old);
}

void ike_rekey_refused(struct sa *old, struct incoming *in)
{
	char why[DOOR_TEXT_MAX];
	struct notify n = { 0 };
	struct rd r;
	uint16_t group;

	if (!msg_error(&in->m, &n))
		n.type = 0;
	r = rd_view(n.data);
	group = n.type == NOTIFY_INVALID_KE_PAYLOAD ? rd_u16(&r) : 0;
	if (twin_of(old)) {
		ike_twin_wins(old);
	} else if (n.type == NOTIFY_TEMPORARY_FAILURE) {
		later(old, xchg_busy(old));
	} else if (group && group != old->r.req.ke.group &&
		   prop_has_ke(old->peer->t.ike, old->peer->t.n_ike, group)) {
		old->r.ke_asked = group;
		old->r.retry_at = 0;
	} else {
		mismatch_refused(old->peer, in->remote, task_name(TASK_IKE_REKEY), NULL, &n,
				 old->r.req.ke.group, why);
		later(old, old->peer->t.retry_seconds * 1000ull);
		if (n.type == NOTIFY_NO_ADDITIONAL_SAS && old->r.state == SA_UP)
			peer_reconnect(old->peer);	/* it cannot rekey at all (RFC 7296 4) */
	}
	window_done(old);
	sa_store(old);
}

/* --- responder --- */

static void respond(struct sa *old, struct incoming *in, const struct chosen *chosen,
		    struct view pub, struct view ni, bool twin)
{
	uint64_t ours = new_spi(old->ike);
	uint8_t nonce[IKE_NONCE], spi[8];
	struct view nr = view(nonce, sizeof(nonce)), low;
	struct sa *sa = heir(old, false, ours, get_spi(chosen->spi), chosen);
	struct ke ke = { 0 };
	struct sa_list list;
	struct wire_out o;
	int err = sa ? ke_generate(&ke, chosen->ke.id) : -ENOMEM;

	crypto_random(nonce, sizeof(nonce));
	if (!err)
		err = derive(old, sa, &ke, pub, ni, nr);
	if (err) {
		if (sa)
			discard(sa);
		ke_clear(&ke);
		xchg_refuse(old, in, err == -EBADMSG ? NOTIFY_INVALID_SYNTAX :
			    NOTIFY_TEMPORARY_FAILURE, NULL, 0);
		return;
	}
	enter(old, sa);
	if (twin) {
		low = nonce_cmp(ni.data, ni.len, nr.data, nr.len) < 0 ? ni : nr;
		old->r.req.twin_spi = ours;
		old->r.req.twin_nonce_len = (uint16_t)low.len;
		memcpy(old->r.req.twin_nonce, low.data, low.len);
		sa->r.superseded = true;
		sa_store(sa);
		wake(sa);
	} else {
		hand_over(old, sa, false);
	}
	old->r.busy_since = 0;
	put_spi(ours, spi);
	prop_answer(chosen, view(spi, sizeof(spi)), &list);
	xchg_answer(old, &o, in);
	wire_put_sa(&o, &list);
	wire_put_nonce(&o, nr);
	wire_put_ke(&o, ke.group, view(ke.pub, ke.pub_len));
	ke_clear(&ke);
	xchg_answer_end(old, &o, in);
}

void ike_rekey_request(struct sa *old, struct incoming *in)
{
	const struct tunnel *t = &old->peer->t;
	struct sa_list theirs;
	struct chosen chosen;
	uint8_t group[2];
	struct ke_pl ke;
	struct view ni;
	bool twin = false;

	ike_twin_settle(old);
	switch (collide(xchg_own(old, 0), PEER_IKE_REKEY)) {
	case ANSWER:
		break;
	case ANSWER_TWIN:
		twin = true;
		break;
	default:
		xchg_refuse(old, in, NOTIFY_TEMPORARY_FAILURE, NULL, 0);
		return;
	}
	if (wire_get_sa(msg_find(&in->m, PAYLOAD_SA, 0)->body, &theirs) ||
	    wire_get_ke(msg_find(&in->m, PAYLOAD_KE, 0)->body, &ke) ||
	    wire_get_nonce(msg_find(&in->m, PAYLOAD_NONCE, 0)->body, &ni)) {
		xchg_refuse(old, in, NOTIFY_INVALID_SYNTAX, NULL, 0);
		return;
	}
	if (xchg_choose(t->ike, t->n_ike, &theirs, ke.group, 8, 0, &chosen) ||
	    !get_spi(chosen.spi)) {
		const struct mismatch m = {
			.what = "no common proposal for the IKE rekey", .ours = t->ike,
			.n = t->n_ike, .theirs = &theirs, .spi_len = 8,
		};

		mismatch_proposals(old->peer, in->remote, &m);
		xchg_refuse(old, in, NOTIFY_NO_PROPOSAL_CHOSEN, NULL, 0);
		return;
	}
	if (chosen.ke.id != ke.group) {
		group[0] = (uint8_t)(chosen.ke.id >> 8);
		group[1] = (uint8_t)chosen.ke.id;
		xchg_refuse(old, in, NOTIFY_INVALID_KE_PAYLOAD, group, sizeof(group));
		return;
	}
	respond(old, in, &chosen, ke.data, ni, twin);
}
