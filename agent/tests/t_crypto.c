// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Ciphers, MACs and hashes against published vectors, and what must be refused.
 */
#include <errno.h>

#include "../crypto.h"
#include "../secret.h"
#include "tap.h"

#define BIG 256

static const struct suite *row(const char *name)
{
	const struct suite *s;

	for (unsigned int i = 0; (s = suite_row(i)); i++)
		if (!strcmp(s->name, name))
			return s;
	abort();
}

/* RFC 4231: key, data, then the MAC of each PRF. */
static const struct {
	const char *key, *data, *sha256, *sha384, *sha512;
} hmac[] = {
	{ "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "4869205468657265",
	  "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
	  "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59c"
	  "faea9ea9076ede7f4af152e8b2fa9cb6",
	  "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde"
	  "daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854" },
	{ "4a656665", "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
	  "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
	  "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e"
	  "8e2240ca5e69e2c78b3239ecfab21649",
	  "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
	  "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737" },
};

static void test_hmac(void)
{
	uint8_t key[BIG], data[BIG], out[HASH_MAX];

	for (unsigned int i = 0; i < sizeof(hmac) / sizeof(hmac[0]); i++) {
		size_t klen = unhex(key, sizeof(key), hmac[i].key);
		size_t dlen = unhex(data, sizeof(data), hmac[i].data);
		struct view parts[] = {
			view(data, 3), view(NULL, 0), view_sub(view(data, dlen), 3, dlen - 3)
		};

		crypto_hmac(row("prfsha256"), view(key, klen), parts, 3, out);
		is_bytes(out, 32, hmac[i].sha256, "HMAC-SHA-256, RFC 4231");
		crypto_hmac(row("prfsha384"), view(key, klen), parts, 3, out);
		is_bytes(out, 48, hmac[i].sha384, "HMAC-SHA-384, RFC 4231");
		crypto_hmac(row("sha512"), view(key, klen), parts, 3, out);
		is_bytes(out, 64, hmac[i].sha512, "HMAC-SHA-512, RFC 4231");
	}
	ok(crypto_hmac(row("aes128"), view(key, 16), NULL, 0, out) == -EINVAL,
	   "HMAC with a cipher's row is refused");
}

static void test_hash(void)
{
	struct view abc = view("abc", 3);
	uint8_t out[32];

	crypto_sha1(&abc, 1, out);
	is_bytes(out, 20, "a9993e364706816aba3e25717850c26c9cd0d89d", "SHA-1 of abc");
	crypto_sha256(&abc, 1, out);
	is_bytes(out, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
		 "SHA-256 of abc");
}

/* McGrew and Viega, "The Galois/Counter Mode of Operation", cases 4, 10, 16; key | salt. */
#define GCM_IV	 "facedbaddecaf888"
#define GCM_AAD	 "feedfacedeadbeeffeedfacedeadbeefabaddad2"
#define GCM_TEXT "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"	\
		 "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
static const struct {
	const char *name, *key, *out;
} gcm[] = {
	{ "aes128gcm16", "feffe9928665731c6d6a8f9467308308cafebabe",
	  "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
	  "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091"
	  "5bc94fbc3221a5db94fae95ae7121a47" },
	{ "aes192gcm16", "feffe9928665731c6d6a8f9467308308feffe9928665731ccafebabe",
	  "3980ca0b3c00e841eb06fac4872a2757859e1ceaa6efd984628593b40ca1e19c"
	  "7d773d00c144c525ac619d18c84a3f4718e2448b2fe324d9ccda2710"
	  "2519498e80f1478f37ba55bd6d27618c" },
	{ "aes256gcm16", "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308cafebabe",
	  "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
	  "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
	  "76fc6ece0f4e1768cddf8853bb2d551b" },
};

static void test_gcm(void)
{
	uint8_t key[AEAD_KEY_MAX], iv[8], aad[20], text[BIG], plain[BIG];

	unhex(iv, sizeof(iv), GCM_IV);
	unhex(aad, sizeof(aad), GCM_AAD);
	for (unsigned int i = 0; i < sizeof(gcm) / sizeof(gcm[0]); i++) {
		const struct suite *s = row(gcm[i].name);
		struct view k = view(key, unhex(key, sizeof(key), gcm[i].key));
		size_t len = unhex(plain, sizeof(plain), GCM_TEXT);
		bool wiped = true;

		memcpy(text, plain, len);
		ok(!crypto_aead_seal(s, k, iv, view(aad, 20), text, len), "%s seals", s->name);
		is_bytes(text, len + 16, gcm[i].out, gcm[i].name);
		ok(!crypto_aead_open(s, k, iv, view(aad, 20), text, len) &&
		   !memcmp(text, plain, len), "%s opens", s->name);

		crypto_aead_seal(s, k, iv, view(aad, 20), text, len);
		text[len + 15] ^= 1;
		ok(crypto_aead_open(s, k, iv, view(aad, 20), text, len) == -EBADMSG,
		   "%s: a wrong tag is refused", s->name);
		for (size_t j = 0; j < len; j++)
			wiped &= !text[j];
		ok(wiped, "%s: and leaves no text behind", s->name);
		ok(crypto_aead_seal(s, view(key, k.len - 1), iv, view(aad, 20), text, len) ==
		   -EINVAL, "%s: a short key is refused", s->name);
	}
}

/* NIST SP 800-38A F.2.1, F.2.3, F.2.5: two blocks. */
#define CBC_TEXT "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
static const struct {
	const char *name, *key, *out;
} cbc[] = {
	{ "aes128", "2b7e151628aed2a6abf7158809cf4f3c",
	  "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2" },
	{ "aes192", "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
	  "4f021db243bc633d7178183a9fa071e8b4d9ada9ad7dedf4e5e738763f69145a" },
	{ "aes256", "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
	  "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d" },
};

static void test_cbc(void)
{
	uint8_t key[32], iv[16], text[BIG];

	for (unsigned int i = 0; i < 16; i++)
		iv[i] = (uint8_t)i;
	for (unsigned int i = 0; i < sizeof(cbc) / sizeof(cbc[0]); i++) {
		const struct suite *s = row(cbc[i].name);
		struct view k = view(key, unhex(key, sizeof(key), cbc[i].key));
		size_t len = unhex(text, sizeof(text), CBC_TEXT);

		ok(!crypto_cbc_encrypt(s, k, iv, text, len), "%s encrypts", s->name);
		is_bytes(text, len, cbc[i].out, "CBC, SP 800-38A");
		ok(!crypto_cbc_decrypt(s, k, iv, text, len), "%s decrypts", s->name);
		is_bytes(text, len, CBC_TEXT, "CBC, back again");
		ok(crypto_cbc_encrypt(s, k, iv, text, 15) == -EINVAL &&
		   crypto_cbc_encrypt(s, k, iv, text, 0) == -EINVAL, "%s: whole blocks only",
		   s->name);
	}
}

static void test_secret(void)
{
	static const uint8_t zero[sizeof(struct secret)];
	uint8_t big[SECRET_MAX + 1] = { 1 };
	struct secret s = { 0 };

	ok(secret_equal("abc", "abc", 3) && !secret_equal("abc", "abd", 3) &&
	   secret_equal("a", "b", 0), "secrets are compared");
	ok(!secret_set(&s, "abc", 3) && s.len == 3, "a secret is kept");
	ok(secret_set(&s, big, sizeof(big)) == -EMSGSIZE && !s.len, "one that is too long is not");
	secret_set(&s, "abc", 3);
	secret_clear(&s);
	ok(!memcmp(&s, zero, sizeof(s)), "a cleared secret is all zero");
	secret_clear(NULL);
	secret_wipe(NULL, 0);
}

static void test_random(void)
{
	uint8_t a[40] = { 0 }, b[40] = { 0 };

	crypto_random(a, sizeof(a));
	crypto_random(b, sizeof(b));
	ok(memcmp(a, b, sizeof(a)), "random bytes differ");
	crypto_random_seed(7);
	crypto_random(a, sizeof(a));
	crypto_random_seed(7);
	crypto_random(b, sizeof(b));
	ok(!memcmp(a, b, sizeof(a)), "seeded bytes repeat (tests only)");
	crypto_random_seed(0);
}

int main(void)
{
	test_hmac();
	test_hash();
	test_gcm();
	test_cbc();
	test_secret();
	test_random();
	return done();
}
