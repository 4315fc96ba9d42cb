#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The driver of Documentation/mm/usermap_device.rst: the example program, which
# must say what the documentation has, then the selftest.
#
# usage: harness/guest/device.sh (in the guest)
#
# ROUNDS is how often the device is unplugged while 64 threads use it: 10 here,
# 5 with KASAN, which is slow; harness/soak has it 10000 times.
set -eu

case $KERNEL in
*kasan) rounds=5 ;;
*) rounds=10 ;;
esac

samples=$BUILD/obj/$KERNEL/samples/usermap
insmod "$samples/usermap_device.ko"

"$samples/usermap_device_example" >/tmp/example
sed -n '/^    populate:/,/^    revoke:.*new session$/s/^    //p' \
	"$TOP/Documentation/mm/usermap_device.rst" >/tmp/expected
if [ -s /tmp/expected ] && cmp -s /tmp/expected /tmp/example; then
	echo "ok - usermap_device_example: as documented"
else
	diff /tmp/expected /tmp/example | sed 's/^/# /'
	echo "not ok - usermap_device_example: as documented"
fi

USERMAP_ROUNDS=${ROUNDS:-$rounds} "$BUILD/obj/selftests-$KERNEL/usermap_device"
rmmod usermap_device
