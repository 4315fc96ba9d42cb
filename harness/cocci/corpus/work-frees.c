// SPDX-License-Identifier: GPL-2.0
/* A work item frees. */
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/slab.h>

struct box {
	void *mem;
	struct work_struct work;
	size_t size;
};

static void box_work(struct work_struct *work)
{
	struct box *box = container_of(work, struct box, work);

	vfree(box->mem);
}

static int box_open(struct inode *inode, struct file *file)
{
	struct box *box = file->private_data;

	box->mem = vmalloc_user(box->size);
	if (!box->mem)
		return -ENOMEM;
	INIT_WORK(&box->work, box_work);
	return 0;
}

static int box_release(struct inode *inode, struct file *file)
{
	struct box *box = file->private_data;

	schedule_work(&box->work);
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
	.mmap = box_mmap,
};
