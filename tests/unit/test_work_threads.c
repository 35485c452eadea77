/* Eight threads in one work tree: names, bytes, listings, snapshots and switches at once. Meant for ThreadSanitizer; what it
 * asserts by itself is that nobody sees what was never there.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/work_fixture.h"

enum { ROUNDS = 150, WRITERS = 4, BLOCK = 3000 };

static const struct work_caller me = {1, 2};

struct crowd {
	struct work_fixture *f;
	struct oid other;
	atomic_int done;    /* writers that are through */
	atomic_int strange; /* things that must not be */
};

static void expect(struct crowd *c, bool fine)
{
	if (!fine)
		atomic_fetch_add(&c->strange, 1);
}

struct writer {
	struct crowd *c;
	int n;
};

/* One file of one letter, rewritten whole and replaced by rename, in a directory of one's own that no tree has. */
static void write_one(struct crowd *c, uint64_t dir, int round)
{
	struct work *w = c->f->w;
	char text[BLOCK], name[16];
	struct work_attr at;
	size_t done;

	memset(text, 'a' + round % 26, sizeof(text));
	if (work_create_file(w, dir, "tmp", 0644, &me, &at))
		return; /* a switch took the directory */
	expect(c, !work_write(w, at.ino, 0, text, sizeof(text), &done) && done == BLOCK);
	if (round % 8 == 0)
		expect(c, !work_fsync(w, at.ino, true));
	(void)snprintf(name, sizeof(name), "f%d", round % 5);
	(void)work_rename(w, dir, "tmp", dir, name, 0);
	(void)work_unlink(w, dir, "tmp");
	work_release(w, at.ino, 1);
}

static void *writer(void *arg)
{
	const struct writer *me_too = arg;
	struct crowd *c = me_too->c;
	struct work *w = c->f->w;
	char name[16];

	(void)snprintf(name, sizeof(name), "w%d", me_too->n);
	for (int i = 0; i < ROUNDS; i++) {
		struct work_attr d;
		int r = work_lookup(w, WORK_ROOT_INO, name, &d);

		if (r == ENOENT)
			r = work_mkdir(w, WORK_ROOT_INO, name, 0755, &me, &d);
		expect(c, !r || r == EEXIST);
		if (r)
			continue;
		write_one(c, d.ino, i);
		work_release(w, d.ino, 1);
	}
	atomic_fetch_add(&c->done, 1);
	return NULL;
}

/* A file is whole: all of one letter, unless it is just being written. */
static int look(const char *name, uint64_t cookie, const struct work_attr *attr, void *arg)
{
	struct crowd *c = arg;
	struct work_bytes b;
	char text[BLOCK];

	if (!S_ISREG(attr->mode) || *name != 'f' || !strcmp(name, "file"))
		return 0;
	if (work_read(c->f->w, attr->ino, 0, sizeof(text), &b))
		return 0;
	if (b.data)
		memcpy(text, b.data, b.len);
	else if (b.len)
		expect(c, pread(b.fd, text, b.len, (off_t)b.fd_off) >= 0);
	for (size_t i = 1; b.len == BLOCK && i < BLOCK; i++) {
		if (text[i] != *text) {
			expect(c, false);
			break;
		}
	}
	work_bytes_done(c->f->w, &b);
	return 0;
}

static void *reader(void *arg)
{
	struct crowd *c = arg;
	struct work *w = c->f->w;

	for (int i = 0; atomic_load(&c->done) < WRITERS; i++) {
		struct work_attr d;
		char name[16];

		(void)snprintf(name, sizeof(name), "w%d", i % WRITERS);
		if (!work_lookup(w, WORK_ROOT_INO, name, &d)) {
			expect(c, !work_readdir(w, d.ino, 0, true, look, c));
			work_release(w, d.ino, 1);
		}
		(void)work_tick(w);
		(void)work_is_modified(w);
	}
	return NULL;
}

static void *snapshotter(void *arg)
{
	struct crowd *c = arg;
	struct work_snapshot s;

	while (atomic_load(&c->done) < WRITERS)
		expect(c, !work_snapshot(c->f->w, NULL, NULL, NULL, &s));
	return NULL;
}

static void *switcher(void *arg)
{
	struct crowd *c = arg;
	struct work_snapshot s;

	for (int i = 0; atomic_load(&c->done) < WRITERS; i++) {
		expect(c, !work_snapshot(c->f->w, NULL, NULL, NULL, &s));
		expect(c, !work_switch(c->f->w, i % 2 ? &s.tree : &c->other, NULL, NULL, NULL));
	}
	return NULL;
}

static void a_crowd_sees_only_what_was_there(void **state)
{
	struct crowd c = {.f = *state};
	struct writer w[WRITERS];
	pthread_t t[WRITERS + 4];
	size_t n = 0;
	char before[4096];

	c.other = fx_tree(c.f, "echo other >file; mkdir w1; echo 1 >w1/one");
	for (int i = 0; i < WRITERS; i++) {
		w[i] = (struct writer){&c, i};
		assert_int_equal(pthread_create(&t[n++], NULL, writer, &w[i]), 0);
	}
	assert_int_equal(pthread_create(&t[n++], NULL, reader, &c), 0);
	assert_int_equal(pthread_create(&t[n++], NULL, reader, &c), 0);
	assert_int_equal(pthread_create(&t[n++], NULL, snapshotter, &c), 0);
	assert_int_equal(pthread_create(&t[n++], NULL, switcher, &c), 0);
	while (n)
		assert_int_equal(pthread_join(t[--n], NULL), 0);
	assert_int_equal(atomic_load(&c.strange), 0);
	/* What stands at the end is what a restart finds. */
	(void)snprintf(before, sizeof(before), "%s", fx_list(c.f, ""));
	work_fixture_kill(c.f);
	work_fixture_reopen(c.f);
	assert_string_equal(fx_list(c.f, ""), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_crowd_sees_only_what_was_there,
						work_fixture_setup, work_fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
