/* Mount options: what is ours, what is mount(8)'s, what is refused. */
#include "tools/mount_options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"

static void check(const char *given, const char *pass, bool allow_other)
{
	CLEANUP(buf_deinit) struct buf why;
	struct mount_options o = {0};

	buf_init(&why, 1024);
	assert_int_equal(mount_options_sort(given, &o, &why), 0);
	assert_int_equal(o.allow_other, allow_other);
	if (pass)
		assert_string_equal(o.pass, pass);
	else
		assert_null(o.pass);
	mount_options_deinit(&o);
}

static void passes_on_what_is_for_fuse(void **state)
{
	check("max_read=65536,ro", "max_read=65536,ro", false);
}

static void takes_what_is_ours(void **state)
{
	check("allow_other", NULL, true);
	check("ro,allow_other,auto_unmount", "ro,auto_unmount", true);
}

static void drops_what_only_concerns_mount(void **state)
{
	check("rw,noauto,user,_netdev,x-systemd.automount,nofail,comment=hi,user=me", NULL,
	      false);
	check("defaults", NULL, false);
}

static void takes_no_options_at_all(void **state)
{
	check(NULL, NULL, false);
	check("", NULL, false);
	check(",,,", NULL, false);
}

static void refuses_what_would_let_a_repository_act_as_root(void **state)
{
	static const char *const bad[] = {"suid", "dev", "ro,suid", "remount"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CLEANUP(buf_deinit) struct buf why;
		struct mount_options o = {0};

		buf_init(&why, 1024);
		assert_int_equal(mount_options_sort(bad[i], &o, &why), MOUNT_OPTIONS_BAD);
		assert_true(why.len > 0);
		assert_null(o.pass);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(passes_on_what_is_for_fuse),
		cmocka_unit_test(takes_what_is_ours),
		cmocka_unit_test(drops_what_only_concerns_mount),
		cmocka_unit_test(takes_no_options_at_all),
		cmocka_unit_test(refuses_what_would_let_a_repository_act_as_root),
	};

	return cmocka_run_group_tests_name("mount_options", tests, NULL, NULL);
}
