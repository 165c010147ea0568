// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * IKE header, payload chain and the payloads with a simple body (RFC 7296 3.1
 * to 3.14). SA is in wire_sa.c, traffic selectors in wire_ts.c.
 */
#include <errno.h>
#include <string.h>

#include "wire.h"

#define HDR_NEXT_AT	16
#define HDR_LEN_AT	24
#define CRITICAL	0x80

static bool payload_known(uint8_t type)
{
	switch (type) {
#define X(name, n) case n:
	WIRE_PAYLOADS(X)
#undef X
		return true;
	}
	return false;
}

int wire_peek_hdr(struct ike_hdr *h, const void *buf, size_t len)
{
	struct rd r = rd_init(buf, len);

	h->spi_i = rd_u64(&r);
	h->spi_r = rd_u64(&r);
	h->next = rd_u8(&r);
	h->version = rd_u8(&r);
	h->exchange = rd_u8(&r);
	h->flags = rd_u8(&r);
	h->id = rd_u32(&r);
	h->len = rd_u32(&r);
	return r.err || h->len != len ? -EBADMSG : 0;
}

int wire_get_notify(struct view body, struct notify *out)
{
	struct rd r = rd_view(body);
	uint8_t spi_len;

	out->protocol = rd_u8(&r);
	spi_len = rd_u8(&r);
	out->type = rd_u16(&r);
	out->spi = view(rd_bytes(&r, spi_len), spi_len);
	if (r.err)
		return -EBADMSG;
	out->data = rd_rest(&r);
	return 0;
}

int wire_get_delete(struct view body, struct delete_pl *out)
{
	struct rd r = rd_view(body);

	out->protocol = rd_u8(&r);
	out->spi_len = rd_u8(&r);
	out->n = rd_u16(&r);
	if (r.err)
		return -EBADMSG;
	out->spis = rd_rest(&r);
	switch (out->protocol) {
	case 1:
		/* The SPIs are in the header (3.11); what peers write into n does not matter. */
		out->n = 0;
		return out->spi_len || out->spis.len ? -EBADMSG : 0;
	case 2:
	case 3:
		return out->spi_len != 4 || out->spis.len != 4 * (size_t)out->n ? -EBADMSG : 0;
	}
	return -EBADMSG;
}

uint32_t wire_delete_spi(const struct delete_pl *d, unsigned int n)
{
	struct rd r = rd_view(view_sub(d->spis, 4 * (size_t)n, 4));

	return rd_u32(&r);
}

int wire_get_ke(struct view body, struct ke_pl *out)
{
	struct rd r = rd_view(body);

	out->group = rd_u16(&r);
	rd_u16(&r);
	if (r.err || !r.left)
		return -EBADMSG;
	out->data = rd_rest(&r);
	return 0;
}

int wire_get_nonce(struct view body, struct view *out)
{
	if (body.len < NONCE_MIN || body.len > NONCE_MAX)
		return -EBADMSG;
	*out = body;
	return 0;
}

int wire_get_id(struct view body, struct ident *out)
{
	struct rd r = rd_view(body);

	memset(out, 0, sizeof(*out));
	out->type = rd_u8(&r);
	rd_bytes(&r, 3);
	if (r.err || !out->type || !r.left || r.left > sizeof(out->data))
		return -EBADMSG;
	out->len = (uint8_t)r.left;
	rd_copy(&r, out->data, out->len);
	return 0;
}

int wire_get_auth(struct view body, struct auth_pl *out)
{
	struct rd r = rd_view(body);

	out->method = rd_u8(&r);
	rd_bytes(&r, 3);
	if (r.err || !r.left)
		return -EBADMSG;
	out->data = rd_rest(&r);
	return 0;
}

/* What a payload must have, whatever exchange it is in, so that no handler has to ask again. */
static int check_body(uint8_t type, struct view body)
{
	union {
		struct notify notify;
		struct delete_pl delete;
		struct ke_pl ke;
		struct auth_pl auth;
		struct view nonce;
	} u;

	switch (type) {
	case PAYLOAD_NOTIFY:
		return wire_get_notify(body, &u.notify);
	case PAYLOAD_DELETE:
		return wire_get_delete(body, &u.delete);
	case PAYLOAD_KE:
		return wire_get_ke(body, &u.ke);
	case PAYLOAD_NONCE:
		return wire_get_nonce(body, &u.nonce);
	case PAYLOAD_AUTH:
		return wire_get_auth(body, &u.auth);
	case PAYLOAD_SA:
		return body.len < 8 ? -EBADMSG : 0;
	case PAYLOAD_IDi:
	case PAYLOAD_IDr:
	case PAYLOAD_TSi:
	case PAYLOAD_TSr:
	case PAYLOAD_CP:
	case PAYLOAD_EAP:
		return body.len < 4 ? -EBADMSG : 0;
	case PAYLOAD_CERT:
	case PAYLOAD_CERTREQ:
		return body.len < 1 ? -EBADMSG : 0;
	}
	return 0;
}

/* The encrypted payload: always outermost and last (3.14), its "next payload" is of the inside. */
static int take_sk(struct msg *m, uint8_t type, uint8_t first, struct view body)
{
	struct rd r = rd_view(body);

	m->sk_type = type;
	m->sk_first = first;
	if (type == PAYLOAD_SKF) {
		m->frag_num = rd_u16(&r);
		m->frag_total = rd_u16(&r);
		if (r.err || !m->frag_num || m->frag_num > m->frag_total)
			return -EBADMSG;
	}
	m->sk = rd_rest(&r);
	m->sk_aad = m->raw.len - m->sk.len;
	return 0;
}

static int parse_chain(struct msg *m, uint8_t type, struct rd r)
{
	while (type != PAYLOAD_NONE) {
		uint8_t next = rd_u8(&r);
		uint8_t flags = rd_u8(&r);
		uint16_t len = rd_u16(&r);
		struct view body;

		if (r.err || len < IKE_PAYLOAD_HDR_LEN)
			return -EBADMSG;
		body.len = len - IKE_PAYLOAD_HDR_LEN;
		body.data = rd_bytes(&r, body.len);
		if (r.err)
			return -EBADMSG;

		if (type == PAYLOAD_SK || type == PAYLOAD_SKF) {
			if (m->inner || r.left)
				return -EBADMSG;
			if (take_sk(m, type, next, body))
				return -EBADMSG;
			break;
		}
		if (!payload_known(type)) {
			if (flags & CRITICAL && !m->critical)
				m->critical = type;
			if (m->unknown < UINT8_MAX)
				m->unknown++;
		} else {
			if (check_body(type, body))
				return -EBADMSG;
			if (m->n == MSG_PAYLOADS)
				return -E2BIG;
			m->p[m->n++] = (struct payload){ type, body };
		}
		type = next;
	}
	if (r.left)
		return -EBADMSG;
	return m->critical ? -EOPNOTSUPP : 0;
}

int wire_parse(struct msg *m, const void *buf, size_t len)
{
	struct rd r = rd_init(buf, len);

	memset(m, 0, sizeof(*m));
	m->raw = view(buf, len);
	if (wire_peek_hdr(&m->hdr, buf, len))
		return -EBADMSG;
	if (m->hdr.version >> 4 > IKE_VERSION >> 4)
		return -EPROTONOSUPPORT;
	if (m->hdr.version >> 4 < IKE_VERSION >> 4)
		return -EBADMSG;
	rd_bytes(&r, IKE_HDR_LEN);
	return parse_chain(m, m->hdr.next, r);
}

int wire_parse_inner(struct msg *m, uint8_t first, const void *text, size_t len)
{
	m->inner = true;
	m->n = 0;
	m->unknown = 0;
	m->critical = 0;
	return parse_chain(m, first, rd_init(text, len));
}

const struct payload *msg_find(const struct msg *m, uint8_t type, unsigned int nth)
{
	for (unsigned int i = 0; i < m->n; i++)
		if (m->p[i].type == type && !nth--)
			return &m->p[i];
	return NULL;
}

unsigned int msg_count(const struct msg *m, uint8_t type)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < m->n; i++)
		n += m->p[i].type == type;
	return n;
}

bool msg_notify(const struct msg *m, uint16_t type, struct notify *out)
{
	for (unsigned int i = 0; i < m->n; i++)
		if (m->p[i].type == PAYLOAD_NOTIFY && !wire_get_notify(m->p[i].body, out) &&
		    out->type == type)
			return true;
	return false;
}

bool msg_error(const struct msg *m, struct notify *out)
{
	for (unsigned int i = 0; i < m->n; i++)
		if (m->p[i].type == PAYLOAD_NOTIFY && !wire_get_notify(m->p[i].body, out) &&
		    NOTIFY_IS_ERROR(out->type))
			return true;
	return false;
}

void wire_begin(struct wire_out *o, void *buf, size_t cap, const struct ike_hdr *h)
{
	memset(o, 0, sizeof(*o));
	o->hdr = *h;
	o->w = wr_init(buf, cap);
	wr_u64(&o->w, h->spi_i);
	wr_u64(&o->w, h->spi_r);
	wr_u8(&o->w, PAYLOAD_NONE);
	wr_u8(&o->w, h->version ? h->version : IKE_VERSION);
	wr_u8(&o->w, h->exchange);
	wr_u8(&o->w, h->flags);
	wr_u32(&o->w, h->id);
	wr_u32(&o->w, 0);
	o->next_at = HDR_NEXT_AT;
}

void wire_open(struct wire_out *o, uint8_t type)
{
	/* One forgotten wire_close() would make a chain that lies. */
	if (o->payload_at)
		o->w.err = true;
	wr_patch_u8(&o->w, o->next_at, type);
	o->payload_at = o->w.len;
	o->next_at = o->w.len;
	wr_zero(&o->w, IKE_PAYLOAD_HDR_LEN);
}

void wire_close(struct wire_out *o)
{
	wr_patch_u16(&o->w, o->payload_at + 2, o->w.len - o->payload_at);
	o->payload_at = 0;
}

static void open_sk(struct wire_out *o, uint8_t type)
{
	if (o->sk_at)
		o->w.err = true;
	wire_open(o, type);
	o->sk_at = o->payload_at;
	o->payload_at = 0;
}

static void leave_iv(struct wire_out *o, unsigned int iv_len)
{
	o->sk_head = (uint8_t)(o->w.len - o->sk_at);
	o->sk_iv = (uint8_t)iv_len;
	wr_zero(&o->w, iv_len);
}

void wire_open_sk(struct wire_out *o, unsigned int iv_len)
{
	open_sk(o, PAYLOAD_SK);
	leave_iv(o, iv_len);
}

void wire_open_skf(struct wire_out *o, unsigned int iv_len, uint16_t num, uint16_t total,
		   uint8_t first)
{
	open_sk(o, PAYLOAD_SKF);
	wr_u16(&o->w, num);
	wr_u16(&o->w, total);
	leave_iv(o, iv_len);
	/* The chain goes on in the first fragment alone. */
	wr_patch_u8(&o->w, o->sk_at, num == 1 ? first : PAYLOAD_NONE);
}

struct view wire_sk_text(const struct wire_out *o, uint8_t *first)
{
	size_t at = o->sk_at + o->sk_head + o->sk_iv;

	if (!o->sk_at || o->w.err || at > o->w.len)
		return view(NULL, 0);
	*first = o->w.buf[o->sk_at];
	return view(o->w.buf + at, o->w.len - at);
}

int wire_end(struct wire_out *o)
{
	if (o->payload_at || o->sk_at)
		o->w.err = true;
	wr_patch_u32(&o->w, HDR_LEN_AT, o->w.len);
	return o->w.err ? -EMSGSIZE : (int)o->w.len;
}

int wire_end_sk(struct wire_out *o, unsigned int block, unsigned int icv_len, struct sk_room *room)
{
	size_t iv_at = o->sk_at + o->sk_head;
	size_t text_at = iv_at + o->sk_iv, pad;

	memset(room, 0, sizeof(*room));
	if (o->payload_at || !o->sk_at || o->w.err)
		return -EMSGSIZE;
	pad = block > 1 ? (block - (o->w.len - text_at + 1) % block) % block : 0;
	wr_zero(&o->w, pad);
	wr_u8(&o->w, (uint8_t)pad);
	room->text_len = o->w.len - text_at;
	wr_zero(&o->w, icv_len);
	wr_patch_u16(&o->w, o->sk_at + 2, o->w.len - o->sk_at);
	wr_patch_u32(&o->w, HDR_LEN_AT, o->w.len);

	room->msg = o->w.buf;
	room->aad_len = iv_at;
	room->iv = wr_at(&o->w, iv_at);
	room->text = wr_at(&o->w, text_at);
	room->icv = wr_at(&o->w, text_at + room->text_len);
	room->len = o->w.len;
	return o->w.err ? -EMSGSIZE : 0;
}

void wire_put_notify(struct wire_out *o, uint8_t protocol, struct view spi, uint16_t type,
		     struct view data)
{
	wire_open(o, PAYLOAD_NOTIFY);
	wr_u8(&o->w, protocol);
	wr_u8(&o->w, (uint8_t)spi.len);
	wr_u16(&o->w, type);
	wr_view(&o->w, spi);
	wr_view(&o->w, data);
	wire_close(o);
}

void wire_put_status(struct wire_out *o, uint16_t type, const void *data, size_t len)
{
	wire_put_notify(o, 0, view(NULL, 0), type, view(data, len));
}

void wire_put_delete_ike(struct wire_out *o)
{
	wire_open(o, PAYLOAD_DELETE);
	wr_u8(&o->w, 1);
	wr_zero(&o->w, 3);
	wire_close(o);
}

void wire_put_delete_esp(struct wire_out *o, const uint32_t *spis, unsigned int n)
{
	wire_open(o, PAYLOAD_DELETE);
	wr_u8(&o->w, 3);
	wr_u8(&o->w, 4);
	wr_u16(&o->w, (uint16_t)n);
	for (unsigned int i = 0; i < n; i++)
		wr_u32(&o->w, spis[i]);
	wire_close(o);
}

void wire_put_ke(struct wire_out *o, uint16_t group, struct view pub)
{
	wire_open(o, PAYLOAD_KE);
	wr_u16(&o->w, group);
	wr_u16(&o->w, 0);
	wr_view(&o->w, pub);
	wire_close(o);
}

void wire_put_nonce(struct wire_out *o, struct view nonce)
{
	wire_open(o, PAYLOAD_NONCE);
	wr_view(&o->w, nonce);
	wire_close(o);
}

void wire_put_id(struct wire_out *o, uint8_t type, const struct ident *id)
{
	wire_open(o, type);
	wr_u8(&o->w, id->type);
	wr_zero(&o->w, 3);
	wr_bytes(&o->w, id->data, id->len);
	wire_close(o);
}

void wire_put_auth(struct wire_out *o, uint8_t method, struct view data)
{
	wire_open(o, PAYLOAD_AUTH);
	wr_u8(&o->w, method);
	wr_zero(&o->w, 3);
	wr_view(&o->w, data);
	wire_close(o);
}

void wire_put_vendor(struct wire_out *o, struct view id)
{
	wire_open(o, PAYLOAD_VENDOR);
	wr_view(&o->w, id);
	wire_close(o);
}
