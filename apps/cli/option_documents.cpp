#include "option_documents.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "espalier/option_rules.h"
#include "option_json.h"
#include "options.h"

namespace espalier::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr unsigned kJsonUses = use_jobs | use_exports | use_turntables;

// Numbers without a fraction as whole ones: 1, not 1.0.
Json bound(double value) {
  const auto whole = static_cast<std::int64_t>(value);
  return static_cast<double>(whole) == value ? Json(whole) : Json(value);
}

// ---- Rules

// The keys of those options that a job has.
Json keys_of(const std::vector<std::string>& names) {
  Json keys = Json::array();
  for (const std::string& name : names) {
    for (const Option& row : option_table()) {
      if (row.name == name && row.is_for(use_jobs)) keys.push_back(row.json());
    }
  }
  return keys;
}

Json single_files_of(const std::vector<std::string>& formats) {
  Json names = Json::array();
  for (const ResultFormat& format : result_formats()) {
    const bool listed = std::find(formats.begin(), formats.end(), format.name) != formats.end();
    if (format.single_file && listed) names.push_back(format.name);
  }
  return names;
}

// As jobs have it; null for a rule about other options.
Json rule_json(const OptionRule& rule) {
  const Json option = keys_of({rule.option});
  if (option.empty()) return nullptr;
  Json json{{"option", option.front()}};
  if (!rule.value.empty()) json["value"] = rule.value;
  if (!rule.excludes.empty()) json["excludes"] = keys_of(rule.excludes);
  if (!rule.needs.empty()) json["needs"] = keys_of(rule.needs);
  if (!rule.formats.empty()) json["formats"] = single_files_of(rule.formats);
  const auto empty = [&](const char* key) { return !json.contains(key) || json[key].empty(); };
  return empty("excludes") && empty("needs") && empty("formats") ? Json() : json;
}

std::string listed(const std::vector<std::string>& names, const char* before) {
  std::ostringstream text;
  for (const std::string& name : names) text << (text.tellp() > 0 ? ", `" : "`") << before << name << '`';
  return text.str();
}

// " (not of `espalier render`)"
std::string exceptions_of(const OptionRule& rule) {
  std::string text;
  for (const Command& command : commands()) {
    if ((command.use & rule.not_for) != 0)
      text += std::string(text.empty() ? " (not of `" : ", `") + "espalier " + command.name + '`';
  }
  return text.empty() ? text : text + ")";
}

void add_rules(std::ostringstream& out) {
  out << "\n## What options require of each other\nThe command, the server and the studio follow this table "
         "(src/api/option_rules.cpp) and refuse what would have no effect. A flag or a key that is given replaces a default "
         "from "
         "a variable, the configuration file or an earlier job where the two contradict each other.\n\n"
         "| option | cannot be given with | has no effect without |\n|---|---|---|\n";
  for (const OptionRule& rule : option_rules()) {
    out << "| `" << rule.option << (rule.value.empty() ? "" : " = ") << rule.value << '`' << exceptions_of(rule) << " | "
        << listed(rule.excludes, "") << " | " << listed(rule.needs, "");
    if (!rule.formats.empty()) out << (rule.needs.empty() ? "" : ", or ") << "a file of " << listed(rule.formats, ".");
    out << " |\n";
  }
}

// ---- docs/options.md

void add_row(std::ostringstream& out, const Option& row) {
  std::string flags = row.extras.only_variable ? "" : "`" + row.flags() + "`";
  for (std::size_t at = 0; (at = flags.find(',', at)) != std::string::npos; at += 4) flags.replace(at, 1, "`, `");
  const std::string variable = row.variable().empty() ? "" : "`" + row.variable() + "`";
  std::string value = row.field.meta.empty() || row.extras.only_variable || row.extras.positional ? "" : " " + row.field.meta;
  for (std::size_t at = 0; (at = value.find('|', at)) != std::string::npos; at += 2) value.insert(at, 1, '\\');
  out << "| " << flags << value << " | " << variable << " | " << row.description() << " |\n";
}

void add_json_rows(std::ostringstream& out, const char* title, OptionUse use) {
  out << "\n### " << title << "\n\n| key | meaning |\n|---|---|\n";
  for (const Option& row : option_table()) {
    if (!row.is_for(use)) continue;
    std::string text = row.help + " Accepts " + row.json_accept() + ".";
    const Json fallback = json_of<Json>(row.field.get(Options()));
    if (row.extras.nullable) {
      text += " Default: drawn.";
    } else if (!fallback.is_null() && fallback != "") {
      text += " Default: " + fallback.dump() + ".";
    } else if (!row.extras.fallback.empty()) {
      text += " Default: " + row.extras.fallback + ".";
    }
    out << "| `" << row.json() << "` | " << text << " |\n";
  }
}

std::string markdown() {
  std::ostringstream out;
  out << "# Options\n\n"
         "Made by scripts/options from the tables in src/api/option_rows*.cpp; a test compares the two.\n"
         "A flag takes precedence over its environment variable, and the variable over the configuration file.\n\n"
         "The configuration file is `espalier/config.toml` in `$XDG_CONFIG_HOME` or `~/.config`, or the one that `--config` or "
         "`ESPALIER_CONFIG` names. Keys are options without their dashes; those at the top hold for every command that has "
         "them, those "
         "in a table for one command:\n\n"
         "    model = \"trellis-image-large\"\n    vram-limit = \"8g\"\n\n    [generate]\n    texture-size = 2048\n"
         "    no-clean = false\n\n"
         "Exit codes: 0 done; 1 an error, in one line on standard error (with several inputs at least one failed: the others "
         "are done, "
         "and the failures are listed at the end); 2 wrong usage; 130 stopped by Ctrl-C or SIGTERM; 141 the reader of standard "
         "output "
         "went away.\n";
  for (const Command& command : commands()) {
    out << "\n## espalier " << command.name << "\n" << command.summary << ".\n";
    std::vector<std::string_view> groups;  // as they come first
    for (const Option& row : option_table()) {
      const std::string_view group = title_of(row.group);
      if (row.is_for(command.use) && std::find(groups.begin(), groups.end(), group) == groups.end()) groups.push_back(group);
    }
    for (const std::string_view group : groups) {
      out << "\n### " << group << "\n\n| option | environment | meaning |\n|---|---|---|\n";
      for (const Option& row : option_table()) {
        if (row.is_for(command.use) && title_of(row.group) == group) add_row(out, row);
      }
    }
  }
  out << "\n## Options of jobs\nWhat `POST /v1/jobs` and its relatives take as JSON ([server.md](server.md)); a dot stands "
         "between nested objects.\n";
  add_json_rows(out, "A new job", use_jobs);
  add_json_rows(out, "An export", use_exports);
  add_json_rows(out, "A turntable, as an export", use_turntables);
  add_rules(out);
  return out.str();
}

// ---- Schemas

std::string unit_of(const Option& row) { return row.extras.unit.empty() ? "" : " In " + row.extras.unit + "."; }

Json schema_of(const Option& row) {
  const OptionField& field = row.field;
  const auto type = [&](const char* name) { return field.unset || row.extras.nullable ? Json{name, "null"} : Json(name); };
  Json schema;
  const Json words{{"type", "string"}, {"enum", field.choices}};
  switch (field.type) {
    case OptionType::flag: schema = {{"type", type("boolean")}}; break;
    case OptionType::whole:
    case OptionType::number:
      schema = {{"type", type(field.type == OptionType::whole ? "integer" : "number")},
                {"minimum", bound(field.low)},
                {"maximum", bound(field.high)}};
      break;
    case OptionType::numbers:
      schema = {{"type", type("array")},
                {"items", {{"type", "number"}, {"minimum", bound(field.low)}, {"maximum", bound(field.high)}}},
                {"minItems", field.most},
                {"maxItems", field.most}};
      break;
    case OptionType::choice:
      schema = words;
      if (field.unset) {
        schema["type"] = type("string");
        schema["enum"].push_back(nullptr);
      }
      break;
    case OptionType::choices: {
      Json list{{"type", "array"}, {"items", words}, {"minItems", 1}};
      if (field.one_for_all) {
        schema["$ref"] = "#/components/schemas/Backgrounds";  // a name: generators of clients have none for what is nameless
      } else {
        schema = list;
        schema["uniqueItems"] = true;
      }
      break;
    }
    default: schema = {{"type", type("string")}};
  }
  schema["description"] = row.help + unit_of(row);
  return schema;
}

// One property a line.
void print_object(std::ostringstream& out, const std::string& name, const Json& properties, const std::string& about) {
  out << "   " << Json(name) << ": {\n    \"type\": \"object\",\n    \"additionalProperties\": false,\n    \"properties\": {";
  const char* separator = "\n";
  for (const auto& [key, value] : properties.items()) {
    out << separator << "     " << Json(key) << ": " << value.dump();
    separator = ",\n";
  }
  out << "\n    }" << (about.empty() ? "" : ",\n    \"description\": " + Json(about).dump()) << "\n   },\n";
}

// The properties of an object of options; what is nested is an object of its own, by the name that `nested` gives.
Json properties_of(OptionUse use, const std::string& prefix) {
  Json properties = Json::object();
  for (const Option& row : option_table()) {
    std::string key = row.json();
    if (!row.is_for(use) || !key.starts_with(prefix)) continue;
    key = key.substr(prefix.size());
    const auto dot = key.find('.');
    if (dot == std::string::npos) {
      properties[key] = schema_of(row);
      const Json fallback = json_of<Json>(row.field.get(Options()));
      if (use != use_exports && !row.extras.nullable && !fallback.is_null() && fallback != "")
        properties[key]["default"] = fallback;
    } else {
      properties[key.substr(0, dot)] = {{"$ref", "#/components/schemas/Sampler"}};
    }
  }
  return properties;
}

Json object_schema(Json properties) {
  return {{"type", "object"}, {"additionalProperties", false}, {"properties", std::move(properties)}};
}

std::string schemas() {
  std::ostringstream out;
  for (const Option& row : option_table()) {
    if (row.name != "background" || !row.is_for(use_jobs)) continue;
    const Json one{{"$ref", "#/components/schemas/Background"}};
    out << "   \"Background\": " << Json{{"type", "string"}, {"enum", row.field.choices}}.dump() << ",\n"
        << "   \"Backgrounds\": "
        << Json{{"oneOf", Json::array({one, Json{{"type", "array"}, {"items", one}, {"minItems", 1}}})}}.dump() << ",\n";
  }
  print_object(out, "Sampler", properties_of(use_jobs, "structure."), "A value that is absent or null is the preset's.");
  print_object(out, "GenerateOptions", properties_of(use_jobs, ""), "");
  print_object(out, "Turntable", properties_of(use_turntables, "turntable."), "");
  Json exports = properties_of(use_exports, "");
  exports["turntable"] = {{"oneOf", Json::array({{{"$ref", "#/components/schemas/Turntable"}}, {{"type", "null"}}})}};
  print_object(out, "ExportOptions", exports,
               "What is absent holds as it did for the job that is exported. With a turntable nothing else but a name may be "
               "given.");
  return out.str();
}

// ---- The page

std::string page() {
  std::ostringstream out;
  out << "// Made by scripts/options from the tables in src/api/option_rows*.cpp; a test compares the two.\n\n"
         "export const OPTIONS = {\n";
  for (const Option& row : option_table()) {
    if (!row.is_for(kJsonUses)) continue;
    Json entry = Json::object();
    const OptionType type = row.field.type;
    if (type == OptionType::whole || type == OptionType::number || type == OptionType::numbers) {
      entry["min"] = bound(row.field.low);
      entry["max"] = bound(row.field.high);
    }
    if (!row.field.choices.empty()) entry["choices"] = row.field.choices;
    const Json fallback = json_of<Json>(row.field.get(Options()));
    entry["fallback"] = row.extras.nullable ? Json(nullptr) : fallback;
    out << "  '" << row.json() << "': " << entry.dump() << ",\n";
  }
  out << "} as const;\n\n/** What options require of each other: src/api/option_rules.cpp. */\nexport const OPTION_RULES: "
         "readonly "
         "{option: string; value?: string; excludes?: string[]; needs?: string[]; formats?: string[]}[] = [\n";
  for (const OptionRule& rule : option_rules()) {
    if (const Json json = rule_json(rule); !json.is_null()) out << "  " << json.dump() << ",\n";
  }
  const auto numbers = [](const SamplerRequest& s) { return Json{{"steps", *s.steps}, {"guidance", bound(*s.guidance)}}; };
  const Json preset{{"structure", numbers(app_structure_settings())}, {"latent", numbers(app_latent_settings())}};
  out << "];\n\n/** The samplers of TRELLIS' public web app. */\nexport const APP_PRESET = " << preset.dump() << ";\n";
  return out.str();
}

// ---- The page of man

// Dots and quotes at the start of a line are requests; backslashes and hyphens have meanings of their own.
std::string troff(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else {
      out += c;
    }
  }
  if (!out.empty() && (out.front() == '.' || out.front() == '\'')) out.insert(0, "\\&");
  return out;
}

void add_man_row(std::ostringstream& out, const Option& row) {
  std::string flags = row.extras.positional ? "" : row.flags();
  if (const auto comma = flags.find(','); comma != std::string::npos) flags.replace(comma, 1, ", ");
  const std::string value = row.field.meta;
  out << ".TP\n";
  if (!flags.empty()) out << "\\fB" << troff(flags) << "\\fR" << (value.empty() ? "" : " ");
  out << (value.empty() ? "" : "\\fI" + troff(value) + "\\fR") << "\n" << troff(row.description());
  if (!row.variable().empty()) out << " Environment: \\fB" << troff(row.variable()) << "\\fR.";
  out << "\n";
}

std::string man() {
  std::ostringstream out;
  out << ".TH ESPALIER 1 \"\" \"Espalier " << version()
      << "\" \"User Commands\"\n"
         ".nh\n"
         ".SH NAME\nespalier \\- images or text in, 3D assets out\n"
         ".SH SYNOPSIS\n\\fBespalier\\fR \\fICOMMAND\\fR [\\fIOPTION\\fR]... [\\fIFILE\\fR]...\n"
         ".SH DESCRIPTION\nEspalier makes 3D assets (meshes with textures, and Gaussians) from images or a prompt, with "
         "TRELLIS models, "
         "on a GPU or a CPU.\n"
         ".SH COMMANDS\n";
  for (const Command& command : commands()) out << ".TP\n\\fB" << command.name << "\\fR\n" << troff(command.summary) << ".\n";
  out << ".SH OPTIONS\nA flag takes precedence over its environment variable, and the variable over the configuration file "
         "(TOML): "
         "espalier/config.toml in $XDG_CONFIG_HOME or ~/.config.\n";
  for (const Command& command : commands()) {
    out << ".SS espalier " << command.name << "\n";
    for (const Option& row : option_table()) {
      if (row.is_for(command.use) && !row.extras.only_variable) add_man_row(out, row);
    }
  }
  out << ".SH EXIT STATUS\n.TP\n0\nDone.\n.TP\n1\nAn error, in one line on standard error; with several inputs, at least one "
         "of them failed: the others are done, and "
         "the failures are listed at the end.\n.TP\n2\nWrong usage.\n"
         ".TP\n130\nStopped by Ctrl\\-C or SIGTERM.\n.TP\n141\nThe reader of standard output went away.\n"
         ".SH EXAMPLES\n.nf\nespalier generate chair.png \\-o chair.glb\n"
         "espalier generate *.png \\-\\-out\\-dir assets\n"
         "espalier generate \\- \\-o \\- < chair.png > chair.glb\n"
         "espalier serve\n.fi\n";
  return out.str();
}

}  // namespace

nlohmann::ordered_json option_schema(OptionUse use) {
  Json properties = properties_of(use, "");
  for (auto& [key, schema] : properties.items()) {
    if (schema.contains("$ref")) schema = object_schema(properties_of(use, key + "."));
  }
  return object_schema(std::move(properties));
}

std::vector<std::string> option_documents() { return {"markdown", "page", "schemas", "man"}; }

std::string option_document(const std::string& name) {
  if (name == "markdown") return markdown();
  if (name == "page") return page();
  if (name == "schemas") return schemas();
  if (name == "man") return man();
  throw UsageError("there is no document " + name);
}

}  // namespace espalier::cli
