/* Writing a tag object: four header lines and a message, as git's mktag takes them.
 *
 * The name cannot hold a newline, because the ref of that name is checked by git's rules before anybody makes a tag;
 * it is checked again here, since a header that is broken once is in history for good.
 */
#include "store/tag.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "store/pack.h"

enum { TAG_SIZE_MAX = 1 << 20 };

static int compose(const struct tag_spec *spec, struct buf *b)
{
	char hex[OID_HEX_LEN + 1];
	size_t len = strlen(spec->message);
	int r = buf_fmt(b, "object %s\ntype commit\ntag %s\n", oid_hex(&spec->target, hex),
			spec->name);

	if (!r)
		r = commit_add_who(b, "tagger", &spec->tagger);
	if (!r)
		r = buf_fmt(b, "\n%s%s", spec->message,
			    len && spec->message[len - 1] == '\n' ? "" : "\n");
	return r;
}

int tag_write(struct project *p, const struct tag_spec *spec, struct oid *ret)
{
	CLEANUP(buf_deinit) struct buf b;
	struct pack *k = NULL;
	struct oid id;
	int r;

	buf_init(&b, TAG_SIZE_MAX);
	if (!*spec->name || strpbrk(spec->name, "\n\r"))
		return fail(-EINVAL, "write tag '%s'", spec->name);
	r = compose(spec, &b);
	if (r)
		return fail(r, "write tag '%s'", spec->name);
	r = pack_begin(p, &k);
	if (r)
		return r;
	r = pack_add(k, GIT_OBJECT_TAG, b.data, b.len, &id);
	if (r) {
		pack_abort(k);
		return r;
	}
	r = pack_finish(k);
	if (!r)
		*ret = id;
	return r;
}
