"""Keys change under load, and no user notices: three rotations one after the other, then an emergency.

Runs the released binary and wrk. Exits with 0 and a table of figures, or with 1 and a line for each thing that was not
as it has to be.

    python rotation.py [--seconds 120] [--sealpass PATH]

Needs `cargo build --release` and wrk (apt-get install wrk). What each rule of a rotation costs when it is broken is
tested elsewhere, on a clock that can be set; here it is shown that nothing falls between the rules.
"""

import argparse
import os
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from http.client import HTTPException
from pathlib import Path
from statistics import median
from subprocess import SubprocessError
from typing import NamedTuple

from rig import HERE, Failed, Load, Service, at, kid, now, wait_until

SESSIONS = 100
ROTATIONS = 3
LEAST_RATE = 1000  # verifies a second; below that it was no load
ACTIVATION = 5  # seconds from a rotation to its key's first seal, as rig.py configures it
BEFORE, AFTER = 2, 3  # seconds that are watched before the revocation, and after the last change
TOLERANCE = 1000  # milliseconds around an activation in which a token under either key may arrive
LATE = 2000  # milliseconds after which no answer can be one to a request of before

failures = []


def check(holds, otherwise):
    if not holds:
        failures.append(otherwise)


class Login(NamedTuple):
    """One turn of a loop: issue a session, and verify it."""

    begun: float
    issued: float
    status: int
    key: str | None
    verified: int | None
    ended: float


def main():
    target = Path(os.environ.get("CARGO_TARGET_DIR", HERE.parents[1] / "target"))
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=120, help="how long the rotations take together, 20 or more")
    parser.add_argument("--sealpass", type=Path, default=target / "release/sealpass", help="the released binary")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that what was started is ended
    table = []
    try:
        with tempfile.TemporaryDirectory() as home, Service(asked.sealpass.resolve(), Path(home)) as service:
            try:
                table += rotations(service, asked.seconds)
                table += emergency(service)
            finally:
                for line in service.complaints():
                    check(False, f"the service logged an error: {line}")
                service.check_alive()
    except (Failed, OSError, HTTPException, SubprocessError) as error:
        failures.append(str(error) or repr(error))
    for name, value in table:
        print(f"{name:<36}{value}")
    for line in failures:
        print(f"FAIL  {line}")
    sys.exit(1 if failures else 0)


# Rotations.

def rotations(service, seconds):
    keys = [(0.0, service.active())]
    pause = max(0, (seconds - ROTATIONS * ACTIVATION - AFTER) / (ROTATIONS + 1))
    with Load(service, "rotations", log_in(service), seconds + 60) as load:
        for number in range(ROTATIONS):
            time.sleep(pause)
            receipt = service.rotate(remote=number > 0)
            keys.append((at(receipt["seals_from"]), receipt["key"]))
            wait_until("the new key is active", lambda: service.active() == receipt["key"])
        time.sleep(pause + AFTER)
    check_load("rotations", load)
    refused = {status: count for status, count in load.answers.items() if status != 200}
    reasons = {reason: count for reason, count in service.reasons().items() if reason != "ok"}
    check(not refused, f"rotations: valid sessions were refused: {refused} (status: answers); by reason: {reasons}")
    renewals = load.renewals()
    check_renewals(keys, renewals)
    check_lengths(load, renewals)
    lengths = Counter(renewal.length for renewal in renewals)
    return [
        ("rotations", f"{ROTATIONS}, in {seconds} s"),
        *figures(load),
        ("  refusals", sum(refused.values())),
        *[(f"  renewals under key {place}, {key}", count) for place, (key, count) in enumerate(by_key(keys, renewals))],
        ("  octets of Set-Cookie", ", ".join(f"{length} ({count} times)" for length, count in lengths.items())),
    ]


def check_renewals(keys, renewals):
    ends = [begin for begin, _ in keys[1:]] + [float("inf")]
    allowed = {key: (begin - TOLERANCE, end + TOLERANCE) for (begin, key), end in zip(keys, ends)}
    wrong = [r for r in renewals if not in_span(r.at, allowed.get(kid(r.token), (0, 0)))]
    if wrong:
        first = wrong[0]
        due = [key for begin, key in keys if begin <= first.at][-1]
        check(
            False,
            f"rotations: {len(wrong)} of {len(renewals)} renewed cookies are under another key than the active one; "
            f"the first under {kid(first.token)} while {due} was active",
        )
    for key, count in by_key(keys, renewals):
        check(count, f"rotations: no cookie was renewed under key {key}")


def check_lengths(load, renewals):
    lengths = {id: {len(session.cookie)} for id, session in load.sessions.items()}
    for renewal in renewals:
        lengths[renewal.id].add(renewal.length)
    changed = [sorted(found) for found in lengths.values() if len(found) > 1]
    check(not changed, f"rotations: {len(changed)} sessions had cookies of several lengths, such as {changed[:1]}")


def by_key(keys, renewals):
    found = Counter(kid(renewal.token) for renewal in renewals)
    return [(key, found[key]) for _, key in keys]


def in_span(moment, span):
    return span[0] <= moment <= span[1]


# The emergency.

def emergency(service):
    leaked = service.active()
    with Load(service, "emergency", log_in(service), 60) as load, Logins(service) as logins:
        time.sleep(BEFORE)
        asked = now()
        status, receipt = service.caller().ask_control("POST", "/v1/keys/revoke", {"key": leaked})
        answered = now()
        if status != 200:
            raise Failed(f"emergency: revoking {leaked} is answered {status}: {receipt}")
        probed = probe(service, load.tokens())
        time.sleep(AFTER)
    check_load("emergency", load)
    check_probed(probed)
    check_ended(load, asked, answered)
    check_logins(logins.done, leaked, asked, answered)
    first = min(filter(None, load.counted["first_refused"]), default=asked)
    return [
        ("emergency", f"{leaked} revoked for {receipt['fresh_key']}, answered in {answered - asked:.1f} ms"),
        *figures(load),
        ("  passed before, refused after", f"{load.answers.get(200, 0):,}, {load.answers.get(401, 0):,}"),
        ("  first refusal", f"{first - asked:.1f} ms after the order was sent"),
        ("  probed as soon as it was answered", ", ".join(f"{n} times {code}" for code, n in Counter(probed).items())),
        ("  logins", f"{len(logins.done):,}, {sum(turn.begun > answered for turn in logins.done):,} of them after it"),
        ("  refused logins", sum(turn.status != 201 for turn in logins.done)),
        ("  gap from the old key to the fresh", gap(load, logins.done, leaked, receipt["fresh_key"])),
    ]


def probe(service, tokens):
    caller = service.caller()
    return [caller.verify(token) for token in tokens.values()]


def check_probed(probed):
    passed = sum(status != 401 for status in probed)
    check(
        not passed,
        f"emergency: {passed} of {len(probed)} sessions under the revoked key were not refused, "
        "asked right after the revocation was answered",
    )


def check_ended(load, asked, answered):
    begun, last = max(load.counted["last_passed_begun"]) - answered, max(load.counted["last_passed"]) - answered
    told = "after the revocation was answered"
    check(begun <= 0, f"emergency: a session under the revoked key passed, asked {begun:.1f} ms {told}")
    check(last <= LATE, f"emergency: a session under the revoked key passed {last:.0f} ms {told}")
    other = {status: count for status, count in load.answers.items() if status not in (200, 401)}
    check(not other, f"emergency: answers other than 200 and 401: {other} (status: answers)")
    check(load.answers.get(401), "emergency: the load saw no refusal at all")
    early = [first for first in load.counted["first_refused"] if 0 < first < asked]
    check(not early, "emergency: a session was refused before its key was revoked")


def check_logins(logins, leaked, asked, answered):
    refused = Counter(turn.status for turn in logins if turn.status != 201)
    check(not refused, f"emergency: logins were refused: {dict(refused)} (status: answers)")
    after = [turn for turn in logins if turn.begun > answered]
    check(after, "emergency: nobody logged in after the revocation")
    late = sum(turn.key == leaked for turn in after)
    check(not late, f"emergency: {late} of {len(after)} logins begun after the revocation are under the revoked key")
    # One under the old key that is verified while that is revoked may be refused, or may not.
    valid = [turn for turn in logins if turn.begun > answered or turn.ended < asked or turn.key not in (leaked, None)]
    lost = Counter(turn.verified for turn in valid if turn.verified != 200)
    check(not lost, f"emergency: of {len(valid)} new sessions some were refused: {dict(lost)} (status: answers)")


def gap(load, logins, leaked, fresh):
    """From the last token under the old key to the first under the fresh one, as they arrived."""
    arrived = [(turn.issued, turn.key) for turn in logins] + [(r.at, kid(r.token)) for r in load.renewals()]
    old, new = [at for at, key in arrived if key == leaked], [at for at, key in arrived if key == fresh]
    check(old and new, f"emergency: {len(old)} tokens under the revoked key and {len(new)} under the fresh one, no gap")
    pace = median(turn.ended - turn.begun for turn in logins) if logins else 0
    return f"{min(new) - max(old):.1f} ms; a login and its check take {pace:.1f} ms" if old and new else "none"


class Logins:
    """Somebody logs in, again and again, from entering to leaving."""

    def __init__(self, service):
        self.caller, self.done, self.fault = service.caller(), [], None
        self.enough = threading.Event()
        self.thread = threading.Thread(target=self.loop, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.enough.set()
        self.thread.join()
        check(self.fault is None, f"emergency: a login was not answered: {self.fault}")

    def loop(self):
        try:
            while not self.enough.is_set():
                self.done.append(self.turn())
        except Exception as fault:
            self.fault = fault

    def turn(self):
        begun = now()
        status, session = self.caller.login("newcomer")
        issued = now()
        if session is None:
            return Login(begun, issued, status, None, None, issued)
        return Login(begun, issued, status, kid(session.token), self.caller.verify(session.token), now())


# Both.

def log_in(service):
    caller = service.caller()
    answers = [caller.login(f"user-{number}") for number in range(SESSIONS)]
    if any(status != 201 for status, _ in answers):
        raise Failed(f"sessions can't be issued: {dict(Counter(status for status, _ in answers))}")
    return [session for _, session in answers]


def check_load(name, load):
    check(load.rate >= LEAST_RATE, f"{name}: {load.rate:.0f} verifies a second are no load; is the machine busy?")
    check(not load.socket_errors(), f"{name}: connections failed: {load.socket_errors()}")
    nameless = sum(load.counted["nameless"])
    check(not nameless, f"{name}: {nameless:.0f} answers with 200 name no session that was asked for")


def figures(load):
    answers = sum(load.answers.values())
    return [("  verifies", f"{answers:,}, {load.rate:,.0f} a second, p99 {load.p99}")]


if __name__ == "__main__":
    main()
