/* Work trees: a file that was replaced and synced is the new one, whole; a snapshot's tree is there; a switch is all of one tree.
 *
 * Two work trees of one project. In "live" files are written beside their name, synced and renamed over it, as editors
 * do, and directories are moved and synced; each round ends in a snapshot, to which "other" is switched.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "store/project.h"
#include "store/store.h"
#include "store/tree.h"
#include "store/work.h"
#include "tests/crash/acks.h"
#include "tests/crash/workload.h"

enum { FILES = 3, LINES = 700, TEXT_MAX = 16384 };

static const struct work_caller me;

struct home {
	struct store *st;
	struct project *p;
	struct work *live, *other;
};

static void home_close(struct home *h)
{
	work_unref(h->live);
	work_unref(h->other);
	project_unref(h->p);
	store_close(h->st);
	*h = (struct home){0};
}

static int open_work(struct project *p, const char *name, bool make, struct work **ret)
{
	const struct work_spec spec = {.name = name};
	struct work_info info;
	int r = work_find(p, name, &info);

	if (r == WORK_MISSING && make)
		r = work_create(p, &spec, &info);
	return r ? r : work_open(p, &info, ret);
}

static int home_open(const char *dir, bool make, struct home *ret)
{
	struct home h = {0};
	int r = store_open(dir, &h.st);

	if (!r)
		r = project_open(h.st, "app", &h.p);
	if (r == PROJECT_MISSING && make)
		r = project_create(h.st, "app", &h.p);
	if (!r)
		r = open_work(h.p, "live", make, &h.live);
	if (!r)
		r = open_work(h.p, "other", make, &h.other);
	if (r) {
		home_close(&h);
		return r;
	}
	*ret = h;
	return 0;
}

/* An operation must work here: an answer is as bad as a fault. */
static int must(int r)
{
	return r > 0 ? -EIO : r;
}

static size_t text_of(int round, char ret[TEXT_MAX])
{
	size_t len = 0;

	for (int i = 0; i < LINES; i++)
		len += (size_t)snprintf(ret + len, TEXT_MAX - len, "%06d\n", round);
	return len;
}

static int make_tmp(struct work *w, int round, uint64_t *ret)
{
	char text[TEXT_MAX];
	size_t len = text_of(round, text), done;
	struct work_attr at;
	int r = work_create_file(w, WORK_ROOT_INO, "tmp", 0644, &me, &at);

	/* An earlier run may have been killed in between. */
	if (r == EEXIST) {
		r = work_unlink(w, WORK_ROOT_INO, "tmp");
		if (!r)
			r = work_create_file(w, WORK_ROOT_INO, "tmp", 0644, &me, &at);
	}
	if (!r)
		r = work_write(w, at.ino, 0, text, len, &done);
	if (!r)
		r = work_fsync(w, at.ino, false);
	*ret = r ? 0 : at.ino;
	return must(r);
}

static int replace(struct work *w, int file, int round, struct acks *a)
{
	char key[16], name[8], value[16];
	uint64_t ino = 0;
	int r;

	(void)snprintf(key, sizeof(key), "file:%d", file);
	(void)snprintf(name, sizeof(name), "f%d", file);
	(void)snprintf(value, sizeof(value), "%06d", round);
	acks_begin(a, key, value);
	r = make_tmp(w, round, &ino);
	if (!r)
		r = must(work_rename(w, WORK_ROOT_INO, "tmp", WORK_ROOT_INO, name, 0));
	if (!r)
		r = must(work_fsync(w, WORK_ROOT_INO, false));
	if (ino)
		work_release(w, ino, 1);
	if (r)
		return r;
	acks_done(a, key, value);
	return 0;
}

/* A directory goes from name to name; it must be found under one. */
static int move_dir(struct work *w, int round, struct acks *a)
{
	char from[16], to[16];
	struct work_attr at;
	int r;

	(void)snprintf(from, sizeof(from), "d%d", round % 2);
	(void)snprintf(to, sizeof(to), "d%d", !(round % 2));
	r = work_lookup(w, WORK_ROOT_INO, from, &at);
	if (!r)
		work_release(w, at.ino, 1);
	acks_begin(a, "dir", to);
	if (r == ENOENT) {
		r = work_mkdir(w, WORK_ROOT_INO, to, 0755, &me, &at);
		if (!r)
			work_release(w, at.ino, 1);
		r = r == EEXIST ? 0 : r;
	} else if (!r) {
		r = work_rename(w, WORK_ROOT_INO, from, WORK_ROOT_INO, to, 0);
	}
	if (!r)
		r = work_fsync(w, WORK_ROOT_INO, true);
	if (r)
		return must(r);
	acks_done(a, "dir", to);
	return 0;
}

/* Writes on after the snapshot, unsynced: what it called clean is dirty again. */
static int scribble(struct work *w, int round)
{
	struct work_attr at;
	size_t done;
	int r = work_lookup(w, WORK_ROOT_INO, "scratch", &at);

	if (r == ENOENT)
		r = work_create_file(w, WORK_ROOT_INO, "scratch", 0644, &me, &at);
	if (r)
		return must(r);
	r = work_write(w, at.ino, (uint64_t)round * 100, "scribble", 8, &done);
	work_release(w, at.ino, 1);
	return must(r);
}

static int switch_other(struct home *h, int round, struct acks *a)
{
	char key[64], hex[OID_HEX_LEN + 1], value[16];
	struct work_snapshot s;
	int r = work_snapshot(h->live, NULL, NULL, NULL, &s);

	if (r)
		return r;
	(void)snprintf(key, sizeof(key), "tree:%s", oid_hex(&s.tree, hex));
	acks_begin(a, key, "whole");
	acks_done(a, key, "whole");
	(void)snprintf(value, sizeof(value), "%06d", round);
	acks_begin(a, "other", value);
	r = work_switch(h->other, &s.tree, NULL, NULL, NULL);
	if (r)
		return r;
	acks_done(a, "other", value);
	return 0;
}

static int round_of(struct home *h, int i, struct acks *a)
{
	int r = 0;

	for (int file = 0; file < FILES && !r; file++)
		r = replace(h->live, file, i, a);
	if (!r)
		r = move_dir(h->live, i, a);
	if (!r)
		r = scribble(h->live, i);
	return r ? r : switch_other(h, i, a);
}

static int work(const char *dir, struct acks *a, int rounds)
{
	struct home h = {0};
	int r = store_init(dir);

	if (!r)
		r = home_open(dir, true, &h);
	for (int i = 0; i < rounds && !r; i++)
		r = round_of(&h, i, a);
	home_close(&h);
	return r;
}

/* ---- probing ---- */

static void *open_home(const char *dir)
{
	struct home *h = alloc_zero(sizeof(*h));
	char path[4096];

	if (realpath(dir, path) && !home_open(path, false, h))
		return h;
	free(h);
	return NULL;
}

/* The round a file is of; -1: absent, -2: damaged. */
static int round_in(struct work *w, const char *name)
{
	char have[TEXT_MAX], want[TEXT_MAX];
	struct work_bytes b;
	struct work_attr at;
	int round = -2;
	int r = work_lookup(w, WORK_ROOT_INO, name, &at);

	if (r)
		return r == ENOENT ? -1 : -2;
	r = work_read(w, at.ino, 0, sizeof(have), &b);
	work_release(w, at.ino, 1);
	if (r)
		return -2;
	if (b.data)
		memcpy(have, b.data, b.len);
	else if (b.len && pread(b.fd, have, b.len, (off_t)b.fd_off) != (ssize_t)b.len)
		r = -EIO;
	if (!r && b.len > 6 && sscanf(have, "%6d", &round) == 1 &&
	    (text_of(round, want) != b.len || memcmp(have, want, b.len) != 0))
		round = -2;
	work_bytes_done(w, &b);
	return round;
}

static void say_round(int round, char value[WORKLOAD_VALUE_MAX])
{
	if (round == -1)
		(void)snprintf(value, WORKLOAD_VALUE_MAX, "-");
	else if (round >= 0)
		(void)snprintf(value, WORKLOAD_VALUE_MAX, "%06d", round);
}

/* All files of the other work tree are of one round. */
static int round_of_other(struct work *w)
{
	int round = round_in(w, "f0");

	for (int i = 1; i < FILES; i++) {
		char name[8];

		(void)snprintf(name, sizeof(name), "f%d", i);
		if (round_in(w, name) != round)
			return -2;
	}
	return round;
}

static void probe_dir(struct work *w, char value[WORKLOAD_VALUE_MAX])
{
	struct work_attr at;
	bool zero = !work_resolve(w, "d0", &at), one = !work_resolve(w, "d1", &at);

	if (zero != one)
		(void)snprintf(value, WORKLOAD_VALUE_MAX, zero ? "d0" : "d1");
	else if (!zero)
		(void)snprintf(value, WORKLOAD_VALUE_MAX, "-");
}

static void probe(void *opened, const char *key, char value[WORKLOAD_VALUE_MAX])
{
	struct home *h = opened;
	struct tree_entry e;
	struct oid tree;
	char name[8];

	(void)snprintf(value, WORKLOAD_VALUE_MAX, "damaged");
	if (!strncmp(key, "file:", 5)) {
		(void)snprintf(name, sizeof(name), "f%.1s", key + 5);
		say_round(round_in(h->live, name), value);
	} else if (!strcmp(key, "other")) {
		say_round(round_of_other(h->other), value);
	} else if (!strcmp(key, "dir")) {
		probe_dir(h->live, value);
	} else if (oid_parse(key + 5, strlen(key + 5), &tree)) {
		if (!tree_lookup(h->p, &tree, "f0", &e))
			(void)snprintf(value, WORKLOAD_VALUE_MAX, "whole");
	}
}

static void close_home(void *opened)
{
	home_close(opened);
	free(opened);
}

const struct workload workload_trees = {"trees", work, open_home, probe, close_home};
