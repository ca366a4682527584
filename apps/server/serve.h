// The studio's server: takes jobs over HTTP, runs them one after another, keeps what they made.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "espalier/espalier.h"

namespace espalier::server {

struct ServeOptions {
  std::string host = "127.0.0.1";
  int port = 7860;  // 0: one that is free
  PipelineOptions pipeline;
  std::filesystem::path background_network{};  // of jobs and previews; empty: none
  std::filesystem::path data;                  // folder of jobs; empty: default_data_folder()
  bool rebuild = false;                        // make the database again from the records in the jobs' folders
  double keep_alive_minutes = 15;              // without a job, until the weights leave memory; 0: after every job
  int max_queue = 200;                         // jobs that wait
  std::uint64_t max_upload_bytes = std::uint64_t{64} << 20U;
  int max_voxels = 65536;                               // of a latent that is sent
  double keep_days = 30;                                // ended jobs go when they are older; 0: never
  std::uint64_t keep_bytes = std::uint64_t{20} << 30U;  // the oldest ended jobs go when all are larger; 0: never
  std::string api_key;                                  // empty: none is asked for
  bool no_auth = false;                                 // let everybody in that can reach a wider address
  std::vector<std::string> allowed_origins;             // of pages of other servers that may use this one
  double client_seconds = 20;                           // patience with a slow client
};

// True for addresses that only this machine reaches: 127.x, ::1, localhost.
[[nodiscard]] bool is_loopback(const std::string& host);

// $XDG_DATA_HOME/espalier as `data_home` gives it, else HOME/.local/share/espalier. Throws not_found when both are empty.
[[nodiscard]] std::filesystem::path default_data_folder(const std::string& data_home, const std::string& home);

// Serves until `stopped` says so, which is asked a few times a second. `say` is told the address once requests are taken,
// `warn` what a person at the terminal should know, from any thread. Throws Error: invalid_argument when a wider address has
// neither key nor no_auth, io when the address or the data folder is taken, and whatever loading the checkpoint throws.
void serve(const ServeOptions& options, const std::function<bool()>& stopped,
           const std::function<void(const std::string&)>& say, const std::function<void(const std::string&)>& warn);

}  // namespace espalier::server
