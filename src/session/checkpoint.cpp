#include "session/checkpoint.h"

#include <algorithm>

#include "base/file.h"
#include "base/json.h"
#include "models/dino/dino.h"
#include "weights/selected.h"
#include "weights/weight_file.h"

namespace espalier {

using nlohmann::json;
namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kMaxJson = std::uint64_t{16} << 20U;

json load_json(const fs::path& path) {
  const std::vector<std::byte> bytes = read_file(path, kMaxJson);
  return parse_json(path.string(), {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

// A relative module name may not climb out of the places that are searched.
void check_entry(const std::string& where, const std::string& entry) {
  const fs::path p(entry);
  bool bad = entry.empty() || p.is_absolute();
  for (const auto& part : p) bad = bad || part == "..";
  if (bad) fail(ErrorCode::format, where, ": module path \"", entry, "\" must be relative and without ..");
}

// Where another repository may lie, as open_checkpoint says.
std::vector<fs::path> repository_paths(const fs::path& folder, const fs::path& owner, const fs::path& name,
                                       const RepositoryFolders& repositories) {
  std::vector<fs::path> places{folder / owner / name};
  const auto known = repositories.find(owner.string() + "/" + name.string());
  if (known != repositories.end()) places.push_back(known->second);
  const fs::path base = fs::absolute(folder).lexically_normal();
  const fs::path self = base.has_filename() ? base : base.parent_path();
  places.push_back(self.parent_path() / name);
  places.push_back(self.parent_path().parent_path() / owner / name);
  return places;
}

std::string joined(const std::vector<fs::path>& paths, const char* ending) {
  std::string text;
  for (const fs::path& path : paths) text += (text.empty() ? "" : ", ") + path.string() + ending;
  return text;
}

fs::path find_module(const std::string& where, const fs::path& folder, const std::string& entry,
                     const RepositoryFolders& repositories) {
  check_entry(where, entry);
  std::vector<fs::path> tried{folder / entry};
  const fs::path p(entry);
  std::vector<fs::path> parts(p.begin(), p.end());
  if (parts.size() >= 3) {
    fs::path rest;
    for (std::size_t i = 2; i < parts.size(); ++i) rest /= parts[i];
    tried = repository_paths(folder, parts[0], parts[1], repositories);
    for (fs::path& place : tried) place /= rest;
  }
  for (const fs::path& t : tried) {
    if (fs::exists(t.string() + ".json")) return t;
  }
  fail(ErrorCode::not_found, where, ": module ", entry, " was not found in ", joined(tried, ".json"),
       hint(parts.size() >= 3 ? str("fetch it with: espalier pull ", parts[0].string(), "/", parts[1].string())
                              : std::string("the checkpoint is incomplete")));
}

void note_training(Checkpoint& checkpoint, const std::map<std::string, std::string>& metadata) {
  const auto it = metadata.find("trained");
  if (it != metadata.end() && it->second == "no") checkpoint.untrained = true;
}

std::shared_ptr<const TensorSource> open_tensors(Checkpoint& checkpoint, const fs::path& path) {
  std::shared_ptr<const TensorSource> file = open_weights(path);
  note_training(checkpoint, file->metadata());
  return file;
}

// Where the encoder's weights may lie: under the name in pipeline.json, and under that of the published file
// (dinov2_vitl14_reg4_pretrain.pth for dinov2_vitl14_reg).
std::vector<fs::path> image_encoder_places(const fs::path& folder, const std::string& name) {
  const std::string published = name.ends_with("_reg") ? name + "4_pretrain" : name + "_pretrain";
  std::vector<fs::path> places;
  for (const std::string& stem : {name, published}) {
    for (const fs::path& place : {folder / "ckpts" / stem, folder / stem}) places.push_back(find_weights(place));
  }
  return places;
}

// The configuration beside the weights, else the one of that name in the checkpoint; empty where there is none.
fs::path image_encoder_config(const Checkpoint& checkpoint, fs::path weights) {
  const std::string json = checkpoint.image_encoder + ".json";
  for (const fs::path& config :
       {weights.replace_extension(".json"), checkpoint.folder / "ckpts" / json, checkpoint.folder / json}) {
    if (fs::exists(config)) return config;
  }
  return {};
}

void open_image_encoder(Checkpoint& checkpoint, const fs::path& given) {
  ModuleSource m;
  m.role = kImageEncoder;
  m.class_name = "DinoVisionTransformer";
  const std::string& name = checkpoint.image_encoder;
  m.public_name = name;
  check_entry(checkpoint.folder.string() + "/pipeline.json: image_cond_model", name);
  const std::vector<fs::path> tried =
      given.empty() ? image_encoder_places(checkpoint.folder, name) : std::vector<fs::path>{given};
  for (const fs::path& t : tried) {
    if (!fs::exists(t)) continue;
    m.file = t;
    m.tensors = open_tensors(checkpoint, t);
    const fs::path config = image_encoder_config(checkpoint, t);
    if (!config.empty()) {
      read_module_json(config.string(), load_json(config), m);
    } else {
      (void)DinoConfig::named(name);  // refuses a name that implies no configuration
      m.where = t.string() + " (" + name + ")";
    }
    checkpoint.modules[kImageEncoder] = std::move(m);
    return;
  }
  fail(ErrorCode::not_found, "image encoder ", name, ": ", tried.front().string(), " does not exist",
       hint("put DINOv2's weights there (the published .pth or safetensors), or name them with --image-encoder"));
}

// ---- The text encoder

constexpr const char* kClipText = "CLIPTextModel";

// What the public name of the weights implies; null for an unknown one.
json named_clip(const std::string& name) {
  struct Member {
    const char* name;
    int channels, heads, hidden;
  };
  for (const Member& m :
       {Member{"openai/clip-vit-base-patch32", 512, 8, 2048}, Member{"openai/clip-vit-base-patch16", 512, 8, 2048},
        Member{"openai/clip-vit-large-patch14", 768, 12, 3072}, Member{"openai/clip-vit-large-patch14-336", 768, 12, 3072}}) {
    if (name == m.name) {
      return {{"hidden_size", m.channels},
              {"num_attention_heads", m.heads},
              {"intermediate_size", m.hidden},
              {"num_hidden_layers", 12}};
    }
  }
  return nullptr;
}

// Of the weights `file`: its own NAME.json ({"name": ..., "args": ...}), config.json of the repository, or what the name says.
void configure_text_encoder(const std::string& name, const fs::path& file, ModuleSource& m) {
  fs::path own = file;
  own.replace_extension(".json");
  if (fs::exists(own)) {
    read_module_json(own.string(), load_json(own), m);
    return;
  }
  const fs::path config = file.parent_path() / "config.json";
  m.class_name = kClipText;
  m.where = file.string() + " (" + name + ")";
  if (fs::exists(config)) {
    const json all = load_json(config);
    m.args = all.is_object() && all.contains("text_config") ? all["text_config"] : all;
    m.where = config.string() + ": " + kClipText;
    const bool of_clip = m.args.is_object() && m.args.value("hidden_size", json()).is_number_integer();
    if (of_clip) return;
  }
  m.args = named_clip(name);
  if (m.args.is_null()) {
    fail(ErrorCode::unsupported, file.string(), ": text encoder ", name, " is not a CLIP model by name",
         hint("put its config.json beside the weights"));
  }
}

// FOLDER/ckpts/clip*.json with its weights, the first by name; empty where there is none.
fs::path own_text_encoder(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code none;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder / "ckpts", none)) {
    const fs::path& path = entry.path();
    if (path.extension() == ".json" && path.filename().string().starts_with("clip")) found.push_back(path);
  }
  std::sort(found.begin(), found.end());
  return found.empty() ? fs::path() : find_weights(found.front().replace_extension());
}

fs::path find_text_encoder(const Checkpoint& checkpoint, const RepositoryFolders& repositories) {
  if (fs::path own = own_text_encoder(checkpoint.folder); !own.empty()) return own;
  const std::string& name = checkpoint.text_encoder;
  check_entry(checkpoint.where + ": text_cond_model", name);
  const fs::path parts(name);
  const std::vector<fs::path> paths = repository_paths(checkpoint.folder, parts.parent_path(), parts.filename(), repositories);
  for (const fs::path& place : paths) {
    for (const char* stem : {"model", "pytorch_model"}) {
      if (const fs::path file = find_weights(place / stem); fs::exists(file)) return file;
    }
  }
  fail(ErrorCode::not_found, checkpoint.where, ": the text encoder ", name, " was not found in ",
       joined(paths, "/model.safetensors"), hint("fetch it with: espalier pull clip, or name its file with --text-encoder"));
}

// Only the text tower of a file that may hold all of CLIP.
bool of_text_tower(const std::string& tensor) {
  return tensor.starts_with("text_model.") && tensor != "text_model.embeddings.position_ids";
}

void open_text_encoder(Checkpoint& checkpoint, const fs::path& given, const RepositoryFolders& repositories) {
  ModuleSource m;
  m.role = kTextEncoder;
  m.public_name = checkpoint.text_encoder;
  m.file = given.empty() ? find_text_encoder(checkpoint, repositories) : given;
  const std::shared_ptr<const TensorSource> all = open_tensors(checkpoint, m.file);
  configure_text_encoder(checkpoint.text_encoder, m.file, m);
  m.tensors = std::make_shared<SelectedTensors>(all, of_text_tower);
  checkpoint.tokenizer = m.file.parent_path();
  checkpoint.modules[kTextEncoder] = std::move(m);
}

// Text for people: one line, not endless.
std::string line_member(const std::string& where, const json& object, const char* key) {
  constexpr std::size_t kLongest = 500;
  std::string text = text_member(where, object, key);
  const auto control = [](unsigned char c) { return c < 0x20 || c == 0x7F; };
  if (text.size() > kLongest || std::any_of(text.begin(), text.end(), control))
    fail(ErrorCode::format, where, ": ", key, " is longer than ", kLongest, " bytes or more than one line");
  return text;
}

}  // namespace

const json& json_member(const std::string& where, const json& object, const char* key) {
  if (!object.is_object() || !object.contains(key)) fail(ErrorCode::format, where, ": ", key, " is missing");
  return object[key];
}

std::string text_member(const std::string& where, const json& object, const char* key) {
  const json& v = json_member(where, object, key);
  if (!v.is_string()) fail(ErrorCode::format, where, ": ", key, ": expected a string, found ", v.type_name());
  return v.get<std::string>();
}

json parse_json(const std::string& where, std::string_view text) {
  constexpr JsonLimits kLimits{.bytes = kMaxJson, .values = 1'000'000, .depth = 32};
  std::string problem;
  json parsed = read_json<json>(text, kLimits, problem);
  if (!problem.empty())
    fail(ErrorCode::format, where, ": ", problem, hint("the file is damaged or was not fetched completely"));
  return parsed;
}

void read_module_json(const std::string& where, const json& module, ModuleSource& out) {
  out.class_name = text_member(where, module, "name");
  if (out.class_name.rfind("Elastic", 0) == 0) out.class_name.erase(0, 7);
  out.where = where + ": " + out.class_name;
  out.args = json_member(where, module, "args");
}

const ModuleSource& Checkpoint::module(const std::string& role) const {
  const auto it = modules.find(role);
  if (it != modules.end()) return it->second;
  std::string known;
  for (const auto& [name, m] : modules) known += (known.empty() ? "" : ", ") + name;
  fail(ErrorCode::not_found, folder.string(), ": the checkpoint has no ", role, hint("it has ", known));
}

Checkpoint read_pipeline(const std::string& where, const json& pipeline) {
  Checkpoint c;
  c.where = where;
  c.pipeline = text_member(where, pipeline, "name");
  c.args = json_member(where, pipeline, "args");
  if (c.args.is_object() && c.args.contains("image_cond_model"))
    c.image_encoder = text_member(where, c.args, "image_cond_model");
  if (c.args.is_object() && c.args.contains("text_cond_model")) c.text_encoder = text_member(where, c.args, "text_cond_model");
  if (pipeline.contains("espalier")) {
    const json& own = pipeline["espalier"];
    const std::string place = where + ": espalier";
    if (!own.is_object()) fail(ErrorCode::format, place, ": expected an object, found ", own.type_name());
    if (own.contains("description")) c.description = line_member(place, own, "description");
    if (own.contains("full_model")) c.full_model = line_member(place, own, "full_model");
  }
  return c;
}

Checkpoint open_checkpoint(const fs::path& folder, const EncoderFiles& encoders, const RepositoryFolders& repositories) {
  const fs::path file = folder / "pipeline.json";
  if (!fs::is_directory(folder)) {
    fail(ErrorCode::not_found, folder.string(), ": no such folder",
         hint("give the folder of a TRELLIS checkpoint (with pipeline.json inside)"));
  }
  const json pipeline = load_json(file);
  Checkpoint c = read_pipeline(file.string(), pipeline);
  c.folder = folder;
  const json& models = json_member(file.string(), c.args, "models");
  if (!models.is_object()) fail(ErrorCode::format, file.string(), ": models is not an object");
  for (const auto& [role, entry] : models.items()) {
    if (!entry.is_string()) fail(ErrorCode::format, file.string(), ": models: ", role, " is not a string");
    const fs::path base = find_module(file.string(), folder, entry.get<std::string>(), repositories);
    ModuleSource m;
    m.role = role;
    const fs::path config = base.string() + ".json";
    read_module_json(config.string(), load_json(config), m);
    m.file = find_weights(base);
    m.tensors = open_tensors(c, m.file);
    c.modules[role] = std::move(m);
  }
  if (!c.image_encoder.empty()) open_image_encoder(c, encoders.image);
  if (!c.text_encoder.empty()) open_text_encoder(c, encoders.text, repositories);
  return c;
}

}  // namespace espalier
