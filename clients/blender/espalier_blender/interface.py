"""Panel, operators, settings."""
import ipaddress
import pathlib
import tempfile
from urllib.parse import urlsplit

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty, StringProperty

if (pathlib.Path(__file__).parent / "espalier").is_dir():
    from . import espalier
else:  # not from the archive but from a checkout: the client is installed beside
    import espalier

from .scene import import_glb

RUNNING = {}  # scene name: the job that runs for it


class EspalierPreferences(bpy.types.AddonPreferences):
    bl_idname = __package__

    url: StringProperty(name="Server", default=espalier.DEFAULT_URL, description="Address of espalier serve")
    api_key: StringProperty(name="Key", subtype="PASSWORD", description="What the server asks for, if it does. "
                            "Blender keeps it with its preferences, unencrypted")

    def draw(self, _context):
        self.layout.prop(self, "url")
        self.layout.prop(self, "api_key")
        self.layout.operator("espalier.test_connection")


class EspalierSettings(bpy.types.PropertyGroup):
    image: StringProperty(name="Image", subtype="FILE_PATH", description="A PNG, JPEG or WebP of one object")
    prompt: StringProperty(name="Prompt", description="What to make, in words, where no image is chosen; needs a server with a "
                           "text model")
    name: StringProperty(name="Name", description="Of the object; empty: that of the image")
    size: FloatProperty(name="Size", default=1.0, min=0.0, soft_max=100.0, unit="LENGTH",
                        description="Largest dimension of the object; 0: as it comes, within one metre")
    seed: IntProperty(name="Seed", default=42, min=0, description="The same seed gives the same asset")
    random_seed: BoolProperty(name="Another seed every time", default=False)
    faces: IntProperty(name="Faces", default=0, min=0, max=espalier.RANGES["faces"][1], description="At most so many; 0: the server's default")
    texture_size: EnumProperty(name="Texture", default="1024", items=[(s, f"{s} x {s}", "") for s in ("512", "1024", "2048", "4096")])
    background: EnumProperty(name="Background", default="auto", items=[
        ("auto", "Automatic", "Alpha channel, network, or a plain background"), ("alpha", "Alpha channel", ""),
        ("none", "None", "The image as it is"), ("plain", "Plain colour", ""), ("network", "Network", "")])
    status: StringProperty(default="")
    progress: FloatProperty(default=0.0, min=0.0, max=100.0, subtype="PERCENTAGE", name="Progress")


def preferences(context):
    return context.preferences.addons[__package__].preferences


def is_local(url):
    host = urlsplit(url if "//" in url else "//" + url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def client_of(context, retries=5):
    chosen = preferences(context)
    if not is_local(chosen.url) and not getattr(bpy.app, "online_access", True):
        raise espalier.EspalierError("forbidden", "Blender is set to stay offline, and the server is on another machine",
                                     "allow online access in Preferences > System")
    return espalier.Client(chosen.url, chosen.api_key or None, retries=retries)


def options_of(settings):
    options = espalier.GenerateOptions(formats=["glb"], texture_size=int(settings.texture_size))
    if settings.image:
        options.background = settings.background
    if not settings.random_seed:
        options.seed = settings.seed
    if settings.faces:
        options.faces = max(settings.faces, 4)
    if settings.name:
        options.name = settings.name
    return options.to_json() | ({"prompt": settings.prompt} if not settings.image else {})


def name_of(settings, path):
    """What the object is called."""
    return settings.name or (path.stem if path is not None else settings.prompt[:60])


def stop_all():
    for job in RUNNING.values():
        job.cancel()
    RUNNING.clear()


class EspalierGenerate(bpy.types.Operator):
    bl_idname = "espalier.generate"
    bl_label = "Generate"
    bl_description = "Sends the image to the server, and imports the mesh that it makes"
    bl_options = {"REGISTER", "UNDO"}

    timer = None

    @classmethod
    def poll(cls, context):
        return context.scene.name not in RUNNING

    def start(self, context):
        """Whether the job was sent off."""
        settings = context.scene.espalier
        path = pathlib.Path(bpy.path.abspath(settings.image)) if settings.image else None
        if path is None and not settings.prompt.strip():
            self.report({"ERROR"}, "There is neither an image nor a prompt: choose one")
            return False
        if path is not None and not path.is_file():
            self.report({"ERROR"}, f"There is no image {path.name}: choose one")
            return False
        try:
            client = client_of(context)
            self.folder = tempfile.TemporaryDirectory(prefix="espalier-")
            self.job = espalier.BackgroundJob(client, [path] if path is not None else [], options_of(settings), self.folder.name)
        except espalier.EspalierError as error:
            self.report({"ERROR"}, str(error))
            return False
        self.object_name = name_of(settings, path)
        self.scene_name = context.scene.name
        RUNNING[self.scene_name] = self.job
        return True

    def finish(self, context):
        """Imports what came; whether something did."""
        settings = context.scene.espalier
        RUNNING.pop(self.scene_name, None)
        settings.status, settings.progress = "", 0.0
        try:
            job, paths = self.job.result()
            import_glb(paths[0], self.object_name, settings.size, context.scene.cursor.location)
        except espalier.JobCancelled:
            self.report({"WARNING"}, "Cancelled")
            return False
        except espalier.EspalierError as error:
            self.report({"ERROR"}, str(error))
            return False
        finally:
            self.folder.cleanup()
        for notice in job.notices:
            self.report({"INFO"}, notice)
        return True

    def execute(self, context):
        """Without a window, as scripts run it: returns when the object is there."""
        if not self.start(context):
            return {"CANCELLED"}
        return {"FINISHED"} if self.finish(context) else {"CANCELLED"}

    def invoke(self, context, _event):
        if bpy.app.background or context.window is None:
            return self.execute(context)
        if not self.start(context):
            return {"CANCELLED"}
        self.timer = context.window_manager.event_timer_add(0.2, window=context.window)
        context.window_manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context, event):
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        settings = context.scene.espalier
        settings.status, settings.progress = self.job.status, 100.0 * self.job.fraction
        for area in context.screen.areas if context.screen else ():
            area.tag_redraw()
        if not self.job.done():
            return {"PASS_THROUGH"}
        context.window_manager.event_timer_remove(self.timer)
        return {"FINISHED"} if self.finish(context) else {"CANCELLED"}

    def cancel(self, _context):
        """Blender ends, or opens another file."""
        RUNNING.pop(self.scene_name, None)
        self.job.cancel()


class EspalierCancel(bpy.types.Operator):
    bl_idname = "espalier.cancel"
    bl_label = "Cancel"
    bl_description = "Stops the job on the server"

    @classmethod
    def poll(cls, context):
        return context.scene.name in RUNNING

    def execute(self, context):
        RUNNING[context.scene.name].cancel()
        return {"FINISHED"}


class EspalierTestConnection(bpy.types.Operator):
    bl_idname = "espalier.test_connection"
    bl_label = "Test the connection"
    bl_description = "Asks the server which model it runs"

    def execute(self, context):
        try:
            models = client_of(context, retries=0).models().models
        except espalier.EspalierError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        self.report({"INFO"}, f"{models[0].name} on {models[0].device}" if models else "The server is still loading its model")
        return {"FINISHED"}


class EspalierPanel(bpy.types.Panel):
    bl_idname = "VIEW3D_PT_espalier"
    bl_label = "Espalier"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Espalier"

    def draw(self, context):
        settings, layout = context.scene.espalier, self.layout
        layout.prop(settings, "image")
        row = layout.row()
        row.enabled = not settings.image
        row.prop(settings, "prompt")
        layout.prop(settings, "background")
        layout.prop(settings, "name")
        layout.prop(settings, "size")
        column = layout.column(align=True)
        row = column.row(align=True)
        row.enabled = not settings.random_seed
        row.prop(settings, "seed")
        column.prop(settings, "random_seed")
        layout.prop(settings, "faces")
        layout.prop(settings, "texture_size")
        if context.scene.name in RUNNING:
            layout.label(text=settings.status or "starting")
            layout.prop(settings, "progress", slider=True)
            layout.operator("espalier.cancel", icon="CANCEL")
        else:
            layout.operator("espalier.generate", icon="MESH_MONKEY")


CLASSES = (EspalierPreferences, EspalierSettings, EspalierGenerate, EspalierCancel, EspalierTestConnection, EspalierPanel)
