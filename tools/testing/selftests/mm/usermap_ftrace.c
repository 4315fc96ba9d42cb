// SPDX-License-Identifier: GPL-2.0
/*
 * What a program sees of an ftrace ring buffer that it maps, and what the
 * kernel may do to the buffer meanwhile.
 *
 * Sub-buffers are swapped between the ring buffer and its readers, resized and
 * freed while nothing maps them. How the kernel maps them may change, from
 * refcounted pages to usermap pages; what a program sees may not. So all tests
 * hold for both, but for what asks has_usermap, which is listed in
 * Documentation/mm/usermap_users.rst.
 */
#define _GNU_SOURCE

#include <pthread.h>
#include <stdlib.h>

#include <linux/trace_mmap.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "kselftest_harness.h"
#include "usermap.h"

#define TRACEFS		"/sys/kernel/tracing"
#define INSTANCE	TRACEFS "/instances/usermap"
/* In guests that have it on their command line, a buffer in reserved memory. */
#define BOOT_INSTANCE	TRACEFS "/instances/usermap_boot"
#define BUFFER_KB	"256"
#define MAX_PAGES	1024

/* For the tests that expect a difference. */
static bool has_usermap;

/* Write to a file of the instance: 0 or -errno. */
static int set(const char *instance, const char *name, const char *value)
{
	char path[256];
	ssize_t ret;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", instance, name);
	fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = ret_errno(write(fd, value, strlen(value)));
	close(fd);
	return ret < 0 ? ret : 0;
}

static int open_raw(const char *instance, int cpu, int flags)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/per_cpu/cpu%d/trace_pipe_raw",
		 instance, cpu);
	return open(path, flags | O_NONBLOCK | O_CLOEXEC);
}

static bool run_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return !sched_setaffinity(0, sizeof(set), &set);
}

/* mmap(), and -errno if it fails. */
static long try_map(int fd, size_t len, int prot, int flags, off_t offset)
{
	void *addr = mmap(NULL, len, prot, flags, fd, offset);

	return addr == MAP_FAILED ? -errno : (long)addr;
}

/* The errno alone; what has been mapped goes. */
static int map_errno(int fd, size_t len, int prot, int flags, off_t offset)
{
	long addr = try_map(fd, len, prot, flags, offset);

	if (addr < 0 && addr > -4096)
		return addr;
	munmap((void *)addr, len);
	return 0;
}

/* The page frame of each page. */
static bool read_frames(const char *addr, size_t len, uint64_t *frames)
{
	size_t nr = len / page_size;
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	ssize_t ret;

	ret = pread(fd, frames, nr * sizeof(*frames),
		    (uintptr_t)addr / page_size * sizeof(*frames));
	close(fd);
	for (size_t i = 0; i < nr; i++)
		frames[i] = frames[i] & PM_PRESENT ? PM_PFN(frames[i]) : 0;
	return ret == (ssize_t)(nr * sizeof(*frames));
}

/*
 * A buffer of one CPU in a tracing instance of its own, and all of it mapped:
 * the meta page, zeroes up to the size of a sub-buffer, the sub-buffers.
 */
FIXTURE(ftrace)
{
	const char *instance;
	struct trace_buffer_meta *meta;
	size_t subbuf_size;
	char *addr;
	size_t len;
	int marker;
	int nr;		/* events so far */
	int fd;
};

FIXTURE_VARIANT(ftrace)
{
	const char *subbuf_kb;
	bool boot;
};

FIXTURE_VARIANT_ADD(ftrace, subbuf_4k) { .subbuf_kb = "4" };
FIXTURE_VARIANT_ADD(ftrace, subbuf_8k) { .subbuf_kb = "8" };
FIXTURE_VARIANT_ADD(ftrace, subbuf_32k) { .subbuf_kb = "32" };
FIXTURE_VARIANT_ADD(ftrace, reserve_mem) { .boot = true };

static bool map_all(struct _test_data_ftrace *self)
{
	struct trace_buffer_meta *meta;
	long addr;

	addr = try_map(self->fd, page_size, PROT_READ, MAP_SHARED, 0);
	if (addr < 0 && addr > -4096) {
		errno = -addr;
		return false;
	}
	meta = (void *)addr;
	self->subbuf_size = meta->subbuf_size;
	self->len = meta->meta_page_size +
		    (size_t)meta->nr_subbufs * meta->subbuf_size;
	/* As long as this page is mapped, the size cannot change. */
	addr = try_map(self->fd, self->len, PROT_READ, MAP_SHARED, 0);
	munmap(meta, page_size);
	if (addr < 0 && addr > -4096) {
		errno = -addr;
		return false;
	}
	self->addr = (void *)addr;
	self->meta = (void *)addr;
	return true;
}

static void unmap_all(struct _test_data_ftrace *self)
{
	munmap(self->addr, self->len);
	self->addr = MAP_FAILED;
}

FIXTURE_SETUP(ftrace)
{
	self->addr = MAP_FAILED;
	self->fd = -1;
	self->marker = -1;
	self->instance = variant->boot ? BOOT_INSTANCE : INSTANCE;
	if (geteuid())
		SKIP(return, "tracefs is for root");
	if (access(TRACEFS "/instances", F_OK))
		SKIP(return, "no %s", TRACEFS "/instances");
	if (variant->boot && access(BOOT_INSTANCE, F_OK))
		SKIP(return, "no %s", BOOT_INSTANCE);
	if (!variant->boot) {
		ASSERT_EQ(0, mkdir(INSTANCE, 0700));
		ASSERT_EQ(0, set(INSTANCE, "buffer_subbuf_size_kb",
				 variant->subbuf_kb));
		ASSERT_EQ(0, set(INSTANCE, "buffer_size_kb", BUFFER_KB));
	}
	ASSERT_EQ(0, set(self->instance, "trace", ""));
	ASSERT_EQ(0, set(self->instance, "tracing_on", "1"));
	ASSERT_TRUE(run_on(0));
	self->fd = open_raw(self->instance, 0, O_RDONLY);
	ASSERT_GE(self->fd, 0);
	ASSERT_TRUE(map_all(self))
		TH_LOG("mmap: %s", strerror(errno));
	ASSERT_LE(self->len, MAX_PAGES * page_size);
}

FIXTURE_TEARDOWN(ftrace)
{
	if (self->addr != MAP_FAILED)
		EXPECT_EQ(0, munmap(self->addr, self->len));
	if (self->fd >= 0)
		close(self->fd);
	if (self->marker >= 0)
		close(self->marker);
	if (!variant->boot && !access(INSTANCE, F_OK))
		EXPECT_EQ(0, rmdir(INSTANCE));
}

/* Events of some hundred bytes, each with its number. */
static bool mark(struct _test_data_ftrace *self, int nr)
{
	char path[256], event[512];

	if (self->marker < 0) {
		snprintf(path, sizeof(path), "%s/trace_marker", self->instance);
		self->marker = open(path, O_WRONLY | O_CLOEXEC);
	}
	memset(event, '.', sizeof(event));
	while (nr--) {
		snprintf(event, sizeof(event), "event %d,", self->nr++);
		if (write(self->marker, event, sizeof(event)) < 0)
			return false;
	}
	return true;
}

/* As many as fill @nr sub-buffers. */
static bool mark_subbufs(struct _test_data_ftrace *self, int nr)
{
	return mark(self, nr * (self->subbuf_size / 512 + 1));
}

static bool has_event(const char *from, size_t len, int nr)
{
	char event[32];

	snprintf(event, sizeof(event), "event %d,", nr);
	return memmem(from, len, event, strlen(event));
}

static char *subbuf(struct _test_data_ftrace *self, unsigned int id)
{
	return self->addr + self->meta->meta_page_size + id * self->subbuf_size;
}

static bool get_reader(struct _test_data_ftrace *self)
{
	return !ioctl(self->fd, TRACE_MMAP_IOCTL_GET_READER);
}

/* Is event @nr in one of the sub-buffers that the ioctl gives us to read? */
static bool reads_event(struct _test_data_ftrace *self, int nr)
{
	/* One call marks a sub-buffer as read, the next one has another. */
	for (unsigned int i = 0; i < 2 * self->meta->nr_subbufs; i++) {
		if (!get_reader(self))
			return false;
		if (has_event(subbuf(self, READ_ONCE(self->meta->reader.id)),
			      self->subbuf_size, nr))
			return true;
	}
	return false;
}

static bool readable(const char *addr, size_t len)
{
	for (size_t i = 0; i < len; i += page_size)
		if (probe_read(addr + i))
			return false;
	return true;
}

/* Can it be resized, that is, does the kernel think that nothing maps it? */
static int resize(struct _test_data_ftrace *self)
{
	int ret = set(self->instance, "buffer_size_kb", "64");

	return ret ?: set(self->instance, "buffer_size_kb", BUFFER_KB);
}

TEST_F_TIMEOUT(ftrace, meta_page, 120)
{
	struct trace_buffer_meta *meta = self->meta;
	size_t i;

	EXPECT_EQ(sizeof(*meta), meta->meta_struct_len);
	EXPECT_EQ(meta->subbuf_size, meta->meta_page_size);
	EXPECT_EQ(0, meta->entries);
	EXPECT_EQ(0, meta->read);
	for (i = meta->meta_struct_len; i < meta->meta_page_size; i++)
		if (self->addr[i])
			break;
	EXPECT_EQ(meta->meta_page_size, i);
	EXPECT_TRUE(readable(self->addr, self->len));

	ASSERT_TRUE(mark(self, 3));
	EXPECT_TRUE(get_reader(self));
	EXPECT_EQ(3, meta->entries);
	EXPECT_EQ(3, meta->read);
}

TEST_F_TIMEOUT(ftrace, contents, 120)
{
	bool seen[MAX_PAGES] = { false };

	ASSERT_TRUE(mark(self, 1));
	EXPECT_TRUE(reads_event(self, 0));
	/* Written after the mapping was made, in each of the sub-buffers. */
	for (unsigned int i = 0; i < 4 * self->meta->nr_subbufs; i++) {
		ASSERT_TRUE(mark(self, self->subbuf_size / 1024));
		EXPECT_TRUE(reads_event(self, self->nr - 1));
		seen[self->meta->reader.id] = true;
	}
	for (unsigned int i = 0; i < self->meta->nr_subbufs; i++) {
		EXPECT_TRUE(seen[i])
			TH_LOG("sub-buffer %u", i);
	}
	EXPECT_EQ(0, self->meta->overrun);
	EXPECT_EQ(self->nr, self->meta->entries);
}

TEST_F_TIMEOUT(ftrace, second_mapping, 120)
{
	size_t subbuf_pages = self->subbuf_size / page_size, i;
	uint64_t frames[MAX_PAGES], other[MAX_PAGES];
	long addr;

	addr = try_map(self->fd, self->len, PROT_READ, MAP_SHARED, 0);
	ASSERT_GT(addr, 0);
	ASSERT_TRUE(mark(self, 1));
	EXPECT_TRUE(get_reader(self));
	EXPECT_EQ(0, memcmp(self->addr, (void *)addr, self->len));
	ASSERT_TRUE(read_frames(self->addr, self->len, frames));
	ASSERT_TRUE(read_frames((void *)addr, self->len, other));
	EXPECT_EQ(0, memcmp(frames, other, self->len / page_size * 8));
	EXPECT_EQ(0, munmap((void *)addr, self->len));
	EXPECT_EQ(-EBUSY, resize(self));

	/* Each part that begins with a sub-buffer, up to any page. */
	for (i = subbuf_pages; i < self->len / page_size; i += subbuf_pages) {
		addr = try_map(self->fd, page_size, PROT_READ, MAP_SHARED,
			       i * page_size);
		ASSERT_GT(addr, 0);
		EXPECT_EQ(frames[i], page_pfn((void *)addr));
		EXPECT_EQ(0, munmap((void *)addr, page_size));
	}
	EXPECT_EQ(0, map_errno(self->fd, self->len - page_size, PROT_READ,
			       MAP_SHARED, 0));
	/* The first mapping is there. */
	EXPECT_TRUE(reads_event(self, 0));
}

static void check_refusals(struct __test_metadata *_metadata,
			   struct _test_data_ftrace *self)
{
	size_t size = self->subbuf_size;
	int rw = open_raw(self->instance, 0, O_RDWR);
	int fd = self->fd;

	ASSERT_GE(rw, 0);
	EXPECT_EQ(-EPERM, map_errno(rw, self->len, PROT_READ | PROT_WRITE,
				    MAP_SHARED, 0));
	close(rw);
	EXPECT_EQ(-EACCES, map_errno(fd, self->len, PROT_READ | PROT_WRITE,
				     MAP_SHARED, 0));
	EXPECT_EQ(-EPERM, map_errno(fd, self->len, PROT_READ | PROT_EXEC,
				    MAP_SHARED, 0));
	EXPECT_EQ(-EPERM, map_errno(fd, self->len, PROT_READ, MAP_PRIVATE, 0));
	EXPECT_EQ(-EPERM, map_errno(fd, self->len, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE, 0));
	EXPECT_EQ(-EINVAL, map_errno(fd, self->len + page_size, PROT_READ,
				     MAP_SHARED, 0));
	EXPECT_EQ(-EINVAL, map_errno(fd, self->len, PROT_READ, MAP_SHARED,
				     size));
	EXPECT_EQ(-EINVAL, map_errno(fd, page_size, PROT_READ, MAP_SHARED,
				     self->len));
	EXPECT_EQ(-EINVAL, map_errno(fd, page_size, PROT_READ, MAP_SHARED,
				     1LL << 40));
	EXPECT_EQ(-EINVAL, map_errno(fd, 0, PROT_READ, MAP_SHARED, 0));
	EXPECT_EQ(-EINVAL, map_errno(fd, page_size, PROT_READ, MAP_SHARED,
				     size + 1));
	/* Not within the meta page, nor within a sub-buffer. */
	EXPECT_EQ(size == page_size ? 0 : -EINVAL,
		  map_errno(fd, page_size, PROT_READ, MAP_SHARED, page_size));
	EXPECT_EQ(size == page_size ? 0 : -EINVAL,
		  map_errno(fd, page_size, PROT_READ, MAP_SHARED,
			    size + page_size));
}

TEST_F_TIMEOUT(ftrace, refused, 120)
{
	check_refusals(_metadata, self);
	EXPECT_EQ(-1, mprotect(self->addr, self->len, PROT_READ | PROT_WRITE));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(SIGSEGV, probe_write(self->addr));
	EXPECT_EQ(SIGSEGV, probe_write(subbuf(self, 0)));
	EXPECT_TRUE(readable(self->addr, self->len));

	/* The same for the first mapping, and it leaves nothing behind. */
	unmap_all(self);
	check_refusals(_metadata, self);
	if (!variant->boot)
		EXPECT_EQ(0, resize(self));
	EXPECT_TRUE(typed_pages_are_gone());
	ASSERT_TRUE(map_all(self));
	ASSERT_TRUE(mark(self, 1));
	EXPECT_TRUE(reads_event(self, self->nr - 1));
}

/* Nothing that would free or replace a sub-buffer. */
TEST_F_TIMEOUT(ftrace, static_while_mapped, 120)
{
	uint64_t before[MAX_PAGES], after[MAX_PAGES];
	bool snapshots = !variant->boot && !access(INSTANCE "/snapshot", F_OK);

	ASSERT_TRUE(read_frames(self->addr, self->len, before));
	ASSERT_TRUE(mark(self, 1));
	EXPECT_EQ(-EBUSY, resize(self));
	EXPECT_EQ(-EBUSY, set(self->instance, "per_cpu/cpu0/buffer_size_kb",
			      "128"));
	EXPECT_EQ(-EBUSY, set(self->instance, "buffer_subbuf_size_kb", "16"));
	if (snapshots)
		EXPECT_EQ(-EBUSY, set(INSTANCE, "snapshot", "1"));
	/* Resizes when it is closed. */
	EXPECT_EQ(0, set(self->instance, "free_buffer", ""));
	EXPECT_EQ(-1, rmdir(self->instance));
	EXPECT_EQ(EBUSY, errno);
	EXPECT_TRUE(reads_event(self, 0));
	/* These may go on. */
	EXPECT_EQ(0, set(self->instance, "trace", ""));
	EXPECT_TRUE(get_reader(self));
	EXPECT_EQ(0, self->meta->entries);
	EXPECT_EQ(0, set(self->instance, "tracing_on", "1"));
	ASSERT_TRUE(mark(self, 1));
	EXPECT_TRUE(reads_event(self, 1));
	ASSERT_TRUE(read_frames(self->addr, self->len, after));
	EXPECT_EQ(0, memcmp(before, after, self->len / page_size * 8));

	unmap_all(self);
	if (variant->boot)
		return;
	EXPECT_EQ(0, resize(self));
	if (snapshots) {
		EXPECT_EQ(0, set(INSTANCE, "snapshot", "1"));
		ASSERT_TRUE(map_all(self));
		EXPECT_EQ(-EBUSY, set(INSTANCE, "snapshot", "1"));
		unmap_all(self);
		EXPECT_EQ(0, set(INSTANCE, "snapshot", "0"));
	}
	EXPECT_EQ(0, set(INSTANCE, "buffer_subbuf_size_kb", "16"));
	ASSERT_TRUE(map_all(self));
	EXPECT_EQ(16 << 10, self->subbuf_size);
	ASSERT_TRUE(mark(self, 1));
	EXPECT_TRUE(reads_event(self, 2));
}

TEST_F_TIMEOUT(ftrace, fork, 120)
{
	char *addr = self->addr;
	pid_t pid;

	ASSERT_TRUE(mark(self, 1));
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid)
		_exit(probe_read(addr) != SIGSEGV);
	EXPECT_EQ(0, reap(pid));
	EXPECT_TRUE(reads_event(self, 0));
	EXPECT_EQ(-EINVAL, ret_errno(madvise(addr, self->len, MADV_DOFORK)));

	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		/* The file is shared, so that it can be mapped. */
		if (!map_all(self) || !reads_event(self, 0))
			_exit(1);
		_exit(0);
	}
	EXPECT_EQ(0, reap(pid));
	EXPECT_EQ(-EBUSY, resize(self));
	EXPECT_TRUE(reads_event(self, 0));
}

TEST_F_TIMEOUT(ftrace, close_fd, 120)
{
	uint64_t before[MAX_PAGES], after[MAX_PAGES];

	ASSERT_TRUE(mark(self, 1));
	EXPECT_TRUE(get_reader(self));
	ASSERT_TRUE(read_frames(self->addr, self->len, before));
	ASSERT_EQ(0, close(self->fd));
	self->fd = -1;
	EXPECT_EQ(-1, rmdir(self->instance));
	EXPECT_EQ(EBUSY, errno);
	EXPECT_EQ(-EBUSY, resize(self));
	EXPECT_TRUE(has_event(self->addr, self->len, 0));
	/* And other readers neither swap nor free what is mapped. */
	ASSERT_TRUE(mark_subbufs(self, 3));
	self->fd = open_raw(self->instance, 0, O_RDONLY);
	ASSERT_GE(self->fd, 0);
	EXPECT_TRUE(reads_event(self, 1));
	ASSERT_TRUE(read_frames(self->addr, self->len, after));
	EXPECT_EQ(0, memcmp(before, after, self->len / page_size * 8));
}

TEST_F_TIMEOUT(ftrace, part, 120)
{
	ASSERT_TRUE(mark(self, 1));
	EXPECT_EQ(-EINVAL, ret_errno(munmap(self->addr, page_size)));
	EXPECT_EQ(-EINVAL, ret_errno(munmap(self->addr + self->subbuf_size,
					    self->subbuf_size)));
	EXPECT_EQ(-EINVAL, ret_errno(mprotect(self->addr, page_size,
					      PROT_NONE)));
	EXPECT_EQ(MAP_FAILED, mremap(self->addr, self->len,
				     self->len + page_size, MREMAP_MAYMOVE));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_TRUE(reads_event(self, 0));

	ASSERT_EQ(0, mprotect(self->addr, self->len, PROT_NONE));
	EXPECT_EQ(SIGSEGV, probe_read(self->addr));
	ASSERT_EQ(0, mprotect(self->addr, self->len, PROT_READ));
	EXPECT_TRUE(reads_event(self, 0));
}

/* A kernel that does not count what mremap() makes warns at munmap(). */
TEST_F_TIMEOUT(ftrace, mremap, 120)
{
	char *to, *moved;

	if (!has_usermap)
		SKIP(return, "this kernel does not count the new mapping");
	ASSERT_TRUE(mark(self, 1));
	to = mmap(NULL, self->len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		  0);
	ASSERT_NE(MAP_FAILED, to);
	moved = mremap(self->addr, self->len, self->len,
		       MREMAP_MAYMOVE | MREMAP_FIXED, to);
	ASSERT_EQ(to, moved);
	EXPECT_EQ(SIGSEGV, probe_read(self->addr));
	self->addr = moved;
	self->meta = (void *)moved;
	EXPECT_TRUE(reads_event(self, 0));
	EXPECT_EQ(-EBUSY, resize(self));
	if (!access(INSTANCE "/snapshot", F_OK) && !variant->boot)
		EXPECT_EQ(-EBUSY, set(INSTANCE, "snapshot", "1"));

	unmap_all(self);
	if (!variant->boot)
		EXPECT_EQ(0, resize(self));
	EXPECT_TRUE(typed_pages_are_gone());
}

/* A mapped buffer can be read and spliced as well: that copies. */
TEST_F_TIMEOUT(ftrace, read_and_splice, 120)
{
	uint64_t before[MAX_PAGES], after[MAX_PAGES];
	char *buf = malloc(self->subbuf_size);
	int fds[2];

	ASSERT_NE(NULL, buf);
	ASSERT_EQ(0, pipe(fds));
	ASSERT_TRUE(read_frames(self->addr, self->len, before));
	ASSERT_TRUE(mark_subbufs(self, 3));
	ASSERT_EQ((ssize_t)self->subbuf_size,
		  read(self->fd, buf, self->subbuf_size));
	EXPECT_TRUE(has_event(buf, self->subbuf_size, 0));

	/* splice() wants the position on a sub-buffer. */
	ASSERT_EQ((ssize_t)self->subbuf_size,
		  splice(self->fd, NULL, fds[1], NULL, self->subbuf_size,
			 SPLICE_F_NONBLOCK));
	ASSERT_TRUE(read_frames(self->addr, self->len, after));
	EXPECT_EQ(0, memcmp(before, after, self->len / page_size * 8));
	/* What is in the pipe is a copy, and stays when the mapping goes. */
	unmap_all(self);
	ASSERT_TRUE(mark_subbufs(self, 3));
	ASSERT_EQ((ssize_t)self->subbuf_size,
		  read(fds[0], buf, self->subbuf_size));
	EXPECT_FALSE(has_event(buf, self->subbuf_size, 0));
	EXPECT_NE(NULL, memmem(buf, self->subbuf_size, "event ", 6));
	free(buf);
	close(fds[0]);
	close(fds[1]);
}

/* Sub-buffers that went to a pipe before, and come back afterwards. */
TEST_F_TIMEOUT(ftrace, spliced_before, 120)
{
	char *buf = malloc(self->subbuf_size);
	int fds[2];

	ASSERT_NE(NULL, buf);
	ASSERT_EQ(0, pipe(fds));
	unmap_all(self);
	ASSERT_TRUE(mark_subbufs(self, 3));
	ASSERT_EQ((ssize_t)self->subbuf_size,
		  splice(self->fd, NULL, fds[1], NULL, self->subbuf_size,
			 SPLICE_F_NONBLOCK));
	ASSERT_TRUE(map_all(self));
	/* Pages of reserved memory do not leave the buffer. */
	EXPECT_EQ(variant->boot, has_event(self->addr, self->len, 0));
	ASSERT_EQ((ssize_t)self->subbuf_size,
		  read(fds[0], buf, self->subbuf_size));
	EXPECT_TRUE(has_event(buf, self->subbuf_size, 0));
	ASSERT_TRUE(mark(self, 1));
	unmap_all(self);
	/* Now the page of the pipe is the spare one. */
	ASSERT_EQ((ssize_t)self->subbuf_size,
		  splice(self->fd, NULL, fds[1], NULL, self->subbuf_size,
			 SPLICE_F_NONBLOCK));
	EXPECT_TRUE(typed_pages_are_gone());
	ASSERT_TRUE(map_all(self));
	EXPECT_TRUE(reads_event(self, self->nr - 1));
	free(buf);
	close(fds[0]);
	close(fds[1]);
}

TEST_F_TIMEOUT(ftrace, proc_mem, 120)
{
	int fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	char *buf = malloc(self->len);

	ASSERT_GE(fd, 0);
	ASSERT_NE(NULL, buf);
	ASSERT_TRUE(mark(self, 1));
	EXPECT_TRUE(get_reader(self));
	EXPECT_EQ((ssize_t)self->len,
		  pread(fd, buf, self->len, (uintptr_t)self->addr));
	EXPECT_EQ(0, memcmp(buf, self->addr, self->len));
	free(buf);
	close(fd);
}

/* What differs: usermap pages are not counted, and GUP does not find them. */
TEST_F_TIMEOUT(ftrace, counted, 120)
{
	size_t padding = self->meta->meta_page_size - page_size;
	unsigned long word = 0;
	struct iovec local = { &word, sizeof(word) };
	struct iovec remote = { self->addr, sizeof(word) };

	EXPECT_TRUE(readable(self->addr, self->len));
	EXPECT_EQ(has_usermap ? (self->len - padding) / page_size : 0,
		  count_typed(self->addr, self->len));
	EXPECT_EQ(has_usermap ? 0 : (self->len - padding) / 1024,
		  smaps_field(self->addr, "Rss", NULL));
	EXPECT_EQ(has_usermap ? -EFAULT : (int)sizeof(word),
		  ret_errno(process_vm_readv(getpid(), &local, 1, &remote, 1,
					     0)));
	EXPECT_EQ(0, mlock(self->addr, self->len));
	EXPECT_EQ(0, munlock(self->addr, self->len));
	EXPECT_EQ(0, madvise(self->addr, self->len, MADV_DONTNEED));
	EXPECT_EQ(SIGBUS, probe_read(self->addr));

	unmap_all(self);
	EXPECT_TRUE(typed_pages_are_gone());
}

TEST_F_TIMEOUT(ftrace, cpu_offline, 120)
{
	const char *online = "/sys/devices/system/cpu/cpu1/online";
	int fd = open_raw(self->instance, 1, O_RDONLY);
	long addr;

	if (fd < 0 || access(online, W_OK))
		SKIP(return, "no second CPU that can be offline");
	addr = try_map(fd, self->len, PROT_READ, MAP_SHARED, 0);
	ASSERT_GT(addr, 0);
	ASSERT_TRUE(run_on(1));
	ASSERT_TRUE(mark(self, 1));
	ASSERT_TRUE(run_on(0));
	ASSERT_TRUE(write_string(online, "0"));
	EXPECT_EQ(0, ioctl(fd, TRACE_MMAP_IOCTL_GET_READER));
	EXPECT_TRUE(has_event((char *)addr, self->len, 0));
	EXPECT_EQ(-EBUSY, set(self->instance, "per_cpu/cpu1/buffer_size_kb",
			      "64"));
	EXPECT_TRUE(write_string(online, "1"));
	EXPECT_EQ(0, ioctl(fd, TRACE_MMAP_IOCTL_GET_READER));
	EXPECT_TRUE(has_event((char *)addr, self->len, 0));
	EXPECT_EQ(0, munmap((void *)addr, self->len));
	close(fd);
}

static struct _test_data_ftrace failing;

static int failing_map(void)
{
	long addr = try_map(failing.fd, failing.len, PROT_READ, MAP_SHARED, 0);

	if (addr < 0 && addr > -4096)
		return -addr;
	failing.addr = (void *)addr;
	return 0;
}

static bool undo_map(void)
{
	unmap_all(&failing);
	/* The buffer that the kernel reserved at boot has its size for ever. */
	return !strcmp(failing.instance, BOOT_INSTANCE) || !resize(&failing);
}

TEST_F_TIMEOUT(ftrace, fail_nth, 300)
{
	struct fail_each each = {
		.call = failing_map, .undo = undo_map, .err = ENOMEM,
	};
	int control = fail_open();

	if (control < 0)
		SKIP(return, "no fault injection in debugfs");
	unmap_all(self);
	failing = *self;
	EXPECT_FAIL_EACH(&each, control);
	/* The meta page, the IDs, the array of pages. */
	EXPECT_GE(each.failures, 3);
	EXPECT_TRUE(typed_pages_are_gone());
	ASSERT_TRUE(map_all(self));
	ASSERT_TRUE(mark(self, 1));
	EXPECT_TRUE(reads_event(self, 0));
	close(control);
}

static bool stop;
static long spliced;

/* Swaps pages out of the ring buffer, or copies while it is mapped. */
static void *splicer(void *arg)
{
	struct _test_data_ftrace mine = *(struct _test_data_ftrace *)arg;
	char *buf = malloc(mine.subbuf_size);
	int fds[2];

	mine.marker = -1;
	mine.fd = open_raw(mine.instance, 0, O_RDONLY);
	if (mine.fd < 0 || pipe(fds))
		return NULL;
	run_on(0);
	while (!READ_ONCE(stop) && mark_subbufs(&mine, 2)) {
		while (splice(mine.fd, NULL, fds[1], NULL, mine.subbuf_size,
			      SPLICE_F_NONBLOCK) > 0) {
			if (read(fds[0], buf, mine.subbuf_size) !=
			    (ssize_t)mine.subbuf_size)
				break;
			WRITE_ONCE(spliced, spliced + 1);
		}
	}
	close(mine.marker);
	close(mine.fd);
	close(fds[0]);
	close(fds[1]);
	free(buf);
	return NULL;
}

static int nr_cpus(void)
{
	return sysconf(_SC_NPROCESSORS_ONLN);
}

/* Whoever maps the buffer first has the pages that are in it, as the second. */
TEST_F_TIMEOUT(ftrace, races_with_splice, 300)
{
	uint64_t first[MAX_PAGES], second[MAX_PAGES];
	long addr, wrong = 0;
	pthread_t thread;

	unmap_all(self);
	ASSERT_TRUE(run_on(nr_cpus() > 1 ? 1 : 0));
	stop = false;
	ASSERT_EQ(0, pthread_create(&thread, NULL, splicer, self));
	for (int i = 0; i < 10 || !READ_ONCE(spliced); i++) {
		addr = try_map(self->fd, self->len, PROT_READ, MAP_SHARED, 0);
		ASSERT_GT(addr, 0)
			TH_LOG("mapping %d: %s", i, strerror(-addr));
		self->addr = (void *)addr;
		addr = try_map(self->fd, self->len, PROT_READ, MAP_SHARED, 0);
		ASSERT_GT(addr, 0)
			TH_LOG("mapping %d again: %s", i, strerror(-addr));
		ASSERT_TRUE(read_frames(self->addr, self->len, first));
		ASSERT_TRUE(read_frames((void *)addr, self->len, second));
		wrong += !!memcmp(first, second, self->len / page_size * 8);
		munmap((void *)addr, self->len);
		unmap_all(self);
	}
	WRITE_ONCE(stop, true);
	ASSERT_EQ(0, pthread_join(thread, NULL));
	TH_LOG("%ld sub-buffers spliced, %ld mappings with another's page",
	       spliced, wrong);
	/* A kernel that lets readers swap at that time has such mappings. */
	EXPECT_TRUE(!wrong || !has_usermap);
	EXPECT_TRUE(typed_pages_are_gone());
}

static long resized;	/* or the error that ended it */

/* Frees pages of the ring buffer, or is refused while it is mapped. */
static void *resizer(void *arg)
{
	struct _test_data_ftrace *self = arg;
	int ret;

	while (!READ_ONCE(stop)) {
		ret = resize(self);
		if (ret && ret != -EBUSY) {
			WRITE_ONCE(resized, ret);
			break;
		}
		WRITE_ONCE(resized, resized + !ret);
	}
	return NULL;
}

TEST_F_TIMEOUT(ftrace, races_with_resize, 300)
{
	pthread_t thread;

	if (variant->boot)
		SKIP(return, "buffers in reserved memory have one size");
	unmap_all(self);
	stop = false;
	ASSERT_EQ(0, pthread_create(&thread, NULL, resizer, self));
	for (int i = 0; i < 10 || (resized >= 0 && READ_ONCE(resized) < 5); i++) {
		/* Between its two calls the buffer is mapped, and static. */
		ASSERT_TRUE(map_all(self))
			TH_LOG("mapping %d: %s", i, strerror(errno));
		EXPECT_TRUE(readable(self->addr, self->len));
		unmap_all(self);
	}
	WRITE_ONCE(stop, true);
	ASSERT_EQ(0, pthread_join(thread, NULL));
	TH_LOG("resized %ld times", resized);
	EXPECT_GT(resized, 0);
	EXPECT_TRUE(typed_pages_are_gone());
}

int main(int argc, char **argv)
{
	usermap_init();
	has_usermap = kernel_has_usermap();
	return test_harness_run(argc, argv);
}
