// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * IKE_SA_INIT (RFC 7296 1.2): nothing here is authentic. A responder keeps no
 * state before it agrees, an initiator believes no refusal at once.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/ipsecvti.h>

#include "addr.h"
#include "cookie.h"
#include "log.h"
#include "mismatch.h"
#include "nat.h"
#include "xchg.h"

#define RESTARTS	6	/* by cookies and groups asked for, in one attempt */
#define DOUBT_MS	6000	/* an unauthenticated refusal stands if nothing better came */

static void init_send(struct sa *sa)
{
	const struct tunnel *t = &sa->peer->t;
	struct ike_request *req = &sa->r.req;
	struct sa_list offer;
	struct wire_out o;

	sa->r.mid_out = 0;
	prop_offer(t->ike, t->n_ike, view(NULL, 0), 0, &offer);
	xchg_request(sa, &o, EXCHANGE_IKE_SA_INIT);
	if (sa->cookie_len)
		wire_put_status(&o, NOTIFY_COOKIE, sa->cookie, sa->cookie_len);
	wire_put_sa(&o, &offer);
	wire_put_ke(&o, req->ke.group, view(req->ke.pub, req->ke.pub_len));
	wire_put_nonce(&o, view(sa->r.nonce_i, sa->r.nonce_i_len));
	nat_put(&o, sa->r.spi_i, 0, &sa->r.local, &sa->r.remote, t->force_encap);
	if (t->fragment_size)
		wire_put_status(&o, NOTIFY_IKEV2_FRAGMENTATION_SUPPORTED, NULL, 0);
	if (xchg_request_end(sa, &o, TASK_INIT))
		sa_fail(sa, "IKE_SA_INIT could not be built");
}

/* The mapping of a NAT that ESP goes through already lets IKE through, too. */
static bool same_mapping(struct peer *p, struct sa *sa, bool replace)
{
	const struct sa *old = replace ? peer_main(p) : NULL;

	if (old && old->r.marker && peer_takes(p, &old->r.local, &old->r.remote)) {
		sa->r.local = old->r.local;
		sa->r.remote = old->r.remote;
	} else if (!old && p->lost.tunnel && p->lost.encap == IPSECVTI_ENCAP_UDP &&
		   p->attempts % 2 == 0 && peer_takes(p, &p->lost.local, &p->lost.remote)) {
		sa->r.local = p->lost.local;
		sa->r.remote = p->lost.remote;
	} else {
		return false;
	}
	sa->r.marker = true;
	return true;
}

static bool next_addresses(struct peer *p, struct sa *sa)
{
	uint8_t pair = peer_pair(p, p->turn, &sa->r.local, &sa->r.remote);

	if (pair == PEER_NO_PAIR)
		pair = peer_pair(p, 0, &sa->r.local, &sa->r.remote);
	if (pair == PEER_NO_PAIR)
		return false;
	p->turn = pair + 1;
	sa->r.remote.port = p->t.remote_port;
	sa->r.local.port = p->t.local_port;
	return true;
}

void init_start(struct peer *p, bool replace)
{
	char who[ADDR_TEXT_MAX], from[ADDR_TEXT_MAX];
	struct sa *sa = sa_new(p->ike, true);

	if (!sa) {
		peer_failed(p, "out of memory");
		return;
	}
	sa->replace = replace;
	if (!same_mapping(p, sa, replace) && !next_addresses(p, sa)) {
		free(sa);
		peer_failed(p, "no local address towards the peer");
		return;
	}
	sa_bind(sa, p);
	sa_link(sa);
	sa_state(sa, SA_INIT_SENT);
	crypto_random(sa->r.nonce_i, IKE_NONCE);
	sa->r.nonce_i_len = IKE_NONCE;
	if (ke_generate(&sa->r.req.ke, prop_guess_ke(p->t.ike, p->t.n_ike))) {
		sa_fail(sa, "no key pair for the first group of the proposals");
		return;
	}
	log_info("connecting", KV_S("tunnel", p->t.name),
		 KV_S("local", addr_format(&sa->r.local, from, sizeof(from))),
		 KV_S("peer", addr_format(&sa->r.remote, who, sizeof(who))),
		 KV_U("attempt", p->attempts + 1));
	init_send(sa);
	if (!sa->dead)
		window_run(sa);
}

/* Once more with what was asked for; the SPI and the nonce stay (RFC 7296 2.6.1). */
static void restart(struct sa *sa)
{
	if (++sa->restarts > RESTARTS) {
		sa_fail(sa, "the peer asks for ever other IKE_SA_INIT messages");
		return;
	}
	init_send(sa);
}

/* Anybody could have written it: the true peer's agreement may be on its way. */
static void doubt(struct sa *sa, uint16_t error)
{
	sa->init_error = error;
	if (!sa->fail_at)
		sa->fail_at = ike_now(sa->ike) + DOUBT_MS;
}

static void refused(struct sa *sa, const struct notify *n)
{
	char why[DOOR_TEXT_MAX];

	if (sa->init_error == n->type)
		return;
	mismatch_refused(sa->peer, &sa->r.remote, task_name(TASK_INIT), NULL, n,
			 sa->r.req.ke.group, why);
	peer_note(sa->peer, why);
	doubt(sa, n->type);
}

static void other_group(struct sa *sa, const struct notify *n)
{
	const struct tunnel *t = &sa->peer->t;
	struct rd r = rd_view(n->data);
	uint16_t group = rd_u16(&r);

	if (!rd_done(&r) || group == sa->r.req.ke.group)
		return;
	if (!prop_has_ke(t->ike, t->n_ike, group)) {
		refused(sa, n);
		return;
	}
	ke_clear(&sa->r.req.ke);
	if (ke_generate(&sa->r.req.ke, group)) {
		sa_fail(sa, "no key pair");
		return;
	}
	restart(sa);
}

void init_refused(struct sa *sa, struct incoming *in)
{
	struct notify n;

	if (msg_notify(&in->m, NOTIFY_COOKIE, &n)) {
		if (!n.data.len || n.data.len > COOKIE_MAX)
			return;
		memcpy(sa->cookie, n.data.data, n.data.len);
		sa->cookie_len = (uint8_t)n.data.len;
		restart(sa);
		return;
	}
	if (!msg_error(&in->m, &n))
		return;
	if (n.type == NOTIFY_INVALID_KE_PAYLOAD)
		other_group(sa, &n);
	else
		refused(sa, &n);
}

static int derive(struct sa *sa, const struct ke *ke, struct view theirs)
{
	struct view ni = view(sa->r.nonce_i, sa->r.nonce_i_len);
	struct view nr = view(sa->r.nonce_r, sa->r.nonce_r_len);
	uint8_t seed[HASH_MAX];
	uint16_t prf = sa->r.suite.prf.id;
	_auto_secret_ struct secret gir = { 0 };
	int err = ke_derive(ke, theirs, &gir);

	if (!err)
		err = kdf_skeyseed(prf, ni, nr, view(gir.data, gir.len), seed);
	if (!err)
		err = kdf_ike(&sa->r.suite, view(seed, kdf_prf_len(prf)), ni, nr, sa->r.spi_i,
			      sa->r.spi_r, &sa->r.keys);
	secret_wipe_object(seed);
	return err;
}

static bool fragments_offered(const struct msg *m)
{
	struct notify n;

	return msg_notify(m, NOTIFY_IKEV2_FRAGMENTATION_SUPPORTED, &n);
}

void init_response(struct sa *sa, struct incoming *in)
{
	const struct tunnel *t = &sa->peer->t;
	struct chosen chosen;
	struct sa_list answer;
	struct view nonce;
	struct ke_pl ke;

	if (wire_get_sa(msg_find(&in->m, PAYLOAD_SA, 0)->body, &answer) ||
	    wire_get_ke(msg_find(&in->m, PAYLOAD_KE, 0)->body, &ke) ||
	    wire_get_nonce(msg_find(&in->m, PAYLOAD_NONCE, 0)->body, &nonce) ||
	    !in->m.hdr.spi_r || in->m.raw.len > RECORD_MSG)
		return;
	/* Not authentic yet: what does not fit may be a forgery, so the request stays out. */
	if (prop_accept(t->ike, t->n_ike, &answer, 0, 0, &chosen) || chosen.ke.id != ke.group ||
	    ke.group != sa->r.req.ke.group) {
		const struct mismatch m = {
			.what = "the answer to IKE_SA_INIT is not among our proposals",
			.ours = t->ike, .n = t->n_ike, .theirs = &answer, .answer = true,
		};

		mismatch_proposals(sa->peer, &sa->r.remote, &m);
		doubt(sa, NOTIFY_NO_PROPOSAL_CHOSEN);
		return;
	}
	sa->r.spi_r = in->m.hdr.spi_r;
	sa->r.suite = chosen;
	memcpy(sa->r.nonce_r, nonce.data, nonce.len);
	sa->r.nonce_r_len = (uint16_t)nonce.len;
	if (derive(sa, &sa->r.req.ke, ke.data)) {
		sa->r.spi_r = 0;
		return;
	}
	/* AUTH will cover the peer's message; the buffer of our answers is free until then. */
	memcpy(sa->r.resp_msg, in->m.raw.data, in->m.raw.len);
	sa->r.init_len = (uint32_t)in->m.raw.len;
	sa->r.fragments = t->fragment_size && fragments_offered(&in->m);
	nat_judge(sa, &in->m, in->local, in->remote);
	nat_float(sa);
	sa->fail_at = 0;
	sa->init_error = 0;
	if (auth_start(sa))
		sa_fail(sa, "IKE_AUTH could not be started");
}

static struct sa *half_open_twin(struct ike *ike, const struct incoming *in)
{
	for (struct sa *sa = ike->half; sa; sa = sa->half_next)
		if (sa->r.state == SA_INIT_DONE && sa->r.spi_i == in->m.hdr.spi_i &&
		    addr_equal(&sa->r.remote, in->remote))
			return sa;
	return NULL;
}

static struct peer *agree(struct ike *ike, const struct incoming *in, const struct sa_list *theirs,
			  uint16_t group, struct chosen *out)
{
	struct mismatch m = { .what = "no common IKE proposal", .theirs = theirs };
	struct peer *p = NULL, *first = NULL;
	char who[ADDR_TEXT_MAX];

	while ((p = peer_by_addr(ike, in->local, in->remote, p))) {
		if (p->t.down)
			continue;
		if (!first) {
			mismatch_void(p, theirs);
			first = p;
		}
		if (!xchg_choose(p->t.ike, p->t.n_ike, theirs, group, 0, 0, out))
			return p;
	}
	if (first) {
		m.ours = first->t.ike;
		m.n = first->t.n_ike;
		mismatch_proposals(first, in->remote, &m);
		return NULL;
	}
	log_ratelimited(LOG_NOTICE, "IKE_SA_INIT from an address that no tunnel names",
			KV_S("peer", addr_format(in->remote, who, sizeof(who))));
	return NULL;
}

/* Too many, or a cookie first? True: the request is dealt with. */
static bool turn_away(struct ike *ike, const struct incoming *in)
{
	unsigned int from = sa_from(ike, in->remote);
	uint8_t cookie[COOKIE_LEN];
	struct notify n;

	if ((ike->half_open >= ike->times.half_open_cookie || from >= ike->times.source_cookie) &&
	    !cookie_good(ike, &in->m, in->remote)) {
		ike->n.cookies_bad += msg_notify(&in->m, NOTIFY_COOKIE, &n);
		ike->n.cookies_sent++;
		cookie_make(ike, &in->m, in->remote, cookie);
		xchg_bare(ike, in, NOTIFY_COOKIE, cookie, sizeof(cookie));
		return true;
	}
	if (ike->half_open >= ike->times.half_open_max || from >= ike->times.source_max) {
		char who[ADDR_TEXT_MAX];

		ike->n.half_open_refused++;
		log_ratelimited(LOG_WARNING, "too many half-open IKE SAs",
				KV_S("peer", addr_format(in->remote, who, sizeof(who))),
				KV_U("from_there", from), KV_U("half_open", ike->half_open));
		return true;
	}
	return false;
}

static void answer(struct sa *sa, struct incoming *in, const struct ke *ke, bool lie)
{
	struct sa_list list;
	struct wire_out o;

	prop_answer(&sa->r.suite, view(NULL, 0), &list);
	xchg_answer(sa, &o, in);
	wire_put_sa(&o, &list);
	wire_put_ke(&o, ke->group, view(ke->pub, ke->pub_len));
	wire_put_nonce(&o, view(sa->r.nonce_r, sa->r.nonce_r_len));
	nat_put(&o, sa->r.spi_i, sa->r.spi_r, in->local, in->remote, lie);
	if (sa->r.fragments)
		wire_put_status(&o, NOTIFY_IKEV2_FRAGMENTATION_SUPPORTED, NULL, 0);
	if (xchg_answer_end(sa, &o, in))
		sa_kill(sa);
}

static void open_half(struct ike *ike, struct incoming *in, struct peer *p,
		      const struct chosen *chosen, struct view nonce, struct view pub)
{
	struct sa *sa = sa_new(ike, false);
	struct ke ke = { 0 };

	if (!sa)
		return;
	sa->r.spi_i = in->m.hdr.spi_i;
	sa->r.local = *in->local;
	sa->r.remote = *in->remote;
	sa->r.marker = in->marker;
	sa->r.suite = *chosen;
	memcpy(sa->r.nonce_i, nonce.data, nonce.len);
	sa->r.nonce_i_len = (uint16_t)nonce.len;
	crypto_random(sa->r.nonce_r, IKE_NONCE);
	sa->r.nonce_r_len = IKE_NONCE;
	if (ke_generate(&ke, chosen->ke.id) || derive(sa, &ke, pub)) {
		char who[ADDR_TEXT_MAX];

		log_ratelimited(LOG_NOTICE, "bad key exchange value",
				KV_S("peer", addr_format(in->remote, who, sizeof(who))));
		ke_clear(&ke);
		explicit_bzero(sa, sizeof(*sa));
		free(sa);
		return;
	}
	sa->r.fragments = p->t.fragment_size && fragments_offered(&in->m);
	nat_judge(sa, &in->m, in->local, in->remote);
	memcpy(sa->r.req_msg, in->m.raw.data, in->m.raw.len);
	sa->r.init_len = (uint32_t)in->m.raw.len;
	sa_link(sa);
	sa_state(sa, SA_INIT_DONE);
	sa->r.expire_at = ike_now(ike) + ike->times.half_open_ms;
	answer(sa, in, &ke, p->t.force_encap);
	ke_clear(&ke);
	if (!sa->dead)
		window_run(sa);
}

void init_request(struct ike *ike, struct incoming *in)
{
	struct sa *again = half_open_twin(ike, in);
	struct sa_list theirs;
	struct chosen chosen;
	uint8_t group[2];
	uint16_t notify;
	struct view nonce;
	struct ke_pl ke;
	struct peer *p;

	if (again && !memcmp(again->r.resp.hash, in->hash, sizeof(in->hash))) {
		window_repeat(again, in);
		return;
	}
	if (!(in->m.hdr.flags & IKE_FLAG_INITIATOR) || in->m.hdr.id || !in->m.hdr.spi_i ||
	    in->m.sk_type || in->m.raw.len > RECORD_MSG ||
	    !xchg_find(&in->m, SA_FREE, TASK_NONE, &notify) ||
	    wire_get_sa(msg_find(&in->m, PAYLOAD_SA, 0)->body, &theirs) ||
	    wire_get_ke(msg_find(&in->m, PAYLOAD_KE, 0)->body, &ke) ||
	    wire_get_nonce(msg_find(&in->m, PAYLOAD_NONCE, 0)->body, &nonce)) {
		ike->n.malformed++;
		return;
	}
	if (ike->stopping || turn_away(ike, in))
		return;
	p = agree(ike, in, &theirs, ke.group, &chosen);
	if (!p) {
		xchg_bare(ike, in, NOTIFY_NO_PROPOSAL_CHOSEN, NULL, 0);
		return;
	}
	if (chosen.ke.id != ke.group) {
		group[0] = (uint8_t)(chosen.ke.id >> 8);
		group[1] = (uint8_t)chosen.ke.id;
		xchg_bare(ike, in, NOTIFY_INVALID_KE_PAYLOAD, group, sizeof(group));
		return;
	}
	open_half(ike, in, p, &chosen, nonce, ke.data);
}
