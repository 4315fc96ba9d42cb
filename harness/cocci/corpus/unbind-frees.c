// SPDX-License-Identifier: GPL-2.0
/* ->probe allocates, ->remove frees under the mappings. */
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/slab.h>

struct box {
	void *mem;
	size_t size;
};

static struct box *the_box;

static int box_probe(struct platform_device *pdev)
{
	struct box *box = the_box;

	box->mem = vmalloc_user(box->size);
	if (!box->mem)
		return -ENOMEM;
	return 0;
}

static void box_remove(struct platform_device *pdev)
{
	vfree(the_box->mem);
}

static int box_mmap(struct file *file, struct vm_area_struct *vma)
{
	return remap_vmalloc_range(vma, the_box->mem, 0);
}

static const struct file_operations box_fops = {
	.mmap = box_mmap,
};

static struct platform_driver box_driver = {
	.probe = box_probe,
	.remove = box_remove,
};
