"""Many clients at once, and many jobs one after another."""
import os
import statistics
import threading
import unittest

from studio import QUICK, Case, latent_of, wait_for

CLIENTS = 50
JOBS_EACH = 4
SERIES = int(os.environ.get("ESPALIER_TEST_SERIES", "80"))
IMAGES = os.environ.get("ESPALIER_TEST_IMAGES")  # instead of small latents: "quick" images of other seeds, or whole jobs


class Load(Case):
    def test_many_clients_lose_nothing(self):
        server = self.serve("--max-queue", "200")
        slow = server.post_image({"structure": {"steps": 1000}, "latent": {"steps": 1000}}).json["id"]
        wait_for(lambda: server.job(slow)["progress"], "the slow job to work")
        server.patch("/v1/queue", {"paused": True})  # however long clients take, nothing begins behind it
        accepted, heard, failures = [], {}, []
        lock = threading.Lock()

        def client(number):
            try:
                mine = []
                for i in range(JOBS_EACH):
                    answer = server.post_latent({"name": f"{number}-{i}"})
                    assert answer.status == 202, answer.body
                    mine.append(answer.json["id"])
                    server.get("/v1/jobs?limit=5")
                with lock:
                    accepted.extend(mine)
                # All but the last are taken back; the last is heard of until it ends.
                for job in mine[:-1]:
                    assert server.ask("DELETE", f"/v1/jobs/{job}").json["state"] == "cancelled"
                ends = [data["state"] for name, data in server.events(mine[-1]) if name == "state"]
                with lock:
                    heard[mine[-1]] = ends
            except Exception as error:  # whatever it is, it is the test's result
                failures.append(f"client {number}: {error!r}")

        threads = [threading.Thread(target=client, args=(n,)) for n in range(CLIENTS)]
        for thread in threads:
            thread.start()
        wait_for(lambda: len(accepted) == CLIENTS * JOBS_EACH or failures, "all jobs to be accepted")
        self.assertEqual(failures, [])
        self.assertGreaterEqual(server.metric('espalier_jobs{state="queued"}'), CLIENTS - 1)
        server.patch("/v1/queue", {"paused": False})
        server.ask("DELETE", f"/v1/jobs/{slow}")
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])
        self.assertEqual(len(set(accepted)), CLIENTS * JOBS_EACH)
        jobs = server.jobs()
        self.assertEqual({j["id"] for j in jobs}, set(accepted) | {slow})
        self.assertEqual(len(jobs), CLIENTS * JOBS_EACH + 1)
        states = [j["state"] for j in jobs]
        self.assertEqual((states.count("done"), states.count("cancelled")), (CLIENTS, CLIENTS * (JOBS_EACH - 1) + 1))
        self.assertTrue(all(ends[-1] == "done" and ends.count("running") <= 2 for ends in heard.values()), heard)
        names = [j["name"] for j in jobs if j["id"] != slow]
        self.assertEqual(len(set(names)), CLIENTS * JOBS_EACH)
        finished = [j["finished"] for j in reversed(jobs) if j["state"] == "done"]
        self.assertEqual(finished, sorted(finished))  # first come, first served
        self.assertEqual(server.metric('espalier_jobs_total{state="done"}'), CLIENTS)

    @unittest.skipIf("ESPALIER_SANITIZED" in os.environ, "sanitizers keep freed memory")
    def test_memory_stays_flat(self):
        server = self.serve("--keep-size", "0.5")
        sizes = []
        for seed in range(SERIES):
            image = (QUICK if IMAGES == "quick" else {}) | {"seed": seed}
            answer = server.post_image(image) if IMAGES else server.post_latent({"formats": ["glb", "ply"]}, latent_of(seed))
            self.assertEqual(server.ended(answer.json["id"])["state"], "done")
            sizes.append(server.metric("espalier_resident_bytes"))
        # What is kept for shapes that come again, up to a bound, is all there after some jobs; sizes of jobs differ.
        early, late = statistics.median(sizes[20:40]), statistics.median(sizes[-20:])
        print(f"resident memory: job 10 {sizes[9] / 2**20:.1f} MiB, median of jobs 20 to 40 {early / 2**20:.1f} MiB, "
              f"of the last 20 of {SERIES} {late / 2**20:.1f} MiB, after the last {sizes[-1] / 2**20:.1f} MiB")
        self.assertLess(late, 1.05 * early)


if __name__ == "__main__":
    unittest.main(verbosity=2)
