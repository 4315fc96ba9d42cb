# Shared by the scripts in this folder; sourced, never run.
# shellcheck shell=sh

TOP=$(cd "$(dirname "$0")/.." && pwd)
HARNESS=$TOP/harness
BUILD=$TOP/build
TREE=$BUILD/linux
LOGS=$BUILD/logs
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/usermap
# shellcheck disable=SC2034
JOBS=$(nproc)
START=$(date +%s)
mkdir -p "$LOGS" "$CACHE"

# Git as it is without anybody's configuration, in whatever hook this runs.
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_PREFIX
export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null
export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*'
export LC_ALL=C.UTF-8 PYTHONDONTWRITEBYTECODE=1

say() {
	printf '[%4ds] %s\n' $(($(date +%s) - START)) "$*"
}

# One line that overwrites itself on a terminal, one line each 30 s elsewhere.
progress() {
	_t=$(($(date +%s) - START))
	if [ -t 1 ]; then
		printf '\r\033[K[%4ds] %s' $_t "$*"
		PROGRESS_OPEN=1
	elif [ $((_t - ${PROGRESS_LAST:--30})) -ge 30 ]; then
		say "$*"
		PROGRESS_LAST=$_t
	fi
}

progress_end() {
	[ -z "${PROGRESS_OPEN:-}" ] || printf '\r\033[K'
	PROGRESS_OPEN=
}

# die WHAT WHAT-TO-DO
die() {
	progress_end
	printf '%s: %s\n  -> %s\n' "$(basename "$0")" "$1" "${2:-see $LOGS}" >&2
	exit 1
}

# logged NAME COMMAND...: run it with its output in the log, show the end of
# that on failure.
logged() {
	_log=$LOGS/$1.log
	shift
	"$@" >"$_log" 2>&1 && return 0
	progress_end
	echo "--- the last lines of $_log:" >&2
	tail -n 10 "$_log" >&2
	return 1
}

# watch LOG TEXT COMMAND...: run COMMAND, which is a program, with its output in
# LOG; meanwhile show what the function TEXT prints. It is a process group, so
# that Ctrl-C here ends all of it.
watch() {
	_log=$1 _text=$2 _rc=0
	shift 2
	setsid "$@" >"$_log" 2>&1 </dev/null &
	_pid=$!
	trap 'kill -- -$_pid 2>/dev/null; wait $_pid; progress_end; exit 130' INT TERM
	while kill -0 $_pid 2>/dev/null; do
		progress "$($_text)"
		sleep 1
	done
	wait $_pid || _rc=$?
	trap - INT TERM
	progress_end
	return $_rc
}

# The end of a failed build: what the compiler said, or else the last lines.
show_errors() {
	grep -m 10 -A 2 'error:\|Error [0-9]\|undefined reference' "$1" >&2 ||
		tail -n 10 "$1" >&2
}

# A step that counts: tests_begin NAME, then pass, fail and skip for each test,
# then tests_end, which leaves the figures in build/results/NAME.
tests_begin() {
	STEP=$1
	PASSED=0 FAILED=0 SKIPPED=0
	mkdir -p "$BUILD/results"
	rm -f "$BUILD/results/$STEP"
}

pass() {
	progress_end
	PASSED=$((PASSED + 1))
	echo "ok - $*"
}

fail() {
	progress_end
	FAILED=$((FAILED + 1))
	echo "not ok - $*"
}

# skip WHAT WHY
skip() {
	progress_end
	SKIPPED=$((SKIPPED + 1))
	echo "ok - $1 # SKIP $2"
}

# expect WHAT COMMAND...: the command must succeed.
expect() {
	_what=$1
	shift
	if "$@"; then
		pass "$_what"
	else
		fail "$_what"
	fi
}

tests_end() {
	echo "$PASSED passed, $FAILED failed, $SKIPPED skipped" >"$BUILD/results/$STEP"
	[ "$FAILED" -eq 0 ]
}

# unlisted STEP LOG: what it skips and harness/skips does not list, each a failure,
# so that no test stops running unseen.
unlisted() {
	sed -n 's/.*ok - \(.*\) # SKIP.*/\1/p' "$2" | while read -r _test; do
		grep -qxF "$1: $_test" "$HARNESS/skips" ||
			echo "not ok - $1 skips what harness/skips does not list: $_test"
	done
}

# begin_guest KERNEL SCRIPT RUN: boot it beside others, as most of what runs in a
# guest keeps but one processor busy; what boot says is in build/logs/RUN.log.
begin_guest() {
	"$HARNESS/boot" "$@" >"$LOGS/$3.log" 2>&1 &
	GUESTS="${GUESTS:-} $!"
	# shellcheck disable=SC2086	# words are meant to be split
	trap '[ -z "$GUESTS" ] || kill $GUESTS 2>/dev/null' EXIT
}

# wait_guests TEXT: until all have ended; meanwhile show what the function TEXT
# prints. It fails if one of them did.
wait_guests() {
	_rc=0
	for _guest in $GUESTS; do
		while kill -0 "$_guest" 2>/dev/null; do
			progress "$($1)"
			sleep 1
		done
		wait "$_guest" || _rc=1
	done
	GUESTS=
	progress_end
	return $_rc
}

# One object cache for all kernels of all checkouts: what is compiled must not
# contain the folder, the time or the machine.
use_ccache() {
	export CCACHE_DIR="$CACHE/ccache" CCACHE_BASEDIR="$BUILD"
	export CCACHE_NOHASHDIR=1 CCACHE_COMPILERCHECK=content CCACHE_MAXSIZE=5G
	# Take the headers from what the compiler wrote, and do without a
	# preprocessor run for each file.
	export CCACHE_DEPEND=1
	export PATH="/usr/lib/ccache:$PATH"
	export KBUILD_BUILD_TIMESTAMP='2026-01-01 00:00:00 UTC'
	export KBUILD_BUILD_USER=usermap KBUILD_BUILD_HOST=usermap
}

# What CI builds from committed source is kept in the cache, in a file whose name
# has the hash of all that it depends on: the source, how the harness builds it,
# and every package of this machine. built_file NAME SOURCE [FILE...] prints that
# name, with FILEs in the hash, too; it fails where the source has changes.
built_file() {
	_name=$1 _source=$2
	shift 2
	[ -e "$_source/.git" ] || return 1
	[ -z "$(git -C "$_source" status --porcelain | head -n 1)" ] || return 1
	_hash=$({
		git -C "$_source" rev-parse 'HEAD^{tree}'
		dpkg-query -W
		find "$HARNESS/config" "$HARNESS/compat" -type f -exec cat {} +
		cat "$HARNESS/lib.sh" "$HARNESS"/build* "$@"
	} | sha256sum | cut -c1-32)
	echo "$CACHE/built/$_name-$_hash.tar"
}

# take_built FILE DIR: unpack it, if this checkout has not begun to build DIR, or
# has it from there already.
take_built() {
	if [ -e "$2/.taken" ]; then
		[ "$(cat "$2/.taken")" != "$1" ] || return 0
		rm -rf "$2"
	fi
	if [ -z "$1" ] || [ -e "$2" ] || ! [ -e "$1" ]; then
		return 1
	fi
	mkdir -p "$2"
	tar -C "$BUILD" -xf "$1" || return 1
	touch "$1"
	echo "$1" >"$2/.taken"
	say "took ${2#"$TOP/"} from the cache"
}

# keep_built FILE PATH...: these of build/, for take_built. The last three of a
# name are kept.
keep_built() {
	_file=$1
	shift
	[ -n "$_file" ] && [ ! -e "$_file" ] || return 0
	mkdir -p "$CACHE/built"
	tar -C "$BUILD" -cf "$_file.$$" "$@"
	mv "$_file.$$" "$_file"
	find "$CACHE/built" -name "$(basename "${_file%-*}")-????????????????????????????????.tar" \
		-printf '%T@ %p\n' | sort -rn | sed '1,3d; s/^[^ ]* //' |
		while read -r _file; do rm "$_file"; done
}

# count_results STEP FILE...: show what failed in TAP files, and leave the
# figures in build/results/STEP.
count_results() {
	_step=$1
	shift
	mkdir -p "$BUILD/results"
	"$HARNESS/count-tap" "$@" >"$BUILD/results/$_step.new" || true
	cat "$BUILD/results/$_step.new"
	tail -n 1 "$BUILD/results/$_step.new" >"$BUILD/results/$_step"
	rm "$BUILD/results/$_step.new"
	grep -q ' 0 failed' "$BUILD/results/$_step"
}
