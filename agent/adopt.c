// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdlib.h>
#include <string.h>

#include <linux/ipsecvti.h>

#include "log.h"
#include "peer.h"
#include "xchg.h"

#define SPREAD_MS	10000	/* liveness checks of adopted SAs, all over this time */
#define SWEEP_FIRST_MS	10000
#define SWEEP_MS	60000
#define QUIET_MS	86400000ull	/* cold start: so long an SA of ours may live at a peer */

/* The control of tests: a build that takes over nothing. */
#ifdef IPSECVTI_FORGET
#define REMEMBER	false
#else
#define REMEMBER	true
#endif

static struct sa *revive(struct ike *ike, unsigned int slot)
{
	uint64_t now = ike_now(ike), hash;
	struct sa *sa = calloc(1, sizeof(*sa));

	if (!sa)
		return NULL;
	if (!store_get(ike->store, slot, &sa->r)) {
		free(sa);
		return NULL;
	}
	if (store_poisoned(ike->store, slot, now, &hash)) {
		ike->poison = hash;
		ike->n.poisoned++;
		log_err("an IKE SA killed this process again and again: dropped",
			KV_U("unique", sa->r.unique), KV_X("message", hash));
		store_drop(ike->store, &sa->r);
		explicit_bzero(sa, sizeof(*sa));
		free(sa);
		return NULL;
	}
	sa->ike = ike;
	sa->timer.fire = window_fire;
	sa->timer.arg = sa;
	return sa;
}

static void take(struct ike *ike, struct sa *sa)
{
	enum sa_state state = sa->r.state;
	struct peer *p = peer_by_id(ike, sa->r.tunnel);

	sa->r.state = SA_FREE;	/* nothing is counted yet */
	sa_link(sa);
	/* An IKE_AUTH that was about to be written: from the start, then. */
	if (!p || sa_find(ike, sa_spi(sa)) != sa ||
	    (state == SA_AUTH_SENT && sa->r.req.task != TASK_AUTH)) {
		sa_kill(sa);
		return;
	}
	sa_bind(sa, p);
	sa_state(sa, state);
	sa->r.iv = sa->r.iv_stored;
	for (int i = 0; i < IKE_CHILDREN; i++)
		if (sa->r.child[i].id > p->last_child)
			p->last_child = sa->r.child[i].id;
	ike->n.adopted++;
}

/*
 * An IKE rekey ends by storing the successor first, then its parent. A parent
 * that knows nothing of it was never answered (or did not take the answer): it
 * will do so again, and the successor never sent anything.
 */
static bool unborn(struct ike *ike, struct sa *sa)
{
	struct sa *parent = sa->r.parent ? sa_find(ike, sa->r.parent) : NULL;

	return parent && parent->r.state == SA_UP && sa_spi(sa) != parent->r.req.twin_spi;
}

/* A child in two records belongs to the successor. */
static void no_doubles(struct ike *ike, struct sa *sa)
{
	struct sa *parent = sa->r.parent ? sa_find(ike, sa->r.parent) : NULL;

	for (int i = 0; parent && i < IKE_CHILDREN; i++)
		if (sa->r.child[i].state != CHILD_FREE) {
			struct ike_child *c = child_by_id(parent, sa->r.child[i].id);

			if (c)
				child_free(parent, c);
		}
}

static const struct door_sa *in_kernel(const struct door_sa_list *list, uint32_t sa_id)
{
	for (uint32_t i = 0; sa_id && i < list->n && i < DOOR_SAS_MAX; i++)
		if (list->sa[i].sa_id == sa_id)
			return &list->sa[i];
	return NULL;
}

/* An IKE SA that another one relieved of a pair may have died before it was told. */
static void recall(struct sa *sa, const struct door_sa_list *list)
{
	struct peer *p = sa->peer;
	struct sa *owner;

	for (int i = 0; i < IKE_CHILDREN; i++) {
		struct ike_child *c = &sa->r.child[i], *other;
		const struct door_sa *out = in_kernel(list, c->sa_out);

		if (c->state != CHILD_CURRENT)
			continue;
		other = child_sent(p, c->pair, &owner);
		if (other && other != c) {
			if (!out || !out->current) {
				c->state = CHILD_READY;
				continue;
			}
			other->state = CHILD_READY;
		}
		p->current[c->pair] = c->id;
		p->settled = true;
	}
}

/* Record and kernel side by side: what the kernel does not have is deleted at the peer. */
static void compare(struct sa *sa, const struct door_sa_list *list)
{
	for (int i = 0; i < IKE_CHILDREN; i++) {
		struct ike_child *c = &sa->r.child[i];
		const struct door_sa *in = in_kernel(list, c->sa_in);
		const struct door_sa *out = in_kernel(list, c->sa_out);

		if (c->state == CHILD_FREE)
			continue;
		/* The switch was the last thing that happened. */
		if (out && out->current && c->state == CHILD_READY)
			child_use(sa, c);
		if (in && out)
			continue;
		log_notice("kernel has lost a child SA", KV_S("tunnel", sa->peer->t.name),
			   KV_U("child", c->id));
		if (c->state == CHILD_CURRENT)
			sa->r.want_at[c->pair] = ike_now(sa->ike);
		child_retire(sa, c, 0);
	}
}

static bool owned(struct peer *p, uint32_t sa_id)
{
	for (struct sa *sa = p->sas; sa; sa = sa->peer_next) {
		for (int i = 0; i < IKE_CHILDREN; i++)
			if (sa->r.child[i].state != CHILD_FREE &&
			    (sa->r.child[i].sa_in == sa_id || sa->r.child[i].sa_out == sa_id))
				return true;
		for (int i = 0; i < IKE_LINGER; i++)
			if (sa->r.linger[i].sa_id == sa_id)
				return true;
	}
	return false;
}

static bool of_living_sa(struct peer *p, const uint8_t cookie[16])
{
	for (struct sa *sa = p->sas; sa; sa = sa->peer_next)
		if (!memcmp(cookie, &sa->r.spi_i, 8) && !memcmp(cookie + 8, &sa->r.spi_r, 8))
			return true;
	return false;
}

/* An answer that is still to come may name SAs that are in the kernel already. */
static bool awaited(struct peer *p)
{
	for (struct sa *sa = p->sas; sa; sa = sa->peer_next)
		if (sa->r.req.task == TASK_AUTH || sa->r.req.task == TASK_CHILD_NEW ||
		    sa->r.req.task == TASK_CHILD_REKEY)
			return true;
	return false;
}

/*
 * What a pair sends through may be gone, because the old process died in the
 * middle of a delete, or be a child that the peer was never told of.
 */
static void send_again(struct peer *p, const struct door_sa_list *list)
{
	for (uint32_t i = 0; i < list->n && i < DOOR_SAS_MAX; i++) {
		const struct door_sa *k = &list->sa[i];

		if (!k->current || owned(p, k->sa_id))
			continue;
		if (awaited(p) || !of_living_sa(p, k->cookie))
			return;
		p->ike->ops->sa_del(p->ike->ctx, p->t.id, k->sa_id);
	}
	for (struct sa *sa = p->sas; sa; sa = sa->peer_next) {
		for (int i = 0; i < IKE_CHILDREN; i++) {
			struct ike_child *c = &sa->r.child[i];
			const struct door_sa *out = in_kernel(list, c->sa_out);

			if (c->state != CHILD_CURRENT || !out || out->current)
				continue;
			child_use(sa, c);
			return;
		}
	}
}

/*
 * The tunnel sends through an SA whose IKE SA nobody knows any more: a new one
 * is made beside what the peer may have, and its SAs go on meanwhile.
 */
static void lost(struct peer *p, const struct door_sa_list *list)
{
	uint64_t now = ike_now(p->ike), end;
	const struct door_sa *k = NULL;

	for (uint32_t i = 0; i < list->n && i < DOOR_SAS_MAX; i++)
		if (list->sa[i].current && !list->sa[i].dead && !owned(p, list->sa[i].sa_id) &&
		    !of_living_sa(p, list->sa[i].cookie))
			k = &list->sa[i];
	if (!k)
		return;
	end = now + (k->life > k->age ? (k->life - k->age) * 1000 : k->life ? 0 : QUIET_MS);
	p->lost = list->endpoint;
	p->contact_at = end - (k->life > k->age ? k->life * 100ull : 0);
	p->acquired = true;
	if (p->ike->quiet_until < end)
		p->ike->quiet_until = end;
	log_notice("SAs go on without their IKE SA", KV_S("tunnel", p->t.name),
		   KV_U("seconds", (end - now) / 1000),
		   KV_S("next", p->t.start == START_RESPOND ? "the peer must connect" :
							      "a new IKE SA"));
	if (p->t.start == START_RESPOND)
		peer_note(p, "the IKE SA was lost; its SAs go on until the peer connects again");
}

/* Events that came while nobody listened are latched in the kernel. */
static void missed(struct sa *sa, const struct door_sa_list *list)
{
	uint32_t first = 1u << IPSECVTI_EVENT_TYPE_FIRST_AUTH;

	for (int i = 0; i < IKE_CHILDREN; i++) {
		struct ike_child *c = &sa->r.child[i];
		const struct door_sa *in = in_kernel(list, c->sa_in);

		if (c->state == CHILD_READY && in && in->events & first)
			child_first_auth(sa, c);
	}
}

/*
 * Of a tunnel that is taken down: all. Of an IKE SA that lives: made by a
 * process that died before it told anybody. Of one that we lost: the peer may
 * go on sending to an inbound one, so that stays to its hard limit, but for one
 * that never did while we were there to know its IKE SA.
 */
static bool useless(struct peer *p, const struct door_sa *k)
{
	if (k->dead || p->t.down)
		return true;
	if (k->current)
		return false;
	if (of_living_sa(p, k->cookie))
		return !awaited(p);
	return k->dir == IPSECVTI_DIR_OUT ||
	       (!p->ike->store_fresh && k->used_ms == UINT64_MAX);
}

void adopt_sweep(struct peer *p)
{
	uint64_t now = ike_now(p->ike);
	struct door_sa_list list;
	bool left = false;

	if (!p->sweep_at || p->sweep_at > now)
		goto out;
	p->sweep_at = 0;
	if (p->ike->ops->sa_list(p->ike->ctx, p->t.id, &list))
		return;
	for (uint32_t i = 0; i < list.n && i < DOOR_SAS_MAX; i++) {
		const struct door_sa *k = &list.sa[i];

		if (owned(p, k->sa_id))
			continue;
		left |= !useless(p, k) || p->ike->ops->sa_del(p->ike->ctx, p->t.id, k->sa_id);
	}
	if (left)
		p->sweep_at = now + SWEEP_MS;
out:
	if (p->sweep_at)
		peer_wake(p, p->sweep_at);
}

static void resume(struct sa *sa)
{
	struct ike *ike = sa->ike;
	uint64_t now = ike_now(ike);
	uint32_t r;

	crypto_random(&r, sizeof(r));
	if (sa->r.state == SA_UP) {
		sa->r.dpd_at = now + 1 + r % SPREAD_MS;
		sa->r.dpd_now = true;
	}
	if (sa->r.req.task) {
		sa->r.req.tries = 1;
		sa->r.req.next_at = now + ike->times.retransmit_ms;
		window_resend(sa);
	}
	sa_store(sa);
	loop_timer_in(ike->loop, &sa->timer, 0);
}

static void match_kernel(struct peer *p)
{
	struct door_sa_list list;
	struct sa *sa;

	if (p->ike->ops->sa_list(p->ike->ctx, p->t.id, &list))
		return;
	for (uint32_t i = 0; i < list.n && i < DOOR_SAS_MAX; i++)
		if (list.sa[i].child_id > p->last_child)
			p->last_child = list.sa[i].child_id;
	for (sa = p->sas; sa; sa = sa->peer_next)
		recall(sa, &list);
	for (sa = p->sas; sa; sa = sa->peer_next)
		compare(sa, &list);
	send_again(p, &list);
	lost(p, &list);
	for (sa = p->sas; sa; sa = sa->peer_next)
		missed(sa, &list);
	if (list.n) {
		p->sweep_at = ike_now(p->ike) + SWEEP_FIRST_MS;
		peer_wake(p, p->sweep_at);
	}
}

void adopt(struct ike *ike)
{
	struct sa *sa, *next;
	struct peer *p;

	ike->started = true;
	ike->store_fresh |= !REMEMBER;
	if (ike->store_fresh)
		ike->quiet_until = ike_now(ike) + QUIET_MS;
	for (unsigned int n = 1; REMEMBER && ike->store && n <= STORE_SLOTS; n++) {
		sa = store_used(ike->store, n) ? revive(ike, n) : NULL;
		if (sa)
			take(ike, sa);
	}
	for (p = ike->peers; p; p = p->next) {
		for (sa = p->sas; sa; sa = next) {
			next = sa->peer_next;
			if (unborn(ike, sa))
				sa_kill(sa);
			else
				no_doubles(ike, sa);
		}
	}
	for (p = ike->peers; p; p = p->next)
		match_kernel(p);
	for (p = ike->peers; p; p = p->next) {
		for (sa = p->sas; sa; sa = sa->peer_next)
			resume(sa);
		peer_check(p);
	}
	if (ike->n.adopted)
		log_notice("IKE SAs taken over", KV_U("count", ike->n.adopted));
	sa_reap(ike);
}
