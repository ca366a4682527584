// Cases of the autoencoder, the latent decoders, the image encoder and the surface extraction.
#include <algorithm>
#include <cmath>

#include "models/dino/dino.h"
#include "models/trellis/sparse_structure_vae.h"
#include "nn/backends.h"
#include "representations.h"

namespace espalier::golden {
namespace {

bool starts(const Case& c, const char* prefix) { return c.name().rfind(prefix, 0) == 0; }

ModuleSource module_of(Case& c) { return c.manifest().module(c.spec().at("checkpoint").get<std::string>()); }

// Channels-last rows -> channels-first order.
std::vector<float> channels_first(const std::vector<float>& rows, std::int64_t batch, std::int64_t cells,
                                  std::int64_t channels) {
  std::vector<float> out(rows.size());
  for (std::int64_t n = 0; n < batch; ++n) {
    for (std::int64_t i = 0; i < cells; ++i) {
      for (std::int64_t ch = 0; ch < channels; ++ch) {
        out[static_cast<std::size_t>((n * channels + ch) * cells + i)] =
            rows[static_cast<std::size_t>((n * cells + i) * channels + ch)];
      }
    }
  }
  return out;
}

// mid.NAME of volumes is out[:, :4, n:n+4, n:n+4, n:n+4] with n = side / 4, cut off where the volume ends.
template <class Dev>
void compare_crops(Case& c, const Recorder<Dev>& recorder, std::int64_t batch) {
  for (const auto& [name, record] : recorder.records()) {
    if (!c.has("mid." + name)) continue;
    const std::int64_t channels = record.channels;
    const auto cells = static_cast<std::int64_t>(record.values.size()) / channels / batch;
    std::int64_t side = 1;
    while (side * side * side < cells) ++side;
    const std::int64_t n = side / 4;
    const std::int64_t end = std::min(n + 4, side);
    std::vector<double> crop;
    for (std::int64_t row = 0; row < batch * std::min<std::int64_t>(4, channels); ++row) {
      const std::int64_t element = row / std::min<std::int64_t>(4, channels);
      const std::int64_t ch = row % std::min<std::int64_t>(4, channels);
      for (std::int64_t i = n; i < end; ++i) {
        for (std::int64_t j = n; j < end; ++j) {
          for (std::int64_t k = n; k < end; ++k) {
            crop.push_back(
                record.values[static_cast<std::size_t>((element * cells + (i * side + j) * side + k) * channels + ch)]);
          }
        }
      }
    }
    c.compare("mid." + name, crop);
  }
}

// The voxels of a decoder's case.
Voxels voxels_of(Case& c, int resolution) {
  const auto coords = c.ints("coords");
  return make_voxels(coords, batch_of(coords), resolution);
}

// The buffer as the checkpoint stores it.
std::vector<float> perturbation_of(const ModuleSource& m) {
  std::vector<std::byte> staging;
  const TensorEntry entry = m.tensors->read("offset_perturbation");
  const float* values = convert_tensor<float>(m.where, "offset_perturbation", entry, Order::as_stored, staging);
  return {values, values + checked_size(entry.extents)};
}

template <class Dev, class T>
void run_structure_decoder(Bench<Dev>& b, Case& c) {
  const ModuleSource m = module_of(c);
  const auto loaded =
      load_model<SparseStructureDecoder<Dev, T>>(b.queue, *m.tensors, SparseStructureVaeConfig::from_decoder(m.arguments()));
  const auto zs = c.shape("z");
  const std::int64_t side = zs[2] * loaded->model->config().scale();
  const std::int64_t channels = loaded->model->config().in_channels;
  const auto z = b.template put<float, 5>(c.floats("z"), {zs[0], zs[1], zs[2], zs[3], zs[4]});
  auto y = b.arena.template take<float, 5>({zs[0], side, side, side, channels});
  Recorder<Dev> recorder;
  loaded->model->forward(b.queue, z, y, &recorder);
  compare_crops(c, recorder, zs[0]);
  const auto values = channels_first(b.get(y), zs[0], side * side * side, channels);
  c.compare("y", values);
  std::vector<std::int32_t> coords;
  for (std::int64_t i = 0; i < static_cast<std::int64_t>(values.size()); ++i) {
    if (!(values[static_cast<std::size_t>(i)] > 0.0F)) continue;
    const auto at = [&](std::int64_t v) { return static_cast<std::int32_t>(v); };
    coords.insert(coords.end(),
                  {at(i / (side * side * side)), at(i / (side * side) % side), at(i / side % side), at(i % side)});
  }
  if (c.rounded()) {
    c.skip("coords", "less than full precision may flip a voxel whose logit is near zero");
  } else {
    c.compare("coords", coords);
  }
}

template <class Dev, class T>
void run_structure_encoder(Bench<Dev>& b, Case& c) {
  const ModuleSource m = module_of(c);
  const auto loaded =
      load_model<SparseStructureEncoder<Dev, T>>(b.queue, *m.tensors, SparseStructureVaeConfig::from_encoder(m.arguments()));
  const auto& cfg = loaded->model->config();
  const auto ms = c.shape("mean");
  const std::int64_t side = ms[2] * cfg.scale();
  std::vector<float> grid(static_cast<std::size_t>(side * side * side), 0.0F);
  const auto occupied = c.ints("occupied");
  for (std::size_t i = 0; i < occupied.size(); i += 3) {
    grid[static_cast<std::size_t>((occupied[i] * side + occupied[i + 1]) * side + occupied[i + 2])] = 1.0F;
  }
  auto y = b.arena.template take<float, 5>({1, ms[2], ms[3], ms[4], 2 * cfg.latent_channels});
  loaded->model->forward(b.queue, b.template put<float, 5>(grid, {1, 1, side, side, side}), y);
  const auto values = channels_first(b.get(y), 1, ms[2] * ms[3] * ms[4], 2 * cfg.latent_channels);
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  c.compare("mean", std::vector<float>(values.begin(), middle));
  c.compare("logvar", std::vector<float>(middle, values.end()));
}

template <class Dev, class T>
void run_gaussian_decoder(Bench<Dev>& b, Case& c) {
  const ModuleSource m = module_of(c);
  const auto loaded =
      load_model<GaussianDecoder<Dev, T>>(b.queue, *m.tensors, GaussianDecoderConfig::from(m.arguments()), c.format());
  const auto& decoder = *loaded->model;
  const Voxels voxels = voxels_of(c, decoder.config().transformer.resolution);
  const auto latent = b.template put<float, 2>(c.floats("slat"), {voxels.rows(), c.shape("slat")[1]});
  const auto tokens = decoder.head().transformer().prepare(b.queue, b.arena, voxels);
  auto raw = b.arena.template take<float, 2>({voxels.rows(), decoder.config().channels()});
  Recorder<Dev> recorder;
  decoder.head().forward(b.queue, latent, tokens, raw, &recorder);
  recorder.compare(c, "mid");
  const auto values = b.get(raw);
  c.compare("raw", values);
  c.compare_every("raw.rows8", values, decoder.config().channels());
  if (c.has("offset_perturbation")) c.compare("offset_perturbation", perturbation_of(m));
  compare_gaussians<Dev, T>(b, c, decoder, values, tokens.coords);
}

template <class Dev, class T>
void run_radiance_decoder(Bench<Dev>& b, Case& c) {
  const ModuleSource m = module_of(c);
  const auto loaded =
      load_model<RadianceDecoder<Dev, T>>(b.queue, *m.tensors, RadianceDecoderConfig::from(m.arguments()), c.format());
  const auto& decoder = *loaded->model;
  const Voxels voxels = voxels_of(c, decoder.config().transformer.resolution);
  const auto latent = b.template put<float, 2>(c.floats("slat"), {voxels.rows(), c.shape("slat")[1]});
  const auto tokens = decoder.head().transformer().prepare(b.queue, b.arena, voxels);
  auto raw = b.arena.template take<float, 2>({voxels.rows(), decoder.config().channels()});
  Recorder<Dev> recorder;
  decoder.head().forward(b.queue, latent, tokens, raw, &recorder);
  recorder.compare(c, "mid");
  const auto values = b.get(raw);
  c.compare("raw", values);
  const RadianceField f = split_radiance_field(decoder.config(), voxels, values);
  c.compare_every("trivec", f.trivec, std::int64_t{3} * f.rank * f.dim);
  c.compare_every("density", f.density, f.rank);
  c.compare_every("features_dc", f.features_dc, std::int64_t{3} * f.rank);
  c.compare("position", f.position);
  c.compare("depth", std::vector<int>(static_cast<std::size_t>(voxels.rows()), f.depth()));
  c.compare("aabb", std::vector<double>{-0.5, -0.5, -0.5, 1.0, 1.0, 1.0});
}

// Features to extract the case's surface from: the decoder's own, or the golden ones where a signed distance lies nearer
// to 0 than the two lie to each other, so that its sign is not the decoder's to say.
template <class Dev>
View<Dev, const float, 2> surface_features(Bench<Dev>& b, Case& c, In<Dev, float, 2> raw) {
  if (!c.has("info.sdf_margin") || !c.has("raw")) return raw;
  const auto golden = c.floats("raw");
  const auto own = b.get(raw);
  double apart = 0.0;
  for (std::size_t i = 0; i < own.size() && i < golden.size(); ++i)
    apart = std::max(apart, static_cast<double>(std::abs(own[i] - golden[i])));
  if (golden.size() != own.size() || c.floats("info.sdf_margin").at(0) > apart) return raw;
  return b.template put<float, 2>(golden, raw.extents());
}

template <class Dev, class T>
void run_mesh_decoder(Bench<Dev>& b, Case& c) {
  const ModuleSource m = module_of(c);
  const auto loaded = load_model<MeshDecoder<Dev, T>>(b.queue, *m.tensors, MeshDecoderConfig::from(m.arguments()), c.format());
  const auto& decoder = *loaded->model;
  const Voxels voxels = voxels_of(c, decoder.config().transformer.resolution);
  const std::int64_t n = voxels.rows();
  const auto latent = b.template put<float, 2>(c.floats("slat"), {n, c.shape("slat")[1]});
  const auto tokens = decoder.transformer().prepare(b.queue, b.arena, voxels);
  const auto neighbours = place<Dev, std::int32_t, 2>(b.queue, b.arena, neighbour_map(voxels), {n, 27});
  auto raw = b.arena.template take<float, 2>({64 * n, decoder.config().channels()});
  auto cubes = b.arena.template take<std::int32_t, 2>({64 * n, 4});
  Recorder<Dev> recorder;
  decoder.forward(b.queue, latent, tokens, neighbours, voxels, 8 * n, raw, &recorder);
  decoder.cube_coords(b.queue, tokens.coords, cubes);
  recorder.compare(c, "mid");
  c.compare("raw", b.get(raw));
  c.compare_every("raw.rows8", b.get(raw), decoder.config().channels());
  c.compare("coords_out", b.get(cubes));
  if (c.rounded()) {
    for (const std::string& name : c.names()) {
      if (name.rfind("mesh.", 0) == 0)
        c.skip(name, "less than full precision may flip a sign near the surface; features are compared");
    }
    return;
  }
  // The finest level in tiles must give the same features.
  auto tiled = b.arena.template take<float, 2>(raw.extents());
  decoder.forward(b.queue, latent, tokens, neighbours, voxels, 7, tiled, nullptr);
  c.compare("raw", b.get(tiled));
  c.compare_every("raw.rows8", b.get(tiled), decoder.config().channels());
  const auto surface = extract<Dev>(b, cubes, surface_features(b, c, raw), decoder.config().grid(), 4, nullptr);
  compare_mesh(c, "mesh.", surface.vertices, surface.faces, surface.attributes);
}

template <class Dev, class T>
void run_dino(Bench<Dev>& b, Case& c) {
  const ModuleSource m = module_of(c);
  for (const std::string prefix : {"a", "b", "c", "d"}) {
    if (!c.has(prefix + ".size")) continue;
    const Frame<Dev> frame(b.arena);
    const auto size = c.ints(prefix + ".size");
    const auto loaded = load_model<Dino<Dev, T>>(
        b.queue, *m.tensors, typename Dino<Dev, T>::Shape{DinoConfig::from(m.arguments()), size[0], size[1]},
        c.format(LayerRows::few));
    const auto& model = *loaded->model;
    const std::int64_t channels = model.shape().config.channels;
    const std::int64_t n = std::int64_t{3} * size[0] * size[1];
    const auto values = unit_values("input/" + c.spec().at("config").get<std::string>(), "dino_" + prefix, n);
    auto prenorm = b.arena.template take<float, 2>({model.tokens(), channels});
    auto condition = b.arena.template take<float, 2>({model.tokens(), channels});
    Recorder<Dev> recorder;
    model.forward(b.queue, b.template put<float, 4>(values, {1, 3, size[0], size[1]}), prenorm, condition, &recorder);
    recorder.compare(c, prefix);
    c.compare(prefix + ".pos_embed", model.positions());
    for (const std::string& name : c.names()) {
      for (const auto& [kind, view] : {std::pair{".x_prenorm.rows", prenorm}, std::pair{".cond.rows", condition}}) {
        const std::string head = prefix + kind;
        if (name.rfind(head, 0) != 0) continue;
        const auto all = b.get(view);
        std::vector<double> picked;
        const auto step = static_cast<std::size_t>(std::stoll(name.substr(head.size())));
        for (std::size_t r = 0; r * static_cast<std::size_t>(channels) < all.size(); r += step) {
          for (std::size_t i = 0; i < static_cast<std::size_t>(channels); ++i)
            picked.push_back(all[r * static_cast<std::size_t>(channels) + i]);
        }
        c.compare(name, picked);
      }
    }
    if (c.has(prefix + ".head")) {
      auto all = b.get(prenorm);
      all.resize(static_cast<std::size_t>(c.shape(prefix + ".head")[0] * channels));
      c.compare(prefix + ".head", all);
    }
  }
}

}  // namespace

template <class Dev, class T>
bool run_model_case(Bench<Dev>& b, Case& c) {
  const Frame<Dev> frame(b.arena);
  constexpr double kHalf = 3e-2;
  c.relax(kHalf);
  if (starts(c, "ss_decoder")) {
    run_structure_decoder<Dev, T>(b, c);
  } else if (starts(c, "ss_encoder")) {
    run_structure_encoder<Dev, T>(b, c);
  } else if (starts(c, "gs_decoder")) {
    run_gaussian_decoder<Dev, T>(b, c);
  } else if (starts(c, "rf_decoder")) {
    run_radiance_decoder<Dev, T>(b, c);
  } else if (starts(c, "mesh_decoder")) {
    run_mesh_decoder<Dev, T>(b, c);
  } else if (starts(c, "dinov2")) {
    run_dino<Dev, T>(b, c);
  } else {
    return false;
  }
  return true;
}

template <class Dev, class T>
bool run_surface_case(Bench<Dev>& b, Case& c) {
  if (!starts(c, "flexi")) return false;
  const Frame<Dev> frame(b.arena);
  const auto fs = c.shape("feats");
  const auto cs = c.shape("coords");
  const auto cubes = b.template put<std::int32_t, 2>(c.ints("coords"), {cs[0], 4});
  const auto features = b.template put<float, 2>(c.floats("feats"), {fs[0], fs[1]});
  SurfaceTrace<Dev> trace;
  const auto surface = extract<Dev>(b, cubes, features, static_cast<int>(c.number("resolution")), 1, &trace);
  compare_mesh(c, "", surface.vertices, surface.faces, surface.attributes);
  c.compare("vert_coords", b.get(trace.lattice_coords));
  c.compare("vert_sdf_deform", b.get(trace.lattice_sdf_deform));
  c.compare("surf_case_ids", b.get(trace.case_ids));
  return true;
}

#define ESPALIER_INSTANTIATE(Dev, T)                        \
  template bool run_model_case<Dev, T>(Bench<Dev>&, Case&); \
  template bool run_surface_case<Dev, T>(Bench<Dev>&, Case&);
ESPALIER_FOR_EACH_BACKEND(ESPALIER_INSTANTIATE)
#undef ESPALIER_INSTANTIATE

}  // namespace espalier::golden
