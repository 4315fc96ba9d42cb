// SPDX-License-Identifier: GPL-2.0
/* dma_alloc_coherent(), mapped by its address. */
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/slab.h>

struct box {
	void *mem;
	struct device *dev;
	dma_addr_t dma;
	size_t size;
};

static int box_open(struct inode *inode, struct file *file)
{
	struct box *box = file->private_data;

	box->mem = dma_alloc_coherent(box->dev, box->size, &box->dma, GFP_KERNEL);
	if (!box->mem)
		return -ENOMEM;
	return 0;
}

static int box_release(struct inode *inode, struct file *file)
{
	struct box *box = file->private_data;

	dma_free_coherent(box->dev, box->size, box->mem, box->dma);
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
