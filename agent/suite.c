// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The table of algorithms. Numbers are IANA's; policy follows RFC 8247 and
 * RFC 8221. What is not here is not negotiated.
 */
#include <stdio.h>
#include <string.h>

#include <linux/ipsecvti.h>
#include <mbedtls/cipher.h>
#include <mbedtls/ecp.h>
#include <mbedtls/md.h>

#include "suite.h"
#include "wire_sa.h"

#define BOTH (SUITE_IKE | SUITE_ESP)

#define GCM(bits) {								\
	.name = "aes" #bits "gcm16", .type = TRANSFORM_ENCR, .flags = BOTH | SUITE_AEAD,	\
	.id = ENCR_AES_GCM_16, .key_bits = bits, .key_len = bits / 8, .salt_len = 4,	\
	.iv_len = 8, .block = 1, .icv_len = 16, .mbed = MBEDTLS_CIPHER_AES_##bits##_GCM,	\
	.kernel = IPSECVTI_SUITE_AES##bits##GCM16 }

#define CBC(bits, use) {								\
	.name = "aes" #bits, .type = TRANSFORM_ENCR, .flags = use,		\
	.id = ENCR_AES_CBC, .key_bits = bits, .key_len = bits / 8,		\
	.iv_len = 16, .block = 16, .mbed = MBEDTLS_CIPHER_AES_##bits##_CBC }

#define PRF(word, iana, len, md, flag) {					\
	.name = word, .type = TRANSFORM_PRF, .flags = SUITE_IKE | (flag),	\
	.id = iana, .key_len = len, .out_len = len, .mbed = md }

#define INTEG(word, iana, len, icv, md, flag) {					\
	.name = word, .type = TRANSFORM_INTEG, .flags = BOTH | (flag),		\
	.id = iana, .key_len = len, .icv_len = icv, .out_len = len, .mbed = md }

#define MODP(bits, flag) {							\
	.name = "modp" #bits, .type = TRANSFORM_KE, .flags = BOTH | (flag),	\
	.id = KE_MODP_##bits, .out_len = bits / 8, .pub_len = bits / 8 }

/* The shared secret is x alone (RFC 5903 7), the public value x and y. */
#define ECP(bits, len) {							\
	.name = "ecp" #bits, .type = TRANSFORM_KE, .flags = BOTH,		\
	.id = KE_ECP_##bits, .out_len = len, .pub_len = 2 * (len),		\
	.mbed = MBEDTLS_ECP_DP_SECP##bits##R1 }

static const struct suite table[] = {
	GCM(256), GCM(192), GCM(128),
	{ .name = "chacha20poly1305", .type = TRANSFORM_ENCR, .flags = BOTH | SUITE_AEAD,
	  .id = ENCR_CHACHA20_POLY1305, .key_len = 32, .salt_len = 4, .iv_len = 8, .block = 1,
	  .icv_len = 16, .mbed = MBEDTLS_CIPHER_CHACHA20_POLY1305,
	  .kernel = IPSECVTI_SUITE_CHACHA20POLY1305 },
	CBC(256, BOTH), CBC(192, SUITE_IKE), CBC(128, BOTH),

	PRF("prfsha256", PRF_HMAC_SHA2_256, 32, MBEDTLS_MD_SHA256, 0),
	PRF("prfsha384", PRF_HMAC_SHA2_384, 48, MBEDTLS_MD_SHA384, 0),
	PRF("prfsha512", PRF_HMAC_SHA2_512, 64, MBEDTLS_MD_SHA512, 0),
	PRF("prfsha1", PRF_HMAC_SHA1, 20, MBEDTLS_MD_SHA1, SUITE_LEGACY),

	INTEG("sha256", INTEG_HMAC_SHA2_256_128, 32, 16, MBEDTLS_MD_SHA256, 0),
	INTEG("sha384", INTEG_HMAC_SHA2_384_192, 48, 24, MBEDTLS_MD_SHA384, 0),
	INTEG("sha512", INTEG_HMAC_SHA2_512_256, 64, 32, MBEDTLS_MD_SHA512, 0),
	INTEG("sha1", INTEG_HMAC_SHA1_96, 20, 12, MBEDTLS_MD_SHA1, SUITE_LEGACY),

	{ .name = "curve25519", .type = TRANSFORM_KE, .flags = BOTH, .id = KE_CURVE25519,
	  .out_len = 32, .pub_len = 32, .mbed = MBEDTLS_ECP_DP_CURVE25519 },
	ECP(256, 32), ECP(384, 48), ECP(521, 66),
	MODP(2048, 0), MODP(3072, 0), MODP(4096, 0),
	MODP(1536, SUITE_LEGACY), MODP(1024, SUITE_LEGACY),

	{ .name = "esn", .type = TRANSFORM_ESN, .flags = SUITE_ESP, .id = ESN_YES },
	{ .name = "noesn", .type = TRANSFORM_ESN, .flags = SUITE_ESP, .id = ESN_NO },
};

#define ROWS (sizeof(table) / sizeof(table[0]))

/* What the kernel makes of a cipher and a hash. */
static const struct {
	uint16_t key_bits, integ;
	int kernel;
} pairs[] = {
	{ 128, INTEG_HMAC_SHA1_96, IPSECVTI_SUITE_AES128_SHA1 },
	{ 128, INTEG_HMAC_SHA2_256_128, IPSECVTI_SUITE_AES128_SHA256 },
	{ 128, INTEG_HMAC_SHA2_384_192, IPSECVTI_SUITE_AES128_SHA384 },
	{ 128, INTEG_HMAC_SHA2_512_256, IPSECVTI_SUITE_AES128_SHA512 },
	{ 256, INTEG_HMAC_SHA1_96, IPSECVTI_SUITE_AES256_SHA1 },
	{ 256, INTEG_HMAC_SHA2_256_128, IPSECVTI_SUITE_AES256_SHA256 },
	{ 256, INTEG_HMAC_SHA2_384_192, IPSECVTI_SUITE_AES256_SHA384 },
	{ 256, INTEG_HMAC_SHA2_512_256, IPSECVTI_SUITE_AES256_SHA512 },
};

const struct suite *suite_row(unsigned int i)
{
	return i < ROWS ? &table[i] : NULL;
}

const struct suite *suite_find(uint8_t type, uint16_t id, uint16_t key_bits)
{
	for (unsigned int i = 0; i < ROWS; i++)
		if (table[i].type == type && table[i].id == id && table[i].key_bits == key_bits)
			return &table[i];
	return NULL;
}

const char *suite_name(const struct transform *t, char *buf, size_t len)
{
	static const char *const types[] = { "?", "encr", "prf", "integ", "ke", "esn" };
	const struct suite *s = suite_of(t);

	if (s)
		snprintf(buf, len, "%s", s->name);
	else if (!t->id && (t->type == TRANSFORM_INTEG || t->type == TRANSFORM_KE))
		snprintf(buf, len, "none");
	else if (t->key_bits)
		snprintf(buf, len, "%s/%u/%u", types[t->type <= TRANSFORM_ESN ? t->type : 0],
			 t->id, t->key_bits);
	else
		snprintf(buf, len, "%s/%u", types[t->type <= TRANSFORM_ESN ? t->type : 0], t->id);
	return buf;
}

int suite_kernel(const struct transform *encr, const struct transform *integ)
{
	const struct suite *s = suite_of(encr);

	if (!s)
		return 0;
	if (s->flags & SUITE_AEAD)
		return integ->id == INTEG_NONE ? s->kernel : 0;
	for (unsigned int i = 0; s->id == ENCR_AES_CBC && i < sizeof(pairs) / sizeof(pairs[0]); i++)
		if (pairs[i].key_bits == s->key_bits && pairs[i].integ == integ->id)
			return pairs[i].kernel;
	return 0;
}

const char *suite_default(uint8_t protocol)
{
	if (protocol == PROTO_ESP)
		return "aes256gcm16, aes128gcm16";
	/* One KE and one PRF each, strongest first; the last for peers without AEADs in IKE. */
	return "aes256gcm16-prfsha384-ecp384,"
	       "aes256gcm16-prfsha256-ecp256,"
	       "aes128gcm16-prfsha256-curve25519,"
	       "aes128gcm16-prfsha256-ecp256,"
	       "aes256gcm16-prfsha256-modp2048,"
	       "aes256-aes128-sha256-sha384-sha512-modp2048-ecp256-ecp384-curve25519";
}
