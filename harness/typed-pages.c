// SPDX-License-Identifier: GPL-2.0
/*
 * Count the usermap pages in mappings of some processes, as /proc/PID/pagemap
 * and /proc/kpageflags tell them.
 *
 * usage: typed-pages NAME PID...
 *
 * The mappings are those whose line in /proc/PID/maps has NAME in it. One line
 * a mapping, then the sum. Runs on any kernel: where the page type does not
 * exist, the count is 0.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel-page-flags.h"	/* of the patched kernel */

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

static unsigned long all_mappings, all_pages, all_typed;

static void count(const char *name, const char *pid, int kpageflags)
{
	unsigned long start, end, pages, typed;
	long page_size = sysconf(_SC_PAGESIZE);
	char path[64], line[4096];
	FILE *maps;
	int pagemap;

	snprintf(path, sizeof(path), "/proc/%s/pagemap", pid);
	pagemap = open(path, O_RDONLY);
	snprintf(path, sizeof(path), "/proc/%s/maps", pid);
	maps = fopen(path, "r");
	if (pagemap < 0 || !maps)
		return;	/* it has ended */

	while (fgets(line, sizeof(line), maps)) {
		if (!strstr(line, name) ||
		    sscanf(line, "%lx-%lx", &start, &end) != 2)
			continue;
		pages = (end - start) / page_size;
		typed = 0;
		for (unsigned long i = 0; i < pages; i++)
			typed += is_usermap(kpageflags,
					    word(pagemap, start / page_size + i));
		printf("mapping %#lx: %lu pages, %lu usermap\n", start, pages, typed);
		all_mappings++;
		all_pages += pages;
		all_typed += typed;
	}
	fclose(maps);
	close(pagemap);
}

int main(int argc, char **argv)
{
	int kpageflags;

	if (argc < 3) {
		fprintf(stderr, "usage: typed-pages NAME PID...\n");
		return 2;
	}
	kpageflags = xopen("/proc/kpageflags");
	for (int i = 2; i < argc; i++)
		count(argv[1], argv[i], kpageflags);
	printf("%lu mappings, %lu pages, %lu usermap\n", all_mappings, all_pages,
	       all_typed);
	return 0;
}
