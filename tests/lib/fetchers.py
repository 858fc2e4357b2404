"""The mail clients of Debian, each as one call: it fetches what is in the maildrop and
returns the octets, or fails the test with what the client said."""

import contextlib
import os
import pty
import pwd
import select
import signal
import tempfile
import time

from server import run, INSIDE, PATIENCE


class Home:
    """A home directory for one run of one client."""

    def __init__(self, owner=None):
        self.owner = owner

    def __enter__(self):
        self.stack = contextlib.ExitStack()
        self.path = self.stack.enter_context(
            tempfile.TemporaryDirectory(dir=os.environ[INSIDE]))
        self.environment = dict(os.environ, HOME=self.path, LC_ALL="C.UTF-8")
        self.give(self.path)
        return self

    def __exit__(self, *_):
        self.stack.close()

    def give(self, path):
        if self.owner:
            user = pwd.getpwnam(self.owner)
            os.chown(path, user.pw_uid, user.pw_gid)

    def write(self, name, text=""):
        path = os.path.join(self.path, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(path, 0o600)
        self.give(path)
        return path

    def run(self, *command, check=True):
        return run(*command, env=self.environment, check=check)


def read(path):
    with open(path, "rb") as f:
        return f.read()


def curl(server, user, password, *options, kind="pop3s", source="127.0.0.1", check=True):
    with Home() as home:
        login = []
        if password is not None:
            rc = home.write("netrc", f'machine localhost login "{user}" '
                            f'password "{password}"\n')
            login = ["--netrc-file", rc]
        else:
            login = ["--user", user + ":"]
        done = home.run("curl", "-sS", "--cacert", server.chain, "--interface", source,
                        *login, *options, f"{kind}://localhost:{server.port(kind)}/1",
                        check=check)
        return done.stdout if check else done.returncode


def mpop(server, method, user, password, *lines, tls=True, source="127.0.0.1"):
    with Home() as home:
        secret, box = home.write("password", (password or "") + "\n"), home.write("box")
        rc = home.write("rc", f"""
account x
host localhost
port {server.port("pop3s" if tls else "pop3")}
source_ip {source}
tls {"on" if tls else "off"}
tls_starttls off
tls_trust_file {server.chain}
auth {method}
user {user}
passwordeval "cat {secret}"
keep on
uidls_file {home.path}/uidls
received_header off
delivery mbox {box}
""" + "".join(line + "\n" for line in lines))
        home.run("mpop", "-q", "-C", rc, "x")
        return read(box)


def fetchmail(server, user, password, protocol="pop3", options="", kind="pop3s"):
    tls = f"ssl sslcertck sslcertfile {server.chain}" if kind == "pop3s" else "sslproto ''"
    with Home() as home:
        box = home.write("box")
        rc = home.write("rc", f"""
poll localhost service {server.port(kind)} protocol {protocol} timeout 50 {options}
  user "{user}" password "{password}" {tls} keep fetchall
  mda "cat >>{box}"
""")
        home.run("fetchmail", "-f", rc, "--nosyslog", "--idfile", f"{home.path}/ids",
                 "--pidfile", f"{home.path}/pid")
        return read(box)


def getmail(server, user, password, *lines, kind="pop3s", unix="nobody"):
    """It refuses to deliver as root. It forks to deliver, and now and then misses the end
    of that child when the machine is busy (Condition.wait() behind the SIGCHLD): then
    it gives up after its timeout, and is started once more, as a cron job would."""
    retriever = "SimplePOP3SSLRetriever" if kind == "pop3s" else "SimplePOP3Retriever"
    with Home(unix) as home:
        rc = home.write("rc", f"""
[retriever]
type = {retriever}
server = localhost
port = {server.port(kind)}
username = {user}
password = {password}
timeout = 20
""" + "".join(line + "\n" for line in lines) + f"""
[destination]
type = Mboxrd
path = {home.path}/box
[options]
delete = false
""")
        for _ in range(5):
            box = home.write("box")
            done = home.run("setpriv", "--reuid=" + unix, "--regid=" + str(
                pwd.getpwnam(unix).pw_gid), "--clear-groups", "getmail", "--getmaildir",
                home.path, "--rcfile", rc, check=False)
            if b"waiting child pid" not in done.stdout:
                break
        assert done.returncode == 0, done.stdout.decode(errors="replace")
        return read(box)


def mutt(program, server, user, password, kind="pop3s"):
    """mutt or neomutt on a terminal of its own: it fetches and is told to leave. It gets
    what its defaults choose."""
    with Home() as home:
        box = home.write("box")
        rc = home.write("rc", f"""
set pop_host="{'pops' if kind == 'pop3s' else 'pop'}://localhost:{server.port(kind)}"
set pop_user="{user}" pop_pass="{password}" pop_delete=no
set spoolfile="{box}" folder="{home.path}" mbox_type=mbox record=""
set certificate_file="{server.chain}"
set quit=yes wait_key=no beep=no
push "<fetch-mail><sync-mailbox><exit>"
""")
        environment = dict(home.environment, TERM="xterm")
        pid, terminal = pty.fork()
        if pid == 0:
            os.execvpe(program, [program, "-n", "-F", rc], environment)
        said = b""
        try:
            deadline = time.monotonic() + PATIENCE
            while (left := deadline - time.monotonic()) > 0:
                if select.select([terminal], [], [], left)[0]:
                    said += os.read(terminal, 4096)
        except OSError:  # it has gone, and its terminal with it
            pass
        finally:
            if time.monotonic() >= deadline:
                os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            os.close(terminal)
        octets = read(box)
        assert octets, said.decode(errors="replace")
        return octets
