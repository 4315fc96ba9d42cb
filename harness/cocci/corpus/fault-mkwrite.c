// SPDX-License-Identifier: GPL-2.0
/* Each first write comes to the driver. */
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/slab.h>

struct box {
	unsigned long dirty;
	struct page *pages[BOX_PAGES];
	size_t size;
};

static int box_open(struct inode *inode, struct file *file)
{
	struct box *box = file->private_data;
	int i;

	for (i = 0; i < BOX_PAGES; i++) {
		box->pages[i] = alloc_page(GFP_KERNEL);
		if (!box->pages[i])
			return -ENOMEM;
	}
	return 0;
}

static int box_release(struct inode *inode, struct file *file)
{
	struct box *box = file->private_data;
	int i;

	for (i = 0; i < BOX_PAGES; i++)
		__free_page(box->pages[i]);
	return 0;
}

static vm_fault_t box_fault(struct vm_fault *vmf)
{
	struct box *box = vmf->vma->vm_private_data;
	struct page *page;

	if (vmf->pgoff >= BOX_PAGES)
		return VM_FAULT_SIGBUS;
	page = box->pages[vmf->pgoff];
	get_page(page);
	vmf->page = page;
	return 0;
}

static vm_fault_t box_mkwrite(struct vm_fault *vmf)
{
	struct box *box = vmf->vma->vm_private_data;

	set_bit(vmf->pgoff, &box->dirty);
	return 0;
}

static const struct vm_operations_struct box_vm_ops = {
	.fault = box_fault,
	.page_mkwrite = box_mkwrite,
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
