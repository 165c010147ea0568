// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdlib.h>

#include "keeper_kernel.h"

struct keeper_kernel kernel;

int nlv_open(struct nlv **out)
{
	return -ENOENT;
}

void nlv_close(struct nlv *n)
{
}

const char *nlv_text(const struct nlv *n)
{
	return "";
}

int nlv_subscribe(struct nlv *n)
{
	return 0;
}

int nlv_fd(const struct nlv *n)
{
	return -1;
}

int nlv_event_read(struct nlv *n, struct nlv_event *ev)
{
	return -EAGAIN;
}

size_t nlv_suite_key_len(uint32_t suite)
{
	return suite == IPSECVTI_SUITE_AES128GCM16 ? 20 : 0;
}

int nlv_dev_dump(struct nlv *n, bool stats, struct nlv_dev **devs, size_t *count)
{
	*devs = NULL;
	*count = 0;
	return 0;
}

int nlv_dev_get(struct nlv *n, const struct nlv_who *who, bool stats, struct nlv_dev *dev)
{
	*dev = (struct nlv_dev){ .dev_id = who->dev_id, .encap = IPSECVTI_ENCAP_UDP };
	return 0;
}

static void touch(const struct nlv_who *who)
{
	kernel.calls++;
	kernel.touched = who->dev_id;
	kernel.forced = who->force;
}

int nlv_dev_set(struct nlv *n, const struct nlv_who *who, const struct nlv_dev_patch *patch)
{
	touch(who);
	kernel.dev_sets++;
	kernel.patch = *patch;
	return 0;
}

int nlv_spi_alloc(struct nlv *n, const struct nlv_who *who, uint32_t *spi)
{
	touch(who);
	*spi = kernel.next_spi++;
	return 0;
}

void kernel_sa(uint32_t dev_id, uint32_t dir, uint32_t spi)
{
	struct nlv_sa *s = &kernel.sa[kernel.n_sas++];

	*s = (struct nlv_sa){ .sa_id = kernel.n_sas, .dev_id = dev_id, .dir = dir, .spi = spi };
}

int nlv_sa_new(struct nlv *n, const struct nlv_who *who, const struct nlv_sa_new *sa,
	       uint32_t *sa_id)
{
	touch(who);
	kernel.last = *sa;
	kernel_sa(who->dev_id, sa->dir, sa->spi);
	*sa_id = kernel.n_sas;
	return 0;
}

int nlv_sa_get(struct nlv *n, uint32_t sa_id, bool stats, struct nlv_sa *sa)
{
	if (!sa_id || sa_id > kernel.n_sas)
		return -ENOENT;
	*sa = kernel.sa[sa_id - 1];
	return 0;
}

int nlv_sa_del(struct nlv *n, const struct nlv_who *who, uint32_t sa_id)
{
	touch(who);
	kernel.sa[sa_id - 1].dev_id = 0;
	return 0;
}

int nlv_sa_dump(struct nlv *n, const struct nlv_who *who, bool stats, struct nlv_sa **sas,
		size_t *count)
{
	size_t i;

	*sas = calloc(KERNEL_SAS, sizeof(**sas));
	*count = 0;
	for (i = 0; i < kernel.n_sas; i++)
		if (!who || kernel.sa[i].dev_id == who->dev_id)
			(*sas)[(*count)++] = kernel.sa[i];
	return 0;
}

int nlv_out_set(struct nlv *n, const struct nlv_who *who, const struct nlv_slot *slots,
		size_t count, const uint32_t *expect_gen, uint32_t *gen)
{
	touch(who);
	kernel.out_sets++;
	return 0;
}
