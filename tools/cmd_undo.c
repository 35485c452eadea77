/* frag undo and frag op: the operation log, and going back in it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "store/oplog.h"
#include "store/project.h"
#include "store/store.h"
#include "tools/exact.h"
#include "tools/verbs.h"
#include "tools/work_client.h"

enum { LOG_DEFAULT = 50, LOG_MOST = 1000000 };

static int finish(struct work_call *c, const char *verb)
{
	int r = work_call_outcome(c, verb, NULL);
	long long n;

	if (r)
		return r;
	cli_changed(c->cli, project_name(c->project));
	if (c->cli->json) {
		work_call_print(c);
		return CLI_DONE;
	}
	n = work_call_int(c, "changed");
	printf("%s:%s: %s operation %lld (%s), %lld file%s changed\n", project_name(c->project),
	       c->work, !strcmp(verb, "undo") ? "undid" : "as after",
	       (long long)work_call_int(c, "undone"), work_call_str(c, "what"), n,
	       n == 1 ? "" : "s");
	return CLI_DONE;
}

static int go_back(struct work_call *c, int64_t id, bool after)
{
	int r;

	work_call_begin(c, "undo");
	json_int_field(&c->out, "id", id);
	json_bool_field(&c->out, "after", after);
	r = work_call_run(c);
	return r ? r : finish(c, after ? "restore" : "undo");
}

static int run_undo(struct cli *cli, const struct cli_args *args)
{
	CLEANUP(work_call_deinit) struct work_call c = {0};
	int r = work_call_init(&c, cli, args);

	if (r)
		return r;
	if (args->n_pos != c.used)
		return cli_usage("frag undo wants a project at most");
	return go_back(&c, 0, false);
}

const struct verb verb_undo = {
	.name = "undo",
	.synopsis = "[<project>[:<work>]]",
	.summary = "take back the last operation on a work tree",
	.help = "The files come back as they were before it, uncommitted and untracked ones "
		"too, and so "
		"do HEAD and the branch it moved. What is there now is kept: a second undo "
		"takes back "
		"the first.",
	.max_pos = 1,
	.run = run_undo,
};

/* ---- op ---- */

static void op_json(const struct oplog_op *op, struct json_out *o)
{
	static const char *const phases[] = {
		[OPLOG_OPEN] = "open", [OPLOG_DONE] = "done", [OPLOG_FAILED] = "failed"};

	json_begin(o, '{');
	json_int_field(o, "id", (int64_t)op->id);
	json_str_field(o, "work", op->work);
	json_str_field(o, "kind", oplog_kind_name(op->kind));
	json_str_field(o, "state", phases[op->phase]);
	exact_time_field(o, "time", op->time, 0);
	json_str_field(o, "what", op->what);
	for (int i = 0; i < 2; i++) {
		const struct oplog_side *s = i ? &op->after : &op->before;

		json_key_out(o, i ? "after" : "before");
		json_begin(o, '{');
		json_str_field(o, "branch", *s->branch ? s->branch : NULL);
		exact_oid_field(o, "commit", &s->commit);
		exact_oid_field(o, "tree", &s->tree);
		json_end(o, '}');
	}
	json_str_field(o, "ref", *op->ref ? op->ref : NULL);
	exact_oid_field(o, "refFrom", &op->ref_from);
	exact_oid_field(o, "refTo", &op->ref_to);
	json_int_field(o, "undoes", (int64_t)op->undoes);
	json_end(o, '}');
}

struct listing {
	struct json_out *out; /* NULL: words */
	const char *work;     /* NULL: all */
	int64_t left;
};

static int list_one(const struct oplog_op *op, void *arg)
{
	struct listing *l = arg;
	char when[CLOCK_TEXT_MAX];

	if (l->work && strcmp(l->work, op->work) != 0)
		return 0;
	if (l->left-- <= 0)
		return 1;
	if (l->out)
		op_json(op, l->out);
	else
		printf("%5" PRIu64 " %s %-12s %s%s\n", op->id, clock_iso(op->time, 0, when),
		       op->work, op->what, op->phase == OPLOG_DONE ? "" : " (not done)");
	return 0;
}

enum { LOG_N };

static int run_log(struct cli *cli, const struct cli_args *args)
{
	CLEANUP(work_call_deinit) struct work_call c = {0};
	struct listing l = {.left = LOG_DEFAULT};
	struct json_out o;
	int r;

	if (args->values[LOG_N] && !cli_number("-n", args->values[LOG_N], 0, LOG_MOST, &l.left))
		return CLI_USAGE;
	r = work_call_init(&c, cli, args);
	if (r)
		return r;
	if (args->n_pos != c.used)
		return cli_usage("frag op log wants a project at most");
	if (args->n_pos && strchr(args->pos[0], ':'))
		l.work = c.work;
	if (cli->json) {
		json_out_file(&o, stdout);
		json_begin(&o, '[');
		l.out = &o;
	}
	r = oplog_each(c.store, project_id(c.project), list_one, &l);
	if (cli->json) {
		json_end(&o, ']');
		(void)json_out_end(&o);
	}
	return r < 0 ? CLI_FAILED : CLI_DONE;
}

static const struct cli_option log_options[] = {
	[LOG_N] = {'n', "number", "COUNT", "how many, the newest first (50)"},
	{0, NULL, NULL, NULL},
};

const struct verb verb_op_log = {
	.name = "op log",
	.synopsis = "[<project>[:<work>]]",
	.summary = "list the operations on a project's work trees",
	.options = log_options,
	.max_pos = 1,
	.run = run_log,
};

static int op_arg(struct work_call *c, const struct cli_args *args, struct oplog_op *ret)
{
	int64_t id;
	int r;

	if (args->n_pos != c->used + 1)
		return cli_usage("a project and the number of an operation are wanted");
	if (!cli_number("<operation>", args->pos[c->used], 1, INT64_MAX, &id))
		return CLI_USAGE;
	r = oplog_get(c->store, project_id(c->project), (uint64_t)id, ret);
	if (r == OPLOG_MISSING)
		return cli_refuse("`frag op log` shows those there are",
				  "project '%s' has no operation %lld",
				  project_name(c->project), (long long)id);
	return r ? CLI_FAILED : CLI_DONE;
}

static int run_show(struct cli *cli, const struct cli_args *args)
{
	CLEANUP(work_call_deinit) struct work_call c = {0};
	char hex[OID_HEX_LEN + 1], when[CLOCK_TEXT_MAX];
	struct oplog_op op;
	struct json_out o;
	int r = work_call_init(&c, cli, args);

	if (!r)
		r = op_arg(&c, args, &op);
	if (r)
		return r;
	if (cli->json) {
		json_out_file(&o, stdout);
		op_json(&op, &o);
		(void)json_out_end(&o);
		return CLI_DONE;
	}
	printf("operation %" PRIu64 ": %s\n  %s of work tree '%s', %s\n", op.id, op.what,
	       oplog_kind_name(op.kind), op.work, clock_iso(op.time, 0, when));
	for (int i = 0; i < 2; i++) {
		const struct oplog_side *s = i ? &op.after : &op.before;

		printf("  %-6s commit %.12s", i ? "after" : "before", oid_hex(&s->commit, hex));
		printf(" tree %.12s %s\n", oid_hex(&s->tree, hex), s->branch);
	}
	return CLI_DONE;
}

const struct verb verb_op_show = {
	.name = "op show",
	.synopsis = "[<project>] <operation>",
	.summary = "show what an operation changed",
	.help = "The trees it names can be looked at with git: what was uncommitted is in "
		"them.",
	.min_pos = 1,
	.max_pos = 2,
	.run = run_show,
};

enum { RESTORE_BEFORE };

static int run_restore(struct cli *cli, const struct cli_args *args)
{
	CLEANUP(work_call_deinit) struct work_call c = {0};
	struct oplog_op op;
	int r = work_call_init(&c, cli, args);

	if (!r)
		r = op_arg(&c, args, &op);
	if (r)
		return r;
	(void)snprintf(c.work, sizeof(c.work), "%s", op.work);
	return go_back(&c, (int64_t)op.id, args->values[RESTORE_BEFORE] == NULL);
}

static const struct cli_option restore_options[] = {
	[RESTORE_BEFORE] = {0, "before", NULL, "as it was before the operation, not after"},
	{0, NULL, NULL, NULL},
};

const struct verb verb_op_restore = {
	.name = "op restore",
	.synopsis = "[<project>] <operation>",
	.summary = "bring a work tree back to how it was after an operation",
	.help = "Files, uncommitted ones too, HEAD, and the branch that the operation moved. "
		"It is an "
		"operation itself and can be undone.",
	.options = restore_options,
	.min_pos = 1,
	.max_pos = 2,
	.run = run_restore,
};
