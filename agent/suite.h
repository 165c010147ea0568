/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What we know about algorithms, in one table (suite.c): IANA number, name,
 * sizes, mbedTLS's and the kernel's identifiers, policy. To add an algorithm
 * is to add a row. And the text form of proposals, as strongSwan spells it.
 */
#ifndef AGENT_SUITE_H
#define AGENT_SUITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tunnel.h"

enum transform_type {
	TRANSFORM_ENCR = 1,
	TRANSFORM_PRF,
	TRANSFORM_INTEG,
	TRANSFORM_KE,
	TRANSFORM_ESN,
};

/* IANA "Internet Key Exchange Version 2 (IKEv2) Parameters", those in use here. */
enum {
	ENCR_AES_CBC = 12,
	ENCR_AES_GCM_16 = 20,
	ENCR_CHACHA20_POLY1305 = 28,

	PRF_HMAC_SHA1 = 2,
	PRF_HMAC_SHA2_256 = 5,
	PRF_HMAC_SHA2_384,
	PRF_HMAC_SHA2_512,

	INTEG_NONE = 0,
	INTEG_HMAC_SHA1_96 = 2,
	INTEG_HMAC_SHA2_256_128 = 12,
	INTEG_HMAC_SHA2_384_192,
	INTEG_HMAC_SHA2_512_256,

	KE_NONE = 0,
	KE_MODP_1024 = 2,
	KE_MODP_1536 = 5,
	KE_MODP_2048 = 14,
	KE_MODP_3072,
	KE_MODP_4096,
	KE_ECP_256 = 19,
	KE_ECP_384,
	KE_ECP_521,
	KE_CURVE25519 = 31,

	ESN_NO = 0,
	ESN_YES = 1,
};

enum suite_flags {
	SUITE_IKE = 1,		/* may be offered for IKE SAs */
	SUITE_ESP = 2,		/* may be offered for ESP (the kernel module has it) */
	SUITE_LEGACY = 4,	/* only with "profile = legacy" (RFC 8247) */
	SUITE_AEAD = 8,
};

struct suite {
	const char *name;	/* "aes256gcm16", "prfsha384", "ecp256", ... */
	uint8_t type;		/* enum transform_type */
	uint8_t flags;		/* enum suite_flags */
	uint16_t id;		/* IANA */
	uint16_t key_bits;	/* the Key Length attribute; 0: none */
	uint8_t key_len;	/* bytes; PRF: preferred key length; KE: 0 */
	uint8_t salt_len;	/* bytes of salt behind the key in KEYMAT (AEADs) */
	uint8_t iv_len;		/* explicit IV on the wire */
	uint8_t block;		/* the text is padded to a multiple of this */
	uint8_t icv_len;	/* AEAD: tag; INTEG: truncated MAC */
	uint16_t out_len;	/* PRF, INTEG: full output; KE: length of the shared secret */
	uint16_t pub_len;	/* KE: length of the public value */
	int mbed;		/* mbedtls_cipher_type_t, _md_type_t or _ecp_group_id */
	int kernel;		/* enum ipsecvti_suite; 0: not a suite of its own */
};

/* The row of a transform, or NULL. key_bits must match exactly (0 for all but ENCR). */
const struct suite *suite_find(uint8_t type, uint16_t id, uint16_t key_bits);
static inline const struct suite *suite_of(const struct transform *t)
{
	return suite_find(t->type, t->id, t->key_bits);
}

/* The name of a transform for people: the row's, or "none", or "type/id". Returns buf. */
const char *suite_name(const struct transform *t, char *buf, size_t len);

/* Every row in turn, for tables in help texts and tests; NULL at the end. */
const struct suite *suite_row(unsigned int i);

/* enum ipsecvti_suite for an agreed pair, or 0 when the kernel module has none. */
int suite_kernel(const struct transform *encr, const struct transform *integ);

/* What we offer when the configuration names nothing: text for proposals_parse(). */
const char *suite_default(uint8_t protocol);

#define SUITE_ERR_MAX	160

/*
 * proposals_parse() - Text such as "aes256gcm16-prfsha384-ecp384, aes256-sha256-modp2048".
 * @out: room for @max proposals
 * @protocol: PROTO_IKE (1) or PROTO_ESP (3)
 * @legacy: algorithms marked SUITE_LEGACY are allowed
 * @err: on failure a sentence that names the bad word; SUITE_ERR_MAX is always enough
 *
 * IKE: without a PRF word the hash words are read as PRFs too; KE is required. ESP: KE is
 * optional (perfect forward secrecy); without "esn" or "noesn" both are offered, ESN first. A
 * proposal is either all AEAD, without a hash, or all cipher-and-hash (RFC 7296 3.3, RFC 5282 8).
 *
 * Return: number of proposals (>= 1), or -EINVAL.
 */
int proposals_parse(struct proposal *out, unsigned int max, uint8_t protocol, const char *text,
		    bool legacy, char *err, size_t err_len);

/*
 * proposal_format() - The text of a proposal; parses back to an equal one. Always terminated.
 * Return: length, as snprintf() counts it.
 */
int proposal_format(const struct proposal *p, char *buf, size_t len);

#endif
