#include "server/journal.h"

#include <stdlib.h>
#include <string.h>

struct journal_entry {
    struct journal_entry *older;
    void *at; /* bytes: where; call: its argument */
    size_t len;
    void (*undo)(void *ctx, void *arg);
    void (*commit)(void *ctx, void *arg);
    void *ctx;
    unsigned char bytes[];
};

static bool is_saved(const struct journal *journal, const void *at, size_t len)
{
    for (const struct journal_entry *e = journal->last; e != journal->mark; e = e->older)
        if (e->at == at && e->len == len)
            return true;
    return false;
}

static struct journal_entry *add(struct journal *journal, size_t len)
{
    struct journal_entry *entry = calloc(1, sizeof(*entry) + len);

    if (entry == NULL)
        return NULL;
    entry->len = len;
    entry->older = journal->last;
    journal->last = entry;
    return entry;
}

bool journal_save(struct journal *journal, void *at, size_t len)
{
    struct journal_entry *entry;

    if (is_saved(journal, at, len))
        return true;
    entry = add(journal, len);
    if (entry == NULL)
        return false;
    entry->at = at;
    memcpy(entry->bytes, at, len);
    return true;
}

bool journal_call(struct journal *journal, void (*undo)(void *ctx, void *arg),
                  void (*commit)(void *ctx, void *arg), void *ctx, void *arg)
{
    struct journal_entry *entry = add(journal, 0);

    if (entry == NULL)
        return false;
    entry->undo = undo;
    entry->commit = commit;
    entry->ctx = ctx;
    entry->at = arg;
    return true;
}

void journal_mark(struct journal *journal)
{
    journal->mark = journal->last;
}

static void undo_to(struct journal *journal, struct journal_entry *until)
{
    while (journal->last != until) {
        struct journal_entry *entry = journal->last;

        journal->last = entry->older;
        if (entry->len > 0)
            memcpy(entry->at, entry->bytes, entry->len);
        else if (entry->undo != NULL)
            entry->undo(entry->ctx, entry->at);
        free(entry);
    }
}

void journal_undo_to_mark(struct journal *journal)
{
    undo_to(journal, journal->mark);
}

void journal_undo(struct journal *journal)
{
    undo_to(journal, NULL);
    journal->mark = NULL;
}

void journal_commit(struct journal *journal)
{
    struct journal_entry *entry = journal->last;

    journal->last = NULL;
    journal->mark = NULL;
    while (entry != NULL) {
        struct journal_entry *older = entry->older;

        if (entry->commit != NULL)
            entry->commit(entry->ctx, entry->at);
        free(entry);
        entry = older;
    }
}
