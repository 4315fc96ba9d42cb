// SPDX-License-Identifier: GPL-2.0
/*
 * The device of samples/usermap/usermap_device.c: its memory is populated,
 * belongs to a session, is revoked while it is used, and its written pages are
 * found. All tests run for both of the ways to find them.
 *
 * To be run as root, with the module loaded. The environment may have
 * USERMAP_ROUNDS, how often the device is unplugged in the race for it,
 * USERMAP_THREADS, and USERMAP_SEED, to repeat what a run did.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <linux/mman.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "usermap.h"

#include <samples/usermap/usermap_device.h>

#define DEVICE		"/dev/usermap_device"
#define PLUGGED		"/sys/class/misc/usermap_device/plugged"
#define BY_DIRTY_BIT	"/sys/module/usermap_device/parameters/by_dirty_bit"

#define BITS_PER_LONG	(CHAR_BIT * sizeof(long))
#define RW		(PROT_READ | PROT_WRITE)
#define NR		64U

static unsigned long env(const char *name, unsigned long otherwise)
{
	const char *value = getenv(name);

	return value ? strtoul(value, NULL, 0) : otherwise;
}

static int device(void)
{
	return open(DEVICE, O_RDWR | O_CLOEXEC);
}

static char *map_at(int fd, unsigned int first, unsigned int nr, int prot,
		    int flags)
{
	return mmap(NULL, nr * page_size, prot, flags, fd, first * page_size);
}

static char *map(int fd)
{
	return map_at(fd, 0, NR, RW, MAP_SHARED);
}

static unsigned long *word(char *p, unsigned int page)
{
	return (unsigned long *)(p + page * page_size);
}

static bool is_dirty(const unsigned long *dirty, unsigned int page)
{
	return dirty[page / BITS_PER_LONG] >> page % BITS_PER_LONG & 1;
}

static int get_dirty(int fd, unsigned long *dirty)
{
	return ioctl(fd, USERMAP_DEVICE_DIRTY, dirty);
}

static long faults(void)
{
	/* Written here, or the call may fault on it and not count that. */
	struct rusage usage = { 0 };

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt + usage.ru_majflt;
}

/* The number of faults that it takes to read, or write, each page. */
static long touch(char *p, unsigned int nr, bool write)
{
	const long before = faults();

	for (unsigned int i = 0; i < nr; i++) {
		if (write)
			WRITE_ONCE(*word(p, i), i + 1);
		else
			READ_ONCE(*word(p, i));
	}
	return faults() - before;
}

/* All pages have what touch() wrote. */
static bool is_touched(char *p)
{
	for (unsigned int i = 0; i < NR; i++)
		if (READ_ONCE(*word(p, i)) != i + 1)
			return false;
	return true;
}

/* Accesses that may be answered by SIGBUS. */
static __thread sigjmp_buf after_sigbus;
static __thread bool may_sigbus;

static void sigbus(int sig)
{
	if (!READ_ONCE(may_sigbus)) {
		signal(sig, SIG_DFL);
		raise(sig);
	}
	siglongjmp(after_sigbus, 1);
}

static bool try_read(unsigned long *at, unsigned long *value)
{
	if (sigsetjmp(after_sigbus, 1)) {
		WRITE_ONCE(may_sigbus, false);
		return false;
	}
	WRITE_ONCE(may_sigbus, true);
	*value = READ_ONCE(*at);
	WRITE_ONCE(may_sigbus, false);
	return true;
}

static bool try_write(unsigned long *at, unsigned long value)
{
	if (sigsetjmp(after_sigbus, 1)) {
		WRITE_ONCE(may_sigbus, false);
		return false;
	}
	WRITE_ONCE(may_sigbus, true);
	WRITE_ONCE(*at, value);
	WRITE_ONCE(may_sigbus, false);
	return true;
}

FIXTURE(device)
{
	int fd;
	char *p;
	unsigned long *dirty;
};

FIXTURE_VARIANT(device)
{
	bool by_dirty_bit;
};

FIXTURE_VARIANT_ADD(device, pfn_mkwrite)
{
	.by_dirty_bit = false,
};

FIXTURE_VARIANT_ADD(device, dirty_bit)
{
	.by_dirty_bit = true,
};

FIXTURE_SETUP(device)
{
	signal(SIGBUS, sigbus);
	if (access(DEVICE, F_OK))
		SKIP(return, "no " DEVICE ": CONFIG_SAMPLE_USERMAP_DEVICE");
	if (!write_string(PLUGGED, "1"))
		SKIP(return, PLUGGED ": %s", strerror(errno));
	ASSERT_TRUE(write_string(BY_DIRTY_BIT, variant->by_dirty_bit ? "1" : "0"));

	self->fd = device();
	ASSERT_GE(self->fd, 0);
	self->p = map(self->fd);
	ASSERT_NE(self->p, MAP_FAILED);
	self->dirty = calloc(USERMAP_DEVICE_PAGES / CHAR_BIT, 1);
	ASSERT_NE(self->dirty, NULL);
}

/* What they name then can be somebody else's. */
static void unmap_and_close(char **p, int *fd)
{
	munmap(*p, NR * page_size);
	close(*fd);
	*p = MAP_FAILED;
	*fd = -1;
}

FIXTURE_TEARDOWN(device)
{
	free(self->dirty);
	unmap_and_close(&self->p, &self->fd);
	write_string(PLUGGED, "1");
}

#define expect_errno(error, call) do {			\
	EXPECT_EQ(-1, (long)(call));			\
	EXPECT_EQ(error, errno);			\
} while (0)

/* Populate. */

TEST_F(device, fault)
{
	EXPECT_EQ(NR, touch(self->p, NR, false));
	EXPECT_EQ(0, touch(self->p, NR, false));
	/* Setting the dirty bit takes a fault, too, where hardware does not. */
	if (variant->by_dirty_bit)
		touch(self->p, NR, true);
	else
		EXPECT_EQ(NR, touch(self->p, NR, true));
	EXPECT_EQ(0, touch(self->p, NR, true));
}

TEST_F(device, populate_at_mmap)
{
	char *p = map_at(self->fd, 0, NR, RW, MAP_SHARED | MAP_POPULATE);

	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(0, touch(p, NR, false));
	EXPECT_EQ(0, munmap(p, NR * page_size));
}

TEST_F(device, populate_read)
{
	ASSERT_EQ(0, madvise(self->p, NR * page_size, MADV_POPULATE_READ));
	EXPECT_EQ(0, touch(self->p, NR, false));
	EXPECT_EQ(0, get_dirty(self->fd, self->dirty));
}

/* What is populated for a write is as good as written to. */
TEST_F(device, populate_write)
{
	ASSERT_EQ(0, madvise(self->p, NR * page_size, MADV_POPULATE_WRITE));
	EXPECT_EQ(0, touch(self->p, NR, true));
	EXPECT_EQ(NR, get_dirty(self->fd, self->dirty));
}

TEST_F(device, populate_part)
{
	ASSERT_EQ(0, madvise(self->p + page_size, 3 * page_size,
			     MADV_POPULATE_READ));
	EXPECT_EQ(NR - 3, touch(self->p, NR, false));
}

TEST_F(device, populate_mlock)
{
	ASSERT_EQ(0, mlock(self->p, NR * page_size));
	EXPECT_EQ(0, touch(self->p, NR, false));
	EXPECT_EQ(0, munlock(self->p, NR * page_size));
}

/* Whether it is mapped: all of it, none of it, or else. */
static enum mapped { NONE, ALL, SOME } mapped(const char *p)
{
	const size_t nr = count_typed(p, NR * page_size);

	return nr == NR ? ALL : nr ? SOME : NONE;
}

#define MAPPED(old, new)	((old) * 4 + (new))

/*
 * What a child has of the mapping @p after mlockall(), and of one that it makes
 * then. Its locks go with it.
 */
static int mlockall_in_child(const char *p, int fd, int flags)
{
	const pid_t pid = fork();
	char *q;

	if (!pid) {
		if (mlockall(flags))
			_exit(255);
		q = map(fd);
		_exit(q == MAP_FAILED ? 254 : MAPPED(mapped(p), mapped(q)));
	}
	return reap(pid);
}

TEST_F(device, populate_mlockall)
{
	EXPECT_EQ(MAPPED(NONE, ALL),
		  mlockall_in_child(self->p, self->fd, MCL_FUTURE));
	EXPECT_EQ(MAPPED(ALL, NONE),
		  mlockall_in_child(self->p, self->fd, MCL_CURRENT));
	EXPECT_EQ(MAPPED(ALL, ALL),
		  mlockall_in_child(self->p, self->fd,
				    MCL_CURRENT | MCL_FUTURE));
}

/* What is to be locked as it is touched is left alone until then. */
TEST_F(device, populate_onfault)
{
	EXPECT_EQ(MAPPED(NONE, NONE),
		  mlockall_in_child(self->p, self->fd,
				    MCL_CURRENT | MCL_ONFAULT));
	EXPECT_EQ(MAPPED(NONE, NONE),
		  mlockall_in_child(self->p, self->fd,
				    MCL_FUTURE | MCL_ONFAULT));
	ASSERT_EQ(0, mlock2(self->p, NR * page_size, MLOCK_ONFAULT));
	EXPECT_EQ(NONE, mapped(self->p));
	EXPECT_EQ(0, munlock(self->p, NR * page_size));
}

TEST_F(device, populate_beyond)
{
	/* With a page after it that can be unmapped: it is nobody else's. */
	char *last = mmap(NULL, 2 * page_size, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, last);
	ASSERT_EQ(last, mmap(last, page_size, RW, MAP_SHARED | MAP_FIXED,
			     self->fd, (USERMAP_DEVICE_PAGES - 1) * page_size));
	expect_errno(EFAULT, mremap(last, page_size, 2 * page_size,
				    MREMAP_MAYMOVE));
	ASSERT_EQ(0, munmap(last + page_size, page_size));
	expect_errno(ENOMEM, madvise(last, 2 * page_size, MADV_POPULATE_READ));
	EXPECT_EQ(0, touch(last, 1, false));
	EXPECT_EQ(0, munmap(last, page_size));
}

TEST_F(device, populate_without_right)
{
	ASSERT_EQ(0, mprotect(self->p, NR * page_size, PROT_READ));
	expect_errno(EINVAL, madvise(self->p, NR * page_size,
				     MADV_POPULATE_WRITE));
	ASSERT_EQ(0, mprotect(self->p, NR * page_size, PROT_NONE));
	expect_errno(EINVAL, madvise(self->p, NR * page_size,
				     MADV_POPULATE_READ));
	ASSERT_EQ(0, mprotect(self->p, NR * page_size, PROT_READ));
	EXPECT_EQ(NR, touch(self->p, NR, false));
}

TEST_F(device, populate_revoked)
{
	ASSERT_TRUE(write_string(PLUGGED, "0"));
	expect_errno(EFAULT, madvise(self->p, NR * page_size,
				     MADV_POPULATE_READ));
	expect_errno(EFAULT, madvise(self->p, NR * page_size,
				     MADV_POPULATE_WRITE));
	expect_errno(ENOMEM, mlock(self->p, NR * page_size));
}

/*
 * A child populates, by mmap() or by madvise(), gets SIGKILL as soon as the first
 * page is there, and leaves so many pages to the session.
 */
#define KILL_PAGES	(256 * NR)

static long populate_and_kill(bool at_mmap)
{
	const long before = count_all_typed();
	const int fd = device();
	char *p = mmap(NULL, KILL_PAGES * page_size, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	char pagemap[32];
	uint64_t entry;
	bool started;
	long nr = -1;
	pid_t pid;

	pid = fork();
	if (pid < 0)
		return -1;
	if (!pid) {
		mmap(p, KILL_PAGES * page_size, RW, MAP_SHARED | MAP_FIXED |
		     (at_mmap ? MAP_POPULATE : 0), fd, 0);
		madvise(p, KILL_PAGES * page_size, MADV_POPULATE_WRITE);
		pause();
	}
	snprintf(pagemap, sizeof(pagemap), "/proc/%d/pagemap", pid);
	started = wait_until(read_entry(pagemap, (uintptr_t)p / page_size,
					&entry) && entry & PM_PRESENT);
	kill(pid, SIGKILL);
	if (reap(pid) == 256 + SIGKILL && started)
		nr = count_all_typed() - before;
	munmap(p, KILL_PAGES * page_size);
	close(fd);
	return nr;
}

/* It ends where it is; it may end before the signal is sent, but not always. */
TEST_F_TIMEOUT(device, populate_killed, 240)
{
	for (int at_mmap = 0; at_mmap <= 1; at_mmap++) {
		long nr;

		ASSERT_TRUE(wait_until((nr = populate_and_kill(at_mmap)) !=
				       KILL_PAGES));
		EXPECT_LT(0, nr);
		TH_LOG("killed after %ld of %u pages", nr, KILL_PAGES);
	}
}

/* Session. */

TEST_F(device, sessions_are_apart)
{
	int other = device();
	char *p = map(other), *q = map(self->fd);

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_NE(MAP_FAILED, q);
	touch(self->p, NR, true);
	for (unsigned int i = 0; i < NR; i++) {
		EXPECT_EQ(i + 1, *word(q, i));
		EXPECT_EQ(0, *word(p, i));
	}
	*word(p, 1) = 99;
	EXPECT_EQ(2, *word(self->p, 1));
	close(other);
	EXPECT_EQ(99, *word(p, 1));
	munmap(p, NR * page_size);
	munmap(q, NR * page_size);
}

/* What is done to the PTEs of one session leaves those of others alone. */
TEST_F(device, mappings_are_apart)
{
	int other = device();
	char *p = map(other);

	ASSERT_NE(MAP_FAILED, p);
	touch(self->p, NR, true);
	touch(p, NR, true);
	EXPECT_EQ(NR, get_dirty(self->fd, self->dirty));
	EXPECT_EQ(0, touch(p, NR, true));
	EXPECT_EQ(NR, get_dirty(other, self->dirty));
	munmap(p, NR * page_size);
	close(other);
}

TEST_F(device, session_of_dup_and_child)
{
	int copy = dup(self->fd), status;
	char *p;
	pid_t pid;

	close(self->fd);
	p = map(copy);
	ASSERT_NE(MAP_FAILED, p);
	*word(p, 0) = 1;
	EXPECT_EQ(1, *word(self->p, 0));

	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		char *q = map(copy);

		*word(q, 1) = 2;
		_exit(*word(q, 0) != 1 || *word(self->p, 0) != 1);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(2, *word(self->p, 1));
	close(copy);
	munmap(p, NR * page_size);
	EXPECT_EQ(2, *word(self->p, 1));
}

static bool send_fd(int sock, int fd)
{
	union {
		struct cmsghdr header;
		char data[CMSG_SPACE(sizeof(int))];
	} control = {
		.header.cmsg_len = CMSG_LEN(sizeof(int)),
		.header.cmsg_level = SOL_SOCKET,
		.header.cmsg_type = SCM_RIGHTS,
	};
	struct iovec iov = { .iov_base = "", .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};

	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	return sendmsg(sock, &message, 0) == 1;
}

static int receive_fd(int sock)
{
	union {
		struct cmsghdr header;
		char data[CMSG_SPACE(sizeof(int))];
	} control;
	char byte;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	int fd = -1;

	if (recvmsg(sock, &message, 0) == 1 && message.msg_controllen)
		memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
	return fd;
}

/* What somebody else finds, who has nothing but the socket: 0 if all is well. */
static int receive_session(int sock)
{
	int fd, fd_readonly;
	char *p, *q;

	if (setgid(65534) || setuid(65534))
		return 1;
	fd = receive_fd(sock);
	fd_readonly = receive_fd(sock);
	p = map(fd);
	q = map(fd);
	if (p == MAP_FAILED || q == MAP_FAILED)
		return 2;
	if (!is_touched(p))
		return 3;
	*word(p, 1) = 99;
	if (*word(q, 1) != 99)
		return 4;
	if (map(fd_readonly) != MAP_FAILED || errno != EACCES)
		return 5;
	return 0;
}

/*
 * Who gets the file gets the session, and neither more nor less than it may.
 * Whose it was is gone before it arrives: only the message keeps it.
 */
TEST_F(device, session_is_passed_on)
{
	int sock[2], readonly = open(DEVICE, O_RDONLY | O_CLOEXEC);
	pid_t pid;

	ASSERT_GE(readonly, 0);
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sock));
	touch(self->p, NR, true);
	ASSERT_TRUE(send_fd(sock[0], self->fd));
	ASSERT_TRUE(send_fd(sock[0], readonly));
	close(readonly);
	unmap_and_close(&self->p, &self->fd);

	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid)
		_exit(receive_session(sock[1]));
	EXPECT_EQ(0, reap(pid));
	close(sock[0]);
	close(sock[1]);
}

/* The pages stay until the last of file and mapping goes, or the device. */

static void touch_frames(char *p, uint64_t *frames)
{
	touch(p, NR, true);
	for (unsigned int i = 0; i < NR; i++)
		frames[i] = page_pfn(p + i * page_size);
}

/* Counting those of the whole machine would do, but takes long. */
static unsigned int typed_frames(const uint64_t *frames)
{
	unsigned int nr = 0;
	uint64_t flags;

	for (unsigned int i = 0; i < NR; i++)
		nr += read_entry("/proc/kpageflags", frames[i], &flags) &&
		      flags & (1ULL << KPF_USERMAP);
	return nr;
}

TEST_F(device, freed_with_file)
{
	uint64_t frames[NR];
	char *p;

	touch_frames(self->p, frames);
	ASSERT_EQ(0, munmap(self->p, NR * page_size));
	EXPECT_EQ(NR, typed_frames(frames));
	p = map(self->fd);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_TRUE(is_touched(p));
	self->p = p;
	unmap_and_close(&self->p, &self->fd);
	EXPECT_EQ(0, typed_frames(frames));
}

TEST_F(device, freed_with_mapping)
{
	uint64_t frames[NR];

	touch_frames(self->p, frames);
	ASSERT_EQ(0, close(self->fd));
	self->fd = -1;
	EXPECT_TRUE(is_touched(self->p));
	ASSERT_EQ(0, munmap(self->p + page_size, (NR - 1) * page_size));
	EXPECT_EQ(NR, typed_frames(frames));
	unmap_and_close(&self->p, &self->fd);
	EXPECT_EQ(0, typed_frames(frames));
}

TEST_F(device, freed_with_child)
{
	uint64_t frames[NR];
	int parent[2];
	pid_t pid;

	touch_frames(self->p, frames);
	ASSERT_EQ(0, pipe(parent));
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		char byte;

		close(parent[1]);
		/* The end of the file, when the parent has closed it. */
		_exit(read(parent[0], &byte, 1) || !is_touched(self->p));
	}
	unmap_and_close(&self->p, &self->fd);
	EXPECT_EQ(NR, typed_frames(frames));
	close(parent[1]);
	EXPECT_EQ(0, reap(pid));
	EXPECT_EQ(0, typed_frames(frames));
	close(parent[0]);
}

TEST_F(device, freed_by_revoke)
{
	uint64_t frames[NR];

	touch_frames(self->p, frames);
	EXPECT_EQ(NR, typed_frames(frames));
	ASSERT_TRUE(write_string(PLUGGED, "0"));
	EXPECT_EQ(0, typed_frames(frames));
}

TEST_F(device, mmap_without_right)
{
	int fd = open(DEVICE, O_RDONLY | O_CLOEXEC);
	char *p;

	ASSERT_GE(fd, 0);
	expect_errno(EACCES, map(fd));
	p = map_at(fd, 0, NR, PROT_READ, MAP_SHARED);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(0, *word(p, 0));
	expect_errno(EACCES, mprotect(p, NR * page_size, RW));
	munmap(p, NR * page_size);
	close(fd);

	expect_errno(EACCES, map_at(self->fd, 0, NR, PROT_READ | PROT_EXEC,
				    MAP_SHARED));
	expect_errno(EACCES, mprotect(self->p, NR * page_size,
				      PROT_READ | PROT_EXEC));
	expect_errno(EINVAL, map_at(self->fd, 0, NR, RW, MAP_PRIVATE));
}

TEST_F(device, mmap_beyond)
{
	expect_errno(ENXIO, map_at(self->fd, USERMAP_DEVICE_PAGES, 1, RW,
				   MAP_SHARED));
	expect_errno(ENXIO, map_at(self->fd, USERMAP_DEVICE_PAGES - 1, 2, RW,
				   MAP_SHARED));
	expect_errno(ENXIO, map_at(self->fd, 0, USERMAP_DEVICE_PAGES + 1, RW,
				   MAP_SHARED));
}

/* Revoke. */

TEST_F(device, revoke)
{
	int other = device(), new;
	char *p = map(other), *q;
	unsigned long value;

	ASSERT_NE(MAP_FAILED, p);
	touch(self->p, NR, true);
	touch(p, NR / 2, false);

	ASSERT_TRUE(write_string(PLUGGED, "0"));
	for (unsigned int i = 0; i < NR; i++) {
		EXPECT_FALSE(try_read(word(self->p, i), &value));
		EXPECT_FALSE(try_write(word(p, i), 1));
	}
	expect_errno(ENODEV, device());
	expect_errno(ENODEV, map(self->fd));
	expect_errno(ENODEV, get_dirty(self->fd, self->dirty));

	/* A new session is new; the old ones stay as they are. */
	ASSERT_TRUE(write_string(PLUGGED, "1"));
	EXPECT_FALSE(try_read(word(self->p, 0), &value));
	expect_errno(ENODEV, map(self->fd));
	new = device();
	q = map(new);
	ASSERT_NE(MAP_FAILED, q);
	for (unsigned int i = 0; i < NR; i++)
		EXPECT_EQ(0, *word(q, i));

	munmap(q, NR * page_size);
	munmap(p, NR * page_size);
	close(other);
	close(new);
}

static void *populate_thread(void *arg)
{
	char *p = arg;
	const size_t len = 16 * NR * page_size;
	long ret = 0;

	while (!ret) {
		if (madvise(p, len, MADV_POPULATE_WRITE))
			ret = errno;
		else
			madvise(p, len, MADV_DONTNEED);
	}
	return (void *)ret;
}

TEST_F(device, revoke_during_populate)
{
	for (int i = 0; i < 20; i++) {
		int fd = device();
		char *p = map_at(fd, 0, 16 * NR, RW, MAP_SHARED);
		pthread_t thread;
		void *ret;

		ASSERT_NE(MAP_FAILED, p);
		ASSERT_EQ(0, pthread_create(&thread, NULL, populate_thread, p));
		/* Not before it is under way. */
		while (get_dirty(fd, self->dirty) == 0)
			sched_yield();
		ASSERT_TRUE(write_string(PLUGGED, "0"));
		ASSERT_EQ(0, pthread_join(thread, &ret));
		EXPECT_EQ(EFAULT, (long)ret);
		ASSERT_TRUE(write_string(PLUGGED, "1"));
		munmap(p, 16 * NR * page_size);
		close(fd);
	}
}

/*
 * Threads that do what a program may do to a mapping, while the device comes
 * and goes. Each thread has sessions of its own, and finds in them what it
 * wrote, 0 where it did not, or SIGBUS from the time on when mmap() says that
 * the device is gone.
 */
#define RACE_PAGES	8U

struct race {
	bool stop;
	/* How often the device was unplugged. */
	unsigned int round;
	/* By round: those whose session is in use, and who will notice its end. */
	unsigned int *live;
	unsigned long sessions, accesses, revoked, forks, moves, wrong;
};

struct racer {
	pthread_t thread;
	unsigned int seed, round;
	struct race *race;
};

#define add(counter, n)	__atomic_add_fetch(&(counter), n, __ATOMIC_RELAXED)

/* SIGBUS was right only if the session is dead. */
static void race_revoked(struct race *race, int fd)
{
	if (map(fd) == MAP_FAILED && errno == ENODEV)
		add(race->revoked, 1);
	else
		add(race->wrong, 1);
}

/* Accesses to all pages; false once it is revoked. */
static bool race_access(struct racer *r, int fd, char *p,
			unsigned long *written)
{
	for (unsigned int i = 0; i < RACE_PAGES; i++) {
		unsigned long value, next = rand_r(&r->seed) | 1;

		if (!try_read(word(p, i), &value)) {
			race_revoked(r->race, fd);
			return false;
		}
		if (value != written[i])
			add(r->race->wrong, 1);
		if (next & 2)
			continue;
		/* Whether it was done before SIGBUS does not matter. */
		if (!try_write(word(p, i), next)) {
			race_revoked(r->race, fd);
			return false;
		}
		written[i] = next;
	}
	add(r->race->accesses, RACE_PAGES);
	return true;
}

static void race_fork(struct racer *r, int fd, char *p, unsigned long *written)
{
	pid_t pid = fork();

	if (!pid) {
		/* Its own, to say how it ended. */
		struct race race = {};

		r->race = &race;
		race_access(r, fd, p, written);
		_exit(!!race.wrong);
	}
	if (pid < 0)
		return;
	add(r->race->forks, 1);
	if (reap(pid))
		add(r->race->wrong, 1);
}

/* To a place that is its own before and after; where it is then. */
static char *race_move(struct racer *r, char *p)
{
	const size_t len = RACE_PAGES * page_size;
	char *q = mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (q == MAP_FAILED)
		return p;
	if (mremap(p, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, q) != q) {
		munmap(q, len);
		return p;
	}
	add(r->race->moves, 1);
	return q;
}

static void race_session(struct racer *r, int fd)
{
	const size_t len = RACE_PAGES * page_size;
	unsigned long written[RACE_PAGES] = {};
	bool live = false, ok = true, forks = false;
	char *p;

	p = map_at(fd, 0, RACE_PAGES, RW, MAP_SHARED);
	if (p == MAP_FAILED)
		return;
	while (ok && !forks && !READ_ONCE(r->race->stop)) {
		switch (rand_r(&r->seed) % 16) {
		case 0:	/* There cannot be two. */
			if (mremap(p, len, len, MREMAP_MAYMOVE |
				   MREMAP_DONTUNMAP) != MAP_FAILED ||
			    errno != EINVAL)
				add(r->race->wrong, 1);
			break;
		case 1:
			p = race_move(r, p);
			break;
		case 2:
			madvise(p, len, MADV_DONTNEED);
			break;
		case 3:
			madvise(p, len, MADV_POPULATE_WRITE);
			break;
		case 4:
			mprotect(p + page_size, page_size, PROT_READ);
			mprotect(p + page_size, page_size, RW);
			break;
		case 5:
			/* The child writes; there is no telling what. */
			forks = rand_r(&r->seed) % 8 == 0;
			break;
		default:
			ok = race_access(r, fd, p, written);
			if (ok && !live) {
				live = true;
				add(r->race->live[r->round], 1);
			}
		}
	}
	if (live)
		add(r->race->live[r->round], -1);
	if (forks) {
		madvise(p, len, MADV_DONTNEED);
		if (race_access(r, fd, p, written))
			race_fork(r, fd, p, written);
	}
	munmap(p, len);
}

static void *race_thread(void *arg)
{
	struct racer *r = arg;

	while (!READ_ONCE(r->race->stop)) {
		int fd;

		/* Or an earlier one, if the next begins now. */
		r->round = READ_ONCE(r->race->round);
		fd = device();
		if (fd < 0) {
			if (errno != ENODEV)
				add(r->race->wrong, 1);
			sched_yield();
			continue;
		}
		add(r->race->sessions, 1);
		race_session(r, fd);
		close(fd);
	}
	return NULL;
}

TEST_F_TIMEOUT(device, revoke_race, 3600)
{
	const unsigned int rounds = env("USERMAP_ROUNDS", 100);
	const unsigned int nr = env("USERMAP_THREADS", 64);
	const unsigned int seed = env("USERMAP_SEED", time(NULL));
	const long before = count_all_typed();
	struct racer *racers = calloc(nr, sizeof(*racers));
	unsigned long hits = 0;
	struct race race = { .live = calloc(rounds + 1, sizeof(*race.live)) };

	ASSERT_NE(NULL, racers);
	ASSERT_NE(NULL, race.live);
	for (unsigned int i = 0; i < nr; i++) {
		racers[i].seed = seed + i;
		racers[i].race = &race;
		ASSERT_EQ(0, pthread_create(&racers[i].thread, NULL,
					    race_thread, &racers[i]));
	}
	for (unsigned int i = 0; i < rounds; i++) {
		/* Now and then not before it hits somebody. */
		if (i % 16 == 0) {
			ASSERT_TRUE(wait_until(READ_ONCE(race.live[i]) > nr / 16));
			hits++;
		}
		ASSERT_TRUE(write_string(PLUGGED, "0"));
		WRITE_ONCE(race.round, i + 1);
		ASSERT_TRUE(write_string(PLUGGED, "1"));
		/* Let some of them get somewhere. */
		for (unsigned int j = rand() % 4; j--; )
			sched_yield();
	}
	EXPECT_TRUE(wait_until(READ_ONCE(race.forks) && READ_ONCE(race.moves)));
	WRITE_ONCE(race.stop, true);
	for (unsigned int i = 0; i < nr; i++)
		pthread_join(racers[i].thread, NULL);
	free(racers);
	free(race.live);
	TH_LOG("seed %u: %lu sessions, %lu revoked in use, %lu accesses, %lu forks, %lu moves",
	       seed, race.sessions, race.revoked, race.accesses, race.forks,
	       race.moves);
	EXPECT_EQ(0, race.wrong);
	EXPECT_NE(0, race.accesses);
	EXPECT_LE(hits, race.revoked);
	EXPECT_EQ(before, count_all_typed());
}

/*
 * Threads that fault on the same pages of one session: whose page comes too late
 * frees it again, and nobody has written to it.
 */
#define FAULT_THREADS	4U
#define FAULT_PAGES	(64 * NR)

struct faulter {
	pthread_t thread;
	pthread_barrier_t *barrier;
	unsigned int id;
	char *p;
};

static void *fault_thread(void *arg)
{
	struct faulter *f = arg;

	for (unsigned int i = 0; i < FAULT_PAGES; i++) {
		unsigned long *at = word(f->p, i) + f->id;

		if (i % NR == 0)
			pthread_barrier_wait(f->barrier);
		if ((i + f->id) % 2)
			READ_ONCE(*at);
		WRITE_ONCE(*at, i + 1);
	}
	return NULL;
}

TEST_F_TIMEOUT(device, fault_race, 120)
{
	const long before = count_all_typed();
	struct faulter faulters[FAULT_THREADS];
	pthread_barrier_t barrier;
	unsigned int lost = 0;
	char *p = map_at(self->fd, 0, FAULT_PAGES, RW, MAP_SHARED);

	ASSERT_NE(MAP_FAILED, p);
	pthread_barrier_init(&barrier, NULL, FAULT_THREADS);
	for (unsigned int i = 0; i < FAULT_THREADS; i++) {
		faulters[i] = (struct faulter){
			.barrier = &barrier, .id = i, .p = p,
		};
		ASSERT_EQ(0, pthread_create(&faulters[i].thread, NULL,
					    fault_thread, &faulters[i]));
	}
	for (unsigned int i = 0; i < FAULT_THREADS; i++)
		pthread_join(faulters[i].thread, NULL);
	for (unsigned int i = 0; i < FAULT_PAGES; i++)
		for (unsigned int j = 0; j < FAULT_THREADS; j++)
			lost += word(p, i)[j] != i + 1;
	EXPECT_EQ(0, lost);
	EXPECT_EQ(before + FAULT_PAGES, count_all_typed());
	munmap(p, FAULT_PAGES * page_size);
	unmap_and_close(&self->p, &self->fd);
	EXPECT_EQ(before, count_all_typed());
}

/* Dirty tracking. */

TEST_F(device, dirty)
{
	EXPECT_EQ(0, get_dirty(self->fd, self->dirty));
	touch(self->p, NR, false);
	EXPECT_EQ(0, get_dirty(self->fd, self->dirty));

	for (int i = 0; i < 2; i++) {
		*word(self->p, 3) = i;
		*word(self->p, NR - 1) = i;
		EXPECT_EQ(2, get_dirty(self->fd, self->dirty));
		EXPECT_TRUE(is_dirty(self->dirty, 3));
		EXPECT_TRUE(is_dirty(self->dirty, NR - 1));
		EXPECT_EQ(0, get_dirty(self->fd, self->dirty));
	}

	/* A first access that is a write. */
	madvise(self->p, NR * page_size, MADV_DONTNEED);
	*word(self->p, 5) = 1;
	EXPECT_EQ(1, get_dirty(self->fd, self->dirty));
	EXPECT_TRUE(is_dirty(self->dirty, 5));
}

/* The offset counts, not the address: two mappings, and parts of one. */
TEST_F(device, dirty_by_offset)
{
	const unsigned int first = USERMAP_DEVICE_PAGES - NR;
	char *p = map_at(self->fd, first, NR, RW, MAP_SHARED);

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(0, munmap(p + page_size, page_size));
	*word(p, 0) = 1;
	*word(p, NR - 1) = 1;
	*word(self->p, 0) = 1;
	EXPECT_EQ(3, get_dirty(self->fd, self->dirty));
	EXPECT_TRUE(is_dirty(self->dirty, 0));
	EXPECT_TRUE(is_dirty(self->dirty, first));
	EXPECT_TRUE(is_dirty(self->dirty, USERMAP_DEVICE_PAGES - 1));
	EXPECT_EQ(0, get_dirty(self->fd, self->dirty));
	munmap(p, page_size);
	munmap(p + 2 * page_size, (NR - 2) * page_size);
}

TEST_F(device, dirty_in_child)
{
	int status;
	pid_t pid;

	touch(self->p, NR, true);
	EXPECT_EQ(NR, get_dirty(self->fd, self->dirty));
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		*word(self->p, 7) = 1;
		raise(SIGSTOP);
		_exit(0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, WUNTRACED));
	EXPECT_EQ(1, get_dirty(self->fd, self->dirty));
	EXPECT_TRUE(is_dirty(self->dirty, 7));
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
}

/* Giving permissions back does not hide the next write. */
TEST_F(device, dirty_and_mprotect)
{
	touch(self->p, NR, true);
	EXPECT_EQ(NR, get_dirty(self->fd, self->dirty));
	ASSERT_EQ(0, mprotect(self->p, NR * page_size, PROT_READ));
	ASSERT_EQ(0, mprotect(self->p, NR * page_size, RW));
	*word(self->p, 1) = 1;
	EXPECT_EQ(1, get_dirty(self->fd, self->dirty));
	EXPECT_TRUE(is_dirty(self->dirty, 1));
}

/*
 * The write that faults is recorded. A later one is known only to the dirty bit
 * then, and goes with it.
 */
TEST_F(device, dirty_and_zap)
{
	touch(self->p, NR, true);
	madvise(self->p, NR * page_size, MADV_DONTNEED);
	EXPECT_EQ(NR, get_dirty(self->fd, self->dirty));

	touch(self->p, NR, false);
	*word(self->p, 1) = 1;
	madvise(self->p, NR * page_size, MADV_DONTNEED);
	EXPECT_EQ(variant->by_dirty_bit ? 0 : 1,
		  get_dirty(self->fd, self->dirty));
}

TEST_F(device, dirty_is_not_lost_by_bad_address)
{
	*word(self->p, 2) = 1;
	expect_errno(EFAULT, get_dirty(self->fd, (void *)page_size));
	EXPECT_EQ(1, get_dirty(self->fd, self->dirty));
	EXPECT_TRUE(is_dirty(self->dirty, 2));
	expect_errno(ENOTTY, ioctl(self->fd, USERMAP_DEVICE_DIRTY + 1,
				   self->dirty));
}

/*
 * Writers, each with pages of its own, while the record is taken and what is in
 * it is copied, as a device would. The copy has every write in the end, and no
 * page is reported that is only read.
 */
#define WRITERS	4U

struct writer {
	pthread_t thread;
	unsigned int seed, first;
	char *p, *other;
	bool *stop;
};

static void *writer_thread(void *arg)
{
	struct writer *w = arg;

	for (unsigned long n = 1; !READ_ONCE(*w->stop); n++) {
		const unsigned int random = rand_r(&w->seed);
		const unsigned int page = w->first + random % (NR / 2 / WRITERS);
		char *p = random & 1024 ? w->p : w->other;

		WRITE_ONCE(*word(p, page), n);
		READ_ONCE(*word(p, NR / 2 + page));
		/* The mapping that all share changes its permissions, too. */
		if (p == w->other && !(random & 0xf000)) {
			mprotect(word(w->p, page), page_size, PROT_READ);
			mprotect(word(w->p, page), page_size, RW);
		}
	}
	return NULL;
}

TEST_F_TIMEOUT(device, dirty_race, 600)
{
	const unsigned int rounds = 500;
	struct writer writers[WRITERS] = {};
	char *copy = calloc(NR, page_size), *other = map(self->fd);
	unsigned long found = 0;
	bool stop = false;

	ASSERT_NE(NULL, copy);
	ASSERT_NE(MAP_FAILED, other);
	for (unsigned int i = 0; i < WRITERS; i++) {
		writers[i] = (struct writer){
			.seed = i, .first = i * (NR / 2 / WRITERS),
			.p = self->p, .other = other, .stop = &stop,
		};
		ASSERT_EQ(0, pthread_create(&writers[i].thread, NULL,
					    writer_thread, &writers[i]));
	}
	for (unsigned int round = 0; round <= rounds; round++) {
		if (round == rounds) {
			WRITE_ONCE(stop, true);
			for (unsigned int i = 0; i < WRITERS; i++)
				pthread_join(writers[i].thread, NULL);
		}
		ASSERT_GE(get_dirty(self->fd, self->dirty), 0);
		for (unsigned int i = 0; i < NR; i++) {
			if (!is_dirty(self->dirty, i))
				continue;
			found++;
			EXPECT_LT(i, NR / 2);
			*word(copy, i) = READ_ONCE(*word(self->p, i));
		}
		sched_yield();
	}
	for (unsigned int i = 0; i < NR; i++)
		EXPECT_EQ(*word(self->p, i), *word(copy, i));
	EXPECT_NE(0, found);
	TH_LOG("%u rounds, %lu pages found", rounds, found);
	free(copy);
	munmap(other, NR * page_size);
}

int main(int argc, char **argv)
{
	page_size = sysconf(_SC_PAGESIZE);
	return test_harness_run(argc, argv);
}
