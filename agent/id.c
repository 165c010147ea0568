// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Identities between text and payload.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "addr.h"
#include "buf.h"
#include "id.h"

static const struct {
	const char *prefix;
	uint8_t type;
} kinds[] = {
	{ "fqdn:", ID_FQDN },
	{ "email:", ID_RFC822_ADDR },
	{ "ipv4:", ID_IPV4_ADDR },
	{ "ipv6:", ID_IPV6_ADDR },
	{ "keyid:", ID_KEY_ID },
	{ "asn1dn:", ID_DER_ASN1_DN },
};

static const char *prefix_of(uint8_t type)
{
	for (unsigned int i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].type == type)
			return kinds[i].prefix;
	return "";
}

static int hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *p = c ? strchr(digits, tolower((unsigned char)c)) : NULL;

	return p ? (int)(p - digits) : -1;
}

static int parse_hex(struct ident *out, const char *text, const char **why)
{
	size_t len = strlen(text);

	*why = "hexadecimal after 0x: two digits for each of 1 to 255 bytes";
	if (!len || len % 2 || len / 2 > sizeof(out->data))
		return -EINVAL;
	for (size_t i = 0; i < len / 2; i++) {
		int hi = hex_digit(text[2 * i]), lo = hex_digit(text[2 * i + 1]);

		if (hi < 0 || lo < 0)
			return -EINVAL;
		out->data[i] = (uint8_t)(hi << 4 | lo);
	}
	out->len = (uint8_t)(len / 2);
	return 0;
}

static int parse_chars(struct ident *out, const char *text, const char **why)
{
	size_t len = strlen(text);

	*why = "an identity has 1 to 255 characters";
	if (!len || len > sizeof(out->data) + BUF_BUG)
		return -EINVAL;
	*why = "an identity has printable characters and no blanks; keyid:0x... takes any byte";
	for (size_t i = 0; i < len; i++)
		if (!isgraph((unsigned char)text[i]) && !(out->type == ID_KEY_ID && text[i] == ' '))
			return -EINVAL;
	memcpy(out->data, text, len);
	out->len = (uint8_t)len;
	return 0;
}

static int parse_ip(struct ident *out, const char *text, const char **why)
{
	int family = out->type == ID_IPV6_ADDR ? AF_INET6 : AF_INET;

	*why = family == AF_INET ? "not an IPv4 address" : "not an IPv6 address";
	if (inet_pton(family, text, out->data) != 1)
		return -EINVAL;
	out->len = family == AF_INET ? 4 : 16;
	return 0;
}

static int parse_as(struct ident *out, uint8_t type, const char *text, const char **why)
{
	const char *at;

	out->type = type;
	switch (type) {
	case ID_IPV4_ADDR:
	case ID_IPV6_ADDR:
		return parse_ip(out, text, why);
	case ID_DER_ASN1_DN:
		*why = "asn1dn: takes the DER encoding as 0x...";
		if (strncmp(text, "0x", 2))
			return -EINVAL;
		return parse_hex(out, text + 2, why);
	case ID_KEY_ID:
		if (!strncmp(text, "0x", 2))
			return parse_hex(out, text + 2, why);
		return parse_chars(out, text, why);
	case ID_RFC822_ADDR:
		at = strchr(text, '@');
		*why = "a mail address is user@host";
		if (!at || at == text || !at[1])
			return -EINVAL;
		return parse_chars(out, text, why);
	}
	return parse_chars(out, text, why);
}

int id_parse(struct ident *out, const char *text, const char **why)
{
	struct addr a;

	memset(out, 0, sizeof(*out));
	*why = "";
	if (!strcmp(text, "any") || !strcmp(text, "%any"))
		return 0;
	for (unsigned int i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		size_t len = strlen(kinds[i].prefix);

		if (!strncasecmp(text, kinds[i].prefix, len))
			return parse_as(out, kinds[i].type, text + len, why);
	}
	if (!addr_parse(&a, text) && !a.port && *text != '[') {
		*out = id_from_addr(&a);
		return 0;
	}
	/* A leading @ says "a name, do not resolve it" in other products. */
	if (*text == '@')
		return parse_as(out, ID_FQDN, text + 1, why);
	return parse_as(out, strchr(text, '@') ? ID_RFC822_ADDR : ID_FQDN, text, why);
}

struct ident id_from_addr(const struct addr *a)
{
	struct ident id = { .len = (uint8_t)addr_ip_len(a) };

	id.type = id.len == 16 ? ID_IPV6_ADDR : id.len ? ID_IPV4_ADDR : ID_ANY;
	memcpy(id.data, a->ip, id.len);
	return id;
}

static bool printable(const struct ident *id)
{
	for (unsigned int i = 0; i < id->len; i++)
		if (!isgraph(id->data[i]) && id->data[i] != ' ')
			return false;
	return true;
}

static void format_hex(const struct ident *id, char *buf, size_t len)
{
	size_t at = (size_t)snprintf(buf, len, "0x");

	for (unsigned int i = 0; i < id->len && at < len; i++)
		at += (size_t)snprintf(buf + at, len - at, "%02x", id->data[i]);
}

static void format_chars(const struct ident *id, char *buf, size_t len)
{
	size_t at = 0;

	if (len)
		*buf = '\0';
	for (unsigned int i = 0; i < id->len && at < len; i++) {
		uint8_t c = id->data[i];
		bool plain = isgraph(c) && c != '\\';

		at += (size_t)snprintf(buf + at, len - at, plain ? "%c" : "\\x%02x", c);
	}
}

/* A name that looks like something else needs its kind in front. */
static bool reads_back(const struct ident *id, const char *text)
{
	struct ident again;
	const char *why;

	return !id_parse(&again, text, &why) && again.type == id->type &&
	       again.len == id->len && !memcmp(again.data, id->data, id->len);
}

char *id_format(const struct ident *id, char *buf, size_t len)
{
	char text[ID_TEXT_MAX] = "";

	switch (id->type) {
	case ID_ANY:
		snprintf(buf, len, "any");
		return buf;
	case ID_IPV4_ADDR:
	case ID_IPV6_ADDR:
		/* Peers have sent addresses of other lengths. */
		if (id->len == (id->type == ID_IPV4_ADDR ? 4 : 16))
			inet_ntop(id->type == ID_IPV4_ADDR ? AF_INET : AF_INET6, id->data, text,
				  sizeof(text));
		else
			format_hex(id, text, sizeof(text));
		break;
	case ID_FQDN:
	case ID_RFC822_ADDR:
		format_chars(id, text, sizeof(text));
		break;
	case ID_KEY_ID:
		if (printable(id) && (id->len < 2 || memcmp(id->data, "0x", 2)))
			snprintf(text, sizeof(text), "%.*s", id->len, (const char *)id->data);
		else
			format_hex(id, text, sizeof(text));
		break;
	default:
		format_hex(id, text, sizeof(text));
		break;
	}
	if (reads_back(id, text))
		snprintf(buf, len, "%s", text);
	else if (*prefix_of(id->type))
		snprintf(buf, len, "%s%s", prefix_of(id->type), text);
	else
		snprintf(buf, len, "type %u:%s", id->type, text);
	return buf;
}

static struct view from(const struct ident *id, size_t at)
{
	return view_sub(view(id->data, id->len), at, id->len - at);
}

/* Without regard to case. A zero byte is never equal: strncasecmp() would stop there. */
static bool chars_equal(struct view a, struct view b)
{
	return a.len == b.len && (!a.len ||
	       (!memchr(a.data, 0, a.len) && !memchr(b.data, 0, b.len) &&
		!strncasecmp((const char *)a.data, (const char *)b.data, a.len)));
}

/* Where the part begins that is compared without regard to case (RFC 5321 2.4: the host). */
static size_t fold_from(const struct ident *id)
{
	if (id->type == ID_FQDN)
		return 0;
	if (id->type == ID_RFC822_ADDR)
		for (size_t i = id->len; i > 0; i--)
			if (id->data[i - 1] == '@')
				return i;
	return id->len;
}

bool id_equal(const struct ident *a, const struct ident *b)
{
	size_t fold = fold_from(a);

	return a->type == b->type && a->len == b->len && !memcmp(a->data, b->data, fold) &&
	       chars_equal(from(a, fold), from(b, fold));
}

bool id_match(const struct ident *want, const struct ident *got)
{
	char sep = want->type == ID_FQDN ? '.' : '@';
	size_t skip;

	if (want->type == ID_ANY)
		return true;
	if (want->type != got->type)
		return false;
	if ((want->type != ID_FQDN && want->type != ID_RFC822_ADDR) || want->len < 3 ||
	    want->data[0] != '*' || want->data[1] != sep)
		return id_equal(want, got);
	/* "*" stands for at least one character, the rest must be the end of theirs. */
	if (got->len < want->len)
		return false;
	skip = got->len - want->len + 1U;
	if (memchr(got->data, 0, skip) || (sep == '@' && memchr(got->data, '@', skip)))
		return false;
	return chars_equal(from(want, 1), from(got, skip));
}
