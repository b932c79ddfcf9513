/*
 * What was in force when the process last ended, as the journal has it. A
 * flags file that was edited meanwhile is held to the rules of stages as if it
 * were reloaded, and the kill switch stays where somebody has put it.
 */
#include "app/server_parts.h"

#include "app/error_log.h"

enum { ENTRIES_MAX = 100000 };

static bool is_done(const struct journal_entry *entry)
{
	return entry->outcome && strcmp(entry->outcome, "done") == 0;
}

static bool is_action(const struct journal_entry *entry, const char *action)
{
	return entry->action && strcmp(entry->action, action) == 0;
}

/* ---- stages ---- */

/* From its first start on a journal tells all: what it does not name was at stage old. */
static bool tells_all(const struct journal_entries *entries)
{
	for (size_t i = 0; i < entries->count; i++) {
		if (is_action(&entries->items[i], "start"))
			return true;
	}
	return false;
}

static bool is_about(const struct journal_entry *entry, const char *database, const char *key)
{
	return is_done(entry) && entry->table && strcmp(entry->table, key) == 0 &&
	       (!entry->database || !database || strcmp(entry->database, database) == 0);
}

static bool find_stage(const struct journal_entries *entries, const char *database, const char *key,
		       enum stage *stage_out)
{
	for (size_t i = 0; i < entries->count; i++) {
		const struct journal_entry *entry = &entries->items[i];
		if (is_about(entry, database, key) && entry->to && stage_parse(entry->to, stage_out))
			return true;
	}
	return false;
}

static void note_first(struct server_database *database, const struct ruleset_entry *entry)
{
	server_note(database->server, &(struct journal_entry){
		.who = "start", .action = "start", .database = rules_database(database->rules), .table = entry->key,
		.to = stage_name(entry->stage), .outcome = "done" });
}

/* The stages of before come first; then the file's are judged as a change of them. */
static bool recall_stages(struct server_database *database, const struct journal_entries *entries, bool complete)
{
	const struct ruleset *ruleset = ruleset_ref((struct ruleset *)rules_current(database->rules));
	bool differs = false;
	for (size_t i = 0; i < ruleset->entry_count; i++) {
		const struct ruleset_entry *entry = &ruleset->entries[i];
		enum stage was = complete ? STAGE_OLD : entry->stage;
		bool found = find_stage(entries, rules_database(database->rules), entry->key, &was);
		if (!found && !complete && entry->stage != STAGE_OLD)
			note_first(database, entry);
		if (was == entry->stage)
			continue;
		rules_expect_stage(database->rules, entry->key, was);
		differs = true;
	}
	if (differs)
		rules_publish_again(database->rules);
	ruleset_unref((struct ruleset *)ruleset);
	return differs;
}

/* ---- the kill switch ---- */

static bool was_off(const struct journal_entries *entries)
{
	for (size_t i = 0; i < entries->count; i++) {
		if (is_action(&entries->items[i], "rewrite") && is_done(&entries->items[i]))
			return entries->items[i].to && strcmp(entries->items[i].to, "off") == 0;
	}
	return false;
}

/* ---- both ---- */

void server_recall(struct server *server)
{
	struct journal_entries entries;
	struct arena arena;
	struct error error;
	const char *path = server->settings.journal_path;
	if (!path)
		return;
	arena_init(&arena);
	if (!journal_read(path, NULL, ENTRIES_MAX, &arena, &entries, &error)) {
		error_log(LOG_ERROR, "journal_failed", NULL, &error);
		arena_deinit(&arena);
		return;
	}
	bool complete = tells_all(&entries);
	for (size_t i = 0; i < server->database_count; i++) {
		if (!server->settings.databases.items[i].flags_in_schema)
			server->recalled |= recall_stages(&server->databases[i], &entries, complete);
	}
	if (!complete)
		server_note(server, &(struct journal_entry){ .who = "start", .action = "start", .outcome = "done" });
	if (was_off(&entries))
		server_switch_rewriting(server, false);
	arena_deinit(&arena);
}

static void judge_stages(struct server *server)
{
	struct server_order order = { .who = "start", .action = "start", .final = true };
	struct error error;
	server->recalled = false;
	if (server_reload(server, &order, &error)) {
		LOG(LOG_INFO, "reload", LOG_STR("cause", "start"));
		return;
	}
	LOG(LOG_ERROR, "flags_held", LOG_STR("error", error.message), LOG_STR("detail", error.detail),
	    LOG_STR("hint", error.hint), LOG_STR("console", server->settings.console.endpoint_count ? NULL :
		"there is none to force it over: add `console: {listen: [run]}`, restart, and use `crossfade flags set`"),
	    LOG_STR("message", "a flags file was changed while crossfade was not running, against the rules of stages; "
			       "stages stay as they were until it is changed back or the change is forced"));
}

/* Rows may have moved since, or have been known too late. */
static void judge_switch(struct server *server)
{
	struct error error;
	if (server_may_pass_all(server, &error)) {
		LOG(LOG_WARNING, "rewriting", LOG_STR("state", "off"), LOG_STR("who", "start"),
		    LOG_STR("message", "it was switched off before the start, and stays so until REWRITE ON"));
		return;
	}
	server_switch_rewriting(server, true);
	server_note(server, &(struct journal_entry){ .who = "start", .action = "rewrite", .from = "off", .to = "on",
						     .reason = error.message, .outcome = "done" });
	LOG(LOG_WARNING, "rewriting", LOG_STR("state", "on"), LOG_STR("who", "start"), LOG_STR("reason", error.message));
}

void server_judge_start(struct server *server)
{
	if (server->recalled)
		judge_stages(server);
	if (server->rewriting_off)
		judge_switch(server);
}
