#include "rewrite/tree.h"

#include <string.h>

const char *tree_string(const PgQuery__Node *node)
{
	return node && node->node_case == PG_QUERY__NODE__NODE_STRING ? node->string->sval : NULL;
}

const char *tree_last_string(PgQuery__Node *const *nodes, size_t count)
{
	const char *last = count ? tree_string(nodes[count - 1]) : NULL;
	return last ? last : "";
}

static bool is_text_type(const PgQuery__TypeName *type)
{
	static const char *const names[] = { "text", "varchar", "bpchar", "name", "regclass", "regtype", "unknown" };
	const char *name = type ? tree_last_string(type->names, type->n_names) : "";
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(names[i], name) == 0)
			return true;
	}
	return false;
}

static const PgQuery__Node *without_text_casts(const PgQuery__Node *node)
{
	while (node && node->node_case == PG_QUERY__NODE__NODE_TYPE_CAST && is_text_type(node->type_cast->type_name))
		node = node->type_cast->arg;
	return node;
}

int tree_parameter(const PgQuery__Node *node)
{
	node = without_text_casts(node);
	return node && node->node_case == PG_QUERY__NODE__NODE_PARAM_REF ? node->param_ref->number : 0;
}

const PgQuery__AConst *tree_string_constant(const PgQuery__Node *node)
{
	node = without_text_casts(node);
	if (!node || node->node_case != PG_QUERY__NODE__NODE_A_CONST)
		return NULL;
	const PgQuery__AConst *constant = node->a_const;
	return constant->val_case == PG_QUERY__A__CONST__VAL_SVAL && !constant->isnull ? constant : NULL;
}

static bool is_set(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
	if (!(field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF))
		return true;
	const char *base = (const char *)message;
	return *(const uint32_t *)(const void *)(base + field->quantifier_offset) == field->id;
}

void tree_each_child(const ProtobufCMessage *message, tree_visit_fn *visit, void *context)
{
	const ProtobufCMessageDescriptor *descriptor = message->descriptor;
	const char *base = (const char *)message;
	for (unsigned i = 0; i < descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
		if (field->type != PROTOBUF_C_TYPE_MESSAGE || !is_set(message, field))
			continue;
		const void *at = base + field->offset;
		if (field->label != PROTOBUF_C_LABEL_REPEATED) {
			const ProtobufCMessage *child = *(ProtobufCMessage *const *)at;
			if (child)
				visit(context, child);
			continue;
		}
		size_t count = *(const size_t *)(const void *)(base + field->quantifier_offset);
		ProtobufCMessage *const *items = *(ProtobufCMessage *const *const *)at;
		for (size_t k = 0; k < count; k++)
			visit(context, items[k]);
	}
}

/* All members of the union are pointers to messages, so any of them names the one that is set. */
const ProtobufCMessage *tree_unwrap(const PgQuery__Node *node)
{
	return node->node_case == PG_QUERY__NODE__NODE__NOT_SET ? NULL : (const ProtobufCMessage *)node->select_stmt;
}
