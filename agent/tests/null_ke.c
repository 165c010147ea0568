// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A key exchange that costs nothing and hides nothing, in place of ke.c: for the tests that go
 * through hundreds of thousands of exchanges and are not about cryptography. Both ends still come
 * to the same secret only when each has the other's value.
 */
#include <errno.h>
#include <string.h>

#include "../crypto.h"
#include "../ke.h"

#define LEN	32	/* Curve25519's, which the simulator proposes */

bool ke_known(uint16_t group)
{
	return ke_pub_len(group) != 0;
}

unsigned int ke_pub_len(uint16_t group)
{
	return group == KE_CURVE25519 ? LEN : 0;
}

int ke_generate(struct ke *ke, uint16_t group)
{
	ke_clear(ke);
	if (!ke_known(group))
		return -ENOTSUP;
	crypto_random(ke->priv, LEN);
	memcpy(ke->pub, ke->priv, LEN);
	ke->group = group;
	ke->priv_len = LEN;
	ke->pub_len = LEN;
	return 0;
}

int ke_derive(const struct ke *ke, struct view peer, struct secret *out)
{
	secret_clear(out);
	if (!ke->priv_len)
		return -EIO;
	if (peer.len != LEN)
		return -EBADMSG;
	out->len = LEN;
	for (int i = 0; i < LEN; i++)
		out->data[i] = ke->priv[i] ^ peer.data[i];
	return 0;
}

void ke_clear(struct ke *ke)
{
	secret_wipe(ke, sizeof(*ke));
}
