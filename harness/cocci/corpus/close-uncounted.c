// SPDX-License-Identifier: GPL-2.0
/* ->close frees, ->open does not count. */
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/slab.h>

struct box {
	void *mem;
	int users;
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

	return 0;
}

static void box_vma_close(struct vm_area_struct *vma)
{
	struct box *box = vma->vm_private_data;

	box->users--;
	if (!box->users)
		vfree(box->mem);
}

static const struct vm_operations_struct box_vm_ops = {
	.close = box_vma_close,
};

static int box_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct box *box = file->private_data;

	box->users = 1;
	vma->vm_ops = &box_vm_ops;
	vma->vm_private_data = box;
	return remap_vmalloc_range(vma, box->mem, 0);
}

static const struct file_operations box_fops = {
	.owner = THIS_MODULE,
	.open = box_open,
	.release = box_release,
	.mmap = box_mmap,
};
