// SPDX-License-Identifier: GPL-2.0
/* The ioctl frees, unless a VMA is there. */
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/slab.h>

struct box {
	void *mem;
	int mapped;
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

static void box_vma_open(struct vm_area_struct *vma)
{
	struct box *box = vma->vm_private_data;

	box->mapped++;
}

static void box_vma_close(struct vm_area_struct *vma)
{
	struct box *box = vma->vm_private_data;

	box->mapped--;
}

static const struct vm_operations_struct box_vm_ops = {
	.open = box_vma_open,
	.close = box_vma_close,
};

static long box_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct box *box = file->private_data;
	int ret = 0;

	if (box->mapped) {
		ret = -EBUSY;
	} else {
		vfree(box->mem);
		box->mem = NULL;
	}
	return ret;
}

static int box_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct box *box = file->private_data;

	vma->vm_ops = &box_vm_ops;
	vma->vm_private_data = box;
	box_vma_open(vma);
	return remap_vmalloc_range(vma, box->mem, 0);
}

static const struct file_operations box_fops = {
	.owner = THIS_MODULE,
	.open = box_open,
	.release = box_release,
	.unlocked_ioctl = box_ioctl,
	.mmap = box_mmap,
};
