// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mbedTLS behind functions of our own: its generic cipher and md layers, in
 * the calls that 2.28 and 3.6 share, and no member of its structures.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <mbedtls/cipher.h>
#include <mbedtls/md.h>

#include "crypto.h"
#include "secret.h"

#define AEAD_NONCE_MAX	12

#ifdef AGENT_TEST
static uint64_t test_seed;

uint64_t crypto_random_seed(uint64_t seed)
{
	uint64_t before = test_seed;

	test_seed = seed;
	return before;
}

/* SplitMix64: enough to make a simulation repeat itself. */
static bool random_test(uint8_t *p, size_t len)
{
	if (!test_seed)
		return false;
	for (size_t i = 0; i < len; i++) {
		uint64_t z = test_seed += 0x9e3779b97f4a7c15;

		z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
		z = (z ^ z >> 27) * 0x94d049bb133111eb;
		p[i] = (uint8_t)(z ^ z >> 31);
	}
	return true;
}
#else
static bool random_test(uint8_t *p, size_t len)
{
	return false;
}
#endif

void crypto_random(void *buf, size_t len)
{
	struct wr w = wr_init(buf, len);

	if (random_test(buf, len))
		return;
	while (w.len < w.cap) {
		ssize_t n = getrandom(wr_at(&w, w.len), w.cap - w.len, 0);

		/* Keys from anything else would be worse than no process. */
		if (n < 0 && errno != EINTR)
			abort();
		if (n > 0)
			wr_room(&w, (size_t)n);
	}
}

int crypto_random_cb(void *ctx, unsigned char *buf, size_t len)
{
	crypto_random(buf, len);
	return 0;
}

static int hmac_parts(mbedtls_md_context_t *ctx, struct view key, const struct view *parts,
		      unsigned int n, uint8_t *out)
{
	int err = mbedtls_md_hmac_starts(ctx, key.data, key.len);

	for (unsigned int i = 0; i < n && !err; i++)
		if (parts[i].len)
			err = mbedtls_md_hmac_update(ctx, parts[i].data, parts[i].len);
	return err ? err : mbedtls_md_hmac_finish(ctx, out);
}

int crypto_hmac(const struct suite *row, struct view key, const struct view *parts, unsigned int n,
		uint8_t *out)
{
	const mbedtls_md_info_t *info;
	mbedtls_md_context_t ctx;
	int err;

	if (row->type != TRANSFORM_PRF && row->type != TRANSFORM_INTEG)
		return -EINVAL;
	info = mbedtls_md_info_from_type((mbedtls_md_type_t)row->mbed);
	if (!info || mbedtls_md_get_size(info) != row->out_len)
		return -EINVAL;
	mbedtls_md_init(&ctx);
	err = mbedtls_md_setup(&ctx, info, 1);
	if (!err)
		err = hmac_parts(&ctx, key, parts, n, out);
	mbedtls_md_free(&ctx);
	if (err)
		secret_wipe(out, row->out_len);
	return err ? -EIO : 0;
}

static int hash(mbedtls_md_type_t type, const struct view *parts, unsigned int n, uint8_t *out)
{
	const mbedtls_md_info_t *info = mbedtls_md_info_from_type(type);
	mbedtls_md_context_t ctx;
	int err;

	if (!info)
		return -EINVAL;
	mbedtls_md_init(&ctx);
	err = mbedtls_md_setup(&ctx, info, 0);
	if (!err)
		err = mbedtls_md_starts(&ctx);
	for (unsigned int i = 0; i < n && !err; i++)
		if (parts[i].len)
			err = mbedtls_md_update(&ctx, parts[i].data, parts[i].len);
	if (!err)
		err = mbedtls_md_finish(&ctx, out);
	mbedtls_md_free(&ctx);
	return err ? -EIO : 0;
}

int crypto_sha1(const struct view *parts, unsigned int n, uint8_t *out)
{
	return hash(MBEDTLS_MD_SHA1, parts, n, out);
}

int crypto_sha256(const struct view *parts, unsigned int n, uint8_t *out)
{
	return hash(MBEDTLS_MD_SHA256, parts, n, out);
}

static int cipher_setup(mbedtls_cipher_context_t *ctx, const struct suite *row, const uint8_t *key,
			mbedtls_operation_t op)
{
	const mbedtls_cipher_info_t *info =
		mbedtls_cipher_info_from_type((mbedtls_cipher_type_t)row->mbed);

	if (!info || mbedtls_cipher_setup(ctx, info))
		return -EIO;
	return mbedtls_cipher_setkey(ctx, key, 8 * row->key_len, op) ? -EIO : 0;
}

static bool aead_fits(const struct suite *row, struct view key)
{
	return row->type == TRANSFORM_ENCR && row->flags & SUITE_AEAD &&
	       key.len == (size_t)row->key_len + row->salt_len &&
	       row->salt_len + row->iv_len <= AEAD_NONCE_MAX;
}

/* Nonce = salt | IV (RFC 5282 4). */
static size_t aead_nonce(const struct suite *row, struct view key, const uint8_t *iv,
			 uint8_t nonce[AEAD_NONCE_MAX])
{
	struct wr w = wr_init(nonce, AEAD_NONCE_MAX);

	wr_view(&w, view_sub(key, row->key_len, row->salt_len));
	wr_bytes(&w, iv, row->iv_len);
	return w.len;
}

int crypto_aead_seal(const struct suite *row, struct view key, const uint8_t *iv, struct view aad,
		     uint8_t *text, size_t len)
{
	mbedtls_cipher_context_t ctx;
	uint8_t nonce[AEAD_NONCE_MAX];
	size_t out = 0;
	int err;

	if (!aead_fits(row, key))
		return -EINVAL;
	mbedtls_cipher_init(&ctx);
	err = cipher_setup(&ctx, row, key.data, MBEDTLS_ENCRYPT);
	if (!err && (mbedtls_cipher_auth_encrypt_ext(&ctx, nonce, aead_nonce(row, key, iv, nonce),
						     aad.data, aad.len, text, len, text,
						     len + row->icv_len, &out, row->icv_len) ||
		     out != len + row->icv_len))
		err = -EIO;
	mbedtls_cipher_free(&ctx);
	secret_wipe_object(nonce);
	if (err)
		secret_wipe(text, len + row->icv_len);
	return err;
}

int crypto_aead_open(const struct suite *row, struct view key, const uint8_t *iv, struct view aad,
		     uint8_t *text, size_t len)
{
	mbedtls_cipher_context_t ctx;
	uint8_t nonce[AEAD_NONCE_MAX];
	size_t out = 0;
	int err;

	if (!aead_fits(row, key))
		return -EINVAL;
	mbedtls_cipher_init(&ctx);
	err = cipher_setup(&ctx, row, key.data, MBEDTLS_DECRYPT);
	if (!err) {
		err = mbedtls_cipher_auth_decrypt_ext(&ctx, nonce, aead_nonce(row, key, iv, nonce),
						      aad.data, aad.len, text, len + row->icv_len,
						      text, len, &out, row->icv_len);
		if (err)
			err = err == MBEDTLS_ERR_CIPHER_AUTH_FAILED ? -EBADMSG : -EIO;
		else if (out != len)
			err = -EIO;
	}
	mbedtls_cipher_free(&ctx);
	secret_wipe_object(nonce);
	if (err)
		secret_wipe(text, len);
	return err;
}

static int cbc(const struct suite *row, struct view key, const uint8_t *iv, uint8_t *text,
	       size_t len, mbedtls_operation_t op)
{
	mbedtls_cipher_context_t ctx;
	size_t out = 0;
	int err;

	if (row->type != TRANSFORM_ENCR || row->flags & SUITE_AEAD || key.len != row->key_len ||
	    !len || len % row->block)
		return -EINVAL;
	mbedtls_cipher_init(&ctx);
	err = cipher_setup(&ctx, row, key.data, op);
	if (!err && mbedtls_cipher_set_padding_mode(&ctx, MBEDTLS_PADDING_NONE))
		err = -EIO;
	if (!err && (mbedtls_cipher_crypt(&ctx, iv, row->iv_len, text, len, text, &out) ||
		     out != len))
		err = -EIO;
	mbedtls_cipher_free(&ctx);
	if (err)
		secret_wipe(text, len);
	return err;
}

int crypto_cbc_encrypt(const struct suite *row, struct view key, const uint8_t *iv, uint8_t *text,
		       size_t len)
{
	return cbc(row, key, iv, text, len, MBEDTLS_ENCRYPT);
}

int crypto_cbc_decrypt(const struct suite *row, struct view key, const uint8_t *iv, uint8_t *text,
		       size_t len)
{
	return cbc(row, key, iv, text, len, MBEDTLS_DECRYPT);
}
