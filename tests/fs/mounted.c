/* tests/fs/mounted.c - a home with one project, mounted by a daemon of its own, and a shell to try it with.
 *
 * The mount is real: these tests need /dev/fuse. Where there is none they are skipped, and say so.
 */
#include "tests/fs/mounted.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/proc.h"
#include "fs/fs.h"
#include "store/store.h"

enum { OUT_MAX = 16 << 20, PATIENCE_MS = 30000, TRIES_A_SECOND = 50, JUDGED_FROM = 4 };

static unsigned n_waits, n_late; /* of mounted_until(), over the whole program */

/* The last few: an assertion may compare two. */
enum { OUTS = 4 };
static char *outs[OUTS];
static unsigned n_outs;

/* A history with what git can hold: nested directories, links, modes, odd names, a merge, tags, a submodule. */
static const char make_repo[] =
	"n=1700000000; ci() { n=$((n+60)); GIT_AUTHOR_DATE=\"$n +0000\" "
	"GIT_COMMITTER_DATE=\"$n +0000\" "
	"git \"$@\"; }\n"
	"git init -q --bare \"$R\"; git -C \"$R\" symbolic-ref HEAD refs/heads/main\n"
	"git clone -q \"$R\" \"$W\" 2>/dev/null; cd \"$W\"; git checkout -q -b main\n"
	"printf 'hello\\n' >README.md; mkdir -p src/deep/er; printf 'int main;\\n' "
	">src/main.c\n"
	"printf 'x\\n' >src/deep/er/x; ln -s ../README.md src/link; : >empty\n"
	"printf '#!/bin/sh\\necho hi\\n' >run.sh; chmod +x run.sh\n"
	"git add -A; ci commit -q -m 'First: say Hello!'\n"
	"printf 'more\\n' >>README.md; ci commit -q -a -m 'second'; git tag v1\n"
	"git checkout -q -b feature/x; printf 'f\\n' >feature; git add -A; ci commit -q -m 'on "
	"a branch'\n"
	"git checkout -q main; printf 'y\\n' >src/deep/er/y; git add -A; ci commit -q -m "
	"'third'\n"
	"ci merge -q --no-ff -m 'merge x' feature/x; git tag -a -m annotated v2\n"
	"git push -q origin main feature/x v1 v2\n";

static int run(struct mounted *m, const char *script, struct buf *out)
{
	const char *argv[] = {"sh", "-euc", script, NULL};
	const char *source = getenv("FRAG_SOURCE");
	char *own[] = {
		alloc_fmt("M=%s", m->mnt),
		alloc_fmt("H=%s", m->home),
		alloc_fmt("R=%s/projects/demo.git", m->home),
		alloc_fmt("W=%s/work", m->s.path),
		alloc_fmt("T=%s", m->s.path),
		alloc_fmt("SOURCE=%s", source ? source : ""),
		alloc_fmt("PATH=%s", getenv("PATH")),
	};
	const char *env[] = {own[0],
			     own[1],
			     own[2],
			     own[3],
			     own[4],
			     own[5],
			     own[6],
			     "HOME=/nonexistent",
			     "GIT_CONFIG_NOSYSTEM=1",
			     "GIT_AUTHOR_NAME=A",
			     "GIT_AUTHOR_EMAIL=a@example.org",
			     "GIT_COMMITTER_NAME=C",
			     "GIT_COMMITTER_EMAIL=c@example.org",
			     "LC_ALL=C.UTF-8",
			     "GIT_CONFIG_COUNT=1",
			     "GIT_CONFIG_KEY_0=protocol.file.allow",
			     "GIT_CONFIG_VALUE_0=always",
			     NULL};
	struct proc p = {.argv = argv,
			 .env = env,
			 .cwd_fd = m->s.fd,
			 .in_fd = -1,
			 .out_fd = -1,
			 .err_fd = -1};
	int r = proc_run(&p, out, out);

	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		free(own[i]);
	return r;
}

int mounted_try_sh(struct mounted *m, const char *script)
{
	struct buf out;
	int r;

	buf_init(&out, OUT_MAX);
	r = run(m, script, &out);
	while (out.len && out.data[out.len - 1] == '\n')
		out.data[--out.len] = '\0';
	n_outs++;
	free(outs[n_outs % OUTS]);
	outs[n_outs % OUTS] = buf_take(&out);
	return r;
}

const char *mounted_out(void)
{
	return outs[n_outs % OUTS];
}

const char *mounted_sh(struct mounted *m, const char *fmt, ...)
{
	char *script = NULL;
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = vasprintf(&script, fmt, ap);
	va_end(ap);
	assert_true(r >= 0);
	r = mounted_try_sh(m, script);
	if (r)
		fail_msg("status %d from:\n%s\n%s", r, script, mounted_out());
	free(script);
	return mounted_out();
}

int64_t mounted_until(struct mounted *m, int64_t ms, const char *script)
{
	int64_t start = clock_now(clock_system()), took;
	int tries = 0;

	for (; mounted_try_sh(m, script); tries++) {
		if (clock_now(clock_system()) - start > PATIENCE_MS)
			fail_msg("never came true:\n%s\n%s", script, mounted_out());
		poll(NULL, 0, 10);
	}
	took = clock_now(clock_system()) - start;
	n_waits++;
	if (took > ms && tries > ms * TRIES_A_SECOND / 1000) {
		n_late++;
		printf("# late: %d ms for %s\n", (int)took, script);
	}
	return took;
}

int64_t mounted_requests(struct mounted *m, const char *kind)
{
	const char *text = mounted_sh(m, "cat \"$M/.frag/stats.json\"");
	const struct json *at;
	struct json *root;
	int64_t ret = -1;
	char why[100];

	assert_int_equal(json_parse(text, strlen(text), &root, why, sizeof(why)), 0);
	at = root;
	if (kind)
		assert_int_equal(json_get(root, "by_kind", &at), 0);
	assert_int_equal(json_get_int(at, kind ? kind : "requests", &ret), 0);
	json_free(root);
	return ret;
}

static void tell(void *arg)
{
	if (write(*(int *)arg, "0", 1) != 1)
		_exit(99);
}

/* Of the leak sanitizer, where there is one. */
int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

/* In the child: serves, or says through the pipe why not. */
static int serve(struct mounted *m, const char *mnt, int pipe_fd)
{
	struct fs_config config = {.mountpoint = mnt};
	struct store *st;
	struct fs *fs;
	char word[16];
	int r;

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	log_open(2, getenv("FRAG_TEST_LOG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERR, true);
	if (store_open(m->home, &st))
		return 98;
	r = fs_mount(st, &config, &fs);
	if (r) {
		snprintf(word, sizeof(word), "%d", r);
		if (write(pipe_fd, word, strlen(word)) < 0)
			return 97;
		store_close(st);
		return 96;
	}
	r = fs_serve(fs, tell, &pipe_fd);
	fs_free(fs);
	store_close(st);
	if (__lsan_do_recoverable_leak_check && __lsan_do_recoverable_leak_check())
		return 95;
	return r ? 1 : 0;
}

int mounted_try(struct mounted *m, const char *mnt)
{
	char word[16] = "";
	int fds[2];
	ssize_t n;

	assert_int_equal(pipe(fds), 0);
	fflush(NULL);
	m->daemon = fork();
	if (!m->daemon) {
		close(fds[0]);
		n = serve(m, mnt, fds[1]);
		/* Not exit(): what cmocka holds must not run down in the child as well. */
		_exit((int)n);
	}
	close(fds[1]);
	n = read(fds[0], word, sizeof(word) - 1);
	close(fds[0]);
	assert_true(n > 0);
	if (!strcmp(word, "0"))
		return 0;
	waitpid(m->daemon, NULL, 0);
	m->daemon = 0;
	return (int)strtoll(word, NULL, 10);
}

void mounted_start(struct mounted *m)
{
	assert_int_equal(mounted_try(m, m->mnt), 0);
}

int mounted_stop(struct mounted *m, int sig)
{
	int status = 0;

	kill(m->daemon, sig);
	assert_int_equal(waitpid(m->daemon, &status, 0), m->daemon);
	m->daemon = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool mounted_possible(void)
{
	if (!access("/dev/fuse", R_OK | W_OK))
		return true;
	printf("1..0 # SKIP no /dev/fuse here\n");
	return false;
}

int mounted_setup(void **state)
{
	struct mounted *m = alloc_zero(sizeof(*m));

	log_open(2, LOG_LEVEL_ERR, false);
	scratch_init(&m->s);
	snprintf(m->home, sizeof(m->home), "%s/home", m->s.path);
	snprintf(m->mnt, sizeof(m->mnt), "%s/mnt", m->s.path);
	assert_int_equal(store_init(m->home), 0);
	assert_int_equal(mkdir(m->mnt, 0755), 0);
	mounted_sh(m, "%s", make_repo);
	mounted_start(m);
	*state = m;
	return 0;
}

int mounted_teardown(void **state)
{
	struct mounted *m = *state;
	int status = m->daemon ? mounted_stop(m, SIGTERM) : 0;

	umount2(m->mnt, MNT_DETACH);
	for (size_t i = 0; i < OUTS; i++) {
		free(outs[i]);
		outs[i] = NULL;
	}
	scratch_deinit(&m->s);
	free(m);
	if (n_waits < JUDGED_FROM || n_late * 2 <= n_waits)
		return status;
	printf("# %u of %u waits were late\n", n_late, n_waits);
	return -1;
}
