// SPDX-License-Identifier: GPL-2.0-or-later
/* RFC 7296 2.25 line by line, and the order of nonces. */
#include "collide.h"
#include "tap.h"

int main(void)
{
	static const struct {
		enum collide_own own;
		enum collide_peer peer;
		enum collide_answer want;
		const char *rule;
	} rules[] = {
		{ OWN_CHILD_DELETE_SAME, PEER_CHILD_REKEY, ANSWER_BUSY,
		  "2.25.1: rekey of a child that we are closing" },
		{ OWN_CHILD_REKEY_SAME, PEER_CHILD_REKEY, ANSWER_TWIN,
		  "2.25.1, 2.8.1: both rekey the same child" },
		{ OWN_CHILD_DELETE_SAME, PEER_CHILD_DELETE, ANSWER_EMPTY,
		  "2.25.1, 1.4.1: both delete the same child" },
		{ OWN_CHILD_REKEY_SAME, PEER_CHILD_DELETE, ANSWER,
		  "2.25.1: delete of a child that we are rekeying" },
		{ OWN_CHILD_NEW, PEER_IKE_REKEY, ANSWER_BUSY, "2.25.2: IKE rekey while we create a child" },
		{ OWN_CHILD_REKEY, PEER_IKE_REKEY, ANSWER_BUSY, "2.25.2: IKE rekey while we rekey a child" },
		{ OWN_CHILD_DELETE, PEER_IKE_REKEY, ANSWER_BUSY, "2.25.2: IKE rekey while we close a child" },
		{ OWN_IKE_REKEY, PEER_IKE_REKEY, ANSWER_TWIN, "2.25.2: both rekey the IKE SA" },
		{ OWN_IKE_DELETE, PEER_IKE_REKEY, ANSWER_BUSY, "2.25.2: IKE rekey while we close it" },
		{ OWN_IKE_REKEY, PEER_IKE_DELETE, ANSWER_FORGET, "2.25.2: delete while we rekey it" },
		{ OWN_IKE_DELETE, PEER_IKE_DELETE, ANSWER_FORGET, "2.25.2: both delete the IKE SA" },
		{ OWN_IKE_REKEY, PEER_CHILD_NEW, ANSWER_BUSY, "2.25.2: new child while we rekey the IKE SA" },
		{ OWN_IKE_REKEY, PEER_CHILD_REKEY, ANSWER_BUSY, "2.25.2: child rekey likewise" },
		{ OWN_IKE_REKEY, PEER_CHILD_DELETE, ANSWER, "2.25.2: child delete likewise" },
		{ OWN_NOTHING, PEER_CHILD_REKEY, ANSWER, "nothing else to do" },
		{ OWN_REPLACED, PEER_CHILD_REKEY, ANSWER_BUSY, "on an IKE SA that has a successor" },
	};
	static const uint8_t a[] = { 1, 2, 3 }, b[] = { 1, 2, 4 };

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		ok(collide(rules[i].own, rules[i].peer) == rules[i].want, "%s: %s", rules[i].rule,
		   collide_name(rules[i].want));
	for (int own = 0; own < OWN_MAX; own++)
		ok(collide((enum collide_own)own, PEER_IKE_DELETE) != ANSWER_BUSY,
		   "a DELETE of the IKE SA is never refused (%d)", own);
	ok(nonce_cmp(a, 3, b, 3) < 0 && nonce_cmp(b, 3, a, 3) > 0, "octet by octet");
	ok(nonce_cmp(a, 2, a, 3) < 0 && nonce_cmp(b, 3, a, 2) > 0, "the one that ends first is lower");
	ok(!nonce_cmp(a, 3, a, 3), "equal");
	return done();
}
