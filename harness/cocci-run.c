// SPDX-License-Identifier: GPL-2.0
/*
 * The first process of a guest whose kernel has a driver that usermap.cocci
 * converts: map the driver's memory, look at it, and take the driver's side of
 * it away while it is mapped. Prints a table of what happened, a line for each
 * step; the number of pages with the usermap type is all that may differ when
 * the driver is converted.
 *
 * usage: rdinit=/cocci-run -- vfb|spapr-tce
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/wait.h>

#define PAGES		16
#define KPF_USERMAP	27
#define PM_PRESENT	(1ULL << 63)
#define PM_PFN(entry)	((entry) & 0x007fffffffffffffULL)

static const char *driver;
static size_t page_size;

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

static void end(const char *how)
{
	FILE *kmsg = fopen("/dev/kmsg", "w");

	if (kmsg) {
		fprintf(kmsg, "guest-init: %s\n", how);
		fclose(kmsg);
	}
	reboot(RB_AUTOBOOT);
	_exit(1);
}

/* All that this machine has to have: without it there is nothing to test. */
static int need(const char *what, int ret)
{
	if (ret < 0) {
		perror(what);
		end(what);
	}
	return ret;
}

static uint64_t word(int fd, uint64_t index)
{
	uint64_t value = 0;

	if (pread(fd, &value, 8, index * 8) != 8)
		return 0;
	return value;
}

static int is_typed(uint64_t flags)
{
	return flags >> KPF_USERMAP & 1;
}

static void look(const volatile unsigned char *map, size_t size)
{
	int pagemap = need("pagemap", open("/proc/self/pagemap", O_RDONLY));
	int kpageflags = need("kpageflags", open("/proc/kpageflags", O_RDONLY));
	long typed = 0, sum = 0;

	for (size_t off = 0; off < size; off += page_size) {
		uint64_t entry;

		sum += map[off] & 0;	/* the access is what matters */
		entry = word(pagemap, ((uintptr_t)map + off) / page_size);
		if (entry & PM_PRESENT)
			typed += is_typed(word(kpageflags, PM_PFN(entry)));
	}
	say("pages read", size / page_size + sum);
	say("usermap pages", typed);
	close(pagemap);
	close(kpageflags);
}

/* The pages with the type, when all is closed; RCU may still hold some back. */
static void look_for_lost(void)
{
	int kpageflags = need("kpageflags", open("/proc/kpageflags", O_RDONLY));
	static uint64_t flags[4096];
	long lost = 1;

	for (int try = 0; try < 100 && lost; try++) {
		ssize_t len;

		lost = 0;
		for (off_t at = 0; (len = pread(kpageflags, flags, sizeof(flags), at)) > 0; at += len)
			for (size_t i = 0; i < len / sizeof(flags[0]); i++)
				lost += is_typed(flags[i]);
		if (lost)
			usleep(100000);
	}
	say("usermap pages left", lost);
	close(kpageflags);
}

static unsigned char *map(int fd, size_t size)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	say("mmap", at == MAP_FAILED ? -errno : 0);
	need("mmap", at == MAP_FAILED ? -1 : 0);
	return at;
}

/* What a child reads, after it has unmapped a part. */
static void in_child(unsigned char *at, size_t size)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		munmap(at, page_size);
		_exit(((volatile unsigned char *)at)[size - 1] & 0);
	}
	waitpid(pid, &status, 0);
	say("child", status);
}

/* Beyond the memory of the driver, in a process that it may kill. */
static void beyond(int fd, size_t pages)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		volatile unsigned char *at = mmap(NULL, page_size, PROT_READ, MAP_SHARED,
						  fd, pages * page_size);

		_exit(at == MAP_FAILED ? errno : at[0] & 0);
	}
	waitpid(pid, &status, 0);
	say("beyond the end", status);
}

/* Map, fork, close and unmap in pieces; @gone takes the driver away. */
static void use(int fd, void (*gone)(void))
{
	size_t size = PAGES * page_size;
	unsigned char *at = map(fd, size);

	look(at, size);
	in_child(at, size);
	at[3 * page_size + 1] = 0x5a;
	if (gone)
		gone();
	close(fd);
	say("after the close", at[3 * page_size + 1]);
	look(at, size);
	say("munmap of the middle", error(munmap(at + 4 * page_size, page_size)));
	say("munmap", error(munmap(at, size)));
	look_for_lost();
}

#ifdef __x86_64__
static void unbind_vfb(void)
{
	int fd = need("unbind", open("/sys/bus/platform/drivers/vfb/unbind", O_WRONLY));

	say("unbind", error(write(fd, "vfb.0", 5)));
	close(fd);
}

static void vfb(void)
{
	int fd = need("/dev/fb0", open("/dev/fb0", O_RDWR));

	beyond(fd, 0x10000);
	use(fd, unbind_vfb);
}
#endif

#ifdef __powerpc__
/* The virtual machine goes before its table does. */
static void spapr_tce(void)
{
	struct kvm_create_spapr_tce_64 args = {
		.liobn = 1,
		.page_shift = 12,
		.size = PAGES * page_size / 8,
	};
	int kvm = need("/dev/kvm", open("/dev/kvm", O_RDWR));
	int vm = need("KVM_CREATE_VM", ioctl(kvm, KVM_CREATE_VM, 0));
	int fd = need("KVM_CREATE_SPAPR_TCE_64", ioctl(vm, KVM_CREATE_SPAPR_TCE_64, &args));

	say("the same number again",
	    error(ioctl(vm, KVM_CREATE_SPAPR_TCE_64, &args)));
	close(vm);
	close(kvm);
	beyond(fd, PAGES);
	use(fd, NULL);
}
#endif

int main(int argc, char **argv)
{
	driver = argc > 1 ? argv[1] : "";
	page_size = sysconf(_SC_PAGESIZE);
	need("/proc", mount("proc", "/proc", "proc", 0, NULL));
	need("/sys", mount("sysfs", "/sys", "sysfs", 0, NULL));
	need("/dev", mount("devtmpfs", "/dev", "devtmpfs", 0, NULL));
#ifdef __x86_64__
	if (!strcmp(driver, "vfb"))
		vfb();
#endif
#ifdef __powerpc__
	if (!strcmp(driver, "spapr-tce"))
		spapr_tce();
#endif
	end("finished");
}
