// SPDX-License-Identifier: GPL-2.0
/*
 * Let each allocation of a call that maps usermap pages fail in turn: all is
 * mapped or nothing is, the error is ENOMEM, nothing is lost, and the next call
 * succeeds.
 *
 * Needs fault injection of slab and page allocations, and has more to test with
 * the fake_aux PMU and the sample driver of samples/usermap loaded.
 */
#define _GNU_SOURCE

#include <stdlib.h>

#include "kselftest_harness.h"
#include "usermap_perf.h"

#define PMU_DIR		"/sys/bus/event_source/devices/fake_aux"
#define SAMPLE_DEV	"/dev/usermap_sample"
#define SAMPLE_PAGES	4
#define RING_PAGES	(1 + 8)

static long read_long(const char *path)
{
	char buf[32] = { 0 };
	int file = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len;

	if (file < 0)
		return -1;
	len = read(file, buf, sizeof(buf) - 1);
	close(file);
	return len > 0 ? strtol(buf, NULL, 10) : -1;
}

enum call { RING, AUX, SAMPLE_OPEN, SAMPLE_MMAP };

/* The call that is tested, and what it works on. */
static enum call call;
static size_t nr_pages;
static bool read_only;
static int control = -1;	/* fail-nth of this thread */
static int fd = -1;
static char *ring = MAP_FAILED;	/* of an AUX area */
static char *addr;

FIXTURE(fail_nth)
{
	long typed;
	long pinned;
};

FIXTURE_VARIANT(fail_nth)
{
	enum call call;
	size_t pages;
	bool read_only;
};

/* Those of more than 512 pages need a second page table half-way. */
FIXTURE_VARIANT_ADD(fail_nth, ring_user_page) { .call = RING, .pages = 1 };
FIXTURE_VARIANT_ADD(fail_nth, ring_8) { .call = RING, .pages = 1 + 8 };
FIXTURE_VARIANT_ADD(fail_nth, ring_1024) { .call = RING, .pages = 1 + 1024 };
FIXTURE_VARIANT_ADD(fail_nth, aux_1) { .call = AUX, .pages = 1 };
FIXTURE_VARIANT_ADD(fail_nth, aux_16) { .call = AUX, .pages = 16 };
FIXTURE_VARIANT_ADD(fail_nth, aux_1024) { .call = AUX, .pages = 1024 };
FIXTURE_VARIANT_ADD(fail_nth, aux_16_overwrite)
{
	.call = AUX, .pages = 16, .read_only = true,
};

FIXTURE_VARIANT_ADD(fail_nth, aux_1024_overwrite)
{
	.call = AUX, .pages = 1024, .read_only = true,
};

FIXTURE_VARIANT_ADD(fail_nth, sample_open)
{
	.call = SAMPLE_OPEN, .pages = SAMPLE_PAGES,
};

FIXTURE_VARIANT_ADD(fail_nth, sample_mmap)
{
	.call = SAMPLE_MMAP, .pages = SAMPLE_PAGES,
};

static int open_event(long type, unsigned long config)
{
	struct perf_event_attr attr = {
		.type		= type,
		.config		= config,
		.disabled	= 1,
		.exclude_kernel	= 1,
		.exclude_hv	= 1,
	};

	return perf_open(&attr);
}

FIXTURE_SETUP(fail_nth)
{
	call = variant->call;
	nr_pages = variant->pages;
	read_only = variant->read_only;
	self->typed = count_all_typed();
	self->pinned = status_field("VmPin");

	control = fail_open();
	if (control < 0)
		SKIP(return, "no fault injection in debugfs");

	switch (call) {
	case RING:
		fd = open_event(PERF_TYPE_SOFTWARE, PERF_COUNT_SW_DUMMY);
		ASSERT_GE(fd, 0);
		break;
	case AUX:
		if (access(PMU_DIR, F_OK))
			SKIP(return, "fake_aux.ko is not loaded");
		fd = open_event(read_long(PMU_DIR "/type"), 0);
		ASSERT_GE(fd, 0);
		ring = mmap(NULL, RING_PAGES * page_size,
			    PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		ASSERT_NE(MAP_FAILED, ring);
		break;
	case SAMPLE_OPEN:
	case SAMPLE_MMAP:
		if (access(SAMPLE_DEV, F_OK))
			SKIP(return, "usermap_sample.ko is not loaded");
		if (call == SAMPLE_OPEN)
			break;
		fd = open(SAMPLE_DEV, O_RDWR | O_CLOEXEC);
		ASSERT_GE(fd, 0);
	}
}

FIXTURE_TEARDOWN(fail_nth)
{
	if (ring != MAP_FAILED)
		EXPECT_EQ(0, munmap(ring, RING_PAGES * page_size));
	if (fd >= 0)
		close(fd);
	if (control < 0)
		return;
	close(control);

	/* Buffers are freed after a grace period. */
	EXPECT_TRUE(wait_until(count_all_typed() == self->typed))
		TH_LOG("%ld typed pages, %ld before", count_all_typed(),
		       self->typed);
	EXPECT_EQ(self->pinned, status_field("VmPin"));
	if (call == AUX)
		EXPECT_EQ(0, read_long(PMU_DIR "/nr_pages"));
}

/* The call whose allocations fail. Return 0 or the errno. */
static int do_call(void)
{
	const int prot = PROT_READ | (read_only ? 0 : PROT_WRITE);
	struct perf_event_mmap_page *page = (void *)ring;
	off_t offset = 0;

	if (call == SAMPLE_OPEN) {
		fd = open(SAMPLE_DEV, O_RDWR | O_CLOEXEC);
		return fd < 0 ? errno : 0;
	}
	if (call == AUX) {
		offset = RING_PAGES * page_size;
		page->aux_offset = offset;
		page->aux_size = nr_pages * page_size;
	}
	addr = mmap(PLACE, nr_pages * page_size, prot, MAP_SHARED, fd, offset);
	return addr == MAP_FAILED ? errno : 0;
}

/* Undo a call that succeeded. Is all there that it is to map? */
static bool undo_call(void)
{
	bool whole = true;

	if (call == SAMPLE_OPEN) {
		close(fd);
		fd = -1;
		return true;
	}
	for (size_t i = 0; i < nr_pages; i++)
		whole = whole && !probe_read(addr + i * page_size);
	return !munmap(addr, nr_pages * page_size) && whole;
}

TEST_F_TIMEOUT(fail_nth, each, 600)
{
	struct fail_each each = {
		.call = do_call, .undo = undo_call, .err = ENOMEM,
	};

	EXPECT_FAIL_EACH(&each, control);
	/* Page tables come last. */
	if (nr_pages > 512)
		EXPECT_GT(each.last, each.total - FAIL_EDGE / 2);
}

int main(int argc, char **argv)
{
	page_size = sysconf(_SC_PAGESIZE);
	return test_harness_run(argc, argv);
}
