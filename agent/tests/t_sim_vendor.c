// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Peers that cannot be had here: each case sends what that peer was seen to
 * send, in its order. The engine is the left side, the peer the
 * right one.
 */
#include "addr.h"
#include "puppet.h"
#include "sk.h"
#include "tap.h"

#define CHILD	EXCHANGE_CREATE_CHILD_SA
#define INFO	EXCHANGE_INFORMATIONAL

struct play {
	struct sim *s;
	struct puppet *p;
	struct puppet_child c;		/* the one of IKE_AUTH */
	struct puppet_msg m;
};

static struct play *stage(uint64_t seed, const struct style *style, const char *esp)
{
	struct play *y = calloc(1, sizeof(*y));

	if (!y)
		abort();
	y->s = sim_new(seed);
	sim_suites(y->s, NULL, esp);
	y->s->side[0].t.dpd_seconds = 0;	/* a script has no patience for it */
	y->p = puppet_new(y->s, 1, style);
	return y;
}

static void traffic(struct play *y)
{
	sim_run(y->s, 1000);
	y->s->side[0].lost = y->s->side[1].lost = 0;
	sim_traffic(y->s, 10);
	sim_run(y->s, 100);
}

/* We begin. */
static struct play *accepts(uint64_t seed, const struct style *style, const char *esp)
{
	struct play *y = stage(seed, style, esp);

	sim_begin(y->s, 0);
	ok(puppet_accept(y->p, &y->c) && sim_out(y->s, 0), "%s: up, we began", style->name);
	traffic(y);
	return y;
}

/* The peer begins. */
static struct play *connects(uint64_t seed, const struct style *style, const char *esp)
{
	struct play *y = stage(seed, style, esp);

	y->s->side[0].t.start = START_RESPOND;
	sim_begin(y->s, 0);
	ok(puppet_connect(y->p, &y->c) && sim_out(y->s, 0), "%s: up, the peer began", style->name);
	traffic(y);
	return y;
}

static void end(struct play *y)
{
	ok(!y->s->faults, "no invariant broken");
	puppet_free(y->p);
	sim_free(y->s);
	free(y);
}

static void post(struct play *y)
{
	puppet_send(y->p, &y->m);
}

/* An answer to IKE_SA_INIT that keeps no state. */
static void bare(struct play *y, uint16_t type, const void *data, size_t len)
{
	struct wire_out o;
	struct ike_hdr h = {
		.spi_i = y->p->m.hdr.spi_i, .exchange = EXCHANGE_IKE_SA_INIT,
		.flags = IKE_FLAG_RESPONSE,
	};

	wire_begin(&o, y->m.b, sizeof(y->m.b), &h);
	wire_put_status(&o, type, data, len);
	y->m.len = (size_t)wire_end(&o);
	post(y);
}

/* The engine sends through this child, packets pass both ways, nothing else is left. */
static bool only(struct play *y, const struct puppet_child *c)
{
	uint64_t lost;

	sim_run(y->s, 10000);
	lost = sim_lost(y->s);
	sim_run(y->s, 1000);
	return sim_out(y->s, 0) && sim_out(y->s, 0)->n.spi == c->spi_in &&
	       sim_lost(y->s) == lost && sim_count(y->s, 0) == 2 &&
	       sim_sas(y->s, 0, SA_UP) == 1;
}

static bool unharmed(struct play *y)
{
	return !sim_lost(y->s);
}

/* The peer rekeys a child and takes the answer; it sends through the new one. */
static bool peer_rekeys(struct play *y, struct puppet_child *c)
{
	puppet_child_ask(y->p, c, &y->m);
	post(y);
	if (!puppet_wait(y->p, CHILD, true, 1000) || !puppet_child_take(y->p, c))
		return false;
	puppet_child_use(y->p, c);
	return true;
}

/* The peer deletes a child and waits for the answer. */
static bool peer_deletes(struct play *y, struct puppet_child *c)
{
	puppet_delete(y->p, c->spi_in, &y->m);
	post(y);
	if (!puppet_wait(y->p, INFO, true, 1000))
		return false;
	puppet_child_gone(y->p, c);
	return true;
}

/* The peer answers our DELETE of a child. */
static bool peer_is_told(struct play *y, struct puppet_child *c)
{
	struct wire_out o;

	if (!puppet_wait(y->p, INFO, false, 30000) || puppet_spi(y->p) != c->spi_out)
		return false;
	puppet_begin(y->p, &o, INFO, true, &y->m);
	wire_put_delete_esp(&o, &c->spi_in, 1);
	puppet_end(y->p, &o, &y->m);
	post(y);
	sim_run(y->s, 50);
	puppet_child_gone(y->p, c);
	return true;
}

/* --- 1, 2, 3, 4: crossing rekeys --- */

/* strongswan#1896: our request is lost, the peer's rekey passes, our repetition is refused. */
static void t_mikrotik_crossing(void)
{
	struct play *y = accepts(1, &style_mikrotik, "aes128gcm16");
	struct puppet_child c;

	sim_rekey(y->s, 0, false);
	ok(puppet_wait(y->p, CHILD, false, 1000), "we rekey, and that is lost");
	c = puppet_child_after(&y->c);
	ok(peer_rekeys(y, &c), "the peer rekeys the same child");
	ok(puppet_wait(y->p, CHILD, false, 5000), "we repeat ours");
	puppet_notify(y->p, CHILD, NOTIFY_TEMPORARY_FAILURE, NULL, 0, &y->m);
	post(y);
	ok(peer_deletes(y, &y->c), "TEMPORARY_FAILURE, and the old child is deleted");
	ok(only(y, &c), "the peer's new one is in use");
	ok(unharmed(y), "no packet lost");
	end(y);
}

/* strongswan#1458: DELETE of the old child is there before the answer to our rekey. */
static void t_paloalto_delete(void)
{
	struct play *y = accepts(2, &style_paloalto, "aes128gcm16");
	struct puppet_child c = { 0 };
	struct puppet_msg answer;

	sim_rekey(y->s, 0, false);
	ok(puppet_wait(y->p, CHILD, false, 1000) && puppet_spi(y->p) == y->c.spi_out, "we rekey");
	ok(puppet_child_answer(y->p, &c, &answer), "which the peer takes");
	puppet_child_use(y->p, &c);
	puppet_delete(y->p, y->c.spi_in, &y->m);
	post(y);
	puppet_send(y->p, &answer);
	ok(puppet_wait(y->p, INFO, true, 1000), "its DELETE comes first and is answered");
	puppet_child_gone(y->p, &y->c);
	ok(only(y, &c), "the new child is in use");
	ok(unharmed(y), "no packet lost");
	puppet_delete(y->p, y->c.spi_in, &y->m);
	post(y);
	ok(puppet_wait(y->p, INFO, true, 1000) && !puppet_error(y->p) && !puppet_spi(y->p),
	   "DELETE of what is no more: success");
	ok(only(y, &c), "and no change");
	end(y);

	/* The answer much later: until then there is nothing to send through, and then there is. */
	y = accepts(3, &style_paloalto, "aes128gcm16");
	memset(&c, 0, sizeof(c));
	sim_rekey(y->s, 0, false);
	puppet_wait(y->p, CHILD, false, 1000);
	puppet_child_answer(y->p, &c, &answer);
	puppet_child_use(y->p, &c);
	ok(peer_deletes(y, &y->c), "DELETE alone");
	sim_run(y->s, 1000);
	puppet_send(y->p, &answer);
	ok(only(y, &c), "the answer a second later: the new child is in use");
	end(y);
}

/* strongswan#2477: an ASA refuses our rekey of a child that it is rekeying itself. */
static void t_cisco_refusal(void)
{
	static const uint16_t no[] = {
		NOTIFY_TS_UNACCEPTABLE, NOTIFY_NO_PROPOSAL_CHOSEN, NOTIFY_CHILD_SA_NOT_FOUND,
	};

	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
		for (int late = 0; late < 2; late++) {
			struct play *y = connects(4 + i, &style_cisco, "aes128gcm16");
			struct puppet_child c = puppet_child_after(&y->c);

			sim_rekey(y->s, 0, false);
			ok(puppet_wait(y->p, CHILD, false, 1000), "both rekey at once");
			puppet_notify(y->p, CHILD, no[i], NULL, 0, &y->m);
			if (late) {
				struct puppet_msg refusal = y->m;

				ok(peer_rekeys(y, &c), "the peer's is done first");
				puppet_send(y->p, &refusal);
			} else if (no[i] == NOTIFY_CHILD_SA_NOT_FOUND) {
				end(y);
				continue;	/* that would be the truth */
			} else {
				post(y);
				ok(peer_rekeys(y, &c), "the peer's is done after ours was refused");
			}
			ok(peer_deletes(y, &y->c), "and the old child deleted");
			ok(only(y, &c), "%s for ours: the peer's new one is in use",
			   wire_notify_name(no[i]));
			ok(unharmed(y), "no packet lost");
			ok(!late || !*sim_peer(y->s, 0)->note, "nothing is wrong");
			end(y);
		}
	}
}

/* strongswan#2945: a confused peer rekeys the same child twice before it deletes it. */
static void t_twice(void)
{
	struct play *y = connects(7, &style_plain, "aes128gcm16");
	struct puppet_child a = puppet_child_after(&y->c), b = puppet_child_after(&y->c);

	puppet_child_ask(y->p, &a, &y->m);
	post(y);
	ok(puppet_wait(y->p, CHILD, true, 1000) && puppet_child_take(y->p, &a), "rekeyed");
	puppet_child_ask(y->p, &b, &y->m);
	post(y);
	ok(puppet_wait(y->p, CHILD, true, 1000) &&
	   puppet_error(y->p) == NOTIFY_TEMPORARY_FAILURE, "a second time: TEMPORARY_FAILURE");
	puppet_child_use(y->p, &a);
	ok(peer_deletes(y, &y->c) && only(y, &a), "the first of them is in use");
	ok(unharmed(y), "no packet lost");
	end(y);
}

/* --- 5, 6, 24: groups of children --- */

/* strongswan#3024: a group that is not ours is answered by the one that is. */
static void t_wrong_group(void)
{
	struct play *y = connects(8, &style_plain, "aes128gcm16-ecp256");
	struct puppet_child c = puppet_child_after(&y->c);
	const struct payload *n;
	struct notify ke;

	puppet_suites(y->p, NULL, "aes128gcm16-modp2048-ecp256");
	c.group = KE_MODP_2048;
	puppet_child_ask(y->p, &c, &y->m);
	post(y);
	ok(puppet_wait(y->p, CHILD, true, 1000) &&
	   puppet_error(y->p) == NOTIFY_INVALID_KE_PAYLOAD, "the peer's first group is not ours");
	n = msg_find(&y->p->m, PAYLOAD_NOTIFY, 0);
	ok(n && !wire_get_notify(n->body, &ke) && ke.data.len == 2 && ke.data.data[1] == KE_ECP_256,
	   "INVALID_KE_PAYLOAD names ours");
	c = puppet_child_after(&y->c);
	c.group = KE_ECP_256;
	ok(peer_rekeys(y, &c) && peer_deletes(y, &y->c) && only(y, &c), "with that it is rekeyed");
	ok(unharmed(y), "no packet lost");
	end(y);
}

static void answer_group(struct play *y, uint16_t group)
{
	uint8_t data[2] = { 0, (uint8_t)group };

	puppet_notify(y->p, CHILD, NOTIFY_INVALID_KE_PAYLOAD, data, sizeof(data), &y->m);
	post(y);
}

/* libreswan#515, #332: first children have no group, so that it comes out at the rekey. */
static void t_junos_groups(void)
{
	struct play *y = accepts(9, &style_plain, "aes128gcm16");
	struct puppet_child c = { 0 };

	/* We want no group, the peer insists on one: it gets that. */
	puppet_suites(y->p, NULL, "aes128gcm16-ecp384");
	sim_rekey(y->s, 0, false);
	ok(puppet_wait(y->p, CHILD, false, 1000) && !msg_find(&y->p->m, PAYLOAD_KE, 0),
	   "Junos: we rekey without a group");
	answer_group(y, KE_ECP_384);
	c.group = KE_ECP_384;
	ok(puppet_wait(y->p, CHILD, false, 1000) && msg_find(&y->p->m, PAYLOAD_KE, 0) &&
	   puppet_child_answer(y->p, &c, &y->m), "and with the one that it asks for");
	puppet_child_use(y->p, &c);
	post(y);
	ok(peer_is_told(y, &y->c) && only(y, &c) && unharmed(y), "rekeyed, no packet lost");
	sim_rekey(y->s, 0, false);
	ok(puppet_wait(y->p, CHILD, false, 1000) && msg_find(&y->p->m, PAYLOAD_KE, 0),
	   "the next rekey has it from the start");
	end(y);

	/* A weak one it does not get. */
	y = accepts(10, &style_plain, "aes128gcm16");
	sim_rekey(y->s, 0, false);
	puppet_wait(y->p, CHILD, false, 1000);
	answer_group(y, KE_MODP_1024);
	ok(puppet_quiet(y->p, CHILD, false, 1000), "Junos: no second try with modp1024");
	sim_run(y->s, 100);
	ok(sim_logged("difference=\"group: we sent none, the peer wants modp1024\"") == 1,
	   "the log has both");
	ok(only(y, &y->c) && unharmed(y), "the child goes on");
	end(y);

	/* Nor one that is not among ours, where we have some. */
	y = accepts(11, &style_plain, "aes128gcm16-ecp256");
	sim_rekey(y->s, 0, false);
	puppet_wait(y->p, CHILD, false, 1000);
	answer_group(y, KE_MODP_2048);
	ok(puppet_quiet(y->p, CHILD, false, 1000), "Junos: no second try with a group not ours");
	ok(sim_logged("difference=\"group: we sent ecp256, the peer wants modp2048\" "
		      "ours=aes128gcm16-ecp256") == 1, "the log has both");
	end(y);

	/* Again and again NO_PROPOSAL_CHOSEN, as in #515: the tunnel lives on the child it has. */
	y = accepts(12, &style_plain, "aes128gcm16-ecp256");
	sim_rekey(y->s, 0, false);
	for (int i = 0; i < 3; i++) {
		ok(puppet_wait(y->p, CHILD, false, 3600000), "Junos: rekey %d", i);
		puppet_notify(y->p, CHILD, NOTIFY_NO_PROPOSAL_CHOSEN, NULL, 0, &y->m);
		post(y);
		sim_run(y->s, 100);
	}
	ok(strstr(sim_peer(y->s, 0)->note, "another group") && sim_out(y->s, 0) && unharmed(y),
	   "the tunnel is up and says: %s", sim_peer(y->s, 0)->note);
	end(y);

	/* The peer rekeys with a group though we have none, and without though we have. */
	y = connects(13, &style_plain, "aes128gcm16");
	puppet_suites(y->p, NULL, "aes128gcm16-modp2048");
	c = puppet_child_after(&y->c);
	c.group = KE_MODP_2048;
	ok(peer_rekeys(y, &c) && c.chosen.ke.id == KE_MODP_2048 && peer_deletes(y, &y->c) &&
	   only(y, &c) && unharmed(y), "Junos: rekeys with a group where we have none");
	end(y);
	y = connects(14, &style_plain, "aes128gcm16-ecp256");
	puppet_suites(y->p, NULL, "aes128gcm16");
	c = puppet_child_after(&y->c);
	ok(peer_rekeys(y, &c) && peer_deletes(y, &y->c) && only(y, &c) && unharmed(y),
	   "Junos: and without one where we have");
	ok(sim_logged("without the secrecy of its own that is configured") == 1, "which is logged");
	end(y);
}

/* RouterOS sends a CP request in IKE_AUTH and in rekeys, and wants modp1024 unless told otherwise. */
static void t_mikrotik_rekey(void)
{
	struct play *y = connects(15, &style_mikrotik, "aes128gcm16");
	struct puppet_child c = puppet_child_after(&y->c);

	ok(peer_rekeys(y, &c) && peer_deletes(y, &y->c) && only(y, &c) && unharmed(y),
	   "MikroTik: a CP payload in IKE_AUTH and in a rekey does no harm");
	end(y);

	y = connects(16, &style_mikrotik, "aes128gcm16");
	puppet_suites(y->p, NULL, "aes128gcm16-modp1024");
	c = puppet_child_after(&y->c);
	c.group = KE_MODP_1024;
	puppet_child_ask(y->p, &c, &y->m);
	post(y);
	ok(puppet_wait(y->p, CHILD, true, 1000) &&
	   puppet_error(y->p) == NOTIFY_NO_PROPOSAL_CHOSEN, "MikroTik: its default group is refused");
	ok(sim_logged("difference=\"group: ours none, theirs modp1024\"") == 1, "by name");
	ok(only(y, &y->c) && unharmed(y), "the child goes on");
	end(y);

	y = connects(17, &style_mikrotik, "aes128gcm16-modp1024");
	c = puppet_child_after(&y->c);
	c.group = KE_MODP_1024;
	ok(peer_rekeys(y, &c) && peer_deletes(y, &y->c) && only(y, &c) && unharmed(y),
	   "MikroTik: unless it is configured");
	end(y);
}

/* --- 7, 9: what is agreed on --- */

/* strongswan#2831: Windows takes no other selectors in a rekey, and no other suite. */
static void t_windows_rekey(void)
{
	struct play *y = stage(18, &style_windows, "aes256gcm16, aes128gcm16");
	struct puppet_child c = { 0 };
	struct sa_list asked;
	char text[200];

	puppet_suites(y->p, NULL, "aes128gcm16-noesn");
	y->s->side[0].t.start = START_RESPOND;
	y->c.n_local = y->c.n_remote = 1;
	y->c.local[0] = puppet_ts("10.0.1.11");
	y->c.remote[0] = puppet_ts("any");
	sim_begin(y->s, 0);
	ok(puppet_connect(y->p, &y->c), "Windows: up with one address");
	traffic(y);
	sim_rekey(y->s, 0, false);
	ok(puppet_wait(y->p, CHILD, false, 1000) && puppet_child_answer(y->p, &c, &y->m), "we rekey");
	ok(ts_set_equal(c.local, c.n_local, y->c.local, 1) &&
	   ts_set_equal(c.remote, c.n_remote, y->c.remote, 1), "with the same selectors");
	wire_get_sa(msg_find(&y->p->m, PAYLOAD_SA, 0)->body, &asked);
	asked.n = 1;
	is_str(sa_list_format(&asked, PROTO_ESP, text, sizeof(text)), "aes128gcm16-noesn",
	       "and the same suite before all others");
	puppet_child_use(y->p, &c);
	post(y);
	ok(peer_is_told(y, &y->c) && only(y, &c) && unharmed(y), "rekeyed, no packet lost");
	end(y);
}

/* AWS takes the lowest of its own list, whatever our order is. */
static void t_aws_order(void)
{
	struct play *y = stage(19, &style_plain, "aes256gcm16, aes128gcm16, aes128-sha256");

	sim_side_suites(y->s, 0, "aes256gcm16-prfsha384-ecp384, aes128-sha256-ecp256-modp2048", NULL);
	puppet_suites(y->p, "aes128-sha256-modp2048-ecp256, aes256gcm16-prfsha384-ecp384",
		      "aes128-sha256, aes128gcm16, aes256gcm16");
	sim_begin(y->s, 0);
	ok(puppet_wait(y->p, EXCHANGE_IKE_SA_INIT, false, 1000), "AWS: we ask with ecp384");
	/* Its first is modp2048, ours sent a value of another group. */
	bare(y, NOTIFY_INVALID_KE_PAYLOAD, "\0\016", 2);
	ok(puppet_accept(y->p, &y->c) && sim_out(y->s, 0) &&
	   y->p->suite.ke.id == KE_MODP_2048 && y->c.chosen.encr.id == ENCR_AES_CBC,
	   "AWS: the last of our proposals, by its order");
	end(y);
}

/* --- 12: lives --- */

/* Cisco rekeys half a minute before its own limit, by time or volume, whatever ours is. */
static void t_cisco_lives(void)
{
	struct play *y = connects(20, &style_cisco, "aes128gcm16");
	struct puppet_child a = y->c, b;
	unsigned int good = 0;

	for (int i = 0; i < 12; i++) {
		sim_run(y->s, i % 3 ? 270000 : 15000);
		b = puppet_child_after(&a);
		good += peer_rekeys(y, &b) && peer_deletes(y, &a);
		a = b;
	}
	ok(good == 12, "Cisco: rekeyed %u times at its own pace", good);
	ok(only(y, &a) && unharmed(y), "no packet lost of %llu",
	   (unsigned long long)(y->s->side[0].sent + y->s->side[1].sent));
	ok(puppet_quiet(y->p, CHILD, false, 1000), "we had no reason to");
	end(y);
}

/* --- 14: ports --- */

/* Windows behind a NAT, and old clients: IKE goes on over the first port, or comes from it again. */
static void t_windows_ports(void)
{
	struct play *y = stage(21, &style_windows, "aes128gcm16");
	struct puppet *p = y->p;

	/* Force the detection of a NAT on our side: the peer thinks we are elsewhere. */
	y->s->side[0].t.start = START_RESPOND;
	y->s->side[0].t.force_encap = true;
	sim_begin(y->s, 0);
	ok(puppet_connect(p, &y->c), "Windows: up over port 500 in spite of a NAT");
	ok(sim_main(y->s, 0)->r.encap && !sim_main(y->s, 0)->r.marker, "ESP in UDP, IKE on 500");
	puppet_empty(p, INFO, false, &y->m);
	post(y);
	ok(puppet_wait(p, INFO, true, 1000) && p->to.port == 500 && p->from.port == 500,
	   "asked on 500, answered on 500");
	p->marker = true;
	p->local.port = p->remote.port = 4500;
	puppet_empty(p, INFO, false, &y->m);
	post(y);
	ok(puppet_wait(p, INFO, true, 1000) && p->to.port == 4500 && p->from.port == 4500 &&
	   p->with_marker, "asked on 4500, answered on 4500");
	p->marker = false;
	p->local.port = p->remote.port = 500;
	puppet_empty(p, INFO, false, &y->m);
	post(y);
	ok(puppet_wait(p, INFO, true, 1000) && p->to.port == 500 && !p->with_marker,
	   "and on 500 again");
	end(y);
}

/* --- 17: fragments --- */

/* Windows sends fragments of 600 bytes and less; some send a single one. */
static void t_fragments(void)
{
	static const size_t sizes[] = { 0, 20, 7, 4 };	/* 0: all in one */

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct play *y = stage(22 + i, &style_windows, "aes128gcm16");
		struct puppet *p = y->p;
		struct wire_out o;
		struct view text;
		uint8_t first, copy[PUPPET_MSG];
		unsigned int n;
		size_t part;

		y->s->side[0].t.start = START_RESPOND;
		sim_begin(y->s, 0);
		puppet_init_ask(p, &y->m);
		post(y);
		ok(puppet_wait(p, EXCHANGE_IKE_SA_INIT, true, 1000) && puppet_init_take(p), "begun");
		/* What would have been one message; the SK payload is opened again. */
		puppet_auth_ask(p, &y->c, &y->m);
		memcpy(copy, y->m.b, y->m.len);
		wire_parse(&p->m, copy, y->m.len);
		first = p->m.sk_first;
		sk_open(&p->m, copy, &p->keys.i);
		text = view(p->m.p[0].body.data - 4, (size_t)(p->m.p[p->m.n - 1].body.data +
			    p->m.p[p->m.n - 1].body.len - p->m.p[0].body.data) + 4);
		part = sizes[i] ? sizes[i] : text.len;
		n = (unsigned int)((text.len + part - 1) / part);
		for (unsigned int k = n; k > 0; k--) {
			struct ike_hdr h = p->m.hdr;
			size_t at = (k - 1) * part;
			struct puppet_msg f;

			wire_begin(&o, f.b, sizeof(f.b), &h);
			sk_begin_fragment(&o, &p->keys.i, (uint16_t)k, (uint16_t)n, first);
			wr_bytes(&o.w, text.data + at, text.len - at < part ? text.len - at : part);
			f.len = (size_t)sk_seal(&o, &p->keys.i, ++p->iv);
			puppet_send(p, &f);
		}
		sim_run(y->s, 100);
		ok(sim_sas(y->s, 0, SA_UP) == (n <= 64), "IKE_AUTH in %u fragments, the last first: %s",
		   n, n <= 64 ? "up" : "too many");
		end(y);
	}
}

/* --- 18: cookies and groups --- */

/* Our next IKE_SA_INIT: with this cookie, with a value of this group. */
static bool asks(struct play *y, const char *cookie, uint16_t group)
{
	struct ke_pl ke;
	struct notify n;
	bool has;

	if (!puppet_wait(y->p, EXCHANGE_IKE_SA_INIT, false, 1000))
		return false;
	has = msg_notify(&y->p->m, NOTIFY_COOKIE, &n);
	if (cookie ? !has || n.data.len != strlen(cookie) || memcmp(n.data.data, cookie, n.data.len) :
		     has)
		return false;
	/* It goes first (RFC 7296 2.6). */
	if (has && y->p->m.p[0].type != PAYLOAD_NOTIFY)
		return false;
	return !wire_get_ke(msg_find(&y->p->m, PAYLOAD_KE, 0)->body, &ke) && ke.group == group;
}

static void t_cookie_rounds(void)
{
	struct play *y = stage(25, &style_plain, "aes128gcm16");
	uint64_t spi;

	sim_side_suites(y->s, 0, "aes128gcm16-prfsha256-x25519-ecp256", NULL);
	puppet_suites(y->p, "aes128gcm16-prfsha256-ecp256", NULL);
	sim_begin(y->s, 0);
	ok(asks(y, NULL, KE_CURVE25519), "the first request");
	spi = y->p->m.hdr.spi_i;
	bare(y, NOTIFY_COOKIE, "first cookie", 12);
	ok(asks(y, "first cookie", KE_CURVE25519), "a cookie is given back");
	bare(y, NOTIFY_INVALID_KE_PAYLOAD, "\0\023", 2);
	ok(asks(y, "first cookie", KE_ECP_256), "kept when another group is asked for");
	bare(y, NOTIFY_COOKIE, "second cookie", 13);
	ok(asks(y, "second cookie", KE_ECP_256), "replaced by another one");
	bare(y, NOTIFY_INVALID_KE_PAYLOAD, "\0\023", 2);
	ok(puppet_quiet(y->p, EXCHANGE_IKE_SA_INIT, false, 500),
	   "the group that was sent already is no reason for another round");
	bare(y, NOTIFY_COOKIE, "", 0);
	ok(puppet_quiet(y->p, EXCHANGE_IKE_SA_INIT, false, 500), "nor is a cookie of no bytes");
	ok(puppet_wait(y->p, EXCHANGE_IKE_SA_INIT, false, 5000) && y->p->m.hdr.spi_i == spi,
	   "the request is repeated, the SPI the same all the time");
	ok(puppet_init_answer(y->p, &y->m), "the peer agrees");
	post(y);
	ok(puppet_wait(y->p, EXCHANGE_IKE_AUTH, false, 1000) &&
	   puppet_auth_answer(y->p, &y->c, &y->m), "AUTH covers the last request");
	post(y);
	sim_run(y->s, 100);
	ok(sim_out(y->s, 0) != NULL, "up");
	end(y);

	/* For ever other cookies: given up, and begun anew later. */
	y = stage(26, &style_plain, "aes128gcm16");
	sim_begin(y->s, 0);
	for (int i = 0; i < 40 && puppet_wait(y->p, EXCHANGE_IKE_SA_INIT, false, 500); i++)
		bare(y, NOTIFY_COOKIE, &i, sizeof(i));
	ok(strstr(y->s->side[0].note, "ever other IKE_SA_INIT") != NULL, "no end of cookies: %s",
	   y->s->side[0].note);
	ok(y->s->side[0].datagrams < 12, "after %llu requests",
	   (unsigned long long)y->s->side[0].datagrams);
	end(y);
}

/* --- 19: roles --- */

/* strongswan#309: who rekeys the IKE SA is the new one's initiator, flags and all. */
static void t_roles(void)
{
	struct play *y = accepts(27, &style_plain, "aes128gcm16");
	struct puppet old;
	struct puppet_child c;

	puppet_ike_ask(y->p, &y->m);
	post(y);
	ok(puppet_wait(y->p, CHILD, true, 1000) && puppet_ike_take(y->p, &old),
	   "the responder rekeys the IKE SA");
	puppet_ike_delete(&old, &y->m);
	post(y);
	sim_run(y->s, 100);
	y->p->n = 0;
	ok(!sim_main(y->s, 0)->r.initiator, "and is its initiator now");
	puppet_empty(y->p, INFO, false, &y->m);
	post(y);
	ok(puppet_wait(y->p, INFO, true, 1000) && !(y->p->m.hdr.flags & IKE_FLAG_INITIATOR),
	   "its requests are answered, without the flag");
	sim_rekey(y->s, 0, false);
	ok(puppet_wait(y->p, CHILD, false, 1000) && !(y->p->m.hdr.flags & IKE_FLAG_INITIATOR) &&
	   !y->p->m.hdr.id, "ours come without it too, counted from 0");
	memset(&c, 0, sizeof(c));
	ok(puppet_child_answer(y->p, &c, &y->m), "a child under the new keys");
	puppet_child_use(y->p, &c);
	post(y);
	ok(peer_is_told(y, &y->c) && only(y, &c) && unharmed(y), "no packet lost");
	/* And back: we rekey the IKE SA of which we are the responder. */
	sim_rekey(y->s, 0, true);
	ok(puppet_wait(y->p, CHILD, false, 1000) && puppet_ike_answer(y->p, &old, &y->m), "back again");
	puppet_send(&old, &y->m);
	sim_run(y->s, 200);
	ok(sim_main(y->s, 0) && sim_main(y->s, 0)->r.initiator &&
	   sim_main(y->s, 0)->r.spi_r == y->p->spi_r, "we are the initiator");
	ok(unharmed(y), "no packet lost");
	end(y);
}

/* --- both rekey the IKE SA at once --- */

/* The puppet goes on with that IKE SA. */
static void become(struct puppet *p, const struct puppet *sa)
{
	p->initiator = sa->initiator;
	p->spi_i = sa->spi_i;
	p->spi_r = sa->spi_r;
	p->suite = sa->suite;
	p->keys = sa->keys;
	p->mid = sa->mid;
	p->iv = sa->iv;
}

/*
 * libreswan 5.2 goes by no nonce: its children move to the IKE SA that it made
 * as responder, and end with it. true: by the nonces that one had to go.
 */
static bool libreswan_crossing(uint64_t seed)
{
	struct play *y = accepts(seed, &style_plain, "aes128gcm16");
	struct puppet theirs = *y->p, ours, old;
	struct puppet_child c = { 0 };
	bool goes;

	sim_rekey(y->s, 0, true);
	sim_run(y->s, 10);
	puppet_ike_ask(&theirs, &y->m);
	post(y);
	ok(puppet_wait(y->p, CHILD, true, 1000), "libreswan: its request is answered");
	theirs.m = y->p->m;
	ok(puppet_ike_take(&theirs, &old), "libreswan: it has an IKE SA");
	become(y->p, &old);
	ok(puppet_wait(y->p, CHILD, false, 1000) && puppet_ike_answer(y->p, &old, &y->m),
	   "libreswan: and answers ours");
	ours = *y->p;
	puppet_send(&old, &y->m);
	sim_run(y->s, 500);
	goes = sim_main(y->s, 0)->r.spi_r != ours.spi_r;
	if (goes) {
		puppet_ike_delete(&old, &y->m);
		post(y);
		become(y->p, &theirs);
		ok(puppet_wait(y->p, CHILD, false, 10000) && puppet_spi(y->p) == y->c.spi_out,
		   "libreswan: ours is to go: does it know the child?");
		puppet_notify(y->p, CHILD, NOTIFY_CHILD_SA_NOT_FOUND, NULL, 0, &y->m);
		post(y);
		ok(puppet_wait(y->p, CHILD, false, 10000) && puppet_child_answer(y->p, &c, &y->m),
		   "libreswan: no, so there is a new one");
		become(&theirs, y->p);
		become(y->p, &ours);
		ok(puppet_quiet(y->p, INFO, false, 1000), "libreswan: ours is there until that is up");
		puppet_child_use(y->p, &c);
		post(y);
		ok(puppet_wait(y->p, INFO, false, 1000), "libreswan: ours goes");
		puppet_empty(y->p, INFO, true, &y->m);
		post(y);
		become(y->p, &theirs);
		ok(peer_is_told(y, &y->c), "libreswan: and the child that it has no more");
	}
	ok(only(y, goes ? &c : &y->c) && unharmed(y), "libreswan: no packet lost");
	end(y);
	return goes;
}

static void t_libreswan_crossing(void)
{
	unsigned int goes = 0, n = 8;

	for (unsigned int i = 0; i < n; i++)
		goes += libreswan_crossing(40 + i);
	ok(goes && goes < n, "libreswan: of %u, ours went %u times", n, goes);
}

/* --- 30: repetitions --- */

static void t_repetitions(void)
{
	struct play *y = stage(28, &style_cisco, "aes128gcm16");
	struct puppet_child c = { 0 };
	uint8_t answer[PUPPET_MSG];
	size_t len;

	y->s->side[0].t.start = START_RESPOND;
	y->s->side[0].t.n_local_ts = 1;
	y->s->side[0].t.local_ts[0] = puppet_ts("10.1.0.0/16");
	sim_begin(y->s, 0);
	puppet_init_ask(y->p, &y->m);
	post(y);
	sim_run(y->s, 100);
	len = y->p->box[0].msg.len;
	memcpy(answer, y->p->box[0].msg.b, len);
	ok(y->p->n == 1 && len > 100, "IKE_SA_INIT is answered, and that is lost");
	y->p->n = 0;
	post(y);
	sim_run(y->s, 100);
	ok(y->p->n == 1 && y->p->box[0].msg.len == len && !memcmp(answer, y->p->box[0].msg.b, len),
	   "repeated: the same answer, byte for byte");
	ok(y->s->side[0].ike->half_open == 1, "from the same half-open IKE SA");
	ok(puppet_wait(y->p, EXCHANGE_IKE_SA_INIT, true, 1000) && puppet_init_take(y->p), "taken");
	puppet_auth_ask(y->p, &y->c, &y->m);
	post(y);
	sim_run(y->s, 100);
	len = y->p->box[0].msg.len;
	memcpy(answer, y->p->box[0].msg.b, len);
	y->p->n = 0;
	post(y);
	sim_run(y->s, 100);
	ok(y->p->n == 1 && y->p->box[0].msg.len == len && !memcmp(answer, y->p->box[0].msg.b, len),
	   "so is the answer to IKE_AUTH");
	ok(sim_count(y->s, 0) == 2, "which was served once");

	/* A rekey that cannot be: the child's affair, not the IKE SA's (RFC 7296 2.21.2). */
	c.n_local = c.n_remote = 1;
	c.local[0] = puppet_ts("any");
	c.remote[0] = puppet_ts("10.9.0.0/16");
	y->p->n = 0;
	y->p->mid = 2;
	puppet_child_ask(y->p, &c, &y->m);
	post(y);
	ok(puppet_wait(y->p, CHILD, true, 1000) && puppet_error(y->p) == NOTIFY_TS_UNACCEPTABLE,
	   "selectors that do not fit");
	post(y);
	ok(puppet_wait(y->p, CHILD, true, 1000) && puppet_error(y->p) == NOTIFY_TS_UNACCEPTABLE,
	   "repeated, the same answer");
	puppet_empty(y->p, INFO, false, &y->m);
	post(y);
	ok(puppet_wait(y->p, INFO, true, 1000) && sim_sas(y->s, 0, SA_UP) == 1 &&
	   sim_count(y->s, 0) == 2, "the IKE SA and its child live");
	end(y);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} tests[] = {
		{ "1-mikrotik", t_mikrotik_crossing }, { "2-paloalto", t_paloalto_delete },
		{ "3-cisco", t_cisco_refusal }, { "4-twice", t_twice },
		{ "5-group", t_wrong_group }, { "6-junos", t_junos_groups },
		{ "7-windows", t_windows_rekey }, { "9-aws", t_aws_order },
		{ "12-cisco", t_cisco_lives }, { "14-windows", t_windows_ports },
		{ "17-windows", t_fragments }, { "18-cookies", t_cookie_rounds },
		{ "19-roles", t_roles }, { "24-mikrotik", t_mikrotik_rekey },
		{ "30-repetitions", t_repetitions }, { "libreswan", t_libreswan_crossing },
	};

	sim_verbose = argc > 2;
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		if (argc > 1 && strcmp(argv[1], tests[i].name))
			continue;
		printf("# %s\n", tests[i].name);
		tests[i].run();
	}
	return done();
}
