/* Projects made, renamed and deleted: each is durable when the call returned. */
#include <errno.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "store/project.h"
#include "store/store.h"
#include "tests/crash/acks.h"
#include "tests/crash/probe_store.h"

static int make(struct store *st, const char *name, struct acks *a)
{
	struct project *p = NULL;
	char key[64];
	int r;

	(void)snprintf(key, sizeof(key), "project:%s", name);
	acks_begin(a, key, "here");
	r = project_create(st, name, &p);
	project_unref(p);
	if (r == PROJECT_EXISTS) /* an earlier run's */
		r = 0;
	if (!r)
		acks_done(a, key, "here");
	return r;
}

static int rename_it(struct store *st, const char *from, const char *to, struct acks *a)
{
	char old[64], new[64];
	int r;

	(void)snprintf(old, sizeof(old), "project:%s", from);
	(void)snprintf(new, sizeof(new), "project:%s", to);
	acks_begin(a, old, "-");
	acks_begin(a, new, "here");
	r = project_rename(st, from, to);
	if (r == PROJECT_EXISTS) {
		r = project_delete(st, to);
		if (!r)
			r = project_rename(st, from, to);
	}
	if (r)
		return r;
	acks_done(a, old, "-");
	acks_done(a, new, "here");
	return 0;
}

static int delete_it(struct store *st, const char *name, struct acks *a)
{
	char key[64];
	int r;

	(void)snprintf(key, sizeof(key), "project:%s", name);
	acks_begin(a, key, "-");
	r = project_delete(st, name);
	if (r == PROJECT_MISSING)
		r = 0;
	if (!r)
		acks_done(a, key, "-");
	return r;
}

static int work(const char *dir, struct acks *a, int rounds)
{
	struct store *st = NULL;
	int r = store_init(dir);

	if (!r)
		r = store_open(dir, &st);
	for (int i = 0; i < rounds && !r; i++) {
		char made[32], moved[32], gone[32];

		(void)snprintf(made, sizeof(made), "made-%d", i);
		(void)snprintf(moved, sizeof(moved), "moved-%d", i);
		(void)snprintf(gone, sizeof(gone), "moved-%d", i - 3);
		r = make(st, made, a);
		if (!r)
			r = rename_it(st, made, moved, a);
		if (!r && i >= 3)
			r = delete_it(st, gone, a);
	}
	store_close(st);
	return r;
}

const struct workload workload_projects = {"projects", work, probe_store_open, probe_store,
					   probe_store_close};
