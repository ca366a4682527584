"""From a GLB file to objects of the scene."""
import contextlib

import bpy
import mathutils
import numpy


@contextlib.contextmanager
def old_names_of_numpy():
    """The importer of Blender 3.4 says numpy.bool, which the NumPy that Debian 12 has beside it has no more."""
    missing = "bool" not in numpy.__dict__
    if missing:
        numpy.bool = bool
    try:
        yield
    finally:
        if missing:
            del numpy.bool


def bounds(objects):
    """(low, high) of the meshes of the objects, in the coordinates of the scene."""
    corners = [o.matrix_world @ mathutils.Vector(corner) for o in objects if o.type == "MESH" for corner in o.bound_box]
    if not corners:
        return None
    return (mathutils.Vector(map(min, *corners)), mathutils.Vector(map(max, *corners)))


def import_glb(path, name, size, location):
    """Imports the file. Its objects are called `name`, their largest dimension is `size` (0: as in the file), and the middle of
    their base is at `location`. Returns the objects that have no parent."""
    before = set(bpy.data.objects)
    with old_names_of_numpy():
        bpy.ops.import_scene.gltf(filepath=str(path))
    imported = [o for o in bpy.data.objects if o not in before]
    roots = [o for o in imported if o.parent is None]
    bpy.context.view_layer.update()
    box = bounds(imported)
    if box is not None:
        low, high = box
        factor = size / max(high - low) if size > 0 and max(high - low) > 0 else 1.0
        base = mathutils.Vector(((low.x + high.x) / 2, (low.y + high.y) / 2, low.z))
        move = mathutils.Matrix.Translation(location) @ mathutils.Matrix.Scale(factor, 4) @ mathutils.Matrix.Translation(-base)
        for root in roots:
            root.matrix_world = move @ root.matrix_world
    for thing in roots:
        thing.name = name
        if thing.type == "MESH":
            thing.data.name = name
    bpy.context.view_layer.update()
    return roots
