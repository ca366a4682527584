#include "targets.h"

#include <cstring>
#include <nlohmann/json.hpp>

#include "api/asset.h"
#include "espalier/export.h"
#include "hub/manifest.h"
#include "hub/references.h"
#include "memory_file.h"
#include "models/dino/dino.h"
#include "models/matting/plan.h"
#include "models/trellis/slat_decoder.h"
#include "models/trellis/sparse_structure_flow.h"
#include "models/trellis/sparse_structure_vae.h"
#include "models/trellis/structured_latent_flow.h"
#include "recipes/trellis_settings.h"
#include "session/checkpoint.h"
#include "support/bytes.h"
#include "support/onnx_writer.h"
#include "weights/safetensors.h"

namespace espalier::test {
namespace {

using Input = std::span<const std::byte>;
using nlohmann::json;

bool read_safetensors(Input bytes) {
  const MemoryFile file(bytes);
  return attempt([&] {
    const SafetensorsFile tensors(file.path());
    for (const auto& [name, entry] : tensors.entries()) (void)tensors.load(name);
  });
}

bool read_latent(Input bytes) {
  const MemoryFile file(bytes);
  return attempt([&] { (void)load_latent(file.path(), 64, 8); });
}

std::string safetensors_text(const json& header, std::size_t body) {
  const std::string text = header.dump();
  std::string out;
  for (unsigned i = 0; i < 8; ++i) out += static_cast<char>(text.size() >> (8U * i) & 0xFFU);
  return out + text + std::string(body, '\x3c');
}

std::vector<Bytes> safetensors_seeds() {
  const json header{{"__metadata__", {{"format", "pt"}}},
                    {"a.weight", {{"dtype", "F32"}, {"shape", {2, 3}}, {"data_offsets", {0, 24}}}},
                    {"b.weight", {{"dtype", "F16"}, {"shape", {4}}, {"data_offsets", {24, 32}}}},
                    {"c", {{"dtype", "BF16"}, {"shape", json::array()}, {"data_offsets", {32, 34}}}}};
  return {bytes_of(safetensors_text(header, 34)), bytes_of(safetensors_text(json::object(), 0))};
}

std::vector<Bytes> latent_seeds() {
  const json header{{"__metadata__", {{"format", "espalier-latent-1"}, {"resolution", "64"}, {"seed", "1"}}},
                    {"coords", {{"dtype", "I32"}, {"shape", {2, 4}}, {"data_offsets", {0, 32}}}},
                    {"feats", {{"dtype", "F32"}, {"shape", {2, 8}}, {"data_offsets", {32, 96}}}}};
  std::string text = safetensors_text(header, 96);
  const std::int32_t coords[8] = {0, 1, 2, 3, 0, 1, 2, 4};
  std::memcpy(text.data() + text.size() - 96, coords, sizeof coords);
  return {bytes_of(text)};
}

bool read_asset(Input bytes) {
  const MemoryFile file(bytes);
  return attempt([&] { (void)load_asset(file.path()); });
}

std::string text_of(Input bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
bool read_references(Input bytes) {
  return attempt([&] { (void)hub::references_of("pipeline.json", text_of(bytes)).repositories(); });
}
bool read_manifest(Input bytes) {
  return attempt([&] { (void)hub::parse_manifest("bundle", text_of(bytes)); });
}

std::vector<Bytes> asset_seeds() {
  AssetBuilder small, imaged;
  Gaussians g;
  g.xyz = {0, 0, 0};
  g.dc = {0, 0, 1};
  g.scale = {0.1F, 0.1F, 0.1F};
  g.rotation = {1, 0, 0, 0};
  g.opacity = {0.5F};
  small.gaussians(g);
  small.record("seed", "1");
  g.sh.assign(9, 0.1F);
  imaged.gaussians(g);
  Mesh mesh;
  mesh.vertices = {0, 0, 0, 1, 0, 0, 0, 1, 0};
  mesh.faces = {0, 1, 2};
  imaged.mesh(mesh, SurfaceRule::solid);
  imaged.image(Image(64, 64, 4));
  imaged.radiance_field({.resolution = 8,
                         .rank = 1,
                         .dim = 2,
                         .position = {0.1F, 0.2F, 0.3F},
                         .trivec = std::vector<float>(6, 0.5F),
                         .density = {1},
                         .features_dc = {0, 0, 1}});
  std::vector<Bytes> seeds;
  for (AssetBuilder* builder : {&small, &imaged}) seeds.push_back(builder->build().encode("asset").front().bytes);
  return seeds;
}

std::vector<Bytes> references_seeds() {
  const json pipeline{{"args",
                       {{"models", {{"slat_flow_model", "ckpts/a"}, {"decoder", "microsoft/TRELLIS-image-large/ckpts/b"}}},
                        {"image_cond_model", "dinov2_vitl14_reg"},
                        {"text_cond_model", "openai/clip-vit-large-patch14"}}}};
  return {bytes_of(pipeline.dump()), bytes_of(R"({"args":{"models":{}}})")};
}

std::vector<Bytes> manifest_seeds() {
  const json file{{"path", "ckpts/a.safetensors"}, {"bytes", 5}, {"digest", std::string(64, 'a')}};
  const json part{{"source", "hub"}, {"repository", "a/b"}, {"revision", "main"}, {"files", {file}}};
  return {bytes_of(json{{"format", "espalier-bundle-1"}, {"models", {{{"name", "a/b"}, {"parts", {part}}}}}}.dump())};
}

bool read_pipeline_json(Input bytes) {
  return attempt([&] {
    const json parsed = parse_json("pipeline.json", {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    (void)read_trellis_settings(read_pipeline("pipeline.json", parsed));
  });
}

std::vector<Bytes> pipeline_seeds() {
  const json sampler{{"name", "FlowEulerGuidanceIntervalSampler"},
                     {"args", {{"sigma_min", 1e-5}}},
                     {"params", {{"steps", 25}, {"cfg_strength", 5.0}, {"cfg_interval", {0.5, 1.0}}, {"rescale_t", 3.0}}}};
  const json pipeline{{"name", "TrellisImageTo3DPipeline"},
                      {"args",
                       {{"models", {{"slat_flow_model", "ckpts/a"}}},
                        {"sparse_structure_sampler", sampler},
                        {"slat_sampler", sampler},
                        {"slat_normalization", {{"mean", {0.1, -2.0}}, {"std", {1.0, 2.5}}}},
                        {"image_cond_model", "dinov2_vitl14_reg"}}}};
  return {bytes_of(pipeline.dump()), bytes_of(pipeline.dump(1))};
}

bool read_module(Input bytes) {
  ModuleSource m;
  const bool parsed = attempt([&] {
    read_module_json("module.json", parse_json("module.json", {reinterpret_cast<const char*>(bytes.data()), bytes.size()}), m);
  });
  if (!parsed) return false;
  // Every class looks at the arguments of every other.
  int accepted = 0;
  const auto as = [&](auto&& from) { accepted += attempt([&] { (void)from(m.arguments()); }) ? 1 : 0; };
  as(SparseStructureFlowConfig::from);
  as(StructuredLatentFlowConfig::from);
  as(SparseStructureVaeConfig::from_decoder);
  as(SparseStructureVaeConfig::from_encoder);
  as(GaussianDecoderConfig::from);
  as(RadianceDecoderConfig::from);
  as(MeshDecoderConfig::from);
  as(DinoConfig::from);
  return accepted > 0;
}

std::vector<Bytes> module_seeds() {
  const auto module = [](const char* name, const json& args) { return bytes_of(json{{"name", name}, {"args", args}}.dump()); };
  const json flow{{"resolution", 16},    {"in_channels", 8}, {"out_channels", 8},   {"model_channels", 64},
                  {"cond_channels", 96}, {"num_blocks", 3},  {"num_heads", 2},      {"mlp_ratio", 4},
                  {"patch_size", 1},     {"pe_mode", "ape"}, {"qk_rms_norm", true}, {"use_fp16", true}};
  json latent = flow;
  latent.update({{"patch_size", 2}, {"num_io_res_blocks", 2}, {"io_block_channels", {32}}, {"resolution", 64}});
  const json volume{{"out_channels", 1},          {"latent_channels", 8}, {"num_res_blocks", 2},
                    {"num_res_blocks_middle", 2}, {"channels", {32, 16}}, {"use_fp16", true}};
  json decoder{{"resolution", 64}, {"model_channels", 64}, {"latent_channels", 8}, {"num_blocks", 2},
               {"num_heads", 2},   {"mlp_ratio", 4},       {"attn_mode", "swin"},  {"window_size", 8}};
  json gaussian = decoder;
  gaussian["representation_config"] = {
      {"lr", {{"_xyz", 1.0}, {"_features_dc", 1.0}, {"_opacity", 1.0}, {"_scaling", 1.0}, {"_rotation", 0.1}}},
      {"perturb_offset", true},
      {"voxel_size", 1.5},
      {"num_gaussians", 8},
      {"2d_filter_kernel_size", 0.1},
      {"3d_filter_kernel_size", 9e-4},
      {"scaling_bias", 4e-3},
      {"opacity_bias", 0.1},
      {"scaling_activation", "softplus"}};
  json mesh = decoder;
  mesh["model_channels"] = 256;
  mesh["representation_config"] = {{"use_color", true}};
  const json encoder{{"embed_dim", 64}, {"depth", 2}, {"num_heads", 2}, {"num_register_tokens", 4}, {"init_values", 1.0}};
  return {module("SparseStructureFlowModel", flow), module("SLatFlowModel", latent), module("SparseStructureDecoder", volume),
          module("SLatGaussianDecoder", gaussian),  module("SLatMeshDecoder", mesh), module("DinoVisionTransformer", encoder)};
}

bool read_onnx(Input bytes) {
  return attempt([&] {
    const OnnxGraph graph = parse_onnx("model.onnx", {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    (void)plan_network("model.onnx", graph, 32, 32);
    for (const OnnxTensor& tensor : graph.initializers) {
      if (tensor.type == OnnxTensor::kFloat) (void)onnx_floats("model.onnx", tensor);
    }
  });
}

// All operators, sizes of a Resize computed as old exporters do it.
std::vector<Bytes> onnx_seeds() {
  using namespace onnx;
  const auto ints = [](const char* name, const std::vector<std::int64_t>& values) {
    return tensor(name, {static_cast<std::int64_t>(values.size())}, 7, raw(values));
  };
  Model m;
  m.opset = 11;
  m.nodes = {node("Conv", {"x", "w", "b"}, {"c"}, attribute("pads", std::vector<std::int64_t>{1, 1, 1, 1})),
             node("BatchNormalization", {"c", "b", "b", "b", "v"}, {"n"}),
             node("Relu", {"n"}, {"r"}),
             node("MaxPool", {"r"}, {"p"},
                  attribute("kernel_shape", std::vector<std::int64_t>{2, 2}) + attribute("ceil_mode", 1) +
                      attribute("strides", std::vector<std::int64_t>{2, 2})),
             node("Shape", {"r"}, {"s"}),
             node("Slice", {"s", "two", "four", "zero"}, {"hw"}),
             node("Shape", {"p"}, {"ps"}),
             node("Slice", {"ps", "zero", "two", "zero"}, {"nc"}),
             node("Cast", {"hw"}, {"hwc"}, attribute("to", 7)),
             node("Concat", {"nc", "hwc"}, {"size"}, attribute("axis", 0)),
             node("Resize", {"p", "", "", "size"}, {"u"},
                  attribute("mode", std::string("linear")) +
                      attribute("coordinate_transformation_mode", std::string("pytorch_half_pixel"))),
             node("Concat", {"u", "r"}, {"k"}, attribute("axis", 1)),
             node("Add", {"k", "k"}, {"a"}),
             node("Identity", {"a"}, {"i"}),
             node("Sigmoid", {"i"}, {"y"})};
  m.tensors = {floats("w", {2, 3, 3, 3}, std::vector<float>(54, 0.1F)),
               floats("b", {2}, {0.5F, -0.5F}),
               floats("v", {2}, {1, 2}),
               ints("zero", {0}),
               ints("two", {2}),
               ints("four", {4})};
  m.inputs = {value("x", {1, 3, -1, 9})};
  m.outputs = {value("y", {1, 4, -1, 9})};
  return {bytes_of(m.bytes())};
}

}  // namespace

const std::vector<FuzzTarget>& fuzz_targets() {
  static const std::vector<FuzzTarget> targets = [] {
    std::vector<FuzzTarget> all{{"safetensors", read_safetensors, safetensors_seeds},
                                {"latent", read_latent, latent_seeds},
                                {"asset", read_asset, asset_seeds},
                                {"references", read_references, references_seeds},
                                {"manifest", read_manifest, manifest_seeds},
                                {"pipeline", read_pipeline_json, pipeline_seeds},
                                {"module", read_module, module_seeds},
                                {"onnx", read_onnx, onnx_seeds}};
    for (const std::vector<FuzzTarget>& more : {image_targets(), weight_targets(), asset_targets()})
      all.insert(all.end(), more.begin(), more.end());
    return all;
  }();
  return targets;
}

}  // namespace espalier::test
