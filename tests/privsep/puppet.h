/*
 * puppet: what takes the place of a domain's own code in the hostile builds. The real
 * main() lays the descriptors, drops and raises the walls; then the peer, over
 * its connection, says which system calls this process makes. So a test in Python is
 * the attacker who has taken the process over.
 */
#ifndef POSTERN_PRIVSEP_PUPPET_H
#define POSTERN_PRIVSEP_PUPPET_H

/* Obeys the lines that come on peer until it ends or says `end`. */
void puppet_run(int peer);

#endif
