// The commands about weights: pull, models.
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <iomanip>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "commands.h"
#include "interrupt.h"
#include "text.h"

namespace espalier::cli {
namespace {

using Json = nlohmann::ordered_json;
using namespace std::chrono_literals;

void print(const Json& json) { std::printf("%s\n", json.dump(2, ' ', false, Json::error_handler_t::replace).c_str()); }

// One bar on a terminal, a line every ten seconds elsewhere; all on standard error.
class PullPrinter {
 public:
  explicit PullPrinter(bool quiet) : quiet_(quiet), terminal_(::isatty(STDERR_FILENO) == 1) {}
  PullPrinter(const PullPrinter&) = delete;
  PullPrinter& operator=(const PullPrinter&) = delete;
  ~PullPrinter() { clear(); }

  void show(const PullProgress& p) {
    if (quiet_) return;
    const auto now = std::chrono::steady_clock::now();
    const bool fresh = p.activity != activity_;
    if (!fresh && !terminal_ && now - last_ < 10s) return;
    activity_ = p.activity;
    last_ = now;
    if (terminal_) {
      draw(p);
    } else {
      std::fprintf(stderr, "%3d %%  %s\n", percent(p), details(p).c_str());
    }
  }

  void message(const std::string& text) {
    if (!said_.insert(text).second) return;
    clear();
    std::fprintf(stderr, "espalier: %s\n", one_line(text).c_str());
  }

  void clear() {
    if (!drawn_) return;
    std::fprintf(stderr, "\r\033[K");
    std::fflush(stderr);
    drawn_ = false;
  }

 private:
  static double share(const PullProgress& p) {
    return p.total == 0 ? 0.0 : std::clamp(static_cast<double>(p.done) / static_cast<double>(p.total), 0.0, 1.0);
  }
  static int percent(const PullProgress& p) { return static_cast<int>(std::floor(100.0 * share(p))); }

  static std::string details(const PullProgress& p) {
    std::ostringstream text;
    text << p.activity << "  " << decimal_bytes(p.done) << " of " << decimal_bytes(p.total);
    if (p.bytes_per_second > 0.0) text << "  " << decimal_bytes(static_cast<std::uint64_t>(p.bytes_per_second)) << "/s";
    if (p.seconds_left >= 0.0 && p.done < p.total) {
      const double left = p.seconds_left;
      text << "  about " << (left < 60.0 ? fixed(std::ceil(left), 0).append(" s") : duration(left)) << " left";
    }
    if (p.files > 0) text << "  " << p.files_done << '/' << p.files << " files";
    return one_line(text.str());
  }

  void draw(const PullProgress& p) {
    constexpr std::size_t width = 24;
    const auto filled = static_cast<std::size_t>(share(p) * width);
    std::ostringstream text;
    text << '[' << std::string(filled, '#') << std::string(width - filled, '.') << "] " << std::setw(3) << percent(p) << " %  "
         << details(p);
    std::string line = text.str();
    winsize size{};
    const std::size_t columns = ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
    // One column less than there are, or some terminals would wrap.
    line.resize(std::min(line.size(), columns - 1));
    std::fprintf(stderr, "\r%s\033[K", line.c_str());
    std::fflush(stderr);
    drawn_ = true;
  }

  bool quiet_, terminal_;
  bool drawn_ = false;
  std::string activity_;
  std::chrono::steady_clock::time_point last_{};
  std::set<std::string> said_;
};

Json files_json(const std::vector<ModelFile>& files) {
  Json list = Json::array();
  for (const ModelFile& f : files) {
    list.push_back({{"name", f.name}, {"repository", f.repository}, {"bytes", f.bytes}, {"path", f.path.string()}});
  }
  return list;
}

Json report_json(const PullReport& report) {
  return {{"name", report.name},
          {"folder", report.folder.string()},
          {"bytes", report.bytes},
          {"fetched_bytes", report.fetched_bytes},
          {"fetched_files", report.fetched_files},
          {"seconds", report.seconds},
          {"files", files_json(report.files)}};
}

std::string files_text(std::size_t count) { return std::to_string(count) + (count == 1 ? " file, " : " files, "); }

void print_pull(const PullReport& report, const char* verb) {
  std::ostringstream text;
  text << report.name << ": " << files_text(report.files.size()) << decimal_bytes(report.bytes);
  if (report.fetched_bytes == 0) {
    text << ", all of them here and verified";
  } else {
    text << "; " << verb << ' ' << decimal_bytes(report.fetched_bytes) << " in " << duration(report.seconds);
    const double rate = report.seconds > 0.0 ? static_cast<double>(report.fetched_bytes) / report.seconds : 0.0;
    if (rate > 0.0) text << " (" << decimal_bytes(static_cast<std::uint64_t>(rate)) << "/s)";
  }
  std::printf("%s\n  in %s\n", text.str().c_str(), report.folder.c_str());
}

// What to type next.
void print_use(const Settings& settings, const PullReport& report) {
  const bool checkpoint =
      std::any_of(report.files.begin(), report.files.end(), [](const ModelFile& f) { return f.name == "pipeline.json"; });
  if (!checkpoint) return;
  const std::string model = settings.weights.folder.empty() ? report.name : settings.weights.folder.string();
  std::printf("  use it with: espalier generate IMAGE -o OUT.glb --model %s\n", model.c_str());
}

void check_usage(const Settings& s) {
  if (s.model_names.empty() && s.from_bundle.empty())
    throw UsageError("no model is named; espalier models lists those that are known");
  if (!s.from_bundle.empty() && (!s.model_names.empty() || !s.bundle.empty()))
    throw UsageError("--from-bundle takes over what the file holds; leave names and --bundle out");
  if (!s.weights.folder.empty() && s.model_names.size() > 1)
    throw UsageError("--to takes one model at a time, because each has a pipeline.json of its own");
}

Json state_json(const ModelState& state) {
  return {{"name", state.name},
          {"summary", state.summary},
          {"licence", state.licence},
          {"repository", state.repository},
          {"revision", state.revision},
          {"bytes", state.bytes},
          {"missing_bytes", state.missing_bytes},
          {"missing_files", state.missing_files},
          {"folder", state.folder.string()},
          {"files", files_json(state.files)}};
}

std::string here_text(const ModelState& state) {
  const auto files = static_cast<int>(state.files.size());
  if (state.missing_files == 0) return "yes";
  if (state.missing_files == files) return "no";
  return std::to_string(files - state.missing_files) + " of " + std::to_string(files) + " files, " +
         decimal_bytes(state.missing_bytes) + " missing";
}

void print_states(const std::vector<ModelState>& states) {
  Table table({"model", "for", "size", "here", "where, or how to get it", "licence"}, {1, 3, 4, 5});
  for (const ModelState& state : states) {
    const std::string where =
        state.missing_files == 0 ? state.folder.string() : std::string("espalier pull ").append(state.name);
    table.add({state.name, state.summary, decimal_bytes(state.bytes), here_text(state), where, state.licence});
  }
  std::printf("%s", table.text().c_str());
}

void print_files(const ModelState& state) {
  std::printf("%s: %s, %s\n", state.name.c_str(), state.summary.c_str(), state.licence.c_str());
  if (!state.repository.empty()) std::printf("%s at %s\n", state.repository.c_str(), state.revision.c_str());
  Table table({"file", "of", "size", "where"}, {1, 3});
  for (const ModelFile& f : state.files) {
    table.add(
        {f.name, f.repository, f.bytes == 0 ? "-" : decimal_bytes(f.bytes), f.path.empty() ? "missing" : f.path.string()});
  }
  std::printf("%s", table.text().c_str());
}

}  // namespace

int pull(const Settings& settings) {
  check_usage(settings);
  Interrupt interrupt;
  PullPrinter printer(settings.quiet);
  const PullObserver observer{.progress = [&](const PullProgress& p) { printer.show(p); },
                              .cancelled = [&] { return interrupt.requested(); },
                              .message = [&](const std::string& text) { printer.message(text); }};
  Json json = Json::array();
  const auto report = [&](const PullReport& done, const char* verb, bool use) {
    printer.clear();
    json.push_back(report_json(done));
    if (settings.json || settings.quiet) return;
    print_pull(done, verb);
    if (use) print_use(settings, done);
  };
  if (!settings.from_bundle.empty()) {
    report(import_bundle(settings.from_bundle, settings.weights, observer), "took over", true);
  }
  std::vector<std::string> failures;
  for (const std::string& name : settings.model_names) {
    try {
      report(pull_model(name, settings.weights, observer), "fetched", true);
    } catch (const Error& error) {
      if (settings.model_names.size() == 1 || error.code() == ErrorCode::cancelled) throw;
      printer.message(failures.emplace_back(name + ": " + error.what()));
      json.push_back({{"name", name}, {"error", error.what()}});
    }
  }
  if (!settings.bundle.empty() && failures.empty()) {
    const PullReport written = write_bundle(settings.model_names, settings.bundle, settings.weights, observer);
    printer.clear();
    if (!settings.json && !settings.quiet) {
      std::printf("%s: %s%s; on the other machine: espalier pull --from-bundle %s\n", settings.bundle.c_str(),
                  files_text(written.files.size()).c_str(), decimal_bytes(written.bytes).c_str(),
                  settings.bundle.filename().c_str());
    }
  }
  if (settings.json) print(json);
  if (failures.empty()) return 0;
  std::fflush(stdout);
  printer.message(std::to_string(failures.size()) + " of " + std::to_string(settings.model_names.size()) + " models failed:");
  for (const std::string& failure : failures) printer.message("failed: " + failure);
  return 1;
}

int models(const Settings& settings) {
  std::vector<ModelState> states = list_models(settings.weights);
  if (!settings.model_names.empty()) {
    for (const std::string& name : settings.model_names) {
      if (std::none_of(states.begin(), states.end(), [&](const ModelState& s) { return s.name == name; }))
        throw UsageError("\"" + name + "\" is not a model of the list that espalier models prints");
    }
    std::erase_if(states, [&](const ModelState& s) {
      return std::find(settings.model_names.begin(), settings.model_names.end(), s.name) == settings.model_names.end();
    });
  }
  if (settings.json) {
    Json json = Json::array();
    for (const ModelState& state : states) json.push_back(state_json(state));
    print(json);
  } else if (settings.model_names.empty()) {
    print_states(states);
  } else {
    std::for_each(states.begin(), states.end(), print_files);
  }
  return 0;
}

}  // namespace espalier::cli
