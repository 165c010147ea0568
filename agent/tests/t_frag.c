// SPDX-License-Identifier: GPL-2.0-or-later
/* Fragments: made, taken in every order, and the lies that may be told with them. */
#include <errno.h>

#include "../frag.h"
#include "tap.h"

#define MESSAGE	544	/* longest, as with fragment-size = 576 */

static const struct ike_hdr hdr = {
	.spi_i = 1, .spi_r = 2, .exchange = EXCHANGE_IKE_AUTH, .id = 3,
};

static const struct sk_key keys[] = {
	{ ENCR_AES_GCM_16, 128, INTEG_NONE, 20, 0, "key and salt 128", "" },
	{ ENCR_AES_CBC, 256, INTEG_HMAC_SHA2_512_256, 32, 64, "key 256", "hash key" },
};

static uint8_t msgs[4096], body[4096];
static struct { uint8_t *msg; size_t len; } part[FRAG_MAX];
static unsigned int n_parts;

/* A vendor ID of n bytes, in fragments. */
static int make(const struct sk_key *k, size_t n)
{
	struct wire_out o;
	size_t at = 0;
	int len;

	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = (uint8_t)(i * 7 + i / 256);
	wire_begin(&o, msgs, sizeof(msgs), &hdr);
	sk_begin(&o, k);
	wire_put_vendor(&o, view(body, n));
	n_parts = frag_count(&o, k, MESSAGE);
	len = n_parts > 1 ? frag_seal(&o, k, MESSAGE, n_parts, 7) : sk_seal(&o, k, 7);
	for (unsigned int i = 0; len > 0 && i < n_parts; i++) {
		part[i].msg = msgs + at;
		part[i].len = frag_next(msgs + at, (size_t)len - at);
		at += part[i].len;
	}
	return len > 0 && at != (size_t)len ? -EIO : len;
}

/* One of them arrives, in a buffer of its own size. */
static int take(struct frag **f, const struct sk_key *k, unsigned int i)
{
	uint8_t *copy = malloc(part[i].len), hash[32] = { (uint8_t)(i + 1) };
	struct view text;
	struct msg m;
	int err;

	memcpy(copy, part[i].msg, part[i].len);
	err = wire_parse(&m, copy, part[i].len);
	if (!err)
		err = sk_open_fragment(&m, copy, k, &text);
	if (!err)
		err = frag_take(f, &m, hash, text);
	free(copy);
	return err;
}

static bool is_whole(const struct frag *f, size_t n)
{
	struct msg m = { 0 };
	const struct payload *p;
	const uint8_t *hash;
	uint8_t first;
	struct view text = frag_text(f, &first, &hash);

	if (wire_parse_inner(&m, first, text.data, text.len) || hash[0] != 1)
		return false;
	p = msg_find(&m, PAYLOAD_VENDOR, 0);
	return p && p->body.len == n && !memcmp(p->body.data, body, n);
}

static void t_lengths(void)
{
	for (size_t k = 0; k < 2; k++) {
		bool good = true, tight = true;
		struct frag *f = NULL;

		for (size_t n = 1; n < 3000; n++) {
			int len = make(&keys[k], n), err = -EAGAIN;

			good &= len > 0;
			if (n_parts == 1) {
				good &= (size_t)len <= MESSAGE;
				continue;
			}
			for (unsigned int i = 0; i < n_parts; i++) {
				tight &= part[i].len <= MESSAGE;
				good &= err == -EAGAIN;
				err = take(&f, &keys[k], i);
			}
			good &= !err && is_whole(f, n);
			frag_done(&f);
			good &= !f;
		}
		ok(good, "suite %zu: all lengths, taken in order", k);
		ok(tight, "none is too long");
	}
}

static void t_orders(void)
{
	static const uint8_t orders[][6] = {
		{ 0, 1, 2, 3 }, { 3, 2, 1, 0 }, { 1, 0, 3, 2 }, { 2, 3, 0, 1 }, { 3, 0, 2, 1 },
		{ 0, 0, 1, 2, 2, 3 }, { 3, 3, 3, 2, 1, 0 },
	};

	for (size_t o = 0; o < sizeof(orders) / sizeof(orders[0]); o++) {
		unsigned int many = orders[o][4] || orders[o][5] ? 6 : 4;
		struct frag *f = NULL;
		int err = -EAGAIN;
		bool early = false;

		make(&keys[0], 1800);
		if (!ok(n_parts == 4, "four fragments"))
			return;
		for (unsigned int i = 0; i < many; i++) {
			early |= err != -EAGAIN;
			err = take(&f, &keys[0], orders[o][i]);
		}
		ok(!early && !err && is_whole(f, 1800), "order %zu", o);
		frag_free(&f);
	}
}

static void fake(struct msg *m, uint16_t num, uint16_t total, uint32_t mid)
{
	memset(m, 0, sizeof(*m));
	m->hdr = hdr;
	m->hdr.id = mid;
	m->sk_first = PAYLOAD_VENDOR;
	m->frag_num = num;
	m->frag_total = total;
}

static int say(struct frag **f, uint16_t num, uint16_t total, uint32_t mid, size_t len)
{
	static uint8_t text[IKE_MSG_MAX + 1];
	uint8_t hash[32] = { 0 };
	struct msg m;

	fake(&m, num, total, mid);
	return frag_take(f, &m, hash, view(text, len));
}

static void t_lies(void)
{
	struct frag *f = NULL;
	const uint8_t *hash;
	bool good = true;
	uint8_t first;

	ok(say(&f, 1, 65, 1, 10) == -E2BIG, "65 fragments are too many");
	ok(say(&f, 1, 2, 1, 0) == -EBADMSG, "an empty one");
	ok(say(&f, 1, 2, 1, IKE_MSG_MAX + 1) == -E2BIG, "one that is too long by itself");
	ok(!f, "for none of them memory is taken");
	ok(say(&f, 1, 2, 1, IKE_MSG_MAX) == -EAGAIN && say(&f, 2, 2, 1, 1) == -E2BIG,
	   "two that are too long together");
	ok(say(&f, 1, 3, 2, 10) == -EAGAIN && say(&f, 2, 3, 2, 10) == -EAGAIN, "another message");
	ok(say(&f, 3, 4, 2, 10) == -EAGAIN && say(&f, 3, 3, 2, 10) == -EAGAIN &&
	   say(&f, 1, 4, 2, 5) == -EAGAIN && say(&f, 2, 4, 2, 5) == -EAGAIN,
	   "smaller fragments of the same begin anew, the larger ones are over");
	ok(!say(&f, 4, 4, 2, 5) && frag_text(f, &first, &hash).len == 25, "and are whole");
	frag_done(&f);
	ok(!f, "given back");
	for (uint16_t i = 1; i <= 64; i++)
		good &= say(&f, i, 64, 3, 100) == (i < 64 ? -EAGAIN : 0);
	ok(good && frag_text(f, &first, &hash).len == 6400, "64 fragments");
	frag_free(&f);
	ok(!say(&f, 1, 1, 4, 9) && frag_text(f, &first, &hash).len == 9, "one of one");
	frag_free(&f);
	ok(frag_next((const uint8_t *)"", 0) == 0 && frag_next(body, 20) == 20 &&
	   frag_next(body, 28) == 28, "what is no message is sent as it is");
}

static void t_tampered(void)
{
	struct frag *f = NULL;
	bool good = true;

	make(&keys[0], 1800);
	for (size_t at = 0; at < 80; at++) {
		part[1].msg[at] ^= 1;
		good &= take(&f, &keys[0], 1) < 0 && !f;
		part[1].msg[at] ^= 1;
	}
	ok(good, "a changed bit of header, number, IV or text: nothing is kept");
}

int main(void)
{
	t_lengths();
	t_orders();
	t_lies();
	t_tampered();
	return done();
}
