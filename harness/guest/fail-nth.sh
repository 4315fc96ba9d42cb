#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Let each allocation of each call that maps usermap pages fail in turn.
#
# usage: harness/guest/fail-nth.sh (in the guest)
set -eu

test=$BUILD/obj/selftests-$KERNEL/usermap_fail_nth
fake_aux=$BUILD/obj/fake_aux-$KERNEL/fake_aux.ko
sample=$BUILD/obj/$KERNEL/samples/usermap/usermap_sample.ko

run() {
	# vmalloc() reports each allocation that fails, with a stack trace.
	"$TOP/harness/quiet-log" 'vmalloc error: size' "$test" "$@" || status=1
}

status=0
[ ! -e "$sample" ] || insmod "$sample"
insmod "$fake_aux"
run
rmmod fake_aux
# The AUX area again, in large pieces, which are split.
insmod "$fake_aux" prefer_large=1
for variant in aux_16 aux_1024 aux_16_overwrite aux_1024_overwrite; do
	run -v "$variant"
done
rmmod fake_aux
[ ! -e "$sample" ] || rmmod usermap_sample
exit $status
