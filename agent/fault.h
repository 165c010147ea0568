/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Faults to order, in test builds only (-DIPSECVTI_IMPAIR): what can go wrong
 * between an engine and the world, each at a named place. A list of rules,
 * separated by commas:
 *
 *	drop:EXCHANGE:KIND[:in][:N]	the Nth such message goes nowhere
 *	duplicate: ...			goes twice
 *	delay: ... :N:MS		goes MS milliseconds later (1000)
 *	reorder: ...			goes behind the next message of that direction
 *	corrupt: ... :N:BYTE		has a bit of that byte changed (of the last)
 *	fail:CALL[:N]			the Nth such call fails with ENOMEM
 *
 * EXCHANGE is IKE_SA_INIT, IKE_AUTH, CREATE_CHILD_SA, INFORMATIONAL or "any",
 * KIND is request or response, "in" is for those that come (else those that
 * leave), N counts from 1 (the default), 0 is each. CALL is an operation of
 * struct ike_ops but send, source and note.
 *
 * The simulator gives rules by fault_set(), ipsecvti-net takes them from
 * IPSECVTI_IMPAIR in the keeper's environment; the next process has none.
 */
#ifndef AGENT_FAULT_H
#define AGENT_FAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tunnel.h"

struct ike;

#ifdef IPSECVTI_IMPAIR
#include <stdio.h>
#include <stdlib.h>

void fault_wrap(struct ike *ike);	/* between it and its ops */
void fault_unwrap(struct ike *ike);
/* In place of the rules so far. How many there are, or -1: one that makes no sense. */
int fault_set(struct ike *ike, const char *rules);
unsigned int fault_hits(const struct ike *ike);	/* of all rules */
/* Whether a message that came is dealt with. */
bool fault_input(struct ike *ike, const struct addr *local, const struct addr *remote, bool marker,
		 uint8_t *msg, size_t len);

/* Out of the keeper's environment into that of ipsecvti-net. */
static inline void fault_environment(char *buf, size_t size)
{
	const char *rules = getenv("IPSECVTI_IMPAIR");

	if (rules)
		snprintf(buf, size, "IPSECVTI_IMPAIR=%s", rules);
}
#else
static inline void fault_wrap(struct ike *ike)
{
}

static inline void fault_unwrap(struct ike *ike)
{
}

static inline bool fault_input(struct ike *ike, const struct addr *local,
			       const struct addr *remote, bool marker, uint8_t *msg, size_t len)
{
	return false;
}

static inline void fault_environment(char *buf, size_t size)
{
}
#endif

#endif
