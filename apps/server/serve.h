// The studio's server: takes jobs over HTTP, runs them one after another, keeps what they made.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "espalier/options.h"

namespace espalier::server {

// A model that jobs may name.
struct ServedModel {
  std::string name;
  PipelineOptions pipeline;
};

struct ServeOptions : ServerOptions {
  PipelineOptions pipeline{};                  // of the model for jobs that name none
  std::vector<ServedModel> others{};           // of further models, by names that differ
  std::filesystem::path background_network{};  // of jobs and previews; empty: none
};

// True for addresses that only this machine reaches: 127.x, ::1, localhost.
[[nodiscard]] bool is_loopback(const std::string& host);

// $XDG_DATA_HOME/espalier as `data_home` gives it, else HOME/.local/share/espalier. Throws not_found when both are empty.
[[nodiscard]] std::filesystem::path default_data_folder(const std::string& data_home, const std::string& home);

// Words of the API for the codes of the library.
[[nodiscard]] const char* word_of(ErrorCode code);

// The JSON of a new job with these options, as POST /v1/jobs takes it.
[[nodiscard]] std::string job_options_text(const Options& options);
// The other way: what such a JSON, or that of an export of an asset of unknown options, asks for. Throws Error invalid_argument
// that names the key.
[[nodiscard]] Options options_of_job(const std::string& json);
[[nodiscard]] Options options_of_export(const std::string& json);

// A key of a person (ServerOptions::keys), and the line of the file that knows it. It cannot be found out from the line.
struct NewKey {
  std::string key, line;
};
// `scopes`: some of submit, read, admin. jobs_a_day 0 and queue_share 1: no limit. Throws Error invalid_argument for a name
// that is none.
[[nodiscard]] NewKey new_key(const std::string& name, const std::vector<std::string>& scopes, std::int64_t jobs_a_day,
                             double queue_share);

// Serves until `stopped` says so, which is asked a few times a second. `report` gets the address once requests are taken,
// `warn` what a person at the terminal should know, from any thread. Throws Error: invalid_argument when a wider address has
// neither key nor no_auth, io when the address or the data folder is taken, and whatever loading the checkpoint throws.
void serve(const ServeOptions& options, const std::function<bool()>& stopped,
           const std::function<void(const std::string&)>& report, const std::function<void(const std::string&)>& warn);

// Runs jobs of the fleet that options.queue and options.results name, until `stopped` says so; what runs then goes back into
// the queue. `report` gets the name under which this process works once it takes jobs. Throws Error when Redis or the store
// cannot be reached at the start, and whatever loading the checkpoint throws.
void work_for_fleet(const ServeOptions& options, const std::function<bool()>& stopped,
                    const std::function<void(const std::string&)>& report, const std::function<void(const std::string&)>& warn);

// Whether a server started this process to run jobs for it.
[[nodiscard]] bool is_worker_of_server();
// Runs jobs for a server that started this process with --workers, until that ends. Returns the exit code.
[[nodiscard]] int run_worker();

}  // namespace espalier::server
