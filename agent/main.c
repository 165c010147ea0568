// SPDX-License-Identifier: GPL-2.0-or-later
/* ipsecvtid: options, signals, the loop. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keeper.h"
#include "log.h"
#include "sdnotify.h"
#include "version.h"

#ifndef IPSECVTI_NET
#define IPSECVTI_NET "/usr/libexec/ipsecvti/ipsecvti-net"
#endif

enum {
	OPT_OWNER = 256,
	OPT_NET,
	OPT_SECCOMP,
};

static void help(void)
{
	fputs("usage: ipsecvtid [options]\n"
	      "  -c, --config DIR     configuration, *.conf (default /etc/ipsecvti)\n"
	      "  -r, --run DIR        sockets and pid file (default /run/ipsecvti)\n"
	      "  -f, --foreground     stay in the foreground (always; for habit's sake)\n"
	      "  -d, --debug          more in the log; twice for still more\n"
	      "      --owner NAME     name under which devices are held (default ipsecvtid)\n"
	      "      --net PATH       the network process\n"
	      "      --seccomp MODE   kill, log or off (default kill)\n"
	      "      --version, -h, --help\n"
	      "signals: HUP reads the configuration again; TERM and INT take the tunnels down\n"
	      "and end; QUIT ends at once and leaves the kernel's SAs as they are\n",
	      stdout);
}

static int usage(const char *why, const char *what)
{
	fprintf(stderr, "ipsecvtid: %s \"%s\" (see ipsecvtid -h)\n", why, what);
	return 2;
}

static bool sandbox_mode(const char *word, enum sandbox_mode *mode)
{
	static const char *const words[] = {
		[SANDBOX_KILL] = "kill", [SANDBOX_LOG] = "log", [SANDBOX_OFF] = "off",
	};
	unsigned int i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(words[i], word))
			continue;
		*mode = i;
		return true;
	}
	return false;
}

/* -1: go on; else the exit status. */
static int options(int argc, char **argv, struct keeper_options *o)
{
	static const struct option table[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "run", required_argument, NULL, 'r' },
		{ "foreground", no_argument, NULL, 'f' },
		{ "debug", no_argument, NULL, 'd' },
		{ "owner", required_argument, NULL, OPT_OWNER },
		{ "net", required_argument, NULL, OPT_NET },
		{ "seccomp", required_argument, NULL, OPT_SECCOMP },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "c:r:fdVh", table, NULL)) != -1) {
		switch (c) {
		case 'c':
			o->confdir = optarg;
			break;
		case 'r':
			o->rundir = optarg;
			break;
		case 'f':
			break;
		case 'd':
			o->debug++;
			break;
		case OPT_OWNER:
			if (!*optarg || strlen(optarg) > IPSECVTI_OWNER_MAX)
				return usage("owner: 1 to 31 characters, not", optarg);
			o->owner = optarg;
			break;
		case OPT_NET:
			o->net_path = optarg;
			break;
		case OPT_SECCOMP:
			if (!sandbox_mode(optarg, &o->sandbox))
				return usage("seccomp: kill, log or off, not", optarg);
			break;
		case 'V':
			puts("ipsecvtid " IPSECVTI_VERSION);
			return 0;
		case 'h':
			help();
			return 0;
		default:
			return usage("unknown option or missing value", argv[optind - 1]);
		}
	}
	return optind < argc ? usage("unexpected", argv[optind]) : -1;
}

static void got_signal(void *arg, int sig)
{
	struct keeper *k = arg;

	if (sig == SIGHUP)
		keeper_reload(k, NULL);
	else
		keeper_stop(k, sig == SIGQUIT);
}

/* Locks the run directory for this process; the descriptor stays open. */
static int pid_file(const char *rundir)
{
	char path[256], text[32];
	int fd, n;

	if (mkdir(rundir, 0755) && errno != EEXIST) {
		log_err("cannot make the run directory", KV_S("dir", rundir),
			KV_ERR("error", errno));
		return -1;
	}
	snprintf(path, sizeof(path), "%s/ipsecvtid.pid", rundir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0) {
		log_err("cannot open the pid file", KV_S("file", path), KV_ERR("error", errno));
		return -1;
	}
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		log_err("another ipsecvtid uses this run directory", KV_S("dir", rundir));
		close(fd);
		return -1;
	}
	n = snprintf(text, sizeof(text), "%d\n", (int)getpid());
	if (ftruncate(fd, 0) || write(fd, text, (size_t)n) != n)
		log_warn("cannot write the pid file", KV_S("file", path));
	return fd;
}

static void remove_pid_file(const char *rundir, int fd)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/ipsecvtid.pid", rundir);
	unlink(path);
	close(fd);
}

/* The door must not land on 0, 1 or 2. */
static void standard_descriptors(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= 2);
	if (fd > 2)
		close(fd);
}

static void harden(int debug)
{
	const struct rlimit none = { 0, 0 };

	/* Neither a core nor a tracer of the same user gets at the secrets. */
	if (!debug)
		setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	umask(022);
}

int main(int argc, char **argv)
{
	static const int sigs[] = { SIGHUP, SIGTERM, SIGINT, SIGQUIT };
	static struct keeper k = {
		.opt = {
			.confdir = "/etc/ipsecvti",
			.rundir = "/run/ipsecvti",
			.net_path = IPSECVTI_NET,
			.owner = "ipsecvtid",
			.sandbox = SANDBOX_KILL,
		},
		.exit_status = 0,
	};
	int status = options(argc, argv, &k.opt), lock;

	if (status >= 0)
		return status;
	standard_descriptors();
	log_ident("ipsecvtid");
	if (k.opt.debug)
		log_level(LOG_DEBUG);
	harden(k.opt.debug);
	sdnotify_init();
	signal(SIGPIPE, SIG_IGN);
	k.loop = loop_new();
	if (!k.loop || loop_signals(k.loop, sigs, 4, got_signal, &k)) {
		log_err("no event loop", KV_ERR("error", errno));
		return 1;
	}
	lock = pid_file(k.opt.rundir);
	if (lock < 0)
		return 1;
	status = keeper_start(&k);
	if (!status)
		status = loop_run(k.loop) ? 1 : k.exit_status;
	keeper_free(&k);
	loop_free(k.loop);
	remove_pid_file(k.opt.rundir, lock);
	return status;
}
