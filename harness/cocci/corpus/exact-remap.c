// SPDX-License-Identifier: GPL-2.0
/* alloc_pages_exact(), the PFN in a variable. */
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/slab.h>

struct box {
	void *mem;
	size_t size;
};

static int box_open(struct inode *inode, struct file *file)
{
	struct box *box = file->private_data;

	box->mem = alloc_pages_exact(box->size, GFP_KERNEL);
	if (!box->mem)
		return -ENOMEM;
	return 0;
}

static int box_release(struct inode *inode, struct file *file)
{
	struct box *box = file->private_data;

	free_pages_exact(box->mem, box->size);
	return 0;
}

static int box_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct box *box = file->private_data;
	unsigned long pfn = virt_to_phys(box->mem) >> PAGE_SHIFT;

	return remap_pfn_range(vma, vma->vm_start, pfn, box->size, vma->vm_page_prot);
}

static const struct file_operations box_fops = {
	.owner = THIS_MODULE,
	.open = box_open,
	.release = box_release,
	.mmap = box_mmap,
};
