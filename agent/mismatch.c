// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <string.h>

#include "addr.h"
#include "id.h"
#include "log.h"
#include "mismatch.h"

#define LIST_MAX	LOG_VALUE_MAX	/* of proposals or selectors, in a line */

/* The last of kv is room for what tell() adds. */
#define USED(kv)	(sizeof(kv) / sizeof((kv)[0]) - 1)

static void tell(struct peer *p, int priority, const char *text, struct log_kv *kv, size_t n,
		 const char *note)
{
	static struct log_rate strangers;
	uint32_t cut = 0;

	if (!log_rate_pass(p ? &p->rate : &strangers, &cut))
		return;
	if (cut)
		kv[n++] = KV_U("suppressed", cut);
	if (log_enabled(priority))
		log_write(priority, text, kv, n);
	if (p && note && !peer_main(p))
		peer_note(p, note);
}

static const char *tunnel(const struct peer *p)
{
	return p ? p->t.name : NULL;
}

static void difference(const struct mismatch *m, char *buf, size_t len)
{
	const struct sa_list *l = m->theirs;

	if (!m->answer)
		prop_difference(m->ours, m->n, l, m->spi_len, m->flags, buf, len);
	else if (l->n != 1 || l->truncated || !l->p[0].num || l->p[0].num > m->n)
		snprintf(buf, len, "the answer names none of our proposals, or several");
	else
		prop_difference(&m->ours[l->p[0].num - 1], 1, l, m->spi_len, m->flags, buf, len);
}

void mismatch_proposals(struct peer *p, const struct addr *remote, const struct mismatch *m)
{
	char who[ADDR_TEXT_MAX], ours[LIST_MAX], theirs[LIST_MAX], diff[256], note[DOOR_TEXT_MAX];
	struct log_kv kv[] = {
		{ 0 }, KV_S("tunnel", tunnel(p)),
		KV_S("peer", addr_format(remote, who, sizeof(who))),
		KV_S("difference", diff),
		KV_S("ours", prop_format(m->ours, m->n, ours, sizeof(ours))),
		KV_S("theirs", sa_list_format(m->theirs, m->n ? m->ours[0].protocol : 0, theirs,
					      sizeof(theirs))),
		{ 0 },
	};

	difference(m, diff, sizeof(diff));
	snprintf(note, sizeof(note), "%s: %.200s", m->what, diff);
	tell(p, LOG_WARNING, m->what, kv, USED(kv), note);
}

void mismatch_void(struct peer *p, const struct sa_list *theirs)
{
	struct sa_list one = { .n = 1 };
	char text[256];

	for (unsigned int i = 0; i < theirs->n; i++) {
		struct log_kv kv[] = {
			{ 0 }, KV_S("tunnel", tunnel(p)), KV_U("number", theirs->p[i].num),
			KV_S("theirs", text),
			KV_S("why", "a hash beside an AEAD (RFC 5282)"),
			{ 0 },
		};

		if (!prop_void(&theirs->p[i]))
			continue;
		one.p[0] = theirs->p[i];
		sa_list_format(&one, one.p[0].protocol, text, sizeof(text));
		tell(p, LOG_NOTICE, "proposal of the peer's skipped", kv, USED(kv), NULL);
	}
}

static bool overlap(const struct ts *a, unsigned int na, const struct ts *b, unsigned int nb)
{
	for (unsigned int i = 0; i < na; i++)
		for (unsigned int k = 0; k < nb; k++)
			if (ts_overlap(&a[i], &b[k]))
				return true;
	return false;
}

void mismatch_selectors(struct peer *p, const char *what, const struct ends *ours,
			const struct ts_set *local, const struct ts_set *remote)
{
	char ours_l[LIST_MAX], ours_r[LIST_MAX], theirs_l[LIST_MAX], theirs_r[LIST_MAX];
	char diff[256], note[DOOR_TEXT_MAX];
	struct log_kv kv[] = {
		{ 0 }, KV_S("tunnel", tunnel(p)), KV_S("difference", diff),
		KV_S("local_ours",
		     ts_list_format(ours->local, ours->n_local, ours_l, sizeof(ours_l))),
		KV_S("local_theirs",
		     ts_list_format(local->t, local->n, theirs_l, sizeof(theirs_l))),
		KV_S("remote_ours",
		     ts_list_format(ours->remote, ours->n_remote, ours_r, sizeof(ours_r))),
		KV_S("remote_theirs",
		     ts_list_format(remote->t, remote->n, theirs_r, sizeof(theirs_r))),
		{ 0 },
	};

	if (!overlap(ours->local, ours->n_local, local->t, local->n))
		snprintf(diff, sizeof(diff), "our end: ours %.100s, theirs %.100s", ours_l, theirs_l);
	else if (!overlap(ours->remote, ours->n_remote, remote->t, remote->n))
		snprintf(diff, sizeof(diff), "the peer's end: ours %.100s, theirs %.100s", ours_r,
			 theirs_r);
	else
		snprintf(diff, sizeof(diff), "theirs are more than ours");
	snprintf(note, sizeof(note), "%s: %.200s", what, diff);
	tell(p, LOG_WARNING, what, kv, USED(kv), note);
}

void mismatch_identities(struct peer *p, const struct addr *remote, const char *why,
			 const struct ident *theirs, const struct ident *own,
			 const struct ident *asked)
{
	char want[ID_TEXT_MAX], got[ID_TEXT_MAX], ours[ID_TEXT_MAX], called[ID_TEXT_MAX];
	const char *diff = why;
	char who[ADDR_TEXT_MAX];
	struct log_kv kv[] = {
		{ 0 }, KV_S("tunnel", tunnel(p)),
		KV_S("peer", addr_format(remote, who, sizeof(who))), KV_S("why", why),
		KV_S("difference", NULL),
		KV_S("peer_id", theirs ? id_format(theirs, got, sizeof(got)) : NULL),
		KV_S("expected", p ? id_format(&p->t.remote_id, want, sizeof(want)) : NULL),
		KV_S("local_id", own ? id_format(own, ours, sizeof(ours)) : NULL),
		KV_S("asked_for", asked ? id_format(asked, called, sizeof(called)) : NULL),
		{ 0 },
	};

	if (p && theirs && !id_match(&p->t.remote_id, theirs))
		diff = "peer_id is not the one expected";
	else if (own && asked && !id_equal(own, asked))
		diff = "asked_for is not our local_id";
	kv[4] = KV_S("difference", diff);
	tell(p, LOG_WARNING, "authentication failed", kv, USED(kv), NULL);
}

static void refusal(const struct peer *p, bool child, const struct notify *n, uint16_t sent,
		    char *buf, size_t len)
{
	struct transform t = { .type = TRANSFORM_KE, .id = sent };
	struct rd r = rd_view(n->data);
	char mine[32], wants[32];

	switch (n->type) {
	case NOTIFY_INVALID_KE_PAYLOAD:
		suite_name(&t, mine, sizeof(mine));
		t.id = rd_u16(&r);
		snprintf(buf, len, "group: we sent %s, the peer wants %s", mine,
			 suite_name(&t, wants, sizeof(wants)));
		return;
	case NOTIFY_NO_PROPOSAL_CHOSEN:
		snprintf(buf, len, "it takes none of our proposals and does not tell its own%s",
			 child && prop_guess_ke(p->t.esp, p->t.n_esp) ?
			 "; it may want another group, or none" : "");
		return;
	case NOTIFY_TS_UNACCEPTABLE:
		snprintf(buf, len, "it has other selectors and does not tell which");
		return;
	case NOTIFY_SINGLE_PAIR_REQUIRED:
		snprintf(buf, len, "it wants a child SA for each pair: children = per-pair");
		return;
	case NOTIFY_NO_ADDITIONAL_SAS:
		snprintf(buf, len, "it takes no more child SAs");
		return;
	default:
		snprintf(buf, len, "it does not say why");
	}
}

void mismatch_refused(struct peer *p, const struct addr *remote, const char *exchange,
		      const struct ends *ours, const struct notify *n, uint16_t sent,
		      char why[DOOR_TEXT_MAX])
{
	const char *answer = n->type ? wire_notify_name(n->type) : "no reason given";
	char who[ADDR_TEXT_MAX], props[LIST_MAX], diff[128], tsl[LIST_MAX], tsr[LIST_MAX];
	struct log_kv kv[] = {
		{ 0 }, KV_S("tunnel", tunnel(p)),
		KV_S("peer", addr_format(remote, who, sizeof(who))), KV_S("exchange", exchange),
		KV_S("answer", answer), KV_S("difference", diff),
		KV_S("ours", ours ? prop_format(p->t.esp, p->t.n_esp, props, sizeof(props)) :
				    prop_format(p->t.ike, p->t.n_ike, props, sizeof(props))),
		KV_S("theirs", "not told"), KV_S("local_ours", tsl), KV_S("remote_ours", tsr),
		{ 0 },
	};
	size_t used = USED(kv);

	refusal(p, ours, n, sent, diff, sizeof(diff));
	if (ours) {
		ts_list_format(ours->local, ours->n_local, tsl, sizeof(tsl));
		ts_list_format(ours->remote, ours->n_remote, tsr, sizeof(tsr));
	} else {
		used -= 2;	/* an IKE SA has none */
	}
	snprintf(why, DOOR_TEXT_MAX, "the peer refuses the %s: %s: %s", exchange, answer, diff);
	tell(p, LOG_WARNING, "the peer refuses", kv, used, NULL);
}
