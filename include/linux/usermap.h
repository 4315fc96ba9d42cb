/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Kernel allocations that drivers map into user space: see
 * Documentation/mm/usermap.rst.
 */
#ifndef _LINUX_USERMAP_H
#define _LINUX_USERMAP_H

#include <linux/mm_types.h>
#include <linux/mmdebug.h>
#include <linux/page-flags.h>

/**
 * struct usermap - Memory descriptor of usermap pages.
 * @flags: Page flags; the page allocator's.
 * @order: Order of the allocation that begins with this page, for owners that
 *	   split it and look for its extent later. 0 unless set by the owner,
 *	   who need not reset it. vm_insert_contig_pages_prot() believes that
 *	   all pages of the allocation have the type if the first one does.
 * @page_type: PGTY_usermap.
 * @_refcount: References of the owner and of kernel users, never of a mapping.
 *
 * This struct overlays struct page for now. The words left out have a meaning
 * to other parts of mm, whatever the type: bit 0 of the first is that of a
 * tail page, and a page whose mapping is not NULL is a folio to them.
 */
struct usermap {
	memdesc_flags_t flags;
	/* private: */
	unsigned long __page_reserved[4];
	/* public: */
	unsigned long order;
	unsigned int page_type;
	atomic_t _refcount;
};

#define USERMAP_MATCH(pg, um) \
	static_assert(offsetof(struct page, pg) == offsetof(struct usermap, um))
USERMAP_MATCH(flags, flags);
USERMAP_MATCH(compound_info, __page_reserved[0]);
USERMAP_MATCH(mapping, __page_reserved[2]);
USERMAP_MATCH(private, order);
USERMAP_MATCH(page_type, page_type);
USERMAP_MATCH(_refcount, _refcount);
#undef USERMAP_MATCH
static_assert(sizeof(struct usermap) <= sizeof(struct page));

/**
 * page_usermap - The descriptor of a usermap page.
 * @page: A page with the usermap type, not a tail of a compound page.
 *
 * Context: Any context. The caller knows that @page keeps its type.
 * Return: The descriptor.
 */
static inline struct usermap *page_usermap(struct page *page)
{
	VM_WARN_ON_ONCE_PAGE(!PageUsermap(page), page);
	return (struct usermap *)page;
}

/**
 * page_is_usermap - Is this page part of a usermap allocation?
 * @page: Any page, a tail of a compound page included.
 *
 * Context: Any context. The answer is stable for as long as a page table maps
 * @page, or the caller owns it.
 * Return: True if the owner of @page set the type.
 */
static inline bool page_is_usermap(const struct page *page)
{
	return folio_test_usermap(page_folio(page));
}

void usermap_set_pages(struct page *page, unsigned long nr_pages);
void usermap_clear_pages(struct page *page, unsigned long nr_pages);

int vm_insert_pages_prot(struct vm_area_struct *vma, unsigned long addr,
			 struct page **pages, unsigned long nr_pages,
			 pgprot_t prot);
int vm_insert_contig_pages_prot(struct vm_area_struct *vma, unsigned long addr,
				struct page *page, unsigned long nr_pages,
				pgprot_t prot);
int vm_insert_vmalloc_prot(struct vm_area_struct *vma, unsigned long addr,
			   const void *kaddr, unsigned long pgoff,
			   unsigned long nr_pages, pgprot_t prot);
int vm_insert_kaddrs_prot(struct vm_area_struct *vma, unsigned long addr,
			  void **kaddrs, unsigned long nr_pages, pgprot_t prot);
vm_fault_t vmf_insert_usermap_page(struct vm_fault *vmf, struct page *page);
vm_fault_t vmf_insert_usermap_page_mkwrite(struct vm_fault *vmf,
					   struct page *page);

#ifdef CONFIG_MMU
void usermap_set_vmalloc(const void *addr);
void usermap_clear_vmalloc(const void *addr);
#else
/* This vmalloc() is kmalloc(), whose pages have a type of their own. */
static inline void usermap_set_vmalloc(const void *addr)
{
}

static inline void usermap_clear_vmalloc(const void *addr)
{
}
#endif

#endif /* _LINUX_USERMAP_H */
