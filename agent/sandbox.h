/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The seccomp program of net: made here with libseccomp, loaded there without it. */
#ifndef AGENT_SANDBOX_H
#define AGENT_SANDBOX_H

enum sandbox_mode {
	SANDBOX_KILL,		/* a call that net has no business with ends it */
	SANDBOX_LOG,		/* is logged by the kernel and let through: for finding out */
	SANDBOX_OFF,		/* an empty program: for sanitizers */
};

/* A memfd with struct sock_filter[], sealed; or a negative errno. */
int sandbox_program(enum sandbox_mode mode);

#endif
