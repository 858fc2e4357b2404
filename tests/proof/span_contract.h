/*
 * span_contract: what spans promise, for Frama-C's WP: whoever has a span that may be
 * read gets, by every cut of it, one that may be read. Read in front of src/base/span.c
 * and src/ipc/msg.c by tests/proof/run.
 */
#include "base/span.h"

/*@
  predicate readable(struct span s) =
    s.n == 0 || \valid_read(s.p + (0 .. s.n - 1));
*/

/*@
  requires readable(s);
  assigns \nothing;
  ensures readable(\result);
  ensures \result.n == (n < s.n ? n : s.n);
  ensures \result.p == s.p;
*/
static inline struct span span_head(struct span s, size_t n);

/*@
  requires readable(s);
  assigns \nothing;
  ensures readable(\result);
  ensures \result.n == (n < s.n ? s.n - n : 0);
*/
static inline struct span span_tail(struct span s, size_t n);

/*@
  requires readable(s);
  assigns \nothing;
  ensures \result <= s.n;
*/
size_t span_find(struct span s, unsigned char c);
