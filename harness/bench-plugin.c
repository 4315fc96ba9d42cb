// SPDX-License-Identifier: GPL-2.0
/*
 * A TCG plugin for harness/bench: what happens between two marks of
 * harness/bench.c. For each such window a line
 *
 *	NUMBER INSTRUCTIONS LINES-READ LINES-WRITTEN ATOMICS
 *
 * where the lines are those of 64 bytes that hold struct pages, counted once,
 * and an atomic is, on x86_64, an instruction with a LOCK prefix, or xchg with
 * memory, on arm64 one of LSE, or a store exclusive; then `ADDRESS COUNT` for each
 * instruction that ran.
 *
 * usage: -plugin bench-plugin.so,out=FILE
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Debian has no qemu-plugin.h: what is used of version 1 of that interface. */
typedef uint64_t plugin_id;
struct plugin_tb;
struct plugin_insn;
struct plugin_info {
	const char *target_name;
	/* and more */
};
size_t qemu_plugin_tb_n_insns(const struct plugin_tb *tb);
struct plugin_insn *qemu_plugin_tb_get_insn(const struct plugin_tb *tb, size_t i);
const void *qemu_plugin_insn_data(const struct plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct plugin_insn *insn);
uint64_t qemu_plugin_insn_vaddr(const struct plugin_insn *insn);
void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id,
	void (*cb)(plugin_id id, struct plugin_tb *tb));
void qemu_plugin_register_vcpu_insn_exec_cb(struct plugin_insn *insn,
	void (*cb)(unsigned int cpu, void *data), int flags, void *data);
void qemu_plugin_register_vcpu_mem_cb(struct plugin_insn *insn,
	void (*cb)(unsigned int cpu, uint32_t info, uint64_t address, void *data),
	int flags, int rw, void *data);
bool qemu_plugin_mem_is_store(uint32_t info);

int qemu_plugin_version = 1;

#define MARK		(UINT64_C(1) << 45)
#define PAGES_SIZE	(UINT64_C(1) << 40)
#define NR_LINES	(UINT64_C(1) << 22)
#define NR_INSNS	(1 << 20)

enum { READ = 1, WRITTEN = 2 };
enum { MEM_RW = 3 };

struct insn {
	uint64_t address;
	uint64_t count;
	bool atomic;
};

/* vmemmap, with nokaslr; on arm64 with 4K pages and 48 bits of address. */
static uint64_t pages_start = UINT64_C(0xffffea0000000000);
static bool (*is_atomic)(const uint8_t *code, size_t size);

static uint8_t lines[NR_LINES];
static struct insn insns[NR_INSNS];
static FILE *out;
static bool inside;
static unsigned int number;

static void start(void)
{
	memset(lines, 0, sizeof(lines));
	for (int i = 0; i < NR_INSNS; i++)
		insns[i].count = 0;
	inside = true;
}

static void stop(void)
{
	uint64_t done = 0, atomics = 0, read = 0, written = 0;

	inside = false;
	for (int i = 0; i < NR_INSNS; i++) {
		done += insns[i].count;
		if (insns[i].atomic)
			atomics += insns[i].count;
	}
	for (uint64_t i = 0; i < NR_LINES; i++) {
		read += !!(lines[i] & READ);
		written += !!(lines[i] & WRITTEN);
	}
	fprintf(out, "window %u %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
		number++, done, read, written, atomics);
	for (int i = 0; i < NR_INSNS; i++)
		if (insns[i].count)
			fprintf(out, "%" PRIx64 " %" PRIu64 "\n",
				insns[i].address, insns[i].count);
	fflush(out);
}

static void access_memory(unsigned int cpu, uint32_t info, uint64_t address,
			  void *data)
{
	(void)cpu;
	(void)data;
	if (address == MARK && qemu_plugin_mem_is_store(info))
		start();
	else if (address == MARK + 1 && qemu_plugin_mem_is_store(info))
		stop();
	else if (inside && address - pages_start < PAGES_SIZE)
		lines[(address - pages_start) / 64 % NR_LINES] |=
			qemu_plugin_mem_is_store(info) ? WRITTEN : READ;
}

static void execute(unsigned int cpu, void *data)
{
	(void)cpu;
	((struct insn *)data)->count += inside;
}

/* The same entry for the same address, whatever is translated again. */
static struct insn *lookup(uint64_t address)
{
	uint64_t i = (address * UINT64_C(0x9e3779b97f4a7c15)) >> 44;

	while (insns[i].address && insns[i].address != address)
		i = (i + 1) % NR_INSNS;
	insns[i].address = address;
	return &insns[i];
}

static bool is_atomic_x86(const uint8_t *code, size_t size)
{
	size_t i = 0;

	while (i < size && (code[i] == 0x66 || code[i] == 0x2e ||
			    code[i] == 0x3e || code[i] == 0x65))
		i++;
	if (i < size && code[i] == 0xf0)
		return true;
	if (i < size && (code[i] & 0xf0) == 0x40)
		i++;
	/* xchg, unless both are registers */
	return i + 1 < size && (code[i] & 0xfe) == 0x86 && code[i + 1] < 0xc0;
}

static bool is_atomic_arm64(const uint8_t *code, size_t size)
{
	uint32_t insn;

	if (size != sizeof(insn))
		return false;
	memcpy(&insn, code, sizeof(insn));
	return (insn & 0x3fc00000) == 0x08000000 ||	/* stxr, stxp, casp */
	       (insn & 0xbfe07c00) == 0x08607c00 ||	/* caspa */
	       (insn & 0x3fa07c00) == 0x08a07c00 ||	/* cas */
	       (insn & 0x3f208c00) == 0x38200000 ||	/* ldadd and the like */
	       (insn & 0x3f20fc00) == 0x38208000;	/* swp */
}

static void translate(plugin_id id, struct plugin_tb *tb)
{
	(void)id;
	for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
		struct plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		struct insn *entry = lookup(qemu_plugin_insn_vaddr(insn));

		entry->atomic = is_atomic(qemu_plugin_insn_data(insn),
					  qemu_plugin_insn_size(insn));
		qemu_plugin_register_vcpu_insn_exec_cb(insn, execute, 0, entry);
		qemu_plugin_register_vcpu_mem_cb(insn, access_memory, 0, MEM_RW,
						 NULL);
	}
}

int qemu_plugin_install(plugin_id id, const struct plugin_info *info, int argc,
			char **argv)
{
	is_atomic = is_atomic_x86;
	if (!strcmp(info->target_name, "aarch64")) {
		pages_start = UINT64_C(0xfffffdffc0000000);
		is_atomic = is_atomic_arm64;
	}
	if (argc != 1 || strncmp(argv[0], "out=", 4))
		return -1;
	out = fopen(argv[0] + 4, "w");
	if (!out)
		return -1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
	return 0;
}
