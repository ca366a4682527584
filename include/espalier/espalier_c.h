/* Espalier for C and for languages that call C: pictures in, 3D assets out.
 *
 *   espalier_error error;
 *   espalier_pipeline* pipeline = espalier_pipeline_open("models/sprout", NULL, &error);
 *   espalier_request request = espalier_request_defaults();
 *   const char* images[] = {"chair.png"};
 *   request.images = images;
 *   request.image_count = 1;
 *   espalier_finish finish = espalier_finish_defaults();
 *   espalier_asset* decoded = espalier_generate(pipeline, &request, NULL, &error);
 *   espalier_asset* asset = decoded == NULL ? NULL : espalier_asset_finish(decoded, &finish, NULL, NULL, &error);
 *   if (asset == NULL || espalier_asset_save(asset, "chair.glb", 0.0, &error) != ESPALIER_OK) puts(error.message);
 *   espalier_asset_free(asset);
 *   espalier_asset_free(decoded);
 *   espalier_pipeline_close(pipeline);
 *
 * Text is UTF-8. A function that fails returns NULL or a code other than ESPALIER_OK and fills `error`, which may be NULL.
 * Objects are freed by their own function, which takes NULL too. A pipeline does one job at a time; use one per thread. What
 * the values mean is said in espalier.h. */
#ifndef ESPALIER_C_H
#define ESPALIER_C_H

/* C knows no other names of these. NOLINTBEGIN(modernize-deprecated-headers) */
#include <stddef.h>
#include <stdint.h>
/* NOLINTEND(modernize-deprecated-headers) */

#ifdef __cplusplus
extern "C" {
#endif

typedef struct espalier_pipeline espalier_pipeline;
typedef struct espalier_asset espalier_asset;

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

/* What went wrong, where, and what to do: one line, cut off where it is longer. */
typedef struct espalier_error {
  espalier_code code;
  char message[1020];
} espalier_error;

typedef enum espalier_precision {
  ESPALIER_PRECISION_AUTO = 0,
  ESPALIER_PRECISION_FULL,
  ESPALIER_PRECISION_HALF
} espalier_precision;
typedef enum espalier_tier {
  ESPALIER_TIER_AUTO = 0,
  ESPALIER_TIER_HIGH,
  ESPALIER_TIER_MEDIUM,
  ESPALIER_TIER_LOW
} espalier_tier;

/* All zero: choose for me. */
typedef struct espalier_options {
  const char* device;        /* "auto", "cpu", "cuda" or "cuda:N" */
  const char* image_encoder; /* DINOv2 weights; NULL: looked for beside the checkpoint */
  int precision;             /* an espalier_precision */
  int tier;                  /* an espalier_tier */
} espalier_options;

/* Zero steps and negative numbers stand for the checkpoint's own values. */
typedef struct espalier_sampler {
  int steps;
  double guidance;
  double rescale_t;
  double interval_low, interval_high; /* both or neither */
} espalier_sampler;

typedef enum espalier_multi_image { ESPALIER_STOCHASTIC = 0, ESPALIER_MULTIDIFFUSION } espalier_multi_image;

typedef struct espalier_request {
  const char* const* images; /* several: views of one object */
  size_t image_count;
  uint32_t seed;
  espalier_sampler structure, latent;  /* first and second stage */
  int multi_image;                     /* an espalier_multi_image */
  int as_is;                           /* not 0: the pictures are not cut out */
  int mesh, gaussians, radiance_field; /* what to decode */
} espalier_request;

typedef enum espalier_bake { ESPALIER_BAKE_FAST = 0, ESPALIER_BAKE_BEST } espalier_bake;

/* How the decoded mesh becomes one that people use: FinishRequest. Begin with espalier_finish_defaults. */
typedef struct espalier_finish {
  int clean, fill_holes;   /* not 0: inner walls, small pieces and duplicates go; holes are closed */
  double simplify;         /* share of the faces that goes, in [0, 1) */
  int64_t faces;           /* 0: as simplify says; else at most so many faces */
  int texture;             /* not 0: unwrap and bake, which needs the Gaussians */
  int texture_size;        /* 512 to 4096 */
  int bake;                /* an espalier_bake */
  int bake_radiance_field; /* not 0: bake from the radiance field, which must be decoded */
  int views, view_size;    /* that are baked, and pixels on a side of each */
  int project_image;       /* not 0: blend the input pictures into the texture */
} espalier_finish;

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
typedef struct espalier_look {
  int style;               /* an espalier_style */
  double yaw, pitch, fov;  /* degrees */
  double distance;         /* 0: what shows the whole asset */
  int size;                /* pixels on a side */
  int opaque;              /* 0: without background */
  double red, green, blue; /* the background, sRGB in [0, 1] */
} espalier_look;

/* Called on the thread that runs the job; any may be NULL. `context` is handed through. */
typedef struct espalier_observer {
  void* context;
  void (*progress)(void* context, const char* stage, int step, int steps, double fraction);
  int (*cancelled)(void* context); /* not 0: stop soon with ESPALIER_CANCELLED */
  void (*message)(void* context, const char* line);
} espalier_observer;

const char* espalier_version(void);

espalier_pipeline* espalier_pipeline_open(const char* checkpoint, const espalier_options* options, espalier_error* error);
void espalier_pipeline_close(espalier_pipeline* pipeline);

/* Seed 42, the checkpoint's samplers, mesh and Gaussians. */
espalier_request espalier_request_defaults(void);
espalier_asset* espalier_generate(espalier_pipeline* pipeline, const espalier_request* request,
                                  const espalier_observer* observer, espalier_error* error);
/* Decodes what espalier_asset_save_latent wrote; of the request only what to decode matters. */
espalier_asset* espalier_decode(espalier_pipeline* pipeline, const char* latent, const espalier_request* request,
                                const espalier_observer* observer, espalier_error* error);

/* What a file holds: an asset of espalier_asset_save_asset, a mesh or Gaussians. */
espalier_asset* espalier_asset_load(const char* path, espalier_error* error);
void espalier_asset_free(espalier_asset* asset);

/* 5 % of the faces, a texture of 1024 x 1024. */
espalier_finish espalier_finish_defaults(void);
/* A new asset whose mesh is finished as asked, which is what is then saved and drawn; `asset` stays as it is. Arrays hold the
 * decoded mesh in both. device as in espalier_options; device, observer and error may be NULL. */
espalier_asset* espalier_asset_finish(const espalier_asset* asset, const espalier_finish* finish, const char* device,
                                      const espalier_observer* observer, espalier_error* error);

/* By extension, as Asset::save. size_mm: the largest dimension of an STL or 3MF; 0 for the default. */
espalier_code espalier_asset_save(const espalier_asset* asset, const char* path, double size_mm, espalier_error* error);
espalier_code espalier_asset_save_latent(const espalier_asset* asset, const char* path, espalier_error* error);
espalier_code espalier_asset_save_preview(const espalier_asset* asset, const char* path, espalier_error* error);
espalier_code espalier_asset_save_asset(const espalier_asset* asset, const char* path, espalier_error* error);

/* The front from a little above, 1024 pixels, without background. */
espalier_look espalier_look_defaults(void);
/* A PNG. device as in espalier_options; device, observer and error may be NULL. */
espalier_code espalier_asset_render_view(const espalier_asset* asset, const char* png, const espalier_look* look,
                                         const char* device, const espalier_observer* observer, espalier_error* error);
/* Once around, into an .mp4 (which needs the program ffmpeg) or a .webp. */
espalier_code espalier_asset_render_turntable(const espalier_asset* asset, const char* video, const espalier_look* look,
                                              double seconds, int frames_per_second, const char* device,
                                              const espalier_observer* observer, espalier_error* error);

/* Arrays live as long as the asset; *count is the number of values. Vertices and colours have 3 per vertex, faces 3 per
 * triangle, voxels x, y, z each. */
const float* espalier_asset_vertices(const espalier_asset* asset, size_t* count);
const float* espalier_asset_colours(const espalier_asset* asset, size_t* count);
const int32_t* espalier_asset_faces(const espalier_asset* asset, size_t* count);
const int32_t* espalier_asset_voxels(const espalier_asset* asset, size_t* count);
int64_t espalier_asset_gaussian_count(const espalier_asset* asset);

#ifdef __cplusplus
}
#endif

#endif
