"""What whoever runs the server sees: the log and the metrics."""
import json
import re
import unittest

from studio import Case, wait_for


class Operations(Case):
    def log(self, server):
        return [json.loads(line) for line in (server.folder / "server.log").read_text().splitlines()]

    def metrics(self, server):
        """{name with labels: value}"""
        rows = re.findall(r"^(espalier_\S+) (\S+)$", server.get("/metrics").body.decode(), re.MULTILINE)
        self.assertEqual(len(rows), len(dict(rows)), "a value comes twice")
        return {name: float(value) for name, value in rows}

    def test_every_job_leaves_its_lines(self):
        server = self.serve("--log", "json")
        done = server.ended(server.post_latent().json["id"])
        self.assertEqual(done["state"], "done")
        long = server.post_image({"structure": {"steps": 1000}, "raw_mesh": True}).json["id"]
        wait_for(lambda: server.job(long)["state"] == "running", "the job to run")
        server.ask("DELETE", f"/v1/jobs/{long}")
        server.ended(long)
        self.assertEqual(server.stop(), 0)
        lines = self.log(server)
        self.assertEqual([line["event"] for line in lines], ["listening", "job_started", "job_ended", "job_started", "job_ended", "stopped"])
        first = lines[2]
        self.assertEqual((first["job"], first["kind"], first["state"]), (done["id"], "latent", "done"))
        self.assertGreater(first["seconds"], 0)
        self.assertGreaterEqual(first["waited_seconds"], 0)
        self.assertNotIn("error", first)
        self.assertEqual((lines[4]["job"], lines[4]["state"]), (long, "cancelled"))
        self.assertTrue(all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"]) for line in lines))

    def test_without_asking_there_is_no_log(self):
        server = self.serve()
        server.ended(server.post_latent().json["id"])
        server.stop()
        self.assertEqual((server.folder / "server.log").read_text(), "")

    def test_histograms_count_what_happened(self):
        server = self.serve()
        before = self.metrics(server)
        self.assertEqual((before["espalier_job_wait_seconds_count"], before["espalier_queue_oldest_seconds"]), (0, 0))
        for _ in range(2):
            self.assertEqual(server.ended(server.post_latent().json["id"])["state"], "done")
        after = self.metrics(server)
        self.assertEqual((after["espalier_job_wait_seconds_count"], after["espalier_job_run_seconds_count"]), (2, 2))
        self.assertGreater(after["espalier_job_run_seconds_sum"], 0)
        stages = {m[1] for name in after if (m := re.fullmatch(r'espalier_stage_seconds_count\{stage="([^"]+)"\}', name))}
        self.assertIn("decode-gaussians", stages)
        for stage in stages:
            buckets = [value for name, value in after.items() if name.startswith(f'espalier_stage_seconds_bucket{{stage="{stage}",le=')]
            self.assertEqual(buckets, sorted(buckets), "buckets are cumulative")
            self.assertEqual((buckets[-1], after[f'espalier_stage_seconds_count{{stage="{stage}"}}']), (2, 2))

    def test_the_queue_has_an_age(self):
        server = self.serve()
        long = server.post_image({"structure": {"steps": 1000}, "raw_mesh": True}).json["id"]
        waiting = server.post_image().json["id"]
        wait_for(lambda: self.metrics(server)["espalier_queue_oldest_seconds"] > 0.2, "the job to age")
        for job in (waiting, long):
            server.ask("DELETE", f"/v1/jobs/{job}")
        server.ended(long)
        self.assertEqual(self.metrics(server)["espalier_queue_oldest_seconds"], 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
