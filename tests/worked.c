/* A work tree for tests, and files in it by path. */
#include "tests/worked.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "store/project.h"

static const struct work_caller me = {0, 0};

static void open_live(struct worked *f)
{
	struct work_info info;

	assert_int_equal(work_find(f->r->p, "live", &info), 0);
	assert_int_equal(work_open(f->r->p, &info, &f->w), 0);
}

int worked_setup(void **state)
{
	static struct worked f;
	struct work_spec spec = {.name = "live"};
	struct work_info info;
	void *repo;

	f = (struct worked){0};
	assert_int_equal(repo_setup(&repo), 0);
	f.r = repo;
	f.first = repo_oid(f.r, "mkdir d; echo 1 >a; echo 2 >d/b; echo out/ >.gitignore;"
				"git add -A; git commit -qm first >&2; git rev-parse HEAD");
	f.main = repo_oid(f.r,
			  "echo one >a; echo 3 >d/new; git add -A; git commit -qm second >&2;"
			  "git rev-parse HEAD");
	f.side = repo_oid(f.r, "git checkout -q -b side main~1; echo 4 >s; git add -A;"
			       "git commit -qm side >&2; git rev-parse HEAD");
	repo_sh(f.r, "git checkout -q main");
	spec.tree = repo_oid(f.r, "git rev-parse 'main^{tree}'");
	assert_int_equal(work_create(f.r->p, &spec, &info), 0);
	open_live(&f);
	*state = &f;
	return 0;
}

int worked_teardown(void **state)
{
	struct worked *f = *state;
	void *repo = f->r;

	work_unref(f->w);
	return repo_teardown(&repo);
}

void worked_reopen(struct worked *f)
{
	work_unref(f->w);
	repo_reopen(f->r);
	open_live(f);
}

/* The directory that holds the last component, held, and that component. */
static uint64_t parent_of(struct work *w, const char *path, bool make, const char **name)
{
	uint64_t at = WORK_ROOT_INO;
	const char *slash;

	work_hold(w, at);
	while ((slash = strchr(path, '/'))) {
		CLEANUP(free_p) char *part = alloc_copy(path, (size_t)(slash - path));
		struct work_attr a;
		uint64_t above = at;
		int r = work_lookup(w, at, part, &a);

		if (r == ENOENT && make)
			r = work_mkdir(w, at, part, 0755, &me, &a);
		work_release(w, above, 1);
		if (r)
			return 0;
		at = a.ino;
		path = slash + 1;
	}
	*name = path;
	return at;
}

void worked_write(struct work *w, const char *path, const char *text)
{
	const char *name;
	uint64_t dir = parent_of(w, path, true, &name);
	struct work_attr a, cut = {0};
	size_t done;
	int r = work_lookup(w, dir, name, &a);

	if (r == ENOENT)
		r = work_create_file(w, dir, name, 0644, &me, &a);
	assert_int_equal(r, 0);
	assert_int_equal(work_setattr(w, a.ino, &cut, WORK_SET_SIZE, NULL), 0);
	assert_int_equal(work_write(w, a.ino, 0, text, strlen(text), &done), 0);
	work_release(w, a.ino, 1);
	work_release(w, dir, 1);
}

void worked_remove(struct work *w, const char *path)
{
	const char *name;
	uint64_t dir = parent_of(w, path, false, &name);

	assert_int_equal(work_unlink(w, dir, name), 0);
	work_release(w, dir, 1);
}

const char *worked_read(struct work *w, const char *path)
{
	static char text[4096];
	struct work_bytes b = {.fd = -1};
	const char *name;
	uint64_t dir = parent_of(w, path, false, &name);
	struct work_attr a;
	ssize_t n;
	int r = dir ? work_lookup(w, dir, name, &a) : ENOENT;

	if (dir)
		work_release(w, dir, 1);
	if (r)
		return NULL;
	assert_int_equal(work_read(w, a.ino, 0, sizeof(text) - 1, &b), 0);
	if (b.data)
		memcpy(text, b.data, b.len);
	n = b.data ? (ssize_t)b.len : pread(b.fd, text, b.len, (off_t)b.fd_off);
	assert_true(n >= 0);
	text[n] = '\0';
	work_bytes_done(w, &b);
	work_release(w, a.ino, 1);
	return text;
}
