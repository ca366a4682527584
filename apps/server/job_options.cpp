#include "job_options.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <random>
#include <set>

#include "base/json.h"

namespace espalier::server {
namespace {

constexpr std::array kFormats{ResultFormat{"glb", "model/gltf-binary", true, true},
                              ResultFormat{"gltf.zip", "application/zip", true, true},
                              ResultFormat{"obj.zip", "application/zip", true, true},
                              ResultFormat{"stl", "model/stl", true, false},
                              ResultFormat{"3mf", "model/3mf", true, true},
                              ResultFormat{"mesh.ply", "application/octet-stream", true, false},
                              ResultFormat{"ply", "application/octet-stream", false, false},
                              ResultFormat{"spz", "application/octet-stream", false, false},
                              ResultFormat{"splat", "application/octet-stream", false, false}};
constexpr const char* kFormatNames = "glb, gltf.zip, obj.zip, stl, 3mf, mesh.ply, ply, spz, splat";

[[noreturn]] void refuse(const std::string& key, const std::string& what) {
  throw HttpError(400, "invalid_argument", "options: " + key + " " + what, "see /openapi.json for what every option accepts");
}

std::string shown(double value) {
  std::string text = std::to_string(value);
  while (text.find('.') != std::string::npos && (text.back() == '0' || text.back() == '.')) {
    const bool point = text.back() == '.';
    text.pop_back();
    if (point) break;
  }
  return text;
}

// The members of one JSON object; each is taken once, and at the end none may be left.
class Fields {
 public:
  Fields(const Json& object, std::string where) : object_(object), where_(std::move(where)) {
    if (!object.is_object()) refuse(where_.empty() ? "the value" : where_, "must be a JSON object");
  }
  [[nodiscard]] const Json* take(const char* key) {
    known_.insert(key);
    const auto found = object_.find(key);
    return found == object_.end() || found->is_null() ? nullptr : &*found;
  }
  [[nodiscard]] std::string path(const std::string& key) const { return where_.empty() ? key : where_ + "." + key; }

  void flag(const char* key, bool& value) {
    if (const Json* v = take(key)) {
      if (!v->is_boolean()) refuse(path(key), "must be true or false");
      value = v->get<bool>();
    }
  }
  template <class Value>
  void number(const char* key, Value& value, double low, double high) {
    if (const Json* v = take(key))
      value = static_cast<typename Plain<Value>::type>(checked<typename Plain<Value>::type>(*v, key, low, high));
  }
  void text(const char* key, std::string& value) {
    if (const Json* v = take(key)) {
      if (!v->is_string()) refuse(path(key), "must be a text");
      value = v->get<std::string>();
    }
  }
  template <class T, std::size_t N>
  void choice(const char* key, T& value, const std::array<std::pair<const char*, T>, N>& choices) {
    if (const Json* v = take(key)) value = chosen(*v, path(key), choices);
  }
  // One, or a list of them.
  template <class T, std::size_t N>
  void choices(const char* key, std::vector<T>& values, const std::array<std::pair<const char*, T>, N>& choices) {
    const Json* v = take(key);
    if (v == nullptr) return;
    values.clear();
    if (!v->is_array()) return values.push_back(chosen(*v, path(key), choices));
    for (const Json& one : *v) values.push_back(chosen(one, path(key) + "[" + std::to_string(values.size()) + "]", choices));
    if (values.empty()) refuse(path(key), "must not be empty");
  }
  void finish() const {
    for (const auto& [key, value] : object_.items()) {
      if (known_.count(key) == 0) refuse(path(shortened(clean_name(key), 60)), "is no option that exists");
    }
  }

 private:
  template <class T, std::size_t N>
  static T chosen(const Json& v, const std::string& where, const std::array<std::pair<const char*, T>, N>& choices) {
    std::string names;
    for (const auto& [name, meaning] : choices) {
      if (v.is_string() && v.get_ref<const std::string&>() == name) return meaning;
      names += (names.empty() ? "" : ", ") + std::string(name);
    }
    refuse(where, "must be one of " + names);
  }
  template <class T>
  struct Plain {
    using type = T;
  };
  template <class T>
  struct Plain<std::optional<T>> {
    using type = T;
  };
  template <class T>
  double checked(const Json& v, const char* key, double low, double high) const {
    const std::string range = " from " + shown(low) + " to " + shown(high);
    if constexpr (std::is_integral_v<T>) {
      if (!v.is_number_integer() || !(v.get<double>() >= low && v.get<double>() <= high))
        refuse(path(key), "must be a whole number" + range);
    } else {
      if (!v.is_number() || !(v.get<double>() >= low && v.get<double>() <= high)) refuse(path(key), "must be a number" + range);
    }
    return v.get<double>();
  }

  const Json& object_;
  std::string where_;
  std::set<std::string> known_;
};

constexpr std::array kBackgrounds{std::pair{"automatic", Background::automatic}, std::pair{"alpha", Background::alpha},
                                  std::pair{"none", Background::none}, std::pair{"plain", Background::plain},
                                  std::pair{"network", Background::network}};
constexpr std::array kBakes{std::pair{"fast", BakeMode::fast}, std::pair{"best", BakeMode::best}};
constexpr std::array kTextures{std::pair{"png", TextureFormat::png}, std::pair{"jpeg", TextureFormat::jpeg},
                               std::pair{"webp", TextureFormat::webp}};
constexpr std::array kModes{std::pair{"stochastic", MultiImageMode::stochastic},
                            std::pair{"multidiffusion", MultiImageMode::multidiffusion}};
constexpr std::array kVideos{std::pair{"mp4", true}, std::pair{"webp", false}};
constexpr std::array kStyles{std::pair{"automatic", RenderStyle::automatic},   std::pair{"textured", RenderStyle::textured},
                             std::pair{"colour", RenderStyle::colour},         std::pair{"clay", RenderStyle::clay},
                             std::pair{"normals", RenderStyle::normals},       std::pair{"wireframe", RenderStyle::wireframe},
                             std::pair{"uv_checker", RenderStyle::uv_checker}, std::pair{"splats", RenderStyle::splats}};
constexpr std::array kPresets{std::pair{"checkpoint", false}, std::pair{"app", true}};

template <class T, std::size_t N>
const char* name_of(T value, const std::array<std::pair<const char*, T>, N>& choices) {
  const auto found = std::find_if(choices.begin(), choices.end(), [&](const auto& c) { return c.second == value; });
  return found->first;
}

Json backgrounds_json(const std::vector<Background>& backgrounds) {
  if (backgrounds.size() == 1) return name_of(backgrounds.front(), kBackgrounds);
  Json list = Json::array();
  for (const Background one : backgrounds) list.push_back(name_of(one, kBackgrounds));
  return list;
}

template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json parse_object(const std::string& text) {
  if (text.find_first_not_of(" \t\r\n") == std::string::npos) return Json::object();
  constexpr JsonLimits kLimits{.bytes = 65536, .values = 2000, .string = 65536, .depth = 16};
  std::string problem;
  Json value = read_json<Json>(text, kLimits, problem);
  if (!problem.empty()) {
    throw HttpError(400, "invalid_argument", "options: the text " + clean_name(problem),
                    "send one JSON object and nothing else");
  }
  return value;
}

void read_sampler(Fields& fields, const char* key, SamplerRequest& sampler) {
  const Json* object = fields.take(key);
  if (object == nullptr) return;
  Fields inner(*object, key);
  inner.number("steps", sampler.steps, 1, 1000);
  inner.number("guidance", sampler.guidance, 0, 100);
  inner.number("rescale_t", sampler.rescale_t, 0.01, 100);
  if (const Json* interval = inner.take("interval")) {
    const bool pair = interval->is_array() && interval->size() == 2 && (*interval)[0].is_number() && (*interval)[1].is_number();
    const double low = pair ? (*interval)[0].get<double>() : -1;
    const double high = pair ? (*interval)[1].get<double>() : -1;
    if (!(low >= 0 && low <= high && high <= 1))
      refuse(inner.path("interval"), "must be two numbers from 0 to 1, low and high");
    sampler.interval = std::array{low, high};
  }
  inner.finish();
}

void read_formats(Fields& fields, std::vector<std::string>& formats) {
  const Json* list = fields.take("formats");
  if (list == nullptr) return;
  if (!list->is_array() || list->empty() || list->size() > kFormats.size())
    refuse("formats", std::string("must be a list of some of ") + kFormatNames);
  formats.clear();
  for (const Json& item : *list) {
    const std::string name = item.is_string() ? item.get<std::string>() : "";
    if (find_format(name) == nullptr) refuse("formats", std::string("may name ") + kFormatNames);
    if (std::find(formats.begin(), formats.end(), name) != formats.end()) refuse("formats", "names " + name + " twice");
    formats.push_back(name);
  }
}

void read_finish(Fields& fields, FinishOptions& options) {
  fields.flag("raw_mesh", options.raw_mesh);
  fields.flag("clean", options.finish.clean);
  fields.flag("fill_holes", options.finish.fill_holes);
  fields.number("simplify", options.finish.simplify, 0, 0.9999);
  fields.number("faces", options.finish.faces, 4, 100'000'000);
  fields.flag("texture", options.finish.texture);
  fields.number("texture_size", options.finish.texture_size, 512, 4096);
  fields.choice("bake", options.finish.bake, kBakes);
  fields.flag("project_image", options.finish.project_image);
  read_formats(fields, options.formats);
  fields.number("size_mm", options.save.size_mm, 0.1, 10000);
  fields.flag("unlit", options.save.unlit);
  fields.choice("texture_format", options.save.texture, kTextures);
}

void write_finish(const FinishOptions& options, Json& json) {
  json["raw_mesh"] = options.raw_mesh;
  json["clean"] = options.finish.clean;
  json["fill_holes"] = options.finish.fill_holes;
  json["simplify"] = options.finish.simplify;
  json["faces"] = or_null(options.finish.faces);
  json["texture"] = options.finish.texture;
  json["texture_size"] = options.finish.texture_size;
  json["bake"] = name_of(options.finish.bake, kBakes);
  json["project_image"] = options.finish.project_image;
  json["formats"] = options.formats;
  json["size_mm"] = options.save.size_mm;
  json["unlit"] = options.save.unlit;
  json["texture_format"] = name_of(options.save.texture, kTextures);
}

Json sampler_json(const SamplerRequest& sampler) {
  Json json{
      {"steps", or_null(sampler.steps)}, {"guidance", or_null(sampler.guidance)}, {"rescale_t", or_null(sampler.rescale_t)}};
  json["interval"] = sampler.interval ? Json{(*sampler.interval)[0], (*sampler.interval)[1]} : Json(nullptr);
  return json;
}

void apply_preset(SamplerRequest& sampler, const SamplerRequest& preset) {
  if (!sampler.steps) sampler.steps = preset.steps;
  if (!sampler.guidance) sampler.guidance = preset.guidance;
}

TurntableOptions read_turntable(const Json& object) {
  TurntableOptions turntable;
  Fields fields(object, "turntable");
  fields.choice("format", turntable.mp4, kVideos);
  fields.choice("style", turntable.style, kStyles);
  fields.number("seconds", turntable.seconds, 0.5, 30);
  fields.number("size", turntable.size, 64, 1024);
  fields.finish();
  return turntable;
}

}  // namespace

const ResultFormat* find_format(const std::string& name) {
  const auto found = std::find_if(kFormats.begin(), kFormats.end(), [&](const ResultFormat& f) { return name == f.name; });
  return found == kFormats.end() ? nullptr : &*found;
}

bool FinishOptions::same_mesh(const FinishOptions& other) const {
  const FinishRequest& a = finish;
  const FinishRequest& b = other.finish;
  return raw_mesh == other.raw_mesh && a.clean == b.clean && a.fill_holes == b.fill_holes && a.simplify == b.simplify &&
         a.faces == b.faces && a.texture == b.texture && a.texture_size == b.texture_size && a.bake == b.bake &&
         a.project_image == b.project_image;
}

std::optional<FinishRequest> FinishOptions::request() const {
  const auto any = [&](auto test) {
    return std::any_of(formats.begin(), formats.end(), [&](const std::string& name) { return test(*find_format(name)); });
  };
  if (raw_mesh || !any([](const ResultFormat& f) { return f.mesh; })) return std::nullopt;
  FinishRequest request = finish;
  request.texture = request.texture && any([](const ResultFormat& f) { return f.textured; });
  return request;
}

GenerateOptions parse_generate_options(const std::string& text) {
  const Json object = parse_object(text);
  GenerateOptions options;
  Fields fields(object, "");
  fields.text("name", options.name);
  options.name = clean_name(options.name);
  std::optional<std::uint32_t> seed;
  fields.number("seed", seed, 0, 4294967295.0);
  options.seed = seed ? *seed : std::random_device{}();
  fields.choice("preset", options.app_preset, kPresets);
  read_sampler(fields, "structure", options.structure);
  read_sampler(fields, "latent", options.latent);
  if (options.app_preset) {
    apply_preset(options.structure, app_structure_settings());
    apply_preset(options.latent, app_latent_settings());
  }
  fields.choice("multi_image", options.multi_image, kModes);
  fields.choices("background", options.background, kBackgrounds);
  read_finish(fields, options.finish);
  fields.finish();
  return options;
}

ExportOptions parse_export_options(const std::string& text, const FinishOptions& of_parent) {
  const Json object = parse_object(text);
  ExportOptions options;
  Fields fields(object, "");
  fields.text("name", options.name);
  options.name = clean_name(options.name);
  if (const Json* turntable = fields.take("turntable")) {
    options.turntable = read_turntable(*turntable);
    fields.finish();  // a turntable shows the asset; other keys would mean nothing
    return options;
  }
  options.finish = of_parent;
  read_finish(fields, options.finish);
  fields.finish();
  return options;
}

Background parse_background(const std::string& text) {
  for (const auto& [name, value] : kBackgrounds) {
    if (text == name) return value;
  }
  throw HttpError(400, "invalid_argument", "background must be one of automatic, alpha, none, plain, network",
                  "leave it out for automatic");
}

Json to_json(const GenerateOptions& options) {
  Json json{{"name", options.name}, {"seed", options.seed}, {"preset", name_of(options.app_preset, kPresets)}};
  json["structure"] = sampler_json(options.structure);
  json["latent"] = sampler_json(options.latent);
  json["multi_image"] = name_of(options.multi_image, kModes);
  json["background"] = backgrounds_json(options.background);
  write_finish(options.finish, json);
  return json;
}

Json to_json(const ExportOptions& options) {
  Json json{{"name", options.name}};
  if (options.turntable) {
    json["turntable"] = {{"format", name_of(options.turntable->mp4, kVideos)},
                         {"style", name_of(options.turntable->style, kStyles)},
                         {"seconds", options.turntable->seconds},
                         {"size", options.turntable->size}};
  } else {
    write_finish(options.finish, json);
  }
  return json;
}

namespace {

// Of well-formed UTF-8: without control characters, and without those that turn text around or are not seen, with which a
// name can look like another.
std::string without_controls(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const std::size_t size = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    std::uint32_t code = size == 1 ? lead : lead & (0xFFU >> (size + 1));
    for (std::size_t k = 1; k < size && i + k < text.size(); ++k)
      code = code << 6U | (static_cast<unsigned char>(text[i + k]) & 0x3FU);
    const bool control = code < 0x20 || (code >= 0x7F && code < 0xA0);
    const bool hidden = code == 0xAD || code == 0x61C || (code >= 0x200B && code <= 0x200F) ||
                        (code >= 0x2028 && code <= 0x202E) || (code >= 0x2060 && code <= 0x206F) || code == 0xFEFF ||
                        (code >= 0xFFF9 && code <= 0xFFFB) || (code >= 0xE0000 && code <= 0xE007F);
    if (!control && !hidden) out += text.substr(i, size);
    i += size;
  }
  return out;
}

}  // namespace

std::string clean_name(const std::string& text) {
  constexpr std::size_t kLongest = 200;
  std::string valid = Json::parse(text_of(Json(text))).get<std::string>();  // bytes that are no UTF-8 become U+FFFD
  valid = without_controls(valid);
  if (valid.size() > kLongest) {
    std::size_t end = kLongest;
    while (end > 0 && (static_cast<unsigned char>(valid[end]) & 0xC0U) == 0x80U) --end;
    valid.resize(end);
  }
  return valid;
}

}  // namespace espalier::server
