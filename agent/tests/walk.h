/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads everything that can be read out of a message, as the exchanges would:
 * for tests with bad input and for the fuzzer. What matters is that nothing
 * beyond the message is touched; the sum keeps the compiler from skipping it.
 */
#ifndef AGENT_TESTS_WALK_H
#define AGENT_TESTS_WALK_H

#include <stdlib.h>

#include "../id.h"
#include "../kdf.h"
#include "../prop.h"
#include "../suite.h"
#include "../ts.h"
#include "../wire.h"
#include "../wire_sa.h"

static unsigned int walk_sum;

static void walk_view(struct view v)
{
	for (size_t i = 0; i < v.len; i++)
		walk_sum += v.data[i];
}

static int walk_sa(struct view body)
{
	static struct proposal ike[TUNNEL_PROPOSALS], esp[TUNNEL_PROPOSALS];
	static int n_ike, n_esp;
	char text[300], err[SUITE_ERR_MAX];
	struct sa_list list, answer;
	struct chosen c;
	int ret = wire_get_sa(body, &list);

	if (ret)
		return ret;
	if (!n_ike) {
		n_ike = proposals_parse(ike, TUNNEL_PROPOSALS, PROTO_IKE, suite_default(PROTO_IKE),
					false, err, sizeof(err));
		n_esp = proposals_parse(esp, TUNNEL_PROPOSALS, PROTO_ESP, suite_default(PROTO_ESP),
					false, err, sizeof(err));
	}
	sa_list_format(&list, PROTO_IKE, text, sizeof(text));
	for (unsigned int flags = 0; flags < 8; flags++) {
		prop_difference(ike, (unsigned int)n_ike, &list, 0, flags, text, sizeof(text));
		prop_difference(esp, (unsigned int)n_esp, &list, 4, flags, text, sizeof(text));
		prop_accept(esp, (unsigned int)n_esp, &list, 4, flags, &c);
		if (!prop_select(esp, (unsigned int)n_esp, &list, 4, flags, &c))
			prop_answer(&c, view("abcd", 4), &answer);
		if (!prop_select(ike, (unsigned int)n_ike, &list, 0, flags, &c))
			prop_chosen_format(&c, text, sizeof(text));
	}
	return 0;
}

static int walk_ts(struct view body)
{
	struct ts any[2] = { ts_any(TS_IPV4), ts_any(TS_IPV6) }, out[TUNNEL_SELECTORS];
	char text[300];
	struct ts_set set;
	bool narrowed;
	int ret = wire_get_ts(body, &set);

	if (ret)
		return ret;
	ts_list_format(set.t, set.n, text, sizeof(text));
	walk_sum += ts_narrow(any, 2, set.t, set.n, out, TUNNEL_SELECTORS, &narrowed);
	return 0;
}

static int walk_id(struct view body)
{
	char text[ID_TEXT_MAX];
	struct ident id;
	int ret = wire_get_id(body, &id);

	if (!ret)
		id_format(&id, text, sizeof(text));
	return ret;
}

/* What a body's own reader says; 0 for those that have none. */
static int walk_body(const struct payload *p)
{
	struct notify notify;
	struct delete_pl del;
	struct auth_pl auth;
	struct view nonce;
	struct ke_pl ke;
	int ret;

	walk_view(p->body);
	walk_sum += (unsigned int)*wire_payload_name(p->type);
	switch (p->type) {
	case PAYLOAD_SA:
		return walk_sa(p->body);
	case PAYLOAD_TSi:
	case PAYLOAD_TSr:
		return walk_ts(p->body);
	case PAYLOAD_IDi:
	case PAYLOAD_IDr:
		return walk_id(p->body);
	case PAYLOAD_KE:
		ret = wire_get_ke(p->body, &ke);
		walk_view(ret ? view(NULL, 0) : ke.data);
		return ret;
	case PAYLOAD_AUTH:
		ret = wire_get_auth(p->body, &auth);
		walk_view(ret ? view(NULL, 0) : auth.data);
		return ret;
	case PAYLOAD_NONCE:
		return wire_get_nonce(p->body, &nonce);
	case PAYLOAD_NOTIFY:
		ret = wire_get_notify(p->body, &notify);
		if (!ret) {
			walk_view(notify.spi);
			walk_view(notify.data);
			walk_sum += (unsigned int)*wire_notify_name(notify.type);
		}
		return ret;
	case PAYLOAD_DELETE:
		ret = wire_get_delete(p->body, &del);
		for (unsigned int i = 0; !ret && i < del.n && i < DELETE_SPIS; i++)
			walk_sum += wire_delete_spi(&del, i);
		return ret;
	}
	return 0;
}

/* Return: 0 when everything in the message is well-formed, else the first error. */
__attribute__((unused))
static int walk_msg(const struct msg *m)
{
	struct notify n;
	int ret = 0;

	for (unsigned int i = 0; i < m->n; i++) {
		int err = walk_body(&m->p[i]);

		ret = ret ? ret : err;
	}
	walk_view(m->sk);
	walk_sum += msg_error(m, &n) + msg_notify(m, NOTIFY_COOKIE, &n) +
		    msg_count(m, PAYLOAD_NOTIFY) + !!msg_find(m, PAYLOAD_NOTIFY, 3);
	return ret;
}

#endif
