/*
 * line: what the logger makes of what a process has written into its log pipe. Whose
 * pipe it came from is known; what it says is not believed beyond that.
 */
#ifndef POSTERN_MASTER_LINE_H
#define POSTERN_MASTER_LINE_H

#include "base/buf.h"
#include "base/log.h"
#include "master/domain.h"

/* Each domain has a pipe, all its processes together; the master has one as well. */
enum { SPEAKER_MASTER = DOMAINS, SPEAKERS };

/*
 * Takes the next line off *said, what came in one write(2) of a process of that domain,
 * and appends what is to be logged, without a line feed, to out (LOG_LINE_MAX octets at
 * least): the line as it is, when it is of the form "<N>program[pid]: text" with the
 * domain's own program, and its event, if it is one, one of those that this domain
 * has to tell of. Anything else as a value, `program: says="..."`. Returns its level.
 */
enum log_level line_take(unsigned speaker, struct span *said, struct buf *out);

#endif
