// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the simulator's engines ask of others: a fake kernel each, which keeps
 * the SAs that it is given and lets them expire, and the keeper's long-term key.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/ipsecvti.h>

#include "addr.h"
#include "sim.h"

#define NAT_T_PORT	4500
#define LARVAL_LIFE_MS	30000	/* the kernel keeps a reservation, the keeper longer */
#define KEPT_MS		120000
#define LARVAL_MS	250
#define LARVAL_PACKETS	64

static struct sim_sa *by_id(struct sim_side *side, uint32_t sa_id)
{
	for (int i = 0; i < side->top; i++)
		if (side->sa[i].used && side->sa[i].sa_id == sa_id)
			return &side->sa[i];
	return NULL;
}

static bool takes(const struct sim_sa *k, const struct ends *want)
{
	struct ts_bytes local = { 0 }, remote = { 0 };

	ts_pack(&local, want->local, want->n_local);
	ts_pack(&remote, want->remote, want->n_remote);
	return k->n.local_ts.len == local.len && !memcmp(k->n.local_ts.data, local.data, local.len) &&
	       k->n.remote_ts.len == remote.len &&
	       !memcmp(k->n.remote_ts.data, remote.data, remote.len);
}

struct sim_sa *sim_out_pair(struct sim *s, int side, unsigned int pair)
{
	struct sim_side *d = &s->side[side];
	struct ends want;

	if (!d->t.per_pair)
		return d->out.n ? by_id(d, d->out.sa[0].sa_id) : NULL;
	ends_wanted(&s->side[0].t, pair, &want);
	if (side) {
		struct ends mine = {
			.n_local = want.n_remote, .n_remote = want.n_local,
		};

		memcpy(mine.local, want.remote, sizeof(mine.local));
		memcpy(mine.remote, want.local, sizeof(mine.remote));
		want = mine;
	}
	for (uint32_t i = 0; i < d->out.n; i++) {
		struct sim_sa *k = by_id(d, d->out.sa[i].sa_id);

		if (k && takes(k, &want))
			return k;
	}
	return NULL;
}

struct sim_sa *sim_out(struct sim *s, int side)
{
	return sim_out_pair(s, side, 0);
}

unsigned int sim_count(struct sim *s, int side)
{
	unsigned int n = 0;

	for (int i = 0; i < s->side[side].top; i++)
		n += s->side[side].sa[i].used;
	return n;
}

static void lost(struct sim_packet *p, const char *why)
{
	struct sim *s = p->sim;

	s->side[!p->to].lost++;
	if (sim_verbose)
		printf("# %8.3f %c lost an ESP packet, spi %08x: %s\n",
		       (double)(s->now - SIM_START_MS) / 1000, 'a' + !p->to, p->spi, why);
}

/* Larval hold, as the module has it: what comes for a reserved SPI waits for its SA. */

static void waited(void *arg)
{
	struct sim_larval *l = arg;

	while (l->first) {
		struct sim_packet *p = l->first;

		l->first = p->next;
		lost(p, "its SA did not come");
		free(p);
	}
	l->n = 0;
}

static struct sim_larval *larval(struct sim_side *side, uint32_t spi)
{
	for (int i = 0; i < SIM_LARVAL; i++)
		if (side->larval[i].spi == spi && side->larval[i].kept_until > sim_current->now)
			return &side->larval[i];
	return NULL;
}

static int reserve(struct sim_side *side, uint32_t spi)
{
	for (int i = 0; i < SIM_LARVAL; i++) {
		struct sim_larval *l = &side->larval[i];

		if (l->kept_until > sim_current->now || l->n)
			continue;
		l->spi = spi;
		l->until = sim_current->now + LARVAL_LIFE_MS;
		l->kept_until = sim_current->now + KEPT_MS;
		l->timer = (struct loop_timer)LOOP_TIMER(waited, l);
		return 0;
	}
	return -EBUSY;
}

static bool hold(struct sim_side *side, struct sim_packet *p)
{
	struct sim_larval *l = larval(side, p->spi);
	struct sim_packet **end;

	if (!l || sim_current->no_larval || l->until <= sim_current->now || l->n == LARVAL_PACKETS)
		return false;
	for (end = &l->first; *end; end = &(*end)->next)
		;
	*end = p;
	p->next = NULL;
	if (!l->n++)
		loop_timer_in(sim_current->link, &l->timer, LARVAL_MS);
	return true;
}

static void landed(struct sim_side *side, uint32_t spi)
{
	struct sim_larval *l = larval(side, spi);

	if (!l)
		return;
	loop_timer_stop(sim_current->link, &l->timer);
	l->kept_until = 0;
	l->n = 0;
	while (l->first) {
		struct sim_packet *p = l->first;

		l->first = p->next;
		sim_link(p, 0);
	}
}

static void expire(struct sim_sa *k, uint32_t type)
{
	struct sim_side *side = &k->sim->side[k->side];
	struct door_event ev = {
		.type = type, .tunnel = side->t.id, .sa_id = k->sa_id, .spi = k->n.spi,
		.dir = k->n.dir,
	};

	k->events |= 1u << type;
	k->dead |= type == IPSECVTI_EVENT_TYPE_HARD_EXPIRE;
	if (!side->ike)
		return;
	sim_enter(k->sim, k->side);
	peer_event(side->ike, &ev);
	sa_reap(side->ike);
	sim_enter(k->sim, -1);
}

static void soft(void *arg)
{
	expire(arg, IPSECVTI_EVENT_TYPE_SOFT_EXPIRE);
}

static void hard(void *arg)
{
	expire(arg, IPSECVTI_EVENT_TYPE_HARD_EXPIRE);
}

/* The keeper's secrets of a tunnel. */
static unsigned int secrets(struct sim_side *side, uint32_t tunnel, const char *psk[2])
{
	psk[0] = tunnel == side->t.id ? side->psk[0] : side->other_psk;
	psk[1] = side->psk[1];
	return tunnel == side->t.id && *psk[1] ? 2 : 1;
}

static int do_auth_mac(void *ctx, uint32_t tunnel, uint32_t key, uint16_t prf,
		       const uint8_t *octets, size_t len, struct door_mac *mac)
{
	const char *psk[2];

	key %= secrets(ctx, tunnel, psk);
	mac->len = kdf_prf_len(prf);
	return kdf_psk_auth(prf, view(psk[key], strlen(psk[key])), view(octets, len), mac->mac);
}

static int do_auth_verify(void *ctx, uint32_t tunnel, uint16_t prf, const uint8_t *octets,
			  size_t len, const uint8_t *mac, size_t mac_len, uint32_t *key)
{
	const char *psk[2];
	unsigned int n = secrets(ctx, tunnel, psk);
	struct door_mac own;

	for (*key = 0; *key < n; ++*key) {
		int err = do_auth_mac(ctx, tunnel, *key, prf, octets, len, &own);

		if (err)
			return err;
		if (own.len == mac_len && secret_equal(own.mac, mac, mac_len))
			return 0;
	}
	return -EACCES;
}

static int do_spi_alloc(void *ctx, uint32_t tunnel, uint32_t *spi)
{
	struct sim_side *side = ctx;

	/* The two kernels never give out the same SPI, so that a mix-up shows. */
	*spi = (side == &sim_current->side[1] ? 0xb0000000 : 0xa0000000) + ++side->next_spi;
	return reserve(side, *spi);
}

static uint64_t key_hash(const struct door_sa_new *n)
{
	return sim_mix(1, n->key, n->key_len);
}

static bool burnt(const struct sim_side *side, const struct door_sa_new *n)
{
	for (unsigned int i = 0; i < SIM_BURNT; i++)
		if (side->burnt[i] == key_hash(n))
			return true;
	return false;
}

static void burn(struct sim_side *side, struct sim_sa *k)
{
	if (!k->packets++)
		side->burnt[side->n_burnt++ % SIM_BURNT] = key_hash(&k->n);
}

static int do_sa_new(void *ctx, const struct door_sa_new *n, uint32_t *sa_id)
{
	struct sim_side *side = ctx;
	struct sim_sa *k = NULL;
	struct sim *s = sim_current;

	if (side->refuse_install) {
		side->refuse_install--;
		return -ENOMEM;
	}
	for (int i = 0; i < side->top; i++) {
		struct sim_sa *o = &side->sa[i];

		if (!o->used)
			k = o;
		else if (n->dir == IPSECVTI_DIR_IN && o->n.dir == n->dir && o->n.spi == n->spi)
			return -EEXIST;	/* outbound SPIs are the peers' affair */
	}
	/* The keeper's rule. */
	if (n->dir == IPSECVTI_DIR_IN && !larval(side, n->spi))
		return -EPERM;
	if (!k && side->top < SIM_SAS)
		k = &side->sa[side->top++];
	if (!k) {
		sim_fault(s, "kernel SAs leak");
		return -ENOSPC;
	}
	if (!n->key_len || !n->suite || !n->spi)
		sim_fault(s, "SA without key, suite or SPI");
	if (n->dir == IPSECVTI_DIR_OUT && burnt(side, n))
		sim_fault(s, "an outbound key is to encrypt from 1 again");
	memset(k, 0, sizeof(*k));
	k->used = true;
	k->n = *n;
	k->sim = s;
	k->side = side == &s->side[1];
	k->made = s->now;
	k->used_at = 0;
	*sa_id = k->sa_id = ++side->next_sa;
	side->installs++;
	if (n->dir == IPSECVTI_DIR_IN)
		landed(side, n->spi);
	k->soft = (struct loop_timer)LOOP_TIMER(soft, k);
	k->hard = (struct loop_timer)LOOP_TIMER(hard, k);
	if (n->soft_seconds)
		loop_timer_in(s->link, &k->soft, n->soft_seconds * 1000ull);
	if (n->hard_seconds)
		loop_timer_in(s->link, &k->hard, n->hard_seconds * 1000ull);
	return 0;
}

void sim_sa_drop(struct sim_sa *k)
{
	loop_timer_stop(k->sim->link, &k->soft);
	loop_timer_stop(k->sim->link, &k->hard);
	k->used = false;
}

static int do_sa_del(void *ctx, uint32_t tunnel, uint32_t sa_id)
{
	struct sim_side *side = ctx;
	struct sim_sa *k = by_id(side, sa_id);

	if (!k)
		return -ENOENT;
	for (uint32_t i = 0; i < side->out.n; i++) {
		if (side->out.sa[i].sa_id != sa_id)
			continue;
		side->out.n--;
		memmove(&side->out.sa[i], &side->out.sa[i + 1],
			(side->out.n - i) * sizeof(side->out.sa[0]));
	}
	sim_sa_drop(k);
	return 0;
}

static int do_out_set(void *ctx, const struct door_out_set *set)
{
	struct sim_side *side = ctx;
	struct sim_sa *k;

	for (uint32_t i = 0; i < set->n; i++) {
		k = by_id(side, set->sa[i].sa_id);
		if (!k || k->n.dir != IPSECVTI_DIR_OUT || k->n.child_id != set->sa[i].child_id) {
			sim_fault(sim_current, "outbound set names no outbound SA");
			return -ENOENT;
		}
	}
	side->out = *set;
	return 0;
}

static int do_sa_list(void *ctx, uint32_t tunnel, struct door_sa_list *list)
{
	struct sim_side *side = ctx;

	list->n = 0;
	list->endpoint = side->endpoint;
	for (int i = 0; i < side->top; i++) {
		struct sim_sa *k = &side->sa[i];
		struct door_sa *o = &list->sa[list->n];

		if (!k->used)
			continue;
		memset(o, 0, sizeof(*o));
		o->sa_id = k->sa_id;
		o->spi = k->n.spi;
		o->dir = k->n.dir;
		o->suite = k->n.suite;
		o->child_id = k->n.child_id;
		for (uint32_t n = 0; n < side->out.n; n++)
			o->current |= side->out.sa[n].sa_id == k->sa_id;
		o->dead = k->dead;
		o->events = k->events;
		o->life = k->n.hard_seconds;
		o->age = (sim_current->now - k->made) / 1000;
		o->used_ms = k->used_at ? sim_current->now - k->used_at : UINT64_MAX;
		memcpy(o->cookie, k->n.cookie, sizeof(o->cookie));
		list->n++;
	}
	return 0;
}

static int do_endpoint(void *ctx, const struct door_endpoint *ep)
{
	struct sim_side *side = ctx;

	side->endpoint = *ep;
	return 0;
}

static void do_note(void *ctx, uint32_t tunnel, const char *text)
{
	struct sim_side *side = ctx;

	side->notes++;
	snprintf(side->note, sizeof(side->note), "%s", text);
}

static int do_source(void *ctx, const struct addr *remote, struct addr *local)
{
	struct sim_side *side = ctx;

	if (!local->family)
		*local = side->addr;
	return addr_ip_equal(local, &side->addr) || addr_ip_equal(local, &side->aside) ?
	       0 : -EADDRNOTAVAIL;
}

const struct ike_ops sim_ops = {
	.send = sim_send, .auth_mac = do_auth_mac, .auth_verify = do_auth_verify,
	.spi_alloc = do_spi_alloc, .sa_new = do_sa_new, .sa_del = do_sa_del,
	.out_set = do_out_set, .sa_list = do_sa_list, .endpoint = do_endpoint, .note = do_note,
	.source = do_source,
};

/* --- numbered packets --- */

/* Where ESP in UDP of one behind a NAT comes from, and has to go to; else AF_UNSPEC. */
static struct addr mapped(const struct sim_side *side)
{
	struct addr a = side->nat;

	if (a.family)
		a.port = (uint16_t)(NAT_T_PORT + side->nat_shift);
	return a;
}

static bool sends_to(const struct sim_side *from, const struct addr *outside)
{
	return !outside->family || !from->endpoint.encap ||
	       addr_equal(&from->endpoint.remote, outside);
}

static void tell(struct sim *s, struct sim_side *to, const struct door_event *ev)
{
	if (!to->ike)
		return;
	sim_enter(s, to == &s->side[1]);
	peer_event(to->ike, ev);
	sa_reap(to->ike);
}

static struct sim_sa *inbound(struct sim_side *side, uint32_t spi)
{
	for (int i = 0; i < side->top; i++) {
		struct sim_sa *k = &side->sa[i];

		if (k->used && !k->dead && k->n.dir == IPSECVTI_DIR_IN && k->n.spi == spi)
			return k;
	}
	return NULL;
}

void sim_kernel_free(struct sim *s)
{
	for (int i = 0; i < 2; i++)
		for (int k = 0; k < SIM_LARVAL; k++)
			waited(&s->side[i].larval[k]);
}

void sim_kernel_forget(struct sim *s, int side)
{
	struct sim_side *d = &s->side[side];

	for (int i = 0; i < d->top; i++)
		if (d->sa[i].used)
			sim_sa_drop(&d->sa[i]);
	d->out.n = 0;
}

bool sim_esp(struct sim *s, struct sim_packet *p)
{
	struct sim_side *to = &s->side[p->to];
	struct sim_sa *k = inbound(to, p->spi);

	if (!k && hold(to, p))
		return true;
	if (k && (k->n.key_len != p->key_len || memcmp(k->n.key, p->key, p->key_len))) {
		sim_fault(s, "keys of the two ends differ");
		k = NULL;
	}
	if (!k) {
		lost(p, "no SA");
		return false;
	}
	k->used_at = s->now;
	k->packets++;
	if (!sends_to(to, &p->remote))
		tell(s, to, &(struct door_event){ .type = IPSECVTI_EVENT_TYPE_PEER_MOVED,
		     .tunnel = to->t.id, .from = p->remote });
	if (k->seen)
		return false;
	k->seen = true;
	k->events |= 1u << IPSECVTI_EVENT_TYPE_FIRST_AUTH;
	tell(s, to, &(struct door_event){ .type = IPSECVTI_EVENT_TYPE_FIRST_AUTH,
	     .tunnel = to->t.id, .sa_id = k->sa_id, .spi = k->n.spi, .dir = IPSECVTI_DIR_IN });
	return false;
}

static void one_packet(struct sim *s, int i, unsigned int pair)
{
	struct sim_sa *k = sim_out_pair(s, i, pair);
	struct addr outside = mapped(&s->side[!i]);
	struct sim_packet *p;

	s->side[i].sent++;
	if (!k || k->dead || s->cut || !sends_to(&s->side[i], &outside)) {
		s->side[i].lost++;
		if (sim_verbose)
			printf("# %8.3f %c has no SA to send through, or not to there\n",
			       (double)(s->now - SIM_START_MS) / 1000, 'a' + i);
		return;
	}
	k->used_at = s->now;
	burn(&s->side[i], k);
	p = sim_packet(s, !i, "", 0);
	p->esp = true;
	p->remote = mapped(&s->side[i]);
	p->spi = k->n.spi;
	p->key_len = k->n.key_len;
	memcpy(p->key, k->n.key, p->key_len);
	sim_link(p, sim_latency(s));
}

static void traffic(void *arg)
{
	struct sim *s = arg;

	for (int i = 0; i < 2; i++)
		for (unsigned int k = 0; k < sim_pairs(s); k++)
			one_packet(s, i, k);
	if (s->traffic_ms)
		loop_timer_in(s->link, &s->traffic, s->traffic_ms);
}

void sim_traffic(struct sim *s, unsigned int ms)
{
	s->traffic_ms = ms;
	loop_timer_stop(s->link, &s->traffic);
	s->traffic = (struct loop_timer)LOOP_TIMER(traffic, s);
	if (ms)
		loop_timer_in(s->link, &s->traffic, ms);
}

uint64_t sim_lost(struct sim *s)
{
	return s->side[0].lost + s->side[1].lost;
}
