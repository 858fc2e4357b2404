/*
 * walls: the attempts of walls.c, by subject, and what they work on. An attempt
 * returns -1 with errno where it was refused.
 */
#ifndef POSTERN_TESTS_WALLS_H
#define POSTERN_TESTS_WALLS_H

#include <sys/types.h>

/* What the attempts work on: made by place_prepare(), below a directory of the test's.
 */
struct place {
	char dir[64], maildir[128], state[128], mboxes[128], lone[128];
	char mbox[160], alone[160], outside[160];
	int state_fd, outside_fd, pair[2], tcp;
	pid_t other; /* a process of the same user */
	uid_t uid;
};

extern struct place place;

void place_prepare(void);
void place_other_start(void);
void place_clear(void);

int try_open_outside(void);
int try_open_passwd(void);
int try_list_root(void);
int try_open_mem(void);
int try_own_maps(void);
int try_maildir(void);
int try_mbox(void);
int try_state(void);
int try_undo(void);
int try_neighbour_read(void);
int try_neighbour_unlink(void);
int try_neighbour_list(void);
int try_dotlock(void);
int try_dotlock_crowded(void);
int try_symlink(void);
int try_fifo(void);
int try_link_in(void);
int try_unlink_outside(void);
int try_truncate(void);
int try_chmod(void);
int try_times(void);
int try_own_times(void);
int try_quiet_write(void);

int try_socket_inet(void);
int try_socket_unix(void);
int try_socketpair(void);
int try_connect(void);
int try_bind(void);
int try_fastopen(void);
int try_recvmsg(void);
int try_sendmsg(void);
int try_send_recv(void);
int try_many_descriptors(void);
int try_many_files(void);
int try_resolver(void);
int try_isatty(void);
int try_tiocsti(void);
int try_kernel_tls(void);
int try_kernel_keys(void);
int try_tcp_repair(void);

int try_fork(void);
int try_thread(void);
int try_namespace(void);
int try_clone_users(void);
int try_clone_mounts(void);
int try_clone3(void);
int try_exec(void);
int try_exec_gone(void);
int try_helper(void);
int try_ptrace(void);
int try_vm_read(void);
int try_kill_other(void);
int try_kill_all(void);
int try_abort_other(void);
int try_signal_self(void);
int try_sigio(void);

int try_exec_memory(void);
int try_make_exec(void);
int try_mount(void);
int try_module(void);
int try_uring(void);
int try_device(void);
int try_raw_socket(void);
int try_clock(void);
int try_dumpable(void);
int try_memory(void);
int try_much_memory(void);
int try_setuid(void);

#endif
