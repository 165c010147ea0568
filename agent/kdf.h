/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Key derivation of IKEv2 (RFC 7296 2.13 to 2.18), on crypto_hmac() alone.
 * PRFs are given by their IANA id. All results are secrets of the caller's.
 */
#ifndef AGENT_KDF_H
#define AGENT_KDF_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "crypto.h"
#include "prop.h"
#include "sk.h"

/* The keys of an IKE SA. Plain data, for the state store; wipe it. */
struct ike_keys {
	uint16_t prf;		/* IANA id */
	uint8_t prf_len;	/* of d, pi and pr */
	uint8_t d[HASH_MAX];
	uint8_t pi[HASH_MAX], pr[HASH_MAX];
	struct sk_key i, r;	/* of what the original initiator, and responder, sends */
};

/*
 * Keys of a child SA, each as the kernel suite's key blob lies: AES-GCM key | salt (RFC 4106 8.1),
 * else encryption key | integrity key, which is the very order of KEYMAT (RFC 7296 2.17).
 */
struct child_keys {
	uint8_t len;		/* of each */
	uint8_t i[128];		/* for packets sent by the initiator of the exchange */
	uint8_t r[128];		/* by the responder */
};

/* Output length of a PRF in bytes, 0 if unknown. */
unsigned int kdf_prf_len(uint16_t prf);

/* prf(key, parts ...); out has kdf_prf_len() bytes. -EINVAL unknown PRF, -EIO. */
int kdf_prf(uint16_t prf, struct view key, const struct view *parts, unsigned int n, uint8_t *out);

/* prf+(key, parts ...) of RFC 7296 2.13, len bytes; at most 255 blocks (-EINVAL). */
int kdf_prf_plus(uint16_t prf, struct view key, const struct view *parts, unsigned int n,
		 uint8_t *out, size_t len);

/* SKEYSEED = prf(Ni | Nr, g^ir) (2.14); seed has kdf_prf_len() bytes. */
int kdf_skeyseed(uint16_t prf, struct view ni, struct view nr, struct view gir, uint8_t *seed);

/* SKEYSEED = prf(SK_d (old), g^ir (new) | Ni | Nr) (2.18), with the old SA's PRF. */
int kdf_skeyseed_rekey(const struct ike_keys *old, struct view gir, struct view ni, struct view nr,
		       uint8_t *seed);

/*
 * kdf_ike() - {SK_d | SK_ai | SK_ar | SK_ei | SK_er | SK_pi | SK_pr} = prf+(SKEYSEED, ...) (2.14).
 * @c: agreed transforms; seed_len is that of the PRF which made it (the old SA's in a rekey).
 */
int kdf_ike(const struct chosen *c, struct view seed, struct view ni, struct view nr,
	    uint64_t spi_i, uint64_t spi_r, struct ike_keys *out);

/* KEYMAT of a child (2.17); gir empty without a key exchange of its own. */
int kdf_child(const struct ike_keys *ike, const struct chosen *c, struct view gir, struct view ni,
	      struct view nr, struct child_keys *out);

/*
 * The octets that a side signs (2.15) end in prf(SK_p, ID'), ID' being the body of its ID payload
 * (type, three zero bytes, data). mac has kdf_prf_len() bytes.
 */
int kdf_mac_id(const struct ike_keys *k, bool initiator, const struct ident *id, uint8_t *mac);

/* AUTH = prf(prf(psk, "Key Pad for IKEv2"), octets) (2.15); mac has kdf_prf_len() bytes. */
int kdf_psk_auth(uint16_t prf, struct view psk, struct view octets, uint8_t *mac);

#endif
