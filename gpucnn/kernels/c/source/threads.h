/* One pool of threads for all kernels of this library, asleep while idle. */
#ifndef GPUCNN_THREADS_H
#define GPUCNN_THREADS_H

#include <stdint.h>

typedef void (*Task)(void *context, int64_t index);

/* How many threads compute, the calling one included. To be called once at least, before the first `run`. */
void set_threads(int count);

/* Call task(context, 0) ... task(context, count - 1), each once, on the pool's threads; returns when all are done.
 *
 * Where the pool is at work for another thread, or for the task that calls, the calling thread does all of it. */
void run(Task task, void *context, int64_t count);

/* As `run` if `worth_sharing`; else on the calling thread alone, for work that takes less time than waking threads. */
void run_if(int worth_sharing, Task task, void *context, int64_t count);

#endif
