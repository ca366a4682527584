// One file of run_transfers: which request comes next, and what its answer means.
#pragma once

#include <chrono>
#include <exception>
#include <memory>
#include <optional>

#include "hub/failures.h"
#include "hub/transfer.h"

namespace espalier::hub {

class TransferJob {
 public:
  using Clock = std::chrono::steady_clock;

  TransferJob(std::size_t index, const Transfer& transfer, const TransferOptions& options, const TransferObserver& observer);
  TransferJob(const TransferJob&) = delete;
  TransferJob& operator=(const TransferJob&) = delete;

  [[nodiscard]] bool done() const { return done_; }
  // When it may go on.
  [[nodiscard]] Clock::time_point due() const { return due_; }
  // The next request; null when none is needed now: done, or waiting until due().
  HttpTransfer* start();
  // The request ended.
  void ended(CURLcode code);

  [[nodiscard]] Transferred take() { return std::move(result_); }

 private:
  [[nodiscard]] Asked asked() const;
  [[nodiscard]] Answer answer() const;
  [[nodiscard]] std::string token_for(const std::string& url) const;
  HttpTransfer* request(const std::string& url, bool head, std::uint64_t offset);
  bool open_file();
  bool take_bytes(std::span<const std::byte> bytes);
  void check_first_bytes();
  void ended_head();
  void accept_head(const std::string& etag);
  void ended_body(CURLcode code);
  void finish_file();
  [[nodiscard]] bool has_known_hash() const;
  [[noreturn]] void fail_for_other_file() const;
  void complete(const std::filesystem::path& file);
  void refused();
  void redirect(const std::string& location);
  void try_again(CURLcode code);
  void wait_as_asked();
  void wait(double seconds, const std::string& why);

  std::size_t index_;
  const Transfer& transfer_;
  const TransferOptions& options_;
  const TransferObserver& observer_;

  std::string resolve_url_;  // of HEAD, after relative redirects
  std::string url_;          // of the request that runs
  std::optional<Resolved> resolved_;
  std::unique_ptr<PartialFile> file_;
  std::unique_ptr<HttpTransfer> http_;
  Placement placement_;
  std::uint64_t offset_ = 0;    // at which the request that runs began
  bool resumed_ = false;        // some bytes are of an earlier attempt
  bool checked_ = false;        // of the request that runs: its first bytes were looked at
  bool wanted_ = false;         // its body is the file
  bool again_ = false;          // its range is not the one asked for
  std::uint64_t furthest_ = 0;  // the most bytes there were
  int attempts_ = 0;            // in a row that came no further
  int resolutions_ = 0;         // likewise
  int hops_ = 0;                // redirects of one request
  int restarts_ = 0;
  std::exception_ptr failure_;  // inside a callback of libcurl
  Clock::time_point due_{};
  Transferred result_;
  bool done_ = false;
};

}  // namespace espalier::hub
