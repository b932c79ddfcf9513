#include "app/report_changes.h"

#include "app/csv.h"
#include "app/json_out.h"
#include "app/text_table.h"
#include "app/when.h"

#include <inttypes.h>
#include <string.h>

enum { INDENT = 2 };

static const char *word(const struct report_change *change)
{
	return change->stopped ? "stopped" : "new";
}

static bool is_shown(const struct report_changes *changes, const struct report_change *change)
{
	return changes->sides[change->side];
}

/* ---- text ---- */

static const char *minute(struct arena *arena, int64_t ms)
{
	char text[WHEN_BYTES];
	return arena_strdup(arena, when_print_minute(ms, text));
}

static const char *subject(struct arena *arena, const struct report_change *change)
{
	if (change->kind == REPORT_CHANGE_STATEMENT)
		return change->statement;
	return arena_printf(arena, "%s (%s@%s)", *change->application ? change->application : "(no name)",
			    change->user, change->database);
}

static void print_gap(const struct report_changes *changes, int stretch, struct arena *arena, struct buf *out)
{
	int64_t ms = changes->unobserved_ms[stretch];
	if (ms >= 60000)
		buf_printf(out, "Of the time %s, %s were not observed: what is %s may only be unseen.\n",
			   stretch ? "since" : "before", report_duration(arena, ms), stretch ? "stopped" : "new");
}

static void print_head(const struct report_changes *changes, struct arena *arena, struct buf *out)
{
	buf_printf(out, "What has changed from %s on", minute(arena, changes->at_ms));
	buf_printf(out, " until %s, compared with the time from %s on\n", minute(arena, changes->until_ms),
		   minute(arena, changes->from_ms));
	print_gap(changes, 0, arena, out);
	print_gap(changes, 1, arena, out);
}

static bool same_place(const struct report_change *a, const struct report_change *b)
{
	return a && strcmp(a->table, b->table) == 0 && a->side == b->side;
}

static void flush_rows(struct text_table *rows, const struct report_text_style *style, struct buf *out)
{
	text_table_print(rows, INDENT, style->width, out);
	rows->row_count = 0;
}

void report_changes_text(const struct report_changes *changes, const struct report_text_style *style, struct buf *out)
{
	static const struct text_column columns[] = { { 0 }, { .elastic = true }, { .right = true }, { 0 } };
	const struct report_change *last = NULL;
	struct arena arena;
	struct text_table rows;
	arena_init(&arena);
	text_table_init(&rows, &arena, columns, 4);
	print_head(changes, &arena, out);
	for (size_t i = 0; i < changes->diff.count; i++) {
		const struct report_change *change = &changes->diff.changes[i];
		if (!is_shown(changes, change))
			continue;
		if (!same_place(last, change)) {
			flush_rows(&rows, style, out);
			buf_printf(out, "\n%s%s%s, %s name\n", style->colour ? "\x1b[1m" : "", change->table,
				   style->colour ? "\x1b[0m" : "", side_name(change->side));
		}
		last = change;
		int64_t at_ms = change->stopped ? change->counts.last_ms : change->counts.first_ms;
		text_table_add(&rows, (const char *[]){
			word(change), subject(&arena, change), arena_printf(&arena, "%" PRIu64, change->counts.total),
			arena_printf(&arena, "%s %s", change->stopped ? "last" : "first", minute(&arena, at_ms)) });
	}
	flush_rows(&rows, style, out);
	if (!last)
		buf_append_str(out, "Nothing has stopped, and nothing is new.\n");
	arena_deinit(&arena);
}

/* ---- JSON ---- */

static json_t *moment(int64_t ms)
{
	char iso[WHEN_BYTES];
	return json_string(when_print_iso(ms, iso));
}

static json_t *text(const char *value)
{
	return value ? json_string(value) : json_null();
}

static json_t *change_of(const struct report_change *change)
{
	json_t *object = json_object();
	json_object_set_new(object, "change", text(word(change)));
	json_object_set_new(object, "table", text(change->table));
	json_object_set_new(object, "side", text(side_name(change->side)));
	json_object_set_new(object, "what", text(change->statement ? "statement" : "client"));
	json_object_set_new(object, "database", text(change->database));
	json_object_set_new(object, "user", text(change->user));
	json_object_set_new(object, "application", text(change->application));
	json_object_set_new(object, "statement", text(change->statement));
	json_object_set_new(object, "count", json_integer((json_int_t)change->counts.total));
	json_object_set_new(object, "first_seen", moment(change->counts.first_ms));
	json_object_set_new(object, "last_seen", moment(change->counts.last_ms));
	return object;
}

void report_changes_json(const struct report_changes *changes, struct buf *out)
{
	json_t *root = json_object(), *items = json_array();
	for (size_t i = 0; i < changes->diff.count; i++) {
		if (is_shown(changes, &changes->diff.changes[i]))
			json_array_append_new(items, change_of(&changes->diff.changes[i]));
	}
	json_object_set_new(root, "from", moment(changes->from_ms));
	json_object_set_new(root, "at", moment(changes->at_ms));
	json_object_set_new(root, "until", moment(changes->until_ms));
	json_object_set_new(root, "unobserved_seconds_before", json_integer(changes->unobserved_ms[0] / 1000));
	json_object_set_new(root, "unobserved_seconds_after", json_integer(changes->unobserved_ms[1] / 1000));
	json_object_set_new(root, "changes", items);
	json_out_append(root, out);
}

/* ---- CSV ---- */

void report_changes_csv(const struct report_changes *changes, struct buf *out)
{
	struct csv csv = { .out = out };
	char iso[WHEN_BYTES];
	csv_heading(&csv, "change,table,side,what,database,user,application,statement,count,first_seen,last_seen");
	for (size_t i = 0; i < changes->diff.count; i++) {
		const struct report_change *change = &changes->diff.changes[i];
		if (!is_shown(changes, change))
			continue;
		const char *const cells[] = { word(change), change->table, side_name(change->side),
					      change->statement ? "statement" : "client", change->database,
					      change->user, change->application, change->statement };
		for (size_t k = 0; k < sizeof(cells) / sizeof(cells[0]); k++)
			csv_text(&csv, cells[k]);
		csv_number(&csv, change->counts.total);
		csv_text(&csv, when_print_iso(change->counts.first_ms, iso));
		csv_text(&csv, when_print_iso(change->counts.last_ms, iso));
		csv_end_row(&csv);
	}
}
