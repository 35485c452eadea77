/* Looking for git's lock files and telling which are certainly dead.
 *
 * Age alone proves nothing: a clone may run for hours. What was made before the machine was started
 * cannot have a living owner, whatever the clocks were set to since, if a minute is granted.
 * Other locks are for people to judge; fsck shows them with their age.
 */
#include "store/git_lock.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"

enum { DEPTH_MAX = 64, PATH_SIZE = 1024, GRACE_SECONDS = 60 };

struct search {
	git_lock_fn fn;
	void *arg;
	char path[PATH_SIZE];
};

bool git_lock_is_dead(const struct stat *lock)
{
	struct timespec wall, up;

	clock_gettime(CLOCK_REALTIME, &wall);
	clock_gettime(CLOCK_BOOTTIME, &up);
	return lock->st_mtim.tv_sec + GRACE_SECONDS < wall.tv_sec - up.tv_sec;
}

long long git_lock_age(const struct stat *lock)
{
	struct timespec wall;

	clock_gettime(CLOCK_REALTIME, &wall);
	return (long long)wall.tv_sec - lock->st_mtim.tv_sec;
}

static bool is_lock(const char *name)
{
	size_t len = strlen(name);

	/* Ours are flock(2) files, which stay. */
	return len > 5 && !strcmp(name + len - 5, ".lock") && strncmp(name, "fragfs.", 7) != 0;
}

static void search_dir(struct search *s, int at, const char *name, int depth);

static void look_at(struct search *s, int fd, const char *name, int depth)
{
	struct git_lock lock = {.dir_fd = fd, .name = name, .path = s->path};
	size_t len = strlen(s->path);

	if (fstatat(fd, name, &lock.stat, AT_SYMLINK_NOFOLLOW) ||
	    snprintf(s->path + len, PATH_SIZE - len, "%s%s", len ? "/" : "", name) >=
		    (int)(PATH_SIZE - len)) {
		s->path[len] = '\0';
		return;
	}
	if (S_ISREG(lock.stat.st_mode) && is_lock(name))
		s->fn(&lock, s->arg);
	else if (S_ISDIR(lock.stat.st_mode) && depth < DEPTH_MAX &&
		 (depth || !strcmp(name, "refs")))
		search_dir(s, fd, name, depth + 1);
	s->path[len] = '\0';
}

static void search_dir(struct search *s, int at, const char *name, int depth)
{
	CLEANUP(closedirp) DIR *dir = NULL;
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	const struct dirent *e;

	if (fd < 0)
		return;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return;
	}
	while ((e = readdir(dir))) {
		if (*e->d_name != '.')
			look_at(s, fd, e->d_name, depth);
	}
}

void git_lock_each(int repo_fd, git_lock_fn fn, void *arg)
{
	struct search s = {.fn = fn, .arg = arg};

	search_dir(&s, repo_fd, ".", 0);
}
