/* A work tree opened and closed.
 *
 * Opening takes the lock, replays the log and looks for native files that no inode has: what a kill left between
 * an unlink and the removal of the bytes. Closing writes the log anew when that makes it smaller.
 */
#include "store/work.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/lock.h"
#include "store/project.h"
#include "store/store.h"
#include "store/work_private.h"

/* ---- native files without an inode ---- */

static bool parse_ino(const char *name, uint64_t *ret)
{
	char *end;

	errno = 0;
	*ret = strtoull(name, &end, 16);
	return !errno && !*end && end != name;
}

static int bury_strays_of(struct work *w, const char *shard)
{
	CLEANUP(closedirp) DIR *d = NULL;
	int fd = openat(w->files_fd, shard, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	d = fd < 0 ? NULL : fdopendir(fd);
	if (!d)
		return fail(-errno, "look for stray files of work tree '%s'", w->info.name);
	for (struct dirent *e = readdir(d); e; e = readdir(d)) {
		const struct work_node *n;
		uint64_t ino;

		if (*e->d_name == '.' || !parse_ino(e->d_name, &ino))
			continue;
		n = work_node_find(w, ino);
		if (!n || !S_ISREG(n->r.mode) || !(n->r.flags & WORK_NATIVE))
			work_bury(w, ino);
	}
	return 0;
}

static int bury_strays(struct work *w)
{
	CLEANUP(closedirp) DIR *d = NULL;
	int r = 0, fd = openat(w->files_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	d = fd < 0 ? NULL : fdopendir(fd);
	if (!d)
		return fail(-errno, "look for stray files of work tree '%s'", w->info.name);
	for (struct dirent *e = readdir(d); e && !r; e = readdir(d)) {
		if (*e->d_name != '.')
			r = bury_strays_of(w, e->d_name);
	}
	return r;
}

/* ---- opening ---- */

static int open_dirs(struct work *w)
{
	int home = store_home_fd(project_store(w->project)), r;
	char path[32];

	work_dir_path(w->info.id, path);
	r = io_mkdirs(home, path, 0700);
	if (r)
		return r;
	w->dir_fd = openat(home, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (w->dir_fd < 0)
		return fail(-errno, "open '%s'", path);
	r = lock_take(w->dir_fd, "lock", "using the work tree", false, &w->lock_fd);
	if (r)
		return r == LOCK_HELD ? (int)WORK_HELD : r;
	r = io_mkdir(w->dir_fd, "files", 0700);
	if (r)
		return r;
	w->files_fd = openat(w->dir_fd, "files", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return w->files_fd < 0 ? fail(-errno, "open '%s/files'", path) : 0;
}

static int load(struct work *w)
{
	struct work_rec root = {.ino = WORK_ROOT_INO, .mode = S_IFDIR | 0755, .nlink = 2};
	struct work_born born = {0};
	uint32_t subdirs = 0;
	int r = work_born_read(project_store(w->project), &w->info, &born);

	if (r)
		return r < 0 ? r : fail(-ENOENT, "open work tree '%s'", w->info.name);
	root.uid = born.uid;
	root.gid = born.gid;
	root.oid = born.tree;
	root.atime = root.mtime = root.ctime = w->info.created_ns;
	root.size = (uint64_t)w->info.created_ns;
	r = work_count_dirs(w, &born.tree, &subdirs);
	if (r > 0)
		return fail(-EIO, "list the tree of work tree '%s'", w->info.name);
	root.nlink += subdirs;
	if (!r)
		r = work_log_open(w, &root, &born.tree);
	if (r)
		return r;
	w->graves = work_graves_new();
	return bury_strays(w);
}

static void destroy(struct work *w)
{
	work_log_close(w);
	work_orders_free(w->orders);
	work_nodes_deinit(w);
	work_ticks_free(w->ticks);
	work_graves_free(w->graves);
	work_fds_free(w->fds);
	close_p(&w->files_fd);
	close_p(&w->lock_fd);
	close_p(&w->dir_fd);
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->moved);
	pthread_mutex_destroy(&w->ref_lock);
	project_unref(w->project);
	free(w);
}

/* Recursive for one reason: a gitignore that a switch or a snapshot asks may read its rules out of this work tree. */
static void init_lock(pthread_mutex_t *m)
{
	pthread_mutexattr_t a;

	pthread_mutexattr_init(&a);
	pthread_mutexattr_settype(&a, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(m, &a);
	pthread_mutexattr_destroy(&a);
}

int work_open(struct project *p, const struct work_info *info, struct work **ret)
{
	struct work *w = alloc_zero(sizeof(*w));
	int r;

	*w = (struct work){.project = project_ref(p),
			   .info = *info,
			   .refs = 1,
			   .dir_fd = -1,
			   .files_fd = -1,
			   .lock_fd = -1};
	w->log.fd = -1;
	pthread_mutex_init(&w->ref_lock, NULL);
	init_lock(&w->lock);
	pthread_cond_init(&w->moved, NULL);
	w->fds = work_fds_new();
	w->orders = work_orders_new();
	w->ticks = work_ticks_new();
	r = open_dirs(w);
	if (!r)
		r = load(w);
	if (r) {
		destroy(w);
		return r;
	}
	*ret = w;
	return 0;
}

struct work *work_ref(struct work *w)
{
	LOCKED(&w->ref_lock);
	w->refs++;
	return w;
}

unsigned work_refs(struct work *w)
{
	LOCKED(&w->ref_lock);
	return w->refs;
}

void work_unref(struct work *w)
{
	unsigned left;

	if (!w)
		return;
	pthread_mutex_lock(&w->ref_lock);
	left = --w->refs;
	pthread_mutex_unlock(&w->ref_lock);
	if (left)
		return;
	(void)work_log_compact(w, false);
	work_dig(w, true);
	destroy(w);
}

const struct work_info *work_info(const struct work *w)
{
	return &w->info;
}

struct project *work_project(struct work *w)
{
	return w->project;
}

void work_base(struct work *w, struct oid *tree)
{
	LOCKED(&w->lock);
	*tree = w->base;
}

bool work_is_modified(struct work *w)
{
	LOCKED(&w->lock);
	return w->root->r.flags & WORK_MODIFIED || !oid_eq(&w->root->r.oid, &w->base);
}

int work_rebase(struct work *w, const struct oid *tree)
{
	struct work_txn t;
	int r;

	LOCKED(&w->lock);
	work_txn_init(&t, w);
	t.base = tree;
	r = work_txn_commit(&t);
	work_txn_deinit(&t);
	return r;
}
