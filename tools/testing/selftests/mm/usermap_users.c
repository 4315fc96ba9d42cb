// SPDX-License-Identifier: GPL-2.0
/*
 * What a program sees of the pages that the kernel shares with it: AF_XDP
 * rings, bpf ring buffers, kcov areas, ALSA records.
 *
 * How the kernel maps them may change, from refcounted pages to usermap pages;
 * what a program sees may not. So all tests hold for both, but for what asks
 * has_usermap, which is listed in Documentation/mm/usermap_users.rst.
 */
#define _GNU_SOURCE

#include <sched.h>
#include <stdlib.h>

#include <linux/bpf.h>
#include <linux/if_xdp.h>
#include <linux/kcov.h>
#include <net/if.h>
#include <sound/asound.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "kselftest_harness.h"
#include "usermap.h"

#ifndef AF_XDP
#define AF_XDP		44
#endif
#ifndef SOL_XDP
#define SOL_XDP		283
#endif

#define RING_ENTRIES	1024
#define UMEM_PAGES	16
#define DATA_PAGES	4
#define KCOV_PAGES	5
#define ALSA_DEVICE	"/dev/snd/pcmC0D0p"

/* For the tests that expect a difference. */
static bool has_usermap;

/* AF_XDP */

struct xsk {
	int fd;
	char *umem;
};

static int xsk_set(int fd, int option, int entries)
{
	return setsockopt(fd, SOL_XDP, option, &entries, sizeof(entries));
}

/* A socket with all four rings, that is not bound. -errno if there is none. */
static int xsk_open_umem(char *umem)
{
	struct xdp_umem_reg reg = {
		.addr = (uintptr_t)umem,
		.len = UMEM_PAGES * page_size,
		.chunk_size = 2048,
	};
	int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_XDP, XDP_UMEM_REG, &reg, sizeof(reg)) ||
	    xsk_set(fd, XDP_UMEM_FILL_RING, RING_ENTRIES) ||
	    xsk_set(fd, XDP_UMEM_COMPLETION_RING, RING_ENTRIES) ||
	    xsk_set(fd, XDP_RX_RING, RING_ENTRIES) ||
	    xsk_set(fd, XDP_TX_RING, RING_ENTRIES)) {
		int err = -errno;

		close(fd);
		return err;
	}
	return fd;
}

static char *umem_alloc(void)
{
	return mmap(NULL, UMEM_PAGES * page_size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static int xsk_open(void)
{
	char *umem = umem_alloc();

	return umem == MAP_FAILED ? -ENOMEM : xsk_open_umem(umem);
}

static int xsk_bind(int fd, int flags, int shared_fd)
{
	struct sockaddr_xdp addr = {
		.sxdp_family = AF_XDP,
		.sxdp_flags = flags,
		.sxdp_ifindex = if_nametoindex("lo"),
		.sxdp_shared_umem_fd = shared_fd,
	};

	return bind(fd, (struct sockaddr *)&addr, sizeof(addr));
}

/* The queue is free some time after the last test closed its socket. */
static bool xsk_bind_lo(int fd)
{
	int ret;

	return wait_until(!(ret = xsk_bind(fd, XDP_COPY, 0)) ||
			  errno != EBUSY) && !ret;
}

static bool lo_up(void)
{
	struct ifreq ifr = { .ifr_name = "lo" };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool up;

	up = !ioctl(fd, SIOCGIFFLAGS, &ifr);
	ifr.ifr_flags |= IFF_UP;
	up = up && !ioctl(fd, SIOCSIFFLAGS, &ifr);
	close(fd);
	return up;
}

static bool xsk_offsets(int fd, struct xdp_mmap_offsets *off)
{
	socklen_t len = sizeof(*off);

	return !getsockopt(fd, SOL_XDP, XDP_MMAP_OFFSETS, off, &len);
}

static size_t pages_for(size_t bytes)
{
	return (bytes + page_size - 1) / page_size;
}

/* The kernel's header of a ring is private: its size is the first offset. */
static size_t xsk_pages(int fd, size_t entry, bool umem)
{
	struct xdp_mmap_offsets off = {};

	if (!xsk_offsets(fd, &off))
		return 0;
	return pages_for((umem ? off.fr.desc : off.rx.desc) +
			 RING_ENTRIES * entry);
}

static size_t rx_tx_pages(int fd)
{
	return xsk_pages(fd, sizeof(struct xdp_desc), false);
}

static size_t umem_ring_pages(int fd)
{
	return xsk_pages(fd, sizeof(__u64), true);
}

/* bpf */

static int bpf(int cmd, union bpf_attr *attr)
{
	int ret = syscall(__NR_bpf, cmd, attr, sizeof(*attr));

	return ret < 0 ? -errno : ret;
}

static int bpf_ring(int type)
{
	union bpf_attr attr = {
		.map_type = type,
		.max_entries = DATA_PAGES * page_size,
	};

	return bpf(BPF_MAP_CREATE, &attr);
}

static int ringbuf_open(void)
{
	return bpf_ring(BPF_MAP_TYPE_RINGBUF);
}

static int user_ringbuf_open(void)
{
	return bpf_ring(BPF_MAP_TYPE_USER_RINGBUF);
}

static size_t one_page(int fd)
{
	return 1;
}

/* The position of the producer, and the data twice. */
static size_t data_twice(int fd)
{
	return 1 + 2 * DATA_PAGES;
}

/* kcov */

static int kcov_open(void)
{
	int fd = open("/sys/kernel/debug/kcov", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (ioctl(fd, KCOV_INIT_TRACE,
		  KCOV_PAGES * page_size / sizeof(unsigned long))) {
		int err = -errno;

		close(fd);
		return err;
	}
	return fd;
}

static size_t kcov_pages(int fd)
{
	return KCOV_PAGES;
}

/* ALSA */

static int alsa_open(void)
{
	int fd = open(ALSA_DEVICE, O_RDWR | O_NONBLOCK | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* Set up a playback of 16 bit stereo. */
static bool alsa_hw_params(int fd)
{
	struct snd_pcm_hw_params params = { .rmask = ~0U, .info = ~0U };
	int i;

	memset(params.masks, 0xff, sizeof(params.masks));
	for (i = 0; i <= SNDRV_PCM_HW_PARAM_LAST_INTERVAL -
			 SNDRV_PCM_HW_PARAM_FIRST_INTERVAL; i++)
		params.intervals[i].max = ~0U;
	memset(params.masks, 0, sizeof(params.masks[0]));
	params.masks[0].bits[0] = 1 << SNDRV_PCM_ACCESS_RW_INTERLEAVED;
	return !ioctl(fd, SNDRV_PCM_IOCTL_HW_PARAMS, &params);
}

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
	__u64 offset;		/* in bytes, but see @page_offset */
	int page_offset;	/* in pages, besides */
	int read_only;
	bool drops_write;
	int no_private;
	int too_long;
	int too_short;
	int bad_offset;
	bool was_fault;		/* mapped by ->fault without usermap pages */
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
	/* Too long to be writable: bad_length and read_only_too_long. */
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
	if (self->prot & PROT_WRITE)
		return;
	for (size_t i = 0; i < self->pages; i++)
		EXPECT_EQ(SIGSEGV, probe_write(self->addr + i * page_size));
	EXPECT_EQ(-1, mprotect(self->addr, self->len, PROT_READ | PROT_WRITE));
	EXPECT_EQ(EACCES, errno);
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
	EXPECT_NE(0, map_errno(self->fd, self->pages, self->prot, MAP_SHARED,
			       offset + (1LL << 40)));
	EXPECT_EQ(-EINVAL, map_errno(self->fd, self->pages, self->prot,
				     MAP_SHARED, offset + 1));
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

	if (self->pages < 3)
		return;
	fill(self->addr, nr, 0xa000);
	ASSERT_EQ(0, munmap(self->addr + page_size, page_size));
	EXPECT_EQ(SIGSEGV, probe_read(self->addr + page_size));
	EXPECT_TRUE(readable(self->addr, 1));
	EXPECT_TRUE(readable(self->addr + 2 * page_size, self->pages - 2));
	if (nr > 2)
		EXPECT_TRUE(is_filled(self->addr + 2 * page_size, nr - 2,
				      0xa002));
	ASSERT_EQ(0, close(self->fd));
	self->fd = -1;
	reuse_memory(variant);
	if (nr > 2)
		EXPECT_TRUE(is_filled(self->addr + 2 * page_size, nr - 2,
				      0xa002));
}

TEST_F(map, mremap)
{
	size_t nr = fillable(variant, self->pages);
	char *to, *moved;

	fill(self->addr, nr, 0xb000);
	EXPECT_EQ(MAP_FAILED, mremap(self->addr, self->len,
				     self->len + page_size, MREMAP_MAYMOVE));
	EXPECT_EQ(EFAULT, errno);

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
	EXPECT_EQ((ssize_t)self->len, pread(fd, buf, self->len,
					    (uintptr_t)self->addr));
	EXPECT_EQ(0, memcmp(buf, self->addr, self->len));
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
	EXPECT_EQ(has_usermap ? 0 : self->len / 1024,
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
	EXPECT_EQ(has_usermap ? -EFAULT : (ssize_t)sizeof(word),
		  ret < 0 ? -errno : ret);
	EXPECT_EQ(0, mlock(self->addr, self->len));
	EXPECT_EQ(0, munlock(self->addr, self->len));
}

/* ... and what was mapped by ->fault does not come back. */
TEST_F(map, madv_dontneed)
{
	bool comes_back = variant->was_fault && !has_usermap;

	EXPECT_TRUE(readable(self->addr, self->pages));
	EXPECT_EQ(0, madvise(self->addr, self->len, MADV_DONTNEED));
	EXPECT_EQ(comes_back ? 0 : SIGBUS, probe_read(self->addr));
}

TEST_F(map, freed)
{
	fill(self->addr, fillable(variant, self->pages), 0xe000);
	EXPECT_EQ(0, munmap(self->addr, self->len));
	self->addr = MAP_FAILED;
	EXPECT_EQ(0, close(self->fd));
	self->fd = -1;
	EXPECT_TRUE(typed_pages_are_gone());
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

int main(int argc, char **argv)
{
	usermap_init();
	has_usermap = kernel_has_usermap();
	return test_harness_run(argc, argv);
}
