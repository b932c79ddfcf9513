/* Intrusive doubly linked list: the links live in the element. */
#ifndef CROSSFADE_BASE_LIST_H
#define CROSSFADE_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list_link {
	struct list_link *next, *prev;
};

#define LIST_ENTRY(link, type, member) ((type *)((char *)(link)-offsetof(type, member)))
#define LIST_FOR_EACH(link, head) for (struct list_link *link = (head)->next; link != (head); link = link->next)
/* Safe when the loop's body removes the current element, and no other: see list_take. */
#define LIST_FOR_EACH_SAFE(link, head)                                                             \
	for (struct list_link *link = (head)->next, *link##_next = link->next; link != (head);     \
	     link = link##_next, link##_next = link->next)

static inline void link_init(struct list_link *head)
{
	head->next = head->prev = head;
}

static inline bool link_is_empty(const struct list_link *head)
{
	return head->next == head;
}

static inline void link_append(struct list_link *head, struct list_link *link)
{
	link->prev = head->prev;
	link->next = head;
	head->prev->next = link;
	head->prev = link;
}

static inline void link_remove(struct list_link *link)
{
	link->prev->next = link->next;
	link->next->prev = link->prev;
	link_init(link);
}

/* All that `from` has, in its order; what was in `to` is forgotten. To walk a list of which anything may be removed
 * meanwhile: take it, then put one after the other back. */
static inline void list_take(struct list_link *from, struct list_link *to)
{
	link_init(to);
	while (!link_is_empty(from)) {
		struct list_link *link = from->next;
		link_remove(link);
		link_append(to, link);
	}
}

#endif
