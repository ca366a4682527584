#include "synthetic.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "base/file.h"
#include "session/registry.h"
#include "synth.h"
#include "weights/safetensors.h"

namespace espalier::golden {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

struct TextSize {
  const char *name, *letters;
  int channels, blocks, heads;
  bool cross_norm;  // in the first flow
  int io_channels, io_blocks;
};
constexpr std::array kSizes{TextSize{"text-base", "B", 768, 12, 12, false, 128, 2},
                            TextSize{"text-large", "L", 1024, 24, 16, false, 128, 2},
                            TextSize{"text-xlarge", "XL", 1280, 28, 16, true, 256, 3}};
constexpr std::array kDecoders{"ss_dec_conv3d_16l8_fp16", "slat_dec_gs_swin8_B_64l8gs32_fp16",
                               "slat_dec_rf_swin8_B_64l8r16_fp16", "slat_dec_mesh_swin8_B_64l8m256c_fp16"};
constexpr std::array kImageFlows{"ss_flow_img_dit_L_16l8_fp16", "slat_flow_img_dit_L_64l8p2_fp16"};
constexpr const char* kImageLarge = "TRELLIS-image-large";
constexpr const char* kDino = "dinov2_vitl14_reg4_pretrain";
constexpr const char* kClip = "clip-vit-large-patch14";

json common_flow(const TextSize& s) {
  return {{"in_channels", 8},     {"out_channels", 8},      {"model_channels", s.channels},
          {"cond_channels", 768}, {"num_blocks", s.blocks}, {"num_heads", s.heads},
          {"mlp_ratio", 4},       {"pe_mode", "ape"},       {"qk_rms_norm", true},
          {"use_fp16", true}};
}
json structure_flow(const TextSize& s) {
  json args = common_flow(s);
  args.update({{"resolution", 16}, {"patch_size", 1}});
  if (s.cross_norm) args["qk_rms_norm_cross"] = true;
  return {{"name", "SparseStructureFlowModel"}, {"args", args}};
}
json latent_flow(const TextSize& s) {
  json args = common_flow(s);
  args.update({{"resolution", 64},
               {"patch_size", 2},
               {"num_io_res_blocks", s.io_blocks},
               {"io_block_channels", json::array({s.io_channels})}});
  return {{"name", "SLatFlowModel"}, {"args", args}};
}
json clip() {
  return {
      {"name", "CLIPTextModel"},
      {"args", {{"hidden_size", 768}, {"intermediate_size", 3072}, {"num_hidden_layers", 12}, {"num_attention_heads", 12}}}};
}

json dino() {
  return {{"name", "DinoVisionTransformer"},
          {"args",
           {{"embed_dim", 1024},
            {"depth", 24},
            {"num_heads", 16},
            {"num_register_tokens", 4},
            {"init_values", 1.0},
            {"interpolate_antialias", true}}}};
}

bool begins(const std::string& name, std::initializer_list<const char*> heads) {
  return std::any_of(heads.begin(), heads.end(), [&](const char* head) { return name.starts_with(head); });
}

// Element type, and where the values follow no common rule what they are, as published checkpoints have it.
json specs_of(const std::vector<Declaration>& declared, const json& args) {
  json specs = json::object();
  const bool in_half = args.contains("use_fp16");  // the encoders are float32
  for (const Declaration& d : declared) specs[d.name] = {{"shape", d.extents}, {"dtype", "F32"}};
  for (auto& [name, spec] : specs.items()) {
    const bool torso = in_half && begins(name, {"blocks.", "middle_block.", "input_blocks.", "out_blocks.", "upsample."});
    const auto weight = specs.find(name.ends_with(".bias") ? name.substr(0, name.size() - 4) + "weight" : name);
    const bool matrix = weight != specs.end() && (*weight)["shape"].size() > 1 && !name.ends_with("gamma");
    if (torso && matrix) spec["dtype"] = "F16";
    if (name == "pos_emb") {
      spec["fn"] = "grid_ape";
      spec["fn_args"] = {args.at("resolution").get<int>() / args.at("patch_size").get<int>(), args.at("model_channels")};
    }
    if (name == "offset_perturbation") {
      const json& gaussians = args.at("representation_config");
      spec["fn"] = "gaussian_offsets";
      spec["fn_args"] = {gaussians.at("num_gaussians"), gaussians.at("voxel_size")};
    }
  }
  // A few percent of the cells are occupied: image-large finds 4,980 of 262,144 at -0.8 and 21,913 at -0.4.
  if (specs.contains("out_layer.2.bias") && specs["out_layer.2.bias"]["shape"] == json::array({1}))
    specs["out_layer.2.bias"]["c"] = -0.6;
  return specs;
}

std::vector<Declaration> declarations_of(const json& module) {
  ModuleSource m;
  read_module_json("synthetic", module, m);
  const SyntheticTensors tensors("synthetic", json::object());
  return trellis_networks().find(m.class_name, m.where).plan(m)->declare(tensors);
}

void write_text(const fs::path& path, const std::string& text) { write_file(path, std::as_bytes(std::span(text))); }

void write_network(const std::string& seed, const json& module, const fs::path& base) {
  const fs::path weights = base.string() + ".safetensors";
  fs::create_directories(base.parent_path());
  write_text(base.string() + ".json", module.dump(4));
  if (fs::exists(weights)) return;
  const SyntheticTensors tensors(seed + "/" + base.filename().string(), specs_of(declarations_of(module), module.at("args")));
  (void)write_safetensors(weights, tensors);
  std::printf("%s: %.1f MB\n", weights.string().c_str(), static_cast<double>(fs::file_size(weights)) / 1e6);
}

json json_of(const fs::path& file) {
  const auto bytes = read_file(file, std::uint64_t{1} << 20U);
  return parse_json(file.string(), {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

json pipeline_of(const TextSize& s, const json& image_pipeline) {
  const std::string foreign = std::string("JeffreyXiang/") + kImageLarge + "/";
  json pipeline = image_pipeline;
  pipeline["name"] = "TrellisTextTo3DPipeline";
  json& args = pipeline["args"];
  args.erase("image_cond_model");
  args["text_cond_model"] = std::string("openai/") + kClip;
  for (auto& [role, entry] : args["models"].items()) entry = foreign + entry.get<std::string>();
  args["models"]["sparse_structure_flow_model"] = std::string("ckpts/ss_flow_txt_dit_") + s.letters + "_16l8_fp16";
  args["models"]["slat_flow_model"] = std::string("ckpts/slat_flow_txt_dit_") + s.letters + "_64l8p2_fp16";
  for (const char* sampler : {"sparse_structure_sampler", "slat_sampler"}) args[sampler]["params"]["cfg_strength"] = 7.5;
  return pipeline;
}

}  // namespace

std::vector<std::string> synthetic_names() {
  std::vector<std::string> names{"image-large"};
  for (const TextSize& s : kSizes) names.emplace_back(s.name);
  return names;
}

namespace {

void write_published(const char* file, const fs::path& configurations, const fs::path& out) {
  const fs::path base = fs::path("ckpts") / file;
  write_network("image-large", json_of(configurations / (base.string() + ".json")), out / kImageLarge / base);
}

void write_image_large(const fs::path& configurations, const fs::path& out) {
  const fs::path own = out / kImageLarge;
  fs::create_directories(own);
  write_text(own / "pipeline.json", json_of(configurations / "pipeline.json").dump(4));
  for (const char* flow : kImageFlows) write_published(flow, configurations, out);
  for (const char* decoder : kDecoders) write_published(decoder, configurations, out);
  write_network("image-large", dino(), own / "ckpts" / kDino);
}

}  // namespace

void write_synthetic(const std::string& name, const fs::path& configurations, const fs::path& out) {
  if (name == "image-large") return write_image_large(configurations, out);
  const auto* const size = std::find_if(kSizes.begin(), kSizes.end(), [&](const TextSize& s) { return s.name == name; });
  if (size == kSizes.end())
    fail(ErrorCode::not_found, "there is no synthetic checkpoint ", name,
         hint("image-large, text-base, text-large and text-xlarge exist"));
  const fs::path own = out / ("TRELLIS-" + name);
  fs::create_directories(own);
  write_text(own / "pipeline.json", pipeline_of(*size, json_of(configurations / "pipeline.json")).dump(4));
  write_network(name, structure_flow(*size), own / "ckpts" / (std::string("ss_flow_txt_dit_") + size->letters + "_16l8_fp16"));
  write_network(name, latent_flow(*size), own / "ckpts" / (std::string("slat_flow_txt_dit_") + size->letters + "_64l8p2_fp16"));
  for (const char* decoder : kDecoders) write_published(decoder, configurations, out);
  write_network("clip", clip(), out / kClip / "model");
}

}  // namespace espalier::golden
