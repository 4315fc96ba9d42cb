// SPDX-License-Identifier: GPL-2.0
/*
 * Use drivers that usermap.cocci converts: map their memory, look at it, and
 * take the driver's side of it away while it is mapped. Prints a table of what
 * happened, a line for each step; the number of pages with the usermap type is
 * all that may differ when a driver is converted.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <linux/io_uring.h>
#include <linux/ublk_cmd.h>

#define PAGE		4096UL
#define KPF_USERMAP	27
#define PM_PRESENT	(1ULL << 63)
#define PM_PFN(entry)	((entry) & 0x007fffffffffffffULL)
#define MON_IOCT_RING_SIZE	_IO(0x92, 4)

static const char *driver;

static void say(const char *what, long result)
{
	printf("%s\t%s\t%s%ld\n", driver, what, result < 0 ? "errno " : "",
	       result < 0 ? -result : result);
	fflush(stdout);
}

static long error(long ret)
{
	return ret == -1 ? -errno : ret;
}

/* All that this machine has to have: without it there is nothing to test. */
static int xopen(const char *path, int flags)
{
	int fd = open(path, flags);

	if (fd < 0) {
		perror(path);
		exit(1);
	}
	return fd;
}

static uint64_t word(int fd, uint64_t index)
{
	uint64_t value = 0;

	if (pread(fd, &value, 8, index * 8) != 8)
		return 0;
	return value;
}

static void look(const volatile unsigned char *map, size_t size)
{
	int pagemap = xopen("/proc/self/pagemap", O_RDONLY);
	int kpageflags = xopen("/proc/kpageflags", O_RDONLY);
	long typed = 0, sum = 0;

	for (size_t off = 0; off < size; off += PAGE) {
		uint64_t entry;

		sum += map[off] & 0;	/* the access is what matters */
		entry = word(pagemap, ((uintptr_t)map + off) / PAGE);
		if (entry & PM_PRESENT)
			typed += word(kpageflags, PM_PFN(entry)) >> KPF_USERMAP & 1;
	}
	say("pages read", size / PAGE + sum);
	say("usermap pages", typed);
	close(pagemap);
	close(kpageflags);
}

static unsigned char *map(int fd, size_t size, int prot)
{
	void *at = mmap(NULL, size, prot, MAP_SHARED, fd, 0);

	say("mmap", at == MAP_FAILED ? -errno : 0);
	if (at == MAP_FAILED)
		exit(1);
	return at;
}

/* What a child reads, after it has unmapped a part. */
static void in_child(unsigned char *at, size_t size)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		if (size > PAGE)
			munmap(at, PAGE);
		_exit(((volatile unsigned char *)at)[size - 1] & 0);
	}
	waitpid(pid, &status, 0);
	say("child", status);
}

static void put(const char *path, const char *text)
{
	int fd = xopen(path, O_WRONLY);

	say(path, error(write(fd, text, strlen(text))) > 0 ? 0 : -errno);
	close(fd);
}

static void vfb(void)
{
	size_t size = 16 * PAGE;
	int fd = xopen("/dev/fb0", O_RDWR);
	unsigned char *at = map(fd, size, PROT_READ | PROT_WRITE);
	char byte;

	look(at, size);
	at[3 * PAGE + 1] = 0x5a;
	say("read() of what was written", error(pread(fd, &byte, 1, 3 * PAGE + 1)) == 1 &&
	    byte == 0x5a);
	in_child(at, size);
	put("/sys/bus/platform/drivers/vfb/unbind", "vfb.0");
	say("after unbind", at[3 * PAGE + 1]);
	close(fd);
	look(at, size);
	say("munmap of the middle", error(munmap(at + 4 * PAGE, PAGE)));
	say("munmap", error(munmap(at, size)));
}

static void usbmon(void)
{
	size_t size = 16 * PAGE;
	int fd = xopen("/dev/usbmon0", O_RDONLY);
	unsigned char *at = map(fd, size, PROT_READ);

	look(at, size);
	in_child(at, size);
	say("resize while mapped", error(ioctl(fd, MON_IOCT_RING_SIZE, 64 * PAGE)));
	say("munmap", error(munmap(at, size)));
	say("resize", error(ioctl(fd, MON_IOCT_RING_SIZE, 64 * PAGE)));
	at = map(fd, 2 * size, PROT_READ);
	close(fd);
	look(at, 2 * size);
	say("munmap", error(munmap(at, 2 * size)));
}

/* One command to the control device by a ring of its own. */
static long ublk_control(unsigned int op, struct ublksrv_ctrl_dev_info *info)
{
	struct io_uring_params p = { .flags = IORING_SETUP_SQE128 };
	int ring = syscall(SYS_io_uring_setup, 1, &p);
	int control = xopen("/dev/ublk-control", O_RDWR);
	struct ublksrv_ctrl_cmd *cmd;
	struct io_uring_sqe *sqe;
	struct io_uring_cqe *cqe;
	char *sq, *cq;
	long ret;

	sq = mmap(NULL, p.sq_off.array + 4, PROT_READ | PROT_WRITE, MAP_SHARED,
		  ring, IORING_OFF_SQ_RING);
	cq = mmap(NULL, p.cq_off.cqes + p.cq_entries * sizeof(*cqe),
		  PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_CQ_RING);
	sqe = mmap(NULL, 128, PROT_READ | PROT_WRITE, MAP_SHARED, ring,
		   IORING_OFF_SQES);
	if (ring < 0 || sq == MAP_FAILED || cq == MAP_FAILED || sqe == MAP_FAILED) {
		perror("io_uring");
		exit(1);
	}
	memset(sqe, 0, 128);
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = control;
	sqe->cmd_op = op;
	cmd = (void *)sqe->cmd;
	cmd->dev_id = info->dev_id;
	cmd->queue_id = -1;
	cmd->len = sizeof(*info);
	cmd->addr = (uintptr_t)info;
	*(unsigned int *)(sq + p.sq_off.array) = 0;
	__atomic_fetch_add((unsigned int *)(sq + p.sq_off.tail), 1, __ATOMIC_RELEASE);
	ret = error(syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS,
			    NULL, 0));
	if (ret == 1) {
		cqe = (void *)(cq + p.cq_off.cqes);
		ret = cqe->res;
	}
	close(control);
	close(ring);
	return ret;
}

static void ublk(void)
{
	struct ublksrv_ctrl_dev_info info = {
		.nr_hw_queues = 1, .queue_depth = 512, .dev_id = -1,
		.max_io_buf_bytes = 1 << 20,
	};
	size_t size = (info.queue_depth * sizeof(struct ublksrv_io_desc) + PAGE - 1) &
		      ~(PAGE - 1);
	unsigned char *at;
	char path[64];
	int fd;

	say("ADD_DEV", ublk_control(UBLK_U_CMD_ADD_DEV, &info));
	snprintf(path, sizeof(path), "/dev/ublkc%u", info.dev_id);
	fd = xopen(path, O_RDWR);
	at = map(fd, size, PROT_READ);
	look(at, size);
	in_child(at, size);
	say("mprotect", error(mprotect(at, size, PROT_READ | PROT_WRITE)));
	say("DEL_DEV", ublk_control(UBLK_U_CMD_DEL_DEV_ASYNC, &info));
	close(fd);
	look(at, size);
	say("munmap", error(munmap(at, size)));
}

int main(void)
{
	static const struct {
		const char *name;
		void (*test)(void);
	} drivers[] = {
		{ "vfb", vfb }, { "usbmon", usbmon }, { "ublk", ublk },
	};

	for (size_t i = 0; i < sizeof(drivers) / sizeof(*drivers); i++) {
		driver = drivers[i].name;
		drivers[i].test();
	}
	return 0;
}
