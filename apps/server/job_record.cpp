#include "job_record.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>

#include "base/json.h"

namespace espalier::server {

namespace fs = std::filesystem;

namespace {

constexpr int kVersion = 1;
constexpr const char* kTemporary = ".espalier-record.part";
constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 20U;

// One name inside the job's folder.
bool is_plain(const std::string& name) {
  return !name.empty() && name.size() < 256 && name.front() != '.' && name.find('/') == std::string::npos &&
         name.find('\0') == std::string::npos && name != kRecordFile;
}

std::string text_at(const Json& object, const char* key) {
  const auto at = object.find(key);
  return at != object.end() && at->is_string() ? at->get<std::string>() : std::string();
}

std::int64_t number_at(const Json& object, const char* key) {
  const auto at = object.find(key);
  return at != object.end() && at->is_number_integer() ? at->get<std::int64_t>() : -1;
}

Json value_at(const Json& object, const char* key) {
  const auto at = object.find(key);
  return at == object.end() ? Json(nullptr) : *at;
}

}  // namespace

Json to_json(const JobFile& file) {
  return {{"name", file.name},
          {"role", file.role},
          {"format", file.format},
          {"media_type", file.media_type},
          {"bytes", file.bytes}};
}

std::optional<JobFile> file_of(const Json& object) {
  if (!object.is_object()) return std::nullopt;
  JobFile file{text_at(object, "name"), text_at(object, "role"), text_at(object, "format"), text_at(object, "media_type")};
  const std::int64_t bytes = number_at(object, "bytes");
  if (!is_plain(file.name) || bytes < 0) return std::nullopt;
  file.bytes = static_cast<std::uint64_t>(bytes);
  return file;
}

Json to_json(const JobRecord& record) {
  const Job& job = record.job;
  Json files = Json::array();
  for (const JobFile& file : job.files) files.push_back(to_json(file));
  return {{"version", kVersion},
          {"revision", record.revision},
          {"sequence", job.sequence},
          {"place", job.place},
          {"id", job.id},
          {"kind", name_of(job.kind)},
          {"asset", job.asset ? Json(*job.asset) : Json(nullptr)},
          {"pinned", job.pinned},
          {"parent", job.parent},
          {"owner", job.owner},
          {"name", job.name},
          {"state", name_of(job.state)},
          {"created", job.created},
          {"started", job.started},
          {"finished", job.finished},
          {"attempts", record.attempts},
          {"options", job.options},
          {"error", job.error},
          {"report", job.report},
          {"notices", job.notices},
          {"files", files}};
}

namespace {

// Written beside the place and moved over it.
class RecordFile {
 public:
  explicit RecordFile(const fs::path& folder)
      : part_(folder / kTemporary), fd_(::open(part_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600)) {
    if (fd_ < 0) fail();
  }
  RecordFile(const RecordFile&) = delete;
  RecordFile& operator=(const RecordFile&) = delete;
  ~RecordFile() {
    if (fd_ >= 0) ::close(fd_);
    if (!moved_) ::unlink(part_.c_str());
  }
  void write(std::string_view text) {
    while (!text.empty()) {
      const ssize_t n = ::write(fd_, text.data(), text.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) fail();
      text.remove_prefix(static_cast<std::size_t>(n));
    }
  }
  void move_to(const fs::path& place, bool to_disk) {
    if (to_disk && ::fsync(fd_) != 0) fail();
    if (::close(std::exchange(fd_, -1)) != 0) fail();
    if (::rename(part_.c_str(), place.c_str()) != 0) fail();
    moved_ = true;
  }

 private:
  [[noreturn]] void fail() const { throw StorageError::of_system(part_.parent_path().string(), errno); }

  fs::path part_;
  int fd_;
  bool moved_ = false;
};

}  // namespace

void write_record(const fs::path& folder, const JobRecord& record, bool to_disk) {
  if (fs::is_symlink(fs::symlink_status(folder))) throw StorageError::of_system(folder.string(), ELOOP);
  RecordFile file(folder);
  file.write(text_of(to_json(record)));
  file.move_to(folder / kRecordFile, to_disk);
}

std::optional<JobRecord> read_record(const fs::path& folder) {
  std::error_code error;
  const fs::path path = folder / kRecordFile;
  if (!fs::is_regular_file(fs::symlink_status(path, error)) || fs::file_size(path, error) > kMostBytes || error) return {};
  std::ifstream file(path, std::ios::binary);
  const std::string text(std::istreambuf_iterator<char>(file), {});
  std::string problem;
  const Json json = read_json<Json>(text, {.bytes = kMostBytes, .values = 20'000, .depth = 16}, problem);
  if (!problem.empty()) return {};
  auto record = record_of(json);
  if (!record || record->job.id != folder.filename().string()) return {};
  return record;
}

std::optional<JobRecord> record_of(const Json& json) {
  if (!json.is_object() || number_at(json, "version") != kVersion) return {};
  JobRecord record;
  Job& job = record.job;
  job.id = text_at(json, "id");
  const auto kind = kind_named(text_at(json, "kind"));
  const auto state = state_named(text_at(json, "state"));
  if (!JobStore::is_id(job.id) || !kind || !state) return {};
  job.kind = *kind;
  job.state = *state;
  job.sequence = number_at(json, "sequence");
  job.place = number_at(json, "place");
  if (job.place < 0) job.place = job.sequence;  // of versions in which jobs could not be moved
  if (const Json asset = value_at(json, "asset"); asset.is_boolean()) job.asset = asset.get<bool>();
  if (const Json pinned = value_at(json, "pinned"); pinned.is_boolean()) job.pinned = pinned.get<bool>();
  job.parent = text_at(json, "parent");
  job.owner = text_at(json, "owner");
  job.name = text_at(json, "name");
  job.created = text_at(json, "created");
  job.started = text_at(json, "started");
  job.finished = text_at(json, "finished");
  job.options = value_at(json, "options");
  job.error = value_at(json, "error");
  job.report = value_at(json, "report");
  job.notices = value_at(json, "notices");
  if (!job.notices.is_array()) job.notices = Json::array();
  const Json files = value_at(json, "files");
  for (const Json& one : files.is_array() ? files : Json::array()) {
    auto known = file_of(one);
    if (!known || job.file(known->name) != nullptr) return {};
    job.files.push_back(*std::move(known));
  }
  record.revision = std::max<std::int64_t>(number_at(json, "revision"), 0);
  record.attempts = std::max<std::int64_t>(number_at(json, "attempts"), 0);
  return record;
}

bool is_temporary(const std::string& file_name) { return file_name.starts_with(".espalier-") && file_name.ends_with(".part"); }

}  // namespace espalier::server
