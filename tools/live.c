/* Layers meet here: the mount has work trees open and the mirror wants them, and neither knows the other.
 */
#include "tools/live.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "fs/fs.h"
#include "store/project.h"

static int begin(struct project *p, struct work **ret, void **hold, void *arg)
{
	struct fs_work *w = alloc_zero(sizeof(*w));
	int r = fs_work_begin(arg, project_name(p), "live", w);

	if (r) {
		free(w);
		return r;
	}
	*ret = w->work;
	*hold = w;
	return 0;
}

static void end(void *hold)
{
	fs_work_end(hold);
	free(hold);
}

struct source_live live_source(struct fs *fs)
{
	return (struct source_live){
		.begin = begin, .moved = fs_work_moved, .end = end, .arg = fs};
}
