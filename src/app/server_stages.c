/* Stages: the rules of their changes, the journal, SET FLAG and the kill switch. On the main thread. */
#include "app/server_parts.h"

#include "app/error_log.h"
#include "app/evidence.h"
#include "base/memory.h"
#include "config/flags_edit.h"
#include "config/replace_file.h"
#include "config/suggest.h"
#include "model/stage_rules.h"

#include <stdlib.h>

#define SQLSTATE_NOT_IN_STATE "55000"
#define SQLSTATE_UNDEFINED_OBJECT "42704"

/* ---- what changes ---- */

struct stage_change {
	const struct ruleset_entry *before, *after;
};

/* The entry under its old name, as the rules before had it; NULL: it is new in the map. */
static const struct ruleset_entry *entry_before(const struct ruleset *before, const struct ruleset_entry *after)
{
	struct rel_name name = after->names[SIDE_OLD];
	const struct ruleset_name *found = before ? ruleset_find(before, name.schema, name.name) : NULL;
	bool same = found && found->kind == NAME_TABLE && strcmp(found->entry->key, after->key) == 0;
	return same ? found->entry : NULL;
}

/* The next entry whose stage differs; false: there is none left. */
static bool next_change(const struct server_database *database, const struct ruleset *after, size_t *at,
			struct stage_change *change_out)
{
	const struct ruleset *before = rules_current(database->rules);
	while (*at < after->entry_count) {
		const struct ruleset_entry *entry = &after->entries[(*at)++];
		const struct ruleset_entry *old = entry_before(before, entry);
		if (!old || old->stage == entry->stage)
			continue;
		*change_out = (struct stage_change){ old, entry };
		return true;
	}
	return false;
}

static bool is_ordered(const struct server_order *order, const struct ruleset_entry *entry)
{
	return order->key && strcmp(order->key, entry->key) == 0;
}

static struct evidence_sources evidence_of(const struct server *server)
{
	return (struct evidence_sources){ server->settings.usage.path, server->settings.idle_days,
					  server->database_count == 1 };
}

static bool take_evidence(const struct server_evidence *evidence, struct error *error_out)
{
	if (!evidence->quiet)
		*error_out = evidence->refusal;
	return evidence->quiet;
}

/* A file does not set fences, and what is fenced cannot be written. */
static bool is_fenced_off(const struct stage_change *change, const struct server_order *order, struct error *error_out)
{
	enum side side = stage_side(change->after->stage);
	const struct fact_relation *table = change->after->relation[side];
	if (is_ordered(order, change->after) || !stage_change_flips(change->before, change->after) || !table->fenced)
		return false;
	error_set(error_out, SQLSTATE_NOT_IN_STATE, "%s does not go from stage %s to %s by an edited file",
		  change->after->key, stage_name(change->before->stage), stage_name(change->after->stage));
	error_detail(error_out, "Its table on the %s side is fenced, so that nobody writes into it.", side_name(side));
	error_hint(error_out, "`crossfade flags set %s %s` takes the fence off and writes the file.", change->after->key,
		   stage_name(change->after->stage));
	return true;
}

static bool judge_one(struct server_database *database, const struct ruleset *after,
		      const struct stage_change *change, const struct server_order *order, bool *stale_out,
		      struct error *error_out)
{
	bool ordered = is_ordered(order, change->after);
	struct evidence_sources sources = evidence_of(database->server);
	if (is_fenced_off(change, order, error_out))
		return false;
	switch (stage_change_judge(change->before, change->after, error_out)) {
	case STAGE_ALLOWED: return true;
	case STAGE_NEEDS_QUIET:
		if (ordered && (order->force || order->evidence))
			return order->force || take_evidence(order->evidence, error_out);
		return evidence_is_quiet(&sources, after, change->after->key, error_out);
	case STAGE_REFUSED: return ordered && order->force;
	case STAGE_ABSENT: *stale_out = database->watcher && !order->final; return false;
	}
	return false;
}

bool server_judge(struct server_database *database, const struct rules_change *change,
		  const struct server_order *order, bool *stale_out, struct error *error_out)
{
	const struct ruleset *after = rules_change_ruleset(change);
	struct stage_change step;
	size_t at = 0;
	*stale_out = false;
	while (next_change(database, after, &at, &step)) {
		if (!judge_one(database, after, &step, order, stale_out, error_out))
			return false;
	}
	return true;
}

/* ---- journal ---- */

void server_note(struct server *server, const struct journal_entry *entry)
{
	struct error error;
	if (!journal_append(server->settings.journal_path, entry, &error))
		error_log(LOG_ERROR, "journal_failed", entry->database, &error);
}

static struct journal_entry entry_of(const struct server_database *database, const struct stage_change *change,
				     const struct server_order *order)
{
	bool ordered = is_ordered(order, change->after);
	return (struct journal_entry){
		.who = order->who,
		.action = order->action,
		.database = rules_database(database->rules),
		.table = change->after->key,
		.from = stage_name(change->before->stage),
		.to = stage_name(change->after->stage),
		.reason = ordered ? order->reason : NULL,
		.forced = ordered && order->force,
	};
}

void server_note_stages(struct server_database *database, const struct rules_change *change,
			const struct server_order *order, const char *refusal)
{
	char outcome[600] = "done";
	struct stage_change step;
	size_t at = 0;
	if (refusal)
		snprintf(outcome, sizeof(outcome), "refused: %s", refusal);
	while (next_change(database, rules_change_ruleset(change), &at, &step)) {
		struct journal_entry entry = entry_of(database, &step, order);
		entry.outcome = outcome;
		server_note(database->server, &entry);
		LOG(LOG_INFO, "stage", LOG_STR("database", entry.database), LOG_STR("table", entry.table),
		    LOG_STR("from", entry.from), LOG_STR("to", entry.to), LOG_STR("who", entry.who),
		    LOG_STR("outcome", refusal ? "refused" : "done"));
	}
}

/* ---- which entry ---- */

static bool is_named(const struct ruleset_entry *entry, struct rel_name name)
{
	for (int side = SIDE_OLD; side <= SIDE_NEW; side++) {
		struct rel_name own = entry->names[side];
		if (own.name && strcmp(own.name, name.name) == 0 &&
		    (!name.schema || strcmp(own.schema, name.schema) == 0))
			return true;
	}
	return false;
}

static bool is_database(const struct server_database *database, const char *name)
{
	const char *own = rules_database(database->rules);
	return !name || !own || strcmp(own, name) == 0;
}

/* The name most like the one asked for, of any database. */
static const char *similar_entry(const struct server *server, const char *name)
{
	const char *best = NULL;
	for (size_t i = 0; i < server->database_count && !best; i++) {
		const struct ruleset *ruleset = rules_current(server->databases[i].rules);
		size_t count = ruleset ? ruleset->entry_count : 0;
		const char **keys = memory_zalloc((count + 1) * sizeof(*keys));
		for (size_t k = 0; k < count; k++)
			keys[k] = ruleset->entries[k].key;
		best = suggest_word(name, keys, count);
		free(keys);
	}
	return best;
}

static void say_unknown(const struct server *server, const struct console_request *request, size_t found,
			struct error *error_out)
{
	struct buf name;
	buf_init(&name);
	rel_name_append(&name, request->table);
	if (found) {
		error_set(error_out, "42P09", "%s could be any of %zu entries of the map", buf_cstr(&name), found);
		error_hint(error_out, "Write the old name with its schema, and the database before it where there are several.");
	} else {
		error_set(error_out, SQLSTATE_UNDEFINED_OBJECT, "the map has no entry %s", buf_cstr(&name));
		const char *similar = similar_entry(server, buf_cstr(&name));
		if (similar)
			error_hint(error_out, "Did you mean %s?", similar);
		else
			error_hint(error_out, "SHOW TABLES lists the entries; each goes by its old name or its new one.");
	}
	buf_deinit(&name);
}

struct server_database *server_find_entry(struct server *server, const struct console_request *request,
					  const struct ruleset_entry **entry_out, struct error *error_out)
{
	struct server_database *database = NULL;
	size_t found = 0;
	for (size_t i = 0; i < server->database_count; i++) {
		const struct ruleset *ruleset = rules_current(server->databases[i].rules);
		if (!ruleset || !is_database(&server->databases[i], request->database))
			continue;
		for (size_t k = 0; k < ruleset->entry_count; k++) {
			if (!is_named(&ruleset->entries[k], request->table))
				continue;
			found++;
			database = &server->databases[i];
			*entry_out = &ruleset->entries[k];
		}
	}
	if (found == 1)
		return database;
	say_unknown(server, request, found, error_out);
	return NULL;
}

/* ---- SET FLAG ---- */

static const struct settings_database *settings_of(const struct server_database *database)
{
	const struct server *server = database->server;
	return &server->settings.databases.items[database - server->databases];
}

static bool edit_flags(const struct server_database *database, const struct ruleset_entry *entry, enum stage stage,
		       struct buf *text_out, struct error *error_out)
{
	const char *path = settings_of(database)->flags_path;
	struct buf before;
	if (settings_of(database)->flags_in_schema)
		return flags_edit(slice_str(database->stages ? database->stages : "flags: {}"), SERVER_STAGES_NAME,
				  entry->names[SIDE_OLD], stage, text_out, error_out);
	if (!path) {
		error_set(error_out, SQLSTATE_NOT_IN_STATE, "the configuration names no flags file to write to");
		error_hint(error_out, "Add `flags: flags.yaml`, create that file with the line `flags: {}`, and reload.");
		return false;
	}
	buf_init(&before);
	bool ok = file_read(path, &before, error_out) &&
		  flags_edit(buf_slice(&before), path, entry->names[SIDE_OLD], stage, text_out, error_out);
	buf_deinit(&before);
	return ok;
}

/* After a cutover: the file follows what is true already. */
bool server_write_flags(struct server_database *database, const struct state_stage *stages, size_t count,
			struct error *error_out)
{
	const char *path = settings_of(database)->flags_path;
	const struct ruleset *ruleset = rules_current(database->rules);
	struct buf text;
	if (settings_of(database)->flags_in_schema)
		return true; /* the transaction has written them */
	buf_init(&text);
	bool ok = path && file_read(path, &text, error_out);
	if (!path)
		error_set(error_out, SQLSTATE_NOT_IN_STATE, "the configuration names no flags file to write to");
	for (size_t i = 0; ok && i < count; i++) {
		const struct ruleset_entry *entry = ruleset_entry_by_key(ruleset, stages[i].table);
		struct buf next;
		buf_init(&next);
		ok = !entry || flags_edit(buf_slice(&text), path, entry->names[SIDE_OLD], stages[i].to, &next, error_out);
		if (ok && entry) {
			buf_deinit(&text);
			text = next;
		} else {
			buf_deinit(&next);
		}
	}
	ok = ok && file_replace(path, buf_slice(&text), error_out);
	buf_deinit(&text);
	return ok;
}

/* What cannot be noted is not done. */
static bool put_in_force(struct server_database *database, struct rules_change *change, struct slice text,
			 const struct server_order *order, struct error *error_out)
{
	const char *path = settings_of(database)->flags_path;
	if (!journal_check(database->server->settings.journal_path, error_out))
		return false;
	if (!file_replace(path, text, error_out)) {
		error_hint(error_out, "crossfade must be allowed to write the flags file and its folder; else edit it by hand.");
		return false;
	}
	server_note_stages(database, change, order, NULL);
	return true;
}

static void note_failure(const struct server_database *database, const struct ruleset_entry *entry, enum stage stage,
			 const struct server_order *order, const struct error *error)
{
	char outcome[600];
	struct stage_change step = { entry, entry };
	struct journal_entry note = entry_of(database, &step, order);
	snprintf(outcome, sizeof(outcome), "refused: %s", error->message);
	note.to = stage_name(stage);
	note.outcome = outcome;
	server_note(database->server, &note);
}

static bool change_flips(const struct server_database *database, const struct rules_change *change,
			 const struct server_order *order)
{
	const struct ruleset_entry *after = ruleset_entry_by_key(rules_change_ruleset(change), order->key);
	const struct ruleset_entry *before = after ? entry_before(rules_current(database->rules), after) : NULL;
	return before && database->watcher && stage_change_flips(before, after);
}

static bool change_stage(struct server_database *database, const struct ruleset_entry *entry, enum stage stage,
			 struct server_order *order, struct error *error_out)
{
	struct rules_files files = server_files_of(&database->server->settings, settings_of(database), NULL);
	struct rules_change *change = NULL;
	struct buf text;
	bool stale, in_schema = settings_of(database)->flags_in_schema;
	buf_init(&text);
	bool ok = edit_flags(database, entry, stage, &text, error_out);
	if (ok) {
		files.flags_text = buf_slice(&text);
		ok = rules_prepare(database->rules, &files, &change, error_out) &&
		     server_judge(database, change, order, &stale, error_out);
		order->flips = ok && change_flips(database, change, order);
		ok = ok && (in_schema || order->flips || put_in_force(database, change, buf_slice(&text), order, error_out));
	}
	if (ok && !in_schema && !order->flips)
		server_commit_rules(database, change);
	else
		rules_abandon(change);
	buf_deinit(&text);
	return ok;
}

bool server_set_flag(struct server *server, const struct console_request *request, struct server_order *order,
		     struct error *error_out)
{
	const struct ruleset_entry *entry;
	struct server_database *database = server_find_entry(server, request, &entry, error_out);
	if (!database)
		return false;
	char *key = memory_strdup(entry->key);
	order->key = key;
	bool ok = change_stage(database, entry, request->stage, order, error_out);
	if (!ok)
		note_failure(database, entry, request->stage, order, error_out);
	else
		server_rules_changed(server);
	order->key = NULL;
	free(key);
	return ok;
}

/* ---- the kill switch ---- */

/* A view under the old name serves old code; anything else there does not have the rows. */
static bool needs_rewriting(const struct ruleset_entry *entry)
{
	const struct fact_relation *old = entry->relation[SIDE_OLD];
	return entry->kind != MAP_IDENTITY && entry->physical == SIDE_NEW && !(old && old->kind == FACT_VIEW);
}

bool server_may_pass_all(struct server *server, struct error *error_out)
{
	if (server_is_moving(server)) {
		error_set(error_out, SQLSTATE_NOT_IN_STATE, "rewriting cannot be switched off: a cutover is under way");
		error_hint(error_out, "CANCEL CUTOVER first, or wait for its end; SHOW CUTOVERS shows it.");
		return false;
	}
	const char *first = NULL;
	size_t count = 0;
	for (size_t i = 0; i < server->database_count; i++) {
		const struct ruleset *ruleset = rules_current(server->databases[i].rules);
		for (size_t k = 0; ruleset && k < ruleset->entry_count; k++) {
			if (!needs_rewriting(&ruleset->entries[k]))
				continue;
			first = first ? first : ruleset->entries[k].key;
			count++;
		}
	}
	if (!count)
		return true;
	error_set(error_out, SQLSTATE_NOT_IN_STATE, "rewriting cannot be switched off: the rows of %s have moved", first);
	error_detail(error_out, "Without rewriting, statements that name the old tables would fail or see old rows (%zu table%s).",
		     count, count == 1 ? "" : "s");
	error_hint(error_out, "Move them back first (`crossfade cutover --reverse`); SHOW TABLES lists them (rows_in new).");
	return false;
}

void server_switch_rewriting(struct server *server, bool on)
{
	server->rewriting_off = !on;
	overview_set_rewriting(server->overview, on);
	usage_watch(server->usage, on); /* nothing is counted meanwhile, and the ledger must say so */
	for (size_t i = 0; i < server->database_count; i++)
		rules_publish_again(server->databases[i].rules);
}

bool server_rewrite(struct server *server, bool on, const struct server_order *order, struct error *error_out)
{
	char outcome[600] = "done";
	struct journal_entry note = { .who = order->who, .action = "rewrite", .from = server->rewriting_off ? "off" : "on",
				      .to = on ? "on" : "off", .reason = order->reason, .outcome = outcome };
	bool ok = on || server_may_pass_all(server, error_out);
	if (!ok)
		snprintf(outcome, sizeof(outcome), "refused: %s", error_out->message);
	if (!ok || !journal_append(server->settings.journal_path, &note, error_out)) {
		if (!ok)
			server_note(server, &note);
		return false;
	}
	server_switch_rewriting(server, on);
	LOG(on ? LOG_INFO : LOG_WARNING, "rewriting", LOG_STR("state", on ? "on" : "off"), LOG_STR("who", order->who));
	return true;
}
