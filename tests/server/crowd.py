"""Clients under whom servers and workers are killed: what they see of their jobs, and what servers weigh meanwhile."""
import hashlib
import http.client
import json
import pathlib
import random
import threading
import time

from studio import latent_of, multipart

ENDED = ("done", "failed", "cancelled")


def resident(pid):
    """MiB of memory that a process has, or None when it is gone."""
    try:
        return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 / 2**20
    except (FileNotFoundError, ProcessLookupError):
        return None


class Crowd:
    """So many clients, each of whom sends jobs one after another, waits for the end of each and fetches what it made. `servers` gives those
    that there are; a client whose request fails sends it again with the same key. Exceptions of clients are in `failures`."""

    def __init__(self, servers, jobs, clients):
        self.servers, self.each = servers, jobs // clients
        self.ended = {}  # id: what the client saw last, and the states before
        self.made = {}   # (latent, name of a file): hashes of what came
        self.failures = []
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.run, args=(number,), daemon=True) for number in range(clients)]
        for thread in self.threads:
            thread.start()

    def alive(self):
        return any(thread.is_alive() for thread in self.threads)

    def run(self, number):
        try:
            chance = random.Random(number)
            for i in range(self.each):
                self.one(chance, i, f"client-{number}-{i}")
        except BaseException as problem:  # whatever it is, it is the test's result
            self.failures.append(f"client {number}: {problem!r}")

    def patiently(self, chance, ask, wanted, others):
        """The answer of any server with a wanted status, however often it takes."""
        while True:
            answer = None
            try:
                answer = ask(chance.choice(self.servers()))
            except (OSError, http.client.HTTPException):
                pass  # killed, or not yet there again
            if answer is not None:
                if answer.status in wanted:
                    return answer
                assert answer.status in others, (answer.status, answer.body)
            time.sleep(0.2)

    def one(self, chance, seed, key):
        kind, content = multipart([("latent", "small.safetensors", latent_of(seed)), ("options", None, json.dumps({"formats": ["ply"], "raw_mesh": True}).encode())])
        headers = {"Content-Type": kind, "Idempotency-Key": key}
        job = self.patiently(chance, lambda s: s.ask("POST", "/v1/jobs", content, headers), (202,), (429, 503)).json["id"]
        states = []
        while True:
            seen = self.patiently(chance, lambda s: s.get(f"/v1/jobs/{job}"), (200,), (503,)).json
            if not states or states[-1] != seen["state"]:
                states.append(seen["state"])
            if seen["state"] in ENDED:
                break
            time.sleep(0.2)
        with self.lock:
            assert job not in self.ended, f"two requests made one job: {job}"
            self.ended[job] = (seen, states)
        if seen["state"] == "done":
            for file in seen["files"]:
                body = self.patiently(chance, lambda s: s.file(job, file["name"]), (200,), (503,)).body
                assert len(body) == file["bytes"], (job, file["name"], len(body), file["bytes"])
                with self.lock:
                    if file["role"] == "result":
                        self.made.setdefault((seed, file["name"]), set()).add(hashlib.sha256(body).hexdigest())

    def check(self, test, jobs, server):
        """Each job ended once, ends have stayed what they were, and what is made of the same is the same. Returns how many are done and how
        many were given up."""
        test.assertEqual(self.failures, [])
        test.assertEqual(len(self.ended), jobs)
        listed = {job["id"]: job for job in server.jobs()}
        test.assertEqual(set(listed), set(self.ended))
        for job, (seen, states) in self.ended.items():
            test.assertEqual((listed[job]["state"], listed[job]["finished"]), (seen["state"], seen["finished"]))
            test.assertEqual([s for s in states if s in ENDED], [seen["state"]])
            if seen["state"] != "done":
                test.assertEqual((seen["state"], seen["error"]["code"]), ("failed", "interrupted"))
        test.assertEqual({what: len(hashes) for what, hashes in self.made.items() if len(hashes) != 1}, {})
        done = sum(seen["state"] == "done" for seen, _ in self.ended.values())
        return done, jobs - done


class Scale:
    """What processes weigh, look after look."""

    def __init__(self):
        self.looks = {}

    def look(self, pids):
        for pid in pids:
            if (size := resident(pid)) is not None:
                self.looks.setdefault(pid, []).append(size)

    def series(self, least=12):
        """Of each process that was seen often enough: MiB in the second quarter of its life, and in the last."""
        for sizes in self.looks.values():
            if len(sizes) >= least:
                quarter = len(sizes) // 4
                yield max(sizes[quarter:2 * quarter]), max(sizes[-quarter:])
