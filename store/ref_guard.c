/* One file per project, fragfs.refs.lock, held by flock(2) while a ref of ours changes.
 *
 * Its content is the name of the ref while git's lock of that name may be ours, and empty otherwise. It
 * is read after the flock is held and before it is written, so nothing races with it except git
 * itself: a lock that is older than the word was not made by whoever wrote it, and stays.
 */
#include "store/ref_guard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "store/git.h"
#include "store/project_private.h"

enum { WORD_MAX = 1024 };

static const char guard_name[] = "fragfs.refs.lock";

static bool may_be_ref(const char *name)
{
	int ok = 0;

	return !strcmp(name, "HEAD") ||
	       ((!strncmp(name, "refs/", 5) || !strncmp(name, "worktrees/", 10)) &&
		!git_reference_name_is_valid(&ok, name) && ok);
}

static bool is_older(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec != b->tv_sec ? a->tv_sec < b->tv_sec : a->tv_nsec < b->tv_nsec;
}

static void remove_lock(struct project *p, const char *lock)
{
	if (!unlinkat(project_dir_fd(p), lock, 0))
		log_info("ref: removed '%s' of project '%s', which an interrupted change left "
			 "behind",
			 lock, project_name(p));
}

/* `fd` is the guard, held; whoever wrote its word has no use for git's lock any more. `failed`: his
 * change did not end well, so a lock that is not older than the word is his. */
static void clear_what_was_left(struct project *p, int fd, bool failed)
{
	CLEANUP(free_p) char *lock = NULL;
	struct stat word, left, ref;
	char name[WORD_MAX];
	ssize_t n = pread(fd, name, sizeof(name) - 1, 0);
	int dir = project_dir_fd(p);

	if (n <= 0)
		return;
	name[n] = '\0';
	if (!may_be_ref(name))
		return;
	lock = alloc_fmt("%s.lock", name);
	if (fstatat(dir, lock, &left, AT_SYMLINK_NOFOLLOW) || !S_ISREG(left.st_mode))
		return;
	/* libgit2 publishes by link and unlink, and does not mind when the latter fails. */
	if (!fstatat(dir, name, &ref, AT_SYMLINK_NOFOLLOW) && ref.st_ino == left.st_ino)
		remove_lock(p, lock);
	else if (failed && !fstat(fd, &word) && !is_older(&left.st_ctim, &word.st_mtim))
		remove_lock(p, lock);
}

int ref_guard_take(struct project *p, const char *name, struct ref_guard *ret)
{
	CLEANUP(close_p) int fd = -1;
	int dir = project_dir_fd(p), r;

	if (dir < 0)
		return PROJECT_GONE;
	fd = openat(dir, guard_name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return fail(-errno, "open '%s' of project '%s'", guard_name, project_name(p));
	do
		r = flock(fd, LOCK_EX);
	while (r && errno == EINTR);
	if (r)
		return fail(-errno, "take '%s' of project '%s'", guard_name, project_name(p));
	clear_what_was_left(p, fd, true);
	r = ftruncate(fd, 0) ? -errno : 0;
	if (!r && pwrite(fd, name, strlen(name), 0) != (ssize_t)strlen(name))
		r = -ENOSPC;
	if (r)
		return fail(r, "write '%s' of project '%s'", guard_name, project_name(p));
	*ret = (struct ref_guard){.p = p, .fd = TAKE_FD(fd)};
	return 0;
}

void ref_guard_release(struct ref_guard *g)
{
	if (g->fd < 0)
		return;
	clear_what_was_left(g->p, g->fd, g->failed);
	/* A word that stays only costs the next one a look. */
	(void)!ftruncate(g->fd, 0);
	close(g->fd);
	g->fd = -1;
}
