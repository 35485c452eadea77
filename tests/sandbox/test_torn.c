/* tests/sandbox/test_torn.c - nobody ever reads half of a switch's file, and nobody's write is lost in one.
 *
 * Readers go round over 200 files as fast as they can, while the agent switches a hundred times between versions in
 * which every file differs. Each file must be there, whole, and of one version, at every read. The control
 * writes in place, as an upload would, and must be caught.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/judge.h"
#include "tests/agent_client.h"
#include "tests/scratch.h"

enum { FILES = 200, SWITCHES = 100, LINES = 300, LINE = 12, VERSIONS = 2, ROUNDS = 400 };

static const char *agent_path;

struct tally {
	unsigned long reads, missing, torn;
};

static struct tree_file versions[VERSIONS][FILES + 1];
static const struct tree_file empty[] = {{0}};

/* "v0 f007 ....\n", again and again: any mixture shows. */
static char *text_of(unsigned version, unsigned file)
{
	char *text = alloc_zero((size_t)LINES * LINE + 1);

	for (unsigned i = 0; i < LINES - version * 100; i++)
		(void)snprintf(text + (size_t)i * LINE, LINE + 1, "v%u f%03u ...\n", version,
			       file);
	return text;
}

static int setup_group(void **state)
{
	for (unsigned v = 0; v < VERSIONS; v++) {
		for (unsigned i = 0; i < FILES; i++)
			versions[v][i] = (struct tree_file){
				.path = alloc_fmt("d%02u/f%03u", i / 20, i),
				.mode = MODE_FILE,
				.text = text_of(v, i),
			};
	}
	return 0;
}

static int teardown_group(void **state)
{
	for (unsigned v = 0; v < VERSIONS; v++) {
		for (unsigned i = 0; i < FILES; i++) {
			free((char *)(uintptr_t)versions[v][i].path);
			free((char *)(uintptr_t)versions[v][i].text);
		}
	}
	return 0;
}

static void read_one(int app, unsigned i, struct tally *t)
{
	char text[LINES * LINE + 1];
	int fd = openat(app, versions[0][i].path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : io_read_all(fd, text, sizeof(text) - 1);
	bool whole = false;

	if (fd >= 0)
		close(fd);
	t->reads++;
	if (n < 0) {
		t->missing++;
		return;
	}
	text[n] = '\0';
	for (unsigned v = 0; v < VERSIONS; v++)
		whole |= !strcmp(text, versions[v][i].text);
	t->torn += !whole;
}

/* A reader of its own; its tally is shared. */
static pid_t start_reader(int app, struct tally *t)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid &&
	    nice(10) == -1) /* on a small machine the agent must come to its turn, too */
		_exit(1);
	for (unsigned i = 0; !pid; i++)
		read_one(app, i % FILES, t);
	return pid;
}

static struct tally *share_tallies(unsigned n)
{
	void *p = mmap(NULL, n * sizeof(struct tally), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	return p;
}

static void stop_reader(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

struct fixture {
	struct scratch s;
	struct agent_client c;
	int app;
};

static void start(struct fixture *f)
{
	struct wire_frame r;

	scratch_init(&f->s);
	agent_client_start(&f->c, agent_path, f->s.path);
	r = agent_client_switch(&f->c, empty, versions[0], WIRE_INLINE);
	assert_frame(&r, WIRE_APPLIED);
	f->app = openat(f->s.fd, "app", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void stop(struct fixture *f)
{
	close(f->app);
	agent_client_stop(&f->c);
	scratch_deinit(&f->s);
}

static void shows_no_reader_half_a_switch(void **state)
{
	struct tally *t = share_tallies(2);
	struct fixture f;
	pid_t readers[2];
	int64_t sum_us = 0;

	start(&f);
	for (unsigned i = 0; i < 2; i++)
		readers[i] = start_reader(f.app, &t[i]);
	for (unsigned n = 0; n < SWITCHES; n++) {
		struct wire_frame r = agent_client_switch(&f.c, versions[n % 2],
							  versions[(n + 1) % 2], WIRE_INLINE);

		assert_frame(&r, WIRE_APPLIED);
		sum_us += r.apply_us;
	}
	for (unsigned i = 0; i < 2; i++)
		stop_reader(readers[i]);
	print_message("# %lu reads in %d switches; a sweep of %d files took %.1f ms\n",
		      t[0].reads + t[1].reads, SWITCHES, FILES,
		      (double)sum_us / SWITCHES / 1000);
	assert_true(t[0].reads + t[1].reads > 10000);
	assert_int_equal(t[0].missing + t[1].missing, 0);
	assert_int_equal(t[0].torn + t[1].torn, 0);
	assert_int_equal(munmap(t, 2 * sizeof(*t)), 0);
	stop(&f);
}

static void would_notice_writing_in_place(void **state)
{
	struct tally *t = share_tallies(1);
	struct fixture f;
	pid_t reader;

	start(&f);
	reader = start_reader(f.app, t);
	for (unsigned n = 1; n < 4 * SWITCHES && !t->torn; n++) {
		for (unsigned i = 0; i < FILES; i++) {
			char path[64];

			(void)snprintf(path, sizeof(path), "app/%s", versions[0][i].path);
			scratch_write(&f.s, path, versions[n % 2][i].text);
		}
	}
	stop_reader(reader);
	assert_true(t->torn > 0);
	assert_int_equal(munmap(t, sizeof(*t)), 0);
	stop(&f);
}

/* Renames a file of its own over `path` at some instant of the switch. */
static pid_t start_writer(struct fixture *f, unsigned round)
{
	struct timespec now;
	int64_t until;
	pid_t pid;

	scratch_write(&f->s, "own", "the sandbox's own");
	pid = fork();
	assert_true(pid >= 0);
	if (pid)
		return pid;
	until = clock_ns() + (int64_t)(round * 7919 % 1500) * 1000;
	while (clock_ns() < until)
		(void)clock_gettime(CLOCK_MONOTONIC, &now);
	_exit(renameat(f->s.fd, "own", f->app, "x") ? 1 : 0);
}

/* Whatever the order, the sandbox wrote knowingly over what stood there, and nobody may write over that. */
static void loses_no_write_of_the_same_moment(void **state)
{
	static const struct tree_file one[] = {{"x", MODE_FILE, "one"}, {0}};
	static const struct tree_file two[] = {{"x", MODE_FILE, "two"}, {0}};
	static const struct tree_file own[] = {{"x", MODE_FILE, "the sandbox's own"}, {0}};
	unsigned n_drift = 0, n_applied = 0;
	struct fixture f;
	struct wire_frame r;

	scratch_init(&f.s);
	agent_client_start(&f.c, agent_path, f.s.path);
	f.app = openat(f.s.fd, "app", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = agent_client_switch(&f.c, empty, one, WIRE_INLINE);
	for (unsigned n = 0; n < ROUNDS; n++) {
		pid_t pid = start_writer(&f, n);
		int status;

		r = agent_client_switch(&f.c, one, two, WIRE_INLINE);
		n_applied += r.type == WIRE_APPLIED;
		n_drift += r.type == WIRE_ERROR && r.code == WIRE_E_DRIFT;
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
		assert_string_equal(scratch_read(&f.s, "app/x"), own[0].text);
		r = agent_client_ask(&f.c, (struct wire_frame){.type = WIRE_MANIFEST});
		assert_frame(&r, WIRE_ENTRY);
		r = agent_client_next(&f.c);
		assert_frame(&r, WIRE_END);
		r = agent_client_switch(&f.c, own, one, WIRE_INLINE);
		assert_frame(&r, WIRE_APPLIED);
	}
	print_message("# %u applied before the write, %u refused after it\n", n_applied,
		      n_drift);
	assert_int_equal(n_applied + n_drift, ROUNDS);
	stop(&f);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shows_no_reader_half_a_switch),
		cmocka_unit_test(would_notice_writing_in_place),
		cmocka_unit_test(loses_no_write_of_the_same_moment),
	};

	agent_path = argc > 1 ? argv[1] : NULL;
	if (!agent_path)
		return 2;
	return cmocka_run_group_tests(tests, setup_group, teardown_group);
}
