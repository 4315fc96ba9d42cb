// SPDX-License-Identifier: GPL-2.0
/* ->mmap allocates, the last ->close frees. */
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/slab.h>

struct box {
	struct page *pages[BOX_PAGES];
	int users, nr;
	size_t size;
};

static void box_free(struct box *box)
{
	int i;

	for (i = 0; i < box->nr; i++)
		__free_page(box->pages[i]);
	kfree(box);
}

static void box_vma_open(struct vm_area_struct *vma)
{
	struct box *box = vma->vm_private_data;

	box->users++;
}

static void box_vma_close(struct vm_area_struct *vma)
{
	struct box *box = vma->vm_private_data;

	box->users--;
	if (box->users == 0)
		box_free(box);
}

static const struct vm_operations_struct box_vm_ops = {
	.open = box_vma_open,
	.close = box_vma_close,
};

static int box_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct box *box = kzalloc(sizeof(*box), GFP_KERNEL);
	int ret;

	if (!box)
		return -ENOMEM;
	while (box->nr < vma_pages(vma)) {
		box->pages[box->nr] = alloc_page(GFP_KERNEL);
		if (!box->pages[box->nr])
			break;
		box->nr++;
	}
	box->users = 1;
	vma->vm_ops = &box_vm_ops;
	vma->vm_private_data = box;
	ret = vm_map_pages_zero(vma, box->pages, box->nr);
	if (ret)
		box_free(box);
	return ret;
}

static const struct file_operations box_fops = {
	.mmap = box_mmap,
};
