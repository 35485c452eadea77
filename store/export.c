/* Export, carried out by git.
 *
 * A repository is made by `git init` and filled by `git fetch` from ours, a bundle by `git
 * bundle`; both check what they read. The work is done in a directory beside the target that is renamed
 * when it is whole and on disk, so the target is all there or not at all. A fetch, unlike a
 * clone, takes no hard links: the export stays what it is when the project is damaged.
 *
 * The export carries no configuration of ours.
 */
#include "store/export.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "store/git_child.h"
#include "store/project_private.h"
#include "store/ref.h"

enum { REFS_MAX = 256 << 20 };

/* What is being made, under a name of its own in the target's directory. */
struct making {
	struct project *project;
	const struct export_options *o;
	struct buf *why;
	int dir_fd;       /* of the target */
	const char *tmp;  /* a name in it */
	const char *path; /* of tmp */
};

static int git(struct making *m, int fd, const char *const *args)
{
	CLEANUP(buf_deinit) struct buf out;
	int r;

	buf_init(&out, REFS_MAX);
	buf_clear(m->why);
	r = git_child_run(fd, args, &out, m->why);
	return r > 0 ? (int)EXPORT_FAILED : r;
}

/* HEAD of the export stands where the project's does. */
static int set_head(struct making *m, int fd)
{
	struct project_head head;
	char hex[OID_HEX_LEN + 1];
	const char *branch[] = {"symbolic-ref", "HEAD", head.branch, NULL};
	const char *detached[] = {"update-ref", "--no-deref", "HEAD", hex, NULL};
	int r = project_head(m->project, &head);

	if (r)
		return r;
	oid_hex(&head.commit, hex);
	if (head.branch[0])
		return git(m, fd, branch);
	return oid_is_zero(&head.commit) ? 0 : git(m, fd, detached);
}

static int fill_repository(struct making *m)
{
	CLEANUP(free_p) char *from = project_path(m->project, "");
	CLEANUP(close_p) int fd = -1;
	const char *init[] = {"init", "--quiet", "--bare", "--template=", m->path, NULL};
	/* HEAD by its id too: a detached one may be on no branch. */
	const char *fetch[] = {
		"fetch", "--quiet", "--no-write-fetch-head", "--no-auto-maintenance",
		"--update-head-ok", "--no-tags", from, "+refs/*:refs/*",
		/* What nobody has committed is nobody else's. */
		"^refs/fragfs/*", m->o->with_fragments ? NULL : "^refs/fragments/*", NULL};
	int r = git(m, -1, init);

	if (r)
		return r;
	fd = openat(m->dir_fd, m->tmp, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return fail(-errno, "open '%s'", m->path);
	r = git(m, fd, fetch);
	if (!r)
		r = set_head(m, fd);
	if (!r && syncfs(fd))
		r = fail(-errno, "sync '%s'", m->path);
	return r;
}

static int note_ref(const char *name, const struct oid *commit, void *arg)
{
	++*(size_t *)arg;
	return 0;
}

static int write_bundle(struct making *m)
{
	const char *args[] = {"bundle",
			      "create",
			      "--quiet",
			      m->path,
			      "--single-worktree",
			      "--exclude=refs/fragfs/*",
			      m->o->with_fragments ? "--exclude=refs/fragfs/*"
						   : "--exclude=refs/fragments/*",
			      "--all",
			      NULL};
	CLEANUP(close_p) int fd = -1;
	struct project_head head;
	size_t n = 0;
	int r = ref_each(m->project, "refs/", note_ref, &n);

	if (!r)
		r = project_head(m->project, &head);
	if (r)
		return r;
	if (!n && oid_is_zero(&head.commit))
		return EXPORT_EMPTY;
	r = git(m, project_dir_fd(m->project), args);
	if (r)
		return r;
	fd = openat(m->dir_fd, m->tmp, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fsync(fd))
		return fail(-errno, "sync '%s'", m->path);
	return 0;
}

static int publish(struct making *m, const char *name)
{
	if (!renameat2(m->dir_fd, m->tmp, m->dir_fd, name, RENAME_NOREPLACE))
		return io_sync_dir(m->dir_fd, ".");
	if (errno == EEXIST)
		return EXPORT_EXISTS;
	return fail(-errno, "rename '%s' to '%s'", m->path, m->o->to);
}

static int make(struct making *m, const char *name)
{
	struct stat st;
	int r;

	if (!fstatat(m->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW))
		return EXPORT_EXISTS;
	r = m->o->bundle ? write_bundle(m) : fill_repository(m);
	if (!r)
		r = publish(m, name);
	if (r)
		(void)io_remove_tree(m->dir_fd, m->tmp);
	return r;
}

int export_project(struct project *p, const struct export_options *o, struct buf *why)
{
	CLEANUP(free_p) char *dir = alloc_str(o->to);
	CLEANUP(free_p) char *tmp = alloc_fmt(".frag-export.%ld", (long)getpid());
	CLEANUP(free_p) char *path = NULL;
	CLEANUP(close_p) int dir_fd = -1;
	struct making m = {.project = p, .o = o, .why = why, .tmp = tmp};
	size_t len = strlen(dir);
	char *slash;

	while (len > 1 && dir[len - 1] == '/')
		dir[--len] = '\0';
	slash = strrchr(dir, '/');
	if (!slash || !slash[1])
		return fail(-EINVAL, "export to '%s'", o->to);
	*slash = '\0';
	dir_fd = open(*dir ? dir : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return fail(-errno, "open '%s'", dir);
	path = alloc_fmt("%s/%s", dir, tmp);
	m.dir_fd = dir_fd;
	m.path = path;
	return make(&m, slash + 1);
}
