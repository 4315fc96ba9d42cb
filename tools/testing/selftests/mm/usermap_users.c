// SPDX-License-Identifier: GPL-2.0
/*
 * What a program sees of the pages that the kernel shares with it: AF_XDP
 * rings, bpf ring buffers, kcov areas, ALSA records, the buffers of usbmon, sg
 * and comedi, command buffers of ublk, what KVM has for each vcpu, the policy of
 * SELinux.
 *
 * How the kernel maps them may change, from refcounted pages to usermap pages;
 * what a program sees may not. So all tests hold for both, but for what asks
 * has_usermap, which is listed in Documentation/mm/usermap_users.rst.
 */
#define _GNU_SOURCE

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include <sys/uio.h>
#ifdef __x86_64__
#include <cpuid.h>
#endif

#include "kselftest_harness.h"
#include "usermap.h"
#include "usermap_users.h"

/* For the tests that expect a difference. */
static bool has_usermap;

/*
 * One mapping of each kind.
 *
 * With @read_only, PROT_WRITE is refused with that errno; with @drops_write,
 * mmap() accepts it and maps without. @no_private, @too_long and @bad_offset
 * are errnos, too.
 */
FIXTURE(map)
{
	int fd;
	char *addr;
	size_t pages;
	size_t len;
	int prot;
};

FIXTURE_VARIANT(map)
{
	int (*open)(void);
	size_t (*pages)(int fd);
	int (*resize)(int fd, size_t pages);
	__u64 offset;		/* in bytes, but see @page_offset */
	int page_offset;	/* in pages, besides */
	int read_only;
	bool drops_write;
	int no_private;
	int too_long;
	int too_short;
	int bad_offset;
	bool far_offset;	/* any will do; behind the end is SIGBUS */
	bool expands;		/* by mremap() */
	/* Without usermap pages: */
	bool was_fault;		/* mapped by ->fault */
	bool was_pfnmap;	/* mapped by remap_pfn_range() */
	bool was_remote;	/* out of reach for /proc/PID/mem */
	bool was_writable;	/* although mapped read-only */
	/* With and without: */
	bool is_fault;		/* mapped by ->fault */
	bool io;		/* VM_IO */
};

FIXTURE_VARIANT_ADD(map, xsk_rx) {
	.open = xsk_open, .pages = rx_tx_pages, .offset = XDP_PGOFF_RX_RING,
	.too_long = -EINVAL, .bad_offset = -EINVAL,
};

FIXTURE_VARIANT_ADD(map, xsk_tx) {
	.open = xsk_open, .pages = rx_tx_pages, .offset = XDP_PGOFF_TX_RING,
	.too_long = -EINVAL, .bad_offset = -EINVAL,
};

FIXTURE_VARIANT_ADD(map, xsk_fill) {
	.open = xsk_open, .pages = umem_ring_pages,
	.offset = XDP_UMEM_PGOFF_FILL_RING,
	.too_long = -EINVAL, .bad_offset = -EINVAL,
};

FIXTURE_VARIANT_ADD(map, xsk_completion) {
	.open = xsk_open, .pages = umem_ring_pages,
	.offset = XDP_UMEM_PGOFF_COMPLETION_RING,
	.too_long = -EINVAL, .bad_offset = -EINVAL,
};

FIXTURE_VARIANT_ADD(map, ringbuf_consumer) {
	.open = ringbuf_open, .pages = one_page,
	/* Too long to be writable: bad_length and ringbuf_read_only_bounds. */
	.no_private = -EINVAL, .too_long = -EPERM, .bad_offset = -EPERM,
};

FIXTURE_VARIANT_ADD(map, ringbuf_data) {
	.open = ringbuf_open, .pages = data_twice, .page_offset = 1,
	.read_only = -EPERM, .no_private = -EINVAL, .too_long = -EINVAL,
	.bad_offset = -EINVAL,
};

FIXTURE_VARIANT_ADD(map, user_ringbuf_consumer) {
	.open = user_ringbuf_open, .pages = one_page,
	.read_only = -EPERM, .no_private = -EINVAL,
};

FIXTURE_VARIANT_ADD(map, user_ringbuf_data) {
	.open = user_ringbuf_open, .pages = data_twice, .page_offset = 1,
	.no_private = -EINVAL, .too_long = -EINVAL, .bad_offset = -EINVAL,
};

FIXTURE_VARIANT_ADD(map, kcov) {
	.open = kcov_open, .pages = kcov_pages,
	.too_long = -EINVAL, .too_short = -EINVAL, .bad_offset = -EINVAL,
};

FIXTURE_VARIANT_ADD(map, alsa_status) {
	.open = alsa_open, .pages = one_page,
	.offset = SNDRV_PCM_MMAP_OFFSET_STATUS_NEW, .drops_write = true,
	.too_long = -EINVAL, .bad_offset = -EBADFD, .was_fault = true,
};

FIXTURE_VARIANT_ADD(map, alsa_control) {
	.open = alsa_open, .pages = one_page,
	.offset = SNDRV_PCM_MMAP_OFFSET_CONTROL_NEW,
	.too_long = -EINVAL, .bad_offset = -EBADFD, .was_fault = true,
};

FIXTURE_VARIANT_ADD(map, usbmon) {
	.open = usbmon_open, .pages = usbmon_pages,
	.resize = usbmon_set_pages, .read_only = -EPERM,
	.far_offset = true, .was_fault = true, .is_fault = true,
};

FIXTURE_VARIANT_ADD(map, sg) {
	.open = sg_open, .pages = sg_pages, .resize = sg_set_pages,
	.too_long = -ENOMEM,
	.bad_offset = -EINVAL, .was_fault = true, .was_remote = true,
	.io = true,
};

FIXTURE_VARIANT_ADD(map, comedi_read) {
	.open = comedi_open_ro, .pages = comedi_pages,
	.resize = comedi_resize_ai, .read_only = -EACCES,
	.no_private = -EINVAL, .too_long = -EFAULT, .bad_offset = -EINVAL,
	.was_pfnmap = true, .was_writable = true, .io = true,
};

FIXTURE_VARIANT_ADD(map, comedi_write) {
	.open = comedi_open, .pages = comedi_pages,
	.resize = comedi_resize_ao, .was_writable = true,
	.no_private = -EINVAL, .too_long = -EFAULT, .bad_offset = -EINVAL,
	.was_pfnmap = true, .io = true,
};

FIXTURE_VARIANT_ADD(map, ublk) {
	.open = ublk_open, .pages = ublk_pages,
	.offset = UBLKSRV_CMD_BUF_OFFSET, .read_only = -EPERM,
	/* Any offset within what the largest buffer would take is the same. */
	.too_long = -EINVAL, .too_short = -EINVAL,
	.was_pfnmap = true, .was_remote = true, .io = true,
};

FIXTURE_VARIANT_ADD(map, kvm_vcpu) {
	.open = kvm_open, .pages = kvm_pages, .far_offset = true,
	.expands = true, .was_fault = true, .is_fault = true,
};

FIXTURE_VARIANT_ADD(map, kvm_dirty_ring) {
	.open = kvm_open_dirty, .pages = dirty_pages,
	.page_offset = KVM_DIRTY_LOG_PAGE_OFFSET, .no_private = -EINVAL,
	.far_offset = true, .expands = true, .was_fault = true,
	.is_fault = true,
};

FIXTURE_VARIANT_ADD(map, selinux_policy) {
	.open = policy_open, .pages = policy_pages, .read_only = -EACCES,
	.far_offset = true, .was_fault = true, .is_fault = true,
};

static off_t map_offset(const struct _fixture_variant_map *variant)
{
	return variant->offset + variant->page_offset * page_size;
}

/* mmap(), and -errno if it fails. */
static long try_map(int fd, size_t pages, int prot, int flags, off_t offset)
{
	void *addr = mmap(NULL, pages * page_size, prot, flags, fd, offset);

	return addr == MAP_FAILED ? -errno : (long)addr;
}

/* The errno alone; what has been mapped goes. */
static int map_errno(int fd, size_t pages, int prot, int flags, off_t offset)
{
	long addr = try_map(fd, pages, prot, flags, offset);

	if (addr < 0 && addr > -4096)
		return addr;
	munmap((void *)addr, pages * page_size);
	return 0;
}

FIXTURE_SETUP(map)
{
	self->addr = MAP_FAILED;
	self->fd = variant->open();
	if (self->fd == -ENOENT || self->fd == -EAFNOSUPPORT ||
	    self->fd == -EPERM || self->fd == -ENODEV || self->fd == -EACCES)
		SKIP(return, "not there: %s", strerror(-self->fd));
	ASSERT_GE(self->fd, 0);

	self->pages = variant->pages(self->fd);
	ASSERT_GT(self->pages, 0);
	self->len = self->pages * page_size;
	self->prot = PROT_READ;
	if (!variant->read_only && !variant->drops_write)
		self->prot |= PROT_WRITE;
	self->addr = mmap(NULL, self->len, self->prot, MAP_SHARED, self->fd,
			  map_offset(variant));
	ASSERT_NE(MAP_FAILED, self->addr);
}

FIXTURE_TEARDOWN(map)
{
	if (self->addr != MAP_FAILED)
		munmap(self->addr, self->len);
	if (self->fd >= 0)
		close(self->fd);
}

/* The last word of each page is not used by the kernel in a ring at rest. */
static unsigned long *last_word(char *addr, size_t page)
{
	return (unsigned long *)(addr + (page + 1) * page_size) - 1;
}

static void fill(char *addr, size_t pages, unsigned long seed)
{
	for (size_t i = 0; i < pages; i++)
		WRITE_ONCE(*last_word(addr, i), seed + i);
}

static bool is_filled(char *addr, size_t pages, unsigned long seed)
{
	for (size_t i = 0; i < pages; i++)
		if (READ_ONCE(*last_word(addr, i)) != seed + i)
			return false;
	return true;
}

/*
 * Data pages are mapped twice, so that only the first of them keep what is
 * written; nothing is if the mapping is read-only.
 */
static size_t fillable(const struct _fixture_variant_map *variant, size_t pages)
{
	if (variant->read_only || variant->drops_write)
		return 0;
	return variant->pages == data_twice ? 1 + DATA_PAGES : pages;
}

static bool readable(char *addr, size_t pages)
{
	for (size_t i = 0; i < pages; i++)
		if (probe_read(addr + i * page_size))
			return false;
	return true;
}

TEST_F(map, shared)
{
	size_t nr = fillable(variant, self->pages);
	char *second = mmap(NULL, self->len, self->prot, MAP_SHARED, self->fd,
			    map_offset(variant));

	ASSERT_NE(MAP_FAILED, second);
	fill(self->addr, nr, 0x1000);
	EXPECT_TRUE(is_filled(second, nr, 0x1000));
	fill(second, nr, 0x2000);
	EXPECT_TRUE(is_filled(self->addr, nr, 0x2000));
	EXPECT_EQ(0, memcmp(self->addr, second, self->len));
	EXPECT_EQ(0, munmap(second, self->len));
	EXPECT_TRUE(is_filled(self->addr, nr, 0x2000));
	EXPECT_TRUE(readable(self->addr, self->pages));
}

TEST_F(map, read_only)
{
	bool writable = variant->was_writable && !has_usermap;
	char *addr = mmap(NULL, self->len, PROT_READ, MAP_SHARED, self->fd,
			  map_offset(variant));

	ASSERT_NE(MAP_FAILED, addr);
	for (size_t i = 0; i < self->pages; i++)
		EXPECT_EQ(writable ? 0 : SIGSEGV,
			  probe_write(addr + i * page_size));
	if (variant->read_only || variant->drops_write) {
		EXPECT_EQ(-1, mprotect(addr, self->len, PROT_READ | PROT_WRITE));
		EXPECT_EQ(EACCES, errno);
	}
	EXPECT_EQ(0, munmap(addr, self->len));
}

TEST_F(map, write_refused)
{
	int err = map_errno(self->fd, self->pages, PROT_READ | PROT_WRITE,
			    MAP_SHARED, map_offset(variant));
	long addr;

	EXPECT_EQ(variant->read_only, err);
	if (!variant->drops_write)
		return;
	addr = try_map(self->fd, self->pages, PROT_READ | PROT_WRITE,
		       MAP_SHARED, map_offset(variant));
	ASSERT_GT(addr, 0);
	EXPECT_EQ(0, probe_read((char *)addr));
	EXPECT_EQ(SIGSEGV, probe_write((char *)addr));
	EXPECT_EQ(0, munmap((void *)addr, self->len));
}

TEST_F(map, private)
{
	size_t nr = fillable(variant, self->pages);
	long addr = try_map(self->fd, self->pages, self->prot, MAP_PRIVATE,
			    map_offset(variant));
	char *copy = (char *)addr;

	if (variant->no_private) {
		EXPECT_EQ(variant->no_private, addr);
		return;
	}
	ASSERT_GT(addr, 0);
	fill(self->addr, nr, 0x3000);
	EXPECT_TRUE(is_filled(copy, nr, 0x3000));
	fill(copy, nr, 0x4000);
	EXPECT_TRUE(is_filled(copy, nr, 0x4000));
	EXPECT_TRUE(is_filled(self->addr, nr, 0x3000));
	EXPECT_EQ(0, munmap(copy, self->len));
	EXPECT_TRUE(is_filled(self->addr, nr, 0x3000));
}

TEST_F(map, bad_length)
{
	off_t offset = map_offset(variant);

	EXPECT_EQ(variant->too_long,
		  map_errno(self->fd, self->pages + 1, self->prot, MAP_SHARED,
			    offset));
	EXPECT_EQ(variant->too_short, self->pages == 1 ? 0 :
		  map_errno(self->fd, self->pages - 1, self->prot, MAP_SHARED,
			    offset));
	EXPECT_EQ(-EINVAL, map_errno(self->fd, 0, self->prot, MAP_SHARED,
				     offset));
}

TEST_F(map, bad_offset)
{
	off_t offset = map_offset(variant);

	EXPECT_EQ(variant->bad_offset,
		  map_errno(self->fd, self->pages, self->prot, MAP_SHARED,
			    offset + page_size));
	/* Not so far that the sum of page offset and size overflows. */
	EXPECT_EQ(variant->far_offset,
		  !map_errno(self->fd, self->pages, self->prot, MAP_SHARED,
			     offset + (1LL << 40)));
	EXPECT_EQ(-EINVAL, map_errno(self->fd, self->pages, self->prot,
				     MAP_SHARED, offset + 1));
}

/* All pages are free again once they are neither mapped nor open. */
static void expect_freed(struct __test_metadata *_metadata,
			 struct _test_data_map *self)
{
	EXPECT_EQ(0, munmap(self->addr, self->len));
	self->addr = MAP_FAILED;
	EXPECT_EQ(0, close(self->fd));
	self->fd = -1;
	EXPECT_TRUE(typed_pages_are_gone());
}

/* A call whose allocations fail, and what it works on. */
static struct {
	int (*open)(void);
	int fd;
	char *addr;
	size_t pages;
	int prot;
	off_t offset;
	bool populate;
} failing;

static int failing_mmap(void)
{
	const size_t len = failing.pages * page_size;
	int err;

	failing.addr = mmap(PLACE, len, failing.prot, MAP_SHARED, failing.fd,
			    failing.offset);
	if (failing.addr == MAP_FAILED)
		return errno;
	if (!failing.populate || !madvise(failing.addr, len, MADV_POPULATE_READ))
		return 0;
	err = errno;
	munmap(failing.addr, len);
	return err;
}

static bool undo_mmap(void)
{
	bool whole = true;

	for (size_t i = 0; i < failing.pages; i++)
		whole = whole && !probe_read(failing.addr + i * page_size);
	return !munmap(failing.addr, failing.pages * page_size) && whole;
}

TEST_F_TIMEOUT(map, mmap_fails, 120)
{
	struct fail_each each = {
		.call = failing_mmap, .undo = undo_mmap, .err = ENOMEM,
	};
	int control = fail_open();

	if (control < 0)
		SKIP(return, "no fault injection in debugfs");
	failing.fd = self->fd;
	failing.pages = self->pages;
	failing.prot = self->prot;
	failing.offset = map_offset(variant);
	failing.populate = variant->is_fault;
	EXPECT_FAIL_EACH(&each, control);
	EXPECT_TRUE(readable(self->addr, self->pages));
	close(control);
	expect_freed(_metadata, self);
}

static int failing_open(void)
{
	failing.fd = failing.open();
	return failing.fd < 0 ? -failing.fd : 0;
}

static bool undo_open(void)
{
	return !close(failing.fd);
}

/* The errno is not that of usermap pages; that none is left behind is. */
TEST_F_TIMEOUT(map, open_fails, 120)
{
	struct fail_each each = { .call = failing_open, .undo = undo_open };
	int control = fail_open();

	if (control < 0)
		SKIP(return, "no fault injection in debugfs");
	failing.open = variant->open;
	EXPECT_FAIL_EACH(&each, control);
	EXPECT_TRUE(readable(self->addr, self->pages));
	close(control);
	expect_freed(_metadata, self);
}

TEST_F(map, fork)
{
	size_t nr = fillable(variant, self->pages);
	pid_t pid;

	fill(self->addr, nr, 0x5000);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		if (!is_filled(self->addr, nr, 0x5000) ||
		    !readable(self->addr, self->pages))
			_exit(1);
		fill(self->addr, nr, 0x6000);
		_exit(0);
	}
	EXPECT_EQ(0, reap(pid));
	EXPECT_TRUE(is_filled(self->addr, nr, 0x6000));
	EXPECT_TRUE(readable(self->addr, self->pages));
}

/* Memory that the kernel has freed is soon somebody else's. */
static void reuse_memory(const struct _fixture_variant_map *variant)
{
	const size_t len = 256 * page_size;
	char *other;
	int i, fd;

	other = mmap(NULL, len, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (other != MAP_FAILED) {
		memset(other, 0xa5, len);
		munmap(other, len);
	}
	for (i = 0; i < 4; i++) {
		fd = variant->open();
		if (fd >= 0)
			close(fd);
	}
}

TEST_F(map, close_fd)
{
	size_t nr = fillable(variant, self->pages);

	fill(self->addr, nr, 0x7000);
	ASSERT_EQ(0, close(self->fd));
	self->fd = -1;
	reuse_memory(variant);
	EXPECT_TRUE(is_filled(self->addr, nr, 0x7000));
	EXPECT_TRUE(readable(self->addr, self->pages));
	fill(self->addr, nr, 0x8000);
	EXPECT_TRUE(is_filled(self->addr, nr, 0x8000));
}

/* The child is the last to have it. */
TEST_F(map, outlives_parent)
{
	size_t nr = fillable(variant, self->pages);
	int go[2];
	pid_t pid;
	char c = 0;

	ASSERT_EQ(0, pipe(go));
	fill(self->addr, nr, 0x9000);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		close(self->fd);
		if (read(go[0], &c, 1) != 1)
			_exit(2);
		reuse_memory(variant);
		_exit(!is_filled(self->addr, nr, 0x9000) ||
		      !readable(self->addr, self->pages));
	}
	EXPECT_EQ(0, munmap(self->addr, self->len));
	self->addr = MAP_FAILED;
	EXPECT_EQ(0, close(self->fd));
	self->fd = -1;
	EXPECT_EQ(1, write(go[1], &c, 1));
	EXPECT_EQ(0, reap(pid));
	close(go[0]);
	close(go[1]);
}

TEST_F(map, munmap_piece)
{
	size_t nr = fillable(variant, self->pages);
	size_t left = self->pages - 1;
	char *rest;

	/* The second page of three, the first of two, the only one. */
	size_t piece = left > 1;

	fill(self->addr, nr, 0xa000);
	rest = self->addr + (piece + 1) * page_size;
	ASSERT_EQ(0, munmap(self->addr + piece * page_size, page_size));
	EXPECT_EQ(SIGSEGV, probe_read(self->addr + piece * page_size));
	EXPECT_TRUE(readable(self->addr, piece));
	EXPECT_TRUE(readable(rest, left - piece));
	if (nr > piece + 1)
		EXPECT_TRUE(is_filled(rest, nr - piece - 1, 0xa001 + piece));
	ASSERT_EQ(0, close(self->fd));
	self->fd = -1;
	reuse_memory(variant);
	EXPECT_TRUE(readable(rest, left - piece));
	if (nr > piece + 1)
		EXPECT_TRUE(is_filled(rest, nr - piece - 1, 0xa001 + piece));
}

TEST_F(map, mremap)
{
	size_t nr = fillable(variant, self->pages);
	char *to, *moved;

	fill(self->addr, nr, 0xb000);
	moved = mremap(self->addr, self->len, self->len + page_size,
		       MREMAP_MAYMOVE);
	if (variant->expands) {
		ASSERT_NE(MAP_FAILED, moved);
		self->addr = moved;
		EXPECT_EQ(SIGBUS, probe_read(moved + self->len));
		EXPECT_EQ(0, munmap(moved + self->len, page_size));
	} else {
		EXPECT_EQ(MAP_FAILED, moved);
		EXPECT_EQ(EFAULT, errno);
	}

	to = mmap(NULL, self->len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		  0);
	ASSERT_NE(MAP_FAILED, to);
	moved = mremap(self->addr, self->len, self->len,
		       MREMAP_MAYMOVE | MREMAP_FIXED, to);
	ASSERT_EQ(to, moved);
	EXPECT_EQ(SIGSEGV, probe_read(self->addr));
	self->addr = moved;
	EXPECT_TRUE(is_filled(moved, nr, 0xb000));
	EXPECT_TRUE(readable(moved, self->pages));
	fill(moved, nr, 0xc000);
	EXPECT_TRUE(is_filled(moved, nr, 0xc000));
}

TEST_F(map, proc_mem)
{
	size_t nr = fillable(variant, self->pages);
	int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	char *buf = malloc(self->len);
	unsigned long word = 0xd00d;

	ASSERT_GE(fd, 0);
	ASSERT_NE(NULL, buf);
	fill(self->addr, nr, 0xd000);
	if (variant->was_remote && !has_usermap) {
		EXPECT_EQ(-1, pread(fd, buf, 1, (uintptr_t)self->addr));
		EXPECT_EQ(EIO, errno);
		nr = 0;
	} else {
		EXPECT_EQ((ssize_t)self->len, pread(fd, buf, self->len,
						    (uintptr_t)self->addr));
		EXPECT_EQ(0, memcmp(buf, self->addr, self->len));
	}
	if (nr) {
		EXPECT_EQ(sizeof(word),
			  pwrite(fd, &word, sizeof(word),
				 (uintptr_t)last_word(self->addr, 0)));
		EXPECT_EQ(word, READ_ONCE(*last_word(self->addr, 0)));
	}
	free(buf);
	close(fd);
}

/* What differs: usermap pages are not counted, ... */
TEST_F(map, counted)
{
	EXPECT_TRUE(readable(self->addr, self->pages));
	if (geteuid())
		SKIP(return, "/proc/kpageflags is for root");
	EXPECT_EQ(has_usermap ? self->pages : 0,
		  count_typed(self->addr, self->len));
	EXPECT_EQ(has_usermap || variant->was_pfnmap ? 0 : self->len / 1024,
		  smaps_field(self->addr, "Rss", NULL));
}

/* ... GUP does not find them, ... */
TEST_F(map, gup)
{
	unsigned long word = 0;
	struct iovec local = { &word, sizeof(word) };
	struct iovec remote = { self->addr, sizeof(word) };
	ssize_t ret;

	EXPECT_TRUE(readable(self->addr, self->pages));
	ret = process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
	EXPECT_EQ(has_usermap || variant->io ? -EFAULT : (ssize_t)sizeof(word),
		  ret_errno(ret));
	EXPECT_EQ(0, mlock(self->addr, self->len));
	EXPECT_EQ(0, munlock(self->addr, self->len));
}

/* ... and what was mapped by ->fault does not come back. */
TEST_F(map, madv_dontneed)
{
	bool fault = has_usermap ? variant->is_fault : variant->was_fault;
	bool refused = variant->io && !fault;

	EXPECT_TRUE(readable(self->addr, self->pages));
	EXPECT_EQ(refused ? -EINVAL : 0,
		  ret_errno(madvise(self->addr, self->len, MADV_DONTNEED)));
	EXPECT_EQ(fault || refused ? 0 : SIGBUS, probe_read(self->addr));
}

TEST_F(map, freed)
{
	fill(self->addr, fillable(variant, self->pages), 0xe000);
	expect_freed(_metadata, self);
}

/*
 * So that a leak shows that leaves pages without a type behind, too: it does so
 * each time, while caches are full at some time.
 */
TEST_F_TIMEOUT(map, memory_comes_back, 240)
{
	const size_t size = 2 << 20;
	bool back = false;

	EXPECT_EQ(0, munmap(self->addr, self->len));
	self->addr = MAP_FAILED;
	EXPECT_EQ(0, close(self->fd));
	for (int tries = 0; tries < 4 && !back; tries++) {
		size_t before = mem_available();

		ASSERT_NE(0, before);
		for (size_t i = 0; i < size / self->len; i++) {
			self->fd = variant->open();
			ASSERT_GE(self->fd, 0);
			self->addr = mmap(NULL, self->len, self->prot,
					  MAP_SHARED, self->fd,
					  map_offset(variant));
			ASSERT_NE(MAP_FAILED, self->addr);
			ASSERT_EQ(0, munmap(self->addr, self->len));
			self->addr = MAP_FAILED;
			ASSERT_EQ(0, close(self->fd));
			self->fd = -1;
		}
		/* After a grace period. */
		back = wait_until(before < mem_available() + size / 2);
	}
	EXPECT_TRUE(back);
}

/*
 * Two threads and their children have the same file mapped, in whole and in
 * part, and move it, while its buffer is to be resized and others are opened;
 * then it is closed, and they are the last.
 */

#define RACES	40

struct racer {
	pthread_t thread;
	int fd, sink;
	char *place;
	size_t len;
	int prot;
	off_t offset;
	int errs[2];
	long mapped, whole, lost;
	int bad_err;
};

/* All of it is there. To copy what is not is an error, and no signal. */
static bool copies(int sink, const char *addr, size_t len)
{
	return pwrite(sink, addr, len, 0) == (ssize_t)len;
}

static void *race(void *arg)
{
	struct racer *racer = arg;
	const size_t len = racer->len, piece = len > page_size ? page_size : 0;
	char *addr;
	pid_t pid;

	while (1) {
		addr = mmap(NULL, len, racer->prot, MAP_SHARED, racer->fd,
			    racer->offset);
		if (addr == MAP_FAILED && errno == EBADF)
			return NULL;
		if (addr == MAP_FAILED) {
			if (-errno != racer->errs[0] && -errno != racer->errs[1])
				racer->bad_err = -errno;
			sched_yield();
			continue;
		}
		racer->whole += copies(racer->sink, addr, len);
		pid = -1;
		if (racer->mapped % 8 == 0) {
			pid = fork();
			if (!pid)
				_exit(!copies(racer->sink, addr, 1));
		}
		if (mremap(addr, len, len, MREMAP_MAYMOVE | MREMAP_FIXED,
			   racer->place) != racer->place ||
		    (piece && munmap(racer->place, piece)) ||
		    !copies(racer->sink, racer->place + piece, 1) ||
		    munmap(racer->place + piece, len - piece) ||
		    (pid > 0 && reap(pid)))
			racer->lost++;
		WRITE_ONCE(racer->mapped, racer->mapped + 1);
		sched_yield();
	}
}

static bool is_racing(const struct racer *racers)
{
	return READ_ONCE(racers[0].mapped) < RACES ||
	       READ_ONCE(racers[1].mapped) < RACES;
}

TEST_F_TIMEOUT(map, threads, 240)
{
	/* Of which a part is not there where faults map what there is. */
	bool shrinks = variant->resize && variant->far_offset;
	struct racer racers[2];
	size_t pages;
	int fd, err;

	/* Not the file that has been mapped, as sg has such a one for good. */
	EXPECT_EQ(0, munmap(self->addr, self->len));
	self->addr = MAP_FAILED;
	close(self->fd);
	self->fd = variant->open();
	ASSERT_GE(self->fd, 0);
	for (int i = 0; i < 2; i++) {
		racers[i] = (struct racer){
			.fd = self->fd, .sink = memfd_create("sink", MFD_CLOEXEC),
			.place = PLACE + (i << 30), .len = self->len,
			.prot = self->prot, .offset = map_offset(variant),
		};
		/* comedi says -EINVAL if the buffer goes in the middle. */
		if (variant->resize) {
			racers[i].errs[0] = variant->too_long;
			racers[i].errs[1] = -EINVAL;
		}
		ASSERT_GE(racers[i].sink, 0);
		ASSERT_EQ(0, pthread_create(&racers[i].thread, NULL, race,
					    &racers[i]));
	}
	for (int i = 0; is_racing(racers); i++) {
		pages = i % 2 ? self->pages : self->pages / 2;
		err = variant->resize ? variant->resize(self->fd, pages) : 0;
		EXPECT_TRUE(!err || err == -EBUSY)
			TH_LOG("resize: %s", strerror(-err));
		fd = variant->open();
		if (fd >= 0)
			close(fd);
		sched_yield();
	}
	close(self->fd);
	self->fd = -1;
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, pthread_join(racers[i].thread, NULL));
		EXPECT_EQ(0, racers[i].bad_err);
		if (!shrinks)
			EXPECT_EQ(racers[i].mapped, racers[i].whole);
		EXPECT_EQ(0, racers[i].lost);
		close(racers[i].sink);
	}
	EXPECT_TRUE(typed_pages_are_gone());

	/* Some buffers stay as large as they are when nobody has them open. */
	fd = variant->open();
	ASSERT_GE(fd, 0);
	if (variant->resize)
		EXPECT_EQ(0, variant->resize(fd, self->pages));
	close(fd);
}

/* Pages that are not there do not keep mmap() from succeeding. */
TEST(behind_end)
{
	const struct {
		int (*open)(void);
		size_t (*pages)(int fd);
		int offset;
	} users[] = {
		{ usbmon_open, usbmon_pages },
		{ kvm_open, kvm_pages },
		{ kvm_open_dirty, dirty_pages, KVM_DIRTY_LOG_PAGE_OFFSET },
		{ policy_open, policy_pages },
	};

	for (size_t i = 0; i < ARRAY_SIZE(users); i++) {
		int fd = users[i].open();
		size_t pages, len;
		char *addr;

		if (fd < 0)
			SKIP(return, "user %zu: %s", i, strerror(-fd));
		pages = users[i].pages(fd);
		ASSERT_LT(0, pages);
		len = pages * page_size;
		addr = mmap(NULL, len + page_size, PROT_READ, MAP_SHARED, fd,
			    users[i].offset * page_size);
		ASSERT_NE(MAP_FAILED, addr);
		EXPECT_EQ(SIGBUS, probe_read(addr + len));
		EXPECT_TRUE(readable(addr, pages));
		EXPECT_EQ(SIGBUS, probe_read(addr + len));
		EXPECT_EQ(0, munmap(addr, len + page_size));
		close(fd);
	}
}

/* Both sides see what the other writes. */

struct ring {
	char *addr;
	size_t len;
	__u32 *producer, *consumer;
	void *desc;
};

static bool map_ring(struct ring *ring, int fd, size_t pages,
		     const struct xdp_ring_offset *off, off_t offset)
{
	ring->len = pages * page_size;
	ring->addr = mmap(NULL, ring->len, PROT_READ | PROT_WRITE, MAP_SHARED,
			  fd, offset);
	ring->producer = (__u32 *)(ring->addr + off->producer);
	ring->consumer = (__u32 *)(ring->addr + off->consumer);
	ring->desc = ring->addr + off->desc;
	return ring->addr != MAP_FAILED;
}

TEST(xsk_transmit)
{
	struct xdp_mmap_offsets off;
	struct xdp_desc *desc;
	struct ring tx, done;
	char *umem = umem_alloc();
	int fd, i;

	ASSERT_NE(MAP_FAILED, umem);
	fd = xsk_open_umem(umem);
	if (fd == -EAFNOSUPPORT || fd == -EPERM)
		SKIP(return, "no AF_XDP: %s", strerror(-fd));
	ASSERT_GE(fd, 0);
	ASSERT_TRUE(lo_up());
	ASSERT_TRUE(xsk_offsets(fd, &off));
	ASSERT_TRUE(map_ring(&tx, fd, rx_tx_pages(fd), &off.tx,
			     XDP_PGOFF_TX_RING));
	ASSERT_TRUE(xsk_bind_lo(fd));
	/* Now the ring is the buffer pool's. */
	ASSERT_TRUE(map_ring(&done, fd, umem_ring_pages(fd), &off.cr,
			     XDP_UMEM_PGOFF_COMPLETION_RING));

	for (i = 0; i < 3; i++) {
		desc = (struct xdp_desc *)tx.desc + i;
		desc->addr = 2048 * (i + 1);
		desc->len = 60;
		desc->options = 0;
		__atomic_store_n(tx.producer, i + 1, __ATOMIC_RELEASE);
		sendto(fd, NULL, 0, MSG_DONTWAIT, NULL, 0);
		EXPECT_TRUE(wait_until(READ_ONCE(*tx.consumer) == i + 1U));
		EXPECT_TRUE(wait_until(READ_ONCE(*done.producer) == i + 1U));
		EXPECT_EQ(2048 * (i + 1), ((__u64 *)done.desc)[i]);
	}

	EXPECT_EQ(0, munmap(tx.addr, tx.len));
	EXPECT_EQ(0, close(fd));
	/* The pool, and the ring that was mapped from it, are still there. */
	EXPECT_EQ(3, READ_ONCE(*done.producer));
	EXPECT_EQ(2048 * 2, ((__u64 *)done.desc)[1]);
	EXPECT_EQ(0, munmap(done.addr, done.len));
}

/* A ring that a socket made, mapped by way of another that outlives it. */
TEST(xsk_shared_pool)
{
	int first, second, entries = RING_ENTRIES;
	struct xdp_mmap_offsets off;
	struct ring ring, old;
	size_t pages;

	first = xsk_open();
	if (first == -EAFNOSUPPORT || first == -EPERM)
		SKIP(return, "no AF_XDP: %s", strerror(-first));
	ASSERT_GE(first, 0);
	ASSERT_TRUE(lo_up());
	ASSERT_TRUE(xsk_offsets(first, &off));
	pages = umem_ring_pages(first);
	ASSERT_TRUE(map_ring(&old, first, pages, &off.fr,
			     XDP_UMEM_PGOFF_FILL_RING));
	fill(old.addr, pages, 0x1100);
	ASSERT_TRUE(xsk_bind_lo(first));

	second = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	ASSERT_GE(second, 0);
	ASSERT_EQ(0, xsk_set(second, XDP_RX_RING, entries));
	EXPECT_EQ(-EINVAL, map_errno(second, pages, PROT_READ, MAP_SHARED,
				     XDP_UMEM_PGOFF_FILL_RING));
	ASSERT_EQ(0, xsk_bind(second, XDP_SHARED_UMEM, first));
	ASSERT_TRUE(map_ring(&ring, second, pages, &off.fr,
			     XDP_UMEM_PGOFF_FILL_RING));
	EXPECT_TRUE(is_filled(ring.addr, pages, 0x1100));

	EXPECT_EQ(0, munmap(old.addr, old.len));
	EXPECT_EQ(0, close(first));
	EXPECT_TRUE(is_filled(ring.addr, pages, 0x1100));
	EXPECT_EQ(0, close(second));
	EXPECT_TRUE(is_filled(ring.addr, pages, 0x1100));
	EXPECT_EQ(0, munmap(ring.addr, ring.len));
}

#define RECORD_VALUE	0x12345678

/* A program that puts one record of 8 bytes into the ring buffer @map. */
static int load_producer(int map)
{
	struct bpf_insn insns[] = {
		{ BPF_LD | BPF_DW | BPF_IMM, 1, BPF_PSEUDO_MAP_FD, 0, map },
		{ 0, 0, 0, 0, 0 },
		{ BPF_ST | BPF_MEM | BPF_DW, 10, 0, -8, RECORD_VALUE },
		{ BPF_ALU64 | BPF_MOV | BPF_X, 2, 10, 0, 0 },
		{ BPF_ALU64 | BPF_ADD | BPF_K, 2, 0, 0, -8 },
		{ BPF_ALU64 | BPF_MOV | BPF_K, 3, 0, 0, 8 },
		{ BPF_ALU64 | BPF_MOV | BPF_K, 4, 0, 0, 0 },
		{ BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_ringbuf_output },
		{ BPF_JMP | BPF_EXIT, 0, 0, 0, 0 },
	};
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_SOCKET_FILTER,
		.insns = (uintptr_t)insns,
		.insn_cnt = sizeof(insns) / sizeof(*insns),
		.license = (uintptr_t)"GPL",
	};

	return bpf(BPF_PROG_LOAD, &attr);
}

static int produce(int prog)
{
	char packet[64] = {};
	union bpf_attr attr = {
		.test.prog_fd = prog,
		.test.data_in = (uintptr_t)packet,
		.test.data_size_in = sizeof(packet),
		.test.repeat = 1,
	};
	int ret = bpf(BPF_PROG_TEST_RUN, &attr);

	return ret ?: (int)attr.test.retval;
}

static bool no_bpf(void)
{
	return geteuid() ||
	       access("/proc/sys/kernel/unprivileged_bpf_disabled", F_OK);
}

TEST(ringbuf_both_ways)
{
	const size_t size = DATA_PAGES * page_size, record = 16;
	unsigned long *consumer, *producer;
	int map, prog, ret, nr = 0;
	char *ro, *data;

	map = ringbuf_open();
	if (no_bpf())
		SKIP(return, "no bpf, or not root");
	ASSERT_GE(map, 0);
	prog = load_producer(map);
	ASSERT_GE(prog, 0);
	consumer = mmap(NULL, page_size, PROT_READ | PROT_WRITE, MAP_SHARED,
			map, 0);
	ASSERT_NE(MAP_FAILED, consumer);
	ro = mmap(NULL, page_size + 2 * size, PROT_READ, MAP_SHARED, map,
		  page_size);
	ASSERT_NE(MAP_FAILED, ro);
	producer = (unsigned long *)ro;
	data = ro + page_size;

	while (!(ret = produce(prog)))
		EXPECT_EQ(++nr * record, READ_ONCE(*producer));
	EXPECT_EQ(-EAGAIN, ret);
	EXPECT_EQ((size - 1) / record, nr);
	for (int i = 0; i < nr; i++) {
		EXPECT_EQ(8, *(__u32 *)(data + i * record));
		EXPECT_EQ(RECORD_VALUE, *(__u64 *)(data + i * record + 8));
	}
	/* What comes after the end is the beginning. */
	EXPECT_EQ(0, memcmp(data, data + size, size));

	/* And the kernel sees that there is room again. */
	__atomic_store_n(consumer, 2 * record, __ATOMIC_RELEASE);
	EXPECT_EQ(0, produce(prog));
	EXPECT_EQ(0, produce(prog));
	EXPECT_EQ(-EAGAIN, produce(prog));
	EXPECT_EQ((nr + 2) * record, READ_ONCE(*producer));

	/* Program and map go, the mapping stays. */
	close(prog);
	close(map);
	EXPECT_EQ((nr + 2) * record, READ_ONCE(*producer));
	EXPECT_EQ(0, memcmp(data, data + size, size));
	EXPECT_EQ(0, munmap(ro, page_size + 2 * size));
	EXPECT_EQ(2 * record, *consumer);
	EXPECT_EQ(0, munmap(consumer, page_size));
}

/* Bounds that a writable mapping is not asked about. */
TEST(ringbuf_read_only_bounds)
{
	const size_t all = 2 + 2 * DATA_PAGES;
	int map = ringbuf_open();

	if (no_bpf())
		SKIP(return, "no bpf, or not root");
	ASSERT_GE(map, 0);
	EXPECT_EQ(0, map_errno(map, all, PROT_READ, MAP_SHARED, 0));
	EXPECT_EQ(-EINVAL, map_errno(map, all + 1, PROT_READ, MAP_SHARED, 0));
	EXPECT_EQ(0, map_errno(map, 1, PROT_READ, MAP_SHARED,
			       (all - 1) * page_size));
	EXPECT_EQ(-EINVAL, map_errno(map, 1, PROT_READ, MAP_SHARED,
				     all * page_size));
	EXPECT_EQ(-EINVAL, map_errno(map, 2, PROT_READ, MAP_SHARED,
				     (all - 1) * page_size));
	EXPECT_EQ(-EINVAL, map_errno(map, 1, PROT_READ, MAP_SHARED,
				     (all + 1) * page_size));
	close(map);
}

TEST(user_ringbuf_data_twice)
{
	const size_t size = DATA_PAGES * page_size;
	int map = user_ringbuf_open();
	char *addr;

	if (no_bpf())
		SKIP(return, "no bpf, or not root");
	ASSERT_GE(map, 0);
	addr = mmap(NULL, page_size + 2 * size, PROT_READ | PROT_WRITE,
		    MAP_SHARED, map, page_size);
	ASSERT_NE(MAP_FAILED, addr);
	fill(addr + page_size, DATA_PAGES, 0x1200);
	EXPECT_TRUE(is_filled(addr + page_size + size, DATA_PAGES, 0x1200));
	fill(addr + page_size + size, DATA_PAGES, 0x1300);
	EXPECT_TRUE(is_filled(addr + page_size, DATA_PAGES, 0x1300));
	EXPECT_EQ(0, munmap(addr, page_size + 2 * size));
	close(map);
}

TEST(kcov_trace)
{
	const size_t len = KCOV_PAGES * page_size;
	unsigned long *area, nr;
	int fd = kcov_open();

	if (fd == -ENOENT)
		SKIP(return, "no kcov");
	ASSERT_GE(fd, 0);
	area = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, area);
	ASSERT_EQ(0, ioctl(fd, KCOV_ENABLE, KCOV_TRACE_PC));
	WRITE_ONCE(area[0], 0);
	read(-1, NULL, 0);
	nr = READ_ONCE(area[0]);
	EXPECT_EQ(0, ioctl(fd, KCOV_DISABLE, 0));
	/* Also after close(), and in the last reference: that of the VMA. */
	EXPECT_EQ(0, close(fd));
	if (nr)
		EXPECT_NE(0, READ_ONCE(area[nr < len / 8 ? nr : 1]));
	EXPECT_EQ(0, munmap(area, len));
	if (!nr)
		SKIP(return, "nothing is instrumented");
}

TEST(alsa_both_ways)
{
	struct snd_pcm_mmap_control *control;
	struct snd_pcm_mmap_status *status;
	struct snd_pcm_sync_ptr sync = {};
	int fd = alsa_open();

	if (fd < 0)
		SKIP(return, "no %s: %s", ALSA_DEVICE, strerror(-fd));
	status = mmap(NULL, page_size, PROT_READ, MAP_SHARED, fd,
		      SNDRV_PCM_MMAP_OFFSET_STATUS_NEW);
	ASSERT_NE(MAP_FAILED, status);
	control = mmap(NULL, page_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		       SNDRV_PCM_MMAP_OFFSET_CONTROL_NEW);
	ASSERT_NE(MAP_FAILED, control);

	EXPECT_EQ(SNDRV_PCM_STATE_OPEN, (int)READ_ONCE(status->state));
	ASSERT_TRUE(alsa_hw_params(fd));
	EXPECT_EQ(SNDRV_PCM_STATE_SETUP, (int)READ_ONCE(status->state));
	ASSERT_EQ(0, ioctl(fd, SNDRV_PCM_IOCTL_PREPARE));
	EXPECT_EQ(SNDRV_PCM_STATE_PREPARED, (int)READ_ONCE(status->state));

	WRITE_ONCE(control->avail_min, 777);
	sync.flags = SNDRV_PCM_SYNC_PTR_AVAIL_MIN | SNDRV_PCM_SYNC_PTR_APPL;
	ASSERT_EQ(0, ioctl(fd, SNDRV_PCM_IOCTL_SYNC_PTR, &sync));
	EXPECT_EQ(777, sync.c.control.avail_min);
	sync.flags = SNDRV_PCM_SYNC_PTR_APPL;
	sync.c.control.avail_min = 555;
	ASSERT_EQ(0, ioctl(fd, SNDRV_PCM_IOCTL_SYNC_PTR, &sync));
	EXPECT_EQ(555, READ_ONCE(control->avail_min));

	EXPECT_EQ(0, close(fd));
	EXPECT_EQ(555, READ_ONCE(control->avail_min));
	EXPECT_EQ(0, munmap(status, page_size));
	EXPECT_EQ(0, munmap(control, page_size));
}

/* A child that has a part of a mapping until it is told to end. */
struct holder {
	pid_t pid;
	int go[2];
};

static bool hold_in_child(struct holder *child, char *addr, size_t pages)
{
	char c;

	if (pipe(child->go))
		return false;
	child->pid = fork();
	if (!child->pid) {
		close(child->go[1]);
		_exit(read(child->go[0], &c, 1) != 1 || !readable(addr, pages));
	}
	return child->pid > 0;
}

/* 0 if the child could read all of it to the last. */
static int end_child(struct holder *child)
{
	const char c = 0;
	const bool told = write(child->go[1], &c, 1) == 1;
	const int status = reap(child->pid);

	close(child->go[0]);
	close(child->go[1]);
	return told ? status : -1;
}

/* A VMA may have more than the ring has. */
TEST(usbmon_behind_end)
{
	int fd = usbmon_open();
	size_t pages, len;
	char *addr;

	if (fd < 0)
		SKIP(return, "no %s: %s", USBMON_DEVICE, strerror(-fd));
	pages = usbmon_pages(fd);
	len = (pages + 2) * page_size;
	addr = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, addr);
	EXPECT_EQ(SIGBUS, probe_read(addr + pages * page_size));
	EXPECT_TRUE(readable(addr, pages));
	EXPECT_EQ(SIGBUS, probe_read(addr + (pages + 1) * page_size));
	EXPECT_EQ(0, munmap(addr, len));

	addr = mmap(NULL, 2 * page_size, PROT_READ, MAP_SHARED, fd,
		    (pages - 1) * page_size);
	ASSERT_NE(MAP_FAILED, addr);
	EXPECT_EQ(0, probe_read(addr));
	EXPECT_EQ(SIGBUS, probe_read(addr + page_size));
	EXPECT_EQ(0, munmap(addr, 2 * page_size));
	close(fd);
}

/* The ring is not replaced while anything maps it. */
TEST(usbmon_resize)
{
	int fd = usbmon_open();
	struct holder child;
	size_t pages;
	char *addr;

	if (fd < 0)
		SKIP(return, "no %s: %s", USBMON_DEVICE, strerror(-fd));
	ASSERT_EQ(0, usbmon_set_pages(fd, 8));
	pages = usbmon_pages(fd);
	ASSERT_EQ(8, pages);
	addr = mmap(NULL, pages * page_size, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, addr);
	EXPECT_TRUE(readable(addr, pages));
	EXPECT_EQ(-EBUSY, usbmon_set_pages(fd, 16));

	/* Two pieces, then one, then that of a child. */
	EXPECT_EQ(0, munmap(addr + 2 * page_size, page_size));
	EXPECT_EQ(-EBUSY, usbmon_set_pages(fd, 16));
	EXPECT_EQ(0, munmap(addr, 2 * page_size));
	EXPECT_EQ(-EBUSY, usbmon_set_pages(fd, 16));
	ASSERT_TRUE(hold_in_child(&child, addr + 3 * page_size, pages - 3));
	EXPECT_EQ(0, munmap(addr + 3 * page_size, (pages - 3) * page_size));
	EXPECT_EQ(-EBUSY, usbmon_set_pages(fd, 16));
	EXPECT_EQ(0, end_child(&child));

	EXPECT_EQ(0, usbmon_set_pages(fd, 16));
	EXPECT_EQ(16, usbmon_pages(fd));
	addr = mmap(NULL, 16 * page_size, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, addr);
	EXPECT_TRUE(readable(addr, 16));
	EXPECT_EQ(0, munmap(addr, 16 * page_size));
	EXPECT_EQ(-EINVAL, usbmon_set_pages(fd, 0));
	EXPECT_EQ(-EINVAL, usbmon_set_pages(fd, (64 << 20) / page_size + 1));
	close(fd);
}

/* Ask a root hub what it is. */
static int usb_get_descriptor(void)
{
	unsigned char buf[18];
	struct usbdevfs_ctrltransfer get = {
		.bRequestType = 0x80,
		.bRequest = 6,
		.wValue = 1 << 8,
		.wLength = sizeof(buf),
		.timeout = 5000,
		.data = buf,
	};
	int fd = open("/dev/bus/usb/001/001", O_RDWR | O_CLOEXEC), ret;

	if (fd < 0)
		return -errno;
	ret = ret_errno(ioctl(fd, USBDEVFS_CONTROL, &get));
	close(fd);
	return ret;
}

/* What read() has of an event is in the mapping, too. */
TEST(usbmon_event)
{
	const unsigned char setup[8] = { 0x80, 6, 0, 1, 0, 0, 18, 0 };
	__u32 offsets[64], captured;
	struct mon_bin_mfetch fetch = { .offvec = offsets, .nfetch = 64 };
	int fd = usbmon_open(), ret;
	char *addr, *event, buf[4096];
	bool found = false;
	size_t len;

	if (fd < 0)
		SKIP(return, "no %s: %s", USBMON_DEVICE, strerror(-fd));
	len = usbmon_pages(fd) * page_size;
	addr = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, addr);
	ret = usb_get_descriptor();
	if (ret == -ENOENT)
		SKIP(return, "no USB");
	EXPECT_EQ(18, ret);

	ASSERT_EQ(0, ioctl(fd, MON_IOCX_MFETCH, &fetch));
	for (__u32 i = 0; i < fetch.nfetch; i++) {
		ASSERT_GT(len, offsets[i]);
		event = addr + offsets[i];
		ASSERT_EQ(MON_HEADER, read(fd, buf, MON_HEADER));
		EXPECT_EQ(0, memcmp(event, buf, MON_HEADER));
		found |= event[8] == 'S' && !memcmp(event + 40, setup, 8);

		memcpy(&captured, event + 36, sizeof(captured));
		if (!captured)
			continue;
		ASSERT_GE(sizeof(buf), captured);
		ASSERT_EQ(captured, read(fd, buf, captured));
		EXPECT_EQ(0, memcmp(event + 64, buf, captured));
	}
	EXPECT_TRUE(found);
	EXPECT_EQ(0, munmap(addr, len));
	close(fd);
}

#define SG_SECTOR	512
#define SG_SECTORS	(SG_PAGES * page_size / SG_SECTOR)

/* A command whose data are in the mapping. The first ones report a reset. */
static bool sg_command(int fd, unsigned char *cmd, int cmd_len, int direction,
		       size_t len)
{
	struct sg_io_hdr io;
	int i;

	for (i = 0; i < 5; i++) {
		io = (struct sg_io_hdr) {
			.interface_id = 'S',
			.dxfer_direction = direction,
			.cmd_len = cmd_len,
			.dxfer_len = len,
			.cmdp = cmd,
			.timeout = 20000,
			.flags = SG_FLAG_MMAP_IO,
		};
		if (ioctl(fd, SG_IO, &io))
			return false;
		if ((io.info & SG_INFO_OK_MASK) == SG_INFO_OK)
			return true;
	}
	return false;
}

TEST(sg_mmap_io)
{
	unsigned char inquiry[6] = { 0x12, 0, 0, 0, 36, 0 };
	unsigned char cmd[10] = {};
	const size_t len = SG_PAGES * page_size;
	int fd = sg_open();
	char *addr;

	if (fd < 0)
		SKIP(return, "no %s: %s", SG_DEVICE, strerror(-fd));
	addr = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, addr);
	ASSERT_TRUE(sg_command(fd, inquiry, sizeof(inquiry),
			       SG_DXFER_FROM_DEV, 36));
	if (memcmp(addr + 8, "Linux   scsi_debug", 18))
		SKIP(return, "not a device to write to");

	/* Written from each page, and read back to it. */
	cmd[7] = SG_SECTORS >> 8;
	cmd[8] = SG_SECTORS & 0xff;
	fill(addr, SG_PAGES, 0x1400);
	cmd[0] = 0x2a;
	EXPECT_TRUE(sg_command(fd, cmd, sizeof(cmd), SG_DXFER_TO_DEV, len));
	memset(addr, 0, len);
	cmd[0] = 0x28;
	EXPECT_TRUE(sg_command(fd, cmd, sizeof(cmd), SG_DXFER_FROM_DEV, len));
	EXPECT_TRUE(is_filled(addr, SG_PAGES, 0x1400));

	EXPECT_EQ(0, close(fd));
	EXPECT_TRUE(is_filled(addr, SG_PAGES, 0x1400));
	EXPECT_EQ(0, munmap(addr, len));
}

/* The buffer is not replaced once it has been mapped. */
TEST(sg_resize)
{
	int fd = sg_open();
	char *addr;

	if (fd < 0)
		SKIP(return, "no %s: %s", SG_DEVICE, strerror(-fd));
	EXPECT_EQ(0, sg_set_pages(fd, 3));
	EXPECT_EQ(3, sg_pages(fd));
	EXPECT_EQ(-ENOMEM, map_errno(fd, 4, PROT_READ, MAP_SHARED, 0));
	EXPECT_EQ(0, sg_set_pages(fd, SG_PAGES));
	addr = mmap(NULL, SG_PAGES * page_size, PROT_READ | PROT_WRITE,
		    MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, addr);
	fill(addr, SG_PAGES, 0x1500);
	EXPECT_EQ(-EBUSY, sg_set_pages(fd, 3));
	EXPECT_EQ(0, sg_set_pages(fd, SG_PAGES));
	EXPECT_TRUE(is_filled(addr, SG_PAGES, 0x1500));
	EXPECT_EQ(0, munmap(addr, SG_PAGES * page_size));
	EXPECT_EQ(-EBUSY, sg_set_pages(fd, 3));
	close(fd);
}

/* A fault took the offset into the buffer for one into what is left. */
TEST(sg_unmapped_head)
{
	const size_t head = SG_PAGES / 2, tail = SG_PAGES - head;
	int fd = sg_open();
	char *addr;

	if (fd < 0)
		SKIP(return, "no %s: %s", SG_DEVICE, strerror(-fd));
	addr = mmap(NULL, SG_PAGES * page_size, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, addr);
	EXPECT_EQ(0, munmap(addr, head * page_size));
	EXPECT_EQ(has_usermap, readable(addr + head * page_size, tail));
	EXPECT_EQ(0, munmap(addr + head * page_size, tail * page_size));
	close(fd);
}

/* The buffer is not replaced while anything maps it. */
TEST(comedi_resize)
{
	int fd = comedi_open(), pages, small;
	struct holder child;
	char *addr;

	if (fd < 0)
		SKIP(return, "no %s: %s", COMEDI_DEVICE, strerror(-fd));
	pages = comedi_pages(fd);
	small = pages / 2;
	ASSERT_LT(2, small);
	addr = mmap(NULL, pages * page_size, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, addr);
	EXPECT_EQ(-EBUSY, comedi_buf_pages(fd, COMEDI_AI, small));
	EXPECT_EQ(pages, comedi_buf_pages(fd, COMEDI_AO, pages));

	/* A piece of it, then that of a child. */
	EXPECT_EQ(0, munmap(addr, page_size));
	EXPECT_EQ(-EBUSY, comedi_buf_pages(fd, COMEDI_AI, small));
	ASSERT_TRUE(hold_in_child(&child, addr + page_size, pages - 1));
	EXPECT_EQ(0, munmap(addr + page_size, (pages - 1) * page_size));
	EXPECT_EQ(-EBUSY, comedi_buf_pages(fd, COMEDI_AI, small));
	EXPECT_EQ(0, end_child(&child));

	EXPECT_EQ(small, comedi_buf_pages(fd, COMEDI_AI, small));
	EXPECT_EQ(-EFAULT, map_errno(fd, pages, PROT_READ, MAP_SHARED, 0));
	EXPECT_EQ(0, map_errno(fd, small, PROT_READ, MAP_SHARED, 0));
	EXPECT_EQ(pages, comedi_buf_pages(fd, COMEDI_AI, pages));
	close(fd);
}

static int failing_comedi_resize(void)
{
	int pages = comedi_buf_pages(failing.fd, COMEDI_AI, failing.pages / 2);

	return pages < 0 ? -pages : 0;
}

static bool undo_comedi_resize(void)
{
	return comedi_buf_pages(failing.fd, COMEDI_AI, failing.pages) ==
	       (int)failing.pages;
}

/* Its buffer is not allocated by open(), as map.open_fails has the others. */
TEST(comedi_resize_fails)
{
	struct fail_each each = {
		.call = failing_comedi_resize, .undo = undo_comedi_resize,
		.err = ENOMEM,
	};
	int control = fail_open();
	long typed;

	failing.fd = comedi_open();
	if (failing.fd < 0 || control < 0)
		SKIP(return, "no %s or no fault injection", COMEDI_DEVICE);
	failing.pages = comedi_pages(failing.fd);
	typed = count_all_typed();
	EXPECT_FAIL_EACH(&each, control);
	EXPECT_TRUE(undo_comedi_resize());
	EXPECT_TRUE(wait_until(count_all_typed() <= typed));
	close(failing.fd);
	close(control);
}

/* A mapping of one page may be private: that writes to it was a mistake. */
TEST(comedi_private)
{
	int fd = comedi_open();
	char *shared, *private;

	if (fd < 0)
		SKIP(return, "no %s: %s", COMEDI_DEVICE, strerror(-fd));
	shared = mmap(NULL, page_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		      0);
	ASSERT_NE(MAP_FAILED, shared);
	private = mmap(NULL, page_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd,
		       0);
	ASSERT_NE(MAP_FAILED, private);
	fill(shared, 1, 0x1600);
	EXPECT_TRUE(is_filled(private, 1, 0x1600));
	fill(private, 1, 0x1700);
	EXPECT_TRUE(is_filled(private, 1, 0x1700));
	EXPECT_EQ(has_usermap, is_filled(shared, 1, 0x1600));
	EXPECT_EQ(0, munmap(private, page_size));
	EXPECT_EQ(0, munmap(shared, page_size));
	close(fd);
}

#define SAMPLES		1000

/* What the device has measured is in the mapping, too. */
TEST(comedi_acquire)
{
	unsigned int channel = CR_PACK(0, 0, AREF_GROUND);
	struct comedi_cmd cmd = {
		.subdev = COMEDI_AI,
		.start_src = TRIG_NOW,
		.scan_begin_src = TRIG_TIMER,
		.scan_begin_arg = 100000,
		.convert_src = TRIG_NOW,
		.scan_end_src = TRIG_COUNT,
		.scan_end_arg = 1,
		.stop_src = TRIG_COUNT,
		.stop_arg = SAMPLES,
		.chanlist = &channel,
		.chanlist_len = 1,
	};
	struct comedi_bufinfo info = { .subdevice = COMEDI_AI };
	__u16 samples[SAMPLES] = {};
	const size_t len = sizeof(samples);
	int fd = comedi_open(), pages;
	char *addr;

	if (fd < 0)
		SKIP(return, "no %s: %s", COMEDI_DEVICE, strerror(-fd));
	pages = comedi_pages(fd);
	ASSERT_LT(len, pages * page_size);
	addr = mmap(NULL, pages * page_size, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, addr);
	ASSERT_EQ(0, ioctl(fd, COMEDI_CMD, &cmd));
	EXPECT_TRUE(wait_until(ioctl(fd, COMEDI_BUFINFO, &info) ||
			       info.buf_write_count >= len));
	EXPECT_EQ(len, info.buf_write_count);
	EXPECT_EQ(len, read(fd, samples, len));
	EXPECT_NE(samples[0], samples[SAMPLES / 2]);
	EXPECT_EQ(0, memcmp(addr, samples, len));
	EXPECT_EQ(0, close(fd));
	EXPECT_EQ(0, memcmp(addr, samples, len));
	EXPECT_EQ(0, munmap(addr, pages * page_size));
}

static int ublk_fetch(struct uring *ring, int fd, __u32 op, int tag,
		      char *buf, int result)
{
	struct ublksrv_io_cmd cmd = {
		.tag = tag,
		.result = result,
		.addr = (uintptr_t)buf,
	};

	return uring_submit(ring, fd, op, &cmd, sizeof(cmd), tag);
}

/* What the disk has at @sector. */
static void ublk_fill(char *buf, __u64 sector, __u32 nr)
{
	for (; nr--; sector++, buf += 512)
		memset(buf, sector + 1, 512);
}

static int ublk_read_disk(__u32 id, __u64 sector)
{
	char name[32], expected[4096], *buf = aligned_alloc(4096, 4096);
	int fd;

	snprintf(name, sizeof(name), "/dev/ublkb%u", id);
	fd = open(name, O_RDONLY | O_DIRECT | O_CLOEXEC);
	if (fd < 0 || !buf)
		return 2;
	if (pread(fd, buf, 4096, sector * 512) != 4096)
		return 3;
	ublk_fill(expected, sector, 8);
	return !!memcmp(buf, expected, 4096);
}

/* A disk of which the server learns what to read from the mapping. */
TEST(ublk_server)
{
	struct ublk_params params = {
		.len = sizeof(params),
		.types = UBLK_PARAM_TYPE_BASIC,
		.basic = {
			.logical_bs_shift = 9,
			.physical_bs_shift = 12,
			.io_opt_shift = 12,
			.io_min_shift = 9,
			.max_sectors = UBLK_IO_SIZE / 512,
			.dev_sectors = 2048,
		},
	};
	struct ublksrv_ctrl_cmd cmd = { .queue_id = -1 };
	struct uring ring, control_ring;
	struct ublksrv_io_desc *desc;
	char *map, *buf[2];
	int fd, control, i;
	const __u64 sector = 96;
	__u64 tag = 0;
	__u32 id;
	pid_t pid;

	fd = ublk_add(2, &id);
	if (fd == -ENOENT || fd == -EACCES)
		SKIP(return, "no ublk: %s", strerror(-fd));
	ASSERT_GE(fd, 0);
	control = open("/dev/ublk-control", O_RDWR | O_CLOEXEC);
	ASSERT_GE(control, 0);
	ASSERT_TRUE(uring_open(&ring));
	ASSERT_TRUE(uring_open(&control_ring));
	map = mmap(NULL, page_size, PROT_READ, MAP_SHARED, fd,
		   UBLKSRV_CMD_BUF_OFFSET);
	ASSERT_NE(MAP_FAILED, map);
	desc = (struct ublksrv_io_desc *)map;

	/* Only the process that was the first to map it may do so. */
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid)
		_exit(map_errno(fd, 1, PROT_READ, MAP_SHARED,
				UBLKSRV_CMD_BUF_OFFSET) != -EINVAL);
	EXPECT_EQ(0, reap(pid));

	cmd.dev_id = id;
	cmd.addr = (uintptr_t)&params;
	cmd.len = sizeof(params);
	ASSERT_EQ(0, ublk_control(UBLK_U_CMD_SET_PARAMS, cmd));
	for (i = 0; i < 2; i++) {
		buf[i] = malloc(UBLK_IO_SIZE);
		ASSERT_NE(NULL, buf[i]);
		ASSERT_EQ(0, ublk_fetch(&ring, fd, UBLK_U_IO_FETCH_REQ, i,
					buf[i], 0));
	}
	cmd.addr = 0;
	cmd.len = 0;
	cmd.data[0] = getpid();
	ASSERT_EQ(0, ublk_control(UBLK_U_CMD_START_DEV, cmd));

	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid)
		_exit(ublk_read_disk(id, sector));
	/* A partition table may be looked for first. */
	do {
		ASSERT_EQ(UBLK_IO_RES_OK, uring_wait(&ring, &tag));
		ASSERT_LT(tag, 2);
		ASSERT_EQ(UBLK_IO_OP_READ, ublksrv_get_op(desc + tag));
		ASSERT_LE(desc[tag].nr_sectors, UBLK_IO_SIZE / 512);
		EXPECT_EQ((uintptr_t)buf[tag], desc[tag].addr);
		ublk_fill(buf[tag], desc[tag].start_sector,
			  desc[tag].nr_sectors);
		ASSERT_EQ(0, ublk_fetch(&ring, fd,
					UBLK_U_IO_COMMIT_AND_FETCH_REQ, tag,
					buf[tag], desc[tag].nr_sectors * 512));
	} while (desc[tag].start_sector != sector);
	EXPECT_EQ(8, desc[tag].nr_sectors);
	EXPECT_EQ(0, reap(pid));

	/* Stopped from another ring: this one has two commands to end. */
	cmd.data[0] = 0;
	ASSERT_EQ(0, uring_submit(&control_ring, control, UBLK_U_CMD_STOP_DEV,
				  &cmd, sizeof(cmd), 0));
	for (i = 0; i < 2; i++)
		EXPECT_EQ(UBLK_IO_RES_ABORT, uring_wait(&ring, NULL));
	EXPECT_EQ(0, uring_wait(&control_ring, NULL));
	EXPECT_EQ(0, ublk_del(id));
	uring_close(&control_ring);
	uring_close(&ring);
	close(control);
	EXPECT_EQ(0, close(fd));

	/* No device and no server any more: the mapping is all that is left. */
	EXPECT_EQ(sector, desc[tag].start_sector);
	EXPECT_EQ(8, desc[tag].nr_sectors);
	EXPECT_EQ(0, munmap(map, page_size));
}

#ifdef __x86_64__

#define GUEST_CODE	0x1000
#define GUEST_SIZE	0x8000
#define GUEST_MMIO	0xf000

/* Real mode. */
static const unsigned char guest_code[] = {
	0xb0, 0x5a,		/* mov $0x5a, %al */
	0xe6, 0x10,		/* out %al, $0x10 */
	0xa2, 0x00, 0x20,	/* mov %al, 0x2000 */
	0xa2, 0x04, 0xf0,	/* mov %al, 0xf004 */
	0xf4,			/* hlt */
};

static bool kvm_load(int vm, int vcpu, char *memory)
{
	struct kvm_userspace_memory_region region = {
		.flags = KVM_MEM_LOG_DIRTY_PAGES,
		.memory_size = GUEST_SIZE,
		.userspace_addr = (uintptr_t)memory,
	};
	struct kvm_coalesced_mmio_zone zone = {
		.addr = GUEST_MMIO,
		.size = 0x1000,
	};
	struct kvm_regs regs = { .rip = GUEST_CODE, .rflags = 2 };
	struct kvm_sregs sregs;

	memcpy(memory + GUEST_CODE, guest_code, sizeof(guest_code));
	if (ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) ||
	    ioctl(vm, KVM_REGISTER_COALESCED_MMIO, &zone) ||
	    ioctl(vcpu, KVM_GET_SREGS, &sregs))
		return false;
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	return !ioctl(vcpu, KVM_SET_SREGS, &sregs) &&
	       !ioctl(vcpu, KVM_SET_REGS, &regs);
}

FIXTURE(kvm)
{
	int vm;
};

FIXTURE_SETUP(kvm)
{
	self->vm = kvm_vm();
	if (self->vm == -ENOENT || self->vm == -ENODEV || self->vm == -EACCES)
		SKIP(return, "no KVM: %s", strerror(-self->vm));
	ASSERT_GE(self->vm, 0);
}

FIXTURE_TEARDOWN(kvm)
{
}

/* The kernel reads what is written here. */
TEST_F(kvm, immediate_exit)
{
	int vcpu = kvm_vcpu(self->vm);
	struct kvm_run *run;

	ASSERT_GE(vcpu, 0);
	run = mmap(NULL, page_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	ASSERT_NE(MAP_FAILED, run);
	WRITE_ONCE(run->immediate_exit, 1);
	EXPECT_EQ(-1, ioctl(vcpu, KVM_RUN, 0));
	EXPECT_EQ(EINTR, errno);
	EXPECT_EQ(0, munmap(run, page_size));
	close(vcpu);
}

/*
 * QEMU without an accelerator: when it is short of time, an interrupt may be
 * pending at each VMRUN, so that a guest does not get to its next instruction.
 */
static bool cpu_is_emulated(void)
{
	unsigned int eax, name[3];

	__cpuid(0x40000000, eax, name[0], name[1], name[2]);
	return !memcmp(name, "TCGTCGTCGTCG", sizeof(name));
}

/* A guest that uses all four kinds of pages. */
TEST_F(kvm, guest)
{
	struct kvm_coalesced_mmio_ring *mmio;
	int vm = self->vm, vcpu, offset, nr, found = 0;
	struct kvm_dirty_gfn *dirty;
	struct kvm_run *run;
	size_t size;
	char *memory;

	if (cpu_is_emulated())
		SKIP(return, "the CPU is emulated");
	ASSERT_EQ(0, kvm_dirty_ring(vm));
	vcpu = kvm_vcpu(vm);
	ASSERT_GE(vcpu, 0);
	memory = mmap(NULL, GUEST_SIZE, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, memory);
	ASSERT_TRUE(kvm_load(vm, vcpu, memory));

	size = kvm_pages(vcpu) * page_size;
	run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	ASSERT_NE(MAP_FAILED, run);
	offset = ioctl(vm, KVM_CHECK_EXTENSION, KVM_CAP_COALESCED_MMIO);
	ASSERT_GT(offset, 0);
	mmio = (void *)((char *)run + offset * page_size);
	dirty = mmap(NULL, DIRTY_PAGES * page_size, PROT_READ | PROT_WRITE,
		     MAP_SHARED, vcpu, KVM_DIRTY_LOG_PAGE_OFFSET * page_size);
	ASSERT_NE(MAP_FAILED, dirty);

	ASSERT_EQ(0, ioctl(vcpu, KVM_RUN, 0));
	ASSERT_EQ(KVM_EXIT_IO, READ_ONCE(run->exit_reason));
	EXPECT_EQ(0x10, run->io.port);
	EXPECT_EQ(page_size, run->io.data_offset);
	EXPECT_EQ(0x5a, *((char *)run + run->io.data_offset));

	EXPECT_EQ(0, READ_ONCE(mmio->last));
	ASSERT_EQ(0, ioctl(vcpu, KVM_RUN, 0));
	ASSERT_EQ(KVM_EXIT_HLT, READ_ONCE(run->exit_reason));
	EXPECT_EQ(0x5a, READ_ONCE(memory[0x2000]));
	EXPECT_EQ(1, READ_ONCE(mmio->last));
	EXPECT_EQ(GUEST_MMIO + 4, mmio->coalesced_mmio[0].phys_addr);
	EXPECT_EQ(0x5a, mmio->coalesced_mmio[0].data[0]);

	/* A page that the guest could write to may be there, too. */
	for (nr = 0; READ_ONCE(dirty[nr].flags) == KVM_DIRTY_GFN_F_DIRTY; nr++) {
		found += dirty[nr].offset == 2;
		WRITE_ONCE(dirty[nr].flags, KVM_DIRTY_GFN_F_RESET);
	}
	EXPECT_EQ(1, found);
	EXPECT_EQ(nr, ioctl(vm, KVM_RESET_DIRTY_RINGS));
	EXPECT_EQ(0, READ_ONCE(dirty[0].flags));

	/* The mappings are all that keeps the machine. */
	close(vm);
	close(vcpu);
	EXPECT_EQ(KVM_EXIT_HLT, READ_ONCE(run->exit_reason));
	EXPECT_EQ(0, munmap(run, size));
	EXPECT_EQ(0, READ_ONCE(dirty[nr].flags));
	EXPECT_EQ(0, munmap(dirty, DIRTY_PAGES * page_size));
	munmap(memory, GUEST_SIZE);
}

#endif /* __x86_64__ */

/* A private page can be written to, but not first. */
TEST(selinux_policy_private)
{
	int fd = policy_open(), go[2];
	char *addr, *read_back, c = 0;
	size_t size;
	pid_t pid;

	if (fd < 0)
		SKIP(return, "no policy: %s", strerror(-fd));
	size = policy_size(fd);
	ASSERT_GT(size, 1);
	read_back = malloc(size);
	ASSERT_NE(NULL, read_back);
	ASSERT_EQ((ssize_t)size, pread(fd, read_back, size, 0));
	addr = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	ASSERT_NE(MAP_FAILED, addr);

	ASSERT_EQ(0, pipe(go));
	ASSERT_EQ(1, write(go[1], &c, 1));
	EXPECT_EQ(-EFAULT, ret_errno(read(go[0], addr, 1)));
	EXPECT_EQ(0, memcmp(addr, read_back, size));
	EXPECT_EQ(1, read(go[0], addr, 1));
	EXPECT_EQ(0, addr[0]);
	EXPECT_EQ(0, memcmp(addr + 1, read_back + 1, size - 1));
	EXPECT_EQ(1, pread(fd, &c, 1, 0));
	EXPECT_EQ(read_back[0], c);
	EXPECT_EQ(0, munmap(addr, size));

	/* A child has to read by itself, unless fork() copied the PTEs. */
	addr = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	ASSERT_NE(MAP_FAILED, addr);
	EXPECT_EQ(0, memcmp(addr, read_back, size));
	ASSERT_EQ(1, write(go[1], &c, 1));
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid)
		_exit(read(go[0], addr, 1) == 1);
	EXPECT_EQ(has_usermap, reap(pid));
	EXPECT_EQ(0, memcmp(addr, read_back, size));
	EXPECT_EQ(0, munmap(addr, size));

	free(read_back);
	close(go[0]);
	close(go[1]);
	close(fd);
}

/*
 * What is mapped is a copy: it can be loaded, which changes nothing, and stays
 * when it has been.
 */
TEST(selinux_policy_load)
{
	int fd = policy_open(), other, load;
	char *addr, *again;
	ssize_t written;
	size_t size;

	if (fd < 0)
		SKIP(return, "no policy: %s", strerror(-fd));
	size = policy_size(fd);
	addr = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, addr);
	close(fd);
	load = open(SELINUX_LOAD, O_WRONLY | O_CLOEXEC);
	ASSERT_GE(load, 0);
	written = ret_errno(write(load, addr, size));
	close(load);
	if (written == -EACCES)
		SKIP(return, "SELinux does not let load a policy");
	EXPECT_EQ((ssize_t)size, written);

	other = policy_open();
	ASSERT_GE(other, 0);
	ASSERT_EQ(size, policy_size(other));
	again = mmap(NULL, size, PROT_READ, MAP_SHARED, other, 0);
	ASSERT_NE(MAP_FAILED, again);
	EXPECT_EQ(0, memcmp(addr, again, size));
	EXPECT_EQ(0, munmap(addr, size));
	EXPECT_EQ(0, munmap(again, size));
	close(other);
}

int main(int argc, char **argv)
{
	usermap_init();
	has_usermap = kernel_has_usermap();
	return test_harness_run(argc, argv);
}
