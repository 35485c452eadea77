/* fs/fs_work.c - a work tree for the daemon's verbs.
 *
 * They change content behind the kernel's back, which is told when they are done; whoever asked gets the answer only then, so that
 * the next command a person types sees the new tree.
 */
#include <string.h>

#include "base/cleanup.h"
#include "fs/app.h"
#include "fs/fs_private.h"
#include "fs/inval.h"
#include "fs/moves.h"
#include "fs/place.h"
#include "fs/trees.h"

int fs_work_begin(struct fs *fs, const char *project, const char *name, struct fs_work *ret)
{
	CLEANUP(app_unrefp) struct app *app = NULL;
	struct work *w;
	int r;

	if (!project_name_ok(project) || !apps_is_there(fs, project))
		return FS_NO_WORK;
	app = apps_get(fs->apps, project);
	r = trees_get(fs, app, name, &w);
	if (r)
		return r == PLACE_NO_ENTRY ? (int)FS_NO_WORK : r;
	*ret = (struct fs_work){.work = w, .moves = moves_begin(fs, w), .fs = fs};
	return 0;
}

void fs_work_moved(uint64_t dir, const char *name, void *fs_work)
{
	moves_add(dir, name, ((struct fs_work *)fs_work)->moves);
}

void fs_work_end(struct fs_work *w)
{
	if (!w->work)
		return;
	moves_end(w->moves);
	inval_wait(w->fs->inval);
	work_unref(w->work);
	trees_settle(w->fs);
	*w = (struct fs_work){.fs = w->fs};
}
