/* A command as a job: the texts that daytona_job.h makes, run through real shells the way the toolbox runs them, each
 * text as a shell's standard input. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/proc.h"
#include "provider/daytona_job.h"

enum { PATIENCE_MS = 60000, WAIT_MS = 5000 };

struct fixture {
	const char *const *shell;
	char id[DAYTONA_JOB_ID_LEN + 1];
	struct buf text, printed, data;
	struct daytona_job_news news;
};

static const char *const dash[] = {"sh", NULL};
static const char *const bash[] = {"bash", NULL};
static const char *const busybox[] = {"busybox", "sh", NULL};

static int setup(void **state)
{
	static struct fixture f;

	f = (struct fixture){.shell = dash};
	daytona_job_nonce(f.id);
	buf_init(&f.text, 8 << 20);
	buf_init(&f.printed, 8 << 20);
	buf_init(&f.data, 2 * DAYTONA_JOB_SLICE + 16);
	*state = &f;
	return 0;
}

/* Gives a text to the shell. */
static void run(struct fixture *f)
{
	int fd = memfd_create("text", MFD_CLOEXEC);
	struct proc p = {
		.argv = f->shell, .cwd_fd = -1, .in_fd = fd, .out_fd = -1, .err_fd = -1};

	assert_true(fd >= 0);
	assert_int_equal(io_write_all(fd, f->text.data, f->text.len), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	buf_clear(&f->printed);
	assert_int_equal(proc_run(&p, &f->printed, NULL), 0);
	close(fd);
	buf_clear(&f->text);
}

static void run_read(struct fixture *f)
{
	run(f);
	assert_int_equal(
		daytona_job_read(f->printed.data, f->printed.len, f->id, &f->news, &f->data),
		0);
}

static void run_confirmed(struct fixture *f)
{
	run(f);
	assert_true(daytona_job_confirmed(f->printed.data, f->id));
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char path[128];

	buf_clear(&f->text);
	assert_int_equal(daytona_job_kill(&f->text, f->id, SIGKILL), 0);
	run(f);
	(void)snprintf(path, sizeof(path), "/tmp/.frag-exec/%s", f->id);
	(void)io_remove_tree(-1, path);
	buf_deinit(&f->text);
	buf_deinit(&f->printed);
	buf_deinit(&f->data);
	return 0;
}

static void start(struct fixture *f, const struct daytona_job_command *cmd, int64_t wait_ms)
{
	assert_int_equal(daytona_job_start(&f->text, f->id, cmd, wait_ms), 0);
	run_read(f);
}

static void look(struct fixture *f, uint64_t out, uint64_t err, uint64_t fed, int64_t wait_ms)
{
	const uint64_t at[2] = {out, err};

	assert_int_equal(daytona_job_look(&f->text, f->id, at, fed, wait_ms), 0);
	run_read(f);
}

static void wait_for_end(struct fixture *f)
{
	int64_t end = clock_now(clock_system()) + PATIENCE_MS;

	while (f->news.status == DAYTONA_JOB_RUNS) {
		assert_true(clock_now(clock_system()) < end);
		look(f, f->news.size[0], f->news.size[1], f->news.fed, WAIT_MS);
	}
}

static void runs_a_command_in(struct fixture *f, const char *const *shell)
{
	static const char *const argv[] = {
		"sh",
		"-c",
		"printf '%s|' \"$@\" \"$V\"; printf 'a\\0\\377b' >&2; exit 7",
		"x",
		"two words",
		"",
		"it's\n\"new\" $HOME `id` \\n",
		"\xff\xfe",
		NULL};
	static const char *const env[] = {"V=' \n$x", NULL};
	struct daytona_job_command cmd = {.argv = argv, .env = env, .cwd = "/"};
	static const char expected[] =
		"two words||it's\n\"new\" $HOME `id` \\n|\xff\xfe|' \n$x|";

	f->shell = shell;
	start(f, &cmd, PATIENCE_MS);
	assert_int_equal(f->news.status, 7);
	assert_int_equal(f->news.n_stdout, sizeof(expected) - 1);
	assert_memory_equal(f->data.data, expected, sizeof(expected) - 1);
	assert_int_equal(f->data.len - f->news.n_stdout, 4);
	assert_memory_equal(f->data.data + f->news.n_stdout, "a\0\377b", 4);
}

static void runs_a_command_exactly(void **state)
{
	runs_a_command_in(*state, dash);
}

static void runs_it_under_bash(void **state)
{
	runs_a_command_in(*state, bash);
}

static void runs_it_under_busybox(void **state)
{
	runs_a_command_in(*state, busybox);
}

static void a_second_delivery_runs_nothing(void **state)
{
	static const char *const argv[] = {"sh", "-c", "echo once; echo $$ >&2", NULL};
	struct daytona_job_command cmd = {.argv = argv};
	struct fixture *f = *state;
	char first[64];

	start(f, &cmd, PATIENCE_MS);
	(void)snprintf(first, sizeof(first), "%s", f->data.data);
	start(f, &cmd, PATIENCE_MS);
	assert_string_equal(f->data.data, first);
	/* not even when it was cleaned up in between */
	assert_int_equal(daytona_job_clean(&f->text, f->id), 0);
	run_confirmed(f);
	assert_int_equal(daytona_job_start(&f->text, f->id, &cmd, 0), 0);
	run(f);
	assert_int_equal(
		daytona_job_read(f->printed.data, f->printed.len, f->id, &f->news, &f->data),
		DAYTONA_JOB_GONE);
}

static void a_look_goes_on_where_the_last_ended(void **state)
{
	static const char *const argv[] = {
		"sh", "-c", "printf abc; printf de >&2; read x; printf fgh; exit 0", NULL};
	struct daytona_job_command cmd = {.argv = argv, .input = DAYTONA_JOB_STREAM};
	struct fixture *f = *state;

	start(f, &cmd, PATIENCE_MS);
	while (f->news.size[0] < 3 || f->news.size[1] < 2)
		look(f, f->news.size[0], f->news.size[1], 0, WAIT_MS);
	assert_int_equal(f->news.status, DAYTONA_JOB_RUNS);
	look(f, 1, 1, 0, 0);
	assert_int_equal(f->news.at[0], 1);
	assert_string_equal(f->data.data, "bce");
	assert_int_equal(daytona_job_feed(&f->text, f->id, 0, "\n", 1), 0);
	run_confirmed(f);
	f->news.size[0] = 3;
	f->news.size[1] = 2;
	wait_for_end(f);
	look(f, 3, 2, 0, 0);
	assert_string_equal(f->data.data, "fgh");
	assert_int_equal(f->news.status, 0);
}

static void input_arrives_once_and_in_order(void **state)
{
	static const char *const argv[] = {"cat", NULL};
	static const int order[] = {1, 0, 1, 0, 2, 0, 2};
	struct daytona_job_command cmd = {.argv = argv, .input = DAYTONA_JOB_STREAM};
	static const char *const pieces[] = {"one\n", "t\0o", "\xff last"};
	static const size_t lens[] = {4, 3, 6};
	struct fixture *f = *state;

	start(f, &cmd, 0);
	for (size_t i = 0; i < sizeof(order) / sizeof(*order); i++) {
		int n = order[i];

		assert_int_equal(
			daytona_job_feed(&f->text, f->id, (uint64_t)n, pieces[n], lens[n]), 0);
		run_confirmed(f);
	}
	for (int i = 0; i < 2; i++) {
		assert_int_equal(daytona_job_feed_end(&f->text, f->id, 3), 0);
		run_confirmed(f);
	}
	wait_for_end(f);
	look(f, 0, 0, 0, 0);
	assert_int_equal(f->news.status, 0);
	assert_int_equal(f->news.fed, 3);
	assert_int_equal(f->data.len, 13);
	assert_memory_equal(f->data.data, "one\nt\0o\xff last", 13);
}

static void output_comes_in_slices(void **state)
{
	static const char *const argv[] = {"sh", "-c", "yes 0123456789abcde | head -n 100000",
					   NULL};
	struct daytona_job_command cmd = {.argv = argv};
	struct fixture *f = *state;
	uint64_t at = 0;

	start(f, &cmd, PATIENCE_MS);
	wait_for_end(f);
	while (at < 1600000) {
		look(f, at, 0, 0, 0);
		assert_true(f->news.n_stdout > 0 && f->news.n_stdout <= DAYTONA_JOB_SLICE);
		for (size_t i = 0; i < f->data.len; i++)
			assert_int_equal(f->data.data[i], "0123456789abcde\n"[(at + i) % 16]);
		at += f->data.len;
	}
	assert_int_equal(at, 1600000);
}

static void a_signal_reaches_the_whole_group(void **state)
{
	static const char *const argv[] = {"sh", "-c", "sleep 1000 & sleep 1000; echo never",
					   NULL};
	struct daytona_job_command cmd = {.argv = argv};
	struct fixture *f = *state;

	start(f, &cmd, 0);
	while (f->news.status == DAYTONA_JOB_RUNS) {
		/* the first may come before its pid is known */
		assert_int_equal(daytona_job_kill(&f->text, f->id, SIGTERM), 0);
		run_confirmed(f);
		look(f, 0, 0, 0, 200);
	}
	assert_int_equal(f->news.status, 128 + SIGTERM);
	assert_int_equal(f->news.n_stdout, 0);
}

static void sigint_is_not_ignored(void **state)
{
	static const char *const argv[] = {"sleep", "1000", NULL};
	struct daytona_job_command cmd = {.argv = argv};
	struct fixture *f = *state;

	start(f, &cmd, 0);
	while (f->news.status == DAYTONA_JOB_RUNS) {
		assert_int_equal(daytona_job_kill(&f->text, f->id, SIGINT), 0);
		run_confirmed(f);
		look(f, 0, 0, 0, 200);
	}
	assert_int_equal(f->news.status, 128 + SIGINT);
}

static void a_job_that_was_killed_whole_is_lost(void **state)
{
	static const char *const argv[] = {
		"sh", "-c", "kill -9 $(cat /tmp/.frag-exec/$1/job) $$", "x", NULL, NULL};
	const char *with_id[6];
	struct daytona_job_command cmd = {.argv = with_id};
	struct fixture *f = *state;

	memcpy(with_id, argv, sizeof(argv));
	with_id[4] = f->id;
	start(f, &cmd, PATIENCE_MS);
	wait_for_end(f);
	assert_int_equal(f->news.status, DAYTONA_JOB_LOST);
}

static void says_why_it_cannot_start(void **state)
{
	static const char *const argv[] = {"no-such-program", NULL};
	static const char *const fine[] = {"true", NULL};
	struct daytona_job_command cmd = {.argv = argv},
				   nowhere = {.argv = fine, .cwd = "/no/dir"};
	struct fixture *f = *state;

	start(f, &cmd, PATIENCE_MS);
	assert_int_equal(f->news.status, 127);
	assert_non_null(strstr(f->data.data, "no-such-program"));
	(void)teardown(state);
	(void)setup(state);
	start(f, &nowhere, PATIENCE_MS);
	assert_int_equal(f->news.status, 127);
	assert_non_null(strstr(f->data.data, "/no/dir"));
}

static void an_unknown_job_is_gone(void **state)
{
	struct fixture *f = *state;
	const uint64_t at[2] = {0};

	assert_int_equal(daytona_job_look(&f->text, f->id, at, 0, 0), 0);
	run(f);
	assert_int_equal(
		daytona_job_read(f->printed.data, f->printed.len, f->id, &f->news, &f->data),
		DAYTONA_JOB_GONE);
}

static void finds_the_answer_behind_noise(void **state)
{
	static const char text[] = "motd\nfrag1 other 0 0 0 0 0 0 0 0\n\n\n"
				   "frag1 me 0 0 3 2 1 0 2 1\naGk=\neA==\n";
	struct fixture *f = *state;

	assert_int_equal(daytona_job_read(text, sizeof(text) - 1, "me", &f->news, &f->data), 0);
	assert_string_equal(f->data.data, "hix");
	assert_int_equal(f->news.status, 3);
}

static void refuses_what_is_no_answer(void **state)
{
	static const char *const bad[] = {
		"",
		"sh: base64: not found\n",
		"frag1 me",
		"frag1 me 0 0 3 2 1 0 2 1\naGk=\n",
		"frag1 me 0 0 3 2 1 0 2 1\naGk=\neA==",
		"frag1 me 0 0 256 0 0 0 0 0\n\n\n",
		"frag1 me 0 0 -3 0 0 0 0 0\n\n\n",
		"frag1 me 5 0 - 2 0 0 0 0\n\n\n",
		"frag1 me 0 0 - 2 0 0 3 0\naGkx\n\n",
		"frag1 me 0 0 - 2 0 0 2 0\naGkx\n\n",
		"frag1 me 0 0 - 2 0 0 2 0\n!!!!\n\n",
		"frag1 me 0 0 - 99999999 0 0 99999999 0\naGk=\n\n",
		"frag1 me 99999999999999999999999 0 - 0 0 0 0 0\n\n\n"};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(
			daytona_job_read(bad[i], strlen(bad[i]), "me", &f->news, &f->data),
			-EPROTO);
}

static void judges_names_of_the_environment(void **state)
{
	assert_true(daytona_job_env_good("A_1="));
	assert_true(daytona_job_env_good("_=x"));
	assert_false(daytona_job_env_good("1A=x"));
	assert_false(daytona_job_env_good("A-B=x"));
	assert_false(daytona_job_env_good("A"));
	assert_false(daytona_job_env_good("=x"));
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(runs_a_command_exactly),
		T(runs_it_under_bash),
		T(runs_it_under_busybox),
		T(a_second_delivery_runs_nothing),
		T(a_look_goes_on_where_the_last_ended),
		T(input_arrives_once_and_in_order),
		T(output_comes_in_slices),
		T(a_signal_reaches_the_whole_group),
		T(sigint_is_not_ignored),
		T(a_job_that_was_killed_whole_is_lost),
		T(says_why_it_cannot_start),
		T(an_unknown_job_is_gone),
		T(finds_the_answer_behind_noise),
		T(refuses_what_is_no_answer),
		T(judges_names_of_the_environment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
