#include "tests/board/sweep.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void wait_for_one(struct sweep *sweep)
{
    int status;
    pid_t child = wait(&status);
    if (child < 0 && errno == EINTR)
        return;
    sweep->children = child < 0 ? 0 : sweep->children - 1;
    if (child < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
        sweep->lost++;
}

/* The flash is the child's own from here on: its file stays the parent's. */
static void lose_power(struct sweep *sweep)
{
    struct flash_ctl *flash = sweep->flash;
    sweep->forked = true;
    flash->on_operation = NULL;
    flash->fd = -1;
    flash->random ^= (uint32_t)flash->operations;
    flash->faults.cut = flash->operations;
    flash->faults.tear = flash->operations % 2 == 0;
}

static void on_operation(void *ctx)
{
    struct sweep *sweep = ctx;
    if ((sweep->flash->operations - 1) % sweep->every != 0)
        return;
    while (sweep->children >= sweep->children_max)
        wait_for_one(sweep);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        lose_power(sweep);
    } else if (child < 0) {
        board_stop(sweep->flash->board, BOARD_BROKEN, "fork: %s", strerror(errno));
    } else {
        sweep->cuts++;
        sweep->children++;
    }
}

void sweep_start(struct sweep *sweep, struct flash_ctl *flash, uint64_t every)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    *sweep = (struct sweep){.flash = flash, .every = every, .children_max = 1};
    if (cpus > 1)
        sweep->children_max = (unsigned)cpus;
    flash->on_operation = on_operation;
    flash->on_operation_ctx = sweep;
}

void sweep_wait(struct sweep *sweep)
{
    while (sweep->children > 0)
        wait_for_one(sweep);
}
