/* Telling sources apart.
 *
 * Only what is unmistakable is taken: an address git can fetch from, a directory that is a repository, a bundle, a
 * file that starts like JSON, a directory with JSON files. For everything else the person is asked
 * to say (--format): importing the wrong thing is worse than a question.
 */
#include "store/import.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "store/import_git_source.h"
#include "store/import_git_url.h"
#include "store/import_json.h"

int import_refuse(const struct import_request *q, const char *hint, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(q->no->why, sizeof(q->no->why), fmt, ap);
	va_end(ap);
	(void)snprintf(q->no->hint, sizeof(q->no->hint), "%s", hint ? hint : "");
	return IMPORT_REFUSED;
}

static enum import_kind unknown(const struct import_request *q, const char *what)
{
	(void)import_refuse(q,
			    "say which with --format git or --format json, if you know better",
			    "'%s' is %s", q->source, what);
	return IMPORT_KIND_UNKNOWN;
}

static enum import_kind look_file(const struct import_request *q)
{
	CLEANUP(close_p) int fd = open(q->source, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	char start[4096];
	ssize_t n = fd < 0 ? -errno : io_read_all(fd, start, sizeof(start) - 1);
	const char *p = start;

	if (n < 0)
		return unknown(q, n == -EACCES ? "not readable for you" : "not readable");
	start[n] = '\0';
	if (!strncmp(start, "# v", 3) && strstr(start, " git bundle\n"))
		return IMPORT_KIND_GIT;
	if (!import_git_source_probe(q->source))
		return IMPORT_KIND_GIT;
	if (!strncmp(p, "\xef\xbb\xbf", 3))
		p += 3;
	p += strspn(p, " \t\r\n");
	if (*p == '{' || *p == '[' || import_json_is_file(q->source))
		return IMPORT_KIND_JSON;
	return unknown(q, n ? "a file that is neither JSON nor a git bundle" : "an empty file");
}

static enum import_kind look_dir(const struct import_request *q)
{
	CLEANUP(closedirp) DIR *d = NULL;
	const struct dirent *e;

	if (!import_git_source_probe(q->source))
		return IMPORT_KIND_GIT;
	d = opendir(q->source);
	if (!d)
		return unknown(q, "a directory that you cannot read");
	while ((e = readdir(d))) {
		if (import_json_is_file(e->d_name))
			return IMPORT_KIND_JSON;
	}
	return unknown(q, "a directory that is neither a git repository nor holds .json files");
}

enum import_kind import_look(const struct import_request *q)
{
	CLEANUP(import_git_url_deinit) struct import_git_url u = {.why = NULL};
	struct stat st;

	if (!stat(q->source, &st)) {
		if (S_ISDIR(st.st_mode))
			return look_dir(q);
		return S_ISREG(st.st_mode) ? look_file(q)
					   : unknown(q, "neither a file nor a directory");
	}
	import_git_url_parse(q->source, &u);
	if (u.kind == IMPORT_GIT_URL_REMOTE)
		return IMPORT_KIND_GIT;
	if (u.kind == IMPORT_GIT_URL_BAD)
		(void)import_refuse(q, "give a git URL, a path, or JSON documents",
				    "'%s' cannot be imported: %s", q->source, u.why);
	else
		(void)import_refuse(q,
				    "check the spelling; a URL starts with https://, ssh:// …",
				    "there is nothing at '%s'", q->source);
	return IMPORT_KIND_UNKNOWN;
}

int import_lock(const struct import_request *q, struct project *p, int *ret)
{
	char who[128];
	int r = project_lock(p, "importing", false, ret);

	if (r != PROJECT_LOCKED)
		return r > 0 ? fail(-ENOENT, "project '%s' vanished", project_name(p)) : r;
	project_lock_holder(p, who, sizeof(who));
	return import_refuse(q, "wait for it, or stop it",
			     "project '%s' is locked by another process (%s)", project_name(p),
			     *who ? who : "unknown");
}

int import_name(const struct import_request *q, char ret[PROJECT_NAME_MAX + 1])
{
	char here[4096];
	bool fine;

	if (q->name && project_name_ok(q->name)) {
		(void)snprintf(ret, PROJECT_NAME_MAX + 1, "%s", q->name);
		return 0;
	}
	if (q->name)
		return import_refuse(
			q,
			"use 1 to 100 of A-Z a-z 0-9 . _ -, not starting with . or "
			"-, not ending in .git or .lock",
			"'%s' is no name for a project", q->name);
	fine = import_git_url_name(q->source, ret);
	if (!fine && realpath(q->source, here))
		fine = import_git_url_name(here, ret);
	return fine ? 0
		    : import_refuse(q, "give one with --name",
				    "no project name can be made from '%s'", q->source);
}
