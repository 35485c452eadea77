/* Making, renaming and deleting projects so that a power cut leaves the old or the new.
 *
 * git_repository_init() syncs nothing, so a repository is written here by hand: a few small files in
 * a directory with a dot in front, each synced, then one rename, then a sync of projects/.
 * Deleting is the way back: a rename to a dot name, a sync, and only then the removal.
 * Names that start with a dot are no projects, so half of either is never seen; whoever
 * opens the home next, with nobody at work, sweeps them away.
 *
 * All three hold run/projects.lock.
 */
#include "store/project.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/lock.h"
#include "base/log.h"
#include "store/project_private.h"
#include "store/store_private.h"

enum { TEMP_NAME_MAX = 64 };

static int lock_projects(struct store *st, bool wait, int *ret)
{
	return lock_take(st->run_fd, "projects.lock", "changing projects", wait, ret);
}

static void temp_name(const char *kind, char ret[TEMP_NAME_MAX])
{
	(void)snprintf(ret, TEMP_NAME_MAX, ".%s-%016" PRIx64, kind, project_id_new());
}

static int write_synced(int dir, const char *path, const char *text)
{
	CLEANUP(close_p)
	int fd = openat(dir, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	int r;

	if (fd < 0)
		return fail(-errno, "create '%s'", path);
	r = io_write_all(fd, text, strlen(text));
	if (!r && fsync(fd))
		r = -errno;
	return r ? fail(r, "write '%s'", path) : 0;
}

/* Plain git is told to be as careful as we are; packing is done by `frag gc`, not behind our back. */
static char *config_text(void)
{
	return alloc_fmt("[core]\n"
			 "\trepositoryformatversion = 0\n"
			 "\tfilemode = true\n"
			 "\tbare = true\n"
			 "\tlogAllRefUpdates = true\n"
			 "\tfsync = all\n"
			 "[gc]\n"
			 "\tauto = 0\n"
			 "[receive]\n"
			 "\tautogc = false\n"
			 "\tdenyCurrentBranch = ignore\n"
			 "[maintenance]\n"
			 "\tauto = false\n"
			 "[fragfs]\n"
			 "\tid = %016" PRIx64 "\n",
			 project_id_new());
}

static int write_repository(int dir)
{
	/* Parents first; synced in the opposite order. */
	static const char *const dirs[] = {"objects",        "objects/info", "objects/pack",
					   "refs",           "refs/heads",   "refs/tags",
					   "refs/fragments", "info"};
	CLEANUP(free_p) char *config = config_text();
	size_t n = sizeof(dirs) / sizeof(*dirs);
	int r = 0;

	for (size_t i = 0; !r && i < n; i++)
		r = io_mkdir(dir, dirs[i], 0755);
	if (!r)
		r = write_synced(dir, "config", config);
	if (!r)
		r = write_synced(dir, "HEAD", "ref: refs/heads/main\n");
	while (!r && n)
		r = io_sync_dir(dir, dirs[--n]);
	return r ? r : io_sync_dir(dir, ".");
}

int project_make_dir(struct store *st, const char *temp)
{
	CLEANUP(close_p) int dir = -1;
	int r = io_mkdir(st->projects_fd, temp, 0755);

	if (r)
		return r;
	dir = openat(st->projects_fd, temp, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir < 0 ? fail(-errno, "open '%s'", temp) : write_repository(dir);
}

/* Takes the place of `to`, which must be free, durably. 0, PROJECT_EXISTS, or a fault. */
static int put_in_place(struct store *st, const char *from, const char *to)
{
	if (renameat2(st->projects_fd, from, st->projects_fd, to, RENAME_NOREPLACE))
		return errno == EEXIST ? (int)PROJECT_EXISTS
				       : fail(-errno, "rename '%s' to '%s'", from, to);
	return io_sync_dir(st->projects_fd, ".");
}

int project_put(struct store *st, const char *from, const char *name)
{
	char dir[PROJECT_DIR_NAME_MAX];
	CLEANUP(close_p) int lock = -1;
	int r = lock_projects(st, true, &lock);

	return r ? r : put_in_place(st, from, project_dir_name(name, dir));
}

static bool is_taken(struct store *st, const char *dir)
{
	struct stat sb;

	return !fstatat(st->projects_fd, dir, &sb, AT_SYMLINK_NOFOLLOW);
}

int project_create(struct store *st, const char *name, struct project **ret)
{
	char dir[PROJECT_DIR_NAME_MAX], temp[TEMP_NAME_MAX];
	CLEANUP(close_p) int lock = -1;
	int r;

	if (!project_name_ok(name))
		return PROJECT_BAD_NAME;
	r = lock_projects(st, true, &lock);
	if (r)
		return r;
	if (is_taken(st, project_dir_name(name, dir)))
		return PROJECT_EXISTS;
	temp_name("new", temp);
	r = project_make_dir(st, temp);
	if (!r)
		r = put_in_place(st, temp, dir);
	if (r) {
		(void)io_remove_tree(st->projects_fd, temp);
		return r;
	}
	r = project_open(st, name, ret);
	return r > 0 ? fail(-EIO, "project '%s' vanished while it was made", name) : r;
}

int project_rename(struct store *st, const char *from, const char *to)
{
	char old[PROJECT_DIR_NAME_MAX], new[PROJECT_DIR_NAME_MAX];
	CLEANUP(close_p) int lock = -1;
	CLEANUP(project_unrefp) struct project *p = NULL;
	int r;

	if (!project_name_ok(from) || !project_name_ok(to))
		return PROJECT_BAD_NAME;
	r = lock_projects(st, true, &lock);
	if (r)
		return r;
	if (!is_taken(st, project_dir_name(from, old)))
		return PROJECT_MISSING;
	r = put_in_place(st, old, project_dir_name(to, new));
	if (r)
		return r;
	/* Binds the id to the new name; a damaged repository may be renamed all the same. */
	r = project_open(st, to, &p);
	return r < 0 ? r : 0;
}

int project_delete(struct store *st, const char *name)
{
	char dir[PROJECT_DIR_NAME_MAX], temp[TEMP_NAME_MAX];
	CLEANUP(close_p) int lock = -1;
	int r;

	if (!project_name_ok(name))
		return PROJECT_BAD_NAME;
	r = lock_projects(st, true, &lock);
	if (r)
		return r;
	if (!is_taken(st, project_dir_name(name, dir)))
		return PROJECT_MISSING;
	temp_name("trash", temp);
	r = put_in_place(st, dir, temp);
	if (r)
		return r > 0 ? fail(-EIO, "delete project '%s': its new name is taken", name)
			     : r;
	return io_remove_tree(st->projects_fd, temp);
}

static bool is_leftover(const char *name)
{
	return !strncmp(name, ".new-", 5) || !strncmp(name, ".trash-", 7);
}

void project_sweep(struct store *st)
{
	CLEANUP(closedirp) DIR *dir = NULL;
	CLEANUP(close_p) int lock = -1;
	const struct dirent *e;
	int fd;

	fd = openat(st->projects_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return;
	}
	while ((e = readdir(dir))) {
		if (!is_leftover(e->d_name))
			continue;
		/* Asked for late: most homes have nothing to sweep. */
		if (lock < 0 && lock_projects(st, false, &lock))
			return;
		log_info("store: removing '%s', left by a killed process", e->d_name);
		(void)io_remove_tree(st->projects_fd, e->d_name);
	}
}
