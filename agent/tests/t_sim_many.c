// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A gateway with a thousand tunnels, each to a host of its own, over one wire that comes and goes:
 * all want up at the same moment. What is watched is how many connect at the same time, how long it
 * takes until all are up, and that those whose peers are dead don't keep the others waiting.
 *
 * All far ends live in one engine; a kernel that says yes and remembers who is up.
 */
#include <linux/ipsecvti.h>

#include <errno.h>

#include "addr.h"
#include "id.h"
#include "log.h"
#include "peer.h"
#include "tap.h"

#define TUNNELS		1000
#define DEAD		200	/* the last ones, where it is about those */
#define LATENCY_MS	20

struct end {
	struct ike *ike;
	bool up[TUNNELS + 1];
	unsigned int n_up;
	uint32_t next;		/* SPI, sa-id */
	/* the most there were */
	uint32_t initiating, half_open;
};

struct packet {
	struct loop_timer timer;
	struct end *to;
	struct addr local, remote;
	size_t len;
	uint8_t msg[];
};

static struct loop *loop;
static struct end ends[2];	/* gateway, hosts */
static bool cut, some_dead;
static unsigned int inits[400], second0;	/* IKE_SA_INIT requests by second */

static void quiet(void *arg, int priority, const char *line)
{
}

/* 192.0.2.1, and 10.0.n.n for the hosts. */
static struct addr address(unsigned int n)
{
	uint8_t ip[4] = { 10, 0, (uint8_t)(n >> 8), (uint8_t)n };

	return addr_make(AF_INET, n ? (const char *)ip : "\xc0\x00\x02\x01", 0);
}

static unsigned int host_of(const struct addr *a)
{
	return a->ip[0] == 10 ? a->ip[2] << 8 | a->ip[3] : 0;
}

static void most(struct end *e)
{
	if (e->ike->initiating > e->initiating)
		e->initiating = e->ike->initiating;
	if (e->ike->half_open > e->half_open)
		e->half_open = e->ike->half_open;
}

static void arrive(void *arg)
{
	struct packet *p = arg;

	ike_input(p->to->ike, &p->local, &p->remote, false, p->msg, p->len);
	most(p->to);
	free(p);
}

static void do_send(void *ctx, const struct addr *local, const struct addr *remote, bool marker,
		    const uint8_t *msg, size_t len)
{
	struct end *from = ctx;
	unsigned int host = host_of(remote) + host_of(local);
	uint64_t second = loop_now(loop) / 1000 - second0;
	struct packet *p;

	if (len > 28 && msg[18] == EXCHANGE_IKE_SA_INIT && !(msg[19] & IKE_FLAG_RESPONSE) &&
	    second < sizeof(inits) / sizeof(inits[0]))
		inits[second]++;
	most(from);
	if (cut || (some_dead && host > TUNNELS - DEAD))
		return;
	p = calloc(1, sizeof(*p) + len);
	if (!p)
		abort();
	p->timer = (struct loop_timer)LOOP_TIMER(arrive, p);
	p->to = &ends[from == &ends[0]];
	p->local = *remote;
	p->remote = *local;
	p->len = len;
	memcpy(p->msg, msg, len);
	loop_timer_in(loop, &p->timer, LATENCY_MS);
}

static int do_auth_mac(void *ctx, uint32_t tunnel, uint32_t key, uint16_t prf,
		       const uint8_t *octets, size_t len, struct door_mac *mac)
{
	mac->len = kdf_prf_len(prf);
	return kdf_psk_auth(prf, view("secret", 6), view(octets, len), mac->mac);
}

static int do_auth_verify(void *ctx, uint32_t tunnel, uint16_t prf, const uint8_t *octets,
			  size_t len, const uint8_t *mac, size_t mac_len, uint32_t *key)
{
	struct door_mac own;

	*key = 0;
	do_auth_mac(ctx, tunnel, *key, prf, octets, len, &own);
	return own.len == mac_len && !memcmp(own.mac, mac, mac_len) ? 0 : -1;
}

static int do_spi_alloc(void *ctx, uint32_t tunnel, uint32_t *spi)
{
	struct end *e = ctx;

	*spi = 0x1000 + ++e->next;
	return 0;
}

static int do_sa_new(void *ctx, const struct door_sa_new *sa, uint32_t *sa_id)
{
	struct end *e = ctx;

	*sa_id = ++e->next;
	return 0;
}

static int do_sa_del(void *ctx, uint32_t tunnel, uint32_t sa_id)
{
	return 0;
}

static int do_out_set(void *ctx, const struct door_out_set *set)
{
	struct end *e = ctx;

	e->n_up += (set->n != 0) - e->up[set->tunnel];
	e->up[set->tunnel] = set->n != 0;
	return 0;
}

static int do_sa_list(void *ctx, uint32_t tunnel, struct door_sa_list *list)
{
	memset(list, 0, sizeof(*list));
	return 0;
}

static int do_endpoint(void *ctx, const struct door_endpoint *ep)
{
	return 0;
}

static void do_note(void *ctx, uint32_t tunnel, const char *text)
{
}

/* Every tunnel names its own address. */
static int do_source(void *ctx, const struct addr *remote, struct addr *local)
{
	return local->family ? 0 : -EADDRNOTAVAIL;
}

static const struct ike_ops ops = {
	.send = do_send, .auth_mac = do_auth_mac, .auth_verify = do_auth_verify,
	.spi_alloc = do_spi_alloc, .sa_new = do_sa_new, .sa_del = do_sa_del,
	.out_set = do_out_set, .sa_list = do_sa_list, .endpoint = do_endpoint, .note = do_note,
	.source = do_source,
};

static void add_tunnel(struct end *e, unsigned int n, bool initiate)
{
	struct tunnel t = {
		.id = n, .dev_id = n, .start = initiate ? START_INITIATE : START_RESPOND,
		.n_local = 1, .n_remote = 1, .local_port = 500, .remote_port = 500,
		.local_nat_port = 4500, .remote_nat_port = 4500, .ike_seconds = 8 * 3600,
		.child_seconds = 3600, .dpd_seconds = 30, .window = 4096, .retry_seconds = 5,
	};
	bool gateway = e == &ends[0];
	char err[SUITE_ERR_MAX];

	snprintf(t.name, sizeof(t.name), "t%u", n);
	t.local[0] = address(gateway ? 0 : n);
	t.remote[0] = address(gateway ? n : 0);
	t.local_id = id_from_addr(&t.local[0]);
	t.remote_id = id_from_addr(&t.remote[0]);
	t.n_ike = (uint8_t)proposals_parse(t.ike, TUNNEL_PROPOSALS, PROTO_IKE,
					   "aes128gcm16-prfsha256-x25519", true, err, sizeof(err));
	t.n_esp = (uint8_t)proposals_parse(t.esp, TUNNEL_PROPOSALS, PROTO_ESP, "aes128gcm16", true, err,
					   sizeof(err));
	peer_set(e->ike, &t);
}

static void begin(bool gateway_starts)
{
	memset(ends, 0, sizeof(ends));
	cut = some_dead = false;
	loop = loop_new_virtual(1000000);
	log_sink(quiet, NULL);
	for (int i = 0; i < 2; i++) {
		ends[i].ike = ike_new(loop, &ops, &ends[i]);
		ends[i].ike->store_fresh = true;
		/* The hosts are many machines, of which each starts one. */
		if (i) {
			ends[i].ike->times.initiate_max = TUNNELS;
			ends[i].ike->times.source_cookie = ends[i].ike->times.source_max = TUNNELS;
			ends[i].ike->times.half_open_cookie = TUNNELS;
		}
		for (unsigned int n = 1; n <= TUNNELS; n++)
			add_tunnel(&ends[i], n, gateway_starts == !i);
	}
	adopt(ends[1].ike);
	adopt(ends[0].ike);
}

static void end(void)
{
	/* What is under way arrives, and nothing more is sent. */
	cut = true;
	loop_run_until(loop, loop_now(loop) + LATENCY_MS);
	for (int i = 0; i < 2; i++)
		ike_free(ends[i].ike);
	loop_free(loop);
}

/* Until so many are up at both ends; returns after how many milliseconds. */
static uint64_t until_up(unsigned int n, uint64_t ms)
{
	uint64_t start = loop_now(loop);

	second0 = (unsigned int)(start / 1000);
	memset(inits, 0, sizeof(inits));
	ends[0].initiating = ends[0].half_open = 0;
	while ((ends[0].n_up < n || ends[1].n_up < n) && loop_now(loop) < start + ms)
		loop_run_until(loop, loop_now(loop) + 10);
	return loop_now(loop) - start;
}

static unsigned int worst_second(void)
{
	unsigned int worst = 0;

	for (size_t i = 0; i < sizeof(inits) / sizeof(inits[0]); i++)
		worst = inits[i] > worst ? inits[i] : worst;
	return worst;
}

/* The wire is gone until everybody knows. */
static void bounce(void)
{
	uint64_t end = loop_now(loop) + 400000;

	cut = true;
	while ((ends[0].n_up || ends[1].n_up) && loop_now(loop) < end)
		loop_run_until(loop, loop_now(loop) + 100);
	ok(!ends[0].n_up && !ends[1].n_up, "the wire is cut: all down after %llu s",
	   (unsigned long long)(loop_now(loop) - end + 400000) / 1000);
	loop_run_until(loop, loop_now(loop) + 60000);
	cut = false;
}

static void t_gateway_starts(void)
{
	uint64_t ms;

	begin(true);
	ms = until_up(TUNNELS, 60000);
	ok(ends[0].n_up == TUNNELS && ends[1].n_up == TUNNELS, "%u tunnels up after %llu ms", TUNNELS,
	   (unsigned long long)ms);
	ok(ends[0].initiating <= 50, "never more than %u at a time", ends[0].initiating);
	bounce();
	ms = until_up(TUNNELS, 60000);
	ok(ends[0].n_up == TUNNELS && ends[1].n_up == TUNNELS,
	   "the wire is back: all up after %llu ms", (unsigned long long)ms);
	ok(ends[0].initiating <= 50, "never more than %u at a time", ends[0].initiating);
	printf("# at most %u IKE_SA_INIT in a second\n", worst_second());
	end();

	begin(true);
	ends[0].ike->times.initiate_max = TUNNELS;
	until_up(TUNNELS, 60000);
	ok(ends[0].initiating > TUNNELS / 2, "control: without the limit %u at a time, %u in a second",
	   ends[0].initiating, worst_second());
	end();
}

static void t_hosts_start(void)
{
	uint64_t ms;

	begin(false);
	ms = until_up(TUNNELS, 120000);
	ok(ends[0].n_up == TUNNELS, "%u hosts connect at once: all up after %llu ms", TUNNELS,
	   (unsigned long long)ms);
	ok(ends[0].half_open <= ends[0].ike->times.half_open_max && ends[0].ike->n.cookies_sent,
	   "with %llu cookies, never more than %u half open",
	   (unsigned long long)ends[0].ike->n.cookies_sent, ends[0].half_open);
	bounce();
	ms = until_up(TUNNELS, 400000);
	ok(ends[0].n_up == TUNNELS, "the wire is back: all up after %llu ms", (unsigned long long)ms);
	end();
}

static uint64_t with_dead_ones(uint32_t tries)
{
	uint64_t ms;

	begin(true);
	some_dead = true;
	ends[0].ike->times.initiate_tries = tries;
	ms = until_up(TUNNELS - DEAD, 900000);
	end();
	return ms;
}

int main(void)
{
	uint64_t ms;

	t_gateway_starts();
	t_hosts_start();
	ms = with_dead_ones((IKE_TIMES_DEFAULT).initiate_tries);
	ok(ms < 60000, "with %u dead peers among them the others are up after %llu ms", DEAD,
	   (unsigned long long)ms);
	ms = with_dead_ones(100);
	ok(ms > 60000, "control: if each of those kept its place to its end, after %llu ms",
	   (unsigned long long)ms);
	return done();
}
