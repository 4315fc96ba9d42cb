#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The example driver of Documentation/mm/usermap.rst, used as a program would.
#
# usage: harness/guest/sample.sh (in the guest)
set -eu

insmod "$BUILD/obj/$KERNEL/samples/usermap/usermap_sample.ko"
python3 - <<'END'
import errno, mmap, os

DEVICE = "/dev/usermap_sample"
SIZE = 4 * mmap.PAGESIZE
tests = []


def test(function):
    tests.append(function)


def open_device():
    return os.open(DEVICE, os.O_RDWR)


@test
def two_mappings_share_the_pages():
    fd = open_device()
    with mmap.mmap(fd, SIZE) as one, mmap.mmap(fd, SIZE) as two:
        for offset in range(0, SIZE, mmap.PAGESIZE):
            one[offset:offset + 4] = b"page"
            assert two[offset:offset + 4] == b"page"
    os.close(fd)


@test
def a_mapping_may_begin_at_any_page():
    fd = open_device()
    with mmap.mmap(fd, SIZE) as whole, \
         mmap.mmap(fd, mmap.PAGESIZE, offset=3 * mmap.PAGESIZE) as last:
        last[0:4] = b"last"
        assert whole[3 * mmap.PAGESIZE:][:4] == b"last"
    os.close(fd)


@test
def each_opener_has_pages_of_its_own():
    one, two = open_device(), open_device()
    with mmap.mmap(one, SIZE) as a, mmap.mmap(two, SIZE) as b:
        a[0:4] = b"mine"
        assert b[0:4] == bytes(4)
    os.close(one)
    os.close(two)


@test
def a_private_mapping_copies_on_write():
    fd = open_device()
    with mmap.mmap(fd, SIZE) as shared, \
         mmap.mmap(fd, SIZE, flags=mmap.MAP_PRIVATE) as private:
        shared[0:4] = b"orig"
        private[4:8] = b"copy"
        assert private[0:8] == b"origcopy"
        assert shared[0:8] == b"orig" + bytes(4)
    os.close(fd)


@test
def the_pages_outlive_close_and_the_parent_s_mapping():
    fd = open_device()
    shared = mmap.mmap(fd, SIZE)
    os.close(fd)
    shared[0:4] = b"kept"
    pid = os.fork()
    if pid == 0:
        # The parent's mapping goes while this one is there.
        os.kill(os.getpid(), 19)
        os._exit(0 if shared[0:4] == b"kept" else 1)
    os.waitpid(pid, os.WUNTRACED)
    shared.close()
    os.kill(pid, 18)
    assert os.waitpid(pid, 0)[1] == 0


@test
def too_long_or_beyond_the_end_is_refused():
    fd = open_device()
    for length, offset in ((SIZE + mmap.PAGESIZE, 0), (mmap.PAGESIZE, SIZE),
                           (SIZE, mmap.PAGESIZE)):
        try:
            mmap.mmap(fd, length, offset=offset).close()
            raise AssertionError("it was mapped")
        except OSError as error:
            assert error.errno == errno.ENXIO, error
    os.close(fd)


print("TAP version 13")
print(f"1..{len(tests)}")
for number, function in enumerate(tests, 1):
    try:
        function()
        print(f"ok {number} - sample: {function.__name__}")
    except (AssertionError, OSError) as error:
        print(f"not ok {number} - sample: {function.__name__}: {error!r}")
END
rmmod usermap_sample
