"""What a Gatepost under measurement is configured with."""

from dataclasses import dataclass
from pathlib import Path

from measure.load import SECRET

SECRETS = {"github": SECRET, "signing": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwmuf8Yd4zsY4="}


@dataclass
class Home:
    """A configuration folder, and the NATS servers that its store is on."""

    folder: Path
    nats: list
    # The settings of its store.
    store: str = ""

    @property
    def config(self):
        return self.folder / "gatepost.toml"

    def configure(self, sink, **more):
        self.config.write_text(configuration(self.store, sink, **more))


@dataclass
class Nats:
    """A NATS server's file, and where it listens; started again, it has what it had."""

    file: Path
    port: int
    monitor: str


def urls(servers):
    return ",".join(f"nats://127.0.0.1:{server.port}" for server in servers)


def configuration(store, sink, gateway="", declared=True, destinations=1, routes=1):
    """GitHub, its connection unless those are made at run time, and so many destinations and routes, of which the first
    destination and the last route are what the webhooks meet."""
    others = "".join(DESTINATION.format(id=f"other-{n}", sink=sink) for n in range(1, destinations))
    rules = "".join(f'[[route]]\nid = "other-{n}"\nevents = ["github.other_{n}.*"]\nforward = ["sink"]\n\n' for n in range(1, routes))
    return CONFIG.format(store=store, gateway=gateway, connection=CONNECTION if declared else "", others=others, rules=rules,
                         destination=DESTINATION.format(id="sink", sink=sink))


CONFIG = """[gateway]
listen = "127.0.0.1:0"
{gateway}

[ops]
listen = "127.0.0.1:0"

[store]
{store}

[[integration]]
id = "github"
provider = "github"
secrets = [{{ file = "github" }}]

{connection}{destination}{others}{rules}[[route]]
id = "all"
forward = ["sink"]
"""

CONNECTION = """[[connection]]
integration = "github"
id = "acme"
account = "12345678"

"""

DESTINATION = """[[destination]]
id = "{id}"
url = "{sink}"
private = true
concurrency = 64
secrets = [{{ file = "signing" }}]

"""
