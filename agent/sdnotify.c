// SPDX-License-Identifier: GPL-2.0-or-later
/* sd_notify(3) in the few lines that it takes. */
#include "sdnotify.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static struct sockaddr_un manager = { .sun_family = AF_UNIX };
static socklen_t manager_len;
static uint64_t watchdog_ms;

void sdnotify_init(void)
{
	const char *path = getenv("NOTIFY_SOCKET"), *usec = getenv("WATCHDOG_USEC");
	const char *pid = getenv("WATCHDOG_PID");
	size_t len = path ? strlen(path) : 0;

	if (len > 1 && len < sizeof(manager.sun_path) && (*path == '/' || *path == '@')) {
		memcpy(manager.sun_path, path, len);
		if (*path == '@')
			manager.sun_path[0] = 0;	/* abstract */
		manager_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	}
	if (usec && (!pid || strtol(pid, NULL, 10) == getpid()))
		watchdog_ms = strtoull(usec, NULL, 10) / 1000 / 2;
	/* The processes that we start must not speak for us. */
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

void sdnotify(const char *state)
{
	int fd;

	if (!manager_len)
		return;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	sendto(fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT,
	       (const struct sockaddr *)&manager, manager_len);
	close(fd);
}

void sdnotify_reloading(void)
{
	struct timespec ts;
	char text[80];

	clock_gettime(CLOCK_MONOTONIC, &ts);
	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%llu",
		 (unsigned long long)ts.tv_sec * 1000000 + (unsigned long long)ts.tv_nsec / 1000);
	sdnotify(text);
}

uint64_t sdnotify_watchdog_ms(void)
{
	return watchdog_ms;
}
