// SPDX-License-Identifier: GPL-2.0
/* A frame buffer in vmalloc memory, freed with the fb_info that files hold. */
#include <linux/fb.h>
#include <linux/mm.h>
#include <linux/platform_device.h>
#include <linux/vmalloc.h>

static void *box_mem;

static void box_destroy(struct fb_info *info)
{
	vfree(info->screen_buffer);
	framebuffer_release(info);
}

static int box_mmap(struct fb_info *info, struct vm_area_struct *vma)
{
	vma->vm_page_prot = pgprot_decrypted(vma->vm_page_prot);

	return remap_vmalloc_range(vma, (void *)info->fix.smem_start,
				   vma->vm_pgoff);
}

static const struct fb_ops box_ops = {
	.owner = THIS_MODULE,
	.fb_destroy = box_destroy,
	.fb_mmap = box_mmap,
};

static int box_probe(struct platform_device *dev)
{
	struct fb_info *info;
	int ret = -ENOMEM;

	if (!(box_mem = vmalloc_32_user(PAGE_SIZE)))
		return ret;

	info = framebuffer_alloc(0, &dev->dev);
	if (!info)
		goto err;
	info->screen_buffer = box_mem;
	info->fbops = &box_ops;
	info->fix.smem_start = (unsigned long)box_mem;
	ret = register_framebuffer(info);
	if (ret < 0)
		goto err_release;
	return 0;

err_release:
	framebuffer_release(info);
err:
	vfree(box_mem);
	return ret;
}
