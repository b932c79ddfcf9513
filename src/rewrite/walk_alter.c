/*
 * CREATE INDEX, ALTER TABLE, GRANT, ANALYZE, REFERENCES: they name a table and perhaps columns of
 * it. Columns that are only renamed follow; a statement that names none needs
 * nothing more than the table's name.
 */
#include "rewrite/clauses.h"
#include "rewrite/index_columns.h"
#include "rewrite/own_shape.h"
#include "rewrite/targets.h"
#include "rewrite/tree.h"
#include "rewrite/walk_ddl.h"

#define ALTER(name) PG_QUERY__ALTER_TABLE_TYPE__AT_##name
#define CONSTRAINT(name) PG_QUERY__CONSTR_TYPE__CONSTR_##name

/* The table, as one whose columns may be named; a range without a shape needs no more. */
static struct range *walk_altered(struct analysis *a, const PgQuery__Node *node, const PgQuery__RangeVar *relation,
				  enum columns_fate fate)
{
	a->name_fate = fate;
	struct range *range = walk_relation(a, relation, RELATION_NAMED, USE_DDL);
	a->name_fate = COLUMNS_NAMED;
	if (fate == COLUMNS_UNNAMED || !range || !range->changes || range->name->kind != NAME_TABLE ||
	    rel_name_eq(range->name->written, range->name->physical))
		return range;
	range->shape = own_shape(a, range->name->entry);
	range->role = RANGE_TARGET;
	range->altered = true;
	if (range->shape)
		walk_note_dml(a, node, range);
	return range;
}

/* Expressions over the table's columns, in which no qualifier is needed. */
static void walk_over_columns(struct analysis *a, PgQuery__Node *const *nodes, size_t count)
{
	enum column_place outer = a->place;
	a->place = COLUMN_IN_INFERENCE;
	walk_nodes(a, nodes, count);
	a->place = outer;
}

/* Names in parentheses at open, one by one; without any there is nothing to do. */
static void splice_names(struct analysis *a, const struct range *range, size_t open)
{
	if (!clause_is_mark(a, open, "("))
		return;
	size_t close = clause_close(a, open);
	for (size_t at = open + 1; at < close && close < a->end; at += 2)
		index_columns_name(a, range, at);
}

/* A table with a list of its columns, which nothing else of the statement sees. */
static void walk_listed(struct analysis *a, const PgQuery__RangeVar *relation, bool listed, enum columns_fate fate,
			enum use_kind kind)
{
	a->name_fate = listed ? fate : COLUMNS_UNNAMED;
	const struct range *range = walk_relation(a, relation, RELATION_NAMED, kind);
	a->name_fate = COLUMNS_NAMED;
	if (!listed || a->refused || !range || !range->changes || range->name->kind != NAME_TABLE ||
	    !range->name->entry->shape || rel_name_eq(range->name->written, range->name->physical))
		return;
	struct range columns = *range;
	columns.shape = own_shape(a, range->name->entry);
	splice_names(a, &columns, range->last + 1);
}

/* ---- VACUUM, ANALYZE and REFERENCES ---- */

void alter_vacuum(struct analysis *a, const PgQuery__Node *node)
{
	const PgQuery__VacuumStmt *vacuum = node->vacuum_stmt;
	for (size_t i = 0; i < vacuum->n_rels; i++) {
		const PgQuery__VacuumRelation *relation = vacuum->rels[i]->vacuum_relation;
		walk_listed(a, relation->relation, relation->n_va_cols > 0, COLUMNS_SERVED, USE_MAINTENANCE);
	}
}

/* The key of another table; without a list, its primary key. */
void alter_references(struct analysis *a, const PgQuery__Constraint *constraint)
{
	walk_listed(a, constraint->pktable, true, COLUMNS_BOUND, USE_DDL);
}

/* ---- CREATE INDEX ---- */

static void splice_index(struct analysis *a, const struct range *range, const PgQuery__IndexStmt *index)
{
	size_t open = range->last + 1;
	while (open < a->end && !clause_is_mark(a, open, "("))
		open++;
	/* ONLY (t) is no syntax of it, t * neither. */
	index_columns_splice(a, range, index->index_params, index->n_index_params, open + 1);
	size_t after = clause_close(a, open) + 1;
	if (index->n_index_including_params && clause_is_word(a, after, "include"))
		index_columns_splice(a, range, index->index_including_params, index->n_index_including_params, after + 2);
}

void alter_create_index(struct analysis *a, const PgQuery__Node *node)
{
	const PgQuery__IndexStmt *index = node->index_stmt;
	a->changes_catalog = true;
	a->read_kind = USE_DDL;
	struct range *range = walk_altered(a, node, index->relation, COLUMNS_SERVED);
	walk_over_columns(a, index->index_params, index->n_index_params);
	walk_over_columns(a, index->index_including_params, index->n_index_including_params);
	walk_over_columns(a, (PgQuery__Node *const *)&index->where_clause, index->where_clause != NULL);
	if (range && range->shape && !a->refused)
		splice_index(a, range, index);
	if (range)
		constraints_note_index(a, range->name, index->idxname);
}

/* ---- ALTER TABLE ---- */

enum alters {
	ALTERS_NO_COLUMN,
	ALTERS_NAMED_COLUMN,
	ALTERS_OTHERWISE, /* in a way that is not worked out */
};

/* DEFAULT, NOT NULL and the like name no other column of the table. */
static bool is_simple_column(const PgQuery__Node *definition)
{
	if (!definition || definition->node_case != PG_QUERY__NODE__NODE_COLUMN_DEF)
		return false;
	for (size_t i = 0; i < definition->column_def->n_constraints; i++) {
		const PgQuery__Node *constraint = definition->column_def->constraints[i];
		if (constraint->node_case != PG_QUERY__NODE__NODE_CONSTRAINT ||
		    constraint->constraint->contype == CONSTRAINT(CHECK) ||
		    constraint->constraint->contype == CONSTRAINT(GENERATED))
			return false;
	}
	return true;
}

static enum alters alters_constraint(const PgQuery__Node *definition)
{
	if (!definition || definition->node_case != PG_QUERY__NODE__NODE_CONSTRAINT)
		return ALTERS_OTHERWISE;
	switch (definition->constraint->contype) {
	case CONSTRAINT(CHECK):
	case CONSTRAINT(FOREIGN):
		return ALTERS_NAMED_COLUMN;
	case CONSTRAINT(PRIMARY):
	case CONSTRAINT(UNIQUE):
		return definition->constraint->n_keys ? ALTERS_NAMED_COLUMN : ALTERS_NO_COLUMN;
	default:
		return ALTERS_OTHERWISE;
	}
}

static enum alters alters(const PgQuery__AlterTableCmd *command)
{
	switch (command->subtype) {
	case ALTER(AddColumn):
		return is_simple_column(command->def) ? ALTERS_NAMED_COLUMN : ALTERS_OTHERWISE;
	case ALTER(AddConstraint):
		return alters_constraint(command->def);
	case ALTER(ColumnDefault):
	case ALTER(DropNotNull):
	case ALTER(SetNotNull):
	case ALTER(SetStatistics):
	case ALTER(SetOptions):
	case ALTER(ResetOptions):
	case ALTER(SetStorage):
	case ALTER(SetCompression):
	case ALTER(DropColumn):
	case ALTER(AddIdentity):
	case ALTER(SetIdentity):
	case ALTER(DropIdentity):
		return ALTERS_NAMED_COLUMN;
	case ALTER(AlterConstraint):
	case ALTER(ValidateConstraint):
	case ALTER(DropConstraint):
	case ALTER(ChangeOwner):
	case ALTER(ClusterOn):
	case ALTER(DropCluster):
	case ALTER(SetLogged):
	case ALTER(SetUnLogged):
	case ALTER(SetAccessMethod):
	case ALTER(SetTableSpace):
	case ALTER(SetRelOptions):
	case ALTER(ResetRelOptions):
	case ALTER(EnableTrig):
	case ALTER(EnableAlwaysTrig):
	case ALTER(EnableReplicaTrig):
	case ALTER(DisableTrig):
	case ALTER(EnableTrigAll):
	case ALTER(DisableTrigAll):
	case ALTER(EnableTrigUser):
	case ALTER(DisableTrigUser):
	case ALTER(ReplicaIdentity):
	case ALTER(EnableRowSecurity):
	case ALTER(DisableRowSecurity):
	case ALTER(ForceRowSecurity):
	case ALTER(NoForceRowSecurity):
		return ALTERS_NO_COLUMN;
	default:
		return ALTERS_OTHERWISE;
	}
}

static const PgQuery__AlterTableCmd *command_at(const PgQuery__AlterTableStmt *alter, size_t i)
{
	const PgQuery__Node *node = alter->cmds[i];
	return node->node_case == PG_QUERY__NODE__NODE_ALTER_TABLE_CMD ? node->alter_table_cmd : NULL;
}

static enum columns_fate fate_of(const PgQuery__AlterTableStmt *alter)
{
	enum columns_fate fate = COLUMNS_UNNAMED;
	for (size_t i = 0; i < alter->n_cmds; i++) {
		const PgQuery__AlterTableCmd *command = command_at(alter, i);
		enum alters what = command ? alters(command) : ALTERS_OTHERWISE;
		if (what == ALTERS_OTHERWISE)
			return COLUMNS_NAMED;
		if (what == ALTERS_NAMED_COLUMN)
			fate = COLUMNS_ALTERED;
	}
	return fate;
}

static const char *dangerous_change(const PgQuery__AlterTableStmt *alter)
{
	for (size_t i = 0; i < alter->n_cmds; i++) {
		const PgQuery__AlterTableCmd *command = command_at(alter, i);
		if (command && command->subtype == ALTER(DropColumn))
			return "DROP COLUMN";
		if (command && command->subtype == ALTER(AlterColumnType))
			return "ALTER COLUMN TYPE";
	}
	return NULL;
}

static size_t skip_words(const struct analysis *a, size_t at, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		at += clause_is_word(a, at, words[i]);
	return at;
}

/* ADD, ALTER, DROP [COLUMN] [IF [NOT] EXISTS] name */
static void splice_command_name(struct analysis *a, const struct range *range, const PgQuery__AlterTableCmd *command,
				size_t at)
{
	static const char *const words[] = { "column", "if", "not", "exists" };
	at = skip_words(a, at + 1, words, sizeof(words) / sizeof(words[0]));
	const char *name = command->subtype == ALTER(AddColumn) ? command->def->column_def->colname : command->name;
	if (command->subtype != ALTER(AddColumn) || shape_written_column(range->shape, name)) {
		index_columns_name(a, range, at);
	} else if (shape_physical_column(range->shape, name)) {
		targets_refuse(a, range->name, clause_offset(a, at), arena_printf(a->arena, "ADD COLUMN %s", name),
			       "Another column has that name where the rows are.");
	}
}

/* [CONSTRAINT name] PRIMARY KEY | UNIQUE | FOREIGN KEY (names) [INCLUDE (names)] */
static void splice_constraint_names(struct analysis *a, const struct range *range,
				    const PgQuery__Constraint *constraint, size_t at, size_t last)
{
	while (at <= last && !clause_is_mark(a, at, "("))
		at++;
	splice_names(a, range, at);
	at = clause_close(a, at) + 1;
	if (constraint->n_including && clause_is_word(a, at, "include"))
		splice_names(a, range, at + 1);
	for (; constraint->n_fk_del_set_cols && at + 2 <= last; at++) { /* ON DELETE SET NULL (names) */
		if (clause_is_word(a, at, "set") && clause_is_mark(a, at + 2, "("))
			splice_names(a, range, at + 2);
	}
}

static void splice_commands(struct analysis *a, const struct range *range, const PgQuery__AlterTableStmt *alter)
{
	size_t at = range->alias_after + 1;
	for (size_t i = 0; i < alter->n_cmds && at < a->end && !a->refused; i++) {
		const PgQuery__AlterTableCmd *command = command_at(alter, i);
		size_t last = at;
		while (last + 1 < a->end && !clause_is_mark(a, last + 1, ",") && !clause_is_mark(a, last + 1, ";"))
			last = clause_is_mark(a, last + 1, "(") ? clause_close(a, last + 1) : last + 1;
		const PgQuery__Constraint *constraint =
			command->subtype == ALTER(AddConstraint) ? command->def->constraint : NULL;
		if (constraint && (constraint->n_keys || constraint->n_fk_attrs))
			splice_constraint_names(a, range, constraint, at, last);
		else if (!constraint && alters(command) == ALTERS_NAMED_COLUMN)
			splice_command_name(a, range, command, at);
		at = last + 2;
	}
}

void alter_table(struct analysis *a, const PgQuery__Node *node)
{
	const PgQuery__AlterTableStmt *alter = node->alter_table_stmt;
	a->changes_catalog = true;
	struct range *range = walk_altered(a, node, alter->relation, fate_of(alter));
	constraints_note(a, range ? range->name : NULL, alter);
	own_shape_note(a, range ? range->name : NULL, alter);
	const char *action = dangerous_change(alter);
	if (action && range && range->name && range->name->kind == NAME_TABLE)
		ddl_refuse(a, range->name, clause_offset(a, range->last ? range->first : a->first), action);
	walk_over_columns(a, alter->cmds, alter->n_cmds);
	if (range && range->shape && range->altered && !a->refused)
		splice_commands(a, range, alter);
}

/* ---- GRANT and REVOKE ---- */

static bool names_columns(const PgQuery__GrantStmt *grant)
{
	for (size_t i = 0; i < grant->n_privileges; i++) {
		if (grant->privileges[i]->node_case == PG_QUERY__NODE__NODE_ACCESS_PRIV &&
		    grant->privileges[i]->access_priv->n_cols)
			return true;
	}
	return false;
}

void alter_grant(struct analysis *a, const PgQuery__Node *node)
{
	const PgQuery__GrantStmt *grant = node->grant_stmt;
	bool columns = names_columns(grant);
	struct range *range = NULL;
	for (size_t i = 0; i < grant->n_objects; i++) {
		if (grant->objects[i]->node_case == PG_QUERY__NODE__NODE_RANGE_VAR)
			range = walk_altered(a, node, grant->objects[i]->range_var,
					     !columns		   ? COLUMNS_UNNAMED :
					     grant->n_objects == 1 ? COLUMNS_SERVED :
								     COLUMNS_NAMED);
	}
	for (size_t at = a->first; columns && range && range->shape && !clause_is_word(a, at, "on") && at < a->end; at++) {
		if (!clause_is_mark(a, at, "("))
			continue;
		splice_names(a, range, at);
		at = clause_close(a, at);
	}
}

/* ---- COMMENT and SECURITY LABEL ---- */

void alter_column_name(struct analysis *a, const struct ruleset_name *table, size_t token)
{
	if (!table || a->refused || table->kind != NAME_TABLE || !table->entry->shape ||
	    rel_name_eq(table->written, table->physical))
		return;
	const struct range range = { .name = table, .shape = own_shape(a, table->entry), .relname = table->written.name };
	index_columns_name(a, &range, token);
}
