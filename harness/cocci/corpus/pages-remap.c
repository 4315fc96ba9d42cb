// SPDX-License-Identifier: GPL-2.0
/* alloc_pages_node() of an order, page_address(). */
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/slab.h>

struct box {
	void *mem;
	int node;
	size_t size;
};

static int box_open(struct inode *inode, struct file *file)
{
	struct box *box = file->private_data;
	struct page *page;

	page = alloc_pages_node(box->node, GFP_KERNEL, get_order(box->size));
	if (!page)
		return -ENOMEM;
	box->mem = page_address(page);
	return 0;
}

static int box_release(struct inode *inode, struct file *file)
{
	struct box *box = file->private_data;

	if (box->mem)
		free_pages((unsigned long)box->mem, get_order(box->size));
	return 0;
}

static int box_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct box *box = file->private_data;
	unsigned long size = vma->vm_end - vma->vm_start;

	if (size > box->size)
		return -EINVAL;
	return remap_pfn_range(vma, vma->vm_start,
			       virt_to_phys(box->mem) >> PAGE_SHIFT,
			       size, vma->vm_page_prot);
}

static const struct file_operations box_fops = {
	.owner = THIS_MODULE,
	.open = box_open,
	.release = box_release,
	.mmap = box_mmap,
};
