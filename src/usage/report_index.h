/* Inside the report: finding the struct a row of the ledger adds to. */
#ifndef CROSSFADE_USAGE_REPORT_INDEX_H
#define CROSSFADE_USAGE_REPORT_INDEX_H

#include "usage/hash_table.h"
#include "usage/report.h"

struct report_index {
	struct report_key *keys; /* uthash */
};

/* One row of the ledger. Texts are borrowed. */
struct report_row {
	const char *table, *new_name, *stage;
	const char *side, *kind;
	const char *database, *user, *application, *address;
	const char *controller, *route, *action;
	const char *statement;
	uint64_t hash;
	struct report_counts counts;
};

struct report_index *report_index_new(void);
void report_index_free(struct report_index *index);

/* Made when there is none. */
struct report_table *report_table_of(struct report *report, const char *name);
void report_add_row(struct report *report, const struct report_row *row);
/* Old uses of one application, user and fate (refused or not), over all time. */
void report_add_old_use(struct report *report, const struct report_row *row);
/* A column of a table, as one application named it. */
void report_add_column(struct report *report, const struct report_row *row, const char *column);
/* A statement of the table names a column. */
void report_add_statement_column(struct report *report, const struct report_row *row, const char *column);
/* The map says that the column is to go. */
void report_deprecate(struct report *report, const char *table, const char *column);
struct report_foreseen {
	const char *table, *side, *statement, *stage, *outcome, *reason; /* reason NULL: none */
	int64_t made_ms;
};
void report_add_forecast(struct report *report, const struct report_foreseen *foreseen);
/* Fills the lists of who and statements; ends the index. */
void report_index_collect(struct report *report);

void report_judge(struct report *report);

#endif
