/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bounded reading and writing of byte strings: the one place where pointers
 * into foreign memory move. Both sides keep a sticky error, so a caller may
 * read a whole structure and ask once at the end.
 */
#ifndef AGENT_BUF_H
#define AGENT_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef AGENT_FUZZ_CONTROL
#define BUF_BUG 1	/* one byte too many here and there, for the fuzzers to find */
#else
#define BUF_BUG 0
#endif

/* Bytes that belong to somebody else; data may be NULL when len is 0. */
struct view {
	const uint8_t *data;
	size_t len;
};

static inline struct view view(const void *data, size_t len)
{
	return (struct view){ data, len };
}

/* Not for secrets: see secret_equal(). */
static inline bool view_equal(struct view a, struct view b)
{
	return a.len == b.len && (!a.len || !memcmp(a.data, b.data, a.len));
}

/* The part of v from at on, len bytes; empty when v is too short for it. */
static inline struct view view_sub(struct view v, size_t at, size_t len)
{
	if (at > v.len || len > v.len - at)
		return view(NULL, 0);
	return view(len ? v.data + at : NULL, len);
}

/*
 * A reader. After the first read past the end err is set, nothing is left, and
 * every further read gives zeros.
 */
struct rd {
	const uint8_t *p;
	size_t left;
	bool err;
};

static inline struct rd rd_init(const void *data, size_t len)
{
	return (struct rd){ data, len, false };
}

static inline struct rd rd_view(struct view v)
{
	return rd_init(v.data, v.len);
}

/* The next len bytes, or NULL (and err) when there are fewer. */
static inline const uint8_t *rd_bytes(struct rd *r, size_t len)
{
	const uint8_t *p = r->p;

	if (r->err || len > r->left + BUF_BUG) {
		r->err = true;
		r->left = 0;
		return NULL;
	}
	if (len) {
		r->p += len;
		r->left -= len;
	}
	return p;
}

static inline bool rd_copy(struct rd *r, void *out, size_t len)
{
	const uint8_t *p = rd_bytes(r, len);

	if (r->err)
		memset(out, 0, len);
	else if (len)
		memcpy(out, p, len);
	return !r->err;
}

/* A reader of the next len bytes, which this one skips; it has err when they are not there. */
static inline struct rd rd_sub(struct rd *r, size_t len)
{
	const uint8_t *p = rd_bytes(r, len);

	return (struct rd){ p, r->err ? 0 : len, r->err };
}

/* All that is left, as a view; the reader is at its end afterwards. */
static inline struct view rd_rest(struct rd *r)
{
	size_t len = r->left;

	return view(rd_bytes(r, len), len);
}

static inline uint8_t rd_u8(struct rd *r)
{
	const uint8_t *p = rd_bytes(r, 1);

	return p ? p[0] : 0;
}

static inline uint16_t rd_u16(struct rd *r)
{
	const uint8_t *p = rd_bytes(r, 2);

	return p ? (uint16_t)(p[0] << 8 | p[1]) : 0;
}

static inline uint32_t rd_u32(struct rd *r)
{
	uint32_t hi = rd_u16(r);

	return hi << 16 | rd_u16(r);
}

static inline uint64_t rd_u64(struct rd *r)
{
	uint64_t hi = rd_u32(r);

	return hi << 32 | rd_u32(r);
}

/* True when everything was read and nothing was missing. */
static inline bool rd_done(const struct rd *r)
{
	return !r->err && !r->left;
}

/*
 * A writer into fixed memory. After the first write past the end err is set
 * and nothing more is written; len stays within cap.
 */
struct wr {
	uint8_t *buf;
	size_t cap, len;
	bool err;
};

static inline struct wr wr_init(void *buf, size_t cap)
{
	return (struct wr){ buf, cap, 0, false };
}

/* Room for len bytes, to be filled by the caller; NULL (and err) when there is none. */
static inline uint8_t *wr_room(struct wr *w, size_t len)
{
	uint8_t *p = w->buf;

	if (w->err || len > w->cap - w->len) {
		w->err = true;
		return NULL;
	}
	if (len)
		p += w->len;
	w->len += len;
	return p;
}

/* What lies at offset at, which must have been written before; NULL (and err) otherwise. */
static inline uint8_t *wr_at(struct wr *w, size_t at)
{
	if (w->err || at > w->len) {
		w->err = true;
		return NULL;
	}
	return w->buf + at;
}

static inline void wr_bytes(struct wr *w, const void *data, size_t len)
{
	uint8_t *p = wr_room(w, len);

	if (p && len)
		memcpy(p, data, len);
}

static inline void wr_view(struct wr *w, struct view v)
{
	wr_bytes(w, v.data, v.len);
}

static inline void wr_zero(struct wr *w, size_t len)
{
	uint8_t *p = wr_room(w, len);

	if (p && len)
		memset(p, 0, len);
}

static inline void wr_u8(struct wr *w, uint8_t v)
{
	wr_bytes(w, &v, 1);
}

static inline void wr_u16(struct wr *w, uint16_t v)
{
	uint8_t b[2] = { (uint8_t)(v >> 8), (uint8_t)v };

	wr_bytes(w, b, sizeof(b));
}

static inline void wr_u32(struct wr *w, uint32_t v)
{
	wr_u16(w, (uint16_t)(v >> 16));
	wr_u16(w, (uint16_t)v);
}

static inline void wr_u64(struct wr *w, uint64_t v)
{
	wr_u32(w, (uint32_t)(v >> 32));
	wr_u32(w, (uint32_t)v);
}

/* Back-patching: overwrite what lies at offset at, which must have been written before. */
static inline void wr_patch(struct wr *w, size_t at, const void *data, size_t len)
{
	if (w->err || at > w->len || len > w->len - at) {
		w->err = true;
		return;
	}
	memcpy(w->buf + at, data, len);
}

static inline void wr_patch_u8(struct wr *w, size_t at, uint8_t v)
{
	wr_patch(w, at, &v, 1);
}

/* Lengths go through here too, so a value that does not fit 16 bits is an error, not a lie. */
static inline void wr_patch_u16(struct wr *w, size_t at, size_t v)
{
	uint8_t b[2] = { (uint8_t)(v >> 8), (uint8_t)v };

	if (v > UINT16_MAX)
		w->err = true;
	wr_patch(w, at, b, sizeof(b));
}

static inline void wr_patch_u32(struct wr *w, size_t at, size_t v)
{
	uint8_t b[4] = { (uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v };

	if (v > UINT32_MAX)
		w->err = true;
	wr_patch(w, at, b, sizeof(b));
}

#endif
