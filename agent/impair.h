/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Named crash points, in test builds only (-DIPSECVTI_IMPAIR): one before and
 * one after everything that outlives the process or leaves it, which is each
 * operation of struct ike_ops (impair_ops() sees to that) and each write to the
 * store, and one in the middle of such a write.
 *
 * The simulator sets impair_hook. ipsecvti-net dies by SIGKILL at the nth point
 * that it passes after SIGRTMIN has come with n as its value, and says at which;
 * the next process knows nothing of that.
 */
#ifndef AGENT_IMPAIR_H
#define AGENT_IMPAIR_H

#include "ike.h"

#ifdef IPSECVTI_IMPAIR
extern void (*impair_hook)(const char *point);
void impair_point(const char *point);
const struct ike_ops *impair_ops(const struct ike_ops *ops);
void impair_listen(void);
#else
static inline void impair_point(const char *point)
{
	(void)point;
}

static inline const struct ike_ops *impair_ops(const struct ike_ops *ops)
{
	return ops;
}

static inline void impair_listen(void)
{
}
#endif

#endif
