/* The home: its directories, its version, and the order in which they are opened.
 *
 * A home is made directory by directory and its version file comes last, so a home with a
 * version is whole. Opening makes again what is only run-time (run/, cache/) or can be
 * rebuilt (index/); it never makes projects/ anew, because a missing projects/ is a disk
 * that is not mounted or a mistake, and an empty store would hide it.
 */
#include "store/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/log.h"
#include "store/git.h"
#include "store/index.h"
#include "store/index_private.h"
#include "store/lru.h"
#include "store/project_private.h"
#include "store/refresh.h"
#include "store/store_private.h"

enum { VERSION_FILE_MAX = 32 };

static const char *const home_dirs[] = {"projects",  "index", "state",
					"sandboxes", "cache", "run"};

/* 0 and the number, STORE_ABSENT when there is no version file, STORE_NEWER, or a fault. */
static int read_version(int home_fd)
{
	CLEANUP(buf_deinit) struct buf b;
	unsigned long version = 0;
	size_t n;
	int r;

	buf_init(&b, VERSION_FILE_MAX);
	r = io_slurp(home_fd, "version", &b);
	if (r == IO_MISSING)
		return STORE_ABSENT;
	if (r)
		return r;
	n = strspn(b.data, "0123456789");
	for (size_t i = 0; i < n; i++)
		version =
			version > 100000 ? version : version * 10 + (unsigned)(b.data[i] - '0');
	if (!n || strcmp(b.data + n, "\n") != 0 || !version)
		return fail(-EINVAL, "the file 'version' of the home holds no version");
	return version > STORE_VERSION ? STORE_NEWER : 0;
}

static bool directory_empty(int fd)
{
	CLEANUP(closedirp) DIR *dir = NULL;
	int own = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct dirent *e;

	if (own < 0)
		return false;
	dir = fdopendir(own);
	if (!dir) {
		close(own);
		return false;
	}
	while ((e = readdir(dir))) {
		bool ours = false;

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") ||
		    !strncmp(e->d_name, "version.tmp.", strlen("version.tmp.")))
			continue;
		/* A killed init leaves some of our directories and no version. */
		for (size_t i = 0; i < sizeof(home_dirs) / sizeof(*home_dirs); i++)
			ours = ours || !strcmp(e->d_name, home_dirs[i]);
		if (!ours)
			return false;
	}
	return true;
}

static int make_home(int home_fd, const char *home)
{
	int r = 0;

	if (!directory_empty(home_fd))
		return fail(-ENOTEMPTY, "make a home in '%s', which holds other files", home);
	for (size_t i = 0; !r && i < sizeof(home_dirs) / sizeof(*home_dirs); i++)
		r = io_mkdir(home_fd, home_dirs[i], 0700);
	if (!r)
		r = io_sync_dir(home_fd, ".");
	return r ? r : io_replace(home_fd, "version", "1\n", 2, 0644);
}

static int sync_parent_of(const char *home)
{
	CLEANUP(free_p) char *parent = alloc_fmt("%s/..", home);

	return io_sync_dir(AT_FDCWD, parent);
}

int store_init(const char *home)
{
	CLEANUP(close_p) int fd = -1;
	int r;

	r = io_mkdirs(AT_FDCWD, home, 0700);
	if (r)
		return r;
	fd = open(home, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return fail(-errno, "open the home '%s'", home);
	r = read_version(fd);
	if (r != STORE_ABSENT)
		return r;
	r = make_home(fd, home);
	return r ? r : sync_parent_of(home);
}

static int open_dir(int home_fd, const char *name, int *ret)
{
	*ret = openat(home_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *ret < 0 ? fail(-errno, "open '%s' of the home", name) : 0;
}

static int open_dirs(struct store *st)
{
	int r = read_version(st->home_fd);

	if (r)
		return r;
	r = open_dir(st->home_fd, "projects", &st->projects_fd);
	if (!r)
		r = io_mkdir(st->home_fd, "run", 0700);
	if (!r)
		r = io_mkdir(st->home_fd, "cache", 0700);
	return r ? r : open_dir(st->home_fd, "run", &st->run_fd);
}

static int any_project(const char *name, void *arg)
{
	*(bool *)arg = true;
	return 1;
}

/* A new index knows nothing; what git has is read before anybody asks. */
static int fill_index(struct store *st)
{
	bool any = false;
	int r;

	if (!index_is_fresh(st->index))
		return 0;
	r = project_each(st, any_project, &any);
	if (r < 0 || !any)
		return r < 0 ? r : 0;
	log_warn("store: the index of '%s' is new, rebuilding it from git", st->home);
	/* A project that cannot be followed now, say for a lock of git's, must not close the home to all
	 * the others; what is wrong was said, and its next refresh tries again. */
	if (refresh_rebuild_all(st, NULL, NULL))
		log_warn("store: not every project of '%s' could be indexed, ignoring the rest",
			 st->home);
	return 0;
}

static struct store *store_new(const char *home)
{
	struct store *st = alloc_zero(sizeof(*st));

	st->home = alloc_str(home);
	st->home_fd = st->projects_fd = st->run_fd = -1;
	pthread_mutex_init(&st->table_lock, NULL);
	pthread_mutex_init(&st->open_lock, NULL);
	pthread_mutex_init(&st->state_lock, NULL);
	st->trees = lru_new(STORE_TREE_BYTES);
	st->blobs = lru_new(STORE_BLOB_BYTES);
	blob_cache_init(&st->blob_files, st);
	return st;
}

int store_open(const char *home, struct store **ret)
{
	struct store *st;
	int r = git_start();

	if (r)
		return r;
	st = store_new(home);
	st->home_fd = open(home, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (st->home_fd < 0) {
		int err = errno;

		r = err == ENOENT || err == ENOTDIR ? (int)STORE_ABSENT
						    : fail(-err, "open the home '%s'", home);
	}
	if (!r)
		r = open_dirs(st);
	if (!r)
		r = index_open(st->home_fd, home, &st->index);
	if (!r) {
		project_sweep(st);
		r = fill_index(st);
	}
	if (r) {
		store_close(st);
		return r;
	}
	*ret = st;
	return 0;
}

void store_close(struct store *st)
{
	if (!st)
		return;
	state_close(st->state);
	index_close(st->index);
	for (size_t i = 0; i < STORE_BUCKETS; i++) {
		if (st->table[i])
			log_warn("store: a handle of project '%s' outlives its store, ignoring",
				 st->table[i]->name);
	}
	lru_free(st->trees);
	lru_free(st->blobs);
	blob_cache_deinit(&st->blob_files);
	close_p(&st->run_fd);
	close_p(&st->projects_fd);
	close_p(&st->home_fd);
	pthread_mutex_destroy(&st->state_lock);
	pthread_mutex_destroy(&st->open_lock);
	pthread_mutex_destroy(&st->table_lock);
	free(st->home);
	free(st);
	git_stop();
}

const char *store_home(const struct store *st)
{
	return st->home;
}

int store_home_fd(const struct store *st)
{
	return st->home_fd;
}

int store_projects_fd(const struct store *st)
{
	return st->projects_fd;
}

int store_run_fd(const struct store *st)
{
	return st->run_fd;
}

struct index *store_index(struct store *st)
{
	return st->index;
}
