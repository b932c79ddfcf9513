#include "rewrite/explain.h"

#include "rewrite/derived.h"

#include <stdlib.h>

static enum rule rule_of(const struct analysis *a, size_t refused_from, const struct noted_reference *noted)
{
	const struct range *range = noted->range;
	if (a->refused && noted->offset >= refused_from)
		return RULE_REFUSED;
	if (noted->rule != RULE_MOVE || !range || !range->name->entry->shape)
		return noted->rule;
	if (range->role != RANGE_READ)
		return RULE_COLUMNS;
	return derived_is_query(range) ? RULE_DERIVED_TABLE : RULE_COLUMN_LIST;
}

/* In the order of the text. */
static int compare_noted(const void *a, const void *b)
{
	const struct noted_reference *x = *(const struct noted_reference *const *)a;
	const struct noted_reference *y = *(const struct noted_reference *const *)b;
	return x->offset != y->offset ? (x->offset > y->offset) - (x->offset < y->offset)
				      : (x->len > y->len) - (x->len < y->len);
}

static bool is_same(const struct noted_reference *x, const struct noted_reference *y)
{
	return x->offset == y->offset && x->len == y->len && strcmp(x->resolved, y->resolved) == 0;
}

static const struct noted_reference **sorted_references(const struct analysis *a, size_t *count_out)
{
	size_t count = 0;
	for (const struct noted_reference *r = a->references; r; r = r->next)
		count++;
	const struct noted_reference **sorted =
		ARENA_ARRAY(a->arena, count, const struct noted_reference *);
	*count_out = count;
	count = 0;
	for (const struct noted_reference *r = a->references; r; r = r->next)
		sorted[count++] = r;
	if (count)
		qsort(sorted, count, sizeof(*sorted), compare_noted);
	return sorted;
}

/* What stands where the reference stood; NULL: what stood there before. */
static const char *became_of(const struct analysis *a, const struct noted_reference *noted, size_t *splice,
			     struct arena *arena)
{
	const struct splice_list *list = a->splices;
	while (*splice < list->count && list->items[*splice].offset + list->items[*splice].len <= noted->offset)
		(*splice)++;
	if (noted->became)
		return arena_strdup(arena, noted->became);
	const struct splice *found = *splice < list->count ? &list->items[*splice] : NULL;
	return found && noted->len && found->offset <= noted->offset
		       ? arena_copy(arena, found->text.data, found->text.len)
		       : NULL;
}

static void add_parameters(const struct analysis *a, struct arena *arena, struct rewrite_explanation *explanation)
{
	for (size_t i = 0; i < a->tokens->count; i++) {
		const struct token *token = &a->tokens->items[i];
		if (token->class != TOKEN_PARAM)
			continue;
		const char *text = arena_copy(arena, a->text.data + token->offset, token->len);
		unsigned long number = strtoul(text + 1, NULL, 10);
		if (a->parameter_bits && number <= UINT16_MAX && (a->parameter_bits[number / 8] >> (number % 8) & 1))
			explanation->items[explanation->count++] = (struct rewrite_reference){
				token->offset, token->len, text, "a name, once it is bound", NULL,
				rule_name(RULE_PARAMETER)
			};
	}
}

static int compare_references(const void *a, const void *b)
{
	const struct rewrite_reference *x = a, *y = b;
	return (x->offset > y->offset) - (x->offset < y->offset);
}

void explain_collect(const struct analysis *a, size_t refused_from, struct arena *arena,
		     struct rewrite_explanation *explanation_out)
{
	size_t count, splice = 0;
	const struct noted_reference **sorted = sorted_references(a, &count);
	struct rewrite_explanation explanation = {
		ARENA_ARRAY(arena, count + a->tokens->count, struct rewrite_reference), 0
	};
	for (size_t i = 0; i < count; i++) {
		const struct noted_reference *r = sorted[i];
		enum rule rule = rule_of(a, refused_from, r);
		if (i && is_same(sorted[i - 1], r))
			continue;
		const char *became = became_of(a, r, &splice, arena);
		explanation.items[explanation.count++] = (struct rewrite_reference){
			.offset = r->offset,
			.len = r->len,
			.written = r->written ? arena_strdup(arena, r->written)
					      : arena_copy(arena, a->text.data + r->offset, r->len),
			.resolved = arena_strdup(arena, r->resolved),
			.became = rule == RULE_REFUSED ? NULL : became,
			.rule = rule_name(rule),
		};
	}
	add_parameters(a, arena, &explanation);
	if (explanation.count)
		qsort(explanation.items, explanation.count, sizeof(*explanation.items), compare_references);
	*explanation_out = explanation;
}
