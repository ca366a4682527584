"""The C interface of libespalier for ctypes. Made by generate.py from include/espalier/espalier_c.h; do not edit."""
from __future__ import annotations

import ctypes as c


class espalier_error(c.Structure):
    _fields_ = [
        ("size", c.c_size_t),
        ("code", c.c_int),
        ("message", c.c_char * 1024),
        ("hint", c.c_char * 512),
    ]


class espalier_progress(c.Structure):
    _fields_ = [
        ("size", c.c_size_t),
        ("stage", c.c_int),
        ("step", c.c_int),
        ("steps", c.c_int),
        ("fraction", c.c_double),
        ("seconds_left", c.c_double),
    ]


class espalier_observer(c.Structure):
    _fields_ = [
        ("size", c.c_size_t),
        ("context", c.c_void_p),
        ("progress", c.CFUNCTYPE(None, c.c_void_p, c.POINTER(espalier_progress))),
        ("cancelled", c.CFUNCTYPE(c.c_int, c.c_void_p)),
        ("message", c.CFUNCTYPE(None, c.c_void_p, c.c_char_p)),
        ("partial", c.CFUNCTYPE(None, c.c_void_p, c.c_void_p)),
        ("measure_memory", c.c_int),
    ]


class espalier_options(c.Structure):
    _fields_ = [
        ("size", c.c_size_t),
        ("device", c.c_char_p),
        ("image_encoder", c.c_char_p),
        ("precision", c.c_int),
        ("tier", c.c_int),
        ("memory_limit", c.c_uint64),
        ("text_encoder", c.c_char_p),
    ]


class espalier_image(c.Structure):
    _fields_ = [
        ("size", c.c_size_t),
        ("kind", c.c_int),
        ("path", c.c_char_p),
        ("name", c.c_char_p),
        ("bytes", c.c_void_p),
        ("byte_count", c.c_size_t),
        ("width", c.c_int),
        ("height", c.c_int),
        ("channels", c.c_int),
        ("background", c.c_int),
    ]


class espalier_sampler(c.Structure):
    _fields_ = [
        ("steps", c.c_int),
        ("guidance", c.c_double),
        ("rescale_t", c.c_double),
        ("interval_low", c.c_double),
        ("interval_high", c.c_double),
    ]


class espalier_reuse(c.Structure):
    _fields_ = [
        ("solver", c.c_int),
        ("reuse", c.c_int),
        ("reuse_order", c.c_int),
        ("guidance_reuse", c.c_int),
    ]


class espalier_request(c.Structure):
    _fields_ = [
        ("size", c.c_size_t),
        ("images", c.POINTER(espalier_image)),
        ("image_count", c.c_size_t),
        ("seed", c.c_uint32),
        ("structure", espalier_sampler),
        ("latent", espalier_sampler),
        ("multi_image", c.c_int),
        ("mesh", c.c_int),
        ("gaussians", c.c_int),
        ("radiance_field", c.c_int),
        ("surface", c.c_int),
        ("prompt", c.c_char_p),
        ("negative_prompt", c.c_char_p),
        ("preset", c.c_int),
        ("structure_reuse", espalier_reuse),
        ("latent_reuse", espalier_reuse),
    ]


class espalier_edit_request(c.Structure):
    _fields_ = [
        ("size", c.c_size_t),
        ("region", c.c_char_p),
        ("rim", c.c_int),
        ("resample", c.c_int),
        ("appearance_only", c.c_int),
    ]


class espalier_finish(c.Structure):
    _fields_ = [
        ("size", c.c_size_t),
        ("clean", c.c_int),
        ("fill_holes", c.c_int),
        ("simplify", c.c_double),
        ("faces", c.c_int64),
        ("texture", c.c_int),
        ("texture_size", c.c_int),
        ("bake", c.c_int),
        ("bake_radiance_field", c.c_int),
        ("views", c.c_int),
        ("view_size", c.c_int),
        ("project_image", c.c_int),
        ("watertight", c.c_int),
        ("min_wall_mm", c.c_double),
        ("flat_base_mm", c.c_double),
        ("size_mm", c.c_double),
        ("height_mm", c.c_double),
        ("normal_map", c.c_int),
        ("occlusion_map", c.c_int),
        ("delight", c.c_double),
    ]


class espalier_save_options(c.Structure):
    _fields_ = [
        ("size", c.c_size_t),
        ("size_mm", c.c_double),
        ("texture", c.c_int),
        ("unlit", c.c_int),
        ("name", c.c_char_p),
        ("quantise", c.c_int),
        ("compress", c.c_int),
        ("lods", c.c_int),
        ("max_bytes", c.c_uint64),
        ("origin", c.c_int),
        ("height", c.c_double),
        ("up", c.c_int),
        ("title", c.c_char_p),
    ]


class espalier_mesh_arrays(c.Structure):
    _fields_ = [
        ("size", c.c_size_t),
        ("vertex_count", c.c_size_t),
        ("face_count", c.c_size_t),
        ("positions", c.POINTER(c.c_float)),
        ("normals", c.POINTER(c.c_float)),
        ("uvs", c.POINTER(c.c_float)),
        ("colours", c.POINTER(c.c_float)),
        ("faces", c.POINTER(c.c_int32)),
        ("texture_width", c.c_int),
        ("texture_height", c.c_int),
        ("texture_channels", c.c_int),
        ("texture", c.POINTER(c.c_ubyte)),
    ]


class espalier_gaussian_arrays(c.Structure):
    _fields_ = [
        ("size", c.c_size_t),
        ("count", c.c_size_t),
        ("positions", c.POINTER(c.c_float)),
        ("dc", c.POINTER(c.c_float)),
        ("scales", c.POINTER(c.c_float)),
        ("rotations", c.POINTER(c.c_float)),
        ("opacities", c.POINTER(c.c_float)),
        ("harmonics", c.POINTER(c.c_float)),
        ("harmonic_values", c.c_size_t),
    ]


class espalier_stage_report(c.Structure):
    _fields_ = [
        ("size", c.c_size_t),
        ("stage", c.c_int),
        ("seconds", c.c_double),
        ("weight_bytes", c.c_uint64),
        ("planned_bytes", c.c_uint64),
        ("peak_bytes", c.c_uint64),
        ("process_bytes", c.c_uint64),
    ]


class espalier_mesh_summary(c.Structure):
    _fields_ = [
        ("size", c.c_size_t),
        ("faces", c.c_int64),
        ("vertices", c.c_int64),
        ("components", c.c_int64),
        ("boundary_edges", c.c_int64),
        ("holes", c.c_int64),
        ("non_manifold_edges", c.c_int64),
        ("degenerate_faces", c.c_int64),
        ("duplicate_faces", c.c_int64),
        ("watertight", c.c_int),
        ("consistent_winding", c.c_int),
        ("area", c.c_double),
        ("volume", c.c_double),
        ("low", c.c_double * 3),
        ("high", c.c_double * 3),
        ("handles", c.c_int64),
        ("hidden_share", c.c_double),
        ("crossing_faces", c.c_int64),
        ("crease_length", c.c_double),
    ]


class espalier_gaussian_summary(c.Structure):
    _fields_ = [
        ("size", c.c_size_t),
        ("gaussians", c.c_int64),
        ("harmonics_degree", c.c_int),
        ("unseen", c.c_int64),
        ("mean_opacity", c.c_double),
        ("median_scale", c.c_double),
        ("low", c.c_double * 3),
        ("high", c.c_double * 3),
    ]


class espalier_finish_report(c.Structure):
    _fields_ = [
        ("size", c.c_size_t),
        ("finished", c.c_int),
        ("faces_before", c.c_int64),
        ("faces_after", c.c_int64),
        ("hidden_faces", c.c_int64),
        ("small_faces", c.c_int64),
        ("filled_holes", c.c_int64),
        ("charts", c.c_int),
        ("mean_stretch", c.c_double),
        ("texture_use", c.c_double),
        ("texels_seen", c.c_double),
    ]


class espalier_view(c.Structure):
    _fields_ = [
        ("size", c.c_size_t),
        ("style", c.c_int),
        ("yaw", c.c_double),
        ("pitch", c.c_double),
        ("fov", c.c_double),
        ("distance", c.c_double),
        ("pixels", c.c_int),
        ("opaque", c.c_int),
        ("red", c.c_double),
        ("green", c.c_double),
        ("blue", c.c_double),
        ("unlit", c.c_int),
    ]


# Enumeration: {word: value}.
ENUMS = {
    "espalier_code": {"ok": 0, "invalid_argument": 1, "not_found": 2, "format": 3, "unsupported": 4, "io": 5, "out_of_memory": 6, "device": 7, "cancelled": 8, "internal": 9},
    "espalier_precision": {"auto": 0, "full": 1, "half": 2, "int8": 3, "fp8": 4},
    "espalier_tier": {"auto": 0, "high": 1, "medium": 2, "low": 3},
    "espalier_image_kind": {"in_file": 0, "encoded": 1, "pixels": 2},
    "espalier_background": {"auto": 0, "alpha": 1, "none": 2},
    "espalier_preset": {"checkpoint": 0, "app": 1, "fast": 2},
    "espalier_solver": {"of_preset": 0, "euler": 1, "multistep": 2},
    "espalier_multi_image": {"stochastic": 0, "multidiffusion": 1},
    "espalier_surface": {"solid": 0, "reference": 1},
    "espalier_bake": {"fast": 0, "best": 1},
    "espalier_texture_format": {"png": 0, "jpeg": 1, "webp": 2, "auto": 3},
    "espalier_compression": {"none": 0, "meshopt": 1, "draco": 2},
    "espalier_origin": {"auto": 0, "source": 1, "centre": 2, "bottom": 3},
    "espalier_up_axis": {"auto": 0, "y": 1, "z": 2},
    "espalier_style": {"auto": 0, "textured": 1, "colour": 2, "clay": 3, "normals": 4, "wireframe": 5, "uv_checker": 6, "splats": 7, "radiance_field": 8},
}

# Struct: {member: enumeration}.
WORDS = {
    "espalier_error": {"code": "espalier_code"},
    "espalier_options": {"precision": "espalier_precision", "tier": "espalier_tier"},
    "espalier_image": {"kind": "espalier_image_kind", "background": "espalier_background"},
    "espalier_reuse": {"solver": "espalier_solver"},
    "espalier_request": {"multi_image": "espalier_multi_image", "surface": "espalier_surface", "preset": "espalier_preset"},
    "espalier_finish": {"bake": "espalier_bake"},
    "espalier_save_options": {"texture": "espalier_texture_format", "origin": "espalier_origin", "up": "espalier_up_axis"},
    "espalier_view": {"style": "espalier_style"},
}

# Name: (result, parameters).
FUNCTIONS = {
    "espalier_stage_count": (c.c_int, []),
    "espalier_stage_id": (c.c_char_p, [c.c_int]),
    "espalier_stage_title": (c.c_char_p, [c.c_int]),
    "espalier_stage_phase": (c.c_char_p, [c.c_int]),
    "espalier_stage_from_id": (c.c_int, [c.c_char_p]),
    "espalier_observer_defaults": (None, [c.POINTER(espalier_observer), c.c_size_t]),
    "espalier_options_defaults": (None, [c.POINTER(espalier_options), c.c_size_t]),
    "espalier_version": (c.c_char_p, []),
    "espalier_pipeline_open": (c.c_void_p, [c.c_char_p, c.POINTER(espalier_options), c.POINTER(espalier_error)]),
    "espalier_pipeline_close": (None, [c.c_void_p]),
    "espalier_pipeline_device": (c.c_char_p, [c.c_void_p]),
    "espalier_pipeline_precision": (c.c_char_p, [c.c_void_p]),
    "espalier_pipeline_tier": (c.c_char_p, [c.c_void_p]),
    "espalier_pipeline_untrained": (c.c_int, [c.c_void_p]),
    "espalier_pipeline_takes_text": (c.c_int, [c.c_void_p]),
    "espalier_request_defaults": (None, [c.POINTER(espalier_request), c.c_size_t]),
    "espalier_generate": (c.c_void_p, [c.c_void_p, c.POINTER(espalier_request), c.POINTER(espalier_observer), c.POINTER(espalier_error)]),
    "espalier_vary": (c.c_void_p, [c.c_void_p, c.c_void_p, c.POINTER(espalier_request), c.POINTER(espalier_observer), c.POINTER(espalier_error)]),
    "espalier_edit_request_defaults": (None, [c.POINTER(espalier_edit_request), c.c_size_t]),
    "espalier_edit": (c.c_void_p, [c.c_void_p, c.c_void_p, c.POINTER(espalier_edit_request), c.POINTER(espalier_request), c.POINTER(espalier_observer), c.POINTER(espalier_error)]),
    "espalier_check_prompt": (c.c_int, [c.c_char_p, c.POINTER(espalier_error)]),
    "espalier_decode": (c.c_void_p, [c.c_void_p, c.c_char_p, c.POINTER(espalier_request), c.POINTER(espalier_observer), c.POINTER(espalier_error)]),
    "espalier_check_image": (c.c_int, [c.POINTER(espalier_image), c.POINTER(espalier_error)]),
    "espalier_preprocess": (c.c_void_p, [c.POINTER(espalier_image), c.POINTER(espalier_observer), c.POINTER(espalier_error)]),
    "espalier_asset_load": (c.c_void_p, [c.c_char_p, c.POINTER(espalier_error)]),
    "espalier_asset_as_decoded": (c.c_void_p, [c.c_void_p, c.POINTER(espalier_error)]),
    "espalier_asset_copy": (c.c_void_p, [c.c_void_p]),
    "espalier_asset_free": (None, [c.c_void_p]),
    "espalier_finish_defaults": (None, [c.POINTER(espalier_finish), c.c_size_t]),
    "espalier_asset_finish": (c.c_void_p, [c.c_void_p, c.POINTER(espalier_finish), c.c_char_p, c.POINTER(espalier_observer), c.POINTER(espalier_error)]),
    "espalier_save_options_defaults": (None, [c.POINTER(espalier_save_options), c.c_size_t]),
    "espalier_asset_save": (c.c_int, [c.c_void_p, c.c_char_p, c.POINTER(espalier_save_options), c.POINTER(espalier_error)]),
    "espalier_asset_save_latent": (c.c_int, [c.c_void_p, c.c_char_p, c.POINTER(espalier_error)]),
    "espalier_asset_save_preview": (c.c_int, [c.c_void_p, c.c_char_p, c.POINTER(espalier_error)]),
    "espalier_asset_save_asset": (c.c_int, [c.c_void_p, c.c_char_p, c.POINTER(espalier_error)]),
    "espalier_asset_encode": (c.c_void_p, [c.c_void_p, c.c_char_p, c.POINTER(espalier_save_options), c.POINTER(espalier_error)]),
    "espalier_files_count": (c.c_size_t, [c.c_void_p]),
    "espalier_files_name": (c.c_char_p, [c.c_void_p, c.c_size_t]),
    "espalier_files_bytes": (c.c_void_p, [c.c_void_p, c.c_size_t, c.POINTER(c.c_size_t)]),
    "espalier_files_free": (None, [c.c_void_p]),
    "espalier_asset_vertices": (c.POINTER(c.c_float), [c.c_void_p, c.POINTER(c.c_size_t)]),
    "espalier_asset_colours": (c.POINTER(c.c_float), [c.c_void_p, c.POINTER(c.c_size_t)]),
    "espalier_asset_faces": (c.POINTER(c.c_int32), [c.c_void_p, c.POINTER(c.c_size_t)]),
    "espalier_asset_voxels": (c.POINTER(c.c_int32), [c.c_void_p, c.POINTER(c.c_size_t)]),
    "espalier_asset_resolution": (c.c_int, [c.c_void_p]),
    "espalier_asset_latent": (c.POINTER(c.c_float), [c.c_void_p, c.POINTER(c.c_size_t)]),
    "espalier_asset_gaussian_count": (c.c_int64, [c.c_void_p]),
    "espalier_asset_mesh": (c.c_int, [c.c_void_p, c.POINTER(espalier_mesh_arrays), c.c_size_t, c.POINTER(espalier_error)]),
    "espalier_asset_gaussians": (c.c_int, [c.c_void_p, c.POINTER(espalier_gaussian_arrays), c.c_size_t, c.POINTER(espalier_error)]),
    "espalier_asset_stage_reports": (c.c_size_t, [c.c_void_p]),
    "espalier_asset_stage_report": (c.c_int, [c.c_void_p, c.c_size_t, c.POINTER(espalier_stage_report), c.c_size_t, c.POINTER(espalier_error)]),
    "espalier_asset_notice_count": (c.c_size_t, [c.c_void_p]),
    "espalier_asset_notice": (c.c_char_p, [c.c_void_p, c.c_size_t]),
    "espalier_asset_record_count": (c.c_size_t, [c.c_void_p]),
    "espalier_asset_record_key": (c.c_char_p, [c.c_void_p, c.c_size_t]),
    "espalier_asset_record_value": (c.c_char_p, [c.c_void_p, c.c_size_t]),
    "espalier_asset_mesh_summary": (c.c_int, [c.c_void_p, c.POINTER(espalier_mesh_summary), c.c_size_t, c.POINTER(espalier_error)]),
    "espalier_asset_gaussian_summary": (c.c_int, [c.c_void_p, c.POINTER(espalier_gaussian_summary), c.c_size_t, c.POINTER(espalier_error)]),
    "espalier_asset_finish_report": (c.c_int, [c.c_void_p, c.POINTER(espalier_finish_report), c.c_size_t, c.POINTER(espalier_error)]),
    "espalier_view_defaults": (None, [c.POINTER(espalier_view), c.c_size_t]),
    "espalier_asset_render_view": (c.c_int, [c.c_void_p, c.c_char_p, c.POINTER(espalier_view), c.c_char_p, c.POINTER(espalier_observer), c.POINTER(espalier_error)]),
    "espalier_asset_render_turntable": (c.c_int, [c.c_void_p, c.c_char_p, c.POINTER(espalier_view), c.c_double, c.c_int, c.c_char_p, c.POINTER(espalier_observer), c.POINTER(espalier_error)]),
    "espalier_asset_render_contact_sheet": (c.c_int, [c.c_void_p, c.c_char_p, c.POINTER(espalier_view), c.c_int, c.c_char_p, c.POINTER(espalier_observer), c.POINTER(espalier_error)]),
    "espalier_can_write_mp4": (c.c_int, []),
}
