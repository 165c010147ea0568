// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * All simultaneous exchanges of RFC 7296 2.25, each pair in every order: at each step any datagram
 * that is under way may come next, or the other side's own order to begin, and once (twice with
 * IPSECVTI_LONG=1) a datagram is lost, doubled, or late by more than a retransmission. Nothing is
 * sampled: where there is a choice the process forks, its child goes one way, it goes the next one.
 * States are hashed, and what was seen is not gone through again.
 *
 * Both ends must come to rest with one IKE SA and one child that fit, nothing else in either kernel,
 * no exchange that is still to be repeated, and, unless somebody deleted what carries the traffic,
 * without one lost packet.
 *
 * Then the same with the wire cut at any step, for longer than retransmissions last: both must know
 * that they are down, have nothing left, and come up again.
 *
 * And each entry of the table of collisions with every other answer: that must be found.
 *
 *	t_sim_orders [SCENARIO [CHOICE...]]	one scenario; one path of it, with the log
 *
 * Who wins by the nonces hangs on the seed, SIM_SEED in the environment (1).
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "collide.h"
#include "sim.h"
#include "tap.h"

#define STEP_MS		20
#define LATE_MS		2500	/* more than the first pause before a retransmission */
#define IDLE_MS		12000	/* no datagram for so long: rest. Liveness checks come later. */
#define SEEN_MAX	(1u << 22)
#define DEPTH_MAX	200
#define ACTS		(SIM_LIVENESS + 1)
#define BAD_MAX		3	/* paths shown of one scenario */
#define REACHED		33	/* entries of the table that come up */

/* What all forks share. One of them runs at a time. */
static struct {
	uint64_t states, ends, steps, bad;
	uint64_t seen[SEEN_MAX];
	/* How often the table of collisions was asked for an entry, and by which pairs. */
	unsigned int asked[OWN_MAX][PEER_MAX];
	uint64_t asked_by[OWN_MAX][PEER_MAX];	/* 1 << pair */
} *shared;

static unsigned int path[DEPTH_MAX], depth, replay;
static unsigned int at_hand;	/* the pair */
static unsigned int bad_max = BAD_MAX;
static bool forked, cuts, counting = true;

static void asked(enum collide_own own, enum collide_peer peer)
{
	if (!counting)
		return;
	shared->asked[own][peer]++;
	shared->asked_by[own][peer] |= 1ull << at_hand;
}

static bool seen(uint64_t hash)
{
	uint64_t h = hash | 1;

	for (uint64_t i = h >> 32;; i++) {
		uint64_t *at = &shared->seen[i % SEEN_MAX];

		if (*at == h)
			return true;
		if (*at)
			continue;
		*at = h;
		if (++shared->states > SEEN_MAX / 4 * 3)
			abort();
		return false;
	}
}

static void show_path(const char *what)
{
	printf("# %s, path:", what);
	for (unsigned int i = 0; i < depth; i++)
		printf(" %u", path[i]);
	printf("\n");
	fflush(stdout);
}

/* One of n ways; the others are gone through first, each by a process of its own. */
static unsigned int choose(unsigned int n)
{
	unsigned int way = 0;
	int status;
	pid_t pid;

	if (depth == DEPTH_MAX)
		abort();
	if (replay) {
		way = depth < replay ? path[depth] : 0;
		n = 0;
	}
	for (unsigned int i = 1; i < n && shared->bad < bad_max; i++) {
		fflush(stdout);
		pid = fork();
		if (pid < 0)
			abort();
		if (!pid) {
			forked = true;
			way = i;
			break;
		}
		path[depth] = i;
		if (waitpid(pid, &status, 0) != pid || status) {
			shared->bad++;
			depth++;
			show_path("crashed, or never came to rest");
			depth--;
		}
	}
	path[depth++] = way;
	return way;
}

static bool waiting(struct sim *s)
{
	return sim_waiting(s) != 0;
}

/* A datagram comes or doesn't; returns what that costs of the faults. */
static unsigned int datagram(struct sim *s, unsigned int n, unsigned int what)
{
	switch (what) {
	case 0:
		sim_deliver(s, n);
		return 0;
	case 1:
		sim_lose(s, n);
		return 1;
	case 2:
		sim_double(s, n);
		return 1;
	default:
		sim_delay(s, n, LATE_MS);
		return 1;
	}
}

static void wrong(const char *what)
{
	shared->bad++;
	show_path(what);
}

static bool nothing_to_repeat(struct sim *s)
{
	for (int i = 0; i < 2; i++) {
		const struct sa *sa = sim_main(s, i);

		if (!sa || sa->r.req.task || sa->r.busy_since)
			return false;
	}
	return true;
}

static void at_rest(struct sim *s, bool may_lose)
{
	bool lost = !may_lose && sim_lost(s);

	shared->ends++;
	s->held = false;
	sim_traffic(s, 0);
	/* Whoever lost its peer needs a liveness check's time to see it. */
	sim_run(s, 250000);
	if (!sim_settled(s))
		wrong("did not settle");
	else if (lost)
		wrong("packets were lost");
	else if (!nothing_to_repeat(s))
		wrong("an exchange was never done");
}

static bool down(struct sim *s, int side)
{
	struct door_status st;

	peer_status(sim_peer(s, side), &st);
	return !sim_out(s, side) && !sim_count(s, side) && !sim_main(s, side) &&
	       st.state != TUNNEL_UP && *st.note;
}

/* From now on nothing comes through, for longer than anybody is patient. */
static void cut(struct sim *s)
{
	shared->ends++;
	s->held = false;
	s->cut = true;
	while (sim_waiting(s))
		sim_lose(s, 0);
	sim_run(s, 250000);
	if (!down(s, 0) || !down(s, 1)) {
		wrong("cut, and not both know that they are down");
		return;
	}
	s->cut = false;
	if (!sim_up(s, 400000)) {
		wrong("cut, and not up again");
		return;
	}
	at_rest(s, true);
}

/* From here to the end, whichever way choose() takes. */
static void go(struct sim *s, const enum sim_act acts[2], unsigned int faults)
{
	bool may_lose = acts[0] == SIM_CHILD_DELETE || acts[0] == SIM_IKE_DELETE ||
			acts[1] == SIM_CHILD_DELETE || acts[1] == SIM_IKE_DELETE;
	enum sim_act todo[2] = { acts[0], acts[1] };
	unsigned int left = faults;

	while (shared->bad < bad_max) {
		unsigned int n = sim_waiting(s), orders = !!todo[0] + !!todo[1], way, ways;
		uint64_t key[] = { sim_hash(s), todo[0], todo[1], left, !may_lose && sim_lost(s) };

		for (size_t i = 1; i < sizeof(key) / sizeof(key[0]); i++)
			key[0] = (key[0] ^ key[i]) * 0x9e3779b97f4a7c15;
		if (!replay && seen(key[0]))
			return;
		if (!n && !orders) {
			if (sim_until(s, IDLE_MS, waiting))
				continue;
			at_rest(s, may_lose);
			return;
		}
		/* An order, a datagram with its fates, nothing for the time being, or the end. */
		ways = orders + n * (left ? 4 : 1) + (orders && !n);
		way = choose(ways + cuts);
		shared->steps++;
		if (cuts && way == ways) {
			cut(s);
			return;
		}
		if (way < orders) {
			int side = todo[0] && !way ? 0 : 1;

			sim_act(s, side, todo[side]);
			todo[side] = SIM_NOTHING;
		} else if (way - orders < n * 4 && n) {
			way -= orders;
			left -= datagram(s, way % n, way / n);
		} else if (!sim_until(s, 10000, waiting)) {
			continue;
		}
		sim_run(s, STEP_MS);
	}
}

/* True when every path came to its end as it should. */
static bool scenario(const enum sim_act acts[2], unsigned int faults)
{
	const char *seed = getenv("SIM_SEED");
	struct sim *s = sim_new(seed ? strtoull(seed, NULL, 0) : 1);

	memset(shared, 0, offsetof(typeof(*shared), asked));
	at_hand = acts[0] * ACTS + acts[1];
	depth = 0;
	s->no_store = true;
	sim_start(s);
	sim_up(s, 5000);
	sim_run(s, 1000);
	sim_traffic(s, STEP_MS / 2);
	sim_run(s, 100);
	s->held = true;
	go(s, acts, faults);
	if (forked) {
		fflush(stdout);
		_exit(0);
	}
	sim_free(s);
	return !shared->bad;
}

static void pair(enum sim_act a, enum sim_act b, unsigned int faults)
{
	const enum sim_act acts[2] = { a, b };
	bool good = scenario(acts, faults);

	ok(good, "%s here, %s there, %u faults: %llu states, %llu steps, %llu ends", sim_act_names[a],
	   sim_act_names[b], faults, (unsigned long long)shared->states,
	   (unsigned long long)shared->steps, (unsigned long long)shared->ends);
}

/* Without faults, but for the cut. */
static void cut_pair(enum sim_act a, enum sim_act b)
{
	const enum sim_act acts[2] = { a, b };
	bool good;

	cuts = true;
	good = scenario(acts, 0);
	cuts = false;
	ok(good, "%s here, %s there, then cut: %llu states, %llu ends", sim_act_names[a],
	   sim_act_names[b], (unsigned long long)shared->states, (unsigned long long)shared->ends);
}

/* --- the table of collisions --- */

static const char * const own_names[OWN_MAX] = {
	[OWN_NOTHING] = "nothing", [OWN_CHILD_NEW] = "new child",
	[OWN_CHILD_REKEY] = "rekey of another child", [OWN_CHILD_REKEY_SAME] = "rekey of that child",
	[OWN_CHILD_DELETE] = "delete of another child",
	[OWN_CHILD_DELETE_SAME] = "delete of that child", [OWN_IKE_REKEY] = "IKE rekey",
	[OWN_IKE_DELETE] = "IKE delete", [OWN_REPLACED] = "replaced",
};

static const char * const peer_names[PEER_MAX] = {
	[PEER_CHILD_NEW] = "new child", [PEER_CHILD_REKEY] = "child rekey",
	[PEER_CHILD_DELETE] = "child delete", [PEER_IKE_REKEY] = "IKE rekey",
	[PEER_IKE_DELETE] = "IKE delete",
};

static void show_table(void)
{
	unsigned int n = 0;

	printf("# asked how often, by what we do and what the peer asks:\n# %-24s", "");
	for (int peer = 0; peer < PEER_MAX; peer++)
		printf(" %12s", peer_names[peer]);
	printf("\n");
	for (int own = 0; own < OWN_MAX; own++) {
		printf("# %-24s", own_names[own]);
		for (int peer = 0; peer < PEER_MAX; peer++) {
			printf(" %12u", shared->asked[own][peer]);
			n += shared->asked[own][peer] != 0;
		}
		printf("\n");
	}
	ok(n >= REACHED, "%u of %u entries of the table of collisions were asked for", n,
	   OWN_MAX * PEER_MAX);
}

/*
 * Wrong answers that this must find, without any fault. The others make no difference between two
 * of us, who come to the same end by another way; t_collide.c has what RFC 7296 says to all.
 */
static const struct wrong_answer {
	enum collide_own own;
	enum collide_peer peer;
	enum collide_answer answer;
} controls[] = {
	{ OWN_NOTHING, PEER_CHILD_NEW, ANSWER_BUSY },
	{ OWN_NOTHING, PEER_CHILD_REKEY, ANSWER_BUSY },
	{ OWN_NOTHING, PEER_IKE_REKEY, ANSWER_BUSY },
	{ OWN_NOTHING, PEER_IKE_REKEY, ANSWER_TWIN },
	{ OWN_CHILD_NEW, PEER_CHILD_NEW, ANSWER_BUSY },
	{ OWN_CHILD_NEW, PEER_CHILD_REKEY, ANSWER_BUSY },
	{ OWN_CHILD_NEW, PEER_IKE_REKEY, ANSWER },
	{ OWN_CHILD_NEW, PEER_IKE_REKEY, ANSWER_TWIN },
	{ OWN_CHILD_REKEY, PEER_CHILD_NEW, ANSWER_BUSY },
	{ OWN_CHILD_REKEY, PEER_IKE_REKEY, ANSWER_TWIN },
	{ OWN_CHILD_DELETE, PEER_CHILD_NEW, ANSWER_BUSY },
	{ OWN_CHILD_DELETE, PEER_IKE_REKEY, ANSWER_TWIN },
	{ OWN_IKE_REKEY, PEER_IKE_DELETE, ANSWER },
	{ OWN_IKE_DELETE, PEER_IKE_REKEY, ANSWER },
	{ OWN_IKE_DELETE, PEER_IKE_REKEY, ANSWER_TWIN },
	{ OWN_REPLACED, PEER_IKE_REKEY, ANSWER },
	{ OWN_REPLACED, PEER_IKE_REKEY, ANSWER_TWIN },
};

/* A pair that asks for the entry comes to a bad end. */
static void control(const struct wrong_answer *w)
{
	enum collide_answer right = collide(w->own, w->peer);
	uint64_t pairs = shared->asked_by[w->own][w->peer];
	int out = dup(STDOUT_FILENO), null = open("/dev/null", O_WRONLY);
	bool found = false;

	/* What is wrong is what this is about. */
	fflush(stdout);
	dup2(null, STDOUT_FILENO);
	collide_set(w->own, w->peer, w->answer);
	for (int i = 1; i < ACTS * ACTS && !found; i++) {
		const enum sim_act acts[2] = { (enum sim_act)(i / ACTS), (enum sim_act)(i % ACTS) };

		found = pairs >> i & 1 && !scenario(acts, 0);
	}
	collide_set(w->own, w->peer, right);
	fflush(stdout);
	dup2(out, STDOUT_FILENO);
	close(out);
	close(null);
	ok(found, "control: %s here, %s there, answered with \"%s\" and not \"%s\"",
	   own_names[w->own], peer_names[w->peer], collide_name(w->answer), collide_name(right));
}

int main(int argc, char **argv)
{
	const char *l = getenv("IPSECVTI_LONG");
	unsigned int faults = l && *l == '1' ? 2 : 1;
	int only = argc > 1 ? atoi(argv[1]) : -1;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return 1;
	for (int i = 2; i < argc && replay < DEPTH_MAX; i++)
		path[replay++] = (unsigned int)atoi(argv[i]);
	sim_verbose = replay != 0;
	collide_hook = asked;
	for (int i = 1; i < ACTS * ACTS; i++)
		if (only < 0 || only == i)
			pair((enum sim_act)(i / ACTS), (enum sim_act)(i % ACTS), faults);
	for (int i = 1; i < ACTS * ACTS; i++)
		if (only < 0 || only == i)
			cut_pair((enum sim_act)(i / ACTS), (enum sim_act)(i % ACTS));
	if (only < 0) {
		show_table();
		counting = false;
		bad_max = 1;
		for (size_t i = 0; i < sizeof(controls) / sizeof(controls[0]); i++)
			control(&controls[i]);
	}
	return done();
}
