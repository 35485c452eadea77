/* frag ask: one request to the daemon, its answer as it came.
 *
 * For scripts and for looking into a running daemon; the operations stand in tools/control_ops.h.
 */
#include <stdio.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "tools/cli.h"
#include "tools/control_server.h"
#include "tools/verbs.h"

enum { ASK_MS = 60000 };

DEFINE_CLEANUP(struct json *, json_free)

static int run(struct cli *cli, const struct cli_args *args)
{
	CLEANUP(buf_deinit) struct buf reply;
	CLEANUP(json_freep) struct json *doc = NULL;
	char why[128];
	bool ok = false;
	int r;

	buf_init(&reply, CONTROL_REPLY_MAX);
	r = cli_ask_daemon(cli, args->pos[0], &reply, ASK_MS);
	if (r == CLI_NO_DAEMON)
		return cli_refuse("`frag mount` starts one", "no daemon serves '%s'",
				  cli->home);
	if (r)
		return CLI_FAILED;
	(void)fputs(reply.data, stdout);
	if (json_parse(reply.data, reply.len, &doc, why, sizeof(why)) ||
	    json_get_bool(doc, "ok", &ok))
		return CLI_FAILED;
	return ok ? CLI_DONE : CLI_FAILED;
}

const struct verb verb_ask = {
	.name = "ask",
	.synopsis = "<request>",
	.summary = "send a request to the daemon and print its answer",
	.help = "A request is a JSON object on one line; the answer has \"ok\".\n"
		"\n"
		"  frag ask '{\"op\":\"status\"}'",
	.min_pos = 1,
	.max_pos = 1,
	.run = run,
	.hidden = true,
};
