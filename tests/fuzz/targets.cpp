#include "targets.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <functional>
#include <nlohmann/json.hpp>
#include <numeric>
#include <stdexcept>

#include "api/asset.h"
#include "image/codec.h"
#include "models/dino/dino.h"
#include "models/trellis/slat_decoder.h"
#include "models/trellis/sparse_structure_flow.h"
#include "models/trellis/sparse_structure_vae.h"
#include "models/trellis/structured_latent_flow.h"
#include "recipes/trellis_settings.h"
#include "session/checkpoint.h"
#include "support/torch_writer.h"
#include "unit/image/codec_samples.h"
#include "weights/pickle.h"
#include "weights/safetensors.h"
#include "weights/torch_objects.h"
#include "weights/weight_file.h"

namespace espalier::test {
namespace {

using Input = std::span<const std::byte>;
using nlohmann::json;

Bytes bytes_of(const std::string& text) {
  const auto* data = reinterpret_cast<const std::byte*>(text.data());
  return {data, data + text.size()};
}

// A file in memory, for readers that take a path.
class MemoryFile {
 public:
  explicit MemoryFile(Input bytes) : file_(::memfd_create("input", MFD_CLOEXEC)) {
    if (file_ < 0 || ::write(file_, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) {
      throw std::runtime_error("cannot make a file in memory");
    }
  }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  ~MemoryFile() { ::close(file_); }
  [[nodiscard]] std::string path() const { return "/proc/self/fd/" + std::to_string(file_); }

 private:
  int file_;
};

bool read_safetensors(Input bytes) {
  const MemoryFile file(bytes);
  return attempt([&] {
    const SafetensorsFile tensors(file.path());
    for (const auto& [name, entry] : tensors.entries()) (void)tensors.load(name);
  });
}

bool read_weights(Input bytes) {
  const MemoryFile file(bytes);
  return attempt([&] {
    const auto tensors = open_weights(file.path());
    for (const auto& [name, entry] : tensors->entries()) {
      const TensorEntry read = tensors->read(name);
      (void)std::accumulate(read.data, read.data + read.bytes, std::byte{0}, std::bit_xor<>());  // all of it can be looked at
    }
  });
}

// The pickle alone, so that mutations meet no archive that does not fit.
bool read_pickle(Input bytes) {
  return attempt([&] {
    TorchObjects objects;
    const Pickle pickle("pickle", bytes, objects);
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

std::string floats(int n) { return {std::string(static_cast<std::size_t>(4 * n), '\x3c')}; }

// Contiguous, transposed, expanded, scalar and empty tensors in two storages.
std::vector<TorchTensorText> torch_tensors() {
  return {{.name = "w", .count = 6, .extents = {2, 3}, .strides = {3, 1}},
          {.name = "t", .count = 6, .extents = {3, 2}, .strides = {1, 3}},
          {.name = "e", .count = 6, .offset = 2, .extents = {5, 2}, .strides = {0, 1}},
          {.name = "h", .storage_type = "HalfStorage", .key = "1", .count = 1, .extents = {}, .strides = {}},
          {.name = "n", .count = 6, .extents = {0, 4}, .strides = {4, 1}}};
}

std::vector<Bytes> archive_seeds() {
  const std::string pickle = torch_pickle(torch_tensors());
  ZipParts wide, streamed;
  wide.zip64 = true;
  wide.alignment = 0;
  wide.comment = "comment";
  streamed.descriptors = true;
  streamed.entries = {{"archive/byteorder", "little"}};
  std::vector<Bytes> seeds;
  for (const ZipParts& parts : {ZipParts(), wide, streamed}) {
    seeds.push_back(bytes_of(torch_archive(pickle, {{"0", floats(6)}, {"1", "hf"}}, parts)));
  }
  return seeds;
}

std::vector<Bytes> legacy_seeds() {
  return {bytes_of(torch_legacy(torch_pickle(torch_tensors(), true), {{"0", 6, floats(6)}, {"1", 1, "hf"}}))};
}

std::vector<Bytes> pickle_seeds() {
  PickleWriter wrapped(4);  // a training checkpoint, with every kind of value and opcode
  wrapped.raw(std::string("\x95\x02\0\0\0\0\0\0\0", 9)).ordered_dict().op('\x94').op('(').text("epoch").integer(3);
  wrapped.text("lr").raw(std::string("G\x3f\xf0\0\0\0\0\0\0", 9)).text("betas").integer(-1).integer(300).op('\x86');
  wrapped.raw("\x8c\x01m")
      .op(']')
      .op('(')
      .op('N')
      .op('\x88')
      .raw("J\x01\x02\x03\x04")
      .raw("M\x01\x02")
      .op('e')
      .op('q')
      .op('\x05');
  wrapped.raw("U\x01p").op('h').op('\x05').raw("C\x01z").op(')').op('u').text("_metadata").text("collections");
  wrapped.text("OrderedDict").op('\x93').op(')').op('R').op('s').op('}').op('b');
  PickleWriter parameter;
  parameter.op('}').text("w").global("torch._utils", "_rebuild_parameter").op('(');
  append_tensor(parameter, torch_tensors().front());
  parameter.op('\x88').ordered_dict().op('t').op('R').op('s');
  return {bytes_of(torch_pickle(torch_tensors())), bytes_of(torch_pickle(torch_tensors(), true)), bytes_of(wrapped.stop()),
          bytes_of(parameter.stop())};
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

bool read_picture(Input bytes) {
  return attempt([&] { (void)decode_picture(bytes, "picture"); });
}

std::vector<Bytes> png_seeds() {
  const Picture rgb = gradient(13, 9, 3), rgba = gradient(8, 11, 4);
  const auto exif = exif_block(6, true);
  PngForm plain, alpha, interlaced, rotated;
  alpha.colour_type = SPNG_COLOR_TYPE_TRUECOLOR_ALPHA;
  interlaced.interlaced = true;
  rotated.exif = &exif;
  return {make_png(13, 9, plain, rgb.pixels), make_png(8, 11, alpha, rgba.pixels), make_png(13, 9, rotated, rgb.pixels),
          encode_png(rgba)};
}

std::vector<Bytes> jpeg_seeds() {
  const auto exif = exif_block(8, false);
  JpegForm plain, progressive, rotated, grey;
  progressive.progressive = true;
  rotated.exif = &exif;
  grey.space = JCS_GRAYSCALE;
  return {make_jpeg(gradient(19, 14, 3), plain), make_jpeg(gradient(16, 16, 3), progressive),
          make_jpeg(gradient(9, 21, 3), rotated), make_jpeg(gradient(12, 12, 1), grey)};
}

std::vector<Bytes> webp_seeds() { return {make_webp(gradient(15, 10, 3)), make_webp(gradient(9, 9, 4))}; }

}  // namespace

const std::vector<FuzzTarget>& fuzz_targets() {
  static const std::vector<FuzzTarget> targets = [] {
    std::vector<FuzzTarget> all{{"safetensors", read_safetensors, safetensors_seeds},
                                {"torch", read_weights, archive_seeds},
                                {"torch_legacy", read_weights, legacy_seeds},
                                {"pickle", read_pickle, pickle_seeds},
                                {"latent", read_latent, latent_seeds},
                                {"pipeline", read_pipeline_json, pipeline_seeds},
                                {"module", read_module, module_seeds},
                                {"png", read_picture, png_seeds},
                                {"jpeg", read_picture, jpeg_seeds},
                                {"webp", read_picture, webp_seeds}};
    const std::vector<FuzzTarget> assets = asset_targets();
    all.insert(all.end(), assets.begin(), assets.end());
    return all;
  }();
  return targets;
}

}  // namespace espalier::test
