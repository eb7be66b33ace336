/* A wall clock that a test sets while processes run: the seconds in the file CLOCK_OFFSET (a long) are added to the time of day.
   The monotonic clock stays as it is, as when somebody sets a machine's clock. Preloaded (LD_PRELOAD) by test_clock.py. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile long *place;

static long offset(void) {
    if (!place) {
        static long zero;
        const char *path = getenv("CLOCK_OFFSET");
        int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
        void *mapped = file < 0 ? MAP_FAILED : mmap(NULL, sizeof(long), PROT_READ, MAP_SHARED, file, 0);
        if (file >= 0)
            close(file);
        place = mapped == MAP_FAILED ? &zero : mapped;
    }
    return *place;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = syscall(SYS_clock_gettime, clock, now);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += offset();
    return failed;
}

int gettimeofday(struct timeval *now, void *zone) {
    struct timespec exact;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &exact);
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *now) {
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    if (now)
        *now = exact.tv_sec;
    return exact.tv_sec;
}

/* Waits until a time of day: the kernel's clock was not set. What is earlier than 2001 is a time of the monotonic clock. */
static clockid_t of(const struct timespec *end, struct timespec *left) {
    clockid_t clock = end->tv_sec > 1000000000 ? CLOCK_REALTIME : CLOCK_MONOTONIC;
    *left = *end;
    if (clock == CLOCK_REALTIME)
        left->tv_sec -= offset();
    return clock;
}

int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *end) {
    struct timespec left;
    clockid_t clock = of(end, &left);
    return pthread_cond_clockwait(condition, mutex, clock, &left);
}

int sem_timedwait(sem_t *semaphore, const struct timespec *end) {
    struct timespec left;
    clockid_t clock = of(end, &left);
    return sem_clockwait(semaphore, clock, &left);
}
