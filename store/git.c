/* Starting libgit2, and its errors in our words.
 *
 * libgit2's defaults suit an editor's plugin: it syncs nothing and reads the user's and the
 * system's configuration. A store that promises to survive a power cut, and to do the same
 * thing whoever starts it, needs the opposite.
 *
 * Owner validation is done by the project itself (store/project.c), which knows that root may
 * open what the owner of the home made; libgit2 would consult a safe.directory list that
 * nobody can read any more. Hashes of what is read are not verified each time, because
 * collision-detecting SHA-1 costs more than inflating does; fsck verifies them all. libgit2's cache of
 * objects is off: whoever reads here keeps what he needs, and a walk over a million trees took 34 s
 * with it and 11 s without.
 */
#include "store/git.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

enum {
	GIT_MAJOR_MIN = 1,
	GIT_MINOR_MIN = 5,
	PACKS_OPEN_MAX = 256,   /* descriptors of packs, over all projects */
	CACHE_BYTES = 64 << 20, /* parsed objects, over all projects */
};

static int no_foreign_config(void)
{
	static const git_config_level_t levels[] = {
		GIT_CONFIG_LEVEL_PROGRAMDATA,
		GIT_CONFIG_LEVEL_SYSTEM,
		GIT_CONFIG_LEVEL_XDG,
		GIT_CONFIG_LEVEL_GLOBAL,
	};
	int r = 0;

	for (size_t i = 0; !r && i < sizeof(levels) / sizeof(*levels); i++)
		r = git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, levels[i], "");
	return r;
}

static int set_options(void)
{
	int r = no_foreign_config();

	if (!r)
		r = git_libgit2_opts(GIT_OPT_ENABLE_FSYNC_GITDIR, 1);
	if (!r)
		r = git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 0);
	if (!r)
		r = git_libgit2_opts(GIT_OPT_ENABLE_STRICT_HASH_VERIFICATION, 0);
	if (!r)
		r = git_libgit2_opts(GIT_OPT_SET_MWINDOW_FILE_LIMIT, (size_t)PACKS_OPEN_MAX);
	if (!r)
		r = git_libgit2_opts(GIT_OPT_ENABLE_CACHING, 0);
	return r < 0 ? fail_git(r, "set up libgit2") : 0;
}

int git_start(void)
{
	int major, minor, patch, r = git_libgit2_init();

	if (r < 0)
		return fail(-EIO, "start libgit2");
	git_libgit2_version(&major, &minor, &patch);
	if (major < GIT_MAJOR_MIN || (major == GIT_MAJOR_MIN && minor < GIT_MINOR_MIN)) {
		git_libgit2_shutdown();
		return fail(-ENOSYS, "libgit2 %d.%d.%d is too old, %d.%d is needed", major,
			    minor, patch, GIT_MAJOR_MIN, GIT_MINOR_MIN);
	}
	/* Options are global and not locked: only the first start may touch them. */
	r = r == 1 ? set_options() : 0;
	if (r)
		git_libgit2_shutdown();
	return r;
}

void git_stop(void)
{
	git_libgit2_shutdown();
}

/* What the kernel said last is only believed for errors that libgit2 says came from it, and
 * only where it tells a user what to do. */
static int errno_of_os(int saved)
{
	switch (saved) {
	case ENOSPC:
	case EDQUOT:
	case EROFS:
	case EACCES:
	case EPERM:
	case EMFILE:
	case ENFILE:
	case EFBIG:
		return -saved;
	default:
		return -EIO;
	}
}

static int errno_of(int code, int klass, int saved)
{
	switch (code) {
	case GIT_ENOTFOUND:
		return -ENOENT;
	case GIT_EEXISTS:
		return -EEXIST;
	case GIT_ELOCKED:
		return -EBUSY;
	case GIT_EMODIFIED:
		return -EAGAIN;
	case GIT_EAMBIGUOUS:
	case GIT_EINVALIDSPEC:
	case GIT_EINVALID:
		return -EINVAL;
	case GIT_EOWNER:
		return -EPERM;
	default:
		break;
	}
	if (klass == GIT_ERROR_NOMEMORY)
		return -ENOMEM;
	return klass == GIT_ERROR_OS ? errno_of_os(saved) : -EIO;
}

int fail_git_at(const char *file, int line, int code, const char *fmt, ...)
{
	int saved = errno;
	const git_error *e = git_error_last();
	char msg[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	return fail_words_at(file, line, errno_of(code, e ? e->klass : 0, saved),
			     e && e->message ? e->message : "libgit2 gives no reason", "%s",
			     msg);
}
