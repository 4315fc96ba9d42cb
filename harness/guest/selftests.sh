#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# In the guest: the perf_events selftests, with their TAP on stdout.
#
# The environment has BUILD, the build folder of the repository, and KERNEL,
# the name of the kernel that runs. /tmp can be written.
#
# Exit status: 0 when each program passed or skipped, else 1.
set -eu

tests=$BUILD/obj/selftests-$KERNEL
module=$BUILD/obj/fake_aux-$KERNEL/fake_aux.ko
dir=/tmp/selftests
status=0

# run NAME COMMAND...: 4 is what a program exits with when it skips all.
run() {
	echo "# selftests: $1 on $KERNEL"
	shift
	ret=0
	"$@" || ret=$?
	[ $ret -eq 0 ] || [ $ret -eq 4 ] || status=1
}

# usermap_aux looks for the module beside it.
mkdir -p $dir
cp "$tests/usermap_aux" "$module" $dir/
cd $dir

# With an AUX PMU on the machine, this one tests AUX mappings, too.
insmod fake_aux.ko
run perf_events/mmap "$tests/mmap"
rmmod fake_aux

# KASAN is slow: no rings and areas of 2 MiB and more; the pristine kernel shows
# that the others behave as they did.
case $KERNEL in
pristine | *kasan) set -- -V data_512 -V data_1024 ;;
esac
run perf_events/usermap "$tests/usermap" "$@"

# This one loads the module with the capabilities that it tests. In one of its tests
# 7.3 takes a ring for an AUX area: a reference count underflows.
case $KERNEL in
pristine) set -- -T ring_unmapped_meanwhile ;;
*kasan)
	set --
	for variant in sg_1024 no_sg_512 prefer_large_1024; do
		set -- "$@" -V $variant -V ${variant}_overwrite
	done
	;;
esac
run perf_events/usermap_aux $dir/usermap_aux "$@"

rm -r $dir
exit $status
