/* Handles: which repository is meant by a name, and is it still that one.
 *
 * A handle remembers the device and inode of the directory it was opened on. Whenever the
 * disk is looked at anew (a repository object is opened, a refresh begins), a directory
 * that is missing or another one makes the handle `gone`: it leaves the table, the next
 * project_open() makes a new one, and calls through the old one say PROJECT_GONE. What
 * is open already keeps working on the deleted files, as with any open file on Unix.
 *
 * Opening a handle costs three stats and the reading of one small file; the repository itself is
 * opened by store/project_git.c when somebody needs it.
 */
#include "store/project.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/lock.h"
#include "base/log.h"
#include "store/project_private.h"
#include "store/store_private.h"

static bool name_char(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       c == '.' || c == '_' || c == '-';
}

static bool ends_in(const char *s, size_t len, const char *end)
{
	size_t n = strlen(end);

	return len >= n && !strcmp(s + len - n, end);
}

bool project_name_ok(const char *name)
{
	size_t len = strlen(name);

	if (!len || len > PROJECT_NAME_MAX || *name == '.' || *name == '-')
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!name_char(name[i]))
			return false;
	}
	return !ends_in(name, len, ".git") && !ends_in(name, len, ".lock");
}

char *project_dir_name(const char *name, char ret[PROJECT_DIR_NAME_MAX])
{
	(void)snprintf(ret, PROJECT_DIR_NAME_MAX, "%s.git", name);
	return ret;
}

char *project_path(const struct project *p, const char *sub)
{
	return alloc_fmt("%s/projects/%s.git%s%s", p->st->home, p->name, *sub ? "/" : "", sub);
}

static size_t bucket_of(const char *name)
{
	size_t h = 5381;

	for (const char *s = name; *s; s++)
		h = h * 33 ^ (unsigned char)*s;
	return h % STORE_BUCKETS;
}

static void table_remove_locked(struct project *p)
{
	struct project **at = &p->st->table[bucket_of(p->name)];

	while (*at && *at != p)
		at = &(*at)->next;
	if (*at)
		*at = p->next;
	p->next = NULL;
}

/* What stands under the name. 0, PROJECT_MISSING, PROJECT_BROKEN, or a fault. A symbolic link is refused:
 * deleting or renaming what it points at would surprise somebody. */
static int look(struct store *st, const char *name, struct stat *ret)
{
	static const char *const parts[] = {"HEAD", "objects", "refs"};
	char path[PROJECT_DIR_NAME_MAX + 16];
	size_t len = strlen(project_dir_name(name, path));

	if (fstatat(st->projects_fd, path, ret, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? (int)PROJECT_MISSING
				       : fail(-errno, "look at project '%s'", name);
	if (!S_ISDIR(ret->st_mode))
		return PROJECT_BROKEN;
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		struct stat st2;

		(void)snprintf(path + len, sizeof(path) - len, "/%s", parts[i]);
		if (fstatat(st->projects_fd, path, &st2, AT_SYMLINK_NOFOLLOW))
			return errno == ENOENT || errno == ENOTDIR
				       ? (int)PROJECT_BROKEN
				       : fail(-errno, "look at '%s' of project '%s'", parts[i],
					      name);
	}
	return 0;
}

/* git's safe.directory, for a place that has one owner: a repository that somebody else put here could
 * name programs for git to run. Root may open what the home's owner made. */
static int check_owner(struct store *st, const char *name, const struct stat *dir)
{
	uid_t me = geteuid();
	struct stat home;

	if (dir->st_uid == me)
		return 0;
	if (fstat(st->home_fd, &home))
		return fail(-errno, "look at the home '%s'", st->home);
	if (!me && dir->st_uid == home.st_uid)
		return 0;
	return fail(
		-EPERM,
		"project '%s' belongs to user %u, not to you (%u): chown it if you trust it",
		name, dir->st_uid, me);
}

static struct project *project_new(struct store *st, const char *name, const struct stat *dir)
{
	struct project *p = alloc_zero(sizeof(*p));

	p->st = st;
	p->name = alloc_str(name);
	p->dev = dir->st_dev;
	p->ino = dir->st_ino;
	p->dir_fd = -1;
	atomic_init(&p->refs, 1);
	pthread_mutex_init(&p->lock, NULL);
	return p;
}

static void project_free(struct project *p)
{
	project_close_files(p);
	close_p(&p->dir_fd);
	pthread_mutex_destroy(&p->lock);
	free(p->name);
	free(p);
}

/* A handle whose count fell to zero is about to be freed by somebody and must not be revived. */
static bool ref_unless_dying(struct project *p)
{
	unsigned n = atomic_load(&p->refs);

	while (n) {
		if (atomic_compare_exchange_weak(&p->refs, &n, n + 1))
			return true;
	}
	return false;
}

static struct project *table_find_locked(struct store *st, const char *name,
					 const struct stat *dir)
{
	for (struct project *p = st->table[bucket_of(name)]; p; p = p->next) {
		if (strcmp(p->name, name) != 0 || p->dev != dir->st_dev ||
		    p->ino != dir->st_ino || atomic_load(&p->gone))
			continue;
		if (ref_unless_dying(p))
			return p;
	}
	return NULL;
}

/* Puts `p` into the table, or returns the handle that another thread put there first. */
static struct project *table_settle(struct project *p, const struct stat *dir)
{
	struct store *st = p->st;
	struct project *other;

	LOCKED(&st->table_lock);
	other = table_find_locked(st, p->name, dir);
	if (other)
		return other;
	p->next = st->table[bucket_of(p->name)];
	st->table[bucket_of(p->name)] = p;
	return p;
}

static struct project *table_find(struct store *st, const char *name, const struct stat *dir)
{
	LOCKED(&st->table_lock);
	return table_find_locked(st, name, dir);
}

int project_open(struct store *st, const char *name, struct project **ret)
{
	CLEANUP(close_p) int fd = -1;
	char dir[PROJECT_DIR_NAME_MAX];
	struct project *p, *settled;
	struct stat sb;
	int r;

	if (!project_name_ok(name))
		return PROJECT_BAD_NAME;
	r = look(st, name, &sb);
	if (r)
		return r;
	p = table_find(st, name, &sb);
	if (p) {
		*ret = p;
		return 0;
	}
	r = check_owner(st, name, &sb);
	if (r)
		return r;
	fd = openat(st->projects_fd, project_dir_name(name, dir),
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return fail(-errno, "open project '%s'", name);
	p = project_new(st, name, &sb);
	r = project_id_settle(st, name, fd, &p->id);
	if (r) {
		project_free(p);
		return r;
	}
	settled = table_settle(p, &sb);
	if (settled != p)
		project_free(p);
	*ret = settled;
	return 0;
}

struct project *project_ref(struct project *p)
{
	atomic_fetch_add(&p->refs, 1);
	return p;
}

void project_unref(struct project *p)
{
	if (!p || atomic_fetch_sub(&p->refs, 1) != 1)
		return;
	pthread_mutex_lock(&p->st->table_lock);
	table_remove_locked(p);
	pthread_mutex_unlock(&p->st->table_lock);
	project_free(p);
}

const char *project_name(const struct project *p)
{
	return p->name;
}

uint64_t project_id(const struct project *p)
{
	return p->id;
}

struct store *project_store(const struct project *p)
{
	return p->st;
}

bool project_is_gone(struct project *p)
{
	char dir[PROJECT_DIR_NAME_MAX];
	struct stat sb;

	if (atomic_load(&p->gone))
		return true;
	if (!fstatat(p->st->projects_fd, project_dir_name(p->name, dir), &sb,
		     AT_SYMLINK_NOFOLLOW) &&
	    sb.st_dev == p->dev && sb.st_ino == p->ino)
		return false;
	atomic_store(&p->gone, true);
	return true;
}

int project_dir_open(struct project *p)
{
	char dir[PROJECT_DIR_NAME_MAX];

	if (project_is_gone(p))
		return -1;
	return openat(p->st->projects_fd, project_dir_name(p->name, dir),
		      O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

int project_dir_fd(const struct project *p)
{
	/* The descriptor is opened by the first who asks; nothing else of the handle changes. */
	struct project *q = (struct project *)(uintptr_t)p;

	LOCKED(&q->lock);
	if (q->dir_fd < 0)
		q->dir_fd = project_dir_open(q);
	return q->dir_fd;
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

struct names {
	char **names;
	size_t n, cap;
};

static void names_deinit(struct names *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->names[i]);
	free(l->names);
}

static int gather_names(struct store *st, struct names *l)
{
	CLEANUP(closedirp) DIR *dir = NULL;
	int fd = openat(st->projects_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct dirent *e;

	if (fd < 0)
		return fail(-errno, "list the projects of '%s'", st->home);
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return fail(-ENOMEM, "list the projects of '%s'", st->home);
	}
	while ((e = readdir(dir))) {
		size_t len = strlen(e->d_name);
		char *name;

		if (!ends_in(e->d_name, len, ".git") || len - 4 > PROJECT_NAME_MAX)
			continue;
		name = alloc_copy(e->d_name, len - 4);
		if (!project_name_ok(name)) {
			free(name);
			continue;
		}
		alloc_grow(&l->names, &l->cap, l->n + 1, sizeof(*l->names));
		l->names[l->n++] = name;
	}
	return 0;
}

int project_each(struct store *st, project_name_fn fn, void *arg)
{
	CLEANUP(names_deinit) struct names l = {0};
	int r = gather_names(st, &l);

	if (r)
		return r;
	if (l.n)
		qsort(l.names, l.n, sizeof(*l.names), by_bytes);
	for (size_t i = 0; !r && i < l.n; i++)
		r = fn(l.names[i], arg);
	return r;
}

static const char lock_file[] = "fragfs.lock";

int project_lock(struct project *p, const char *what, bool wait, int *ret)
{
	return project_lock_file(p, lock_file, what, wait, ret);
}

void project_lock_holder(struct project *p, char *ret, size_t size)
{
	int fd = project_dir_fd(p);

	*ret = '\0';
	if (fd >= 0)
		lock_holder(fd, lock_file, ret, size);
	ret[strcspn(ret, "\n")] = '\0';
}
