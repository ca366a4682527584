// The option table as programs see it; its rows are in option_rows.cpp.
#include "espalier/options.h"

#include <unistd.h>

#include <cctype>
#include <cmath>
#include <cstdlib>

#include "api/option_checks.h"
#include "api/option_fields.h"
#include "api/option_rows.h"

namespace espalier {
namespace {

// What names of choices were before, and are now.
struct Renamed {
  std::string_view old, now;
};
constexpr std::array kRenamed{Renamed{"automatic", "auto"}, Renamed{"gaussian", "gaussians"},
                              Renamed{"radiance_field", "radiance-field"}, Renamed{"uv_checker", "uv-checker"}};

const Options& initial() {
  static const Options options;
  return options;
}

bool initially_on(const Option& option) {
  if (option.field.type != OptionType::flag) return false;
  return std::get<bool>(option.field.get(initial()));
}

std::string long_name(const Option& option) { return (initially_on(option) ? "no-" : "") + option.name; }

std::string capitals(std::string text) {
  for (char& c : text) c = c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

std::string variable_named(const std::string& flag) { return "ESPALIER_" + capitals(flag); }

struct InWords {
  std::string operator()(std::monostate) const { return ""; }
  std::string operator()(bool value) const { return value ? "true" : "false"; }
  std::string operator()(const std::string& value) const { return value; }
  std::string operator()(const std::vector<std::string>& values) const { return joined(values); }
  std::string operator()(const std::vector<double>& values) const {
    std::vector<std::string> texts;
    for (const double value : values) texts.push_back(in_words(value));
    return joined(texts);
  }
  template <class Number>
  std::string operator()(Number value) const {
    return in_words(value);
  }
};

std::string printed(const Option& option, const OptionValue& value) {
  return option.field.print ? option.field.print(value) : std::visit(InWords(), value);
}

[[noreturn]] void refuse(const Option& option, const std::string& text) {
  if (text.empty() && option.field.accept.empty()) fail(ErrorCode::invalid_argument, "the name is empty");
  const std::string& accept = option.field.accept;
  if (option.extras.secret) fail(ErrorCode::invalid_argument, "the value is not ", accept);
  fail(ErrorCode::invalid_argument, "\"", text, "\" is not ", accept.empty() ? "a name" : accept);
}

void append(OptionValue& all, const OptionValue& more) {
  const auto join = [&](auto& list) {
    const auto& added = std::get<std::remove_reference_t<decltype(list)>>(more);
    list.insert(list.end(), added.begin(), added.end());
  };
  if (auto* const numbers = std::get_if<std::vector<double>>(&all)) return join(*numbers);
  join(std::get<std::vector<std::string>>(all));
}

void use_new_name(const Option& option, std::string& word, std::vector<std::string>& notices) {
  const auto now = renamed_value(option, word);
  if (!now) return;
  notices.push_back(str("--", option.name, ": ", word, " is called ", *now, " now"));
  word = *now;
}

}  // namespace

std::optional<std::vector<double>> parsed_numbers(const std::string& text, std::size_t count) {
  std::vector<double> numbers;
  for (const std::string& part : split_at_commas(text)) {
    const auto number = parsed_number<double>(part);
    if (!number) return std::nullopt;
    numbers.push_back(*number);
  }
  return numbers.size() == count ? std::optional(numbers) : std::nullopt;
}

std::optional<std::int64_t> parsed_bytes(const std::string& text, std::int64_t unit) {
  std::string digits = capitals(text);
  if (digits.ends_with("IB")) {
    digits.resize(digits.size() - 2);
  } else if (digits.ends_with("B")) {
    digits.resize(digits.size() - 1);
  }
  constexpr std::string_view kSuffixes = "KMGT";
  double scale = static_cast<double>(unit);
  const auto suffix = digits.empty() ? std::string_view::npos : kSuffixes.find(digits.back());
  if (suffix != std::string_view::npos) {
    digits.pop_back();
    scale = std::exp2(10.0 * (static_cast<double>(suffix) + 1.0));
  } else if (digits.size() != text.size()) {
    scale = 1.0;
  }
  const auto number = parsed_number<double>(digits);
  constexpr double kMost = 4611686018427387904.0;  // 2^62
  if (!number || !(*number >= 0.0 && *number * scale <= kMost)) return std::nullopt;
  return static_cast<std::int64_t>(*number * scale);
}

std::optional<double> parsed_length(const std::string& text) {
  std::string digits = text;
  double unit = 1.0;
  if (text.ends_with("mm") || text.ends_with("cm")) {
    digits.resize(digits.size() - 2);
    unit = text.ends_with("cm") ? 10.0 : 1.0;
  } else if (text.ends_with("m")) {
    digits.resize(digits.size() - 1);
    unit = 1000.0;
  }
  const auto number = parsed_number<double>(digits);
  return number ? std::optional(unit * *number) : std::nullopt;
}

std::optional<std::vector<double>> parsed_colour(const std::string& text) {
  if (text == "transparent") return std::vector<double>();
  const std::string digits = text == "black" ? "#000000" : text == "white" ? "#ffffff" : text;
  if (digits.size() != 7 || digits.front() != '#') return std::nullopt;
  unsigned rgb = 0;
  const char* const end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data() + 1, end, rgb, 16);
  if (error != std::errc() || stop != end) return std::nullopt;
  const auto part = [&](unsigned shift) { return (rgb >> shift & 0xFFU) / 255.0; };
  return std::vector{part(16), part(8), part(0)};
}

std::vector<std::string> split_at_commas(const std::string& text) {
  std::vector<std::string> words;
  for (std::size_t start = 0; start <= text.size();) {
    const std::size_t comma = std::min(text.find(',', start), text.size());
    words.push_back(text.substr(start, comma - start));
    start = comma + 1;
  }
  return words;
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

std::string_view title_of(OptionGroup group) {
  constexpr std::array kTitles{"Files",   "Mesh and texture", "Views",  "Sampling", "Checkpoint and machine",
                               "Weights", "Server",           "Reports"};
  return kTitles.at(static_cast<std::size_t>(group));
}

std::string Option::flags() const {
  if (extras.positional) return field.meta;
  const std::string flag = "--" + long_name(*this);
  return extras.letter.empty() ? flag : "-" + extras.letter + "," + flag;
}

std::string Option::json() const {
  if (!extras.json.empty()) return extras.json;
  std::string key = name;
  std::replace(key.begin(), key.end(), '-', '_');
  return key;
}

std::string Option::variable() const {
  if (!is_for(use_environment)) return "";
  return extras.variable.empty() ? variable_named(long_name(*this)) : extras.variable;
}

std::string Option::fallback() const {
  if (!extras.fallback.empty()) return extras.fallback;
  return field.type == OptionType::flag ? "" : printed(*this, field.get(initial()));
}

std::string Option::description() const {
  std::string text = help;
  if (initially_on(*this)) text = extras.without;
  if (!field.accept.empty()) text += " Accepts " + field.accept + ".";
  if (const std::string words = fallback(); !words.empty()) text += " Default: " + words + ".";
  return text;
}

std::string Option::json_accept() const {
  const std::string range = in_words(field.low) + " to " + in_words(field.high);
  switch (field.type) {
    case OptionType::flag: return "true or false";
    case OptionType::whole: return "a whole number from " + range;
    case OptionType::number: return "a number from " + range;
    case OptionType::numbers:
      return "a list of " + std::to_string(field.most) + " numbers from " + range + " in ascending order";
    case OptionType::choice: return "one of " + joined(field.choices);
    case OptionType::choices:
      if (field.one_for_all) return "one of " + joined(field.choices) + ", or a list with one for each image";
      return "a list of some of " + joined(field.choices) + ", each once";
    default: return "a text";
  }
}

void Option::set_text(Options& options, const std::optional<std::string>& text, std::vector<std::string>& notices) const {
  if (field.type == OptionType::flag) {
    field.set(options, !initially_on(*this));
    return;
  }
  const std::string given = text.value_or("");
  auto value = field.parse(given);
  if (!value) refuse(*this, given);
  if (auto* const word = std::get_if<std::string>(&*value)) use_new_name(*this, *word, notices);
  if (auto* const words = std::get_if<std::vector<std::string>>(&*value)) {
    for (std::string& word : *words) use_new_name(*this, word, notices);
  }
  if (field.repeats) {
    OptionValue all = field.get(options);
    append(all, *value);
    value = std::move(all);
  }
  if (!field.set(options, *value)) refuse(*this, given);
}

const std::vector<Option>& option_table() {
  static const std::vector<Option> table = [] {
    std::vector<Option> all;
    for (const auto& part : {file_rows(), foreground_rows(), finishing_rows(), view_rows(), sampling_rows(), server_rows(),
                             machine_rows(), weights_rows(), batch_rows(), key_rows(), report_rows()}) {
      all.insert(all.end(), part.begin(), part.end());
    }
    // A batch is many jobs of images, here or on a server.
    for (Option& row : all) {
      const bool of_inputs =
          row.name == "prompt" || row.name == "negative-prompt" || row.name == "views";  // its list says them
      if (row.is_for(use_generate) && row.is_for(use_jobs) && !of_inputs) row.uses |= use_batch;
    }
    return all;
  }();
  return table;
}

std::optional<std::string> renamed_value(const Option& option, std::string_view value) {
  const auto* const found = std::find_if(kRenamed.begin(), kRenamed.end(), [&](const Renamed& r) { return r.old == value; });
  const auto& choices = option.field.choices;
  if (found == kRenamed.end() || std::find(choices.begin(), choices.end(), found->now) == choices.end()) return std::nullopt;
  return std::string(found->now);
}

std::string environment_value(const std::string& variable) {
  const char* const value = std::getenv(variable.c_str());
  return value == nullptr ? "" : value;
}

std::map<std::string, std::string> environment_variables() {
  std::map<std::string, std::string> variables;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string text = *entry;
    if (const auto equals = text.find('='); equals != std::string::npos)
      variables.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return variables;
}

std::string variable_in_use(const Option& option) {
  const std::string present = option.variable();
  if (present.empty() || !environment_value(present).empty()) return present;
  for (const std::string& old : option.extras.old) {
    if (const std::string variable = variable_named(old); !environment_value(variable).empty()) return variable;
  }
  return present;
}

std::string_view name_of(Precision value) { return enumerator_name(value); }
std::string_view name_of(MemoryTier value) { return enumerator_name(value); }
std::string_view name_of(Background value) { return enumerator_name(value); }
std::string_view name_of(MultiImageMode value) { return enumerator_name(value); }
std::string_view name_of(SamplerPreset value) { return enumerator_name(value); }
std::string_view name_of(BakeMode value) { return enumerator_name(value); }

SurfaceRule surface_of(const Options& options) {
  if (options.surface == SurfaceChoice::automatic) return options.raw_mesh ? SurfaceRule::reference : SurfaceRule::solid;
  return options.surface == SurfaceChoice::solid ? SurfaceRule::solid : SurfaceRule::reference;
}
std::string_view name_of(TextureFormat value) { return enumerator_name(value); }
std::string_view name_of(MeshCompression value) { return enumerator_name(value); }
std::string_view name_of(Origin value) { return enumerator_name(value); }
std::string_view name_of(UpAxis value) { return enumerator_name(value); }
std::string_view name_of(RenderStyle value) { return enumerator_name(value); }
std::string_view name_of(VideoFormat value) { return enumerator_name(value); }

std::span<const ResultFormat> result_formats() {
  static constexpr std::array kFormats{ResultFormat{"splats.glb", "model/gltf-binary", false, false, true, false},
                                       ResultFormat{"glb", "model/gltf-binary", true, true, true, false},
                                       ResultFormat{"gltf", "model/gltf+json", true, true, false, false},
                                       ResultFormat{"gltf.zip", "application/zip", true, true, true, false},
                                       ResultFormat{"obj.zip", "application/zip", true, true, true, true},
                                       ResultFormat{"obj", "model/obj", true, true, false, true},
                                       ResultFormat{"stl", "model/stl", true, false, true, true},
                                       ResultFormat{"3mf", "model/3mf", true, true, true, false},
                                       ResultFormat{"usdz", "model/vnd.usdz+zip", true, true, true, false},
                                       ResultFormat{"fbx", "application/octet-stream", true, true, true, false},
                                       ResultFormat{"mesh.ply", "application/octet-stream", true, false, true, true},
                                       ResultFormat{"compressed.ply", "application/octet-stream", false, false, true, true},
                                       ResultFormat{"ply", "application/octet-stream", false, false, true, true},
                                       ResultFormat{"spz", "application/octet-stream", false, false, true, false},
                                       ResultFormat{"splat", "application/octet-stream", false, false, true, true}};
  return kFormats;
}

// ---- Checks of requests

namespace {

// Holds the values of a group of rows to what the table accepts.
void check_group(OptionGroup group, const Options& options) {
  Options copy;
  for (const Option& row : option_table()) {
    if (row.group != group || row.field.type == OptionType::flag) continue;
    const OptionValue value = row.field.get(options);
    if (!row.field.set(copy, value)) {
      fail(ErrorCode::invalid_argument, row.name, " is ", printed(row, value), hint("it must be ", row.field.accept));
    }
  }
}

}  // namespace

void check_finish_request(const FinishRequest& request) {
  Options options;
  options.finish = request;
  check_group(OptionGroup::finishing, options);
  if (!request.watertight && (request.min_wall_mm > 0.0 || request.flat_base_mm > 0.0)) {
    fail(ErrorCode::invalid_argument, request.min_wall_mm > 0.0 ? "min-wall" : "flat-base", " is given without watertight",
         hint("ask for both"));
  }
  if (!(request.size_mm > 0.0) || !(request.height_mm >= 0.0)) {
    fail(ErrorCode::invalid_argument, "the object is ", request.size_mm > 0.0 ? request.height_mm : request.size_mm, " mm ",
         request.size_mm > 0.0 ? "high" : "large", hint("it must be above 0"));
  }
}

void check_edit_request(const EditRequest& request) {
  Options options;
  options.edit = request;
  check_group(OptionGroup::sampling, options);
}

void check_sampling(const Request& request) {
  Options options;
  options.structure = request.structure;
  options.latent = request.latent;
  options.multi_image = request.multi_image;
  options.preset = request.preset;
  check_group(OptionGroup::sampling, options);
}

void check_views(const ViewRequest& look, std::span<const Viewpoint> from) {
  if (from.empty()) fail(ErrorCode::invalid_argument, "there is no view to draw", hint("name where the camera stands"));
  Options options;
  options.look = look;
  options.render_size = look.size;
  options.views.assign(from.begin(), from.end());
  check_group(OptionGroup::views, options);
}

void check_turntable(const TurntableRequest& request) {
  Options options;
  options.look = request.look;
  options.render_size = request.look.size;
  options.views = {request.look.from};
  options.seconds = request.seconds;
  options.frames_per_second = request.frames_per_second;
  check_group(OptionGroup::views, options);
}

void check_sheet(const SheetRequest& request) {
  Options options;
  options.look = request.look;
  options.render_size = request.look.size;
  options.views = {request.look.from};
  options.sheet_views = request.views;
  check_group(OptionGroup::views, options);
}

void check_bench(const BenchOptions& request) {
  Options options;
  options.voxels = request.voxels;
  options.repetitions = request.repetitions;
  options.batches = request.batches;
  options.structure = request.structure;
  options.latent = request.latent;
  options.preset = request.preset;
  check_group(OptionGroup::reports, options);
  check_group(OptionGroup::sampling, options);
}

}  // namespace espalier
