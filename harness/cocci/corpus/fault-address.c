// SPDX-License-Identifier: GPL-2.0
/* One page, the reference taken after vmf->page is set. */
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

	box->mem = (void *)__get_free_pages(GFP_KERNEL, 2);
	if (!box->mem)
		return -ENOMEM;
	return 0;
}

static int box_release(struct inode *inode, struct file *file)
{
	struct box *box = file->private_data;

	free_pages((unsigned long)box->mem, 2);
	return 0;
}

static vm_fault_t box_fault(struct vm_fault *vmf)
{
	struct box *box = vmf->vma->vm_private_data;

	if (vmf->pgoff >= 4)
		return VM_FAULT_SIGBUS;
	vmf->page = virt_to_page(box->mem + (vmf->pgoff << PAGE_SHIFT));
	get_page(vmf->page);
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
