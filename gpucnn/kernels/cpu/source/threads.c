#include "threads.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

/* A thread that waits looks this long before it sleeps: the next kernel of a training step comes within that time,
 * and to wake a sleeping thread takes as long. */
#define PATIENCE_NANOSECONDS 50000
#define LOOKS_PER_CLOCK 64
#define CLOSED (1 << 30) /* beside the number of helpers in `inside`: nobody may come in any more */
#define MOST_HELPERS 1023

static struct {
    Task task;
    void *context;
    int64_t count;
    atomic_llong next;   /* the first index that nobody has taken */
    atomic_int inside;   /* helpers at work, and CLOSED */
    atomic_uint number;  /* counts jobs, so that a helper sees a new one */
} job;

static struct {
    pthread_mutex_t owner; /* held by the thread whose job runs */
    pthread_mutex_t lock;  /* of `sleepers` */
    pthread_cond_t wake;
    int sleepers;
    int wanted; /* helpers beside the calling thread */
    int started;
} pool = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0, 0};

static void pause_briefly(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static int64_t nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void take_tasks(void) {
    for (;;) {
        int64_t index = atomic_fetch_add(&job.next, 1);
        if (index >= job.count) {
            return;
        }
        job.task(job.context, index);
    }
}

/* Wait for a job after number `seen`, and return its number. */
static unsigned next_job(unsigned seen) {
    int64_t end = nanoseconds() + PATIENCE_NANOSECONDS;
    do {
        for (int look = 0; look < LOOKS_PER_CLOCK; look++) {
            if (atomic_load(&job.number) != seen) {
                return atomic_load(&job.number);
            }
            pause_briefly();
        }
    } while (nanoseconds() < end);
    pthread_mutex_lock(&pool.lock);
    pool.sleepers++;
    while (atomic_load(&job.number) == seen) {
        pthread_cond_wait(&pool.wake, &pool.lock);
    }
    pool.sleepers--;
    pthread_mutex_unlock(&pool.lock);
    return atomic_load(&job.number);
}

static void *help(void *first) {
    unsigned seen = (unsigned)(uintptr_t)first;
    for (;;) {
        seen = next_job(seen);
        if (atomic_fetch_add(&job.inside, 1) < CLOSED) {
            take_tasks();
        }
        atomic_fetch_sub(&job.inside, 1);
    }
    return NULL;
}

/* A forked child has none of its parent's threads, and whatever lock they held. */
static void begin_anew(void) {
    pthread_mutex_init(&pool.owner, NULL);
    pthread_mutex_init(&pool.lock, NULL);
    pthread_cond_init(&pool.wake, NULL);
    pool.sleepers = pool.started = 0;
    atomic_store(&job.inside, CLOSED);
}

static void start_helpers(void) {
    static bool registered = false;
    if (!registered) {
        pthread_atfork(NULL, NULL, begin_anew);
        registered = true;
    }
    for (; pool.started < pool.wanted; pool.started++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, help, (void *)(uintptr_t)atomic_load(&job.number)) != 0) {
            pool.wanted = pool.started; /* the machine gives no more threads: those there are do the work */
            return;
        }
        pthread_detach(thread);
    }
}

void set_threads(int count) {
    pthread_mutex_lock(&pool.owner);
    int helpers = count - 1;
    pool.wanted = helpers < pool.started ? pool.started : helpers > MOST_HELPERS ? MOST_HELPERS : helpers;
    pthread_mutex_unlock(&pool.owner);
}

static void open_job(Task task, void *context, int64_t count) {
    job.task = task;
    job.context = context;
    job.count = count;
    atomic_store(&job.next, 0);
    atomic_fetch_sub(&job.inside, CLOSED);
    atomic_fetch_add(&job.number, 1);
    pthread_mutex_lock(&pool.lock); /* so that a thread about to sleep has either seen the number, or hears this */
    if (pool.sleepers > 0) {
        pthread_cond_broadcast(&pool.wake);
    }
    pthread_mutex_unlock(&pool.lock);
}

/* Let no helper in, and wait for those inside. */
static void close_job(void) {
    atomic_fetch_add(&job.inside, CLOSED);
    for (int looks = 0; atomic_load(&job.inside) != CLOSED; looks++) {
        if (looks < 4096) {
            pause_briefly();
        } else {
            sched_yield();
        }
    }
}

static void run_here(Task task, void *context, int64_t count) {
    for (int64_t index = 0; index < count; index++) {
        task(context, index);
    }
}

void run(Task task, void *context, int64_t count) {
    if (count < 2 || pool.wanted < 1 || pthread_mutex_trylock(&pool.owner) != 0) {
        run_here(task, context, count);
        return;
    }
    if (pool.started < pool.wanted) {
        if (pool.started == 0) {
            atomic_store(&job.inside, CLOSED);
        }
        start_helpers();
    }
    open_job(task, context, count);
    take_tasks();
    close_job();
    pthread_mutex_unlock(&pool.owner);
}
