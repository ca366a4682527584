#include "hub/manifest.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/json.h"
#include "hub/references.h"

namespace espalier::hub {

using nlohmann::json;

namespace {

constexpr const char* kFormat = "espalier-bundle-1";
constexpr std::size_t kMaxEntries = 100'000;
constexpr std::uint64_t kMaxFile = std::uint64_t{1} << 46U;

struct SourceName {
  Source source;
  const char* name;
};
constexpr std::array sources{SourceName{Source::hub, "hub"}, SourceName{Source::torch, "torch"},
                             SourceName{Source::rembg, "rembg"}};

class Reader {
 public:
  explicit Reader(const std::string& where) : where_(where) {}

  [[noreturn]] void refuse(const std::string& what) const {
    fail(ErrorCode::format, where_, ": the list of contents is damaged (", what, ")",
         hint("make the bundle again with: espalier pull NAME --bundle FILE"));
  }

  [[nodiscard]] const json& array(const json& object, const char* key) const {
    const auto found = object.find(key);
    if (found == object.end() || !found->is_array() || found->size() > kMaxEntries) refuse(key);
    return *found;
  }

  [[nodiscard]] std::string text(const json& object, const char* key) const {
    const auto found = object.find(key);
    if (found == object.end() || !found->is_string()) refuse(key);
    return found->get<std::string>();
  }

  [[nodiscard]] PlannedFile file(const json& entry) const {
    if (!entry.is_object()) refuse("files");
    PlannedFile f;
    f.file.path = text(entry, "path");
    f.digest = digest_of_etag(text(entry, "digest"));
    const auto bytes = entry.find("bytes");
    if (bytes == entry.end() || !bytes->is_number_unsigned() || bytes->get<std::uint64_t>() > kMaxFile) refuse("bytes");
    f.file.bytes = bytes->get<std::uint64_t>();
    if (!is_safe_path(f.file.path) || f.file.path.starts_with(".espalier") || !f.digest.known()) refuse("path or digest");
    if (f.digest.kind == DigestKind::sha256) f.file.sha256 = f.digest.hex;
    return f;
  }

  [[nodiscard]] PlannedPart part(const json& entry) const {
    if (!entry.is_object()) refuse("parts");
    PlannedPart p;
    const std::string source = text(entry, "source");
    const auto found = std::find_if(sources.begin(), sources.end(), [&](const SourceName& s) { return source == s.name; });
    if (found == sources.end()) refuse("source");
    p.part.source = found->source;
    for (const json& f : array(entry, "files")) p.files.push_back(file(f));
    if (p.part.source == Source::hub) {
      const std::string repository = text(entry, "repository");
      p.commit = p.part.revision = text(entry, "revision");
      const auto name = parse_repository(repository + "@" + p.commit);
      if (!name || name->repository != repository || p.commit.find('/') != std::string::npos) refuse("repository");
      p.part.repository = repository;
    } else if (p.files.size() != 1 || p.files.front().file.path.find('/') != std::string::npos) {
      refuse("a single file");
    }
    check_known(p);
    return p;
  }

 private:
  // Under a known repository and revision, or a known single file's name, only the published files.
  void check_known(const PlannedPart& p) const {
    for (const Model& model : catalogue()) {
      for (const Part& known : model.parts) {
        if (known.source != p.part.source || known.repository != p.part.repository) continue;
        if (known.source == Source::hub && known.revision != p.part.revision) continue;
        for (const KnownFile& k : known.files) {
          for (const PlannedFile& f : p.files) check_file(k, f);
        }
      }
    }
  }

  void check_file(const KnownFile& known, const PlannedFile& f) const {
    if (known.path != f.file.path) return;
    const bool other_hash = !known.sha256.empty() && f.digest.kind == DigestKind::sha256 && known.sha256 != f.digest.hex;
    if (other_hash || (known.bytes != 0 && known.bytes != f.file.bytes)) {
      fail(ErrorCode::format, where_, ": ", f.file.path, " is not the published file",
           hint("get the bundle from a source that you trust"));
    }
  }

  const std::string& where_;
};

}  // namespace

std::string manifest_text(const std::vector<BundledModel>& models) {
  json all{{"format", kFormat}, {"models", json::array()}};
  for (const BundledModel& model : models) {
    json parts = json::array();
    for (const PlannedPart& p : model.parts) {
      json files = json::array();
      for (const PlannedFile& f : p.files)
        files.push_back({{"path", f.file.path}, {"bytes", f.file.bytes}, {"digest", f.digest.hex}});
      const auto source =
          std::find_if(sources.begin(), sources.end(), [&](const SourceName& s) { return s.source == p.part.source; });
      json part{{"source", source->name}, {"files", std::move(files)}};
      if (p.part.source == Source::hub) {
        part["repository"] = p.part.repository;
        part["revision"] = p.commit;
      }
      parts.push_back(std::move(part));
    }
    all["models"].push_back({{"name", model.name}, {"parts", std::move(parts)}});
  }
  return all.dump(1) + "\n";
}

std::vector<BundledModel> parse_manifest(const std::string& where, const std::string& text) {
  const Reader reader(where);
  std::string problem;
  const json all = read_json<json>(text, {.bytes = std::size_t{32} << 20U, .values = 1'000'000, .depth = 16}, problem);
  if (!all.is_object() || reader.text(all, "format") != kFormat) reader.refuse("format");
  std::vector<BundledModel> models;
  for (const json& entry : reader.array(all, "models")) {
    if (!entry.is_object()) reader.refuse("models");
    BundledModel model{reader.text(entry, "name"), {}};
    if (!parse_repository(model.name) && !is_safe_path(model.name)) reader.refuse("name");
    for (const json& part : reader.array(entry, "parts")) model.parts.push_back(reader.part(part));
    if (model.parts.empty()) reader.refuse("parts");
    models.push_back(std::move(model));
  }
  if (models.empty()) reader.refuse("models");
  return models;
}

}  // namespace espalier::hub
