// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * IKE_AUTH with pre-shared keys (RFC 7296 1.2, 2.15). The key itself is the
 * keeper's: what is signed goes through the door, a MAC or a verdict comes back.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "addr.h"
#include "id.h"
#include "log.h"
#include "mismatch.h"
#include "nat.h"
#include "ts.h"
#include "xchg.h"

struct ident auth_local_id(const struct sa *sa, const struct peer *p)
{
	return p->t.local_id.type ? p->t.local_id : id_from_addr(&sa->r.local);
}

/* Message | the other side's nonce | prf(SK_p, ID'): what that side signs. */
static size_t octets(const struct sa *sa, bool of_initiator, const uint8_t *init, size_t init_len,
		     const struct ident *id, uint8_t out[DOOR_OCTETS_MAX])
{
	struct wr w = wr_init(out, DOOR_OCTETS_MAX);
	uint8_t mac[HASH_MAX];

	wr_bytes(&w, init, init_len);
	if (of_initiator)
		wr_bytes(&w, sa->r.nonce_r, sa->r.nonce_r_len);
	else
		wr_bytes(&w, sa->r.nonce_i, sa->r.nonce_i_len);
	if (kdf_mac_id(&sa->r.keys, of_initiator, id, mac))
		return 0;
	wr_bytes(&w, mac, kdf_prf_len(sa->r.keys.prf));
	return w.err ? 0 : w.len;
}

static int own_mac(struct sa *sa, const struct peer *p, uint32_t key, const uint8_t *init,
		   size_t init_len, const struct ident *id, struct door_mac *mac)
{
	uint8_t buf[DOOR_OCTETS_MAX];
	size_t len = octets(sa, sa->r.initiator, init, init_len, id, buf);
	int err = -EINVAL;

	if (len)
		err = sa->ike->ops->auth_mac(sa->ike->ctx, p->t.id, key, sa->r.keys.prf, buf, len,
					      mac);
	if (!err && mac->len > sizeof(mac->mac))
		err = -EPROTO;
	if (err)
		log_err("no MAC from the keeper", KV_S("tunnel", p->t.name), KV_ERR("error", err));
	return err;
}

/*
 * The peer's INIT message lies in the buffer that this side did not need until now. key: which of
 * the tunnel's secrets the peer has.
 */
static int verify(struct sa *sa, const struct peer *p, const struct ident *id,
		  const struct auth_pl *auth, uint32_t *key)
{
	const uint8_t *init = sa->r.initiator ? sa->r.resp_msg : sa->r.req_msg;
	uint8_t buf[DOOR_OCTETS_MAX];
	size_t len = octets(sa, !sa->r.initiator, init, sa->r.init_len, id, buf);

	if (auth->method != AUTH_METHOD_PSK || auth->data.len > 64 || !len)
		return -EACCES;
	return sa->ike->ops->auth_verify(sa->ike->ctx, p->t.id, sa->r.keys.prf, buf, len,
					 auth->data.data, auth->data.len, key);
}

static bool exact(const struct ident *id)
{
	return id->type && !(id->len && id->data[0] == '*');
}

/*
 * INITIAL_CONTACT always loses about a round trip, as peers take the old SAs
 * down before the new ones are there. So it is said only to a peer that has
 * refused us, maybe for the sake of an IKE SA that we have lost, and when there
 * is next to nothing left of that one.
 */
static bool says_contact(struct peer *p)
{
	if (!p->refused || peer_main(p) || ike_now(p->ike) < p->contact_at)
		return false;
	log_notice("INITIAL_CONTACT: the peer gives up what it has of us",
		   KV_S("tunnel", p->t.name), KV_S("loses", p->lost.tunnel ?
		   "what is under way until the new SAs are there" : "nothing"));
	return true;
}

int auth_start(struct sa *sa)
{
	struct peer *p = sa->peer;
	struct ident id = auth_local_id(sa, p);
	struct ends want;
	struct door_mac mac;
	struct sa_list offer;
	struct wire_out o;
	uint8_t spi[4];
	uint32_t spi_in;
	struct wr w = wr_init(spi, sizeof(spi));
	int err;

	err = own_mac(sa, p, p->key, sa->r.req_msg, sa->r.req.len, &id, &mac);
	if (err)
		return err;
	err = sa->ike->ops->spi_alloc(sa->ike->ctx, p->t.id, &spi_in);
	if (err) {
		log_err("no SPI from the kernel", KV_S("tunnel", p->t.name), KV_ERR("error", err));
		return err;
	}
	window_done(sa);
	sa->r.req.spi = spi_in;
	wr_u32(&w, spi_in);
	prop_offer(p->t.esp, p->t.n_esp, view(spi, 4),
		   PROP_NO_KE | (p->t.esn_only ? PROP_ESN_ONLY : 0), &offer);
	sa_state(sa, SA_AUTH_SENT);
	xchg_request(sa, &o, EXCHANGE_IKE_AUTH);
	wire_put_id(&o, PAYLOAD_IDi, &id);
	if (exact(&p->t.remote_id))
		wire_put_id(&o, PAYLOAD_IDr, &p->t.remote_id);
	if (says_contact(p))
		wire_put_status(&o, NOTIFY_INITIAL_CONTACT, NULL, 0);
	wire_put_auth(&o, AUTH_METHOD_PSK, view(mac.mac, mac.len));
	wire_put_sa(&o, &offer);
	ends_wanted(&p->t, 0, &want);
	wire_put_ts(&o, PAYLOAD_TSi, want.local, want.n_local);
	wire_put_ts(&o, PAYLOAD_TSr, want.remote, want.n_remote);
	return xchg_request_end(sa, &o, TASK_AUTH);
}

/* --- responder --- */

static bool suite_allowed(const struct sa *sa, const struct peer *p)
{
	struct chosen again;
	struct sa_list list;

	prop_answer(&sa->r.suite, view(NULL, 0), &list);
	return !prop_select(p->t.ike, p->t.n_ike, &list, 0, 0, &again);
}

/*
 * Whose secret is it? Looked for by both identities, then by the peer's alone, in each case an
 * exact one before a pattern before any. 0: not this tunnel's.
 */
static unsigned int claim(struct sa *sa, const struct peer *p, const struct ident *id,
			  const struct ident *asked)
{
	struct ident local = auth_local_id(sa, p);
	unsigned int n = 1;

	if (p->t.down || !id_match(&p->t.remote_id, id) || !suite_allowed(sa, p))
		return 0;
	if (!asked || id_equal(&local, asked))
		n += 4;
	if (id_equal(&p->t.remote_id, id))
		n += 2;
	else if (p->t.remote_id.type)
		n += 1;
	return n;
}

/* Of equals the one whose address is named comes first. nearest is for the log if nothing fits. */
static struct peer *who_is_it(struct sa *sa, const struct incoming *in, const struct ident *id,
			      const struct ident *asked, struct peer **nearest)
{
	struct peer *p = NULL, *best = NULL;
	unsigned int most = 0, n;

	*nearest = NULL;
	while ((p = peer_by_addr(sa->ike, in->local, in->remote, p))) {
		if (!p->t.down && (!*nearest || (id_match(&p->t.remote_id, id) &&
						 !id_match(&(*nearest)->t.remote_id, id))))
			*nearest = p;
		n = claim(sa, p, id, asked);
		if (n <= most)
			continue;
		most = n;
		best = p;
	}
	return best;
}

static void refuse_auth(struct sa *sa, struct incoming *in, struct peer *p, const char *why)
{
	sa->ike->n.auth_failed++;
	if (p && !peer_main(p))
		peer_note(p, why);
	xchg_refuse(sa, in, NOTIFY_AUTHENTICATION_FAILED, NULL, 0);
	sa_fade(sa);
}

static const char *method_fault(const struct auth_pl *auth)
{
	return auth->method == AUTH_METHOD_PSK ? "the secrets differ" :
						 "the peer does not use a pre-shared key";
}

void auth_request_eap(struct sa *sa, struct incoming *in)
{
	struct ident id;

	if (!wire_get_id(msg_find(&in->m, PAYLOAD_IDi, 0)->body, &id))
		mismatch_identities(NULL, in->remote, "the peer wants EAP, which is not offered here",
				    &id, NULL, NULL);
	refuse_auth(sa, in, NULL, NULL);
}

/* The initial exchange is over: what only it needed goes, the clocks start. */
void sa_established(struct sa *sa)
{
	const struct tunnel *t = &sa->peer->t;
	struct ike *ike = sa->ike;
	uint64_t now = ike_now(ike), life = t->ike_seconds * 1000ull;
	char name[64], who[ADDR_TEXT_MAX];

	sa_state(sa, SA_UP);
	sa->r.init_len = 0;
	secret_wipe_object(sa->r.nonce_i);
	secret_wipe_object(sa->r.nonce_r);
	sa->r.expire_at = 0;
	sa->r.made = now;
	sa->r.heard = now;
	sa->r.hard_at = now + life;
	sa->r.rekey_at = now + ike_jitter(life * (sa->r.initiator ? 80 : 85) / 100);
	sa->r.reauth_at = t->reauth_seconds ? now + ike_jitter(t->reauth_seconds * 900ull) : 0;
	sa->r.dpd_at = t->dpd_seconds ? now + t->dpd_seconds * 1000ull : 0;
	sa->r.unique = ike->store ? store_unique(ike->store) : ++ike->unique;
	ike->n.ike_up++;
	log_info("IKE SA established", KV_S("tunnel", t->name), KV_U("unique", sa->r.unique),
		 KV_S("peer", addr_format(&sa->r.remote, who, sizeof(who))),
		 KV_S("suite", prop_chosen_format(&sa->r.suite, name, sizeof(name))),
		 KV_S("role", sa->r.initiator ? "initiator" : "responder"),
		 KV_X("spi", sa_spi(sa)), KV_S("encap", sa->r.encap ? "udp" : "none"));
}

static void answer_auth(struct sa *sa, struct incoming *in, const struct ident *id,
			const struct door_mac *mac)
{
	struct child_terms terms = { 0 };
	struct wire_out o;
	uint16_t no = child_choose(sa, in, PROP_NO_KE, &terms);
	struct child_deal deal = {
		.chosen = &terms.chosen, .initiator = false,
		.ni = view(sa->r.nonce_i, sa->r.nonce_i_len),
		.nr = view(sa->r.nonce_r, sa->r.nonce_r_len),
	};

	if (!no)
		no = child_take(sa, &terms);
	if (!no && child_install(sa, terms.c, &deal)) {
		child_free(sa, terms.c);
		no = NOTIFY_TEMPORARY_FAILURE;
	}
	sa_established(sa);
	/* Before the answer: whoever hears it sends at once, and wants to be answered. */
	if (!no && !sa->peer->current[terms.c->pair])
		child_use(sa, terms.c);
	xchg_answer(sa, &o, in);
	wire_put_id(&o, PAYLOAD_IDr, id);
	wire_put_auth(&o, AUTH_METHOD_PSK, view(mac->mac, mac->len));
	if (no)
		wire_put_status(&o, no, NULL, 0);
	else
		child_put(&o, &terms, NULL, NULL);
	xchg_answer_end(sa, &o, in);
	if (no && !sa->dead)
		child_missing(sa, 0, "what the peer proposes for the child SA does not fit");
	if (!sa->dead)
		child_want_rest(sa);
}

/* Who comes from where the IKE SA's other end is has lost it; anybody else may be a second one. */
static bool kept_out(struct peer *p, const struct incoming *in)
{
	const struct sa *old = peer_main(p);
	struct notify n;

	return p->t.unique == UNIQUE_KEEP && old && !addr_equal(&old->r.remote, in->remote) &&
	       !msg_notify(&in->m, NOTIFY_INITIAL_CONTACT, &n);
}

void auth_request(struct sa *sa, struct incoming *in)
{
	const struct payload *idr = msg_find(&in->m, PAYLOAD_IDr, 0);
	struct ident id, asked, local, *want = idr ? &asked : NULL;
	struct peer *p, *nearest;
	struct door_mac mac;
	struct auth_pl auth;
	struct notify n;
	uint32_t key;

	if (wire_get_id(msg_find(&in->m, PAYLOAD_IDi, 0)->body, &id) ||
	    wire_get_auth(msg_find(&in->m, PAYLOAD_AUTH, 0)->body, &auth) ||
	    (idr && wire_get_id(idr->body, &asked))) {
		xchg_refuse(sa, in, NOTIFY_INVALID_SYNTAX, NULL, 0);
		sa_fade(sa);
		return;
	}
	p = who_is_it(sa, in, &id, want, &nearest);
	if (nearest)
		local = auth_local_id(sa, p ? p : nearest);
	if (!p) {
		mismatch_identities(nearest, in->remote, "no tunnel has these identities", &id,
				    nearest ? &local : NULL, want);
		refuse_auth(sa, in, nearest,
			    "the peer's identity or the one it asks for does not fit");
		return;
	}
	if (verify(sa, p, &id, &auth, &key)) {
		mismatch_identities(p, in->remote, method_fault(&auth), &id, &local, want);
		refuse_auth(sa, in, p, "the peer's pre-shared key is another one");
		return;
	}
	/* The peer decides what it thinks of our answer (RFC 7296 3.5). */
	if (want && !id_equal(&local, want))
		mismatch_identities(p, in->remote, "the peer takes us for somebody else", &id,
				    &local, want);
	if (kept_out(p, in)) {
		mismatch_identities(p, in->remote, "another IKE SA is up, and unique = keep", &id,
				    &local, want);
		refuse_auth(sa, in, p, NULL);
		return;
	}
	if (own_mac(sa, p, key, sa->r.resp_msg, sa->r.resp.len, &local, &mac)) {
		refuse_auth(sa, in, p, "the keeper gave no MAC");
		return;
	}
	sa->r.local = *in->local;
	sa->r.remote = *in->remote;
	sa->r.marker = in->marker;
	sa->r.encap = sa->r.natt && (sa->r.nat_local || sa->r.nat_remote || p->t.force_encap);
	sa->r.peer_id = id;
	sa_bind(sa, p);
	peer_trim(p);
	answer_auth(sa, in, &local, &mac);
	if (!sa->dead)
		peer_resolve(p, sa, msg_notify(&in->m, NOTIFY_INITIAL_CONTACT, &n));
}

/* --- initiator --- */

/* The peer has an IKE SA by now, and is told of its end (RFC 7296 1.4.1). */
static void leave(struct sa *sa)
{
	window_done(sa);
	sa_state(sa, SA_CLOSING);
	sa_store(sa);
}

/* We do not believe the peer, but the peer believes us: tell it (RFC 7296 2.21.2). */
static void reject(struct sa *sa, const char *why)
{
	sa->ike->n.auth_failed++;
	sa->r.auth_failed = true;
	leave(sa);
	if (!sa->r.abandoned)
		peer_failed(sa->peer, why);
}

static bool believe(struct sa *sa, struct incoming *in)
{
	struct peer *p = sa->peer;
	struct ident id, local = auth_local_id(sa, p);
	struct auth_pl auth;
	uint32_t key;

	if (wire_get_id(msg_find(&in->m, PAYLOAD_IDr, 0)->body, &id) ||
	    wire_get_auth(msg_find(&in->m, PAYLOAD_AUTH, 0)->body, &auth)) {
		reject(sa, "the peer's IKE_AUTH answer was malformed");
		return false;
	}
	if (!id_match(&p->t.remote_id, &id)) {
		mismatch_identities(p, in->remote, "the peer is another one than configured", &id,
				    &local, NULL);
		reject(sa, "the peer's identity does not fit");
		return false;
	}
	if (verify(sa, p, &id, &auth, &key)) {
		mismatch_identities(p, in->remote, method_fault(&auth), &id, &local, NULL);
		reject(sa, "the peer's pre-shared key is another one");
		return false;
	}
	sa->r.peer_id = id;
	return true;
}

/* The peer is who it should be, and the IKE SA is still wanted. */
static bool goes_on(struct sa *sa, struct incoming *in)
{
	if (!believe(sa, in))
		return false;
	if (sa->r.abandoned)
		leave(sa);
	return !sa->r.abandoned;
}

void auth_response(struct sa *sa, struct incoming *in)
{
	struct child_deal deal = { .initiator = true };
	struct ike_child *c;
	struct chosen chosen;

	if (!goes_on(sa, in))
		return;
	deal.chosen = &chosen;
	deal.ni = view(sa->r.nonce_i, sa->r.nonce_i_len);
	deal.nr = view(sa->r.nonce_r, sa->r.nonce_r_len);
	c = child_accept(sa, in, sa->r.req.spi, PROP_NO_KE, &chosen);
	if (c && child_install(sa, c, &deal)) {
		/* The peer has it: say that we have not. */
		child_retire(sa, c, 0);
		c = NULL;
	}
	sa_established(sa);
	window_done(sa);
	if (c)
		child_use(sa, c);
	else
		child_missing(sa, 0, "the peer's answer for the child SA does not fit");
	child_want_rest(sa);
	sa_store(sa);
	peer_resolve(sa->peer, sa, false);
}

void auth_response_childless(struct sa *sa, struct incoming *in)
{
	char why[DOOR_TEXT_MAX];
	struct notify n = { 0 };
	struct ends want;

	if (!goes_on(sa, in))
		return;
	sa_established(sa);
	window_done(sa);
	if (!msg_error(&in->m, &n))
		n.type = 0;
	ends_wanted(&sa->peer->t, 0, &want);
	mismatch_refused(sa->peer, in->remote, "child SA", &want, &n, KE_NONE, why);
	child_missing(sa, 0, why);
	child_want_rest(sa);
	sa_store(sa);
	peer_resolve(sa->peer, sa, false);
}

void auth_refused(struct sa *sa, struct incoming *in)
{
	struct peer *p = sa->peer;
	struct ident local = auth_local_id(sa, p);
	char why[DOOR_TEXT_MAX];
	struct notify n = { 0 };
	struct ends want;

	if (!msg_error(&in->m, &n))
		n.type = 0;
	p->refused = n.type == NOTIFY_AUTHENTICATION_FAILED;
	if (!p->refused) {
		ends_wanted(&p->t, 0, &want);
		mismatch_refused(p, in->remote, task_name(TASK_AUTH), &want, &n, KE_NONE, why);
		sa_fail(sa, why);
		return;
	}
	/* Of two secrets the peer may have the other one only. */
	p->key++;
	mismatch_identities(p, in->remote, "the peer does not accept our identity or secret", NULL,
			    &local, exact(&p->t.remote_id) ? &p->t.remote_id : NULL);
	sa_fail(sa, "the peer refuses IKE_AUTH: AUTHENTICATION_FAILED");
}
