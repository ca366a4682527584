#include "generations.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "base/json.h"
#include "job_options.h"

namespace espalier::server {

namespace {

// What other servers call detail, in texels and faces.
struct Detail {
  std::string_view quality;
  int resolution;
  int texture_size, faces;
};
constexpr std::array<Detail, 3> kDetails{
    {{"low", 512, 1024, 20'000}, {"medium", 1024, 2048, 60'000}, {"high", 1536, 4096, 150'000}}};

[[noreturn]] void refuse(const std::string& what, const std::string& hint) {
  throw HttpError(400, "invalid_argument", what, hint);
}

class Reader {
 public:
  Reader(const std::map<std::string, std::string>& members, std::size_t images) : images_(images) {
    for (const auto& [name, text] : members) {
      std::string problem;
      Json value = read_json<Json>(text, {.bytes = 65536, .values = 2000, .string = 65536, .depth = 16}, problem);
      if (!problem.empty()) refuse(name + " " + clean_name(problem), "send a JSON value");
      if (!value.is_null()) members_[name] = std::move(value);
    }
  }

  Generation read() {
    take_params();
    for (const char* name : {"model", "prompt", "negative_prompt", "name", "texture_size"}) {
      if (const Json* value = find(name)) put(name, {name}, *value);
    }
    // Elsewhere -1 draws a seed; here its absence does.
    if (const Json* seed = find("seed"); seed != nullptr && *seed != Json(-1)) put("seed", {"seed"}, *seed);
    if (images_ > 1) put("image", {"views"}, true);
    take_format();
    take_background();
    take_sampling();
    take_detail();
    take_answer();
    generation_.options = text_of(options_);
    return generation_;
  }

 private:
  [[nodiscard]] const Json* find(const std::string& name) const {
    const auto found = members_.find(name);
    return found == members_.end() ? nullptr : &found->second;
  }
  [[nodiscard]] std::optional<std::string> word(const std::string& name) const {
    const Json* const value = find(name);
    if (value == nullptr) return std::nullopt;
    if (!value->is_string()) refuse(name + " is not a text", "see /openapi.json");
    return value->get<std::string>();
  }
  // The one of two members that came.
  [[nodiscard]] std::string either(const std::string& one, const std::string& other) const {
    if (find(one) != nullptr && find(other) != nullptr) refuse(one + " and " + other + " were sent", "send one of them");
    return find(other) != nullptr ? other : one;
  }
  // An option of the job from the member `from`.
  void put(const std::string& from, const std::vector<std::string>& path, const Json& value) {
    Json* place = &options_;
    std::string key = "params";
    for (const std::string& part : path) {
      if (!place->is_object() && !place->is_null()) refuse(key + " is not a JSON object", "see /openapi.json");
      key += "." + part;
      place = &(*place)[part];
    }
    if (!place->is_null()) refuse(key + " and " + from + " were sent", "send one of them");
    *place = value;
  }

  void take_params() {
    const Json* const params = find("params");
    if (params == nullptr) return;
    if (!params->is_object()) refuse("params is not a JSON object", "send options of a job, as POST /v1/jobs takes them");
    if (params->contains("formats")) refuse("params.formats was sent", "name the one format of the answer as format");
    options_ = *params;
  }
  void take_format() {
    const std::string member = either("format", "output_format");
    generation_.format = word(member).value_or("glb");
    if (const ResultFormat* format = find_format(generation_.format); format == nullptr || !format->single_file) {
      std::string names;
      for (const ResultFormat& one : result_formats()) {
        if (one.single_file) names += (names.empty() ? "" : ", ") + std::string(one.name);
      }
      refuse(member + " must be one of " + names, "leave it out for glb");
    }
    put(member, {"formats"}, Json::array({generation_.format}));
  }
  void take_background() {
    const std::string member = either("background", "bg_removal");
    const auto name = word(member);
    if (!name) return;
    if (images_ == 0) refuse(member + " was sent without an image", "leave it out");
    put(member, {"background"}, *name == "threshold" ? "plain" : *name == "birefnet" ? "network" : *name);
  }
  void take_sampling() {
    const std::string steps = either("steps", "step");
    for (const char* stage : {"structure", "latent"}) {
      if (const Json* value = find(steps)) put(steps, {stage, "steps"}, *value);
      if (const Json* value = find("cfg_scale")) put("cfg_scale", {stage, "guidance"}, *value);
    }
  }
  void take_detail() {
    const Json* const uv = find("uv");
    if (uv != nullptr && !uv->is_boolean()) refuse("uv is neither true nor false", "leave it out for a texture");
    const bool texture = uv == nullptr || uv->get<bool>();
    if (!texture) put("uv", {"texture"}, false);
    const std::string member = either("quality", "resolution");
    const Json* const wanted = find(member);
    if (wanted == nullptr || *wanted == Json("auto")) return;
    const auto found = std::find_if(kDetails.begin(), kDetails.end(), [&](const Detail& d) {
      return member == "quality" ? *wanted == Json(d.quality) : *wanted == Json(d.resolution);
    });
    if (found == kDetails.end()) {
      refuse(
          member == "quality" ? "quality must be one of low, medium, high, auto" : "resolution must be one of 512, 1024, 1536",
          "or give texture_size, and faces in params");
    }
    const ResultFormat& format = *find_format(generation_.format);
    if (!format.mesh) refuse(member + " means nothing for " + generation_.format + ", which has no mesh", "leave it out");
    if (!options_.contains("faces") && !options_.contains("simplify")) put(member, {"faces"}, found->faces);
    if (texture && format.textured && !options_.contains("texture_size")) put(member, {"texture_size"}, found->texture_size);
  }
  void take_answer() {
    if (const Json* n = find("n"); n != nullptr && *n != Json(1))
      refuse("n is not 1", "send a request for each asset; another seed gives another one");
    const std::string name = word("response_format").value_or(generation_.format);
    if (name == "url") {
      generation_.answer = Generation::Answer::url;
    } else if (name == "b64_json") {
      generation_.answer = Generation::Answer::base64;
    } else if (name != generation_.format) {
      refuse("response_format must be one of " + generation_.format + ", url, b64_json", "leave it out for the file itself");
    }
  }

  std::size_t images_;
  std::map<std::string, Json> members_;
  Json options_ = Json::object();
  Generation generation_;
};

}  // namespace

const std::vector<std::string>& generation_members() {
  static const std::vector<std::string> names{
      "model",      "prompt",          "negative_prompt", "name",       "seed",  "format", "output_format", "quality",
      "resolution", "texture_size",    "background",      "bg_removal", "steps", "step",   "cfg_scale",     "uv",
      "n",          "response_format", "params"};
  return names;
}

Generation read_generation(const std::map<std::string, std::string>& members, std::size_t images) {
  return Reader(members, images).read();
}

}  // namespace espalier::server
