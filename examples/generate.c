/* An image becomes a mesh: generate CHECKPOINT IMAGE OUT.glb
 *   gcc generate.c -o generate $(pkg-config --cflags --libs espalier) */
#include <espalier/espalier_c.h>
#include <stdio.h>

static void show(void* context, const espalier_progress* progress) {
  (void)context;
  printf("\r%3.0f %% %-40s", 100.0 * progress->fraction, espalier_stage_title(progress->stage));
  fflush(stdout);
}

int main(int argc, char** argv) {
  if (argc != 4) return fprintf(stderr, "usage: %s CHECKPOINT IMAGE OUT.glb\n", argv[0]), 2;

  espalier_error error = ESPALIER_ERROR_INIT;
  espalier_image image = ESPALIER_IMAGE_FILE(argv[2]);
  espalier_request request;
  espalier_request_defaults(&request, sizeof request);
  request.images = &image;
  request.image_count = 1;
  espalier_observer observer;
  espalier_observer_defaults(&observer, sizeof observer);
  observer.progress = show;

  espalier_pipeline* pipeline = espalier_pipeline_open(argv[1], NULL, &error);
  espalier_asset* asset = pipeline == NULL ? NULL : espalier_generate(pipeline, &request, &observer, &error);
  if (asset != NULL) espalier_asset_save(asset, argv[3], NULL, &error);
  if (error.code != ESPALIER_OK) fprintf(stderr, "\n%s; %s\n", error.message, error.hint);
  espalier_asset_free(asset);
  espalier_pipeline_close(pipeline);
  return error.code == ESPALIER_OK ? 0 : 1;
}
