#include "rewrite/position_map.h"

#include <criterion/criterion.h>

static struct arena arena;
static struct splice_list list;

static void open_all(void)
{
	arena_init(&arena);
	splice_list_init(&list, &arena);
}

static void close_all(void)
{
	arena_deinit(&arena);
}

TestSuite(splice, .init = open_all, .fini = close_all);

static void expect(const char *original, const char *wanted)
{
	struct buf out;
	buf_init(&out);
	splice_sort(&list);
	splice_apply(&list, slice_str(original), strlen(original), &out);
	cr_expect_str_eq(buf_cstr(&out), wanted);
	buf_deinit(&out);
}

Test(splice, pieces_are_replaced_in_order_of_place)
{
	splice_add(&list, 4, 1, slice_str("XY"));
	splice_add(&list, 0, 2, slice_str(""));
	splice_add(&list, 6, 0, slice_str("Z"));
	expect("abcdef", "cdXYfZ");
}

Test(splice, a_piece_noted_twice_counts_once)
{
	splice_add(&list, 1, 1, slice_str("X"));
	splice_add(&list, 1, 1, slice_str("X"));
	expect("abc", "aXc");
}

Test(splice, every_position_outside_of_replacements_maps_to_its_own_character)
{
	const char *original = "aé bcd éf gh";
	struct rewrite_splice *positions;
	struct buf out;
	buf_init(&out);
	splice_add(&list, 4, 3, slice_str("ÉÉÉÉÉ")); /* bcd */
	splice_add(&list, 12, 2, slice_str("")); /* gh */
	splice_sort(&list);
	splice_apply(&list, slice_str(original), strlen(original), &out);
	cr_assert_eq(position_map_make(&list, slice_str(original), strlen(original), ENCODING_UTF8, &positions), 2);
	cr_expect_str_eq(buf_cstr(&out), "aé ÉÉÉÉÉ éf ");
	static const uint32_t wanted[] = { 0, 1, 2, 3, 4, 4, 4, 4, 4, 7, 8, 9, 10 };
	for (uint32_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		cr_expect_eq(position_map_original(positions, 2, i), wanted[i], "position %u", i);
	buf_deinit(&out);
}

Test(splice, characters_are_counted_by_encoding)
{
	cr_expect_eq(position_count_characters(slice_str("aé한😀"), ENCODING_UTF8), 4);
	cr_expect_eq(position_count_characters(slice_str("a\xe9\xe8"), ENCODING_SINGLE_BYTE), 3);
	cr_expect_eq(position_count_characters(slice_str("a\xb0\xa1\xb0\xa2"), ENCODING_SAFE_MULTI), 3);
	cr_expect_eq(position_count_characters(slice_str("\xf0"), ENCODING_UTF8), 1, "a cut character ends the text");
}

/* What stands at each character of the new text, by its position in the original; 0: ends the list. */
static void expect_positions(const char *original, const char *wanted_text, const uint32_t *wanted)
{
	struct rewrite_splice *positions;
	expect(original, wanted_text);
	size_t count = position_map_make(&list, slice_str(original), strlen(original), ENCODING_UTF8, &positions);
	for (uint32_t i = 0; wanted[i]; i++)
		cr_expect_eq(position_map_original(positions, count, i + 1), wanted[i], "position %u is %u", i + 1,
			     position_map_original(positions, count, i + 1));
}

Test(splice, a_moved_piece_keeps_its_splices_and_positions)
{
	splice_add(&list, 8, 1, slice_str("XX")); /* y */
	struct slice value = splice_move(&list, 5, 9);
	splice_add_moving(&list, 0, 3, slice_str(arena_printf(&arena, "<%.*s>", (int)value.len, value.data)));
	splice_add(&list, 4, 5, slice_str(""));
	expect_positions("aé, éxyz!", "<éxXX>,z!", (const uint32_t[]){ 1, 5, 6, 7, 7, 1, 3, 8, 9, 0 });
}

Test(splice, moved_pieces_may_change_places_and_stand_twice)
{
	struct slice first = splice_move(&list, 0, 1), second = splice_move(&list, 2, 3);
	splice_add_moving(&list, 0, 3, slice_str(arena_printf(&arena, "%.*s%.*s%.*s", (int)second.len, second.data,
							      (int)first.len, first.data, (int)second.len, second.data)));
	expect_positions("a=b;", "bab;", (const uint32_t[]){ 3, 1, 3, 4, 0 });
}

Test(splice, bytes_that_look_like_marks_are_only_text)
{
	splice_add(&list, 0, 1, slice_str("\2" "0\3"));
	expect("ab", "\2" "0\3" "b");
	splice_list_init(&list, &arena);
	splice_add_moving(&list, 0, 1, slice_str("\2" "7\3"));
	expect("ab", "\2" "7\3" "b");
}
