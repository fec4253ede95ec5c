/* `otad --healthcheck URL`: what a container's HEALTHCHECK runs. */
#ifndef OTAD_HEALTHCHECK_H
#define OTAD_HEALTHCHECK_H

/* GET http[s]://HOST[:PORT][/PATH]; without a path /readyz. 0 when the answer is 200, else 1 and
 * one line on standard error. A certificate is not verified: this asks whether the server beside it
 * serves, and sends nothing secret. */
int healthcheck(const char *url);

#endif
