// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The SA payload's substructures (RFC 7296 3.3). A wrong length anywhere makes
 * the payload malformed; something merely unknown makes only its transform or
 * proposal unacceptable (3.3.6).
 */
#include <errno.h>
#include <string.h>

#include "suite.h"
#include "wire_sa.h"

#define MORE_PROPOSALS	2
#define MORE_TRANSFORMS	3
#define ATTR_TV		0x8000
#define ATTR_KEY_LENGTH	14

/* Return: 0, -ENOTSUP for an attribute that we do not understand, -EBADMSG. */
static int get_attributes(struct rd r, uint16_t *key_bits)
{
	int err = 0;

	*key_bits = 0;
	while (r.left) {
		uint16_t type = rd_u16(&r);
		uint16_t value = rd_u16(&r);

		if (!(type & ATTR_TV))
			rd_bytes(&r, value);
		if (r.err)
			return -EBADMSG;
		if (type == (ATTR_TV | ATTR_KEY_LENGTH) && !*key_bits && value)
			*key_bits = value;
		else
			err = -ENOTSUP;
	}
	return r.err ? -EBADMSG : err;
}

static int get_transform(struct rd *r, struct sa_prop *p, bool last, bool *truncated)
{
	uint8_t more = rd_u8(r);
	struct transform t;
	struct rd body;
	int err;

	rd_u8(r);
	body = rd_sub(r, (size_t)rd_u16(r) - 4);
	t.type = rd_u8(&body);
	rd_u8(&body);
	t.id = rd_u16(&body);
	if (r->err || body.err || more != (last ? 0 : MORE_TRANSFORMS))
		return -EBADMSG;
	err = get_attributes(body, &t.key_bits);
	if (err == -EBADMSG)
		return err;

	if (t.type < TRANSFORM_ENCR || t.type > TRANSFORM_ESN)
		p->foreign = true;
	else if (!err && p->n < SA_TRANSFORMS)
		p->t[p->n++] = t;
	else if (!err)
		*truncated = true;
	return 0;
}

static int get_proposal(struct rd *r, struct sa_prop *p, bool *truncated)
{
	uint8_t more = rd_u8(r);
	uint8_t spi_len, n;
	struct rd body;

	memset(p, 0, sizeof(*p));
	rd_u8(r);
	body = rd_sub(r, (size_t)rd_u16(r) - 4);
	p->num = rd_u8(&body);
	p->protocol = rd_u8(&body);
	spi_len = rd_u8(&body);
	n = rd_u8(&body);
	if (spi_len <= sizeof(p->spi)) {
		p->spi_len = spi_len;
		rd_copy(&body, p->spi, spi_len);
	} else {
		/* No protocol that we know has such an SPI. */
		p->foreign = true;
		rd_bytes(&body, spi_len);
	}
	if (r->err || body.err || more != (r->left ? MORE_PROPOSALS : 0))
		return -EBADMSG;
	for (unsigned int i = 0; i < n; i++)
		if (get_transform(&body, p, i == n - 1U, truncated))
			return -EBADMSG;
	return rd_done(&body) ? 0 : -EBADMSG;
}

int wire_get_sa(struct view body, struct sa_list *out)
{
	struct rd r = rd_view(body);
	struct sa_prop spare;

	out->n = 0;
	out->truncated = false;
	if (!r.left)
		return -EBADMSG;
	while (r.left) {
		struct sa_prop *p = out->n < SA_PROPOSALS ? &out->p[out->n] : &spare;

		if (get_proposal(&r, p, &out->truncated))
			return -EBADMSG;
		if (p == &spare)
			out->truncated = true;
		else
			out->n++;
	}
	return 0;
}

static void put_transform(struct wr *w, const struct transform *t, bool last)
{
	wr_u8(w, last ? 0 : MORE_TRANSFORMS);
	wr_u8(w, 0);
	wr_u16(w, t->key_bits ? 12 : 8);
	wr_u8(w, t->type);
	wr_u8(w, 0);
	wr_u16(w, t->id);
	if (t->key_bits) {
		wr_u16(w, ATTR_TV | ATTR_KEY_LENGTH);
		wr_u16(w, t->key_bits);
	}
}

void wire_put_sa(struct wire_out *o, const struct sa_list *list)
{
	struct wr *w = &o->w;

	wire_open(o, PAYLOAD_SA);
	for (unsigned int i = 0; i < list->n; i++) {
		const struct sa_prop *p = &list->p[i];
		size_t at = w->len;

		wr_u8(w, i == list->n - 1U ? 0 : MORE_PROPOSALS);
		wr_zero(w, 3);
		wr_u8(w, p->num);
		wr_u8(w, p->protocol);
		wr_u8(w, p->spi_len);
		wr_u8(w, p->n);
		wr_bytes(w, p->spi, p->spi_len);
		for (unsigned int j = 0; j < p->n; j++)
			put_transform(w, &p->t[j], j == p->n - 1U);
		wr_patch_u16(w, at + 2, w->len - at);
	}
	wire_close(o);
}
