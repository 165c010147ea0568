/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Key exchange methods: MODP groups, ECP groups, Curve25519. The state is plain
 * data, so that a process that is started again goes on with the exchange.
 */
#ifndef AGENT_KE_H
#define AGENT_KE_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "secret.h"

#define KE_PRIV_MAX	72
#define KE_PUB_MAX	512

/* One side of an exchange. priv is secret: ke_clear() it. */
struct ke {
	uint16_t group;		/* IANA KE id; 0: empty */
	uint16_t priv_len, pub_len;
	uint8_t priv[KE_PRIV_MAX];
	uint8_t pub[KE_PUB_MAX];	/* as it goes into the KE payload */
};

/* Whether the group is implemented. */
bool ke_known(uint16_t group);
/* Length of the group's public value in bytes, 0 if unknown. */
unsigned int ke_pub_len(uint16_t group);

/* A new key pair. -ENOTSUP unknown group, -EIO. */
int ke_generate(struct ke *ke, uint16_t group);

/*
 * ke_derive() - The shared secret, padded to the group's length (RFC 7296 2.14, RFC 5903 7:
 * the x coordinate; RFC 8031).
 *
 * The peer's value is checked first (RFC 6989 2): length, 1 < y < p - 1, on the curve, not a point
 * that gives an all-zero result. Return: 0, -EBADMSG for a bad value of the peer's, -EIO.
 */
int ke_derive(const struct ke *ke, struct view peer, struct secret *out);

/* Wipes all of it; ke->group is 0 then. */
void ke_clear(struct ke *ke);

/* The MODP part (ke_modp.c), called through the functions above. */
bool ke_modp_known(uint16_t group);
int ke_modp_generate(struct ke *ke);
int ke_modp_derive(const struct ke *ke, struct view peer, struct secret *out);

#endif
