/* store/import_json_doc.h - one version of an app as a JSON document.
 *
 *	{"id", "title", "description"?, "files": {"<path>": "<content>"},
 *	 "createdAt"?, "parentId"?, "author"?}
 *
 * `createdAt` is an ISO 8601 text or seconds or milliseconds since 1970; `author` is "Name <mail>" or
 * {"name", "email"}; `id` may be a whole number. Other fields are passed over, null is absent.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct json;

enum import_json_doc_outcome {
	IMPORT_JSON_DOC_REFUSED = 1, /* `why` says what is wrong with it */
};

enum {
	IMPORT_JSON_DOC_MAX = 128 << 20, /* bytes of one document: it is held in memory */
	IMPORT_JSON_FILES_MAX = 200000,  /* files of one document */
	IMPORT_JSON_ID_MAX = 255,
	IMPORT_JSON_TEXT_MAX = 1 << 20, /* title and description */
	IMPORT_JSON_WHY_MAX = 512,
};

struct import_json_file {
	const char *path; /* judged; as git stores it */
	const char *data; /* may hold NULs */
	size_t len;
	bool owned; /* `data` is ours to free */
};

struct import_json_doc {
	struct json *root;
	char *id;
	char *title;                /* "" allowed */
	char *description;          /* NULL when absent */
	char *parent;               /* NULL when absent */
	char *who_name, *who_email; /* never empty, free of what git cannot store */
	bool has_time;
	int64_t time;
	int tz;
	struct import_json_file *files; /* by path, so that a directory is one run */
	size_t n_files;
};

/* Decodes and checks one document completely. 0, IMPORT_JSON_DOC_REFUSED, or -ENOMEM. */
int import_json_doc_parse(const char *text, size_t len, struct import_json_doc **ret,
			  char why[IMPORT_JSON_WHY_MAX]);
void import_json_doc_free(struct import_json_doc *d);

/* Appends the commit message: title, description, and the id as a trailer, which is how a later import
 * (or a rebuilt index) knows the document again. */
int import_json_doc_message(const struct import_json_doc *d, struct buf *b);

/* The id in the trailer of a commit message: its start and length within it, or NULL. */
const char *import_json_doc_id(const char *message, size_t *len);
