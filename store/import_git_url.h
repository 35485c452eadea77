/* store/import_git_url.h - what a person means by the source of an import.
 *
 * Pure. A source is a path, or an address that git's own transports know: file, git, http, https and
 * ssh (also as host:path). Everything else, above all what would run a program (`ext::`, any
 * `<helper>::`), is refused before git sees it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum import_git_url_kind {
	IMPORT_GIT_URL_PATH,   /* a path on this machine */
	IMPORT_GIT_URL_REMOTE, /* to be fetched by git */
	IMPORT_GIT_URL_BAD,    /* `why` */
};

struct import_git_url {
	enum import_git_url_kind kind;
	char *url;             /* without password: may be shown, stored and given to git */
	char *user, *password; /* what was in the URL; NULL when nothing */
	const char *why;
};

void import_git_url_parse(const char *src, struct import_git_url *ret);
void import_git_url_deinit(struct import_git_url *u);

/* A project name from the last part of a URL or path: "git@x:a/My App.git" → "My-App". False
 * when nothing is left of it. */
enum { IMPORT_GIT_NAME_SIZE = 101 };
bool import_git_url_name(const char *src, char ret[IMPORT_GIT_NAME_SIZE]);
