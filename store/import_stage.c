/* The staged repository.
 *
 * One flock under run/ per name says who is at it; it dies with its holder, and its holder's pid
 * is for the message only. The file `fragfs-source` inside names the source, so that a stage is
 * only ever continued by the import that began it. What a killed git left (*.lock,
 * tmp_*) belongs to nobody once we hold the lock, and goes before anything else happens.
 *
 *	     open ──▶ (transfer, fast-import, copy: as often as it takes) ──▶ refs
 *	      │                                                               │
 *	      ▼                                          new project: publish │ existing: absorb
 *	 other source: thrown away                       rename, one instant  ▼ packs, then refs
 *
 * Objects move into a project pack by pack, the .idx last, since git and libgit2 look for that.
 */
#include "store/import_stage.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/lock.h"
#include "base/log.h"
#include "store/project_private.h"
#include "store/store.h"

#define SOURCE_FILE "fragfs-source"

enum { SOURCE_MAX = 64 << 10, DEPTH_MAX = 40 };

DEFINE_CLEANUP(struct import_stage *, import_stage_free)

static int take_lock(struct import_stage *s)
{
	CLEANUP(free_p) char *file = alloc_fmt("import-%s.lock", s->name);
	char who[128];
	int r = lock_take(store_run_fd(s->st), file, "importing", false, &s->lock);

	if (r != LOCK_HELD)
		return r;
	lock_holder(store_run_fd(s->st), file, who, sizeof(who));
	who[strcspn(who, "\n")] = '\0';
	log_err("import: '%s' is being imported by another process (%s): wait for it, or stop "
		"it",
		s->name, *who ? who : "unknown");
	return IMPORT_STAGE_HELD;
}

static bool ends_in(const char *s, const char *end)
{
	size_t len = strlen(s), n = strlen(end);

	return len >= n && !strcmp(s + len - n, end);
}

/* Removes what a killed git left anywhere below `fd`. */
static int sweep(int fd, const char *path, int depth)
{
	CLEANUP(closedirp) DIR *d = NULL;
	CLEANUP(close_p)
	int own = openat(fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	const struct dirent *e;
	int r = 0;

	if (own < 0)
		return fail(-errno, "open '%s'", path);
	d = fdopendir(own);
	if (!d)
		return fail(-errno, "open '%s'", path);
	own = -1;
	while (!r && (e = readdir(d))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (e->d_type == DT_DIR && depth < DEPTH_MAX)
			r = sweep(dirfd(d), e->d_name, depth + 1);
		else if ((ends_in(e->d_name, ".lock") || !strncmp(e->d_name, "tmp_", 4) ||
			  !strncmp(e->d_name, ".tmp-", 5) || ends_in(e->d_name, ".keep")) &&
			 unlinkat(dirfd(d), e->d_name, 0))
			r = fail(-errno, "remove '%s'", e->d_name);
	}
	return r;
}

/* Whether what stands there was begun for `source`. */
static bool is_of(const struct import_stage *s, const char *source)
{
	CLEANUP(close_p)
	int fd = openat(store_projects_fd(s->st), s->dir,
			O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	CLEANUP(buf_deinit) struct buf b;

	buf_init(&b, SOURCE_MAX);
	return fd >= 0 && faccessat(fd, SOURCE_FILE, R_OK, AT_SYMLINK_NOFOLLOW) == 0 &&
	       io_slurp(fd, SOURCE_FILE, &b) == 0 && !strcmp(b.data, source);
}

/* Its claim goes first: half a stage must not be taken for one to go on with. */
static int discard(struct store *st, const char *dir)
{
	CLEANUP(free_p) char *claim = alloc_fmt("%s/" SOURCE_FILE, dir);

	(void)unlinkat(store_projects_fd(st), claim, 0);
	return io_remove_tree(store_projects_fd(st), dir);
}

static int make(struct import_stage *s, const char *source)
{
	int r = 0;

	s->resumed = is_of(s, source);
	if (!s->resumed)
		r = discard(s->st, s->dir);
	if (!r && !s->resumed)
		r = project_make_dir(s->st, s->dir);
	if (r)
		return r;
	s->fd = openat(store_projects_fd(s->st), s->dir,
		       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (s->fd < 0)
		return fail(-errno, "open '%s'", s->path);
	/* Written last: a stage without it was not finished being made. */
	if (!s->resumed)
		r = io_replace(s->fd, SOURCE_FILE, source, strlen(source), 0600);
	return r ? r : sweep(s->fd, ".", 0);
}

int import_stage_open(struct store *st, const char *name, const char *source,
		      struct import_stage **ret)
{
	CLEANUP(import_stage_freep) struct import_stage *s = alloc_zero(sizeof(*s));
	int r;

	s->st = st;
	s->fd = s->lock = -1;
	s->name = alloc_str(name);
	s->dir = alloc_fmt(".incoming-%s", name);
	s->path = alloc_fmt("%s/projects/%s", store_home(st), s->dir);
	r = take_lock(s);
	if (!r)
		r = make(s, source);
	if (r)
		return r;
	*ret = TAKE(s);
	return 0;
}

void import_stage_free(struct import_stage *s)
{
	if (!s)
		return;
	close_p(&s->fd);
	close_p(&s->lock);
	free(s->name);
	free(s->dir);
	free(s->path);
	free(s);
}

int import_stage_borrow(struct import_stage *s, const struct project *project,
			const char *const *dirs, size_t n)
{
	CLEANUP(buf_deinit) struct buf b;
	int r = 0;

	buf_init(&b, 1 << 20);
	if (project)
		r = buf_fmt(&b, "../../%s.git/objects\n", project_name(project));
	for (size_t i = 0; !r && i < n; i++)
		r = buf_fmt(&b, "%s\n", dirs[i]);
	if (r)
		return fail(r, "list the object directories to borrow from");
	if (b.len)
		return io_replace(s->fd, "objects/info/alternates", b.data, b.len, 0644);
	if (unlinkat(s->fd, "objects/info/alternates", 0) && errno != ENOENT)
		return fail(-errno, "remove the list of borrowed objects");
	return 0;
}

/* Empty directories and files that only an import needs. */
static int strip(struct import_stage *s)
{
	static const char *const files[] = {"FETCH_HEAD", "objects/info/alternates",
					    SOURCE_FILE};

	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		if (unlinkat(s->fd, files[i], 0) && errno != ENOENT)
			return fail(-errno, "remove '%s'", files[i]);
	}
	return 0;
}

int import_stage_publish(struct import_stage *s)
{
	int r = strip(s);

	if (r)
		return r;
	/* One flush for everything that git, or copying many small files, did not sync. */
	if (syncfs(s->fd))
		return fail(-errno, "sync '%s'", s->path);
	r = project_put(s->st, s->dir, s->name);
	return r > 0 ? (int)IMPORT_STAGE_TAKEN : r;
}

/* Moves the files of one directory of objects; those that end in `last` come after all others. */
static int move_pass(int from, int to, const char *last, bool is_last)
{
	CLEANUP(closedirp) DIR *d = NULL;
	CLEANUP(close_p) int own = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct dirent *e;

	d = own >= 0 ? fdopendir(own) : NULL;
	if (!d)
		return fail(-errno, "read the staged objects");
	own = -1;
	while ((e = readdir(d))) {
		if (e->d_type == DT_DIR || ends_in(e->d_name, last) != is_last)
			continue;
		if (renameat(from, e->d_name, to, e->d_name))
			return fail(-errno, "move '%s' into the project", e->d_name);
	}
	return 0;
}

static int move_dir(int from_fd, int to_fd, const char *path)
{
	CLEANUP(close_p) int from = -1;
	CLEANUP(close_p) int to = -1;
	int r = io_mkdir(to_fd, path, 0755);

	if (r)
		return r;
	from = openat(from_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	to = openat(to_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (from < 0 || to < 0)
		return fail(-errno, "open '%s'", path);
	r = move_pass(from, to, ".idx", false);
	if (!r)
		r = io_sync_dir(to, ".");
	if (!r)
		r = move_pass(from, to, ".idx", true);
	return r ? r : io_sync_dir(to, ".");
}

static bool is_fanout(const char *name)
{
	return strlen(name) == 2 && isxdigit((unsigned char)name[0]) &&
	       isxdigit((unsigned char)name[1]);
}

static int move_loose(int from, int to)
{
	CLEANUP(closedirp) DIR *d = NULL;
	CLEANUP(close_p) int own = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct dirent *e;
	int r = 0;

	d = own >= 0 ? fdopendir(own) : NULL;
	if (!d)
		return fail(-errno, "read the staged objects");
	own = -1;
	while (!r && (e = readdir(d))) {
		if (is_fanout(e->d_name))
			r = move_dir(from, to, e->d_name);
	}
	return r;
}

int import_stage_absorb(struct import_stage *s, struct project *p)
{
	CLEANUP(close_p) int from = -1;
	CLEANUP(close_p) int to = -1;
	int r;

	if (syncfs(s->fd))
		return fail(-errno, "sync '%s'", s->path);
	from = openat(s->fd, "objects", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	to = openat(project_dir_fd(p), "objects", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (from < 0 || to < 0)
		return fail(-errno, "open the objects of '%s'", s->name);
	r = move_loose(from, to);
	if (!r)
		r = move_dir(from, to, "pack");
	return r ? r : io_sync_dir(to, ".");
}

bool import_stage_is_empty(const struct import_stage *s)
{
	CLEANUP(closedirp) DIR *d = NULL;
	CLEANUP(close_p)
	int own =
		openat(s->fd, "objects/pack", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	const struct dirent *e;

	d = own >= 0 ? fdopendir(own) : NULL;
	if (!d)
		return false;
	own = -1;
	while ((e = readdir(d))) {
		if (ends_in(e->d_name, ".idx"))
			return false;
	}
	return true;
}

bool import_stage_is_left(struct store *st, const char *name)
{
	CLEANUP(free_p) char *dir = alloc_fmt(".incoming-%s", name);

	return !faccessat(store_projects_fd(st), dir, F_OK, AT_SYMLINK_NOFOLLOW);
}

int import_stage_drop(struct import_stage *s)
{
	return discard(s->st, s->dir);
}
