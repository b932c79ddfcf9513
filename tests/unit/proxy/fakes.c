#include "fakes.h"

#include "proxy/forecaster.h"
#include "base/arena.h"
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>

struct fake_ledger fake_ledger;
unsigned fake_rewrites_alive;
char fake_last_path[64];

struct fake_rewrite {
	struct rewrite rewrite; /* first */
	struct arena arena;
};

struct rewriter_settings rewriter_settings_default(void)
{
	return (struct rewriter_settings){ 0 };
}

struct rewriter *rewriter_new(struct rewriter_settings settings)
{
	return memory_alloc(1);
}

void rewriter_free(struct rewriter *rewriter)
{
	free(rewriter);
}

static void add_effect(struct arena *arena, struct rewrite_statement *statement, struct effect effect)
{
	struct effect *copy = ARENA_NEW(arena, struct effect);
	*copy = effect;
	statement->effects = copy;
	statement->effect_count = 1;
}

static struct statement_shape *shape_of(const char *text)
{
	struct use use = { .kind = USE_SELECT, .table = "public.t" };
	use.written.name = "t";
	return statement_shape_new(slice_str(text), &use, 1);
}

static void give_effect(struct arena *arena, const char *word, const char *rest, struct rewrite_statement *statement)
{
	static const struct {
		const char *word;
		enum effect_kind kind;
	} effects[] = { { "begin", EFFECT_BEGIN }, { "commit", EFFECT_COMMIT }, { "rollback", EFFECT_ROLLBACK },
			{ "prepare", EFFECT_PREPARE }, { "execute", EFFECT_EXECUTE }, { "deallocate", EFFECT_DEALLOCATE },
			{ "discard", EFFECT_DISCARD_ALL }, { "ddl", EFFECT_DDL },
			{ "temp", EFFECT_TEMP_CREATE }, { "savepoint", EFFECT_SAVEPOINT },
			{ "release", EFFECT_RELEASE }, { "unwind", EFFECT_ROLLBACK_TO } };
	if (strcmp(word, "set") == 0)
		add_effect(arena, statement,
			   (struct effect){ .kind = EFFECT_SET, .name = "search_path", .value = rest });
	for (size_t i = 0; i < sizeof(effects) / sizeof(effects[0]); i++) {
		if (strcmp(word, effects[i].word) != 0)
			continue;
		struct effect effect = { .kind = effects[i].kind, .name = rest };
		if (!*rest && effect.kind == EFFECT_DEALLOCATE)
			effect.name = NULL; /* all of them */
		if (effect.kind == EFFECT_PREPARE) {
			effect.text = arena_printf(arena, "prepare %s", rest);
			effect.name = arena_copy(arena, rest, strcspn(rest, " "));
			if (!statement->shape)
				statement->shape = shape_of(rest);
			effect.shape = statement->shape;
		}
		add_effect(arena, statement, effect);
	}
}

/* from A B: what the ruleset has for public.A and public.B. */
static void read_from(struct fake_rewrite *fake, const char *names, const struct ruleset *ruleset,
		      struct rewrite_statement *statement, struct buf *sql)
{
	struct use uses[8];
	size_t count = 0;
	char *copy = arena_strdup(&fake->arena, names), *name;
	bool changes = false;
	buf_append_str(sql, "from");
	while ((name = strsep(&copy, " ")) && count < 8) {
		const struct ruleset_name *found = ruleset_find(ruleset, "public", name);
		if (!found) {
			buf_printf(sql, " %s", name);
			continue;
		}
		changes |= found->entry->physical == SIDE_NEW;
		if (found->entry->physical == SIDE_NEW)
			buf_printf(sql, " %s.%s", found->physical.schema, found->physical.name);
		else
			buf_printf(sql, " %s", name);
		uses[count++] = (struct use){ .entry = found->entry->id, .kind = USE_SELECT,
					      .written = { "public", found->written.name },
					      .table = found->entry->key };
	}
	if (changes)
		fake->rewrite.outcome = REWRITE_REWRITTEN;
	if (count)
		statement->shape = statement_shape_new(slice_str(names), uses, count);
}

static void read_here(struct fake_rewrite *fake, const char *name, const struct session_state *state,
		      struct buf *sql)
{
	const char *path = session_state_search_path_text(state);
	fake->rewrite.depends_on_state = true;
	if (!session_state_search_path(state))
		fake->rewrite.outcome = REWRITE_NEED_SEARCH_PATH;
	else if (strcmp(path, "public") != 0)
		fake->rewrite.outcome = REWRITE_REWRITTEN;
	buf_append_str(sql, "here ");
	if (fake->rewrite.outcome == REWRITE_REWRITTEN)
		buf_printf(sql, "%s.", path);
	buf_append_str(sql, name);
}

static bool read_body(struct fake_rewrite *fake, const char *text, const struct session_state *state,
		      const struct ruleset *ruleset, struct rewrite_statement *statement, struct buf *sql)
{
	if (strncmp(text, "from ", 5) == 0)
		read_from(fake, text + 5, ruleset, statement, sql);
	else if (strncmp(text, "here ", 5) == 0)
		read_here(fake, text + 5, state, sql);
	else
		return false;
	return true;
}

static void read_statement(struct fake_rewrite *fake, char *text, const struct session_state *state,
			   const struct ruleset *ruleset, struct buf *sql)
{
	struct rewrite *rewrite = &fake->rewrite;
	struct rewrite_statement *statement = &rewrite->statements[rewrite->statement_count];
	char word[32] = "", *rest = strchr(text, ' ');
	snprintf(word, sizeof(word), "%.*s", (int)(rest ? rest - text : (long)strlen(text)), text);
	rest = rest ? rest + 1 : text + strlen(text);
	statement->kind = *text ? STATEMENT_QUERY : STATEMENT_EMPTY;
	bool old = strcmp(word, "old") == 0;
	if (old || strcmp(word, "used") == 0 || strcmp(word, "refuse") == 0)
		statement->shape = shape_of(text);
	if (old)
		rewrite->outcome = REWRITE_REWRITTEN;
	if (strcmp(word, "refuse") == 0) {
		rewrite->outcome = REWRITE_REFUSED;
		rewrite->refused_index = rewrite->statement_count;
		static struct error refusal;
		error_set(&refusal, "0A000", "refused by the map");
		rewrite->refusal = &refusal;
	}
	if (strcmp(word, "names") == 0) {
		static const uint16_t parameters[] = { 2, 3 };
		rewrite->parameters = parameters;
		rewrite->parameter_count = 2;
		rewrite->parameter_shape = statement_shape_new(slice_str("names"), NULL, 0);
	}
	if (strcmp(word, "path") == 0) {
		const char *path = session_state_search_path_text(state);
		rewrite->depends_on_state = true;
		snprintf(fake_last_path, sizeof(fake_last_path), "%s", path ? path : "unknown");
		if (!session_state_search_path(state))
			rewrite->outcome = REWRITE_NEED_SEARCH_PATH;
	}
	rewrite->statement_count++;
	const char *body = strcmp(word, "prepare") == 0 ? strchr(rest, ' ') : NULL;
	struct buf inner = { 0 };
	if (body && read_body(fake, body + 1, state, ruleset, statement, &inner)) {
		buf_printf(sql, "%sprepare %.*s %s", sql->len ? ";" : "", (int)(body - rest), rest, buf_cstr(&inner));
		buf_deinit(&inner);
		give_effect(&fake->arena, word, rest, statement);
		return;
	}
	buf_deinit(&inner);
	give_effect(&fake->arena, word, rest, statement);
	if (sql->len && read_body(fake, text, state, ruleset, statement, &inner)) {
		buf_printf(sql, ";%s", buf_cstr(&inner));
		buf_deinit(&inner);
		return;
	}
	if (!sql->len && read_body(fake, text, state, ruleset, statement, sql))
		return;
	buf_printf(sql, "%s%s%s", sql->len ? ";" : "", old ? "new " : text, old ? rest : "");
}

static char *trim(char *text)
{
	while (*text == ' ')
		text++;
	return text;
}

struct rewrite *rewriter_known(struct rewriter *rewriter, struct slice text, const struct session_state *state,
			       const struct ruleset *ruleset)
{
	return NULL;
}

struct rewrite *rewriter_run(struct rewriter *rewriter, struct slice text, enum rewrite_protocol protocol,
			     const struct session_state *state, const struct ruleset *ruleset)
{
	struct fake_rewrite *fake = memory_zalloc(sizeof(*fake));
	struct buf sql = { 0 };
	char *copy = arena_copy(&fake->arena, text.data, text.len), *at = copy, *part;
	fake->rewrite.refs = 1;
	fake->rewrite.statements = ARENA_ARRAY(&fake->arena, 16, struct rewrite_statement);
	while ((part = strsep(&at, ";")) && fake->rewrite.statement_count < 16)
		read_statement(fake, arena_strdup(&fake->arena, trim(part)), state, ruleset, &sql);
	if (fake->rewrite.outcome == REWRITE_REFUSED)
		buf_printf(&sql, " SELECT " REWRITE_REFUSAL_MARK);
	if (fake->rewrite.outcome == REWRITE_REWRITTEN || fake->rewrite.outcome == REWRITE_REFUSED) {
		fake->rewrite.sql = slice_of(arena_copy(&fake->arena, sql.data, sql.len), sql.len);
		fake->rewrite.splice_count = 1;
	}
	buf_deinit(&sql);
	fake_rewrites_alive++;
	return &fake->rewrite;
}

size_t rewriter_parameter(struct rewriter *rewriter, struct slice value, const struct session_state *state,
			  const struct ruleset *ruleset, struct buf *out, struct use *uses_out, size_t most)
{
	if (most)
		*uses_out = (struct use){ .kind = USE_SELECT, .table = "public.t", .written = { "public", "t" } };
	if (!slice_is(value, "t"))
		return 0;
	buf_append_str(out, "moved.t");
	return most ? 1 : 0;
}

struct rewrite *rewrite_ref(struct rewrite *rewrite)
{
	rewrite->refs++;
	return rewrite;
}

void rewrite_unref(struct rewrite *rewrite)
{
	struct fake_rewrite *fake = (struct fake_rewrite *)rewrite;
	if (!rewrite || --rewrite->refs)
		return;
	for (size_t i = 0; i < rewrite->statement_count; i++) {
		if (rewrite->statements[i].shape)
			statement_shape_unref(rewrite->statements[i].shape);
	}
	if (rewrite->parameter_shape)
		statement_shape_unref(rewrite->parameter_shape);
	arena_deinit(&fake->arena);
	free(fake);
	fake_rewrites_alive--;
}

uint32_t rewrite_map_position(const struct rewrite *rewrite, uint32_t position)
{
	return position ? position + 1 : 0;
}

bool rewrite_replaced_at(const struct rewrite *rewrite, uint32_t position, uint32_t *original_len_out)
{
	return false;
}

/* ---- ledger ---- */

struct usage_counter *usage_counter_new(struct usage *usage)
{
	return memory_alloc(1);
}

void usage_counter_free(struct usage_counter *counter)
{
	free(counter);
}

void usage_counter_flush(struct usage_counter *counter)
{
}

struct usage_identity *usage_identity_take(struct usage_counter *counter, const struct usage_who *who)
{
	snprintf(fake_ledger.application, sizeof(fake_ledger.application), "%s", who->application);
	return (struct usage_identity *)&fake_ledger;
}

void usage_identity_release(struct usage_counter *counter, struct usage_identity *identity)
{
}

void usage_count(struct usage_counter *counter, struct usage_identity *identity, struct statement_shape *shape,
		 enum usage_outcome outcome, uint64_t rows)
{
	fake_ledger.ok += outcome == USAGE_OK;
	fake_ledger.error += outcome == USAGE_ERROR;
	fake_ledger.refused += outcome == USAGE_REFUSED;
	fake_ledger.rows += rows;
	snprintf(fake_ledger.last, sizeof(fake_ledger.last), "%.*s", (int)shape->text.len, shape->text.data);
}

void forecast_desk_show(struct forecast_desk *desk, struct slice sql, enum rewrite_protocol protocol,
			const struct session_state *state, struct ruleset *ruleset, struct rewrite *rewrite)
{
}

bool origin_read(struct slice sql, struct origin *origin_out)
{
	return false;
}

struct rewrite *rewrite_with_origin(struct rewrite *rewrite, const struct origin *origin)
{
	return rewrite;
}
