/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The log: one line for each event, a fixed text and key=value pairs, written
 * to standard error in one write(2). Under journald (or with log_prefix(true))
 * a line starts with "<priority>". The text is the programmer's; values may
 * come from anywhere, so they are escaped and cut to LOG_VALUE_MAX. Secrets,
 * key material and decrypted octets are never given to the log.
 *
 *	log_info("IKE SA established", KV_S("tunnel", t->name), KV_X("spi", spi));
 *	log_ratelimited(LOG_WARNING, "malformed message", KV_S("from", text));
 */
#ifndef AGENT_LOG_H
#define AGENT_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <syslog.h>	/* LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG */

#define LOG_LINE_MAX	2000
#define LOG_VALUE_MAX	640

enum log_kind {
	LOG_KV_NONE,
	LOG_KV_STRING,		/* a C string; NULL prints as "-" */
	LOG_KV_SIGNED,
	LOG_KV_UNSIGNED,
	LOG_KV_HEX,
	LOG_KV_ERRNO,		/* the text of an errno, of either sign */
	LOG_KV_BYTES,		/* public octets only, in hex */
};

struct log_kv {
	const char *key;
	enum log_kind kind;
	union {
		const void *p;
		int64_t d;
		uint64_t u;
	};
	size_t len;
};

#define KV_S(k, v)	((struct log_kv){ .key = (k), .kind = LOG_KV_STRING, .p = (v) })
#define KV_D(k, v)	((struct log_kv){ .key = (k), .kind = LOG_KV_SIGNED, .d = (v) })
#define KV_U(k, v)	((struct log_kv){ .key = (k), .kind = LOG_KV_UNSIGNED, .u = (v) })
#define KV_X(k, v)	((struct log_kv){ .key = (k), .kind = LOG_KV_HEX, .u = (v) })
#define KV_ERR(k, v)	((struct log_kv){ .key = (k), .kind = LOG_KV_ERRNO, .d = (v) })
#define KV_BYTES(k, v, n) \
	((struct log_kv){ .key = (k), .kind = LOG_KV_BYTES, .p = (v), .len = (n) })

/* A burst of ten, then one each second; the next line says how many were left out. */
struct log_rate {
	uint64_t last_ms;
	uint32_t spent_ms, suppressed;
};

void log_ident(const char *ident);	/* who writes; outside journald only. Kept by reference */
void log_level(int priority);		/* what is less urgent is dropped; LOG_INFO at first */
void log_prefix(bool on);		/* default: on when JOURNAL_STREAM is in the environment */
/* For tests: takes the lines instead of standard error. */
void log_sink(void (*sink)(void *arg, int priority, const char *line), void *arg);

bool log_enabled(int priority);
bool log_rate_pass(struct log_rate *r, uint32_t *suppressed);
/* kv[0] is skipped; see the macros. */
void log_write(int priority, const char *text, const struct log_kv *kv, size_t n);

/* Escapes into a buffer as log values are; returns out. For texts shown elsewhere. */
char *log_escape(char *out, size_t size, const char *in, size_t len);

#define LOG_KVS(...)	((const struct log_kv[]){ { 0 }, ##__VA_ARGS__ })

#define log_at(prio, text, ...) do {						\
	if (log_enabled(prio))							\
		log_write(prio, text, LOG_KVS(__VA_ARGS__),			\
			  sizeof(LOG_KVS(__VA_ARGS__)) / sizeof(struct log_kv)); \
} while (0)

#define log_err(text, ...)	log_at(LOG_ERR, text, ##__VA_ARGS__)
#define log_warn(text, ...)	log_at(LOG_WARNING, text, ##__VA_ARGS__)
#define log_notice(text, ...)	log_at(LOG_NOTICE, text, ##__VA_ARGS__)
#define log_info(text, ...)	log_at(LOG_INFO, text, ##__VA_ARGS__)
#define log_debug(text, ...)	log_at(LOG_DEBUG, text, ##__VA_ARGS__)

/* For whatever a stranger can provoke: limited for each place that calls. */
#define log_ratelimited(prio, text, ...) do {					\
	static struct log_rate rate_;						\
	uint32_t cut_ = 0;							\
	if (log_enabled(prio) && log_rate_pass(&rate_, &cut_)) {		\
		if (cut_)							\
			log_at(prio, text, ##__VA_ARGS__, KV_U("suppressed", cut_)); \
		else								\
			log_at(prio, text, ##__VA_ARGS__);			\
	}									\
} while (0)

#endif
