// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The algorithm table and proposals as text.
 */
#include <errno.h>

#include <linux/ipsecvti.h>

#include "../ke.h"
#include "../suite.h"
#include "../wire_sa.h"
#include "tap.h"

#define IKE PROTO_IKE
#define ESP PROTO_ESP

/* What comes back from proposal_format() for the first proposal. */
static const struct {
	uint8_t protocol;
	bool legacy;
	const char *text, *back;
} good[] = {
	{ IKE, false, "aes256gcm16-prfsha384-ecp384", "aes256gcm16-prfsha384-ecp384" },
	{ IKE, false, "aes256-sha256-modp2048", "aes256-sha256-modp2048" },
	{ IKE, false, "AES256-SHA256-MODP2048", "aes256-sha256-modp2048" },
	{ IKE, false, "  aes-sha2_384-x25519\t", "aes128-sha384-curve25519" },
	{ IKE, false, "aes256-sha256-sha512-prfsha512-ecp256",
	  "aes256-sha256-sha512-prfsha512-ecp256" },
	{ IKE, false, "aes256-sha256-sha512-ecp256", "aes256-sha256-sha512-ecp256" },
	{ IKE, false, "aes256-aes256-sha256-ecp256", "aes256-sha256-ecp256" },
	{ IKE, true, "aes128-sha1-modp1024", "aes128-sha1-modp1024" },
	{ ESP, false, "aes256gcm16", "aes256gcm16" },
	{ ESP, false, "aes256gcm", "aes256gcm16" },
	{ ESP, false, "aes128gcm128-ecp256", "aes128gcm16-ecp256" },
	{ ESP, false, "aes256gcm16-esn", "aes256gcm16-esn" },
	{ ESP, false, "aes256gcm16-noesn", "aes256gcm16-noesn" },
	{ ESP, false, "aes256gcm16-noesn-esn", "aes256gcm16-noesn-esn" },
	{ ESP, false, "aes256gcm16-esn-noesn", "aes256gcm16" },
	{ ESP, false, "aes256-aes128-sha256-sha512", "aes256-aes128-sha256-sha512" },
	{ ESP, true, "aes128-sha1-modp1024", "aes128-sha1-modp1024" },
	{ ESP, false, "chacha20poly1305-x25519", "chacha20poly1305-curve25519" },
	{ IKE, false, "chacha20poly1305-prfsha256-ecp256", "chacha20poly1305-prfsha256-ecp256" },
};

/* A word that the error must name. */
static const struct {
	uint8_t protocol;
	const char *text, *names;
} bad[] = {
	{ IKE, "", "empty" },
	{ IKE, "aes256-sha256-modp2048,", "empty" },
	{ IKE, "aes256--sha256-modp2048", "empty" },
	{ IKE, "aes256-sha257-modp2048", "\"sha257\"" },
	{ IKE, "aes256-a-very-long-word-is-not-known", "\"a\"" },
	{ IKE, "aes256-averyveryveryverylongwordthatisnotknown", "averyvery" },
	{ IKE, "aes256gcm16-sha256-prfsha256-ecp256", "RFC 5282" },
	{ ESP, "aes256gcm16-sha256", "beside an AEAD" },
	{ IKE, "aes256gcm16-aes256-sha256-prfsha256-ecp256", "make two" },
	{ IKE, "aes256gcm16-ecp256", "PRF" },
	{ IKE, "aes256gcm16-prfsha256", "key exchange" },
	{ IKE, "aes256-modp2048", "hash" },
	{ IKE, "prfsha256-modp2048", "no cipher" },
	{ IKE, "aes128-sha1-modp2048", "\"sha1\" is weak" },
	{ IKE, "aes128-sha256-modp1024", "\"modp1024\" is weak" },
	{ IKE, "aes128gcm16-prfsha256-ecp256-esn", "\"esn\" cannot be used for IKE" },
	{ ESP, "aes128gcm16-prfsha256", "\"prfsha256\" cannot be used for ESP" },
	{ ESP, "aes192-sha256", "\"aes192\" cannot be used for ESP" },
	{ ESP, "aes256-sha1", "\"sha1\" is weak" },
	{ ESP, "ecp256", "no cipher" },
	{ ESP, "aes128gcm16,aes128gcm16,aes128gcm16", "more than 2 proposals" },
};

static void test_text(void)
{
	char err[SUITE_ERR_MAX], text[256];
	struct proposal p[TUNNEL_PROPOSALS], again[1];

	for (unsigned int i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		int n = proposals_parse(p, 2, good[i].protocol, good[i].text, good[i].legacy, err,
					sizeof(err));

		ok(n == 1 && p->protocol == good[i].protocol, "\"%s\" is read%s%s", good[i].text,
		   n < 0 ? ": " : "", n < 0 ? err : "");
		proposal_format(p, text, sizeof(text));
		is_str(text, good[i].back, "and written");
		proposals_parse(again, 1, good[i].protocol, text, true, err, sizeof(err));
		ok(!memcmp(again, p, sizeof(again)), "and read again the same");
	}
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int n = proposals_parse(p, 2, bad[i].protocol, bad[i].text, false, err,
					sizeof(err));

		ok(n == -EINVAL && strstr(err, bad[i].names), "\"%s\": %s", bad[i].text,
		   n < 0 ? err : "was taken");
		ok(proposals_parse(p, 2, bad[i].protocol, bad[i].text, false, err, 8) == -EINVAL &&
		   strlen(err) < 8, "its error is cut to fit");
	}
	proposals_parse(p, 2, IKE, "aes256-sha256-sha512-modp2048", false, err, sizeof(err));
	for (size_t len = 0; len < 20; len++) {
		memset(text, 'x', sizeof(text));
		proposal_format(p, text, len);
		ok((!len || strlen(text) < len) && text[len] == 'x', "text is cut to %zu", len);
	}
}

static void test_defaults(void)
{
	char err[SUITE_ERR_MAX];
	struct proposal p[TUNNEL_PROPOSALS];
	int n = proposals_parse(p, TUNNEL_PROPOSALS, IKE, suite_default(IKE), false, err,
				sizeof(err));

	ok(n > 3, "the IKE default is read: %s", n < 0 ? err : "fine");
	n = proposals_parse(p, TUNNEL_PROPOSALS, ESP, suite_default(ESP), false, err, sizeof(err));
	ok(n == 2 && p[0].n == 3 && p[0].t[1].id == ESN_YES && p[0].t[2].id == ESN_NO,
	   "the ESP default has ESN first and none second");
}

static void test_table(void)
{
	const struct suite *s;

	for (unsigned int i = 0; (s = suite_row(i)); i++) {
		struct transform t = { s->type, s->id, s->key_bits };
		char name[32];

		ok(suite_of(&t) == s, "%s is found by its numbers", s->name);
		is_str(suite_name(&t, name, sizeof(name)), s->name, "and named");
		if (s->type == TRANSFORM_KE)
			ok(ke_known(s->id), "%s is implemented", s->name);
		if (s->type == TRANSFORM_ENCR)
			ok((s->key_len == s->key_bits / 8 || !s->key_bits) && s->key_len &&
			   s->iv_len && s->block, "%s has sizes", s->name);
	}
	ok(!suite_find(TRANSFORM_ENCR, ENCR_AES_GCM_16, 0), "no cipher without a key length");
	ok(!suite_find(TRANSFORM_PRF, PRF_HMAC_SHA2_256, 256), "no PRF with one");
}

static void test_kernel(void)
{
	struct transform gcm = { TRANSFORM_ENCR, ENCR_AES_GCM_16, 256 };
	struct transform cbc = { TRANSFORM_ENCR, ENCR_AES_CBC, 256 };
	struct transform none = { 0 }, hash = { TRANSFORM_INTEG, INTEG_HMAC_SHA2_256_128, 0 };
	struct transform odd = { TRANSFORM_ENCR, 99, 128 }, odd2 = { 77, 9, 0 };
	char name[32];

	ok(suite_kernel(&gcm, &none) == IPSECVTI_SUITE_AES256GCM16, "the kernel has AES-256-GCM");
	ok(suite_kernel(&cbc, &hash) == IPSECVTI_SUITE_AES256_SHA256, "and AES-256 with SHA-256");
	ok(!suite_kernel(&gcm, &hash) && !suite_kernel(&cbc, &none) && !suite_kernel(&odd, &none),
	   "and not what it has not");
	is_str(suite_name(&odd, name, sizeof(name)), "encr/99/128", "unknown ciphers are named");
	is_str(suite_name(&odd2, name, sizeof(name)), "?/9", "unknown types too");
}

int main(void)
{
	test_text();
	test_defaults();
	test_table();
	test_kernel();
	return done();
}
