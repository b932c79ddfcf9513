/*
 * Runs the golden cases (README.md describes their format) and says, for each
 * that does not hold, what was expected and what came out.
 *
 *   run_cases FILE.case...
 */
#include "config/map_file.h"
#include "config/sql_name.h"
#include "other_literals.h"
#include "rewrite/rewriter.h"

#include <stdio.h>
#include <stdlib.h>

enum { LINES_MAX = 20000 };

struct line {
	struct slice text;
	unsigned number;
};

/* What the cases of a file share, until a directive changes it. */
struct setting {
	struct arena arena;
	const char *map_text;
	const char *catalog_text;
	const char *stages;
	const char *path;
	const char *user;
	const char *database;
	const char *encoding;
	const char *temps;
	const char *policy;
	const char *limits;
	bool strings_off;
	bool path_unknown;
};

enum expectation { EXPECT_NONE, EXPECT_OUT, EXPECT_UNCHANGED, EXPECT_REFUSED, EXPECT_NEED };

struct test_case {
	const char *title;
	unsigned line;
	struct slice sql;
	enum expectation expectation;
	struct slice out;
	const char *refused;
	const char *sent;  /* what goes to the server in place of a refused text */
	const char *uses;
	const char *columns;
	const char *effects;
	const char *normalised;
	const char *explain;
	const char *positions;
	const char *notice;
	bool extended;
};

struct suite {
	const char *file;
	struct setting setting;
	struct rewriter *rewriter, *fresh; /* fresh learns nothing */
	size_t tried, learnt_from;
	unsigned run, failed;
	struct ruleset *ruleset;
};

/* ---- reading ---- */

static char *read_file(const char *path, size_t *len_out)
{
	FILE *file = fopen(path, "rb");
	if (!file) {
		perror(path);
		exit(2);
	}
	struct buf text;
	buf_init(&text);
	char chunk[8192];
	for (size_t n; (n = fread(chunk, 1, sizeof(chunk), file)) > 0;)
		buf_append(&text, chunk, n);
	fclose(file);
	*len_out = text.len;
	buf_cstr(&text);
	return text.data;
}

static bool directive(struct slice line, const char *name, struct slice *rest_out)
{
	size_t len = strlen(name);
	if (line.len < len + 1 || line.data[0] != '%' || memcmp(line.data + 1, name, len) != 0)
		return false;
	if (line.len > len + 1 && line.data[len + 1] != ' ')
		return false;
	size_t at = line.len > len + 1 ? len + 2 : len + 1;
	*rest_out = slice_of(line.data + at, line.len - at);
	return true;
}

static _Noreturn void broken(const struct suite *suite, unsigned line, const char *what)
{
	fprintf(stderr, "%s:%u: %s\n", suite->file, line, what);
	exit(2);
}

/* ---- catalog: one fact a line ---- */

static struct rel_name parse_name(struct arena *arena, char *text)
{
	struct sql_name name;
	const char *why;
	if (!sql_name_parse(arena, text, &name, &why)) {
		fprintf(stderr, "the name %s %s\n", text, why);
		exit(2);
	}
	return name.name;
}

/* "name type [not null] [identity] [generated] [key] [default …]" */
static void parse_column(struct arena *arena, char *text, struct fact_column *column_out)
{
	while (*text == ' ')
		text++;
	char *type = strchr(text, ' ');
	if (!type)
		return;
	*type++ = '\0';
	*column_out = (struct fact_column){ .name = text };
	char *value = strstr(type, " default ");
	if (value) {
		*value = '\0';
		column_out->has_default = true;
		column_out->default_text = value + strlen(" default ");
	}
	static const char *const words[] = { " key", " not null", " identity", " generated" };
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		char *word = strstr(type, words[i]);
		if (!word)
			continue;
		*word = '\0';
		column_out->not_null = column_out->not_null || i == 1;
		column_out->identity = i == 2 ? 'a' : column_out->identity;
		column_out->generated = i == 3 ? 's' : column_out->generated;
		column_out->in_key = column_out->in_key || i == 0;
	}
	column_out->type = type;
}

/* Separated by commas outside of parentheses. */
static void set_columns(struct facts *facts, struct fact_relation *relation, struct arena *arena, char *text)
{
	struct fact_column columns[64] = { 0 };
	size_t count = 0;
	int depth = 0;
	char *start = text;
	for (char *c = text; count < 64; c++) {
		depth += *c == '(' ? 1 : *c == ')' ? -1 : 0;
		if (*c && (*c != ',' || depth))
			continue;
		bool last = !*c;
		*c = '\0';
		parse_column(arena, start, &columns[count++]);
		start = c + 1;
		if (last)
			break;
	}
	facts_set_columns(facts, relation, columns, count);
}

/* "code f session ddl"; session where nothing is said. */
static void add_code(struct facts *facts, const char *function, const char *words)
{
	unsigned flags = strstr(words, "ddl") ? FACT_CODE_CATALOG : FACT_CODE_SESSION;
	facts_add_code(facts, function, strstr(words, "session") ? flags | FACT_CODE_SESSION : flags);
}

/* "constraint c of s.t" */
static void add_constraint(const struct suite *suite, unsigned line, struct facts *facts, struct arena *arena,
			   const char *name, char *rest)
{
	if (strncmp(rest, "of ", 3) != 0)
		broken(suite, line, "a constraint is of a table");
	facts_add_constraint(facts, parse_name(arena, rest + 3), name);
}

static void add_fact(const struct suite *suite, unsigned line, struct facts *facts, struct arena *arena, char *text)
{
	static const struct {
		const char *word;
		enum fact_kind kind;
	} kinds[] = { { "table", FACT_TABLE },	 { "view", FACT_VIEW },	    { "sequence", FACT_SEQUENCE },
		      { "index", FACT_INDEX },	 { "matview", FACT_MATVIEW }, { "partitioned", FACT_PARTITIONED },
		      { "foreign", FACT_FOREIGN } };
	char *save, *word = strtok_r(text, " ", &save), *name = strtok_r(NULL, " ", &save);
	if (!word)
		return;
	if (!name)
		broken(suite, line, "a catalog line needs a name");
	if (strcmp(word, "schema") == 0) {
		facts_add_schema(facts, name);
		return;
	}
	if (strcmp(word, "code") == 0) {
		add_code(facts, name, save);
		return;
	}
	if (strcmp(word, "constraint") == 0) {
		add_constraint(suite, line, facts, arena, name, save);
		return;
	}
	if (strcmp(word, "version") == 0) {
		facts->server_version = atoi(name);
		return;
	}
	if (strcmp(word, "denied") == 0) {
		facts_add_denied(facts, name, strtok_r(NULL, " ", &save));
		return;
	}
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(kinds[i].word, word) != 0)
			continue;
		struct fact_relation *relation = facts_add_relation(facts, parse_name(arena, name), kinds[i].kind, 0);
		char *of = strtok_r(NULL, " ", &save);
		if (of && strcmp(of, "has") == 0) {
			set_columns(facts, relation, arena, save);
			return;
		}
		char *table = strtok_r(NULL, " ", &save);
		if (of && table)
			facts_set_owner(facts, relation, parse_name(arena, table));
		return;
	}
	broken(suite, line, "unknown kind of catalog line");
}

static struct facts *build_facts(struct suite *suite, struct arena *arena, unsigned line)
{
	if (!suite->setting.catalog_text)
		return NULL;
	struct facts *facts = facts_new();
	char *copy = arena_strdup(arena, suite->setting.catalog_text), *save;
	for (char *l = strtok_r(copy, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
		add_fact(suite, line, facts, arena, l);
	facts_seal(facts);
	return facts;
}

/* ---- ruleset and state ---- */

static struct policy build_policy(const struct suite *suite, unsigned line)
{
	struct policy policy = { 0 };
	const char *text = suite->setting.policy;
	if (!text)
		return policy;
	if (strstr(text, "ddl=allow"))
		policy.ddl = DDL_ALLOW;
	if (strstr(text, "opaque=refuse"))
		policy.opaque = OPAQUE_REFUSE;
	if (strstr(text, "opaque=notice"))
		policy.opaque = OPAQUE_NOTICE;
	if (strstr(text, "introspection=map"))
		policy.introspection = INTROSPECTION_MAP;
	if (strstr(text, "newer_syntax=pass"))
		policy.newer_syntax = NEWER_SYNTAX_PASS;
	if (!strchr(text, '='))
		broken(suite, line, "a policy is key=value");
	return policy;
}

static struct flags build_flags(struct suite *suite, struct arena *arena, unsigned line)
{
	struct flags flags = { 0 };
	if (!suite->setting.stages)
		return flags;
	flags.items = ARENA_ARRAY(arena, strlen(suite->setting.stages), struct flag);
	char *copy = arena_strdup(arena, suite->setting.stages), *save;
	for (char *item = strtok_r(copy, " ", &save); item; item = strtok_r(NULL, " ", &save)) {
		char *equals = strchr(item, '=');
		if (!equals)
			broken(suite, line, "a stage is table=stage");
		*equals = '\0';
		struct flag *flag = &flags.items[flags.count++];
		flag->table = parse_name(arena, item);
		if (!stage_parse(equals + 1, &flag->stage))
			broken(suite, line, "no such stage");
	}
	return flags;
}

static struct ruleset *build_ruleset(struct suite *suite, unsigned line)
{
	static uint64_t version;
	struct arena arena;
	struct map *map;
	struct error error;
	struct ruleset *ruleset;
	arena_init(&arena);
	const char *map_text = suite->setting.map_text ? suite->setting.map_text : "";
	if (!map_file_parse(slice_str(map_text), suite->file, &map, &error)) {
		error_print(&error, stderr);
		broken(suite, line, "the map above is wrong");
	}
	struct flags flags = build_flags(suite, &arena, line);
	struct facts *facts = build_facts(suite, &arena, line);
	if (!ruleset_build(map, &flags, facts, build_policy(suite, line), ++version, NULL, NULL, &ruleset, &error)) {
		error_print(&error, stderr);
		broken(suite, line, "the map, stages and catalog do not go together");
	}
	map_unref(map);
	facts_unref(facts);
	arena_deinit(&arena);
	return ruleset;
}

static struct session_state *build_state(struct suite *suite)
{
	struct setting *s = &suite->setting;
	struct session_state *state = session_state_new(s->database ? s->database : "aegis", s->user ? s->user : "app",
							s->path_unknown ? NULL : s->path ? s->path : "\"$user\", public");
	session_state_reported(state, "client_encoding", s->encoding ? s->encoding : "UTF8");
	session_state_reported(state, "standard_conforming_strings", s->strings_off ? "off" : "on");
	char *copy = s->temps ? strdup(s->temps) : NULL, *save;
	for (char *name = copy ? strtok_r(copy, " ", &save) : NULL; name; name = strtok_r(NULL, " ", &save))
		session_state_apply(state, &(struct effect){ .kind = EFFECT_TEMP_CREATE, .name = name });
	free(copy);
	return state;
}

/* ---- checking ---- */

static void fail(struct suite *suite, const struct test_case *c, const char *what, const char *expected,
		 const char *got)
{
	printf("%s:%u: %s\n  %s\n    expected: %s\n    got:      %s\n", suite->file, c->line, c->title, what, expected,
	       got);
	suite->failed++;
}

static void describe_notices(const struct rewrite *rewrite, struct buf *out)
{
	for (size_t i = 0; i < rewrite->statement_count; i++) {
		const struct error *notice = rewrite->statements[i].notice;
		if (notice)
			buf_printf(out, "%s%s %s | %s", out->len ? "; " : "", notice->sqlstate, notice->message,
				   notice->hint);
	}
}

static void describe_uses(const struct rewrite *rewrite, struct buf *out)
{
	for (size_t i = 0; i < rewrite->statement_count; i++) {
		const struct statement_shape *shape = rewrite->statements[i].shape;
		for (size_t k = 0; shape && k < shape->use_count; k++) {
			const struct use *use = &shape->uses[k];
			buf_printf(out, "%s%s %s %s%s%s%s", out->len ? "; " : "", use->table,
				   side_name((enum side)use->side), use_kind_name((enum use_kind)use->kind),
				   use->flags & USE_REWRITTEN ? " rewritten" : "",
				   use->flags & USE_REFUSED ? " refused" : "",
				   use->flags & USE_UNPARSED ? " unparsed" : "");
		}
	}
}

static void describe_columns(const struct rewrite *rewrite, struct buf *out)
{
	for (size_t i = 0; i < rewrite->statement_count; i++) {
		const struct statement_shape *shape = rewrite->statements[i].shape;
		for (size_t k = 0; shape && k < shape->use_count; k++) {
			const struct use *use = &shape->uses[k];
			buf_printf(out, "%s%s:%s", out->len ? "; " : "", use->table, use->all_columns ? " all" : "");
			for (size_t c = 0; c < use->column_count; c++)
				buf_printf(out, " %s", use->columns[c]);
		}
	}
}

static void describe_effects(const struct rewrite *rewrite, struct buf *out)
{
	static const char *const names[] = {
		[EFFECT_SET] = "set", [EFFECT_RESET] = "reset", [EFFECT_RESET_ALL] = "reset_all",
		[EFFECT_DISCARD_ALL] = "discard_all", [EFFECT_DISCARD_TEMP] = "discard_temp",
		[EFFECT_SET_UNKNOWN] = "set_unknown", [EFFECT_ROLE] = "role", [EFFECT_SESSION_USER] = "session_user",
		[EFFECT_TEMP_CREATE] = "temp_create", [EFFECT_TEMP_DROP] = "temp_drop", [EFFECT_BEGIN] = "begin",
		[EFFECT_COMMIT] = "commit", [EFFECT_ROLLBACK] = "rollback",
		[EFFECT_PREPARE_TRANSACTION] = "prepare_transaction", [EFFECT_SAVEPOINT] = "savepoint",
		[EFFECT_RELEASE] = "release", [EFFECT_ROLLBACK_TO] = "rollback_to", [EFFECT_DDL] = "ddl",
		[EFFECT_RELATION_CREATED] = "created", [EFFECT_RELATION_DROPPED] = "dropped",
		[EFFECT_CONSTRAINT_CREATED] = "constraint",
		[EFFECT_PREPARE] = "prepare", [EFFECT_DEALLOCATE] = "deallocate", [EFFECT_EXECUTE] = "execute",
	};
	for (size_t i = 0; i < rewrite->statement_count; i++) {
		for (size_t k = 0; k < rewrite->statements[i].effect_count; k++) {
			const struct effect *e = &rewrite->statements[i].effects[k];
			buf_printf(out, "%s%s", out->len ? "; " : "", names[e->kind]);
			if (e->name)
				buf_printf(out, " %s", e->name[0] ? e->name : "*");
			if (e->value)
				buf_printf(out, " = %s", e->value);
			buf_printf(out, "%s%s", e->local ? " local" : "", e->chain ? " chain" : "");
		}
	}
}

static void describe_shapes(const struct rewrite *rewrite, struct buf *out)
{
	for (size_t i = 0; i < rewrite->statement_count; i++) {
		const struct statement_shape *shape = rewrite->statements[i].shape;
		if (shape)
			buf_printf(out, "%s%.*s", out->len ? "; " : "", (int)shape->text.len, shape->text.data);
	}
}

static void check_text(struct suite *suite, const struct test_case *c, const char *what, const char *expected,
		       const struct rewrite *rewrite, void (*describe)(const struct rewrite *, struct buf *))
{
	struct buf got;
	if (!expected)
		return;
	buf_init(&got);
	describe(rewrite, &got);
	if (strcmp(buf_cstr(&got), strcmp(expected, "none") == 0 ? "" : expected) != 0)
		fail(suite, c, what, expected, buf_cstr(&got));
	buf_deinit(&got);
}

/* Each "rewritten>original" pair of 1-based character positions. */
static void check_positions(struct suite *suite, const struct test_case *c, const struct rewrite *rewrite)
{
	for (const char *at = c->positions; at && *at;) {
		unsigned from, to;
		int used;
		char expected[32], got[32];
		if (sscanf(at, "%u>%u%n", &from, &to, &used) != 2)
			broken(suite, c->line, "positions are from>to");
		snprintf(expected, sizeof(expected), "%u>%u", from, to);
		snprintf(got, sizeof(got), "%u>%u", from, rewrite_map_position(rewrite, from));
		if (strcmp(expected, got) != 0)
			fail(suite, c, "a position maps elsewhere", expected, got);
		at += used;
		while (*at == ' ')
			at++;
	}
}

static const char *outcome_name(enum rewrite_outcome outcome)
{
	static const char *const names[] = { "unchanged", "rewritten", "refused", "need search_path" };
	return names[outcome];
}

static void check_refusal(struct suite *suite, const struct test_case *c, const struct rewrite *rewrite)
{
	struct buf got;
	buf_init(&got);
	const struct error *e = rewrite->refusal;
	buf_printf(&got, "%s %s", e->sqlstate, e->message);
	if (e->detail[0])
		buf_printf(&got, " | %s", e->detail);
	if (e->hint[0])
		buf_printf(&got, " | %s", e->hint);
	buf_printf(&got, " @%u", e->position);
	char *copy = strdup(c->refused), *save;
	for (char *part = strtok_r(copy, "|", &save); part; part = strtok_r(NULL, "|", &save)) {
		while (*part == ' ')
			part++;
		size_t len = strlen(part);
		while (len && part[len - 1] == ' ')
			part[--len] = '\0';
		if (!strstr(buf_cstr(&got), part))
			fail(suite, c, "the refusal says something else", part, buf_cstr(&got));
	}
	free(copy);
	if (c->sent && !slice_is(rewrite->sql, c->sent))
		fail(suite, c, "something else would be sent", c->sent, rewrite->sql.data);
	buf_deinit(&got);
}

static void check_outcome(struct suite *suite, const struct test_case *c, const struct rewrite *rewrite)
{
	static const enum rewrite_outcome wanted[] = { [EXPECT_OUT] = REWRITE_REWRITTEN,
						       [EXPECT_UNCHANGED] = REWRITE_UNCHANGED,
						       [EXPECT_REFUSED] = REWRITE_REFUSED,
						       [EXPECT_NEED] = REWRITE_NEED_SEARCH_PATH };
	if (rewrite->outcome != wanted[c->expectation]) {
		const char *got = rewrite->outcome == REWRITE_REFUSED	? rewrite->refusal->message
				  : rewrite->outcome == REWRITE_REWRITTEN ? rewrite->sql.data
									  : outcome_name(rewrite->outcome);
		fail(suite, c, outcome_name(rewrite->outcome), outcome_name(wanted[c->expectation]), got);
		return;
	}
	if (c->expectation == EXPECT_OUT && !slice_eq(rewrite->sql, c->out))
		fail(suite, c, "the text differs", c->out.data, rewrite->sql.data);
	if (c->expectation == EXPECT_REFUSED)
		check_refusal(suite, c, rewrite);
}

static void check_explain(struct suite *suite, const struct test_case *c, const struct session_state *state)
{
	struct arena arena;
	struct rewrite_explanation explanation;
	struct buf got;
	if (!c->explain)
		return;
	arena_init(&arena);
	buf_init(&got);
	rewrite_unref(rewriter_explain(suite->rewriter, c->sql, c->extended ? REWRITE_EXTENDED : REWRITE_SIMPLE, state,
				       suite->ruleset, &arena, &explanation));
	for (size_t i = 0; i < explanation.count; i++) {
		const struct rewrite_reference *r = &explanation.items[i];
		buf_printf(&got, "%s%s = %s -> %s [%s]", i ? "; " : "", r->written, r->resolved,
			   r->became ? r->became : "unchanged", r->rule);
	}
	if (strcmp(buf_cstr(&got), c->explain) != 0)
		fail(suite, c, "explained otherwise", c->explain, buf_cstr(&got));
	buf_deinit(&got);
	arena_deinit(&arena);
}

struct differing {
	struct suite *suite;
	const struct test_case *c;
};

static void on_difference(void *context, struct slice text, const char *what, struct slice fresh, struct slice learnt)
{
	struct differing *at = context;
	char *copies[] = { strndup(fresh.data ? fresh.data : "", fresh.len), strndup(learnt.data ? learnt.data : "", learnt.len) };
	char *title = NULL;
	if (asprintf(&title, "%s with other literals: %.*s", what, (int)text.len, text.data) > 0)
		fail(at->suite, at->c, title, copies[0], copies[1]);
	free(title);
	free(copies[0]);
	free(copies[1]);
}

static void check_other_literals(struct suite *suite, const struct test_case *c, const struct session_state *state)
{
	struct differing at = { suite, c };
	struct other_literals check = { .learnt = suite->rewriter,
					.fresh = suite->fresh,
					.state = state,
					.ruleset = suite->ruleset,
					.differs = on_difference,
					.context = &at };
	other_literals_check(&check, c->sql, c->extended ? REWRITE_EXTENDED : REWRITE_SIMPLE);
	suite->tried += check.tried;
	suite->learnt_from += check.learnt_from;
}

static void run_case(struct suite *suite, const struct test_case *c)
{
	if (c->expectation == EXPECT_NONE)
		broken(suite, c->line, "the case expects nothing");
	if (!suite->ruleset)
		suite->ruleset = build_ruleset(suite, c->line);
	struct session_state *state = build_state(suite);
	enum rewrite_protocol protocol = c->extended ? REWRITE_EXTENDED : REWRITE_SIMPLE;
	/* The first two runs fill the cache, which must not answer otherwise than they did. */
	for (int i = 0; i < 2; i++)
		rewrite_unref(rewriter_run(suite->rewriter, c->sql, protocol, state, suite->ruleset));
	struct rewrite *rewrite = rewriter_run(suite->rewriter, c->sql, protocol, state, suite->ruleset);
	suite->run++;
	check_outcome(suite, c, rewrite);
	check_text(suite, c, "other uses", c->uses, rewrite, describe_uses);
	check_text(suite, c, "other columns", c->columns, rewrite, describe_columns);
	check_text(suite, c, "other notices", c->notice, rewrite, describe_notices);
	check_text(suite, c, "other effects", c->effects, rewrite, describe_effects);
	check_text(suite, c, "normalised otherwise", c->normalised, rewrite, describe_shapes);
	check_positions(suite, c, rewrite);
	check_explain(suite, c, state);
	check_other_literals(suite, c, state);
	rewrite_unref(rewrite);
	session_state_free(state);
}

/* ---- the file ---- */

static void forget_ruleset(struct suite *suite)
{
	ruleset_unref(suite->ruleset);
	suite->ruleset = NULL;
}

/* The lines up to the next directive as one text, without the last newline. */
static struct slice body(struct suite *suite, const struct line *lines, size_t count, size_t *at)
{
	size_t first = *at;
	while (*at < count && !(lines[*at].text.len && lines[*at].text.data[0] == '%'))
		(*at)++;
	size_t last = *at;
	while (last > first && lines[last - 1].text.len == 0)
		last--;
	if (first == last)
		return slice_of("", 0);
	const char *start = lines[first].text.data, *end = lines[last - 1].text.data + lines[last - 1].text.len;
	return slice_of(arena_copy(&suite->setting.arena, start, (size_t)(end - start)), (size_t)(end - start));
}

static const char *keep(struct suite *suite, struct slice text)
{
	return arena_copy(&suite->setting.arena, text.data, text.len);
}

static const char *or_null(const char *text)
{
	return *text ? text : NULL;
}

static bool read_setting(struct suite *suite, const struct line *lines, size_t count, size_t *at, struct slice line)
{
	struct setting *s = &suite->setting;
	struct slice rest;
	(*at)++;
	if (directive(line, "map", &rest))
		s->map_text = body(suite, lines, count, at).data;
	else if (directive(line, "catalog", &rest))
		s->catalog_text = or_null(body(suite, lines, count, at).data);
	else if (directive(line, "stages", &rest))
		s->stages = or_null(keep(suite, rest));
	else if (directive(line, "policy", &rest))
		s->policy = or_null(keep(suite, rest));
	else if (directive(line, "path", &rest))
		s->path = keep(suite, rest), s->path_unknown = slice_is(rest, "unknown");
	else if (directive(line, "user", &rest))
		s->user = keep(suite, rest);
	else if (directive(line, "database", &rest))
		s->database = keep(suite, rest);
	else if (directive(line, "encoding", &rest))
		s->encoding = keep(suite, rest);
	else if (directive(line, "temp", &rest))
		s->temps = or_null(keep(suite, rest));
	else if (directive(line, "standard_conforming_strings", &rest))
		s->strings_off = slice_is(rest, "off");
	else
		return (*at)--, false;
	forget_ruleset(suite);
	return true;
}

static bool read_expectation(struct suite *suite, const struct line *lines, size_t count, size_t *at, struct slice line,
			     struct test_case *c)
{
	struct slice rest;
	(*at)++;
	if (directive(line, "out", &rest))
		c->expectation = EXPECT_OUT, c->out = body(suite, lines, count, at);
	else if (directive(line, "unchanged", &rest))
		c->expectation = EXPECT_UNCHANGED;
	else if (directive(line, "refused", &rest))
		c->expectation = EXPECT_REFUSED, c->refused = keep(suite, rest);
	else if (directive(line, "need search_path", &rest))
		c->expectation = EXPECT_NEED;
	else if (directive(line, "sent", &rest))
		c->sent = body(suite, lines, count, at).data;
	else if (directive(line, "uses", &rest))
		c->uses = keep(suite, rest);
	else if (directive(line, "columns", &rest))
		c->columns = keep(suite, rest);
	else if (directive(line, "effects", &rest))
		c->effects = keep(suite, rest);
	else if (directive(line, "normalised", &rest))
		c->normalised = keep(suite, rest);
	else if (directive(line, "explain", &rest))
		c->explain = keep(suite, rest);
	else if (directive(line, "positions", &rest))
		c->positions = keep(suite, rest);
	else if (directive(line, "notice", &rest))
		c->notice = keep(suite, rest);
	else if (directive(line, "extended", &rest))
		c->extended = true;
	else
		return (*at)--, false;
	return true;
}

static void read_case(struct suite *suite, const struct line *lines, size_t count, size_t *at, struct slice title)
{
	struct test_case c = { .title = keep(suite, title), .line = lines[*at].number };
	(*at)++;
	c.sql = body(suite, lines, count, at);
	while (*at < count && read_expectation(suite, lines, count, at, lines[*at].text, &c))
		while (*at < count && lines[*at].text.len == 0)
			(*at)++;
	run_case(suite, &c);
}

static void run_lines(struct suite *suite, const struct line *lines, size_t count)
{
	for (size_t at = 0; at < count;) {
		struct slice line = lines[at].text, rest;
		if (line.len == 0 || line.data[0] == '#')
			at++;
		else if (directive(line, "case", &rest))
			read_case(suite, lines, count, &at, rest);
		else if (!read_setting(suite, lines, count, &at, line))
			broken(suite, lines[at].number, "no such directive");
	}
}

static void run_file(struct suite *suite, const char *path)
{
	size_t len, count = 0;
	char *text = read_file(path, &len);
	struct line *lines = calloc(LINES_MAX, sizeof(*lines));
	for (size_t at = 0; at < len && count < LINES_MAX;) {
		char *end = memchr(text + at, '\n', len - at);
		size_t stop = end ? (size_t)(end - text) : len;
		lines[count].text = slice_of(text + at, stop - at);
		lines[count].number = (unsigned)count + 1;
		count++;
		at = stop + 1;
	}
	suite->file = path;
	memset(&suite->setting, 0, sizeof(suite->setting));
	arena_init(&suite->setting.arena);
	run_lines(suite, lines, count);
	forget_ruleset(suite);
	arena_deinit(&suite->setting.arena);
	free(lines);
	free(text);
}

int main(int argc, char **argv)
{
	struct rewriter_settings settings = rewriter_settings_default();
	struct suite suite = { .rewriter = rewriter_new(settings) };
	settings.cache_bytes = 0;
	suite.fresh = rewriter_new(settings);
	for (int i = 1; i < argc; i++)
		run_file(&suite, argv[i]);
	rewriter_free(suite.rewriter);
	rewriter_free(suite.fresh);
	printf("%u cases, %u failed; %zu texts with other literals, %zu of them not parsed\n", suite.run, suite.failed,
	       suite.tried, suite.learnt_from);
	return suite.failed || suite.run == 0 || suite.learnt_from * 10 < suite.tried;
}
