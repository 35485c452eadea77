/* provider/e2b_start.c - the words of a command on their way into JSON.
 *
 * Commands go behind one line of sh. It enters the project's directory where there is one and none was asked for, and gives the
 * command a process group of its own with setsid(1), which then becomes the command: same process, same exit status. A
 * command that leads a group already must not, since setsid would fork; a system without setsid goes without, and
 * signals reach the command alone there.
 */
#include "provider/e2b_start.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/utf8.h"
#include "provider/connect_frame.h"
#include "provider/e2b_upload.h"
#include "provider/json_reply.h"
#include "provider/provider.h"

enum { ARGUMENT_MAX = 131071 };

static const char wrapper[] =
	"case $1 in /*) cd \"$1\";; ?*) cd \"$HOME/$1\";; esac 2>/dev/null; shift; "
	"read -r a b c d g e </proc/$$/stat; "
	"[ \"$g\" = $$ ] || ! command -v setsid >/dev/null 2>&1 || exec setsid \"$@\"; "
	"exec \"$@\"";

static const char *judge_word(const char *word)
{
	size_t len = strlen(word);

	if (len > ARGUMENT_MAX)
		return "an argument is longer than 128 KiB";
	return utf8_valid(word, len) ? NULL : "an argument is not UTF-8";
}

const char *e2b_start_judge(const struct provider_exec *x)
{
	const char *why = NULL;

	if (!x->argv)
		return x->shell ? judge_word(x->shell) : "there is no command";
	if (!x->argv[0] || !x->argv[0][0])
		return "there is no command";
	for (size_t i = 0; x->argv[i] && !why; i++)
		why = judge_word(x->argv[i]);
	for (size_t i = 0; x->env && x->env[i] && !why; i++)
		why = judge_word(x->env[i]);
	return why;
}

static void put_args(struct json_out *o, const struct provider_exec *x, const char *dir)
{
	static const char *const shell[] = {"/bin/sh", "-c"};

	json_key_out(o, "args");
	json_begin(o, '[');
	json_put_str(o, "-c");
	json_put_str(o, wrapper);
	json_put_str(o, "sh");
	json_put_str(o, x->cwd ? "" : dir);
	for (size_t i = 0; !x->argv && i < 2; i++)
		json_put_str(o, shell[i]);
	if (!x->argv)
		json_put_str(o, x->shell);
	for (size_t i = 0; x->argv && x->argv[i]; i++)
		json_put_str(o, x->argv[i]);
	json_end(o, ']');
}

static void put_env(struct json_out *o, const char *const *env)
{
	json_key_out(o, "envs");
	json_begin(o, '{');
	for (; env && *env; env++) {
		const char *eq = strchr(*env, '=');
		char name[256];

		if (!eq || (size_t)(eq - *env) >= sizeof(name))
			continue;
		(void)snprintf(name, sizeof(name), "%.*s", (int)(eq - *env), *env);
		json_str_field(o, name, eq + 1);
	}
	json_end(o, '}');
}

static int put_frame(struct buf *b, struct json_out *o, struct buf *text)
{
	int r = json_out_end(o);

	return r ? r : connect_frame_put(b, text->data, text->len, false);
}

int e2b_start_put(struct buf *b, const struct provider_exec *x, const char *dir,
		  const char *tag)
{
	CLEANUP(buf_deinit) struct buf text = {0};
	struct json_out o;

	buf_init(&text, E2B_START_MAX);
	json_out_buf(&o, &text);
	json_begin(&o, '{');
	json_key_out(&o, "process");
	json_begin(&o, '{');
	json_str_field(&o, "cmd", "/bin/sh");
	put_args(&o, x, dir);
	put_env(&o, x->env);
	if (x->cwd)
		json_str_field(&o, "cwd", x->cwd);
	json_end(&o, '}');
	if (tag[0])
		json_str_field(&o, "tag", tag);
	/* absent would mean true */
	json_bool_field(&o, "stdin", x->in_len > 0 || x->fed);
	json_end(&o, '}');
	return put_frame(b, &o, &text);
}

int e2b_start_kill(struct buf *b, int64_t pid, int number)
{
	CLEANUP(buf_deinit) struct buf text = {0};
	int r;

	buf_init(&text, 1024);
	r = buf_fmt(&text,
		    "{\"process\":{\"cmd\":\"/bin/sh\",\"args\":[\"-c\","
		    "\"kill -%d -- -%lld 2>/dev/null || kill -%d %lld\"]},\"stdin\":false}",
		    number, (long long)pid, number, (long long)pid);
	return r ? r : connect_frame_put(b, text.data, text.len, false);
}

int e2b_start_connect(struct buf *b, int64_t pid)
{
	char text[64];
	int n = snprintf(text, sizeof(text), "{\"process\":{\"pid\":%lld}}", (long long)pid);

	return connect_frame_put(b, text, (size_t)n, false);
}

void e2b_start_tag(char *ret, size_t size)
{
	char random[E2B_BOUNDARY_LEN + 1];

	e2b_boundary(random);
	(void)snprintf(ret, size, "%s", random);
}

bool e2b_start_read_ref(const char *ref, int64_t *pid, char tag[E2B_TAG_LEN + 1])
{
	size_t n = strspn(ref, "0123456789");

	if (n == 0 || n > 10 || ref[n] != '.' || strlen(ref + n + 1) != E2B_TAG_LEN)
		return false;
	*pid = (int64_t)strtoull(ref, NULL, 10);
	memcpy(tag, ref + n + 1, E2B_TAG_LEN + 1);
	return true;
}

bool e2b_start_is_other(const char *text, size_t len, int64_t pid, const char *tag)
{
	struct json_reply j;
	const struct json *list;
	bool other = false;

	json_reply_open(&j, text, len);
	list = json_reply_list(&j, j.root, "processes");
	for (const struct json *v = list ? json_first(list) : NULL; v; v = json_next(v)) {
		if (json_reply_int(&j, v, "pid", 0) == pid)
			other |= strcmp(json_reply_str(&j, v, "tag", ""), tag) != 0;
	}
	json_reply_close(&j);
	return other;
}
