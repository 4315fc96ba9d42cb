/* SPDX-License-Identifier: GPL-2.0 */
/*
 * QEMU runs with -icount shift=0, for an instruction a nanosecond: x86's counter
 * counts each, arm64's those that make a period of its frequency.
 */
#ifndef BENCH_COUNT_H
#define BENCH_COUNT_H

#include <stdint.h>

/* What count() is a multiple of. */
static inline uint64_t count_unit(void)
{
#ifdef __aarch64__
	uint64_t frequency;

	asm volatile("mrs %0, cntfrq_el0" : "=r" (frequency));
	return 1000000000 / frequency;
#else
	return 1;
#endif
}

/* Instructions. */
static inline uint64_t count(void)
{
#ifdef __aarch64__
	uint64_t now;

	asm volatile("isb; mrs %0, cntvct_el0" : "=r" (now) : : "memory");
	return now * count_unit();
#else
	uint32_t low, high;

	asm volatile("lfence; rdtsc" : "=a" (low), "=d" (high) : : "memory");
	return low | (uint64_t)high << 32;
#endif
}

#endif
