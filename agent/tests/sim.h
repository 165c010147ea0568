/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two IKEv2 engines in one process, in virtual time: a link that loses,
 * reorders and duplicates by a seed, a NAT before either of them, a fake kernel
 * for each that remembers what it was told, and numbered ESP packets both ways
 * that show whether a rekey lost any. An engine can be killed at any labelled
 * step; its kernel, its store and its sockets live on, as with the keeper.
 */
#ifndef AGENT_TESTS_SIM_H
#define AGENT_TESTS_SIM_H

#include <setjmp.h>

#include "peer.h"
#include "xchg.h"

#define SIM_SAS		128
#define SIM_LARVAL	64
#define SIM_BURNT	64	/* the last so many */
#define SIM_IVS		(1u << 13)
#define SIM_START_MS	1000000	/* of the virtual clock */

struct sim;

/* What a side can be made to do. */
enum sim_act {
	SIM_NOTHING,
	SIM_CHILD_NEW,
	SIM_CHILD_REKEY,
	SIM_CHILD_DELETE,	/* at its hard limit */
	SIM_IKE_REKEY,
	SIM_IKE_DELETE,		/* at its hard limit */
	SIM_LIVENESS,
	SIM_RECONNECT,
	SIM_UP,
	SIM_DOWN,
	SIM_REBIND,		/* its NAT has another mapping for it */
	SIM_ACTS,
};

struct sim_sa {
	bool used, dead, seen;
	struct door_sa_new n;
	uint32_t sa_id, events;
	uint64_t made, used_at, packets;
	struct loop_timer soft, hard;
	struct sim *sim;
	int side;
};

/* A reserved SPI, and what has come for it already. */
struct sim_larval {
	uint32_t spi;
	uint64_t until, kept_until;	/* of the kernel, of the keeper */
	unsigned int n;
	struct sim_packet *first;
	struct loop_timer timer;
};

struct sim_side {
	struct ike *ike;	/* NULL: dead */
	struct loop *loop;
	struct tunnel t;
	struct addr addr;	/* its own */
	struct addr aside;	/* its own too, but nothing from there arrives */
	struct addr nat;	/* what others see; AF_UNSPEC: no NAT */
	uint16_t nat_shift;	/* by how much its ports differ outside; change it to rebind */
	char psk[2][32];	/* of t; "": none */
	char other_psk[32];	/* of any other tunnel */
	int store_fd;
	uint32_t next_sa, next_spi;
	struct sim_sa sa[SIM_SAS];
	int top;		/* none beyond it is used */
	struct sim_larval larval[SIM_LARVAL];
	uint64_t burnt[SIM_BURNT];	/* outbound keys that have encrypted something */
	unsigned int n_burnt;
	struct door_out_set out;
	struct door_endpoint endpoint;
	unsigned int installs, refuse_install;	/* refuse so many sa_new calls */
	unsigned int notes;
	char note[DOOR_TEXT_MAX];
	uint64_t sent, lost;	/* numbered packets, and those the other side could not read */
	uint64_t datagrams, restarts;
	struct addr sent_to, sent_from;	/* the last of them */
	struct loop_timer restart;
	bool cold;		/* its keeper is dead, too */
	/* Where there is no engine: gets its IKE datagrams (puppet.c). */
	void (*take)(void *arg, const struct addr *local, const struct addr *remote, bool marker,
		     const uint8_t *msg, size_t len);
	void *take_arg;
};

struct sim {
	struct loop *link;
	uint64_t rng;
	uint64_t now;
	struct sim_side side[2];
	/* the link, in percent and milliseconds */
	unsigned int loss, duplicate, latency, jitter;
	unsigned int loss_run, run[2];	/* never more in a row, each way; 0: as it comes */
	unsigned int tries;		/* retransmissions, set before sim_start(); 0: the default */
	unsigned int in_flight;
	bool cut;
	bool corrupts;		/* what a side sends may not be what its engine wrote */
	bool held;			/* IKE datagrams wait until sim_deliver() and the like */
	/* Sees each datagram (without marker) on its way; true drops it. It may change it in place. */
	bool (*tap)(struct sim *s, int from, uint8_t *msg, size_t *len);
	void *tap_arg;
	unsigned int tap_n;
	/* numbered packets */
	unsigned int traffic_ms;	/* one each way so often; 0: none */
	struct loop_timer traffic;
	/* kill: point of this side, for the nth time */
	const char *kill_point;
	int kill_side;
	unsigned int kill_nth, kill_repeat, killed, down_ms;
	bool no_adopt;			/* the control: a new process forgets everything */
	bool no_store;			/* nothing is shared with other processes */
	bool no_larval;			/* a control: ESP for a reserved SPI is lost at once */
	int active;			/* side whose code runs, -1: none; set by sim_enter() */
	uint64_t random[3];		/* of none and of each side, while another one runs */
	jmp_buf dead;
	/* Sees every crash point that a side's code passes, before kill_point is looked at. */
	void (*passing)(struct sim *s, const char *point);
	struct loop_timer order[2];
	enum sim_act act[2];
	unsigned int faults;		/* invariants broken */
	struct {
		uint64_t iv, msg;
	} ivs[SIM_IVS];			/* each IV of a key has one message */
	struct sim_packet *delivering;
	struct sim_packet *packets;
};

/* Proposals of the default tunnel; tests change side[].t before sim_start(). */
struct sim *sim_new(uint64_t seed);
void sim_free(struct sim *s);
void sim_suites(struct sim *s, const char *ike, const char *esp);	/* for both sides */
void sim_side_suites(struct sim *s, int side, const char *ike, const char *esp);
void sim_nat(struct sim *s, int side);
void sim_start(struct sim *s);		/* both engines */
void sim_begin(struct sim *s, int side);	/* one of them, adopting what its store has */
void sim_kill(struct sim *s, int side);	/* at once; it comes back after down_ms (0: never) */
void sim_kill_keeper(struct sim *s, int side);	/* the sockets and the state go, too */
void sim_die(struct sim *s);		/* in a hook: the side whose code runs, in the same way */
/* After fork(): both stores become this process's own. */
void sim_forked(struct sim *s);
int sim_copy_store(int fd);
void sim_run(struct sim *s, uint64_t ms);
/* Runs until both sides are up, for at most ms. */
bool sim_up(struct sim *s, uint64_t ms);
bool sim_until(struct sim *s, uint64_t ms, bool (*done)(struct sim *s));
/* One current child, nothing else, keys that fit; prints what is wrong. */
bool sim_settled(struct sim *s);
struct sim_sa *sim_out(struct sim *s, int side);	/* the current outbound SA, or NULL */
/* The one of a pair of the left side's, which both sides have in mirror image. */
struct sim_sa *sim_out_pair(struct sim *s, int side, unsigned int pair);
unsigned int sim_pairs(const struct sim *s);
unsigned int sim_count(struct sim *s, int side);	/* kernel SAs */
unsigned int sim_sas(struct sim *s, int side, int state);	/* IKE SAs in a state, -1: all */
struct peer *sim_peer(struct sim *s, int side);
struct sa *sim_main(struct sim *s, int side);
/* At once; nothing without an IKE SA. */
void sim_act(struct sim *s, int side, enum sim_act what);
extern const char *const sim_act_names[SIM_ACTS];
/* A moment later, by a timer: that can be killed in. */
void sim_order(struct sim *s, int side, enum sim_act what);
void sim_rekey(struct sim *s, int side, bool ike);
void sim_traffic(struct sim *s, unsigned int ms);
uint64_t sim_lost(struct sim *s);
uint32_t sim_random(struct sim *s);
/* What is called next is this side's code: its random numbers are its own. -1 afterwards. */
void sim_enter(struct sim *s, int side);

/* With held set: the datagrams that wait, and what becomes of the nth of them. */
unsigned int sim_waiting(struct sim *s);
void sim_deliver(struct sim *s, unsigned int n);
void sim_lose(struct sim *s, unsigned int n);
void sim_double(struct sim *s, unsigned int n);		/* delivered, and a copy waits on */
void sim_delay(struct sim *s, unsigned int n, uint64_t ms);	/* waits again from then on */
/*
 * Of all that decides what happens next: both engines, both kernels, what is under way. Deadlines
 * count by what is left of them; those that are over, or further than a minute away, are alike.
 */
uint64_t sim_hash(struct sim *s);
uint64_t sim_mix(uint64_t h, const void *data, size_t len);

/* Lines logged since the last call that contain the text. */
unsigned int sim_logged(const char *text);
const char *sim_log(void);	/* all of them */
extern bool sim_verbose;
extern volatile bool sim_own_memory;	/* what is allocated now is not the engine's */

/* What side from has sent, decrypted with its keys into copy, which is as large as msg. */
bool sim_read(struct sim *s, int from, const uint8_t *msg, size_t len, uint8_t *copy,
	      struct msg *m);

/* ---- between the simulator's files ---- */

struct sim_packet {
	struct loop_timer timer;
	struct sim *sim;
	struct sim_packet *next;
	int to;
	struct addr local, remote;	/* as the receiver sees them */
	bool marker, esp, held;
	uint32_t spi;
	uint8_t key_len, key[DOOR_KEY_MAX];
	size_t len;
	uint8_t msg[];
};

extern struct sim *sim_current;	/* what hooks, the log and the fake kernels belong to */
extern const struct ike_ops sim_ops;

void sim_fault(struct sim *s, const char *what);	/* an invariant is broken */
struct sim_packet *sim_packet(struct sim *s, int to, const void *msg, size_t len);
/* Under way; it arrives in ms, UINT64_MAX: when told to. */
void sim_link(struct sim_packet *p, uint64_t ms);
void sim_unlink(struct sim_packet *p);
uint64_t sim_latency(struct sim *s);
/* An ESP packet has arrived; true: it waits there, and is not to be freed. */
bool sim_esp(struct sim *s, struct sim_packet *p);
void sim_kernel_free(struct sim *s);
/* An SA is gone, and nobody is told. */
void sim_sa_drop(struct sim_sa *k);
/* So are all of a side, as after a reboot. */
void sim_kernel_forget(struct sim *s, int side);
void sim_send(void *ctx, const struct addr *local, const struct addr *remote, bool marker,
	      const uint8_t *msg, size_t len);

#endif
