// SPDX-License-Identifier: GPL-2.0
/* One VMA shows pages and registers. */
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/slab.h>

struct box {
	void *mem;
	phys_addr_t base;
	size_t size;
};

static int box_open(struct inode *inode, struct file *file)
{
	struct box *box = file->private_data;

	box->mem = (void *)__get_free_pages(GFP_KERNEL, 2);
	if (!box->mem)
		return -ENOMEM;
	return 0;
}

static int box_release(struct inode *inode, struct file *file)
{
	struct box *box = file->private_data;

	free_pages((unsigned long)box->mem, 2);
	return 0;
}

static int box_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct box *box = file->private_data;
	int ret;

	ret = io_remap_pfn_range(vma, vma->vm_start, box->base >> PAGE_SHIFT,
				 PAGE_SIZE, vma->vm_page_prot);
	if (ret)
		return ret;
	return remap_pfn_range(vma, vma->vm_start + PAGE_SIZE,
			       virt_to_phys(box->mem) >> PAGE_SHIFT,
			       PAGE_SIZE, vma->vm_page_prot);
}

static const struct file_operations box_fops = {
	.owner = THIS_MODULE,
	.open = box_open,
	.release = box_release,
	.mmap = box_mmap,
};
