// Times of all stages with made-up weights.
#include <algorithm>
#include <chrono>

#include "api/device.h"
#include "api/workload.h"
#include "base/random.h"
#include "models/dino/dino.h"
#include "models/trellis/slat_decoder.h"
#include "models/trellis/sparse_structure_flow.h"
#include "models/trellis/sparse_structure_vae.h"
#include "models/trellis/structured_latent_flow.h"
#include "session/engine.h"
#include "weights/made_up.h"

namespace espalier {
namespace {

using nlohmann::json;

// Sizes of a configuration: those of image-large, or small ones that only show that everything runs.
struct Sizes {
  int channels, blocks, heads, condition, io_channels, decoder_channels, decoder_blocks, decoder_heads;
  std::vector<int> volume;
  int encoder_channels, encoder_blocks, encoder_heads, gaussians;
};
const Sizes kLarge{1024, 24, 16, 1024, 128, 768, 12, 12, {512, 128, 32}, 1024, 24, 16, 32};
const Sizes kQuick{64, 2, 2, 64, 32, 256, 2, 4, {32, 16, 8}, 64, 2, 2, 8};

template <class Model, class Config>
void add(Checkpoint& c, Queue<Cpu>& queue, const std::string& role, const std::string& class_name, json args, Config from) {
  ModuleSource m;
  m.role = role;
  m.class_name = class_name;
  m.where = "benchmark: " + class_name;
  m.args = std::move(args);
  m.tensors = made_up_for<Model>(queue, "bench/" + role, from(m.arguments()));
  c.modules[role] = std::move(m);
}

std::shared_ptr<Checkpoint> made_up_checkpoint(const Sizes& s) {
  auto c = std::make_shared<Checkpoint>();
  c->folder = "benchmark";
  c->latent_mean.assign(8, 0.0F);
  c->latent_std.assign(8, 1.0F);
  Queue<Cpu> queue;
  const json flow{{"in_channels", 8},
                  {"out_channels", 8},
                  {"model_channels", s.channels},
                  {"cond_channels", s.condition},
                  {"num_blocks", s.blocks},
                  {"num_heads", s.heads},
                  {"mlp_ratio", 4},
                  {"qk_rms_norm", true}};
  json structure = flow;
  structure.update({{"resolution", 16}, {"patch_size", 1}});
  json latent = flow;
  latent.update({{"resolution", 64}, {"patch_size", 2}, {"num_io_res_blocks", 2}, {"io_block_channels", {s.io_channels}}});
  const json decoder{{"resolution", 64},
                     {"model_channels", s.decoder_channels},
                     {"latent_channels", 8},
                     {"num_blocks", s.decoder_blocks},
                     {"num_heads", s.decoder_heads},
                     {"attn_mode", "swin"},
                     {"window_size", 8}};
  json gaussian = decoder;
  gaussian["representation_config"] = {
      {"lr", {{"_xyz", 1.0}, {"_features_dc", 1.0}, {"_opacity", 1.0}, {"_scaling", 1.0}, {"_rotation", 0.1}}},
      {"voxel_size", 1.5},
      {"num_gaussians", s.gaussians},
      {"3d_filter_kernel_size", 0.0009},
      {"scaling_bias", 0.004},
      {"opacity_bias", 0.1},
      {"scaling_activation", "softplus"}};
  json mesh = decoder;
  mesh["representation_config"] = {{"use_color", true}};
  add<SparseStructureFlow<Cpu, float>>(*c, queue, "sparse_structure_flow_model", "SparseStructureFlowModel", structure,
                                       SparseStructureFlowConfig::from);
  add<SparseStructureDecoder<Cpu, float>>(*c, queue, "sparse_structure_decoder", "SparseStructureDecoder",
                                          {{"out_channels", 1},
                                           {"latent_channels", 8},
                                           {"num_res_blocks", 2},
                                           {"num_res_blocks_middle", 2},
                                           {"channels", s.volume}},
                                          SparseStructureVaeConfig::from_decoder);
  add<StructuredLatentFlow<Cpu, float>>(*c, queue, "slat_flow_model", "SLatFlowModel", latent,
                                        StructuredLatentFlowConfig::from);
  add<GaussianDecoder<Cpu, float>>(*c, queue, "slat_decoder_gs", "SLatGaussianDecoder", gaussian, GaussianDecoderConfig::from);
  add<MeshDecoder<Cpu, float>>(*c, queue, "slat_decoder_mesh", "SLatMeshDecoder", mesh, MeshDecoderConfig::from);
  const json encoder{{"embed_dim", s.encoder_channels}, {"depth", s.encoder_blocks}, {"num_heads", s.encoder_heads},
                     {"num_register_tokens", 4},        {"init_values", 1.0},        {"interpolate_antialias", true}};
  add<Dino<Cpu, float>>(*c, queue, kImageEncoder, "DinoVisionTransformer", encoder, [](Arguments args) {
    return Dino<Cpu, float>::Shape{DinoConfig::from(std::move(args)), 518, 518};
  });
  return c;
}

double median(std::vector<double> v) {
  std::sort(v.begin(), v.end());
  return v.empty() ? 0.0 : v[v.size() / 2];
}

// Stages as the baseline names them, with its device times on an H100 for 12k and 24k voxels (0: not measured).
struct Row {
  const char* stage;
  const char* name;
  double baseline_12k, baseline_24k;
};
constexpr Row kRows[] = {{"encoding the picture", "image encoder", 3.33, 3.33},
                         {"sampling the sparse structure", "SS sampling", 389, 389},
                         {"decoding the sparse structure", "SS decoder", 5.25, 5.25},
                         {"sampling the structured latent", "SLAT sampling", 381, 631},
                         {"decoding the Gaussians", "Gaussian decoder", 10.3, 0},
                         {"decoding the mesh", "mesh network", 27.4, 0},
                         {"extracting the surface", "FlexiCubes", 23.5, 0}};
constexpr double kEndToEnd12k = 838;

}  // namespace

std::vector<BenchRow> bench(const BenchOptions& options, const Observer& observer) {
  const auto tell = [&](const std::string& line) {
    if (observer.message) observer.message(line);
  };
  if (options.repetitions < 1 || options.repetitions > 1000)
    fail(ErrorCode::invalid_argument, "repetitions must be between 1 and 1000");
  const Voxels voxels = workload_voxels(options.voxels);
  tell(str("workload ", options.voxels, ": ", voxels.rows(), " voxels; making up weights"));
  const auto checkpoint = made_up_checkpoint(options.quick ? kQuick : kLarge);
  const EngineOptions device = engine_options(options.device, options.precision, MemoryTier::high);
  const auto engine = make_engine(device, checkpoint);
  tell("device " + engine->device_name() + ", " + engine->precision_name());
  engine->set_distances(workload_distances(options.voxels, voxels));

  SamplerSettings structure;
  structure.steps = options.quick ? 2 : 12;
  structure.rescale_t = 3.0;
  structure.guided = true;
  structure.strength = 7.5;
  structure.interval_lo = 0.5;
  SamplerSettings latent = structure;
  latent.strength = 3.0;
  TorchGenerator stream(0);
  std::vector<float> picture(3 * 518 * 518);
  std::vector<float> structure_noise(static_cast<std::size_t>(engine->structure_noise()));
  std::vector<float> latent_noise(static_cast<std::size_t>(voxels.rows() * 8));
  stream.randn(picture);
  stream.randn(structure_noise);
  stream.randn(latent_noise);

  std::map<std::string, std::vector<double>> wall, on_device;
  std::map<std::string, std::uint64_t> peak;
  std::vector<double> whole;
  const int runs = options.quick ? 1 : options.repetitions + 1;
  for (int run = 0; run < runs; ++run) {
    if (observer.cancelled && observer.cancelled()) fail(ErrorCode::cancelled, "cancelled on request");
    (void)engine->take_costs();
    const auto start = std::chrono::steady_clock::now();
    engine->encode({picture});
    (void)engine->sample_structure(structure, structure_noise);
    const auto sample = engine->sample_latent(voxels, latent, latent_noise);
    (void)engine->decode_gaussians(voxels, sample);
    const Mesh mesh = engine->decode_mesh(voxels, sample);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    tell(str("run ", run, ": ", seconds * 1000.0, " ms, ", mesh.vertex_count(), " vertices, ", mesh.face_count(), " faces"));
    if (run == 0 && runs > 1) continue;  // the first run warms up libraries and plans
    whole.push_back(seconds * 1000.0);
    for (const StageCost& c : engine->take_costs()) {
      wall[c.name].push_back(c.seconds * 1000.0);
      on_device[c.name].push_back(c.device_ms);
      peak[c.name] = std::max<std::uint64_t>(peak[c.name], c.weight_bytes + c.peak_bytes);
    }
  }
  std::vector<BenchRow> rows;
  const bool small = options.voxels == "12k";
  std::uint64_t most = 0;
  for (const Row& r : kRows) {
    most = std::max(most, peak[r.stage]);
    rows.push_back({r.name, median(wall[r.stage]), median(on_device[r.stage]),
                    options.quick ? 0.0 : (small ? r.baseline_12k : r.baseline_24k), peak[r.stage]});
  }
  rows.push_back({"end to end", median(whole), 0.0, small && !options.quick ? kEndToEnd12k : 0.0, most});
  return rows;
}

}  // namespace espalier
