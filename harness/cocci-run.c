// SPDX-License-Identifier: GPL-2.0
/*
 * Use a driver that usermap.cocci converts: map its memory, look at it, and
 * take the driver's side of it away while it is mapped. Prints a table of what
 * happened, a line for each step; the number of pages with the usermap type is
 * all that may differ when the driver is converted.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/mman.h>
#include <sys/wait.h>

#define PAGE		4096UL
#define KPF_USERMAP	27
#define PM_PRESENT	(1ULL << 63)
#define PM_PFN(entry)	((entry) & 0x007fffffffffffffULL)

static const char driver[] = "vfb";

static void say(const char *what, long result)
{
	printf("%s\t%s\t%s%ld\n", driver, what, result < 0 ? "errno " : "",
	       result < 0 ? -result : result);
	fflush(stdout);
}

static long error(long ret)
{
	return ret == -1 ? -errno : ret;
}

/* All that this machine has to have: without it there is nothing to test. */
static int xopen(const char *path, int flags)
{
	int fd = open(path, flags);

	if (fd < 0) {
		perror(path);
		exit(1);
	}
	return fd;
}

static uint64_t word(int fd, uint64_t index)
{
	uint64_t value = 0;

	if (pread(fd, &value, 8, index * 8) != 8)
		return 0;
	return value;
}

static void look(const volatile unsigned char *map, size_t size)
{
	int pagemap = xopen("/proc/self/pagemap", O_RDONLY);
	int kpageflags = xopen("/proc/kpageflags", O_RDONLY);
	long typed = 0, sum = 0;

	for (size_t off = 0; off < size; off += PAGE) {
		uint64_t entry;

		sum += map[off] & 0;	/* the access is what matters */
		entry = word(pagemap, ((uintptr_t)map + off) / PAGE);
		if (entry & PM_PRESENT)
			typed += word(kpageflags, PM_PFN(entry)) >> KPF_USERMAP & 1;
	}
	say("pages read", size / PAGE + sum);
	say("usermap pages", typed);
	close(pagemap);
	close(kpageflags);
}

static unsigned char *map(int fd, size_t size, int prot)
{
	void *at = mmap(NULL, size, prot, MAP_SHARED, fd, 0);

	say("mmap", at == MAP_FAILED ? -errno : 0);
	if (at == MAP_FAILED)
		exit(1);
	return at;
}

/* What a child reads, after it has unmapped a part. */
static void in_child(unsigned char *at, size_t size)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		if (size > PAGE)
			munmap(at, PAGE);
		_exit(((volatile unsigned char *)at)[size - 1] & 0);
	}
	waitpid(pid, &status, 0);
	say("child", status);
}

static void put(const char *path, const char *text)
{
	int fd = xopen(path, O_WRONLY);

	say(path, error(write(fd, text, strlen(text))) > 0 ? 0 : -errno);
	close(fd);
}

int main(void)
{
	size_t size = 16 * PAGE;
	int fd = xopen("/dev/fb0", O_RDWR);
	unsigned char *at = map(fd, size, PROT_READ | PROT_WRITE);
	char byte;

	look(at, size);
	at[3 * PAGE + 1] = 0x5a;
	say("read() of what was written", error(pread(fd, &byte, 1, 3 * PAGE + 1)) == 1 &&
	    byte == 0x5a);
	in_child(at, size);
	put("/sys/bus/platform/drivers/vfb/unbind", "vfb.0");
	say("after unbind", at[3 * PAGE + 1]);
	close(fd);
	look(at, size);
	say("munmap of the middle", error(munmap(at + 4 * PAGE, PAGE)));
	say("munmap", error(munmap(at, size)));
	return 0;
}
