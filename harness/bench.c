// SPDX-License-Identifier: GPL-2.0
/*
 * The first process of the guest of harness/bench: count the instructions of
 * mappings of kernel memory, and of what must not become slower.
 *
 * usage: /init [max=PAGES] [only=PAGES] GROUP...
 *
 * Each line on the console is `bench,WHAT,METHOD,OPERATION,PAGES,INSTRUCTIONS`,
 * where the figure is the least of five (of two above 16384 pages), and a multiple
 * of what the line `bench-unit,INSTRUCTIONS` says.
 *
 * max= and only= go for the groups behind them. With only=PAGES, each measurement
 * of that size is made once, in the order of the lines, for harness/bench-plugin.c.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/perf_event.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench-count.h"
#include "bench-driver.h"

#define PAGE		4096UL
#define MAX_PAGES	262144UL
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
/* Where everything is mapped, so that page tables are the same each time. */
#define HERE		((char *)(1UL << 44))

static const unsigned long sizes[] = {
	1, 2, 8, 64, 512, 4096, 16384, 65536, MAX_PAGES
};
static unsigned long max_pages = MAX_PAGES;
static unsigned long only_pages;

/*
 * A store here tells harness/bench-plugin.c that a measurement begins or ends:
 * it goes by the offset in the page.
 */
static volatile char *const mark = (char *)(1UL << 45);

static void die(const char *what)
{
	printf("bench-failed,%s,%s\n", what, strerror(errno));
	fflush(stdout);
	reboot(RB_AUTOBOOT);
	_exit(1);
}

static void check(bool good, const char *what)
{
	if (!good)
		die(what);
}

static uint64_t started;

static inline void begin(void)
{
	mark[0] = 0;
	started = count();
}

static inline uint64_t end(void)
{
	uint64_t took = count() - started;

	mark[1] = 0;
	return took;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void report(const char *what, const char *method, const char *operation,
		   unsigned long pages, uint64_t instructions)
{
	printf("bench,%s,%s,%s,%lu,%llu\n", what, method, operation, pages,
	       (unsigned long long)instructions);
	fflush(stdout);
}

static int repeats(unsigned long pages)
{
	if (only_pages)
		return 1;
	return pages > 16385 ? 2 : 5;
}

static bool wanted(unsigned long pages)
{
	return pages <= max_pages && (!only_pages || pages == only_pages);
}

static void touch(const char *p, unsigned long pages)
{
	while (pages--) {
		(void)*(volatile const char *)p;
		p += PAGE;
	}
}

/*
 * Map what is there already, at @at unless that is NULL; with faults, if that is
 * how it is mapped.
 */
static void map_and_unmap(const char *what, const char *method, int fd, int prot,
			  void *at, off_t offset, unsigned long pages, bool faults)
{
	const int flags = MAP_SHARED | (at ? MAP_FIXED : 0);
	uint64_t map = UINT64_MAX, unmap = UINT64_MAX;
	char *p;

	for (int i = 0; i < repeats(pages); i++) {
		begin();
		p = mmap(at, pages * PAGE, prot, flags, fd, offset);
		if (faults)
			touch(p, pages);
		map = least(map, end());
		check(p != MAP_FAILED, what);
		begin();
		munmap(p, pages * PAGE);
		unmap = least(unmap, end());
	}
	report(what, method, "mmap", pages, map);
	report(what, method, "munmap", pages, unmap);
}

/* fork() with the memory at HERE, the parent's side of it. */
static void fork_with(const char *what, const char *method, unsigned long pages)
{
	uint64_t took = UINT64_MAX;
	pid_t pid;

	for (int i = 0; i < repeats(pages); i++) {
		begin();
		pid = syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0);
		if (!pid)
			_exit(0);
		took = least(took, end());
		check(pid > 0 && waitpid(pid, NULL, 0) == pid, "fork");
	}
	report(what, method, "fork", pages, took);
}

static int perf_open(unsigned int type, unsigned long config)
{
	struct perf_event_attr attr = {
		.type = type,
		.size = sizeof(attr),
		.config = config,
		.disabled = 1,
	};
	int fd = syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);

	check(fd >= 0, "perf_event_open");
	return fd;
}

/* The first mapping allocates the ring and remains, the second is measured. */
static void perf_ring(void)
{
	const int prot = PROT_READ | PROT_WRITE;

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		unsigned long pages = sizes[i] + 1;
		void *first;
		int fd;

		if (!wanted(sizes[i]))
			continue;
		fd = perf_open(PERF_TYPE_SOFTWARE, PERF_COUNT_SW_DUMMY);
		first = mmap(NULL, pages * PAGE, prot, MAP_SHARED, fd, 0);
		check(first != MAP_FAILED, "mmap of a perf ring");
		map_and_unmap("perf-ring", "perf", fd, prot, HERE, 0, pages, false);
		munmap(first, pages * PAGE);
		close(fd);
	}
}

static unsigned int number_in(const char *file)
{
	char text[32] = "";
	int fd = open(file, O_RDONLY);

	check(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0, file);
	close(fd);
	return atoi(text);
}

static bool insert_module(const char *file, const char *parameters)
{
	int fd = open(file, O_RDONLY);
	bool good = fd >= 0 && !syscall(SYS_finit_module, fd, parameters, 0);

	if (fd >= 0)
		close(fd);
	return good;
}

static void perf_aux(const char *what, const char *parameters)
{
	const int prot = PROT_READ | PROT_WRITE;
	unsigned int type;

	check(insert_module("/fake_aux.ko", parameters), "fake_aux.ko");
	type = number_in("/sys/bus/event_source/devices/fake_aux/type");
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		unsigned long size = sizes[i] * PAGE;
		struct perf_event_mmap_page *control;
		void *first;
		int fd;

		if (!wanted(sizes[i]))
			continue;
		fd = perf_open(type, 0);
		control = mmap(NULL, 2 * PAGE, prot, MAP_SHARED, fd, 0);
		check(control != MAP_FAILED, "mmap of a perf ring for AUX");
		control->aux_offset = 4 * PAGE;
		control->aux_size = size;
		first = mmap(NULL, size, prot, MAP_SHARED, fd, 4 * PAGE);
		check(first != MAP_FAILED, "mmap of an AUX area");
		map_and_unmap(what, "perf", fd, prot, HERE, 4 * PAGE, sizes[i],
			      false);
		munmap(first, size);
		munmap(control, 2 * PAGE);
		close(fd);
	}
	check(!syscall(SYS_delete_module, "fake_aux", 0), "rmmod fake_aux");
}

/* 64 SQEs a page, and no more than 32768 of them. */
static void io_uring(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(sizes) && sizes[i] <= 512; i++) {
		struct io_uring_params params = { .flags = IORING_SETUP_CLAMP };
		int fd;

		if (!wanted(sizes[i]))
			continue;
		fd = syscall(SYS_io_uring_setup, sizes[i] * 64, &params);
		check(fd >= 0, "io_uring_setup");
		/* It refuses to be told where. */
		map_and_unmap("io_uring-sqes", "io_uring", fd,
			      PROT_READ | PROT_WRITE, NULL, IORING_OFF_SQES,
			      sizes[i], false);
		close(fd);
	}
}

/* The meta page, the reader's page, and those of the buffer. */
static void ftrace(void)
{
	static const char dir[] = "/sys/kernel/tracing";
	char name[64], text[16];

	for (size_t i = 0; i < ARRAY_SIZE(sizes) && sizes[i] <= 16384; i++) {
		unsigned long pages;
		uint32_t *meta;
		int fd, len;

		if (sizes[i] < 8 || !wanted(sizes[i]))
			continue;
		snprintf(name, sizeof(name), "%s/buffer_size_kb", dir);
		fd = open(name, O_WRONLY);
		len = snprintf(text, sizeof(text), "%lu", sizes[i] * 4);
		check(fd >= 0 && write(fd, text, len) == len, name);
		close(fd);
		snprintf(name, sizeof(name), "%s/per_cpu/cpu0/trace_pipe_raw", dir);
		fd = open(name, O_RDONLY | O_NONBLOCK);
		check(fd >= 0, name);
		meta = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
		check(meta != MAP_FAILED, "mmap of a trace buffer");
		/* meta_page_size, meta_struct_len, subbuf_size, nr_subbufs */
		pages = 1 + meta[3];
		map_and_unmap("ftrace", "ftrace", fd, PROT_READ, HERE, 0, pages,
			      false);
		munmap(meta, PAGE);
		close(fd);
	}
}

static const struct driver_case {
	const char *method;
	enum bench_kind kind;
	enum bench_method number;
	unsigned long max;
	bool faults;
} driver_cases[] = {
	{ "remap_pfn_range-block", BENCH_COMPOUND, BENCH_REMAP, MAX_PAGES },
	{ "remap_pfn_range-page", BENCH_PAGES, BENCH_REMAP_EACH, MAX_PAGES },
	{ "vm_insert_page", BENCH_PAGES, BENCH_INSERT_PAGE, MAX_PAGES },
	{ "vm_insert_pages", BENCH_PAGES, BENCH_INSERT_PAGES, MAX_PAGES },
	{ "vm_map_pages", BENCH_PAGES, BENCH_MAP_PAGES, MAX_PAGES },
	{ "remap_vmalloc_range", BENCH_VMALLOC, BENCH_REMAP_VMALLOC, MAX_PAGES },
	{ "fault", BENCH_PAGES, BENCH_FAULT_PAGE, 16384, true },
	{ "vmf_insert_pfn", BENCH_PAGES, BENCH_FAULT_PFN, 16384, true },
	{ "usermap-pages", BENCH_PAGES, BENCH_ARRAY, MAX_PAGES },
	{ "usermap-shuffled", BENCH_SHUFFLED, BENCH_ARRAY, MAX_PAGES },
	{ "usermap-compound", BENCH_COMPOUND, BENCH_ARRAY, MAX_PAGES },
	{ "usermap-contig", BENCH_COMPOUND, BENCH_CONTIG, MAX_PAGES },
	{ "usermap-vmalloc", BENCH_VMALLOC, BENCH_ARRAY, MAX_PAGES },
};

static int driver_open(void)
{
	int fd = open("/dev/bench", O_RDWR);

	check(fd >= 0, "/dev/bench");
	return fd;
}

static bool driver_alloc(int fd, const struct driver_case *c, unsigned long pages)
{
	struct bench_alloc alloc = { c->kind, pages };

	return !ioctl(fd, BENCH_ALLOC, &alloc) && !ioctl(fd, BENCH_METHOD, c->number);
}

static void driver(void)
{
	const int prot = PROT_READ | PROT_WRITE;
	int fd = driver_open();

	for (size_t n = 0; n < ARRAY_SIZE(driver_cases); n++) {
		const struct driver_case *c = &driver_cases[n];

		for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
			if (sizes[i] > c->max || !wanted(sizes[i]))
				continue;
			check(driver_alloc(fd, c, sizes[i]), c->method);
			map_and_unmap("driver", c->method, fd, prot, HERE, 0, sizes[i],
				      c->faults);
			ioctl(fd, BENCH_FREE);
		}
	}
	close(fd);
}

static void driver_fork(void)
{
	static const unsigned long fork_sizes[] = { 2, 4096, 16384 };
	const int prot = PROT_READ | PROT_WRITE;
	int fd = driver_open();

	for (size_t n = 0; n < ARRAY_SIZE(driver_cases); n++) {
		const struct driver_case *c = &driver_cases[n];

		if (c->faults)
			continue;
		for (size_t i = 0; i < ARRAY_SIZE(fork_sizes); i++) {
			unsigned long size = fork_sizes[i] * PAGE;
			void *p;

			if (!wanted(fork_sizes[i]))
				continue;
			check(driver_alloc(fd, c, fork_sizes[i]), c->method);
			p = mmap(HERE, size, prot, MAP_SHARED | MAP_FIXED, fd, 0);
			check(p == HERE, c->method);
			fork_with("driver", c->method, fork_sizes[i]);
			munmap(p, size);
			ioctl(fd, BENCH_FREE);
		}
	}
	close(fd);
}

/*
 * What must not become slower: few pages, so that hardly any timer tick is in
 * between.
 */
#define NEUTRAL_PAGES	256UL

static void neutral_memory(const char *what, int flags, int fd, bool gup)
{
	const unsigned long size = NEUTRAL_PAGES * PAGE;
	uint64_t fault = UINT64_MAX, unmap = UINT64_MAX, pin = UINT64_MAX;
	const int prot = PROT_READ | PROT_WRITE;
	struct bench_gup args = { (unsigned long)HERE, NEUTRAL_PAGES };
	int device = driver_open();
	char *p;

	for (int i = 0; i < repeats(0); i++) {
		p = mmap(HERE, size, prot, flags | MAP_FIXED, fd, 0);
		check(p == HERE, what);
		begin();
		for (unsigned long n = 0; n < NEUTRAL_PAGES; n++)
			if (flags & MAP_ANONYMOUS)
				p[n * PAGE] = 1;
			else
				touch(p + n * PAGE, 1);
		fault = least(fault, end());
		if (gup) {
			begin();
			check(ioctl(device, BENCH_GUP, &args) == NEUTRAL_PAGES, "GUP");
			pin = least(pin, end());
		}
		begin();
		munmap(p, size);
		unmap = least(unmap, end());
	}
	report("neutral", what, "fault", NEUTRAL_PAGES, fault);
	if (gup)
		report("neutral", what, "gup-fast", NEUTRAL_PAGES, pin);
	report("neutral", what, "munmap", NEUTRAL_PAGES, unmap);

	p = mmap(HERE, size, prot, flags | MAP_FIXED, fd, 0);
	for (unsigned long n = 0; n < NEUTRAL_PAGES; n++)
		if (flags & MAP_ANONYMOUS)
			p[n * PAGE] = 1;
		else
			touch(p + n * PAGE, 1);
	fork_with("neutral", what, NEUTRAL_PAGES);
	munmap(p, size);
	close(device);
}

static void write_file(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY);

	check(fd >= 0 && write(fd, text, strlen(text)) >= 0, file);
	close(fd);
}

/* Send pages over the loopback device as pages, so that they can be mapped. */
static void send_pages(int sender, unsigned long pages)
{
	static char data[8 * PAGE];
	int fds[2];

	check(!pipe(fds), "pipe");
	for (; pages; pages -= 8) {
		check(write(fds[1], data, sizeof(data)) == sizeof(data), "pipe");
		check(splice(fds[0], NULL, sender, NULL, sizeof(data), 0) ==
		      sizeof(data), "splice");
	}
	close(fds[0]);
	close(fds[1]);
}

/* What tcp_mmap of the selftests does: receive by mapping what has come in. */
static void neutral_tcp(void)
{
	const unsigned long size = NEUTRAL_PAGES * PAGE;
	uint64_t receive = UINT64_MAX, unmap = UINT64_MAX;
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(1024),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int mss = PAGE + 12;	/* the option for the time stamp */
	int buffer = 16 << 20, listener, sender, receiver, here;
	char *p;

	listener = socket(AF_INET, SOCK_STREAM, 0);
	sender = socket(AF_INET, SOCK_STREAM, 0);
	check(!ioctl(listener, SIOCSIFFLAGS, &lo), "lo");
	setsockopt(listener, IPPROTO_TCP, TCP_MAXSEG, &mss, sizeof(mss));
	setsockopt(sender, IPPROTO_TCP, TCP_MAXSEG, &mss, sizeof(mss));
	setsockopt(listener, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer));
	setsockopt(sender, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof(buffer));
	check(!bind(listener, (void *)&address, sizeof(address)) &&
	      !listen(listener, 1) &&
	      !connect(sender, (void *)&address, sizeof(address)), "TCP");
	receiver = accept(listener, NULL, NULL);
	p = mmap(HERE, size, PROT_READ, MAP_SHARED | MAP_FIXED, receiver, 0);
	check(p == HERE, "mmap of a socket");

	for (int i = 0; i < repeats(0); i++) {
		struct tcp_zerocopy_receive zc = {
			.address = (unsigned long)p,
			.length = size,
		};
		socklen_t length = sizeof(zc);

		send_pages(sender, NEUTRAL_PAGES);
		do {
			sched_yield();
			check(!ioctl(receiver, SIOCINQ, &here), "SIOCINQ");
		} while ((unsigned long)here < size);
		begin();
		check(!getsockopt(receiver, IPPROTO_TCP, TCP_ZEROCOPY_RECEIVE,
				  &zc, &length), "TCP_ZEROCOPY_RECEIVE");
		receive = least(receive, end());
		check(zc.length == size, "TCP_ZEROCOPY_RECEIVE of all");
		begin();
		madvise(p, size, MADV_DONTNEED);
		unmap = least(unmap, end());
	}
	report("neutral", "tcp", "receive", NEUTRAL_PAGES, receive);
	report("neutral", "tcp", "unmap", NEUTRAL_PAGES, unmap);
	munmap(p, size);
	close(receiver);
	close(sender);
	close(listener);
}

static void neutral(void)
{
	char data[4096];
	int fd = open("/tmp/file", O_RDWR | O_CREAT, 0600);

	memset(data, 1, sizeof(data));
	for (unsigned long i = 0; i < NEUTRAL_PAGES; i++)
		check(write(fd, data, PAGE) == PAGE, "/tmp/file");
	neutral_memory("anon", MAP_PRIVATE | MAP_ANONYMOUS, -1, true);
	neutral_memory("file", MAP_SHARED, fd, false);
	close(fd);
	write_file("/sys/kernel/mm/transparent_hugepage/hugepages-64kB/enabled",
		   "always");
	neutral_memory("anon-64k", MAP_PRIVATE | MAP_ANONYMOUS, -1, true);
	write_file("/sys/kernel/mm/transparent_hugepage/hugepages-64kB/enabled",
		   "never");
	neutral_tcp();
}

static void aux(void)
{
	perf_aux("perf-aux", "");
	perf_aux("perf-aux-large", "prefer_large=1");
}

/* The patched kernel only: see bench-device.c. */
static void device(void)
{
	pid_t pid;
	int status;

	check(insert_module("/usermap_device.ko", ""), "usermap_device.ko");
	pid = fork();
	if (!pid) {
		execl("/bench-device", "bench-device", NULL);
		_exit(1);
	}
	check(pid > 0 && waitpid(pid, &status, 0) == pid && !status,
	      "bench-device");
}

static const struct {
	const char *name;
	void (*run)(void);
} groups[] = {
	{ "perf", perf_ring },
	{ "aux", aux },
	{ "io_uring", io_uring },
	{ "ftrace", ftrace },
	{ "driver", driver },
	{ "fork", driver_fork },
	{ "neutral", neutral },
	{ "device", device },
};

int main(int argc, char **argv)
{
	mkdir("/proc", 0755);
	mkdir("/sys", 0755);
	mkdir("/tmp", 0755);
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	mount("tmpfs", "/tmp", "tmpfs", 0, NULL);
	mount("tracefs", "/sys/kernel/tracing", "tracefs", 0, NULL);
	mmap((void *)mark, PAGE, PROT_READ | PROT_WRITE,
	     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	/* So that both are there the first time that it counts. */
	begin();
	end();

	printf("bench-unit,%llu\n", (unsigned long long)count_unit());
	check(insert_module("/bench-driver.ko", ""), "bench-driver.ko");
	/* What booting has left to RCU: the guest's time flies while it is idle. */
	sleep(1);
	for (int i = 1; i < argc; i++) {
		if (!strncmp(argv[i], "max=", 4))
			max_pages = atol(argv[i] + 4);
		if (!strncmp(argv[i], "only=", 5))
			only_pages = atol(argv[i] + 5);
		for (size_t n = 0; n < ARRAY_SIZE(groups); n++)
			if (!strcmp(argv[i], groups[n].name))
				groups[n].run();
	}
	printf("bench-finished\n");
	fflush(stdout);
	reboot(RB_AUTOBOOT);
	return 1;
}
