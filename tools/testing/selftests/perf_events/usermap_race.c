// SPDX-License-Identifier: GPL-2.0
/*
 * Threads and processes that map, unmap, move, protect, fork, read, write and
 * close the same usermap pages at once, with signals, kills and CPU hotplug in
 * the middle. Each system call must succeed or fail for a reason that is its
 * due, and in the end no page may be left. The rest is for the kernel's checks
 * to notice.
 *
 * What happens is random, how much of it is not. Environment:
 *
 * SEED		of the random numbers; a new one by default
 * ROUNDS	operations of each thread
 * DISRUPTIVE	"oom": also kill by the OOM killer; "hotplug": take CPU 1 away
 *
 * The AUX tests need the fake_aux PMU, the sample tests the driver of
 * samples/usermap.
 */
#define _GNU_SOURCE

#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include <linux/mman.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/uio.h>

#include "kselftest_harness.h"
#include "usermap_perf.h"

#define PMU_DIR		"/sys/bus/event_source/devices/fake_aux"
#define CPU1		"/sys/devices/system/cpu/cpu1/online"
#define SAMPLE_DEV	"/dev/usermap_sample"
#define SAMPLE_PAGES	4

#define THREADS		4
#define FDS		3
#define SLOTS		6

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif

enum kind { RING, AUX, SAMPLE };

enum op {
	OP_MAP, OP_UNMAP, OP_MREMAP, OP_MPROTECT, OP_MADVISE, OP_TOUCH,
	OP_PROC_MEM, OP_READV, OP_LOCK, OP_REOPEN, OP_IOCTL, OP_FORK, OP_KILL,
	NR_OPS
};

static const char * const op_names[NR_OPS] = {
	"mmap", "munmap", "mremap", "mprotect", "madvise", "touch",
	"/proc/self/mem", "process_vm_readv", "mlock", "reopen", "ioctl",
	"fork", "kill",
};

/* How often each is drawn. */
static const int op_weights[NR_OPS] = {
	24, 4, 8, 8, 10, 16, 6, 3, 3, 6, 8, 1, 1,
};

static const int advices[] = {
	MADV_NORMAL, MADV_RANDOM, MADV_WILLNEED, MADV_DONTNEED, MADV_FREE,
	MADV_REMOVE, MADV_DONTFORK, MADV_DOFORK, MADV_MERGEABLE,
	MADV_UNMERGEABLE, MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_DONTDUMP,
	MADV_DODUMP, MADV_COLD, MADV_PAGEOUT, MADV_POPULATE_READ,
	MADV_POPULATE_WRITE, MADV_DONTNEED_LOCKED, MADV_COLLAPSE,
};

/* What the children of the threads count, too. */
static struct shared {
	long calls[NR_OPS], done[NR_OPS];
	long reaped;	/* by process_mrelease() */
	/* The first error that must not be. */
	int bad_errno;
	const char *bad_call;
} *shared;

/*
 * What all threads work on. Nothing that the test itself needs is ever mapped
 * in the arena.
 */
static enum kind kind;
static size_t ring_pages, nr_pages;	/* of a ring, of what is mapped */
static int event_cpu;
static bool child_maps;
static int fds[FDS], nr_fds;
static int proc_mem;
static char *arena;
static size_t slot_size;
static bool ready;		/* a test has begun */
static bool stop;

static __thread unsigned long long random_state;
static __thread sigjmp_buf fault_env;
static __thread bool may_fault;

static unsigned long long seed;

static void seed_random(unsigned int stream)
{
	random_state = (seed + stream) * 0x9e3779b97f4a7c15ULL | 1;
}

/* xorshift64* */
static unsigned int below(unsigned int n)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return ((random_state * 0x2545f4914f6cdd1dULL) >> 33) % n;
}

static bool chance(unsigned int one_in)
{
	return !below(one_in);
}

#define E(err)	(1ULL << (err))

/* @ret is fine, or a failure for one of the reasons in @allowed. */
static bool check(const char *call, long ret, uint64_t allowed)
{
	int err = errno;

	if (ret != -1)
		return true;
	if (err < 64 && E(err) & allowed)
		return false;
	if (!__sync_val_compare_and_swap(&shared->bad_errno, 0, err))
		shared->bad_call = call;
	return false;
}

static void fault_handler(int sig)
{
	if (READ_ONCE(may_fault))
		siglongjmp(fault_env, 1);
	signal(sig, SIG_DFL);
}

static void alarm_handler(int sig)
{
}

/* Read a byte, or write it back, where nothing may be mapped. */
static bool access_byte(char *addr, bool write)
{
	bool fault = sigsetjmp(fault_env, 0);

	if (!fault) {
		WRITE_ONCE(may_fault, true);
		if (write)
			WRITE_ONCE(*addr, READ_ONCE(*addr));
		else
			(void)READ_ONCE(*addr);
	}
	WRITE_ONCE(may_fault, false);
	return !fault;
}

/* Tell perf where the AUX area is to be, if the ring is still there. */
static void place_aux(struct perf_event_mmap_page *page)
{
	if (!sigsetjmp(fault_env, 0)) {
		WRITE_ONCE(may_fault, true);
		WRITE_ONCE(page->aux_offset, ring_pages * page_size);
		WRITE_ONCE(page->aux_size, nr_pages * page_size);
	}
	WRITE_ONCE(may_fault, false);
}

static int open_object(void)
{
	struct perf_event_attr attr = {
		.type		= PERF_TYPE_SOFTWARE,
		.config		= PERF_COUNT_SW_PAGE_FAULTS,
		.sample_period	= 1,
		.sample_type	= PERF_SAMPLE_IP | PERF_SAMPLE_TID |
				  PERF_SAMPLE_ADDR,
	};
	char type[16] = { 0 };
	int fd;

	switch (kind) {
	case SAMPLE:
		return open(SAMPLE_DEV, O_RDWR | O_CLOEXEC);
	case AUX:
		fd = open(PMU_DIR "/type", O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return -1;
		if (read(fd, type, sizeof(type) - 1) < 0)
			type[0] = 0;
		close(fd);
		attr.type = atoi(type);
		attr.config = page_size + 64;
		attr.sample_period = 0;
		break;
	case RING:
		break;
	}
	if (event_cpu < 0)
		return perf_open(&attr);
	attr.size = sizeof(attr);
	return syscall(__NR_perf_event_open, &attr, -1, event_cpu, -1,
		       PERF_FLAG_FD_CLOEXEC);
}

static char *any_slot(void)
{
	return arena + below(SLOTS) * slot_size;
}

static size_t some_pages(void)
{
	return (chance(2) ? nr_pages : 1 + below(nr_pages)) * page_size;
}

static bool map_sample(char *addr, int fd)
{
	int flags = chance(3) ? MAP_PRIVATE : MAP_SHARED;
	size_t first = below(SAMPLE_PAGES), len = 1 + below(SAMPLE_PAGES);
	int prot = chance(3) ? PROT_READ : PROT_READ | PROT_WRITE;

	return check("mmap of the sample",
		     (long)mmap(addr, len * page_size, prot, flags | MAP_FIXED,
				fd, first * page_size),
		     len > SAMPLE_PAGES - first ? E(ENXIO) : 0);
}

/*
 * EINVAL: another size than the event's ring or area has, no ring for an area,
 * a piece of a perf mapping in the way, or a private mapping. With rings only,
 * all have one size and begin where a slot does. EBUSY: a ring redirected to
 * another one.
 */
static bool map_perf(char *addr, int fd)
{
	int flags = chance(32) ? MAP_PRIVATE : MAP_SHARED;
	int prot = chance(4) ? PROT_READ : PROT_READ | PROT_WRITE;
	bool mapped;

	if (kind == AUX && chance(2)) {
		addr = any_slot();
		return check("mmap of the AUX area",
			     (long)mmap(addr, nr_pages * page_size, prot,
					flags | MAP_FIXED, fd,
					ring_pages * page_size),
			     E(EINVAL));
	}
	mapped = check("mmap of the ring",
		       (long)mmap(addr, ring_pages * page_size, prot,
				  flags | MAP_FIXED, fd, 0),
		       (kind == AUX || flags == MAP_PRIVATE ? E(EINVAL) : 0) |
		       E(EBUSY));
	if (mapped && kind == AUX)
		place_aux((void *)addr);
	return mapped;
}

/* Close what another thread may map just now, and open another. */
static bool reopen(int *slot)
{
	int fd = open_object();

	/* The CPU may be away; a thread can have one event with an AUX area. */
	if (!check("open", fd, (event_cpu < 0 ? 0 : E(ENODEV)) |
		   (kind == AUX ? E(EBUSY) : 0)))
		return false;
	check("dup3", dup3(fd, *slot, O_CLOEXEC), 0);
	close(fd);
	return true;
}

static bool do_ioctl(int fd)
{
	if (kind == SAMPLE)
		return check("ioctl", ioctl(fd, PERF_EVENT_IOC_RESET, 0),
			     E(ENOTTY));
	switch (below(4)) {
	case 0:
		return check("ioctl ENABLE",
			     ioctl(fd, PERF_EVENT_IOC_ENABLE, 0), 0);
	case 1:
		return check("ioctl DISABLE",
			     ioctl(fd, PERF_EVENT_IOC_DISABLE, 0), 0);
	case 2:
		return check("ioctl SET_OUTPUT",
			     ioctl(fd, PERF_EVENT_IOC_SET_OUTPUT,
				   fds[below(nr_fds)]), E(EINVAL));
	default:
		return check("ioctl SET_OUTPUT -1",
			     ioctl(fd, PERF_EVENT_IOC_SET_OUTPUT, -1L),
			     E(EINVAL));
	}
}

static void run(long rounds, bool child);

/* Of the process that opens it, also when others inherit the file. */
static int open_proc_mem(void)
{
	return open("/proc/self/mem", O_RDWR | O_CLOEXEC);
}

/* A child that goes on like its parent, and that may be killed meanwhile. */
static bool do_fork(bool kill_it)
{
	unsigned int child_seed = below(1U << 30);
	long maps = READ_ONCE(shared->calls[OP_MAP]) + below(8);
	int status, pidfd, nr = below(40);
	pid_t pid;

	pid = fork();
	if (!pid) {
		random_state = child_seed * 2ULL + 1;
		proc_mem = open_proc_mem();
		run(kill_it && child_maps ? LONG_MAX : 50, true);
		_exit(0);
	}
	if (!check("fork", pid, 0))
		return false;
	if (kill_it) {
		pidfd = syscall(__NR_pidfd_open, pid, 0);
		check("pidfd_open", pidfd, 0);
		/* In mid-mmap, or anywhere. */
		if (child_maps)
			wait_until(READ_ONCE(shared->calls[OP_MAP]) >= maps);
		while (nr--)
			sched_yield();
		kill(pid, SIGKILL);
		/* Take its memory while it dies, as the OOM reaper does. */
		if (check("process_mrelease",
			  syscall(__NR_process_mrelease, pidfd, 0),
			  E(ESRCH) | E(EAGAIN) | E(EINVAL)))
			__sync_fetch_and_add(&shared->reaped, 1);
		close(pidfd);
	}
	if (waitpid(pid, &status, 0) != pid)
		return check("waitpid", -1, 0);
	errno = EPROTO;
	return check("a child", (WIFEXITED(status) && !WEXITSTATUS(status)) ||
		     (kill_it && WIFSIGNALED(status) &&
		      WTERMSIG(status) == SIGKILL) ? 0 : -1, 0);
}

static bool do_proc_mem(char *addr, char *buf, size_t len)
{
	if (chance(3))
		return check("write to /proc/self/mem",
			     pwrite(proc_mem, buf, 16, (uintptr_t)addr),
			     E(EIO));
	return check("read of /proc/self/mem",
		     pread(proc_mem, buf, len, (uintptr_t)addr), E(EIO));
}

static bool do_readv(char *addr, char *buf, size_t len)
{
	struct iovec local = { .iov_base = buf, .iov_len = len };
	struct iovec remote = { .iov_base = addr, .iov_len = len };

	return check("process_vm_readv",
		     process_vm_readv(getpid(), &local, 1, &remote, 1, 0),
		     E(EFAULT));
}

static bool do_lock(char *addr, size_t len)
{
	unsigned char vec[2048];

	switch (below(4)) {
	case 0:
		return check("mlock", mlock(addr, len), E(ENOMEM));
	case 1:
		return check("munlock", munlock(addr, len), E(ENOMEM) | E(EINVAL));
	case 2:
		/* EINVAL: the file has no fsync. */
		return check("msync", msync(addr, len, MS_SYNC),
			     E(ENOMEM) | E(EINVAL));
	default:
		return check("mincore", mincore(addr, len, vec), E(ENOMEM));
	}
}

/* EINVAL in the calls that may split: perf's mappings cannot be split. */
static bool do_op(enum op op)
{
	static const int prots[] = {
		PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE,
	};
	int *fd = &fds[below(nr_fds)];
	char *addr = any_slot(), *to = any_slot();
	size_t len = some_pages();
	char buf[256] = { 0 };

	if (chance(4))
		addr += below(nr_pages) * page_size;

	switch (op) {
	case OP_MAP:
		addr = any_slot();
		return kind == SAMPLE ? map_sample(addr, *fd) :
					map_perf(addr, *fd);
	case OP_UNMAP:
		return check("munmap", munmap(addr, len), E(EINVAL));
	case OP_MREMAP:
		/* EFAULT: nothing there, or it may not grow. */
		return check("mremap",
			     (long)mremap(addr, len,
					  chance(4) ? some_pages() : len,
					  MREMAP_MAYMOVE | MREMAP_FIXED, to),
			     E(EFAULT) | E(EINVAL));
	case OP_MPROTECT:
		/* ENOMEM: nothing there. EACCES: not to be writable. */
		return check("mprotect", mprotect(addr, len, prots[below(3)]),
			     E(ENOMEM) | E(EINVAL));
	case OP_MADVISE:
		/* ENODEV: MADV_REMOVE of what is no regular file. */
		return check("madvise",
			     madvise(addr, len,
				     advices[below(ARRAY_SIZE(advices))]),
			     E(ENOMEM) | E(EINVAL) | E(EFAULT) | E(EACCES) |
			     E(EBUSY) | E(EAGAIN) | E(ENODEV));
	case OP_TOUCH:
		return access_byte(addr + below(nr_pages) * page_size,
				   chance(2));
	case OP_PROC_MEM:
		return do_proc_mem(addr, buf, sizeof(buf));
	case OP_READV:
		return do_readv(addr, buf, sizeof(buf));
	case OP_LOCK:
		return do_lock(addr, len);
	case OP_REOPEN:
		return reopen(fd);
	case OP_IOCTL:
		return do_ioctl(*fd);
	case OP_FORK:
	case OP_KILL:
		return do_fork(op == OP_KILL);
	case NR_OPS:
		break;
	}
	return false;
}

static enum op any_op(void)
{
	int total = 0, n;

	for (int i = 0; i < NR_OPS; i++)
		total += op_weights[i];
	n = below(total);
	for (int i = 0; ; i++) {
		n -= op_weights[i];
		if (n < 0)
			return i;
	}
}

static void run(long rounds, bool child)
{
	while (rounds-- && !READ_ONCE(stop) && !shared->bad_errno) {
		enum op op = any_op();

		if (child && (op == OP_FORK || op == OP_KILL ||
			      (op == OP_MAP && !child_maps)))
			continue;
		__sync_fetch_and_add(&shared->calls[op], 1);
		if (do_op(op))
			__sync_fetch_and_add(&shared->done[op], 1);
	}
}

struct worker {
	pthread_t thread;
	int number;
	long rounds;
	bool child;
};

static void *work(void *arg)
{
	struct worker *worker = arg;

	seed_random(worker->number);
	run(worker->rounds, worker->child);
	return NULL;
}

static void start_workers(struct worker *workers, int nr, long rounds,
			  bool child)
{
	for (int i = 0; i < nr; i++) {
		workers[i].number = 1 + i;
		workers[i].rounds = rounds;
		workers[i].child = child;
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]))
			abort();
	}
}

static void join_workers(struct worker *workers, int nr)
{
	for (int i = 0; i < nr; i++)
		pthread_join(workers[i].thread, NULL);
}

static long from_env(const char *name, long value)
{
	const char *string = getenv(name);

	return string ? strtol(string, NULL, 0) : value;
}

FIXTURE(race)
{
	long typed;
	long pinned;
};

FIXTURE_VARIANT(race)
{
	enum kind kind;
	size_t ring_pages;
	size_t pages;
};

FIXTURE_VARIANT_ADD(race, ring_8)
{
	.kind = RING, .ring_pages = 1 + 8, .pages = 1 + 8,
};

FIXTURE_VARIANT_ADD(race, ring_512)
{
	.kind = RING, .ring_pages = 1 + 512, .pages = 1 + 512,
};

FIXTURE_VARIANT_ADD(race, aux)
{
	.kind = AUX, .ring_pages = 1 + 8, .pages = 32,
};

FIXTURE_VARIANT_ADD(race, sample)
{
	.kind = SAMPLE, .pages = SAMPLE_PAGES,
};

FIXTURE_SETUP(race)
{
	struct sigaction fault = {
		.sa_handler = fault_handler, .sa_flags = SA_NODEFER,
	};
	struct sigaction alarm = {
		.sa_handler = alarm_handler, .sa_flags = SA_RESTART,
	};
	const struct itimerval timer = {
		.it_interval.tv_usec = 2000, .it_value.tv_usec = 2000,
	};
	int empty;

	kind = variant->kind;
	ring_pages = variant->ring_pages;
	nr_pages = variant->pages;
	event_cpu = -1;
	if (kind == AUX && access(PMU_DIR, F_OK))
		SKIP(return, "fake_aux.ko is not loaded");
	if (kind == SAMPLE && access(SAMPLE_DEV, F_OK))
		SKIP(return, "usermap_sample.ko is not loaded");

	self->typed = count_all_typed();
	self->pinned = status_field("VmPin");

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, shared);
	/*
	 * With a gap after each, and more than one page table for all. The
	 * file is empty, so that there is nothing to access but what is mapped
	 * over it.
	 */
	slot_size = 2 * nr_pages * page_size;
	empty = memfd_create("arena", MFD_CLOEXEC);
	ASSERT_GE(empty, 0);
	arena = mmap(NULL, SLOTS * slot_size, PROT_NONE, MAP_SHARED, empty, 0);
	ASSERT_NE(MAP_FAILED, arena);
	close(empty);
	proc_mem = open_proc_mem();
	ASSERT_GE(proc_mem, 0);
	sigaction(SIGSEGV, &fault, NULL);
	sigaction(SIGBUS, &fault, NULL);
	sigaction(SIGALRM, &alarm, NULL);
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &timer, NULL));
}

FIXTURE_TEARDOWN(race)
{
	const struct itimerval off = { 0 };
	char line[512];
	int len = 0;

	if (!ready)
		return;
	setitimer(ITIMER_REAL, &off, NULL);
	EXPECT_EQ(0, shared->bad_errno)
		TH_LOG("%s: %s", shared->bad_call, strerror(shared->bad_errno));
	for (int i = 0; i < NR_OPS; i++)
		len += snprintf(line + len, sizeof(line) - len, "%s %ld/%ld ",
				op_names[i], shared->done[i], shared->calls[i]);
	TH_LOG("done/tried: %s", line);
	/* Or else nothing was tested. */
	EXPECT_GT(shared->done[OP_MAP], shared->calls[OP_MAP] / 20);
	EXPECT_GT(shared->done[OP_TOUCH], 0);
	/* The sample driver has no ioctl(). */
	for (int i = 0; i < NR_OPS; i++) {
		if (i != OP_READV && (i != OP_IOCTL || variant->kind != SAMPLE) &&
		    shared->calls[i] > 100)
			EXPECT_GT(shared->done[i], 0)
				TH_LOG("%s never succeeded", op_names[i]);
	}
	/* perf's mappings are VM_IO, which GUP refuses. */
	if (variant->kind != SAMPLE)
		EXPECT_EQ(0, shared->done[OP_READV]);

	EXPECT_EQ(0, munmap(arena, SLOTS * slot_size));
	for (int i = 0; i < nr_fds; i++)
		close(fds[i]);

	/* Buffers are freed after a grace period. */
	EXPECT_TRUE(wait_until(count_all_typed() == self->typed))
		TH_LOG("%ld typed pages, %ld before", count_all_typed(),
		       self->typed);
	/* A ring is charged to who maps it first, and paid back by the last. */
	if (!child_maps)
		EXPECT_EQ(self->pinned, status_field("VmPin"));
}

static bool disruptive(const char *how)
{
	const char *wanted = getenv("DISRUPTIVE");

	return wanted && strstr(wanted, how);
}

/* The files that a test begins with: events of @cpu, or of this thread. */
static bool open_objects(int cpu)
{
	event_cpu = cpu;
	nr_fds = kind == AUX ? 1 : FDS;
	for (int i = 0; i < nr_fds; i++) {
		fds[i] = open_object();
		if (fds[i] < 0)
			return false;
	}
	ready = true;
	return true;
}

/* Threads share the mm; their children have copies, and do not map. */
TEST_F_TIMEOUT(race, threads, 600)
{
	struct worker workers[THREADS];

	ASSERT_TRUE(open_objects(-1));
	start_workers(workers, THREADS, from_env("ROUNDS", 1000), false);
	join_workers(workers, THREADS);
}

/* Processes share the files only, and are killed while they map them. */
TEST_F_TIMEOUT(race, processes, 600)
{
	struct worker workers[2];
	long rounds = from_env("ROUNDS", 1000) / 20;

	ASSERT_TRUE(open_objects(-1));
	child_maps = true;
	seed_random(0);
	start_workers(workers, 2, rounds, false);
	for (long i = 0; i < rounds && !shared->bad_errno; i++) {
		__sync_fetch_and_add(&shared->calls[OP_KILL], 1);
		if (do_fork(true))
			__sync_fetch_and_add(&shared->done[OP_KILL], 1);
	}
	join_workers(workers, 2);
	TH_LOG("reaped %ld of %ld", shared->reaped, rounds);
	EXPECT_GT(shared->reaped, 0);
}

/* The OOM killer comes while two threads of a process map. */
TEST_F_TIMEOUT(race, oom, 600)
{
	long kills = 1 + from_env("ROUNDS", 1000) / 200;
	struct worker workers[2];

	if (!disruptive("oom"))
		SKIP(return, "DISRUPTIVE does not have oom");
	ASSERT_TRUE(open_objects(-1));
	child_maps = true;
	for (long i = 0; i < kills; i++) {
		long before = shared->done[OP_MAP];
		pid_t pid = fork();

		ASSERT_GE(pid, 0);
		if (!pid) {
			proc_mem = open_proc_mem();
			if (proc_mem < 0 ||
			    !write_string("/proc/self/oom_score_adj", "1000"))
				_exit(1);
			/* Without children, who would be victims, too. */
			start_workers(workers, 2, LONG_MAX, true);
			join_workers(workers, 2);
			_exit(0);
		}
		ASSERT_TRUE(wait_until(READ_ONCE(shared->done[OP_MAP]) >
				       before + 20));
		ASSERT_TRUE(write_string("/proc/sysrq-trigger", "f"));
		ASSERT_EQ(256 + SIGKILL, reap(pid));
	}
}

/* The events are those of a CPU that comes and goes. */
TEST_F_TIMEOUT(race, hotplug, 600)
{
	long cycles = 1 + from_env("ROUNDS", 1000) / 200;
	struct worker workers[2];

	if (!disruptive("hotplug"))
		SKIP(return, "DISRUPTIVE does not have hotplug");
	if (access(CPU1, W_OK))
		SKIP(return, "CPU 1 cannot be taken away");

	ASSERT_TRUE(open_objects(1));
	start_workers(workers, 2, LONG_MAX, false);
	for (long i = 0; i < cycles && !shared->bad_errno; i++) {
		long before;

		EXPECT_TRUE(write_string(CPU1, "0"));
		before = READ_ONCE(shared->calls[OP_MAP]);
		EXPECT_TRUE(wait_until(READ_ONCE(shared->calls[OP_MAP]) >
				       before + 20));
		EXPECT_TRUE(write_string(CPU1, "1"));
	}
	WRITE_ONCE(stop, true);
	join_workers(workers, 2);
}

int main(int argc, char **argv)
{
	page_size = sysconf(_SC_PAGESIZE);
	seed = from_env("SEED", time(NULL));
	printf("# SEED=%llu\n", seed);
	return test_harness_run(argc, argv);
}
