#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# What a program sees of the pages that the kernel shares with user space; see
# harness/guest-tests for the same on the kernel without usermap pages.
#
# usage: harness/guest/users.sh (in the guest)
set -eu

"$TOP/harness/guest-policy"
# Whether the pages of the pristine kernel come back is its own matter, and KASAN
# keeps much of what is freed for a while.
case $KERNEL in
pristine | *kasan) set -- -T memory_comes_back ;;
esac
# vmalloc() reports an allocation that is to fail, with a stack trace.
exec "$TOP/harness/quiet-log" 'vmalloc error: size' \
	"$BUILD/obj/selftests-$KERNEL/usermap_users" "$@" 2>&1
