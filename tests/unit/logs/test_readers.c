/* Every input is fed whole and byte by byte: pieces may end anywhere. */
#include "base/buf.h"
#include "logs/csv_log.h"
#include "logs/json_log.h"
#include "logs/sql_text.h"
#include "logs/text_log.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdlib.h>

enum format { TEXT, CSV, JSON, SQL };

static const char *or_dash(const char *text)
{
	return text ? text : "-";
}

static void on_record(void *context, const struct log_record *record)
{
	struct buf *out = context;
	if (record->ends)
		buf_append_str(out, "END");
	if (record->prepared)
		buf_append_str(out, "RAN ");
	buf_append_slice(out, record->sql);
	buf_printf(out, " |%s %s %s %s%s%s\n", or_dash(record->user), or_dash(record->database), or_dash(record->application),
		   or_dash(record->address), record->failed ? " failed" : "", record->session ? "" : " no session");
}

static const char *prefix = "%m [%p] %q%u@%d/%a/%r ";

static struct log_losses feed(enum format format, struct slice input, size_t step, struct buf *out)
{
	struct log_reader reader = { .context = out, .record = on_record };
	struct error error;
	struct text_log *text = NULL;
	if (format == TEXT)
		cr_assert(text_log_new(prefix, &reader, &text, &error), "%s", error.message);
	struct csv_log *csv = csv_log_new(&reader);
	struct json_log *json = json_log_new(&reader);
	struct sql_text *sql = sql_text_new("f.sql", &reader);
	for (size_t at = 0; at < input.len; at += step) {
		struct slice bytes = slice_of(input.data + at, input.len - at < step ? input.len - at : step);
		if (format == TEXT)
			text_log_feed(text, bytes);
		else if (format == CSV)
			csv_log_feed(csv, bytes);
		else if (format == JSON)
			json_log_feed(json, bytes);
		else
			sql_text_feed(sql, bytes);
	}
	if (format == TEXT)
		text_log_end(text);
	else if (format == CSV)
		csv_log_end(csv);
	else if (format == JSON)
		json_log_end(json);
	else
		sql_text_end(sql);
	text_log_free(text);
	csv_log_free(csv);
	json_log_free(json);
	sql_text_free(sql);
	return reader.losses;
}

static void expect_all(enum format format, const char *input, const char *records, uint64_t unreadable, uint64_t cut)
{
	static const size_t steps[] = { 1, 7, 1 << 20 };
	for (size_t i = 0; i < 3; i++) {
		struct buf out;
		buf_init(&out);
		struct log_losses losses = feed(format, slice_str(input), steps[i], &out);
		cr_expect_str_eq(buf_cstr(&out), records, "step %zu:\n%s  not\n%s", steps[i], buf_cstr(&out), records);
		cr_expect_eq(losses.unreadable, unreadable, "%s: %" PRIu64 " unreadable", input, losses.unreadable);
		cr_expect_eq(losses.cut, cut, "%s: %" PRIu64 " cut", input, losses.cut);
		buf_deinit(&out);
	}
}

static void expect(enum format format, const char *input, const char *records)
{
	expect_all(format, input, records, 0, 0);
}

#define HEAD "2026-11-20 17:12:27.123 UTC [42] "

Test(text_log, entries_and_their_lines)
{
	expect(TEXT, HEAD "ann@shop/psql/[local] LOG:  statement: SELECT 1,\n\t2\n\t\n\t3\n" HEAD "LOG:  checkpoint starting: time\n",
	       "SELECT 1,\n2\n\n3 |ann shop psql local\n");
	expect(TEXT, HEAD "ann@shop/my app/10.0.0.1(5432) LOG:  duration: 0.1 ms  execute <unnamed>: SELECT $1\n" HEAD
		     "ann@shop/my app/10.0.0.1(5432) DETAIL:  parameters: $1 = 'secret'\n",
	       "SELECT $1 |ann shop my app 10.0.0.1\n");
	expect(TEXT, HEAD "ann@shop//::1(5432) ERROR:  relation \"x\" does not exist at character 15\n" HEAD
		     "ann@shop//::1(5432) STATEMENT:  SELECT * FROM x\n",
	       "SELECT * FROM x |ann shop - ::1 failed\n");
	expect(TEXT, HEAD "[unknown]@[unknown]/[unknown]/[local] LOG:  connection received: host=[local]\r\n", "");
	expect(TEXT, HEAD "a/b@c@d/LOG:  x/e/h(1) LOG:  statement: SELECT 1\n", "SELECT 1 |a/b c@d LOG:  x/e h\n");
	expect(TEXT, HEAD "a@b/c/d LOG:  disconnection: session time: 0:00:00.1 user=a\n", "END |a b c d\n");
}

Test(text_log, what_is_no_log)
{
	expect_all(TEXT, "hello\nworld\n", "", 2, 0);
	expect_all(TEXT, "rest of an entry\n" HEAD "a@b/c/d LOG:  statement: SELECT 1", "SELECT 1 |a b c d\n", 1, 0);
	expect_all(TEXT, "", "", 0, 0);
}

Test(text_log, other_prefixes)
{
	prefix = "%t:%r:%u@%d:[%p]: ";
	expect(TEXT, "2026-11-20 17:12:27 UTC:10.0.0.1(42):ann@shop:[17]: LOG:  statement: SELECT 1\n", "SELECT 1 |ann shop - 10.0.0.1\n");
	prefix = "";
	expect(TEXT, "LOG:  statement: SELECT 1\n", "SELECT 1 |- - - - no session\n");
	prefix = "%n %c %-10u%%%x ";
	expect(TEXT, "1795194747.123 691f.2a ann       %0 LOG:  statement: SELECT 1\n", "SELECT 1 |ann - - -\n");
	struct log_reader reader = { 0 };
	struct text_log *log;
	struct error error;
	cr_expect_not(text_log_new("%y", &reader, &log, &error));
	cr_expect_not(text_log_new("%", &reader, &log, &error));
}

Test(text_log, memory_is_bounded)
{
	struct buf input, out;
	buf_init(&input);
	buf_init(&out);
	prefix = "%m [%p] %q%u@%d/%a/%r ";
	buf_append_str(&input, HEAD "a@b/c/d LOG:  statement: SELECT '");
	for (int i = 0; i < 3000000; i++)
		buf_append_byte(&input, 'x');
	buf_append_str(&input, "'\n" HEAD "a@b/c/d LOG:  statement: SELECT 2\n" HEAD "a@b/c/d LOG:  statement: SELECT '");
	for (int i = 0; i < 100000; i++)
		buf_append_str(&input, "yyyyyyyyy");
	buf_append_str(&input, "'");
	struct log_losses losses = feed(TEXT, buf_slice(&input), 65536, &out);
	cr_expect_eq(losses.cut, 1);
	cr_expect_eq(out.len, strlen("SELECT 2 |a b c d\n") + strlen("SELECT '' |a b c d\n") + 900000);
	buf_deinit(&input);
	buf_deinit(&out);
}

#define ROW(user, severity, message, query, application) \
	"2026-11-20 17:12:27.123 UTC,\"" user "\",\"shop\",42,\"10.0.0.1:5432\",691f.2a,1,\"SELECT\",2026-11-20 17:12:00 UTC,3/4,0," \
	severity ",00000,\"" message "\",,,,,," query ",,,\"" application "\",\"client backend\",,0\n"

Test(csv_log, rows)
{
	expect(CSV, ROW("ann", "LOG", "statement: SELECT \"\"a,b\"\"\n, 2", "", "psql"), "SELECT \"a,b\"\n, 2 |ann shop psql 10.0.0.1\n");
	expect(CSV, ROW("ann", "ERROR", "no such x", "\"SELECT x\"", ""), "SELECT x |ann shop - 10.0.0.1 failed\n");
	expect(CSV, ROW("ann", "WARNING", "careful", "\"SELECT x\"", ""), "");
	expect(CSV, ROW("ann", "LOG", "duration: 1.5 ms", "", "") ROW("bob", "LOG", "execute x: SELECT 2", "", ""),
	       "SELECT 2 |bob shop - 10.0.0.1\n");
}

/* The DETAIL of an EXECUTE says what it ran. */
Test(readers, what_an_execute_ran)
{
	expect(TEXT, "2026-11-20 17:12:27.123 UTC [42] ann@shop/x/[local] LOG:  statement: EXECUTE p(1)\n"
		     "2026-11-20 17:12:27.123 UTC [42] ann@shop/x/[local] DETAIL:  prepare: PREPARE p AS\n\tSELECT $1\n"
		     "2026-11-20 17:12:28.123 UTC [42] ann@shop/x/[local] DETAIL:  parameters: $1 = '1'\n",
	       "EXECUTE p(1) |ann shop x local\nRAN PREPARE p AS\nSELECT $1 |ann shop x local\n");
	expect(CSV, "2026-11-20 17:12:27.123 UTC,\"ann\",\"shop\",42,\"[local]\",a.b,1,\"EXECUTE\",,0/0,0,LOG,00000,"
		    "\"statement: EXECUTE p(1)\",\"prepare: PREPARE p AS SELECT \"\"a\"\"\",,,,,,,,\"x\"\n",
	       "EXECUTE p(1) |ann shop x local\nRAN PREPARE p AS SELECT \"a\" |ann shop x local\n");
	expect(JSON, "{\"timestamp\":\"2026-11-20 17:12:27.123 UTC\",\"session_id\":\"a.b\",\"error_severity\":\"LOG\","
		     "\"message\":\"statement: EXECUTE p(1)\",\"detail\":\"prepare: PREPARE p AS SELECT 1\"}",
	       "EXECUTE p(1) |- - - -\nRAN PREPARE p AS SELECT 1 |- - - -\n");
}

Test(csv_log, damage)
{
	expect_all(CSV, "nothing,of,the,kind\n" ROW("ann", "LOG", "statement: SELECT 1", "", "x"), "SELECT 1 |ann shop x 10.0.0.1\n", 1, 0);
	expect_all(CSV, "of a message\",,,,,\n" ROW("ann", "LOG", "statement: SELECT 1", "", "x"), "SELECT 1 |ann shop x 10.0.0.1\n", 1, 0);
	expect_all(CSV, "2026-11-20 17:12:27.123 UTC,\"ann\",\"shop\",42,\"un", "", 0, 1);
}

Test(json_log, lines)
{
	expect(JSON, "{\"timestamp\":\"2026-11-20 17:12:27.123 UTC\",\"user\":\"ann\",\"dbname\":\"shop\",\"remote_host\":\"[local]\","
		     "\"session_id\":\"a.b\",\"error_severity\":\"LOG\",\"message\":\"statement: SELECT 1,\\n 2\",\"application_name\":\"psql\"}\n",
	       "SELECT 1,\n 2 |ann shop psql local\n");
	expect(JSON, "{\"timestamp\":\"2026-11-20 17:12:27.123 UTC\",\"error_severity\":\"ERROR\",\"message\":\"x\",\"statement\":\"SELECT x\"}",
	       "SELECT x |- - - - failed no session\n");
	expect_all(JSON, "{\"timestamp\":\"20\n[]\nnull\n{}\n", "", 4, 0);
}

#define END "END |- - f.sql -\n"

Test(sql_text, statements)
{
	expect(SQL, "SELECT ';' ; select E'\\';' || 'a''b;';\n\\c other\nSELECT $$;$$, $a$ $$ ; $a$, \"x;\"; -- ; nothing\n/* ; /* ; */ ; */ SELECT 1",
	       "SELECT ';' ; |- - f.sql -\n"
	       " select E'\\';' || 'a''b;'; |- - f.sql -\n"
	       "\nSELECT $$;$$, $a$ $$ ; $a$, \"x;\"; |- - f.sql -\n"
	       " -- ; nothing\n/* ; /* ; */ ; */ SELECT 1 |- - f.sql -\n" END);
	expect(SQL, "COPY t FROM STDIN;\n1;\t'\n\\.\nSELECT 2;", "COPY t FROM STDIN; |- - f.sql -\nSELECT 2; |- - f.sql -\n" END);
	expect(SQL, "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 1 END; END; SELECT 3;",
	       "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 1 END; END; |- - f.sql -\n"
	       " SELECT 3; |- - f.sql -\n" END);
	expect(SQL, "SELECT 1 \\gset\nSELECT 2", "SELECT 1  |- - f.sql -\nSELECT 2 |- - f.sql -\n" END);
	expect(SQL, " ; ;\n-- only a comment\n", END);
	expect(SQL, "SELECT E'a''\\'; b';SELECT 1", "SELECT E'a''\\'; b'; |- - f.sql -\nSELECT 1 |- - f.sql -\n" END);
	expect_all(SQL, "SELECT 1; SELECT 'open", "SELECT 1; |- - f.sql -\n" END, 0, 1);
}

/* Bytes of every kind in every order end, and nothing grows. */
Test(readers, noise)
{
	struct buf out;
	char noise[20000];
	unsigned seed = 7;
	buf_init(&out);
	for (int round = 0; round < 20; round++) {
		static const char letters[] = "\"\"\n,$$'\\{}[]:;-*/aE LOG:  2026";
		for (size_t i = 0; i < sizeof(noise); i++) {
			seed = seed * 1103515245u + 12345u;
			noise[i] = round % 2 ? (char)(seed >> 16) : letters[(seed >> 16) % (sizeof(letters) - 1)];
		}
		for (int format = TEXT; format <= SQL; format++) {
			buf_clear(&out);
			feed((enum format)format, slice_of(noise, sizeof(noise)), 1000, &out);
		}
	}
	buf_deinit(&out);
}
