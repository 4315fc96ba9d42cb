#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Correct uses of kernel pages in user mappings, none of which may be reported;
# harness/checker-tests has the mistakes.
#
# usage: harness/guest/usermap-check.sh (in the guest)
#
# USERMAP_OPS is the number of random operations of each worker; with KASAN, which
# is slow, it is 3000.
set -eu

case $KERNEL in
*kasan) export USERMAP_OPS="${USERMAP_OPS:-3000}" ;;
esac
insmod "$BUILD/obj/$KERNEL/lib/test_usermap.ko"
"$BUILD/obj/selftests-$KERNEL/usermap_check" -F typed -F untyped 2>&1
rmmod test_usermap
