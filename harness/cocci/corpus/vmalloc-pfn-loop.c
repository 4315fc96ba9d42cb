// SPDX-License-Identifier: GPL-2.0
/* vmalloc() memory, mapped by PFN page by page. */
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

	box->mem = vmalloc_user(box->size);
	if (!box->mem)
		return -ENOMEM;
	return 0;
}

static int box_release(struct inode *inode, struct file *file)
{
	struct box *box = file->private_data;

	vfree(box->mem);
	return 0;
}

static int box_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct box *box = file->private_data;
	unsigned long off;

	for (off = 0; off < box->size; off += PAGE_SIZE) {
		if (remap_pfn_range(vma, vma->vm_start + off, vmalloc_to_pfn(box->mem + off),
				    PAGE_SIZE, vma->vm_page_prot))
			return -EAGAIN;
	}
	return 0;
}

static const struct file_operations box_fops = {
	.owner = THIS_MODULE,
	.open = box_open,
	.release = box_release,
	.mmap = box_mmap,
};
