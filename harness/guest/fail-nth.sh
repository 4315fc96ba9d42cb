#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Let each allocation of perf's mmap() fail in turn: all of the ring is mapped
# or nothing is, and nothing is lost. The ring needs more than one page table,
# so that some of them fail half-way through vm_insert_pages_prot().
#
# usage: harness/guest/fail-nth.sh (in the guest)
set -eu

if [ "$KERNEL" = patched-vmalloc ]; then
	echo "1..0 # SKIP vmalloc() reports each failure with a stack trace"
	exit
fi

for name in failslab fail_page_alloc; do
	cd /sys/kernel/debug/$name
	echo N >ignore-gfp-wait
	echo 0 >verbose
	[ ! -e min-order ] || echo 0 >min-order
done
cd /

python3 - <<'END'
import ctypes, errno, mmap, os, struct, time

SYS_PERF_EVENT_OPEN = 298
KPF_USERMAP = 27
PAGE = mmap.PAGESIZE
DATA_PAGES = 1024
SIZE = (1 + DATA_PAGES) * PAGE

libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int,
                      ctypes.c_int, ctypes.c_int, ctypes.c_long]
libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]


def open_event():
    # PERF_TYPE_SOFTWARE, PERF_COUNT_SW_DUMMY
    attr = struct.pack("IIQ", 1, 64, 9).ljust(64, b"\0")
    fd = libc.syscall(SYS_PERF_EVENT_OPEN, attr, 0, -1, -1, 0)
    assert fd >= 0, os.strerror(ctypes.get_errno())
    return fd


def map_failing(fd, nth):
    """Map the ring; return its address or an errno, and what is left of nth."""
    control = os.open("/proc/thread-self/fail-nth", os.O_RDWR)
    value = str(nth).encode()
    os.write(control, value)
    address = libc.mmap(None, SIZE, mmap.PROT_READ | mmap.PROT_WRITE,
                        mmap.MAP_SHARED, fd, 0)
    error = ctypes.get_errno()
    left = int(os.pread(control, 16, 0))
    os.pwrite(control, b"0", 0)
    os.close(control)
    failed = address == ctypes.c_void_p(-1).value
    return None if failed else address, error if failed else 0, left


def usermap_pages():
    """The usermap pages of the whole machine."""
    count = 0
    with open("/proc/kpageflags", "rb") as flags:
        while chunk := flags.read(1 << 20):
            words = struct.unpack(f"{len(chunk) // 8}Q", chunk)
            count += sum(word >> KPF_USERMAP & 1 for word in words)
    return count


def present(address):
    with open("/proc/self/pagemap", "rb") as pagemap:
        pagemap.seek(address // PAGE * 8)
        words = struct.unpack(f"{1 + DATA_PAGES}Q", pagemap.read(8 * (1 + DATA_PAGES)))
    return sum(word >> 63 for word in words)


def locked():
    """What the mm is charged for, beyond what the user may have for free."""
    with open("/proc/self/status") as status:
        return next(line for line in status if line.startswith("VmPin:"))


before, pinned = usermap_pages(), locked()
failures, survivors, wrong, partial = [], 0, [], []
# How many allocations are there? Page tables come last.
MANY = 1000000
fd = open_event()
address, _, left = map_failing(fd, MANY)
libc.munmap(address, SIZE)
os.close(fd)
total = MANY - left

for nth in sorted({*range(1, min(25, total)), *range(max(1, total - 25), total + 1)}):
    fd = open_event()
    address, error, _ = map_failing(fd, nth)
    if address is None:
        failures.append(nth)
        if error != errno.ENOMEM:
            wrong.append((nth, errno.errorcode.get(error, error)))
    else:
        survivors += 1
        if present(address) != 1 + DATA_PAGES:
            partial.append(nth)
        libc.munmap(address, SIZE)
    os.close(fd)

# RCU frees the last ring.
deadline = time.monotonic() + 60
while usermap_pages() != before and time.monotonic() < deadline:
    pass

late = [nth for nth in failures if nth > total - 8]
results = (
    (f"{len(failures)} failed allocations are all -ENOMEM: {wrong}", not wrong),
    (f"{survivors} other mappings are whole: {partial}", not partial),
    (f"{len(late)} failures are among the last 8 of {total} allocations",
     len(late) > 0),
    (f"no usermap page is left: {usermap_pages()} now, {before} before",
     usermap_pages() == before),
    ("nothing is charged any more", locked() == pinned),
)
print("TAP version 13")
print(f"1..{len(results)}")
for number, (what, good) in enumerate(results, 1):
    print(f"{'ok' if good else 'not ok'} {number} - fail-nth: {what}")
END
