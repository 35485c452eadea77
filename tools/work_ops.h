/* tools/work_ops.h - what can be done to a work tree, as requests and answers.
 *
 * A work tree is open in one process at a time. So a verb writes a request, and whoever has the tree carries it out by work_ops_run(): the
 * daemon, or the verb itself when none runs (tools/work_client.h).
 *
 *	{"do":"commit","message":…,"author":{"name":…,"email":…,"time":…,"tz":…},"allowEmpty":…,"restore":<tree>,"what":…}
 *	{"do":"checkout","commit":<id>,"branch":<full name or null>}
 *	{"do":"undo","id":<number or 0>,"after":…}
 *	{"do":"status"}
 *	{"do":"merge","commit":<id>,"name":…,"author":…}      {"do":"abort"}      {"do":"follow"}
 *
 * The answer has "outcome": "done", or a word of what stood in the way, and what the operation tells.
 */
#pragma once

#include "store/work.h"

struct json;
struct json_out;

struct work_ops {
	struct work *work;
	work_moved_fn moved; /* may be NULL */
	void *moved_arg;
};

/* Writes the fields of the answer into the object that the caller began. 0 or a fault, which was said. */
int work_ops_run(const struct work_ops *ops, const struct json *request, struct json_out *reply);
