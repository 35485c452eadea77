/* Where the user stands: the project and the home of the current directory.
 *
 * A directory in a mount says both: mountinfo names the mount's point and, as its source, the home; the first
 * component below the point is the project. Nothing is asked of the mount itself, which may be dead.
 */
#include "tools/here.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "tools/cli.h"
#include "tools/mounts.h"

/* The mount around the current directory, and what comes below its point. */
static bool stand(struct mount *m, char **below)
{
	CLEANUP(free_p) char *cwd = getcwd(NULL, 0);

	if (!cwd || cwd[0] != '/' || mounts_around(cwd, m))
		return false;
	*below = alloc_str(cwd + strlen(m->point));
	return true;
}

char *here_home(void)
{
	CLEANUP(mount_deinit) struct mount m = {0};
	CLEANUP(free_p) char *below = NULL;

	if (!stand(&m, &below) || m.source[0] != '/')
		return NULL;
	return alloc_str(m.source);
}

char *cli_project_here(struct cli *cli)
{
	CLEANUP(mount_deinit) struct mount m = {0};
	CLEANUP(free_p) char *below = NULL;
	size_t len;

	if (!stand(&m, &below))
		return NULL;
	if (m.source[0] == '/' && strcmp(m.source, cli->home))
		return NULL;
	len = below[0] == '/' ? strcspn(below + 1, "/") : 0;
	/* The mount's own .frag is no project. */
	if (!len || below[1] == '.')
		return NULL;
	return alloc_copy(below + 1, len);
}

char *here_work(void)
{
	CLEANUP(mount_deinit) struct mount m = {0};
	CLEANUP(free_p) char *below = NULL;
	const char *p;

	if (!stand(&m, &below) || below[0] != '/')
		return NULL;
	p = below + 1 + strcspn(below + 1, "/");
	if (!strncmp(p, "/live", 5) && (!p[5] || p[5] == '/'))
		return alloc_str("live");
	if (strncmp(p, "/work/", 6) != 0 || !p[6])
		return NULL;
	return alloc_copy(p + 6, strcspn(p + 6, "/"));
}
