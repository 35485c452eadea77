/* frag sync events: what happens to sandboxes, as it happens; one JSON object a line.
 *
 * They come from the daemon's engine. A listener that falls behind is told from where it goes on: the numbers have a gap.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "tools/cli.h"
#include "tools/control_server.h"
#include "tools/verbs.h"

enum { EVENTS_PROJECT, EVENTS_SINCE, EVENTS_FOLLOW, EVENTS_OPTIONS };
enum { ASK_MS = 10000 };

DEFINE_CLEANUP(struct json *, json_free)

struct listener {
	struct cli *cli;
	const char *project; /* NULL: all */
	int64_t after;       /* -1: from now on */
	size_t n;            /* events that were printed */
};

static void print_time(int64_t ms)
{
	char text[CLOCK_TEXT_MAX];

	printf("%s", clock_iso(ms / 1000, 0, text));
}

static void print_plain(const struct json *e)
{
	const char *project = "", *state = "", *why = NULL, *tree = NULL;
	int64_t ms = 0;

	(void)json_get_int(e, "timeMs", &ms);
	(void)json_get_str(e, "project", &project);
	(void)json_get_str(e, "state", &state);
	(void)json_get_str(e, "why", &why);
	(void)json_get_str(e, "observed", &tree);
	print_time(ms);
	printf(" %s %s %.12s%s%s\n", project, state, tree ? tree : "-", why ? ": " : "",
	       why ? why : "");
}

static void copy_field(struct json_out *o, const struct json *obj, const struct json *v)
{
	const char *text = json_str(v);
	double number;
	bool truth;

	json_key_out(o, json_key(v));
	if (text)
		json_put_str(o, text);
	else if (json_number(v, &number))
		json_put_int(o, (int64_t)number);
	else if (!json_get_bool(obj, json_key(v), &truth))
		json_put_bool(o, truth);
	else
		json_put_null(o);
}

static void print_json(const struct json *e)
{
	struct json_out o;

	json_out_file(&o, stdout);
	json_begin(&o, '{');
	for (const struct json *v = json_first(e); v; v = json_next(v))
		copy_field(&o, e, v);
	json_end(&o, '}');
	(void)json_out_end(&o);
}

static void print_events(struct listener *l, const struct json *events)
{
	for (const struct json *e = json_first(events); e; e = json_next(e)) {
		const char *project = "";

		(void)json_get_str(e, "project", &project);
		if (l->project && strcmp(l->project, project) != 0)
			continue;
		l->n++;
		if (l->cli->json)
			print_json(e);
		else
			print_plain(e);
	}
	(void)fflush(stdout);
}

/* One question. 0 or an exit status. */
static int listen_once(struct listener *l)
{
	CLEANUP(buf_deinit) struct buf reply;
	CLEANUP(json_freep) struct json *doc = NULL;
	char request[64], why[128];
	const struct json *events = NULL;
	const char *error = "it gives no reason";
	bool ok = false;
	int r;

	buf_init(&reply, CONTROL_REPLY_MAX);
	if (l->after < 0)
		(void)snprintf(request, sizeof(request), "{\"op\":\"events\"}");
	else
		(void)snprintf(request, sizeof(request), "{\"op\":\"events\",\"after\":%lld}",
			       (long long)l->after);
	r = cli_ask_daemon(l->cli, request, &reply, ASK_MS);
	if (r == CLI_NO_DAEMON)
		return cli_refuse("`frag mount` starts one", "no daemon serves '%s'",
				  l->cli->home);
	if (r || json_parse(reply.data, reply.len, &doc, why, sizeof(why)))
		return CLI_FAILED;
	if (json_get_bool(doc, "ok", &ok) || !ok) {
		(void)json_get_str(doc, "error", &error);
		return cli_refuse(NULL, "the daemon refused: %s", error);
	}
	if (!json_get(doc, "events", &events))
		print_events(l, events);
	return json_get_int(doc, "next", &l->after) ? CLI_FAILED : CLI_DONE;
}

static int run(struct cli *cli, const struct cli_args *args)
{
	struct listener l = {.cli = cli, .after = -1, .project = args->values[EVENTS_PROJECT]};
	int r;

	if (args->values[EVENTS_SINCE] &&
	    !cli_number("--since", args->values[EVENTS_SINCE], 0, INT64_MAX / 2, &l.after))
		return CLI_USAGE;
	/* Without --follow: what is known, which is everything after 0. */
	if (!args->values[EVENTS_FOLLOW] && l.after < 0)
		l.after = 0;
	/* Whoever reads us may stop: that ends us quietly. */
	(void)signal(SIGPIPE, SIG_DFL);
	do {
		size_t before = l.n;

		r = listen_once(&l);
		if (!args->values[EVENTS_FOLLOW] && l.n == before)
			break;
	} while (!r && !ferror(stdout));
	return r;
}

static const struct cli_option options[] = {
	[EVENTS_PROJECT] = {0, "project", "P", "of this project only"},
	[EVENTS_SINCE] = {0, "since", "N", "those after number N"},
	[EVENTS_FOLLOW] = {'f', "follow", NULL, "go on, until interrupted"},
	[EVENTS_OPTIONS] = {0},
};

const struct verb verb_sync_events = {
	.name = "sync events",
	.synopsis = "",
	.summary = "print what happens to sandboxes, as it happens",
	.help = "A line for each change of a sandbox's state, what it holds, or what stands in "
		"the way; with "
		"--json an "
		"object a line, with the fields of `frag sync status` and \"seq\", \"timeMs\". "
		"Without --follow "
		"the last some hundred that the daemon remembers; with it, from now on.",
	.options = options,
	.run = run,
};
