/* tools/sandbox.c - what the verbs of sandboxes have in common.
 *
 * The record in the state says which sandbox a project has; the provider says whether it runs. Verbs ask the
 * provider themselves and need no daemon. The record names the provider, too; a name we do not know is refused
 * rather than guessed at.
 */
#include "tools/sandbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "store/project.h"
#include "store/store.h"
#include "tools/vendors.h"

int sandbox_provider_of(const struct cli *cli, struct store *st, struct project *p,
			struct provider **ret)
{
	struct state_sandbox record;
	int r = state_sandbox_get(st, project_id(p), &record);

	return vendor_open_or_refuse(cli, r ? vendor_name(0) : record.provider, ret);
}

int sandbox_open(struct sandbox *s, struct cli *cli, const struct cli_args *args, size_t *used)
{
	int r;

	*s = (struct sandbox){.cli = cli};
	r = cli_open_store(cli, &s->store);
	if (!r)
		r = cli_project_arg(cli, s->store, args, &s->project, used);
	if (r)
		return r;
	r = state_sandbox_get(s->store, project_id(s->project), &s->record);
	if (r == STATE_NEWER || r == STATE_BAD)
		return cli_refuse("`frag fsck` says more",
				  "the record of the sandbox of '%s' does not read",
				  project_name(s->project));
	if (r && r != STATE_MISSING)
		return CLI_FAILED;
	s->has_record = !r;
	return vendor_open_or_refuse(cli, s->has_record ? s->record.provider : vendor_name(0),
				     &s->provider);
}

int sandbox_open_existing(struct sandbox *s, struct cli *cli, const struct cli_args *args,
			  size_t *used)
{
	int r = sandbox_open(s, cli, args, used);

	if (r || s->has_record)
		return r;
	return cli_refuse("`frag sandbox up` makes one", "project '%s' has no sandbox",
			  project_name(s->project));
}

void sandbox_close(struct sandbox *s)
{
	provider_free(s->provider);
	project_unref(s->project);
	store_close(s->store);
}

static int start_get(struct provider *p, void *arg, struct provider_call *c)
{
	struct sandbox *s = arg;

	return provider_get(p, s->record.id, &s->box, c);
}

static int start_start(struct provider *p, void *arg, struct provider_call *c)
{
	return provider_start(p, ((struct sandbox *)arg)->record.id, c);
}

static int start_stop(struct provider *p, void *arg, struct provider_call *c)
{
	return provider_stop(p, ((struct sandbox *)arg)->record.id, c);
}

static int start_delete(struct provider *p, void *arg, struct provider_call *c)
{
	return provider_delete(p, ((struct sandbox *)arg)->record.id, c);
}

static int start_pause(struct provider *p, void *arg, struct provider_call *c)
{
	return provider_pause(p, ((struct sandbox *)arg)->record.id, c);
}

static int start_resume(struct provider *p, void *arg, struct provider_call *c)
{
	return provider_resume(p, ((struct sandbox *)arg)->record.id, c);
}

int sandbox_look(struct sandbox *s)
{
	return provider_run(s->provider, start_get, s, 0, s->why);
}

int sandbox_start(struct sandbox *s)
{
	return provider_run(s->provider, start_start, s, 0, s->why);
}

int sandbox_stop(struct sandbox *s)
{
	return provider_run(s->provider, start_stop, s, 0, s->why);
}

int sandbox_delete(struct sandbox *s)
{
	return provider_run(s->provider, start_delete, s, 0, s->why);
}

int sandbox_pause(struct sandbox *s)
{
	return provider_run(s->provider, start_pause, s, 0, s->why);
}

int sandbox_resume(struct sandbox *s)
{
	return provider_run(s->provider, start_resume, s, 0, s->why);
}

static const char *hint_for(int result)
{
	switch (result) {
	case PROVIDER_GONE:
		return "`frag sandbox up` makes a new one";
	case PROVIDER_ASLEEP:
		return "`frag sandbox up` starts it";
	case PROVIDER_BUSY:
		return "another frag is at it; try again in a moment";
	default:
		return NULL;
	}
}

int sandbox_refuse(const struct sandbox *s, int result, const char *what)
{
	return cli_refuse(hint_for(result), "cannot %s: %s%s%s", what, provider_words(result),
			  s->why[0] ? ": " : "", s->why);
}

const char *sandbox_state_name(enum provider_state state)
{
	switch (state) {
	case PROVIDER_STARTING:
		return "starting";
	case PROVIDER_RUNNING:
		return "running";
	case PROVIDER_STOPPED:
		return "stopped";
	case PROVIDER_PAUSED:
		return "paused";
	}
	return "unknown";
}
