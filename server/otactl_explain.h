/* Commands about one device that are more than a table: why it is not updated, and its tags. */
#ifndef OTAD_SERVER_OTACTL_EXPLAIN_H
#define OTAD_SERVER_OTACTL_EXPLAIN_H

#include "server/otactl_args.h"

extern const struct otactl_option otactl_explain_options[];
int otactl_explain_run(struct otactl *ctl, const struct otactl_args *args);
extern const struct otactl_option otactl_tag_options[];
int otactl_tag_run(struct otactl *ctl, const struct otactl_args *args);

#endif
