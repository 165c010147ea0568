// SPDX-License-Identifier: GPL-2.0-or-later
#include "bend.h"
#include "sk.h"

struct bend bend;

static struct sa *owner(struct sim *s, int side, const struct ike_hdr *h)
{
	struct sa *sa = sa_find(s->side[side].ike, h->spi_i);

	return sa ? sa : sa_find(s->side[side].ike, h->spi_r);
}

/* Where the payloads of a chain begin; returns how many. */
static unsigned int chain(const uint8_t *text, size_t len, size_t at[MSG_PAYLOADS + 1])
{
	unsigned int n = 0;
	size_t pos = 0;

	while (pos + 4 <= len && n < MSG_PAYLOADS) {
		size_t l = (size_t)(text[pos + 2] << 8 | text[pos + 3]);

		if (l < 4 || l > len - pos)
			break;
		at[n++] = pos;
		pos += l;
	}
	at[n] = pos;
	return n;
}

static size_t replace(uint8_t first, uint8_t *text, size_t len, const size_t *at, unsigned int n)
{
	for (unsigned int k = 0; k < n; k++) {
		size_t end = at[k + 1], body = at[k] + IKE_PAYLOAD_HDR_LEN;
		size_t l = IKE_PAYLOAD_HDR_LEN + bend.body.len;

		if ((k ? text[at[k - 1]] : first) != bend.which)
			continue;
		memmove(text + body + bend.body.len, text + end, len - end);
		if (bend.body.len)
			memcpy(text + body, bend.body.data, bend.body.len);
		text[at[k] + 2] = (uint8_t)(l >> 8);
		text[at[k] + 3] = (uint8_t)l;
		return len - end + body + bend.body.len;
	}
	return 0;
}

/* Changes a chain in place; room for twice its length. Returns the new length, 0: nothing to do. */
static size_t mutate(uint8_t *first, uint8_t *text, size_t len)
{
	static const unsigned int lengths[] = { 0, 1, 3, 4, 5, 7, 8, 0xfffe, 0xffff };
	size_t at[MSG_PAYLOADS + 1], l, pos;
	unsigned int n = chain(text, len, at), k = bend.which;

	if (bend.how == BEND_CUT || bend.how == BEND_FLIP || bend.how == BEND_GROW) {
		if (k >= len)
			return 0;
		if (bend.how == BEND_CUT)
			return k ? k : 1;
		if (bend.how == BEND_FLIP)
			text[k] ^= (uint8_t)bend.value;
		else
			memset(text + len, (int)bend.value, 9);
		return bend.how == BEND_GROW ? len + 9 : len;
	}
	if (bend.how == BEND_BODY)
		return replace(*first, text, len, at, n);
	if (k >= n)
		return 0;
	pos = at[k];
	l = at[k + 1] - pos;
	switch (bend.how) {
	case BEND_LENGTH:
		if (bend.value < 9)
			l = lengths[bend.value];
		else
			l += bend.value == 9 ? 1 : (size_t)-1;
		text[pos + 2] = (uint8_t)(l >> 8);
		text[pos + 3] = (uint8_t)l;
		return len;
	case BEND_TYPE:
	case BEND_CRITICAL:
		*(k ? &text[at[k - 1]] : first) = (uint8_t)bend.value;
		text[pos + 1] |= bend.how == BEND_CRITICAL ? 0x80 : 0;
		return len;
	case BEND_DROP:
		*(k ? &text[at[k - 1]] : first) = text[pos];
		memmove(text + pos, text + pos + l, len - pos - l);
		return len - l;
	default:	/* BEND_TWICE: the copy goes first and names its own type as the next */
		memmove(text + pos + l, text + pos, len - pos);
		text[pos] = k ? text[at[k - 1]] : *first;
		return len + l;
	}
}

bool bend_seal(struct sim *s, int from, const struct ike_hdr *h, uint8_t first,
	       const uint8_t *text, size_t text_len, uint8_t *msg, size_t *len)
{
	struct sa *sa = owner(s, from, h);
	struct wire_out o;
	int n;

	if (!sa)
		return false;
	wire_begin(&o, msg, 8192, h);
	sk_begin(&o, sa->r.initiator ? &sa->r.keys.i : &sa->r.keys.r);
	wr_patch_u8(&o.w, o.next_at, first);
	wr_bytes(&o.w, text, text_len);
	n = sk_seal(&o, sa->r.initiator ? &sa->r.keys.i : &sa->r.keys.r, 1000000 + sim_random(s));
	if (n < 0)
		return false;
	*len = (size_t)n;
	return true;
}

bool bend_tap(struct sim *s, int from, uint8_t *msg, size_t *len)
{
	uint8_t text[16384], copy[16384], first;
	struct ike_hdr h;
	struct msg m;
	struct sa *sa;
	size_t n;

	if (bend.hits || from != bend.from || wire_peek_hdr(&h, msg, *len) ||
	    h.exchange != bend.exchange || !!(h.flags & IKE_FLAG_RESPONSE) != bend.response)
		return false;
	if (bend.skip) {
		bend.skip--;
		return false;
	}
	if (h.exchange == EXCHANGE_IKE_SA_INIT) {
		memcpy(text, msg + 28, *len - 28);
		first = h.next;
		n = mutate(&first, text, *len - 28);
		if (!n)
			return false;
		bend.hits++;
		memcpy(msg + 28, text, n);
		msg[16] = first;
		*len = n + 28;
		msg[26] = (uint8_t)(*len >> 8);
		msg[27] = (uint8_t)*len;
		return false;
	}
	sa = owner(s, from, &h);
	memcpy(copy, msg, *len);
	if (!sa || wire_parse(&m, copy, *len))
		return false;
	first = m.sk_first;
	if (sk_open(&m, copy, sa->r.initiator ? &sa->r.keys.i : &sa->r.keys.r) || !m.n)
		return false;
	/* The payloads lie behind each other where SK was opened. */
	n = (size_t)(m.p[m.n - 1].body.data + m.p[m.n - 1].body.len - (m.p[0].body.data - 4));
	memcpy(text, m.p[0].body.data - 4, n);
	n = mutate(&first, text, n);
	if (!n)
		return false;
	bend.hits++;
	return !bend_seal(s, from, &h, first, text, n, msg, len);
}
