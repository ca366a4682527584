#include "hub/repository.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/json.h"
#include "hub/failures.h"
#include "hub/references.h"

namespace espalier::hub {

using nlohmann::json;

namespace {

constexpr std::uint64_t kMaxPage = std::uint64_t{32} << 20U;
constexpr std::uint64_t kMaxText = std::uint64_t{16} << 20U;
constexpr std::size_t kMaxFiles = 100'000;
constexpr int kMaxPages = 1000;

// <https://...>; rel="next"
std::string next_page(const std::string& link) {
  const auto rel = link.find("rel=\"next\"");
  if (rel == std::string::npos) return {};
  const auto open = link.rfind('<', rel), close = link.rfind('>', rel);
  return open == std::string::npos || close == std::string::npos || close < open ? "" : link.substr(open + 1, close - open - 1);
}

std::uint64_t size_of(const json& entry) {
  const auto found = entry.find("size");
  return found != entry.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}

std::string text_of(const json& entry, const char* key) {
  const auto found = entry.find(key);
  return found != entry.end() && found->is_string() ? found->get<std::string>() : std::string();
}

TreeFile file_of(const std::string& where, const json& entry) {
  TreeFile file{text_of(entry, "path"), size_of(entry), digest_of_etag(text_of(entry, "oid"))};
  if (const auto lfs = entry.find("lfs"); lfs != entry.end() && lfs->is_object()) {
    file.digest = digest_of_etag(text_of(*lfs, "oid"));
    if (const std::uint64_t size = size_of(*lfs); size > 0) file.bytes = size;
  }
  if (!is_safe_path(file.path) || !file.digest.known()) {
    fail(ErrorCode::format, where, ": the hub lists a file whose name or hash cannot be used", hint("check HF_ENDPOINT"));
  }
  return file;
}

}  // namespace

TransferOptions transfer_options(const Paths& paths, int parallel) {
  TransferOptions options;
  options.http = {paths.certificates.string(), paths.connect_seconds, paths.stall_seconds};
  options.endpoint = paths.endpoint;
  options.token = paths.token;
  options.parallel = std::clamp(parallel, 1, 16);
  return options;
}

Repository::Repository(const Paths& paths, std::string name, std::string revision)
    : endpoint_(paths.endpoint), name_(std::move(name)), revision_(std::move(revision)) {}

Transfer Repository::transfer(const std::string& file) const {
  return {.file = file,
          .repository = name_,
          .revision = revision_,
          .url = endpoint_ + "/" + name_ + "/resolve/" + escape(revision_, false) + "/" + escape(file, true),
          .hub_file = true};
}

std::vector<TreeFile> Repository::files(const TransferOptions& options, const TransferObserver& observer) const {
  std::vector<TreeFile> all;
  std::string url = endpoint_ + "/api/models/" + name_ + "/tree/" + escape(revision_, false) + "?recursive=true";
  for (int page = 0; !url.empty(); ++page) {
    if (page == kMaxPages) fail(ErrorCode::format, name_, ": the hub's list of files does not end", hint("check HF_ENDPOINT"));
    const Transfer list{.repository = name_, .revision = revision_, .url = url, .limit = kMaxPage};
    const Transferred got = run_transfers({list}, options, observer).front();
    std::string problem;
    const json entries = read_json<json>(got.body, {.bytes = kMaxPage, .values = 2'000'000, .depth = 16}, problem);
    if (!entries.is_array()) fail_for_stranger({.repository = name_, .url = url, .endpoint = endpoint_}, "no list of files");
    for (const json& entry : entries) {
      if (!entry.is_object() || text_of(entry, "type") != "file") continue;
      if (all.size() == kMaxFiles)
        fail(ErrorCode::unsupported, name_, " has more than ", kMaxFiles, " files", hint("fetch it by other means"));
      all.push_back(file_of(name_, entry));
    }
    const std::string next = next_page(got.link);
    url = next.empty() ? "" : resolve_address(url, next);
  }
  std::sort(all.begin(), all.end(), [](const TreeFile& a, const TreeFile& b) { return a.path < b.path; });
  return all;
}

std::string Repository::commit(const std::string& file, const TransferOptions& options,
                               const TransferObserver& observer) const {
  Transfer head = transfer(file);
  head.head_only = true;
  const std::string commit = run_transfers({head}, options, observer).front().resolved.commit;
  if (commit.empty()) fail_for_stranger({.repository = name_, .url = head.url, .endpoint = endpoint_}, "no commit");
  return commit;
}

std::string Repository::text(const std::string& file, const TransferOptions& options, const TransferObserver& observer) const {
  Transfer whole = transfer(file);
  whole.limit = kMaxText;
  return run_transfers({whole}, options, observer).front().body;
}

}  // namespace espalier::hub
