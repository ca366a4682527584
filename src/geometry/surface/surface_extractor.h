// The order of work of surface extraction, shared by the back ends. A back end has the table in its memory and instantiates
// what surface.h declares.
#pragma once

#include <algorithm>
#include <bit>
#include <optional>
#include <utility>
#include <vector>

#include "geometry/surface/solid_cells.h"
#include "geometry/surface/solid_steps.h"
#include "geometry/surface/surface.h"
#include "geometry/surface/surface_steps.h"
#include "parallel/compact.h"
#include "parallel/for_each.h"
#include "parallel/scan.h"
#include "parallel/sort.h"

namespace espalier::surface {

// The topology table in a device's memory.
const SurfaceTable* table_of(Queue<Cpu>& queue);
const SurfaceTable* table_of(Queue<Cuda>& queue);

// The largest numbers of lattice vertices and of surface cubes that n cubes can lead to.
struct Bounds {
  std::int64_t lattice = 0;
  std::int64_t surface = 0;
};
[[nodiscard]] Bounds bounds_for(std::int64_t cubes, int resolution, int block);

// The most cells that the band of a solid has.
[[nodiscard]] std::int64_t most_band(std::int64_t cubes, int block);

// Throws invalid_argument where the sizes are not what extract_surface takes.
void check_sizes(std::int64_t cubes, std::int64_t cube_columns, std::int64_t feature_rows, std::int64_t channels,
                 int resolution, int block);

// The same for extract_solid, with what check_sizes lets pass.
void check_solid(int resolution, int block);

// Throws invalid_argument for the first row that is outside the grid or repeats an earlier one. cubes: [n, 3].
[[noreturn]] void fail_cubes(const std::vector<std::int32_t>& cubes, int resolution);

// What lives until the end, in the order in which it is taken.
template <class Dev>
struct SurfaceMemory {
  using Ints = View<Dev, std::int32_t, 1>;

  Ints flag;                          // [1]: raised by a cube outside the grid or listed twice
  Ints cube_begin, cube_rows;         // [columns + 1], [n]
  Ints lattice_begin, surface_begin;  // [columns + 1]
  Ints vertex_starts, quad_starts;    // [4 * columns + 1], [2 * columns + 1]
  View<Dev, std::uint32_t, 1> cube_keys;
  View<Dev, std::byte, 1> sum_workspace;
  View<Dev, std::uint32_t, 1> lattice_keys;
  View<Dev, float, 2> sdf_deform;  // [L, 4]
  View<Dev, float, 2> colour;      // [L, 6]
  View<Dev, std::uint32_t, 1> surface_keys;
  View<Dev, std::uint8_t, 1> cases, resolved;
  Ints first;  // dual vertex of each surface cube
  View<Dev, float, 1> gamma;

  void take_cubes(Arena<Dev>& arena, std::int64_t n, int resolution) {
    const std::int64_t cube_columns = std::int64_t{resolution} * resolution;
    const std::int64_t lattice_columns = std::int64_t{resolution + 1} * (resolution + 1);
    const std::int64_t longest = std::max(4 * cube_columns, 2 * lattice_columns) + 1;
    flag = arena.template take<std::int32_t, 1>({1});
    cube_begin = arena.template take<std::int32_t, 1>({cube_columns + 1});
    surface_begin = arena.template take<std::int32_t, 1>({cube_columns + 1});
    lattice_begin = arena.template take<std::int32_t, 1>({lattice_columns + 1});
    vertex_starts = arena.template take<std::int32_t, 1>({4 * cube_columns + 1});
    quad_starts = arena.template take<std::int32_t, 1>({2 * lattice_columns + 1});
    cube_keys = arena.template take<std::uint32_t, 1>({n});
    cube_rows = arena.template take<std::int32_t, 1>({n});
    sum_workspace = arena.template take<std::byte, 1>({static_cast<std::int64_t>(sum_bytes<Dev>(longest))});
  }
  void take_lattice(Arena<Dev>& arena, std::int64_t n, bool with_colour) {
    lattice_keys = arena.template take<std::uint32_t, 1>({n});
    sdf_deform = arena.template take<float, 2>({n, 4});
    if (with_colour) colour = arena.template take<float, 2>({n, 6});
  }
  void take_surface(Arena<Dev>& arena, std::int64_t n) {
    surface_keys = arena.template take<std::uint32_t, 1>({n});
    cases = arena.template take<std::uint8_t, 1>({n});
    resolved = arena.template take<std::uint8_t, 1>({n});
    first = arena.template take<std::int32_t, 1>({n});
    gamma = arena.template take<float, 1>({n});
  }
};

// What a solid needs before the rest.
template <class Dev>
struct SolidMemory {
  using Ints = View<Dev, std::int32_t, 1>;

  View<Dev, std::uint64_t, 1> votes;  // [side^3]
  View<Dev, std::uint8_t, 1> flags;   // [side^3]
  Ints band;                          // [band]
  Ints links;                         // [band * block^3 * LinkBand::kLinks]
  // Of what is kept of another solid, or for what this one is asked: the cells that are kept, of each cell of the band its
  // number there, and the values of these.
  View<Dev, std::uint8_t, 1> kept;
  Ints from;
  View<Dev, float, 1> values;
  int side = 0;
  int block = 1;

  void take_cells(Arena<Dev>& arena, int cells) {
    const std::int64_t n = std::int64_t{cells} * cells * cells;
    votes = arena.template take<std::uint64_t, 1>({n});
    flags = arena.template take<std::uint8_t, 1>({n});
    side = cells;
  }
  void take_band(Arena<Dev>& arena, std::int64_t cells, int cubes) {
    band = arena.template take<std::int32_t, 1>({cells});
    links = arena.template take<std::int32_t, 1>({cells * cubes * cubes * cubes * LinkBand::kLinks});
    block = cubes;
  }
  void take_kept(Arena<Dev>& arena, std::int64_t cells, std::int64_t before) {
    kept = arena.template take<std::uint8_t, 1>({std::int64_t{side} * side * side});
    from = arena.template take<std::int32_t, 1>({cells});
    take_values(arena, before);
  }
  void take_values(Arena<Dev>& arena, std::int64_t cells) {
    values = arena.template take<float, 1>({cells * block * block * block * kHeldValues});
  }
  [[nodiscard]] CellMap map() const { return {flags.data(), side, block}; }
  [[nodiscard]] BandCubes cubes() const { return {band.data(), side, block}; }
};

// What sorting the cubes needs on top.
template <class Dev>
struct SurfaceSorting {
  Frame<Dev> frame;
  int bits;
  View<Dev, std::uint32_t, 1> keys;
  View<Dev, std::int32_t, 1> rows;
  View<Dev, std::byte, 1> workspace;

  SurfaceSorting(Arena<Dev>& arena, std::int64_t n, int resolution)
      : frame(arena),
        bits(kHeightBits + std::bit_width(static_cast<unsigned>(resolution) * static_cast<unsigned>(resolution))),
        keys(arena.template take<std::uint32_t, 1>({n})),
        rows(arena.template take<std::int32_t, 1>({n})),
        workspace(arena.template take<std::byte, 1>({static_cast<std::int64_t>(sort_bytes<Dev>(n, bits))})) {}
};

// Takes as much from the arena as an extraction with these bounds.
template <class Dev>
void take_bounds(Arena<Dev>& arena, std::int64_t cubes, int resolution, bool colour, const Bounds& bounds) {
  const Frame<Dev> frame(arena);
  SurfaceMemory<Dev> memory;
  memory.take_cubes(arena, cubes, resolution);
  { const SurfaceSorting<Dev> sorting(arena, cubes, resolution); }
  memory.take_lattice(arena, bounds.lattice, colour);
  memory.take_surface(arena, bounds.surface);
}
// The same for a solid, whose `cubes` and bounds include a band of `band` cells.
template <class Dev>
void take_solid(Arena<Dev>& arena, std::int64_t cubes, int resolution, bool colour, const Bounds& bounds, int block,
                std::int64_t band, bool kept) {
  const Frame<Dev> frame(arena);
  SolidMemory<Dev> solid;
  solid.take_cells(arena, resolution / block);
  solid.take_band(arena, band, block);
  if (kept) {
    solid.take_kept(arena, band, band);
    solid.take_values(arena, band);  // of close_solid
  }
  take_bounds<Dev>(arena, cubes, resolution, colour, bounds);
}

// Places what is kept of another solid.
template <class Dev>
void hold(Queue<Dev>& queue, SolidMemory<Dev>& solid, const SolidCells& cells, const KeptClosing& kept) {
  const std::vector<std::int32_t>& before = kept.before->band;
  std::vector<std::int32_t> from;
  for (const std::int32_t c : cells.band) {
    const auto found = std::lower_bound(before.begin(), before.end(), c);
    from.push_back(found != before.end() && *found == c ? static_cast<std::int32_t>(found - before.begin()) : -1);
  }
  solid.take_kept(queue.scratch(), static_cast<std::int64_t>(from.size()), static_cast<std::int64_t>(before.size()));
  upload_bytes(queue, kept.cells.data(), solid.kept.data(), kept.cells.size());
  upload_bytes(queue, from.data(), solid.from.data(), from.size() * sizeof(std::int32_t));
  upload_bytes(queue, kept.before->values.data(), solid.values.data(), kept.before->values.size() * sizeof(float));
}

template <class Dev>
class Extractor {
  using Ints = View<Dev, std::int32_t, 1>;

 public:
  Extractor(Queue<Dev>& queue, int resolution, std::int64_t cubes, bool colour)
      : queue_(queue),
        arena_(queue.scratch()),
        resolution_(resolution),
        n_(cubes),
        given_(cubes),
        colour_(colour),
        cube_columns_(std::int64_t{resolution} * resolution),
        lattice_columns_(std::int64_t{resolution + 1} * (resolution + 1)) {}

  // The surface of a solid: decides which cells of block^3 cubes lie inside before anything else.
  SurfaceMesh<Dev> run_solid(In<Dev, std::int32_t, 2> cubes, In<Dev, float, 2> features,
                             const std::function<SurfaceMesh<Dev>(std::int64_t, std::int64_t, bool)>& allocate, int block,
                             SolidReport* report, const KeptClosing* kept) {
    const Frame<Dev> frame(arena_);
    const SolidCells cells = decide(cubes, features, block, kept);
    if (report != nullptr) *report = {cells.inside, cells.membrane, solid_.band.size()};
    return run(cubes, features, allocate, nullptr, bounds_for(n_, resolution_, block));
  }

  // The lattice of that, as far as cells without cubes have part in it.
  SolidClosing close(In<Dev, std::int32_t, 2> cubes, In<Dev, float, 2> features, int block, const KeptClosing* kept) {
    const Frame<Dev> frame(arena_);
    SolidCells cells = decide(cubes, features, block, kept);
    const auto out = solid_.values;  // of what is kept
    solid_.take_values(arena_, static_cast<std::int64_t>(cells.band.size()));
    const auto values = std::exchange(solid_.values, out);
    SolidClosing closing{std::move(cells.flags), std::move(cells.band), {}};
    closing.values.resize(static_cast<std::size_t>(values.size()));
    if (n_ == given_) return closing;
    memory_.take_cubes(arena_, n_, resolution_);
    sort_cubes(cubes);
    features_ = {features.data(), features.outer_stride(), memory_.cube_rows.data()};
    list_lattice(cubes, bounds_for(n_, resolution_, block).lattice);
    each(n_ - given_, ReadBand{solid_.cubes(), lattice(), memory_.sdf_deform.data(), memory_.colour.data(), values.data()});
    download_bytes(queue_, values.data(), closing.values.data(), closing.values.size() * sizeof(float));
    return closing;
  }

  SurfaceMesh<Dev> run(In<Dev, std::int32_t, 2> cubes, In<Dev, float, 2> features,
                       const std::function<SurfaceMesh<Dev>(std::int64_t, std::int64_t, bool)>& allocate,
                       SurfaceTrace<Dev>* trace, const Bounds& bounds) {
    std::optional<Frame<Dev>> frame;
    if (trace == nullptr) frame.emplace(arena_);  // a trace lives in the caller's frame
    table_ = table_of(queue_);
    memory_.take_cubes(arena_, n_, resolution_);
    sort_cubes(cubes);
    features_ = {features.data(), features.outer_stride(), memory_.cube_rows.data()};
    list_lattice(cubes, bounds.lattice);
    list_surface(bounds.surface);
    if (trace != nullptr) write_trace(*trace);
    if (surface_count_ == 0) return allocate(0, 0, colour_);

    queue_.check();
    const auto [vertices, quads] = count_mesh();
    SurfaceMesh<Dev> mesh = allocate(vertices, 2 * quads, colour_);
    check_mesh(mesh, vertices, 2 * quads);
    place_vertices(mesh);
    each(lattice_columns_,
         EmitQuads{table_, field(), surface(), memory_.cases.data(), memory_.resolved.data(), memory_.first.data(),
                   memory_.gamma.data(), lattice_columns_, memory_.quad_starts.data(), mesh.faces.data()});
    return mesh;
  }

 private:
  [[nodiscard]] Columns cubes() const { return {memory_.cube_begin.data(), memory_.cube_keys.data(), resolution_}; }
  [[nodiscard]] Columns lattice() const { return {memory_.lattice_begin.data(), memory_.lattice_keys.data(), resolution_ + 1}; }
  [[nodiscard]] Columns surface() const { return {memory_.surface_begin.data(), memory_.surface_keys.data(), resolution_}; }
  [[nodiscard]] Field field() const { return {lattice(), memory_.sdf_deform.data(), solid_.map()}; }

  template <class Step>
  void each(std::int64_t n, const Step& step) {
    for_each(queue_, "extract_surface", n, step);
  }
  void place(Ints begin) { place_items<Dev>(queue_, begin, memory_.sum_workspace); }
  std::int64_t count_of(Ints begin) { return item_count<Dev>(queue_, begin); }
  bool flagged() {
    std::int32_t flag = 0;
    download_bytes(queue_, memory_.flag.data(), &flag, sizeof flag);
    return flag != 0;
  }

  SolidCells decide(In<Dev, std::int32_t, 2> cubes, In<Dev, float, 2> features, int block, const KeptClosing* kept) {
    solid_.take_cells(arena_, resolution_ / block);
    zero_bytes(queue_, solid_.votes.data(), static_cast<std::size_t>(solid_.votes.size()) * sizeof(std::uint64_t));
    each(given_, CountVotes{cubes.data(), cubes.outer_stride(), features.data(), features.outer_stride(), resolution_, block,
                            solid_.side, solid_.votes.data()});
    std::vector<std::uint64_t> votes(static_cast<std::size_t>(solid_.votes.size()));
    download_bytes(queue_, solid_.votes.data(), votes.data(), votes.size() * sizeof(std::uint64_t));
    queue_.check();
    std::optional<HeldCells> held;
    if (kept != nullptr) held = {kept->cells, kept->before->flags, kept->before->band};
    SolidCells cells = solid_cells({solid_.side, block, votes}, (kept != nullptr ? 2 : 1) * most_band(given_, block), nullptr,
                                   held ? &*held : nullptr);
    upload_bytes(queue_, cells.flags.data(), solid_.flags.data(), cells.flags.size());
    solid_.take_band(arena_, static_cast<std::int64_t>(cells.band.size()), block);
    upload_bytes(queue_, cells.band.data(), solid_.band.data(), cells.band.size() * sizeof(std::int32_t));
    if (cells.held) hold(queue_, solid_, cells, *kept);
    n_ = given_ + std::int64_t{block} * block * block * solid_.band.size();
    return cells;
  }

  // Smooth distances and colours in the band.
  void relax_band() {
    constexpr int kDistanceSweeps = 32, kColourSweeps = 16;
    constexpr float kOverRelaxation = 1.6F;
    const BandCubes band = solid_.cubes();
    const std::int64_t n = n_ - given_;
    std::int32_t* const links = solid_.links.data();
    each(n, LinkBand{band, cubes(), lattice(), memory_.cube_rows.data(), solid_.map(), links});
    if (solid_.kept.size() > 0) {
      each(n, HoldBand{band, solid_.kept.data(), solid_.from.data(), solid_.values.data(), links, memory_.sdf_deform.data(),
                       memory_.colour.data()});
    }
    for (int step = 0; step < 2 * kDistanceSweeps; ++step) {
      each(n / 2, RelaxDistance{band, links, step & 1, kOverRelaxation, memory_.sdf_deform.data()});
    }
    for (int step = 0; colour_ && step < 2 * kColourSweeps; ++step) {
      each(n / 2, RelaxColour{band, links, step & 1, kOverRelaxation, memory_.colour.data()});
    }
    each(n, SignBand{links, memory_.sdf_deform.data()});
  }

  void sort_cubes(In<Dev, std::int32_t, 2> cubes) {
    const SurfaceSorting<Dev> sorting(arena_, n_, resolution_);
    zero_bytes(queue_, memory_.flag.data(), sizeof(std::int32_t));
    each(given_, KeyCubes{cubes.data(), cubes.outer_stride(), resolution_, sorting.keys.data(), sorting.rows.data(),
                          memory_.flag.data()});
    if (n_ > given_) {
      each(n_ - given_, KeyBand{solid_.cubes(), resolution_, sorting.keys.data() + given_, sorting.rows.data() + given_});
    }
    const auto sorted = sort_pairs<Dev, std::int32_t>(
        queue_, {sorting.keys.data(), sorting.rows.data(), memory_.cube_keys.data(), memory_.cube_rows.data()}, n_,
        sorting.bits, sorting.workspace);
    if (sorted.keys != memory_.cube_keys.data()) {
      const auto bytes = static_cast<std::size_t>(n_) * sizeof(std::uint32_t);
      copy_bytes(queue_, sorted.keys, memory_.cube_keys.data(), bytes);
      copy_bytes(queue_, sorted.values, memory_.cube_rows.data(), bytes);
    }
    each(n_, FindRepeats{memory_.cube_keys.data(), memory_.flag.data()});
    each(cube_columns_ + 1, FindColumns{memory_.cube_keys.data(), static_cast<std::int32_t>(n_), memory_.cube_begin.data()});
  }

  void list_lattice(In<Dev, std::int32_t, 2> input, std::int64_t bound) {
    each(lattice_columns_, ListLattice{cubes(), memory_.lattice_begin.data(), nullptr});
    place(memory_.lattice_begin);
    lattice_count_ = count_of(memory_.lattice_begin);
    if (flagged()) explain(input);
    check_blocks(lattice_count_, bound);
    memory_.take_lattice(arena_, lattice_count_, colour_);
    each(lattice_columns_, ListLattice{cubes(), memory_.lattice_begin.data(), memory_.lattice_keys.data()});
    each(lattice_count_, AverageCorners{cubes(), features_, solid_.map(), memory_.lattice_keys.data(),
                                        memory_.sdf_deform.data(), memory_.colour.data()});
    if (n_ > given_) relax_band();
  }

  void list_surface(std::int64_t bound) {
    queue_.check();
    ListSurface step{field(), resolution_, memory_.surface_begin.data(), nullptr, nullptr};
    each(cube_columns_, step);
    place(memory_.surface_begin);
    surface_count_ = count_of(memory_.surface_begin);
    check_blocks(surface_count_, bound);
    memory_.take_surface(arena_, surface_count_);
    step.keys = memory_.surface_keys.data();
    step.cases = memory_.cases.data();
    each(cube_columns_, step);
    each(surface_count_, ResolveCases{table_, surface(), memory_.cases.data(), memory_.resolved.data()});
  }

  // Numbers of vertices and of quads.
  std::pair<std::int64_t, std::int64_t> count_mesh() {
    each(cube_columns_, CountVertices{table_, memory_.surface_begin.data(), memory_.resolved.data(), cube_columns_,
                                      memory_.vertex_starts.data()});
    place(memory_.vertex_starts);
    each(lattice_columns_, CountQuads{field(), surface(), memory_.cases.data(), lattice_columns_, memory_.quad_starts.data()});
    place(memory_.quad_starts);
    return {count_of(memory_.vertex_starts), count_of(memory_.quad_starts)};
  }

  void place_vertices(const SurfaceMesh<Dev>& mesh) {
    each(cube_columns_, NumberVertices{table_, memory_.surface_begin.data(), memory_.resolved.data(), cube_columns_,
                                       memory_.vertex_starts.data(), memory_.first.data()});
    const auto reach = static_cast<float>((1 - 1e-8) / (2.0 * resolution_));
    each(surface_count_, PlaceVertices{table_, cubes(), features_, field(), reach, memory_.colour.data(),
                                       memory_.surface_keys.data(), memory_.resolved.data(), memory_.first.data(),
                                       memory_.gamma.data(), mesh.vertices.data(), mesh.attributes.data()});
  }

  void write_trace(SurfaceTrace<Dev>& trace) {
    trace.lattice_coords = arena_.template take<std::int32_t, 2>({lattice_count_, 3});
    trace.lattice_sdf_deform = memory_.sdf_deform;
    trace.case_ids = arena_.template take<std::int32_t, 1>({surface_count_});
    each(lattice_count_, TraceLattice{lattice(), trace.lattice_coords.data()});
    each(surface_count_, TraceCases{memory_.resolved.data(), trace.case_ids.data()});
  }

  // Only reached for invalid cubes: looks for the row on the host.
  [[noreturn]] void explain(In<Dev, std::int32_t, 2> cubes) {
    std::vector<std::int32_t> coords;
    coords.reserve(static_cast<std::size_t>(3 * given_));
    const auto stride = static_cast<std::size_t>(cubes.outer_stride());
    std::vector<std::int32_t> all((static_cast<std::size_t>(given_) - 1) * stride + 4);
    download_bytes(queue_, cubes.data(), all.data(), all.size() * sizeof(std::int32_t));
    for (std::size_t i = 0; i < static_cast<std::size_t>(given_); ++i) {
      coords.insert(coords.end(), {all[i * stride + 1], all[i * stride + 2], all[i * stride + 3]});
    }
    fail_cubes(coords, resolution_);
  }
  static void check_blocks(std::int64_t count, std::int64_t bound) {
    if (count > bound) {
      fail(ErrorCode::invalid_argument,
           "extract_surface: the cubes do not come in whole aligned blocks of the promised size: promise block = 1");
    }
  }
  void check_mesh(const SurfaceMesh<Dev>& mesh, std::int64_t vertices, std::int64_t faces) const {
    const auto matches = [](const auto& view, std::int64_t rows, std::int64_t columns) {
      return view.extent(0) == rows &&
             (rows == 0 || (view.data() != nullptr && view.extent(1) == columns && view.contiguous()));
    };
    require(matches(mesh.vertices, vertices, 3) && matches(mesh.faces, faces, 3), "extract_surface",
            "allocate returned other extents than asked for");
    require(!colour_ || matches(mesh.attributes, vertices, 6), "extract_surface", "allocate returned no memory for attributes");
  }

  Queue<Dev>& queue_;
  Arena<Dev>& arena_;
  int resolution_;
  std::int64_t n_;      // cubes, those of a solid's band included
  std::int64_t given_;  // cubes with features
  bool colour_;
  std::int64_t cube_columns_;
  std::int64_t lattice_columns_;
  std::int64_t lattice_count_ = 0;
  std::int64_t surface_count_ = 0;
  const SurfaceTable* table_ = nullptr;
  Features features_;
  SurfaceMemory<Dev> memory_;
  SolidMemory<Dev> solid_;
};

}  // namespace espalier::surface

namespace espalier {

template <class Dev>
std::size_t surface_scratch_bytes(std::int64_t cubes, int resolution, bool colour, int block) {
  surface::check_sizes(cubes, 4, cubes, cube_channels(colour), resolution, block);
  Arena<Dev> meter;
  if (cubes > 0) {
    surface::take_bounds<Dev>(meter, cubes, resolution, colour, surface::bounds_for(cubes, resolution, block));
  }
  return meter.peak();
}

template <class Dev>
SurfaceMesh<Dev> extract_surface(Queue<Dev>& queue, In<Dev, std::int32_t, 2> cubes, In<Dev, float, 2> features, int resolution,
                                 const std::function<SurfaceMesh<Dev>(std::int64_t, std::int64_t, bool)>& allocate,
                                 SurfaceTrace<Dev>* trace, int block) {
  const std::int64_t n = cubes.extent(0);
  surface::check_sizes(n, cubes.extent(1), features.extent(0), features.extent(1), resolution, block);
  const bool colour = features.extent(1) == cube_channels(true);
  const surface::Bounds bounds = surface::bounds_for(n, resolution, block);
  if (trace != nullptr) *trace = {};
  if (queue.metering()) {
    if (n > 0) surface::take_bounds<Dev>(queue.scratch(), n, resolution, colour, bounds);
    return {};
  }
  if (n == 0) return allocate(0, 0, colour);
  return surface::Extractor<Dev>(queue, resolution, n, colour).run(cubes, features, allocate, trace, bounds);
}

template <class Dev>
std::size_t solid_scratch_bytes(std::int64_t cubes, int resolution, bool colour, int block, bool kept) {
  surface::check_sizes(cubes, 4, cubes, cube_channels(colour), resolution, block);
  surface::check_solid(resolution, block);
  Arena<Dev> meter;
  const std::int64_t band = (kept ? 2 : 1) * surface::most_band(cubes, block);
  const std::int64_t all = cubes + std::int64_t{block} * block * block * band;
  if (cubes > 0) {
    surface::take_solid<Dev>(meter, all, resolution, colour, surface::bounds_for(all, resolution, block), block, band, kept);
  }
  return meter.peak();
}

namespace surface {

// What extract_solid and close_solid check. True while metering, when all that they take is taken.
template <class Dev>
bool only_meters_solid(Queue<Dev>& queue, In<Dev, std::int32_t, 2> cubes, In<Dev, float, 2> features, int resolution, int block,
                       bool closing, const KeptClosing* kept) {
  const std::int64_t n = cubes.extent(0);
  check_sizes(n, cubes.extent(1), features.extent(0), features.extent(1), resolution, block);
  check_solid(resolution, block);
  if (!queue.metering()) {
    const auto cells = static_cast<std::size_t>(resolution / block) * (resolution / block) * (resolution / block);
    require(kept == nullptr || (kept->cells.size() == cells && kept->before->flags.size() == cells), "extract_solid",
            "what is kept is of another grid");
    return false;
  }
  const Frame<Dev> frame(queue.scratch());
  const bool colour = features.extent(1) == cube_channels(true);
  (void)queue.scratch().template take<std::byte, 1>(
      {static_cast<std::int64_t>(solid_scratch_bytes<Dev>(n, resolution, colour, block, closing || kept != nullptr))});
  return true;
}

}  // namespace surface

template <class Dev>
SurfaceMesh<Dev> extract_solid(Queue<Dev>& queue, In<Dev, std::int32_t, 2> cubes, In<Dev, float, 2> features, int resolution,
                               const std::function<SurfaceMesh<Dev>(std::int64_t, std::int64_t, bool)>& allocate, int block,
                               SolidReport* report, const KeptClosing* kept) {
  if (report != nullptr) *report = {};
  if (surface::only_meters_solid(queue, cubes, features, resolution, block, false, kept)) return {};
  const std::int64_t n = cubes.extent(0);
  const bool colour = features.extent(1) == cube_channels(true);
  if (n == 0) return allocate(0, 0, colour);
  return surface::Extractor<Dev>(queue, resolution, n, colour).run_solid(cubes, features, allocate, block, report, kept);
}

template <class Dev>
SolidClosing close_solid(Queue<Dev>& queue, In<Dev, std::int32_t, 2> cubes, In<Dev, float, 2> features, int resolution,
                         int block, const KeptClosing* kept) {
  if (surface::only_meters_solid(queue, cubes, features, resolution, block, true, kept)) return {};
  const std::int64_t n = cubes.extent(0);
  const std::int64_t side = resolution / block;
  if (n == 0) return {std::vector<std::uint8_t>(static_cast<std::size_t>(side * side * side), 0), {}, {}};
  return surface::Extractor<Dev>(queue, resolution, n, features.extent(1) == cube_channels(true))
      .close(cubes, features, block, kept);
}

#define ESPALIER_INSTANTIATE_SURFACE(Dev)                                                                                \
  template std::size_t surface_scratch_bytes<Dev>(std::int64_t, int, bool, int);                                         \
  template SurfaceMesh<Dev> extract_surface(Queue<Dev>&, In<Dev, std::int32_t, 2>, In<Dev, float, 2>, int,               \
                                            const std::function<SurfaceMesh<Dev>(std::int64_t, std::int64_t, bool)>&,    \
                                            SurfaceTrace<Dev>*, int);                                                    \
  template std::size_t solid_scratch_bytes<Dev>(std::int64_t, int, bool, int, bool);                                     \
  template SurfaceMesh<Dev> extract_solid(Queue<Dev>&, In<Dev, std::int32_t, 2>, In<Dev, float, 2>, int,                 \
                                          const std::function<SurfaceMesh<Dev>(std::int64_t, std::int64_t, bool)>&, int, \
                                          SolidReport*, const KeptClosing*);                                             \
  template SolidClosing close_solid(Queue<Dev>&, In<Dev, std::int32_t, 2>, In<Dev, float, 2>, int, int, const KeptClosing*);

}  // namespace espalier
