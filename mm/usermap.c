// SPDX-License-Identifier: GPL-2.0
/*
 * Kernel allocations that drivers map into user space.
 *
 * Such a page is not a folio: a user mapping takes no reference on it, has no
 * rmap and is not counted. The page type says so, and takes the place of the
 * mapcount, so that it has to be there before the first mapping and until the
 * last one is gone. What keeps the page until then is up to its owner.
 *
 * See Documentation/mm/usermap.rst.
 */
#include <linux/export.h>
#include <linux/highmem.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/page_table_check.h>
#include <linux/pgtable.h>
#include <linux/usermap.h>
#include <linux/vmalloc.h>

#include "internal.h"

/* The type may change only while nothing maps the pages. */
static void check_not_mapped(struct page *page, unsigned long nr_pages)
{
	struct page *special = page_table_check_special(page, nr_pages);

	WARN_ONCE(special, "the type of pfn:%05lx changes under a special PTE\n",
		  page_to_pfn(special));
}

/**
 * usermap_set_pages - Give the pages of an allocation the usermap type.
 * @page: First page of the allocation.
 * @nr_pages: Number of pages in the allocation.
 *
 * For pages from alloc_pages(), whether of order 0, compound (__GFP_COMP),
 * split or not, and from alloc_pages_exact(). A compound page has the type in
 * its head, each other page its own. To be called before the first mapping of
 * any of the pages; they must neither have another type, like slab pages, nor
 * be mapped in another way, because type and mapcount share a word.
 *
 * Context: Any context. The caller owns the pages.
 */
void usermap_set_pages(struct page *page, unsigned long nr_pages)
{
	struct page *end = page + nr_pages;

	check_not_mapped(page, nr_pages);
	for (; page < end; page += compound_nr(page)) {
		VM_WARN_ON_ONCE_PAGE(PageTail(page), page);
		__SetPageUsermap(page);
	}
}
EXPORT_SYMBOL_GPL(usermap_set_pages);

/**
 * usermap_clear_pages - Take the usermap type from the pages of an allocation.
 * @page: First page of the allocation.
 * @nr_pages: Number of pages in the allocation.
 *
 * The counterpart of usermap_set_pages(), to be called when no page table maps
 * any of the pages any more, and before they are freed: the page allocator
 * resets the type of the first page only.
 *
 * Context: Any context. The caller owns the pages.
 */
void usermap_clear_pages(struct page *page, unsigned long nr_pages)
{
	struct page *end = page + nr_pages;

	check_not_mapped(page, nr_pages);
	for (; page < end; page += compound_nr(page)) {
		VM_WARN_ON_ONCE_PAGE(PageTail(page), page);
		__ClearPageUsermap(page);
	}
}
EXPORT_SYMBOL_GPL(usermap_clear_pages);

#ifdef CONFIG_MMU

/**
 * usermap_set_vmalloc - Give the pages of a vmalloc area the usermap type.
 * @addr: What vmalloc_user() or another of the family returned.
 *
 * See usermap_set_pages().
 *
 * Context: Process context. The caller owns the area.
 */
void usermap_set_vmalloc(const void *addr)
{
	const struct vm_struct *area = find_vm_area(addr);

	for (unsigned int i = 0; i < area->nr_pages; i++) {
		check_not_mapped(area->pages[i], 1);
		__SetPageUsermap(area->pages[i]);
	}
}
EXPORT_SYMBOL_GPL(usermap_set_vmalloc);

/**
 * usermap_clear_vmalloc - Take the usermap type from a vmalloc area's pages.
 * @addr: What vmalloc_user() or another of the family returned.
 *
 * The counterpart of usermap_set_vmalloc(), to be called when no user page
 * table maps any of the pages any more, and before vfree().
 *
 * Context: Process context. The caller owns the area.
 */
void usermap_clear_vmalloc(const void *addr)
{
	const struct vm_struct *area = find_vm_area(addr);

	for (unsigned int i = 0; i < area->nr_pages; i++) {
		check_not_mapped(area->pages[i], 1);
		__ClearPageUsermap(area->pages[i]);
	}
}
EXPORT_SYMBOL_GPL(usermap_clear_vmalloc);

/**
 * vm_usermap_page - The usermap page that a PTE maps.
 * @vma: The VMA that the PTE is in.
 * @pte: A present PTE for which vm_normal_page() returned NULL.
 *
 * For the few places that read or write a page on behalf of its mapping. There
 * is no reference that keeps the page: its owner keeps it while it is mapped.
 *
 * Context: The page table lock is held, until the caller is done with the page.
 * Return: The page, or NULL if @pte maps something else.
 */
struct page *vm_usermap_page(struct vm_area_struct *vma, pte_t pte)
{
	struct page *page = NULL;

	if (vma->vm_flags & VM_MIXEDMAP)
		page = pfn_to_online_page(pte_pfn(pte));
	return page && page_is_usermap(page) ? page : NULL;
}

static bool prot_is_writable(pgprot_t prot)
{
	return pte_write(pfn_pte(0, prot));
}

static bool same_prot(pgprot_t a, pgprot_t b)
{
	return pgprot_val(a) == pgprot_val(b);
}

/* The protection of @vma as if it had @vm_flags, in the memory it maps. */
static pgprot_t prot_for(struct vm_area_struct *vma, vm_flags_t vm_flags)
{
	return pgprot_modify(vma->vm_page_prot, vm_get_page_prot(vm_flags));
}

/*
 * There are two ways to be denied write access. Nothing else may differ:
 * mprotect() is going to go by vm_page_prot.
 */
static bool prot_agrees(struct vm_area_struct *vma, pgprot_t prot)
{
	return same_prot(prot, vma->vm_page_prot) ||
	       same_prot(prot, prot_for(vma, vma->vm_flags & ~VM_SHARED)) ||
	       same_prot(prot, prot_for(vma, vma->vm_flags & ~VM_WRITE));
}

static int check_insert(struct vm_area_struct *vma, unsigned long addr,
			unsigned long nr_pages, pgprot_t prot)
{
	const vm_flags_t shared_write = VM_SHARED | VM_WRITE;

	mmap_assert_write_locked(vma->vm_mm);

	if (!nr_pages || !PAGE_ALIGNED(addr))
		return -EINVAL;
	if (addr < vma->vm_start || addr >= vma->vm_end ||
	    nr_pages > (vma->vm_end - addr) >> PAGE_SHIFT)
		return -EFAULT;
	if (WARN_ON_ONCE(vma->vm_flags & VM_PFNMAP))
		return -EINVAL;

	/* A private mapping would write to the owner's page, not to a copy. */
	if (WARN_ON_ONCE(prot_is_writable(prot) &&
			 (vma->vm_flags & shared_write) != shared_write))
		return -EINVAL;
	if (WARN_ON_ONCE(!prot_agrees(vma, prot)))
		return -EINVAL;

	vm_flags_set(vma, VM_MIXEDMAP);
	return 0;
}

static bool may_insert(struct vm_area_struct *vma, const struct page *page,
		       pgprot_t prot)
{
	if (likely(page_is_usermap(page)))
		return true;

	return is_zero_page(page) && !prot_is_writable(prot) &&
	       vm_mixed_zeropage_allowed(vma);
}

/* The number of contiguous pages, from @page on, that have one type. */
static unsigned long pages_of_type(const struct page *page)
{
	const struct folio *folio = page_folio(page);

	return folio_nr_pages(folio) - folio_page_idx(folio, page);
}

static bool ptes_none(pte_t *pte, unsigned long nr)
{
	while (nr--)
		if (!pte_none(ptep_get(pte++)))
			return false;
	return true;
}

/*
 * Fill PTEs of one page table with @nr_pages of @pages, or with contiguous
 * pages from @page on. Return how many, with *@err set if they are not all.
 */
static __always_inline unsigned long
insert_in_table(struct vm_area_struct *vma, unsigned long addr,
		struct page **pages, struct page *page, unsigned long nr_pages,
		pgprot_t prot, int *err)
{
	struct mm_struct *mm = vma->vm_mm;
	struct folio *flushed = NULL;
	unsigned long nr, run = 1;
	pte_t *ptep, *pte;
	spinlock_t *ptl;

	ptep = get_locked_pte(mm, addr, &ptl);
	if (!ptep) {
		*err = -ENOMEM;
		return 0;
	}
	lazy_mmu_mode_enable();
	for (nr = 0, pte = ptep; nr < nr_pages; nr += run, pte += run) {
		if (pages)
			page = pages[nr];
		else
			run = min(nr_pages - nr, pages_of_type(page));

		if (!may_insert(vma, page, prot)) {
			*err = -EINVAL;
			break;
		}
		if (!ptes_none(pte, run)) {
			*err = -EBUSY;
			break;
		}
		/* One flush does for all pages of a compound page. */
		if (page_folio(page) != flushed) {
			flushed = page_folio(page);
			flush_dcache_folio(flushed);
		}
		set_ptes(mm, addr + nr * PAGE_SIZE, pte,
			 pte_mkspecial(mk_pte(page, prot)), run);
		page += run;
	}
	lazy_mmu_mode_disable();
	pte_unmap_unlock(ptep, ptl);
	return nr;
}

static __always_inline int
insert_all(struct vm_area_struct *vma, unsigned long addr, struct page **pages,
	   struct page *page, unsigned long nr_pages, pgprot_t prot)
{
	unsigned long done = 0;
	int err;

	err = check_insert(vma, addr, nr_pages, prot);
	if (err)
		return err;

	while (!err && done < nr_pages) {
		const unsigned long start = addr + done * PAGE_SIZE;
		const unsigned long nr = min(nr_pages - done,
					     PTRS_PER_PTE - pte_index(start));

		done += insert_in_table(vma, start,
					pages ? pages + done : NULL,
					pages ? NULL : page + done,
					nr, prot, &err);
	}
	/* No reference keeps the pages if the caller frees them now. */
	if (err && done)
		zap_vma_range(vma, addr, done * PAGE_SIZE);
	return err;
}

/**
 * vm_insert_pages_prot - Map usermap pages into a user VMA.
 * @vma: The VMA to map into.
 * @addr: User address of the first page, page aligned.
 * @pages: The pages, each of which has the usermap type, is a tail of a
 *	   compound page that has it, or is the shared zero page.
 * @nr_pages: Number of pages in @pages.
 * @prot: Page protection of the mapping: @vma->vm_page_prot, or the same
 *	  without write access, that is with the permissions that
 *	  vm_get_page_prot() has for the vm_flags without VM_SHARED or without
 *	  VM_WRITE. The latter is for a @vma with pfn_mkwrite, which vm_page_prot
 *	  does not provide for as long as ->mmap runs. mprotect() goes by
 *	  vm_page_prot.
 *
 * The mapping takes no reference and no mapcount on the pages, it is not
 * counted in RSS, and GUP does not find it. It is for the owner of the pages
 * to see that they live, and keep their type, for as long as anything maps
 * them, see Documentation/mm/usermap.rst. Sets VM_MIXEDMAP in @vma; all other
 * flags are up to the caller. The zero page is mapped under the conditions of
 * vm_insert_page() and only if @prot denies write access.
 *
 * Context: Process context, from ->mmap: the mmap lock is held for write.
 * Return: 0 if all pages are mapped. Otherwise none is, the caller owns the
 * pages as before, and the value is one of
 *
 * * %-EINVAL	- @addr is not page aligned, @nr_pages is 0, or one of @pages is
 *		  neither a usermap page nor a zero page that may be mapped.
 *		  After a warning: @vma is VM_PFNMAP, @prot grants write access
 *		  and @vma is not both VM_SHARED and VM_WRITE, or @prot
 *		  disagrees with @vma->vm_page_prot in something else.
 * * %-EFAULT	- the range is not within @vma.
 * * %-EBUSY	- something is mapped in the range already, and stays.
 * * %-ENOMEM	- there is no memory for a page table.
 */
int vm_insert_pages_prot(struct vm_area_struct *vma, unsigned long addr,
			 struct page **pages, unsigned long nr_pages,
			 pgprot_t prot)
{
	return insert_all(vma, addr, pages, NULL, nr_pages, prot);
}
EXPORT_SYMBOL_GPL(vm_insert_pages_prot);

/**
 * vm_insert_contig_pages_prot - Map contiguous usermap pages into a user VMA.
 * @vma: The VMA to map into.
 * @addr: User address of the first page, page aligned.
 * @page: The first page; may be a tail of a compound page.
 * @nr_pages: Number of physically contiguous pages from @page on. They may
 *	      belong to more than one allocation.
 * @prot: As for vm_insert_pages_prot().
 *
 * vm_insert_pages_prot() for an owner that has no array of pages, and faster
 * for compound pages: the type is looked up once for each, and once for each
 * page that is not compound.
 *
 * Context: Process context, from ->mmap: the mmap lock is held for write.
 * Return: As vm_insert_pages_prot().
 */
int vm_insert_contig_pages_prot(struct vm_area_struct *vma, unsigned long addr,
				struct page *page, unsigned long nr_pages,
				pgprot_t prot)
{
	return insert_all(vma, addr, NULL, page, nr_pages, prot);
}
EXPORT_SYMBOL_GPL(vm_insert_contig_pages_prot);

#else /* !CONFIG_MMU */

int vm_insert_pages_prot(struct vm_area_struct *vma, unsigned long addr,
			 struct page **pages, unsigned long nr_pages,
			 pgprot_t prot)
{
	return -EINVAL;
}
EXPORT_SYMBOL_GPL(vm_insert_pages_prot);

int vm_insert_contig_pages_prot(struct vm_area_struct *vma, unsigned long addr,
				struct page *page, unsigned long nr_pages,
				pgprot_t prot)
{
	return -EINVAL;
}
EXPORT_SYMBOL_GPL(vm_insert_contig_pages_prot);

#endif /* CONFIG_MMU */
