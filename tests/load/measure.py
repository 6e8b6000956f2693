"""Load from one core onto what runs on another: the ceiling by wrk, latency at a fixed rate by oha."""

import json
import re
import shutil
import subprocess
from statistics import median

from contenders import cpu, on
from rig import HERE, LIMIT, Failed

CONNECTIONS = 32


def ceiling(core, directory, address, pids, heads, status, seconds):
    """Answers a second, and microseconds of CPU for each, with as many requests as are answered."""
    listed = directory / "heads"
    listed.write_bytes(b"".join(one.encode("latin-1") for one in heads))
    size = ["-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", f"--timeout={LIMIT}s"]
    command = on(core, "wrk", *size, "-s", HERE / "requests.lua", f"http://{address}", "--", listed)
    begun = cpu(pids)
    said = run(command, seconds)
    spent = cpu(pids) - begun
    answers = int(re.search(r"(\d+) requests in ", said)[1])
    refused = int(found[1]) if (found := re.search(r"Non-2xx or 3xx responses: (\d+)", said)) else 0
    if refused != (0 if status == 200 else answers) or "Socket errors" in said or not answers:
        raise Failed(f"not every request is answered {status}: {said.strip()[-300:]}")
    return float(re.search(r"Requests/sec:\s+(\S+)", said)[1]), spent / answers * 1e6


def latency(core, contender, rate, seconds):
    """Milliseconds at p50, p99 and p99.9, asked at a fixed rate: who waits for a slow answer counts as waiting.

    None if the load did not keep up with itself, as on a machine that has other things to do.
    """
    headers = [line for line in contender.head.split("\r\n")[2:] if line]
    command = ["oha", "-z", f"{seconds}s", "-q", str(rate), "-c", str(CONNECTIONS), "--latency-correction"]
    command += ["--no-tui", "--output-format", "json", "--host", "app.example.com"]
    for line in headers:
        command += ["-H", line]
    said = json.loads(run(on(core, *command, f"http://{contender.address}{contender.path}"), seconds))
    codes = said["statusCodeDistribution"]
    if set(codes) != {"200"}:
        raise Failed(f"{contender.name} answers {codes}")
    reached = said["summary"]["requestsPerSec"]
    if reached < rate * 0.95:
        return None
    return [said["latencyPercentiles"][name] * 1000 for name in ("p50", "p99", "p99.9")]


def has_oha():
    return shutil.which("oha") is not None


def run(command, seconds):
    quiet = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True, "timeout": seconds + LIMIT}
    try:
        ran = subprocess.run(command, **quiet)
    except FileNotFoundError as missing:
        raise Failed(f"{missing.filename} is not installed") from None
    if ran.returncode != 0:
        raise Failed(f"{' '.join(map(str, command[:6]))} … fails: {ran.stderr.strip()[-500:]}")
    return ran.stdout


def ratio(of, to):
    """Round by round: median, least, greatest."""
    ratios = [a / b for a, b in zip(of, to)]
    return median(ratios), min(ratios), max(ratios)
