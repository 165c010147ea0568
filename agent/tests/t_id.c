// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Identities and addresses as text.
 */
#include <arpa/inet.h>
#include <errno.h>

#include "../addr.h"
#include "../id.h"
#include "tap.h"

static const struct {
	const char *text;
	uint8_t type, len;
	const char *back;	/* NULL: as it was */
} good[] = {
	{ "any", ID_ANY, 0, NULL },
	{ "%any", ID_ANY, 0, "any" },
	{ "192.0.2.1", ID_IPV4_ADDR, 4, NULL },
	{ "2001:db8::1", ID_IPV6_ADDR, 16, NULL },
	{ "ipv4:192.0.2.1", ID_IPV4_ADDR, 4, "192.0.2.1" },
	{ "ipv6:::1", ID_IPV6_ADDR, 16, "::1" },
	{ "gw.example.org", ID_FQDN, 14, NULL },
	{ "gw", ID_FQDN, 2, NULL },
	{ "@gw", ID_FQDN, 2, "gw" },
	{ "fqdn:192.0.2.1", ID_FQDN, 9, NULL },
	{ "fqdn:any", ID_FQDN, 3, NULL },
	{ "FQDN:gw", ID_FQDN, 2, "gw" },
	{ "joe@example.org", ID_RFC822_ADDR, 15, NULL },
	{ "email:joe@example.org", ID_RFC822_ADDR, 15, "joe@example.org" },
	{ "*@example.org", ID_RFC822_ADDR, 13, NULL },
	{ "*.example.org", ID_FQDN, 13, NULL },
	{ "keyid:branch 7", ID_KEY_ID, 8, NULL },
	{ "keyid:0x00ff", ID_KEY_ID, 2, NULL },
	{ "keyid:0x4142", ID_KEY_ID, 2, "keyid:AB" },
	{ "keyid:0x3078", ID_KEY_ID, 2, "keyid:0x3078" },
	{ "asn1dn:0x3000", ID_DER_ASN1_DN, 2, NULL },
};

static const char *const bad[] = {
	"", "fqdn:", "gw example", "gw\n", "g\x7fw", "email:joe", "@", "joe@", "ipv4:1.2.3",
	"ipv4:::1", "ipv6:1.2.3.4", "keyid:", "keyid:0x", "keyid:0x1", "keyid:0xzz", "asn1dn:CN=x",
	"keyid:a\tb", "caf\xc3\xa9",
};

static void test_text(void)
{
	char text[ID_TEXT_MAX], too_long[300];
	struct ident id;
	const char *why;

	for (unsigned int i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		ok(!id_parse(&id, good[i].text, &why) && id.type == good[i].type &&
		   id.len == good[i].len, "\"%s\" is read", good[i].text);
		is_str(id_format(&id, text, sizeof(text)), good[i].back ? good[i].back :
		       good[i].text, "and written");
	}
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok(id_parse(&id, bad[i], &why) == -EINVAL && *why, "bad identity %u: %s", i, why);
	memset(too_long, 'a', sizeof(too_long));
	too_long[256] = '\0';
	ok(id_parse(&id, too_long, &why) == -EINVAL, "256 characters are too many");
	too_long[255] = '\0';
	ok(!id_parse(&id, too_long, &why) && id.len == 255, "255 are not");
}

/* What strangers send goes to logs. */
static void test_safe(void)
{
	struct ident id = { .type = ID_FQDN, .len = 6, .data = "a\n\x1b[\\b" };
	char text[ID_TEXT_MAX];

	is_str(id_format(&id, text, sizeof(text)), "fqdn:a\\x0a\\x1b[\\x5cb", "escaped");
	id.type = 201;
	is_str(id_format(&id, text, sizeof(text)), "type 201:0x610a1b5b5c62", "unknown type");
	id.type = ID_IPV4_ADDR;
	is_str(id_format(&id, text, sizeof(text)), "ipv4:0x610a1b5b5c62", "address of 6 bytes");
	id.type = ID_IPV6_ADDR;
	is_str(id_format(&id, text, sizeof(text)), "ipv6:0x610a1b5b5c62", "IPv6 of 6 bytes");
	for (unsigned int type = 0; type < 256; type++) {
		memset(&id, 0x01, sizeof(id));
		id.type = (uint8_t)type;
		id.len = 255;
		id_format(&id, text, sizeof(text));
		for (char *p = text; *p; p++)
			if (*p < ' ' || *p > '~')
				ok(false, "type %u leaves an unsafe byte", type);
		id_format(&id, text, 10);
		if (strlen(text) > 9)
			ok(false, "type %u is not cut", type);
	}
	ok(true, "no type of identity breaks the log");
}

static const struct {
	const char *want, *got;
	bool match;
} matches[] = {
	{ "any", "gw.example.org", true },
	{ "any", "192.0.2.1", true },
	{ "gw.example.org", "gw.example.org", true },
	{ "gw.example.org", "GW.Example.ORG", true },
	{ "gw.example.org", "gw2.example.org", false },
	{ "gw.example.org", "email:gw@example.org", false },
	{ "gw.example.org", "keyid:gw.example.org", false },
	{ "*.example.org", "gw.example.org", true },
	{ "*.example.org", "a.b.Example.org", true },
	{ "*.example.org", ".example.org", false },
	{ "*.example.org", "example.org", false },
	{ "*.example.org", "gw.example.com", false },
	{ "*.example.org", "evil-example.org", false },
	{ "*@example.org", "joe@example.org", true },
	{ "*@example.org", "joe@EXAMPLE.org", true },
	{ "*@example.org", "email:joe@evil.com@example.org", false },
	{ "*@example.org", "joe@sub.example.org", false },
	{ "joe@example.org", "Joe@example.org", false },
	{ "192.0.2.1", "192.0.2.1", true },
	{ "192.0.2.1", "192.0.2.2", false },
	{ "192.0.2.1", "fqdn:192.0.2.1", false },
	{ "keyid:*.x", "keyid:a.x", false },
};

static void test_match(void)
{
	struct ident want, got, zero = { .type = ID_FQDN, .len = 4, .data = "gw\0x" };
	const char *why;

	for (unsigned int i = 0; i < sizeof(matches) / sizeof(matches[0]); i++) {
		id_parse(&want, matches[i].want, &why);
		id_parse(&got, matches[i].got, &why);
		ok(id_match(&want, &got) == matches[i].match, "%s %s %s", matches[i].want,
		   matches[i].match ? "takes" : "refuses", matches[i].got);
	}
	got = zero;
	got.data[3] = 'y';
	ok(!id_equal(&zero, &got), "a zero byte does not end a comparison");
}

static const struct {
	const char *text;
	uint16_t family, port;
	const char *back;
} addrs[] = {
	{ "192.0.2.1", AF_INET, 0, NULL },
	{ "192.0.2.1:500", AF_INET, 500, NULL },
	{ "2001:db8::1", AF_INET6, 0, NULL },
	{ "[2001:db8::1]", AF_INET6, 0, "2001:db8::1" },
	{ "[2001:db8::1]:4500", AF_INET6, 4500, NULL },
	{ "any", AF_UNSPEC, 0, NULL },
};

static const char *const bad_addrs[] = {
	"", "1.2.3", "1.2.3.4:", "1.2.3.4:0", "1.2.3.4:65536", "1.2.3.4:x", "[::1", "[::1]x",
	"[::1]:", "gw.example.org", "1.2.3.4 ", "[]", "1:2", "1.2.3.4:+5",
	"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc",
};

static void test_addr(void)
{
	char text[ADDR_TEXT_MAX];
	struct sockaddr_storage ss;
	struct addr a, b;

	for (unsigned int i = 0; i < sizeof(addrs) / sizeof(addrs[0]); i++) {
		ok(!addr_parse(&a, addrs[i].text) && a.family == addrs[i].family &&
		   a.port == addrs[i].port, "address \"%s\" is read", addrs[i].text);
		is_str(addr_format(&a, text, sizeof(text)), addrs[i].back ? addrs[i].back :
		       addrs[i].text, "and written");
		if (!a.family)
			continue;
		ok(!addr_from_sockaddr(&b, (struct sockaddr *)&ss, addr_to_sockaddr(&a, &ss)) &&
		   addr_equal(&a, &b) && addr_ip_equal(&a, &b), "through a sockaddr and back");
		b.port++;
		ok(!addr_equal(&a, &b) && addr_ip_equal(&a, &b), "ports count where asked");
	}
	ok(addr_is_any(&(struct addr){ 0 }) && addr_to_sockaddr(&(struct addr){ 0 }, &ss) == 0,
	   "any is any");
	for (unsigned int i = 0; i < sizeof(bad_addrs) / sizeof(bad_addrs[0]); i++)
		ok(addr_parse(&a, bad_addrs[i]) == -EINVAL, "bad address \"%s\"", bad_addrs[i]);

	addr_parse(&a, "::ffff:192.0.2.1");
	addr_from_sockaddr(&b, (struct sockaddr *)&ss, addr_to_sockaddr(&a, &ss));
	ok(b.family == AF_INET, "a mapped address is IPv4");
	ss.ss_family = AF_UNIX;
	ok(addr_from_sockaddr(&b, (struct sockaddr *)&ss, sizeof(ss)) == -EAFNOSUPPORT &&
	   addr_from_sockaddr(&b, (struct sockaddr *)&ss, 2) == -EAFNOSUPPORT,
	   "other families are refused");
}

int main(void)
{
	test_text();
	test_safe();
	test_match();
	test_addr();
	return done();
}
