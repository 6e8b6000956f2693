"""What an attacker sends: requests that are refused. Each kind against requests that pass, with heads as large.

A refusal may cost no more than an acceptance: else the flood would gain by being forged.
"""

import random
import string
from base64 import urlsafe_b64decode, urlsafe_b64encode

from contenders import head

VARIANTS = 64
LARGE = 64_000  # octets of a large Cookie header; heads with it are 64 KiB
NAME = "__Host-sealpass="
ALPHABET = string.ascii_letters + string.digits + "-_"


def kinds(token):
    """Name, heads that are refused, heads that pass and are as long, pair by pair."""
    dice = random.Random(8)
    some = lambda length: "".join(dice.choices(ALPHABET, k=length))
    junk = [NAME + some(length) for length in [*range(1, 3801, 25), 3801, 4096, 8000]]
    forged = [NAME + unknown_key(token, dice) for _ in range(VARIANTS)]
    octets = ["".join(chr(dice.choice(OCTETS)) for _ in range(length)) for length in range(1, 3801, 25)]
    several = ["; ".join(NAME + unknown_key(token, dice) for _ in range(4)) for _ in range(VARIANTS)]
    crowd = "; ".join(NAME + some(188) for _ in range(LARGE // 206))
    made = [
        ("a key that nobody has", forged),
        ("a good token, one bit changed", [NAME + changed(token, dice) for _ in range(VARIANTS)]),
        ("four forged cookies", several),
        ("junk of every length", junk),
        ("junk of every octet", [NAME + junk for junk in octets]),
        ("64 KiB: one long cookie", [NAME + some(LARGE)]),
        ("64 KiB: cookies of our name", [crowd]),
        ("64 KiB: cookies of others", ["; ".join(f"c{n}={some(90)}" for n in range(LARGE // 100))]),
        ("64 KiB: our name without a value", ["; ".join(NAME[:-1] for _ in range(LARGE // 17))]),
        ("64 KiB: semicolons", [";" * LARGE]),
    ]
    return [(name, *pairs(cookies, NAME + token)) for name, cookies in made]


def pairs(refused, good):
    """Heads with these cookies, and with the good one, each made as long as the other by a cookie of somebody else's."""
    bad, passing = [], []
    for cookie in refused:
        width = max(len(cookie), len(good) + PAD)
        bad.append(head("/verify/", padded(cookie, width + PAD)))
        passing.append(head("/verify/", padded(good, width + PAD)))
        assert len(bad[-1]) == len(passing[-1])
    return bad, passing


def padded(cookie, width):
    return f"pad={'x' * (width - len(cookie) - len('pad=; '))}; {cookie}"


def unknown_key(token, dice):
    raw = bytearray(decoded(token))
    raw[1:5] = dice.randbytes(4)
    return encoded(raw)


def changed(token, dice):
    raw = bytearray(decoded(token))
    raw[dice.randrange(5, len(raw))] ^= 1 << dice.randrange(8)
    return encoded(raw)


def decoded(token):
    return urlsafe_b64decode(token + "=" * (-len(token) % 4))


def encoded(raw):
    return urlsafe_b64encode(bytes(raw)).decode().rstrip("=")


PAD = 16  # room for the cookie that makes heads equally long
# Whatever HTTP lets stand in a header, but for what ends a cookie.
OCTETS = [octet for octet in [*range(0x21, 0x7F), *range(0x80, 0x100)] if octet not in b";"]
