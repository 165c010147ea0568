/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files that hold one secret and are nobody else's to read. */
#ifndef AGENT_PSKFILE_H
#define AGENT_PSKFILE_H

#include <stddef.h>

#include "secret.h"

#define PSKFILE_MAX	(2 * SECRET_MAX + 4)	/* in hexadecimal, and a line end */

/*
 * Reads the secret of a file: a regular one, owned by root or by whom we run
 * as, without any right for group and others. The content is the secret, less
 * one line end; 0x... is hexadecimal, 0s... base64. 0, or -1 with a sentence
 * in why; the secret is then empty.
 */
int pskfile_read(const char *path, struct secret *out, char *why, size_t why_size);

#endif
