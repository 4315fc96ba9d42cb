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

/* More than any call allocates. */
#define MANY		1000000
/* Of a call with many allocations, this many first and last ones fail. */
#define EDGE		40

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

/* Any allocation of this kind may fail, and does so without a report. */
static bool setup_injection(const char *kind)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/kernel/debug/%s/ignore-gfp-wait",
		 kind);
	if (!write_string(path, "N"))
		return false;
	snprintf(path, sizeof(path), "/sys/kernel/debug/%s/verbose", kind);
	return write_string(path, "0");
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

/*
 * Where page tables begin and nothing else is, if there is such an address: an
 * area that is mapped in halves needs a page table for each of them.
 */
#define PLACE ((void *)(uintptr_t)(1ULL << 40))

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

	if (!setup_injection("failslab") || !setup_injection("fail_page_alloc"))
		SKIP(return, "no fault injection in debugfs");
	write_string("/sys/kernel/debug/fail_page_alloc/min-order", "0");
	control = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	ASSERT_GE(control, 0);

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

/* Do the call, and let allocation @nth fail. Return what is left of @nth. */
static long do_call_failing(long nth, int *err)
{
	char buf[24] = { 0 };

	snprintf(buf, sizeof(buf), "%ld", nth);
	if (pwrite(control, buf, strlen(buf), 0) < 0)
		return -1;
	*err = do_call();
	memset(buf, 0, sizeof(buf));
	if (pread(control, buf, sizeof(buf) - 1, 0) <= 0 ||
	    pwrite(control, "0", 1, 0) != 1)
		return -1;
	return strtol(buf, NULL, 10);
}

TEST_F_TIMEOUT(fail_nth, each, 120)
{
	long total, nth, left, failures = 0, survivors = 0, last = 0;
	int err;

	/* Once in advance: the first call may allocate more. */
	ASSERT_EQ(0, do_call());
	ASSERT_TRUE(undo_call());

	left = do_call_failing(MANY, &err);
	ASSERT_GT(left, 0);
	ASSERT_EQ(0, err);
	ASSERT_TRUE(undo_call());
	total = MANY - left;

	for (nth = 1; nth <= total; nth++) {
		if (nth > EDGE && nth < total - EDGE)
			nth = total - EDGE;
		left = do_call_failing(nth, &err);
		ASSERT_GE(left, 0);
		if (!err) {
			/* It was done without, or has not come to it. */
			ASSERT_TRUE(undo_call())
				TH_LOG("allocation %ld of %ld", nth, total);
			survivors++;
			continue;
		}
		ASSERT_EQ(ENOMEM, err)
			TH_LOG("allocation %ld of %ld", nth, total);
		ASSERT_EQ(0, left);
		failures++;
		last = nth;

		ASSERT_EQ(0, do_call())
			TH_LOG("after allocation %ld of %ld", nth, total);
		ASSERT_TRUE(undo_call());
	}
	TH_LOG("%ld allocations: %ld failures, the last at %ld, %ld survivors",
	       total, failures, last, survivors);
	EXPECT_GT(failures, 0);
	/* Page tables come last. */
	if (nr_pages > 512)
		EXPECT_GT(last, total - EDGE / 2);
}

int main(int argc, char **argv)
{
	page_size = sysconf(_SC_PAGESIZE);
	return test_harness_run(argc, argv);
}
