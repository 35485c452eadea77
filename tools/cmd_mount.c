/* frag mount, frag daemon, and mount.fuse.frag: three ways to the same daemon.
 *
 * `mount` starts it in the background and returns when the mount answers; `daemon` is it, for a service manager, and what
 * `mount` becomes. mount(8) and fstab call the program under the name mount.fuse.frag with the source first: the
 * home, or a word such as "frag" for the default one.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "tools/cli.h"
#include "tools/daemon.h"
#include "tools/home.h"
#include "tools/mount_helper.h"
#include "tools/mount_options.h"
#include "tools/mounts.h"
#include "tools/verbs.h"

enum { WHY_MAX = 1024 };

static int prepare(const char *dir, const char *given, struct mount_options *options,
		   char **point)
{
	CLEANUP(buf_deinit) struct buf why;

	buf_init(&why, WHY_MAX);
	if (mount_options_sort(given, options, &why))
		return cli_refuse(
			"mounts are always nosuid and nodev; `frag help mount` lists more",
			"%s", why.data);
	*point = mounts_path(dir);
	if (!*point)
		return cli_refuse("make it with mkdir first", "there is no directory '%s': %m",
				  dir);
	return CLI_DONE;
}

static int report(const struct cli *cli, const char *point)
{
	struct json_out o;

	if (!cli->json)
		return CLI_DONE;
	json_out_file(&o, stdout);
	json_begin(&o, '{');
	json_str_field(&o, "mountpoint", point);
	json_str_field(&o, "home", cli->home);
	json_end(&o, '}');
	return json_out_end(&o);
}

static int mount_at(struct cli *cli, const char *dir, const char *given, bool foreground)
{
	struct mount_options options = {0};
	CLEANUP(free_p) char *point = NULL;
	struct daemon_config config = {.ready_fd = -1};
	int r = prepare(dir, given, &options, &point);

	config.mountpoint = point;
	config.options = options.pass;
	config.allow_other = options.allow_other;
	if (!r)
		r = foreground ? daemon_run(cli, &config) : daemon_start(cli, &config);
	if (!r && !foreground)
		r = report(cli, point);
	mount_options_deinit(&options);
	return r;
}

static int run_mount(struct cli *cli, const struct cli_args *args)
{
	return mount_at(cli, args->pos[0], args->values[0], args->values[1] != NULL);
}

static const struct cli_option mount_table[] = {
	{'o', "option", "OPTION,...", "mount options: allow_other, and those of libfuse"},
	{'f', "foreground", NULL, "stay, and say everything on the terminal"},
	{0, NULL, NULL, NULL},
};

const struct verb verb_mount = {
	.name = "mount",
	.synopsis = "<directory> [-f] [-o OPTION,...]",
	.summary = "show every version of every project as directories",
	.help = "Mounts the home on an empty directory and returns when the mount answers. A "
		"daemon keeps serving "
		"it; its log is run/log in the home, its process id run/daemon.pid. A mount "
		"that a killed daemon "
		"left dead is replaced. One daemon serves a home.\n"
		"\n"
		"Also by mount(8) and fstab, with the home as the source or \"frag\" for the "
		"default one:\n"
		"\n"
		"  mount -t fuse.frag /srv/fragfs /mnt/frag\n"
		"  /srv/fragfs  /mnt/frag  fuse.frag  allow_other,nofail  0 0",
	.options = mount_table,
	.min_pos = 1,
	.max_pos = 1,
	.run = run_mount,
};

static int run_daemon(struct cli *cli, const struct cli_args *args)
{
	struct mount_options options = {0};
	CLEANUP(free_p) char *point = NULL;
	struct daemon_config config = {.ready_fd = -1};
	int64_t fd = -1;
	int r;

	if (args->values[1] && !cli_number("--ready", args->values[1], 3, 1023, &fd))
		return CLI_USAGE;
	r = prepare(args->pos[0], args->values[0], &options, &point);
	config.mountpoint = point;
	config.options = options.pass;
	config.allow_other = options.allow_other;
	config.ready_fd = (int)fd;
	if (!r)
		r = daemon_run(cli, &config);
	mount_options_deinit(&options);
	return r;
}

static const struct cli_option daemon_table[] = {
	{'o', "option", "OPTION,...", "mount options, as for `frag mount`"},
	{0, "ready", "FD", "write \"ready\", or why not, to this descriptor"},
	{0, NULL, NULL, NULL},
};

const struct verb verb_daemon = {
	.name = "daemon",
	.synopsis = "<directory> [-o OPTION,...]",
	.summary = "serve a mount in the foreground",
	.help = "What `frag mount` starts. For a service manager: it stays in the foreground, "
		"ends when the mount is "
		"gone, and unmounts when it gets SIGTERM.",
	.options = daemon_table,
	.min_pos = 1,
	.max_pos = 1,
	.run = run_daemon,
	.hidden = true,
};

/* mount(8) calls: SOURCE DIR [-sfnvr] [-N NS] [-o OPTIONS] [-t TYPE] */
struct helper_line {
	const char *source, *dir;
	char *options;
	bool fake;
};

static bool read_line(int argc, char *const *argv, struct helper_line *ret)
{
	for (int i = 1; i < argc; i++) {
		const char *word = argv[i];

		if (word[0] != '-' && !ret->source) {
			ret->source = word;
		} else if (word[0] != '-' && !ret->dir) {
			ret->dir = word;
		} else if (word[0] != '-') {
			return false;
		} else if (word[1] && strchr("oNt", word[1])) {
			const char *value = word[2] ? word + 2 : argv[++i];

			if (!value)
				return false;
			if (word[1] != 'o')
				continue;
			free(ret->options);
			ret->options = alloc_str(value);
		} else if (strchr(word, 'f')) {
			ret->fake = true;
		}
	}
	return ret->source && ret->dir;
}

int mount_helper(int argc, char *const *argv)
{
	struct helper_line line = {0};
	struct cli cli = {0};
	int r;

	if (!read_line(argc, argv, &line)) {
		free(line.options);
		return cli_usage("mount.fuse.frag wants: SOURCE DIRECTORY [-o OPTIONS]");
	}
	r = home_find(line.source[0] == '/' ? line.source : NULL, &cli);
	if (!r && !line.fake)
		r = mount_at(&cli, line.dir, line.options, false);
	home_forget(&cli);
	free(line.options);
	return r;
}
