/* Thousands of random operations on a work tree and on a directory of the backing file system, which must agree on every answer
 * and, again and again, on everything there is: after kills, snapshots and switches, too.
 *
 *	test_work_model [seed] [operations]
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "tests/unit/work_fixture.h"

enum { PATH_SIZE = 64, FILE_MOST = 20000, TREES = 8, PAIRS = 4096, DEFAULT_OPS = 4000 };

static const struct work_caller me = {0, 0};

/* An inode of the twin and what it is in the work tree. */
struct pair {
	ino_t twin;
	uint64_t ours;
};

struct model {
	struct work_fixture *f;
	int twin; /* directory */
	uint64_t random;
	struct oid trees[TREES];
	unsigned n_trees;
	struct pair pairs[PAIRS];
	size_t n_pairs;
	char log[256]; /* the operation at work, for a failure's message */
};

static uint64_t next(struct model *m)
{
	m->random ^= m->random << 13;
	m->random ^= m->random >> 7;
	m->random ^= m->random << 17;
	return m->random;
}

static unsigned below(struct model *m, unsigned n)
{
	return (unsigned)(next(m) >> 16) % n;
}

/* Few names, so that operations meet. */
static void random_path(struct model *m, char ret[PATH_SIZE])
{
	static const char *const names[] = {"a", "b", "dir", "sub", "file", "c"};
	unsigned depth = 1 + below(m, 3);

	*ret = '\0';
	for (unsigned i = 0; i < depth; i++)
		(void)snprintf(ret + strlen(ret), PATH_SIZE - strlen(ret), "%s%s", i ? "/" : "",
			       names[below(m, 6)]);
}

/* ---- either side's directory of a path ---- */

struct end {
	char path[PATH_SIZE];
	const char *name;
	int fd;       /* of the twin's directory, or a negative errno */
	uint64_t dir; /* of ours, held; 0: `err` says why not */
	int err;
};

static void end_init(struct model *m, struct end *e)
{
	struct work_attr at = {.ino = WORK_ROOT_INO};
	char dir[PATH_SIZE], *slash;

	random_path(m, e->path);
	slash = strrchr(e->path, '/');
	e->name = slash ? slash + 1 : e->path;
	(void)snprintf(dir, sizeof(dir), "%.*s", slash ? (int)(slash - e->path) : 1,
		       slash ? e->path : ".");
	e->fd = io_open_beneath(m->twin, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (e->fd == -ELOOP)
		e->fd = -ENOTDIR;
	e->err = 0;
	work_hold(m->f->w, at.ino);
	for (char *p = slash ? dir : NULL; p && !e->err;) {
		char *end = strchr(p, '/');
		uint64_t was = at.ino;

		if (end)
			*end++ = '\0';
		e->err = work_lookup(m->f->w, was, p, &at);
		work_release(m->f->w, was, 1);
		p = end;
	}
	e->dir = e->err ? 0 : at.ino;
	if (e->dir && !S_ISDIR(at.mode) && at.ino != WORK_ROOT_INO) {
		work_release(m->f->w, at.ino, 1);
		e->dir = 0;
		e->err = ENOTDIR;
	}
}

static void end_done(struct model *m, struct end *e)
{
	if (e->fd >= 0)
		close(e->fd);
	if (e->dir)
		work_release(m->f->w, e->dir, 1);
}

/* Both directories are there, or neither for the same reason. */
static bool both(struct model *m, const struct end *e)
{
	int twin = e->fd < 0 ? -e->fd : 0;

	if (twin != e->err)
		fail_msg("%s: directory of '%s': twin %d, ours %d", m->log, e->path, twin,
			 e->err);
	return !twin;
}

static void agree(struct model *m, int twin, int ours)
{
	if (twin != ours)
		fail_msg("%s: twin %s, ours %s", m->log, strerror(twin), strerror(ours));
}

static void say(struct model *m, const char *what, const char *a, const char *b)
{
	(void)snprintf(m->log, sizeof(m->log), "%s %s %s", what, a, b);
	if (getenv("VERBOSE"))
		(void)fprintf(stderr, "%s\n", m->log);
}

static int err_of(int r)
{
	return r ? errno : 0;
}

/* ---- operations ---- */

static void do_make(struct model *m, struct end *e)
{
	unsigned kind = below(m, 4);
	mode_t mode = below(m, 2) ? 0755 : 0640;
	struct work_attr at;
	int twin, ours, fd;

	say(m, kind == 0 ? "mkdir" : kind == 1 ? "symlink" : "create", e->path, "");
	if (kind == 0) {
		twin = err_of(mkdirat(e->fd, e->name, mode));
		ours = work_mkdir(m->f->w, e->dir, e->name, mode, &me, &at);
	} else if (kind == 1) {
		twin = err_of(symlinkat("to/nowhere", e->fd, e->name));
		ours = work_symlink(m->f->w, e->dir, e->name, "to/nowhere", &me, &at);
	} else {
		fd = openat(e->fd, e->name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode);
		twin = err_of(fd < 0);
		close_p(&fd);
		ours = work_create_file(m->f->w, e->dir, e->name, mode, &me, &at);
	}
	agree(m, twin, ours);
	if (!ours)
		work_release(m->f->w, at.ino, 1);
}

static void do_remove(struct model *m, struct end *e)
{
	bool dir = below(m, 3) == 0;

	say(m, dir ? "rmdir" : "unlink", e->path, "");
	agree(m, err_of(unlinkat(e->fd, e->name, dir ? AT_REMOVEDIR : 0)),
	      dir ? work_rmdir(m->f->w, e->dir, e->name)
		  : work_unlink(m->f->w, e->dir, e->name));
}

static void do_rename(struct model *m, struct end *e)
{
	static const unsigned flags[] = {0, 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE};
	unsigned how = flags[below(m, 5)];
	struct end to;

	end_init(m, &to);
	say(m, how == RENAME_EXCHANGE ? "exchange" : "rename", e->path, to.path);
	if (both(m, &to))
		agree(m, err_of(renameat2(e->fd, e->name, to.fd, to.name, how)),
		      work_rename(m->f->w, e->dir, e->name, to.dir, to.name, how));
	end_done(m, &to);
}

/* The inode a name means; it must exist on both sides or on neither. */
static bool find(struct model *m, const struct end *e, struct work_attr *ret)
{
	struct stat st;
	int twin = err_of(fstatat(e->fd, e->name, &st, AT_SYMLINK_NOFOLLOW));

	agree(m, twin, work_lookup(m->f->w, e->dir, e->name, ret));
	return !twin;
}

static void do_link(struct model *m, struct end *e)
{
	struct work_attr at, made;
	struct end to;
	int ours;

	end_init(m, &to);
	say(m, "link", e->path, to.path);
	if (both(m, &to) && find(m, e, &at)) {
		ours = work_link(m->f->w, at.ino, to.dir, to.name, &made);
		/* Which comes first is the kernel's: it looks at the new name before it looks at what is linked. */
		if (!S_ISDIR(at.mode))
			agree(m, err_of(linkat(e->fd, e->name, to.fd, to.name, 0)), ours);
		if (!ours)
			work_release(m->f->w, made.ino, 1);
		work_release(m->f->w, at.ino, 1);
	}
	end_done(m, &to);
}

static void do_write(struct model *m, struct end *e)
{
	char data[4000];
	unsigned off = below(m, FILE_MOST - 4000), len = 1 + below(m, sizeof(data));
	struct work_attr at;
	size_t done;
	int fd;

	say(m, "write", e->path, "");
	if (below(m, 3))
		off = 0;
	if (!find(m, e, &at))
		return;
	if (S_ISREG(at.mode)) {
		memset(data, 'a' + (int)below(m, 26), len);
		fd = openat(e->fd, e->name, O_RDWR | O_CLOEXEC);
		assert_true(fd >= 0);
		assert_int_equal(pwrite(fd, data, len, off), len);
		close(fd);
		assert_int_equal(work_write(m->f->w, at.ino, off, data, len, &done), 0);
		assert_int_equal(done, len);
	}
	work_release(m->f->w, at.ino, 1);
}

static void do_set(struct model *m, struct end *e)
{
	struct work_attr at, to = {.size = below(m, 5) ? below(m, FILE_MOST) : 0};
	unsigned set = below(m, 2) ? WORK_SET_SIZE : WORK_SET_MODE;
	struct timespec t[2] = {{100, 5}, {(time_t)below(m, 100000), 7}};
	int fd;

	say(m, set == WORK_SET_SIZE ? "truncate" : "chmod", e->path, "");
	if (!find(m, e, &at))
		return;
	to.mode = below(m, 2) ? 0755 : 0600;
	if (S_ISREG(at.mode)) {
		fd = openat(e->fd, e->name, O_RDWR | O_CLOEXEC);
		assert_true(fd >= 0);
		assert_int_equal(set == WORK_SET_SIZE ? ftruncate(fd, (off_t)to.size)
						      : fchmod(fd, to.mode),
				 0);
		assert_int_equal(work_setattr(m->f->w, at.ino, &to, set, &at), 0);
		to.atime = t[0];
		to.mtime = t[1];
		assert_int_equal(futimens(fd, t), 0);
		assert_int_equal(work_setattr(m->f->w, at.ino, &to,
					      WORK_SET_ATIME | WORK_SET_MTIME, &at),
				 0);
		close(fd);
	}
	work_release(m->f->w, at.ino, 1);
}

/* ---- comparing ---- */

static void compare_file(struct model *m, int dir, const char *name, const struct stat *st,
			 const struct work_attr *at)
{
	static char twin[FILE_MOST + 1], ours[FILE_MOST + 1];
	CLEANUP(close_p) int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	ssize_t n = io_read_all(fd, twin, sizeof(twin));
	struct work_bytes b;

	assert_int_equal(n, st->st_size);
	if (at->size != (uint64_t)n)
		fail_msg("%s: size of '%s': %zd, ours %llu", m->log, name, n,
			 (unsigned long long)at->size);
	assert_int_equal(work_read(m->f->w, at->ino, 0, sizeof(ours), &b), 0);
	assert_int_equal(b.len, n);
	if (b.data)
		memcpy(ours, b.data, b.len);
	else if (b.len)
		assert_int_equal(pread(b.fd, ours, b.len, (off_t)b.fd_off), b.len);
	work_bytes_done(m->f->w, &b);
	if (memcmp(twin, ours, (size_t)n) != 0)
		fail_msg("%s: content of '%s'", m->log, name);
	/* What was set keeps to the nanosecond; the rest is the present, which differs. */
	if (st->st_mtim.tv_nsec == 7 && st->st_mtim.tv_sec < 200000 &&
	    (at->mtime.tv_sec != st->st_mtim.tv_sec || at->mtime.tv_nsec != 7))
		fail_msg("%s: time of '%s'", m->log, name);
}

/* One inode there is one inode here. */
static void compare_number(struct model *m, const char *name, ino_t twin, uint64_t ours)
{
	for (size_t i = 0; i < m->n_pairs; i++) {
		if ((m->pairs[i].twin == twin) != (m->pairs[i].ours == ours))
			fail_msg("%s: '%s' is linked differently", m->log, name);
	}
	assert_true(m->n_pairs < PAIRS);
	m->pairs[m->n_pairs++] = (struct pair){twin, ours};
}

static void compare_dir(struct model *m, int fd, uint64_t ino);

static void compare_entry(struct model *m, int dir, const char *name,
			  const struct work_attr *at)
{
	char target[64] = "", *ours = NULL;
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW))
		fail_msg("%s: '%s' is only ours", m->log, name);
	if ((st.st_mode & S_IFMT) != (at->mode & S_IFMT) || st.st_nlink != at->nlink)
		fail_msg("%s: '%s': mode %o nlink %d, ours %o %d", m->log, name, st.st_mode,
			 (int)st.st_nlink, at->mode, (int)at->nlink);
	compare_number(m, name, st.st_ino, at->ino);
	if (S_ISLNK(st.st_mode)) {
		assert_true(readlinkat(dir, name, target, sizeof(target) - 1) > 0);
		assert_int_equal(work_readlink(m->f->w, at->ino, &ours), 0);
		assert_string_equal(ours, target);
		free(ours);
	} else if (S_ISREG(st.st_mode)) {
		if (st.st_mode != at->mode)
			fail_msg("%s: mode of '%s': %o, ours %o", m->log, name, st.st_mode,
				 at->mode);
		compare_file(m, dir, name, &st, at);
	} else {
		CLEANUP(close_p)
		int sub = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		compare_dir(m, sub, at->ino);
	}
}

struct listed {
	struct work_attr attr[64];
	char name[64][16];
	size_t n;
};

static int list(const char *name, uint64_t cookie, const struct work_attr *attr, void *arg)
{
	struct listed *l = arg;

	assert_true(l->n < 64);
	(void)snprintf(l->name[l->n], sizeof(l->name[0]), "%s", name);
	l->attr[l->n++] = *attr;
	return 0;
}

static size_t count(int fd)
{
	CLEANUP(closedirp) DIR *d = fdopendir(openat(fd, ".", O_RDONLY | O_CLOEXEC));
	size_t n = 0;

	while (readdir(d))
		n++;
	return n - 2;
}

static void compare_dir(struct model *m, int fd, uint64_t ino)
{
	CLEANUP(free_p) struct listed *l = alloc_zero(sizeof(*l));

	assert_int_equal(work_readdir(m->f->w, ino, 0, false, list, l), 0);
	if (l->n != count(fd))
		fail_msg("%s: a directory has %zu names, ours %zu", m->log, count(fd), l->n);
	for (size_t i = 0; i < l->n; i++) {
		uint64_t listed = l->attr[i].ino;

		if (work_lookup(m->f->w, ino, l->name[i], &l->attr[i]))
			fail_msg("%s: '%s' is listed and not there", m->log, l->name[i]);
		assert_int_equal(listed, l->attr[i].ino);
		compare_entry(m, fd, l->name[i], &l->attr[i]);
	}
	for (size_t i = 0; i < l->n; i++)
		work_release(m->f->w, l->attr[i].ino, 1);
}

static void compare(struct model *m)
{
	m->n_pairs = 0;
	compare_dir(m, m->twin, WORK_ROOT_INO);
}

/* ---- whole trees ---- */

/* Ours and the twin's tree; the twin's is written by git. */
static void do_snapshot(struct model *m)
{
	struct work_snapshot s;
	struct oid want;

	say(m, "snapshot", "", "");
	assert_int_equal(work_snapshot(m->f->w, NULL, NULL, NULL, &s), 0);
	want = repo_oid(m->f->repo, "cd ../twin && export GIT_WORK_TREE=$PWD && "
				    "export GIT_INDEX_FILE=$PWD/../twin.index && "
				    "git add -A . && git write-tree");
	if (!oid_eq(&s.tree, &want))
		fail_msg("the snapshot is another tree than git's");
	assert_false(work_is_modified(m->f->w));
	m->trees[m->n_trees++ % TREES] = s.tree;
}

/* From tree to tree, then by way of nothing: files that stay keep links and modes that no tree has, which a twin made by
 * git's checkout cannot follow. */
static void do_switch(struct model *m)
{
	const struct oid *to = &m->trees[below(m, m->n_trees < TREES ? m->n_trees : TREES)];
	const struct oid none = {{0}};
	struct work_snapshot s;
	char hex[OID_HEX_LEN + 1];

	say(m, "switch", "", "");
	assert_int_equal(work_switch(m->f->w, to, NULL, NULL, NULL), 0);
	assert_int_equal(work_snapshot(m->f->w, NULL, NULL, NULL, &s), 0);
	if (!oid_eq(&s.tree, to))
		fail_msg("after a switch the content is another tree");
	assert_int_equal(work_switch(m->f->w, &none, NULL, NULL, NULL), 0);
	assert_string_equal(fx_list(m->f, ""), "");
	assert_int_equal(work_switch(m->f->w, to, NULL, NULL, NULL), 0);
	assert_false(work_is_modified(m->f->w));
	(void)repo_oid(m->f->repo,
		       "find ../twin -mindepth 1 -delete; "
		       "cd ../twin && export GIT_WORK_TREE=$PWD && "
		       "export GIT_INDEX_FILE=$PWD/../twin.index && umask 022 && "
		       "git read-tree %s && git checkout-index -a -f && git write-tree",
		       oid_hex(to, hex));
}

static void do_kill(struct model *m)
{
	say(m, "kill", "", "");
	work_fixture_kill(m->f);
	work_fixture_reopen(m->f);
}

static void step(struct model *m)
{
	static void (*const ops[])(struct model *, struct end *) = {
		do_make, do_make,   do_make,  do_remove, do_remove, do_rename,
		do_link, do_rename, do_write, do_write,  do_write,  do_set,
	};
	struct end e;

	end_init(m, &e);
	say(m, "look", e.path, "");
	if (both(m, &e))
		ops[below(m, sizeof(ops) / sizeof(*ops))](m, &e);
	end_done(m, &e);
}

static void run(struct work_fixture *f, uint64_t seed, int n)
{
	CLEANUP(free_p) struct model *m = alloc_zero(sizeof(*m));
	const struct oid none = {{0}};

	m->f = f;
	m->random = seed * 0x9e3779b97f4a7c15 + 1;
	assert_int_equal(io_mkdir(f->repo->s.fd, "twin", 0755), 0);
	(void)repo_sh(f->repo, "find ../twin -mindepth 1 -delete");
	m->twin = openat(f->repo->s.fd, "twin", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(m->twin >= 0);
	assert_int_equal(work_switch(f->w, &none, NULL, NULL, NULL), 0);
	for (int i = 1; i <= n; i++) {
		step(m);
		if (i % 40 == 0)
			compare(m);
		if (i % 170 == 0)
			do_kill(m);
		if (i % 130 == 0)
			do_snapshot(m);
		if (i % 510 == 0)
			do_switch(m);
		if (i % 170 == 0 || i % 130 == 0 || i % 510 == 0)
			compare(m);
	}
	close(m->twin);
}

static uint64_t seed_given = 1;
static int ops_given = DEFAULT_OPS;

static void agrees_with_the_backing_file_system(void **state)
{
	run(*state, seed_given, ops_given);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(agrees_with_the_backing_file_system,
						work_fixture_setup, work_fixture_teardown),
	};

	(void)umask(0);
	if (argc > 1)
		seed_given = strtoull(argv[1], NULL, 10);
	if (argc > 2)
		ops_given = (int)strtoull(argv[2], NULL, 10);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
