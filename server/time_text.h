/* Times as text, RFC 3339. */
#ifndef OTAD_TIME_TEXT_H
#define OTAD_TIME_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#define TIME_TEXT_CAP 40 /* bytes, with the NUL */

/* In UTC. False, and nothing is written, for a time beyond the calendar. */
bool time_text_format(int64_t seconds, char text[TIME_TEXT_CAP]);
/* "2030-01-31T04:00:00Z" or with an offset "+01:00", whole seconds, 1970 to 9999. False for
 * anything else, a day that its month has not included. */
bool time_text_parse(const char *text, int64_t *seconds);

#endif
