/* The table of workloads. */
#include <string.h>

#include "tests/crash/workload.h"

static const struct workload *const workloads[] = {
	&workload_commits,  &workload_files,  &workload_imports, &workload_numbers,
	&workload_projects, &workload_sloppy, &workload_state,   &workload_trees,
};

const struct workload *workload_find(const char *name)
{
	for (size_t i = 0; i < sizeof(workloads) / sizeof(*workloads); i++) {
		if (!strcmp(workloads[i]->name, name))
			return workloads[i];
	}
	return NULL;
}
