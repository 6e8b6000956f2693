"""Tests of the second implementation, and through it of the format page and the vectors. No test framework needed.

Here: all vectors in tests/vectors; the XAES-256-GCM test vectors of its specification; the worked example of the page,
recomputed line by line; payloads that no vector holds; and that the vectors and the verifier can fail at all.

Not here: anything of the main implementation. What is sealed below is sealed by this file, for its own checks.

    python test_interop.py
"""

import json
import sys
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import replace
from hashlib import sha256
from hmac import digest
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

import sealpass_verify as sp

HERE = Path(__file__).resolve().parent
VECTORS = sorted((HERE.parent / "vectors").glob("*.txt"))
PAGE = HERE.parent.parent / "src" / "manual" / "format.md"

# Source: c2sp.org/XAES-256-GCM, the two test vectors with intermediate values. Both have the nonce and plaintext here.
XAES_NONCE, XAES_TEXT = b"ABCDEFGHIJKLMNOPQRSTUVWX", b"XAES-256-GCM"
XAES = (
    {
        "key": "01" * 32,
        "aad": b"",
        "gcm key": "c8612c9ed53fe43e8e005b828a1631a0bbcb6ab2f46514ec4f439fcfd0fa969b",
        "gcm nonce": "4d4e4f505152535455565758",
        "ciphertext": "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271",
    },
    {
        "key": "03" * 32,
        "aad": b"c2sp.org/XAES-256-GCM",
        "gcm key": "e9c621d4cdd9b11b00a6427ad7e559aeedd66b3857646677748f8ca796cb3fd8",
        "gcm nonce": "4d4e4f505152535455565758",
        "ciphertext": "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d",
    },
)

passed = failed = 0


def check(name, failure):
    """Counts one check: `failure` is None or what is wrong."""
    global passed, failed
    if failure is None:
        passed += 1
    else:
        failed += 1
        print(f"FAIL  {name}: {failure}")


def equal(name, actual, expected):
    check(name, None if actual == expected else f"expected {expected!r}, got {actual!r}")


def outcome(action):
    """`ok`, or the class of the refusal."""
    try:
        action()
    except sp.Refused as refused:
        return refused.cls
    return "ok"


def xaes_seal(key, nonce, aad, text):
    gcm_key, gcm_nonce = sp.xaes_derive(key, nonce)
    return AESGCM(gcm_key).encrypt(gcm_nonce, text, aad)


def encode(raw):
    return urlsafe_b64encode(raw).rstrip(b"=")


def decode(token):
    return urlsafe_b64decode(token + b"=" * (-len(token) % 4))


def load(name):
    return sp.Vector((HERE.parent / "vectors" / name).read_bytes())


# The vectors.

def test_vectors():
    check("vectors", None if VECTORS else "none found")
    for path in VECTORS:
        check(path.name, sp.check_file(path))
    expected = {path.name: sp.Vector(path.read_bytes()).expect for path in VECTORS}
    equal("each class has a vector", set(expected.values()), {"ok", *sp.CLASSES})
    for name, expect in expected.items():
        equal(f"first word of {name}", name.removesuffix(".txt").split("-")[0], expect.split("-")[0])


# XAES-256-GCM.

def test_xaes():
    for number, vector in enumerate(XAES, 1):
        key, sealed = bytes.fromhex(vector["key"]), bytes.fromhex(vector["ciphertext"])
        gcm_key, gcm_nonce = sp.xaes_derive(key, XAES_NONCE)
        equal(f"XAES {number}, derived key", gcm_key.hex(), vector["gcm key"])
        equal(f"XAES {number}, derived nonce", gcm_nonce.hex(), vector["gcm nonce"])
        equal(f"XAES {number}, seal", xaes_seal(key, XAES_NONCE, vector["aad"], XAES_TEXT), sealed)
        equal(f"XAES {number}, open", sp.xaes_open(key, XAES_NONCE, vector["aad"], sealed), XAES_TEXT)


# The worked example.

def worked_example():
    """name -> value; a line that begins with a space continues the one above."""
    text = PAGE.read_text(encoding="utf-8")
    block = text.split("<!-- worked example: begin -->")[1].split("<!-- worked example: end -->")[0]
    values, name = {}, None
    for line in block.strip().split("\n"):
        if line.startswith("```"):
            continue
        head, _, value = line.rpartition(" ")
        name = head.strip() or name
        values[name] = values.get(name, "") + value
    return values


def test_worked_example():
    page = worked_example()
    token = page.pop("token").encode()
    page = {name: bytes.fromhex(value) for name, value in page.items()}
    vector = load("ok-typical.txt")
    root = page["root"]

    equal("example: kid", sp.kid_of(root), page["kid"])
    sealing_key, hedge_key = sp.purpose_keys(root, vector.purpose)
    equal("example: sealing key", sealing_key, page["sealing key"])
    equal("example: hedge key", hedge_key, page["hedge key"])
    header = b"\x01" + sp.kid_of(root)
    aad = sp.additional_data(header, vector.purpose, vector.cookie, vector.realm)
    equal("example: aad", aad, page["aad"])
    equal("example: padding", bytes(-len(page["payload"]) % 32), page["padding"])
    padded = page["payload"] + page["padding"]
    nonce = digest(hedge_key, page["r"] + len(aad).to_bytes(8, "big") + aad + padded, sha256)[:24]
    equal("example: nonce", nonce, page["nonce"])
    sealed = xaes_seal(sealing_key, nonce, aad, padded)
    equal("example: ciphertext", sealed[:-16], page["ciphertext"])
    equal("example: tag", sealed[-16:], page["tag"])
    equal("example: token", encode(header + nonce + sealed), token)
    equal("example: token of the vector", vector.token, token)
    check("example: claims", sp.difference(vector.claims, sp.decode_payload(padded).as_json()))
    equal("example: payload", parts_of(**TYPICAL), page["payload"])


# Payloads that no vector holds. The parts of the worked example's, one of them replaced at a time.

def varint(n):
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    return bytes([*out, n])


def text(s):
    return varint(len(s.encode())) + s.encode()


START = 1_790_000_000_000
TYPICAL = {
    "variant": b"\0", "sid": b"vector session 1", "subject": b"\1" + text("alice.smith"), "started": varint(START),
    "authenticated": b"\0", "claims_at": b"\0", "sealed": varint(START), "lifetime": varint(12 * 3_600_000),
    "idle": varint(1_800), "amr": b"\1" + text("pwd"), "aal": b"\1", "roles": b"\2" + text("editor") + text("billing"),
    "data": b"\0", "persistent": b"\0", "tags": b"\x08subject1", "ext": b"\0",
}
U64_MAX = varint((1 << 64) - 1)
TO_THE_END = sp.MAX_TIME - START  # of the range of times


def parts_of(**parts):
    return b"".join(parts.values())


PAYLOADS = (
    # A varint longer than needed is read, up to the bytes its type can need.
    ("a longer varint", "ok", {"idle": b"\x88\x8e\x00"}),
    ("a longest u32", "ok", {"idle": b"\x88\x8e\x80\x80\x00"}),
    ("a byte more than a u32 takes", "bad-payload", {"idle": b"\x88\x8e\x80\x80\x80\x00"}),
    ("2^32 as u32", "bad-payload", {"idle": varint(1 << 32)}),
    ("2^32 - 1 as u32", "ok", {"idle": varint((1 << 32) - 1)}),
    ("an idle limit of 0", "bad-payload", {"idle": b"\0"}),
    ("an idle limit of 0, longer than needed", "bad-payload", {"idle": b"\x80\0"}),
    ("an idle limit of 1", "ok", {"idle": b"\1"}),
    ("2^64 as u64", "bad-payload", {"started": varint(1 << 64)}),
    ("2^64 - 1 as u64, out of range", "bad-payload", {"lifetime": U64_MAX}),
    ("a u64 that would wrap to the right time", "bad-payload", {"sealed": varint(START + (1 << 64))}),
    ("a byte more than a u64 takes", "bad-payload", {"lifetime": b"\x80" * 10 + b"\x00"}),
    ("2^16 as an extension's tag", "bad-payload", {"ext": b"\1" + varint(1 << 16) + b"\0\0"}),
    ("2^16 - 1 as an extension's tag", "ok", {"ext": b"\1" + varint((1 << 16) - 1) + b"\0\0"}),
    ("a longer variant 0", "ok", {"variant": b"\x80\x00"}),
    ("a bool of 2", "bad-payload", {"persistent": b"\2"}),
    ("a critical of 2", "bad-payload", {"ext": b"\1\1\2\0"}),
    ("an extension's content past the end", "bad-payload", {"ext": b"\1\1\0\x7f"}),
    ("text of 2^64 - 1 bytes", "bad-payload", {"subject": b"\1" + U64_MAX}),
    ("a list of 2^64 - 1 entries", "bad-payload", {"roles": U64_MAX}),
    ("a list of more entries than bytes", "bad-payload", {"roles": varint(200)}),
    ("a surrogate in UTF-8", "bad-payload", {"subject": b"\1\3\xed\xa0\x80"}),
    ("an overlong form in UTF-8", "bad-payload", {"subject": b"\1\2\xc1\x81"}),
    # The ends of the time range.
    ("authenticated in the first millisecond", "ok", {"authenticated": varint(2 * START - 1)}),
    ("authenticated a millisecond before", "bad-payload", {"authenticated": varint(2 * START + 1)}),
    ("claims_at in the last millisecond", "ok", {"claims_at": varint(2 * TO_THE_END)}),
    ("claims_at a millisecond behind", "bad-payload", {"claims_at": varint(2 * TO_THE_END + 2)}),
    ("expiry in the last millisecond", "ok", {"lifetime": varint(TO_THE_END)}),
    ("expiry a millisecond behind", "bad-payload", {"lifetime": varint(TO_THE_END + 1)}),
    ("sealed after the year 9999", "bad-payload", {"sealed": varint(sp.MAX_TIME + 1)}),
    ("the least i64", "bad-payload", {"authenticated": U64_MAX}),
)


def seal(vector, payload):
    """A token with a payload of one's choice, and a nonce that does for a test."""
    (kid, root), = vector.keys.items()
    header, nonce, padded = b"\x01" + kid, bytes(24), payload + bytes(-len(payload) % 32)
    aad = sp.additional_data(header, vector.purpose, vector.cookie, vector.realm)
    sealing_key, _ = sp.purpose_keys(root, vector.purpose)
    return encode(header + nonce + xaes_seal(sealing_key, nonce, aad, padded))


def test_payloads():
    vector = load("ok-typical.txt")
    for name, expect, change in PAYLOADS:
        token = seal(vector, parts_of(**{**TYPICAL, **change}))
        equal(f"payload: {name}", outcome(lambda: vector.open(token)), expect)
    # A payload that fills its last block has no padding, and a block of zeros behind it is one too many.
    payload = parts_of(**TYPICAL)
    entry = text("a") + text("b" * (-len(payload) % 32 - 3))
    full = parts_of(**{**TYPICAL, "data": b"\1" + entry})
    equal("payload: full block", (len(full) % 32, outcome(lambda: vector.open(seal(vector, full)))), (0, "ok"))
    equal("payload: block too many", outcome(lambda: vector.open(seal(vector, full + bytes(32)))), "bad-payload")
    for n in range(len(payload)):
        equal(f"payload: {n} bytes of it", outcome(lambda: sp.decode_payload(payload[:n])), "bad-payload")


# That the checks can fail.

def with_byte(raw, at, value):
    return raw[:at] + bytes([value]) + raw[at + 1:]


def test_not_vacuous():
    # Each bit of a token, by what it belongs to.
    vector = load("ok-typical.txt")
    raw = decode(vector.token)
    for at in range(len(raw)):
        expect = "unknown-version" if at == 0 else "unknown-key" if at < 5 else "bad-tag"
        got = {outcome(lambda: vector.open(encode(with_byte(raw, at, raw[at] ^ 1 << bit)))) for bit in range(8)}
        equal(f"bits of byte {at} flipped", got, {expect})

    # Any byte in place of a character; and no other spelling of the last one, at each number of unused bits.
    for name in ("ok-typical.txt", "ok-anonymous.txt", "ok-authenticated-earlier.txt", "ok-data.txt", "ok-handles.txt"):
        vector = load(name)
        last = len(vector.token) - 1
        for at in (0, 1, last // 2, last):
            for value in set(range(256)) - {vector.token[at]}:
                if outcome(lambda: vector.open(with_byte(vector.token, at, value))) == "ok":
                    check(f"{name}, character {at}", f"accepted with {value}")
        check(f"{name}, other characters", None)
    spellings = {len(load(path.name).token) % 4 for path in VECTORS if path.name.startswith("ok-")}
    equal("tokens with 0, 4 and 2 unused bits", spellings, {0, 2, 3})

    # What is bound; and keys.
    vector = load("ok-typical.txt")
    for field, value in (("purpose", "csrf"), ("cookie", "sealpass"), ("realm", "other")):
        other = load("ok-typical.txt")
        setattr(other, field, value)
        equal(f"another {field}", outcome(other.open), "bad-tag")
    vector.keys = {}
    equal("no key", outcome(vector.open), "unknown-key")

    # Each end of each time, by one millisecond.
    claims = load("ok-typical.txt").open()
    for name, judged, now, expect in (
        ("5,001 ms ahead", claims, claims.sealed - 5_001, "clock"),
        ("5,000 ms ahead", claims, claims.sealed - 5_000, "ok"),
        ("last of idle", claims, claims.sealed + 1_799_999, "ok"),
        ("idle", claims, claims.sealed + 1_800_000, "expired-idle"),
        ("last of all", replace(claims, sealed=claims.expires - 1), claims.expires - 1, "ok"),
        ("absolute", replace(claims, sealed=claims.expires), claims.expires, "expired-absolute"),
        ("clock before absolute", replace(claims, sealed=claims.expires + 9_999), claims.expires, "clock"),
    ):
        equal(f"times: {name}", outcome(lambda: sp.judge_times(judged, now)), expect)

    # A vector that expects anything else fails; so does one with a changed, missing or additional claim.
    for path in VECTORS:
        for expect in {"ok", *sp.CLASSES} - {sp.Vector(path.read_bytes()).expect}:
            vector = sp.Vector(path.read_bytes())
            vector.expect, vector.claims = expect, vector.claims or {}
            if vector.failure() is None:
                check(f"{path.name} as {expect}", "passed")
    check("vectors with another outcome", None)
    for name in load("ok-typical.txt").claims:
        vector = load("ok-typical.txt")
        value = vector.claims[name]
        vector.claims[name] = int(value) if isinstance(value, bool) else [value]
        check(f"claim {name} changed", None if vector.failure() else "passed")
        del vector.claims[name]
        check(f"claim {name} missing", None if vector.failure() else "passed")
    vector = load("ok-typical.txt")
    vector.claims["other"] = None
    check("claim too many", None if vector.failure() else "passed")
    check("no file", None if sp.check_file(HERE / "absent.txt") else "passed")
    equal("claims are JSON", json.loads(json.dumps(claims.as_json())), claims.as_json())


def main():
    for test in (test_vectors, test_xaes, test_worked_example, test_payloads, test_not_vacuous):
        try:
            test()
        except Exception as error:  # a check that breaks is a check that fails
            check(test.__name__, f"{type(error).__name__}: {error}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
