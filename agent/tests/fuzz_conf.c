// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libFuzzer harness: a configuration file, with what is said of its errors. One
 * without errors means the same when it is printed and read again.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static char dir[] = "/tmp/fuzz_conf.XXXXXX", path[sizeof(dir) + 8];

static void leave(void)
{
	unlink(path);
	rmdir(dir);
}

static struct conf *read_text(const void *text, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, text, len) != (ssize_t)len || close(fd))
		abort();
	return conf_read(dir, CONF_NO_SECRETS);
}

static void again(const struct conf *c)
{
	char *text;
	size_t len;
	FILE *to = open_memstream(&text, &len);
	struct conf *d;

	conf_print(c, to);
	fclose(to);
	d = read_text(text, len);
	if (d->n_errors || d->n_tunnels != c->n_tunnels)
		abort();
	for (size_t i = 0; i < c->n_tunnels; i++)
		if (memcmp(&c->tunnels[i]->t, &d->tunnels[i]->t, sizeof(d->tunnels[i]->t)))
			abort();
	conf_free(d);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct conf *c;

	if (!*path) {
		umask(077);
		if (!mkdtemp(dir))
			abort();
		snprintf(path, sizeof(path), "%s/x.conf", dir);
		atexit(leave);
	}
	c = read_text(data, len);
	if (c && !c->n_errors)
		again(c);
	conf_free(c);
	return 0;
}
