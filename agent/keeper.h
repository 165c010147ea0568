/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The keeper: the process with the rights and the long-term secrets. It reads
 * the configuration, owns the sockets, the kernel's devices and the memory
 * that net's state lives in, and starts net again when it dies. It parses
 * nothing that a peer has sent.
 */
#ifndef AGENT_KEEPER_H
#define AGENT_KEEPER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "conf.h"
#include "door.h"
#include "keys.h"
#include "loop.h"
#include "nl_vti.h"
#include "sandbox.h"
#include "udp.h"

#define SPIS_MAX	64	/* reserved by net on one tunnel and not used yet */
#define SPI_LIFE_MS	120000	/* an answer may come until the last retransmission is over */
#define LEAVE_MS	10000	/* net's time to take down a tunnel no longer configured */
#define SYNC_MS		10000	/* how often missing devices and names are looked for */

struct keeper_options {
	const char *confdir, *rundir, *net_path, *owner;
	enum sandbox_mode sandbox;
	int debug;		/* how often -d was said */
};

struct spi_reserved {
	uint32_t spi;
	uint64_t until;
};

/* Addresses that names stand for. */
#define RESOLVED_MAX	16
struct resolved {
	uint32_t n;
	struct addr addr[RESOLVED_MAX];
	uint8_t name[RESOLVED_MAX];	/* which of the tunnel's */
};

/* A tunnel in the keeper's hands. */
struct ktunnel {
	struct ktunnel *next;
	struct keeper *k;
	struct tunnel conf;	/* as configured; no handles, no resolved names */
	struct tunnel t;	/* with them */
	struct tunnel told;	/* what net has; id 0: nothing yet */
	char *description;
	char *psk_files;	/* as they are written, for the log */
	struct nlv_dev_patch dev;	/* what the configuration says of the device, ... */
	char oif[TUNNEL_NAME_MAX + 1];	/* ... and which interface */
	bool dev_new;			/* read since the device was last compared with it */
	unsigned int n_names;
	char names[TUNNEL_ADDRS][CONF_NAME_MAX + 1];
	uint8_t name_at[TUNNEL_ADDRS];
	struct resolved found;	/* addresses of the names */
	uint64_t resolve_at;
	bool resolving;

	bool leaving;		/* gone from the configuration; net is taking it down */
	struct loop_timer leave_timer;
	uint32_t forked;	/* the device's count that net knows of */
	uint32_t n_sas;		/* about how many SAs net has made */
	struct spi_reserved spis[SPIS_MAX];

	struct door_status *status;	/* as net told it last, NULL: never; see DOOR_STATUS_LEN() */
	char trouble[DOOR_TEXT_MAX];	/* keeper's own: no device, another owner, no address */
	char note[DOOR_TEXT_MAX];	/* net's: how the last attempt ended */
};

struct out_msg;
struct ctl;
struct resolver;

#define DEATHS		3
#define DEATH_WINDOW_MS	60000

/* The process ipsecvti-net. */
struct netproc {
	pid_t pid;		/* 0: none */
	int pidfd, door;
	bool ready, stopping;
	struct loop_fd pid_watch, door_watch;
	struct loop_timer restart, kill, ping;
	struct out_msg *out_head, **out_tail;
	size_t out_bytes;
	uint64_t deaths[DEATHS];
	unsigned int n_deaths, failed_starts, restarts, backoff_ms;
	uint32_t status_sent, status_done;	/* DOOR_STATUS_GET and their ends */
	uint64_t started_ms, status_asked_ms;
	int store, program;	/* memfds */
	uid_t uid;
	gid_t gid;
};

struct keeper {
	struct keeper_options opt;
	struct loop *loop;
	struct nlv *nl;
	struct keys *keys;
	struct udp udp;
	struct netproc net;
	struct ctl *ctl;
	struct resolver *resolver;
	struct ktunnel *tunnels;
	uint32_t next_id;
	uint16_t port, nat_port;
	uint64_t started_ms;
	bool announced, stopping;
	int exit_status;
	struct loop_fd event_watch;
	struct loop_timer sync_timer, watchdog;
	struct door_buf buf;	/* of the message at hand */
};

/* keeper.c */
int keeper_start(struct keeper *k);	/* 0, or an exit status after a line in the log */
void keeper_stop(struct keeper *k, bool keep_sas);
void keeper_free(struct keeper *k);
/* Takes what is new in the configuration; why gets the first of errors. Returns errors. */
size_t keeper_reload(struct keeper *k, struct conf **bad);
struct ktunnel *keeper_find(struct keeper *k, const char *name);
struct ktunnel *keeper_tunnel(struct keeper *k, uint32_t id);
void keeper_update(struct ktunnel *kt);		/* tells net what has changed */
void keeper_sync(struct keeper *k);		/* looks for devices now */
void keeper_net_ready(struct keeper *k);
void keeper_net_gone(struct keeper *k);
struct nlv_who keeper_who(const struct ktunnel *kt);

/* netproc.c */
int net_prepare(struct keeper *k);
void net_start(struct keeper *k);
void net_ready(struct keeper *k);
void net_tell(struct keeper *k, uint16_t type, const void *body, size_t len);
void net_reply(struct keeper *k, uint32_t tag, int err, const void *body, size_t len);
void net_ask_status(struct keeper *k);
void net_kill(struct keeper *k, const char *why);
void net_free(struct keeper *k);

/* door_srv.c: one message of net's. */
void door_serve(struct keeper *k, const struct door_msg *m);

/* resolve.c: looks a tunnel's names up in a process of its own. */
struct resolver *resolver_new(struct keeper *k);
void resolver_free(struct resolver *r);
void resolver_run(struct resolver *r);		/* starts on what is due */
/* The tunnel does not come up: its peer may have moved. */
void resolver_doubt(struct ktunnel *kt);
/*
 * What was found before and is still there stays in its place, however the server turns its
 * answers around, and so does all of a name that has no answer. Whether something has changed.
 */
bool resolved_merge(struct resolved *found, const struct resolved *answer);

#endif
