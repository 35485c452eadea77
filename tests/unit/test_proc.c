/* Children: exact arguments, no descriptors of ours, statuses told apart, bounded output. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/proc.h"
#include "tests/scratch.h"

static int run(const char *const *argv, const char *const *env, struct buf *out,
	       struct buf *err)
{
	struct proc p = {.argv = argv,
			 .env = env,
			 .cwd_fd = -1,
			 .in_fd = -1,
			 .out_fd = -1,
			 .err_fd = -1};

	return proc_run(&p, out, err);
}

static int shell(const char *script, struct buf *out, struct buf *err)
{
	return run((const char *const[]){"sh", "-c", script, NULL}, NULL, out, err);
}

static void gathers_both_outputs_and_the_status(void **state)
{
	CLEANUP(buf_deinit) struct buf out;
	CLEANUP(buf_deinit) struct buf err;

	buf_init(&out, 100);
	buf_init(&err, 100);
	assert_int_equal(shell("echo out; echo err >&2; exit 3", &out, &err), 3);
	assert_string_equal(out.data, "out\n");
	assert_string_equal(err.data, "err\n");
}

static void a_signal_is_told_from_an_exit(void **state)
{
	CLEANUP(buf_deinit) struct buf out;

	buf_init(&out, 100);
	assert_int_equal(shell("kill -TERM $$", &out, NULL), 128 + SIGTERM);
	assert_int_equal(shell("exit 127", &out, NULL), 127);
}

static void a_program_that_is_not_there_is_a_fault(void **state)
{
	const char *const argv[] = {"frag-no-such-program", NULL};
	CLEANUP(buf_deinit) struct buf out;

	buf_init(&out, 100);
	assert_int_equal(run(argv, NULL, &out, NULL), -ENOENT);
}

static void arguments_pass_through_no_shell(void **state)
{
	const char *const argv[] = {"printf", "[%s]", "$HOME", "a b", "`id`;", "", NULL};
	CLEANUP(buf_deinit) struct buf out;

	buf_init(&out, 100);
	assert_int_equal(run(argv, NULL, &out, NULL), 0);
	assert_string_equal(out.data, "[$HOME][a b][`id`;][]");
}

static void the_environment_is_exactly_what_was_named(void **state)
{
	const char *const argv[] = {"/usr/bin/env", NULL}, *const env[] = {"ONE=1", NULL};
	CLEANUP(buf_deinit) struct buf out;

	buf_init(&out, 100);
	assert_int_equal(run(argv, env, &out, NULL), 0);
	assert_string_equal(out.data, "ONE=1\n");
}

static void no_descriptor_of_ours_reaches_the_child(void **state)
{
	CLEANUP(buf_deinit) struct buf out;
	int leak = dup2(0, 57);

	buf_init(&out, 1000);
	assert_int_equal(leak, 57); /* without close-on-exec, as a library might leave it */
	assert_int_equal(shell("ls /proc/self/fd; cat", &out, NULL), 0);
	/* 3 is ls's own look at the directory */
	assert_string_equal(out.data, "0\n1\n2\n3\n");
	close(leak);
}

static void output_as_long_as_the_ceiling_fits(void **state)
{
	CLEANUP(buf_deinit) struct buf out;

	buf_init(&out, 10);
	assert_int_equal(shell("printf 0123456789", &out, NULL), 0);
	assert_string_equal(out.data, "0123456789");
}

static void output_past_the_ceiling_kills_the_child(void **state)
{
	CLEANUP(buf_deinit) struct buf out;

	buf_init(&out, 100000);
	assert_int_equal(shell("yes", &out, NULL), -E2BIG);
	assert_int_equal(out.len, 100000);
	buf_deinit(&out);
	buf_init(&out, 10);
	assert_int_equal(shell("printf 0123456789x", &out, NULL), -E2BIG);
	assert_int_equal(out.len, 10);
}

static void a_full_pipe_on_one_side_does_not_block_the_other(void **state)
{
	CLEANUP(buf_deinit) struct buf out;
	CLEANUP(buf_deinit) struct buf err;

	buf_init(&out, 1 << 20);
	buf_init(&err, 1 << 20);
	assert_int_equal(
		shell("head -c 300000 /dev/zero >&2; head -c 300000 /dev/zero", &out, &err), 0);
	assert_int_equal(out.len, 300000);
	assert_int_equal(err.len, 300000);
}

static void runs_in_the_directory_named(void **state)
{
	struct scratch *s = *state;
	const char *const argv[] = {"pwd", NULL};
	struct proc p = {
		.argv = argv, .cwd_fd = s->fd, .in_fd = -1, .out_fd = -1, .err_fd = -1};
	CLEANUP(buf_deinit) struct buf out;

	buf_init(&out, 1000);
	assert_int_equal(proc_run(&p, &out, NULL), 0);
	out.data[out.len - 1] = '\0';
	assert_string_equal(out.data, s->path);
}

static void standard_input_is_what_was_given(void **state)
{
	struct scratch *s = *state;
	const char *const argv[] = {"cat", NULL};
	struct proc p = {.argv = argv, .cwd_fd = -1, .in_fd = -1, .out_fd = -1, .err_fd = -1};
	CLEANUP(buf_deinit) struct buf out;

	buf_init(&out, 1000);
	scratch_write(s, "in", "given");
	p.in_fd = openat(s->fd, "in", O_RDONLY | O_CLOEXEC);
	assert_int_equal(proc_run(&p, &out, NULL), 0);
	assert_string_equal(out.data, "given");
	close(p.in_fd);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, scratch_setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(gathers_both_outputs_and_the_status),
		TEST(a_signal_is_told_from_an_exit),
		TEST(a_program_that_is_not_there_is_a_fault),
		TEST(arguments_pass_through_no_shell),
		TEST(the_environment_is_exactly_what_was_named),
		TEST(no_descriptor_of_ours_reaches_the_child),
		TEST(output_as_long_as_the_ceiling_fits),
		TEST(output_past_the_ceiling_kills_the_child),
		TEST(a_full_pipe_on_one_side_does_not_block_the_other),
		TEST(runs_in_the_directory_named),
		TEST(standard_input_is_what_was_given),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
