// SPDX-License-Identifier: GPL-2.0
/* A BAR, by remap_pfn_range(). */
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/slab.h>

struct box {
	unsigned long base;
	struct pci_dev *pdev;
	size_t size;
};

static int box_open(struct inode *inode, struct file *file)
{
	struct box *box = file->private_data;

	box->base = pci_resource_start(box->pdev, 0);
	return 0;
}

static int box_release(struct inode *inode, struct file *file)
{
	struct box *box = file->private_data;

	box->base = 0;
	return 0;
}

static int box_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct box *box = file->private_data;

	return remap_pfn_range(vma, vma->vm_start, box->base >> PAGE_SHIFT,
			       box->size, vma->vm_page_prot);
}

static const struct file_operations box_fops = {
	.owner = THIS_MODULE,
	.open = box_open,
	.release = box_release,
	.mmap = box_mmap,
};
