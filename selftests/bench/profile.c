// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A plugin of QEMU's translator: how often does the guest execute what, while
 * something is measured? Whoever measures says when that begins and ends by a
 * no-op that nobody else uses.
 *
 *	-plugin profile.so,out=FILE
 *
 * For each run there is a line "run NUMBER" and then one "ADDRESS INSTRUCTIONS"
 * for each block of code, the first address of the block and how many of its
 * instructions were executed.
 *
 * The interface is QEMU's, version 4; no package has the header.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))
#define BLOCKS (1 << 20)

typedef uint64_t qemu_plugin_id_t;
struct qemu_info;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_plugin_scoreboard;

typedef struct {
	struct qemu_plugin_scoreboard *score;
	size_t offset;
} qemu_plugin_u64;

enum qemu_plugin_op { ADD_U64 };
enum qemu_plugin_cb_flags { NO_REGS };

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id,
	void (*cb)(qemu_plugin_id_t id, struct qemu_plugin_tb *tb));
void qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu(struct qemu_plugin_tb *tb,
	enum qemu_plugin_op op, qemu_plugin_u64 entry, uint64_t imm);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn,
	void (*cb)(unsigned int vcpu, void *data), enum qemu_plugin_cb_flags flags, void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t i);
size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *insn, void *dest, size_t len);
struct qemu_plugin_scoreboard *qemu_plugin_scoreboard_new(size_t element_size);
uint64_t qemu_plugin_u64_get(qemu_plugin_u64 entry, unsigned int vcpu);
void qemu_plugin_u64_set(qemu_plugin_u64 entry, unsigned int vcpu, uint64_t value);

EXPORT int qemu_plugin_version = 4;

/* See card/mark.h. */
static const unsigned char begin_mark[] = { 0x0f, 0x1f, 0x84, 0x00, 0x63, 0x6e, 0x65, 0x62 };
static const unsigned char end_mark[] = { 0x0f, 0x1f, 0x84, 0x00, 0x64, 0x6e, 0x65, 0x62 };

static struct block {
	uint64_t address, n_insns;
} blocks[BLOCKS];
static struct qemu_plugin_scoreboard *counters;
static FILE *out;
static int runs;

static qemu_plugin_u64 counter(size_t i)
{
	return (qemu_plugin_u64) { counters, i * sizeof(uint64_t) };
}

static void begin(unsigned int vcpu, void *data)
{
	for (size_t i = 0; i < BLOCKS; i++)
		if (blocks[i].n_insns)
			qemu_plugin_u64_set(counter(i), vcpu, 0);
}

static void end(unsigned int vcpu, void *data)
{
	fprintf(out, "run %d\n", runs++);
	for (size_t i = 0; i < BLOCKS; i++) {
		uint64_t n = blocks[i].n_insns ? qemu_plugin_u64_get(counter(i), vcpu) : 0;

		if (n)
			fprintf(out, "%" PRIx64 " %" PRIu64 "\n", blocks[i].address,
				n * blocks[i].n_insns);
	}
	fflush(out);
}

/* The same code is translated more than once. */
static size_t find(uint64_t address, uint64_t n_insns)
{
	size_t i = ((address ^ n_insns << 40) * 0x9e3779b97f4a7c15) >> 44;

	while (blocks[i].n_insns && (blocks[i].address != address || blocks[i].n_insns != n_insns))
		i = (i + 1) % BLOCKS;
	blocks[i] = (struct block) { address, n_insns };
	return i;
}

static void translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	size_t n = qemu_plugin_tb_n_insns(tb);
	unsigned char code[sizeof(begin_mark)];

	qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu(tb, ADD_U64,
		counter(find(qemu_plugin_tb_vaddr(tb), n)), 1);
	for (size_t i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);

		if (qemu_plugin_insn_data(insn, code, sizeof(code)) != sizeof(code))
			continue;
		if (!memcmp(code, begin_mark, sizeof(code)))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, begin, NO_REGS, NULL);
		else if (!memcmp(code, end_mark, sizeof(code)))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, end, NO_REGS, NULL);
	}
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info,
			       int argc, char **argv)
{
	if (argc != 1 || strncmp(argv[0], "out=", 4))
		return 1;
	out = fopen(argv[0] + 4, "w");
	if (!out)
		return 1;
	counters = qemu_plugin_scoreboard_new(BLOCKS * sizeof(uint64_t));
	qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
	return 0;
}
