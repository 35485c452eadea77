/* Commits, refs, numbers and HEAD: what a commit and a checkout promise.
 *
 * Each round writes a commit of a few files, publishes it by moving a ref, lets it be numbered, and moves HEAD.
 * The bytes of a file follow from its path and round, so a probe can tell whole from damaged.
 */
#include "tests/crash/work_commits.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/judge.h"
#include "base/oid.h"
#include "store/fragment.h"
#include "store/project.h"
#include "store/ref.h"
#include "store/refresh.h"
#include "store/store.h"
#include "tests/crash/acks.h"
#include "tests/crash/probe_store.h"

enum { TEXT_MAX = 8192 };

size_t work_commits_text(int round, int file, char *ret, size_t size)
{
	size_t len = 0;

	for (int i = 0; i < 20 + file * 150; i++) {
		int n = snprintf(ret + len, size - len, "file %d of round %d, line %d\n", file,
				 round, i);

		if (n < 0 || (size_t)n >= size - len)
			break;
		len += (size_t)n;
	}
	return len;
}

static int write_round(struct project *p, int round, const struct oid *parent, struct oid *ret)
{
	char path[WORK_COMMITS_FILES][32], text[WORK_COMMITS_FILES][TEXT_MAX], title[32];
	struct commit_file files[WORK_COMMITS_FILES];
	char name[] = "Ada", email[] = "ada@example.org";
	struct commit_spec spec = {
		.files = files,
		.n_files = WORK_COMMITS_FILES,
		.parents = parent,
		.n_parents = oid_is_zero(parent) ? 0 : 1,
		.author = {.name = name, .email = email, .time = 1700000000 + round},
		.committer = {.name = name, .email = email, .time = 1700000000 + round},
		.message = title,
	};

	(void)snprintf(title, sizeof(title), "round %d", round);
	for (int i = 0; i < WORK_COMMITS_FILES; i++) {
		(void)snprintf(path[i], sizeof(path[i]), "dir/%d/file", i);
		files[i] = (struct commit_file){
			.path = path[i],
			.mode = MODE_FILE,
			.data = text[i],
			.len = work_commits_text(round, i, text[i], TEXT_MAX)};
	}
	return commit_write(p, &spec, ret);
}

static int publish(struct project *p, const struct oid *was, const struct oid *now,
		   struct acks *a)
{
	char hex[OID_HEX_LEN + 1], key[128];
	int r;

	oid_hex(now, hex);
	acks_begin(a, "ref:app:refs/heads/main", hex);
	r = ref_advance(p, "refs/heads/main", was, now, "round");
	if (r)
		return r;
	acks_done(a, "ref:app:refs/heads/main", hex);
	(void)snprintf(key, sizeof(key), "commit:app:%s", hex);
	acks_done(a, key, "whole");
	return 0;
}

static int number(struct project *p, const struct oid *commit, struct acks *a)
{
	char hex[OID_HEX_LEN + 1], key[128], value[16];
	struct refresh_result seen;
	struct fragment f;
	int r = refresh_project(p, NULL, NULL, &seen);

	if (!r)
		r = fragment_by_commit(p, commit, &f);
	if (r)
		return r;
	(void)snprintf(key, sizeof(key), "seq:app:%s", oid_hex(commit, hex));
	(void)snprintf(value, sizeof(value), "%u", f.seq);
	acks_begin(a, key, value);
	acks_done(a, key, value);
	return 0;
}

/* By turns on the branch and detached, as checkouts of a branch and of a fragment do. */
static int move_head(struct project *p, int round, const struct oid *commit, struct acks *a)
{
	const char *branch = round % 2 ? NULL : "refs/heads/main";
	char hex[OID_HEX_LEN + 1];
	int r;

	oid_hex(commit, hex);
	acks_begin(a, "head:app:", branch ? branch : hex);
	r = project_set_head(p, branch, commit);
	if (!r)
		acks_done(a, "head:app:", branch ? branch : hex);
	return r;
}

/* Goes on from what an earlier run left. */
static int open_app(struct store *st, struct project **ret, struct oid *was)
{
	int r = project_create(st, "app", ret);

	if (r == PROJECT_EXISTS)
		r = project_open(st, "app", ret);
	if (!r)
		r = ref_read(*ret, "refs/heads/main", was);
	return r == REF_MISSING ? 0 : r;
}

static int work(const char *dir, struct acks *a, int rounds)
{
	struct project *p = NULL;
	struct oid was = {{0}};
	struct store *st = NULL;
	int r = store_init(dir);

	if (!r)
		r = store_open(dir, &st);
	if (!r)
		r = open_app(st, &p, &was);
	for (int i = 0; i < rounds && !r; i++) {
		struct oid now;

		r = write_round(p, i, &was, &now);
		if (!r)
			r = publish(p, &was, &now, a);
		if (!r)
			r = number(p, &now, a);
		if (!r)
			r = move_head(p, i, &now, a);
		was = now;
	}
	project_unref(p);
	store_close(st);
	return r;
}

const struct workload workload_commits = {"commits", work, probe_store_open, probe_store,
					  probe_store_close};
