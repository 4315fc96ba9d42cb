/* SPDX-License-Identifier: GPL-2.0 */
/* /dev/bench: one set of pages, mapped by one method at a time. */
#ifndef BENCH_DRIVER_H
#define BENCH_DRIVER_H

#include <linux/ioctl.h>

#define BENCH_BLOCK_ORDER	10

enum bench_kind {
	BENCH_PAGES,		/* order 0, in the order of allocation */
	BENCH_SHUFFLED,		/* order 0, in a random order */
	BENCH_COMPOUND,		/* compound, up to BENCH_BLOCK_ORDER */
	BENCH_VMALLOC,
};

enum bench_method {
	BENCH_REMAP,		/* remap_pfn_range(), a block at a time */
	BENCH_REMAP_EACH,	/* remap_pfn_range(), a page at a time */
	BENCH_INSERT_PAGE,	/* vm_insert_page(), a page at a time */
	BENCH_INSERT_PAGES,
	BENCH_MAP_PAGES,
	BENCH_REMAP_VMALLOC,
	BENCH_FAULT_PAGE,	/* ->fault returns the page */
	BENCH_FAULT_PFN,	/* ->fault calls vmf_insert_pfn() */
	BENCH_ARRAY,		/* vm_insert_pages_prot() */
	BENCH_CONTIG,		/* vm_insert_contig_pages_prot(), a block at a time */
};

struct bench_alloc {
	unsigned long kind;
	unsigned long nr_pages;	/* a power of two */
};

struct bench_gup {
	unsigned long addr;
	unsigned long nr_pages;
};

#define BENCH_ALLOC	_IOW('b', 1, struct bench_alloc)
#define BENCH_FREE	_IO('b', 2)
#define BENCH_METHOD	_IO('b', 3)
/* Pin and unpin: the number of pages. */
#define BENCH_GUP	_IOW('b', 4, struct bench_gup)

#endif
