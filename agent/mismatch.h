/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Why a negotiation failed: one line in the log with what both sides said, and
 * the first thing in which they differ; that also becomes the tunnel's note. So
 * many for each tunnel, and so many for all strangers together.
 */
#ifndef AGENT_MISMATCH_H
#define AGENT_MISMATCH_H

#include "ends.h"
#include "peer.h"
#include "prop.h"
#include "wire.h"

/* Two lists of proposals that did not come together. */
struct mismatch {
	const char *what;
	const struct proposal *ours;
	unsigned int n;
	const struct sa_list *theirs;
	unsigned int spi_len, flags;	/* as for prop_select() */
	bool answer;			/* theirs is what it chose of ours */
};

void mismatch_proposals(struct peer *p, const struct addr *remote, const struct mismatch *m);

/* Agreed or not: those of the peer's proposals that say what may not be said. */
void mismatch_void(struct peer *p, const struct sa_list *theirs);

/* ours and theirs for both ends; theirs as the peer put it for our end and for its own. */
void mismatch_selectors(struct peer *p, const char *what, const struct ends *ours,
			const struct ts_set *local, const struct ts_set *remote);

/*
 * p NULL: no tunnel comes into question. theirs is what the peer calls itself, own what we call
 * ourselves, asked what the peer calls us; NULL where that was not said.
 */
void mismatch_identities(struct peer *p, const struct addr *remote, const char *why,
			 const struct ident *theirs, const struct ident *own,
			 const struct ident *asked);

/*
 * As initiator: the peer said no to an exchange in which we sent a value of this group (KE_NONE: of
 * none), for a child with these ends; NULL: for the IKE SA. why gets it as a sentence.
 */
void mismatch_refused(struct peer *p, const struct addr *remote, const char *exchange,
		      const struct ends *ours, const struct notify *n, uint16_t sent,
		      char why[DOOR_TEXT_MAX]);

#endif
