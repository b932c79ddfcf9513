/*
 * Most objects follow a table that gets another name, and stay behind when
 * its rows go to another table. One row of the table below for each kind
 * says which, and what to do about it.
 */
#include "check/objects.h"

#include <string.h>

struct judgement {
	enum finding_severity move, transform;
	const char *move_text, *move_hint; /* the texts go behind the object and the table; NULL: nothing to say */
	const char *transform_text, *transform_hint;
};

static const struct judgement judgements[DEPENDENT_KIND_COUNT] = {
	[DEPENDENT_VIEW] = { FINDING_NOTE, FINDING_WARNING, "reads it and follows when it moves",
			     "The view keeps its own name; columns added later do not appear in it.",
			     "reads it and will go on showing the old rows", "Make it anew over the new table." },
	[DEPENDENT_MATVIEW] = { FINDING_NOTE, FINDING_WARNING, "reads it and follows when it moves",
				"The materialized view keeps its own name.", "reads it and will go on showing the old rows",
				"Make it anew over the new table." },
	[DEPENDENT_RULE] = { FINDING_NOTE, FINDING_WARNING, "names it and follows when it moves", NULL,
			     "names it and will not act on the new table", "Make a trigger or rule on the new table." },
	[DEPENDENT_TRIGGER] = { FINDING_NOTE, FINDING_WARNING, "moves along; what its function names is listed by itself",
				NULL, "will not fire for the new table", "Make it anew on the new table." },
	[DEPENDENT_POLICY] = { FINDING_NOTE, FINDING_WARNING, "follows when the table moves", NULL,
			       "does not protect the new table", "Make it anew on the new table." },
	[DEPENDENT_DEFAULT] = { FINDING_NOTE, FINDING_WARNING, "uses it and follows when it moves", NULL,
				"uses it and will go on using the old one", "Write a default for the new table." },
	[DEPENDENT_FOREIGN_KEY] = { FINDING_NOTE, FINDING_WARNING, "follows, but the table it belongs to is not in the map",
				    "Give that table an entry; until then the two are in different schemas.",
				    "will go on checking the old rows", "Make it anew over the new table." },
	[DEPENDENT_FUNCTION] = { FINDING_NOTE, FINDING_WARNING, "follows when the table moves, and pins the columns it names",
				 "To drop or retype such a column, the function has to be made anew.",
				 "will go on reading the old rows", "Make it anew over the new table." },
	[DEPENDENT_PUBLICATION] = { FINDING_WARNING, FINDING_WARNING,
				    "goes on publishing it under its new name, which subscribers look for",
				    "Move the subscriber's table at the same time, or replication stops.",
				    "publishes the old table only", "ALTER PUBLICATION … ADD TABLE for the new one." },
	[DEPENDENT_SCHEMA_PUBLICATION] = { FINDING_WARNING, FINDING_WARNING, "publishes its schema and loses it in silence",
					   "ALTER PUBLICATION … ADD TABLE for its new name, in the transaction that moves it.",
					   "publishes the schema of the old table only",
					   "ALTER PUBLICATION … ADD TABLE for the new one." },
	[DEPENDENT_SUBSCRIPTION] = { FINDING_WARNING, FINDING_WARNING,
				     "writes to it by name, and the publisher goes on saying the old one",
				     "Move the publisher's table at the same time, or replication stops.",
				     "writes to the old table only", "End it before the table is switched over." },
	[DEPENDENT_CHILD] = { FINDING_NOTE, FINDING_WARNING, "stays in its schema when the parent moves",
			      "ALTER TABLE … SET SCHEMA for each child, if they shall go along.", "stays with the old table",
			      NULL },
};

/* A mapped table whose rows are on the side the name is of: that is what an object holds on to. */
static const struct ruleset_name *mapped(const struct ruleset *ruleset, struct rel_name name)
{
	const struct ruleset_name *found = name.name ? ruleset_find(ruleset, name.schema, name.name) : NULL;
	return found && found->kind != NAME_INDEX ? found : NULL;
}

static bool is_worth_saying(const struct ruleset *ruleset, const struct dependent *item)
{
	/* Foreign keys among tables that all have their place are no news. */
	if (item->kind == DEPENDENT_FOREIGN_KEY)
		return !mapped(ruleset, item->on);
	/* A partition goes along with its table, unless it was put elsewhere. */
	if (item->kind == DEPENDENT_CHILD && item->text && strcmp(item->text, "partition") == 0)
		return strcmp(item->on.schema, item->table.schema) != 0;
	return true;
}

static void judge(const struct ruleset *ruleset, const struct dependent *item, struct findings *findings)
{
	const struct ruleset_name *name = mapped(ruleset, item->table);
	const struct judgement *judgement = &judgements[item->kind];
	if (!name || name->side != SIDE_OLD || name->entry->physical != SIDE_OLD || name->entry->kind == MAP_IDENTITY)
		return;
	bool transforms = name->entry->kind == MAP_TRANSFORM;
	if (name->entry->kind == MAP_DROPPED || (!transforms && !is_worth_saying(ruleset, item)))
		return;
	const char *kind = dependent_kind_name(item->kind), *key = name->entry->key;
	struct finding *finding = findings_add(findings, transforms ? judgement->transform : judgement->move, key,
					       item->kind == DEPENDENT_SCHEMA_PUBLICATION ? "publication" : kind, item->object,
					       "%s %s %s", kind, item->object,
					       transforms ? judgement->transform_text : judgement->move_text);
	const char *hint = transforms ? judgement->transform_hint : judgement->move_hint;
	if (hint)
		finding_hint(findings, finding, "%s", hint);
}

void objects_check(const struct ruleset *ruleset, const struct dependents *dependents, struct findings *findings)
{
	for (size_t i = 0; i < dependents->count; i++)
		judge(ruleset, &dependents->items[i], findings);
}
