/* The C interface used as a C program uses it: program CHECKPOINT PICTURE FOLDER. Ends with 0 when all is as it should be. */
#include <espalier/espalier_c.h>
#include <stdio.h>
#include <string.h>

static int failures = 0;

static void expect(int condition, const char* what, const espalier_error* error) {
  if (condition) return;
  ++failures;
  fprintf(stderr, "not so: %s (%d: %s)\n", what, (int)error->code, error->message);
}

struct watch {
  int reports, messages;
  double fraction;
  int stop_after;
};

static void progress(void* context, const char* stage, int step, int steps, double fraction) {
  struct watch* w = context;
  if (stage[0] != '\0' && step <= steps && fraction >= w->fraction) ++w->reports;
  w->fraction = fraction;
}
static int cancelled(void* context) {
  const struct watch* w = context;
  return w->stop_after > 0 && w->reports >= w->stop_after;
}
static void message(void* context, const char* line) {
  struct watch* w = context;
  if (line[0] != '\0') ++w->messages;
}

static void mistakes(espalier_pipeline* pipeline) {
  espalier_error error;
  espalier_request request = espalier_request_defaults();
  const char* none[] = {"no such picture.png"};
  espalier_options options = {NULL, NULL, 7, ESPALIER_TIER_AUTO};
  expect(espalier_pipeline_open("no such folder", NULL, &error) == NULL && error.code == ESPALIER_NOT_FOUND &&
             strstr(error.message, "no such folder") != NULL,
         "a missing checkpoint", &error);
  expect(espalier_pipeline_open(NULL, NULL, &error) == NULL && error.code == ESPALIER_INVALID_ARGUMENT, "no checkpoint",
         &error);
  expect(espalier_pipeline_open("a", &options, &error) == NULL && error.code == ESPALIER_INVALID_ARGUMENT, "precision 7",
         &error);
  expect(espalier_generate(NULL, &request, NULL, &error) == NULL && error.code == ESPALIER_INVALID_ARGUMENT, "no pipeline",
         &error);
  expect(espalier_generate(pipeline, NULL, NULL, &error) == NULL && error.code == ESPALIER_INVALID_ARGUMENT, "no request",
         &error);
  expect(espalier_generate(pipeline, &request, NULL, &error) == NULL && error.code == ESPALIER_INVALID_ARGUMENT, "no picture",
         &error);
  request.images = none;
  request.image_count = 1;
  expect(espalier_generate(pipeline, &request, NULL, &error) == NULL && error.code == ESPALIER_NOT_FOUND, "no such picture",
         &error);
  expect(espalier_generate(pipeline, &request, NULL, NULL) == NULL, "no error asked for", &error);
  expect(espalier_asset_save(NULL, "a.glb", 0.0, &error) == ESPALIER_INVALID_ARGUMENT, "no asset", &error);
}

static void finishing(const espalier_asset* asset, const char* folder) {
  espalier_error error;
  struct watch seen = {0, 0, 0.0, 0}, stopping = {0, 0, 0.0, 1};
  espalier_observer observer = {&stopping, progress, cancelled, message};
  espalier_finish finish = espalier_finish_defaults();
  espalier_asset *finished, *read;
  size_t values = 0;
  char path[4096];
  expect(finish.texture_size == 1024 && finish.simplify == 0.95 && finish.bake == ESPALIER_BAKE_BEST, "defaults", &error);
  finish.faces = 500;
  finish.texture_size = 512;
  finish.views = 4;
  finish.view_size = 64;
  finish.bake = ESPALIER_BAKE_FAST;
  expect(espalier_asset_finish(asset, &finish, "cpu", &observer, &error) == NULL && error.code == ESPALIER_CANCELLED,
         "cancel finishing", &error);
  observer.context = &seen;
  finished = espalier_asset_finish(asset, &finish, "cpu", &observer, &error);
  expect(finished != NULL && error.code == ESPALIER_OK && seen.reports > 2, "finish", &error);
  snprintf(path, sizeof path, "%s/finished.glb", folder);
  expect(espalier_asset_save(finished, path, 0.0, &error) == ESPALIER_OK, "save what is finished", &error);
  read = espalier_asset_load(path, &error);
  (void)espalier_asset_faces(read, &values);
  expect(values > 0 && values <= 3 * 500, "few faces", &error);
  espalier_asset_free(read);
  espalier_asset_free(finished);
  finish.texture_size = 100000;
  expect(espalier_asset_finish(asset, &finish, "cpu", NULL, &error) == NULL && error.code == ESPALIER_INVALID_ARGUMENT,
         "a huge texture", &error);
  finish = espalier_finish_defaults();
  finish.bake = 2;
  expect(espalier_asset_finish(asset, &finish, "cpu", NULL, &error) == NULL && error.code == ESPALIER_INVALID_ARGUMENT,
         "baking 2", &error);
  expect(espalier_asset_finish(asset, NULL, "cpu", NULL, &error) == NULL && error.code == ESPALIER_INVALID_ARGUMENT,
         "nothing asked for", &error);
  expect(espalier_asset_finish(NULL, &finish, "cpu", NULL, &error) == NULL && error.code == ESPALIER_INVALID_ARGUMENT,
         "nothing to finish", &error);
}

static void work(espalier_pipeline* pipeline, const char* picture, const char* folder) {
  espalier_error error;
  struct watch seen = {0, 0, 0.0, 0}, stopping = {0, 0, 0.0, 2};
  espalier_observer observer = {&seen, progress, cancelled, message};
  espalier_request request = espalier_request_defaults();
  espalier_asset *asset, *again;
  const int32_t* faces;
  size_t vertices = 0, face_values = 0, colours = 0, voxels = 0, i;
  char path[4096];
  request.images = &picture;
  request.image_count = 1;
  request.structure.steps = 2;
  request.structure.guidance = 0.0;
  request.latent.steps = 1;
  request.latent.guidance = 0.0;

  observer.context = &stopping;
  expect(espalier_generate(pipeline, &request, &observer, &error) == NULL && error.code == ESPALIER_CANCELLED, "cancel",
         &error);
  observer.context = &seen;
  request.gaussians = 0;
  asset = espalier_generate(pipeline, &request, &observer, &error);
  expect(asset != NULL && error.code == ESPALIER_OK && error.message[0] == '\0', "generate", &error);
  expect(seen.reports > 4 && seen.fraction > 0.5, "progress", &error);
  faces = espalier_asset_faces(asset, &face_values);
  expect(espalier_asset_vertices(asset, &vertices) != NULL && espalier_asset_colours(asset, &colours) != NULL &&
             colours == vertices && face_values % 3 == 0 && face_values > 0,
         "arrays", &error);
  for (i = 0; i < face_values; ++i) {
    if (faces[i] < 0 || (size_t)faces[i] >= vertices / 3) {
      expect(0, "indices of faces", &error);
      break;
    }
  }
  expect(espalier_asset_voxels(asset, &voxels) != NULL && voxels % 3 == 0 && voxels > 0, "voxels", &error);
  expect(espalier_asset_gaussian_count(asset) == 0, "no Gaussians", &error);
  snprintf(path, sizeof path, "%s/a.glb", folder);
  expect(espalier_asset_save(asset, path, 0.0, &error) == ESPALIER_OK, "save", &error);
  snprintf(path, sizeof path, "%s/none/a.glb", folder);
  expect(espalier_asset_save(asset, path, 0.0, &error) != ESPALIER_OK && strstr(error.message, "none") != NULL, "no folder",
         &error);
  snprintf(path, sizeof path, "%s/a.png", folder);
  expect(espalier_asset_save_preview(asset, path, &error) == ESPALIER_OK, "preview", &error);
  snprintf(path, sizeof path, "%s/a.safetensors", folder);
  expect(espalier_asset_save_latent(asset, path, &error) == ESPALIER_OK, "latent", &error);
  request.mesh = 0;
  request.gaussians = 1;
  again = espalier_decode(pipeline, path, &request, NULL, &error);
  expect(again != NULL && espalier_asset_gaussian_count(again) > 0, "decode", &error);
  espalier_asset_free(again);
  request.mesh = 1;
  again = espalier_decode(pipeline, path, &request, NULL, &error);
  expect(again != NULL, "decode both", &error);
  finishing(again, folder);
  espalier_asset_free(again);
  espalier_asset_free(asset);
}

/* A mesh file as an asset, and pictures of it. */
static void pictures(const char* folder) {
  espalier_error error;
  espalier_look look = espalier_look_defaults();
  espalier_asset* asset;
  char path[4096];
  snprintf(path, sizeof path, "%s/a.glb", folder);
  asset = espalier_asset_load(path, &error);
  expect(asset != NULL && espalier_asset_faces(asset, NULL) != NULL, "load", &error);
  snprintf(path, sizeof path, "%s/view.png", folder);
  look.size = 64;
  look.style = ESPALIER_STYLE_NORMALS;
  look.opaque = 1;
  look.green = 0.5;
  expect(espalier_asset_render_view(asset, path, &look, "cpu", NULL, &error) == ESPALIER_OK, "view", &error);
  look.style = ESPALIER_STYLE_RADIANCE_FIELD + 1;
  expect(espalier_asset_render_view(asset, path, &look, "cpu", NULL, &error) == ESPALIER_INVALID_ARGUMENT, "style", &error);
  look.style = ESPALIER_STYLE_SPLATS;
  expect(espalier_asset_render_view(asset, path, &look, NULL, NULL, &error) == ESPALIER_INVALID_ARGUMENT, "splats", &error);
  look.style = ESPALIER_STYLE_AUTO;
  snprintf(path, sizeof path, "%s/turn.webp", folder);
  expect(espalier_asset_render_turntable(asset, path, &look, 0.2, 10, "cpu", NULL, &error) == ESPALIER_OK, "turntable", &error);
  snprintf(path, sizeof path, "%s/b.safetensors", folder);
  expect(espalier_asset_save_asset(asset, path, &error) == ESPALIER_OK, "save asset", &error);
  espalier_asset_free(asset);
  asset = espalier_asset_load(path, &error);
  expect(asset != NULL, "load an asset", &error);
  espalier_asset_free(asset);
  expect(espalier_asset_load(NULL, &error) == NULL && error.code == ESPALIER_INVALID_ARGUMENT, "no path", &error);
  expect(espalier_asset_render_view(NULL, path, &look, NULL, NULL, &error) == ESPALIER_INVALID_ARGUMENT, "no asset", &error);
}

int main(int argc, char** argv) {
  espalier_error error;
  espalier_options options = {"cpu", NULL, ESPALIER_PRECISION_FULL, ESPALIER_TIER_LOW};
  espalier_pipeline* pipeline;
  if (argc != 4) return 2;
  pipeline = espalier_pipeline_open(argv[1], &options, &error);
  expect(pipeline != NULL, "open", &error);
  if (pipeline != NULL) {
    mistakes(pipeline);
    work(pipeline, argv[2], argv[3]);
    pictures(argv[3]);
  }
  espalier_pipeline_close(pipeline);
  espalier_pipeline_close(NULL);
  espalier_asset_free(NULL);
  printf("espalier %s from C: %d failures\n", espalier_version(), failures);
  return failures == 0 ? 0 : 1;
}
