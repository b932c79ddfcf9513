#include "check/finding.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

void findings_init(struct findings *findings)
{
	*findings = (struct findings){ 0 };
	arena_init(&findings->arena);
}

void findings_deinit(struct findings *findings)
{
	free(findings->items);
	arena_deinit(&findings->arena);
}

static const char *__attribute__((format(printf, 2, 0))) print(struct arena *arena, const char *format, va_list args)
{
	va_list again;
	va_copy(again, args);
	int len = vsnprintf(NULL, 0, format, again);
	va_end(again);
	char *text = arena_alloc(arena, (size_t)(len < 0 ? 0 : len) + 1);
	vsnprintf(text, (size_t)(len < 0 ? 0 : len) + 1, format, args);
	return text;
}

struct finding *findings_add(struct findings *findings, enum finding_severity severity, const char *entry,
			     const char *kind, const char *object, const char *format, ...)
{
	va_list args;
	if (findings->count == findings->capacity) {
		findings->capacity = findings->capacity ? findings->capacity * 2 : 32;
		findings->items = memory_realloc(findings->items, findings->capacity * sizeof(*findings->items));
	}
	va_start(args, format);
	const char *text = print(&findings->arena, format, args);
	va_end(args);
	struct finding *finding = &findings->items[findings->count++];
	*finding = (struct finding){ .severity = severity,
				     .entry = arena_strdup(&findings->arena, entry),
				     .kind = arena_strdup(&findings->arena, kind),
				     .object = arena_strdup(&findings->arena, object),
				     .text = text };
	return finding;
}

void finding_hint(struct findings *findings, struct finding *finding, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	finding->hint = print(&findings->arena, format, args);
	va_end(args);
}

static int compare_texts(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "");
}

static int compare(const void *a, const void *b)
{
	const struct finding *x = a, *y = b;
	int order = (int)y->severity - (int)x->severity;
	if (!order)
		order = compare_texts(x->entry, y->entry);
	if (!order)
		order = compare_texts(x->kind, y->kind);
	if (!order)
		order = compare_texts(x->object, y->object);
	return order ? order : compare_texts(x->text, y->text);
}

void findings_sort(struct findings *findings)
{
	if (findings->count)
		qsort(findings->items, findings->count, sizeof(*findings->items), compare);
}

size_t findings_count(const struct findings *findings, enum finding_severity severity)
{
	size_t count = 0;
	for (size_t i = 0; i < findings->count; i++)
		count += findings->items[i].severity == severity;
	return count;
}

const char *finding_severity_name(enum finding_severity severity)
{
	static const char *const names[] = { "note", "warning", "error" };
	return names[severity];
}
