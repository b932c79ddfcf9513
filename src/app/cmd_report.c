/*
 * `crossfade report`: which old paths are still in use. Reads the ledger while
 * a proxy writes it; the configuration adds the entries nobody has used.
 */
#include "app/commands.h"

#include "admin/page.h"
#include "app/report_blockers.h"
#include "app/report_changes.h"
#include "app/report_csv.h"
#include "app/report_from.h"
#include "app/report_json.h"
#include "app/report_rules.h"
#include "app/report_text.h"
#include "app/settings.h"
#include "app/stages.h"
#include "app/when.h"
#include "config/map_file.h"

#include <argp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KEY_FORMAT = 256, KEY_TABLE, KEY_APP, KEY_USER, KEY_SINCE, KEY_UNTIL, KEY_SIDE, KEY_LEDGER, KEY_STATEMENTS,
       KEY_READY, KEY_DIFF, KEY_FROM, KEY_LINE_PREFIX, KEY_DATABASE };
enum { LEDGERS_MAX = 64, WIDTH_OF_FILE = 120, WIDTH_LEAST = 40, STATEMENTS_TEXT = 5, STATEMENTS_JSON = 100 };

enum format { FORMAT_TEXT, FORMAT_JSON, FORMAT_CSV, FORMAT_HTML, FORMAT_COUNT };
static const char *const format_names[FORMAT_COUNT] = { "text", "json", "csv", "html" };

struct arguments {
	const char *config;
	const char *ledgers[LEDGERS_MAX];
	size_t ledger_count;
	enum format format;
	bool ready;	 /* of filter.table: the exit status says it */
	int64_t diff_ms; /* 0: no comparison */
	bool sides[2];
	long statements; /* -1: as the format has it */
	struct report_filter filter;
	struct arena arena;
	const char *places[LEDGERS_MAX]; /* of --from */
	struct report_from from;
	char *made_ledger; /* of what they hold; NULL: none */
};

static const struct argp_option options[] = {
	COMMAND_OPTION_CONFIG,
	{ "ledger", KEY_LEDGER, "FILE", 0,
	  "Read this ledger instead of the configured one; several add up. Without -c no configuration is read. "
	  "\"schema:NAME DSN\" is one in a database", 0 },
	{ "from", KEY_FROM, "[KIND:]PLACE", 0,
	  "Instead of a ledger, read the statements of a log, of a folder of SQL files, or pg_stat_statements. KIND is "
	  "stderr, csvlog, jsonlog, sql or pg_stat_statements; without it the name tells. May be repeated", 0 },
	{ "line-prefix", KEY_LINE_PREFIX, "PREFIX", 0,
	  "With --from: what the server's log_line_prefix is (default \"" REPORT_FROM_PREFIX "\")", 0 },
	{ "database", KEY_DATABASE, "NAME", 0, "With --from: which of several configured databases the statements are of", 0 },
	{ "format", KEY_FORMAT, "FORMAT", 0, "text (default), json, csv or html", 0 },
	{ "table", KEY_TABLE, "TABLE", 0, "Only this table, by its old or new name", 0 },
	{ "ready", KEY_READY, "TABLE", 0,
	  "Only the verdict on this table; exits 0 when its old name can be given up, 1 when not", 0 },
	{ "diff", KEY_DIFF, "TIME", 0,
	  "What has stopped since then and what is new, compared with as long a time before it (or from --since on)", 0 },
	{ "app", KEY_APP, "NAME", 0, "Only this application", 0 },
	{ "user", KEY_USER, "NAME", 0, "Only this user", 0 },
	{ "since", KEY_SINCE, "TIME", 0, "Only counts from then on: 2026-11-01, 2026-11-01T12:00+02:00 (UTC "
					 "without an offset), or so long ago: 7d, 12h", 0 },
	{ "until", KEY_UNTIL, "TIME", 0, "Only counts before then", 0 },
	{ "side", KEY_SIDE, "SIDE", 0, "Only old or new names", 0 },
	{ "statements", KEY_STATEMENTS, "N", 0,
	  "At most so many statements per table and side (default 5 as text, 100 otherwise)", 0 },
	{ 0 },
};

/* ---- arguments ---- */

static void take_format(struct argp_state *state, struct arguments *arguments, const char *value)
{
	int format = 0;
	while (format < FORMAT_COUNT && strcmp(value, format_names[format]) != 0)
		format++;
	if (format == FORMAT_COUNT)
		argp_error(state, "unknown format \"%s\": text, json, csv and html are available", value);
	arguments->format = (enum format)format;
}

static void take_side(struct argp_state *state, struct arguments *arguments, const char *value)
{
	bool is_old = strcmp(value, "old") == 0;
	if (!is_old && strcmp(value, "new") != 0)
		argp_error(state, "unknown side \"%s\": old or new", value);
	arguments->sides[SIDE_OLD] = is_old;
	arguments->sides[SIDE_NEW] = !is_old;
}

static void take_time(struct argp_state *state, const char *value, int64_t *ms_out)
{
	struct arguments *arguments = state->input;
	if (!when_parse(value, arguments->filter.now_ms, ms_out))
		argp_error(state, "cannot read the time \"%s\": write 2026-11-01, 2026-11-01T12:00 or 7d", value);
}

static void take_statements(struct argp_state *state, struct arguments *arguments, const char *value)
{
	char *end;
	arguments->statements = strtol(value, &end, 10);
	if (*end || end == value || arguments->statements < 0 || arguments->statements > 1000000)
		argp_error(state, "not a number of statements: \"%s\"", value);
}

/* What it counts would count twice. */
static void refuse_twice(struct argp_state *state, const struct arguments *arguments)
{
	const char *last = arguments->ledgers[arguments->ledger_count - 1];
	struct stat one, other;
	bool is_file = stat(last, &one) == 0;
	for (size_t i = 0; i + 1 < arguments->ledger_count; i++) {
		bool same = strcmp(arguments->ledgers[i], last) == 0 ||
			    (is_file && stat(arguments->ledgers[i], &other) == 0 && one.st_dev == other.st_dev &&
			     one.st_ino == other.st_ino);
		if (same)
			argp_error(state, "the ledger \"%s\" is given twice", last);
	}
}

static void take_ledger(struct argp_state *state, struct arguments *arguments, const char *value)
{
	if (arguments->ledger_count == LEDGERS_MAX)
		argp_error(state, "more than %d ledgers", LEDGERS_MAX);
	char *place = value && strncmp(value, "schema:", 7) == 0 ? arena_strdup(&arguments->arena, value) : NULL;
	if (place && strchr(place, ' '))
		*strchr(place, ' ') = '\n'; /* as usage/shared.h has it */
	arguments->ledgers[arguments->ledger_count++] = place ? place : value;
	refuse_twice(state, arguments);
}

static void take_place(struct argp_state *state, struct arguments *arguments, const char *value)
{
	if (arguments->from.count == LEDGERS_MAX)
		argp_error(state, "more than %d places", LEDGERS_MAX);
	arguments->places[arguments->from.count++] = value;
	arguments->from.places = arguments->places;
}

static error_t parse_option(int key, char *value, struct argp_state *state)
{
	struct arguments *arguments = state->input;
	switch (key) {
	case 'c': arguments->config = value; break;
	case KEY_LEDGER: take_ledger(state, arguments, value); break;
	case KEY_FROM: take_place(state, arguments, value); break;
	case KEY_LINE_PREFIX: arguments->from.line_prefix = value; break;
	case KEY_DATABASE: arguments->from.database = value; break;
	case KEY_FORMAT: take_format(state, arguments, value); break;
	case KEY_TABLE: arguments->filter.table = value; break;
	case KEY_READY:
		arguments->filter.table = value;
		arguments->ready = true;
		break;
	case KEY_DIFF: take_time(state, value, &arguments->diff_ms); break;
	case KEY_APP: arguments->filter.application = value; break;
	case KEY_USER: arguments->filter.user = value; break;
	case KEY_SINCE: take_time(state, value, &arguments->filter.since_ms); break;
	case KEY_UNTIL: take_time(state, value, &arguments->filter.until_ms); break;
	case KEY_SIDE: take_side(state, arguments, value); break;
	case KEY_STATEMENTS: take_statements(state, arguments, value); break;
	case ARGP_KEY_ARG: argp_error(state, "unexpected argument: %s", value); break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

/* ---- what the configuration knows ---- */

static bool add_database(struct report *report, const struct settings *settings,
			 const struct settings_database *database, struct error *error_out)
{
	struct map *map = NULL;
	struct flags flags = { 0 };
	struct ruleset *ruleset = NULL;
	bool known = stages_load(database, NULL, &report->arena, &flags, error_out);
	bool ok = (known || database->flags_in_schema) && map_file_load(database->map_path, &map, error_out) &&
		  ruleset_build(map, &flags, NULL, settings->policy, 1, NULL, NULL, &ruleset, error_out);
	if (ok)
		report_add_rules(report, ruleset, known, settings->databases.count == 1);
	ruleset_unref(ruleset);
	map_unref(map);
	return ok;
}

static bool add_configured_ledger(struct report *report, const struct settings *settings, struct error *error_out)
{
	if (settings->usage.path)
		return report_add_ledger(report, settings->usage.path, error_out);
	error_set(error_out, SQLSTATE_CONFIG_FILE_ERROR, "%s says `usage: off`: nothing is counted", settings->file);
	error_hint(error_out, "Give `usage` a file, or name a ledger with --ledger FILE.");
	return false;
}

static bool add_configuration(struct report *report, const struct arguments *arguments, struct error *error_out)
{
	struct settings settings;
	if (!settings_load(arguments->config, &settings, error_out))
		return false;
	report->filter.idle_days = settings.idle_days;
	bool ok = arguments->ledger_count || add_configured_ledger(report, &settings, error_out);
	for (size_t i = 0; ok && i < settings.databases.count; i++)
		ok = add_database(report, &settings, &settings.databases.items[i], error_out);
	for (size_t i = 0; ok && !arguments->diff_ms && i < settings.databases.count; i++)
		report_blockers_add(report, &settings, &settings.databases.items[i]);
	settings_deinit(&settings);
	return ok;
}

static bool gather(struct report *report, const struct arguments *arguments, struct error *error_out)
{
	for (size_t i = 0; i < arguments->ledger_count; i++) {
		if (!report_add_ledger(report, arguments->ledgers[i], error_out))
			return false;
	}
	if ((arguments->config || !arguments->ledger_count || arguments->made_ledger) &&
	    !add_configuration(report, arguments, error_out))
		return false;
	report_finish(report);
	if (!arguments->filter.table || report->table_count)
		return true;
	error_set(error_out, SQLSTATE_UNDEFINED_TABLE, "neither the map nor the ledger knows a table \"%s\"",
		  arguments->filter.table);
	error_hint(error_out, "Write its old or new name with its schema, as the map has it.");
	return false;
}

/* ---- output ---- */

static unsigned terminal_width(void)
{
	struct winsize size;
	const char *columns = getenv("COLUMNS");
	unsigned width = WIDTH_OF_FILE;
	if (columns && atoi(columns) > 0)
		width = (unsigned)atoi(columns);
	else if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col)
		width = size.ws_col;
	return width < WIDTH_LEAST ? WIDTH_LEAST : width;
}

static bool wants_colour(void)
{
	const char *no = getenv("NO_COLOR"), *terminal = getenv("TERM");
	return isatty(STDOUT_FILENO) && !(no && *no) && !(terminal && strcmp(terminal, "dumb") == 0);
}

/* The page of the http port, with its data in it. */
static void report_html(struct report *report, struct buf *out)
{
	static const bool both[2] = { true, true };
	char nonce[PAGE_NONCE_BYTES];
	struct buf json;
	buf_init(&json);
	report_json(report, both, &json);
	page_nonce(nonce);
	page_append(nonce, buf_slice(&json), out);
	buf_deinit(&json);
}

static bool write_out(const struct buf *out)
{
	bool ok = fwrite(out->data, 1, out->len, stdout) == out->len && fflush(stdout) == 0;
	if (!ok)
		perror("crossfade: cannot write the report");
	return ok;
}

static void render(struct report *report, const struct arguments *arguments, struct buf *out)
{
	struct report_text_style style = { terminal_width(), wants_colour() };
	switch (arguments->format) {
	case FORMAT_HTML: report_html(report, out); break;
	case FORMAT_JSON: report_json(report, arguments->sides, out); break;
	case FORMAT_CSV: report_csv(report, arguments->sides, out); break;
	default:
		if (arguments->ready)
			report_text_verdict(report->tables[0], out);
		else
			report_text(report, arguments->sides, &style, out);
	}
}

static int print(struct report *report, const struct arguments *arguments)
{
	struct buf out;
	buf_init(&out);
	render(report, arguments, &out);
	bool ok = write_out(&out) && (!arguments->ready || report_is_ready(report->tables[0]));
	buf_deinit(&out);
	return ok ? EXIT_HOLDS : EXIT_HOLDS_NOT;
}

static int print_report(const struct arguments *arguments)
{
	struct report *report = report_new(&arguments->filter);
	struct error error;
	int status = EXIT_USAGE;
	if (gather(report, arguments, &error))
		status = print(report, arguments);
	else
		error_print(&error, stderr);
	report_free(report);
	return status;
}

/* ---- what has changed ---- */

static int print_changes(const struct report *before, const struct report *after, const struct arguments *arguments)
{
	struct report_text_style style = { terminal_width(), wants_colour() };
	struct report_changes changes = { before->filter.since_ms, arguments->diff_ms,
					  after->filter.until_ms ? after->filter.until_ms : after->filter.now_ms };
	struct buf out;
	buf_init(&out);
	changes.sides = arguments->sides;
	changes.unobserved_ms[0] = report_unobserved_ms(before, changes.from_ms, changes.at_ms);
	changes.unobserved_ms[1] = report_unobserved_ms(after, changes.at_ms, changes.until_ms);
	report_diff_init(&changes.diff, before, after);
	if (arguments->format == FORMAT_JSON)
		report_changes_json(&changes, &out);
	else if (arguments->format == FORMAT_CSV)
		report_changes_csv(&changes, &out);
	else
		report_changes_text(&changes, &style, &out);
	bool ok = write_out(&out);
	report_diff_deinit(&changes.diff);
	buf_deinit(&out);
	return ok ? EXIT_HOLDS : EXIT_HOLDS_NOT;
}

static int compare(const struct arguments *arguments)
{
	struct report_filter first = arguments->filter, second = arguments->filter;
	int64_t until_ms = second.until_ms ? second.until_ms : second.now_ms;
	int status = EXIT_USAGE;
	struct error error;
	first.until_ms = second.since_ms = arguments->diff_ms;
	if (!first.since_ms)
		first.since_ms = 2 * arguments->diff_ms - until_ms;
	if (first.since_ms < 1)
		first.since_ms = 1; /* 0 is "open" */
	first.statements_max = second.statements_max = SIZE_MAX;
	struct report *before = report_new(&first), *after = report_new(&second);
	if (gather(before, arguments, &error) && gather(after, arguments, &error))
		status = print_changes(before, after, arguments);
	else
		error_print(&error, stderr);
	report_free(before);
	report_free(after);
	return status;
}

/* Combinations that would mean nothing. */
static void check_arguments(struct arguments *arguments)
{
	const struct report_filter *filter = &arguments->filter;
	int64_t until_ms = filter->until_ms ? filter->until_ms : filter->now_ms;
	const char *wrong = NULL;
	if (arguments->diff_ms && arguments->ready)
		wrong = "--ready and --diff do not go together";
	else if (arguments->diff_ms && arguments->format == FORMAT_HTML)
		wrong = "--diff is available as text, json and csv";
	else if (arguments->diff_ms && (arguments->diff_ms >= until_ms || filter->since_ms >= arguments->diff_ms))
		wrong = "--diff needs a time between --since and --until";
	if (!wrong)
		return;
	fprintf(stderr, "crossfade report: %s\n", wrong);
	exit(EXIT_USAGE);
}

/* ---- statements found elsewhere ---- */

static bool fill_made_ledger(struct arguments *arguments, struct error *error_out)
{
	struct settings settings;
	if (!settings_load(arguments->config, &settings, error_out))
		return false;
	bool ok = report_from_fill(&arguments->from, &settings, arguments->made_ledger, error_out);
	settings_deinit(&settings);
	return ok;
}

/* An empty file of nobody else's, to become a ledger. */
static bool make_ledger(struct arguments *arguments)
{
	const char *folder = getenv("TMPDIR");
	if (asprintf(&arguments->made_ledger, "%s/crossfade-report-XXXXXX", folder && *folder ? folder : "/tmp") < 0)
		return false;
	int fd = mkstemp(arguments->made_ledger);
	if (fd < 0) {
		perror("crossfade report: cannot make a temporary file");
		return false;
	}
	close(fd);
	arguments->ledgers[arguments->ledger_count++] = arguments->made_ledger;
	return true;
}

static void remove_made_ledger(struct arguments *arguments)
{
	static const char *const suffixes[] = { "", "-wal", "-shm", "-journal" };
	for (size_t i = 0; arguments->made_ledger && i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		char *path = NULL;
		if (asprintf(&path, "%s%s", arguments->made_ledger, suffixes[i]) >= 0)
			unlink(path);
		free(path);
	}
	free(arguments->made_ledger);
	arguments->made_ledger = NULL;
}

static int run(struct arguments *arguments)
{
	return arguments->diff_ms ? compare(arguments) : print_report(arguments);
}

static int run_from(struct arguments *arguments)
{
	struct error error;
	int status = EXIT_USAGE;
	if (arguments->ledger_count) {
		fputs("crossfade report: --from and --ledger do not go together\n", stderr);
		return status;
	}
	if (!make_ledger(arguments))
		return EXIT_HOLDS_NOT;
	if (fill_made_ledger(arguments, &error))
		status = run(arguments);
	else
		error_print(&error, stderr);
	remove_made_ledger(arguments);
	return status;
}

static size_t default_statements(enum format format)
{
	return format == FORMAT_TEXT ? STATEMENTS_TEXT : format == FORMAT_CSV ? SIZE_MAX : STATEMENTS_JSON;
}

int cmd_report(int argc, char **argv)
{
	static const char doc[] = "Shows which old and new names of mapped tables are in use, by whom and in which "
				  "statements, and ends with a verdict per table.\v"
				  "Exits 0 on success (with --ready: when the table is ready), 1 when the report could "
				  "not be written or the table is not ready, 2 on bad usage or when the configuration or "
				  "the ledger cannot be read.";
	static const struct argp argp = { options, parse_option, NULL, doc, NULL, NULL, NULL };
	struct arguments arguments = { .sides = { true, true }, .statements = -1,
				       .from = { .line_prefix = REPORT_FROM_PREFIX }, .filter = report_filter_default() };
	arena_init(&arguments.arena);
	if (argp_parse(&argp, argc, argv, 0, NULL, &arguments) != 0)
		return EXIT_USAGE;
	check_arguments(&arguments);
	arguments.filter.statements_max = arguments.statements >= 0 ? (size_t)arguments.statements :
								  default_statements(arguments.format);
	arguments.filter.wants_uses = arguments.format == FORMAT_CSV && !arguments.diff_ms;
	int status = arguments.from.count ? run_from(&arguments) : run(&arguments);
	arena_deinit(&arguments.arena);
	return status;
}
