// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/ipsecvti.h>

#include "addr.h"
#include "log.h"
#include "nat.h"
#include "xchg.h"

#define BACKOFF_MAX	64	/* times retry_seconds */
#define BACKOFF_LOST	4
#define SAS_MAX		2	/* IKE SAs of a tunnel beside a new one, */
#define SAS_MAX_NO	16	/* and where nobody looks after them (UNIQUE_NO) */
#define SAS_BOUND	16	/* and in any state, those that are on their way out included */

struct peer *peer_by_id(struct ike *ike, uint32_t tunnel)
{
	struct peer *p = ike->peers;

	while (p && p->t.id != tunnel)
		p = p->next;
	return p;
}

/* 0: not in the list, 1: because the list is for any, 2: by name. */
static int among(const struct addr *list, unsigned int n, const struct addr *a)
{
	int found = !n;

	for (unsigned int i = 0; i < n; i++)
		if (addr_ip_equal(&list[i], a))
			return 2;
		else if (addr_is_any(&list[i]))
			found = 1;
	return found;
}

static int between(const struct peer *p, const struct addr *local, const struct addr *remote)
{
	if (p->gone || !among(p->t.local, p->t.n_local, local))
		return 0;
	return among(p->t.remote, p->t.n_remote, remote);
}

bool peer_takes(const struct peer *p, const struct addr *local, const struct addr *remote)
{
	return among(p->t.remote, p->t.n_remote, remote) && among(p->t.local, p->t.n_local, local);
}

struct peer *peer_by_addr(struct ike *ike, const struct addr *local, const struct addr *remote,
			  struct peer *after)
{
	for (int how = after ? between(after, local, remote) : 2; how; how--, after = NULL)
		for (struct peer *p = after ? after->next : ike->peers; p; p = p->next)
			if (between(p, local, remote) == how)
				return p;
	return NULL;
}

bool peer_reachable(const struct peer *p)
{
	return p->t.dev_id && p->t.n_remote && !addr_is_any(&p->t.remote[0]);
}

void peer_note(struct peer *p, const char *text)
{
	if (!text)
		return;
	if (strcmp(p->note, text))
		p->ike->ops->note(p->ike->ctx, p->t.id, text);
	snprintf(p->note, sizeof(p->note), "%s", text);
}

/* The one that carries traffic; else the newest that could. */
struct sa *peer_main(struct peer *p)
{
	struct sa *best = NULL;

	for (struct sa *sa = p->sas; sa; sa = sa->peer_next) {
		if (sa->r.state != SA_UP || sa->r.superseded)
			continue;
		if (child_carries(p, sa))
			return sa;
		if (!best || sa->r.unique > best->r.unique)
			best = sa;
	}
	return best;
}

static bool connecting(const struct peer *p)
{
	for (const struct sa *sa = p->sas; sa; sa = sa->peer_next)
		if (sa->r.state == SA_INIT_SENT || (sa->r.state == SA_AUTH_SENT && !sa->r.abandoned))
			return true;
	return false;
}

static bool wanted(const struct peer *p)
{
	if (!p->ike->started || p->ike->stopping || p->t.down || p->gone || !peer_reachable(p))
		return false;
	return p->t.start == START_INITIATE || (p->t.start == START_DEMAND && p->acquired) ||
	       p->asked;
}

void peer_wake(struct peer *p, uint64_t at)
{
	if (!loop_timer_armed(&p->timer) || p->timer.due > at)
		loop_timer_at(p->ike->loop, &p->timer, at);
}

void peer_check(struct peer *p)
{
	struct ike *ike = p->ike;
	uint64_t now = ike_now(ike);

	if (!wanted(p) || peer_main(p) || connecting(p))
		return;
	if (p->retry_at > now) {
		peer_wake(p, p->retry_at);
		return;
	}
	if (ike->initiating >= ike->times.initiate_max) {
		peer_wake(p, now + ike_jitter(300));
		return;
	}
	init_start(p, false);
}

static bool from_here(struct peer *p, const struct addr *remote, struct addr *local)
{
	return (!local->family || local->family == remote->family) &&
	       !p->ike->ops->source(p->ike->ctx, remote, local);
}

uint8_t peer_pair(struct peer *p, unsigned int from, struct addr *local, struct addr *remote)
{
	unsigned int n_local = p->t.n_local ? p->t.n_local : 1;

	for (unsigned int i = from; i < p->t.n_remote * n_local; i++) {
		*remote = p->t.remote[i / n_local];
		*local = p->t.local[i % n_local];
		if (from_here(p, remote, local))
			return (uint8_t)i;
	}
	return PEER_NO_PAIR;
}

static void fire(void *arg)
{
	struct peer *p = arg;
	struct ike *ike = p->ike;

	peer_check(p);
	child_kernel_again(p);
	adopt_sweep(p);
	sa_reap(ike);
}

void peer_failed(struct peer *p, const char *why)
{
	uint64_t pause = p->t.retry_seconds * 1000ull, now = ike_now(p->ike), max;
	struct addr local, remote;

	/* One beside the tunnel's own: whoever wanted it tries again. */
	if (peer_main(p)) {
		log_notice("an IKE SA ended beside the tunnel's own", KV_S("tunnel", p->t.name),
			   KV_S("why", why));
		return;
	}
	peer_note(p, why);
	p->failing = true;
	if (p->settled) {
		pause = 500;	/* it worked a moment ago */
	} else if (p->turn && peer_pair(p, p->turn, &local, &remote) != PEER_NO_PAIR) {
		pause = 100;	/* the next addresses of this round */
	} else if (peer_pair(p, 0, &local, &remote) != PEER_NO_PAIR) {
		/* What a peer keeps and we have lost may end there at any time. */
		max = p->t.retry_seconds * 1000ull * (p->lost.tunnel ? BACKOFF_LOST : BACKOFF_MAX);
		for (uint32_t i = 0; i < p->attempts && pause < max; i++)
			pause *= 2;
		p->attempts++;
		p->turn = 0;
	}
	p->settled = false;
	p->retry_at = now + ike_jitter(pause);
	if (p->refused && p->contact_at > now && p->contact_at < p->retry_at)
		p->retry_at = p->contact_at;
	log_notice("tunnel is not up", KV_S("tunnel", p->t.name), KV_S("why", why),
		   KV_U("retry_ms", wanted(p) ? p->retry_at - now : 0));
	peer_check(p);
}

/*
 * Where one side sees a successor the other may see two that were begun at once, and close the
 * successor: it does so first (see duplicates()), and finds here what it goes on with.
 */
static uint64_t others_first(const struct ike *ike)
{
	return ike_now(ike) + 3 * ike->times.linger_ms;
}

/*
 * Superseded: it answers, but starts nothing; ours goes by DELETE, the peer's when it likes, but not
 * before its successor has all pairs, as long as there is hope.
 */
static void supersede(struct sa *sa, bool close)
{
	uint8_t unique = sa->peer->t.unique;
	uint64_t now = ike_now(sa->ike);

	sa->r.superseded = true;
	memset(sa->r.want_at, 0, sizeof(sa->r.want_at));
	if (close ||
	    (unique != UNIQUE_NO && (sa->r.initiator || unique == UNIQUE_REPLACE))) {
		sa->r.close_at = child_carries(sa->peer, sa) ?
				 now + 10 * sa->ike->times.linger_ms : others_first(sa->ike);
	} else if (unique != UNIQUE_NO) {
		sa->r.dpd_at = now;
		sa->r.dpd_now = true;
	}
	sa_store(sa);
	loop_timer_in(sa->ike->loop, &sa->timer, 0);
}

static bool all_pairs(const struct peer *p)
{
	for (unsigned int k = 0; k < ends_pairs(&p->t); k++)
		if (!p->current[k])
			return false;
	return true;
}

void peer_carries(struct peer *p, struct sa *sa)
{
	uint64_t soon = others_first(p->ike);

	p->attempts = 0;
	p->retry_at = 0;
	p->turn = 0;
	p->settled = true;
	p->failing = false;
	p->refused = false;
	p->lost.tunnel = 0;
	p->contact_at = 0;
	if (all_pairs(p))
		peer_note(p, "");
	sa->r.superseded = false;
	sa->r.close_at = 0;
	for (struct sa *o = p->sas; o; o = o->peer_next) {
		if (o == sa || o->r.state != SA_UP)
			continue;
		if (!o->r.superseded && o->r.req.twin_spi != sa_spi(sa))
			supersede(o, sa->replace && o->r.made <= sa->started);
		else if (o->r.close_at > soon && !child_carries(p, o))
			o->r.close_at = soon;
	}
}

/*
 * Made from both ends, each begun before the other was done: the larger initiator's SPI stays; each
 * closes its own.
 */
static void duplicates(struct sa *a, struct sa *b)
{
	struct sa *stays = a->r.spi_i > b->r.spi_i ? a : b, *goes = stays == a ? b : a;
	struct ike_child *c;

	log_info("both sides connected at once", KV_S("tunnel", a->peer->t.name),
		 KV_U("stays", stays->r.unique), KV_U("goes", goes->r.unique));
	stays->ike->n.collisions++;
	stays->r.superseded = false;
	stays->r.close_at = 0;
	goes->r.superseded = true;
	memset(goes->r.want_at, 0, sizeof(goes->r.want_at));
	/* Time for the winner's child to take over; its maker's DELETE ends the loser. */
	goes->r.close_at = ike_now(goes->ike) +
			   (goes->r.initiator ? 1 : 10) * goes->ike->times.linger_ms;
	for (int i = 0; i < IKE_CHILDREN; i++)
		goes->r.child[i].switch_at = 0;
	for (unsigned int k = 0; k < TUNNEL_PAIRS; k++) {
		c = child_current(stays, k);
		if (c && c->state == CHILD_READY && !c->switch_at)
			c->switch_at = ike_now(stays->ike) + stays->ike->times.switch_ms;
	}
	child_want_rest(stays);
	sa_store(stays);
	sa_store(goes);
	loop_timer_in(stays->ike->loop, &stays->timer, 0);
	loop_timer_in(goes->ike->loop, &goes->timer, 0);
}

static void bury(struct sa *sa)
{
	child_drop_all(sa);
	sa_kill(sa);
}

void peer_trim(struct peer *p)
{
	struct sa *oldest = NULL;
	unsigned int n = 0;

	for (struct sa *sa = p->sas; sa; sa = sa->peer_next) {
		n++;
		if ((sa->r.state == SA_REPLACED || sa->r.state == SA_CLOSING) &&
		    (!oldest || sa->r.unique < oldest->r.unique))
			oldest = sa;
	}
	if (n > SAS_BOUND && oldest)
		bury(oldest);
}

/* No packet may come that tells of it: the peer is asked, in a while, whether it has it. */
static void ask_soon(struct sa *fresh)
{
	fresh->r.dpd_at = ike_now(fresh->ike) + 10 * fresh->ike->times.linger_ms;
	fresh->r.dpd_now = true;
	sa_store(fresh);
}

/* The one that we and the peer have made of it at the same time, each knowing of its own only. */
static struct sa *twin_of(struct peer *p, const struct sa *fresh)
{
	for (struct sa *o = p->sas; o; o = o->peer_next)
		if (o != fresh && o->r.state == SA_UP && !o->r.parent &&
		    o->r.initiator != fresh->r.initiator && o->r.made >= fresh->started)
			return o;
	return NULL;
}

static void not_too_many(struct peer *p, const struct sa *fresh)
{
	unsigned int up = 0, max = p->t.unique == UNIQUE_NO ? SAS_MAX_NO : SAS_MAX;
	struct sa *oldest = NULL;

	for (struct sa *o = p->sas; o; o = o->peer_next) {
		if (o == fresh || o->r.state != SA_UP || o->r.close_at)
			continue;
		up++;
		if (!oldest || o->r.made < oldest->r.made)
			oldest = o;
	}
	if (up >= max && !child_carries(p, oldest))
		supersede(oldest, true);
}

void peer_resolve(struct peer *p, struct sa *fresh, bool alone)
{
	struct sa *o, *next, *twin = alone ? NULL : twin_of(p, fresh);
	bool at_once = alone || (p->t.unique == UNIQUE_REPLACE && !fresh->r.initiator && !twin);
	struct ike_child *c = child_any(fresh);

	if (c && c->state == CHILD_READY && at_once)
		child_use(fresh, c);
	for (o = p->sas; o; o = next) {
		bool connecting = o->r.state == SA_INIT_SENT || o->r.state == SA_AUTH_SENT;

		next = o->peer_next;
		/* The second: the peer's was first, and does not know ours yet. */
		if (o != fresh && ((alone && !connecting) ||
				   (o->r.state == SA_INIT_SENT && !o->replace && c &&
				    c->state == CHILD_CURRENT)))
			bury(o);
	}
	if (twin)
		duplicates(fresh, twin);
	else if (c && c->state == CHILD_READY)
		ask_soon(fresh);
	not_too_many(p, fresh);
}

static void close_all(struct peer *p)
{
	struct sa *sa, *next;

	for (sa = p->sas; sa; sa = next) {
		next = sa->peer_next;
		sa_close(sa);
	}
}

/* What the negotiation depends on; the rest of a tunnel may change under a living SA. */
static bool same_deal(const struct tunnel *a, const struct tunnel *b)
{
	return a->force_encap == b->force_encap && a->esn_only == b->esn_only &&
	       a->n_local == b->n_local && a->n_ike == b->n_ike && a->n_esp == b->n_esp &&
	       a->per_pair == b->per_pair &&
	       a->n_local_ts == b->n_local_ts && a->n_remote_ts == b->n_remote_ts &&
	       a->local_port == b->local_port && a->remote_port == b->remote_port &&
	       !memcmp(a->local, b->local, sizeof(a->local)) &&
	       !memcmp(&a->local_id, &b->local_id, sizeof(a->local_id)) &&
	       !memcmp(&a->remote_id, &b->remote_id, sizeof(a->remote_id)) &&
	       !memcmp(a->ike, b->ike, sizeof(a->ike)) && !memcmp(a->esp, b->esp, sizeof(a->esp)) &&
	       !memcmp(a->local_ts, b->local_ts, sizeof(a->local_ts)) &&
	       !memcmp(a->remote_ts, b->remote_ts, sizeof(a->remote_ts));
}

/* What is under way was asked for by a configuration that is no longer ours. */
static void give_up(struct peer *p)
{
	struct sa *sa, *next;

	for (sa = p->sas; sa; sa = next) {
		next = sa->peer_next;
		if (sa->r.state == SA_INIT_SENT || sa->r.state == SA_AUTH_SENT)
			sa_close(sa);
	}
	p->attempts = 0;
	p->retry_at = 0;
}

/* The peer has other addresses: whoever uses one that it has no more uses another. */
static void moved(struct peer *p)
{
	struct sa *sa, *next, *up = peer_main(p);

	p->turn = 0;
	for (sa = p->sas; sa; sa = next) {
		next = sa->peer_next;
		if (sa->r.state != SA_INIT_SENT && sa->r.state != SA_AUTH_SENT)
			continue;
		if (among(p->t.remote, p->t.n_remote, &sa->r.remote))
			continue;
		p->retry_at = 0;
		sa_close(sa);
	}
	if (up && !among(p->t.remote, p->t.n_remote, &up->r.remote))
		peer_reconnect(p);
	else if (!up)
		p->retry_at = 0;
}

/* An IKE SA alone carries nothing: the peer, or we, may have refused its child. */
static void ask_child(struct peer *p)
{
	struct sa *sa = peer_main(p);

	if (!sa || !wanted(p))
		return;
	for (unsigned int k = 0; k < ends_pairs(&p->t); k++)
		if (!p->current[k] && !child_current(sa, k))
			child_want(sa, k, 0);
	window_run(sa);
}

/* What an IKE SA has reckoned by times that are no longer said. */
static void times_changed(struct peer *p, const struct tunnel *t)
{
	uint64_t now = ike_now(p->ike);

	for (struct sa *sa = p->sas; sa; sa = sa->peer_next) {
		if (sa->r.state != SA_UP)
			continue;
		if (p->t.reauth_seconds != t->reauth_seconds)
			sa->r.reauth_at = t->reauth_seconds ?
					  now + ike_jitter(t->reauth_seconds * 900ull) : 0;
		if (p->t.dpd_seconds != t->dpd_seconds && !sa->r.dpd_now)
			sa->r.dpd_at = t->dpd_seconds ? now + t->dpd_seconds * 1000ull : 0;
		sa_store(sa);
		loop_timer_in(p->ike->loop, &sa->timer, 0);
	}
}

struct peer *peer_set(struct ike *ike, const struct tunnel *t)
{
	struct peer *p = peer_by_id(ike, t->id), **at;
	bool deal, same_place;

	if (!p) {
		p = calloc(1, sizeof(*p));
		if (!p)
			return NULL;
		p->ike = ike;
		p->t = *t;
		p->timer.fire = fire;
		p->timer.arg = p;
		for (at = &ike->peers; *at; at = &(*at)->next)
			;
		*at = p;
		peer_check(p);
		return p;
	}
	deal = same_deal(&p->t, t);
	same_place = p->t.n_remote == t->n_remote &&
		     !memcmp(p->t.remote, t->remote, sizeof(t->remote));
	if (p->t.dev_id != t->dev_id) {
		/* The SAs of the old device went with it. */
		memset(&p->endpoint, 0, sizeof(p->endpoint));
		if (p->t.dev_id)
			close_all(p);
		p->retry_at = 0;
	}
	times_changed(p, t);
	p->t = *t;
	p->gone = false;
	if (!deal)
		give_up(p);
	if (!t->down && !same_place)
		moved(p);
	if (t->down)
		peer_down(p);
	else if (!deal && peer_main(p))
		peer_reconnect(p);
	else
		peer_check(p);
	ask_child(p);
	return p;
}

void peer_gone(struct peer *p)
{
	p->t.down = true;
	p->gone = true;
	p->ike->peers_gone = true;
	close_all(p);
}

void peer_reap(struct ike *ike)
{
	bool left = false;

	for (struct peer **at = &ike->peers, *p; (p = *at);) {
		if (!p->gone || p->sas) {
			left |= p->gone;
			at = &p->next;
			continue;
		}
		*at = p->next;
		loop_timer_stop(ike->loop, &p->timer);
		free(p);
	}
	ike->peers_gone = left;
}

void peer_up(struct peer *p)
{
	p->t.down = false;
	p->asked = true;
	p->attempts = 0;
	p->retry_at = 0;
	ask_child(p);
	peer_check(p);
}

void peer_down(struct peer *p)
{
	p->t.down = true;
	p->asked = false;
	p->acquired = false;
	p->settled = false;
	peer_note(p, "down by the administrator");
	close_all(p);
	p->sweep_at = ike_now(p->ike);
	adopt_sweep(p);
}

void peer_reconnect(struct peer *p)
{
	if (!peer_main(p))
		peer_up(p);
	else if (!peer_reachable(p))
		log_notice("only the peer can connect anew", KV_S("tunnel", p->t.name));
	else if (!connecting(p))
		init_start(p, true);
}

void peer_rekey(struct peer *p, bool ike_sa)
{
	struct sa *sa = peer_main(p);
	uint64_t now = ike_now(p->ike);

	if (!sa)
		return;
	sa->r.retry_at = 0;
	if (ike_sa)
		sa->r.rekey_at = now;
	else
		child_rekey_by(sa, now);
	window_run(sa);
}

void ike_stop(struct ike *ike)
{
	ike->stopping = true;
	for (struct peer *p = ike->peers; p; p = p->next)
		close_all(p);
}

bool ike_idle(const struct ike *ike)
{
	for (const struct peer *p = ike->peers; p; p = p->next)
		if (p->sas)
			return false;
	return true;
}

static struct ike_child *child_by_sa(struct peer *p, uint32_t sa_id, struct sa **owner)
{
	for (struct sa *sa = p->sas; sa; sa = sa->peer_next) {
		for (int i = 0; i < IKE_CHILDREN; i++) {
			struct ike_child *c = &sa->r.child[i];

			*owner = sa;
			if (c->state != CHILD_FREE && sa_id &&
			    (c->sa_in == sa_id || c->sa_out == sa_id))
				return c;
		}
	}
	return NULL;
}

/* What was encrypted since the copy was made may have been encrypted twice: nothing is saved. */
static void forked(struct ike *ike)
{
	struct sa *sa, *next;

	for (struct peer *p = ike->peers; p; p = p->next) {
		for (sa = p->sas; sa; sa = next) {
			next = sa->peer_next;
			sa_fail(sa, "the machine was cloned or restored");
		}
	}
}

static void sa_event(struct peer *p, const struct door_event *ev)
{
	uint64_t now = ike_now(p->ike);
	struct ike_child *c;
	struct sa *sa;

	c = child_by_sa(p, ev->sa_id, &sa);
	if (!c)
		return;
	switch (ev->type) {
	case IPSECVTI_EVENT_TYPE_SOFT_EXPIRE:
		/* 0: the peer is about to rekey it */
		if (c->state == CHILD_CURRENT && c->rekey_at > now)
			c->rekey_at = now;
		break;
	case IPSECVTI_EVENT_TYPE_HARD_EXPIRE:
		if (c->hard_at > now)
			c->hard_at = now;
		break;
	case IPSECVTI_EVENT_TYPE_FIRST_AUTH:
		if (c->sa_in == ev->sa_id)
			child_first_auth(sa, c);
		break;
	}
	window_run(sa);
}

void peer_event(struct ike *ike, const struct door_event *ev)
{
	struct peer *p = peer_by_id(ike, ev->tunnel);
	struct sa *sa;

	if (ev->type == IPSECVTI_EVENT_TYPE_VM_FORK) {
		forked(ike);
		return;
	}
	if (!p)
		return;
	switch (ev->type) {
	case IPSECVTI_EVENT_TYPE_ACQUIRE:
		p->acquired = true;
		sa = peer_main(p);
		for (unsigned int k = 0; sa && k < TUNNEL_PAIRS; k++)
			if (sa->r.want_at[k] > ike_now(ike) + 1000)
				child_want(sa, k, 1000);
		if (sa)
			window_run(sa);
		peer_check(p);
		break;
	case IPSECVTI_EVENT_TYPE_PEER_MOVED:
		sa = peer_main(p);
		if (sa)
			nat_seen(sa, &ev->from);
		break;
	case IPSECVTI_EVENT_TYPE_DEV_GONE:
		p->t.dev_id = 0;
		memset(&p->endpoint, 0, sizeof(p->endpoint));
		peer_note(p, "the device is gone");
		close_all(p);
		break;
	default:
		sa_event(p, ev);
	}
}

/* The peer has an IKE SA with us and wants no child SA; we shall ask again. */
static bool child_backoff(struct peer *p)
{
	const struct sa *sa = peer_main(p);

	for (unsigned int k = 0; sa && k < TUNNEL_PAIRS; k++)
		if (sa->r.want_at[k] > ike_now(p->ike))
			return true;
	return false;
}

static enum tunnel_state state_of(struct peer *p)
{
	if (p->t.down)
		return TUNNEL_DOWN;
	if (child_sending(p))
		return TUNNEL_UP;
	if (!connecting(p) && child_backoff(p))
		return TUNNEL_BACKOFF;
	if (connecting(p) || peer_main(p))
		return TUNNEL_CONNECTING;
	return wanted(p) && p->failing ? TUNNEL_BACKOFF : TUNNEL_IDLE;
}

static uint32_t seconds_until(uint64_t now, uint64_t at)
{
	return at > now ? (uint32_t)((at - now) / 1000) : 0;
}

static void child_status(struct sa *sa, struct ike_child *c, uint64_t now, struct door_child *out)
{
	struct ends e;

	memset(out, 0, sizeof(*out));
	out->id = c->id;
	out->pair = c->pair;
	out->spi_in = c->spi_in;
	out->spi_out = c->spi_out;
	out->esp[0] = c->encr;
	out->esp[1] = c->integ;
	if (c->ke)
		out->esp[2] = (struct transform){ .type = TRANSFORM_KE, .id = c->ke };
	out->esp[3] = (struct transform){ .type = TRANSFORM_ESN, .id = c->esn };
	out->age = (uint32_t)((now - c->made) / 1000);
	out->rekey_in = seconds_until(now, c->rekey_at);
	ends_get(sa, c, &e);
	out->n_local_ts = e.n_local;
	out->n_remote_ts = e.n_remote;
	memcpy(out->local_ts, e.local, sizeof(out->local_ts));
	memcpy(out->remote_ts, e.remote, sizeof(out->remote_ts));
}

/* Of each pair what is sent through, by whichever IKE SA, else what this one has ready. */
static void children_status(struct peer *p, struct sa *main, uint64_t now, struct door_status *out)
{
	out->n_pairs = ends_pairs(&p->t);
	for (unsigned int k = 0; k < TUNNEL_PAIRS; k++) {
		struct sa *owner = main;
		struct ike_child *c = child_sent(p, k, &owner);

		if (!c)
			c = child_current(main, k);
		if (c)
			child_status(owner, c, now, &out->child[out->n_children++]);
	}
}

void peer_status(struct peer *p, struct door_status *out)
{
	uint64_t now = ike_now(p->ike);
	struct sa *sa = peer_main(p);

	memset(out, 0, sizeof(*out));
	out->tunnel = p->t.id;
	out->state = state_of(p);
	out->retransmits = p->retransmits;
	out->dpd_timeouts = p->dpd_timeouts;
	snprintf(out->note, sizeof(out->note), "%s", p->note);
	if (!sa)
		return;
	out->initiator = sa->r.initiator;
	out->nat_local = sa->r.nat_local;
	out->nat_remote = sa->r.nat_remote;
	out->encap = sa->r.encap;
	out->spi_i = sa->r.spi_i;
	out->spi_r = sa->r.spi_r;
	out->local = sa->r.local;
	out->remote = sa->r.remote;
	out->remote_id = sa->r.peer_id;
	out->ike[0] = sa->r.suite.encr;
	out->ike[1] = sa->r.suite.prf;
	out->ike[2] = sa->r.suite.integ;
	out->ike[3] = sa->r.suite.ke;
	out->ike_age = (uint32_t)((now - sa->r.made) / 1000);
	out->ike_rekey_in = seconds_until(now, sa->r.rekey_at);
	out->ike_rekeys = sa->r.ike_rekeys;
	out->child_rekeys = sa->r.child_rekeys;
	out->unique_id = sa->r.unique;
	children_status(p, sa, now, out);
}
