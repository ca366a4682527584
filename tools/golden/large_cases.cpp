// Full-size forwards: folder/image-large/index.json lists the networks, their checkpoints and how inputs are made; each
// file keeps 4096 sampled values, statistics of the whole output and the norm after each block.
#include <cmath>
#include <cstdio>

#include "base/file.h"
#include "models/dino/dino.h"
#include "models/trellis/sparse_structure_flow.h"
#include "models/trellis/sparse_structure_vae.h"
#include "models/trellis/structured_latent_flow.h"
#include "nn/backends.h"
#include "representations.h"

namespace espalier::golden {
namespace {

constexpr float kTime = 700.0F;  // of the index

// Elements floor(i n / 4096), or all of a shorter list.
std::vector<double> sampled(const std::vector<float>& v) {
  const std::size_t n = v.size();
  const std::size_t count = std::min<std::size_t>(n, 4096);
  std::vector<double> out;
  for (std::size_t i = 0; i < count; ++i) out.push_back(v[n <= 4096 ? i : i * n / 4096]);
  return out;
}

void compare_whole(Case& c, const std::string& name, const std::vector<float>& v) {
  c.compare(name + ".values", sampled(v));
  c.compare(name + ".stats", statistics({{v.begin(), v.end()}}));
}

// L2 norms of records PREFIX0, PREFIX1, ...
template <class Dev>
void compare_norms(Case& c, const std::string& tensor, const Recorder<Dev>& recorder, const std::string& prefix) {
  std::vector<double> norms;
  for (int i = 0;; ++i) {
    const auto it = recorder.records().find(prefix + std::to_string(i));
    if (it == recorder.records().end()) break;
    double squares = 0.0;
    for (const float v : it->second.values) squares += static_cast<double>(v) * v;
    norms.push_back(std::sqrt(squares));
  }
  c.compare(tensor, norms);
}

template <class Dev, class T>
struct Large {
  Bench<Dev>& b;
  Case& c;
  const ModuleSource module;
  const std::string seed;
  const Voxels voxels;

  [[nodiscard]] std::vector<float> latent() const {
    return hashed_values(seed, "slat", voxels.rows() * 8, 2.4 * std::sqrt(3.0), 0.0);
  }

  void structure_decoder() const {
    const auto loaded = load_model<SparseStructureDecoder<Dev, T>>(b.queue, *module.tensors,
                                                                   SparseStructureVaeConfig::from_decoder(module.arguments()));
    const auto z = b.template put<float, 5>(hashed_values(seed, "z", 8 * 4096, 2.0 * std::sqrt(3.0), 0.0), {1, 8, 16, 16, 16});
    auto y = b.arena.template take<float, 5>({1, 64, 64, 64, 1});
    Recorder<Dev> recorder;
    loaded->model->forward(b.queue, z, y, &recorder);
    const auto values = b.get(y);
    compare_whole(c, "y", values);
    std::int64_t occupied = 0;
    for (const float v : values) occupied += v > 0.0F ? 1 : 0;
    if (c.rounded()) {
      c.skip("occupied", "less than full precision may flip a voxel whose logit is near zero");
    } else {
      c.compare("occupied", std::vector<std::int64_t>{occupied});
    }
    compare_norms(c, "blocks.l2", recorder, "block");
  }
  void structure_flow() const {
    const auto loaded = load_model<SparseStructureFlow<Dev, T>>(
        b.queue, *module.tensors, SparseStructureFlowConfig::from(module.arguments()), c.format());
    const auto x = b.template put<float, 5>(unit_values(seed, "ss_x", 8 * 4096), {1, 8, 16, 16, 16});
    const auto context = loaded->model->transformer().condition(b.queue, b.arena, condition());
    const std::vector<const Context<Dev, T>*> used{&context};
    auto y = b.arena.template take<float, 5>(x.extents());
    const auto layout = loaded->model->layout(b.queue, b.arena, 1);
    Recorder<Dev> recorder;
    loaded->model->forward(b.queue, x, b.template put<float, 1>(std::vector<float>{kTime}, {1}), layout, used, y, &recorder);
    compare_whole(c, "y", b.get(y));
    compare_norms(c, "blocks.l2", recorder, "block");
  }
  void latent_flow() const {
    const auto loaded = load_model<StructuredLatentFlow<Dev, T>>(
        b.queue, *module.tensors, StructuredLatentFlowConfig::from(module.arguments()), c.format());
    const auto x = b.template put<float, 2>(unit_values(seed, "slat_x", voxels.rows() * 8), {voxels.rows(), 8});
    const auto context = loaded->model->transformer().condition(b.queue, b.arena, condition());
    const std::vector<const Context<Dev, T>*> used{&context};
    auto y = b.arena.template take<float, 2>(x.extents());
    const auto structure = loaded->model->prepare(b.queue, b.arena, voxels);
    Recorder<Dev> recorder;
    loaded->model->forward(b.queue, x, b.template put<float, 1>(std::vector<float>{kTime}, {1}), structure, used, y, &recorder);
    compare_whole(c, "y", b.get(y));
    compare_norms(c, "input_blocks.l2", recorder, "input_blocks");
    compare_norms(c, "blocks.l2", recorder, "blocks");
    compare_norms(c, "out_blocks.l2", recorder, "out_blocks");
  }
  void gaussian_decoder() const {
    const auto loaded = load_model<GaussianDecoder<Dev, T>>(b.queue, *module.tensors,
                                                            GaussianDecoderConfig::from(module.arguments()), c.format());
    const auto& decoder = *loaded->model;
    const auto tokens = decoder.head().transformer().prepare(b.queue, b.arena, voxels);
    auto raw = b.arena.template take<float, 2>({voxels.rows(), decoder.config().channels()});
    Recorder<Dev> recorder;
    decoder.head().forward(b.queue, b.template put<float, 2>(latent(), {voxels.rows(), 8}), tokens, raw, &recorder);
    compare_whole(c, "raw", b.get(raw));
    compare_norms(c, "blocks.l2", recorder, "block");
    const std::int64_t n = voxels.rows() * decoder.config().gaussians.per_voxel;
    const auto field = [&](std::int64_t width) { return b.arena.template take<float, 2>({n, width}); };
    const GaussianFields<Dev> f{field(3), field(3), field(3), field(4), field(1)};
    decoder.fields(b.queue, raw, tokens.coords, f);
    activate_gaussians<Dev>(b.queue, f, decoder.config().gaussians, f);
    compare_whole(c, "xyz", b.get(f.xyz));
    compare_whole(c, "features_dc", b.get(f.dc));
    compare_whole(c, "scaling", b.get(f.scaling));
    compare_whole(c, "rotation", b.get(f.rotation));
    compare_whole(c, "opacity", b.get(f.opacity));
  }
  void radiance_decoder() const {
    const auto loaded = load_model<RadianceDecoder<Dev, T>>(b.queue, *module.tensors,
                                                            RadianceDecoderConfig::from(module.arguments()), c.format());
    const auto tokens = loaded->model->head().transformer().prepare(b.queue, b.arena, voxels);
    auto raw = b.arena.template take<float, 2>({voxels.rows(), loaded->model->config().channels()});
    Recorder<Dev> recorder;
    loaded->model->head().forward(b.queue, b.template put<float, 2>(latent(), {voxels.rows(), 8}), tokens, raw, &recorder);
    const auto values = b.get(raw);
    compare_whole(c, "raw", values);
    compare_norms(c, "blocks.l2", recorder, "block");
    const RadianceField f = split_radiance_field(loaded->model->config(), voxels, values);
    compare_whole(c, "trivec", f.trivec);
    compare_whole(c, "density", f.density);
  }
  void mesh_decoder() const {
    const auto loaded =
        load_model<MeshDecoder<Dev, T>>(b.queue, *module.tensors, MeshDecoderConfig::from(module.arguments()), c.format());
    const auto& decoder = *loaded->model;
    const std::int64_t n = voxels.rows();
    const auto tokens = decoder.transformer().prepare(b.queue, b.arena, voxels);
    const auto neighbours = place<Dev, std::int32_t, 2>(b.queue, b.arena, neighbour_map(voxels), {n, 27});
    auto raw = b.arena.template take<float, 2>({64 * n, decoder.config().channels()});
    auto cubes = b.arena.template take<std::int32_t, 2>({64 * n, 4});
    Recorder<Dev> recorder;
    decoder.forward(b.queue, b.template put<float, 2>(latent(), {n, 8}), tokens, neighbours, voxels, 8 * n, raw, &recorder);
    decoder.cube_coords(b.queue, tokens.coords, cubes);
    compare_whole(c, "raw", b.get(raw));
    compare_norms(c, "blocks.l2", recorder, "block");
    compare_norms(c, "upsample.l2", recorder, "upsample");
    const auto surface = extract<Dev>(b, cubes, raw, decoder.config().grid(), 4, nullptr);
    // The mesh of random features is noise: its counts hang on signs near zero.
    const auto counts = c.input("mesh_counts").to_doubles();
    c.compare_count("mesh_counts", static_cast<double>(surface.vertices.size()) / 3, counts[0], c.rounded() ? 1e-2 : 1e-3);
    for (const char* name : {"vertices.values", "vertices.stats", "attrs.values", "attrs.stats"})
      c.skip(name, "the mesh of random features is noise");
  }
  void dino() const {
    const auto loaded = load_model<Dino<Dev, T>>(b.queue, *module.tensors,
                                                 typename Dino<Dev, T>::Shape{DinoConfig::from(module.arguments()), 518, 518},
                                                 c.format(LayerRows::few));
    const std::int64_t channels = loaded->model->shape().config.channels;
    auto prenorm = b.arena.template take<float, 2>({loaded->model->tokens(), channels});
    auto cond = b.arena.template take<float, 2>(prenorm.extents());
    Recorder<Dev> recorder;
    loaded->model->forward(b.queue,
                           b.template put<float, 4>(unit_values(seed, "image", std::int64_t{3} * 518 * 518), {1, 3, 518, 518}),
                           prenorm, cond, &recorder);
    compare_whole(c, "x_prenorm", b.get(prenorm));
    compare_whole(c, "cond", b.get(cond));
    compare_norms(c, "blocks.l2", recorder, "block");
  }

 private:
  [[nodiscard]] View<Dev, const float, 2> condition() const {
    return b.template put<float, 2>(unit_values(seed, "cond", std::int64_t{1374} * 1024), {1374, 1024});
  }
};

}  // namespace

template <class Dev, class T>
void run_large(Bench<Dev>& b, const RunOptions& options, Tally& tally) {
  const auto folder = options.folder / "image-large";
  const auto file = folder / "index.json";
  const auto bytes = read_file(file, std::uint64_t{1} << 20U);
  const nlohmann::json index = parse_json(file.string(), {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  const Manifest manifest(options.folder / "manifests" / "image-large.json");
  const SafetensorsFile coords_file(folder / "coords.safetensors");
  const std::string coords_name = coords_file.entries().begin()->first;
  const auto coords = coords_file.load(coords_name).to_vector<std::int32_t>(coords_name);
  for (const auto& [name, spec] : index.items()) {
    if (!options.only.empty() && std::find(options.only.begin(), options.only.end(), name) == options.only.end()) continue;
    nlohmann::json case_spec = spec;
    case_spec["tolerance"] = 5e-4;
    Case c(folder, name, case_spec, options.precision, tally);
    c.relax(3e-2);
    const Frame<Dev> frame(b.arena);
    const std::string checkpoint = spec.at("checkpoint").template get<std::string>();
    const Large<Dev, T> run{b, c, manifest.module(checkpoint.substr(checkpoint.rfind('/') + 1)),
                            spec.at("input_seed").template get<std::string>(), make_voxels(coords, 1, 64)};
    if (run.module.class_name == "SparseStructureDecoder") run.structure_decoder();
    if (run.module.class_name == "SparseStructureFlowModel") run.structure_flow();
    if (run.module.class_name == "SLatFlowModel") run.latent_flow();
    if (run.module.class_name == "SLatGaussianDecoder") run.gaussian_decoder();
    if (run.module.class_name == "SLatRadianceFieldDecoder") run.radiance_decoder();
    if (run.module.class_name == "SLatMeshDecoder") run.mesh_decoder();
    if (run.module.class_name == "DinoVisionTransformer") run.dino();
    c.finish();
  }
}

#define ESPALIER_INSTANTIATE(Dev, T) template void run_large<Dev, T>(Bench<Dev>&, const RunOptions&, Tally&);
ESPALIER_FOR_EACH_BACKEND(ESPALIER_INSTANTIATE)
#undef ESPALIER_INSTANTIATE

}  // namespace espalier::golden
