#include "fleet/flip_plan.h"

#include "fleet/fence.h"

#include <libpq-fe.h>
#include <stdlib.h>

enum { NOTES_MAX = 16 };

/* A table, or one of its partitions or heirs, wherever they are. */
struct fenced {
	enum side side;
	uint32_t oid;
	struct rel_name name;
	char kind; /* pg_class.relkind */
	const char *owner; /* ready for SQL */
	bool is_ours; /* our role is a member of the owner */
	bool has_fence;
};

struct flipper {
	struct catalog_connection *connection;
	const struct move_wish *wish;
	const struct ruleset_entry *entry;
	struct move_plan *plan;
	enum side to; /* where the rows are afterwards */
	struct fenced *relations;
	size_t relation_count;
	bool has_language, has_function;
	const char *stage; /* as the database has it; NULL: no row */
};

/* ---- reading ---- */

static void append_name(struct flipper *f, struct buf *sql, struct rel_name name)
{
	catalog_append_literal(f->connection, sql, name.schema);
	buf_append_str(sql, ", ");
	catalog_append_literal(f->connection, sql, name.name);
}

static void append_questions(struct flipper *f, struct buf *sql)
{
	buf_append_str(sql, "WITH RECURSIVE tree(side, oid) AS (SELECT v.side, c.oid FROM (VALUES (0, ");
	append_name(f, sql, f->entry->names[SIDE_OLD]);
	buf_append_str(sql, "), (1, ");
	append_name(f, sql, f->entry->names[SIDE_NEW]);
	buf_append_str(sql,
		       ")) v(side, schema, name) JOIN pg_namespace n ON n.nspname = v.schema JOIN pg_class c ON"
		       " c.relnamespace = n.oid AND c.relname = v.name UNION SELECT t.side, i.inhrelid FROM tree t JOIN pg_inherits i"
		       " ON i.inhparent = t.oid) SELECT t.side, c.oid, n.nspname, c.relname, c.relkind,"
		       " quote_ident(pg_get_userbyid(c.relowner)), pg_has_role(c.relowner, 'USAGE'), EXISTS (SELECT FROM"
		       " pg_trigger g WHERE g.tgrelid = c.oid AND g.tgname = '" FACT_FENCE "')"
		       " FROM tree t JOIN pg_class c ON c.oid = t.oid JOIN pg_namespace n ON n.oid = c.relnamespace"
		       " ORDER BY t.side, c.oid;"
		       "SELECT EXISTS (SELECT FROM pg_language WHERE lanname = 'plpgsql' AND has_language_privilege(oid,"
		       " 'USAGE')), EXISTS (SELECT FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"
		       " WHERE n.nspname = 'crossfade' AND p.proname = 'fence' AND p.pronargs = 0)");
}

static void take_relations(struct flipper *f, const PGresult *result)
{
	struct arena *arena = &f->plan->arena;
	f->relation_count = (size_t)PQntuples(result);
	f->relations = ARENA_ARRAY(arena, f->relation_count + 1, struct fenced);
	for (size_t i = 0; i < f->relation_count; i++) {
		int row = (int)i;
		f->relations[i] = (struct fenced){
			.side = PQgetvalue(result, row, 0)[0] == '1' ? SIDE_NEW : SIDE_OLD,
			.oid = (uint32_t)strtoul(PQgetvalue(result, row, 1), NULL, 10),
			.name = { arena_strdup(arena, PQgetvalue(result, row, 2)), arena_strdup(arena, PQgetvalue(result, row, 3)) },
			.kind = PQgetvalue(result, row, 4)[0],
			.owner = arena_strdup(arena, PQgetvalue(result, row, 5)),
			.is_ours = PQgetvalue(result, row, 6)[0] == 't',
			.has_fence = PQgetvalue(result, row, 7)[0] == 't',
		};
	}
}

static bool read_tables(struct flipper *f, uint32_t timeout_ms, struct error *error_out)
{
	PGresult *results[2] = { NULL };
	struct buf sql;
	buf_init(&sql);
	append_questions(f, &sql);
	bool ok = catalog_query(f->connection, buf_cstr(&sql), timeout_ms, results, 2, error_out);
	buf_deinit(&sql);
	if (!ok)
		return false;
	take_relations(f, results[0]);
	f->has_language = PQgetvalue(results[1], 0, 0)[0] == 't';
	f->has_function = PQgetvalue(results[1], 0, 1)[0] == 't';
	PQclear(results[0]);
	PQclear(results[1]);
	return true;
}

/* Of many proxies one may have changed it since ours has looked. A missing row is stage old. */
static bool read_stage(struct flipper *f, uint32_t timeout_ms, struct error *error_out)
{
	PGresult *result = NULL;
	if (!f->wish->shared)
		return true;
	if (!catalog_query_for(f->connection, "SELECT stage FROM crossfade.stages WHERE table_name = $1", f->entry->key,
			       timeout_ms, &result, error_out))
		return false;
	f->stage = PQntuples(result) ? arena_strdup(&f->plan->arena, PQgetvalue(result, 0, 0)) : stage_name(STAGE_OLD);
	PQclear(result);
	return true;
}

/* ---- what stands in the way ---- */

static const char *print(struct flipper *f, struct rel_name name)
{
	return rel_name_print(&f->plan->arena, name);
}

static struct error *note(struct error *notes, size_t *count, const char *sqlstate, const char *text)
{
	struct error *error = &notes[*count < NOTES_MAX ? (*count)++ : NOTES_MAX - 1];
	error_set(error, sqlstate, "%s", text);
	return error;
}

static struct error *note_problem(struct flipper *f, const char *sqlstate, const char *text)
{
	return note(f->plan->problems, &f->plan->problem_count, sqlstate, text);
}

/* Without a fence it can be done all the same, if somebody insists, or there is but one proxy. */
static struct error *note_unfenced(struct flipper *f, const char *sqlstate, const char *text)
{
	bool forbids = f->wish->shared && !f->wish->force;
	return forbids ? note_problem(f, sqlstate, text) :
			 note(f->plan->warnings, &f->plan->warning_count, sqlstate,
			      arena_printf(&f->plan->arena, "nothing will keep those who come past this proxy from writing the old "
							    "place: %s", text));
}

static bool can_have_one(const struct fenced *relation)
{
	return relation->is_ours && (relation->kind == 'r' || relation->kind == 'p');
}

static void check_owner(struct flipper *f, const struct fenced *relation, struct error *error)
{
	if (!relation->is_ours)
		error_hint(error, "GRANT %s TO the role of `admin`; `crossfade check --grants` prints all it needs.", relation->owner);
	else
		error_hint(error, "Only tables and their partitions can be fenced.");
}

/* Whether those that have no rows from now on can all be kept from being written. */
static bool check_fences(struct flipper *f)
{
	bool good = f->has_function || f->has_language;
	if (!good)
		error_hint(note_unfenced(f, SQLSTATE_FEATURE_NOT_SUPPORTED,
					 "a fence is a trigger in PL/pgSQL, which this database does not have, or not for us"),
			   "CREATE EXTENSION plpgsql; or GRANT USAGE ON LANGUAGE plpgsql TO the role of `admin`. With FORCE, no "
			   "fence is set.");
	for (size_t i = 0; i < f->relation_count; i++) {
		const struct fenced *relation = &f->relations[i];
		if (relation->side == f->to || can_have_one(relation))
			continue;
		const char *text = arena_printf(&f->plan->arena, "%s cannot be fenced by the role of `admin`",
						print(f, relation->name));
		check_owner(f, relation, note_unfenced(f, "42501", text));
		good = false;
	}
	return good;
}

static void check_tables(struct flipper *f)
{
	bool found[2] = { false };
	for (size_t i = 0; i < f->relation_count; i++) {
		const struct fenced *relation = &f->relations[i];
		found[relation->side] = true;
		if (relation->side == f->to && relation->has_fence && !relation->is_ours)
			check_owner(f, relation, note_problem(f, "42501",
				    arena_printf(&f->plan->arena, "the role of `admin` may not take the fence off %s", print(f, relation->name))));
	}
	for (int side = SIDE_OLD; side <= SIDE_NEW; side++) {
		if (!found[side])
			error_hint(note_problem(f, SQLSTATE_UNDEFINED_TABLE,
						arena_printf(&f->plan->arena, "%s does not exist", print(f, f->entry->names[side]))),
				   "Is the map right, and the database?");
	}
}

static void check_stage(struct flipper *f)
{
	if (f->stage && strcmp(f->stage, stage_name(f->entry->stage)) != 0)
		error_hint(note_problem(f, "40001", arena_printf(&f->plan->arena, "%s has gone to stage %s meanwhile",
								  f->entry->key, f->stage)),
			   "Look at it again, then try again.");
}

/* ---- the statements ---- */

static void add(struct flipper *f, struct buf *sql, const char *locks)
{
	struct move_plan *plan = f->plan;
	plan->statements[plan->statement_count++] = (struct move_statement){
		.sql = arena_copy(&plan->arena, sql->data, sql->len),
		.locks = locks,
	};
	buf_deinit(sql);
	buf_init(sql);
}

/* Readers who come past all proxies are in nobody's way but that of a fence that goes. */
static void write_locks_of(struct flipper *f, struct buf *sql, enum side side)
{
	for (size_t i = 0; i < f->relation_count; i++) {
		const struct fenced *relation = &f->relations[i];
		const char *mode = relation->has_fence ? "ACCESS EXCLUSIVE" : "SHARE ROW EXCLUSIVE";
		if (relation->side != side || !can_have_one(relation) || (side == f->to && !relation->has_fence))
			continue;
		buf_append_str(sql, "LOCK TABLE ONLY ");
		rel_name_append(sql, relation->name);
		buf_printf(sql, " IN %s MODE", mode);
		add(f, sql, arena_printf(&f->plan->arena, "%s on %s", mode, print(f, relation->name)));
	}
}

static void write_fences(struct flipper *f, struct buf *sql, bool set)
{
	struct rel_name rows_in = f->entry->names[f->to];
	if (set && !f->has_function) {
		fence_append_function(sql);
		add(f, sql, NULL);
	}
	for (size_t i = 0; i < f->relation_count; i++) {
		const struct fenced *relation = &f->relations[i];
		if (relation->has_fence)
			fence_append_drop(sql, relation->name);
		if (relation->has_fence)
			add(f, sql, arena_printf(&f->plan->arena, "ACCESS EXCLUSIVE on %s", print(f, relation->name)));
		if (!set || relation->side == f->to)
			continue;
		fence_append_set(f->connection, sql, relation->name, rows_in);
		add(f, sql, arena_printf(&f->plan->arena, "SHARE ROW EXCLUSIVE on %s", print(f, relation->name)));
	}
}

static void write_statements(struct flipper *f, bool set)
{
	struct buf sql;
	f->plan->statements = ARENA_ARRAY(&f->plan->arena, 3 * f->relation_count + 2, struct move_statement);
	buf_init(&sql);
	write_locks_of(f, &sql, side_other(f->to)); /* in the order in which a trigger that copies takes them */
	write_locks_of(f, &sql, f->to);
	f->plan->lock_count = f->plan->statement_count;
	write_fences(f, &sql, set);
	buf_deinit(&sql);
}

/* Whoever reads the side that had the rows must have ended, too: after him others write the other one. */
static void list_relations(struct flipper *f)
{
	struct move_plan *plan = f->plan;
	struct rel_name *names = ARENA_ARRAY(&plan->arena, f->relation_count + 1, struct rel_name);
	uint32_t *oids = ARENA_ARRAY(&plan->arena, f->relation_count + 1, uint32_t);
	plan->watched = ARENA_ARRAY(&plan->arena, f->relation_count + 1, uint32_t);
	for (size_t i = 0; i < f->relation_count; i++) {
		const struct fenced *relation = &f->relations[i];
		names[i] = relation->name;
		oids[i] = relation->oid;
		plan->fenced |= relation->side == f->to && relation->has_fence;
		if (relation->side != f->to || relation->has_fence)
			plan->watched[plan->watched_count++] = relation->oid;
	}
	plan->changed = (struct changed_relations){ oids, f->relation_count, names, f->relation_count, NULL, 0 };
}

/* ---- all of it ---- */

static void fill(struct flipper *f)
{
	struct move_plan *plan = f->plan;
	plan->problems = ARENA_ARRAY(&plan->arena, NOTES_MAX, struct error);
	plan->warnings = ARENA_ARRAY(&plan->arena, NOTES_MAX, struct error);
	plan->keys = ARENA_ARRAY(&plan->arena, 1, const char *);
	plan->stages = ARENA_ARRAY(&plan->arena, 1, struct state_stage);
	plan->keys[0] = arena_strdup(&plan->arena, f->entry->key);
	plan->stages[0] = (struct state_stage){ plan->keys[0], f->entry->stage, f->wish->to };
	plan->key_count = plan->stage_count = 1;
	plan->flips = true;
	check_tables(f);
	check_stage(f);
	write_statements(f, check_fences(f));
	list_relations(f);
}

bool flip_plan_fill(struct catalog_connection *connection, const struct ruleset *ruleset, const struct move_wish *wish,
		    uint32_t timeout_ms, struct move_plan *plan, struct error *error_out)
{
	struct flipper f = { .connection = connection, .wish = wish, .plan = plan, .to = stage_side(wish->to),
			     .entry = ruleset_entry_by_key(ruleset, wish->tables[0]) };
	if (!f.entry) {
		error_set(error_out, SQLSTATE_UNDEFINED_TABLE, "the map has no entry %s", wish->tables[0]);
		return false;
	}
	if (!read_tables(&f, timeout_ms, error_out) || !read_stage(&f, timeout_ms, error_out))
		return false;
	fill(&f);
	return true;
}
