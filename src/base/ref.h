/* Reference counts of objects that threads share. */
#ifndef CROSSFADE_BASE_REF_H
#define CROSSFADE_BASE_REF_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct ref {
	_Atomic uint32_t count;
};

static inline void ref_init(struct ref *ref)
{
	atomic_init(&ref->count, 1);
}

static inline void ref_take(struct ref *ref)
{
	atomic_fetch_add_explicit(&ref->count, 1, memory_order_relaxed);
}

/* True when the last reference went: the caller frees. */
static inline bool ref_drop(struct ref *ref)
{
	return atomic_fetch_sub_explicit(&ref->count, 1, memory_order_acq_rel) == 1;
}

#endif
