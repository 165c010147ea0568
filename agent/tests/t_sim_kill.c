// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The network process dies at every labelled step (impair.h) of every exchange, in both roles, and
 * a new one takes over. At each step the simulator forks: one of the two dies there and is looked
 * at to the end, the other goes on to the next step. With IPSECVTI_LONG=1 the new process dies at
 * every step of its first moments, too.
 *
 * The peer keeps its IKE SA, no numbered packet is lost, and afterwards everything still works:
 * rekeys of both kinds, a liveness check and a DELETE from each side. What was seen goes to the
 * file that RESTART_TABLE names, a line for each step. Without adoption the same must fail.
 *
 *	t_sim_kill [EXCHANGE STARTER VICTIM [STEP]]	one exchange; one step of it, with the log
 */
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim.h"
#include "tap.h"

#define SHORT_MS	50	/* dead for so long: nobody notices; or, the other is left to wait */
#define LONG_MS		2500
#define FIRST_MS	1000	/* a new process's first moments */

struct exchange {
	const char *name;
	enum sim_act act[2];	/* of who starts it, of the other */
	bool may_lose;		/* what carries the traffic is deleted, or not there yet */
	bool renews;		/* by a new IKE SA */
	bool nat;		/* who starts it is behind one, and made the tunnel */
	bool pairs;		/* a child for each of three pairs */
	unsigned int ms;	/* so long it may be killed */
};

static const struct exchange exchanges[] = {
	{ "child rekey", { SIM_CHILD_REKEY, SIM_NOTHING }, .ms = 12000 },
	{ "IKE rekey", { SIM_IKE_REKEY, SIM_NOTHING }, .ms = 12000 },
	{ "liveness check", { SIM_LIVENESS, SIM_NOTHING }, .ms = 30000 },
	{ "new child", { SIM_CHILD_NEW, SIM_NOTHING }, .ms = 12000 },
	{ "child rekey by both", { SIM_CHILD_REKEY, SIM_CHILD_REKEY }, .ms = 12000 },
	{ "IKE rekey by both", { SIM_IKE_REKEY, SIM_IKE_REKEY }, .ms = 12000 },
	{ "child and IKE rekey", { SIM_CHILD_REKEY, SIM_IKE_REKEY }, .ms = 12000 },
	{ "child delete", { SIM_CHILD_DELETE, SIM_NOTHING }, .may_lose = true, .ms = 12000 },
	{ "IKE delete", { SIM_IKE_DELETE, SIM_NOTHING }, .may_lose = true, .renews = true, .ms = 12000 },
	{ "reconnect", { SIM_RECONNECT, SIM_NOTHING }, .renews = true, .ms = 12000 },
	{ "connect", { SIM_UP, SIM_NOTHING }, .may_lose = true, .renews = true, .ms = 12000 },
	{ "child rekey, pairs", { SIM_CHILD_REKEY, SIM_NOTHING }, .pairs = true, .ms = 12000 },
	{ "IKE rekey, pairs", { SIM_IKE_REKEY, SIM_NOTHING }, .pairs = true, .ms = 12000 },
	{ "child delete, pairs", { SIM_CHILD_DELETE, SIM_NOTHING }, .pairs = true, .may_lose = true,
	  .ms = 12000 },
	{ "reconnect, pairs", { SIM_RECONNECT, SIM_NOTHING }, .pairs = true, .renews = true, .ms = 12000 },
	{ "connect, pairs", { SIM_UP, SIM_NOTHING }, .pairs = true, .may_lose = true, .renews = true,
	  .ms = 12000 },
	{ "NAT mapping", { SIM_REBIND, SIM_NOTHING }, .may_lose = true, .nat = true, .ms = 1000 },
};

#define EXCHANGES	(sizeof(exchanges) / sizeof(exchanges[0]))

static const char * const labels[] = {
	"before-store", "in-store", "after-store", "before-drop", "in-drop", "after-drop",
	"before-mark", "after-mark", "before-unmark", "after-unmark", "before-send", "after-send",
	"before-sign", "after-sign", "before-verify", "after-verify", "before-reserve",
	"after-reserve", "before-install-in", "after-install-in", "before-install-out",
	"after-install-out", "before-switch", "after-switch", "before-remove", "after-remove",
	"before-list", "after-list", "before-endpoint", "after-endpoint", "before-note",
	"after-note", "before-source", "after-source",
};

#define LABELS	(sizeof(labels) / sizeof(labels[0]))

/* What all forks share. One of them runs at a time. */
static struct {
	unsigned int kills, bad;
	uint64_t lost;
	unsigned int hits[LABELS], unknown;
} *shared;

/* Of the run at hand. */
static struct {
	const struct exchange *x;
	int starter, victim;
	unsigned int step, only, deaths;	/* only: 0 for every step */
	char at[64];
	bool armed, forked;
	/* For a control: the store as it was before the last write to it. */
	bool forgetful;
	int before;
	uint64_t until;		/* of the new process's first moments */
} run = { .before = -1 };

static unsigned int deaths_max = 1;
static FILE *table;

static void hit(const char *point)
{
	for (size_t i = 0; i < LABELS; i++) {
		if (strcmp(labels[i], point))
			continue;
		shared->hits[i]++;
		return;
	}
	shared->unknown++;
	printf("# a step that this test does not know: %s\n", point);
}

/* Here the process dies, in a world of its own; in this one it goes on. */
static void passing(struct sim *s, const char *point)
{
	size_t len = strlen(run.at);
	int status;
	pid_t pid;

	if (!run.armed || s->active != run.victim || (run.forked && s->now > run.until))
		return;
	if (run.forgetful && !strcmp(point, "before-store")) {
		close(run.before);
		run.before = sim_copy_store(s->side[run.victim].store_fd);
	}
	run.step++;
	if (run.only && !run.forked && run.step != run.only)
		return;
	if (!run.forked)
		hit(point);
	fflush(NULL);
	pid = run.only ? 0 : fork();
	if (pid < 0)
		abort();
	if (pid) {
		if (waitpid(pid, &status, 0) != pid || status) {
			shared->bad++;
			printf("# crashed: %s, %d/%d, step %u %s\n", run.x->name, run.starter, run.victim,
			       run.step, point);
		}
		return;
	}
	run.forked = true;
	/* What is wrong is what a control is about. */
	if ((s->no_adopt || run.forgetful) && !freopen("/dev/null", "w", stdout))
		abort();
	snprintf(run.at + len, sizeof(run.at) - len, "%s%s", len ? ", " : "", point);
	run.armed = ++run.deaths < deaths_max;
	run.until = s->now + s->down_ms + FIRST_MS;
	if (run.before >= 0)
		s->side[run.victim].store_fd = run.before;
	sim_forked(s);
	sim_die(s);
}

static struct sim *begin(const struct exchange *x, int starter, bool adopt)
{
	struct sim *s = sim_new(1);
	int first = x->act[0] == SIM_UP || x->nat ? starter : 0;

	s->side[0].t.dpd_seconds = s->side[1].t.dpd_seconds = 20;
	s->side[first].t.start = START_INITIATE;
	s->side[!first].t.start = START_RESPOND;
	/* Whatever the route gives; it is asked then. */
	s->side[first].t.n_local = 0;
	if (x->nat)
		sim_nat(s, first);
	for (int i = 0; x->pairs && i < 2; i++) {
		struct tunnel *t = &s->side[i].t, *peer = &s->side[!i].t;

		t->per_pair = true;
		t->n_local_ts = peer->n_remote_ts = i ? 1 : 3;
		for (int k = 0; k < t->n_local_ts; k++) {
			t->local_ts[k] = ts_any(TS_IPV4);
			t->local_ts[k].lo[0] = t->local_ts[k].hi[0] = (uint8_t)(10 * i + k + 1);
			peer->remote_ts[k] = t->local_ts[k];
		}
	}
	s->tries = 10;
	s->no_adopt = !adopt;
	sim_start(s);
	sim_up(s, 5000);
	sim_run(s, 1000);
	if (x->act[0] == SIM_UP) {
		sim_act(s, first, SIM_DOWN);
		sim_run(s, 40000);
	}
	sim_traffic(s, 10);
	sim_run(s, 100);
	s->passing = passing;
	return s;
}

/* The peer's view. */
struct view_of {
	uint32_t unique, ike_rekeys;
	uint64_t made, ike_up, repeated, retransmits;
};

static struct view_of look(struct sim *s)
{
	struct ike *ike = s->side[!run.victim].ike;
	struct sa *sa = sim_main(s, !run.victim);
	struct view_of v = {
		.ike_up = ike->n.ike_up, .repeated = ike->n.repeated, .retransmits = ike->n.retransmits,
	};

	if (sa) {
		v.unique = sa->r.unique;
		v.ike_rekeys = sa->r.ike_rekeys;
		v.made = sa->r.made;
	}
	return v;
}

static bool bad(const char *what)
{
	printf("# %s: %s started by %c, %c killed at step %u, %s\n", what, run.x->name,
	       'a' + run.starter, 'a' + run.victim, run.step, run.at);
	return false;
}

/* The same IKE SA, grown older, or one that a rekey made of it. */
static bool same_sa(const struct view_of *was, const struct view_of *is)
{
	if (run.x->renews)
		return true;
	if (is->ike_up != was->ike_up)
		return bad("the peer saw another IKE_AUTH");
	if (is->ike_rekeys == was->ike_rekeys && (is->unique != was->unique || is->made != was->made))
		return bad("the peer has another IKE SA");
	return true;
}

static bool rekeys(struct sim *s, int side, bool ike)
{
	struct sa *sa = sim_main(s, !side);
	uint32_t was = sa ? sa->r.child_rekeys + sa->r.ike_rekeys : 0;

	sim_rekey(s, side, ike);
	sim_run(s, 12000);
	sa = sim_main(s, !side);
	return sa && sa->r.child_rekeys + sa->r.ike_rekeys > was;
}

static bool alive(struct sim *s, int side)
{
	struct sa *sa = sim_main(s, side);
	uint64_t now = s->now;

	if (!sa)
		return false;
	sim_order(s, side, SIM_LIVENESS);
	sim_run(s, 1000);
	return sim_main(s, side) == sa && sa->r.heard > now;
}

/* Who did not want it starts anew half a second later. */
static bool deletes(struct sim *s, int side)
{
	sim_act(s, side, SIM_DOWN);
	sim_run(s, 300);
	return !sim_count(s, 0) && !sim_count(s, 1) && !sim_sas(s, 0, -1) && !sim_sas(s, 1, -1);
}

static bool works(struct sim *s)
{
	bool settled;

	for (int side = 0; side < 2; side++) {
		if (!rekeys(s, side, false) || !rekeys(s, side, true))
			return bad(side ? "no rekey by b" : "no rekey by a");
		if (!alive(s, side))
			return bad(side ? "no liveness check by b" : "no liveness check by a");
	}
	if (sim_lost(s))
		return bad("packets were lost");
	sim_traffic(s, 0);
	sim_run(s, 200000);
	settled = sim_settled(s);
	if (!settled)
		return bad("not settled");
	if (!deletes(s, run.victim))
		return bad("not deleted");
	sim_act(s, run.victim, SIM_UP);
	if (!sim_up(s, 60000) || !deletes(s, !run.victim))
		return bad("not deleted by the other");
	return !s->faults;
}

static void write_row(const struct view_of *was, const struct view_of *is, uint64_t lost, bool good)
{
	static const char * const roles[] = { "who started", "who answers" };
	const char *saw = is->ike_up != was->ike_up ? "another IKE SA" :
			  is->ike_rekeys != was->ike_rekeys ? "its IKE SA, rekeyed" :
			  is->unique ? "its IKE SA" : "nothing any more";

	if (!table)
		return;
	fprintf(table, "%-20s %-12s %3u %-38s %-20s %llu %llu %llu %s\n", run.x->name,
		roles[run.starter != run.victim], run.step, run.at, saw,
		(unsigned long long)(is->repeated - was->repeated),
		(unsigned long long)(is->retransmits - was->retransmits), (unsigned long long)lost,
		good ? "good" : "BAD");
}

/* In the fork: after the death, to the end. */
static bool after(struct sim *s, const struct view_of *was)
{
	struct view_of is;
	uint64_t lost;
	bool good;

	sim_run(s, s->down_ms + 20000);
	is = look(s);
	lost = sim_lost(s);
	/* Who was killed while deleting comes back when the other notices. */
	if (run.x->renews && !sim_main(s, !run.victim))
		sim_up(s, 400000);
	good = same_sa(was, &is);
	if (run.x->may_lose) {
		sim_run(s, 60000);
		s->side[0].lost = s->side[1].lost = 0;
	}
	good = works(s) && good;
	shared->kills++;
	shared->bad += !good;
	shared->lost += run.x->may_lose ? 0 : lost;
	write_row(was, &is, lost, good);
	return good;
}

static void one(const struct exchange *x, int starter, int victim, unsigned int down_ms, bool adopt)
{
	struct sim *s = begin(x, starter, adopt);
	struct view_of was;

	memset(&run, 0, offsetof(typeof(run), only));
	run.x = x;
	run.starter = starter;
	run.victim = victim;
	run.deaths = 0;
	close(run.before);
	run.before = -1;
	run.at[0] = 0;
	s->down_ms = down_ms;
	was = look(s);
	run.armed = true;
	sim_order(s, starter, x->act[0]);
	if (x->act[1])
		sim_order(s, !starter, x->act[1]);
	sim_run(s, x->ms);
	run.armed = false;
	if (run.forked) {
		after(s, &was);
		fflush(NULL);
		if (!run.only)
			_exit(0);
	}
	sim_free(s);
}

static void t_exchange(const struct exchange *x)
{
	memset(shared, 0, offsetof(typeof(*shared), hits));
	for (int who = 0; who < 4; who++) {
		one(x, who & 1, who >> 1, SHORT_MS, true);
		one(x, who & 1, who >> 1, LONG_MS, true);
	}
	ok(shared->kills && !shared->bad, "%s: %u kills, %u bad, %llu packets lost", x->name,
	   shared->kills, shared->bad, (unsigned long long)shared->lost);
}

static void t_labels(void)
{
	unsigned int missed = 0;

	for (size_t i = 0; i < LABELS; i++) {
		if (shared->hits[i])
			continue;
		missed++;
		printf("# nobody died at %s\n", labels[i]);
	}
	ok(!missed && !shared->unknown, "%zu labels, each was died at", LABELS);
}

/* The same with a new process that forgets everything. */
static void t_control(void)
{
	memset(shared, 0, offsetof(typeof(*shared), hits));
	one(&exchanges[0], 0, 0, SHORT_MS, false);
	ok(shared->kills && shared->bad == shared->kills,
	   "control: without adoption %u of %u kills are bad", shared->bad, shared->kills);
	memset(shared, 0, offsetof(typeof(*shared), hits));
	run.forgetful = true;
	for (int who = 0; who < 4; who++)
		for (int i = 0; i < 2; i++)
			one(&exchanges[i], who & 1, who >> 1, SHORT_MS, true);
	run.forgetful = false;
	ok(shared->bad, "control: with the last write to the store undone %u of %u kills are bad",
	   shared->bad, shared->kills);
}

int main(int argc, char **argv)
{
	const char *l = getenv("IPSECVTI_LONG"), *name = getenv("RESTART_TABLE");

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return 1;
	deaths_max = l && *l == '1' ? 2 : 1;
	if (argc > 3) {
		run.only = argc > 4 ? (unsigned int)atoi(argv[4]) : 0;
		sim_verbose = run.only;
		one(&exchanges[(unsigned int)atoi(argv[1]) % EXCHANGES], atoi(argv[2]), atoi(argv[3]),
		    argc > 5 ? LONG_MS : SHORT_MS, true);
		ok(!shared->bad, "%u kills", shared->kills);
		return done();
	}
	table = name ? fopen(name, "w") : NULL;
	if (table)
		fprintf(table, "# exchange, who is killed, at which step, what the peer has afterwards,\n"
			"# requests that came to it twice, its own retransmissions, packets lost\n");
	for (size_t i = 0; i < EXCHANGES; i++)
		if (argc < 2 || (size_t)atoi(argv[1]) == i)
			t_exchange(&exchanges[i]);
	if (table)
		fclose(table);
	if (argc < 2) {
		t_labels();
		t_control();
	}
	return done();
}
