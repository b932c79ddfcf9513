#include "rewrite/analysis.h"

#include "rewrite/introspection.h"
#include "rewrite/normalise.h"
#include "rewrite/used_columns.h"
#include "rewrite/walk.h"

#include <stdarg.h>
#include <stdio.h>

void analysis_init(struct analysis *a, struct arena *arena, struct slice text, const struct token_list *tokens,
		   const struct ruleset *ruleset, struct splice_list *splices)
{
	*a = (struct analysis){ .arena = arena,
				.text = text,
				.tokens = tokens,
				.ruleset = ruleset,
				.splices = splices };
	a->references_tail = &a->references;
}

void analysis_run(struct analysis *a, const struct session_state *state, const PgQuery__Node *statement,
		  size_t first, size_t end)
{
	a->state = state;
	a->first = first;
	a->end = end;
	a->read_kind = USE_SELECT;
	a->name_kind = USE_DDL;
	a->name_fate = COLUMNS_NAMED;
	a->ctes = NULL;
	a->level = a->levels = NULL;
	a->schema_being_created = NULL;
	a->created = NULL;
	a->plain_select = NULL;
	a->qualifiers = NULL;
	a->qualifiers_tail = &a->qualifiers;
	a->window = (struct window){ NULL, NULL };
	a->place = COLUMN_IN_EXPRESSION;
	a->naming = NULL;
	a->columns = NULL;
	a->columns_tail = &a->columns;
	a->dmls = NULL;
	a->column_work = 0;
	a->uses = NULL;
	a->uses_tail = &a->uses;
	a->effects = NULL;
	a->effects_tail = &a->effects;
	a->changes_catalog = false;
	a->introspection = NULL;
	a->in_from_function = false;
	a->notice = NULL;
	a->code_runs = false;
	effects_of(a, statement);
	walk_node(a, statement);
	if (a->changes_catalog)
		analysis_effect(a, (struct effect){ .kind = EFFECT_DDL });
	if (!a->refused)
		scope_finish(a);
	if (a->introspection) /* reads all literals */
		analysis_consult(a, a->tokens->count);
	introspection_finish(a);
	used_columns_find(a);
}

/* Columns are found for tables in FROM and targets of DML; what else names a table as a whole means all of them. */
static bool means_all_columns(enum use_kind kind, unsigned flags)
{
	return kind == USE_DDL || kind == USE_OPAQUE || flags & USE_UNPARSED;
}

struct noted_use *analysis_use(struct analysis *a, const struct ruleset_name *name, enum use_kind kind, unsigned flags)
{
	struct noted_use *noted = ARENA_NEW(a->arena, struct noted_use);
	noted->name = name;
	noted->use = (struct use){ .entry = name->entry->id,
				   .side = (uint8_t)name->side,
				   .kind = (uint8_t)kind,
				   .flags = (uint16_t)flags,
				   .written = { name->written.schema, name->written.name },
				   .table = name->entry->key,
				   .all_columns = name->kind == NAME_TABLE && means_all_columns(kind, flags) };
	*a->uses_tail = noted;
	a->uses_tail = &noted->next;
	a->last_use = noted;
	return noted;
}

void analysis_effect(struct analysis *a, struct effect effect)
{
	struct noted_effect *noted = ARENA_NEW(a->arena, struct noted_effect);
	noted->effect = effect;
	*a->effects_tail = noted;
	a->effects_tail = &noted->next;
}

void analysis_consult(struct analysis *a, size_t token)
{
	if (token >= a->tokens->count) {
		a->consulted_all = true;
		return;
	}
	struct consulted *consulted = ARENA_NEW(a->arena, struct consulted);
	*consulted = (struct consulted){ a->consulted, token };
	a->consulted = consulted;
}

struct noted_reference *analysis_explain(struct analysis *a, size_t offset, size_t len, const char *resolved,
					 enum rule rule)
{
	struct noted_reference *noted = ARENA_NEW(a->arena, struct noted_reference);
	noted->offset = offset;
	noted->len = len;
	noted->resolved = resolved;
	noted->rule = rule;
	if (a->explaining) {
		*a->references_tail = noted;
		a->references_tail = &noted->next;
	}
	return noted;
}

struct error *analysis_refuse(struct analysis *a, size_t offset, const char *sqlstate, const char *format, ...)
{
	/* Only the first one counts; what is said about later ones goes nowhere. */
	struct error *error = a->refused ? ARENA_NEW(a->arena, struct error) : &a->refusal;
	char message[sizeof(error->message)];
	va_list args;
	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	error_set(error, sqlstate, "%s", message);
	if (!a->refused)
		a->refused_at = offset;
	a->refused = true;
	return error;
}

const struct effect *analysis_effects(const struct analysis *a, size_t *count_out)
{
	size_t count = 0;
	for (const struct noted_effect *noted = a->effects; noted; noted = noted->next)
		count++;
	struct effect *effects = ARENA_ARRAY(a->arena, count, struct effect);
	size_t i = 0;
	for (const struct noted_effect *noted = a->effects; noted; noted = noted->next)
		effects[i++] = noted->effect;
	*count_out = count;
	return effects;
}

struct statement_shape *analysis_shape(const struct analysis *a, size_t normalised_bytes)
{
	size_t count = 0;
	for (const struct noted_use *noted = a->uses; noted; noted = noted->next)
		count++;
	if (!count)
		return NULL;
	struct use *uses = ARENA_ARRAY(a->arena, count, struct use);
	size_t i = 0;
	for (const struct noted_use *noted = a->uses; noted; noted = noted->next)
		uses[i++] = used_columns_of(noted);
	struct buf text;
	buf_init(&text);
	normalise(a->text, a->tokens, a->first, a->end, normalised_bytes, &text);
	struct statement_shape *shape = statement_shape_new(buf_slice(&text), uses, count);
	buf_deinit(&text);
	return shape;
}
