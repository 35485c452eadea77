/* provider/agent/notice.c - inotify over the directories that count.
 *
 * One watch per directory, numbered by the kernel from 1 upwards, so an array from number to path is the whole table. A new
 * directory is watched together with what is below it already: files that were made in it before the watch stood are no
 * events of ours, but the making of the directory was one, so a look follows in any case. When the queue overflowed, or the
 * project's directory itself was replaced, everything is watched anew.
 *
 * The sandbox may swap a directory for a link at any moment. A watch then stands somewhere else inside the sandbox, where
 * it can cause looks and nothing more.
 */
#include "provider/agent/notice.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "provider/agent/ignore.h"

enum { EVENTS_LEN = 64 << 10, DEPTH_MAX = 128, LOOK_SHARE = 10 };

#define EVENTS                                                                                 \
	(IN_CREATE | IN_DELETE | IN_MODIFY | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB |         \
	 IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR | IN_DONT_FOLLOW | IN_EXCL_UNLINK)

struct notice {
	int fd;
	char *root;
	char **paths; /* by watch number; NULL: none of that number */
	size_t cap, n;
	int root_wd;
	int64_t first_ms, last_ms; /* of events since the last look; 0: none */
	int64_t earliest_ms;       /* no look before */
};

static void forget_all(struct notice *w)
{
	for (size_t i = 0; i < w->cap; i++)
		free(w->paths[i]);
	free(w->paths);
	w->paths = NULL;
	w->cap = w->n = 0;
	w->root_wd = -1;
}

static void remember(struct notice *w, int wd, const char *path)
{
	size_t old = w->cap;

	if ((size_t)wd >= w->cap) {
		alloc_grow(&w->paths, &w->cap, (size_t)wd + 1, sizeof(*w->paths));
		memset(w->paths + old, 0, (w->cap - old) * sizeof(*w->paths));
	}
	w->n += !w->paths[wd];
	free(w->paths[wd]);
	w->paths[wd] = alloc_str(path);
}

static bool is_dir(const struct dirent *e)
{
	/* Unknown types are tried: IN_ONLYDIR refuses what is none. */
	return e->d_type == DT_DIR || e->d_type == DT_UNKNOWN;
}

static void notice_tree(struct notice *w, const char *path, unsigned depth)
{
	CLEANUP(closedirp) DIR *dir = NULL;
	struct dirent *e;
	int wd;

	if (depth > DEPTH_MAX || w->n >= NOTICE_DIRS_MAX)
		return;
	wd = inotify_add_watch(w->fd, path, EVENTS);
	if (wd < 0)
		return;
	remember(w, wd, path);
	if (!depth)
		w->root_wd = wd;
	dir = opendir(path);
	while (dir && (e = readdir(dir))) {
		char below[PATH_MAX];
		int len;

		if (!is_dir(e) || !strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") ||
		    ignore_name(e->d_name, strlen(e->d_name)) != IGNORE_NO)
			continue;
		len = snprintf(below, sizeof(below), "%s/%s", path, e->d_name);
		if (len > 0 && (size_t)len < sizeof(below))
			notice_tree(w, below, depth + 1);
	}
}

static bool start_anew(struct notice *w)
{
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

	if (fd < 0)
		return false;
	close_p(&w->fd);
	w->fd = fd;
	forget_all(w);
	notice_tree(w, w->root, 0);
	return true;
}

struct notice *notice_new(const char *root)
{
	struct notice *w = alloc_zero(sizeof(*w));

	w->fd = -1;
	w->root = alloc_str(root);
	if (start_anew(w) && w->root_wd >= 0)
		return w;
	notice_free(w);
	return NULL;
}

void notice_free(struct notice *w)
{
	if (!w)
		return;
	forget_all(w);
	close_p(&w->fd);
	free(w->root);
	free(w);
}

int notice_fd(const struct notice *w)
{
	return w->fd;
}

static void drop(struct notice *w, int wd)
{
	if (wd < 0 || (size_t)wd >= w->cap || !w->paths[wd])
		return;
	free(w->paths[wd]);
	w->paths[wd] = NULL;
	w->n--;
}

static void follow_new_dir(struct notice *w, const struct inotify_event *e)
{
	const char *parent = e->wd >= 0 && (size_t)e->wd < w->cap ? w->paths[e->wd] : NULL;
	char path[PATH_MAX];
	int len;

	if (!parent)
		return;
	len = snprintf(path, sizeof(path), "%s/%s", parent, e->name);
	if (len > 0 && (size_t)len < sizeof(path))
		notice_tree(w, path, 1);
}

/* Whether it is a reason to look; `*anew` when the watches themselves are in doubt. */
static bool take(struct notice *w, const struct inotify_event *e, bool *anew)
{
	if (e->mask & IN_Q_OVERFLOW) {
		*anew = true;
		return true;
	}
	if (e->mask & IN_IGNORED) {
		*anew |= e->wd == w->root_wd;
		drop(w, e->wd);
		return *anew;
	}
	if (e->mask & (IN_DELETE_SELF | IN_MOVE_SELF)) {
		*anew |= e->wd == w->root_wd;
		return true;
	}
	if (e->len && ignore_name(e->name, strlen(e->name)) != IGNORE_NO)
		return false;
	if (e->mask & IN_ISDIR && e->mask & (IN_CREATE | IN_MOVED_TO))
		follow_new_dir(w, e);
	return true;
}

void notice_hear(struct notice *w, int64_t now_ms)
{
	_Alignas(struct inotify_event) static char events[EVENTS_LEN];
	bool news = false, anew = false;
	ssize_t n;

	while ((n = read(w->fd, events, sizeof(events))) > 0) {
		for (char *p = events; p < events + n;) {
			const struct inotify_event *e = (const void *)p;

			news |= take(w, e, &anew);
			p += sizeof(*e) + e->len;
		}
	}
	if (anew)
		(void)start_anew(w);
	if (!news)
		return;
	w->last_ms = now_ms;
	if (!w->first_ms)
		w->first_ms = now_ms;
}

void notice_doubt(struct notice *w, int64_t now_ms)
{
	w->last_ms = now_ms;
	if (!w->first_ms)
		w->first_ms = now_ms;
}

int notice_wait_ms(const struct notice *w, int64_t now_ms)
{
	int64_t at;

	if (!w->first_ms)
		return -1;
	at = w->last_ms + NOTICE_QUIET_MS;
	if (at > w->first_ms + NOTICE_LATEST_MS)
		at = w->first_ms + NOTICE_LATEST_MS;
	if (at < w->earliest_ms)
		at = w->earliest_ms;
	return at > now_ms ? (int)(at - now_ms) : 0;
}

void notice_looked(struct notice *w, int64_t now_ms, int64_t cost_ms)
{
	w->first_ms = w->last_ms = 0;
	w->earliest_ms = now_ms + cost_ms * LOOK_SHARE;
	/* The look made the project's directory again: what came since is seen by one more. */
	if (w->root_wd < 0 && start_anew(w) && w->root_wd >= 0)
		w->first_ms = w->last_ms = now_ms;
}
