"""Jobs in processes of their own (--workers): the same results, and none is lost however workers end."""
import json
import os
import pathlib
import random
import re
import signal
import sqlite3
import subprocess
import sys
import time
import unittest

from crowd import Crowd, Scale
from studio import PATIENCE, PROGRAM, QUICK, Case, Server, latent_of, png, wait_for

LONG = QUICK | {"structure": {"steps": 1000}}
RECORDS = {"job.json"}


def children(process):
    """Processes that the server started, those of workers among them: {pid: command line}."""
    found = {}
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            status = (path / "status").read_text()
            if re.search(rf"^PPid:\t{process}$", status, re.MULTILINE) and not re.search(r"^State:\tZ", status, re.MULTILINE):
                found[int(path.name)] = (path / "cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


def gone(pids):
    return not any(os.path.exists(f"/proc/{pid}") and "\nState:\tZ" not in pathlib.Path(f"/proc/{pid}/status").read_text() for pid in pids)


class WorkerCase(Case):
    def workers(self, server):
        return {w["name"]: w for w in server.get("/health").json.get("workers", [])}

    def process_of(self, server, busy=True):
        """The process of a worker that runs a job of networks, found by what it works on."""
        pids = [pid for pid, words in children(server.process.pid).items() if words[1:2] == [b"worker"]]
        # The one that takes the processor's time.
        def ticks(pid):
            try:
                return sum(map(int, pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]))
            except (FileNotFoundError, ProcessLookupError):
                return 0
        before = {pid: ticks(pid) for pid in pids}
        time.sleep(0.1)
        if not pids:
            raise ProcessLookupError("all workers have just been killed")
        return max(pids, key=lambda pid: ticks(pid) - before[pid])

    def check_folders(self, server):
        """Nothing lies in a job's folder but what is recorded, and that is as long as it is said to be."""
        for job in server.jobs():
            folder = server.folder / "data" / "jobs" / job["id"]
            recorded = {f["name"]: f["bytes"] for f in job["files"]}
            self.assertEqual({p.name: p.stat().st_size for p in folder.iterdir() if p.name not in RECORDS}, recorded)


class Results(WorkerCase):
    def test_as_the_server_itself_would(self):
        made = {}
        for options in ((), ("--workers", "2")):
            with self.subTest(options=options):
                server = self.serve(*options)
                job = server.post_image().json["id"]
                events = list(server.events(job))
                ended = server.job(job)
                self.assertEqual((ended["state"], ended["error"]), ("done", None))
                names = [name for name, data in events]
                self.assertLessEqual({"state", "progress", "file"}, set(names))
                export = server.ended(server.post_export(job, {"formats": ["stl"]}).json["id"])
                self.assertEqual((export["state"], export["error"]), ("done", None))
                made[options] = {f["name"]: server.file(ended["id"], f["name"]).body for f in ended["files"]} | {"stl": server.file(export["id"], "asset.stl").body}
                self.assertEqual(ended["report"]["faces"] > 0, True)
                self.assertTrue((server.folder / "data" / "costs.json").exists())
                model = server.get("/v1/models").json["models"][0]
                self.assertEqual((model["name"], model["loaded"], bool(model["device"])), ("sprout", True, True))
                self.assertEqual(server.metric("espalier_model_loaded"), 1)
                if options:
                    self.assertEqual(set(self.workers(server)), {"0", "1", "exports"})
                    self.assertEqual(server.metric('espalier_worker_up{worker="1",device="cpu"}'), 1)
                    self.assertGreater(server.metric('espalier_worker_resident_bytes{worker="exports",device="cpu"}'), 1 << 20)
                    threads = {re.search(rb"OMP_NUM_THREADS=(\d+)", pathlib.Path(f"/proc/{pid}/environ").read_bytes())[1] for pid in children(server.process.pid)}
                    whole = int(os.environ.get("OMP_NUM_THREADS") or len(os.sched_getaffinity(0)))
                    self.assertEqual(threads, {str(max(1, whole // 2)).encode()})
                else:
                    self.assertEqual(self.workers(server), {})
                    self.assertEqual(children(server.process.pid), {})
                self.assertEqual(server.stop(), 0)
                (server.folder / "data").rename(server.folder / f"data{len(made)}")
        one, other = made.values()
        self.assertEqual(set(one), set(other))
        for name in set(one):
            self.assertEqual(one[name], other[name], name)

    def test_failures_and_cancels_reach_across(self):
        server = self.serve("--workers", "1")
        grey = png(64, 64, (b"\0" + b"\x80" * 64 * 3) * 64)
        failed = server.ended(server.post_image(QUICK | {"background": "alpha"}, grey).json["id"])
        self.assertEqual((failed["state"], failed["error"]["code"]), ("failed", "invalid_argument"))
        self.assertNotIn(str(server.folder), failed["error"]["message"])
        running = server.post_image(LONG).json["id"]
        waiting = server.post_image(QUICK).json["id"]
        wait_for(lambda: (server.job(running)["progress"] or {}).get("stage") == "sample-structure", "the job to sample")
        self.assertEqual(server.ask("DELETE", f"/v1/jobs/{running}").status, 200)
        self.assertEqual(server.ended(running)["state"], "cancelled")
        self.assertEqual(server.ended(waiting)["state"], "done")
        self.assertEqual({w["restarts"] for w in self.workers(server).values()}, {0})
        self.check_folders(server)

    def test_weights_leave_memory(self):
        server = self.serve("--workers", "1", "--keep-alive", "0")
        self.assertEqual(server.ended(server.post_image().json["id"])["state"], "done")
        wait_for(lambda: server.metric("espalier_model_loaded") == 0, "the weights to leave")
        self.assertEqual(server.ended(server.post_image().json["id"])["state"], "done")

    def test_jobs_of_the_model_in_memory_come_first(self):
        """Weights change twice instead of four times, and who needs others is passed over four times at most."""
        server = self.serve("--workers", "1")
        server.patch("/v1/queue", {"paused": True})
        words = [("options", None, json.dumps(QUICK | {"model": "sprout-text", "prompt": "a red chair"}).encode())]
        sent = [("first", server.post_image()), ("words", server.post_parts("/v1/jobs", words)), ("second", server.post_image())]
        sent += [("more words", server.post_parts("/v1/jobs", words))] + [(str(i), server.post_image()) for i in range(4)]
        before = server.metric("espalier_model_loads_total")
        server.patch("/v1/queue", {"paused": False})
        ended = {name: server.ended(answer.json["id"]) for name, answer in sent}
        self.assertEqual({job["state"] for job in ended.values()}, {"done"})
        order = sorted(ended, key=lambda name: ended[name]["started"])
        self.assertEqual(order, ["first", "second", "0", "1", "2", "words", "more words", "3"])
        self.assertEqual(server.metric("espalier_model_loads_total") - before, 2)

    def test_a_checkpoint_that_cannot_be_loaded_ends_the_server(self):
        broken = pathlib.Path(self.folder.name) / "broken"
        broken.mkdir()
        (broken / "pipeline.json").write_text("{}")
        process = subprocess.run([PROGRAM, "serve", "--workers", "2", "--port", "0", "--device", "cpu", "--model", str(broken), "--data", str(broken / "data")],
                                 capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual(process.returncode, 1)
        self.assertIn("pipeline.json", process.stderr)

    def test_a_worker_needs_a_server_or_a_fleet(self):
        process = subprocess.run([PROGRAM, "worker"], capture_output=True, text=True)
        self.assertEqual(process.returncode, 2)
        self.assertIn("--workers", process.stderr)
        self.assertIn("--queue", process.stderr)


class Deaths(WorkerCase):
    def test_workers_are_killed_in_the_midst_of_jobs(self):
        """10 kills over 30 jobs: each ends once and is done, unless two kills hit it."""
        server = self.serve("--workers", "2")
        chance = random.Random(1)
        ids = [server.post_latent(data=latent_of(i)).json["id"] for i in range(28)]
        ids += [server.post_image().json["id"] for _ in range(2)]
        kills = 0
        while kills < 10:
            time.sleep(chance.uniform(0.0, 0.15))
            busy = [name for name, w in self.workers(server).items() if w["state"] == "busy"]
            if not busy:
                self.assertTrue([j for j in server.jobs() if j["state"] in ("queued", "running")], "the jobs ended before the kills")
                continue
            try:
                os.kill(self.process_of(server), signal.SIGKILL)
                kills += 1
            except ProcessLookupError:
                continue
        jobs = [server.ended(job) for job in ids]
        for job in jobs:
            self.assertIn(job["state"], ("done", "failed"))
            if job["state"] == "failed":
                self.assertEqual(job["error"]["code"], "interrupted")
                self.assertIn("signal 9", job["error"]["message"])
        done = [job for job in jobs if job["state"] == "done"]
        self.assertGreaterEqual(len(done), 25)  # two of the ten kills for each that failed
        self.assertEqual(server.metric('espalier_jobs_total{state="done"}'), len(done))
        self.assertEqual(server.metric('espalier_jobs_total{state="failed"}'), 30 - len(done))
        restarts = sum(w["restarts"] for w in self.workers(server).values())
        self.assertEqual(restarts, 10)
        # What is done is what an undisturbed worker makes.
        again = server.ended(server.post_latent(data=latent_of(0)).json["id"])
        if jobs[0]["state"] == "done":
            self.assertEqual(server.file(again["id"], "asset.ply").body, server.file(jobs[0]["id"], "asset.ply").body)
        self.check_folders(server)
        pids = list(children(server.process.pid))
        self.assertEqual(len(pids), 3)
        self.assertEqual(server.stop(), 0)
        self.assertTrue(gone(pids))

    def test_a_job_that_loses_its_worker_is_tried_once_more(self):
        server = self.serve("--workers", "1")
        job = server.post_image(LONG).json["id"]
        for attempt in range(2):
            wait_for(lambda: (server.job(job)["progress"] or {}).get("stage") == "sample-structure", "the job to sample")
            os.kill(self.process_of(server), signal.SIGKILL)
            wait_for(lambda: self.workers(server)["0"]["restarts"] == attempt + 1, "the worker to be missed")
        ended = server.ended(job)
        self.assertEqual((ended["state"], ended["error"]["code"]), ("failed", "interrupted"))
        self.assertIn("twice", ended["error"]["message"])
        self.assertEqual(server.metric("espalier_jobs_retried_total"), 1)
        # It is the job that is given up, not the worker.
        self.assertEqual(server.ended(server.post_image().json["id"])["state"], "done")
        self.check_folders(server)

    def test_an_idle_worker_is_replaced(self):
        server = self.serve("--workers", "1")
        before = set(children(server.process.pid))
        self.assertEqual(len(before), 2)
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: len(set(children(server.process.pid)) - before) == 2, "new workers")
        wait_for(lambda: server.get("/health").status == 200, "the worker to be ready")
        self.assertEqual({w["restarts"] for w in self.workers(server).values()}, {1})
        job = server.ended(server.post_image().json["id"])
        self.assertEqual((job["state"], job["error"]), ("done", None))
        self.assertEqual(server.ended(server.post_export(job["id"], {"formats": ["stl"]}).json["id"])["state"], "done")

    def test_workers_end_with_the_server(self):
        for end in (signal.SIGTERM, signal.SIGKILL):
            with self.subTest(end=end):
                server = self.serve("--workers", "2")
                job = server.post_image(LONG).json["id"]
                wait_for(lambda: (server.job(job)["progress"] or {}).get("stage") == "sample-structure", "the job to sample")
                pids = list(children(server.process.pid))
                self.assertEqual(len(pids), 3)
                os.kill(server.process.pid, end)
                self.assertEqual(server.process.wait(timeout=PATIENCE), 0 if end == signal.SIGTERM else -signal.SIGKILL)
                server.close()
                wait_for(lambda: gone(pids), "the workers to end")
                again = self.serve()
                state = again.job(job)
                self.assertIn(state["state"], ("queued", "running"))  # it was put back
                self.assertEqual(again.ask("DELETE", f"/v1/jobs/{job}").status, 200)
                again.ended(job)
                self.check_folders(again)
                again.stop()


class Load(WorkerCase):
    def test_kills_and_restarts_under_load(self):
        """Clients whose server and workers are killed; with ESPALIER_FLEET_LOAD=1 it is 500 jobs of 20 clients, 30 kills of workers and two of
        the server itself."""
        jobs, clients, workers, kills, restarts = (500, 20, 4, 30, 2) if os.environ.get("ESPALIER_FLEET_LOAD") else (40, 5, 2, 4, 1)
        options = ("--workers", str(workers), "--max-queue", "1000")
        servers, chance, scale, begin = [self.serve(*options)], random.Random(1), Scale(), time.monotonic()
        crowd = Crowd(lambda: servers, jobs, clients)
        killed = restarted = retried = 0
        while crowd.alive():
            time.sleep(chance.uniform(0.2, 0.6))
            scale.look([servers[0].process.pid])
            ended = len(crowd.ended)
            if killed < kills and ended > (killed + 1) * jobs // (kills + 2):
                living = [pid for pid, words in children(servers[0].process.pid).items() if words[1:2] == [b"worker"]]
                try:
                    os.kill(chance.choice(living), signal.SIGKILL)
                    killed += 1
                except (IndexError, ProcessLookupError):
                    pass
            if restarted < restarts and ended > (restarted + 1) * jobs // (restarts + 1):
                restarted += 1
                retried += servers[0].metric("espalier_jobs_retried_total")
                pids, port = list(children(servers[0].process.pid)), servers[0].port
                servers[0].kill()
                wait_for(lambda: gone(pids), "the workers to end")
                servers[0] = Server(self.folder.name, *options, port=port)
                self.addCleanup(lambda server=servers[0]: server.process.poll() is None and server.stop())
        seconds, server = time.monotonic() - begin, servers[0]
        self.assertEqual((killed, restarted), (kills, restarts))
        done, given_up = crowd.check(self, jobs, server)
        retried += server.metric("espalier_jobs_retried_total")
        sizes = list(scale.series())
        print(f"{jobs} jobs in {seconds:.0f} s, {killed} kills, {restarted} restarts of the server: {done} done, {given_up} failed, retried {retried:.0f}; "
              f"servers {[f'{a:.0f} then {b:.0f}' for a, b in sizes]} MiB", file=sys.stderr)
        self.assertLessEqual(given_up, max(1, jobs // 100))  # two kills hit the same job
        for early, late in sizes if "ESPALIER_SANITIZED" not in os.environ else []:
            self.assertLess(late, 1.3 * early)
        queue = server.get("/v1/queue").json
        self.assertEqual((queue["running"], queue["queued"], queue["jobs"]), (0, 0, []))
        self.check_folders(server)
        data = server.folder / "data"
        self.assertEqual([p.name for p in (data / "incoming").iterdir()], [])
        self.assertFalse((data / "lost").exists(), (server.folder / "server.log").read_text())
        self.assertEqual(server.stop(), 0)
        with sqlite3.connect(data / "espalier.db") as database:
            self.assertEqual(database.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
            self.assertEqual(database.execute("SELECT count(*) FROM jobs WHERE state NOT IN ('done', 'failed')").fetchone(), (0,))


if __name__ == "__main__":
    unittest.main()
