// The files that generate and export write, and the reports that they print.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "espalier/checkpoint.h"
#include "espalier/espalier.h"
#include "interrupt.h"
#include "settings.h"

namespace espalier::cli {

struct WrittenFile {
  std::filesystem::path path;
  std::string content;
};

// What the report says of where the work was done; empty texts are left out.
struct Workplace {
  std::string device, precision, tier, checkpoint;
  bool untrained = false;
  CheckpointDescription model{};
};

// Throws UsageError unless `path` is empty or ends in `wanted`.
void check_extension(const char* option, const std::filesystem::path& path, const char* wanted);

// Throws UsageError unless `path` is empty or a file that a turntable can be written to.
void check_turntable(const char* option, const std::filesystem::path& path);
// Throws UsageError for an output that is named twice or is one of the inputs.
void check_distinct(const std::vector<std::filesystem::path>& outputs, const std::vector<std::filesystem::path>& inputs);

// Throws UsageError for outputs of unknown kind, named twice, or equal to one of the inputs, and when there is none.
void check_outputs(const Settings& settings, const std::vector<std::filesystem::path>& inputs);
[[nodiscard]] std::vector<std::filesystem::path> all_outputs(const Settings& settings);

// --decode, or what the outputs hold.
[[nodiscard]] Decoded decoded_of(const Settings& settings);
// How to finish the mesh; nothing with --raw-mesh or when no mesh is written.
[[nodiscard]] std::optional<FinishRequest> finish_of(const Settings& settings);

// The outputs (of -o) that hold a mesh.
[[nodiscard]] std::vector<std::filesystem::path> mesh_outputs(const Settings& settings);

// Writes everything that was asked for; stops between files, and between frames of a video, when `interrupt` says so.
std::vector<WrittenFile> save_all(const Asset& asset, const Settings& settings, Interrupt& interrupt, const Observer& observer);

// The formats that a command writes, for apply_option_rules(); nothing where an output is of none, which is refused later.
[[nodiscard]] std::optional<std::vector<std::string>> formats_written(const Settings& settings, OptionUse use);

// The name of the format that a file's name promises, as in result_formats(); empty for none.
[[nodiscard]] std::string format_name(const std::filesystem::path& path);

// A number of bytes, 0 for a file that is not there.
[[nodiscard]] std::uint64_t size_of(const std::filesystem::path& path);

// The report of --json, and how such reports are printed.
[[nodiscard]] nlohmann::ordered_json json_of_result(const Workplace& workplace, const Asset& asset, const StageReport& writing,
                                                    const std::vector<WrittenFile>& files);
void print_json(const nlohmann::ordered_json& report);

// The report of --json, or that for people unless --quiet. `writing`: what save_all cost.
void print_result(const Workplace& workplace, const Asset& asset, const StageReport& writing,
                  const std::vector<WrittenFile>& files, const Settings& settings);

}  // namespace espalier::cli
