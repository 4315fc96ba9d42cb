// SPDX-License-Identifier: GPL-2.0
/*
 * What a program gets when it does to a mapping of kernel memory whatever can
 * be done to a mapping: a line for each mapping and operation, which is the
 * same each time on one kernel. harness/differential compares two kernels.
 *
 * Each operation runs in a process of its own, with a mapping of its own.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <linux/perf_event.h>
#include <netinet/in.h>
#include <linux/tcp.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/uio.h>

#include <linux/fs.h>
#include <linux/futex.h>
#include <linux/mempolicy.h>
#include <linux/mman.h>
#include <linux/trace_mmap.h>
#include <linux/userfaultfd.h>

#include "tools/testing/selftests/mm/usermap_users.h"

#include "mm/gup_test.h"
#include "lib/test_hmm_uapi.h"
#include "lib/test_usermap_uapi.h"

#define PAGE		4096UL
#define MAX_PAGES	16
#define RING_PAGES	8
#define LARGE_PAGES	1024	/* in which two huge pages have room */
#define TIMEOUT_S	60
#define FOLL_WRITE	1
#define DIR		"/tmp/differential"
#define DISK		"/dev/ram0"

struct map;

struct class {
	const char *name;
	void (*make)(struct map *m);
	int arg;
	/* for make_open(): what to open, how much of it to map, and from where on */
	int (*open)(void);
	size_t (*pages)(int fd);
	off_t offset;
	bool large;	/* only for operations that are about huge pages */
	bool apart;	/* only if asked for by its name */
};

struct map {
	const struct class *class;
	char *a;	/* what the operations are about */
	size_t len;
	int prot;
	int fd;		/* what it is a mapping of, and from where on */
	off_t off;
	off_t file_off;	/* all that can be mapped of that */
	size_t file_len;
};

/* The result, which survives the process. */
static struct {
	size_t len;
	char text[4000];
	/* for a process that has no mapping to tell one that has where */
	char *a;
	char copy[PAGE];
} *shared;

static void say(const char *fmt, ...)
{
	va_list args;

	if (shared->len && shared->len < sizeof(shared->text) - 2)
		shared->text[shared->len++] = ' ';
	va_start(args, fmt);
	shared->len += vsnprintf(shared->text + shared->len,
				 sizeof(shared->text) - shared->len, fmt, args);
	va_end(args);
}

/* What a system call returned: a number, or the name of the error. */
static const char *res(long ret)
{
	static char buf[4][24];
	static int i;

	if (ret == -1)
		return strerrorname_np(errno) ?: "E?";
	i = (i + 1) % 4;
	snprintf(buf[i], sizeof(buf[i]), "%ld", ret);
	return buf[i];
}

/* How many pages of the mapping, so that it does not depend on their number. */
static const char *of(size_t nr, struct map *m)
{
	return nr == m->len / PAGE ? "all" : nr ? res(nr) : "none";
}

/* What a system call returned that returns a length. */
static const char *res_len(long ret, size_t len)
{
	return ret == (long)len ? "all" : res(ret);
}

/* What is a number that says nothing. */
static const char *res_ok(long ret)
{
	return ret < 0 ? res(ret) : "ok";
}

static const char *res_map(void *addr)
{
	return res_ok(addr == MAP_FAILED ? -1 : 0);
}

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	say("CANNOT %s: %s", what, strerror(errno));
	_exit(0);
}

static const char *access_name(char *addr)
{
	int sig = probe_read(addr);

	if (sig)
		return sig == SIGBUS ? "SIGBUS" : "SIGSEGV";
	sig = probe_write(addr);
	return !sig ? "rw" : sig == SIGBUS ? "r-SIGBUS" : "r-SIGSEGV";
}

/* How the pages can be accessed: runs of pages with the same answer. */
static void touch(const char *when, char *addr, size_t len)
{
	const char *now = access_name(addr), *next;
	char buf[256] = "";
	size_t run = 0;

	for (size_t off = PAGE; off <= len; off += PAGE, now = next) {
		next = off < len ? access_name(addr + off) : "";
		run++;
		if (!strcmp(now, next))
			continue;
		if (run == len / PAGE)
			snprintf(buf, sizeof(buf), "%s", now);
		else
			snprintf(buf + strlen(buf), sizeof(buf) - strlen(buf),
				 "%s%zux%s", *buf ? "," : "", run, now);
		run = 0;
	}
	say("%s=%s", when, buf);
}

static void after(struct map *m)
{
	touch("access", m->a, m->len);
}

/*
 * Files in /proc and elsewhere.
 */

static ssize_t write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t ret;
	int err;

	if (fd < 0)
		return -1;
	ret = write(fd, text, strlen(text));
	err = errno;
	close(fd);
	errno = err;
	return ret;
}

static bool read_text(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len;

	if (fd < 0)
		return false;
	len = read(fd, buf, size - 1);
	close(fd);
	buf[len > 0 ? len : 0] = 0;
	return len > 0;
}

/* The value of a field of the mapping at addr. */
static bool smaps_value(char *addr, const char *field, char *val, size_t size)
{
	unsigned long start, end;
	bool inside = false, found = false;
	char line[512];
	FILE *f = fopen("/proc/self/smaps", "re");

	must(f, "open smaps");
	while (!found && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2) {
			inside = (uintptr_t)addr >= start && (uintptr_t)addr < end;
		} else if (inside && !strncmp(line, field, strlen(field)) &&
			   line[strlen(field)] == ':') {
			char *p = line + strlen(field) + 1;

			p += strspn(p, " ");
			p[strcspn(p, "\n")] = 0;
			while (*p && p[strlen(p) - 1] == ' ')
				p[strlen(p) - 1] = 0;
			snprintf(val, size, "%s", p);
			found = true;
		}
	}
	fclose(f);
	return found;
}

static void smaps_line(char *addr, const char *field)
{
	char val[256];

	if (smaps_value(addr, field, val, sizeof(val)))
		say("%s=%s", field, val);
}

/* A field that is in KiB. */
static void smaps_pages(struct map *m, char *addr, const char *field)
{
	char val[256];

	if (smaps_value(addr, field, val, sizeof(val)))
		say("%s=%s", field, of(atol(val) * 1024 / PAGE, m));
}

static void smaps_flag(char *addr, const char *flag)
{
	char val[256];

	if (smaps_value(addr, "VmFlags", val, sizeof(val)))
		say("%s=%s", flag, strstr(val, flag) ? "yes" : "no");
}

/*
 * The mappings.
 */

static int perf_open(struct perf_event_attr *attr)
{
	attr->size = sizeof(*attr);
	return syscall(SYS_perf_event_open, attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

static char *map_ring(struct map *m, int prot, size_t nr_pages)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_PAGE_FAULTS,
		.sample_period = 1,
		.sample_type = PERF_SAMPLE_ADDR,
		.disabled = 1,
		.exclude_kernel = 1,
	};
	char *addr, *pool;

	m->fd = perf_open(&attr);
	must(m->fd >= 0, "perf_event_open");
	m->file_len = (1 + nr_pages) * PAGE;
	addr = mmap(NULL, m->file_len, prot, MAP_SHARED, m->fd, 0);
	must(addr != MAP_FAILED, "mmap a ring");

	/* Some records, so that there is something to read. */
	pool = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(pool != MAP_FAILED, "mmap");
	madvise(pool, 16 * PAGE, MADV_NOHUGEPAGE);
	ioctl(m->fd, PERF_EVENT_IOC_ENABLE, 0);
	for (int i = 0; i < 16; i++)
		pool[i * PAGE] = 1;
	ioctl(m->fd, PERF_EVENT_IOC_DISABLE, 0);
	munmap(pool, 16 * PAGE);
	return addr;
}

static void make_ring(struct map *m)
{
	m->prot = m->class->arg;
	m->a = map_ring(m, m->prot, m->class->large ? LARGE_PAGES : RING_PAGES);
	m->len = m->file_len;
}

/* A part of the same, which takes a split of what cannot be split. */
static void make_control(struct map *m)
{
	m->prot = PROT_READ | PROT_WRITE;
	m->a = map_ring(m, m->prot, RING_PAGES);
	m->len = PAGE;
}

static void make_data(struct map *m)
{
	m->prot = PROT_READ | PROT_WRITE;
	m->a = map_ring(m, m->prot, RING_PAGES) + PAGE;
	m->len = RING_PAGES * PAGE;
	m->off = PAGE;
}

static void make_aux(struct map *m)
{
	struct perf_event_attr attr = {
		.config = 2 * PAGE,
		.disabled = 1,
		.exclude_kernel = 1,
		.exclude_hv = 1,
	};
	struct perf_event_mmap_page *page;
	char type[32];

	must(read_text("/sys/bus/event_source/devices/fake_aux/type", type,
		       sizeof(type)), "find the fake_aux PMU");
	attr.type = atoi(type);
	m->fd = perf_open(&attr);
	must(m->fd >= 0, "perf_event_open of fake_aux");
	page = mmap(NULL, (1 + RING_PAGES) * PAGE, PROT_READ | PROT_WRITE,
		    MAP_SHARED, m->fd, 0);
	must(page != MAP_FAILED, "mmap a ring");
	m->off = m->file_off = (1 + RING_PAGES) * PAGE;
	m->len = m->file_len = MAX_PAGES * PAGE;
	page->aux_offset = m->off;
	page->aux_size = m->len;
	m->prot = m->class->arg;
	m->a = mmap(NULL, m->len, m->prot, MAP_SHARED, m->fd, m->off);
	must(m->a != MAP_FAILED, "mmap an AUX area");
	ioctl(m->fd, PERF_EVENT_IOC_ENABLE, 0);
	ioctl(m->fd, PERF_EVENT_IOC_DISABLE, 0);
}

static void fill(struct map *m)
{
	for (size_t off = 0; off < m->len; off += PAGE)
		memset(m->a + off, 'a' + off / PAGE, PAGE);
}

static void make_usermap(struct map *m)
{
	struct test_usermap_alloc alloc = {
		.kind = m->class->arg,
		/* One kind is mapped the other way. */
		.method = m->class->arg == TEST_USERMAP_SPLIT ?
			  TEST_USERMAP_CONTIG : TEST_USERMAP_ARRAY,
		.nr_pages = RING_PAGES,
	};

	m->fd = open("/dev/test_usermap", O_RDWR | O_CLOEXEC);
	must(m->fd >= 0, "open /dev/test_usermap");
	must(!ioctl(m->fd, TEST_USERMAP_ALLOC, &alloc), "TEST_USERMAP_ALLOC");
	m->prot = PROT_READ | PROT_WRITE;
	m->len = m->file_len = RING_PAGES * PAGE;
	m->a = mmap(NULL, m->len, m->prot, MAP_SHARED, m->fd, 0);
	must(m->a != MAP_FAILED, "mmap /dev/test_usermap");
	fill(m);
}

/* What usermap_users.h knows how to open. */
static void make_open(struct map *m)
{
	size_t pages;

	m->fd = m->class->open();
	if (m->fd < 0) {
		errno = -m->fd;
		must(false, "open");
	}
	pages = m->class->pages(m->fd);
	must(pages, "find the size");
	m->prot = m->class->arg;
	m->off = m->file_off = m->class->offset;
	m->file_len = pages * PAGE;
	m->len = (pages < MAX_PAGES ? pages : MAX_PAGES) * PAGE;
	m->a = mmap(NULL, m->len, m->prot, MAP_SHARED, m->fd, m->off);
	must(m->a != MAP_FAILED, "mmap");
}

/* Regions of an io_uring. */

#define SQ_ENTRIES	128	/* two pages of them */
#define CQ_ENTRIES	1024	/* four pages of them, behind the heads and tails */
#define REGION_PAGES	4
/* io_uring/memmap.h; user space gets these from the kernel, as mmap_offset. */
#define OFF_PARAM_REGION	0x20000000
#define OFF_ZCRX_REGION		0x30000000

static int uring_fd(void)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_CQSIZE, .cq_entries = CQ_ENTRIES,
	};

	return ret_errno(syscall(SYS_io_uring_setup, SQ_ENTRIES, &params));
}

static int uring_register(int fd, unsigned int opcode, void *arg)
{
	int ret;

	if (fd < 0)
		return fd;
	ret = ret_errno(syscall(SYS_io_uring_register, fd, opcode, arg, 1));
	return ret < 0 ? ret : fd;
}

static int uring_fd_buffers(void)
{
	struct io_uring_buf_reg reg = {
		.ring_entries = REGION_PAGES * PAGE / sizeof(struct io_uring_buf),
		.flags = IOU_PBUF_RING_MMAP,
	};

	return uring_register(uring_fd(), IORING_REGISTER_PBUF_RING, &reg);
}

static int uring_fd_param(void)
{
	struct io_uring_region_desc desc = { .size = REGION_PAGES * PAGE };
	struct io_uring_mem_region_reg reg = { .region_uptr = (uintptr_t)&desc };

	return uring_register(uring_fd(), IORING_REGISTER_MEM_REGION, &reg);
}

static size_t sqes_pages(int fd)
{
	return SQ_ENTRIES * sizeof(struct io_uring_sqe) / PAGE;
}

static size_t cq_pages(int fd)
{
	return 1 + CQ_ENTRIES * sizeof(struct io_uring_cqe) / PAGE;
}

static size_t region_pages(int fd)
{
	return REGION_PAGES;
}

/* A refill ring that no device fills, which stays with its data. */
static int uring_fd_refill(void)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_CQE32 |
			 IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_R_DISABLED,
	};
	struct io_uring_zcrx_area_reg area = { .len = MAX_PAGES * PAGE };
	struct io_uring_region_desc desc = { .size = REGION_PAGES * PAGE };
	struct io_uring_zcrx_ifq_reg reg = {
		.rq_entries = 64,
		.flags = ZCRX_REG_NODEV,
		.area_ptr = (uintptr_t)&area,
		.region_ptr = (uintptr_t)&desc,
	};
	char *data = mmap(NULL, area.len, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	must(data != MAP_FAILED, "mmap");
	area.addr = (uintptr_t)data;
	return uring_register(ret_errno(syscall(SYS_io_uring_setup, 8, &params)),
			      IORING_REGISTER_ZCRX_IFQ, &reg);
}

/* An ftrace ring buffer: the meta page, and the sub-buffers. */

#define TRACE_INSTANCE	"/sys/kernel/tracing/instances/differential"

static int trace_open(void)
{
	if (mkdir(TRACE_INSTANCE, 0700) && errno != EEXIST)
		return -errno;
	if (!write_string(TRACE_INSTANCE "/buffer_size_kb", "32") && errno != EBUSY)
		return -errno;
	return ret_errno(open(TRACE_INSTANCE "/per_cpu/cpu0/trace_pipe_raw",
			      O_RDONLY | O_NONBLOCK | O_CLOEXEC));
}

/* That which harness/boot has in reserved memory. */
static int trace_open_reserved(void)
{
	return ret_errno(open("/sys/kernel/tracing/instances/usermap_boot/per_cpu/cpu0/trace_pipe_raw",
			      O_RDONLY | O_NONBLOCK | O_CLOEXEC));
}

static size_t trace_pages(int fd)
{
	struct trace_buffer_meta *meta;
	size_t nr;

	meta = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	if (meta == MAP_FAILED)
		return 0;
	nr = 1 + meta->nr_subbufs;
	munmap(meta, PAGE);
	return nr;
}

/* Memory with which everything works: that the operations do what they say. */
static void make_anon(struct map *m)
{
	m->fd = -1;
	m->prot = PROT_READ | PROT_WRITE;
	m->len = RING_PAGES * PAGE;
	m->a = mmap(NULL, m->len, m->prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(m->a != MAP_FAILED, "mmap");
	fill(m);
}

static void make_large_anon(struct map *m)
{
	const size_t huge = 512 * PAGE;

	m->fd = -1;
	m->prot = PROT_READ | PROT_WRITE;
	m->len = LARGE_PAGES * PAGE;
	m->a = mmap(NULL, m->len + huge, m->prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(m->a != MAP_FAILED, "mmap");
	m->a += -(uintptr_t)m->a % huge;
	fill(m);
}

static void make_shared(struct map *m)
{
	m->fd = memfd_create("differential", 0);
	m->len = m->file_len = RING_PAGES * PAGE;
	must(m->fd >= 0 && !ftruncate(m->fd, m->len), "create a memfd");
	m->prot = PROT_READ | PROT_WRITE;
	m->a = mmap(NULL, m->len, m->prot, MAP_SHARED, m->fd, 0);
	must(m->a != MAP_FAILED, "mmap");
	fill(m);
}

#define RW	(PROT_READ | PROT_WRITE)
#define OPEN	make_open, RW
#define OPEN_RO	make_open, PROT_READ

static const struct class classes[] = {
	{ "perf ring", make_ring, RW },
	{ "perf ring, read-only", make_ring, PROT_READ },
	{ "perf ring, control page", make_control },
	{ "perf ring, data pages", make_data },
	{ "AUX area", make_aux, RW },
	{ "AUX area, read-only", make_aux, PROT_READ },
	{ "io_uring SQEs", OPEN, uring_fd, sqes_pages, IORING_OFF_SQES },
	{ "io_uring rings", OPEN, uring_fd, cq_pages, IORING_OFF_CQ_RING },
	{ "io_uring buffer ring", OPEN, uring_fd_buffers, region_pages,
	  IORING_OFF_PBUF_RING },
	{ "io_uring parameters", OPEN, uring_fd_param, region_pages,
	  OFF_PARAM_REGION },
	{ "io_uring refill ring", OPEN, uring_fd_refill, region_pages,
	  OFF_ZCRX_REGION },
	{ "ftrace", OPEN_RO, trace_open, trace_pages },
	{ "ftrace, reserved memory", OPEN_RO, trace_open_reserved, trace_pages },
	{ "xsk ring", OPEN, xsk_open, rx_tx_pages, XDP_PGOFF_RX_RING },
	{ "xsk umem ring", OPEN, xsk_open, umem_ring_pages,
	  XDP_UMEM_PGOFF_FILL_RING },
	{ "bpf ringbuf, consumer", OPEN, ringbuf_open, one_page },
	{ "bpf ringbuf, data", OPEN_RO, ringbuf_open, data_twice, PAGE },
	{ "bpf user ringbuf, data", OPEN, user_ringbuf_open, data_twice, PAGE },
	{ "kcov", OPEN, kcov_open, kcov_pages },
	{ "ALSA status", OPEN_RO, alsa_open, one_page,
	  SNDRV_PCM_MMAP_OFFSET_STATUS_NEW },
	{ "ALSA control", OPEN, alsa_open, one_page,
	  SNDRV_PCM_MMAP_OFFSET_CONTROL_NEW },
	{ "usbmon", OPEN_RO, usbmon_open, usbmon_pages },
	{ "sg", OPEN, sg_open, sg_pages },
	{ "comedi", OPEN, comedi_open, comedi_pages },
	{ "ublk", OPEN_RO, ublk_open, ublk_pages, UBLKSRV_CMD_BUF_OFFSET },
	{ "KVM vcpu", OPEN, kvm_open, kvm_pages },
	{ "KVM dirty ring", OPEN, kvm_open_dirty, dirty_pages,
	  KVM_DIRTY_LOG_PAGE_OFFSET * PAGE },
	{ "SELinux policy", OPEN_RO, policy_open, policy_pages },
	{ "driver, single pages", make_usermap, TEST_USERMAP_PAGES },
	{ "driver, compound page", make_usermap, TEST_USERMAP_COMPOUND },
	{ "driver, contiguous pages", make_usermap, TEST_USERMAP_SPLIT },
	{ "driver, vmalloc", make_usermap, TEST_USERMAP_VMALLOC },
	{ "anonymous memory", make_anon },
	{ "shared memory", make_shared },
	{ "perf ring, large", make_ring, RW, .large = true },
	{ "anonymous memory, large", make_large_anon, .large = true },
	/* With the PMU loaded another way. */
	{ "AUX area of large pieces", make_aux, RW, .apart = true },
};

/* For another process, where fork() does not copy the mapping. */
static void make(struct map *m, const struct class *class)
{
	*m = (struct map){ .class = class, .fd = -1 };
	class->make(m);
	/* All that comes by a page fault is there. */
	for (size_t off = 0; off < m->len; off += PAGE)
		probe_read(m->a + off);
	shared->a = m->a;
	memcpy(shared->copy, m->a, PAGE);
}

/* Does buf have what the mapping begins with? */
static const char *same(const void *buf, struct map *m, size_t len)
{
	return memcmp(buf, m->a, len) ? "other data" : "same data";
}

static void run_other(void (*fn)(struct map *m, pid_t target, char *addr),
		      struct map *m, char *addr)
{
	pid_t me = getpid(), pid;

	pid = fork();
	must(pid >= 0, "fork");
	if (!pid) {
		fn(m, me, addr);
		_exit(0);
	}
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/*
 * The operations.
 */

static void op_access(struct map *m, long arg)
{
	after(m);
}

static void op_gup(struct map *m, long cmd)
{
	for (int flags = 0; flags <= FOLL_WRITE; flags++) {
		struct gup_test gup = {
			.addr = (uintptr_t)m->a, .size = m->len,
			.nr_pages_per_call = 1, .gup_flags = flags,
		};
		int fd = open("/sys/kernel/debug/gup_test", O_RDWR);
		long ret = ioctl(fd, cmd, &gup);

		say("%s=%s,%s", flags ? "write" : "read", res(ret),
		    of(gup.size / PAGE, m));
		close(fd);
	}
}

static void op_longterm(struct map *m, long flags)
{
	struct pin_longterm_test test = {
		.addr = (uintptr_t)m->a, .size = m->len, .flags = flags,
	};
	__u64 copy;
	char *buf = malloc(m->len);
	int fd = open("/sys/kernel/debug/gup_test", O_RDWR);
	long ret = ioctl(fd, PIN_LONGTERM_TEST_START, &test);

	say("%s", res(ret));
	if (!ret) {
		copy = (uintptr_t)buf;
		ret = ioctl(fd, PIN_LONGTERM_TEST_READ, &copy);
		say("%s %s", res(ret), same(buf, m, m->len));
		munmap(m->a, m->len);
		ioctl(fd, PIN_LONGTERM_TEST_STOP);
	}
	close(fd);
}

static void peek_poke(struct map *m, pid_t target, char *addr)
{
	long val;
	int status;

	must(!ptrace(PTRACE_ATTACH, target, NULL, NULL), "attach");
	waitpid(target, &status, __WALL);
	errno = 0;
	val = ptrace(PTRACE_PEEKDATA, target, addr, NULL);
	say("peek=%s", errno ? res(-1) : memcmp(&val, shared->copy, sizeof(val)) ?
	    "other data" : "same data");
	say("poke=%s", res(ptrace(PTRACE_POKEDATA, target, addr + 8,
				  0x1122334455667788)));
	ptrace(PTRACE_DETACH, target, NULL, NULL);
}

static void op_ptrace(struct map *m, long touch_first)
{
	memcpy(shared->copy, m->a, PAGE);
	if (touch_first)
		probe_write(m->a);
	run_other(peek_poke, m, m->a);
	say("%s", *(uint64_t *)(m->a + 8) == 0x1122334455667788 ?
	    "written" : "not written");
	after(m);
}

static void other_mem(struct map *m, pid_t target, char *addr)
{
	char path[64], *buf = malloc(2 * PAGE);
	uint64_t val = 0x99aabbccddeeff;
	size_t len = m->len < 2 * PAGE ? m->len : 2 * PAGE;
	ssize_t ret;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", target);
	fd = open(path, O_RDWR);
	must(fd >= 0, "open mem");
	ret = pread(fd, buf, len, (uintptr_t)addr);
	say("read=%s", res_len(ret, len));
	if (ret > 0)
		say("%s", memcmp(buf, shared->copy, PAGE) ? "other data" : "same data");
	say("write=%s", res(pwrite(fd, &val, 8, (uintptr_t)addr + 8)));
}

static void op_mem(struct map *m, long touch_first)
{
	memcpy(shared->copy, m->a, PAGE);
	if (touch_first)
		probe_write(m->a);
	run_other(other_mem, m, m->a);
	say("%s", *(uint64_t *)(m->a + 8) == 0x99aabbccddeeff ?
	    "written" : "not written");
	after(m);
}

static void op_vm(struct map *m, long write)
{
	char buf[64] = { 0 };
	struct iovec local = { buf, sizeof(buf) }, remote = { m->a, sizeof(buf) };
	long ret;

	if (write)
		memcpy(buf, m->a, sizeof(buf));
	ret = write ? process_vm_writev(getpid(), &local, 1, &remote, 1, 0) :
		      process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
	say("%s", res(ret));
	if (!write && ret > 0)
		say("%s", same(buf, m, ret));
}

static void op_core(struct map *m, long filter)
{
	struct rlimit rlim = { RLIM_INFINITY, RLIM_INFINITY };
	char buf[PAGE];
	Elf64_Ehdr eh;
	bool found = false;
	pid_t pid;
	int fd, status;

	unlink(DIR "/core");
	/* Some files can be open but once. */
	munmap(m->a, m->len);
	close(m->fd);
	pid = fork();
	if (!pid) {
		struct map mine;
		char text[16];

		snprintf(text, sizeof(text), "%#lx", filter);
		must(write_file("/proc/self/coredump_filter", text) > 0,
		     "write coredump_filter");
		setrlimit(RLIMIT_CORE, &rlim);
		make(&mine, m->class);
		abort();
	}
	waitpid(pid, &status, 0);
	must(WIFSIGNALED(status) && WCOREDUMP(status), "dump core");
	fd = open(DIR "/core", O_RDONLY);
	must(fd >= 0 && read(fd, &eh, sizeof(eh)) == sizeof(eh), "read the core");
	for (int i = 0; i < eh.e_phnum; i++) {
		Elf64_Phdr ph;

		pread(fd, &ph, sizeof(ph), eh.e_phoff + i * sizeof(ph));
		if (ph.p_type != PT_LOAD || (uintptr_t)shared->a < ph.p_vaddr ||
		    (uintptr_t)shared->a >= ph.p_vaddr + ph.p_memsz)
			continue;
		found = true;
		say("VMA is there, %s", ph.p_filesz ? "with data" : "without data");
		if (!ph.p_filesz)
			break;
		pread(fd, buf, PAGE, ph.p_offset + (uintptr_t)shared->a - ph.p_vaddr);
		say("%s", memcmp(buf, shared->copy, PAGE) ? "other" : "same");
	}
	if (!found)
		say("VMA is not there");
	close(fd);
	unlink(DIR "/core");
}

static void op_futex(struct map *m, long flag)
{
	struct timespec zero = { 0 };
	uint32_t *word = (uint32_t *)m->a;

	say("wait=%s", res(syscall(SYS_futex, word, FUTEX_WAIT | flag, *word,
				   &zero, NULL, 0)));
	say("wake=%s", res(syscall(SYS_futex, word, FUTEX_WAKE | flag, 1, NULL,
				   NULL, 0)));
}

static void op_pagemap(struct map *m, long arg)
{
	int present = 0, file = 0, exclusive = 0, frames = 0;

	for (size_t off = 0; off < m->len; off += PAGE) {
		uint64_t entry = pagemap_entry(m->a + off);

		present += entry >> 63 & 1;
		file += entry >> 61 & 1;
		exclusive += entry >> 56 & 1;
		frames += page_pfn(m->a + off) != 0;
	}
	say("present=%s frames=%s file=%s exclusive=%s", of(present, m),
	    of(frames, m), of(file, m), of(exclusive, m));
}

static void op_kpage(struct map *m, long arg)
{
	/* What says what the page is, not what it went through. */
	static const struct { int bit; const char *name; } bits[] = {
		{ 5, "lru" }, { 7, "slab" }, { 11, "mmap" }, { 12, "anon" },
		{ 15, "compound-head" }, { 16, "compound-tail" },
		{ 24, "zero" }, { 27, "usermap" },
	};
	uint64_t pfn = page_pfn(m->a + m->len - PAGE), flags, count;

	if (!pfn) {
		say("no page frame to look at");
		return;
	}
	must(read_entry("/proc/kpageflags", pfn, &flags), "read kpageflags");
	must(read_entry("/proc/kpagecount", pfn, &count), "read kpagecount");
	say("mapcount=%lu flags=", count);
	for (size_t i = 0; i < sizeof(bits) / sizeof(*bits); i++)
		if (flags >> bits[i].bit & 1)
			say("%s", bits[i].name);
}

static void op_smaps(struct map *m, long arg)
{
	static const char * const fields[] = {
		"Rss", "Pss", "Shared_Clean", "Shared_Dirty", "Private_Clean",
		"Private_Dirty", "Referenced", "Anonymous", "Locked",
		"AnonHugePages",
	};

	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
		smaps_pages(m, m->a, fields[i]);
	smaps_line(m->a, "THPeligible");
}

static void op_vm_flags(struct map *m, long arg)
{
	smaps_line(m->a, "VmFlags");
}

/* Some are but a part of their mapping. */
static char *vma_start(struct map *m)
{
	return m->a - (m->off - m->file_off);
}

/* But for the name of the file, in which there may be a number. */
static void op_numa_maps(struct map *m, long arg)
{
	static const char * const counts[] = { "anon", "dirty", "mapped", "N0" };
	char line[1024], want[32];
	FILE *f = fopen("/proc/self/numa_maps", "re");

	must(f, "open numa_maps");
	snprintf(want, sizeof(want), "%lx ", (unsigned long)vma_start(m));
	while (fgets(line, sizeof(line), f)) {
		if (strncmp(line + strspn(line, "0"), want, strlen(want)))
			continue;
		strtok(line, " \n");
		for (char *word; (word = strtok(NULL, " \n"));) {
			char *val = strchr(word, '=');
			bool count = false;

			if (!val) {
				say("%s", word);
				continue;
			}
			*val++ = 0;
			for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++)
				count |= !strcmp(word, counts[i]);
			if (strcmp(word, "file"))
				say("%s=%s", word, count ? of(atol(val), m) : val);
		}
	}
	fclose(f);
}

static int soft_dirty(struct map *m)
{
	int nr = 0;

	for (size_t off = 0; off < m->len; off += PAGE)
		nr += pagemap_entry(m->a + off) >> 55 & 1;
	return nr;
}

static void op_clear_refs(struct map *m, long what)
{
	char text[2] = { '0' + what };

	touch("before", m->a, m->len);
	say("%s", res(write_file("/proc/self/clear_refs", text)));
	if (what == 4)
		say("soft-dirty=%s", of(soft_dirty(m), m));
	after(m);
	if (what == 4)
		say("soft-dirty=%s", of(soft_dirty(m), m));
}

static void op_scan(struct map *m, long flags)
{
	struct page_region regions[64];
	struct pm_scan_arg arg = {
		.size = sizeof(arg), .flags = flags,
		.start = (uintptr_t)m->a, .end = (uintptr_t)m->a + m->len,
		.vec = (uintptr_t)regions, .vec_len = 64,
		/* not PAGE_IS_ACCESSED, which is up to the CPU */
		.return_mask = PAGE_IS_WPALLOWED | PAGE_IS_FILE | PAGE_IS_PRESENT |
			       PAGE_IS_SWAPPED | PAGE_IS_PFNZERO | PAGE_IS_HUGE,
	};
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = UFFD_FEATURE_WP_ASYNC | UFFD_FEATURE_WP_UNPOPULATED,
	};
	struct uffdio_register reg = {
		.range = { (uintptr_t)m->a, m->len },
		.mode = UFFDIO_REGISTER_MODE_WP,
	};
	int fd = open("/proc/self/pagemap", O_RDONLY), uffd;
	long ret;

	if (flags) {
		arg.category_mask = PAGE_IS_PRESENT;
		uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
		must(uffd >= 0 && !ioctl(uffd, UFFDIO_API, &api), "get a userfaultfd");
		say("register=%s", res(ioctl(uffd, UFFDIO_REGISTER, &reg)));
	}
	ret = ioctl(fd, PAGEMAP_SCAN, &arg);
	say("%s", res(ret));
	for (long i = 0; i < ret; i++) {
		say("%s pages", of((regions[i].end - regions[i].start) / PAGE, m));
		if (regions[i].categories & PAGE_IS_PRESENT)
			say("present");
		if (regions[i].categories & PAGE_IS_FILE)
			say("file");
		if (regions[i].categories & ~(PAGE_IS_PRESENT | PAGE_IS_FILE))
			say("%#llx", regions[i].categories);
	}
	after(m);
}

static void op_mincore(struct map *m, long arg)
{
	unsigned char vec[MAX_PAGES];
	int nr = 0;
	long ret = mincore(m->a, m->len, vec);

	for (size_t i = 0; !ret && i < m->len / PAGE; i++)
		nr += vec[i] & 1;
	say("%s resident=%s", res(ret), of(nr, m));
}

static void op_mlock(struct map *m, long flags)
{
	say("%s", res(flags < 0 ? mlock(m->a, m->len) :
		      syscall(SYS_mlock2, m->a, m->len, flags)));
	smaps_pages(m, m->a, "Locked");
	smaps_flag(m->a, "lo");
	say("munlock=%s", res(munlock(m->a, m->len)));
	after(m);
}

static void *map_again(struct map *m)
{
	return mmap(NULL, m->file_len, m->prot, MAP_SHARED, m->fd, m->file_off);
}

static void op_mlockall(struct map *m, long flags)
{
	say("%s", res(mlockall(flags)));
	smaps_pages(m, m->a, "Locked");
	if (m->fd >= 0)
		say("mmap=%s", res_map(map_again(m)));
	say("munlockall=%s", res(munlockall()));
	after(m);
}

static void op_madvise(struct map *m, long advice)
{
	say("%s", res(madvise(m->a, m->len, advice)));
	after(m);
	if (advice == MADV_DONTDUMP)
		smaps_flag(m->a, "dd");
	if (advice == MADV_DONTFORK)
		smaps_flag(m->a, "dc");
	if (advice == MADV_SEQUENTIAL)
		smaps_flag(m->a, "sr");
	if (advice == MADV_MERGEABLE)
		smaps_flag(m->a, "mg");
	if (advice == MADV_COLLAPSE)
		smaps_pages(m, m->a, "AnonHugePages");
}

static void op_poison(struct map *m, long advice)
{
	say("%s", res(madvise(m->a, PAGE, advice)));
	after(m);
}

static void op_process_madvise(struct map *m, long advice)
{
	struct iovec iov = { m->a, m->len };
	int fd = syscall(SYS_pidfd_open, getpid(), 0);

	say("%s", res_len(syscall(SYS_process_madvise, fd, &iov, 1, advice, 0),
			  m->len));
	after(m);
}

/* The page is lost to all others, but for the one who has it mapped. */
static void op_hwpoison(struct map *m, long arg)
{
	char pfn[24];

	snprintf(pfn, sizeof(pfn), "%#lx", (long)page_pfn(m->a));
	if (!page_pfn(m->a))
		say("no page frame to poison");
	else
		say("%s", res_ok(write_file("/sys/kernel/debug/hwpoison/corrupt-pfn",
					    pfn)));
	after(m);
}

static void op_mprotect(struct map *m, long prot)
{
	int ret;

	touch("before", m->a, m->len);
	ret = mprotect(m->a, m->len, prot);
	say("%s", res(ret));
	after(m);
	say("back=%s", res(mprotect(m->a, m->len, m->prot)));
	after(m);
}

static char *room(size_t len)
{
	char *addr = mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(addr != MAP_FAILED, "mmap");
	return addr;
}

static void op_mremap_move(struct map *m, long flags)
{
	char *dst = room(m->len), *ret;

	memcpy(shared->copy, m->a, PAGE);
	ret = mremap(m->a, m->len, m->len,
		     MREMAP_MAYMOVE | MREMAP_FIXED | flags, dst);
	say("%s", res_map(ret));
	if (ret != MAP_FAILED) {
		say("%s", memcmp(ret, shared->copy, PAGE) ? "other data" : "same data");
		touch("new", ret, m->len);
	}
	touch("old", m->a, m->len);
}

static void op_mremap_size(struct map *m, long what)
{
	size_t old_len = what ? m->len : 0;
	size_t new_len = what > 0 ? m->len + what * PAGE : what ? PAGE : m->len;
	char *ret = mremap(m->a, old_len, new_len, MREMAP_MAYMOVE);

	say("%s", res_map(ret));
	if (ret != MAP_FAILED)
		touch("new", ret, new_len);
	if (ret == MAP_FAILED || ret != m->a)
		touch("old", m->a, m->len);
}

static void op_msync(struct map *m, long flags)
{
	say("%s", res(msync(m->a, m->len, flags)));
	after(m);
}

static void op_munmap_part(struct map *m, long arg)
{
	size_t off = m->len / PAGE / 2 * PAGE;

	say("%s", res(munmap(m->a + off, PAGE)));
	after(m);
	if (m->len > PAGE)
		say("rest=%s", res(munmap(m->a, m->len)));
}

static void op_map_over(struct map *m, long arg)
{
	say("%s", res_map(mmap(m->a, PAGE, PROT_READ, MAP_FIXED | MAP_PRIVATE |
			       MAP_ANONYMOUS, -1, 0)));
	after(m);
}

static void op_fork(struct map *m, long advice)
{
	pid_t pid;
	int status;

	if (advice)
		say("madvise=%s", res(madvise(m->a, m->len, advice)));
	memcpy(shared->copy, m->a, PAGE);
	pid = fork();
	if (!pid) {
		touch("child", m->a, m->len);
		if (!probe_read(m->a))
			say("%s", memcmp(m->a, shared->copy, 8) ?
			    "other data" : "same data");
		_exit(0);
	}
	waitpid(pid, &status, 0);
	after(m);
}

static void op_fork_close(struct map *m, long arg)
{
	pid_t pid;
	int status;

	if (m->fd >= 0)
		close(m->fd);
	pid = fork();
	if (!pid) {
		munmap(m->a, m->len);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	after(m);
}

/* On which node the first page is; all of it begins on node 0. */
static const char *node_of(struct map *m)
{
	void *page = m->a;
	int status = -ENODATA;

	if (syscall(SYS_move_pages, 0, 1, &page, NULL, &status, 0))
		return res(-1);
	return status < 0 ? strerrorname_np(-status) : res(status);
}

static void op_mbind(struct map *m, long flags)
{
	unsigned long other = 1 << 1;

	say("%s", res(syscall(SYS_mbind, m->a, m->len, MPOL_BIND, &other,
			      8 * sizeof(other), flags)));
	say("node=%s", node_of(m));
	after(m);
}

static void op_move_pages(struct map *m, long flags)
{
	void *page = m->a;
	int other = 1, status = -ENODATA;
	long ret = syscall(SYS_move_pages, 0, 1, &page, &other, &status, flags);

	say("%s status=%s", res(ret), status < 0 ? strerrorname_np(-status) :
	    res(status));
	say("node=%s", node_of(m));
	after(m);
}

static void op_get_mempolicy(struct map *m, long arg)
{
	int node = -1;
	long ret = syscall(SYS_get_mempolicy, &node, NULL, 0, m->a,
			   MPOL_F_NODE | MPOL_F_ADDR);

	say("%s node=%d", res(ret), node);
}

static void op_home_node(struct map *m, long arg)
{
	unsigned long both = 3;

	say("mbind=%s", res(syscall(SYS_mbind, m->a, m->len, MPOL_BIND, &both,
				    8 * sizeof(both), 0)));
	say("%s", res(syscall(SYS_set_mempolicy_home_node, m->a, m->len, 1, 0)));
}

static void op_migrate_pages(struct map *m, long arg)
{
	unsigned long from = 1 << 0, to = 1 << 1;

	/* Or how many pages of the process it could not move. */
	say("%s", res_ok(syscall(SYS_migrate_pages, 0, 8 * sizeof(from), &from,
				 &to)));
	say("node=%s", node_of(m));
	after(m);
}

static void op_uffd(struct map *m, long mode)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { (uintptr_t)m->a, m->len }, .mode = mode,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);

	must(fd >= 0 && !ioctl(fd, UFFDIO_API, &api), "get a userfaultfd");
	say("%s", res(ioctl(fd, UFFDIO_REGISTER, &reg)));
	close(fd);
	after(m);
}

static void op_ksm(struct map *m, long arg)
{
	say("prctl=%s", res(prctl(PR_SET_MEMORY_MERGE, 1, 0, 0, 0)));
	smaps_flag(m->a, "mg");
	say("MADV_MERGEABLE=%s", res(madvise(m->a, m->len, MADV_MERGEABLE)));
	say("MADV_UNMERGEABLE=%s", res(madvise(m->a, m->len, MADV_UNMERGEABLE)));
	after(m);
}

static void op_vmsplice(struct map *m, long flags)
{
	struct iovec iov = { m->a, PAGE };
	int fds[2], more[2];
	char buf[PAGE];
	long ret;

	must(!pipe(fds) && !pipe(more), "make pipes");
	ret = vmsplice(fds[1], &iov, 1, flags | SPLICE_F_NONBLOCK);
	say("%s", res(ret));
	if (ret > 0) {
		say("tee=%s", res(tee(fds[0], more[1], PAGE, SPLICE_F_NONBLOCK)));
		ret = read(more[0], buf, PAGE);
		say("read=%s %s", res(ret), same(buf, m, PAGE));
	}
}

static void op_vmsplice_from(struct map *m, long arg)
{
	struct iovec iov = { m->a, 64 };
	char buf[64];
	int fds[2];

	memcpy(buf, m->a, 64);
	must(!pipe(fds) && write(fds[1], buf, 64) == 64, "fill a pipe");
	say("%s", res(vmsplice(fds[0], &iov, 1, 0)));
}

static void op_splice_fd(struct map *m, long arg)
{
	loff_t off = 0;
	int fds[2];

	must(!pipe(fds), "make a pipe");
	say("%s", res(splice(m->fd, &off, fds[1], NULL, PAGE, 0)));
}

static void op_direct(struct map *m, long write)
{
	static char buf[PAGE] __attribute__((aligned(4096)));
	int fd = open(DISK, O_RDWR | O_DIRECT);
	long ret;

	must(fd >= 0, "open " DISK);
	if (!write) {
		/* What is there already, so that nothing changes. */
		memcpy(buf, m->a, PAGE);
		must(pwrite(fd, buf, PAGE, 0) == PAGE, "write " DISK);
		ret = pread(fd, m->a, PAGE, 0);
		say("%s", res(ret));
	} else {
		memset(buf, 0xee, PAGE);
		must(pwrite(fd, buf, PAGE, 0) == PAGE, "write " DISK);
		ret = pwrite(fd, m->a, PAGE, 0);
		say("%s", res(ret));
		must(pread(fd, buf, PAGE, 0) == PAGE, "read " DISK);
		if (ret > 0)
			say("%s", same(buf, m, PAGE));
	}
	close(fd);
}

/* An io_uring of one entry, by hand. */
struct ring {
	struct io_uring_params p;
	char *sq;
	struct io_uring_sqe *sqes;
	int fd;
};

static bool ring_open(struct ring *r)
{
	memset(r, 0, sizeof(*r));
	r->fd = syscall(SYS_io_uring_setup, 1, &r->p);
	if (r->fd < 0)
		return false;
	r->sq = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd,
		     IORING_OFF_SQ_RING);
	if (r->sq == MAP_FAILED)
		r->sq = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
			     r->fd, IORING_OFF_SQ_RING);
	r->sqes = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd,
		       IORING_OFF_SQES);
	return r->sq != MAP_FAILED && r->sqes != MAP_FAILED;
}

static long ring_do(struct ring *r, int op, int fd, void *addr, unsigned int len)
{
	volatile unsigned int *tail = (void *)(r->sq + r->p.sq_off.tail);
	volatile unsigned int *head = (void *)(r->sq + r->p.cq_off.head);
	unsigned int *array = (void *)(r->sq + r->p.sq_off.array);
	struct io_uring_cqe *cqes = (void *)(r->sq + r->p.cq_off.cqes);
	struct io_uring_cqe *cqe;

	memset(r->sqes, 0, sizeof(*r->sqes));
	r->sqes->opcode = op;
	r->sqes->fd = fd;
	r->sqes->addr = (uintptr_t)addr;
	r->sqes->len = len;
	array[*tail & 0] = 0;
	__sync_synchronize();
	++*tail;
	if (syscall(SYS_io_uring_enter, r->fd, 1, 1, IORING_ENTER_GETEVENTS,
		    NULL, 0) != 1)
		return -1;
	cqe = &cqes[*head & (r->p.cq_entries - 1)];
	++*head;
	if (cqe->res >= 0)
		return cqe->res;
	errno = -cqe->res;
	return -1;
}

static void op_uring(struct map *m, long fixed)
{
	struct iovec iov = { m->a, m->len };
	struct ring ring;
	char buf[64];
	int fds[2];
	long ret;

	must(ring_open(&ring), "make an io_uring");
	must(!pipe(fds), "make a pipe");
	if (fixed) {
		ret = syscall(SYS_io_uring_register, ring.fd,
			      IORING_REGISTER_BUFFERS, &iov, 1);
		say("register=%s", res(ret));
		if (ret)
			return;
	}
	ret = ring_do(&ring, fixed ? IORING_OP_WRITE_FIXED : IORING_OP_WRITE,
		      fds[1], m->a, 64);
	say("write=%s", res(ret));
	must(ret <= 0 || read(fds[0], buf, 64) == 64, "read a pipe");
	if (ret > 0)
		say("%s", same(buf, m, 64));
	memcpy(buf, m->a, 64);
	must(write(fds[1], buf, 64) == 64, "write a pipe");
	say("read=%s", res(ring_do(&ring, fixed ? IORING_OP_READ_FIXED :
				   IORING_OP_READ, fds[0], m->a, 64)));
	after(m);
}

static void op_pipe(struct map *m, long arg)
{
	char buf[64];
	int fds[2];

	must(!pipe(fds), "make a pipe");
	say("write=%s", res(write(fds[1], m->a, 64)));
	must(read(fds[0], buf, 64) == 64, "read a pipe");
	say("%s", same(buf, m, 64));
	must(write(fds[1], buf, 64) == 64, "write a pipe");
	say("read=%s", res(read(fds[0], m->a, 64)));
}

static void tcp_pair(int fds[2])
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	socklen_t len = sizeof(addr);
	int s = socket(AF_INET, SOCK_STREAM, 0);

	must(s >= 0 && !ioctl(s, SIOCSIFFLAGS, &ifr) &&
	     !bind(s, (void *)&addr, sizeof(addr)) && !listen(s, 1) &&
	     !getsockname(s, (void *)&addr, &len), "listen");
	fds[0] = socket(AF_INET, SOCK_STREAM, 0);
	must(!connect(fds[0], (void *)&addr, sizeof(addr)), "connect");
	fds[1] = accept(s, NULL, NULL);
	must(fds[1] >= 0, "accept");
}

static void op_socket(struct map *m, long tcp)
{
	char buf[64];
	int fds[2];

	if (tcp)
		tcp_pair(fds);
	else
		must(!socketpair(AF_UNIX, SOCK_STREAM, 0, fds), "make sockets");
	say("send=%s", res(send(fds[0], m->a, 64, 0)));
	must(recv(fds[1], buf, 64, MSG_WAITALL) == 64, "receive");
	say("%s", same(buf, m, 64));
	must(send(fds[0], buf, 64, 0) == 64, "send");
	say("recv=%s", res(recv(fds[1], m->a, 64, MSG_WAITALL)));
}

static void op_msg_zerocopy(struct map *m, long arg)
{
	char buf[PAGE];
	int fds[2], one = 1;
	long ret;

	tcp_pair(fds);
	must(!setsockopt(fds[0], SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one)),
	     "set SO_ZEROCOPY");
	ret = send(fds[0], m->a, PAGE, MSG_ZEROCOPY);
	say("send=%s", res(ret));
	if (ret > 0) {
		must(recv(fds[1], buf, ret, MSG_WAITALL) == ret, "receive");
		say("%s", same(buf, m, ret));
	}
}

static long zerocopy_receive(int fd, struct tcp_zerocopy_receive *zc)
{
	socklen_t len = sizeof(*zc);

	return getsockopt(fd, IPPROTO_TCP, TCP_ZEROCOPY_RECEIVE, zc, &len);
}

/* It maps pages where a socket is mapped only, and copies anywhere. */
static void op_zerocopy_receive(struct map *m, long arg)
{
	struct tcp_zerocopy_receive copy = {
		.address = (uintptr_t)m->a, .length = PAGE,
		.copybuf_address = (uintptr_t)m->a, .copybuf_len = 64,
	};
	struct tcp_zerocopy_receive remap = {
		.address = (uintptr_t)m->a, .length = PAGE,
	};
	char buf[2 * PAGE] = { 0 };
	int fds[2];

	tcp_pair(fds);
	memcpy(buf, m->a, PAGE);
	must(send(fds[0], buf, 64, 0) == 64, "send");
	say("copy=%s", res(zerocopy_receive(fds[1], &copy)));
	say("copied=%d", copy.copybuf_len);
	must(recv(fds[1], buf, 64, MSG_DONTWAIT) == 64 || errno == EAGAIN,
	     "receive what was not copied");
	must(send(fds[0], buf, sizeof(buf), 0) == sizeof(buf), "send");
	say("map=%s", res(zerocopy_receive(fds[1], &remap)));
	after(m);
}

static void op_mseal(struct map *m, long arg)
{
	say("%s", res(syscall(462, m->a, m->len, 0)));
	say("munmap=%s", res(munmap(m->a, m->len)));
	say("mprotect=%s", res(mprotect(m->a, m->len, PROT_NONE)));
	say("MADV_DONTNEED=%s", res(madvise(m->a, m->len, MADV_DONTNEED)));
	after(m);
}

static void op_mmap(struct map *m, long how)
{
	static const struct {
		int prot, flags;
		long off, len;
	} hows[] = {
		{ -1, MAP_SHARED, 0, 0 },
		{ -1, MAP_SHARED, 1, 0 },
		{ -1, MAP_SHARED, 0, 1 },
		{ PROT_READ | PROT_EXEC, MAP_SHARED, 0, 0 },
		{ PROT_NONE, MAP_SHARED, 0, 0 },
		{ PROT_READ, MAP_SHARED, 0, 0 },
		{ PROT_WRITE, MAP_SHARED, 0, 0 },
		{ -1, MAP_SHARED | MAP_POPULATE, 0, 0 },
		{ -1, MAP_SHARED | MAP_LOCKED, 0, 0 },
		{ -1, MAP_SHARED_VALIDATE | MAP_SYNC, 0, 0 },
	};
	int prot = hows[how].prot < 0 ? m->prot : hows[how].prot;
	size_t len = m->file_len + hows[how].len * PAGE;
	char *addr;

	if (m->fd < 0) {
		say("no file");
		return;
	}
	addr = mmap(NULL, len, prot, hows[how].flags, m->fd,
		    m->file_off + hows[how].off * PAGE);
	say("%s", res_map(addr));
	if (addr != MAP_FAILED)
		touch("access", addr, len);
}

static void op_remap_file_pages(struct map *m, long arg)
{
	say("%s", res(syscall(SYS_remap_file_pages, m->a, m->len, 0,
			      (m->off + PAGE) / PAGE, 0)));
	after(m);
}

/* A private mapping: what is written is a copy, whoever writes it. */
static void op_private(struct map *m, long writer)
{
	char *addr;

	if (m->fd < 0) {
		say("no file");
		return;
	}
	addr = mmap(NULL, m->len, PROT_READ | PROT_WRITE, MAP_PRIVATE, m->fd,
		    m->off);
	say("%s", res_map(addr));
	if (addr == MAP_FAILED)
		return;
	memcpy(shared->copy, m->a, PAGE);
	if (writer == 0)
		*(uint64_t *)(addr + 8) = 1;
	else
		run_other(writer == 1 ? peek_poke : other_mem, m, addr);
	say("original %s", memcmp(m->a, shared->copy, PAGE) ? "written" : "unchanged");
	say("copy %s", memcmp(addr + 8, shared->copy + 8, 8) ? "written" : "unchanged");
	say("rest %s", memcmp(addr + 16, shared->copy + 16, PAGE - 16) ?
	    "other data" : "same data");
	smaps_pages(m, addr, "Rss");
	smaps_pages(m, addr, "Anonymous");
	touch("access", addr, m->len);
}

static void op_private_fork(struct map *m, long arg)
{
	char *addr;
	pid_t pid;
	int status;

	if (m->fd < 0) {
		say("no file");
		return;
	}
	addr = mmap(NULL, m->len, PROT_READ | PROT_WRITE, MAP_PRIVATE, m->fd,
		    m->off);
	say("%s", res_map(addr));
	if (addr == MAP_FAILED)
		return;
	*addr = 'X';
	pid = fork();
	if (!pid) {
		touch("child", addr, m->len);
		*addr = 'Y';
		_exit(0);
	}
	waitpid(pid, &status, 0);
	say("parent's %s", *addr == 'X' ? "unchanged" : "changed");
	say("MADV_DONTNEED=%s", res(madvise(addr, m->len, MADV_DONTNEED)));
	touch("access", addr, m->len);
}

static void op_hmm(struct map *m, long cmd)
{
	unsigned char prot[MAX_PAGES] = { 0 };
	char *buf = malloc(m->len);
	struct hmm_dmirror_cmd args = {
		.addr = (uintptr_t)m->a, .npages = m->len / PAGE,
	};
	int fd = open("/dev/hmm_dmirror0", O_RDWR);
	long ret;

	must(fd >= 0, "open /dev/hmm_dmirror0");
	args.ptr = (uintptr_t)(cmd == (long)HMM_DMIRROR_SNAPSHOT ? (char *)prot : buf);
	if (cmd == (long)HMM_DMIRROR_WRITE)
		memcpy(buf, m->a, m->len);
	ret = ioctl(fd, cmd, &args);
	say("%s", res(ret));
	if (!ret && cmd == (long)HMM_DMIRROR_SNAPSHOT)
		say("first=%#x last=%#x", prot[0], prot[m->len / PAGE - 1]);
	if (!ret && cmd == (long)HMM_DMIRROR_READ)
		say("%s", same(buf, m, m->len));
	after(m);
	close(fd);
}

#define DAMON "/sys/kernel/mm/damon/admin/kdamonds/"

static unsigned long damon_stat(const char *name)
{
	char path[128], text[32] = "0";

	snprintf(path, sizeof(path), DAMON "0/contexts/0/schemes/0/stats/%s", name);
	read_text(path, text, sizeof(text));
	return strtoul(text, NULL, 10);
}

/* Let DAMON watch the mapping, and do what it thinks of as MADV_COLD to it. */
static void op_damon(struct map *m, long arg)
{
	char pid[16], start[32], end[32];
	const struct { const char *file, *text; } setup[] = {
		{ "nr_kdamonds", "1" },
		{ "0/contexts/nr_contexts", "1" },
		{ "0/contexts/0/operations", "fvaddr" },
		{ "0/contexts/0/monitoring_attrs/intervals/sample_us", "1000" },
		{ "0/contexts/0/monitoring_attrs/intervals/aggr_us", "5000" },
		{ "0/contexts/0/targets/nr_targets", "1" },
		{ "0/contexts/0/targets/0/pid_target", pid },
		{ "0/contexts/0/targets/0/regions/nr_regions", "1" },
		{ "0/contexts/0/targets/0/regions/0/start", start },
		{ "0/contexts/0/targets/0/regions/0/end", end },
		{ "0/contexts/0/schemes/nr_schemes", "1" },
		{ "0/contexts/0/schemes/0/action", "cold" },
		{ "0/contexts/0/schemes/0/access_pattern/sz/max", "1000000000" },
		{ "0/contexts/0/schemes/0/access_pattern/nr_accesses/max", "1000000" },
		{ "0/contexts/0/schemes/0/access_pattern/age/max", "1000000" },
		{ "0/state", "on" },
	};
	bool tried = false, applied;

	snprintf(pid, sizeof(pid), "%d", getpid());
	snprintf(start, sizeof(start), "%lu", (unsigned long)m->a);
	snprintf(end, sizeof(end), "%lu", (unsigned long)m->a + m->len);
	for (size_t i = 0; i < sizeof(setup) / sizeof(*setup); i++) {
		char path[160];

		snprintf(path, sizeof(path), DAMON "%s", setup[i].file);
		must(write_file(path, setup[i].text) > 0, setup[i].file);
	}
	/* The timeout of the whole operation ends this. */
	while (!tried) {
		probe_read(m->a);
		write_file(DAMON "0/state", "update_schemes_stats");
		tried = damon_stat("nr_tried") > 2;
	}
	applied = damon_stat("nr_applied");
	write_file(DAMON "0/state", "off");
	write_file(DAMON "nr_kdamonds", "0");
	say("watched, MADV_COLD %s", applied ? "applied" : "not applied");
	after(m);
}

static void op_exit(struct map *m, long arg)
{
	close(m->fd);
	after(m);
	raise(SIGKILL);
}

struct op {
	const char *name;
	void (*fn)(struct map *m, long arg);
	long arg;
	bool huge;	/* about huge pages */
};

#define ADVICE(name)	{ "madvise " #name, op_madvise, MADV_##name }
#define MMAP_SYNC_IX	9

static const struct op ops[] = {
	{ "access", op_access },
	{ "gup", op_gup, (long)GUP_BASIC_TEST },
	{ "gup fast", op_gup, (long)GUP_FAST_BENCHMARK },
	{ "pin", op_gup, (long)PIN_BASIC_TEST },
	{ "pin fast", op_gup, (long)PIN_FAST_BENCHMARK },
	{ "pin longterm", op_gup, (long)PIN_LONGTERM_BENCHMARK },
	{ "pin longterm, keep, read", op_longterm, 0 },
	{ "pin longterm fast, keep, write", op_longterm,
	  PIN_LONGTERM_TEST_FLAG_USE_FAST | PIN_LONGTERM_TEST_FLAG_USE_WRITE },
	{ "ptrace", op_ptrace, 0 },
	{ "ptrace after a write", op_ptrace, 1 },
	{ "/proc/PID/mem", op_mem, 0 },
	{ "/proc/PID/mem after a write", op_mem, 1 },
	{ "process_vm_readv", op_vm, 0 },
	{ "process_vm_writev", op_vm, 1 },
	{ "core dump", op_core, 0x33 },
	{ "core dump of everything", op_core, 0x1ff },
	{ "futex", op_futex, 0 },
	{ "futex private", op_futex, FUTEX_PRIVATE_FLAG },
	{ "pagemap", op_pagemap },
	{ "kpageflags, kpagecount", op_kpage },
	{ "smaps", op_smaps, .huge = true },
	{ "smaps, VmFlags", op_vm_flags },
	{ "numa_maps", op_numa_maps },
	{ "clear_refs 1", op_clear_refs, 1 },
	{ "clear_refs 2", op_clear_refs, 2 },
	{ "clear_refs 3", op_clear_refs, 3 },
	{ "clear_refs 4", op_clear_refs, 4 },
	{ "clear_refs 5", op_clear_refs, 5 },
	{ "PAGEMAP_SCAN", op_scan, 0 },
	{ "PAGEMAP_SCAN write-protect", op_scan, PM_SCAN_WP_MATCHING },
	{ "PAGEMAP_SCAN write-protect async", op_scan,
	  PM_SCAN_WP_MATCHING | PM_SCAN_CHECK_WPASYNC },
	{ "mincore", op_mincore },
	{ "mlock", op_mlock, -1 },
	{ "mlock2 ONFAULT", op_mlock, MLOCK_ONFAULT },
	{ "mlockall CURRENT", op_mlockall, MCL_CURRENT },
	{ "mlockall CURRENT FUTURE", op_mlockall, MCL_CURRENT | MCL_FUTURE },
	ADVICE(NORMAL), ADVICE(RANDOM), ADVICE(SEQUENTIAL), ADVICE(WILLNEED),
	ADVICE(DONTNEED), ADVICE(FREE), ADVICE(REMOVE), ADVICE(DONTFORK),
	ADVICE(DOFORK), ADVICE(MERGEABLE), ADVICE(UNMERGEABLE),
	{ "madvise HUGEPAGE", op_madvise, MADV_HUGEPAGE, true },
	ADVICE(NOHUGEPAGE), ADVICE(DONTDUMP), ADVICE(DODUMP),
	ADVICE(WIPEONFORK), ADVICE(KEEPONFORK), ADVICE(COLD), ADVICE(PAGEOUT),
	ADVICE(POPULATE_READ), ADVICE(POPULATE_WRITE), ADVICE(DONTNEED_LOCKED),
	{ "madvise COLLAPSE", op_madvise, MADV_COLLAPSE, true },
	ADVICE(GUARD_INSTALL), ADVICE(GUARD_REMOVE),
	{ "madvise HWPOISON", op_poison, MADV_HWPOISON },
	{ "madvise SOFT_OFFLINE", op_poison, MADV_SOFT_OFFLINE },
	{ "process_madvise DONTNEED", op_process_madvise, MADV_DONTNEED },
	{ "process_madvise PAGEOUT", op_process_madvise, MADV_PAGEOUT },
	{ "hwpoison injection", op_hwpoison },
	{ "mprotect NONE", op_mprotect, PROT_NONE },
	{ "mprotect READ", op_mprotect, PROT_READ },
	{ "mprotect READ WRITE", op_mprotect, PROT_READ | PROT_WRITE },
	{ "mprotect READ EXEC", op_mprotect, PROT_READ | PROT_EXEC },
	{ "mremap move", op_mremap_move, 0 },
	{ "mremap DONTUNMAP", op_mremap_move, MREMAP_DONTUNMAP },
	{ "mremap grow", op_mremap_size, 1 },
	{ "mremap shrink", op_mremap_size, -1 },
	{ "mremap from size 0", op_mremap_size, 0 },
	{ "msync ASYNC", op_msync, MS_ASYNC },
	{ "msync SYNC", op_msync, MS_SYNC },
	{ "msync INVALIDATE", op_msync, MS_INVALIDATE },
	{ "munmap of a page", op_munmap_part },
	{ "mmap over it", op_map_over },
	{ "fork", op_fork, 0 },
	{ "fork after DOFORK", op_fork, MADV_DOFORK },
	{ "fork after DONTFORK", op_fork, MADV_DONTFORK },
	{ "fork after WIPEONFORK", op_fork, MADV_WIPEONFORK },
	{ "fork, close", op_fork_close },
	{ "mbind", op_mbind, 0 },
	{ "mbind STRICT MOVE", op_mbind, MPOL_MF_STRICT | MPOL_MF_MOVE },
	{ "mbind MOVE_ALL", op_mbind, MPOL_MF_MOVE_ALL },
	{ "move_pages", op_move_pages, MPOL_MF_MOVE },
	{ "move_pages MOVE_ALL", op_move_pages, MPOL_MF_MOVE_ALL },
	{ "get_mempolicy ADDR", op_get_mempolicy },
	{ "set_mempolicy_home_node", op_home_node },
	{ "migrate_pages", op_migrate_pages },
	{ "userfaultfd missing", op_uffd, UFFDIO_REGISTER_MODE_MISSING },
	{ "userfaultfd wp", op_uffd, UFFDIO_REGISTER_MODE_WP },
	{ "userfaultfd minor", op_uffd, UFFDIO_REGISTER_MODE_MINOR },
	{ "ksm", op_ksm },
	{ "hmm snapshot", op_hmm, (long)HMM_DMIRROR_SNAPSHOT },
	{ "hmm read", op_hmm, (long)HMM_DMIRROR_READ },
	{ "hmm write", op_hmm, (long)HMM_DMIRROR_WRITE },
	{ "hmm exclusive", op_hmm, (long)HMM_DMIRROR_EXCLUSIVE },
	{ "hmm migrate", op_hmm, (long)HMM_DMIRROR_MIGRATE_TO_DEV },
	{ "DAMON", op_damon },
	{ "vmsplice, tee", op_vmsplice, 0 },
	{ "vmsplice GIFT, tee", op_vmsplice, SPLICE_F_GIFT },
	{ "vmsplice from a pipe", op_vmsplice_from },
	{ "splice from its file", op_splice_fd },
	{ "O_DIRECT read", op_direct, 0 },
	{ "O_DIRECT write", op_direct, 1 },
	{ "io_uring read and write", op_uring, 0 },
	{ "io_uring fixed buffer", op_uring, 1 },
	{ "pipe", op_pipe },
	{ "AF_UNIX", op_socket, 0 },
	{ "TCP", op_socket, 1 },
	{ "TCP MSG_ZEROCOPY", op_msg_zerocopy },
	{ "TCP zerocopy receive", op_zerocopy_receive },
	{ "mseal", op_mseal },
	{ "mmap again", op_mmap, 0 },
	{ "mmap, wrong offset", op_mmap, 1 },
	{ "mmap, too long", op_mmap, 2 },
	{ "mmap READ EXEC", op_mmap, 3 },
	{ "mmap NONE", op_mmap, 4 },
	{ "mmap READ", op_mmap, 5 },
	{ "mmap WRITE", op_mmap, 6 },
	{ "mmap MAP_POPULATE", op_mmap, 7 },
	{ "mmap MAP_LOCKED", op_mmap, 8 },
	{ "mmap MAP_SYNC", op_mmap, MMAP_SYNC_IX },
	{ "remap_file_pages", op_remap_file_pages },
	{ "mmap MAP_PRIVATE, write", op_private, 0 },
	{ "mmap MAP_PRIVATE, ptrace", op_private, 1 },
	{ "mmap MAP_PRIVATE, /proc/PID/mem", op_private, 2 },
	{ "mmap MAP_PRIVATE, fork", op_private_fork },
	{ "exit by a signal", op_exit },
};

static void run(const struct class *class, const struct op *op)
{
	unsigned long node = 1 << 0;
	pid_t pid;
	int status;

	memset(shared, 0, sizeof(*shared));
	pid = fork();
	if (!pid) {
		struct map m;

		alarm(TIMEOUT_S);
		syscall(SYS_set_mempolicy, MPOL_PREFERRED, &node, 8 * sizeof(node));
		make(&m, class);
		op->fn(&m, op->arg);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	if (WIFSIGNALED(status))
		say("SIG%s", sigabbrev_np(WTERMSIG(status)));
	printf("%s\t%s\t%s\n", class->name, op->name, shared->text);
	fflush(stdout);
}

/* usage: differential [MAPPING [OPERATION]] */
int main(int argc, char **argv)
{
	cpu_set_t cpu;

	page_size = PAGE;
	/* All memory is that of one node, and no page is huge unasked. */
	CPU_ZERO(&cpu);
	CPU_SET(0, &cpu);
	if (sched_setaffinity(0, sizeof(cpu), &cpu) ||
	    write_file("/sys/kernel/mm/transparent_hugepage/enabled", "never") < 0) {
		perror("sched_setaffinity or transparent_hugepage");
		return 1;
	}
	mkdir(DIR, 0700);
	if (write_file("/proc/sys/kernel/core_pattern", DIR "/core") < 0 ||
	    write_file("/proc/sys/kernel/core_uses_pid", "0") < 0) {
		perror("core_pattern");
		return 1;
	}
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return 1;

	for (size_t i = 0; i < sizeof(classes) / sizeof(*classes); i++) {
		if (argc > 1 ? strcmp(argv[1], classes[i].name) : classes[i].apart)
			continue;
		for (size_t j = 0; j < sizeof(ops) / sizeof(*ops); j++) {
			if (classes[i].large && !ops[j].huge)
				continue;
			if (argc < 3 || !strcmp(argv[2], ops[j].name))
				run(&classes[i], &ops[j]);
		}
	}
	return 0;
}
