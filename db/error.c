#include "db/db.h"

const char *db_error_name(int error)
{
    switch ((enum db_error)error) {
    case DB_OK:
        return "ok";
    case DB_E_NOT_FOUND:
        return "not_found";
    case DB_E_EXISTS:
        return "exists";
    case DB_E_IN_USE:
        return "in_use";
    case DB_E_LIMIT:
        return "limit";
    case DB_E_FULL:
        return "full";
    case DB_E_IO:
        return "io";
    case DB_E_BUSY:
        return "busy";
    case DB_E_CORRUPT:
        return "corrupt";
    case DB_E_NEWER:
        return "newer_schema";
    case DB_E_INTERNAL:
        return "internal";
    }
    return "unknown";
}
