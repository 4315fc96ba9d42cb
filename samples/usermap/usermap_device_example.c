// SPDX-License-Identifier: GPL-2.0
/*
 * What a program can do with the device of usermap_device.c, step by step: see
 * Documentation/mm/usermap_device.rst. To be run as root, with the module
 * loaded, when nobody else uses the device: it unplugs it.
 */
#include <err.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "usermap_device.h"

#define DEVICE	"/dev/usermap_device"
#define PLUGGED	"/sys/class/misc/usermap_device/plugged"
#define PAGES	1024

#define BITS_PER_LONG	(CHAR_BIT * sizeof(long))

static unsigned long dirty[USERMAP_DEVICE_PAGES / BITS_PER_LONG];
static size_t page_size;
static sigjmp_buf after_sigbus;

static int open_device(void)
{
	int fd = open(DEVICE, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		err(EXIT_FAILURE, DEVICE);
	return fd;
}

static char *map(int fd, int flags)
{
	void *p = mmap(NULL, PAGES * page_size, PROT_READ | PROT_WRITE,
		       MAP_SHARED | flags, fd, 0);

	if (p == MAP_FAILED)
		err(EXIT_FAILURE, "mmap");
	return p;
}

static long faults(void)
{
	/* Written here, or the call may fault on it and not count that. */
	struct rusage usage = { 0 };

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt;
}

/* Read a byte of each page; return the number of faults that this took. */
static long read_all(const char *p)
{
	const long before = faults();

	for (size_t i = 0; i < PAGES; i++)
		__atomic_load_n(p + i * page_size, __ATOMIC_RELAXED);
	return faults() - before;
}

static void show_populate(void)
{
	int fd = open_device();
	char *p = map(fd, 0);
	char *q = map(fd, MAP_POPULATE);

	printf("populate: %ld faults to read %d pages\n", read_all(p), PAGES);
	printf("populate: %ld with MAP_POPULATE\n", read_all(q));
	munmap(p, PAGES * page_size);
	munmap(q, PAGES * page_size);
	close(fd);
}

static void show_sessions(void)
{
	int one = open_device(), two = open_device();
	char *p = map(one, 0), *q = map(one, 0), *other = map(two, 0);

	memcpy(p, "mine", sizeof("mine"));
	printf("session: \"%s\" in its mappings, \"%s\" in that of another\n",
	       q, other);
	close(one);
	printf("session: \"%s\" after close()\n", p);
	munmap(p, PAGES * page_size);
	munmap(q, PAGES * page_size);
	munmap(other, PAGES * page_size);
	close(two);
}

static void print_dirty(int fd)
{
	int nr = ioctl(fd, USERMAP_DEVICE_DIRTY, dirty);

	if (nr < 0)
		err(EXIT_FAILURE, "USERMAP_DEVICE_DIRTY");
	printf("dirty: %d pages written to:", nr);
	for (size_t i = 0; i < PAGES; i++)
		if (dirty[i / BITS_PER_LONG] >> i % BITS_PER_LONG & 1)
			printf(" %zu", i);
	printf("\n");
}

static void show_tracking(void)
{
	int fd = open_device();
	char *p = map(fd, 0);

	read_all(p);
	p[3 * page_size] = 1;
	p[500 * page_size] = 1;
	print_dirty(fd);
	p[500 * page_size] = 2;
	print_dirty(fd);
	print_dirty(fd);
	munmap(p, PAGES * page_size);
	close(fd);
}

static void set_plugged(const char *value)
{
	int fd = open(PLUGGED, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		err(EXIT_FAILURE, PLUGGED);
	close(fd);
}

static void sigbus(int sig)
{
	siglongjmp(after_sigbus, 1);
}

static void print_byte(const char *when, const char *p)
{
	if (sigsetjmp(after_sigbus, 1))
		printf("revoke: SIGBUS %s\n", when);
	else
		printf("revoke: reads %d %s\n",
		       __atomic_load_n(p, __ATOMIC_RELAXED), when);
}

static void show_unplug(void)
{
	int fd = open_device(), new;
	char *p = map(fd, 0), *q;

	signal(SIGBUS, sigbus);
	*p = 42;
	print_byte("before", p);
	set_plugged("0");
	print_byte("once it is unplugged", p);
	set_plugged("1");
	print_byte("when it is back", p);
	new = open_device();
	q = map(new, 0);
	print_byte("in a new session", q);
	munmap(p, PAGES * page_size);
	munmap(q, PAGES * page_size);
	close(fd);
	close(new);
}

int main(void)
{
	page_size = sysconf(_SC_PAGESIZE);
	setbuf(stdout, NULL);
	show_populate();
	show_sessions();
	show_tracking();
	show_unplug();
	return 0;
}
