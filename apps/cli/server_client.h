// A client of espalier serve.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

namespace espalier::cli {

using Json = nlohmann::ordered_json;

// What a server answers instead of what was asked for, or why it does not answer. `code` is a word of its API.
class ServerFailure : public std::runtime_error {
 public:
  enum class Kind {
    refused,      // it will not change its mind
    busy,         // it may later; it has not taken the request
    unreachable,  // the request has not reached it
    broken,       // the connection ended; it may have taken the request
  };
  ServerFailure(Kind kind, int status, std::string code, const std::string& message, std::string hint)
      : std::runtime_error(message), kind_(kind), status_(status), code_(std::move(code)), hint_(std::move(hint)) {}
  [[nodiscard]] Kind kind() const { return kind_; }
  [[nodiscard]] int status() const { return status_; }  // of HTTP; 0 without an answer
  [[nodiscard]] const std::string& code() const { return code_; }
  [[nodiscard]] const std::string& hint() const { return hint_; }

 private:
  Kind kind_;
  int status_;
  std::string code_, hint_;
};

// Functions throw ServerFailure, and Error cancelled when `stopped` says so, which is asked a few times a second.
class ServerClient {
 public:
  // Throws Error invalid_argument for what is not the address of a server.
  ServerClient(std::string url, std::string key, std::function<bool()> stopped);

  // The new job: POST /v1/jobs; without images, of a prompt in the options. The same `request` (visible ASCII characters) makes
  // one job, however often it is sent.
  [[nodiscard]] Json submit(const std::vector<std::filesystem::path>& images, const std::string& options,
                            const std::string& request);
  [[nodiscard]] Json job(const std::string& id);
  // A new export of a job: POST /v1/jobs/ID/exports.
  [[nodiscard]] Json submit_export(const std::string& id, const std::string& options, const std::string& request);
  // DELETE: cancels a job that has not ended.
  void cancel(const std::string& id);
  // The answer to GET of a path of the interface.
  [[nodiscard]] Json get(const std::string& path);
  // A small file of a job.
  [[nodiscard]] std::string bytes(const std::string& id, const std::string& name);
  // Into `path`, which appears when it is whole and has `bytes` bytes, as the library writes files (base/file.h). Throws
  // ServerFailure refused for a path that is not to be replaced (read-only, a folder), Error io when the disk takes no more.
  void download(const std::string& id, const std::string& name, const std::filesystem::path& path, std::uint64_t bytes);

 private:
  struct Call;
  void run(Call& call);
  [[nodiscard]] Json json_of(const Call& call) const;

  std::string url_, key_;
  std::function<bool()> stopped_;
};

}  // namespace espalier::cli
