// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Traffic selectors: text, sets, narrowing, payloads.
 */
#include <arpa/inet.h>
#include <errno.h>

#include "../addr.h"
#include "../ts.h"
#include "tap.h"

static const struct {
	const char *text, *back;	/* NULL: as it was */
} good[] = {
	{ "10.0.0.0/8", NULL },
	{ "0.0.0.0/0", NULL },
	{ "any", "0.0.0.0/0" },
	{ "any6", "::/0" },
	{ "2001:db8::/32", NULL },
	{ "10.1.2.3", "10.1.2.3/32" },
	{ "::1", "::1/128" },
	{ "10.0.0.1-10.0.0.9", NULL },
	{ "10.0.0.0-10.0.0.255", "10.0.0.0/24" },
	{ "10.0.0.7-10.0.0.8", NULL },
	{ "fe80::1-fe80::ff", NULL },
	{ "10.0.0.0/8[tcp]", NULL },
	{ "10.0.0.0/8[tcp/80]", NULL },
	{ "any[17/1024-65535]", "0.0.0.0/0[udp/1024-65535]" },
	{ "10.0.0.0/8[200]", NULL },
	{ "10.0.0.0/8[0]", "10.0.0.0/8" },
	{ "10.0.0.0/8[udp/0-65535]", "10.0.0.0/8[udp]" },
	{ "any[gre]", "0.0.0.0/0[gre]" },
};

static const char *const bad[] = {
	"", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/x", "10.0.0.0/8x", "10.0.0.1/8", "::1/64",
	"10.0.0.9-10.0.0.1", "10.0.0.1-::1", "10.0.0.1-", "-10.0.0.1", "gw.example.org", "10/8",
	"10.0.0.0/8[", "10.0.0.0/8[]", "10.0.0.0/8[tcp", "10.0.0.0/8[tcp/]",
	"10.0.0.0/8[tcp/65536]",
	"10.0.0.0/8[tcp/9-1]", "10.0.0.0/8[tcp/1-]", "10.0.0.0/8[256]", "10.0.0.0/8[0/80]",
	"10.0.0.0/8[tcp]x", "10.0.0.0/8[nosuch]", "any:500", "10.0.0.1:5", "10.0.0.0/-1", "any/8",
	"10.0.0.0/8[tcpx]", "[tcp]",
};

static struct ts ts(const char *text)
{
	const char *why;
	struct ts t;

	if (ts_parse(&t, text, &why)) {
		printf("Bail out! %s: %s\n", text, why);
		exit(1);
	}
	return t;
}

static void test_text(void)
{
	char text[TS_TEXT_MAX], long_text[300];
	const char *why;
	struct ts t;

	for (unsigned int i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		ok(!ts_parse(&t, good[i].text, &why), "\"%s\" is read", good[i].text);
		is_str(ts_format(&t, text, sizeof(text)), good[i].back ? good[i].back :
		       good[i].text, "and written");
	}
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok(ts_parse(&t, bad[i], &why) == -EINVAL && *why, "\"%s\": %s", bad[i], why);
	memset(long_text, '1', sizeof(long_text));
	long_text[299] = '\0';
	ok(ts_parse(&t, long_text, &why) == -EINVAL, "too long a text is refused");
	t = ts("10.0.0.1-10.0.0.9[tcp/80]");
	for (size_t len = 1; len < 30; len++) {
		text[len] = 'x';
		ts_format(&t, text, len);
		if (strlen(text) >= len || text[len] != 'x')
			ok(false, "not cut to %zu", len);
	}
}

/* Sets as texts with blanks between. */
static unsigned int set(struct ts *out, const char *text)
{
	char copy[400], *save, *word;
	unsigned int n = 0;

	snprintf(copy, sizeof(copy), "%s", text);
	for (word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
		out[n++] = ts(word);
	return n;
}

static const struct {
	const char *what, *ours, *theirs, *out;
	bool narrowed;
} narrow[] = {
	{ "equal", "10.0.0.0/8", "10.0.0.0/8", "10.0.0.0/8", false },
	{ "any of ours takes theirs", "any", "10.0.0.0/8", "10.0.0.0/8", false },
	{ "any of theirs becomes ours", "10.0.0.0/8", "any", "10.0.0.0/8", true },
	{ "ranges that overlap", "10.0.0.0-10.0.0.20", "10.0.0.10-10.0.0.30",
	  "10.0.0.10-10.0.0.20", true },
	{ "nothing in common", "10.0.0.0/8", "192.168.0.0/16", "", true },
	{ "families do not mix", "any", "any6", "", true },
	{ "both families", "any any6", "any any6", "0.0.0.0/0, ::/0", false },
	{ "one of two families", "any", "any any6", "0.0.0.0/0", true },
	{ "two of ours in one of theirs", "10.1.0.0/16 10.2.0.0/16", "10.0.0.0/8",
	  "10.1.0.0/16, 10.2.0.0/16", true },
	{ "the packet's selector first", "10.0.0.0/8", "10.1.2.3[tcp/80] 10.0.0.0/8", "10.0.0.0/8",
	  false },
	{ "and kept where it stands alone", "10.0.0.0/8", "10.1.2.3[tcp/80] 192.168.0.0/16",
	  "10.1.2.3/32[tcp/80]", true },
	{ "protocol of one side", "any[tcp]", "10.0.0.0/8", "10.0.0.0/8[tcp]", true },
	{ "other protocol", "any[tcp]", "any[udp]", "", true },
	{ "ports", "any[tcp/80-90]", "any[tcp/85-100]", "0.0.0.0/0[tcp/85-90]", true },
	{ "other ports", "any[tcp/80]", "any[tcp/81]", "", true },
	{ "duplicates go", "10.0.0.0/8 10.0.0.0/8", "10.0.0.0/8 10.0.0.0/8", "10.0.0.0/8", false },
	{ "what is inside another goes", "any", "10.1.0.0/16 10.2.0.0/16 10.0.0.0/8 10.3.0.0/16",
	  "10.0.0.0/8", false },
};

static void test_narrow(void)
{
	struct ts a[8], b[8], out[8];
	char text[400];

	for (unsigned int i = 0; i < sizeof(narrow) / sizeof(narrow[0]); i++) {
		unsigned int na = set(a, narrow[i].ours), nb = set(b, narrow[i].theirs), n;
		bool narrowed;

		n = ts_narrow(a, na, b, nb, out, 8, &narrowed);
		is_str(ts_list_format(out, n, text, sizeof(text)), narrow[i].out, "%s",
		       narrow[i].what);
		ok(narrowed == narrow[i].narrowed, "and %s", narrowed ? "less" : "all of it");
		ok(ts_subset(out, n, a, na) && ts_subset(out, n, b, nb), "within both");
	}
	set(a, "any");
	set(b, "10.1.0.0/16 10.2.0.0/16 10.3.0.0/16");
	ok(ts_narrow(a, 1, b, 3, out, 2, NULL) == 2 && ts_equal(&out[0], &b[0]),
	   "no more than there is room for, the first first");
	ok(ts_narrow(a, 1, b, 0, out, 8, NULL) == 0 && ts_narrow(a, 0, b, 3, out, 8, NULL) == 0,
	   "nothing with nothing");
}

/* RFC 7296 3.13.1: OPAQUE ports meet ANY and themselves only. */
static void test_opaque(void)
{
	struct ts opaque = ts("any[tcp]"), any = ts("any[tcp]"), some = ts("any[tcp/80]"), out;
	char text[TS_TEXT_MAX];

	opaque.port_lo = 65535;
	opaque.port_hi = 0;
	is_str(ts_format(&opaque, text, sizeof(text)), "0.0.0.0/0[tcp/opaque]", "opaque is shown");
	ok(ts_narrow(&any, 1, &opaque, 1, &out, 1, NULL) == 1 && ts_equal(&out, &opaque),
	   "any takes opaque");
	ok(ts_overlap(&opaque, &opaque) && !ts_overlap(&opaque, &some), "a port does not");
	ok(ts_contains(&any, &opaque) && !ts_contains(&opaque, &any), "opaque is the lesser");
}

static void test_sets(void)
{
	struct ts a[4], b[4], t = ts("10.0.0.0/8"), in = ts("10.1.0.0/16[tcp]");
	struct addr x;
	unsigned int na = set(a, "10.0.0.0/8 any6"), nb = set(b, "any6 10.0.0.0/8");

	ok(ts_set_equal(a, na, b, nb) && !ts_set_equal(a, 1, b, nb), "order does not matter");
	ok(ts_contains(&t, &in) && !ts_contains(&in, &t) && ts_overlap(&in, &t), "containment");
	addr_parse(&x, "10.255.255.255");
	ok(ts_has_addr(&t, &x), "last address");
	addr_parse(&x, "11.0.0.0");
	ok(!ts_has_addr(&t, &x), "one behind");
	addr_parse(&x, "::1");
	ok(!ts_has_addr(&t, &x) && ts_has_addr(&a[1], &x), "the other family");
	t = ts_host(&x);
	ok(ts_has_addr(&t, &x) && ts_contains(&a[1], &t), "one host");
	ok(ts_subset(a, 0, b, 0), "nothing is part of nothing");
}

static const struct ike_hdr hdr = { .exchange = EXCHANGE_IKE_AUTH };

static void test_golden(void)
{
	struct ts t[2] = { ts("10.0.0.0/8[tcp/80]"), ts("::1") };
	uint8_t buf[200];
	struct wire_out o;
	struct ts_set s;

	wire_begin(&o, buf, sizeof(buf), &hdr);
	wire_put_ts(&o, PAYLOAD_TSi, t, 2);
	ok(wire_end(&o) == 28 + 8 + 16 + 40, "a payload is written");
	is_bytes(buf + 32, 4 + 16 + 40,
		 "02000000 07060010 00500050 0a000000 0affffff 08000028 0000ffff"
		 "00000000000000000000000000000001 00000000000000000000000000000001",
		 "as RFC 7296 3.13 draws it");
	ok(!wire_get_ts(view(buf + 32, 60), &s) && s.n == 2 && ts_equal(&s.t[0], &t[0]) &&
	   ts_equal(&s.t[1], &t[1]), "and read");
}

static const struct {
	const char *what, *body;
	int want;
	unsigned int n;
} bodies[] = {
	{ "none", "00000000", 0, 0 },
	{ "unknown type is skipped",
	  "02000000 09000008 aabbccdd 07000010 0000ffff 00000000 ffffffff", 0, 1 },
	{ "unknown type of least size", "01000000 c8000004", 0, 0 },
	{ "opaque ports", "01000000 07060010 ffff0000 00000000 ffffffff", 0, 1 },
	{ "ports of no protocol are skipped",
	  "02000000 07000010 01bb01bb 00000000 ffffffff 07000010 0000ffff 00000000 ffffffff", 0, 1 },
	{ "half a head", "0100", -EBADMSG, 0 },
	{ "one said, none there", "01000000", -EBADMSG, 0 },
	{ "none said, one there", "00000000 07000010 0000ffff 00000000 ffffffff", -EBADMSG, 0 },
	{ "IPv4 too short", "01000000 0700000f 0000ffff 00000000 ffffff", -EBADMSG, 0 },
	{ "IPv4 too long", "01000000 07000011 0000ffff 00000000 ffffffff 00", -EBADMSG, 0 },
	{ "IPv6 of IPv4's size", "01000000 08000010 0000ffff 00000000 ffffffff", -EBADMSG, 0 },
	{ "selector of 3 bytes", "01000000 c8000003", -EBADMSG, 0 },
	{ "selector of 0", "01000000 07000000 0000ffff 00000000 ffffffff", -EBADMSG, 0 },
	{ "selector of 65535", "01000000 0700ffff 0000ffff 00000000 ffffffff", -EBADMSG, 0 },
	{ "addresses upside down", "01000000 07000010 0000ffff 0a000001 0a000000", -EBADMSG, 0 },
	{ "ports upside down", "01000000 07060010 00510050 00000000 ffffffff", -EBADMSG, 0 },
	{ "nearly opaque", "01000000 07060010 ffff0001 00000000 ffffffff", -EBADMSG, 0 },
};

static void test_bodies(void)
{
	uint8_t buf[200];
	struct ts_set s;

	for (unsigned int i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		size_t len = unhex(buf, sizeof(buf), bodies[i].body);
		uint8_t *exact = malloc(len);

		memcpy(exact, buf, len);
		ok(wire_get_ts(view(exact, len), &s) == bodies[i].want &&
		   (bodies[i].want || s.n == bodies[i].n), "%s", bodies[i].what);
		free(exact);
	}
}

static void test_many(void)
{
	struct ts t[255];
	uint8_t buf[5000];
	struct wire_out o;
	struct ts_set s;
	int len;

	for (unsigned int i = 0; i < 255; i++) {
		t[i] = ts("10.0.0.1");
		t[i].lo[3] = t[i].hi[3] = (uint8_t)i;
	}
	wire_begin(&o, buf, sizeof(buf), &hdr);
	wire_put_ts(&o, PAYLOAD_TSi, t, 255);
	len = wire_end(&o);
	ok(len > 0 && !wire_get_ts(view(buf + 32, (size_t)len - 32), &s) && s.n == TS_WIRE_MAX &&
	   s.truncated && s.t[63].lo[3] == 63, "the first 64 of 255 are looked at");
}

int main(void)
{
	test_text();
	test_narrow();
	test_opaque();
	test_sets();
	test_golden();
	test_bodies();
	test_many();
	return done();
}
