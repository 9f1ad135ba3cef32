#include "threads.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

/* A thread that waits looks this long before it sleeps: the next kernel of a training step comes within that time,
 * and to wake a sleeping thread takes as long. Where another program has a core, to sleep is what lets the system move
 * the thread waited for to this one. */
#define PATIENCE_NANOSECONDS 50000
#define LOOKS_PER_CLOCK 64
#define CLOSED (1 << 30) /* beside the number of helpers in `inside`: nobody may come in any more */
#define MOST_HELPERS 1023

/* What threads sleep on until something changes. */
typedef struct {
    pthread_cond_t changed;
    atomic_int sleepers;
} Bell;

/* A thread begins with the indices of its own share, so that what neighbouring kernels compute there is in its core's
 * cache; then it takes what others have left. */
typedef struct {
    _Alignas(64) atomic_llong next; /* the first index that nobody has taken */
    int64_t stop;
} Share;

static Share shares[MOST_HELPERS + 1];

static struct {
    Task task;
    void *context;
    int count; /* of shares */
    atomic_int inside;  /* helpers at work, and CLOSED */
    atomic_uint number; /* counts jobs, so that a helper sees a new one */
} job = {.inside = CLOSED};

static struct {
    pthread_mutex_t owner; /* held by the thread whose job runs */
    pthread_mutex_t lock;  /* held to fall asleep on a bell, and to ring it */
    Bell opened, left;     /* a job; by the last helper inside */
    atomic_int wanted;     /* helpers that may work beside the calling thread */
    int started;           /* helpers that there are */
} pool = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER, {PTHREAD_COND_INITIALIZER, 0},
          {PTHREAD_COND_INITIALIZER, 0}, 0, 0};

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

static bool job_after(unsigned seen) { return atomic_load(&job.number) != seen; }
static bool all_left(unsigned unused) { return (void)unused, atomic_load(&job.inside) == CLOSED; }

/* Wait until ready(seen), at first looking, then asleep. */
static void await(bool (*ready)(unsigned), unsigned seen, Bell *bell) {
    int64_t end = nanoseconds() + PATIENCE_NANOSECONDS;
    do {
        for (int look = 0; look < LOOKS_PER_CLOCK; look++) {
            if (ready(seen)) {
                return;
            }
            pause_briefly();
        }
    } while (nanoseconds() < end);
    pthread_mutex_lock(&pool.lock);
    atomic_fetch_add(&bell->sleepers, 1);
    while (!ready(seen)) {
        pthread_cond_wait(&bell->changed, &pool.lock);
    }
    atomic_fetch_sub(&bell->sleepers, 1);
    pthread_mutex_unlock(&pool.lock);
}

/* Wake who sleeps, after the change: a thread that falls asleep counts itself first and then looks once more, so that
 * either it sees the change, or is counted here. */
static void ring(Bell *bell) {
    if (atomic_load(&bell->sleepers) > 0) {
        pthread_mutex_lock(&pool.lock);
        pthread_cond_broadcast(&bell->changed);
        pthread_mutex_unlock(&pool.lock);
    }
}

static void take_tasks(int own) {
    for (int i = 0; i < job.count; i++) {
        Share *share = shares + (own + i) % job.count;
        for (;;) {
            int64_t index = atomic_fetch_add(&share->next, 1);
            if (index >= share->stop) {
                break;
            }
            job.task(job.context, index);
        }
    }
}

static unsigned begun[MOST_HELPERS]; /* for each helper the number of the job before its first */

static void *help(void *first) {
    unsigned seen = *(unsigned *)first;
    int own = (int)((unsigned *)first - begun) + 1;
    for (;;) {
        await(job_after, seen, &pool.opened);
        seen = atomic_load(&job.number);
        if (atomic_fetch_add(&job.inside, 1) < atomic_load(&pool.wanted)) { /* neither closed nor full */
            take_tasks(own);
        }
        if (atomic_fetch_sub(&job.inside, 1) == CLOSED + 1) {
            ring(&pool.left);
        }
    }
    return NULL;
}

/* A forked child has none of its parent's threads, and whatever lock they held. */
static void begin_anew(void) {
    pool.owner = pool.lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    pool.opened = pool.left = (Bell){PTHREAD_COND_INITIALIZER, 0};
    pool.started = 0;
    atomic_store(&job.inside, CLOSED);
}

static void register_fork(void) { pthread_atfork(NULL, NULL, begin_anew); }

static void start_helpers(void) {
    for (; pool.started < atomic_load(&pool.wanted); pool.started++) {
        pthread_t thread;
        begun[pool.started] = atomic_load(&job.number);
        if (pthread_create(&thread, NULL, help, begun + pool.started) != 0) {
            atomic_store(&pool.wanted, pool.started); /* no more can be started: those that run do the work */
            return;
        }
        pthread_detach(thread);
    }
}

void set_threads(int count) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, register_fork);
    int helpers = count - 1;
    atomic_store(&pool.wanted, helpers > MOST_HELPERS ? MOST_HELPERS : helpers);
}

static void open_job(Task task, void *context, int64_t count) {
    job.task = task;
    job.context = context;
    int threads = atomic_load(&pool.wanted) + 1;
    job.count = count < threads ? (int)count : threads;
    for (int i = 0; i < job.count; i++) {
        atomic_store(&shares[i].next, count * i / job.count);
        shares[i].stop = count * (i + 1) / job.count;
    }
    atomic_fetch_sub(&job.inside, CLOSED);
    atomic_fetch_add(&job.number, 1);
    ring(&pool.opened);
}

/* Let no helper in, and wait for those inside. */
static void close_job(void) {
    atomic_fetch_add(&job.inside, CLOSED);
    await(all_left, 0, &pool.left);
}

static void run_here(Task task, void *context, int64_t count) {
    for (int64_t index = 0; index < count; index++) {
        task(context, index);
    }
}

void run(Task task, void *context, int64_t count) {
    if (count < 2 || atomic_load(&pool.wanted) < 1 || pthread_mutex_trylock(&pool.owner) != 0) {
        run_here(task, context, count);
        return;
    }
    start_helpers();
    open_job(task, context, count);
    take_tasks(0);
    close_job();
    pthread_mutex_unlock(&pool.owner);
}

void run_if(int worth_sharing, Task task, void *context, int64_t count) {
    (worth_sharing ? run : run_here)(task, context, count);
}
