#include "app/http_report.h"

#include "app/blocker_watch.h"
#include "app/report_json.h"
#include "app/report_rules.h"
#include "base/clock.h"
#include "base/memory.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { FRESH_FOR_MS = 5000, STATEMENTS = 20 };

struct http_report {
	char *path;
	_Atomic uint32_t idle_days;
	struct overview *overview;
	struct blocker_watch *blockers; /* NULL: there is no ledger */
	pthread_mutex_t lock;
	struct buf json;   /* the last one */
	uint64_t made_us; /* 0: there is none */
};

struct http_report *http_report_new(const struct settings *settings, struct overview *overview)
{
	struct http_report *report = memory_zalloc(sizeof(*report));
	report->path = memory_strdup(settings->usage.path);
	atomic_init(&report->idle_days, settings->idle_days);
	report->overview = overview;
	if (report->path)
		report->blockers = blocker_watch_new(overview, &settings->databases);
	pthread_mutex_init(&report->lock, NULL);
	buf_init(&report->json);
	return report;
}

void http_report_free(struct http_report *report)
{
	if (!report)
		return;
	blocker_watch_free(report->blockers);
	pthread_mutex_destroy(&report->lock);
	buf_deinit(&report->json);
	free(report->path);
	free(report);
}

void http_report_configure(struct http_report *report, const struct settings *settings)
{
	atomic_store(&report->idle_days, settings->idle_days);
	if (report->blockers)
		blocker_watch_configure(report->blockers, &settings->databases);
}

static void add_rules(struct http_report *own, struct report *report)
{
	struct overview_databases databases;
	overview_databases(own->overview, &databases);
	for (size_t i = 0; i < databases.count; i++) {
		if (databases.items[i].ruleset)
			report_add_rules(report, databases.items[i].ruleset, true, databases.count == 1);
	}
	overview_databases_deinit(&databases);
}

/* Under the lock. */
static bool make(struct http_report *own, struct error *error_out)
{
	static const bool both[2] = { true, true };
	struct report_filter filter = report_filter_default();
	filter.statements_max = STATEMENTS;
	filter.idle_days = atomic_load(&own->idle_days);
	struct report *report = report_new(&filter);
	bool ok = report_add_ledger(report, own->path, error_out);
	if (ok) {
		add_rules(own, report);
		if (own->blockers)
			blocker_watch_add(own->blockers, report);
		report_finish(report);
		buf_clear(&own->json);
		report_json(report, both, &own->json);
		own->made_us = clock_monotonic_us();
	}
	report_free(report);
	return ok;
}

bool http_report_json(void *context, struct buf *out, struct error *error_out)
{
	struct http_report *own = context;
	if (!own->path) {
		error_set(error_out, SQLSTATE_CONFIG_FILE_ERROR, "the configuration says `usage: off`: nothing is counted");
		return false;
	}
	pthread_mutex_lock(&own->lock);
	bool fresh = own->made_us && clock_monotonic_us() - own->made_us < FRESH_FOR_MS * UINT64_C(1000);
	bool ok = fresh || make(own, error_out);
	if (ok)
		buf_append_slice(out, buf_slice(&own->json));
	pthread_mutex_unlock(&own->lock);
	return ok;
}
