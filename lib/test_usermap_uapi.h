/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * The device /dev/test_usermap: kernel pages in user mappings, of each kind,
 * mapped by each method, by the rules or against them. See test_usermap.c.
 */
#ifndef _LIB_TEST_USERMAP_UAPI_H
#define _LIB_TEST_USERMAP_UAPI_H

#include <linux/types.h>
#include <linux/ioctl.h>

#define TEST_USERMAP_MAX_PAGES	0x40000U

/* Where the memory comes from. */
enum test_usermap_kind {
	TEST_USERMAP_PAGES,	/* alloc_page() for each */
	TEST_USERMAP_COMPOUND,	/* alloc_pages(__GFP_COMP) */
	TEST_USERMAP_BLOCK,	/* alloc_pages(), neither compound nor split */
	TEST_USERMAP_SPLIT,	/* alloc_pages() and split_page() */
	TEST_USERMAP_EXACT,	/* alloc_pages_exact() */
	TEST_USERMAP_VMALLOC,	/* vmalloc_user() */
	TEST_USERMAP_NR_KINDS,
};

/* How ->mmap() maps it. */
enum test_usermap_method {
	TEST_USERMAP_ARRAY,	/* usermap type, vm_insert_pages_prot() */
	TEST_USERMAP_CONTIG,	/* usermap type, vm_insert_contig_pages_prot() */
	TEST_USERMAP_PFN,	/* no type, remap_pfn_range() */
	TEST_USERMAP_REFCOUNT,	/* no type, vm_insert_pages() */
	TEST_USERMAP_NR_METHODS,
};

/*
 * The last ->close() of a VMA frees the memory, or the release of the file if
 * there has not been a VMA. Without it the memory lives as long as the file.
 */
#define TEST_USERMAP_COUNT_VMAS		0x1
/* No VM_DONTEXPAND: mremap() may make a mapping larger or copy it. */
#define TEST_USERMAP_EXPANDABLE		0x2
/*
 * A mistake: ->open() does not count, so that with TEST_USERMAP_COUNT_VMAS the
 * first ->close() after a fork or a split frees the memory.
 */
#define TEST_USERMAP_FORGET_OPEN	0x4

/* The other mistakes. The ioctl makes them on memory that is mapped or not. */
enum test_usermap_mistake {
	/* Clear the type and free the memory, although it is mapped. */
	TEST_USERMAP_FREE_MAPPED,
	/* Clear the type of memory that is mapped. */
	TEST_USERMAP_CLEAR_EARLY,
	/* Set the type of memory that remap_pfn_range() has mapped before. */
	TEST_USERMAP_TYPE_LATE,
	/* Free the memory with its type. */
	TEST_USERMAP_FREE_TYPED,
	/* Clear the type of the first page only, and free the memory. */
	TEST_USERMAP_FREE_TYPED_TAILS,
	TEST_USERMAP_NR_MISTAKES,
};

/**
 * struct test_usermap_alloc - argument of TEST_USERMAP_ALLOC
 * @kind: enum test_usermap_kind
 * @method: enum test_usermap_method
 * @nr_pages: up to TEST_USERMAP_MAX_PAGES; a power of two for the kinds
 *	      COMPOUND, BLOCK and SPLIT
 * @flags: TEST_USERMAP_COUNT_VMAS and so on
 */
struct test_usermap_alloc {
	__u32 kind;
	__u32 method;
	__u32 nr_pages;
	__u32 flags;
};

/*
 * Give the open file memory, which is zero but for the first word (__u64) of
 * each page: that is the number of the page.
 *
 * EBUSY	it has some, or VMAs of former memory are left
 * EINVAL	the argument is wrong, or the method not for this kind
 * ENOMEM	there is no memory
 * EPERM	FORGET_OPEN, and the module was loaded without mistakes=1
 * EOPNOTSUPP	FORGET_OPEN, and CONFIG_PAGE_TABLE_CHECK or CONFIG_DEBUG_VM is off
 */
#define TEST_USERMAP_ALLOC	_IOW('u', 0x50, struct test_usermap_alloc)
/* Free it: ENXIO if there is none, EBUSY if it is mapped. */
#define TEST_USERMAP_FREE	_IO('u', 0x51)
/*
 * Use the method of the argument from now on: EINVAL as above, ENXIO if there
 * is no memory, EBUSY if it is mapped.
 */
#define TEST_USERMAP_METHOD	_IO('u', 0x52)
/*
 * Make the mistake of the argument: EPERM and EOPNOTSUPP as above, EINVAL if
 * this memory does not allow for it, ENXIO if there is none.
 */
#define TEST_USERMAP_MISTAKE	_IO('u', 0x53)

#endif /* _LIB_TEST_USERMAP_UAPI_H */
