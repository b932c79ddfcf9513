#include "canonical.h"

#include <stdlib.h>

struct name_in_scope {
	const char *name;
	struct name_in_scope *next;
};

/* An alias that the rewriter made up, and the table's old name. */
struct made_alias {
	const char *alias;
	const char *name;
	struct made_alias *next;
};

struct printer {
	const struct canonical_context *context;
	enum canonical_view view;
	struct arena *arena;
	struct buf *out;
	struct name_in_scope *ctes;
	struct name_in_scope *created; /* by the CREATE SCHEMA around */
	struct made_alias *made;
	bool names_others;    /* no relations: SET CONSTRAINTS */
	bool names_relations; /* lists of names are relations: DROP TABLE a.b */
};

static void print_message(struct printer *p, const ProtobufCMessage *message);

/* ---- names ---- */

static bool has(const char *text)
{
	return text && *text;
}

static const struct ruleset_entry *mapped(const struct printer *p, enum side side, const char *schema, const char *name)
{
	const struct ruleset_name *found = ruleset_find(p->context->ruleset, has(schema) ? schema : CANONICAL_SCHEMA, name);
	return found && found->side == side ? found->entry : NULL;
}

static bool is_among(const struct name_in_scope *names, const char *name)
{
	for (; names; names = names->next) {
		if (strcmp(names->name, name) == 0)
			return true;
	}
	return false;
}

static void print_name(struct printer *p, struct rel_name name)
{
	buf_printf(p->out, "%s.%s", name.schema, name.name);
}

/* The name a relation is to have, whoever wrote it. */
static void print_relation_name(struct printer *p, const char *schema, const char *name)
{
	const struct ruleset_entry *entry = p->view == CANONICAL_REWRITTEN ? NULL : mapped(p, SIDE_OLD, schema, name);
	if (entry)
		print_name(p, p->view == CANONICAL_EXPECTED ? entry->names[SIDE_NEW] : entry->names[SIDE_OLD]);
	else
		buf_printf(p->out, "%s.%s", schema, name);
}

/* What the relation is called in column references when nobody gives it an alias. */
static const char *own_name(const struct printer *p, const PgQuery__RangeVar *range)
{
	const struct ruleset_entry *entry = p->view == CANONICAL_REWRITTEN
						? mapped(p, SIDE_NEW, range->schemaname, range->relname)
						: NULL;
	return entry ? entry->names[SIDE_OLD].name : range->relname;
}

static bool is_made_up(const struct printer *p, const char *alias)
{
	return p->view != CANONICAL_EXPECTED && strncmp(alias, "crossfade", 9) == 0 &&
	       !memmem(p->context->original.data, p->context->original.len, alias, strlen(alias));
}

static void print_names(struct printer *p, const char *const *names, size_t count);

static void print_range(struct printer *p, const PgQuery__RangeVar *range, bool read)
{
	if (p->names_others) {
		const char *names[] = { range->schemaname, range->relname };
		bool schema = has(range->schemaname);
		print_names(p, schema ? names : names + 1, schema ? 2 : 1);
		return;
	}
	if (has(range->catalogname) && strcmp(range->catalogname, p->context->database) != 0)
		buf_printf(p->out, "%s.%s.%s", range->catalogname, range->schemaname, range->relname);
	else if (read && !has(range->schemaname) && is_among(p->ctes, range->relname))
		buf_printf(p->out, "cte %s", range->relname);
	else if (range->relpersistence[0] == 't')
		buf_printf(p->out, "temporary %s", range->relname);
	else if (!has(range->schemaname) && is_among(p->created, range->relname))
		buf_printf(p->out, "created %s", range->relname);
	else
		print_relation_name(p, range->schemaname, range->relname);
	buf_printf(p->out, "%s", range->inh ? "" : " only");
	if (!range->alias)
		return;
	const char *alias = range->alias->aliasname;
	if (strcmp(alias, own_name(p, range)) != 0 && !is_made_up(p, alias))
		buf_printf(p->out, " as %s", alias);
	for (size_t i = 0; i < range->alias->n_colnames; i++)
		buf_printf(p->out, " %s", range->alias->colnames[i]->string->sval);
}

static const char *without_made(const struct printer *p, const char *name)
{
	for (const struct made_alias *made = p->made; made; made = made->next) {
		if (strcmp(made->alias, name) == 0)
			return made->name;
	}
	size_t len = strlen(name), suffix = strlen(CANONICAL_NEW_SUFFIX);
	if (p->view == CANONICAL_REWRITTEN && len > suffix && strcmp(name + len - suffix, CANONICAL_NEW_SUFFIX) == 0)
		return arena_copy(p->arena, name, len - suffix);
	return name;
}

/* ---- lists of names ---- */

static size_t strings_of(PgQuery__Node *const *nodes, size_t count, const char **strings_out, size_t most)
{
	size_t n = 0;
	while (n < count && n < most && nodes[n]->node_case == PG_QUERY__NODE__NODE_STRING) {
		strings_out[n] = nodes[n]->string->sval;
		n++;
	}
	return n;
}

static const struct ruleset_entry *either_side(const struct printer *p, const char *schema, const char *name)
{
	const struct ruleset_entry *entry = mapped(p, SIDE_OLD, schema, name);
	return entry ? entry : mapped(p, SIDE_NEW, schema, name);
}

/* Names that may be of a relation, or of something else: the old name, whichever is written. */
static void print_names(struct printer *p, const char *const *names, size_t count)
{
	if (count == 3 && strcmp(names[0], p->context->database) == 0 && either_side(p, names[1], names[2])) {
		names++;
		count--;
	}
	size_t used = 0;
	const struct ruleset_entry *entry = count > 1 ? either_side(p, names[0], names[1]) : NULL;
	if (entry)
		used = 2;
	else if (count > 0 && (entry = mapped(p, SIDE_OLD, NULL, names[0])) != NULL)
		used = 1;
	if (used)
		print_name(p, entry->names[SIDE_OLD]);
	for (size_t i = used; i < count; i++)
		buf_printf(p->out, ".%s", names[i]);
}

/* schema.table.column and table.column mean the same in the few statements that have both. */
static void print_column(struct printer *p, const PgQuery__ColumnRef *ref)
{
	const char *names[5];
	size_t count = strings_of(ref->fields, ref->n_fields, names, 5);
	size_t table = ref->n_fields > 1 ? ref->n_fields - 2 : 0;
	const struct ruleset_entry *entry = NULL;
	if (table >= 1 && table < count)
		entry = p->view == CANONICAL_REWRITTEN ? mapped(p, SIDE_NEW, names[table - 1], names[table])
						       : mapped(p, SIDE_OLD, names[table - 1], names[table]);
	buf_append_str(p->out, "column");
	size_t from = 0;
	if (entry) {
		buf_printf(p->out, " %s", entry->names[SIDE_OLD].name);
		from = table + 1;
	}
	for (size_t i = from; i < count; i++)
		buf_printf(p->out, " %s", i == 0 ? without_made(p, names[i]) : names[i]);
	if (count < ref->n_fields)
		buf_append_str(p->out, " *");
}

static void print_list(struct printer *p, const PgQuery__List *list)
{
	const char *names[8];
	size_t count = strings_of(list->items, list->n_items, names, 8);
	if (count == 0 || count < list->n_items) {
		for (size_t i = 0; i < list->n_items; i++)
			print_message(p, &list->items[i]->base);
		return;
	}
	if (p->names_relations && count <= 3)
		print_relation_name(p, count > 1 ? names[count - 2] : "", names[count - 1]);
	else
		print_names(p, names, count);
}

static void print_type(struct printer *p, const PgQuery__TypeName *type)
{
	const char *names[8];
	size_t count = strings_of(type->names, type->n_names, names, 8);
	buf_append_str(p->out, "type ");
	print_names(p, names, count);
	buf_printf(p->out, " %d %d", type->setof, type->pct_type);
	for (size_t i = 0; i < type->n_typmods; i++)
		print_message(p, &type->typmods[i]->base);
	for (size_t i = 0; i < type->n_array_bounds; i++)
		print_message(p, &type->array_bounds[i]->base);
}

static void print_string(struct printer *p, const char *text);

/* An element of an array's text; how long it is. */
static size_t print_element(struct printer *p, const char *text)
{
	struct buf element;
	bool quoted = *text == '"';
	const char *at = text + quoted;
	buf_init(&element);
	for (; *at && (quoted ? *at != '"' : !strchr("{},", *at)); at++) {
		if (*at == '\\' && at[1])
			at++;
		buf_append_byte(&element, (uint8_t)*at);
	}
	print_string(p, buf_cstr(&element));
	buf_deinit(&element);
	return (size_t)(at - text) + (quoted && *at == '"');
}

/* '{a,b}': a string that may be an array of names. */
static bool print_array(struct printer *p, const char *text)
{
	size_t len = strlen(text);
	const char *at = strchr(text, '{');
	if (!at || text[len - 1] != '}')
		return false;
	buf_append(p->out, text, (size_t)(at - text));
	while (*at) {
		if (!strchr("{}, ", *at))
			at += print_element(p, at);
		else
			buf_append_byte(p->out, (uint8_t)*at++);
	}
	return true;
}

/* 'f(a, b)': a string that may have row types in it. */
static bool print_signature(struct printer *p, const char *text)
{
	if (!strchr(text, '('))
		return false;
	for (size_t len; *text; text += len) {
		len = *text == ' ' ? 0 : strcspn(text, "(),");
		if (len)
			print_string(p, arena_copy(p->arena, text, len));
		else
			buf_append_byte(p->out, (uint8_t)text[len++]);
	}
	return true;
}

/* A string may be the name of a relation. */
static void print_string(struct printer *p, const char *text)
{
	struct name_list list = { 0 };
	const char *rest = text + strcspn(text, "[");
	if (print_array(p, text) || print_signature(p, text))
		return;
	char *copy = arena_copy(p->arena, text, (size_t)(rest - text));
	for (char *c = copy; *c; c++)
		*c = *c == '.' ? ',' : *c;
	const struct ruleset_entry *entry = NULL;
	if (has(text) && name_list_parse(p->arena, slice_str(copy), &list) && list.count >= 1 && list.count <= 3)
		entry = either_side(p, list.count > 1 ? list.names[list.count - 2] : NULL, list.names[list.count - 1]);
	buf_append_str(p->out, "'");
	if (entry)
		print_name(p, entry->names[SIDE_OLD]);
	buf_append_str(p->out, entry ? rest : text);
	buf_append_str(p->out, "'");
}

/* ---- WITH ---- */

static void push(struct printer *p, struct name_in_scope **names, const char *name)
{
	struct name_in_scope *first = ARENA_NEW(p->arena, struct name_in_scope);
	first->name = name;
	first->next = *names;
	*names = first;
}

static void print_with(struct printer *p, const PgQuery__WithClause *with)
{
	buf_printf(p->out, "with %d (", with->recursive);
	for (size_t i = 0; with->recursive && i < with->n_ctes; i++)
		push(p, &p->ctes, with->ctes[i]->common_table_expr->ctename);
	for (size_t i = 0; i < with->n_ctes; i++) {
		print_message(p, &with->ctes[i]->base);
		if (!with->recursive)
			push(p, &p->ctes, with->ctes[i]->common_table_expr->ctename);
	}
	buf_append_str(p->out, ")");
}

static const PgQuery__WithClause *with_of(const ProtobufCMessage *message)
{
	const ProtobufCMessageDescriptor *d = message->descriptor;
	const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field_by_name(d, "with_clause");
	return field ? *(PgQuery__WithClause *const *)(const void *)((const char *)message + field->offset) : NULL;
}

/* ---- everything else ---- */

static bool is_set(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
	if (!(field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF))
		return true;
	return *(const uint32_t *)(const void *)((const char *)message + field->quantifier_offset) == field->id;
}

static void print_value(struct printer *p, const ProtobufCFieldDescriptor *field, const void *at)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_MESSAGE:
		if (*(ProtobufCMessage *const *)at)
			print_message(p, *(ProtobufCMessage *const *)at);
		break;
	case PROTOBUF_C_TYPE_STRING:
		buf_printf(p->out, "%s", *(char *const *)at ? *(char *const *)at : "");
		break;
	case PROTOBUF_C_TYPE_BOOL:
		buf_printf(p->out, "%d", *(const protobuf_c_boolean *)at);
		break;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_SINT64:
		buf_printf(p->out, "%lld", (long long)*(const int64_t *)at);
		break;
	case PROTOBUF_C_TYPE_DOUBLE:
		buf_printf(p->out, "%.17g", *(const double *)at);
		break;
	default:
		buf_printf(p->out, "%d", *(const int32_t *)at);
	}
}

static bool is_place(const ProtobufCFieldDescriptor *field)
{
	size_t len = strlen(field->name);
	return (len >= 8 && strcmp(field->name + len - 8, "location") == 0) || strcmp(field->name, "stmt_len") == 0;
}

static void print_fields(struct printer *p, const ProtobufCMessage *message)
{
	const ProtobufCMessageDescriptor *d = message->descriptor;
	for (unsigned i = 0; i < d->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &d->fields[i];
		const char *at = (const char *)message + field->offset;
		if (!is_set(message, field) || is_place(field) || strcmp(field->name, "with_clause") == 0)
			continue;
		buf_printf(p->out, " %s=", field->name);
		if (field->label != PROTOBUF_C_LABEL_REPEATED) {
			print_value(p, field, at);
			continue;
		}
		size_t count = *(const size_t *)(const void *)((const char *)message + field->quantifier_offset);
		void *const *items = *(void *const *const *)(const void *)at;
		for (size_t k = 0; k < count; k++)
			print_value(p, field, &items[k]);
	}
}

/* Nodes with a text of their own; true when it was one. */
static bool print_node(struct printer *p, const PgQuery__Node *node)
{
	switch (node->node_case) {
	case PG_QUERY__NODE__NODE_RANGE_VAR:
		print_range(p, node->range_var, true);
		return true;
	case PG_QUERY__NODE__NODE_COLUMN_REF:
		print_column(p, node->column_ref);
		return true;
	case PG_QUERY__NODE__NODE_LIST:
		print_list(p, node->list);
		return true;
	case PG_QUERY__NODE__NODE_TYPE_NAME:
		print_type(p, node->type_name);
		return true;
	default:
		return false;
	}
}

static void print_locking(struct printer *p, const PgQuery__LockingClause *locking)
{
	buf_printf(p->out, "lock %d %d", locking->strength, locking->wait_policy);
	for (size_t i = 0; i < locking->n_locked_rels; i++)
		buf_printf(p->out, " %s", without_made(p, locking->locked_rels[i]->range_var->relname));
}

static bool is_of(const ProtobufCMessage *message, const ProtobufCMessageDescriptor *descriptor)
{
	return message->descriptor == descriptor;
}

/* Lists of names in these are relations; elsewhere they may be anything. */
static bool drops_relations(const ProtobufCMessage *message)
{
	if (!is_of(message, &pg_query__drop_stmt__descriptor))
		return false;
	PgQuery__ObjectType type = ((const PgQuery__DropStmt *)message)->remove_type;
	return type == PG_QUERY__OBJECT_TYPE__OBJECT_TABLE || type == PG_QUERY__OBJECT_TYPE__OBJECT_VIEW;
}

/* Inside it, what it creates comes first. */
static void enter_schema(struct printer *p, const PgQuery__CreateSchemaStmt *create)
{
	for (size_t i = 0; i < create->n_schema_elts; i++) {
		const PgQuery__Node *element = create->schema_elts[i];
		const PgQuery__RangeVar *range =
			element->node_case == PG_QUERY__NODE__NODE_CREATE_STMT ? element->create_stmt->relation
			: element->node_case == PG_QUERY__NODE__NODE_VIEW_STMT ? element->view_stmt->view
			: element->node_case == PG_QUERY__NODE__NODE_CREATE_SEQ_STMT ? element->create_seq_stmt->sequence
										     : NULL;
		if (range)
			push(p, &p->created, range->relname);
	}
}

bool canonical_names_others(const ProtobufCMessage *message)
{
	return is_of(message, &pg_query__constraints_set_stmt__descriptor) ||
	       is_of(message, &pg_query__import_foreign_schema_stmt__descriptor);
}

static void print_special(struct printer *p, const ProtobufCMessage *message)
{
	struct name_in_scope *outer = p->ctes;
	bool names_relations = p->names_relations;
	bool names_others = p->names_others;
	p->names_relations = drops_relations(message);
	p->names_others |= canonical_names_others(message);
	if (is_of(message, &pg_query__create_schema_stmt__descriptor))
		enter_schema(p, (const PgQuery__CreateSchemaStmt *)message);
	if (with_of(message))
		print_with(p, with_of(message));
	print_fields(p, message);
	p->ctes = outer;
	p->names_relations = names_relations;
	p->names_others = names_others;
}

static void print_message(struct printer *p, const ProtobufCMessage *message)
{
	if (is_of(message, &pg_query__node__descriptor) && print_node(p, (const PgQuery__Node *)message))
		return;
	if (is_of(message, &pg_query__range_var__descriptor)) {
		print_range(p, (const PgQuery__RangeVar *)message, false);
	} else if (is_of(message, &pg_query__type_name__descriptor)) {
		print_type(p, (const PgQuery__TypeName *)message);
	} else if (is_of(message, &pg_query__locking_clause__descriptor)) {
		print_locking(p, (const PgQuery__LockingClause *)message);
	} else if (is_of(message, &pg_query__string__descriptor)) {
		print_string(p, ((const PgQuery__String *)message)->sval);
	} else {
		bool wrapper = is_of(message, &pg_query__node__descriptor) || is_of(message, &pg_query__list__descriptor);
		buf_printf(p->out, "%s", wrapper ? "" : message->descriptor->short_name);
		buf_append_str(p->out, "{");
		/* A list between a statement and its names changes nothing about them. */
		if (wrapper)
			print_fields(p, message);
		else
			print_special(p, message);
		buf_append_str(p->out, "}");
	}
}

/* ---- aliases made up ---- */

static void collect_made(struct printer *p, const ProtobufCMessage *message)
{
	const ProtobufCMessageDescriptor *d = message->descriptor;
	if (is_of(message, &pg_query__range_var__descriptor)) {
		const PgQuery__RangeVar *range = (const PgQuery__RangeVar *)message;
		if (range->alias && is_made_up(p, range->alias->aliasname)) {
			struct made_alias *made = ARENA_NEW(p->arena, struct made_alias);
			*made = (struct made_alias){ range->alias->aliasname, own_name(p, range), p->made };
			p->made = made;
		}
	}
	for (unsigned i = 0; i < d->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &d->fields[i];
		const char *at = (const char *)message + field->offset;
		if (field->type != PROTOBUF_C_TYPE_MESSAGE || !is_set(message, field))
			continue;
		bool many = field->label == PROTOBUF_C_LABEL_REPEATED;
		size_t count = many ? *(const size_t *)(const void *)((const char *)message + field->quantifier_offset) : 1;
		ProtobufCMessage *const *items = many ? *(ProtobufCMessage *const *const *)(const void *)at
						      : (ProtobufCMessage *const *)(const void *)at;
		for (size_t k = 0; k < count; k++) {
			if (items[k])
				collect_made(p, items[k]);
		}
	}
}

void canonical_print(const PgQuery__Node *statement, const struct canonical_context *context,
		     enum canonical_view view, struct arena *arena, struct buf *out)
{
	struct printer p = { .context = context, .view = view, .arena = arena, .out = out };
	collect_made(&p, &statement->base);
	print_message(&p, &statement->base);
}
