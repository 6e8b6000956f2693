"""Verify over HTTP beside what one would pick instead: throughput, CPU, latency; floods of refusals; idle memory.

    python compare.py [--rounds 7] [--seconds 2] [--sealpass PATH] [--servers PATH] [--iron DIRECTORY]
                   [--check [steady]] [--margin N] [--json FILE]

Needs two cores, `cargo build --release`, `cargo build --release --manifest-path tests/peers/Cargo.toml`, wrk, nginx, node
with `npm ci --prefix tests/peers/iron`; and oha (`cargo install oha`) for latency, which is left out without it. Servers
run on one core, the load on another. Everything is measured in turn, round by round: ratios within a run are what counts.
A goal that is missed is an error only with `--check`, with `--check steady` if it does not depend on what else the machine
does, with `--margin 2` if it is missed by more than half.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
from contextlib import ExitStack
from http.client import HTTPException
from pathlib import Path
from statistics import median
from subprocess import SubprocessError

import flood
import idle
from contenders import Nginx, Ours, Program, answered_headers, claims_of, cores
from goals import judge
from measure import ceiling, has_oha, latency, ratio
from rig import HERE, Failed

SHARE = 0.6  # of its ceiling, for latency


def main():
    asked = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that what was started is ended
    try:
        found = run(asked)
    except (Failed, OSError, HTTPException, SubprocessError) as error:
        sys.exit(f"FAIL  {error or repr(error)}")
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=1) + "\n")
    missed = judge(found, asked.margin, asked.check == "steady")
    sys.exit(1 if asked.check and missed else 0)


def arguments():
    target = Path(os.environ.get("CARGO_TARGET_DIR", HERE.parents[1] / "target"))
    peers = Path(os.environ.get("CARGO_TARGET_DIR", HERE.parents[1] / "tests/peers/target"))
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=2, help="of each measurement")
    parser.add_argument("--sealpass", type=Path, default=target / "release/sealpass")
    parser.add_argument("--servers", type=Path, default=peers / "release/servers")
    parser.add_argument("--iron", type=Path, default=HERE.parent / "peers/iron", help="where node_modules is")
    parser.add_argument("--check", nargs="?", const="all", choices=["all", "steady"])
    parser.add_argument("--margin", type=float, default=1)
    parser.add_argument("--json", type=Path, help="every figure of every round")
    return parser.parse_args()


def run(asked):
    binary, (servers, load) = asked.sealpass.resolve(), cores()
    with tempfile.TemporaryDirectory() as made, ExitStack() as started:
        home = Path(made)
        contenders, ours = start(asked, binary, home, servers, started)
        found = {"ceiling": against_each_other(asked, home, load, contenders)}
        print_ceilings(found["ceiling"])
        if has_oha():
            found["latency"] = latencies(asked, load, contenders, found["ceiling"])
            print_latencies(found["latency"], asked.rounds)
        else:
            print("latency: not measured, since oha is not installed; cargo install oha")
        found["flood"] = floods(asked, home, load, ours)
        print_floods(found["flood"])
    found["idle"] = {"alone": idle.alone(binary), "fleet": idle.fleet(binary)}
    return found


def start(asked, binary, home, core, started):
    """All of them, each ended with `started`."""

    def keep(contender):
        started.callback(contender.end)
        return contender

    ours = keep(Ours(binary, home / "sealpass", core))
    headers, claims = answered_headers(ours), claims_of(ours)
    program = lambda name, command, login=None: keep(Program(name, command, core, headers, login))
    servers, node, iron = asked.servers.resolve(), ["node", HERE / "servers.mjs"], asked.iron.resolve()
    if not (iron / "node_modules/iron-session").exists():
        raise Failed(f"iron-session is not there; npm ci --prefix {asked.iron}")
    bare = program("actix, bare", [servers, "bare"])
    nginx = keep(Nginx(binary, home / "nginx", core, ours, bare))
    return [
        bare,
        ours,
        program("actix-session, cookie", [servers, "actix-session"], claims),
        program("Node, bare", [*node, "bare"]),
        program("Node, iron-session", [*node, "iron-session", iron], claims),
        nginx.open,
        nginx.guarded,
    ], ours


def against_each_other(asked, home, load, contenders):
    figures = {contender.name: {"rate": [], "cpu": []} for contender in contenders}
    for number in range(asked.rounds + 1):
        for contender in contenders:
            contender.check()
            how = (home, contender.address, contender.pids, [contender.head], 200, asked.seconds)
            rate, spent = ceiling(load, *how)
            if number > 0:  # the first one warms up
                figures[contender.name]["rate"].append(rate)
                figures[contender.name]["cpu"].append(spent)
    return figures


def latencies(asked, load, contenders, ceilings):
    """Of the rounds in which the load kept up with every one of them."""
    figures = {contender.name: [] for contender in contenders}
    rates = {name: int(SHARE * median(own["rate"])) for name, own in ceilings.items()}
    for _ in range(asked.rounds):
        found = {}
        for contender in contenders:
            contender.check()
            found[contender.name] = latency(load, contender, rates[contender.name], asked.seconds)
        if all(found.values()):
            for name, times in found.items():
                figures[name].append((rates[name], *times))
    return figures


def floods(asked, home, load, ours):
    ours.check()
    kinds = flood.kinds(ours.token)
    figures = {name: {"refused": [], "passed": []} for name, *_ in kinds}
    for _ in range(asked.rounds):
        for name, refused, passing in kinds:
            for what, heads, status in (("refused", refused, 401), ("passed", passing, 200)):
                how = (home, ours.address, ours.pids, heads, status, max(1, asked.seconds // 2))
                figures[name][what].append(ceiling(load, *how)[1])
    return figures


# What is printed.

def print_ceilings(figures):
    print(f"{'':<26}{'answers/s':>10}{'x bare':>8}{'':>16}{'CPU µs':>8}{'x bare':>8}")
    bare = figures["actix, bare"]
    for name, own in figures.items():
        rates, spent = ratio(own["rate"], bare["rate"]), ratio(own["cpu"], bare["cpu"])
        print(f"{name:<26}{median(own['rate']):>10,.0f}{spread(rates)}{median(own['cpu']):>8.1f}{spread(spent)}")
    print()


def print_latencies(figures, rounds):
    kept = len(figures["actix, bare"])
    if not kept:
        return print(f"latency: in none of {rounds} rounds did the load keep up with {SHARE:.0%} of the ceilings\n")
    print(f"at {SHARE:.0%} of its ceiling{'':<5}{'asked/s':>10}{'p50 ms':>9}{'p99 ms':>9}{'x bare':>8}{'':>16}{'p99.9 ms':>9}")
    bare = [one[2] for one in figures["actix, bare"]]
    for name, own in figures.items():
        rate, p50, p99, p999 = (median(column) for column in zip(*own))
        beside = spread(ratio([one[2] for one in own], bare))
        print(f"{name:<26}{rate:>10,.0f}{p50:>9.3f}{p99:>9.3f}{beside}{p999:>9.3f}")
    print(f"in {kept} of {rounds} rounds did the load keep up with itself\n")


def print_floods(figures):
    print(f"{'a flood of':<34}{'CPU µs, refused':>16}{'passed, as long':>17}{'ratio':>8}")
    for name, own in figures.items():
        middle = [median(own[what]) for what in ("refused", "passed")]
        print(f"{name:<34}{middle[0]:>16.1f}{middle[1]:>17.1f}{spread(ratio(own['refused'], own['passed']))}")
    print()


def spread(of):
    middle, least, greatest = of
    return f"{middle:>8.2f} {f'({least:.2f}–{greatest:.2f})':<15}"


if __name__ == "__main__":
    main()
