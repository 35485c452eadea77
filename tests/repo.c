/* The project of a test, and git run on it by scripts.
 *
 * Git gets an environment of its own, so neither the user's configuration nor the time of day
 * changes what a test makes.
 */
#include "tests/repo.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/log.h"
#include "base/proc.h"
#include "store/project.h"
#include "store/store.h"

enum { OUTPUT_MAX = 16 << 20 };

static void open_all(struct repo *r)
{
	assert_int_equal(store_open(r->s.path, &r->st), 0);
	assert_int_equal(project_open(r->st, "demo", &r->p), 0);
}

int repo_setup(void **state)
{
	static struct repo r;
	struct project *p;

	log_open(-1, LOG_LEVEL_ERR, false);
	r = (struct repo){0};
	scratch_init(&r.s);
	assert_int_equal(store_init(r.s.path), 0);
	assert_int_equal(store_open(r.s.path, &r.st), 0);
	assert_int_equal(project_create(r.st, "demo", &p), 0);
	project_unref(p);
	store_close(r.st);
	(void)snprintf(r.git_dir, sizeof(r.git_dir), "%s/projects/demo.git", r.s.path);
	assert_int_equal(mkdirat(r.s.fd, "tree", 0700), 0);
	open_all(&r);
	*state = &r;
	return 0;
}

int repo_teardown(void **state)
{
	struct repo *r = *state;

	project_unref(r->p);
	store_close(r->st);
	scratch_deinit(&r->s);
	return 0;
}

void repo_reopen(struct repo *r)
{
	project_unref(r->p);
	store_close(r->st);
	open_all(r);
}

static const char *run(struct repo *r, const char *script)
{
	static struct buf out;
	char dir[600], tree[600], pwd[600];
	const char *const argv[] = {"sh", "-euc", script, NULL};
	const char *const env[] = {
		dir,
		tree,
		pwd,
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"LC_ALL=C",
		"HOME=/nonexistent",
		"GIT_CONFIG_NOSYSTEM=1",
		"GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_AUTHOR_NAME=A U Thor",
		"GIT_AUTHOR_EMAIL=author@example.com",
		"GIT_COMMITTER_NAME=C O Mitter",
		"GIT_COMMITTER_EMAIL=committer@example.com",
		"GIT_AUTHOR_DATE=1700000000 +0100",
		"GIT_COMMITTER_DATE=1700000000 +0100",
		NULL,
	};
	struct proc proc = {.argv = argv, .env = env, .in_fd = -1, .out_fd = -1, .err_fd = -1};
	CLEANUP(close_p) int cwd = io_open_beneath(r->s.fd, "tree", O_RDONLY | O_DIRECTORY, 0);
	int status;

	(void)snprintf(dir, sizeof(dir), "GIT_DIR=%s", r->git_dir);
	(void)snprintf(tree, sizeof(tree), "GIT_WORK_TREE=%s/tree", r->s.path);
	(void)snprintf(pwd, sizeof(pwd), "PWD=%s/tree", r->s.path);
	proc.cwd_fd = cwd;
	buf_deinit(&out);
	buf_init(&out, OUTPUT_MAX);
	status = proc_run(&proc, &out, NULL);
	if (status)
		fail_msg("exit status %d of: %s", status, script);
	if (out.len && out.data[out.len - 1] == '\n')
		out.data[--out.len] = '\0';
	return out.data;
}

const char *repo_sh(struct repo *r, const char *script)
{
	return run(r, script);
}

struct oid repo_oid(struct repo *r, const char *fmt, ...)
{
	char script[4096];
	const char *text;
	struct oid oid;
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(script, sizeof(script), fmt, ap);
	va_end(ap);
	text = run(r, script);
	if (!oid_parse(text, strlen(text), &oid))
		fail_msg("'%s' is no object id, from: %s", text, script);
	return oid;
}

struct oid repo_object(struct repo *r, const char *type, const void *data, size_t len)
{
	assert_int_equal(io_replace(r->s.fd, "object", data, len, 0600), 0);
	return repo_oid(r, "git hash-object --literally -w -t %s ../object", type);
}
