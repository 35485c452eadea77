/* Asks the daemon's engine, or runs a mirror here.
 *
 * The daemon answers at once with a ticket; what becomes of it is asked for in short waits, which are also where the progress
 * comes from. A daemon that ends on the way leaves a record that the mirror here goes on from.
 */
#include "tools/drive.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "store/project.h"
#include "tools/cli.h"
#include "tools/control_server.h"

enum { ASK_MS = 10000, DEFAULT_MS = 60000 };

/* The daemon does not, or not any more. */
enum { DRIVE_NOBODY = 100 };

DEFINE_CLEANUP(struct json *, json_free)

/* One question; NULL without a daemon, or when it refuses. */
static struct json *ask(struct cli *cli, const char *request)
{
	CLEANUP(json_freep) struct json *doc = NULL;
	CLEANUP(buf_deinit) struct buf reply;
	char why[128];
	bool ok = false;

	buf_init(&reply, CONTROL_REPLY_MAX);
	if (cli_ask_daemon(cli, request, &reply, ASK_MS) ||
	    json_parse(reply.data, reply.len, &doc, why, sizeof(why)) ||
	    json_get_bool(doc, "ok", &ok) || !ok)
		return NULL;
	return TAKE(doc);
}

static int64_t request(struct cli *cli, struct project *p, const struct mirror_options *o)
{
	CLEANUP(json_freep) struct json *doc = NULL;
	int64_t ticket = 0;
	char text[PROJECT_NAME_MAX + 100];

	(void)snprintf(text, sizeof(text),
		       "{\"op\":\"drive\",\"project\":\"%s\",\"order\":%s,\"rehash\":%s}",
		       project_name(p), o->order ? "true" : "false",
		       o->rehash ? "true" : "false");
	doc = ask(cli, text);
	return doc && !json_get_int(doc, "ticket", &ticket) ? ticket : 0;
}

/* 0, MIRROR_STUCK, MIRROR_LATE (not yet), or DRIVE_NOBODY. */
static int look(struct cli *cli, struct project *p, int64_t ticket, struct mirror_status *ret)
{
	CLEANUP(json_freep) struct json *doc = NULL;
	bool settled = false, hosted = false;
	char text[PROJECT_NAME_MAX + 100];

	(void)snprintf(text, sizeof(text),
		       "{\"op\":\"await\",\"project\":\"%s\",\"ticket\":%lld}", project_name(p),
		       (long long)ticket);
	doc = ask(cli, text);
	if (!doc || json_get_bool(doc, "settled", &settled) ||
	    json_get_bool(doc, "hosted", &hosted))
		return DRIVE_NOBODY;
	/* A mirror that is being met has no status yet. */
	if (!hosted || !mirror_status_parse(doc, ret))
		return settled ? DRIVE_NOBODY : MIRROR_LATE;
	if (!settled)
		return MIRROR_LATE;
	return ret->state == MIRROR_SYNCED ? 0 : MIRROR_STUCK;
}

static int drive_there(struct cli *cli, struct project *p, const struct mirror_options *o,
		       struct mirror_status *ret)
{
	const struct clock *clock = clock_system();
	int64_t end = clock_now(clock) + (o->timeout_ms ? o->timeout_ms : DEFAULT_MS);
	int64_t ticket = request(cli, p, o);
	int r = DRIVE_NOBODY;

	while (ticket) {
		r = look(cli, p, ticket, ret);
		if (r == DRIVE_NOBODY)
			break;
		if (o->progress)
			o->progress(ret, o->arg);
		if (r != MIRROR_LATE || clock_now(clock) >= end)
			break;
	}
	return r;
}

int drive(struct cli *cli, struct store *st, struct provider *provider, struct project *p,
	  const struct mirror_options *o, struct mirror_status *ret)
{
	int r = mirror_look(st, p, ret);

	if (!r)
		r = drive_there(cli, p, o, ret);
	return r == DRIVE_NOBODY ? mirror_run(st, provider, p, o, ret) : r;
}
