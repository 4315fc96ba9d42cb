// SPDX-License-Identifier: GPL-2.0
/* get_zeroed_page() in an unsigned long, inserted. */
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/slab.h>

struct box {
	unsigned long mem;
	size_t size;
};

static int box_open(struct inode *inode, struct file *file)
{
	struct box *box = file->private_data;

	box->mem = get_zeroed_page(GFP_KERNEL);
	if (!box->mem)
		return -ENOMEM;
	return 0;
}

static int box_release(struct inode *inode, struct file *file)
{
	struct box *box = file->private_data;

	free_page(box->mem);
	return 0;
}

static int box_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct box *box = file->private_data;

	return vm_insert_page(vma, vma->vm_start, virt_to_page((void *)box->mem));
}

static const struct file_operations box_fops = {
	.owner = THIS_MODULE,
	.open = box_open,
	.release = box_release,
	.mmap = box_mmap,
};
