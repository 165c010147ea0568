// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * SA payloads: bytes as RFC 7296 3.3 draws them, what is unknown, what is too much.
 */
#include <errno.h>

#include "../suite.h"
#include "../wire_sa.h"
#include "tap.h"

static const struct ike_hdr hdr = { .exchange = EXCHANGE_IKE_SA_INIT };
static uint8_t body_buf[8192];

static struct view body(const char *hex)
{
	static uint8_t *exact;
	size_t len = unhex(body_buf, sizeof(body_buf), hex);

	/* Memory of the exact size, for the sanitizer. */
	free(exact);
	exact = malloc(len ? len : 1);
	memcpy(exact, body_buf, len);
	return view(exact, len);
}

/* IKE: AES-CBC-256, PRF SHA-256, INTEG SHA-256-128, MODP-2048. */
#define ENCR  "0300000c 0100000c 800e0100"
#define PRF   "03000008 02000005"
#define INTEG "03000008 0300000c"
#define KE    "00000008 0400000e"
#define ONE   "0000002c 01010004" ENCR PRF INTEG KE

static void test_golden(void)
{
	char err[SUITE_ERR_MAX];
	struct sa_list l, again;
	uint8_t buf[200];
	struct wire_out o;
	struct proposal p;

	ok(!wire_get_sa(body(ONE), &l) && l.n == 1 && l.p[0].n == 4 && l.p[0].num == 1 &&
	   l.p[0].protocol == PROTO_IKE && !l.p[0].spi_len && !l.p[0].foreign && !l.truncated,
	   "a proposal is read");
	proposals_parse(&p, 1, PROTO_IKE, "aes256-prfsha256-sha256-modp2048", false, err,
			sizeof(err));
	ok(!memcmp(p.t, l.p[0].t, 4 * sizeof(p.t[0])), "and is what its text says");
	wire_begin(&o, buf, sizeof(buf), &hdr);
	wire_put_sa(&o, &l);
	ok(wire_end(&o) == 28 + 4 + 44, "and written");
	is_bytes(buf + 32, 44, ONE, "the same bytes");
	ok(!wire_get_sa(view(buf + 32, 44), &again) && again.p[0].n == 4, "and read again");
}

static const struct {
	const char *what, *body;
	int want;
	unsigned int n, transforms;	/* of the first proposal */
	bool foreign;
} cases[] = {
	{ "two proposals", "02000020 01030402 aabbccdd 0300000c 01000014 800e0100 00000008 05000001"
	  "0000001c 02030401 aabbccdd 00000010 01000014 800e0080 800f0001", 0, 2, 2, false },
	{ "no transform at all", "00000008 01010000", 0, 1, 0, false },
	{ "an unknown attribute leaves its transform out",
	  "00000020 01010002 03000010 0100000c 800e0100 80630001 00000008 0400000e", 0, 1, 1,
	  false },
	{ "a long attribute too",
	  "00000022 01010002 03000012 0100000c 800e0100 00630002 0001 00000008 0400000e", 0, 1, 1,
	  false },
	{ "and a long key length", "0000001a 01010001 00000012 0100000c 800e0100 000e0002 0100", 0,
	  1, 0, false },
	{ "and two key lengths", "00000018 01010001 00000010 0100000c 800e0100 800e0080", 0, 1, 0,
	  false },
	{ "a key length of 0", "00000014 01010001 0000000c 0100000c 800e0000", 0, 1, 0, false },
	{ "an unknown transform type", "00000010 01010001 00000008 06000023", 0, 1, 0, true },
	{ "transform type 0", "00000010 01010001 00000008 00000023", 0, 1, 0, true },
	{ "an unknown transform", "00000010 01010001 00000008 04000fff", 0, 1, 1, false },
	{ "an unknown protocol", "00000010 01c80001 00000008 0400000e", 0, 1, 1, false },
	{ "an SPI of 9 bytes", "00000019 01010901 112233445566778899 00000008 0400000e", 0, 1, 1,
	  true },

	{ "nothing", "", -EBADMSG, 0, 0, false },
	{ "half a head", "00000008 010100", -EBADMSG, 0, 0, false },
	{ "\"more\" and no more", "02000010 01010001 00000008 0400000e", -EBADMSG, 0, 0, false },
	{ "\"last\" and more", "00000008 01010000 00000008 02010000", -EBADMSG, 0, 0, false },
	{ "more transforms than said", "00000018 01010001 03000008 0400000e 00000008 04000013",
	  -EBADMSG, 0, 0, false },
	{ "less transforms than said", "00000010 01010002 03000008 0400000e", -EBADMSG, 0, 0,
	  false },
	{ "255 transforms said", "00000010 010100ff 03000008 0400000e", -EBADMSG, 0, 0, false },
	{ "last transform says more", "00000010 01010001 03000008 0400000e", -EBADMSG, 0, 0,
	  false },
	{ "first transform says last", "00000018 01010002 00000008 0400000e 00000008 04000013",
	  -EBADMSG, 0, 0, false },
	{ "transform of 7 bytes", "0000000f 01010001 00000007 040000", -EBADMSG, 0, 0, false },
	{ "half an attribute", "00000012 01010001 0000000a 0100000c 800e", -EBADMSG, 0, 0, false },
	{ "attribute beyond its transform",
	  "00000014 01010001 0000000c 0100000c 00630001", -EBADMSG, 0, 0, false },
	{ "attribute of 65535", "00000015 01010001 0000000d 0100000c 0063ffff 00", -EBADMSG, 0, 0,
	  false },
	{ "SPI beyond its proposal", "00000008 0101ff00", -EBADMSG, 0, 0, false },
	{ "proposal of 3 bytes", "00000003 01010000", -EBADMSG, 0, 0, false },
	{ "proposal of 65535", "0000ffff 01010000", -EBADMSG, 0, 0, false },
};

static void test_cases(void)
{
	struct sa_list l;

	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int ret = wire_get_sa(body(cases[i].body), &l);

		ok(ret == cases[i].want && (ret || (l.n == cases[i].n &&
		   l.p[0].n == cases[i].transforms && l.p[0].foreign == cases[i].foreign)),
		   "%s: %s", cases[i].what, ret ? "refused" : "read");
	}
}

static void test_too_many(void)
{
	static uint8_t buf[16384];
	struct sa_list l;
	struct wr w = wr_init(buf, sizeof(buf));

	for (unsigned int i = 0; i < 40; i++) {
		wr_u32(&w, (i < 39 ? 0x02000000 : 0) | 16);
		wr_u32(&w, 0x00010001 | (i + 1) << 24);
		wr_u32(&w, 8);
		wr_u32(&w, 0x0400000e);
	}
	ok(!wire_get_sa(view(buf, w.len), &l) && l.n == SA_PROPOSALS && l.truncated &&
	   l.p[31].num == 32, "the first 32 of 40 proposals are looked at");

	w = wr_init(buf, sizeof(buf));
	wr_u32(&w, 8 + 255 * 8);
	wr_u32(&w, 0x010100ff);
	for (unsigned int i = 0; i < 255; i++) {
		wr_u32(&w, (i < 254 ? 0x03000000 : 0) | 8);
		wr_u32(&w, 0x04000000 | i);
	}
	ok(!wire_get_sa(view(buf, w.len), &l) && l.n == 1 && l.p[0].n == SA_TRANSFORMS &&
	   l.truncated && l.p[0].t[63].id == 63, "and the first 64 of 255 transforms");
}

int main(void)
{
	test_golden();
	test_cases();
	test_too_many();
	return done();
}
