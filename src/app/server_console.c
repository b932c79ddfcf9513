/*
 * The console's orders, from a connection's thread to the main thread. What
 * takes long (reading the ledger, waiting for the catalog) is done here, on
 * the connection's thread; what changes the server is called over.
 */
#include "app/server_parts.h"

#include "app/evidence.h"
#include "base/clock.h"
#include "base/memory.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FRESH_FACTS_MS = 5000, PAUSE_US = 5000, HISTORY_MAX = 1000 };

struct call {
	struct server *server;
	const struct console_caller *caller;
	const struct console_request *request;
	struct console_result *result;
	struct error *error;
	struct arena *arena;
	bool ok;
	bool flips; /* SET FLAG: two tables change their parts, which is for a cutover of the flag */
	bool asked; /* the ledger, for SET FLAG … TO complete */
	struct server_evidence found;
	struct ruleset *ruleset; /* a reference for evidence */
	const char *key, *journal_path;
	const char *dsn, *database; /* of the table's database */
	const char *primary_dsn;    /* NULL: the same */
	enum stage stage;	    /* … as it is */
	struct member *member;	    /* NULL: a file keeps the stages */
	size_t index;
	bool shared; /* … of many: they are in the database */
	struct evidence_sources ledger;
};

static bool fail_ending(struct error *error_out)
{
	error_set(error_out, SQLSTATE_ADMIN_SHUTDOWN, "crossfade is ending");
	return false;
}

static bool call_over(struct call *call, void (*run)(void *context))
{
	if (!main_calls_run(call->server->calls, run, call))
		return fail_ending(call->error);
	return call->ok;
}

static struct server_order order_of(const struct call *call, const char *action)
{
	return (struct server_order){ .who = call->caller->who, .action = action, .reason = call->request->reason,
				      .force = call->request->force, .evidence = call->asked ? &call->found : NULL, .final = true };
}

/* ---- on the main thread ---- */

static void run_poke(void *context)
{
	struct call *call = context;
	server_poke(call->server);
	call->ok = true;
}

static void run_looked(void *context)
{
	struct call *call = context;
	call->ok = server_has_looked(call->server);
}

static void run_set_flag(void *context)
{
	struct call *call = context;
	struct server_order order = order_of(call, "set flag");
	call->ok = server_set_flag(call->server, call->request, &order, call->error);
	call->flips = order.flips;
}

static void run_rewrite(void *context)
{
	struct call *call = context;
	struct server_order order = order_of(call, "rewrite");
	call->ok = server_rewrite(call->server, call->request->on, &order, call->error);
}

static void run_reload(void *context)
{
	struct call *call = context;
	struct server_order order = order_of(call, "reload");
	call->ok = server_reload(call->server, &order, call->error);
	if (call->ok)
		LOG(LOG_INFO, "reload", LOG_STR("cause", "console"));
}

static void run_shutdown(void *context)
{
	struct call *call = context;
	call->ok = true;
	server_stop(call->server, !call->request->wait);
}

static void run_config(void *context)
{
	struct call *call = context;
	struct field_table table = settings_fields();
	struct settings defaults;
	struct buf value, initial;
	settings_init(&defaults);
	buf_init(&value);
	buf_init(&initial);
	for (size_t i = 0; i < table.count; i++) {
		const struct field *field = &table.fields[i];
		buf_clear(&value);
		buf_clear(&initial);
		field_format(field, &call->server->settings, false, &value);
		if (!field->required)
			field_format(field, &defaults, false, &initial);
		console_put_text(call->result, field->path);
		console_put_text(call->result, buf_cstr(&value));
		console_put_text(call->result, field->required ? NULL : buf_cstr(&initial));
		console_put_bool(call->result, field->reloadable);
	}
	buf_deinit(&value);
	buf_deinit(&initial);
	settings_deinit(&defaults);
	call->ok = true;
}

static void run_journal_path(void *context)
{
	struct call *call = context;
	call->journal_path = arena_strdup(call->arena, call->server->settings.journal_path);
	call->ok = true;
}

/* What the ledger has to be asked about, if the table is to be completed. */
static void run_find(void *context)
{
	struct call *call = context;
	const struct ruleset_entry *entry;
	struct server_database *database = server_find_entry(call->server, call->request, &entry, call->error);
	call->ok = database != NULL;
	if (!database)
		return;
	call->ruleset = ruleset_ref((struct ruleset *)rules_current(database->rules));
	call->key = arena_strdup(call->arena, entry->key);
	call->stage = entry->stage;
	call->index = (size_t)(database - call->server->databases);
	call->member = database->member;
	call->database = arena_strdup(call->arena, rules_database(database->rules));
	call->dsn = arena_strdup(call->arena, call->server->settings.databases.items[call->index].admin_dsn);
	call->primary_dsn = arena_strdup(call->arena, call->server->settings.databases.items[call->index].primary_dsn);
	call->ledger = (struct evidence_sources){
		arena_strdup(call->arena, call->server->settings.usage.path), call->server->settings.idle_days,
		call->server->database_count == 1 };
}

static void run_stage(void *context)
{
	struct call *call = context;
	const struct ruleset *ruleset = rules_current(call->server->databases[call->index].rules);
	const struct ruleset_entry *entry = ruleset ? ruleset_entry_by_key(ruleset, call->key) : NULL;
	call->ok = entry && entry->stage == call->request->stage;
}

static void run_note_stage(void *context)
{
	struct call *call = context;
	server_note(call->server, &(struct journal_entry){
		.who = call->caller->who, .action = "set flag", .database = call->database, .table = call->key,
		.from = stage_name(call->stage), .to = stage_name(call->request->stage), .outcome = "done",
		.reason = call->request->reason, .forced = call->request->force });
	call->ok = true;
}

static void run_place(void *context)
{
	struct call *call = context;
	const struct settings_databases *databases = &call->server->settings.databases;
	call->ok = call->index < databases->count;
	if (!call->ok)
		return;
	const struct settings_database *database = &databases->items[call->index];
	call->shared = database->admin_dsn && database->flags_in_schema;
	call->dsn = arena_strdup(call->arena, database->admin_dsn);
	call->database = arena_strdup(call->arena, database->name ? database->name : "*");
	call->member = call->server->databases[call->index].member;
}

/* ---- on the connection's thread ---- */

/* Stages depend on which tables there are now. */
static bool refresh_facts(struct call *call)
{
	uint64_t until_us = clock_monotonic_us() + FRESH_FACTS_MS * UINT64_C(1000);
	if (!call_over(call, run_poke))
		return false;
	while (clock_monotonic_us() < until_us && !console_cancelled(call->caller)) {
		if (!main_calls_run(call->server->calls, run_looked, call))
			return fail_ending(call->error);
		if (call->ok)
			break;
		usleep(PAUSE_US);
	}
	return true; /* with what is known, if the catalog cannot be read */
}

/* The rules allow it: now it is written where all proxies see it, and this one has to have seen it. */
static bool store_flag(struct call *call)
{
	char id[STATE_ID_BYTES];
	struct state_stage stage = { call->key, call->stage, call->request->stage };
	struct state_change change = { .id = id, .kind = "flag", .stages = &stage, .stage_count = 1,
				       .who = call->caller->who, .reason = call->request->reason, .outcome = "done",
				       .forced = call->request->force };
	uint64_t until_us = clock_monotonic_us() + FRESH_FACTS_MS * UINT64_C(1000);
	state_make_id(id);
	if (!server_store_stage(call->primary_dsn ? call->primary_dsn : call->dsn, &change, call->error))
		return false;
	member_poke(call->member);
	while (clock_monotonic_us() < until_us && main_calls_run(call->server->calls, run_stage, call) && !call->ok)
		usleep(PAUSE_US);
	return call_over(call, run_note_stage);
}

static bool set_flag(struct call *call)
{
	const struct console_request *request = call->request;
	if (!refresh_facts(call) || !call_over(call, run_find))
		return false;
	const struct ruleset_entry *entry = ruleset_entry_by_key(call->ruleset, call->key);
	if (entry && request->stage == entry->stage)
		console_progress(call->caller, "%s is at stage %s already", call->key, stage_name(entry->stage));
	call->asked = request->stage == STAGE_COMPLETE && !request->force;
	if (call->asked)
		call->found.quiet =
			evidence_is_quiet(&call->ledger, call->ruleset, call->key, &call->found.refusal);
	if (!call_over(call, run_set_flag))
		return false;
	if (call->flips)
		return server_cutover(call->server, call->caller, request, call->error);
	return !call->member || store_flag(call);
}

static bool reload(struct call *call)
{
	return refresh_facts(call) && call_over(call, run_reload);
}

static void put_entry(struct console_result *result, const struct journal_entry *entry)
{
	console_put_time(result, entry->at_ms);
	console_put_text(result, entry->who);
	console_put_text(result, entry->action);
	console_put_text(result, entry->database);
	console_put_text(result, entry->table);
	console_put_text(result, entry->from);
	console_put_text(result, entry->to);
	console_put_text(result, entry->outcome);
	console_put_text(result, entry->reason);
	console_put_bool(result, entry->forced);
}

/* In our own file and in the database: once is enough. */
static bool is_shared_entry(const struct journal_entry *entry, const char *database)
{
	if (!entry->action || !entry->outcome || !entry->database || strcmp(entry->database, database) != 0)
		return false;
	return strcmp(entry->action, "cutover") == 0 || strcmp(entry->action, "reverse") == 0 ||
	       (strcmp(entry->action, "set flag") == 0 && strcmp(entry->outcome, "done") == 0);
}

/* Both are newest first, and so is the result. */
static void merge_journals(struct call *call, size_t most, const struct journal_entries *shared,
			   struct journal_entries *entries)
{
	struct journal_entries all = { ARENA_ARRAY(call->arena, most + 1, struct journal_entry), 0 };
	size_t a = 0, b = 0;
	while (all.count < most && (a < entries->count || b < shared->count)) {
		const struct journal_entry *own = a < entries->count ? &entries->items[a] : NULL;
		const struct journal_entry *other = b < shared->count ? &shared->items[b] : NULL;
		if (own && is_shared_entry(own, call->database)) {
			a++;
		} else if (own && (!other || own->at_ms > other->at_ms)) {
			all.items[all.count++] = *own;
			a++;
		} else {
			all.items[all.count++] = *other;
			b++;
		}
	}
	*entries = all;
}

/* A database that cannot be asked leaves what this proxy noted itself. */
static void add_shared_journals(struct call *call, const char *table, size_t most, struct journal_entries *entries)
{
	struct journal_entries shared;
	struct error error;
	for (call->index = 0; main_calls_run(call->server->calls, run_place, call) && call->ok; call->index++) {
		if (!call->shared)
			continue;
		if (server_read_journal(call->database, call->dsn, table, most, call->arena, &shared, &error)) {
			merge_journals(call, most, &shared, entries);
			continue;
		}
		error_hint(&error, "What other proxies have changed is missing here.");
		console_warn(call->caller, &error);
	}
}

static bool read_journal(struct call *call, const char *table, size_t most, struct journal_entries *entries_out)
{
	if (!call_over(call, run_journal_path) ||
	    !journal_read(call->journal_path, table, most, call->arena, entries_out, call->error))
		return false;
	add_shared_journals(call, table, most, entries_out);
	return true;
}

static bool show_history(struct call *call)
{
	struct journal_entries entries;
	if (call->request->table.name && !call_over(call, run_find))
		return false;
	if (!read_journal(call, call->key, HISTORY_MAX, &entries))
		return false;
	for (size_t i = 0; i < entries.count; i++) {
		if (entries.items[i].to) /* else it only says that a journal began */
			put_entry(call->result, &entries.items[i]);
	}
	return true;
}

/* The newest entry that put this table where it is. */
static const struct journal_entry *last_change(const struct journal_entries *entries, const char *database,
					       const struct ruleset_entry *entry)
{
	for (size_t i = 0; i < entries->count; i++) {
		const struct journal_entry *at = &entries->items[i];
		if (!at->table || !at->outcome || strcmp(at->outcome, "done") != 0 || strcmp(at->table, entry->key) != 0)
			continue;
		if (at->database && strcmp(database, "*") != 0 && strcmp(at->database, database) != 0)
			continue;
		return at->to && strcmp(at->to, stage_name(entry->stage)) == 0 ? at : NULL;
	}
	return NULL;
}

static bool show_flags(struct call *call)
{
	struct overview_databases databases;
	struct journal_entries entries;
	if (!read_journal(call, NULL, 10 * HISTORY_MAX, &entries))
		return false;
	overview_databases(call->server->overview, &databases);
	for (size_t i = 0; i < databases.count; i++) {
		const struct ruleset *ruleset = databases.items[i].ruleset;
		for (size_t k = 0; ruleset && k < ruleset->entry_count; k++) {
			const struct ruleset_entry *entry = &ruleset->entries[k];
			const struct journal_entry *last = last_change(&entries, databases.items[i].name, entry);
			console_put_text(call->result, databases.items[i].name);
			console_put_text(call->result, entry->key);
			console_put_text(call->result, stage_name(entry->stage));
			console_put_time(call->result, last ? last->at_ms : 0);
			console_put_text(call->result, last ? last->who : NULL);
			console_put_text(call->result, last ? last->reason : NULL);
		}
	}
	overview_databases_deinit(&databases);
	return true;
}

static bool not_available(struct call *call)
{
	error_set(call->error, SQLSTATE_FEATURE_NOT_SUPPORTED, "%s is not available in this version of crossfade",
		  console_command(call->request->verb)->words);
	return false;
}

static bool show_proxies(struct call *call)
{
	for (call->index = 0; main_calls_run(call->server->calls, run_place, call) && call->ok; call->index++) {
		const char *self = call->member ? member_id(call->member) : NULL;
		if (call->shared && !server_show_proxies(call->database, call->dsn, self, call->result, call->error))
			return false;
	}
	return true;
}

static bool show_bypass(struct call *call)
{
	for (call->index = 0; main_calls_run(call->server->calls, run_place, call) && call->ok; call->index++) {
		if (call->dsn && !server_show_bypass(call->server, call->dsn, call->result, call->error))
			return false;
	}
	return true;
}

static bool dispatch(struct call *call)
{
	switch (call->request->verb) {
	case CONSOLE_SHOW_CONFIG: return call_over(call, run_config);
	case CONSOLE_SHOW_HISTORY: return show_history(call);
	case CONSOLE_SHOW_BYPASS: return show_bypass(call);
	case CONSOLE_SHOW_PROXIES: return show_proxies(call);
	case CONSOLE_SHOW_PAUSES: return server_show_pauses(call->server, call->request, call->result, call->error);
	case CONSOLE_SHOW_FLAGS: return show_flags(call);
	case CONSOLE_SET_FLAG: return set_flag(call);
	case CONSOLE_REWRITE: return call_over(call, run_rewrite);
	case CONSOLE_RELOAD: return reload(call);
	case CONSOLE_SHUTDOWN: return call_over(call, run_shutdown);
	case CONSOLE_CUTOVER:
	case CONSOLE_REVERSE: return server_cutover(call->server, call->caller, call->request, call->error);
	case CONSOLE_CANCEL_CUTOVER: return server_cancel_cutover(call->server, call->error);
	case CONSOLE_SHOW_CUTOVERS: server_show_cutovers(call->server, call->result); return true;
	case CONSOLE_SHOW_BLOCKERS: server_show_blockers(call->server, call->result); return true;
	case CONSOLE_PAUSE: return server_pause(call->server, call->caller, call->request, call->error);
	case CONSOLE_RESUME: return server_resume(call->server, call->caller, call->request, call->error);
	default: return not_available(call);
	}
}

/* Of a file that cannot be read at all there are no lines. */
static void say_place(struct error *error)
{
	if (error->line)
		error_detail(error, "It is in %s, line %u, column %u.", error->file, error->line, error->column);
	else
		error_detail(error, "It is about the file %s.", error->file);
}

static bool on_run(void *context, const struct console_caller *caller, const struct console_request *request,
		   struct console_result *result, struct error *error_out)
{
	struct arena arena;
	struct call call = { .server = context, .caller = caller, .request = request, .result = result,
			     .error = error_out, .arena = &arena };
	arena_init(&arena);
	bool ok = dispatch(&call);
	if (!ok && error_out->file[0] && !error_out->detail[0])
		say_place(error_out);
	ruleset_unref(call.ruleset);
	arena_deinit(&arena);
	return ok;
}

/* ---- life ---- */

static struct console_users users_of(const struct settings *settings, struct users *passwords)
{
	return (struct console_users){ settings->console.admins.items, settings->console.admins.count,
				       settings->console.viewers.items, settings->console.viewers.count, passwords };
}

bool server_load_passwords(const struct settings *settings, struct users **users_out, struct error *error_out)
{
	*users_out = NULL;
	return !settings->console.users_path || users_load(settings->console.users_path, users_out, error_out);
}

bool server_open_console(struct server *server, struct error *error_out)
{
	const struct settings_console *settings = &server->settings.console;
	struct console_sources sources = { server->overview, server->proxy, server->usage, clock_wall_ms() };
	struct console_actions actions = { server, on_run };
	struct users *passwords;
	if (!settings->endpoint_count)
		return true;
	if (!server_load_passwords(&server->settings, &passwords, error_out))
		return false;
	struct console_users users = users_of(&server->settings, passwords);
	server->console = console_new(&server->loop, &sources, actions, &users);
	users_unref(passwords);
	for (size_t i = 0; i < settings->endpoint_count; i++) {
		const struct endpoint *endpoint = &settings->endpoints[i];
		if (endpoint->host[0] == '/')
			mkdir(endpoint->host, 0755); /* listening says why, if that did not help */
		if (!console_listen(server->console, endpoint->host, endpoint->port, error_out))
			return false;
		LOG(LOG_INFO, "console", LOG_STR("address", endpoint->host), LOG_UINT("port", endpoint->port));
	}
	return true;
}

void server_close_console(struct server *server)
{
	main_calls_close(server->calls);
	console_free(server->console);
	server->console = NULL;
}

void server_console_reloaded(struct server *server, struct users *passwords)
{
	struct console_users users = users_of(&server->settings, passwords);
	if (server->console)
		console_set_users(server->console, &users);
}
