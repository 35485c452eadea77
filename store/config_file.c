/* Reading a value with libgit2's parser, which knows git's quoting, sections and includes.
 *
 * The file is opened for each question: this is for the two or three values a command needs once.
 */
#include "store/config_file.h"

#include <unistd.h>

#include "base/alloc.h"
#include "store/git.h"

DEFINE_CLEANUP(git_config_entry *, git_config_entry_free)

static int read_value(const char *path, const char *key, char **ret)
{
	CLEANUP(git_config_freep) git_config *config = NULL;
	CLEANUP(git_config_entry_freep) git_config_entry *entry = NULL;
	int r = git_config_open_ondisk(&config, path);

	if (r)
		return fail_git(r, "read '%s'", path);
	r = git_config_get_entry(&entry, config, key);
	if (r == GIT_ENOTFOUND)
		return CONFIG_FILE_MISSING;
	if (r)
		return fail_git(r, "read '%s' in '%s'", key, path);
	*ret = alloc_str(entry->value ? entry->value : "");
	return 0;
}

int config_file_get(const char *path, const char *key, char **ret)
{
	int r;

	if (access(path, R_OK))
		return CONFIG_FILE_MISSING;
	r = git_start();
	if (r)
		return r;
	r = read_value(path, key, ret);
	git_stop();
	return r;
}
