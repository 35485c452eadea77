/* tests/unit/test_mountpoint.c - what mountinfo says of a mount point. */
#include "fs/mountpoint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const char info[] =
	"22 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"
	"40 22 0:40 / /mnt/frag ro,nosuid,nodev - fuse.frag fragfs ro,user_id=0\n"
	"41 22 0:41 / /mnt/other rw - fuse.sshfs host: rw\n"
	"42 22 0:42 / /mnt/with\\040blank\\134slash ro shared:7 master:1 - fuse.frag fragfs "
	"ro\n"
	"43 22 0:43 / /mnt/layers ro - fuse.frag fragfs ro\n"
	"44 43 0:44 / /mnt/layers rw - tmpfs tmpfs rw\n"
	"45 22 0:45 / /mnt/lookalike rw - ext4 /dev/fuse.frag rw";

static void tells_our_mounts_from_others(void **state)
{
	bool ours = false;

	assert_true(mountpoint_find(info, "/mnt/frag", &ours));
	assert_true(ours);
	assert_true(mountpoint_find(info, "/mnt/other", &ours));
	assert_false(ours);
	assert_true(mountpoint_find(info, "/mnt/lookalike", &ours));
	assert_false(ours);
}

static void compares_whole_paths(void **state)
{
	bool ours;

	assert_false(mountpoint_find(info, "/mnt", &ours));
	assert_false(mountpoint_find(info, "/mnt/fra", &ours));
	assert_false(mountpoint_find(info, "/mnt/frag/x", &ours));
	assert_false(mountpoint_find("", "/", &ours));
	assert_false(mountpoint_find("short line\n\n", "line", &ours));
}

static void reads_escaped_paths(void **state)
{
	bool ours = false;

	assert_true(mountpoint_find(info, "/mnt/with blank\\slash", &ours));
	assert_true(ours);
}

static void looks_at_the_topmost_layer(void **state)
{
	bool ours = true;

	assert_true(mountpoint_find(info, "/mnt/layers", &ours));
	assert_false(ours);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_our_mounts_from_others),
		cmocka_unit_test(compares_whole_paths),
		cmocka_unit_test(reads_escaped_paths),
		cmocka_unit_test(looks_at_the_topmost_layer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
