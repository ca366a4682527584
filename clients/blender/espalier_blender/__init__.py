"""Espalier in Blender: an image becomes a textured mesh in the scene. The work is done by a server (espalier serve)."""
bl_info = {
    "name": "Espalier",
    "description": "3D assets from images, made by an Espalier server",
    "author": "Espalier",
    "version": (0, 1, 0),
    "blender": (3, 4, 0),
    "location": "3D Viewport > Sidebar > Espalier",
    "category": "Import-Export",
}

import bpy

from . import interface, scene


def register():
    for kind in interface.CLASSES:
        bpy.utils.register_class(kind)
    bpy.types.Scene.espalier = bpy.props.PointerProperty(type=interface.EspalierSettings)


def unregister():
    interface.stop_all()
    del bpy.types.Scene.espalier
    for kind in reversed(interface.CLASSES):
        bpy.utils.unregister_class(kind)


__all__ = ["bl_info", "register", "unregister", "scene"]
