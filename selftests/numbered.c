// SPDX-License-Identifier: GPL-2.0
/*
 * Numbered UDP packets: proves that what was sent is what arrived.
 *
 *	numbered send ADDRESS PORT RATE SECONDS [SIZE]
 *	numbered receive ADDRESS PORT
 *
 * A packet holds its number and bytes that follow from the number. The
 * receiver runs until SIGTERM or SIGINT. Both end with a line of key=value
 * pairs that a shell can read; what is missing below the highest number goes
 * to standard error, as ranges.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SIZE_MAX_UDP	65507
#define NUMBERS_MAX	(1u << 26)
#define RANGES_MAX	20
#define NS_PER_SECOND	1000000000ull

static volatile sig_atomic_t stop;

static void on_signal(int signal)
{
	(void)signal;
	stop = 1;
}

static void die(const char *what)
{
	fprintf(stderr, "numbered: %s: %s\n", what, strerror(errno));
	exit(2);
}

static int open_socket(const char *address, const char *port, int passive)
{
	struct timeval timeout = { .tv_usec = 200000 };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(atoi(port)) };
	struct sockaddr_in in4 = { .sin_family = AF_INET, .sin_port = htons(atoi(port)) };
	struct sockaddr *name = (struct sockaddr *)&in4;
	socklen_t length = sizeof(in4);
	int buffer = 8 << 20;
	int fd;

	if (inet_pton(AF_INET6, address, &in6.sin6_addr) == 1) {
		name = (struct sockaddr *)&in6;
		length = sizeof(in6);
	} else if (inet_pton(AF_INET, address, &in4.sin_addr) != 1) {
		errno = EINVAL;
		die(address);
	}
	fd = socket(name->sa_family, SOCK_DGRAM, 0);
	if (fd < 0)
		die("socket");
	if (!passive) {
		if (connect(fd, name, length))
			die("connect");
		return fd;
	}
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
	/* A signal may come right before recv. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)))
		die("SO_RCVTIMEO");
	if (bind(fd, name, length))
		die("bind");
	return fd;
}

static void fill(unsigned char *packet, size_t size, uint64_t number)
{
	size_t i;

	memcpy(packet, &number, sizeof(number));
	for (i = sizeof(number); i < size; i++)
		packet[i] = (unsigned char)(number * 31 + i);
}

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * NS_PER_SECOND + t.tv_nsec;
}

static void sleep_until(uint64_t when)
{
	struct timespec t = { .tv_sec = when / NS_PER_SECOND, .tv_nsec = when % NS_PER_SECOND };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR && !stop)
		;
}

/* A packet that the host refuses to send (ENOBUFS, ENETDOWN ...) has a number too: it is lost. */
static int do_send(const char *address, const char *port, unsigned int rate, unsigned int seconds,
		   size_t size)
{
	unsigned char packet[SIZE_MAX_UDP];
	uint64_t total = (uint64_t)rate * seconds;
	int fd = open_socket(address, port, 0);
	unsigned long refused = 0;
	uint64_t start = now();
	uint64_t number;

	for (number = 0; number < total && !stop; number++) {
		sleep_until(start + number * NS_PER_SECOND / rate);
		fill(packet, size, number);
		/* A late ICMP error is reported once and says nothing of this packet. */
		if (send(fd, packet, size, 0) < 0 && send(fd, packet, size, 0) < 0)
			refused++;
	}
	printf("sent=%llu refused=%lu\n", (unsigned long long)number, refused);
	return 0;
}

static int has(const unsigned char *seen, uint64_t number)
{
	return seen[number / 8] >> number % 8 & 1;
}

static void print_missing(const unsigned char *seen, uint64_t end)
{
	unsigned int ranges = 0;
	uint64_t number, first;

	fprintf(stderr, "missing:");
	for (number = 0; number < end; number++) {
		if (has(seen, number))
			continue;
		if (++ranges > RANGES_MAX) {
			fprintf(stderr, " ...");
			break;
		}
		first = number;
		while (number + 1 < end && !has(seen, number + 1))
			number++;
		fprintf(stderr, " %llu-%llu", (unsigned long long)first,
			(unsigned long long)number);
	}
	fprintf(stderr, "\n");
}

static int do_receive(const char *address, const char *port)
{
	unsigned char packet[SIZE_MAX_UDP], wanted[SIZE_MAX_UDP];
	unsigned char *seen = calloc(1, NUMBERS_MAX / 8);
	unsigned long received = 0, duplicates = 0, corrupt = 0, late = 0;
	int fd = open_socket(address, port, 1);
	uint64_t number, next = 0;
	ssize_t size;

	if (!seen)
		die("memory");
	for (;;) {
		/* What has arrived before the signal counts. */
		size = recv(fd, packet, sizeof(packet), stop ? MSG_DONTWAIT : 0);
		if (size < 0 && stop)
			break;
		if (size < 0)
			continue;
		memcpy(&number, packet, sizeof(number));
		if (size < (ssize_t)sizeof(number) || number >= NUMBERS_MAX) {
			corrupt++;
			continue;
		}
		fill(wanted, size, number);
		if (memcmp(packet, wanted, size)) {
			corrupt++;
		} else if (has(seen, number)) {
			duplicates++;
		} else {
			seen[number / 8] |= 1 << number % 8;
			received++;
			late += number < next;
			next = number >= next ? number + 1 : next;
		}
	}
	printf("received=%lu duplicates=%lu corrupt=%lu late=%lu next=%llu\n", received, duplicates,
	       corrupt, late, (unsigned long long)next);
	print_missing(seen, next);
	return 0;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_signal };

	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc >= 6 && argc <= 7 && !strcmp(argv[1], "send")) {
		unsigned int rate = atoi(argv[4]), seconds = atoi(argv[5]);
		size_t size = argc == 7 ? strtoul(argv[6], NULL, 10) : 64;

		if (rate && seconds && size >= 8 && size <= SIZE_MAX_UDP)
			return do_send(argv[2], argv[3], rate, seconds, size);
	} else if (argc == 4 && !strcmp(argv[1], "receive")) {
		return do_receive(argv[2], argv[3]);
	}
	fprintf(stderr, "usage: numbered send ADDRESS PORT RATE SECONDS [SIZE]\n"
			"       numbered receive ADDRESS PORT\n");
	return 2;
}
