// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libFuzzer harness: proposals. An SA payload is read, answered, and what is
 * agreed on must be among what both sides said; a text is parsed and must mean
 * the same when it is written again.
 */
#include "walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static bool has(const struct transform *t, unsigned int n, const struct transform *want)
{
	for (unsigned int i = 0; i < n; i++)
		if (!memcmp(&t[i], want, sizeof(*want)))
			return true;
	return false;
}

static void agree(const struct proposal *ours, unsigned int n, const struct sa_list *list,
		  unsigned int spi_len, unsigned int flags)
{
	const struct sa_prop *p = NULL;
	bool mine = false;
	struct chosen c;

	if (prop_select(ours, n, list, spi_len, flags, &c))
		return;
	for (unsigned int i = 0; i < list->n && !p; i++)
		if (list->p[i].num == c.num && has(list->p[i].t, list->p[i].n, &c.encr))
			p = &list->p[i];
	for (unsigned int i = 0; i < n; i++)
		mine |= has(ours[i].t, ours[i].n, &c.encr);
	if (!p || !mine || c.spi_len != spi_len)
		abort();
}

static void text(const uint8_t *data, size_t len, uint8_t protocol)
{
	static struct proposal p[TUNNEL_PROPOSALS], again[TUNNEL_PROPOSALS];
	char in[600], out[800], err[SUITE_ERR_MAX];
	int n;

	if (len >= sizeof(in))
		return;
	memcpy(in, data, len);
	in[len] = 0;
	n = proposals_parse(p, TUNNEL_PROPOSALS, protocol, in, true, err, sizeof(err));
	for (int i = 0; i < n; i++) {
		if (proposal_format(&p[i], out, sizeof(out)) >= (int)sizeof(out))
			abort();
		if (proposals_parse(again, 1, protocol, out, true, err, sizeof(err)) != 1 ||
		    memcmp(&p[i], again, sizeof(*again)))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct proposal ike[TUNNEL_PROPOSALS], esp[TUNNEL_PROPOSALS];
	static unsigned int n_ike, n_esp;
	char err[SUITE_ERR_MAX];
	struct sa_list list;

	if (!n_ike) {
		n_ike = (unsigned int)proposals_parse(ike, TUNNEL_PROPOSALS, PROTO_IKE,
						      suite_default(PROTO_IKE), false, err,
						      sizeof(err));
		n_esp = (unsigned int)proposals_parse(esp, TUNNEL_PROPOSALS, PROTO_ESP,
						      "aes256gcm16-ecp256, aes128-sha256", false,
						      err, sizeof(err));
	}
	if (len < 1)
		return 0;
	if (data[0] & 1) {
		text(data + 1, len - 1, data[0] & 2 ? PROTO_IKE : PROTO_ESP);
		return 0;
	}
	if (walk_sa(view(data + 1, len - 1)) || wire_get_sa(view(data + 1, len - 1), &list))
		return 0;
	for (unsigned int flags = 0; flags < 8; flags++) {
		agree(esp, n_esp, &list, 4, flags);
		agree(ike, n_ike, &list, data[0] & 2 ? 8 : 0, flags & ~(unsigned int)PROP_NO_KE);
	}
	return 0;
}
