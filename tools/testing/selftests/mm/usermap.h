/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the usermap tests share: what a mapping looks like from outside, and
 * accesses that may raise a signal.
 *
 * Include kselftest_harness.h first.
 */
#ifndef _USERMAP_H
#define _USERMAP_H

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <linux/compiler.h>

#ifndef KPF_USERMAP
#define KPF_USERMAP	27
#endif

#define PM_PRESENT	0x8000000000000000ULL
#define PM_FILE		0x2000000000000000ULL
#define PM_EXCLUSIVE	0x0100000000000000ULL
#define PM_PFN(entry)	((entry) & 0x007fffffffffffffULL)

#define DEADLINE_S	20

static size_t page_size;

static inline long ret_errno(long ret)
{
	return ret == -1 ? -errno : ret;
}

static inline bool past(const struct timespec *start, int seconds)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec - start->tv_sec > seconds;
}

/* Retry @cond, which must become true by itself, for a bounded time. */
#define wait_until(cond) ({						\
	struct timespec __start;					\
	bool __ok;							\
									\
	clock_gettime(CLOCK_MONOTONIC, &__start);			\
	while (!(__ok = (cond)) && !past(&__start, DEADLINE_S))		\
		sched_yield();						\
	__ok;								\
})

/* Accesses that say which signal they raised, 0 for none. */

static sigjmp_buf probe_env;

static inline void probe_handler(int sig)
{
	siglongjmp(probe_env, sig);
}

static inline int probe(char *addr, bool write)
{
	struct sigaction new = { .sa_handler = probe_handler };
	struct sigaction segv, bus;
	int sig;

	sigaction(SIGSEGV, &new, &segv);
	sigaction(SIGBUS, &new, &bus);
	sig = sigsetjmp(probe_env, 1);
	if (!sig) {
		char val = READ_ONCE(*addr);

		if (write)
			WRITE_ONCE(*addr, val);
	}
	sigaction(SIGSEGV, &segv, NULL);
	sigaction(SIGBUS, &bus, NULL);
	return sig;
}

static inline int probe_read(const void *addr)
{
	return probe((char *)addr, false);
}

/* Writes the byte back that it read, so the address must be readable. */
static inline int probe_write(const void *addr)
{
	return probe((char *)addr, true);
}

static inline bool write_string(const char *path, const char *string)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t len;

	if (fd < 0)
		return false;
	len = write(fd, string, strlen(string));
	close(fd);
	return len == (ssize_t)strlen(string);
}

/* One u64 of a file that is an array of them. */
static inline bool read_entry(const char *path, uint64_t index, uint64_t *val)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t ret;

	if (fd < 0)
		return false;
	ret = pread(fd, val, sizeof(*val), index * sizeof(*val));
	close(fd);
	return ret == sizeof(*val);
}

static inline uint64_t pagemap_entry(const void *addr)
{
	uint64_t entry;

	if (!read_entry("/proc/self/pagemap", (uintptr_t)addr / page_size,
			&entry))
		return 0;
	return entry;
}

/* 0 when there is none, or when the reader may not see it. */
static inline uint64_t page_pfn(const void *addr)
{
	uint64_t entry = pagemap_entry(addr);

	return entry & PM_PRESENT ? PM_PFN(entry) : 0;
}

static inline bool page_is_typed(const void *addr)
{
	uint64_t pfn = page_pfn(addr), flags;

	return pfn && read_entry("/proc/kpageflags", pfn, &flags) &&
	       flags & (1ULL << KPF_USERMAP);
}

static inline size_t count_typed(const char *addr, size_t len)
{
	size_t nr = 0;

	for (; len; addr += page_size, len -= page_size)
		nr += page_is_typed(addr);
	return nr;
}

/* The typed pages of the whole machine, -1 when they cannot be counted. */
static inline long count_all_typed(void)
{
	static uint64_t buf[4096];
	long nr = 0;
	ssize_t len;
	int fd;

	fd = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	while ((len = read(fd, buf, sizeof(buf))) > 0) {
		for (size_t i = 0; i < len / sizeof(*buf); i++)
			nr += !!(buf[i] & (1ULL << KPF_USERMAP));
	}
	close(fd);
	return len ? -1 : nr;
}

/* The typed pages of the machine before the first test. */
static long typed_at_start;

/* For main(), before the tests. */
static inline void usermap_init(void)
{
	page_size = sysconf(_SC_PAGESIZE);
	typed_at_start = count_all_typed();
}

/* All that the tests mapped is free again; buffers go after a grace period. */
static inline bool typed_pages_are_gone(void)
{
	bool gone = wait_until(count_all_typed() <= typed_at_start);

	if (!gone)
		printf("# %ld typed pages, %ld before the tests\n",
		       count_all_typed(), typed_at_start);
	return gone;
}

/*
 * The value of a field that smaps has for the mapping at @addr: one of the
 * two-letter flags for VmFlags, a number of KiB for the others. -1 if there
 * is no such field.
 */
static inline long smaps_field(const void *addr, const char *field,
			       const char *flag)
{
	unsigned long start, end;
	size_t len = strlen(field);
	bool inside = false;
	char line[512];
	long ret = -1;
	FILE *f;

	f = fopen("/proc/self/smaps", "re");
	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			inside = (uintptr_t)addr >= start &&
				 (uintptr_t)addr < end;
		else if (inside && !strncmp(line, field, len) &&
			 line[len] == ':')
			ret = flag ? !!strstr(line + len, flag) :
				     strtol(line + len + 1, NULL, 10);
	}
	fclose(f);
	return ret;
}

static inline bool vma_has(const void *addr, const char *flag)
{
	return smaps_field(addr, "VmFlags", flag) == 1;
}

/* A number in /proc/self/status, -1 if there is no such field. */
static inline long status_field(const char *field)
{
	size_t len = strlen(field);
	char line[256];
	long ret = -1;
	FILE *f;

	f = fopen("/proc/self/status", "re");
	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f)) {
		if (!strncmp(line, field, len) && line[len] == ':')
			ret = strtol(line + len + 1, NULL, 10);
	}
	fclose(f);
	return ret;
}

/*
 * A kernel with usermap pages maps them into VM_MIXEDMAP areas, one without
 * maps their page frames into VM_PFNMAP areas. This is how tests that expect a
 * difference know what runs; all others must not ask.
 */
static inline bool vma_is_usermap(const void *addr)
{
	return vma_has(addr, " mm") && !vma_has(addr, " pf");
}

/* For tests whose mappings have the same flags on either kernel. */
static inline bool kernel_has_usermap(void)
{
	bool has = false;
	char line[512];
	FILE *f;

	f = fopen("/proc/kallsyms", "re");
	while (f && !has && fgets(line, sizeof(line), f))
		has = strstr(line, " vm_insert_pages_prot");
	if (f)
		fclose(f);
	return has;
}

/* The signal or exit status of a child: 0 for exit(0), 256 + N for a signal. */
static inline int reap(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFSIGNALED(status) ? 256 + WTERMSIG(status) :
				     WEXITSTATUS(status);
}

#endif /* _USERMAP_H */
