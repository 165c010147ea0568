/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ciphers, MACs, hashes, random bytes. With ke.c the only user of mbedTLS; it
 * is written to the functions that 2.28 and 3.6 share. Algorithms are named
 * by rows of suite.h.
 *
 * Errors: -EINVAL a length or algorithm that does not fit (our bug, or a peer's length), -EBADMSG
 * authentication failed (the output is wiped), -EIO the library failed.
 */
#ifndef AGENT_CRYPTO_H
#define AGENT_CRYPTO_H

#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "suite.h"

#define HASH_MAX	64	/* longest hash or MAC in use */
#define AEAD_KEY_MAX	36	/* key | salt */

/* Fills buf from the kernel (getrandom). Does not fail: without random bytes the process ends. */
void crypto_random(void *buf, size_t len);
#ifdef AGENT_TEST
/*
 * Tests only: deterministic bytes from here on, or the kernel's again with seed 0. Returns where the
 * ones before had come to, for a test that goes on with them later.
 */
uint64_t crypto_random_seed(uint64_t seed);
#endif
/* The same in the shape that mbedTLS calls; ctx is unused. */
int crypto_random_cb(void *ctx, unsigned char *buf, size_t len);

/*
 * crypto_hmac() - HMAC over the concatenation of n parts.
 * @row: a PRF or INTEG row
 * @out: row->out_len bytes (the full output; for INTEG the caller truncates to icv_len)
 */
int crypto_hmac(const struct suite *row, struct view key, const struct view *parts, unsigned int n,
		uint8_t *out);

/* SHA-1 over n parts, for NAT detection only (RFC 7296 2.23). out has 20 bytes. */
int crypto_sha1(const struct view *parts, unsigned int n, uint8_t *out);
/* SHA-256 over n parts: cookies, store checksums. out has 32 bytes. */
int crypto_sha256(const struct view *parts, unsigned int n, uint8_t *out);

/*
 * crypto_aead_seal(), crypto_aead_open() - AEAD of RFC 5282, in place.
 * @row: an ENCR row with SUITE_AEAD
 * @key: key | salt, row->key_len + row->salt_len bytes
 * @iv: row->iv_len bytes, never the same twice under one key
 * @text: len bytes, replaced by the result; row->icv_len bytes follow, written or checked
 */
int crypto_aead_seal(const struct suite *row, struct view key, const uint8_t *iv, struct view aad,
		     uint8_t *text, size_t len);
int crypto_aead_open(const struct suite *row, struct view key, const uint8_t *iv, struct view aad,
		     uint8_t *text, size_t len);

/* AES-CBC in place; len a multiple of the block, iv has 16 bytes and stays as it is. */
int crypto_cbc_encrypt(const struct suite *row, struct view key, const uint8_t *iv, uint8_t *text,
		       size_t len);
int crypto_cbc_decrypt(const struct suite *row, struct view key, const uint8_t *iv, uint8_t *text,
		       size_t len);

#endif
