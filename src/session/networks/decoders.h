// The decoders of TRELLIS on a device.
#pragma once

#include <cmath>

#include "geometry/surface/surface.h"
#include "models/trellis/slat_decoder.h"
#include "models/trellis/sparse_structure_vae.h"
#include "ops/elementwise.h"
#include "runtime/array.h"
#include "session/networks/held.h"
#include "session/registry.h"

namespace espalier {

template <class Dev, class T>
class StructureVolumeDecoder final
    : public HeldNetwork<StructureDecoder, SparseStructureDecoder<Dev, T>, SparseStructureVaeConfig, Dev> {
 public:
  using Base = HeldNetwork<StructureDecoder, SparseStructureDecoder<Dev, T>, SparseStructureVaeConfig, Dev>;
  using Base::Base;
  static SparseStructureVaeConfig configure(const ModuleSource& m) {
    return SparseStructureVaeConfig::from_decoder(m.arguments());
  }
  static NetworkShape shape(const SparseStructureVaeConfig& c) {
    return {.in_channels = c.latent_channels, .out_channels = c.in_channels, .scale = c.scale()};
  }
  static std::size_t working_bytes(const SparseStructureVaeConfig& /*c*/) { return 0; }

  [[nodiscard]] Structure decode(std::span<const float> latent) override;
};

// Cells whose first channel is positive.
[[nodiscard]] inline Voxels occupied_voxels(const std::vector<float>& logits, std::size_t channels, std::int64_t side) {
  std::vector<std::int32_t> coords;
  for (std::size_t i = 0; i < logits.size() / channels; ++i) {
    if (!(logits[i * channels] > 0.0F)) continue;
    const auto cell = static_cast<std::int64_t>(i);
    coords.insert(coords.end(), {0, static_cast<std::int32_t>(cell / (side * side)),
                                 static_cast<std::int32_t>(cell / side % side), static_cast<std::int32_t>(cell % side)});
  }
  return make_voxels(std::move(coords), 1, static_cast<int>(side));
}

template <class Dev, class T>
Structure StructureVolumeDecoder<Dev, T>::decode(std::span<const float> latent) {
  constexpr Stage kStage = Stage::decode_structure;
  StageRunner<Dev>& runner = this->runner();
  const auto& c = this->model().config();
  const auto cells = static_cast<double>(latent.size()) / static_cast<double>(c.latent_channels);
  const auto r = static_cast<std::int64_t>(std::llround(std::cbrt(cells)));
  require(r * r * r * c.latent_channels == static_cast<std::int64_t>(latent.size()), "StructureVolumeDecoder", latent.size(),
          " latent values");
  const std::int64_t side = r * c.scale();
  Structure structure;
  runner.report(kStage, 0, 1);
  runner.run(kStage, [&](bool real) {
    auto logits = runner.scratch().template take<float, 5>({1, side, side, side, c.in_channels});
    const auto z = runner.template place_values<5>(latent, {1, c.latent_channels, r, r, r});
    this->model().forward(runner.queue(), z, logits);
    if (real) structure.logits = runner.fetch(logits);
  });
  structure.voxels = occupied_voxels(structure.logits, static_cast<std::size_t>(c.in_channels), side);
  runner.report(kStage, 1, 1);
  return structure;
}

template <class Dev, class T>
class StructureVolumeEncoder final
    : public HeldNetwork<StructureEncoder, SparseStructureEncoder<Dev, T>, SparseStructureVaeConfig, Dev> {
 public:
  using Base = HeldNetwork<StructureEncoder, SparseStructureEncoder<Dev, T>, SparseStructureVaeConfig, Dev>;
  using Base::Base;
  static SparseStructureVaeConfig configure(const ModuleSource& m) {
    return SparseStructureVaeConfig::from_encoder(m.arguments());
  }
  static NetworkShape shape(const SparseStructureVaeConfig& c) {
    return {.in_channels = c.in_channels, .out_channels = c.latent_channels};
  }
  static std::size_t working_bytes(const SparseStructureVaeConfig& /*c*/) { return 0; }

  [[nodiscard]] std::vector<float> encode(const Voxels& voxels) override;
};

template <class Dev, class T>
std::vector<float> StructureVolumeEncoder<Dev, T>::encode(const Voxels& voxels) {
  constexpr Stage kStage = Stage::encode_structure;
  StageRunner<Dev>& runner = this->runner();
  const auto& c = this->model().config();
  const std::int64_t side = voxels.resolution, r = side / c.scale();
  if (c.in_channels != 1 || r * c.scale() != side || voxels.batch() != 1) {
    fail(ErrorCode::invalid_argument, stage_title(kStage), ": a grid of resolution ", side, " in a batch of ", voxels.batch(),
         " does not fit an encoder of ", c.in_channels, " channels that divides it by ", c.scale());
  }
  std::vector<float> occupied(static_cast<std::size_t>(side * side * side), 0.0F);
  for (std::size_t i = 0; i < voxels.coords.size(); i += 4) {
    const std::int32_t* v = &voxels.coords[i];
    occupied[static_cast<std::size_t>((v[1] * side + v[2]) * side + v[3])] = 1.0F;
  }
  std::vector<float> moments;
  runner.report(kStage, 0, 1);
  runner.run(kStage, [&](bool real) {
    auto out = runner.scratch().template take<float, 5>({1, r, r, r, 2 * c.latent_channels});
    const auto x = runner.template place_values<5>(occupied, {1, 1, side, side, side});
    this->model().forward(runner.queue(), x, out);
    if (real) moments = runner.fetch(out);
  });
  runner.report(kStage, 1, 1);
  const auto cells = static_cast<std::size_t>(r * r * r), channels = static_cast<std::size_t>(c.latent_channels);
  std::vector<float> mean(cells * channels);
  for (std::size_t cell = 0; cell < cells; ++cell) {
    for (std::size_t k = 0; k < channels; ++k) mean[k * cells + cell] = moments[cell * 2 * channels + k];
  }
  return mean;
}

template <class Dev, class T>
class LatentGaussians final : public HeldNetwork<GaussianNetwork, GaussianDecoder<Dev, T>, GaussianDecoderConfig, Dev> {
 public:
  using Base = HeldNetwork<GaussianNetwork, GaussianDecoder<Dev, T>, GaussianDecoderConfig, Dev>;
  using Base::Base;
  static GaussianDecoderConfig configure(const ModuleSource& m) { return GaussianDecoderConfig::from(m.arguments()); }
  static NetworkShape shape(const GaussianDecoderConfig& c) {
    return {.in_channels = c.transformer.in_channels, .out_channels = c.channels(), .resolution = c.transformer.resolution};
  }
  static std::size_t working_bytes(const GaussianDecoderConfig& /*c*/) { return 0; }

  [[nodiscard]] Gaussians decode(const Voxels& voxels, std::span<const float> latent) override {
    constexpr Stage kStage = Stage::decode_gaussians;
    StageRunner<Dev>& runner = this->runner();
    const auto& decoder = this->model();
    Gaussians result;
    runner.report(kStage, 0, 1);
    const TokenTables tables = runner.prepare([&] { return token_tables(decoder.config().transformer, voxels); });
    runner.run(kStage, [&](bool real) {
      Queue<Dev>& queue = runner.queue();
      Arena<Dev>& arena = runner.scratch();
      const auto input = this->place_latent(latent, voxels.rows());
      const auto tokens = decoder.head().transformer().prepare(queue, arena, voxels, tables);
      auto raw = arena.template take<float, 2>({voxels.rows(), decoder.config().channels()});
      decoder.head().forward(queue, input, tokens, raw, nullptr);
      const std::int64_t n = voxels.rows() * decoder.config().gaussians.per_voxel;
      const auto field = [&](std::int64_t width) { return arena.template take<float, 2>({n, width}); };
      const GaussianFields<Dev> fields{field(3), field(3), field(3), field(4), field(1)};
      decoder.fields(queue, raw, tokens.coords, fields);
      activate_gaussians<Dev>(queue, fields, decoder.config().gaussians, fields);
      if (!real) return;
      runner.fetch_all(Fetch{fields.xyz, result.xyz}, Fetch{fields.dc, result.dc}, Fetch{fields.scaling, result.scale},
                       Fetch{fields.rotation, result.rotation}, Fetch{fields.opacity, result.opacity});
    });
    runner.report(kStage, 1, 1);
    return result;
  }
};

template <class Dev, class T>
class LatentMesh final : public HeldNetwork<MeshNetwork, MeshDecoder<Dev, T>, MeshDecoderConfig, Dev> {
 public:
  using Base = HeldNetwork<MeshNetwork, MeshDecoder<Dev, T>, MeshDecoderConfig, Dev>;
  using Base::Base;
  static MeshDecoderConfig configure(const ModuleSource& m) { return MeshDecoderConfig::from(m.arguments()); }
  static NetworkShape shape(const MeshDecoderConfig& c) {
    return {.in_channels = c.transformer.in_channels,
            .out_channels = c.channels(),
            .resolution = c.transformer.resolution,
            .scale = 4};
  }
  // Of the network's finest level and of the extraction.
  static std::size_t working_bytes(const MeshDecoderConfig& c) {
    const std::int64_t cubes = kCubes * kDetailedVoxels;
    const std::int64_t per_cube = c.channels() * 4 + c.transformer.channels / 8 * static_cast<std::int64_t>(sizeof(T)) + 16;
    return static_cast<std::size_t>(cubes * per_cube) + surface_scratch_bytes<Dev>(cubes, c.grid(), c.colour, 4);
  }

  [[nodiscard]] Mesh decode(const Voxels& voxels, std::span<const float> latent, SurfaceRule rule,
                            std::span<const float> distances) override;
  [[nodiscard]] Mesh decode_edited(std::span<const MeshNetwork::State> states, SurfaceRule rule) override;

 private:
  static constexpr std::int64_t kCubes = 64;    // of a voxel
  static constexpr std::int64_t kTile = 32768;  // parent voxels of the finest level at once
  static constexpr std::int64_t kSmallTile = 4096;

  // What the network reads besides the latent, built on the host.
  struct Tables {
    TokenTables tokens;
    std::vector<std::int32_t> neighbours;
  };
  struct Cubes {
    View<Dev, float, 2> features;
    View<Dev, std::int32_t, 2> coords;
  };
  [[nodiscard]] Cubes run_network(const Voxels& voxels, const Tables& tables, std::span<const float> latent,
                                  std::span<const float> distances);
  void extract(const Cubes& cubes, SurfaceRule rule, Mesh* mesh, const KeptClosing* kept = nullptr);
  // Puts the features of cubes that are as before back.
  void put_back(std::span<const std::int64_t> row, View<Dev, const float, 2> before, View<Dev, float, 2> features);
  [[nodiscard]] Tables tables_of(const Voxels& voxels);
  void begin_extraction() {
    this->runner().report_done(Stage::extract_surface, 0, 1);
    this->runner().count_as(Stage::extract_surface);
  }
  static constexpr int kBlock = 4;  // cubes along an axis of a voxel
};

template <class Dev, class T>
typename LatentMesh<Dev, T>::Cubes LatentMesh<Dev, T>::run_network(const Voxels& voxels, const Tables& tables,
                                                                   std::span<const float> latent,
                                                                   std::span<const float> distances) {
  StageRunner<Dev>& runner = this->runner();
  Queue<Dev>& queue = runner.queue();
  Arena<Dev>& arena = runner.scratch();
  const auto& decoder = this->model();
  const std::int64_t rows = voxels.rows();
  const Cubes cubes{arena.template take<float, 2>({kCubes * rows, decoder.config().channels()}),
                    arena.template take<std::int32_t, 2>({kCubes * rows, 4})};
  const Frame<Dev> frame(arena);
  const auto input = this->place_latent(latent, rows);
  const auto tokens = decoder.transformer().prepare(queue, arena, voxels, tables.tokens);
  const auto neighbours = place<Dev, std::int32_t, 2>(queue, arena, tables.neighbours, {rows, 27});
  const std::int64_t tile = runner.saves_memory() ? kSmallTile : kTile;
  decoder.forward(queue, input, tokens, neighbours, voxels, tile, cubes.features);
  decoder.cube_coords(queue, tokens.coords, cubes.coords);
  if (!distances.empty()) {
    const auto field = runner.template place_values<2>(distances, {kCubes * rows, 8});
    scale_columns<Dev, float>(queue, field, {}, {}, columns(cubes.features, 0, 8));
  }
  return cubes;
}

// Only metered when `mesh` is null.
template <class Dev, class T>
void LatentMesh<Dev, T>::extract(const Cubes& cubes, SurfaceRule rule, Mesh* mesh, const KeptClosing* kept) {
  StageRunner<Dev>& runner = this->runner();
  Queue<Dev>& queue = runner.queue();
  Array<Dev, float> values;  // vertices, attributes, colours
  Array<Dev, std::int32_t> faces;
  View<Dev, float, 2> colours;
  const auto allocate = [&](std::int64_t v, std::int64_t f, bool colour) {
    values = {queue, (colour ? 12 : 3) * v, "mesh vertices"};
    faces = {queue, 3 * f, "mesh faces"};
    SurfaceMesh<Dev> m;
    m.vertices = {values.data(), {v, 3}};
    m.faces = faces.template view<2>({f, 3});
    if (colour) {
      m.attributes = {values.data() + 3 * v, {v, 6}};
      colours = {values.data() + 9 * v, {v, 3}};
    }
    return m;
  };
  const int grid = this->model().config().grid();
  const SurfaceMesh<Dev> surface =
      rule == SurfaceRule::solid
          ? extract_solid<Dev>(queue, cubes.coords, cubes.features, grid, allocate, kBlock, nullptr, kept)
          : extract_surface<Dev>(queue, cubes.coords, cubes.features, grid, allocate, nullptr, kBlock);
  if (mesh == nullptr) return;
  runner.add_peak(static_cast<std::size_t>(values.size() + faces.size()) * sizeof(float));
  runner.count_as(Stage::decode_mesh);  // the way to the host
  // Of the attributes a mesh keeps the colours alone.
  if (!colours.empty()) scale_columns<Dev, float>(queue, columns(surface.attributes, 0, 3), {}, {}, colours);
  runner.fetch_all(Fetch{surface.faces, mesh->faces}, Fetch{surface.vertices, mesh->vertices}, Fetch{colours, mesh->colours});
}

template <class Dev, class T>
typename LatentMesh<Dev, T>::Tables LatentMesh<Dev, T>::tables_of(const Voxels& voxels) {
  return this->runner().prepare([&] {
    return Tables{token_tables(this->model().config().transformer, voxels), neighbour_map(voxels)};
  });
}

template <class Dev, class T>
Mesh LatentMesh<Dev, T>::decode(const Voxels& voxels, std::span<const float> latent, SurfaceRule rule,
                                std::span<const float> distances) {
  StageRunner<Dev>& runner = this->runner();
  Mesh mesh;
  runner.report(Stage::decode_mesh, 0, 1);
  const Tables tables = tables_of(voxels);
  runner.run(Stage::decode_mesh, [&](bool real) {
    const Cubes cubes = run_network(voxels, tables, latent, distances);
    if (real) begin_extraction();
    extract(cubes, rule, real ? &mesh : nullptr);
  });
  runner.report(Stage::extract_surface, 1, 1);
  return mesh;
}

template <class Dev, class T>
void LatentMesh<Dev, T>::put_back(std::span<const std::int64_t> row, View<Dev, const float, 2> before,
                                  View<Dev, float, 2> features) {
  // Runs of rows that follow one another in both are copied at once.
  for (std::size_t r = 0, end = 0; r < row.size(); r = end) {
    end = r + 1;
    if (row[r] < 0) continue;
    while (end < row.size() && row[end] == row[r] + static_cast<std::int64_t>(end - r)) ++end;
    const std::int64_t count = kCubes * static_cast<std::int64_t>(end - r);
    copy_bytes(this->runner().queue(), before.rows(kCubes * row[r], count).data(),
               features.rows(kCubes * static_cast<std::int64_t>(r), count).data(),
               static_cast<std::size_t>(count * features.extent(1)) * sizeof(float));
  }
}

template <class Dev, class T>
Mesh LatentMesh<Dev, T>::decode_edited(std::span<const MeshNetwork::State> states, SurfaceRule rule) {
  StageRunner<Dev>& runner = this->runner();
  require(!states.empty(), "MeshNetwork::decode_edited", "no state");
  Mesh mesh;
  runner.report(Stage::decode_mesh, 0, 1);
  std::vector<Tables> tables;
  std::int64_t most = 0;  // voxels of a state before the last
  for (const MeshNetwork::State& s : states) tables.push_back(tables_of(*s.voxels));
  for (const MeshNetwork::State& s : states.first(states.size() - 1)) most = std::max(most, s.voxels->rows());
  const std::int64_t channels = this->model().config().channels();
  runner.run(Stage::decode_mesh, [&](bool real) {
    const auto before = runner.scratch().template take<float, 2>({kCubes * most, channels});
    SolidClosing closing;
    for (std::size_t k = 0; k < states.size(); ++k) {
      const MeshNetwork::State& s = states[k];
      const Frame<Dev> frame(runner.scratch());
      const Cubes cubes = run_network(*s.voxels, tables[k], s.latent, {});
      if (k > 0) put_back(s.row, before, cubes.features);
      const KeptClosing kept{&closing, s.kept};
      const KeptClosing* const keep = k > 0 ? &kept : nullptr;
      if (k + 1 == states.size()) {
        if (real) begin_extraction();
        extract(cubes, rule, real ? &mesh : nullptr, keep);
        continue;
      }
      copy_bytes(runner.queue(), cubes.features.data(), before.data(),
                 static_cast<std::size_t>(cubes.features.size()) * sizeof(float));
      if (rule == SurfaceRule::solid) {
        closing = close_solid<Dev>(runner.queue(), cubes.coords, cubes.features, this->model().config().grid(), kBlock, keep);
      }
    }
  });
  runner.report(Stage::extract_surface, 1, 1);
  return mesh;
}

template <class Dev, class T>
class LatentRadianceField final
    : public HeldNetwork<RadianceFieldNetwork, RadianceDecoder<Dev, T>, RadianceDecoderConfig, Dev> {
 public:
  using Base = HeldNetwork<RadianceFieldNetwork, RadianceDecoder<Dev, T>, RadianceDecoderConfig, Dev>;
  using Base::Base;
  static RadianceDecoderConfig configure(const ModuleSource& m) { return RadianceDecoderConfig::from(m.arguments()); }
  static NetworkShape shape(const RadianceDecoderConfig& c) {
    return {.in_channels = c.transformer.in_channels, .out_channels = c.channels(), .resolution = c.transformer.resolution};
  }
  static std::size_t working_bytes(const RadianceDecoderConfig& /*c*/) { return 0; }

  [[nodiscard]] RadianceField decode(const Voxels& voxels, std::span<const float> latent) override {
    constexpr Stage kStage = Stage::decode_radiance_field;
    StageRunner<Dev>& runner = this->runner();
    const auto& decoder = this->model();
    RadianceField field;
    runner.report(kStage, 0, 1);
    const TokenTables tables = runner.prepare([&] { return token_tables(decoder.config().transformer, voxels); });
    runner.run(kStage, [&](bool real) {
      Queue<Dev>& queue = runner.queue();
      const auto input = this->place_latent(latent, voxels.rows());
      const auto tokens = decoder.head().transformer().prepare(queue, runner.scratch(), voxels, tables);
      auto out = runner.scratch().template take<float, 2>({voxels.rows(), decoder.config().channels()});
      decoder.head().forward(queue, input, tokens, out, nullptr);
      if (real) field = split_radiance_field(decoder.config(), voxels, runner.fetch(out));
    });
    runner.report(kStage, 1, 1);
    return field;
  }
};

}  // namespace espalier
