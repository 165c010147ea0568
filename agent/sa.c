// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdlib.h>
#include <string.h>

#include "addr.h"
#include "child.h"
#include "fault.h"
#include "impair.h"
#include "log.h"
#include "peer.h"
#include "window.h"

uint64_t ike_now(const struct ike *ike)
{
	return loop_now(ike->loop);
}

uint64_t ike_jitter(uint64_t value)
{
	uint64_t span = value / 5;
	uint32_t r;

	if (!span)
		return value;
	crypto_random(&r, sizeof(r));
	return value - span / 2 + r % (span + 1);
}

struct ike *ike_new(struct loop *loop, const struct ike_ops *ops, void *ctx)
{
	struct ike *ike = calloc(1, sizeof(*ike));

	if (!ike)
		return NULL;
	ike->loop = loop;
	ike->ops = impair_ops(ops);
	ike->ctx = ctx;
	fault_wrap(ike);
	ike->times = IKE_TIMES_DEFAULT;
	crypto_random(&ike->hash_seed, sizeof(ike->hash_seed));
	return ike;
}

/* The memory only: kernel, peers and store keep what they have. */
void ike_free(struct ike *ike)
{
	if (!ike)
		return;
	for (int i = 0; i < SA_HASH; i++) {
		while (ike->hash[i]) {
			struct sa *sa = ike->hash[i];

			ike->hash[i] = sa->next;
			loop_timer_stop(ike->loop, &sa->timer);
			frag_free(&sa->frag);
			explicit_bzero(sa, sizeof(*sa));
			free(sa);
		}
	}
	sa_reap(ike);
	while (ike->peers) {
		struct peer *p = ike->peers;

		ike->peers = p->next;
		loop_timer_stop(ike->loop, &p->timer);
		free(p);
	}
	fault_unwrap(ike);
	explicit_bzero(ike, sizeof(*ike));
	free(ike);
}

uint64_t sa_spi(const struct sa *sa)
{
	return sa->r.initiator ? sa->r.spi_i : sa->r.spi_r;
}

uint64_t sa_peer_spi(const struct sa *sa)
{
	return sa->r.initiator ? sa->r.spi_r : sa->r.spi_i;
}

static struct sa **bucket(struct ike *ike, uint64_t spi)
{
	uint64_t h = (spi ^ ike->hash_seed) * 0x9e3779b97f4a7c15ull;

	return &ike->hash[(h >> 32) % SA_HASH];
}

struct sa *sa_find(struct ike *ike, uint64_t our_spi)
{
	struct sa *sa = *bucket(ike, our_spi);

	while (sa && sa_spi(sa) != our_spi)
		sa = sa->next;
	return sa;
}

struct sa *sa_new(struct ike *ike, bool initiator)
{
	struct sa *sa = calloc(1, sizeof(*sa));
	uint64_t spi = 0;

	if (!sa)
		return NULL;
	while (!spi || sa_find(ike, spi))
		crypto_random(&spi, sizeof(spi));
	sa->ike = ike;
	sa->r.initiator = initiator;
	*(initiator ? &sa->r.spi_i : &sa->r.spi_r) = spi;
	sa->timer.fire = window_fire;
	sa->timer.arg = sa;
	sa->started = sa->r.made = ike_now(ike);
	return sa;
}

void sa_link(struct sa *sa)
{
	struct sa **at = bucket(sa->ike, sa_spi(sa));

	sa->next = *at;
	*at = sa;
	sa->ike->n_sas++;
}

void sa_bind(struct sa *sa, struct peer *peer)
{
	if (sa->peer == peer)
		return;
	sa->peer = peer;
	sa->r.tunnel = peer->t.id;
	sa->peer_next = peer->sas;
	peer->sas = sa;
}

static void unbind(struct sa *sa)
{
	for (struct sa **at = sa->peer ? &sa->peer->sas : NULL; at && *at; at = &(*at)->peer_next) {
		if (*at == sa) {
			*at = sa->peer_next;
			break;
		}
	}
}

static void list_half_open(struct sa *sa, bool on)
{
	struct ike *ike = sa->ike;

	if (sa->half_open == on)
		return;
	sa->half_open = on;
	ike->half_open += on ? 1 : -1;
	if (on) {
		sa->half_prev = NULL;
		sa->half_next = ike->half;
		ike->half = sa;
	} else {
		*(sa->half_prev ? &sa->half_prev->half_next : &ike->half) = sa->half_next;
	}
	if (sa->half_next)
		sa->half_next->half_prev = on ? sa : sa->half_prev;
}

static void count_initiating(struct sa *sa, bool on)
{
	if (sa->initiating == on)
		return;
	sa->initiating = on;
	sa->ike->initiating += on ? 1 : -1;
}

void sa_state(struct sa *sa, enum sa_state state)
{
	count_initiating(sa, !sa->hopeless && (state == SA_INIT_SENT || state == SA_AUTH_SENT));
	if (state != SA_FAILED)
		list_half_open(sa, state == SA_INIT_DONE);
	sa->r.state = state;
}

void sa_kill(struct sa *sa)
{
	struct ike *ike = sa->ike;
	struct sa **at;

	if (sa->dead)
		return;
	sa->dead = true;
	sa_state(sa, SA_FREE);
	loop_timer_stop(ike->loop, &sa->timer);
	for (at = bucket(ike, sa_spi(sa)); *at; at = &(*at)->next) {
		if (*at == sa) {
			*at = sa->next;
			ike->n_sas--;
			break;
		}
	}
	unbind(sa);
	if (ike->store)
		store_drop(ike->store, &sa->r);
	sa->next = ike->grave;
	ike->grave = sa;
}

void sa_reap(struct ike *ike)
{
	while (ike->grave) {
		struct sa *sa = ike->grave;

		ike->grave = sa->next;
		frag_free(&sa->frag);
		explicit_bzero(sa, sizeof(*sa));
		free(sa);
	}
	if (ike->peers_gone)
		peer_reap(ike);
}

/*
 * Half-open SAs of a responder are not worth a slot: whoever floods us would
 * take them all, and the peer that meant it comes again.
 */
void sa_store(struct sa *sa)
{
	if (!sa->ike->store || sa->dead || sa->r.state == SA_INIT_SENT ||
	    sa->r.state == SA_INIT_DONE || sa->r.state == SA_FAILED)
		return;
	if (sa->r.iv_stored - sa->r.iv < IKE_IV_BLOCK / 2)
		sa->r.iv_stored = sa->r.iv + IKE_IV_BLOCK;
	if (store_put(sa->ike->store, &sa->r))
		log_ratelimited(LOG_WARNING,
				"state store is full: this SA would not survive a restart",
				KV_U("tunnel", sa->r.tunnel));
}

unsigned int sa_from(const struct ike *ike, const struct addr *remote)
{
	size_t len = addr_ip_len(remote) == 16 ? 8 : 4;
	unsigned int n = 0;

	for (const struct sa *sa = ike->half; sa; sa = sa->half_next)
		n += sa->r.remote.family == remote->family &&
		     !memcmp(sa->r.remote.ip, remote->ip, len);
	return n;
}

void sa_fail(struct sa *sa, const char *why)
{
	struct peer *p = sa->peer;

	if (sa->dead)
		return;
	child_drop_all(sa);
	sa_kill(sa);
	if (p && !sa->r.abandoned)
		peer_failed(p, why);
}

void sa_fade(struct sa *sa)
{
	struct ike *ike = sa->ike;

	if (sa->dead)
		return;
	sa_state(sa, SA_FAILED);
	unbind(sa);
	sa->peer = NULL;
	if (ike->store)
		store_drop(ike->store, &sa->r);
	secret_wipe_object(sa->r.keys);
	secret_wipe_object(sa->r.req);
	frag_free(&sa->frag);
	sa->r.expire_at = ike_now(ike) + ike->times.half_open_ms;
	loop_timer_at(ike->loop, &sa->timer, sa->r.expire_at);
}

void sa_close(struct sa *sa)
{
	switch (sa->r.state) {
	case SA_UP:
	case SA_REPLACED:
		child_drop_all(sa);
		sa_state(sa, SA_CLOSING);
		sa_store(sa);
		sa->queued = true;
		loop_timer_in(sa->ike->loop, &sa->timer, 0);
		break;
	case SA_AUTH_SENT:
		/* Its answer may tell of an IKE SA that the peer would keep for hours. */
		sa->r.abandoned = true;
		sa_store(sa);
		break;
	case SA_CLOSING:
		break;
	default:
		child_drop_all(sa);
		sa_kill(sa);
	}
}
