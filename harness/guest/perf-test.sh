#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The tests of the perf tool that read events through a mapped ring, as TAP.
#
# usage: harness/guest/perf-test.sh (in the guest)
set -eu

perf=$BUILD/obj/perf/perf
TESTS='mmap interface tests
PERF_RECORD_\* events & perf_sample fields
Software clock events period values
Object code reading
Use a dummy software event to keep tracking
Lookup mmap thread
Read backward ring buffer
Convert perf time to TSC'

# perf writes " 20: name   : Ok"; where a test has parts, one line for each:
# "141.1: name   : Skip (permissions)". Print result, then name.
results() {
	sed -n 's/^ *[0-9.]*: \(.*[^ ]\)  *: \(Ok\|Skip\|FAILED!\)\(.*\)$/\2\3\t\1/p' "$1"
}

# perf gives up on /proc/PID/maps after 500 ms of wall clock, which a slow guest
# on a busy host may take.
export PERF_CONFIG=/tmp/perfconfig
"$perf" config core.proc-map-timeout=60000

"$perf" test list >"$OUT/perf-test.list" 2>&1
count=0
echo "$TESTS" | while read -r name; do
	number=$(sed -n "s/^ *\([0-9]*\): $name$/\1/p" "$OUT/perf-test.list")
	log=$OUT/perf-test.$number
	# This one samples a loop by the clock: it may see nothing on a busy host.
	tries=1
	[ "$name" != 'Software clock events period values' ] || tries=3
	for try in $(seq $tries); do
		"$perf" test -v "$number" >"$log" 2>&1 || true
		results "$log" >/tmp/results
		grep -q '^FAILED!' /tmp/results || break
		echo "# $name failed, try $try of $tries"
	done
	[ -s /tmp/results ] || echo "FAILED!	$name" >/tmp/results
	while IFS='	' read -r result part; do
		count=$((count + 1))
		case $result in
		Ok*) echo "ok $count - perf test: $part" ;;
		Skip) echo "ok $count - perf test: $part # SKIP perf gives no reason" ;;
		Skip*) echo "ok $count - perf test: $part # SKIP${result#Skip}" ;;
		*)
			echo "not ok $count - perf test: $part"
			sed 's/^/# /' "$log"
			;;
		esac
	done </tmp/results
	echo $count >/tmp/count
done >/tmp/tap
echo "TAP version 13"
echo "1..$(cat /tmp/count)"
cat /tmp/tap
