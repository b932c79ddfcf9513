/* Small helpers over libpg_query's messages. */
#ifndef CROSSFADE_REWRITE_TREE_H
#define CROSSFADE_REWRITE_TREE_H

#include <pg_query/pg_query.pb-c.h>
#include <stdbool.h>
#include <stddef.h>

/* NULL unless node is a String. */
const char *tree_string(const PgQuery__Node *node);
/* The text of a string constant, through casts to text types; NULL for anything else. */
const PgQuery__AConst *tree_string_constant(const PgQuery__Node *node);
/* The number of a parameter, through casts to text types; 0 for anything else. */
int tree_parameter(const PgQuery__Node *node);
const char *tree_last_string(PgQuery__Node *const *nodes, size_t count);

/* Calls visit for every message directly below message. */
typedef void tree_visit_fn(void *context, const ProtobufCMessage *child);
void tree_each_child(const ProtobufCMessage *message, tree_visit_fn *visit, void *context);
/* The message inside a node; NULL when it is empty. */
const ProtobufCMessage *tree_unwrap(const PgQuery__Node *node);

#endif
