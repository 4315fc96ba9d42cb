// SPDX-License-Identifier: GPL-2.0
/*
 * Count the usermap pages in the perf mappings of a process, as
 * /proc/PID/pagemap and /proc/kpageflags tell them.
 *
 * usage: typed-pages PID
 *
 * One line a mapping, then the sum. Runs on any kernel: where the page type
 * does not exist, the count is 0.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel-page-flags.h"	/* of the patched kernel */

#define PERF_MAPPING	"anon_inode:[perf_event]"
#define PM_PRESENT	(1ULL << 63)
#define PM_PFN(entry)	((entry) & ((1ULL << 55) - 1))

static int xopen(const char *path)
{
	int fd = open(path, O_RDONLY);

	if (fd < 0) {
		perror(path);
		exit(1);
	}
	return fd;
}

/* Entry @index of a file of 64-bit words; 0 where there is none. */
static uint64_t word(int fd, uint64_t index)
{
	uint64_t value = 0;

	if (pread(fd, &value, sizeof(value), index * sizeof(value)) < 0)
		return 0;
	return value;
}

static int is_usermap(int kpageflags, uint64_t entry)
{
	return (entry & PM_PRESENT) &&
	       (word(kpageflags, PM_PFN(entry)) & (1ULL << KPF_USERMAP));
}

int main(int argc, char **argv)
{
	unsigned long start, end, pages, typed, all_pages = 0, all_typed = 0;
	int pagemap, kpageflags, mappings = 0;
	long page_size = sysconf(_SC_PAGESIZE);
	char path[64], line[4096];
	FILE *maps;

	if (argc != 2) {
		fprintf(stderr, "usage: typed-pages PID\n");
		return 2;
	}
	snprintf(path, sizeof(path), "/proc/%s/pagemap", argv[1]);
	pagemap = xopen(path);
	kpageflags = xopen("/proc/kpageflags");
	snprintf(path, sizeof(path), "/proc/%s/maps", argv[1]);
	maps = fopen(path, "r");
	if (!maps) {
		perror(path);
		return 1;
	}

	while (fgets(line, sizeof(line), maps)) {
		if (!strstr(line, PERF_MAPPING) ||
		    sscanf(line, "%lx-%lx", &start, &end) != 2)
			continue;
		pages = (end - start) / page_size;
		typed = 0;
		for (unsigned long i = 0; i < pages; i++)
			typed += is_usermap(kpageflags,
					    word(pagemap, start / page_size + i));
		printf("mapping %#lx: %lu pages, %lu usermap\n", start, pages, typed);
		mappings++;
		all_pages += pages;
		all_typed += typed;
	}
	printf("%d mappings, %lu pages, %lu usermap\n", mappings, all_pages, all_typed);
	return 0;
}
