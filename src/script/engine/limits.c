/* Limits: the engine asks now and then whether script has run long enough. */
#include "script/engine/park.h"
#include "script/engine/vm.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_MS 1000000LL
/* How often the engine asks, in nanoseconds of processor time. Less than 10 ms and it crashes. */
#define ASK_MIN  (10 * NS_PER_MS)
#define ASK_HEAP (20 * NS_PER_MS)
#define ASK_MAX  (50 * NS_PER_MS)
/* What an ended call left in the queue of microtasks is ended, too, this many times at most. */
#define LEFT_OVER_MAX 100

static int64_t read_clock(clockid_t clock)
{
	struct timespec t;

	if (clock_gettime(clock, &t))
		return 0;
	return t.tv_sec * 1000 * NS_PER_MS + t.tv_nsec;
}

uint64_t lm_js_heap(struct lm_js *js)
{
	JSObjectRef all = lm_jsc.JSGetMemoryUsageStatistics(js->ctx);
	JSStringRef key = lm_js_name(js, "heapSize");
	JSValueRef size = all && key ? lm_jsc.JSObjectGetProperty(js->ctx, all, key, NULL) : NULL;
	double octets = size ? lm_js_to_number(js, lm_js_out(size)) : 0;

	return octets > 0 ? (uint64_t)octets : 0;
}

static bool time_is_over(JSContextRef ctx, void *context);

static int64_t ask_every(const struct lm_js *js)
{
	int64_t cpu = atomic_load_explicit(&js->cpu, memory_order_relaxed);
	int64_t every = js->heap ? ASK_HEAP : ASK_MAX;

	if (cpu && cpu / 4 < every)
		every = cpu / 4;
	return every > ASK_MIN ? every : ASK_MIN;
}

static void arm(struct lm_js *js)
{
	double seconds = (double)ask_every(js) / (1000.0 * (double)NS_PER_MS);

	lm_jsc.JSContextGroupSetExecutionTimeLimit(js->group, seconds, time_is_over, js);
}

/* Processor time of the outermost call so far; `assumed` when nobody has looked before. */
static int64_t used(struct lm_js *js, int64_t assumed)
{
	int64_t entry = atomic_load(&js->entry), now;

	if (entry == LM_JS_ENTRY_NONE)
		return 0;
	now = read_clock(js->clock);
	if (entry >= 0)
		return now - entry;
	atomic_compare_exchange_strong(&js->entry, &entry, now - assumed);
	return assumed;
}

/* Octets of the whole process that are in memory: no VM holds more. */
static uint64_t resident(void)
{
	char text[64];
	uint64_t pages = 0;
	int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
	const char *at;

	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return UINT64_MAX;
	text[n] = 0;
	at = strchr(text, ' ');
	for (at = at ? at + 1 : ""; *at >= '0' && *at <= '9'; at++)
		pages = pages * 10 + (uint64_t)(*at - '0');
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Asking takes the longer the more objects there are, so what it costs says when to ask again. */
static bool heap_is_over(struct lm_js *js)
{
	int64_t start = read_clock(js->clock);
	bool over;

	if (!js->heap || start < js->heap_ask || resident() <= js->heap)
		return false;
	over = lm_js_heap(js) > js->heap;
	js->heap_ask = read_clock(js->clock) + 3 * (read_clock(js->clock) - start);
	return over;
}

static enum lm_js_end find_end(struct lm_js *js)
{
	int64_t cpu = atomic_load_explicit(&js->cpu, memory_order_relaxed);

	if (js->depth == 0)
		return LM_JS_END_NOT;
	if (cpu && used(js, ask_every(js)) >= cpu)
		return LM_JS_END_CPU;
	return heap_is_over(js) ? LM_JS_END_HEAP : LM_JS_END_NOT;
}

/* The engine asks. Looking at the heap can make it ask again meanwhile. */
static bool time_is_over(JSContextRef ctx, void *context)
{
	struct lm_js *js = context;

	(void)ctx;
	if (js->asked)
		return false;
	js->asked = true;
	if (!js->ending)
		js->ending = find_end(js);
	js->asked = false;
	arm(js);
	return js->ending != LM_JS_END_NOT;
}

/* The end still echoes in the engine: nothing runs before a script has gone well. What that makes
 * run of the ended call's microtasks gets no second chance. */
static void run_echoes(struct lm_js *js)
{
	JSStringRef nothing = lm_jsc.JSStringCreateWithUTF8CString("0");
	JSValueRef exception = nothing ? NULL : js->code;

	js->depth++;
	for (unsigned n = 0; n < LEFT_OVER_MAX; n++) {
		exception = NULL;
		lm_jsc.JSEvaluateScript(js->ctx, nothing, NULL, NULL, 1, &exception);
		if (!exception)
			break;
	}
	js->depth--;
	lm_jsc.JSStringRelease(nothing);
}

bool lm_js_leave_slow(struct lm_js *js)
{
	enum lm_js_end end = js->ending;

	run_echoes(js);
	js->ending = LM_JS_END_NOT;
	js->ended = end;
	if (end == LM_JS_END_HEAP)
		lm_js_collect(js);
	lm_js_throw(js, LM_JS_ERROR, "%s",
	            end == LM_JS_END_CPU ? "the script took more processor time than it may"
	                                 : "the script holds more memory than it may");
	js->thrown_end = end;
	return true;
}

void lm_js_set_limits(struct lm_js *js, const struct lm_js_limits *limits)
{
	int64_t cpu = limits ? limits->cpu : 0;

	js->heap = limits ? limits->heap : 0;
	atomic_store(&js->cpu, cpu < INT64_MAX / NS_PER_MS ? cpu * NS_PER_MS : 0);
	if (cpu || js->heap)
		arm(js);
	else
		lm_jsc.JSContextGroupClearExecutionTimeLimit(js->group);
}

bool lm_js_was_ended(struct lm_js *js)
{
	bool was = js->ended != LM_JS_END_NOT;

	js->ended = LM_JS_END_NOT;
	return was;
}

lm_time_ms lm_js_overdue(struct lm_js *js)
{
	int64_t cpu = atomic_load_explicit(&js->cpu, memory_order_relaxed);
	int64_t over = cpu ? used(js, 0) - cpu : 0;

	return over > 0 ? (over + NS_PER_MS - 1) / NS_PER_MS : 0;
}

int lm_js_abandon(struct lm_js *js)
{
	if (pthread_equal(pthread_self(), js->thread) ||
	    atomic_load(&js->entry) == LM_JS_ENTRY_NONE)
		return LM_E_MISUSE;
	return lm_park(js->thread);
}

void lm_js_collect(struct lm_js *js)
{
	lm_jsc.JSSynchronousGarbageCollectForDebugging(js->ctx);
}
