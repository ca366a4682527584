// Times of all stages with synthetic weights.
#include <algorithm>
#include <chrono>

#include "api/option_checks.h"
#include "api/workload.h"
#include "base/random.h"
#include "espalier/diagnostics.h"
#include "recipes/trellis_latent.h"
#include "samplers/reuse.h"
#include "session/session.h"
#include "weights/synthetic.h"

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

// A network with the tensors that its class declares for these arguments.
void add(Checkpoint& c, const std::string& role, const std::string& class_name, json args) {
  ModuleSource m;
  m.role = role;
  m.class_name = class_name;
  m.where = "benchmark: " + class_name;
  m.args = std::move(args);
  const std::string seed = "bench/" + role;
  const auto plan = trellis_networks().find(class_name, m.where).plan(m);
  m.tensors = std::make_shared<SyntheticSource>(seed, plan->declare(SyntheticSource(seed, {})));
  c.modules[role] = std::move(m);
}

std::shared_ptr<Checkpoint> synthetic_checkpoint(const Sizes& s) {
  auto c = std::make_shared<Checkpoint>();
  c->folder = "benchmark";
  c->where = "benchmark";
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
  add(*c, kStructureFlow, "SparseStructureFlowModel", structure);
  add(*c, kStructureDecoder, "SparseStructureDecoder",
      {{"out_channels", 1},
       {"latent_channels", 8},
       {"num_res_blocks", 2},
       {"num_res_blocks_middle", 2},
       {"channels", s.volume}});
  add(*c, kLatentFlow, "SLatFlowModel", latent);
  add(*c, kGaussianDecoder, "SLatGaussianDecoder", gaussian);
  add(*c, kMeshDecoder, "SLatMeshDecoder", mesh);
  const json encoder{{"embed_dim", s.encoder_channels}, {"depth", s.encoder_blocks}, {"num_heads", s.encoder_heads},
                     {"num_register_tokens", 4},        {"init_values", 1.0},        {"interpolate_antialias", true}};
  add(*c, kImageEncoder, "DinoVisionTransformer", encoder);
  return c;
}

double median(std::vector<double> v) {
  std::sort(v.begin(), v.end());
  return v.empty() ? 0.0 : v[v.size() / 2];
}

// Device times of the baseline's stages on an H100 for 12k and 24k voxels (0: not measured).
struct Row {
  Stage stage;
  double baseline_12k, baseline_24k;
};
constexpr Row kRows[] = {{Stage::encode_image, 3.33, 3.33},     {Stage::sample_structure, 389, 389},
                         {Stage::decode_structure, 5.25, 5.25}, {Stage::sample_latent, 381, 631},
                         {Stage::decode_gaussians, 10.3, 0},    {Stage::decode_mesh, 27.4, 0},
                         {Stage::extract_surface, 23.5, 0}};
constexpr double kEndToEnd12k = 838;

Request request_of(const BenchOptions& options) {
  Request request;
  request.structure = options.structure;
  request.latent = options.latent;
  request.preset = options.preset;
  return request;
}

// The workload's samplers, unless others are asked for.
Samplers samplers_of(const BenchOptions& options) {
  TrellisSettings own;
  own.structure.steps = options.quick ? 2 : 12;
  own.structure.rescale_t = 3.0;
  own.structure.guided = true;
  own.structure.strength = 7.5;
  own.structure.interval_lo = 0.5;
  own.latent = own.structure;
  own.latent.strength = 3.0;
  return samplers_for(own, request_of(options), 1);
}

// Whether the samplers are those of the baseline.
bool is_workload(const BenchOptions& options) {
  const auto same = [](const SamplerSettings& a, const SamplerSettings& b) {
    return describe(a, 1) == describe(b, 1) && evaluations(a, 1) == evaluations(b, 1);
  };
  const Samplers asked = samplers_of(options), own = samplers_of({.quick = options.quick});
  return !options.quick && same(asked.structure, own.structure) && same(asked.latent, own.latent);
}

}  // namespace

std::vector<BenchRow> bench(const BenchOptions& options, const Observer& observer) {
  const auto report = [&](const std::string& line) {
    if (observer.message) observer.message(line);
  };
  check_bench(options);
  const Voxels voxels = workload_voxels(options.voxels);
  report(str("workload ", options.voxels, ": ", voxels.rows(), " voxels; with synthetic weights"));
  const auto checkpoint = synthetic_checkpoint(options.quick ? kQuick : kLarge);
  SessionOptions where;
  where.device = DeviceChoice::named(options.device);
  where.half = options.precision == Precision::half || (options.precision == Precision::automatic && where.device.cuda);
  where.tier = MemoryTier::high;
  Session session(where, checkpoint, trellis_networks());
  const auto [structure, latent] = samplers_of(options);
  report(str("samplers: ", describe(structure, 1), "; ", describe(latent, 1), "; ", evaluations(structure, 1), " and ",
             evaluations(latent, 1), " evaluations"));
  report("device " + session.device_name() + ", " + session.precision_name());
  const std::vector<float> distances = workload_distances(options.voxels, voxels);

  TorchGenerator stream(0);
  const std::vector<float> pixels = draw_noise(stream, 3 * 518 * 518);
  const auto structure_noise = draw_noise(stream, session.network<Flow>(kStructureFlow).noise_values(nullptr));
  const auto latent_noise = draw_noise(stream, session.network<Flow>(kLatentFlow).noise_values(&voxels));

  std::map<Stage, std::vector<double>> wall, on_device;
  std::map<Stage, std::uint64_t> peak;
  std::vector<double> whole;
  Condition condition;
  const int runs = options.quick ? 1 : options.repetitions + 1;
  for (int run = 0; run < runs; ++run) {
    if (observer.cancelled && observer.cancelled()) fail(ErrorCode::cancelled, "cancelled on request");
    (void)session.take_costs();
    const std::vector<std::vector<float>> image{pixels};  // just written, as it comes from its preparation
    const auto start = std::chrono::steady_clock::now();
    condition = session.network<ImageEncoder>(kImageEncoder).encode(image);
    const auto volume = session.network<Flow>(kStructureFlow).sample({.noise = structure_noise}, condition, structure);
    (void)session.network<StructureDecoder>(kStructureDecoder).decode(volume);
    const auto sample =
        session.network<Flow>(kLatentFlow).sample({.noise = latent_noise, .voxels = &voxels}, condition, latent);
    (void)session.network<GaussianNetwork>(kGaussianDecoder).decode(voxels, sample);
    const Mesh mesh = session.network<MeshNetwork>(kMeshDecoder).decode(voxels, sample, SurfaceRule::reference, distances);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    report(str("run ", run, ": ", seconds * 1000.0, " ms, ", mesh.vertex_count(), " vertices, ", mesh.face_count(), " faces"));
    if (run == 0 && runs > 1) continue;  // the first run warms up libraries and plans
    whole.push_back(seconds * 1000.0);
    for (const StageCost& c : session.take_costs()) {
      wall[c.stage].push_back(c.seconds * 1000.0);
      on_device[c.stage].push_back(c.device_ms);
      peak[c.stage] = std::max<std::uint64_t>(peak[c.stage], c.weight_bytes + c.peak_bytes);
    }
  }
  std::vector<BenchRow> rows;
  const bool small = options.voxels == "12k", compared = is_workload(options);
  std::uint64_t most = 0;
  for (const Row& r : kRows) {
    most = std::max(most, peak[r.stage]);
    const bool sampling = r.stage == Stage::sample_structure || r.stage == Stage::sample_latent;
    const double baseline = options.quick || (sampling && !compared) ? 0.0 : (small ? r.baseline_12k : r.baseline_24k);
    rows.push_back(
        {std::string(stage_id(r.stage)), median(wall[r.stage]), median(on_device[r.stage]), baseline, peak[r.stage]});
  }
  rows.push_back({"end to end", median(whole), 0.0, small && compared ? kEndToEnd12k : 0.0, most});
  return rows;
}

}  // namespace espalier
