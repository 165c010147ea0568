// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>

#include "ends.h"
#include "peer.h"

static unsigned int list(const struct ts *conf, unsigned int n, struct ts out[TUNNEL_SELECTORS])
{
	if (n) {
		memcpy(out, conf, n * sizeof(*out));
		return n;
	}
	out[0] = ts_any(TS_IPV4);
	out[1] = ts_any(TS_IPV6);
	return 2;
}

void ends_all(const struct tunnel *t, struct ends *e)
{
	memset(e, 0, sizeof(*e));
	e->n_local = (uint8_t)list(t->local_ts, t->n_local_ts, e->local);
	e->n_remote = (uint8_t)list(t->remote_ts, t->n_remote_ts, e->remote);
}

/* Each selector of ours with each of the peer's of the same family, ours going slower. */
static unsigned int count_pairs(const struct ends *e, unsigned int stop, unsigned int *i,
				unsigned int *k)
{
	unsigned int n = 0;

	for (*i = 0; *i < e->n_local; ++*i)
		for (*k = 0; *k < e->n_remote; ++*k)
			if (e->local[*i].type == e->remote[*k].type && n++ == stop)
				return n;
	return n;
}

unsigned int ends_pairs(const struct tunnel *t)
{
	unsigned int i, k, n;
	struct ends e;

	if (!t->per_pair)
		return 1;
	ends_all(t, &e);
	n = count_pairs(&e, UINT32_MAX, &i, &k);
	return n < TUNNEL_PAIRS ? n : TUNNEL_PAIRS;
}

void ends_wanted(const struct tunnel *t, unsigned int pair, struct ends *out)
{
	unsigned int i = 0, k = 0;
	struct ends e;

	ends_all(t, &e);
	*out = e;
	if (!t->per_pair)
		return;
	count_pairs(&e, pair, &i, &k);
	out->n_local = out->n_remote = 1;
	out->local[0] = e.local[i < e.n_local ? i : 0];
	out->remote[0] = e.remote[k < e.n_remote ? k : 0];
}

bool ends_narrow(const struct ends *want, const struct ts_set *local, const struct ts_set *remote,
		 struct ends *out)
{
	out->n_local = (uint8_t)ts_narrow(want->local, want->n_local, local->t, local->n,
					  out->local, TUNNEL_SELECTORS, NULL);
	out->n_remote = (uint8_t)ts_narrow(want->remote, want->n_remote, remote->t, remote->n,
					   out->remote, TUNNEL_SELECTORS, NULL);
	return out->n_local && out->n_remote;
}

bool ends_within(const struct ends *a, const struct ends *b)
{
	return ts_subset(a->local, a->n_local, b->local, b->n_local) &&
	       ts_subset(a->remote, a->n_remote, b->remote, b->n_remote);
}

bool ends_equal(const struct ends *a, const struct ends *b)
{
	return ends_within(a, b) && ends_within(b, a);
}

static unsigned int used(const struct ike_child *c)
{
	return c->n_local + c->n_remote;
}

/* Another child with the very same selectors. */
static const struct ike_child *sharer(const struct sa *sa, const struct ends *e)
{
	const struct ts *pool = sa->r.ts;

	for (const struct ike_child *c = sa->r.child; c < sa->r.child + IKE_CHILDREN; c++)
		if (c->state != CHILD_FREE && used(c) && c->n_local == e->n_local &&
		    c->n_remote == e->n_remote &&
		    !memcmp(pool + c->ts_at, e->local, e->n_local * sizeof(*pool)) &&
		    !memcmp(pool + c->ts_at + c->n_local, e->remote, e->n_remote * sizeof(*pool)))
			return c;
	return NULL;
}

bool ends_set(struct sa *sa, struct ike_child *c, const struct ends *e)
{
	const struct ike_child *same = sharer(sa, e);
	struct ts *pool = sa->r.ts;
	unsigned int at = same ? same->ts_at : sa->r.n_ts;

	if (!same) {
		if (at + e->n_local + e->n_remote > IKE_TS)
			return false;
		memcpy(pool + at, e->local, e->n_local * sizeof(*pool));
		memcpy(pool + at + e->n_local, e->remote, e->n_remote * sizeof(*pool));
		sa->r.n_ts = (uint16_t)(at + e->n_local + e->n_remote);
	}
	c->ts_at = (uint16_t)at;
	c->n_local = e->n_local;
	c->n_remote = e->n_remote;
	return true;
}

void ends_get(const struct sa *sa, const struct ike_child *c, struct ends *out)
{
	const struct ts *at = sa->r.ts + c->ts_at;

	memset(out, 0, sizeof(*out));
	out->n_local = c->n_local;
	out->n_remote = c->n_remote;
	memcpy(out->local, at, c->n_local * sizeof(*at));
	memcpy(out->remote, at + c->n_local, c->n_remote * sizeof(*at));
}

void ends_drop(struct sa *sa, struct ike_child *c)
{
	unsigned int n = used(c), at = c->ts_at, behind = at + n;
	struct ts *pool = sa->r.ts;

	c->n_local = c->n_remote = 0;
	for (const struct ike_child *k = sa->r.child; k < sa->r.child + IKE_CHILDREN; k++)
		if (k->state != CHILD_FREE && used(k) && k->ts_at == at)
			return;
	if (!n)
		return;
	memmove(pool + at, pool + behind, (sa->r.n_ts - behind) * sizeof(*pool));
	sa->r.n_ts = (uint16_t)(sa->r.n_ts - n);
	memset(pool + sa->r.n_ts, 0, n * sizeof(*pool));
	for (struct ike_child *k = sa->r.child; k < sa->r.child + IKE_CHILDREN; k++)
		if (k->state != CHILD_FREE && used(k) && k->ts_at > at)
			k->ts_at = (uint16_t)(k->ts_at - n);
}
