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
	page_size = sysconf(_SC_PAGESIZE);
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

FIXTURE_TEARDOWN(device)
{
	free(self->dirty);
	munmap(self->p, NR * page_size);
	close(self->fd);
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

TEST_F(device, populate_beyond)
{
	char *last = map_at(self->fd, USERMAP_DEVICE_PAGES - 1, 1, RW,
			    MAP_SHARED);

	ASSERT_NE(MAP_FAILED, last);
	expect_errno(EFAULT, mremap(last, page_size, 2 * page_size,
				    MREMAP_MAYMOVE));
	/* Whatever may follow it is not mapped. */
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

/* Who gets the file gets the session, and neither more nor less than it may. */
TEST_F(device, session_is_passed_on)
{
	int sock[2], status, readonly = open(DEVICE, O_RDONLY | O_CLOEXEC);
	pid_t pid;

	ASSERT_GE(readonly, 0);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sock))
		SKIP(return, "no socketpair(): CONFIG_UNIX");
	*word(self->p, 0) = 1;
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		int fd, fd_readonly;
		char *p;

		munmap(self->p, NR * page_size);
		close(self->fd);
		close(readonly);
		if (setgid(65534) || setuid(65534))
			_exit(1);
		fd = receive_fd(sock[1]);
		fd_readonly = receive_fd(sock[1]);
		p = map(fd);
		if (p == MAP_FAILED || *word(p, 0) != 1)
			_exit(2);
		*word(p, 1) = 2;
		if (map(fd_readonly) != MAP_FAILED || errno != EACCES)
			_exit(3);
		_exit(0);
	}
	EXPECT_TRUE(send_fd(sock[0], self->fd));
	EXPECT_TRUE(send_fd(sock[0], readonly));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(2, *word(self->p, 1));
	close(readonly);
	close(sock[0]);
	close(sock[1]);
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
 * wrote, 0 where it did not, or SIGBUS from some time on.
 */
#define RACE_PAGES	8U

struct racer {
	pthread_t thread;
	unsigned int seed;
	bool *stop;
	unsigned long sessions, accesses, revoked, wrong;
};

/* Accesses to all pages, but for those unmapped; false once it is revoked. */
static bool race_access(struct racer *r, char *p, unsigned int first,
			unsigned long *written)
{
	for (unsigned int i = first; i < RACE_PAGES; i++) {
		unsigned long value, next = rand_r(&r->seed) | 1;

		r->accesses++;
		if (!try_read(word(p, i), &value))
			return false;
		if (value != written[i])
			r->wrong++;
		if (next & 2)
			continue;
		/* Whether it was done before SIGBUS does not matter. */
		if (!try_write(word(p, i), next))
			return false;
		written[i] = next;
	}
	return true;
}

static void race_fork(struct racer *r, char *p, unsigned long *written)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		r->wrong = 0;
		race_access(r, p, 0, written);
		_exit(!!r->wrong);
	}
	if (pid > 0 && waitpid(pid, &status, 0) == pid && status)
		r->wrong++;
}

static void race_session(struct racer *r, int fd)
{
	const size_t len = RACE_PAGES * page_size;
	unsigned long written[RACE_PAGES] = {};
	char *p, *q;
	bool ok = true;

	p = map_at(fd, 0, RACE_PAGES, RW, MAP_SHARED);
	if (p == MAP_FAILED)
		return;
	while (ok && !READ_ONCE(*r->stop)) {
		switch (rand_r(&r->seed) % 16) {
		case 0:
			q = mremap(p, len, len, MREMAP_MAYMOVE |
				   MREMAP_DONTUNMAP);
			break;
		case 1:	/* The hole is another thread's, if it is quick. */
			q = mmap(NULL, len, PROT_NONE, MAP_PRIVATE |
				 MAP_ANONYMOUS, -1, 0);
			q = mremap(p, len, len, MREMAP_MAYMOVE | MREMAP_FIXED,
				   q);
			if (q != MAP_FAILED)
				p = q;
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
			if (rand_r(&r->seed) % 8)
				break;
			/* The child writes; there is no telling what. */
			madvise(p, len, MADV_DONTNEED);
			ok = race_access(r, p, 0, written);
			if (ok)
				race_fork(r, p, written);
			goto out;
		default:
			ok = race_access(r, p, 0, written);
		}
	}
	r->revoked += !ok;
out:
	munmap(p, len);
}

static void *race_thread(void *arg)
{
	struct racer *r = arg;

	while (!READ_ONCE(*r->stop)) {
		int fd = device();

		if (fd < 0) {
			if (errno != ENODEV)
				r->wrong++;
			sched_yield();
			continue;
		}
		r->sessions++;
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
	struct racer *racers = calloc(nr, sizeof(*racers));
	unsigned long sessions = 0, accesses = 0, revoked = 0, wrong = 0;
	bool stop = false;

	ASSERT_NE(NULL, racers);
	for (unsigned int i = 0; i < nr; i++) {
		racers[i].seed = seed + i;
		racers[i].stop = &stop;
		ASSERT_EQ(0, pthread_create(&racers[i].thread, NULL,
					    race_thread, &racers[i]));
	}
	for (unsigned int i = 0; i < rounds; i++) {
		ASSERT_TRUE(write_string(PLUGGED, "0"));
		ASSERT_TRUE(write_string(PLUGGED, "1"));
		/* Let some of them get somewhere. */
		for (unsigned int j = rand() % 4; j--; )
			sched_yield();
	}
	WRITE_ONCE(stop, true);
	for (unsigned int i = 0; i < nr; i++) {
		pthread_join(racers[i].thread, NULL);
		sessions += racers[i].sessions;
		accesses += racers[i].accesses;
		revoked += racers[i].revoked;
		wrong += racers[i].wrong;
	}
	free(racers);
	TH_LOG("seed %u: %lu sessions, %lu revoked in use, %lu accesses",
	       seed, sessions, revoked, accesses);
	EXPECT_EQ(0, wrong);
	EXPECT_NE(0, accesses);
	EXPECT_NE(0, revoked);
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

TEST_HARNESS_MAIN
