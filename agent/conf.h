/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The configuration: *.conf of one directory, INI as in wg(8). Everything is
 * read and checked before anything is used; conf_read() finds all errors, not
 * the first, and says for each where it is.
 */
#ifndef AGENT_CONF_H
#define AGENT_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "nl_vti.h"
#include "secret.h"
#include "tunnel.h"

#define CONF_TUNNELS_MAX	4096
#define CONF_FILES_MAX		4096
#define CONF_FILE_MAX		(1024 * 1024)
#define CONF_LINE_MAX		4096
#define CONF_ERRORS_MAX		100
#define CONF_LISTEN_MAX		8
#define CONF_ADDRESSES_MAX	8
#define CONF_NAME_MAX		253	/* of a host, RFC 1035 */
#define CONF_PSKS		2	/* during a rotation: the first signs, both verify */

/* Keys of [tunnel NAME], then of [agent]; the order of the manual and of "check". */
enum conf_key {
	KEY_DESCRIPTION,
	KEY_LOCAL,
	KEY_REMOTE,
	KEY_PSK_FILE,
	KEY_LOCAL_ID,
	KEY_REMOTE_ID,
	KEY_START,
	KEY_PROFILE,
	KEY_IKE,
	KEY_ESP,
	KEY_PFS_CHECK,
	KEY_LOCAL_TS,
	KEY_REMOTE_TS,
	KEY_CHILDREN,
	KEY_IKE_LIFE,
	KEY_REAUTH,
	KEY_CHILD_LIFE,
	KEY_CHILD_BYTES,
	KEY_CHILD_PACKETS,
	KEY_DPD,
	KEY_RETRY,
	KEY_UNIQUE,
	KEY_WINDOW,
	KEY_ESN,
	KEY_FORCE_ENCAP,
	KEY_FRAGMENT_SIZE,
	KEY_REMOTE_PORT,
	KEY_REMOTE_NAT_PORT,
	KEY_DF,
	KEY_DSCP,
	KEY_TTL,
	KEY_MIN_PMTU,
	KEY_MARK,
	KEY_OIF,
	KEY_ADDRESS,
	KEY_TUNNEL_END,

	KEY_LISTEN = KEY_TUNNEL_END,
	KEY_PORT,
	KEY_NAT_PORT,
	KEY_END,
};

/* What was written for a key, and where; file NULL: nowhere. */
struct conf_value {
	char *text;
	const char *file;
	unsigned int line;
};

struct conf_prefix {
	struct addr addr;
	uint8_t bits;
};

struct conf_tunnel {
	struct tunnel t;	/* id and dev_id are 0 here */
	const char *file;
	unsigned int line;	/* of the section's head */
	char *description;
	unsigned int n_names;	/* hosts in remote that a name server must resolve */
	char names[TUNNEL_ADDRS][CONF_NAME_MAX + 1];
	uint8_t name_at[TUNNEL_ADDRS];	/* so many addresses come before it */
	unsigned int n_address;
	struct conf_prefix address[CONF_ADDRESSES_MAX];	/* for "ipsecvti up" only */
	unsigned int n_psk;
	struct secret psk[CONF_PSKS];
	struct nlv_dev_patch dev;	/* what the device is to be, but for oif */
	char oif[TUNNEL_NAME_MAX + 1];	/* "": as it is, "any": none */
	struct conf_value value[KEY_TUNNEL_END];
};

struct conf {
	unsigned int n_listen;	/* 0: the wildcard addresses */
	struct addr listen[CONF_LISTEN_MAX];
	uint16_t port, nat_port;
	struct conf_value agent[KEY_END];
	size_t n_tunnels;
	struct conf_tunnel **tunnels;
	size_t n_errors;	/* may exceed CONF_ERRORS_MAX: those are counted only */
	char *errors[CONF_ERRORS_MAX];
	size_t n_warnings;
	char *warnings[CONF_ERRORS_MAX];
	size_t n_files;
	char **files;
};

enum conf_flags {
	CONF_NO_SECRETS = 1,	/* do not open psk-files: for readers who need no secret */
};

/* Never NULL but for want of memory. With n_errors nothing else in it may be used. */
struct conf *conf_read(const char *dir, unsigned int flags);
void conf_free(struct conf *c);	/* wipes the secrets */

struct conf_tunnel *conf_find(const struct conf *c, const char *name);
bool conf_name_ok(const char *name);	/* a tunnel's name is an interface's */

/*
 * Whether a selector for the far side takes in the peer's own outer address,
 * which would send the tunnel's packets into the tunnel. "Everything" of a
 * family is no such selector: there the routes decide. why gets a sentence.
 */
bool conf_overlap(const struct tunnel *t, const struct addr *remote, char *why, size_t size);

/* Puts an address behind the others; false when there is no more room. */
bool conf_add_remote(struct tunnel *t, const struct addr *a);

/* Every key with its value and its origin, as text that conf_read() would take. */
void conf_print(const struct conf *c, FILE *to);

/* ---- between conf.c and conf_sem.c ---- */

extern const char *const conf_keys[KEY_END];

void conf_error(struct conf *c, const char *file, unsigned int line, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
void conf_warning(struct conf *c, const char *file, unsigned int line, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* Turns the texts of a section into its meaning. */
void conf_sem_tunnel(struct conf *c, struct conf_tunnel *ct, unsigned int flags);
void conf_sem_agent(struct conf *c);
/* The text of a key that was left out; buf may be used. NULL: it has none. */
const char *conf_default(const struct conf *c, const struct conf_tunnel *ct, enum conf_key key,
			 char *buf, size_t size);

#endif
