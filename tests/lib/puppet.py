"""puppet: servers in which a gate or a session has been taken over (tests/privsep/
puppet.h), and the attacker who says over the connection what it shall do."""

import errno
import os
import shutil
import socket
import tempfile

from server import BUILD, INSIDE, PATIENCE, SANITIZED, Server, children, message, program_of

DIED = "died"
FD_CLIENT, FD_VERDICT, FD_WIRE, FD_KEEPER = 3, 4, 5, 6
SANDBOXED = not SANITIZED  # seccomp, that is: a sanitized build has none

PASSWORD = "secret"
MAIL = [message(1), message(2)]
ALICE, BOB = "alice@example.org", "bob@example.org"


def puppet_server(program, puppet, settings=""):
    """A started server with the accounts of alice and bob, and a puppet in it."""
    server = Server(settings="remember off\n" + settings)
    for name in (ALICE, BOB):
        server.add_user(name, PASSWORD, "--apop", "--scram-sha-1")
        server.deliver(name, MAIL)
    return take_over(server, program, puppet).start()


def pids(server, program):
    """The processes of a program; first the warm parent."""
    return sorted(pid for pid in children(server.process.pid) if program_of(pid) == program)


def take_over(server, program, puppet):
    """This server's program is from now on the puppet."""
    programs = tempfile.mkdtemp(prefix="programs-", dir=os.environ.get(INSIDE) or None)
    os.chmod(programs, 0o755)
    for name in os.listdir(server.programs):
        if os.access(os.path.join(server.programs, name), os.X_OK) \
                and os.path.isfile(os.path.join(server.programs, name)):
            shutil.copy2(os.path.join(server.programs, name), programs)
    shutil.copy2(os.path.join(BUILD, puppet), os.path.join(programs, program))
    server.programs = programs
    server.write_config()
    return server


class Puppet:
    """The attacker's end of the connection. do() returns a number or octets, an errno's
    name, or DIED when the process was killed for it."""

    def __init__(self, connection):
        self.connection = connection
        self.connection.settimeout(PATIENCE)
        self.rest = b""
        self.greeting = b""

    def _line(self):
        while b"\n" not in self.rest:
            try:
                got = self.connection.recv(65536)
            except ConnectionError:
                got = b""
            if not got:
                return None
            self.rest += got
        line, self.rest = self.rest.split(b"\n", 1)
        # The master's greeting of a plain connection is none of the puppet's words.
        if line.startswith(b"+OK "):
            self.greeting = line
            return self._line()
        return line.decode()

    def do(self, *words):
        text = " ".join(word.hex() if isinstance(word, bytes) else str(word)
                        for word in words)
        try:
            self.connection.sendall(text.encode() + b"\n")
            line = self._line()
        except ConnectionError:
            line = None
        if line is None:
            return DIED
        kind, _, value = line.partition(" ")
        if kind == "errno":
            return errno.errorcode[int(value)]
        if words[0] in ("read", "recv"):
            return bytes.fromhex(value)
        return int(value)

    def send(self, message, fd=FD_VERDICT):
        """A datagram on the verdict channel."""
        return self.do("send", fd, message)

    def leave(self, message, fd=FD_VERDICT):
        """A last datagram: the puppet reads the connection no more."""
        self.connection.sendall(b"leave %d %s\n" % (fd, message.hex().encode()))

    def receive(self, seconds=PATIENCE, fd=FD_VERDICT):
        """The next datagram; b"" is the end of the channel."""
        return self.do("recv", fd, int(seconds * 1000))

    def wait_for_end(self, seconds=PATIENCE):
        """Waits, saying nothing, until the server ends the connection."""
        self.connection.settimeout(seconds)
        try:
            while self.connection.recv(4096):
                pass
        except ConnectionError:
            pass

    def close(self):
        self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def puppet_gate(server, source=None):
    return Puppet(socket.create_connection(
        ("127.0.0.1", server.port("pop3")), timeout=PATIENCE,
        source_address=(source, 0) if source else None))


def puppet_session(server, name, password, source=None):
    """Logs in through a real gate: the session is the attacker's."""
    raw = socket.create_connection(("127.0.0.1", server.port("pop3")), timeout=PATIENCE,
                                   source_address=(source, 0) if source else None)
    with raw.makefile("rb") as replies:
        raw.sendall(f"USER {name}\r\nPASS {password}\r\n".encode())
        lines = [replies.readline() for _ in range(3)]
    if not lines[2].startswith(b"+OK"):
        raise AssertionError(f"cannot log in: {lines}")
    return Puppet(raw)
