// SPDX-License-Identifier: GPL-2.0
/*
 * What a program can do to the ring buffer that it maps from a perf event.
 *
 * The pages of a ring are kernel pages that are mapped without being counted.
 * How the kernel does that may change (VM_PFNMAP, then usermap pages); what a
 * program sees may not. So all tests here hold for both, except where they ask
 * vma_is_usermap(); there a comment has the reason.
 */
#define _GNU_SOURCE

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include <linux/futex.h>
#include <linux/io_uring.h>
#include <linux/mman.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

#include "kselftest_harness.h"
#include "usermap_perf.h"

#ifndef __NR_futex
#define __NR_futex		__NR_futex_time64
#endif
#ifndef PIDFD_SELF
#define PIDFD_SELF		-10000
#endif

#define POOL_PAGES	64

/* A sample of the events below. */
struct record {
	struct perf_event_header header;
	__u64 ip;
	__u32 pid, tid;
	__u64 time;
	__u64 addr;
};

/*
 * An event that writes one record for each page fault of this program: the
 * tests decide how much lands in the ring, and what.
 */
static int open_faults(void)
{
	struct perf_event_attr attr = {
		.type		= PERF_TYPE_SOFTWARE,
		.config		= PERF_COUNT_SW_PAGE_FAULTS,
		.sample_period	= 1,
		.sample_type	= PERF_SAMPLE_IP | PERF_SAMPLE_TID |
				  PERF_SAMPLE_TIME | PERF_SAMPLE_ADDR,
		.disabled	= 1,
		.exclude_kernel	= 1,
		.exclude_hv	= 1,
	};

	return perf_open(&attr);
}

FIXTURE(ring)
{
	int fd;
	struct perf_event_mmap_page *page;
	size_t len;
	char *pool;
};

FIXTURE_VARIANT(ring)
{
	size_t data_pages;
};

FIXTURE_VARIANT_ADD(ring, user_page_only) { .data_pages = 0 };
FIXTURE_VARIANT_ADD(ring, data_1) { .data_pages = 1 };
FIXTURE_VARIANT_ADD(ring, data_2) { .data_pages = 2 };
FIXTURE_VARIANT_ADD(ring, data_8) { .data_pages = 8 };
FIXTURE_VARIANT_ADD(ring, data_128) { .data_pages = 128 };
FIXTURE_VARIANT_ADD(ring, data_512) { .data_pages = 512 };
FIXTURE_VARIANT_ADD(ring, data_1024) { .data_pages = 1024 };

static void *map_ring(int fd, size_t len, int prot)
{
	return mmap(NULL, len, prot, MAP_SHARED, fd, 0);
}

FIXTURE_SETUP(ring)
{
	self->page = MAP_FAILED;
	self->pool = MAP_FAILED;
	self->fd = open_faults();
	if (self->fd < 0)
		SKIP(return, "perf_event_open: %s", strerror(errno));

	self->pool = mmap(NULL, POOL_PAGES * page_size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->pool);
	madvise(self->pool, POOL_PAGES * page_size, MADV_NOHUGEPAGE);

	self->len = (variant->data_pages + 1) * page_size;
	self->page = map_ring(self->fd, self->len, PROT_READ | PROT_WRITE);
	if (self->page == MAP_FAILED && errno == EPERM)
		SKIP(return, "a ring of %zu pages is more than this user may lock",
		     variant->data_pages + 1);
	ASSERT_NE(MAP_FAILED, self->page);
}

FIXTURE_TEARDOWN(ring)
{
	if (self->page != MAP_FAILED)
		EXPECT_EQ(0, munmap(self->page, self->len));
	if (self->pool != MAP_FAILED)
		munmap(self->pool, POOL_PAGES * page_size);
	if (self->fd >= 0)
		close(self->fd);
}

static char *ring_data(struct perf_event_mmap_page *page)
{
	return (char *)page + page_size;
}

static void ring_copy(struct perf_event_mmap_page *page, uint64_t pos,
		      void *dst, size_t len)
{
	char *data = ring_data(page);
	size_t size = page->data_size;

	for (size_t i = 0; i < len; i++)
		((char *)dst)[i] = data[(pos + i) & (size - 1)];
}

/*
 * Fault in each page of the pool, with the event on. The ring has room for
 * their records: POOL_PAGES * sizeof(struct record) is less than a page.
 */
static bool fault_pool(int fd, char *pool)
{
	if (madvise(pool, POOL_PAGES * page_size, MADV_DONTNEED))
		return false;
	if (ioctl(fd, PERF_EVENT_IOC_ENABLE, 0))
		return false;
	for (int i = 0; i < POOL_PAGES; i++)
		WRITE_ONCE(pool[i * page_size], 1);
	return !ioctl(fd, PERF_EVENT_IOC_DISABLE, 0);
}

/*
 * Read the records that the ring has, and make room for new ones when the
 * ring is writable. They must be those of fault_pool(). Other faults of this
 * program may be between them.
 */
static bool check_records(struct perf_event_mmap_page *page, const char *pool,
			  uint64_t tail)
{
	uint64_t head = load_acquire64(&page->data_head);
	struct record record;
	int next = 0;

	while (tail < head) {
		ring_copy(page, tail, &record, sizeof(record.header));
		if (record.header.type != PERF_RECORD_SAMPLE ||
		    record.header.size != sizeof(record))
			return false;
		ring_copy(page, tail, &record, sizeof(record));
		tail += sizeof(record);

		if (record.pid != (__u32)getpid())
			return false;
		if (record.addr == (uintptr_t)pool + next * page_size)
			next++;
	}
	return tail == head && next == POOL_PAGES;
}

/* Does the kernel still write into the pages that this program maps? */
static bool ring_works(int fd, struct perf_event_mmap_page *page, char *pool)
{
	uint64_t tail = page->data_head;
	__u32 lock = page->lock;

	if (!page->data_size)
		return fault_pool(fd, pool) &&
		       READ_ONCE(page->lock) != lock;

	store_release64(&page->data_tail, tail);
	return fault_pool(fd, pool) && check_records(page, pool, tail) &&
	       READ_ONCE(page->lock) != lock;
}

/* Each page raises @sig, when it is written or read. */
static bool all_raise(void *addr, size_t len, int (*access)(const void *),
		      int sig)
{
	for (size_t off = 0; off < len; off += page_size) {
		if (access((char *)addr + off) != sig)
			return false;
	}
	return true;
}

/* The first page can be written, no other; all can be read. */
static bool prot_as_new(struct perf_event_mmap_page *page, size_t len)
{
	char *addr = (char *)page;
	int expected = 0;

	for (size_t off = 0; off < len; off += page_size) {
		if (probe_read(addr + off) ||
		    probe_write(addr + off) != expected)
			return false;
		expected = SIGBUS;
	}
	return true;
}

TEST_F(ring, geometry)
{
	ASSERT_EQ(page_size, self->page->data_offset);
	ASSERT_EQ(variant->data_pages * page_size, self->page->data_size);
	ASSERT_EQ(0, self->page->aux_size);
	EXPECT_TRUE(prot_as_new(self->page, self->len));
}

/* The ring's bytes are those that the kernel wrote, on each page, and again. */
TEST_F_TIMEOUT(ring, contents, 120)
{
	do {
		ASSERT_TRUE(ring_works(self->fd, self->page, self->pool));
	} while (variant->data_pages && self->page->data_head < self->len);
}

TEST_F(ring, cpu_clock_samples)
{
	struct perf_event_attr attr = {
		.type		= PERF_TYPE_SOFTWARE,
		.config		= PERF_COUNT_SW_CPU_CLOCK,
		.sample_period	= 100000,
		.sample_type	= PERF_SAMPLE_IP | PERF_SAMPLE_TID,
		.exclude_kernel	= 1,
		.exclude_hv	= 1,
	};
	struct {
		struct perf_event_header header;
		__u64 ip;
		__u32 pid, tid;
	} sample;
	struct perf_event_mmap_page *page;
	uint64_t head, pos = 0;
	int fd = perf_open(&attr);

	ASSERT_GE(fd, 0);
	page = map_ring(fd, self->len, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, page);

	if (!variant->data_pages) {
		/* Samples there are, but no room for them. */
		for (clock_t end = clock() + CLOCKS_PER_SEC / 20; clock() < end;)
			;
		EXPECT_EQ(0, READ_ONCE(page->data_head));
		ASSERT_EQ(0, munmap(page, self->len));
		close(fd);
		return;
	}
	EXPECT_TRUE(wait_until(READ_ONCE(page->data_head) >=
			       10 * sizeof(sample)));
	ASSERT_EQ(0, ioctl(fd, PERF_EVENT_IOC_DISABLE, 0));
	head = load_acquire64(&page->data_head);
	while (pos < head) {
		ring_copy(page, pos, &sample, sizeof(sample.header));
		ASSERT_GE(sample.header.size, sizeof(sample.header));
		ASSERT_LE(pos + sample.header.size, head);
		if (sample.header.type == PERF_RECORD_SAMPLE) {
			ASSERT_EQ(sizeof(sample), sample.header.size);
			ring_copy(page, pos, &sample, sizeof(sample));
			ASSERT_EQ(getpid(), sample.pid);
		}
		pos += sample.header.size;
	}
	ASSERT_EQ(0, munmap(page, self->len));
	close(fd);
}

TEST_F(ring, read_only)
{
	char *addr;
	int fd;

	/* Its own event: a ring is in overwrite mode by its first mapping. */
	fd = open_faults();
	ASSERT_GE(fd, 0);
	addr = map_ring(fd, self->len, PROT_READ);
	ASSERT_NE(MAP_FAILED, addr);

	ASSERT_TRUE(all_raise(addr, self->len, probe_read, 0));
	ASSERT_TRUE(all_raise(addr, self->len, probe_write, SIGSEGV));
	ASSERT_TRUE(fault_pool(fd, self->pool));
	if (variant->data_pages)
		ASSERT_TRUE(check_records((void *)addr, self->pool, 0));

	/* The event's file is open for writing, so this is allowed. */
	ASSERT_EQ(0, mprotect(addr, self->len, PROT_READ | PROT_WRITE));
	EXPECT_TRUE(prot_as_new((void *)addr, self->len));
	ASSERT_EQ(0, munmap(addr, self->len));
	close(fd);
}

TEST_F(ring, mmap_errors)
{
	struct perf_event_attr attr = {
		.type		= PERF_TYPE_SOFTWARE,
		.config		= PERF_COUNT_SW_DUMMY,
		.exclude_kernel	= 1,
		.inherit	= 1,
	};
	int fd;

	EXPECT_EQ(MAP_FAILED, mmap(NULL, self->len, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE, self->fd, 0));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, self->len, PROT_READ, MAP_PRIVATE,
				   self->fd, 0));
	EXPECT_EQ(EINVAL, errno);

	/* An event has one ring, so one size. */
	EXPECT_EQ(MAP_FAILED, map_ring(self->fd, self->len + page_size,
				       PROT_READ | PROT_WRITE));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(MAP_FAILED, map_ring(self->fd, self->len * 2 + page_size,
				       PROT_READ | PROT_WRITE));
	EXPECT_EQ(EINVAL, errno);

	/* An offset is that of an AUX area, which this event has not. */
	EXPECT_EQ(MAP_FAILED, mmap(NULL, self->len, PROT_READ | PROT_WRITE,
				   MAP_SHARED, self->fd, self->len));
	EXPECT_EQ(EINVAL, errno);

	fd = open_faults();
	ASSERT_GE(fd, 0);
	EXPECT_EQ(MAP_FAILED, map_ring(fd, 4 * page_size,
				       PROT_READ | PROT_WRITE));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(MAP_FAILED, map_ring(fd, 514 * page_size, PROT_READ));
	EXPECT_EQ(EINVAL, errno);
	close(fd);

	fd = perf_open(&attr);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(MAP_FAILED, map_ring(fd, self->len, PROT_READ | PROT_WRITE));
	EXPECT_EQ(EINVAL, errno);
	close(fd);

	EXPECT_TRUE(ring_works(self->fd, self->page, self->pool));
}

TEST_F(ring, map_twice)
{
	struct perf_event_mmap_page *other;

	other = map_ring(self->fd, self->len, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, other);
	EXPECT_TRUE(prot_as_new(other, self->len));

	ASSERT_TRUE(ring_works(self->fd, self->page, self->pool));
	EXPECT_EQ(0, memcmp(self->page, other, self->len));
	WRITE_ONCE(self->page->data_tail, 0x1234);
	EXPECT_EQ(0x1234, READ_ONCE(other->data_tail));
	for (size_t off = 0; off < self->len; off += page_size)
		EXPECT_EQ(page_pfn((char *)self->page + off),
			  page_pfn((char *)other + off));

	ASSERT_EQ(0, munmap(self->page, self->len));
	self->page = other;
	EXPECT_TRUE(ring_works(self->fd, self->page, self->pool));
	EXPECT_TRUE(prot_as_new(self->page, self->len));
}

TEST_F(ring, set_output)
{
	int fd;

	fd = open_faults();
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, ioctl(fd, PERF_EVENT_IOC_SET_OUTPUT, self->fd));

	/* Two events would share the user page. */
	EXPECT_EQ(MAP_FAILED, map_ring(fd, self->len, PROT_READ | PROT_WRITE));
	EXPECT_EQ(EBUSY, errno);
	if (variant->data_pages) {
		uint64_t tail = self->page->data_head;

		ASSERT_TRUE(fault_pool(fd, self->pool));
		EXPECT_TRUE(check_records(self->page, self->pool, tail));
	}

	/* The last munmap() takes the ring from both. */
	ASSERT_EQ(0, munmap(self->page, self->len));
	self->page = map_ring(fd, self->len, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, self->page);
	EXPECT_TRUE(ring_works(fd, self->page, self->pool));
	close(fd);
}

TEST_F(ring, mprotect)
{
	char *addr = (char *)self->page;

	ASSERT_EQ(0, mprotect(addr, self->len, PROT_NONE));
	ASSERT_TRUE(all_raise(addr, self->len, probe_read, SIGSEGV));
	ASSERT_EQ(0, mprotect(addr, self->len, PROT_READ | PROT_WRITE));
	ASSERT_TRUE(prot_as_new(self->page, self->len));

	ASSERT_EQ(0, mprotect(addr, self->len, PROT_READ));
	ASSERT_TRUE(all_raise(addr, self->len, probe_write, SIGSEGV));
	ASSERT_EQ(0, mprotect(addr, self->len, PROT_READ | PROT_WRITE));
	ASSERT_TRUE(prot_as_new(self->page, self->len));

	/* A part would split the mapping. */
	if (variant->data_pages) {
		EXPECT_EQ(-1, mprotect(addr, page_size, PROT_NONE));
		EXPECT_EQ(EINVAL, errno);
		EXPECT_EQ(-1, mprotect(addr + page_size, page_size, PROT_NONE));
		EXPECT_EQ(EINVAL, errno);
	}
	EXPECT_TRUE(ring_works(self->fd, self->page, self->pool));
}

/* The pages are written by mprotect(PROT_NONE)d programs' kernels, too. */
TEST_F(ring, write_while_prot_none)
{
	uint64_t tail = self->page->data_head;

	self->page->data_tail = tail;
	ASSERT_EQ(0, mprotect(self->page, self->len, PROT_NONE));
	ASSERT_TRUE(fault_pool(self->fd, self->pool));
	ASSERT_EQ(0, mprotect(self->page, self->len, PROT_READ | PROT_WRITE));
	if (variant->data_pages)
		EXPECT_TRUE(check_records(self->page, self->pool, tail));
}

TEST_F(ring, unmap_part)
{
	char *addr = (char *)self->page;

	if (!variant->data_pages) {
		/* The only page is no part. */
		EXPECT_EQ(0, mprotect(addr, page_size, PROT_NONE));
		EXPECT_EQ(0, mprotect(addr, page_size, PROT_READ | PROT_WRITE));
		EXPECT_TRUE(ring_works(self->fd, self->page, self->pool));
		return;
	}
	EXPECT_EQ(-1, munmap(addr, page_size));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, munmap(addr + self->len - page_size, page_size));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(MAP_FAILED, mmap(addr, page_size, PROT_READ, MAP_PRIVATE |
				   MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_TRUE(ring_works(self->fd, self->page, self->pool));
	EXPECT_TRUE(prot_as_new(self->page, self->len));
}

TEST_F(ring, map_over)
{
	char *addr = (char *)self->page;

	ASSERT_EQ(addr, mmap(addr, self->len, PROT_READ, MAP_PRIVATE |
			     MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	ASSERT_EQ(0, addr[0]);
	self->page = mmap(addr, self->len, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_FIXED, self->fd, 0);
	ASSERT_EQ(addr, (char *)self->page);
	EXPECT_TRUE(ring_works(self->fd, self->page, self->pool));
	EXPECT_TRUE(prot_as_new(self->page, self->len));
}

TEST_F(ring, mremap_refused)
{
	EXPECT_EQ(MAP_FAILED, mremap(self->page, self->len,
				     self->len + page_size, MREMAP_MAYMOVE));
	EXPECT_EQ(EFAULT, errno);
	/* A copy of a shared mapping. */
	EXPECT_EQ(MAP_FAILED, mremap(self->page, 0, self->len, MREMAP_MAYMOVE));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(MAP_FAILED, mremap(self->page, self->len, self->len,
				     MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL));
	EXPECT_EQ(EINVAL, errno);
	if (variant->data_pages) {
		EXPECT_EQ(MAP_FAILED, mremap(self->page, self->len, page_size,
					     MREMAP_MAYMOVE));
		EXPECT_EQ(EINVAL, errno);
	}
	EXPECT_TRUE(ring_works(self->fd, self->page, self->pool));
	EXPECT_TRUE(prot_as_new(self->page, self->len));
}

TEST_F(ring, mremap_move)
{
	uint64_t pfn = page_pfn(self->page);
	void *old = self->page, *new;

	new = mmap(NULL, self->len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
		   -1, 0);
	ASSERT_NE(MAP_FAILED, new);
	ASSERT_EQ(new, mremap(old, self->len, self->len,
			      MREMAP_MAYMOVE | MREMAP_FIXED, new));
	self->page = new;
	EXPECT_EQ(pfn, page_pfn(new));
	EXPECT_EQ(SIGSEGV, probe_read(old));
	EXPECT_TRUE(prot_as_new(new, self->len));
	EXPECT_TRUE(ring_works(self->fd, self->page, self->pool));
}

TEST_F(ring, fork)
{
	pid_t pid;

	/* The mapping is not copied: pinned memory is counted once a mm. */
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid)
		_exit(probe_read(self->page) != SIGSEGV ||
		      probe_read((char *)self->page + self->len - page_size) !=
			      SIGSEGV);
	EXPECT_EQ(0, reap(pid));
	EXPECT_TRUE(ring_works(self->fd, self->page, self->pool));
	EXPECT_TRUE(prot_as_new(self->page, self->len));
}

/* The child's own mapping keeps the pages when the parent's is gone. */
TEST_F(ring, outlives_first_mm)
{
	int to_child[2], to_parent[2];
	char byte = 0;
	pid_t pid;

	ASSERT_TRUE(ring_works(self->fd, self->page, self->pool));
	ASSERT_EQ(0, pipe(to_child));
	ASSERT_EQ(0, pipe(to_parent));
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		struct perf_event_mmap_page *page;
		uint64_t head;
		char *copy;

		page = map_ring(self->fd, self->len, PROT_READ | PROT_WRITE);
		copy = malloc(self->len);
		if (page == MAP_FAILED || !copy)
			_exit(1);
		head = page->data_head;
		close(self->fd);
		if (write(to_parent[1], &byte, 1) != 1 ||
		    read(to_child[0], &byte, 1) != 1)
			_exit(2);
		memcpy(copy, page, self->len);
		if (page->data_head != head)
			_exit(3);
		/* Recycle the pages, if they were freed. */
		for (int i = 0; i < 16; i++) {
			char *mem = mmap(NULL, self->len, PROT_READ |
					 PROT_WRITE, MAP_PRIVATE |
					 MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

			if (mem == MAP_FAILED)
				_exit(4);
			memset(mem, 0x5a, self->len);
		}
		if (memcmp(copy + page_size, (char *)page + page_size,
			   self->len - page_size))
			_exit(5);
		if (!prot_as_new(page, self->len))
			_exit(6);
		_exit(munmap(page, self->len) ? 7 : 0);
	}
	ASSERT_EQ(1, read(to_parent[0], &byte, 1));
	ASSERT_EQ(0, munmap(self->page, self->len));
	self->page = MAP_FAILED;
	close(self->fd);
	self->fd = -1;
	ASSERT_EQ(1, write(to_child[1], &byte, 1));
	EXPECT_EQ(0, reap(pid));
}

TEST_F(ring, close_fd)
{
	struct perf_event_mmap_page *page = self->page;
	uint64_t head = page->data_head;

	ASSERT_EQ(0, ioctl(self->fd, PERF_EVENT_IOC_ENABLE, 0));
	close(self->fd);
	self->fd = -1;

	ASSERT_EQ(0, madvise(self->pool, POOL_PAGES * page_size,
			     MADV_DONTNEED));
	for (int i = 0; i < POOL_PAGES; i++)
		WRITE_ONCE(self->pool[i * page_size], 1);
	if (variant->data_pages)
		EXPECT_GE(READ_ONCE(page->data_head),
			  head + POOL_PAGES * sizeof(struct record));
	EXPECT_TRUE(prot_as_new(self->page, self->len));
}

#define ANY	-1	/* depends on the configuration */
#define FAILS	-2	/* with one errno or another */
#define IGNORED	-3	/* EINVAL, or success in a usermap mapping */

/*
 * Advices, and their errno or 0. A difference: advice about the LRU is refused
 * in VM_PFNMAP areas, and has no effect on pages that are in no LRU list.
 */
static const struct advice {
	const char *name;
	int advice;
	int err;
} advices[] = {
	{ "DONTNEED",		MADV_DONTNEED,		EINVAL },
	{ "DONTNEED_LOCKED",	MADV_DONTNEED_LOCKED,	EINVAL },
	{ "FREE",		MADV_FREE,		EINVAL },
	{ "REMOVE",		MADV_REMOVE,		ENODEV },
	{ "COLD",		MADV_COLD,		IGNORED },
	{ "PAGEOUT",		MADV_PAGEOUT,		IGNORED },
	{ "POPULATE_READ",	MADV_POPULATE_READ,	EINVAL },
	{ "POPULATE_WRITE",	MADV_POPULATE_WRITE,	EINVAL },
	{ "GUARD_INSTALL",	MADV_GUARD_INSTALL,	EINVAL },
	{ "GUARD_REMOVE",	MADV_GUARD_REMOVE,	EINVAL },
	{ "WIPEONFORK",		MADV_WIPEONFORK,	EINVAL },
	{ "KEEPONFORK",		MADV_KEEPONFORK,	0 },
	{ "DONTFORK",		MADV_DONTFORK,		0 },
	{ "DOFORK",		MADV_DOFORK,		EINVAL },
	{ "DONTDUMP",		MADV_DONTDUMP,		0 },
	{ "DODUMP",		MADV_DODUMP,		EINVAL },
	{ "NORMAL",		MADV_NORMAL,		0 },
	{ "RANDOM",		MADV_RANDOM,		0 },
	{ "SEQUENTIAL",		MADV_SEQUENTIAL,	0 },
	{ "WILLNEED",		MADV_WILLNEED,		0 },
	{ "MERGEABLE",		MADV_MERGEABLE,		ANY },
	{ "UNMERGEABLE",	MADV_UNMERGEABLE,	ANY },
	{ "HUGEPAGE",		MADV_HUGEPAGE,		ANY },
	{ "NOHUGEPAGE",		MADV_NOHUGEPAGE,	ANY },
	{ "COLLAPSE",		MADV_COLLAPSE,		ANY },
	/* No page of the kernel's may be taken offline through its user. */
	{ "HWPOISON",		MADV_HWPOISON,		FAILS },
	{ "SOFT_OFFLINE",	MADV_SOFT_OFFLINE,	FAILS },
};

TEST_F(ring, madvise)
{
	int ignored = vma_is_usermap(self->page) ? 0 : EINVAL;
	uint64_t pfn = page_pfn(self->page);
	size_t i;

	for (i = 0; i < sizeof(advices) / sizeof(*advices); i++) {
		const struct advice *a = &advices[i];
		long ret;

		ret = ret_errno(madvise(self->page, self->len, a->advice));
		EXPECT_TRUE(a->err == -ret || a->err == ANY ||
			    (a->err == FAILS && ret < 0) ||
			    (a->err == IGNORED && ret == -ignored))
			TH_LOG("MADV_%s: %ld", a->name, ret);
		ASSERT_TRUE(prot_as_new(self->page, self->len))
			TH_LOG("MADV_%s", a->name);
		ASSERT_EQ(pfn, page_pfn(self->page))
			TH_LOG("MADV_%s", a->name);
	}
	EXPECT_TRUE(ring_works(self->fd, self->page, self->pool));
}

/* A range that begins in other memory ends with the ring's errno. */
TEST_F(ring, madvise_across)
{
	char *area, *ring;

	area = mmap(NULL, self->len + 2 * page_size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, area);
	ring = mremap(self->page, self->len, self->len,
		      MREMAP_MAYMOVE | MREMAP_FIXED, area + page_size);
	ASSERT_EQ(area + page_size, ring);
	self->page = (void *)ring;

	area[0] = 1;
	area[page_size + self->len] = 1;
	EXPECT_EQ(-1, madvise(area, self->len + 2 * page_size, MADV_DONTNEED));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(0, area[0]);
	EXPECT_EQ(1, area[page_size + self->len]);
	EXPECT_TRUE(ring_works(self->fd, self->page, self->pool));
	munmap(area, page_size);
	munmap(area + page_size + self->len, page_size);
}

TEST_F(ring, process_madvise)
{
	struct iovec iov = { .iov_base = self->page, .iov_len = self->len };
	int advice[] = { MADV_DONTNEED, MADV_DONTNEED_LOCKED };

	for (size_t i = 0; i < sizeof(advice) / sizeof(*advice); i++) {
		EXPECT_EQ(-1, syscall(__NR_process_madvise, PIDFD_SELF, &iov, 1,
				      advice[i], 0));
		EXPECT_EQ(EINVAL, errno)
			TH_LOG("advice %d", advice[i]);
	}
	EXPECT_TRUE(prot_as_new(self->page, self->len));
	EXPECT_TRUE(ring_works(self->fd, self->page, self->pool));
}

/* Nobody gets at the struct pages of a ring through its page table. */
TEST_F(ring, gup_refused)
{
	size_t last = self->len - page_size;

	/* An error, not -EEXIST nor success, whichever page it is. */
	for (size_t off = 0; off <= last; off += last ?: 1) {
		char *addr = (char *)self->page + off;
		char buf[16] = { 0 };
		struct iovec local = { .iov_base = buf, .iov_len = 16 };
		struct iovec remote = { .iov_base = addr, .iov_len = 16 };
		int fds[2];

		EXPECT_EQ(-EFAULT, ret_errno(process_vm_readv(getpid(), &local,
							      1, &remote, 1,
							      0)));
		EXPECT_EQ(-EFAULT, ret_errno(process_vm_writev(getpid(),
							       &local, 1,
							       &remote, 1, 0)));
		ASSERT_EQ(0, pipe(fds));
		EXPECT_EQ(-EFAULT, ret_errno(vmsplice(fds[1], &remote, 1, 0)));
		close(fds[0]);
		close(fds[1]);

		/* A shared futex is keyed by its page, a private one not. */
		EXPECT_EQ(-EFAULT, ret_errno(syscall(__NR_futex, addr,
						     FUTEX_WAKE, 1, NULL, NULL,
						     0)));
		EXPECT_EQ(0, syscall(__NR_futex, addr, FUTEX_WAKE_PRIVATE, 1,
				     NULL, NULL, 0));
	}
	EXPECT_TRUE(ring_works(self->fd, self->page, self->pool));
}

TEST_F(ring, io_uring_register_refused)
{
	struct iovec iov = { .iov_base = self->page, .iov_len = self->len };
	struct io_uring_params params = { 0 };
	int fd;

	fd = syscall(__NR_io_uring_setup, 4, &params);
	if (fd < 0)
		SKIP(return, "io_uring_setup: %s", strerror(errno));
	EXPECT_EQ(-EFAULT, ret_errno(syscall(__NR_io_uring_register, fd,
					     IORING_REGISTER_BUFFERS, &iov,
					     1)));
	close(fd);
}

/* Plain copies, in contrast, are like the program's own accesses. */
TEST_F(ring, uaccess)
{
	int fds[2];
	char *buf;

	ASSERT_TRUE(ring_works(self->fd, self->page, self->pool));
	buf = malloc(page_size);
	ASSERT_NE(NULL, buf);
	ASSERT_EQ(0, pipe(fds));
	for (size_t off = 0; off < self->len; off += page_size) {
		char *addr = (char *)self->page + off;

		ASSERT_EQ(page_size, write(fds[1], addr, page_size));
		ASSERT_EQ(page_size, read(fds[0], buf, page_size));
		ASSERT_EQ(0, memcmp(addr, buf, page_size));
	}
	*(__u64 *)buf = 0x4321;
	ASSERT_EQ(8, write(fds[1], buf, 8));
	if (variant->data_pages) {
		ASSERT_EQ(-EFAULT, ret_errno(read(fds[0], ring_data(self->page),
						  8)));
		/* What a failed copy_to_user() leaves of a pipe is not ours. */
		close(fds[0]);
		close(fds[1]);
		ASSERT_EQ(0, pipe(fds));
		ASSERT_EQ(8, write(fds[1], buf, 8));
	}
	ASSERT_EQ(8, read(fds[0], &self->page->data_tail, 8));
	ASSERT_EQ(0x4321, self->page->data_tail);
	close(fds[0]);
	close(fds[1]);
	free(buf);
}

TEST_F(ring, mlock_msync_mincore)
{
	unsigned char *vec;
	void *addr;

	EXPECT_EQ(0, mlock(self->page, self->len));
	EXPECT_EQ(0, munlock(self->page, self->len));
	EXPECT_EQ(0, syscall(__NR_mlock2, self->page, self->len, 1));
	EXPECT_EQ(0, munlockall());
	EXPECT_EQ(0, mlockall(MCL_CURRENT | MCL_FUTURE));
	addr = map_ring(self->fd, self->len, PROT_READ | PROT_WRITE);
	EXPECT_NE(MAP_FAILED, addr);
	EXPECT_EQ(0, munmap(addr, self->len));
	EXPECT_EQ(0, munlockall());
	addr = mmap(NULL, self->len, PROT_READ | PROT_WRITE, MAP_SHARED |
		    MAP_POPULATE | MAP_LOCKED, self->fd, 0);
	EXPECT_NE(MAP_FAILED, addr);
	EXPECT_TRUE(prot_as_new(addr, self->len));
	EXPECT_EQ(0, munmap(addr, self->len));

	EXPECT_EQ(0, msync(self->page, self->len, MS_ASYNC));
	EXPECT_EQ(-EINVAL, ret_errno(msync(self->page, self->len, MS_SYNC)));

	vec = calloc(1, variant->data_pages + 1);
	ASSERT_NE(NULL, vec);
	ASSERT_EQ(0, mincore(self->page, self->len, vec));
	for (size_t i = 0; i <= variant->data_pages; i++)
		EXPECT_EQ(1, vec[i]);
	free(vec);
	EXPECT_TRUE(ring_works(self->fd, self->page, self->pool));
}

TEST_F(ring, smaps)
{
	if (smaps_field(self->page, "VmFlags", "sh") < 0)
		SKIP(return, "no /proc/self/smaps");

	EXPECT_TRUE(vma_has(self->page, " io"));
	EXPECT_TRUE(vma_has(self->page, " de"));
	EXPECT_TRUE(vma_has(self->page, " dc"));
	EXPECT_TRUE(vma_has(self->page, " dd"));
	/* A difference: the mapping was VM_PFNMAP. */
	EXPECT_EQ(!has_usermap, vma_has(self->page, " pf"));
	EXPECT_EQ(has_usermap, vma_has(self->page, " mm"));

	/* The pages are the kernel's, this program's mm counts none. */
	EXPECT_EQ(0, smaps_field(self->page, "Rss", NULL));
	EXPECT_EQ(0, smaps_field(self->page, "Pss", NULL));
	EXPECT_EQ(0, smaps_field(self->page, "Referenced", NULL));
	EXPECT_EQ(0, smaps_field(self->page, "Locked", NULL));
}

/*
 * A difference: pagemap has the pages of a usermap mapping. To its walker, a
 * VM_PFNMAP area is a hole.
 */
TEST_F(ring, pagemap)
{
	uint64_t first = page_pfn(self->page);

	self->pool[0] = 1;
	if (!page_pfn(self->pool))
		SKIP(return, "page frame numbers are for root");
	if (!vma_is_usermap(self->page)) {
		ASSERT_EQ(0, first);
		return;
	}

	for (size_t off = 0; off < self->len; off += page_size) {
		uint64_t entry, mapcount;

		entry = pagemap_entry((char *)self->page + off);
		ASSERT_TRUE(entry & PM_PRESENT);
		ASSERT_NE(0, PM_PFN(entry));
		ASSERT_FALSE(entry & (PM_FILE | PM_EXCLUSIVE));
		if (off)
			ASSERT_NE(first, PM_PFN(entry));
		/* No mapping is counted. */
		if (read_entry("/proc/kpagecount", PM_PFN(entry), &mapcount))
			ASSERT_EQ(0, mapcount);
	}
}

/* A difference: only a kernel that has the page type can show it. */
TEST_F(ring, typed_pages)
{
	size_t typed;

	self->pool[0] = 1;
	if (!page_pfn(self->pool))
		SKIP(return, "page frame numbers are for root");

	typed = count_typed((char *)self->page, self->len);
	if (!vma_is_usermap(self->page)) {
		ASSERT_EQ(0, typed);
	} else {
		if (!page_is_typed(self->page))
			SKIP(return, "/proc/kpageflags does not show the type");
		ASSERT_EQ(variant->data_pages + 1, typed);
	}
	EXPECT_FALSE(page_is_typed(self->pool));
}

/* Soft-dirty bits and the like must not lose the mapping. */
TEST_F(ring, clear_refs)
{
	int fd;

	fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		SKIP(return, "/proc/self/clear_refs: %s", strerror(errno));
	for (char c = '1'; c <= '5'; c++) {
		if (write(fd, &c, 1) < 0)
			EXPECT_EQ(EINVAL, errno);
		ASSERT_TRUE(prot_as_new(self->page, self->len))
			TH_LOG("clear_refs %c", c);
	}
	close(fd);
	EXPECT_TRUE(ring_works(self->fd, self->page, self->pool));
}

/*
 * A difference: debuggers can read usermap pages. Without the type, there is
 * no way from a page table to memory that the kernel knows to be safe, and
 * perf has no ->access, so the answer is EIO.
 */
TEST_F(ring, proc_mem)
{
	bool usermap = vma_is_usermap(self->page);
	char *addr = (char *)self->page, *buf;
	__u64 val = 0x5678;
	int fd;

	ASSERT_TRUE(ring_works(self->fd, self->page, self->pool));
	buf = malloc(self->len);
	ASSERT_NE(NULL, buf);
	fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	ASSERT_GE(fd, 0);

	/* A debugger writes the user page when the program has done so once. */
	WRITE_ONCE(self->page->data_tail, 0);
	if (usermap) {
		ASSERT_EQ((ssize_t)self->len, pread(fd, buf, self->len,
						    (uintptr_t)addr));
		EXPECT_EQ(0, memcmp(buf, addr, self->len));
		ASSERT_EQ(8, pwrite(fd, &val, sizeof(val),
				    (uintptr_t)&self->page->data_tail));
		EXPECT_EQ(val, READ_ONCE(self->page->data_tail));
	} else {
		EXPECT_EQ(-EIO, ret_errno(pread(fd, buf, self->len,
						(uintptr_t)addr)));
		EXPECT_EQ(-EIO, ret_errno(pwrite(fd, &val, sizeof(val),
						 (uintptr_t)
						 &self->page->data_tail)));
	}

	/* Not even a debugger writes where the program itself may not. */
	for (size_t off = page_size; off < self->len; off += page_size) {
		memcpy(buf, addr + off, page_size);
		ASSERT_EQ(-EIO, ret_errno(pwrite(fd, "x", 1,
						 (uintptr_t)addr + off)));
		ASSERT_EQ(0, memcmp(buf, addr + off, page_size));
	}

	/* From the ring's last byte on, up to where the mapping ends. */
	if (usermap)
		EXPECT_EQ(1, pread(fd, buf, 1,
				   (uintptr_t)addr + self->len - 1));
	close(fd);
	free(buf);
	EXPECT_TRUE(prot_as_new(self->page, self->len));
}

/* The same difference, seen by another program. */
TEST_F(ring, ptrace)
{
	bool usermap = vma_is_usermap(self->page);
	char *addr = (char *)self->page;
	int status, fds[2];
	pid_t pid;

	/* The child maps the ring where this program has it. */
	ASSERT_TRUE(ring_works(self->fd, self->page, self->pool));
	ASSERT_EQ(0, pipe(fds));
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		if (mmap(addr, self->len, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED, self->fd, 0) != addr)
			_exit(1);
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		_exit(0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFSTOPPED(status));
	for (size_t off = 0; off < self->len; off += page_size) {
		long val;

		errno = 0;
		val = ptrace(PTRACE_PEEKDATA, pid, addr + off, NULL);
		ASSERT_EQ(usermap ? 0 : EIO, errno);
		if (usermap)
			ASSERT_EQ(READ_ONCE(*(long *)(addr + off)), val);
		if (off)
			ASSERT_EQ(-1, ptrace(PTRACE_POKEDATA, pid, addr + off,
					     val));
	}
	kill(pid, SIGKILL);
	EXPECT_EQ(256 + SIGKILL, reap(pid));
	EXPECT_TRUE(ring_works(self->fd, self->page, self->pool));
}

struct racer {
	int fd;
	size_t len;
	int rounds;
	int failures;
};

static void *race(void *arg)
{
	struct racer *racer = arg;
	struct perf_event_mmap_page *page;
	char *addr;

	for (int i = 0; i < racer->rounds; i++) {
		addr = map_ring(racer->fd, racer->len, PROT_READ | PROT_WRITE);
		if (addr == MAP_FAILED) {
			racer->failures++;
			continue;
		}
		for (size_t off = 0; off < racer->len; off += page_size)
			(void)READ_ONCE(addr[off]);
		page = (void *)addr;
		WRITE_ONCE(page->data_tail, i);
		if (munmap(addr, racer->len))
			racer->failures++;
	}
	return NULL;
}

/*
 * The ring comes and goes with its last mapping, while another thread and
 * another program map it.
 */
TEST_F_TIMEOUT(ring, race, 120)
{
	struct racer racer[3];
	pthread_t thread[2];
	pid_t pid;

	ASSERT_EQ(0, munmap(self->page, self->len));
	self->page = MAP_FAILED;
	for (int i = 0; i < 3; i++)
		racer[i] = (struct racer) {
			.fd = self->fd,
			.len = self->len,
			.rounds = variant->data_pages > 8 ? 50 : 300,
		};

	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		race(&racer[2]);
		_exit(!!racer[2].failures);
	}
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, race, &racer[i]));
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, pthread_join(thread[i], NULL));
		EXPECT_EQ(0, racer[i].failures);
	}
	EXPECT_EQ(0, reap(pid));

	self->page = map_ring(self->fd, self->len, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, self->page);
	EXPECT_TRUE(ring_works(self->fd, self->page, self->pool));
}

FIXTURE(machine)
{
};

FIXTURE_SETUP(machine)
{
}

FIXTURE_TEARDOWN(machine)
{
}

/* 64 times one MiB: the pages come back, also those without a type by then. */
TEST_F_TIMEOUT(machine, memory_comes_back, 120)
{
	const size_t len = (1 << 20) + page_size;
	size_t before = mem_available();

	ASSERT_NE(0, before);
	for (int i = 0; i < 64; i++) {
		int fd = open_faults();
		void *page;

		ASSERT_GE(fd, 0);
		page = map_ring(fd, len, PROT_READ | PROT_WRITE);
		if (page == MAP_FAILED && errno == EPERM)
			SKIP(return, "a MiB is more than this user may lock");
		ASSERT_NE(MAP_FAILED, page);
		ASSERT_EQ(0, munmap(page, len));
		close(fd);
	}
	/* After a grace period. */
	EXPECT_TRUE(wait_until(before < mem_available() + (32 << 20)));
}

/* Stays last: all pages that the tests above mapped are free again. */
TEST_F(machine, no_leak)
{
	if (typed_at_start < 0)
		SKIP(return, "cannot read /proc/kpageflags");
	EXPECT_TRUE(typed_pages_are_gone());
}

int main(int argc, char **argv)
{
	usermap_init();
	has_usermap = kernel_has_usermap();
	return test_harness_run(argc, argv);
}
