"""What clients may send as images: masks made by hand, formats that browsers do not show, another model for a job."""
import json
import pathlib
import shutil
import struct
import unittest
import zlib

from studio import Case, IMAGE_FILE, QUICK, ROOT, SharedServerCase

FOREIGN = ROOT / "tests/data/images/foreign"


def png_of(width, height, channels, pixel):
    """pixel(x, y) -> bytes"""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + b"".join(pixel(x, y) for x in range(width)) for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, {1: 0, 3: 2, 4: 6}[channels], 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def rgba_of(png):
    """(width, height, rows of (r, g, b, a)) of a PNG of 8-bit RGBA without interlacing."""
    width, height, depth, kind = struct.unpack(">IIBB", png[16:26])
    assert (depth, kind) == (8, 6), (depth, kind)
    data, at = b"", 8
    while at < len(png):
        size, name = struct.unpack(">I4s", png[at:at + 8])
        if name == b"IDAT":
            data += png[at + 8:at + 8 + size]
        at += size + 12
    raw, stride = zlib.decompress(data), width * 4
    rows, before = [], bytes(stride)
    for y in range(height):
        kind, line = raw[y * (stride + 1)], bytearray(raw[y * (stride + 1) + 1:(y + 1) * (stride + 1)])
        for i in range(stride):
            left, up, corner = line[i - 4] if i >= 4 else 0, before[i], before[i - 4] if i >= 4 else 0
            guess = left + up - corner
            paeth = min((left, up, corner), key=lambda v: (abs(guess - v), (left, up, corner).index(v)))
            line[i] = line[i] + (0, left, up, (left + up) // 2, paeth)[kind] & 255
        before = bytes(line)
        rows.append([tuple(line[i:i + 4]) for i in range(0, stride, 4)])
    return width, height, rows


# A busy image, in which nothing without a mask stands out, and a mask of its middle.
SIDE = 64
BUSY = png_of(SIDE, SIDE, 3, lambda x, y: bytes(((x * 37 + y * 11) % 256, (x * 5 + y * 91) % 256, (x * y) % 256)))
MIDDLE = png_of(SIDE, SIDE, 1, lambda x, y: b"\xff" if 16 <= x < 48 and 20 <= y < 40 else b"\0")


class Masks(SharedServerCase):
    def foreground(self, *parts):
        return self.server.post_parts("/v1/preprocess", [(name, name if name in ("image", "mask") else None, data) for name, data in parts])

    def test_a_mask_is_what_the_networks_see(self):
        answer = self.foreground(("image", BUSY), ("mask", MIDDLE))
        self.assertEqual(answer.status, 200)
        width, height, rows = rgba_of(answer.body)
        self.assertEqual((width, height), (518, 518))
        self.assertEqual(rows[5][259][3], 0)
        self.assertEqual(rows[259][259][3], 255)
        self.assertEqual(json.loads(answer.headers["X-Espalier-Notices"])[0], "alpha channel")

    def test_the_whole_image_keeps_its_colours_and_comes_back_as_a_mask(self):
        answer = self.foreground(("image", BUSY), ("mask", MIDDLE), ("view", b"whole"))
        width, height, rows = rgba_of(answer.body)
        self.assertEqual((width, height), (SIDE, SIDE))
        self.assertEqual(rows[3][5], ((5 * 37 + 3 * 11) % 256, (5 * 5 + 3 * 91) % 256, 15, 0))
        self.assertEqual([rows[30][x][3] for x in (15, 16, 47, 48)], [0, 255, 255, 0])
        again = self.foreground(("image", BUSY), ("mask", answer.body), ("view", b"whole"))
        self.assertEqual(again.body, answer.body)
        plain = self.foreground(("image", BUSY), ("background", b"none"), ("view", b"whole"))
        self.assertEqual({alpha for row in rgba_of(plain.body)[2] for *_, alpha in row}, {255})

    def test_masks_that_make_no_sense(self):
        self.expect_error(self.foreground(("mask", MIDDLE), ("image", BUSY)), 400, "invalid_argument")
        self.expect_error(self.foreground(("image", BUSY), ("mask", MIDDLE), ("mask", MIDDLE)), 400, "invalid_argument")
        wide = png_of(64, 16, 1, lambda x, y: b"\xff")
        answer = self.foreground(("image", BUSY), ("mask", wide))
        self.expect_error(answer, 422, "invalid_argument")
        self.assertIn("the mask", answer.json["error"]["message"])
        self.expect_error(self.foreground(("image", BUSY), ("mask", png_of(64, 64, 1, lambda x, y: b"\0"))), 422, "invalid_argument")
        self.expect_error(self.foreground(("image", BUSY), ("mask", b"no image")), 422, "format")
        self.expect_error(self.foreground(("image", BUSY), ("view", b"half")), 400, "invalid_argument")

    def test_a_job_keeps_the_image_with_its_mask(self):
        parts = [("image", "busy.png", BUSY), ("mask", "mask.png", MIDDLE), ("image", "chair.png", IMAGE_FILE.read_bytes()),
                 ("options", None, json.dumps(QUICK | {"background": "auto", "views": True}).encode())]
        job = self.server.post_parts("/v1/jobs", parts).json
        self.assertEqual(job["options"]["background"], ["alpha", "auto"])
        self.assertEqual([f["name"] for f in job["files"]], ["input-1.png", "input-2.png"])
        _, _, rows = rgba_of(self.server.file(job["id"], "input-1.png").body)
        self.assertEqual([rows[30][x][3] for x in (15, 16, 47, 48)], [0, 255, 255, 0])
        self.assertEqual(self.server.file(job["id"], "input-2.png").body, IMAGE_FILE.read_bytes())
        self.assertEqual(self.server.ended(job["id"])["state"], "done")

    def test_formats_that_people_have(self):
        for name, ending, kind in (("q.heic", "heic", "image/heic"), ("q.avif", "avif", "image/avif"), ("q.gif", "gif", "image/gif"), ("q.tif", "tif", "image/tiff")):
            data = (FOREIGN / name).read_bytes()
            _, _, rows = rgba_of(self.foreground(("image", data), ("background", b"none"), ("view", b"whole")).body)
            self.assertLess(max(abs(a - b) for a, b in zip(rows[28][40], (210, 190, 120, 255))), 6, name)
            job = self.server.post_parts("/v1/jobs", [("image", name, data), ("options", None, json.dumps(QUICK | {"background": "none"}).encode())]).json
            self.assertEqual((job["files"][0]["name"], job["files"][0]["media_type"]), (f"input-1.{ending}", kind))
            self.server.ask("DELETE", f"/v1/jobs/{job['id']}")

    def test_the_demo_model_says_so_and_strangers_are_noticed(self):
        model = self.server.get("/v1/models").json["models"][0]
        self.assertIn("demo model", model["description"])
        self.assertEqual(model["full_model"], "trellis-image-large")
        self.assertGreater(model["weight_bytes"], 10 << 20)
        self.assertGreater(model["memory_bytes"], 10 << 20)
        familiar = self.server.ended(self.server.post_image().json["id"])
        self.assertFalse([n for n in familiar["notices"] if "unlike everything" in n], familiar["notices"])
        stranger = self.server.post_parts("/v1/jobs", [("image", "busy.png", BUSY), ("options", None, json.dumps(QUICK | {"background": "none"}).encode())]).json
        notices = self.server.ended(stranger["id"])["notices"]
        self.assertTrue([n for n in notices if "unlike everything" in n and "espalier pull trellis-image-large" in n], notices)


class Models(Case):
    def test_a_job_names_its_model(self):
        other = pathlib.Path(self.folder.name) / "other-model"
        shutil.copytree(ROOT / "models/sprout", other)
        server = self.serve("--model", str(other))
        models = {m["name"]: m for m in server.get("/v1/models").json["models"]}
        self.assertEqual(list(models)[:2], ["other-model", "sprout"])
        self.assertEqual((models["other-model"]["loaded"], models["sprout"]["loaded"]), (True, False))
        self.assertEqual((models["sprout"]["device"], models["sprout"]["tier"]), (None, None))
        self.assertEqual(models["sprout"]["structure_defaults"], models["other-model"]["structure_defaults"])
        for name in ("sprout", "other-model", None):
            job = server.post_image(QUICK | ({"model": name} if name else {})).json
            wanted = name or "other-model"
            self.assertEqual(job["options"]["model"], wanted)
            self.assertEqual(server.ended(job["id"])["state"], "done")
            loaded = [m["name"] for m in server.get("/v1/models").json["models"] if m["loaded"]]
            self.assertEqual(loaded, [wanted], "weights of one model at a time")
        self.assertEqual(server.metric("espalier_model_loads_total"), 3)
        answer = server.post_image(QUICK | {"model": "nobody's"})
        self.expect_error(answer, 400, "invalid_argument")
        self.assertIn("other-model, sprout", answer.json["error"]["hint"])


if __name__ == "__main__":
    unittest.main()
