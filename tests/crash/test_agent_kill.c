/* tests/crash/test_agent_kill.c - the agent is killed before each of its changing system calls in turn.
 *
 * A switch between two trees runs under ptrace; at the n-th call that changes a file, a name or a byte, the agent
 * dies. A new one must then say a tree that is the old or the new one, that is what stands on disk,
 * and must be able to go on. Without the journal the same kills must be noticed: else this test proves nothing.
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
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/ptrace.h>

#include <cmocka.h>

#include "base/io.h"
#include "base/judge.h"
#include "tests/agent_client.h"
#include "tests/scratch.h"

enum { STEPS_MAX = 2000 };

static const char *agent_path;

static const struct tree_file empty[] = {{0}};

static const struct tree_file from[] = {
	{"a", MODE_FILE, "file that becomes a folder"},
	{"dir/1", MODE_FILE, "1"},
	{"dir/sub/2", MODE_FILE, "2"},
	{"gone/x", MODE_FILE, "x"},
	{"gone/y/z", MODE_FILE, "z"},
	{"link", MODE_LINK, "a"},
	{"mode", MODE_FILE, "#!/bin/sh\n"},
	{"package.json", MODE_FILE, "{}"},
	{"same", MODE_FILE, "stays"},
	{"src/changed", MODE_FILE, "old"},
	{0},
};

static const struct tree_file to[] = {
	{"a/b/c", MODE_FILE, "c"},
	{"a/d", MODE_FILE, "d"},
	{"dir", MODE_FILE, "folder that became a file"},
	{"link", MODE_LINK, "src/changed"},
	{"mode", MODE_EXEC, "#!/bin/sh\n"},
	{"new/deep/file", MODE_FILE, "new"},
	{"package.json", MODE_FILE, "{\"v\":2}"},
	{"same", MODE_FILE, "stays"},
	{"src/added", MODE_FILE, "added"},
	{"src/changed", MODE_FILE, "new content"},
	{0},
};

static bool changes_something(uint64_t nr)
{
	static const long calls[] = {
		SYS_write,   SYS_renameat2, SYS_renameat,  SYS_linkat,    SYS_unlinkat,
		SYS_mkdirat, SYS_symlinkat, SYS_ftruncate, SYS_utimensat, SYS_fchmod,
#ifdef SYS_rename
		SYS_rename,  SYS_unlink,    SYS_mkdir,     SYS_rmdir,     SYS_symlink,
#endif
	};

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if ((long)nr == calls[i])
			return true;
	return false;
}

static pid_t start_traced(const char *home, int sock)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		(void)dup2(sock, 3);
		(void)close_range(4, ~0U, 0);
		(void)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		(void)execl(agent_path, agent_path, "--home", home, "--session-fd", "3",
			    (char *)NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, NULL, 0), pid); /* stopped at exec */
	assert_int_equal(
		ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL),
		0);
	return pid;
}

/* Lets it run until it ends or is about to make its n-th change, and kills it then. True when it was killed. */
static bool run_until(pid_t pid, unsigned n)
{
	struct ptrace_syscall_info info;
	int status, sig = 0;

	for (;;) {
		assert_int_equal(ptrace(PTRACE_SYSCALL, pid, NULL, (long)sig), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (WIFEXITED(status) || WIFSIGNALED(status))
			return false;
		sig = WSTOPSIG(status);
		if (sig != (SIGTRAP | 0x80))
			continue;
		sig = 0;
		assert_true(ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) > 0);
		if (info.op != PTRACE_SYSCALL_INFO_ENTRY || !changes_something(info.entry.nr))
			continue;
		if (--n)
			continue;
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		return true;
	}
}

/* Sends a whole switch, and the end of the stream behind it, to an agent that dies at its n-th change. */
static bool switch_and_kill(struct scratch *s, unsigned n)
{
	struct wire_frame hello = {.type = WIRE_HELLO, .version = WIRE_VERSION};
	struct agent_client c = {0};
	int pair[2];
	bool killed;

	buf_init(&c.out, 1 << 20);
	agent_client_gather(&c, hello);
	agent_client_gather_switch(&c, from, to, WIRE_INLINE);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	c.fd = pair[0];
	agent_client_flush(&c);
	assert_int_equal(shutdown(pair[0], SHUT_WR), 0);
	killed = run_until(start_traced(s->path, pair[1]), n);
	close(pair[0]);
	close(pair[1]);
	buf_deinit(&c.out);
	return killed;
}

static void prepare(struct scratch *s)
{
	struct agent_client c;
	struct wire_frame r;

	assert_int_equal(io_remove_tree(s->fd, "app"), 0);
	assert_int_equal(io_remove_tree(s->fd, ".frag"), 0);
	agent_client_start(&c, agent_path, s->path);
	r = agent_client_switch(&c, empty, from, WIRE_INLINE);
	assert_frame(&r, WIRE_APPLIED);
	agent_client_stop(&c);
}

/* Is what a new agent says true, and the one tree or the other? */
static bool comes_back_right(struct scratch *s, unsigned *n_new)
{
	struct oid old = agent_client_tree(from), new = agent_client_tree(to), now;
	struct agent_client c;
	struct wire_frame r;
	bool right;

	agent_client_start(&c, agent_path, s->path);
	now = c.welcome.tree;
	r = agent_client_ask(&c, (struct wire_frame){.type = WIRE_VERIFY, .flags = 1});
	assert_frame(&r, WIRE_VERIFIED);
	right = !r.n_drift && oid_eq(&r.tree, &now) &&
		(oid_eq(&now, &old) || oid_eq(&now, &new));
	*n_new += oid_eq(&now, &new);
	if (right) {
		r = oid_eq(&now, &old) ? agent_client_switch(&c, from, to, WIRE_INLINE)
				       : agent_client_switch(&c, to, from, WIRE_INLINE);
		assert_frame(&r, WIRE_APPLIED);
	}
	agent_client_stop(&c);
	return right;
}

static void comes_back_to_one_tree_or_the_other(void **state)
{
	unsigned n = 1, n_new = 0;

	for (; n < STEPS_MAX; n++) {
		prepare(*state);
		if (!switch_and_kill(*state, n))
			break;
		if (!comes_back_right(*state, &n_new))
			fail_msg("killed before change %u: neither tree, or not true", n);
	}
	print_message("# %u kills, %u came back to the new tree\n", n - 1, n_new);
	assert_true(n > 40 && n < STEPS_MAX);
	assert_true(n_new > 10 && n_new < n - 10);
}

/* An agent that is killed while it recovers recovers all the same. */
static void survives_being_killed_while_it_recovers(void **state)
{
	unsigned n_new = 0, kills = 0;

	for (unsigned n = 25; n < 60; n += 5) {
		for (unsigned again = 1; again < 30; again += 3) {
			prepare(*state);
			if (!switch_and_kill(*state, n))
				return;
			kills += switch_and_kill(*state, again);
			if (!comes_back_right(*state, &n_new))
				fail_msg("killed at %u, then at %u", n, again);
		}
	}
	assert_true(kills > 20);
}

static void would_notice_a_missing_journal(void **state)
{
	struct scratch *s = *state;
	unsigned wrong = 0, n_new = 0;

	for (unsigned n = 1; n < STEPS_MAX; n++) {
		prepare(s);
		if (!switch_and_kill(s, n))
			break;
		(void)unlinkat(s->fd, ".frag/journal", 0);
		wrong += !comes_back_right(s, &n_new);
	}
	assert_true(wrong > 5);
}

int main(int argc, char **argv)
{
#define T(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
	const struct CMUnitTest tests[] = {
		T(comes_back_to_one_tree_or_the_other),
		T(survives_being_killed_while_it_recovers),
		T(would_notice_a_missing_journal),
	};

	agent_path = argc > 1 ? argv[1] : NULL;
	if (!agent_path)
		return 2;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
