/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TAP for unit tests: ok(condition, "what", ...), is_bytes(), and done() as
 * main()'s return value. Failures say where; the plan comes last.
 */
#ifndef AGENT_TESTS_TAP_H
#define AGENT_TESTS_TAP_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned int tap_run, tap_failed;

#define ok(cond, ...) tap_ok(!!(cond), __FILE__, __LINE__, __VA_ARGS__)

__attribute__((format(printf, 4, 5), unused))
static bool tap_ok(bool pass, const char *file, int line, const char *fmt, ...)
{
	__builtin_va_list ap;
	char what[400];

	__builtin_va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	__builtin_va_end(ap);
	printf("%sok %u - %s\n", pass ? "" : "not ", ++tap_run, what);
	if (!pass) {
		printf("# failed at %s:%d\n", file, line);
		tap_failed++;
	}
	fflush(stdout);
	return pass;
}

/* Compares strings and shows both when they differ. */
#define is_str(got, want, ...) do {						\
	const char *g_ = (got), *w_ = (want);					\
	if (!ok(!strcmp(g_, w_), __VA_ARGS__))					\
		printf("#  got: %s\n# want: %s\n", g_, w_);			\
} while (0)

/* One byte string from hex digits; blanks are skipped. Return: its length. */
__attribute__((unused))
static size_t unhex(uint8_t *out, size_t max, const char *hex)
{
	unsigned int digits = 0, v = 0;
	size_t n = 0;

	for (; *hex; hex++) {
		char c = *hex;

		if (c == ' ' || c == '\n' || c == '\t')
			continue;
		v = v << 4 | (unsigned int)(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
		if (++digits % 2)
			continue;
		if (n == max)
			abort();
		out[n++] = (uint8_t)v;
		v = 0;
	}
	return n;
}

/* Compares bytes with a hex string. */
__attribute__((unused))
static bool tap_bytes(const char *file, int line, const void *got, size_t len, const char *hex,
		      const char *what)
{
	static uint8_t want[4096];
	size_t n = unhex(want, sizeof(want), hex);
	bool pass = n == len && !memcmp(got, want, len);

	tap_ok(pass, file, line, "%s", what);
	if (!pass) {
		printf("#  got: ");
		for (size_t i = 0; i < len; i++)
			printf("%02x", ((const uint8_t *)got)[i]);
		printf("\n# want: %s\n", hex);
	}
	return pass;
}

#define is_bytes(got, len, hex, what) tap_bytes(__FILE__, __LINE__, got, len, hex, what)

__attribute__((unused))
static int done(void)
{
	printf("1..%u\n", tap_run);
	if (tap_failed)
		printf("# %u of %u failed\n", tap_failed, tap_run);
	return tap_failed ? 1 : 0;
}

#endif
