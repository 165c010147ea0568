// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libFuzzer harness: fragments, as a sequence of datagrams. Each record of the
 * input is five bytes and a text: it becomes an SKF message that is sealed,
 * perhaps damaged, and read as the agent does it. A plain model of RFC 7383 2.6
 * says what must be whole, and when.
 */
#include <errno.h>

#include "../frag.h"
#include "walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const struct sk_key key = {
	ENCR_AES_GCM_16, 128, INTEG_NONE, 20, 0, "key and salt 128", "",
};

static struct {
	uint32_t mid, total, have;
	size_t used;
	struct {
		bool here;
		struct view text;
	} part[FRAG_MAX];
} model;

/* What is expected of frag_take(). */
static int expect(uint32_t mid, unsigned int num, unsigned int total, struct view text)
{
	if (total > FRAG_MAX)
		return -E2BIG;
	if (!text.len)
		return -EBADMSG;
	if (!model.total || model.mid != mid || total > model.total) {
		memset(&model, 0, sizeof(model));
		model.mid = mid;
		model.total = total;
	}
	if (total != model.total || model.part[num - 1].here)
		return -EAGAIN;
	if (model.used + text.len > IKE_MSG_MAX)
		return -E2BIG;
	model.part[num - 1].here = true;
	model.part[num - 1].text = text;
	model.used += text.len;
	return ++model.have == model.total ? 0 : -EAGAIN;
}

static void whole(struct frag **f, struct msg *m)
{
	const uint8_t *hash;
	size_t at = 0;
	uint8_t first;
	struct view text = frag_text(*f, &first, &hash);

	if (text.len != model.used)
		abort();
	for (unsigned int i = 0; i < model.total; i++) {
		if (!view_equal(view_sub(text, at, model.part[i].text.len), model.part[i].text))
			abort();
		at += model.part[i].text.len;
	}
	if (!wire_parse_inner(m, first, text.data, text.len))
		walk_msg(m);
	frag_done(f);
	if (*f)
		abort();
	memset(&model, 0, sizeof(model));
}

/* In a buffer of its own size: one byte too many is seen. */
static void arrive(struct frag **f, const uint8_t *msg, size_t len, int want)
{
	uint8_t *copy = malloc(len), hash[32] = { 0 };
	struct view text;
	static struct msg m;

	memcpy(copy, msg, len);
	if (!wire_parse(&m, copy, len) && !sk_open_fragment(&m, copy, &key, &text)) {
		int got = frag_take(f, &m, hash, text);

		if (got != want)
			abort();
		if (!got)
			whole(f, &m);
	} else if (want != -EPERM) {
		abort();
	}
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static uint8_t msg[8192];
	struct rd r = rd_init(data, len);
	struct frag *f = NULL;
	unsigned int n = 0;

	memset(&model, 0, sizeof(model));
	while (r.left > 5 && n++ < 200) {
		uint8_t how = rd_u8(&r), num = rd_u8(&r), total = rd_u8(&r), first = rd_u8(&r);
		size_t want_len = (size_t)rd_u8(&r) << (how & 0x20 ? 4 : 0);
		size_t size = want_len < r.left ? want_len : r.left;
		struct view text = view(rd_bytes(&r, size), size);
		struct ike_hdr h = { .spi_i = 1, .spi_r = 2, .exchange = 35, .id = how & 3 };
		struct wire_out o;
		int n_msg, want = -EPERM;

		wire_begin(&o, msg, sizeof(msg), &h);
		if (sk_begin_fragment(&o, &key, num, total, first))
			abort();
		wr_view(&o.w, text);
		n_msg = sk_seal(&o, &key, n);
		if (n_msg < 0)
			abort();
		if (how & 0x40)
			msg[(size_t)(first << 8 | num) % (size_t)n_msg] ^= (uint8_t)(total | 1);
		else if (num && num <= total)
			want = expect(h.id, num, total, text);
		arrive(&f, msg, (size_t)n_msg, want);
	}
	frag_free(&f);
	return 0;
}
