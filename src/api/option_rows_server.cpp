// Rows of the option table about servers: espalier serve, and what calls one.
#include <cctype>

#include "api/option_row_parts.h"
#include "api/option_rows.h"

namespace espalier {

using namespace rows;

namespace {

bool is_worker_count(const std::string& text) {
  const auto count = parsed_number<int>(text);
  return text == "auto" || (count && *count >= 1 && *count <= 64);
}

// What can be seen without a look at the rest, which may hold a password.
bool is_queue(const std::string& text) { return text.starts_with("redis://") || text.starts_with("rediss://"); }

bool is_origin(const std::string& text) {
  const std::size_t scheme = text.starts_with("https://") ? 8 : text.starts_with("http://") ? 7 : 0;
  return scheme > 0 && text.size() > scheme && text.find('/', scheme) == std::string::npos;
}

bool is_host(const std::string& text) {
  return !text.empty() && text.size() <= 260 && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '.' || c == '-' || c == '_' || c == ':' || c == '[' || c == ']';
  });
}

OptionField scopes() {
  const auto same = [](const std::vector<std::string>& words) { return words; };
  return choices_field(access(&Options::key_scopes), list_of(kScopes), same,
                       [](const std::vector<std::string>& words) { return std::optional(words); });
}

// Where the server listens and works, and whom it lets in.
std::vector<Option> access_rows() {
  constexpr unsigned all = serve | environment;
  return {
      {"host", server, all, of(&ServerOptions::host, "ADDRESS"),
       "Address to listen on. One that other machines can reach needs --api-key or --no-auth."},
      {"port", server, all, of(&ServerOptions::port, 0, 65535), "Port to listen on; 0 picks a free one."},
      {"api-key",
       server,
       all,
       matching(of(&ServerOptions::api_key, "KEY"), "8 to 200 visible ASCII characters", is_key),
       "Require this key from every client. Other users of this machine can see the command line, but not the variable.",
       {.secret = true}},
      {"api-key-file", server, all, key_file(&ServerOptions::api_key),
       "Read the key from the first line of this file, which other users should not be able to read."},
      {"keys",
       server,
       all,
       of(&ServerOptions::keys, "FILE"),
       "File of keys of people, a line for each, as espalier key new makes them: names, hashes, scopes and limits. Key holders "
       "see their own jobs, or all of them with the scope admin. A file that changes is read again. --api-key may be given "
       "besides.",
       {.fallback = "none"}},
      {"no-auth", server, serve, of(&ServerOptions::no_auth), "Accept everyone who can reach the address."},
      {"allow-origin", server, serve,
       matching(of(&ServerOptions::allowed_origins, "ORIGIN"), "http://HOST[:PORT] or https://HOST[:PORT]", is_origin),
       "Let pages from this origin use the server; may be repeated."},
      {"data",
       server,
       all | worker,
       of(&ServerOptions::data, "FOLDER"),
       "Folder for jobs and their files.",
       {.fallback = "$XDG_DATA_HOME/espalier, or ~/.local/share/espalier"}},
      {"workers",
       server,
       all | worker,
       matching(of(&ServerOptions::workers, "auto|N"), "auto, or a whole number from 1 to 64", is_worker_count),
       "Run the jobs in processes of their own, N at a time: one for each GPU in turn, or, on the CPU, with the processor's "
       "threads shared out. auto: one on each GPU. A process that dies is replaced, and its job is tried once more.",
       {.fallback = "this process runs them, one at a time"}},
      {"data-home",
       server,
       sampled | preprocess | serve | batch | mcp | worker | environment,
       of(&Options::data_home, "FOLDER"),
       "Folder for data, instead of ~/.local/share.",
       {.variable = "XDG_DATA_HOME", .only_variable = true}},
      {"home",
       server,
       configured | environment,
       of(&Options::home, "FOLDER"),
       "The home folder, in which default folders lie.",
       {.variable = "HOME", .only_variable = true}},
  };
}

std::vector<Option> webhook_rows() {
  constexpr unsigned all = serve | environment;
  return {
      {"webhook-host", server, serve, matching(of(&ServerOptions::webhook_hosts, "HOST"), "HOST or HOST:PORT", is_host),
       "Let jobs send webhooks to this host; may be repeated. Needs --webhook-secret."},
      {"webhook-secret",
       server,
       all,
       matching(of(&ServerOptions::webhook_secret, "KEY"), "8 to 200 visible ASCII characters", is_key),
       "Key that webhooks are signed with. Other users of this machine can see the command line, but not the variable.",
       {.secret = true}},
      {"webhook-secret-file", server, all, key_file(&ServerOptions::webhook_secret),
       "Read the key from the first line of this file."},
      {"webhook-private", server, serve, of(&ServerOptions::webhook_private),
       "Let webhooks go to this machine and to private networks, too."},
      {"webhook-retry", server, all, of(&ServerOptions::webhook_retry_seconds, 0.01, 3600.0, "S"),
       "Seconds until a webhook that was not taken is sent again; each further pause is twice as long, up to an hour."},
  };
}

// Where a fleet has its jobs and their files.
std::vector<Option> fleet_rows() {
  constexpr unsigned all = serve | worker | environment;
  return {
      {"queue",
       server,
       all,
       matching(of(&ServerOptions::queue, "URL"), "redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE], or rediss:// for TLS",
                is_queue),
       "Redis in which a fleet of servers and workers has its jobs. serve then runs none itself; espalier worker does, on any "
       "number of machines. The password is removed from the command line that other users see.",
       {.fallback = "no fleet: jobs are kept and run by this server", .secret = true}},
      {"queue-password-file", server, all, key_file(&ServerOptions::queue_password),
       "Read the password of --queue from the first line of this file."},
      {"results", server, all, of(&ServerOptions::results, "PLACE"),
       "Where the fleet keeps the files of jobs: a folder that all its machines share, or s3://BUCKET/PREFIX."},
      {"results-endpoint", server, all, of(&ServerOptions::s3_endpoint, "URL"),
       "Address of the store that has the bucket of --results: https://HOST[:PORT], or http:// in a network of your own."},
      {"results-region", server, all, of(&ServerOptions::s3_region, "NAME"), "Region of the bucket."},
      {"results-access-key",
       server,
       all,
       of(&ServerOptions::s3_access_key, "ID"),
       "Access key ID for the bucket.",
       {.variable = "AWS_ACCESS_KEY_ID", .only_variable = true}},
      {"results-secret-key",
       server,
       all,
       of(&ServerOptions::s3_secret_key, "KEY"),
       "Secret access key for the bucket.",
       {.variable = "AWS_SECRET_ACCESS_KEY", .secret = true, .only_variable = true}},
      {"results-secret-key-file", server, all, key_file(&ServerOptions::s3_secret_key),
       "Read the bucket's secret access key (AWS_SECRET_ACCESS_KEY) from the first line of this file."},
      {"lease", server, worker | environment, of(&ServerOptions::lease_seconds, 1.0, 3600.0, "S"),
       "Seconds after which a job whose worker is silent is another worker's."},
  };
}

// What it takes and keeps.
std::vector<Option> limit_rows() {
  constexpr unsigned all = serve | environment;
  return {
      {"rebuild", server, serve, of(&ServerOptions::rebuild),
       "Rebuild the job database from the records in the job folders; the old one is moved to lost/ in the data folder."},
      {"keep-alive", server, all | mcp | worker, of(&ServerOptions::keep_alive_minutes, 0.0, 525600.0, "MIN"),
       "Minutes without a job after which weights are unloaded; the next job loads them again."},
      {"max-batch", server, all | worker, of(&ServerOptions::max_batch, 1, kMostInABatch),
       "Number of jobs that are sampled together, at most: those that wait, of one model, with equal sampling settings. 1: one "
       "after another."},
      {"max-wait-ms", server, all | worker, of(&ServerOptions::max_wait_ms, 0, 60000),
       "Milliseconds that a job waits for others to be sampled with, where fewer than --max-batch are there."},
      {"max-queue", server, all, of(&ServerOptions::max_queue, 1, 100000), "Maximum number of waiting jobs; more are refused."},
      {"max-upload", server, all,
       bytes(&ServerOptions::max_upload_bytes, kMiB / 100, 64 * kGiB, kMiB,
             "a size in MiB, or with k, m or g, from 0.01 to 65536 MiB"),
       "Maximum size of a request."},
      {"max-voxels", server, all, of(&ServerOptions::max_voxels, 1, 262144),
       "Maximum number of voxels in an uploaded latent; decoding memory grows with it."},
      {"keep-days", server, all, of(&ServerOptions::keep_days, 0.0, 36500.0, "DAYS"),
       "Days after which finished jobs are removed; 0: never."},
      {"keep-size", server, all,
       bytes(&ServerOptions::keep_bytes, 0, 1024 * kTiB, kGiB, "a size in GiB, or with k, m, g or t, from 0 to 1048576 GiB"),
       "Total size of job files above which the oldest finished jobs are removed; 0: no limit."},
      {"log", server, all | worker, of(&ServerOptions::log),
       "Log format. json: a line of JSON on standard error for each job that starts or ends, and for warnings."},
      {"client-timeout", server, all, of(&ServerOptions::client_seconds, 0.1, 3600.0, "S"),
       "Seconds a client may take to send its headers, and for a body or download beyond the time that 8 KiB/s would take."},
      {"max-wait", server, all, of(&ServerOptions::max_wait_seconds, 0.1, 86400.0, "S"),
       "Seconds that POST /v1/3d/generations waits for its asset; then it answers with the address of the job, which goes on."},
  };
}

}  // namespace

std::vector<Option> server_rows() {
  std::vector<Option> all = access_rows();
  for (const auto& part : {fleet_rows(), limit_rows(), webhook_rows()}) all.insert(all.end(), part.begin(), part.end());
  return all;
}

std::vector<Option> batch_rows() {
  return {
      {"folder",
       files,
       mcp,
       of(&Options::folder, "FOLDER"),
       "Folder that the tools read and write in; what lies outside is refused.",
       {.fallback = "the current folder"}},
      {"list",
       files,
       batch,
       of(&BatchOptions::list, "LIST"),
       "A folder of images, each of which becomes an asset, or a .csv file with the columns image, name and seed, of which "
       "only the first is required; several views of one object are separated by semicolons.",
       {.positional = true}},
      {"out", files, batch, of(&BatchOptions::out, "FOLDER"),
       "Folder for the results and manifest.jsonl; created if missing. Results that are complete are not made again."},
      {"retry", files, batch, of(&BatchOptions::retry), "Retry what failed in an earlier run."},
      {"server",
       server,
       batch | mcp | environment,
       of(&BatchOptions::server, "URL"),
       "Server that does the work, such as http://127.0.0.1:7860.",
       {.fallback = "this process"}},
      {"api-key",
       server,
       batch | mcp | environment,
       matching(of(&BatchOptions::api_key, "KEY"), "8 to 200 visible ASCII characters", is_key),
       "Key that the server requires. Other users of this machine can see the command line, but not the variable.",
       {.secret = true}},
      {"api-key-file", server, batch | mcp | environment, key_file(&BatchOptions::api_key),
       "Read the key from the first line of this file."},
      {"max-batch", machine, generate | batch | plan | environment, of(&Options::max_batch, 1, kMostInABatch),
       "Number of assets that are sampled together, at most, and as many as memory takes: of several images, prompts or seeds "
       "whose sampling settings are equal. 1: one after another."},
      {"in-flight", server, batch | environment, of(&BatchOptions::in_flight, 1, 64),
       "Number of jobs on the server at a time."},
  };
}

std::vector<Option> key_rows() {
  return {
      {"word",
       server,
       use_key,
       of(&Options::key_words, "new NAME"),
       "new, and the name of the key's owner.",
       {.positional = true}},
      {"scopes", server, use_key, scopes(),
       "What the key may do. submit: send jobs. read: look at them and fetch their files. admin: everything, with jobs of "
       "others."},
      {"jobs-a-day", server, use_key, of(&Options::key_jobs_a_day, 0, 1000000),
       "Jobs a day (UTC), exports aside; 0: any number."},
      {"queue-share", server, use_key, of(&Options::key_queue_share, 0.001, 1.0),
       "Share of --max-queue that its waiting jobs may take."},
  };
}

}  // namespace espalier
