/* frag sandbox down, rm, list, show, url.
 *
 * `list` and `show` only read records and process tables: a sandbox that hangs cannot hang them. `rm` first brings
 * back what the sandbox changed of its own, since afterwards nobody can.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "store/project.h"
#include "store/store.h"
#include "sync/mirror.h"
#include "tools/drive.h"
#include "tools/listening.h"
#include "tools/sandbox.h"
#include "tools/vendors.h"
#include "tools/verbs.h"

DEFINE_CLEANUP(struct project *, project_unref)
DEFINE_CLEANUP(struct store *, store_close)

static int report(const struct sandbox *s, const char *key)
{
	struct json_out o;

	if (!s->cli->json)
		return CLI_DONE;
	json_out_file(&o, stdout);
	json_begin(&o, '{');
	json_str_field(&o, key, s->record.id);
	json_str_field(&o, "project", project_name(s->project));
	json_end(&o, '}');
	return json_out_end(&o);
}

static int run_down(struct cli *cli, const struct cli_args *args)
{
	struct sandbox s;
	size_t used;
	int r = sandbox_open_existing(&s, cli, args, &used);

	if (!r) {
		r = sandbox_stop(&s);
		r = r ? sandbox_refuse(&s, r, "stop the sandbox") : report(&s, "stopped");
	}
	sandbox_close(&s);
	return r;
}

const struct verb verb_sandbox_down = {
	.name = "sandbox down",
	.synopsis = "[<project>]",
	.summary = "stop a project's sandbox and keep its files",
	.help = "Everything that runs in it is killed. `frag sandbox up` starts it again.",
	.max_pos = 1,
	.run = run_down,
};

enum { RM_DISCARD };

/* What the sandbox changed of its own becomes a fragment, if it can be asked. */
static int save_changes(struct sandbox *s)
{
	struct mirror_options o = {.timeout_ms = 30000};
	struct mirror_status m;
	int r = sandbox_look(s);

	if (r == PROVIDER_GONE)
		return CLI_DONE;
	if (r || s->box.state != PROVIDER_RUNNING)
		r = sandbox_start(s);
	if (!r)
		r = drive(s->cli, s->store, s->provider, s->project, &o, &m);
	if (!r || (r == MIRROR_STUCK && m.state == MIRROR_CONFLICT))
		return CLI_DONE;
	return cli_refuse("`frag sandbox rm --discard` removes it all the same",
			  "what the sandbox changed of its own could not be saved");
}

static int rm(struct sandbox *s, bool discard)
{
	struct project_head head;
	int r = project_head(s->project, &head);

	if (!r && !discard && !oid_is_zero(&head.commit))
		r = save_changes(s);
	if (r)
		return r;
	r = sandbox_delete(s);
	if (r)
		return sandbox_refuse(s, r, "remove the sandbox");
	if (state_sandbox_delete(s->store, project_id(s->project)) < 0)
		return CLI_FAILED;
	cli_changed(s->cli, project_name(s->project));
	return report(s, "removed");
}

static int run_rm(struct cli *cli, const struct cli_args *args)
{
	struct sandbox s;
	size_t used;
	int r = sandbox_open_existing(&s, cli, args, &used);

	if (!r)
		r = rm(&s, args->values[RM_DISCARD] != NULL);
	sandbox_close(&s);
	return r;
}

static const struct cli_option rm_options[] = {
	[RM_DISCARD] = {0, "discard", NULL, "do not save what the sandbox changed of its own"},
	{0, NULL, NULL, NULL},
};

const struct verb verb_sandbox_rm = {
	.name = "sandbox rm",
	.synopsis = "[<project>]",
	.summary = "remove a project's sandbox and its files",
	.help = "What was changed inside and counts as the project's is saved as a fragment "
		"first.",
	.options = rm_options,
	.max_pos = 1,
	.run = run_rm,
};

enum { LIST_MS = 5000 };

/* Which project has which sandbox. */
struct owner {
	char id[STATE_ID_MAX];
	char *project;
};

struct owners {
	struct store *store;
	struct owner *all;
	size_t n, cap;
};

static int add_owner(const char *name, void *arg)
{
	CLEANUP(project_unrefp) struct project *p = NULL;
	struct owners *o = arg;
	struct state_sandbox record;

	if (project_open(o->store, name, &p) ||
	    state_sandbox_get(o->store, project_id(p), &record))
		return 0;
	alloc_grow(&o->all, &o->cap, o->n + 1, sizeof(*o->all));
	o->all[o->n] = (struct owner){.project = alloc_str(name)};
	(void)snprintf(o->all[o->n].id, sizeof(o->all[0].id), "%s", record.id);
	o->n++;
	return 0;
}

static int count_record(const struct state_sandbox *s, void *arg)
{
	*(size_t *)arg += 1;
	return 0;
}

/* Projects are opened only when there is a record at all. */
static int find_owners(struct owners *o)
{
	size_t n = 0;
	int r = state_sandbox_each(o->store, count_record, &n);

	return r || !n ? r : project_each(o->store, add_owner, o);
}

static void owners_deinit(struct owners *o)
{
	for (size_t i = 0; i < o->n; i++)
		free(o->all[i].project);
	free(o->all);
}

struct listing {
	struct owners owners;
	struct cli *cli;
	const char *vendor; /* whose are listed now */
	struct provider_page page;
	struct json_out *json; /* NULL: for people */
	size_t missing;        /* vendors that did not answer */
	size_t n;
};

static int show_one(const struct provider_sandbox *b, void *arg)
{
	struct listing *l = arg;
	const char *project = NULL;
	char until[CLOCK_TEXT_MAX];

	for (size_t i = 0; i < l->owners.n && !project; i++)
		if (!strcmp(l->owners.all[i].id, b->id))
			project = l->owners.all[i].project;
	l->n++;
	if (!l->json) {
		printf("%s  %-8s  %s", b->id, sandbox_state_name(b->state),
		       project ? project : "(no project)");
		if (strcmp(l->vendor, vendor_name(0)) != 0)
			printf("  at %s", l->vendor);
		if (b->expires)
			printf("  until %s", clock_iso(b->expires, 0, until));
		printf("\n");
		return 0;
	}
	json_begin(l->json, '{');
	json_str_field(l->json, "id", b->id);
	json_str_field(l->json, "state", sandbox_state_name(b->state));
	json_str_field(l->json, "project", project);
	json_str_field(l->json, "label", b->label);
	json_str_field(l->json, "provider", l->vendor);
	json_int_field(l->json, "created", b->created);
	json_int_field(l->json, "expires", b->expires);
	json_end(l->json, '}');
	return 0;
}

static int start_list(struct provider *p, void *arg, struct provider_call *c)
{
	return provider_list(p, &((struct listing *)arg)->page, c);
}

/* All pages of one vendor. One that does not answer in time is said, and keeps nobody else from being shown. */
static int list_vendor(struct listing *l, const char *name)
{
	char after[PROVIDER_TOKEN_MAX] = "", why[PROVIDER_WHY_MAX];
	struct provider *p = NULL;
	int r = vendor_open(l->cli, name, &p);

	if (r == VENDOR_UNSET)
		return 0;
	l->vendor = name;
	do {
		l->page = (struct provider_page){
			.fn = show_one, .arg = l, .after = *after ? after : NULL};
		if (!r)
			r = provider_run(p, start_list, l, LIST_MS, why);
		memcpy(after, l->page.next, sizeof(after));
	} while (!r && *after);
	provider_free(p);
	if (r > 0 || r == -ETIMEDOUT) {
		(void)fprintf(stderr, "frag: '%s' is not listed: %s\n", name,
			      p ? provider_words(r) : "its configuration cannot be used");
		l->missing++;
		r = 0;
	}
	return r;
}

static int run_list(struct cli *cli, const struct cli_args *args)
{
	CLEANUP(store_closep) struct store *st = NULL;
	struct listing l = {.cli = cli};
	struct json_out o;
	int r = cli_open_store(cli, &st);

	if (r)
		return r;
	l.owners.store = st;
	if (cli->json) {
		json_out_file(&o, stdout);
		json_begin(&o, '[');
		l.json = &o;
	}
	r = find_owners(&l.owners);
	if (!r)
		for (size_t i = 0; vendor_name(i) && !r; i++)
			r = list_vendor(&l, vendor_name(i));
	if (cli->json) {
		json_end(&o, ']');
		(void)json_out_end(&o);
	} else if (!r && !l.n && !l.missing && !cli->quiet) {
		(void)fputs("no sandboxes; `frag sandbox up PROJECT` makes one\n", stderr);
	}
	owners_deinit(&l.owners);
	return r || l.missing ? CLI_FAILED : CLI_DONE;
}

const struct verb verb_sandbox_list = {
	.name = "sandbox list",
	.synopsis = "",
	.summary = "list all sandboxes of this home",
	.help = "With --json an array of objects: id, state, project, label, provider, "
		"created, "
		"expires. One that belongs to no project is left over from a project that was "
		"deleted. A provider that does not answer within seconds is named, and the "
		"exit "
		"status is 1.",
	.run = run_list,
};

static int show(struct sandbox *s)
{
	char time[CLOCK_TEXT_MAX];
	struct mirror_status m;
	struct json_out o;
	int r = sandbox_look(s);
	const char *state = r ? "gone" : sandbox_state_name(s->box.state);

	if (r && r != PROVIDER_GONE)
		return sandbox_refuse(s, r, "look at the sandbox");
	if (mirror_look(s->store, s->project, &m))
		return CLI_FAILED;
	if (!s->cli->json) {
		printf("sandbox  %s\nproject  %s\nstate    %s\nmade     %s\nfiles    %s\n",
		       s->record.id, project_name(s->project), state,
		       clock_iso(s->record.created, 0, time), mirror_state_name(m.state));
		if (m.why[0])
			printf("         %s\n", m.why);
		return CLI_DONE;
	}
	json_out_file(&o, stdout);
	json_begin(&o, '{');
	json_str_field(&o, "id", s->record.id);
	json_str_field(&o, "project", project_name(s->project));
	json_str_field(&o, "provider", s->record.provider);
	json_str_field(&o, "running", state);
	json_int_field(&o, "created", s->record.created);
	json_key_out(&o, "sync");
	json_begin(&o, '{');
	mirror_status_json(&m, &o);
	json_end(&o, '}');
	json_end(&o, '}');
	return json_out_end(&o);
}

static int run_show(struct cli *cli, const struct cli_args *args)
{
	struct sandbox s;
	size_t used;
	int r = sandbox_open_existing(&s, cli, args, &used);

	if (!r)
		r = show(&s);
	sandbox_close(&s);
	return r;
}

const struct verb verb_sandbox_show = {
	.name = "sandbox show",
	.synopsis = "[<project>]",
	.summary = "show a project's sandbox and what it holds",
	.help = "Asks nobody inside: a sandbox that hangs is shown all the same.",
	.max_pos = 1,
	.run = run_show,
};

enum { URL_PORT };

struct url_request {
	struct sandbox *s;
	struct provider_preview preview;
};

static int start_url(struct provider *p, void *arg, struct provider_call *c)
{
	struct url_request *u = arg;

	return provider_url(p, u->s->record.id, &u->preview, c);
}

static int find_port(struct sandbox *s, uint16_t *ret)
{
	int r = listening_find(s->provider, s->record.id, ret, s->why);

	switch (r) {
	case 0:
		return CLI_DONE;
	case LISTENING_NONE:
		return cli_refuse("start its server with `frag sandbox exec`, or name the port "
				  "with --port N",
				  "nothing listens inside the sandbox");
	case LISTENING_MANY:
		return cli_refuse("name the one you want with --port N",
				  "more than one port is listened on inside the sandbox: %s",
				  s->why);
	default:
		return sandbox_refuse(s, -r, "look for the port");
	}
}

static int url(struct sandbox *s, const char *port)
{
	struct url_request u = {.s = s};
	struct json_out o;
	int64_t n = 0;
	int r;

	if (port && !cli_number("--port", port, 1, UINT16_MAX, &n))
		return CLI_USAGE;
	u.preview.port = (uint16_t)n;
	r = port ? CLI_DONE : find_port(s, &u.preview.port);
	if (r)
		return r;
	r = provider_run(s->provider, start_url, &u, 0, s->why);
	if (r)
		return sandbox_refuse(s, r, "open a preview");
	if (!s->cli->json) {
		puts(u.preview.url);
		return CLI_DONE;
	}
	json_out_file(&o, stdout);
	json_begin(&o, '{');
	json_str_field(&o, "url", u.preview.url);
	json_int_field(&o, "port", u.preview.port);
	json_end(&o, '}');
	return json_out_end(&o);
}

static int run_url(struct cli *cli, const struct cli_args *args)
{
	struct sandbox s;
	size_t used;
	int r = sandbox_open_existing(&s, cli, args, &used);

	if (!r)
		r = url(&s, args->values[URL_PORT]);
	sandbox_close(&s);
	return r;
}

static const struct cli_option url_options[] = {
	[URL_PORT] = {'p', "port", "N", "the port inside; else the one that is listened on"},
	{0, NULL, NULL, NULL},
};

const struct verb verb_sandbox_url = {
	.name = "sandbox url",
	.synopsis = "[<project>]",
	.summary = "print a URL that leads to a port inside the sandbox",
	.help = "The URL is on 127.0.0.1 and works for everybody on this machine, until the "
		"sandbox ends. "
		"Asked again, it is the same.",
	.options = url_options,
	.max_pos = 1,
	.run = run_url,
};

static int run_forward(struct cli *cli, const struct cli_args *args)
{
	int64_t port;

	if (!cli_number("port", args->pos[2], 1, UINT16_MAX, &port))
		return CLI_USAGE;
	return provider_local_forward(args->pos[0], args->pos[1], (uint16_t)port, 1)
		       ? CLI_FAILED
		       : CLI_DONE;
}

const struct verb verb_sandbox_forward = {
	.name = "sandbox-forward",
	.synopsis = "<folder> <sandbox> <port>",
	.summary = "serve a preview (started by `frag sandbox url`)",
	.help = "Prints the port it listens on and serves until the sandbox ends.",
	.min_pos = 3,
	.max_pos = 3,
	.run = run_forward,
	.hidden = true,
};
