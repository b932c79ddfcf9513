/*
 * The sentence per table that people decide by. It claims no more than the
 * ledger knows: time that was not observed is said, and a table is called
 * ready only when it was watched for as long as it has to be.
 */
#include "usage/report_index.h"

#include "base/memory.h"
#include "usage/identity.h"

#include <inttypes.h>

enum { MINUTE_MS = 60000, HOUR_MS = 3600000, DAY_MS = 86400000 };
/* Restarts and the like: so much of idle_days may be missing before we say that we do not know. */
enum { TOLERATED_MS = HOUR_MS };

static const char *const verdict_names[] = {
	[REPORT_IN_USE] = "in_use",   [REPORT_BLOCKED] = "blocked",   [REPORT_DEPRECATED] = "deprecated_columns",
	[REPORT_UNKNOWN] = "unknown", [REPORT_BYPASSED] = "bypassed", [REPORT_READY] = "ready",
	[REPORT_SAME] = "same",
};
static const char *const end_names[] = { [REPORT_RUNNING] = "running", [REPORT_STOPPED] = "stopped",
					 [REPORT_BROKEN_OFF] = "broken_off" };

bool report_is_ready(const struct report_table *table)
{
	return table->verdict == REPORT_READY || table->verdict == REPORT_SAME;
}

bool report_is_same_name(const struct report_table *table)
{
	return table->new_name && strcmp(table->name, table->new_name) == 0;
}

const char *report_verdict_name(enum report_verdict verdict)
{
	return verdict_names[verdict];
}

const char *report_end_name(enum report_end end)
{
	return end_names[end];
}

/* ---- when it was observed ---- */

static int by_start(const void *a, const void *b)
{
	const struct report_observation *x = a, *y = b;
	return x->started_ms < y->started_ms ? -1 : x->started_ms > y->started_ms;
}

static int64_t end_ms(const struct report *report, const struct report_observation *observation)
{
	return observation->end == REPORT_RUNNING ? report->filter.now_ms : observation->until_ms;
}

static void add_gap(struct report *report, int64_t from_ms, int64_t until_ms, bool broken_off)
{
	if (until_ms > from_ms)
		report->gaps[report->gap_count++] = (struct report_gap){ from_ms, until_ms, broken_off };
}

/* A process that observes again had its rewriting switched off: it went on serving, whoever else observed meanwhile. */
static bool is_resumed_by(const struct report_observation *before, const struct report_observation *after)
{
	return before->end == REPORT_STOPPED && before->pid == after->pid && after->started_ms >= before->until_ms &&
	       strcmp(before->host, after->host) == 0;
}

static void add_blind_times(struct report *report)
{
	for (size_t i = 0; i < report->observation_count; i++) {
		const struct report_observation *before = &report->observations[i];
		size_t next = i + 1;
		while (next < report->observation_count && !is_resumed_by(before, &report->observations[next]))
			next++;
		if (next < report->observation_count)
			add_gap(report, before->until_ms, report->observations[next].started_ms, false);
	}
}

static int by_from(const void *a, const void *b)
{
	const struct report_gap *x = a, *y = b;
	return x->from_ms < y->from_ms ? -1 : x->from_ms > y->from_ms;
}

static void merge_gaps(struct report *report)
{
	size_t kept = 0;
	qsort(report->gaps, report->gap_count, sizeof(*report->gaps), by_from);
	for (size_t i = 0; i < report->gap_count; i++) {
		struct report_gap *last = kept ? &report->gaps[kept - 1] : NULL, *gap = &report->gaps[i];
		if (!last || gap->from_ms > last->until_ms) {
			report->gaps[kept++] = *gap;
			continue;
		}
		last->until_ms = gap->until_ms > last->until_ms ? gap->until_ms : last->until_ms;
		last->broken_off |= gap->broken_off;
	}
	report->gap_count = kept;
}

/* Observations may overlap (several proxies, several ledgers): a gap is where none was, or a proxy was blind. */
static void find_gaps(struct report *report)
{
	if (!report->observation_count)
		return;
	report->gaps = ARENA_ARRAY(&report->arena, 2 * report->observation_count + 1, struct report_gap);
	qsort(report->observations, report->observation_count, sizeof(*report->observations), by_start);
	const struct report_observation *last = &report->observations[0];
	for (size_t i = 1; i < report->observation_count; i++) {
		const struct report_observation *next = &report->observations[i];
		if (next->started_ms > end_ms(report, last))
			add_gap(report, end_ms(report, last), next->started_ms, last->end == REPORT_BROKEN_OFF);
		if (end_ms(report, next) >= end_ms(report, last))
			last = next;
	}
	add_gap(report, end_ms(report, last), report->filter.now_ms, last->end == REPORT_BROKEN_OFF);
	add_blind_times(report);
	merge_gaps(report);
}

static int64_t first_observed_ms(const struct report *report)
{
	return report->observation_count ? report->observations[0].started_ms : report->filter.now_ms;
}

static int64_t overlap_ms(int64_t from_ms, int64_t until_ms, const struct report_gap *gap)
{
	int64_t start_ms = gap->from_ms > from_ms ? gap->from_ms : from_ms;
	int64_t end = gap->until_ms < until_ms ? gap->until_ms : until_ms;
	return end > start_ms ? end - start_ms : 0;
}

int64_t report_unobserved_ms(const struct report *report, int64_t from_ms, int64_t until_ms)
{
	struct report_gap before = { 0, first_observed_ms(report), false };
	int64_t sum_ms = overlap_ms(from_ms, until_ms, &before);
	for (size_t i = 0; i < report->gap_count; i++)
		sum_ms += overlap_ms(from_ms, until_ms, &report->gaps[i]);
	return sum_ms;
}

/* Time within [from_ms, now] that fell into gaps; before the first observation there is none. */
static int64_t unobserved_since(const struct report *report, int64_t from_ms)
{
	int64_t sum_ms = 0;
	for (size_t i = 0; i < report->gap_count; i++)
		sum_ms += overlap_ms(from_ms, report->filter.now_ms, &report->gaps[i]);
	return sum_ms;
}

/* Lost counts may have been uses of any table. */
static int64_t lost_since(const struct report *report, int64_t from_ms)
{
	int64_t lost = 0;
	for (size_t i = 0; i < report->observation_count; i++) {
		if (end_ms(report, &report->observations[i]) >= from_ms)
			lost += (int64_t)report->observations[i].lost;
	}
	return lost;
}

/* ---- words ---- */

const char *report_duration(struct arena *arena, int64_t ms)
{
	static const struct { int64_t ms; const char *word; } units[] = {
		{ DAY_MS, "day" }, { HOUR_MS, "hour" }, { MINUTE_MS, "minute" }, { 1000, "second" } };
	size_t i = 0;
	/* From two on: "47 hours" says more than "1 day". */
	while (i < 3 && ms < 2 * units[i].ms)
		i++;
	int64_t count = ms > 0 ? ms / units[i].ms : 0;
	return arena_printf(arena, "%" PRId64 " %s%s", count, units[i].word, count == 1 ? "" : "s");
}

static const char *application_of(struct report *report, const struct report_table *table)
{
	const char *application = *table->old_last_application ? table->old_last_application :
								 "an application without a name";
	return arena_printf(&report->arena, "%s (user %s)", application, table->old_last_user);
}

static const char *say_in_use(struct report *report, const struct report_table *table)
{
	return arena_printf(&report->arena, "%s %zu application%s, most recent: %s, %s ago",
			    table->old_only_refused ? "still tried, and refused, by" : "in use by",
			    table->old_applications, table->old_applications == 1 ? "" : "s",
			    application_of(report, table),
			    report_duration(&report->arena, report->filter.now_ms - table->old_last_ms));
}

static const char *say_not_seen(struct report *report, const struct report_table *table)
{
	if (!table->old_last_ms)
		return "never seen";
	return arena_printf(&report->arena, "not seen for %s",
			    report_duration(&report->arena, report->filter.now_ms - table->old_last_ms));
}

static const char *say_unknown(struct report *report, const struct report_table *table, int64_t watched_ms,
			       int64_t lost)
{
	const char *seen = say_not_seen(report, table);
	int64_t idle_ms = (int64_t)report->filter.idle_days * DAY_MS;
	if (!report->observation_count)
		return "never observed";
	if (watched_ms < idle_ms)
		return arena_printf(&report->arena, "%s, but observed for %s only", seen,
				    report_duration(&report->arena, table->observed_ms));
	if (table->unobserved_ms > TOLERATED_MS)
		return arena_printf(&report->arena, "%s, but %s of the last %u days were not observed", seen,
				    report_duration(&report->arena, table->unobserved_ms), report->filter.idle_days);
	return arena_printf(&report->arena, "%s, but %" PRId64 " counts were lost in the last %u days", seen, lost,
			    report->filter.idle_days);
}

/* A function that names the table would have been an obstacle. */
static const char *say_unasked(const struct report *report)
{
	for (size_t i = 0; i < report->asked_count; i++) {
		if (report->asked[i].error)
			return "; the database could not be asked what in it names the table";
	}
	return "";
}

static const char *say_ready(struct report *report, const struct report_table *table)
{
	const char *missing = table->unobserved_ms < 1000 ? "" :
		arena_printf(&report->arena, " (%s of it not observed)", report_duration(&report->arena, table->unobserved_ms));
	const char *bypass = report->bypass_known ? ", and nobody bypasses the proxy" : "";
	const char *unasked = say_unasked(report);
	if (table->old_last_ms)
		return arena_printf(&report->arena, "%s%s%s%s", say_not_seen(report, table), missing, bypass, unasked);
	return arena_printf(&report->arena, "never seen in %s of observation%s%s%s",
			    report_duration(&report->arena, table->observed_ms), missing, bypass, unasked);
}

/* Three names, and how many there are besides. */
static const char *say_list(struct report *report, const char *const *names, size_t count)
{
	const char *text = "";
	for (size_t i = 0; i < count && i < 3; i++)
		text = arena_printf(&report->arena, "%s%s%s", text, i ? ", " : "",
				    *names[i] ? names[i] : "an application without a name");
	return count > 3 ? arena_printf(&report->arena, "%s and %zu more", text, count - 3) : text;
}

static const char *say_bypassed(struct report *report, const struct report_table *table)
{
	const struct report_bypass *first = &report->bypasses[0];
	uint64_t sessions = 0;
	for (size_t i = 0; i < report->bypass_count; i++)
		sessions += report->bypasses[i].sessions;
	return arena_printf(&report->arena, "%s, but %" PRIu64 " session%s come%s past the proxy, such as %s (user %s)",
			    say_not_seen(report, table), sessions, sessions == 1 ? "" : "s", sessions == 1 ? "s" : "",
			    *first->application ? first->application : "one without a name", first->user);
}

static const char *say_blocked(struct report *report, const struct report_table *table)
{
	return arena_printf(&report->arena, "%s name%s it", say_list(report, table->blockers, table->blocker_count),
			    table->blocker_count == 1 ? "s" : "");
}

/* Statements that take all columns, deprecated ones among them; NULL: there are none. */
static const struct report_column *all_columns(const struct report_table *table)
{
	for (size_t i = 0; i < table->column_count; i++) {
		if (strcmp(table->columns[i]->name, USAGE_ALL_COLUMNS) == 0)
			return table->columns[i]->application_count ? table->columns[i] : NULL;
	}
	return NULL;
}

static const char *append_reason(struct report *report, const char *text, const char *names, const char *readers)
{
	return arena_printf(&report->arena, "%s%s by %s", text ? arena_printf(&report->arena, "%s; ", text) :
								  "deprecated columns still read: ",
			    names, readers);
}

static const char *readers_of(struct report *report, const struct report_column *column)
{
	return say_list(report, column->applications, column->application_count);
}

/* NULL: none was named within idle_days, and nobody takes all. */
static const char *say_deprecated(struct report *report, const struct report_table *table)
{
	const struct report_column *star = all_columns(table);
	const char *text = NULL;
	const char **names = ARENA_ARRAY(&report->arena, table->column_count + 1, const char *);
	size_t count = 0;
	for (size_t i = 0; i < table->column_count && table->columns[i]->deprecated; i++) {
		names[count++] = table->columns[i]->name;
		if (table->columns[i]->application_count)
			text = append_reason(report, text, table->columns[i]->name, readers_of(report, table->columns[i]));
	}
	if (!count || !star)
		return text;
	return arena_printf(&report->arena, "%s, as all columns (*)",
			    append_reason(report, text, say_list(report, names, count), readers_of(report, star)));
}

/* ---- judging ---- */

static const char *narrowed(struct report *report, const char *text)
{
	const struct report_filter *filter = &report->filter;
	if (filter->application && filter->user)
		return arena_printf(&report->arena, "%s (looking only at application %s, user %s)", text,
				    filter->application, filter->user);
	if (filter->application)
		return arena_printf(&report->arena, "%s (looking only at application %s)", text, filter->application);
	if (filter->user)
		return arena_printf(&report->arena, "%s (looking only at user %s)", text, filter->user);
	return text;
}

/* What stands in the way, whether or not the old name was seen; NULL: nothing. */
static const char *obstacles(struct report *report, const struct report_table *table)
{
	const char *blocked = table->blocker_count ? say_blocked(report, table) : NULL;
	const char *deprecated = say_deprecated(report, table);
	return blocked && deprecated ? arena_printf(&report->arena, "%s; %s", blocked, deprecated) :
	       blocked		     ? blocked :
				       deprecated;
}

static enum report_verdict judge_unused(struct report *report, const struct report_table *table, int64_t watched_ms,
					const char **text_out)
{
	int64_t idle_ms = (int64_t)report->filter.idle_days * DAY_MS;
	int64_t lost = lost_since(report, report->filter.now_ms - idle_ms);
	if (watched_ms < idle_ms || table->unobserved_ms > TOLERATED_MS || lost) {
		*text_out = say_unknown(report, table, watched_ms, lost);
		return REPORT_UNKNOWN;
	}
	*text_out = report->bypass_count ? say_bypassed(report, table) : say_ready(report, table);
	return report->bypass_count ? REPORT_BYPASSED : REPORT_READY;
}

static enum report_verdict verdict_of(struct report *report, const struct report_table *table, int64_t watched_ms,
				      const char **text_out)
{
	const char *obstacle = obstacles(report, table);
	bool same = report_is_same_name(table);
	if (!same && table->old_applications) {
		const char *used = say_in_use(report, table);
		*text_out = obstacle ? arena_printf(&report->arena, "%s; %s", used, obstacle) : used;
		return REPORT_IN_USE;
	}
	if (obstacle) {
		*text_out = obstacle;
		return table->blocker_count ? REPORT_BLOCKED : REPORT_DEPRECATED;
	}
	if (same) {
		*text_out = "has this name in both schemas, so no code has to change";
		return REPORT_SAME;
	}
	return judge_unused(report, table, watched_ms, text_out);
}

static void judge(struct report *report, struct report_table *table)
{
	int64_t now_ms = report->filter.now_ms, idle_ms = (int64_t)report->filter.idle_days * DAY_MS;
	int64_t since_ms = first_observed_ms(report);
	const char *text;
	if (table->declared_ms > since_ms)
		since_ms = table->declared_ms;
	int64_t watched_ms = now_ms - since_ms;
	table->observed_ms = watched_ms - unobserved_since(report, since_ms);
	table->unobserved_ms = unobserved_since(report, now_ms - idle_ms);
	table->verdict = verdict_of(report, table, watched_ms, &text);
	table->verdict_text = table->verdict == REPORT_SAME ? text : narrowed(report, text);
}

static int by_urgency(const void *a, const void *b)
{
	const struct report_table *x = *(struct report_table *const *)a, *y = *(struct report_table *const *)b;
	uint64_t x_old = x->sides[SIDE_OLD].counts.total, y_old = y->sides[SIDE_OLD].counts.total;
	if (x->verdict != y->verdict)
		return x->verdict < y->verdict ? -1 : 1;
	if (x_old != y_old)
		return x_old > y_old ? -1 : 1;
	return strcmp(x->name, y->name);
}

void report_judge(struct report *report)
{
	find_gaps(report);
	report->observed_ms = report->filter.now_ms - first_observed_ms(report) -
			      unobserved_since(report, first_observed_ms(report));
	for (size_t i = 0; i < report->table_count; i++)
		judge(report, report->tables[i]);
	if (report->table_count)
		qsort(report->tables, report->table_count, sizeof(struct report_table *), by_urgency);
}
