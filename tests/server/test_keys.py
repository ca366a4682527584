"""Keys of people (--keys): who may do what, who sees what, and how much."""
import json
import os
import pathlib
import subprocess
import time
import unittest

from studio import PATIENCE, IMAGE_FILE, PROGRAM, QUICK, Case, multipart, wait_for

MASTER = "the-one-key-of-the-server"


def new_key(name, *options):
    process = subprocess.run([PROGRAM, "key", "new", name, *options], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    line, = process.stdout.splitlines()
    return process.stderr.splitlines()[-1], line


class KeyCase(Case):
    def people(self, *more, **lines):
        """Serves with a key for each: {name: options of the key}."""
        self.file = pathlib.Path(self.folder.name) / "keys"
        self.keys, text = {}, "# who may use the server\n\n"
        for name, options in lines.items():
            self.keys[name], line = new_key(name, *options)
            text += line + "\n"
        self.file.write_text(text)
        return self.serve("--keys", str(self.file), *more, key=MASTER)

    def ask(self, server, who, method, path, body=None, **headers):
        headers = {"Content-Type": "application/json"} | headers | {"Authorization": f"Bearer {self.keys.get(who, who)}"}
        answer = server.raw(method, path, body, headers)
        self.assertEqual(server.schema.check(method, path, answer), [])
        return answer

    def post(self, server, who, options=None, **headers):
        kind, body = multipart([("image", "chair.png", IMAGE_FILE.read_bytes()), ("options", None, json.dumps(options or QUICK).encode())])
        return self.ask(server, who, "POST", "/v1/jobs", body, **headers | {"Content-Type": kind})

    def status(self, *question, **more):
        return self.ask(*question, **more).status


class Keys(KeyCase):
    def test_a_key_is_shown_once_and_kept_as_a_hash(self):
        key, line = new_key("anna", "--scopes", "submit,read,admin", "--jobs-a-day", "5", "--queue-share", "0.25")
        entry = json.loads(line)
        self.assertEqual((entry["name"], entry["scopes"], entry["jobs_a_day"], entry["queue_share"]), ("anna", ["submit", "read", "admin"], 5, 0.25))
        self.assertNotIn(key, line)
        self.assertNotEqual(new_key("anna")[0], key)
        for arguments in (["new"], ["old", "anna"], ["new", "a b"], ["new", ""], ["new", "anna", "--scopes", "all"]):
            self.assertNotEqual(subprocess.run([PROGRAM, "key", *arguments], capture_output=True).returncode, 0, arguments)

    def test_a_damaged_file_names_its_line(self):
        _, line = new_key("anna")
        good = json.loads(line)
        for text, words in (("{", "line 1"), (line + "\n" + line, "line 2: the name anna comes twice"), (json.dumps(good | {"salt": "00"}), "salt"),
                            (json.dumps(good | {"scopes": ["all"]}), "scopes"), (json.dumps(good | {"sha256": "00"}), "sha256"),
                            (json.dumps(good | {"quota": 1}), "quota"), (json.dumps(good | {"jobs_a_day": 0}), "jobs_a_day"),
                            (json.dumps(good | {"queue_share": 2}), "queue_share"), ("x" * (1 << 20), "1 MiB")):
            file = pathlib.Path(self.folder.name) / "keys"
            file.write_text(text + "\n")
            process = subprocess.run([PROGRAM, "serve", "--port", "0", "--keys", str(file), "--data", self.folder.name + "/d"], capture_output=True, text=True, timeout=PATIENCE)
            self.assertEqual(process.returncode, 1)
            self.assertIn(words, process.stderr)

    def test_everybody_sees_what_is_his(self):
        server = self.people("--log", "json", anna=[], bert=[], chief=["--scopes", "admin"])
        made = {who: self.post(server, who).json["id"] for who in ("anna", "bert", MASTER)}
        for job in made.values():
            server.ended(job)
        anna, bert, master = made.values()
        owners = {job["id"]: job.get("owner") for job in server.jobs()}
        self.assertEqual(owners, {anna: "anna", bert: "bert", master: None})
        listed = lambda who, query="": [job["id"] for job in self.ask(server, who, "GET", "/v1/jobs" + query).json["jobs"]]
        self.assertEqual(listed("anna"), [anna])
        self.assertEqual(set(listed("chief")), set(made.values()))
        export = self.ask(server, "anna", "POST", f"/v1/jobs/{anna}/exports", json.dumps({"formats": ["stl"]}))
        self.assertEqual((export.status, export.json["owner"]), (202, "anna"))
        server.ended(export.json["id"])
        self.assertEqual(set(listed("anna")), {anna, export.json["id"]})
        for path in (f"/v1/jobs/{anna}", f"/v1/jobs/{anna}/files/asset.glb", f"/v1/jobs/{anna}/events", f"/v1/jobs?parent={anna}", f"/v1/jobs?before={anna}"):
            self.assertEqual((self.status(server, "bert", "GET", path), self.status(server, "anna", "GET", path)), (404, 200), path)
        for method, path, body in (("DELETE", f"/v1/jobs/{anna}", None), ("PATCH", f"/v1/jobs/{anna}", '{"name": "mine"}'),
                                   ("POST", f"/v1/jobs/{anna}/exports", '{"formats": ["stl"]}')):
            self.assertEqual(self.status(server, "bert", method, path, body), 404)
        kind, body = multipart([("parent", None, anna.encode()), ("image", "a.png", IMAGE_FILE.read_bytes()), ("options", None, b'{"region": "sphere:0,0,0,0.2"}')])
        self.assertEqual(self.status(server, "bert", "POST", "/v1/jobs", body, **{"Content-Type": kind}), 404)
        self.assertEqual(self.status(server, "chief", "PATCH", f"/v1/jobs/{anna}", '{"pinned": true}'), 200)
        # The same Idempotency-Key of two people is two.
        again = [self.post(server, who, **{"Idempotency-Key": "same"}).json["id"] for who in ("anna", "bert", "anna")]
        self.assertEqual((again[0], len(set(again))), (again[2], 2))
        self.assertEqual(self.status(server, "nobody", "GET", "/v1/jobs"), 401)
        for job in again:
            server.ended(job)
        server.stop()
        lines = [json.loads(line) for line in (server.folder / "server.log").read_text().splitlines() if line.startswith("{")]
        audit = [(line["key"], line["method"], line["path"], line["status"]) for line in lines if line["event"] == "request"]
        self.assertIn(("bert", "DELETE", f"/v1/jobs/{anna}", 404), audit)
        self.assertIn(("chief", "PATCH", f"/v1/jobs/{anna}", 200), audit)
        self.assertIn(("", "GET", "/v1/jobs", 401), audit)
        self.assertIn("anna", {line.get("key") for line in lines if line["event"] == "job_started"})
        for key in self.keys.values():
            self.assertNotIn(key, (server.folder / "server.log").read_text())
        # Owners stay theirs when the database is lost.
        for path in (server.folder / "data").glob("espalier.db*"):
            path.unlink()
        server = self.serve("--keys", str(self.file), key=MASTER)
        self.assertEqual({job["id"]: job.get("owner") for job in server.jobs()}[anna], "anna")

    def test_scopes(self):
        server = self.people(reader=["--scopes", "read"], sender=["--scopes", "submit"], chief=["--scopes", "admin"])
        self.assertEqual(self.post(server, "reader").status, 403)
        self.assertEqual(self.status(server, "reader", "GET", "/v1/jobs"), 200)
        self.assertEqual(self.status(server, "sender", "GET", "/v1/jobs"), 403)
        job = self.post(server, "sender").json["id"]
        self.assertEqual(self.status(server, "sender", "GET", f"/v1/jobs/{job}"), 403)
        for who, wanted in (("reader", 403), ("sender", 403), ("chief", 200), (MASTER, 200)):
            self.assertEqual(self.status(server, who, "GET", "/metrics"), wanted)
            self.assertEqual(self.status(server, who, "GET", "/v1/models"), 200)
            self.assertEqual(self.status(server, who, "GET", "/v1/queue"), 403 if who == "sender" else 200)
        self.assertEqual(self.status(server, "sender", "PATCH", "/v1/queue", '{"paused": true}'), 403)
        self.assertEqual(self.status(server, "reader", "POST", "/v1/unknown"), 403)

    def test_the_queue_shows_what_is_his(self):
        server = self.people(anna=[], bert=[], chief=["--scopes", "admin"])
        self.assertEqual(self.status(server, "chief", "PATCH", "/v1/queue", '{"paused": true}'), 200)
        made = {who: self.post(server, who).json["id"] for who in ("anna", "bert")}
        seen = {who: self.ask(server, who, "GET", "/v1/queue").json for who in ("anna", "bert", "chief")}
        self.assertEqual({who: [job["id"] for job in queue["jobs"]] for who, queue in seen.items()},
                         {"anna": [made["anna"]], "bert": [made["bert"]], "chief": [made["anna"], made["bert"]]})
        self.assertEqual([(queue["paused"], queue["queued"], queue["running"]) for queue in seen.values()], [(True, 2, 0)] * 3)
        self.assertEqual(seen["bert"]["jobs"][0]["position"], 1)  # others count, though he does not see them

    def test_limits(self):
        server = self.people("--max-queue", "10", anna=["--jobs-a-day", "2"], bert=["--queue-share", "0.2"])
        jobs = [self.post(server, "anna") for _ in range(3)]
        self.assertEqual([job.status for job in jobs], [202, 202, 429])
        self.assertEqual(jobs[2].json["error"]["code"], "quota_exceeded")
        self.assertLessEqual(int(jobs[2].headers["Retry-After"]), 86401)
        server.ended(jobs[0].json["id"])
        self.assertEqual(self.status(server, "anna", "DELETE", f"/v1/jobs/{jobs[0].json['id']}"), 204)
        self.assertEqual(self.post(server, "anna").status, 429)  # what was removed was sent all the same
        self.assertEqual(self.status(server, "anna", "POST", f"/v1/jobs/{server.ended(jobs[1].json['id'])['id']}/exports", '{"formats": ["stl"]}'), 202)
        slow = QUICK | {"structure": {"steps": 1000}}
        first = self.post(server, "bert", slow).json["id"]
        wait_for(lambda: server.job(first)["state"] == "running", "the job to run")
        self.assertEqual([self.post(server, "bert", slow).status for _ in range(3)], [202, 202, 429])
        self.assertEqual(server.post_image().status, 202)  # others go on
        for job in server.jobs():
            if job["state"] in ("queued", "running"):
                server.ask("DELETE", f"/v1/jobs/{job['id']}")

    def test_the_file_is_read_again(self):
        server = self.people(anna=[])
        self.keys["new"], line = new_key("new")
        self.assertEqual(self.status(server, "new", "GET", "/v1/jobs"), 401)
        old = self.file.read_text()
        self.file.write_text(old + line + "\n")
        wait_for(lambda: self.status(server, "new", "GET", "/v1/jobs") == 200, "the new key")
        self.file.write_text(old + line + "\n{damaged\n")
        time.sleep(0.6)
        self.assertEqual(self.status(server, "anna", "GET", "/v1/jobs"), 200)
        self.file.write_text(line + "\n")
        wait_for(lambda: self.status(server, "anna", "GET", "/v1/jobs") == 401, "the key to go")
        self.assertEqual(self.status(server, "new", "GET", "/v1/jobs"), 200)
        server.stop()
        self.assertIn("the keys stay as they were", (server.folder / "server.log").read_text())


if __name__ == "__main__":
    unittest.main()
