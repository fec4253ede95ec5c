/* `otad user ...`: the people who sign in to the dashboard, from the shell. */
#ifndef OTAD_USER_COMMAND_H
#define OTAD_USER_COMMAND_H

/* From args[0] on (add, password, remove, list): the exit status. Works while a server runs. */
int user_command(int argc, char **args);

#endif
