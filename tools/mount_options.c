/* Sorting mount options.
 *
 * fstab's fourth column mixes what is for mount(8), for the kernel and for the file system. mount(8) passes nearly all of
 * it to a helper, so the words that only concern it are dropped here. Set-id programs and device nodes out of a
 * repository are never honoured: asking for them is refused rather than ignored.
 */
#include "tools/mount_options.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"

enum { OPTIONS_MAX = 4096 };

static bool is_one_of(const char *word, size_t len, const char *const *list)
{
	for (; *list; list++) {
		size_t n = strlen(*list);
		bool prefix = (*list)[n - 1] == '*';

		if (prefix ? len >= n - 1 && !strncmp(word, *list, n - 1)
			   : len == n && !strncmp(word, *list, n))
			return true;
	}
	return false;
}

static int sort_one(const char *word, size_t len, struct mount_options *to, struct buf *pass,
		    struct buf *why)
{
	static const char *const for_mount[] = {
		"rw",     "defaults", "auto",  "noauto", "user",    "user=*",    "users",
		"nouser", "owner",    "group", "nofail", "_netdev", "comment=*", "x-*",
		"X-*",    "nosuid",   "nodev", "exec",   "async",   NULL};
	static const char *const refused[] = {"suid", "dev", "remount", "bind", "loop*", NULL};
	static const char *const other[] = {"allow_other", NULL};
	int r;

	if (!len || is_one_of(word, len, for_mount))
		return 0;
	if (is_one_of(word, len, other)) {
		to->allow_other = true;
		return 0;
	}
	if (is_one_of(word, len, refused))
		r = buf_fmt(why, "the mount option '%.*s' is not to be had here", (int)len,
			    word);
	else
		return buf_fmt(pass, "%s%.*s", pass->len ? "," : "", (int)len, word);
	return r ? r : MOUNT_OPTIONS_BAD;
}

int mount_options_sort(const char *given, struct mount_options *ret, struct buf *why)
{
	struct mount_options o = {0};
	struct buf pass;
	int r = 0;

	buf_init(&pass, OPTIONS_MAX);
	for (const char *at = given ? given : ""; !r && *at;) {
		size_t len = strcspn(at, ",");

		r = sort_one(at, len, &o, &pass, why);
		at += len + (at[len] == ',');
	}
	if (!r && pass.len)
		o.pass = buf_take(&pass);
	buf_deinit(&pass);
	if (!r)
		*ret = o;
	return r;
}

void mount_options_deinit(struct mount_options *o)
{
	free(o->pass);
	memset(o, 0, sizeof(*o));
}
