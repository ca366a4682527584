"""Runs inside Blender: ANSWER FILE...; imports every file into an empty scene and writes its faces, and the colours in their middles, as
JSON. Of a file without faces it writes the points."""
import json
import pathlib
import sys

import bpy
import numpy as np

np.bool = bool  # Debian's Blender 3.4 uses this name, which its NumPy 1.24 no longer has
answer, *files = sys.argv[sys.argv.index("--") + 1:]
IMPORT = {".glb": lambda f: bpy.ops.import_scene.gltf(filepath=f), ".gltf": lambda f: bpy.ops.import_scene.gltf(filepath=f),
          ".obj": lambda f: bpy.ops.wm.obj_import(filepath=f), ".fbx": lambda f: bpy.ops.import_scene.fbx(filepath=f),
          ".stl": lambda f: bpy.ops.import_mesh.stl(filepath=f), ".ply": lambda f: bpy.ops.import_mesh.ply(filepath=f)}


def image_of(material):
    shader = next((node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED"), None) if material else None
    node = shader.inputs["Base Color"].links[0].from_node if shader and shader.inputs["Base Color"].links else None
    while node is not None and node.type != "TEX_IMAGE":  # nodes that mix the texture with a factor
        links = [link for socket in node.inputs for link in socket.links if link.from_node.type in ("TEX_IMAGE", "MIX", "MIX_RGB")]
        node = links[0].from_node if links else None
    return node.image if node else None


def faces_of(thing, positions, colours):
    mesh, world = thing.data, thing.matrix_world
    mesh.calc_loop_triangles()
    image = image_of(mesh.materials[0]) if mesh.materials else None
    pixels = None
    if image is not None and image.size[0] > 0:
        pixels = np.empty(4 * image.size[0] * image.size[1], np.float32)
        image.pixels.foreach_get(pixels)
        pixels = pixels.reshape(image.size[1], image.size[0], 4)
    uvs = mesh.uv_layers[0].data if mesh.uv_layers else None
    painted = mesh.color_attributes[0] if len(mesh.color_attributes) else None
    for triangle in mesh.loop_triangles:
        for vertex in triangle.vertices:
            positions += [float(x) for x in world @ mesh.vertices[vertex].co]
        if uvs is not None and pixels is not None:
            u, v = (sum(uvs[loop].uv[k] for loop in triangle.loops) / 3 for k in (0, 1))
            x, y = (min(max(int(t * size), 0), size - 1) for t, size in ((u, image.size[0]), (v, image.size[1])))
            colours += [round(255 * float(c)) for c in pixels[y, x, :3]]
        elif painted is not None:
            at = triangle.loops if painted.domain == "CORNER" else triangle.vertices
            colours += [255 * sum(painted.data[i].color_srgb[k] for i in at) / 3 for k in range(3)]


found = {}
for name in files:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    positions, colours, points = [], [], []
    try:
        assert IMPORT[pathlib.Path(name).suffix](name) == {"FINISHED"}
        bpy.context.view_layer.update()
        for thing in bpy.data.objects:
            if thing.type == "MESH":
                faces_of(thing, positions, colours)
                if not thing.data.polygons:
                    points += [float(x) for vertex in thing.data.vertices for x in thing.matrix_world @ vertex.co]
        found[pathlib.Path(name).name] = ({"mesh": {"positions": positions, "colours": colours}} if positions else
                                          {"points": {"positions": points, "colours": []}})
    except Exception as error:  # what an importer may raise is anybody's guess
        found[pathlib.Path(name).name] = {"error": f"{type(error).__name__}: {error}"}
pathlib.Path(answer).write_text(json.dumps(found))
