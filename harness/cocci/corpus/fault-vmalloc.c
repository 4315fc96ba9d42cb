// SPDX-License-Identifier: GPL-2.0
/* vmalloc() memory, handed out by ->fault. */
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

static vm_fault_t box_fault(struct vm_fault *vmf)
{
	struct box *box = vmf->vma->vm_private_data;
	struct page *page;

	page = vmalloc_to_page(box->mem + (vmf->pgoff << PAGE_SHIFT));
	if (!page)
		return VM_FAULT_SIGBUS;
	get_page(page);
	vmf->page = page;
	return 0;
}

static const struct vm_operations_struct box_vm_ops = {
	.fault = box_fault,
};

static int box_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct box *box = file->private_data;

	vma->vm_ops = &box_vm_ops;
	vma->vm_private_data = box;
	return 0;
}

static const struct file_operations box_fops = {
	.owner = THIS_MODULE,
	.open = box_open,
	.release = box_release,
	.mmap = box_mmap,
};
