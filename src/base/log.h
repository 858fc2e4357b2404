/*
 * log: one line to descriptor 2, in one write(2). Each program names itself
 * once; whoever reads descriptor 2 (a terminal, journald, the logger that the
 * master started) adds the time. Nothing secret is ever passed in.
 *
 * Events that administrators' tools read (a login, a refusal, a logout) are
 * lines of `key=value` fields behind the word `v1`; doc/man/postern-log.7
 * documents them. Values that come from a peer go through log_value().
 */
#ifndef POSTERN_BASE_LOG_H
#define POSTERN_BASE_LOG_H

#include "base/buf.h"

enum { LOG_LINE_MAX = 1024 }; /* octets, with the line feed; the rest is cut */

/* The name in front of each line ("pop3-gate"); the string must live on. */
void log_open(const char *program);

/* "program[pid]: text\n". Octets below 0x20 and 0x7F become '?'. */
void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* As log_line(), for text that is not a format. */
void log_text(struct span text);

/*
 * Appends ` key="value"`: printable ASCII as it is, '"' and '\' behind a
 * backslash, every other octet as \xHH. At most 255 octets of the value are
 * shown; "..." stands for more.
 */
void log_value(struct buf *line, const char *key, struct span value);

#endif
