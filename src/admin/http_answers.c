#include "admin/http_answers.h"

#include "admin/metrics.h"
#include "admin/probe.h"
#include "base/memory.h"

#include <stdlib.h>

#define TEXT_PLAIN "text/plain; charset=utf-8"

enum { SERVER_PROBE_MS = 2000 };

typedef void answer_fn(const struct http_sources *sources, const struct http_request *request,
		       struct http_answer *answer);

static void healthz(const struct http_sources *sources, const struct http_request *request,
		    struct http_answer *answer)
{
	buf_append_str(&answer->body, "ok\n");
}

/* ---- ready ---- */

static bool phase_is_ready(const struct http_sources *sources, struct http_answer *answer)
{
	enum overview_phase phase = overview_phase(sources->overview);
	static const char *const words[] = { [OVERVIEW_STARTING] = "starting: no sessions are accepted yet\n",
					     [OVERVIEW_READY] = "ready\n",
					     [OVERVIEW_DRAINING] = "draining: no new sessions are accepted\n" };
	bool passing = phase == OVERVIEW_READY && !overview_rewriting(sources->overview);
	buf_append_str(&answer->body, passing ? "ready, but rewriting is OFF: names pass as they are\n" : words[phase]);
	if (phase != OVERVIEW_READY)
		answer->status = 503;
	return phase == OVERVIEW_READY;
}

static void check_server(const struct http_sources *sources, struct http_answer *answer)
{
	char host[OVERVIEW_HOST_BYTES];
	uint16_t port;
	struct error error;
	overview_server(sources->overview, host, &port);
	if (probe_postgres(host, port, SERVER_PROBE_MS, &error)) {
		buf_append_str(&answer->body, "server: reachable\n");
		return;
	}
	answer->status = 503;
	buf_clear(&answer->body);
	buf_printf(&answer->body, "server: %s\n", error.message);
}

static void readyz(const struct http_sources *sources, const struct http_request *request,
		   struct http_answer *answer)
{
	if (phase_is_ready(sources, answer) && request->server)
		check_server(sources, answer);
}

/* ---- metrics ---- */

struct row_list {
	struct arena arena;
	struct usage_tally_row *items;
	size_t count, capacity;
};

static void take_row(void *context, const struct usage_tally_row *row)
{
	struct row_list *list = context;
	if (list->count == list->capacity) {
		list->capacity = list->capacity ? list->capacity * 2 : 64;
		list->items = memory_realloc(list->items, list->capacity * sizeof(*list->items));
	}
	list->items[list->count] = *row;
	list->items[list->count].database = arena_strdup(&list->arena, row->database);
	list->items[list->count++].table = arena_strdup(&list->arena, row->table);
}

static void metrics(const struct http_sources *sources, const struct http_request *request,
		    struct http_answer *answer)
{
	struct metrics_input input = { .phase = overview_phase(sources->overview),
					.rewriting = overview_rewriting(sources->overview), .started_ms = request->started_ms };
	struct row_list rows = { 0 };
	arena_init(&rows.arena);
	proxy_stats(sources->proxy, &input.proxy);
	usage_stats(sources->usage, &input.usage);
	usage_totals(sources->usage, take_row, &rows);
	overview_databases(sources->overview, &input.databases);
	input.uses = rows.items;
	input.use_count = rows.count;
	metrics_append(&input, &answer->body);
	answer->content_type = METRICS_CONTENT_TYPE;
	overview_databases_deinit(&input.databases);
	arena_deinit(&rows.arena);
	free(rows.items);
}

/* ---- the page ---- */

static void page(const struct http_sources *sources, const struct http_request *request,
		 struct http_answer *answer)
{
	answer->content_type = "text/html; charset=utf-8";
	page_nonce(answer->nonce);
	page_append(answer->nonce, slice_of(NULL, 0), &answer->body);
}

static void report(const struct http_sources *sources, const struct http_request *request,
		   struct http_answer *answer)
{
	struct error error;
	error_set(&error, SQLSTATE_CONFIG_FILE_ERROR, "there is no ledger");
	if (sources->report && sources->report(sources->report_context, &answer->body, &error)) {
		answer->content_type = "application/json";
		return;
	}
	answer->status = 503;
	buf_printf(&answer->body, "%s\n", error.message);
}

/* ---- paths ---- */

static const struct {
	const char *path;
	answer_fn *answer;
} paths[] = {
	{ "/", page },
	{ "/report.json", report },
	{ "/healthz", healthz },
	{ "/readyz", readyz },
	{ "/metrics", metrics },
};

enum { PATH_COUNT = sizeof(paths) / sizeof(paths[0]) };

static void not_found(struct http_answer *answer)
{
	answer->status = 404;
	buf_append_str(&answer->body, "There is nothing here. Try:");
	for (size_t i = 0; i < PATH_COUNT; i++)
		buf_printf(&answer->body, " %s", paths[i].path);
	buf_append_byte(&answer->body, '\n');
}

void http_answer(const struct http_sources *sources, const struct http_request *request,
		 struct http_answer *answer_out)
{
	*answer_out = (struct http_answer){ .status = 200, .content_type = TEXT_PLAIN };
	buf_init(&answer_out->body);
	for (size_t i = 0; i < PATH_COUNT; i++) {
		if (strcmp(paths[i].path, request->path) == 0) {
			paths[i].answer(sources, request, answer_out);
			return;
		}
	}
	not_found(answer_out);
}
