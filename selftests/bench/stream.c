// SPDX-License-Identifier: GPL-2.0
/*
 * A TCP stream from one network namespace to another.
 *
 *	stream FROM TO ADDRESS MEGABYTES
 *
 * Prints the microseconds that it took, and how many of these the first
 * processor was idle. iperf3 does not do for counting instructions: while a
 * short stream is under way, it turns around in circles until a second is over.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "card/mark.h"

static char buffer[128 << 10];

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000ull + t.tv_nsec / 1000;
}

static uint64_t idle_us(void)
{
	FILE *file = fopen("/proc/timer_list", "r");
	unsigned long long ns = 0;
	char line[256];

	if (!file)
		die("/proc/timer_list");
	while (!ns && fgets(line, sizeof(line), file))
		sscanf(line, " .idle_sleeptime : %llu", &ns);
	fclose(file);
	return ns / 1000;
}

static int tcp_in(const char *netns)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "/run/netns/%s", netns);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		die(path);
	close(fd);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	if (fd < 0)
		die("socket");
	return fd;
}

static void send_all(int fd, uint64_t left)
{
	ssize_t n;

	for (; left; left -= n) {
		n = write(fd, buffer, left < sizeof(buffer) ? left : sizeof(buffer));
		if (n <= 0)
			die("write");
	}
	exit(0);
}

int main(int argc, char **argv)
{
	struct sockaddr_in name = { .sin_family = AF_INET };
	socklen_t len = sizeof(name);
	uint64_t bytes = argc == 5 ? strtoull(argv[4], NULL, 0) << 20 : 0, start, idle, left;
	int from, to, status;
	ssize_t n;

	if (!bytes || inet_pton(AF_INET, argv[3], &name.sin_addr) != 1) {
		fprintf(stderr, "usage: stream FROM TO ADDRESS MEGABYTES\n");
		return 2;
	}
	from = tcp_in(argv[1]);
	to = tcp_in(argv[2]);
	if (bind(to, (struct sockaddr *)&name, sizeof(name)) || listen(to, 1) ||
	    getsockname(to, (struct sockaddr *)&name, &len))
		die("listen");
	if (connect(from, (struct sockaddr *)&name, sizeof(name)))
		die("connect");
	to = accept(to, NULL, NULL);
	if (to < 0)
		die("accept");
	idle = idle_us();
	start = now_us();
	mark_begin();
	if (!fork())
		send_all(from, bytes);
	for (left = bytes; left; left -= n) {
		n = read(to, buffer, sizeof(buffer));
		if (n <= 0)
			die("read");
	}
	mark_end();
	start = now_us() - start;
	idle = idle_us() - idle;
	wait(&status);
	printf("%llu %llu\n", (unsigned long long)start, (unsigned long long)idle);
	return status != 0;
}
