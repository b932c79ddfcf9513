#include "app/report_text.h"

#include "app/text_table.h"
#include "app/when.h"

#include <inttypes.h>
#include <string.h>

enum { WHO_MAX = 10, GAPS_MAX = 5, FLIPS_MAX = 5, BYPASSES_MAX = 10, FORESEEN_MAX = 5, INDENT = 2, INDENT_LIST = 6,
       VERDICT_WIDTH = 10, SENTENCE_LEAST = 30 };

static const char *const verdict_words[] = {
	[REPORT_IN_USE] = "in use",   [REPORT_BLOCKED] = "blocked",   [REPORT_DEPRECATED] = "deprecated",
	[REPORT_UNKNOWN] = "unknown", [REPORT_BYPASSED] = "bypassed", [REPORT_READY] = "ready",
	[REPORT_SAME] = "same",
};
#define RED "\x1b[31m"
#define YELLOW "\x1b[33m"
static const char *const verdict_colours[] = {
	[REPORT_IN_USE] = RED,	    [REPORT_BLOCKED] = RED,	[REPORT_DEPRECATED] = YELLOW,
	[REPORT_UNKNOWN] = YELLOW,  [REPORT_BYPASSED] = YELLOW, [REPORT_READY] = "\x1b[32m",
	[REPORT_SAME] = "\x1b[2m",
};

struct page {
	struct report *report;
	const struct report_text_style *style;
	struct arena *arena;
	struct buf *out;
};

static const char *on(const struct page *page, const char *code)
{
	return page->style->colour ? code : "";
}

static const char *bold(const struct page *page)
{
	return on(page, "\x1b[1m");
}

static const char *plain(const struct page *page)
{
	return on(page, "\x1b[0m");
}

/* 1234567 -> 1,234,567 */
static const char *number(const struct page *page, uint64_t value)
{
	char digits[24];
	int len = snprintf(digits, sizeof(digits), "%" PRIu64, value);
	char *text = arena_alloc(page->arena, (size_t)len * 2), *at = text;
	for (int i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			*at++ = ',';
		*at++ = digits[i];
	}
	return text;
}

static const char *minute(const struct page *page, int64_t ms)
{
	char text[WHEN_BYTES];
	return arena_strdup(page->arena, ms ? when_print_minute(ms, text) : "never");
}

/* ---- what was observed ---- */

/* The latest ones; what is shorter than a second is no news to a reader. */
static void print_gaps(const struct page *page)
{
	const struct report *report = page->report;
	size_t shown = 0;
	for (size_t i = report->gap_count; i-- > 0 && shown < GAPS_MAX;) {
		const struct report_gap *gap = &report->gaps[i];
		if (gap->until_ms - gap->from_ms < 1000)
			continue;
		buf_printf(page->out, "Not observed: %s from %s on, after the proxy %s.\n",
			   report_duration(page->arena, gap->until_ms - gap->from_ms), minute(page, gap->from_ms),
			   gap->broken_off ? "was killed or crashed" : "was stopped");
		shown++;
	}
	if (report->gap_count > GAPS_MAX)
		buf_printf(page->out, "%zu gaps in all.\n", report->gap_count);
}

static bool is_running(const struct report *report)
{
	for (size_t i = 0; i < report->observation_count; i++) {
		if (report->observations[i].end == REPORT_RUNNING)
			return true;
	}
	return false;
}

static void print_window(const struct page *page)
{
	const struct report_filter *filter = &page->report->filter;
	if (!filter->since_ms && !filter->until_ms)
		return;
	buf_append_str(page->out, "Counts");
	if (filter->since_ms)
		buf_printf(page->out, " since %s", minute(page, filter->since_ms));
	if (filter->until_ms)
		buf_printf(page->out, " until %s", minute(page, filter->until_ms));
	buf_append_str(page->out, ", in whole hours (older ones in whole days). Verdicts are as of now.\n");
	if (filter->since_ms && page->report->series_from_ms > filter->since_ms)
		buf_printf(page->out, "The time series begins at %s only.\n",
			   minute(page, page->report->series_from_ms));
}

static void print_head(const struct page *page)
{
	const struct report *report = page->report;
	buf_printf(page->out, "%sUsage of mapped tables%s, %s UTC\n", bold(page), plain(page),
		   minute(page, report->filter.now_ms));
	if (!report->observation_count)
		buf_append_str(page->out, "Nothing has been observed yet.\n");
	else
		buf_printf(page->out, "Observed since %s for %s; the proxy is %s.\n",
			   minute(page, report->observations[0].started_ms), report_duration(page->arena, report->observed_ms),
			   is_running(report) ? "running" : "not running");
	print_gaps(page);
	if (report->lost)
		buf_printf(page->out, "Lost: %s counts could not be written.\n",
			   number(page, (uint64_t)report->lost));
	print_window(page);
}

/* ---- one table ---- */

static const char *kinds(const struct page *page, const struct report_side *side)
{
	const char *text = "";
	for (int kind = 0; kind <= USE_KIND_COUNT; kind++) {
		if (side->kinds[kind])
			text = arena_printf(page->arena, "%s%s%s %s", text, *text ? ", " : "",
					    kind < USE_KIND_COUNT ? use_kind_name((enum use_kind)kind) : "unknown",
					    number(page, side->kinds[kind]));
	}
	return text;
}

static const char *oddities(const struct page *page, const struct report_counts *counts)
{
	const struct { uint64_t value; const char *word; } items[] = {
		{ counts->rewritten, "rewritten" }, { counts->refused, "refused" },
		{ counts->errors, "failed" }, { counts->unparsed, "not parsed" } };
	const char *text = "";
	for (size_t i = 0; i < sizeof(items) / sizeof(items[0]); i++) {
		if (items[i].value)
			text = arena_printf(page->arena, "%s; %s %s", text,
					    items[i].value == counts->total ? "all" : number(page, items[i].value),
					    items[i].word);
	}
	return text;
}

/* The application, and where in its code the statement is. */
static const char *name_of(const struct page *page, const struct report_who *who)
{
	const char *name = *who->application ? who->application : "(no name)";
	const char *mark = *who->controller && *who->action ? "#" : "";
	if (!*who->controller && !*who->action && !*who->route)
		return name;
	return arena_printf(page->arena, "%s (%s%s%s%s%s)", name, who->controller, mark, who->action,
			    *who->route && (*who->controller || *who->action) ? " " : "", who->route);
}

static void print_who(const struct page *page, const struct report_side *side)
{
	static const struct text_column columns[] = { { .elastic = true }, { 0 }, { 0 }, { .right = true }, { 0 } };
	size_t shown = side->who_count > WHO_MAX ? WHO_MAX : side->who_count;
	struct text_table table;
	text_table_init(&table, page->arena, columns, 5);
	for (size_t i = 0; i < shown; i++) {
		const struct report_who *who = side->who[i];
		text_table_add(&table, (const char *[]){
			name_of(page, who),
			arena_printf(page->arena, "%s@%s", who->user, who->database), who->address,
			number(page, who->counts.total),
			arena_printf(page->arena, "last %s", minute(page, who->counts.last_ms)) });
	}
	text_table_print(&table, INDENT_LIST, page->style->width, page->out);
	if (shown < side->who_count)
		buf_printf(page->out, "%*s... and %zu more clients\n", INDENT_LIST, "", side->who_count - shown);
}

static void print_statements(const struct page *page, const struct report_side *side)
{
	static const struct text_column columns[] = { { .right = true }, { .elastic = true } };
	struct text_table table;
	text_table_init(&table, page->arena, columns, 2);
	for (size_t i = 0; i < side->statement_count; i++)
		text_table_add(&table, (const char *[]){ number(page, side->statements[i]->counts.total),
							 side->statements[i]->text });
	text_table_print(&table, INDENT_LIST, page->style->width, page->out);
	if (side->statements_left_out)
		buf_printf(page->out, "%*s... and %zu more statements\n", INDENT_LIST, "", side->statements_left_out);
}

static const char *names_of(const struct report_table *table, enum side side)
{
	if (report_is_same_name(table))
		return "used";
	return side == SIDE_OLD ? "old names" : "new names";
}

static void print_side(const struct page *page, const struct report_table *table, enum side which)
{
	const struct report_side *side = &table->sides[which];
	if (!side->counts.total) {
		buf_printf(page->out, "%*s%s: not used\n", INDENT, "", names_of(table, which));
		return;
	}
	buf_printf(page->out, "%*s%s%s: %s%s (%s)%s\n", INDENT, "", bold(page), names_of(table, which),
		   number(page, side->counts.total), plain(page), kinds(page, side),
		   oddities(page, &side->counts));
	buf_printf(page->out, "%*sfirst %s, last %s\n", INDENT + 2, "", minute(page, side->counts.first_ms),
		   minute(page, side->counts.last_ms));
	print_who(page, side);
	print_statements(page, side);
}

/* ---- columns and the next stage ---- */

static const char *columns(const struct page *page, const struct report_table *table, bool deprecated)
{
	const char *text = "";
	for (size_t i = 0; i < table->column_count; i++) {
		const struct report_column *column = table->columns[i];
		uint64_t count = column->counts[SIDE_OLD] + column->counts[SIDE_NEW];
		if (column->deprecated == deprecated && (count || deprecated))
			text = arena_printf(page->arena, "%s%s%s %s", text, *text ? ", " : "", column->name,
					    count ? number(page, count) : "never");
	}
	return text;
}

static void print_labelled(const struct page *page, const char *label, const char *text)
{
	if (!*text)
		return;
	buf_printf(page->out, "%*s%s: ", INDENT, "", label);
	text_append_wrapped(page->out, text, INDENT_LIST, page->style->width);
	buf_append_byte(page->out, '\n');
}

static const char *foreseen(const struct page *page, const struct report_forecast *forecast)
{
	const struct { size_t value; const char *word; } items[] = {
		{ forecast->refused, "would be refused" }, { forecast->opaque, "opaque" },
		{ forecast->fine, "fine" }, { forecast->unknown, "not tried" } };
	const char *text = "";
	for (size_t i = 0; i < sizeof(items) / sizeof(items[0]); i++) {
		if (items[i].value)
			text = arena_printf(page->arena, "%s%s%s %s", text, *text ? ", " : "",
					    number(page, items[i].value), items[i].word);
	}
	return text;
}

/* The first statements that the next stage would stop or cannot see through, and why. */
static void print_foreseen(const struct page *page, const struct report_side *side, size_t *shown)
{
	for (size_t i = 0; i < side->statement_count && *shown < FORESEEN_MAX; i++) {
		const struct report_statement *statement = side->statements[i];
		if (!statement->forecast || strcmp(statement->forecast, "fine") == 0)
			continue;
		const char *text = arena_printf(page->arena, "%s: %s", statement->forecast, statement->text);
		buf_printf(page->out, "%*s", INDENT_LIST, "");
		text_append_cut(page->out, text, page->style->width - INDENT_LIST);
		buf_append_byte(page->out, '\n');
		if (statement->forecast_reason) {
			buf_printf(page->out, "%*s", INDENT_LIST + 2, "");
			text_append_wrapped(page->out, statement->forecast_reason, INDENT_LIST + 2,
					    page->style->width);
			buf_append_byte(page->out, '\n');
		}
		++*shown;
	}
}

static void print_forecast(const struct page *page, const struct report_table *table)
{
	size_t shown = 0;
	if (!table->forecast.stage)
		return;
	print_labelled(page, arena_printf(page->arena, "statements at stage %s", table->forecast.stage),
		       foreseen(page, &table->forecast));
	print_foreseen(page, &table->sides[SIDE_OLD], &shown);
	print_foreseen(page, &table->sides[SIDE_NEW], &shown);
}

static bool has_counts(const struct report_table *table, const bool sides[2])
{
	return (sides[SIDE_OLD] && table->sides[SIDE_OLD].counts.total) ||
	       (sides[SIDE_NEW] && table->sides[SIDE_NEW].counts.total);
}

static void print_table(const struct page *page, const struct report_table *table, const bool sides[2])
{
	buf_printf(page->out, "\n%s%s%s", bold(page), table->name, plain(page));
	if (table->new_name && !report_is_same_name(table))
		buf_printf(page->out, " -> %s", table->new_name);
	if (table->stage)
		buf_printf(page->out, ", stage %s", table->stage);
	if (page->report->map_known && !table->in_map)
		buf_append_str(page->out, " (no longer in the map)");
	buf_append_byte(page->out, '\n');
	for (int side = SIDE_OLD; side <= SIDE_NEW; side++) {
		if (sides[side] && !(side == SIDE_NEW && report_is_same_name(table)))
			print_side(page, table, (enum side)side);
	}
	print_labelled(page, "columns", columns(page, table, false));
	print_labelled(page, "deprecated columns", columns(page, table, true));
	print_forecast(page, table);
}

/* ---- flips and direct sessions ---- */

static void print_flips(const struct page *page)
{
	static const struct text_column shape[] = { { 0 }, { .elastic = true }, { 0 } };
	const struct report *report = page->report;
	struct text_table table;
	text_table_init(&table, page->arena, shape, 3);
	for (size_t i = 0; i < report->flip_count && i < FLIPS_MAX; i++) {
		const struct report_flip *flip = &report->flips[i];
		text_table_add(&table, (const char *[]){ minute(page, flip->at_ms), flip->table,
							 arena_printf(page->arena, "%s -> %s", flip->from, flip->to) });
	}
	if (report->flip_count)
		buf_printf(page->out, "\n%sRecent flips%s\n", bold(page), plain(page));
	text_table_print(&table, INDENT, page->style->width, page->out);
}

static void print_bypasses(const struct page *page)
{
	static const struct text_column shape[] = { { .right = true }, { .elastic = true }, { 0 } };
	const struct report *report = page->report;
	struct text_table table;
	text_table_init(&table, page->arena, shape, 3);
	for (size_t i = 0; i < report->bypass_count && i < BYPASSES_MAX; i++) {
		const struct report_bypass *bypass = &report->bypasses[i];
		text_table_add(&table, (const char *[]){ number(page, bypass->sessions),
							 *bypass->application ? bypass->application : "(no name)",
							 arena_printf(page->arena, "user %s", bypass->user) });
	}
	if (report->bypass_count)
		buf_printf(page->out, "\n%sSessions past the proxy%s, which the ledger does not see\n", bold(page),
			   plain(page));
	text_table_print(&table, INDENT, page->style->width, page->out);
}

/* ---- verdicts ---- */

static void print_verdicts(const struct page *page)
{
	const struct report *report = page->report;
	size_t widest = 0;
	for (size_t i = 0; i < report->table_count; i++) {
		size_t length = text_length(report->tables[i]->name);
		if (length > widest)
			widest = length;
	}
	buf_printf(page->out, "\n%sVerdicts%s (old names; ready means not seen for %u days)\n", bold(page), plain(page),
		   report->filter.idle_days);
	size_t column = INDENT + VERDICT_WIDTH + 2 + widest + 2;
	bool narrow = page->style->width < column + SENTENCE_LEAST;
	for (size_t i = 0; i < report->table_count; i++) {
		const struct report_table *table = report->tables[i];
		buf_printf(page->out, "%*s%s%-*s%s  %s%*s", INDENT, "", on(page, verdict_colours[table->verdict]),
			   VERDICT_WIDTH, verdict_words[table->verdict], plain(page), table->name,
			   narrow ? 0 : (int)(widest - text_length(table->name)) + 2, "");
		if (narrow)
			buf_printf(page->out, "\n%*s", INDENT_LIST, "");
		text_append_wrapped(page->out, table->verdict_text, narrow ? INDENT_LIST : column, page->style->width);
		buf_append_byte(page->out, '\n');
	}
}

void report_text_verdict(const struct report_table *table, struct buf *out)
{
	buf_printf(out, "%s: %s: %s\n", table->name, verdict_words[table->verdict], table->verdict_text);
}

void report_text(struct report *report, const bool sides[2], const struct report_text_style *style,
		 struct buf *out)
{
	struct page page = { report, style, &report->arena, out };
	print_head(&page);
	for (size_t i = 0; i < report->table_count; i++) {
		if (has_counts(report->tables[i], sides))
			print_table(&page, report->tables[i], sides);
	}
	print_flips(&page);
	print_bypasses(&page);
	if (report->table_count)
		print_verdicts(&page);
	else
		buf_append_str(out, "\nNo mapped table has been used, and no map says which there are.\n");
}
