/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What to answer when the peer's request crosses one of our own: RFC 7296
 * 2.25 as one table.
 */
#ifndef AGENT_COLLIDE_H
#define AGENT_COLLIDE_H

#include <stddef.h>
#include <stdint.h>

/* What we are doing: our own outstanding request, or the SA's state where that says more. */
enum collide_own {
	OWN_NOTHING,		/* nothing, or a liveness check */
	OWN_CHILD_NEW,
	OWN_CHILD_REKEY,	/* of another child than the request's */
	OWN_CHILD_REKEY_SAME,
	OWN_CHILD_DELETE,	/* of another child */
	OWN_CHILD_DELETE_SAME,
	OWN_IKE_REKEY,
	OWN_IKE_DELETE,
	OWN_REPLACED,		/* this IKE SA has a successor and waits for its DELETE */
	OWN_MAX,
};

enum collide_peer {
	PEER_CHILD_NEW,
	PEER_CHILD_REKEY,
	PEER_CHILD_DELETE,
	PEER_IKE_REKEY,
	PEER_IKE_DELETE,
	PEER_MAX,
};

enum collide_answer {
	ANSWER,			/* as usual */
	ANSWER_TWIN,		/* as usual, and the lowest of four nonces decides later */
	ANSWER_BUSY,		/* TEMPORARY_FAILURE */
	ANSWER_EMPTY,		/* without a DELETE payload: ours is under way for the same SA */
	ANSWER_FORGET,		/* as usual, and our own request is void */
};

enum collide_answer collide(enum collide_own own, enum collide_peer peer);
const char *collide_name(enum collide_answer answer);
#ifdef AGENT_TEST
/* For the control runs of tests: another entry. And who is asked for which. */
void collide_set(enum collide_own own, enum collide_peer peer, enum collide_answer answer);
extern void (*collide_hook)(enum collide_own own, enum collide_peer peer);
#endif

/* Order of nonces (RFC 7296 2.8.1): octet by octet; the one that ends first is lower. */
int nonce_cmp(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len);

#endif
