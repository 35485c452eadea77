/* tools/mount_helper.h - the program under the name that mount(8) looks for.
 */
#pragma once

#define MOUNT_HELPER_NAME "mount.fuse.frag"

/* An exit status, which mount(8) reads as its own: 0 mounted, anything else not. */
int mount_helper(int argc, char *const *argv);
