/* Ledgers whose rows are written by hand, and the reports of them, for tests that say what time it is. */
#ifndef CROSSFADE_TESTS_USAGE_WRITTEN_LEDGER_H
#define CROSSFADE_TESTS_USAGE_WRITTEN_LEDGER_H

#include "support.h"
#include "usage/report.h"

#define NOW INT64_C(1800000000000) /* 2027-01-15T08:00:00Z, a whole hour */
#define MINUTE INT64_C(60000)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

/* A ledger with a schema and nothing else; what it says is then written by hand. */
void ledger_begin_empty(struct ledger *ledger);
void ledger_observe(struct ledger *ledger, int64_t from_ms, int64_t until_ms, const char *stopped);
/* One use of a statement whose text is its number, at one time. */
void ledger_use(struct ledger *ledger, const char *table, const char *side, const char *kind,
		const char *application, int number, int count, int64_t at_ms);
struct report_filter filter_now(void);
struct report *report_of(struct ledger *ledger, const struct report_filter *filter,
			 const struct usage_entry *entries, size_t count);
const struct report_table *table_of(const struct report *report, const char *name);
/* Statement `number` names the column, for that application. */
void ledger_name_column(struct ledger *ledger, const char *side, const char *application, int number,
			const char *column, int count, int64_t at_ms);
void ledger_foretell(struct ledger *ledger, int number, const char *stage, const char *outcome,
		     const char *reason);
/* The table goes from one stage to the other. */
void ledger_flip(struct ledger *ledger, const char *from, const char *to, int64_t at_ms);

#endif
