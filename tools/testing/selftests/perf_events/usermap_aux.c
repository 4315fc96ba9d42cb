// SPDX-License-Identifier: GPL-2.0
/*
 * What a program can do to an AUX area that it maps from a perf event.
 *
 * The area belongs to the fake_aux PMU of the module in fake_aux/, which is
 * loaded anew for each of its capabilities. See usermap.c for what binds the
 * tests.
 */
#define _GNU_SOURCE

#include <libgen.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>

#include <linux/mman.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

#include "kselftest_harness.h"
#include "usermap_perf.h"

#define PMU_DIR		"/sys/bus/event_source/devices/fake_aux"
#define PARAM_DIR	"/sys/module/fake_aux/parameters"
#define FAKE_AUX_MAGIC	(0xa0f5ULL << 48)

#define TAINT_WARN	512	/* of /proc/sys/kernel/tainted */

#define DATA_PAGES	8

/* The first character of a file, and what number it begins with. */
static int read_attr(const char *path, long *val)
{
	char buf[32] = { 0 };
	int fd, ret;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ret = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	if (ret <= 0)
		return -1;
	if (val)
		*val = strtol(buf, NULL, 10);
	return buf[0];
}

/* Built by the Makefile into fake_aux/, or put beside this program. */
static int open_module(void)
{
	static const char * const names[] = {
		"fake_aux/fake_aux.ko", "fake_aux.ko",
	};
	char self[PATH_MAX], path[PATH_MAX + 32];
	ssize_t len;
	int fd = -1;

	len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (len < 0)
		return -1;
	self[len] = 0;
	dirname(self);
	for (size_t i = 0; fd < 0 && i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%s", self, names[i]);
		fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	return fd;
}

static bool unload_module(void)
{
	return access(PARAM_DIR, F_OK) ||
	       !syscall(__NR_delete_module, "fake_aux", O_NONBLOCK);
}

/* Is the module there, with this parameter set and no other? */
static bool loaded_with(const char *param)
{
	return read_attr(PARAM_DIR "/no_sg", NULL) ==
			(strcmp(param, "no_sg") ? 'N' : 'Y') &&
	       read_attr(PARAM_DIR "/prefer_large", NULL) ==
			(strcmp(param, "prefer_large") ? 'N' : 'Y');
}

static bool load_module(int fd, const char *param)
{
	char params[32];

	snprintf(params, sizeof(params), "%s%s", param, *param ? "=1" : "");
	return !syscall(__NR_finit_module, fd, params, 0);
}

FIXTURE(aux)
{
	int fd;
	struct perf_event_attr attr;
	struct perf_event_mmap_page *page;
	size_t ring_len;
	char *aux;
	size_t len;
	uint64_t pos;	/* what the PMU has written so far */
};

FIXTURE_VARIANT(aux)
{
	const char *param;
	size_t pages;
	bool overwrite;
};

FIXTURE_VARIANT_ADD(aux, sg_1)
{
	.param = "", .pages = 1, .overwrite = false,
};

FIXTURE_VARIANT_ADD(aux, sg_1_overwrite)
{
	.param = "", .pages = 1, .overwrite = true,
};

FIXTURE_VARIANT_ADD(aux, sg_2)
{
	.param = "", .pages = 2, .overwrite = false,
};

FIXTURE_VARIANT_ADD(aux, sg_2_overwrite)
{
	.param = "", .pages = 2, .overwrite = true,
};

FIXTURE_VARIANT_ADD(aux, sg_64)
{
	.param = "", .pages = 64, .overwrite = false,
};

FIXTURE_VARIANT_ADD(aux, sg_64_overwrite)
{
	.param = "", .pages = 64, .overwrite = true,
};

FIXTURE_VARIANT_ADD(aux, sg_1024)
{
	.param = "", .pages = 1024, .overwrite = false,
};

FIXTURE_VARIANT_ADD(aux, sg_1024_overwrite)
{
	.param = "", .pages = 1024, .overwrite = true,
};

FIXTURE_VARIANT_ADD(aux, no_sg_1)
{
	.param = "no_sg", .pages = 1, .overwrite = false,
};

FIXTURE_VARIANT_ADD(aux, no_sg_1_overwrite)
{
	.param = "no_sg", .pages = 1, .overwrite = true,
};

FIXTURE_VARIANT_ADD(aux, no_sg_16)
{
	.param = "no_sg", .pages = 16, .overwrite = false,
};

FIXTURE_VARIANT_ADD(aux, no_sg_16_overwrite)
{
	.param = "no_sg", .pages = 16, .overwrite = true,
};

FIXTURE_VARIANT_ADD(aux, no_sg_512)
{
	.param = "no_sg", .pages = 512, .overwrite = false,
};

FIXTURE_VARIANT_ADD(aux, no_sg_512_overwrite)
{
	.param = "no_sg", .pages = 512, .overwrite = true,
};

FIXTURE_VARIANT_ADD(aux, prefer_large_1)
{
	.param = "prefer_large", .pages = 1, .overwrite = false,
};

FIXTURE_VARIANT_ADD(aux, prefer_large_1_overwrite)
{
	.param = "prefer_large", .pages = 1, .overwrite = true,
};

FIXTURE_VARIANT_ADD(aux, prefer_large_64)
{
	.param = "prefer_large", .pages = 64, .overwrite = false,
};

FIXTURE_VARIANT_ADD(aux, prefer_large_64_overwrite)
{
	.param = "prefer_large", .pages = 64, .overwrite = true,
};

FIXTURE_VARIANT_ADD(aux, prefer_large_1024)
{
	.param = "prefer_large", .pages = 1024, .overwrite = false,
};

FIXTURE_VARIANT_ADD(aux, prefer_large_1024_overwrite)
{
	.param = "prefer_large", .pages = 1024, .overwrite = true,
};

static int aux_prot(bool overwrite)
{
	return overwrite ? PROT_READ : PROT_READ | PROT_WRITE;
}

static char *map_aux(int fd, struct perf_event_mmap_page *page, size_t len,
		     int prot)
{
	page->aux_offset = (DATA_PAGES + 1) * page_size;
	page->aux_size = len;
	return mmap(NULL, len, prot, MAP_SHARED, fd, page->aux_offset);
}

/* Pages that the PMU has now, in all of its areas. */
static long pmu_pages(void)
{
	long val = -1;

	read_attr(PMU_DIR "/nr_pages", &val);
	return val;
}

FIXTURE_SETUP(aux)
{
	long type;
	int fd;

	self->fd = -1;
	self->page = MAP_FAILED;
	self->aux = MAP_FAILED;

	if (access("/sys/bus/event_source", F_OK))
		SKIP(return, "no perf events");
	fd = open_module();
	if (fd < 0)
		SKIP(return, "no fake_aux.ko beside this program");

	/* The tests that want other capabilities left it in use by nobody. */
	if (!loaded_with(variant->param)) {
		ASSERT_TRUE(wait_until(unload_module()));
		if (!load_module(fd, variant->param))
			SKIP(close(fd); return, "cannot load fake_aux.ko: %s",
			     strerror(errno));
		ASSERT_TRUE(loaded_with(variant->param));
	}
	close(fd);
	ASSERT_GT(read_attr(PMU_DIR "/type", &type), 0);

	self->attr = (struct perf_event_attr) {
		.type		= type,
		.config		= page_size + 64,
		.disabled	= 1,
		.exclude_kernel	= 1,
		.exclude_hv	= 1,
	};
	self->fd = perf_open(&self->attr);
	ASSERT_GE(self->fd, 0);
	self->ring_len = (DATA_PAGES + 1) * page_size;
	self->page = mmap(NULL, self->ring_len, PROT_READ | PROT_WRITE,
			  MAP_SHARED, self->fd, 0);
	ASSERT_NE(MAP_FAILED, self->page);

	self->len = variant->pages * page_size;
	self->aux = map_aux(self->fd, self->page, self->len,
			    aux_prot(variant->overwrite));
	ASSERT_NE(MAP_FAILED, self->aux);
	ASSERT_EQ(variant->pages, pmu_pages());
}

FIXTURE_TEARDOWN(aux)
{
	if (self->aux != MAP_FAILED)
		EXPECT_EQ(0, munmap(self->aux, self->len));
	if (self->page != MAP_FAILED)
		EXPECT_EQ(0, munmap(self->page, self->ring_len));
	if (self->fd >= 0) {
		close(self->fd);
		EXPECT_EQ(0, pmu_pages());
	}
}

/* The byte @pos of the stream, and the seven after it, are where they belong. */
static bool word_ok(const char *aux, size_t len, uint64_t pos)
{
	const __u64 *word = (const void *)(aux + (pos & (len - 1)));

	return READ_ONCE(*word) == (FAKE_AUX_MAGIC | pos);
}

/* One round of the PMU: is what it says, and writes, what user space sees? */
static bool aux_round(int fd, struct perf_event_mmap_page *page,
		      const char *aux, size_t len, uint64_t *pos,
		      uint64_t bytes, bool overwrite)
{
	uint64_t head, tail;

	/* The free byte of a ring, rounded down to the PMU's words. */
	if (!overwrite && bytes > len - sizeof(__u64))
		bytes = len - sizeof(__u64);
	if (overwrite && bytes > len)
		bytes = len;

	tail = *pos;
	store_release64(&page->data_tail, page->data_head);
	store_release64(&page->aux_tail, tail);
	if (ioctl(fd, PERF_EVENT_IOC_ENABLE, 0) ||
	    ioctl(fd, PERF_EVENT_IOC_DISABLE, 0))
		return false;
	head = load_acquire64(&page->aux_head);
	*pos = head;

	/* A context switch in between adds a round. */
	if (head < tail + bytes || (head - tail) % sizeof(__u64))
		return false;
	if (overwrite && head - tail > len)
		tail = head - len;
	for (; tail < head; tail += sizeof(__u64)) {
		if (!word_ok(aux, len, tail))
			return false;
	}
	return true;
}

#define AUX_ROUND()							\
	aux_round(self->fd, self->page, self->aux, self->len,		\
		  &self->pos, self->attr.config, variant->overwrite)

/* All pages can be read, and none can be written. */
static bool aux_prot_as_new(const char *aux, size_t len, bool overwrite)
{
	for (size_t off = 0; off < len; off += page_size) {
		if (probe_read(aux + off) ||
		    probe_write(aux + off) != (overwrite ? SIGSEGV : SIGBUS))
			return false;
	}
	return true;
}

TEST_F(aux, contents)
{
	uint64_t wanted = self->len * 2 + self->len / 2;

	ASSERT_EQ(self->len, self->page->aux_size);
	EXPECT_TRUE(aux_prot_as_new(self->aux, self->len, variant->overwrite));
	do {
		ASSERT_TRUE(AUX_ROUND());
	} while (self->pos < wanted);
}

/* PERF_RECORD_AUX in the ring says what was written in the area. */
TEST_F(aux, records)
{
	struct {
		struct perf_event_header header;
		__u64 offset, size, flags;
	} record;
	uint64_t pos = 0, stream = 0;
	char *data = (char *)self->page + page_size;

	for (int i = 0; i < 4; i++)
		ASSERT_TRUE(AUX_ROUND());

	while (pos < self->page->data_head) {
		memcpy(&record, data + pos, sizeof(record));
		ASSERT_GE(record.header.size, sizeof(record.header));
		pos += record.header.size;
		if (record.header.type != PERF_RECORD_AUX)
			continue;
		ASSERT_EQ(variant->overwrite ? stream + record.size : stream,
			  record.offset);
		stream += record.size;
		ASSERT_EQ(variant->overwrite,
			  !!(record.flags & PERF_AUX_FLAG_OVERWRITE));
	}
	EXPECT_EQ(self->pos, stream);
}

/* Without scatter-gather, an area in overwrite mode is one piece. */
static bool in_one_piece(const struct _fixture_variant_aux *variant)
{
	return !strcmp(variant->param, "no_sg") && variant->overwrite;
}

TEST_F(aux, page_frames)
{
	uint64_t first = page_pfn(self->aux), pfn, next;

	if (!first) {
		/* It shows none to others than root, nor of VM_PFNMAP. */
		EXPECT_TRUE(geteuid() || !has_usermap);
		return;
	}
	for (size_t i = 1; i < variant->pages; i++) {
		pfn = page_pfn(self->aux + (i - 1) * page_size);
		next = page_pfn(self->aux + i * page_size);
		ASSERT_NE(0, next);
		ASSERT_NE(first, next);
		ASSERT_NE(pfn, next);
		if (in_one_piece(variant))
			ASSERT_EQ(first + i, next);
	}
}

/* A difference: only a kernel that has the page type can show it. */
TEST_F(aux, typed_pages)
{
	size_t typed = count_typed(self->aux, self->len);

	ASSERT_EQ(has_usermap, vma_is_usermap(self->aux));
	if (!vma_is_usermap(self->aux)) {
		ASSERT_EQ(0, typed);
		return;
	}
	if (!page_is_typed(self->page))
		SKIP(return, "/proc/kpageflags does not show the type");
	ASSERT_EQ(variant->pages, typed);
}

/* No mapping is counted, in a page or in the program. */
TEST_F(aux, not_counted)
{
	for (size_t off = 0; off < self->len; off += page_size) {
		uint64_t pfn = page_pfn(self->aux + off), mapcount;

		if (pfn && read_entry("/proc/kpagecount", pfn, &mapcount))
			ASSERT_EQ(0, mapcount);
	}
	if (smaps_field(self->aux, "VmFlags", "sh") < 0)
		SKIP(return, "no /proc/self/smaps");
	EXPECT_EQ(0, smaps_field(self->aux, "Rss", NULL));
	EXPECT_EQ(0, smaps_field(self->aux, "Pss", NULL));
	EXPECT_TRUE(vma_has(self->aux, " io"));
	EXPECT_NE(vma_has(self->aux, " pf"), vma_has(self->aux, " mm"));
}

TEST_F(aux, unmap_aux_first)
{
	ASSERT_TRUE(AUX_ROUND());
	ASSERT_EQ(0, munmap(self->aux, self->len));
	EXPECT_EQ(0, pmu_pages());
	self->aux = MAP_FAILED;

	/* Another area, at another size. */
	self->len *= 2;
	self->aux = map_aux(self->fd, self->page, self->len,
			    aux_prot(variant->overwrite));
	ASSERT_NE(MAP_FAILED, self->aux);
	EXPECT_EQ(variant->pages * 2, pmu_pages());
	self->pos = self->page->aux_head;
	EXPECT_TRUE(AUX_ROUND());
}

TEST_F(aux, unmap_ring_first)
{
	char *copy;

	ASSERT_TRUE(AUX_ROUND());
	copy = malloc(self->len);
	ASSERT_NE(NULL, copy);
	memcpy(copy, self->aux, self->len);

	/* The AUX mapping holds the buffer, and its own pages. */
	ASSERT_EQ(0, munmap(self->page, self->ring_len));
	self->page = MAP_FAILED;
	EXPECT_EQ(variant->pages, pmu_pages());
	EXPECT_EQ(0, memcmp(copy, self->aux, self->len));
	ASSERT_EQ(0, ioctl(self->fd, PERF_EVENT_IOC_ENABLE, 0));
	ASSERT_EQ(0, ioctl(self->fd, PERF_EVENT_IOC_DISABLE, 0));

	ASSERT_EQ(0, munmap(self->aux, self->len));
	self->aux = MAP_FAILED;
	EXPECT_EQ(0, pmu_pages());
	free(copy);
}

/* munmap() must stop the PMU before it frees what that writes to. */
TEST_F(aux, unmap_while_active)
{
	for (int i = 0; i < 20; i++) {
		self->page->aux_tail = self->page->aux_head;
		ASSERT_EQ(0, ioctl(self->fd, PERF_EVENT_IOC_ENABLE, 0));
		ASSERT_EQ(0, munmap(self->aux, self->len));
		self->aux = MAP_FAILED;
		ASSERT_EQ(0, pmu_pages());
		ASSERT_EQ(0, ioctl(self->fd, PERF_EVENT_IOC_DISABLE, 0));
		self->aux = map_aux(self->fd, self->page, self->len,
				    aux_prot(variant->overwrite));
		ASSERT_NE(MAP_FAILED, self->aux);
	}
	self->pos = self->page->aux_head;
	EXPECT_TRUE(AUX_ROUND());
}

TEST_F(aux, close_fd)
{
	ASSERT_TRUE(AUX_ROUND());
	close(self->fd);
	self->fd = -1;
	EXPECT_EQ(variant->pages, pmu_pages());
	EXPECT_TRUE(aux_prot_as_new(self->aux, self->len, variant->overwrite));
}

TEST_F(aux, map_twice)
{
	char *other;

	other = map_aux(self->fd, self->page, self->len,
			aux_prot(variant->overwrite));
	ASSERT_NE(MAP_FAILED, other);
	EXPECT_EQ(variant->pages, pmu_pages());
	ASSERT_TRUE(AUX_ROUND());
	EXPECT_EQ(0, memcmp(other, self->aux, self->len));
	ASSERT_EQ(0, munmap(self->aux, self->len));
	self->aux = other;
	EXPECT_EQ(variant->pages, pmu_pages());
	EXPECT_TRUE(AUX_ROUND());
}

TEST_F(aux, mmap_errors)
{
	struct perf_event_mmap_page *page = self->page;
	int prot = aux_prot(variant->overwrite);
	struct perf_event_attr attr = self->attr;
	size_t offset = page->aux_offset;
	int fd;

	/* One area for an event: offset and size stay. */
	EXPECT_EQ(MAP_FAILED, mmap(NULL, self->len, prot, MAP_SHARED, self->fd,
				   offset + page_size));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(MAP_FAILED, map_aux(self->fd, page, self->len * 2, prot));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, self->len, prot, MAP_PRIVATE, self->fd,
				   offset));
	EXPECT_EQ(EINVAL, errno);
	page->aux_size = self->len;

	/* Without a ring. A cgroup or CPU event would do as well. */
	ASSERT_EQ(0, munmap(self->aux, self->len));
	self->aux = MAP_FAILED;
	attr.config = 0;
	fd = perf_open(&attr);
	if (fd >= 0) {
		EXPECT_EQ(MAP_FAILED, mmap(NULL, self->len, prot, MAP_SHARED,
					   fd, offset));
		EXPECT_EQ(EINVAL, errno);
		close(fd);
	}

	/* Into the ring, then odd sizes. */
	page->aux_offset = page_size;
	EXPECT_EQ(MAP_FAILED, mmap(NULL, self->len, prot, MAP_SHARED, self->fd,
				   page_size));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(MAP_FAILED, map_aux(self->fd, page, 3 * page_size, prot));
	EXPECT_EQ(EINVAL, errno);
	page->aux_offset = offset;
	page->aux_size = self->len + page_size;
	EXPECT_EQ(MAP_FAILED, mmap(NULL, self->len, prot, MAP_SHARED, self->fd,
				   offset));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(0, pmu_pages());

	/* The ring is none the worse for it. */
	self->aux = map_aux(self->fd, page, self->len, prot);
	ASSERT_NE(MAP_FAILED, self->aux);
	self->pos = page->aux_head;
	EXPECT_TRUE(AUX_ROUND());
}

/*
 * Larger than the page allocator's largest block, or than any area in pieces:
 * that is an error, and no page stays behind.
 */
TEST_F(aux, too_large)
{
	size_t pages = in_one_piece(variant) ? 16384 : 1UL << 31;

	ASSERT_EQ(0, munmap(self->aux, self->len));
	self->aux = map_aux(self->fd, self->page, pages * page_size,
			    aux_prot(variant->overwrite));
	EXPECT_EQ(MAP_FAILED, self->aux);
	EXPECT_EQ(ENOMEM, errno);
	EXPECT_EQ(0, pmu_pages());
}

TEST_F(aux, mprotect)
{
	bool overwrite = variant->overwrite;

	ASSERT_EQ(0, mprotect(self->aux, self->len, PROT_NONE));
	EXPECT_EQ(SIGSEGV, probe_read(self->aux));
	ASSERT_EQ(0, mprotect(self->aux, self->len, aux_prot(overwrite)));
	EXPECT_TRUE(aux_prot_as_new(self->aux, self->len, overwrite));

	/* The event's file is open for writing; the pages still are not. */
	ASSERT_EQ(0, mprotect(self->aux, self->len, PROT_READ | PROT_WRITE));
	EXPECT_TRUE(aux_prot_as_new(self->aux, self->len, false));
	EXPECT_TRUE(AUX_ROUND());
}

TEST_F(aux, parts)
{
	int prot = aux_prot(variant->overwrite);

	if (variant->pages == 1) {
		/* The only page is no part. */
		EXPECT_EQ(0, mprotect(self->aux, page_size, PROT_NONE));
		EXPECT_EQ(0, mprotect(self->aux, page_size, prot));
		EXPECT_TRUE(AUX_ROUND());
		return;
	}
	EXPECT_EQ(-1, munmap(self->aux, page_size));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, munmap(self->aux + self->len - page_size, page_size));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, mprotect(self->aux, page_size, PROT_NONE));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(MAP_FAILED, mremap(self->aux, self->len, page_size, 0));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_TRUE(AUX_ROUND());
}

TEST_F(aux, mremap_move)
{
	char *new;

	EXPECT_EQ(MAP_FAILED, mremap(self->aux, self->len, self->len * 2,
				     MREMAP_MAYMOVE));
	EXPECT_EQ(EFAULT, errno);
	new = mmap(NULL, self->len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
		   -1, 0);
	ASSERT_NE(MAP_FAILED, new);
	ASSERT_EQ(new, mremap(self->aux, self->len, self->len,
			      MREMAP_MAYMOVE | MREMAP_FIXED, new));
	self->aux = new;
	EXPECT_TRUE(AUX_ROUND());
	EXPECT_TRUE(aux_prot_as_new(self->aux, self->len, variant->overwrite));
}

TEST_F(aux, madvise)
{
	int advice[] = { MADV_DONTNEED, MADV_DONTNEED_LOCKED, MADV_FREE,
			 MADV_POPULATE_READ, MADV_POPULATE_WRITE, MADV_DOFORK,
			 MADV_DODUMP, MADV_GUARD_INSTALL };

	ASSERT_TRUE(AUX_ROUND());
	for (size_t i = 0; i < sizeof(advice) / sizeof(*advice); i++) {
		EXPECT_EQ(-EINVAL, ret_errno(madvise(self->aux, self->len,
						     advice[i])))
			TH_LOG("advice %d", advice[i]);
	}
	EXPECT_TRUE(aux_prot_as_new(self->aux, self->len, variant->overwrite));
	EXPECT_TRUE(AUX_ROUND());
}

TEST_F(aux, fork)
{
	pid_t pid;

	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid)
		_exit(probe_read(self->aux) != SIGSEGV ||
		      probe_read(self->page) != SIGSEGV);
	EXPECT_EQ(0, reap(pid));
	EXPECT_TRUE(AUX_ROUND());
}

/* An area that a child maps outlives the parent's mapping. */
TEST_F(aux, outlives_first_mm)
{
	int to_child[2], to_parent[2];
	char byte = 0;
	pid_t pid;

	ASSERT_TRUE(AUX_ROUND());
	ASSERT_EQ(0, pipe(to_child));
	ASSERT_EQ(0, pipe(to_parent));
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		struct perf_event_mmap_page *page;
		char *aux, *copy;

		page = mmap(NULL, self->ring_len, PROT_READ | PROT_WRITE,
			    MAP_SHARED, self->fd, 0);
		copy = malloc(self->len);
		if (page == MAP_FAILED || !copy)
			_exit(1);
		aux = map_aux(self->fd, page, self->len,
			      aux_prot(variant->overwrite));
		if (aux == MAP_FAILED)
			_exit(2);
		close(self->fd);
		memcpy(copy, aux, self->len);
		if (write(to_parent[1], &byte, 1) != 1 ||
		    read(to_child[0], &byte, 1) != 1)
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
		if (memcmp(copy, aux, self->len))
			_exit(5);
		if (pmu_pages() != (long)variant->pages)
			_exit(6);
		_exit(munmap(aux, self->len) ? 7 : 0);
	}
	ASSERT_EQ(1, read(to_parent[0], &byte, 1));
	ASSERT_EQ(0, munmap(self->aux, self->len));
	self->aux = MAP_FAILED;
	ASSERT_EQ(0, munmap(self->page, self->ring_len));
	self->page = MAP_FAILED;
	close(self->fd);
	self->fd = -1;
	ASSERT_EQ(1, write(to_child[1], &byte, 1));
	EXPECT_EQ(0, reap(pid));
	EXPECT_EQ(0, pmu_pages());
}

/* One process unmaps the ring while another one maps its first AUX area. */
TEST_F(aux, ring_unmapped_meanwhile)
{
	long warned = -1, warned_before = -1;
	pid_t pid;

	ASSERT_EQ(0, munmap(self->aux, self->len));
	ASSERT_EQ(0, munmap(self->page, self->ring_len));
	self->aux = MAP_FAILED;
	self->page = mmap(NULL, self->ring_len, PROT_READ | PROT_WRITE,
			  MAP_SHARED, self->fd, 0);
	ASSERT_NE(MAP_FAILED, self->page);
	read_attr("/proc/sys/kernel/tainted", &warned_before);

	ASSERT_TRUE(write_string(PARAM_DIR "/hold", "Y"));
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		struct perf_event_mmap_page *page;

		page = mmap(NULL, self->ring_len, PROT_READ | PROT_WRITE,
			    MAP_SHARED, self->fd, 0);
		if (page == MAP_FAILED)
			_exit(1);
		_exit(map_aux(self->fd, page, self->len,
			      aux_prot(variant->overwrite)) == MAP_FAILED);
	}
	EXPECT_TRUE(wait_until(pmu_pages() == (long)variant->pages));
	EXPECT_EQ(0, munmap(self->page, self->ring_len));
	self->page = MAP_FAILED;
	EXPECT_TRUE(write_string(PARAM_DIR "/hold", "N"));
	EXPECT_EQ(0, reap(pid));

	read_attr("/proc/sys/kernel/tainted", &warned);
	EXPECT_EQ(warned_before & TAINT_WARN, warned & TAINT_WARN);
}

TEST_F(aux, gup_refused)
{
	struct iovec remote = { .iov_base = self->aux, .iov_len = self->len };
	char buf[16];
	struct iovec local = { .iov_base = buf, .iov_len = sizeof(buf) };
	int fds[2];

	EXPECT_EQ(-EFAULT, ret_errno(process_vm_readv(getpid(), &local, 1,
						      &remote, 1, 0)));
	ASSERT_EQ(0, pipe(fds));
	EXPECT_EQ(-EFAULT, ret_errno(vmsplice(fds[1], &remote, 1, 0)));
	EXPECT_EQ(16, write(fds[1], self->aux, 16));
	close(fds[0]);
	close(fds[1]);
	EXPECT_EQ(0, mlock(self->aux, self->len));
	EXPECT_EQ(0, munlock(self->aux, self->len));
}

/* A difference, for the reason that usermap.c has: debuggers can read it. */
TEST_F(aux, proc_mem)
{
	bool usermap = vma_is_usermap(self->aux);
	char *buf;
	int fd;

	ASSERT_TRUE(AUX_ROUND());
	buf = malloc(self->len);
	ASSERT_NE(NULL, buf);
	fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(usermap ? (long)self->len : -EIO,
		  ret_errno(pread(fd, buf, self->len, (uintptr_t)self->aux)));
	if (usermap)
		EXPECT_EQ(0, memcmp(buf, self->aux, self->len));
	memcpy(buf, self->aux, self->len);
	EXPECT_EQ(-EIO, ret_errno(pwrite(fd, "x", 1, (uintptr_t)self->aux)));
	EXPECT_EQ(0, memcmp(buf, self->aux, self->len));
	close(fd);
	free(buf);
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

/* Stays last: all that the tests above used is free again. */
TEST_F(machine, no_leak)
{
	EXPECT_TRUE(wait_until(unload_module()));
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
