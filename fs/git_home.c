/* fs/git_home.c - a work tree made ready for git.
 *
 * `.git` is an ordinary file of the work tree, made when there is none of that name. Somebody who put a repository of his own
 * there keeps it; a file of ours that names another place (the home was moved, the project renamed) is written anew.
 */
#include "fs/git_home.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "fs/app.h"
#include "fs/fs_private.h"
#include "fs/trees.h"
#include "store/worktree.h"
#include "store/worktree_git.h"

enum { TEXT_MAX = 4096 };

static int write_text(struct work *w, uint64_t ino, const char *text)
{
	struct work_attr to = {.size = 0};
	size_t done;
	int r = work_setattr(w, ino, &to, WORK_SET_SIZE, NULL);

	return r ? r : work_write(w, ino, 0, text, strlen(text), &done);
}

static bool is_ours(struct work *w, uint64_t ino, const char *text, bool *is_right)
{
	struct work_bytes b;
	char was[TEXT_MAX + 1];
	size_t len = 0;

	if (work_read(w, ino, 0, TEXT_MAX, &b))
		return false;
	if (b.data) {
		len = b.len;
		memcpy(was, b.data, len);
	} else {
		ssize_t n = pread(b.fd, was, b.len, (off_t)b.fd_off);

		len = n > 0 ? (size_t)n : 0;
	}
	work_bytes_done(w, &b);
	was[len] = '\0';
	*is_right = !strcmp(was, text);
	return !strncmp(was, "gitdir: ", 8) && strstr(was, ".git/worktrees/");
}

static int place_file(struct work *w, const char *text)
{
	const struct work_caller who = {0};
	struct work_attr root, a;
	bool is_right;
	int r = work_lookup(w, WORK_ROOT_INO, ".git", &a);

	if (r == ENOENT) {
		r = work_getattr(w, WORK_ROOT_INO, &root);
		if (!r)
			r = work_create_file(w, WORK_ROOT_INO, ".git", 0644, &who, &a);
		if (r)
			return r;
		r = work_setattr(w, a.ino, &root, WORK_SET_UID | WORK_SET_GID, NULL);
		if (!r)
			r = write_text(w, a.ino, text);
	} else if (!r && S_ISREG(a.mode) && is_ours(w, a.ino, text, &is_right) && !is_right) {
		r = write_text(w, a.ino, text);
	} else if (r) {
		return r;
	}
	work_release(w, a.ino, 1);
	return r;
}

static int make_index(struct work *w)
{
	CLEANUP(worktree_end) struct worktree t = {0};
	int r = worktree_begin(w, &t);

	if (r || !faccessat(t.admin_fd, "index", F_OK, 0))
		return r;
	t.op.after.commit = t.head.commit;
	return worktree_write_index(&t);
}

static int point(struct fs *fs, struct app *app, struct work *w)
{
	const char *name = work_info(w)->name;
	bool is_live = !strcmp(name, TREES_LIVE);
	CLEANUP(free_p)
	char *path = alloc_fmt("%s/%s/%s%s", fs->mountpoint, app->name, is_live ? "" : "work/",
			       name);

	return worktree_git_point(work_project(w), name, path);
}

void git_home_prepare(struct fs *fs, struct app *app, struct work *w)
{
	CLEANUP(free_p)
	char *text = worktree_git_text(work_project(w), work_info(w)->name);
	int r = worktree_recover(w, NULL, NULL);

	if (!r)
		r = point(fs, app, w);
	if (!r)
		r = place_file(w, text);
	if (!r)
		r = make_index(w);
	if (r)
		log_warn("project '%s': git does not work in '%s', ignoring", app->name,
			 work_info(w)->name);
}
