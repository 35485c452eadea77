/* frag sandbox up: a project's sandbox, running and holding HEAD's tree.
 *
 * Idempotent: a sandbox that runs is left running, one that is stopped is started, one whose provider
 * forgot it is made anew and registered in its place. Then the mirror brings it to HEAD and verifies it; when a
 * daemon is at it already, this waits for that one.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/log.h"
#include "store/project.h"
#include "sync/mirror.h"
#include "tools/drive.h"
#include "tools/sandbox.h"
#include "tools/shares.h"
#include "tools/vendors.h"
#include "tools/verbs.h"

enum { UP_NETWORK, UP_NO_SYNC, UP_MEMORY, UP_PROCESSES, UP_PROVIDER, UP_IMAGE };

struct up {
	struct sandbox s;
	struct provider_spec spec;
	struct progress *progress;
	bool created;
};

static int start_create(struct provider *p, void *arg, struct provider_call *c)
{
	struct up *u = arg;

	return provider_create(p, &u->spec, &u->s.box, c);
}

static int create(struct up *u)
{
	struct sandbox *s = &u->s;
	int r;

	u->spec.label = project_name(s->project);
	r = provider_run(s->provider, start_create, u, 0, s->why);
	if (r)
		return sandbox_refuse(s, r, "make a sandbox");
	u->created = true;
	r = mirror_attach(s->store, s->project, provider_name(s->provider), s->box.id);
	if (!r)
		r = state_sandbox_get(s->store, project_id(s->project), &s->record);
	if (!r)
		return CLI_DONE;
	/* A sandbox that no record names would run for ever. */
	(void)snprintf(s->record.id, sizeof(s->record.id), "%s", s->box.id);
	(void)sandbox_delete(s);
	return CLI_FAILED;
}

/* One at a time: two that each find no sandbox would make two, and one of them would be nobody's. */
static int wait_for_turn(struct up *u, int *lock)
{
	CLEANUP(free_p) char *path = alloc_fmt("%s/sandboxes/.up", u->s.cli->home);
	int r = lock_take(AT_FDCWD, path, "sandbox up", true, lock);

	if (!r)
		r = state_sandbox_get(u->s.store, project_id(u->s.project), &u->s.record);
	u->s.has_record = !r;
	return r == STATE_MISSING ? CLI_DONE : r ? CLI_FAILED : CLI_DONE;
}

/* The sandbox of the record, running; made anew when it is gone. */
static int find_or_create(struct up *u)
{
	CLEANUP(close_p) int lock = -1;
	struct sandbox *s = &u->s;
	int r = wait_for_turn(u, &lock);

	if (r)
		return r;
	if (!s->has_record)
		return create(u);
	if (u->spec.allow_network || u->spec.memory_bytes || u->spec.max_processes)
		log_warn("the sandbox is there already and keeps its limits and network, "
			 "ignoring "
			 "the options; `frag sandbox rm` lets a new one have them");
	r = sandbox_look(s);
	if (r == PROVIDER_GONE)
		return create(u);
	if (r)
		return sandbox_refuse(s, r, "look at the sandbox");
	if (s->box.state == PROVIDER_RUNNING)
		return CLI_DONE;
	r = sandbox_start(s);
	return r ? sandbox_refuse(s, r, "start the sandbox") : CLI_DONE;
}

static void on_progress(const struct mirror_status *m, void *arg)
{
	progress_at(arg, mirror_state_name(m->state), m->files_done, m->files_total);
}

static int bring_to_head(struct up *u, struct mirror_status *ret)
{
	struct mirror_options o = {.progress = on_progress};
	struct sandbox *s = &u->s;
	int r;

	u->progress = progress_new(s->cli, "sandbox");
	o.arg = u->progress;
	r = drive(s->cli, s->store, s->provider, s->project, &o, ret);
	progress_free(u->progress);
	if (r == MIRROR_STUCK)
		return cli_refuse("`frag sync status` says more",
				  "the sandbox runs but does not hold HEAD: %s", ret->why);
	if (r == MIRROR_LATE)
		return cli_refuse("`frag sync status` shows how far it is",
				  "the sandbox runs, but its files did not arrive in time");
	return r ? CLI_FAILED : CLI_DONE;
}

/* Where the project's folder lies on this machine. */
static char *path_here(const struct up *u)
{
	if (strcmp(provider_name(u->s.provider), vendor_name(0)) != 0)
		return alloc_fmt("at %s", provider_name(u->s.provider));
	return alloc_fmt("%s/sandboxes/%s/%s", u->s.cli->home, u->s.record.id, "home/app");
}

static void print_json(const struct up *u, const struct mirror_status *m, int64_t ms)
{
	CLEANUP(free_p) char *path = path_here(u);
	struct json_out o;

	json_out_file(&o, stdout);
	json_begin(&o, '{');
	json_str_field(&o, "project", project_name(u->s.project));
	json_str_field(&o, "id", u->s.record.id);
	json_str_field(&o, "provider", provider_name(u->s.provider));
	json_str_field(&o, "path", path);
	json_bool_field(&o, "created", u->created);
	json_int_field(&o, "ms", ms);
	json_key_out(&o, "sync");
	if (m) {
		json_begin(&o, '{');
		mirror_status_json(m, &o);
		json_end(&o, '}');
	} else {
		json_put_null(&o);
	}
	json_end(&o, '}');
	(void)json_out_end(&o);
}

static void print(const struct up *u, int64_t ms)
{
	CLEANUP(free_p) char *path = path_here(u);

	printf("%s  %s  %s  %lld ms\n", u->s.record.id, u->created ? "created" : "running",
	       path, (long long)ms);
}

static int up(struct up *u, const struct cli_args *args)
{
	int64_t start = clock_ns(), ms;
	struct project_head head;
	struct mirror_status m;
	bool sync = !args->values[UP_NO_SYNC];
	int r = find_or_create(u);

	if (r)
		return r;
	if (project_head(u->s.project, &head))
		return CLI_FAILED;
	/* A project without a commit has nothing to bring. */
	sync = sync && !oid_is_zero(&head.commit);
	cli_changed(u->s.cli, project_name(u->s.project));
	if (sync)
		r = bring_to_head(u, &m);
	ms = (clock_ns() - start) / 1000000;
	if (r)
		return r;
	if (u->s.cli->json)
		print_json(u, sync ? &m : NULL, ms);
	else
		print(u, ms);
	return CLI_DONE;
}

/* Whoever runs it already goes on doing so. `name` NULL: whose turn it is. */
static int choose_provider(struct sandbox *s, const char *name)
{
	struct shares shares;
	int r = name ? CLI_DONE : shares_read(s->cli, &shares);

	if (r)
		return r;
	if (!name)
		name = shares_choose(&shares, project_name(s->project));
	if (!strcmp(provider_name(s->provider), name))
		return CLI_DONE;
	if (s->has_record)
		return cli_refuse("`frag sandbox rm` makes room for another one",
				  "'%s' runs the sandbox of '%s' already", s->record.provider,
				  project_name(s->project));
	provider_free(s->provider);
	s->provider = NULL;
	return vendor_open_or_refuse(s->cli, name, &s->provider);
}

static int run_up(struct cli *cli, const struct cli_args *args)
{
	int64_t megabytes = 0, processes = 0;
	struct up u = {0};
	size_t used;
	int r;

	if (args->values[UP_MEMORY] &&
	    !cli_number("--memory", args->values[UP_MEMORY], 16, 1 << 30, &megabytes))
		return CLI_USAGE;
	if (args->values[UP_PROCESSES] &&
	    !cli_number("--processes", args->values[UP_PROCESSES], 8, 1000000, &processes))
		return CLI_USAGE;
	u.spec.allow_network = args->values[UP_NETWORK] != NULL;
	u.spec.memory_bytes = (uint64_t)megabytes << 20;
	u.spec.max_processes = (uint32_t)processes;
	u.spec.image = args->values[UP_IMAGE];
	r = sandbox_open(&u.s, cli, args, &used);
	if (!r && (args->values[UP_PROVIDER] || !u.s.has_record))
		r = choose_provider(&u.s, args->values[UP_PROVIDER]);
	if (!r)
		r = up(&u, args);
	sandbox_close(&u.s);
	return r;
}

static const struct cli_option up_options[] = {
	[UP_NETWORK] = {0, "allow-network", NULL,
			"let what runs inside use this machine's network"},
	[UP_NO_SYNC] = {0, "no-sync", NULL, "do not bring HEAD's files into it"},
	[UP_MEMORY] = {0, "memory", "MB", "address space of each process at most"},
	[UP_PROCESSES] = {0, "processes", "N", "processes at most (512)"},
	[UP_PROVIDER] = {0, "provider", "NAME",
			 "who shall run a new one; else `frag provider rollout` says"},
	[UP_IMAGE] = {0, "image", "NAME", "the provider's image or template; for a new one"},
	{0, NULL, NULL, NULL},
};

const struct verb verb_sandbox_up = {
	.name = "sandbox up",
	.synopsis = "[<project>]",
	.summary = "start a project's sandbox and bring HEAD's files into it",
	.help = "Makes the sandbox when there is none, starts it when it is stopped, and "
		"returns when the "
		"files inside are verified to be HEAD's. The project's folder inside is app, "
		"below the home "
		"of its user. Limits and network are settled when it is made.\n"
		"\n"
		"Without --allow-network what runs inside has a network of its own that leads "
		"nowhere; "
		"with it, it has this machine's, 127.0.0.1 included.",
	.options = up_options,
	.max_pos = 1,
	.run = run_up,
};
