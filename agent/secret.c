// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Wiping and comparing secrets. No library: keeper and net both use it.
 */
#include <errno.h>
#include <string.h>

#include "secret.h"

void secret_wipe(void *p, size_t len)
{
	if (len)
		explicit_bzero(p, len);
}

bool secret_equal(const void *a, const void *b, size_t len)
{
	const volatile uint8_t *x = a, *y = b;
	uint8_t diff = 0;

	for (size_t i = 0; i < len; i++)
		diff |= x[i] ^ y[i];
	return !diff;
}

int secret_set(struct secret *s, const void *data, size_t len)
{
	secret_clear(s);
	if (len > sizeof(s->data))
		return -EMSGSIZE;
	if (len)
		memcpy(s->data, data, len);
	s->len = (uint16_t)len;
	return 0;
}

void secret_clear(struct secret *s)
{
	if (s)
		secret_wipe(s, sizeof(*s));
}
