// SPDX-License-Identifier: GPL-2.0-or-later
/* Log lines: a text and escaped key=value pairs, one write(2) each. */
#include "log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define RATE_COST_MS	1000
#define RATE_BURST_MS	(10 * RATE_COST_MS)

static const char *ident = "";
static int level = LOG_INFO;
static int prefix = -1;		/* not decided yet */
static void (*sink_fn)(void *arg, int priority, const char *line);
static void *sink_arg;

struct line {
	char text[LOG_LINE_MAX];
	size_t len;
};

void log_ident(const char *name)
{
	ident = name;
}

void log_level(int priority)
{
	level = priority;
}

void log_prefix(bool on)
{
	prefix = on;
}

void log_sink(void (*sink)(void *arg, int priority, const char *line), void *arg)
{
	sink_fn = sink;
	sink_arg = arg;
}

bool log_enabled(int priority)
{
	return priority <= level;
}

bool log_rate_pass(struct log_rate *r, uint32_t *suppressed)
{
	struct timespec ts;
	uint64_t now, idle;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	now = (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
	idle = now - r->last_ms;
	r->last_ms = now;
	r->spent_ms = idle >= r->spent_ms ? 0 : r->spent_ms - (uint32_t)idle;
	if (r->spent_ms + RATE_COST_MS > RATE_BURST_MS) {
		r->suppressed++;
		return false;
	}
	r->spent_ms += RATE_COST_MS;
	*suppressed = r->suppressed;
	r->suppressed = 0;
	return true;
}

/* Letters that need neither quotes nor escapes in a value. */
static bool plain(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c && strchr("._:/,@+-%*[]", c));
}

static size_t escape(char *out, size_t size, const char *in, size_t len)
{
	size_t i, n = 0;

	for (i = 0; i < len; i++) {
		unsigned char c = (unsigned char)in[i];

		if (n + 5 > size)
			break;
		if (c == '"' || c == '\\') {
			out[n++] = '\\';
			out[n++] = (char)c;
		} else if (c < 0x20 || c >= 0x7f) {
			n += (size_t)snprintf(out + n, size - n, "\\x%02x", c);
		} else {
			out[n++] = (char)c;
		}
	}
	out[n] = 0;
	return n;
}

char *log_escape(char *out, size_t size, const char *in, size_t len)
{
	if (size)
		out[0] = 0;
	if (size >= 5)
		escape(out, size, in, len);
	return out;
}

static void add(struct line *ln, const char *s, size_t n)
{
	size_t room = sizeof(ln->text) - 2 - ln->len;	/* newline and zero */

	if (n > room)
		n = room;
	memcpy(ln->text + ln->len, s, n);
	ln->len += n;
}

static void add_string(struct line *ln, const char *s)
{
	char quoted[LOG_VALUE_MAX];
	size_t i, n = strnlen(s, LOG_VALUE_MAX);
	bool bare = n > 0;

	for (i = 0; i < n && bare; i++)
		bare = plain((unsigned char)s[i]);
	if (bare) {
		add(ln, s, n);
		return;
	}
	add(ln, "\"", 1);
	add(ln, quoted, escape(quoted, sizeof(quoted), s, n));
	add(ln, "\"", 1);
}

static void add_bytes(struct line *ln, const uint8_t *p, size_t len)
{
	char hex[3];
	size_t i;

	for (i = 0; i < len && i < LOG_VALUE_MAX / 2; i++) {
		snprintf(hex, sizeof(hex), "%02x", p[i]);
		add(ln, hex, 2);
	}
}

static void add_value(struct line *ln, const struct log_kv *kv)
{
	char num[32];
	int n = 0;

	switch (kv->kind) {
	case LOG_KV_STRING:
		add_string(ln, kv->p ? kv->p : "-");
		return;
	case LOG_KV_ERRNO:
		add_string(ln, strerror((int)(kv->d < 0 ? -kv->d : kv->d)));
		return;
	case LOG_KV_BYTES:
		add_bytes(ln, kv->p, kv->len);
		return;
	case LOG_KV_SIGNED:
		n = snprintf(num, sizeof(num), "%" PRId64, kv->d);
		break;
	case LOG_KV_UNSIGNED:
		n = snprintf(num, sizeof(num), "%" PRIu64, kv->u);
		break;
	case LOG_KV_HEX:
		n = snprintf(num, sizeof(num), "0x%" PRIx64, kv->u);
		break;
	case LOG_KV_NONE:
		break;
	}
	add(ln, num, (size_t)n);
}

static void start_line(struct line *ln, int priority)
{
	static const char *const names[] = {
		"emerg", "alert", "crit", "error", "warning", "notice", "info", "debug",
	};
	char head[96];
	int n;

	if (prefix < 0)
		prefix = getenv("JOURNAL_STREAM") != NULL;
	if (prefix)
		n = snprintf(head, sizeof(head), "<%d>", priority & 7);
	else
		n = snprintf(head, sizeof(head), "%.40s%s%s: ", ident, *ident ? ": " : "",
			     names[priority & 7]);
	add(ln, head, (size_t)n);
}

void log_write(int priority, const char *text, const struct log_kv *kv, size_t n)
{
	struct line ln = { .len = 0 };
	size_t i;

	if (!sink_fn)
		start_line(&ln, priority);
	add(&ln, text, strlen(text));
	for (i = 1; i < n; i++) {
		add(&ln, " ", 1);
		add(&ln, kv[i].key, strlen(kv[i].key));
		add(&ln, "=", 1);
		add_value(&ln, &kv[i]);
	}
	if (sink_fn) {
		ln.text[ln.len] = 0;
		sink_fn(sink_arg, priority, ln.text);
		return;
	}
	ln.text[ln.len++] = '\n';
	/* Nobody to tell when this fails; short writes to a pipe lose a line's end. */
	if (write(STDERR_FILENO, ln.text, ln.len) < 0)
		return;
}
