#include "server/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const LEVELS[] = {"debug", "info", "warn", "error"};

bool log_level_parse(enum log_level *level, const char *text)
{
    for (size_t i = 0; i < sizeof(LEVELS) / sizeof(LEVELS[0]); i++) {
        if (strcmp(text, LEVELS[i]) == 0) {
            *level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

static void put_now(struct json_writer *json)
{
    char text[80];
    struct timespec now;
    struct tm tm;
    size_t len;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    len = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text + len, sizeof(text) - len, ".%03ldZ", now.tv_nsec / 1000000);
    json_put_string(json, "time", text);
}

bool log_open(struct log_line *line, const struct log *log, enum log_level level, const char *event)
{
    if (level < log->level)
        return false;
    line->log = log;
    /* Room for the closing brace and the newline stays. */
    json_init_fixed(&line->json, line->text, sizeof(line->text) - 4);
    json_object(&line->json);
    put_now(&line->json);
    json_put_string(&line->json, "level", LEVELS[level]);
    json_put_string(&line->json, "event", event);
    return true;
}

static void write_line(int fd, const char *text, size_t len)
{
    /* A log that cannot be written must not stop the server. */
    ssize_t written = write(fd, text, len);

    (void)written;
}

void log_close(struct log_line *line)
{
    static const char too_long[] = "{\"level\":\"error\",\"event\":\"log_line_too_long\"}\n";

    json_object_end(&line->json);
    if (json_failed(&line->json)) {
        write_line(line->log->fd, too_long, sizeof(too_long) - 1);
        return;
    }
    line->text[line->json.len] = '\n';
    write_line(line->log->fd, line->text, line->json.len + 1);
}

void log_note(const struct log *log, enum log_level level, const char *event, const char *format,
              ...)
{
    struct log_line line;
    char detail[512];
    va_list args;

    if (!log_open(&line, log, level, event))
        return;
    va_start(args, format);
    vsnprintf(detail, sizeof(detail), format, args);
    va_end(args);
    json_put_string(&line.json, "detail", detail);
    log_close(&line);
}
