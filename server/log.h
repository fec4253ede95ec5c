/*
 * The log: one JSON object a line, to a file descriptor (standard error).
 *
 *     struct log_line line;
 *     if (log_open(&line, log, LOG_WARN, "report_refused")) {
 *         json_put_string(&line.json, "device", name);
 *         log_close(&line);
 *     }
 *
 * A line is one write(2), so that lines of threads do not mix. Secrets are never logged: tokens and
 * keys do not reach this module, paths do (they hold no secrets), query strings do not.
 */
#ifndef OTAD_LOG_H
#define OTAD_LOG_H

#include <stdbool.h>

#include "server/json_writer.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

#define LOG_LINE_MAX 2048 /* bytes; a longer line is replaced by a note that it was */

struct log {
    int fd;
    enum log_level level; /* lines below are not written */
};

struct log_line {
    const struct log *log;
    struct json_writer json;
    char text[LOG_LINE_MAX];
};

/* False when lines of this level are not written; `line` must not be used then. */
bool log_open(struct log_line *line, const struct log *log, enum log_level level,
              const char *event);
void log_close(struct log_line *line);

/* A line of one member, "detail". */
void log_note(const struct log *log, enum log_level level, const char *event, const char *format,
              ...) __attribute__((format(printf, 4, 5)));

/* "debug", "info", "warn", "error"; false when it is none. */
bool log_level_parse(enum log_level *level, const char *text);

#endif
