/* provider/local_wipe.c - rm -rf of a stranger's tree.
 *
 * A sandbox may leave directories nested so deep that a recursive walk would need more descriptors or
 * stack than there are, and directories it closed to its owner. So the tree is flattened: what is inside a
 * subdirectory moves up to the top under a number, and the emptied directory goes. Every entry is handled at depth
 * one, and the work can stop after any of them.
 */
#include "provider/local_wipe.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "provider/local_box.h"

enum { STEP = 4000 };

void wipe_init(struct wipe *w, int dir_fd, const char *name)
{
	*w = (struct wipe){.dir_fd = dir_fd, .top = -1};
	(void)snprintf(w->name, sizeof(w->name), "%s", name);
}

void wipe_deinit(struct wipe *w)
{
	close_p(&w->top);
	w->top = -1;
}

/* Nothing of the sandbox runs any more, so this is still the directory it was; if it stays shut, the next step fails. */
static void open_up(int at, const char *name)
{
	(void)!fchmodat(at, name, 0700, 0);
}

static int open_dir(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd >= 0 || errno != EACCES)
		return fd;
	open_up(at, name);
	return openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static bool is_dots(const char *name)
{
	return !strcmp(name, ".") || !strcmp(name, "..");
}

/* Moves a directory up to the top, where a later look will find it. */
static int move_up(struct wipe *w, int from, const char *name)
{
	char to[32];

	do
		(void)snprintf(to, sizeof(to), ".wipe-%u", w->next++);
	while (!faccessat(w->top, to, F_OK, AT_SYMLINK_NOFOLLOW));
	if (!renameat(from, name, w->top, to))
		return 0;
	open_up(from, name);
	return renameat(from, name, w->top, to) ? -errno : 0;
}

static bool unlink_any(int at, const char *name)
{
	return !unlinkat(at, name, 0) || errno == ENOENT ||
	       ((errno == EISDIR || errno == EPERM) && !unlinkat(at, name, AT_REMOVEDIR));
}

/* Empties `name` of the top by one level and removes it. */
static int flatten(struct wipe *w, const char *name, int *budget)
{
	int fd = open_dir(w->top, name);
	CLEANUP(closedirp) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!dir)
		return fail(fd < 0 ? -errno : -ENOMEM, "open '%s' to remove it", name);
	(void)fchmod(fd, 0700);
	while (*budget > 0 && (e = readdir(dir))) {
		int r;

		if (is_dots(e->d_name) || unlink_any(fd, e->d_name))
			continue;
		*budget -= 1;
		r = move_up(w, fd, e->d_name);
		if (r)
			return fail(r, "remove '%s'", e->d_name);
	}
	return 0;
}

/* One look over the top. 0 when it was empty. */
static int sweep_top(struct wipe *w)
{
	int fd = openat(w->top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), budget = STEP, r = 0;
	CLEANUP(closedirp) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	bool any = false;

	if (!dir)
		return fail(-errno, "open '%s' to remove it", w->name);
	while (!r && budget-- > 0 && (e = readdir(dir))) {
		if (is_dots(e->d_name))
			continue;
		any = true;
		if (!unlink_any(w->top, e->d_name))
			r = flatten(w, e->d_name, &budget);
	}
	return r ? r : any ? WIPE_MORE : 0;
}

int wipe_step(struct wipe *w)
{
	int r;

	if (w->top < 0) {
		w->top = open_dir(w->dir_fd, w->name);
		if (w->top < 0)
			return errno == ENOENT ? 0 : fail(-errno, "open '%s'", w->name);
		(void)fchmod(w->top, 0700);
	}
	r = sweep_top(w);
	if (r)
		return r;
	if (unlinkat(w->dir_fd, w->name, AT_REMOVEDIR) && errno != ENOENT)
		return fail(-errno, "remove '%s'", w->name);
	return 0;
}

void wipe_box(int dir_fd, const char *id)
{
	struct box_process p;
	struct wipe w;
	int fd = -1;

	if (!box_find_process(dir_fd, id, "agent.json", &p, NULL))
		fd = box_open_process(&p);
	if (fd >= 0) {
		(void)syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
		close(fd);
	}
	wipe_init(&w, dir_fd, id);
	while (wipe_step(&w) == WIPE_MORE)
		;
	wipe_deinit(&w);
}
