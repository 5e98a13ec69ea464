/** @file
 * What every fuzz target is: one function over octets, run by libFuzzer or by replay.c.
 */
#ifndef LM_FUZZ_TARGET_H
#define LM_FUZZ_TARGET_H

#include "base/buf.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** A property does not hold: stop, so that the input is kept. */
#define FUZZ_CHECK(cond) ((cond) ? (void)0 : abort())

#endif
