/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keeper's kernel as a table, so that what reaches it can be seen. */
#ifndef AGENT_TESTS_KEEPER_KERNEL_H
#define AGENT_TESTS_KEEPER_KERNEL_H

#include "nl_vti.h"

#define KERNEL_SAS	200

struct keeper_kernel {
	struct nlv_sa sa[KERNEL_SAS];
	unsigned int n_sas, calls, out_sets, dev_sets;
	uint32_t next_spi, touched;	/* dev_id of the last write */
	bool forced;
	struct nlv_dev_patch patch;
	struct nlv_sa_new last;
};

extern struct keeper_kernel kernel;

void kernel_sa(uint32_t dev_id, uint32_t dir, uint32_t spi);	/* adds one */

#endif
