// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Selection of proposals, both roles.
 */
#include <errno.h>

#include "../prop.h"
#include "../suite.h"
#include "tap.h"

#define IKE PROTO_IKE
#define ESP PROTO_ESP
#define SPI_I "\x11\x22\x33\x44"

struct side {
	struct proposal p[TUNNEL_PROPOSALS];
	unsigned int n;
};

static struct side side(uint8_t protocol, const char *text)
{
	char err[SUITE_ERR_MAX];
	struct side s;
	int n = proposals_parse(s.p, TUNNEL_PROPOSALS, protocol, text, true, err, sizeof(err));

	if (n < 0) {
		printf("Bail out! %s: %s\n", text, err);
		exit(1);
	}
	s.n = (unsigned int)n;
	return s;
}

/* Initiator's and responder's text, flags of each, what they agree on (NULL: nothing). */
static const struct {
	const char *what;
	uint8_t protocol;
	unsigned int flags_i, flags_r;
	const char *i, *r, *chosen;
} table[] = {
	{ "equal sides", IKE, 0, 0, "aes256gcm16-prfsha384-ecp384",
	  "aes256gcm16-prfsha384-ecp384", "aes256gcm16-prfsha384-ecp384" },
	{ "the responder's order wins", IKE, 0, 0,
	  "aes128gcm16-prfsha256-ecp256, aes256gcm16-prfsha384-ecp384",
	  "aes256gcm16-prfsha384-ecp384, aes128gcm16-prfsha256-ecp256",
	  "aes256gcm16-prfsha384-ecp384" },
	{ "inside a proposal too", IKE, 0, 0, "aes128-aes256-sha256-sha512-modp2048-ecp256",
	  "aes256-sha512-sha256-ecp256-modp2048", "aes256-sha512-prfsha512-ecp256" },
	{ "a second proposal", IKE, 0, 0, "aes256gcm16-prfsha384-ecp384, aes128-sha256-modp2048",
	  "aes128-sha256-modp2048", "aes128-sha256-prfsha256-modp2048" },
	{ "no common cipher", IKE, 0, 0, "aes256-sha256-modp2048", "aes128-sha256-modp2048", NULL },
	{ "no common PRF", IKE, 0, 0, "aes256gcm16-prfsha256-ecp256",
	  "aes256gcm16-prfsha384-ecp256", NULL },
	{ "no common group", IKE, 0, 0, "aes256gcm16-prfsha256-ecp256",
	  "aes256gcm16-prfsha256-ecp384", NULL },
	{ "no mixing across proposals", IKE, 0, 0,
	  "aes256gcm16-prfsha256-ecp256, aes128gcm16-prfsha256-ecp384",
	  "aes256gcm16-prfsha256-ecp384", NULL },
	{ "ESN preferred", ESP, 0, 0, "aes256gcm16", "aes256gcm16", "aes256gcm16-esn" },
	{ "ESN refused by one", ESP, 0, 0, "aes256gcm16", "aes256gcm16-noesn",
	  "aes256gcm16-noesn" },
	{ "ESN demanded", ESP, 0, PROP_ESN_ONLY, "aes256gcm16-noesn", "aes256gcm16", NULL },
	{ "ESN demanded by the initiator", ESP, PROP_ESN_ONLY, 0, "aes256gcm16",
	  "aes256gcm16-noesn", NULL },
	{ "first child has no group", ESP, PROP_NO_KE, PROP_NO_KE, "aes256gcm16-ecp256",
	  "aes256gcm16-ecp384", "aes256gcm16-esn" },
	{ "secrecy agreed", ESP, 0, 0, "aes256gcm16-ecp256", "aes256gcm16-ecp256",
	  "aes256gcm16-ecp256-esn" },
	{ "secrecy only by the initiator", ESP, 0, 0, "aes256gcm16-ecp256", "aes256gcm16", NULL },
	{ "secrecy only by the responder", ESP, 0, 0, "aes256gcm16", "aes256gcm16-ecp256", NULL },
	{ "taken where we are free", ESP, 0, PROP_KE_ANY, "aes256gcm16-ecp256", "aes256gcm16",
	  "aes256gcm16-ecp256-esn" },
	{ "and left out where the peer has none", ESP, 0, PROP_KE_ANY, "aes256gcm16",
	  "aes256gcm16-ecp256", "aes256gcm16-esn" },
	{ "but never a weak group", ESP, 0, PROP_KE_ANY, "aes256gcm16-modp1024", "aes256gcm16",
	  NULL },
	{ "nor another than ours", ESP, 0, PROP_KE_ANY, "aes256gcm16-ecp384",
	  "aes256gcm16-ecp256", NULL },
};

static void test_table(void)
{
	struct view spi_i = view(SPI_I, 4), none = view(NULL, 0);
	char text[256];

	for (unsigned int k = 0; k < sizeof(table) / sizeof(table[0]); k++) {
		struct side i = side(table[k].protocol, table[k].i);
		struct side r = side(table[k].protocol, table[k].r);
		struct view spi = table[k].protocol == ESP ? spi_i : none;
		unsigned int len = (unsigned int)spi.len;
		struct sa_list offer, answer;
		struct chosen c, back;
		int err;

		prop_offer(i.p, i.n, spi, table[k].flags_i, &offer);
		err = prop_select(r.p, r.n, &offer, len, table[k].flags_r, &c);
		ok(err == (table[k].chosen ? 0 : -ENOENT), "%s", table[k].what);
		if (err)
			continue;
		is_str(prop_chosen_format(&c, text, sizeof(text)), table[k].chosen,
		       "the right one");
		ok(c.spi_len == len && !memcmp(c.spi, SPI_I, len), "with the peer's SPI");
		prop_answer(&c, spi, &answer);
		ok(!prop_accept(i.p, i.n, &answer, len, table[k].flags_i, &back),
		   "which the initiator accepts");
		ok(!memcmp(&back, &c, sizeof(c)), "and both mean the same");
	}
}

static struct sa_prop *only(struct sa_list *l, const struct chosen *c)
{
	prop_answer(c, view(NULL, 0), l);
	return &l->p[0];
}

/* Answers that an initiator must not believe. */
static void test_accept(void)
{
	struct side i = side(IKE, "aes256-sha256-ecp256, aes256gcm16-prfsha384-ecp384");
	struct chosen c, out;
	struct sa_list offer, l;
	struct sa_prop *p;

	prop_offer(i.p, i.n, view(NULL, 0), 0, &offer);
	prop_select(i.p, i.n, &offer, 0, 0, &c);

	p = only(&l, &c);
	ok(!prop_accept(i.p, i.n, &l, 0, 0, &out) && p->n == 4, "the honest answer");
	l.n = 2;
	ok(prop_accept(i.p, i.n, &l, 0, 0, &out) == -EBADMSG, "two proposals");
	l.n = 0;
	ok(prop_accept(i.p, i.n, &l, 0, 0, &out) == -EBADMSG, "none");
	only(&l, &c)->num = 0;
	ok(prop_accept(i.p, i.n, &l, 0, 0, &out) == -EBADMSG, "number 0");
	only(&l, &c)->num = 3;
	ok(prop_accept(i.p, i.n, &l, 0, 0, &out) == -EBADMSG, "a number that was not offered");
	only(&l, &c)->num = 2;
	ok(prop_accept(i.p, i.n, &l, 0, 0, &out) == -EBADMSG, "the number of another proposal");
	only(&l, &c)->protocol = ESP;
	ok(prop_accept(i.p, i.n, &l, 0, 0, &out) == -EBADMSG, "another protocol");
	only(&l, &c)->spi_len = 4;
	ok(prop_accept(i.p, i.n, &l, 0, 0, &out) == -EBADMSG, "an SPI where none belongs");
	only(&l, &c)->foreign = true;
	ok(prop_accept(i.p, i.n, &l, 0, 0, &out) == -EBADMSG, "an unknown transform type");
	p = only(&l, &c);
	p->t[p->n++] = p->t[0];
	ok(prop_accept(i.p, i.n, &l, 0, 0, &out) == -EBADMSG, "a transform twice");
	for (unsigned int k = 0; k < 4; k++) {
		p = only(&l, &c);
		p->t[k] = p->t[--p->n];
		ok(prop_accept(i.p, i.n, &l, 0, 0, &out) == -EBADMSG, "transform %u missing", k);
		p = only(&l, &c);
		p->t[k].id = 999;
		ok(prop_accept(i.p, i.n, &l, 0, 0, &out) == -EBADMSG, "transform %u replaced", k);
	}
	only(&l, &c)->t[0].key_bits = 128;
	ok(prop_accept(i.p, i.n, &l, 0, 0, &out) == -EBADMSG, "a shorter key than offered");
}

/* What peers send that is not in our text form. */
static void test_peers(void)
{
	struct side r = side(IKE, "aes256gcm16-prfsha384-ecp384");
	struct side e = side(ESP, "aes256gcm16");
	struct transform none = { TRANSFORM_INTEG, INTEG_NONE, 0 };
	struct transform hash = { TRANSFORM_INTEG, INTEG_HMAC_SHA2_256_128, 0 };
	struct sa_list l, answer;
	struct chosen c;

	prop_offer(r.p, r.n, view(NULL, 0), 0, &l);
	l.p[0].t[l.p[0].n++] = none;
	ok(!prop_select(r.p, r.n, &l, 0, 0, &c), "an AEAD with an explicit NONE is taken");
	prop_answer(&c, view(NULL, 0), &answer);
	ok(answer.p[0].n == 4 && !prop_accept(r.p, r.n, &answer, 0, 0, &c),
	   "and NONE is answered");
	prop_offer(r.p, r.n, view(NULL, 0), 0, &l);
	l.p[0].t[l.p[0].n++] = hash;
	ok(prop_select(r.p, r.n, &l, 0, 0, &c) == -ENOENT, "an AEAD with a hash is not");
	prop_offer(r.p, r.n, view(NULL, 0), 0, &l);
	l.p[0].foreign = true;
	ok(prop_select(r.p, r.n, &l, 0, 0, &c) == -ENOENT, "nor an unknown transform type");
	prop_offer(r.p, r.n, view(NULL, 0), 0, &l);
	ok(prop_select(r.p, r.n, &l, 8, 0, &c) == -ENOENT, "nor an SPI of the wrong length");
	l.n = 0;
	ok(prop_select(r.p, r.n, &l, 0, 0, &c) == -ENOENT, "nor nothing");

	prop_offer(e.p, e.n, view(SPI_I, 4), PROP_NO_KE, &l);
	l.p[0].n = 1;
	ok(!prop_select(e.p, e.n, &l, 4, PROP_NO_KE, &c) && !c.esn.type && c.esn.id == ESN_NO,
	   "ESP without an ESN transform has none");
	prop_answer(&c, view(SPI_I, 4), &answer);
	ok(answer.p[0].n == 1, "and the answer has none either");
	ok(prop_select(e.p, e.n, &l, 4, PROP_NO_KE | PROP_ESN_ONLY, &c) == -ENOENT,
	   "unless ESN is demanded");
	l.p[0].protocol = PROTO_AH;
	ok(prop_select(e.p, e.n, &l, 4, PROP_NO_KE, &c) == -ENOENT, "AH is refused");
}

static void test_groups(void)
{
	struct side s = side(IKE, "aes256-sha256-modp2048-ecp256, aes128-sha256-ecp384");
	struct side e = side(ESP, "aes256gcm16");

	ok(prop_guess_ke(s.p, s.n) == KE_MODP_2048, "the first group is the guess");
	ok(prop_guess_ke(e.p, e.n) == KE_NONE, "none is none");
	ok(prop_has_ke(s.p, s.n, KE_ECP_384) && !prop_has_ke(s.p, s.n, KE_ECP_521) &&
	   !prop_has_ke(e.p, e.n, KE_NONE), "offered groups are known");
}

static void test_texts(void)
{
	struct side o = side(IKE, "aes256gcm16-prfsha384-ecp384");
	struct side t = side(IKE, "aes128-sha1-modp1024, aes256-sha256-modp2048");
	struct sa_list l;
	char text[300];

	prop_offer(t.p, t.n, view(NULL, 0), 0, &l);
	l.p[0].protocol = PROTO_AH;
	l.p[1].foreign = true;
	l.p[1].t[0].id = 3;
	is_str(prop_format(o.p, o.n, text, sizeof(text)), "aes256gcm16-prfsha384-ecp384", "ours");
	is_str(sa_list_format(&l, IKE, text, sizeof(text)),
	       "AH:aes128-sha1-modp1024-prfsha1, "
	       "encr/3/256-sha256-modp2048-prfsha256-(unknown transform type)", "theirs");
	for (size_t len = 1; len < 100; len += 7) {
		text[len] = 'x';
		sa_list_format(&l, IKE, text, len);
		ok(strlen(text) < len && text[len] == 'x', "cut to %zu", len);
	}
}

/* Ours, theirs, flags, and what the log says keeps them apart. */
static const struct {
	uint8_t protocol;
	const char *ours, *theirs;
	unsigned int flags;
	const char *difference;
} differences[] = {
	{ IKE, "aes256gcm16-prfsha384-ecp384", "aes128gcm16-prfsha384-ecp384", 0,
	  "cipher: ours aes256gcm16, theirs aes128gcm16" },
	{ IKE, "aes256-sha384-modp2048", "aes256-aes128-sha256-sha512-modp2048", 0,
	  "hash: ours sha384, theirs sha256/sha512" },
	{ IKE, "aes256gcm16-prfsha384-ecp384", "aes256gcm16-prfsha256-ecp384", 0,
	  "PRF: ours prfsha384, theirs prfsha256" },
	{ IKE, "aes256gcm16-prfsha384-ecp384-ecp256", "aes256gcm16-prfsha384-modp2048", 0,
	  "group: ours ecp384/ecp256, theirs modp2048" },
	{ ESP, "aes256gcm16-ecp384", "aes256gcm16", 0, "group: ours ecp384, theirs none" },
	{ ESP, "aes256gcm16", "aes256gcm16-modp2048", 0, "group: ours none, theirs modp2048" },
	{ ESP, "aes256gcm16", "aes256gcm16-noesn", PROP_ESN_ONLY,
	  "sequence numbers: ours esn, theirs noesn" },
	/* The pair that comes nearest is the one that is told. */
	{ IKE, "aes128gcm16-prfsha256-ecp256, aes256gcm16-prfsha384-ecp384",
	  "aes256-sha1-modp1024, aes256gcm16-prfsha384-modp3072", 0,
	  "group: ours ecp384, theirs modp3072" },
};

static void test_difference(void)
{
	const struct transform hash = { TRANSFORM_INTEG, INTEG_HMAC_SHA2_256_128, 0 };
	const struct transform cbc = { TRANSFORM_ENCR, ENCR_AES_CBC, 256 };
	struct side gcm = side(IKE, "aes256gcm16-prfsha384-ecp384");
	struct side old = side(IKE, "aes256-sha256-prfsha384-ecp384");
	struct sa_list l;
	struct chosen c;
	char text[200];

	for (size_t i = 0; i < sizeof(differences) / sizeof(differences[0]); i++) {
		struct side o = side(differences[i].protocol, differences[i].ours);
		struct side t = side(differences[i].protocol, differences[i].theirs);

		prop_offer(t.p, t.n, view(NULL, 0), 0, &l);
		is_str(prop_difference(o.p, o.n, &l, 0, differences[i].flags, text, sizeof(text)),
		       differences[i].difference, "%s and %s", differences[i].ours,
		       differences[i].theirs);
	}
	prop_offer(gcm.p, gcm.n, view(NULL, 0), 0, &l);
	ok(!prop_void(&l.p[0]), "an AEAD alone is not void");
	is_str(prop_difference(gcm.p, gcm.n, &l, 8, 0, text, sizeof(text)),
	       "protocol: ours IKE, theirs IKE with an SPI of 0 bytes", "an SPI is missing");
	l.p[0].t[l.p[0].n++] = hash;
	ok(prop_void(&l.p[0]), "with a hash it is");
	is_str(prop_difference(gcm.p, gcm.n, &l, 0, 0, text, sizeof(text)),
	       "their proposal 1 has a hash beside an AEAD (RFC 5282)", "and that is told");
	ok(prop_select(old.p, old.n, &l, 0, 0, &c), "nobody else can use it either");
	l.p[0].t[l.p[0].n++] = cbc;
	ok(!prop_void(&l.p[0]), "the hash of another cipher in the same proposal is in order");
	ok(prop_select(gcm.p, gcm.n, &l, 0, 0, &c), "but not for the AEAD");
	ok(!prop_select(old.p, old.n, &l, 0, 0, &c) && c.integ.id == INTEG_HMAC_SHA2_256_128 &&
	   c.encr.id == ENCR_AES_CBC, "for that cipher it is");
	l.n = 0;
	is_str(prop_difference(gcm.p, gcm.n, &l, 0, 0, text, sizeof(text)),
	       "there is no proposal", "nothing");
}

int main(void)
{
	test_table();
	test_accept();
	test_peers();
	test_groups();
	test_texts();
	test_difference();
	return done();
}
