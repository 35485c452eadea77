/* fs/review_place.c - review/<seq>/: a fragment with a `.git`, so that editors show what it changed.
 *
 * The `.git` is a file, as in any linked worktree, and names a small git directory on native disk: HEAD detached at the
 * fragment, objects and refs of the project's own repository, and as index the tree of its first parent. What
 * differs between index and files is then just what the fragment did. git may refresh that index as it likes; it is
 * outside the mount.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/io.h"
#include "base/proc.h"
#include "fs/app.h"
#include "fs/fs_private.h"
#include "fs/place.h"
#include "fs/review.h"
#include "fs/tree_place.h"
#include "store/commit.h"
#include "store/store.h"

enum { GITDIR_MODE = 0700 };

static int write_file(int dir_fd, const char *name, const char *text)
{
	CLEANUP(close_p)
	int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
			0600);
	int r = fd < 0 ? -errno : io_write_all(fd, text, strlen(text));

	return r < 0 ? fail(r, "review: write '%s'", name) : 0;
}

/* Makes an index that holds `tree` (NULL: nothing). */
static int write_index(const char *repo, const char *gitdir, const char *tree)
{
	CLEANUP(free_p) char *git_dir = alloc_fmt("--git-dir=%s", repo);
	CLEANUP(free_p) char *index = alloc_fmt("GIT_INDEX_FILE=%s/index", gitdir);
	/* The repository's own configuration must not make git run anything. */
	const char *argv[] = {"git",       git_dir,
			      "-c",        "core.fsmonitor=false",
			      "-c",        "core.hooksPath=/dev/null",
			      "read-tree", tree,
			      NULL};
	const char *empty[] = {"git",       git_dir,
			       "-c",        "core.fsmonitor=false",
			       "-c",        "core.hooksPath=/dev/null",
			       "read-tree", "--empty",
			       NULL};
	const char *env[] = {"PATH=/usr/local/bin:/usr/bin:/bin",
			     "HOME=/nonexistent",
			     "GIT_CONFIG_NOSYSTEM=1",
			     "GIT_CONFIG_GLOBAL=/dev/null",
			     index,
			     NULL};
	struct proc child = {.argv = tree ? argv : empty,
			     .env = env,
			     .cwd_fd = -1,
			     .in_fd = -1,
			     .out_fd = -1,
			     .err_fd = -1};
	pid_t pid;
	int r = proc_start(&child, &pid);

	if (!r)
		r = proc_wait(pid);
	return r > 0 ? fail(-EIO, "review: 'git read-tree' ended with status %d", r) : r;
}

/* Everything but the index is written anew each time: the home may have moved, the project been renamed. */
static int make_gitdir(struct fs *fs, struct project *p, const char *dir,
		       const struct commit *c)
{
	CLEANUP(free_p)
	char *repo = alloc_fmt("%s/projects/%s.git", store_home(fs->store), project_name(p));
	CLEANUP(free_p) char *path = alloc_fmt("%s/run/%s", store_home(fs->store), dir);
	CLEANUP(free_p) char *common = alloc_fmt("%s\n", repo);
	CLEANUP(close_p) int fd = -1;
	char hex[OID_HEX_LEN + 1], head[OID_HEX_LEN + 2];
	struct stat st;
	int r = io_mkdirs(store_run_fd(fs->store), dir, GITDIR_MODE);

	if (r)
		return r;
	fd = openat(store_run_fd(fs->store), dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return fail(-errno, "review: open '%s'", dir);
	snprintf(head, sizeof(head), "%s\n", oid_hex(&c->id, hex));
	r = write_file(fd, "HEAD", head);
	if (!r)
		r = write_file(fd, "commondir", common);
	if (r || !fstatat(fd, "index", &st, AT_SYMLINK_NOFOLLOW))
		return r;
	return write_index(repo, path, c->n_parents ? oid_hex(&c->parents[0], hex) : NULL);
}

int review_gitfile(struct fs *fs, struct node *dir, struct found *ret)
{
	CLEANUP(project_unrefp) struct project *p = NULL;
	CLEANUP(free_p) char *at = NULL;
	struct commit *c = NULL;
	struct fragment f;
	struct node want;
	char *text;
	int r = app_use(fs, dir->app, &p);

	if (!r)
		r = fragment_get(p, dir->seq, &f);
	if (!r)
		r = commit_read(p, &f.commit, &c);
	if (r)
		return r < 0 ? r : PLACE_NO_ENTRY;
	at = alloc_fmt("review/%016" PRIx64 "/%u", project_id(p), dir->seq);
	pthread_mutex_lock(&fs->review_lock);
	r = make_gitdir(fs, p, at, c);
	pthread_mutex_unlock(&fs->review_lock);
	commit_free(c);
	if (r)
		return r;
	text = alloc_fmt("gitdir: %s/run/%s\n", store_home(fs->store), at);
	want = place_text(fs, dir, ".git", text, strlen(text));
	ret->node = place_node(fs, &want);
	ret->entry_ttl = PLACE_ALWAYS;
	return 0;
}

static int lookup(struct fs *fs, struct node *dir, const char *name, struct found *ret)
{
	CLEANUP(project_unrefp) struct project *p = NULL;
	uint32_t seq = fragment_seq_of_name(name);
	char plain[16], padded[16];
	struct fragment f;
	struct node want;
	int r;

	snprintf(plain, sizeof(plain), "%u", seq);
	snprintf(padded, sizeof(padded), "%05u", seq);
	if (!seq || (strcmp(name, plain) != 0 && strcmp(name, padded) != 0))
		return PLACE_NO_ENTRY;
	r = app_use(fs, dir->app, &p);
	if (!r)
		r = fragment_get(p, seq, &f);
	if (r)
		return r < 0 ? r : PLACE_NO_ENTRY;
	want = tree_place_fragment(fs, dir, &f, VIEW_REVIEW);
	ret->node = place_node(fs, &want);
	ret->entry_ttl = PLACE_ALWAYS;
	return 0;
}

const struct place_ops place_review = {
	.lookup = lookup,
};
