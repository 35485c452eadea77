/* The operations of the control socket: a table from names to functions.
 *
 * They run on threads of their own, several at a time, so they only call what its header allows from any thread. A refusal is
 * logged as err: the server sends those words to the client.
 */
#include "tools/control_ops.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "fs/fs.h"
#include "store/store.h"
#include "sync/eventlog.h"
#include "tools/engines.h"
#include "tools/work_ops.h"

enum { COUNTERS_MAX = 64, EVENTS_MAX = 64, EVENTS_WAIT_MS = 500, AWAIT_MS = 250 };

static int run_ping(const struct control_ops *ops, const struct json *request,
		    struct json_out *reply)
{
	json_int_field(reply, "pid", getpid());
	return 0;
}

static int run_status(const struct control_ops *ops, const struct json *request,
		      struct json_out *reply)
{
	struct fs_counter counters[COUNTERS_MAX];
	unsigned n = 0;
	uint64_t all = fs_requests(ops->fs, counters, COUNTERS_MAX, &n);

	json_int_field(reply, "pid", getpid());
	json_str_field(reply, "home", store_home(ops->store));
	json_str_field(reply, "mountpoint", ops->mountpoint);
	json_int_field(reply, "requests", (int64_t)all);
	json_key_out(reply, "by_opcode");
	json_begin(reply, '{');
	for (unsigned i = 0; i < n; i++)
		json_int_field(reply, counters[i].name, (int64_t)counters[i].n);
	json_end(reply, '}');
	return 0;
}

static int run_follow(const struct control_ops *ops, const struct json *request,
		      struct json_out *reply)
{
	const char *project = NULL;
	int r;

	if (json_get_str(request, "project", &project) == JSON_BAD)
		return fail(-EINVAL, "'project' is not a name");
	r = fs_follow_now(ops->fs, project);
	/* A sandbox may have come or gone without any ref moving. */
	if (ops->engines)
		engines_due(ops->engines, project);
	return r;
}

static int run_sync(const struct control_ops *ops, const struct json *request,
		    struct json_out *reply)
{
	struct mirror_status s;
	const char *project = NULL;

	if (json_get_str(request, "project", &project))
		return fail(-EINVAL, "'project' is missing");
	if (!ops->engines || engines_status(ops->engines, project, &s))
		json_str_field(reply, "state", NULL);
	else
		mirror_status_json(&s, reply);
	return 0;
}

static void put_event(struct json_out *o, const struct event *e)
{
	json_begin(o, '{');
	json_int_field(o, "seq", (int64_t)e->seq);
	json_int_field(o, "timeMs", e->time_ms);
	json_str_field(o, "project", e->project);
	mirror_status_json(&e->status, o);
	json_end(o, '}');
}

static int run_events(const struct control_ops *ops, const struct json *request,
		      struct json_out *reply)
{
	CLEANUP(free_p) struct event *events = alloc_array(EVENTS_MAX, sizeof(*events));
	struct eventlog *log = ops->engines ? engines_events(ops->engines) : NULL;
	int64_t after = -1;
	unsigned n;

	if (json_get_int(request, "after", &after) == JSON_BAD)
		return fail(-EINVAL, "'after' is not a number");
	if (!log)
		return fail(-ENOTSUP, "no sandbox is followed here");
	/* Without a number: from now on. */
	if (after < 0)
		after = (int64_t)eventlog_last(log);
	n = eventlog_read(log, (uint64_t)after, events, EVENTS_MAX, EVENTS_WAIT_MS);
	json_key_out(reply, "events");
	json_begin(reply, '[');
	for (unsigned i = 0; i < n; i++)
		put_event(reply, &events[i]);
	json_end(reply, ']');
	json_int_field(reply, "next", n ? (int64_t)events[n - 1].seq : after);
	return 0;
}

static int run_drive(const struct control_ops *ops, const struct json *request,
		     struct json_out *reply)
{
	const char *project = NULL;
	bool order = false, rehash = false;

	if (json_get_str(request, "project", &project))
		return fail(-EINVAL, "'project' is missing");
	if (json_get_bool(request, "order", &order) == JSON_BAD ||
	    json_get_bool(request, "rehash", &rehash) == JSON_BAD)
		return fail(-EINVAL, "'order' and 'rehash' are true or false");
	/* Nobody here drives it: whoever asks may do it. */
	if (!ops->engines)
		json_int_field(reply, "ticket", 0);
	else
		json_int_field(reply, "ticket",
			       (int64_t)engines_request(ops->engines, project, order, rehash));
	return 0;
}

static int run_await(const struct control_ops *ops, const struct json *request,
		     struct json_out *reply)
{
	struct mirror_status s;
	const char *project = NULL;
	int64_t ticket = 0;
	int r = MIRROR_NONE;

	if (json_get_str(request, "project", &project) ||
	    json_get_int(request, "ticket", &ticket) || ticket < 1)
		return fail(-EINVAL, "'project' and 'ticket' are needed");
	if (ops->engines)
		r = engines_await(ops->engines, project, (uint64_t)ticket, AWAIT_MS, &s);
	json_bool_field(reply, "settled", r != MIRROR_LATE);
	json_bool_field(reply, "hosted", r != MIRROR_NONE);
	if (r != MIRROR_NONE)
		mirror_status_json(&s, reply);
	return 0;
}

/* Who asked sees the change, and so does everybody else: the answer is sent when the kernel has forgotten what was. */
static int run_work(const struct control_ops *ops, const struct json *request,
		    struct json_out *reply)
{
	const char *project = NULL, *name = NULL;
	struct fs_work at = {0};
	struct work_ops work = {.moved = fs_work_moved, .moved_arg = &at};
	int r;

	if (json_get_str(request, "project", &project) || json_get_str(request, "work", &name))
		return fail(-EINVAL, "'project' or 'work' is missing");
	r = fs_work_begin(ops->fs, project, name, &at);
	if (r == FS_NO_WORK) {
		json_str_field(reply, "outcome", "missing");
		return 0;
	}
	if (r)
		return r;
	work.work = at.work;
	r = work_ops_run(&work, request, reply);
	fs_work_end(&at);
	if (!r && ops->engines)
		engines_due(ops->engines, project);
	return r;
}

static int run_stop(const struct control_ops *ops, const struct json *request,
		    struct json_out *reply)
{
	fs_stop(ops->fs);
	return 0;
}

int control_ops_run(const struct json *request, struct json_out *reply, void *arg)
{
	static const struct {
		const char *name;
		int (*run)(const struct control_ops *, const struct json *, struct json_out *);
	} table[] = {
		{"await", run_await},   {"drive", run_drive}, {"events", run_events},
		{"follow", run_follow}, {"ping", run_ping},   {"status", run_status},
		{"stop", run_stop},     {"sync", run_sync},   {"work", run_work},
	};
	const char *op = NULL;

	if (json_get_str(request, "op", &op)) {
		log_err("the request has no 'op'");
		return -EINVAL;
	}
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (!strcmp(table[i].name, op))
			return table[i].run(arg, request, reply);
	}
	log_err("the daemon knows no operation '%s'", op);
	return -ENOTSUP;
}
