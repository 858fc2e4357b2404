/*
 * pam: the host's own users. The row is source_pam (source.h); here is what its
 * tests need.
 */
#ifndef POSTERN_AUTH_PAM_H
#define POSTERN_AUTH_PAM_H

#include "base/span.h"

/*
 * May this name from the net be shown to PAM's modules? Letters, digits and
 * . _ - + @ $ and octets of UTF-8, at most 64, and no '-', '.' in front: what
 * could be read as an option, a path, a pattern or a field separator is nobody's
 * name.
 */
bool pam_name_fits(struct span name);

#endif
