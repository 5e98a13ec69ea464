/** @file
 * What the native functions of infinity.file and infinity.directory share.
 */
#ifndef LM_SCRIPT_FILES_NATIVE_H
#define LM_SCRIPT_FILES_NATIVE_H

#include "script/files.h"
#include "script/js/sources.h"
#include "script/runtime.h"

#include <sys/stat.h>

/** A name as the script gave it, and where that is. */
struct lm_file_name {
	char name[PATH_MAX], path[PATH_MAX];
};

/** The i-th argument. False: thrown. */
bool lm_file_named(const struct lm_js_call *call, size_t i, struct lm_file_name *out);
/** undefined, or thrown. */
struct lm_js_value *lm_file_done(const struct lm_js_call *call, int err, struct lm_error *error);
LM_MUST int lm_file_stat(const struct lm_file_name *f, bool follow, struct stat *out_st,
                         struct lm_error *out_error);

/** (name): whether it was made, with its parents; false where it is there. */
struct lm_js_value *lm_directory_create(const struct lm_js_call *call);
/** (name, all that is in it, too?): whether it was there. */
struct lm_js_value *lm_directory_remove(const struct lm_js_call *call);
/** (name): "name NUL attributes NUL" of each entry, without "." and ".."; attributes: the letters f
 * (file), d (directory), s (something else), l (a link), r (not writable for anybody). */
struct lm_js_value *lm_directory_list(const struct lm_js_call *call);

#endif
