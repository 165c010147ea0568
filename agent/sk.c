// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The Encrypted payload. AEADs: RFC 5282, the explicit IV is a counter. Cipher
 * and hash: RFC 7296 3.14, the MAC covers the message up to itself and is
 * checked before anything is decrypted.
 */
#include <errno.h>
#include <string.h>

#include "secret.h"
#include "sk.h"

struct sk_rows {
	const struct suite *encr, *integ;	/* integ is NULL with an AEAD */
	unsigned int icv_len;
};

static int rows(struct sk_rows *s, const struct sk_key *k)
{
	s->encr = suite_find(TRANSFORM_ENCR, k->encr, k->encr_bits);
	if (!s->encr || k->e_len != s->encr->key_len + s->encr->salt_len)
		return -EINVAL;
	if (s->encr->flags & SUITE_AEAD) {
		s->integ = NULL;
		s->icv_len = s->encr->icv_len;
		return k->integ == INTEG_NONE ? 0 : -EINVAL;
	}
	s->integ = suite_find(TRANSFORM_INTEG, k->integ, 0);
	if (!s->integ || k->a_len != s->integ->key_len)
		return -EINVAL;
	s->icv_len = s->integ->icv_len;
	return 0;
}

int sk_begin(struct wire_out *o, const struct sk_key *k)
{
	struct sk_rows s;
	int err = rows(&s, k);

	if (!err)
		wire_open_sk(o, s.encr->iv_len);
	return err;
}

int sk_begin_fragment(struct wire_out *o, const struct sk_key *k, uint16_t num, uint16_t total,
		      uint8_t first)
{
	struct sk_rows s;
	int err = rows(&s, k);

	if (!err)
		wire_open_skf(o, s.encr->iv_len, num, total, first);
	return err;
}

size_t sk_text_max(const struct sk_key *k, size_t len, bool fragment)
{
	size_t head = IKE_HDR_LEN + IKE_PAYLOAD_HDR_LEN + (fragment ? 4 : 0);
	struct sk_rows s;

	if (rows(&s, k))
		return 0;
	head += s.encr->iv_len + s.icv_len;
	if (len < head + s.encr->block)
		return 0;
	/* The pad length byte is the last of whole blocks. */
	return (len - head) / s.encr->block * s.encr->block - 1;
}

static int seal_etm(const struct sk_rows *s, const struct sk_key *k, const struct sk_room *room)
{
	struct view covered = view(room->msg, room->len - s->icv_len);
	uint8_t mac[HASH_MAX];
	int err;

	crypto_random(room->iv, s->encr->iv_len);
	err = crypto_cbc_encrypt(s->encr, view(k->e, k->e_len), room->iv, room->text,
				 room->text_len);
	if (!err)
		err = crypto_hmac(s->integ, view(k->a, k->a_len), &covered, 1, mac);
	if (!err)
		memcpy(room->icv, mac, s->icv_len);
	return err;
}

int sk_seal(struct wire_out *o, const struct sk_key *k, uint64_t counter)
{
	struct sk_room room;
	struct sk_rows s;
	struct wr iv;
	int err = rows(&s, k);

	if (err)
		return err;
	err = wire_end_sk(o, s.encr->block, s.icv_len, &room);
	if (err)
		return err;
	if (s.integ) {
		err = seal_etm(&s, k, &room);
	} else {
		iv = wr_init(room.iv, s.encr->iv_len);
		wr_u64(&iv, counter);
		err = crypto_aead_seal(s.encr, view(k->e, k->e_len), room.iv,
				       view(room.msg, room.aad_len), room.text, room.text_len);
	}
	if (err)
		secret_wipe(room.text, room.text_len);
	return err ? err : (int)room.len;
}

static int open_etm(const struct sk_rows *s, const struct sk_key *k, const struct msg *m,
		    const uint8_t *iv, uint8_t *text, size_t len)
{
	struct view covered = view_sub(m->raw, 0, m->raw.len - s->icv_len);
	struct view icv = view_sub(m->raw, m->raw.len - s->icv_len, s->icv_len);
	uint8_t mac[HASH_MAX];
	int err = crypto_hmac(s->integ, view(k->a, k->a_len), &covered, 1, mac);

	if (!err && !secret_equal(mac, icv.data, s->icv_len))
		err = -EBADMSG;
	secret_wipe_object(mac);
	return err ? err : crypto_cbc_decrypt(s->encr, view(k->e, k->e_len), iv, text, len);
}

/* Checks, decrypts, takes the padding off. m->inner: it was authentic. */
static int decrypt(struct msg *m, uint8_t *buf, const struct sk_key *k, struct view *out)
{
	struct wr w = wr_init(buf, m->raw.len);
	struct sk_rows s;
	const uint8_t *iv;
	uint8_t *text;
	size_t len;
	int err;

	err = rows(&s, k);
	if (err)
		return err;
	/* At least the pad length byte lies between IV and ICV. */
	if (m->sk.len < s.encr->iv_len + 1U + s.icv_len)
		return -EBADMSG;
	len = m->sk.len - s.encr->iv_len - s.icv_len;
	if (len % s.encr->block)
		return -EBADMSG;
	wr_room(&w, m->raw.len);
	iv = wr_at(&w, m->sk_aad);
	text = wr_at(&w, m->sk_aad + s.encr->iv_len);
	if (!iv || !text)
		return -EINVAL;
	if (s.integ)
		err = open_etm(&s, k, m, iv, text, len);
	else
		err = crypto_aead_open(s.encr, view(k->e, k->e_len), iv,
				       view_sub(m->raw, 0, m->sk_aad), text, len);
	if (err)
		return err;

	/* Authentic from here on: what is wrong now is the peer's doing. */
	m->inner = true;
	if (text[len - 1] > len - 1)
		return -EBADMSG;
	*out = view(text, len - 1 - text[len - 1]);
	return 0;
}

int sk_open(struct msg *m, uint8_t *buf, const struct sk_key *k)
{
	struct view text;
	int err;

	if (m->sk_type != PAYLOAD_SK || m->inner)
		return -ENOENT;
	err = decrypt(m, buf, k, &text);
	return err ? err : wire_parse_inner(m, m->sk_first, text.data, text.len);
}

int sk_open_fragment(struct msg *m, uint8_t *buf, const struct sk_key *k, struct view *text)
{
	if (m->sk_type != PAYLOAD_SKF || m->inner)
		return -ENOENT;
	return decrypt(m, buf, k, text);
}
