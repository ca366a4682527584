// include/espalier/espalier_c.h over the C++ interface: no exception crosses, no pointer is trusted to be there.
#include <cstring>
#include <new>

#include "base/error.h"
#include "espalier/espalier.h"
#include "espalier/espalier_c.h"

// The handles of the C interface, at global scope because C knows no other.
struct espalier_pipeline {
  espalier::Pipeline pipeline;
};
struct espalier_asset {
  espalier::Asset asset;
};

namespace {

using namespace espalier;

constexpr espalier_code code_of(ErrorCode code) { return static_cast<espalier_code>(static_cast<int>(code) + 1); }
static_assert(code_of(ErrorCode::invalid_argument) == ESPALIER_INVALID_ARGUMENT &&
              code_of(ErrorCode::not_found) == ESPALIER_NOT_FOUND && code_of(ErrorCode::format) == ESPALIER_FORMAT &&
              code_of(ErrorCode::unsupported) == ESPALIER_UNSUPPORTED && code_of(ErrorCode::io) == ESPALIER_IO &&
              code_of(ErrorCode::out_of_memory) == ESPALIER_OUT_OF_MEMORY && code_of(ErrorCode::device) == ESPALIER_DEVICE &&
              code_of(ErrorCode::cancelled) == ESPALIER_CANCELLED && code_of(ErrorCode::internal) == ESPALIER_INTERNAL);

espalier_code report(espalier_error* error, espalier_code code, const char* message) {
  if (error != nullptr) {
    error->code = code;
    std::strncpy(error->message, message, sizeof error->message - 1);
    error->message[sizeof error->message - 1] = '\0';
  }
  return code;
}

// Runs `body`; what it throws becomes a code and a message.
template <class Body>
espalier_code guarded(espalier_error* error, Body body) {
  report(error, ESPALIER_OK, "");
  try {
    body();
    return ESPALIER_OK;
  } catch (const Error& e) {
    return report(error, code_of(e.code()), e.what());
  } catch (const std::bad_alloc&) {
    return report(error, ESPALIER_OUT_OF_MEMORY, "out of memory on the host; close other programs, or use a lower memory tier");
  } catch (const std::exception& e) {
    return report(error, ESPALIER_INTERNAL, e.what());
  } catch (...) {
    return report(error, ESPALIER_INTERNAL, "a callback threw something that is no std::exception");
  }
}

template <class T>
const T& given(const T* pointer, const char* what) {
  if (pointer == nullptr) fail(ErrorCode::invalid_argument, what, " is NULL");
  return *pointer;
}
std::string text_of(const char* text, const char* what) { return &given(text, what); }

// The enumerator of a value that came from C, where any number may stand.
template <class Enum>
Enum enumerator(int value, Enum last, const char* what) {
  if (value < 0 || value > static_cast<int>(last)) fail(ErrorCode::invalid_argument, what, ": ", value, " has no meaning");
  return static_cast<Enum>(value);
}

SamplerRequest sampler_of(const espalier_sampler& s) {
  SamplerRequest out;
  if (s.steps != 0) out.steps = s.steps;
  if (!(s.guidance < 0.0)) out.guidance = s.guidance;
  if (!(s.rescale_t < 0.0)) out.rescale_t = s.rescale_t;
  if (!(s.interval_low < 0.0 && s.interval_high < 0.0)) out.interval = {s.interval_low, s.interval_high};
  return out;
}

Request request_of(const espalier_request& r) {
  Request out;
  if (r.image_count > 0) (void)given(r.images, "images");
  for (std::size_t i = 0; i < r.image_count; ++i) out.images.emplace_back(text_of(r.images[i], "a picture's path"));
  out.seed = r.seed;
  out.structure = sampler_of(r.structure);
  out.latent = sampler_of(r.latent);
  out.multi_image = enumerator(r.multi_image, MultiImageMode::multidiffusion, "multi_image");
  out.background = {r.as_is != 0 ? Background::none : Background::automatic};
  out.mesh = r.mesh != 0;
  out.gaussians = r.gaussians != 0;
  out.radiance_field = r.radiance_field != 0;
  return out;
}

static_assert(static_cast<int>(BakeMode::best) == ESPALIER_BAKE_BEST);

FinishRequest finish_of(const espalier_finish& f) {
  FinishRequest out;
  out.clean = f.clean != 0;
  out.fill_holes = f.fill_holes != 0;
  out.simplify = f.simplify;
  if (f.faces != 0) out.faces = f.faces;
  out.texture = f.texture != 0;
  out.texture_size = f.texture_size;
  out.bake = enumerator(f.bake, BakeMode::best, "bake");
  out.bake_radiance_field = f.bake_radiance_field != 0;
  out.views = f.views;
  out.view_size = f.view_size;
  out.project_image = f.project_image != 0;
  return out;
}

static_assert(static_cast<int>(RenderStyle::radiance_field) == ESPALIER_STYLE_RADIANCE_FIELD &&
              static_cast<int>(RenderStyle::clay) == ESPALIER_STYLE_CLAY);

ViewRequest view_of(const espalier_look& l) {
  ViewRequest out;
  out.style = enumerator(l.style, RenderStyle::radiance_field, "style");
  out.from = {l.yaw, l.pitch};
  out.fov = l.fov;
  if (l.distance != 0.0) out.distance = l.distance;
  out.size = l.size;
  if (l.opaque != 0) out.background = {l.red, l.green, l.blue};
  return out;
}

std::string device_of(const char* device) { return device == nullptr ? "auto" : device; }

Observer observer_of(const espalier_observer* o) {
  Observer out;
  if (o == nullptr) return out;
  const espalier_observer c = *o;
  if (c.progress != nullptr) {
    out.progress = [c](const Progress& p) { c.progress(c.context, stage_id(p.stage).data(), p.step, p.steps, p.fraction); };
  }
  if (c.cancelled != nullptr) out.cancelled = [c] { return c.cancelled(c.context) != 0; };
  if (c.message != nullptr) out.message = [c](const std::string& line) { c.message(c.context, line.c_str()); };
  return out;
}

template <class T, class Values>
const T* array_of(const espalier_asset* asset, std::size_t* count, Values values) {
  const auto span = asset == nullptr ? std::span<const T>() : values(asset->asset);
  if (count != nullptr) *count = span.size();
  return span.data();
}

}  // namespace

extern "C" {

const char* espalier_version(void) {
  static const std::string text = version();
  return text.c_str();
}

espalier_pipeline* espalier_pipeline_open(const char* checkpoint, const espalier_options* options, espalier_error* error) {
  espalier_pipeline* opened = nullptr;
  guarded(error, [&] {
    PipelineOptions o{.checkpoint = text_of(checkpoint, "checkpoint")};
    if (options != nullptr) {
      if (options->device != nullptr) o.device = options->device;
      if (options->image_encoder != nullptr) o.image_encoder = options->image_encoder;
      o.precision = enumerator(options->precision, Precision::half, "precision");
      o.tier = enumerator(options->tier, MemoryTier::low, "tier");
    }
    opened = new espalier_pipeline{Pipeline(o)};
  });
  return opened;
}

void espalier_pipeline_close(espalier_pipeline* pipeline) { delete pipeline; }

espalier_request espalier_request_defaults(void) {
  const espalier_sampler own{0, -1.0, -1.0, -1.0, -1.0};
  const Request r;
  return {nullptr, 0, r.seed, own, own, ESPALIER_STOCHASTIC, 0, r.mesh ? 1 : 0, r.gaussians ? 1 : 0, r.radiance_field ? 1 : 0};
}

espalier_asset* espalier_generate(espalier_pipeline* pipeline, const espalier_request* request,
                                  const espalier_observer* observer, espalier_error* error) {
  espalier_asset* made = nullptr;
  guarded(error, [&] {
    (void)given(pipeline, "pipeline");
    made = new espalier_asset{pipeline->pipeline.generate(request_of(given(request, "request")), observer_of(observer))};
  });
  return made;
}

espalier_asset* espalier_decode(espalier_pipeline* pipeline, const char* latent, const espalier_request* request,
                                const espalier_observer* observer, espalier_error* error) {
  espalier_asset* made = nullptr;
  guarded(error, [&] {
    (void)given(pipeline, "pipeline");
    made = new espalier_asset{
        pipeline->pipeline.decode(text_of(latent, "latent"), request_of(given(request, "request")), observer_of(observer))};
  });
  return made;
}

espalier_asset* espalier_asset_load(const char* path, espalier_error* error) {
  espalier_asset* loaded = nullptr;
  guarded(error, [&] { loaded = new espalier_asset{load_any(text_of(path, "path"))}; });
  return loaded;
}

void espalier_asset_free(espalier_asset* asset) { delete asset; }

espalier_finish espalier_finish_defaults(void) {
  const FinishRequest r;
  const auto number = [](bool value) { return value ? 1 : 0; };
  return {number(r.clean),
          number(r.fill_holes),
          r.simplify,
          r.faces.value_or(0),
          number(r.texture),
          r.texture_size,
          static_cast<int>(r.bake),
          number(r.bake_radiance_field),
          r.views,
          r.view_size,
          number(r.project_image)};
}

espalier_asset* espalier_asset_finish(const espalier_asset* asset, const espalier_finish* finish, const char* device,
                                      const espalier_observer* observer, espalier_error* error) {
  espalier_asset* made = nullptr;
  guarded(error, [&] {
    made = new espalier_asset{espalier::finish(given(asset, "asset").asset, finish_of(given(finish, "finish")),
                                               device_of(device), observer_of(observer))};
  });
  return made;
}

espalier_code espalier_asset_save(const espalier_asset* asset, const char* path, double size_mm, espalier_error* error) {
  return guarded(error, [&] {
    SaveOptions options;
    if (size_mm != 0.0) options.size_mm = size_mm;
    given(asset, "asset").asset.save(text_of(path, "path"), options);
  });
}

espalier_code espalier_asset_save_latent(const espalier_asset* asset, const char* path, espalier_error* error) {
  return guarded(error, [&] { given(asset, "asset").asset.save_latent(text_of(path, "path")); });
}

espalier_code espalier_asset_save_preview(const espalier_asset* asset, const char* path, espalier_error* error) {
  return guarded(error, [&] { given(asset, "asset").asset.save_preview(text_of(path, "path")); });
}

espalier_code espalier_asset_save_asset(const espalier_asset* asset, const char* path, espalier_error* error) {
  return guarded(error, [&] { given(asset, "asset").asset.save_asset(text_of(path, "path")); });
}

espalier_look espalier_look_defaults(void) {
  const ViewRequest r;
  return {ESPALIER_STYLE_AUTO, r.from.yaw, r.from.pitch, r.fov, 0.0, r.size, 0, 0.0, 0.0, 0.0};
}

espalier_code espalier_asset_render_view(const espalier_asset* asset, const char* png, const espalier_look* look,
                                         const char* device, const espalier_observer* observer, espalier_error* error) {
  return guarded(error, [&] {
    render_view(given(asset, "asset").asset, text_of(png, "png"), view_of(given(look, "look")), device_of(device),
                observer_of(observer));
  });
}

espalier_code espalier_asset_render_turntable(const espalier_asset* asset, const char* video, const espalier_look* look,
                                              double seconds, int frames_per_second, const char* device,
                                              const espalier_observer* observer, espalier_error* error) {
  return guarded(error, [&] {
    const TurntableRequest request{view_of(given(look, "look")), seconds, frames_per_second};
    render_turntable(given(asset, "asset").asset, text_of(video, "video"), request, device_of(device), observer_of(observer));
  });
}

const float* espalier_asset_vertices(const espalier_asset* asset, size_t* count) {
  return array_of<float>(asset, count, [](const Asset& a) { return a.vertices(); });
}
const float* espalier_asset_colours(const espalier_asset* asset, size_t* count) {
  return array_of<float>(asset, count, [](const Asset& a) { return a.colours(); });
}
const int32_t* espalier_asset_faces(const espalier_asset* asset, size_t* count) {
  return array_of<std::int32_t>(asset, count, [](const Asset& a) { return a.faces(); });
}
const int32_t* espalier_asset_voxels(const espalier_asset* asset, size_t* count) {
  return array_of<std::int32_t>(asset, count, [](const Asset& a) { return a.voxels(); });
}
int64_t espalier_asset_gaussian_count(const espalier_asset* asset) {
  return asset == nullptr ? 0 : asset->asset.gaussian_count();
}

}  // extern "C"
