#include "hub/plan.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "hub/references.h"
#include "hub/repository.h"

namespace espalier::hub {

namespace fs = std::filesystem;

namespace {

constexpr const char* kMain = "main";
constexpr std::uint64_t kMaxPipeline = std::uint64_t{16} << 20U;

bool is_commit(const std::string& text) {
  return text.size() == 40 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

class Planner {
 public:
  Planner(const Caches& caches, bool offline, Meter& meter, const PullObserver& observer)
      : caches_(caches), offline_(offline), observer_(observer) {
    transfers_.tick = [&meter] { meter.tick(); };
    transfers_.waiting = [&meter](const std::string& why) { meter.waiting(why); };
    transfers_.cancelled = [&observer] { return observer.cancelled && observer.cancelled(); };
    options_ = transfer_options(caches.paths(), 1);
  }

  std::vector<PlannedPart> repository(const RepositoryName& name) {
    const std::string repository = current_repository(name.repository);
    const std::string revision = name.revision.empty() ? kMain : name.revision;
    std::string pipeline;
    parts_.push_back(offline_ ? from_caches(repository, revision, pipeline) : from_hub(repository, revision, pipeline));
    if (!pipeline.empty()) add_references(references_of(repository + ": pipeline.json", pipeline));
    return std::move(parts_);
  }

 private:
  // What is there is all that can be had.
  PlannedPart from_caches(const std::string& repository, const std::string& revision, std::string& pipeline) const {
    const std::vector<fs::path> folders = snapshots_of(caches_.paths().hub, repository, revision);
    if (folders.empty()) {
      fail(ErrorCode::not_found, repository,
           " is not on this machine, and the network is not to be used (--offline, HF_HUB_OFFLINE)",
           hint("allow it, or take a bundle with --from-bundle"));
    }
    const fs::path& folder = folders.front();
    PlannedPart planned;
    planned.part.repository = repository;
    planned.part.revision = planned.commit = folder.filename().string();
    std::error_code error;
    for (fs::recursive_directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
      std::error_code ignored;
      if (!fs::is_regular_file(entry->path(), ignored)) continue;
      const std::uint64_t bytes = fs::file_size(entry->path(), ignored);
      const Digest digest = digest_of_etag(fs::canonical(entry->path(), ignored).filename().string());
      planned.files.push_back({{entry->path().lexically_relative(folder).generic_string(), bytes, ""}, digest, digest.known()});
    }
    std::sort(planned.files.begin(), planned.files.end(),
              [](const PlannedFile& a, const PlannedFile& b) { return a.file.path < b.file.path; });
    if (is_file_of(folder / "pipeline.json", 0)) {
      const std::vector<std::byte> bytes = read_file(folder / "pipeline.json", kMaxPipeline);
      pipeline.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    }
    return planned;
  }

  PlannedPart from_hub(const std::string& repository, const std::string& revision, std::string& pipeline) {
    const std::vector<TreeFile> tree = Repository(caches_.paths(), repository, revision).files(options_, transfers_);
    if (tree.empty()) fail(ErrorCode::not_found, repository, " has no files at revision ", revision, hint("check the name"));
    PlannedPart planned;
    planned.part.repository = repository;
    planned.requested = revision;
    const auto main_file = std::find_if(tree.begin(), tree.end(), [](const TreeFile& f) { return f.path == "pipeline.json"; });
    planned.commit = is_commit(revision)
                         ? revision
                         : Repository(caches_.paths(), repository, revision)
                               .commit((main_file == tree.end() ? tree.front() : *main_file).path, options_, transfers_);
    planned.part.revision = planned.commit;
    for (const TreeFile& f : tree) {
      planned.files.push_back({{f.path, f.bytes, f.digest.kind == DigestKind::sha256 ? f.digest.hex : ""}, f.digest, true});
    }
    if (main_file != tree.end())
      pipeline = Repository(caches_.paths(), repository, planned.commit).text("pipeline.json", options_, transfers_);
    return planned;
  }

  void add_references(const References& references) {
    std::map<std::string, std::vector<std::string>> stems;  // by repository
    for (const References::Foreign& f : references.foreign) stems[current_repository(f.repository)].push_back(f.stem);
    for (const auto& [repository, wanted] : stems) add_networks(repository, wanted);
    if (!references.text_encoder.empty()) add_text_encoder(references.text_encoder);
    if (!references.image_encoder.empty()) add_image_encoder(references.image_encoder);
  }

  // Of the revision that the hub has now, as the repository that refers to it.
  void add_networks(const std::string& repository, const std::vector<std::string>& stems) {
    std::string pipeline;  // what that repository refers to in turn is not asked for
    PlannedPart part = offline_ ? from_caches(repository, kMain, pipeline) : from_hub(repository, kMain, pipeline);
    std::erase_if(part.files, [&](const PlannedFile& f) {
      return std::none_of(stems.begin(), stems.end(), [&](const std::string& stem) {
        return f.file.path.starts_with(stem + ".") && f.file.path.find('/', stem.size()) == std::string::npos;
      });
    });
    parts_.push_back(std::move(part));
  }

  void add_text_encoder(const std::string& repository) {
    std::string pipeline;
    PlannedPart part = offline_ ? from_caches(repository, kMain, pipeline) : from_hub(repository, kMain, pipeline);
    // The same weights lie there for other frameworks, too.
    if (const std::optional<Part> known = known_repository(repository)) {
      std::erase_if(part.files, [&](const PlannedFile& f) {
        return std::none_of(known->files.begin(), known->files.end(),
                            [&](const KnownFile& k) { return k.path == f.file.path; });
      });
    }
    parts_.push_back(std::move(part));
  }

  void add_image_encoder(const std::string& name) {
    const PlannedPart& own = parts_.front();
    const bool inside = std::any_of(own.files.begin(), own.files.end(), [&](const PlannedFile& f) {
      const fs::path path = f.file.path;
      return (path.stem() == name || path.filename() == image_encoder_file(name)) && path.extension() != ".json";
    });
    const fs::path torch = caches_.paths().torch;
    if (inside || (!torch.empty() && is_file_of(torch / image_encoder_file(name), 0))) return;
    if (const std::optional<Part> known = image_encoder_part(name)) {
      parts_.push_back(planned(*known));
      parts_.back().optional = true;
    } else if (observer_.message) {
      observer_.message("the image encoder " + name +
                        " is not one that can be fetched by name; name its file with --image-encoder");
    }
  }

  const Caches& caches_;
  bool offline_;
  const PullObserver& observer_;
  TransferOptions options_;
  TransferObserver transfers_;
  std::vector<PlannedPart> parts_;
};

}  // namespace

std::string known_names() {
  std::string names;
  for (const Model& model : catalogue()) names += (names.empty() ? "" : ", ") + model.name;
  return names;
}

PlannedPart planned(const Part& part) {
  PlannedPart out;
  out.part = part;
  out.part.files.clear();
  out.commit = part.source == Source::hub ? part.revision : "";
  for (const KnownFile& file : part.files) out.files.push_back({file, sha256_digest(file.sha256)});
  return out;
}

std::vector<PlannedPart> plan_model(const std::string& name, const Caches& caches, bool offline, Meter& meter,
                                    const PullObserver& observer) {
  if (const Model* const known = find_known(name)) {
    std::vector<PlannedPart> parts;
    for (const Part& part : known->parts) parts.push_back(planned(part));
    return parts;
  }
  const std::optional<RepositoryName> repository = parse_repository(name);
  if (!repository) {
    fail(ErrorCode::not_found, "\"", name, "\" is not a known model",
         hint("there are ", known_names(), ", and any repository of the hub as OWNER/REPO or OWNER/REPO@REVISION"));
  }
  meter.begin("asking the hub", {});
  return Planner(caches, offline, meter, observer).repository(*repository);
}

}  // namespace espalier::hub
