/*
 * The public face of the rewriter (include/crossfade/rewriter.h): it only
 * translates between the public types and those of model/ and rewrite/.
 */
#include "crossfade/rewriter.h"

#include "base/memory.h"
#include "config/catalog_file.h"
#include "config/flags_file.h"
#include "config/map_file.h"
#include "rewrite/answer_names.h"
#include "rewrite/rewriter.h"

#include <stdlib.h>

_Static_assert((size_t)CROSSFADE_STACK_BYTES == (size_t)REWRITE_PARSE_STACK_BYTES, "one number, told twice");

struct crossfade_rules {
	struct ruleset *ruleset;
};

struct crossfade_session {
	struct session_state *state;
	char *session_user; /* as last told; NULL: the one that logged in */
	char *user;
};

struct crossfade_rewriter {
	struct rewriter *rewriter;
};

enum { PARAMETER_USES = 16 };

struct crossfade_result {
	struct rewrite *rewrite; /* NULL: of a parameter */
	struct crossfade_error refusal;
	struct buf value; /* of a parameter; empty: unchanged */
	struct buf told; /* the message of an answer */
	struct use uses[PARAMETER_USES];
	size_t use_count;
};

struct crossfade_explanation {
	struct arena arena;
	struct rewrite_explanation explanation;
	struct crossfade_reference *items;
};

static void copy_error(const struct error *error, struct crossfade_error *out)
{
	memset(out, 0, sizeof(*out));
	memcpy(out->sqlstate, error->sqlstate, sizeof(out->sqlstate));
	memcpy(out->message, error->message, sizeof(out->message));
	memcpy(out->detail, error->detail, sizeof(out->detail));
	memcpy(out->hint, error->hint, sizeof(out->hint));
	memcpy(out->file, error->file, sizeof(out->file));
	out->line = error->line;
	out->column = error->column;
	out->position = error->position;
}

/* ---- rules ---- */

struct rules_parts {
	struct arena arena;
	struct map *map;
	struct flags flags;
	struct facts *facts;
};

static struct crossfade_rules *build_rules(struct rules_parts *parts, bool loaded, struct crossfade_policy policy,
					   struct error *error, struct crossfade_error *error_out)
{
	static _Atomic uint64_t version;
	struct policy inner = { .ddl = policy.allow_ddl ? DDL_ALLOW : DDL_REFUSE,
				.opaque = policy.refuse_opaque	 ? OPAQUE_REFUSE :
					  policy.notice_opaque ? OPAQUE_NOTICE :
								 OPAQUE_PASS,
				.introspection = policy.map_introspection ? INTROSPECTION_MAP : INTROSPECTION_PASS,
				.newer_syntax = policy.pass_newer_syntax ? NEWER_SYNTAX_PASS : NEWER_SYNTAX_REFUSE };
	struct ruleset *ruleset = NULL;
	bool built = loaded && ruleset_build(parts->map, &parts->flags, parts->facts, inner, ++version, NULL, NULL,
					     &ruleset, error);
	map_unref(parts->map);
	facts_unref(parts->facts);
	arena_deinit(&parts->arena);
	if (!built) {
		if (error_out)
			copy_error(error, error_out);
		return NULL;
	}
	struct crossfade_rules *rules = memory_zalloc(sizeof(*rules));
	rules->ruleset = ruleset;
	return rules;
}

static struct slice source_text(struct crossfade_source source)
{
	return slice_of(source.text, source.text ? source.len : 0);
}

struct crossfade_rules *crossfade_rules_new(struct crossfade_source map, struct crossfade_source flags,
					    struct crossfade_source catalog, struct crossfade_policy policy,
					    struct crossfade_error *error_out)
{
	struct rules_parts parts = { .map = NULL };
	struct error error;
	arena_init(&parts.arena);
	bool loaded = map_file_parse(source_text(map), map.name ? map.name : "map", &parts.map, &error) &&
		      (!flags.text || flags_file_parse(source_text(flags), flags.name ? flags.name : "flags",
						       &parts.arena, &parts.flags, &error)) &&
		      (!catalog.text || catalog_file_parse(source_text(catalog), catalog.name ? catalog.name : "catalog",
							   &parts.facts, &error));
	return build_rules(&parts, loaded, policy, &error, error_out);
}

struct crossfade_rules *crossfade_rules_load(const char *map_path, const char *flags_path, const char *catalog_path,
					     struct crossfade_policy policy, struct crossfade_error *error_out)
{
	struct rules_parts parts = { .map = NULL };
	struct error error;
	arena_init(&parts.arena);
	bool loaded = map_file_load(map_path, &parts.map, &error) &&
		      (!flags_path || flags_file_load(flags_path, &parts.arena, &parts.flags, &error)) &&
		      (!catalog_path || catalog_file_load(catalog_path, &parts.facts, &error));
	return build_rules(&parts, loaded, policy, &error, error_out);
}

struct crossfade_rules *crossfade_rules_ref(struct crossfade_rules *rules)
{
	struct crossfade_rules *other = memory_zalloc(sizeof(*other));
	other->ruleset = ruleset_ref(rules->ruleset);
	return other;
}

void crossfade_rules_unref(struct crossfade_rules *rules)
{
	if (!rules)
		return;
	ruleset_unref(rules->ruleset);
	free(rules);
}

/* ---- sessions ---- */

struct crossfade_session *crossfade_session_new(const char *database, const char *user, const char *search_path)
{
	struct crossfade_session *session = memory_zalloc(sizeof(*session));
	session->state = session_state_new(database ? database : "", user ? user : "", search_path);
	session->user = memory_strdup(user ? user : "");
	session_state_reported(session->state, "client_encoding", "UTF8");
	return session;
}

void crossfade_session_free(struct crossfade_session *session)
{
	if (!session)
		return;
	session_state_free(session->state);
	free(session->session_user);
	free(session->user);
	free(session);
}

void crossfade_session_set(struct crossfade_session *session, const char *name, const char *value)
{
	if (strcmp(name, "search_path") == 0) {
		session_state_learnt_search_path(session->state, value);
	} else if (strcmp(name, "session_authorization") == 0) {
		free(session->session_user);
		session->session_user = memory_strdup(value);
	} else if (strcmp(name, "role") == 0) {
		session_state_learnt_role(session->state, session->session_user ? session->session_user : session->user,
					  value);
	} else {
		session_state_reported(session->state, name, value);
	}
}

void crossfade_session_set_temporary(struct crossfade_session *session, const char *const *names, size_t count)
{
	session_state_learnt_temps(session->state, names, count);
}

const struct crossfade_question *crossfade_session_questions(const struct crossfade_session *session,
							     size_t *count_out)
{
	static const struct crossfade_question questions[] = {
		{ "SHOW search_path", "search_path" },
		{ "SHOW session_authorization", "session_authorization" },
		{ "SHOW role", "role" },
		{ "SELECT relname FROM pg_catalog.pg_class"
		  " WHERE relnamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()",
		  NULL },
	};
	bool all = !session_state_role_known(session->state) || !session_state_temps_known(session->state);
	*count_out = all ? sizeof(questions) / sizeof(questions[0]) : 1;
	return questions;
}

/* The text is a transaction of its own unless one is open. */
void crossfade_session_apply(struct crossfade_session *session, const struct crossfade_result *result)
{
	const struct rewrite *rewrite = result->rewrite;
	struct session_state *state = session->state;
	if (!rewrite || rewrite->outcome == REWRITE_REFUSED)
		return;
	for (size_t i = 0; i < rewrite->statement_count; i++) {
		for (size_t k = 0; k < rewrite->statements[i].effect_count; k++) {
			session_state_segment_begin(state);
			session_state_apply(state, &rewrite->statements[i].effects[k]);
		}
	}
	session_state_segment_end(state, session_state_in_transaction(state) ? 'T' : 'I', false);
}

void crossfade_session_rolled_back(struct crossfade_session *session)
{
	session_state_apply(session->state, &(struct effect){ .kind = EFFECT_ROLLBACK });
}

/* ---- rewriting ---- */

struct crossfade_rewriter *crossfade_rewriter_new(struct crossfade_limits limits)
{
	struct crossfade_rewriter *rewriter = memory_zalloc(sizeof(*rewriter));
	struct rewriter_settings settings = rewriter_settings_default();
	settings.cache_bytes = limits.cache_bytes;
	if (limits.parse_bytes)
		settings.parse_bytes = limits.parse_bytes;
	rewriter->rewriter = rewriter_new(settings);
	return rewriter;
}

void crossfade_rewriter_free(struct crossfade_rewriter *rewriter)
{
	if (!rewriter)
		return;
	rewriter_free(rewriter->rewriter);
	free(rewriter);
}

struct crossfade_result *crossfade_rewrite(struct crossfade_rewriter *rewriter, const struct crossfade_rules *rules,
					   const struct crossfade_session *session, const char *sql, size_t len)
{
	struct crossfade_result *result = memory_zalloc(sizeof(*result));
	result->rewrite = rewriter_run(rewriter->rewriter, slice_of(sql, len), REWRITE_SIMPLE, session->state,
				       rules->ruleset);
	if (result->rewrite->outcome == REWRITE_REFUSED)
		copy_error(result->rewrite->refusal, &result->refusal);
	return result;
}

void crossfade_result_free(struct crossfade_result *result)
{
	if (!result)
		return;
	rewrite_unref(result->rewrite);
	buf_deinit(&result->value);
	buf_deinit(&result->told);
	free(result);
}

enum crossfade_outcome crossfade_result_outcome(const struct crossfade_result *result)
{
	if (!result->rewrite)
		return result->value.len ? CROSSFADE_REWRITTEN : CROSSFADE_UNCHANGED;
	switch (result->rewrite->outcome) {
	case REWRITE_UNCHANGED:
		return CROSSFADE_UNCHANGED;
	case REWRITE_REWRITTEN:
		return CROSSFADE_REWRITTEN;
	case REWRITE_NEED_SEARCH_PATH:
		return CROSSFADE_NEED_SEARCH_PATH;
	default:
		return CROSSFADE_REFUSED;
	}
}

static const char *text_of(struct slice text, size_t *len_out)
{
	if (len_out)
		*len_out = text.len;
	return text.data;
}

const char *crossfade_result_sql(const struct crossfade_result *result, size_t *len_out)
{
	if (crossfade_result_outcome(result) != CROSSFADE_REWRITTEN)
		return NULL;
	return text_of(result->rewrite ? result->rewrite->sql : buf_slice(&result->value), len_out);
}

const char *crossfade_result_failing_sql(const struct crossfade_result *result, size_t *len_out)
{
	if (crossfade_result_outcome(result) != CROSSFADE_REFUSED)
		return NULL;
	return text_of(result->rewrite->sql, len_out);
}

const struct crossfade_error *crossfade_result_refusal(const struct crossfade_result *result)
{
	return crossfade_result_outcome(result) == CROSSFADE_REFUSED ? &result->refusal : NULL;
}

uint32_t crossfade_result_position(const struct crossfade_result *result, uint32_t position)
{
	return result->rewrite ? rewrite_map_position(result->rewrite, position) : position;
}

static size_t statement_count(const struct crossfade_result *result)
{
	return result->rewrite ? result->rewrite->statement_count : 0;
}

size_t crossfade_result_notices(const struct crossfade_result *result)
{
	size_t count = 0;
	for (size_t i = 0; i < statement_count(result); i++)
		count += result->rewrite->statements[i].notice != NULL;
	return count;
}

struct crossfade_error crossfade_result_notice(const struct crossfade_result *result, size_t index)
{
	struct crossfade_error notice = { 0 };
	for (size_t i = 0; i < statement_count(result); i++) {
		const struct error *own = result->rewrite->statements[i].notice;
		if (own && index-- == 0) {
			copy_error(own, &notice);
			break;
		}
	}
	return notice;
}

/* ---- answers ---- */

static struct slice slice_or_none(const char *text)
{
	return text ? slice_str(text) : slice_of(NULL, 0);
}

/* Texts of the ruleset end in NUL; those of the message are made so. */
static void take(const char **slot, struct slice changed)
{
	if (changed.data)
		*slot = changed.data;
}

void crossfade_result_translate(struct crossfade_result *result, const struct crossfade_rules *rules,
				const struct crossfade_session *session, size_t statement,
				struct crossfade_answer *answer)
{
	const struct rewrite *rewrite = result->rewrite;
	struct answer_fields said = { slice_or_none(answer->sqlstate), slice_or_none(answer->message),
				      slice_or_none(answer->schema),   slice_or_none(answer->table),
				      slice_or_none(answer->column),   slice_or_none(answer->constraint) };
	struct answer_changes changes = { 0 };
	if (!rewrite || statement >= rewrite->statement_count)
		return;
	struct answer about = { .ruleset = rules->ruleset,
				.shape = rewrite->statements[statement].shape,
				.has_position = answer->position,
				.encoding = session_state_encoding(session->state) };
	about.at_replaced = rewrite_replaced_at(rewrite, answer->position, &about.replaced_len);
	answer_names_translate(&about, &said, &result->told, &changes);
	if (changes.message.data)
		answer->message = buf_cstr(&result->told);
	take(&answer->schema, changes.schema);
	take(&answer->table, changes.table);
	take(&answer->column, changes.column);
	answer->position = rewrite_map_position(rewrite, answer->position);
}

/* ---- parameters ---- */

const uint16_t *crossfade_result_parameters(const struct crossfade_result *result, size_t *count_out)
{
	*count_out = result->rewrite ? result->rewrite->parameter_count : 0;
	return *count_out ? result->rewrite->parameters : NULL;
}

struct crossfade_result *crossfade_rewrite_parameter(struct crossfade_rewriter *rewriter,
						     const struct crossfade_rules *rules,
						     const struct crossfade_session *session, const char *value,
						     size_t len)
{
	struct crossfade_result *result = memory_zalloc(sizeof(*result));
	buf_init(&result->value);
	result->use_count = rewriter_parameter(rewriter->rewriter, slice_of(value, len), session->state, rules->ruleset,
					       &result->value, result->uses, PARAMETER_USES);
	if (result->value.len)
		buf_cstr(&result->value);
	return result;
}

/* ---- uses ---- */

static struct crossfade_use public_use(const struct use *use, const char *statement)
{
	return (struct crossfade_use){ .table = use->table,
				       .new_name = use->side == SIDE_NEW,
				       .kind = use_kind_name((enum use_kind)use->kind),
				       .rewritten = use->flags & USE_REWRITTEN,
				       .refused = use->flags & USE_REFUSED,
				       .unparsed = use->flags & USE_UNPARSED,
				       .statement = statement };
}

size_t crossfade_result_uses(const struct crossfade_result *result)
{
	size_t count = result->use_count;
	for (size_t i = 0; i < statement_count(result); i++) {
		const struct statement_shape *shape = result->rewrite->statements[i].shape;
		count += shape ? shape->use_count : 0;
	}
	return count;
}

struct crossfade_use crossfade_result_use(const struct crossfade_result *result, size_t index)
{
	if (index < result->use_count)
		return public_use(&result->uses[index], "");
	for (size_t i = 0; i < statement_count(result); i++) {
		const struct statement_shape *shape = result->rewrite->statements[i].shape;
		if (shape && index < shape->use_count)
			return public_use(&shape->uses[index], shape->text.data);
		index -= shape ? shape->use_count : 0;
	}
	return (struct crossfade_use){ 0 };
}

/* ---- explanation ---- */

struct crossfade_explanation *crossfade_explain(struct crossfade_rewriter *rewriter,
						const struct crossfade_rules *rules,
						const struct crossfade_session *session, const char *sql, size_t len)
{
	struct crossfade_explanation *e = memory_zalloc(sizeof(*e));
	arena_init(&e->arena);
	rewrite_unref(rewriter_explain(rewriter->rewriter, slice_of(sql, len), REWRITE_SIMPLE, session->state,
				       rules->ruleset, &e->arena, &e->explanation));
	e->items = ARENA_ARRAY(&e->arena, e->explanation.count, struct crossfade_reference);
	for (size_t i = 0; i < e->explanation.count; i++) {
		const struct rewrite_reference *r = &e->explanation.items[i];
		e->items[i] = (struct crossfade_reference){ r->offset, r->len, r->written, r->resolved, r->became,
							    r->rule };
	}
	return e;
}

size_t crossfade_explanation_count(const struct crossfade_explanation *explanation)
{
	return explanation->explanation.count;
}

const struct crossfade_reference *crossfade_explanation_item(const struct crossfade_explanation *explanation,
							     size_t index)
{
	return index < explanation->explanation.count ? &explanation->items[index] : NULL;
}

void crossfade_explanation_free(struct crossfade_explanation *explanation)
{
	if (!explanation)
		return;
	arena_deinit(&explanation->arena);
	free(explanation);
}
