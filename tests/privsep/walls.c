/*
 * walls: what a process that runs somebody else's code can still do inside each
 * sandbox. Each case forks, goes through the real verbs, tries one thing and
 * dies, is refused, or works; what must happen stands in the table. No root
 * needed; as root the session becomes another user first, as the real one does.
 */
#include "walls.h"

#include "base/drop.h"
#include "sandbox/sandbox.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DIES = -1, WORKS = 0 }; /* or the errno it must get */

enum domain {
	GATE_PARENT = 1,
	GATE = 2,
	AUTH = 4,
	SESSION_PARENT = 8,
	SESSION = 16, /* on a Maildir */
	MBOX = 32,    /* on an mbox with neighbours */
	ALONE = 64,   /* on an mbox in a directory of its own */
	MASTER = 128,
	GATE_KERNEL_TLS = 256,
	DOMAINS_END = 512,
};

enum {
	LEAF = GATE | SESSION | MBOX | ALONE,
	FILES = SESSION | MBOX | ALONE,
	ROOT = MASTER | AUTH
};

static const struct attempt {
	const char *name;
	int domains;
	int (*try)(void);
	int outcome;
} attempts[] = {
	/* what the work needs */
	{ "send, peek, receive", LEAF | GATE_PARENT | SESSION_PARENT, try_send_recv,
		WORKS },
	{ "memory", LEAF | GATE_PARENT | SESSION_PARENT, try_memory, WORKS },
	{ "log", LEAF, try_quiet_write, WORKS },
	{ "signal itself", LEAF, try_signal_self, WORKS },
	{ "fork as a warm parent", GATE_PARENT | SESSION_PARENT, try_fork, WORKS },
	{ "messages with descriptors", GATE_PARENT | SESSION_PARENT, try_sendmsg,
		WORKS },
	{ "is it a terminal", LEAF, try_isatty, ENOTTY },
	{ "its Maildir", SESSION, try_maildir, WORKS },
	{ "its mbox", MBOX, try_mbox, WORKS },
	{ "its dotlock, alone", ALONE, try_dotlock, WORKS },
	{ "its dotlock, with neighbours", MBOX, try_dotlock_crowded, EACCES },
	{ "its state directory", FILES, try_state, WORKS },
	{ "undo", SESSION, try_undo, WORKS },
	/* files */
	{ "open another's file", GATE | GATE_PARENT, try_open_outside, DIES },
	{ "open another's file", FILES, try_open_outside, EACCES },
	{ "open /etc/passwd", GATE, try_open_passwd, DIES },
	{ "open /etc/passwd", FILES, try_open_passwd, EACCES },
	{ "list the root", FILES, try_list_root, EACCES },
	{ "read its own maps", FILES, try_own_maps, EACCES },
	{ "a neighbour's mbox", MBOX, try_neighbour_read, EACCES },
	{ "remove a neighbour's mbox", MBOX, try_neighbour_unlink, EACCES },
	{ "list the neighbours", MBOX, try_neighbour_list, EACCES },
	{ "plant a symbolic link", FILES, try_symlink, DIES },
	{ "plant a FIFO", FILES, try_fifo, DIES },
	{ "link another's file in", SESSION, try_link_in, EXDEV },
	{ "remove another's file", FILES, try_unlink_outside, EACCES },
	{ "truncate by name", FILES | GATE, try_truncate, DIES },
	{ "change modes", FILES | GATE, try_chmod, DIES },
	{ "change times", FILES | GATE, try_times, DIES },
	{ "times of what it has open", SESSION, try_own_times, WORKS },
	/* network */
	{ "TCP socket", LEAF | GATE_PARENT | SESSION_PARENT, try_socket_inet, DIES },
	{ "Unix socket", LEAF | GATE_PARENT | SESSION_PARENT, try_socket_unix, DIES },
	{ "socket pair", LEAF | GATE_PARENT | SESSION_PARENT, try_socketpair, DIES },
	{ "connect", LEAF | GATE_PARENT | SESSION_PARENT, try_connect, DIES },
	{ "bind", LEAF | GATE_PARENT | SESSION_PARENT, try_bind, DIES },
	{ "TCP fast open", LEAF | GATE_PARENT | SESSION_PARENT, try_fastopen, DIES },
	{ "receive descriptors", LEAF | GATE_KERNEL_TLS, try_recvmsg, DIES },
	{ "send descriptors", LEAF | GATE_KERNEL_TLS, try_sendmsg, DIES },
	{ "TLS in the kernel", LEAF, try_kernel_tls, DIES },
	{ "TLS in the kernel", GATE_KERNEL_TLS, try_kernel_tls, EOPNOTSUPP },
	{ "keys for the kernel", LEAF, try_kernel_keys, DIES },
	{ "keys for the kernel", GATE_KERNEL_TLS, try_kernel_keys, EOPNOTSUPP },
	{ "repair TCP", LEAF | GATE_KERNEL_TLS, try_tcp_repair, DIES },
	/* processes */
	{ "fork", LEAF, try_fork, DIES },
	{ "thread", LEAF | GATE_PARENT | SESSION_PARENT, try_thread, DIES },
	{ "user namespace", LEAF | GATE_PARENT | SESSION_PARENT, try_namespace, DIES },
	{ "exec", LEAF | GATE_PARENT | SESSION_PARENT, try_exec, DIES },
	{ "exec of a descriptor", LEAF | GATE_PARENT | SESSION_PARENT, try_exec_gone,
		DIES },
	{ "ptrace", LEAF | GATE_PARENT | SESSION_PARENT, try_ptrace, DIES },
	{ "process_vm_readv", LEAF | GATE_PARENT | SESSION_PARENT, try_vm_read, DIES },
	{ "/proc/PID/mem", GATE | GATE_PARENT, try_open_mem, DIES },
	{ "/proc/PID/mem", FILES, try_open_mem, EACCES },
	{ "signal another", LEAF | GATE_PARENT | SESSION_PARENT, try_kill_other, DIES },
	{ "signal everybody", LEAF | GATE_PARENT | SESSION_PARENT, try_kill_all, DIES },
	{ "signal another thread", LEAF, try_abort_other, DIES },
	{ "signal through SIGIO", LEAF | GATE_PARENT | SESSION_PARENT, try_sigio,
		DIES },
	/* itself */
	{ "executable memory", LEAF | GATE_PARENT | SESSION_PARENT, try_exec_memory,
		DIES },
	{ "make memory executable", LEAF | GATE_PARENT | SESSION_PARENT, try_make_exec,
		DIES },
	{ "become dumpable", LEAF | GATE_PARENT | SESSION_PARENT, try_dumpable, DIES },
	{ "become root", LEAF | GATE_PARENT, try_setuid, DIES },
	{ "type into the terminal", LEAF | GATE_PARENT | SESSION_PARENT, try_tiocsti,
		DIES },
	/* they who stay root */
	{ "a helper program", ROOT, try_helper, WORKS },
	{ "ask a server", ROOT, try_resolver, WORKS },
	{ "read /etc/passwd", ROOT, try_open_passwd, WORKS },
	{ "ptrace", ROOT, try_ptrace, EPERM },
	{ "process_vm_readv", ROOT, try_vm_read, EPERM },
	{ "a kernel module", ROOT, try_module, EPERM },
	{ "io_uring", ROOT, try_uring, EPERM },
	{ "a device file", ROOT, try_device, EPERM },
	{ "a raw socket", ROOT, try_raw_socket, EPERM },
	{ "set the clock", ROOT, try_clock, EPERM },
	{ "mount", AUTH, try_mount, EPERM },
	{ "user namespace", ROOT, try_namespace, EPERM },
	{ "a child in a user namespace", ROOT, try_clone_users, EPERM },
	{ "a child in a mount namespace", AUTH, try_clone_mounts, EPERM },
	{ "what no filter can look at", ROOT, try_clone3, ENOSYS },
	{ "3 GB of memory", LEAF, try_much_memory, ENOMEM },
	{ "64 descriptors", FILES, try_many_files, EMFILE },
	{ "copy a descriptor", LEAF, try_many_descriptors, DIES },
};

static int enter(enum domain domain)
{
	if (domain == GATE_PARENT)
		return sandbox_gate_parent();
	if (domain == GATE)
		return sandbox_gate_parent() < 0 ? -1 : sandbox_gate(false);
	if (domain == GATE_KERNEL_TLS)
		return sandbox_gate_parent() < 0 ? -1 : sandbox_gate(true);
	if (domain == AUTH)
		return sandbox_master() < 0 ? -1 : sandbox_auth(false);
	if (domain == MASTER)
		return sandbox_master();
	if (sandbox_session_parent() < 0)
		return -1;
	if (domain == SESSION_PARENT)
		return 0;
	if (drop_to(place.uid, place.uid ? place.uid : getgid(), NULL, 0) < 0)
		return -1;
	if (domain == SESSION)
		return sandbox_session(MAILDROP_MAILDIR, place.maildir, place.state_fd);
	return sandbox_session(MAILDROP_MBOX, domain == MBOX ? place.mbox : place.alone,
		place.state_fd);
}

static _Noreturn void child(enum domain domain, const struct attempt *attempt)
{
	if (enter(domain) < 0) {
		fprintf(stderr, "sandbox: %s\n", strerror(errno));
		_exit(255);
	}
	errno = 0;
	_exit(attempt->try() >= 0 ? 0 : errno ? errno : 254);
}

static const char *domain_name(enum domain domain)
{
	switch (domain) {
	case GATE_PARENT:
		return "gate parent";
	case GATE:
		return "gate";
	case GATE_KERNEL_TLS:
		return "gate, kernel-tls";
	case AUTH:
		return "auth";
	case MASTER:
		return "master";
	case SESSION_PARENT:
		return "session parent";
	case SESSION:
		return "session";
	case MBOX:
		return "session, mbox";
	case ALONE:
		return "session, lone mbox";
	case DOMAINS_END:
		break;
	}
	return "?";
}

/* What must happen on this system: without seccomp nobody dies. */
static bool expected(const struct attempt *attempt, int status)
{
	if (attempt->outcome == DIES)
		return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
	return WIFEXITED(status) && WEXITSTATUS(status) == attempt->outcome;
}

static bool applies(const struct attempt *attempt)
{
	unsigned missing = sandbox_missing();
	if (attempt->outcome == DIES || attempt->outcome == EMFILE ||
		attempt->outcome == ENOMEM || attempt->outcome == ENOTTY ||
		attempt->outcome == EPERM || attempt->outcome == ENOSYS)
		return !(missing & WALL_SECCOMP);
	return attempt->outcome == WORKS || !(missing & WALL_LANDLOCK);
}

static int run(enum domain domain, const struct attempt *attempt)
{
	int status = 0;
	pid_t pid = fork();
	if (pid == 0)
		child(domain, attempt);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return 1;
	bool good = expected(attempt, status);
	printf("%s %s: %s", good ? "ok" : "NOT OK", domain_name(domain), attempt->name);
	if (!good && WIFSIGNALED(status))
		printf(" (signal %d)", WTERMSIG(status));
	else if (!good)
		printf(" (%d %s)", WEXITSTATUS(status), strerror(WEXITSTATUS(status)));
	printf("\n");
	return !good;
}

int main(void)
{
	int bad = 0;
	place_prepare();
	place_other_start();
	setvbuf(stdout, NULL, _IONBF, 0);
	for (size_t i = 0; i < sizeof(attempts) / sizeof(*attempts); i++)
		for (int d = GATE_PARENT; d < DOMAINS_END; d *= 2)
			if (attempts[i].domains & d && applies(&attempts[i]))
				bad += run((enum domain)d, &attempts[i]);
	printf("%d bad\n", bad);
	place_clear();
	return bad != 0;
}
