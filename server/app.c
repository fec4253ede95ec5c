#include "server/app.h"

#include <time.h>

uint64_t app_now(void)
{
    return (uint64_t)time(NULL);
}
