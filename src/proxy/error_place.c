/*
 * An error of EXECUTE may be in one of two texts. The values it gives are in
 * its own. What the server finds wrong when it plans the prepared statement
 * anew is in the text of the PREPARE, with nothing in the message to say so:
 * where it could be either, there is no position rather than a wrong one.
 */
#include "proxy/error_place.h"

#include "proxy/prepared.h"

/* What a statement that was fine when it was prepared may run into later. */
static bool may_be_planned_anew(struct slice sqlstate)
{
	static const char *const states[] = { "42P01", "42703", "42704", "42883", "42804", "42846", "42803", "42P10", "3F000" };
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		if (slice_is(sqlstate, states[i]))
			return true;
	}
	return false;
}

static struct error_place in_prepared(struct conversation *conversation, const struct effect *execute, uint32_t position)
{
	struct name *name = names_find(&conversation->statements, slice_str(execute->name));
	if (!name || !name->prepared || !name->prepared->in_sql)
		return (struct error_place){ name ? name->rewrite : NULL, position };
	bool told = name->prepared->sent && name->prepared->begins_text;
	return (struct error_place){ name->prepared->sent, told ? position : 0 };
}

struct error_place error_place_of(struct conversation *conversation, const struct request *head,
				  const struct error_fields *fields)
{
	struct error_place own = { head->rewrite, fields->position };
	const struct effect *execute = conversation_executes(head);
	if (!fields->position || !execute || !execute->name)
		return own;
	if (!execute->has_values)
		return in_prepared(conversation, execute, fields->position);
	if (may_be_planned_anew(fields->sqlstate))
		own.position = 0;
	return own;
}

uint32_t error_place_original(struct error_place place)
{
	return place.rewrite && place.rewrite->splice_count ? rewrite_map_position(place.rewrite, place.position)
							    : place.position;
}
