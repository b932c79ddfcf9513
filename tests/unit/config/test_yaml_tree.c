#include "base/buf.h"
#include "config/yaml_tree.h"

#include "bad_input.h"

static const struct bad_input bad_yaml[] = {
	{ "a: 1\n\tb: 2\n", 2, 1,
	  "not valid YAML: found a tab character that violates indentation, while scanning a plain scalar", "spaces" },
	{ "a:\n\tb: 2\n", 2, 1,
	  "not valid YAML: found character that cannot start any token, while scanning for the next token", "spaces" },
	{ "a: \"x\n", 2, 1, "not valid YAML: found unexpected end of stream, while scanning a quoted scalar", NULL },
	{ "a: [x\n", 2, 1, "not valid YAML: did not find expected ',' or ']', while parsing a flow sequence", NULL },
	{ "a: {x: y\n", 2, 1, "not valid YAML: did not find expected ',' or '}', while parsing a flow mapping", NULL },
	{ "a: b: c\n", 1, 5, "not valid YAML: mapping values are not allowed in this context", "indentation" },
	{ "a: *b\n", 1, 4, "anchors and aliases (& and *) are not supported", "quote" },
	{ "a: &b c\n", 1, 4, "anchors and aliases (& and *) are not supported", "quote" },
	{ "a: &b [c]\n", 1, 4, "anchors and aliases (& and *) are not supported", "quote" },
	{ "&b a: c\n", 1, 1, "anchors and aliases (& and *) are not supported", "quote" },
	{ "a: !!str c\n", 1, 4, "tags (!) are not supported", "quote" },
	{ "a: !x {b: c}\n", 1, 4, "tags (!) are not supported", "quote" },
	{ "a: b\n---\nc: d\n", 2, 1, "a second document begins here", "---" },
	{ "--- a\n--- b\n", 2, 1, "a second document begins here", "---" },
	{ "a: 1\nb: 2\na: 3\n", 3, 1, "key `a` is given twice, first in line 1", NULL },
	{ "x: {b: 2, 'b': 3}\n", 1, 11, "key `b` is given twice, first in line 1", NULL },
	{ "? [a]\n: b\n", 1, 3, "a key must be a text, not a list or a mapping", NULL },
	{ "? {a: b}\n: b\n", 1, 3, "a key must be a text, not a list or a mapping", NULL },
	{ "a: \"x\\0y\"\n", 1, 4, "a text must not contain a NUL character", NULL },
	{ "a: 1\nb: \xff\n", 2, 4, "not valid YAML: invalid leading UTF-8 octet", NULL },
	{ "a: 1\nb\xc3\xa4: \x01\n", 2, 5, "not valid YAML: control characters are not allowed", NULL },
};

Test(yaml_tree, says_what_is_wrong_and_where)
{
	for (size_t i = 0; i < sizeof(bad_yaml) / sizeof(bad_yaml[0]); i++) {
		struct yaml_doc doc;
		struct error error;
		bool loaded = yaml_load_text(slice_str(bad_yaml[i].text), "test.yaml", &doc, &error);
		expect_error(&bad_yaml[i], loaded, &error);
		if (loaded)
			yaml_doc_deinit(&doc);
	}
}

static void load(const char *text, struct yaml_doc *doc_out)
{
	struct error error;
	if (!yaml_load_text(slice_str(text), "test.yaml", doc_out, &error))
		cr_assert_fail("%u:%u: %s", error.line, error.column, error.message);
}

Test(yaml_tree, values_know_where_they_stand)
{
	struct yaml_doc doc;
	load("# c\nkey: value\nlist: [1, 'two']\nm\xc3\xa4p:\n  ? x\n  : |\n    block\n", &doc);
	cr_assert_eq(doc.root.kind, YAML_MAP);
	cr_assert_eq(doc.root.count, 3);
	cr_expect_eq(doc.root.items[0].line, 2);
	cr_expect_eq(doc.root.items[0].column, 6);
	const struct yaml_value *list = yaml_get(&doc.root, "list");
	cr_expect_eq(list->kind, YAML_LIST);
	cr_expect_eq(list->items[1].column, 11);
	cr_expect(list->items[1].quoted);
	cr_expect_not(list->items[0].quoted);
	const struct yaml_value *block = yaml_get(yaml_get(&doc.root, "m\xc3\xa4p"), "x");
	cr_expect_str_eq(block->text, "block\n");
	cr_expect_null(yaml_get(&doc.root, "absent"));
	cr_expect_null(yaml_get(list, "absent"));
	yaml_doc_deinit(&doc);
}

Test(yaml_tree, only_plain_words_are_null)
{
	struct yaml_doc doc;
	load("[~, null, Null, NULL, '', \"null\", nUlL, 0]\n", &doc);
	for (size_t i = 0; i < doc.root.count; i++)
		cr_expect_eq(yaml_is_null(&doc.root.items[i]), i < 4, "%s", doc.root.items[i].text);
	yaml_doc_deinit(&doc);
}

Test(yaml_tree, an_empty_file_is_null)
{
	static const char *const texts[] = { "", "# only words\n", "---\n", "--- ~\n...\n", "\xef\xbb\xbf" };
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct yaml_doc doc;
		load(texts[i], &doc);
		cr_expect(yaml_is_null(&doc.root), "%s", texts[i]);
		yaml_doc_deinit(&doc);
	}
}

static bool fails_with(struct slice text, const char *message)
{
	struct yaml_doc doc;
	struct error error;
	if (yaml_load_text(text, "test.yaml", &doc, &error)) {
		yaml_doc_deinit(&doc);
		return false;
	}
	cr_expect_str_eq(error.message, message);
	return true;
}

Test(yaml_tree, depth_values_and_size_are_bounded, .timeout = 20)
{
	struct buf text;
	buf_init(&text);
	for (int i = 0; i < 200000; i++)
		buf_append_byte(&text, '[');
	cr_expect(fails_with(buf_slice(&text), "nested too deeply"));
	buf_clear(&text);
	for (int i = 0; i < 100; i++)
		buf_append_str(&text, "{a: ");
	cr_expect(fails_with(buf_slice(&text), "nested too deeply"));
	buf_clear(&text);
	for (int i = 0; i < YAML_MAX_VALUES; i++)
		buf_append_str(&text, "- a\n");
	cr_expect(fails_with(buf_slice(&text), "too many values in one file"));
	buf_clear(&text);
	for (int i = 0; i < 17 * 1024; i++) {
		buf_append_byte(&text, '#');
		for (int j = 0; j < 1023; j++)
			buf_append_byte(&text, j == 1022 ? '\n' : 'x');
	}
	cr_expect(fails_with(buf_slice(&text), "the file is larger than 16 MiB"));
	buf_deinit(&text);
}

Test(yaml_tree, a_long_message_does_not_cut_a_character)
{
	struct buf text;
	buf_init(&text);
	struct yaml_doc doc;
	struct error error;
	buf_append_str(&text, "x");
	for (int j = 0; j < 400; j++)
		buf_append_str(&text, "\xea\xb0\x80");
	buf_append_str(&text, ": 1\n");
	load(buf_cstr(&text), &doc);
	cr_expect_not(yaml_check_keys(&doc, &doc.root, NULL, 0, "a map", &error));
	size_t len = strlen(error.message);
	cr_expect(len > 400 && len < sizeof(error.message));
	cr_expect_eq((unsigned char)error.message[len - 1], 0x80, "cut inside a character");
	cr_expect_eq((unsigned char)error.message[len - 3], 0xea, "cut inside a character");
	yaml_doc_deinit(&doc);
	buf_deinit(&text);
}

Test(yaml_tree, written_texts_read_back)
{
	static const char *const texts[] = {
		"", "null", "a b", " x ", "\"quoted\" \\ back", "tab\tnewline\nend", "\x01\x7f", "\xc3\xa4\xea\xb0\x80",
		"\xc2\x85 nel \xc2\x9f", "\xe2\x80\xa8 line \xe2\x80\xa9", "\xef\xbb\xbf bom", "#: [{*&!", "\xf0\x9f\x98\x80",
	};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct yaml_doc doc;
		struct buf text;
		buf_init(&text);
		yaml_append_text(&text, texts[i]);
		load(buf_cstr(&text), &doc);
		cr_expect_str_eq(doc.root.text, texts[i]);
		cr_expect_not(yaml_is_null(&doc.root));
		yaml_doc_deinit(&doc);
		buf_deinit(&text);
	}
}
