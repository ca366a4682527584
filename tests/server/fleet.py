"""A fleet on this machine: Redis, servers, workers, networks that can be cut, and a store that speaks S3 where one is installed."""
import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time

from studio import PATIENCE, PROGRAM, ROOT, Server, wait_for

PASSWORD = "a secret/of:the@queue"
IN_ADDRESS = "a%20secret%2Fof%3Athe%40queue"
REDIS = shutil.which("redis-server")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Redis:
    """A server of Redis that keeps everything on its disk, and as much of its protocol as tests need."""

    def __init__(self, folder, tls=None):
        self.folder, self.port, self.tls = pathlib.Path(folder), free_port(), tls
        self.start()

    def start(self):
        ports = ["--port", str(self.port)]
        if self.tls:
            ports = ["--port", "0", "--tls-port", str(self.port), "--tls-auth-clients", "no", "--tls-cert-file", str(self.tls / "cert.pem"),
                     "--tls-key-file", str(self.tls / "key.pem"), "--tls-ca-cert-file", str(self.tls / "cert.pem")]
        self.log = open(self.folder / "redis.log", "ab")
        self.process = subprocess.Popen([REDIS, *ports, "--bind", "127.0.0.1", "--requirepass", PASSWORD, "--appendonly", "yes", "--appendfsync", "always",
                                         "--save", "", "--dir", str(self.folder)], stdout=self.log, stderr=self.log)
        if not self.tls:
            wait_for(self.answers, "Redis to answer")
        else:
            wait_for(self.listens, "Redis to listen")

    def listens(self):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False

    def answers(self):
        try:
            return self.ask("PING") == "PONG"
        except (OSError, RuntimeError):  # not yet, or while it reads its log
            return False

    def address(self, password=IN_ADDRESS, host="127.0.0.1", port=None):
        return f"{'rediss' if self.tls else 'redis'}://:{password}@{host}:{port or self.port}/1"

    def ask(self, *words):
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as wire, wire.makefile("rwb") as stream:
            for command in (("AUTH", PASSWORD), ("SELECT", "1"), words):
                encoded = [w if isinstance(w, bytes) else str(w).encode() for w in command]
                stream.write(b"*%d\r\n" % len(encoded) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in encoded))
                stream.flush()
                answer = self.read(stream)
            return answer

    @contextlib.contextmanager
    def listening(self, channel):
        """A subscription: a function that waits for the next message."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE) as wire, wire.makefile("rwb") as stream:
            for command in (("AUTH", PASSWORD), ("SUBSCRIBE", channel)):
                stream.write(b"*2\r\n" + b"".join(b"$%d\r\n%s\r\n" % (len(w), w.encode()) for w in command))
                stream.flush()
                self.read(stream)
            yield lambda: self.read(stream)[2]

    def read(self, stream):
        line = stream.readline()
        if not line:
            raise ConnectionError("Redis has left")
        kind, rest = line[:1], line[1:].strip()
        if kind == b"-":
            raise RuntimeError(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if int(rest) < 0 else stream.read(int(rest) + 2)[:-2].decode(errors="replace")
        if kind == b"*":
            return [self.read(stream) for _ in range(int(rest))]
        return rest.decode()

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.log.close()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait()
            self.log.close()


class Proxy:
    """The network between a process and Redis."""

    def __init__(self, port):
        self.target, self.refusing = port, False
        self.flowing = threading.Event()
        self.flowing.set()
        self.pairs, self.lock = set(), threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                if self.refusing:
                    raise ConnectionRefusedError
                server = socket.create_connection(("127.0.0.1", self.target), timeout=5)
            except OSError:
                self.reset(client)
                continue
            server.settimeout(None)
            pair = (client, server)
            with self.lock:
                self.pairs.add(pair)
            for source, sink in (pair, pair[::-1]):
                threading.Thread(target=self.pump, args=(pair, source, sink), daemon=True).start()

    def pump(self, pair, source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                self.flowing.wait()
                sink.sendall(data)
        with self.lock:
            self.pairs.discard(pair)
        for end in pair:
            self.reset(end)

    @staticmethod
    def reset(end):
        with contextlib.suppress(OSError):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            end.shutdown(socket.SHUT_RDWR)
        end.close()

    def stall(self):
        """Nothing comes through, and nobody is told."""
        self.flowing.clear()

    def drop(self):
        """All connections end, with what was on its way, and there are no new ones."""
        self.refusing = True
        with self.lock:
            pairs = list(self.pairs)
        for pair in pairs:
            for end in pair:
                self.reset(end)
        self.flowing.set()

    def heal(self):
        """What was stalled arrives late."""
        self.refusing = False
        self.flowing.set()

    def close(self):
        self.drop()
        self.listener.close()


class Worker:
    def __init__(self, folder, *options, env=None):
        self.folder = pathlib.Path(folder)
        self.log = open(self.folder / "workers.log", "ab")
        environment = {k: v for k, v in os.environ.items() if not k.startswith("ESPALIER_")} | {"OMP_WAIT_POLICY": "passive", "OMP_NUM_THREADS": "1"} | (env or {})
        self.process = subprocess.Popen([PROGRAM, "worker", "--device", "cpu", "--data", str(self.folder / "workers"), *options],
                                        stdout=subprocess.PIPE, stderr=self.log, env=environment)

    def ready(self):
        line = self.process.stdout.readline().decode()
        match = re.search(r"works as ([^ ]+) ", line)
        assert match, f"the worker does not start: {line!r} {(self.folder / 'workers.log').read_text()}"
        self.name = match[1]
        return self

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.close()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.close()

    def close(self):
        code = self.process.wait(timeout=PATIENCE)
        self.process.stdout.close()
        self.log.close()
        return code


class Fleet:
    """Everything of it, in one folder. Is used with `with`."""

    def __init__(self, folder, servers=2, workers=2, options=(), results=None, env=None, tls=None, lease=1, common=(), networks=0):
        self.folder = pathlib.Path(folder)
        self.redis = Redis(self.folder, tls)
        self.results = results or str(self.folder / "results")
        self.common = ("--queue", self.redis.address(host="localhost" if tls else "127.0.0.1"), "--results", self.results, *common)
        self.networks = [Proxy(self.redis.port) for _ in range(networks)]  # servers and workers are in them in turn
        self.env, self.lease = env or {}, lease
        self.servers, self.workers = [], []
        self.stack = contextlib.ExitStack()
        self.stack.callback(self.stop)
        try:
            begun = [self.begin_worker() for _ in range(workers)]
            for i in range(servers):
                (self.folder / f"server-{i}").mkdir()
                saved = dict(os.environ)
                os.environ.update(self.env)
                try:
                    self.servers.append(Server(self.folder / f"server-{i}", *self.common_in(i), *options, ready=False))
                finally:
                    os.environ.clear()
                    os.environ.update(saved)
            for worker in begun:
                worker.ready()
            for server in self.servers:
                wait_for(lambda: server.get("/health").status == 200, "a server to be ready")
        except BaseException:
            self.stop()
            raise

    def common_in(self, number):
        if not self.networks:
            return self.common
        return ("--queue", self.redis.address(port=self.networks[number % len(self.networks)].port), *self.common[2:])

    def begin_worker(self):
        worker = Worker(self.folder, *self.common_in(len(self.workers)), "--lease", str(self.lease), env=self.env)
        self.workers.append(worker)
        return worker

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        for network in self.networks:
            network.heal()
        for worker in self.workers:
            if worker.process.poll() is None:
                worker.stop()
        for server in self.servers:
            if server.process.poll() is None:
                server.stop()
        for network in self.networks:
            network.close()
        self.redis.stop()

    def worker_of(self, job):
        """The worker that runs the job."""
        name = wait_for(lambda: self.redis.ask("HGET", f"espalier:job:{job}", "worker"), "the job to be taken")
        return next(w for w in self.workers if getattr(w, "name", None) == name)

    def text(self):
        """Everything that was written to logs."""
        logs = [self.folder / "workers.log"] + [self.folder / f"server-{i}" / "server.log" for i in range(len(self.servers))]
        return "".join(path.read_text(errors="replace") for path in logs)

    def left_in_queue(self):
        kinds = ("queue", "turns", "places", "exchanged", "moved", "waiting", "trash")
        return sorted(key for key in self.redis.ask("KEYS", "espalier:*") if key.split(":")[1] in kinds)


def s3rver():
    """The script of s3rver, a small store that speaks S3, or None: npm install s3rver in a folder that ESPALIER_S3RVER names."""
    folders = [os.environ.get("ESPALIER_S3RVER"), "/usr/lib/node_modules", "/usr/local/lib/node_modules", str(ROOT / "node_modules")]
    for folder in filter(None, folders):
        for path in (pathlib.Path(folder) / "node_modules/s3rver/bin/s3rver.js", pathlib.Path(folder) / "s3rver/bin/s3rver.js"):
            if path.exists() and shutil.which("node"):
                return path
    return None


@contextlib.contextmanager
def bucket(folder):
    """A running s3rver with the bucket "espalier": (endpoint, variables)."""
    port = free_port()
    log = open(pathlib.Path(folder) / "s3rver.log", "ab")
    process = subprocess.Popen(["node", str(s3rver()), "-d", str(folder), "-p", str(port), "-a", "127.0.0.1", "--configure-bucket", "espalier"], stdout=log, stderr=log)
    def listens():
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
        return False
    try:
        wait_for(listens, "the store to listen")
        time.sleep(0.2)
        yield f"http://127.0.0.1:{port}", {"AWS_ACCESS_KEY_ID": "S3RVER", "AWS_SECRET_ACCESS_KEY": "S3RVER"}
    finally:
        process.terminate()
        process.wait()
        log.close()
