/* tests/crash/disk.h - image files as mounted disks. Needs root and loop devices.
 */
#pragma once

#include <stdbool.h>

/* Can this process attach loop devices and mount? */
bool disk_possible(void);

/* Attaches the file `fd` to a free loop device and mounts its ext4 on `dir`. 0 or a negative errno. The
 * device goes with the mount. */
int disk_mount(int fd, const char *dir);
int disk_unmount(const char *dir);
