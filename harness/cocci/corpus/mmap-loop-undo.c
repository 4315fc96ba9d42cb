// SPDX-License-Identifier: GPL-2.0
/* A loop that fails half-way leaves mappings, of what is freed next. */
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/slab.h>

#define BOX_PAGES 4

struct box {
	struct page *pages[BOX_PAGES];
};

static void box_free(struct box *box)
{
	int i;

	for (i = 0; i < BOX_PAGES; i++)
		__free_page(box->pages[i]);
	kfree(box);
}

static int box_release(struct inode *inode, struct file *file)
{
	if (file->private_data)
		box_free(file->private_data);
	return 0;
}

static int box_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct box *box = kzalloc(sizeof(*box), GFP_KERNEL);
	int i, ret;

	if (!box)
		return -ENOMEM;
	for (i = 0; i < BOX_PAGES; i++) {
		box->pages[i] = alloc_page(GFP_KERNEL);
		if (!box->pages[i])
			goto nomem;
	}
	for (i = 0; i < BOX_PAGES; i++) {
		ret = vm_insert_page(vma, vma->vm_start + i * PAGE_SIZE,
				     box->pages[i]);
		if (ret)
			goto err;
	}
	file->private_data = box;
	return 0;

nomem:
	while (i--)
		__free_page(box->pages[i]);
	kfree(box);
	return -ENOMEM;

err:
	box_free(box);
	return ret;
}

static const struct file_operations box_fops = {
	.owner = THIS_MODULE,
	.release = box_release,
	.mmap = box_mmap,
};
