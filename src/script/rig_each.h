/** @file
 * For test files in which every test has a rig of its own: `rig`, and `begin` and `end` for
 * cmocka: setup and teardown.
 */
#ifndef LM_SCRIPT_RIG_EACH_H
#define LM_SCRIPT_RIG_EACH_H

#include "script/rig.h"

static struct lm_rig *rig;

static int begin(void **state)
{
	(void)state;
	rig = lm_rig_new();
	return 0;
}

static int end(void **state)
{
	(void)state;
	lm_rig_free(rig);
	return 0;
}

#endif
