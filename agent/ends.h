/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The selectors of child SAs, for both ends: what the configuration wants for
 * each pair, and what was agreed on for each child. Those lie in one pool of the
 * record, where a child that follows another shares its selectors.
 */
#ifndef AGENT_ENDS_H
#define AGENT_ENDS_H

#include "sa.h"
#include "ts.h"

struct ends {
	uint8_t n_local, n_remote;
	struct ts local[TUNNEL_SELECTORS], remote[TUNNEL_SELECTORS];
};

/* All that the configuration has, or everything. */
void ends_all(const struct tunnel *t, struct ends *out);
/* For how many pairs there are to be children: one, for everything, unless "children = per-pair". */
unsigned int ends_pairs(const struct tunnel *t);
/* What is wanted for a pair; its number is below ends_pairs(). */
void ends_wanted(const struct tunnel *t, unsigned int pair, struct ends *out);
/* Both ends of what the peer may have of this, nothing if that is empty at one. */
bool ends_narrow(const struct ends *want, const struct ts_set *local, const struct ts_set *remote,
		 struct ends *out);
bool ends_within(const struct ends *a, const struct ends *b);
bool ends_equal(const struct ends *a, const struct ends *b);

/* A child's. false: the pool is full. */
bool ends_set(struct sa *sa, struct ike_child *c, const struct ends *e);
void ends_get(const struct sa *sa, const struct ike_child *c, struct ends *out);
void ends_drop(struct sa *sa, struct ike_child *c);

#endif
