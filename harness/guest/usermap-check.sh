#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Correct uses of kernel pages in user mappings, none of which may be reported;
# harness/checker-tests has the mistakes.
#
# usage: harness/guest/usermap-check.sh (in the guest)
set -eu

insmod "$BUILD/obj/$KERNEL/lib/test_usermap.ko"
"$BUILD/obj/selftests-$KERNEL/usermap_check" -F typed -F untyped 2>&1
rmmod test_usermap
