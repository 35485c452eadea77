/* Imports: what came in and was reported stays, numbered, with its refs.
 *
 * Each round brings one more JSON document into one project, and then that project, as a local git
 * repository, into another: the first time it is made, later it is brought up to date. The documents
 * hold what work_commits writes, so the same probe tells whole from damaged.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/json.h"
#include "base/oid.h"
#include "store/fragment.h"
#include "store/import_git.h"
#include "store/import_json.h"
#include "store/ref.h"
#include "store/store.h"
#include "tests/crash/acks.h"
#include "tests/crash/probe_store.h"
#include "tests/crash/work_commits.h"

enum { TEXT_MAX = 8192 };

DEFINE_CLEANUP(struct project *, project_unref)

static int write_document(const char *path, int round)
{
	CLEANUP(buf_deinit) struct buf b;
	struct json_out o;
	char text[TEXT_MAX];
	int r;

	buf_init(&b, 1 << 20);
	json_out_buf(&o, &b);
	json_begin(&o, '{');
	json_int_field(&o, "id", round);
	(void)snprintf(text, sizeof(text), "round %d", round);
	json_str_field(&o, "title", text);
	json_int_field(&o, "createdAt", 1700000000 + round);
	json_key_out(&o, "files");
	json_begin(&o, '{');
	for (int i = 0; i < WORK_COMMITS_FILES; i++) {
		size_t len = work_commits_text(round, i, text, sizeof(text));
		char name[32];

		(void)snprintf(name, sizeof(name), "dir/%d/file", i);
		json_key_out(&o, name);
		json_put_strn(&o, text, len);
	}
	json_end(&o, '}');
	json_end(&o, '}');
	r = json_out_end(&o);
	return r ? r : io_replace(AT_FDCWD, path, b.data, b.len, 0644);
}

static void ignore_problem(const struct import_json_problem *p, void *arg)
{
}

static int main_of(struct store *st, const char *name, struct project **p, struct oid *ret)
{
	int r = project_open(st, name, p);

	return r ? r : ref_read(*p, "refs/heads/main", ret);
}

/* One document; its commit and number are promised once import_json() returned. */
static int bring_document(struct store *st, const char *path, struct acks *a, struct oid *ret)
{
	CLEANUP(project_unrefp) struct project *p = NULL;
	struct import_no no = {"", ""};
	struct import_request q = {.source = path, .name = "app", .no = &no};
	struct import_json_report report;
	char hex[OID_HEX_LEN + 1], key[128], value[16];
	struct fragment f;
	int r = import_json(st, &q, ignore_problem, NULL, &report);

	if (!r && report.validated != 1)
		return fail(-EIO, "the document was not validated");
	if (!r)
		r = main_of(st, "app", &p, ret);
	if (!r)
		r = fragment_by_commit(p, ret, &f);
	if (r)
		return r;
	(void)snprintf(key, sizeof(key), "commit:app:%s", oid_hex(ret, hex));
	acks_done(a, key, "whole");
	(void)snprintf(key, sizeof(key), "seq:app:%s", hex);
	(void)snprintf(value, sizeof(value), "%u", f.seq);
	acks_begin(a, key, value);
	acks_done(a, key, value);
	return 0;
}

/* The whole project once more, by way of git. */
static int bring_repository(struct store *st, const char *dir, const struct oid *tip,
			    struct acks *a)
{
	CLEANUP(free_p) char *source = alloc_fmt("%s/projects/app.git", dir);
	struct import_no no = {"", ""};
	struct import_request q = {.source = source, .name = "copy", .no = &no};
	struct import_git_report report;
	char hex[OID_HEX_LEN + 1], key[128];
	int r;

	oid_hex(tip, hex);
	acks_begin(a, "ref:copy:refs/heads/main", hex);
	r = import_git(st, &q, &report);
	if (r)
		return r;
	acks_done(a, "ref:copy:refs/heads/main", hex);
	(void)snprintf(key, sizeof(key), "commit:copy:%s", hex);
	acks_done(a, key, "whole");
	return 0;
}

static int work(const char *dir, struct acks *a, int rounds)
{
	CLEANUP(free_p) char *document = alloc_fmt("%s-document.json", dir);
	struct store *st = NULL;
	struct oid tip;
	int r = store_init(dir);

	if (!r)
		r = store_open(dir, &st);
	for (int i = 0; i < rounds && !r; i++) {
		r = write_document(document, i);
		if (!r)
			r = bring_document(st, document, a, &tip);
		if (!r)
			r = bring_repository(st, dir, &tip, a);
	}
	store_close(st);
	return r;
}

const struct workload workload_imports = {"imports", work, probe_store_open, probe_store,
					  probe_store_close};
