#include "server/otactl_prompt.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "server/otactl.h"

/* Signals are off as well as the echo: control-C becomes a character that no secret has, so that
 * the terminal never stays mute. */
int otactl_prompt(const char *prompt, char *line, size_t cap)
{
    struct termios before;
    bool terminal = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &before) == 0;
    if (terminal) {
        struct termios mute = before;
        mute.c_lflag &= ~(tcflag_t)(ECHO | ISIG);
        fprintf(stderr, "%s: ", prompt);
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &mute);
    }
    bool got = fgets(line, (int)cap, stdin) != NULL;
    if (terminal) {
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
        fputc('\n', stderr);
    }
    if (!got)
        return otactl_fail(OTACTL_USAGE, "a line of standard input is wanted, and it ended: %s",
                           prompt);
    line[strcspn(line, "\r\n")] = '\0';
    return OTACTL_OK;
}
