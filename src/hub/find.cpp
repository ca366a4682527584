#include "hub/find.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <optional>
#include <utility>

#include "base/error.h"
#include "hub/plan.h"
#include "hub/references.h"

namespace espalier {

std::string decimal_bytes(std::uint64_t bytes) {
  constexpr std::array units{"B", "kB", "MB", "GB", "TB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 999.5 && unit + 1 < units.size()) {
    value /= 1000.0;
    ++unit;
  }
  std::array<char, 32> text{};
  const int decimals = unit == 0 ? 0 : value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  std::snprintf(text.data(), text.size(), "%.*f %s", decimals, value, units.at(unit));
  return text.data();
}

std::string model_title(const std::filesystem::path& checkpoint) {
  std::filesystem::path path = std::filesystem::absolute(checkpoint).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  if (path.parent_path().filename() != "snapshots") return path.filename().string();
  const std::string name = path.parent_path().parent_path().filename().string();
  const auto last = name.rfind("--");
  return last == std::string::npos ? path.filename().string() : name.substr(last + 2);
}

namespace hub {

namespace fs = std::filesystem;

namespace {

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return !path.empty() && fs::is_directory(path, ignored);
}

// FOLDER, or the best snapshot inside when it is a repository's folder of the hub's cache.
fs::path opened_folder(const fs::path& folder) {
  if (is_file_of(folder / "pipeline.json", 0) || !is_folder(folder / "snapshots")) return folder;
  std::string name = fs::absolute(folder).lexically_normal().filename().string();
  if (name.empty()) name = fs::absolute(folder).lexically_normal().parent_path().filename().string();
  if (!name.starts_with("models--")) return folder;
  name.erase(0, std::string("models--").size());
  if (const auto dashes = name.find("--"); dashes != std::string::npos)
    name = str(name.substr(0, dashes), "/", name.substr(dashes + 2));
  const std::vector<fs::path> found = snapshots_of(fs::absolute(folder).lexically_normal().parent_path(), name, "");
  return found.empty() ? folder : found.front();
}

// The folder of a foreign repository that has all that FOLDER's pipeline.json wants of it.
std::optional<fs::path> foreign_folder(const fs::path& folder, const std::string& repository, const References& references,
                                       const Caches& caches) {
  std::vector<fs::path> candidates = Caches::neighbours(folder, repository);
  const std::optional<Part> known = known_repository(repository);
  for (const fs::path& path : caches.folders_of(current_repository(repository), known ? known->revision : ""))
    candidates.push_back(path);
  for (const fs::path& candidate : candidates) {
    const bool networks = std::all_of(references.foreign.begin(), references.foreign.end(), [&](const auto& f) {
      return f.repository != repository || has_network(candidate, f.stem);
    });
    const bool encoder = references.text_encoder != repository || is_file_of(candidate / "model.safetensors", 0) ||
                         is_file_of(candidate / "pytorch_model.bin", 0);
    if (networks && encoder) return candidate;
  }
  return std::nullopt;
}

// Beside the networks, where the session finds it by itself.
bool has_encoder(const fs::path& folder, const std::string& name) {
  const std::string published = fs::path(image_encoder_file(name)).stem().string();
  for (const fs::path& base : {folder / "ckpts", folder}) {
    for (const std::string& stem : {name, published}) {
      for (const char* ending : {".safetensors", ".pth", ".pt", ".bin"}) {
        if (!stem.empty() && is_file_of(base / (stem + ending), 0)) return true;
      }
    }
  }
  return false;
}

std::optional<fs::path> find_encoder(const fs::path& folder, const std::string& name, const Caches& caches) {
  if (name.empty()) return fs::path();
  if (has_encoder(folder, name)) return fs::path();
  const std::string file = image_encoder_file(name);
  if (file.empty()) return std::nullopt;
  const fs::path usual = caches.paths().torch;
  if (!usual.empty() && is_file_of(usual / file, 0)) return usual / file;
  if (const std::optional<Part> part = image_encoder_part(name)) {
    if (const std::optional<Found> found = caches.find_file(*part, part->files.front())) return found->path;
  }
  return std::nullopt;
}

// " (1.20 GB)", or nothing where the size is not known.
std::string size_text(std::uint64_t bytes) { return bytes == 0 ? std::string() : str(" (", decimal_bytes(bytes), ")"); }

[[noreturn]] void fail_missing(const std::string& text, const Model* known, const Caches& caches) {
  if (known == nullptr) {
    fail(ErrorCode::not_found, text, ": no such folder, and no complete model of that name on this machine",
         hint("give the folder of a ",
              "TRELLIS checkpoint (with pipeline.json inside), or get it from the hub with: espalier pull ", text));
  }
  const ModelState state = state_of(*known, caches);
  const auto files = static_cast<int>(state.files.size());
  const std::uint64_t bytes = state.missing_files > 0 ? state.missing_bytes : state.bytes;
  if (state.missing_files == files || state.missing_files == 0) {
    fail(ErrorCode::not_found, text, " is not on this machine", hint("get it with: espalier pull ", text, size_text(bytes)));
  }
  fail(ErrorCode::not_found, text, " is not complete on this machine (", state.missing_files, " of ", files,
       " files are missing)", hint("get the rest with: espalier pull ", text, size_text(bytes)));
}

// A name to the best folder that can be opened as it is.
fs::path folder_by_name(const std::string& text, const Model* known, const RepositoryName& name, const Caches& caches) {
  std::vector<fs::path> candidates;
  if (known != nullptr) {
    if (const auto complete = caches.complete_folder(known->parts.front())) candidates.push_back(*complete);
  }
  const std::string revision = known != nullptr ? known->parts.front().revision : name.revision;
  for (const fs::path& folder : caches.folders_of(name.repository, revision)) candidates.push_back(folder);
  for (const fs::path& candidate : candidates) {
    // An exact revision was asked for: nothing else will do.
    const bool exact = known == nullptr && name.revision.size() == 40;
    if (exact && candidate.filename() != name.revision) continue;
    const std::optional<References> references = references_in(candidate);
    if (!references) continue;
    if (std::all_of(references->own.begin(), references->own.end(),
                    [&](const std::string& s) { return has_network(candidate, s); }))
      return candidate;
  }
  fail_missing(text, known, caches);
}

ModelLocation locate(const fs::path& folder, const std::string& text, const std::string& command, const Caches& caches,
                     bool need_encoder, bool lenient) {
  ModelLocation location{folder, {}, {}};
  std::optional<References> references;
  try {
    references = references_in(folder);
  } catch (const Error&) {
    if (!lenient) throw;  // of a folder, whoever opens it says what is wrong
  }
  if (!references) return location;
  for (const std::string& repository : references->repositories()) {
    if (!need_encoder && repository == references->text_encoder) continue;
    if (const auto found = foreign_folder(folder, repository, *references, caches)) {
      location.repositories[repository] = *found;
    } else {
      const std::optional<Part> known = known_repository(repository);
      fail(ErrorCode::not_found, text, " needs networks of ", current_repository(repository), ", which are not on this machine",
           hint("get them with: espalier pull ", command.empty() ? current_repository(repository) : command,
                command.empty() && known ? size_text(known->bytes()) : ""));
    }
  }
  if (!need_encoder) return location;
  if (const auto encoder = find_encoder(folder, references->image_encoder, caches)) {
    location.image_encoder = *encoder;
  } else if (const auto part = image_encoder_part(references->image_encoder)) {
    fail(ErrorCode::not_found, text, " needs the image encoder ", references->image_encoder, ", which is not on this machine",
         hint("get it with: espalier pull dinov2", size_text(part->bytes()), ", or name its file with --image-encoder"));
  }
  return location;
}

}  // namespace

ModelState state_of(const Model& model, const Caches& caches) {
  ModelState state{model.name, model.summary, model.licence, model.parts.front().repository, model.parts.front().revision,
                   {},         model.bytes()};
  for (const Part& part : model.parts) {
    for (const KnownFile& file : part.files) {
      const std::optional<Found> found = caches.find_file(part, file);
      state.files.push_back({file.path, part.repository, file.bytes, found ? found->path : fs::path()});
      if (found) continue;
      ++state.missing_files;
      state.missing_bytes += file.bytes;
    }
  }
  const Part& first = model.parts.front();
  if (first.source == Source::hub) {
    state.folder = caches.complete_folder(first).value_or(fs::path());
  } else if (!state.files.front().path.empty()) {
    state.folder = state.files.front().path.parent_path();
  }
  return state;
}

std::vector<ModelState> list(const Caches& caches) {
  std::vector<ModelState> states;
  for (const Model& model : catalogue()) states.push_back(state_of(model, caches));
  return states;
}

ModelLocation find(const std::string& text, const Caches& caches, bool need_encoder) {
  const fs::path folder = opened_folder(text);
  const Model* const known = find_known(text);
  const std::optional<RepositoryName> name = parse_repository(text);
  if (is_folder(folder) && (is_file_of(folder / "pipeline.json", 0) || (known == nullptr && !name)))
    return locate(folder, text, "", caches, need_encoder, true);
  if (known != nullptr && known->parts.front().source != Source::hub) {
    fail(ErrorCode::invalid_argument, text, " (", known->summary, ") is not a checkpoint that makes assets",
         hint("name one such as trellis-image-large"));
  }
  if (known == nullptr && !name) {
    fail(ErrorCode::not_found, text, ": no such folder, and no model that is known",
         hint("give sprout or sprout-text, which ship with the program, the folder of a TRELLIS checkpoint (with pipeline.json "
              "inside), "
              "OWNER/REPO, "
              "or one of ",
              known_names()));
  }
  const RepositoryName wanted = known != nullptr ? RepositoryName{known->parts.front().repository, ""} : *name;
  const fs::path found = folder_by_name(text, known, wanted, caches);
  return locate(found, text, text, caches, need_encoder, false);
}

std::map<std::string, fs::path> find_repositories(const fs::path& folder, const Caches& caches) {
  std::map<std::string, fs::path> all;
  try {
    const std::optional<References> references = references_in(folder);
    if (!references) return all;
    for (const std::string& repository : references->repositories()) {
      if (const auto found = foreign_folder(folder, repository, *references, caches)) all[repository] = *found;
    }
  } catch (const Error&) {
    all.clear();  // whoever opens the folder says what is wrong with it
  }
  return all;
}

}  // namespace hub
}  // namespace espalier
