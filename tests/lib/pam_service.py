"""A PAM service that tests write, and the module that misbehaves as told
(tests/dialog/pam_test.c)."""

import os

from server import BUILD, INSIDE

SERVICE = "postern-test"
MODULE = os.path.join(os.path.abspath(BUILD), "tests/dialog/pam_test.so")


def record():
    """The file that the module writes down its calls in."""
    return os.path.join(os.environ[INSIDE], "record")


def service(text):
    with open("/etc/pam.d/" + SERVICE, "w", encoding="ascii") as f:
        f.write(text)


def usual():
    service("auth required pam_unix.so\naccount required pam_unix.so\n"
            f"session required {MODULE} record={record()}\n")
