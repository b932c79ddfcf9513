#include "rewrite/sink.h"

#include "rewrite/expression.h"
#include "rewrite/own_shape.h"
#include "rewrite/resolve.h"
#include "rewrite/targets.h"

bool sinks_init(struct analysis *a, const struct ruleset_name *name, size_t offset, struct sinks *sinks_out)
{
	const struct shape *shape = own_shape(a, name->entry);
	struct sinks sinks = { .name = name, .shape = shape };
	sinks.expressions = ARENA_ARRAY(a->arena, shape->physical_count, struct slice);
	sinks.uses = ARENA_ARRAY(a->arena, shape->physical_count, bool *);
	sinks.consumed = ARENA_ARRAY(a->arena, shape->written_count, bool);
	for (size_t i = 0; i < shape->physical_count; i++) {
		const struct shape_column *column = &shape->physical[i];
		if (column->from != SHAPE_EXPRESSION || column->generated)
			continue;
		sinks.uses[i] = ARENA_ARRAY(a->arena, shape->written_count, bool);
		if (!expression_of_map(a, column->expression, shape->written, shape->written_count, NULL, offset,
				       &sinks.expressions[i], sinks.uses[i]))
			return false;
		for (size_t k = 0; k < shape->written_count; k++)
			sinks.consumed[k] = sinks.consumed[k] || sinks.uses[i][k];
	}
	*sinks_out = sinks;
	return true;
}

size_t sinks_partner(const struct sinks *sinks, size_t written)
{
	const struct shape *shape = sinks->shape;
	size_t i = 0;
	while (i < shape->physical_count && !(shape->physical[i].from == SHAPE_COLUMN &&
					      strcmp(shape->physical[i].column, shape->written[written].name) == 0))
		i++;
	return i;
}

size_t sinks_written(const struct shape *shape, const char *name)
{
	size_t i = 0;
	while (i < shape->written_count && strcmp(shape->written[i].name, name) != 0)
		i++;
	return i;
}

struct slice sinks_value(struct analysis *a, const struct sinks *sinks, size_t physical, const char *row)
{
	const struct shape_column *column = &sinks->shape->physical[physical];
	if (sinks->uses[physical])
		return sinks->expressions[physical];
	struct slice value = expression_column(a, row, column->column);
	return column->retyped ? expression_assign(a, value, column->type) : value;
}

static bool has_sink(const struct sinks *sinks, size_t written)
{
	return sinks->consumed[written] || sinks_partner(sinks, written) < sinks->shape->physical_count;
}

bool sinks_is_lost(const struct sinks *sinks, size_t written)
{
	return !has_sink(sinks, written) && !sinks->shape->written[written].lossy;
}

/* ---- defaults ---- */

static const struct fact_column *fact_of(const struct fact_relation *relation, const char *name)
{
	for (size_t i = 0; relation && i < relation->column_count; i++) {
		if (strcmp(relation->columns[i].name, name) == 0)
			return &relation->columns[i];
	}
	return NULL;
}

static const struct fact_column *physical_fact(const struct sinks *sinks, size_t physical)
{
	const struct ruleset_entry *entry = sinks->name->entry;
	if (physical == sinks->shape->physical_count)
		return NULL;
	return fact_of(entry->relation[entry->physical], sinks->shape->physical[physical].name);
}

/* A move has one table; of a transform the written one may still be there. */
static const struct fact_column *written_fact(const struct sinks *sinks, size_t written)
{
	const struct ruleset_entry *entry = sinks->name->entry;
	if (entry->kind != MAP_TRANSFORM)
		return NULL;
	return fact_of(entry->relation[side_other(entry->physical)], sinks->shape->written[written].name);
}

/* Numbers are drawn where the rows are. */
static bool draws_numbers(const struct fact_column *fact)
{
	return fact->identity || (fact->default_text && strstr(fact->default_text, "nextval("));
}

static bool same_default(const struct fact_column *a, const struct fact_column *b)
{
	if (!a->default_text || !b->default_text)
		return !a->default_text && !b->default_text && !a->identity && !b->identity;
	return strcmp(a->default_text, b->default_text) == 0;
}

enum sink_default sinks_default(const struct sinks *sinks, size_t written, const char **text_out)
{
	size_t partner = sinks_partner(sinks, written);
	const struct fact_column *there = physical_fact(sinks, partner), *here = written_fact(sinks, written);
	bool has_partner = partner < sinks->shape->physical_count;
	if (has_partner && (!here || here->generated || draws_numbers(here) || (there && same_default(there, here))))
		return SINK_DEFAULT_SAME;
	if (!here || here->generated || draws_numbers(here))
		return SINK_DEFAULT_UNKNOWN;
	*text_out = here->default_text ? here->default_text : "NULL";
	return SINK_DEFAULT_TEXT;
}

const char *sinks_default_text(const struct sinks *sinks, size_t written)
{
	const char *text = NULL;
	switch (sinks_default(sinks, written, &text)) {
	case SINK_DEFAULT_TEXT:
		return text;
	case SINK_DEFAULT_SAME: {
		const struct fact_column *fact = physical_fact(sinks, sinks_partner(sinks, written));
		if (!fact || fact->identity || fact->generated)
			return NULL;
		return fact->default_text ? fact->default_text : "NULL";
	}
	default:
		return NULL;
	}
}
