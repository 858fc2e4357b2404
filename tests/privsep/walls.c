/*
 * walls: what a process that runs somebody else's code can still do inside each
 * sandbox. Each case forks, goes through the real verbs, tries one thing and
 * dies, is refused, or works; what must happen stands in the table. No root
 * needed; as root the session becomes another user first, as the real one does.
 */
#include "base/drop.h"
#include "sandbox/sandbox.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
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

/* What the attempts work on: made by prepare(), below a directory of the test's. */
struct place {
	char dir[64], maildir[128], state[128], mboxes[128], lone[128];
	char mbox[160], alone[160], outside[160];
	int state_fd, outside_fd, pair[2], tcp;
	pid_t other; /* a process of the same user */
	uid_t uid;
};

static struct place place;

static int in(const char *base, const char *name, int flags)
{
	char path[256];
	snprintf(path, sizeof(path), "%s/%s", base, name);
	return open(path, flags | O_CLOEXEC, 0600);
}

static int try_open_outside(void)
{
	return open(place.outside, O_RDONLY);
}

static int try_open_passwd(void)
{
	return open("/etc/passwd", O_RDONLY);
}

static int try_list_root(void)
{
	return open("/", O_RDONLY | O_DIRECTORY);
}

static int try_open_mem(void)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%ld/mem", (long)place.other);
	return open(path, O_RDWR);
}

static int try_own_maps(void)
{
	return open("/proc/self/maps", O_RDONLY);
}

static int try_socket_inet(void)
{
	return socket(AF_INET, SOCK_STREAM, 0);
}

static int try_socket_unix(void)
{
	return socket(AF_UNIX, SOCK_DGRAM, 0);
}

static int try_socketpair(void)
{
	int fds[2];
	return socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
}

static int try_connect(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(25) };
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return connect(place.tcp, (struct sockaddr *)&to, sizeof(to));
}

static int try_bind(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	return bind(place.tcp, (struct sockaddr *)&to, sizeof(to));
}

static int try_fastopen(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(25) };
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return (int)sendto(
		place.tcp, "x", 1, MSG_FASTOPEN, (struct sockaddr *)&to, sizeof(to));
}

/* No connection it is: who may ask is told so. */
static int try_kernel_tls(void)
{
	return setsockopt(place.pair[0], IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls"));
}

static int try_kernel_keys(void)
{
	return setsockopt(place.pair[0], SOL_TLS, TLS_TX, "", 0);
}

static int try_tcp_repair(void)
{
	int one = 1;
	return setsockopt(place.tcp, IPPROTO_TCP, TCP_REPAIR, &one, sizeof(one));
}

static int try_fork(void)
{
	pid_t pid = fork();
	if (pid == 0)
		_exit(0);
	return pid < 0 ? -1 : waitpid(pid, NULL, 0);
}

static int try_thread(void)
{
	return (int)syscall(SYS_clone,
		CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD, 0, 0,
		0, 0);
}

static int try_namespace(void)
{
	return unshare(CLONE_NEWUSER);
}

static int try_exec(void)
{
	char *argv[] = { (char *)(uintptr_t) "true", NULL }, *envp[] = { NULL };
	execve("/bin/true", argv, envp);
	return -1;
}

static int try_exec_gone(void)
{
	char *argv[] = { (char *)(uintptr_t) "x", NULL }, *envp[] = { NULL };
	return (int)syscall(SYS_execveat, place.outside_fd, "", argv, envp, 0x1000);
}

static int try_ptrace(void)
{
	return (int)ptrace(PTRACE_ATTACH, place.other, 0, 0);
}

static int try_vm_read(void)
{
	char octets[8];
	struct iovec mine = { octets, 8 }, theirs = { octets, 8 };
	return (int)process_vm_readv(place.other, &mine, 1, &theirs, 1, 0);
}

static int try_kill_other(void)
{
	return kill(place.other, SIGUSR1);
}

static int try_kill_all(void)
{
	return kill(-1, SIGCONT);
}

static int try_abort_other(void)
{
	return (int)syscall(SYS_tgkill, place.other, place.other, SIGCONT);
}

static int try_signal_self(void)
{
	signal(SIGABRT, SIG_IGN);
	return (int)syscall(SYS_tgkill, getpid(), getpid(), SIGABRT);
}

static int try_exec_memory(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return p == MAP_FAILED ? -1 : 0;
}

static int try_make_exec(void)
{
	void *p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return mprotect(p, 4096, PROT_READ | PROT_EXEC);
}

static int try_mount(void)
{
	return mount("none", place.dir, "tmpfs", 0, NULL);
}

static int try_module(void)
{
	return (int)syscall(SYS_finit_module, place.outside_fd, "", 0);
}

static int try_uring(void)
{
	return (int)syscall(SYS_io_uring_setup, 1, NULL);
}

static int try_device(void)
{
	char path[256];
	snprintf(path, sizeof(path), "%s/device", place.dir);
	return mknod(path, S_IFBLK | 0600, 0x0801);
}

/* Which no seccomp program needs to know: the capability is gone. */
static int try_raw_socket(void)
{
	return socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
}

static int try_clock(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return clock_settime(CLOCK_REALTIME, &now);
}

/* What a module of PAM may want: a helper program, which then has the same walls. */
static int try_helper(void)
{
	int status = -1;
	pid_t pid = fork();
	if (pid == 0) {
		(void)try_exec();
		_exit(1);
	}
	return waitpid(pid, &status, 0) == pid && status == 0 ? 0 : -1;
}

static int try_resolver(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return fd < 0 ? -1 : close(fd);
}

static int try_dumpable(void)
{
	return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static int try_recvmsg(void)
{
	char octet;
	struct iovec part = { &octet, 1 };
	struct msghdr head = { .msg_iov = &part, .msg_iovlen = 1 };
	return (int)recvmsg(place.pair[0], &head, MSG_DONTWAIT);
}

static int try_sendmsg(void)
{
	char octet = 0;
	struct iovec part = { &octet, 1 };
	struct msghdr head = { .msg_iov = &part, .msg_iovlen = 1 };
	return (int)sendmsg(place.pair[0], &head, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static int try_send_recv(void)
{
	char octets[4];
	struct pollfd p = { .fd = place.pair[1], .events = POLLIN };
	if (send(place.pair[0], "mail", 4, MSG_NOSIGNAL) != 4 || poll(&p, 1, 1000) != 1)
		return -1;
	if (recv(place.pair[1], octets, 4, MSG_PEEK) != 4)
		return -1;
	return read(place.pair[1], octets, 4) == 4 ? 0 : -1;
}

static int try_memory(void)
{
	for (size_t n = 1; n < 16 << 20; n *= 2) {
		char *p = malloc(n);
		if (!p)
			return -1;
		memset(p, 1, n);
		free(p);
	}
	return 0;
}

static int try_much_memory(void)
{
	char *p = mmap(NULL, (size_t)3 << 30, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return p == MAP_FAILED ? -1 : 0;
}

static int try_many_descriptors(void)
{
	for (int i = 0; i < 64; i++)
		if (fcntl(0, F_DUPFD_CLOEXEC, 0) < 0)
			return -1;
	return 0;
}

static int try_setuid(void)
{
	return setuid(0);
}

static int try_tiocsti(void)
{
	char c = 'x';
	return ioctl(0, TIOCSTI, &c);
}

static int try_isatty(void)
{
	return isatty(0) ? 0 : -1;
}

static int try_sigio(void)
{
	return fcntl(place.pair[0], F_SETOWN, place.other);
}

static int try_maildir(void)
{
	char from[256], to[256], line[8];
	snprintf(from, sizeof(from), "%s/new/2", place.maildir);
	snprintf(to, sizeof(to), "%s/cur/2:2,S", place.maildir);
	int fd = in(place.maildir, "new/1", O_RDWR);
	if (fd < 0 || read(fd, line, sizeof(line)) < 1)
		return -1;
	close(fd);
	fd = in(place.maildir, "new/2", O_WRONLY | O_CREAT | O_EXCL);
	if (fd < 0 || write(fd, "x", 1) != 1 || fsync(fd) < 0 || close(fd) < 0)
		return -1;
	DIR *directory = opendir(place.maildir);
	if (!directory || !readdir(directory) || closedir(directory) < 0)
		return -1;
	return rename(from, to) < 0 ? -1 : unlink(to);
}

static int try_mbox(void)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char line[8];
	int fd = open(place.mbox, O_RDWR);
	if (fd < 0 || fcntl(fd, F_SETLK, &whole) < 0)
		return -1;
	if (read(fd, line, 4) != 4 || pwrite(fd, "From", 4, 0) != 4)
		return -1;
	return ftruncate(fd, 5) < 0 || fsync(fd) < 0 ? -1 : close(fd);
}

static int try_state(void)
{
	int fd = openat(place.state_fd, "cache.new",
		O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (fd < 0 || write(fd, "x", 1) != 1 || close(fd) < 0)
		return -1;
	if (renameat(place.state_fd, "cache.new", place.state_fd, "cache") < 0)
		return -1;
	return unlinkat(place.state_fd, "cache", 0);
}

/* From the maildrop to the state directory and back, as undo does. */
static int try_undo(void)
{
	char from[256];
	snprintf(from, sizeof(from), "%s/new/1", place.maildir);
	if (mkdirat(place.state_fd, "undo", 0700) < 0)
		return -1;
	if (renameat(AT_FDCWD, from, place.state_fd, "undo/1") < 0 ||
		renameat(place.state_fd, "undo/1", AT_FDCWD, from) < 0)
		return -1;
	return unlinkat(place.state_fd, "undo", AT_REMOVEDIR);
}

static int try_neighbour_read(void)
{
	return in(place.mboxes, "neighbour", O_RDONLY);
}

static int try_neighbour_unlink(void)
{
	char path[256];
	snprintf(path, sizeof(path), "%s/neighbour", place.mboxes);
	return unlink(path);
}

static int try_neighbour_list(void)
{
	return open(place.mboxes, O_RDONLY | O_DIRECTORY);
}

static int dotlock(const char *mbox)
{
	char path[256], lock[256];
	snprintf(path, sizeof(path), "%s.lock.1", mbox);
	snprintf(lock, sizeof(lock), "%s.lock", mbox);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (fd < 0 || write(fd, "1", 1) != 1 || close(fd) < 0)
		return -1;
	if (link(path, lock) < 0 || unlink(path) < 0)
		return -1;
	return unlink(lock);
}

static int try_dotlock(void)
{
	return dotlock(place.alone);
}

static int try_dotlock_crowded(void)
{
	return dotlock(place.mbox);
}

static int try_symlink(void)
{
	char path[256];
	snprintf(path, sizeof(path), "%s/new/link", place.maildir);
	return symlink("/etc/shadow", path);
}

static int try_fifo(void)
{
	char path[256];
	snprintf(path, sizeof(path), "%s/new/fifo", place.maildir);
	return mkfifo(path, 0600);
}

static int try_link_in(void)
{
	char path[256];
	snprintf(path, sizeof(path), "%s/new/stolen", place.maildir);
	return link(place.outside, path);
}

static int try_unlink_outside(void)
{
	return unlink(place.outside);
}

static int try_truncate(void)
{
	return truncate(place.outside, 0);
}

static int try_chmod(void)
{
	return chmod(place.outside, 0777);
}

static int try_quiet_write(void)
{
	return write(2, "", 0) == 0 ? 0 : -1;
}

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
	{ "user namespace", AUTH, try_namespace, EPERM },
	{ "3 GB of memory", LEAF, try_much_memory, ENOMEM },
	{ "64 descriptors", FILES, try_many_descriptors, EMFILE },
	{ "64 descriptors", GATE, try_many_descriptors, DIES },
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
		attempt->outcome == EPERM)
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

static void need(bool good, const char *what)
{
	if (good)
		return;
	perror(what);
	exit(99);
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	need(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text), path);
	close(fd);
	need(chown(path, place.uid, (gid_t)-1) == 0, path);
}

static void folder(char *path, size_t size, const char *base, const char *name)
{
	snprintf(path, size, "%s/%s", base, name);
	need(mkdir(path, 0700) == 0 && chown(path, place.uid, (gid_t)-1) == 0, path);
}

static void prepare(void)
{
	char path[256];
	snprintf(place.dir, sizeof(place.dir), "/tmp/postern-walls.XXXXXX");
	need(mkdtemp(place.dir) != NULL, place.dir);
	need(chmod(place.dir, 0755) == 0, place.dir);
	place.uid = geteuid() == 0 ? 65534 : geteuid();
	folder(place.maildir, sizeof(place.maildir), place.dir, "maildir");
	folder(path, sizeof(path), place.maildir, "new");
	folder(path, sizeof(path), place.maildir, "cur");
	folder(place.state, sizeof(place.state), place.dir, "state");
	folder(place.mboxes, sizeof(place.mboxes), place.dir, "mboxes");
	snprintf(path, sizeof(path), "%s/new/1", place.maildir);
	put(path, "mail");
	snprintf(path, sizeof(path), "%s/neighbour", place.mboxes);
	put(path, "mail");
	snprintf(place.mbox, sizeof(place.mbox), "%s/mine", place.mboxes);
	put(place.mbox, "From mail");
	snprintf(place.outside, sizeof(place.outside), "%s/outside", place.dir);
	put(place.outside, "mail");
	folder(place.lone, sizeof(place.lone), place.dir, "lone");
	snprintf(place.alone, sizeof(place.alone), "%s/mbox", place.lone);
	put(place.alone, "From mail");
	place.state_fd = open(place.state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	place.outside_fd = open("/bin/true", O_RDONLY | O_CLOEXEC);
	place.tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	need(place.state_fd >= 0 && place.outside_fd >= 0 && place.tcp >= 0, "open");
	need(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, place.pair) == 0, "socketpair");
}

static void other_start(void)
{
	place.other = fork();
	if (place.other == 0) {
		if (geteuid() == 0 && drop_to(place.uid, place.uid, NULL, 0) < 0)
			_exit(1);
		for (;;)
			pause();
	}
	need(place.other > 0, "fork");
}

static void clear(void)
{
	char *argv[] = { (char *)(uintptr_t) "rm", (char *)(uintptr_t) "-rf", place.dir,
		NULL };
	kill(place.other, SIGKILL);
	waitpid(place.other, NULL, 0);
	pid_t pid = fork();
	if (pid == 0) {
		execvp("rm", argv);
		_exit(1);
	}
	waitpid(pid, NULL, 0);
}

int main(void)
{
	int bad = 0;
	prepare();
	other_start();
	setvbuf(stdout, NULL, _IONBF, 0);
	for (size_t i = 0; i < sizeof(attempts) / sizeof(*attempts); i++)
		for (int d = GATE_PARENT; d < DOMAINS_END; d *= 2)
			if (attempts[i].domains & d && applies(&attempts[i]))
				bad += run((enum domain)d, &attempts[i]);
	printf("%d bad\n", bad);
	clear();
	return bad != 0;
}
