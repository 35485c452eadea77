/* The strict parser of raw tree objects.
 *
 * A tree is a run of "<octal mode> <name>\0<20 bytes>". Bytes that do not have this shape are
 * TREE_CORRUPT; whatever does have it is an entry, and each gets a verdict instead of an
 * exception, so that one bad name does not hide its neighbours.
 *
 * Order: git compares names as bytes, a tree's as if it ended in '/'. An entry that does not come after
 * the greatest one so far is refused, hence those that pass ascend strictly. A file "a" and a tree "a" are
 * not neighbours in that order ("a", "a.c", "a/"), so names that may still meet a tree of their own name
 * wait on a short chain: only a name of which all later ones so far are prolongations can.
 *
 * Leading zeros of a mode are let pass: they are a known habit of old tools, harmless, and in the history of
 * well-known repositories; so is 100664, which is read as 100644. Any other mode is judged as it stands.
 *
 * One pass, no allocation; a name past 255 bytes never leaves the parser.
 */
#include "store/tree_private.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

enum {
	MODE_DIGITS_MAX = 11, /* zero-padded or not, more is no mode */
	MODE_OLD_GROUP = 0100664,
	CHAIN_MAX =
		256, /* each name on the chain is a proper prefix of the next, of ≤ 255 bytes */
};

struct name {
	const char *s;
	size_t len;
};

struct order {
	struct name last; /* the greatest entry so far */
	bool last_is_tree, any;
	struct name chain[CHAIN_MAX]; /* files that may still clash with a tree */
	size_t n_chain;
};

static bool name_eq(const struct name *a, const struct name *b)
{
	return a->len == b->len && memcmp(a->s, b->s, a->len) == 0;
}

static unsigned char after(const char *s, size_t len, size_t at, bool is_tree)
{
	if (at < len)
		return (unsigned char)s[at];
	return is_tree && at == len ? '/' : '\0';
}

int tree_name_order(const char *a, size_t a_len, bool a_tree, const char *b, size_t b_len,
		    bool b_tree)
{
	size_t n = a_len < b_len ? a_len : b_len;
	int c = memcmp(a, b, n);

	if (!c)
		c = after(a, a_len, n, a_tree) - after(b, b_len, n, b_tree);
	/* A slash in a name is no tree's end. */
	return c ? c : (a_len > b_len) - (a_len < b_len);
}

static bool is_prefix(const struct name *a, const struct name *of)
{
	return a->len <= of->len && memcmp(a->s, of->s, a->len) == 0;
}

static enum judge_verdict judge_order(struct order *o, const struct name *n, bool is_tree)
{
	bool clash;

	if (o->any && name_eq(n, &o->last))
		return JUDGE_DUPLICATE;
	if (o->any && tree_name_order(n->s, n->len, is_tree, o->last.s, o->last.len,
				      o->last_is_tree) <= 0)
		return JUDGE_UNSORTED;
	while (o->n_chain && !is_prefix(&o->chain[o->n_chain - 1], n))
		o->n_chain--;
	clash = is_tree && o->n_chain && name_eq(&o->chain[o->n_chain - 1], n);
	if (!is_tree && o->n_chain < CHAIN_MAX)
		o->chain[o->n_chain++] = *n;
	o->last = *n;
	o->last_is_tree = is_tree;
	o->any = true;
	return clash ? JUDGE_DUPLICATE : JUDGE_FINE;
}

/* Reads the octal digits before the space; false when they are no mode. */
static bool take_mode(const char **p, const char *end, uint32_t *ret)
{
	uint64_t mode = 0;
	const char *s = *p;

	while (s < end && *s >= '0' && *s <= '7' && s - *p < MODE_DIGITS_MAX)
		mode = mode << 3 | (uint64_t)(*s++ - '0');
	if (s == *p || s == end || *s != ' ' || mode > UINT32_MAX)
		return false;
	*p = s + 1;
	*ret = mode == MODE_OLD_GROUP ? MODE_FILE : (uint32_t)mode;
	return true;
}

static bool can_be_shown(enum judge_verdict v)
{
	switch (v) {
	case JUDGE_EMPTY:
	case JUDGE_TOO_LONG:
	case JUDGE_DOTS:
	case JUDGE_SLASH:
	case JUDGE_NUL:
		return false;
	case JUDGE_FINE:
	case JUDGE_DOTGIT:
	case JUDGE_BAD_MODE:
	case JUDGE_UNSORTED:
	case JUDGE_DUPLICATE:
		return true;
	}
	return false;
}

int tree_parse(const void *data, size_t len, tree_entry_fn fn, void *arg)
{
	const char *p = data, *end = p + len;
	struct order order;
	char shown[32];
	size_t at = 0;

	order.any = false;
	order.n_chain = 0;
	for (; p < end; at++) {
		struct tree_entry e = {.size = 0};
		enum judge_verdict placed;
		struct name n;
		const char *nul;
		int r;

		if (!take_mode(&p, end, &e.mode))
			return TREE_CORRUPT;
		nul = memchr(p, '\0', (size_t)(end - p));
		if (!nul || end - nul <= OID_LEN)
			return TREE_CORRUPT;
		n = (struct name){p, (size_t)(nul - p)};
		memcpy(e.oid.id, nul + 1, OID_LEN);
		p = nul + 1 + OID_LEN;
		e.verdict = judge_entry(n.s, n.len, e.mode);
		placed = judge_order(&order, &n, tree_mode_is_tree(e.mode));
		if (!e.verdict)
			e.verdict = placed;
		if (!can_be_shown(e.verdict)) {
			n.len = (size_t)snprintf(shown, sizeof(shown), "refused-%zu", at);
			n.s = shown;
		}
		e.name = n.s;
		e.name_len = (uint16_t)n.len;
		r = fn(&e, arg);
		if (r)
			return r;
	}
	return 0;
}
