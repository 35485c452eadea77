/* Addresses, taken apart far enough to be safe.
 *
 * A password in a URL is taken out here and nowhere seen again: not in an argument list, not in
 * a repository's config, not in a message. It reaches git through a credential helper
 * (store/import_git_child.c).
 *
 * `host:path` is ssh, as git has it, when the colon stands before the first slash. A path with a
 * colon is written ./like:this, also as in git.
 */
#include "store/import_git_url.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "store/project.h"

static bool scheme_is(const char *src, size_t len, const char *want)
{
	return strlen(want) == len && !strncasecmp(src, want, len);
}

static bool scheme_known(const char *src, size_t len)
{
	static const char *const known[] = {"file", "git", "http", "https", "ssh"};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		if (scheme_is(src, len, known[i]))
			return true;
	}
	return false;
}

static bool has_control(const char *s)
{
	for (; *s; s++) {
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return true;
	}
	return false;
}

/* "%41" → "A"; credentials in URLs are written so. */
static char *unescape(const char *s, size_t len)
{
	char *out = alloc_zero(len + 1);
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		if (s[i] == '%' && i + 2 < len && isxdigit((unsigned char)s[i + 1]) &&
		    isxdigit((unsigned char)s[i + 2])) {
			char hex[3] = {s[i + 1], s[i + 2], '\0'};

			out[n++] = (char)strtoul(hex, NULL, 16);
			i += 2;
			continue;
		}
		out[n++] = s[i];
	}
	return out;
}

/* Takes "user:password@" out of `scheme://user:password@host…`; the user stays in the URL. */
static void split_credentials(struct import_git_url *u, const char *src)
{
	const char *auth = strstr(src, "://") + 3, *at = NULL, *colon;
	size_t len = strcspn(auth, "/?#");

	for (size_t i = 0; i < len; i++)
		at = auth[i] == '@' ? auth + i : at;
	if (!at) {
		u->url = alloc_str(src);
		return;
	}
	colon = memchr(auth, ':', (size_t)(at - auth));
	u->user = unescape(auth, (size_t)((colon ? colon : at) - auth));
	if (colon)
		u->password = unescape(colon + 1, (size_t)(at - colon - 1));
	u->url = alloc_fmt("%.*s%s", (int)((colon ? colon : at) - src), src, at);
}

static void parse_url(struct import_git_url *u, const char *src, const char *sep)
{
	const char *host;

	if (!scheme_known(src, (size_t)(sep - src))) {
		u->why = "git can fetch from file, git, http, https and ssh addresses only";
		return;
	}
	split_credentials(u, src);
	host = strstr(u->url, "://") + 3;
	if (u->user)
		host = strchr(host, '@') + 1;
	if (*host == '-') {
		u->why = "its host starts with a dash";
		return;
	}
	if (u->user && (*u->user == '-' || has_control(u->user))) {
		u->why = "its user name is not one";
		return;
	}
	u->kind = IMPORT_GIT_URL_REMOTE;
}

void import_git_url_parse(const char *src, struct import_git_url *ret)
{
	const char *colon = strchr(src, ':'), *slash = strchr(src, '/'),
		   *sep = strstr(src, "://");

	*ret = (struct import_git_url){.kind = IMPORT_GIT_URL_BAD};
	if (!*src) {
		ret->why = "it is empty";
	} else if (*src == '-') {
		ret->why = "it starts with a dash; write ./ in front of a path that does";
	} else if (has_control(src)) {
		ret->why = "it holds control characters";
	} else if (sep && sep == colon && sep + 1 == slash) {
		parse_url(ret, src, sep);
	} else if (colon && colon[1] == ':' && (!slash || colon < slash)) {
		ret->why = "addresses that run a helper program are never followed";
	} else if (colon && colon != src && (!slash || colon < slash)) {
		ret->kind = IMPORT_GIT_URL_REMOTE;
		ret->url = alloc_str(src);
	} else {
		ret->kind = IMPORT_GIT_URL_PATH;
		ret->url = alloc_str(src);
	}
}

void import_git_url_deinit(struct import_git_url *u)
{
	if (u->password)
		explicit_bzero(u->password, strlen(u->password));
	free(u->url);
	free(u->user);
	free(u->password);
	*u = (struct import_git_url){.kind = IMPORT_GIT_URL_BAD};
}

static bool ends_with(const char *s, size_t len, const char *end)
{
	size_t n = strlen(end);

	return len > n && !memcmp(s + len - n, end, n);
}

/* What says nothing about the app: slashes, "/.git", ".git", ".json" and the like. */
static size_t trim_end(const char *src, size_t len)
{
	static const char *const ends[] = {"/.git",  ".git",    ".bundle",
					   ".jsonl", ".ndjson", ".json"};
	bool again = true;

	while (again) {
		again = len && src[len - 1] == '/';
		len -= again;
		for (size_t i = 0; !again && i < sizeof(ends) / sizeof(*ends); i++) {
			again = ends_with(src, len, ends[i]);
			len -= again ? strlen(ends[i]) : 0;
		}
	}
	return len;
}

bool import_git_url_name(const char *src, char ret[IMPORT_GIT_NAME_SIZE])
{
	size_t len = trim_end(src, strcspn(src, "?#")), from = len, n = 0;

	while (from && src[from - 1] != '/' && src[from - 1] != ':')
		from--;
	for (size_t i = from; i < len && n < PROJECT_NAME_MAX; i++) {
		char c = src[i];
		bool fine = isalnum((unsigned char)c) || c == '_' || c == '.' || c == '-';

		if ((unsigned char)c >= 0x80 || !fine)
			c = '-';
		if ((c == '-' || c == '.') && (!n || (c == '-' && ret[n - 1] == '-')))
			continue;
		ret[n++] = c;
	}
	while (n && (ret[n - 1] == '-' || ret[n - 1] == '.'))
		n--;
	ret[n] = '\0';
	return project_name_ok(ret);
}
