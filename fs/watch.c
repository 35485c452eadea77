/* fs/watch.c - inotify watches on repositories, and what their events mean.
 *
 * A repository takes one watch for its directory (HEAD, packed-refs), one for each directory below refs/, except
 * refs/fragments/ and refs/fragfs/, which are ours to write, and one for each work tree's (HEAD). git replaces refs by renaming `<ref>.lock` over them, so a name that
 * ends in .lock says nothing. A directory that appears may have been filled before its watch stood: it
 * counts as a change itself.
 */
#include "fs/watch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"

enum { BUCKETS = 8192, DEPTH_MAX = 32, EVENTS_MAX = 64 << 10 };

struct watch {
	struct watch *next;
	int wd;
	char *project; /* NULL: the directory of projects */
	char *dir;     /* within the repository, "" or "refs…" */
};

struct watch_set {
	int fd, projects_fd;
	struct watch_sink sink;
	struct watch *buckets[BUCKETS];
	bool is_short;
};

static struct watch **chain_of(struct watch_set *w, int wd)
{
	return &w->buckets[(unsigned)wd % BUCKETS];
}

static struct watch *find(struct watch_set *w, int wd)
{
	struct watch *at = *chain_of(w, wd);

	while (at && at->wd != wd)
		at = at->next;
	return at;
}

static void drop(struct watch_set *w, int wd)
{
	struct watch **at = chain_of(w, wd), *dead;

	while (*at && (*at)->wd != wd)
		at = &(*at)->next;
	dead = *at;
	if (!dead)
		return;
	*at = dead->next;
	free(dead->project);
	free(dead->dir);
	free(dead);
}

/* inotify takes paths only; one by way of the descriptor is right whatever the working directory is. */
static void add(struct watch_set *w, const char *project, const char *dir)
{
	CLEANUP(free_p)
	char *path =
		project ? alloc_fmt("/proc/self/fd/%d/%s.git/%s", w->projects_fd, project, dir)
			: alloc_fmt("/proc/self/fd/%d/", w->projects_fd);
	int wd = inotify_add_watch(w->fd, path,
				   IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO |
					   IN_CLOSE_WRITE | IN_ONLYDIR | IN_EXCL_UNLINK);
	struct watch *at, **chain;

	if (wd < 0) {
		if (errno == ENOSPC && !w->is_short)
			log_warn("fs: no more inotify watches (fs.inotify.max_user_watches): "
				 "looking at the repositories every half second, ignoring");
		w->is_short = w->is_short || errno == ENOSPC;
		return;
	}
	drop(w, wd);
	at = alloc_zero(sizeof(*at));
	at->wd = wd;
	at->project = alloc_str(project);
	at->dir = alloc_str(dir);
	chain = chain_of(w, wd);
	at->next = *chain;
	*chain = at;
}

int watch_new(int projects_fd, const struct watch_sink *sink, struct watch_set **ret)
{
	struct watch_set *w = alloc_zero(sizeof(*w));

	w->projects_fd = projects_fd;
	w->sink = *sink;
	w->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (w->fd < 0) {
		free(w);
		return fail(-errno, "fs: start inotify");
	}
	add(w, NULL, "");
	*ret = w;
	return 0;
}

void watch_free(struct watch_set *w)
{
	if (!w)
		return;
	for (size_t i = 0; i < BUCKETS; i++)
		while (w->buckets[i])
			drop(w, w->buckets[i]->wd);
	close(w->fd);
	free(w);
}

int watch_fd(const struct watch_set *w)
{
	return w->fd;
}

bool watch_is_short(const struct watch_set *w)
{
	return w->is_short;
}

static void add_below(struct watch_set *w, const char *project, const char *dir, int depth)
{
	CLEANUP(free_p) char *path = alloc_fmt("%s.git/%s", project, dir);
	int fd = openat(w->projects_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	CLEANUP(closedirp) DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;

	if (!d)
		return;
	add(w, project, dir);
	while (depth < DEPTH_MAX && (e = readdir(d))) {
		CLEANUP(free_p) char *below = NULL;

		if (e->d_type != DT_DIR || e->d_name[0] == '.')
			continue;
		below = alloc_fmt("%s/%s", dir, e->d_name);
		if (strcmp(below, "refs/fragments") != 0 && strcmp(below, "refs/fragfs") != 0)
			add_below(w, project, below, depth + 1);
	}
}

static bool is_worktree(const char *dir)
{
	return !strncmp(dir, "worktrees/", strlen("worktrees/"));
}

/* Of a work tree only its HEAD matters: no watch below. */
static void add_worktrees(struct watch_set *w, const char *project)
{
	CLEANUP(free_p) char *path = alloc_fmt("%s.git/worktrees", project);
	int fd = openat(w->projects_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	CLEANUP(closedirp) DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;

	if (!d)
		return;
	add(w, project, "worktrees");
	while ((e = readdir(d))) {
		CLEANUP(free_p) char *dir = alloc_fmt("worktrees/%s", e->d_name);

		if (e->d_name[0] != '.')
			add(w, project, dir);
	}
}

void watch_project(struct watch_set *w, const char *name)
{
	add(w, name, "");
	add_below(w, name, "refs", 0);
	add_worktrees(w, name);
}

static bool ends_in(const char *name, const char *end)
{
	size_t len = strlen(name), end_len = strlen(end);

	return len >= end_len && !strcmp(name + len - end_len, end);
}

static void on_projects(struct watch_set *w, const struct inotify_event *e)
{
	CLEANUP(free_p) char *name = NULL;

	if (!e->len || !(e->mask & IN_ISDIR) || !ends_in(e->name, ".git"))
		return;
	name = alloc_copy(e->name, strlen(e->name) - 4);
	w->sink.project(name, w->sink.arg);
}

static void on_repository(struct watch_set *w, const struct watch *at,
			  const struct inotify_event *e)
{
	bool is_top = !*at->dir,
	     is_new_dir = e->mask & IN_ISDIR && e->mask & (IN_CREATE | IN_MOVED_TO);
	CLEANUP(free_p) char *below = NULL, *project = NULL;

	if (!e->len || ends_in(e->name, ".lock"))
		return;
	if (is_top && strcmp(e->name, "HEAD") != 0 && strcmp(e->name, "packed-refs") != 0 &&
	    strcmp(e->name, "refs") != 0 && strcmp(e->name, "worktrees") != 0)
		return;
	if (is_worktree(at->dir) && strcmp(e->name, "HEAD") != 0)
		return;
	below = alloc_fmt("%s%s%s", at->dir, is_top ? "" : "/", e->name);
	if (!strcmp(below, "refs/fragments") || !strcmp(below, "refs/fragfs"))
		return;
	project = alloc_str(at->project);
	if (is_new_dir && (!strcmp(below, "worktrees") || is_worktree(below)))
		add_worktrees(w, project);
	else if (is_new_dir)
		add_below(w, project, below, 0);
	w->sink.refs(project, e->mask & IN_DELETE, w->sink.arg);
}

static void on_event(struct watch_set *w, const struct inotify_event *e)
{
	const struct watch *at = find(w, e->wd);

	if (e->mask & IN_Q_OVERFLOW)
		w->sink.lost(w->sink.arg);
	else if (e->mask & IN_IGNORED)
		drop(w, e->wd);
	else if (at && at->project)
		on_repository(w, at, e);
	else if (at)
		on_projects(w, e);
}

void watch_read(struct watch_set *w)
{
	union {
		char bytes[EVENTS_MAX];
		struct inotify_event event;
	} *buf = alloc_zero(sizeof(*buf));
	ssize_t n;

	while ((n = read(w->fd, buf->bytes, sizeof(buf->bytes))) > 0) {
		for (ssize_t at = 0; at < n;) {
			const struct inotify_event *e = (const void *)(buf->bytes + at);

			on_event(w, e);
			at += (ssize_t)(sizeof(*e) + e->len);
		}
	}
	free(buf);
}
