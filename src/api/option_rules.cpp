// The rules between options, and how requests are held to them.
#include "espalier/option_rules.h"

#include <algorithm>
#include <initializer_list>

#include "base/error.h"

namespace espalier {
namespace {

using Names = std::vector<std::string>;

Names operator+(Names a, const Names& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

template <class Test>
Names formats_where(Test test) {
  Names names;
  for (const ResultFormat& format : result_formats()) {
    if (test(format)) names.emplace_back(format.name);
  }
  return names;
}

std::vector<OptionRule> fleet_rules() {
  return {
      {.option = "queue",
       .excludes = {"workers", "rebuild", "keep-alive", "model", "device", "precision", "vram-tier", "vram-limit",
                    "image-encoder", "text-encoder", "max-batch", "max-wait-ms"},
       .why = "the jobs are run by the fleet's workers (espalier worker)",
       .not_for = use_worker},
      {.option = "queue", .needs = {"results"}},
      {.option = "results", .needs = {"queue"}},
      {.option = "queue-password-file", .needs = {"queue"}},
      {.option = "results-endpoint", .needs = {"results"}},
      {.option = "results-region", .needs = {"results"}},
      {.option = "results-secret-key-file", .needs = {"results"}},
  };
}

std::vector<OptionRule> made_rules() {
  const Names all = formats_where([](const ResultFormat&) { return true; });
  const Names meshes = formats_where([](const ResultFormat& f) { return f.mesh; });
  const Names textured = formats_where([](const ResultFormat& f) { return f.textured; });
  const Names gltf{"glb", "gltf", "gltf.zip"}, videos{"mp4", "webp"}, drawn{"preview", "turntable", "sheet"};
  const Names baking{"texture-size", "bake", "bake-from", "bake-views", "bake-view-size", "project-image"};
  const Names looks{"maps", "delight"};
  const Names solid{"watertight", "min-wall", "flat-base"};
  const Names fewer{"simplify", "faces"};
  const Names images{"background", "mask", "background-network", "no-preprocess", "views", "multi-image", "project-image"};
  Names sampling{"seed", "preset", "negative-prompt", "max-batch"};
  for (const char* const stage : {"structure-", "latent-"}) {
    for (const char* const setting :
         {"steps", "guidance", "interval", "rescale-t", "solver", "reuse", "reuse-order", "guidance-reuse"})
      sampling.push_back(std::string(stage) + setting);
  }

  std::vector<OptionRule> rules{
      {.option = "raw-mesh",
       .excludes = fewer + solid + baking + looks + Names{"texture-format"},
       .why = "a raw mesh is written as it was decoded, without clean-up, simplification or a texture"},
      {.option = "keep-mesh",
       .excludes = fewer + solid + Names{"raw-mesh", "surface", "texture"},
       .why = "the given mesh is kept as it is and gets a texture"},
      {.option = "faces", .excludes = {"simplify"}, .why = "both set the number of faces"},
      {.option = "texture", .excludes = baking + looks + Names{"texture-format"}, .why = "no texture is made"},
      {.option = "height", .excludes = {"size"}, .why = "the height already sets the scale of every file"},
      {.option = "vram-tier", .excludes = {"vram-limit"}, .why = "the limit is only used to choose the tier"},
      {.option = "no-preprocess",
       .excludes = {"background", "mask", "background-network"},
       .why = "the images are taken as they are"},
      {.option = "mask", .excludes = {"background-network"}, .why = "the mask already separates the object"},
      {.option = "quiet", .excludes = {"progress"}, .why = "no progress is reported"},
      {.option = "from-bundle", .excludes = {"parallel"}, .why = "nothing is fetched"},
      {.option = "quick", .excludes = {"voxels", "repetitions"}, .why = "a quick run has one small repetition"},
      {.option = "from-latent", .excludes = images + sampling, .why = "the latent is decoded without images and sampling"},
      {.option = "prompt", .excludes = images, .why = "there are no images"},
      {.option = "prompts", .excludes = images, .why = "there are no images"},
      {.option = "server",
       .excludes = {"model", "device", "precision", "vram-tier", "vram-limit", "image-encoder", "text-encoder",
                    "background-network", "networks"},
       .why = "the server uses its own"},
      {.option = "min-wall", .needs = {"watertight", "print"}},
      {.option = "flat-base", .needs = {"watertight"}},
      {.option = "keep-uvs", .needs = {"keep-mesh"}},
      {.option = "negative-prompt", .needs = {"prompt", "prompts"}},
      {.option = "multi-image", .needs = {"views"}},
      {.option = "in-flight", .needs = {"server"}},
      {.option = "max-wait-ms", .needs = {"max-batch"}},
      {.option = "webhook-private", .needs = {"webhook-host"}},
      {.option = "webhook-retry", .needs = {"webhook-host"}},
      {.option = "sheet-views", .needs = {"sheet"}},

      {.option = "texture-format", .formats = textured},
      {.option = "texture-format", .value = "webp", .formats = gltf},
      {.option = "maps", .formats = gltf + Names{"obj", "obj.zip", "usdz", "fbx"}},
      {.option = "spz-version", .formats = {"spz"}},
      {.option = "size", .needs = {"min-wall", "flat-base"}, .formats = {"stl", "3mf"}, .not_for = use_render},
      {.option = "max-bytes", .formats = meshes},
      {.option = "surface", .needs = drawn + Names{"save-asset"}, .formats = meshes},
      {.option = "seconds", .needs = {"turntable"}, .formats = videos},
      {.option = "fps", .needs = {"turntable"}, .formats = videos},
      {.option = "style", .needs = {"turntable"}, .formats = videos + Names{"png"}},
  };
  for (OptionRule& rule : fleet_rules()) rules.push_back(std::move(rule));
  const auto add = [&](const Names& options, const Names& needs, const Names& formats) {
    for (const std::string& option : options) rules.push_back({.option = option, .needs = needs, .formats = formats});
  };
  rules.push_back({.option = "unlit", .formats = gltf, .not_for = use_render});  // there it is how views are drawn
  add({"compress", "lods", "quantise"}, {}, gltf);
  add({"origin", "height"}, {}, all);
  add(fewer + solid, drawn, meshes);
  add(baking + Names{"delight"}, {"turntable", "sheet"}, textured);
  return rules;
}

const Options& initial() {
  static const Options options;
  return options;
}

class Rules {
 public:
  Rules(Options& options, OptionUse use, const Names& formats, bool formats_known, OptionSpelling spelling)
      : options_(options), use_(use), formats_(formats), formats_known_(formats_known), spelling_(spelling) {}

  void apply(const OptionRule& rule) {
    const Option* const row = row_of(rule.option);
    if (row == nullptr || (rule.not_for & use_) != 0 || !is_meant(rule, *row)) return;
    for (const std::string& other : rule.excludes) exclude(rule, *row, other);
    if (!rule.formats.empty()) {
      need_format(rule, *row);
    } else if (!rule.needs.empty()) {
      need_other(rule, *row);
    }
  }

 private:
  [[nodiscard]] const Option* row_of(const std::string& name) const {
    const auto& table = option_table();
    const auto found =
        std::find_if(table.begin(), table.end(), [&](const Option& row) { return row.name == name && row.is_for(use_); });
    return found == table.end() ? nullptr : &*found;
  }
  [[nodiscard]] bool is_set(const Option& row) const { return row.field.get(options_) != row.field.get(initial()); }
  [[nodiscard]] bool is_asked(const Option& row) const { return options_.asked.contains(row.name); }
  [[nodiscard]] bool is_meant(const OptionRule& rule, const Option& row) const {
    if (!rule.value.empty()) return row.field.get(options_) == OptionValue(rule.value);
    return is_asked(row) || is_set(row);
  }
  [[nodiscard]] bool any_set(const Names& names) const {
    return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
      const Option* const row = row_of(name);
      return row != nullptr && is_set(*row);
    });
  }
  [[nodiscard]] bool any_known(const Names& names) const {
    return std::any_of(names.begin(), names.end(), [&](const std::string& name) { return row_of(name) != nullptr; });
  }

  void exclude(const OptionRule& rule, const Option& row, const std::string& other_name) {
    const Option* const other = row_of(other_name);
    if (other == nullptr || (!is_asked(*other) && !is_set(*other))) return;
    const bool this_asked = is_asked(row), other_asked = is_asked(*other);
    if (this_asked && other_asked) {
      fail(ErrorCode::invalid_argument, called(row), " and ", called(*other), " cannot go together: ", rule.why,
           hint("leave one of them out"));
    }
    if (this_asked) reset(*other);
    if (other_asked) reset(row);
  }

  void need_other(const OptionRule& rule, const Option& row) {
    if (any_set(rule.needs) || !any_known(rule.needs)) return;
    if (!is_asked(row)) return reset(row);
    const std::string others = either(rule.needs);
    fail(ErrorCode::invalid_argument, called(row), " has no effect without ", others,
         hint("give ", others, " too, or leave ", called(row), " out"));
  }

  void need_format(const OptionRule& rule, const Option& row) {
    if (!formats_known_ || any_set(rule.needs)) return;
    const auto written = [&](const std::string& name) {
      return std::find(formats_.begin(), formats_.end(), name) != formats_.end();
    };
    if (std::any_of(rule.formats.begin(), rule.formats.end(), written)) return;
    if (!is_asked(row)) {
      // What a job was made with still says what its mesh is.
      if (spelling_ == OptionSpelling::flags) reset(row);
      return;
    }
    const std::string value = rule.value.empty() ? std::string() : str(" ", rule.value);
    fail(ErrorCode::invalid_argument, called(row), value, " has no effect on ", written_files(), ": it is for ",
         endings(rule.formats), hint("leave it out, or write such a file"));
  }

  void reset(const Option& row) { row.field.set(options_, row.field.get(initial())); }

  [[nodiscard]] std::string called(const Option& row) const {
    if (spelling_ == OptionSpelling::json) {
      const OptionValue value = row.field.get(initial());
      const bool off = row.field.type == OptionType::flag && std::get<bool>(value);
      return row.json() + (off ? " (false)" : "");
    }
    const std::string flags = row.flags();
    return flags.substr(flags.find(',') + 1);
  }
  [[nodiscard]] std::string either(const Names& names) const {
    Names words;
    for (const std::string& name : names) {
      if (const Option* const row = row_of(name)) words.push_back(called(*row));
    }
    return list(words, " or ");
  }
  [[nodiscard]] std::string written_files() const {
    if (formats_.empty()) return "what is written";
    return endings(formats_);
  }
  static std::string endings(Names names) {
    for (std::string& name : names) name = str(".", name);
    return list(names, " and ");
  }
  static std::string list(const Names& words, const char* last) {
    std::string text;
    for (std::size_t i = 0; i < words.size(); ++i) {
      if (i > 0) text += i + 1 == words.size() ? last : ", ";
      text += words[i];
    }
    return text;
  }

  Options& options_;
  OptionUse use_;
  const Names& formats_;
  bool formats_known_;
  OptionSpelling spelling_;
};

}  // namespace

const std::vector<OptionRule>& option_rules() {
  static const std::vector<OptionRule> rules = made_rules();
  return rules;
}

void apply_option_rules(Options& options, OptionUse use, const Names& formats, bool formats_known, OptionSpelling spelling) {
  Rules rules(options, use, formats, formats_known, spelling);
  for (const OptionRule& rule : option_rules()) rules.apply(rule);
}

}  // namespace espalier
