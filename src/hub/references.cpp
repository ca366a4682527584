#include "hub/references.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "hub/catalogue.h"

namespace espalier::hub {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr std::uint64_t kMaxPipeline = std::uint64_t{16} << 20U;
constexpr std::size_t kMaxModels = 1000;

json parse(const std::string& where, const std::string& text) {
  constexpr JsonLimits kLimits{.bytes = kMaxPipeline, .values = 100'000, .depth = 32};
  std::string problem;
  json parsed = read_json<json>(text, kLimits, problem);
  if (parsed.is_discarded()) {
    fail(ErrorCode::format, where, " ", problem, hint("the file is damaged or was not fetched completely"));
  }
  if (!parsed.is_object()) fail(ErrorCode::format, where, ": this is not a pipeline.json", hint("the file is damaged"));
  return parsed;
}

std::string text_of(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

}  // namespace

bool is_safe_path(const std::string& path) {
  if (path.empty() || path.size() > 1024 || path.front() == '/') return false;
  if (std::any_of(path.begin(), path.end(), [](char c) { return (c >= 0 && c < ' ') || c == 0x7F || c == '\\'; })) return false;
  std::size_t start = 0;
  while (true) {
    const std::size_t end = std::min(path.find('/', start), path.size());
    const std::string part = path.substr(start, end - start);
    if (part.empty() || part == "." || part == ".." || part.size() > 200) return false;
    if (end == path.size()) return true;
    start = end + 1;
  }
}

std::vector<std::string> References::repositories() const {
  std::vector<std::string> all;
  const auto add = [&](const std::string& repository) {
    if (!repository.empty() && std::find(all.begin(), all.end(), repository) == all.end()) all.push_back(repository);
  };
  for (const Foreign& f : foreign) add(f.repository);
  add(text_encoder);
  return all;
}

References references_of(const std::string& where, const std::string& text) {
  const json pipeline = parse(where, text);
  const auto args = pipeline.find("args");
  if (args == pipeline.end() || !args->is_object())
    fail(ErrorCode::format, where, ": args is missing", hint("this is not a pipeline.json"));
  References all;
  all.image_encoder = text_of(*args, "image_cond_model");
  all.text_encoder = text_of(*args, "text_cond_model");
  if (!parse_repository(all.text_encoder)) all.text_encoder.clear();
  const auto models = args->find("models");
  if (models == args->end() || !models->is_object() || models->size() > kMaxModels)
    fail(ErrorCode::format, where, ": models is not an object of at most ", kMaxModels, " entries",
         hint("this is not a pipeline.json"));
  for (const auto& [role, entry] : models->items()) {
    const std::string stem = entry.is_string() ? entry.get<std::string>() : std::string();
    if (!is_safe_path(stem))
      fail(ErrorCode::format, where, ": models: an entry is not a relative path", hint("the file is damaged"));
    const auto first = stem.find('/');
    const auto second = first == std::string::npos ? first : stem.find('/', first + 1);
    if (second == std::string::npos) {
      all.own.push_back(stem);
    } else {
      all.foreign.push_back({stem.substr(0, second), stem.substr(second + 1)});
    }
  }
  return all;
}

bool has_text_encoder(const fs::path& folder) {
  std::error_code none;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder / "ckpts", none)) {
    const std::string stem = entry.path().stem().string();
    if (entry.path().extension() == ".json" && stem.starts_with("clip")) return has_network(folder, "ckpts/" + stem);
  }
  return false;
}

std::optional<References> references_in(const fs::path& folder) {
  const fs::path file = folder / "pipeline.json";
  std::error_code ignored;
  if (!fs::is_regular_file(file, ignored)) return std::nullopt;
  const std::vector<std::byte> bytes = read_file(file, kMaxPipeline);
  References all = references_of(file.string(), {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  if (has_text_encoder(folder)) all.text_encoder.clear();
  return all;
}

bool has_network(const fs::path& folder, const std::string& stem) {
  std::error_code ignored;
  const std::string base = (folder / stem).string();
  if (!fs::is_regular_file(base + ".json", ignored)) return false;
  constexpr std::array endings{".safetensors", ".pth", ".pt", ".bin"};
  return std::any_of(endings.begin(), endings.end(), [&](const char* ending) {
    return fs::is_regular_file(base + ending, ignored) && fs::file_size(base + ending, ignored) > 0;
  });
}

}  // namespace espalier::hub
