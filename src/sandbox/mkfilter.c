/*
 * mkfilter: prints the seccomp programs of all domains as C arrays. Runs at build
 * time only, on the architecture it is built for, so that no domain links
 * libseccomp. An allow-list for each domain; everything else kills the process. Only
 * the two that stay root have a list of what is refused (root.c says why).
 *
 * Calls whose arguments are not looked at are answered from the kernel's
 * bitmap (Linux 5.11), so the hot ones (read, write, poll) have no argument rules.
 * A child's filter stands on top of its parent's: a parent allows what its
 * children need. The value FILTER_SELF stands for the process's own id; linux.c
 * puts it in when it loads the program.
 *
 * Fails with a message and exit code 1: the build then stops.
 */
#include "base/ktls.h"
#include "sandbox/self.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/quota.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* What every process of ours may do, without a look at the arguments. */
static const char *const common[] = { "brk", "clock_getres", "clock_gettime", "close",
	"exit", "exit_group", "futex", "getegid", "geteuid", "getgid", "getpid",
	"getrandom", "getsockopt", "gettid", "gettimeofday", "getuid", "madvise",
	"mremap", "munmap", "poll", "ppoll", "read", "readv", "recvfrom",
	"restart_syscall", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn",
	"sched_yield", "shutdown", "sysinfo", "time", "write", "writev", NULL };

/* The loop of a warm parent, and what its child does before its own sandbox. */
static const char *const warm[] = { "close_range", "dup2", "dup3", "epoll_create1",
	"epoll_ctl", "epoll_pwait", "epoll_wait", "fork", "fstat", "getppid", "getpgrp",
	"getsid", "newfstatat", "pidfd_open", "pidfd_send_signal", "recvmsg",
	"rt_sigtimedwait", "sendmsg", "set_robust_list", "setpgid", "setsid",
	"signalfd4", "wait4", "waitid", NULL };

/* A maildrop and its state directory; Landlock says which. */
static const char *const files[] = { "_llseek", "access", "clock_nanosleep",
	"copy_file_range", "faccessat", "faccessat2", "fadvise64", "fadvise64_64",
	"fallocate", "fchmod", "fdatasync", "flock", "fstat", "fstat64", "fstatat64",
	"fstatfs", "fstatfs64", "fsync", "ftruncate", "ftruncate64", "getdents",
	"getdents64", "link", "linkat", "lseek", "lstat", "lstat64", "mkdir", "mkdirat",
	"msync", "nanosleep", "newfstatat", "open", "openat", "openat2", "pread64",
	"preadv", "pwrite64", "pwritev", "readahead", "rename", "renameat", "renameat2",
	"rmdir", "sendfile", "sendfile64", "stat", "stat64", "statx", "umask", "uname",
	"unlink", "unlinkat", NULL };

/* Root's part of a session: its lock, its state directory, becoming the owner. */
static const char *const owner[] = { "capget", "capset", "fchown", "fchownat",
	"getresgid", "getresuid", "getgroups", "landlock_add_rule",
	"landlock_create_ruleset", "landlock_restrict_self", "readlink", "readlinkat",
	"setgid", "setgroups", "setregid", "setresgid", "setresuid", "setreuid",
	"setuid", NULL };

static _Noreturn void fail(const char *what, int error)
{
	fprintf(stderr, "mkfilter: %s: %s\n", what,
		strerror(error < 0 ? -error : error));
	exit(1);
}

static void add(scmp_filter_ctx ctx, uint32_t action, const char *name, unsigned n,
	const struct scmp_arg_cmp *args)
{
	int call = seccomp_syscall_resolve_name(name);
	/* Not a call of this architecture, or newer than this libseccomp. */
	if (call == __NR_SCMP_ERROR)
		return;
	int error = seccomp_rule_add_array(ctx, action, call, n, args);
	if (error < 0 && error != -EDOM)
		fail(name, error);
}

static void allow(scmp_filter_ctx ctx, const char *name)
{
	add(ctx, SCMP_ACT_ALLOW, name, 0, NULL);
}

static void allow_all(scmp_filter_ctx ctx, const char *const *names)
{
	for (; *names; names++)
		allow(ctx, *names);
}

/* The name, when argument i, as the 32 bits that an int has, is value. */
static void allow_int(scmp_filter_ctx ctx, const char *name, unsigned i, uint32_t value)
{
	struct scmp_arg_cmp arg = SCMP_CMP(i, SCMP_CMP_MASKED_EQ, UINT32_MAX, value);
	add(ctx, SCMP_ACT_ALLOW, name, 1, &arg);
}

/* The name, when argument i has none of the bits of mask. */
static void allow_without(
	scmp_filter_ctx ctx, const char *name, unsigned i, uint64_t mask)
{
	struct scmp_arg_cmp arg = SCMP_CMP(i, SCMP_CMP_MASKED_EQ, mask, 0);
	add(ctx, SCMP_ACT_ALLOW, name, 1, &arg);
}

/* The name, when arguments i and i + 1 are those ints. */
static void allow_pair(scmp_filter_ctx ctx, const char *name, unsigned i,
	uint32_t first, uint32_t second)
{
	struct scmp_arg_cmp args[] = {
		SCMP_CMP(i, SCMP_CMP_MASKED_EQ, UINT32_MAX, first),
		SCMP_CMP(i + 1, SCMP_CMP_MASKED_EQ, UINT32_MAX, second),
	};
	add(ctx, SCMP_ACT_ALLOW, name, 2, args);
}

static void allow_fcntl(scmp_filter_ctx ctx, const int *commands, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		allow_int(ctx, "fcntl", 1, (uint32_t)commands[i]);
		allow_int(ctx, "fcntl64", 1, (uint32_t)commands[i]);
	}
}

/*
 * The flags of descriptors from 3 to 31, more than anybody has. Those of the log are of
 * the pipe that all processes of a domain share: one could make the others wait, or
 * mend its lines with theirs.
 */
static void allow_flags(scmp_filter_ctx ctx)
{
	static const struct {
		uint32_t mask, value;
	} ranges[] = { { UINT32_MAX, 3 }, { UINT32_MAX << 2, 4 },
		{ UINT32_MAX << 3, 8 }, { UINT32_MAX << 4, 16 } };
	for (size_t i = 0; i < sizeof(ranges) / sizeof(*ranges); i++) {
		struct scmp_arg_cmp args[] = {
			SCMP_CMP(
				0, SCMP_CMP_MASKED_EQ, ranges[i].mask, ranges[i].value),
			SCMP_CMP(1, SCMP_CMP_MASKED_EQ, UINT32_MAX, F_SETFL),
		};
		add(ctx, SCMP_ACT_ALLOW, "fcntl", 2, args);
		add(ctx, SCMP_ACT_ALLOW, "fcntl64", 2, args);
	}
}

static void allow_memory(scmp_filter_ctx ctx)
{
	allow_without(ctx, "mmap", 2, PROT_EXEC);
	allow_without(ctx, "mmap2", 2, PROT_EXEC);
	allow_without(ctx, "mprotect", 2, PROT_EXEC);
}

static void allow_common(scmp_filter_ctx ctx)
{
	static const int commands[] = { F_GETFD, F_SETFD, F_GETFL };
	allow_all(ctx, common);
	allow_memory(ctx);
	allow_fcntl(ctx, commands, sizeof(commands) / sizeof(*commands));
	allow_flags(ctx);
	/* No address: a TCP socket must not be led elsewhere (MSG_FASTOPEN). */
	struct scmp_arg_cmp nowhere = SCMP_CMP(4, SCMP_CMP_EQ, 0, 0);
	add(ctx, SCMP_ACT_ALLOW, "sendto", 1, &nowhere);
	add(ctx, SCMP_ACT_ALLOW, "send", 0, NULL);
	allow_int(ctx, "ioctl", 1, FIONREAD);
	/* isatty(3), which stdio asks: no. */
	struct scmp_arg_cmp isatty =
		SCMP_CMP(1, SCMP_CMP_MASKED_EQ, UINT32_MAX, TCGETS);
	add(ctx, SCMP_ACT_ERRNO(ENOTTY), "ioctl", 1, &isatty);
	allow_pair(ctx, "setsockopt", 1, IPPROTO_TCP, TCP_NODELAY);
	allow_pair(ctx, "setsockopt", 1, IPPROTO_TCP, TCP_CORK);
	allow_pair(ctx, "setsockopt", 1, IPPROTO_TCP, TCP_QUICKACK);
	allow_pair(ctx, "setsockopt", 1, IPPROTO_TCP, TCP_USER_TIMEOUT);
	allow_pair(ctx, "setsockopt", 1, SOL_SOCKET, SO_RCVTIMEO);
	allow_pair(ctx, "setsockopt", 1, SOL_SOCKET, SO_SNDTIMEO);
	allow_pair(ctx, "setsockopt", 1, SOL_SOCKET, SO_SNDBUF);
	allow_pair(ctx, "setsockopt", 1, SOL_SOCKET, SO_RCVBUF);
}

/* A process at the end of the line: it signals itself, to abort, and no other. */
static void allow_abort_self(scmp_filter_ctx ctx)
{
	allow_int(ctx, "tgkill", 0, FILTER_SELF);
}

static void allow_fork(scmp_filter_ctx ctx)
{
	const uint64_t plain =
		0xFF | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | CLONE_PARENT_SETTID;
#ifdef __s390__
	allow_without(ctx, "clone", 1, ~plain);
#else
	allow_without(ctx, "clone", 0, ~plain);
#endif
}

static void allow_warm(scmp_filter_ctx ctx)
{
	static const int commands[] = { F_DUPFD, F_DUPFD_CLOEXEC };
	static const int options[] = { PR_CAPBSET_DROP, PR_CAPBSET_READ, PR_CAP_AMBIENT,
		PR_GET_DUMPABLE, PR_GET_NO_NEW_PRIVS, PR_SET_NAME, PR_SET_NO_NEW_PRIVS,
		PR_SET_PDEATHSIG };
	allow_common(ctx);
	allow_all(ctx, warm);
	allow_fork(ctx);
	allow_fcntl(ctx, commands, sizeof(commands) / sizeof(*commands));
	for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++)
		allow_int(ctx, "prctl", 0, (uint32_t)options[i]);
	allow_pair(ctx, "prctl", 0, PR_SET_DUMPABLE, 0);
	/* Its children; which processes those are, uids and Landlock say. */
	allow_int(ctx, "kill", 1, SIGKILL);
	allow_int(ctx, "kill", 1, SIGTERM);
	allow_int(ctx, "tgkill", 2, SIGABRT);
	/* What a child's own sandbox needs. */
	allow_int(ctx, "prlimit64", 0, 0);
	allow_pair(ctx, "seccomp", 0, SECCOMP_SET_MODE_FILTER, 0);
}

static void allow_files(scmp_filter_ctx ctx)
{
	static const int commands[] = { F_GETLK, F_SETLK, F_SETLKW, F_OFD_GETLK,
		F_OFD_SETLK, F_OFD_SETLKW };
	allow_all(ctx, files);
	allow_fcntl(ctx, commands, sizeof(commands) / sizeof(*commands));
	/* Landlock knows nothing of times: those of what is open, not of a path. */
	struct scmp_arg_cmp no_path = SCMP_CMP(1, SCMP_CMP_EQ, 0, 0);
	add(ctx, SCMP_ACT_ALLOW, "utimensat", 1, &no_path);
}

/* Into other processes; into the kernel; past path names and its accounting. */
static const char *const nobody[] = { "acct", "bpf", "clock_adjtime", "clock_settime",
	"create_module", "delete_module", "finit_module", "get_kernel_syms",
	"init_module", "io_uring_enter", "io_uring_register", "io_uring_setup",
	"ioperm", "iopl", "kcmp", "kexec_file_load", "kexec_load", "lookup_dcookie",
	"modify_ldt", "nfsservctl", "open_by_handle_at", "pciconfig_iobase",
	"pciconfig_read", "pciconfig_write", "perf_event_open", "pidfd_getfd",
	"process_madvise", "process_vm_readv", "process_vm_writev", "ptrace",
	"query_module", "reboot", "stime", "swapoff", "swapon", "syslog", "uselib",
	"userfaultfd", "vhangup", "vm86", "vm86old", NULL };

static const char *const mounting[] = { "fsconfig", "fsmount", "fsopen", "fspick",
	"mount", "mount_setattr", "move_mount", "open_tree", "pivot_root", "setns",
	"umount", "umount2", "unshare", NULL };

static void refuse_all(scmp_filter_ctx ctx, const char *const *names)
{
	for (; *names; names++)
		add(ctx, SCMP_ACT_ERRNO(EPERM), *names, 0, NULL);
}

/* A device file is a way past every other file's rights. */
static void refuse_devices(scmp_filter_ctx ctx)
{
	static const uint64_t kinds[] = { S_IFBLK, S_IFCHR };
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		struct scmp_arg_cmp mode =
			SCMP_CMP(1, SCMP_CMP_MASKED_EQ, S_IFMT, kinds[i]);
		add(ctx, SCMP_ACT_ERRNO(EPERM), "mknod", 1, &mode);
		mode.arg = 2;
		add(ctx, SCMP_ACT_ERRNO(EPERM), "mknodat", 1, &mode);
	}
}

/* A call that makes something new, when it shall be made with this flag. */
static void refuse_flag(scmp_filter_ctx ctx, const char *name, uint64_t flag)
{
	struct scmp_arg_cmp with = SCMP_CMP(0, SCMP_CMP_MASKED_EQ, flag, flag);
#ifdef __s390__
	if (strcmp(name, "clone") == 0)
		with.arg = 1;
#endif
	add(ctx, SCMP_ACT_ERRNO(EPERM), name, 1, &with);
}

/* In a user namespace of its own a process has every capability, over much of the
 * kernel. What clone3(2) is asked for stands in memory, where no filter looks: it does
 * not exist, and libraries take clone(2). */
static void refuse_users(scmp_filter_ctx ctx)
{
	refuse_flag(ctx, "clone", CLONE_NEWUSER);
	refuse_flag(ctx, "unshare", CLONE_NEWUSER);
	add(ctx, SCMP_ACT_ERRNO(ENOSYS), "clone3", 0, NULL);
}

static void master(scmp_filter_ctx ctx)
{
	refuse_all(ctx, nobody);
	refuse_devices(ctx);
	refuse_users(ctx);
}

static void auth(scmp_filter_ctx ctx)
{
	static const uint64_t namespaces[] = { CLONE_NEWCGROUP, CLONE_NEWIPC,
		CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUTS };
	refuse_all(ctx, mounting);
	for (size_t i = 0; i < sizeof(namespaces) / sizeof(*namespaces); i++)
		refuse_flag(ctx, "clone", namespaces[i]);
}

static void allow_kernel_tls(scmp_filter_ctx ctx)
{
	allow_pair(ctx, "setsockopt", 1, IPPROTO_TCP, TCP_ULP);
	allow_pair(ctx, "setsockopt", 1, KTLS_LEVEL, KTLS_SENDING);
	allow_pair(ctx, "setsockopt", 1, KTLS_LEVEL, KTLS_RECEIVING);
}

static void gate_parent(scmp_filter_ctx ctx)
{
	allow_warm(ctx);
	allow_kernel_tls(ctx);
}

static void gate(scmp_filter_ctx ctx)
{
	allow_common(ctx);
	allow_abort_self(ctx);
}

/* A gate that may give its connection to the kernel's TLS; others may not reach that.
 */
static void gate_kernel_tls(scmp_filter_ctx ctx)
{
	gate(ctx);
	allow_kernel_tls(ctx);
}

static void keeper_parent(scmp_filter_ctx ctx)
{
	allow_warm(ctx);
}

static void keeper(scmp_filter_ctx ctx)
{
	allow_common(ctx);
	allow(ctx, "recvmsg");
	allow_abort_self(ctx);
}

/* The owner's own quota, and only to ask for it. By its number, which is the same
 * everywhere: what no rule names kills, and libseccomp may not know the name. */
static void allow_quota(scmp_filter_ctx ctx)
{
	enum { QUOTACTL_FD = 443 };
	static const unsigned kinds[] = { USRQUOTA, GRPQUOTA };
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		uint32_t command = (unsigned)Q_GETQUOTA << SUBCMDSHIFT | kinds[i];
		struct scmp_arg_cmp get =
			SCMP_CMP(1, SCMP_CMP_MASKED_EQ, UINT32_MAX, command);
		int error = seccomp_rule_add_array(
			ctx, SCMP_ACT_ALLOW, QUOTACTL_FD, 1, &get);
		if (error < 0)
			fail("quotactl_fd", error);
	}
}

/* How much the client has not acknowledged, before anything is removed. */
static void allow_unsent(scmp_filter_ctx ctx)
{
	allow_int(ctx, "ioctl", 1, TIOCOUTQ);
}

/* syslog(3) connects anew when syslogd has been started again; which sockets it finds
 * by name, its user's rights say. */
static void logger(scmp_filter_ctx ctx)
{
	allow_common(ctx);
	allow_abort_self(ctx);
	allow_int(ctx, "socket", 0, AF_UNIX);
	allow(ctx, "connect");
}

static void session_parent(scmp_filter_ctx ctx)
{
	allow_warm(ctx);
	allow_files(ctx);
	allow_unsent(ctx);
	allow_quota(ctx);
	allow_all(ctx, owner);
	/* Locks; the argument after the mode means nothing for a FIFO. */
	struct scmp_arg_cmp fifo = SCMP_CMP(2, SCMP_CMP_MASKED_EQ, S_IFMT, S_IFIFO);
	add(ctx, SCMP_ACT_ALLOW, "mknodat", 1, &fifo);
	fifo.arg = 1;
	add(ctx, SCMP_ACT_ALLOW, "mknod", 1, &fifo);
}

static void session(scmp_filter_ctx ctx)
{
	allow_common(ctx);
	allow_files(ctx);
	allow_unsent(ctx);
	allow_quota(ctx);
	allow_abort_self(ctx);
}

static void print(const char *name, FILE *program)
{
	struct sock_filter f;
	rewind(program);
	printf("static const struct sock_filter filter_%s[] = {\n", name);
	while (fread(&f, sizeof(f), 1, program) == 1)
		printf("\t{ 0x%02x, %u, %u, 0x%08x },\n", f.code, f.jt, f.jf, f.k);
	printf("};\n");
	if (ferror(program))
		fail("read", errno);
}

static void make(
	const char *name, uint32_t otherwise, void (*rules)(scmp_filter_ctx ctx))
{
	scmp_filter_ctx ctx = seccomp_init(otherwise);
	FILE *program = tmpfile();
	if (!ctx || !program)
		fail(name, errno);
	int error =
		seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (error < 0)
		fail("seccomp_attr_set", error);
	rules(ctx);
	error = seccomp_export_bpf(ctx, fileno(program));
	if (error < 0)
		fail("seccomp_export_bpf", error);
	print(name, program);
	fclose(program);
	seccomp_release(ctx);
}

int main(void)
{
	printf("/* Made by mkfilter. */\n");
	make("master", SCMP_ACT_ALLOW, master);
	make("auth", SCMP_ACT_ALLOW, auth);
	make("gate_parent", SCMP_ACT_KILL_PROCESS, gate_parent);
	make("gate", SCMP_ACT_KILL_PROCESS, gate);
	make("gate_kernel_tls", SCMP_ACT_KILL_PROCESS, gate_kernel_tls);
	make("keeper_parent", SCMP_ACT_KILL_PROCESS, keeper_parent);
	make("keeper", SCMP_ACT_KILL_PROCESS, keeper);
	make("logger", SCMP_ACT_KILL_PROCESS, logger);
	make("session_parent", SCMP_ACT_KILL_PROCESS, session_parent);
	make("session", SCMP_ACT_KILL_PROCESS, session);
	if (fflush(stdout) != 0)
		fail("write", errno);
	return 0;
}
