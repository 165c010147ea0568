// SPDX-License-Identifier: GPL-2.0-or-later
/* Secrets from files. */
#include "pskfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int hex_value(int c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool from_hex(const char *in, size_t len, struct secret *out)
{
	size_t i;

	if (!len || len % 2 || len / 2 > SECRET_MAX)
		return false;
	for (i = 0; i < len; i += 2) {
		int hi = hex_value(in[i]), lo = hex_value(in[i + 1]);

		if (hi < 0 || lo < 0)
			return false;
		out->data[i / 2] = (uint8_t)(hi << 4 | lo);
	}
	out->len = (uint16_t)(len / 2);
	return true;
}

static int base64_value(int c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static bool from_base64(const char *in, size_t len, struct secret *out)
{
	uint32_t bits = 0;
	unsigned int have = 0;
	size_t i, n = 0;

	while (len && in[len - 1] == '=')
		len--;
	if (!len || len % 4 == 1)
		return false;
	for (i = 0; i < len; i++) {
		int v = base64_value(in[i]);

		if (v < 0)
			return false;
		bits = bits << 6 | (uint32_t)v;
		have += 6;
		if (have < 8)
			continue;
		have -= 8;
		if (n == SECRET_MAX)
			return false;
		out->data[n++] = (uint8_t)(bits >> have);
	}
	out->len = (uint16_t)n;
	return n > 0;
}

static bool owner_and_mode(const struct stat *st, char *why, size_t size)
{
	unsigned int mode = (unsigned int)st->st_mode & 07777;

	if (!S_ISREG(st->st_mode)) {
		snprintf(why, size, "is not a regular file");
		return false;
	}
	if (st->st_uid && st->st_uid != geteuid()) {
		snprintf(why, size, "belongs to user %u, not to root or the agent's user",
			 (unsigned int)st->st_uid);
		return false;
	}
	if (mode & 077) {
		snprintf(why, size, "has mode %04o: others may read or change it, it must be 0600 "
			 "or stricter", mode);
		return false;
	}
	return true;
}

static int decode(const char *raw, size_t len, struct secret *out, char *why, size_t size)
{
	if (len && raw[len - 1] == '\n')
		len--;
	if (len && raw[len - 1] == '\r')
		len--;
	if (!len) {
		snprintf(why, size, "is empty");
		return -1;
	}
	if (len >= 2 && raw[0] == '0' && raw[1] == 'x') {
		if (from_hex(raw + 2, len - 2, out))
			return 0;
		snprintf(why, size, "starts with 0x but is not an even number of hexadecimal "
			 "digits");
		return -1;
	}
	if (len >= 2 && raw[0] == '0' && raw[1] == 's') {
		if (from_base64(raw + 2, len - 2, out))
			return 0;
		snprintf(why, size, "starts with 0s but is not base64");
		return -1;
	}
	if (secret_set(out, raw, len)) {
		snprintf(why, size, "holds more than %d bytes", SECRET_MAX);
		return -1;
	}
	return 0;
}

int pskfile_read(const char *path, struct secret *out, char *why, size_t size)
{
	/* O_NONBLOCK: a FIFO with this name must not stop the agent. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char raw[PSKFILE_MAX + 1];
	ssize_t got = 0;
	size_t len = 0;
	struct stat st;
	int err = -1;

	secret_clear(out);
	if (fd < 0 || fstat(fd, &st)) {
		snprintf(why, size, "cannot be opened: %s", strerror(errno));
	} else if (owner_and_mode(&st, why, size)) {
		while (len < sizeof(raw) && (got = read(fd, raw + len, sizeof(raw) - len)) > 0)
			len += (size_t)got;
		if (got < 0)
			snprintf(why, size, "cannot be read: %s", strerror(errno));
		else if (len == sizeof(raw))
			snprintf(why, size, "holds more than %d bytes", SECRET_MAX);
		else
			err = decode(raw, len, out, why, size);
	}
	if (err)
		secret_clear(out);
	secret_wipe_object(raw);
	if (fd >= 0)
		close(fd);
	return err;
}
