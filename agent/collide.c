// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>

#include "collide.h"

/*
 * One row for what we do, one column for what the peer asks. A child that we
 * have replaced, deleted or never had is the handler's business
 * (CHILD_SA_NOT_FOUND); here both sides still know it.
 */
#define ROW(own, new_child, rekey_child, delete_child, rekey_ike, delete_ike)		\
	[OWN_##own] = { [PEER_CHILD_NEW] = new_child, [PEER_CHILD_REKEY] = rekey_child,	\
			[PEER_CHILD_DELETE] = delete_child, [PEER_IKE_REKEY] = rekey_ike, \
			[PEER_IKE_DELETE] = delete_ike }
#define OK	ANSWER
#define TWIN	ANSWER_TWIN
#define BUSY	ANSWER_BUSY
#define EMPTY	ANSWER_EMPTY
#define FORGET	ANSWER_FORGET

#ifdef AGENT_TEST
#define CONST
#define LOOKED_AT(own, peer) do {	\
	if (collide_hook)		\
		collide_hook(own, peer);	\
} while (0)

void (*collide_hook)(enum collide_own own, enum collide_peer peer);
#else
#define CONST const
#define LOOKED_AT(own, peer)
#endif

static CONST uint8_t table[OWN_MAX][PEER_MAX] = {
	/*			new	rekey	delete	rekey	delete
	 *			child	child	child	IKE	IKE */
	ROW(NOTHING,		OK,	OK,	OK,	OK,	OK),
	ROW(CHILD_NEW,		OK,	OK,	OK,	BUSY,	FORGET),
	ROW(CHILD_REKEY,	OK,	OK,	OK,	BUSY,	FORGET),
	ROW(CHILD_REKEY_SAME,	OK,	TWIN,	OK,	BUSY,	FORGET),
	ROW(CHILD_DELETE,	OK,	OK,	OK,	BUSY,	FORGET),
	ROW(CHILD_DELETE_SAME,	OK,	BUSY,	EMPTY,	BUSY,	FORGET),
	ROW(IKE_REKEY,		BUSY,	BUSY,	OK,	TWIN,	FORGET),
	ROW(IKE_DELETE,		BUSY,	BUSY,	OK,	BUSY,	FORGET),
	ROW(REPLACED,		BUSY,	BUSY,	OK,	BUSY,	FORGET),
};

enum collide_answer collide(enum collide_own own, enum collide_peer peer)
{
	if (own >= OWN_MAX || peer >= PEER_MAX)
		return ANSWER_BUSY;
	LOOKED_AT(own, peer);
	return table[own][peer];
}

#ifdef AGENT_TEST
void collide_set(enum collide_own own, enum collide_peer peer, enum collide_answer answer)
{
	table[own][peer] = (uint8_t)answer;
}
#endif

const char *collide_name(enum collide_answer answer)
{
	static const char * const names[] = {
		[ANSWER] = "answer",
		[ANSWER_TWIN] = "twin",
		[ANSWER_BUSY] = "busy",
		[ANSWER_EMPTY] = "empty",
		[ANSWER_FORGET] = "forget",
	};

	return answer <= ANSWER_FORGET ? names[answer] : "?";
}

int nonce_cmp(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
	int d = memcmp(a, b, a_len < b_len ? a_len : b_len);

	if (d)
		return d;
	return a_len < b_len ? -1 : a_len > b_len;
}
