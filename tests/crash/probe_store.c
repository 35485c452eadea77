/* Looks things up in a home through the store's own functions, as a user would after the cut. */
#include "tests/crash/probe_store.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/oid.h"
#include "store/project.h"
#include "store/store.h"

enum { PART_MAX = 128 };

static void say(char value[WORKLOAD_VALUE_MAX], const char *word)
{
	(void)snprintf(value, WORKLOAD_VALUE_MAX, "%s", word);
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

void probe_store(void *opened, const char *key, char value[WORKLOAD_VALUE_MAX])
{
	char kind[16] = "", name[PART_MAX] = "", rest[PART_MAX] = "";
	struct project_head head;
	struct project *p = NULL;
	int r;

	say(value, "damaged");
	if (sscanf(key, "%15[^:]:%127[^:]:%127s", kind, name, rest) < 2)
		return;
	r = project_open(opened, name, &p);
	if (r == PROJECT_MISSING)
		say(value, "-");
	if (r)
		return;
	if (!strcmp(kind, "project") && project_head(p, &head) == 0)
		say(value, "here");
	project_unref(p);
}
