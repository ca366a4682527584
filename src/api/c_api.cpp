// include/espalier/espalier_c.h over the C++ interface: no exception crosses, no pointer is trusted to be there. This file:
// errors, stages, pipelines and what they are asked for.
#include <algorithm>

#include "api/c_api_parts.h"

namespace espalier::c {

static_assert(code_of(ErrorCode::invalid_argument) == ESPALIER_INVALID_ARGUMENT &&
              code_of(ErrorCode::not_found) == ESPALIER_NOT_FOUND && code_of(ErrorCode::format) == ESPALIER_FORMAT &&
              code_of(ErrorCode::unsupported) == ESPALIER_UNSUPPORTED && code_of(ErrorCode::io) == ESPALIER_IO &&
              code_of(ErrorCode::out_of_memory) == ESPALIER_OUT_OF_MEMORY && code_of(ErrorCode::device) == ESPALIER_DEVICE &&
              code_of(ErrorCode::cancelled) == ESPALIER_CANCELLED && code_of(ErrorCode::internal) == ESPALIER_INTERNAL);

bool can_fill(const espalier_error* error) { return known_size<espalier_error>(error->size); }

namespace {

template <std::size_t N>
void copy_cut(std::string_view text, char (&to)[N]) {
  to[text.copy(to, N - 1)] = '\0';
}

constexpr espalier_sampler kOwn{0, -1.0, -1.0, -1.0, -1.0};
constexpr espalier_reuse kOwnReuse{ESPALIER_SOLVER_OF_PRESET, 0, -1, 0};

espalier_options plain_options() { return {sizeof(espalier_options), nullptr, nullptr, 0, 0, 0, nullptr}; }
espalier_observer plain_observer() { return {sizeof(espalier_observer), nullptr, nullptr, nullptr, nullptr, nullptr, 0}; }
espalier_image plain_image() { return ESPALIER_IMAGE_FILE(nullptr); }
espalier_request plain_request() {
  const Request r;
  return {sizeof(espalier_request),
          nullptr,
          0,
          r.seed,
          kOwn,
          kOwn,
          ESPALIER_STOCHASTIC,
          r.mesh ? 1 : 0,
          r.gaussians ? 1 : 0,
          r.radiance_field ? 1 : 0,
          static_cast<int>(r.surface),
          nullptr,
          nullptr,
          ESPALIER_PRESET_CHECKPOINT,
          kOwnReuse,
          kOwnReuse};
}

SamplerRequest sampler_of(const espalier_sampler& s, const espalier_reuse& r) {
  SamplerRequest out;
  const auto solver = enumerator(r.solver, ESPALIER_SOLVER_MULTISTEP, "solver");
  if (solver != ESPALIER_SOLVER_OF_PRESET) out.solver = solver == ESPALIER_SOLVER_EULER ? Solver::euler : Solver::multistep;
  if (r.reuse != 0) out.reuse = r.reuse;
  if (r.reuse_order >= 0) out.reuse_order = r.reuse_order;
  if (r.guidance_reuse != 0) out.guidance_reuse = r.guidance_reuse;
  if (s.steps != 0) out.steps = s.steps;
  if (!(s.guidance < 0.0)) out.guidance = s.guidance;
  if (!(s.rescale_t < 0.0)) out.rescale_t = s.rescale_t;
  if (!(s.interval_low < 0.0 && s.interval_high < 0.0)) out.interval = {s.interval_low, s.interval_high};
  return out;
}

static_assert(static_cast<int>(Background::automatic) == ESPALIER_BACKGROUND_AUTO &&
              static_cast<int>(Background::alpha) == ESPALIER_BACKGROUND_ALPHA &&
              static_cast<int>(Background::none) == ESPALIER_BACKGROUND_NONE);

Background background_of(const espalier_image& image) { return enumerator(image.background, Background::none, "background"); }

InputImage image_of(const espalier_image& image) {
  const std::string name = image.name == nullptr ? "the image" : image.name;
  if (enumerator(image.kind, ESPALIER_IMAGE_PIXELS, "the kind of an image") == ESPALIER_IMAGE_IN_FILE)
    return {text_of(image.path, "an image's path")};
  if (image.byte_count > 0) (void)given(image.bytes == nullptr ? nullptr : &image, "an image's bytes");
  const auto* bytes = static_cast<const std::byte*>(image.bytes);
  std::vector<std::byte> copy(bytes, bytes + image.byte_count);
  if (image.kind == ESPALIER_IMAGE_ENCODED) return InputImage::encoded(std::move(copy), name);
  return InputImage::pixels(std::move(copy), image.width, image.height, image.channels, name);
}

Request request_of(const espalier_request* pointer) {
  const espalier_request r = taken(pointer, plain_request(), "request");
  Request out;
  if (r.image_count > 0) {
    (void)given(r.images, "images");
    out.background.clear();
  }
  const char* at = static_cast<const char*>(static_cast<const void*>(r.images));
  for (std::size_t i = 0; i < r.image_count; ++i) {
    // Images of an older header lie closer together than sizeof says here.
    espalier_image image = taken(static_cast<const espalier_image*>(static_cast<const void*>(at)), plain_image(), "an image");
    at += image.size;
    out.images.push_back(image_of(image));
    out.background.push_back(background_of(image));
  }
  if (r.prompt != nullptr) out.prompt = r.prompt;
  if (r.negative_prompt != nullptr) out.negative_prompt = r.negative_prompt;
  out.seed = r.seed;
  out.structure = sampler_of(r.structure, r.structure_reuse);
  out.latent = sampler_of(r.latent, r.latent_reuse);
  out.preset = enumerator(r.preset, SamplerPreset::fast, "preset");
  out.multi_image = enumerator(r.multi_image, MultiImageMode::multidiffusion, "multi_image");
  out.mesh = r.mesh != 0;
  out.gaussians = r.gaussians != 0;
  out.radiance_field = r.radiance_field != 0;
  out.surface = enumerator(r.surface, SurfaceRule::reference, "surface");
  return out;
}

espalier_edit_request plain_edit() {
  const EditRequest plain;
  return {sizeof(espalier_edit_request), nullptr, plain.rim, plain.resample, plain.appearance_only ? 1 : 0};
}

EditRequest edit_of(const espalier_edit_request* pointer) {
  const espalier_edit_request c = taken(pointer, plain_edit(), "part");
  return {text_of(c.region, "region"), c.rim, c.resample, c.appearance_only != 0};
}

const char* stage_text(int stage, std::string_view (*text)(Stage)) {
  return stage < 0 || stage >= kStages ? nullptr : text(static_cast<Stage>(stage)).data();  // of literals
}

}  // namespace

espalier_code report(espalier_error* error, espalier_code code, std::string_view message, std::string_view hint) {
  if (error != nullptr) {
    error->code = code;
    copy_cut(message, error->message);
    copy_cut(hint, error->hint);
  }
  return code;
}

Observer observer_of(const espalier_observer* pointer) {
  Observer out;
  if (pointer == nullptr) return out;
  const espalier_observer c = taken(pointer, plain_observer(), "observer");
  if (c.progress != nullptr) {
    out.progress = [c](const Progress& p) {
      const espalier_progress report{
          sizeof(espalier_progress), static_cast<int>(p.stage), p.step, p.steps, p.fraction, p.seconds_left};
      c.progress(c.context, &report);
    };
  }
  if (c.cancelled != nullptr) out.cancelled = [c] { return c.cancelled(c.context) != 0; };
  if (c.message != nullptr) out.message = [c](const std::string& line) { c.message(c.context, line.c_str()); };
  if (c.partial != nullptr) {
    out.partial = [c](const Asset& asset) {
      const espalier_asset handle{asset};
      c.partial(c.context, &handle);
    };
  }
  out.measure_memory = c.measure_memory != 0;
  return out;
}

}  // namespace espalier::c

using namespace espalier;
using namespace espalier::c;

extern "C" {

const char* espalier_version(void) {
  static const std::string text = version();
  return text.c_str();
}

int espalier_stage_count(void) { return kStages; }
const char* espalier_stage_id(int stage) { return stage_text(stage, stage_id); }
const char* espalier_stage_title(int stage) { return stage_text(stage, stage_title); }
const char* espalier_stage_phase(int stage) { return stage_text(stage, stage_phase); }
int espalier_stage_from_id(const char* id) {
  const std::optional<Stage> stage = id == nullptr ? std::nullopt : stage_from_id(id);
  return stage ? static_cast<int>(*stage) : -1;
}

void espalier_observer_defaults(espalier_observer* observer, size_t size) { fill_defaults(plain_observer(), observer, size); }
void espalier_options_defaults(espalier_options* options, size_t size) { fill_defaults(plain_options(), options, size); }
void espalier_request_defaults(espalier_request* request, size_t size) { fill_defaults(plain_request(), request, size); }

void espalier_edit_request_defaults(espalier_edit_request* part, size_t size) { fill_defaults(plain_edit(), part, size); }

espalier_pipeline* espalier_pipeline_open(const char* checkpoint, const espalier_options* options, espalier_error* error) {
  espalier_pipeline* opened = nullptr;
  guarded(error, [&] {
    PipelineOptions o{.checkpoint = text_of(checkpoint, "checkpoint")};
    if (options != nullptr) {
      const espalier_options c = taken(options, plain_options(), "options");
      o.device = device_of(c.device);
      if (c.image_encoder != nullptr) o.image_encoder = c.image_encoder;
      if (c.text_encoder != nullptr) o.text_encoder = c.text_encoder;
      o.precision = enumerator(c.precision, Precision::fp8, "precision");
      o.tier = enumerator(c.tier, MemoryTier::low, "tier");
      o.memory_limit = c.memory_limit;
    }
    Pipeline pipeline(o);
    std::string device = pipeline.device();
    std::string precision = pipeline.precision();
    std::string tier = pipeline.tier();
    opened = new espalier_pipeline{std::move(pipeline), std::move(device), std::move(precision), std::move(tier)};
  });
  return opened;
}

void espalier_pipeline_close(espalier_pipeline* pipeline) { delete pipeline; }

const char* espalier_pipeline_device(const espalier_pipeline* pipeline) {
  return pipeline == nullptr ? nullptr : pipeline->device.c_str();
}
const char* espalier_pipeline_precision(const espalier_pipeline* pipeline) {
  return pipeline == nullptr ? nullptr : pipeline->precision.c_str();
}
const char* espalier_pipeline_tier(const espalier_pipeline* pipeline) {
  return pipeline == nullptr ? nullptr : pipeline->tier.c_str();
}
int espalier_pipeline_untrained(const espalier_pipeline* pipeline) {
  return pipeline != nullptr && pipeline->pipeline.untrained() ? 1 : 0;
}

int espalier_pipeline_takes_text(const espalier_pipeline* pipeline) {
  return pipeline != nullptr && pipeline->pipeline.takes_text() ? 1 : 0;
}

espalier_asset* espalier_generate(espalier_pipeline* pipeline, const espalier_request* request,
                                  const espalier_observer* observer, espalier_error* error) {
  espalier_asset* made = nullptr;
  guarded(error, [&] {
    (void)given(pipeline, "pipeline");
    made = new espalier_asset{pipeline->pipeline.generate(request_of(request), observer_of(observer))};
  });
  return made;
}

espalier_asset* espalier_vary(espalier_pipeline* pipeline, const espalier_asset* shape, const espalier_request* request,
                              const espalier_observer* observer, espalier_error* error) {
  espalier_asset* made = nullptr;
  guarded(error, [&] {
    (void)given(pipeline, "pipeline");
    const Asset& mesh = given(shape, "shape").asset;
    made = new espalier_asset{pipeline->pipeline.vary(mesh, request_of(request), observer_of(observer))};
  });
  return made;
}

espalier_asset* espalier_edit(espalier_pipeline* pipeline, const espalier_asset* asset, const espalier_edit_request* part,
                              const espalier_request* request, const espalier_observer* observer, espalier_error* error) {
  espalier_asset* made = nullptr;
  guarded(error, [&] {
    (void)given(pipeline, "pipeline");
    const Asset& before = given(asset, "asset").asset;
    made = new espalier_asset{pipeline->pipeline.edit(before, edit_of(part), request_of(request), observer_of(observer))};
  });
  return made;
}

espalier_code espalier_check_prompt(const char* prompt, espalier_error* error) {
  return guarded(error, [&] { Pipeline::check_prompt(text_of(prompt, "prompt")); });
}

espalier_asset* espalier_decode(espalier_pipeline* pipeline, const char* latent, const espalier_request* request,
                                const espalier_observer* observer, espalier_error* error) {
  espalier_asset* made = nullptr;
  guarded(error, [&] {
    (void)given(pipeline, "pipeline");
    made = new espalier_asset{pipeline->pipeline.decode(text_of(latent, "latent"), request_of(request), observer_of(observer))};
  });
  return made;
}

espalier_code espalier_check_image(const espalier_image* image, espalier_error* error) {
  return guarded(error, [&] { Pipeline::check_image(image_of(taken(image, plain_image(), "image"))); });
}

espalier_files* espalier_preprocess(const espalier_image* image, const espalier_observer* observer, espalier_error* error) {
  espalier_files* made = nullptr;
  guarded(error, [&] {
    const espalier_image c = taken(image, plain_image(), "image");
    const Observer watching = observer_of(observer);
    Pipeline::Foreground foreground = Pipeline::preprocess(image_of(c), background_of(c));
    for (const std::string& notice : foreground.notices) {
      if (watching.message) watching.message(notice);
    }
    std::vector<NamedBytes> files;
    files.push_back({"foreground.png", std::move(foreground.png)});
    made = new espalier_files{std::move(files)};
  });
  return made;
}

}  // extern "C"
