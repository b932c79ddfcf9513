#include "base/log_limit.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/list.h"

#include <criterion/criterion.h>

Test(arena, hands_out_zeroed_aligned_memory)
{
	struct arena arena;
	arena_init(&arena);
	for (int i = 1; i < 500; i++) {
		unsigned char *p = arena_alloc(&arena, (size_t)i);
		cr_assert_eq((uintptr_t)p % 16, 0);
		for (int k = 0; k < i; k++)
			cr_assert_eq(p[k], 0);
		memset(p, 0xff, (size_t)i);
	}
	arena_reset(&arena);
	cr_assert_eq(arena.used_bytes, 0);
	unsigned char *again = arena_alloc(&arena, 4000);
	for (int k = 0; k < 4000; k++)
		cr_assert_eq(again[k], 0, "memory of an earlier round must be zeroed");
	arena_deinit(&arena);
}

Test(arena, prints_texts_of_any_length)
{
	struct arena arena;
	arena_init(&arena);
	char *text = arena_printf(&arena, "%0*d", 20000, 7);
	cr_assert_eq(strlen(text), 20000);
	arena_deinit(&arena);
}

Test(buf, grows_and_drops_at_the_front)
{
	struct buf buf;
	buf_init(&buf);
	for (int i = 0; i < 1000; i++)
		buf_append_u32(&buf, (uint32_t)i);
	cr_assert_eq(buf.len, 4000);
	buf_consume(&buf, 3996);
	cr_assert_eq((unsigned char)buf.data[3], 999 & 0xff);
	buf_consume(&buf, 99);
	cr_assert_eq(buf.len, 0);
	buf_printf(&buf, "%s=%d", "a", 5);
	cr_assert_str_eq(buf_cstr(&buf), "a=5");
	buf_deinit(&buf);
}

Test(error, cuts_long_messages_at_a_character)
{
	struct error error;
	char text[1200] = "x";
	for (size_t i = 1; i + 2 < sizeof(text); i += 2)
		memcpy(text + i, "\xc3\xa9", 3);
	error_set(&error, SQLSTATE_UNDEFINED_TABLE, "%s", text);
	size_t len = strlen(error.message);
	cr_assert_eq((unsigned char)error.message[len - 1], 0xa9, "a whole character must stand at the end");
	cr_assert_geq(len, sizeof(error.message) - 3);
}

Test(error, prints_place_message_detail_and_hint)
{
	struct error error;
	char *text = NULL;
	size_t len = 0;
	error_set(&error, SQLSTATE_CONFIG_FILE_ERROR, "unknown key %s", "lisen");
	error_detail(&error, "keys are few");
	error_hint(&error, "did you mean listen?");
	error_at(&error, "crossfade.yaml", 3, 7);
	FILE *stream = open_memstream(&text, &len);
	error_print(&error, stream);
	fclose(stream);
	cr_assert_str_eq(text, "crossfade.yaml:3:7: unknown key lisen\nDETAIL:  keys are few\n"
			       "HINT:  did you mean listen?\n");
	free(text);
}

Test(hash, depends_on_bytes_and_seed)
{
	cr_assert_eq(hash_of_bytes("abc", 3, 0), hash_of_bytes("abc", 3, 0));
	cr_assert_neq(hash_of_bytes("abc", 3, 0), hash_of_bytes("abd", 3, 0));
	cr_assert_neq(hash_of_bytes("abc", 3, 0), hash_of_bytes("abc", 3, 1));
}

struct item {
	int value;
	struct list_link link;
};

Test(list, keeps_order_and_allows_removal_while_walking)
{
	struct list_link head;
	struct item items[5];
	link_init(&head);
	for (int i = 0; i < 5; i++) {
		items[i].value = i;
		link_append(&head, &items[i].link);
	}
	int seen = 0;
	LIST_FOR_EACH_SAFE(link, &head)
	{
		struct item *item = LIST_ENTRY(link, struct item, link);
		cr_assert_eq(item->value, seen++);
		link_remove(link);
	}
	cr_assert_eq(seen, 5);
	cr_assert(link_is_empty(&head));
}

Test(list, what_was_taken_can_be_walked_whatever_is_removed_meanwhile)
{
	struct list_link head, due;
	struct item items[3];
	link_init(&head);
	for (int i = 0; i < 3; i++) {
		items[i].value = i;
		link_append(&head, &items[i].link);
	}
	list_take(&head, &due);
	cr_assert(link_is_empty(&head));
	int sum = 0;
	while (!link_is_empty(&due)) {
		struct item *item = LIST_ENTRY(due.next, struct item, link);
		link_remove(&item->link);
		link_append(&head, &item->link);
		sum += item->value;
		link_remove(&items[1].link);
	}
	cr_assert_eq(sum, 2);
	cr_assert_eq(LIST_ENTRY(head.next, struct item, link)->value, 0);
	cr_assert_eq(LIST_ENTRY(head.prev, struct item, link)->value, 2);
}

Test(log_limit, lets_some_through_in_each_span_and_counts_the_rest)
{
	struct log_limit limit = { .lines = 2, .span_us = 1000 };
	uint64_t suppressed = 99;
	cr_assert(log_limit_pass(&limit, 5, &suppressed));
	cr_assert_eq(suppressed, 0);
	cr_assert(log_limit_pass(&limit, 6, &suppressed));
	for (int i = 0; i < 7; i++)
		cr_assert_not(log_limit_pass(&limit, 900, &suppressed));
	cr_assert(log_limit_pass(&limit, 1005, &suppressed));
	cr_assert_eq(suppressed, 7);
	cr_assert(log_limit_pass(&limit, 1006, &suppressed));
	cr_assert_eq(suppressed, 0);
	cr_assert_not(log_limit_pass(&limit, 1007, &suppressed));
}
