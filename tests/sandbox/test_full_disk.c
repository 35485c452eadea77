/* tests/sandbox/test_full_disk.c - no room for a switch: said, nothing half published, and it goes on when there is. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/judge.h"
#include "tests/agent_client.h"
#include "tests/scratch.h"

enum { BIG = 400 << 10 };

static const char *agent_path;
static char big_text[BIG + 1];

static const struct tree_file empty[] = {{0}};
static const struct tree_file small[] = {
	{"a", MODE_FILE, "a"},
	{"b", MODE_FILE, "b"},
	{0},
};
static const struct tree_file large[] = {
	{"a", MODE_FILE, "changed"},
	{"big", MODE_FILE, big_text},
	{0},
};

/* A switch to `large` fails with these words and changes nothing; a small one works before and after. */
static void assert_goes_on(struct agent_client *c, const char *words)
{
	struct oid was = agent_client_tree(small);
	struct wire_frame r = agent_client_switch(c, empty, small, WIRE_INLINE);

	assert_frame(&r, WIRE_APPLIED);
	for (unsigned i = 0; i < 3; i++) {
		r = agent_client_switch(c, small, large, WIRE_INLINE);
		assert_refused(&r, WIRE_E_IO);
		if (!memmem(r.message.p, r.message.len, words, strlen(words)))
			fail_msg("%.*s", (int)r.message.len, r.message.p);
		assert_true(oid_eq(&r.tree, &was));
		r = agent_client_ask(c, (struct wire_frame){.type = WIRE_VERIFY, .flags = 1});
		assert_frame(&r, WIRE_VERIFIED);
		assert_int_equal(r.n_drift, 0);
		assert_true(oid_eq(&r.tree, &was));
	}
	r = agent_client_switch(c, small, empty, WIRE_INLINE);
	assert_frame(&r, WIRE_APPLIED);
}

static void says_that_the_disk_is_full(void **state)
{
	struct scratch *s = *state;
	char path[300];
	struct agent_client c;

	if (geteuid())
		skip();
	(void)snprintf(path, sizeof(path), "%s/disk", s->path);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(mount("tmpfs", path, "tmpfs", 0, "size=256k"), 0);
	agent_client_start(&c, agent_path, path);
	assert_goes_on(&c, "the disk is full");
	agent_client_stop(&c);
	assert_int_equal(umount(path), 0);
}

static void says_that_a_file_is_too_large(void **state)
{
	struct scratch *s = *state;
	struct rlimit was, limit;
	struct agent_client c;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	limit = (struct rlimit){.rlim_cur = 64 << 10, .rlim_max = was.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	agent_client_start(&c, agent_path, s->path);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	assert_goes_on(&c, "larger than the sandbox allows");
	agent_client_stop(&c);
}

int main(int argc, char **argv)
{
#define T(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
	const struct CMUnitTest tests[] = {
		T(says_that_the_disk_is_full),
		T(says_that_a_file_is_too_large),
	};

	agent_path = argc > 1 ? argv[1] : NULL;
	if (!agent_path)
		return 2;
	memset(big_text, 'x', BIG);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
