#include "session/checkpoint.h"

#include <set>

#include "base/file.h"
#include "models/dino/dino.h"

namespace espalier {

using nlohmann::json;
namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kMaxJson = std::uint64_t{16} << 20U;
constexpr int kMaxDepth = 32;

json load_json(const fs::path& path) {
  const std::vector<std::byte> bytes = read_file(path, kMaxJson);
  return parse_json(path.string(), {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

const json& member(const std::string& where, const json& object, const char* key) {
  if (!object.is_object() || !object.contains(key)) fail(ErrorCode::format, where, ": ", key, " is missing");
  return object[key];
}

std::string text_member(const std::string& where, const json& object, const char* key) {
  const json& v = member(where, object, key);
  if (!v.is_string()) fail(ErrorCode::format, where, ": ", key, ": expected a string, found ", v.type_name());
  return v.get<std::string>();
}

SamplerSettings read_sampler(const std::string& where, const json& sampler) {
  SamplerSettings s;
  const std::string name = text_member(where, sampler, "name");
  static const std::set<std::string> known{"FlowEulerSampler", "FlowEulerCfgSampler", "FlowEulerGuidanceIntervalSampler"};
  if (known.count(name) == 0) {
    fail(ErrorCode::unsupported, where, ": sampler ", name,
         " is not known; FlowEulerSampler, FlowEulerCfgSampler and FlowEulerGuidanceIntervalSampler are");
  }
  Arguments args(where + ": args", member(where, sampler, "args"));
  s.sigma_min = args.number("sigma_min");
  args.finish();
  Arguments params(where + ": params", member(where, sampler, "params"));
  s.steps = static_cast<int>(params.integer_or("steps", 50, 1, 1000));
  s.rescale_t = params.number_or("rescale_t", 1.0);
  if (name != "FlowEulerSampler") {
    s.guided = true;
    s.strength = params.number_or("cfg_strength", 3.0);
  }
  if (name == "FlowEulerGuidanceIntervalSampler") {
    const json& all = member(where, sampler, "params");
    s.interval_lo = 0.0;
    s.interval_hi = 1.0;
    if (params.has("cfg_interval")) {
      const json& interval = all["cfg_interval"];
      if (!interval.is_array() || interval.size() != 2 || !interval[0].is_number() || !interval[1].is_number()) {
        fail(ErrorCode::format, where, ": cfg_interval is not a pair of numbers");
      }
      s.interval_lo = interval[0].get<double>();
      s.interval_hi = interval[1].get<double>();
    }
    params.ignore("cfg_interval");
  }
  params.finish();
  check_settings(s, where);
  return s;
}

std::vector<float> read_floats(const std::string& where, const json& object, const char* key) {
  const json& v = member(where, object, key);
  if (!v.is_array() || v.empty() || v.size() > 4096) fail(ErrorCode::format, where, ": ", key, " is not a list of numbers");
  std::vector<float> out;
  for (const json& e : v) {
    if (!e.is_number()) fail(ErrorCode::format, where, ": ", key, ": expected numbers, found ", e.dump());
    out.push_back(static_cast<float>(e.get<double>()));
  }
  return out;
}

// A relative module name may not climb out of the places that are searched.
void check_entry(const std::string& where, const std::string& entry) {
  const fs::path p(entry);
  bool bad = entry.empty() || p.is_absolute();
  for (const auto& part : p) bad = bad || part == "..";
  if (bad) fail(ErrorCode::format, where, ": module path \"", entry, "\" must be relative and without ..");
}

fs::path find_module(const std::string& where, const fs::path& folder, const std::string& entry) {
  check_entry(where, entry);
  std::vector<fs::path> tried{folder / entry};
  const fs::path p(entry);
  std::vector<fs::path> parts(p.begin(), p.end());
  if (parts.size() >= 3) {
    fs::path rest;
    for (std::size_t i = 2; i < parts.size(); ++i) rest /= parts[i];
    const fs::path base = fs::absolute(folder).lexically_normal();
    const fs::path self = base.has_filename() ? base : base.parent_path();
    tried.push_back(self.parent_path() / parts[1] / rest);
    tried.push_back(self.parent_path().parent_path() / parts[0] / parts[1] / rest);
  }
  for (const fs::path& t : tried) {
    if (fs::exists(t.string() + ".json")) return t;
  }
  std::string places;
  for (const fs::path& t : tried) places += (places.empty() ? "" : ", ") + t.string() + ".json";
  fail(ErrorCode::not_found, where, ": module ", entry, " was not found; looked for ", places,
       parts.size() >= 3 ? "; fetch that repository beside this one" : "; the checkpoint is incomplete");
}

void note_training(Checkpoint& checkpoint, const std::map<std::string, std::string>& metadata) {
  const auto it = metadata.find("trained");
  if (it != metadata.end() && it->second == "no") checkpoint.untrained = true;
}

std::shared_ptr<const TensorSource> open_tensors(Checkpoint& checkpoint, const fs::path& path) {
  auto file = std::make_shared<SafetensorsFile>(path);
  note_training(checkpoint, file->metadata());
  return file;
}

void open_image_encoder(Checkpoint& checkpoint, const fs::path& given) {
  ModuleSource m;
  m.role = kImageEncoder;
  m.class_name = "DinoVisionTransformer";
  const std::string& name = checkpoint.image_encoder;
  std::vector<fs::path> tried;
  if (!given.empty()) {
    tried = {given};
  } else {
    check_entry(checkpoint.folder.string() + "/pipeline.json: image_cond_model", name);
    tried = {checkpoint.folder / "ckpts" / (name + ".safetensors"), checkpoint.folder / (name + ".safetensors")};
  }
  for (const fs::path& t : tried) {
    if (!fs::exists(t)) continue;
    m.file = t;
    m.tensors = open_tensors(checkpoint, t);
    fs::path config = t;
    config.replace_extension(".json");
    if (fs::exists(config)) {
      read_module_json(config.string(), load_json(config), m);
    } else {
      (void)DinoConfig::named(name);  // refuses a name that implies no configuration
      m.where = t.string() + " (" + name + ")";
    }
    checkpoint.modules[kImageEncoder] = std::move(m);
    return;
  }
  fail(ErrorCode::not_found, "image encoder ", name, ": ", tried.front().string(),
       " does not exist; put DINOv2's weights there as safetensors, or name them with --image-encoder");
}

}  // namespace

json parse_json(const std::string& where, std::string_view text) {
  int depth = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\') {
        ++i;
      } else if (c == '"') {
        quoted = false;
      }
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{' || c == '[') {
      if (++depth > kMaxDepth) fail(ErrorCode::format, where, ": nested deeper than ", kMaxDepth, " levels");
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  json parsed = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (parsed.is_discarded())
    fail(ErrorCode::format, where, ": not valid JSON; the file is damaged or was not fetched completely");
  return parsed;
}

void read_module_json(const std::string& where, const json& module, ModuleSource& out) {
  out.class_name = text_member(where, module, "name");
  if (out.class_name.rfind("Elastic", 0) == 0) out.class_name.erase(0, 7);
  out.where = where + ": " + out.class_name;
  out.args = member(where, module, "args");
}

const ModuleSource& Checkpoint::module(const std::string& role) const {
  const auto it = modules.find(role);
  if (it != modules.end()) return it->second;
  std::string known;
  for (const auto& [name, m] : modules) known += (known.empty() ? "" : ", ") + name;
  fail(ErrorCode::not_found, folder.string(), ": the checkpoint has no ", role, "; it has ", known);
}

Checkpoint read_pipeline(const std::string& where, const json& pipeline) {
  Checkpoint c;
  c.pipeline = text_member(where, pipeline, "name");
  if (c.pipeline != "TrellisImageTo3DPipeline") {
    fail(ErrorCode::unsupported, where, ": pipeline ", c.pipeline, " is not supported yet; TrellisImageTo3DPipeline is");
  }
  const json& args = member(where, pipeline, "args");
  c.structure_sampler = read_sampler(where + ": sparse_structure_sampler", member(where, args, "sparse_structure_sampler"));
  c.latent_sampler = read_sampler(where + ": slat_sampler", member(where, args, "slat_sampler"));
  const json& normalization = member(where, args, "slat_normalization");
  c.latent_mean = read_floats(where, normalization, "mean");
  c.latent_std = read_floats(where, normalization, "std");
  if (c.latent_mean.size() != c.latent_std.size())
    fail(ErrorCode::format, where, ": slat_normalization: mean and std differ in length");
  c.image_encoder = text_member(where, args, "image_cond_model");
  return c;
}

Checkpoint open_checkpoint(const fs::path& folder, const fs::path& image_encoder) {
  const fs::path file = folder / "pipeline.json";
  if (!fs::is_directory(folder)) {
    fail(ErrorCode::not_found, folder.string(),
         ": no such folder; give the folder of a TRELLIS checkpoint (with pipeline.json inside)");
  }
  const json pipeline = load_json(file);
  Checkpoint c = read_pipeline(file.string(), pipeline);
  c.folder = folder;
  const json& models = member(file.string(), pipeline["args"], "models");
  if (!models.is_object()) fail(ErrorCode::format, file.string(), ": models is not an object");
  for (const auto& [role, entry] : models.items()) {
    if (!entry.is_string()) fail(ErrorCode::format, file.string(), ": models: ", role, " is not a string");
    const fs::path base = find_module(file.string(), folder, entry.get<std::string>());
    ModuleSource m;
    m.role = role;
    const fs::path config = base.string() + ".json";
    read_module_json(config.string(), load_json(config), m);
    m.file = base.string() + ".safetensors";
    m.tensors = open_tensors(c, m.file);
    c.modules[role] = std::move(m);
  }
  open_image_encoder(c, image_encoder);
  return c;
}

}  // namespace espalier
