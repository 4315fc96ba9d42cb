#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The memory of io_uring's regions is there for as long as it is mapped.
#
# usage: harness/guest/io-uring.sh (in the guest)
set -eu

"$BUILD/obj/selftests-$KERNEL/usermap_io_uring"
