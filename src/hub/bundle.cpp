#include "hub/bundle.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <fstream>
#include <map>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "hub/caches.h"
#include "hub/layout.h"
#include "hub/manifest.h"
#include "hub/meter.h"
#include "hub/pull.h"
#include "hub/tar.h"

namespace espalier::hub {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::size_t kBlock = std::size_t{4} << 20U;
constexpr std::uint64_t kMaxManifest = std::uint64_t{32} << 20U;
constexpr std::uint64_t kSmall = std::uint64_t{1} << 20U;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

void write_text(FileWriter& out, std::string_view text) { out.write(std::as_bytes(std::span(text))); }

// The hash under which the hub keeps a file: the name of its blob if it lies there, git's for small ones, else SHA-256.
Digest hub_digest(const fs::path& path, const PlannedFile& f) {
  std::error_code ignored;
  const fs::path real = fs::canonical(path, ignored);
  if (real.parent_path().filename() == "blobs") {
    if (const Digest name = digest_of_etag(real.filename().string()); name.known()) return name;
  }
  const std::uint64_t bytes = fs::file_size(path, ignored);
  if (f.digest.known() && (f.of_hub || bytes >= kSmall || f.digest.kind == DigestKind::git_sha1)) return f.digest;
  return digest_of_file(path, bytes < kSmall ? DigestKind::git_sha1 : DigestKind::sha256);
}

class BundleWriter {
 public:
  BundleWriter(fs::path file, const PullObserver& observer) : file_(std::move(file)), observer_(observer), meter_(observer) {}

  void add(const std::string& name, std::vector<PresentPart> parts) {
    BundledModel model{name, {}};
    for (PresentPart& present : parts) {
      for (std::size_t i = 0; i < present.paths.size(); ++i) {
        PlannedFile& f = present.plan.files[i];
        f.digest = hub_digest(present.paths[i], f);
        f.file.bytes = fs::file_size(present.paths[i]);
        blobs_.try_emplace(f.digest.hex, Blob{present.paths[i], f.file.bytes, f.digest});
        report_.files.push_back({f.file.path, present.plan.part.repository, f.file.bytes, present.paths[i]});
        report_.bytes += f.file.bytes;
      }
      model.parts.push_back(std::move(present.plan));
    }
    report_.name += (report_.name.empty() ? "" : ", ") + name;
    models_.push_back(std::move(model));
  }

  PullReport write() {
    const Clock::time_point start = Clock::now();
    const std::string manifest = manifest_text(models_);
    std::uint64_t needed = tar_size(manifest.size()) + tar_end().size();
    std::vector<std::uint64_t> sizes;
    for (const auto& [name, blob] : blobs_) {
      needed += tar_size(blob.bytes);
      sizes.push_back(blob.bytes);
    }
    const fs::path folder = fs::absolute(file_).parent_path();
    check_room(folder, needed);
    meter_.begin("copying", sizes);
    FileWriter out(file_);
    write_text(out, tar_header(kManifestName, manifest.size()));
    write_text(out, manifest);
    write_text(out, tar_padding(manifest.size()));
    std::size_t index = 0;
    for (const auto& [name, blob] : blobs_) copy(blob, name, index++, out);
    write_text(out, tar_end());
    out.commit();
    report_.folder = folder;
    report_.seconds = seconds_since(start);
    return std::move(report_);
  }

 private:
  struct Blob {
    fs::path path;
    std::uint64_t bytes;
    Digest digest;
  };

  void copy(const Blob& blob, const std::string& name, std::size_t index, FileWriter& out) {
    write_text(out, tar_header("blobs/" + name, blob.bytes));
    std::ifstream in(blob.path, std::ios::binary);
    DigestStream hash(blob.digest.kind, blob.bytes);
    std::vector<char> block(kBlock);
    std::uint64_t done = 0;
    meter_.at(index, 0, blob.path.filename().string());
    while (done < blob.bytes) {
      in.read(block.data(), static_cast<std::streamsize>(std::min<std::uint64_t>(block.size(), blob.bytes - done)));
      const auto n = static_cast<std::size_t>(std::max<std::streamsize>(in.gcount(), 0));
      if (n == 0) break;
      hash.update(std::as_bytes(std::span(block.data(), n)));
      out.write(std::as_bytes(std::span(block.data(), n)));
      done += n;
      meter_.at(index, done, blob.path.filename().string());
      meter_.tick();
    }
    if (done != blob.bytes || hash.finish() != blob.digest.hex) {
      fail(ErrorCode::format, blob.path.string(), " is damaged",
           hint("mend it with: espalier pull ", report_.name, " --verify"));
    }
    write_text(out, tar_padding(blob.bytes));
    meter_.finished(index);
  }

  fs::path file_;
  const PullObserver& observer_;
  Meter meter_;
  std::vector<BundledModel> models_;
  std::map<std::string, Blob> blobs_;  // by hash
  PullReport report_;
};

class BundleReader {
 public:
  BundleReader(const fs::path& file, const Paths& paths, const ModelSettings& settings, const PullObserver& observer)
      : name_(file.string()), in_(file, std::ios::binary), paths_(paths), settings_(settings), meter_(observer) {
    if (!in_) fail(ErrorCode::not_found, "cannot read the bundle ", name_, hint("check the path"));
  }

  PullReport read() {
    const Clock::time_point start = Clock::now();
    models_ = parse_manifest(name_, manifest());
    expect_blobs();
    meter_.begin("copying", sizes_);
    while (const std::optional<TarEntry> entry = next_entry()) take(*entry);
    if (taken_ != blobs_.size())
      fail(ErrorCode::format, name_, " lacks ", blobs_.size() - taken_, " of its ", blobs_.size(), " files",
           hint("copy it here again"));
    for (const BundledModel& model : models_) publish(model);
    report_.seconds = seconds_since(start);
    return std::move(report_);
  }

 private:
  struct Blob {
    std::uint64_t bytes = 0;
    Digest digest;
    std::vector<Placement> placements;
    std::size_t index = 0;
    bool taken = false;
  };

  std::optional<TarEntry> next_entry() {
    std::array<char, kTarBlock> block{};
    if (!in_.read(block.data(), block.size())) fail_cut_off();
    return parse_tar_header(name_, block);
  }

  [[noreturn]] void fail_cut_off() const { fail(ErrorCode::format, name_, " is cut off", hint("copy it here again")); }

  std::string manifest() {
    const std::optional<TarEntry> entry = next_entry();
    if (!entry || entry->name != kManifestName || entry->bytes > kMaxManifest)
      fail(ErrorCode::format, name_, " is not a bundle", hint("make one with: espalier pull NAME --bundle FILE"));
    std::string text(entry->bytes, '\0');
    if (!in_.read(text.data(), static_cast<std::streamsize>(text.size()))) fail_cut_off();
    in_.ignore(static_cast<std::streamsize>(tar_padding(entry->bytes).size()));
    return text;
  }

  [[nodiscard]] Layout layout_of(const BundledModel& model) const {
    return {paths_, settings_.folder, model.parts.front().part.repository};
  }

  void expect_blobs() {
    std::map<fs::path, std::uint64_t> needed;
    for (const BundledModel& model : models_) {
      const Layout layout = layout_of(model);
      for (const PlannedPart& p : model.parts) {
        for (const PlannedFile& f : p.files) {
          const auto [it, fresh] = blobs_.try_emplace(f.digest.hex);
          if (fresh) {
            it->second = {f.file.bytes, f.digest, {}, sizes_.size(), false};
            sizes_.push_back(f.file.bytes);
          } else if (it->second.bytes != f.file.bytes) {
            fail(ErrorCode::format, name_, ": two sizes for one hash", hint("the bundle is damaged, copy it here again"));
          }
          it->second.placements.push_back(layout.placement_of(p.part, p.commit, f.file.path, f.digest));
          const Placement& last = it->second.placements.back();
          if (!is_file_of(last.file, f.file.bytes)) needed[layout.folder_of(p.part, p.commit)] += f.file.bytes;
        }
      }
    }
    for (const auto& [folder, bytes] : needed) check_room(folder, bytes);
  }

  void take(const TarEntry& entry) {
    const auto found = entry.name.starts_with("blobs/") ? blobs_.find(entry.name.substr(6)) : blobs_.end();
    if (found == blobs_.end() || found->second.taken || found->second.bytes != entry.bytes)
      fail(ErrorCode::format, name_, " holds ", entry.name, ", which its list of contents does not",
           hint("copy it here again"));
    Blob& blob = found->second;
    blob.taken = true;
    ++taken_;
    const Placement& first = blob.placements.front();
    const std::unique_ptr<PartialFile> file = PartialFile::open(first, blob.digest, blob.bytes);
    if (!file)
      fail(ErrorCode::io, "another program writes ", first.file.string(), hint("wait for it and run the command again"));
    meter_.at(blob.index, 0, first.file.filename().string());
    if (file->already_whole()) {
      in_.seekg(static_cast<std::streamoff>(blob.bytes), std::ios::cur);
    } else {
      copy(blob, *file);
      report_.fetched_bytes += blob.bytes;
      ++report_.fetched_files;
    }
    in_.ignore(static_cast<std::streamsize>(tar_padding(blob.bytes).size()));
    for (std::size_t i = 1; i < blob.placements.size(); ++i) adopt_file(first.file, blob.placements[i]);
    meter_.at(blob.index, blob.bytes, first.file.filename().string());
    meter_.finished(blob.index);
  }

  void copy(const Blob& blob, PartialFile& file) {
    file.restart();
    std::vector<char> block(kBlock);
    for (std::uint64_t done = 0; done < blob.bytes;) {
      const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(block.size(), blob.bytes - done));
      if (!in_.read(block.data(), static_cast<std::streamsize>(n))) fail_cut_off();
      file.append(std::as_bytes(std::span(block.data(), n)));
      done += n;
      meter_.at(blob.index, done, blob.placements.front().file.filename().string());
      meter_.tick();
    }
    try {
      file.finish();
    } catch (const Error& error) {
      fail(error.code(), name_, ": ", blob.placements.front().file.filename().string(), " ", error.what(),
           hint("the bundle is damaged, copy it here again"));
    }
  }

  void publish(const BundledModel& model) {
    const Layout layout = layout_of(model);
    for (const PlannedPart& p : model.parts) {
      check_published(model, p, layout);
      for (const PlannedFile& f : p.files) {
        layout.publish(p.part, p.commit, f.file.path, layout.placement_of(p.part, p.commit, f.file.path, f.digest));
        report_.files.push_back(
            {f.file.path, p.part.repository, f.file.bytes, layout.folder_of(p.part, p.commit) / f.file.path});
        report_.bytes += f.file.bytes;
      }
      layout.note_revision(p.part, "", p.commit);
      layout.tidy(p.part);
    }
    if (report_.folder.empty()) report_.folder = layout.folder_of(model.parts.front().part, model.parts.front().commit);
    report_.name += (report_.name.empty() ? "" : ", ") + model.name;
  }

  // Small files are named by git's hash; those whose SHA-256 is known must have that one, too.
  void check_published(const BundledModel& model, const PlannedPart& p, const Layout& layout) const {
    const Model* const known = find_known(model.name);
    if (known == nullptr) return;
    for (const Part& part : known->parts) {
      if (part.repository != p.part.repository || part.revision != p.part.revision || part.source != p.part.source) continue;
      for (const KnownFile& k : part.files) {
        const auto f =
            std::find_if(p.files.begin(), p.files.end(), [&](const PlannedFile& file) { return file.file.path == k.path; });
        if (f == p.files.end() || k.sha256.empty() || f->digest.kind == DigestKind::sha256) continue;
        const fs::path path = layout.placement_of(p.part, p.commit, k.path, f->digest).file;
        if (digest_of_file(path, DigestKind::sha256).hex == k.sha256) continue;
        std::error_code ignored;
        fs::remove(path, ignored);
        fail(ErrorCode::format, name_, ": ", k.path, " is not the published file",
             hint("get the bundle from a source that you trust"));
      }
    }
  }

  std::string name_;
  std::ifstream in_;
  const Paths& paths_;
  const ModelSettings& settings_;
  Meter meter_;
  std::vector<BundledModel> models_;
  std::map<std::string, Blob> blobs_;
  std::vector<std::uint64_t> sizes_;
  std::size_t taken_ = 0;
  PullReport report_;
};

}  // namespace

PullReport write_bundle(const std::vector<std::string>& names, const fs::path& file, const Paths& paths,
                        const ModelSettings& settings, const PullObserver& observer) {
  if (names.empty())
    fail(ErrorCode::invalid_argument, "a bundle needs at least one model", hint("name some of ", known_names()));
  std::error_code ignored;
  if (fs::is_directory(file, ignored))
    fail(ErrorCode::invalid_argument, "cannot write the bundle ", file.string(), ": it is a folder", hint("name a file"));
  BundleWriter writer(file, observer);
  for (const std::string& name : names) writer.add(name, present_parts(name, paths, settings, observer));
  return writer.write();
}

PullReport import_bundle(const fs::path& file, const Paths& paths, const ModelSettings& settings,
                         const PullObserver& observer) {
  return BundleReader(file, paths, settings, observer).read();
}

}  // namespace espalier::hub
