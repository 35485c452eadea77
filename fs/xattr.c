/* fs/xattr.c - what a fragment says about itself by name.
 *
 * user.frag.commit, seq, oid, state and origin. They are never listed, because tools that copy try to preserve what
 * is listed. A blob belongs to many fragments at once and knows its oid and origin only.
 *
 * `ls -l` asks for a security label and an access list of every file, and the kernel caches neither answer: "no data" cost
 * two requests an entry (2,466 for a directory of 1,195). "Not supported", which is the truth, makes ls, cp and tar
 * stop asking for the rest of the device: two requests in all.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/app.h"
#include "fs/door.h"
#include "fs/trees.h"
#include "fs/work_place.h"
#include "store/fragment.h"

enum { VALUE_MAX = 128 };

/* The commit a directory stands for; PLACE_NO_ENTRY for none. */
static int commit_of(struct project *p, struct node *n, struct oid *commit, uint32_t *seq)
{
	struct project_head head;
	struct fragment f;
	int r;

	if (n->kind == PLACE_WORK) {
		r = project_head(p, &head);
		if (!r)
			r = fragment_by_commit(p, &head.commit, &f);
	} else {
		r = fragment_get(p, n->seq, &f);
	}
	if (r)
		return r < 0 ? r : PLACE_NO_ENTRY;
	*commit = f.commit;
	*seq = f.seq;
	return 0;
}

/* `live` stands for HEAD; what a session stands for its own git directory says. */
static bool has_commit(const struct node *n)
{
	if (n->kind == PLACE_WORK)
		return S_ISDIR(n->mode) &&
		       !strcmp(work_info(work_place_work(n))->name, TREES_LIVE);
	return n->kind == PLACE_TREE && n->view != VIEW_COMMIT;
}

/* Zero for what is no object of git any more. */
static int oid_of(struct node *n, struct oid *ret)
{
	struct work_attr attr;
	int r;

	if (n->kind != PLACE_WORK) {
		*ret = n->oid;
		return 0;
	}
	r = work_getattr(work_place_work(n), work_place_number(n), &attr);
	if (!r)
		*ret = attr.oid;
	return r > 0 ? -r : r;
}

static int state_of(struct project *p, const struct oid *commit, char ret[VALUE_MAX])
{
	struct project_head head;
	int r = project_head(p, &head);

	if (r)
		return r < 0 ? r : PLACE_NO_ENTRY;
	snprintf(ret, VALUE_MAX, "%s", oid_eq(commit, &head.commit) ? "head" : "kept");
	return 0;
}

static int commit_value(struct fs *fs, struct node *n, const char *what, char ret[VALUE_MAX])
{
	CLEANUP(project_unrefp) struct project *p = NULL;
	struct oid commit = {0};
	uint32_t seq = 0;
	char hex[OID_HEX_LEN + 1];
	int r;

	if (!has_commit(n))
		return PLACE_NO_ENTRY;
	r = app_use(fs, n->app, &p);
	if (!r)
		r = commit_of(p, n, &commit, &seq);
	if (r)
		return r;
	if (!strcmp(what, "seq"))
		snprintf(ret, VALUE_MAX, "%u", seq);
	else if (!strcmp(what, "commit"))
		snprintf(ret, VALUE_MAX, "%s", oid_hex(&commit, hex));
	else
		return state_of(p, &commit, ret);
	return 0;
}

static int value_of(struct fs *fs, struct node *n, const char *name, char ret[VALUE_MAX])
{
	static const char prefix[] = "user.frag.";
	const char *what = name + sizeof(prefix) - 1;
	char hex[OID_HEX_LEN + 1];
	struct oid oid;
	int r;

	if (strncmp(name, prefix, sizeof(prefix) - 1) != 0 ||
	    (n->kind != PLACE_TREE && n->kind != PLACE_BLOB && n->kind != PLACE_WORK))
		return PLACE_NO_ENTRY;
	if (!strcmp(what, "origin")) {
		snprintf(ret, VALUE_MAX, "%s", n->app->name);
		return 0;
	}
	if (!strcmp(what, "oid")) {
		r = oid_of(n, &oid);
		if (r || oid_is_zero(&oid))
			return r ? r : PLACE_NO_ENTRY;
		snprintf(ret, VALUE_MAX, "%s", oid_hex(&oid, hex));
		return 0;
	}
	if (strcmp(what, "seq") != 0 && strcmp(what, "commit") != 0 &&
	    strcmp(what, "state") != 0)
		return PLACE_NO_ENTRY;
	return commit_value(fs, n, what, ret);
}

static void reply_value(fuse_req_t req, const char *value, size_t len, size_t size)
{
	if (!size)
		fuse_reply_xattr(req, len);
	else if (size < len)
		fuse_reply_err(req, ERANGE);
	else
		fuse_reply_buf(req, value, len);
}

static bool is_frags(const char *name)
{
	return !strncmp(name, "user.frag.", 10);
}

static void get_frags(fuse_req_t req, struct node *n, const char *name, size_t size)
{
	char value[VALUE_MAX];
	int r = strncmp(name, "user.", 5) == 0 ? value_of(door_fs(req), n, name, value)
					       : -EOPNOTSUPP;

	if (r == -EOPNOTSUPP)
		fuse_reply_err(req, EOPNOTSUPP);
	else if (r)
		fuse_reply_err(req, r == PLACE_NO_ENTRY ? ENODATA : door_errno(r));
	else
		reply_value(req, value, strlen(value), size);
}

/* `name` NULL: the list of names. */
static void get_work(fuse_req_t req, struct node *n, const char *name, size_t size)
{
	struct work *w = work_place_work(n);
	char *value = size ? malloc(size) : NULL;
	size_t len = size;
	int r = size && !value ? ENOMEM
		: name         ? work_getxattr(w, work_place_number(n), name, value, &len)
			       : work_listxattr(w, work_place_number(n), value, &len);

	if (r)
		fuse_reply_err(req, door_work_errno(r));
	else
		reply_value(req, value, len, size);
	free(value);
}

void xattr_get(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	struct fs *fs = door_fs(req);
	struct node *n = door_enter(req, ino, TALLY_GETXATTR);

	if (!n)
		return;
	if (n->kind == PLACE_WORK && !is_frags(name))
		get_work(req, n, name, size);
	else
		get_frags(req, n, name, size);
	node_put(fs->nodes, n);
}

void xattr_list(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	struct fs *fs = door_fs(req);
	struct node *n = door_enter(req, ino, TALLY_LISTXATTR);

	if (!n)
		return;
	if (n->kind == PLACE_WORK)
		get_work(req, n, NULL, size);
	else
		fuse_reply_err(req, EOPNOTSUPP);
	node_put(fs->nodes, n);
}

void xattr_set(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size,
	       int flags)
{
	struct node *n = door_enter_work(req, ino, TALLY_SETXATTR);
	int r;

	if (!n)
		return;
	r = is_frags(name) ? EPERM
			   : work_setxattr(work_place_work(n), work_place_number(n), name,
					   value, size, flags);
	door_done(req, n, door_work_errno(r));
}

void xattr_remove(fuse_req_t req, fuse_ino_t ino, const char *name)
{
	struct node *n = door_enter_work(req, ino, TALLY_REMOVEXATTR);
	int r;

	if (!n)
		return;
	r = is_frags(name) ? EPERM
			   : work_removexattr(work_place_work(n), work_place_number(n), name);
	door_done(req, n, door_work_errno(r));
}
