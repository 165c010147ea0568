// SPDX-License-Identifier: GPL-2.0-or-later
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include <linux/ipsecvti.h>

#include "impair.h"

#ifdef IPSECVTI_IMPAIR
void (*impair_hook)(const char *point);

static volatile sig_atomic_t left;	/* so many points to live for; 0: no end is set */
static const struct ike_ops *real;

static void die(const char *point)
{
	dprintf(STDERR_FILENO, "killed: %s\n", point);
	raise(SIGKILL);
}

void impair_point(const char *point)
{
	if (impair_hook)
		impair_hook(point);
	if (left && !--left)
		die(point);
}

static void armed(int sig, siginfo_t *info, void *context)
{
	left = info->si_value.sival_int;
}

void impair_listen(void)
{
	struct sigaction sa = { .sa_sigaction = armed, .sa_flags = SA_SIGINFO | SA_RESTART };

	sigaction(SIGRTMIN, &sa, NULL);
}

#define AROUND(name, call) do {				\
	int err_;					\
							\
	impair_point("before-" name);			\
	err_ = call;					\
	impair_point("after-" name);			\
	return err_;					\
} while (0)

static void do_send(void *ctx, const struct addr *local, const struct addr *remote, bool marker,
		    const uint8_t *msg, size_t len)
{
	impair_point("before-send");
	real->send(ctx, local, remote, marker, msg, len);
	impair_point("after-send");
}

static int do_auth_mac(void *ctx, uint32_t tunnel, uint32_t key, uint16_t prf,
		       const uint8_t *octets, size_t len, struct door_mac *mac)
{
	AROUND("sign", real->auth_mac(ctx, tunnel, key, prf, octets, len, mac));
}

static int do_auth_verify(void *ctx, uint32_t tunnel, uint16_t prf, const uint8_t *octets,
			  size_t len, const uint8_t *mac, size_t mac_len, uint32_t *key)
{
	AROUND("verify", real->auth_verify(ctx, tunnel, prf, octets, len, mac, mac_len, key));
}

static int do_spi_alloc(void *ctx, uint32_t tunnel, uint32_t *spi)
{
	AROUND("reserve", real->spi_alloc(ctx, tunnel, spi));
}

static int do_sa_new(void *ctx, const struct door_sa_new *sa, uint32_t *sa_id)
{
	if (sa->dir == IPSECVTI_DIR_IN)
		AROUND("install-in", real->sa_new(ctx, sa, sa_id));
	AROUND("install-out", real->sa_new(ctx, sa, sa_id));
}

static int do_sa_del(void *ctx, uint32_t tunnel, uint32_t sa_id)
{
	AROUND("remove", real->sa_del(ctx, tunnel, sa_id));
}

static int do_out_set(void *ctx, const struct door_out_set *set)
{
	AROUND("switch", real->out_set(ctx, set));
}

static int do_sa_list(void *ctx, uint32_t tunnel, struct door_sa_list *list)
{
	AROUND("list", real->sa_list(ctx, tunnel, list));
}

static int do_endpoint(void *ctx, const struct door_endpoint *ep)
{
	AROUND("endpoint", real->endpoint(ctx, ep));
}

static void do_note(void *ctx, uint32_t tunnel, const char *text)
{
	impair_point("before-note");
	real->note(ctx, tunnel, text);
	impair_point("after-note");
}

static int do_source(void *ctx, const struct addr *remote, struct addr *local)
{
	AROUND("source", real->source(ctx, remote, local));
}

const struct ike_ops *impair_ops(const struct ike_ops *ops)
{
	static const struct ike_ops around = {
		.send = do_send, .auth_mac = do_auth_mac, .auth_verify = do_auth_verify,
		.spi_alloc = do_spi_alloc, .sa_new = do_sa_new, .sa_del = do_sa_del,
		.out_set = do_out_set, .sa_list = do_sa_list, .endpoint = do_endpoint,
		.note = do_note, .source = do_source,
	};

	real = ops;
	return &around;
}
#endif
