// SPDX-License-Identifier: GPL-2.0-or-later
/* Starting, watching and restarting ipsecvti-net; the queue of what it is told. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/landlock.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fault.h"
#include "keeper.h"
#include "log.h"

#define OUT_MAX		(64u << 20)	/* bytes waiting for a net that does not read */
#define STORE_MAX	(512u << 20)
#define PING_MS		10000
#define HANG_MS		30000
#define SHUT_MS		1000	/* from the end of the door to that of the process */
#ifndef BACKOFF_MAX_MS	/* tests have it die more often than anybody could wait for */
#define BACKOFF_MAX_MS	30000
#endif
#define ROUND		64	/* messages read before other descriptors get their turn */

struct out_msg {
	struct out_msg *next;
	uint16_t type;
	uint32_t tag;
	int32_t err;
	size_t len;
	_Alignas(16) uint8_t body[];
};

/* ---- what the child may still do ---- */

/*
 * After exec net reads its libraries, and nothing else ever: seccomp forbids
 * open(), but only once net has it. A kernel without Landlock goes without.
 */
static void confine_files(const char *net_path)
{
	const struct {
		const char *path;
		uint64_t access;
	} rules[] = {
		{ "/usr/lib", LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_EXECUTE },
		{ "/lib", LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_EXECUTE },
		{ "/lib64", LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_EXECUTE },
		{ "/etc/ld.so.cache", LANDLOCK_ACCESS_FS_READ_FILE },
		{ net_path, LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_EXECUTE },
	};
	struct landlock_ruleset_attr attr = {
		.handled_access_fs = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1,
	};
	int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	size_t i;

	for (i = 0; ruleset >= 0 && i < sizeof(rules) / sizeof(rules[0]); i++) {
		struct landlock_path_beneath_attr rule = {
			.allowed_access = rules[i].access,
			.parent_fd = open(rules[i].path, O_PATH | O_CLOEXEC),
		};

		if (rule.parent_fd >= 0)
			syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule,
				0);
		close(rule.parent_fd);
	}
	if (ruleset >= 0)
		syscall(SYS_landlock_restrict_self, ruleset, 0);
}

static void limit(__rlimit_resource_t what, rlim_t value)
{
	struct rlimit r = { value, value };

	setrlimit(what, &r);
}

static void drop_limits(bool core)
{
	limit(RLIMIT_CORE, core ? RLIM_INFINITY : 0);
	limit(RLIMIT_NOFILE, 64);
	limit(RLIMIT_FSIZE, STORE_MAX);	/* what the store's memfd can be made to grow to */
	limit(RLIMIT_MEMLOCK, RLIM_INFINITY);
}

/* Never returns to a process with rights: false means that the child must go. */
static bool drop_rights(const struct netproc *n)
{
	int cap;

	for (cap = 0; cap <= 63; cap++)
		prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	if (!geteuid() && (setgroups(0, NULL) || setresgid(n->gid, n->gid, n->gid) ||
			   setresuid(n->uid, n->uid, n->uid)))
		return false;
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) && (n->uid == 0 || geteuid() != 0);
}

static void child(struct keeper *k, int door, pid_t parent)
{
	char *argv[] = { (char *)(uintptr_t)"ipsecvti-net", NULL, NULL, NULL };
	char journal[128] = "", asan[512] = "", faults[512] = "";
	char *envp[] = { journal, asan, faults, NULL };
	sigset_t none;

	if (k->opt.debug)
		argv[1] = (char *)(uintptr_t)(k->opt.debug > 1 ? "-dd" : "-d");
	if (getenv("JOURNAL_STREAM"))
		snprintf(journal, sizeof(journal), "JOURNAL_STREAM=%s", getenv("JOURNAL_STREAM"));
	if (getenv("ASAN_OPTIONS"))
		snprintf(asan, sizeof(asan), "ASAN_OPTIONS=%s", getenv("ASAN_OPTIONS"));
	if (!k->net.restarts)
		fault_environment(faults, sizeof(faults));
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* The descriptor may be 3 already, and then dup2() would leave it close-on-exec. */
	if (door == DOOR_FD ? fcntl(door, F_SETFD, 0) < 0 : dup2(door, DOOR_FD) < 0)
		_exit(125);
	if (close_range(DOOR_FD + 1, ~0u, 0))
		_exit(125);
	drop_limits(k->opt.debug > 0);
	if (!drop_rights(&k->net))
		_exit(125);
	limit(RLIMIT_NPROC, 0);	/* not before the change of user: exec would look at it */
	/* After the change of user, which clears it; a keeper that died before is not missed. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) || getppid() != parent)
		_exit(125);
	if (k->opt.sandbox == SANDBOX_KILL)
		confine_files(k->opt.net_path);
	execve(k->opt.net_path, argv, envp);
	_exit(126);
}

/* ---- the queue ---- */

static void queue_clear(struct netproc *n)
{
	struct out_msg *m;

	while ((m = n->out_head)) {
		n->out_head = m->next;
		explicit_bzero(m->body, m->len);
		free(m);
	}
	n->out_tail = &n->out_head;
	n->out_bytes = 0;
}

static void queue_flush(struct keeper *k)
{
	struct netproc *n = &k->net;
	struct out_msg *m;
	int err = 0;

	while ((m = n->out_head)) {
		err = door_send(n->door, m->type, m->tag, m->err, m->body, m->len, NULL, 0);
		if (err)
			break;
		n->out_head = m->next;
		if (!n->out_head)
			n->out_tail = &n->out_head;
		n->out_bytes -= sizeof(*m) + m->len;
		explicit_bzero(m->body, m->len);
		free(m);
	}
	if (err && err != -EAGAIN) {
		net_kill(k, "the door is broken");
		return;
	}
	loop_fd_mod(k->loop, &n->door_watch, n->out_head ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static void queue(struct keeper *k, uint16_t type, uint32_t tag, int32_t err, const void *body,
		  size_t len)
{
	struct netproc *n = &k->net;
	struct out_msg *m;

	if (!n->door_watch.watched)
		return;		/* none, or one that is being ended */
	if (n->out_bytes + sizeof(*m) + len > OUT_MAX) {
		net_kill(k, "it does not read what it is told");
		return;
	}
	m = malloc(sizeof(*m) + len);
	if (!m) {
		net_kill(k, "no memory for the door");
		return;
	}
	*m = (struct out_msg){ .type = type, .tag = tag, .err = err, .len = len };
	if (len)
		memcpy(m->body, body, len);
	*n->out_tail = m;
	n->out_tail = &m->next;
	n->out_bytes += sizeof(*m) + len;
	queue_flush(k);
}

void net_tell(struct keeper *k, uint16_t type, const void *body, size_t len)
{
	queue(k, type, 0, 0, body, len);
}

void net_reply(struct keeper *k, uint32_t tag, int err, const void *body, size_t len)
{
	queue(k, DOOR_REPLY, tag, err, err ? NULL : body, err ? 0 : len);
}

void net_ask_status(struct keeper *k)
{
	struct door_id all = { 0 };

	if (!k->net.ready)
		return;
	if (k->net.status_sent == k->net.status_done)
		k->net.status_asked_ms = loop_now(k->loop);
	k->net.status_sent++;
	net_tell(k, DOOR_STATUS_GET, &all, sizeof(all));
}

/* ---- watching ---- */

static void door_ready(void *arg, uint32_t events)
{
	struct keeper *k = arg;
	struct door_msg m;
	int err = 0, i;

	if (events & EPOLLOUT)
		queue_flush(k);
	for (i = 0; i < ROUND && !err && k->net.door_watch.watched; i++) {
		err = door_recv(k->net.door, &k->buf, &m);
		if (!err)
			door_serve(k, &m);
	}
	/* Keys of new SAs came through here. */
	explicit_bzero(&k->buf, sizeof(k->buf));
	if (err == -EBADMSG) {
		net_kill(k, "it broke the rules of the door");
	} else if (err && err != -EAGAIN && k->net.door_watch.watched) {
		/* The pidfd tells the rest, unless it lives without a door. */
		loop_fd_del(k->loop, &k->net.door_watch);
		if (!loop_timer_armed(&k->net.kill))
			loop_timer_in(k->loop, &k->net.kill, SHUT_MS);
	}
}

void net_kill(struct keeper *k, const char *why)
{
	if (!k->net.pid)
		return;
	log_err("ending ipsecvti-net", KV_S("why", why), KV_D("pid", k->net.pid));
	kill(k->net.pid, SIGKILL);
	loop_fd_del(k->loop, &k->net.door_watch);
}

static void hung(void *arg)
{
	struct keeper *k = arg;

	net_kill(k, "it does not end");
}

static void ping(void *arg)
{
	struct keeper *k = arg;
	struct netproc *n = &k->net;
	uint64_t now = loop_now(k->loop);

	loop_timer_in(k->loop, &n->ping, PING_MS);
	if (n->stopping || !n->pid)
		return;
	if (n->status_sent != n->status_done) {
		if (now - n->status_asked_ms > HANG_MS)
			net_kill(k, "it does not answer");
	} else if (!n->ready && now - n->started_ms > HANG_MS) {
		net_kill(k, "it does not become ready");
	} else {
		net_ask_status(k);
	}
}

static void count_death(struct keeper *k)
{
	struct netproc *n = &k->net;
	uint64_t now = loop_now(k->loop), first;

	memmove(&n->deaths[0], &n->deaths[1], sizeof(n->deaths[0]) * (DEATHS - 1));
	n->deaths[DEATHS - 1] = now;
	first = n->deaths[0];
	n->failed_starts = n->ready ? 0 : n->failed_starts + 1;
	if (!first || now - first > DEATH_WINDOW_MS)
		n->backoff_ms = 0;
	else
		n->backoff_ms = n->backoff_ms ? n->backoff_ms * 2 : 1000;
	if (n->backoff_ms > BACKOFF_MAX_MS)
		n->backoff_ms = BACKOFF_MAX_MS;
}

static int new_store(struct netproc *n)
{
	if (n->store >= 0)
		close(n->store);
	n->store = memfd_create("ipsecvti-state", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	return n->store < 0 ? -errno : 0;
}

static void died(void *arg, uint32_t events)
{
	struct keeper *k = arg;
	struct netproc *n = &k->net;
	siginfo_t si = { 0 };

	if (waitid(P_PIDFD, (id_t)n->pidfd, &si, WEXITED | WNOHANG) || !si.si_pid)
		return;
	loop_fd_del(k->loop, &n->pid_watch);
	loop_fd_del(k->loop, &n->door_watch);
	loop_timer_stop(k->loop, &n->kill);
	close(n->pidfd);
	close(n->door);
	n->pidfd = -1;
	n->door = -1;
	n->pid = 0;
	queue_clear(n);
	keeper_net_gone(k);
	if (n->stopping) {
		loop_stop(k->loop);
		return;
	}
	count_death(k);
	n->ready = false;
	log_err("ipsecvti-net died", KV_S(si.si_code == CLD_EXITED ? "exit" : "signal",
		si.si_code == CLD_EXITED ? "status" : strsignal(si.si_status)),
		KV_D("status", si.si_status), KV_U("restart_in_ms", n->backoff_ms));
	if (n->failed_starts >= DEATHS) {
		log_err("ipsecvti-net cannot use its stored state; starting without it");
		new_store(n);
		n->failed_starts = 0;
	}
	n->restarts++;
	loop_timer_in(k->loop, &n->restart, n->backoff_ms);
}

/* ---- starting ---- */

static int say_hello(struct keeper *k)
{
	struct netproc *n = &k->net;
	struct door_hello hello = { .version = DOOR_VERSION, .n_socks = k->udp.n };
	int fds[DOOR_FDS_MAX] = { n->store, n->program };
	unsigned int i;

	for (i = 0; i < k->udp.n; i++) {
		hello.socks[i].local = k->udp.sock[i].local;
		hello.socks[i].marker = k->udp.sock[i].marker;
		fds[2 + i] = k->udp.sock[i].fd;
	}
	return door_send(n->door, DOOR_HELLO, 0, 0, &hello, sizeof(hello), fds, 2 + k->udp.n);
}

static int spawn(struct keeper *k)
{
	struct netproc *n = &k->net;
	int pair[2], size = 4 << 20, err;
	pid_t parent = getpid();

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	setsockopt(pair[0], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	n->pid = fork();
	if (!n->pid)
		child(k, pair[1], parent);
	err = n->pid < 0 ? -errno : 0;
	close(pair[1]);
	if (!err) {
		n->pidfd = pidfd_open(n->pid, 0);
		if (n->pidfd < 0 || fcntl(pair[0], F_SETFL, O_NONBLOCK) < 0)
			err = -errno;
	}
	if (err) {
		if (n->pid > 0) {
			kill(n->pid, SIGKILL);
			waitpid(n->pid, NULL, 0);
		}
		n->pid = 0;
		close(pair[0]);
		return err;
	}
	n->door = pair[0];
	return 0;
}

void net_start(struct keeper *k)
{
	struct netproc *n = &k->net;
	struct ktunnel *kt;
	int err = spawn(k);

	if (err) {
		log_err("cannot start ipsecvti-net", KV_S("program", k->opt.net_path),
			KV_ERR("error", err));
		loop_timer_in(k->loop, &n->restart, 5000);
		return;
	}
	n->ready = false;
	n->status_sent = 0;
	n->status_done = 0;
	n->started_ms = loop_now(k->loop);
	loop_fd_add(k->loop, &n->pid_watch, n->pidfd, EPOLLIN);
	loop_fd_add(k->loop, &n->door_watch, n->door, EPOLLIN);
	err = say_hello(k);
	if (err) {
		net_kill(k, "it did not take the hello");
		return;
	}
	for (kt = k->tunnels; kt; kt = kt->next) {
		memset(&kt->told, 0, sizeof(kt->told));
		keeper_update(kt);
	}
	net_tell(k, DOOR_GO, NULL, 0);
}

/* From here on net listens to strangers: its state keeps the size that it has given it. */
void net_ready(struct keeper *k)
{
	k->net.ready = true;
	k->net.failed_starts = 0;
	if (fcntl(k->net.store, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK))
		log_warn("the state cannot be sealed", KV_ERR("error", errno));
}

static void restart(void *arg)
{
	net_start(arg);
}

/* Runs as its own user, or at least as nobody. */
static int find_user(struct netproc *n)
{
	const struct passwd *pw = getpwnam("_ipsecvti");

	if (!pw)
		pw = getpwnam("nobody");
	n->uid = pw ? pw->pw_uid : 65534;
	n->gid = pw ? pw->pw_gid : 65534;
	if (!n->uid) {
		log_err("the user for ipsecvti-net is root");
		return -EPERM;
	}
	return 0;
}

int net_prepare(struct keeper *k)
{
	struct netproc *n = &k->net;
	int err;

	n->pidfd = -1;
	n->door = -1;
	n->store = -1;
	n->out_tail = &n->out_head;
	n->pid_watch = (struct loop_fd){ .ready = died, .arg = k };
	n->door_watch = (struct loop_fd){ .ready = door_ready, .arg = k };
	n->restart = (struct loop_timer)LOOP_TIMER(restart, k);
	n->kill = (struct loop_timer)LOOP_TIMER(hung, k);
	n->ping = (struct loop_timer)LOOP_TIMER(ping, k);
	n->program = sandbox_program(k->opt.sandbox);
	if (n->program < 0) {
		log_err("cannot make the seccomp program", KV_ERR("error", n->program));
		return n->program;
	}
	err = new_store(n);
	if (err)
		log_err("no memory file for the state", KV_ERR("error", err));
	if (!err)
		err = find_user(n);
	if (!err && access(k->opt.net_path, X_OK)) {
		err = -errno;
		log_err("cannot run the network process", KV_S("program", k->opt.net_path),
			KV_ERR("error", err));
	}
	loop_timer_in(k->loop, &n->ping, PING_MS);
	return err;
}

void net_free(struct keeper *k)
{
	struct netproc *n = &k->net;

	if (n->pid) {
		kill(n->pid, SIGKILL);
		waitpid(n->pid, NULL, 0);
		close(n->pidfd);
		close(n->door);
	}
	queue_clear(n);
	if (n->store >= 0)
		close(n->store);
	if (n->program >= 0)
		close(n->program);
}
