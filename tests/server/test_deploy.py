"""The files of deploy/: units are verified and what they start is started, compose files and manifests are read, and every command in them is one
that the program takes. No container runs here."""
import contextlib
import os
import pathlib
import re
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest
import urllib.error
import urllib.request

from fleet import PASSWORD, IN_ADDRESS, REDIS, Redis, free_port
from studio import PATIENCE, PROGRAM, ROOT, wait_for

try:
    import yaml
except ImportError:
    yaml = None

DEPLOY = ROOT / "deploy"
KEY = "a-key-of-clients"


def options_of(command):
    """Flags and variables that a command of the program knows."""
    made = subprocess.run([PROGRAM, command, "--help"], capture_output=True, text=True, check=True)
    flags = set(re.findall(r"--[a-z0-9-]+", made.stdout))
    return flags, {"ESPALIER_" + flag[2:].upper().replace("-", "_") for flag in flags} | {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "HF_HOME"}


def without_settings():
    return {k: v for k, v in os.environ.items() if not k.startswith(("ESPALIER_", "AWS_"))} | {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}


class Commands(unittest.TestCase):
    def check_command(self, words, variables=()):
        flags, known = options_of(words[0])
        for word in words[1:]:
            if word.startswith("--"):
                self.assertIn(word, flags, words)
        for name in variables:
            self.assertIn(name, known, words)


class Units(Commands):
    NAMES = (("espalier.service", "espalier.service"), ("espalier@.service", "espalier@0.service"), ("espalier-worker@.service", "espalier-worker@0.service"))

    def test_all_units_are_here(self):
        self.assertEqual({p.name for p in DEPLOY.glob("*.service")}, {unit for unit, _ in self.NAMES})

    @unittest.skipUnless(shutil.which("systemd-analyze"), "SKIPPED: there is no systemd-analyze here")
    def test_systemd_accepts_the_units(self):
        with tempfile.TemporaryDirectory() as folder:
            for unit, name in self.NAMES:
                path = pathlib.Path(folder) / name
                path.write_text((DEPLOY / unit).read_text().replace("/usr/bin/espalier", "/bin/true"))
                ran = subprocess.run(["systemd-analyze", "verify", "--man=no", str(path)], capture_output=True, text=True)
                self.assertEqual((ran.returncode, ran.stderr), (0, ""))

    def command(self, unit, folder, **variables):
        """What the unit starts, with its specifiers put in, on this machine's processor."""
        line = re.search(r"^ExecStart=(.*)$", (DEPLOY / unit).read_text(), re.MULTILINE)[1]
        for mark, value in {"%S": str(folder), "%d": str(folder), "%i": "0", **{"${%s}" % k: v for k, v in variables.items()}}.items():
            line = line.replace(mark, value)
        words = shlex.split(line.replace("cuda:0", "cpu"))
        self.assertEqual(words[0], "/usr/bin/espalier")
        self.check_command(words[1:])
        return [PROGRAM, *words[1:]]

    @contextlib.contextmanager
    def running(self, command, folder, **variables):
        with open(folder / "log", "ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, env=without_settings() | variables)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)  # as systemd does
            self.assertEqual(process.wait(timeout=PATIENCE), 0, (folder / "log").read_text())

    def status(self, port, path, key=None):
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Authorization": f"Bearer {key}"} if key else {})
        try:
            return urllib.request.urlopen(request, timeout=PATIENCE).status
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return None

    def test_servers_answer(self):
        for unit in ("espalier.service", "espalier@.service"):
            with self.subTest(unit=unit), tempfile.TemporaryDirectory() as name:
                folder, port = pathlib.Path(name), free_port()
                (folder / "key").write_text(KEY + "\n")
                command = self.command(unit, folder, PORT=str(port))
                with self.running(command, folder, ESPALIER_PORT=str(port)):
                    wait_for(lambda: self.status(port, "/health") == 200, "the server to be ready")
                    self.assertEqual((self.status(port, "/v1/jobs"), self.status(port, "/v1/jobs", KEY)), (401, 200))

    @unittest.skipUnless(REDIS, "SKIPPED: there is no redis-server here")
    def test_a_worker_of_a_fleet_works(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            redis = Redis(folder)
            self.addCleanup(redis.stop)
            with self.running(self.command("espalier-worker@.service", folder), folder, ESPALIER_QUEUE=redis.address(), ESPALIER_RESULTS=str(folder / "results")):
                wait_for(lambda: redis.ask("ZCARD", "espalier:workers") == 1, "the worker to announce itself")
            self.assertEqual(redis.ask("ZCARD", "espalier:workers"), 0)


@unittest.skipUnless(yaml, "SKIPPED: there is no yaml for this Python (python3-yaml)")
class Containers(Commands):
    def services(self, name):
        return yaml.safe_load((DEPLOY / name).read_text())

    def test_compose_files_fit_the_program(self):
        for name, expected in (("compose.yaml", {"espalier"}), ("compose-fleet.yaml", {"redis", "server", "worker"})):
            file = self.services(name)
            self.assertEqual(set(file["services"]), expected)
            for service in file["services"].values():
                if service["image"].startswith("espalier:"):
                    self.check_command(service["command"])
                for volume in service.get("volumes", []):
                    self.assertIn(volume.split(":")[0], file["volumes"])
                for secret in service.get("secrets", []):
                    self.assertIn(secret, file["secrets"])
                for other in service.get("depends_on", []):
                    self.assertIn(other, file["services"])

    @unittest.skipUnless(shutil.which("docker") and subprocess.run(["docker", "compose", "version"], capture_output=True).returncode == 0, "SKIPPED: there is no docker compose here")
    def test_compose_reads_its_files(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            for file in DEPLOY.glob("compose*.yaml"):
                shutil.copy(file, folder)
            (folder / "fleet.env").write_text(f"QUEUE_PASSWORD={PASSWORD}\n")
            (folder / "key").write_text(KEY)
            for file in folder.glob("compose*.yaml"):
                ran = subprocess.run(["docker", "compose", "-f", str(file), "config", "--quiet"], capture_output=True, text=True)
                self.assertEqual((ran.returncode, ran.stderr), (0, ""))

    @unittest.skipUnless(REDIS, "SKIPPED: there is no redis-server here")
    def test_the_queue_of_both_fleets_starts(self):
        """The command of Redis, whose password holds what shells and addresses stumble over."""
        manifests = list(yaml.safe_load_all((DEPLOY / "kubernetes-fleet.yaml").read_text()))
        queue = next(m for m in manifests if m["kind"] == "StatefulSet")["spec"]["template"]["spec"]["containers"][0]
        for words in (self.services("compose-fleet.yaml")["services"]["redis"]["command"], queue["command"]):
            with tempfile.TemporaryDirectory() as folder:
                port = free_port()
                words = [w.replace("$$", "$").replace("redis-server", f"{REDIS} --port {port} --bind 127.0.0.1 --dir {folder}") for w in words]
                process = subprocess.Popen(words, env=os.environ | {"QUEUE_PASSWORD": PASSWORD}, stdout=subprocess.DEVNULL)
                try:
                    def listens():
                        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                            return True
                        return False
                    wait_for(listens, "Redis to listen")
                    worker = subprocess.Popen([PROGRAM, "worker", "--device", "cpu", "--queue", f"redis://:{IN_ADDRESS}@127.0.0.1:{port}", "--results", folder + "/results", "--data", folder + "/data"],
                                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=without_settings())
                    self.assertIn("works as", worker.stdout.readline())
                    worker.terminate()
                    _, said = worker.communicate(timeout=PATIENCE)
                    self.assertEqual((worker.returncode, said), (0, ""))  # no warning: there is a log, and nothing is evicted
                finally:
                    process.terminate()
                    process.wait()

    def test_manifests_hang_together(self):
        for name in ("kubernetes.yaml", "kubernetes-fleet.yaml"):
            manifests = list(yaml.safe_load_all((DEPLOY / name).read_text()))
            named = {(m["kind"], m["metadata"]["name"]): m for m in manifests}
            self.assertEqual(len(named), len(manifests))
            for (kind, _), manifest in named.items():
                if kind == "Service":
                    selector = manifest["spec"]["selector"]
                    chosen = [m for m in manifests if m["kind"] in ("Deployment", "StatefulSet") and m["spec"]["template"]["metadata"]["labels"] == selector]
                    self.assertEqual(len(chosen), 1, selector)
                    ports = {p["name"]: p["containerPort"] for p in chosen[0]["spec"]["template"]["spec"]["containers"][0]["ports"]}
                    for port in manifest["spec"]["ports"]:
                        self.assertIn(port.get("targetPort", port["port"]), set(ports) | set(ports.values()))
                if kind in ("Deployment", "StatefulSet"):
                    self.assertEqual(manifest["spec"]["selector"]["matchLabels"], manifest["spec"]["template"]["metadata"]["labels"])
                    self.check_pod(manifest["spec"], named)

    def check_pod(self, spec, named):
        pod = spec["template"]["spec"]
        volumes = {v["name"] for v in pod.get("volumes", [])} | {v["metadata"]["name"] for v in spec.get("volumeClaimTemplates", [])}
        for container in pod["containers"]:
            variables = [e["name"] for e in container.get("env", [])]
            for source in container.get("envFrom", []):
                variables += named["ConfigMap", source["configMapRef"]["name"]]["data"]
            self.assertEqual(len(variables), len(set(variables)))
            self.assertLessEqual({m["name"] for m in container.get("volumeMounts", [])}, volumes)
            ports = {p["name"] for p in container.get("ports", [])}
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                for kind in ("httpGet", "tcpSocket"):
                    if kind in container.get(probe, {}):
                        self.assertIn(container[probe][kind]["port"], ports)
                        self.assertEqual(container[probe][kind].get("path", "/health"), "/health")
            if container["image"].startswith("espalier:"):
                self.check_command(container["args"], variables)

    def test_the_image_has_what_the_others_count_on(self):
        text = (DEPLOY / "Dockerfile").read_text()
        variables = dict(pair.split("=") for line in re.findall(r"^ENV (.*)$", text, re.MULTILINE) for pair in line.split())
        self.check_command(["serve"], variables)
        user = re.search(r"^USER (\d+)$", text, re.MULTILINE)[1]
        port = re.search(r"^EXPOSE (\d+)$", text, re.MULTILINE)[1]
        images = {s["image"] for name in ("compose.yaml", "compose-fleet.yaml") for s in self.services(name)["services"].values() if "espalier" in s["image"]}
        for name in ("kubernetes.yaml", "kubernetes-fleet.yaml"):
            for manifest in yaml.safe_load_all((DEPLOY / name).read_text()):
                pod = manifest.get("spec", {}).get("template", {}).get("spec", {})
                for container in pod.get("containers", []):
                    if "espalier" in container["image"]:
                        images.add(container["image"])
                        self.assertEqual(str(pod["securityContext"]["runAsUser"]), user)
                        self.assertLessEqual({str(p["containerPort"]) for p in container.get("ports", [])}, {port})
        self.assertEqual(len(images), 1)
        version = re.search(r"project\(espalier[^)]*VERSION ([0-9.]+)", (ROOT / "CMakeLists.txt").read_text(), re.IGNORECASE)[1]
        self.assertEqual(images, {"espalier:" + version})


if __name__ == "__main__":
    unittest.main(verbosity=2)
