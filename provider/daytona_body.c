/* provider/daytona_body.c - writers of requests.
 *
 * Sizes are whole cores and GiB, rounded up: who asks for half gets one. Lifetimes are whole minutes, rounded up. A
 * snapshot has its sizes in it and the server refuses others, so asking for both is refused here, with
 * words, instead of giving less than was asked for.
 */
#include "provider/daytona_body.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/json.h"
#include "provider/daytona_job.h"
#include "provider/provider.h"

#define IMAGE_PREFIX "image:"

enum { DELETE_MINUTES = 7 * 24 * 60 }; /* so long after a stop, what we lost sight of goes */

static int64_t round_up(uint64_t n, uint64_t unit)
{
	return (int64_t)(n / unit + (n % unit != 0));
}

/* A reference as it may stand in a Dockerfile's FROM: one word. */
static bool image_good(const char *ref)
{
	for (const char *p = ref; *p; p++) {
		if (!isalnum((unsigned char)*p) && !strchr("._-/:@", *p))
			return false;
	}
	return ref[0] && ref[0] != '-' && strlen(ref) < 512;
}

static int refuse(char *why, int outcome, const char *words)
{
	(void)snprintf(why, PROVIDER_WHY_MAX, "%s", words);
	return outcome;
}

static bool label_good(const char *pair)
{
	return strchr(pair, '=') > pair && strncmp(pair, "fragfs", 6) != 0;
}

static int judge(const struct provider_spec *spec, char *why)
{
	bool image =
		spec->image && strncmp(spec->image, IMAGE_PREFIX, strlen(IMAGE_PREFIX)) == 0;

	if (image && !image_good(spec->image + strlen(IMAGE_PREFIX)))
		return refuse(why, PROVIDER_REFUSED, "that is no name of an image");
	if (!image && (spec->cpu_percent || spec->memory_bytes || spec->disk_bytes))
		return refuse(
			why, PROVIDER_REFUSED,
			"a snapshot has its own sizes; only image:<name> can be given others");
	if (spec->max_processes)
		return refuse(why, PROVIDER_REFUSED, "Daytona does not bound processes");
	for (const char *const *l = spec->labels; l && *l; l++) {
		if (!label_good(*l))
			return refuse(why, PROVIDER_REFUSED, "a label must be KEY=VALUE");
	}
	for (const char *const *e = spec->env; e && *e; e++) {
		if (!daytona_job_env_good(*e))
			return refuse(
				why, PROVIDER_REFUSED,
				"a name in the environment must be letters, digits and _");
	}
	return 0;
}

/* "K=V"s as the fields of an object. */
static void put_pairs(struct json_out *o, const char *const *pairs)
{
	for (; pairs && *pairs; pairs++) {
		const char *eq = strchr(*pairs, '=');
		CLEANUP(free_p) char *name = alloc_copy(*pairs, (size_t)(eq - *pairs));

		json_str_field(o, name, eq + 1);
	}
}

static void put_labels(struct json_out *o, const struct provider_spec *spec,
		       const struct daytona_create *c)
{
	json_key_out(o, "labels");
	json_begin(o, '{');
	json_str_field(o, "fragfs", "1");
	json_str_field(o, "fragfs.call", c->nonce);
	if (spec->label)
		json_str_field(o, "fragfs.label", spec->label);
	put_pairs(o, spec->labels);
	json_end(o, '}');
}

static void put_source(struct json_out *o, const struct provider_spec *spec,
		       const struct daytona_create *c)
{
	const char *name = spec->image ? spec->image : c->snapshot;
	CLEANUP(free_p) char *dockerfile = NULL;

	if (!name)
		return;
	if (strncmp(name, IMAGE_PREFIX, strlen(IMAGE_PREFIX)) != 0) {
		json_str_field(o, "snapshot", name);
		return;
	}
	dockerfile = alloc_fmt("FROM %s\n", name + strlen(IMAGE_PREFIX));
	json_key_out(o, "buildInfo");
	json_begin(o, '{');
	json_str_field(o, "dockerfileContent", dockerfile);
	json_end(o, '}');
	if (spec->cpu_percent)
		json_int_field(o, "cpu", round_up(spec->cpu_percent, 100));
	if (spec->memory_bytes)
		json_int_field(o, "memory", round_up(spec->memory_bytes, 1ULL << 30));
	if (spec->disk_bytes)
		json_int_field(o, "disk", round_up(spec->disk_bytes, 1ULL << 30));
}

int daytona_create_put(struct buf *b, const struct provider_spec *spec,
		       const struct daytona_create *c, char *why)
{
	struct json_out o;
	int r = judge(spec, why);

	if (r)
		return r;
	json_out_buf(&o, b);
	json_begin(&o, '{');
	json_str_field(&o, "name", c->name);
	put_source(&o, spec, c);
	json_key_out(&o, "env");
	json_begin(&o, '{');
	put_pairs(&o, spec->env);
	json_end(&o, '}');
	put_labels(&o, spec, c);
	json_bool_field(&o, "public", false);
	json_bool_field(&o, "networkBlockAll", !spec->allow_network);
	if (c->target)
		json_str_field(&o, "target", c->target);
	/* 0 is "never"; the server's own default would stop it after a quarter of an hour */
	json_int_field(
		&o, "autoStopInterval",
		round_up((uint64_t)(spec->idle_seconds > 0 ? spec->idle_seconds : 0), 60));
	/* after a stop; not 0, which would have stop() destroy it */
	json_int_field(&o, "autoDeleteInterval",
		       spec->delete_on_expiry && spec->idle_seconds > 0 ? 1 : DELETE_MINUTES);
	if (spec->total_seconds > 0)
		json_int_field(&o, "ttlMinutes", round_up((uint64_t)spec->total_seconds, 60));
	json_end(&o, '}');
	return json_out_end(&o);
}

int daytona_labels_put(struct buf *b, const char *const *labels)
{
	struct json_out o;

	for (const char *const *l = labels; l && *l; l++) {
		if (!label_good(*l))
			return PROVIDER_REFUSED;
	}
	json_out_buf(&o, b);
	json_begin(&o, '{');
	json_str_field(&o, "fragfs", "1");
	put_pairs(&o, labels);
	json_end(&o, '}');
	return json_out_end(&o);
}

int daytona_execute_put(struct buf *b, const char *text)
{
	struct json_out o;

	json_out_buf(&o, b);
	json_begin(&o, '{');
	json_str_field(&o, "command", text);
	json_end(&o, '}');
	return json_out_end(&o);
}

int daytona_percent(struct buf *b, const char *text)
{
	static const char digits[] = "0123456789ABCDEF";
	int r = 0;

	for (; *text && !r; text++) {
		unsigned char c = (unsigned char)*text;
		char code[3] = {'%', digits[c >> 4], digits[c & 15]};

		if ((c < 128 && isalnum(c)) || strchr("-._~/", c))
			r = buf_add(b, text, 1);
		else
			r = buf_add(b, code, 3);
	}
	return r;
}

int daytona_part_head(struct buf *b, const char *boundary, const char *path)
{
	/* The path first, or the daemon skips the file. */
	return buf_fmt(
		b,
		"--%s\r\nContent-Disposition: form-data; name=\"files[0].path\"\r\n\r\n%s\r\n"
		"--%s\r\nContent-Disposition: form-data; name=\"files[0].file\"; "
		"filename=\"file\"\r\nContent-Type: application/octet-stream\r\n\r\n",
		boundary, path, boundary);
}

int daytona_part_tail(struct buf *b, const char *boundary)
{
	return buf_fmt(b, "\r\n--%s--\r\n", boundary);
}
