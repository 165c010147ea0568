/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory that must not outlive its use: wiping, comparison without timing, and
 * a small buffer that is wiped when its scope ends.
 */
#ifndef AGENT_SECRET_H
#define AGENT_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The longest shared secret (a MODP-4096 g^ir). */
#define SECRET_MAX	512

struct secret {
	uint16_t len;
	uint8_t data[SECRET_MAX];
};

/* A local variable that is wiped on every way out of its scope. */
#define _auto_secret_	__attribute__((cleanup(secret_clear)))

/* Wipes any plain object by name: array or structure, not a pointer. */
#define secret_wipe_object(obj)	secret_wipe(&(obj), sizeof(obj))

/* Overwrites len bytes with zeros; the compiler keeps it. p may be NULL when len is 0. */
void secret_wipe(void *p, size_t len);

/* Whether two strings of len bytes are equal; the time depends on len only. */
bool secret_equal(const void *a, const void *b, size_t len);

/* Copies len bytes in, wiping what was there. -EMSGSIZE (and an empty secret) above SECRET_MAX. */
int secret_set(struct secret *s, const void *data, size_t len);

/* Wipes the whole holder. Safe on one that was never filled but initialised; NULL is allowed. */
void secret_clear(struct secret *s);

#endif
