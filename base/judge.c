/* What a name in a tree may be.
 *
 * Linux would take almost any bytes as a name; the danger is in the few that mean something to whoever
 * reads them next: "." and "..", and ".git", whose hooks and config run programs. HFS+ drops
 * certain code points and folds case before it compares, NTFS drops trailing dots and spaces,
 * reads what follows a colon as a stream, knows ".git" as "git~1", and takes a backslash for a
 * slash. A fragment is mirrored to machines we do not choose, so all of these spellings are
 * refused everywhere, which is what git's own fsck refuses.
 *
 * A backslash is an ordinary byte here and in git: "a\b" is one file. It is refused only
 * where a piece after it spells .git, since that is the one case in which NTFS would write below
 * a repository's own folder.
 *
 * A name must pass on every machine, so the verdict never depends on where it is asked. No
 * allocation, no locale, only string.h: the program inside a sandbox links it as it is.
 */
#include "base/judge.h"

#include <stdbool.h>
#include <string.h>

enum { NAME_LIMIT = 255, PATH_LIMIT = 4095, DEPTH_LIMIT = 128 };

/* Length of the code point at `s` that HFS+ ignores, or 0. They are U+200C–200F,
 * U+202A–202E, U+206A–206F and U+FEFF. */
static size_t hfs_ignored(const unsigned char *s, size_t len)
{
	if (len < 3)
		return 0;
	if (s[0] == 0xef)
		return s[1] == 0xbb && s[2] == 0xbf ? 3 : 0;
	if (s[0] != 0xe2)
		return 0;
	if (s[1] == 0x80)
		return (s[2] >= 0x8c && s[2] <= 0x8f) || (s[2] >= 0xaa && s[2] <= 0xae) ? 3 : 0;
	return s[1] == 0x81 && s[2] >= 0xaa && s[2] <= 0xaf ? 3 : 0;
}

static unsigned char lower(unsigned char c)
{
	return c >= 'A' && c <= 'Z' ? (unsigned char)(c + ('a' - 'A')) : c;
}

static bool spells_dotgit_on_hfs(const unsigned char *s, size_t len)
{
	static const char want[] = ".git";
	size_t at = 0, n;

	while (len) {
		n = hfs_ignored(s, len);
		if (!n) {
			if (at == sizeof(want) - 1 || lower(*s) != (unsigned char)want[at])
				return false;
			at++;
			n = 1;
		}
		s += n;
		len -= n;
	}
	return at == sizeof(want) - 1;
}

static bool starts_with_folded(const unsigned char *s, size_t len, const char *want, size_t n)
{
	if (len < n)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (lower(s[i]) != (unsigned char)want[i])
			return false;
	}
	return true;
}

/* One piece between backslashes. */
static bool spells_dotgit_on_ntfs(const unsigned char *s, size_t len)
{
	size_t i;

	if (starts_with_folded(s, len, ".git", 4))
		i = 4;
	else if (starts_with_folded(s, len, "git~1", 5))
		i = 5;
	else
		return false;
	while (i < len && (s[i] == '.' || s[i] == ' '))
		i++;
	return i == len || s[i] == ':' || s[i] == '\\';
}

static bool spells_dotgit(const unsigned char *s, size_t len)
{
	const unsigned char *piece = s, *end = s + len;

	if (spells_dotgit_on_hfs(s, len))
		return true;
	while (piece) {
		if (spells_dotgit_on_ntfs(piece, (size_t)(end - piece)))
			return true;
		piece = memchr(piece, '\\', (size_t)(end - piece));
		if (piece)
			piece++;
	}
	return false;
}

enum judge_verdict judge_name(const char *name, size_t len)
{
	if (!len)
		return JUDGE_EMPTY;
	if (len > NAME_LIMIT)
		return JUDGE_TOO_LONG;
	if (memchr(name, '/', len))
		return JUDGE_SLASH;
	if (memchr(name, '\0', len))
		return JUDGE_NUL;
	if (name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.')))
		return JUDGE_DOTS;
	if (spells_dotgit((const unsigned char *)name, len))
		return JUDGE_DOTGIT;
	return JUDGE_FINE;
}

enum judge_verdict judge_entry(const char *name, size_t len, uint32_t mode)
{
	enum judge_verdict v = judge_name(name, len);

	if (v)
		return v;
	switch (mode) {
	case MODE_TREE:
	case MODE_FILE:
	case MODE_EXEC:
	case MODE_LINK:
	case MODE_GITLINK:
		return JUDGE_FINE;
	default:
		return JUDGE_BAD_MODE;
	}
}

enum judge_verdict judge_path(const char *path, size_t len)
{
	const char *end = path + len;
	enum judge_verdict v;

	if (len > PATH_LIMIT)
		return JUDGE_TOO_LONG;
	for (int depth = 0; depth < DEPTH_LIMIT; depth++) {
		const char *slash = memchr(path, '/', (size_t)(end - path));

		v = judge_name(path, (size_t)((slash ? slash : end) - path));
		if (v || !slash)
			return v;
		path = slash + 1;
	}
	return JUDGE_TOO_LONG;
}

const char *judge_words(enum judge_verdict v)
{
	switch (v) {
	case JUDGE_FINE:
		return "it is fine";
	case JUDGE_EMPTY:
		return "it has no name";
	case JUDGE_TOO_LONG:
		return "its name is too long";
	case JUDGE_DOTS:
		return "its name is '.' or '..'";
	case JUDGE_SLASH:
		return "its name holds a slash";
	case JUDGE_NUL:
		return "its name holds a NUL byte";
	case JUDGE_DOTGIT:
		return "its name is a spelling of .git";
	case JUDGE_BAD_MODE:
		return "its mode is none that git uses";
	case JUDGE_UNSORTED:
		return "it is out of order in its tree";
	case JUDGE_DUPLICATE:
		return "its name stands twice in its tree";
	}
	return "its verdict is unknown";
}
