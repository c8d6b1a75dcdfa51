"""A process that runs beside the load, and what it costs."""

import os
import re
import signal
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

PATIENCE = 120
TICKS = os.sysconf("SC_CLK_TCK")


class Process:
    def __init__(self, name, command, cwd=None, errors=None):
        self.name, self.errors, self.found = name, errors, {}
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
            if self.child.poll() is not None:
                raise SystemExit(f"{self.name} ended: {self.errors.read_text()}")
            return match and match.group(1)
        if field not in self.found:
            self.found[field] = wait(f"the {field}'s address", find)
        return self.found[field]

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
        """The largest resident set so far, without a tracer's that it may have been started by."""
        total = 0
        for pid in self.pids():
            try:
                status = Path(f"/proc/{pid}/status").read_text()
                match = re.search(r"VmHWM:\s+(\d+) kB", status)
                total += int(match.group(1)) if match and not status.startswith("Name:\tstrace\n") else 0
            except OSError:
                pass
        return total / 1024

    def stop(self):
        if self.child.poll() is None:
            os.killpg(self.child.pid, signal.SIGTERM)
            try:
                self.child.wait(PATIENCE)
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
