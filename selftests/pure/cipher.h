/* SPDX-License-Identifier: GPL-2.0 */
/*
 * mbedTLS, as the primitives that the tests compare with, and behind the
 * kernel's interface of AEADs (see shim.h).
 */
#ifndef CIPHER_H
#define CIPHER_H

#include "shim.h"

#define CIPHER_TAG 16
#define CIPHER_HASH_MAX 64

struct crypto_aead {
	enum { CIPHER_GCM, CIPHER_CHACHA, CIPHER_PAIR, CIPHER_PAIR_ESN } kind;
	char hash[8];
	u8 key[32], auth[CIPHER_HASH_MAX], salt[4];
	unsigned int key_len, auth_len, icv;
};

void cipher_cbc(const u8 *key, unsigned int key_len, const u8 *iv, u8 *text, unsigned int len,
		bool encrypt);
unsigned int cipher_hmac(const char *hash, const u8 *key, unsigned int key_len, const u8 *data,
			 unsigned int len, u8 *out);
void cipher_seal(bool chacha, const u8 *key, unsigned int key_len, const u8 *nonce, const u8 *aad,
		 unsigned int aad_len, u8 *text, unsigned int len, u8 *tag);
bool cipher_open(bool chacha, const u8 *key, unsigned int key_len, const u8 *nonce, const u8 *aad,
		 unsigned int aad_len, u8 *text, unsigned int len, const u8 *tag);
int cipher_crypt(struct aead_request *req, bool encrypt);

#endif
