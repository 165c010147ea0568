// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Selectors as sets: ranges of addresses and ports, and a protocol. Their
 * payload is in wire_ts.c.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>

#include "addr.h"
#include "ts.h"

static size_t addr_len(const struct ts *t)
{
	return t->type == TS_IPV6 ? 16 : 4;
}

/* RFC 7296 3.13.1: packets whose ports cannot be seen, such as fragments. */
static bool ports_opaque(const struct ts *t)
{
	return t->port_lo == UINT16_MAX && t->port_hi == 0;
}

int ts_get(struct rd *r, struct ts *out)
{
	struct rd sub;

	memset(out, 0, sizeof(*out));
	out->type = rd_u8(r);
	out->proto = rd_u8(r);
	sub = rd_sub(r, (size_t)rd_u16(r) - 4);
	if (r->err)
		return -EBADMSG;
	if (out->type != TS_IPV4 && out->type != TS_IPV6)
		return 0;
	out->port_lo = rd_u16(&sub);
	out->port_hi = rd_u16(&sub);
	rd_copy(&sub, out->lo, addr_len(out));
	rd_copy(&sub, out->hi, addr_len(out));
	if (!rd_done(&sub) || memcmp(out->lo, out->hi, addr_len(out)) > 0)
		return -EBADMSG;
	if (out->port_lo > out->port_hi && !ports_opaque(out))
		return -EBADMSG;
	return 0;
}

void ts_put(struct wr *w, const struct ts *ts)
{
	wr_u8(w, ts->type);
	wr_u8(w, ts->proto);
	wr_u16(w, (uint16_t)(8 + 2 * addr_len(ts)));
	wr_u16(w, ts->port_lo);
	wr_u16(w, ts->port_hi);
	wr_bytes(w, ts->lo, addr_len(ts));
	wr_bytes(w, ts->hi, addr_len(ts));
}

void ts_pack(struct ts_bytes *out, const struct ts *ts, unsigned int n)
{
	struct wr w = wr_init(out->data, sizeof(out->data));

	for (unsigned int i = 0; i < n; i++)
		ts_put(&w, &ts[i]);
	out->len = (uint16_t)w.len;
}

static bool ports_any(const struct ts *t)
{
	return t->port_lo == 0 && t->port_hi == UINT16_MAX;
}

static bool intersect_ports(const struct ts *a, const struct ts *b, struct ts *out)
{
	if (ports_opaque(a) || ports_opaque(b)) {
		const struct ts *other = ports_opaque(a) ? b : a;

		out->port_lo = UINT16_MAX;
		out->port_hi = 0;
		return ports_any(other) || ports_opaque(other);
	}
	out->port_lo = a->port_lo > b->port_lo ? a->port_lo : b->port_lo;
	out->port_hi = a->port_hi < b->port_hi ? a->port_hi : b->port_hi;
	return out->port_lo <= out->port_hi;
}

static bool intersect(const struct ts *a, const struct ts *b, struct ts *out)
{
	size_t len = addr_len(a);

	memset(out, 0, sizeof(*out));
	if (a->type != b->type || (a->proto && b->proto && a->proto != b->proto))
		return false;
	out->type = a->type;
	out->proto = a->proto ? a->proto : b->proto;
	memcpy(out->lo, memcmp(a->lo, b->lo, len) > 0 ? a->lo : b->lo, len);
	memcpy(out->hi, memcmp(a->hi, b->hi, len) < 0 ? a->hi : b->hi, len);
	return memcmp(out->lo, out->hi, len) <= 0 && intersect_ports(a, b, out);
}

bool ts_equal(const struct ts *a, const struct ts *b)
{
	size_t len = addr_len(a);

	return a->type == b->type && a->proto == b->proto && a->port_lo == b->port_lo &&
	       a->port_hi == b->port_hi && !memcmp(a->lo, b->lo, len) &&
	       !memcmp(a->hi, b->hi, len);
}

bool ts_contains(const struct ts *outer, const struct ts *inner)
{
	struct ts both;

	return intersect(outer, inner, &both) && ts_equal(&both, inner);
}

bool ts_overlap(const struct ts *a, const struct ts *b)
{
	struct ts both;

	return intersect(a, b, &both);
}

bool ts_subset(const struct ts *a, unsigned int na, const struct ts *b, unsigned int nb)
{
	for (unsigned int i = 0; i < na; i++) {
		unsigned int j = 0;

		while (j < nb && !ts_contains(&b[j], &a[i]))
			j++;
		if (j == nb)
			return false;
	}
	return true;
}

bool ts_set_equal(const struct ts *a, unsigned int na, const struct ts *b, unsigned int nb)
{
	return ts_subset(a, na, b, nb) && ts_subset(b, nb, a, na);
}

/* Adds t; what it contains makes room for it, at the place of the first. Returns the new count. */
static unsigned int add(struct ts *set, unsigned int n, unsigned int max, const struct ts *t)
{
	unsigned int keep = 0, at = max;

	for (unsigned int i = 0; i < n; i++)
		if (ts_contains(&set[i], t))
			return n;
	for (unsigned int i = 0; i < n; i++) {
		if (!ts_contains(t, &set[i]))
			set[keep++] = set[i];
		else if (at == max)
			set[at = keep++] = *t;
	}
	if (at == max && keep < max)
		set[keep++] = *t;
	return keep;
}

unsigned int ts_narrow(const struct ts *ours, unsigned int n_ours, const struct ts *theirs,
		       unsigned int n_theirs, struct ts *out, unsigned int max, bool *narrowed)
{
	unsigned int n = 0;
	struct ts both;

	for (unsigned int i = 0; i < n_theirs; i++)
		for (unsigned int j = 0; j < n_ours; j++)
			if (intersect(&ours[j], &theirs[i], &both))
				n = add(out, n, max, &both);
	if (narrowed)
		*narrowed = !ts_subset(theirs, n_theirs, out, n);
	return n;
}

bool ts_has_addr(const struct ts *ts, const struct addr *a)
{
	size_t len = addr_len(ts);

	return len == addr_ip_len(a) && memcmp(ts->lo, a->ip, len) <= 0 &&
	       memcmp(a->ip, ts->hi, len) <= 0;
}

struct ts ts_any(uint8_t type)
{
	struct ts t = { .type = type, .port_hi = UINT16_MAX };

	memset(t.hi, 0xff, addr_len(&t));
	return t;
}

bool ts_everything(const struct ts *ts, unsigned int n)
{
	const struct ts both[] = { ts_any(TS_IPV4), ts_any(TS_IPV6) };

	return ts_subset(both, 2, ts, n);
}

struct ts ts_host(const struct addr *a)
{
	struct ts t = ts_any(a->family == AF_INET6 ? TS_IPV6 : TS_IPV4);

	memcpy(t.lo, a->ip, addr_len(&t));
	memcpy(t.hi, a->ip, addr_len(&t));
	return t;
}

static const struct {
	const char *name;
	uint8_t proto;
} protos[] = {
	{ "icmp", 1 }, { "tcp", 6 }, { "udp", 17 }, { "gre", 47 }, { "icmp6", 58 },
	{ "ospf", 89 }, { "sctp", 132 },
};

/* A decimal number up to max at *text, which moves behind it. Return: the number, or -1. */
static long number(const char **text, long max)
{
	char *end;
	long v;

	if (**text < '0' || **text > '9')
		return -1;
	v = strtol(*text, &end, 10);
	*text = end;
	return v <= max ? v : -1;
}

static int parse_proto(struct ts *t, const char *text, size_t len)
{
	const char *p = text;
	long v;

	for (unsigned int i = 0; i < sizeof(protos) / sizeof(protos[0]); i++) {
		if (len == strlen(protos[i].name) && !memcmp(text, protos[i].name, len)) {
			t->proto = protos[i].proto;
			return 0;
		}
	}
	v = number(&p, 255);
	if (v < 0 || p != text + len)
		return -EINVAL;
	t->proto = (uint8_t)v;
	return 0;
}

/* "tcp/80-90]": what is behind the bracket. */
static int parse_suffix(struct ts *t, const char *text, const char **why)
{
	size_t len = strcspn(text, "/]");
	long lo, hi;

	*why = "a protocol is a number up to 255 or a name such as tcp, udp, icmp, gre";
	if (!text[len] || parse_proto(t, text, len))
		return -EINVAL;
	text += len;
	if (*text == '/') {
		text++;
		*why = "ports are a number up to 65535 or two joined by \"-\"";
		lo = number(&text, UINT16_MAX);
		hi = lo;
		if (lo >= 0 && *text == '-') {
			text++;
			hi = number(&text, UINT16_MAX);
		}
		if (lo < 0 || hi < lo)
			return -EINVAL;
		*why = "ports need a protocol";
		if (!t->proto)
			return -EINVAL;
		t->port_lo = (uint16_t)lo;
		t->port_hi = (uint16_t)hi;
	}
	*why = "the selector does not end in \"]\"";
	return strcmp(text, "]") ? -EINVAL : 0;
}

/* Bits behind the prefix: cleared in lo, set in hi. Fails when lo has some of them. */
static int apply_prefix(struct ts *t, unsigned int bits)
{
	for (unsigned int i = bits; i < 8 * addr_len(t); i++) {
		uint8_t bit = (uint8_t)(0x80 >> i % 8);

		if (t->lo[i / 8] & bit)
			return -EINVAL;
		t->hi[i / 8] |= bit;
	}
	return 0;
}

static int parse_range(struct ts *t, char *text, const char **why)
{
	const char *number_at;
	struct addr a, b;
	char *sep;
	long bits;

	if (!strcmp(text, "any") || !strcmp(text, "any6")) {
		*t = ts_any(text[3] ? TS_IPV6 : TS_IPV4);
		return 0;
	}
	*why = "a selector is a prefix, an address, two joined by \"-\", \"any\" or \"any6\"";
	sep = strpbrk(text, "/-");
	number_at = sep ? sep + 1 : NULL;
	if (sep && *sep == '-') {
		*sep = '\0';
		if (addr_parse(&a, text) || addr_parse(&b, number_at) || a.port || b.port ||
		    !addr_ip_len(&a) || a.family != b.family)
			return -EINVAL;
		*t = ts_host(&a);
		memcpy(t->hi, b.ip, addr_len(t));
		*why = "the range is upside down";
		return memcmp(t->lo, t->hi, addr_len(t)) > 0 ? -EINVAL : 0;
	}
	if (sep)
		*sep = '\0';
	if (addr_parse(&a, text) || a.port || !addr_ip_len(&a))
		return -EINVAL;
	*t = ts_host(&a);
	if (!sep)
		return 0;
	*why = "the prefix length is not a number up to 32 or 128";
	bits = number(&number_at, (long)(8 * addr_len(t)));
	if (bits < 0 || *number_at)
		return -EINVAL;
	*why = "the address has bits behind the prefix";
	return apply_prefix(t, (unsigned int)bits);
}

int ts_parse(struct ts *out, const char *text, const char **why)
{
	char range[TS_TEXT_MAX];
	size_t len = strcspn(text, "[");
	int err;

	memset(out, 0, sizeof(*out));
	*why = "the selector is too long";
	if (len >= sizeof(range))
		return -EINVAL;
	memcpy(range, text, len);
	range[len] = '\0';
	err = parse_range(out, range, why);
	if (!err && text[len])
		err = parse_suffix(out, text + len + 1, why);
	return err;
}

/* The length of the prefix that lo to hi is, or -1. */
static int prefix_of(const struct ts *t)
{
	unsigned int bits = 0, end = (unsigned int)(8 * addr_len(t));

	while (bits < end && !((t->lo[bits / 8] ^ t->hi[bits / 8]) & 0x80 >> bits % 8))
		bits++;
	for (unsigned int i = bits; i < end; i++)
		if (t->lo[i / 8] & 0x80 >> i % 8 || !(t->hi[i / 8] & 0x80 >> i % 8))
			return -1;
	return (int)bits;
}

static void format_suffix(const struct ts *t, char *buf, size_t len)
{
	char proto[16], ports[16] = "";

	snprintf(proto, sizeof(proto), "%u", t->proto);
	for (unsigned int i = 0; i < sizeof(protos) / sizeof(protos[0]); i++)
		if (protos[i].proto == t->proto)
			snprintf(proto, sizeof(proto), "%s", protos[i].name);
	if (ports_opaque(t))
		snprintf(ports, sizeof(ports), "/opaque");
	else if (t->port_lo == t->port_hi)
		snprintf(ports, sizeof(ports), "/%u", t->port_lo);
	else if (!ports_any(t))
		snprintf(ports, sizeof(ports), "/%u-%u", t->port_lo, t->port_hi);
	*buf = '\0';
	if (t->proto || *ports)
		snprintf(buf, len, "[%s%s]", proto, ports);
}

char *ts_format(const struct ts *ts, char *buf, size_t len)
{
	int family = ts->type == TS_IPV6 ? AF_INET6 : AF_INET;
	char lo[INET6_ADDRSTRLEN], hi[INET6_ADDRSTRLEN], suffix[40];
	int bits = prefix_of(ts);

	inet_ntop(family, ts->lo, lo, sizeof(lo));
	inet_ntop(family, ts->hi, hi, sizeof(hi));
	format_suffix(ts, suffix, sizeof(suffix));
	if (bits >= 0)
		snprintf(buf, len, "%s/%d%s", lo, bits, suffix);
	else
		snprintf(buf, len, "%s-%s%s", lo, hi, suffix);
	return buf;
}

char *ts_list_format(const struct ts *ts, unsigned int n, char *buf, size_t len)
{
	char one[TS_TEXT_MAX];
	size_t at = 0;

	if (len)
		*buf = '\0';
	for (unsigned int i = 0; i < n && at < len; i++)
		at += (size_t)snprintf(buf + at, len - at, "%s%s", i ? ", " : "",
				       ts_format(&ts[i], one, sizeof(one)));
	return buf;
}
