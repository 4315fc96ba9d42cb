/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How a program gets at the memory of each kind that the kernel shares with it:
 * what to open, and how many pages of that can be mapped.
 */
#ifndef _USERMAP_USERS_H
#define _USERMAP_USERS_H

#include <linux/bpf.h>
#include <linux/comedi.h>
#include <linux/if_xdp.h>
#include <linux/io_uring.h>
#include <linux/kcov.h>
#include <linux/kvm.h>
#include <linux/ublk_cmd.h>
#include <linux/usbdevice_fs.h>
#include <net/if.h>
#include <scsi/sg.h>
#include <sound/asound.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "usermap.h"

#ifndef AF_XDP
#define AF_XDP		44
#endif
#ifndef SOL_XDP
#define SOL_XDP		283
#endif

#define RING_ENTRIES	1024
#define UMEM_PAGES	16
#define DATA_PAGES	4
#define KCOV_PAGES	5
#define ALSA_DEVICE	"/dev/snd/pcmC0D0p"
#define USBMON_DEVICE	"/dev/usbmon0"
#define SG_DEVICE	"/dev/sg0"
#define SG_PAGES	20	/* of more than one allocation */
#ifndef SG_FLAG_MMAP_IO
#define SG_FLAG_MMAP_IO	4
#endif
#define COMEDI_DEVICE	"/dev/comedi0"
#define UBLK_DEPTH	512
#define UBLK_IO_SIZE	65536
#define DIRTY_PAGES	4
#define SELINUX_POLICY	"/sys/fs/selinux/policy"
#define SELINUX_LOAD	"/sys/fs/selinux/load"

/* AF_XDP */

struct xsk {
	int fd;
	char *umem;
};

static inline int xsk_set(int fd, int option, int entries)
{
	return setsockopt(fd, SOL_XDP, option, &entries, sizeof(entries));
}

/* A socket with all four rings, that is not bound. -errno if there is none. */
static inline int xsk_open_umem(char *umem)
{
	struct xdp_umem_reg reg = {
		.addr = (uintptr_t)umem,
		.len = UMEM_PAGES * page_size,
		.chunk_size = 2048,
	};
	int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_XDP, XDP_UMEM_REG, &reg, sizeof(reg)) ||
	    xsk_set(fd, XDP_UMEM_FILL_RING, RING_ENTRIES) ||
	    xsk_set(fd, XDP_UMEM_COMPLETION_RING, RING_ENTRIES) ||
	    xsk_set(fd, XDP_RX_RING, RING_ENTRIES) ||
	    xsk_set(fd, XDP_TX_RING, RING_ENTRIES)) {
		int err = -errno;

		close(fd);
		return err;
	}
	return fd;
}

static inline char *umem_alloc(void)
{
	return mmap(NULL, UMEM_PAGES * page_size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static inline int xsk_open(void)
{
	char *umem = umem_alloc();
	int fd;

	if (umem == MAP_FAILED)
		return -ENOMEM;
	fd = xsk_open_umem(umem);
	/* The socket has pinned the pages. */
	munmap(umem, UMEM_PAGES * page_size);
	return fd;
}

static inline int xsk_bind(int fd, int flags, int shared_fd)
{
	struct sockaddr_xdp addr = {
		.sxdp_family = AF_XDP,
		.sxdp_flags = flags,
		.sxdp_ifindex = if_nametoindex("lo"),
		.sxdp_shared_umem_fd = shared_fd,
	};

	return bind(fd, (struct sockaddr *)&addr, sizeof(addr));
}

/* The queue is free some time after the last test closed its socket. */
static inline bool xsk_bind_lo(int fd)
{
	int ret;

	return wait_until(!(ret = xsk_bind(fd, XDP_COPY, 0)) ||
			  errno != EBUSY) && !ret;
}

static inline bool lo_up(void)
{
	struct ifreq ifr = { .ifr_name = "lo" };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool up;

	up = !ioctl(fd, SIOCGIFFLAGS, &ifr);
	ifr.ifr_flags |= IFF_UP;
	up = up && !ioctl(fd, SIOCSIFFLAGS, &ifr);
	close(fd);
	return up;
}

static inline bool xsk_offsets(int fd, struct xdp_mmap_offsets *off)
{
	socklen_t len = sizeof(*off);

	return !getsockopt(fd, SOL_XDP, XDP_MMAP_OFFSETS, off, &len);
}

static inline size_t pages_for(size_t bytes)
{
	return (bytes + page_size - 1) / page_size;
}

/* The kernel's header of a ring is private: its size is the first offset. */
static inline size_t xsk_pages(int fd, size_t entry, bool umem)
{
	struct xdp_mmap_offsets off = {};

	if (!xsk_offsets(fd, &off))
		return 0;
	return pages_for((umem ? off.fr.desc : off.rx.desc) +
			 RING_ENTRIES * entry);
}

static inline size_t rx_tx_pages(int fd)
{
	return xsk_pages(fd, sizeof(struct xdp_desc), false);
}

static inline size_t umem_ring_pages(int fd)
{
	return xsk_pages(fd, sizeof(__u64), true);
}

/* bpf */

static inline int bpf(int cmd, union bpf_attr *attr)
{
	int ret = syscall(__NR_bpf, cmd, attr, sizeof(*attr));

	return ret < 0 ? -errno : ret;
}

static inline int bpf_ring(int type)
{
	union bpf_attr attr = {
		.map_type = type,
		.max_entries = DATA_PAGES * page_size,
	};

	return bpf(BPF_MAP_CREATE, &attr);
}

static inline int ringbuf_open(void)
{
	return bpf_ring(BPF_MAP_TYPE_RINGBUF);
}

static inline int user_ringbuf_open(void)
{
	return bpf_ring(BPF_MAP_TYPE_USER_RINGBUF);
}

static inline size_t one_page(int fd)
{
	return 1;
}

/* The position of the producer, and the data twice. */
static inline size_t data_twice(int fd)
{
	return 1 + 2 * DATA_PAGES;
}

/* kcov */

static inline int kcov_open(void)
{
	int fd = open("/sys/kernel/debug/kcov", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (ioctl(fd, KCOV_INIT_TRACE,
		  KCOV_PAGES * page_size / sizeof(unsigned long))) {
		int err = -errno;

		close(fd);
		return err;
	}
	return fd;
}

static inline size_t kcov_pages(int fd)
{
	return KCOV_PAGES;
}

/* ALSA */

static inline int alsa_open(void)
{
	int fd = open(ALSA_DEVICE, O_RDWR | O_NONBLOCK | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* Set up a playback of 16 bit stereo. */
static inline bool alsa_hw_params(int fd)
{
	struct snd_pcm_hw_params params = { .rmask = ~0U, .info = ~0U };
	int i;

	memset(params.masks, 0xff, sizeof(params.masks));
	for (i = 0; i <= SNDRV_PCM_HW_PARAM_LAST_INTERVAL -
			 SNDRV_PCM_HW_PARAM_FIRST_INTERVAL; i++)
		params.intervals[i].max = ~0U;
	memset(params.masks, 0, sizeof(params.masks[0]));
	params.masks[0].bits[0] = 1 << SNDRV_PCM_ACCESS_RW_INTERLEAVED;
	return !ioctl(fd, SNDRV_PCM_IOCTL_HW_PARAMS, &params);
}

/* usbmon, see Documentation/usb/usbmon.rst */

#define MON_IOCT_RING_SIZE	_IO(0x92, 4)
#define MON_IOCQ_RING_SIZE	_IO(0x92, 5)
#define MON_IOCX_MFETCH		_IOWR(0x92, 7, struct mon_bin_mfetch)
#define MON_HEADER		48	/* what read() has of it */

struct mon_bin_mfetch {
	__u32 *offvec;
	__u32 nfetch;
	__u32 nflush;
};

static inline int usbmon_open(void)
{
	return ret_errno(open(USBMON_DEVICE, O_RDWR | O_NONBLOCK | O_CLOEXEC));
}

static inline size_t usbmon_pages(int fd)
{
	int size = ioctl(fd, MON_IOCQ_RING_SIZE);

	return size < 0 ? 0 : size / page_size;
}

static inline int usbmon_set_pages(int fd, size_t pages)
{
	return ret_errno(ioctl(fd, MON_IOCT_RING_SIZE, pages * page_size));
}

/* sg */

static inline int sg_set_pages(int fd, size_t pages)
{
	int size = pages * page_size;

	return ret_errno(ioctl(fd, SG_SET_RESERVED_SIZE, &size));
}

static inline size_t sg_pages(int fd)
{
	int size;

	return ioctl(fd, SG_GET_RESERVED_SIZE, &size) ? 0 : size / page_size;
}

static inline int sg_open(void)
{
	int fd = open(SG_DEVICE, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (sg_set_pages(fd, SG_PAGES) || sg_pages(fd) != SG_PAGES) {
		close(fd);
		return -ENOMEM;
	}
	return fd;
}

/* comedi: what is mapped read-only is the buffer of another subdevice. */

#define COMEDI_AI	0
#define COMEDI_AO	1

static inline int comedi_open_ro(void)
{
	return ret_errno(open(COMEDI_DEVICE, O_RDONLY | O_CLOEXEC));
}

static inline int comedi_open(void)
{
	return ret_errno(open(COMEDI_DEVICE, O_RDWR | O_CLOEXEC));
}

/* The size of the buffer in pages; set before if @pages is not 0. -errno. */
static inline int comedi_buf_pages(int fd, int subdevice, size_t pages)
{
	struct comedi_bufconfig bc = {
		.subdevice = subdevice,
		.size = pages * page_size,
	};

	if (ioctl(fd, COMEDI_BUFCONFIG, &bc))
		return -errno;
	return bc.size / page_size;
}

static inline int comedi_resize_ai(int fd, size_t pages)
{
	int ret = comedi_buf_pages(fd, COMEDI_AI, pages);

	return ret < 0 ? ret : 0;
}

static inline int comedi_resize_ao(int fd, size_t pages)
{
	int ret = comedi_buf_pages(fd, COMEDI_AO, pages);

	return ret < 0 ? ret : 0;
}

static inline size_t comedi_pages(int fd)
{
	int pages = comedi_buf_pages(fd, COMEDI_AI, 0);

	return pages < 0 ? 0 : pages;
}

/* ublk */

/* An io_uring for commands. */
struct uring {
	int fd;
	size_t len, sqes_len;
	char *rings;
	struct io_uring_sqe *sqes;
	struct io_uring_params params;
};

static inline void uring_close(struct uring *ring)
{
	munmap(ring->sqes, ring->sqes_len);
	munmap(ring->rings, ring->len);
	close(ring->fd);
}

static inline bool uring_open(struct uring *ring)
{
	*ring = (struct uring){ .params.flags = IORING_SETUP_SQE128 };
	ring->fd = syscall(__NR_io_uring_setup, 8, &ring->params);
	if (ring->fd < 0)
		return false;
	ring->len = ring->params.cq_off.cqes +
		    ring->params.cq_entries * sizeof(struct io_uring_cqe);
	ring->rings = mmap(NULL, ring->len, PROT_READ | PROT_WRITE, MAP_SHARED,
			   ring->fd, IORING_OFF_SQ_RING);
	ring->sqes_len = 2 * ring->params.sq_entries * sizeof(*ring->sqes);
	ring->sqes = mmap(NULL, ring->sqes_len, PROT_READ | PROT_WRITE,
			  MAP_SHARED, ring->fd, IORING_OFF_SQES);
	if (ring->rings != MAP_FAILED && ring->sqes != MAP_FAILED)
		return true;
	uring_close(ring);
	return false;
}

/* 0 or -errno, when @cmd_op of @fd has been taken; it may go on after that. */
static inline int uring_submit(struct uring *ring, int fd, __u32 cmd_op,
			       const void *cmd, size_t len, __u64 user_data)
{
	__u32 *tail = (__u32 *)(ring->rings + ring->params.sq_off.tail);
	__u32 *array = (__u32 *)(ring->rings + ring->params.sq_off.array);
	__u32 index = *tail & (ring->params.sq_entries - 1);
	struct io_uring_sqe *sqe = ring->sqes + 2 * index;
	int ret;

	memset(sqe, 0, 2 * sizeof(*sqe));
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = fd;
	sqe->cmd_op = cmd_op;
	sqe->user_data = user_data;
	memcpy(sqe->cmd, cmd, len);
	array[index] = index;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	ret = syscall(__NR_io_uring_enter, ring->fd, 1, 0, 0, NULL, 0);
	return ret < 0 ? -errno : 0;
}

/* What the next command that ends says. */
static inline int uring_wait(struct uring *ring, __u64 *user_data)
{
	__u32 *head = (__u32 *)(ring->rings + ring->params.cq_off.head);
	__u32 *tail = (__u32 *)(ring->rings + ring->params.cq_off.tail);
	struct io_uring_cqe *cqe;
	int ret;

	while (__atomic_load_n(tail, __ATOMIC_ACQUIRE) == *head) {
		if (syscall(__NR_io_uring_enter, ring->fd, 0, 1,
			    IORING_ENTER_GETEVENTS, NULL, 0) < 0)
			return -errno;
	}
	cqe = (void *)(ring->rings + ring->params.cq_off.cqes);
	cqe += *head & (ring->params.cq_entries - 1);
	ret = cqe->res;
	if (user_data)
		*user_data = cqe->user_data;
	__atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
	return ret;
}

/* A command for the control device, and its answer. */
static inline int ublk_control(__u32 op, struct ublksrv_ctrl_cmd cmd)
{
	int ret, control = open("/dev/ublk-control", O_RDWR | O_CLOEXEC);
	struct uring ring;

	if (control < 0)
		return -errno;
	if (!uring_open(&ring)) {
		close(control);
		return -ENODEV;
	}
	ret = uring_submit(&ring, control, op, &cmd, sizeof(cmd), 0) ?:
	      uring_wait(&ring, NULL);
	uring_close(&ring);
	close(control);
	return ret;
}

/* The device goes with the last who uses it. */
static inline int ublk_del(__u32 id)
{
	struct ublksrv_ctrl_cmd cmd = { .dev_id = id, .queue_id = -1 };

	return ublk_control(UBLK_U_CMD_DEL_DEV_ASYNC, cmd);
}

/* Add a device, and open the one for the server. */
static inline int ublk_add(int depth, __u32 *id)
{
	struct ublksrv_ctrl_dev_info info = {
		.nr_hw_queues = 1,
		.queue_depth = depth,
		.max_io_buf_bytes = UBLK_IO_SIZE,
		.dev_id = -1,
		.flags = UBLK_F_NO_AUTO_PART_SCAN,
	};
	struct ublksrv_ctrl_cmd cmd = {
		.dev_id = -1,
		.queue_id = -1,
		.addr = (uintptr_t)&info,
		.len = sizeof(info),
	};
	char name[32];
	int fd, ret;

	ret = ublk_control(UBLK_U_CMD_ADD_DEV, cmd);
	*id = info.dev_id;
	if (ret)
		return ret;
	snprintf(name, sizeof(name), "/dev/ublkc%u", info.dev_id);
	fd = ret_errno(open(name, O_RDWR | O_CLOEXEC));
	if (fd < 0)
		ublk_del(*id);
	return fd;
}

/* A device that is there for as long as it is open or mapped. */
static inline int ublk_open(void)
{
	__u32 id;
	int fd, err;

	fd = ublk_add(UBLK_DEPTH, &id);
	if (fd < 0)
		return fd;
	err = ublk_del(id);
	if (!err)
		return fd;
	/* One allocation has failed; what deletes it now has others. */
	ublk_del(id);
	close(fd);
	return err;
}

static inline size_t ublk_pages(int fd)
{
	return pages_for(UBLK_DEPTH * sizeof(struct ublksrv_io_desc));
}

/* KVM */

static inline int kvm_vm(void)
{
	int vm, kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (kvm < 0)
		return -errno;
	vm = ret_errno(ioctl(kvm, KVM_CREATE_VM, 0));
	close(kvm);
	return vm;
}

static inline int kvm_vcpu(int vm)
{
	return ret_errno(ioctl(vm, KVM_CREATE_VCPU, 0));
}

/* To be called before there is a vcpu. */
static inline int kvm_dirty_ring(int vm)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_DIRTY_LOG_RING_ACQ_REL,
		.args[0] = DIRTY_PAGES * page_size,
	};

	if (ioctl(vm, KVM_CHECK_EXTENSION, cap.cap) <= 0)
		return -ENODEV;
	return ret_errno(ioctl(vm, KVM_ENABLE_CAP, &cap));
}

/* The vcpu keeps the machine. */
static inline int kvm_open(void)
{
	int vm = kvm_vm(), vcpu;

	if (vm < 0)
		return vm;
	vcpu = kvm_vcpu(vm);
	close(vm);
	return vcpu;
}

static inline int kvm_open_dirty(void)
{
	int vm = kvm_vm(), vcpu;

	if (vm < 0)
		return vm;
	vcpu = kvm_dirty_ring(vm) ?: kvm_vcpu(vm);
	close(vm);
	return vcpu;
}

/* On x86 three: kvm_run, PIO data, coalesced MMIO. */
static inline size_t kvm_pages(int fd)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);

	close(kvm);
	return size < 0 ? 0 : size / page_size;
}

static inline size_t dirty_pages(int fd)
{
	return DIRTY_PAGES;
}

/* SELinux: root may open the policy for writing, which mmap() refuses. */

/* A copy of the policy of its own. -ENODEV if none is loaded. */
static inline int policy_open(void)
{
	int fd = ret_errno(open(SELINUX_POLICY, O_RDWR | O_CLOEXEC));

	return fd == -EINVAL ? -ENODEV : fd;
}

static inline size_t policy_size(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? 0 : st.st_size;
}

static inline size_t policy_pages(int fd)
{
	return pages_for(policy_size(fd));
}

#endif /* _USERMAP_USERS_H */
