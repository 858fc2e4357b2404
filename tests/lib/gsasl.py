"""GNU SASL's client, by its library: another implementation than ours of what mechanisms
say, channel bindings included (which its command only takes from a TLS of its own)."""

import ctypes
import ctypes.util

OK, NEEDS_MORE = 0, 1
AUTHID, PASSWORD, CB_TLS_UNIQUE, CB_TLS_EXPORTER = 1, 3, 18, 25


class Refused(Exception):
    """The client does not believe the server."""


def library():
    """None, where there is no such library."""
    name = ctypes.util.find_library("gsasl")
    if not name:
        return None
    gsasl = ctypes.CDLL(name)
    gsasl.gsasl_strerror.restype = ctypes.c_char_p
    gsasl.gsasl_step64.argtypes = [ctypes.c_void_p, ctypes.c_char_p,
                                   ctypes.POINTER(ctypes.c_void_p)]
    gsasl.gsasl_property_set.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p]
    gsasl.gsasl_client_start.argtypes = [ctypes.c_void_p, ctypes.c_char_p,
                                         ctypes.POINTER(ctypes.c_void_p)]
    return gsasl


class Client:
    def __init__(self, mechanism, **properties):
        self.gsasl = library()
        self.context, self.session = ctypes.c_void_p(), ctypes.c_void_p()
        self.check(self.gsasl.gsasl_init(ctypes.byref(self.context)))
        self.check(self.gsasl.gsasl_client_start(
            self.context, mechanism.encode(), ctypes.byref(self.session)))
        for name, value in properties.items():
            self.gsasl.gsasl_property_set(self.session, globals()[name.upper()],
                                          value.encode())

    def check(self, code):
        if code not in (OK, NEEDS_MORE):
            raise Refused(self.gsasl.gsasl_strerror(code).decode())

    def step(self, challenge):
        """The answer, in base64, to what the server said, in base64."""
        answer = ctypes.c_void_p()
        self.check(self.gsasl.gsasl_step64(self.session, challenge, ctypes.byref(answer)))
        text = ctypes.cast(answer, ctypes.c_char_p).value
        self.gsasl.gsasl_free(answer)
        return text.decode()

    def close(self):
        self.gsasl.gsasl_finish(self.session)
        self.gsasl.gsasl_done(self.context)
