/* SPDX-License-Identifier: MIT */
/*
 * otlp_curl.c - see otlp_curl.h. Model: one easy handle that keeps its connection, set up
 * once. Which answers may be tried again is the specification's (OTLP/HTTP, "Failures"):
 * 429, 502, 503, 504, and no answer at all; 400 or 500 would come again.
 *
 * The answer is not trusted: no redirects, no other protocol, 64 KiB at most.
 */
#include "otlp_curl.h"

#include <curl/curl.h>
#include <dlfcn.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include "log.h"
#include "names.h"
#include "options.h"

#define TIMEOUT_MS 10000
#define ANSWER_MAX 65536
#define RETRY_AFTER_MAX_S 3600 /* an answer is not trusted with more */

/* X(function of libcurl) */
#define CURL_FUNCTIONS(X)                                                                          \
	X(curl_global_init)                                                                        \
	X(curl_easy_init)                                                                          \
	X(curl_easy_setopt)                                                                        \
	X(curl_easy_perform)                                                                       \
	X(curl_easy_getinfo)                                                                       \
	X(curl_easy_cleanup)                                                                       \
	X(curl_easy_strerror)                                                                      \
	X(curl_easy_unescape)                                                                      \
	X(curl_free)                                                                               \
	X(curl_slist_append)                                                                       \
	X(curl_slist_free_all)                                                                     \
	X(curl_url)                                                                                \
	X(curl_url_set)                                                                            \
	X(curl_url_get)                                                                            \
	X(curl_url_cleanup)

/* libcurl's macros would check types, and only know its own names. */
#undef curl_easy_setopt
#undef curl_easy_getinfo

struct functions {
#define FUNCTION_MEMBER(name) __typeof__(&name) name;
	CURL_FUNCTIONS(FUNCTION_MEMBER)
#undef FUNCTION_MEMBER
};

struct otlp_curl {
	struct functions f;
	void *library;
	CURL *easy;
	struct curl_slist *headers;
	char *url;
	char answer[ANSWER_MAX + 1];
	size_t answer_len;
	const atomic_bool *abandon;
};

/* --- loading -------------------------------------------------------------------- */

static int load(struct otlp_curl *curl)
{
	curl->library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
	if (!curl->library) {
		log_err(0, "--otlp needs libcurl: %s", dlerror());
		log_hint("install the package libcurl4 or libcurl4t64");
		return -ENOENT;
	}
#define LOAD(name)                                                                                 \
	*(void **)&curl->f.name = dlsym(curl->library, #name);                                     \
	if (!curl->f.name)                                                                         \
		return log_err(-ENOENT, "libcurl has no " #name);
	CURL_FUNCTIONS(LOAD)
#undef LOAD
	return curl->f.curl_global_init(CURL_GLOBAL_DEFAULT) ? -ENOMEM : 0;
}

/* --- address and headers ----------------------------------------------------------- */

/* http or https, a host, and a path: that of the specification if none is given. */
static int parse_url(struct otlp_curl *curl, const char *text)
{
	CURLU *url = curl->f.curl_url();
	char *scheme = NULL, *path = NULL, *whole = NULL;
	bool good = url && !curl->f.curl_url_set(url, CURLUPART_URL, text, 0) &&
		    !curl->f.curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) &&
		    (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0) &&
		    !curl->f.curl_url_get(url, CURLUPART_PATH, &path, 0);

	if (good && strcmp(path, "/") == 0)
		good = !curl->f.curl_url_set(url, CURLUPART_PATH, "/v1/metrics", 0);
	good = good && !curl->f.curl_url_get(url, CURLUPART_URL, &whole, 0);
	curl->url = good ? strdup(whole) : NULL;
	curl->f.curl_free(scheme);
	curl->f.curl_free(path);
	curl->f.curl_free(whole);
	curl->f.curl_url_cleanup(url);
	if (good)
		return curl->url ? 0 : -ENOMEM;
	log_err(0, "'%s' is no address of a collector", text);
	log_hint("give one like http://127.0.0.1:4318");
	return -EINVAL;
}

static int add_header(struct otlp_curl *curl, const char *line)
{
	struct curl_slist *longer = curl->f.curl_slist_append(curl->headers, line);

	if (!longer)
		return -ENOMEM;
	curl->headers = longer;
	return 0;
}

static int add_pair(struct otlp_curl *curl, const char *pair, size_t len)
{
	const char *equals = memchr(pair, '=', len);
	int value_len, err = -EINVAL;
	char *value, *line = NULL;

	if (!equals || equals == pair)
		return -EINVAL;
	value = curl->f.curl_easy_unescape(curl->easy, equals + 1, (int)(pair + len - equals - 1),
					   &value_len);
	if (value && !strpbrk(value, "\r\n") &&
	    asprintf(&line, "%.*s: %s", (int)(equals - pair), pair, value) > 0)
		err = strpbrk(line, "\r\n") ? -EINVAL : add_header(curl, line);
	free(line);
	curl->f.curl_free(value);
	return err;
}

static int add_headers(struct otlp_curl *curl, const char *pairs)
{
	int err = add_header(curl, "Content-Type: application/json");

	err = err ? err : add_header(curl, "Content-Encoding: gzip");
	err = err ? err : add_header(curl, "Expect:"); /* no 100-continue: it costs a second */
	for (; pairs && *pairs && !err; pairs += *pairs == ',') {
		size_t len = strcspn(pairs, ",");

		err = add_pair(curl, pairs, len);
		pairs += len;
	}
	if (err == -EINVAL) /* not the value: it may be a secret */
		log_err(0, "OTEL_EXPORTER_OTLP_HEADERS is not like name=value,name=value");
	return err;
}

/* --- the request -------------------------------------------------------------------- */

static size_t on_answer(char *data, size_t size, size_t count, void *ctx)
{
	struct otlp_curl *curl = ctx;
	size_t room = ANSWER_MAX - curl->answer_len, len = size * count;

	if (len > room)
		return 0;
	memcpy(curl->answer + curl->answer_len, data, len);
	curl->answer_len += len;
	return len;
}

static int on_progress(void *ctx, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	const struct otlp_curl *curl = ctx;

	(void)a, (void)b, (void)c, (void)d;
	/* Relaxed: only a wish; who set it joins the thread for everything else. */
	return atomic_load_explicit(curl->abandon, memory_order_relaxed);
}

static void set_up(struct otlp_curl *curl, unsigned timeout_ms)
{
	__typeof__(curl->f.curl_easy_setopt) set = curl->f.curl_easy_setopt;
	long timeout = timeout_ms ? (long)timeout_ms : TIMEOUT_MS;

	set(curl->easy, CURLOPT_URL, curl->url);
	set(curl->easy, CURLOPT_PROTOCOLS_STR, "http,https");
	set(curl->easy, CURLOPT_FOLLOWLOCATION, 0L);
	set(curl->easy, CURLOPT_NOSIGNAL, 1L);
	set(curl->easy, CURLOPT_TIMEOUT_MS, timeout);
	set(curl->easy, CURLOPT_CONNECTTIMEOUT_MS, timeout);
	set(curl->easy, CURLOPT_HTTPHEADER, curl->headers);
	set(curl->easy, CURLOPT_USERAGENT, "smaptrace/" SMAPTRACE_VERSION);
	set(curl->easy, CURLOPT_WRITEFUNCTION, on_answer);
	set(curl->easy, CURLOPT_WRITEDATA, curl);
	set(curl->easy, CURLOPT_NOPROGRESS, 0L);
	set(curl->easy, CURLOPT_XFERINFOFUNCTION, on_progress);
	set(curl->easy, CURLOPT_XFERINFODATA, curl);
}

int otlp_curl_create(struct otlp_curl **ret_curl, const struct otlp_post_options *opts)
{
	struct otlp_curl *curl = calloc(1, sizeof(*curl));
	int err = curl ? load(curl) : -ENOMEM;

	if (!err) {
		curl->easy = curl->f.curl_easy_init();
		err = curl->easy ? parse_url(curl, opts->url) : -ENOMEM;
	}
	if (!err)
		err = add_headers(curl, opts->headers);
	if (err) {
		otlp_curl_free(curl);
		return err;
	}
	set_up(curl, opts->timeout_ms);
	*ret_curl = curl;
	return 0;
}

/* The collector took it, perhaps not all: {"partialSuccess": {"rejectedDataPoints": ...}}. */
static void read_partial(struct otlp_answer *answer, const char *text)
{
	json_t *root = json_loads(text, 0, NULL);
	json_t *partial = json_object_get(root, "partialSuccess");
	json_t *count = json_object_get(partial, "rejectedDataPoints");
	const char *message = json_string_value(json_object_get(partial, "errorMessage"));
	long long rejected;

	rejected = json_is_string(count) ? strtoll(json_string_value(count), NULL, 10)
					 : json_integer_value(count);
	answer->rejected = rejected > 0 ? (uint64_t)rejected : 0;
	name_escape(answer->reason, sizeof(answer->reason), message ? message : "");
	json_decref(root);
}

static void judge(struct otlp_curl *curl, struct otlp_answer *answer)
{
	curl_off_t wait = 0;
	long status = 0;

	curl->f.curl_easy_getinfo(curl->easy, CURLINFO_RESPONSE_CODE, &status);
	curl->f.curl_easy_getinfo(curl->easy, CURLINFO_RETRY_AFTER, &wait);
	if (status >= 200 && status < 300) {
		read_partial(answer, curl->answer);
		return;
	}
	answer->verdict =
		status == 429 || (status >= 502 && status <= 504) ? OTLP_AGAIN : OTLP_REFUSED;
	if (wait > 0)
		answer->retry_after_s =
			wait < RETRY_AFTER_MAX_S ? (unsigned)wait : RETRY_AFTER_MAX_S;
	snprintf(answer->reason, sizeof(answer->reason), "HTTP status %ld", status);
}

struct otlp_answer otlp_curl_post(struct otlp_curl *curl, const void *body, size_t size,
				  const atomic_bool *abandon)
{
	struct otlp_answer answer = {.verdict = OTLP_TAKEN};
	CURLcode code;

	curl->answer_len = 0;
	curl->abandon = abandon;
	curl->f.curl_easy_setopt(curl->easy, CURLOPT_POSTFIELDS, body);
	curl->f.curl_easy_setopt(curl->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)size);
	code = curl->f.curl_easy_perform(curl->easy);
	curl->answer[curl->answer_len] = '\0';
	if (code == CURLE_OK) {
		judge(curl, &answer);
		return answer;
	}
	answer.verdict = OTLP_AGAIN;
	snprintf(answer.reason, sizeof(answer.reason), "%s", curl->f.curl_easy_strerror(code));
	return answer;
}

void otlp_curl_free(struct otlp_curl *curl)
{
	if (!curl)
		return;
	if (curl->easy)
		curl->f.curl_easy_cleanup(curl->easy);
	if (curl->headers)
		curl->f.curl_slist_free_all(curl->headers);
	/* The library stays: others of its kind do not survive being unloaded. */
	free(curl->url);
	free(curl);
}
