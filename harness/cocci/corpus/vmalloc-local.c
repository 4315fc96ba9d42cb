// SPDX-License-Identifier: GPL-2.0
/* vmalloc() checked in the condition, through a local variable. */
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
	void *area;

	if (!(area = vzalloc(box->size)))
		return -ENOMEM;
	box->mem = area;
	return 0;
}

static int box_release(struct inode *inode, struct file *file)
{
	struct box *box = file->private_data;

	if (box->mem)
		vfree(box->mem);
	return 0;
}

static int box_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct box *box = file->private_data;
	int err;

	err = remap_vmalloc_range(vma, box->mem, 0);
	return err;
}

static const struct file_operations box_fops = {
	.owner = THIS_MODULE,
	.open = box_open,
	.release = box_release,
	.mmap = box_mmap,
};
