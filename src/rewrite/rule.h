/* The rules of docs/rewriting.md, as `crossfade rewrite --explain` calls them. */
#ifndef CROSSFADE_REWRITE_RULE_H
#define CROSSFADE_REWRITE_RULE_H

enum rule {
	RULE_NOT_MAPPED,      /* something else of that name is meant */
	RULE_IN_PLACE,	      /* the name is where the rows are */
	RULE_MOVE,
	RULE_QUALIFY,	      /* the server alone would find another relation */
	RULE_COLUMN_LIST,
	RULE_DERIVED_TABLE,
	RULE_COLUMNS,	      /* written to, in other columns */
	RULE_RENAMED_COLUMN,
	RULE_COMPUTED_COLUMN,
	RULE_STRING,
	RULE_PARAMETER,
	RULE_CONSTRAINT,
	RULE_OPAQUE,
	RULE_INTROSPECTION,
	RULE_UNPARSED,
	RULE_REFUSED,
};

const char *rule_name(enum rule rule);

#endif
