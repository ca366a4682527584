"""Runs inside Blender: ARCHIVE URL KEY IMAGE ANSWER. Installs the add-on, uses it, and writes what it found as JSON."""
import json
import pathlib
import sys

import bpy

archive, url, key, image, answer = sys.argv[sys.argv.index("--") + 1:]
NAME = "espalier_blender"
found = {}


def failing():
    """The text that the operator reports as an error."""
    try:
        bpy.ops.espalier.generate()
    except RuntimeError as error:
        return str(error)
    return ""


bpy.ops.preferences.addon_install(filepath=archive)
bpy.ops.preferences.addon_enable(module=NAME)
interface = sys.modules[f"{NAME}.interface"]
assert interface.espalier.__name__ == f"{NAME}.espalier", "the client is that of the archive"
preferences = bpy.context.preferences.addons[NAME].preferences
settings = bpy.context.scene.espalier

found["no image"] = failing()
settings.prompt = "a red chair"
preferences.url, preferences.api_key = url, key
found["prompt"] = failing()
settings.image = image
preferences.url, preferences.api_key = url, "some-other-key"
found["wrong key"] = failing()
preferences.api_key = key

before = set(bpy.data.objects)
settings.name, settings.size, settings.seed, settings.faces, settings.texture_size = "Chair 1", 2.5, 7, 1500, "512"
bpy.context.scene.cursor.location = (1.0, 2.0, 3.0)
results = sorted(bpy.ops.espalier.generate())
(made,) = set(bpy.data.objects) - before
low, high = sys.modules[f"{NAME}.scene"].bounds([made])
images = [node.image for node in made.data.materials[0].node_tree.nodes if node.type == "TEX_IMAGE"]
found["object"] = {"results": results, "name": made.name, "mesh": made.data.name, "dimensions": list(made.dimensions), "low": list(low),
                   "high": list(high), "faces": len(made.data.polygons), "texture": list(images[0].size)}
client = interface.client_of(bpy.context)
found["options"] = next(client.jobs(limit=1)).options

settings.name = ""
found["unnamed"] = interface.name_of(settings, pathlib.Path(image))

# A window's loop asks the job how far it is; here this script does.
options = interface.options_of(settings) | {"structure": {"steps": 1000}}
job = interface.espalier.BackgroundJob(client, [pathlib.Path(image)], options, pathlib.Path(answer).parent / "cancelled")
interface.RUNNING[bpy.context.scene.name] = job
assert not interface.EspalierGenerate.poll(bpy.context)
statuses = set()
while job.fraction == 0.0 and not job.wait(0.05):
    statuses.add(job.status)
bpy.ops.espalier.cancel()
try:
    job.result()
    found["cancelled"] = {"error": "none"}
except interface.espalier.EspalierError as error:
    found["cancelled"] = {"error": type(error).__name__, "job": job.job.id, "statuses": sorted(statuses)}
interface.RUNNING.clear()

models = client.models().models
found["connection"] = models[0].name if bpy.ops.espalier.test_connection() == {"FINISHED"} else ""
preferences.url = "http://127.0.0.1:1"
interface.espalier.Client.__init__.__kwdefaults__["retries"] = 0
interface.client_of.__defaults__ = (0,)
found["no server"] = failing()

bpy.ops.preferences.addon_disable(module=NAME)
found["after"] = {"scene": hasattr(bpy.types.Scene, "espalier"), "operator": "generate" in dir(bpy.ops.espalier)}
pathlib.Path(answer).write_text(json.dumps(found))
