#include "rewrite/recipe.h"

#include "base/memory.h"
#include "rewrite/chars.h"
#include "rewrite/result.h"

#include <stdlib.h>

/* A place in a text, by its nearest token. */
struct anchor {
	uint32_t place; /* of the token, in the skeleton */
	uint32_t inside; /* bytes from its start; ANCHOR_END: after it */
};
enum { ANCHOR_END = UINT32_MAX };

struct anchored_splice {
	struct anchor from, to;
	struct slice text;
	uint32_t characters; /* of text */
};

enum { RECIPE_SPLICES_MAX = 256 };

struct span {
	size_t from, to;
};

struct guard {
	uint32_t place;
	struct slice text;
};

struct recipe {
	struct rewrite *rewrite;
	struct anchored_splice *splices;
	size_t splice_count;
	struct guard *guards;
	size_t guard_count;
	struct arena arena; /* of all but the rewrite */
};

/* ---- making ---- */

/* A literal may be longer in the next text: of it, only its two ends are places. */
static bool anchor_in(const struct recipe_text *text, size_t token, size_t inside, struct anchor *anchor_out)
{
	size_t place;
	if (!skeleton_place(text->skeleton, token, &place))
		return false;
	*anchor_out = (struct anchor){ (uint32_t)place, (uint32_t)inside };
	return true;
}

static bool anchor_after(const struct recipe_text *text, size_t offset, struct anchor *anchor_out)
{
	const struct token_list *tokens = text->tokens;
	size_t i = offset ? token_at(tokens, offset - 1) : tokens->count;
	return i < tokens->count && tokens->items[i].offset + tokens->items[i].len == offset &&
	       anchor_in(text, i, ANCHOR_END, anchor_out);
}

static bool anchor_at(const struct recipe_text *text, size_t offset, struct anchor *anchor_out)
{
	size_t i = token_at(text->tokens, offset);
	if (i == text->tokens->count)
		return anchor_after(text, offset, anchor_out);
	size_t inside = offset - text->tokens->items[i].offset;
	if (inside && token_is_literal(&text->tokens->items[i]))
		return false;
	return anchor_in(text, i, inside, anchor_out);
}

/* What is replaced ends where its last token does, whatever white space the next text has there. */
static bool anchor_end_at(const struct recipe_text *text, size_t offset, struct anchor *anchor_out)
{
	return anchor_after(text, offset, anchor_out) || anchor_at(text, offset, anchor_out);
}

/* Nothing of a list that can be longer in another text lies between the two. */
static bool spans_list(const struct recipe_text *text, const struct splice *splice)
{
	size_t end = splice->offset + splice->len;
	for (size_t i = 0; i < text->skeleton->list_count; i++) {
		const struct value_list *list = &text->skeleton->lists[i];
		const struct token *last = &text->tokens->items[list->end - 1];
		if (splice->offset < last->offset + last->len && end > text->tokens->items[list->first].offset)
			return true;
	}
	return false;
}

static bool take_splices(struct recipe *recipe, const struct recipe_source *source)
{
	const struct splice_list *list = source->splices;
	if (!list)
		return true;
	if (list->count > RECIPE_SPLICES_MAX || list->separated)
		return false;
	/* What is moved would have to be found in every text anew. */
	recipe->splices = ARENA_ARRAY(&recipe->arena, list->count, struct anchored_splice);
	for (size_t i = 0; i < list->count; i++) {
		const struct splice *splice = &list->items[i];
		struct anchored_splice *anchored = &recipe->splices[recipe->splice_count++];
		if (splice->moves || spans_list(source->text, splice) || !anchor_at(source->text, splice->offset, &anchored->from))
			return false;
		anchored->to = anchored->from;
		if (splice->len && !anchor_end_at(source->text, splice->offset + splice->len, &anchored->to))
			return false;
		anchored->text = slice_of(arena_copy(&recipe->arena, splice->text.data ? splice->text.data : "",
						     splice->text.len),
					  splice->text.len);
		anchored->characters = (uint32_t)position_count_characters(splice->text, source->encoding);
	}
	return true;
}

static bool take_guards(struct recipe *recipe, const struct recipe_source *source)
{
	for (const struct consulted *at = source->consulted; at; at = at->next)
		recipe->guard_count++;
	recipe->guards = ARENA_ARRAY(&recipe->arena, recipe->guard_count, struct guard);
	size_t i = 0, place;
	for (const struct consulted *at = source->consulted; at; at = at->next) {
		struct slice text = token_text(source->text->sql, &source->text->tokens->items[at->token]);
		if (!skeleton_place(source->text->skeleton, at->token, &place))
			return false;
		recipe->guards[i++] = (struct guard){
			(uint32_t)place, slice_of(arena_copy(&recipe->arena, text.data, text.len), text.len)
		};
	}
	return true;
}

/* Queries and DML without a word to or about the session. */
static bool is_general(const struct rewrite *rewrite)
{
	if (rewrite->outcome != REWRITE_UNCHANGED && rewrite->outcome != REWRITE_REWRITTEN)
		return false;
	for (size_t i = 0; i < rewrite->statement_count; i++) {
		const struct rewrite_statement *statement = &rewrite->statements[i];
		if (statement->kind != STATEMENT_QUERY || statement->effect_count || statement->notice)
			return false;
	}
	return true;
}

struct recipe *recipe_new(const struct recipe_source *source)
{
	if (!is_general(source->rewrite) || (source->rewrite->parameter_count && source->text->skeleton->list_count))
		return NULL;
	struct recipe *recipe = memory_zalloc(sizeof(*recipe));
	arena_init(&recipe->arena);
	recipe->rewrite = rewrite_ref((struct rewrite *)source->rewrite);
	if (take_splices(recipe, source) && take_guards(recipe, source))
		return recipe;
	recipe_free(recipe);
	return NULL;
}

void recipe_free(struct recipe *recipe)
{
	if (!recipe)
		return;
	rewrite_unref(recipe->rewrite);
	arena_deinit(&recipe->arena);
	free(recipe);
}

size_t recipe_bytes(const struct recipe *recipe)
{
	return sizeof(*recipe) + recipe->arena.used_bytes + result_bytes(recipe->rewrite);
}

/* ---- proving ---- */

/* Two literals of the same class as the token. */
static const char *const *others_of(struct slice literal, uint8_t class)
{
	static const char *const integers[] = { "7", "8" }, *const numbers[] = { "7.25", "8.25" },
				 *const strings[] = { "'q'", "'r'" }, *const escaped[] = { "E'q'", "E'r'" },
				 *const unicode[] = { "U&'q'", "U&'r'" }, *const national[] = { "N'q'", "N'r'" },
				 *const dollars[] = { "$$q$$", "$$r$$" }, *const bits[] = { "B'0'", "B'1'" },
				 *const hex[] = { "X'0'", "X'1'" };
	switch (class) {
	case TOKEN_NUMBER:
		return skeleton_is_integer(literal) ? integers : numbers;
	case TOKEN_ESTRING:
		return *literal.data == '\'' ? strings : escaped;
	case TOKEN_USTRING:
		return unicode;
	case TOKEN_NSTRING:
		return national;
	case TOKEN_DOLLAR:
		return dollars;
	case TOKEN_BITS:
		return (*literal.data | 0x20) == 'b' ? bits : hex;
	default:
		return strings;
	}
}

static void vary_literal(struct slice text, const struct token *token, struct buf *out)
{
	struct slice literal = token_text(text, token);
	const char *const *others = others_of(literal, token->class);
	buf_append_str(out, slice_is(literal, others[0]) ? others[1] : others[0]);
}

static void vary_parameter(struct slice text, const struct token *token, struct buf *out)
{
	unsigned long number = strtoul(text.data + token->offset + 1, NULL, 10);
	buf_printf(out, "$%lu", number < 60000 ? number + 1 : number - 1);
}

static bool is_guard(const struct recipe *recipe, const struct skeleton *skeleton, size_t token)
{
	size_t place;
	for (size_t i = 0; i < recipe->guard_count; i++) {
		if (skeleton_place(skeleton, token, &place) && recipe->guards[i].place == place)
			return true;
	}
	return false;
}

static const struct value_list *list_of(const struct skeleton *skeleton, size_t token)
{
	for (size_t i = 0; i < skeleton->list_count; i++) {
		if (token >= skeleton->lists[i].first && token < skeleton->lists[i].end)
			return &skeleton->lists[i];
	}
	return NULL;
}

static void append_span(struct slice sql, const struct token_list *tokens, size_t first, size_t end, struct buf *out)
{
	const struct token *last = &tokens->items[end - 1];
	size_t from = tokens->items[first].offset;
	buf_append(out, sql.data + from, last->offset + last->len - from);
}

void recipe_vary(const struct recipe *recipe, const struct recipe_text *text, struct buf *out)
{
	struct slice sql = text->sql;
	const struct token_list *tokens = text->tokens;
	const struct skeleton *skeleton = text->skeleton;
	size_t at = 0;
	for (size_t i = 0; i < tokens->count; i++) {
		const struct token *token = &tokens->items[i];
		const struct value_list *list = list_of(skeleton, i);
		buf_append(out, sql.data + at, token->offset - at);
		if (token_is_literal(token) && !is_guard(recipe, skeleton, i))
			vary_literal(sql, token, out);
		else if (list && token->class == TOKEN_PARAM)
			vary_parameter(sql, token, out);
		else
			buf_append_slice(out, token_text(sql, token));
		at = token->offset + token->len;
		if (list && i + 1 == list->end) {
			buf_append_str(out, ", ");
			append_span(sql, tokens, list->first, list->one_end, out);
		}
	}
	buf_append(out, sql.data + at, sql.len - at);
}

void recipe_shorten(const struct recipe_text *text, struct buf *out)
{
	size_t at = 0;
	for (size_t i = 0; i < text->skeleton->list_count; i++) {
		const struct value_list *list = &text->skeleton->lists[i];
		size_t two_end = list->one_end + 1 + (list->one_end - list->first);
		const struct token *second = &text->tokens->items[two_end - 1];
		const struct token *last = &text->tokens->items[list->end - 1];
		buf_append(out, text->sql.data + at, second->offset + second->len - at);
		at = last->offset + last->len;
	}
	buf_append(out, text->sql.data + at, text->sql.len - at);
}

static bool same_shape(const struct statement_shape *a, const struct statement_shape *b)
{
	if (!a || !b)
		return a == b;
	if (!slice_eq(a->text, b->text) || a->use_count != b->use_count)
		return false;
	for (size_t i = 0; i < a->use_count; i++) {
		const struct use *left = &a->uses[i], *right = &b->uses[i];
		if (left->entry != right->entry || left->side != right->side || left->kind != right->kind ||
		    left->flags != right->flags || left->all_columns != right->all_columns ||
		    left->column_count != right->column_count)
			return false;
	}
	return true;
}

static bool same_statements(const struct rewrite *a, const struct rewrite *b)
{
	if (a->outcome != b->outcome || a->depends_on_state != b->depends_on_state ||
	    a->statement_count != b->statement_count || a->parameter_count != b->parameter_count)
		return false;
	for (size_t i = 0; i < a->statement_count; i++) {
		if (!same_shape(a->statements[i].shape, b->statements[i].shape))
			return false;
	}
	for (size_t i = 0; i < a->parameter_count; i++) {
		if (a->parameters[i] != b->parameters[i])
			return false;
	}
	return same_shape(a->parameter_shape, b->parameter_shape);
}

static bool same_anchor(struct anchor a, struct anchor b)
{
	return a.place == b.place && a.inside == b.inside;
}

bool recipe_eq(const struct recipe *a, const struct recipe *b)
{
	if (!same_statements(a->rewrite, b->rewrite) || a->splice_count != b->splice_count ||
	    a->guard_count != b->guard_count)
		return false;
	for (size_t i = 0; i < a->splice_count; i++) {
		const struct anchored_splice *left = &a->splices[i], *right = &b->splices[i];
		if (!same_anchor(left->from, right->from) || !same_anchor(left->to, right->to) ||
		    !slice_eq(left->text, right->text))
			return false;
	}
	for (size_t i = 0; i < a->guard_count; i++) {
		if (a->guards[i].place != b->guards[i].place || !slice_eq(a->guards[i].text, b->guards[i].text))
			return false;
	}
	return true;
}

/* ---- using ---- */

bool recipe_fits(const struct recipe *recipe, const struct recipe_text *text)
{
	for (size_t i = 0; i < recipe->guard_count; i++) {
		const struct guard *guard = &recipe->guards[i];
		size_t token = skeleton_token(text->skeleton, guard->place);
		if (!slice_eq(guard->text, token_text(text->sql, &text->tokens->items[token])))
			return false;
	}
	return true;
}

static size_t offset_of(struct anchor anchor, const struct recipe_text *text)
{
	const struct token *token = &text->tokens->items[skeleton_token(text->skeleton, anchor.place)];
	return token->offset + (anchor.inside == ANCHOR_END ? token->len : anchor.inside);
}

/* White space is no part of a skeleton: here there may be none before or behind a name in quotes. */
static bool runs_into(struct slice ours, struct slice sql, struct span span)
{
	if (!ours.len)
		return false;
	char before = span.from ? sql.data[span.from - 1] : ' ', after = span.to < sql.len ? sql.data[span.to] : ' ';
	return (before != ' ' && splice_joins(before, ours.data[0])) ||
	       (after != ' ' && splice_joins(ours.data[ours.len - 1], after));
}

/* Where the splices stand in this text, and how long it will be; 0: they cannot be put there. */
static size_t locate(const struct recipe *recipe, const struct recipe_text *text, struct span *spans)
{
	size_t len = text->sql.len;
	for (size_t i = 0; i < recipe->splice_count; i++) {
		const struct anchored_splice *anchored = &recipe->splices[i];
		spans[i].from = offset_of(anchored->from, text);
		spans[i].to = offset_of(anchored->to, text);
		len += anchored->text.len - (spans[i].to - spans[i].from);
		if (runs_into(anchored->text, text->sql, spans[i]))
			return 0;
	}
	return len;
}

static char *copy(char *at, const char *data, size_t len)
{
	memcpy(at, data, len);
	return at + len;
}

static uint32_t count_characters(const char *data, size_t len, bool plain, enum encoding_class encoding)
{
	return (uint32_t)(plain ? len : position_count_characters(slice_of(data, len), encoding));
}

struct rewrite *recipe_apply(const struct recipe *recipe, const struct recipe_text *text, enum encoding_class encoding)
{
	struct span spans[RECIPE_SPLICES_MAX];
	struct rewrite_splice *positions;
	uint32_t original = 0, moved = 0;
	size_t done = 0;
	char *at;
	if (recipe->splice_count == 0)
		return rewrite_ref(recipe->rewrite);
	struct slice sql = text->sql;
	size_t len = locate(recipe, text, spans);
	if (!len)
		return NULL;
	bool plain = chars_are_plain(sql.data, spans[recipe->splice_count - 1].to);
	struct rewrite *rewrite = result_like(recipe->rewrite, len, recipe->splice_count, &at, &positions);
	for (size_t i = 0; i < recipe->splice_count; i++) {
		const struct anchored_splice *anchored = &recipe->splices[i];
		size_t from = spans[i].from, to = spans[i].to;
		at = copy(at, sql.data + done, from - done);
		at = copy(at, anchored->text.data, anchored->text.len);
		original += count_characters(sql.data + done, from - done, plain, encoding);
		uint32_t replaced = count_characters(sql.data + from, to - from, plain, encoding);
		positions[i] = (struct rewrite_splice){ .original = original, .original_len = replaced,
							.rewritten = original + moved, .rewritten_len = anchored->characters,
							.resume = original + replaced };
		original += replaced;
		moved += anchored->characters - replaced;
		done = to;
	}
	copy(at, sql.data + done, sql.len - done);
	return rewrite;
}
