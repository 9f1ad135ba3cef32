/* Hammers the pool of threads: from several threads at once, with tasks that run tasks, forks and changing numbers of
 * threads in between, and pauses in which the helpers fall asleep. Exits 0 where every task ran once; hangs are ended by
 * an alarm. tools/sanitize.sh runs it, under ThreadSanitizer too, which knows no threads in a forked child:
 *
 *     threads_stress FORKS
 */
#include "threads.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define CALLERS 3
#define ROUNDS 3000
#define MOST_TASKS 40
#define SECONDS 60

typedef struct {
    int times[MOST_TASKS][MOST_TASKS]; /* how often each ran, without a lock: no two threads have one index */
    int64_t count;
} Counts;

static void inner(void *times, int64_t index) { ((int *)times)[index]++; }

static void outer(void *context, int64_t index) {
    Counts *counts = context;
    run(inner, counts->times[index], counts->count);
}

static int all_ran_once(const Counts *counts) {
    for (int i = 0; i < MOST_TASKS; i++) {
        for (int j = 0; j < MOST_TASKS; j++) {
            if (counts->times[i][j] != (i < counts->count && j < counts->count)) {
                return 0;
            }
        }
    }
    return 1;
}

static int computes(unsigned *seed) {
    Counts counts = {.count = rand_r(seed) % (MOST_TASKS + 1)};
    run(outer, &counts, counts.count);
    return all_ran_once(&counts);
}

static void require(int condition, const char *what) {
    if (!condition) {
        fprintf(stderr, "threads_stress: %s\n", what);
        _exit(1);
    }
}

static void *call(void *first) {
    unsigned seed = (unsigned)(uintptr_t)first;
    for (int round = 0; round < ROUNDS; round++) {
        require(computes(&seed), "a task did not run once");
        if (rand_r(&seed) % 4 == 0) {
            usleep(rand_r(&seed) % 300);
        }
    }
    return NULL;
}

static void fork_and_compute(unsigned *seed) {
    pid_t child = fork();
    require(child >= 0, "fork failed");
    if (child == 0) {
        alarm(SECONDS);
        set_threads(3);
        for (int round = 0; round < 20; round++) {
            require(computes(seed), "a task did not run once in a forked child");
        }
        _exit(0);
    }
    int status;
    require(waitpid(child, &status, 0) == child && status == 0, "a forked child failed, or hung");
}

int main(int count, char **arguments) {
    int forks = count > 1 ? atoi(arguments[1]) : 0;
    pthread_t callers[CALLERS];
    unsigned seed = 0;
    alarm(SECONDS);
    set_threads(4);
    for (int i = 0; i < CALLERS; i++) {
        require(pthread_create(callers + i, NULL, call, (void *)(uintptr_t)(i + 1)) == 0, "no thread");
    }
    for (int round = 0; round < 100; round++) {
        if (round < forks) {
            fork_and_compute(&seed);
        }
        set_threads(1 + rand_r(&seed) % 8);
        usleep(2000);
    }
    for (int i = 0; i < CALLERS; i++) {
        pthread_join(callers[i], NULL);
    }
    return 0;
}
