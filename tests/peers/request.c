/* tests/peers/request.c - the border with libmicrohttpd: reading a request, queueing its answer.
 *
 * Every answer carries its body's length or is chunked; libmicrohttpd keeps the connection open for the next
 * request. A second answer to one request is our bug and asserted.
 */
#include "tests/peers/request.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"

enum { STREAM_BLOCK = 128 << 10 };

void request_init(struct request *r)
{
	buf_init(&r->body, REQUEST_BODY_MAX);
}

const char *request_header(struct request *r, const char *name)
{
	return MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, name);
}

const char *request_query(struct request *r, const char *name)
{
	return MHD_lookup_connection_value(r->connection, MHD_GET_ARGUMENT_KIND, name);
}

int64_t request_query_int(struct request *r, const char *name, int64_t absent)
{
	const char *text = request_query(r, name);
	char *end;
	long long v;

	if (!text || !*text)
		return absent;
	errno = 0;
	v = strtoll(text, &end, 10);
	return *end || errno ? INT64_MIN : v;
}

const struct json *request_json(struct request *r)
{
	char why[128];

	if (r->json)
		return r->json;
	if (!r->body.len)
		(void)json_parse("{}", 2, &r->json, why, sizeof(why));
	else if (json_parse_nul(r->body.data, r->body.len, &r->json, why, sizeof(why)))
		return NULL;
	return json_is_object(r->json) ? r->json : NULL;
}

static void queue(struct request *r, const struct reply *how, struct MHD_Response *answer)
{
	assert(!r->replied);
	if (how->type)
		MHD_add_response_header(answer, MHD_HTTP_HEADER_CONTENT_TYPE, how->type);
	for (const char *const *h = how->headers; h && *h; h += 2)
		MHD_add_response_header(answer, h[0], h[1]);
	r->result = MHD_queue_response(r->connection, how->status, answer);
	MHD_destroy_response(answer);
	r->replied = true;
}

void reply_bytes(struct request *r, const struct reply *how, const void *data, size_t len)
{
	void *copy = alloc_copy(len ? data : "", len);

	queue(r, how, MHD_create_response_from_buffer(len, copy, MHD_RESPMEM_MUST_FREE));
}

void reply_empty(struct request *r, unsigned status)
{
	reply_bytes(r, &(struct reply){.status = status}, NULL, 0);
}

void reply_text(struct request *r, unsigned status, const char *text)
{
	reply_bytes(r, &(struct reply){.status = status, .type = "text/plain; charset=utf-8"},
		    text, strlen(text));
}

void reply_json(struct request *r, unsigned status, const struct buf *doc)
{
	reply_bytes(
		r, &(struct reply){.status = status, .type = "application/json; charset=utf-8"},
		doc->data, doc->len);
}

void reply_stream(struct request *r, const struct reply *how, const struct reply_source *from)
{
	uint64_t len = from->len < 0 ? MHD_SIZE_UNKNOWN : (uint64_t)from->len;

	queue(r, how,
	      MHD_create_response_from_callback(len, STREAM_BLOCK, from->read, from->arg,
						from->free));
}

struct upgrade {
	reply_upgrade_fn talk;
	void *arg;
};

static void upgraded(void *cls, struct MHD_Connection *connection, void *con_cls,
		     const char *extra, size_t extra_len, MHD_socket sock,
		     struct MHD_UpgradeResponseHandle *handle)
{
	struct upgrade *u = cls;

	u->talk(u->arg, sock, extra, extra_len);
	free(u);
	(void)MHD_upgrade_action(handle, MHD_UPGRADE_ACTION_CLOSE);
}

void reply_upgrade(struct request *r, const struct reply *how, reply_upgrade_fn talk, void *arg)
{
	struct upgrade *u = alloc_zero(sizeof(*u));

	*u = (struct upgrade){.talk = talk, .arg = arg};
	queue(r, how, MHD_create_response_for_upgrade(upgraded, u));
}

int request_socket(struct request *r)
{
	return MHD_get_connection_info(r->connection, MHD_CONNECTION_INFO_CONNECTION_FD)
		->connect_fd;
}

void request_deinit(struct request *r)
{
	if (r->own_free)
		r->own_free(r->own);
	json_free(r->json);
	buf_deinit(&r->body);
	free(r->target);
}
