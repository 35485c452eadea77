/* git packs, we say when and see that it lasts.
 *
 * `git repack --geometric` joins small packs and loose objects into larger ones and leaves the large
 * ones alone, so its cost follows what is new. It takes over whatever is in the packs it
 * joins, reachable or not. Old packs are removed by git after the new one was synced; the directory
 * is synced here. Readers that had an old pack open look at the disk anew (store/object.c).
 *
 * Refs are packed while the numbering lock is held: a numberer that links a new ref meanwhile would
 * be safe, but would read all of packed-refs again.
 *
 * A project that is being imported into is left alone: its lock is not waited for.
 */
#include "store/gc.h"

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
#include "store/git_child.h"
#include "store/git_lock.h"
#include "store/index.h"
#include "store/index_fill.h"
#include "store/index_format.h"
#include "store/project_private.h"
#include "store/project_record.h"
#include "store/refresh.h"
#include "store/store_private.h"

enum { GIT_SAYS_MAX = 64 << 10, DEPTH_MAX = 8 };

static int run_git(struct project *p, const char *const *args)
{
	CLEANUP(buf_deinit) struct buf out;
	CLEANUP(buf_deinit) struct buf err;
	int r;

	buf_init(&out, GIT_SAYS_MAX);
	buf_init(&err, GIT_SAYS_MAX);
	r = git_child_run(project_dir_fd(p), args, &out, &err);
	if (r <= 0)
		return r;
	/* One line of what git says is enough; the first is the reason. */
	err.data[strcspn(err.data, "\n")] = '\0';
	return fail_words_at(
		__FILE__, __LINE__, -EIO, *err.data ? err.data : "it gives no reason",
		"git %s in project '%s' ended with %d", args[0], project_name(p), r);
}

static uint64_t bytes_below(int at, const char *name, int depth)
{
	CLEANUP(closedirp) DIR *dir = NULL;
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	const struct dirent *e;
	uint64_t sum = 0;

	if (fd < 0)
		return 0;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return 0;
	}
	while ((e = readdir(dir))) {
		struct stat sb;

		if (*e->d_name == '.' || fstatat(fd, e->d_name, &sb, AT_SYMLINK_NOFOLLOW))
			continue;
		if (S_ISDIR(sb.st_mode) && depth < DEPTH_MAX)
			sum += bytes_below(fd, e->d_name, depth + 1);
		else if (S_ISREG(sb.st_mode))
			sum += (uint64_t)sb.st_blocks * 512;
	}
	return sum;
}

static void remove_dead(const struct git_lock *lock, void *arg)
{
	struct gc_result *result = arg;

	if (!git_lock_is_dead(&lock->stat) || unlinkat(lock->dir_fd, lock->name, 0))
		return;
	log_info("gc: removed '%s', left by a git that was killed", lock->path);
	result->n_locks++;
}

static int pack_objects(struct project *p, bool full)
{
	/* --keep-unreachable: what is not reachable now may be wanted back. */
	static const char *const all[] = {
		"repack", "-a", "-d", "-l", "-q", "--keep-unreachable", NULL};
	static const char *const some[] = {"repack", "-d", "-l", "-q", "--geometric=2", NULL};
	int r = run_git(p, full ? all : some);

	return r ? r : io_sync_dir(project_dir_fd(p), "objects/pack");
}

static int pack_refs(struct project *p)
{
	static const char *const args[] = {"pack-refs", "--all", NULL};
	CLEANUP(close_p) int lock = -1;
	int r = project_lock_file(p, "fragfs.numbering.lock", "packing refs", true, &lock);

	if (!r)
		r = run_git(p, args);
	return r ? r : io_sync_dir(project_dir_fd(p), ".");
}

int gc_project(struct project *p, bool full, struct gc_result *ret)
{
	CLEANUP(close_p) int lock = -1;
	struct refresh_result fresh;
	uint64_t before;
	int r = project_lock(p, "gc", false, &lock);

	if (r)
		return r;
	git_lock_each(project_dir_fd(p), remove_dead, ret);
	/* Every commit has its ref before anything is touched. */
	r = refresh_project(p, NULL, NULL, &fresh);
	if (r)
		return r;
	before = bytes_below(project_dir_fd(p), "objects", 0);
	r = pack_objects(p, full);
	if (!r)
		r = pack_refs(p);
	if (r)
		return project_is_gone(p) ? (int)PROJECT_GONE : r;
	project_close_files(p);
	ret->n_packed++;
	ret->bytes_before += before;
	ret->bytes_after += bytes_below(project_dir_fd(p), "objects", 0);
	return 0;
}

struct sweep {
	struct store *st;
	const struct gc *how;
	struct gc_result *result;
	int fault;
	uint64_t *vanished;
	size_t n_vanished, cap;
};

static int gc_one(const char *name, void *arg)
{
	CLEANUP(project_unrefp) struct project *p = NULL;
	struct sweep *s = arg;
	int r;

	if (s->how->progress)
		s->how->progress(name, s->how->arg);
	r = project_open(s->st, name, &p);
	if (!r)
		r = gc_project(p, s->how->full, s->result);
	if (r == PROJECT_LOCKED)
		s->result->n_locked++;
	else if (r > 0)
		log_warn("gc: project '%s' is no git repository, ignoring it", name);
	if (r < 0 && !s->fault)
		s->fault = r;
	return 0;
}

/* Opening every project has bound each id to the name it has now. */
static int find_vanished(const void *key, size_t key_len, const void *val, size_t val_len,
			 void *arg)
{
	struct sweep *s = arg;
	char dir[PROJECT_DIR_NAME_MAX];
	struct project_record rec;
	struct reader in;
	struct stat sb;
	uint64_t id = 0;

	if (key_len != INDEX_PROJECT_KEY_LEN)
		return 0;
	reader_init(&in, key, key_len);
	for (size_t i = 0; i < key_len; i++)
		id = id << 8 | reader_u8(&in);
	if (!project_record_decode(val, val_len, &rec) &&
	    (!fstatat(s->st->projects_fd, project_dir_name(rec.name, dir), &sb,
		      AT_SYMLINK_NOFOLLOW) ||
	     errno != ENOENT))
		return 0;
	alloc_grow(&s->vanished, &s->cap, s->n_vanished + 1, sizeof(*s->vanished));
	s->vanished[s->n_vanished++] = id;
	return 0;
}

static int drop_records(struct store *st, uint64_t id)
{
	unsigned char key[INDEX_PROJECT_KEY_LEN];
	struct index_batch *b;
	int r = index_begin(st->index, &b);

	if (r)
		return r;
	index_project_key(id, key);
	r = index_fill_clear(b, id);
	if (!r)
		r = index_delete(b, INDEX_PROJECT, key, sizeof(key));
	if (r < 0) {
		index_abort(b);
		return r;
	}
	return index_commit(b);
}

static int drop_vanished(struct sweep *s)
{
	int r = index_each(s->st->index, INDEX_PROJECT, "", 0, NULL, 0, find_vanished, s);

	for (size_t i = 0; !r && i < s->n_vanished; i++) {
		r = drop_records(s->st, s->vanished[i]);
		s->result->n_vanished += !r;
	}
	free(s->vanished);
	return r;
}

int gc_store(struct store *st, const struct gc *how, struct gc_result *ret)
{
	struct sweep s = {.st = st, .how = how, .result = ret};
	int r = project_each(st, gc_one, &s);

	if (!r)
		r = drop_vanished(&s);
	ret->cache_freed += blob_cache_trim(&st->blob_files, how->cache_limit);
	return r ? r : s.fault;
}
