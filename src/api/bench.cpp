// Times of all stages with synthetic weights.
#include <algorithm>
#include <chrono>

#include "api/observer_monitor.h"
#include "api/option_checks.h"
#include "api/pipeline.h"
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

// The networks of the registry that have a sample, with the tensors that they declare.
std::shared_ptr<Checkpoint> synthetic_checkpoint(SampleSize size) {
  auto c = std::make_shared<Checkpoint>();
  c->folder = "benchmark";
  c->where = "benchmark";
  for (const NetworkClass& network : trellis_networks().classes()) {
    if (network.sample == nullptr) continue;
    ModuleSource m;
    m.role = network.role;
    m.class_name = network.name;
    m.where = "benchmark: " + m.class_name;
    m.args = network.sample(size);
    const std::string seed = "bench/" + m.role;
    m.tensors = std::make_shared<SyntheticSource>(seed, network.plan(m)->declare(SyntheticSource(seed, {})));
    c->modules[network.role] = std::move(m);
  }
  return c;
}

// One asset after another, network by network in the order of the registry. The session, the settings and the voxels must
// outlive it.
class Walk {
 public:
  Walk(Session& session, const Samplers& samplers, const Voxels& voxels, std::vector<float> distances)
      : session_(session), samplers_(samplers), voxels_(voxels), distances_(std::move(distances)) {
    TorchGenerator stream(0);
    pixels_ = draw_noise(stream, 3 * 518 * 518);
    for (const NetworkClass& network : trellis_networks().classes()) {
      if (network.sample != nullptr && session.plan(network.role).kind() == Flow::kKind)
        noise_[network.role] = draw_noise(stream, session.network<Flow>(network.role).noise_values(voxels_of(network)));
    }
  }

  // The mesh of the asset is that of the last call. Returns the seconds that it took.
  double run() {
    images_.assign(1, pixels_);  // just written, as an image comes from its preparation
    const auto start = std::chrono::steady_clock::now();
    for (const NetworkClass& network : trellis_networks().classes()) {
      if (network.sample != nullptr) run(network);
    }
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
  [[nodiscard]] const Mesh& mesh() const { return mesh_; }

 private:
  // What a flow works on: a volume, or the voxels.
  [[nodiscard]] const Voxels* voxels_of(const NetworkClass& network) const {
    return network.group == ResidencyGroup::structure ? nullptr : &voxels_;
  }

  void run(const NetworkClass& network) {
    const char* const role = network.role;
    const std::string_view kind = session_.plan(role).kind();
    if (kind == ImageEncoder::kKind) {
      condition_ = session_.network<ImageEncoder>(role).encode(images_);
    } else if (kind == Flow::kKind) {
      const Voxels* const voxels = voxels_of(network);
      sample_ = session_.network<Flow>(role).sample({.noise = noise_.at(role), .voxels = voxels}, condition_,
                                                    voxels == nullptr ? samplers_.structure : samplers_.latent);
    } else if (kind == StructureDecoder::kKind) {
      (void)session_.network<StructureDecoder>(role).decode(sample_);
    } else if (kind == GaussianNetwork::kKind) {
      (void)session_.network<GaussianNetwork>(role).decode(voxels_, sample_);
    } else if (kind == MeshNetwork::kKind) {
      mesh_ = session_.network<MeshNetwork>(role).decode(voxels_, sample_, SurfaceRule::reference, distances_);
    } else {
      fail(ErrorCode::internal, "bench: ", network.name, " has a sample, but there is no step for ", kind);
    }
  }

  Session& session_;
  const Samplers& samplers_;
  const Voxels& voxels_;
  std::vector<float> distances_, pixels_, sample_;
  std::map<std::string, std::vector<float>> noise_;
  std::vector<std::vector<float>> images_;
  Condition condition_;
  Mesh mesh_;
};

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

SessionOptions session_options_of(const BenchOptions& options) {
  SessionOptions where;
  where.device = DeviceChoice::named(options.device);
  where.precision = precision_on(options.precision, where.device);
  where.tier = MemoryTier::high;
  return where;
}

std::shared_ptr<Checkpoint> sample_checkpoint(const BenchOptions& options) {
  return synthetic_checkpoint(options.quick ? SampleSize::small : SampleSize::large);
}

void check_cancelled(const Observer& observer) {
  if (observer.cancelled && observer.cancelled()) fail(ErrorCode::cancelled, "cancelled on request");
}

}  // namespace

std::vector<BenchRow> bench(const BenchOptions& options, const Observer& observer) {
  const auto report = [&](const std::string& line) {
    if (observer.message) observer.message(line);
  };
  check_bench(options);
  const Voxels voxels = workload_voxels(options.voxels);
  report(str("workload ", options.voxels, ": ", voxels.rows(), " voxels; with synthetic weights"));
  Session session(session_options_of(options), sample_checkpoint(options), trellis_networks());
  const Samplers samplers = samplers_of(options);
  const auto& [structure, latent] = samplers;
  report(str("samplers: ", describe(structure, 1), "; ", describe(latent, 1), "; ", evaluations(structure, 1), " and ",
             evaluations(latent, 1), " evaluations"));
  report("device " + session.device_name() + ", " + session.precision_name());
  Walk walk(session, samplers, voxels, workload_distances(options.voxels, voxels));

  std::map<Stage, std::vector<double>> wall, on_device;
  std::map<Stage, std::uint64_t> peak;
  std::vector<double> whole;
  const int runs = options.quick ? 1 : options.repetitions + 1;
  for (int run = 0; run < runs; ++run) {
    check_cancelled(observer);
    (void)session.take_costs();
    const double seconds = walk.run();
    const Mesh& mesh = walk.mesh();
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

namespace {

// Assets that are sampled together, each with its image and its noise.
class BatchWorkload {
 public:
  BatchWorkload(const BenchOptions& options, int most)
      : session_(session_options_of(options), sample_checkpoint(options), trellis_networks()),
        samplers_(samplers_of(options)),
        voxels_(workload_voxels(options.voxels)),
        distances_(workload_distances(options.voxels, voxels_)) {
    TorchGenerator stream(0);
    for (int i = 0; i < most; ++i) {
      inputs_.push_back({{draw_noise(stream, 3 * 518 * 518)},
                         draw_noise(stream, session_.network<Flow>(kStructureFlow).noise_values(nullptr)),
                         draw_noise(stream, session_.network<Flow>(kLatentFlow).noise_values(&voxels_))});
    }
  }
  [[nodiscard]] Session& session() { return session_; }
  [[nodiscard]] std::int64_t voxels() const { return voxels_.rows(); }

  void run(int assets) {
    const std::span all(inputs_.data(), static_cast<std::size_t>(assets));
    std::vector<Condition> conditions;
    for (const Input& input : all) conditions.push_back(session_.network<ImageEncoder>(kImageEncoder).encode(input.image));
    std::vector<Flow::Member> structures, latents;
    for (std::size_t i = 0; i < all.size(); ++i) {
      structures.push_back({{.noise = all[i].structure}, &conditions[i]});
      latents.push_back({{.noise = all[i].latent, .voxels = &voxels_}, &conditions[i]});
    }
    const auto volumes = session_.network<Flow>(kStructureFlow).sample_each(structures, samplers_.structure);
    for (const auto& volume : volumes) (void)session_.network<StructureDecoder>(kStructureDecoder).decode(volume);
    const auto samples = session_.network<Flow>(kLatentFlow).sample_each(latents, samplers_.latent);
    for (const auto& sample : samples) {
      (void)session_.network<GaussianNetwork>(kGaussianDecoder).decode(voxels_, sample);
      (void)session_.network<MeshNetwork>(kMeshDecoder).decode(voxels_, sample, SurfaceRule::reference, distances_);
    }
  }

 private:
  struct Input {
    std::vector<std::vector<float>> image;
    std::vector<float> structure, latent;
  };

  Session session_;
  Samplers samplers_;
  Voxels voxels_;
  std::vector<float> distances_;
  std::vector<Input> inputs_;
};

}  // namespace

std::vector<BatchBenchRow> bench_batches(const BenchOptions& options, const Observer& observer) {
  check_bench(options);
  require(!options.batches.empty(), "bench_batches", "no batches");
  for (const int assets : options.batches)
    require(assets >= 1 && assets <= kMostTogether, "bench_batches", "a batch of ", assets, " is not in [1, ", kMostTogether,
            "]");
  const auto report = [&](const std::string& line) {
    if (observer.message) observer.message(line);
  };
  const ObserverMonitor monitor(observer);  // the session looks at it to its end
  BatchWorkload workload(options, *std::max_element(options.batches.begin(), options.batches.end()));
  Session& session = workload.session();
  session.set_hooks({.progress = {}, .monitor = &monitor, .measure_memory = false});
  report(str("workload ", options.voxels, ": ", workload.voxels(), " voxels; with synthetic weights"));
  report("device " + session.device_name() + ", " + session.precision_name());
  std::vector<BatchBenchRow> rows;
  for (const int assets : options.batches) {
    std::vector<double> wall, on_device, sampling;
    BatchBenchRow row{.assets = assets};
    const int runs = options.quick ? 1 : options.repetitions + 1;
    for (int run = 0; run < runs; ++run) {
      check_cancelled(observer);
      (void)session.take_costs();
      const auto start = std::chrono::steady_clock::now();
      workload.run(assets);
      const double ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
      report(str(assets, " together, run ", run, ": ", ms, " ms"));
      if (run == 0 && runs > 1) continue;  // the first run warms up libraries and plans
      wall.push_back(ms);
      double device = 0.0, flows = 0.0;
      for (const StageCost& c : session.take_costs()) {
        device += c.device_ms;
        if (c.stage == Stage::sample_structure || c.stage == Stage::sample_latent) flows += c.seconds * 1000.0;
        row.peak_bytes = std::max<std::uint64_t>(row.peak_bytes, c.weight_bytes + c.peak_bytes);
      }
      on_device.push_back(device);
      sampling.push_back(flows);
    }
    row.wall_ms = median(wall);
    row.device_ms = median(on_device);
    row.sampling_ms = median(sampling);
    rows.push_back(row);
  }
  return rows;
}

}  // namespace espalier
