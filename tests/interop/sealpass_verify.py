"""A second implementation of the token verifier, written from the format page (src/manual/format.md) alone.

Here: opening a token (sections 3 and 4 of the page), judging its times (section 5), and a command line that checks
test vectors. Step numbers in comments are the page's.

Not here: endings (it checks expiry only: a session that was ended is accepted until its token expires), renewal, the
ring file, and everything that seals. This is a check of the page, not a library:
Python leaves secrets in memory, and the branches below are not of constant time.

    python sealpass_verify.py VECTOR_FILE...
"""

import base64
import json
import os
import re
import sys
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

VERSION = 1
MIN_CHARACTERS, MAX_CHARACTERS = 103, 3_800
KID, NONCE, TAG, BLOCK = 4, 24, 16, 32
HEADER = 1 + KID
MAX_TIME = 253_402_300_799_999  # the last millisecond of the year 9999
CLOCK_TOLERANCE = 5_000
MARK, PUBLIC_KEY = 1, 2  # extensions of bound sessions
# Of opening and of the times; those of endings are not here.
CLASSES = frozenset(("malformed", "unknown-version", "unknown-key", "bad-tag", "bad-payload",
                     "clock", "expired-absolute", "expired-idle"))


class Refused(Exception):
    """A token that is not accepted: `cls` is the page's class, `why` is for people."""

    def __init__(self, cls, why):
        super().__init__(f"{cls} ({why})")
        self.cls, self.why = cls, why


# Section 1: notation.

def lp(x):
    return len(x).to_bytes(2, "big") + x


def hkdf(key, info, n):
    return HKDF(algorithm=SHA256(), length=n, salt=None, info=info).derive(key)


def xaes_derive(key, nonce):
    """The AES-256-GCM key and nonce that XAES-256-GCM uses under `key` and a nonce of 24 bytes."""
    if len(key) != 32 or len(nonce) != NONCE:
        raise ValueError("XAES-256-GCM takes a key of 32 and a nonce of 24 bytes")
    aes = Cipher(algorithms.AES(key), modes.ECB())

    def block(x):
        encryptor = aes.encryptor()
        return encryptor.update(x) + encryptor.finalize()

    # K1 is the first subkey of CMAC: L doubled in GF(2^128).
    doubled = int.from_bytes(block(bytes(16)), "big") << 1
    k1 = (doubled ^ 0x87) & ((1 << 128) - 1) if doubled >> 128 else doubled
    # The two blocks of CMAC as a KDF in counter mode: counter, label "X", zero, first half of the nonce.
    halves = []
    for counter in (1, 2):
        message = counter.to_bytes(2, "big") + b"X\0" + nonce[:12]
        halves.append(block((int.from_bytes(message, "big") ^ k1).to_bytes(16, "big")))
    return b"".join(halves), nonce[12:]


def xaes_open(key, nonce, aad, ciphertext_and_tag):
    """The text; raises InvalidTag."""
    gcm_key, gcm_nonce = xaes_derive(key, nonce)
    return AESGCM(gcm_key).decrypt(gcm_nonce, ciphertext_and_tag, aad)


# Section 2: keys.

def kid_of(root):
    return hkdf(root, b"kid", KID)


def purpose_keys(root, purpose):
    """(sealing key, hedge key); a verifier uses the first only."""
    both = hkdf(root, purpose.encode(), 64)
    return both[:32], both[32:]


# Section 4: the payload.

@dataclass(frozen=True)
class Claims:
    """What a token says. Times are absolute, in milliseconds; `idle` is in seconds."""

    sid: bytes
    subject: str | None
    started: int
    authenticated: int
    claims_at: int
    sealed: int
    expires: int
    idle: int
    amr: list[str]
    aal: int
    roles: list[str]
    data: list[tuple[str, str]]
    persistent: bool
    tags: bytes
    ext: list[tuple[int, bool, bytes]]

    def as_json(self):
        """As the vectors write it: bytes in hexadecimal, tuples as lists."""
        fields = dict(vars(self))
        fields["sid"], fields["tags"] = self.sid.hex(), self.tags.hex()
        fields["data"] = [list(entry) for entry in self.data]
        fields["ext"] = [[tag, critical, content.hex()] for tag, critical, content in self.ext]
        return fields


def bad_payload(why):
    return Refused("bad-payload", why)


class Reader:
    """Postcard, as far as the page uses it."""

    def __init__(self, data):
        self.rest = data

    def take(self, n):
        if n > len(self.rest):
            raise bad_payload("ends inside a field")
        taken, self.rest = self.rest[:n], self.rest[n:]
        return taken

    def u8(self):
        return self.take(1)[0]

    def varint(self, bits):
        """At most as many bytes as the type can need, and a value that fits it; a longer form than needed is read."""
        value = 0
        for shift in range(0, bits, 7):
            byte = self.u8()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if value >> bits:
                    raise bad_payload(f"a number over {bits} bits")
                return value
        raise bad_payload("a varint too long for its type")

    def i64(self):
        n = self.varint(64)
        return (n >> 1) ^ -(n & 1)

    def flag(self):
        """A bool, or the byte before an option's value."""
        byte = self.u8()
        if byte > 1:
            raise bad_payload("neither 0 nor 1")
        return byte == 1

    def bytes(self):
        return self.take(self.varint(64))

    def text(self):
        try:
            return self.bytes().decode("utf-8", "strict")
        except UnicodeDecodeError:
            raise bad_payload("text that is not UTF-8") from None

    def list(self, entry):
        count = self.varint(64)
        # Each entry takes a byte at least.
        if count > len(self.rest):
            raise bad_payload("more entries than bytes")
        return [entry() for _ in range(count)]


def check_extensions(ext, purpose):
    """Step 8, what it says of extensions."""
    for tag, critical, content in ext:
        if critical != (tag in (MARK, PUBLIC_KEY)):
            raise bad_payload(f"extension {tag}: critical {critical}")
        if tag == MARK:
            if len(content) != 20:
                raise bad_payload("a mark of another length")
            idle, at = int.from_bytes(content[:4], "big"), int.from_bytes(content[4:12], "big")
            if idle == 0 or at > MAX_TIME:
                raise bad_payload("a mark that no device can have")
        if tag == PUBLIC_KEY and (len(content) != 65 or content[0] != 4):
            raise bad_payload("not an uncompressed point")
    marks, keys = (sum(tag == known for tag, _, _ in ext) for known in (MARK, PUBLIC_KEY))
    if marks > 1 or keys != (marks if purpose == "anchor" else 0):
        raise bad_payload("a mark or a key too many, or too few")


def decode_payload(padded, purpose="session"):
    # Step 6. From the front, field by field; the variant comes first.
    r = Reader(padded)
    if r.varint(32) != 0:
        raise bad_payload("unknown variant")
    sid = r.take(16)
    subject = r.text() if r.flag() else None
    started = r.varint(64)
    authenticated = started + r.i64()
    claims_at = started + r.i64()
    sealed = r.varint(64)
    expires = started + r.varint(64)
    idle = r.varint(32)
    amr = r.list(r.text)
    aal = r.u8()
    roles = r.list(r.text)
    data = r.list(lambda: (r.text(), r.text()))
    persistent = r.flag()
    tags = r.bytes()
    ext = r.list(lambda: (r.varint(16), r.flag(), r.bytes()))
    # Step 7. What is left is padding: less than a block, all zero.
    if len(r.rest) >= BLOCK or any(r.rest):
        raise bad_payload("padding")
    # Step 8. Extensions, times, idle, tags.
    check_extensions(ext, purpose)
    for time in (started, authenticated, claims_at, sealed, expires):
        if not 0 <= time <= MAX_TIME:
            raise bad_payload("a time out of range")
    if idle == 0:
        raise bad_payload("an idle limit of 0")
    if len(tags) not in (8, 16, 24, 32, 40):
        raise bad_payload("not one to five whole tags")
    return Claims(sid, subject, started, authenticated, claims_at, sealed, expires, idle, amr, aal, roles, data,
                  persistent, tags, ext)


@dataclass(frozen=True)
class Csrf:
    """What a CSRF token says."""

    sid: bytes

    def as_json(self):
        return {"sid": self.sid.hex()}


def decode_csrf(padded):
    # Steps 6 and 7, as for a session.
    r = Reader(padded)
    if r.varint(32) != 0:
        raise bad_payload("unknown variant")
    sid = r.take(16)
    if len(r.rest) >= BLOCK or any(r.rest):
        raise bad_payload("padding")
    return Csrf(sid)


@dataclass(frozen=True)
class Challenge:
    """What a challenge says."""

    sid: bytes
    expires: int

    def as_json(self):
        return {"sid": self.sid.hex(), "expires": self.expires}


def decode_challenge(padded):
    # Steps 6 to 8, as for a session.
    r = Reader(padded)
    if r.varint(32) != 0:
        raise bad_payload("unknown variant")
    sid, expires = r.take(16), r.varint(64)
    if len(r.rest) >= BLOCK or any(r.rest):
        raise bad_payload("padding")
    if expires > MAX_TIME:
        raise bad_payload("a time out of range")
    return Challenge(sid, expires)


# Section 3: the token.

def additional_data(header, purpose, cookie, realm):
    return header + lp(purpose.encode()) + lp(cookie.encode()) + lp(realm.encode())


def open_token(token, keys, purpose, cookie, realm):
    """The claims of `token` (bytes), or Refused. `keys`: kid -> root of all keys that may open. Judges no times."""
    # Step 1. Length.
    if not MIN_CHARACTERS <= len(token) <= MAX_CHARACTERS or len(token) % 4 == 1:
        raise Refused("malformed", "length")
    # Step 2. base64url, in its one spelling.
    if not re.fullmatch(rb"[A-Za-z0-9_-]*", token):
        raise Refused("malformed", "character")
    raw = base64.urlsafe_b64decode(token + b"=" * (-len(token) % 4))
    if base64.urlsafe_b64encode(raw).rstrip(b"=") != token:
        raise Refused("malformed", "unused bits")
    # Step 3. Take apart, the version first.
    if raw[0] != VERSION:
        raise Refused("unknown-version", raw[0])
    header, nonce, sealed = raw[:HEADER], raw[HEADER:HEADER + NONCE], raw[HEADER + NONCE:]
    ciphertext = len(sealed) - TAG
    if ciphertext < BLOCK or ciphertext % BLOCK:
        raise Refused("malformed", "not whole blocks")
    # Step 4. The key of this kid and no other; without one, a random key takes its place until step 5 is done.
    root = keys.get(header[1:])
    sealing_key, _ = purpose_keys(root or os.urandom(32), purpose)
    # Step 5. Decrypt.
    try:
        padded = xaes_open(sealing_key, nonce, additional_data(header, purpose, cookie, realm), sealed)
    except InvalidTag:
        padded = None
    if root is None:
        raise Refused("unknown-key", header[1:].hex())
    if padded is None:
        raise Refused("bad-tag", "the tag does not fit")
    # Steps 6 to 8.
    if purpose in ("session", "anchor"):
        return decode_payload(padded, purpose)
    return {"csrf": decode_csrf, "challenge": decode_challenge}[purpose](padded)


# Section 5: judging the times.

def judge_times(claims, now):
    # 1. A clock is wrong, here or where it was sealed.
    if claims.sealed > now + CLOCK_TOLERANCE:
        raise Refused("clock", f"{claims.sealed - now} ms ahead")
    # 2. Absolute expiry.
    if now >= claims.expires:
        raise Refused("expired-absolute", f"for {now - claims.expires} ms")
    # 3. Idle limit.
    idle_end = claims.sealed + 1_000 * claims.idle
    if now >= idle_end:
        raise Refused("expired-idle", f"for {now - idle_end} ms")


# The vector files.

ONCE = ("comment", "expect", "purpose", "cookie", "realm", "now")


class Vector:
    """One file: `name: value` lines. ValueError if it is not as it should be."""

    def __init__(self, content):
        lines = {}
        # Lines end in LF only: a value may hold other characters that str.splitlines() would split at.
        for line in content.decode("utf-8").removesuffix("\n").split("\n"):
            name, colon, value = line.partition(": ")
            if not colon:
                raise ValueError(f"not a `name: value` line: {line!r}")
            lines.setdefault(name, []).append(value)
        for name in ONCE:
            if len(lines.get(name, ())) != 1:
                raise ValueError(f"not one line {name!r}")
        extra = set(lines) - {*ONCE, "key", "token", "token-hex", "claims"}
        if extra:
            raise ValueError(f"unknown lines: {sorted(extra)}")

        self.comment, self.expect, self.purpose, self.cookie, self.realm = (lines[name][0] for name in ONCE[:5])
        if self.expect != "ok" and self.expect not in CLASSES:
            raise ValueError(f"expects an unknown class: {self.expect!r}")
        self.now = int(lines["now"][0])

        self.keys = {}
        for line in lines.get("key", ()):
            kid, root = map(bytes.fromhex, line.split(" "))
            if kid_of(root) != kid:
                raise ValueError(f"the kid of this root is {kid_of(root).hex()}, not {kid.hex()}")
            self.keys[kid] = root

        tokens = [value.encode() for value in lines.get("token", ())]
        tokens += [bytes.fromhex(value) for value in lines.get("token-hex", ())]
        if len(tokens) != 1:
            raise ValueError("not one token")
        self.token = tokens[0]

        claims = lines.get("claims", [])
        if len(claims) != (self.expect == "ok"):
            raise ValueError("claims belong to `ok`, and to nothing else")
        self.claims = json.loads(claims[0]) if claims else None

    def open(self, token=None):
        token = self.token if token is None else token
        return open_token(token, self.keys, self.purpose, self.cookie, self.realm)

    def failure(self):
        """None if the outcome is the expected one, else what differs."""
        try:
            claims = self.open()
            if self.purpose in ("session", "anchor"):
                judge_times(claims, self.now)
            if self.purpose == "challenge" and self.now >= claims.expires:
                raise Refused("expired-absolute", f"for {self.now - claims.expires} ms")
        except Refused as refused:
            return None if refused.cls == self.expect else f"expected {self.expect}, got {refused}"
        if self.expect != "ok":
            return f"expected {self.expect}, got ok"
        return difference(self.claims, claims.as_json())


def difference(expected, actual):
    """The first field in which two sets of claims differ, or None. As JSON text, so that 1 is not true."""
    for name in sorted({*expected, *actual}):
        one, other = (json.dumps(fields[name]) if name in fields else "nothing" for fields in (expected, actual))
        if one != other:
            return f"claim {name}: expected {one}, got {other}"
    return None


def check_file(path):
    """None, or why the vector in this file failed."""
    try:
        with open(path, "rb") as file:
            return Vector(file.read()).failure()
    except (OSError, ValueError) as error:
        return str(error)


def main(paths):
    passed = failed = 0
    for path in paths:
        failure = check_file(path)
        if failure is None:
            passed += 1
            print(f"ok    {path}")
        else:
            failed += 1
            print(f"FAIL  {path}: {failure}")
    print(f"{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
