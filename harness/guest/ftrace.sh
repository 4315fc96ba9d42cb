#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# An ftrace ring buffer is static while it is mapped, and its own otherwise.
#
# usage: harness/guest/ftrace.sh (in the guest)
set -eu

exec "$BUILD/obj/selftests-$KERNEL/usermap_ftrace" 2>&1
