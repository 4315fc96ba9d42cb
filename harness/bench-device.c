// SPDX-License-Identifier: GPL-2.0
/*
 * What it costs to populate 1 GiB of /dev/usermap_device, and to find the pages
 * of it that were written to. harness/bench.c runs it.
 *
 * Each line begins with `device:`. A fault is one of the CPU, as perf counts
 * it: getrusage() has those that populate does without, too.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <usermap_device.h>

#include "bench-count.h"

#define BY_DIRTY_BIT	"/sys/module/usermap_device/parameters/by_dirty_bit"
#define PAGES		USERMAP_DEVICE_PAGES

static unsigned long dirty[PAGES / (8 * sizeof(long))];
static size_t page_size;
static int fault_counter;

struct cost {
	uint64_t instructions;
	uint64_t faults;
};

static struct cost now(void)
{
	struct cost cost;

	if (read(fault_counter, &cost.faults, sizeof(cost.faults)) < 0)
		err(1, "reading the number of faults");
	cost.instructions = count();
	return cost;
}

static struct cost since(struct cost begin)
{
	struct cost end = now();

	return (struct cost){ end.instructions - begin.instructions,
			      end.faults - begin.faults };
}

/* In millions. */
static double millions(struct cost cost)
{
	return cost.instructions / 1e6;
}

static int open_device(const char *by_dirty_bit)
{
	int fd = open(BY_DIRTY_BIT, O_WRONLY);

	if (fd < 0 || write(fd, by_dirty_bit, 1) != 1)
		err(1, BY_DIRTY_BIT);
	close(fd);
	fd = open("/dev/usermap_device", O_RDWR);
	if (fd < 0)
		err(1, "/dev/usermap_device");
	return fd;
}

static char *map(int fd, int flags)
{
	char *p = mmap(NULL, PAGES * page_size, PROT_READ | PROT_WRITE,
		       MAP_SHARED | flags, fd, 0);

	if (p == MAP_FAILED)
		err(1, "mmap");
	return p;
}

/* Read or write @nr pages, evenly spread. */
static struct cost touch(char *p, unsigned long nr, int write)
{
	struct cost begin = now();

	for (unsigned long i = 0; i < nr; i++) {
		volatile char *at = p + i * PAGES / nr * page_size;

		if (write)
			*at = 1;
		else
			(void)*at;
	}
	return since(begin);
}

static void populate(const char *what, int flags, int advice, int write)
{
	int fd = open_device("0");
	struct cost begin = now(), set_up, access;
	char *p = map(fd, flags);

	if (advice && madvise(p, PAGES * page_size, advice))
		err(1, "madvise");
	set_up = since(begin);
	access = touch(p, PAGES, write);
	printf("device: %-26s %10.1f %8lu %10.1f %8lu\n", what,
	       millions(set_up), set_up.faults, millions(access), access.faults);
	munmap(p, PAGES * page_size);
	close(fd);
}

static void track(const char *what, const char *by_dirty_bit, unsigned long nr)
{
	int fd = open_device(by_dirty_bit);
	char *p = map(fd, MAP_POPULATE);
	struct cost begin, writes, find;
	long found;

	if (ioctl(fd, USERMAP_DEVICE_DIRTY, dirty) != 0)
		errx(1, "there are dirty pages");
	writes = touch(p, nr, 1);
	begin = now();
	found = ioctl(fd, USERMAP_DEVICE_DIRTY, dirty);
	find = since(begin);
	if (found != (long)nr)
		errx(1, "%ld pages found of %lu", found, nr);
	printf("device: %-19s %5.1f%% %10.1f %8lu %10.1f\n", what,
	       100.0 * nr / PAGES, millions(writes), writes.faults, millions(find));
	munmap(p, PAGES * page_size);
	close(fd);
}

int main(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_PAGE_FAULTS,
	};

	page_size = sysconf(_SC_PAGESIZE);
	setbuf(stdout, NULL);
	fault_counter = syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
	if (fault_counter < 0)
		err(1, "perf_event_open");

	printf("device: %lu MiB, each page once; millions of instructions, and page faults\n",
	       PAGES * page_size >> 20);
	printf("device: %-26s %10s %8s %10s %8s\n", "", "set up", "faults",
	       "access", "faults");
	populate("read", 0, 0, 0);
	populate("write", 0, 0, 1);
	populate("MAP_POPULATE, read", MAP_POPULATE, 0, 0);
	populate("MADV_POPULATE_READ, read", 0, MADV_POPULATE_READ, 0);
	populate("MADV_POPULATE_WRITE, write", 0, MADV_POPULATE_WRITE, 1);

	printf("device:\ndevice: %-19s %6s %10s %8s %10s\n", "written pages",
	       "of all", "write", "faults", "find them");
	for (unsigned long i = 0; i < 3; i++) {
		const unsigned long nr[] = { PAGES / 1000, PAGES / 10, PAGES };

		track("by write protection", "0", nr[i]);
		track("by the dirty bit", "1", nr[i]);
	}
	return 0;
}
