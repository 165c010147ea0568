// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libFuzzer harness with state: two agents in the simulator, and an input that
 * is a list of steps. Messages are changed on their way and encrypted again,
 * made from nothing under the true keys, said by strangers; between them the
 * engines rekey, go down, die and come back. Afterwards, when all deadlines are
 * over, nothing may be left of what was not agreed on. SIM_VERBOSE=1 tells the
 * story of one input.
 */
#include <stdio.h>
#include <stdlib.h>

#include "bend.h"
#include "log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define STEPS		24
#define QUIET_MS	400000
#define LINES		2000

enum step { RUN, REKEY, REKEY_IKE, INJECT, BEND, STRANGER, ORDER, DEATH, STEP_KINDS };

static unsigned int lines;

static void count(void *arg, int priority, const char *line)
{
	lines++;
}

static struct sa *any_sa(struct sim *s, int side)
{
	struct peer *p = sim_peer(s, side);

	return p ? p->sas : NULL;
}

static void give(struct sim *s, int from, const uint8_t *msg, size_t len)
{
	struct addr src = s->side[from].addr, dst = s->side[!from].addr;
	uint8_t *copy;

	if (!s->side[!from].ike)
		return;
	src.port = dst.port = 500;
	copy = malloc(len ? len : 1);
	memcpy(copy, msg, len);
	sim_enter(s, !from);
	ike_input(s->side[!from].ike, &dst, &src, false, copy, len);
	sim_enter(s, -1);
	free(copy);
}

/* A message under the keys of the other end's IKE SA: exchange, flags, first payload, text. */
static void inject(struct sim *s, struct rd *r, int from)
{
	static const uint8_t exchanges[] = { 34, 35, 36, 37, 38, 43, 44, 0 };
	uint8_t how = rd_u8(r), first = rd_u8(r), size = rd_u8(r), msg[8192];
	struct view text = view(r->p, size < r->left ? size : r->left);
	struct sa *sa = any_sa(s, from), *to = any_sa(s, !from);
	bool response = how & 8;
	struct ike_hdr h = { .exchange = exchanges[how & 7] };
	size_t len;

	rd_bytes(r, text.len);
	if (!sa || !to)
		return;
	h.spi_i = sa->r.spi_i;
	h.spi_r = sa->r.spi_r;
	h.flags = (sa->r.initiator ? IKE_FLAG_INITIATOR : 0) | (response ? IKE_FLAG_RESPONSE : 0);
	h.id = (response ? to->r.req.mid : to->r.mid_in) + (how >> 4 == 15);
	if (s->side[from].ike && bend_seal(s, from, &h, first, text.data, text.len, msg, &len))
		give(s, from, msg, len);
}

static void stranger(struct sim *s, struct rd *r, int from)
{
	uint8_t how = rd_u8(r), size = rd_u8(r), msg[300] = { 0 };
	struct view text = view(r->p, size < r->left ? size : r->left);
	struct sa *to = any_sa(s, !from);
	struct wr w = wr_init(msg, sizeof(msg));

	rd_bytes(r, text.len);
	wr_u64(&w, to ? to->r.spi_i : 0x5151515151515151);
	wr_u64(&w, how & 1 && to ? to->r.spi_r : 0);
	wr_view(&w, text);
	if (how & 2 && w.len >= 28) {
		wr_patch_u8(&w, 17, IKE_VERSION);
		wr_patch_u32(&w, 24, w.len);
	}
	give(s, from, msg, w.len);
}

static void order(struct sim *s, int side, unsigned int what)
{
	struct peer *p = sim_peer(s, side);

	if (!p)
		return;
	sim_enter(s, side);
	if (what % 3 == 0)
		peer_down(p);
	else if (what % 3 == 1)
		peer_up(p);
	else
		peer_reconnect(p);
	sa_reap(s->side[side].ike);
	sim_enter(s, -1);
}

static void step(struct sim *s, struct rd *r)
{
	uint8_t what = rd_u8(r);
	int side = what >> 3 & 1;

	switch (what % STEP_KINDS) {
	case RUN:
		sim_run(s, 10ull << (what >> 4));
		break;
	case REKEY:
	case REKEY_IKE:
		sim_rekey(s, side, what % STEP_KINDS == REKEY_IKE);
		break;
	case INJECT:
		inject(s, r, side);
		break;
	case BEND:
		bend.from = side;
		bend.response = what >> 4 & 1;
		bend.exchange = (uint8_t)(EXCHANGE_IKE_SA_INIT + (what >> 5 & 3));
		bend.how = rd_u8(r) % BEND_HOWS;
		bend.which = rd_u8(r);
		bend.value = rd_u8(r);
		bend.skip = bend.value >> 6 & 1;
		bend.hits = 0;
		break;
	case STRANGER:
		stranger(s, r, side);
		break;
	case ORDER:
		order(s, side, what >> 4);
		break;
	case DEATH:
		if (s->side[side].ike)
			sim_kill(s, side);
		break;
	}
}

/* Another nonce or public value cannot be told from a right one: whether it works is not asked. */
static void check(struct sim *s)
{
	for (int i = 0; i < 2; i++) {
		struct ike *ike = s->side[i].ike;

		if (ike && !s->faults && !ike->half_open && !ike->grave && sim_count(s, i) <= 4 &&
		    sim_sas(s, i, -1) <= 2 && !sim_sas(s, i, SA_FAILED) && lines < LINES)
			continue;
		printf("side %c: %u kernel SAs, %u IKE SAs, %u half-open, %u faults, %u lines\n",
		       'a' + i, sim_count(s, i), sim_sas(s, i, -1), ike ? ike->half_open : 0,
		       s->faults, lines);
		fflush(stdout);
		abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct rd r = rd_init(data, len);
	uint8_t how = rd_u8(&r);
	struct sim *s;

	sim_verbose = getenv("SIM_VERBOSE");
	s = sim_new(1 + how);
	memset(&bend, 0, sizeof(bend));
	bend.hits = 1;
	lines = 0;
	if (!sim_verbose)
		log_sink(count, NULL);
	s->tap = bend_tap;
	s->tries = 3;
	if (how & 1)
		sim_suites(s, "aes128-sha256-x25519", "aes128-sha256-x25519");
	if (how & 2)
		s->side[0].t.fragment_size = s->side[1].t.fragment_size = 576;
	s->side[0].t.retry_seconds = s->side[1].t.retry_seconds = 2;
	if (how & 4)
		step(s, &r);
	sim_start(s);
	if (!(how & 8))
		sim_run(s, 2000);
	for (int n = 0; n < STEPS && r.left; n++)
		step(s, &r);
	bend.hits = 1;
	sim_run(s, QUIET_MS);
	check(s);
	sim_free(s);
	return 0;
}
