/* The admin directory of a linked worktree, in files that git wrote the law for.
 *
 * It is made beside worktrees/ and renamed into it, so git never sees half of one. HEAD is replaced under git's
 * own lock, and what a kill of ours leaves of that lock is known by store/ref_guard.h and removed.
 */
#include "store/worktree_git.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "store/project_private.h"
#include "store/ref.h"
#include "store/ref_guard.h"
#include "store/store.h"

enum { TEXT_MAX = 4096, LOCK_TRIES = 200, LOCK_WAIT_MS = 10, LOG_TAIL = 8192 };

static char *dir_of(const char *name)
{
	return alloc_fmt("worktrees/%s", name);
}

int worktree_git_open(struct project *p, const char *name, int *ret)
{
	CLEANUP(free_p) char *dir = dir_of(name);
	CLEANUP(close_p) int repo = project_dir_open(p);
	int fd;

	if (repo < 0)
		return WORKTREE_MISSING;
	fd = openat(repo, dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? (int)WORKTREE_MISSING
				       : fail(-errno, "open '%s' of project '%s'", dir,
					      project_name(p));
	*ret = fd;
	return 0;
}

/* ---- making ---- */

static char *head_text(const char *branch, const struct oid *commit)
{
	char hex[OID_HEX_LEN + 1];

	return branch ? alloc_fmt("ref: %s\n", branch)
		      : alloc_fmt("%s\n", oid_hex(commit, hex));
}

static int fill(int dir, const char *branch, const struct oid *commit, const char *path)
{
	CLEANUP(free_p) char *head = head_text(branch, commit);
	CLEANUP(free_p) char *gitdir = alloc_fmt("%s/.git\n", path);
	const struct {
		const char *name, *text;
	} files[] = {
		{"HEAD", head},
		{"commondir", "../..\n"},
		{"gitdir", gitdir},
		{"locked", "kept by fragfs: remove it with `frag work rm`\n"},
	};
	int r = 0;

	for (size_t i = 0; !r && i < sizeof(files) / sizeof(*files); i++)
		r = io_replace(dir, files[i].name, files[i].text, strlen(files[i].text), 0644);
	return r;
}

static int make_beside(struct project *p, int repo, const char *temp, const char *name,
		       const char *branch, const struct oid *commit)
{
	CLEANUP(close_p) int dir = -1;
	CLEANUP(free_p)
	char *path = alloc_fmt("%s/unmounted/%s/%s", store_home(project_store(p)),
			       project_name(p), name);
	int r = io_remove_tree(repo, temp);

	if (!r)
		r = io_mkdir(repo, temp, 0755);
	if (!r)
		r = io_mkdir(repo, "worktrees", 0755);
	if (r)
		return r;
	dir = openat(repo, temp, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return fail(-errno, "open '%s' of project '%s'", temp, project_name(p));
	return fill(dir, branch, commit, path);
}

int worktree_git_make(struct project *p, const char *name, const char *branch,
		      const struct oid *commit)
{
	CLEANUP(free_p) char *temp = alloc_fmt("fragfs.new-%s", name), *dir = dir_of(name);
	CLEANUP(close_p) int repo = project_dir_open(p);
	int r;

	if (repo < 0)
		return fail(-ENOENT, "open project '%s'", project_name(p));
	r = make_beside(p, repo, temp, name, branch, commit);
	if (!r && renameat2(repo, temp, repo, dir, RENAME_NOREPLACE))
		r = errno == EEXIST
			    ? (int)WORKTREE_EXISTS
			    : fail(-errno, "make '%s' of project '%s'", dir, project_name(p));
	if (r) {
		(void)io_remove_tree(repo, temp);
		return r;
	}
	r = io_sync_dir(repo, "worktrees");
	if (!r)
		r = io_sync_dir(repo, ".");
	if (!r && !oid_is_zero(commit))
		worktree_git_note(p, name, &(struct oid){{0}}, commit, "work tree made");
	return r;
}

int worktree_git_remove(struct project *p, const char *name)
{
	CLEANUP(free_p) char *temp = alloc_fmt("fragfs.gone-%s", name), *dir = dir_of(name);
	CLEANUP(close_p) int repo = project_dir_open(p);
	int r;

	if (repo < 0)
		return 0;
	r = io_remove_tree(repo, temp);
	if (!r && renameat(repo, dir, repo, temp))
		return errno == ENOENT ? 0
				       : fail(-errno, "remove '%s' of project '%s'", dir,
					      project_name(p));
	if (!r)
		r = io_sync_dir(repo, "worktrees");
	return r ? r : io_remove_tree(repo, temp);
}

/* ---- HEAD ---- */

/* The text of a small file without its line end; 0, WORKTREE_MISSING, or a fault. */
static int small_file(int dir, const char *name, char *ret, size_t size)
{
	CLEANUP(close_p) int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n;

	if (fd < 0)
		return errno == ENOENT ? (int)WORKTREE_MISSING
				       : fail(-errno, "open '%s'", name);
	n = io_read_all(fd, ret, size - 1);
	if (n < 0)
		return fail((int)n, "read '%s'", name);
	ret[n] = '\0';
	ret[strcspn(ret, "\r\n")] = '\0';
	return 0;
}

int worktree_git_head(struct project *p, const char *name, struct project_head *ret)
{
	CLEANUP(close_p) int dir = -1;
	struct project_head h = {0};
	char text[TEXT_MAX];
	int r = worktree_git_open(p, name, &dir);

	if (!r)
		r = small_file(dir, "HEAD", text, sizeof(text));
	if (r)
		return r;
	if (!strncmp(text, "ref:", 4)) {
		const char *to = text + 4 + strspn(text + 4, " \t");

		if (strlen(to) >= sizeof(h.branch))
			return fail(-ENAMETOOLONG, "read HEAD of work tree '%s'", name);
		memcpy(h.branch, to, strlen(to) + 1);
		r = ref_read(p, to, &h.commit);
		if (r == REF_BAD_NAME)
			return fail(-EINVAL, "HEAD of work tree '%s' names '%s'", name, to);
		if (r && r != REF_MISSING)
			return r < 0 ? r
				     : fail(-ENOENT, "project '%s' is gone", project_name(p));
	} else if (strlen(text) < OID_HEX_LEN || !oid_parse(text, OID_HEX_LEN, &h.commit)) {
		return fail(-EINVAL, "HEAD of work tree '%s' holds neither", name);
	}
	*ret = h;
	return 0;
}

/* git's own lock, which others hold for a moment only. */
static int lock_head(int dir, const char *name)
{
	for (int i = 0; i < LOCK_TRIES; i++) {
		int fd =
			openat(dir, "HEAD.lock", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

		if (fd >= 0)
			return fd;
		if (errno != EEXIST)
			return fail(-errno, "lock HEAD of work tree '%s'", name);
		(void)poll(NULL, 0, LOCK_WAIT_MS);
	}
	return fail(-EBUSY, "lock HEAD of work tree '%s': git holds it", name);
}

static int replace_head(int dir, int lock, const char *text, const char *name)
{
	int r = io_write_all(lock, text, strlen(text));

	if (!r && fsync(lock))
		r = -errno;
	if (!r && renameat(dir, "HEAD.lock", dir, "HEAD"))
		r = -errno;
	if (!r)
		return io_sync_dir(dir, ".");
	(void)unlinkat(dir, "HEAD.lock", 0);
	return fail(r, "move HEAD of work tree '%s'", name);
}

int worktree_git_set_head(struct project *p, const char *name, const char *branch,
			  const struct oid *commit, const char *why)
{
	CLEANUP(free_p) char *text = head_text(branch, commit);
	CLEANUP(free_p) char *ref = alloc_fmt("worktrees/%s/HEAD", name);
	CLEANUP(ref_guard_release) struct ref_guard guard = {.fd = -1};
	CLEANUP(close_p) int dir = -1;
	CLEANUP(close_p) int lock = -1;
	struct project_head was = {0}, now = {0};
	int r = worktree_git_open(p, name, &dir);

	if (!r)
		r = ref_guard_take(p, ref, &guard);
	if (r)
		return r;
	lock = lock_head(dir, name);
	if (lock < 0)
		return lock;
	(void)worktree_git_head(p, name, &was);
	r = replace_head(dir, lock, text, name);
	guard.failed = r;
	if (!r && !worktree_git_head(p, name, &now) && !oid_is_zero(&now.commit))
		worktree_git_note(p, name, &was.commit, &now.commit, why);
	return r;
}

/* ---- the reflog ---- */

void worktree_git_note(struct project *p, const char *name, const struct oid *from,
		       const struct oid *to, const char *why)
{
	CLEANUP(free_p) char *line = NULL;
	CLEANUP(close_p) int dir = -1;
	CLEANUP(close_p) int fd = -1;
	char a[OID_HEX_LEN + 1], b[OID_HEX_LEN + 1];

	if (worktree_git_open(p, name, &dir) || io_mkdir(dir, "logs", 0755))
		return;
	fd = openat(dir, "logs/HEAD", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW,
		    0644);
	line = alloc_fmt("%s %s fragfs <fragfs@localhost> %lld +0000\t%.*s\n", oid_hex(from, a),
			 oid_hex(to, b), (long long)time(NULL), (int)strcspn(why, "\n"), why);
	if (fd >= 0)
		(void)io_write_all(fd, line, strlen(line));
}

void worktree_git_stood(struct project *p, const char *name, struct oid *ret)
{
	CLEANUP(close_p) int dir = -1;
	CLEANUP(close_p) int fd = -1;
	char tail[LOG_TAIL + 1];
	const char *line;
	struct stat st;
	ssize_t n;

	*ret = (struct oid){{0}};
	if (worktree_git_open(p, name, &dir))
		return;
	fd = openat(dir, "logs/HEAD", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &st))
		return;
	n = pread(fd, tail, LOG_TAIL, st.st_size > LOG_TAIL ? st.st_size - LOG_TAIL : 0);
	if (n <= 0 || tail[n - 1] != '\n')
		return;
	tail[n - 1] = '\0';
	line = strrchr(tail, '\n');
	line = line ? line + 1 : tail;
	if (strlen(line) > 2UL * OID_HEX_LEN + 1)
		(void)oid_parse(line + OID_HEX_LEN + 1, OID_HEX_LEN, ret);
}

/* ---- the rest ---- */

int worktree_git_point(struct project *p, const char *name, const char *path)
{
	CLEANUP(free_p) char *text = alloc_fmt("%s/.git", path);
	CLEANUP(free_p) char *line = alloc_fmt("%s\n", text);
	CLEANUP(close_p) int dir = -1;
	char was[TEXT_MAX];
	int r = worktree_git_open(p, name, &dir);

	if (!r && !small_file(dir, "gitdir", was, sizeof(was)) && !strcmp(was, text))
		return 0;
	return r ? r : io_replace(dir, "gitdir", line, strlen(line), 0644);
}

char *worktree_git_text(struct project *p, const char *name)
{
	CLEANUP(free_p) char *dir = dir_of(name);
	CLEANUP(free_p) char *path = project_path(p, dir);

	return alloc_fmt("gitdir: %s\n", path);
}

const char *worktree_git_busy(int admin_fd)
{
	static const struct {
		const char *file, *what;
	} all[] = {
		{"MERGE_HEAD", "a merge"},    {"rebase-merge", "a rebase"},
		{"rebase-apply", "a rebase"}, {"CHERRY_PICK_HEAD", "a cherry-pick"},
		{"REVERT_HEAD", "a revert"},
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		if (!faccessat(admin_fd, all[i].file, F_OK, AT_SYMLINK_NOFOLLOW))
			return all[i].what;
	}
	return NULL;
}

int worktree_git_each(int project_fd, worktree_name_fn fn, void *arg)
{
	CLEANUP(closedirp) DIR *dir = NULL;
	int fd = openat(project_fd, "worktrees",
			O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	const struct dirent *e;
	int r = 0;

	if (fd < 0)
		return errno == ENOENT ? 0 : fail(-errno, "open the worktrees of a project");
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return fail(-ENOMEM, "read the worktrees of a project");
	}
	while (!r && (e = readdir(dir))) {
		if (*e->d_name != '.')
			r = fn(e->d_name, arg);
	}
	return r;
}
