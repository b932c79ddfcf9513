#include "app/report_json.h"

#include "app/json_out.h"
#include "app/when.h"

#include <inttypes.h>
#include <jansson.h>

enum { FLIPS_MAX = 100 };

/* Words of the command line may be no UTF-8; what the ledger holds is. */
static json_t *text(const char *value)
{
	json_t *string = value ? json_string(value) : json_null();
	return string ? string : json_string("?");
}

static json_t *number(uint64_t value)
{
	return json_integer((json_int_t)value);
}

static json_t *moment(int64_t ms)
{
	char iso[WHEN_BYTES];
	return ms ? json_string(when_print_iso(ms, iso)) : json_null();
}

static json_t *seconds(int64_t ms)
{
	return json_integer(ms > 0 ? ms / 1000 : 0);
}

static void set_counts(json_t *object, const struct report_counts *counts)
{
	json_object_set_new(object, "count", number(counts->total));
	json_object_set_new(object, "ok", number(counts->ok));
	json_object_set_new(object, "errors", number(counts->errors));
	json_object_set_new(object, "refused", number(counts->refused));
	json_object_set_new(object, "rows", number(counts->rows));
	json_object_set_new(object, "rewritten", number(counts->rewritten));
	json_object_set_new(object, "unparsed", number(counts->unparsed));
	json_object_set_new(object, "first_seen", moment(counts->first_ms));
	json_object_set_new(object, "last_seen", moment(counts->last_ms));
}

static const char *kind_name(int kind)
{
	return kind < USE_KIND_COUNT ? use_kind_name((enum use_kind)kind) : "unknown";
}

static json_t *kinds(const struct report_side *side)
{
	json_t *object = json_object();
	for (int kind = 0; kind <= USE_KIND_COUNT; kind++) {
		if (side->kinds[kind])
			json_object_set_new(object, kind_name(kind), number(side->kinds[kind]));
	}
	return object;
}

static json_t *who_of(const struct report_who *who)
{
	json_t *object = json_object();
	json_object_set_new(object, "database", text(who->database));
	json_object_set_new(object, "user", text(who->user));
	json_object_set_new(object, "application", text(who->application));
	json_object_set_new(object, "address", text(who->address));
	json_object_set_new(object, "controller", text(who->controller));
	json_object_set_new(object, "route", text(who->route));
	json_object_set_new(object, "action", text(who->action));
	set_counts(object, &who->counts);
	return object;
}

static json_t *texts(const char *const *values, size_t count)
{
	json_t *array = json_array();
	for (size_t i = 0; i < count; i++)
		json_array_append_new(array, text(values[i]));
	return array;
}

static json_t *statement_of(const struct report_statement *statement)
{
	char hash[20];
	json_t *object = json_object();
	snprintf(hash, sizeof(hash), "%016" PRIx64, statement->hash);
	json_object_set_new(object, "statement", text(statement->text));
	json_object_set_new(object, "hash", text(hash));
	json_object_set_new(object, "kind", text(kind_name((int)statement->kind)));
	json_object_set_new(object, "columns", texts(statement->columns, statement->column_count));
	json_object_set_new(object, "forecast", text(statement->forecast));
	json_object_set_new(object, "forecast_reason", text(statement->forecast_reason));
	set_counts(object, &statement->counts);
	return object;
}

static json_t *side_of(const struct report_side *side)
{
	json_t *object = json_object(), *clients = json_array(), *statements = json_array();
	set_counts(object, &side->counts);
	json_object_set_new(object, "kinds", kinds(side));
	for (size_t i = 0; i < side->who_count; i++)
		json_array_append_new(clients, who_of(side->who[i]));
	for (size_t i = 0; i < side->statement_count; i++)
		json_array_append_new(statements, statement_of(side->statements[i]));
	json_object_set_new(object, "clients", clients);
	json_object_set_new(object, "statements", statements);
	json_object_set_new(object, "statements_left_out", number(side->statements_left_out));
	return object;
}

static json_t *verdict_of(const struct report_table *table)
{
	json_t *object = json_object();
	json_object_set_new(object, "code", text(report_verdict_name(table->verdict)));
	json_object_set_new(object, "text", text(table->verdict_text));
	json_object_set_new(object, "old_last_seen", moment(table->old_last_ms));
	json_object_set_new(object, "old_applications", number(table->old_applications));
	json_object_set_new(object, "observed_seconds", seconds(table->observed_ms));
	json_object_set_new(object, "unobserved_seconds", seconds(table->unobserved_ms));
	return object;
}

static json_t *column_of(const struct report_column *column)
{
	json_t *object = json_object();
	json_object_set_new(object, "column", text(column->name));
	json_object_set_new(object, "deprecated", json_boolean(column->deprecated));
	json_object_set_new(object, "old_count", number(column->counts[SIDE_OLD]));
	json_object_set_new(object, "new_count", number(column->counts[SIDE_NEW]));
	json_object_set_new(object, "last_seen", moment(column->last_ms));
	json_object_set_new(object, "applications", texts(column->applications, column->application_count));
	return object;
}

static json_t *columns_of(const struct report_table *table)
{
	json_t *array = json_array();
	for (size_t i = 0; i < table->column_count; i++)
		json_array_append_new(array, column_of(table->columns[i]));
	return array;
}

static json_t *next_of(const struct report_forecast *forecast)
{
	json_t *object = json_object();
	json_object_set_new(object, "stage", text(forecast->stage));
	json_object_set_new(object, "fine", number(forecast->fine));
	json_object_set_new(object, "opaque", number(forecast->opaque));
	json_object_set_new(object, "refused", number(forecast->refused));
	json_object_set_new(object, "not_tried", number(forecast->unknown));
	return object;
}

static json_t *numbers(const uint64_t *values, size_t count)
{
	json_t *array = json_array();
	for (size_t i = 0; i < count; i++)
		json_array_append_new(array, number(values[i]));
	return array;
}

static json_t *span(int64_t from_ms, const uint64_t *old_counts, const uint64_t *new_counts, size_t count)
{
	json_t *object = json_object();
	json_object_set_new(object, "from", moment(from_ms));
	json_object_set_new(object, "old", numbers(old_counts, count));
	json_object_set_new(object, "new", numbers(new_counts, count));
	return object;
}

static json_t *series(const struct report *report, const struct report_table *table)
{
	json_t *object = json_object();
	json_object_set_new(object, "hours", span(report_hours_from_ms(report), table->hours[SIDE_OLD],
						  table->hours[SIDE_NEW], REPORT_HOURS));
	json_object_set_new(object, "days", span(report_days_from_ms(report), table->days[SIDE_OLD],
						 table->days[SIDE_NEW], REPORT_DAYS));
	return object;
}

static json_t *table_of(const struct report *report, const struct report_table *table, const bool sides[2])
{
	json_t *object = json_object();
	json_object_set_new(object, "table", text(table->name));
	json_object_set_new(object, "new_name", text(table->new_name));
	json_object_set_new(object, "stage", text(table->stage));
	json_object_set_new(object, "in_map", report->map_known ? json_boolean(table->in_map) : json_null());
	json_object_set_new(object, "in_map_since", moment(table->declared_ms));
	json_object_set_new(object, "verdict", verdict_of(table));
	json_object_set_new(object, "series", series(report, table));
	json_object_set_new(object, "next", table->forecast.stage ? next_of(&table->forecast) : json_null());
	json_object_set_new(object, "columns", columns_of(table));
	json_object_set_new(object, "blockers", texts(table->blockers, table->blocker_count));
	for (int side = SIDE_OLD; side <= SIDE_NEW; side++) {
		if (sides[side])
			json_object_set_new(object, side_name((enum side)side), side_of(&table->sides[side]));
	}
	return object;
}

static json_t *observation_of(const struct report_observation *observation)
{
	json_t *object = json_object();
	json_object_set_new(object, "host", text(observation->host));
	json_object_set_new(object, "pid", json_integer(observation->pid));
	json_object_set_new(object, "version", text(observation->version));
	json_object_set_new(object, "from", moment(observation->started_ms));
	json_object_set_new(object, "until", moment(observation->until_ms));
	json_object_set_new(object, "end", text(report_end_name(observation->end)));
	json_object_set_new(object, "lost", number(observation->lost));
	return object;
}

static json_t *gap_of(const struct report_gap *gap)
{
	json_t *object = json_object();
	json_object_set_new(object, "from", moment(gap->from_ms));
	json_object_set_new(object, "until", moment(gap->until_ms));
	json_object_set_new(object, "seconds", seconds(gap->until_ms - gap->from_ms));
	json_object_set_new(object, "after", text(report_end_name(gap->broken_off ? REPORT_BROKEN_OFF :
											    REPORT_STOPPED)));
	return object;
}

static json_t *observed(const struct report *report)
{
	json_t *object = json_object(), *intervals = json_array(), *gaps = json_array();
	for (size_t i = 0; i < report->observation_count; i++)
		json_array_append_new(intervals, observation_of(&report->observations[i]));
	for (size_t i = 0; i < report->gap_count; i++)
		json_array_append_new(gaps, gap_of(&report->gaps[i]));
	json_object_set_new(object, "seconds", seconds(report->observed_ms));
	json_object_set_new(object, "lost", json_integer(report->lost));
	json_object_set_new(object, "intervals", intervals);
	json_object_set_new(object, "gaps", gaps);
	return object;
}

static json_t *flips_of(const struct report *report)
{
	json_t *array = json_array();
	for (size_t i = 0; i < report->flip_count && i < FLIPS_MAX; i++) {
		json_t *object = json_object();
		json_object_set_new(object, "at", moment(report->flips[i].at_ms));
		json_object_set_new(object, "table", text(report->flips[i].table));
		json_object_set_new(object, "from_stage", text(report->flips[i].from));
		json_object_set_new(object, "to_stage", text(report->flips[i].to));
		json_array_append_new(array, object);
	}
	return array;
}

static json_t *bypasses_of(const struct report *report)
{
	if (!report->bypass_known)
		return json_null();
	json_t *array = json_array();
	for (size_t i = 0; i < report->bypass_count; i++) {
		json_t *object = json_object();
		json_object_set_new(object, "user", text(report->bypasses[i].user));
		json_object_set_new(object, "application", text(report->bypasses[i].application));
		json_object_set_new(object, "sessions", number(report->bypasses[i].sessions));
		json_array_append_new(array, object);
	}
	return array;
}

static json_t *asked_of(const struct report *report)
{
	json_t *array = json_array();
	for (size_t i = 0; i < report->asked_count; i++) {
		json_t *object = json_object();
		json_object_set_new(object, "database", text(report->asked[i].database));
		json_object_set_new(object, "answered", moment(report->asked[i].at_ms));
		json_object_set_new(object, "error", text(report->asked[i].error));
		json_array_append_new(array, object);
	}
	return array;
}

static json_t *filter_of(const struct report_filter *filter)
{
	json_t *object = json_object();
	json_object_set_new(object, "table", text(filter->table));
	json_object_set_new(object, "application", text(filter->application));
	json_object_set_new(object, "user", text(filter->user));
	json_object_set_new(object, "since", moment(filter->since_ms));
	json_object_set_new(object, "until", moment(filter->until_ms));
	json_object_set_new(object, "idle_days", number(filter->idle_days));
	return object;
}

void report_json(const struct report *report, const bool sides[2], struct buf *out)
{
	json_t *root = json_object(), *tables = json_array();
	for (size_t i = 0; i < report->table_count; i++)
		json_array_append_new(tables, table_of(report, report->tables[i], sides));
	json_object_set_new(root, "generated", moment(report->filter.now_ms));
	json_object_set_new(root, "filter", filter_of(&report->filter));
	json_object_set_new(root, "observed", observed(report));
	json_object_set_new(root, "series_from", moment(report->series_from_ms));
	json_object_set_new(root, "flips", flips_of(report));
	json_object_set_new(root, "bypass", bypasses_of(report));
	json_object_set_new(root, "asked", asked_of(report));
	json_object_set_new(root, "tables", tables);
	json_out_append(root, out);
}
