/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The long-term secrets, in keeper only: locked into memory, out of core
 * dumps, gone from forked children, wiped when dropped. What leaves here is
 * a MAC or a yes.
 */
#ifndef AGENT_KEYS_H
#define AGENT_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "door.h"
#include "secret.h"

#define KEYS_PER_TUNNEL	2	/* the first signs unless the peer has shown the other, both verify */

struct keys;

struct keys *keys_new(void);
void keys_free(struct keys *k);
bool keys_locked(const struct keys *k);	/* false: some of it may be swapped out */

/* Replaces what the tunnel had. n 0 drops it. 0, -EINVAL, -ENOMEM (and nothing changed). */
int keys_set(struct keys *k, uint32_t tunnel, const struct secret *list, unsigned int n);

/*
 * prf(prf(psk, "Key Pad for IKEv2"), octets) with one of the tunnel's secrets: key, modulo their
 * number. -ENOENT: no secret, -EINVAL: no such PRF.
 */
int keys_mac(const struct keys *k, uint32_t tunnel, uint32_t key, uint16_t prf,
	     const uint8_t *octets, size_t len, struct door_mac *out);
/* 0 and which secret it is, or -EACCES; the time does not depend on where they differ. */
int keys_verify(const struct keys *k, uint32_t tunnel, uint16_t prf, const uint8_t *octets,
		size_t len, const uint8_t *mac, size_t mac_len, uint32_t *key);

#endif
