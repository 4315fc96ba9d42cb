// SPDX-License-Identifier: GPL-2.0
/* An array of pages, mapped by PFN one by one. */
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/slab.h>

struct box {
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

static int box_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct box *box = file->private_data;
	int i;

	for (i = 0; i < vma_pages(vma); i++)
		if (remap_pfn_range(vma, vma->vm_start + i * PAGE_SIZE,
				    page_to_pfn(box->pages[i]), PAGE_SIZE, vma->vm_page_prot))
			return -EAGAIN;
	return 0;
}

static const struct file_operations box_fops = {
	.owner = THIS_MODULE,
	.open = box_open,
	.release = box_release,
	.mmap = box_mmap,
};
