/*
 * What holds for every statement there is, whatever it means:
 *
 *   1. with an empty map, and with one whose tables stay, not a byte changes
 *   2. with every table moved, the rewritten text parses, and its tree is the
 *      original's with the names exchanged
 *   3. rewritten back under the mirrored map, the tree is the original's
 *   4. with other literals, what was learnt from one text holds for the next
 *
 *   properties [--show N] [--database NAME] [--prove] FILE.sql | FILE.case | FOLDER ...
 *
 * 2 and 3 are tried twice: tables keep their names in new schemas, or get new
 * names, too. Refusals are counted by reason; a refused statement shows nothing.
 * With --prove the tables stay while the trees are compared as if they moved:
 * succeeds when the comparison notices.
 */
#include "canonical.h"
#include "corpus.h"
#include "other_literals.h"
#include "rewrite/rewriter.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { REASONS_MAX = 64, REASON_BYTES = 24, REFUSED_MOST_PERCENT = 2 };

enum naming { NAMING_SAME, NAMING_OTHER };

struct reason {
	char text[160];
	size_t count;
};

struct checker {
	struct corpus corpus;
	struct rewriter *rewriter, *fresh; /* fresh learns nothing */
	struct session_state *state;
	struct arena arena;
	bool prove;
	size_t shown, show;
	size_t tried, learnt_from; /* of property 4 */
	size_t failures, parsed, rewritten, refused, back_refused;
	struct reason reasons[REASONS_MAX];
	int code;
	int argc;
	char **argv;
};

/* ---- rulesets ---- */

static struct ruleset *build(struct map *map, const struct flags *flags)
{
	static uint64_t version;
	struct policy policy = { .ddl = DDL_ALLOW, .newer_syntax = NEWER_SYNTAX_PASS };
	struct ruleset *ruleset;
	struct error error;
	if (!ruleset_build(map, flags, NULL, policy, ++version, NULL, NULL, &ruleset, &error)) {
		error_print(&error, stderr);
		exit(2);
	}
	map_unref(map);
	return ruleset;
}

static struct rel_name moved(struct arena *arena, struct rel_name name, enum naming naming)
{
	return (struct rel_name){ arena_printf(arena, "moved_%s", name.schema),
				  arena_printf(arena, "%s%s", name.name, naming == NAMING_OTHER ? CANONICAL_NEW_SUFFIX : "") };
}

typedef void entry_fn(struct map *map, struct map_entry *entry, struct rel_name name, enum naming naming);

static void make_identity(struct map *map, struct map_entry *entry, struct rel_name name, enum naming naming)
{
	entry->kind = MAP_IDENTITY;
	entry->old_name = entry->new_name = name;
}

static void make_move(struct map *map, struct map_entry *entry, struct rel_name name, enum naming naming)
{
	entry->old_name = name;
	entry->new_name = moved(&map->arena, name, naming);
}

static void make_return(struct map *map, struct map_entry *entry, struct rel_name name, enum naming naming)
{
	entry->old_name = moved(&map->arena, name, naming);
	entry->new_name = name;
}

/* An entry of one kind for every name of the corpus, all of them moved. */
static struct ruleset *ruleset_of(const struct corpus *c, entry_fn *make, enum naming naming)
{
	struct map *map = map_new();
	struct flags flags = { 0 };
	map->entries = ARENA_ARRAY(&map->arena, c->name_count, struct map_entry);
	flags.items = ARENA_ARRAY(&map->arena, c->name_count, struct flag);
	for (size_t i = 0; i < c->name_count; i++) {
		struct map_entry *entry = &map->entries[map->entry_count];
		*entry = (struct map_entry){ .id = (uint32_t)map->entry_count++, .kind = MAP_MOVE, .group = -1 };
		make(map, entry, rel_name_copy(&map->arena, c->names[i]), naming);
		if (entry->kind == MAP_MOVE)
			flags.items[flags.count++] = (struct flag){ .table = entry->old_name, .stage = STAGE_LIVE };
	}
	return build(map, &flags);
}

/* ---- reporting ---- */

static void fail(struct checker *c, const struct corpus_statement *s, const char *what, struct slice a, struct slice b)
{
	c->failures++;
	if (c->shown++ >= c->show)
		return;
	printf("%s:%u: %s\n  original:  %.*s\n", s->file, s->line, what, (int)s->sql.len, s->sql.data);
	if (a.len)
		printf("  one:       %.*s\n", (int)a.len, a.data);
	if (b.len)
		printf("  other:     %.*s\n", (int)b.len, b.data);
}

/* From a little before the first difference on. */
static struct slice around(const struct buf *text, const struct buf *other)
{
	enum { BEFORE = 100, AFTER = 200 };
	size_t at = 0;
	while (at < text->len && at < other->len && text->data[at] == other->data[at])
		at++;
	size_t start = at > BEFORE ? at - BEFORE : 0;
	size_t end = at + AFTER < text->len ? at + AFTER : text->len;
	return slice_of(text->data + start, end - start);
}

/* Messages differ by the names in them; how they begin tells the reason. */
static void count_refusal(struct checker *c, const struct corpus_statement *s, const struct error *refusal)
{
	char text[160];
	snprintf(text, sizeof(text), "%s %.100s | %.50s", refusal->sqlstate, refusal->message, refusal->detail);
	for (size_t i = 0; i < REASONS_MAX; i++) {
		if (!c->reasons[i].count)
			snprintf(c->reasons[i].text, sizeof(c->reasons[i].text), "%s", text);
		if (strncmp(c->reasons[i].text, text, REASON_BYTES) == 0) {
			c->reasons[i].count++;
			break;
		}
	}
	c->refused++;
}

/* ---- the properties ---- */

static void check_untouched(struct checker *c, const struct corpus_statement *s, const struct ruleset *ruleset,
			    const char *what)
{
	struct rewrite *r = rewriter_run(c->rewriter, s->sql, REWRITE_SIMPLE, c->state, ruleset);
	if (r->outcome != REWRITE_UNCHANGED)
		fail(c, s, what, r->outcome == REWRITE_REFUSED ? slice_str(r->refusal->message) : r->sql, slice_of(NULL, 0));
	rewrite_unref(r);
}

/* False when the trees differ. */
static bool compare(struct checker *c, const struct corpus_statement *s, const struct ruleset *ruleset,
		    enum canonical_view view, struct slice other, enum canonical_view other_view, const char *what)
{
	const PgQuery__ParseResult *a = corpus_parse(&c->arena, s->sql), *b = corpus_parse(&c->arena, other);
	if (!b || a->n_stmts != b->n_stmts) {
		fail(c, s, b ? "another number of statements" : "does not parse", slice_str(what), other);
		return false;
	}
	struct canonical_context context = { ruleset, session_state_database(c->state), s->sql };
	bool equal = true;
	struct buf left, right;
	buf_init(&left);
	buf_init(&right);
	for (size_t i = 0; i < a->n_stmts && equal; i++) {
		buf_clear(&left);
		buf_clear(&right);
		canonical_print(a->stmts[i]->stmt, &context, view, &c->arena, &left);
		canonical_print(b->stmts[i]->stmt, &context, other_view, &c->arena, &right);
		equal = slice_eq(buf_slice(&left), buf_slice(&right));
		if (!equal) {
			fail(c, s, what, around(&left, &right), around(&right, &left));
			if (c->shown <= c->show)
				printf("  rewritten: %.*s\n", (int)other.len, other.data);
		}
	}
	buf_deinit(&left);
	buf_deinit(&right);
	return equal;
}

static void check_back(struct checker *c, const struct corpus_statement *s, struct slice there,
		       const struct ruleset *way, const struct ruleset *back)
{
	struct rewrite *r = rewriter_run(c->rewriter, there, REWRITE_SIMPLE, c->state, back);
	if (r->outcome == REWRITE_REFUSED)
		c->back_refused++;
	else
		compare(c, s, way, CANONICAL_PLAIN, r->outcome == REWRITE_REWRITTEN ? r->sql : there, CANONICAL_PLAIN,
			"there and back is not the original");
	rewrite_unref(r);
}

static void check_moved(struct checker *c, const struct corpus_statement *s, const struct ruleset *rules,
			const struct ruleset *way, const struct ruleset *back)
{
	struct rewrite *r = rewriter_run(c->rewriter, s->sql, REWRITE_SIMPLE, c->state, rules);
	arena_reset(&c->arena);
	if (r->outcome == REWRITE_REFUSED) {
		count_refusal(c, s, r->refusal);
	} else if (r->outcome == REWRITE_UNCHANGED || r->outcome == REWRITE_REWRITTEN) {
		struct slice there = r->outcome == REWRITE_REWRITTEN ? r->sql : s->sql;
		c->rewritten += r->outcome == REWRITE_REWRITTEN;
		if (corpus_parse(&c->arena, s->sql) &&
		    compare(c, s, way, CANONICAL_EXPECTED, there, CANONICAL_REWRITTEN, "names are not exchanged"))
			check_back(c, s, there, way, back);
	} else {
		fail(c, s, "needs what is known", slice_of(NULL, 0), slice_of(NULL, 0));
	}
	rewrite_unref(r);
}

struct differing {
	struct checker *c;
	const struct corpus_statement *s;
};

static void on_difference(void *context, struct slice text, const char *what, struct slice fresh, struct slice learnt)
{
	struct differing *at = context;
	fail(at->c, at->s, what, fresh, learnt);
	if (at->c->shown <= at->c->show)
		printf("  with:      %.*s\n", (int)text.len, text.data);
}

static void check_other_literals(struct checker *c, const struct corpus_statement *s, const struct ruleset *ruleset)
{
	struct differing at = { c, s };
	struct other_literals check = { .learnt = c->rewriter,
					.fresh = c->fresh,
					.state = c->state,
					.ruleset = ruleset,
					.differs = on_difference,
					.context = &at };
	other_literals_check(&check, s->sql, REWRITE_SIMPLE);
	c->tried += check.tried;
	c->learnt_from += check.learnt_from;
}

/* ---- the run ---- */

static void check_all(struct checker *c)
{
	struct corpus *corpus = &c->corpus;
	struct ruleset *empty = build(map_new(), &(struct flags){ 0 });
	struct ruleset *identity = ruleset_of(corpus, make_identity, NAMING_SAME);
	for (size_t i = 0; i < corpus->count; i++) {
		arena_reset(&c->arena);
		c->parsed += corpus_parse(&c->arena, corpus->statements[i].sql) != NULL;
		check_untouched(c, &corpus->statements[i], empty, "changed by an empty map");
		check_untouched(c, &corpus->statements[i], identity, "changed by a map whose tables stay");
	}
	ruleset_unref(empty);
	for (int naming = NAMING_SAME; naming <= NAMING_OTHER; naming++) {
		struct ruleset *way = ruleset_of(corpus, make_move, (enum naming)naming);
		struct ruleset *back = ruleset_of(corpus, make_return, (enum naming)naming);
		for (size_t i = 0; i < corpus->count; i++)
			check_moved(c, &corpus->statements[i], c->prove ? identity : way, way, back);
		for (size_t i = 0; naming == NAMING_OTHER && i < corpus->count; i++)
			check_other_literals(c, &corpus->statements[i], way);
		ruleset_unref(way);
		ruleset_unref(back);
	}
	ruleset_unref(identity);
}

static void report(struct checker *c)
{
	printf("%zu statements (%zu parse), %zu relations; moved both ways: %zu rewritten, %zu refused, "
	       "%zu refused on the way back, %zu failures\n",
	       c->corpus.count, c->parsed, c->corpus.name_count, c->rewritten, c->refused, c->back_refused, c->failures);
	for (size_t i = 0; i < REASONS_MAX && c->reasons[i].count; i++)
		printf("  refused %zu: %s\n", c->reasons[i].count, c->reasons[i].text);
	if ((c->refused + c->back_refused) * 100 > c->corpus.count * 2 * REFUSED_MOST_PERCENT) {
		printf("more than %d %% refused\n", REFUSED_MOST_PERCENT);
		c->code = 1;
	}
	printf("%zu texts with other literals, %zu of them not parsed\n", c->tried, c->learnt_from);
	bool noticed = c->failures * 2 > c->corpus.count;
	if (c->prove ? !noticed : c->failures || c->rewritten * 4 < c->corpus.count)
		c->code = 1;
}

static void use_database(struct checker *c, const char *name)
{
	session_state_free(c->state);
	c->state = session_state_new(name, "app", CANONICAL_SCHEMA);
	session_state_reported(c->state, "client_encoding", "UTF8");
	session_state_reported(c->state, "standard_conforming_strings", "on");
}

static void *run(void *context)
{
	struct checker *c = context;
	for (int i = 1; i < c->argc; i++) {
		if (strcmp(c->argv[i], "--show") == 0 && i + 1 < c->argc)
			c->show = (size_t)atol(c->argv[++i]);
		else if (strcmp(c->argv[i], "--prove") == 0)
			c->prove = true;
		else if (strcmp(c->argv[i], "--database") == 0 && i + 1 < c->argc)
			use_database(c, c->argv[++i]);
		else if (!corpus_add(&c->corpus, c->argv[i]))
			fprintf(stderr, "no SQL in %s\n", c->argv[i]), c->code = 2;
	}
	corpus_collect_names(&c->corpus);
	check_all(c);
	report(c);
	return NULL;
}

int main(int argc, char **argv)
{
	struct checker c = { .argc = argc, .argv = argv, .show = 20 };
	pthread_attr_t attributes;
	pthread_t thread;
	arena_init(&c.arena);
	corpus_init(&c.corpus);
	struct rewriter_settings settings = rewriter_settings_default();
	c.rewriter = rewriter_new(settings);
	settings.cache_bytes = 0;
	c.fresh = rewriter_new(settings);
	use_database(&c, "regression");
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, REWRITE_PARSE_STACK_BYTES);
	if (pthread_create(&thread, &attributes, run, &c) != 0)
		return 2;
	pthread_join(thread, NULL);
	pthread_attr_destroy(&attributes);
	session_state_free(c.state);
	rewriter_free(c.rewriter);
	rewriter_free(c.fresh);
	arena_deinit(&c.arena);
	corpus_deinit(&c.corpus);
	return c.code;
}
