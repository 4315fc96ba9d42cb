// SPDX-License-Identifier: GPL-2.0
/* Pages that another process has pinned. */
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/slab.h>

struct box {
	struct page *pages[BOX_PAGES];
	unsigned long addr;
	size_t size;
};

static int box_open(struct inode *inode, struct file *file)
{
	struct box *box = file->private_data;
	struct page *page;

	page = pin_user_page(box->addr);
	box->pages[0] = page;
	return 0;
}

static int box_release(struct inode *inode, struct file *file)
{
	struct box *box = file->private_data;

	unpin_user_page(box->pages[0]);
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
