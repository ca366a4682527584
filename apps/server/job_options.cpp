#include "job_options.h"

#include <algorithm>
#include <random>
#include <set>
#include <vector>

#include "base/json.h"
#include "espalier/option_rules.h"
#include "option_json.h"
#include "serve.h"

namespace espalier::server {
namespace {

[[noreturn]] void refuse(const std::string& key, const std::string& what,
                         const std::string& hint = "see /openapi.json for what every option accepts") {
  throw HttpError(400, "invalid_argument", "options: " + key + " " + what, hint);
}

const Option* find_option(OptionUse use, const std::string& key) {
  const auto& table = option_table();
  const auto found =
      std::find_if(table.begin(), table.end(), [&](const Option& row) { return row.is_for(use) && row.json() == key; });
  return found == table.end() ? nullptr : &*found;
}

bool has_members(OptionUse use, const std::string& key) {
  const auto& table = option_table();
  return std::any_of(table.begin(), table.end(),
                     [&](const Option& row) { return row.is_for(use) && row.json().starts_with(key + "."); });
}

// A name by its present spelling.
std::string present_name(const Option& row, const std::string& name, const std::string& key, Spelling spelling) {
  const auto renamed = renamed_value(row, name);
  if (!renamed) return name;
  if (spelling == Spelling::present) refuse(key, "must be " + row.json_accept(), name + " is called " + *renamed + " now");
  return *renamed;
}

OptionValue value_of(const Option& row, const Json& json, const std::string& key, Spelling spelling) {
  if (json.is_null()) return {};
  if (json.is_boolean()) return json.get<bool>();
  if (json.is_number_unsigned() && json.get<std::uint64_t>() > std::uint64_t{1} << 62U) return json.get<double>();
  if (json.is_number_integer()) return json.get<std::int64_t>();
  if (json.is_number()) return json.get<double>();
  if (json.is_string()) {
    const std::string word = present_name(row, json.get<std::string>(), key, spelling);
    return row.field.one_for_all ? OptionValue(std::vector{word}) : OptionValue(word);
  }
  if (!json.is_array()) refuse(key, "must be " + row.json_accept());
  if (row.field.type == OptionType::numbers) {
    std::vector<double> numbers;
    for (const Json& item : json) {
      if (!item.is_number()) refuse(key, "must be " + row.json_accept());
      numbers.push_back(item.get<double>());
    }
    return numbers;
  }
  std::vector<std::string> words;
  for (const Json& item : json) {
    if (!item.is_string()) refuse(key, "must be " + row.json_accept());
    words.push_back(present_name(row, item.get<std::string>(), key, spelling));
  }
  return words;
}

void read_object(const Json& object, OptionUse use, const std::string& prefix, Spelling spelling, Options& options) {
  if (!object.is_object()) refuse(prefix.empty() ? "the value" : prefix.substr(0, prefix.size() - 1), "must be a JSON object");
  for (const auto& [name, json] : object.items()) {
    const std::string key = prefix + name;
    const Option* const row = find_option(use, key);
    if (row == nullptr) {
      if (!has_members(use, key)) refuse(shortened(clean_name(key), 60), "is unknown");
      if (!json.is_null()) read_object(json, use, key + ".", spelling, options);
    } else if (row->field.unset || !json.is_null()) {
      if (!row->field.set(options, value_of(*row, json, key, spelling))) refuse(key, "must be " + row->json_accept());
      if (row->field.get(options) != row->field.get(Options())) options.asked.insert(row->name);
    }
  }
}

void write_options(const Options& options, OptionUse use, Json& json) {
  for (const Option& row : option_table()) {
    if (!row.is_for(use)) continue;
    Json* place = &json;
    std::string key = row.json();
    for (std::size_t dot = 0; (dot = key.find('.')) != std::string::npos; key = key.substr(dot + 1))
      place = &(*place)[key.substr(0, dot)];
    Json value = json_of<Json>(row.field.get(options));
    if (row.field.one_for_all && value.size() == 1) value = Json(value.front());
    (*place)[key] = std::move(value);
  }
}

Json parse_object(const std::string& text) {
  if (text.find_first_not_of(" \t\r\n") == std::string::npos) return Json::object();
  constexpr JsonLimits kLimits{.bytes = 65536, .values = 2000, .string = 65536, .depth = 16};
  std::string problem;
  Json value = read_json<Json>(text, kLimits, problem);
  if (!problem.empty()) {
    throw HttpError(400, "invalid_argument", "options: the text " + clean_name(problem),
                    "send one JSON object and nothing else");
  }
  return value;
}

// Refuses what contradicts itself or has no effect; what was stored was taken once.
void apply_rules(OptionUse use, Spelling spelling, Options& options) {
  if (spelling == Spelling::any) return;
  try {
    apply_option_rules(options, use, options.formats, true, OptionSpelling::json);
  } catch (const Error& error) {
    throw HttpError(400, "invalid_argument", "options: " + std::string(error.message()), std::string(error.hint()));
  }
}

void apply_preset(SamplerRequest& sampler, const SamplerRequest& preset) {
  if (!sampler.steps) sampler.steps = preset.steps;
  if (!sampler.guidance) sampler.guidance = preset.guidance;
}

}  // namespace

const ResultFormat* find_format(const std::string& name) {
  const auto formats = result_formats();
  const auto found = std::find_if(formats.begin(), formats.end(), [&](const ResultFormat& f) { return name == f.name; });
  return found == formats.end() ? nullptr : &*found;
}

bool same_mesh(const Options& a, const Options& b) {
  // Of the files only size and height matter, and only where something is measured on them.
  const bool measured = a.finish.min_wall_mm > 0 || a.finish.flat_base_mm > 0;
  if (measured && (a.save.height != b.save.height || (!a.save.height && a.save.size_mm != b.save.size_mm))) return false;
  Options written_alike = b;
  written_alike.save = a.save;
  const auto& table = option_table();
  return std::all_of(table.begin(), table.end(), [&](const Option& row) {
    return row.group != OptionGroup::finishing || row.field.get(a) == row.field.get(written_alike);
  });
}

std::optional<FinishRequest> finish_request_of(const Options& options) {
  const auto any = [&](auto test) {
    return std::any_of(options.formats.begin(), options.formats.end(),
                       [&](const std::string& name) { return test(*find_format(name)); });
  };
  if (options.raw_mesh || !any([](const ResultFormat& f) { return f.mesh; })) return std::nullopt;
  FinishRequest request = options.finish;
  request.size_mm = options.save.size_mm;
  request.height_mm = 1000.0 * options.save.height.value_or(0.0);
  request.texture = request.texture && any([](const ResultFormat& f) { return f.textured; });
  return request;
}

Options parse_generate_options(const std::string& text, Spelling spelling) {
  const Json object = parse_object(text);
  Options options;
  options.seed = std::random_device{}();
  read_object(object, use_jobs, "", spelling, options);
  apply_rules(use_jobs, spelling, options);
  options.name = clean_name(options.name);
  if (options.preset == SamplerPreset::app) {
    apply_preset(options.structure, app_structure_settings());
    apply_preset(options.latent, app_latent_settings());
  }
  return options;
}

ExportOptions parse_export_options(const std::string& text, const Options& of_parent, Spelling spelling) {
  Json object = parse_object(text);
  ExportOptions options{.values = of_parent};
  options.values.name.clear();
  options.values.webhook.clear();
  options.values.priority.clear();
  options.values.asked.clear();
  if (const auto turntable = object.find("turntable"); turntable != object.end()) {
    options.turntable = !turntable->is_null();
    if (options.turntable) read_object(*turntable, use_turntables, "turntable.", spelling, options.values);
    object.erase(turntable);
  }
  if (options.turntable) {
    for (const auto& [key, value] : object.items()) {
      if (key != "name" && key != "webhook" && key != "priority")
        refuse(shortened(clean_name(key), 60), "means nothing beside turntable", "leave it out");
    }
  }
  read_object(object, use_exports, "", spelling, options.values);
  if (!options.turntable) apply_rules(use_exports, spelling, options.values);
  options.values.name = clean_name(options.values.name);
  return options;
}

bool is_asset(const ExportOptions& options, const Options& of_parent) {
  return !options.turntable && !same_mesh(options.values, of_parent);
}

JobChange parse_job_change(const std::string& text) {
  JobChange change;
  const Json object = parse_object(text);
  for (const auto& [key, value] : object.items()) {
    if (key == "name" && value.is_string()) {
      change.name = clean_name(value.get<std::string>());
      if (change.name->empty()) refuse("name", "is empty", "give a name, or leave it out");
    } else if (key == "pinned" && value.is_boolean()) {
      change.pinned = value.get<bool>();
    } else if (key == "position" && value.is_number_unsigned()) {
      change.position = static_cast<std::int64_t>(std::min<std::uint64_t>(value.get<std::uint64_t>(), INT32_MAX));
    } else if (key == "before" && value.is_string() && JobStore::is_id(value.get<std::string>())) {
      change.before = value.get<std::string>();
    } else {
      refuse(shortened(clean_name(key), 60),
             "is not a name (a text), pinned (true or false), position (a whole number) or before (the id of a job)",
             "see /openapi.json");
    }
  }
  if (change.position && change.before) refuse("position", "and before were given", "give one of them");
  return change;
}

bool parse_queue_change(const std::string& text) {
  const Json object = parse_object(text);
  if (object.is_object() && object.size() == 1 && object.contains("paused") && object.at("paused").is_boolean())
    return object.at("paused").get<bool>();
  throw HttpError(400, "invalid_argument", "the body does not say whether the queue is paused",
                  "send {\"paused\": true} or {\"paused\": false}");
}

Background parse_background(const std::string& text) {
  const Option& row = *find_option(use_jobs, "background");
  Options options;
  if (!row.field.set(options, std::vector{text})) {
    std::string names;
    for (const std::string& choice : row.field.choices) names += (names.empty() ? "" : ", ") + choice;
    const auto renamed = renamed_value(row, text);
    throw HttpError(400, "invalid_argument", "background must be one of " + names,
                    renamed ? text + " is called " + *renamed + " now" : "leave it out for " + row.field.choices.front());
  }
  return options.background.front();
}

Json to_json(const Options& options, JobKind kind) {
  Json json = Json::object();
  write_options(options, use_jobs, json);
  if (kind != JobKind::edit) {
    for (const char* key : {"region", "rim", "resample", "appearance_only"}) json.erase(key);
  }
  if (kind != JobKind::variant) {
    for (const char* key : {"keep_mesh", "keep_uvs"}) json.erase(key);
  }
  return json;
}

std::string job_options_text(const Options& options) { return text_of(to_json(options, JobKind::image)); }

Options options_of_job(const std::string& json) {
  try {
    return parse_generate_options(json);
  } catch (const HttpError& error) {
    throw Error(ErrorCode::invalid_argument, error.what(), error.hint());
  }
}

Options options_of_export(const std::string& json) {
  try {
    const ExportOptions options = parse_export_options(json, Options());
    if (options.turntable) refuse("turntable", "is for jobs of a server", "leave it out");
    return options.values;
  } catch (const HttpError& error) {
    throw Error(ErrorCode::invalid_argument, error.what(), error.hint());
  }
}

Json to_json(const ExportOptions& options) {
  Json json{{"name", options.values.name}};
  if (!options.values.webhook.empty()) json["webhook"] = options.values.webhook;
  if (!options.values.priority.empty()) json["priority"] = options.values.priority;
  write_options(options.values, options.turntable ? use_turntables : use_exports, json);
  return json;
}

Json to_json(const Options& options, OptionUse use, const std::vector<std::string>& names) {
  Json json = Json::object();
  for (const std::string& name : names) {
    const Option* const row = find_option(use, name);
    if (row != nullptr) json[name] = json_of<Json>(row->field.get(options));
  }
  return json;
}

void read_options(const Json& json, OptionUse use, Options& options) { read_object(json, use, "", Spelling::any, options); }

namespace {

// Of well-formed UTF-8: without control characters, and without those that turn text around or are not seen, with which a
// name can look like another.
std::string without_controls(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const std::size_t size = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    std::uint32_t code = size == 1 ? lead : lead & (0xFFU >> (size + 1));
    for (std::size_t k = 1; k < size && i + k < text.size(); ++k)
      code = code << 6U | (static_cast<unsigned char>(text[i + k]) & 0x3FU);
    const bool control = code < 0x20 || (code >= 0x7F && code < 0xA0);
    const bool hidden = code == 0xAD || code == 0x61C || (code >= 0x200B && code <= 0x200F) ||
                        (code >= 0x2028 && code <= 0x202E) || (code >= 0x2060 && code <= 0x206F) || code == 0xFEFF ||
                        (code >= 0xFFF9 && code <= 0xFFFB) || (code >= 0xE0000 && code <= 0xE007F);
    if (!control && !hidden) out += text.substr(i, size);
    i += size;
  }
  return out;
}

}  // namespace

std::string clean_name(const std::string& text) {
  constexpr std::size_t kLongest = 200;
  std::string valid = Json::parse(text_of(Json(text))).get<std::string>();  // bytes that are no UTF-8 become U+FFFD
  valid = without_controls(valid);
  if (valid.size() > kLongest) {
    std::size_t end = kLongest;
    while (end > 0 && (static_cast<unsigned char>(valid[end]) & 0xC0U) == 0x80U) --end;
    valid.resize(end);
  }
  return valid;
}

}  // namespace espalier::server
