/* Espalier for C and for languages that call C: images or words in, 3D assets out. A whole program is examples/generate.c:
 *
 *   espalier_error error = ESPALIER_ERROR_INIT;
 *   espalier_pipeline* pipeline = espalier_pipeline_open("models/sprout", NULL, &error);
 *   espalier_image image = ESPALIER_IMAGE_FILE("chair.png");
 *   espalier_request request;
 *   espalier_request_defaults(&request, sizeof request);
 *   request.images = &image;
 *   request.image_count = 1;
 *   espalier_asset* asset = espalier_generate(pipeline, &request, NULL, &error);
 *   if (asset == NULL || espalier_asset_save(asset, "chair.glb", NULL, &error) != ESPALIER_OK) puts(error.message);
 *   espalier_asset_free(asset);
 *   espalier_pipeline_close(pipeline);
 *
 * Text is UTF-8. A function that fails returns NULL or a code other than ESPALIER_OK and fills `error`, which may be NULL.
 * Objects are freed by their own function, which takes NULL too. A pipeline does one job at a time; use one per thread. What
 * the values mean is said in espalier.h. Device names, where a function takes one, may be NULL for "auto".
 *
 * Binary interface: every struct begins with its size, which its _defaults function or its _INIT macro sets. A library takes
 * structs of programs that were compiled against an older header of the same major version: fields that those do not know
 * have their defaults, and are not written. A size that is larger than the library knows, or smaller than the first version's,
 * is refused with ESPALIER_INVALID_ARGUMENT. Fields are only added at the end, enumerators never change their numbers. */
#ifndef ESPALIER_C_H
#define ESPALIER_C_H

/* C knows no other names of these. NOLINTBEGIN(modernize-deprecated-headers) */
#include <stddef.h>
#include <stdint.h>
/* NOLINTEND(modernize-deprecated-headers) */

#include "espalier/export.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct espalier_pipeline espalier_pipeline;
typedef struct espalier_asset espalier_asset;
typedef struct espalier_files espalier_files;

/* ---- Errors */

typedef enum espalier_code {
  ESPALIER_OK = 0,
  ESPALIER_INVALID_ARGUMENT, /* the caller asked for something that cannot be done */
  ESPALIER_NOT_FOUND,        /* a file, folder or tensor that must exist does not */
  ESPALIER_FORMAT,           /* bytes of an input do not mean what they should */
  ESPALIER_UNSUPPORTED,      /* understood, and deliberately refused by name */
  ESPALIER_IO,               /* the operating system refused to read or write */
  ESPALIER_OUT_OF_MEMORY,    /* host or device memory is not enough */
  ESPALIER_DEVICE,           /* a CUDA call failed */
  ESPALIER_CANCELLED,        /* the caller asked to stop */
  ESPALIER_INTERNAL          /* a broken invariant: a bug in the library */
} espalier_code;

/* One line each, cut off where they are longer. Set it to ESPALIER_ERROR_INIT before its first use; it may be used again. */
typedef struct espalier_error {
  size_t size;
  espalier_code code;
  char message[1024]; /* what went wrong, and where */
  char hint[512];     /* what to do; may be empty */
} espalier_error;
#define ESPALIER_ERROR_INIT                         \
  {                                                 \
    sizeof(espalier_error), ESPALIER_OK, {0}, { 0 } \
  }

/* ---- Stages, as in stages.h: numbers from 0 to espalier_stage_count() - 1. Texts live for ever; NULL for other numbers. */

ESPALIER_API int espalier_stage_count(void);
ESPALIER_API const char* espalier_stage_id(int stage);    /* "sample-structure"; stable */
ESPALIER_API const char* espalier_stage_title(int stage); /* "sampling the sparse structure"; for people */
ESPALIER_API const char* espalier_stage_phase(int stage); /* "structure" */
ESPALIER_API int espalier_stage_from_id(const char* id);  /* -1 for an unknown id */

/* ---- Watching */

typedef struct espalier_progress {
  size_t size;
  int stage;
  int step, steps;     /* inside the stage */
  double fraction;     /* of the whole job, 0 ... 1 */
  double seconds_left; /* estimate; negative while unknown */
} espalier_progress;

/* Called on the thread that runs the job; any may be NULL. `context` is handed through. */
typedef struct espalier_observer {
  size_t size;
  void* context;
  void (*progress)(void* context, const espalier_progress* progress);
  int (*cancelled)(void* context); /* not 0: stop soon with ESPALIER_CANCELLED */
  void (*message)(void* context, const char* line);
  /* What exists so far. The asset lives until the function returns; espalier_asset_copy keeps it. */
  void (*partial)(void* context, const espalier_asset* asset);
  int measure_memory; /* not 0: fill in process_bytes of the stages, see Observer::measure_memory */
} espalier_observer;
ESPALIER_API void espalier_observer_defaults(espalier_observer* observer, size_t size);

/* ---- Pipelines */

typedef enum espalier_precision {
  ESPALIER_PRECISION_AUTO = 0,
  ESPALIER_PRECISION_FULL,
  ESPALIER_PRECISION_HALF,
  ESPALIER_PRECISION_INT8,
  ESPALIER_PRECISION_FP8
} espalier_precision;
typedef enum espalier_tier {
  ESPALIER_TIER_AUTO = 0,
  ESPALIER_TIER_HIGH,
  ESPALIER_TIER_MEDIUM,
  ESPALIER_TIER_LOW
} espalier_tier;

typedef struct espalier_options {
  size_t size;
  const char* device;        /* "auto", "cpu", "cuda" or "cuda:N"; NULL: "auto" */
  const char* image_encoder; /* DINOv2 weights; NULL: looked for beside the checkpoint */
  int precision;             /* an espalier_precision */
  int tier;                  /* an espalier_tier */
  uint64_t memory_limit;     /* bytes of device memory to stay within when the tier is chosen; 0: what is free */
  const char* text_encoder;  /* CLIP weights of a text checkpoint; NULL: looked for */
} espalier_options;
ESPALIER_API void espalier_options_defaults(espalier_options* options, size_t size);

ESPALIER_API const char* espalier_version(void);

/* `options` may be NULL. */
ESPALIER_API espalier_pipeline* espalier_pipeline_open(const char* checkpoint, const espalier_options* options,
                                                       espalier_error* error);
ESPALIER_API void espalier_pipeline_close(espalier_pipeline* pipeline);
/* Texts live as long as the pipeline. */
ESPALIER_API const char* espalier_pipeline_device(const espalier_pipeline* pipeline);    /* "cpu (16 cores)" */
ESPALIER_API const char* espalier_pipeline_precision(const espalier_pipeline* pipeline); /* "float32" */
ESPALIER_API const char* espalier_pipeline_tier(const espalier_pipeline* pipeline);      /* "high" */
/* Not 0 when the checkpoint says that its weights were never trained. */
ESPALIER_API int espalier_pipeline_untrained(const espalier_pipeline* pipeline);
/* Not 0 when the checkpoint makes assets from a prompt, else from images. */
ESPALIER_API int espalier_pipeline_takes_text(const espalier_pipeline* pipeline);

/* ---- What to generate */

typedef enum espalier_image_kind {
  ESPALIER_IMAGE_IN_FILE = 0, /* `path` */
  ESPALIER_IMAGE_ENCODED,     /* `bytes`: those of a PNG, JPEG or WebP file */
  ESPALIER_IMAGE_PIXELS       /* `bytes`: height * width * channels sRGB bytes, rows from the top, RGB or RGBA */
} espalier_image_kind;
typedef enum espalier_background {
  ESPALIER_BACKGROUND_AUTO = 0, /* use alpha if there is any, else remove a plain background */
  ESPALIER_BACKGROUND_ALPHA,    /* use the alpha channel; an image without one is refused */
  ESPALIER_BACKGROUND_NONE      /* take the image as it is */
} espalier_background;

/* Bytes are read until the function that takes the image returns. */
typedef struct espalier_image {
  size_t size;
  int kind;         /* an espalier_image_kind */
  const char* path; /* of a file */
  const char* name; /* of bytes, for messages; NULL: "the image" */
  const void* bytes;
  size_t byte_count;
  int width, height, channels; /* of pixels */
  int background;              /* an espalier_background */
} espalier_image;
#define ESPALIER_IMAGE_FILE(file_path) \
  { sizeof(espalier_image), ESPALIER_IMAGE_IN_FILE, (file_path), NULL, NULL, 0, 0, 0, 0, ESPALIER_BACKGROUND_AUTO }

/* Zero steps and negative numbers stand for the preset's own values. A part of espalier_request, so without a size. */
typedef struct espalier_sampler {
  int steps;
  double guidance;
  double rescale_t;
  double interval_low, interval_high; /* both or neither */
} espalier_sampler;

/* What both samplers take what a request leaves open from. */
typedef enum espalier_preset { ESPALIER_PRESET_CHECKPOINT = 0, ESPALIER_PRESET_APP, ESPALIER_PRESET_FAST } espalier_preset;
typedef enum espalier_solver {
  ESPALIER_SOLVER_OF_PRESET = 0,
  ESPALIER_SOLVER_EULER,
  ESPALIER_SOLVER_MULTISTEP
} espalier_solver;
/* How a sampler uses velocities again: SamplerRequest. Zeros, and a negative order, stand for the preset's own values. */
typedef struct espalier_reuse {
  int solver; /* an espalier_solver */
  int reuse;
  int reuse_order;
  int guidance_reuse;
} espalier_reuse;

typedef enum espalier_multi_image { ESPALIER_STOCHASTIC = 0, ESPALIER_MULTIDIFFUSION } espalier_multi_image;

typedef enum espalier_surface {
  ESPALIER_SURFACE_SOLID = 0, /* the surface of the solid that the voxels are the shell of: closed, nothing inside */
  ESPALIER_SURFACE_REFERENCE  /* TRELLIS's rule: what no voxel covers is outside */
} espalier_surface;
typedef struct espalier_request {
  size_t size;
  const espalier_image* images; /* several: views of one object */
  size_t image_count;
  uint32_t seed;
  espalier_sampler structure, latent;  /* first and second stage */
  int multi_image;                     /* an espalier_multi_image */
  int mesh, gaussians, radiance_field; /* what to decode */
  int surface;                         /* an espalier_surface */
  const char* prompt;                  /* of a text checkpoint, instead of images; NULL: none */
  const char* negative_prompt;         /* what guidance leads away from; NULL: the empty text */
  int preset;                          /* an espalier_preset */
  espalier_reuse structure_reuse, latent_reuse;
} espalier_request;
/* Seed 42, the checkpoint's samplers, mesh and Gaussians. */
ESPALIER_API void espalier_request_defaults(espalier_request* request, size_t size);

ESPALIER_API espalier_asset* espalier_generate(espalier_pipeline* pipeline, const espalier_request* request,
                                               const espalier_observer* observer, espalier_error* error);
/* Other details for the mesh of `shape`, which the images or the prompt say: Pipeline::vary. */
ESPALIER_API espalier_asset* espalier_vary(espalier_pipeline* pipeline, const espalier_asset* shape,
                                           const espalier_request* request, const espalier_observer* observer,
                                           espalier_error* error);
/* The part of an asset that espalier_edit makes anew: EditRequest. */
typedef struct espalier_edit_request {
  size_t size;
  const char* region;  /* "box:x0,y0,z0,x1,y1,z1", "sphere:x,y,z,r" or "voxels:FILE" */
  int rim;             /* voxels around it whose details may change */
  int resample;        /* times that every sampling step is made */
  int appearance_only; /* not 0: the structure stays */
} espalier_edit_request;
/* No region, a rim of 2, every step once. */
ESPALIER_API void espalier_edit_request_defaults(espalier_edit_request* part, size_t size);
/* A part of `asset` made anew for the images or the prompt; what is outside stays bit for bit: Pipeline::edit. */
ESPALIER_API espalier_asset* espalier_edit(espalier_pipeline* pipeline, const espalier_asset* asset,
                                           const espalier_edit_request* part, const espalier_request* request,
                                           const espalier_observer* observer, espalier_error* error);
/* ESPALIER_OK for a prompt that can be encoded; quick, and needs no checkpoint. */
ESPALIER_API espalier_code espalier_check_prompt(const char* prompt, espalier_error* error);
/* Decodes what espalier_asset_save_latent wrote; of the request only what to decode matters. */
ESPALIER_API espalier_asset* espalier_decode(espalier_pipeline* pipeline, const char* latent, const espalier_request* request,
                                             const espalier_observer* observer, espalier_error* error);
/* ESPALIER_OK for an image that can be decoded; quick, and needs no checkpoint. */
ESPALIER_API espalier_code espalier_check_image(const espalier_image* image, espalier_error* error);
/* The foreground that generation would condition on, as a set of one PNG file; notices are reported to the observer. */
ESPALIER_API espalier_files* espalier_preprocess(const espalier_image* image, const espalier_observer* observer,
                                                 espalier_error* error);

/* ---- Assets */

/* What a file holds: an asset of espalier_asset_save_asset, a mesh or Gaussians. */
ESPALIER_API espalier_asset* espalier_asset_load(const char* path, espalier_error* error);
/* The asset without what finishing made, so that the mesh is saved as decoded. */
ESPALIER_API espalier_asset* espalier_asset_as_decoded(const espalier_asset* asset, espalier_error* error);
/* Shares the data; NULL of NULL, or when there is no memory. */
ESPALIER_API espalier_asset* espalier_asset_copy(const espalier_asset* asset);
ESPALIER_API void espalier_asset_free(espalier_asset* asset);

typedef enum espalier_bake { ESPALIER_BAKE_FAST = 0, ESPALIER_BAKE_BEST } espalier_bake;

/* How the decoded mesh becomes one that people use: FinishRequest. */
typedef struct espalier_finish {
  size_t size;
  int clean, fill_holes;   /* not 0: interior faces, small pieces and duplicates go; holes are closed */
  double simplify;         /* share of the faces that goes, in [0, 1) */
  int64_t faces;           /* 0: as simplify says; else at most so many faces */
  int texture;             /* not 0: unwrap and bake, which needs the Gaussians */
  int texture_size;        /* texels on a side */
  int bake;                /* an espalier_bake */
  int bake_radiance_field; /* not 0: bake from the radiance field, which must be decoded */
  int views, view_size;    /* that are baked, and pixels on a side of each */
  int project_image;       /* not 0: blend the input images into the texture */
  int watertight;          /* not 0, for print: closed and free of faces that pass through each other */
  double min_wall_mm;      /* with watertight: thinner walls become that thick; 0: as they are */
  double flat_base_mm;     /* with watertight: so much of the bottom is cut off */
  double size_mm;          /* largest dimension of the finished object, on which these two are measured */
  double height_mm;        /* its height instead; 0: size_mm counts */
  int normal_map;          /* not 0: bake normals of the decoded surface, in tangent space */
  int occlusion_map;       /* not 0: bake ambient occlusion */
  double delight;          /* so much of the light in the texture's colours is divided out */
} espalier_finish;
/* 5 % of the faces, a texture of 1024 x 1024. */
ESPALIER_API void espalier_finish_defaults(espalier_finish* finish, size_t size);
/* A new asset whose mesh is finished as asked, which is what is then saved and drawn; `asset` stays as it is. Observer and
 * error may be NULL. */
ESPALIER_API espalier_asset* espalier_asset_finish(const espalier_asset* asset, const espalier_finish* finish,
                                                   const char* device, const espalier_observer* observer,
                                                   espalier_error* error);

typedef enum espalier_texture_format {
  ESPALIER_TEXTURE_PNG = 0,
  ESPALIER_TEXTURE_JPEG,
  ESPALIER_TEXTURE_WEBP,
  ESPALIER_TEXTURE_AUTO /* jpeg in GLB and glTF, webp in those that are compressed, png in other files */
} espalier_texture_format;

typedef enum espalier_compression {
  ESPALIER_COMPRESSION_NONE = 0,
  ESPALIER_COMPRESSION_MESHOPT, /* EXT_meshopt_compression */
  ESPALIER_COMPRESSION_DRACO    /* KHR_draco_mesh_compression */
} espalier_compression;

/* The point of an asset that lies at the origin of its file: as Origin in espalier.h. */
typedef enum espalier_origin {
  ESPALIER_ORIGIN_AUTO = 0,
  ESPALIER_ORIGIN_SOURCE,
  ESPALIER_ORIGIN_CENTRE,
  ESPALIER_ORIGIN_BOTTOM
} espalier_origin;

typedef enum espalier_up_axis { ESPALIER_UP_AUTO = 0, ESPALIER_UP_Y, ESPALIER_UP_Z } espalier_up_axis;

typedef struct espalier_save_options {
  size_t size;
  double size_mm;     /* largest dimension of an STL or 3MF */
  int texture;        /* an espalier_texture_format */
  int unlit;          /* not 0, GLB and glTF: colours as they are, without light */
  const char* name;   /* of files in memory, without ending; NULL: "asset" */
  int quantise;       /* not 0, GLB and glTF of finished meshes: numbers of 16 and 8 bits (KHR_mesh_quantization) */
  int compress;       /* GLB and glTF: an espalier_compression */
  int lods;           /* GLB and glTF: levels of detail */
  uint64_t max_bytes; /* files with a mesh are at most so large; 0: as large as they are */
  int origin;         /* an espalier_origin */
  double height;      /* metres, of the bounding box; 0: as it is */
  int up;             /* an espalier_up_axis */
  const char* title;  /* of nodes, meshes, materials and textures inside; NULL: the name of the file */
} espalier_save_options;
ESPALIER_API void espalier_save_options_defaults(espalier_save_options* options, size_t size);

/* By extension, as Asset::save. `options` may be NULL. */
ESPALIER_API espalier_code espalier_asset_save(const espalier_asset* asset, const char* path,
                                               const espalier_save_options* options, espalier_error* error);
ESPALIER_API espalier_code espalier_asset_save_latent(const espalier_asset* asset, const char* path, espalier_error* error);
ESPALIER_API espalier_code espalier_asset_save_preview(const espalier_asset* asset, const char* path, espalier_error* error);
ESPALIER_API espalier_code espalier_asset_save_asset(const espalier_asset* asset, const char* path, espalier_error* error);
/* The same in memory, as Asset::encode: "glb", "obj.zip", ..., "preview", "latent" or "asset". `options` may be NULL. */
ESPALIER_API espalier_files* espalier_asset_encode(const espalier_asset* asset, const char* format,
                                                   const espalier_save_options* options, espalier_error* error);
/* Names and bytes live as long as the set; NULL beyond its end. */
ESPALIER_API size_t espalier_files_count(const espalier_files* files);
ESPALIER_API const char* espalier_files_name(const espalier_files* files, size_t index);
ESPALIER_API const void* espalier_files_bytes(const espalier_files* files, size_t index, size_t* byte_count);
ESPALIER_API void espalier_files_free(espalier_files* files);

/* Arrays live as long as the asset or a copy of it; *count, which may be NULL, is the number of values. Vertices, colours and
 * faces are of the decoded mesh: 3 per vertex, 3 per triangle; voxels: x, y, z each. */
ESPALIER_API const float* espalier_asset_vertices(const espalier_asset* asset, size_t* count);
ESPALIER_API const float* espalier_asset_colours(const espalier_asset* asset, size_t* count);
ESPALIER_API const int32_t* espalier_asset_faces(const espalier_asset* asset, size_t* count);
ESPALIER_API const int32_t* espalier_asset_voxels(const espalier_asset* asset, size_t* count);
ESPALIER_API int espalier_asset_resolution(const espalier_asset* asset); /* voxels on a side; 0 without voxels */
ESPALIER_API const float* espalier_asset_latent(const espalier_asset* asset, size_t* count);
ESPALIER_API int64_t espalier_asset_gaussian_count(const espalier_asset* asset);

/* Arrays of the mesh that is saved: finished if there is one, else as decoded. NULL and 0 where there is nothing. */
typedef struct espalier_mesh_arrays {
  size_t size;
  size_t vertex_count, face_count;
  const float* positions; /* 3 each */
  const float* normals;   /* 3 each */
  const float* uvs;       /* 2 each; (0, 0) is the outer corner of the texture's first pixel, v goes down */
  const float* colours;   /* 3 each, sRGB 0 ... 1 */
  const int32_t* faces;   /* 3 each, counter-clockwise from outside */
  int texture_width, texture_height, texture_channels;
  const unsigned char* texture; /* sRGB, rows from the top, channels interleaved */
} espalier_mesh_arrays;
ESPALIER_API espalier_code espalier_asset_mesh(const espalier_asset* asset, espalier_mesh_arrays* arrays, size_t size,
                                               espalier_error* error);

typedef struct espalier_gaussian_arrays {
  size_t size;
  size_t count;
  const float* positions; /* 3 each */
  const float* dc;        /* 3 each; colour = 0.5 + 0.28209479 dc */
  const float* scales;    /* 3 each: standard deviations */
  const float* rotations; /* 4 each: unit quaternions, w x y z */
  const float* opacities; /* 1 each */
  const float* harmonics; /* of degree 1 and higher, harmonic_values each */
  size_t harmonic_values; /* 0, 9, 24 or 45 */
} espalier_gaussian_arrays;
ESPALIER_API espalier_code espalier_asset_gaussians(const espalier_asset* asset, espalier_gaussian_arrays* arrays, size_t size,
                                                    espalier_error* error);

/* ---- Reports */

typedef struct espalier_stage_report {
  size_t size;
  int stage;
  double seconds;
  uint64_t weight_bytes, planned_bytes, peak_bytes, process_bytes; /* StageReport */
} espalier_stage_report;
ESPALIER_API size_t espalier_asset_stage_reports(const espalier_asset* asset);
ESPALIER_API espalier_code espalier_asset_stage_report(const espalier_asset* asset, size_t index, espalier_stage_report* report,
                                                       size_t size, espalier_error* error);

/* Texts live as long as the asset; NULL beyond the end. Notices: what the user should know. The record: seed, settings,
 * versions, hashes. */
ESPALIER_API size_t espalier_asset_notice_count(const espalier_asset* asset);
ESPALIER_API const char* espalier_asset_notice(const espalier_asset* asset, size_t index);
ESPALIER_API size_t espalier_asset_record_count(const espalier_asset* asset);
ESPALIER_API const char* espalier_asset_record_key(const espalier_asset* asset, size_t index);
ESPALIER_API const char* espalier_asset_record_value(const espalier_asset* asset, size_t index);

/* Mesh statistics: MeshSummary. */
typedef struct espalier_mesh_summary {
  size_t size;
  int64_t faces, vertices, components;
  int64_t boundary_edges, holes, non_manifold_edges;
  int64_t degenerate_faces, duplicate_faces;
  int watertight, consistent_winding;
  double area, volume;
  double low[3], high[3]; /* box */
  int64_t handles;        /* genus; -1 where the surface is not closed */
  /* Negative where the mesh was not searched, as it is when it is finished: */
  double hidden_share;    /* of the area that no ray from outside reaches */
  int64_t crossing_faces; /* faces that pass through another one */
  double crease_length;   /* of edges folded by more than 90 degrees, in diagonals of the box */
} espalier_mesh_summary;
/* Of the mesh that is saved. */
ESPALIER_API espalier_code espalier_asset_mesh_summary(const espalier_asset* asset, espalier_mesh_summary* summary, size_t size,
                                                       espalier_error* error);

typedef struct espalier_gaussian_summary {
  size_t size;
  int64_t gaussians;
  int harmonics_degree;
  int64_t unseen;
  double mean_opacity, median_scale;
  double low[3], high[3]; /* box of the centres */
} espalier_gaussian_summary;
ESPALIER_API espalier_code espalier_asset_gaussian_summary(const espalier_asset* asset, espalier_gaussian_summary* summary,
                                                           size_t size, espalier_error* error);

/* What finishing did: FinishReport. */
typedef struct espalier_finish_report {
  size_t size;
  int finished; /* 0: nothing was, and all else is 0 */
  int64_t faces_before, faces_after;
  int64_t hidden_faces, small_faces, filled_holes;
  int charts;
  double mean_stretch, texture_use, texels_seen;
} espalier_finish_report;
ESPALIER_API espalier_code espalier_asset_finish_report(const espalier_asset* asset, espalier_finish_report* report,
                                                        size_t size, espalier_error* error);

/* ---- Images of an asset */

typedef enum espalier_style {
  ESPALIER_STYLE_AUTO = 0,
  ESPALIER_STYLE_TEXTURED,
  ESPALIER_STYLE_COLOUR,
  ESPALIER_STYLE_CLAY,
  ESPALIER_STYLE_NORMALS,
  ESPALIER_STYLE_WIREFRAME,
  ESPALIER_STYLE_UV_CHECKER,
  ESPALIER_STYLE_SPLATS,
  ESPALIER_STYLE_RADIANCE_FIELD
} espalier_style;
typedef struct espalier_view {
  size_t size;
  int style;               /* an espalier_style */
  double yaw, pitch, fov;  /* degrees */
  double distance;         /* 0: what shows the whole asset */
  int pixels;              /* on a side */
  int opaque;              /* 0: without background */
  double red, green, blue; /* the background, sRGB in [0, 1] */
  int unlit;               /* not 0, textured and colour: without light */
} espalier_view;
/* The front from a little above, 1024 pixels, without background. */
ESPALIER_API void espalier_view_defaults(espalier_view* view, size_t size);
/* A PNG. Observer and error may be NULL. */
ESPALIER_API espalier_code espalier_asset_render_view(const espalier_asset* asset, const char* png, const espalier_view* view,
                                                      const char* device, const espalier_observer* observer,
                                                      espalier_error* error);
/* Once around, into an .mp4 (which needs the program ffmpeg, see espalier_can_write_mp4) or a .webp. */
ESPALIER_API espalier_code espalier_asset_render_turntable(const espalier_asset* asset, const char* video,
                                                           const espalier_view* view, double seconds, int frames_per_second,
                                                           const char* device, const espalier_observer* observer,
                                                           espalier_error* error);
/* A PNG with a row of `views` views for every style that there is something to show in, or for the view's own style. */
ESPALIER_API espalier_code espalier_asset_render_contact_sheet(const espalier_asset* asset, const char* png,
                                                               const espalier_view* view, int views, const char* device,
                                                               const espalier_observer* observer, espalier_error* error);
ESPALIER_API int espalier_can_write_mp4(void);

#ifdef __cplusplus
}
#endif

#endif
