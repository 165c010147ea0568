// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <linux/ipsecvti.h>

#include "child.h"
#include "log.h"
#include "nat.h"
#include "peer.h"
#include "ts.h"
#include "xchg.h"

#define AGAIN_MS	200	/* the kernel may have memory then */
#define PFS_CHECK_MS	10000
#define BACKSTOP_MS	30000	/* an old child whose DELETE the peer owes us goes then by ours */

static int vacant(const struct sa *sa, int *first)
{
	int n = sa->peer->t.per_pair ? IKE_CHILDREN : IKE_CHILDREN_ONE, left = 0;

	for (int i = n - 1; i >= 0; i--) {
		if (sa->r.child[i].state != CHILD_FREE)
			continue;
		*first = i;
		left++;
	}
	return left;
}

bool child_room(const struct sa *sa)
{
	int first;

	return vacant(sa, &first) > 0;
}

struct ike_child *child_slot(struct sa *sa, bool own)
{
	enum task task = sa->r.req.task;
	bool kept = !own && (task == TASK_CHILD_NEW || task == TASK_CHILD_REKEY);
	struct ike_child *c;
	int first;

	if (vacant(sa, &first) <= kept)
		return NULL;
	c = &sa->r.child[first];
	child_free(sa, c);
	c->id = ++sa->peer->last_child;
	c->made = ike_now(sa->ike);
	return c;
}

struct ike_child *child_by_id(struct sa *sa, uint32_t id)
{
	for (int i = 0; i < IKE_CHILDREN; i++)
		if (sa->r.child[i].state != CHILD_FREE && sa->r.child[i].id == id)
			return &sa->r.child[i];
	return NULL;
}

struct ike_child *child_by_out(struct sa *sa, uint32_t spi_out)
{
	for (int i = 0; i < IKE_CHILDREN; i++)
		if (sa->r.child[i].state != CHILD_FREE && sa->r.child[i].spi_out == spi_out)
			return &sa->r.child[i];
	return NULL;
}

struct ike_child *child_current(struct sa *sa, unsigned int pair)
{
	struct ike_child *best = NULL;

	for (int i = 0; i < IKE_CHILDREN; i++) {
		struct ike_child *c = &sa->r.child[i];

		if (c->pair != pair)
			continue;
		if (c->state == CHILD_CURRENT)
			return c;
		if (c->state == CHILD_READY && (!best || c->id > best->id))
			best = c;
	}
	return best;
}

struct ike_child *child_any(struct sa *sa)
{
	struct ike_child *c = NULL;

	for (unsigned int k = 0; k < TUNNEL_PAIRS && !c; k++)
		c = child_current(sa, k);
	return c;
}

void child_free(struct sa *sa, struct ike_child *c)
{
	ends_drop(sa, c);
	memset(c, 0, sizeof(*c));
}

bool child_sending(const struct peer *p)
{
	for (unsigned int k = 0; k < TUNNEL_PAIRS; k++)
		if (p->current[k])
			return true;
	return false;
}

bool child_carries(struct peer *p, struct sa *sa)
{
	for (unsigned int k = 0; k < TUNNEL_PAIRS; k++)
		if (p->current[k] && child_by_id(sa, p->current[k]))
			return true;
	return false;
}

struct ike_child *child_sent(struct peer *p, unsigned int pair, struct sa **owner)
{
	struct ike_child *c;

	for (struct sa *sa = p->sas; p->current[pair] && sa; sa = sa->peer_next) {
		c = child_by_id(sa, p->current[pair]);
		if (!c)
			continue;
		*owner = sa;
		return c;
	}
	return NULL;
}

/* All pairs in one step. */
static void out_set(struct peer *p)
{
	struct door_out_set set = { .tunnel = p->t.id };
	struct sa *owner;
	int err;

	for (unsigned int k = 0; k < TUNNEL_PAIRS; k++) {
		const struct ike_child *c = child_sent(p, k, &owner);

		/* An old one may have left the kernel, which then takes none of the others. */
		if (!c || c->state == CHILD_OLD)
			continue;
		set.sa[set.n].child_id = c->id;
		set.sa[set.n++].sa_id = c->sa_out;
	}
	err = p->ike->ops->out_set(p->ike->ctx, &set);
	p->out_again = err;
	if (!err)
		return;
	log_err("kernel refused the outbound set", KV_S("tunnel", p->t.name),
		KV_ERR("error", err));
	peer_wake(p, ike_now(p->ike) + AGAIN_MS);
}

/* Out of the kernel; if it cannot just now, later. */
static void forget(struct peer *p, uint32_t sa_id)
{
	int err = p->ike->ops->sa_del(p->ike->ctx, p->t.id, sa_id);

	if (!err || err == -ENOENT || err == -ENODEV || p->n_doomed == PEER_DOOMED)
		return;
	p->doomed[p->n_doomed++] = sa_id;
	peer_wake(p, ike_now(p->ike) + AGAIN_MS);
}

/*
 * An SA that a process before this one made from the very same answer: it stays
 * as it is, child-id and all, because an outbound one made anew would count from
 * 1 again under the same key.
 */
static int find_installed(struct sa *sa, struct door_sa_new *new, uint32_t *sa_id)
{
	struct door_sa_list list;

	if (sa->ike->ops->sa_list(sa->ike->ctx, sa->r.tunnel, &list))
		return -EEXIST;
	for (uint32_t i = 0; i < list.n && i < DOOR_SAS_MAX; i++) {
		if (list.sa[i].dir != new->dir || list.sa[i].spi != new->spi ||
		    memcmp(list.sa[i].cookie, new->cookie, sizeof(new->cookie)))
			continue;
		*sa_id = list.sa[i].sa_id;
		new->child_id = list.sa[i].child_id;
		return 0;
	}
	return -ENOENT;
}

static int install_one(struct sa *sa, struct door_sa_new *new, const uint8_t *key, uint32_t *sa_id)
{
	int err;

	memcpy(new->key, key, new->key_len);
	err = sa->ike->ops->sa_new(sa->ike->ctx, new, sa_id);
	secret_wipe(new->key, sizeof(new->key));
	return err;
}

/*
 * The inbound SA is the first, and no two of these have the same SPI; outbound
 * ones may, so the kernel does not say when one is there.
 */
static int install_both(struct sa *sa, struct ike_child *c, struct door_sa_new *new,
			const uint8_t *key_in, const uint8_t *key_out)
{
	bool again = false;
	int err;

	new->dir = IPSECVTI_DIR_IN;
	new->spi = c->spi_in;
	err = install_one(sa, new, key_in, &c->sa_in);
	if (err == -EEXIST) {
		again = true;
		err = find_installed(sa, new, &c->sa_in);
	}
	if (err)
		return err;
	new->dir = IPSECVTI_DIR_OUT;
	new->spi = c->spi_out;
	err = again ? find_installed(sa, new, &c->sa_out) : -ENOENT;
	if (err == -ENOENT)
		err = install_one(sa, new, key_out, &c->sa_out);
	if (err) {
		forget(sa->peer, c->sa_in);
		c->sa_in = 0;
	}
	return err;
}

static void limits(struct sa *sa, struct ike_child *c, struct door_sa_new *new)
{
	const struct tunnel *t = &sa->peer->t;
	uint64_t hard = t->child_seconds, soft;

	/*
	 * The initiator of the exchange comes first by a twentieth, so that
	 * both ends rekeying at once is the exception.
	 */
	soft = ike_jitter(hard * 1000 * (c->initiator ? 80 : 85) / 100);
	c->rekey_at = c->made + soft;
	/* The one of IKE_AUTH has no group of its own: only a rekey tells whether ours will do. */
	if (t->pfs_check && sa->r.state != SA_UP)
		c->rekey_at = c->made + ike_jitter(c->initiator ? PFS_CHECK_MS : 2 * PFS_CHECK_MS);
	c->hard_at = c->made + hard * 1000;
	new->soft_seconds = (uint32_t)(soft / 1000);
	new->hard_seconds = (uint32_t)hard;
	new->soft_bytes = ike_jitter(t->child_bytes / 100 * 85);
	new->hard_bytes = t->child_bytes;
	new->soft_packets = ike_jitter(t->child_packets / 100 * 85);
	new->hard_packets = t->child_packets;
}

/* None for a child that takes everything: the kernel then has nothing to compare. */
static void selectors(const struct sa *sa, const struct ike_child *c, struct door_sa_new *new)
{
	struct ends e;

	ends_get(sa, c, &e);
	if (ts_everything(e.local, e.n_local) && ts_everything(e.remote, e.n_remote))
		return;
	ts_pack(&new->local_ts, e.local, e.n_local);
	ts_pack(&new->remote_ts, e.remote, e.n_remote);
}

int child_install(struct sa *sa, struct ike_child *c, const struct child_deal *deal)
{
	struct door_sa_new new = {
		.tunnel = sa->r.tunnel,
		.suite = (uint32_t)suite_kernel(&deal->chosen->encr, &deal->chosen->integ),
		.child_id = c->id,
		.window = sa->peer->t.window,
		.esn = deal->chosen->esn.id == ESN_YES,
	};
	struct view gir = deal->gir ? view(deal->gir->data, deal->gir->len) : view(NULL, 0);
	char name[64], spi_in[16], spi_out[16];
	struct child_keys keys;
	int err;

	c->encr = deal->chosen->encr;
	c->integ = deal->chosen->integ;
	c->esn = new.esn;
	c->ke = deal->gir ? deal->chosen->ke.id : KE_NONE;
	c->initiator = deal->initiator;
	limits(sa, c, &new);
	selectors(sa, c, &new);
	memcpy(new.cookie, &sa->r.spi_i, 8);
	memcpy(new.cookie + 8, &sa->r.spi_r, 8);

	/* The kernel takes no SA for a device that does not know its peer; it may be a new one. */
	if (!child_sending(sa->peer))
		nat_endpoint(sa);
	err = kdf_child(&sa->r.keys, deal->chosen, gir, deal->ni, deal->nr, &keys);
	if (!err && (!new.suite || keys.len > DOOR_KEY_MAX))
		err = -EINVAL;
	if (err)
		goto out;
	new.key_len = keys.len;
	err = install_both(sa, c, &new, deal->initiator ? keys.r : keys.i,
			   deal->initiator ? keys.i : keys.r);
	if (err)
		goto out;
	c->state = CHILD_READY;
	c->id = new.child_id;
	snprintf(spi_in, sizeof(spi_in), "%08x", c->spi_in);
	snprintf(spi_out, sizeof(spi_out), "%08x", c->spi_out);
	if (!deal->gir && sa->r.state == SA_UP && prop_guess_ke(sa->peer->t.esp, sa->peer->t.n_esp))
		log_notice("child SA without the secrecy of its own that is configured",
			   KV_S("tunnel", sa->peer->t.name), KV_U("child", c->id));
	log_info("child SA installed", KV_S("tunnel", sa->peer->t.name), KV_U("child", c->id),
		 KV_S("suite", prop_chosen_format(deal->chosen, name, sizeof(name))),
		 KV_S("in", spi_in), KV_S("out", spi_out),
		 KV_S("role", deal->initiator ? "initiator" : "responder"),
		 KV_U("replaces", c->replaces));
out:
	secret_wipe_object(keys);
	if (err)
		log_err("kernel refused a child SA", KV_S("tunnel", sa->peer->t.name),
			KV_ERR("error", err));
	return err;
}

void child_kernel_again(struct peer *p)
{
	unsigned int n = p->n_doomed;
	uint32_t ids[PEER_DOOMED];

	if (p->out_again)
		out_set(p);
	memcpy(ids, p->doomed, sizeof(ids));
	p->n_doomed = 0;
	for (unsigned int i = 0; i < n; i++)
		forget(p, ids[i]);
}

/* What was sent through for this pair so far is another IKE SA's, or old. */
static void relieve(struct sa *sa, struct ike_child *c)
{
	uint64_t now = ike_now(sa->ike);

	for (struct sa *s = sa->peer->sas; s; s = s->peer_next) {
		for (int i = 0; i < IKE_CHILDREN; i++) {
			struct ike_child *k = &s->r.child[i];

			if (k == c || k->state != CHILD_CURRENT || k->pair != c->pair)
				continue;
			k->state = CHILD_READY;
			if (s != sa)
				continue;
			k->state = CHILD_OLD;
			k->delete_at = now + (c->initiator ? sa->ike->times.linger_ms :
					      BACKSTOP_MS);
		}
	}
}

void child_use(struct sa *sa, struct ike_child *c)
{
	struct peer *p = sa->peer;

	nat_endpoint(sa);
	p->current[c->pair] = c->id;
	out_set(p);
	relieve(sa, c);
	c->state = CHILD_CURRENT;
	c->switch_at = 0;
	sa->r.want_at[c->pair] = 0;
	sa->queued = true;
	log_info("sending through child SA", KV_S("tunnel", p->t.name), KV_U("child", c->id),
		 KV_U("pair", c->pair));
	peer_carries(p, sa);
}

void child_retire(struct sa *sa, struct ike_child *c, uint64_t ms)
{
	c->state = CHILD_OLD;
	c->switch_at = 0;
	c->delete_at = ike_now(sa->ike) + ms;
	sa->queued = true;
}

void child_first_auth(struct sa *sa, struct ike_child *c)
{
	/* A superseded SA is not taken up again: the peer may send through it, we need not. */
	if (c->state != CHILD_READY || sa->r.state != SA_UP || sa->r.superseded)
		return;
	child_use(sa, c);
	sa_store(sa);
}

/* What a pair can still send through: the successor first, then the newest. */
static struct ike_child *fallback(struct peer *p, const struct ike_child *gone, struct sa **owner)
{
	struct ike_child *best = NULL;

	for (struct sa *s = p->sas; s; s = s->peer_next) {
		for (int i = 0; i < IKE_CHILDREN; i++) {
			struct ike_child *k = &s->r.child[i];

			if (k->state != CHILD_READY || !k->sa_out || s->r.state != SA_UP ||
			    k->pair != gone->pair)
				continue;
			if (best && best->replaces == gone->id)
				continue;
			if (!best || k->replaces == gone->id || k->id > best->id) {
				best = k;
				*owner = s;
			}
		}
	}
	return best;
}

static void linger(struct sa *sa, uint32_t sa_id)
{
	struct ike_linger *at = NULL, *first = &sa->r.linger[0];

	for (int i = 0; i < IKE_LINGER; i++) {
		if (!sa->r.linger[i].sa_id)
			at = &sa->r.linger[i];
		if (sa->r.linger[i].until < first->until)
			first = &sa->r.linger[i];
	}
	if (!at) {
		forget(sa->peer, first->sa_id);
		at = first;
	}
	at->sa_id = sa_id;
	at->until = ike_now(sa->ike) + sa->ike->times.linger_ms;
	sa->queued = true;
}

/* To the heir's care, or away. */
static void inbound_gone(struct sa *sa, uint32_t sa_id, struct sa *heir)
{
	if (heir)
		linger(heir, sa_id);
	else
		forget(sa->peer, sa_id);
}

static void drop(struct sa *sa, struct ike_child *c, struct sa *heir)
{
	struct ike_child gone = *c;
	struct peer *p = sa->peer;
	struct sa *owner = sa;
	struct ike_child *next;

	child_free(sa, c);
	/* A successor that never carried anything: its elder is ours to rekey again. */
	c = child_by_id(sa, gone.replaces);
	if (gone.state == CHILD_READY && c && c->state == CHILD_CURRENT && !c->rekey_at)
		c->rekey_at = ike_now(sa->ike) + ike_jitter(10 * sa->ike->times.busy_ms);
	if (p->current[gone.pair] == gone.id) {
		next = fallback(p, &gone, &owner);
		p->current[gone.pair] = 0;
		if (next)
			child_use(owner, next);
		else
			out_set(p);
	}
	if (gone.sa_out)
		forget(p, gone.sa_out);
	if (gone.sa_in)
		inbound_gone(sa, gone.sa_in, heir);
	log_info("child SA gone", KV_S("tunnel", p->t.name), KV_U("child", gone.id));
}

void child_drop(struct sa *sa, struct ike_child *c)
{
	drop(sa, c, sa);
}

/* Who looks after what an IKE SA leaves behind: the one that carries the tunnel on. */
static struct sa *heir_of(const struct sa *sa)
{
	struct sa *heir = peer_main(sa->peer);

	if (heir != sa)
		return heir;
	heir = NULL;
	for (struct sa *o = sa->peer->sas; o; o = o->peer_next)
		if (o != sa && o->r.state == SA_UP && (!heir || o->r.unique > heir->r.unique))
			heir = o;
	return heir;
}

void child_drop_all(struct sa *sa)
{
	struct sa *heir;

	if (!sa->peer)
		return;
	/* What the peer sent before it switched may still be on its way. */
	heir = heir_of(sa);
	for (int i = 0; i < IKE_CHILDREN; i++)
		if (sa->r.child[i].state != CHILD_FREE)
			drop(sa, &sa->r.child[i], heir);
	for (int i = 0; i < IKE_LINGER; i++) {
		if (sa->r.linger[i].sa_id)
			inbound_gone(sa, sa->r.linger[i].sa_id, heir);
		sa->r.linger[i].sa_id = 0;
	}
	if (heir) {
		sa_store(heir);
		loop_timer_in(heir->ike->loop, &heir->timer, 0);
	}
}

void child_move(struct sa *from, struct sa *to)
{
	bool any = false;

	for (int i = 0; i < TUNNEL_PAIRS; i++)
		any |= from->r.want_at[i] != 0;
	for (int i = 0; i < IKE_CHILDREN; i++)
		any |= from->r.child[i].state != CHILD_FREE;
	for (int i = 0; i < IKE_LINGER; i++)
		any |= from->r.linger[i].sa_id != 0;
	if (!any)
		return;
	memcpy(to->r.child, from->r.child, sizeof(to->r.child));
	memcpy(to->r.linger, from->r.linger, sizeof(to->r.linger));
	memcpy(to->r.want_at, from->r.want_at, sizeof(to->r.want_at));
	memcpy(to->r.ts, from->r.ts, sizeof(to->r.ts));
	to->r.n_ts = from->r.n_ts;
	memset(from->r.child, 0, sizeof(from->r.child));
	memset(from->r.linger, 0, sizeof(from->r.linger));
	memset(from->r.want_at, 0, sizeof(from->r.want_at));
	memset(from->r.ts, 0, sizeof(from->r.ts));
	from->r.n_ts = 0;
	to->queued = true;
}

void child_want(struct sa *sa, unsigned int pair, uint64_t ms)
{
	sa->r.want_at[pair] = ike_now(sa->ike) + ms;
	sa->queued = true;
}

static void missing(struct sa *sa, unsigned int first, unsigned int end, const char *why)
{
	struct peer *p = sa->peer;
	bool settled = p->settled;

	for (unsigned int k = first; k < end; k++) {
		if (p->current[k] || sa->r.superseded || sa->r.want_at[k])
			continue;
		if (!child_sending(p)) {
			peer_note(p, why);
			p->settled = false;
		}
		/* It worked a moment ago. */
		if (p->t.start == START_INITIATE || sa->r.initiator)
			child_want(sa, k, ike_jitter(settled ? 500 : p->t.retry_seconds * 1000ull));
	}
}

void child_missing(struct sa *sa, unsigned int pair, const char *why)
{
	missing(sa, pair, pair + 1, why);
}

void child_missing_any(struct sa *sa, const char *why)
{
	missing(sa, 0, ends_pairs(&sa->peer->t), why);
}

void child_want_rest(struct sa *sa)
{
	const struct peer *p = sa->peer;

	for (unsigned int k = 1; k < ends_pairs(&p->t); k++) {
		if (sa->r.want_at[k] || child_current(sa, k))
			continue;
		/* Whoever made the IKE SA makes the children; of the other we see after a while. */
		if (sa->r.initiator)
			child_want(sa, k, 0);
		else if (p->t.start == START_INITIATE)
			child_want(sa, k, ike_jitter(p->t.retry_seconds * 1000ull));
	}
}

void child_rekey_by(struct sa *sa, uint64_t at)
{
	/* rekey_at 0: the peer is about to do it */
	for (struct ike_child *c = sa->r.child; c < sa->r.child + IKE_CHILDREN; c++) {
		c->retry_at = 0;
		if (c->state == CHILD_CURRENT && c->rekey_at > at)
			c->rekey_at = at;
	}
}

void child_tick(struct sa *sa, uint64_t now)
{
	bool changed = false;

	for (int i = 0; i < IKE_LINGER; i++) {
		struct ike_linger *l = &sa->r.linger[i];

		if (!l->sa_id || l->until > now)
			continue;
		forget(sa->peer, l->sa_id);
		l->sa_id = 0;
		changed = true;
	}
	for (int i = 0; i < IKE_CHILDREN; i++) {
		struct ike_child *c = &sa->r.child[i];

		if (c->switch_at && c->switch_at <= now) {
			c->switch_at = 0;
			if (c->state == CHILD_READY)
				child_use(sa, c);
			else
				child_rekey_by(sa, now);
			changed = true;
		}
		if (c->state != CHILD_FREE && c->hard_at && c->hard_at <= now) {
			log_notice("child SA reached its hard limit",
				   KV_S("tunnel", sa->peer->t.name), KV_U("child", c->id));
			/* The peer must hear of it: it goes as an old one, by DELETE. */
			c->hard_at = 0;
			c->rekey_at = 0;
			if (c->state == CHILD_CURRENT)
				sa->r.want_at[c->pair] = now;
			child_retire(sa, c, 0);
			changed = true;
		}
	}
	if (changed)
		sa_store(sa);
}

uint64_t child_due(const struct sa *sa)
{
	uint64_t due = UINT64_MAX;

	for (int i = 0; i < IKE_LINGER; i++)
		if (sa->r.linger[i].sa_id && sa->r.linger[i].until < due)
			due = sa->r.linger[i].until;
	for (int i = 0; i < IKE_CHILDREN; i++) {
		const struct ike_child *c = &sa->r.child[i];

		if (c->switch_at && c->switch_at < due)
			due = c->switch_at;
		if (c->state != CHILD_FREE && c->hard_at && c->hard_at < due)
			due = c->hard_at;
	}
	return due;
}
