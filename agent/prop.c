// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Who proposes what and which one wins. Sets are small, so everything is a
 * walk over arrays.
 */
#include <stdio.h>
#include <string.h>
#include <errno.h>

#include "ke.h"
#include "prop.h"
#include "suite.h"

static bool same(const struct transform *a, const struct transform *b)
{
	return a->type == b->type && a->id == b->id && a->key_bits == b->key_bits;
}

static const struct transform *find(const struct transform *t, unsigned int n,
				    const struct transform *want)
{
	for (unsigned int i = 0; i < n; i++)
		if (same(&t[i], want))
			return &t[i];
	return NULL;
}

static unsigned int count(const struct transform *t, unsigned int n, uint8_t type)
{
	unsigned int c = 0;

	for (unsigned int i = 0; i < n; i++)
		c += t[i].type == type;
	return c;
}

/* Transform types that have no business in a proposal for this protocol. */
static bool stray_type(uint8_t protocol, uint8_t type)
{
	return protocol == PROTO_IKE ? type == TRANSFORM_ESN : type == TRANSFORM_PRF;
}

/* Whether the flags let us offer or take this one of ours. */
static bool usable(const struct transform *t, unsigned int flags)
{
	if (t->type == TRANSFORM_KE && flags & PROP_NO_KE)
		return false;
	return !(t->type == TRANSFORM_ESN && t->id == ESN_NO && flags & PROP_ESN_ONLY);
}

static bool is_aead(const struct transform *t)
{
	const struct suite *s = suite_of(t);

	return s && s->flags & SUITE_AEAD;
}

void prop_offer(const struct proposal *ours, unsigned int n, struct view spi, unsigned int flags,
		struct sa_list *out)
{
	memset(out, 0, sizeof(*out));
	for (unsigned int i = 0; i < n && i < SA_PROPOSALS; i++) {
		struct sa_prop *p = &out->p[out->n++];

		p->num = (uint8_t)out->n;
		p->protocol = ours[i].protocol;
		if (spi.len && spi.len <= sizeof(p->spi)) {
			p->spi_len = (uint8_t)spi.len;
			memcpy(p->spi, spi.data, spi.len);
		}
		for (unsigned int j = 0; j < ours[i].n; j++)
			if (usable(&ours[i].t[j], flags))
				p->t[p->n++] = ours[i].t[j];
	}
}

/* Our first transform of a type that is in theirs too. */
static bool pick(const struct proposal *o, const struct sa_prop *p, uint8_t type,
		 unsigned int flags, struct transform *out)
{
	for (unsigned int i = 0; i < o->n; i++) {
		if (o->t[i].type != type || !usable(&o->t[i], flags) ||
		    !find(p->t, p->n, &o->t[i]))
			continue;
		*out = o->t[i];
		return true;
	}
	return false;
}

/* An explicit NONE is answered by NONE, an absent transform by absence (RFC 7296 3.3.3). */
static bool pick_none(const struct sa_prop *p, uint8_t type, struct transform *out)
{
	struct transform none = { .type = type };

	memset(out, 0, sizeof(*out));
	if (!count(p->t, p->n, type))
		return true;
	if (!find(p->t, p->n, &none))
		return false;
	*out = none;
	return true;
}

static bool pick_integ(const struct proposal *o, const struct sa_prop *p, struct chosen *c)
{
	/* Another cipher's hash, if there is one, is not for it. */
	if (is_aead(&c->encr))
		return pick_none(p, TRANSFORM_INTEG, &c->integ);
	return pick(o, p, TRANSFORM_INTEG, 0, &c->integ);
}

bool prop_sound_ke(uint16_t group)
{
	const struct suite *s = suite_find(TRANSFORM_KE, group, 0);

	return s && !(s->flags & SUITE_LEGACY) && ke_known(group);
}

/* A group that is not configured but sound: for a peer that wants secrecy where we did not ask. */
static bool pick_any_ke(const struct sa_prop *p, struct transform *out)
{
	for (unsigned int i = 0; i < p->n; i++) {
		if (p->t[i].type != TRANSFORM_KE || !prop_sound_ke(p->t[i].id))
			continue;
		*out = p->t[i];
		return true;
	}
	return false;
}

static bool pick_ke(const struct proposal *o, const struct sa_prop *p, unsigned int flags,
		    struct chosen *c)
{
	if (flags & PROP_NO_KE) {
		memset(&c->ke, 0, sizeof(c->ke));
		return true;
	}
	if (pick(o, p, TRANSFORM_KE, flags, &c->ke))
		return true;
	if (o->protocol == PROTO_IKE)
		return false;
	if ((!count(o->t, o->n, TRANSFORM_KE) || flags & PROP_KE_ANY) &&
	    pick_none(p, TRANSFORM_KE, &c->ke))
		return true;
	return flags & PROP_KE_ANY && !count(o->t, o->n, TRANSFORM_KE) && pick_any_ke(p, &c->ke);
}

static bool pick_esn(const struct proposal *o, const struct sa_prop *p, unsigned int flags,
		     struct chosen *c)
{
	struct transform no = { .type = TRANSFORM_ESN, .id = ESN_NO };

	if (pick(o, p, TRANSFORM_ESN, flags, &c->esn))
		return true;
	memset(&c->esn, 0, sizeof(c->esn));
	return !count(p->t, p->n, TRANSFORM_ESN) && find(o->t, o->n, &no) && usable(&no, flags);
}

bool prop_void(const struct sa_prop *p)
{
	const struct transform none = { .type = TRANSFORM_INTEG };
	unsigned int aead = 0;

	for (unsigned int i = 0; i < p->n; i++)
		aead += p->t[i].type == TRANSFORM_ENCR && is_aead(&p->t[i]);
	return aead && aead == count(p->t, p->n, TRANSFORM_ENCR) &&
	       count(p->t, p->n, TRANSFORM_INTEG) && !find(p->t, p->n, &none);
}

/* How far one of theirs fits one of ours, in the order in which people compare. */
enum fit { FIT_PROTOCOL, FIT_FOREIGN, FIT_VOID, FIT_ENCR, FIT_INTEG, FIT_PRF, FIT_KE, FIT_ESN, FIT };

static enum fit fit(const struct proposal *o, const struct sa_prop *p, unsigned int spi_len,
		    unsigned int flags, struct chosen *c)
{
	memset(c, 0, sizeof(*c));
	if (p->protocol != o->protocol || p->spi_len != spi_len)
		return FIT_PROTOCOL;
	if (p->foreign)
		return FIT_FOREIGN;
	for (unsigned int i = 0; i < p->n; i++)
		if (stray_type(p->protocol, p->t[i].type))
			return FIT_FOREIGN;
	if (prop_void(p))
		return FIT_VOID;
	if (!pick(o, p, TRANSFORM_ENCR, flags, &c->encr))
		return FIT_ENCR;
	if (!pick_integ(o, p, c))
		return FIT_INTEG;
	if (p->protocol == PROTO_IKE && !pick(o, p, TRANSFORM_PRF, flags, &c->prf))
		return FIT_PRF;
	if (!pick_ke(o, p, flags, c))
		return FIT_KE;
	if (p->protocol == PROTO_ESP && !pick_esn(o, p, flags, c))
		return FIT_ESN;
	c->protocol = p->protocol;
	c->num = p->num;
	c->spi_len = p->spi_len;
	memcpy(c->spi, p->spi, sizeof(c->spi));
	return FIT;
}

int prop_select(const struct proposal *ours, unsigned int n, const struct sa_list *theirs,
		unsigned int spi_len, unsigned int flags, struct chosen *out)
{
	for (unsigned int i = 0; i < n; i++)
		for (unsigned int j = 0; j < theirs->n; j++)
			if (fit(&ours[i], &theirs->p[j], spi_len, flags, out) == FIT)
				return 0;
	memset(out, 0, sizeof(*out));
	return -ENOENT;
}

int prop_accept(const struct proposal *ours, unsigned int n, const struct sa_list *answer,
		unsigned int spi_len, unsigned int flags, struct chosen *out)
{
	const struct sa_prop *p = &answer->p[0];
	const struct proposal *o;

	memset(out, 0, sizeof(*out));
	if (answer->n != 1 || answer->truncated || !p->num || p->num > n)
		return -EBADMSG;
	o = &ours[p->num - 1];
	for (unsigned int i = 0; i < p->n; i++) {
		const struct transform *t = &p->t[i];
		bool none = !t->id && (t->type == TRANSFORM_INTEG || t->type == TRANSFORM_KE);

		if (count(p->t, p->n, t->type) != 1)
			return -EBADMSG;
		if (!none && (!find(o->t, o->n, t) || !usable(t, flags)))
			return -EBADMSG;
	}
	/* With one of each, the responder's rules find it or see what is missing. */
	return fit(o, p, spi_len, flags & ~(unsigned int)PROP_KE_ANY, out) == FIT ? 0 : -EBADMSG;
}

void prop_answer(const struct chosen *c, struct view spi, struct sa_list *out)
{
	const struct transform *const all[] = { &c->encr, &c->prf, &c->integ, &c->ke, &c->esn };
	struct sa_prop *p = &out->p[0];

	memset(out, 0, sizeof(*out));
	out->n = 1;
	p->num = c->num;
	p->protocol = c->protocol;
	if (spi.len && spi.len <= sizeof(p->spi)) {
		p->spi_len = (uint8_t)spi.len;
		memcpy(p->spi, spi.data, spi.len);
	}
	for (unsigned int i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i]->type)
			p->t[p->n++] = *all[i];
}

uint16_t prop_guess_ke(const struct proposal *ours, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		for (unsigned int j = 0; j < ours[i].n; j++)
			if (ours[i].t[j].type == TRANSFORM_KE)
				return ours[i].t[j].id;
	return KE_NONE;
}

bool prop_has_ke(const struct proposal *ours, unsigned int n, uint16_t group)
{
	struct transform t = { .type = TRANSFORM_KE, .id = group };

	for (unsigned int i = 0; i < n; i++)
		if (group != KE_NONE && find(ours[i].t, ours[i].n, &t))
			return true;
	return false;
}

/* Appends, and knows no more than that the text may be cut. */
#define append(buf, len, at, ...) do {						\
	if ((at) < (len))							\
		(at) += (size_t)snprintf((buf) + (at), (len) - (at), __VA_ARGS__);	\
} while (0)

char *prop_format(const struct proposal *ours, unsigned int n, char *buf, size_t len)
{
	char text[512];
	size_t at = 0;

	if (len)
		*buf = '\0';
	for (unsigned int i = 0; i < n; i++) {
		proposal_format(&ours[i], text, sizeof(text));
		append(buf, len, at, "%s%s", i ? ", " : "", text);
	}
	return buf;
}

static const char *protocol_name(uint8_t protocol)
{
	static const char *const names[] = { "?", "IKE", "AH", "ESP" };

	return names[protocol <= PROTO_ESP ? protocol : 0];
}

char *sa_list_format(const struct sa_list *l, uint8_t protocol, char *buf, size_t len)
{
	size_t at = 0;
	char name[32];

	if (len)
		*buf = '\0';
	for (unsigned int i = 0; i < l->n; i++) {
		const struct sa_prop *p = &l->p[i];

		append(buf, len, at, "%s", i ? ", " : "");
		if (p->protocol != protocol)
			append(buf, len, at, "%s:", protocol_name(p->protocol));
		for (unsigned int j = 0; j < p->n; j++)
			append(buf, len, at, "%s%s", j ? "-" : "",
			       suite_name(&p->t[j], name, sizeof(name)));
		if (p->foreign)
			append(buf, len, at, "%s(unknown transform type)", p->n ? "-" : "");
	}
	if (l->truncated)
		append(buf, len, at, ", ...");
	return buf;
}

/* The transforms of one type, of which only some may be usable. */
static void names_of(const struct transform *t, unsigned int n, uint8_t type, unsigned int flags,
		     char *buf, size_t len)
{
	size_t at = 0;
	char name[32];

	for (unsigned int i = 0; i < n; i++)
		if (t[i].type == type && usable(&t[i], flags))
			append(buf, len, at, "%s%s", at ? "/" : "",
			       suite_name(&t[i], name, sizeof(name)));
	if (!at)
		snprintf(buf, len, "none");
}

static void name_difference(enum fit how, const struct proposal *o, const struct sa_prop *p,
			    unsigned int flags, char *buf, size_t len)
{
	static const struct {
		const char *what;
		uint8_t type;
	} parts[FIT] = {
		[FIT_ENCR] = { "cipher", TRANSFORM_ENCR },
		[FIT_INTEG] = { "hash", TRANSFORM_INTEG },
		[FIT_PRF] = { "PRF", TRANSFORM_PRF },
		[FIT_KE] = { "group", TRANSFORM_KE },
		[FIT_ESN] = { "sequence numbers", TRANSFORM_ESN },
	};
	char ours[96] = "", theirs[96] = "";

	switch (how) {
	case FIT_PROTOCOL:
		snprintf(buf, len, "protocol: ours %s, theirs %s with an SPI of %u bytes",
			 protocol_name(o->protocol), protocol_name(p->protocol), p->spi_len);
		return;
	case FIT_FOREIGN:
		snprintf(buf, len, "their proposal %u has a transform of another protocol or an "
			 "unknown type", p->num);
		return;
	case FIT_VOID:
		snprintf(buf, len, "their proposal %u has a hash beside an AEAD (RFC 5282)",
			 p->num);
		return;
	case FIT:
		snprintf(buf, len, "an algorithm is missing, or there are several of a kind");
		return;
	default:
		break;
	}
	names_of(o->t, o->n, parts[how].type, flags, ours, sizeof(ours));
	names_of(p->t, p->n, parts[how].type, 0, theirs, sizeof(theirs));
	snprintf(buf, len, "%s: ours %s, theirs %s", parts[how].what, ours, theirs);
}

char *prop_difference(const struct proposal *ours, unsigned int n, const struct sa_list *theirs,
		      unsigned int spi_len, unsigned int flags, char *buf, size_t len)
{
	unsigned int near_o = 0, near_p = 0;
	enum fit best = FIT_PROTOCOL, f;
	struct chosen c;

	for (unsigned int i = 0; i < n; i++) {
		for (unsigned int j = 0; j < theirs->n; j++) {
			f = fit(&ours[i], &theirs->p[j], spi_len, flags, &c);
			if (f <= best)
				continue;
			best = f;
			near_o = i;
			near_p = j;
		}
	}
	if (n && theirs->n)
		name_difference(best, &ours[near_o], &theirs->p[near_p], flags, buf, len);
	else
		snprintf(buf, len, "there is no proposal");
	return buf;
}

char *prop_chosen_format(const struct chosen *c, char *buf, size_t len)
{
	const struct transform *const all[] = { &c->encr, &c->integ, &c->prf, &c->ke, &c->esn };
	const char *sep = "";
	size_t at = 0;
	char name[32];

	if (len)
		*buf = '\0';
	for (unsigned int i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		bool none = !all[i]->id && all[i]->type != TRANSFORM_ESN;

		if (!all[i]->type || none)
			continue;
		append(buf, len, at, "%s%s", sep, suite_name(all[i], name, sizeof(name)));
		sep = "-";
	}
	return buf;
}
