// SPDX-License-Identifier: GPL-2.0
/*
 * A driver that maps the same pages by each method that there is, for
 * harness/bench.c; also pins pages of a program by GUP fast. It builds for the
 * pristine kernel, too, where harness/compat/linux/usermap.h does what drivers
 * do there.
 */
#include <linux/cleanup.h>
#include <linux/fs.h>
#include <linux/gfp.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/usermap.h>
#include <linux/vmalloc.h>

#include "bench-driver.h"

#define BLOCK_NR	(1UL << BENCH_BLOCK_ORDER)

static struct bench_alloc memory;	/* what is there, if pages is not NULL */
static struct page **pages;
static void *vmalloc_addr;
static unsigned int method;

static bool is_typed(void)
{
	return method == BENCH_ARRAY || method == BENCH_CONTIG;
}

static void set_type(bool set)
{
	void (*change)(struct page *page, unsigned long nr_pages) =
		set ? usermap_set_pages : usermap_clear_pages;
	unsigned long i, step = 1;

	if (memory.kind == BENCH_COMPOUND)
		step = min(BLOCK_NR, memory.nr_pages);
	for (i = 0; i < memory.nr_pages; i += step)
		change(pages[i], step);
}

static void free_memory(void)
{
	unsigned long i, order = min(BENCH_BLOCK_ORDER, ilog2(memory.nr_pages));

	if (!pages)
		return;
	if (is_typed())
		set_type(false);
	if (memory.kind == BENCH_VMALLOC)
		vfree(vmalloc_addr);
	else if (memory.kind == BENCH_COMPOUND)
		for (i = 0; i < memory.nr_pages && pages[i]; i += 1UL << order)
			__free_pages(pages[i], order);
	else
		for (i = 0; i < memory.nr_pages && pages[i]; i++)
			__free_page(pages[i]);
	kvfree(pages);
	pages = NULL;
}

/* The same order in each run, whatever the page allocator does. */
static void shuffle(void)
{
	u32 random = 1;

	for (unsigned long i = memory.nr_pages - 1; i; i--) {
		random = random * 1664525 + 1013904223;
		swap(pages[i], pages[random % (i + 1)]);
	}
}

static int alloc_memory(const struct bench_alloc __user *arg)
{
	unsigned long i, j, order;
	struct page *page;

	if (copy_from_user(&memory, arg, sizeof(memory)))
		return -EFAULT;
	pages = kvcalloc(memory.nr_pages, sizeof(*pages), GFP_KERNEL);
	if (!pages)
		return -ENOMEM;
	method = BENCH_INSERT_PAGES;

	if (memory.kind == BENCH_VMALLOC) {
		vmalloc_addr = vmalloc_user(memory.nr_pages << PAGE_SHIFT);
		for (i = 0; vmalloc_addr && i < memory.nr_pages; i++)
			pages[i] = vmalloc_to_page(vmalloc_addr + i * PAGE_SIZE);
		return vmalloc_addr ? 0 : -ENOMEM;
	}
	order = memory.kind == BENCH_COMPOUND ?
		min(BENCH_BLOCK_ORDER, ilog2(memory.nr_pages)) : 0;
	for (i = 0; i < memory.nr_pages; i += 1UL << order) {
		page = alloc_pages(GFP_KERNEL | __GFP_COMP, order);
		if (!page) {
			free_memory();
			return -ENOMEM;
		}
		for (j = 0; j < 1UL << order; j++)
			pages[i + j] = page + j;
	}
	if (memory.kind == BENCH_SHUFFLED)
		shuffle();
	return 0;
}

static int set_method(unsigned int new)
{
	if (!pages)
		return -ENXIO;
	if (is_typed())
		set_type(false);
	method = new;
	if (is_typed())
		set_type(true);
	return 0;
}

static vm_fault_t fault(struct vm_fault *vmf)
{
	struct page *page = pages[vmf->pgoff];

	if (method == BENCH_FAULT_PFN)
		return vmf_insert_pfn(vmf->vma, vmf->address, page_to_pfn(page));
	get_page(page);
	vmf->page = page;
	return 0;
}

static const struct vm_operations_struct vm_ops = {
	.fault	= fault,
};

static int map_each(struct vm_area_struct *vma, unsigned long nr)
{
	unsigned long addr = vma->vm_start;
	int err = 0;

	for (unsigned long i = 0; i < nr && !err; i++, addr += PAGE_SIZE)
		if (method == BENCH_REMAP_EACH)
			err = remap_pfn_range(vma, addr, page_to_pfn(pages[i]),
					      PAGE_SIZE, vma->vm_page_prot);
		else
			err = vm_insert_page(vma, addr, pages[i]);
	return err;
}

static int map_blocks(struct vm_area_struct *vma, unsigned long nr)
{
	unsigned long addr, i, step = min(nr, BLOCK_NR);
	int err = 0;

	for (i = 0; i < nr && !err; i += step) {
		addr = vma->vm_start + i * PAGE_SIZE;
		if (method == BENCH_REMAP)
			err = remap_pfn_range(vma, addr, page_to_pfn(pages[i]),
					      step * PAGE_SIZE, vma->vm_page_prot);
		else
			err = vm_insert_contig_pages_prot(vma, addr, pages[i],
							  step, vma->vm_page_prot);
	}
	return err;
}

static int bench_mmap(struct file *file, struct vm_area_struct *vma)
{
	unsigned long nr = vma_pages(vma);

	if (!pages || nr > memory.nr_pages)
		return -ENXIO;
	switch (method) {
	case BENCH_REMAP_EACH:
	case BENCH_INSERT_PAGE:
		return map_each(vma, nr);
	case BENCH_REMAP:
	case BENCH_CONTIG:
		return map_blocks(vma, nr);
	case BENCH_INSERT_PAGES:
		return vm_insert_pages(vma, vma->vm_start, pages, &nr);
	case BENCH_MAP_PAGES:
		return vm_map_pages(vma, pages, nr);
	case BENCH_REMAP_VMALLOC:
		return remap_vmalloc_range(vma, vmalloc_addr, 0);
	case BENCH_ARRAY:
		return vm_insert_pages_prot(vma, vma->vm_start, pages, nr,
					    vma->vm_page_prot);
	case BENCH_FAULT_PFN:
		vm_flags_set(vma, VM_PFNMAP);
		fallthrough;
	case BENCH_FAULT_PAGE:
		vma->vm_ops = &vm_ops;
		return 0;
	default:
		return -EINVAL;
	}
}

static int gup_fast(const struct bench_gup __user *arg)
{
	struct bench_gup gup;
	struct page **pinned;
	int nr;

	if (copy_from_user(&gup, arg, sizeof(gup)))
		return -EFAULT;
	pinned = kvcalloc(gup.nr_pages, sizeof(*pinned), GFP_KERNEL);
	if (!pinned)
		return -ENOMEM;
	nr = pin_user_pages_fast(gup.addr, gup.nr_pages, FOLL_WRITE, pinned);
	if (nr > 0)
		unpin_user_pages(pinned, nr);
	kvfree(pinned);
	return nr;
}

static long bench_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case BENCH_ALLOC:
		return alloc_memory((const void __user *)arg);
	case BENCH_FREE:
		free_memory();
		return 0;
	case BENCH_METHOD:
		return set_method(arg);
	case BENCH_GUP:
		return gup_fast((const void __user *)arg);
	default:
		return -ENOTTY;
	}
}

static const struct file_operations fops = {
	.owner		= THIS_MODULE,
	.mmap		= bench_mmap,
	.unlocked_ioctl	= bench_ioctl,
};

static struct miscdevice device = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "bench",
	.fops	= &fops,
};
module_misc_device(device);

MODULE_DESCRIPTION("Map pages by each method, to measure it");
MODULE_LICENSE("GPL");
