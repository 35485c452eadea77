/* Loop devices by ioctl, without losetup: a cut costs two of these calls, and thousands are made. */
#include "tests/crash/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"

enum { LOOP_MAJOR = 7, TRIES = 100 };

bool disk_possible(void)
{
	CLEANUP(close_p) int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);

	return control >= 0 && geteuid() == 0 && !access("/dev/fuse", R_OK | W_OK);
}

/* Another process may take the free device first, so this is tried again. */
static int attach(int fd, char *path, size_t size, int *ret)
{
	CLEANUP(close_p) int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	struct loop_config config = {.fd = (unsigned)fd,
				     .block_size = 4096,
				     .info = {.lo_flags = LO_FLAGS_AUTOCLEAR}};

	for (int i = 0; control >= 0 && i < TRIES; i++) {
		CLEANUP(close_p) int dev = -1;
		int n = ioctl(control, LOOP_CTL_GET_FREE);

		if (n < 0)
			break;
		(void)snprintf(path, size, "/dev/loop%d", n);
		(void)mknod(path, S_IFBLK | 0600, makedev(LOOP_MAJOR, (unsigned)n));
		dev = open(path, O_RDWR | O_CLOEXEC);
		if (dev < 0)
			continue;
		if (!ioctl(dev, LOOP_CONFIGURE, &config)) {
			*ret = TAKE_FD(dev);
			return 0;
		}
		if (errno != EBUSY)
			break;
	}
	return errno ? -errno : -EBUSY;
}

int disk_mount(int fd, const char *dir)
{
	CLEANUP(close_p) int dev = -1;
	char path[32];
	int r = attach(fd, path, sizeof(path), &dev);

	if (r)
		return r;
	return mount(path, dir, "ext4", MS_NOATIME, "errors=remount-ro") ? -errno : 0;
}

int disk_unmount(const char *dir)
{
	for (int i = 0; i < TRIES; i++) {
		if (!umount2(dir, 0))
			return 0;
		if (errno != EBUSY)
			break;
	}
	return -errno;
}
