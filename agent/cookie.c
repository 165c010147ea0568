// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>

#include "addr.h"
#include "cookie.h"

#define SECRET_LIFE_MS	120000	/* and as long again as the previous one */

static void turn_secret(struct ike *ike)
{
	uint64_t now = ike_now(ike);

	if (ike->cookie.version && now - ike->cookie.since < SECRET_LIFE_MS)
		return;
	memcpy(ike->cookie.secret[1], ike->cookie.secret[0], sizeof(ike->cookie.secret[0]));
	crypto_random(ike->cookie.secret[0], sizeof(ike->cookie.secret[0]));
	/* Older than two lives, or the very first: the previous one is nothing anybody knows. */
	if (!ike->cookie.version || now - ike->cookie.since > 2 * SECRET_LIFE_MS)
		crypto_random(ike->cookie.secret[1], sizeof(ike->cookie.secret[1]));
	ike->cookie.version++;
	ike->cookie.since = now;
}

/* Of everything the sender cannot change between its two requests. */
static bool compute(struct ike *ike, uint32_t version, const struct msg *m,
		    const struct addr *remote, uint8_t out[COOKIE_LEN])
{
	const struct payload *nonce = msg_find(m, PAYLOAD_NONCE, 0);
	const uint8_t *secret = ike->cookie.secret[version != ike->cookie.version];
	struct wr w = wr_init(out, COOKIE_LEN);
	uint8_t head[10];
	struct wr h = wr_init(head, sizeof(head));
	struct view parts[] = {
		view(secret, sizeof(ike->cookie.secret[0])), view(head, sizeof(head)),
		view(remote->ip, addr_ip_len(remote)), nonce ? nonce->body : view(NULL, 0),
	};

	wr_u64(&h, m->hdr.spi_i);
	wr_u16(&h, remote->port);
	wr_u32(&w, version);
	return !crypto_sha256(parts, 4, out + 4);
}

void cookie_make(struct ike *ike, const struct msg *m, const struct addr *remote,
		 uint8_t out[COOKIE_LEN])
{
	turn_secret(ike);
	compute(ike, ike->cookie.version, m, remote, out);
}

bool cookie_good(struct ike *ike, const struct msg *m, const struct addr *remote)
{
	uint8_t want[COOKIE_LEN];
	struct notify n;
	struct rd r;
	uint32_t version;

	if (!msg_notify(m, NOTIFY_COOKIE, &n) || n.data.len != COOKIE_LEN)
		return false;
	turn_secret(ike);
	r = rd_view(n.data);
	version = rd_u32(&r);
	if (version != ike->cookie.version && version + 1 != ike->cookie.version)
		return false;
	return compute(ike, version, m, remote, want) &&
	       secret_equal(want, n.data.data, COOKIE_LEN);
}
