/* Raw objects: one attempt, a fresh look at the disk, and a second one.
 *
 * libgit2 looks again for new packs when an object is missing, but it does not drop packs that
 * are gone, and reports a pack it cannot open as an error of the object. After a repack
 * both are cured by opening the database anew, which costs a directory listing.
 * An object that is missing for good costs that twice; such are rare (submodules, damage).
 */
#include "store/object.h"

#include <errno.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "store/project_private.h"

enum { PEEL_MAX = 64 /* tags of tags; git has no limit, nobody has two */ };

typedef int (*attempt_fn)(git_odb *odb, const git_oid *id, void *arg);

static int with_odb(struct project *p, const struct oid *oid, attempt_fn attempt, void *arg)
{
	git_oid id = oid_to_git(oid);
	char hex[OID_HEX_LEN + 1];
	int r = 0;

	for (int tries = 0; tries < 2; tries++) {
		CLEANUP(git_odb_freep) git_odb *odb = NULL;

		r = project_odb(p, &odb);
		if (r)
			return r == PROJECT_GONE ? (int)OBJECT_MISSING : r;
		r = attempt(odb, &id, arg);
		if (!r)
			return 0;
		if (!tries)
			project_odb_stale(p, odb);
	}
	if (r == GIT_ENOTFOUND)
		return OBJECT_MISSING;
	return fail_git(r, "read object %s of project '%s'", oid_hex(oid, hex), p->name);
}

static int attempt_read(git_odb *odb, const git_oid *id, void *arg)
{
	return git_odb_read(arg, odb, id);
}

int object_read(struct project *p, const struct oid *oid, git_odb_object **ret)
{
	return with_odb(p, oid, attempt_read, ret);
}

struct header {
	size_t size;
	git_object_t type;
};

static int attempt_header(git_odb *odb, const git_oid *id, void *arg)
{
	struct header *h = arg;

	return git_odb_read_header(&h->size, &h->type, odb, id);
}

int object_header(struct project *p, const struct oid *oid, git_object_t *type, size_t *size)
{
	struct header h;
	int r = with_odb(p, oid, attempt_header, &h);

	if (r)
		return r;
	*type = h.type;
	*size = h.size;
	return 0;
}

/* A tag object starts with "object <40 hex>\n". */
static bool tag_target(const git_odb_object *tag, struct oid *ret)
{
	const char *text = git_odb_object_data((git_odb_object *)(uintptr_t)tag);
	size_t len = git_odb_object_size((git_odb_object *)(uintptr_t)tag);

	return len > 7 + OID_HEX_LEN && !memcmp(text, "object ", 7) &&
	       text[7 + OID_HEX_LEN] == '\n' && oid_parse(text + 7, OID_HEX_LEN, ret);
}

int object_peel(struct project *p, const struct oid *oid, struct oid *ret)
{
	struct oid at = *oid;

	for (int depth = 0; depth < PEEL_MAX; depth++) {
		CLEANUP(git_odb_object_freep) git_odb_object *tag = NULL;
		git_object_t type;
		size_t size;
		int r = object_header(p, &at, &type, &size);

		if (r)
			return r;
		if (type == GIT_OBJECT_COMMIT) {
			*ret = at;
			return 0;
		}
		if (type != GIT_OBJECT_TAG)
			return OBJECT_MISSING;
		r = object_read(p, &at, &tag);
		if (r)
			return r;
		if (!tag_target(tag, &at))
			return OBJECT_MISSING;
	}
	return OBJECT_MISSING;
}
