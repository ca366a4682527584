"""Sudden ends: finished jobs stay, nothing half-written is shown."""
import pathlib
import random
import resource
import signal
import sqlite3
import stat
import subprocess
import unittest

from studio import LATENT, QUICK, Case, multipart, wait_for

ENDS = 20


class Durability(Case):
    def check_files(self, server, jobs):
        """Everything that is listed can be had, whole, and nothing else lies about."""
        for job in jobs:
            names = {f["name"] for f in job["files"]}
            for file in job["files"]:
                data = server.get(file["url"])
                self.assertEqual((data.status, len(data.body)), (200, file["bytes"]))
                if file["name"].endswith(".glb"):
                    self.assertEqual(data.body[:4], b"glTF")
            if job["state"] not in ("running",):
                on_disk = {p.name for p in (server.folder / "data" / "jobs" / job["id"]).iterdir()}
                if job["state"] != "queued":
                    self.assertEqual(on_disk, names | {"job.json"}, job["state"])

    def test_killed_at_random_moments(self):
        chance = random.Random(7)
        done = {}
        posted = []
        for _ in range(ENDS):
            server = self.serve(ready=False)
            wait_for(lambda: server.get("/health").status == 200, "the server to be ready")
            jobs = {j["id"]: j for j in server.jobs()}
            self.assertEqual(set(jobs), set(posted))
            for job, files in done.items():
                self.assertEqual((jobs[job]["state"], {f["name"] for f in jobs[job]["files"]}), ("done", files))
            self.check_files(server, [j for j in jobs.values() if j["state"] in ("done", "failed", "cancelled")])
            posted += [server.post_latent({"formats": ["ply", "glb"]}).json["id"] for _ in range(2)]
            steps = chance.randint(0, 60)
            for _ in range(steps):
                server.get("/health")
            for job in server.jobs():
                if job["state"] == "done":
                    done[job["id"]] = {f["name"] for f in job["files"]}
            server.kill()
        server = self.serve()
        jobs = [server.ended(job) for job in posted]
        self.assertEqual(len({j["id"] for j in jobs}), 2 * ENDS)
        self.check_files(server, jobs)
        states = [j["state"] for j in jobs]
        print(f"{ENDS} sudden ends, {len(jobs)} jobs: {states.count('done')} done, {states.count('failed')} failed because they ran at two ends")
        for job in jobs:
            if job["state"] != "done":
                self.assertEqual((job["state"], job["error"]["code"]), ("failed", "interrupted"))
                self.assertIn("twice", job["error"]["message"])
        self.assertGreater(states.count("done"), ENDS)

    def test_a_running_job_begins_again_once(self):
        server = self.serve()
        job = server.post_image(QUICK | {"structure": {"steps": 1000}}).json["id"]
        waiting = server.post_latent().json["id"]
        for expected in ("running", "failed"):
            wait_for(lambda: server.job(job)["progress"], "the job to work")
            server.kill()
            server = self.serve()
            state = wait_for(lambda: (lambda s: s if s != "queued" else None)(server.job(job)["state"]), "the job to be judged")
            self.assertEqual(state, expected)
        self.check_files(server, [server.job(job)])
        self.assertEqual(server.ended(waiting)["state"], "done")

    def test_a_stopped_server_puts_its_job_back(self):
        server = self.serve()
        job = server.post_image(QUICK | {"structure": {"steps": 1000}}).json["id"]
        for _ in range(3):  # any number of times
            wait_for(lambda: server.job(job)["progress"], "the job to work")
            self.assertEqual(server.stop(), 0)
            server = self.serve()
        self.assertEqual(server.ask("DELETE", f"/v1/jobs/{job}").status, 200)
        self.assertEqual(server.ended(job)["state"], "cancelled")

    def test_records_and_files_are_put_right(self):
        server = self.serve()
        job = server.ended(server.post_latent({"formats": ["ply", "spz"]}).json["id"])
        server.stop()
        folder = server.folder / "data" / "jobs" / job["id"]
        (folder / "asset.spz").write_bytes(b"shorter")
        (folder / "thumbnail.png").unlink()
        (folder / ".espalier-1-0.part").write_bytes(b"half")
        (folder.parent / ("0" * 24)).mkdir()
        server = self.serve()
        left = {f["name"] for f in server.job(job["id"])["files"]}
        self.assertEqual(left, {f["name"] for f in job["files"]} - {"asset.spz", "thumbnail.png"})
        self.assertEqual({p.name for p in folder.iterdir()}, left | {"job.json"})
        self.assertFalse((folder.parent / ("0" * 24)).exists())
        lost = {p.name for p in (server.folder / "data" / "lost").iterdir()}
        self.assertTrue(any(name.endswith("asset.spz") for name in lost) and any(name.endswith("0" * 24) for name in lost), lost)
        self.assertIn("moved to", (server.folder / "server.log").read_text())
        server.stop()
        database = sqlite3.connect(server.folder / "data" / "espalier.db")
        database.execute("PRAGMA user_version = 99")
        database.close()
        with self.assertRaises(AssertionError) as refusal:
            self.serve()
        self.assertIn("newer version", str(refusal.exception))

    def test_a_lost_database_loses_no_job(self):
        server = self.serve()
        jobs = [server.ended(server.post_latent().json["id"]) for _ in range(2)]
        kept = sorted(jobs, key=lambda j: j["id"])
        server.stop()
        data = server.folder / "data"
        for damage in ("missing", "empty", "damaged"):
            for file in data.glob("espalier.db*"):
                file.unlink()
            if damage != "missing":
                (data / "espalier.db").write_bytes(b"" if damage == "empty" else b"nonsense" * 999)
            if damage == "damaged":
                with self.assertRaises(AssertionError) as refusal:
                    self.serve()
                self.assertIn("--rebuild", str(refusal.exception))
            server = self.serve(*(["--rebuild"] if damage == "damaged" else []))
            self.assertEqual(sorted(server.jobs(), key=lambda j: j["id"]), kept, damage)
            self.check_files(server, kept)
            export = server.ended(server.post_export(jobs[0]["id"], {"formats": ["ply"]}).json["id"])
            self.assertEqual(export["state"], "done")
            server.ask("DELETE", f"/v1/jobs/{export['id']}")
            self.assertEqual(server.stop(), 0)

    def test_deleting_makes_room_on_a_full_disk(self):
        disk = pathlib.Path(self.folder.name) / "data"
        disk.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", disk], capture_output=True).returncode != 0:
            self.skipTest("only a superuser can mount a small disk")
        try:
            server = self.serve()
            job = server.ended(server.post_latent().json["id"])
            waiting = server.post_image(QUICK | {"structure": {"steps": 1000}}).json["id"]
            wait_for(lambda: server.job(waiting)["progress"], "the job to work")
            queued = server.post_latent().json["id"]
            with open(disk / "filler", "wb", buffering=0) as filler:
                for size in (2**20, 4096, 1):
                    try:
                        while filler.write(bytes(size)) == size:
                            pass
                    except OSError:
                        pass
            refused = server.post_latent()
            self.expect_error(refused, 507, "io")
            self.assertIn("free some space", refused.json["error"]["hint"])
            self.assertEqual(server.ask("DELETE", f"/v1/jobs/{queued}").status, 200)
            self.assertEqual(server.ask("DELETE", f"/v1/jobs/{job['id']}").status, 204)
            (disk / "filler").unlink()
            self.assertEqual(server.ask("DELETE", f"/v1/jobs/{waiting}").status, 200)
            self.assertEqual(server.ended(server.post_latent().json["id"])["state"], "done")
            wait_for(lambda: (disk / "reserve").exists() and (disk / "reserve").stat().st_size == 2**20, "the reserve to be back")
            server.stop()
        finally:
            subprocess.run(["umount", disk], check=True)

    def test_health_looks_at_the_folder(self):
        server = self.serve()
        data = server.folder / "data"
        data.rename(server.folder / "aside")
        answer = server.get("/health")
        self.assertEqual((answer.status, answer.json["status"]), (503, "unavailable"))
        self.assertIn("back in place", answer.json["hint"])
        self.assertNotIn(self.folder.name, answer.body.decode())
        refused = server.post_latent()
        self.expect_error(refused, 507, "io")
        self.assertNotIn("free some space", refused.json["error"]["hint"])
        (server.folder / "aside").rename(data)
        self.assertEqual(server.get("/health").json["status"], "ready")
        self.assertEqual(server.ended(server.post_latent().json["id"])["state"], "done")

    def test_a_closed_terminal_ends_it_as_any_end(self):
        server = self.serve()
        job = server.post_image(QUICK | {"structure": {"steps": 1000}}).json["id"]
        wait_for(lambda: server.job(job)["progress"], "the job to work")
        server.process.send_signal(signal.SIGHUP)
        self.assertEqual(server.process.wait(timeout=60), 0)
        server.close()
        records = sqlite3.connect(server.folder / "data" / "espalier.db")
        self.assertEqual(records.execute("SELECT state, attempts FROM jobs").fetchall(), [("queued", 0)])
        records.close()

    def test_what_others_keep_in_the_folder_stays(self):
        folder = pathlib.Path(self.folder.name) / "data"
        (folder / "jobs" / "mine").mkdir(parents=True)
        (folder / "incoming").mkdir()
        mine = [folder / "jobs" / "mine" / "thesis.txt", folder / "incoming" / "post.txt", folder / "notes.txt"]
        for file in mine:
            file.write_text("years of work")
        folder.chmod(0o755)
        server = self.serve()
        self.assertEqual([file.read_text() for file in mine], ["years of work"] * 3)
        self.assertEqual(stat.S_IMODE(folder.stat().st_mode), 0o755)
        for own in ("jobs", "incoming", "espalier.db", "espalier.db-wal"):
            self.assertEqual(stat.S_IMODE((folder / own).stat().st_mode) & 0o077, 0, own)
        self.assertEqual(server.stop(), 0)

    def test_a_second_server_takes_nothing_from_the_first(self):
        server = self.serve()
        kind, body = multipart([("latent", "small.safetensors", LATENT.read_bytes())])
        with server.connect() as connection:
            connection.sendall(f"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body[:-1000])
            wait_for(lambda: list((server.folder / "data" / "incoming").iterdir()), "the upload to begin")
            with self.assertRaises(AssertionError) as refusal:
                self.serve()
            self.assertIn("in use", str(refusal.exception))
            connection.sendall(body[-1000:])
            self.assertIn(b" 202 ", connection.recv(65536).split(b"\r\n")[0])

    def test_files_that_cannot_be_written_fail_their_job(self):
        server = self.serve()
        limits = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (150_000, resource.RLIM_INFINITY))
        job = server.ended(server.post_latent({"formats": ["glb", "ply"]}).json["id"])
        self.assertEqual((job["state"], job["error"]["code"]), ("failed", "io"), job)
        self.assertNotIn(self.folder.name, job["error"]["message"])
        self.check_files(server, [job])
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, limits)
        self.assertEqual(server.ended(server.post_latent().json["id"])["state"], "done")

    def test_records_that_cannot_be_written_end_nothing(self):
        server = self.serve()
        job = server.post_image(QUICK | {"structure": {"steps": 1000}}).json["id"]
        waiting = server.post_latent().json["id"]
        wait_for(lambda: server.job(job)["progress"], "the job to work")
        database = sqlite3.connect(server.folder / "data" / "espalier.db", isolation_level=None)
        database.execute("BEGIN IMMEDIATE")  # as a full disk would: whoever writes now is refused
        self.assertEqual(server.ask("DELETE", f"/v1/jobs/{job}").status, 507)
        refused = server.post_latent()
        self.expect_error(refused, 507, "io")
        self.assertNotIn(self.folder.name, refused.body.decode())
        database.execute("ROLLBACK")
        server.ask("DELETE", f"/v1/jobs/{job}")
        database.execute("BEGIN IMMEDIATE")
        wait_for(lambda: "jobs wait" in (server.folder / "server.log").read_text(), "the server to say so")
        database.execute("ROLLBACK")
        self.assertEqual(server.ended(job)["state"], "cancelled")
        self.assertEqual(server.ended(waiting)["state"], "done")
        database.close()
        self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
