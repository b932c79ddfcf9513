/* What a fuzz target defines: libFuzzer's entry, called by libFuzzer or by replay.c. */
#ifndef CROSSFADE_TESTS_FUZZ_H
#define CROSSFADE_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
