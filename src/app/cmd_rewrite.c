/*
 * `crossfade rewrite`: what becomes of SQL, without a server. The text is one
 * simple Query; what is unknown without a server comes from the options.
 */
#include "app/commands.h"

#include "app/settings.h"
#include "app/stages.h"
#include "config/catalog_file.h"
#include "config/flags_file.h"
#include "config/map_file.h"
#include "config/sql_name.h"
#include "rewrite/rewriter.h"

#include "base/thread.h"

#include <argp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { KEY_MAP = 256, KEY_FLAGS, KEY_STAGE, KEY_EXPLAIN, KEY_SEARCH_PATH, KEY_CATALOG, KEY_USER, KEY_DATABASE };
enum { STAGES_MAX = 256, INPUT_MAX_BYTES = 1 << 30 };

struct arguments {
	const char *config;
	const char *map;
	const char *flags;
	const char *stages[STAGES_MAX];
	size_t stage_count;
	const char *catalog;
	const char *search_path;
	const char *user;
	const char *database;
	bool explain;
};

/* Everything a run needs. */
struct job {
	const struct arguments *arguments;
	struct ruleset *ruleset;
	struct session_state *state;
	struct rewriter_settings settings;
	struct buf sql;
	int code;
};

static const struct argp_option options[] = {
	COMMAND_OPTION_CONFIG,
	{ "map", KEY_MAP, "FILE", 0, "This map, and no configuration", 0 },
	{ "flags", KEY_FLAGS, "FILE", 0, "The stages, with --map (without: every table at stage old)", 0 },
	{ "stage", KEY_STAGE, "TABLE=STAGE", 0, "The stage of one table, by its old name; may be repeated", 0 },
	{ "catalog", KEY_CATALOG, "FILE", 0, "What the server's catalog holds (without: only what the map says)", 0 },
	{ "search-path", KEY_SEARCH_PATH, "LIST", 0, "The session's search_path (default \"$user\", public)", 0 },
	{ "user", KEY_USER, "NAME", 0, "The session's role, which \"$user\" stands for", 0 },
	{ "database", KEY_DATABASE, "NAME", 0, "Which of several configured databases", 0 },
	{ "explain", KEY_EXPLAIN, NULL, 0, "Say for every reference what it means, what it became, and why", 0 },
	{ 0 },
};

static error_t parse_option(int key, char *value, struct argp_state *state)
{
	struct arguments *arguments = state->input;
	const char **text = key == 'c'		    ? &arguments->config
			    : key == KEY_MAP	     ? &arguments->map
			    : key == KEY_FLAGS	     ? &arguments->flags
			    : key == KEY_CATALOG     ? &arguments->catalog
			    : key == KEY_SEARCH_PATH ? &arguments->search_path
			    : key == KEY_USER	     ? &arguments->user
			    : key == KEY_DATABASE    ? &arguments->database
						     : NULL;
	if (text) {
		*text = value;
		return 0;
	}
	switch (key) {
	case KEY_EXPLAIN:
		arguments->explain = true;
		return 0;
	case KEY_STAGE:
		if (arguments->stage_count == STAGES_MAX)
			argp_error(state, "more than %d stages; write a flags file", STAGES_MAX);
		arguments->stages[arguments->stage_count++] = value;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "unexpected argument: %s (SQL is read from standard input)", value);
		return EINVAL;
	case ARGP_KEY_END:
		if (arguments->map && arguments->config)
			argp_error(state, "--config and --map exclude each other");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* ---- stages ---- */

static bool parse_stage(struct arena *arena, const char *text, struct flag *flag_out, struct error *error_out)
{
	struct sql_name name;
	const char *why = "needs a schema", *equals = strrchr(text, '=');
	const char *table = equals ? arena_copy(arena, text, (size_t)(equals - text)) : text;
	error_set(error_out, SQLSTATE_CONFIG_FILE_ERROR, "--stage %s: write TABLE=STAGE", text);
	if (!equals || !stage_parse(equals + 1, &flag_out->stage)) {
		error_hint(error_out, "Stages are old, dualwrite, shadow, live, rampdown and complete.");
		return false;
	}
	if (!sql_name_parse(arena, table, &name, &why) || !name.name.schema) {
		error_hint(error_out, "The table is an old name with its schema, such as public.prices.");
		return false;
	}
	flag_out->table = name.name;
	flag_out->line = flag_out->column = 0;
	return true;
}

/* Options lie over the file's flags. */
static bool add_stages(const struct arguments *arguments, struct arena *arena, struct flags *flags,
		       struct error *error_out)
{
	struct flag *items = ARENA_ARRAY(arena, flags->count + arguments->stage_count, struct flag);
	if (flags->count)
		memcpy(items, flags->items, flags->count * sizeof(*items));
	flags->items = items;
	for (size_t i = 0; i < arguments->stage_count; i++) {
		struct flag flag = { 0 };
		if (!parse_stage(arena, arguments->stages[i], &flag, error_out))
			return false;
		size_t at = 0;
		while (at < flags->count && !rel_name_eq(items[at].table, flag.table))
			at++;
		flags->count += at == flags->count;
		items[at] = flag;
	}
	return true;
}

/* ---- loading ---- */

static const struct settings_database *pick_database(const struct settings *settings, const char *name)
{
	for (size_t i = 0; i < settings->databases.count; i++) {
		const struct settings_database *database = &settings->databases.items[i];
		if (!name || (database->name && strcmp(database->name, name) == 0))
			return database;
	}
	return settings->databases.count == 1 ? &settings->databases.items[0] : NULL;
}

static bool load_configured(struct job *job, struct arena *arena, const char **map_out, struct flags *flags_out,
			    struct policy *policy_out, struct error *error_out)
{
	bool ok = false;
	struct settings settings;
	if (!settings_load(job->arguments->config, &settings, error_out))
		return false;
	const struct settings_database *database = pick_database(&settings, job->arguments->database);
	if (database) {
		*map_out = arena_strdup(arena, database->map_path);
		*policy_out = settings.policy;
		job->settings = settings.proxy.rewriter;
		struct settings_database lasting = *database;
		lasting.flags_path = arena_strdup(arena, database->flags_path);
		ok = stages_load(&lasting, NULL, arena, flags_out, error_out);
	} else {
		error_set(error_out, SQLSTATE_CONFIG_FILE_ERROR, "database %s is not configured",
			  job->arguments->database);
	}
	settings_deinit(&settings);
	return ok;
}

static void warn(void *context, const struct error *warning)
{
	fputs("warning: ", stderr);
	error_print(warning, stderr);
}

static bool load_rules(struct job *job, struct arena *arena, struct error *error_out)
{
	const char *map_path = job->arguments->map, *flags_path = job->arguments->flags;
	struct policy policy = { 0 };
	struct flags flags = { 0 };
	struct map *map = NULL;
	struct facts *facts = NULL;
	bool configured = !map_path;
	if (configured && !load_configured(job, arena, &map_path, &flags, &policy, error_out))
		return false;
	bool ok = map_file_load(map_path, &map, error_out) &&
		  (configured || !flags_path || flags_file_load(flags_path, arena, &flags, error_out)) &&
		  add_stages(job->arguments, arena, &flags, error_out) &&
		  (!job->arguments->catalog || catalog_file_load(job->arguments->catalog, &facts, error_out)) &&
		  ruleset_build(map, &flags, facts, policy, 1, warn, NULL, &job->ruleset, error_out);
	map_unref(map);
	facts_unref(facts);
	return ok;
}

static void make_state(struct job *job)
{
	const struct arguments *arguments = job->arguments;
	const struct facts *facts = job->ruleset->facts;
	const char *database = arguments->database ? arguments->database
			       : facts && facts->database ? facts->database
							  : "";
	const char *user = arguments->user ? arguments->user : "";
	const char *path = arguments->search_path ? arguments->search_path : "\"$user\", public";
	if (!arguments->search_path && facts)
		path = facts_default_search_path(facts, user);
	job->state = session_state_new(database, user, path);
}

static bool read_input(struct buf *sql)
{
	for (;;) {
		buf_reserve(sql, 65536);
		ssize_t got = read(STDIN_FILENO, sql->data + sql->len, 65536);
		if (got < 0)
			perror("crossfade rewrite: cannot read");
		if (got <= 0)
			return got == 0;
		sql->len += (size_t)got;
		if (sql->len > INPUT_MAX_BYTES) {
			fputs("crossfade rewrite: more than 1 GiB of SQL\n", stderr);
			return false;
		}
	}
}

/* ---- output ---- */

static void place_of(struct slice sql, size_t offset, unsigned *line_out, unsigned *column_out)
{
	*line_out = *column_out = 1;
	for (size_t i = 0; i < offset && i < sql.len; i++) {
		bool newline = sql.data[i] == '\n';
		*line_out += newline;
		if (newline)
			*column_out = 1;
		else if (((uint8_t)sql.data[i] & 0xC0) != 0x80)
			(*column_out)++;
	}
}

/* As comments, so that what is printed is still SQL. */
static void print_explanation(struct slice sql, const struct rewrite_explanation *explanation)
{
	for (size_t i = 0; i < explanation->count; i++) {
		const struct rewrite_reference *r = &explanation->items[i];
		unsigned line, column;
		place_of(sql, r->offset, &line, &column);
		printf("-- %u:%u ", line, column);
		for (const char *c = r->written; *c; c++)
			putchar(*c == '\n' || *c == '\r' ? ' ' : *c);
		bool refused = strcmp(r->rule, "refused") == 0;
		printf(" is %s; %s%s [%s]\n", r->resolved,
		       r->became ? "becomes " : refused ? "is not sent" : "stays", r->became ? r->became : "", r->rule);
	}
	if (explanation->count == 0)
		puts("-- names nothing of the map");
}

static int print_refusal(struct slice sql, const struct rewrite *rewrite)
{
	struct error error = *rewrite->refusal;
	unsigned line = 1, column = 1;
	size_t offset = 0;
	for (uint32_t characters = 1; characters < error.position && offset < sql.len; characters++) {
		offset++;
		while (offset < sql.len && ((uint8_t)sql.data[offset] & 0xC0) == 0x80)
			offset++;
	}
	place_of(sql, offset, &line, &column);
	error_at(&error, "<stdin>", line, column);
	fflush(stdout);
	error_print(&error, stderr);
	return EXIT_HOLDS_NOT;
}

static void run(struct job *job)
{
	struct slice sql = buf_slice(&job->sql);
	struct rewriter *rewriter = rewriter_new(job->settings);
	struct rewrite_explanation explanation = { NULL, 0 };
	struct arena arena;
	arena_init(&arena);
	struct rewrite *rewrite =
		job->arguments->explain
			? rewriter_explain(rewriter, sql, REWRITE_SIMPLE, job->state, job->ruleset, &arena, &explanation)
			: rewriter_run(rewriter, sql, REWRITE_SIMPLE, job->state, job->ruleset);
	if (job->arguments->explain)
		print_explanation(sql, &explanation);
	job->code = EXIT_HOLDS;
	if (rewrite->outcome == REWRITE_REFUSED) {
		job->code = print_refusal(sql, rewrite);
	} else {
		struct slice text = rewrite->outcome == REWRITE_REWRITTEN ? rewrite->sql : sql;
		if (fwrite(text.data, 1, text.len, stdout) != text.len || fflush(stdout) != 0) {
			perror("crossfade rewrite: cannot write");
			job->code = EXIT_HOLDS_NOT;
		}
	}
	rewrite_unref(rewrite);
	arena_deinit(&arena);
	rewriter_free(rewriter);
}

static void *run_thread(void *job)
{
	run(job);
	return NULL;
}

/* Deeply nested SQL needs more stack than the main thread has. */
static int run_with_stack(struct job *job)
{
	pthread_t thread;
	if (thread_start(&thread, "rewrite", REWRITE_PARSE_STACK_BYTES, run_thread, job))
		pthread_join(thread, NULL);
	else
		run(job);
	return job->code;
}

int cmd_rewrite(int argc, char **argv)
{
	static const char doc[] = "Rewrites the SQL on standard input as the proxy would.\v"
				  "Exits 0 when the SQL can be served, 1 when it is refused, 2 on bad usage or "
				  "configuration.";
	static const struct argp argp = { options, parse_option, NULL, doc, NULL, NULL, NULL };
	struct arguments arguments = { 0 };
	struct job job = { .arguments = &arguments, .settings = rewriter_settings_default(), .code = EXIT_USAGE };
	struct arena arena;
	struct error error;
	if (argp_parse(&argp, argc, argv, 0, NULL, &arguments) != 0)
		return EXIT_USAGE;
	arena_init(&arena);
	buf_init(&job.sql);
	if (!load_rules(&job, &arena, &error)) {
		error_print(&error, stderr);
	} else if (read_input(&job.sql)) {
		make_state(&job);
		run_with_stack(&job);
	}
	session_state_free(job.state);
	ruleset_unref(job.ruleset);
	buf_deinit(&job.sql);
	arena_deinit(&arena);
	return job.code;
}
