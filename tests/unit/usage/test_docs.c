/* The queries that docs/usage.md shows run on a ledger as it is. */
#include "support.h"

#include <sqlite3.h>
#include <string.h>

static void run(sqlite3 *db, const char *sql, size_t len)
{
	sqlite3_stmt *statement;
	cr_assert_eq(sqlite3_prepare_v2(db, sql, (int)len, &statement, NULL), SQLITE_OK, "%s\n%.*s",
		     sqlite3_errmsg(db), (int)len, sql);
	cr_assert_eq(sqlite3_step(statement), SQLITE_DONE, "%s\n%.*s", sqlite3_errmsg(db), (int)len, sql);
	sqlite3_finalize(statement);
}

Test(docs, example_queries_run)
{
	static char text[65536];
	static const char opening[] = "```sql\n";
	struct ledger ledger;
	sqlite3 *db;
	int count = 0;
	FILE *file = fopen(USAGE_DOC, "r");
	cr_assert_not_null(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	ledger_init(&ledger);
	usage_close(ledger_open(&ledger));
	ledger_exec(&ledger, "DELETE FROM observations");
	cr_assert_eq(sqlite3_open(ledger.path, &db), SQLITE_OK);
	for (const char *at = text; (at = strstr(at, opening)); count++) {
		at += strlen(opening);
		const char *end = strstr(at, "```");
		cr_assert_not_null(end);
		run(db, at, (size_t)(end - at));
		at = end;
	}
	cr_assert_geq(count, 5);
	sqlite3_close(db);
	ledger_deinit(&ledger);
}
