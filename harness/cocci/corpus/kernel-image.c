// SPDX-License-Identifier: GPL-2.0
/* A variable of the kernel. */
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/slab.h>

static char box_status[PAGE_SIZE] __aligned(PAGE_SIZE);

static int box_mmap(struct file *file, struct vm_area_struct *vma)
{
	return remap_pfn_range(vma, vma->vm_start, virt_to_phys(box_status) >> PAGE_SHIFT,
			       PAGE_SIZE, vma->vm_page_prot);
}

static const struct file_operations box_fops = {
	.mmap = box_mmap,
};
