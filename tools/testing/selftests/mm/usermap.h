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
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <linux/compiler.h>

#include "../kselftest.h"

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

/* The sum of a file's numbers for which @format has the line. */
static inline size_t sum_of_lines(const char *path, const char *format)
{
	FILE *file = fopen(path, "re");
	size_t sum = 0, number;
	char line[128];

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, format, &number) == 1)
			sum += number;
	}
	if (file)
		fclose(file);
	return sum;
}

/*
 * Memory of the whole machine that is free or could be, in bytes, with what
 * each CPU keeps of it, which can be several MiB.
 */
static inline size_t mem_available(void)
{
	return (sum_of_lines("/proc/meminfo", "MemAvailable: %zu") << 10) +
	       sum_of_lines("/proc/zoneinfo", " count: %zu") * page_size;
}

/* The typed pages of the machine before the first test. */
static long typed_at_start;

/* All that the tests mapped is free again; buffers go after a grace period. */
static inline bool typed_pages_are_gone(void)
{
	bool gone = wait_until(count_all_typed() <= typed_at_start);

	if (!gone)
		printf("# %ld typed pages, %ld before the tests\n",
		       count_all_typed(), typed_at_start);
	return gone;
}

/* The harness has the children of tests end by _exit(). */
static inline void usermap_exit(void)
{
	if (typed_pages_are_gone())
		return;
	fflush(stdout);
	_exit(KSFT_FAIL);
}

/* For main(), before the tests: what they forget is found in the end. */
static inline void usermap_init(void)
{
	page_size = sysconf(_SC_PAGESIZE);
	typed_at_start = count_all_typed();
	atexit(usermap_exit);
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

/* Fault injection */

/*
 * Where page tables begin and nothing else is, if there is such an address:
 * what is mapped there needs page tables, which may fail, too.
 */
#define PLACE ((void *)(uintptr_t)(1ULL << 40))

/* More than any call allocates. */
#define FAIL_MANY	1000000
/*
 * Of a call with many allocations, this many first and last ones fail; all of
 * them if the environment has FAIL_ALL.
 */
#define FAIL_EDGE	40

/**
 * struct fail_each - a call, each of whose allocations is to fail once
 * @call: do it, and return 0 or the errno
 * @undo: undo what succeeded, and say whether all was there
 * @err: the errno of a call that fails, 0 for any
 * @total: out: number of its allocations
 * @failures: out: how many of them the call failed for
 * @survivors: out: how many it did without
 * @last: out: the last one that it failed for
 * @nth: out: the one that failed last
 * @got: out: what the call returned then
 */
struct fail_each {
	int (*call)(void);
	bool (*undo)(void);
	int err;
	long total, failures, survivors, last, nth;
	int got;
};

/*
 * What lets allocations of this thread fail, of slab and of pages, whatever
 * their flags and without a report; -1 if the kernel has no such thing.
 */
static inline int fail_open(void)
{
	static const char *const kinds[] = { "failslab", "fail_page_alloc" };
	char path[64];

	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path),
			 "/sys/kernel/debug/%s/ignore-gfp-wait", kinds[i]);
		if (!write_string(path, "N"))
			return -1;
		snprintf(path, sizeof(path), "/sys/kernel/debug/%s/verbose",
			 kinds[i]);
		if (!write_string(path, "0"))
			return -1;
	}
	if (!write_string("/sys/kernel/debug/fail_page_alloc/min-order", "0"))
		return -1;
	return open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
}

/* Do the call, and let allocation @nth fail. Return what is left of @nth. */
static inline long fail_call(struct fail_each *f, int control, long nth)
{
	char buf[24] = { 0 };

	f->nth = nth;
	snprintf(buf, sizeof(buf), "%ld", nth);
	if (pwrite(control, buf, strlen(buf), 0) < 0)
		return -1;
	f->got = f->call();
	memset(buf, 0, sizeof(buf));
	if (pread(control, buf, sizeof(buf) - 1, 0) <= 0 ||
	    pwrite(control, "0", 1, 0) != 1)
		return -1;
	return strtol(buf, NULL, 10);
}

/* Return NULL, or what was wrong; with @control of fail_open(). */
static inline const char *fail_each(struct fail_each *f, int control)
{
	const long edge = getenv("FAIL_ALL") ? FAIL_MANY : FAIL_EDGE;
	long nth, left;

	/* Once in advance: the first call may allocate more. */
	if (f->call() || !f->undo())
		return "it does not succeed without";

	left = fail_call(f, control, FAIL_MANY);
	if (left <= 0 || f->got || !f->undo())
		return "its allocations cannot be counted";
	f->total = FAIL_MANY - left;

	for (nth = 1; nth <= f->total; nth++) {
		if (nth > edge && nth < f->total - edge)
			nth = f->total - edge;
		left = fail_call(f, control, nth);
		if (left < 0)
			return "no fail-nth";
		if (!f->got) {
			/* It was done without, or has not come to it. */
			if (!f->undo())
				return "not all is there";
			f->survivors++;
			continue;
		}
		if (left || (f->err && f->got != f->err))
			return "it fails otherwise";
		f->failures++;
		f->last = nth;
		if (f->call() || !f->undo())
			return "it does not succeed after";
	}
	return NULL;
}

/* The same in a test, with what it counted. */
#define EXPECT_FAIL_EACH(f, control)					\
do {									\
	struct fail_each *__f = (f);					\
	const char *__wrong = fail_each(__f, control);			\
									\
	EXPECT_EQ(NULL, __wrong)					\
		TH_LOG("%s: allocation %ld of %ld, errno %d", __wrong,	\
		       __f->nth, __f->total, __f->got);			\
	TH_LOG("%ld allocations: %ld failures, the last at %ld, %ld survivors", \
	       __f->total, __f->failures, __f->last, __f->survivors);	\
	EXPECT_GT(__f->failures, 0);					\
} while (0)

#endif /* _USERMAP_H */
