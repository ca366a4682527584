/* The C interface used as a C program uses it, every function of it: program CHECKPOINT IMAGE FOLDER. Ends with 0 when all is
 * as it should be. Built against the build tree (tests/c_api) and against an installed package (tests/install). */
#include <espalier/espalier_c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures = 0;

static void expect(int condition, const char* what, const espalier_error* error) {
  if (condition) return;
  ++failures;
  fprintf(stderr, "not so: %s (%d: %s; %s)\n", what, (int)error->code, error->message, error->hint);
}

struct watch {
  int reports, messages, partial;
  double fraction;
  int stop_after;
  espalier_asset* kept;
};

static void progress(void* context, const espalier_progress* p) {
  struct watch* w = context;
  if (p->size >= sizeof *p && espalier_stage_id(p->stage) != NULL && p->step <= p->steps && p->fraction >= w->fraction)
    ++w->reports;
  w->fraction = p->fraction;
}
static int cancelled(void* context) {
  const struct watch* w = context;
  return w->stop_after > 0 && w->reports >= w->stop_after;
}
static void message(void* context, const char* line) {
  struct watch* w = context;
  if (line[0] != '\0') ++w->messages;
}
static void partial(void* context, const espalier_asset* asset) {
  struct watch* w = context;
  ++w->partial;
  espalier_asset_free(w->kept);
  w->kept = espalier_asset_copy(asset);
}

static espalier_observer observer_for(struct watch* seen) {
  espalier_observer observer;
  espalier_observer_defaults(&observer, sizeof observer);
  observer.context = seen;
  observer.progress = progress;
  observer.cancelled = cancelled;
  observer.message = message;
  observer.partial = partial;
  return observer;
}

static void stages(void) {
  espalier_error error = ESPALIER_ERROR_INIT;
  int stage;
  expect(espalier_stage_count() > 10 && espalier_stage_id(-1) == NULL && espalier_stage_title(espalier_stage_count()) == NULL,
         "numbers of stages", &error);
  for (stage = 0; stage < espalier_stage_count(); ++stage) {
    expect(espalier_stage_from_id(espalier_stage_id(stage)) == stage, "ids of stages", &error);
    expect(espalier_stage_title(stage)[0] != '\0' && espalier_stage_phase(stage)[0] != '\0', "titles of stages", &error);
  }
  expect(espalier_stage_from_id("no stage") == -1 && espalier_stage_from_id(NULL) == -1, "unknown stages", &error);
}

/* Other details for the asset's own mesh. */
static void variant(espalier_pipeline* pipeline, const espalier_asset* shape, const espalier_request* request) {
  espalier_error error = ESPALIER_ERROR_INIT;
  size_t voxels = 0;
  espalier_asset* varied = espalier_vary(pipeline, shape, request, NULL, &error);
  expect(varied != NULL && espalier_asset_voxels(varied, &voxels) != NULL && voxels > 0, "a variant", &error);
  espalier_asset_free(varied);
  expect(espalier_vary(pipeline, NULL, request, NULL, &error) == NULL && error.code == ESPALIER_INVALID_ARGUMENT,
         "a variant of nothing", &error);
}

/* The lower half of the asset made anew. */
static void edited(espalier_pipeline* pipeline, const espalier_asset* asset, const espalier_request* request) {
  espalier_error error = ESPALIER_ERROR_INIT;
  espalier_edit_request part;
  espalier_asset* other;
  espalier_edit_request_defaults(&part, sizeof part);
  expect(part.size == sizeof part && part.rim == 2 && part.resample == 1, "defaults of an edit", &error);
  expect(espalier_edit(pipeline, asset, &part, request, NULL, &error) == NULL && error.code == ESPALIER_INVALID_ARGUMENT,
         "an edit of no region", &error);
  part.region = "box:-0.5,-0.5,-0.5,0.5,0.5,0";
  other = espalier_edit(pipeline, asset, &part, request, NULL, &error);
  expect(other != NULL && espalier_asset_faces(other, NULL) != NULL, "an edit", &error);
  espalier_asset_free(other);
}

static void sizes(espalier_pipeline* pipeline) {
  espalier_error error = ESPALIER_ERROR_INIT, old = ESPALIER_ERROR_INIT;
  espalier_request request;
  espalier_options options;
  espalier_options_defaults(&options, sizeof options);
  expect(options.size == sizeof options, "sizes are set", &error);
  options.size = sizeof options + 8;
  expect(espalier_pipeline_open("a", &options, &error) == NULL && error.code == ESPALIER_INVALID_ARGUMENT &&
             strstr(error.message, "options") != NULL && error.hint[0] != '\0',
         "options of a newer header", &error);
  espalier_request_defaults(&request, offsetof(espalier_request, prompt));
  expect(request.size == offsetof(espalier_request, prompt), "a request of the first version", &error);
  expect(espalier_generate(pipeline, &request, NULL, &error) == NULL && error.code == ESPALIER_INVALID_ARGUMENT &&
             strstr(error.message, "no image") != NULL,
         "which has no prompt", &error);
  espalier_request_defaults(&request, offsetof(espalier_request, prompt) - 1);
  expect(request.size == 0, "a size that does not exist", &error);
  expect(espalier_generate(pipeline, &request, NULL, &error) == NULL && error.code == ESPALIER_INVALID_ARGUMENT,
         "a request without size", &error);
  old.size = 1;
  expect(espalier_asset_load("no such file", &old) == NULL && old.code == ESPALIER_OK && old.message[0] == '\0',
         "an error that cannot be filled", &error);
}

static void mistakes(espalier_pipeline* pipeline) {
  espalier_error error = ESPALIER_ERROR_INIT;
  espalier_request request;
  espalier_image none = ESPALIER_IMAGE_FILE("no such image.png");
  espalier_options options;
  espalier_request_defaults(&request, sizeof request);
  espalier_options_defaults(&options, sizeof options);
  options.precision = 7;
  expect(espalier_pipeline_open("no such folder", NULL, &error) == NULL && error.code == ESPALIER_NOT_FOUND &&
             strstr(error.message, "no such folder") != NULL && strchr(error.message, ';') == NULL && error.hint[0] != '\0',
         "a missing checkpoint", &error);
  expect(espalier_pipeline_open(NULL, NULL, &error) == NULL && error.code == ESPALIER_INVALID_ARGUMENT, "no checkpoint",
         &error);
  expect(espalier_pipeline_open("a", &options, &error) == NULL && error.code == ESPALIER_INVALID_ARGUMENT, "precision 7",
         &error);
  expect(espalier_generate(NULL, &request, NULL, &error) == NULL && error.code == ESPALIER_INVALID_ARGUMENT, "no pipeline",
         &error);
  expect(espalier_generate(pipeline, NULL, NULL, &error) == NULL && error.code == ESPALIER_INVALID_ARGUMENT, "no request",
         &error);
  expect(espalier_generate(pipeline, &request, NULL, &error) == NULL && error.code == ESPALIER_INVALID_ARGUMENT, "no image",
         &error);
  request.prompt = "a red armchair";
  request.negative_prompt = "blurred";
  expect(espalier_pipeline_takes_text(pipeline) == 0 && espalier_pipeline_takes_text(NULL) == 0, "an image model", &error);
  expect(espalier_generate(pipeline, &request, NULL, &error) == NULL && error.code == ESPALIER_INVALID_ARGUMENT &&
             strstr(error.hint, "espalier pull trellis-text-base") != NULL,
         "a prompt for an image model", &error);
  request.prompt = request.negative_prompt = NULL;
  expect(espalier_check_prompt("a red armchair", &error) == ESPALIER_OK, "a prompt", &error);
  expect(espalier_check_prompt(" ", &error) == ESPALIER_INVALID_ARGUMENT, "an empty prompt", &error);
  expect(espalier_check_prompt("\xff", &error) == ESPALIER_INVALID_ARGUMENT, "no UTF-8", &error);
  expect(espalier_check_prompt(NULL, &error) == ESPALIER_INVALID_ARGUMENT, "no prompt", &error);
  request.images = &none;
  request.image_count = 1;
  request.surface = 2;
  expect(espalier_generate(pipeline, &request, NULL, &error) == NULL && error.code == ESPALIER_INVALID_ARGUMENT, "surface 2",
         &error);
  request.surface = ESPALIER_SURFACE_SOLID;
  expect(espalier_generate(pipeline, &request, NULL, &error) == NULL && error.code == ESPALIER_NOT_FOUND, "no such image",
         &error);
  none.background = 3;
  expect(espalier_generate(pipeline, &request, NULL, &error) == NULL && error.code == ESPALIER_INVALID_ARGUMENT, "background 3",
         &error);
  none.kind = 3;
  expect(espalier_check_image(&none, &error) == ESPALIER_INVALID_ARGUMENT, "kind 3", &error);
  none.kind = ESPALIER_IMAGE_ENCODED;
  none.byte_count = 8;
  expect(espalier_check_image(&none, &error) == ESPALIER_INVALID_ARGUMENT, "no bytes", &error);
  none.bytes = "no image";
  none.name = "memory";
  expect(espalier_check_image(&none, &error) == ESPALIER_FORMAT && strstr(error.message, "memory") != NULL, "foreign bytes",
         &error);
  none.kind = ESPALIER_IMAGE_PIXELS;
  none.width = none.height = 2;
  none.channels = 3;
  expect(espalier_check_image(&none, &error) == ESPALIER_INVALID_ARGUMENT, "8 bytes for 12", &error);
  none.height = 1 << 30;
  expect(espalier_check_image(&none, &error) == ESPALIER_INVALID_ARGUMENT, "too many pixels", &error);
  expect(espalier_generate(pipeline, &request, NULL, NULL) == NULL, "no error asked for", &error);
  expect(espalier_asset_save(NULL, "a.glb", NULL, &error) == ESPALIER_INVALID_ARGUMENT, "no asset", &error);
}

static void reports(const espalier_asset* asset) {
  espalier_error error = ESPALIER_ERROR_INIT;
  espalier_stage_report report;
  espalier_mesh_summary mesh;
  espalier_gaussian_summary gaussians;
  espalier_finish_report finish;
  size_t i, seeds = 0;
  expect(espalier_asset_stage_reports(asset) > 2, "stage reports", &error);
  expect(espalier_asset_stage_report(asset, 0, &report, sizeof report, &error) == ESPALIER_OK &&
             espalier_stage_id(report.stage) != NULL && report.process_bytes == 0,
         "a stage report, without the memory of the process", &error);
  expect(espalier_asset_stage_report(asset, 1000, &report, sizeof report, &error) == ESPALIER_INVALID_ARGUMENT, "report 1000",
         &error);
  for (i = 0; i < espalier_asset_notice_count(asset); ++i) {
    expect(espalier_asset_notice(asset, i)[0] != '\0', "notices", &error);
  }
  expect(espalier_asset_notice(asset, i) == NULL, "no more notices", &error);
  for (i = 0; i < espalier_asset_record_count(asset); ++i) {
    if (strcmp(espalier_asset_record_key(asset, i), "seed") == 0 && strcmp(espalier_asset_record_value(asset, i), "42") == 0)
      ++seeds;
  }
  expect(seeds == 1 && espalier_asset_record_key(asset, i) == NULL && espalier_asset_record_value(asset, i) == NULL, "records",
         &error);
  expect(espalier_asset_mesh_summary(asset, &mesh, sizeof mesh, &error) == ESPALIER_OK && mesh.faces > 0 && mesh.area > 0.0,
         "mesh statistics", &error);
  expect(espalier_asset_mesh_summary(asset, &mesh, 3, &error) == ESPALIER_INVALID_ARGUMENT, "statistics of 3 bytes", &error);
  expect(espalier_asset_gaussian_summary(asset, &gaussians, sizeof gaussians, &error) == ESPALIER_OK, "Gaussians", &error);
  expect(espalier_asset_finish_report(asset, &finish, sizeof finish, &error) == ESPALIER_OK && finish.finished == 0,
         "what was not finished", &error);
}

static void files(const espalier_asset* asset) {
  espalier_error error = ESPALIER_ERROR_INIT;
  espalier_save_options options;
  espalier_files* set;
  size_t bytes = 0;
  espalier_save_options_defaults(&options, sizeof options);
  options.name = "chair";
  set = espalier_asset_encode(asset, "glb", &options, &error);
  expect(espalier_files_count(set) == 1 && strcmp(espalier_files_name(set, 0), "chair.glb") == 0 &&
             memcmp(espalier_files_bytes(set, 0, &bytes), "glTF", 4) == 0 && bytes > 100,
         "a GLB in memory", &error);
  expect(espalier_files_name(set, 1) == NULL && espalier_files_bytes(set, 1, &bytes) == NULL && bytes == 0, "one file", &error);
  espalier_files_free(set);
  options.compress = ESPALIER_COMPRESSION_DRACO;
  set = espalier_asset_encode(asset, "glb", &options, &error);
  expect(espalier_files_count(set) == 1, "a compressed GLB in memory", &error);
  espalier_files_free(set);
  options.compress = ESPALIER_COMPRESSION_NONE;
  expect(espalier_asset_encode(asset, "doc", NULL, &error) == NULL && error.code == ESPALIER_INVALID_ARGUMENT, "format doc",
         &error);
  options.texture = 4;
  expect(espalier_asset_encode(asset, "glb", &options, &error) == NULL && error.code == ESPALIER_INVALID_ARGUMENT, "texture 4",
         &error);
  espalier_files_free(NULL);
}

static void finishing(const espalier_asset* asset, const char* folder) {
  espalier_error error = ESPALIER_ERROR_INIT;
  struct watch seen = {0, 0, 0, 0.0, 0, NULL}, stopping = {0, 0, 0, 0.0, 1, NULL};
  espalier_observer observer = observer_for(&stopping);
  espalier_finish finish;
  espalier_finish_report report;
  espalier_mesh_arrays mesh;
  espalier_asset *finished, *read;
  size_t values = 0;
  char path[4096];
  espalier_finish_defaults(&finish, sizeof finish);
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
  expect(espalier_asset_finish_report(finished, &report, sizeof report, &error) == ESPALIER_OK && report.finished == 1 &&
             report.faces_after <= 500 && report.charts > 0,
         "what was finished", &error);
  expect(espalier_asset_mesh(finished, &mesh, sizeof mesh, &error) == ESPALIER_OK && mesh.face_count <= 500 &&
             mesh.uvs != NULL && mesh.normals != NULL && mesh.texture_width == 512 && mesh.texture_channels == 3 &&
             mesh.texture != NULL && mesh.faces[0] >= 0 && (size_t)mesh.faces[0] < mesh.vertex_count,
         "the finished mesh", &error);
  snprintf(path, sizeof path, "%s/finished.glb", folder);
  expect(espalier_asset_save(finished, path, NULL, &error) == ESPALIER_OK, "save what is finished", &error);
  read = espalier_asset_load(path, &error);
  (void)espalier_asset_faces(read, &values);
  expect(values > 0 && values <= 3 * 500, "few faces", &error);
  espalier_asset_free(read);
  snprintf(path, sizeof path, "%s/finished.safetensors", folder);
  expect(espalier_asset_save_asset(finished, path, &error) == ESPALIER_OK, "save it as an asset", &error);
  read = espalier_asset_load(path, &error);
  expect(espalier_asset_mesh(read, &mesh, sizeof mesh, &error) == ESPALIER_OK && mesh.face_count <= 500 &&
             mesh.texture_width == 512,
         "a saved asset keeps what was finished", &error);
  espalier_asset_free(read);
  read = espalier_asset_as_decoded(finished, &error);
  expect(espalier_asset_mesh(read, &mesh, sizeof mesh, &error) == ESPALIER_OK && mesh.texture == NULL && mesh.face_count > 500,
         "the asset as it was decoded", &error);
  espalier_asset_free(read);
  espalier_asset_free(finished);
  finish.texture_size = 100000;
  expect(espalier_asset_finish(asset, &finish, "cpu", NULL, &error) == NULL && error.code == ESPALIER_INVALID_ARGUMENT,
         "a huge texture", &error);
  espalier_finish_defaults(&finish, sizeof finish);
  finish.bake = 2;
  expect(espalier_asset_finish(asset, &finish, "cpu", NULL, &error) == NULL && error.code == ESPALIER_INVALID_ARGUMENT,
         "baking 2", &error);
  expect(espalier_asset_finish(asset, NULL, "cpu", NULL, &error) == NULL && error.code == ESPALIER_INVALID_ARGUMENT,
         "nothing asked for", &error);
  expect(espalier_asset_finish(NULL, &finish, "cpu", NULL, &error) == NULL && error.code == ESPALIER_INVALID_ARGUMENT,
         "nothing to finish", &error);
}

static void* bytes_of(const char* path, size_t* count) {
  FILE* file = fopen(path, "rb");
  void* bytes = NULL;
  if (file == NULL) return NULL;
  fseek(file, 0, SEEK_END);
  *count = (size_t)ftell(file);
  rewind(file);
  bytes = malloc(*count);
  if (fread(bytes, 1, *count, file) != *count) *count = 0;
  fclose(file);
  return bytes;
}

/* The image from memory, and its foreground. */
static void preprocessing(const espalier_image* image) {
  espalier_error error = ESPALIER_ERROR_INIT;
  struct watch seen = {0, 0, 0, 0.0, 0, NULL};
  espalier_observer observer = observer_for(&seen);
  espalier_files* foreground;
  size_t bytes = 0;
  expect(espalier_check_image(image, &error) == ESPALIER_OK, "an image in memory", &error);
  foreground = espalier_preprocess(image, &observer, &error);
  expect(espalier_files_count(foreground) == 1 && espalier_files_bytes(foreground, 0, &bytes) != NULL && bytes > 100 &&
             seen.messages > 0,
         "its foreground", &error);
  espalier_files_free(foreground);
}

static void arrays(const espalier_asset* asset) {
  espalier_error error = ESPALIER_ERROR_INIT;
  const int32_t* faces;
  size_t vertices = 0, face_values = 0, colours = 0, voxels = 0, latent = 0, i;
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
  expect(espalier_asset_resolution(asset) > 0 && espalier_asset_latent(asset, &latent) != NULL && latent % (voxels / 3) == 0,
         "latent", &error);
  expect(espalier_asset_gaussian_count(asset) == 0, "no Gaussians", &error);
}

static void work(espalier_pipeline* pipeline, const char* image_path, const char* folder) {
  espalier_error error = ESPALIER_ERROR_INIT;
  struct watch seen = {0, 0, 0, 0.0, 0, NULL}, stopping = {0, 0, 0, 0.0, 2, NULL};
  espalier_observer observer = observer_for(&stopping);
  espalier_request request;
  espalier_image image = ESPALIER_IMAGE_FILE(NULL);
  espalier_gaussian_arrays gaussians;
  espalier_asset *asset, *again;
  void* bytes = bytes_of(image_path, &image.byte_count);
  char path[4096];
  image.kind = ESPALIER_IMAGE_ENCODED;
  image.bytes = bytes;
  image.name = "an image in memory";
  preprocessing(&image);
  espalier_request_defaults(&request, sizeof request);
  request.images = &image;
  request.image_count = 1;
  request.structure.steps = 2;
  request.structure.guidance = 0.0;
  request.latent.steps = 1;
  request.latent.guidance = 0.0;

  expect(espalier_generate(pipeline, &request, &observer, &error) == NULL && error.code == ESPALIER_CANCELLED, "cancel",
         &error);
  observer.context = &seen;
  request.gaussians = 0;
  asset = espalier_generate(pipeline, &request, &observer, &error);
  expect(asset != NULL && error.code == ESPALIER_OK && error.message[0] == '\0', "generate", &error);
  expect(seen.reports > 4 && seen.fraction > 0.5, "progress", &error);
  expect(seen.partial > 0 && espalier_asset_faces(seen.kept, NULL) != NULL, "what was there before the end", &error);
  espalier_asset_free(seen.kept);
  arrays(asset);
  reports(asset);
  variant(pipeline, asset, &request);
  edited(pipeline, asset, &request);
  files(asset);
  snprintf(path, sizeof path, "%s/a.glb", folder);
  expect(espalier_asset_save(asset, path, NULL, &error) == ESPALIER_OK, "save", &error);
  snprintf(path, sizeof path, "%s/none/a.glb", folder);
  expect(espalier_asset_save(asset, path, NULL, &error) != ESPALIER_OK && strstr(error.message, "none") != NULL, "no folder",
         &error);
  snprintf(path, sizeof path, "%s/a.png", folder);
  expect(espalier_asset_save_preview(asset, path, &error) == ESPALIER_OK, "preview", &error);
  snprintf(path, sizeof path, "%s/a.safetensors", folder);
  expect(espalier_asset_save_latent(asset, path, &error) == ESPALIER_OK, "latent", &error);
  request.mesh = 0;
  request.gaussians = 1;
  again = espalier_decode(pipeline, path, &request, NULL, &error);
  expect(again != NULL && espalier_asset_gaussian_count(again) > 0, "decode", &error);
  expect(espalier_asset_gaussians(again, &gaussians, sizeof gaussians, &error) == ESPALIER_OK &&
             (int64_t)gaussians.count == espalier_asset_gaussian_count(again) && gaussians.positions != NULL &&
             gaussians.dc != NULL && gaussians.scales[0] > 0.0F && gaussians.rotations != NULL && gaussians.opacities[0] > 0.0F,
         "arrays of Gaussians", &error);
  espalier_asset_free(again);
  request.mesh = 1;
  again = espalier_decode(pipeline, path, &request, NULL, &error);
  expect(again != NULL, "decode both", &error);
  finishing(again, folder);
  espalier_asset_free(again);
  espalier_asset_free(asset);
  free(bytes);
}

/* A mesh file as an asset, and images of it. */
static void images(const char* folder) {
  espalier_error error = ESPALIER_ERROR_INIT;
  espalier_view view;
  espalier_asset* asset;
  char path[4096];
  espalier_view_defaults(&view, sizeof view);
  snprintf(path, sizeof path, "%s/a.glb", folder);
  asset = espalier_asset_load(path, &error);
  expect(asset != NULL && espalier_asset_faces(asset, NULL) != NULL, "load", &error);
  snprintf(path, sizeof path, "%s/view.png", folder);
  view.pixels = 64;
  view.style = ESPALIER_STYLE_NORMALS;
  view.opaque = 1;
  view.green = 0.5;
  expect(espalier_asset_render_view(asset, path, &view, "cpu", NULL, &error) == ESPALIER_OK, "view", &error);
  snprintf(path, sizeof path, "%s/sheet.png", folder);
  expect(espalier_asset_render_contact_sheet(asset, path, &view, 2, "cpu", NULL, &error) == ESPALIER_OK, "sheet", &error);
  expect(espalier_asset_render_contact_sheet(asset, path, &view, 0, "cpu", NULL, &error) == ESPALIER_INVALID_ARGUMENT,
         "a sheet of nothing", &error);
  view.style = ESPALIER_STYLE_RADIANCE_FIELD + 1;
  expect(espalier_asset_render_view(asset, path, &view, "cpu", NULL, &error) == ESPALIER_INVALID_ARGUMENT, "style", &error);
  view.style = ESPALIER_STYLE_SPLATS;
  expect(espalier_asset_render_view(asset, path, &view, NULL, NULL, &error) == ESPALIER_INVALID_ARGUMENT, "splats", &error);
  view.style = ESPALIER_STYLE_AUTO;
  snprintf(path, sizeof path, "%s/turn.webp", folder);
  expect(espalier_asset_render_turntable(asset, path, &view, 0.2, 10, "cpu", NULL, &error) == ESPALIER_OK, "turntable", &error);
  snprintf(path, sizeof path, "%s/turn.mp4", folder);
  expect(espalier_can_write_mp4() ||
             espalier_asset_render_turntable(asset, path, &view, 0.2, 10, "cpu", NULL, &error) == ESPALIER_UNSUPPORTED,
         "a turntable without ffmpeg", &error);
  snprintf(path, sizeof path, "%s/b.safetensors", folder);
  expect(espalier_asset_save_asset(asset, path, &error) == ESPALIER_OK, "save asset", &error);
  espalier_asset_free(asset);
  asset = espalier_asset_load(path, &error);
  expect(asset != NULL, "load an asset", &error);
  espalier_asset_free(asset);
  expect(espalier_asset_load(NULL, &error) == NULL && error.code == ESPALIER_INVALID_ARGUMENT, "no path", &error);
  expect(espalier_asset_render_view(NULL, path, &view, NULL, NULL, &error) == ESPALIER_INVALID_ARGUMENT, "no asset", &error);
}

int main(int argc, char** argv) {
  espalier_error error = ESPALIER_ERROR_INIT;
  espalier_options options;
  espalier_pipeline* pipeline;
  if (argc != 4) return 2;
  espalier_options_defaults(&options, sizeof options);
  options.device = "cpu";
  options.precision = ESPALIER_PRECISION_FULL;
  options.tier = ESPALIER_TIER_LOW;
  pipeline = espalier_pipeline_open(argv[1], &options, &error);
  expect(pipeline != NULL, "open", &error);
  stages();
  if (pipeline != NULL) {
    expect(strncmp(espalier_pipeline_device(pipeline), "cpu", 3) == 0 &&
               strcmp(espalier_pipeline_precision(pipeline), "float32") == 0 &&
               strcmp(espalier_pipeline_tier(pipeline), "low") == 0 && espalier_pipeline_untrained(pipeline) == 0,
           "the pipeline", &error);
    sizes(pipeline);
    mistakes(pipeline);
    work(pipeline, argv[2], argv[3]);
    images(argv[3]);
  }
  espalier_pipeline_close(pipeline);
  espalier_pipeline_close(NULL);
  espalier_asset_free(NULL);
  printf("espalier %s from C: %d failures\n", espalier_version(), failures);
  return failures == 0 ? 0 : 1;
}
