/* provider/agent/phase.c - the order in which a dev server should see things.
 *
 * What a module imports must be there before the module, and everything must be there before the file whose
 * change restarts the server; what is removed goes last, when nothing names it any more.
 */
#include "provider/agent/phase.h"

#include <string.h>

#include "base/judge.h"

static const char *const config_names[] = {
	"Cargo.lock",       "Cargo.toml",     "Dockerfile",   "Gemfile",
	"Gemfile.lock",     "Makefile",       "Pipfile",      "Pipfile.lock",
	"bun.lock",         "bun.lockb",      "compose.yaml", "composer.json",
	"composer.lock",    "deno.json",      "deno.lock",    "docker-compose.yml",
	"go.mod",           "go.sum",         "index.html",   "package-lock.json",
	"package.json",     "pnpm-lock.yaml", "poetry.lock",  "pyproject.toml",
	"requirements.txt", "setup.py",       "uv.lock",      "yarn.lock",
};

bool phase_is_config(const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

	for (size_t i = 0; i < sizeof(config_names) / sizeof(config_names[0]); i++)
		if (!strcmp(name, config_names[i]))
			return true;
	return strstr(name, ".config.") || !strncmp(name, "tsconfig", 8) ||
	       !strncmp(name, ".env", 4) || (name[0] == '.' && strstr(name, "rc"));
}

static bool is_plain(uint32_t mode)
{
	return mode == MODE_FILE || mode == MODE_EXEC;
}

enum change_phase phase_of(const struct change *c, const struct manifest_entry *old)
{
	if (!c->mode)
		return PHASE_REMOVE;
	if (!is_plain(c->mode) || (old && !is_plain(old->mode)))
		return PHASE_LINK;
	if (phase_is_config(c->path))
		return PHASE_CONFIG;
	return old ? PHASE_MODIFY : PHASE_ADD;
}
