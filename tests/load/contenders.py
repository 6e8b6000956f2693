"""What is put under load beside each other, each on the same core, and what it spends.

A contender is one or more processes, an address, and the head of the request that it is asked with.
"""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
from pathlib import Path

from rig import LIMIT, Failed, Service, end, environment, wait_until

CLAIMS = {"subject": "alice.smith", "roles": ["editor", "billing"], "amr": ["pwd"]}
# Nothing renews while it is measured, or only when a slot of two hours ends; then there is a new login.
CONFIG = """
credentials = "credentials.toml"
trusted_proxies = ["127.0.0.1"]
[public]
listen = "127.0.0.1:0"
workers = 1
[control]
listen = "127.0.0.1:0"
[realm.default]
idle = "12h"
"""
BROWSER = (
    "X-Real-IP: 192.0.2.1\r\nX-Original-URI: /page?x=1\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\nAccept: text/html\r\n"
    "Accept-Language: en-US,en;q=0.5\r\n"
)


def on(core, *command):
    return ["taskset", "-c", str(core), *map(str, command)]


def head(path, cookie):
    """As a proxy asks for a browser."""
    return f"GET {path} HTTP/1.1\r\nHost: app.example.com\r\n{BROWSER}Cookie: theme=dark; {cookie}; lang=en\r\n\r\n"


def ask(address, path, cookie, method="GET", body=None):
    """Status, headers."""
    caller = http.client.HTTPConnection(address, timeout=LIMIT)
    headers = {"Cookie": cookie, "Content-Type": "application/json", "Host": "app.example.com"}
    caller.request(method, path, body and json.dumps(body), headers)
    answer = caller.getresponse()
    answer.read()
    caller.close()
    return answer.status, answer.headers


def cpu(pids):
    """Seconds of CPU that all threads of these processes have spent."""
    spent = 0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            spent += int((task / "schedstat").read_text().split()[0])
    return spent / 1e9


def resident(pid):
    """Mebibytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"^VmRSS:\s+(\d+) kB", status, re.M)[1]) / 1024


class Contender:
    """Something that answers; `head` is what it is asked with."""

    path, pids, cookie = "/", (), "none=0"

    def __init__(self, name):
        self.name = name

    @property
    def head(self):
        return head(self.path, self.cookie)

    def check(self):
        """It answers 200, with the claims, or nothing that is measured means anything."""
        status, headers = ask(self.address, self.path, self.cookie)
        told = [headers.get(f"X-Session-{name}") for name in ("Subject", "Roles", "Amr")]
        if status != 200 or told != ["alice.smith", "editor,billing", "pwd"]:
            raise Failed(f"{self.name} answers {status} with {told}")
        return headers


class Ours(Contender):
    """The service, as it is released."""

    def __init__(self, binary, home, core):
        super().__init__("sealpass")
        self.path = "/verify/"
        home.mkdir()
        self.service = Service(binary, home, CONFIG, on(core)).__enter__()
        self.pids, self.address = [self.service.process.pid], self.service.public
        self.log_in()

    def log_in(self):
        status, session = self.service.caller().ask_control("POST", "/v1/sessions", CLAIMS)
        if status != 201:
            raise Failed(f"a session is answered {status}: {session}")
        self.token, self.claims = session["token"], session
        self.cookie = f"__Host-sealpass={self.token}"

    def check(self):
        if "Set-Cookie" in (headers := super().check()):
            self.log_in()
            headers = super().check()
        return headers

    def end(self):
        self.service.__exit__()


class Program(Contender):
    """A process that is handed the headers of our answer, says where it listens, and knows the claims after a login."""

    def __init__(self, name, command, core, headers, claims=None):
        super().__init__(name)
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        try:
            self.process = subprocess.Popen(on(core, *command), env=environment(), **pipes)
        except FileNotFoundError as missing:
            raise Failed(f"{missing.filename} is not installed") from None
        self.process.stdin.write(json.dumps(headers) + "\n")
        self.process.stdin.flush()
        self.address, self.pids = self.process.stdout.readline().strip(), [self.process.pid]
        if not self.address:
            self.end()
            raise Failed(f"{name} does not start")
        if claims:
            status, answer = ask(self.address, "/login", "none=0", "POST", claims)
            if status != 204:
                raise Failed(f"{name} answers a login with {status}")
            self.cookie = answer["Set-Cookie"].partition(";")[0]

    def end(self):
        end(self.process, signal.SIGTERM)
        self.process.stdin.close()
        self.process.stdout.close()


class Behind(Contender):
    """A path of nginx's, with the session that the service issued last."""

    def __init__(self, name, address, path, pids, ours):
        super().__init__(name)
        self.address, self.path, self.pids, self.ours = address, path, pids, ours

    @property
    def cookie(self):
        return self.ours.cookie


class Nginx:
    """nginx with the configuration that `sealpass proxy-config` prints, the bare handler behind it as the application."""

    def __init__(self, binary, home, core, ours, app):
        port = free_port()
        arguments = ["--plain", "--listen", f"127.0.0.1:{port}", "--sealpass", ours.address, "--upstream", app.address]
        printed = ours.service.run("proxy-config", "nginx", *arguments, "--file", "sealpass.conf").stdout
        home.mkdir()
        (home / "sealpass.conf").write_text(printed)
        kinds = "".join(f"{kind}_temp_path tmp;\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        (home / "nginx.conf").write_text(
            "daemon off; worker_processes 1; pid nginx.pid; error_log stderr warn;\n"
            "events { worker_connections 1024; }\n"
            # Else it ends a connection after 1,000 requests, and connecting is what is measured.
            f"http {{\naccess_log off; keepalive_requests 1000000000;\n{kinds}include sealpass.conf;\n}}\n"
        )
        command = on(core, "nginx", "-e", "stderr", "-c", "nginx.conf", "-p", home)
        self.log = home / "nginx.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, env=environment(), stdin=subprocess.DEVNULL, stderr=log)
        self.address = f"127.0.0.1:{port}"
        wait_until("nginx answers", self.answers)
        self.pids = [self.process.pid, *children(self.process.pid)]
        own = self.pids + app.pids
        self.guarded = Behind("nginx, asking sealpass", self.address, "/", own + ours.pids, ours)
        self.open = Behind("nginx, not asking", self.address, "/login", own, ours)
        if (status := ask(self.address, "/", "none=0")[0]) != 401:
            raise Failed(f"nginx answers {status} to who has no session")

    def answers(self):
        if self.process.poll() is not None:
            raise Failed(f"nginx does not start: {self.log.read_text()[-500:]}")
        try:
            return ask(self.address, "/login", "none=0")[0] == 200
        except OSError:
            return False

    def end(self):
        end(self.process, signal.SIGTERM)


def children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def claims_of(ours):
    """Ours, by the names that the others use."""
    headers = ours.check()
    return {
        "sub": headers["X-Session-Subject"],
        "roles": CLAIMS["roles"],
        "amr": CLAIMS["amr"],
        "jti": headers["X-Session-Id"],
        "iat": int(headers["X-Session-Started"]),
        "exp": int(headers["X-Session-Expires"]),
    }


def answered_headers(ours):
    """Those of our answer that are ours: the framework makes the others for everybody."""
    made = ("content-length", "date", "connection")
    return {name.lower(): value for name, value in ours.check().items() if name.lower() not in made}


def cores():
    """One for servers, one for the load."""
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        raise Failed("two cores are needed: one for servers, one for the load")
    return allowed[0], allowed[-1]
