#include "app/evidence.h"

#include "app/report_rules.h"
#include "base/clock.h"
#include "usage/report.h"

#define SQLSTATE_NOT_IN_STATE "55000"

enum { DAY_MS = 86400000 };

static bool refuse(const char *key, const char *why, struct error *error_out)
{
	error_set(error_out, SQLSTATE_NOT_IN_STATE, "%s cannot go to stage complete yet: %s", key, why);
	error_hint(error_out, "`crossfade report --table %s` says who still uses its old name. To insist: `crossfade flags "
			      "set --force --reason …`.", key);
	return false;
}

static struct report *make_report(const struct evidence_sources *sources, const struct ruleset *ruleset,
				  const char *key, int64_t since_ms, struct error *error_out)
{
	struct report_filter filter = report_filter_default();
	filter.table = key;
	filter.idle_days = sources->idle_days;
	filter.since_ms = since_ms;
	struct report *report = report_new(&filter);
	if (!report_add_ledger(report, sources->ledger_path, error_out)) {
		report_free(report);
		return NULL;
	}
	report_add_rules(report, ruleset, true, sources->only_database);
	report_finish(report);
	return report;
}

static const struct report_table *find_table(const struct report *report, const char *key)
{
	for (size_t i = 0; i < report->table_count; i++) {
		if (strcmp(report->tables[i]->name, key) == 0)
			return report->tables[i];
	}
	return NULL;
}

static bool judge(const struct report_table *table, const char *key, uint32_t idle_days, struct error *error_out)
{
	char why[128];
	if (!table)
		return refuse(key, "the ledger knows nothing of it", error_out);
	if (table->verdict != REPORT_READY && table->verdict != REPORT_SAME)
		return refuse(key, table->verdict_text, error_out);
	if (!table->sides[SIDE_OLD].kinds[USE_OPAQUE])
		return true;
	snprintf(why, sizeof(why), "code that is not rewritten named it within %u days", idle_days);
	return refuse(key, why, error_out);
}

bool evidence_is_quiet(const struct evidence_sources *sources, const struct ruleset *ruleset, const char *key,
		       struct error *error_out)
{
	if (!sources->ledger_path)
		return refuse(key, "nothing is counted (`usage: off`)", error_out);
	/* The verdict is about all time; the kinds of use are those of the period alone. */
	int64_t since_ms = clock_wall_ms() - (int64_t)sources->idle_days * DAY_MS;
	struct report *report = make_report(sources, ruleset, key, since_ms, error_out);
	if (!report)
		return false;
	bool ok = judge(find_table(report, key), key, sources->idle_days, error_out);
	report_free(report);
	return ok;
}
