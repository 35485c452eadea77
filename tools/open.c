/* Opening the home for a verb, with the words that a person needs when that fails.
 */
#include "store/store.h"
#include "tools/cli.h"

int cli_open_store(struct cli *cli, struct store **ret)
{
	int r = store_open(cli->home, ret);

	switch (r) {
	case 0:
		return CLI_DONE;
	case STORE_ABSENT:
		return cli_refuse(
			"`frag init` makes it one; --home DIR or $FRAG_HOME name another",
			"'%s' is not a fragfs home", cli->home);
	case STORE_NEWER:
		return cli_refuse(
			"use the fragfs that wrote it, or name another home with --home",
			"the home '%s' was written by a newer fragfs", cli->home);
	default:
		return CLI_FAILED;
	}
}
