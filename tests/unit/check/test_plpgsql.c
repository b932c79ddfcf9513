#include "check/plpgsql.h"

#include "base/buf.h"

#include <criterion/criterion.h>

static const char kinds[] = { [PLPGSQL_STATEMENT] = 'S', [PLPGSQL_EXPRESSION] = 'E', [PLPGSQL_TYPE] = 'T',
			      [PLPGSQL_DYNAMIC] = 'D' };

static void collect(void *context, const struct plpgsql_piece *piece)
{
	struct buf *out = context;
	buf_printf(out, "%c:", kinds[piece->kind]);
	bool space = false; /* runs of white space as one */
	for (size_t i = 0; i < piece->text.len; i++) {
		char c = piece->text.data[i];
		bool is_space = c == ' ' || c == '\n' || c == '\t';
		if (!is_space || !space)
			buf_append_byte(out, (uint8_t)(is_space ? ' ' : c));
		space = is_space;
	}
	buf_append_byte(out, '\n');
}

static void expect(const char *body, const char *pieces)
{
	struct arena arena;
	struct buf out;
	arena_init(&arena);
	buf_init(&out);
	plpgsql_pieces(&arena, slice_str(body), collect, &out);
	cr_expect_str_eq(buf_cstr(&out), pieces, "%s\n  gives\n%s  not\n%s", body, buf_cstr(&out), pieces);
	buf_deinit(&out);
	arena_deinit(&arena);
}

Test(plpgsql, statements_lose_their_variables)
{
	expect("BEGIN SELECT a, b INTO STRICT x, r.y[1] FROM t WHERE c = 1; END", "S:SELECT a, b FROM t WHERE c = 1\n");
	expect("BEGIN INSERT INTO t SELECT 1; UPDATE t SET a = 1 RETURNING a INTO x; END",
	       "S:INSERT INTO t SELECT 1\nS:UPDATE t SET a = 1 RETURNING a \n");
	expect("BEGIN WITH w AS (INSERT INTO t VALUES (1) RETURNING *) SELECT * INTO r FROM w; END;",
	       "S:WITH w AS (INSERT INTO t VALUES (1) RETURNING *) SELECT * FROM w\n");
	expect("BEGIN PERFORM f() FROM t; CALL p(1); NULL; COMMIT; TRUNCATE t; END",
	       "E:f() FROM t\nS:CALL p(1)\nS:TRUNCATE t\n");
}

Test(plpgsql, declarations_have_types_and_values)
{
	expect("DECLARE n int := (SELECT 1 FROM t); r public.t%ROWTYPE; c CURSOR (k int) FOR SELECT * FROM t WHERE a = k;"
	       " x CONSTANT text NOT NULL DEFAULT 'a'; y ALIAS FOR $1; BEGIN n := 2; END",
	       "T:int\nE:(SELECT 1 FROM t)\nT:public.t%ROWTYPE\nS:SELECT * FROM t WHERE a = k\nT:text\nE:'a'\nE:2\n");
}

Test(plpgsql, conditions_end_where_they_end)
{
	expect("BEGIN IF CASE WHEN a THEN b ELSE c END THEN DELETE FROM t; ELSIF EXISTS (SELECT 1 FROM u) THEN NULL;"
	       " ELSE RETURN; END IF; END",
	       "E:CASE WHEN a THEN b ELSE c END\nS:DELETE FROM t\nE:EXISTS (SELECT 1 FROM u)\n");
	expect("BEGIN CASE x + 1 WHEN 1, 2 THEN DELETE FROM t; ELSE NULL; END CASE; END", "E:x + 1\nE:1, 2\nS:DELETE FROM t\n");
	expect("BEGIN WHILE (SELECT count(*) FROM t) > 1 LOOP EXIT WHEN a > 1; CONTINUE; END LOOP; END",
	       "E:(SELECT count(*) FROM t) > 1\nE:a > 1\n");
	expect("BEGIN DELETE FROM t; EXCEPTION WHEN unique_violation OR others THEN DELETE FROM u; END",
	       "S:DELETE FROM t\nE:unique_violation OR others\nS:DELETE FROM u\n");
}

Test(plpgsql, loops)
{
	expect("BEGIN <<l>> FOR r IN SELECT * FROM t LOOP NULL; END LOOP l; END", "S:SELECT * FROM t\n");
	expect("BEGIN FOR i IN REVERSE 10..f(1) BY 2 LOOP NULL; END LOOP; END", "E:10\nE:f(1)\n");
	expect("BEGIN FOR r IN EXECUTE 'a' || b USING c, d LOOP NULL; END LOOP; END", "D:'a' || b\nE:c, d\n");
	expect("BEGIN FOREACH x SLICE 1 IN ARRAY ARRAY[1] LOOP NULL; END LOOP; FOR r IN c LOOP NULL; END LOOP; END",
	       "E:ARRAY[1]\n");
}

Test(plpgsql, what_is_run_and_returned)
{
	expect("BEGIN EXECUTE 'x' INTO STRICT a USING b; OPEN c FOR EXECUTE 'y'; OPEN d FOR SELECT 1 FROM t;"
	       " RETURN QUERY EXECUTE 'z' USING 1; RETURN QUERY SELECT 1; RETURN NEXT r; RETURN a + 1; END",
	       "D:'x'\nE:b\nD:'y'\nS:SELECT 1 FROM t\nD:'z'\nE:1\nS:SELECT 1\nE:r\nE:a + 1\n");
	expect("BEGIN RAISE NOTICE '% from public.t', (SELECT 1 FROM t) USING HINT = 'x'; ASSERT a > 1, 'b'; END",
	       "E:(SELECT 1 FROM t)\nE:a > 1, 'b'\n");
	expect("#variable_conflict use_column\nDECLARE a int; BEGIN a = 1; r.b[2] := (SELECT 2); END",
	       "T:int\nE:1\nE:(SELECT 2)\n");
}

Test(plpgsql, broken_bodies_end)
{
	static const char *const bodies[] = { "", ";", "BEGIN", "IF", "FOR", "DECLARE", "DECLARE a", "EXECUTE", "OPEN", "CASE",
					      "RETURN QUERY", "<<", "#", "SELECT INTO", "SELECT a INTO", "WHEN WHEN WHEN",
					      "FOR x IN", "FOREACH x IN ARRAY", "x :=", "x.y[", "BEGIN SELECT ((((", "RAISE ,",
					      "'unterminated", "SELECT a INTO x[1", "DECLARE c CURSOR FOR", ")))))" };
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		struct arena arena;
		struct buf out;
		arena_init(&arena);
		buf_init(&out);
		plpgsql_pieces(&arena, slice_str(bodies[i]), collect, &out);
		buf_deinit(&out);
		arena_deinit(&arena);
	}
}

static void expect_dynamic(const char *expression, const char *sql)
{
	struct arena arena;
	arena_init(&arena);
	struct slice text = plpgsql_dynamic(&arena, slice_str(expression));
	cr_expect(slice_is(text, sql), "%s gives %.*s", expression, (int)text.len, text.data);
	arena_deinit(&arena);
}

Test(plpgsql, dynamic_sql_as_far_as_it_can_be_told)
{
	expect_dynamic("'SELECT 1 FROM public.' || quote_ident(name)", "SELECT 1 FROM public.crossfade_unknown");
	expect_dynamic("'SELECT ' || quote_literal(a) || ' FROM t_' || y", "SELECT NULL FROM t_crossfade_unknown");
	expect_dynamic("format('SELECT %L, 100 %% FROM %I.%I', a, 'public', 'prices')",
		       "SELECT NULL, 100 % FROM public.prices");
	expect_dynamic("format('FROM %2$I.%1$s %s', 'a', 'b')", "FROM b.a b");
	expect_dynamic("E'a\\nb' || $$c$$", "a\nbc");
	expect_dynamic("sql", "crossfade_unknown");
	expect_dynamic("format(", "crossfade_unknown");
	expect_dynamic("", "");
	expect_dynamic("'%' || ||", "%");
}

Test(plpgsql, deep_dynamic_expressions_end)
{
	struct buf text;
	struct arena arena;
	buf_init(&text);
	arena_init(&arena);
	for (int i = 0; i < 100000; i++)
		buf_append_str(&text, "quote_ident(");
	buf_append_str(&text, "'x'");
	for (int i = 0; i < 100000; i++)
		buf_append_str(&text, ")");
	cr_expect(slice_is(plpgsql_dynamic(&arena, buf_slice(&text)), PLPGSQL_UNKNOWN));
	arena_deinit(&arena);
	buf_deinit(&text);
}
