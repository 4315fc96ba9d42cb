/* SPDX-License-Identifier: GPL-2.0 */
/* QEMU runs with -icount shift=0: either counter counts instructions. */
#ifndef BENCH_COUNT_H
#define BENCH_COUNT_H

#include <stdint.h>

static inline uint64_t count(void)
{
#ifdef __aarch64__
	uint64_t now;

	asm volatile("isb; mrs %0, cntvct_el0" : "=r" (now) : : "memory");
	return now;
#else
	uint32_t low, high;

	asm volatile("lfence; rdtsc" : "=a" (low), "=d" (high) : : "memory");
	return low | (uint64_t)high << 32;
#endif
}

#endif
