// SPDX-License-Identifier: GPL-2.0
/*
 * Requests and responses of 64 bytes by UDP, one at a time.
 *
 *	rr serve ADDRESS
 *	rr ask ADDRESS COUNT
 *
 * ask prints "p50 p99" in microseconds; an answer that is not there after a
 * second is an error.
 */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define PORT 7
#define COUNT_MAX 1000000

static int die(const char *what)
{
	perror(what);
	return 1;
}

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static int serve(int fd)
{
	struct sockaddr_in from;
	char packet[64];
	ssize_t n;

	for (;;) {
		socklen_t len = sizeof(from);

		n = recvfrom(fd, packet, sizeof(packet), 0, (struct sockaddr *)&from, &len);
		if (n < 0 || sendto(fd, packet, n, 0, (struct sockaddr *)&from, len) != n)
			return die("serve");
	}
}

static int ask(int fd, uint32_t count)
{
	static double times[COUNT_MAX];
	char packet[64] = {};
	uint32_t i, got;

	/* The first one is for neighbours, routes and caches. */
	for (i = 0; i <= count; i++) {
		double start = now_us();

		memcpy(packet, &i, sizeof(i));
		if (send(fd, packet, sizeof(packet), 0) != sizeof(packet))
			return die("send");
		do {
			if (recv(fd, packet, sizeof(packet), 0) != sizeof(packet))
				return die("recv");
			memcpy(&got, packet, sizeof(got));
		} while (got != i);
		if (i)
			times[i - 1] = now_us() - start;
	}
	qsort(times, count, sizeof(*times), compare);
	printf("%.0f %.0f\n", times[count / 2], times[(uint64_t)count * 99 / 100]);
	return 0;
}

int main(int argc, char **argv)
{
	struct sockaddr_in name = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	struct timeval patience = { .tv_sec = 1 };
	int serving = argc == 3 && !strcmp(argv[1], "serve");
	int fd = socket(AF_INET, SOCK_DGRAM, 0), count = argc == 4 ? atoi(argv[3]) : 0;

	if ((!serving && (count < 1 || count > COUNT_MAX)) ||
	    inet_pton(AF_INET, argv[2], &name.sin_addr) != 1) {
		fprintf(stderr, "usage: rr serve ADDRESS | rr ask ADDRESS COUNT\n");
		return 2;
	}
	if (fd < 0 || (serving ? bind : connect)(fd, (struct sockaddr *)&name, sizeof(name)))
		return die(argv[2]);
	if (serving)
		return serve(fd);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return ask(fd, count);
}
