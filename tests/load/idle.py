"""What the service takes when nobody asks: resident memory, alone and in a fleet of three."""

import signal
import socket
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from contenders import ask, resident
from rig import Failed, Service, wait_until

ALONE = """
credentials = "credentials.toml"
[public]
listen = "127.0.0.1:0"
[control]
listen = "127.0.0.1:0"
"""
REPLICAS = 3
REST = 5  # seconds after it is ready


def alone(binary):
    """Mebibytes."""
    with tempfile.TemporaryDirectory() as home, Service(binary, Path(home), ALONE) as service:
        return rested([service])[0]


def fleet(binary):
    """Mebibytes of each replica."""
    names, addresses = [f"idle-{number}" for number in range(REPLICAS)], free_ports(REPLICAS)
    with tempfile.TemporaryDirectory() as home, ExitStack() as running:
        services, secret = [], None
        for name, listen in zip(names, addresses):
            peers = [address for address in addresses if address != listen]
            own = f'[cluster]\nsize = {REPLICAS}\nname = "{name}"\nlisten = "{listen}"\npeers = {peers}\n'
            place = Path(home) / name
            place.mkdir()
            services.append(running.enter_context(Service(binary, place, ALONE + own, secret=secret)))
            secret = secret or (place / "keys/cluster.secret").read_bytes()
        return rested(services)


def rested(services):
    wait_until("every replica is ready", lambda: all(ready(service) for service in services), 0.1)
    time.sleep(REST)
    for service in services:
        service.check_alive()
    return [resident(service.process.pid) for service in services]


def ready(service):
    return ask(service.public, "/readyz", "none=0")[0] == 200


def free_ports(count):
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    found = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    return found
