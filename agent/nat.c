// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>

#include <linux/ipsecvti.h>

#include "addr.h"
#include "log.h"
#include "nat.h"
#include "peer.h"

#define NAT_HASH	20	/* SHA-1; no secret depends on it */

static void nat_hash(uint64_t spi_i, uint64_t spi_r, const struct addr *a, uint8_t out[NAT_HASH])
{
	uint8_t head[16], port[2] = { (uint8_t)(a->port >> 8), (uint8_t)a->port };
	struct wr w = wr_init(head, sizeof(head));
	struct view parts[] = {
		view(head, sizeof(head)), view(a->ip, addr_ip_len(a)), view(port, sizeof(port)),
	};

	wr_u64(&w, spi_i);
	wr_u64(&w, spi_r);
	if (crypto_sha1(parts, 3, out))
		memset(out, 0, NAT_HASH);
}

void nat_put(struct wire_out *o, uint64_t spi_i, uint64_t spi_r, const struct addr *local,
	     const struct addr *remote, bool lie)
{
	uint8_t hash[NAT_HASH];

	nat_hash(spi_i, spi_r, local, hash);
	if (lie)
		crypto_random(hash, sizeof(hash));
	wire_put_status(o, NOTIFY_NAT_DETECTION_SOURCE_IP, hash, sizeof(hash));
	nat_hash(spi_i, spi_r, remote, hash);
	wire_put_status(o, NOTIFY_NAT_DETECTION_DESTINATION_IP, hash, sizeof(hash));
}

/* A peer that does not know which address it sends from gives several. */
static bool nat_has(const struct msg *m, uint16_t type, const uint8_t hash[NAT_HASH], bool *any)
{
	const struct payload *p;
	struct notify n;

	for (unsigned int i = 0; (p = msg_find(m, PAYLOAD_NOTIFY, i)); i++) {
		if (wire_get_notify(p->body, &n) || n.type != type)
			continue;
		*any = true;
		if (n.data.len == NAT_HASH && !memcmp(n.data.data, hash, NAT_HASH))
			return true;
	}
	return false;
}

void nat_judge(struct sa *sa, const struct msg *m, const struct addr *local,
	       const struct addr *remote)
{
	/* In the initiator's first message the responder's SPI is still 0. */
	uint64_t spi_r = m->hdr.spi_r;
	bool source = false, dest = false, hit_source, hit_dest;
	uint8_t hash[NAT_HASH];

	nat_hash(m->hdr.spi_i, spi_r, remote, hash);
	hit_source = nat_has(m, NOTIFY_NAT_DETECTION_SOURCE_IP, hash, &source);
	nat_hash(m->hdr.spi_i, spi_r, local, hash);
	hit_dest = nat_has(m, NOTIFY_NAT_DETECTION_DESTINATION_IP, hash, &dest);
	sa->r.natt = source && dest;
	sa->r.nat_remote = sa->r.natt && !hit_source;
	sa->r.nat_local = sa->r.natt && !hit_dest;
}

void nat_float(struct sa *sa)
{
	const struct tunnel *t = &sa->peer->t;

	sa->r.encap = sa->r.natt && (sa->r.nat_local || sa->r.nat_remote || t->force_encap);
	if (!sa->r.encap || sa->r.marker)
		return;
	sa->r.marker = true;
	sa->r.local.port = t->local_nat_port;
	sa->r.remote.port = t->remote_nat_port;
}

int nat_endpoint(struct sa *sa)
{
	struct door_endpoint ep = {
		.tunnel = sa->r.tunnel,
		.encap = sa->r.encap ? IPSECVTI_ENCAP_UDP : IPSECVTI_ENCAP_NONE,
		.local = sa->r.local,
		.remote = sa->r.remote,
	};
	int err;

	if (!sa->r.encap)
		ep.local.port = ep.remote.port = 0;
	if (!memcmp(&ep, &sa->peer->endpoint, sizeof(ep)))
		return 0;
	err = sa->ike->ops->endpoint(sa->ike->ctx, &ep);
	if (err)
		log_warn("kernel refused the endpoint", KV_S("tunnel", sa->peer->t.name),
			 KV_ERR("error", err));
	else
		sa->peer->endpoint = ep;
	return err;
}

void nat_follow(struct sa *sa, const struct addr *local, const struct addr *remote, bool marker)
{
	char from[ADDR_TEXT_MAX], to[ADDR_TEXT_MAX];

	if (addr_equal(remote, &sa->r.remote) && marker == sa->r.marker)
		return;
	/* Whoever is not behind a NAT keeps its address; we, behind one, do not follow others. */
	if (!sa->r.nat_remote || sa->r.nat_local || !marker)
		return;
	log_ratelimited(LOG_NOTICE, "peer's NAT mapping moved",
			KV_S("tunnel", sa->peer ? sa->peer->t.name : NULL),
			KV_S("from", addr_format(&sa->r.remote, from, sizeof(from))),
			KV_S("to", addr_format(remote, to, sizeof(to))));
	sa->r.remote = *remote;
	sa->r.local = *local;
	sa->r.marker = marker;
	if (sa->peer && sa->r.state == SA_UP && !sa->r.superseded)
		nat_endpoint(sa);
	sa_store(sa);
}

void nat_seen(struct sa *sa, const struct addr *from)
{
	/* IKE and ESP in UDP share a mapping. */
	if (sa->r.encap && from->port && from->family == sa->r.remote.family)
		nat_follow(sa, &sa->r.local, from, true);
}

void nat_tick(struct sa *sa, uint64_t now)
{
	static const uint8_t keepalive = 0xff;
	struct ike *ike = sa->ike;

	if (sa->r.state != SA_UP || !sa->r.nat_local || !sa->r.marker || !ike->times.keepalive_ms) {
		sa->keepalive_at = 0;
		return;
	}
	if (sa->keepalive_at && sa->keepalive_at <= now && !sa->r.superseded)
		ike->ops->send(ike->ctx, &sa->r.local, &sa->r.remote, false, &keepalive, 1);
	if (!sa->keepalive_at || sa->keepalive_at <= now)
		sa->keepalive_at = now + ike->times.keepalive_ms;
}
