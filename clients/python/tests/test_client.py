"""The client against a running server: what it does for programs that behave."""
import asyncio
import io
import pathlib
import sys
import tempfile
import threading
import unittest
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "clients" / "python"), str(ROOT / "tests" / "server")]

import espalier  # noqa: E402
from studio import LATENT, IMAGE_FILE, Server  # noqa: E402

KEY = "the-key-of-the-tests"
# The quickest job that ends in an asset.
FROM_LATENT = espalier.GenerateOptions(raw_mesh=True, formats=["glb", "ply"])
# Long enough to be cancelled in the middle.
LONG = {"structure": {"steps": 1000}, "raw_mesh": True}


class ClientCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="espalier-clients-")
        cls.addClassCleanup(cls.folder.cleanup)
        cls.server = Server(cls.folder.name, key=KEY)
        cls.addClassCleanup(cls.server.stop)
        cls.url = f"http://127.0.0.1:{cls.server.port}"
        cls.client = espalier.Client(cls.url, KEY)

    def scratch(self):
        folder = tempfile.TemporaryDirectory(prefix="espalier-clients-")
        self.addCleanup(folder.cleanup)
        return pathlib.Path(folder.name)

    def latent_job(self):
        return self.client.wait(self.client.submit_latent(LATENT, FROM_LATENT))


class Waiting(ClientCase):
    def test_what_there_is(self):
        self.assertEqual(self.client.wait_until_ready(60).status, "ready")
        model = self.client.models().models[0]
        self.assertEqual((model.name, model.untrained), ("sprout", False))
        self.assertGreater(model.structure_defaults.steps, 0)
        self.assertIn("espalier_jobs_total", self.client.metrics())
        self.assertEqual(self.client.url, self.url)

    def test_an_image_becomes_files(self):
        seen = []
        job = self.client.generate(IMAGE_FILE, espalier.GenerateOptions(
            seed=1, structure=espalier.Sampler(steps=1), latent=espalier.Sampler(steps=1), raw_mesh=True, formats=["glb"],
            name="a chair"), on_progress=seen.append)
        self.assertEqual((job.state, job.name, job.kind), ("done", "a chair", "image"))
        self.assertGreater(job.report.faces, 0)
        self.assertGreater(len(seen), 3)
        self.assertEqual([p.fraction for p in seen], sorted(p.fraction for p in seen))
        self.assertTrue(all(p.title and p.phase for p in seen))
        out = self.scratch() / "new" / "folder"
        paths = self.client.download(job, out)
        self.assertEqual([p.name for p in paths], ["asset.glb"])
        self.assertEqual(paths[0].read_bytes()[:4], b"glTF")
        self.assertEqual(sorted(p.name for p in out.iterdir()), ["asset.glb"])  # no halves are left
        self.assertEqual(self.client.fetch(job, "thumbnail.png")[:4], b"\x89PNG")
        self.assertEqual(self.client.save(job, "latent.safetensors", out / "mine.safetensors").stat().st_size,
                         next(f.bytes for f in job.files if f.role == "latent"))
        with self.assertRaisesRegex(espalier.EspalierError, "has no file nothing.glb"):
            self.client.download(job, out, ["nothing.glb"])

    def test_exports_and_lists(self):
        job = self.latent_job()
        other = self.client.wait(self.client.export(job, espalier.ExportOptions(formats=["stl", "mesh.ply"])))
        self.assertEqual((other.kind, other.parent), ("export", job.id))
        self.assertEqual({f.name for f in other.files if f.role == "result"}, {"asset.stl", "asset.mesh.ply"})
        more = [self.client.submit_latent(("my latent", LATENT.read_bytes()), {"raw_mesh": True}) for _ in range(2)]
        ids = [j.id for j in self.client.jobs(limit=4)]
        self.assertEqual(ids, [more[1].id, more[0].id, other.id, job.id])
        for one in more:
            self.client.wait(one)
        self.assertGreaterEqual(len(list(self.client.jobs("done"))), 4)
        self.assertEqual([j.id for j in self.client.jobs(parent=job)], [other.id])
        self.assertNotIn(other.id, [j.id for j in self.client.jobs(kind="assets")])
        self.assertEqual(next(self.client.jobs(kind="exports")).id, other.id)
        changed = self.client.change(job, name="a chair", pinned=True)
        self.assertEqual((changed.name, changed.pinned, self.client.job(job).name), ("a chair", True, "a chair"))
        self.assertFalse(asyncio.run(self.unpinned(job)).pinned)
        self.assertGreaterEqual(self.client.storage().jobs, 4)
        self.client.remove(other)
        self.assertNotIn(other.id, [j.id for j in self.client.jobs()])

    async def unpinned(self, job):
        return await espalier.AsyncClient(self.url, KEY).change(job, pinned=False)

    def test_previews(self):
        by_path = self.client.preprocess(IMAGE_FILE)
        self.assertEqual(by_path.png[:4], b"\x89PNG")
        self.assertTrue(by_path.notices)
        self.assertEqual(self.client.preprocess(IMAGE_FILE.read_bytes(), "alpha").png, by_path.png)

    def test_events_name_what_happens(self):
        job = self.client.submit_latent(LATENT, FROM_LATENT)
        events = list(self.client.events(job))
        self.assertEqual((events[0].name, events[-1].name, events[-1].job.state), ("state", "state", "done"))
        files = {e.file.name for e in events if e.name == "file"}
        self.assertLessEqual({"asset.glb", "asset.ply"}, files)

    def test_errors_say_what_and_what_to_do(self):
        with self.assertRaises(espalier.ApiError) as caught:
            self.client.submit(b"not an image")
        self.assertEqual((caught.exception.status, caught.exception.code), (415, "format"))
        self.assertTrue(caught.exception.hint)
        with self.assertRaises(espalier.ApiError) as caught:
            self.client.submit(IMAGE_FILE, {"colour": "red"})
        self.assertIn("colour", str(caught.exception))
        with self.assertRaises(espalier.ApiError) as caught:
            self.client.job("0" * 24)
        self.assertEqual((caught.exception.status, caught.exception.code), (404, "not_found"))
        with self.assertRaises(espalier.ApiError) as caught:
            espalier.Client(self.url, "another key").models()
        self.assertEqual((caught.exception.status, caught.exception.code), (401, "unauthorized"))
        with self.assertRaisesRegex(espalier.EspalierError, "no such file"):
            self.client.submit("there is no such image.png")
        with self.assertRaisesRegex(espalier.EspalierError, "neither an image nor a prompt"):
            self.client.submit([])

    def test_several_images_are_views_of_one_object(self):
        for options, wanted in ((LONG, True), (LONG | {"views": True}, True)):
            job = self.client.submit([IMAGE_FILE, IMAGE_FILE], options)
            self.addCleanup(self.client.cancel, job)
            self.assertEqual(job.options["views"], wanted)
        with self.assertRaisesRegex(espalier.ApiError, "views of one object"):
            self.client.submit([IMAGE_FILE, IMAGE_FILE], LONG | {"views": False})

    def test_cancelling(self):
        job = self.client.submit(IMAGE_FILE, LONG)
        for event in self.client.events(job):
            if event.progress is not None:
                self.client.cancel(job)
        with self.assertRaises(espalier.JobCancelled) as caught:
            self.client.wait(job)
        self.assertEqual((caught.exception.code, caught.exception.job.state), ("cancelled", "cancelled"))
        done = self.latent_job()
        self.assertEqual(self.client.cancel(done).state, "done")  # and it keeps its files
        self.assertEqual(self.client.job(done).state, "done")

    def test_a_caller_that_gives_up_leaves_no_job_behind(self):
        with self.assertRaises(espalier.WaitTimeout) as caught:
            self.client.generate(IMAGE_FILE, LONG, timeout=0.5)
        self.assertEqual(caught.exception.code, "timeout")
        with self.assertRaises(espalier.JobCancelled):
            self.client.wait(caught.exception.job)

        def enough(progress):
            raise KeyError(progress.stage)
        with self.assertRaises(KeyError):
            self.client.generate(IMAGE_FILE, LONG, on_progress=enough)
        with self.assertRaises(espalier.JobCancelled):
            self.client.wait(next(self.client.jobs()))

    def test_threads_share_a_client(self):
        done = []

        def work():
            done.append(self.client.wait(self.client.submit_latent(LATENT, FROM_LATENT)).id)
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(set(done)), 4)


class Several(ClientCase):
    def test_the_queue(self):
        paused = self.client.pause_queue()
        self.addCleanup(self.client.resume_queue)
        self.assertTrue(paused.paused)
        jobs = [self.client.submit_latent(LATENT, {"raw_mesh": True, "name": name}) for name in "abc"]
        self.client.change(jobs[2], position=0)
        self.client.change(jobs[1], before=jobs[0])
        queue = asyncio.run(espalier.AsyncClient(self.url, KEY).queue())
        self.assertEqual(([job.name for job in queue.jobs], queue.queued, queue.running), (["c", "b", "a"], 3, 0))
        self.assertEqual(len(self.client.queue(limit=1).jobs), 1)
        self.assertEqual([r.result for r in self.client.remove_jobs(jobs[:2]).results], ["cancelled"] * 2)
        self.assertFalse(self.client.resume_queue().paused)
        self.assertEqual(self.client.wait(jobs[2]).state, "done")

    def test_removal_and_archives(self):
        job, out = self.latent_job(), self.scratch()
        with zipfile.ZipFile(self.client.save_archive([job], out / "several.zip")) as archive:
            self.assertEqual({name.rpartition(".")[2] for name in archive.namelist()}, {"glb", "ply"})
        self.assertEqual([path.name for path in out.iterdir()], ["several.zip"])
        everything = asyncio.run(espalier.AsyncClient(self.url, KEY).fetch_archive(job, "all"))
        with zipfile.ZipFile(io.BytesIO(everything)) as archive:
            self.assertGreater(len(archive.namelist()), 2)
        removals = self.client.remove_jobs([job, job.id, "0" * 24])
        self.assertEqual((removals.done, [r.result for r in removals.results]), (1, ["removed", "failed"]))
        self.assertEqual(removals.results[1].error.code, "not_found")
        with self.assertRaisesRegex(espalier.EspalierError, "no job was given"):
            self.client.remove_jobs([])

    def test_jobs_from_json(self):
        request = espalier.JobRequest(latent=espalier.encoded_file(LATENT), options=espalier.GenerateOptions(raw_mesh=True, formats=["ply"]))
        job = self.client.submit_json(request, key="the-same")
        self.assertEqual(asyncio.run(espalier.AsyncClient(self.url, KEY).submit_json(request, key="the-same")).id, job.id)
        ids = [event.id for event in self.client.events(job)]
        self.assertTrue(all(ids))
        self.assertEqual(list(self.client.events(job, after=ids[-1])), [])
        self.client.pause_queue()
        self.addCleanup(self.client.resume_queue)
        form = [self.client.submit_latent(LATENT, FROM_LATENT, key="another") for _ in range(2)]
        self.assertEqual(form[0].id, form[1].id)
        self.client.cancel(form[0])

    def test_one_request_for_an_asset(self):
        request = espalier.GenerationRequest(seed=1, steps=1, params=espalier.GenerateOptions(raw_mesh=True))
        made = self.client.generation(IMAGE_FILE, request, key="one-asset")
        self.assertEqual((made.data[:4], made.media_type, made.answer), (b"glTF", "model/gltf-binary", None))
        self.assertEqual(self.client.job(made.job).state, "done")
        again = asyncio.run(espalier.AsyncClient(self.url, KEY).generation(IMAGE_FILE, request, key="one-asset"))
        self.assertEqual((again.job, again.data), (made.job, made.data))
        with self.assertRaisesRegex(espalier.EspalierError, "neither an image nor a prompt"):
            self.client.generation()

    def test_masks_and_the_document(self):
        whole = self.client.preprocess(IMAGE_FILE, view="whole")
        masked = asyncio.run(espalier.AsyncClient(self.url, KEY).preprocess(IMAGE_FILE, mask=whole.png))
        self.assertNotEqual(masked.png, whole.png)
        self.client.pause_queue()
        self.addCleanup(self.client.resume_queue)
        job = self.client.submit(IMAGE_FILE, masks=[whole.png])
        self.assertEqual(job.options["background"], "alpha")
        self.client.cancel(job)
        with self.assertRaisesRegex(espalier.EspalierError, "2 masks for 1 images"):
            self.client.submit(IMAGE_FILE, masks=[None, None])
        document = self.client.document()
        self.assertEqual({path: method for method, path, _ in espalier.types.OPERATIONS.values() if path not in document["paths"]}, {})


class Background(ClientCase):
    def test_a_job_in_a_thread(self):
        out = self.scratch()
        job = espalier.BackgroundJob(self.client, IMAGE_FILE, {"structure": {"steps": 1}, "latent": {"steps": 1}, "formats": ["spz"]}, out)
        statuses = set()
        while not job.wait(0.01):
            statuses.add(job.status)
        done, paths = job.result()
        self.assertEqual((done.state, paths), ("done", [out / "asset.spz"]))
        self.assertGreater(job.fraction, 0.0)
        self.assertTrue(statuses)
        job.cancel()  # of what has ended: nothing
        self.assertEqual(self.client.job(done).state, "done")

    def test_it_can_be_cancelled_at_any_time(self):
        first = espalier.BackgroundJob(self.client, IMAGE_FILE, LONG, self.scratch())
        second = espalier.BackgroundJob(self.client, IMAGE_FILE, LONG, self.scratch())
        while first.job is None or second.job is None:
            self.assertFalse(first.done() or second.done())
            first.wait(0.01)
        for job in (second, first):  # one that waits, and one that runs
            job.cancel()
            with self.assertRaises(espalier.JobCancelled):
                job.result()
        third = espalier.BackgroundJob(self.client, IMAGE_FILE, LONG, self.scratch())
        third.cancel()  # perhaps before the server has heard of it
        with self.assertRaises(espalier.JobCancelled):
            third.result()

    def test_errors_come_with_the_result(self):
        with self.assertRaises(espalier.ApiError):
            espalier.BackgroundJob(self.client, b"not an image", None, self.scratch()).result()


class Asynchronous(ClientCase):
    def test_tasks_share_a_client(self):
        async def main():
            client = espalier.AsyncClient(self.url, KEY)
            self.assertEqual((await client.wait_until_ready(60)).status, "ready")
            self.assertEqual((await client.models()).models[0].name, "sprout")
            seen = []

            async def watch(progress):
                seen.append(progress.fraction)
            jobs = await asyncio.gather(*(client.submit_latent(LATENT, FROM_LATENT) for _ in range(3)))
            ended = await asyncio.gather(*(client.wait(job, on_progress=watch) for job in jobs))
            self.assertEqual({j.state for j in ended}, {"done"})
            self.assertTrue(seen)
            self.assertLessEqual({j.id for j in jobs}, {j.id async for j in client.jobs()})
            exported = await client.wait(await client.export(ended[0], {"formats": ["stl"]}))
            paths = await client.download(exported, self.scratch())
            self.assertEqual([p.name for p in paths], ["asset.stl"])
            self.assertEqual((await client.fetch(ended[1], "asset.glb"))[:4], b"glTF")
            self.assertEqual((await client.preprocess(IMAGE_FILE)).png[:4], b"\x89PNG")
            names = [event.name async for event in client.events(ended[2])]
            self.assertEqual(names, ["state"])
            await client.remove(exported)
            with self.assertRaises(espalier.ApiError):
                await client.job(exported)
            self.assertIn("espalier_jobs_total", await client.metrics())
        asyncio.run(main())

    def test_a_cancelled_task_cancels_its_job(self):
        async def main():
            client = espalier.AsyncClient(self.url, KEY)
            running = asyncio.Event()
            task = asyncio.ensure_future(client.generate(IMAGE_FILE, LONG, on_progress=lambda _: running.set()))
            await running.wait()
            newest = [job async for job in client.jobs(limit=1)][0]
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task
            with self.assertRaises(espalier.JobCancelled):
                await client.wait(newest)
            with self.assertRaises(espalier.WaitTimeout):
                await client.generate(IMAGE_FILE, LONG, timeout=0.5)
        asyncio.run(main())


if __name__ == "__main__":
    unittest.main(verbosity=2)
