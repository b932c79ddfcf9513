/* One block of memory per result: prepared statements and the cache keep many of them. */
#include "rewrite/result.h"

#include "base/memory.h"

#include <stdint.h>
#include <stdlib.h>

enum { RESULT_SHARED = UINT32_MAX };

static struct rewrite nothing = { .refs = RESULT_SHARED, .outcome = REWRITE_UNCHANGED };
static struct rewrite need_search_path = { .refs = RESULT_SHARED, .outcome = REWRITE_NEED_SEARCH_PATH };

static const struct effect transaction_effects[] = {
	{ .kind = EFFECT_BEGIN }, { .kind = EFFECT_COMMIT }, { .kind = EFFECT_ROLLBACK }
};
static struct rewrite_statement transaction_statements[] = {
	{ STATEMENT_TRANSACTION, NULL, &transaction_effects[0], 1, NULL },
	{ STATEMENT_TRANSACTION, NULL, &transaction_effects[1], 1, NULL },
	{ STATEMENT_TRANSACTION, NULL, &transaction_effects[2], 1, NULL },
};
#define TRANSACTION_RESULT(i)                                                                      \
	{ .refs = RESULT_SHARED, .outcome = REWRITE_UNCHANGED, .statements = &transaction_statements[i],  \
	  .statement_count = 1 }
static struct rewrite transactions[] = { TRANSACTION_RESULT(0), TRANSACTION_RESULT(1), TRANSACTION_RESULT(2) };

struct rewrite *result_nothing(void)
{
	return &nothing;
}

struct rewrite *result_need_search_path(void)
{
	return &need_search_path;
}

struct rewrite *result_transaction(enum effect_kind kind)
{
	return &transactions[kind == EFFECT_BEGIN ? 0 : kind == EFFECT_COMMIT ? 1 : 2];
}

static size_t aligned(size_t bytes)
{
	return (bytes + 15) & ~(size_t)15;
}

static size_t text_bytes(const char *text)
{
	return text ? strlen(text) + 1 : 0;
}

static const char *place_text(char **at, const char *text)
{
	if (!text)
		return NULL;
	size_t bytes = strlen(text) + 1;
	const char *copy = memcpy(*at, text, bytes);
	*at += bytes;
	return copy;
}

static void *place(char **at, const void *data, size_t bytes)
{
	void *copy = *at;
	if (bytes)
		memcpy(copy, data, bytes);
	*at += aligned(bytes);
	return copy;
}

static size_t count_effects(const struct result_parts *parts, size_t *text_bytes_out)
{
	size_t count = 0, bytes = parts->sql.len + 1;
	for (size_t i = 0; i < parts->statement_count; i++) {
		const struct rewrite_statement *statement = &parts->statements[i];
		for (size_t k = 0; k < statement->effect_count; k++)
			bytes += text_bytes(statement->effects[k].name) + text_bytes(statement->effects[k].value) +
				 text_bytes(statement->effects[k].text);
		count += statement->effect_count;
	}
	*text_bytes_out = bytes;
	return count;
}

static struct effect *place_effects(char **at, char **texts, const struct rewrite_statement *statement)
{
	struct effect *effects = place(at, statement->effects, statement->effect_count * sizeof(*effects));
	for (size_t k = 0; k < statement->effect_count; k++) {
		effects[k].name = place_text(texts, effects[k].name);
		effects[k].value = place_text(texts, effects[k].value);
		effects[k].text = place_text(texts, effects[k].text);
	}
	return effects;
}

static size_t count_notices(const struct result_parts *parts)
{
	size_t count = 0;
	for (size_t i = 0; i < parts->statement_count; i++)
		count += parts->statements[i].notice != NULL;
	return count;
}

static void place_statements(struct rewrite *rewrite, const struct result_parts *parts, char **at, char **texts)
{
	rewrite->statements = place(at, parts->statements, parts->statement_count * sizeof(*parts->statements));
	rewrite->statement_count = parts->statement_count;
	for (size_t i = 0; i < parts->statement_count; i++) {
		rewrite->statements[i].effects = place_effects(at, texts, &parts->statements[i]);
		if (parts->statements[i].notice)
			rewrite->statements[i].notice = place(at, parts->statements[i].notice, sizeof(struct error));
	}
}

struct rewrite *result_new(const struct result_parts *parts)
{
	size_t texts_bytes, effects = count_effects(parts, &texts_bytes);
	size_t fixed = aligned(sizeof(struct rewrite)) +
		       aligned(parts->statement_count * sizeof(*parts->statements)) +
		       effects * sizeof(struct effect) + 16 * parts->statement_count +
		       (count_notices(parts) + (parts->refusal != NULL)) * aligned(sizeof(struct error)) +
		       aligned(parts->splice_count * sizeof(*parts->splices)) +
		       aligned(parts->parameter_count * sizeof(*parts->parameters));
	char *block = memory_alloc(fixed + texts_bytes);
	char *at = block + aligned(sizeof(struct rewrite)), *texts = block + fixed;
	struct rewrite *rewrite = (struct rewrite *)(void *)block;
	*rewrite = (struct rewrite){ .refs = 1,
				     .outcome = parts->outcome,
				     .refused_index = parts->refused_index,
				     .depends_on_state = parts->depends_on_state,
				     .bytes = fixed + texts_bytes };
	place_statements(rewrite, parts, &at, &texts);
	rewrite->splices = place(&at, parts->splices, parts->splice_count * sizeof(*parts->splices));
	rewrite->splice_count = parts->splice_count;
	rewrite->parameters = place(&at, parts->parameters, parts->parameter_count * sizeof(*parts->parameters));
	rewrite->parameter_count = parts->parameter_count;
	rewrite->parameter_shape = parts->parameter_shape;
	if (parts->refusal)
		rewrite->refusal = place(&at, parts->refusal, sizeof(*parts->refusal));
	if (parts->sql.data) {
		rewrite->sql = slice_of(texts, parts->sql.len);
		memcpy(texts, parts->sql.data, parts->sql.len);
		texts[parts->sql.len] = '\0';
	}
	return rewrite;
}

struct rewrite *result_like(const struct rewrite *known, size_t sql_len, size_t splice_count, char **sql_out,
			    struct rewrite_splice **splices_out)
{
	size_t statements = known->statement_count * sizeof(*known->statements);
	size_t parameters = known->parameter_count * sizeof(*known->parameters);
	size_t fixed = aligned(sizeof(*known)) + aligned(statements) + aligned(parameters) +
		       aligned(splice_count * sizeof(**splices_out));
	char *block = memory_alloc(fixed + sql_len + 1), *at = block + aligned(sizeof(*known));
	struct rewrite *rewrite = (struct rewrite *)(void *)block;
	*rewrite = *known;
	rewrite->refs = 1;
	rewrite->bytes = fixed + sql_len + 1;
	rewrite->statements = place(&at, known->statements, statements);
	rewrite->parameters = place(&at, known->parameters, parameters);
	for (size_t i = 0; i < known->statement_count; i++)
		statement_shape_ref(known->statements[i].shape);
	statement_shape_ref(known->parameter_shape);
	rewrite->splices = *splices_out = (struct rewrite_splice *)(void *)at;
	rewrite->splice_count = splice_count;
	*sql_out = block + fixed;
	(*sql_out)[sql_len] = '\0';
	rewrite->sql = slice_of(*sql_out, sql_len);
	return rewrite;
}

size_t result_bytes(const struct rewrite *rewrite)
{
	size_t bytes = rewrite->bytes;
	if (rewrite->parameter_shape)
		bytes += rewrite->parameter_shape->bytes;
	for (size_t i = 0; i < rewrite->statement_count; i++) {
		const struct statement_shape *shape = rewrite->statements[i].shape;
		bytes += shape ? shape->bytes : 0;
	}
	return bytes;
}

struct rewrite *rewrite_ref(struct rewrite *rewrite)
{
	if (rewrite && rewrite->refs != RESULT_SHARED)
		rewrite->refs++;
	return rewrite;
}

void rewrite_unref(struct rewrite *rewrite)
{
	if (!rewrite || rewrite->refs == RESULT_SHARED || --rewrite->refs)
		return;
	if (rewrite->inner) {
		rewrite_unref(rewrite->inner);
		free(rewrite);
		return;
	}
	for (size_t i = 0; i < rewrite->statement_count; i++)
		statement_shape_unref(rewrite->statements[i].shape);
	statement_shape_unref(rewrite->parameter_shape);
	free(rewrite);
}

/* All of the inner result is used as it stands. */
struct rewrite *rewrite_with_origin(struct rewrite *rewrite, const struct origin *origin)
{
	char *block = memory_alloc(aligned(sizeof(*rewrite)) + sizeof(*origin)), *at = block + aligned(sizeof(*rewrite));
	struct rewrite *copy = (struct rewrite *)(void *)block;
	*copy = *rewrite;
	copy->refs = 1;
	copy->inner = rewrite;
	copy->origin = memcpy(at, origin, sizeof(*origin));
	return copy;
}

void rewrite_set_foretold(struct rewrite *rewrite)
{
	if (rewrite->refs != RESULT_SHARED)
		rewrite->foretold = true;
}

uint32_t rewrite_map_position(const struct rewrite *rewrite, uint32_t position)
{
	return position_map_original(rewrite->splices, rewrite->splice_count, position);
}

bool rewrite_replaced_at(const struct rewrite *rewrite, uint32_t position, uint32_t *original_len_out)
{
	return position_map_replaced_at(rewrite->splices, rewrite->splice_count, position, original_len_out);
}
