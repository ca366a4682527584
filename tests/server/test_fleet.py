"""A fleet: several servers and workers have their jobs in Redis and their files in a folder or a bucket. Every job ends once,
whoever is killed. Needs redis-server; the tests with a bucket need s3rver, too (fleet.py says where it is looked for)."""
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from fleet import PASSWORD, IN_ADDRESS, REDIS, Fleet, Redis, bucket, free_port, s3rver
from studio import PATIENCE, PROGRAM, QUICK, Case, Server, latent_of, multipart, wait_for

LONG = QUICK | {"structure": {"steps": 1000}}
SOME = QUICK | {"structure": {"steps": 6}}  # long enough to be interrupted


def running(server, job):
    return wait_for(lambda: server.job(job)["state"] == "running", "the job to run")


def sampling(server, job):
    return wait_for(lambda: (server.job(job)["progress"] or {}).get("stage") == "sample-structure", "the job to sample")


class FleetCase(Case):
    """Tests that share one fleet."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="espalier-fleet-")
        cls.fleet = Fleet(cls.folder.name, options=("--max-queue", "40"))
        cls.one, cls.other = cls.fleet.servers

    @classmethod
    def tearDownClass(cls):
        cls.fleet.stop()
        cls.folder.cleanup()

    def setUp(self):
        pass

    def tearDown(self):
        self.assertEqual(self.fleet.left_in_queue(), [])

    def record(self, job, field):
        return self.fleet.redis.ask("HGET", f"espalier:job:{job}", field)

    def test_every_server_answers_for_every_job(self):
        servers = [self.one, self.other]
        ids = [servers[i % 2].post_latent(data=latent_of(i)).json["id"] for i in range(6)]
        meshed = self.other.post_latent({"formats": ["glb"]}, latent_of(6)).json["id"]
        events = list(self.one.events(meshed))  # of a job that came to the other
        self.assertLessEqual({"state", "file"}, {name for name, _ in events})
        self.assertEqual([data["state"] for name, data in events if name == "state"][-1], "done")
        self.assertEqual(sum(data["state"] == "done" for name, data in events if name == "state"), 1)
        for i, job in enumerate(ids):
            ended = servers[(i + 1) % 2].ended(job)
            self.assertEqual((ended["state"], ended["error"]), ("done", None))
            files = [[s.file(job, f["name"]).body for f in ended["files"]] for s in servers]
            self.assertEqual(files[0], files[1])
            self.assertEqual([len(body) for body in files[0]], [f["bytes"] for f in ended["files"]])
        self.assertEqual(servers[0].jobs(), servers[1].jobs())
        # An export needs the files of another job; an archive reads them; a part of a file is a part.
        export = self.one.ended(self.other.post_export(meshed, {"formats": ["stl"]}).json["id"])
        self.assertEqual((export["state"], export["error"], export["parent"]), ("done", None, meshed))
        self.assertEqual(self.other.get(f"/v1/jobs/{export['id']}/archive").body[:2], b"PK")
        whole = self.one.file(export["id"], "asset.stl").body
        self.assertEqual(self.other.file(export["id"], "asset.stl", Range="bytes=10-19").body, whole[10:20])
        # The same request, to whichever server, is one job.
        kept = [s.ask("POST", f"/v1/jobs/{meshed}/exports", json.dumps({"formats": ["ply"]}), {"Content-Type": "application/json", "Idempotency-Key": "one"}).json["id"] for s in servers]
        self.assertEqual(kept[0], kept[1])
        self.one.ended(kept[0])
        # Names and pins are everybody's, places are nobody's.
        self.assertEqual(self.one.patch(f"/v1/jobs/{ids[0]}", {"name": "a name", "pinned": True}).status, 200)
        self.assertEqual((self.other.job(ids[0])["name"], self.other.job(ids[0])["pinned"]), ("a name", True))
        self.assertEqual(self.one.patch(f"/v1/jobs/{ids[0]}", {"position": 0}).status, 409)
        # What is removed is gone for all, files as well.
        results = pathlib.Path(self.fleet.results)
        self.assertTrue((results / ids[1]).is_dir())
        self.assertEqual(self.other.ask("DELETE", f"/v1/jobs/{ids[1]}").status, 204)
        self.assertEqual(self.one.get(f"/v1/jobs/{ids[1]}").status, 404)
        self.assertFalse((results / ids[1]).exists())
        living = {w.name for w in self.fleet.workers if w.process.poll() is None}
        self.assertLessEqual({f"{name}/{lane}" for name in living for lane in ("0", "exports")}, {w["name"] for w in self.one.get("/health").json["workers"]})
        self.assertEqual(self.one.get("/v1/models").json["models"][0]["name"], "sprout")
        self.assertEqual([list(path.glob("*")) for path in pathlib.Path(self.folder.name).glob("workers/*/scratch")], [[], []])

    def test_priorities_pause_and_a_full_queue(self):
        def pause(server, paused):
            self.assertEqual(server.patch("/v1/queue", {"paused": paused}).status, 200)
        pause(self.one, True)
        self.assertTrue(self.other.get("/v1/queue").json["paused"])
        ids = [self.one.post_latent(data=latent_of(0)).json["id"] for _ in range(38)]
        first = self.other.post_latent({"priority": "high"}, latent_of(1)).json
        self.assertEqual((first["position"], self.one.job(ids[0])["position"], self.one.job(ids[3])["position"]), (0, 1, 4))
        self.expect_error(self.one.post_latent({"priority": "low"}), 400, "invalid_argument")
        self.one.post_latent(data=latent_of(0))
        refused = self.other.post_latent(data=latent_of(2))
        self.assertEqual((refused.status, refused.json["error"]["code"]), (503, "queue_full"))
        self.assertGreater(int(refused.headers["Retry-After"]), 0)
        for job in [*ids[4:], self.one.get("/v1/queue").json["jobs"][-1]["id"]]:
            self.other.ask("DELETE", f"/v1/jobs/{job}")
            self.assertEqual(self.one.job(job)["state"], "cancelled")
        pause(self.other, False)
        started = [self.one.ended(job)["started"] for job in (first["id"], *ids[:4])]
        self.assertIn(started[0], sorted(started)[:2])  # each worker has a clock

    def test_keys_take_turns(self):
        folder = pathlib.Path(self.folder.name) / "with-keys"
        folder.mkdir()
        keys = {}
        for name in ("anna", "bert"):
            made = subprocess.run([PROGRAM, "key", "new", name], capture_output=True, text=True, check=True)
            keys[name] = made.stderr.split()[-1]
            with open(folder / "keys", "a") as file:
                file.write(made.stdout)
        server = Server(folder, *self.fleet.common, "--keys", str(folder / "keys"), ready=False)
        try:
            self.one.patch("/v1/queue", {"paused": True})
            ids = []
            for name in ("anna",) * 5 + ("bert",):
                server.key = keys[name]
                ids.append(server.post_latent(data=latent_of(5)).json["id"])
            self.expect_error(server.post_latent({"priority": "high"}), 403, "forbidden")
            self.assertEqual(server.get(f"/v1/jobs/{ids[0]}").status, 404)  # anna's
            self.assertEqual([job["id"] for job in server.jobs()], ids[5:])
            self.one.patch("/v1/queue", {"paused": False})
            jobs = [self.other.ended(job) for job in ids]
            self.assertEqual([job["owner"] for job in jobs], ["anna"] * 5 + ["bert"])
            self.assertIn(jobs[5]["started"], sorted(job["started"] for job in jobs)[:3])
        finally:
            server.stop()

    def test_a_killed_worker_loses_no_job_and_a_cancel_is_quick(self):
        job = self.one.post_picture(LONG).json["id"]
        running(self.other, job)
        lost = self.fleet.worker_of(job)
        lost.kill()
        spare = [self.fleet.begin_worker() for _ in range(2)]
        waiting = self.one.post_latent(data=latent_of(3)).json["id"]
        self.assertEqual(self.other.ended(waiting)["state"], "done")
        wait_for(lambda: self.record(job, "attempt") == "2", "another worker to take the job")
        # One that is asked to end gives it back at once, and it counts as if it had not been begun.
        for worker in spare:
            worker.ready()
        asked = self.fleet.worker_of(job)
        self.assertEqual(asked.stop(), 0)
        wait_for(lambda: self.record(job, "attempt") == "3", "another worker to take the job")
        self.assertEqual(self.record(job, "begun"), "2")
        sampling(self.other, job)
        begin = time.monotonic()
        self.assertEqual(self.one.ask("DELETE", f"/v1/jobs/{job}").status, 200)
        ended = self.other.ended(job)
        self.assertLess(time.monotonic() - begin, 3.0)  # a second until it is heard, and a step
        self.assertEqual(ended["state"], "cancelled")
        # One that ends by itself, with files of the second attempt alone.
        job = self.one.post_picture(SOME).json["id"]
        running(self.other, job)
        lost = self.fleet.worker_of(job)
        lost.process.send_signal(signal.SIGSTOP)  # silent, and back when another one has the job
        wait_for(lambda: self.record(job, "attempt") == "2", "a second attempt")
        lost.process.send_signal(signal.SIGCONT)
        ended = self.other.ended(job)
        self.assertEqual((ended["state"], ended["error"]), ("done", None))
        self.assertEqual([len(self.one.file(job, f["name"]).body) for f in ended["files"]], [f["bytes"] for f in ended["files"]])
        winner = self.record(job, "winner")
        wait_for(lambda: {p.name for p in (pathlib.Path(self.fleet.results) / job).iterdir()} == {"in", winner}, "the loser's files to go")
        self.assertEqual(len([j for j in self.one.jobs() if j["id"] == job]), 1)

    def test_hostile_messages(self):
        redis = self.fleet.redis
        self.one.patch("/v1/queue", {"paused": True})
        jobs = [self.one.post_latent(data=latent_of(i)).json["id"] for i in range(4)]
        stream = redis.ask("HGET", f"espalier:job:{jobs[0]}", "stream")
        for words in (("version", "1"), ("job", "../../etc/passwd", "version", "1"), ("job", "0" * 24, "version", "1"), ("version", "x" * 100_000, "job", "\0\xff"),
                      ("version", "1", "job", jobs[3])):  # the last one a second time
            redis.ask("XADD", stream, "*", *words)
        # A message of a later version, and records that nobody can read.
        redis.ask("XADD", stream, "*", "version", "2", "job", jobs[0])
        entry = redis.ask("XREVRANGE", stream, "+", "-", "COUNT", "1")[0][0]
        redis.ask("HSET", f"espalier:job:{jobs[0]}", "entry", entry)
        redis.ask("HSET", f"espalier:job:{jobs[1]}", "job", "[" * 100_000)
        redis.ask("HSET", f"espalier:job:{jobs[2]}", "files", json.dumps([{"name": "../x", "attempt": 1, "bytes": 1}, 7, {"attempt": "a"}]), "progress", "{", "end", "[]")
        for message in ("", "[]", "{", json.dumps({"version": 2, "job": jobs[0], "event": "state"}), json.dumps({"version": 1, "job": "x/../y", "event": "file", "file": "["}), "{" * 10_000):
            redis.ask("PUBLISH", "espalier:events", message)
        redis.ask("SET", "espalier:worker:stranger", '{"version": 1, "lanes": [{"name": 7}]}')
        redis.ask("ZADD", "espalier:workers", str(int(time.time() * 1000)), "stranger")
        self.other.patch("/v1/queue", {"paused": False})
        self.assertEqual([self.one.ended(job)["state"] for job in jobs[2:]], ["done", "done"])
        refused = self.one.ended(jobs[0])
        self.assertEqual((refused["state"], refused["error"]["code"]), ("failed", "unsupported"))
        self.assertIn("message version 2", refused["error"]["message"])
        self.assertEqual(self.one.get(f"/v1/jobs/{jobs[1]}").status, 404)  # its record says nothing any more
        wait_for(lambda: redis.ask("HGET", f"espalier:job:{jobs[1]}", "state") == "failed", "the damaged job to be refused")
        self.assertEqual(self.one.get("/health").status, 200)
        wait_for(lambda: "names no job" in self.fleet.text(), "a word about the messages")
        for worker in self.fleet.workers:
            self.assertIn(worker.process.poll(), (None, 0, -signal.SIGKILL))


class Outages(Case):
    def test_redis_is_killed_and_comes_back(self):
        with Fleet(self.folder.name, workers=1) as fleet:
            one, other = fleet.servers
            first = one.post_picture(SOME).json["id"]
            ids = [one.post_latent(data=latent_of(i)).json["id"] for i in range(6)]
            running(other, first)
            fleet.redis.kill()
            for answer in (one.get(f"/v1/jobs/{first}"), other.post_latent(data=latent_of(1))):
                self.assertEqual((answer.status, answer.json["error"]["code"]), (503, "unavailable"))
                self.assertGreater(int(answer.headers["Retry-After"]), 0)
            self.assertEqual(other.get("/health").status, 503)
            time.sleep(0.5)
            fleet.redis.start()
            for job in (first, *ids):
                ended = other.ended(job)
                self.assertEqual((ended["state"], ended["error"]), ("done", None))
            self.assertEqual(len(one.jobs()), 7)
            self.assertEqual(fleet.redis.ask("HGET", "espalier:counters", "done"), "7")
            self.assertEqual(fleet.left_in_queue(), [])
            text = fleet.text()
            self.assertIn("Redis at 127.0.0.1", text)
            self.assertLess(text.count("\n"), 40)  # not a line for every try
            # Passwords are nowhere: neither in what was said, nor in the list of processes.
            secrets = (PASSWORD, IN_ADDRESS)
            for pid in [s.process.pid for s in fleet.servers] + [w.process.pid for w in fleet.workers]:
                line = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode()
                self.assertIn("redis://", line)
                self.assertFalse([s for s in secrets if s in line], line)
            self.assertFalse([s for s in secrets if s in text], text)

    def test_what_cannot_work_is_said_clearly(self):
        folder = pathlib.Path(self.folder.name)
        redis = Redis(folder)
        self.addCleanup(redis.stop)
        results = ("--results", str(folder / "results"))
        bad = "redis://:wrong-password@127.0.0.1:"
        cases = [
            (("--queue", f"{bad}{redis.port}", *results), 1, "refuses the password"),
            (("--queue", f"redis://127.0.0.1:{redis.port}", *results), 1, "refuses the password"),
            (("--queue", f"{bad}{free_port()}", *results), 1, "cannot be reached: Connection refused"),
            (("--queue", "redis://:wrong-password@127.0.0.1:99999", *results), 1, "port"),
            (("--queue", "http://:wrong-password@127.0.0.1", *results), 2, "redis://"),
            (("--queue", redis.address()), 2, "--results"),
            (("--queue", redis.address(), "--results", "s3://bucket"), 1, "--results-endpoint"),
            (("--queue", redis.address(), "--results", "s3://BAD/../x", "--results-endpoint", "http://127.0.0.1:1"), 1, "AWS_SECRET_ACCESS_KEY"),
            (("--queue", redis.address(), "--results", "/proc/espalier"), 1, "the folder of results"),
        ]
        for options, code, words in cases:
            for command in ("serve", "worker"):
                with self.subTest(command=command, options=options):
                    made = subprocess.run([PROGRAM, command, "--data", str(folder / "data"), *(("--port", "0") if command == "serve" else ()), *options], capture_output=True, text=True, timeout=PATIENCE,
                                          env={k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "ESPALIER_"))})
                    self.assertEqual(made.returncode, code, made.stderr)
                    self.assertIn(words, made.stderr)
                    self.assertEqual(made.stderr.count("\n"), 1, made.stderr)
                    self.assertNotIn("wrong-password", made.stderr)
                    self.assertNotIn(PASSWORD, made.stderr)
        made = subprocess.run([PROGRAM, "serve", "--queue", redis.address(), *results, "--workers", "2"], capture_output=True, text=True)
        self.assertEqual((made.returncode, "--workers" in made.stderr), (2, True))
        redis.ask("SET", "espalier:schema", "7")
        made = subprocess.run([PROGRAM, "worker", "--data", str(folder / "data"), "--queue", redis.address(), *results], capture_output=True, text=True)
        self.assertEqual(made.returncode, 1)
        self.assertIn("another version", made.stderr)

    def test_tls(self):
        folder = pathlib.Path(self.folder.name)
        made = subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
                               "subjectAltName=DNS:localhost", "-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")], capture_output=True)
        if made.returncode != 0:
            self.skipTest("openssl is not installed")
        with Fleet(folder, servers=1, workers=1, tls=folder, env={"SSL_CERT_FILE": str(folder / "cert.pem")}) as fleet:
            server = fleet.servers[0]
            self.assertEqual(server.ended(server.post_latent(data=latent_of(1)).json["id"])["state"], "done")
            for host, trusted in (("127.0.0.1", True), ("localhost", False)):  # another name, and a certificate of nobody
                environment = {k: v for k, v in os.environ.items() if k != "SSL_CERT_FILE"} | ({"SSL_CERT_FILE": str(folder / "cert.pem")} if trusted else {})
                made = subprocess.run([PROGRAM, "worker", "--queue", fleet.redis.address(host=host), "--results", fleet.results, "--data", str(folder / "data")], capture_output=True, text=True, env=environment)
                self.assertEqual(made.returncode, 1)
                self.assertIn("certificate that is not trusted", made.stderr)


@unittest.skipUnless(s3rver(), "s3rver is not installed (npm install s3rver, ESPALIER_S3RVER names the folder)")
class Bucket(Case):
    def test_results_in_a_bucket(self):
        folder = pathlib.Path(self.folder.name)
        (folder / "store").mkdir()
        with bucket(folder / "store") as (endpoint, variables), Fleet(folder, results="s3://espalier/some/prefix", env=variables, common=("--results-endpoint", endpoint)) as fleet:
            one, other = fleet.servers
            job = one.post_latent({"formats": ["glb"]}, latent_of(6)).json["id"]
            ended = other.ended(job)
            self.assertEqual((ended["state"], ended["error"]), ("done", None))
            for file in ended["files"]:
                bodies = [s.file(job, file["name"]).body for s in fleet.servers]
                self.assertEqual((bodies[0], len(bodies[0])), (bodies[1], file["bytes"]))
            export = one.ended(other.post_export(job, {"formats": ["stl"]}).json["id"])
            self.assertEqual((export["state"], export["error"]), ("done", None))
            stored = [p for p in (folder / "store" / "espalier").rglob("*") if job in str(p)]
            self.assertTrue(stored)
            self.assertEqual(other.ask("DELETE", f"/v1/jobs/{job}").status, 204)
            self.assertEqual([p for p in (folder / "store" / "espalier").rglob("*") if p.is_file() and job in str(p)], [])
            wrong = variables | {"AWS_ACCESS_KEY_ID": "wrong-name", "AWS_SECRET_ACCESS_KEY": "wrong-secret"}
            made = subprocess.run([PROGRAM, "worker", *fleet.common, "--data", str(folder / "data")], capture_output=True, text=True, env=os.environ | wrong)
            self.assertEqual(made.returncode, 1)
            self.assertIn("answers 403", made.stderr)
            self.assertNotIn("wrong-secret", made.stderr)


@unittest.skipUnless(os.environ.get("ESPALIER_FLEET_LOAD"), "ESPALIER_FLEET_LOAD is not set")
class Load(Case):
    def test_kills_and_restarts_under_load(self):
        """500 jobs of 20 clients; 30 workers are killed and Redis is restarted twice meanwhile."""
        jobs, clients, kills = 500, 20, 30
        with Fleet(self.folder.name, workers=3, options=("--max-queue", "1000")) as fleet:
            chance, ended, failures = random.Random(1), {}, []
            begin = time.monotonic()
            def client(number):
                try:
                    for i in range(jobs // clients):
                        server = fleet.servers[chance.randrange(2)]
                        key = f"client-{number}-{i}"
                        body = json.dumps({"formats": ["ply"], "raw_mesh": True})
                        job = None
                        while job is None:
                            try:
                                answer = post(server, latent_of(i), body, key)
                                job = answer.json["id"] if answer.status == 202 else None
                            except OSError:
                                answer = None
                            if job is None:
                                time.sleep(0.2)
                        while True:
                            server = fleet.servers[chance.randrange(2)]
                            answer = server.get(f"/v1/jobs/{job}")
                            if answer.status == 200 and answer.json["state"] in ("done", "failed", "cancelled"):
                                break
                            self.assertIn(answer.status, (200, 503))
                            time.sleep(0.2)
                        ended.setdefault(job, []).append(answer.json)
                except BaseException as problem:
                    failures.append(repr(problem))
            def post(server, data, options, key):
                kind, content = multipart([("latent", "small.safetensors", data), ("options", None, options.encode())])
                return server.ask("POST", "/v1/jobs", content, {"Content-Type": kind, "Idempotency-Key": key})
            threads = [threading.Thread(target=client, args=(i,)) for i in range(clients)]
            for thread in threads:
                thread.start()
            killed = restarts = 0
            while any(thread.is_alive() for thread in threads):
                time.sleep(chance.uniform(0.3, 1.0))
                if killed < kills and len(ended) > (killed + 1) * jobs // (kills + 2):
                    living = [w for w in fleet.workers if w.process.poll() is None and hasattr(w, "name")]
                    if living:
                        chance.choice(living).kill()
                        killed += 1
                        threading.Thread(target=fleet.begin_worker().ready).start()
                if restarts < 2 and len(ended) > (restarts + 1) * jobs // 3:
                    restarts += 1
                    fleet.redis.kill()
                    time.sleep(1.0)
                    fleet.redis.start()
            seconds = time.monotonic() - begin
            self.assertEqual(failures, [])
            self.assertEqual((killed, restarts, len(ended)), (kills, 2, jobs))
            states = [j["state"] for all_ends in ended.values() for j in all_ends]
            self.assertEqual(len(states), jobs)
            self.assertEqual(len(fleet.servers[0].jobs()), jobs)
            counters = fleet.redis.ask("HGETALL", "espalier:counters")
            counters = dict(zip(counters[::2], counters[1::2]))
            self.assertEqual(int(counters["done"]) + int(counters.get("failed", 0)), jobs)
            self.assertEqual(fleet.left_in_queue(), [])
            resident = [int(pathlib.Path(f"/proc/{s.process.pid}/statm").read_text().split()[1]) * 4096 / 2**20 for s in fleet.servers]
            info = fleet.redis.ask("INFO")
            memory = next(line.split(":")[1] for line in info.split("\r\n") if line.startswith("used_memory:"))
            print(f"{jobs} jobs in {seconds:.0f} s, {states.count('done')} done, {states.count('failed')} failed, retried {counters.get('retried', 0)}, "
                  f"servers {[round(r) for r in resident]} MiB, Redis {int(memory) / 2**20:.1f} MiB", file=sys.stderr)
            leftovers = [str(p) for p in pathlib.Path(fleet.results).glob("*/*") if p.name != "in" and p.name != fleet.redis.ask("HGET", f"espalier:job:{p.parent.name}", "winner")]
            self.assertLessEqual(len(leftovers), kills, leftovers)


if __name__ == "__main__":
    if REDIS is None:
        print("SKIPPED: the tests of fleets need redis-server, which is not installed")
        sys.exit(77)
    unittest.main()
