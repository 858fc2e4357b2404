"""Linkage as policy: what each built program needs and names, against what its
domain may have (doc/DESIGN.md section 2). Reads the files that were built; runs none.
"""

import functools
import os
import re
import subprocess
import sys
import unittest

BUILD = os.environ.get("POSTERN_BUILD", os.getcwd())
CONFIG = open(os.path.join(BUILD, "config.h")).read()

LIBC = {"libc"}
CRYPTO = {"libcrypto"}

# The libraries beyond libc. The session has none, not even libc's file.
NEEDED = {
    "posternd": set(),
    "pop3-gate": CRYPTO | {"libssl"},
    "postern-auth": CRYPTO | {"libpam", "libsqlite3", "libsodium", "libcrypt", "libidn",
                               "libjansson"},
    "pop3-session": None,
    "postern-keeper": CRYPTO,
    "postern": CRYPTO | {"libsqlite3", "libsodium", "libcrypt", "libidn"},
}
WARM = {"pop3-gate", "postern-auth", "pop3-session"}

# Whole names (without @VERSION); who may have them: everybody else may not.
EXEC = r"execv|execve|execvp|execvpe|execl|execle|execlp|fexecve|execveat|posix_spawnp?"
RULES = [
    (r"system|popen|wordexp|dlopen|dlmopen", set()),
    (r"strcpy|strcat|strncat|sprintf|vsprintf|gets|tmpnam|mktemp|tempnam", set()),
    (r"ptrace|process_vm_readv|process_vm_writev", set()),
    (EXEC, {"posternd", "postern"}),  # postern: posternd -n
    (r"fork|vfork|clone", {"posternd", "postern-keeper", "postern"} | WARM),
    (r"socket|bind|listen|accept4?", {"posternd", "postern"}),
    # posternd: to itself, to try the kernel's TLS.
    (r"connect", {"posternd", "postern"}),
    (r"getaddrinfo|gethostbyname\w*|res_\w+", set()),
    # Only who may receive a descriptor.
    (r"recvmsg|recvmmsg", WARM | {"postern-keeper"}),
    # Only who hands descriptors on or reports.
    (r"sendmsg|sendmmsg", {"posternd", "postern-keeper"} | WARM),
    (r"pam_\w+", {"postern-auth"}),
    (r"sqlite3_\w+|crypto_pwhash\w*|crypt(_\w+)?", {"postern-auth", "postern"}),
    (r"SSL_\w+|TLS_\w+", {"pop3-gate"}),
    (r"(PEM|d2i)_\w*(Private|PKey)\w*", {"postern-keeper"}),
    (r"set(res|re|e)?[ug]id|setgroups|initgroups",
     {"posternd", "pop3-session", "postern"}),
    # A gate has no file: not even a function that opens one.
    (r"_*(open|openat|creat|fopen|freopen)(64)?(_2)?|opendir|scandir|unlink(at)?|"
     r"rename(at2?)?|link(at)?|symlink(at)?|mkdir(at)?|stat|lstat|getpwnam\w*",
     {"posternd", "postern-auth", "pop3-session", "postern-keeper", "postern"}),
    (r"getenv|secure_getenv|setenv|putenv", {"posternd", "postern"}),
]


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def path(program):
    return os.path.join(BUILD, program)


def needed(program):
    found = re.findall(r"\(NEEDED\).*\[(.+)\]", run("readelf", "-d", path(program)))
    return {name.split(".so")[0] for name in found if not name.startswith("ld-linux")}


@functools.cache
def undefined(program):
    """The functions that the program asks its libraries for."""
    lines = run("nm", "-D", "--undefined-only", path(program)).split("\n")
    return {line.split()[-1].split("@")[0] for line in lines if line.strip()}


def symbols(*files):
    """(undefined names, defined functions) of each object, archives' members too."""
    objects = [(set(), set())]
    for line in run("nm", *files).split("\n"):
        if line.endswith(":"):
            objects.append((set(), set()))
        elif line.strip():
            kind, name = line.split()[-2:]
            objects[-1][0 if kind == "U" else 1].add(name)
    return objects


@functools.cache
def undefined_static():
    """What the session's own code asks libc for: the linked file has no record of
    it any more, so the objects are asked, as far as they were linked."""
    folder = os.path.join(BUILD, "src/session")
    files = [os.path.join(folder, name) for name in os.listdir(folder)
             if name.endswith(".o")]
    files += [path(f"lib{name}.a") for name in
              ("warm", "sandbox", "pop3", "maildrop", "ipc", "base")]
    linked = set().union(*(defined for _, defined in symbols(path("pop3-session"))))
    names, own = set(), set()
    for asked, defined in symbols(*files):
        own |= defined
        if defined & linked:
            names |= asked
    return names - own


class Linkage(unittest.TestCase):
    def programs(self):
        for program in NEEDED:
            if program == "postern-keeper" and not os.path.exists(path(program)):
                continue
            yield program

    def test_libraries(self):
        for program in self.programs():
            with self.subTest(program=program):
                allowed = NEEDED[program]
                want = set() if allowed is None else allowed | LIBC
                self.assertLessEqual(needed(program), want)

    def test_session_is_static(self):
        headers = run("readelf", "-lW", path("pop3-session"))
        self.assertNotIn("INTERP", headers)
        self.assertEqual(needed("pop3-session"), set())

    def names(self, program):
        return undefined_static() if program == "pop3-session" else undefined(program)

    def test_functions(self):
        for program in self.programs():
            names = self.names(program)
            self.assertIn("close", names, program)  # or we read nothing at all
            for pattern, allowed in RULES:
                with self.subTest(program=program, pattern=pattern):
                    found = {n for n in names if re.fullmatch(
                        r"(__)?(" + pattern + r")(_chk)?", n)}
                    if program not in allowed:
                        self.assertEqual(found, set())

    def test_rules_name_what_is_there(self):
        """A rule that no program would ever break guards nothing: those that name
        somebody must be met by somebody."""
        everything = set()
        for program in self.programs():
            everything |= self.names(program)
        for pattern, allowed in RULES:
            if allowed:
                self.assertTrue(any(re.fullmatch(r"(__)?(" + pattern + r")(_chk)?", n)
                                    for n in everything), pattern)

    def test_hardening(self):
        for program in self.programs():
            with self.subTest(program=program):
                header = run("readelf", "-hW", path(program))
                segments = run("readelf", "-lW", path(program))
                dynamic = run("readelf", "-dW", path(program))
                self.assertRegex(header, r"Type:\s+DYN", "position independent")
                self.assertIn("GNU_RELRO", segments)
                self.assertRegex(segments, r"GNU_STACK\s.*\sRW\s", "no executable stack")
                self.assertNotRegex(segments, r"LOAD\s.*\sRWE\s")
                self.assertRegex(dynamic, r"BIND_NOW|FLAGS.*NOW")
                self.assertNotRegex(dynamic, r"RPATH|RUNPATH|TEXTREL")


if __name__ == "__main__":
    if "define POSTERN_SANITIZERS" in CONFIG:
        print("skipped: the sanitizers link what they like")
        sys.exit(77)
    unittest.main(verbosity=2)
