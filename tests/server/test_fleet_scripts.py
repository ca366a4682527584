"""The scripts of a fleet alone, as they stand in fleet_scripts.cpp, in a Redis: thousands of steps at random, held against a list."""
import random
import re
import sys
import tempfile
import time
import unittest

from fleet import REDIS, Redis
from studio import ROOT

TEXT = (ROOT / "apps" / "server" / "fleet_scripts.cpp").read_text()
SCRIPTS = dict(re.findall(r'constexpr const char\* k(\w+) = R"\((.*?)\)";', TEXT, re.DOTALL))
LEFT = ("queue", "turns", "places", "exchanged", "moved", "waiting", "trash")
HIGH = 1e15


class Queue:
    """What servers and workers ask of Redis."""

    def __init__(self, redis):
        self.redis, self.count = redis, 0
        redis.ask("FLUSHDB")

    def run(self, name, *arguments):
        return self.redis.ask("EVAL", SCRIPTS["Common"] + SCRIPTS[name], "0", *arguments)

    def add(self, priority="normal", owner="", model="m"):
        self.count += 1
        job = f"{self.count:024x}"
        assert self.run("Add", job, "networks", priority, model, owner, "", "now", "{}", "100000", "", "0", "0", "0", "day", "1", "10", "", "1", "") == ["added", job]
        return job

    def take(self, *models, worker="w", lease=30_000):
        """(id, attempt), or None."""
        given, wrong = self.run("Take", "networks", worker, lease, "now", "3", "{}", *(models or ("m",)))
        assert wrong == [], wrong
        return (given[0], given[1]) if given else None

    def move(self, job, position="", before=""):
        return self.run("Change", job, position, before)

    def order(self):
        return self.redis.ask("ZRANGE", "espalier:waiting:networks", "0", "-1")

    def end(self, job, attempt):
        return self.run("Commit", job, attempt, "done", "now", "{}", "[]", "0")[0]

    def give_back(self, job, attempt):
        return self.run("Release", job, attempt, "w", "1", "3")

    def field(self, job, name):
        return self.redis.ask("HGET", f"espalier:job:{job}", name)

    def place(self, job):
        return float(self.field(job, "place"))

    def left(self):
        return [key for key in self.redis.ask("KEYS", "espalier:*") if key.split(":")[1] in LEFT]


class Order(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="espalier-scripts-")
        cls.redis = Redis(cls.folder.name)

    @classmethod
    def tearDownClass(cls):
        cls.redis.stop()
        cls.folder.cleanup()

    def setUp(self):
        self.queue = Queue(self.redis)

    def step(self, chance, waiting, running):
        """One thing that may happen to the queue, and the same to the list."""
        q, kind = self.queue, chance.random()
        if kind < 0.35 or not waiting:
            priority = chance.choice(("high", "normal", "normal"))
            job = q.add(priority)
            urgent = sum(q.place(other) < HIGH for other in waiting)
            waiting.insert(urgent if priority == "high" else len(waiting), job)
        elif kind < 0.65:
            job, other, to = chance.choice(waiting), chance.choice(waiting), chance.randrange(len(waiting) + 2)
            if chance.random() < 0.5:
                self.assertEqual(q.move(job, position=to), "changed")
                waiting.remove(job)
                waiting.insert(to, job)
            else:
                self.assertEqual(q.move(job, before=other), "changed")
                if other != job:
                    waiting.remove(job)
                    waiting.insert(waiting.index(other), job)
        elif kind < 0.75:
            job = chance.choice(waiting)
            self.assertEqual(q.run("Cancel", job, "now"), "cancelled")
            waiting.remove(job)
        elif kind < 0.9:
            taken = q.take()
            self.assertEqual(taken[0], waiting.pop(0))
            running.append(taken)
        elif running:
            job, attempt = running.pop(chance.randrange(len(running)))
            if chance.random() < 0.5:
                self.assertEqual(q.end(job, attempt), "won")
            else:
                self.assertEqual(q.give_back(job, attempt), "queued")
                place = q.place(job)
                waiting.insert(sum(q.place(other) < place for other in waiting), job)

    def test_jobs_begin_in_the_order_of_the_list(self):
        for seed in range(8):
            with self.subTest(seed=seed):
                self.queue = q = Queue(self.redis)
                chance, waiting, running = random.Random(seed), [], []
                for _ in range(80):
                    self.step(chance, waiting, running)
                    self.assertEqual(q.order(), waiting)
                    for job in waiting:
                        self.assertEqual(q.place(job) < HIGH, q.field(job, "group").split(":")[1] == "high")
                while waiting:
                    taken = q.take()
                    self.assertEqual(taken[0], waiting.pop(0))
                    running.append(taken)
                self.assertEqual([q.end(*taken) for taken in running], ["won"] * len(running))
                self.assertEqual(q.left(), [])

    def test_who_is_moved_to_the_front_is_next_whoever_has_a_turn(self):
        q = self.queue
        names = {q.add(owner=name[0]): name for name in ("a0", "a1", "a2", "b0", "b1", "b2")}
        ids = {name: job for job, name in names.items()}
        self.assertEqual(q.move(ids["b2"], position=0), "changed")
        self.assertEqual([names[q.take()[0]] for _ in names], ["b2", "a0", "b0", "a1", "b1", "a2"])

    def test_an_exchanged_message_is_claimed_for_the_job_that_has_it(self):
        q = self.queue
        a, b, c = q.add(), q.add(), q.add()
        q.move(c, position=0)
        self.assertEqual(q.take(), (c, 1))
        time.sleep(0.02)
        self.assertEqual(q.take(worker="another", lease=10), (c, 2))
        self.assertEqual((q.end(c, 1), q.end(c, 2)), ("won", "lost"))
        self.assertEqual([q.take(), q.take(), q.take()], [(a, 1), (b, 1), None])

    def test_workers_take_jobs_of_their_models_alone(self):
        q = self.queue
        x, y, z = q.add(model="x"), q.add(model="y"), q.add(model="x")
        q.move(z, position=0)
        self.assertEqual([q.take("y"), q.take("x", "y"), q.take("x")], [(y, 1), (z, 1), (x, 1)])

    def test_what_cannot_be_moved_stays(self):
        q = self.queue
        a, b = q.add(), q.add()
        self.assertEqual(q.move(b, before="0" * 24), "before")
        self.assertEqual(q.move("0" * 24, position=0), "none")
        q.take()
        self.assertEqual(q.move(a, position=0), "running")
        self.assertEqual(q.move(b, before=a), "before")
        self.assertEqual(q.order(), [b])


if __name__ == "__main__":
    if REDIS is None:
        print("SKIPPED: the tests of the scripts need redis-server, which is not installed")
        sys.exit(77)
    unittest.main(verbosity=2)
