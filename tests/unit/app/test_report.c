/* `crossfade report` as people and scripts see it. */
#include "app/commands.h"
#include "app/text_table.h"
#include "app/when.h"

#include "../usage/support.h"

#include <argp.h>
#include <jansson.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <string.h>
#include <unistd.h>

#define DAY INT64_C(86400000)

/* ---- times ---- */

static int64_t when(const char *text)
{
	int64_t ms = -1;
	return when_parse(text, 100 * DAY, &ms) ? ms : -1;
}

Test(when, reads_dates_times_offsets_and_durations)
{
	cr_assert_eq(when("1970-01-02"), DAY);
	cr_assert_eq(when("1970-01-02T01:00"), DAY + 3600000);
	cr_assert_eq(when("1970-01-02 01:00:05Z"), DAY + 3605000);
	cr_assert_eq(when("1970-01-02T01:00+02:00"), DAY - 3600000);
	cr_assert_eq(when("7d"), 93 * DAY);
	cr_assert_eq(when("2w"), 86 * DAY);
	cr_assert_eq(when("90m"), 100 * DAY - 5400000);
}

Test(when, refuses_what_is_no_time)
{
	static const char *const wrong[] = { "", "d", "7", "7x", "-7d", "1970-13-01", "1970-02-30", "1970-01-02T",
					     "1970-01-02T25:00", "1970-01-02x", "70-01-02", "99999999999d" };
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		cr_assert_eq(when(wrong[i]), -1, "%s", wrong[i]);
}

/* ---- tables of text ---- */

Test(text_table, wraps_at_words_and_keeps_the_column)
{
	struct buf out;
	buf_init(&out);
	text_append_wrapped(&out, "one two three four five", 4, 22);
	cr_assert_str_eq(buf_cstr(&out), "one two three four\n    five");
	buf_deinit(&out);
}

Test(text_table, aligns_and_cuts_the_elastic_column_by_characters)
{
	static const struct text_column columns[] = { { .right = true }, { .elastic = true }, { 0 } };
	struct arena arena;
	struct text_table table;
	struct buf out;
	arena_init(&arena);
	buf_init(&out);
	text_table_init(&table, &arena, columns, 3);
	text_table_add(&table, (const char *[]){ "7", "short", "x" });
	text_table_add(&table, (const char *[]){ "12", "\xc3\xa9\xc3\xa9\xc3\xa9 long text that goes on", "yy" });
	text_table_print(&table, 1, 29, &out);
	cr_assert_str_eq(buf_cstr(&out), "  7  short                 x\n"
					 " 12  \xc3\xa9\xc3\xa9\xc3\xa9 long text tha...  yy\n");
	buf_deinit(&out);
	arena_deinit(&arena);
}

Test(text_table, folds_rows_that_do_not_fit)
{
	static const struct text_column columns[] = { { .elastic = true }, { 0 }, { .right = true } };
	struct arena arena;
	struct text_table table;
	struct buf out;
	arena_init(&arena);
	buf_init(&out);
	text_table_init(&table, &arena, columns, 3);
	text_table_add(&table, (const char *[]){ "an application with a long name", "postgres@aegis", "12" });
	text_table_add(&table, (const char *[]){ "short", "postgres@aegis", "7" });
	text_table_print(&table, 2, 28, &out);
	cr_assert_str_eq(buf_cstr(&out), "  an application with a l...\n    postgres@aegis  12\n  short  postgres@aegis  7\n");
	buf_deinit(&out);
	arena_deinit(&arena);
}

/* ---- the command ---- */

/* Two applications: one reads the old name of prices and is refused once, one writes the new name. */
static void fill(struct ledger *ledger)
{
	struct use read = { .side = SIDE_OLD, .kind = USE_SELECT, .flags = USE_REWRITTEN, .table = "public.prices" };
	struct use write = { .side = SIDE_NEW, .kind = USE_INSERT, .table = "public.prices" };
	struct statement_shape *old = statement_shape_new(slice_str("SELECT close FROM prices WHERE code = $1"), &read, 1);
	struct statement_shape *new = statement_shape_new(slice_str("INSERT INTO data.prices VALUES ($1)"), &write, 1);
	ledger_init(ledger);
	struct usage *usage = ledger_open(ledger);
	struct usage_counter *counter = usage_counter_new(usage);
	struct usage_who billing = who_of("billing"), loader = who_of("loader");
	struct usage_identity *identity = usage_identity_take(counter, &billing);
	for (int i = 0; i < 1500; i++)
		usage_count(counter, identity, old, i ? USAGE_OK : USAGE_REFUSED, 1);
	usage_identity_release(counter, identity);
	identity = usage_identity_take(counter, &loader);
	usage_count(counter, identity, new, USAGE_ERROR, 0);
	usage_identity_release(counter, identity);
	usage_counter_free(counter);
	usage_close(usage);
	statement_shape_unref(old);
	statement_shape_unref(new);
}

static void write_file(const struct ledger *ledger, const char *name, const char *text)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/%s", ledger->folder, name);
	FILE *file = fopen(path, "w");
	fputs(text, file);
	fclose(file);
}

static void remove_file(const struct ledger *ledger, const char *name)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/%s", ledger->folder, name);
	unlink(path);
}

/* Runs the command in a copy of the process and returns its status; what it wrote is in out. */
static int run(char *out, size_t capacity, const char *const *arguments)
{
	char *argv[16] = { "crossfade report" };
	int argc = 1, ends[2], status;
	while (arguments[argc - 1]) {
		argv[argc] = (char *)arguments[argc - 1];
		argc++;
	}
	cr_assert_eq(pipe(ends), 0);
	pid_t child = fork();
	if (child == 0) {
		dup2(ends[1], STDOUT_FILENO);
		dup2(ends[1], STDERR_FILENO);
		argp_err_exit_status = EXIT_USAGE; /* as commands_run does */
		int code = cmd_report(argc, argv);
		fflush(NULL);
		_exit(code); /* a leak check would miss the threads that fork left behind */
	}
	close(ends[1]);
	size_t len = 0;
	ssize_t got;
	while (len + 1 < capacity && (got = read(ends[0], out + len, capacity - 1 - len)) > 0)
		len += (size_t)got;
	out[len] = '\0';
	close(ends[0]);
	waitpid(child, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#define RUN(out, ...) run((out), sizeof(out), (const char *const[]){ __VA_ARGS__, NULL })

static void expect_part(const char *text, const char *part)
{
	cr_assert_not_null(strstr(text, part), "\"%s\" is not in:\n%s", part, text);
}

Test(report_command, text_names_old_uses_and_ends_with_verdicts)
{
	struct ledger ledger;
	char out[16384];
	fill(&ledger);
	setenv("COLUMNS", "100", 1);
	cr_assert_eq(RUN(out, "--ledger", ledger.path), 0, "%s", out);
	expect_part(out, "old names: 1,500 (select 1,500); all rewritten; 1 refused");
	expect_part(out, "new names: 1 (insert 1); all failed");
	expect_part(out, "SELECT close FROM prices WHERE code = $1");
	expect_part(out, "app@aegis");
	const char *verdicts = strstr(out, "Verdicts");
	cr_assert_not_null(verdicts);
	expect_part(verdicts, "in use by 1 application, most recent: billing (user app)");
	cr_assert_null(strchr(out, '\x1b'), "colour in a pipe");
	ledger_deinit(&ledger);
}

Test(report_command, lines_fit_the_width)
{
	struct ledger ledger;
	char out[16384];
	fill(&ledger);
	setenv("COLUMNS", "60", 1);
	cr_assert_eq(RUN(out, "--ledger", ledger.path, "--side", "old"), 0);
	const char *list = strstr(out, "      billing");
	cr_assert_not_null(list);
	cr_assert_null(strstr(out, "new names"));
	ledger_deinit(&ledger);
}

static json_t *parse(const char *text)
{
	json_error_t error;
	json_t *root = json_loads(text, 0, &error);
	cr_assert_not_null(root, "%s in:\n%s", error.text, text);
	return root;
}

Test(report_command, json_has_the_documented_keys_and_exact_numbers)
{
	struct ledger ledger;
	char out[32768];
	const char *code, *application, *new_name;
	json_int_t count, refused, errors;
	fill(&ledger);
	cr_assert_eq(RUN(out, "--ledger", ledger.path, "--format", "json"), 0);
	json_t *root = parse(out);
	int result = json_unpack(root, "{s:[{s:{s:s}, s:n, s:{s:I, s:I, s:[{s:s}], s:[{s:s}]}, s:{s:I}}], s:{s:[{s:s}]}}",
		"tables", "verdict", "code", &code, "new_name", "old", "count", &count, "refused", &refused,
		"clients", "application", &application, "statements", "statement", &new_name, "new", "errors", &errors,
		"observed", "intervals", "end", &new_name);
	cr_assert_eq(result, 0, "%s", out);
	cr_assert_str_eq(code, "in_use");
	cr_assert_str_eq(application, "billing");
	cr_assert_eq(count, 1500);
	cr_assert_eq(refused, 1);
	cr_assert_eq(errors, 1);
	json_decref(root);
	ledger_deinit(&ledger);
}

static char *read_doc(void)
{
	static char text[65536];
	FILE *file = fopen(REPORT_DOC, "r");
	cr_assert_not_null(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	return text;
}

static void expect_documented(json_t *value, const char *doc)
{
	const char *key;
	char quoted[64];
	json_t *item;
	size_t i;
	json_object_foreach(value, key, item) {
		snprintf(quoted, sizeof(quoted), "`%s`", key);
		cr_assert_not_null(strstr(doc, quoted), "docs/report.md does not mention %s", quoted);
		if (strcmp(key, "kinds") != 0)
			expect_documented(item, doc);
	}
	json_array_foreach(value, i, item)
		expect_documented(item, doc);
}

Test(report_command, every_json_key_is_documented)
{
	struct ledger ledger;
	char out[32768];
	fill(&ledger);
	cr_assert_eq(RUN(out, "--ledger", ledger.path, "--format", "json"), 0);
	json_t *root = parse(out);
	expect_documented(root, read_doc());
	json_decref(root);
	ledger_deinit(&ledger);
}

Test(report_command, configuration_names_ledger_and_unused_entries)
{
	struct ledger ledger;
	char out[16384], config[128];
	fill(&ledger);
	write_file(&ledger, "crossfade.yaml", "listen: [127.0.0.1:1]\nserver: 127.0.0.1:2\nmap: map.yaml\n"
					      "flags: flags.yaml\nusage: usage.db\n");
	write_file(&ledger, "map.yaml", "old: v10\nnew: v13\ntables:\n  public.prices: data.prices\n"
					"  public.stocks: data.stocks\n");
	write_file(&ledger, "flags.yaml", "flags:\n  public.prices: live\n");
	snprintf(config, sizeof(config), "%s/crossfade.yaml", ledger.folder);
	cr_assert_eq(RUN(out, "-c", config), 0, "%s", out);
	expect_part(out, "public.prices -> data.prices, stage live");
	expect_part(strstr(out, "Verdicts"), "public.stocks  never seen, but observed for");
	cr_assert_eq(RUN(out, "-c", config, "--table", "data.stocks"), 0, "%s", out);
	cr_assert_null(strstr(out, "public.prices"));
	cr_assert_eq(RUN(out, "-c", config, "--table", "public.nosuch"), 2);
	expect_part(out, "public.nosuch");
	remove_file(&ledger, "crossfade.yaml");
	remove_file(&ledger, "map.yaml");
	remove_file(&ledger, "flags.yaml");
	ledger_deinit(&ledger);
}

Test(report_command, filters_by_application_user_and_time)
{
	struct ledger ledger;
	char out[16384];
	fill(&ledger);
	cr_assert_eq(RUN(out, "--ledger", ledger.path, "--app", "loader"), 0);
	cr_assert_null(strstr(out, "billing"));
	expect_part(out, "new names: 1");
	cr_assert_eq(RUN(out, "--ledger", ledger.path, "--user", "somebody"), 0);
	cr_assert_null(strstr(out, "1,500"));
	cr_assert_eq(RUN(out, "--ledger", ledger.path, "--until", "2020-01-01"), 0);
	cr_assert_null(strstr(out, "1,500"));
	cr_assert_eq(RUN(out, "--ledger", ledger.path, "--since", "2h"), 0);
	expect_part(out, "1,500");
	ledger_deinit(&ledger);
}

Test(report_command, reads_while_the_proxy_writes)
{
	struct ledger ledger;
	char out[16384];
	fill(&ledger);
	struct usage *usage = ledger_open(&ledger);
	cr_assert_eq(RUN(out, "--ledger", ledger.path), 0, "%s", out);
	expect_part(out, "the proxy is running");
	usage_close(usage);
	ledger_deinit(&ledger);
}

Test(report_command, csv_has_a_row_for_each_statement_of_each_client)
{
	struct ledger ledger;
	char out[16384];
	fill(&ledger);
	ledger_exec(&ledger, "UPDATE identities SET application = '=cmd(\"x\"), y' WHERE application = 'loader'");
	cr_assert_eq(RUN(out, "--ledger", ledger.path, "--format", "csv"), 0, "%s", out);
	cr_assert_eq(strncmp(out, "table,new_name,stage,verdict,side,", 34), 0);
	expect_part(out, "\r\npublic.prices,,,in_use,old,select,aegis,app,billing,10.0.0.7,,,,1500,1499,0,1,1500,1500,0,");
	expect_part(out, ",SELECT close FROM prices WHERE code = $1,\r\n");
	expect_part(out, "\r\npublic.prices,,,in_use,new,insert,aegis,app,\"'=cmd(\"\"x\"\"), y\",10.0.0.7,,,,1,0,1,0,0,0,0,");
	cr_assert_eq(RUN(out, "--ledger", ledger.path, "--format", "csv", "--side", "new", "--app", "nobody"), 0);
	ledger_deinit(&ledger);
}

Test(report_command, ready_tells_by_its_status)
{
	struct ledger ledger;
	char out[16384];
	fill(&ledger);
	cr_assert_eq(RUN(out, "--ledger", ledger.path, "--ready", "public.prices"), 1);
	expect_part(out, "public.prices: in use: in use by 1 application");
	ledger_exec(&ledger, "UPDATE uses SET first_ms = first_ms - 50 * 86400000, last_ms = last_ms - 50 * 86400000;"
			     "UPDATE observations SET started_ms = started_ms - 100 * 86400000, stopped_ms = NULL");
	cr_assert_eq(RUN(out, "--ledger", ledger.path, "--ready", "public.prices"), 0, "%s", out);
	expect_part(out, "public.prices: ready: not seen for 50 days");
	cr_assert_null(strstr(out, "billing"));
	ledger_deinit(&ledger);
}

Test(report_command, diff_tells_what_is_new_and_what_has_stopped)
{
	struct ledger ledger;
	char out[32768];
	json_int_t count;
	const char *change, *application;
	fill(&ledger);
	/* The loader's use was five days ago. */
	ledger_exec(&ledger, "UPDATE hours SET start_s = start_s - 5 * 86400 WHERE use IN (SELECT id FROM uses WHERE side = 'new');"
			     "UPDATE uses SET first_ms = first_ms - 5 * 86400000, last_ms = last_ms - 5 * 86400000 WHERE side = 'new'");
	cr_assert_eq(RUN(out, "--ledger", ledger.path, "--diff", "3d"), 0, "%s", out);
	expect_part(out, "\npublic.prices, old name\n  new ");
	expect_part(out, "billing (app@aegis)");
	expect_part(out, "\npublic.prices, new name\n  stopped  loader (app@aegis)");
	expect_part(out, " were not observed: what is ");
	cr_assert_eq(RUN(out, "--ledger", ledger.path, "--diff", "3d", "--side", "new", "--format", "json"), 0);
	json_t *root = parse(out);
	expect_documented(root, read_doc());
	cr_assert_eq(json_array_size(json_object_get(root, "changes")), 2);
	cr_assert_eq(json_unpack(root, "{s:[{s:s, s:s, s:I}]}", "changes", "change", &change, "application",
				 &application, "count", &count), 0, "%s", out);
	cr_assert_str_eq(change, "stopped");
	cr_assert_str_eq(application, "loader");
	cr_assert_eq(count, 1);
	json_decref(root);
	cr_assert_eq(RUN(out, "--ledger", ledger.path, "--diff", "3d", "--format", "csv"), 0);
	expect_part(out, "\r\nstopped,public.prices,new,client,aegis,app,loader,,1,");
	cr_assert_eq(RUN(out, "--ledger", ledger.path, "--diff", "30d", "--app", "nobody"), 0);
	expect_part(out, "Nothing has stopped, and nothing is new.");
	ledger_deinit(&ledger);
}

Test(report_command, columns_next_stage_and_flips_are_printed)
{
	struct ledger ledger;
	char out[32768];
	fill(&ledger);
	ledger_exec(&ledger, "UPDATE entries SET stage = 'live', deprecated = 'priority';"
			     "INSERT INTO column_uses SELECT 1, 'old', 'close', max(id), 1500, 1, 1 FROM identities;"
			     "INSERT INTO forecasts SELECT u.statement, 1, 'old', 'complete', 'refused', 'the old name is gone', 1"
			     " FROM uses u WHERE side = 'old';"
			     "INSERT INTO flips VALUES (1, 1, 1700000000000, 'old', 'live')");
	cr_assert_eq(RUN(out, "--ledger", ledger.path), 0, "%s", out);
	expect_part(out, "\n  columns: close 1,500\n");
	expect_part(out, "\n  deprecated columns: priority never\n");
	expect_part(out, "\n  statements at stage complete: 1 would be refused\n");
	expect_part(out, "\n      refused: SELECT close FROM prices");
	expect_part(out, "\n        the old name is gone\n");
	expect_part(out, "\nRecent flips\n  2023-11-14 22:13  public.prices  old -> live\n");
	ledger_deinit(&ledger);
}

Test(report_command, refuses_bad_usage_with_status_2)
{
	struct ledger ledger;
	char out[16384];
	fill(&ledger);
	cr_assert_eq(RUN(out, "--ledger", ledger.path, "--format", "xml"), 2);
	cr_assert_eq(RUN(out, "--ledger", ledger.path, "--diff", "1d", "--format", "html"), 2);
	cr_assert_eq(RUN(out, "--ledger", ledger.path, "--diff", "1d", "--until", "2d"), 2);
	cr_assert_eq(RUN(out, "--ledger", ledger.path, "--diff", "1d", "--ready", "public.prices"), 2);
	cr_assert_eq(RUN(out, "--ledger", ledger.path, "--ready", "public.nosuch"), 2);
	cr_assert_eq(RUN(out, "--ledger", ledger.path, "--side", "left"), 2);
	cr_assert_eq(RUN(out, "--ledger", ledger.path, "--since", "yesterday"), 2);
	cr_assert_eq(RUN(out, "--ledger", ledger.path, "--statements", "-1"), 2);
	cr_assert_eq(RUN(out, "--ledger", ledger.path, "surplus"), 2);
	cr_assert_eq(RUN(out, "--ledger", "/nonexistent/usage.db"), 2);
	expect_part(out, "/nonexistent/usage.db");
	cr_assert_eq(RUN(out, "-c", "/nonexistent/crossfade.yaml"), 2);
	ledger_deinit(&ledger);
}
