/* The map against the database it is for; or filled in from there. */
#include "app/check_output.h"
#include "app/commands.h"
#include "app/settings.h"
#include "app/stages.h"
#include "base/buf.h"
#include "catalog/loader.h"
#include "check/expressions.h"
#include "check/grants.h"
#include "check/propose.h"
#include "check/run.h"
#include "config/map_capture.h"
#include "config/map_file.h"
#include "config/replace_file.h"

#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OPTION_CAPTURE = 256, OPTION_WRITE, OPTION_DATABASE, OPTION_FORMAT, OPTION_GRANTS, OPTION_PROPOSE, OPTION_OLD,
       OPTION_NEW };
enum { CATALOG_TIMEOUT_MS = 30000 };

struct check_options {
	const char *config_path, *database;
	const char *old_schemas, *new_schemas;
	bool capture, write, json, grants, propose;
	struct json_t *results; /* with json: one item for each database */
};

/* What one database says. */
struct look {
	const struct check_options *chosen;
	const struct settings *settings;
	const struct settings_database *database;
	struct map *map;
	struct facts *facts;
	struct dependents dependents;
	bool has_dependents;
};

static const struct argp_option options[] = {
	COMMAND_OPTION_CONFIG,
	{ "format", OPTION_FORMAT, "FORMAT", 0, "text (default) or json", 0 },
	{ "grants", OPTION_GRANTS, NULL, 0, "Print the SQL that makes crossfade's own roles for this map", 0 },
	{ "capture", OPTION_CAPTURE, NULL, 0, "Print the map with the columns of its transforms filled in", 0 },
	{ "write", OPTION_WRITE, NULL, 0, "With --capture: replace the map's file instead", 0 },
	{ "propose", OPTION_PROPOSE, NULL, 0, "Print the draft of a map, from the tables of the schemas of --old and --new", 0 },
	{ "old", OPTION_OLD, "SCHEMAS", 0, "With --propose: schemas of the old tables, separated by commas", 0 },
	{ "new", OPTION_NEW, "SCHEMAS", 0, "With --propose: schemas of the new tables", 0 },
	{ "database", OPTION_DATABASE, "NAME", 0,
	  "Which configured database (default: all; with --capture, --grants and --propose, the only one)", 0 },
	{ 0 },
};

static void take_format(struct argp_state *state, struct check_options *chosen, const char *value)
{
	if (strcmp(value, "text") != 0 && strcmp(value, "json") != 0)
		argp_error(state, "unknown format \"%s\": text or json", value);
	chosen->json = strcmp(value, "json") == 0;
}

static void check_together(struct argp_state *state, const struct check_options *chosen)
{
	if (chosen->write && !chosen->capture)
		argp_error(state, "--write is for --capture");
	if (chosen->capture + chosen->grants + chosen->propose > 1)
		argp_error(state, "--capture, --grants and --propose exclude each other");
	if (chosen->json && (chosen->capture || chosen->grants || chosen->propose))
		argp_error(state, "--format is for the findings of a check");
	if (chosen->propose && (!chosen->old_schemas || !chosen->new_schemas))
		argp_error(state, "--propose needs --old SCHEMAS and --new SCHEMAS");
	if (!chosen->propose && (chosen->old_schemas || chosen->new_schemas))
		argp_error(state, "--old and --new are for --propose");
}

static error_t on_option(int key, char *value, struct argp_state *state)
{
	struct check_options *chosen = state->input;
	switch (key) {
	case 'c': chosen->config_path = value; break;
	case OPTION_CAPTURE: chosen->capture = true; break;
	case OPTION_WRITE: chosen->write = true; break;
	case OPTION_DATABASE: chosen->database = value; break;
	case OPTION_FORMAT: take_format(state, chosen, value); break;
	case OPTION_GRANTS: chosen->grants = true; break;
	case OPTION_PROPOSE: chosen->propose = true; break;
	case OPTION_OLD: chosen->old_schemas = value; break;
	case OPTION_NEW: chosen->new_schemas = value; break;
	case ARGP_KEY_ARG: argp_error(state, "unexpected argument \"%s\"", value); break;
	case ARGP_KEY_END: check_together(state, chosen); break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp parser = {
	.options = options,
	.parser = on_option,
	.doc = "Compare the map with itself and with the live database: tables, columns, types, privileges, and whatever "
	       "in the database names a table that moves.\v"
	       "Connects by admin.dsn, as any role. Exits 0 when all holds (notes do not count), 1 when there are errors or "
	       "warnings or the database cannot be read, 2 on bad usage or configuration.",
};

static int fail(const struct error *error, int status)
{
	error_print(error, stderr);
	return status;
}

/* ---- one database ---- */

static bool build_rules(struct look *look, struct ruleset **ruleset_out, struct error *error_out)
{
	struct flags flags = { 0 };
	struct arena arena;
	arena_init(&arena);
	bool ok = stages_load(look->database, NULL, &arena, &flags, error_out) &&
		  ruleset_build(look->map, &flags, look->facts, look->settings->policy, 1, NULL, NULL, ruleset_out, error_out);
	arena_deinit(&arena);
	return ok;
}

static const char *database_name(const struct look *look)
{
	return look->facts->database ? look->facts->database : look->database->name ? look->database->name : "";
}

static int tell(struct look *look, const struct findings *findings)
{
	const char *map_path = look->database->map_path;
	bool holds = !findings_count(findings, FINDING_ERROR) && !findings_count(findings, FINDING_WARNING);
	if (look->chosen->json)
		json_array_append_new(look->chosen->results, check_output_json(map_path, database_name(look), findings));
	else
		check_output_text(map_path, database_name(look), findings);
	return holds ? EXIT_HOLDS : EXIT_HOLDS_NOT;
}

static int print_grants(const struct ruleset *ruleset, const struct dependents *dependents)
{
	struct buf out;
	buf_init(&out);
	grants_print(ruleset, dependents, &out);
	bool ok = fwrite(out.data, 1, out.len, stdout) == out.len && fflush(stdout) == 0;
	buf_deinit(&out);
	return ok ? EXIT_HOLDS : EXIT_HOLDS_NOT;
}

static int fail_database(const struct look *look, const struct error *error, int status)
{
	if (look->chosen->json)
		json_array_append_new(look->chosen->results, check_output_failure(look->database->map_path, error));
	return fail(error, status);
}

/* With the search_path of the role, and no way to change anything. */
static bool ask_server(const struct look *look, const struct ruleset *ruleset, struct findings *findings,
		       struct error *error_out)
{
	static const char settings[] = "RESET search_path; SET default_transaction_read_only = on";
	struct catalog_connection *connection;
	if (!catalog_connect(look->database->admin_dsn, -1, CATALOG_TIMEOUT_MS, &connection, error_out))
		return false;
	bool ok = catalog_execute(connection, settings, CATALOG_TIMEOUT_MS, error_out) &&
		  expressions_check(connection, ruleset, CATALOG_TIMEOUT_MS, findings, error_out);
	catalog_connection_free(connection);
	return ok;
}

static int check_all_of(struct look *look, const struct ruleset *ruleset)
{
	struct findings findings;
	struct error error;
	findings_init(&findings);
	int status = EXIT_HOLDS_NOT;
	if (!ask_server(look, ruleset, &findings, &error)) {
		fail_database(look, &error, status);
	} else {
		check_run(ruleset, &look->dependents, &findings);
		status = tell(look, &findings);
	}
	findings_deinit(&findings);
	return status;
}

static int verify(struct look *look)
{
	struct ruleset *ruleset;
	struct error error;
	if (!build_rules(look, &ruleset, &error))
		return fail_database(look, &error, EXIT_USAGE);
	int status = look->chosen->grants ? print_grants(ruleset, &look->dependents) : check_all_of(look, ruleset);
	ruleset_unref(ruleset);
	return status;
}

static int put_out(const struct check_options *chosen, const char *path, struct slice text, size_t filled)
{
	struct error error;
	if (!chosen->write) {
		bool ok = fwrite(text.data, 1, text.len, stdout) == text.len && fflush(stdout) == 0;
		return ok ? EXIT_HOLDS : EXIT_HOLDS_NOT;
	}
	if (filled && !file_replace(path, text, &error))
		return fail(&error, EXIT_HOLDS_NOT);
	printf("%s: %zu column lists filled in\n", path, filled);
	return EXIT_HOLDS;
}

/* The result is read as the proxy would, before anybody depends on it. */
static int capture(const struct look *look)
{
	const struct check_options *chosen = look->chosen;
	const char *path = look->database->map_path;
	struct error error, invalid;
	struct buf text, result;
	size_t filled;
	buf_init(&text);
	buf_init(&result);
	int status = EXIT_HOLDS_NOT;
	if (!file_read(path, &text, &error) ||
	    !map_capture(buf_slice(&text), look->map, look->facts, &result, &filled, &error)) {
		fail(&error, status);
	} else {
		struct map *checked = NULL;
		bool valid = map_file_parse(buf_slice(&result), path, &checked, &invalid);
		map_unref(checked);
		if (valid || !chosen->write)
			status = put_out(chosen, path, buf_slice(&result), filled);
		if (!valid) {
			error_hint(&invalid, "%s", chosen->write ? "The file was left alone. Without --write the result is printed."
								  : "The map is not valid as printed.");
			status = fail(&invalid, EXIT_HOLDS_NOT);
		}
	}
	buf_deinit(&text);
	buf_deinit(&result);
	return status;
}

static bool read_schemas(struct arena *arena, const char *option, const char *text, const struct facts *facts,
			 struct name_list *names_out, struct error *error_out)
{
	if (!name_list_parse(arena, slice_str(text), names_out)) {
		error_set(error_out, SQLSTATE_CONFIG_FILE_ERROR, "%s %s: write schemas, separated by commas", option, text);
		return false;
	}
	for (size_t i = 0; i < names_out->count; i++) {
		if (facts_has_schema(facts, names_out->names[i]))
			continue;
		error_set(error_out, SQLSTATE_CONFIG_FILE_ERROR, "%s %s: the database has no schema %s", option, text,
			  names_out->names[i]);
		return false;
	}
	return true;
}

static int propose(const struct look *look)
{
	struct name_list old_schemas, new_schemas;
	struct map *checked = NULL;
	struct arena arena;
	struct error error;
	struct buf out;
	arena_init(&arena);
	buf_init(&out);
	int status = EXIT_USAGE;
	if (!read_schemas(&arena, "--old", look->chosen->old_schemas, look->facts, &old_schemas, &error) ||
	    !read_schemas(&arena, "--new", look->chosen->new_schemas, look->facts, &new_schemas, &error)) {
		fail(&error, status);
	} else {
		propose_map(look->facts, &old_schemas, &new_schemas, &out);
		bool ok = fwrite(out.data, 1, out.len, stdout) == out.len && fflush(stdout) == 0;
		status = ok ? EXIT_HOLDS : EXIT_HOLDS_NOT;
		if (!map_file_parse(buf_slice(&out), "<draft>", &checked, &error))
			status = fail(&error, EXIT_HOLDS_NOT);
		map_unref(checked);
	}
	buf_deinit(&out);
	arena_deinit(&arena);
	return status;
}

/* A draft needs no map, and columns of all tables. */
static bool read_catalog(struct look *look, struct error *error_out)
{
	struct catalog_connection *connection;
	if (!catalog_connect(look->database->admin_dsn, -1, CATALOG_TIMEOUT_MS, &connection, error_out))
		return false;
	bool ok = catalog_load(connection, look->map, 1, CATALOG_TIMEOUT_MS, &look->facts, NULL, error_out);
	look->has_dependents = ok && !look->chosen->propose && !look->chosen->capture;
	if (look->has_dependents && !dependents_load(connection, CATALOG_TIMEOUT_MS, &look->dependents, error_out))
		ok = look->has_dependents = false;
	catalog_connection_free(connection);
	return ok;
}

static int check_loaded(struct look *look)
{
	if (look->chosen->propose)
		return propose(look);
	return look->chosen->capture ? capture(look) : verify(look);
}

static int check_database(const struct check_options *chosen, const struct settings *settings,
			  const struct settings_database *database)
{
	struct look look = { .chosen = chosen, .settings = settings, .database = database };
	struct error error;
	if (!chosen->propose && !map_file_load(database->map_path, &look.map, &error))
		return fail_database(&look, &error, EXIT_USAGE);
	int status = EXIT_HOLDS_NOT;
	if (!database->admin_dsn) {
		error_set(&error, SQLSTATE_CONFIG_FILE_ERROR, "there is no admin connection to read the catalog by");
		error_hint(&error, "Set `admin: {dsn: ...}` in the configuration.");
		status = fail_database(&look, &error, EXIT_USAGE);
	} else if (!read_catalog(&look, &error)) {
		fail_database(&look, &error, status);
	} else {
		status = check_loaded(&look);
	}
	if (look.has_dependents)
		dependents_deinit(&look.dependents);
	facts_unref(look.facts);
	map_unref(look.map);
	return status;
}

static bool is_chosen(const struct check_options *chosen, const struct settings_database *database)
{
	return !chosen->database || (database->name && strcmp(database->name, chosen->database) == 0);
}

static int check_all(const struct check_options *chosen, const struct settings *settings)
{
	size_t count = 0;
	int status = EXIT_HOLDS;
	bool only_one = chosen->capture || chosen->grants || chosen->propose;
	for (size_t i = 0; i < settings->databases.count; i++)
		count += is_chosen(chosen, &settings->databases.items[i]);
	if (count == 0 || (only_one && count > 1)) {
		fprintf(stderr, count ? "crossfade check: say which database is meant, with --database\n"
				      : "crossfade check: no such database in the configuration\n");
		return EXIT_USAGE;
	}
	for (size_t i = 0; i < settings->databases.count; i++) {
		if (!is_chosen(chosen, &settings->databases.items[i]))
			continue;
		int one = check_database(chosen, settings, &settings->databases.items[i]);
		status = one > status ? one : status;
	}
	return status;
}

int cmd_check(int argc, char **argv)
{
	struct check_options chosen = { 0 };
	struct settings settings;
	struct error error;
	argp_parse(&parser, argc, argv, 0, NULL, &chosen);
	if (!settings_load(chosen.config_path, &settings, &error))
		return fail(&error, EXIT_USAGE);
	if (chosen.json)
		chosen.results = json_array();
	int status = check_all(&chosen, &settings);
	if (chosen.json && !check_output_print(chosen.results) && status == EXIT_HOLDS)
		status = EXIT_HOLDS_NOT;
	settings_deinit(&settings);
	return status;
}
