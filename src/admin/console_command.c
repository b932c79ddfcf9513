#include "admin/console_command.h"

#include "config/sql_name.h"
#include "config/suggest.h"

#include <stdlib.h>
#include <strings.h>

#define SQLSTATE_SYNTAX_ERROR "42601"

/* ---- the table ---- */

#define COLUMNS(...) .columns = (const struct rows_column[]){ __VA_ARGS__ }, \
	.column_count = sizeof((const struct rows_column[]){ __VA_ARGS__ }) / sizeof(struct rows_column)
#define TEXT(name) { name, ROWS_TEXT }
#define NUMBER(name) { name, ROWS_INT8 }
#define BOOLEAN(name) { name, ROWS_BOOL }
#define TIME(name) { name, ROWS_TIMESTAMPTZ }

/* docs/console.md lists the columns; they are an interface: add at the end, never rename. */
static const struct console_command commands[CONSOLE_VERB_COUNT] = {
	[CONSOLE_SHOW_TABLES] = { "SHOW TABLES", "SHOW TABLES", "SHOW", "every table of the map, and where its rows are",
		COLUMNS(TEXT("database"), TEXT("table"), TEXT("new_table"), TEXT("kind"), TEXT("stage"), TEXT("rows_in"),
			BOOLEAN("drift"), TEXT("group"), BOOLEAN("old_exists"), BOOLEAN("new_exists")) },
	[CONSOLE_SHOW_FLAGS] = { "SHOW FLAGS", "SHOW FLAGS", "SHOW", "the stage of every table, and who set it",
		COLUMNS(TEXT("database"), TEXT("table"), TEXT("stage"), TIME("changed_at"), TEXT("changed_by"),
			TEXT("reason")) },
	[CONSOLE_SHOW_HISTORY] = { "SHOW HISTORY", "SHOW HISTORY [table]", "SHOW", "what the journal says, newest first",
		COLUMNS(TIME("at"), TEXT("who"), TEXT("action"), TEXT("database"), TEXT("table"), TEXT("from"), TEXT("to"),
			TEXT("outcome"), TEXT("reason"), BOOLEAN("forced")) },
	[CONSOLE_SHOW_USAGE] = { "SHOW USAGE", "SHOW USAGE", "SHOW", "how often each name was used since the start",
		COLUMNS(TEXT("database"), TEXT("table"), TEXT("side"), NUMBER("unchanged"), NUMBER("rewritten"),
			NUMBER("refused"), NUMBER("errors")) },
	[CONSOLE_SHOW_CLIENTS] = { "SHOW CLIENTS", "SHOW CLIENTS", "SHOW", "the clients' side of every session",
		COLUMNS(NUMBER("session"), TEXT("database"), TEXT("user"), TEXT("application"), TEXT("address"),
			TEXT("state"), TEXT("waits_for"), TIME("connected_at"), NUMBER("bytes_received"),
			NUMBER("ruleset"), NUMBER("worker")) },
	[CONSOLE_SHOW_SERVERS] = { "SHOW SERVERS", "SHOW SERVERS", "SHOW", "the server's side of every session",
		COLUMNS(NUMBER("session"), TEXT("database"), TEXT("user"), TEXT("server"), NUMBER("pid"), TEXT("state"),
			TEXT("transaction"), NUMBER("requests"), NUMBER("bytes_received"), NUMBER("worker")) },
	[CONSOLE_SHOW_STATS] = { "SHOW STATS", "SHOW STATS", "SHOW", "the counters of the process, and whether it is ready",
		COLUMNS(TEXT("name"), TEXT("value")) },
	[CONSOLE_SHOW_CACHE] = { "SHOW CACHE", "SHOW CACHE", "SHOW", "the workers' caches of rewritten statements",
		COLUMNS(NUMBER("worker"), NUMBER("entries"), NUMBER("bytes"), NUMBER("hits"), NUMBER("recipe_hits"),
			NUMBER("misses"), NUMBER("evicted")) },
	[CONSOLE_SHOW_CONFIG] = { "SHOW CONFIG", "SHOW CONFIG", "SHOW", "every key of the configuration in force",
		COLUMNS(TEXT("key"), TEXT("value"), TEXT("default"), BOOLEAN("reload")) },
	[CONSOLE_SHOW_BLOCKERS] = { "SHOW BLOCKERS", "SHOW BLOCKERS", "SHOW", "who holds a table that is being moved",
		COLUMNS(TEXT("database"), TEXT("table"), NUMBER("pid"), TEXT("user"), TEXT("application"), TEXT("address"),
			TEXT("state"), NUMBER("age_ms"), TEXT("locks"), TEXT("statement"), NUMBER("session")) },
	[CONSOLE_SHOW_BYPASS] = { "SHOW BYPASS", "SHOW BYPASS", "SHOW", "sessions of the server that did not come through here",
		COLUMNS(TEXT("database"), NUMBER("pid"), TEXT("user"), TEXT("application"), TEXT("address"), TEXT("kind"),
			TIME("since")) },
	[CONSOLE_SHOW_PROXIES] = { "SHOW PROXIES", "SHOW PROXIES", "SHOW", "the crossfades that share their stages",
		COLUMNS(TEXT("database"), TEXT("proxy"), TEXT("name"), TEXT("version"), TIME("since"), TIME("lease_until"),
			BOOLEAN("live"), BOOLEAN("self"), BOOLEAN("standby"), TEXT("map"), NUMBER("sessions"), TEXT("address")) },
	[CONSOLE_SHOW_PAUSES] = { "SHOW PAUSES", "SHOW PAUSES", "SHOW", "pauses of tables that have not ended, and who holds them up",
		COLUMNS(TEXT("database"), TEXT("table"), TEXT("owner"), TIME("since"), TIME("until"), NUMBER("proxies"),
			TEXT("missing"), NUMBER("waiting")) },
	[CONSOLE_SHOW_CUTOVERS] = { "SHOW CUTOVERS", "SHOW CUTOVERS", "SHOW", "cutovers under way and done",
		COLUMNS(TIME("at"), TEXT("database"), TEXT("table"), TEXT("direction"), TEXT("outcome"), TEXT("phase"),
			TEXT("who"), NUMBER("attempts"), NUMBER("longest_stall_ms"), TEXT("detail")) },
	[CONSOLE_SHOW_VERSION] = { "SHOW VERSION", "SHOW VERSION", "SHOW", "the version of crossfade", COLUMNS(TEXT("version")) },
	[CONSOLE_SHOW_HELP] = { "SHOW HELP", "SHOW HELP", "SHOW", "this list", COLUMNS(TEXT("command"), TEXT("description")) },
	[CONSOLE_SET_FLAG] = { "SET FLAG", "SET FLAG table TO stage [FORCE] [REASON 'text']", "SET",
		"put a table at a stage", .changes = true },
	[CONSOLE_PAUSE] = { "PAUSE", "PAUSE [table]", "PAUSE",
		"let new statements on a table (or on all) wait, until RESUME or the end of the pause", .changes = true },
	[CONSOLE_RESUME] = { "RESUME", "RESUME [table]", "RESUME", "end a pause", .changes = true },
	[CONSOLE_CUTOVER] = { "CUTOVER",
		"CUTOVER {table | GROUP name} [DRY RUN] [NO VIEW] [MAX STALL '500ms'] [TIMEOUT '60s'] [FORCE] [REASON 'text']",
		"CUTOVER", "move a table to its new name under traffic", .changes = true },
	[CONSOLE_REVERSE] = { "REVERSE",
		"REVERSE {table | GROUP name} [DRY RUN] [NO VIEW] [MAX STALL '500ms'] [TIMEOUT '60s'] [FORCE] [REASON 'text']",
		"REVERSE", "move it back", .changes = true },
	[CONSOLE_CANCEL_CUTOVER] = { "CANCEL CUTOVER", "CANCEL CUTOVER", "CANCEL", "give up a cutover under way",
		.changes = true },
	[CONSOLE_REWRITE] = { "REWRITE", "REWRITE {OFF | ON} [REASON 'text']", "REWRITE",
		"the kill switch: pass every statement as it comes", .changes = true },
	[CONSOLE_RELOAD] = { "RELOAD", "RELOAD", "RELOAD", "read configuration, map and flags again", .changes = true },
	[CONSOLE_SHUTDOWN] = { "SHUTDOWN", "SHUTDOWN [WAIT_FOR_CLIENTS]", "SHUTDOWN",
		"end all sessions and the process, at once or when transactions are finished", .changes = true },
	[CONSOLE_SHOW_ISOLATION] = { "SHOW TRANSACTION", "SHOW TRANSACTION ISOLATION LEVEL", "SHOW", NULL,
		COLUMNS(TEXT("transaction_isolation")) },
	[CONSOLE_SETTING] = { "SET", "SET setting TO value", "SET", NULL },
	[CONSOLE_BEGIN] = { "BEGIN", "BEGIN", "BEGIN", NULL },
	[CONSOLE_COMMIT] = { "COMMIT", "COMMIT", "COMMIT", NULL },
	[CONSOLE_ROLLBACK] = { "ROLLBACK", "ROLLBACK", "ROLLBACK", NULL },
	[CONSOLE_DISCARD] = { "DISCARD", "DISCARD ALL", "DISCARD ALL", NULL },
};

const struct console_command *console_command(enum console_verb verb)
{
	return &commands[verb];
}

/* ---- which command ---- */

static bool is_word(const struct console_word *word, const char *text, size_t len)
{
	return word->kind == CONSOLE_WORD && strlen(word->text) == len && strncasecmp(word->text, text, len) == 0;
}

/* How many words of the command's beginning the statement has; 0: not all of them. */
static size_t matched_words(const struct console_statement *statement, const char *words)
{
	size_t count = 0;
	while (*words) {
		size_t len = strcspn(words, " ");
		if (!is_word(&statement->words[count], words, len))
			return 0;
		count++;
		words += len + (words[len] == ' ');
	}
	return count;
}

static size_t words_in(const char *text)
{
	return strchr(text, ' ') ? 2 : 1;
}

static void suggest(const struct console_statement *statement, struct error *error)
{
	const char *choices[CONSOLE_VERB_COUNT];
	char text[64];
	const struct console_word *first = &statement->words[0], *second = &statement->words[1];
	bool two = second->kind == CONSOLE_WORD;
	for (int pass = two ? 0 : 1; pass < 2; pass++) {
		size_t count = 0;
		for (int i = 0; i < CONSOLE_VERB_COUNT; i++) {
			if (commands[i].help && words_in(commands[i].words) == (pass ? 1 : 2))
				choices[count++] = commands[i].words;
		}
		snprintf(text, sizeof(text), "%.30s%s%.30s", first->text, pass ? "" : " ", pass ? "" : second->text);
		for (char *c = text; *c; c++) {
			if (*c >= 'a' && *c <= 'z')
				*c = (char)(*c - ('a' - 'A'));
		}
		const char *near = suggest_word(text, choices, count);
		if (near) {
			error_hint(error, "Did you mean %s?", near);
			return;
		}
	}
	error_hint(error, "SHOW HELP lists what there is.");
}

/* The command that the statement begins with. */
static bool find_command(const struct console_statement *statement, enum console_verb *verb_out,
			  struct error *error_out)
{
	size_t best = 0;
	for (int i = 0; i < CONSOLE_VERB_COUNT; i++) {
		size_t matched = matched_words(statement, commands[i].words);
		if (matched > best) {
			best = matched;
			*verb_out = (enum console_verb)i;
		}
	}
	if (best)
		return true;
	if (is_word(&statement->words[0], "SHOW", 4) && statement->count > 1)
		error_set(error_out, SQLSTATE_SYNTAX_ERROR, "the console cannot show \"%.60s\"", statement->words[1].text);
	else
		error_set(error_out, SQLSTATE_SYNTAX_ERROR, "the console has no command \"%.60s\"",
			  statement->words[0].text);
	suggest(statement, error_out);
	error_out->position = statement->words[0].position;
	return false;
}

/* ---- reading ---- */

struct reading {
	struct arena *arena;
	const struct console_word *at;
	const char *const *values; /* NULL: not known yet */
	struct console_request *request;
	struct error *error;
};

static bool fail(struct reading *r, const char *message)
{
	error_set(r->error, SQLSTATE_SYNTAX_ERROR, "%s", message);
	error_hint(r->error, "Write it as: %s", commands[r->request->verb].syntax);
	r->error->position = r->at->position;
	return false;
}

static bool take_keyword(struct reading *r, const char *keyword)
{
	if (!is_word(r->at, keyword, strlen(keyword)))
		return false;
	r->at++;
	return true;
}

/* A string, or a parameter; *text_out NULL: a parameter whose value is not known yet. */
static bool take_text(struct reading *r, const char **text_out)
{
	const char *text = r->at->text;
	if (r->at->kind == CONSOLE_PARAMETER) {
		text = r->values ? r->values[r->at->number - 1] : NULL;
		if (r->values && !text)
			return fail(r, "null cannot stand there");
	} else if (r->at->kind != CONSOLE_STRING) {
		return fail(r, "a text in single quotes is expected");
	}
	r->at++;
	*text_out = text;
	return true;
}

static bool is_text(const struct reading *r)
{
	return r->at->kind == CONSOLE_STRING || r->at->kind == CONSOLE_PARAMETER;
}

static bool take_name_text(struct reading *r)
{
	const char *text, *why;
	if (!take_text(r, &text))
		return false;
	if (!text)
		return true;
	if (sql_name_parse_full(r->arena, text, &r->request->database, &r->request->table, &why))
		return true;
	r->at--;
	fail(r, "the text is not a table's name");
	error_detail(r->error, "It %s.", why);
	return false;
}

static bool take_part(struct reading *r, const char **part_out)
{
	if (r->at->kind != CONSOLE_WORD && r->at->kind != CONSOLE_QUOTED)
		return fail(r, "a table's name is expected");
	*part_out = (r->at++)->text;
	return true;
}

static bool take_dot(struct reading *r)
{
	if (r->at->kind != CONSOLE_SYMBOL || strcmp(r->at->text, ".") != 0)
		return false;
	r->at++;
	return true;
}

/* [[database.]schema.]table */
static bool take_table(struct reading *r)
{
	const char *parts[3];
	size_t count = 0;
	if (is_text(r))
		return take_name_text(r);
	do {
		if (count == 3)
			return fail(r, "a table's name has three parts at most");
		if (!take_part(r, &parts[count++]))
			return false;
	} while (take_dot(r));
	r->request->table.name = parts[count - 1];
	r->request->table.schema = count > 1 ? parts[count - 2] : NULL;
	r->request->database = count > 2 ? parts[0] : NULL;
	return true;
}

static bool take_stage(struct reading *r)
{
	const char *names[STAGE_COUNT], *text = r->at->text;
	if (r->at->kind == CONSOLE_WORD)
		r->at++;
	else if (!take_text(r, &text))
		return false;
	if (!text || stage_parse(text, &r->request->stage))
		return true;
	r->at--;
	for (int i = 0; i < STAGE_COUNT; i++)
		names[i] = stage_name((enum stage)i);
	const char *near = suggest_word(text, names, STAGE_COUNT);
	error_set(r->error, SQLSTATE_SYNTAX_ERROR, "there is no stage \"%.60s\"", text);
	r->error->position = r->at->position;
	if (near)
		error_hint(r->error, "Did you mean %s?", near);
	else
		error_hint(r->error, "Stages are old, dualwrite, shadow, live, rampdown and complete.");
	return false;
}

/* 500ms, 60s, 5min; as a word, a text or a parameter. */
static bool take_duration(struct reading *r, uint32_t *ms_out)
{
	static const struct { const char *unit; uint32_t ms; } units[] = {
		{ "ms", 1 }, { "s", 1000 }, { "min", 60000 }, { "h", 3600000 } };
	const char *text = r->at->text;
	char *rest;
	if (r->at->kind == CONSOLE_WORD)
		r->at++;
	else if (!take_text(r, &text))
		return false;
	if (!text)
		return true;
	unsigned long number = *text >= '0' && *text <= '9' ? strtoul(text, &rest, 10) : 0;
	for (size_t i = 0; number && i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(rest, units[i].unit) == 0 && number <= 86400000 / units[i].ms) {
			*ms_out = (uint32_t)number * units[i].ms;
			return true;
		}
	}
	r->at--;
	return fail(r, "a duration such as 500ms, 60s or 5min is expected");
}

static bool take_reason(struct reading *r)
{
	const char *text;
	if (!take_text(r, &text))
		return false;
	if (text && (!*text || strlen(text) > 1000)) {
		r->at--;
		return fail(r, "a reason has between 1 and 1000 bytes");
	}
	r->request->reason = text ? text : "";
	return true;
}

enum option { OPTION_FORCE = 1, OPTION_REASON = 2, OPTION_ATTEMPT = 4 };

static bool take_attempt_option(struct reading *r, bool *taken_out)
{
	*taken_out = true;
	if (take_keyword(r, "DRY")) {
		r->request->dry_run = true;
		return take_keyword(r, "RUN") || fail(r, "RUN is expected");
	}
	if (take_keyword(r, "NO")) {
		r->request->no_view = true;
		return take_keyword(r, "VIEW") || fail(r, "VIEW is expected");
	}
	if (take_keyword(r, "TIMEOUT"))
		return take_duration(r, &r->request->timeout_ms);
	if (take_keyword(r, "MAX")) {
		if (!take_keyword(r, "STALL"))
			return fail(r, "STALL is expected");
		return take_duration(r, &r->request->max_stall_ms);
	}
	*taken_out = false;
	return true;
}

static bool take_options(struct reading *r, unsigned allowed)
{
	bool taken = true;
	while (taken && r->at->kind == CONSOLE_WORD) {
		taken = true;
		if ((allowed & OPTION_FORCE) && take_keyword(r, "FORCE")) {
			r->request->force = true;
		} else if ((allowed & OPTION_REASON) && take_keyword(r, "REASON")) {
			if (!take_reason(r))
				return false;
		} else if (!(allowed & OPTION_ATTEMPT)) {
			taken = false;
		} else if (!take_attempt_option(r, &taken)) {
			return false;
		}
	}
	if (r->request->force && !r->request->reason)
		return fail(r, "FORCE needs a reason");
	return true;
}

static bool read_set_flag(struct reading *r)
{
	return take_table(r) &&
	       (take_keyword(r, "TO") || (r->at->kind == CONSOLE_SYMBOL && *r->at->text == '=' && r->at++) ||
		fail(r, "TO is expected")) &&
	       take_stage(r) && take_options(r, OPTION_FORCE | OPTION_REASON);
}

static bool read_optional_table(struct reading *r)
{
	return r->at->kind == CONSOLE_END || take_table(r);
}

static bool read_cutover(struct reading *r)
{
	bool is_group = is_word(r->at, "GROUP", 5) && (r->at[1].kind == CONSOLE_WORD || r->at[1].kind == CONSOLE_QUOTED ||
						      r->at[1].kind == CONSOLE_STRING);
	if (is_group) {
		r->at++;
		r->request->group = (r->at++)->text;
	} else if (!take_table(r)) {
		return false;
	}
	return take_options(r, OPTION_FORCE | OPTION_REASON | OPTION_ATTEMPT);
}

static bool read_rewrite(struct reading *r)
{
	r->request->on = take_keyword(r, "ON");
	if (!r->request->on && !take_keyword(r, "OFF"))
		return fail(r, "OFF or ON is expected");
	return take_options(r, OPTION_REASON);
}

static bool read_shutdown(struct reading *r)
{
	r->request->wait = take_keyword(r, "WAIT_FOR_CLIENTS");
	return true;
}

/* Settings that drivers make at the start of a session: nothing here depends on them. */
static bool read_setting(struct reading *r)
{
	static const char *const known[] = {
		"application_name", "bytea_output", "client_encoding", "client_min_messages", "datestyle",
		"default_transaction_isolation", "extra_float_digits", "idle_in_transaction_session_timeout",
		"intervalstyle", "lock_timeout", "names", "search_path", "session", "standard_conforming_strings",
		"statement_timeout", "time", "timezone", "transaction", NULL };
	if (!take_keyword(r, "SESSION"))
		take_keyword(r, "LOCAL");
	else if (take_keyword(r, "CHARACTERISTICS"))
		r->at--;
	bool found = is_word(r->at, "characteristics", 15);
	for (size_t i = 0; known[i] && !found; i++)
		found = is_word(r->at, known[i], strlen(known[i]));
	if (!found) {
		error_set(r->error, SQLSTATE_SYNTAX_ERROR, "the console has no setting \"%.60s\"", r->at->text);
		error_hint(r->error, "To put a table at a stage: SET FLAG table TO stage.");
		r->error->position = r->at->position;
		return false;
	}
	while (r->at->kind != CONSOLE_END)
		r->at++;
	return true;
}

/* The rest of a command that does nothing. */
static bool read_anything(struct reading *r)
{
	while (r->at->kind != CONSOLE_END)
		r->at++;
	return true;
}

static bool read_nothing(struct reading *r)
{
	return true;
}

static bool read_arguments(struct reading *r)
{
	switch (r->request->verb) {
	case CONSOLE_SET_FLAG: return read_set_flag(r);
	case CONSOLE_SHOW_HISTORY:
	case CONSOLE_PAUSE:
	case CONSOLE_RESUME: return read_optional_table(r);
	case CONSOLE_CUTOVER:
	case CONSOLE_REVERSE: return read_cutover(r);
	case CONSOLE_REWRITE: return read_rewrite(r);
	case CONSOLE_SHUTDOWN: return read_shutdown(r);
	case CONSOLE_SETTING: return read_setting(r);
	case CONSOLE_SHOW_ISOLATION:
	case CONSOLE_BEGIN:
	case CONSOLE_COMMIT:
	case CONSOLE_ROLLBACK:
	case CONSOLE_DISCARD: return read_anything(r);
	default: return read_nothing(r);
	}
}

bool console_command_read(struct arena *arena, const struct console_statement *statement,
			  const char *const *values, struct console_request *request_out, struct error *error_out)
{
	struct console_request request = { 0 };
	struct reading r = { .arena = arena, .values = values, .request = &request, .error = error_out };
	if (!find_command(statement, &request.verb, error_out))
		return false;
	r.at = statement->words + matched_words(statement, commands[request.verb].words);
	if (!read_arguments(&r))
		return false;
	if (r.at->kind != CONSOLE_END)
		return fail(&r, "there is something behind the command");
	*request_out = request;
	return true;
}
