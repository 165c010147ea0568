/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Child SAs: their slots in the record, the kernel's SAs behind them, and which
 * one the tunnel sends through. Inbound is installed before outbound, the
 * outbound set is switched in one step, what was inbound lingers.
 */
#ifndef AGENT_CHILD_H
#define AGENT_CHILD_H

#include "ends.h"
#include "sa.h"

/*
 * An empty slot with a new child-id, or NULL: all taken. One is kept for the answer to our own
 * request, if that is out (own: it has come).
 */
struct ike_child *child_slot(struct sa *sa, bool own);
bool child_room(const struct sa *sa);		/* Is there a slot for a request of ours? */
struct ike_child *child_by_id(struct sa *sa, uint32_t id);
struct ike_child *child_by_out(struct sa *sa, uint32_t spi_out);
/* Of a pair: CHILD_CURRENT, or the newest ready one; NULL for none. */
struct ike_child *child_current(struct sa *sa, unsigned int pair);
struct ike_child *child_any(struct sa *sa);		/* the same, of the first pair that has one */
void child_free(struct sa *sa, struct ike_child *c);

/* What a pair is sent through, and which IKE SA has it; NULL: nothing. */
struct ike_child *child_sent(struct peer *p, unsigned int pair, struct sa **owner);
/* Does the tunnel send through anything? Through a child of this IKE SA? */
bool child_sending(const struct peer *p);
bool child_carries(struct peer *p, struct sa *sa);

/* The exchange that a child is made of. */
struct child_deal {
	const struct chosen *chosen;
	const struct secret *gir;	/* NULL: no key exchange of its own */
	struct view ni, nr;
	bool initiator;			/* we initiated this exchange */
};

/*
 * Derives the keys and gives both SAs to the kernel; c has SPIs and selectors
 * by then. 0, or a negative errno with nothing left in the kernel.
 */
int child_install(struct sa *sa, struct ike_child *c, const struct child_deal *deal);
/* Send through it from now on; the one of its pair before it becomes old. */
void child_use(struct sa *sa, struct ike_child *c);
/* Out of the kernel, the inbound SA a little later. The pair falls back to what is left. */
void child_drop(struct sa *sa, struct ike_child *c);
/* The same for all; the inbound SAs linger if another IKE SA carries the tunnel on. */
void child_drop_all(struct sa *sa);
/* Replaced without having been used: our DELETE is due in ms. */
void child_retire(struct sa *sa, struct ike_child *c, uint64_t ms);
/* Has the one that we send through rekeyed then, if not before. */
void child_rekey_by(struct sa *sa, uint64_t at);
/* The kernel says that something authentic came in on it. */
void child_first_auth(struct sa *sa, struct ike_child *c);
/* From one IKE SA to its successor. */
void child_move(struct sa *from, struct sa *to);

/* What the kernel refused, once more. */
void child_kernel_again(struct peer *p);

void child_tick(struct sa *sa, uint64_t now);
uint64_t child_due(const struct sa *sa);	/* UINT64_MAX: nothing */

/* A pair should have a child and has none: one is asked for, if that is our affair, after ms. */
void child_want(struct sa *sa, unsigned int pair, uint64_t ms);
void child_missing(struct sa *sa, unsigned int pair, const char *why);
/* The same for every pair without; for the pairs behind the first, once the IKE SA is up. */
void child_missing_any(struct sa *sa, const char *why);
void child_want_rest(struct sa *sa);

#endif
