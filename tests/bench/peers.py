"""The servers that are measured: Postern and Debian's others, each out of a directory
and a configuration of its own, on loopback. Each is told to use its cheap caches and to
let one source hold as many connections as the load asks for.

A server is made for one kind of accounts: "virtual" (their mail in Maildirs, one owner)
or "system" (Unix users through PAM, their mail in mboxes).
"""

import functools
import glob
import json
import os
import shutil
import socket
import subprocess
import time

from server import run

OWNER = "benchmail"       # of all virtual users' mail
PASSWORD = "correct.horse.battery.staple"
PATIENCE = 60             # seconds, for a server to begin or to end


def write(path, text, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        f.write(text)
    os.chmod(path, mode)
    return path


def processes():
    """pid -> (parent, name of the program)."""
    found = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/stat") as f:
                head, _, tail = f.read().rpartition(")")
            found[int(entry)] = (int(tail.split()[1]), head.partition("(")[2])
        except OSError:
            pass
    return found


class Server:
    """What all have in common."""

    name = ""
    accounts = ("virtual",)   # kinds of accounts that it can serve
    tls = True
    sessions = 1000           # that it lets be at the same time
    secure = True             # each session in a process of its own, not reused
    promise = ""              # what it promises when QUIT has been answered
    package = program = None

    def __init__(self, place, kind, chain, key, remember=True):
        self.place, self.kind, self.chain, self.key = place, kind, chain, key
        self.remember = remember
        self.roots = []
        os.makedirs(place, exist_ok=True)
        os.chmod(place, 0o755)

    @classmethod
    def is_there(cls):
        return os.path.exists(cls.program)

    @property
    def form(self):
        return "maildir" if self.kind == "virtual" else "mbox"

    def maildrop(self, user):
        return f"{self.place}/mail/{user}"

    def owner(self, user):
        return (OWNER, OWNER) if self.kind == "virtual" else (user, "mail")

    def spawn(self, *command, **how):
        log = open(os.path.join(self.place, "log"), "ab")
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                 start_new_session=True, **how)
        self.roots.append(child)
        return child

    def wait_for(self, *ports):
        deadline = time.monotonic() + PATIENCE
        for port in ports:
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    if time.monotonic() > deadline or any(
                            r.poll() not in (None, 0) for r in self.roots):
                        raise RuntimeError(f"{self.name} does not answer on {port}: "
                                           + self.last_words()) from None
                    select_a_while()

    def last_words(self):
        with open(os.path.join(self.place, "log"), errors="replace") as f:
            return f.read()[-2000:]

    def ports(self):
        return [self.plain_port] + ([self.tls_port] if self.tls else [])

    def start(self):
        self.configure()
        self.run()
        self.wait_for(*self.ports())
        return self

    def pids(self):
        """All its processes."""
        tree = processes()
        mine = {r.pid for r in self.roots if r.poll() is None} | self.strays(tree)
        grown = True
        while grown:
            more = {pid for pid, (parent, _) in tree.items() if parent in mine} - mine
            mine |= more
            grown = bool(more)
        return mine

    def strays(self, tree):
        """Those that it started and that left it."""
        return set()

    def stop(self):
        own = self.pids()
        for root in self.roots:
            root.terminate()
        for root in self.roots:
            try:
                root.wait(5)
            except subprocess.TimeoutExpired:
                root.kill()
                root.wait()
        for pid in own:
            try:
                os.kill(pid, 9)
            except ProcessLookupError:
                pass
        self.roots = []

    def forget(self, user):
        """Removes what it remembers about a maildrop."""


def select_a_while():
    """Waits a little for a server to bind: none of the peers tells when it has."""
    time.sleep(0.02)


class Postern(Server):
    name = "Postern"
    accounts = ("virtual", "system")
    promise = "directory synced; mbox: journal and file synced"
    plain_port, tls_port = 2110, 2995
    programs = None           # the directory where they were built
    undo = "7d"

    @classmethod
    def is_there(cls):
        return True

    def configure(self):
        source = (f"sqlite:{self.place}/users.db maildir:{self.place}/mail/%n owner {OWNER}"
                  if self.kind == "virtual" else f"pam:postern mbox:{self.place}/mail/%n")
        self.config = write(f"{self.place}/postern.conf", f"""
listen pop3 127.0.0.1:{self.plain_port}
listen pop3s 127.0.0.1:{self.tls_port}
certificate {self.chain} {self.key}
accounts {source}
remember {"1h" if self.remember else "off"}
undo {self.undo}
limits connections 4096 per-source 4096 logins 64
timeouts idle 1h takeover 1h
runtime {self.place}/run
state {self.place}/state
programs {self.programs}
""")
        write("/etc/pam.d/postern", "auth required pam_unix.so\naccount required pam_unix.so\n")
        os.makedirs(f"{self.place}/mail", exist_ok=True)
        os.chmod(f"{self.place}/mail", 0o711 if self.kind == "virtual" else 0o1777)

    def command(self, *arguments, input=None):
        return run(f"{self.programs}/postern", "-c", self.config, *arguments, input=input,
                   timeout=600).stdout

    def add_users(self, names):
        """One is made, the others are imported with its hash: making hashes is slow."""
        if self.kind == "system":
            return
        self.configure()
        self.command("user", "add", names[0], "--stdin", input=PASSWORD + "\n")
        first = json.loads(self.command("user", "export").decode().splitlines()[0])
        lines = [json.dumps(dict(first, name=name)) for name in names[1:]]
        self.command("user", "import", input="\n".join(lines) + "\n")

    def run(self):
        self.spawn(f"{self.programs}/posternd", "-F", "-c", self.config)

    def forget(self, user):
        """The size caches of all maildrops; the directory itself the server has open."""
        for each in glob.glob(f"{self.place}/state/*"):
            subprocess.run(["rm", "-rf", each], check=True)


class Dovecot(Server):
    """Its two ways to log in: a login process for one connection, or for many."""

    accounts = ("virtual", "system")
    program = "/usr/sbin/dovecot"
    package = "dovecot-pop3d"
    promise = "directory not synced; mbox: rewritten in place, synced"

    def configure(self):
        fast = not self.secure
        if self.kind == "virtual":
            users = write(f"{self.place}/users", "".join(
                f"{name}:{{PLAIN}}{PASSWORD}::::::\n" for name in self.names))
            source = f"""
passdb {{
  driver = passwd-file
  args = username_format=%u {users}
}}
userdb {{
  driver = static
  args = uid={OWNER} gid={OWNER} home={self.place}/home/%u
}}
mail_location = maildir:{self.place}/mail/%u
"""
        else:
            cached = "cache_key=%u%s " if self.remember else ""
            source = f"""
passdb {{
  driver = pam
  args = max_requests=1000 {cached}dovecot
}}
userdb {{
  driver = passwd
}}
mail_location = mbox:{self.place}/folders/%u:INBOX={self.place}/mail/%u:INDEX={self.place}/index/%u
mail_privileged_group = mail
mail_access_groups = mail
"""
        write("/etc/pam.d/dovecot", "auth required pam_unix.so\naccount required pam_unix.so\n")
        for directory, mode in (("mail", 0o1777), ("index", 0o1777), ("folders", 0o1777),
                                ("home", 0o1777)):
            os.makedirs(f"{self.place}/{directory}", exist_ok=True)
            os.chmod(f"{self.place}/{directory}", mode)
        self.config = write(f"{self.place}/dovecot.conf", f"""
base_dir = {self.place}/run
state_dir = {self.place}/state
protocols = pop3
listen = 127.0.0.1
log_path = {self.place}/dovecot.log
disable_plaintext_auth = no
ssl = yes
ssl_cert = <{self.chain}
ssl_key = <{self.key}
auth_mechanisms = plain
auth_cache_size = {"16 M" if self.remember else 0}
auth_cache_ttl = 1 hour
mail_max_userip_connections = 4096
default_process_limit = 4096
default_client_limit = 8192
first_valid_uid = 100
mail_fsync = optimized
{source}
service pop3-login {{
  inet_listener pop3 {{
    port = {self.plain_port}
  }}
  inet_listener pop3s {{
    port = {self.tls_port}
  }}
  service_count = {0 if fast else 1}
  process_min_avail = {2 if fast else 4}
  process_limit = {2 if fast else 4096}
  client_limit = {4096 if fast else 1}
}}
service pop3 {{
  process_min_avail = 2
  process_limit = 4096
}}
service anvil {{
  client_limit = 16384
}}
service auth {{
  client_limit = 16384
}}
""")

    def add_users(self, names):
        self.names = names

    def run(self):
        self.spawn(self.program, "-F", "-c", self.config)

    def forget(self, user):
        for each in glob.glob(f"{self.maildrop(user)}/dovecot*"):
            os.unlink(each)
        subprocess.run(["rm", "-rf", f"{self.place}/index/{user}"], check=True)


class DovecotFast(Dovecot):
    name = "Dovecot (fast)"
    secure = False
    plain_port, tls_port = 3110, 3995


class DovecotSecure(Dovecot):
    name = "Dovecot (secure)"
    plain_port, tls_port = 4110, 4995


class Courier(Server):
    name = "Courier"
    program = "/usr/lib/courier/courier/courierpop3d"
    package = "courier-pop"
    promise = "answers before it deletes; nothing is synced"
    plain_port, tls_port = 5110, 5995

    def add_users(self, names):
        self.names = names

    def configure(self):
        uid = subprocess.run(["id", "-u", OWNER], capture_output=True, text=True,
                             check=True).stdout.strip()
        os.makedirs(f"{self.place}/mail", exist_ok=True)
        os.chmod(f"{self.place}/mail", 0o711)
        write("/etc/courier/userdb", "".join(
            f"{name}\tuid={uid}|gid={uid}|home={self.place}/mail|"
            f"mail={self.maildrop(name)}|pop3pw={crypted()}\n" for name in self.names), 0o600)
        subprocess.run(["makeuserdb"], check=True, capture_output=True)
        # authdaemond is built to look here, and nowhere else.
        write("/etc/courier/authdaemonrc", """authmodulelist="authuserdb"
authmodulelistorig="authuserdb authpam"
daemons=5
authdaemonvar=/run/courier/authdaemon
DEBUG_LOGIN=0
DEFAULTOPTIONS=""
LOGGEROPTS=""
""")
        os.makedirs("/run/courier/authdaemon", exist_ok=True)
        os.makedirs("/var/lib/courier", exist_ok=True)
        both = f"{self.place}/both.pem"
        with open(both, "w") as f:
            for part in (self.key, self.chain):
                with open(part) as source:
                    f.write(source.read())
        os.chmod(both, 0o600)
        self.cache = f"{self.place}/tlscache"
        self.environment = dict(
            os.environ, MAILDIRPATH="Maildir", POP3AUTH="", POP3AUTH_TLS="", POP3_PROXY="0",
            POP3_STARTTLS="NO", POP3_TLS_REQUIRED="0", TLS_CERTFILE=both, TLS_VERIFYPEER="NONE",
            TLS_CACHEFILE=self.cache, TLS_CACHESIZE="524288", PORT="110",
            COURIERTLS="/usr/bin/couriertls")

    def run(self):
        self.spawn("/usr/lib/courier/courier-authlib/authdaemond", env=self.environment)
        serve = ["/usr/lib/courier/courier/courierpop3login",
                 "/usr/lib/courier/courier/courierpop3d", "Maildir"]
        common = ["/usr/sbin/couriertcpd", "-address=127.0.0.1", "-maxprocs=4096",
                  "-maxperip=4096", "-nodnslookup", "-noidentlookup"]
        self.spawn(*common, str(self.plain_port), *serve, env=self.environment)
        self.spawn(*common, str(self.tls_port), "/usr/bin/couriertls", "-server", "-tcpd",
                   *serve, env=dict(self.environment, POP3_TLS="1"))

    def forget(self, user):
        for each in glob.glob(f"{self.maildrop(user)}/courierpop3*"):
            os.unlink(each)


@functools.cache
def crypted():
    return subprocess.run(["openssl", "passwd", "-6", "-salt", "bench", PASSWORD],
                          capture_output=True, text=True, check=True).stdout.strip()


class Popa3d(Server):
    """Listens on port 110 wherever it is told to, reads /var/mail, and has no TLS."""

    name = "popa3d"
    accounts = ("system",)
    tls = False
    program = "/usr/sbin/popa3d"
    package = "popa3d"
    promise = "mbox: rewritten in place, nothing is synced"
    sessions = 400
    plain_port = 110

    def maildrop(self, user):
        return f"/var/mail/{user}"

    def configure(self):
        os.makedirs("/var/lib/popa3d", exist_ok=True)  # its prison
        write("/etc/pam.d/popa3d", "auth required pam_unix.so\naccount required pam_unix.so\n")

    def add_users(self, names):
        pass

    def run(self):
        subprocess.run([self.program, "-D"], check=True)

    def strays(self, tree):
        return {pid for pid, (_, program) in tree.items() if program == "popa3d"}


class Mailutils(Server):
    name = "mailutils"
    accounts = ("system",)
    program = "/usr/sbin/pop3d"
    package = "mailutils-pop3d"
    promise = "mbox: rewritten in place, nothing is synced"
    plain_port, tls_port = 6110, 6995

    def maildrop(self, user):
        return f"{self.place}/mail/{user}"

    def add_users(self, names):
        pass

    def configure(self):
        os.makedirs(f"{self.place}/mail", exist_ok=True)
        os.chmod(f"{self.place}/mail", 0o1777)
        write("/etc/pam.d/mu-pop3d",
              "auth required pam_unix.so\naccount required pam_unix.so\n")
        self.config = write(f"{self.place}/pop3d.conf", f"""
mailbox {{
  mail-spool {self.place}/mail;
  mailbox-type mbox;
}}
pam {{ service mu-pop3d; }}
auth {{
  authentication pam;
  authorization system;
}}
tls {{
  ssl-certificate-file {self.chain};
  ssl-key-file {self.key};
}}
mode daemon;
max-children 4096;
pidfile {self.place}/pid;
server 127.0.0.1:{self.plain_port} {{ tls-mode no; }}
server 127.0.0.1:{self.tls_port} {{ tls-mode connection; }}
""")

    def run(self):
        self.spawn(self.program, "--foreground", f"--config-file={self.config}")


ALL = (Postern, DovecotFast, DovecotSecure, Courier, Popa3d, Mailutils)
