// Before the C library (LD_PRELOAD): the wall clock is off by the seconds that stand in the file
// CNET_TEST_CLOCK at the time of asking. Other clocks are as they are.
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

static long off_s(void) {
    const char* path = getenv("CNET_TEST_CLOCK");
    FILE* file = path ? fopen(path, "r") : NULL;
    long seconds = 0;

    if (!file) return 0;
    if (fscanf(file, "%ld", &seconds) != 1) seconds = 0;
    fclose(file);
    return seconds;
}

int clock_gettime(clockid_t id, struct timespec* now) {
    int (*real)(clockid_t, struct timespec*) = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(id, now);

    if (result == 0 && id == CLOCK_REALTIME) now->tv_sec += off_s();
    return result;
}

time_t time(time_t* out) {
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    if (out) *out = now.tv_sec;
    return now.tv_sec;
}

int gettimeofday(struct timeval* restrict now, void* restrict zone) {
    struct timespec exact;

    (void)zone;
    clock_gettime(CLOCK_REALTIME, &exact);
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return 0;
}
