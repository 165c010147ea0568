// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "frag.h"
#include "secret.h"

/* Parts lie in text as they come, and in order in whole when all are there. */
struct frag {
	uint32_t mid;
	bool response, ready;
	uint8_t first;		/* type of the first payload */
	uint16_t total, have;
	uint32_t used;
	uint8_t hash[32];
	struct {
		uint16_t at, len;	/* len 0: not here yet */
	} part[FRAG_MAX];
	uint8_t text[IKE_MSG_MAX], whole[IKE_MSG_MAX];
};

/* --- sending --- */

unsigned int frag_count(const struct wire_out *o, const struct sk_key *k, size_t len)
{
	size_t room = sk_text_max(k, len, true);
	uint8_t first;
	struct view text = wire_sk_text(o, &first);

	if (text.len <= sk_text_max(k, len, false))
		return 1;
	if (!room || text.len > room * FRAG_MAX)
		return 0;
	return (unsigned int)((text.len + room - 1) / room);
}

int frag_seal(struct wire_out *o, const struct sk_key *k, size_t len, unsigned int n,
	      uint64_t counter)
{
	size_t room = sk_text_max(k, len, true), at = 0, done = 0;
	uint8_t first = 0, *copy;
	struct view text = wire_sk_text(o, &first);
	struct wire_out f;
	int err = -EMSGSIZE;

	copy = malloc(text.len + 1);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, text.data, text.len);
	for (unsigned int i = 1; i <= n; i++) {
		size_t part = text.len - done < room ? text.len - done : room;

		wire_begin(&f, o->w.buf + at, o->w.cap - at, &o->hdr);
		err = sk_begin_fragment(&f, k, (uint16_t)i, (uint16_t)n, first);
		if (err)
			break;
		wr_bytes(&f.w, copy + done, part);
		err = sk_seal(&f, k, counter++);
		if (err < 0)
			break;
		done += part;
		at += (size_t)err;
	}
	secret_wipe(copy, text.len);
	free(copy);
	return err < 0 ? err : (int)at;
}

size_t frag_next(const uint8_t *msg, size_t len)
{
	struct rd r = rd_init(msg, len);
	uint32_t n;

	rd_bytes(&r, IKE_HDR_LEN - 4);
	n = rd_u32(&r);
	return r.err || n < IKE_HDR_LEN || n > len ? len : n;
}

/* --- receiving --- */

static void start(struct frag *f, const struct msg *m)
{
	secret_wipe(f, sizeof(*f));
	f->mid = m->hdr.id;
	f->response = m->hdr.flags & IKE_FLAG_RESPONSE;
	f->total = m->frag_total;
}

/* More fragments than before: the peer has made them smaller (RFC 7383 2.5.2). */
static bool is_new(const struct frag *f, const struct msg *m)
{
	return f->mid != m->hdr.id || f->response != !!(m->hdr.flags & IKE_FLAG_RESPONSE) ||
	       m->frag_total > f->total;
}

static void join(struct frag *f)
{
	size_t at = 0;

	for (unsigned int i = 0; i < f->total; i++) {
		memcpy(f->whole + at, f->text + f->part[i].at, f->part[i].len);
		at += f->part[i].len;
	}
	f->ready = true;
}

int frag_take(struct frag **fp, const struct msg *m, const uint8_t hash[32], struct view text)
{
	struct frag *f = *fp;
	unsigned int i = m->frag_num - 1u;

	if (m->frag_total > FRAG_MAX || text.len > IKE_MSG_MAX)
		return -E2BIG;
	if (!text.len)
		return -EBADMSG;
	if (!f) {
		f = *fp = calloc(1, sizeof(*f));
		if (!f)
			return -ENOMEM;
	}
	if (!f->total || is_new(f, m))
		start(f, m);
	if (m->frag_total != f->total || f->part[i].len)
		return -EAGAIN;
	if (text.len > sizeof(f->text) - f->used)
		return -E2BIG;
	memcpy(f->text + f->used, text.data, text.len);
	f->part[i].at = (uint16_t)f->used;
	f->part[i].len = (uint16_t)text.len;
	f->used += (uint32_t)text.len;
	if (!i) {
		f->first = m->sk_first;
		memcpy(f->hash, hash, sizeof(f->hash));
	}
	if (++f->have < f->total)
		return -EAGAIN;
	join(f);
	return 0;
}

struct view frag_text(const struct frag *f, uint8_t *first, const uint8_t **hash)
{
	*first = f->first;
	*hash = f->hash;
	return view(f->whole, f->used);
}

void frag_free(struct frag **f)
{
	if (*f)
		secret_wipe(*f, sizeof(**f));
	free(*f);
	*f = NULL;
}

void frag_done(struct frag **f)
{
	if (*f && (*f)->ready)
		frag_free(f);
}
