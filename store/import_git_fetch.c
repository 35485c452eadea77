/* Driving git's transports.
 *
 * `git fetch` is all or nothing: what arrived when the line broke is thrown away. So a large repository comes
 * in steps: first the history up to a few of its tags, in the order of their version numbers,
 * then everything. Each step that ended is in the stage with its refs, and the next call
 * negotiates from there. Repositories with few tags come in one step.
 *
 * Refs land in the stage under their own names. Nothing is checked out and nothing is obeyed of
 * what arrives; hostile trees are let in, as the judge shows them for what they are.
 */
#include "store/import_git_fetch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "store/import_git_child.h"
#include "store/import_stage.h"

enum { LISTING_MAX = 512 << 20, STEP_TAGS_MIN = 64, STEPS = 4 };

/* One line of `git ls-remote --symref`: "ref: refs/heads/main\tHEAD" or "<id>\t<name>". */
static void read_listing_line(struct import_git_refs *r, char *line)
{
	char *tab = strchr(line, '\t'), *name = tab ? tab + 1 : NULL;
	struct oid oid;

	if (!tab)
		return;
	*tab = '\0';
	if (!strncmp(line, "ref: ", 5)) {
		if (!strcmp(name, "HEAD") && !r->head && import_git_refs_name_ok(line + 5))
			r->head = alloc_str(line + 5);
		return;
	}
	if (!oid_parse(line, strlen(line), &oid))
		return;
	if (!strcmp(name, "HEAD"))
		r->head_oid = oid;
	else if (!strstr(name, "^{}"))
		import_git_refs_add(r, name, &oid, NULL);
}

static int list_remote(const struct import_git_child *git, const char *url,
		       struct import_git_refs *ret)
{
	const char *const args[] = {"ls-remote", "--symref", "--", url, NULL};
	CLEANUP(buf_deinit) struct buf b;
	char *line, *nl;
	int r;

	buf_init(&b, LISTING_MAX);
	r = import_git_child_run(git, args, -1, &b);
	if (r)
		return r;
	for (line = b.data; (nl = strchr(line, '\n')); line = nl + 1) {
		*nl = '\0';
		read_listing_line(ret, line);
	}
	import_git_refs_sort(ret);
	return 0;
}

static int fetch_step(const struct import_git_child *git, const char *url,
		      const char *const *specs, bool last)
{
	const char *args[32] = {"fetch",
				"--no-tags",
				"--force",
				"--update-shallow",
				"--no-write-fetch-head",
				"--no-auto-maintenance",
				"--no-recurse-submodules",
				"--no-show-forced-updates",
				"--progress"};
	size_t n = 9;

	if (last)
		args[n++] = "--prune";
	args[n++] = "--";
	args[n++] = url;
	while (*specs)
		args[n++] = *specs++;
	return import_git_child_run(git, args, -1, NULL);
}

static int by_version(const void *a, const void *b)
{
	return strverscmp(*(const char *const *)a, *(const char *const *)b);
}

/* Fetches up to a few tags first, so that a break does not cost everything. */
static int fetch_milestones(const struct import_git_child *git, const char *url,
			    const struct import_git_refs *refs)
{
	CLEANUP(free_p) const char **tags = alloc_array(refs->n + 1, sizeof(*tags));
	size_t n = 0;
	int r = 0;

	for (size_t i = 0; i < refs->n; i++) {
		if (!strncmp(refs->refs[i].name, "refs/tags/", 10))
			tags[n++] = refs->refs[i].name;
	}
	if (n < STEP_TAGS_MIN)
		return 0;
	qsort(tags, n, sizeof(*tags), by_version);
	for (size_t i = 1; !r && i < STEPS; i++) {
		CLEANUP(free_p)
		char *spec = alloc_fmt("+%s:%s", tags[n * i / STEPS], tags[n * i / STEPS]);
		const char *const specs[] = {spec, NULL};

		r = fetch_step(git, url, specs, false);
	}
	return r;
}

int import_git_fetch(const struct import_git_child *git, struct import_stage *stage,
		     const char *url, struct import_git_refs *ret)
{
	static const char *const all[] = {
		"+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*",
		"+refs/remotes/*:refs/remotes/*", "+refs/notes/*:refs/notes/*", NULL};
	CLEANUP(import_git_refs_deinit) struct import_git_refs listed = {0};
	int r = list_remote(git, url, &listed);

	if (r)
		return r;
	if (listed.n) {
		r = fetch_milestones(git, url, &listed);
		if (!r)
			r = fetch_step(git, url, all, true);
		if (!r)
			r = import_git_refs_read(stage->fd, stage->fd, ret);
	}
	if (r)
		return r;
	free(ret->head);
	ret->head = TAKE(listed.head);
	ret->head_oid = listed.head_oid;
	return 0;
}

static int add_tips(struct buf *b, const struct import_git_refs *refs, const char *sign)
{
	char hex[OID_HEX_LEN + 1];
	int r = 0;

	for (size_t i = 0; !r && i < refs->n; i++) {
		if (!refs->refs[i].target && !refs->refs[i].broken)
			r = buf_fmt(b, "%s%s\n", sign, oid_hex(&refs->refs[i].oid, hex));
	}
	if (!r && !oid_is_zero(&refs->head_oid))
		r = buf_fmt(b, "%s%s\n", sign, oid_hex(&refs->head_oid, hex));
	return r;
}

int import_git_pack(const struct import_git_child *git, struct import_stage *stage,
		    const struct import_git_refs *theirs, const struct import_git_refs *ours)
{
	CLEANUP(free_p) char *base = alloc_fmt("%s/objects/pack/pack", stage->path);
	const char *const args[] = {
		"pack-objects", "--revs", "--delta-base-offset", "--non-empty", "--progress",
		base,           NULL};
	CLEANUP(buf_deinit) struct buf tips;
	CLEANUP(close_p) int in = -1;
	int r;

	buf_init(&tips, LISTING_MAX);
	r = add_tips(&tips, theirs, "");
	if (!r)
		r = add_tips(&tips, ours, "^");
	if (r)
		return fail(r, "list the tips to pack");
	in = memfd_create("tips", MFD_CLOEXEC);
	r = in < 0 ? -errno : io_write_all(in, tips.data, tips.len);
	if (r || lseek(in, 0, SEEK_SET) < 0)
		return fail(r ? r : -errno, "hand the tips to git");
	return import_git_child_run(git, args, in, NULL);
}
