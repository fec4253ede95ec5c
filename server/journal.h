/*
 * An undo log of memory: old bytes and calls, put back in reverse when a transaction fails.
 *
 * One thread. Marks nest one deep: a job within a group.
 */
#ifndef OTAD_JOURNAL_H
#define OTAD_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>

struct journal_entry;

struct journal {
    struct journal_entry *last; /* newest first */
    struct journal_entry *mark; /* the newest that is older than the running job */
};

/* Remember the bytes at `at`. A second time within one job costs nothing. False: out of memory. */
bool journal_save(struct journal *journal, void *at, size_t len);
/* `undo` is called when the job or the group fails, `commit` when it is on the disk; either may be
 * NULL. */
bool journal_call(struct journal *journal, void (*undo)(void *ctx, void *arg),
                  void (*commit)(void *ctx, void *arg), void *ctx, void *arg);

void journal_mark(struct journal *journal);
void journal_undo_to_mark(struct journal *journal);
void journal_undo(struct journal *journal);
void journal_commit(struct journal *journal);

#endif
