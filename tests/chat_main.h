/** @file
 * The main of a transcript test: every dialogue of tests/chat/PREFIX*.md is one test.
 */
#ifndef LM_TESTS_CHAT_MAIN_H
#define LM_TESTS_CHAT_MAIN_H

#include "chat.h"

/** `prefixes` ends with NULL; in one that begins with '~' the dialogues are turned round, those
 * that can be. Returns the exit code. */
int chat_main(const char *const *prefixes, chat_factory_fn factory);

#endif
