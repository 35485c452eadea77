/* Sandboxes and their journal: an operation is open before bytes leave, and closes with its outcome. */
#include <stdint.h>
#include <stdio.h>

#include "store/state.h"
#include "store/store.h"
#include "tests/crash/acks.h"
#include "tests/crash/probe_store.h"

enum { PROJECTS = 3 };

/* Opens an operation, then closes it together with the sandbox's new phase. */
static int step(struct store *st, uint64_t project, uint32_t phase, struct acks *a)
{
	struct state_sandbox s = {.project_id = project, .provider = "local", .id = "box"};
	struct state_op op = {.project_id = project, .plan = phase};
	char key[32], word[32], number[32];
	int r;

	(void)snprintf(key, sizeof(key), "sandbox:%llu", (unsigned long long)project);
	(void)snprintf(word, sizeof(word), "op:%llu", (unsigned long long)project);
	(void)snprintf(number, sizeof(number), "%u", phase);
	acks_begin(a, word, number);
	r = state_op_open(st, &op);
	if (r)
		return r;
	acks_done(a, word, number);
	acks_begin(a, key, number);
	acks_begin(a, word, "-");
	s.phase = phase;
	r = state_op_close(st, &op, &s);
	if (r)
		return r;
	acks_done(a, key, number);
	acks_done(a, word, "-");
	return 0;
}

static int work(const char *dir, struct acks *a, int rounds)
{
	struct store *st = NULL;
	int r = store_init(dir);

	if (!r)
		r = store_open(dir, &st);
	for (int i = 0; i < rounds && !r; i++) {
		for (uint64_t p = 1; p <= PROJECTS && !r; p++)
			r = step(st, p, (uint32_t)i + 1, a);
	}
	store_close(st);
	return r;
}

static void probe(void *opened, const char *key, char value[WORKLOAD_VALUE_MAX])
{
	unsigned long long project = 0;
	struct state_sandbox s;
	struct state_op op;
	int r;

	(void)snprintf(value, WORKLOAD_VALUE_MAX, "damaged");
	if (sscanf(key, "sandbox:%llu", &project) == 1) {
		r = state_sandbox_get(opened, project, &s);
		if (!r)
			(void)snprintf(value, WORKLOAD_VALUE_MAX, "%u", s.phase);
	} else {
		(void)sscanf(key, "op:%llu", &project);
		r = state_op_get(opened, project, &op);
		if (!r)
			(void)snprintf(value, WORKLOAD_VALUE_MAX, "%u", op.plan);
	}
	if (r == STATE_MISSING)
		(void)snprintf(value, WORKLOAD_VALUE_MAX, "-");
}

const struct workload workload_state = {"state", work, probe_store_open, probe,
					probe_store_close};
