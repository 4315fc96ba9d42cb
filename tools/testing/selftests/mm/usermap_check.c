// SPDX-License-Identifier: GPL-2.0
/*
 * Kernel pages in user mappings, by the rules and against them.
 *
 * Nothing but its owner keeps such a page while it is mapped. So an owner that
 * is mistaken has to be found out: CONFIG_PAGE_TABLE_CHECK counts the special
 * PTEs of each page. The fixtures "typed" and "untyped" have /dev/test_usermap
 * make each mistake, and look for exactly the reports that belong to it; they
 * need the module with mistakes=1, and leave a tainted kernel. All other tests
 * are correct uses, of which none may cause a report.
 *
 * The environment may have USERMAP_SEED, to repeat what a run did, and
 * USERMAP_OPS, the number of operations of each worker.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <linux/mman.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "usermap.h"

#include <lib/test_usermap_uapi.h>

#define DEVICE		"/dev/test_usermap"
#define MISTAKES	"/sys/module/test_usermap/parameters/mistakes"
#define CLEAR_ONCE	"/sys/kernel/debug/clear_warn_once"
#define CORRUPT_PFN	"/sys/kernel/debug/hwpoison/corrupt-pfn"

#define RW		(PROT_READ | PROT_WRITE)
#define NR		4U

static int device(void)
{
	return open(DEVICE, O_RDWR | O_CLOEXEC);
}

static int alloc(int fd, unsigned int kind, unsigned int method,
		 unsigned int nr_pages, unsigned int flags)
{
	struct test_usermap_alloc arg = {
		.kind		= kind,
		.method		= method,
		.nr_pages	= nr_pages,
		.flags		= flags,
	};

	return ioctl(fd, TEST_USERMAP_ALLOC, &arg) ? -errno : 0;
}

static int control(int fd, unsigned long cmd, unsigned long arg)
{
	return ioctl(fd, cmd, arg) ? -errno : 0;
}

static int mistake(int fd, enum test_usermap_mistake which)
{
	return control(fd, TEST_USERMAP_MISTAKE, which);
}

/* 0, or why the device does not make mistakes: there is no such one. */
static int mistakes_refused(int fd)
{
	int err = mistake(fd, TEST_USERMAP_NR_MISTAKES);

	return err == -EINVAL ? 0 : err;
}

static char *map_at(int fd, unsigned int first, unsigned int nr, int prot,
		    int flags)
{
	return mmap(NULL, nr * page_size, prot, flags, fd, first * page_size);
}

static char *map(int fd, unsigned int first, unsigned int nr)
{
	return map_at(fd, first, nr, RW, MAP_SHARED);
}

/* 0, or the error of a mapping that should not come about. */
static int map_errno(int fd, unsigned int first, unsigned int nr)
{
	char *addr = map(fd, first, nr);

	if (addr == MAP_FAILED)
		return -errno;
	munmap(addr, nr * page_size);
	return 0;
}

static __u64 *page_words(char *addr, size_t page)
{
	return (__u64 *)(addr + page * page_size);
}

/* The driver numbers the pages that it allocates. */
static bool numbered(char *addr, unsigned int first, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++) {
		if (READ_ONCE(*page_words(addr, i)) != first + i)
			return false;
	}
	return true;
}

/* As probe_read() and probe_write(), in threads, too. */

static __thread sigjmp_buf fault_env;

static void fault_handler(int sig)
{
	siglongjmp(fault_env, sig);
}

static void catch_signals(void)
{
	struct sigaction action = { .sa_handler = fault_handler };

	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
}

static int try_read(const __u64 *word)
{
	int sig = sigsetjmp(fault_env, 1);

	if (!sig)
		(void)READ_ONCE(*word);
	return sig;
}

static int try_write(__u64 *word, __u64 val)
{
	int sig = sigsetjmp(fault_env, 1);

	if (!sig)
		WRITE_ONCE(*word, val);
	return sig;
}

/* What the kernel reports. */

static int open_log(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0)
		lseek(fd, 0, SEEK_END);
	return fd;
}

/* The page frame that reports should be about, if the test knows it. */
static unsigned long expected_pfn;

/* Append what a line of the log reports, if it does, in a form to compare. */
static void add_report(char *reports, size_t size, const char *line)
{
	static const char * const other[] = {
		"BUG:", "Oops", "Bad ", "KASAN", "unreferenced object",
		"messages suppressed", "possible ", "suspicious ",
	};
	static const char warning[] = "WARNING\n";
	const char *pfn = strstr(line, "pfn:"), *text, *also = "", *then = "";
	size_t len = strlen(reports);

	if (expected_pfn && pfn && strtoul(pfn + 4, NULL, 16) != expected_pfn)
		also = ", but of another page";

	text = strstr(line, "page dumped because: ");
	if (text) {
		text += strlen("page dumped because: ");
	} else if (strstr(line, "BUG: Bad page state in process")) {
		text = "BUG: Bad page state";
	} else if (strstr(line, "changes under a special PTE")) {
		text = "the type changes under a special PTE";
		/* Some architectures have this before the warning. */
		if (len >= strlen(warning) &&
		    !strcmp(reports + len - strlen(warning), warning)) {
			len -= strlen(warning);
			then = warning;
		}
	} else if (strstr(line, "WARNING: ")) {
		text = "WARNING";
	} else {
		text = strstr(line, "recovery action for ");
	}
	for (size_t i = 0; !text && i < ARRAY_SIZE(other); i++) {
		if (strstr(line, other[i]))
			text = line;
	}
	if (text)
		snprintf(reports + len, size - len, "%s%s\n%s", text, also, then);
}

/* What has been reported since the log was opened or read the last time. */
static const char *reports(int log)
{
	static char buf[8192], all[8192];
	char *text, *end;
	ssize_t len;

	all[0] = '\0';
	/* A record is "prefix;text\n", with more lines that nobody needs. */
	while ((len = read(log, buf, sizeof(buf) - 1)) > 0) {
		buf[len] = '\0';
		text = strchr(buf, ';');
		end = text ? strchr(text, '\n') : NULL;
		if (!end)
			return "unreadable record in the log";
		*end = '\0';
		add_report(all, sizeof(all), text + 1);
	}
	return errno == EAGAIN ? all : "part of the log is lost";
}

#define RETYPED		"the type changes under a special PTE\n"	\
			"WARNING\n"
#define FREED		"BUG: Bad page state\n"			\
			"mapped by a special PTE\n"
#define TYPED_TAIL	"BUG: Bad page state\n"			\
			"nonzero mapcount\n"
#define FREED_TYPED	"VM_WARN_ON_ONCE_PAGE(PageUsermap(page))\n" \
			"WARNING\n"

#define EXPECT_REPORTS(expected)					\
	EXPECT_STREQ(expected, reports(self->log))
#define EXPECT_NO_REPORT()	EXPECT_REPORTS("")

/*
 * Mistakes with memory that has the type. One page of it is mapped, the last,
 * so that one page is to be reported.
 */

FIXTURE(typed)
{
	int log;
	int fd;
	char *addr;
};

FIXTURE_VARIANT(typed)
{
	enum test_usermap_kind kind;
	enum test_usermap_method method;
	const char *freed_typed;
};

FIXTURE_VARIANT_ADD(typed, pages) {
	.kind = TEST_USERMAP_PAGES,
	.method = TEST_USERMAP_ARRAY,
	.freed_typed = FREED_TYPED,
};

FIXTURE_VARIANT_ADD(typed, compound) {
	.kind = TEST_USERMAP_COMPOUND,
	.method = TEST_USERMAP_CONTIG,
	.freed_typed = FREED_TYPED,
};

FIXTURE_VARIANT_ADD(typed, block) {
	.kind = TEST_USERMAP_BLOCK,
	.method = TEST_USERMAP_CONTIG,
	.freed_typed = TYPED_TAIL TYPED_TAIL TYPED_TAIL FREED_TYPED,
};

FIXTURE_VARIANT_ADD(typed, split) {
	.kind = TEST_USERMAP_SPLIT,
	.method = TEST_USERMAP_ARRAY,
	.freed_typed = FREED_TYPED,
};

FIXTURE_VARIANT_ADD(typed, exact) {
	.kind = TEST_USERMAP_EXACT,
	.method = TEST_USERMAP_CONTIG,
	.freed_typed = FREED_TYPED,
};

FIXTURE_VARIANT_ADD(typed, vmalloc) {
	.kind = TEST_USERMAP_VMALLOC,
	.method = TEST_USERMAP_ARRAY,
	.freed_typed = FREED_TYPED,
};

FIXTURE_SETUP(typed)
{
	self->log = -1;
	self->fd = device();
	if (self->fd < 0)
		SKIP(return, DEVICE ": %s", strerror(errno));
	if (mistakes_refused(self->fd) == -EPERM)
		SKIP(return, "test_usermap is not loaded with mistakes=1");
	if (mistakes_refused(self->fd))
		SKIP(return, "needs PAGE_TABLE_CHECK_ENFORCED and DEBUG_VM");
	self->log = open_log();
	ASSERT_LE(0, self->log);
	ASSERT_TRUE(write_string(CLEAR_ONCE, "1"));
	ASSERT_EQ(0, alloc(self->fd, variant->kind, variant->method, NR,
			   TEST_USERMAP_COUNT_VMAS));
	self->addr = map(self->fd, NR - 1, 1);
	ASSERT_NE(MAP_FAILED, self->addr);
	expected_pfn = page_pfn(self->addr);
	ASSERT_NE(0UL, expected_pfn);
}

FIXTURE_TEARDOWN(typed)
{
	close(self->fd);
	close(self->log);
}

/* Memory like the first, mapped and used by the rules. */
static void use_correctly(struct __test_metadata *_metadata, int log,
			  unsigned int kind, unsigned int method)
{
	int fd = device();
	char *addr;
	pid_t pid;

	ASSERT_EQ(0, alloc(fd, kind, method, NR, TEST_USERMAP_COUNT_VMAS));
	addr = map(fd, NR - 1, 1);
	ASSERT_NE(MAP_FAILED, addr);
	EXPECT_EQ(-EBUSY, control(fd, TEST_USERMAP_FREE, 0));
	EXPECT_EQ(0, mprotect(addr, page_size, PROT_NONE));
	EXPECT_EQ(-EBUSY, control(fd, TEST_USERMAP_FREE, 0));
	EXPECT_EQ(0, mprotect(addr, page_size, RW));

	pid = fork();
	if (!pid)
		_exit(munmap(addr, page_size));
	EXPECT_EQ(0, reap(pid));
	EXPECT_TRUE(numbered(addr, NR - 1, 1));
	EXPECT_EQ(0, munmap(addr, page_size));
	EXPECT_EQ(-ENXIO, control(fd, TEST_USERMAP_FREE, 0));

	EXPECT_EQ(0, alloc(fd, kind, method, NR, 0));
	EXPECT_EQ(0, map_errno(fd, 0, NR));
	EXPECT_EQ(0, control(fd, TEST_USERMAP_FREE, 0));
	close(fd);
	EXPECT_STREQ("", reports(log));
}

TEST_F(typed, free_at_ioctl_while_mapped)
{
	EXPECT_EQ(-EBUSY, control(self->fd, TEST_USERMAP_FREE, 0));
	EXPECT_NO_REPORT();
	EXPECT_EQ(0, mistake(self->fd, TEST_USERMAP_FREE_MAPPED));
	EXPECT_REPORTS(RETYPED FREED);
	EXPECT_EQ(0, munmap(self->addr, page_size));
	EXPECT_NO_REPORT();
	use_correctly(_metadata, self->log, variant->kind, variant->method);
}

TEST_F(typed, free_while_prot_none)
{
	EXPECT_EQ(0, mprotect(self->addr, page_size, PROT_NONE));
	EXPECT_NO_REPORT();
	EXPECT_EQ(0, mistake(self->fd, TEST_USERMAP_FREE_MAPPED));
	EXPECT_REPORTS(RETYPED FREED);
	EXPECT_EQ(0, mprotect(self->addr, page_size, RW));
	EXPECT_EQ(0, munmap(self->addr, page_size));
	EXPECT_NO_REPORT();
	use_correctly(_metadata, self->log, variant->kind, variant->method);
}

/* The child's ->close() frees what the parent still maps. */
TEST_F(typed, forget_open_at_fork)
{
	pid_t pid;

	EXPECT_EQ(0, munmap(self->addr, page_size));
	ASSERT_EQ(0, alloc(self->fd, variant->kind, variant->method, NR,
			   TEST_USERMAP_COUNT_VMAS | TEST_USERMAP_FORGET_OPEN));
	self->addr = map(self->fd, NR - 1, 1);
	ASSERT_NE(MAP_FAILED, self->addr);
	expected_pfn = page_pfn(self->addr);
	ASSERT_NE(0UL, expected_pfn);
	EXPECT_NO_REPORT();

	pid = fork();
	if (!pid)
		_exit(munmap(self->addr, page_size));
	EXPECT_EQ(0, reap(pid));
	EXPECT_REPORTS(RETYPED FREED);
	EXPECT_EQ(0, munmap(self->addr, page_size));
	EXPECT_NO_REPORT();
	use_correctly(_metadata, self->log, variant->kind, variant->method);
}

TEST_F(typed, clear_the_type_early)
{
	EXPECT_EQ(0, mistake(self->fd, TEST_USERMAP_CLEAR_EARLY));
	EXPECT_REPORTS(RETYPED);
	EXPECT_EQ(0, munmap(self->addr, page_size));
	EXPECT_NO_REPORT();
	use_correctly(_metadata, self->log, variant->kind, variant->method);
}

/* Not mapped any more, but freed with the type. */
TEST_F(typed, free_with_the_type)
{
	EXPECT_EQ(0, munmap(self->addr, page_size));
	expected_pfn = 0;
	ASSERT_EQ(0, alloc(self->fd, variant->kind, variant->method, NR, 0));
	EXPECT_EQ(0, map_errno(self->fd, 0, NR));
	EXPECT_NO_REPORT();
	EXPECT_EQ(0, mistake(self->fd, TEST_USERMAP_FREE_TYPED));
	EXPECT_REPORTS(variant->freed_typed);
	use_correctly(_metadata, self->log, variant->kind, variant->method);
}

/* Mistakes that need memory without the type, or a block that has not all. */

FIXTURE(untyped)
{
	int log;
	int fd;
};

FIXTURE_SETUP(untyped)
{
	self->log = -1;
	self->fd = device();
	if (self->fd < 0)
		SKIP(return, DEVICE ": %s", strerror(errno));
	if (mistakes_refused(self->fd) == -EPERM)
		SKIP(return, "test_usermap is not loaded with mistakes=1");
	if (mistakes_refused(self->fd))
		SKIP(return, "needs PAGE_TABLE_CHECK_ENFORCED and DEBUG_VM");
	self->log = open_log();
	ASSERT_LE(0, self->log);
	ASSERT_TRUE(write_string(CLEAR_ONCE, "1"));
}

FIXTURE_TEARDOWN(untyped)
{
	close(self->fd);
	close(self->log);
}

/* The count does not depend on the type, and the type does not hide it. */
TEST_F(untyped, free_what_remap_pfn_range_mapped)
{
	char *addr;

	for (unsigned int kind = 0; kind < TEST_USERMAP_NR_KINDS; kind++) {
		ASSERT_EQ(0, alloc(self->fd, kind, TEST_USERMAP_PFN, NR, 0));
		addr = map(self->fd, NR - 1, 1);
		ASSERT_NE(MAP_FAILED, addr);
		EXPECT_EQ(0, mprotect(addr, page_size, PROT_NONE));
		EXPECT_NO_REPORT();
		EXPECT_EQ(0, mistake(self->fd, TEST_USERMAP_FREE_MAPPED));
		EXPECT_REPORTS(FREED);
		EXPECT_EQ(0, mprotect(addr, page_size, RW));
		EXPECT_EQ(0, munmap(addr, page_size));
		EXPECT_NO_REPORT();
		use_correctly(_metadata, self->log, kind, TEST_USERMAP_PFN);
	}
}

TEST_F(untyped, type_what_remap_pfn_range_mapped)
{
	char *addr;

	ASSERT_EQ(0, alloc(self->fd, TEST_USERMAP_EXACT, TEST_USERMAP_PFN, NR, 0));
	addr = map(self->fd, NR - 1, 1);
	ASSERT_NE(MAP_FAILED, addr);
	EXPECT_NO_REPORT();
	EXPECT_EQ(0, mistake(self->fd, TEST_USERMAP_TYPE_LATE));
	EXPECT_REPORTS(RETYPED);
	EXPECT_EQ(0, munmap(addr, page_size));
	EXPECT_EQ(0, control(self->fd, TEST_USERMAP_FREE, 0));
	EXPECT_NO_REPORT();

	/* In the right order: not before the last mapping is gone. */
	ASSERT_EQ(0, alloc(self->fd, TEST_USERMAP_EXACT, TEST_USERMAP_PFN, NR, 0));
	addr = map(self->fd, NR - 1, 1);
	ASSERT_NE(MAP_FAILED, addr);
	EXPECT_EQ(-EBUSY, control(self->fd, TEST_USERMAP_METHOD, TEST_USERMAP_CONTIG));
	EXPECT_EQ(0, munmap(addr, page_size));
	EXPECT_EQ(0, control(self->fd, TEST_USERMAP_METHOD, TEST_USERMAP_CONTIG));
	EXPECT_EQ(0, map_errno(self->fd, 0, NR));
	EXPECT_EQ(0, control(self->fd, TEST_USERMAP_FREE, 0));
	EXPECT_NO_REPORT();
}

TEST_F(untyped, free_a_block_with_typed_tails)
{
	ASSERT_EQ(0, alloc(self->fd, TEST_USERMAP_BLOCK, TEST_USERMAP_CONTIG, NR, 0));
	EXPECT_EQ(0, map_errno(self->fd, 0, NR));
	EXPECT_NO_REPORT();
	EXPECT_EQ(0, mistake(self->fd, TEST_USERMAP_FREE_TYPED_TAILS));
	EXPECT_REPORTS(TYPED_TAIL TYPED_TAIL TYPED_TAIL);
	use_correctly(_metadata, self->log, TEST_USERMAP_BLOCK, TEST_USERMAP_CONTIG);
}

/* What the device refuses. */

FIXTURE(refused)
{
	int fd;
};

FIXTURE_SETUP(refused)
{
	self->fd = device();
	if (self->fd < 0)
		SKIP(return, DEVICE ": %s", strerror(errno));
}

FIXTURE_TEARDOWN(refused)
{
	close(self->fd);
}

TEST_F(refused, allocations)
{
	const struct {
		unsigned int kind, method, nr_pages, flags;
	} bad[] = {
		{ TEST_USERMAP_NR_KINDS, TEST_USERMAP_ARRAY, 1, 0 },
		{ TEST_USERMAP_PAGES, TEST_USERMAP_NR_METHODS, 1, 0 },
		{ TEST_USERMAP_PAGES, TEST_USERMAP_ARRAY, 0, 0 },
		{ TEST_USERMAP_PAGES, TEST_USERMAP_ARRAY,
		  TEST_USERMAP_MAX_PAGES + 1, 0 },
		{ TEST_USERMAP_PAGES, TEST_USERMAP_ARRAY, 1, 0x8 },
		{ TEST_USERMAP_PAGES, TEST_USERMAP_CONTIG, 1, 0 },
		{ TEST_USERMAP_VMALLOC, TEST_USERMAP_CONTIG, 1, 0 },
		{ TEST_USERMAP_BLOCK, TEST_USERMAP_REFCOUNT, 1, 0 },
		{ TEST_USERMAP_COMPOUND, TEST_USERMAP_ARRAY, 3, 0 },
		{ TEST_USERMAP_BLOCK, TEST_USERMAP_ARRAY, 3, 0 },
		{ TEST_USERMAP_SPLIT, TEST_USERMAP_ARRAY, 3, 0 },
		{ TEST_USERMAP_EXACT, TEST_USERMAP_ARRAY,
		  TEST_USERMAP_MAX_PAGES, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(-EINVAL, alloc(self->fd, bad[i].kind, bad[i].method,
					 bad[i].nr_pages, bad[i].flags)) {
			TH_LOG("allocation %zu", i);
		}
	}
	EXPECT_EQ(-EFAULT, control(self->fd, TEST_USERMAP_ALLOC, 0));
	EXPECT_EQ(-ENOTTY, control(self->fd, _IO('u', 0x5f), 0));
	EXPECT_EQ(0, alloc(self->fd, TEST_USERMAP_EXACT, TEST_USERMAP_ARRAY, 3, 0));
	EXPECT_EQ(-EBUSY, alloc(self->fd, TEST_USERMAP_PAGES, TEST_USERMAP_ARRAY, 1, 0));
}

TEST_F(refused, no_memory_there)
{
	EXPECT_EQ(-ENXIO, map_errno(self->fd, 0, 1));
	EXPECT_EQ(-ENXIO, control(self->fd, TEST_USERMAP_FREE, 0));
	EXPECT_EQ(-ENXIO, control(self->fd, TEST_USERMAP_METHOD, TEST_USERMAP_ARRAY));
}

TEST_F(refused, mappings_beyond_the_end)
{
	ASSERT_EQ(0, alloc(self->fd, TEST_USERMAP_PAGES, TEST_USERMAP_ARRAY, NR, 0));
	EXPECT_EQ(-ENXIO, map_errno(self->fd, 0, NR + 1));
	EXPECT_EQ(-ENXIO, map_errno(self->fd, NR, 1));
	EXPECT_EQ(-ENXIO, map_errno(self->fd, NR - 1, 2));
	EXPECT_EQ(0, map_errno(self->fd, NR - 1, 1));
}

TEST_F(refused, changes_while_mapped)
{
	char *addr;

	ASSERT_EQ(0, alloc(self->fd, TEST_USERMAP_PAGES, TEST_USERMAP_ARRAY, NR, 0));
	addr = map(self->fd, 0, NR);
	ASSERT_NE(MAP_FAILED, addr);
	EXPECT_EQ(-EBUSY, control(self->fd, TEST_USERMAP_FREE, 0));
	EXPECT_EQ(-EBUSY, control(self->fd, TEST_USERMAP_METHOD, TEST_USERMAP_PFN));
	EXPECT_EQ(-EINVAL, control(self->fd, TEST_USERMAP_METHOD, TEST_USERMAP_CONTIG));
	EXPECT_EQ(-EINVAL, control(self->fd, TEST_USERMAP_METHOD, TEST_USERMAP_NR_METHODS));
	EXPECT_EQ(0, munmap(addr, NR * page_size));
	EXPECT_EQ(0, control(self->fd, TEST_USERMAP_METHOD, TEST_USERMAP_PFN));
	EXPECT_EQ(0, control(self->fd, TEST_USERMAP_FREE, 0));
}

TEST_F(refused, mistakes)
{
	int err = mistakes_refused(self->fd);
	char wanted = 'N';
	int fd;

	if (err) {
		fd = open(MISTAKES, O_RDONLY | O_CLOEXEC);
		EXPECT_EQ(1, read(fd, &wanted, 1));
		close(fd);
		EXPECT_EQ(wanted == 'Y' ? -EOPNOTSUPP : -EPERM, err);
		EXPECT_EQ(err, mistake(self->fd, TEST_USERMAP_FREE_MAPPED));
		EXPECT_EQ(err, alloc(self->fd, TEST_USERMAP_PAGES,
				     TEST_USERMAP_ARRAY, NR,
				     TEST_USERMAP_FORGET_OPEN));
		return;
	}
	EXPECT_EQ(-EINVAL, alloc(self->fd, TEST_USERMAP_PAGES,
				 TEST_USERMAP_REFCOUNT, NR,
				 TEST_USERMAP_FORGET_OPEN));
	ASSERT_EQ(0, alloc(self->fd, TEST_USERMAP_PAGES, TEST_USERMAP_ARRAY, NR,
			   TEST_USERMAP_FORGET_OPEN));
	EXPECT_EQ(-EINVAL, control(self->fd, TEST_USERMAP_METHOD,
				   TEST_USERMAP_REFCOUNT));
	EXPECT_EQ(0, control(self->fd, TEST_USERMAP_FREE, 0));
	EXPECT_EQ(-ENXIO, mistake(self->fd, TEST_USERMAP_FREE_MAPPED));
	ASSERT_EQ(0, alloc(self->fd, TEST_USERMAP_EXACT, TEST_USERMAP_PFN, NR, 0));
	EXPECT_EQ(-EINVAL, mistake(self->fd, TEST_USERMAP_CLEAR_EARLY));
	EXPECT_EQ(-EINVAL, mistake(self->fd, TEST_USERMAP_FREE_TYPED));
	EXPECT_EQ(-EINVAL, mistake(self->fd, TEST_USERMAP_FREE_TYPED_TAILS));
	EXPECT_EQ(0, control(self->fd, TEST_USERMAP_METHOD, TEST_USERMAP_REFCOUNT));
	EXPECT_EQ(-EINVAL, mistake(self->fd, TEST_USERMAP_FREE_MAPPED));
	EXPECT_EQ(0, control(self->fd, TEST_USERMAP_METHOD, TEST_USERMAP_CONTIG));
	EXPECT_EQ(-EINVAL, mistake(self->fd, TEST_USERMAP_TYPE_LATE));
}

static int failing_fd;
static unsigned int failing_kind;

static int failing_alloc(void)
{
	return -alloc(failing_fd, failing_kind, TEST_USERMAP_ARRAY, NR, 0);
}

static bool undo_alloc(void)
{
	return !control(failing_fd, TEST_USERMAP_FREE, 0) &&
	       control(failing_fd, TEST_USERMAP_FREE, 0) == -ENXIO;
}

/* vmalloc() is left out: it reports each failure. */
TEST_F(refused, allocations_without_memory)
{
	int fail = fail_open();

	if (fail < 0)
		SKIP(return, "no fault injection in debugfs");
	failing_fd = self->fd;
	for (failing_kind = 0; failing_kind < TEST_USERMAP_VMALLOC;
	     failing_kind++) {
		struct fail_each each = {
			.call = failing_alloc, .undo = undo_alloc,
			.err = ENOMEM,
		};

		EXPECT_FAIL_EACH(&each, fail);
	}
	close(fail);
}

/* Each kind, mapped by each method. */

FIXTURE(correct)
{
	int log;
	int fd;
};

FIXTURE_VARIANT(correct)
{
	unsigned int flags;
};

FIXTURE_VARIANT_ADD(correct, file) { .flags = 0 };

FIXTURE_VARIANT_ADD(correct, vmas) { .flags = TEST_USERMAP_COUNT_VMAS };

FIXTURE_SETUP(correct)
{
	self->log = open_log();
	self->fd = device();
	if (self->fd < 0)
		SKIP(return, DEVICE ": %s", strerror(errno));
	ASSERT_LE(0, self->log);
}

FIXTURE_TEARDOWN(correct)
{
	EXPECT_NO_REPORT();
	close(self->log);
	close(self->fd);
}

TEST_F(correct, each_method_maps_the_pages_in_order)
{
	const bool lives = !(variant->flags & TEST_USERMAP_COUNT_VMAS);
	unsigned int kind, method, nr = 0;
	char *addr, *part;

	for (kind = 0; kind < TEST_USERMAP_NR_KINDS; kind++) {
		for (method = 0; method < TEST_USERMAP_NR_METHODS; method++) {
			if (alloc(self->fd, kind, method, NR, variant->flags))
				continue;
			nr++;
			addr = map(self->fd, 0, NR);
			ASSERT_NE(MAP_FAILED, addr);
			part = map(self->fd, 1, 2);
			ASSERT_NE(MAP_FAILED, part);
			EXPECT_TRUE(numbered(addr, 0, NR));
			EXPECT_TRUE(numbered(part, 1, 2));
			*page_words(addr, 2) = 42;
			EXPECT_EQ(42ULL, *page_words(part, 1));
			munmap(part, 2 * page_size);
			EXPECT_EQ(-EBUSY, control(self->fd, TEST_USERMAP_FREE, 0));
			munmap(addr, NR * page_size);
			EXPECT_EQ(lives ? 0 : -ENXIO,
				  control(self->fd, TEST_USERMAP_FREE, 0));
		}
	}
	/* All but those which refused.allocations has. */
	EXPECT_EQ(TEST_USERMAP_NR_KINDS * TEST_USERMAP_NR_METHODS - 3U, nr);
}

/* The pages of the methods that need it have the type, and no others. */
TEST_F_TIMEOUT(correct, the_type_is_there_while_it_is_needed, 120)
{
	const long before = count_all_typed();

	ASSERT_LE(0, before);
	ASSERT_EQ(0, alloc(self->fd, TEST_USERMAP_EXACT, TEST_USERMAP_PFN, 3,
			   variant->flags));
	EXPECT_EQ(before, count_all_typed());
	EXPECT_EQ(0, control(self->fd, TEST_USERMAP_METHOD, TEST_USERMAP_CONTIG));
	EXPECT_EQ(before + 3, count_all_typed());
	EXPECT_EQ(0, control(self->fd, TEST_USERMAP_METHOD, TEST_USERMAP_REFCOUNT));
	EXPECT_EQ(before, count_all_typed());
	EXPECT_EQ(0, control(self->fd, TEST_USERMAP_METHOD, TEST_USERMAP_ARRAY));
	EXPECT_EQ(before + 3, count_all_typed());
	EXPECT_EQ(0, control(self->fd, TEST_USERMAP_FREE, 0));
	EXPECT_EQ(before, count_all_typed());
}

/* What is left of a mapping after close(), a split and a fork keeps them. */
TEST_F(correct, the_last_mapping_keeps_the_memory)
{
	char *addr, *last;
	pid_t pid;

	ASSERT_EQ(0, alloc(self->fd, TEST_USERMAP_COMPOUND, TEST_USERMAP_CONTIG,
			   NR, variant->flags));
	addr = map(self->fd, 0, NR);
	ASSERT_NE(MAP_FAILED, addr);
	close(self->fd);
	last = addr + (NR - 1) * page_size;
	EXPECT_EQ(0, munmap(addr + page_size, (NR - 2) * page_size));
	pid = fork();
	if (!pid) {
		munmap(last, page_size);
		_exit(!numbered(addr, 0, 1));
	}
	EXPECT_EQ(0, munmap(addr, page_size));
	EXPECT_EQ(0, reap(pid));
	EXPECT_TRUE(numbered(last, NR - 1, 1));
	EXPECT_EQ(0, munmap(last, page_size));
}

/*
 * A page that fails is marked, and stays with who has it: nobody is told, and
 * it is no page that the kernel cannot do without. Not unmarked again, which
 * would drop a reference that nobody has taken.
 */
TEST_F(correct, a_memory_failure_is_ignored)
{
	static const unsigned int kinds[] = {
		TEST_USERMAP_PAGES, TEST_USERMAP_COMPOUND, TEST_USERMAP_BLOCK,
	};
	char text[24], *addr, *last;

	if (access(CORRUPT_PFN, W_OK))
		SKIP(return, CORRUPT_PFN ": %s", strerror(errno));
	for (unsigned int i = 0; i < ARRAY_SIZE(kinds); i++) {
		ASSERT_EQ(0, alloc(self->fd, kinds[i], TEST_USERMAP_ARRAY, NR,
				   variant->flags));
		addr = map(self->fd, 0, NR);
		ASSERT_NE(MAP_FAILED, addr);
		last = addr + (NR - 1) * page_size;
		EXPECT_EQ(-1, madvise(last, page_size, MADV_HWPOISON));
		EXPECT_EQ(EFAULT, errno);
		EXPECT_EQ(-1, madvise(last, page_size, MADV_SOFT_OFFLINE));
		EXPECT_EQ(EFAULT, errno);

		snprintf(text, sizeof(text), "%#lx", (long)page_pfn(last));
		errno = 0;
		EXPECT_FALSE(write_string(CORRUPT_PFN, text));
		EXPECT_EQ(EBUSY, errno);
		EXPECT_REPORTS("recovery action for get hwpoison page: Ignored\n");
		EXPECT_FALSE(write_string(CORRUPT_PFN, text));
		EXPECT_EQ(EHWPOISON, errno);
		EXPECT_REPORTS("recovery action for already poisoned page: Failed\n");
		EXPECT_TRUE(numbered(addr, 0, NR));
		EXPECT_TRUE(page_is_typed(last));
		EXPECT_EQ(0, munmap(addr, NR * page_size));
		control(self->fd, TEST_USERMAP_FREE, 0);
	}
}

/*
 * Random operations, by several processes and threads ("workers"), on memory
 * of their own and on memory that all share.
 *
 * Of its own memory a worker knows what it wrote. In shared memory each worker
 * has a word in each page that is 0 or has one value, so that any page can be
 * told from a page that something else uses.
 */

#define OBJECTS		3	/* of a worker */
#define SHARED		6	/* of all workers */
#define MAX_PAGES	16U
#define WORDS		8	/* of a page, that are looked at */
#define SLOTS		24
#define MAX_WORKERS	(WORDS - 1U)

/* An open file, and what should be in its memory. */
struct object {
	int fd;
	unsigned int kind, nr_pages, flags;
	bool shared;
	int slots;		/* that map it; it goes with the last */
	bool current;		/* it is open */
	bool mapped;		/* it has been */
	__u64 words[MAX_PAGES][WORDS];
};

/* A piece of a mapping in which all pages are alike. */
struct slot {
	struct object *object;	/* NULL: not in use */
	char *addr;
	unsigned int first, nr;
	int prot;
	bool private;
	bool gone;		/* there are no PTEs: SIGBUS */
	bool nofork;
};

struct worker {
	unsigned int id;
	unsigned int ops;
	unsigned long op;
	__u64 random;
	__u64 seed;
	bool alone;		/* no other thread forks */
	bool child;
	struct object *objects[OBJECTS];
	struct object shared[SHARED];
	struct slot slots[SLOTS];
};

static void complain(struct worker *w, int line, const char *cond)
{
	dprintf(STDERR_FILENO,
		"# worker %u, operation %lu, line %d: %s, errno %d\n",
		w->id, w->op, line, cond, errno);
	_exit(1);
}

/* A worker that is not content ends its process, with a reason. */
#define demand(w, cond) do {				\
	if (!(cond))					\
		complain(w, __LINE__, #cond);		\
} while (0)

/* xorshift64* */
static unsigned int pick(struct worker *w, unsigned int below)
{
	w->random ^= w->random >> 12;
	w->random ^= w->random << 25;
	w->random ^= w->random >> 27;
	return ((w->random * 0x2545f4914f6cdd1dULL) >> 33) % below;
}

static __u64 shared_value(struct worker *w, unsigned int id, unsigned int page)
{
	return (w->seed | 1) * (id + 1) + page;
}

/* The words of a new allocation. */
static void reset_words(struct object *object)
{
	object->mapped = false;
	memset(object->words, 0, sizeof(object->words));
	for (unsigned int i = 0; i < object->nr_pages; i++)
		object->words[i][0] = i;
}

static int alloc_object(struct worker *w, struct object *object)
{
	static const unsigned int kinds[] = {
		TEST_USERMAP_PAGES, TEST_USERMAP_COMPOUND, TEST_USERMAP_BLOCK,
		TEST_USERMAP_SPLIT, TEST_USERMAP_EXACT, TEST_USERMAP_VMALLOC,
	};
	unsigned int method;
	int ret;

	if (!object->shared) {
		object->kind = kinds[pick(w, ARRAY_SIZE(kinds))];
		object->nr_pages = 1U << pick(w, 5);
		object->flags = pick(w, 2) ? TEST_USERMAP_COUNT_VMAS : 0;
		if (pick(w, 2))
			object->flags |= TEST_USERMAP_EXPANDABLE;
	}
	/* Most of the time by the usermap calls. */
	do {
		method = pick(w, TEST_USERMAP_NR_METHODS + 2) %
			 TEST_USERMAP_NR_METHODS;
		ret = alloc(object->fd, object->kind, method,
			    object->nr_pages, object->flags);
	} while (ret == -EINVAL);
	if (!ret && !object->shared)
		reset_words(object);
	return ret;
}

static struct object *new_object(struct worker *w)
{
	struct object *object = calloc(1, sizeof(*object));

	demand(w, object);
	object->current = true;
	object->fd = device();
	demand(w, object->fd >= 0);
	demand(w, !alloc_object(w, object));
	return object;
}

static void put_object(struct object *object)
{
	if (!object->slots && !object->current && !object->shared)
		free(object);
}

static struct slot *free_slot(struct worker *w)
{
	for (unsigned int i = 0; i < SLOTS; i++) {
		if (!w->slots[i].object)
			return &w->slots[i];
	}
	return NULL;
}

static unsigned int nr_free_slots(struct worker *w)
{
	unsigned int nr = 0;

	for (unsigned int i = 0; i < SLOTS; i++)
		nr += !w->slots[i].object;
	return nr;
}

static struct slot *used_slot(struct worker *w)
{
	unsigned int start = pick(w, SLOTS);

	for (unsigned int i = 0; i < SLOTS; i++) {
		struct slot *slot = &w->slots[(start + i) % SLOTS];

		if (slot->object)
			return slot;
	}
	return NULL;
}

static struct slot *add_slot(struct worker *w, const struct slot *like,
			     char *addr, unsigned int first, unsigned int nr)
{
	struct slot *slot = free_slot(w);

	demand(w, slot);
	*slot = *like;
	slot->addr = addr;
	slot->first = first;
	slot->nr = nr;
	slot->object->slots++;
	return slot;
}

static void drop_slot(struct slot *slot)
{
	struct object *object = slot->object;

	slot->object = NULL;
	object->slots--;
	put_object(object);
}

/* Let a random piece of the slot be a slot of its own, and return that. */
static struct slot *split_slot(struct worker *w, struct slot *slot)
{
	unsigned int start, nr;

	if (slot->nr == 1 || nr_free_slots(w) < 4 || !pick(w, 3))
		return slot;
	start = pick(w, slot->nr);
	nr = 1 + pick(w, slot->nr - start);
	if (start)
		add_slot(w, slot, slot->addr, slot->first, start);
	if (start + nr < slot->nr)
		add_slot(w, slot, slot->addr + (start + nr) * page_size,
			 slot->first + start + nr, slot->nr - start - nr);
	slot->addr += start * page_size;
	slot->first += start;
	slot->nr = nr;
	return slot;
}

static void check_words(struct worker *w, struct slot *slot, unsigned int i)
{
	const unsigned int page = slot->first + i;
	__u64 *words = page_words(slot->addr, i);

	demand(w, READ_ONCE(words[0]) == page);
	/* When the page has been copied, if it has, does not matter here. */
	for (unsigned int j = 1; j < WORDS && !slot->private; j++) {
		__u64 val = READ_ONCE(words[j]);

		if (slot->object->shared)
			demand(w, !val || val == shared_value(w, j - 1, page));
		else
			demand(w, val == slot->object->words[page][j]);
	}
}

/* Read and perhaps write one page of the slot, and see what should happen. */
static void access_page(struct worker *w, struct slot *slot, unsigned int i)
{
	const unsigned int page = slot->first + i;
	struct object *object = slot->object;
	unsigned int word = 1 + pick(w, WORDS - 1);
	__u64 *words = page_words(slot->addr, i);
	__u64 val = w->random;
	int want;

	want = !slot->prot ? SIGSEGV : slot->gone ? SIGBUS : 0;
	demand(w, try_read(words) == want);
	if (!want)
		check_words(w, slot, i);

	/* A child knows nothing of what the parent writes meanwhile. */
	if (w->child)
		return;
	if (object->shared) {
		word = 1 + w->id;
		val = shared_value(w, w->id, page);
	}
	want = !(slot->prot & PROT_WRITE) ? SIGSEGV : slot->gone ? SIGBUS : 0;
	demand(w, try_write(&words[word], val) == want);
	if (!want && !slot->private && !object->shared)
		object->words[page][word] = val;
	if (!want)
		check_words(w, slot, i);
}

static void access_slot(struct worker *w, struct slot *slot)
{
	access_page(w, slot, pick(w, slot->nr));
	if (slot->prot && !slot->gone) {
		for (unsigned int i = 0; i < slot->nr; i++)
			check_words(w, slot, i);
	}
}

static struct object *any_object(struct worker *w)
{
	unsigned int i = pick(w, OBJECTS + 2);

	return i < OBJECTS ? w->objects[i] : &w->shared[pick(w, SHARED)];
}

static void op_map(struct worker *w)
{
	static const int prots[] = { RW, RW, PROT_READ, PROT_NONE };
	struct object *object = any_object(w);
	struct slot slot = { .object = object };
	unsigned int first, nr;
	char *addr;
	int ret;

	if (nr_free_slots(w) < 4)
		return;
	first = pick(w, object->nr_pages);
	nr = 1 + pick(w, object->nr_pages - first);
	slot.private = !pick(w, 4);
	slot.prot = prots[pick(w, ARRAY_SIZE(prots))];
	addr = map_at(object->fd, first, nr, slot.prot,
		      slot.private ? MAP_PRIVATE : MAP_SHARED);
	if (addr == MAP_FAILED && errno == ENXIO) {
		/* Its last mapping is gone, or a worker has freed it. */
		demand(w, object->shared ||
		       object->flags & TEST_USERMAP_COUNT_VMAS);
		demand(w, !object->slots || object->shared);
		ret = alloc_object(w, object);
		demand(w, !ret || (ret == -EBUSY && object->shared));
		return;
	}
	/* remap_pfn_range() maps private pages only at once. */
	if (addr == MAP_FAILED && errno == EINVAL && slot.private && nr > 1)
		return;
	demand(w, addr != MAP_FAILED);
	/* The last ->close() should have freed it. */
	demand(w, object->shared || !w->alone || object->slots ||
	       !object->mapped ||
	       !(object->flags & TEST_USERMAP_COUNT_VMAS));
	object->mapped = true;
	add_slot(w, &slot, addr, first, nr);
}

static void op_unmap(struct worker *w, struct slot *slot)
{
	demand(w, !munmap(slot->addr, slot->nr * page_size));
	drop_slot(slot);
}

static void op_protect(struct worker *w, struct slot *slot)
{
	static const int prots[] = { PROT_NONE, PROT_READ, RW };

	slot->prot = prots[pick(w, ARRAY_SIZE(prots))];
	demand(w, !mprotect(slot->addr, slot->nr * page_size, slot->prot));
}

static void op_move(struct worker *w, struct slot *slot)
{
	const size_t len = slot->nr * page_size;
	char *addr;

	addr = mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	demand(w, addr != MAP_FAILED);
	demand(w, mremap(slot->addr, len, len, MREMAP_MAYMOVE | MREMAP_FIXED,
			 addr) == addr);
	slot->addr = addr;
}

static void op_shrink(struct worker *w, struct slot *slot)
{
	unsigned int nr = 1 + pick(w, slot->nr);

	demand(w, mremap(slot->addr, slot->nr * page_size, nr * page_size, 0) ==
	       slot->addr);
	slot->nr = nr;
}

/* Where it may, there are no pages in what it adds. */
static void op_grow(struct worker *w, struct slot *slot)
{
	const bool expandable = slot->object->flags & TEST_USERMAP_EXPANDABLE;
	const unsigned int more = 1 + pick(w, 4);
	struct slot *added;
	char *addr;

	if (nr_free_slots(w) < 4)
		return;
	addr = mremap(slot->addr, slot->nr * page_size,
		      (slot->nr + more) * page_size, MREMAP_MAYMOVE);
	if (addr == MAP_FAILED) {
		/* Such a VMA cannot grow into the room behind it. */
		demand(w, errno == EFAULT || (errno == ENOMEM && expandable));
		return;
	}
	demand(w, expandable);
	slot->addr = addr;
	added = add_slot(w, slot, addr + slot->nr * page_size,
			 slot->first + slot->nr, more);
	added->gone = true;
}

static void op_dontunmap(struct worker *w, struct slot *slot)
{
	const size_t len = slot->nr * page_size;
	char *addr;

	if (nr_free_slots(w) < 4)
		return;
	addr = mremap(slot->addr, len, len, MREMAP_MAYMOVE | MREMAP_DONTUNMAP,
		      NULL);
	if (addr == MAP_FAILED) {
		demand(w, errno == EINVAL);
		return;
	}
	demand(w, slot->object->flags & TEST_USERMAP_EXPANDABLE);
	add_slot(w, slot, addr, slot->first, slot->nr);
	slot->gone = true;
}

static void op_dontneed(struct worker *w, struct slot *slot)
{
	if (madvise(slot->addr, slot->nr * page_size, MADV_DONTNEED))
		demand(w, errno == EINVAL);
	else
		slot->gone = true;
}

/* Whether it is allowed or not, it changes nothing that a program sees. */
static void op_advise(struct worker *w, struct slot *slot)
{
	static const int advice[] = {
		MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED,
		MADV_COLD, MADV_PAGEOUT, MADV_FREE, MADV_REMOVE,
		MADV_MERGEABLE, MADV_UNMERGEABLE, MADV_HUGEPAGE,
		MADV_NOHUGEPAGE, MADV_COLLAPSE, MADV_DONTDUMP, MADV_DODUMP,
		MADV_POPULATE_READ, MADV_POPULATE_WRITE, MADV_WIPEONFORK,
		MADV_KEEPONFORK,
	};
	const size_t len = slot->nr * page_size;
	unsigned int i = pick(w, ARRAY_SIZE(advice) + 4);

	switch (i) {
	case ARRAY_SIZE(advice):
		mlock(slot->addr, len);
		break;
	case ARRAY_SIZE(advice) + 1:
		munlock(slot->addr, len);
		break;
	case ARRAY_SIZE(advice) + 2:
		msync(slot->addr, len, MS_SYNC);
		break;
	case ARRAY_SIZE(advice) + 3:
		if (!madvise(slot->addr, len, MADV_DONTFORK))
			slot->nofork = true;
		break;
	default:
		madvise(slot->addr, len, advice[i]);
	}
}

static void op_free(struct worker *w, struct object *object)
{
	int ret = control(object->fd, TEST_USERMAP_FREE, 0);

	if (object->slots)
		demand(w, ret == -EBUSY);
	else if (object->shared || !w->alone)
		demand(w, !ret || ret == -EBUSY || ret == -ENXIO);
	else
		demand(w, !ret || (ret == -ENXIO &&
				   object->flags & TEST_USERMAP_COUNT_VMAS));
	if (!ret) {
		ret = alloc_object(w, object);
		demand(w, !ret || (ret == -EBUSY && object->shared));
	}
}

static void op_method(struct worker *w, struct object *object)
{
	int ret = control(object->fd, TEST_USERMAP_METHOD,
			  pick(w, TEST_USERMAP_NR_METHODS));

	demand(w, !ret || ret == -EINVAL || ret == -EBUSY || ret == -ENXIO);
	demand(w, ret || !object->slots);
}

/* What is mapped of the file stays. */
static void op_close(struct worker *w)
{
	struct object **object = &w->objects[pick(w, OBJECTS)];

	close((*object)->fd);
	(*object)->current = false;
	put_object(*object);
	*object = new_object(w);
}

static void op_fork(struct worker *w);

static void operation(struct worker *w)
{
	unsigned int op = pick(w, 100);
	struct slot *slot = used_slot(w);

	w->op++;
	if (!slot || op < 18)
		return op_map(w);
	if (op < 20)
		return op_close(w);
	if (op < 23)
		return op_free(w, any_object(w));
	if (op < 26)
		return op_method(w, any_object(w));
	if (op < 27)
		return op_fork(w);

	slot = split_slot(w, slot);
	if (op < 40 || nr_free_slots(w) < 4)
		op_unmap(w, slot);
	else if (op < 52)
		op_protect(w, slot);
	else if (op < 58)
		op_move(w, slot);
	else if (op < 61)
		op_shrink(w, slot);
	else if (op < 64)
		op_grow(w, slot);
	else if (op < 67)
		op_dontunmap(w, slot);
	else if (op < 69)
		op_dontneed(w, slot);
	else if (op < 78)
		op_advise(w, slot);
	else
		access_slot(w, slot);
}

/* A child does this and that with what it got, and exits with the rest. */
static void op_fork(struct worker *w)
{
	struct slot *slot;
	int status;
	pid_t pid;

	pid = fork();
	demand(w, pid >= 0);
	if (pid) {
		demand(w, waitpid(pid, &status, 0) == pid);
		demand(w, WIFEXITED(status) && !WEXITSTATUS(status));
		return;
	}

	w->child = true;
	for (unsigned int i = 0; i < SLOTS; i++) {
		if (w->slots[i].nofork)
			w->slots[i].object = NULL;
	}
	for (unsigned int n = pick(w, 12); n && (slot = used_slot(w)); n--) {
		switch (pick(w, 5)) {
		case 0:
			/* No free(): another thread may have had its lock. */
			demand(w, !munmap(slot->addr, slot->nr * page_size));
			slot->object = NULL;
			break;
		case 1:
			op_protect(w, slot);
			break;
		case 2:
			op_move(w, slot);
			break;
		case 3:
			op_dontneed(w, slot);
			break;
		default:
			access_slot(w, slot);
		}
	}
	_exit(0);
}

/* All of the memory of its own, after everything. */
static void check_object(struct worker *w, struct object *object)
{
	struct slot slot = { .object = object, .nr = object->nr_pages };

	slot.addr = map(object->fd, 0, object->nr_pages);
	if (slot.addr == MAP_FAILED) {
		demand(w, errno == ENXIO &&
		       object->flags & TEST_USERMAP_COUNT_VMAS);
		return;
	}
	for (unsigned int i = 0; i < slot.nr; i++)
		check_words(w, &slot, i);
	munmap(slot.addr, slot.nr * page_size);
}

static void *work(void *arg)
{
	struct worker *w = arg;

	for (unsigned int i = 0; i < OBJECTS; i++)
		w->objects[i] = new_object(w);
	while (w->op < w->ops)
		operation(w);

	for (unsigned int i = 0; i < SLOTS; i++) {
		if (w->slots[i].object) {
			access_slot(w, &w->slots[i]);
			op_unmap(w, &w->slots[i]);
		}
	}
	for (unsigned int i = 0; i < OBJECTS; i++) {
		check_object(w, w->objects[i]);
		close(w->objects[i]->fd);
		w->objects[i]->current = false;
		put_object(w->objects[i]);
	}
	return NULL;
}

static __u64 from_environment(const char *name, __u64 otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : otherwise;
}

FIXTURE(random)
{
	int log;
	long usermap_pages;
	struct object shared[SHARED];
};

FIXTURE_VARIANT(random)
{
	unsigned int processes, threads, ops;
};

FIXTURE_VARIANT_ADD(random, processes) {
	.processes = 4, .threads = 1, .ops = 12000,
};

FIXTURE_VARIANT_ADD(random, threads) {
	.processes = 2, .threads = 3, .ops = 4000,
};

FIXTURE_SETUP(random)
{
	self->shared[0].fd = -1;
	self->log = open_log();
	ASSERT_LE(0, self->log);
	self->usermap_pages = count_all_typed();
	ASSERT_LE(0, self->usermap_pages);
	for (unsigned int i = 0; i < SHARED; i++) {
		struct object *object = &self->shared[i];

		object->shared = true;
		object->fd = device();
		if (object->fd < 0)
			SKIP(return, DEVICE ": %s", strerror(errno));
		object->kind = i % TEST_USERMAP_NR_KINDS;
		object->nr_pages = MAX_PAGES;
		object->flags = i % 2 ? TEST_USERMAP_COUNT_VMAS : 0;
		if (i % 3 == 0)
			object->flags |= TEST_USERMAP_EXPANDABLE;
		ASSERT_EQ(0, alloc(object->fd, object->kind, TEST_USERMAP_ARRAY,
				   object->nr_pages, object->flags));
	}
}

FIXTURE_TEARDOWN(random)
{
	for (unsigned int i = 0; i < SHARED; i++)
		close(self->shared[i].fd);
	close(self->log);
}

TEST_F_TIMEOUT(random, operations, 600)
{
	const __u64 seed = from_environment("USERMAP_SEED", time(NULL));
	const unsigned int ops = from_environment("USERMAP_OPS", variant->ops);
	const unsigned int nr = variant->processes * variant->threads;
	struct worker *workers = calloc(nr, sizeof(*workers));
	pid_t pids[MAX_WORKERS];
	pthread_t threads[MAX_WORKERS];

	TH_LOG("%u workers, %u operations each, USERMAP_SEED=%llu", nr, ops,
	       (unsigned long long)seed);
	ASSERT_NE(NULL, workers);
	ASSERT_GE(MAX_WORKERS, nr);
	for (unsigned int i = 0; i < nr; i++) {
		workers[i].id = i;
		workers[i].ops = ops;
		workers[i].seed = seed;
		workers[i].random = (seed + i + 1) * 0x9e3779b97f4a7c15ULL | 1;
		workers[i].alone = variant->threads == 1;
		memcpy(workers[i].shared, self->shared, sizeof(self->shared));
	}

	for (unsigned int i = 0; i < variant->processes; i++) {
		struct worker *mine = workers + i * variant->threads;

		pids[i] = fork();
		ASSERT_LE(0, pids[i]);
		if (pids[i])
			continue;
		catch_signals();
		for (unsigned int j = 1; j < variant->threads; j++) {
			if (pthread_create(&threads[j], NULL, work, &mine[j]))
				_exit(2);
		}
		work(&mine[0]);
		for (unsigned int j = 1; j < variant->threads; j++)
			pthread_join(threads[j], NULL);
		_exit(0);
	}
	for (unsigned int i = 0; i < variant->processes; i++)
		EXPECT_EQ(0, reap(pids[i]));

	for (unsigned int i = 0; i < SHARED; i++) {
		int ret = control(self->shared[i].fd, TEST_USERMAP_FREE, 0);

		EXPECT_TRUE(!ret || ret == -ENXIO);
	}
	EXPECT_EQ(self->usermap_pages, count_all_typed());
	EXPECT_NO_REPORT();
}

int main(int argc, char **argv)
{
	page_size = getpagesize();
	return test_harness_run(argc, argv);
}
