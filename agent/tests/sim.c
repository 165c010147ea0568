// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/ipsecvti.h>

#include "addr.h"
#include "id.h"
#include "impair.h"
#include "log.h"
#include "sim.h"
#include "ts.h"

#define NAT_PORT_SHIFT	20000

bool sim_verbose;
volatile bool sim_own_memory;
struct sim *sim_current;
static char log_text[1 << 16];
static size_t log_len;

uint32_t sim_random(struct sim *s)
{
	s->rng ^= s->rng << 13;
	s->rng ^= s->rng >> 7;
	s->rng ^= s->rng << 17;
	return (uint32_t)(s->rng >> 16);
}

void sim_enter(struct sim *s, int side)
{
	s->random[s->active + 1] = crypto_random_seed(s->random[side + 1]);
	s->active = side;
}

static void take_line(void *arg, int priority, const char *line)
{
	size_t len = strlen(line);

	if (sim_verbose)
		printf("# %8.3f %c %s\n", sim_current ? (double)(sim_current->now - SIM_START_MS) / 1000 : 0,
		       sim_current && sim_current->active >= 0 ? 'a' + sim_current->active : '-', line);
	if (log_len + len + 2 > sizeof(log_text))
		log_len = 0;
	memcpy(log_text + log_len, line, len);
	log_len += len;
	log_text[log_len++] = '\n';
	log_text[log_len] = 0;
}

unsigned int sim_logged(const char *text)
{
	unsigned int n = 0;

	for (char *at = log_text; *text && (at = strstr(at, text)); at++)
		n++;
	log_len = 0;
	log_text[0] = 0;
	return n;
}

const char *sim_log(void)
{
	return log_text;
}

void sim_fault(struct sim *s, const char *what)
{
	s->faults++;
	printf("# fault at %.3f s: %s\n", (double)(s->now - SIM_START_MS) / 1000, what);
}

/* --- the link --- */

void sim_unlink(struct sim_packet *p)
{
	for (struct sim_packet **at = &p->sim->packets; *at; at = &(*at)->next) {
		if (*at == p) {
			*at = p->next;
			break;
		}
	}
	p->sim->in_flight--;
}

static void arrive(void *arg)
{
	struct sim_packet *p = arg;
	struct sim *s = p->sim;
	struct sim_side *to = &s->side[p->to];
	bool kept = false;

	if (!p->esp && !to->ike && to->restarts && !to->cold) {
		/* The keeper holds the socket: it waits there. */
		loop_timer_in(s->link, &p->timer, 10);
		return;
	}
	sim_unlink(p);
	s->delivering = p;
	if (p->esp) {
		kept = sim_esp(s, p);
	} else if (to->ike) {
		sim_enter(s, p->to);
		ike_input(to->ike, &p->local, &p->remote, p->marker, p->msg, p->len);
	} else if (to->take) {
		to->take(to->take_arg, &p->local, &p->remote, p->marker, p->msg, p->len);
	}
	sim_enter(s, -1);
	s->delivering = NULL;
	if (!kept)
		free(p);
}

uint64_t sim_latency(struct sim *s)
{
	return s->latency + (s->jitter ? sim_random(s) % s->jitter : 0);
}

void sim_link(struct sim_packet *p, uint64_t ms)
{
	struct sim *s = p->sim;

	p->timer.fire = arrive;
	p->timer.arg = p;
	p->next = s->packets;
	s->packets = p;
	s->in_flight++;
	if (ms != UINT64_MAX)
		loop_timer_in(s->link, &p->timer, ms);
}

struct sim_packet *sim_packet(struct sim *s, int to, const void *msg, size_t len)
{
	struct sim_packet *p;

	sim_own_memory = true;
	p = calloc(1, sizeof(*p) + len);
	sim_own_memory = false;
	if (!p)
		abort();
	p->sim = s;
	p->to = to;
	p->len = len;
	memcpy(p->msg, msg, len);
	return p;
}

/* Under one key an IV goes with one message, over all deaths: else GCM gives its key away. */
static void watch_iv(struct sim *s, int from, const uint8_t *msg, size_t len)
{
	uint64_t iv, whole, i;

	if (s->corrupts || len < 44 || (msg[16] != PAYLOAD_SK && msg[16] != PAYLOAD_SKF))
		return;
	iv = sim_mix(sim_mix((uint64_t)from + 1, msg, 16), msg + (msg[16] == PAYLOAD_SK ? 32 : 36), 8);
	whole = sim_mix(1, msg, len);
	for (i = iv; s->ivs[i % SIM_IVS].iv && s->ivs[i % SIM_IVS].iv != iv && i < iv + 16; i++)
		;
	if (s->ivs[i % SIM_IVS].iv == iv && s->ivs[i % SIM_IVS].msg != whole)
		sim_fault(s, "an IV was used twice");
	s->ivs[i % SIM_IVS].iv = iv;
	s->ivs[i % SIM_IVS].msg = whole;
}

void sim_send(void *ctx, const struct addr *local, const struct addr *remote, bool marker,
	      const uint8_t *msg, size_t len)
{
	struct sim_side *from = ctx;
	struct sim *s = sim_current;
	int me = from == &s->side[1];
	struct sim_side *to = &s->side[!me];
	struct addr want = to->nat.family ? to->nat : to->addr;
	struct addr src = *local, dst = *remote;
	uint8_t copy[16384];
	unsigned int copies = 1;

	from->datagrams++;
	from->sent_to = *remote;
	watch_iv(s, me, msg, len);
	from->sent_from = *local;
	if (len > sizeof(copy) || s->cut)
		return;
	memcpy(copy, msg, len);
	if (s->tap && s->tap(s, me, copy, &len))
		return;
	if (!addr_ip_equal(&dst, &want) || !addr_ip_equal(&src, &from->addr))
		return;
	if (from->nat.family) {
		memcpy(src.ip, from->nat.ip, sizeof(src.ip));
		src.port = (uint16_t)(src.port + from->nat_shift);
	}
	if (to->nat.family) {
		if (dst.port < to->nat_shift)
			return;	/* nothing maps from outside */
		memcpy(dst.ip, to->addr.ip, sizeof(dst.ip));
		dst.port = (uint16_t)(dst.port - to->nat_shift);
	}
	if (sim_random(s) % 100 < s->loss && !(s->loss_run && s->run[me] >= s->loss_run))
		copies = 0;
	else if (sim_random(s) % 100 < s->duplicate)
		copies = 2;
	s->run[me] = copies ? 0 : s->run[me] + 1;
	while (copies--) {
		struct sim_packet *p = sim_packet(s, !me, copy, len);

		p->local = dst;
		p->remote = src;
		p->marker = marker;
		p->held = s->held;
		sim_link(p, p->held ? UINT64_MAX : sim_latency(s));
	}
}

static struct sim_packet *held(struct sim *s, unsigned int n)
{
	struct sim_packet *p;

	for (p = s->packets; p; p = p->next)
		if (p->held && !n--)
			return p;
	return NULL;
}

unsigned int sim_waiting(struct sim *s)
{
	unsigned int n = 0;

	for (struct sim_packet *p = s->packets; p; p = p->next)
		n += p->held;
	return n;
}

void sim_deliver(struct sim *s, unsigned int n)
{
	arrive(held(s, n));
}

void sim_lose(struct sim *s, unsigned int n)
{
	struct sim_packet *p = held(s, n);

	sim_unlink(p);
	free(p);
}

void sim_double(struct sim *s, unsigned int n)
{
	struct sim_packet *p = held(s, n), *copy = sim_packet(s, p->to, p->msg, p->len);

	copy->local = p->local;
	copy->remote = p->remote;
	copy->marker = p->marker;
	copy->held = true;
	sim_link(copy, UINT64_MAX);
	arrive(p);
}

static void hold(void *arg)
{
	struct sim_packet *p = arg;

	p->held = true;
	p->timer.fire = arrive;
}

void sim_delay(struct sim *s, unsigned int n, uint64_t ms)
{
	struct sim_packet *p = held(s, n);

	p->held = false;
	p->timer.fire = hold;
	loop_timer_in(s->link, &p->timer, ms);
}

/* --- life and death --- */

static void hook(const char *point)
{
	struct sim *s = sim_current;

	if (s && s->passing && s->active >= 0)
		s->passing(s, point);
	if (!s || !s->kill_point || s->active != s->kill_side || strcmp(point, s->kill_point))
		return;
	if (s->kill_nth && --s->kill_nth)
		return;
	if (!s->kill_repeat || !--s->kill_repeat)
		s->kill_point = NULL;
	sim_die(s);
}

void sim_die(struct sim *s)
{
	longjmp(s->dead, 1);
}

static void restart(void *arg)
{
	struct sim_side *side = arg;

	sim_begin(sim_current, side == &sim_current->side[1]);
}

void sim_kill(struct sim *s, int i)
{
	struct sim_side *side = &s->side[i];

	store_close(side->ike->store);
	ike_free(side->ike);
	loop_free(side->loop);
	side->ike = NULL;
	side->loop = NULL;
	side->restarts++;
	s->killed++;
	side->restart = (struct loop_timer)LOOP_TIMER(restart, side);
	if (s->down_ms)
		loop_timer_in(s->link, &side->restart, s->down_ms);
}

/* What is written there, into a file of our own. */
int sim_copy_store(int fd)
{
	static uint8_t buf[1 << 16];
	off_t end = lseek(fd, 0, SEEK_END), at, hole = 0;
	int to = memfd_create("sim", MFD_CLOEXEC);

	if (to < 0 || ftruncate(to, end))
		abort();
	while ((at = lseek(fd, hole, SEEK_DATA)) >= 0 && at < end) {
		hole = lseek(fd, at, SEEK_HOLE);
		while (at < hole) {
			size_t n = (size_t)(hole - at) < sizeof(buf) ? (size_t)(hole - at) :
				   sizeof(buf);

			if (pread(fd, buf, n, at) != (ssize_t)n ||
			    pwrite(to, buf, n, at) != (ssize_t)n)
				abort();
			at += (off_t)n;
		}
	}
	return to;
}

void sim_forked(struct sim *s)
{
	for (int i = 0; i < 2; i++) {
		struct sim_side *side = &s->side[i];
		bool fresh;

		side->store_fd = sim_copy_store(side->store_fd);
		if (!side->ike || !side->ike->store)
			continue;
		store_close(side->ike->store);
		side->ike->store = store_open(side->store_fd, &fresh);
		if (!side->ike->store || fresh)
			abort();
	}
}

void sim_kill_keeper(struct sim *s, int i)
{
	s->side[i].cold = true;
	sim_kill(s, i);
}

void sim_begin(struct sim *s, int i)
{
	struct sim_side *side = &s->side[i];

	side->loop = loop_new_virtual(s->now);
	side->ike = ike_new(side->loop, &sim_ops, side);
	if (!side->loop || !side->ike)
		abort();
	if (s->no_adopt || side->cold) {
		close(side->store_fd);
		side->store_fd = memfd_create("sim", MFD_CLOEXEC);
	}
	side->cold = false;
	side->ike->store_fresh = true;
	if (!s->no_store) {
		side->ike->store = store_open(side->store_fd, &side->ike->store_fresh);
		if (!side->ike->store)
			abort();
	}
	if (s->tries) {
		side->ike->times.retransmit_tries = s->tries;
		side->ike->times.retransmit_ms = 300;
	}
	sim_enter(s, i);
	sim_own_memory = true;
	peer_set(side->ike, &side->t);
	sim_own_memory = false;
	adopt(side->ike);
	sim_enter(s, -1);
}

void sim_start(struct sim *s)
{
	sim_begin(s, 0);
	sim_begin(s, 1);
}

void sim_side_suites(struct sim *s, int side, const char *ike, const char *esp)
{
	struct tunnel *t = &s->side[side].t;
	char err[SUITE_ERR_MAX];
	int n;

	n = ike ? proposals_parse(t->ike, TUNNEL_PROPOSALS, PROTO_IKE, ike, true, err, sizeof(err)) :
		t->n_ike;
	t->n_ike = n > 0 ? (uint8_t)n : 0;
	if (n <= 0)
		printf("# %s\n", err);
	n = esp ? proposals_parse(t->esp, TUNNEL_PROPOSALS, PROTO_ESP, esp, true, err, sizeof(err)) :
		t->n_esp;
	t->n_esp = n > 0 ? (uint8_t)n : 0;
	if (n <= 0)
		printf("# %s\n", err);
}

void sim_suites(struct sim *s, const char *ike, const char *esp)
{
	sim_side_suites(s, 0, ike, esp);
	sim_side_suites(s, 1, ike, esp);
}

static void default_tunnel(struct sim *s, int i)
{
	struct sim_side *side = &s->side[i];
	struct tunnel *t = &side->t;
	const char *why;

	t->id = 7 + (uint32_t)i;
	t->dev_id = 70 + (uint32_t)i;
	snprintf(t->name, sizeof(t->name), i ? "right" : "left");
	t->start = i ? START_RESPOND : START_INITIATE;
	t->n_local = t->n_remote = 1;
	t->local[0] = s->side[i].addr;
	t->remote[0] = s->side[!i].addr;
	t->local_port = t->remote_port = 500;
	t->local_nat_port = t->remote_nat_port = 4500;
	id_parse(&t->local_id, i ? "right.example" : "left.example", &why);
	id_parse(&t->remote_id, i ? "left.example" : "right.example", &why);
	t->ike_seconds = 8 * 3600;
	t->child_seconds = 3600;
	t->dpd_seconds = 30;
	t->window = 4096;
	t->retry_seconds = 5;
	t->fragment_size = 1280;
}

struct sim *sim_new(uint64_t seed)
{
	struct sim *s = calloc(1, sizeof(*s));

	if (!s)
		abort();
	sim_current = s;
	s->active = -1;
	s->rng = seed * 0x9e3779b97f4a7c15ull | 1;
	crypto_random_seed(seed | 1);
	for (int i = 1; i < 3; i++)
		s->random[i] = (seed | 1) << i * 20;
	log_sink(take_line, NULL);
	log_level(sim_verbose ? LOG_DEBUG : LOG_INFO);
	impair_hook = hook;
	sim_logged("");
	s->now = SIM_START_MS;
	s->link = loop_new_virtual(SIM_START_MS);
	s->latency = 20;
	s->down_ms = 100;
	for (int i = 0; i < 2; i++) {
		s->side[i].addr = addr_make(AF_INET, i ? "\xc0\x00\x02\x02" : "\xc0\x00\x02\x01", 0);
		s->side[i].store_fd = memfd_create("sim", MFD_CLOEXEC);
		strcpy(s->side[i].psk[0], "a shared secret");
	}
	default_tunnel(s, 0);
	default_tunnel(s, 1);
	sim_suites(s, "aes128gcm16-prfsha256-x25519", "aes128gcm16");
	return s;
}

void sim_nat(struct sim *s, int side)
{
	s->side[side].nat_shift = NAT_PORT_SHIFT;
	s->side[side].nat = addr_make(AF_INET, side ? "\xcb\x00\x71\x02" : "\xcb\x00\x71\x01", 0);
	s->side[!side].t.remote[0] = s->side[side].nat;
}

void sim_free(struct sim *s)
{
	for (int i = 0; i < 2; i++) {
		if (s->side[i].ike) {
			store_close(s->side[i].ike->store);
			ike_free(s->side[i].ike);
			loop_free(s->side[i].loop);
		}
		close(s->side[i].store_fd);
	}
	while (s->packets) {
		struct sim_packet *p = s->packets;

		s->packets = p->next;
		free(p);
	}
	sim_kernel_free(s);
	loop_free(s->link);
	sim_current = NULL;
	free(s);
}

/* --- time --- */

static uint64_t next_due(struct sim *s)
{
	uint64_t due = loop_next_due(s->link), d;

	for (int i = 0; i < 2; i++) {
		d = s->side[i].loop ? loop_next_due(s->side[i].loop) : UINT64_MAX;
		due = d < due ? d : due;
	}
	return due;
}

static void advance(struct sim *s, uint64_t to)
{
	if (setjmp(s->dead)) {
		free(s->delivering);
		s->delivering = NULL;
		sim_kill(s, s->active);
		sim_enter(s, -1);
		return;
	}
	s->now = to;
	/* All clocks first, so that whoever is called from outside knows what time it is. */
	for (int i = 0; i < 2; i++) {
		sim_enter(s, i);
		if (s->side[i].loop)
			loop_run_until(s->side[i].loop, to);
	}
	sim_enter(s, -1);
	loop_run_until(s->link, to);
}

void sim_run(struct sim *s, uint64_t ms)
{
	uint64_t end = s->now + ms, due;

	while ((due = next_due(s)) <= end)
		advance(s, due > s->now ? due : s->now);
	advance(s, end);
}

bool sim_until(struct sim *s, uint64_t ms, bool (*done)(struct sim *s))
{
	uint64_t end = s->now + ms, due;

	while (!done(s)) {
		due = next_due(s);
		if (due > end)
			return false;
		advance(s, due > s->now ? due : s->now);
	}
	return true;
}

static bool both_up(struct sim *s)
{
	for (unsigned int k = 0; k < sim_pairs(s); k++)
		if (!sim_out_pair(s, 0, k) || !sim_out_pair(s, 1, k))
			return false;
	return true;
}

bool sim_up(struct sim *s, uint64_t ms)
{
	return sim_until(s, ms, both_up);
}

/* --- orders --- */

const char *const sim_act_names[SIM_ACTS] = {
	[SIM_NOTHING] = "nothing",
	[SIM_CHILD_NEW] = "new child",
	[SIM_CHILD_REKEY] = "child rekey",
	[SIM_CHILD_DELETE] = "child delete",
	[SIM_IKE_REKEY] = "IKE rekey",
	[SIM_IKE_DELETE] = "IKE delete",
	[SIM_LIVENESS] = "liveness check",
	[SIM_RECONNECT] = "reconnect",
	[SIM_UP] = "up",
	[SIM_DOWN] = "down",
	[SIM_REBIND] = "NAT mapping",
};

static void run_act(struct sa *sa, enum sim_act what, uint64_t now)
{
	switch (what) {
	case SIM_CHILD_NEW:
		sa->r.want_at[0] = now;
		break;
	case SIM_CHILD_DELETE:
		for (int i = 0; i < IKE_CHILDREN; i++)
			if (sa->r.child[i].state == CHILD_CURRENT)
				sa->r.child[i].hard_at = now;
		break;
	case SIM_IKE_DELETE:
		sa->r.hard_at = now;
		break;
	case SIM_LIVENESS:
		sa->r.dpd_at = now;
		sa->r.dpd_now = true;
		break;
	default:
		return;
	}
	window_run(sa);
}

void sim_act(struct sim *s, int side, enum sim_act what)
{
	struct peer *p = sim_peer(s, side);
	struct sa *sa = sim_main(s, side);

	if (!p)
		return;
	sim_enter(s, side);
	if (what == SIM_CHILD_REKEY || what == SIM_IKE_REKEY)
		peer_rekey(p, what == SIM_IKE_REKEY);
	else if (what == SIM_RECONNECT)
		peer_reconnect(p);
	else if (what == SIM_UP)
		peer_up(p);
	else if (what == SIM_DOWN)
		peer_down(p);
	else if (what == SIM_REBIND)
		s->side[side].nat_shift += 1000;
	else if (sa)
		run_act(sa, what, s->now);
	sa_reap(s->side[side].ike);
	sim_enter(s, -1);
}

static void order_left(void *arg)
{
	struct sim *s = arg;

	sim_act(s, 0, s->act[0]);
}

static void order_right(void *arg)
{
	struct sim *s = arg;

	sim_act(s, 1, s->act[1]);
}

void sim_order(struct sim *s, int side, enum sim_act what)
{
	s->act[side] = what;
	loop_timer_stop(s->link, &s->order[side]);
	s->order[side] = (struct loop_timer)LOOP_TIMER(side ? order_right : order_left, s);
	loop_timer_in(s->link, &s->order[side], 0);
}

void sim_rekey(struct sim *s, int side, bool ike)
{
	sim_order(s, side, ike ? SIM_IKE_REKEY : SIM_CHILD_REKEY);
}

/* --- looking --- */

struct peer *sim_peer(struct sim *s, int side)
{
	return s->side[side].ike ? s->side[side].ike->peers : NULL;
}

struct sa *sim_main(struct sim *s, int side)
{
	struct peer *p = sim_peer(s, side);

	return p ? peer_main(p) : NULL;
}

unsigned int sim_sas(struct sim *s, int side, int state)
{
	struct ike *ike = s->side[side].ike;
	unsigned int n = 0;

	for (int i = 0; ike && i < SA_HASH; i++)
		for (struct sa *sa = ike->hash[i]; sa; sa = sa->next)
			n += state < 0 ? sa->r.state != SA_FAILED : (int)sa->r.state == state;
	return n;
}

static void describe(struct sim *s)
{
	for (int i = 0; i < 2; i++) {
		struct peer *p = sim_peer(s, i);

		printf("# %c: %u kernel SAs, sends through child %u\n", 'a' + i, sim_count(s, i),
		       s->side[i].out.n ? s->side[i].out.sa[0].child_id : 0);
		for (struct sa *sa = p ? p->sas : NULL; sa; sa = sa->peer_next) {
			printf("#   IKE SA %u: state %u%s, task %u, children", sa->r.unique,
			       sa->r.state, sa->r.superseded ? ", superseded" : "", sa->r.req.task);
			for (int k = 0; k < IKE_CHILDREN; k++)
				if (sa->r.child[k].state != CHILD_FREE)
					printf(" %u/%u", sa->r.child[k].id, sa->r.child[k].state);
			printf("\n");
		}
	}
}

static bool wrong(struct sim *s, const char *what, int side)
{
	printf("# not settled: %s, side %c\n", what, 'a' + side);
	describe(s);
	return false;
}

static bool same_ts(const struct ts_bytes *a, const struct ts_bytes *b)
{
	return a->len == b->len && !memcmp(a->data, b->data, a->len);
}

/* Whether the kernel compares what the two sides have agreed on. */
static bool as_agreed(struct sa *sa, const struct sim_sa *out)
{
	const struct ike_child *c = child_by_id(sa, out->n.child_id);
	struct ts_bytes local = { 0 }, remote = { 0 };
	struct ends e;

	if (!c)
		return false;
	ends_get(sa, c, &e);
	if (!ts_everything(e.local, e.n_local) || !ts_everything(e.remote, e.n_remote)) {
		ts_pack(&local, e.local, e.n_local);
		ts_pack(&remote, e.remote, e.n_remote);
	}
	return same_ts(&local, &out->n.local_ts) && same_ts(&remote, &out->n.remote_ts);
}

static bool has_partner(struct sim *s, int side, const struct sim_sa *out)
{
	for (int k = 0; k < s->side[!side].top; k++) {
		struct sim_sa *in = &s->side[!side].sa[k];

		if (in->used && !in->dead && in->n.dir == IPSECVTI_DIR_IN &&
		    in->n.spi == out->n.spi && in->n.key_len == out->n.key_len &&
		    !memcmp(in->n.key, out->n.key, in->n.key_len) &&
		    in->n.suite == out->n.suite && in->n.esn == out->n.esn &&
		    same_ts(&in->n.local_ts, &out->n.remote_ts) &&
		    same_ts(&in->n.remote_ts, &out->n.local_ts))
			return true;
	}
	return false;
}

unsigned int sim_pairs(const struct sim *s)
{
	return ends_pairs(&s->side[0].t);
}

bool sim_settled(struct sim *s)
{
	for (int i = 0; i < 2; i++) {
		struct sa *sa = sim_main(s, i), *other = sim_main(s, !i);

		if (!sa || !other)
			return wrong(s, "not up", i);
		for (unsigned int k = 0; k < sim_pairs(s); k++) {
			struct sim_sa *out = sim_out_pair(s, i, k);

			if (!out)
				return wrong(s, "not up", i);
			if (!as_agreed(sa, out))
				return wrong(s, "the kernel's selectors are not the child's", i);
			if (!has_partner(s, i, out))
				return wrong(s, "no inbound SA at the other end fits an outbound one", i);
		}
		if (sim_count(s, i) != 2 * sim_pairs(s))
			return wrong(s, "kernel SAs are not two for each pair", i);
		if (s->side[i].out.n != sim_pairs(s))
			return wrong(s, "the outbound set is not of the pairs", i);
		if (sim_sas(s, i, -1) != 1 || sim_sas(s, i, SA_UP) != 1)
			return wrong(s, "IKE SAs are not one", i);
		if (sa->r.spi_i != other->r.spi_i || sa->r.spi_r != other->r.spi_r ||
		    sa->r.initiator == other->r.initiator)
			return wrong(s, "IKE SAs differ", i);
	}
	return !s->faults;
}
