"""Runs inside Blender: ANSWER FILE...; imports every file into an empty scene and writes what it finds as JSON."""
import json
import pathlib
import sys

import bpy

answer, *files = sys.argv[sys.argv.index("--") + 1:]


def image_of(material):
    """The image that gives the base colour."""
    shader = next(node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    links = shader.inputs["Base Color"].links
    return links[0].from_node.image if links else None


def texel(image, uv):
    x, y = (min(int(t * size), size - 1) for t, size in zip(uv, image.size))  # rows from the bottom
    at = 4 * (y * image.size[0] + x)
    return [round(255 * value) for value in image.pixels[at:at + 3]]


def described(material):
    image = image_of(material)
    shader = next(node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    return {"name": material.name, "colour": list(shader.inputs["Base Color"].default_value),
            "roughness": shader.inputs["Roughness"].default_value,
            "image": None if image is None else {"size": list(image.size), "packed": image.packed_file is not None}}


def described_mesh(thing):
    mesh, world = thing.data, thing.matrix_world
    uvs = mesh.uv_layers[0].data if mesh.uv_layers else None
    materials = [slot.material for slot in thing.material_slots]
    corners = []
    for polygon in mesh.polygons:
        material = materials[polygon.material_index]
        image = image_of(material)
        for loop in polygon.loop_indices:
            uv = list(uvs[loop].uv) if uvs else None
            corners.append({"position": list(world @ mesh.vertices[mesh.loops[loop].vertex_index].co), "uv": uv,
                            "material": material.name, "texel": texel(image, uv) if uv and image else None})
    colours = mesh.color_attributes[0] if len(mesh.color_attributes) else None
    return {"name": thing.name, "vertices": len(mesh.vertices), "polygons": len(mesh.polygons), "corners": corners,
            "materials": [described(m) for m in materials],
            "colours": None if colours is None else
            [[list(mesh.vertices[loop.vertex_index].co), [round(255 * x) for x in colours.data[loop.index].color_srgb[:3]]]
             for loop in mesh.loops]}


found = {"usd": bpy.app.build_options.usd}
for name in files:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    if name.endswith(".fbx"):
        result = bpy.ops.import_scene.fbx(filepath=name)
    elif found["usd"]:
        result = bpy.ops.wm.usd_import(filepath=name)
    else:
        continue
    assert result == {"FINISHED"}, (name, result)
    bpy.context.view_layer.update()
    found[pathlib.Path(name).name] = [described_mesh(thing) for thing in bpy.data.objects if thing.type == "MESH"]
pathlib.Path(answer).write_text(json.dumps(found))
