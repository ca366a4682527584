"""Other details for a mesh, and a part of an asset made anew."""
import json
import math
import struct
import unittest

from studio import LATENT, IMAGE_FILE, QUICK, SharedServerCase

OTHER = IMAGE_FILE.parent / "12-mushroom.png"
TOP = "box:-0.5,-0.5,0,0.5,0.5,0.5"
SIDE = 64


def ball(rings=12, around=16):
    """An OBJ."""
    lines = ["v 0 0 1", "v 0 0 -1"]
    for i in range(1, rings):
        for k in range(around):
            a, b = math.pi * i / rings, 2 * math.pi * k / around
            lines.append(f"v {math.sin(a) * math.cos(b)} {math.sin(a) * math.sin(b)} {math.cos(a)}")
    at = lambda ring, k: 3 + ring * around + k % around
    for k in range(around):
        lines += [f"f 1 {at(0, k)} {at(0, k + 1)}", f"f 2 {at(rings - 2, k + 1)} {at(rings - 2, k)}"]
        for ring in range(rings - 2):
            lines.append(f"f {at(ring, k)} {at(ring + 1, k)} {at(ring + 1, k + 1)} {at(ring, k + 1)}")
    return "\n".join(lines).encode()


def tensor(data, name):
    """(rows as bytes) of a safetensors file."""
    size = struct.unpack("<Q", data[:8])[0]
    entry = json.loads(data[8:8 + size])[name]
    first, last = entry["data_offsets"]
    rows = entry["shape"][0]
    width = (last - first) // rows
    return [data[8 + size + first + i * width:8 + size + first + (i + 1) * width] for i in range(rows)]


def latents(data):
    """Latent by voxel."""
    return {struct.unpack("<4i", c)[1:]: f for c, f in zip(tensor(data, "coords"), tensor(data, "feats"))}


class Variants(SharedServerCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.made = cls.server.ended(cls.server.post_image().json["id"])
        cls.asset = cls.server.file(cls.made["id"], "asset.safetensors").body

    def post(self, options, **parts):
        """parts: bytes of a file, (name, bytes), or text."""
        fields = []
        for name, value in parts.items():
            filename, data = value if isinstance(value, tuple) else (None if isinstance(value, str) else f"{name}.bin", value)
            fields.append((name, filename, data.encode() if isinstance(data, str) else data))
        return self.server.post_parts("/v1/jobs", fields + [("options", None, json.dumps(options).encode())])

    def done(self, answer):
        self.assertEqual(answer.status, 202, answer.body)
        job = self.server.ended(answer.json["id"])
        self.assertEqual((job["state"], job["error"]), ("done", None))
        return job

    def refused(self, words, options, status=400, code="invalid_argument", **parts):
        before = len(self.server.jobs())
        answer = self.post(options, **parts)
        self.expect_error(answer, status, code)
        error = answer.json["error"]
        for word in words:
            self.assertIn(word, error["message"] + " | " + error["hint"])
        self.assertNotIn("\n", error["message"])
        self.assertNotIn(self.shared_folder.name, error["message"])
        self.assertEqual(len(self.server.jobs()), before)

    def test_a_mesh_gets_other_details(self):
        job = self.done(self.post(QUICK, mesh=("my ball.obj", ball()), image=("chair.png", IMAGE_FILE.read_bytes())))
        self.assertEqual((job["kind"], job["name"], job["parent"]), ("variant", "my ball", None))
        roles = {f["name"]: f["role"] for f in job["files"]}
        self.assertEqual((roles["mesh.obj"], roles["input-1.png"]), ("source", "input"))
        self.assertIn("cutout.png", roles)
        self.assertEqual(self.server.file(job["id"], "mesh.obj").body, ball())
        self.assertNotIn("region", job["options"])
        # Its voxels are those of a ball that fills the cube, whatever the image shows.
        voxels = latents(self.server.file(job["id"], "asset.safetensors").body)
        self.assertGreater(len(voxels), 5000)
        for voxel in voxels:
            self.assertLess(abs(math.dist([c + 0.5 - SIDE / 2 for c in voxel], (0, 0, 0)) - SIDE / 2), 2.0)

    def test_a_given_mesh_is_kept(self):
        options = QUICK | {"raw_mesh": False, "keep_mesh": True, "texture_size": 512, "bake": "fast"}
        job = self.done(self.post(options, mesh=("ball.obj", ball()), image=("chair.png", IMAGE_FILE.read_bytes())))
        self.assertTrue(job["options"]["keep_mesh"])
        self.assertEqual(job["report"]["faces"], 2 * 16 + 10 * 16 * 2)

    def test_a_part_is_made_anew(self):
        options = QUICK | {"region": TOP, "rim": 1, "seed": 5}
        job = self.done(self.post(options, parent=self.made["id"], image=("mushroom.png", OTHER.read_bytes())))
        self.assertEqual((job["kind"], job["name"], job["parent"]), ("edit", self.made["name"], self.made["id"]))
        self.assertEqual([job["options"][k] for k in ("region", "rim", "resample", "appearance_only")], [TOP, 1, 1, False])
        self.assertEqual({f["name"] for f in job["files"] if f["role"] == "source"}, {"source.safetensors"})
        data = self.server.file(job["id"], "asset.safetensors").body
        before, after = latents(self.asset), latents(data)
        self.assertEqual(*({v: f for v, f in of.items() if v[2] < SIDE // 2 - 1} for of in (before, after)))
        self.assertNotEqual(*({v: f for v, f in of.items() if v[2] >= SIDE // 2} for of in (before, after)))
        # The same of the file instead of the job, and what was made once more.
        same = self.done(self.post(options, asset=("chair.safetensors", self.asset), image=("mushroom.png", OTHER.read_bytes())))
        self.assertEqual((same["parent"], same["name"]), (None, "chair"))
        self.assertEqual(self.server.file(same["id"], "asset.safetensors").body, data)
        listed = "".join(f"{x} {y} {z}\n" for x, y, z in after if z < SIDE // 4)
        again = self.done(self.post(QUICK | {"appearance_only": True, "rim": 0}, asset=data, voxels=listed.encode(),
                                    image=("mushroom.png", OTHER.read_bytes())))
        last = latents(self.server.file(again["id"], "asset.safetensors").body)
        self.assertEqual(last.keys(), after.keys())
        self.assertEqual({v for v in after if last[v] != after[v]}, {v for v in after if v[2] < SIDE // 4})
        found = self.server.get(f"/v1/jobs?parent={self.made['id']}&kind=assets").json["jobs"]
        self.assertIn(job["id"], [j["id"] for j in found])

    def test_a_job_keeps_what_it_is_made_of(self):
        first = self.server.ended(self.server.post_image().json["id"])
        options = QUICK | {"region": TOP}
        blocker = self.server.post_image().json["id"]
        answer = self.post(options, parent=first["id"], image=("mushroom.png", OTHER.read_bytes()))
        self.server.ask("DELETE", f"/v1/jobs/{first['id']}")
        self.server.ended(blocker)
        self.done(answer)

    def test_requests_that_contradict_themselves(self):
        image = ("chair.png", IMAGE_FILE.read_bytes())
        mesh, asset = ("ball.obj", ball()), ("a.safetensors", self.asset)
        edit = QUICK | {"region": TOP}
        self.refused(["no image was sent", "prompt"], QUICK, mesh=mesh)
        self.refused(["no image was sent"], edit, asset=asset)
        self.refused(["mesh and asset", "send one of them"], edit, image=image, mesh=mesh, asset=asset)
        self.refused(["asset and parent"], edit, image=image, asset=asset, parent=self.made["id"])
        self.refused(["latent and mesh"], QUICK, latent=LATENT.read_bytes(), mesh=mesh)
        self.refused(["no region was sent", "box:"], QUICK, image=image, asset=asset)
        self.refused(["no asset was sent", "parent"], edit, image=image)
        self.refused(["no asset was sent"], QUICK | {"rim": 3}, image=image)
        self.refused(["no asset was sent"], QUICK, image=image, voxels=b"0 0 0")
        self.refused(["a region and a list of voxels"], edit, image=image, asset=asset, voxels=b"0 0 0")
        self.refused(["one of the server", "the part voxels"], QUICK | {"region": "voxels:/etc/passwd"}, image=image, asset=asset)
        self.refused(["keep_mesh", "without a mesh"], QUICK | {"raw_mesh": False, "keep_mesh": True}, image=image)
        self.refused(["project_image"], edit | {"project_image": True}, image=image, asset=asset)
        self.refused(["makes assets from images"], edit | {"prompt": "a hat"}, status=422, asset=asset)
        self.refused(["images and a prompt"], edit | {"prompt": "a hat"}, image=image, asset=asset)
        self.refused(["rim must be"], edit | {"rim": 17}, image=image, asset=asset)
        for region in ("box:0,0,0,1", "ball:0,0,0,1", "sphere:0,0,0,-1", "box:0,0,0,1,1,nan"):
            self.refused([region], QUICK | {"region": region}, image=image, asset=asset)

    def test_sources_that_are_not_what_they_should_be(self):
        image = ("chair.png", IMAGE_FILE.read_bytes())
        edit = QUICK | {"region": TOP}
        self.refused(["the file is a saved latent"], edit, status=422, code="unsupported", image=image, asset=LATENT.read_bytes())
        self.refused(["the asset"], edit, status=422, code="format", image=image, asset=b"nothing of the kind")
        self.refused(["the file is a saved asset"], QUICK, status=422, code="unsupported", latent=self.asset)
        for mesh in (b"", b"\0" * 99, b"v 0 0 0\nf 1 2 3\n", self.asset):
            self.refused(["the mesh"], QUICK, status=422, code="format", image=image, mesh=("a.obj", mesh))
        self.refused(["the voxels, line 2", "x y z"], QUICK, status=422, image=image, asset=self.asset, voxels=b"0 0 0\na b c\n")
        for parent in ("0" * 24, "../..", "x"):
            answer = self.post(edit, image=image, parent=parent)
            self.expect_error(answer, 404, "not_found")

    def test_jobs_that_cannot_be_done_say_why(self):
        image = ("chair.png", IMAGE_FILE.read_bytes())
        for options, parts, words in (
                (QUICK | {"region": "box:0.48,0.48,0.48,0.5,0.5,0.5"}, {"asset": self.asset}, ["lies outside the asset", "box:"]),
                (QUICK, {"asset": self.asset, "voxels": b"0 0 64"}, ["voxel 0 0 64 lies outside the grid", "region.txt"]),
                (QUICK, {"mesh": ("flat.obj", b"v 0 0 0\nv 0 0 0\nv 0 0 0\nf 1 2 3\n")}, ["mesh"])):
            answer = self.post(options, image=image, **parts)
            self.assertEqual(answer.status, 202, answer.body)
            job = self.server.ended(answer.json["id"])
            self.assertEqual(job["state"], "failed")
            text = job["error"]["message"] + " | " + job["error"]["hint"]
            for word in words:
                self.assertIn(word, text)
            self.assertNotIn(self.shared_folder.name, text)


if __name__ == "__main__":
    unittest.main()
