/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command line: a table of subcommands, each int do_<object>(argc, argv)
 * that returns the exit status. 0 done, 1 refused by kernel or agent, 2 the
 * command itself is wrong. Every refusal is one line on standard error.
 */
#ifndef AGENT_CLI_H
#define AGENT_CLI_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "nl_vti.h"

#define EXIT_REFUSED	1
#define EXIT_USAGE	2

int do_dev(int argc, char **argv);
int do_sa(int argc, char **argv);
int do_spi(int argc, char **argv);
int do_out(int argc, char **argv);
int do_stats(int argc, char **argv);
int do_monitor(int argc, char **argv);
int do_up(int argc, char **argv);
int do_down(int argc, char **argv);
int do_delete(int argc, char **argv);
int do_reconnect(int argc, char **argv);
int do_rekey(int argc, char **argv);
int do_reload(int argc, char **argv);
int do_show(int argc, char **argv);
int do_check(int argc, char **argv);

extern const char *cli_confdir, *cli_rundir;	/* -c and -r */

/* Print one line; return EXIT_USAGE and EXIT_REFUSED. */
int cli_usage(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int cli_refused(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The kernel's words for a refusal, or the errno's; of a device the second one. */
int cli_kernel(struct nlv *n, int err, const char *what);
int cli_kernel_dev(struct nlv *n, int err, const struct nlv_who *who, const char *what);
/* Opens the family or says why not; NULL then. */
struct nlv *cli_open(void);

/*
 * Walks keyword arguments. cli_value() takes the word after the keyword, or
 * complains and gives NULL; the number readers take decimal and 0x hex.
 */
struct cli_words {
	int argc;
	char **argv;
	const char *key;	/* the keyword at hand */
};

bool cli_next(struct cli_words *w);		/* moves to the next keyword */
bool cli_is(const struct cli_words *w, const char *key);
const char *cli_value(struct cli_words *w);
bool cli_u64(struct cli_words *w, uint64_t max, uint64_t *out);
bool cli_u32(struct cli_words *w, uint32_t *out);
bool cli_number(const char *text, uint64_t max, uint64_t *out);

/* Interface names as the kernel takes them. */
bool cli_ifname_ok(const char *name);
/* The commands come from standard input: nothing else can. */
bool cli_stdin_is_batch(void);
/* The device that the keyword names, or "dev-id N" does; false after a complaint. */
bool cli_dev(struct cli_words *w, struct nlv_who *who);
bool cli_dev_named(const struct nlv_who *who);
/* "--json" anywhere, at most max other words, or a device; 0 or EXIT_USAGE. */
int cli_show_args(int argc, char **argv, int max, const char **word, bool *json);
int cli_show_dev_args(int argc, char **argv, struct nlv_who *who, bool *json);

/* Prints and frees; returns 0 or EXIT_REFUSED when standard output is broken. */
int cli_json(json_t *j);
json_t *cli_counters_json(const struct counters *c);
/* "3h 12m"; returns buf. */
const char *cli_span(uint64_t seconds, char *buf, size_t size);

#endif
