/* `crossfade report` as people and scripts see it. */
#include "app/commands.h"
#include "app/text_table.h"
#include "app/when.h"

#include "../usage/support.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <jansson.h>
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

Test(report_command, refuses_bad_usage_with_status_2)
{
	struct ledger ledger;
	char out[16384];
	fill(&ledger);
	cr_assert_eq(RUN(out, "--ledger", ledger.path, "--format", "csv"), 2);
	expect_part(out, "not available yet");
	cr_assert_eq(RUN(out, "--ledger", ledger.path, "--format", "xml"), 2);
	cr_assert_eq(RUN(out, "--ledger", ledger.path, "--side", "left"), 2);
	cr_assert_eq(RUN(out, "--ledger", ledger.path, "--since", "yesterday"), 2);
	cr_assert_eq(RUN(out, "--ledger", ledger.path, "--statements", "-1"), 2);
	cr_assert_eq(RUN(out, "--ledger", ledger.path, "surplus"), 2);
	cr_assert_eq(RUN(out, "--ledger", "/nonexistent/usage.db"), 2);
	expect_part(out, "/nonexistent/usage.db");
	cr_assert_eq(RUN(out, "-c", "/nonexistent/crossfade.yaml"), 2);
	ledger_deinit(&ledger);
}
