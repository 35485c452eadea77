/* What is sent to Daytona, and what is refused before it is sent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "provider/daytona_body.h"
#include "provider/provider.h"

static const struct daytona_create extras = {.name = "frag-1", .nonce = "n1"};

static int put(struct buf *b, const struct provider_spec *spec, char *why)
{
	size_t n = 0;
	int r;

	why[0] = '\0';
	buf_init(b, 65536);
	r = daytona_create_put(b, spec, &extras, why);
	/* where the writer breaks its lines is its own affair */
	for (size_t i = 0; i < b->len; i++) {
		if (b->data[i] != '\n')
			b->data[n++] = b->data[i];
	}
	if (b->len)
		b->data[n] = '\0';
	return r;
}

static void asks_for_the_default_without_network(void **state)
{
	static const char *const env[] = {"A=1", "B=x=y", NULL};
	struct provider_spec spec = {.label = "demo", .env = env};
	CLEANUP(buf_deinit) struct buf b = {0};
	char why[PROVIDER_WHY_MAX];

	assert_int_equal(put(&b, &spec, why), 0);
	assert_string_equal(
		b.data, "{\"name\":\"frag-1\",\"env\":{\"A\":\"1\",\"B\":\"x=y\"},"
			"\"labels\":{\"fragfs\":\"1\",\"fragfs.call\":\"n1\","
			"\"fragfs.label\":\"demo\"},\"public\":false,\"networkBlockAll\":true,"
			"\"autoStopInterval\":0,\"autoDeleteInterval\":10080}");
}

static void keeps_labels_and_goes_when_idle(void **state)
{
	static const char *const labels[] = {"team=a", "x=y=z", NULL};
	struct provider_spec spec = {
		.labels = labels, .idle_seconds = 600, .delete_on_expiry = true};
	CLEANUP(buf_deinit) struct buf b = {0};
	char why[PROVIDER_WHY_MAX];

	assert_int_equal(put(&b, &spec, why), 0);
	assert_non_null(strstr(b.data, "\"team\":\"a\",\"x\":\"y=z\"}"));
	/* not 0, which would have every stop destroy it */
	assert_non_null(strstr(b.data, "\"autoStopInterval\":10,\"autoDeleteInterval\":1}"));
	buf_clear(&b);
	assert_int_equal(daytona_labels_put(&b, labels), 0);
	assert_non_null(strstr(b.data, "{\"fragfs\":\"1\",\"team\":\"a\",\"x\":\"y=z\"}"));
}

static void rounds_sizes_and_lifetimes_up(void **state)
{
	struct provider_spec spec = {.image = "image:debian:12",
				     .cpu_percent = 150,
				     .memory_bytes = (1ULL << 30) + 1,
				     .disk_bytes = 3ULL << 30,
				     .allow_network = true,
				     .idle_seconds = 61,
				     .total_seconds = 60};
	CLEANUP(buf_deinit) struct buf b = {0};
	char why[PROVIDER_WHY_MAX];

	assert_int_equal(put(&b, &spec, why), 0);
	assert_non_null(strstr(
		b.data, "\"buildInfo\":{\"dockerfileContent\":\"FROM debian:12\\u000a\"}"));
	assert_null(strstr(b.data, "\"snapshot\""));
	assert_non_null(strstr(b.data, "\"cpu\":2,\"memory\":2,\"disk\":3"));
	assert_non_null(strstr(b.data, "\"networkBlockAll\":false"));
	assert_non_null(strstr(b.data, "\"autoStopInterval\":2,"));
	assert_non_null(strstr(b.data, "\"ttlMinutes\":1}"));
}

static void refuses_sizes_of_a_snapshot(void **state)
{
	struct provider_spec spec = {.image = "small", .memory_bytes = 1};
	CLEANUP(buf_deinit) struct buf b = {0};
	char why[PROVIDER_WHY_MAX];

	assert_int_equal(put(&b, &spec, why), PROVIDER_REFUSED);
	assert_non_null(strstr(why, "image:"));
}

static void refuses_what_would_be_another_line(void **state)
{
	static const char *const bad[] = {"image:", "image:a b", "image:a\nRUN evil",
					  "image:--x", "image:$(x)"};
	static const char *const env[] = {"A-B=1", NULL};
	static const char *const labels[] = {"fragfs=2", NULL};
	const struct provider_spec others[] = {
		{.env = env}, {.labels = labels}, {.labels = env + 1, .max_processes = 5}};
	struct provider_spec spec = {0};
	char why[PROVIDER_WHY_MAX];

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		CLEANUP(buf_deinit) struct buf b = {0};

		spec.image = bad[i];
		assert_int_equal(put(&b, &spec, why), PROVIDER_REFUSED);
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		CLEANUP(buf_deinit) struct buf b = {0};

		assert_int_equal(put(&b, &others[i], why), PROVIDER_REFUSED);
		assert_string_equal(b.data, "");
		assert_true(why[0]);
	}
}

static void names_survive_a_url(void **state)
{
	CLEANUP(buf_deinit) struct buf b = {0};

	buf_init(&b, 256);
	assert_int_equal(daytona_percent(&b, "/a b/\xff%?&=+#~"), 0);
	assert_string_equal(b.data, "/a%20b/%FF%25%3F%26%3D%2B%23~");
}

static void the_path_goes_before_its_file(void **state)
{
	CLEANUP(buf_deinit) struct buf b = {0};

	buf_init(&b, 1024);
	assert_int_equal(daytona_part_head(&b, "B", "/x/y"), 0);
	assert_int_equal(buf_str(&b, "data"), 0);
	assert_int_equal(daytona_part_tail(&b, "B"), 0);
	assert_string_equal(
		b.data,
		"--B\r\nContent-Disposition: form-data; name=\"files[0].path\"\r\n\r\n/x/y\r\n"
		"--B\r\nContent-Disposition: form-data; name=\"files[0].file\"; "
		"filename=\"file\"\r\nContent-Type: application/octet-stream\r\n\r\n"
		"data\r\n--B--\r\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(asks_for_the_default_without_network),
		cmocka_unit_test(keeps_labels_and_goes_when_idle),
		cmocka_unit_test(rounds_sizes_and_lifetimes_up),
		cmocka_unit_test(refuses_sizes_of_a_snapshot),
		cmocka_unit_test(refuses_what_would_be_another_line),
		cmocka_unit_test(names_survive_a_url),
		cmocka_unit_test(the_path_goes_before_its_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
