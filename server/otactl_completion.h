/* What a shell asks when TAB is pressed: `otactl __complete WORD...`, WORDs being the line behind
 * "otactl" up to the cursor, the last of them the one to be completed (maybe empty). */
#ifndef OTAD_SERVER_OTACTL_COMPLETION_H
#define OTAD_SERVER_OTACTL_COMPLETION_H

/* Prints a candidate a line, a tab and its description behind it; or the line ":files" where a file
 * name is wanted. Always OTACTL_OK: a shell shows no errors while completing. */
int otactl_complete(int argc, char **words);

#endif
