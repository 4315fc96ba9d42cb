/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the usermap tests of perf mappings share.
 *
 * Include kselftest_harness.h first.
 */
#ifndef _USERMAP_PERF_H
#define _USERMAP_PERF_H

#include <linux/perf_event.h>

#include "../mm/usermap.h"

/* What kernel_has_usermap() says, for main() to set. */
static bool has_usermap;

static inline int perf_open(struct perf_event_attr *attr)
{
	attr->size = sizeof(*attr);
	return syscall(__NR_perf_event_open, attr, 0, -1, -1,
		       PERF_FLAG_FD_CLOEXEC);
}

static inline uint64_t load_acquire64(const __u64 *p)
{
	uint64_t val = READ_ONCE(*p);

	__sync_synchronize();
	return val;
}

static inline void store_release64(__u64 *p, uint64_t val)
{
	__sync_synchronize();
	WRITE_ONCE(*p, val);
}

#endif /* _USERMAP_PERF_H */
