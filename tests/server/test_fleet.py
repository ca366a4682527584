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

from crowd import Crowd, Scale
from fleet import PASSWORD, IN_ADDRESS, REDIS, Fleet, Redis, bucket, free_port, s3rver
from studio import PATIENCE, PROGRAM, QUICK, Case, Server, latent_of, wait_for

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
        # Names and pins are everybody's; what has ended has no place.
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

    def test_a_killed_worker_loses_no_job(self):
        job = self.one.post_image(LONG).json["id"]
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
        self.assertEqual(self.one.ask("DELETE", f"/v1/jobs/{job}").status, 200)
        self.assertEqual(self.other.ended(job)["state"], "cancelled")
        # One that ends by itself, with files of the second attempt alone.
        job = self.one.post_image(SOME).json["id"]
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

    def test_a_running_job_hears_at_once_that_it_is_cancelled(self):
        """In steps, since a clock would measure the machine: who asks has told the worker when he has his answer; a worker stops for what it is
        told alone, and also for what it was not told, with the next of the words that it sends each second."""
        redis = self.fleet.redis
        def begun():
            job = self.one.post_image(LONG).json["id"]
            sampling(self.other, job)
            return job, "espalier:asks:" + self.record(job, "worker")
        job, channel = begun()
        with redis.listening(channel) as heard:
            begin = time.monotonic()
            self.assertEqual(self.one.ask("DELETE", f"/v1/jobs/{job}").status, 200)
            self.assertEqual(json.loads(heard()), {"version": 1, "job": job, "event": "cancel"})
            self.assertEqual(self.other.ended(job)["state"], "cancelled")
            self.assertLess(time.monotonic() - begin, 2.0)  # 0.05 where nothing else runs
        job, channel = begun()
        for message in ("", "{", json.dumps({"version": 2, "job": job, "event": "cancel"}), json.dumps({"version": 1, "job": "0" * 24, "event": "cancel"})):
            self.assertEqual(redis.ask("PUBLISH", channel, message), 1)
        self.assertEqual(self.one.job(job)["state"], "running")
        self.assertEqual(redis.ask("PUBLISH", channel, json.dumps({"version": 1, "job": job, "event": "cancel"})), 1)
        self.assertEqual(self.one.ended(job)["state"], "cancelled")
        job, channel = begun()
        redis.ask("HSET", f"espalier:job:{job}", "cancel", "1")
        self.assertEqual(self.one.ended(job)["state"], "cancelled")

    def test_jobs_are_moved(self):
        """As in one server, over priorities and from any server, and begun in that order."""
        one, other, redis = self.one, self.other, self.fleet.redis
        def order(server=one):
            queue = server.get("/v1/queue").json["jobs"]
            self.assertEqual([job["position"] for job in queue], list(range(len(queue))))
            return [job["id"] for job in queue]
        def move(job, **change):
            answer = one.patch(f"/v1/jobs/{job}", change)
            self.assertEqual(answer.status, 200)
            self.assertEqual(answer.json["position"], order(other).index(job))
        one.patch("/v1/queue", {"paused": True})
        a, b, c, d = (one.post_latent({"name": name}, latent_of(i)).json["id"] for i, name in enumerate("abcd"))
        move(d, position=0, name="front")
        self.assertEqual((order(), other.job(d)["name"]), ([d, a, b, c], "front"))
        move(d, position=99)
        self.assertEqual(order(), [a, b, c, d])
        move(a, before=d)
        self.assertEqual(order(), [b, c, a, d])
        move(d, before=c)
        self.assertEqual(order(), [b, d, c, a])
        move(c, before=c)
        self.assertEqual(order(), [b, d, c, a])
        x, y = (one.post_latent({"priority": "high"}, latent_of(4 + i)).json["id"] for i in range(2))
        self.assertEqual(order(), [x, y, b, d, c, a])
        move(c, before=y)  # takes the higher priority
        move(x, before=a)  # takes the lower one
        self.assertEqual(order(), [c, y, b, d, x, a])
        self.assertEqual([self.record(job, "group").split(":")[1] for job in (c, y, b, x)], ["high", "high", "normal", "normal"])
        e = one.post_latent(data=latent_of(6)).json["id"]
        move(y, position=99)
        move(e, position=0)
        f = one.post_latent({"priority": "high"}, latent_of(7)).json["id"]
        self.assertEqual(order(), [e, c, f, b, d, x, a, y])
        one.ask("DELETE", f"/v1/jobs/{d}")
        move(b, position=4)
        expected = [e, c, f, x, b, a, y]
        self.assertEqual(order(), expected)
        for change, status in (({"before": "0" * 24}, 409), ({"before": d}, 409), ({"position": -1}, 400), ({"position": 0, "before": b}, 400)):
            self.expect_error(one.patch(f"/v1/jobs/{e}", change), status, "conflict" if status == 409 else "invalid_argument")
        self.expect_error(one.patch(f"/v1/jobs/{d}", {"position": 0}), 409, "conflict")  # cancelled
        self.expect_error(one.patch("/v1/jobs/" + "0" * 24, {"position": 0}), 404, "not_found")
        self.assertEqual(order(), expected)
        # One takes the jobs, as Redis hands them out.
        taken = []
        with redis.listening("espalier:events") as heard:
            one.patch("/v1/queue", {"paused": False})
            while len(taken) < len(expected):
                said = json.loads(heard())
                if said["event"] == "state" and said["job"] not in taken:
                    taken.append(said["job"])
        self.assertEqual(taken, expected)
        for job in expected:
            ended = other.ended(job)
            self.assertEqual((ended["state"], ended["error"]), ("done", None))
        self.assertEqual(self.record(b, "attempt"), "1")

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


class Models(Case):
    def test_jobs_of_the_model_in_memory_come_first(self):
        """Whichever of its models a worker lists first, and not for ever."""
        with Fleet(self.folder.name, servers=1, workers=1) as fleet:
            server = fleet.servers[0]
            server.patch("/v1/queue", {"paused": True})
            words = [("options", None, json.dumps(QUICK | {"model": "sprout-text", "prompt": "a red chair"}).encode())]
            sent = [("words", server.post_parts("/v1/jobs", words)), ("more words", server.post_parts("/v1/jobs", words))]
            sent += [(str(i), server.post_image()) for i in range(6)]
            server.patch("/v1/queue", {"paused": False})
            ended = {name: server.ended(answer.json["id"]) for name, answer in sent}
            self.assertEqual({job["state"] for job in ended.values()}, {"done"})
            order = sorted(ended, key=lambda name: ended[name]["started"])
            self.assertEqual(order, ["0", "1", "2", "3", "words", "more words", "4", "5"])

    def test_batches_do_not_leave_a_job_of_another_model_behind(self):
        """A batch is one turn of its model, and jobs that are looked at to fill it, and put back, count for nobody's turn."""
        with Fleet(self.folder.name, servers=1, workers=1, env={"ESPALIER_MAX_BATCH": "2", "ESPALIER_MAX_WAIT_MS": "0"}) as fleet:
            server = fleet.servers[0]
            server.patch("/v1/queue", {"paused": True})
            options = json.dumps(QUICK | {"model": "sprout-text", "prompt": "a red chair"}).encode()
            words = server.post_parts("/v1/jobs", [("options", None, options)])
            images = [server.post_image() for _ in range(10)]
            server.patch("/v1/queue", {"paused": False})
            ended = [server.ended(answer.json["id"]) for answer in (words, *images)]
            self.assertEqual({job["state"] for job in ended}, {"done"})
            self.assertEqual(sum(job["started"] < ended[0]["started"] for job in ended[1:]), 8, "four batches of two")


class Outages(Case):
    def test_redis_is_killed_and_comes_back(self):
        with Fleet(self.folder.name, workers=1) as fleet:
            one, other = fleet.servers
            first = one.post_image(SOME).json["id"]
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

    def test_the_network_is_cut(self):
        """Silently and loudly, between workers or servers and Redis: others take over, who was away comes back, and each job ends once."""
        with Fleet(self.folder.name, networks=2) as fleet:
            one, other = fleet.servers
            job = one.post_image(SOME).json["id"]
            running(other, job)
            away = fleet.networks[fleet.workers.index(fleet.worker_of(job))]
            away.stall()
            spared = fleet.servers[1 - fleet.networks.index(away)]
            wait_for(lambda: fleet.redis.ask("HGET", f"espalier:job:{job}", "attempt") != "1", "the other worker to take the job")
            ended = spared.ended(job)
            self.assertEqual((ended["state"], ended["error"]), ("done", None))
            self.assertEqual(fleet.servers[fleet.networks.index(away)].get("/health").status, 503)
            away.heal()
            for network in fleet.networks:
                network.drop()
            self.assertEqual([s.get("/health").status for s in fleet.servers], [503, 503])
            for network in fleet.networks:
                network.heal()
            for server in fleet.servers:
                wait_for(lambda: server.get("/health").status == 200, "the server to be back")
            # Both workers hear and work again.
            ids = [s.post_image(LONG).json["id"] for s in fleet.servers]
            for job in ids:
                sampling(one, job)
            self.assertNotEqual(*(fleet.redis.ask("HGET", f"espalier:job:{job}", "worker") for job in ids))
            for job in ids:
                self.assertEqual(other.ask("DELETE", f"/v1/jobs/{job}").status, 200)
                self.assertEqual(one.ended(job)["state"], "cancelled")
            self.assertEqual(fleet.redis.ask("HGET", "espalier:counters", "done"), "1")
            self.assertEqual(fleet.left_in_queue(), [])

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
    def test_kills_restarts_and_cuts_under_load(self):
        """500 jobs of 20 clients; meanwhile 30 workers are killed, Redis is killed and restarted twice, and the network is cut ten times."""
        jobs, clients, kills, cuts = 500, 20, 30, 10
        with Fleet(self.folder.name, workers=4, options=("--max-queue", "1000"), lease=3, networks=4) as fleet:
            chance, scale, begin = random.Random(1), Scale(), time.monotonic()
            crowd = Crowd(lambda: fleet.servers, jobs, clients)
            killed = restarts = cut = 0
            cutting = threading.Thread(target=lambda: None)
            cutting.start()
            while crowd.alive():
                time.sleep(chance.uniform(0.3, 1.0))
                scale.look(s.process.pid for s in fleet.servers)
                ended = len(crowd.ended)
                if killed < kills and ended > (killed + 1) * jobs // (kills + 2):
                    living = [w for w in fleet.workers if w.process.poll() is None and hasattr(w, "name")]
                    if living:
                        chance.choice(living).kill()
                        killed += 1
                        threading.Thread(target=self.replace, args=(fleet,), daemon=True).start()
                if restarts < 2 and ended > (restarts + 1) * jobs // 3:
                    restarts += 1
                    fleet.redis.kill()
                    time.sleep(1.0)
                    fleet.redis.start()
                if cut < cuts and ended > (cut + 1) * jobs // (cuts + 2) and not cutting.is_alive():
                    cutting = threading.Thread(target=self.cut, args=(chance.choice(fleet.networks), cut % 3, chance.uniform(0.5, 9.0)))
                    cutting.start()
                    cut += 1
            cutting.join()
            seconds = time.monotonic() - begin
            self.assertEqual((killed, restarts, cut), (kills, 2, cuts))
            done, given_up = crowd.check(self, jobs, fleet.servers[0])
            counters = fleet.redis.ask("HGETALL", "espalier:counters")
            counters = dict(zip(counters[::2], map(int, counters[1::2])))
            self.assertEqual((counters["done"], counters.get("failed", 0)), (done, given_up))
            self.assertEqual(fleet.left_in_queue(), [])
            info = fleet.redis.ask("INFO")
            memory = next(line.split(":")[1] for line in info.split("\r\n") if line.startswith("used_memory:"))
            sizes = list(scale.series())
            print(f"{jobs} jobs in {seconds:.0f} s, {killed} kills, {restarts} restarts of Redis, {cut} cuts: {done} done, {given_up} failed, retried {counters.get('retried', 0)}; "
                  f"servers {[f'{a:.0f} then {b:.0f}' for a, b in sizes]} MiB, Redis {int(memory) / 2**20:.1f} MiB", file=sys.stderr)
            for early, late in sizes:
                self.assertLess(late, 1.3 * early)
            leftovers = [str(p) for p in pathlib.Path(fleet.results).glob("*/*") if p.name != "in" and p.name != fleet.redis.ask("HGET", f"espalier:job:{p.parent.name}", "winner")]
            self.assertLessEqual(len(leftovers), kills + cuts, leftovers)  # of workers that were killed before they could remove them

    @staticmethod
    def replace(fleet):
        """Another worker, whose start fails while its network is cut."""
        while True:
            try:
                fleet.begin_worker().ready()
                return
            except AssertionError:
                time.sleep(0.5)

    @staticmethod
    def cut(network, kind, seconds):
        """Nothing comes through for a while; then it comes late, or never; or nobody gets a connection."""
        if kind == 2:
            network.drop()
        else:
            network.stall()
        time.sleep(seconds)
        if kind == 1:
            network.drop()
        network.heal()


if __name__ == "__main__":
    if REDIS is None:
        print("SKIPPED: the tests of fleets need redis-server, which is not installed")
        sys.exit(77)
    unittest.main()
