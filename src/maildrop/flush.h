/*
 * flush: makes what was made, renamed or removed in a directory outlive a power cut.
 */
#ifndef POSTERN_MAILDROP_FLUSH_H
#define POSTERN_MAILDROP_FLUSH_H

/*
 * dir: open in any way, O_PATH as well. Where directories cannot be flushed (some file
 * systems refuse it; one that may only be passed through cannot be opened for it) the
 * whole file system is, as far as that is possible. Returns 0; or -1 with errno when
 * the medium failed.
 */
int flush_directory(int dir);

#endif
