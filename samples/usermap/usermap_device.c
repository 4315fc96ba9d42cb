// SPDX-License-Identifier: GPL-2.0
/*
 * A device with memory that programs map, as an example of usermap pages that
 * come by page faults: see Documentation/mm/usermap_device.rst.
 *
 * There is no device, only the memory. It is allocated as it is touched, or
 * populated, and belongs to a session, which is an open file. The device can be
 * unplugged while it is mapped, and tells a session which of its pages have
 * been written to.
 */
#include <linux/anon_inodes.h>
#include <linux/bitmap.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/gfp.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pagemap.h>
#include <linux/slab.h>
#include <linux/sysfs.h>
#include <linux/uaccess.h>
#include <linux/usermap.h>
#include <linux/xarray.h>

#include "usermap_device.h"

static bool by_dirty_bit;
module_param(by_dirty_bit, bool, 0644);
MODULE_PARM_DESC(by_dirty_bit,
		 "Sessions opened from now on find written pages by the dirty bit");

/**
 * struct session - An open file of the device.
 * @node: In sessions, unless the device is unplugged.
 * @mapped: A file whose inode no other has: all mappings of the session are in
 *	    its address_space, and nothing else is. The invalidate_lock of that
 *	    protects @dead and @dirty, and keeps PTEs from being made meanwhile:
 *	    held for read to make one, for write to take all away.
 * @pages: The pages, by offset.
 * @dirty: Pages that were written to.
 * @by_dirty_bit: @dirty is completed from the PTEs when it is asked for.
 * @dead: The device is unplugged.
 */
struct session {
	struct list_head node;
	struct file *mapped;
	struct xarray pages;
	unsigned long *dirty;
	bool by_dirty_bit;
	bool dead;
};

static DEFINE_MUTEX(sessions_lock);
static LIST_HEAD(sessions);
static bool plugged = true;

/* Nobody opens it. It may be closed a little later than the device. */
static const struct file_operations mapped_fops = {
	.owner		= THIS_MODULE,
};

static struct address_space *session_mapping(struct session *s)
{
	return s->mapped->f_mapping;
}

/* The page at @pgoff, new if need be: two faults may compete for it. */
static struct page *session_page(struct session *s, pgoff_t pgoff)
{
	struct page *page = xa_load(&s->pages, pgoff), *other;

	if (page)
		return page;
	page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!page)
		return NULL;

	/* Before the first mapping. */
	usermap_set_pages(page, 1);
	other = xa_cmpxchg(&s->pages, pgoff, NULL, page, GFP_KERNEL_ACCOUNT);
	if (!other)
		return page;
	usermap_clear_pages(page, 1);
	__free_page(page);
	return xa_is_err(other) ? NULL : other;
}

/* After the last mapping. */
static void session_free_pages(struct session *s)
{
	struct page *page;
	unsigned long pgoff;

	xa_for_each(&s->pages, pgoff, page) {
		usermap_clear_pages(page, 1);
		__free_page(page);
		cond_resched();
	}
	xa_destroy(&s->pages);
}

/* Until the unlock no fault makes a PTE; from then on, they find it dead. */
static void session_revoke(struct session *s)
{
	struct address_space *mapping = session_mapping(s);

	filemap_invalidate_lock(mapping);
	WRITE_ONCE(s->dead, true);
	unmap_mapping_range(mapping, 0, 0, 1);
	filemap_invalidate_unlock(mapping);
	session_free_pages(s);
}

/* ->fault and ->pfn_mkwrite: record a write as the PTE becomes writable. */
static vm_fault_t session_fault(struct vm_fault *vmf)
{
	struct session *s = vmf->vma->vm_private_data;
	struct address_space *mapping = session_mapping(s);
	vm_fault_t ret = VM_FAULT_SIGBUS;
	struct page *page;

	filemap_invalidate_lock_shared(mapping);
	if (s->dead)
		goto unlock;
	ret = VM_FAULT_OOM;
	page = session_page(s, vmf->pgoff);
	if (!page)
		goto unlock;
	if (vmf->flags & FAULT_FLAG_WRITE) {
		ret = vmf_insert_usermap_page_mkwrite(vmf, page);
		if (ret == VM_FAULT_NOPAGE)
			set_bit(vmf->pgoff, s->dirty);
	} else {
		ret = vmf_insert_usermap_page(vmf, page);
	}
unlock:
	filemap_invalidate_unlock_shared(mapping);
	return ret;
}

static const struct vm_operations_struct session_vm_ops = {
	.fault		= session_fault,
	.pfn_mkwrite	= session_fault,
};

/* Writes to a page that is mapped are not to fault. */
static const struct vm_operations_struct session_by_dirty_bit_vm_ops = {
	.fault		= session_fault,
};

static int device_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct session *s = file->private_data;
	const pgoff_t first = vma_start_pgoff(vma);

	if (first >= USERMAP_DEVICE_PAGES ||
	    vma_pages(vma) > USERMAP_DEVICE_PAGES - first)
		return -ENXIO;
	/* Writes to a copy would not be writes to the device. */
	if (!(vma->vm_flags & VM_MAYSHARE))
		return -EINVAL;
	if (vma->vm_flags & VM_EXEC)
		return -EACCES;
	/* It may die right after this: faults have to look again. */
	if (READ_ONCE(s->dead))
		return -ENODEV;

	vm_flags_mod(vma, VM_MIXEDMAP | VM_DONTEXPAND | VM_DONTDUMP,
		     VM_MAYEXEC);
	vma->vm_private_data = s;
	vma->vm_ops = s->by_dirty_bit ? &session_by_dirty_bit_vm_ops :
					&session_vm_ops;
	return 0;
}

/*
 * Complete s->dirty, and have it start anew in *@dirty: either writes come to
 * session_fault() again, or they set the dirty bit again.
 */
static int session_swap_dirty(struct session *s, unsigned long **dirty)
{
	struct address_space *mapping = session_mapping(s);
	pgoff_t start = 0, end = 0;
	int err = 0;

	filemap_invalidate_lock(mapping);
	if (s->dead)
		err = -ENODEV;
	else if (s->by_dirty_bit)
		clean_record_shared_mapping_range(mapping, 0,
						  USERMAP_DEVICE_PAGES, 0,
						  s->dirty, &start, &end);
	else
		wp_shared_mapping_range(mapping, 0, USERMAP_DEVICE_PAGES);
	if (!err)
		swap(s->dirty, *dirty);
	filemap_invalidate_unlock(mapping);
	return err;
}

static long session_get_dirty(struct session *s, void __user *to)
{
	unsigned long *dirty = bitmap_zalloc(USERMAP_DEVICE_PAGES,
					     GFP_KERNEL_ACCOUNT);
	long ret;

	if (!dirty)
		return -ENOMEM;
	ret = session_swap_dirty(s, &dirty);
	if (ret)
		goto free;

	ret = bitmap_weight(dirty, USERMAP_DEVICE_PAGES);
	if (copy_to_user(to, dirty, USERMAP_DEVICE_PAGES / BITS_PER_BYTE)) {
		/* Nobody has been told. */
		filemap_invalidate_lock(session_mapping(s));
		bitmap_or(s->dirty, s->dirty, dirty, USERMAP_DEVICE_PAGES);
		filemap_invalidate_unlock(session_mapping(s));
		ret = -EFAULT;
	}
free:
	bitmap_free(dirty);
	return ret;
}

static long device_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	if (cmd != USERMAP_DEVICE_DIRTY)
		return -ENOTTY;
	return session_get_dirty(file->private_data, (void __user *)arg);
}

static void session_free(struct session *s)
{
	session_free_pages(s);
	bitmap_free(s->dirty);
	if (s->mapped)
		fput(s->mapped);
	kfree(s);
}

static struct session *session_alloc(struct inode *inode)
{
	struct session *s = kzalloc_obj(*s, GFP_KERNEL_ACCOUNT);
	struct file *mapped;

	if (!s)
		return ERR_PTR(-ENOMEM);
	xa_init(&s->pages);
	s->by_dirty_bit = READ_ONCE(by_dirty_bit);
	s->dirty = bitmap_zalloc(USERMAP_DEVICE_PAGES, GFP_KERNEL_ACCOUNT);
	if (!s->dirty) {
		session_free(s);
		return ERR_PTR(-ENOMEM);
	}
	mapped = anon_inode_create_getfile("[usermap_device]", &mapped_fops,
					   NULL, O_RDWR, inode);
	if (IS_ERR(mapped)) {
		session_free(s);
		return ERR_CAST(mapped);
	}
	s->mapped = mapped;
	return s;
}

static int device_open(struct inode *inode, struct file *file)
{
	struct session *s = session_alloc(inode);

	if (IS_ERR(s))
		return PTR_ERR(s);

	mutex_lock(&sessions_lock);
	if (!plugged) {
		mutex_unlock(&sessions_lock);
		session_free(s);
		return -ENODEV;
	}
	list_add(&s->node, &sessions);
	mutex_unlock(&sessions_lock);

	file->private_data = s;
	/* mmap() puts the VMA there, not into that of the device node. */
	file->f_mapping = session_mapping(s);
	return 0;
}

/* Every mapping pins the file: there is none any more. */
static int device_release(struct inode *inode, struct file *file)
{
	struct session *s = file->private_data;

	mutex_lock(&sessions_lock);
	list_del(&s->node);
	mutex_unlock(&sessions_lock);
	session_free(s);
	return 0;
}

static const struct file_operations device_fops = {
	.owner		= THIS_MODULE,
	.open		= device_open,
	.mmap		= device_mmap,
	.unlocked_ioctl	= device_ioctl,
	.release	= device_release,
};

static ssize_t plugged_show(struct device *dev, struct device_attribute *attr,
			    char *buf)
{
	return sysfs_emit(buf, "%d\n", READ_ONCE(plugged));
}

/* What was open when the device went stays dead when it comes back. */
static ssize_t plugged_store(struct device *dev, struct device_attribute *attr,
			     const char *buf, size_t count)
{
	struct session *s, *next;
	bool plug;
	int err;

	err = kstrtobool(buf, &plug);
	if (err)
		return err;

	mutex_lock(&sessions_lock);
	WRITE_ONCE(plugged, plug);
	if (!plug) {
		list_for_each_entry_safe(s, next, &sessions, node) {
			list_del_init(&s->node);
			session_revoke(s);
		}
	}
	mutex_unlock(&sessions_lock);
	return count;
}
static DEVICE_ATTR_RW(plugged);

static struct attribute *device_attrs[] = {
	&dev_attr_plugged.attr,
	NULL
};
ATTRIBUTE_GROUPS(device);

static struct miscdevice usermap_device = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "usermap_device",
	.fops	= &device_fops,
	.groups	= device_groups,
};
module_misc_device(usermap_device);

MODULE_DESCRIPTION("Example of device memory in user mappings");
MODULE_LICENSE("GPL");
