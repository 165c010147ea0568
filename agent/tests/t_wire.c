// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Messages written, read back, and lied about: every length field of every
 * payload, every truncation, and random damage. Each message to be read lies
 * in memory of its exact size, so that the sanitizer sees one byte too many.
 */
#include <errno.h>

#include "../crypto.h"
#include "tap.h"
#include "walk.h"

#define SPI_I 0x0102030405060708
#define SPI_R 0x1112131415161718

static const struct ike_hdr hdr = {
	.spi_i = SPI_I, .spi_r = SPI_R, .exchange = EXCHANGE_IKE_AUTH,
	.flags = IKE_FLAG_INITIATOR, .id = 7,
};

/* Parses a copy of exactly len bytes. The views of *m are dead afterwards. */
static int parse(struct msg *m, const uint8_t *buf, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);
	int ret;

	if (len)
		memcpy(copy, buf, len);
	ret = wire_parse(m, copy, len);
	if (!ret)
		ret = walk_msg(m);
	free(copy);
	return ret;
}

static void put_sa(struct wire_out *o)
{
	char err[SUITE_ERR_MAX];
	struct proposal p[2];
	struct sa_list l;

	proposals_parse(p, 2, PROTO_ESP, "aes256gcm16-ecp256, aes128gcm16", false, err,
			sizeof(err));
	prop_offer(p, 2, view("\1\2\3\4", 4), 0, &l);
	wire_put_sa(o, &l);
}

/* Every kind of payload, one of each. Return: length. */
static int build(uint8_t *buf, size_t cap)
{
	static const uint8_t zero[256];
	struct ident id = { .type = ID_FQDN, .len = 14, .data = "gw.example.org" };
	struct ts ts[2] = { ts_any(TS_IPV4), ts_any(TS_IPV6) };
	uint32_t spis[2] = { 0x01020304, 0xfffefdfc };
	struct wire_out o;

	wire_begin(&o, buf, cap, &hdr);
	put_sa(&o);
	wire_put_ke(&o, KE_ECP_256, view(zero, 64));
	wire_put_nonce(&o, view(zero, 32));
	wire_put_id(&o, PAYLOAD_IDi, &id);
	wire_put_id(&o, PAYLOAD_IDr, &id);
	wire_put_auth(&o, AUTH_METHOD_PSK, view(zero, 32));
	wire_put_ts(&o, PAYLOAD_TSi, ts, 2);
	wire_put_ts(&o, PAYLOAD_TSr, ts, 1);
	wire_put_status(&o, NOTIFY_INITIAL_CONTACT, NULL, 0);
	wire_put_notify(&o, 3, view("\1\2\3\4", 4), NOTIFY_REKEY_SA, view("xy", 2));
	wire_put_delete_ike(&o);
	wire_put_delete_esp(&o, spis, 2);
	wire_put_vendor(&o, view("someone", 7));
	return wire_end(&o);
}

static void test_build(void)
{
	uint8_t buf[2000];
	int len = build(buf, sizeof(buf));
	struct delete_pl d;
	struct notify n;
	struct ident id;
	struct msg m;

	ok(len > 0, "a message is built");
	ok(!wire_parse(&m, buf, (size_t)len) && !walk_msg(&m) && m.n == 13, "and read");
	ok(m.hdr.spi_i == SPI_I && m.hdr.spi_r == SPI_R && m.hdr.id == 7 &&
	   m.hdr.exchange == EXCHANGE_IKE_AUTH && m.hdr.flags == IKE_FLAG_INITIATOR &&
	   m.hdr.version == IKE_VERSION && m.hdr.next == PAYLOAD_SA, "the header is ours");
	is_bytes(buf, 28, "01020304050607081112131415161718 21 20 23 08 00000007 000001c9",
		 "as RFC 7296 3.1 draws it");
	ok(msg_count(&m, PAYLOAD_NOTIFY) == 2 && msg_find(&m, PAYLOAD_NOTIFY, 1) &&
	   !msg_find(&m, PAYLOAD_NOTIFY, 2) && !msg_find(&m, PAYLOAD_CP, 0), "payloads are found");
	ok(msg_notify(&m, NOTIFY_REKEY_SA, &n) && n.protocol == 3 && n.spi.len == 4 &&
	   n.spi.data[3] == 4 && n.data.len == 2, "a notify with SPI and data");
	ok(!msg_error(&m, &n) && !msg_notify(&m, NOTIFY_COOKIE, &n), "no error, no cookie");
	ok(!wire_get_delete(msg_find(&m, PAYLOAD_DELETE, 0)->body, &d) && !d.n && d.protocol == 1,
	   "delete of the IKE SA");
	ok(!wire_get_delete(msg_find(&m, PAYLOAD_DELETE, 1)->body, &d) && d.n == 2 &&
	   wire_delete_spi(&d, 0) == 0x01020304 && wire_delete_spi(&d, 1) == 0xfffefdfc &&
	   wire_delete_spi(&d, 2) == 0, "delete of two ESP SAs");
	ok(!wire_get_id(msg_find(&m, PAYLOAD_IDi, 0)->body, &id) && id.len == 14 &&
	   id.type == ID_FQDN, "an identity");

	for (int cap = 0; cap < len; cap++) {
		uint8_t *small = malloc((size_t)cap + 1);

		if (build(small, (size_t)cap) != -EMSGSIZE)
			ok(false, "%d bytes are too few", cap);
		free(small);
	}
	ok(build(buf, (size_t)len) == len, "a message fits its own length, and nothing less");
}

static void test_misuse(void)
{
	static uint8_t buf[80000], big[70000];
	struct wire_out o;

	wire_begin(&o, buf, sizeof(buf), &hdr);
	wire_open(&o, PAYLOAD_VENDOR);
	ok(wire_end(&o) == -EMSGSIZE, "an open payload is an error");
	wire_begin(&o, buf, sizeof(buf), &hdr);
	wire_open(&o, PAYLOAD_VENDOR);
	wire_open(&o, PAYLOAD_VENDOR);
	ok(wire_end(&o) == -EMSGSIZE, "one in another too");
	wire_begin(&o, buf, sizeof(buf), &hdr);
	wire_put_vendor(&o, view(big, sizeof(big)));
	ok(wire_end(&o) == -EMSGSIZE, "a payload above 65535 bytes is refused, not cut");
	wire_begin(&o, buf, sizeof(buf), &hdr);
	wire_open_sk(&o, 8);
	ok(wire_end(&o) == -EMSGSIZE, "SK does not end unprotected");
	wire_begin(&o, buf, sizeof(buf), &hdr);
	ok(wire_end(&o) == 28, "no payload at all is a message");
}

static void put16(uint8_t *p, size_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* The six lies of each length; only the true one passes. */
static void lie(const uint8_t *msg, size_t len, size_t at, unsigned int width, const char *what)
{
	size_t truth = width == 2 ? (size_t)(msg[at] << 8 | msg[at + 1]) : msg[at];
	size_t max = width == 2 ? 65535 : 255;
	size_t lies[] = { 0, 1, truth - 1, truth + 1, max, truth / 2, truth + 4, truth - 4 };
	uint8_t *copy = malloc(len);
	struct msg m;

	for (unsigned int i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		size_t v = lies[i] & max;

		memcpy(copy, msg, len);
		if (width == 2)
			put16(copy + at, v);
		else
			copy[at] = (uint8_t)v;
		if (v == truth)
			continue;
		ok(parse(&m, copy, len) == -EBADMSG, "%s: %zu for %zu", what, v, truth);
	}
	free(copy);
}

/* One payload of a kind alone in a message, with the offset of each length in its body. */
static void test_lies(void)
{
	uint8_t buf[2000];
	size_t len = (size_t)build(buf, sizeof(buf)), at = 28;
	uint8_t type = buf[16];

	ok(!parse(&(struct msg){ 0 }, buf, len), "the truth is taken");
	for (unsigned int i = 0; i < 13; i++) {
		uint8_t one[600];
		size_t plen = (size_t)(buf[at + 2] << 8 | buf[at + 3]);
		char what[64];

		/* Alone, so that no following payload can make a lie come out right. */
		memcpy(one, buf, 28);
		memcpy(one + 28, buf + at, plen);
		one[16] = type;
		one[28] = 0;
		put16(one + 26, 28 + plen);
		snprintf(what, sizeof(what), "%s payload", wire_payload_name(type));
		lie(one, 28 + plen, 30, 2, what);
		snprintf(what, sizeof(what), "message with %s", wire_payload_name(type));
		lie(one, 28 + plen, 26, 2, what);
		type = buf[at];
		at += plen;
	}
}

/* Lengths and counts inside bodies: offsets from the start of the payload, by hand. */
static void test_lies_inside(void)
{
	static const struct {
		unsigned int payload;	/* in build()'s order */
		size_t at;
		unsigned int width;
		const char *what;
	} fields[] = {
		{ 0, 4 + 2, 2, "first proposal's length" },
		{ 0, 4 + 6, 1, "first proposal's SPI size" },
		{ 0, 4 + 7, 1, "first proposal's number of transforms" },
		{ 0, 4 + 12 + 2, 2, "first transform's length" },
		{ 0, 4 + 12 + 12 + 2, 2, "second transform's length" },
		{ 0, 4 + 12 + 12 + 8 + 8 + 2, 2, "last transform's length" },
		{ 0, 4 + 12 + 12 + 8 * 3 + 2, 2, "second proposal's length" },
		{ 6, 4, 1, "number of selectors" },
		{ 6, 8 + 2, 2, "first selector's length" },
		{ 6, 8 + 16 + 2, 2, "second selector's length" },
		{ 11, 4 + 1, 1, "delete's SPI size" },
		{ 11, 4 + 2, 2, "delete's number of SPIs" },
		{ 10, 4 + 1, 1, "delete's SPI size for IKE" },
	};
	uint8_t buf[2000];
	size_t len = (size_t)build(buf, sizeof(buf));

	for (unsigned int i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		size_t at = 28;

		for (unsigned int j = 0; j < fields[i].payload; j++)
			at += (size_t)(buf[at + 2] << 8 | buf[at + 3]);
		lie(buf, len, at + fields[i].at, fields[i].width, fields[i].what);
	}
}

static int one_payload(uint8_t type, const char *hex)
{
	uint8_t buf[400], body[300];
	struct wire_out o;
	struct msg m;
	int len;

	wire_begin(&o, buf, sizeof(buf), &hdr);
	wire_open(&o, type);
	wr_bytes(&o.w, body, unhex(body, sizeof(body), hex));
	wire_close(&o);
	len = wire_end(&o);
	return parse(&m, buf, (size_t)len);
}

static const struct {
	uint8_t type;
	const char *body;
	int want;
	const char *what;
} bodies[] = {
	{ PAYLOAD_NONCE, "000102030405060708090a0b0c0d0e0f", 0, "nonce of 16 bytes" },
	{ PAYLOAD_NONCE, "000102030405060708090a0b0c0d0e", -EBADMSG, "nonce of 15" },
	{ PAYLOAD_NONCE, "", -EBADMSG, "nonce of none" },
	{ PAYLOAD_KE, "00130000aa", 0, "KE of one byte" },
	{ PAYLOAD_KE, "00130000", -EBADMSG, "KE of none" },
	{ PAYLOAD_KE, "001300", -EBADMSG, "KE without its head" },
	{ PAYLOAD_AUTH, "02000000", -EBADMSG, "AUTH of none" },
	{ PAYLOAD_AUTH, "", -EBADMSG, "AUTH without its head" },
	{ PAYLOAD_AUTH, "ff000000aa", 0, "AUTH of an unknown method" },
	{ PAYLOAD_IDi, "02000000", -EBADMSG, "empty identity" },
	{ PAYLOAD_IDi, "00000000aa", -EBADMSG, "identity of type 0" },
	{ PAYLOAD_IDr, "020000", -EBADMSG, "identity without its head" },
	{ PAYLOAD_IDr, "c8000000aa", 0, "identity of an unknown type" },
	{ PAYLOAD_NOTIFY, "00004005", 0, "notify without data" },
	{ PAYLOAD_NOTIFY, "000040", -EBADMSG, "notify without its head" },
	{ PAYLOAD_NOTIFY, "03044009aabbcc", -EBADMSG, "notify with a short SPI" },
	{ PAYLOAD_NOTIFY, "0310400900112233445566778899aabbccddeeff", 0, "notify with a long one" },
	{ PAYLOAD_NOTIFY, "03ff4009aabbcc", -EBADMSG, "notify with SPI size 255" },
	{ PAYLOAD_DELETE, "01000000", 0, "delete of IKE" },
	{ PAYLOAD_DELETE, "01000001", 0, "delete of IKE, counted" },
	{ PAYLOAD_DELETE, "0108000100112233445566778899", -EBADMSG, "delete of IKE with an SPI" },
	{ PAYLOAD_DELETE, "0304000111223344", 0, "delete of ESP" },
	{ PAYLOAD_DELETE, "03040000", 0, "delete of no ESP" },
	{ PAYLOAD_DELETE, "030000ff", -EBADMSG, "delete of 255 SPIs of no size" },
	{ PAYLOAD_DELETE, "0308000111223344", -EBADMSG, "delete with SPI size 8" },
	{ PAYLOAD_DELETE, "0904000111223344", -EBADMSG, "delete of an unknown protocol" },
	{ PAYLOAD_DELETE, "0304ffff11223344", -EBADMSG, "delete of 65535" },
	{ PAYLOAD_CERT, "", -EBADMSG, "certificate of none" },
	{ PAYLOAD_CERTREQ, "04", 0, "certificate request without a hash" },
	{ PAYLOAD_CP, "010000", -EBADMSG, "CP without its head" },
	{ PAYLOAD_EAP, "0100", -EBADMSG, "EAP without its head" },
	{ PAYLOAD_VENDOR, "", 0, "empty vendor id" },
	{ PAYLOAD_SA, "", -EBADMSG, "SA without a proposal" },
	{ PAYLOAD_TSi, "000000", -EBADMSG, "TS without its head" },
	{ PAYLOAD_TSi, "00000000", 0, "TS of none" },
};

static void test_bodies(void)
{
	for (unsigned int i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
		ok(one_payload(bodies[i].type, bodies[i].body) == bodies[i].want, "%s %s",
		   bodies[i].what, bodies[i].want ? "is refused" : "is taken");
}

static void test_header(void)
{
	uint8_t buf[64];
	struct wire_out o;
	struct ike_hdr h;
	struct msg m;
	int err = 0;

	wire_begin(&o, buf, sizeof(buf), &hdr);
	wire_put_vendor(&o, view("abcd", 4));
	wire_end(&o);
	for (size_t len = 0; len < 36; len++)
		err |= parse(&m, buf, len) != -EBADMSG;
	ok(!err, "every truncation is refused");
	ok(!parse(&m, buf, 36) && parse(&m, buf, 37) == -EBADMSG, "a byte behind it too");
	ok(!wire_peek_hdr(&h, buf, 36) && h.spi_i == SPI_I && h.len == 36, "a header is peeked at");
	buf[17] = 0x2f;
	ok(!parse(&m, buf, 36), "a minor version is ignored");
	buf[17] = 0x30;
	ok(parse(&m, buf, 36) == -EPROTONOSUPPORT && m.hdr.spi_i == SPI_I,
	   "major version 3 is told apart");
	buf[17] = 0x10;
	ok(parse(&m, buf, 36) == -EBADMSG, "IKEv1 is nothing");
	buf[17] = 0x20;
	buf[16] = 0;
	ok(parse(&m, buf, 36) == -EBADMSG, "bytes behind \"no payload\" are refused");
}

/* RFC 7296 2.5: unknown payloads are skipped unless critical; known ones ignore the bit. */
static void test_critical(void)
{
	uint8_t buf[200];
	struct wire_out o;
	struct msg m;
	int len;

	wire_begin(&o, buf, sizeof(buf), &hdr);
	wire_open(&o, 200);
	wr_u8(&o.w, 1);
	wire_close(&o);
	wire_put_nonce(&o, view("0123456789abcdef", 16));
	len = wire_end(&o);
	ok(!parse(&m, buf, (size_t)len) && m.n == 1 && m.unknown == 1, "unknown is skipped");
	buf[29] = 0x7f;
	ok(!parse(&m, buf, (size_t)len), "the other seven bits mean nothing");
	buf[29] = 0x80;
	ok(parse(&m, buf, (size_t)len) == -EOPNOTSUPP && m.critical == 200,
	   "unknown and critical is reported with its type");
	buf[29] = 0;
	buf[34] = 0x80;
	ok(!parse(&m, buf, (size_t)len), "known and critical is only known");
}

static void test_many(void)
{
	uint8_t buf[IKE_PAYLOAD_HDR_LEN * 400 + 28];
	struct wire_out o;
	struct msg m;
	int len;

	wire_begin(&o, buf, sizeof(buf), &hdr);
	for (unsigned int i = 0; i < MSG_PAYLOADS; i++)
		wire_put_vendor(&o, view(NULL, 0));
	len = wire_end(&o);
	ok(!parse(&m, buf, (size_t)len) && m.n == MSG_PAYLOADS, "64 payloads are taken");
	wire_put_vendor(&o, view(NULL, 0));
	len = wire_end(&o);
	ok(parse(&m, buf, (size_t)len) == -E2BIG, "65 are not");

	wire_begin(&o, buf, sizeof(buf), &hdr);
	for (unsigned int i = 0; i < 400; i++) {
		wire_open(&o, 222);
		wire_close(&o);
	}
	len = wire_end(&o);
	ok(!parse(&m, buf, (size_t)len) && m.unknown == 255 && !m.n,
	   "hundreds of unknown ones are skipped");
}

/* Where SK may be, and fragments; what is inside is t_sk.c's. */
static void test_sk_place(void)
{
	uint8_t buf[100];
	struct wire_out o;
	struct msg m;
	int len;

	wire_begin(&o, buf, sizeof(buf), &hdr);
	wire_put_vendor(&o, view("ab", 2));
	wire_open(&o, PAYLOAD_SK);
	wr_zero(&o.w, 20);
	wire_close(&o);
	len = wire_end(&o);
	buf[34] = PAYLOAD_IDi;
	ok(!parse(&m, buf, (size_t)len) && m.sk_type == PAYLOAD_SK && m.sk.len == 20 &&
	   m.sk_first == PAYLOAD_IDi && m.sk_aad == 38 && m.n == 1, "SK is last and not a payload");
	wire_put_vendor(&o, view("ab", 2));
	len = wire_end(&o);
	ok(parse(&m, buf, (size_t)len) == -EBADMSG, "nothing follows SK");

	wire_begin(&o, buf, sizeof(buf), &hdr);
	wire_open(&o, PAYLOAD_SKF);
	wr_u32(&o.w, 0x00020003);
	wr_zero(&o.w, 20);
	wire_close(&o);
	len = wire_end(&o);
	ok(!parse(&m, buf, (size_t)len) && m.sk_type == PAYLOAD_SKF && m.frag_num == 2 &&
	   m.frag_total == 3 && m.sk_aad == 36 && m.sk.len == 20, "a fragment");
	buf[33] = 0;
	ok(parse(&m, buf, (size_t)len) == -EBADMSG, "number 0 is none");
	buf[33] = 4;
	ok(parse(&m, buf, (size_t)len) == -EBADMSG, "nor 4 of 3");
	ok(one_payload(PAYLOAD_SKF, "000100") == -EBADMSG, "nor one without its head");
}

/* Damage of all kinds; only that nothing breaks is asked. */
static void test_damage(void)
{
	static const uint8_t values[] = { 0, 1, 0x7f, 0x80, 0xff };
	uint8_t buf[2000], copy[2000];
	size_t len = (size_t)build(buf, sizeof(buf));
	unsigned int taken = 0;
	uint8_t r[16];
	struct msg m;

	for (size_t i = 0; i < len; i++) {
		taken += !parse(&m, buf, i);
		for (unsigned int j = 0; j < sizeof(values); j++) {
			memcpy(copy, buf, len);
			copy[i] = values[j];
			parse(&m, copy, len);
		}
	}
	ok(!taken, "no truncation is taken, and no byte breaks anything");
	crypto_random_seed(1);
	for (unsigned int i = 0; i < 30000; i++) {
		memcpy(copy, buf, len);
		crypto_random(r, sizeof(r));
		for (unsigned int j = 0; j < 1U + r[0] % 4; j++)
			copy[(size_t)(r[4 * j] << 8 | r[4 * j + 1]) % len] = r[4 * j + 2];
		parse(&m, copy, len);
	}
	crypto_random_seed(0);
	ok(true, "nor do 30000 random ones (%u)", walk_sum ? 1 : 0);
}

static void test_names(void)
{
	is_str(wire_exchange_name(36), "CREATE_CHILD_SA", "exchange");
	is_str(wire_payload_name(33), "SA", "payload");
	is_str(wire_notify_name(16393), "REKEY_SA", "notify");
	is_str(wire_auth_method_name(13), "NULL", "method");
	is_str(wire_notify_name(65535), "unknown", "unknown");
	is_str(wire_exchange_name(255), "unknown", "unknown exchange");
	is_str(wire_payload_name(254), "unknown", "unknown payload");
	is_str(wire_auth_method_name(200), "unknown", "unknown method");
}

int main(void)
{
	test_build();
	test_misuse();
	test_lies();
	test_lies_inside();
	test_bodies();
	test_header();
	test_critical();
	test_many();
	test_sk_place();
	test_damage();
	test_names();
	return done();
}
