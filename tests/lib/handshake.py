"""handshake: what a client with a certificate and a server say to each other, and what the
keeper would testify of it: EXTERNAL's proof."""
import hashlib
import ssl

import hold


def messages(server, client, version):
    """All handshake messages up to the client's CertificateVerify, as they crossed.
    server, client: (certificate, key)."""
    said = []
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(*server)
    theirs.load_verify_locations(client[0])
    theirs.verify_mode = ssl.CERT_REQUIRED
    theirs.minimum_version = theirs.maximum_version = version
    theirs.options |= ssl.OP_NO_TICKET
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ours.check_hostname, ours.verify_mode = False, ssl.CERT_NONE
    ours.load_cert_chain(*client)

    def hear(_, direction, __, kind, ___, data):
        if kind == 22:  # handshake
            said.append((direction, data))
    ours._msg_callback = hear  # pylint: disable=protected-access
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [ours.wrap_bio(back, there, server_hostname="x"),
            theirs.wrap_bio(there, back, server_side=True)]
    while ends:
        for end in list(ends):
            try:
                end.do_handshake()
                ends.remove(end)
            except ssl.SSLWantReadError:
                pass
    last = [i for i, (way, data) in enumerate(said) if way == "write" and data[0] == 15][0]
    return [data for _, data in said[:last + 1]]


def witness(number, told):
    """The keeper's testimony that it signed this handshake for that connection."""
    types = [m[0] for m in told]
    if 8 in types:  # TLS 1.3
        at = types.index(15)
        signature = told[at][8:]
        suite = told[1][39 + told[1][38]:][:2]
        octets = (b" " * 64 + b"TLS 1.3, server CertificateVerify\0"
                  + hashlib.new("sha384" if suite == b"\x13\x02" else "sha256",
                                b"".join(told[:at])).digest())
    else:
        keys = told[types.index(12)][4:]
        n = 4 + keys[3]
        signature = keys[n + 4:]
        octets = told[0][6:38] + told[1][6:38] + keys[:n]
    return hold.witness(number, octets, signature)
