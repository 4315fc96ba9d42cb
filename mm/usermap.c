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
		page_usermap(page)->order = 0;
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

/* A private mapping would write to the owner's page, not to a copy. */
static bool may_write(struct vm_area_struct *vma, pgprot_t prot)
{
	const vm_flags_t shared_write = VM_SHARED | VM_WRITE;

	return !prot_is_writable(prot) ||
	       (vma->vm_flags & shared_write) == shared_write;
}

static int check_insert(struct vm_area_struct *vma, unsigned long addr,
			unsigned long nr_pages, pgprot_t prot)
{
	mmap_assert_write_locked(vma->vm_mm);

	if (!nr_pages || !PAGE_ALIGNED(addr))
		return -EINVAL;
	if (addr < vma->vm_start || addr >= vma->vm_end ||
	    nr_pages > (vma->vm_end - addr) >> PAGE_SHIFT)
		return -EFAULT;
	if (WARN_ON_ONCE(vma->vm_flags & VM_PFNMAP))
		return -EINVAL;
	if (WARN_ON_ONCE(!may_write(vma, prot)))
		return -EINVAL;
	if (WARN_ON_ONCE(!prot_agrees(vma, prot)))
		return -EINVAL;

	vm_flags_set(vma, VM_MIXEDMAP);
	return 0;
}

static noinline bool may_insert_zero(struct vm_area_struct *vma,
				     const struct page *page, pgprot_t prot)
{
	return is_zero_page(page) && !prot_is_writable(prot) &&
	       vm_mixed_zeropage_allowed(vma);
}

static __always_inline bool may_insert(struct vm_area_struct *vma,
				       const struct page *page, pgprot_t prot)
{
	/* Most are no tail, and then no other struct page matters. */
	if (likely(!PageTail(page) && PageUsermap(page)))
		return true;
	return page_is_usermap(page) || may_insert_zero(vma, page, prot);
}

/*
 * The number of contiguous pages, from @page on, that have one type: those of a
 * compound page, or of an allocation of which the owner has set the order.
 */
static unsigned long pages_of_type(struct page *page)
{
	const struct folio *folio = page_folio(page);

	if (!folio_test_large(folio) && PageUsermap(page))
		return 1UL << page_usermap(page)->order;
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
 * As get_locked_pte(). If there was no page table before, nothing is mapped at
 * @addr and behind it: the mmap lock and vm_flags_set() keep faults out. Who
 * faults next to the VMA may allocate the table, but fills none of these PTEs.
 */
static pte_t *lock_ptes(struct mm_struct *mm, unsigned long addr,
			spinlock_t **ptl, bool *is_new)
{
	pmd_t *pmd = walk_to_pmd(mm, addr);
	pmd_t pmdval;

	if (!pmd)
		return NULL;
	pmdval = pmdp_get_lockless(pmd);
	*is_new = pmd_none(pmdval);
	return pte_alloc_map_lock(mm, pmd, addr, ptl);
}

/* One flush does for all pages of a compound page. */
static __always_inline void flush_once(struct page *page,
				       struct folio **flushed)
{
	if (ARCH_IMPLEMENTS_FLUSH_DCACHE_PAGE && page_folio(page) != *flushed) {
		*flushed = page_folio(page);
		flush_dcache_folio(*flushed);
	}
}

/*
 * A special PTE, made from that of PFN 0, because pfn_pte() may have more to do
 * than to shift. Where PTEs are larger than unsigned long, it is too short to
 * add a PFN.
 */
static __always_inline pte_t advance_from_0(pte_t pte0, unsigned long pfn,
					    pgprot_t prot)
{
	if (IS_ENABLED(CONFIG_64BIT))
		return pte_advance_pfn(pte0, pfn);
	return pte_mkspecial(pfn_pte(pfn, prot));
}

/* What is to be mapped, and how far that has come. */
struct insertion {
	struct vm_area_struct *vma;
	pgprot_t prot;
	/* An array, of pages or addresses, or the first of contiguous pages. */
	const void *from;
	unsigned long done;	/* how many of the pages are mapped */
	unsigned long typed;	/* of contiguous ones: how many have the type */
};

/*
 * Fill @nr_pages PTEs of one page table and advance @in->done. Return an error
 * if these are not all mapped.
 */
typedef int fill_fn(struct insertion *in, unsigned long addr, pte_t *pte,
		    unsigned long nr_pages);

/* The address of a page of the direct map is half way to the PTE. */
static __always_inline int
fill_each(struct insertion *in, unsigned long addr, pte_t *pte,
	  unsigned long nr_pages, bool by_kaddr)
{
	void *const *each = (void *const *)in->from + in->done;
	const pgprot_t prot = in->prot;
	const pte_t pte0 = pte_mkspecial(pfn_pte(0, prot));
	struct folio *flushed = NULL;
	unsigned long nr;

	for (nr = 0; nr < nr_pages; nr++, pte++, addr += PAGE_SIZE) {
		unsigned long pfn;
		struct page *page;

		if (by_kaddr) {
			pfn = PHYS_PFN(__pa(each[nr]));
			page = pfn_to_page(pfn);
		} else {
			page = each[nr];
			pfn = page_to_pfn(page);
		}
		if (!may_insert(in->vma, page, prot))
			break;
		flush_once(page, &flushed);
		set_ptes(in->vma->vm_mm, addr, pte,
			 advance_from_0(pte0, pfn, prot), 1);
	}
	in->done += nr;
	return nr < nr_pages ? -EINVAL : 0;
}

static int fill_array(struct insertion *in, unsigned long addr, pte_t *pte,
		      unsigned long nr_pages)
{
	return fill_each(in, addr, pte, nr_pages, false);
}

static int fill_kaddrs(struct insertion *in, unsigned long addr, pte_t *pte,
		       unsigned long nr_pages)
{
	return fill_each(in, addr, pte, nr_pages, true);
}

/* One flush does for a compound page. Each other page is a folio by itself. */
static void flush_run(struct page *page, unsigned long nr_pages)
{
	struct page *end = page + nr_pages;

	if (!ARCH_IMPLEMENTS_FLUSH_DCACHE_PAGE)
		return;
	while (page < end) {
		struct folio *folio = page_folio(page);

		flush_dcache_folio(folio);
		page += folio_nr_pages(folio) - folio_page_idx(folio, page);
	}
}

static int fill_contig(struct insertion *in, unsigned long addr, pte_t *pte,
		       unsigned long nr_pages)
{
	const unsigned long end = in->done + nr_pages;
	unsigned long run;

	for (; in->done < end; in->done += run, pte += run) {
		struct page *page = (struct page *)in->from + in->done;

		/* Less, if an allocation goes on from the last page table. */
		if (in->done == in->typed) {
			if (!may_insert(in->vma, page, in->prot))
				return -EINVAL;
			in->typed += pages_of_type(page);
		}
		run = min(end, in->typed) - in->done;
		flush_run(page, run);
		set_ptes(in->vma->vm_mm, addr, pte,
			 pte_mkspecial(mk_pte(page, in->prot)), run);
		addr += run * PAGE_SIZE;
	}
	return 0;
}

static int insert_all(struct vm_area_struct *vma, unsigned long addr,
		      fill_fn *fill, const void *from, unsigned long nr_pages,
		      pgprot_t prot)
{
	struct insertion in = { .vma = vma, .prot = prot, .from = from };
	int err;

	err = check_insert(vma, addr, nr_pages, prot);
	if (err)
		return err;

	while (!err && in.done < nr_pages) {
		const unsigned long start = addr + in.done * PAGE_SIZE;
		const unsigned long nr = min(nr_pages - in.done,
					     PTRS_PER_PTE - pte_index(start));
		spinlock_t *ptl;
		bool is_new;
		pte_t *pte;

		pte = lock_ptes(vma->vm_mm, start, &ptl, &is_new);
		if (!pte) {
			err = -ENOMEM;
			break;
		}
		lazy_mmu_mode_enable();
		if (!is_new && !ptes_none(pte, nr))
			err = -EBUSY;
		else
			err = fill(&in, start, pte, nr);
		lazy_mmu_mode_disable();
		pte_unmap_unlock(pte, ptl);
	}
	/* No reference keeps the pages if the caller frees them now. */
	if (err && in.done)
		zap_vma_range(vma, addr, in.done * PAGE_SIZE);
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
	return insert_all(vma, addr, fill_array, pages, nr_pages, prot);
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
 * vm_insert_pages_prot() for an owner that has no array of pages, and faster:
 * the type is looked up once for each compound page, for each allocation of
 * which the owner has set the order in struct usermap, and for each other page.
 *
 * Context: Process context, from ->mmap: the mmap lock is held for write.
 * Return: As vm_insert_pages_prot().
 */
int vm_insert_contig_pages_prot(struct vm_area_struct *vma, unsigned long addr,
				struct page *page, unsigned long nr_pages,
				pgprot_t prot)
{
	return insert_all(vma, addr, fill_contig, page, nr_pages, prot);
}
EXPORT_SYMBOL_GPL(vm_insert_contig_pages_prot);

static bool pte_maps(pte_t pte, const struct page *page)
{
	return pte_present(pte) && pte_pfn(pte) == page_to_pfn(page);
}

/* A private mapping is not to write to @page, but to copy it. */
static pte_t pte_mkwritten(pte_t pte, struct vm_area_struct *vma)
{
	if (!(vma->vm_flags & VM_SHARED))
		return pte;
	return maybe_mkwrite(pte_mkdirty(pte_mkyoung(pte)), vma);
}

static vm_fault_t insert_at_fault(struct vm_fault *vmf, struct page *page,
				  bool mkwrite)
{
	struct vm_area_struct *vma = vmf->vma;
	const pgprot_t prot = vma->vm_page_prot;
	const unsigned long addr = vmf->address;
	spinlock_t *ptl;
	pte_t *ptep, pte;

	if (WARN_ON_ONCE(!(vma->vm_flags & VM_MIXEDMAP)) ||
	    WARN_ON_ONCE(!may_write(vma, prot)) ||
	    WARN_ON_ONCE(!page_is_usermap(page)))
		return VM_FAULT_SIGBUS;

	if (pmd_none(*vmf->pmd)) {
		if (vmf->prealloc_pte)
			pmd_install(vma->vm_mm, vmf->pmd, &vmf->prealloc_pte);
		else if (pte_alloc(vma->vm_mm, vmf->pmd))
			return VM_FAULT_OOM;
	}
	ptep = pte_offset_map_lock(vma->vm_mm, vmf->pmd, addr, &ptl);
	if (!ptep)
		return VM_FAULT_NOPAGE;

	pte = ptep_get(ptep);
	if (pte_none(pte)) {
		flush_dcache_page(page);
		pte = pte_mkspecial(mk_pte(page, prot));
		if (mkwrite)
			pte = pte_mkwritten(pte, vma);
		set_pte_at(vma->vm_mm, addr, ptep, pte);
		update_mmu_cache_range(vmf, vma, addr, ptep, 1);
	} else if (mkwrite && pte_maps(pte, page)) {
		if (ptep_set_access_flags(vma, addr, ptep,
					  pte_mkwritten(pte, vma), 1))
			update_mmu_cache_range(vmf, vma, addr, ptep, 1);
	} else {
		update_mmu_tlb(vma, addr, ptep);
	}
	pte_unmap_unlock(ptep, ptl);
	return VM_FAULT_NOPAGE;
}

/**
 * vm_insert_vmalloc_prot - Map pages of a vmalloc area into a user VMA.
 * @vma: The VMA to map into.
 * @addr: User address of the first page, page aligned.
 * @kaddr: What vmalloc_user() or another of the family returned; not vmap(),
 *	   whose caller has the pages.
 * @pgoff: First page to map, counted from @kaddr.
 * @nr_pages: Number of pages to map.
 * @prot: As for vm_insert_pages_prot().
 *
 * remap_vmalloc_range() for an area that has got the usermap type by
 * usermap_set_vmalloc(). Unlike that it sets neither VM_DONTEXPAND nor
 * VM_DONTDUMP.
 *
 * Context: Process context, from ->mmap: the mmap lock is held for write.
 * Return: As vm_insert_pages_prot(), and %-EINVAL if @kaddr is in no area that
 * has pages, or the area has fewer than @pgoff + @nr_pages.
 */
int vm_insert_vmalloc_prot(struct vm_area_struct *vma, unsigned long addr,
			   const void *kaddr, unsigned long pgoff,
			   unsigned long nr_pages, pgprot_t prot)
{
	const struct vm_struct *area = find_vm_area(kaddr);

	if (!area || pgoff > area->nr_pages ||
	    nr_pages > area->nr_pages - pgoff)
		return -EINVAL;

	return vm_insert_pages_prot(vma, addr, area->pages + pgoff, nr_pages,
				    prot);
}
EXPORT_SYMBOL_GPL(vm_insert_vmalloc_prot);

/**
 * vm_insert_kaddrs_prot - Map usermap pages into a user VMA by their addresses.
 * @vma: The VMA to map into.
 * @addr: User address of the first page, page aligned.
 * @kaddrs: What page_address() says of each page; not a vmalloc address.
 * @nr_pages: Number of addresses in @kaddrs.
 * @prot: As for vm_insert_pages_prot().
 *
 * vm_insert_pages_prot() for an owner that has an array of addresses, so that
 * it needs no second one.
 *
 * Context: Process context, from ->mmap: the mmap lock is held for write.
 * Return: As vm_insert_pages_prot().
 */
int vm_insert_kaddrs_prot(struct vm_area_struct *vma, unsigned long addr,
			  void **kaddrs, unsigned long nr_pages, pgprot_t prot)
{
	return insert_all(vma, addr, fill_kaddrs, kaddrs, nr_pages, prot);
}
EXPORT_SYMBOL_GPL(vm_insert_kaddrs_prot);

/**
 * vmf_insert_usermap_page - Map a usermap page from ->fault.
 * @vmf: The fault.
 * @page: The page that belongs at vmf->address: it has the usermap type or is a
 *	  tail of a compound page that has it.
 *
 * The fault-time form of vm_insert_pages_prot(), under the same contract. It
 * maps with vm_page_prot, which is final by now: read-only if the VMA has a
 * ->pfn_mkwrite, which the first write then comes to, and if it is private, so
 * that a write makes a copy. ->mmap has to set VM_MIXEDMAP, as a fault cannot.
 *
 * An owner that takes its pages back by unmap_mapping_range() has to keep this
 * call, and the look-up of @page, from running at the same time, see
 * Documentation/mm/usermap.rst.
 *
 * Context: Process context, from ->fault: the mmap lock or the lock of the VMA
 * is held for read.
 * Return: What ->fault is to return:
 *
 * * %VM_FAULT_NOPAGE	- the access can be tried again: @page is mapped, or
 *			  something else is by now, or the page table went away.
 * * %VM_FAULT_OOM	- there is no memory for a page table.
 * * %VM_FAULT_SIGBUS	- after a warning: @page is not a usermap page, the VMA
 *			  is not VM_MIXEDMAP, or its vm_page_prot grants write
 *			  access and it is not both VM_SHARED and VM_WRITE.
 */
vm_fault_t vmf_insert_usermap_page(struct vm_fault *vmf, struct page *page)
{
	return insert_at_fault(vmf, page, false);
}
EXPORT_SYMBOL_GPL(vmf_insert_usermap_page);

/**
 * vmf_insert_usermap_page_mkwrite - Map a usermap page for a write.
 * @vmf: The fault, with FAULT_FLAG_WRITE.
 * @page: The page that belongs at vmf->address.
 *
 * For drivers that record which pages are written to. It does what
 * vmf_insert_usermap_page() does, and in a shared mapping it makes the page
 * writable, whether this call maps it or it was mapped already. To be called
 * from ->fault and from ->pfn_mkwrite, under the lock under which the write is
 * recorded: what a ->pfn_mkwrite that returns 0 allows becomes writable when
 * the driver holds no lock any more, and escapes a wp_shared_mapping_range()
 * that comes in between.
 *
 * Context: Process context, from ->fault or ->pfn_mkwrite: the mmap lock or the
 * lock of the VMA is held for read.
 * Return: As vmf_insert_usermap_page(), which either of the two is to return.
 */
vm_fault_t vmf_insert_usermap_page_mkwrite(struct vm_fault *vmf,
					   struct page *page)
{
	return insert_at_fault(vmf, page, true);
}
EXPORT_SYMBOL_GPL(vmf_insert_usermap_page_mkwrite);

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

int vm_insert_vmalloc_prot(struct vm_area_struct *vma, unsigned long addr,
			   const void *kaddr, unsigned long pgoff,
			   unsigned long nr_pages, pgprot_t prot)
{
	return -EINVAL;
}
EXPORT_SYMBOL_GPL(vm_insert_vmalloc_prot);

int vm_insert_kaddrs_prot(struct vm_area_struct *vma, unsigned long addr,
			  void **kaddrs, unsigned long nr_pages, pgprot_t prot)
{
	return -EINVAL;
}
EXPORT_SYMBOL_GPL(vm_insert_kaddrs_prot);

vm_fault_t vmf_insert_usermap_page(struct vm_fault *vmf, struct page *page)
{
	return VM_FAULT_SIGBUS;
}
EXPORT_SYMBOL_GPL(vmf_insert_usermap_page);

vm_fault_t vmf_insert_usermap_page_mkwrite(struct vm_fault *vmf,
					   struct page *page)
{
	return VM_FAULT_SIGBUS;
}
EXPORT_SYMBOL_GPL(vmf_insert_usermap_page_mkwrite);

#endif /* CONFIG_MMU */
