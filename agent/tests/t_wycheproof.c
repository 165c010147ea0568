// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Vectors of Project Wycheproof through our own functions (wycheproof.txt, made
 * by wycheproof.py). As a control each is used once more with one bit changed,
 * and must then come out otherwise.
 */
#include <errno.h>

#include "../crypto.h"
#include "../ke.h"
#include "tap.h"

#define FIELD	1200
#define FIELDS	6
#define UNCOMPRESSED	4

struct vector {
	unsigned int id;
	char result;		/* valid, invalid, acceptable */
	unsigned int n;
	struct view f[FIELDS];
	uint8_t buf[FIELDS][FIELD];
};

/* What came of one: it was taken, with the right result; with another one; it was refused. */
enum outcome { RIGHT, WRONG, REFUSED };

static enum outcome cmp(const uint8_t *got, size_t len, struct view want)
{
	return len == want.len && !memcmp(got, want.data, len) ? RIGHT : WRONG;
}

/* --- key iv aad msg ct tag --- */

static enum outcome aead(const struct suite *row, const struct vector *v)
{
	uint8_t text[FIELD + 16], key[AEAD_KEY_MAX];
	struct wr w = wr_init(key, sizeof(key));
	size_t len = v->f[4].len;

	wr_view(&w, v->f[0]);
	wr_bytes(&w, v->f[1].data, row->salt_len);
	memcpy(text, v->f[4].data, len);
	memcpy(text + len, v->f[5].data, row->icv_len);
	if (crypto_aead_open(row, view(key, w.len), v->f[1].data + row->salt_len, v->f[2], text,
			     len))
		return REFUSED;
	if (cmp(text, len, v->f[3]))
		return WRONG;
	if (crypto_aead_seal(row, view(key, w.len), v->f[1].data + row->salt_len, v->f[2], text,
			     len) || cmp(text, len, v->f[4]))
		return WRONG;
	return cmp(text + len, row->icv_len, v->f[5]);
}

static enum outcome gcm(const struct vector *v)
{
	return aead(suite_find(TRANSFORM_ENCR, ENCR_AES_GCM_16, (uint16_t)(8 * v->f[0].len)), v);
}

static enum outcome chacha(const struct vector *v)
{
	return aead(suite_find(TRANSFORM_ENCR, ENCR_CHACHA20_POLY1305, 0), v);
}

/* --- private public shared --- */

static enum outcome agree(struct ke *ke, struct view peer, struct view shared)
{
	struct secret s;
	int err = ke_derive(ke, peer, &s);

	if (err)
		return err == -EBADMSG && !s.len ? REFUSED : WRONG;
	return cmp(s.data, s.len, shared);
}

/* Theirs have a byte in front that says how a point is written; in IKE it is so always. */
static enum outcome ecdh(uint16_t group, unsigned int len, const struct vector *v)
{
	struct ke ke = { .group = group, .priv_len = (uint16_t)len };
	struct view priv = v->f[0], pub = v->f[1];

	while (priv.len > len)
		priv = view_sub(priv, 1, priv.len - 1);
	memcpy(ke.priv + len - priv.len, priv.data, priv.len);
	if (pub.len && pub.data[0] == UNCOMPRESSED)
		pub = view_sub(pub, 1, pub.len - 1);
	return agree(&ke, pub, v->f[2]);
}

static enum outcome p256(const struct vector *v)
{
	return ecdh(KE_ECP_256, 32, v);
}

static enum outcome p384(const struct vector *v)
{
	return ecdh(KE_ECP_384, 48, v);
}

static enum outcome p521(const struct vector *v)
{
	return ecdh(KE_ECP_521, 66, v);
}

static enum outcome x25519(const struct vector *v)
{
	struct ke ke = { .group = KE_CURVE25519, .priv_len = 32 };

	for (unsigned int i = 0; i < 32; i++)
		ke.priv[i] = v->f[0].data[31 - i];
	ke.priv[31] &= 248;
	ke.priv[0] = (ke.priv[0] & 127) | 64;
	return agree(&ke, v->f[1], v->f[2]);
}

/* --- key msg tag: as PRF, and cut short as it protects messages --- */

static enum outcome hmac(uint16_t prf, uint16_t integ, const struct vector *v)
{
	const struct suite *p = suite_find(TRANSFORM_PRF, prf, 0);
	const struct suite *i = suite_find(TRANSFORM_INTEG, integ, 0);
	size_t half = v->f[1].len / 2;
	struct view parts[] = { view_sub(v->f[1], 0, half),
				view_sub(v->f[1], half, v->f[1].len - half) };
	uint8_t out[HASH_MAX];

	if (crypto_hmac(p, v->f[0], &v->f[1], 1, out) || cmp(out, v->f[2].len, v->f[2]))
		return WRONG;
	if (crypto_hmac(i, v->f[0], parts, 2, out))
		return WRONG;
	return cmp(out, i->icv_len, view_sub(v->f[2], 0, i->icv_len));
}

static enum outcome sha1(const struct vector *v)
{
	return hmac(PRF_HMAC_SHA1, INTEG_HMAC_SHA1_96, v);
}

static enum outcome sha256(const struct vector *v)
{
	return hmac(PRF_HMAC_SHA2_256, INTEG_HMAC_SHA2_256_128, v);
}

static enum outcome sha384(const struct vector *v)
{
	return hmac(PRF_HMAC_SHA2_384, INTEG_HMAC_SHA2_384_192, v);
}

static enum outcome sha512(const struct vector *v)
{
	return hmac(PRF_HMAC_SHA2_512, INTEG_HMAC_SHA2_512_256, v);
}

/* --- key iv msg ct, with PKCS #5 padding, which IKE does not have --- */

static enum outcome cbc(const struct vector *v)
{
	const struct suite *row = suite_find(TRANSFORM_ENCR, ENCR_AES_CBC,
					     (uint16_t)(8 * v->f[0].len));
	size_t len = v->f[2].len, pad = 16 - len % 16;
	uint8_t text[FIELD + 16];

	memcpy(text, v->f[2].data, len);
	memset(text + len, (int)pad, pad);
	if (crypto_cbc_encrypt(row, v->f[0], v->f[1].data, text, len + pad) ||
	    cmp(text, len + pad, v->f[3]))
		return WRONG;
	if (crypto_cbc_decrypt(row, v->f[0], v->f[1].data, text, len + pad))
		return WRONG;
	return cmp(text, len, v->f[2]);
}

/* --- files --- */

static const struct kind {
	const char *name;
	enum outcome (*run)(const struct vector *v);
	unsigned int flip;	/* the field in which the control changes a bit */
} kinds[] = {
	{ "aes_gcm", gcm, 5 },
	{ "chacha20_poly1305", chacha, 4 },
	{ "x25519", x25519, 2 },
	{ "ecdh_secp256r1_ecpoint", p256, 1 },
	{ "ecdh_secp384r1_ecpoint", p384, 1 },
	{ "ecdh_secp521r1_ecpoint", p521, 1 },
	{ "hmac_sha1", sha1, 1 },
	{ "hmac_sha256", sha256, 0 },
	{ "hmac_sha384", sha384, 2 },
	{ "hmac_sha512", sha512, 2 },
	{ "aes_cbc_pkcs5", cbc, 3 },
};

static bool parse(struct vector *v, char *line)
{
	char *word, *rest = line;

	memset(v, 0, sizeof(*v));
	word = strtok_r(rest, " \n", &rest);
	v->id = (unsigned int)atoi(word);
	word = strtok_r(NULL, " \n", &rest);
	v->result = word ? *word : '?';
	while ((word = strtok_r(NULL, " \n", &rest)) && v->n < FIELDS) {
		size_t len = *word == '-' ? 0 : unhex(v->buf[v->n], FIELD, word);

		v->f[v->n] = view(v->buf[v->n], len);
		v->n++;
	}
	return v->id && v->n;
}

/* An all-zero result is refused (RFC 8031 3.2); the other curiosities of X25519 are computed. */
static bool zero(struct view v)
{
	for (size_t i = 0; i < v.len; i++)
		if (v.data[i])
			return false;
	return true;
}

static bool good(const struct kind *k, const struct vector *v, enum outcome got)
{
	bool point = k->run == p256 || k->run == p384 || k->run == p521;

	if (v->result == 'i')
		return got == REFUSED;
	if (point && v->f[1].data[0] != UNCOMPRESSED)
		return got == REFUSED;
	if (v->result == 'v')
		return got == RIGHT;
	return got == (zero(v->f[2]) ? REFUSED : RIGHT);
}

static void run_file(const struct kind *k, FILE *f, unsigned int n)
{
	unsigned int run = 0, bad = 0, refused = 0, controls = 0, blind = 0;
	static char line[8 * FIELD];
	static struct vector v;

	for (; run < n && fgets(line, sizeof(line), f) && parse(&v, line); run++) {
		enum outcome got = k->run(&v);

		refused += got == REFUSED;
		if (!good(k, &v, got)) {
			printf("# %s, test %u (%c): outcome %d\n", k->name, v.id, v.result, got);
			bad++;
		}
		if (got != RIGHT || !v.f[k->flip].len)
			continue;
		v.buf[k->flip][v.f[k->flip].len / 3] ^= 0x10;
		blind += k->run(&v) == RIGHT;
		controls++;
	}
	ok(run == n && !bad, "%s: %u vectors, %u of them refused, %u wrong", k->name, run, refused,
	   bad);
	ok(controls && !blind, "%s: %u with one bit changed, %u not noticed", k->name, controls,
	   blind);
}

int main(void)
{
	FILE *f = fopen("tests/wycheproof.txt", "re");
	char line[200], name[64];
	unsigned int n, files = 0;

	if (!ok(f, "vectors are there"))
		return done();
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "= %63s %*s %u", name, &n) != 2)
			continue;
		for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
			if (strcmp(name, kinds[i].name))
				continue;
			run_file(&kinds[i], f, n);
			files++;
		}
	}
	ok(files == sizeof(kinds) / sizeof(kinds[0]), "%u files", files);
	fclose(f);
	return done();
}
