"""A client by hand, over STLS: lines out, lines in."""

import base64
import re
import subprocess

from server import PATIENCE


def b64(octets):
    octets = octets.encode() if isinstance(octets, str) else octets
    return base64.b64encode(octets).decode()


class Talk:
    def __init__(self, server, context=None, source="127.0.0.1"):
        raw = server.connect(source=source)
        with raw.makefile("rb", buffering=0) as lines:
            lines.readline()
            raw.sendall(b"STLS\r\n")
            lines.readline()
        context = context or server.tls_context()
        self.socket = context.wrap_socket(raw, server_hostname="localhost")
        self.file = self.socket.makefile("rb")

    def line(self):
        return self.file.readline().rstrip(b"\r\n")

    def say(self, text):
        self.socket.sendall(text.encode() + b"\r\n")
        return self.line()

    def lines(self):
        """The rest of a multi-line reply."""
        got = []
        while (line := self.line()) != b".":
            got.append(line.decode())
        return got

    def auth(self, mechanism, initial=None):
        if initial is None:
            return self.say("AUTH " + mechanism)
        return self.say("AUTH %s %s" % (mechanism, b64(initial) or "="))

    def capa(self):
        self.socket.sendall(b"CAPA\r\n")
        self.line()
        return self.lines()

    def close(self):
        self.file.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Exporter(Talk):
    """By openssl s_client, which tells the exporter's value of TLS 1.3."""

    def __init__(self, server):
        self.process = subprocess.Popen(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{server.port('pop3s')}",
             "-tls1_3", "-CAfile", server.chain, "-keymatexport",
             "EXPORTER-Channel-Binding", "-keymatexportlen", "32", "-nocommands",
             "-ign_eof"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.file = self.process.stdout
        for line in iter(self.file.readline, b""):
            found = re.search(rb"Keying material: ([0-9A-F]+)", line)
            if found:
                self.exported = bytes.fromhex(found.group(1).decode())
            if line.startswith(b"+OK"):
                break
        else:
            raise AssertionError("no greeting")

    def line(self):
        # s_client writes about session tickets in between
        for line in iter(self.file.readline, b""):
            if re.match(rb"[+-](OK|ERR| )", line):
                return line.rstrip(b"\r\n")
        raise AssertionError("the end")

    def say(self, text):
        self.process.stdin.write(text.encode() + b"\r\n")
        self.process.stdin.flush()
        return self.line()

    def close(self):
        self.process.stdin.close()
        self.process.kill()
        self.process.wait(PATIENCE)
        self.file.close()
