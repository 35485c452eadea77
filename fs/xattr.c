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
#include <string.h>
#include <sys/stat.h>

#include "fs/app.h"
#include "fs/door.h"
#include "store/fragment.h"

enum { VALUE_MAX = 128 };

/* The commit a directory stands for; zero for a blob or none. */
static int commit_of(struct project *p, struct node *n, struct oid *commit, uint32_t *seq)
{
	struct fragment f;
	int r;

	if (n->view == VIEW_LIVE) {
		pthread_rwlock_rdlock(&n->app->live.lock);
		*commit = n->app->live.commit;
		pthread_rwlock_unlock(&n->app->live.lock);
		r = fragment_by_commit(p, commit, &f);
	} else {
		r = fragment_get(p, n->seq, &f);
		*commit = f.commit;
	}
	if (r < 0)
		return r;
	*seq = r ? 0 : f.seq;
	return r ? PLACE_NO_ENTRY : 0;
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

	if (n->kind == PLACE_BLOB || n->view == VIEW_COMMIT)
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

	if (strncmp(name, prefix, sizeof(prefix) - 1) != 0 ||
	    (n->kind != PLACE_TREE && n->kind != PLACE_BLOB))
		return PLACE_NO_ENTRY;
	if (!strcmp(what, "origin")) {
		snprintf(ret, VALUE_MAX, "%s", n->app->name);
		return 0;
	}
	if (!strcmp(what, "oid")) {
		pthread_rwlock_rdlock(&n->app->live.lock);
		oid = n->oid;
		pthread_rwlock_unlock(&n->app->live.lock);
		snprintf(ret, VALUE_MAX, "%s", oid_hex(&oid, hex));
		return 0;
	}
	if (strcmp(what, "seq") != 0 && strcmp(what, "commit") != 0 &&
	    strcmp(what, "state") != 0)
		return PLACE_NO_ENTRY;
	return commit_value(fs, n, what, ret);
}

void xattr_get(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	struct fs *fs = door_fs(req);
	struct node *n = door_enter(req, ino, TALLY_GETXATTR);
	char value[VALUE_MAX];
	int r;

	if (!n)
		return;
	r = strncmp(name, "user.", 5) == 0 ? value_of(fs, n, name, value) : -EOPNOTSUPP;
	if (r == -EOPNOTSUPP)
		fuse_reply_err(req, EOPNOTSUPP);
	else if (r)
		fuse_reply_err(req, r == PLACE_NO_ENTRY ? ENODATA : door_errno(r));
	else if (!size)
		fuse_reply_xattr(req, strlen(value));
	else if (size < strlen(value))
		fuse_reply_err(req, ERANGE);
	else
		fuse_reply_buf(req, value, strlen(value));
	node_put(fs->nodes, n);
}
