/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a device writes into outer headers, as people write it: the same words
 * on the command line and in the configuration.
 */
#ifndef AGENT_OUTER_H
#define AGENT_OUTER_H

#include <stdbool.h>

#include "nl_vti.h"

extern const char *const outer_df_names[];

/* Whether key is one of df, dscp, ttl, min-pmtu and mark. */
bool outer_has(const char *key);
/* Marks it in the patch. NULL, or what the value is not, to be put behind it: "is not ...". */
const char *outer_take(struct nlv_dev_patch *p, const char *key, const char *text);

/* Leaves what the device doesn't have yet; false: nothing. oif, the addresses aside. */
bool outer_changes(struct nlv_dev_patch *p, const struct nlv_dev *dev);

#endif
