#include "serve.h"

#include <malloc.h>
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <thread>

#include "job_options.h"
#include "job_watch.h"
#include "routes.h"

namespace espalier::server {
namespace {

constexpr int kMappedBytes = 4 << 20;  // blocks from this size on are mappings of their own, which return whole

void check(const ServeOptions& o) {
  if (is_loopback(o.host) || !o.api_key.empty() || o.no_auth) return;
  throw Error(ErrorCode::invalid_argument, "--host " + o.host + " can be reached from other machines",
              "set a key with --api-key (or "
              "ESPALIER_API_KEY), or say --no-auth to let everybody in");
}

// Every connection takes a descriptor, every file that is sent another; some are needed for everything else. Returns how many
// connections that leaves room for.
int raise_file_limit(int wanted) {
  constexpr rlim_t kOthers = 32, kMost = 4096;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return wanted;
  if (limit.rlim_cur < kMost) {
    limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, kMost);
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
  ::getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur >= kOthers + 2 * static_cast<rlim_t>(wanted)) return wanted;
  return limit.rlim_cur > kOthers + 8 ? static_cast<int>((limit.rlim_cur - kOthers) / 2) : 4;
}

HttpServerOptions http_options(const ServeOptions& o) {
  HttpServerOptions http;
  http.host = o.host;
  http.port = o.port;
  http.limits.client_seconds = o.client_seconds;
  http.headers = {{"X-Content-Type-Options", "nosniff"},
                  {"Referrer-Policy", "no-referrer"},
                  {"X-Frame-Options", "DENY"},
                  {"Server", "Espalier"}};
  if (o.allowed_origins.empty()) http.headers.emplace_back("Cross-Origin-Resource-Policy", "same-origin");
  return http;
}

std::string address(const ServeOptions& o, int port) {
  const std::string host = o.host.find(':') == std::string::npos ? o.host : "[" + o.host + "]";
  return "http://" + host + ":" + std::to_string(port);
}

// In one piece, so that lines of several threads do not mix.
void write_log(const std::string& line) {
  const std::string whole = line + "\n";
  std::fwrite(whole.data(), 1, whole.size(), stderr);
}

// Exports that an earlier version left do not say whether they are assets.
void settle_exports(JobStore& store) {
  for (const Job& job : store.unsettled()) {
    bool asset = true;
    try {
      const auto parent = store.find(job.parent);
      const Options of_parent = parent ? parse_generate_options(text_of(parent->options), Spelling::any) : Options();
      const ExportOptions options = parse_export_options(text_of(job.options), of_parent, Spelling::any);
      asset = parent ? is_asset(options, of_parent) : !options.turntable;
    } catch (const HttpError&) {
      asset = true;  // options of a later version: better shown than not
    }
    store.settle(job.id, asset);
  }
}

}  // namespace

bool is_loopback(const std::string& host) {
  const bool ipv4 = host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string::npos;
  return ipv4 || host == "localhost" || host == "::1";
}

std::filesystem::path default_data_folder(const std::string& data_home, const std::string& home) {
  if (data_home.starts_with('/')) return std::filesystem::path(data_home) / "espalier";
  if (!home.empty()) return std::filesystem::path(home) / ".local/share/espalier";
  throw Error(ErrorCode::not_found, "there is no home folder to keep jobs in", "name a folder with --data");
}

void serve(const ServeOptions& options, const std::function<bool()>& stopped,
           const std::function<void(const std::string&)>& say, const std::function<void(const std::string&)>& warn_people) {
  check(options);
  const bool as_json = options.log == LogFormat::json;
  const auto warn = [&](const std::string& text) { as_json ? write_log(log_line("warning", text)) : warn_people(text); };
  HttpServerOptions http_settings = http_options(options);
  if (const int fitting = raise_file_limit(http_settings.connections); fitting < http_settings.connections) {
    warn("only " + std::to_string(fitting) +
         " clients can be served at a time, because the limit of open files is low; raise it (ulimit -n)");
    http_settings.connections = fitting;
  }
  // Without this every thread's first allocation opens a heap of its own, which none of the others can use.
  ::mallopt(M_ARENA_MAX, 2);
  // Fixed: glibc would raise it to the largest block given back, and a job's big arrays would break the heaps into pieces.
  ::mallopt(M_MMAP_THRESHOLD, kMappedBytes);
  JobStore store(options.data, options.rebuild);
  for (const std::string& note : store.notes()) warn(note);
  settle_exports(store);
  EventHub hub;
  Metrics metrics;
  JobWatch watch(metrics, as_json ? write_log : std::function<void(const std::string&)>());
  hub.watch([&](const std::string& job, const Event& event) { watch.see(job, event); });
  JobRunner runner(options, store, hub, metrics, warn);
  Routes routes(options, store, runner, hub, metrics);
  HttpServer http(
      http_settings, [&](HttpRequest& request) { return routes.respond(request); },
      [&](const RequestHead&, int status) {
        ++metrics.requests[static_cast<std::size_t>(status / 100) % metrics.requests.size()];
      });
  http.start();
  say(address(options, http.port()));
  if (as_json) write_log(log_line("listening", address(options, http.port())));
  runner.start();
  while (!stopped() && !runner.failure()) std::this_thread::sleep_for(std::chrono::milliseconds(50));
  runner.interrupt();  // first: a handler may take longer than whoever stops the server is patient
  hub.close();
  http.stop();
  runner.stop();
  if (as_json) write_log(log_line("stopped", "jobs that have not ended wait for the next start"));
  if (runner.failure()) std::rethrow_exception(runner.failure());
}

}  // namespace espalier::server
