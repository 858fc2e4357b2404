/*
 * log: one line to descriptor 2, in one write(2). Each program names itself
 * once; whoever reads descriptor 2 (a terminal, the logger of posternd) adds the time.
 * Nothing secret is ever passed in.
 *
 * Events that administrators' tools read (a login, a refusal, a logout) are
 * lines of `key=value` fields behind the word `v1`; doc/man/postern-log.7
 * documents them. Values that a peer can influence go through log_value() or
 * log_sentence(): here, and nowhere else, is decided what they may look like.
 */
#ifndef POSTERN_BASE_LOG_H
#define POSTERN_BASE_LOG_H

#include "base/buf.h"

enum { LOG_LINE_MAX = 1024 }; /* octets, with the line feed; the rest is cut */

/* syslog(3)'s numbers. */
enum log_level {
	LEVEL_CRITICAL = 2, /* a process of ours is wrong */
	LEVEL_ERROR = 3,    /* somebody is not served */
	LEVEL_WARNING = 4,
	LEVEL_NOTICE = 5,
	LEVEL_INFO = 6,
};

/* The name in front of each line ("pop3-gate"); the string must live on. */
void log_open(const char *program);

/*
 * From now on descriptor 2 is a pipe to the logger: "<N>" with the level stands in
 * front of each line. A pipe that is full is waited for, patience_ms at most; what is
 * lost then is counted and told with the next line.
 */
void log_to_logger(int patience_ms);

/* "program[pid]: text\n". Octets that are not printable ASCII become '?'. */
void log_put(enum log_level level, struct span text);

/* Something is wrong: LEVEL_WARNING. */
void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Nothing is: LEVEL_INFO. */
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* As log_info(), for text that is not a format. */
void log_text(struct span text);

/*
 * Appends ` key="value"`. Of the value, letters, digits and printable ASCII stand as
 * they are, except '"', '\', '=' and the space, which are written \xHH as every other
 * octet is: so it ends at the next '"', is one word, and holds no field, for any
 * parser. At most 255 octets of the value are shown; "..." stands for more.
 */
void log_value(struct buf *line, const char *key, struct span value);

/* The same for what is a sentence of ours with a path or a library's words in it: the
 * space stands as it is. */
void log_sentence(struct buf *line, const char *key, struct span value);

#endif
