// SPDX-License-Identifier: GPL-2.0-or-later
/* The simulator's state as one number, for who goes through all of them. */
#include <stddef.h>
#include <string.h>

#include "sim.h"

uint64_t sim_mix(uint64_t h, const void *data, size_t len)
{
	const uint8_t *p = data;
	uint64_t word;

	for (; len >= sizeof(word); len -= sizeof(word), p += sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		h = (h ^ word) * 0x9e3779b97f4a7c15;
		h ^= h >> 32;
	}
	while (len--)
		h = (h ^ *p++) * 0x100000001b3;
	return h ^ h >> 29;
}

#define MIX(h, object)	sim_mix(h, &(object), sizeof(object))

static uint64_t left(const struct sim *s, uint64_t t)
{
	return !t ? 0 : t <= s->now ? 1 : t - s->now > 60000 ? 2 : 2 + t - s->now;
}

static uint64_t hash_sa(const struct sim *s, const struct sa *sa)
{
	struct ike_record r = sa->r;
	uint64_t *const times[] = {
		&r.made, &r.rekey_at, &r.hard_at, &r.dpd_at, &r.heard, &r.retry_at, &r.delete_at,
		&r.close_at, &r.expire_at, &r.req.next_at,
	};
	uint64_t h = left(s, sa->fail_at) << 32 | left(s, sa->keepalive_at);

	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
		*times[i] = left(s, *times[i]);
	for (int i = 0; i < IKE_CHILDREN; i++) {
		struct ike_child *c = &r.child[i];

		c->made = left(s, c->made);
		c->rekey_at = left(s, c->rekey_at);
		c->hard_at = left(s, c->hard_at);
		c->switch_at = left(s, c->switch_at);
		c->delete_at = left(s, c->delete_at);
		c->retry_at = left(s, c->retry_at);
	}
	for (int i = 0; i < TUNNEL_PAIRS; i++)
		r.want_at[i] = left(s, r.want_at[i]);
	for (int i = 0; i < IKE_LINGER; i++)
		r.linger[i].until = left(s, r.linger[i].until);
	h = sim_mix(h, &r, offsetof(struct ike_record, req_msg));
	h = sim_mix(h, r.req_msg, r.req.len);
	h = sim_mix(h, r.resp_msg, r.resp.len);
	return h + sa->replace + 2 * sa->half_open + 4 * !!sa->peer;
}

/* Members of a set are added up: their order is nothing that matters. */
static uint64_t hash_side(const struct sim *s, const struct sim_side *side)
{
	const struct peer *p = side->ike->peers;
	uint64_t h = 1, set = 0;

	for (int i = 0; i < SA_HASH; i++)
		for (const struct sa *sa = side->ike->hash[i]; sa; sa = sa->next)
			set += hash_sa(s, sa);
	for (int i = 0; i < side->top; i++) {
		const struct sim_sa *k = &side->sa[i];
		uint64_t one = k->sa_id * 4 + k->dead * 2 + k->seen;

		if (k->used)
			set += sim_mix(MIX(one, k->n.spi), k->n.key, k->n.key_len);
	}
	for (int i = 0; i < SIM_LARVAL; i++) {
		const struct sim_larval *l = &side->larval[i];
		uint64_t one = l->spi + ((uint64_t)l->n << 32);

		if (l->kept_until > s->now)
			set += MIX(one, l->spi) + (l->n ? left(s, l->timer.due) : 0);
	}
	h = MIX(h, set);
	h = MIX(h, p->current);
	h = MIX(h, p->attempts);
	h = MIX(h, p->last_child);
	h = MIX(h, side->out.n);
	h = MIX(h, side->out.sa[0].sa_id);
	return h + left(s, p->retry_at) + left(s, p->sweep_at) + p->settled + 2 * p->failing +
	       4 * p->acquired + 8 * p->asked;
}

uint64_t sim_hash(struct sim *s)
{
	uint64_t h = left(s, s->traffic.due), way = 0;

	for (int i = 0; i < 2; i++) {
		h = MIX(h, s->random[i + 1]);
		h += hash_side(s, &s->side[i]);
		h = MIX(h, i);
	}
	for (const struct sim_packet *p = s->packets; p; p = p->next) {
		uint64_t one = (uint64_t)p->to * 4 + p->held * 2 + p->esp;

		one = MIX(one, p->spi);
		one = sim_mix(one, p->msg, p->len);
		way += one + (p->held ? 0 : left(s, p->timer.due));
	}
	return h ^ way * 0x9e3779b97f4a7c15;
}
