// What the files of the option table share: short names for groups and uses, and fields that no template knows.
#pragma once

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "api/option_fields.h"

namespace espalier::rows {

inline constexpr OptionGroup files = OptionGroup::files, finishing = OptionGroup::finishing, views = OptionGroup::views,
                             sampling = OptionGroup::sampling, machine = OptionGroup::machine, weights = OptionGroup::weights,
                             server = OptionGroup::server, reports = OptionGroup::reports;
inline constexpr unsigned generate = use_generate, vary = use_vary, edit = use_edit, preprocess = use_preprocess,
                          exporting = use_export, render = use_render, serve = use_serve, info = use_info, check = use_check,
                          batch = use_batch, turntables = use_turntables, plan = use_plan, mcp = use_mcp, worker = use_worker,
                          environment = use_environment;
inline constexpr unsigned sampled = generate | vary | edit;                      // commands that sample
inline constexpr unsigned made = sampled | exporting;                            // commands that make an asset's files
inline constexpr unsigned jobs = use_jobs | use_exports;                         // the same of the server
inline constexpr unsigned opening = made | serve | batch | plan | mcp | worker;  // commands that may open a checkpoint
// All commands that have options.
inline constexpr unsigned configured = made | batch | serve | preprocess | render | check | info | use_bench | use_doctor |
                                       use_pull | use_convert | use_models | plan | mcp | worker;
// Assets that are sampled together: working memory grows with them, and a batch of voxels has 64 elements at most.
inline constexpr double kMostInABatch = kMostTogether;
inline constexpr const char* of_the_preset = "the preset's";
inline constexpr const char* shipped_model = "the checkpoint that ships with the program";

// A text, or each of several, that `accepts` takes; `accept` says which in words.
inline OptionField matching(OptionField field, std::string accept, bool (*accepts)(const std::string&)) {
  field.accept = std::move(accept);
  field.set = [set = field.set, accepts](Options& options, const OptionValue& value) {
    const auto* const text = std::get_if<std::string>(&value);
    const auto* const texts = std::get_if<std::vector<std::string>>(&value);
    const bool good = text != nullptr ? accepts(*text) : texts != nullptr && std::all_of(texts->begin(), texts->end(), accepts);
    return good && set(options, value);
  };
  return field;
}

inline bool is_key(const std::string& text) {
  const bool visible = std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
  return visible && text.size() >= 8 && text.size() <= 200;
}
// The key in the first line of a file that is named.
template <class Part>
OptionField key_file(std::string Part::*member) {
  OptionField field = matching(of(member, "FILE"), "a file whose first line is 8 to 200 visible ASCII characters", is_key);
  field.parse = [](const std::string& name) -> std::optional<OptionValue> {
    constexpr std::streamsize kLongest = 4096;
    std::ifstream file(name, std::ios::binary);
    std::string content(kLongest, '\0');
    file.read(content.data(), kLongest);
    content.resize(static_cast<std::size_t>(std::max<std::streamsize>(file.gcount(), 0)));
    std::string line = content.substr(0, content.find('\n'));
    if (line.ends_with('\r')) line.pop_back();
    return line;
  };
  return field;
}

// Bytes; `unit`: of a number without suffix.
template <class Part>
OptionField bytes(std::uint64_t Part::*member, std::int64_t low, std::int64_t high, std::int64_t unit, const char* accept) {
  OptionField field = of(member, static_cast<double>(low), static_cast<double>(high), "SIZE");
  field.accept = accept;
  field.parse = [unit](const std::string& text) -> std::optional<OptionValue> { return parsed_bytes(text, unit); };
  field.print = [unit](const OptionValue& value) {
    return in_words(static_cast<double>(std::get<std::int64_t>(value)) / static_cast<double>(unit));
  };
  return field;
}
inline constexpr std::int64_t kMiB = std::int64_t{1} << 20U, kGiB = std::int64_t{1} << 30U, kTiB = std::int64_t{1} << 40U;

}  // namespace espalier::rows
