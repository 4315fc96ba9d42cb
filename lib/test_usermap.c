// SPDX-License-Identifier: GPL-2.0
/*
 * A device that maps its memory into user space, to test and to measure it:
 * see Documentation/mm/usermap.rst.
 *
 * An open file can have memory of every kind that drivers allocate for this
 * purpose, and map it by every method that they have. It keeps the rules,
 * with either lifetime, except where the program asks for a mistake. These are
 * for the checks that have to find them: see test_usermap_uapi.h.
 */
#include <linux/cleanup.h>
#include <linux/fs.h>
#include <linux/gfp.h>
#include <linux/highmem.h>
#include <linux/log2.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/page_table_check.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/usermap.h>
#include <linux/vmalloc.h>

#include "test_usermap_uapi.h"

#define TEST_USERMAP_FLAGS	(TEST_USERMAP_COUNT_VMAS | \
				 TEST_USERMAP_EXPANDABLE | \
				 TEST_USERMAP_FORGET_OPEN)

static bool mistakes;
module_param(mistakes, bool, 0444);
MODULE_PARM_DESC(mistakes, "let programs break the rules (default: no)");

/**
 * struct test_usermap - what an open file has
 * @lock: protects the rest; nests in the mmap lock
 * @pages: the memory, or NULL
 * @vmalloc: its address, of TEST_USERMAP_VMALLOC only
 * @nr_vmas: how many VMAs map it
 * @kind: enum test_usermap_kind
 * @method: enum test_usermap_method
 * @nr_pages: number of @pages
 * @flags: TEST_USERMAP_COUNT_VMAS and so on
 * @typed: @pages have the usermap type
 */
struct test_usermap {
	struct mutex lock;	/* of all below */
	struct page **pages;
	void *vmalloc;
	unsigned int nr_vmas;
	unsigned int kind;
	unsigned int method;
	unsigned int nr_pages;
	unsigned int flags;
	bool typed;
};

static bool is_contiguous(unsigned int kind)
{
	return kind != TEST_USERMAP_PAGES && kind != TEST_USERMAP_VMALLOC;
}

static bool method_fits(unsigned int method, unsigned int kind)
{
	switch (method) {
	case TEST_USERMAP_ARRAY:
	case TEST_USERMAP_PFN:
		return true;
	case TEST_USERMAP_CONTIG:
		return is_contiguous(kind);
	case TEST_USERMAP_REFCOUNT:
		/* Only the first page of a block has a reference to share. */
		return kind != TEST_USERMAP_BLOCK;
	default:
		return false;
	}
}

static bool method_needs_type(unsigned int method)
{
	return method == TEST_USERMAP_ARRAY || method == TEST_USERMAP_CONTIG;
}

/*
 * A mistake would be one indeed where nothing keeps freed pages apart: those
 * that are mapped, and with DEBUG_VM the tails that have their type.
 */
static int may_make_mistakes(void)
{
	if (!mistakes)
		return -EPERM;
#if defined(CONFIG_PAGE_TABLE_CHECK) && defined(CONFIG_DEBUG_VM)
	if (!static_key_enabled(&page_table_check_disabled))
		return 0;
#endif
	return -EOPNOTSUPP;
}

/*
 * The memory.
 */

static void free_memory(struct test_usermap *tu)
{
	const unsigned long size = (unsigned long)tu->nr_pages << PAGE_SHIFT;
	unsigned int i;

	switch (tu->kind) {
	case TEST_USERMAP_PAGES:
	case TEST_USERMAP_SPLIT:
		for (i = 0; i < tu->nr_pages && tu->pages[i]; i++)
			__free_page(tu->pages[i]);
		break;
	case TEST_USERMAP_COMPOUND:
	case TEST_USERMAP_BLOCK:
		__free_pages(tu->pages[0], ilog2(tu->nr_pages));
		break;
	case TEST_USERMAP_EXACT:
		free_pages_exact(page_address(tu->pages[0]), size);
		break;
	case TEST_USERMAP_VMALLOC:
		vfree(tu->vmalloc);
		break;
	}
	kvfree(tu->pages);
	tu->pages = NULL;
	tu->typed = false;
}

/* The first page of a contiguous allocation, or NULL. */
static struct page *alloc_contiguous(struct test_usermap *tu, gfp_t gfp)
{
	const unsigned int order = ilog2(tu->nr_pages);
	struct page *page;
	void *addr;

	switch (tu->kind) {
	case TEST_USERMAP_COMPOUND:
		return alloc_pages(gfp | __GFP_COMP, order);
	case TEST_USERMAP_BLOCK:
		return alloc_pages(gfp, order);
	case TEST_USERMAP_SPLIT:
		page = alloc_pages(gfp, order);
		if (page)
			split_page(page, order);
		return page;
	default:
		addr = alloc_pages_exact((size_t)tu->nr_pages << PAGE_SHIFT, gfp);
		return addr ? virt_to_page(addr) : NULL;
	}
}

static bool alloc_memory(struct test_usermap *tu)
{
	const gfp_t gfp = GFP_KERNEL | __GFP_ZERO | __GFP_NOWARN;
	const unsigned long nr = tu->nr_pages;
	struct page *first;
	unsigned long i;

	if (is_contiguous(tu->kind)) {
		first = alloc_contiguous(tu, gfp);
		for (i = 0; first && i < nr; i++)
			tu->pages[i] = first + i;
		return first;
	}
	if (tu->kind == TEST_USERMAP_VMALLOC) {
		tu->vmalloc = vmalloc_user(nr << PAGE_SHIFT);
		for (i = 0; tu->vmalloc && i < nr; i++)
			tu->pages[i] = vmalloc_to_page(tu->vmalloc +
						       (i << PAGE_SHIFT));
		return tu->vmalloc;
	}
	for (i = 0; i < nr; i++) {
		tu->pages[i] = alloc_page(gfp);
		if (!tu->pages[i]) {
			free_memory(tu);
			return false;
		}
	}
	return true;
}

static void set_type(struct test_usermap *tu)
{
	unsigned int i;

	if (tu->kind == TEST_USERMAP_VMALLOC)
		usermap_set_vmalloc(tu->vmalloc);
	else if (is_contiguous(tu->kind))
		usermap_set_pages(tu->pages[0], tu->nr_pages);
	else
		for (i = 0; i < tu->nr_pages; i++)
			usermap_set_pages(tu->pages[i], 1);
	tu->typed = true;
}

static void clear_type(struct test_usermap *tu)
{
	unsigned int i;

	if (tu->kind == TEST_USERMAP_VMALLOC)
		usermap_clear_vmalloc(tu->vmalloc);
	else if (is_contiguous(tu->kind))
		usermap_clear_pages(tu->pages[0], tu->nr_pages);
	else
		for (i = 0; i < tu->nr_pages; i++)
			usermap_clear_pages(tu->pages[i], 1);
	tu->typed = false;
}

/* The right order, at the right time or not. */
static void clear_and_free(struct test_usermap *tu)
{
	if (tu->typed)
		clear_type(tu);
	free_memory(tu);
}

/*
 * The mappings.
 */

static int map_pfns(struct vm_area_struct *vma, struct test_usermap *tu,
		    unsigned long first)
{
	unsigned long addr = vma->vm_start;
	int err;

	if (is_contiguous(tu->kind))
		return remap_pfn_range(vma, addr, page_to_pfn(tu->pages[first]),
				       vma->vm_end - addr, vma->vm_page_prot);

	for (; addr < vma->vm_end; addr += PAGE_SIZE, first++) {
		err = remap_pfn_range(vma, addr, page_to_pfn(tu->pages[first]),
				      PAGE_SIZE, vma->vm_page_prot);
		if (!err)
			continue;
		/* Somebody may free the memory before the caller unmaps it. */
		if (addr > vma->vm_start)
			zap_vma_range(vma, vma->vm_start, addr - vma->vm_start);
		return err;
	}
	return 0;
}

static int map_memory(struct vm_area_struct *vma, struct test_usermap *tu,
		      unsigned long first)
{
	unsigned long nr = vma_pages(vma);

	switch (tu->method) {
	case TEST_USERMAP_ARRAY:
		return vm_insert_pages_prot(vma, vma->vm_start,
					    tu->pages + first, nr,
					    vma->vm_page_prot);
	case TEST_USERMAP_CONTIG:
		return vm_insert_contig_pages_prot(vma, vma->vm_start,
						   tu->pages[first], nr,
						   vma->vm_page_prot);
	case TEST_USERMAP_PFN:
		return map_pfns(vma, tu, first);
	default:
		return vm_insert_pages(vma, vma->vm_start, tu->pages + first,
				       &nr);
	}
}

static void test_usermap_vma_open(struct vm_area_struct *vma)
{
	struct test_usermap *tu = vma->vm_private_data;

	guard(mutex)(&tu->lock);
	if (!(tu->flags & TEST_USERMAP_FORGET_OPEN))
		tu->nr_vmas++;
}

static void test_usermap_vma_close(struct vm_area_struct *vma)
{
	struct test_usermap *tu = vma->vm_private_data;

	guard(mutex)(&tu->lock);
	/* There are more ->close() than counted ->open() with FORGET_OPEN. */
	if (!tu->nr_vmas || --tu->nr_vmas)
		return;
	if (tu->pages && tu->flags & TEST_USERMAP_COUNT_VMAS)
		clear_and_free(tu);
}

static const struct vm_operations_struct test_usermap_vm_ops = {
	.open	= test_usermap_vma_open,
	.close	= test_usermap_vma_close,
};

static int test_usermap_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct test_usermap *tu = file->private_data;
	const pgoff_t first = vma_start_pgoff(vma);
	int err;

	guard(mutex)(&tu->lock);
	if (!tu->pages || first >= tu->nr_pages ||
	    vma_pages(vma) > tu->nr_pages - first)
		return -ENXIO;

	if (!(tu->flags & TEST_USERMAP_EXPANDABLE))
		vm_flags_set(vma, VM_DONTEXPAND);
	err = map_memory(vma, tu, first);
	if (err)
		return err;

	vma->vm_ops = &test_usermap_vm_ops;
	vma->vm_private_data = tu;
	tu->nr_vmas++;
	return 0;
}

/*
 * The ioctls.
 */

static int ioctl_alloc(struct test_usermap *tu, const void __user *arg)
{
	struct test_usermap_alloc alloc;
	int err;

	if (copy_from_user(&alloc, arg, sizeof(alloc)))
		return -EFAULT;
	if (alloc.kind >= TEST_USERMAP_NR_KINDS ||
	    !method_fits(alloc.method, alloc.kind) ||
	    !alloc.nr_pages || alloc.nr_pages > TEST_USERMAP_MAX_PAGES ||
	    alloc.flags & ~TEST_USERMAP_FLAGS)
		return -EINVAL;
	if (is_contiguous(alloc.kind) && alloc.nr_pages > MAX_ORDER_NR_PAGES)
		return -EINVAL;
	if (is_contiguous(alloc.kind) && alloc.kind != TEST_USERMAP_EXACT &&
	    !is_power_of_2(alloc.nr_pages))
		return -EINVAL;
	if (alloc.flags & TEST_USERMAP_FORGET_OPEN) {
		/* It forgets mappings, and so must know that none has a mapcount. */
		if (alloc.method == TEST_USERMAP_REFCOUNT)
			return -EINVAL;
		err = may_make_mistakes();
		if (err)
			return err;
	}

	guard(mutex)(&tu->lock);
	if (tu->pages || tu->nr_vmas)
		return -EBUSY;
	tu->kind = alloc.kind;
	tu->method = alloc.method;
	tu->nr_pages = alloc.nr_pages;
	tu->flags = alloc.flags;
	tu->pages = kvzalloc_objs(*tu->pages, tu->nr_pages);
	if (!tu->pages)
		return -ENOMEM;
	if (!alloc_memory(tu)) {
		kvfree(tu->pages);
		tu->pages = NULL;
		return -ENOMEM;
	}
	for (u64 i = 0; i < tu->nr_pages; i++)
		memcpy_to_page(tu->pages[i], 0, (char *)&i, sizeof(i));
	if (method_needs_type(tu->method))
		set_type(tu);
	return 0;
}

static int ioctl_free(struct test_usermap *tu)
{
	guard(mutex)(&tu->lock);
	if (!tu->pages)
		return -ENXIO;
	if (tu->nr_vmas)
		return -EBUSY;
	clear_and_free(tu);
	return 0;
}

static int ioctl_method(struct test_usermap *tu, unsigned long method)
{
	guard(mutex)(&tu->lock);
	if (!tu->pages)
		return -ENXIO;
	if (!method_fits(method, tu->kind) ||
	    (method == TEST_USERMAP_REFCOUNT &&
	     tu->flags & TEST_USERMAP_FORGET_OPEN))
		return -EINVAL;
	if (tu->nr_vmas)
		return -EBUSY;
	if (tu->typed && !method_needs_type(method))
		clear_type(tu);
	else if (!tu->typed && method_needs_type(method))
		set_type(tu);
	tu->method = method;
	return 0;
}

/*
 * Everything in here is wrong on purpose. It is safe only because the checks
 * keep pages that are freed like this away from the page allocator.
 */
static int ioctl_mistake(struct test_usermap *tu, unsigned long mistake)
{
	int err = may_make_mistakes();

	if (err)
		return err;
	if (mistake >= TEST_USERMAP_NR_MISTAKES)
		return -EINVAL;

	guard(mutex)(&tu->lock);
	if (!tu->pages)
		return -ENXIO;
	/* The references keep the pages, and the mapcount is no type. */
	if (tu->method == TEST_USERMAP_REFCOUNT)
		return -EINVAL;

	switch (mistake) {
	case TEST_USERMAP_FREE_MAPPED:
		clear_and_free(tu);
		return 0;
	case TEST_USERMAP_CLEAR_EARLY:
		if (!tu->typed)
			return -EINVAL;
		clear_type(tu);
		return 0;
	case TEST_USERMAP_TYPE_LATE:
		if (tu->typed)
			return -EINVAL;
		set_type(tu);
		return 0;
	case TEST_USERMAP_FREE_TYPED:
		if (!tu->typed)
			return -EINVAL;
		free_memory(tu);
		return 0;
	default:
		if (!tu->typed || tu->kind != TEST_USERMAP_BLOCK)
			return -EINVAL;
		usermap_clear_pages(tu->pages[0], 1);
		free_memory(tu);
		return 0;
	}
}

static long test_usermap_ioctl(struct file *file, unsigned int cmd,
			       unsigned long arg)
{
	struct test_usermap *tu = file->private_data;

	switch (cmd) {
	case TEST_USERMAP_ALLOC:
		return ioctl_alloc(tu, (const void __user *)arg);
	case TEST_USERMAP_FREE:
		return ioctl_free(tu);
	case TEST_USERMAP_METHOD:
		return ioctl_method(tu, arg);
	case TEST_USERMAP_MISTAKE:
		return ioctl_mistake(tu, arg);
	default:
		return -ENOTTY;
	}
}

static int test_usermap_open(struct inode *inode, struct file *file)
{
	struct test_usermap *tu = kzalloc_obj(*tu);

	if (!tu)
		return -ENOMEM;
	mutex_init(&tu->lock);
	file->private_data = tu;
	return 0;
}

/* No VMA is left: each of them pins the file. */
static int test_usermap_release(struct inode *inode, struct file *file)
{
	struct test_usermap *tu = file->private_data;

	if (tu->pages)
		clear_and_free(tu);
	mutex_destroy(&tu->lock);
	kfree(tu);
	return 0;
}

static const struct file_operations test_usermap_fops = {
	.owner		= THIS_MODULE,
	.open		= test_usermap_open,
	.release	= test_usermap_release,
	.mmap		= test_usermap_mmap,
	.unlocked_ioctl	= test_usermap_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
};

static struct miscdevice test_usermap_device = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "test_usermap",
	.fops	= &test_usermap_fops,
};
module_misc_device(test_usermap_device);

MODULE_DESCRIPTION("Test device for kernel pages in user mappings");
MODULE_LICENSE("GPL");
