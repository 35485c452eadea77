/* tools/control_ops.h - what can be asked of the daemon.
 *
 *	{"op":"ping"}                       is anybody there
 *	{"op":"status"}                     pid, home, mount point, requests served, …
 *	{"op":"follow","project":"shop"}    refs or HEAD moved: what the kernel caches is made true before the answer
 *	{"op":"sync","project":"shop"}      what the engine is doing for its sandbox; "state" null: it has none here
 *	{"op":"drive","project":"shop"}     bring its sandbox to what HEAD wants; "order", "rehash" as in sync/mirror.h. "ticket"
 *	                                    is for "await"; 0: nobody drives sandboxes here
 *	{"op":"await","project":"shop","ticket":3}   waits a moment for that: "settled", "hosted" (false: it has no sandbox
 *	                                    here), and the fields of its status
 *	{"op":"events","after":7}           what happened to mirrors after event 7; waits half a second for the first.
 *	                                    Without "after": from now on. "next" is what to ask after next time
 *	{"op":"work","project":"shop","work":"live","do":…}    something done to a work tree: tools/work_ops.h
 *	{"op":"stop"}                       unmount, lazily if need be, and end
 */
#pragma once

#include <stdint.h>

struct engines;
struct fs;
struct json;
struct json_out;
struct store;

struct control_ops {
	struct store *store;
	struct fs *fs;
	struct engines *engines;
	const char *mountpoint;
};

/* A control_fn; `arg` is a struct control_ops. */
int control_ops_run(const struct json *request, struct json_out *reply, void *arg);
