// SPDX-License-Identifier: GPL-2.0-or-later
/* INFORMATIONAL (RFC 7296 1.4, 1.5, 2.4): deletes and liveness checks. */
#include <string.h>

#include "addr.h"
#include "log.h"
#include "xchg.h"

/*
 * A new request, or an answer, proves that the peer has our answers to the
 * requests before it, and so the child of its rekey or of its newer IKE SA.
 * Should no packet and no DELETE tell us to switch to that, time does.
 */
static void peer_has_answers(struct sa *sa)
{
	struct sa *now;

	for (int i = 0; i < IKE_CHILDREN; i++) {
		struct ike_child *c = &sa->r.child[i];

		if (c->state != CHILD_READY || c->initiator || c->switch_at || !sa->peer ||
		    !child_sent(sa->peer, c->pair, &now))
			continue;
		if (now == sa || (!sa->r.superseded && sa->r.made > now->r.made))
			c->switch_at = ike_now(sa->ike) + 3 * sa->ike->times.linger_ms;
	}
}

/* --- initiator --- */

void ike_delete_start(struct sa *sa)
{
	struct wire_out o;

	xchg_request(sa, &o, EXCHANGE_INFORMATIONAL);
	/* The notify says all (RFC 7296 2.21.2), but libreswan heeds DELETE alone. */
	if (sa->r.auth_failed)
		wire_put_status(&o, NOTIFY_AUTHENTICATION_FAILED, NULL, 0);
	wire_put_delete_ike(&o);
	if (xchg_request_end(sa, &o, TASK_IKE_DELETE))
		sa_kill(sa);
}

void child_delete_start(struct sa *sa)
{
	uint64_t now = ike_now(sa->ike);
	struct wire_out o;

	for (int i = 0; i < IKE_CHILDREN; i++) {
		struct ike_child *c = &sa->r.child[i];

		if (c->state != CHILD_OLD || !c->delete_at || c->delete_at > now)
			continue;
		sa->r.req.child = c->id;
		xchg_request(sa, &o, EXCHANGE_INFORMATIONAL);
		wire_put_delete_esp(&o, &c->spi_in, 1);
		if (xchg_request_end(sa, &o, TASK_CHILD_DELETE))
			window_done(sa);
		return;
	}
}

/* ESP from the peer proves that it lives, but not that its IKE does: believed threefold at most. */
static bool esp_heard(struct sa *sa, uint64_t interval)
{
	struct door_sa_list list;
	const struct ike_child *c;

	if (sa->ike->ops->sa_list(sa->ike->ctx, sa->r.tunnel, &list))
		return false;
	for (uint32_t i = 0; i < list.n && i < DOOR_SAS_MAX; i++)
		for (c = sa->r.child; c < sa->r.child + IKE_CHILDREN; c++)
			if (c->state != CHILD_FREE && c->sa_in && c->sa_in == list.sa[i].sa_id &&
			    list.sa[i].used_ms < interval)
				return true;
	return false;
}

void dpd_start(struct sa *sa)
{
	uint64_t interval = sa->peer->t.dpd_seconds * 1000ull, now = ike_now(sa->ike);
	struct wire_out o;

	if (interval && !sa->r.dpd_now && now - sa->r.heard < 3 * interval &&
	    esp_heard(sa, interval)) {
		sa->r.dpd_at = now + interval;
		return;
	}
	sa->r.dpd_now = false;
	sa->r.dpd_at = interval ? now + interval : 0;
	xchg_request(sa, &o, EXCHANGE_INFORMATIONAL);
	if (xchg_request_end(sa, &o, TASK_DPD))
		window_done(sa);
}

void info_response(struct sa *sa, struct incoming *in)
{
	struct ike_child *c;

	switch (sa->r.req.task) {
	case TASK_IKE_DELETE:
		log_info("IKE SA deleted", KV_S("tunnel", sa->peer ? sa->peer->t.name : NULL),
			 KV_U("unique", sa->r.unique));
		child_drop_all(sa);
		sa_kill(sa);
		if (sa->peer)
			peer_check(sa->peer);
		return;
	case TASK_CHILD_DELETE:
		c = child_by_id(sa, sa->r.req.child);
		if (c)
			child_drop(sa, c);
		window_done(sa);
		child_missing_any(sa, "the child SA was deleted");
		break;
	default:
		window_done(sa);
		peer_has_answers(sa);
	}
	sa_store(sa);
}

/* --- responder --- */

static void peer_deletes_ike(struct sa *sa, struct incoming *in, const char *why)
{
	struct peer *p = sa->peer;
	bool was_main = sa->r.state == SA_UP && !sa->r.superseded;
	struct wire_out o;

	if (collide(xchg_own(sa, 0), PEER_IKE_DELETE) == ANSWER_FORGET) {
		ike_twin_wins(sa);
		was_main = was_main && sa->r.state == SA_UP;
	}
	log_info("peer deletes the IKE SA", KV_S("tunnel", p ? p->t.name : NULL),
		 KV_U("unique", sa->r.unique));
	child_drop_all(sa);
	xchg_answer(sa, &o, in);
	xchg_answer_end(sa, &o, in);
	sa_fade(sa);
	if (p && was_main)
		peer_failed(p, why);
	else if (p)
		peer_check(p);
}

/* Returns our inbound SPI to be named in the answer, or 0. */
static uint32_t peer_deletes_child(struct sa *sa, uint32_t spi)
{
	struct ike_child *c = child_by_out(sa, spi);
	struct ike_request *req = &sa->r.req;
	uint32_t ours;

	/* What we do not know (any more) is deleted: that is success. Or do not know yet. */
	if (!c) {
		if (req->task && req->n_stillborn < IKE_STILLBORN)
			req->stillborn[req->n_stillborn++] = spi;
		return 0;
	}
	ours = c->spi_in;
	if (collide(xchg_own(sa, c->id), PEER_CHILD_DELETE) == ANSWER_EMPTY)
		ours = 0;
	child_drop(sa, c);
	return ours;
}

static void peer_deletes_children(struct sa *sa, struct incoming *in)
{
	uint32_t spis[DELETE_SPIS];
	unsigned int n = 0;
	const struct payload *p;
	struct delete_pl d;
	struct wire_out o;
	uint32_t spi;

	ike_twin_settle(sa);
	for (unsigned int i = 0; (p = msg_find(&in->m, PAYLOAD_DELETE, i)); i++) {
		if (wire_get_delete(p->body, &d) || d.protocol != PROTO_ESP || d.spi_len != 4)
			continue;
		for (unsigned int k = 0; k < d.n && k < DELETE_SPIS && n < DELETE_SPIS; k++) {
			spi = peer_deletes_child(sa, wire_delete_spi(&d, k));
			if (spi)
				spis[n++] = spi;
		}
	}
	child_missing_any(sa, "the peer deleted the child SA");
	xchg_answer(sa, &o, in);
	if (n)
		wire_put_delete_esp(&o, spis, n);
	xchg_answer_end(sa, &o, in);
}

static bool deletes(const struct msg *m, uint8_t protocol)
{
	const struct payload *p;
	struct delete_pl d;

	for (unsigned int i = 0; (p = msg_find(m, PAYLOAD_DELETE, i)); i++)
		if (!wire_get_delete(p->body, &d) && d.protocol == protocol)
			return true;
	return false;
}

void info_request(struct sa *sa, struct incoming *in)
{
	struct wire_out o;
	struct notify n;

	peer_has_answers(sa);

	if (msg_notify(&in->m, NOTIFY_AUTHENTICATION_FAILED, &n)) {
		log_warn("peer does not believe our identity or secret",
			 KV_S("tunnel", sa->peer ? sa->peer->t.name : NULL));
		peer_deletes_ike(sa, in, "the peer rejects our authentication");
		return;
	}
	if (deletes(&in->m, PROTO_IKE)) {
		peer_deletes_ike(sa, in, "the peer deleted the IKE SA");
		return;
	}
	if (deletes(&in->m, PROTO_ESP)) {
		peer_deletes_children(sa, in);
		return;
	}
	xchg_answer(sa, &o, in);
	xchg_answer_end(sa, &o, in);
}
