#include "rewrite/rule.h"

const char *rule_name(enum rule rule)
{
	static const char *const names[] = {
		[RULE_NOT_MAPPED] = "not mapped",
		[RULE_IN_PLACE] = "in place",
		[RULE_MOVE] = "move",
		[RULE_QUALIFY] = "qualify",
		[RULE_COLUMN_LIST] = "column list",
		[RULE_DERIVED_TABLE] = "derived table",
		[RULE_COLUMNS] = "columns",
		[RULE_RENAMED_COLUMN] = "renamed column",
		[RULE_COMPUTED_COLUMN] = "computed column",
		[RULE_STRING] = "string",
		[RULE_PARAMETER] = "parameter",
		[RULE_CONSTRAINT] = "constraint",
		[RULE_OPAQUE] = "opaque body",
		[RULE_INTROSPECTION] = "introspection",
		[RULE_UNPARSED] = "unparsed",
		[RULE_REFUSED] = "refused",
	};
	return names[rule];
}
