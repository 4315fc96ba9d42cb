// SPDX-License-Identifier: GPL-2.0
/* SetPageReserved() in loops. */
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
	for (i = 0; i < BOX_PAGES; i++)
		SetPageReserved(box->pages[i]);
	return 0;
}

static int box_release(struct inode *inode, struct file *file)
{
	struct box *box = file->private_data;
	int i;

	for (i = 0; i < BOX_PAGES; i++)
		ClearPageReserved(box->pages[i]);
	for (i = 0; i < BOX_PAGES; i++)
		__free_page(box->pages[i]);
	return 0;
}

static int box_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct box *box = file->private_data;

	return vm_map_pages(vma, box->pages, BOX_PAGES);
}

static const struct file_operations box_fops = {
	.owner = THIS_MODULE,
	.open = box_open,
	.release = box_release,
	.mmap = box_mmap,
};
