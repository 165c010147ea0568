// SPDX-License-Identifier: GPL-2.0-or-later
/* The resolver's child: that cannot be made, and that lies. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "addr.h"
#include "keeper.h"
#include "log.h"
#include "tap.h"

static pid_t fork_gives, killed;
static unsigned int updates;
static struct ktunnel kt;

pid_t fork(void)
{
	errno = EAGAIN;
	return fork_gives;
}

int kill(pid_t pid, int sig)
{
	killed = pid;
	return 0;
}

struct ktunnel *keeper_tunnel(struct keeper *k, uint32_t id)
{
	return id == kt.t.id ? &kt : NULL;
}

void keeper_update(struct ktunnel *t)
{
	updates++;
}

static void quiet(void *arg, int priority, const char *line)
{
}

int main(void)
{
	struct keeper k = { .loop = loop_new(), .tunnels = &kt };
	struct resolver *r = resolver_new(&k);

	log_sink(quiet, NULL);
	kt.k = &k;
	kt.t.id = 1;
	kt.n_names = 1;
	strcpy(kt.names[0], "gw.invalid");
	fork_gives = -1;
	resolver_run(r);
	ok(!killed, "no process for it: nobody is killed instead (%d)", (int)killed);
	ok(!kt.resolving && kt.resolve_at > loop_now(k.loop), "it is tried again later");
	kt.resolve_at = 0;
	fork_gives = 999999;	/* one that says nothing and is not there */
	resolver_run(r);
	ok(kt.resolving && !killed, "a child that was made");
	loop_once(k.loop, 0);
	ok(!kt.resolving && killed == 999999 && !updates, "has closed its end: over");
	resolver_free(r);
	loop_free(k.loop);
	return done();
}
