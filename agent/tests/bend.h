/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One message of the simulator, changed on its way: in the clear in IKE_SA_INIT,
 * else its plaintext, which is encrypted again, so that the receiver believes it.
 */
#ifndef AGENT_TESTS_BEND_H
#define AGENT_TESTS_BEND_H

#include "sim.h"

enum bend_how {
	BEND_LENGTH,	/* of payload "which": one of eleven lies */
	BEND_TYPE,	/* payload "which" becomes one of type "value" */
	BEND_CRITICAL,	/* the same, and it is critical */
	BEND_DROP,	/* payload "which" is missing */
	BEND_TWICE,	/* payload "which" is there twice */
	BEND_CUT,	/* "which" bytes are left */
	BEND_FLIP,	/* byte "which" ^= "value" */
	BEND_GROW,	/* nine bytes of "value" behind it */
	BEND_BODY,	/* the payload of type "which" has another body */
	BEND_HOWS,
};

struct bend {
	uint8_t exchange;
	bool response;
	int from;		/* side */
	enum bend_how how;
	unsigned int which;	/* payload or byte */
	unsigned int value;
	struct view body;
	unsigned int skip;	/* so many messages of that kind before */
	unsigned int hits;	/* messages changed; no more than one is */
};

extern struct bend bend;

/* For sim.tap. */
bool bend_tap(struct sim *s, int from, uint8_t *msg, size_t *len);

/* Plaintext payloads as a message of a side; room for 8192 bytes at msg. false: it has no keys. */
bool bend_seal(struct sim *s, int from, const struct ike_hdr *h, uint8_t first,
	       const uint8_t *text, size_t text_len, uint8_t *msg, size_t *len);

#endif
