#include "batch_ledger.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "outputs.h"
#include "paths.h"
#include "server/serve.h"
#include "text.h"

namespace espalier::cli {

namespace fs = std::filesystem;

namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// A member that is a text; empty when it is something else.
std::string text_of(const Json& object, const char* key) {
  return object.is_object() && object.contains(key) && object[key].is_string() ? object[key].get<std::string>() : "";
}
Json list_of(const Json& object, const char* key) {
  return object.is_object() && object.contains(key) && object[key].is_array() ? object[key] : Json::array();
}

Json hashes(const Json& inputs) {
  Json list = Json::array();
  for (const Json& input : inputs) list.push_back(text_of(input, "sha256"));
  return list;
}

}  // namespace

BatchLedger::BatchLedger(const Settings& settings, Interrupt& interrupt, ProgressPrinter& printer)
    : settings_(settings),
      interrupt_(interrupt),
      printer_(printer),
      items_(batch_items(settings.batch.list)),
      manifest_(settings.batch.out) {}

Settings BatchLedger::settings_of(const BatchItem& item) const {
  Settings one = settings_;
  one.images = item.images;
  one.views_of_one = item.images.size() > 1;
  one.name = item.name;
  if (item.seed) one.seed = *item.seed;
  one.outputs.clear();
  for (const std::string& format : settings_.formats) one.outputs.push_back(output(item, format));
  return one;
}

fs::path BatchLedger::output(const BatchItem& item, const std::string& format) const {
  return settings_.batch.out / (item.name + "." + format);
}

// Results are the same when this is, and the images are. Which model a server has is the server's business.
std::string BatchLedger::settings_hash(const std::string& options) const {
  return sha256_of_text(options + "\n" + (settings_.batch.server.empty() ? settings_.model.string() : ""));
}

std::vector<BatchTask> BatchLedger::tasks() {
  std::vector<BatchTask> tasks;
  for (const BatchItem& item : items_) {
    if (interrupt_.requested()) throw Error(ErrorCode::cancelled, "stopped on request");
    BatchTask task{
        .item = &item, .inputs = Json::array(), .options = server::job_options_text(settings_of(item)), .started = time_now()};
    try {
      for (const fs::path& image : item.images) {
        check_readable(image, "image");
        task.inputs.push_back({{"path", image.string()}, {"sha256", sha256_of_file(image)}});
      }
    } catch (const Error& error) {
      failed(task, {server::word_of(error.code()), std::string(error.message()), std::string(error.hint())});
      continue;
    }
    if (!ended_before(task)) tasks.push_back(std::move(task));
  }
  return tasks;
}

bool BatchLedger::ended_before(BatchTask& task) {
  const Json* const before = manifest_.last(task.item->name);
  const bool same = before != nullptr && text_of(*before, "settings") == settings_hash(task.options) &&
                    hashes(list_of(*before, "inputs")) == hashes(task.inputs);
  if (!same) return false;
  const std::string state = text_of(*before, "state");
  if (state == "done" && whole(*before)) {
    ++skipped_;
    ++ended_;
    return true;
  }
  if (state == "failed" && !settings_.batch.retry) {
    const Json error = before->contains("error") ? (*before)["error"] : Json();
    failed_.push_back(
        {task.item->name, {text_of(error, "code"), text_of(error, "message"), "an earlier run; --retry does it again"}});
    ++ended_;
    return true;
  }
  if (state == "submitted" && text_of(*before, "server") == settings_.batch.server) {
    task.job = text_of(*before, "job");
    task.started = text_of(*before, "started");
  }
  return false;
}

// Whether every file that the manifest names is there as it was written.
bool BatchLedger::whole(const Json& entry) const {
  const Json files = list_of(entry, "files");
  return !files.empty() && std::all_of(files.begin(), files.end(), [&](const Json& file) {
    const fs::path path = settings_.batch.out / fs::path(text_of(file, "name")).filename();
    std::error_code ignored;
    return fs::is_regular_file(path, ignored) && file.contains("bytes") && file["bytes"] == size_of(path) &&
           sha256_of_file(path) == text_of(file, "sha256");
  });
}

Json BatchLedger::line(const BatchTask& task, const char* state) const {
  return {{"name", task.item->name},
          {"state", state},
          {"inputs", task.inputs},
          {"settings", settings_hash(task.options)},
          {"options", Json::parse(task.options)},
          {"started", task.started}};
}

void BatchLedger::record(const Json& entry) {
  const Interrupt::Critical critical(interrupt_);
  manifest_.append(entry);
}

void BatchLedger::print_line(const BatchTask& task, const std::string& what) {
  ++ended_;
  printer_.clear();
  if (!settings_.quiet)
    std::fprintf(stderr, "[%zu/%zu] %s: %s\n", ended_, items_.size(), task.item->name.c_str(), one_line(what).c_str());
}

void BatchLedger::submitted(const BatchTask& task) {
  Json entry = line(task, "submitted");
  entry["server"] = settings_.batch.server;
  entry["job"] = task.job;
  record(entry);
}

void BatchLedger::failed(const BatchTask& task, const BatchFailure& why) {
  Json entry = line(task, "failed");
  entry["finished"] = time_now();
  entry["error"] = {{"code", why.code}, {"message", why.message}, {"hint", why.hint}};
  record(entry);
  failed_.push_back({task.item->name, why});
  print_line(task, "failed: " + why.message);
}

void BatchLedger::done(const BatchTask& task, const std::string& where, const Json& more) {
  Json entry = line(task, "done");
  entry["finished"] = time_now();
  entry["seconds"] = std::round(seconds_since(task.start) * 1000.0) / 1000.0;
  entry["where"] = where;
  entry["files"] = Json::array();
  for (const std::string& format : settings_.formats) {
    const fs::path path = output(*task.item, format);
    entry["files"].push_back({{"name", path.filename().string()}, {"bytes", size_of(path)}, {"sha256", sha256_of_file(path)}});
  }
  entry.update(more);
  record(entry);
  ++done_;
  print_line(task, "done in " + duration(seconds_since(task.start)));
}

int BatchLedger::report(double seconds) const {
  if (settings_.json) {
    Json failed = Json::array();
    for (const Failed& f : failed_)
      failed.push_back({{"name", f.name}, {"code", f.why.code}, {"message", f.why.message}, {"hint", f.why.hint}});
    const Json report{{"items", items_.size()}, {"done", done_},      {"skipped", skipped_},
                      {"failed", failed},       {"seconds", seconds}, {"manifest", manifest_.path().string()}};
    std::printf("%s\n", report.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
  } else if (!settings_.quiet) {
    std::printf("%zu of %zu made in %s, %zu were there already, %zu failed; %s\n", done_, items_.size(),
                duration(seconds).c_str(), skipped_, failed_.size(), manifest_.path().c_str());
  }
  for (const Failed& f : failed_) {
    std::fprintf(stderr, "espalier: %s: %s%s%s\n", f.name.c_str(), one_line(f.why.message).c_str(),
                 f.why.hint.empty() ? "" : "; ", one_line(f.why.hint).c_str());
  }
  return failed_.empty() ? 0 : 1;
}

}  // namespace espalier::cli
