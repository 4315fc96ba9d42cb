// SPDX-License-Identifier: GPL-2.0
/* Unbinding frees what is mapped, and there never was a reference. */
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/platform_device.h>
#include <linux/slab.h>

struct box {
	void *mem;
};

static struct box box;

static int box_mmap(struct file *file, struct vm_area_struct *vma)
{
	return remap_pfn_range(vma, vma->vm_start,
			       virt_to_phys(box.mem) >> PAGE_SHIFT,
			       vma->vm_end - vma->vm_start, vma->vm_page_prot);
}

static int box_probe(struct platform_device *dev)
{
	box.mem = (void *)__get_free_pages(GFP_KERNEL, 2);
	if (!box.mem)
		return -ENOMEM;
	return 0;
}

static void box_remove(struct platform_device *dev)
{
	free_pages((unsigned long)box.mem, 2);
}

static struct platform_driver box_driver = {
	.probe = box_probe,
	.remove = box_remove,
};

static const struct file_operations box_fops = {
	.owner = THIS_MODULE,
	.mmap = box_mmap,
};
