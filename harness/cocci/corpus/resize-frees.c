// SPDX-License-Identifier: GPL-2.0
/* A resize replaces the memory. */
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

static long box_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct box *box = file->private_data;
	void *new;

	new = vmalloc_user(arg);
	if (!new)
		return -ENOMEM;
	vfree(box->mem);
	box->mem = new;
	return 0;
}

static int box_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct box *box = file->private_data;

	return remap_vmalloc_range(vma, box->mem, vma->vm_pgoff);
}

static const struct file_operations box_fops = {
	.owner = THIS_MODULE,
	.open = box_open,
	.release = box_release,
	.unlocked_ioctl = box_ioctl,
	.mmap = box_mmap,
};
