/* The rules of gitignore(5), as git applies them, over texts that somebody hands us.
 *
 * A directory that was asked about becomes a node: the rules of its own .gitignore, and whether it is itself below
 * something ignored. Rules are tried from the deepest directory up and in each file from the last line up, info/exclude
 * last; the first that fits decides. Nothing below an ignored directory can be taken back in, and its .gitignore is not
 * even read, as git does it.
 *
 * One walk through a pattern and a name, with one place to return to for the last star and one for the last double star,
 * matches: a star never reaches over a slash, so earlier ones need not be tried again. Time is the
 * product of both lengths at most, whatever a stranger writes.
 */
#include "base/gitignore.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/gitignore_glob.h"

enum { RULES_MAX = 1 << 16, DIRS_START = 64 };

struct rule {
	const char *pattern; /* in the directory's text; ends with a NUL */
	size_t len, literal; /* bytes before the first special one */
	bool negated, only_dirs, any_depth, suffix;
};

struct dir {
	char *path; /* "" of the root, else without the last slash */
	size_t path_len;
	char *text;
	struct rule *rules;
	size_t n_rules, rules_cap;
	struct dir *parent, *next; /* next: chain of the table */
	bool ignored;
};

struct gitignore {
	gitignore_read_fn read;
	void *arg;
	struct dir exclude, root;
	struct dir **table;
	size_t n_dirs, n_buckets;
	struct dir *last; /* walks ask about neighbours */
};

/* Blanks at the end count only when a backslash stands before them. */
static void cut_blanks(char *line)
{
	char *blank = NULL;

	for (char *p = line; *p; p++) {
		if (*p == ' ') {
			blank = blank ? blank : p;
			continue;
		}
		if (*p == '\\' && !*++p)
			return;
		blank = NULL;
	}
	if (blank)
		*blank = '\0';
}

static void add_rule(struct dir *d, char *line)
{
	struct rule r = {0};

	cut_blanks(line);
	r.negated = *line == '!';
	line += r.negated;
	r.len = strlen(line);
	if (r.len && line[r.len - 1] == '/') {
		r.only_dirs = true;
		line[--r.len] = '\0';
	}
	r.any_depth = !strchr(line, '/');
	if (*line == '/') {
		line++;
		r.len--;
	}
	if (!r.len || d->n_rules >= RULES_MAX)
		return;
	r.pattern = line;
	r.literal = glob_literal(line);
	r.suffix = *line == '*' && glob_literal(line + 1) == r.len - 1;
	alloc_grow(&d->rules, &d->rules_cap, d->n_rules + 1, sizeof(*d->rules));
	d->rules[d->n_rules++] = r;
}

/* Takes `text`, which is NUL-terminated. */
static void read_rules(struct dir *d, char *text, size_t len)
{
	char *line = text, *end = text + len;

	d->text = text;
	if (len >= 3 && !memcmp(line, "\xef\xbb\xbf", 3))
		line += 3;
	while (line < end) {
		char *nl = memchr(line, '\n', (size_t)(end - line));
		char *next = nl ? nl + 1 : end;

		nl = nl ? nl : end;
		*nl = '\0';
		if (nl > line && nl[-1] == '\r')
			nl[-1] = '\0';
		if (*line && *line != '#')
			add_rule(d, line);
		line = next;
	}
}

static bool rule_fits(const struct rule *r, const char *name, const char *base)
{
	size_t len = strlen(name);

	if (r->any_depth) {
		name = base;
		len = strlen(base);
		if (r->suffix)
			return len >= r->len - 1 &&
			       !memcmp(name + len - (r->len - 1), r->pattern + 1, r->len - 1);
	}
	if (r->literal > len || memcmp(name, r->pattern, r->literal) != 0)
		return false;
	if (r->literal == r->len)
		return len == r->len;
	return glob_match(r->pattern + r->literal, name + r->literal);
}

/* The last rule of `d` that says anything about the path. */
static const struct rule *rule_of(const struct dir *d, const char *path, bool is_dir)
{
	const char *name = path + d->path_len + (d->path_len != 0);
	const char *slash = strrchr(name, '/');

	for (size_t i = d->n_rules; i--;) {
		const struct rule *r = &d->rules[i];

		if ((is_dir || !r->only_dirs) && rule_fits(r, name, slash ? slash + 1 : name))
			return r;
	}
	return NULL;
}

/* What the rules of `d` and all above it say. */
static bool is_ignored(const struct gitignore *ig, const struct dir *d, const char *path,
		       bool is_dir)
{
	const struct rule *r = NULL;

	for (; d && !r; d = d->parent)
		r = rule_of(d, path, is_dir);
	if (!r)
		r = rule_of(&ig->exclude, path, is_dir);
	return r && !r->negated;
}

static uint64_t hash_of(const char *s, size_t len)
{
	uint64_t h = 14695981039346656037ULL;

	while (len--)
		h = (h ^ (unsigned char)*s++) * 1099511628211ULL;
	return h ^ h >> 29;
}

static void grow(struct gitignore *ig)
{
	size_t n = ig->n_buckets * 2;
	struct dir **table = alloc_array(n, sizeof(struct dir *));

	for (size_t i = 0; i < ig->n_buckets; i++) {
		struct dir *d;

		while ((d = ig->table[i])) {
			size_t b = hash_of(d->path, d->path_len) & (n - 1);

			ig->table[i] = d->next;
			d->next = table[b];
			table[b] = d;
		}
	}
	free(ig->table);
	ig->table = table;
	ig->n_buckets = n;
}

static struct dir *find(struct gitignore *ig, const char *path, size_t len)
{
	struct dir *d = ig->last;

	if (!len)
		return &ig->root;
	if (d && d->path_len == len && !memcmp(d->path, path, len))
		return d;
	d = ig->table[hash_of(path, len) & (ig->n_buckets - 1)];
	while (d && (d->path_len != len || memcmp(d->path, path, len) != 0))
		d = d->next;
	return d;
}

static struct dir *add(struct gitignore *ig, struct dir *parent, const char *path, size_t len)
{
	struct dir *d = alloc_zero(sizeof(*d));
	size_t n = 0, b;

	d->path = alloc_copy(path, len);
	d->path_len = len;
	d->parent = parent;
	d->ignored = parent->ignored || is_ignored(ig, parent, d->path, true);
	if (!d->ignored) {
		char *text = ig->read(d->path, &n, ig->arg);

		if (text)
			read_rules(d, text, n);
	}
	if (ig->n_dirs++ >= ig->n_buckets)
		grow(ig);
	b = hash_of(path, len) & (ig->n_buckets - 1);
	d->next = ig->table[b];
	ig->table[b] = d;
	return d;
}

/* The node of the directory that the first `len` bytes name, made with all above it. */
static struct dir *dir_of(struct gitignore *ig, const char *path, size_t len)
{
	struct dir *d = find(ig, path, len);

	if (d)
		return d;
	d = &ig->root;
	for (size_t i = 0; i <= len; i++) {
		struct dir *below;

		if (i < len && path[i] != '/')
			continue;
		below = find(ig, path, i);
		d = below ? below : add(ig, d, path, i);
	}
	return d;
}

struct gitignore *gitignore_new(const char *exclude, size_t exclude_len, gitignore_read_fn read,
				void *arg)
{
	struct gitignore *ig = alloc_zero(sizeof(*ig));
	char *text;
	size_t len = 0;

	ig->read = read;
	ig->arg = arg;
	ig->n_buckets = DIRS_START;
	ig->table = alloc_array(ig->n_buckets, sizeof(struct dir *));
	ig->root.path = ig->exclude.path = alloc_str("");
	if (exclude)
		read_rules(&ig->exclude, alloc_copy(exclude, exclude_len), exclude_len);
	text = read("", &len, arg);
	if (text)
		read_rules(&ig->root, text, len);
	return ig;
}

static void dir_deinit(const struct dir *d)
{
	free(d->rules);
	free(d->text);
}

void gitignore_free(struct gitignore *ig)
{
	if (!ig)
		return;
	for (size_t i = 0; i < ig->n_buckets; i++) {
		struct dir *d;

		while ((d = ig->table[i])) {
			ig->table[i] = d->next;
			dir_deinit(d);
			free(d->path);
			free(d);
		}
	}
	dir_deinit(&ig->root);
	dir_deinit(&ig->exclude);
	free(ig->root.path);
	free(ig->table);
	free(ig);
}

bool gitignore_match(struct gitignore *ig, const char *path, bool is_dir)
{
	const char *slash = strrchr(path, '/');
	struct dir *d = dir_of(ig, path, slash ? (size_t)(slash - path) : 0);

	if (d != &ig->root)
		ig->last = d;
	return d->ignored || is_ignored(ig, d, path, is_dir);
}
