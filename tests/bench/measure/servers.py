"""Everything that runs beside the load: started on free ports of loopback, measured, and ended by its own process id."""

import json
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

from measure.home import SECRETS, Home, Nats, urls
from measure.load import SECRET
from measure.process import PATIENCE, Process, answers, get, wait

PEERS = Path(__file__).parent.parent / "peers"


class Servers:
    SECRET = SECRET

    def __init__(self, gatepost, limits, tools, out):
        self.binary, self.limits, self.tools, self.out = gatepost, limits, tools, out
        self.processes, self.folders = [], []

    def folder(self):
        """A new folder beside the results, so that it is on the disk that is measured."""
        folder = Path(tempfile.mkdtemp(prefix="run-", dir=self.out))
        self.folders.append(folder)
        return folder

    @staticmethod
    def free_port():
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return probe.getsockname()[1]

    def start(self, name, command, **options):
        process = Process(name, command, **options)
        self.processes.append(process)
        return process

    def start_limit(self, what, **arguments):
        """A server of ours; gives its address, which it prints first."""
        return self.start(what, self.command(what, **arguments)).first_line()

    def command(self, what, **arguments):
        """Of our own limits and loads."""
        return [self.limits, what, *(word for name, value in arguments.items() for word in (f"--{name.replace('_', '-')}", value))]

    def limit(self, what, **arguments):
        command = [str(word) for word in self.command(what, **arguments)]
        limit = arguments.get("seconds", 1_800) + 200
        output = subprocess.run(command, capture_output=True, text=True, check=False, timeout=limit)
        if output.returncode:
            raise SystemExit(f"{what}: {output.stderr}")
        return json.loads(output.stdout.splitlines()[-1])

    def peer(self, name, nats):
        if name == "fastify":
            command = ["node", PEERS / "fastify.mjs", nats, SECRET]
        else:
            command = [self.tools / "peers/bin/python", "fastapi_peer.py", nats, SECRET]
        address = self.start(name, command, cwd=PEERS).first_line()
        wait("the peer", lambda: answers(address))
        return address

    def nats(self, count, synced):
        """The URLs of one server, or of a cluster, that are started."""
        servers = self.nats_files(count, synced)
        self.start_nats(servers)
        return urls(servers)

    def nats_files(self, count, synced):
        ports = [(self.free_port(), self.free_port(), self.free_port()) for _ in range(count)]
        servers = []
        for number, (port, cluster, monitor) in enumerate(ports):
            folder = self.folder()
            lines = [f'server_name: "bench-{number}"', "host: 127.0.0.1", f"port: {port}", f"http: 127.0.0.1:{monitor}",
                     "max_payload: 8MB", f'jetstream {{ store_dir: "{folder}/js", sync_interval: {"always" if synced else "2m"} }}']
            if count > 1:
                routes = ", ".join(f'"nats://127.0.0.1:{other[1]}"' for other in ports)
                lines.append(f"cluster {{ name: bench, listen: 127.0.0.1:{cluster}, routes: [{routes}] }}")
            file = folder / "nats.conf"
            file.write_text("\n".join(lines) + "\n")
            servers.append(Nats(file, port, f"http://127.0.0.1:{monitor}"))
        return servers

    def start_nats(self, servers, first=()):
        for server in servers:
            self.start("nats-server", [*first, self.tools / "python/bin/nats-server", "-c", server.file])
        for server in servers:
            wait("nats-server", lambda monitor=server.monitor: get(f"{monitor}/healthz"))

    def home(self, nats, sink, first=(), files=(), **more):
        """A new configuration folder with these files, its store's servers started; `first` is put before their commands."""
        home = Home(self.folder(), [])
        if nats is None:
            home.store = 'engine = "embedded"\npath = "data"'
        else:
            count, synced = nats
            home.nats = self.nats_files(count, synced)
            self.start_nats(home.nats, first)
            durability = "fsync" if synced else "replicated"
            home.store = (f'engine = "nats"\nurl = "{urls(home.nats)}"\nreplicas = {count}\ndurability = "{durability}"\n'
                          f'monitor_url = "{home.nats[0].monitor}"')
        home.configure(sink, **more)
        for name, text in [*SECRETS.items(), *files]:
            (home.folder / name).parent.mkdir(exist_ok=True)
            (home.folder / name).touch(mode=0o600)
            (home.folder / name).write_text(text)
        if nats is not None:
            subprocess.run([self.binary, "--config", home.config, "store", "init"], check=True, capture_output=True,
                           timeout=PATIENCE)
        return home

    def run(self, home, roles, first=()):
        """A Gatepost of that home; `first` is put before its command."""
        command = [*first, self.binary, "--config", home.config, "run", *roles, "--log", "json"]
        process = self.start("gatepost", command, errors=home.folder / f"log-{len(self.processes)}")
        wait("readiness", lambda: get(f"http://{process.address('ops')}/readyz"))
        return process

    def gatepost(self, nats, roles, sink):
        self.gateway = self.run(self.home(nats, sink), roles)
        return self.gateway.address("gateway")

    def accepted(self):
        return self.gateway.metric("gatepost_gateway_requests_total", 'result="stored"')

    @staticmethod
    def asked(home):
        """Messages that a home's NATS servers have had from their clients; none on the embedded store."""
        return sum(json.loads(get(f"{server.monitor}/varz"))["in_msgs"] for server in home.nats)

    def cpu(self):
        """CPU seconds of each kind of process so far."""
        spent = {}
        for process in self.processes:
            spent[process.name] = spent.get(process.name, 0.0) + process.cpu()
        return spent

    def spent(self, before, count):
        """CPU microseconds for each of so many, and the most memory, by kind of process."""
        now = self.cpu()
        cpu = {name: round((now[name] - before.get(name, 0.0)) * 1e6 / max(count, 1), 2) for name in now}
        memory = {}
        for process in self.processes:
            memory[process.name] = round(memory.get(process.name, 0) + process.peak_mib(), 1)
        return {"cpu_us": cpu, "peak_mib": memory}

    def drop(self, home):
        """Removes a home that is stopped."""
        for folder in [home.folder, *(server.file.parent for server in home.nats)]:
            shutil.rmtree(folder, ignore_errors=True)
            self.folders.remove(folder)

    def stop_processes(self):
        """Stops everything and keeps the folders, so that it can be started again."""
        for process in reversed(self.processes):
            process.stop()
        self.processes = []

    def stop_all(self):
        self.stop_processes()
        for folder in self.folders:
            shutil.rmtree(folder, ignore_errors=True)
        self.folders = []

