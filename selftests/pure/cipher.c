// SPDX-License-Identifier: GPL-2.0
#include "cipher.h"

#include <mbedtls/aes.h>
#include <mbedtls/chachapoly.h>
#include <mbedtls/gcm.h>
#include <mbedtls/md.h>

/* The primitives. What they refuse is a mistake of the test. */

static void must(int err)
{
	if (err)
		abort();
}

void cipher_cbc(const u8 *key, unsigned int key_len, const u8 *iv, u8 *text, unsigned int len, bool encrypt)
{
	mbedtls_aes_context aes;
	u8 chain[16];

	memcpy(chain, iv, sizeof(chain));
	mbedtls_aes_init(&aes);
	if (encrypt)
		must(mbedtls_aes_setkey_enc(&aes, key, key_len * 8));
	else
		must(mbedtls_aes_setkey_dec(&aes, key, key_len * 8));
	must(mbedtls_aes_crypt_cbc(&aes, encrypt ? MBEDTLS_AES_ENCRYPT : MBEDTLS_AES_DECRYPT, len, chain,
				   text, text));
	mbedtls_aes_free(&aes);
}

static const mbedtls_md_info_t *hash_info(const char *hash)
{
	static const struct {
		const char *name;
		mbedtls_md_type_t type;
	} hashes[] = {
		{ "sha1", MBEDTLS_MD_SHA1 }, { "sha256", MBEDTLS_MD_SHA256 },
		{ "sha384", MBEDTLS_MD_SHA384 }, { "sha512", MBEDTLS_MD_SHA512 },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(hashes); i++)
		if (!strcmp(hashes[i].name, hash))
			return mbedtls_md_info_from_type(hashes[i].type);
	return NULL;
}

/* Returns the bytes that the whole of it has. */
unsigned int cipher_hmac(const char *hash, const u8 *key, unsigned int key_len, const u8 *data,
			 unsigned int len, u8 *out)
{
	const mbedtls_md_info_t *info = hash_info(hash);

	must(!info || mbedtls_md_hmac(info, key, key_len, data, len, out));
	return mbedtls_md_get_size(info);
}

void cipher_seal(bool chacha, const u8 *key, unsigned int key_len, const u8 *nonce, const u8 *aad,
		 unsigned int aad_len, u8 *text, unsigned int len, u8 *tag)
{
	if (chacha) {
		mbedtls_chachapoly_context ctx;

		mbedtls_chachapoly_init(&ctx);
		must(key_len != 32 || mbedtls_chachapoly_setkey(&ctx, key));
		must(mbedtls_chachapoly_encrypt_and_tag(&ctx, len, nonce, aad, aad_len, text, text, tag));
		mbedtls_chachapoly_free(&ctx);
	} else {
		mbedtls_gcm_context ctx;

		mbedtls_gcm_init(&ctx);
		must(mbedtls_gcm_setkey(&ctx, MBEDTLS_CIPHER_ID_AES, key, key_len * 8));
		must(mbedtls_gcm_crypt_and_tag(&ctx, MBEDTLS_GCM_ENCRYPT, len, nonce, 12, aad, aad_len, text,
					       text, CIPHER_TAG, tag));
		mbedtls_gcm_free(&ctx);
	}
}

bool cipher_open(bool chacha, const u8 *key, unsigned int key_len, const u8 *nonce, const u8 *aad,
		 unsigned int aad_len, u8 *text, unsigned int len, const u8 *tag)
{
	int err;

	if (chacha) {
		mbedtls_chachapoly_context ctx;

		mbedtls_chachapoly_init(&ctx);
		must(key_len != 32 || mbedtls_chachapoly_setkey(&ctx, key));
		err = mbedtls_chachapoly_auth_decrypt(&ctx, len, nonce, aad, aad_len, tag, text, text);
		mbedtls_chachapoly_free(&ctx);
	} else {
		mbedtls_gcm_context ctx;

		mbedtls_gcm_init(&ctx);
		must(mbedtls_gcm_setkey(&ctx, MBEDTLS_CIPHER_ID_AES, key, key_len * 8));
		err = mbedtls_gcm_auth_decrypt(&ctx, len, nonce, 12, aad, aad_len, tag, CIPHER_TAG, text,
					       text);
		mbedtls_gcm_free(&ctx);
	}
	return !err;
}

/* The kernel's interface: the templates that the module asks for, and their ways with keys and data. */

struct crypto_aead *crypto_alloc_aead(const char *name, u32 type, u32 mask)
{
	struct crypto_aead *tfm = calloc(1, sizeof(*tfm));
	int end = 0;

	if (!strcmp(name, "rfc4106(gcm(aes))")) {
		tfm->kind = CIPHER_GCM;
		return tfm;
	}
	if (!strcmp(name, "rfc7539esp(chacha20,poly1305)")) {
		tfm->kind = CIPHER_CHACHA;
		return tfm;
	}
	tfm->kind = CIPHER_PAIR;
	sscanf(name, "authenc(hmac(%7[a-z0-9]),cbc(aes))%n", tfm->hash, &end);
	if (!end) {
		tfm->kind = CIPHER_PAIR_ESN;
		sscanf(name, "authencesn(hmac(%7[a-z0-9]),cbc(aes))%n", tfm->hash, &end);
	}
	if (end && !name[end] && hash_info(tfm->hash))
		return tfm;
	free(tfm);
	return ERR_PTR(-ENOENT);
}

void crypto_free_aead(struct crypto_aead *tfm)
{
	free(tfm);
}

/* Parameters in an attribute of their very size, the HMAC's key, the cipher's. */
static int set_pair(struct crypto_aead *tfm, const u8 *key, unsigned int len)
{
	struct crypto_authenc_key_param param;
	struct rtattr attr;

	if (len < sizeof(attr) + sizeof(param))
		return -EINVAL;
	memcpy(&attr, key, sizeof(attr));
	memcpy(&param, key + sizeof(attr), sizeof(param));
	if (attr.rta_type != CRYPTO_AUTHENC_KEYA_PARAM || attr.rta_len != sizeof(attr) + sizeof(param))
		return -EINVAL;
	key += attr.rta_len;
	len -= attr.rta_len;
	tfm->key_len = __builtin_bswap32(param.enckeylen);
	if (tfm->key_len > len || len - tfm->key_len > sizeof(tfm->auth))
		return -EINVAL;
	tfm->auth_len = len - tfm->key_len;
	memcpy(tfm->auth, key, tfm->auth_len);
	if (tfm->key_len != 16 && tfm->key_len != 24 && tfm->key_len != 32)
		return -EINVAL;
	memcpy(tfm->key, key + tfm->auth_len, tfm->key_len);
	return 0;
}

int crypto_aead_setkey(struct crypto_aead *tfm, const u8 *key, unsigned int len)
{
	if (tfm->kind == CIPHER_PAIR || tfm->kind == CIPHER_PAIR_ESN)
		return set_pair(tfm, key, len);
	tfm->key_len = len - 4;
	if (tfm->key_len != 32 && (tfm->kind == CIPHER_CHACHA || (tfm->key_len != 16 && tfm->key_len != 24)))
		return -EINVAL;
	memcpy(tfm->key, key, tfm->key_len);
	memcpy(tfm->salt, key + tfm->key_len, 4);
	return 0;
}

int crypto_aead_setauthsize(struct crypto_aead *tfm, unsigned int size)
{
	if (tfm->kind == CIPHER_PAIR || tfm->kind == CIPHER_PAIR_ESN) {
		if (size > mbedtls_md_get_size(hash_info(tfm->hash)))
			return -EINVAL;
	} else if (size != CIPHER_TAG) {
		return -EINVAL;
	}
	tfm->icv = size;
	return 0;
}

unsigned int crypto_aead_reqsize(struct crypto_aead *tfm)
{
	return 100;
}

/* RFC 4106 and RFC 7634: the explicit IV is the end of the additional data, too. */
static int crypt_aead(struct aead_request *req, u8 *data, unsigned int text, bool encrypt)
{
	struct crypto_aead *tfm = req->tfm;
	const u8 *aad = req->src->data;
	u8 nonce[12];

	if (req->assoclen != 16 && req->assoclen != 20)
		return -EINVAL;
	memcpy(nonce, tfm->salt, 4);
	memcpy(nonce + 4, req->iv, 8);
	if (encrypt)
		cipher_seal(tfm->kind == CIPHER_CHACHA, tfm->key, tfm->key_len, nonce, aad, req->assoclen - 8,
			    data, text, data + text);
	else if (!cipher_open(tfm->kind == CIPHER_CHACHA, tfm->key, tfm->key_len, nonce, aad,
			      req->assoclen - 8, data, text, data + text))
		return -EBADMSG;
	return 0;
}

/* Of what is signed authencesn takes the second word away and puts it at the end. */
static void pair_icv(struct aead_request *req, unsigned int text, u8 *icv)
{
	struct crypto_aead *tfm = req->tfm;
	unsigned int len = req->assoclen + text;
	u8 *copy = malloc(len);

	memcpy(copy, req->src->data, len);
	if (tfm->kind == CIPHER_PAIR_ESN) {
		memmove(copy + 4, copy + 8, len - 8);
		memcpy(copy + len - 4, req->src->data + 4, 4);
	}
	cipher_hmac(tfm->hash, tfm->auth, tfm->auth_len, copy, len, icv);
	free(copy);
}

static int crypt_pair(struct aead_request *req, u8 *data, unsigned int text, bool encrypt)
{
	struct crypto_aead *tfm = req->tfm;
	u8 icv[CIPHER_HASH_MAX];

	if (text % 16 || (tfm->kind == CIPHER_PAIR_ESN && req->assoclen < 8))
		return -EINVAL;
	if (encrypt)
		cipher_cbc(tfm->key, tfm->key_len, req->iv, data, text, true);
	pair_icv(req, text, icv);
	if (encrypt) {
		memcpy(data + text, icv, tfm->icv);
		return 0;
	}
	if (memcmp(data + text, icv, tfm->icv))
		return -EBADMSG;
	cipher_cbc(tfm->key, tfm->key_len, req->iv, data, text, false);
	return 0;
}

int cipher_crypt(struct aead_request *req, bool encrypt)
{
	struct crypto_aead *tfm = req->tfm;
	unsigned int text = encrypt ? req->cryptlen : req->cryptlen - tfm->icv;

	if (req->src != req->dst || req->assoclen + text + tfm->icv > req->src->length)
		return -EINVAL;
	if (tfm->kind == CIPHER_GCM || tfm->kind == CIPHER_CHACHA)
		return crypt_aead(req, req->src->data + req->assoclen, text, encrypt);
	return crypt_pair(req, req->src->data + req->assoclen, text, encrypt);
}
