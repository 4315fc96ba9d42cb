/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/* What programs need to know of /dev/usermap_device. */
#ifndef _USERMAP_DEVICE_H
#define _USERMAP_DEVICE_H

#include <linux/ioctl.h>

/* The pages of a session: offsets from 0 on can be mapped, shared. */
#define USERMAP_DEVICE_PAGES	262144UL

/*
 * Which pages have been written to since the last call: write a bitmap of
 * USERMAP_DEVICE_PAGES bits, an array of unsigned long, and return the number of
 * bits set. The errno is ENODEV if the device is unplugged, or was meanwhile.
 */
#define USERMAP_DEVICE_DIRTY	_IOR('U', 0, unsigned long)

#endif /* _USERMAP_DEVICE_H */
