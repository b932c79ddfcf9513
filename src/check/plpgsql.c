#include "check/plpgsql.h"

#include "base/buf.h"

#include <string.h>

struct parser {
	struct arena *arena;
	struct slice body;
	struct token_list tokens;
	plpgsql_fn *each;
	void *context;
	bool declaring;
	unsigned nested; /* calls in a dynamic expression */
};

enum { NESTED_MAX = 32 };

static const struct token *token(const struct parser *p, size_t i)
{
	return &p->tokens.items[i];
}

static bool is_word(const struct parser *p, size_t i, const char *word)
{
	return i < p->tokens.count && token_is_word(p->body, token(p, i), word);
}

static bool is_mark(const struct parser *p, size_t i, const char *mark)
{
	return i < p->tokens.count && token_is(p->body, token(p, i), mark);
}

static bool is_operator(const struct parser *p, size_t i, const char *text)
{
	return i < p->tokens.count && slice_is(token_text(p->body, token(p, i)), text);
}

static bool is_one_of(const struct parser *p, size_t i, const char *const *words, size_t count)
{
	for (size_t k = 0; k < count; k++) {
		if (is_word(p, i, words[k]))
			return true;
	}
	return false;
}

static int depth_change(const struct parser *p, size_t i)
{
	if (is_mark(p, i, "(") || is_mark(p, i, "["))
		return 1;
	return is_mark(p, i, ")") || is_mark(p, i, "]") ? -1 : 0;
}

/* Where, from `from` on and outside of parentheses and CASE … END, one of the words or a semicolon stands. */
static size_t find(const struct parser *p, size_t from, size_t end, const char *const *words, size_t count)
{
	int depth = 0, cases = 0;
	for (size_t i = from; i < end; i++) {
		if (depth <= 0 && is_mark(p, i, ";"))
			return i;
		if (depth <= 0 && cases == 0 && is_one_of(p, i, words, count))
			return i;
		if (is_word(p, i, "case"))
			cases++;
		else if (cases && is_word(p, i, "end"))
			cases--;
		depth += depth_change(p, i);
	}
	return end;
}

static size_t find_word(const struct parser *p, size_t from, size_t end, const char *word)
{
	return find(p, from, end, &word, 1);
}

static size_t statement_end(const struct parser *p, size_t from)
{
	return find(p, from, p->tokens.count, NULL, 0);
}

/* ---- pieces ---- */

static void give(struct parser *p, enum plpgsql_kind kind, size_t first, size_t end)
{
	if (first >= end)
		return;
	size_t start = token(p, first)->offset, stop = token(p, end - 1)->offset + token(p, end - 1)->len;
	struct plpgsql_piece piece = { kind, slice_of(p->body.data + start, stop - start), start };
	p->each(p->context, &piece);
}

/* [STRICT] a, b.c, d[1] */
static size_t behind_variables(const struct parser *p, size_t i, size_t end)
{
	if (is_word(p, i, "strict"))
		i++;
	while (i < end && token_is_identifier(token(p, i))) {
		i++;
		while (i < end && (is_mark(p, i, ".") || is_mark(p, i, "["))) {
			bool bracket = is_mark(p, i, "[");
			for (i++; bracket && i < end && !is_mark(p, i, "]"); i++)
				;
			i += i < end;
		}
		if (!is_mark(p, i, ","))
			break;
		i++;
	}
	return i;
}

/* SELECT a INTO b FROM c: blanked rather than cut, so that offsets stay. */
static void give_statement(struct parser *p, size_t first, size_t end)
{
	size_t into = first + 1;
	for (int depth = 0; into < end; depth += depth_change(p, into), into++) {
		if (depth == 0 && is_word(p, into, "into") && !is_word(p, into - 1, "insert") &&
		    !is_word(p, into - 1, "merge"))
			break;
	}
	bool is_create = is_word(p, first, "create"); /* CREATE TABLE … AS SELECT … INTO does not exist */
	if (into >= end || is_create) {
		give(p, PLPGSQL_STATEMENT, first, end);
		return;
	}
	size_t behind = behind_variables(p, into + 1, end);
	size_t start = token(p, first)->offset, stop = token(p, end - 1)->offset + token(p, end - 1)->len;
	size_t from = token(p, into)->offset, to = token(p, behind - 1)->offset + token(p, behind - 1)->len;
	char *text = arena_copy(p->arena, p->body.data + start, stop - start);
	memset(text + (from - start), ' ', to - from);
	struct plpgsql_piece piece = { PLPGSQL_STATEMENT, slice_of(text, stop - start), start };
	p->each(p->context, &piece);
}

/* EXECUTE: the expression; what follows USING are expressions of their own. */
static void give_dynamic(struct parser *p, size_t first, size_t end)
{
	static const char *const stops[] = { "into", "using" };
	size_t stop = find(p, first, end, stops, 2);
	give(p, PLPGSQL_DYNAMIC, first, stop);
	size_t using = find_word(p, stop, end, "using");
	if (using < end)
		give(p, PLPGSQL_EXPRESSION, using + 1, find_word(p, using + 1, end, "into"));
}

/* A query, or EXECUTE and an expression. */
static void give_query(struct parser *p, size_t first, size_t end)
{
	if (is_word(p, first, "execute"))
		give_dynamic(p, first + 1, end);
	else
		give(p, PLPGSQL_STATEMENT, first, end);
}

/* ---- statements ---- */

static size_t declaration(struct parser *p, size_t i)
{
	static const char *const cursor[] = { "for", "is" }, *const ends[] = { "not", "default", "collate" };
	size_t end = statement_end(p, i), at = i + 1;
	size_t is_cursor = find_word(p, at, end, "cursor");
	if (is_cursor < end) {
		size_t query = find(p, is_cursor, end, cursor, 2);
		give(p, PLPGSQL_STATEMENT, query + 1, end);
		return end + 1;
	}
	at += is_word(p, at, "constant");
	size_t stop = find(p, at, end, ends, 3), value = at;
	while (value < end && !is_mark(p, value, ":=") && !is_operator(p, value, "=") && !is_word(p, value, "default"))
		value++;
	if (!is_word(p, at, "alias"))
		give(p, PLPGSQL_TYPE, at, value < stop ? value : stop);
	give(p, PLPGSQL_EXPRESSION, value + 1, end);
	return end + 1;
}

static size_t loop_over(struct parser *p, size_t i)
{
	size_t loop = find_word(p, i, p->tokens.count, "loop"), in = find_word(p, i, loop, "in");
	size_t first = in + 1, dots = first;
	if (is_word(p, first, "array") || is_word(p, first, "reverse"))
		dots = ++first;
	while (dots < loop && !is_mark(p, dots, ".."))
		dots++;
	static const char *const queries[] = { "select", "with", "values", "table", "insert", "update", "delete",
					       "execute", "explain" };
	if (is_word(p, i, "foreach")) {
		give(p, PLPGSQL_EXPRESSION, first, loop);
	} else if (dots < loop) {
		give(p, PLPGSQL_EXPRESSION, first, dots);
		give(p, PLPGSQL_EXPRESSION, dots + 1, find_word(p, dots + 1, loop, "by"));
	} else if (is_one_of(p, first, queries, sizeof(queries) / sizeof(queries[0])) || is_mark(p, first, "(")) {
		give_query(p, first, loop);
	}
	return loop + 1;
}

static size_t give_return(struct parser *p, size_t i)
{
	size_t end = statement_end(p, i), at = i + 1;
	if (is_word(p, at, "query"))
		give_query(p, at + 1, end);
	else
		give(p, PLPGSQL_EXPRESSION, at + is_word(p, at, "next"), end);
	return end + 1;
}

static size_t give_open(struct parser *p, size_t i)
{
	size_t end = statement_end(p, i), query = find_word(p, i, end, "for");
	if (query < end)
		give_query(p, query + 1, end);
	return end + 1;
}

static size_t give_raise(struct parser *p, size_t i)
{
	size_t end = statement_end(p, i), comma = i;
	for (int depth = 0; comma < end && !(depth == 0 && is_mark(p, comma, ",")); comma++)
		depth += depth_change(p, comma);
	give(p, PLPGSQL_EXPRESSION, comma + 1, find_word(p, comma, end, "using"));
	return end + 1;
}

/* name, name.field, name[1], followed by := or = */
static size_t assigned(const struct parser *p, size_t i, size_t end)
{
	int depth = 0;
	if (!token_is_identifier(token(p, i)))
		return end;
	for (i++; i < end; i++) {
		if (depth == 0 && (is_mark(p, i, ":=") || is_operator(p, i, "=")))
			return i + 1;
		if (depth == 0 && !is_mark(p, i, ".") && !is_mark(p, i, "[") && !is_mark(p, i - 1, "."))
			return end;
		depth += depth_change(p, i);
	}
	return end;
}

static size_t other(struct parser *p, size_t i)
{
	size_t end = statement_end(p, i), value = assigned(p, i, end);
	static const char *const skipped[] = { "fetch", "move", "close", "get", "null", "commit", "rollback", "end" };
	if (is_one_of(p, i, skipped, sizeof(skipped) / sizeof(skipped[0])))
		return end + 1;
	if (value < end)
		give(p, PLPGSQL_EXPRESSION, value, end);
	else if (is_word(p, i, "perform") || is_word(p, i, "assert"))
		give(p, PLPGSQL_EXPRESSION, i + 1, end);
	else
		give_statement(p, i, end);
	return end + 1;
}

static size_t condition(struct parser *p, size_t i, const char *stop)
{
	size_t end = find_word(p, i + 1, p->tokens.count, stop);
	give(p, PLPGSQL_EXPRESSION, i + 1, end);
	return end + 1;
}

static size_t leave(struct parser *p, size_t i)
{
	size_t end = statement_end(p, i), when = find_word(p, i, end, "when");
	give(p, PLPGSQL_EXPRESSION, when + 1, end);
	return end + 1;
}

static size_t begin_case(struct parser *p, size_t i)
{
	size_t when = i + 1;
	for (int depth = 0; when < p->tokens.count && !(depth == 0 && is_word(p, when, "when")); when++)
		depth += depth_change(p, when);
	give(p, PLPGSQL_EXPRESSION, i + 1, when);
	return when;
}

static size_t label(const struct parser *p, size_t i)
{
	while (i < p->tokens.count && !is_operator(p, i, ">>"))
		i++;
	return i + 1;
}

static size_t statement(struct parser *p, size_t i)
{
	static const char *const alone[] = { "then", "else", "loop", "exception" };
	if (is_operator(p, i, "<<"))
		return label(p, i);
	if (is_operator(p, i, "#")) /* #variable_conflict use_column */
		return i + (is_word(p, i + 1, "option") || is_word(p, i + 1, "variable_conflict") ||
					    is_word(p, i + 1, "print_strict_params")
				    ? 3
				    : 2);
	if (is_word(p, i, "declare") || is_word(p, i, "begin")) {
		p->declaring = is_word(p, i, "declare");
		return i + 1;
	}
	if (is_mark(p, i, ";") || is_one_of(p, i, alone, 4))
		return i + 1;
	if (p->declaring)
		return declaration(p, i);
	if (is_word(p, i, "if") || is_word(p, i, "elsif") || is_word(p, i, "elseif") || is_word(p, i, "when"))
		return condition(p, i, "then");
	if (is_word(p, i, "while"))
		return condition(p, i, "loop");
	if (is_word(p, i, "for") || is_word(p, i, "foreach"))
		return loop_over(p, i);
	if (is_word(p, i, "case"))
		return begin_case(p, i);
	if (is_word(p, i, "exit") || is_word(p, i, "continue"))
		return leave(p, i);
	if (is_word(p, i, "return"))
		return give_return(p, i);
	if (is_word(p, i, "raise"))
		return give_raise(p, i);
	if (is_word(p, i, "open"))
		return give_open(p, i);
	if (is_word(p, i, "execute")) {
		size_t end = statement_end(p, i);
		give_dynamic(p, i + 1, end);
		return end + 1;
	}
	return other(p, i);
}

void plpgsql_pieces(struct arena *arena, struct slice body, plpgsql_fn *each, void *context)
{
	struct parser parser = { .arena = arena, .body = body, .each = each, .context = context };
	token_list_init(&parser.tokens);
	lexer_run(body, true, &parser.tokens);
	for (size_t i = 0; i < parser.tokens.count;)
		i = statement(&parser, i);
	token_list_deinit(&parser.tokens);
}

/* ---- dynamic SQL ---- */

static void append_operand(struct parser *p, size_t first, size_t end, struct buf *out);

/* format()'s %s, %I and %L, with a position and a width or not; 0: none of them. */
static char conversion(struct slice text, size_t at, size_t *len_out)
{
	size_t i = at + 1;
	while (i < text.len && strchr("0123456789$-*", text.data[i]))
		i++;
	if (i >= text.len || !strchr("sIL%", text.data[i]))
		return 0;
	*len_out = i + 1 - at;
	return text.data[i];
}

struct arguments {
	size_t first[32], end[32];
	size_t count;
};

static void split_arguments(const struct parser *p, size_t first, size_t end, struct arguments *out)
{
	int depth = 0;
	size_t start = first;
	out->count = 0;
	for (size_t i = first; i <= end && out->count < 32; i++) {
		if (i == end || (depth == 0 && is_mark(p, i, ","))) {
			out->first[out->count] = start;
			out->end[out->count++] = i;
			start = i + 1;
		} else {
			depth += depth_change(p, i);
		}
	}
}

static void append_argument(struct parser *p, const struct arguments *arguments, size_t number, char kind,
			    struct buf *out)
{
	if (kind == 'L')
		buf_append_str(out, "NULL");
	else if (number < arguments->count)
		append_operand(p, arguments->first[number], arguments->end[number], out);
	else
		buf_append_str(out, PLPGSQL_UNKNOWN);
}

static void append_format(struct parser *p, size_t first, size_t end, struct buf *out)
{
	struct arguments arguments;
	struct slice text;
	size_t next = 1, len;
	split_arguments(p, first, end, &arguments);
	bool is_literal = arguments.count && arguments.end[0] == arguments.first[0] + 1 &&
			  token_is_literal(token(p, arguments.first[0])) &&
			  token_string(p->arena, p->body, token(p, arguments.first[0]), &text);
	if (!is_literal) {
		buf_append_str(out, PLPGSQL_UNKNOWN);
		return;
	}
	for (size_t i = 0; i < text.len;) {
		char kind = text.data[i] == '%' ? conversion(text, i, &len) : 0;
		if (!kind) {
			buf_append_byte(out, (uint8_t)text.data[i++]);
			continue;
		}
		size_t number = 0;
		for (size_t k = i + 1; k < text.len && text.data[k] >= '0' && text.data[k] <= '9' && number < 1000; k++)
			number = number * 10 + (size_t)(text.data[k] - '0');
		bool has_place = number && memchr(text.data + i, '$', len);
		if (kind == '%')
			buf_append_byte(out, '%');
		else
			append_argument(p, &arguments, has_place ? number : next, kind, out);
		next = kind == '%' ? next : (has_place ? number : next) + 1;
		i += len;
	}
}

/* A call of `function` around everything. */
static bool is_call(const struct parser *p, size_t first, size_t end, const char *function)
{
	return end - first >= 3 && is_word(p, first, function) && is_mark(p, first + 1, "(") && is_mark(p, end - 1, ")");
}

static void append_operand(struct parser *p, size_t first, size_t end, struct buf *out)
{
	struct slice text;
	if (first >= end || p->nested >= NESTED_MAX) {
		buf_append_str(out, PLPGSQL_UNKNOWN);
		return;
	}
	p->nested++;
	bool is_literal = end == first + 1 && token_is_literal(token(p, first)) && token(p, first)->class != TOKEN_NUMBER;
	if (is_literal && token_string(p->arena, p->body, token(p, first), &text))
		buf_append_slice(out, text);
	else if (is_call(p, first, end, "format"))
		append_format(p, first + 2, end - 1, out);
	else if (is_call(p, first, end, "quote_literal") || is_call(p, first, end, "quote_nullable"))
		buf_append_str(out, "NULL");
	else if (is_call(p, first, end, "quote_ident"))
		append_operand(p, first + 2, end - 1, out);
	else
		buf_append_str(out, PLPGSQL_UNKNOWN);
	p->nested--;
}

struct slice plpgsql_dynamic(struct arena *arena, struct slice expression)
{
	struct parser p = { .arena = arena, .body = expression };
	struct buf out;
	int depth = 0;
	size_t start = 0;
	buf_init(&out);
	token_list_init(&p.tokens);
	lexer_run(expression, true, &p.tokens);
	for (size_t i = 0; i <= p.tokens.count; i++) {
		if (i == p.tokens.count || (depth == 0 && is_operator(&p, i, "||"))) {
			if (i > start)
				append_operand(&p, start, i, &out);
			start = i + 1;
		} else {
			depth += depth_change(&p, i);
		}
	}
	token_list_deinit(&p.tokens);
	struct slice text = slice_of(arena_copy(arena, out.data ? out.data : "", out.len), out.len);
	buf_deinit(&out);
	return text;
}
