// SPDX-License-Identifier: GPL-2.0
/* Folios of the page cache. */
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/slab.h>

struct box {
	struct page *pages[BOX_PAGES];
	struct address_space *mapping;
	size_t size;
};

static int box_open(struct inode *inode, struct file *file)
{
	struct box *box = file->private_data;

	box->pages[0] = find_or_create_page(box->mapping, 0, GFP_KERNEL);
	if (!box->pages[0])
		return -ENOMEM;
	return 0;
}

static int box_release(struct inode *inode, struct file *file)
{
	struct box *box = file->private_data;

	put_page(box->pages[0]);
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
