// SPDX-License-Identifier: GPL-2.0
/*
 * A device that each opener shares a few pages with, as an example of the
 * usermap API: see Documentation/mm/usermap.rst, which includes this file.
 *
 * The pages belong to the open file. A mapping pins its file, so that
 * ->release() runs when neither the file nor a mapping of it is left: no page
 * table maps the pages then.
 */
#include <linux/fs.h>
#include <linux/gfp.h>
#include <linux/log2.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/usermap.h>

#define SAMPLE_PAGES	4UL
#define SAMPLE_ORDER	ilog2(SAMPLE_PAGES)

static int sample_open(struct inode *inode, struct file *file)
{
	struct page *page;

	page = alloc_pages(GFP_KERNEL | __GFP_ZERO | __GFP_COMP, SAMPLE_ORDER);
	if (!page)
		return -ENOMEM;

	/* Before the first mapping. */
	usermap_set_pages(page, SAMPLE_PAGES);
	file->private_data = page;
	return 0;
}

static int sample_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct page *page = file->private_data;
	const pgoff_t first = vma_start_pgoff(vma);

	if (first >= SAMPLE_PAGES || vma_pages(vma) > SAMPLE_PAGES - first)
		return -ENXIO;

	/* There is nothing to map in what mremap() could add. */
	vm_flags_set(vma, VM_DONTEXPAND);
	return vm_insert_contig_pages_prot(vma, vma->vm_start, page + first,
					   vma_pages(vma), vma->vm_page_prot);
}

static int sample_release(struct inode *inode, struct file *file)
{
	struct page *page = file->private_data;

	/* After the last mapping, before the put. */
	usermap_clear_pages(page, SAMPLE_PAGES);
	__free_pages(page, SAMPLE_ORDER);
	return 0;
}

static const struct file_operations sample_fops = {
	.owner		= THIS_MODULE,
	.open		= sample_open,
	.mmap		= sample_mmap,
	.release	= sample_release,
};

static struct miscdevice sample_device = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "usermap_sample",
	.fops	= &sample_fops,
};
module_misc_device(sample_device);

MODULE_DESCRIPTION("Example of kernel pages in user mappings");
MODULE_LICENSE("GPL");
