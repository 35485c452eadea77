/* Looks things up in a home through the store's own functions, as a user would after the cut. */
#include "tests/crash/probe_store.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/oid.h"
#include "store/blob.h"
#include "store/commit.h"
#include "store/fragment.h"
#include "store/fsck.h"
#include "store/project.h"
#include "store/ref.h"
#include "store/refresh.h"
#include "store/store.h"
#include "store/tree.h"
#include "tests/crash/work_commits.h"

enum { PART_MAX = 128, TEXT_MAX = 8192 };

DEFINE_CLEANUP(struct commit *, commit_free)

struct probe {
	struct project *project;
	const char *name; /* the third part of the key */
	char *value;
};

static void say(struct probe *p, const char *word)
{
	(void)snprintf(p->value, WORKLOAD_VALUE_MAX, "%.*s", WORKLOAD_VALUE_MAX - 1, word);
}

void *probe_store_open(const char *dir)
{
	char path[PATH_MAX];
	struct store *st = NULL;

	return realpath(dir, path) && store_open(path, &st) == 0 ? st : NULL;
}

void probe_store_close(void *opened)
{
	store_close(opened);
}

static void probe_project(struct probe *p)
{
	struct project_head head;

	if (project_head(p->project, &head) == 0)
		say(p, "here");
}

static void probe_ref(struct probe *p)
{
	char hex[OID_HEX_LEN + 1];
	struct oid oid;
	int r = ref_read(p->project, p->name, &oid);

	if (r >= 0)
		say(p, r ? "-" : oid_hex(&oid, hex));
}

static void probe_head(struct probe *p)
{
	char hex[OID_HEX_LEN + 1];
	struct project_head head;

	if (project_head(p->project, &head) == 0)
		say(p, head.branch[0] ? head.branch : oid_hex(&head.commit, hex));
}

static bool is_file_whole(struct project *p, const struct oid *tree, int round, int file)
{
	CLEANUP(buf_deinit) struct buf have;
	char want[TEXT_MAX], path[32];
	size_t len = work_commits_text(round, file, want, sizeof(want));
	struct tree_entry e;

	buf_init(&have, TEXT_MAX);
	(void)snprintf(path, sizeof(path), "dir/%d/file", file);
	return tree_lookup(p, tree, path, &e) == 0 && e.size == len &&
	       blob_read(p, &e.oid, &have) == 0 && have.len == len &&
	       !memcmp(have.data, want, len);
}

static void probe_commit(struct probe *p)
{
	CLEANUP(commit_freep) struct commit *c = NULL;
	struct oid oid;
	bool whole = true;
	int round;

	if (!oid_parse(p->name, strlen(p->name), &oid) || commit_read(p->project, &oid, &c) ||
	    sscanf(c->title, "round %d", &round) != 1)
		return;
	for (int i = 0; i < WORK_COMMITS_FILES; i++)
		whole = whole && is_file_whole(p->project, &c->tree, round, i);
	if (whole)
		say(p, "whole");
}

static void probe_seq(struct probe *p)
{
	struct refresh_result seen;
	struct fragment f;
	char number[16];
	struct oid oid;

	if (!oid_parse(p->name, strlen(p->name), &oid) ||
	    refresh_project(p->project, NULL, NULL, &seen) ||
	    fragment_by_commit(p->project, &oid, &f))
		return;
	(void)snprintf(number, sizeof(number), "%u", f.seq);
	say(p, number);
}

static void note_problem(const struct fsck_finding *f, void *arg)
{
	struct probe *p = arg;

	if (f->level == FSCK_PROBLEM && !strcmp(p->value, "clean"))
		say(p, f->words);
}

static void probe_fsck(struct probe *p)
{
	struct fsck how = {.fn = note_problem, .arg = p};
	struct fsck_result found = {0};

	say(p, "clean");
	if (fsck_project(p->project, &how, &found))
		say(p, "cannot be checked");
}

void probe_store(void *opened, const char *key, char value[WORKLOAD_VALUE_MAX])
{
	static const struct {
		const char *kind;
		void (*probe)(struct probe *p);
	} kinds[] = {
		{"project", probe_project}, {"ref", probe_ref}, {"head", probe_head},
		{"commit", probe_commit},   {"seq", probe_seq}, {"fsck", probe_fsck},
	};
	char kind[16] = "", name[PART_MAX] = "", rest[PART_MAX] = "";
	struct probe p = {.name = rest, .value = value};
	int r;

	say(&p, "damaged");
	if (sscanf(key, "%15[^:]:%127[^:]:%127s", kind, name, rest) < 2)
		return;
	r = project_open(opened, name, &p.project);
	if (r == PROJECT_MISSING)
		say(&p, "-");
	if (r)
		return;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		if (!strcmp(kinds[i].kind, kind))
			kinds[i].probe(&p);
	}
	project_unref(p.project);
}
