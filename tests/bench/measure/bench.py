"""What every section of the benchmark is given."""

import statistics
from dataclasses import dataclass

from measure.load import ACCOUNT, Body
from measure.servers import Servers

SIZES = {"2 KiB": 2_024, "7 KiB": 7_124, "64 KiB": 65_536, "256 KiB": 262_144}
ENGINES = {"embedded": None, "NATS R1": (1, False), "NATS R1 synced": (1, True), "NATS R3": (3, False), "NATS R3 synced": (3, True)}
CONNECTIONS = 64
NOBODY = "http://127.0.0.1:9/nobody"


@dataclass
class Bench:
    servers: Servers
    quick: bool
    seconds: int
    rounds: int

    def body(self, size, accounts=(ACCOUNT,)):
        return Body.of(SIZES[size], self.servers.out, accounts)

    def interleaved(self, sides):
        """Runs every side once a round, and gives the medians."""
        gathered = {name: [] for name in sides}
        for _ in range(self.rounds):
            for name, side in sides.items():
                gathered[name].append(side())
                self.servers.stop_all()
        return {name: median(runs) for name, runs in gathered.items()}


def median(runs):
    """The median of each number over the rounds, with the rates of all of them."""
    def of(values):
        values = [value for value in values if value is not None]
        first = values[0] if values else None
        if isinstance(first, dict):
            return {key: of([value.get(key) for value in values]) for key in dict.fromkeys(key for value in values for key in value)}
        if isinstance(first, (int, float)):
            return statistics.median(values)
        return first
    return {**of(runs), "rates": [round(run["rate"]) for run in runs if "rate" in run]}
