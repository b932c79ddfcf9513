#include "rewrite/splice.h"

#include <stdlib.h>

void splice_list_init(struct splice_list *list, struct arena *arena)
{
	*list = (struct splice_list){ .arena = arena };
}

/* Doubles what is full. */
static void *grown(struct splice_list *list, void *items, size_t count, size_t *capacity, size_t item_bytes)
{
	if (count < *capacity)
		return items;
	*capacity = *capacity ? *capacity * 2 : 8;
	void *larger = arena_alloc(list->arena, *capacity * item_bytes);
	if (count)
		memcpy(larger, items, count * item_bytes);
	return larger;
}

static void add(struct splice_list *list, struct splice splice)
{
	splice.order = list->added++;
	list->items = grown(list, list->items, list->count, &list->capacity, sizeof(*list->items));
	list->items[list->count++] = splice;
}

void splice_add(struct splice_list *list, size_t offset, size_t len, struct slice text)
{
	add(list, (struct splice){ .offset = offset, .len = len, .text = text });
}

void splice_add_moving(struct splice_list *list, size_t offset, size_t len, struct slice text)
{
	add(list, (struct splice){ .offset = offset, .len = len, .text = text, .moves = true });
}

static int compare(const void *left, const void *right)
{
	const struct splice *a = left, *b = right;
	if (a->offset != b->offset)
		return a->offset < b->offset ? -1 : 1;
	if (a->len != b->len)
		return a->len < b->len ? -1 : 1;
	return a->order < b->order ? -1 : a->order > b->order;
}

/* Is it among those kept for the same place? One place has one replacement, but may have many insertions. */
static bool is_repeated(const struct splice *items, size_t kept, const struct splice *next)
{
	for (size_t i = kept; i > 0; i--) {
		const struct splice *other = &items[i - 1];
		if (other->offset != next->offset || other->len != next->len)
			return false;
		if (next->len || slice_eq(other->text, next->text))
			return true;
	}
	return false;
}

static size_t sort(struct splice *items, size_t count)
{
	if (count < 2)
		return count;
	qsort(items, count, sizeof(*items), compare);
	size_t kept = 1;
	for (size_t i = 1; i < count; i++) {
		if (!is_repeated(items, kept, &items[i]))
			items[kept++] = items[i];
	}
	return kept;
}

void splice_sort(struct splice_list *list)
{
	list->count = sort(list->items, list->count);
}

/* ---- words that must not meet ---- */

static bool is_word_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$' ||
	       (c & 0x80);
}

bool splice_joins(char before, char after)
{
	return is_word_byte(before) && is_word_byte(after);
}

static void separate(struct splice_list *list, struct slice original, struct splice *items, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct splice *splice = &items[i];
		size_t end = splice->offset + splice->len;
		struct slice text = splice->text;
		if (!text.len)
			continue;
		bool before = splice->offset && splice_joins(original.data[splice->offset - 1], text.data[0]);
		bool after = end < original.len && splice_joins(text.data[text.len - 1], original.data[end]);
		if (!before && !after)
			continue;
		list->separated = true;
		splice->text = slice_str(arena_printf(list->arena, "%s%.*s%s", before ? " " : "", (int)text.len, text.data,
						      after ? " " : ""));
	}
}

void splice_separate(struct splice_list *list, struct slice original)
{
	separate(list, original, list->items, list->count);
	for (size_t i = 0; i < list->moved_count; i++) {
		if (list->moved[i].start < list->moved[i].end) /* else it is all ours */
			separate(list, original, list->moved[i].items, list->moved[i].count);
	}
}

/* ---- moved pieces ---- */

/* Neither byte is part of a name, a literal or an operator that is ours. */
enum { MARK_BEGIN = 2, MARK_END = 3, MARK_MAX_BYTES = 24 };

static struct slice note_moved(struct splice_list *list, struct moved_piece moved)
{
	moved.count = sort(moved.items, moved.count);
	list->moved = grown(list, list->moved, list->moved_count, &list->moved_capacity, sizeof(*list->moved));
	list->moved[list->moved_count] = moved;
	return slice_str(arena_printf(list->arena, "%c%zu%c", MARK_BEGIN, list->moved_count++, MARK_END));
}

static bool is_inside(const struct splice *splice, size_t start, size_t end)
{
	return splice->offset >= start && splice->offset + splice->len <= end;
}

struct slice splice_copy(struct splice_list *list, size_t start, size_t end)
{
	struct moved_piece moved = { .start = start, .end = end };
	size_t count = 0;
	for (size_t i = 0; i < list->count; i++)
		count += is_inside(&list->items[i], start, end);
	moved.items = ARENA_ARRAY(list->arena, count, struct splice);
	for (size_t i = 0; i < list->count; i++) {
		if (is_inside(&list->items[i], start, end))
			moved.items[moved.count++] = list->items[i];
	}
	return note_moved(list, moved);
}

struct slice splice_stand_in(struct splice_list *list, size_t offset, struct slice text)
{
	struct moved_piece piece = { .start = offset, .end = offset, .count = 1 };
	piece.items = ARENA_NEW(list->arena, struct splice);
	piece.items[0] = (struct splice){ .offset = offset, .text = text };
	return note_moved(list, piece);
}

void splice_drop(struct splice_list *list, size_t start, size_t end)
{
	size_t kept = 0;
	for (size_t i = 0; i < list->count; i++) {
		if (!is_inside(&list->items[i], start, end))
			list->items[kept++] = list->items[i];
	}
	list->count = kept;
}

struct slice splice_move(struct splice_list *list, size_t start, size_t end)
{
	struct slice mark = splice_copy(list, start, end);
	splice_drop(list, start, end);
	return mark;
}

/* The piece whose mark stands at the start of text, and how long the mark is; NULL: there is none. */
static const struct moved_piece *read_mark(const struct splice_list *list, struct slice text, size_t *len_out)
{
	size_t number = 0, i = 1;
	while (i < text.len && i < MARK_MAX_BYTES && text.data[i] >= '0' && text.data[i] <= '9')
		number = number * 10 + (size_t)(text.data[i++] - '0');
	if (i == 1 || i == text.len || text.data[i] != MARK_END || number >= list->moved_count)
		return NULL;
	*len_out = i + 1;
	return &list->moved[number];
}

static void visit_pieces(const struct splice_list *list, const struct splice *items, size_t count, size_t start,
			 size_t end, bool moved, const struct splice_visitor *visitor);

static void visit_text(const struct splice_list *list, const struct splice *splice, const struct splice_visitor *visitor)
{
	struct slice text = splice->text;
	while (splice->moves && text.len) {
		const char *mark = memchr(text.data, MARK_BEGIN, text.len);
		size_t before = mark ? (size_t)(mark - text.data) : text.len, len = 0;
		const struct moved_piece *moved = mark ? read_mark(list, slice_of(mark, text.len - before), &len) : NULL;
		if (!moved)
			break;
		visitor->replaced(visitor->context, splice, slice_of(text.data, before));
		visit_pieces(list, moved->items, moved->count, moved->start, moved->end, true, visitor);
		text = slice_of(mark + len, text.len - before - len);
	}
	visitor->replaced(visitor->context, splice, text);
}

static void visit_pieces(const struct splice_list *list, const struct splice *items, size_t count, size_t start,
			 size_t end, bool moved, const struct splice_visitor *visitor)
{
	size_t at = start;
	for (size_t i = 0; i < count && items[i].offset + items[i].len <= end; i++) {
		visitor->copied(visitor->context, at, items[i].offset, moved);
		visit_text(list, &items[i], visitor);
		if (!moved && visitor->done)
			visitor->done(visitor->context, &items[i]);
		at = items[i].offset + items[i].len;
	}
	visitor->copied(visitor->context, at, end, moved);
}

void splice_visit(const struct splice_list *list, size_t end, const struct splice_visitor *visitor)
{
	visit_pieces(list, list->items, list->count, 0, end, false, visitor);
}

/* ---- the new text ---- */

struct apply {
	struct slice original;
	struct buf *out;
};

static void apply_copied(void *context, size_t start, size_t end, bool moved)
{
	struct apply *apply = context;
	buf_append(apply->out, apply->original.data + start, end - start);
}

static void apply_replaced(void *context, const struct splice *splice, struct slice text)
{
	struct apply *apply = context;
	buf_append_slice(apply->out, text);
}

void splice_apply(const struct splice_list *list, struct slice original, size_t end, struct buf *out)
{
	struct apply apply = { original, out };
	splice_visit(list, end, &(struct splice_visitor){ apply_copied, apply_replaced, NULL, &apply });
}
