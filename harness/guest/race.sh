#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Threads and processes that do everything at once to the mappings of perf's
# ring, an AUX area and the sample driver, with signals, OOM kills and CPU
# hotplug in the middle.
#
# usage: harness/guest/race.sh (in the guest)
#
# ROUNDS, SEED and DISRUPTIVE are those of the selftest usermap_race; ROUNDS is half
# of what it is there, as harness/soak runs this again and again.
set -eu

sample=$BUILD/obj/$KERNEL/samples/usermap/usermap_sample.ko
[ ! -e "$sample" ] || insmod "$sample"
insmod "$BUILD/obj/fake_aux-$KERNEL/fake_aux.ko"
# The OOM killer says whom it killed, and who must not wait what it did not get,
# with a stack trace.
status=0
ROUNDS="${ROUNDS:-500}" DISRUPTIVE="${DISRUPTIVE:-oom hotplug}" "$TOP/harness/quiet-log" \
	'invoked oom-killer|page allocation failure' \
	"$BUILD/obj/selftests-$KERNEL/usermap_race" || status=$?
rmmod fake_aux
[ ! -e "$sample" ] || rmmod usermap_sample
exit $status
