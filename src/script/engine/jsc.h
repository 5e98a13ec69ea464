/** @file
 * JavaScriptCore as it is loaded: its public headers, prototypes of what it exports without a
 * header, and the table of its functions.
 */
#ifndef LM_SCRIPT_ENGINE_JSC_H
#define LM_SCRIPT_ENGINE_JSC_H

#include <lettermill/error.h>

#include <JavaScriptCore/JavaScript.h>

/** @name Exported, but in no installed header */
/**@{*/
typedef bool (*JSShouldTerminateCallback)(JSContextRef ctx, void *context);
/** After `seconds` of processor time in one entry `callback` says whether to end it; it must set
 * the limit again, or is not asked a second time. */
void JSContextGroupSetExecutionTimeLimit(JSContextGroupRef group, double seconds,
                                         JSShouldTerminateCallback callback, void *context);
void JSContextGroupClearExecutionTimeLimit(JSContextGroupRef group);
void JSGlobalContextSetUnhandledRejectionCallback(JSGlobalContextRef ctx, JSObjectRef function,
                                                  JSValueRef *exception);
/** Before anything else; the collector stops threads with it. */
bool JSConfigureSignalForGC(int signal);
void JSReportExtraMemoryCost(JSContextRef ctx, size_t octets);
JSObjectRef JSGetMemoryUsageStatistics(JSContextRef ctx);
void JSSynchronousGarbageCollectForDebugging(JSContextRef ctx);
/**@}*/

/** The functions, filled once by lm_jsc_load and only read from then on. */
struct lm_jsc {
#define F(name) __typeof__(name) *name;
#include "script/engine/jsc.def"
#undef F
	char version[48]; /**< "JavaScriptCore 2.50.6" */
};
extern struct lm_jsc lm_jsc;

/** Load the first of the named libraries (NULL ends them) that is there, and fill all of lm_jsc.
 * Errors: LM_E_UNSUPPORTED (there is none, or it lacks a function). Threads: one. */
LM_MUST int lm_jsc_load(const char *const names[], struct lm_error *out_error);

#endif
