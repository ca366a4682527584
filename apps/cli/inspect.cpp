// The commands that look instead of making: info, bench, doctor.
#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "commands.h"
#include "espalier/diagnostics.h"
#include "interrupt.h"
#include "paths.h"
#include "progress.h"
#include "text.h"

namespace espalier::cli {
namespace {

using Json = nlohmann::ordered_json;

void print(const Json& json) { std::printf("%s\n", json.dump(2, ' ', false, Json::error_handler_t::replace).c_str()); }

std::string dtypes_of(const ModuleInfo& module) {
  std::string text;
  for (const auto& [dtype, count] : module.tensors_by_dtype) {
    text += (text.empty() ? "" : ", ") + std::to_string(count) + " " + dtype;
  }
  return text;
}

void print_checkpoint(const CheckpointInfo& info) {
  std::printf("%s: %s\n\n", info.folder.c_str(), info.pipeline.c_str());
  Table table({"module", "network", "tensors", "dtypes", "parameters", "bytes", "file"}, {1, 3, 6});
  std::int64_t tensors = 0, parameters = 0, bytes = 0;
  for (const ModuleInfo& module : info.modules) {
    tensors += module.tensors;
    parameters += module.parameters;
    bytes += module.bytes;
    const auto relative = module.file.lexically_relative(info.folder);
    const bool inside = !relative.empty() && *relative.begin() != "..";
    table.add({module.role, module.name, thousands(module.tensors), dtypes_of(module), thousands(module.parameters),
               byte_count(static_cast<std::uint64_t>(module.bytes)), (inside ? relative : module.file).string()});
  }
  table.add({"all", "", thousands(tensors), "", thousands(parameters), byte_count(static_cast<std::uint64_t>(bytes)), ""});
  std::printf("%s", table.text().c_str());
}

Json checkpoint_json(const CheckpointInfo& info) {
  Json json{{"folder", info.folder.string()}, {"pipeline", info.pipeline}, {"modules", Json::array()}};
  for (const ModuleInfo& module : info.modules) {
    json["modules"].push_back({{"role", module.role},
                               {"name", module.name},
                               {"file", module.file.string()},
                               {"tensors", module.tensors},
                               {"parameters", module.parameters},
                               {"bytes", module.bytes},
                               {"tensors_by_dtype", module.tensors_by_dtype}});
  }
  return json;
}

// How many times as fast as the baseline; what a device does counts there, not what its host waits.
double speed(const BenchRow& row) { return row.device_ms > 0.0 ? row.baseline_ms / row.device_ms : 0.0; }

void print_rows(const std::vector<BenchRow>& rows) {
  Table table({"stage", "wall ms", "device ms", "PyTorch ms", "times as fast", "peak"});
  const auto or_dash = [](double value, int decimals) { return value > 0.0 ? fixed(value, decimals) : std::string("-"); };
  for (const BenchRow& row : rows) {
    table.add({row.stage, fixed(row.wall_ms, 2), or_dash(row.device_ms, 2), or_dash(row.baseline_ms, 2), or_dash(speed(row), 2),
               row.peak_bytes > 0 ? byte_count(row.peak_bytes) : "-"});
  }
  std::printf("%s\nPyTorch: device time of the public Python system on an H100 (docs/performance.md).\n", table.text().c_str());
}

Json rows_json(const std::vector<BenchRow>& rows, const Settings& settings) {
  Json json{{"version", version()},
            {"device", device_in_words(settings.device)},
            {"voxels", settings.voxels},
            {"rows", Json::array()}};
  for (const BenchRow& row : rows) {
    json["rows"].push_back({{"stage", row.stage},
                            {"wall_ms", row.wall_ms},
                            {"device_ms", row.device_ms},
                            {"baseline_ms", row.baseline_ms},
                            {"times_as_fast", speed(row)},
                            {"peak_bytes", row.peak_bytes}});
  }
  return json;
}

const char* verdict(const Check& check) { return check.skipped ? "skipped" : check.passed ? "ok" : "FAILED"; }

}  // namespace

int info(const Settings& settings) {
  const ModelLocation found = find_checkpoint(settings);
  const CheckpointInfo info =
      inspect_checkpoint(found.checkpoint, settings.image_encoder.empty() ? found.image_encoder : settings.image_encoder,
                         found.repositories, settings.text_encoder);
  if (settings.json) {
    print(checkpoint_json(info));
  } else {
    print_checkpoint(info);
  }
  return 0;
}

namespace {

void print_batches(const std::vector<BatchBenchRow>& rows) {
  Table table({"together", "wall ms", "assets/s", "sampling ms each", "device ms each", "peak memory"});
  for (const BatchBenchRow& row : rows) {
    table.add({std::to_string(row.assets), fixed(row.wall_ms, 1), fixed(1000.0 * row.assets / row.wall_ms, 2),
               fixed(row.sampling_ms / row.assets, 1), row.device_ms > 0 ? fixed(row.device_ms / row.assets, 1) : "",
               byte_count(row.peak_bytes)});
  }
  std::printf("%s", table.text().c_str());
}

Json json_of(const std::vector<BatchBenchRow>& rows, const Settings& settings) {
  Json json{{"version", version()},
            {"device", device_in_words(settings.device)},
            {"precision", name_of(settings.precision)},
            {"preset", name_of(settings.preset)},
            {"voxels", settings.voxels},
            {"batches", Json::array()}};
  for (const BatchBenchRow& row : rows) {
    json["batches"].push_back({{"assets", row.assets},
                               {"wall_ms", row.wall_ms},
                               {"device_ms", row.device_ms},
                               {"sampling_ms", row.sampling_ms},
                               {"peak_bytes", row.peak_bytes}});
  }
  return json;
}

}  // namespace

int bench(const Settings& settings) {
  Interrupt interrupt;
  ProgressPrinter printer(settings.quiet);
  const Observer observer{.progress = [&](const Progress& progress) { printer.show(progress); },
                          .cancelled = [&] { return interrupt.requested(); },
                          .message = [&](const std::string& text) { printer.message(text); }};
  const BenchOptions options{.device = settings.device,
                             .precision = settings.precision,
                             .voxels = settings.voxels,
                             .repetitions = settings.repetitions,
                             .quick = settings.quick,
                             .structure = settings.structure,
                             .latent = settings.latent,
                             .preset = settings.preset,
                             .batches = settings.batches};
  if (!settings.batches.empty()) {
    const std::vector<BatchBenchRow> rows = bench_batches(options, observer);
    printer.clear();
    settings.json ? print(json_of(rows, settings)) : print_batches(rows);
    return 0;
  }
  const std::vector<BenchRow> rows = espalier::bench(options, observer);
  printer.clear();
  if (settings.json) {
    print(rows_json(rows, settings));
  } else {
    print_rows(rows);
  }
  return 0;
}

int doctor(const Settings& settings) {
  Interrupt interrupt;
  const std::vector<Check> checks = espalier::doctor(settings.device);
  const auto failed = std::count_if(checks.begin(), checks.end(), [](const Check& c) { return !c.passed && !c.skipped; });
  if (settings.json) {
    Json json{{"version", version()}, {"passed", failed == 0}, {"checks", Json::array()}};
    for (const Check& check : checks) {
      json["checks"].push_back({{"name", check.name}, {"verdict", verdict(check)}, {"detail", check.detail}});
    }
    print(json);
  } else {
    Table table({"check", "verdict", "detail"}, {1, 2});
    for (const Check& check : checks) table.add({check.name, verdict(check), check.detail});
    std::printf("espalier %s\n\n%s", version().c_str(), table.text().c_str());
  }
  if (failed > 0) {
    throw Error(ErrorCode::device,
                std::to_string(failed) + " of " + std::to_string(checks.size()) + " checks failed on this machine",
                "results made on this device cannot be trusted, "
                "try --device cpu and report the lines above");
  }
  return 0;
}

}  // namespace espalier::cli
