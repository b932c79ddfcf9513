/*
 * Loading crossfade.yaml. What every key means stands in settings_table.c;
 * here are the defaults, the search for the file and what concerns more than
 * one key.
 */
#include "app/settings.h"

#include "app/cores.h"
#include "app/dsn.h"
#include "usage/shared.h"

#include <unistd.h>

static const char *const search_order[] = { "./crossfade.yaml", "/etc/crossfade/crossfade.yaml" };

const char settings_journal_auto[] = "auto";

void settings_init(struct settings *settings)
{
	*settings = (struct settings){
		.poll_ms = 1000,
		.sessions_ms = 60000,
		.idle_days = 35,
		.journal = settings_journal_auto,
		.log_level = LOG_INFO,
		.log_format = LOG_FORMAT_LOGFMT,
		.policy = { OPAQUE_PASS, INTROSPECTION_PASS, DDL_REFUSE, ERRORS_MAPPED, NEWER_SYNTAX_REFUSE },
		.usage = usage_settings_default(),
		.proxy = proxy_settings_default(),
	};
	arena_init(&settings->arena);
}

void settings_deinit(struct settings *settings)
{
	arena_deinit(&settings->arena);
}

static const char *folder_of(struct arena *arena, const char *file)
{
	const char *slash = strrchr(file, '/');
	if (!slash)
		return ".";
	return slash == file ? "/" : arena_copy(arena, file, (size_t)(slash - file));
}

/* What a path relative to the file begins with. */
static const char *prefix_of(struct arena *arena, const char *file)
{
	const char *slash = strrchr(file, '/');
	return slash ? arena_copy(arena, file, (size_t)(slash - file) + 1) : "";
}

static bool fail_both(const struct yaml_doc *doc, const char *key, struct error *error_out)
{
	const struct yaml_value *root = &doc->root, *at = root;
	for (size_t i = 0; i < root->count; i++) {
		if (strcmp(root->keys[i].text, key) == 0)
			at = &root->keys[i];
	}
	yaml_fail(doc, at, error_out, "`%s` and `databases` cannot both be given", key);
	error_hint(error_out, "Move it below its database: `databases: {NAME: {%s: …}}`.", key);
	return false;
}

/* The short form becomes a list of one. */
static bool unite_forms(struct settings *settings, const struct yaml_doc *doc, struct error *error_out)
{
	if (settings->databases.count) {
		if (settings->single.map_path)
			return fail_both(doc, "map", error_out);
		if (settings->single.flags_path || settings->single.flags_in_schema)
			return fail_both(doc, "flags", error_out);
		return !settings->single.admin_dsn || fail_both(doc, "admin", error_out);
	}
	if (!settings->single.map_path) {
		yaml_fail(doc, &doc->root, error_out, "`map` is missing, and `databases` names no database");
		error_hint(error_out, "Write `map: FILE`, or a database with a map below `databases`.");
		return false;
	}
	settings->databases.items = ARENA_NEW(&settings->arena, struct settings_database);
	settings->single.short_form = true;
	if (settings->single.admin_dsn)
		settings->single.name = dsn_database(&settings->arena, settings->single.admin_dsn);
	*settings->databases.items = settings->single;
	settings->databases.count = 1;
	return true;
}

static bool check_queue(const struct settings *settings, const struct yaml_doc *doc, struct error *error_out)
{
	if (settings->proxy.queue_low_bytes < settings->proxy.queue_high_bytes)
		return true;
	const struct yaml_value *limits = yaml_get(&doc->root, "limits");
	return yaml_fail(doc, limits, error_out,
			 "`limits.queue_low_bytes` must be less than `limits.queue_high_bytes`");
}

/* A ledger in the database is reached as the catalog is. */
static bool place_usage(struct settings *settings, const struct yaml_doc *doc, struct error *error_out)
{
	const char *dsn = settings->databases.items[0].admin_dsn;
	if (!usage_is_shared(settings->usage.path))
		return true;
	if (!dsn) {
		yaml_fail(doc, yaml_get(&doc->root, "usage"), error_out, "`usage: {schema: …}` needs an admin connection");
		error_hint(error_out, "Set `admin: {dsn: …}`; of several databases the first one holds the ledger.");
		return false;
	}
	settings->usage.path = arena_printf(&settings->arena, "%s\n%s", settings->usage.path, dsn);
	return true;
}

/* Where passwords are asked for, there must be some. */
static bool check_console(const struct settings *settings, const struct yaml_doc *doc, struct error *error_out)
{
	const struct settings_console *console = &settings->console;
	const struct yaml_value *at = yaml_get(&doc->root, "console");
	for (size_t i = 0; i < console->endpoint_count && !console->users_path; i++) {
		if (console->endpoints[i].host[0] == '/')
			continue;
		yaml_fail(doc, at, error_out, "a console on a TCP port needs `console.users_file`");
		error_hint(error_out, "Name a file with the users' SCRAM verifiers, or listen in a folder: `listen: [run]`.");
		return false;
	}
	return true;
}

static bool check_schemas(const struct settings *settings, const struct yaml_doc *doc, struct error *error_out)
{
	for (size_t i = 0; i < settings->databases.count; i++) {
		const struct settings_database *database = &settings->databases.items[i];
		if (!database->flags_in_schema || database->admin_dsn)
			continue;
		yaml_fail(doc, yaml_get(&doc->root, database->short_form ? "flags" : "databases"), error_out,
			  "`flags: {schema: crossfade}` needs `admin.dsn`, to reach the database that keeps the stages");
		return false;
	}
	return true;
}

/* The value at a dotted path, or what holds it where it is not written. */
static const struct yaml_value *place_of(const struct yaml_doc *doc, const char *path)
{
	char key[64];
	size_t len = strcspn(path, ".");
	snprintf(key, sizeof(key), "%.*s", (int)len, path);
	const struct yaml_value *section = yaml_get(&doc->root, key);
	const struct yaml_value *inner = section && path[len] ? yaml_get(section, path + len + 1) : NULL;
	return inner ? inner : section ? section : &doc->root;
}

static bool check_security(const struct settings *settings, const struct yaml_doc *doc, struct error *error_out)
{
	const char *key;
	bool asks = settings->security.auth_query != NULL;
	if (!security_settings_check(&settings->security, &key, error_out)) {
		const struct yaml_value *at = place_of(doc, key);
		error_at(error_out, doc->file, at->line, at->column);
		return false;
	}
	for (size_t i = 0; asks && i < settings->databases.count; i++)
		asks = !settings->databases.items[i].admin_dsn;
	if (!asks)
		return true;
	yaml_fail(doc, place_of(doc, "auth_query"), error_out,
		  "`auth_query` needs a connection of crossfade's own to ask the server");
	error_hint(error_out, "Set admin.dsn.");
	return false;
}

static bool finish(struct settings *settings, const struct yaml_doc *doc, struct error *error_out)
{
	if (!unite_forms(settings, doc, error_out) || !check_queue(settings, doc, error_out) ||
	    !place_usage(settings, doc, error_out) || !check_console(settings, doc, error_out) ||
	    !check_schemas(settings, doc, error_out) || !check_security(settings, doc, error_out))
		return false;
	settings->journal_path = settings->journal;
	if (settings->journal == settings_journal_auto)
		settings->journal_path = arena_printf(&settings->arena, "%scrossfade-journal.jsonl",
						      prefix_of(&settings->arena, doc->file));
	settings->proxy.workers = settings->workers ? settings->workers : cores_usable();
	settings->proxy.usage_flush_ms = settings->usage.flush_ms;
	return true;
}

static bool load_doc(struct yaml_doc *doc, struct settings *settings_out, struct error *error_out)
{
	struct settings settings;
	settings_init(&settings);
	settings.file = arena_strdup(&settings.arena, doc->file);
	const char *folder = folder_of(&settings.arena, doc->file);
	if (!fields_load(settings_fields(), doc, folder, &settings.arena, &settings, error_out) ||
	    !finish(&settings, doc, error_out)) {
		settings_deinit(&settings);
		return false;
	}
	*settings_out = settings;
	return true;
}

bool settings_parse(struct slice text, const char *file, struct settings *settings_out, struct error *error_out)
{
	struct yaml_doc doc;
	if (!yaml_load_text(text, file, &doc, error_out))
		return false;
	bool ok = load_doc(&doc, settings_out, error_out);
	yaml_doc_deinit(&doc);
	return ok;
}

static const char *find_file(struct error *error_out)
{
	for (size_t i = 0; i < sizeof(search_order) / sizeof(search_order[0]); i++) {
		if (access(search_order[i], F_OK) == 0)
			return search_order[i];
	}
	error_set(error_out, SQLSTATE_CONFIG_FILE_ERROR, "no configuration found: there is neither %s nor %s",
		  search_order[0], search_order[1]);
	error_hint(error_out, "Name one with -c FILE; `crossfade config --defaults` prints one to begin with.");
	return NULL;
}

bool settings_load(const char *path, struct settings *settings_out, struct error *error_out)
{
	struct yaml_doc doc;
	if (!path)
		path = find_file(error_out);
	if (!path || !yaml_load_file(path, &doc, error_out))
		return false;
	bool ok = load_doc(&doc, settings_out, error_out);
	yaml_doc_deinit(&doc);
	return ok;
}
