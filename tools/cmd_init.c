/* frag init: makes a home.
 *
 * A home that is there already is left as it is and that is no error, so a script may begin with `frag init`.
 */
#include <errno.h>
#include <stdio.h>

#include "base/json.h"
#include "base/log.h"
#include "store/store.h"
#include "tools/cli.h"
#include "tools/verbs.h"

static int run(struct cli *cli, const struct cli_args *args)
{
	struct json_out o;
	int r = store_init(cli->home);

	switch (r) {
	case 0:
		break;
	case STORE_NEWER:
		return cli_refuse(
			"use the fragfs that wrote it, or name another home with --home",
			"the home '%s' was written by a newer fragfs", cli->home);
	case -ENOTEMPTY:
		log_err("  name an empty or new directory with --home");
		return CLI_FAILED;
	default:
		return r;
	}
	if (!cli->json) {
		(void)printf("home %s\n", cli->home);
		return CLI_DONE;
	}
	json_out_file(&o, stdout);
	json_begin(&o, '{');
	json_str_field(&o, "home", cli->home);
	json_end(&o, '}');
	return json_out_end(&o);
}

const struct verb verb_init = {
	.name = "init",
	.synopsis = "",
	.summary = "make a home for projects",
	.help = "Makes the directory named by --home or $FRAG_HOME, or ~/.local/share/fragfs, "
		"into a home: "
		"the place where projects, their index and the daemon's files are kept. A home "
		"that is "
		"there already is left as it is.",
	.run = run,
};
