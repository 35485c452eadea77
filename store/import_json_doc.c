/* Decoding one JSON document into files, and refusing it whole when anything is wrong.
 *
 * Invariants of a decoded document: every path is one the judge lets through, no path stands twice
 * or is a directory to another, every content is text as it stood (NULs included), the
 * id fits on one line, the time is one that git can write. Refusing early and completely is
 * what makes "never half imported" cheap: a document that decoded can be written blindly.
 *
 * The id goes into the commit as its last line, `Fragment-Id: <id>`. Git is the truth: with
 * the mapping in the commit itself there is nothing beside it to lose, to rebuild or to disagree.
 */
#include "store/import_json_doc.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/judge.h"

#define TRAILER "Fragment-Id: "

static const int64_t latest = 253402300799; /* the last second of the year 9999 */

__attribute__((format(printf, 2, 3))) static int refuse(char *why, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(why, IMPORT_JSON_WHY_MAX, fmt, ap);
	va_end(ap);
	return IMPORT_JSON_DOC_REFUSED;
}

static bool is_control(char c)
{
	return (unsigned char)c < 0x20 || c == 0x7f;
}

/* A field as text; NULL when absent. Whole numbers are taken where `numbers`. */
static int text_field(const struct json *obj, const char *key, bool numbers, char **ret,
		      char *why)
{
	const struct json *v;
	double d;

	*ret = NULL;
	if (json_get(obj, key, &v) == JSON_ABSENT)
		return 0;
	if (json_str(v)) {
		*ret = alloc_str(json_str(v));
	} else if (numbers && json_number(v, &d) && d >= 0 && d <= 9007199254740992.0 &&
		   d == (double)(int64_t)d) {
		*ret = alloc_fmt("%" PRId64, (int64_t)d);
	} else {
		return refuse(why, "its field '%s' is not a %s", key,
			      numbers ? "string or whole number" : "string");
	}
	if (strlen(*ret) > IMPORT_JSON_TEXT_MAX)
		return refuse(why, "its field '%s' is longer than %d bytes", key,
			      IMPORT_JSON_TEXT_MAX);
	if (strstr(*ret, "\xc0\x80"))
		return refuse(why, "its field '%s' holds a NUL", key);
	return 0;
}

static int check_id(const char *key, const char *id, char *why)
{
	size_t len = strlen(id);

	if (!len)
		return refuse(why, "its field '%s' is empty", key);
	if (len > IMPORT_JSON_ID_MAX)
		return refuse(why, "its field '%s' is longer than %d bytes", key,
			      IMPORT_JSON_ID_MAX);
	if (id[0] == ' ' || id[len - 1] == ' ')
		return refuse(why, "its field '%s' begins or ends with a space", key);
	for (size_t i = 0; i < len; i++) {
		if (is_control(id[i]))
			return refuse(why, "its field '%s' holds a control character", key);
	}
	return 0;
}

static int check_keys(const struct json *root, char *why)
{
	static const char *const known[] = {"id",        "title",    "description", "files",
					    "createdAt", "parentId", "author"};
	bool seen[sizeof(known) / sizeof(*known)] = {false};

	for (const struct json *v = json_first(root); v; v = json_next(v)) {
		for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
			if (strcmp(json_key(v), known[i]) != 0)
				continue;
			if (seen[i])
				return refuse(why, "its field '%s' stands twice", known[i]);
			seen[i] = true;
		}
	}
	return 0;
}

/* Without what git cannot hold in a name or address, and trimmed. */
static char *clean(const char *s, size_t len, const char *otherwise)
{
	char *out = alloc_zero(len + 1);
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		if (!is_control(s[i]) && s[i] != '<' && s[i] != '>' && (n || s[i] != ' '))
			out[n++] = s[i];
	}
	while (n && out[n - 1] == ' ')
		n--;
	out[n] = '\0';
	if (n)
		return out;
	free(out);
	return alloc_str(otherwise);
}

static int read_author(struct import_json_doc *d, char *why)
{
	CLEANUP(free_p) char *name = NULL;
	CLEANUP(free_p) char *mail = NULL;
	const struct json *v = NULL;
	const char *lt;
	int r;

	if (json_get(d->root, "author", &v) == 0 && json_is_object(v)) {
		r = text_field(v, "name", false, &name, why);
		if (!r)
			r = text_field(v, "email", false, &mail, why);
	} else {
		r = text_field(d->root, "author", false, &name, why);
	}
	if (r)
		return r;
	lt = name && !mail ? strchr(name, '<') : NULL;
	if (lt)
		mail = alloc_str(lt + 1);
	d->who_name = clean(name ? name : "",
			    lt     ? (size_t)(lt - name)
			    : name ? strlen(name)
				   : 0,
			    mail && *mail ? mail : "unknown");
	d->who_email = clean(mail ? mail : "", mail ? strlen(mail) : 0, "unknown");
	return 0;
}

/* Seconds, milliseconds or microseconds: told apart by size, as no app is from before 1973 or
 * after 5138. */
static int epoch(struct import_json_doc *d, double v, char *why)
{
	if (v >= 1e14)
		v /= 1e6;
	else if (v >= 1e11)
		v /= 1e3;
	if (v < 0 || v > (double)latest)
		return refuse(why, "its createdAt is a time that git cannot record");
	d->time = (int64_t)v;
	d->has_time = true;
	return 0;
}

static int read_time(struct import_json_doc *d, char *why)
{
	const struct json *v;
	const char *s;
	double n;

	if (json_get(d->root, "createdAt", &v) == JSON_ABSENT)
		return 0;
	if (json_number(v, &n))
		return epoch(d, n, why);
	s = json_str(v);
	if (!s)
		return refuse(why, "its createdAt is neither a string nor a number");
	if (*s && strlen(s) < 18 && strspn(s, "0123456789") == strlen(s))
		return epoch(d, strtod(s, NULL), why);
	if (clock_parse(s, &d->time, &d->tz))
		return refuse(why, "its createdAt '%.60s' is not an ISO 8601 time", s);
	if (d->time < 0 || d->time > latest)
		return refuse(why, "its createdAt is a time that git cannot record");
	d->has_time = true;
	return 0;
}

/* Byte order with '/' before everything else, so that what lies in "a" directly follows "a". */
static int by_path(const void *pa, const void *pb)
{
	const char *a = ((const struct import_json_file *)pa)->path;
	const char *b = ((const struct import_json_file *)pb)->path;
	int x, y;

	while (*a && *a == *b) {
		a++;
		b++;
	}
	x = *a == '/' ? 1 : *a ? (unsigned char)*a + 2 : 0;
	y = *b == '/' ? 1 : *b ? (unsigned char)*b + 2 : 0;
	return x - y;
}

static int check_clashes(const struct import_json_doc *d, char *why)
{
	for (size_t i = 1; i < d->n_files; i++) {
		const char *a = d->files[i - 1].path, *b = d->files[i].path;
		size_t len = strlen(a);

		if (!strcmp(a, b))
			return refuse(why, "the path '%.200s' stands twice", a);
		if (!strncmp(a, b, len) && b[len] == '/')
			return refuse(why, "the path '%.200s' is a file and a directory", a);
	}
	return 0;
}

static int read_file(const struct json *v, struct import_json_file *f, struct buf *scratch,
		     char *why)
{
	const char *path = json_key(v), *data;
	enum judge_verdict verdict = judge_path(path, strlen(path));

	if (strstr(path, "\xc0\x80"))
		verdict = JUDGE_NUL;
	if (*path == '/')
		return refuse(why, "the path '%.200s' is absolute", path);
	if (verdict != JUDGE_FINE)
		return refuse(why, "the path '%.200s' is refused: %s", path,
			      judge_words(verdict));
	if (!json_str(v))
		return refuse(why, "the content of '%.200s' is not a string", path);
	data = json_bytes(v, scratch, &f->len);
	if (!data)
		return -ENOMEM;
	f->path = path;
	f->owned = data == scratch->data;
	f->data = f->owned ? alloc_copy(data, f->len) : data;
	return 0;
}

static int read_files(struct import_json_doc *d, char *why)
{
	CLEANUP(buf_deinit) struct buf scratch;
	const struct json *files;
	size_t n;
	int r = 0;

	buf_init(&scratch, IMPORT_JSON_DOC_MAX);
	if (json_get(d->root, "files", &files) == JSON_ABSENT)
		return refuse(why, "its field 'files' is missing");
	if (!json_is_object(files))
		return refuse(why, "its field 'files' is not an object");
	n = json_count(files);
	if (n > IMPORT_JSON_FILES_MAX)
		return refuse(why, "it has more than %d files", IMPORT_JSON_FILES_MAX);
	d->files = alloc_array(n + 1, sizeof(*d->files));
	for (const struct json *v = json_first(files); !r && v; v = json_next(v))
		r = read_file(v, &d->files[d->n_files++], &scratch, why);
	if (r)
		return r;
	qsort(d->files, d->n_files, sizeof(*d->files), by_path);
	return check_clashes(d, why);
}

static int read_texts(struct import_json_doc *d, char *why)
{
	const struct json *v;
	int r = text_field(d->root, "id", true, &d->id, why);

	if (!r && !d->id)
		r = refuse(why, "its field 'id' is missing");
	if (!r)
		r = check_id("id", d->id, why);
	if (!r)
		r = text_field(d->root, "parentId", true, &d->parent, why);
	if (!r && d->parent && !*d->parent)
		free(TAKE(d->parent));
	if (!r && d->parent)
		r = check_id("parentId", d->parent, why);
	if (!r && json_get(d->root, "title", &v) == JSON_ABSENT)
		r = refuse(why, "its field 'title' is missing");
	if (!r)
		r = text_field(d->root, "title", false, &d->title, why);
	if (!r)
		r = text_field(d->root, "description", false, &d->description, why);
	return r;
}

static int decode(struct import_json_doc *d, char *why)
{
	int r = json_is_object(d->root) ? 0 : refuse(why, "it is not a JSON object");

	if (!r)
		r = check_keys(d->root, why);
	if (!r)
		r = read_texts(d, why);
	if (!r)
		r = read_time(d, why);
	if (!r)
		r = read_author(d, why);
	return r ? r : read_files(d, why);
}

DEFINE_CLEANUP(struct import_json_doc *, import_json_doc_free)

int import_json_doc_parse(const char *text, size_t len, struct import_json_doc **ret,
			  char why[IMPORT_JSON_WHY_MAX])
{
	CLEANUP(import_json_doc_freep) struct import_json_doc *d = alloc_zero(sizeof(*d));
	int r;

	why[0] = '\0';
	if (len > IMPORT_JSON_DOC_MAX)
		return refuse(why, "it is larger than %d MiB", IMPORT_JSON_DOC_MAX >> 20);
	r = json_parse_nul(text, len, &d->root, why, IMPORT_JSON_WHY_MAX);
	if (r)
		return r < 0 ? r : IMPORT_JSON_DOC_REFUSED;
	r = decode(d, why);
	if (r)
		return r;
	*ret = TAKE(d);
	return 0;
}

void import_json_doc_free(struct import_json_doc *d)
{
	if (!d)
		return;
	for (size_t i = 0; i < d->n_files; i++) {
		if (d->files[i].owned)
			free((void *)(uintptr_t)d->files[i].data);
	}
	free(d->files);
	free(d->id);
	free(d->title);
	free(d->description);
	free(d->parent);
	free(d->who_name);
	free(d->who_email);
	json_free(d->root);
	free(d);
}

/* One line of a title: everything that would break it becomes a space. */
static int add_line(struct buf *b, const char *s)
{
	int r = 0;

	for (; !r && *s; s++)
		r = buf_u8(b, is_control(*s) ? ' ' : (uint8_t)*s);
	return r;
}

int import_json_doc_message(const struct import_json_doc *d, struct buf *b)
{
	const char *title = d->title, *text = d->description ? d->description : "";
	size_t len;
	int r;

	title += strspn(title, " \t\r\n");
	text += strspn(text, "\r\n");
	len = strlen(text);
	while (len && strchr(" \t\r\n", text[len - 1]))
		len--;
	r = add_line(b, *title ? title : d->id);
	while (b->len && b->data[b->len - 1] == ' ')
		b->data[--b->len] = '\0';
	if (!r && len)
		r = buf_str(b, "\n\n");
	if (!r)
		r = buf_add(b, text, len);
	return r ? r : buf_fmt(b, "\n\n" TRAILER "%s\n", d->id);
}

const char *import_json_doc_id(const char *message, size_t *len)
{
	const char *end = message + strlen(message), *line;
	size_t n = strlen(TRAILER);

	while (end > message && (end[-1] == '\n' || end[-1] == '\r'))
		end--;
	line = end;
	while (line > message && line[-1] != '\n')
		line--;
	if ((size_t)(end - line) <= n || memcmp(line, TRAILER, n) != 0)
		return NULL;
	if ((size_t)(end - line) - n > IMPORT_JSON_ID_MAX)
		return NULL;
	*len = (size_t)(end - line) - n;
	return line + n;
}
