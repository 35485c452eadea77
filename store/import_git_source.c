/* Finding a repository and reading how it is laid out.
 *
 * A repository may be bare, lie in .git, or be named by a .git file (linked work trees, submodules); a linked
 * work tree has HEAD of its own and shares the rest through `commondir`. Objects may be borrowed from other
 * directories (objects/info/alternates), those from others again; all of them are found here,
 * each once, so that a copy needs none of them any more.
 *
 * Said no to, with what to do instead: SHA-256 repositories (an id has 20 bytes everywhere in fragfs)
 * and partial clones, whose missing objects only their own remote has.
 */
#include "store/import_git_source.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/log.h"
#include "store/import_git_child.h"

enum { SMALL_MAX = 64 << 10, CONFIG_MAX = 4 << 20, ALTERNATE_DEPTH = 5 };

static bool exists(const char *dir, const char *sub)
{
	CLEANUP(free_p) char *path = alloc_fmt("%s/%s", dir, sub);

	return access(path, F_OK) == 0;
}

static bool is_link(const char *dir, const char *sub)
{
	CLEANUP(free_p) char *path = alloc_fmt("%s/%s", dir, sub);
	struct stat st;

	return !lstat(path, &st) && S_ISLNK(st.st_mode);
}

/* The first line of a small text file; NULL when there is none. */
static char *read_line(const char *dir, const char *file)
{
	CLEANUP(free_p) char *path = dir ? alloc_fmt("%s/%s", dir, file) : alloc_str(file);
	CLEANUP(buf_deinit) struct buf b;
	struct stat st;

	buf_init(&b, SMALL_MAX);
	if (stat(path, &st) || !S_ISREG(st.st_mode) || st.st_size >= SMALL_MAX ||
	    access(path, R_OK) || io_slurp(AT_FDCWD, path, &b))
		return NULL;
	b.data[strcspn(b.data, "\r\n")] = '\0';
	return alloc_str(b.data);
}

/* `path` as seen from `base`, made canonical; NULL when it does not exist. */
static char *resolve(const char *base, const char *path)
{
	CLEANUP(free_p)
	char *joined = *path == '/' ? alloc_str(path) : alloc_fmt("%s/%s", base, path);

	return realpath(joined, NULL);
}

static bool is_git_dir(const char *dir)
{
	return (exists(dir, "HEAD") || is_link(dir, "HEAD")) &&
	       ((exists(dir, "objects") && exists(dir, "refs")) || exists(dir, "commondir"));
}

/* The git directory that `path` stands for, or NULL. */
static char *find_git_dir(const char *path)
{
	CLEANUP(free_p) char *top = realpath(path, NULL);
	CLEANUP(free_p) char *dot = top ? alloc_fmt("%s/.git", top) : NULL;
	CLEANUP(free_p) char *line = NULL;
	struct stat st;

	if (!top || stat(top, &st))
		return NULL;
	if (S_ISREG(st.st_mode)) { /* a .git file itself */
		free(dot);
		dot = TAKE(top);
		top = alloc_str(dot);
		*strrchr(top, '/') = '\0';
	} else if (stat(dot, &st)) {
		return is_git_dir(top) ? TAKE(top) : NULL;
	}
	if (S_ISDIR(st.st_mode))
		return is_git_dir(dot) ? TAKE(dot) : NULL;
	line = read_line(NULL, dot);
	if (!line || strncmp(line, "gitdir: ", 8) != 0)
		return NULL;
	free(dot);
	dot = resolve(top, line + 8);
	return dot && is_git_dir(dot) ? TAKE(dot) : NULL;
}

int import_git_source_probe(const char *path)
{
	CLEANUP(free_p) char *dir = find_git_dir(path);

	return dir ? 0 : IMPORT_GIT_SOURCE_NONE;
}

static void add_object_dir(struct import_git_source *s, const char *dir, int depth);

static void add_alternates(struct import_git_source *s, const char *dir, int depth)
{
	CLEANUP(free_p) char *path = alloc_fmt("%s/info/alternates", dir);
	CLEANUP(buf_deinit) struct buf b;
	char *line, *next;

	buf_init(&b, SMALL_MAX);
	if (access(path, R_OK) || io_slurp(AT_FDCWD, path, &b))
		return;
	for (line = b.data; *line; line = next) {
		CLEANUP(free_p) char *other = NULL;

		next = line + strcspn(line, "\n");
		next += *next == '\n' ? (*next = '\0', 1) : 0;
		if (!*line || *line == '#')
			continue;
		other = resolve(dir, line);
		if (!other)
			log_warn("import: the source borrows objects from '%s', which is not "
				 "there, ignoring",
				 line);
		else
			add_object_dir(s, other, depth + 1);
	}
}

static void add_object_dir(struct import_git_source *s, const char *dir, int depth)
{
	for (size_t i = 0; i < s->n_object_dirs; i++) {
		if (!strcmp(s->object_dirs[i], dir))
			return;
	}
	if (depth > ALTERNATE_DEPTH || s->n_object_dirs == IMPORT_GIT_SOURCE_DIRS_MAX) {
		log_warn("import: the source borrows objects too deeply, ignoring '%s'", dir);
		return;
	}
	s->object_dirs[s->n_object_dirs++] = alloc_str(dir);
	add_alternates(s, dir, depth);
}

/* The config as "key\nvalue\0" pairs, parsed by git from a copy. */
static int read_config(const struct import_git_source *s, const struct import_git_child *git,
		       struct buf *ret)
{
	static const char *const args[] = {"config", "--no-includes", "--file", "-",
					   "-z",     "--list",        NULL};
	CLEANUP(free_p) char *path = alloc_fmt("%s/config", s->common_dir);
	CLEANUP(buf_deinit) struct buf text;
	CLEANUP(close_p) int fd = -1;
	int r;

	buf_init(&text, CONFIG_MAX);
	if (access(path, F_OK))
		return 0;
	r = io_slurp(AT_FDCWD, path, &text);
	if (r)
		return r < 0 ? r : 0;
	fd = memfd_create("config", MFD_CLOEXEC);
	if (fd < 0)
		return fail(-errno, "make a file in memory");
	r = io_write_all(fd, text.data, text.len);
	if (r || lseek(fd, 0, SEEK_SET) < 0)
		return fail(r ? r : -errno, "copy the source's config");
	r = import_git_child_run(git, args, fd, ret);
	if (r == IMPORT_GIT_CHILD_FAILED)
		log_err("import: the config of '%s' is malformed: mend it", s->common_dir);
	return r;
}

static bool is_true(const char *v)
{
	return !strcasecmp(v, "true") || !strcasecmp(v, "yes") || !strcasecmp(v, "on") ||
	       !strcmp(v, "1") || !*v;
}

static int refuse_partial(const struct import_git_source *s)
{
	log_err("import: '%s' is a partial clone: the objects it lacks are at its remote only; "
		"import from that remote, or complete it with 'git fetch --refetch'",
		s->git_dir);
	return IMPORT_GIT_SOURCE_REFUSED;
}

/* What one setting means for us. */
static int check_setting(const struct import_git_source *s, const char *key, const char *value)
{
	size_t len = strlen(key);

	if (!strcmp(key, "extensions.objectformat") && strcasecmp(value, "sha1") != 0) {
		log_err("import: '%s' uses %s object ids; fragfs knows SHA-1 repositories only",
			s->git_dir, value);
		return IMPORT_GIT_SOURCE_REFUSED;
	}
	if (!strcmp(key, "extensions.refstorage") && strcasecmp(value, "files") != 0)
		return IMPORT_GIT_SOURCE_FOREIGN;
	if (!strcmp(key, "extensions.partialclone"))
		return refuse_partial(s);
	if (!strncmp(key, "remote.", 7) && len > 9 && !strcmp(key + len - 9, ".promisor") &&
	    is_true(value))
		return refuse_partial(s);
	return 0;
}

static int check_config(const struct import_git_source *s, const struct import_git_child *git)
{
	CLEANUP(buf_deinit) struct buf b;
	int r, foreign = 0;

	buf_init(&b, CONFIG_MAX);
	r = read_config(s, git, &b);
	if (r)
		return r == IMPORT_GIT_CHILD_FAILED ? (int)IMPORT_GIT_SOURCE_REFUSED : r;
	for (char *p = b.data; p < b.data + b.len; p += strlen(p) + 1) {
		char *nl = strchr(p, '\n');

		if (nl)
			*nl = '\0';
		r = check_setting(s, p, nl ? nl + 1 : "");
		if (r == IMPORT_GIT_SOURCE_REFUSED)
			return r;
		foreign = r ? r : foreign;
		if (nl)
			p = nl + 1;
	}
	return foreign;
}

int import_git_source_open(const char *path, const struct import_git_child *git,
			   struct import_git_source *ret)
{
	CLEANUP(free_p) char *common = NULL;
	CLEANUP(free_p) char *objects = NULL;
	int r;

	*ret = (struct import_git_source){.git_dir = find_git_dir(path)};
	if (!ret->git_dir)
		return IMPORT_GIT_SOURCE_NONE;
	common = read_line(ret->git_dir, "commondir");
	ret->common_dir = common ? resolve(ret->git_dir, common) : alloc_str(ret->git_dir);
	objects = ret->common_dir ? resolve(ret->common_dir, "objects") : NULL;
	if (!objects) {
		log_err("import: '%s' is a work tree whose repository is gone", path);
		return IMPORT_GIT_SOURCE_REFUSED;
	}
	r = check_config(ret, git);
	if (r)
		return r;
	ret->shallow = exists(ret->common_dir, "shallow");
	add_object_dir(ret, objects, 0);
	return 0;
}

void import_git_source_deinit(struct import_git_source *s)
{
	free(s->git_dir);
	free(s->common_dir);
	for (size_t i = 0; i < s->n_object_dirs; i++)
		free(s->object_dirs[i]);
	*s = (struct import_git_source){0};
}

int import_git_source_refs(const struct import_git_source *s, struct import_git_refs *ret)
{
	CLEANUP(close_p) int git = open(s->git_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEANUP(close_p) int common = open(s->common_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (git < 0 || common < 0)
		return fail(-errno, "open '%s'", s->git_dir);
	return import_git_refs_read(git, common, ret);
}
