"""The service as it is released, in a directory of its own, and wrk that puts it under load.

Everything that is started here is ended by its id, whatever happens, and bounded in time by itself as well.
"""

import http.client
import json
import os
import re
import signal
import subprocess
import time
from base64 import urlsafe_b64decode
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
THREADS, CONNECTIONS = 2, 20  # the threads are counted in verify.lua as well
LIMIT = 30  # seconds that anything may take to start, answer or end

# A session renews its cookie every sixth of `idle`; a new key seals 5 s after it is made.
CONFIG = """
credentials = "credentials.toml"
[public]
listen = "127.0.0.1:0"
[control]
listen = "127.0.0.1:0"
[rotation]
confirm_within = "1s"
[limits] # it logs in more often than any application
issue = "none"
calls = "none"

[realm.default]
idle = "30s"
"""


class Failed(Exception):
    """What was to be shown can't be."""


class Session(NamedTuple):
    """A session as it was issued."""

    id: str
    token: str
    cookie: str


class Renewal(NamedTuple):
    """A cookie that came with an answer of verify."""

    at: float
    id: str
    length: int
    token: str


def now():
    """Milliseconds, of the clock that verify.lua reads."""
    return time.time() * 1000


def at(text):
    """Milliseconds of an RFC 3339 time."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000


def kid(token):
    """The key that a token is sealed under: its bytes 1 to 4, as `keys list` shows them."""
    return urlsafe_b64decode(token[:8])[1:5].hex()


class Service:
    """A running `sealpass serve`, alone or handed the secret of a fleet; `pinned` goes in front of the command."""

    def __init__(self, binary, home, config=CONFIG, pinned=(), secret=None):
        if not binary.exists():
            raise Failed(f"{binary} is not there; cargo build --release")
        self.binary, self.home, self.log = binary, home, home / "service.log"
        (home / "sealpass.toml").write_text(config)
        scopes = ("--scope", "app", "--scope", "admin", "--realm", "*")
        made = self.run("credential", "new", "--name", "load", *scopes)
        self.credential = made.stderr.strip()
        private(home / "credentials.toml", made.stdout)
        private(home / "credential", self.credential)
        if secret is None:
            self.run("keys", "init")
        else:
            (home / "keys").mkdir(0o700)
            private(home / "keys/cluster.secret", secret)
        with self.log.open("w") as log:
            command = [*pinned, binary, "serve", "--config", "sealpass.toml"]
            self.process = subprocess.Popen(command, cwd=home, env=environment(), stdin=subprocess.DEVNULL, stderr=log)

    def __enter__(self):
        said = re.compile(r"public on http://(\S+), control on http://(\S+)\n")
        try:
            wait_until("the service listens", lambda: said.search(self.log.read_text()) or self.check_alive())
        except BaseException:
            self.__exit__()
            raise
        self.public, self.control = said.search(self.log.read_text()).groups()
        return self

    def __exit__(self, *_):
        end(self.process, signal.SIGTERM)

    def check_alive(self):
        if self.process.poll() is not None:
            last = self.log.read_text().strip().rpartition("\n")[2]
            raise Failed(f"the service ended by itself, with {self.process.returncode}; it said last: {last}")

    def complaints(self):
        """What it logged that no run should see."""
        lines = self.log.read_text().splitlines()
        return [line for line in lines if " ERROR " in line or "panicked" in line]

    def run(self, *arguments):
        """The `sealpass` command in the service's directory."""
        command = [self.binary, *arguments, "--config", "sealpass.toml"]
        quiet = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True, "timeout": LIMIT}
        ran = subprocess.run(command, cwd=self.home, env=environment(), **quiet)
        if ran.returncode != 0:
            raise Failed(f"`sealpass {' '.join(arguments)}` fails: {ran.stderr.strip()}")
        return ran

    def rotate(self, remote):
        """`sealpass keys rotate`, on the files or through the service; what it says."""
        through = ["--control", f"http://{self.control}", "--credential", "credential"] if remote else []
        return json.loads(self.run("keys", "rotate", "--json", *through).stdout)

    def caller(self):
        return Caller(self)

    def active(self):
        """The key that seals."""
        status, report = self.caller().ask_control("GET", "/v1/keys")
        if status != 200:
            raise Failed(f"GET /v1/keys is answered {status}: {report}")
        return next((key["key"] for key in report["keys"] if key["state"] == "active"), None)

    def reasons(self):
        """How often verify decided for each reason, but for those of which there was none."""
        text = self.caller().ask_control("GET", "/metrics")[1]
        found = re.findall(r'^sealpass_verify_decisions_total\{reason="(\w+)"\} (\d+)$', text, re.M)
        return {reason: int(count) for reason, count in found if int(count)}


class Caller:
    """One connection to each listener."""

    def __init__(self, service):
        self.public = http.client.HTTPConnection(service.public, timeout=LIMIT)
        self.control = http.client.HTTPConnection(service.control, timeout=LIMIT)
        self.headers = {"Authorization": f"Bearer {service.credential}", "Content-Type": "application/json"}

    def ask_control(self, method, path, body=None):
        self.control.request(method, path, body and json.dumps(body), self.headers)
        answer = self.control.getresponse()
        text = answer.read().decode()
        return answer.status, json.loads(text) if "json" in answer.headers["Content-Type"] else text

    def login(self, subject):
        """Status, and the session if there is one."""
        status, answer = self.ask_control("POST", "/v1/sessions", {"subject": subject, "roles": ["editor"]})
        return status, Session(answer["session_id"], answer["token"], answer["set_cookie"]) if status == 201 else None

    def verify(self, token):
        self.public.request("GET", "/verify/", headers={"Cookie": f"__Host-sealpass={token}"})
        answer = self.public.getresponse()
        answer.read()
        return answer.status


class Load:
    """wrk with live sessions, from entering to leaving; then `answers` and what else it counted."""

    def __init__(self, service, name, sessions, bound):
        self.service, self.path = service, service.home / name
        self.sessions = {session.id: session for session in sessions}
        listed = self.path.with_suffix(".sessions")
        private(listed, "".join(f"{session.id} {session.token}\n" for session in sessions))
        size = [f"-t{THREADS}", f"-c{CONNECTIONS}", f"-d{bound}s", f"--timeout={LIMIT}s"]
        script = ["--latency", "-s", HERE / "verify.lua", f"http://{service.public}", "--"]
        self.command = ["wrk", *size, *script, listed, self.path, self.path.with_suffix(".figures")]

    def __enter__(self):
        try:
            pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
            self.process = subprocess.Popen(self.command, **pipes)
        except FileNotFoundError:
            raise Failed("wrk is not installed; apt-get install wrk") from None
        return self

    def __exit__(self, kind, *_):
        end(self.process, signal.SIGINT)  # wrk sums up what it has
        said = self.process.stdout.read()
        if kind is None:
            self.sum_up(said)

    def sum_up(self, said):
        figures = self.path.with_suffix(".figures")
        rate, p99 = re.search(r"^Requests/sec:\s+(\S+)", said, re.M), re.search(r"^\s+99%\s+(\S+)", said, re.M)
        if not (rate and p99 and figures.exists()):
            raise Failed(f"wrk did not sum up: {said.strip()[-500:]}")
        self.rate, self.p99 = float(rate[1]), p99[1]
        counted = [line.split() for line in figures.read_text().splitlines()]
        self.counted = {name: [float(value) for known, value in counted if known == name] for name, _ in counted}
        self.answers = {int(status): count for status, count in self.sums("answers_").items()}

    def socket_errors(self):
        return {kind: count for kind, count in self.sums("socket_").items() if count}

    def sums(self, prefix):
        named = [name for name in self.counted if name.startswith(prefix)]
        return {name.removeprefix(prefix): int(sum(self.counted[name])) for name in named}

    def renewals(self):
        """Those so far, in the order in which each thread saw them."""
        texts = [path.read_text() for path in self.path.parent.glob(f"{self.path.name}.[0-9]*")]
        lines = [line.split() for text in texts for line in text[: text.rfind("\n") + 1].splitlines()]
        return [Renewal(float(at), id, int(length), token) for at, id, length, token in lines]

    def tokens(self):
        """The newest of each session."""
        return {id: session.token for id, session in self.sessions.items()} | {r.id: r.token for r in self.renewals()}


def private(path, text):
    path.touch(0o600)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())


def environment():
    """Ours, without what would configure the service."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SEALPASS_")}
    return kept | {"SEALPASS_DRAIN": "0s"}


def wait_until(what, is_so, pause=0.02):
    deadline = time.monotonic() + LIMIT
    while not (found := is_so()):
        if time.monotonic() > deadline:
            raise Failed(f"waited {LIMIT} s in vain until {what}")
        time.sleep(pause)
    return found


def end(process, how):
    """By its id; and for certain."""
    if process.poll() is None:
        process.send_signal(how)
    try:
        process.wait(LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise Failed(f"process {process.pid} ({process.args[0]}) did not end and was killed") from None
