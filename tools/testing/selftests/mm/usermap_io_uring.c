// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that io_uring allocates for its regions, while it is mapped.
 *
 * A region can be freed while user space maps it: a buffer ring when it is
 * unregistered, the rings when they are resized, a zcrx refill ring when its
 * registration fails late. What user space mapped must stay as it is, and must
 * not become anybody else's memory, until the last mapping is gone.
 *
 * The fixture "region" has all regions that the kernel allocates, "freed" those
 * that are freed while they are mapped.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/io_uring.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "usermap.h"

/* io_uring/memmap.h; user space gets these from the kernel, as mmap_offset. */
#define OFF_PARAM_REGION	0x20000000ULL
#define OFF_ZCRX_REGION		0x30000000ULL

#define FAIL_ALLOC	"/sys/kernel/debug/fail_page_alloc/"
#define RW		(PROT_READ | PROT_WRITE)
#define BGID		7
#define LIMIT_PAGES	8
#define MAX_BUFFER_RING	(512 << 10)

enum kind {
	BUFFER_RING,
	RINGS,
	SQES,
	PARAM,
	ZCRX,
};

/* A region, how to map it, and what of it the kernel does not look at. */
struct memory {
	enum kind	kind;
	int		fd;
	off_t		offset;
	size_t		size;
	size_t		first;
	char		*addr;
	bool		single_pages;

	/* a zcrx registration that waits in copy_to_user() */
	pthread_t	thread;
	int		uffd;
	char		*area;
	int		result;
};

static int uring_setup(unsigned int entries, struct io_uring_params *params)
{
	return syscall(__NR_io_uring_setup, entries, params);
}

static int uring_register(int fd, unsigned int opcode, void *arg,
			  unsigned int nr)
{
	return syscall(__NR_io_uring_register, fd, opcode, arg, nr) ? -errno : 0;
}

static size_t max(size_t a, size_t b)
{
	if (a > b)
		return a;
	return b;
}

static size_t page_align(size_t size)
{
	return (size + page_size - 1) & ~(page_size - 1);
}

/* Have this task get single pages only: a region is not a compound page then. */
static bool only_single_pages(bool yes)
{
	return write_string(FAIL_ALLOC "task-filter", "1") &&
	       write_string(FAIL_ALLOC "ignore-gfp-wait", "0") &&
	       write_string(FAIL_ALLOC "min-order", "1") &&
	       write_string(FAIL_ALLOC "verbose", "0") &&
	       write_string(FAIL_ALLOC "times", "-1") &&
	       write_string(FAIL_ALLOC "probability", yes ? "100" : "0") &&
	       write_string("/proc/self/make-it-fail", yes ? "1" : "0");
}

static int buffer_ring(int fd, unsigned int bgid, size_t size)
{
	struct io_uring_buf_reg reg = {
		.ring_entries = size / sizeof(struct io_uring_buf),
		.bgid = bgid,
		.flags = IOU_PBUF_RING_MMAP,
	};

	return uring_register(fd, IORING_REGISTER_PBUF_RING, &reg, 1);
}

static int no_buffer_ring(int fd, unsigned int bgid)
{
	struct io_uring_buf_reg reg = { .bgid = bgid };

	return uring_register(fd, IORING_UNREGISTER_PBUF_RING, &reg, 1);
}

static off_t buffer_ring_offset(unsigned int bgid)
{
	return IORING_OFF_PBUF_RING | (off_t)bgid << IORING_OFF_PBUF_SHIFT;
}

static int param_region(int fd, size_t size, off_t *offset)
{
	struct io_uring_region_desc desc = { .size = size };
	struct io_uring_mem_region_reg reg = { .region_uptr = (uintptr_t)&desc };
	int err;

	err = uring_register(fd, IORING_REGISTER_MEM_REGION, &reg, 1);
	*offset = desc.mmap_offset;
	return err;
}

/* A refill ring of @size bytes that no device fills; the data goes to @area. */
static int refill_ring(int fd, size_t size, struct io_uring_zcrx_area_reg *area,
		       size_t *first)
{
	struct io_uring_region_desc desc = { .size = size };
	struct io_uring_zcrx_ifq_reg reg = {
		.rq_entries = 64,
		.flags = ZCRX_REG_NODEV,
		.area_ptr = (uintptr_t)area,
		.region_ptr = (uintptr_t)&desc,
	};
	int err;

	err = uring_register(fd, IORING_REGISTER_ZCRX_IFQ, &reg, 1);
	*first = reg.offsets.rqes;
	return err;
}

static int zcrx_ring(void)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_CQE32 |
			 IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_R_DISABLED,
	};

	return uring_setup(8, &params);
}

/* The area is that of the caller, and its description is in front. */
static struct io_uring_zcrx_area_reg *zcrx_area(void)
{
	const size_t size = 16 * page_size;
	struct io_uring_zcrx_area_reg *area;
	char *addr = mmap(NULL, page_size + size, RW,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (addr == MAP_FAILED)
		return NULL;
	area = (void *)addr;
	area->addr = (uintptr_t)addr + page_size;
	area->len = size;
	return area;
}

static bool no_zcrx(void)
{
	struct io_uring_zcrx_area_reg *area = zcrx_area();
	int fd = zcrx_ring();
	size_t first;
	int err;

	err = area ? refill_ring(fd, page_size * 2, area, &first) : -ENOMEM;
	close(fd);
	return err == -EOPNOTSUPP;
}

static void *registers_zcrx(void *arg)
{
	struct memory *mem = arg;
	size_t first;

	mem->result = refill_ring(mem->fd, mem->size, (void *)mem->area, &first);
	return NULL;
}

/*
 * Have a registration write to memory that is write protected by userfaultfd:
 * it waits there with the region published. The rest of the memory is pinned.
 */
static int wait_in_registration(struct memory *mem)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_WP };
	struct uffdio_writeprotect wp = { .mode = UFFDIO_WRITEPROTECT_MODE_WP };
	struct uffd_msg msg;

	mem->area = (char *)zcrx_area();
	mem->uffd = syscall(__NR_userfaultfd, O_CLOEXEC);
	if (!mem->area || mem->uffd < 0)
		return -errno;
	reg.range.start = (uintptr_t)mem->area;
	reg.range.len = page_size;
	wp.range = reg.range;
	if (ioctl(mem->uffd, UFFDIO_API, &api) ||
	    ioctl(mem->uffd, UFFDIO_REGISTER, &reg) ||
	    ioctl(mem->uffd, UFFDIO_WRITEPROTECT, &wp))
		return -errno;
	if (pthread_create(&mem->thread, NULL, registers_zcrx, mem))
		return -EAGAIN;
	if (read(mem->uffd, &msg, sizeof(msg)) != sizeof(msg) ||
	    msg.event != UFFD_EVENT_PAGEFAULT)
		return -EIO;
	return 0;
}

static int fail_registration(struct memory *mem)
{
	struct uffdio_range range = {
		.start = (uintptr_t)mem->area,
		.len = page_size,
	};

	/* No hole, which another thread's mmap() could fill. */
	if (mprotect(mem->area, page_size, PROT_NONE) ||
	    ioctl(mem->uffd, UFFDIO_WAKE, &range))
		return -errno;
	pthread_join(mem->thread, NULL);
	close(mem->uffd);
	return mem->result == -EFAULT ? 0 : -EPROTO;
}

static char *map_memory(struct memory *mem)
{
	return mmap(NULL, mem->size, RW, MAP_SHARED, mem->fd, mem->offset);
}

/* Have a ring with a region of @nr_pages, or about as many, and map it. */
static int create_memory(struct memory *mem, enum kind kind, size_t nr_pages,
			 bool late)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_SINGLE_ISSUER |
			 IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE,
		.cq_entries = 8,
	};
	unsigned int entries = 8;
	int err = 0;

	mem->kind = kind;
	mem->size = nr_pages * page_size;
	if (kind == RINGS)
		params.cq_entries = (nr_pages - 1) * page_size /
				    sizeof(struct io_uring_cqe);
	if (kind == SQES)
		entries = mem->size / sizeof(struct io_uring_sqe);
	params.cq_entries = max(params.cq_entries, entries);

	mem->fd = kind == ZCRX ? zcrx_ring() : uring_setup(entries, &params);
	if (mem->fd < 0)
		return -errno;

	switch (kind) {
	case BUFFER_RING:
		mem->offset = buffer_ring_offset(BGID);
		/* Not before: a ring may need slabs of more than a page. */
		if (mem->single_pages && !only_single_pages(true))
			return -EOPNOTSUPP;
		err = buffer_ring(mem->fd, BGID, mem->size);
		if (mem->single_pages)
			only_single_pages(false);
		break;
	case RINGS:
		mem->offset = IORING_OFF_CQ_RING;
		mem->first = params.cq_off.cqes;
		mem->size = max(params.sq_off.array + entries * 4,
				params.cq_off.cqes + params.cq_entries *
				sizeof(struct io_uring_cqe));
		mem->size = page_align(mem->size);
		break;
	case SQES:
		mem->offset = IORING_OFF_SQES;
		break;
	case PARAM:
		err = param_region(mem->fd, mem->size, &mem->offset);
		break;
	case ZCRX:
		mem->offset = OFF_ZCRX_REGION;
		if (late)
			err = wait_in_registration(mem);
		else
			err = refill_ring(mem->fd, mem->size, zcrx_area(),
					  &mem->first);
		break;
	}
	if (err)
		return err;

	mem->addr = map_memory(mem);
	return mem->addr == MAP_FAILED ? -errno : 0;
}

/* Have the kernel free the region, but for what maps it. */
static int free_region(struct memory *mem)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_CQSIZE,
		.sq_entries = 4,
		.cq_entries = 8,
	};

	switch (mem->kind) {
	case BUFFER_RING:
		return no_buffer_ring(mem->fd, BGID);
	case RINGS:
	case SQES:
		return uring_register(mem->fd, IORING_REGISTER_RESIZE_RINGS,
				      &params, 1);
	case ZCRX:
		return fail_registration(mem);
	default:
		return -EOPNOTSUPP;
	}
}

static void fill(const struct memory *mem, char *addr, uint32_t seed)
{
	for (size_t at = mem->first; at < mem->size; at += sizeof(seed))
		WRITE_ONCE(*(uint32_t *)(addr + at), seed + at);
}

/* Is what fill() wrote to [from, to) still there? */
static bool filled_part(const struct memory *mem, const char *addr, uint32_t seed,
			size_t from, size_t to)
{
	for (size_t at = max(mem->first, from); at < to; at += sizeof(seed)) {
		if (READ_ONCE(*(const uint32_t *)(addr + at)) != seed + at)
			return false;
	}
	return true;
}

static bool filled(const struct memory *mem, const char *addr, uint32_t seed)
{
	return filled_part(mem, addr, seed, 0, mem->size);
}

/*
 * Have the kernel give away what it has just got back: as memory of other
 * regions, of the same size and a page, and as anonymous memory.
 */
static bool reuse_memory(const struct memory *mem)
{
	const size_t anon = 8 << 20;
	const size_t sizes[] = { mem->size, page_size };
	struct io_uring_params params = {};
	int fd = uring_setup(8, &params);
	bool ok = fd >= 0;
	char *addr;

	for (unsigned int i = 0; ok && i < 32; i++) {
		size_t size = page_size;

		while (size < sizes[i % 2] && size < MAX_BUFFER_RING)
			size *= 2;
		ok = !buffer_ring(fd, i, size);
		addr = mmap(NULL, size, RW, MAP_SHARED, fd,
			    buffer_ring_offset(i));
		ok = ok && addr != MAP_FAILED;
		if (ok) {
			memset(addr, 0xa5, size);
			munmap(addr, size);
		}
	}
	addr = mmap(NULL, anon, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (addr == MAP_FAILED)
		return false;
	memset(addr, 0x5a, anon);
	munmap(addr, anon);
	close(fd);
	return ok;
}

/* A child that does @check when told so, that is when @go is closed. */
static pid_t fork_checker(int go[2], const struct memory *mem, uint32_t seed)
{
	pid_t pid;
	char c;

	if (pipe(go))
		return -1;
	pid = fork();
	if (pid)
		return pid;

	close(mem->fd);
	close(go[1]);
	if (read(go[0], &c, 1))
		_exit(2);
	_exit(!filled(mem, mem->addr, seed));
}

static void end_wait(int go[2])
{
	close(go[0]);
	close(go[1]);
}

/* Can the kernel read a byte here? It gets what a load would get SIGBUS for. */
static bool accessible(const char *addr)
{
	int fds[2];
	bool ok;

	if (pipe(fds))
		return false;
	ok = write(fds[1], addr, 1) == 1;
	close(fds[0]);
	close(fds[1]);
	return ok;
}

FIXTURE(region)
{
	struct memory mem;
};

FIXTURE_VARIANT(region)
{
	enum kind kind;
	size_t nr_pages;
};

FIXTURE_VARIANT_ADD(region, buffer_ring) {
	.kind = BUFFER_RING,
	.nr_pages = 16,
};

FIXTURE_VARIANT_ADD(region, rings) {
	.kind = RINGS,
	.nr_pages = 3,
};

FIXTURE_VARIANT_ADD(region, sqes) {
	.kind = SQES,
	.nr_pages = 4,
};

FIXTURE_VARIANT_ADD(region, param) {
	.kind = PARAM,
	.nr_pages = 3,
};

/* No compound page is that large. */
FIXTURE_VARIANT_ADD(region, param_large) {
	.kind = PARAM,
	.nr_pages = 1030,
};

FIXTURE_VARIANT_ADD(region, zcrx) {
	.kind = ZCRX,
	.nr_pages = 3,
};

FIXTURE_SETUP(region)
{
	page_size = getpagesize();
	if (variant->kind == ZCRX && no_zcrx())
		SKIP(return, "no zero-copy receive");
	ASSERT_EQ(0, create_memory(&self->mem, variant->kind, variant->nr_pages,
				   false));
	fill(&self->mem, self->mem.addr, 1);
}

FIXTURE_TEARDOWN(region)
{
	close(self->mem.fd);
}

TEST_F(region, is_shared)
{
	char *other = map_memory(&self->mem);

	ASSERT_NE(MAP_FAILED, other);
	EXPECT_TRUE(filled(&self->mem, other, 1));
	fill(&self->mem, other, 2);
	EXPECT_TRUE(filled(&self->mem, self->mem.addr, 2));
	EXPECT_EQ(0, munmap(other, self->mem.size));
	EXPECT_TRUE(filled(&self->mem, self->mem.addr, 2));
}

TEST_F(region, outlives_the_file)
{
	ASSERT_EQ(0, close(self->mem.fd));
	ASSERT_TRUE(reuse_memory(&self->mem));
	EXPECT_TRUE(filled(&self->mem, self->mem.addr, 1));
	self->mem.fd = -1;
}

TEST_F(region, outlives_the_parent_s_mapping)
{
	int go[2];
	pid_t pid = fork_checker(go, &self->mem, 1);

	ASSERT_LT(0, pid);
	ASSERT_EQ(0, munmap(self->mem.addr, self->mem.size));
	ASSERT_EQ(0, close(self->mem.fd));
	EXPECT_TRUE(reuse_memory(&self->mem));
	end_wait(go);
	EXPECT_EQ(0, reap(pid));
	self->mem.fd = -1;
}

/* io_uring chooses the address, so that not even mremap() can give another. */
TEST_F(region, neither_grows_nor_moves)
{
	const size_t size = self->mem.size;
	char *room = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);
	char *addr = self->mem.addr;

	ASSERT_NE(MAP_FAILED, room);
	EXPECT_EQ(MAP_FAILED, mremap(addr, size, size + page_size,
				     MREMAP_MAYMOVE));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(MAP_FAILED, mremap(addr, 0, size, MREMAP_MAYMOVE));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(MAP_FAILED, mremap(addr, size, size,
				     MREMAP_MAYMOVE | MREMAP_FIXED, room));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_TRUE(filled(&self->mem, addr, 1));

	ASSERT_EQ(addr, mremap(addr, size, page_size, 0));
	EXPECT_TRUE(filled_part(&self->mem, addr, 1, 0, page_size));
	EXPECT_FALSE(accessible(addr + page_size));
}

TEST_F(region, ends_where_it_ends)
{
	const size_t size = self->mem.size;
	char *addr = mmap(NULL, size + page_size, RW, MAP_SHARED, self->mem.fd,
			  self->mem.offset);

	/* The offset is that of a region, not that of a page in it. */
	ASSERT_NE(MAP_FAILED, addr);
	EXPECT_TRUE(filled(&self->mem, addr, 1));
	EXPECT_FALSE(accessible(addr + size));

	addr = mmap(NULL, size - page_size, RW, MAP_SHARED, self->mem.fd,
		    self->mem.offset);
	if (self->mem.kind == RINGS) {
		EXPECT_NE(MAP_FAILED, addr);
	} else {
		EXPECT_EQ(MAP_FAILED, addr);
		EXPECT_EQ(EFAULT, errno);
	}
}

TEST_F(region, is_copied_on_write)
{
	char *copy = mmap(NULL, self->mem.size, RW, MAP_PRIVATE, self->mem.fd,
			  self->mem.offset);

	ASSERT_NE(MAP_FAILED, copy);
	EXPECT_TRUE(filled(&self->mem, copy, 1));
	fill(&self->mem, copy, 2);
	EXPECT_TRUE(filled(&self->mem, self->mem.addr, 1));
	EXPECT_TRUE(filled(&self->mem, copy, 2));
}

/* All pages are free again once they are neither mapped nor open. */
static void expect_freed(struct __test_metadata *_metadata,
			 struct _test_data_region *self)
{
	EXPECT_EQ(0, munmap(self->mem.addr, self->mem.size));
	EXPECT_EQ(0, close(self->mem.fd));
	self->mem.fd = -1;
	EXPECT_TRUE(typed_pages_are_gone());
}

/* A call whose allocations fail, and what it works on. */
static struct memory failing;
static enum kind failing_kind;
static size_t failing_pages;

static int failing_mmap(void)
{
	failing.addr = map_memory(&failing);
	return failing.addr == MAP_FAILED ? errno : 0;
}

static bool undo_mmap(void)
{
	fill(&failing, failing.addr, 3);
	return filled(&failing, failing.addr, 3) &&
	       !munmap(failing.addr, failing.size);
}

TEST_F_TIMEOUT(region, mmap_fails, 120)
{
	struct fail_each each = {
		.call = failing_mmap, .undo = undo_mmap, .err = ENOMEM,
	};
	int control = fail_open();

	if (control < 0)
		SKIP(return, "no fault injection in debugfs");
	failing = self->mem;
	EXPECT_FAIL_EACH(&each, control);
	fill(&self->mem, self->mem.addr, 4);
	EXPECT_TRUE(filled(&self->mem, self->mem.addr, 4));
	close(control);
	expect_freed(_metadata, self);
}

/* A ring with its region, and both mapped. */
static int failing_create(void)
{
	int err;

	failing = (struct memory){ .fd = -1 };
	err = create_memory(&failing, failing_kind, failing_pages, false);
	if (err && failing.fd >= 0)
		close(failing.fd);
	return -err;
}

static bool undo_create(void)
{
	return undo_mmap() && !close(failing.fd);
}

TEST_F_TIMEOUT(region, creation_fails, 120)
{
	struct fail_each each = {
		.call = failing_create, .undo = undo_create, .err = ENOMEM,
	};
	int control = fail_open();

	if (control < 0)
		SKIP(return, "no fault injection in debugfs");
	failing_kind = variant->kind;
	failing_pages = variant->nr_pages;
	EXPECT_FAIL_EACH(&each, control);
	EXPECT_TRUE(filled(&self->mem, self->mem.addr, 1));
	close(control);
	expect_freed(_metadata, self);
}

FIXTURE(freed)
{
	struct memory mem;
};

FIXTURE_VARIANT(freed)
{
	enum kind kind;
	size_t nr_pages;
	bool single_pages;
};

FIXTURE_VARIANT_ADD(freed, buffer_ring) {
	.kind = BUFFER_RING,
	.nr_pages = 16,
};

FIXTURE_VARIANT_ADD(freed, buffer_ring_single_pages) {
	.kind = BUFFER_RING,
	.nr_pages = 16,
	.single_pages = true,
};

FIXTURE_VARIANT_ADD(freed, rings) {
	.kind = RINGS,
	.nr_pages = 3,
};

FIXTURE_VARIANT_ADD(freed, sqes) {
	.kind = SQES,
	.nr_pages = 4,
};

FIXTURE_VARIANT_ADD(freed, zcrx) {
	.kind = ZCRX,
	.nr_pages = 3,
};

FIXTURE_SETUP(freed)
{
	int err;

	page_size = getpagesize();
	if (variant->kind == ZCRX && no_zcrx())
		SKIP(return, "no zero-copy receive");
	self->mem.single_pages = variant->single_pages;
	err = create_memory(&self->mem, variant->kind, variant->nr_pages, true);
	if (variant->single_pages && err == -EOPNOTSUPP)
		SKIP(return, "no fault injection for pages");
	ASSERT_EQ(0, err);
	fill(&self->mem, self->mem.addr, 1);
}

FIXTURE_TEARDOWN(freed)
{
	close(self->mem.fd);
}

TEST_F(freed, stays_mapped)
{
	ASSERT_EQ(0, free_region(&self->mem));
	ASSERT_TRUE(reuse_memory(&self->mem));
	EXPECT_TRUE(filled(&self->mem, self->mem.addr, 1));

	/* It can be written, too, and nobody but this mapping sees that. */
	fill(&self->mem, self->mem.addr, 2);
	ASSERT_TRUE(reuse_memory(&self->mem));
	EXPECT_TRUE(filled(&self->mem, self->mem.addr, 2));
}

TEST_F(freed, stays_mapped_in_a_child)
{
	int go[2];
	pid_t pid = fork_checker(go, &self->mem, 1);

	ASSERT_LT(0, pid);
	EXPECT_EQ(0, munmap(self->mem.addr, self->mem.size));
	EXPECT_EQ(0, free_region(&self->mem));
	EXPECT_TRUE(reuse_memory(&self->mem));
	end_wait(go);
	EXPECT_EQ(0, reap(pid));
}

TEST_F(freed, stays_mapped_without_the_child)
{
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	ASSERT_EQ(0, reap(pid));
	ASSERT_EQ(0, free_region(&self->mem));
	ASSERT_TRUE(reuse_memory(&self->mem));
	EXPECT_TRUE(filled(&self->mem, self->mem.addr, 1));
}

/* Three VMAs of one, and then only the last of them. */
TEST_F(freed, stays_mapped_where_it_is_split)
{
	const size_t size = self->mem.size;
	char *addr = self->mem.addr;

	ASSERT_EQ(0, mprotect(addr + page_size, page_size, PROT_READ));
	ASSERT_EQ(0, free_region(&self->mem));
	ASSERT_TRUE(reuse_memory(&self->mem));
	EXPECT_TRUE(filled(&self->mem, addr, 1));
	ASSERT_EQ(0, munmap(addr, 2 * page_size));
	ASSERT_TRUE(reuse_memory(&self->mem));
	EXPECT_TRUE(filled_part(&self->mem, addr, 1, 2 * page_size, size));
}

TEST_F(freed, stays_mapped_in_part)
{
	const size_t size = self->mem.size;
	char *addr = self->mem.addr;

	ASSERT_EQ(0, munmap(addr + page_size, page_size));
	ASSERT_EQ(0, free_region(&self->mem));
	ASSERT_TRUE(reuse_memory(&self->mem));
	EXPECT_TRUE(filled_part(&self->mem, addr, 1, 0, page_size));
	EXPECT_TRUE(filled_part(&self->mem, addr, 1, 2 * page_size, size));

	ASSERT_EQ(0, munmap(addr, page_size));
	ASSERT_TRUE(reuse_memory(&self->mem));
	EXPECT_TRUE(filled_part(&self->mem, addr, 1, 2 * page_size, size));
}

TEST_F(freed, stays_mapped_once_of_twice)
{
	char *other = map_memory(&self->mem);

	ASSERT_NE(MAP_FAILED, other);
	ASSERT_EQ(0, free_region(&self->mem));
	ASSERT_EQ(0, munmap(self->mem.addr, self->mem.size));
	ASSERT_TRUE(reuse_memory(&self->mem));
	EXPECT_TRUE(filled(&self->mem, other, 1));
}

TEST_F(freed, is_not_mapped_again)
{
	char *other;

	ASSERT_EQ(0, free_region(&self->mem));
	other = map_memory(&self->mem);
	if (self->mem.kind == BUFFER_RING || self->mem.kind == ZCRX) {
		EXPECT_EQ(MAP_FAILED, other);
		EXPECT_EQ(EINVAL, errno);
	} else {
		/* There are new rings, of a page each. */
		ASSERT_NE(MAP_FAILED, other);
		EXPECT_FALSE(filled_part(&self->mem, other, 1, 0, page_size));
	}
	EXPECT_TRUE(filled(&self->mem, self->mem.addr, 1));
}

/* What a thread maps while the region goes. */
struct mapper {
	pthread_t thread;
	struct memory mem;
	bool stop;
	long mapped, refused;
	bool torn;
};

static void *map_on(void *arg)
{
	struct mapper *mapper = arg;
	char *addr;

	while (!READ_ONCE(mapper->stop)) {
		addr = map_memory(&mapper->mem);
		if (addr == MAP_FAILED) {
			mapper->refused += errno != EINVAL;
			sched_yield();
			continue;
		}
		/* New rings may be smaller than what is mapped. */
		mapper->torn |= !accessible(addr);
		munmap(addr, mapper->mem.size);
		WRITE_ONCE(mapper->mapped, mapper->mapped + 1);
	}
	return NULL;
}

TEST_F_TIMEOUT(freed, while_it_is_mapped, 120)
{
	EXPECT_EQ(0, free_region(&self->mem));
	EXPECT_EQ(0, munmap(self->mem.addr, self->mem.size));
	EXPECT_EQ(0, close(self->mem.fd));
	self->mem.fd = -1;

	for (int round = 0; round < 20; round++) {
		struct mapper mapper = {
			.mem.single_pages = variant->single_pages,
		};

		ASSERT_EQ(0, create_memory(&mapper.mem, variant->kind,
					   variant->nr_pages, true));
		fill(&mapper.mem, mapper.mem.addr, 1);
		ASSERT_EQ(0, pthread_create(&mapper.thread, NULL, map_on,
					    &mapper));
		EXPECT_TRUE(wait_until(READ_ONCE(mapper.mapped) > round % 5));
		EXPECT_EQ(0, free_region(&mapper.mem));
		WRITE_ONCE(mapper.stop, true);
		ASSERT_EQ(0, pthread_join(mapper.thread, NULL));
		EXPECT_EQ(0, mapper.refused);
		EXPECT_FALSE(mapper.torn);
		EXPECT_TRUE(filled(&mapper.mem, mapper.mem.addr, 1));
		EXPECT_EQ(0, munmap(mapper.mem.addr, mapper.mem.size));
		EXPECT_EQ(0, close(mapper.mem.fd));
	}
	EXPECT_TRUE(typed_pages_are_gone());
}

/* 128 times half a MiB, whichever goes first, the region or the mapping. */
TEST(memory_comes_back)
{
	const size_t size = MAX_BUFFER_RING;
	struct io_uring_params params = {};
	int fd = uring_setup(8, &params);
	size_t before;

	ASSERT_LE(0, fd);
	before = mem_available();
	ASSERT_NE(0, before);
	for (unsigned int i = 0; i < 128; i++) {
		char *addr;

		ASSERT_EQ(0, buffer_ring(fd, BGID, size));
		addr = mmap(NULL, size, RW, MAP_SHARED, fd,
			    buffer_ring_offset(BGID));
		ASSERT_NE(MAP_FAILED, addr);
		if (i % 2)
			ASSERT_EQ(0, munmap(addr, size));
		ASSERT_EQ(0, no_buffer_ring(fd, BGID));
		if (!(i % 2))
			ASSERT_EQ(0, munmap(addr, size));
	}
	EXPECT_LT(before, mem_available() + (16 << 20));
	close(fd);
}

/* What mmap() answers for a bad request. */
TEST(bad_requests)
{
	const struct {
		const char *what;
		off_t offset;
		size_t nr_pages;
		int prot, flags, want;
	} tries[] = {
		{ "an offset between the regions", 0x18000000, 1,
		  RW, MAP_SHARED, EINVAL },
		{ "an offset beyond the regions", 0x40000000, 1,
		  RW, MAP_SHARED, EINVAL },
		{ "no parameter region", OFF_PARAM_REGION, 1,
		  RW, MAP_SHARED, EINVAL },
		{ "no refill ring", OFF_ZCRX_REGION, 1,
		  RW, MAP_SHARED, EINVAL },
		{ "no such buffer ring", IORING_OFF_PBUF_RING, 1,
		  RW, MAP_SHARED, EINVAL },
		{ "a buffer ring of user space", IORING_OFF_PBUF_RING +
		  (BGID << IORING_OFF_PBUF_SHIFT), 1, RW, MAP_SHARED, EINVAL },
		{ "too long, SQEs", IORING_OFF_SQES, 9, RW, MAP_SHARED, 0 },
		{ "too short, SQEs", IORING_OFF_SQES, 1, RW, MAP_SHARED, EFAULT },
		{ "too long, rings", IORING_OFF_SQ_RING, 9, RW, MAP_SHARED, 0 },
		{ "too short, rings", IORING_OFF_SQ_RING, 1, RW, MAP_SHARED, 0 },
		{ "read-only", IORING_OFF_SQES, 2, PROT_READ, MAP_SHARED, 0 },
		{ "write-only", IORING_OFF_SQES, 2, PROT_WRITE, MAP_SHARED, 0 },
		{ "inaccessible", IORING_OFF_SQES, 2, PROT_NONE, MAP_SHARED, 0 },
		{ "executable", IORING_OFF_SQES, 2, RW | PROT_EXEC,
		  MAP_SHARED, EPERM },
		{ "private", IORING_OFF_SQES, 2, RW, MAP_PRIVATE, 0 },
		{ "private, read-only", IORING_OFF_SQES, 2, PROT_READ,
		  MAP_PRIVATE, 0 },
		{ "private, too short", IORING_OFF_SQES, 1, RW,
		  MAP_PRIVATE, EFAULT },
		{ "nowhere", IORING_OFF_SQES, 0, RW, MAP_SHARED, EINVAL },
	};
	struct io_uring_params params = {};
	struct io_uring_buf_reg reg = {
		.ring_entries = 8,
		.bgid = BGID,
	};
	char *own, *addr;
	int fd;

	page_size = getpagesize();
	own = mmap(NULL, page_size, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, own);
	reg.ring_addr = (uintptr_t)own;
	/* two pages of SQEs, and more than one for the rings */
	fd = uring_setup(2 * page_size / sizeof(struct io_uring_sqe), &params);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, uring_register(fd, IORING_REGISTER_PBUF_RING, &reg, 1));

	for (size_t i = 0; i < ARRAY_SIZE(tries); i++) {
		const size_t size = tries[i].nr_pages * page_size;
		int err;

		addr = mmap(NULL, size, tries[i].prot, tries[i].flags, fd,
			    tries[i].offset);
		err = addr == MAP_FAILED ? errno : 0;
		EXPECT_EQ(tries[i].want, err) {
			TH_LOG("%s", tries[i].what);
		}
		if (!err)
			munmap(addr, size);
	}

	/* Only the kernel chooses the address. */
	addr = mmap(own, page_size, RW, MAP_SHARED | MAP_FIXED, fd,
		    IORING_OFF_SQES);
	EXPECT_EQ(MAP_FAILED, addr);
	EXPECT_EQ(EINVAL, errno);
	close(fd);
}

/* Rings whose memory user space provided have nothing to be mapped. */
TEST(user_provided_rings)
{
	struct io_uring_params params = { .flags = IORING_SETUP_NO_MMAP };
	char *own;
	int fd;

	page_size = getpagesize();
	own = mmap(NULL, 2 * page_size, RW,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	ASSERT_NE(MAP_FAILED, own);
	params.cq_off.user_addr = (uintptr_t)own;
	params.sq_off.user_addr = (uintptr_t)own + page_size;
	fd = uring_setup(8, &params);
	ASSERT_LE(0, fd);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, page_size, RW, MAP_SHARED, fd,
				   IORING_OFF_SQ_RING));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, page_size, RW, MAP_SHARED, fd,
				   IORING_OFF_SQES));
	EXPECT_EQ(EINVAL, errno);
	close(fd);
}

static int limit_pages(size_t nr_pages)
{
	struct rlimit limit = {
		.rlim_cur = nr_pages * page_size,
		.rlim_max = LIMIT_PAGES * page_size,
	};

	return setrlimit(RLIMIT_MEMLOCK, &limit) ? -errno : 0;
}

/*
 * RLIMIT_MEMLOCK of a user without CAP_IPC_LOCK: what is charged for a region
 * of LIMIT_PAGES is so for as long as the ring is there, which a mapping keeps.
 */
TEST(memlock)
{
	const size_t size = LIMIT_PAGES * getpagesize();
	struct io_uring_params params = {};
	int fd, other, err;
	off_t offset;
	char *addr;

	page_size = getpagesize();
	if (setresuid(65534, 65534, 65534))
		SKIP(return, "cannot become another user");
	fd = uring_setup(8, &params);
	other = uring_setup(8, &params);
	ASSERT_LE(0, fd);
	ASSERT_LE(0, other);

	ASSERT_EQ(0, limit_pages(LIMIT_PAGES - 1));
	EXPECT_EQ(-ENOMEM, param_region(fd, size, &offset));
	/* Rings and buffer rings are charged to the memcg only. */
	EXPECT_EQ(0, buffer_ring(fd, BGID, size));
	ASSERT_EQ(0, limit_pages(LIMIT_PAGES));
	ASSERT_EQ(0, param_region(fd, size, &offset));
	EXPECT_EQ(-ENOMEM, param_region(other, page_size, &offset));

	addr = mmap(NULL, size, RW, MAP_SHARED, fd, OFF_PARAM_REGION);
	ASSERT_NE(MAP_FAILED, addr);
	EXPECT_EQ(-ENOMEM, param_region(other, page_size, &offset));
	ASSERT_EQ(0, close(fd));
	EXPECT_EQ(-ENOMEM, param_region(other, page_size, &offset));
	ASSERT_EQ(0, munmap(addr, size));

	/* A worker frees the ring; the harness ends a test that never ends. */
	do {
		err = param_region(other, page_size, &offset);
	} while (err == -ENOMEM);
	EXPECT_EQ(0, err);
	close(other);
}

int main(int argc, char **argv)
{
	usermap_init();
	return test_harness_run(argc, argv);
}
