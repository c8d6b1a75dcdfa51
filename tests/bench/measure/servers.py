"""Everything that runs beside the load: started on free ports of loopback, measured, and ended by its own process id."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

from measure.load import SECRET

PATIENCE = 60
TICKS = os.sysconf("SC_CLK_TCK")
PEERS = Path(__file__).parent.parent / "peers"
SIGNING = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwmuf8Yd4zsY4="


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

    def start_limit(self, what):
        """A server of ours; gives its address, which it prints first."""
        process = self.start(what, [self.limits, what])
        return process.first_line()

    def limit(self, what, **arguments):
        command = [str(self.limits), what]
        for name, value in arguments.items():
            command += [f"--{name}", str(value)]
        limit = arguments["seconds"] + 200
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
        """The URLs of one server, or of a cluster."""
        ports = [(self.free_port(), self.free_port(), self.free_port()) for _ in range(count)]
        for number, (port, cluster, monitor) in enumerate(ports):
            folder = self.folder()
            lines = [f'server_name: "bench-{number}"', "host: 127.0.0.1", f"port: {port}", f"http: 127.0.0.1:{monitor}",
                     "max_payload: 8MB", f'jetstream {{ store_dir: "{folder}/js", sync_interval: {"always" if synced else "2m"} }}']
            if count > 1:
                routes = ", ".join(f'"nats://127.0.0.1:{other[1]}"' for other in ports)
                lines.append(f"cluster {{ name: bench, listen: 127.0.0.1:{cluster}, routes: [{routes}] }}")
            file = folder / "nats.conf"
            file.write_text("\n".join(lines) + "\n")
            self.start("nats-server", [self.tools / "python/bin/nats-server", "-c", file])
        for _, _, monitor in ports:
            wait("nats-server", lambda monitor=monitor: get(f"http://127.0.0.1:{monitor}/healthz"))
        self.monitor = f"http://127.0.0.1:{ports[0][2]}"
        return ",".join(f"nats://127.0.0.1:{port}" for port, _, _ in ports)

    def home(self, engine, nats, sink):
        """A configuration folder: GitHub, one connection, one destination, one route."""
        folder = self.folder()
        if nats is None:
            store = 'engine = "embedded"\npath = "data"'
        else:
            count, synced = nats
            urls = self.nats(count, synced)
            durability = "fsync" if synced else "replicated"
            store = (f'engine = "nats"\nurl = "{urls}"\nreplicas = {count}\ndurability = "{durability}"\n'
                     f'monitor_url = "{self.monitor}"')
        (folder / "gatepost.toml").write_text(CONFIG.format(store=store, sink=sink))
        for name, text in {"github": SECRET, "signing": SIGNING}.items():
            (folder / name).touch(mode=0o600)
            (folder / name).write_text(text)
        if nats is not None:
            subprocess.run([self.binary, "--config", folder / "gatepost.toml", "store", "init"], check=True,
                           capture_output=True, timeout=PATIENCE)
        return folder

    def run(self, home, roles):
        command = [self.binary, "--config", home / "gatepost.toml", "run", *roles, "--log", "json"]
        process = self.start("gatepost", command, errors=home / f"log-{len(self.processes)}")
        wait("readiness", lambda: get(f"http://{process.address('ops')}/readyz"))
        return process

    def gatepost(self, engine, nats, roles, sink):
        self.gateway = self.run(self.home(engine, nats, sink), roles)
        return self.gateway.address("gateway")

    def accepted(self):
        return self.gateway.metric("gatepost_gateway_requests_total", 'result="stored"')

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

    def stop_all(self):
        for process in reversed(self.processes):
            process.stop()
        for folder in self.folders:
            shutil.rmtree(folder, ignore_errors=True)
        self.processes, self.folders = [], []


class Process:
    def __init__(self, name, command, cwd=None, errors=None):
        self.name, self.errors = name, errors
        stderr = open(errors, "wb") if errors else subprocess.DEVNULL
        self.child = subprocess.Popen([str(word) for word in command], cwd=cwd, stdin=subprocess.DEVNULL,
                                      stdout=subprocess.PIPE, stderr=stderr, start_new_session=True)

    def first_line(self):
        line = self.child.stdout.readline().decode().strip()
        if not line:
            raise SystemExit(f"{self.name} said nothing")
        return line

    def address(self, field):
        """An address that Gatepost logged."""
        def find():
            match = re.search(rf'"{field}":"([0-9.:]+)"', self.errors.read_text())
            return match and match.group(1)
        return wait(f"the {field}'s address", find)

    def metric(self, name, label=""):
        text = get(f"http://{self.address('ops')}/metrics") or ""
        lines = (line for line in text.splitlines() if line.startswith(name) and label in line)
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines)

    def pids(self):
        """Its own and its children's, such as a server's workers."""
        found, queue = [], [self.child.pid]
        while queue:
            pid = queue.pop()
            found.append(pid)
            try:
                queue += [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
            except OSError:
                pass
        return found

    def cpu(self):
        total = 0.0
        for pid in self.pids():
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
                total += (int(fields[11]) + int(fields[12])) / TICKS
            except OSError:
                pass
        return total

    def peak_mib(self):
        total = 0
        for pid in self.pids():
            try:
                match = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
                total += int(match.group(1)) if match else 0
            except OSError:
                pass
        return total / 1024

    def stop(self):
        if self.child.poll() is None:
            os.killpg(self.child.pid, signal.SIGTERM)
            try:
                self.child.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self.child.pid, signal.SIGKILL)
                self.child.wait(20)


def wait(what, condition):
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise SystemExit(f"{what}: not within {PATIENCE} s")


def get(url):
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.read().decode() or "empty"
    except OSError:
        return None


def answers(address):
    host, port = address.split(":")
    try:
        socket.create_connection((host, int(port)), 1).close()
        return True
    except OSError:
        return False


CONFIG = """[gateway]
listen = "127.0.0.1:0"

[ops]
listen = "127.0.0.1:0"

[store]
{store}

[[integration]]
id = "github"
provider = "github"
secrets = [{{ file = "github" }}]

[[connection]]
integration = "github"
id = "acme"
account = "12345678"

[[destination]]
id = "sink"
url = "{sink}"
private = true
concurrency = 64
secrets = [{{ file = "signing" }}]

[[route]]
id = "all"
forward = ["sink"]
"""
