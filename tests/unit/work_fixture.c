/* A work tree for tests, by paths. */
#include "tests/unit/work_fixture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"

static const struct work_caller me = {1000, 1001};

struct oid fx_tree(struct work_fixture *f, const char *script)
{
	return repo_oid(f->repo,
			"rm -rf x && mkdir x && cd x && export GIT_WORK_TREE=$PWD && "
			"export GIT_INDEX_FILE=$PWD/../x.index && rm -f ../x.index && "
			"{ %s\n} >/dev/null && git add -A . && git write-tree",
			script);
}

int work_fixture_setup(void **state)
{
	static struct work_fixture f;
	struct work_spec spec = {.name = "live", .uid = me.uid, .gid = me.gid};

	f = (struct work_fixture){0};
	assert_int_equal(repo_setup(state), 0);
	f.repo = *state;
	f.tree = fx_tree(&f, "echo file >file; echo '#!/bin/sh' >exec; chmod +x exec;"
			     "ln -s file link; mkdir -p dir/sub; echo a >dir/a; echo b >dir/b;"
			     "echo c >dir/sub/c");
	spec.tree = f.tree;
	assert_int_equal(work_create(f.repo->p, &spec, &f.info), 0);
	assert_int_equal(work_open(f.repo->p, &f.info, &f.w), 0);
	*state = &f;
	return 0;
}

int work_fixture_teardown(void **state)
{
	struct work_fixture *f = *state;
	void *repo = f->repo;

	work_unref(f->w);
	return repo_teardown(&repo);
}

void work_fixture_kill(struct work_fixture *f)
{
	char from[600], cmd[2000];

	/* The log and the native files as they are now, without what closing does to them. */
	(void)snprintf(from, sizeof(from), "%s/work/%llu", f->repo->s.path,
		       (unsigned long long)f->info.id);
	(void)snprintf(cmd, sizeof(cmd), "cp -a '%s' '%s.killed'", from, from);
	(void)repo_sh(f->repo, cmd);
	work_unref(f->w);
	f->w = NULL;
	(void)snprintf(cmd, sizeof(cmd), "rm -rf '%s' && mv '%s.killed' '%s'", from, from,
		       from);
	(void)repo_sh(f->repo, cmd);
}

void work_fixture_reopen(struct work_fixture *f)
{
	work_unref(f->w);
	f->w = NULL;
	assert_int_equal(work_open(f->repo->p, &f->info, &f->w), 0);
}

uint64_t fx_lookup(struct work_fixture *f, const char *path)
{
	return fx_stat(f, path).ino;
}

struct work_attr fx_stat(struct work_fixture *f, const char *path)
{
	struct work_attr at;

	assert_int_equal(work_resolve(f->w, path, &at), 0);
	return at;
}

/* A clean directory's number is good only while it is held, so each call looks it up and holds it. */
static uint64_t held_parent(struct work_fixture *f, const char *path, const char **name)
{
	const char *slash = strrchr(path, '/');
	struct work_attr at = {.ino = WORK_ROOT_INO};
	char part[256];

	*name = slash ? slash + 1 : path;
	work_hold(f->w, WORK_ROOT_INO);
	while (path < *name) {
		size_t len = strcspn(path, "/");
		uint64_t was = at.ino;

		(void)snprintf(part, sizeof(part), "%.*s", (int)len, path);
		path += len + 1;
		if (work_lookup(f->w, was, part, &at))
			at.ino = 0;
		work_release(f->w, was, 1);
		if (!at.ino)
			return 0;
	}
	return at.ino;
}

uint64_t fx_create(struct work_fixture *f, const char *path, const char *text)
{
	const char *name;
	uint64_t dir = held_parent(f, path, &name);
	struct work_attr at;
	size_t done;

	assert_int_equal(work_create_file(f->w, dir, name, 0644, &me, &at), 0);
	if (*text)
		assert_int_equal(work_write(f->w, at.ino, 0, text, strlen(text), &done), 0);
	work_release(f->w, at.ino, 1);
	work_release(f->w, dir, 1);
	return at.ino;
}

uint64_t fx_mkdir(struct work_fixture *f, const char *path)
{
	const char *name;
	uint64_t dir = held_parent(f, path, &name);
	struct work_attr at;

	assert_int_equal(work_mkdir(f->w, dir, name, 0755, &me, &at), 0);
	work_release(f->w, at.ino, 1);
	work_release(f->w, dir, 1);
	return at.ino;
}

void fx_write(struct work_fixture *f, const char *path, uint64_t off, const char *text)
{
	const char *name;
	uint64_t dir = held_parent(f, path, &name);
	struct work_attr at;
	size_t done;

	assert_int_equal(work_lookup(f->w, dir, name, &at), 0);
	assert_int_equal(work_write(f->w, at.ino, off, text, strlen(text), &done), 0);
	assert_int_equal(done, strlen(text));
	work_release(f->w, at.ino, 1);
	work_release(f->w, dir, 1);
}

const char *fx_read(struct work_fixture *f, const char *path)
{
	static char buf[1 << 16];
	const char *name;
	uint64_t dir = held_parent(f, path, &name);
	struct work_bytes b;
	struct work_attr at;
	int r = dir ? work_lookup(f->w, dir, name, &at) : ENOENT;

	work_release(f->w, dir, 1);
	if (r)
		return "<missing>";
	assert_int_equal(work_read(f->w, at.ino, 0, sizeof(buf) - 1, &b), 0);
	if (b.data)
		memcpy(buf, b.data, b.len);
	else if (b.len)
		assert_int_equal(pread(b.fd, buf, b.len, (off_t)b.fd_off), b.len);
	buf[b.len] = '\0';
	work_bytes_done(f->w, &b);
	work_release(f->w, at.ino, 1);
	return buf;
}

int fx_unlink(struct work_fixture *f, const char *path)
{
	const char *name;
	uint64_t dir = held_parent(f, path, &name);
	int r = work_unlink(f->w, dir, name);

	work_release(f->w, dir, 1);
	return r;
}

int fx_rmdir(struct work_fixture *f, const char *path)
{
	const char *name;
	uint64_t dir = held_parent(f, path, &name);
	int r = work_rmdir(f->w, dir, name);

	work_release(f->w, dir, 1);
	return r;
}

int fx_rename(struct work_fixture *f, const char *from, const char *to, unsigned flags)
{
	const char *name, *new_name;
	uint64_t a = held_parent(f, from, &name), b = held_parent(f, to, &new_name);
	int r = work_rename(f->w, a, name, b, new_name, flags);

	work_release(f->w, a, 1);
	work_release(f->w, b, 1);
	return r;
}

struct names {
	char *all[4096];
	size_t n;
};

static int add(const char *name, uint64_t cookie, const struct work_attr *attr, void *arg)
{
	struct names *l = arg;

	assert_true(l->n < 4096 && attr->ino && cookie);
	l->all[l->n++] = alloc_str(name);
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

const char *fx_list(struct work_fixture *f, const char *path)
{
	static char out[1 << 16];
	static struct names l;
	const char *name;
	uint64_t dir = held_parent(f, path, &name);
	struct work_attr at = {.ino = WORK_ROOT_INO};

	l.n = 0;
	if (*name)
		assert_int_equal(work_lookup(f->w, dir, name, &at), 0);
	assert_int_equal(work_readdir(f->w, at.ino, 0, true, add, &l), 0);
	if (*name)
		work_release(f->w, at.ino, 1);
	work_release(f->w, dir, 1);
	if (l.n)
		qsort(l.all, l.n, sizeof(*l.all), by_name);
	*out = '\0';
	for (size_t i = 0, at_byte = 0; i < l.n; i++) {
		at_byte +=
			(size_t)snprintf(out + at_byte, sizeof(out) - at_byte, "%s ", l.all[i]);
		free(l.all[i]);
	}
	return out;
}
