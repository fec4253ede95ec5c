/* `otad backup`: a copy of a data directory that a server can be started on. */
#ifndef OTAD_BACKUP_H
#define OTAD_BACKUP_H

/* From args[0] on: --data DIR --to DIR. The exit status. Works while a server runs on DIR: the
 * database is copied as of one moment, then the server key, then each firmware file that the copy
 * knows, checked against its hash. The target must not exist; on failure it is left for a look,
 * marked by a missing `complete` file. */
int backup_command(int argc, char **args);

#endif
