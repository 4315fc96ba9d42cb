// SPDX-License-Identifier: GPL-2.0
/*
 * What it costs to populate 1 GiB of /dev/usermap_device, and to find the pages
 * of it that were written to. To be run as root, see harness/bench-device.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <samples/usermap/usermap_device.h>

#define BY_DIRTY_BIT	"/sys/module/usermap_device/parameters/by_dirty_bit"
#define PAGES		USERMAP_DEVICE_PAGES

static unsigned long dirty[PAGES / (8 * sizeof(long))];
static size_t page_size;

struct cost {
	double ms;
	long faults;
};

static struct cost now(void)
{
	struct timespec ts;
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (struct cost){ ts.tv_sec * 1e3 + ts.tv_nsec / 1e6,
			      usage.ru_minflt + usage.ru_majflt };
}

static struct cost since(struct cost begin)
{
	struct cost end = now();

	return (struct cost){ end.ms - begin.ms, end.faults - begin.faults };
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

static void row(const char *what, struct cost set_up, struct cost use)
{
	printf("%-22s %10.0f %10ld %10.0f %10ld\n", what, set_up.ms,
	       set_up.faults, use.ms, use.faults);
}

static void populate(const char *what, int flags, int advice, int write)
{
	int fd = open_device("0");
	struct cost begin = now(), set_up;
	char *p = map(fd, flags);

	if (advice && madvise(p, PAGES * page_size, advice))
		err(1, "madvise");
	set_up = since(begin);
	row(what, set_up, touch(p, PAGES, write));
	munmap(p, PAGES * page_size);
	close(fd);
}

static void track(const char *what, const char *by_dirty_bit, unsigned long nr)
{
	int fd = open_device(by_dirty_bit);
	char *p = map(fd, MAP_POPULATE);
	struct cost begin, writes;
	long found;

	if (ioctl(fd, USERMAP_DEVICE_DIRTY, dirty) != 0)
		errx(1, "there are dirty pages");
	writes = touch(p, nr, 1);
	begin = now();
	found = ioctl(fd, USERMAP_DEVICE_DIRTY, dirty);
	begin = since(begin);
	if (found != (long)nr)
		errx(1, "%ld pages found of %lu", found, nr);
	printf("%-22s %9.1f%% %10.1f %10ld %10.1f\n", what, 100.0 * nr / PAGES,
	       writes.ms, writes.faults, begin.ms);
	munmap(p, PAGES * page_size);
	close(fd);
}

int main(void)
{
	page_size = sysconf(_SC_PAGESIZE);
	setbuf(stdout, NULL);

	printf("%lu MiB, each page once\n", PAGES * page_size >> 20);
	printf("%-22s %10s %10s %10s %10s\n", "", "set up ms", "faults",
	       "access ms", "faults");
	populate("read", 0, 0, 0);
	populate("write", 0, 0, 1);
	populate("MAP_POPULATE, read", MAP_POPULATE, 0, 0);
	populate("MADV_POPULATE_READ", 0, MADV_POPULATE_READ, 0);
	populate("MADV_POPULATE_WRITE", 0, MADV_POPULATE_WRITE, 1);

	printf("\n%-22s %10s %10s %10s %10s\n", "written pages", "of all",
	       "write ms", "faults", "find ms");
	for (unsigned long i = 0; i < 3; i++) {
		const unsigned long nr[] = { PAGES / 1000, PAGES / 10, PAGES };

		track("by write protection", "0", nr[i]);
		track("by the dirty bit", "1", nr[i]);
	}
	return 0;
}
