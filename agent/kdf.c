// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Key derivation of IKEv2. mbedTLS's HKDF would refuse short keys, and prf+ is
 * shorter than the way round it.
 */
#include <errno.h>
#include <string.h>

#include "kdf.h"
#include "secret.h"

#define PRF_PLUS_PARTS	6

static const struct suite *prf_row(uint16_t prf)
{
	return suite_find(TRANSFORM_PRF, prf, 0);
}

unsigned int kdf_prf_len(uint16_t prf)
{
	const struct suite *row = prf_row(prf);

	return row ? row->out_len : 0;
}

int kdf_prf(uint16_t prf, struct view key, const struct view *parts, unsigned int n, uint8_t *out)
{
	const struct suite *row = prf_row(prf);

	return row ? crypto_hmac(row, key, parts, n, out) : -EINVAL;
}

/* T1 = prf(K, S | 0x01), Tn = prf(K, Tn-1 | S | n), out = T1 | T2 | ... */
int kdf_prf_plus(uint16_t prf, struct view key, const struct view *parts, unsigned int n,
		 uint8_t *out, size_t len)
{
	const struct suite *row = prf_row(prf);
	struct view all[PRF_PLUS_PARTS + 2];
	struct wr w = wr_init(out, len);
	uint8_t t[HASH_MAX], count = 0;
	int err = 0;

	if (!row || n > PRF_PLUS_PARTS || len > 255 * (size_t)row->out_len)
		return -EINVAL;
	for (unsigned int i = 0; i < n; i++)
		all[i + 1] = parts[i];
	all[n + 1] = view(&count, 1);
	while (w.len < len && !err) {
		all[0] = view(t, count ? row->out_len : 0);
		count++;
		err = crypto_hmac(row, key, all, n + 2, t);
		wr_bytes(&w, t, row->out_len < len - w.len ? row->out_len : len - w.len);
	}
	secret_wipe_object(t);
	if (err)
		secret_wipe(out, len);
	return err;
}

int kdf_skeyseed(uint16_t prf, struct view ni, struct view nr, struct view gir, uint8_t *seed)
{
	uint8_t key[2 * NONCE_MAX];
	struct wr w = wr_init(key, sizeof(key));
	int err;

	wr_view(&w, ni);
	wr_view(&w, nr);
	if (w.err)
		return -EINVAL;
	err = kdf_prf(prf, view(key, w.len), &gir, 1, seed);
	secret_wipe_object(key);
	return err;
}

int kdf_skeyseed_rekey(const struct ike_keys *old, struct view gir, struct view ni, struct view nr,
		       uint8_t *seed)
{
	struct view parts[] = { gir, ni, nr };

	return kdf_prf(old->prf, view(old->d, old->prf_len), parts, 3, seed);
}

/* Lengths and ids of both directions. Return: bytes of keying material for one, or -EINVAL. */
static int sk_shape(const struct chosen *c, struct sk_key *k)
{
	const struct suite *encr = suite_of(&c->encr), *integ;

	if (!encr)
		return -EINVAL;
	k->encr = encr->id;
	k->encr_bits = encr->key_bits;
	k->e_len = encr->key_len + encr->salt_len;
	if (encr->flags & SUITE_AEAD)
		return k->e_len;
	integ = suite_find(TRANSFORM_INTEG, c->integ.id, 0);
	if (!integ)
		return -EINVAL;
	k->integ = integ->id;
	k->a_len = integ->key_len;
	return k->e_len + k->a_len;
}

int kdf_ike(const struct chosen *c, struct view seed, struct view ni, struct view nr,
	    uint64_t spi_i, uint64_t spi_r, struct ike_keys *out)
{
	uint8_t spis[16], okm[3 * HASH_MAX + 2 * (HASH_MAX + AEAD_KEY_MAX)];
	struct view parts[] = { ni, nr, view(spis, sizeof(spis)) };
	struct wr w = wr_init(spis, sizeof(spis));
	struct rd r;
	size_t len;
	int n, err;

	memset(out, 0, sizeof(*out));
	n = sk_shape(c, &out->i);
	if (n < 0 || !kdf_prf_len(c->prf.id))
		return -EINVAL;
	out->r = out->i;
	out->prf = c->prf.id;
	out->prf_len = (uint8_t)kdf_prf_len(c->prf.id);
	wr_u64(&w, spi_i);
	wr_u64(&w, spi_r);

	len = 3 * (size_t)out->prf_len + 2 * (size_t)n;
	err = kdf_prf_plus(out->prf, seed, parts, 3, okm, len);
	r = rd_init(okm, len);
	rd_copy(&r, out->d, out->prf_len);
	rd_copy(&r, out->i.a, out->i.a_len);
	rd_copy(&r, out->r.a, out->r.a_len);
	rd_copy(&r, out->i.e, out->i.e_len);
	rd_copy(&r, out->r.e, out->r.e_len);
	rd_copy(&r, out->pi, out->prf_len);
	rd_copy(&r, out->pr, out->prf_len);
	secret_wipe_object(okm);
	if (err)
		secret_wipe(out, sizeof(*out));
	return err;
}

int kdf_child(const struct ike_keys *ike, const struct chosen *c, struct view gir, struct view ni,
	      struct view nr, struct child_keys *out)
{
	struct view parts[] = { gir, ni, nr };
	uint8_t okm[2 * sizeof(out->i)];
	struct sk_key shape = { 0 };
	struct rd r;
	int n, err;

	memset(out, 0, sizeof(*out));
	n = sk_shape(c, &shape);
	if (n < 0 || (size_t)n > sizeof(out->i))
		return -EINVAL;
	err = kdf_prf_plus(ike->prf, view(ike->d, ike->prf_len), parts, 3, okm, 2 * (size_t)n);
	r = rd_init(okm, 2 * (size_t)n);
	if (!err) {
		out->len = (uint8_t)n;
		rd_copy(&r, out->i, out->len);
		rd_copy(&r, out->r, out->len);
	}
	secret_wipe_object(okm);
	return err;
}

int kdf_mac_id(const struct ike_keys *k, bool initiator, const struct ident *id, uint8_t *mac)
{
	uint8_t head[4] = { id->type };
	struct view parts[] = { view(head, sizeof(head)), view(id->data, id->len) };

	return kdf_prf(k->prf, view(initiator ? k->pi : k->pr, k->prf_len), parts, 2, mac);
}

int kdf_psk_auth(uint16_t prf, struct view psk, struct view octets, uint8_t *mac)
{
	static const char pad[] = "Key Pad for IKEv2";
	struct view text = view(pad, sizeof(pad) - 1);
	uint8_t key[HASH_MAX];
	int err = kdf_prf(prf, psk, &text, 1, key);

	if (!err)
		err = kdf_prf(prf, view(key, kdf_prf_len(prf)), &octets, 1, mac);
	secret_wipe_object(key);
	return err;
}
