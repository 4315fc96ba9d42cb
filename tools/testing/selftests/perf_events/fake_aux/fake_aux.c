// SPDX-License-Identifier: GPL-2.0
/*
 * A software PMU with an AUX area, to test mappings of AUX areas on machines
 * whose hardware has none.
 *
 * Each time an event stops, it appends config:0-31 bytes to its AUX area. Each
 * u64 of them is its own position in the stream, with FAKE_AUX_MAGIC in the
 * upper 16 bits. The position never wraps, in overwrite mode neither: the
 * stream's byte N is at N modulo the size of the area.
 */

#include <linux/atomic.h>
#include <linux/device.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/perf_event.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/sysfs.h>

#define FAKE_AUX_MAGIC	(0xa0f5ULL << 48)

static bool no_sg;
module_param(no_sg, bool, 0444);
MODULE_PARM_DESC(no_sg, "the PMU cannot do scatter-gather");

static bool prefer_large;
module_param(prefer_large, bool, 0444);
MODULE_PARM_DESC(prefer_large, "the PMU prefers large allocations");

static bool hold;
module_param(hold, bool, 0644);
MODULE_PARM_DESC(hold, "let mmap() of an AUX area wait until this is N again");

/* AUX pages that are set up and not freed yet, also in sysfs. */
static atomic_t pages_in_use = ATOMIC_INIT(0);

/**
 * struct fake_aux_area - what setup_aux() knows of an AUX area
 * @pages: addresses of its pages; the array belongs to perf
 * @nr_pages: number of them, a power of two
 * @overwrite: user space mapped the area read-only
 */
struct fake_aux_area {
	void **pages;
	int nr_pages;
	bool overwrite;
};

/* The event that is active on a CPU: PERF_PMU_CAP_EXCLUSIVE allows for one. */
static DEFINE_PER_CPU(struct perf_output_handle, fake_aux_handle);

static void *fake_aux_setup_aux(struct perf_event *event, void **pages,
				int nr, bool overwrite)
{
	struct fake_aux_area *area;

	area = kzalloc_obj(*area);
	if (!area)
		return NULL;

	area->pages = pages;
	area->nr_pages = nr;
	area->overwrite = overwrite;
	atomic_add(nr, &pages_in_use);
	while (READ_ONCE(hold) && !fatal_signal_pending(current))
		schedule_timeout_killable(1);
	return area;
}

static void fake_aux_free_aux(void *priv)
{
	struct fake_aux_area *area = priv;

	atomic_sub(area->nr_pages, &pages_in_use);
	kfree(area);
}

/* Write the @size bytes of the stream that begin at @head. */
static void fake_aux_write(struct fake_aux_area *area, unsigned long head,
			   unsigned long size)
{
	unsigned long mask = ((unsigned long)area->nr_pages << PAGE_SHIFT) - 1;
	unsigned long pos;

	for (pos = head; pos != head + size; pos += sizeof(u64)) {
		unsigned long offset = pos & mask;
		u64 *word = area->pages[offset >> PAGE_SHIFT] +
			    offset_in_page(offset);

		*word = FAKE_AUX_MAGIC | pos;
	}
}

static void fake_aux_start(struct perf_event *event, int flags)
{
	struct perf_output_handle *handle = this_cpu_ptr(&fake_aux_handle);

	if (perf_aux_output_begin(handle, event))
		event->hw.state = 0;
	else
		event->hw.state = PERF_HES_STOPPED;
}

static void fake_aux_stop(struct perf_event *event, int flags)
{
	struct perf_output_handle *handle = this_cpu_ptr(&fake_aux_handle);
	unsigned long size = round_down((u32)event->attr.config, sizeof(u64));
	struct fake_aux_area *area;
	unsigned long room;

	if (event->hw.state & PERF_HES_STOPPED)
		return;
	event->hw.state |= PERF_HES_STOPPED;

	area = perf_get_aux(handle);
	if (!area)
		return;

	if (area->overwrite)
		room = (unsigned long)area->nr_pages << PAGE_SHIFT;
	else
		room = round_down(handle->size, sizeof(u64));

	if (size > room) {
		size = room;
		/* The reader must make room before the event can go on. */
		if (!area->overwrite)
			perf_aux_output_flag(handle, PERF_AUX_FLAG_TRUNCATED);
	}

	fake_aux_write(area, handle->head, size);
	local64_add(size, &event->count);
	if (area->overwrite)
		handle->head += size;
	perf_aux_output_end(handle, size);
}

static int fake_aux_add(struct perf_event *event, int flags)
{
	struct perf_output_handle *handle = this_cpu_ptr(&fake_aux_handle);

	if (handle->event)
		return -EBUSY;

	event->hw.state = PERF_HES_STOPPED;
	if (flags & PERF_EF_START) {
		fake_aux_start(event, flags);
		if (event->hw.state & PERF_HES_STOPPED)
			return -EINVAL;
	}
	return 0;
}

static void fake_aux_del(struct perf_event *event, int flags)
{
	fake_aux_stop(event, PERF_EF_UPDATE);
}

static void fake_aux_read(struct perf_event *event)
{
}

static struct pmu fake_aux_pmu;

static int fake_aux_event_init(struct perf_event *event)
{
	return event->attr.type == fake_aux_pmu.type ? 0 : -ENOENT;
}

static ssize_t nr_pages_show(struct device *dev, struct device_attribute *attr,
			     char *buf)
{
	return sysfs_emit(buf, "%d\n", atomic_read(&pages_in_use));
}
static DEVICE_ATTR_RO(nr_pages);

static struct attribute *fake_aux_attrs[] = {
	&dev_attr_nr_pages.attr,
	NULL,
};

static const struct attribute_group fake_aux_group = {
	.attrs = fake_aux_attrs,
};

PMU_FORMAT_ATTR(bytes, "config:0-31");

static struct attribute *fake_aux_format_attrs[] = {
	&format_attr_bytes.attr,
	NULL,
};

static const struct attribute_group fake_aux_format_group = {
	.name = "format",
	.attrs = fake_aux_format_attrs,
};

static const struct attribute_group *fake_aux_attr_groups[] = {
	&fake_aux_group,
	&fake_aux_format_group,
	NULL,
};

static struct pmu fake_aux_pmu = {
	.module		= THIS_MODULE,
	.attr_groups	= fake_aux_attr_groups,
	.capabilities	= PERF_PMU_CAP_EXCLUSIVE | PERF_PMU_CAP_ITRACE,
	.task_ctx_nr	= perf_sw_context,
	.event_init	= fake_aux_event_init,
	.add		= fake_aux_add,
	.del		= fake_aux_del,
	.start		= fake_aux_start,
	.stop		= fake_aux_stop,
	.read		= fake_aux_read,
	.setup_aux	= fake_aux_setup_aux,
	.free_aux	= fake_aux_free_aux,
};

static int __init fake_aux_init(void)
{
	if (no_sg)
		fake_aux_pmu.capabilities |= PERF_PMU_CAP_AUX_NO_SG;
	if (prefer_large)
		fake_aux_pmu.capabilities |= PERF_PMU_CAP_AUX_PREFER_LARGE;

	return perf_pmu_register(&fake_aux_pmu, "fake_aux", -1);
}
module_init(fake_aux_init);

static void __exit fake_aux_exit(void)
{
	perf_pmu_unregister(&fake_aux_pmu);
}
module_exit(fake_aux_exit);

MODULE_DESCRIPTION("Software PMU with an AUX area, for tests");
MODULE_LICENSE("GPL");
