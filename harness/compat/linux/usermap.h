/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For lib/test_usermap.c on a kernel without usermap pages: a driver that maps
 * its pages in the way in which such drivers do it there.
 */
#ifndef _LINUX_USERMAP_H
#define _LINUX_USERMAP_H

#include <linux/mm.h>

static inline void usermap_set_pages(struct page *page, unsigned long nr_pages)
{
}

static inline void usermap_clear_pages(struct page *page, unsigned long nr_pages)
{
}

static inline void usermap_set_vmalloc(const void *addr)
{
}

static inline void usermap_clear_vmalloc(const void *addr)
{
}

static inline int vm_insert_pages_prot(struct vm_area_struct *vma,
				       unsigned long addr, struct page **pages,
				       unsigned long nr_pages, pgprot_t prot)
{
	return vm_insert_pages(vma, addr, pages, &nr_pages);
}

static inline int vm_insert_contig_pages_prot(struct vm_area_struct *vma,
					      unsigned long addr,
					      struct page *page,
					      unsigned long nr_pages,
					      pgprot_t prot)
{
	int err = 0;

	for (; nr_pages && !err; nr_pages--, addr += PAGE_SIZE)
		err = vm_insert_page(vma, addr, page++);
	return err;
}

#endif
