#include "app/report_csv.h"

#include "app/csv.h"
#include "app/when.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_moment(struct csv *csv, int64_t ms)
{
	char iso[WHEN_BYTES];
	csv_text(csv, ms ? when_print_iso(ms, iso) : NULL);
}

static void print_counts(struct csv *csv, const struct report_counts *counts)
{
	const uint64_t numbers[] = { counts->total, counts->ok, counts->errors, counts->refused,
				     counts->rows,  counts->rewritten, counts->unparsed };
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		csv_number(csv, numbers[i]);
	print_moment(csv, counts->first_ms);
	print_moment(csv, counts->last_ms);
}

static void print_who(struct csv *csv, const struct report_who *who)
{
	csv_text(csv, who->database);
	csv_text(csv, who->user);
	csv_text(csv, who->application);
	csv_text(csv, who->address);
	csv_text(csv, who->controller);
	csv_text(csv, who->route);
	csv_text(csv, who->action);
}

static void print_statement(struct csv *csv, const struct report_statement *statement)
{
	char hash[20];
	snprintf(hash, sizeof(hash), "%016" PRIx64, statement->hash);
	csv_text(csv, hash);
	csv_text(csv, statement->text);
	csv_text(csv, statement->forecast);
}

static void print_use(struct csv *csv, const struct report_table *table, enum side side, const struct report_use *use)
{
	enum use_kind kind = use->statement->kind;
	csv_text(csv, table->name);
	csv_text(csv, table->new_name);
	csv_text(csv, table->stage);
	csv_text(csv, report_verdict_name(table->verdict));
	csv_text(csv, side_name(side));
	csv_text(csv, kind < USE_KIND_COUNT ? use_kind_name(kind) : "unknown");
	print_who(csv, use->who);
	print_counts(csv, &use->counts);
	print_statement(csv, use->statement);
	csv_end_row(csv);
}

/* An entry that nobody used has a row as well: its verdict is what people look for. */
static void print_unused(struct csv *csv, const struct report_table *table)
{
	csv_text(csv, table->name);
	csv_text(csv, table->new_name);
	csv_text(csv, table->stage);
	csv_text(csv, report_verdict_name(table->verdict));
	for (int i = 0; i < 9; i++)
		csv_text(csv, NULL);
	print_counts(csv, &(struct report_counts){ 0 });
	for (int i = 0; i < 3; i++)
		csv_text(csv, NULL);
	csv_end_row(csv);
}

static int by_count(const void *a, const void *b)
{
	const struct report_use *x = *(struct report_use *const *)a, *y = *(struct report_use *const *)b;
	if (x->counts.total != y->counts.total)
		return x->counts.total > y->counts.total ? -1 : 1;
	int order = strcmp(x->statement->text, y->statement->text);
	return order ? order : strcmp(x->who->application, y->who->application);
}

static void print_side(struct csv *csv, const struct report_table *table, enum side which)
{
	const struct report_side *side = &table->sides[which];
	if (side->use_count)
		qsort(side->uses, side->use_count, sizeof(struct report_use *), by_count);
	for (size_t i = 0; i < side->use_count; i++)
		print_use(csv, table, which, side->uses[i]);
}

void report_csv(const struct report *report, const bool sides[2], struct buf *out)
{
	struct csv csv = { .out = out };
	csv_heading(&csv, "table,new_name,stage,verdict,side,kind,database,user,application,address,controller,route,"
			  "action,count,ok,errors,refused,rows,rewritten,unparsed,first_seen,last_seen,hash,statement,"
			  "forecast");
	for (size_t i = 0; i < report->table_count; i++) {
		const struct report_table *table = report->tables[i];
		bool used = (sides[SIDE_OLD] && table->sides[SIDE_OLD].use_count) ||
			    (sides[SIDE_NEW] && table->sides[SIDE_NEW].use_count);
		for (int side = SIDE_OLD; side <= SIDE_NEW; side++) {
			if (sides[side])
				print_side(&csv, table, (enum side)side);
		}
		if (!used)
			print_unused(&csv, table);
	}
}
