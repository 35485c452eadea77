/* Finding the home: --home, $FRAG_HOME, the mount we stand in, $XDG_DATA_HOME/fragfs, ~/.local/share/fragfs.
 *
 * The path is made absolute but links in it are kept: people recognise what they typed. The agent, which
 * runs inside sandboxes, is found beside the program (a build tree) or in ../libexec (an installed one),
 * so an installation can be moved as a whole.
 */
#include "tools/home.h"

#include <limits.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "tools/cli.h"
#include "tools/here.h"

static const char *env(const char *name)
{
	const char *v = getenv(name);

	return v && *v ? v : NULL;
}

/* Without the trailing slashes and "." parts that make one home look like two. */
static void tidy(char *path)
{
	char *to = path;

	for (const char *from = path; *from;) {
		if (from[0] == '/' && from[1] == '/') {
			from++;
			continue;
		}
		if (from[0] == '/' && from[1] == '.' && (from[2] == '/' || !from[2])) {
			from += 2;
			continue;
		}
		*to++ = *from++;
	}
	if (to > path + 1 && to[-1] == '/')
		to--;
	if (to == path)
		*to++ = '/';
	*to = '\0';
}

static char *absolute(const char *path)
{
	CLEANUP(free_p) char *cwd = NULL;
	char *full;

	if (path[0] == '/') {
		full = alloc_str(path);
	} else {
		cwd = getcwd(NULL, 0);
		if (!cwd)
			return NULL;
		full = alloc_fmt("%s/%s", cwd, path);
	}
	tidy(full);
	return full;
}

static char *default_home(void)
{
	struct passwd pw, *found = NULL;
	char text[4096];

	if (env("XDG_DATA_HOME") && env("XDG_DATA_HOME")[0] == '/')
		return alloc_fmt("%s/fragfs", env("XDG_DATA_HOME"));
	if (env("HOME") && env("HOME")[0] == '/')
		return alloc_fmt("%s/.local/share/fragfs", env("HOME"));
	if (!getpwuid_r(getuid(), &pw, text, sizeof(text), &found) && found)
		return alloc_fmt("%s/.local/share/fragfs", found->pw_dir);
	return NULL;
}

static char *find_self(void)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	return n > 0 ? alloc_copy(path, (size_t)n) : alloc_str("frag");
}

static char *find_agent(const char *self)
{
	const char *slash = strrchr(self, '/');
	int dir = slash ? (int)(slash - self) : 0;
	char *beside = alloc_fmt("%.*s/frag-agent", dir, self);

	if (!access(beside, X_OK))
		return beside;
	free(beside);
	return alloc_fmt("%.*s/../libexec/frag-agent", dir, self);
}

int home_find(const char *option, struct cli *cli)
{
	const char *named = option ? option : env("FRAG_HOME");

	if (option && !*option)
		return cli_usage("--home wants a directory");
	cli->home = named ? absolute(named) : here_home();
	if (!cli->home && !named)
		cli->home = default_home();
	if (!cli->home)
		return cli_refuse("name it with --home DIR or $FRAG_HOME",
				  "no home directory is known");
	cli->self = find_self();
	cli->agent = find_agent(cli->self);
	return CLI_DONE;
}

void home_forget(struct cli *cli)
{
	free((char *)(uintptr_t)cli->home);
	free((char *)(uintptr_t)cli->self);
	free((char *)(uintptr_t)cli->agent);
}

enum log_level home_log_level(enum log_level otherwise)
{
	static const struct {
		const char *name;
		enum log_level level;
	} levels[] = {{"err", LOG_LEVEL_ERR},
		      {"warn", LOG_LEVEL_WARN},
		      {"info", LOG_LEVEL_INFO},
		      {"debug", LOG_LEVEL_DEBUG}};
	const char *named = env("FRAG_LOG");

	for (size_t i = 0; named && i < sizeof(levels) / sizeof(levels[0]); i++) {
		if (!strcmp(named, levels[i].name))
			return levels[i].level;
	}
	return otherwise;
}
