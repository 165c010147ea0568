// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Protected messages: sealed, opened, tampered with.
 */
#include <errno.h>

#include "../sk.h"
#include "tap.h"

static const struct ike_hdr hdr = {
	.spi_i = 1, .spi_r = 2, .exchange = EXCHANGE_INFORMATIONAL, .id = 3,
};

static const struct sk_key keys[] = {
	{ ENCR_AES_GCM_16, 128, INTEG_NONE, 20, 0, "key and salt 128", "" },
	{ ENCR_AES_GCM_16, 256, INTEG_NONE, 36, 0, "key and salt 256", "" },
	{ ENCR_AES_CBC, 128, INTEG_HMAC_SHA2_256_128, 16, 32, "key 128", "hash key" },
	{ ENCR_AES_CBC, 256, INTEG_HMAC_SHA2_384_192, 32, 48, "key 256", "hash key" },
	{ ENCR_AES_CBC, 256, INTEG_HMAC_SHA2_512_256, 32, 64, "key 256", "hash key" },
	{ ENCR_AES_CBC, 192, INTEG_HMAC_SHA1_96, 24, 20, "key 192", "hash key" },
};

#define N_KEYS (sizeof(keys) / sizeof(keys[0]))

/* A vendor id of n bytes inside SK. */
static int seal(uint8_t *buf, size_t cap, const struct sk_key *k, size_t n)
{
	uint8_t text[600] = { 0x55 };
	struct wire_out o;
	int err;

	wire_begin(&o, buf, cap, &hdr);
	err = sk_begin(&o, k);
	if (err)
		return err;
	if (n)
		wire_put_vendor(&o, view(text, n));
	return sk_seal(&o, k, 0x0102030405060708);
}

/* Opens a copy of exact size. The message's views are dead afterwards. */
static int open_copy(struct msg *m, const uint8_t *buf, size_t len, const struct sk_key *k,
		     size_t *body)
{
	uint8_t *copy = malloc(len ? len : 1);
	const struct payload *p;
	int err;

	if (len)
		memcpy(copy, buf, len);
	err = wire_parse(m, copy, len);
	if (!err)
		err = sk_open(m, copy, k);
	p = err ? NULL : msg_find(m, PAYLOAD_VENDOR, 0);
	if (body)
		*body = p ? p->body.len : 0;
	free(copy);
	return err;
}

static void test_round(void)
{
	uint8_t buf[1000];
	struct msg m;
	size_t body;

	for (unsigned int i = 0; i < N_KEYS; i++) {
		bool good = true;

		for (size_t n = 0; n < 100; n++) {
			int len = seal(buf, sizeof(buf), &keys[i], n);

			good &= len > 0 && !open_copy(&m, buf, (size_t)len, &keys[i], &body) &&
				m.inner && body == n && m.n == (n ? 1 : 0);
		}
		ok(good, "suite %u: messages of all lengths", i);
	}
	is_bytes(buf + 17, 2, "2025", "the header stays in clear");
	seal(buf, sizeof(buf), &keys[0], 10);
	is_bytes(buf + 28, 4 + 8, "2b00002b 0102030405060708", "the IV is the counter (RFC 5282)");
	ok(seal(buf, sizeof(buf), &keys[0], 10) == 28 + 4 + 8 + 14 + 1 + 16,
	   "no more padding than one byte");
	ok(seal(buf, sizeof(buf), &keys[2], 10) == 28 + 4 + 16 + 16 + 16, "or to the block");
	for (int cap = 0; cap < 71; cap++)
		if (seal(buf, (size_t)cap, &keys[0], 10) != -EMSGSIZE)
			ok(false, "%d bytes are too few", cap);
	ok(seal(buf, 71, &keys[0], 10) == 71, "71 are just enough");
}

static void test_iv(void)
{
	uint8_t a[200], b[200];
	int len = seal(a, sizeof(a), &keys[2], 20);

	seal(b, sizeof(b), &keys[2], 20);
	ok(memcmp(a + 32, b + 32, 16) && memcmp(a, b, (size_t)len), "CBC: IVs differ");
}

/* Every bit of every byte, but the header fields that come before authentication. */
static void test_tamper(void)
{
	uint8_t buf[200];
	struct msg m;

	for (unsigned int i = 0; i < N_KEYS; i++) {
		size_t len = (size_t)seal(buf, sizeof(buf), &keys[i], 20);
		unsigned int taken = 0, inner = 0;

		for (size_t at = 0; at < len; at++) {
			for (unsigned int bit = 0; bit < 8; bit++) {
				buf[at] ^= (uint8_t)(1 << bit);
				taken += !open_copy(&m, buf, len, &keys[i], NULL);
				inner += m.inner;
				buf[at] ^= (uint8_t)(1 << bit);
			}
		}
		ok(!taken && !inner, "suite %u: no changed bit is taken", i);
		ok(open_copy(&m, buf, len, &keys[(i + 1) % N_KEYS], NULL) == -EBADMSG && !m.inner,
		   "suite %u: nor another key", i);
	}
}

/* SK payloads that are too short for their parts. */
static void test_short(void)
{
	uint8_t buf[200];
	struct wire_out o;
	struct msg m;

	for (unsigned int i = 0; i < N_KEYS; i++) {
		bool good = true;

		for (size_t n = 0; n < 80; n++) {
			int len;

			wire_begin(&o, buf, sizeof(buf), &hdr);
			wire_open(&o, PAYLOAD_SK);
			wr_zero(&o.w, n);
			wire_close(&o);
			len = wire_end(&o);
			good &= open_copy(&m, buf, (size_t)len, &keys[i], NULL) == -EBADMSG &&
				!m.inner;
		}
		ok(good, "suite %u: short ones are refused", i);
	}
	wire_begin(&o, buf, sizeof(buf), &hdr);
	ok(open_copy(&m, buf, (size_t)wire_end(&o), &keys[0], NULL) == -ENOENT, "none is none");
}

/* Authentic nonsense: sealed by one who has the key. text is all of the plaintext. */
static int nonsense(struct msg *m, const struct sk_key *k, uint8_t first, const char *text)
{
	const struct suite *encr = suite_find(TRANSFORM_ENCR, k->encr, k->encr_bits);
	uint8_t buf[300], plain[200];
	size_t len = unhex(plain, sizeof(plain), text);
	struct sk_room room;
	struct wire_out o;
	struct wr iv;

	wire_begin(&o, buf, sizeof(buf), &hdr);
	wire_open_sk(&o, encr->iv_len);
	wr_patch_u8(&o.w, o.next_at, first);
	/* wire_end_sk() adds the pad length byte: write all but the last byte, then set that. */
	wr_bytes(&o.w, plain, len - 1);
	wire_end_sk(&o, 1, encr->icv_len, &room);
	room.text[room.text_len - 1] = plain[len - 1];
	iv = wr_init(room.iv, 8);
	wr_u64(&iv, 1);
	crypto_aead_seal(encr, view(k->e, k->e_len), room.iv, view(room.msg, room.aad_len),
			 room.text, room.text_len);
	return open_copy(m, buf, room.len, k, NULL);
}

static void test_nonsense(void)
{
	const struct sk_key *k = &keys[0];
	struct msg m;

	ok(!nonsense(&m, k, 0, "00") && m.inner && !m.n, "an empty one is fine");
	ok(!nonsense(&m, k, 0, "aabbcc03") && m.inner, "any padding is fine (RFC 7296 3.14)");
	ok(nonsense(&m, k, 0, "aabbcc04") == -EBADMSG && m.inner, "more padding than text is not");
	ok(nonsense(&m, k, 0, "ff") == -EBADMSG && m.inner, "much more neither");
	ok(nonsense(&m, k, PAYLOAD_VENDOR, "00") == -EBADMSG && m.inner && !m.n,
	   "a payload that is not there");
	ok(nonsense(&m, k, 0, "0000000400") == -EBADMSG && m.inner, "text behind no payload");
	ok(nonsense(&m, k, PAYLOAD_VENDOR, "0000000600") == -EBADMSG && m.inner,
	   "a payload beyond the text");
	ok(nonsense(&m, k, PAYLOAD_SK, "0000000400") == -EBADMSG && m.inner, "SK in SK");
	ok(nonsense(&m, k, 200, "0080000400") == -EOPNOTSUPP && m.inner && m.critical == 200,
	   "an unknown critical payload is reported");
	ok(!nonsense(&m, k, 200, "0000000400") && m.inner && m.unknown == 1,
	   "an unknown one is skipped");
}

static void test_keys(void)
{
	struct sk_key k = keys[2];
	uint8_t buf[200];

	k.integ = INTEG_NONE;
	ok(seal(buf, sizeof(buf), &k, 1) == -EINVAL, "CBC without a hash is refused");
	k = keys[0];
	k.integ = INTEG_HMAC_SHA2_256_128;
	ok(seal(buf, sizeof(buf), &k, 1) == -EINVAL, "an AEAD with one too");
	k = keys[0];
	k.e_len = 16;
	ok(seal(buf, sizeof(buf), &k, 1) == -EINVAL, "a key without its salt too");
	k.encr = 99;
	ok(seal(buf, sizeof(buf), &k, 1) == -EINVAL, "an unknown cipher too");
}

int main(void)
{
	test_round();
	test_iv();
	test_tamper();
	test_short();
	test_nonsense();
	test_keys();
	return done();
}
