#include "mcp_tools.h"

#include <algorithm>
#include <array>
#include <set>

#include "base/json.h"
#include "option_documents.h"
#include "outputs.h"

namespace espalier::cli {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kMostViews = 8, kMostOutputs = 8, kLongestPath = 4096;
// Of jobs, but said by arguments of the tools.
constexpr std::array kSaidElsewhere{"prompt", "views", "formats"};

[[noreturn]] void refuse(const std::string& key, const std::string& what, const std::string& hint) {
  throw Error(ErrorCode::invalid_argument, key + " " + what, hint);
}

// ---- What tools/list says

std::string endings_in_words() {
  std::string text;
  for (const ResultFormat& format : result_formats()) {
    if (format.single_file) text += (text.empty() ? "." : ", .") + std::string(format.name);
  }
  return text;
}

Json text_schema(const std::string& about) { return {{"type", "string"}, {"description", about}}; }
Json flag_schema(const std::string& about, bool fallback) {
  return {{"type", "boolean"}, {"description", about}, {"default", fallback}};
}
Json list_schema(const std::string& about, std::size_t least, std::size_t most) {
  return {{"type", "array"}, {"items", {{"type", "string"}}}, {"minItems", least}, {"maxItems", most}, {"description", about}};
}

Json options_schema(OptionUse use, const std::string& about) {
  Json schema = option_schema(use);
  for (const char* key : kSaidElsewhere) schema["properties"].erase(key);
  schema["description"] = about;
  return schema;
}

void add_outputs(Json& properties) {
  properties["output"] = text_schema(
      "File to write; its ending chooses the format: " + endings_in_words() +
      ". ply, compressed.ply, splats.glb, spz and splat hold Gaussians, the others the mesh. .glb is the usual one.");
  properties["other_outputs"] = list_schema("Further files to write, of other formats.", 1, kMostOutputs - 1);
  properties["overwrite"] = flag_schema("Replace files that exist.", false);
}

Json generate_schema() {
  Json properties;
  properties["image"] = text_schema("Image file of one object (PNG, JPEG, WebP, AVIF, HEIC, TIFF, BMP, GIF).");
  properties["views"] = list_schema("Instead of image: files that show the same object from several sides.", 2, kMostViews);
  properties["prompt"] = text_schema("Instead of images: what to make, in words, with a model that takes text.");
  add_outputs(properties);
  properties["save_asset"] =
      text_schema("Also save everything that was decoded into this .safetensors file, which the tool export takes.");
  properties["preview"] = flag_schema("Answer with an image of the asset too.", true);
  properties["options"] = options_schema(use_jobs, "How to make it; what is left out has sensible defaults.");
  return {{"type", "object"}, {"properties", properties}, {"required", {"output"}}, {"additionalProperties", false}};
}

Json export_schema() {
  Json properties;
  properties["asset"] =
      text_schema("The file that save_asset of the tool generate wrote; or a mesh or Gaussians, which are converted.");
  properties["job"] = text_schema("Instead of asset: the job of an asset on the server, as the tool generate answered it.");
  add_outputs(properties);
  properties["options"] = options_schema(use_exports, "What is left out is as it was made.");
  return {{"type", "object"}, {"properties", properties}, {"required", {"output"}}, {"additionalProperties", false}};
}

Json status_schema() {
  Json properties;
  properties["job"] = text_schema("A job of the server to report on.");
  return {{"type", "object"}, {"properties", properties}, {"additionalProperties", false}};
}

// ---- Arguments

class Arguments {
 public:
  Arguments(const Json& values, const fs::path& folder, const std::set<std::string>& known) : values_(values), folder_(folder) {
    for (const auto& [key, value] : values.items()) {
      if (known.contains(key)) continue;
      std::string names;
      for (const std::string& name : known) names += (names.empty() ? "" : ", ") + name;
      refuse(shortened(key, 60), "is not an argument of this tool", "there are " + names);
    }
  }

  [[nodiscard]] std::string text(const char* key) const {
    const auto at = values_.find(key);
    if (at == values_.end() || at->is_null()) return {};
    if (!at->is_string() || at->get_ref<const std::string&>().empty()) refuse(key, "must be a text", "or leave it out");
    return at->get<std::string>();
  }
  [[nodiscard]] bool flag(const char* key, bool fallback) const {
    const auto at = values_.find(key);
    if (at == values_.end() || at->is_null()) return fallback;
    if (!at->is_boolean()) refuse(key, "must be true or false", "or leave it out");
    return at->get<bool>();
  }
  [[nodiscard]] std::vector<std::string> texts(const char* key, std::size_t least, std::size_t most) const {
    const auto at = values_.find(key);
    if (at == values_.end() || at->is_null()) return {};
    const bool good = at->is_array() && at->size() >= least && at->size() <= most &&
                      std::all_of(at->begin(), at->end(), [](const Json& one) { return one.is_string(); });
    if (!good)
      refuse(key, "must be a list of " + std::to_string(least) + " to " + std::to_string(most) + " texts", "or leave it out");
    return at->get<std::vector<std::string>>();
  }
  [[nodiscard]] Json object(const char* key) const {
    const auto at = values_.find(key);
    if (at == values_.end() || at->is_null()) return Json::object();
    if (!at->is_object()) refuse(key, "must be an object", "or leave it out");
    for (const char* name : kSaidElsewhere) {
      if (at->contains(name)) refuse(std::string("options: ") + name, "is said by other arguments", "leave it out");
    }
    return *at;
  }
  [[nodiscard]] fs::path path(const char* key, const std::string& text) const {
    if (text.size() > kLongestPath || text.find('\0') != std::string::npos) refuse(key, "is not a path", "name a file");
    std::error_code error;
    fs::path place = fs::weakly_canonical(folder_ / text, error);  // an absolute path replaces the folder
    const fs::path inside = place.lexically_relative(folder_);
    if (error || inside.empty() || *inside.begin() == "..") {
      refuse(key, "is outside of " + folder_.string() + ": " + shortened(text, 200),
             "name a file in it, or start espalier mcp with another --folder");
    }
    return place;
  }
  [[nodiscard]] fs::path path(const char* key) const {
    const std::string value = text(key);
    return value.empty() ? fs::path() : path(key, value);
  }

 private:
  const Json& values_;
  const fs::path& folder_;
};

void check_new(const char* key, const fs::path& path, bool overwrite) {
  std::error_code ignored;
  if (!overwrite && fs::exists(fs::symlink_status(path, ignored)))
    refuse(key, "exists: " + path.string(), "choose another name, or set overwrite to true");
}

ToolOutputs outputs_of(const Arguments& arguments) {
  std::vector<std::string> names = arguments.texts("other_outputs", 1, kMostOutputs - 1);
  const std::string first = arguments.text("output");
  if (first.empty()) refuse("output", "is missing", "name the file to write, such as chair.glb");
  names.insert(names.begin(), first);
  ToolOutputs outputs;
  const bool overwrite = arguments.flag("overwrite", false);
  for (const std::string& name : names) {
    const fs::path path = arguments.path("output", name);
    const std::string format = format_name(path);
    const auto known = result_formats();
    const bool single =
        std::any_of(known.begin(), known.end(), [&](const ResultFormat& one) { return one.single_file && format == one.name; });
    if (!single)
      refuse("output", "has an ending that cannot be written: " + shortened(name), "there are " + endings_in_words());
    if (std::find(outputs.formats.begin(), outputs.formats.end(), format) != outputs.formats.end())
      refuse("other_outputs", "name the format " + format + " twice", "name one file of each format");
    check_new("output", path, overwrite);
    outputs.paths.push_back(path);
    outputs.formats.push_back(format);
  }
  return outputs;
}

}  // namespace

Json json_of(const ToolOutputs& outputs) {
  Json files = Json::array();
  for (std::size_t i = 0; i < outputs.paths.size(); ++i) {
    files.push_back(
        {{"path", outputs.paths[i].string()}, {"format", outputs.formats[i]}, {"bytes", size_of(outputs.paths[i])}});
  }
  return files;
}

bool is_tool(const std::string& name) { return name == "generate" || name == "export" || name == "status"; }

Json tool_list(bool annotated) {
  const std::string folder =
      " Paths are those of this machine; relative ones count from the folder of the tools, which status names.";
  Json generate{{"name", "generate"},
                {"description",
                 "Make a 3D asset (a mesh with texture, or Gaussians) from an image of an object, from several views of it, or "
                 "from a prompt, and write it into files. Takes seconds on a GPU and minutes on a CPU." +
                     folder},
                {"inputSchema", generate_schema()}};
  Json exported{
      {"name", "export"},
      {"description", "Write an asset in other formats, with other faces or another texture, without making it anew." + folder},
      {"inputSchema", export_schema()}};
  Json status{{"name", "status"},
              {"description", "Say where assets are made, with which models, what runs now, and which folder files may be in."},
              {"inputSchema", status_schema()}};
  if (annotated) {
    const Json writes{{"readOnlyHint", false}, {"destructiveHint", false}, {"openWorldHint", false}};
    generate["title"] = "Make a 3D asset";
    generate["annotations"] = writes;
    exported["title"] = "Export a 3D asset";
    exported["annotations"] = writes;
    status["title"] = "Models and running work";
    status["annotations"] = {{"readOnlyHint", true}, {"openWorldHint", false}};
  }
  return Json::array({generate, exported, status});
}

GenerateCall generate_call(const Json& values, const fs::path& folder) {
  const Arguments arguments(
      values, folder, {"image", "views", "prompt", "output", "other_outputs", "overwrite", "save_asset", "preview", "options"});
  GenerateCall call;
  if (const fs::path image = arguments.path("image"); !image.empty()) call.images.push_back(image);
  for (const std::string& view : arguments.texts("views", 2, kMostViews)) {
    if (values.contains("image")) refuse("image", "and views are given", "name one image, or several views of one object");
    call.images.push_back(arguments.path("views", view));
  }
  call.prompt = arguments.text("prompt");
  if (call.images.empty() == call.prompt.empty()) {
    refuse(call.images.empty() ? "image" : "prompt", call.images.empty() ? "is missing" : "and images are given",
           "give an image, several views of one object, or a prompt");
  }
  call.outputs = outputs_of(arguments);
  call.save_asset = arguments.path("save_asset");
  if (!call.save_asset.empty()) {
    if (call.save_asset.extension() != ".safetensors") refuse("save_asset", "does not end in .safetensors", "rename it");
    check_new("save_asset", call.save_asset, arguments.flag("overwrite", false));
  }
  call.preview = arguments.flag("preview", true);
  Json options = arguments.object("options");
  options["formats"] = call.outputs.formats;
  if (!call.prompt.empty()) options["prompt"] = call.prompt;
  if (call.images.size() > 1) options["views"] = true;
  call.options = options.dump(-1, ' ', false, Json::error_handler_t::replace);
  return call;
}

ExportCall export_call(const Json& values, const fs::path& folder) {
  const Arguments arguments(values, folder, {"asset", "job", "output", "other_outputs", "overwrite", "options"});
  ExportCall call;
  call.asset = arguments.path("asset");
  call.job = arguments.text("job");
  if (call.asset.empty() == call.job.empty()) {
    refuse(call.job.empty() ? "asset" : "job", call.job.empty() ? "is missing" : "and asset are given",
           "name a file that save_asset of the tool generate wrote, or a job of the server");
  }
  call.outputs = outputs_of(arguments);
  Json options = arguments.object("options");
  options["formats"] = call.outputs.formats;
  call.options = options.dump(-1, ' ', false, Json::error_handler_t::replace);
  return call;
}

std::string status_call(const Json& values) {
  const fs::path none;
  return Arguments(values, none, {"job"}).text("job");
}

}  // namespace espalier::cli
