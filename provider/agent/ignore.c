/* provider/agent/ignore.c - two lists of names.
 *
 * The lists hold only names that mean the same in every project; what a project ignores beyond
 * them is its .gitignore's business, which needs the store and is judged there. A name that is wrongly on the list
 * costs a change that does not come back from the sandbox; one that is wrongly missing
 * costs a large side commit, or a secret in history. So secrets are matched widely.
 * Linear in the length of the path times some forty names; no allocation.
 */
#include "provider/agent/ignore.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

static const char *const bulk_names[] = {
	".cache",        ".ds_store",   ".git",        ".mypy_cache",   ".next",
	".npm",          ".nuxt",       ".output",     ".parcel-cache", ".pnpm-store",
	".pytest_cache", ".ruff_cache", ".svelte-kit", ".tox",          ".turbo",
	".venv",         ".vite",       ".yarn",       "__pycache__",   "dist",
	"node_modules",  "target",      "venv",
};

static const char *const bulk_ends[] = {".pyc", ".swp", ".tmp"};

static const char *const secret_names[] = {
	".aws",     ".docker",    ".env",    ".git-credentials", ".gnupg", ".kube",
	".netrc",   ".npmrc",     ".pgpass", ".pypirc",          ".ssh",   "id_dsa",
	"id_ecdsa", "id_ed25519", "id_rsa",  "credentials.json",
};

static const char *const secret_ends[] = {
	".jks", ".kdbx", ".key", ".keystore", ".p12", ".pem", ".pfx",
};

/* A template of settings holds no settings. */
static const char *const env_templates[] = {
	".env.dist",
	".env.example",
	".env.sample",
	".env.template",
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static bool is_one_of(const char *name, size_t len, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strlen(list[i]) == len && strncasecmp(name, list[i], len) == 0)
			return true;
	return false;
}

static bool ends_in_one_of(const char *name, size_t len, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		size_t end = strlen(list[i]);

		if (len > end && strncasecmp(name + len - end, list[i], end) == 0)
			return true;
	}
	return false;
}

enum ignore_verdict ignore_name(const char *name, size_t len)
{
	if (is_one_of(name, len, env_templates, COUNT(env_templates)))
		return IGNORE_NO;
	if (is_one_of(name, len, secret_names, COUNT(secret_names)) ||
	    ends_in_one_of(name, len, secret_ends, COUNT(secret_ends)))
		return IGNORE_SECRET;
	if (len > 5 && strncasecmp(name, ".env.", 5) == 0)
		return IGNORE_SECRET;
	if (is_one_of(name, len, bulk_names, COUNT(bulk_names)) ||
	    ends_in_one_of(name, len, bulk_ends, COUNT(bulk_ends)))
		return IGNORE_BULK;
	return IGNORE_NO;
}

enum ignore_verdict ignore_path(const char *path, size_t len)
{
	enum ignore_verdict worst = IGNORE_NO;
	size_t at = 0;

	while (at < len) {
		const char *slash = memchr(path + at, '/', len - at);
		size_t end = slash ? (size_t)(slash - path) : len;
		enum ignore_verdict v = ignore_name(path + at, end - at);

		if (v == IGNORE_BULK)
			return v;
		if (v > worst)
			worst = v;
		at = end + 1;
	}
	return worst;
}
