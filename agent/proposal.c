// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Proposals as text: words joined by "-", proposals by ",". The words are the
 * names in the table of suite.c and a few other spellings.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "suite.h"
#include "wire_sa.h"

#define WORD_MAX 32

static const struct {
	const char *spelling, *name;
} aliases[] = {
	{ "x25519", "curve25519" },
	{ "aes", "aes128" },
	{ "aes128gcm", "aes128gcm16" },
	{ "aes192gcm", "aes192gcm16" },
	{ "aes256gcm", "aes256gcm16" },
	{ "aes128gcm128", "aes128gcm16" },
	{ "aes192gcm128", "aes192gcm16" },
	{ "aes256gcm128", "aes256gcm16" },
	{ "chacha20poly1305icv16", "chacha20poly1305" },
	{ "sha", "sha1" },
	{ "sha2_256", "sha256" },
	{ "sha2_384", "sha384" },
	{ "sha2_512", "sha512" },
};

struct parse {
	struct proposal *p;
	const char *label;	/* "IKE" or "ESP" */
	uint8_t use;		/* SUITE_IKE or SUITE_ESP */
	bool legacy;
	char *err;
	size_t err_len;
};

#define fail(ps, ...) (snprintf((ps)->err, (ps)->err_len, __VA_ARGS__), -EINVAL)

static const struct suite *row_by_name(const char *word)
{
	const struct suite *s;

	for (unsigned int i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++)
		if (!strcasecmp(word, aliases[i].spelling))
			word = aliases[i].name;
	for (unsigned int i = 0; (s = suite_row(i)); i++)
		if (!strcasecmp(word, s->name))
			return s;
	return NULL;
}

static unsigned int count(const struct proposal *p, uint8_t type)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < p->n; i++)
		n += p->t[i].type == type;
	return n;
}

static const char *first_name(const struct proposal *p, uint8_t type)
{
	for (unsigned int i = 0; i < p->n; i++)
		if (p->t[i].type == type)
			return suite_of(&p->t[i])->name;
	return "none";
}

static int add(struct parse *ps, uint8_t type, uint16_t id, uint16_t key_bits)
{
	struct proposal *p = ps->p;
	struct transform t = { type, id, key_bits };

	for (unsigned int i = 0; i < p->n; i++)
		if (p->t[i].type == type && p->t[i].id == id && p->t[i].key_bits == key_bits)
			return 0;
	if (p->n == PROPOSAL_TRANSFORMS)
		return fail(ps, "more than %d algorithms in one proposal", PROPOSAL_TRANSFORMS);
	p->t[p->n++] = t;
	return 0;
}

static int add_word(struct parse *ps, const char *text, size_t len)
{
	const struct suite *s;
	char word[WORD_MAX];

	if (!len)
		return fail(ps, "an empty word in the proposal (two \"-\" or \",\" in a row?)");
	if (len >= sizeof(word))
		return fail(ps, "\"%.*s...\" is not an algorithm", WORD_MAX - 1, text);
	memcpy(word, text, len);
	word[len] = '\0';
	s = row_by_name(word);
	if (!s)
		return fail(ps, "\"%s\" is not an algorithm", word);
	if (!(s->flags & ps->use))
		return fail(ps, "\"%s\" cannot be used for %s", word, ps->label);
	if (s->flags & SUITE_LEGACY && !ps->legacy)
		return fail(ps, "\"%s\" is weak: it needs \"profile = legacy\"", word);
	return add(ps, s->type, s->id, s->key_bits);
}

/* In cipher-and-hash proposals a hash names the PRF too, as strongSwan reads it. */
static int add_prfs(struct parse *ps)
{
	struct proposal *p = ps->p;
	unsigned int n = p->n;
	int err = 0;

	for (unsigned int i = 0; i < n && !err; i++) {
		const struct suite *integ = suite_of(&p->t[i]);
		const struct suite *s;

		if (integ->type != TRANSFORM_INTEG)
			continue;
		for (unsigned int j = 0; (s = suite_row(j)); j++)
			if (s->type == TRANSFORM_PRF && s->mbed == integ->mbed)
				err = add(ps, s->type, s->id, 0);
	}
	return err;
}

static int check(struct parse *ps)
{
	struct proposal *p = ps->p;
	unsigned int encr = count(p, TRANSFORM_ENCR), integ = count(p, TRANSFORM_INTEG), aead = 0;

	for (unsigned int i = 0; i < p->n; i++)
		if (p->t[i].type == TRANSFORM_ENCR)
			aead += !!(suite_of(&p->t[i])->flags & SUITE_AEAD);
	if (!encr)
		return fail(ps, "the proposal names no cipher");
	if (aead && aead != encr)
		return fail(ps, "AEAD and other ciphers in one proposal: make two (RFC 5282)");
	if (aead && integ)
		return fail(ps, "\"%s\" beside an AEAD, which has its own integrity (RFC 5282)%s",
			    first_name(p, TRANSFORM_INTEG),
			    ps->use == SUITE_IKE ? "; a PRF is written \"prfsha256\"" : "");
	if (!aead && !integ)
		return fail(ps, "a cipher that is no AEAD needs a hash, such as \"sha256\"");
	if (ps->use == SUITE_ESP)
		return 0;
	if (!count(p, TRANSFORM_PRF) && aead)
		return fail(ps, "an AEAD in IKE needs a PRF, such as \"prfsha256\"");
	if (!count(p, TRANSFORM_KE))
		return fail(ps, "the proposal names no key exchange, such as \"ecp256\"");
	return count(p, TRANSFORM_PRF) ? 0 : add_prfs(ps);
}

static int parse_one(struct parse *ps, const char *text, size_t len)
{
	int err = 0;

	while (!err) {
		size_t word = 0;

		while (word < len && text[word] != '-')
			word++;
		err = add_word(ps, text, word);
		if (word == len)
			break;
		text += word + 1;
		len -= word + 1;
	}
	if (!err)
		err = check(ps);
	if (!err && ps->use == SUITE_ESP && !count(ps->p, TRANSFORM_ESN)) {
		err = add(ps, TRANSFORM_ESN, ESN_YES, 0);
		if (!err)
			err = add(ps, TRANSFORM_ESN, ESN_NO, 0);
	}
	return err;
}

int proposals_parse(struct proposal *out, unsigned int max, uint8_t protocol, const char *text,
		    bool legacy, char *err, size_t err_len)
{
	struct parse ps = {
		.label = protocol == PROTO_ESP ? "ESP" : "IKE",
		.use = protocol == PROTO_ESP ? SUITE_ESP : SUITE_IKE,
		.legacy = legacy, .err = err, .err_len = err_len,
	};
	unsigned int n = 0;

	while (1) {
		size_t len, end;

		text += strspn(text, " \t");
		end = strcspn(text, ",");
		for (len = end; len && strchr(" \t", text[len - 1]); len--)
			;
		if (n == max)
			return fail(&ps, "more than %u proposals", max);
		ps.p = &out[n++];
		memset(ps.p, 0, sizeof(*ps.p));
		ps.p->protocol = protocol;
		if (parse_one(&ps, text, len))
			return -EINVAL;
		if (!text[end])
			return (int)n;
		text += end + 1;
	}
}

/* Whether the PRFs are just those that the hashes would give: then they need not be written. */
static bool prfs_implied(const struct proposal *p)
{
	struct proposal hashes = { .protocol = p->protocol };
	struct parse ps = { .p = &hashes };
	unsigned int at = 0;

	for (unsigned int i = 0; i < p->n; i++)
		if (p->t[i].type == TRANSFORM_INTEG && suite_of(&p->t[i]))
			hashes.t[hashes.n++] = p->t[i];
	if (!hashes.n || add_prfs(&ps))
		return false;
	for (unsigned int i = 0; i < p->n; i++) {
		if (p->t[i].type != TRANSFORM_PRF)
			continue;
		while (at < hashes.n && hashes.t[at].type != TRANSFORM_PRF)
			at++;
		if (at == hashes.n || hashes.t[at++].id != p->t[i].id)
			return false;
	}
	return at == hashes.n;
}

/* Whether ESN is what a proposal without either word gets. */
static bool esn_implied(const struct proposal *p)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < p->n; i++)
		if (p->t[i].type == TRANSFORM_ESN && p->t[i].id != (n++ ? ESN_NO : ESN_YES))
			return false;
	return n == 2;
}

int proposal_format(const struct proposal *p, char *buf, size_t len)
{
	bool skip_prf = prfs_implied(p);
	bool skip_esn = esn_implied(p);
	const char *sep = "";
	size_t at = 0;

	if (len)
		*buf = '\0';
	for (unsigned int i = 0; i < p->n; i++) {
		const struct transform *t = &p->t[i];
		char name[WORD_MAX];

		if ((t->type == TRANSFORM_PRF && skip_prf) ||
		    (t->type == TRANSFORM_ESN && skip_esn) ||
		    (t->type == TRANSFORM_INTEG && t->id == INTEG_NONE))
			continue;
		suite_name(t, name, sizeof(name));
		at += (size_t)snprintf(at < len ? buf + at : NULL, at < len ? len - at : 0, "%s%s",
				       sep, name);
		sep = "-";
	}
	return (int)at;
}
