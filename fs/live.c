/* fs/live.c - `live` of a project follows its HEAD.
 *
 * HEAD moves for two reasons that look alike from here. Somebody committed what stands in the work tree: then the
 * content is what the new HEAD says, or would be without further edits, and nothing of it may change. Or somebody moved HEAD from
 * outside, by a push or a checkout in another place: then a directory nobody has edited goes along.
 *
 * So edits decide: with any, the content stays and only what it is compared with moves. That never loses a byte.
 */
#include "fs/live.h"

#include <errno.h>

#include "base/error.h"
#include "fs/app.h"
#include "fs/fs_private.h"
#include "fs/moves.h"
#include "store/commit.h"
#include "store/project.h"
#include "store/work.h"

int live_head(struct project *p, struct oid *tree)
{
	struct project_head head;
	struct commit *c = NULL;
	int r = project_head(p, &head);

	if (r < 0)
		return r;
	if (r == PROJECT_GONE)
		return -EIO;
	*tree = (struct oid){0};
	if (oid_is_zero(&head.commit))
		return 0;
	r = commit_read(p, &head.commit, &c);
	if (r < 0)
		return r;
	if (r == COMMIT_MISSING)
		return fail(-EIO, "project '%s': HEAD's commit is missing", project_name(p));
	*tree = c->tree;
	commit_free(c);
	return 0;
}

/* Whether the content is something else than the work tree stands for. 0 or a fault. */
static int is_edited(struct work *w, const struct oid *base, bool *ret)
{
	struct work_snapshot shot;
	int r;

	*ret = false;
	if (!work_is_modified(w))
		return 0;
	r = work_snapshot(w, NULL, NULL, NULL, &shot);
	if (!r)
		*ret = !oid_eq(&shot.tree, base);
	return r;
}

static int go_to(struct fs *fs, struct work *w, const struct oid *tree)
{
	CLEANUP(moves_endp) struct moves *m = moves_begin(fs, w);

	return work_switch(w, tree, NULL, moves_add, m);
}

int live_follow(struct fs *fs, struct app *app, struct project *p, struct work *w)
{
	struct oid head, base;
	bool edited;
	int r = live_head(p, &head);

	if (r)
		return r;
	/* The follower and a first look at the tree may come together. */
	LOCKED(&app->live_lock);
	work_base(w, &base);
	if (oid_eq(&head, &base))
		return 0;
	r = is_edited(w, &base, &edited);
	if (!r)
		r = edited ? work_rebase(w, &head) : go_to(fs, w, &head);
	return r > 0 ? fail(-EIO, "project '%s': live does not follow HEAD", app->name) : r;
}
