"""Jobs that are sampled together (--max-batch): each as alone, with its own end."""
import os
import re
import signal
import time
import unittest

from fleet import REDIS, Fleet
from studio import QUICK, png, wait_for
from test_workers import WorkerCase

STEPS = QUICK | {"structure": {"steps": 2}, "latent": {"steps": 2}}


def seeds(count):
    return [STEPS | {"seed": seed} for seed in range(1, count + 1)]


class BatchCase(WorkerCase):
    def paused(self, *options):
        """A server whose jobs wait, so that it finds all of them at once."""
        server = self.serve(*options)
        server.patch("/v1/queue", {"paused": True})
        return server

    def go(self, server):
        server.patch("/v1/queue", {"paused": False})

    def batches(self, server):
        """How many batches there were of each size: {bound: count}."""
        text = server.get("/metrics").body.decode()
        below, sizes = 0, {}
        for bound, count in re.findall(r'^espalier_batch_jobs_bucket\{le="([^"]*)"\} (\d+)', text, re.MULTILINE):
            sizes[bound] = int(count) - below
            below = int(count)
        return {bound: count for bound, count in sizes.items() if count}

    def latents(self, server, jobs):
        return [server.file(job["id"], "latent.safetensors").body for job in jobs]


class Together(BatchCase):
    def test_four_are_taken_together_and_are_what_each_is_alone(self):
        made = {}
        for options in ((), ("--max-batch", "4"), ("--max-batch", "4", "--workers", "1")):
            with self.subTest(options=options):
                server = self.paused(*options)
                ids = [server.post_image(one).json["id"] for one in seeds(4)]
                other = server.post_image(STEPS | {"latent": {"steps": 1}}).json["id"]
                self.go(server)
                jobs = [server.ended(job) for job in ids + [other]]
                self.assertEqual([(job["state"], job["error"]) for job in jobs], [("done", None)] * 5)
                self.assertEqual(self.batches(server), {"1": 1, "4": 1} if options else {"1": 5})
                self.assertEqual(server.metric("espalier_batch_jobs_sum"), 5)
                wait_for(lambda: server.metric("espalier_job_run_seconds_count") == 5, "the last job to be counted")
                self.assertTrue(all(job["started"] <= job["finished"] for job in jobs))
                export = server.post_export(jobs[1]["id"], {"formats": ["stl"]}).json["id"]
                self.assertEqual(server.ended(export)["state"], "done")
                self.check_folders(server)
                made[options] = self.latents(server, jobs)
                self.assertEqual(server.stop(), 0)
                (server.folder / "data").rename(server.folder / f"data{len(made)}")
        alone, *together = made.values()
        self.assertEqual(len(set(alone)), 5)
        for one in together:
            self.assertEqual(one, alone)

    def test_one_cancelled_and_one_failing_leave_the_others(self):
        for options in ((), ("--workers", "1")):
            with self.subTest(options=options):
                server = self.paused("--max-batch", "4", *options)
                long = {"structure": {"steps": 50}, "latent": {"steps": 1}}
                grey = png(64, 64, (b"\0" + b"\x80" * 64 * 3) * 64)
                stays, leaves = (server.post_image(QUICK | long | {"seed": seed}).json["id"] for seed in (1, 2))
                fails = server.post_image(QUICK | long | {"background": "alpha"}, grey).json["id"]
                large = server.post_image(QUICK | long | {"seed": 3, "max_bytes": 1000}).json["id"]
                self.go(server)
                wait_for(lambda: (server.job(leaves)["progress"] or {}).get("stage") == "sample-structure", "the jobs to sample")
                self.assertEqual(server.job(stays)["state"], "running")
                self.assertEqual(server.ask("DELETE", f"/v1/jobs/{leaves}").status, 200)
                self.assertEqual(server.ended(leaves)["state"], "cancelled")
                self.assertEqual(server.job(stays)["state"], "running")
                ended = {name: server.ended(job) for name, job in (("stays", stays), ("fails", fails), ("large", large))}
                self.assertEqual(ended["fails"]["error"]["code"], "invalid_argument")
                self.assertEqual(ended["large"]["error"]["code"], "invalid_argument")
                self.assertEqual((ended["stays"]["state"], ended["stays"]["error"]), ("done", None))
                self.assertEqual(self.batches(server), {"4": 1})
                for state, count in (("done", 1), ("failed", 2), ("cancelled", 1)):
                    self.assertEqual(server.metric(f'espalier_jobs_total{{state="{state}"}}'), count)
                alone = server.ended(server.post_image(QUICK | long | {"seed": 1}).json["id"])
                self.assertEqual(*self.latents(server, [alone, ended["stays"]]))
                self.check_folders(server)
                self.assertEqual(server.stop(), 0)
                (server.folder / "data").rename(server.folder / f"data{len(options)}")

    def test_a_job_waits_for_others_no_longer_than_it_shall(self):
        server = self.serve("--max-batch", "2", "--max-wait-ms", "20000")
        first = server.post_image(STEPS).json["id"]
        wait_for(lambda: server.job(first)["state"] == "running", "the first job to be taken")
        started = time.monotonic()
        second = server.post_image(STEPS | {"seed": 2}).json["id"]
        self.assertEqual([server.ended(job)["state"] for job in (first, second)], ["done", "done"])
        self.assertLess(time.monotonic() - started, 20, "the batch was full")
        self.assertEqual(self.batches(server), {"2": 1})
        self.assertEqual(server.stop(), 0)
        (server.folder / "data").rename(server.folder / "data1")
        server = self.serve("--max-batch", "2", "--max-wait-ms", "100")
        self.assertEqual(server.ended(server.post_image(STEPS).json["id"])["state"], "done")
        self.assertEqual(self.batches(server), {"1": 1})

    def test_a_batch_that_is_stopped_waits_for_the_next_start(self):
        server = self.paused("--max-batch", "3")
        ids = [server.post_image(STEPS | {"seed": seed, "structure": {"steps": 300}}).json["id"] for seed in range(3)]
        self.go(server)
        wait_for(lambda: (server.job(ids[2])["progress"] or {}).get("stage") == "sample-structure", "the jobs to sample")
        self.assertEqual(server.stop(), 0)
        server = self.serve("--max-batch", "3")
        server.patch("/v1/queue", {"paused": True})
        self.assertEqual({server.job(job)["state"] for job in ids} - {"running", "queued"}, set())
        for job in ids:
            server.ask("DELETE", f"/v1/jobs/{job}")
        self.assertEqual({server.ended(job)["state"] for job in ids}, {"cancelled"})


class Lost(BatchCase):
    def test_who_lost_a_worker_together_is_tried_again_alone(self):
        server = self.paused("--max-batch", "3", "--workers", "1")
        ids = [server.post_image(STEPS | {"seed": seed, "structure": {"steps": 30}}).json["id"] for seed in range(3)]
        self.go(server)
        wait_for(lambda: (server.job(ids[2])["progress"] or {}).get("stage") == "sample-structure", "the jobs to sample")
        os.kill(self.process_of(server), signal.SIGKILL)
        jobs = [server.ended(job) for job in ids]
        self.assertEqual([(job["state"], job["error"]) for job in jobs], [("done", None)] * 3)
        self.assertEqual(self.batches(server), {"1": 3, "4": 1})
        self.assertEqual(server.metric("espalier_jobs_retried_total"), 3)
        self.check_folders(server)


class InAFleet(BatchCase):
    @unittest.skipUnless(REDIS, "there is no redis-server")
    def test_a_worker_takes_what_is_next_together(self):
        with Fleet(self.folder.name, servers=1, workers=1, env={"ESPALIER_MAX_BATCH": "4", "ESPALIER_MAX_WAIT_MS": "0"}) as fleet:
            server = fleet.servers[0]
            server.patch("/v1/queue", {"paused": True})
            options = [STEPS | {"seed": 1}, STEPS | {"seed": 2}, STEPS | {"latent": {"steps": 1}}, STEPS | {"seed": 3}, STEPS | {"seed": 4}]
            ids = [server.post_image(one).json["id"] for one in options]
            self.go(server)
            jobs = [server.ended(job) for job in ids]
            self.assertEqual([(job["state"], job["error"]) for job in jobs], [("done", None)] * 5)
            for first, second in ((0, 1), (3, 4)):  # both had begun before one had ended
                self.assertLess(max(jobs[first]["started"], jobs[second]["started"]), min(jobs[first]["finished"], jobs[second]["finished"]))
            self.assertGreater(jobs[2]["started"], jobs[1]["finished"])  # goes back, and is next
            self.assertGreater(jobs[3]["started"], jobs[2]["finished"])
            self.assertEqual(fleet.left_in_queue(), [])
            alone = self.serve()
            made = [alone.ended(alone.post_image(one).json["id"]) for one in options[:2]]
            self.assertEqual(self.latents(alone, made), self.latents(server, jobs[:2]))


if __name__ == "__main__":
    unittest.main()
