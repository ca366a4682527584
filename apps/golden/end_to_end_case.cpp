// The whole pipeline through the engine that users run.
#include <cstdio>
#include <set>

#include "base/random.h"
#include "image/codec.h"
#include "image/preprocess.h"
#include "nn/backends.h"
#include "pipeline/engine.h"
#include "representations.h"

namespace espalier::golden {
namespace {

std::vector<std::vector<double>> doubles(std::initializer_list<const std::vector<float>*> lists) {
  std::vector<std::vector<double>> out;
  for (const auto* l : lists) out.emplace_back(l->begin(), l->end());
  return out;
}

template <class E>
std::vector<std::uint8_t> bytes_of(const std::vector<E>& v) {
  const auto* p = reinterpret_cast<const std::uint8_t*>(v.data());
  return {p, p + v.size() * sizeof(E)};
}

// Rows of four that are in one list only.
std::size_t count_differences(const std::vector<std::int32_t>& a, const std::vector<std::int32_t>& b) {
  using Row = std::array<std::int32_t, 4>;
  const auto rows = [](const std::vector<std::int32_t>& v) {
    std::set<Row> s;
    for (std::size_t i = 0; i < v.size(); i += 4) s.insert({v[i], v[i + 1], v[i + 2], v[i + 3]});
    return s;
  };
  const std::set<Row> left = rows(a);
  const std::set<Row> right = rows(b);
  std::size_t n = 0;
  for (const Row& r : left) n += right.count(r) == 0 ? 1 : 0;
  for (const Row& r : right) n += left.count(r) == 0 ? 1 : 0;
  return n;
}

template <class Dev, class T>
void decode_latent(Bench<Dev>& b, Case& c, const Voxels& voxels, const std::vector<float>& latent, Engine& engine) {
  const ModuleSource m = c.manifest().checkpoint().module("slat_decoder_gs");
  const auto loaded = load_model<GaussianDecoder<Dev, T>>(b.queue, *m.tensors, GaussianDecoderConfig::from(m.arguments()));
  const auto tokens = loaded->model->head().transformer().prepare(b.queue, b.arena, voxels);
  auto raw = b.arena.template take<float, 2>({voxels.rows(), loaded->model->config().channels()});
  loaded->model->head().forward(
      b.queue, b.template put<float, 2>(latent, {voxels.rows(), static_cast<std::int64_t>(latent.size()) / voxels.rows()}),
      tokens, raw, nullptr);
  compare_gaussians<Dev, T>(b, c, *loaded->model, b.get(raw), tokens.coords);
  const RadianceField f = engine.decode_radiance_field(voxels, latent);
  c.compare("rf.stats", statistics(doubles({&f.trivec, &f.density, &f.features_dc})));
  if (c.half()) {
    for (const std::string& name : c.names()) {
      if (name.rfind("mesh.", 0) == 0) c.skip(name, "half precision may flip a sign near the surface");
    }
    return;
  }
  const auto mesh_module = c.manifest().checkpoint().module("slat_decoder_mesh");
  const auto decoder =
      load_model<MeshDecoder<Dev, T>>(b.queue, *mesh_module.tensors, MeshDecoderConfig::from(mesh_module.arguments()));
  const std::int64_t n = voxels.rows();
  const auto mesh_tokens = decoder->model->transformer().prepare(b.queue, b.arena, voxels);
  const auto neighbours = place<Dev, std::int32_t, 2>(b.queue, b.arena, neighbour_map(voxels), {n, 27});
  auto features = b.arena.template take<float, 2>({64 * n, decoder->model->config().channels()});
  auto cubes = b.arena.template take<std::int32_t, 2>({64 * n, 4});
  decoder->model->forward(b.queue, b.template put<float, 2>(latent, {n, static_cast<std::int64_t>(latent.size()) / n}),
                          mesh_tokens, neighbours, voxels, 4096, features);
  decoder->model->cube_coords(b.queue, mesh_tokens.coords, cubes);
  const auto surface = extract<Dev>(b, cubes, features, decoder->model->config().grid(), 4, nullptr);
  const Mesh mesh = engine.decode_mesh(voxels, latent);
  c.compare_bytes("mesh of the engine", bytes_of(surface.vertices), bytes_of(mesh.vertices));
  compare_mesh(c, "mesh.", surface.vertices, surface.faces, surface.attributes);
}

}  // namespace

template <class Dev, class T>
bool run_end_to_end_case(Bench<Dev>& b, Case& c) {
  if (c.name().rfind("end_to_end", 0) != 0) return false;
  const Frame<Dev> frame(b.arena);
  // Stage by stage in half precision, each from golden inputs; tolerances of the folder's README.
  constexpr double kHalf = 5e-2;
  if (c.half()) c.set_tolerance(kHalf);
  const auto checkpoint = std::make_shared<Checkpoint>(c.manifest().checkpoint());
  EngineOptions options;
  options.cuda = Dev::where == Where::cuda;
  options.ordinal = b.queue.ordinal();
  options.half = c.half();
  options.tier = MemoryTier::low;
  const auto engine = make_engine(options, checkpoint);
  const auto picture = load_picture(c.folder() / "images" / (c.spec().at("image").get<std::string>() + ".in.png"));
  engine->encode({encoder_input(prepare_picture(picture, 518).picture, 518)});
  const auto cond = engine->condition();
  for (const std::string& name : c.names()) {
    if (name.rfind("cond.rows", 0) == 0) c.compare_every(name, cond, c.shape(name)[1]);
  }
  TorchGenerator stream(c.spec().value("seed", 42));
  std::vector<float> noise(static_cast<std::size_t>(engine->structure_noise()));
  stream.randn(noise);
  const StructureSample sample = engine->sample_structure(checkpoint->structure_sampler, noise);
  c.compare("z", sample.latent);
  const auto golden_coords = c.ints("coords");
  std::size_t flipped = 0;
  if (sample.voxels.coords == golden_coords) {
    c.compare("coords", sample.voxels.coords);
  } else {
    flipped = count_differences(sample.voxels.coords, golden_coords);
    std::printf("%-18s %-34s %zu voxels differ\n", c.name().c_str(), "coords", flipped);
    if (!c.half() || flipped > 8) c.compare("coords", sample.voxels.coords);
  }
  const Voxels voxels = make_voxels(golden_coords, 1, engine->voxel_resolution());
  std::vector<float> latent_noise(static_cast<std::size_t>(voxels.rows() * engine->latent_channels()));
  stream.randn(latent_noise);
  const auto latent = engine->sample_latent(voxels, checkpoint->latent_sampler, latent_noise);
  c.compare("slat", latent);
  decode_latent<Dev, T>(b, c, voxels, c.half() ? c.floats("slat") : latent, *engine);
  return true;
}

#define ESPALIER_INSTANTIATE(Dev, T) template bool run_end_to_end_case<Dev, T>(Bench<Dev>&, Case&);
ESPALIER_FOR_EACH_BACKEND(ESPALIER_INSTANTIATE)
#undef ESPALIER_INSTANTIATE

}  // namespace espalier::golden
