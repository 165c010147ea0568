/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The state store: a memory file that the keeper owns and every net process
 * maps, so that the death of net loses no IKE SA. One slot for each SA, two
 * copies in each slot; a copy counts only when its checksum is right, so a
 * process killed in the middle of a write leaves the copy before it.
 */
#ifndef AGENT_STORE_H
#define AGENT_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "ike.h"

struct store;

#define STORE_SLOTS	4096	/* the file is sparse: an unused slot costs nothing */
#ifndef STORE_DEATHS	/* tests kill it more often, for other reasons */
#define STORE_DEATHS	3	/* net died this often on one SA within the minute: drop it */
#endif

/*
 * Maps the store and makes it valid: a file of another version or size is
 * wiped, and *fresh says so. Returns NULL with errno set.
 */
struct store *store_open(int fd, bool *fresh);
void store_close(struct store *st);

/* The first store of a record takes a slot (rec->slot 0: none yet). -ENOSPC when all are taken. */
int store_put(struct store *st, struct ike_record *rec);
void store_drop(struct store *st, struct ike_record *rec);

/* Whether there may be a state in slot n (from 1). */
bool store_used(const struct store *st, unsigned int n);

/* Copies the newest good state of slot n (from 1) to rec; false where there is none. */
bool store_get(struct store *st, unsigned int n, struct ike_record *rec);

/* A number that names an IKE SA to people; survives net, never 0. */
uint32_t store_unique(struct store *st);

/*
 * Poison guard: mark before a message of this SA is parsed, clear after it was
 * handled. poisoned is for adoption: counts the death if a mark is left.
 */
void store_mark(struct store *st, const struct ike_record *rec, uint64_t hash, uint64_t now_ms);
void store_clear(struct store *st, const struct ike_record *rec);
bool store_poisoned(struct store *st, unsigned int n, uint64_t now_ms, uint64_t *hash);

#endif
