/* tests/crash/workload.h - work whose acknowledgements a power cut must not break.
 *
 * A workload runs in a process of its own on the disk that is being recorded. Probing runs later, in
 * another process, on a disk as a cut left it; it must not change what it probes more than opening
 * it does.
 */
#pragma once

#include <stddef.h>

struct acks;

enum { WORKLOAD_VALUE_MAX = 160 };

struct workload {
	const char *name;
	/* Works below `dir` for so many rounds, noting begin and done; starts from whatever is there, also
	 * from what an earlier run left when it was killed. 0 or a fault. */
	int (*work)(const char *dir, struct acks *a, int rounds);
	/* Opens what a cut left; NULL when it cannot even be opened, which is a violation once
	 * anything was acknowledged. */
	void *(*open)(const char *dir);
	/* The value `key` has now: "-" when it is absent, "damaged" when it cannot be read. */
	void (*probe)(void *opened, const char *key, char value[WORKLOAD_VALUE_MAX]);
	void (*close)(void *opened);
};

extern const struct workload workload_commits;
extern const struct workload workload_files;
extern const struct workload workload_imports;
extern const struct workload workload_numbers;
extern const struct workload workload_projects;
extern const struct workload workload_sloppy;
extern const struct workload workload_state;
extern const struct workload workload_trees;

/* NULL when there is none of that name. */
const struct workload *workload_find(const char *name);
