#include "rewrite/lexer.h"

#include <criterion/criterion.h>

static struct token_list tokens;
static struct arena arena;

static void open_all(void)
{
	token_list_init(&tokens);
	arena_init(&arena);
}

static void close_all(void)
{
	token_list_deinit(&tokens);
	arena_deinit(&arena);
}

TestSuite(lexer, .init = open_all, .fini = close_all);

/* Tokens joined by |. */
static void expect(const char *sql, const char *wanted)
{
	struct buf got;
	buf_init(&got);
	lexer_run(slice_str(sql), true, &tokens);
	for (size_t i = 0; i < tokens.count; i++) {
		if (i)
			buf_append_byte(&got, '|');
		buf_append_slice(&got, token_text(slice_str(sql), &tokens.items[i]));
	}
	cr_expect_str_eq(buf_cstr(&got), wanted);
	buf_deinit(&got);
}

static void expect_identifier(const char *sql, const char *wanted)
{
	char name[NAME_MAX_BYTES + 1];
	lexer_run(slice_str(sql), true, &tokens);
	cr_assert_eq(tokens.count, 1, "%s is one token", sql);
	token_identifier(slice_str(sql), &tokens.items[0], name);
	cr_expect_str_eq(name, wanted);
}

static void expect_string(const char *sql, const char *wanted)
{
	struct slice value;
	lexer_run(slice_str(sql), true, &tokens);
	cr_assert_eq(tokens.count, 1, "%s is one token", sql);
	cr_assert(token_string(&arena, slice_str(sql), &tokens.items[0], &value), "%s decodes", sql);
	cr_expect(slice_is(value, wanted), "%s is %.*s, not %s", sql, (int)value.len, value.data, wanted);
}

Test(lexer, words_numbers_and_marks)
{
	expect("a.b1$_(c)", "a|.|b1$_|(|c|)");
	expect("1 1.5 .5 1. 1e5 1e-5 1..2", "1|1.5|.5|1.|1e5|1e-5|1|..|2");
	expect("a::b a:b a:=b", "a|::|b|a|:|b|a|:=|b");
	expect("$1 $22a", "$1|$22a");
}

Test(lexer, operators_end_before_comments_and_signs)
{
	expect("a+-b", "a|+|-|b");
	expect("a@-b", "a|@-|b");
	expect("a<=-1", "a|<=|-|1");
	expect("a*--x\n b", "a|*|b");
	expect("a*/*x*/b", "a|*|b");
}

Test(lexer, strings_of_all_kinds_are_one_token)
{
	expect("'a''b' E'a\\'b' B'1' x'f' N'a' U&'a' $$a$b$$ $t$a$$b$t$", "'a''b'|E'a\\'b'|B'1'|x'f'|N'a'|U&'a'|$$a$b$$|$t$a$$b$t$");
	expect("'a'\n'b' 'c' 'd'", "'a'\n'b'|'c'|'d'");
	expect("'a' --x\n --'y\n 'b'", "'a' --x\n --'y\n 'b'");
	expect("U&'a' uescape '!' b", "U&'a' uescape '!'|b");
	expect("U&\"a\" /*c*/ UESCAPE '!'.b", "U&\"a\" /*c*/ UESCAPE '!'|.|b");
}

Test(lexer, what_does_not_end_is_told)
{
	static const char *const texts[] = { "a 'b", "a \"b", "a /* /* */", "a $$b", "a U&'b", "a E'\\'" };
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		lexer_run(slice_str(texts[i]), true, &tokens);
		cr_expect_eq(tokens.status, LEXER_UNTERMINATED, "%s", texts[i]);
		cr_expect_eq(tokens.count, 1, "%s", texts[i]);
	}
	lexer_run(slice_of("a\0b", 3), true, &tokens);
	cr_expect_eq(tokens.status, LEXER_NUL);
	cr_expect_eq(tokens.count, 1);
}

Test(lexer, identifiers_are_folded_decoded_and_cut)
{
	expect_identifier("FooBar", "foobar");
	expect_identifier("\"FooBar\"", "FooBar");
	expect_identifier("\"a\"\"b\"", "a\"b");
	expect_identifier("U&\"d\\0061t\\+000061\"", "data");
	expect_identifier("U&\"d!0061ta\" UESCAPE '!'", "data");
	expect_identifier("U&\"\\d83d\\de00\"", "\xF0\x9F\x98\x80");
	expect_identifier("a23456789012345678901234567890123456789012345678901234567890123x",
			  "a23456789012345678901234567890123456789012345678901234567890123");
	/* 62 bytes and a character of three: it is dropped whole. */
	expect_identifier("a2345678901234567890123456789012345678901234567890123456789012\xED\x95\x9C",
			  "a2345678901234567890123456789012345678901234567890123456789012");
}

Test(lexer, strings_are_decoded)
{
	expect_string("'it''s'", "it's");
	expect_string("'a'\n  'b'", "ab");
	expect_string("E'\\x41\\102\\u0043\\n\\''", "ABC\n'");
	expect_string("U&'\\0041\\\\'", "A\\");
	expect_string("U&'!0041' uescape '!'", "A");
	expect_string("$x$a'b$x$", "a'b");
	expect_string("'\\'", "\\");
}

Test(lexer, blanking_comments_keeps_every_offset)
{
	const char *sql = "a /*b*/ 'c--d' --e\n$$/*f*/$$ 'g' --h'\n 'i' U&\"j\"/*k*/uescape '!'";
	char copy[128];
	lexer_run(slice_str(sql), true, &tokens);
	lexer_blank_comments(slice_str(sql), &tokens, copy);
	cr_expect_str_eq(copy, "a       'c--d'    \n$$/*f*/$$ 'g'     \n 'i' U&\"j\"     uescape '!'");
}

Test(lexer, without_standard_strings_a_backslash_escapes)
{
	lexer_run(slice_str("'a\\' b'"), false, &tokens);
	cr_expect_eq(tokens.count, 1);
	lexer_run(slice_str("'a\\' b"), true, &tokens);
	cr_expect_eq(tokens.count, 2);
}
