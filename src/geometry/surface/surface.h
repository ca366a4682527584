// Dual surface extraction from sparse cubes: FlexiCubes (Shen et al. 2023) as TRELLIS uses it.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "runtime/queue.h"

namespace espalier {

// A triangle mesh in device memory. Not owned.
template <class Dev>
struct SurfaceMesh {
  View<Dev, float, 2> vertices;      // [V, 3] in [-0.5, 0.5]
  View<Dev, std::int32_t, 2> faces;  // [F, 3]
  View<Dev, float, 2> attributes;    // [V, 6]: colour in [0, 1], normal; empty without colour channels
};

// What the extraction went through, for tests. Views live in the queue's scratch arena until the caller's frame ends and
// take 12 bytes per lattice vertex and 4 per surface cube on top of surface_scratch_bytes.
template <class Dev>
struct SurfaceTrace {
  View<Dev, std::int32_t, 2> lattice_coords;  // [L, 3] lattice vertices of the active cubes, lexicographic
  View<Dev, float, 2> lattice_sdf_deform;     // [L, 4] after averaging over cubes
  View<Dev, std::int32_t, 1> case_ids;        // [S] resolved case of each cube that holds surface, in cube order
};

// Feature channels of a cube: sdf 8, deformation 8 x 3, weights 21, and with colour 8 x 6.
[[nodiscard]] constexpr int cube_channels(bool colour) { return colour ? 101 : 53; }

// Extracts the zero surface. cubes [n, 4] (batch ignored, x, y, z in [0, resolution)), each once, any order, at most
// 2^24; resolution in [1, 1024]; features [n, channels] with channels 53 or 101. Rows may be strided. `allocate` is called
// once with the counts (V, F, colour) and returns the memory to write to (pipeline code allocates exactly). Temporaries
// come from the queue's scratch arena, at most surface_scratch_bytes of the same arguments. Nothing of the size of the
// dense grid is used. An empty surface gives V = F = 0.
//
// The result is the reference's, vertex for vertex and face for face; it does not depend on the order of the cubes, and
// all devices give the same bits. Features that are not finite spoil vertices near them and nothing else: a distance
// that is NaN counts as outside.
//
// `block`: a promise that the cubes come in whole aligned blocks of block^3 (4 from the mesh decoder), which makes the
// bound on memory several times smaller.
//
// Unlike other ops this one waits for the device, because sizes depend on the data: it reads four small numbers back.
// While metering it takes surface_scratch_bytes, calls nothing and returns an empty mesh.
// Throws invalid_argument for a cube outside the grid or listed twice (naming the first such row), for a broken promise
// of blocks, and for sizes beyond those above.
template <class Dev>
SurfaceMesh<Dev> extract_surface(
    Queue<Dev>& queue, In<Dev, std::int32_t, 2> cubes, In<Dev, float, 2> features, int resolution,
    const std::function<SurfaceMesh<Dev>(std::int64_t vertices, std::int64_t faces, bool colour)>& allocate,
    SurfaceTrace<Dev>* trace = nullptr, int block = 1);

// Upper bound of the scratch that extract_surface takes, whatever the features are.
template <class Dev>
[[nodiscard]] std::size_t surface_scratch_bytes(std::int64_t cubes, int resolution, bool colour, int block = 1);

// How a solid was closed.
struct SolidReport {
  std::int64_t inside_cells = 0;  // cells without cubes that lie inside
  std::int64_t membrane = 0;      // sides of these where skin is missing
  std::int64_t band_cells = 0;    // cells without cubes that the surface may run through
};

// How the cells without cubes of a solid were closed, on the host.
struct SolidClosing {
  std::vector<std::uint8_t> flags;  // [side^3] of cells: solid_steps.h
  std::vector<std::int32_t> band;   // the cells without cubes that the surface may run through, ascending
  std::vector<float> values;  // [band * block^3, 7]: distance, colour and normal at the lowest corner of each cube of these
};
// Of another solid; `cells` [side^3] are not 0 where the cell is to be closed as it was, and its cubes are the same.
struct KeptClosing {
  const SolidClosing* before = nullptr;
  std::span<const std::uint8_t> cells;
};

// Extracts the surface of the solid that the cubes are the shell of: a closed one, without a wall where the shell ends inside
// the object. As extract_surface but for this:
//
// - The cubes come in whole aligned blocks of block^3, block 2 or 4, and resolution is a multiple of it, at most 128
//   blocks. The cells of block^3 without cubes are decided to lie inside or outside, on the host: solid_cells.h.
// - Lattice vertices of no cube have the sign of their cell. Where inside meets outside without a cube between, or where the
//   predicted signs contradict the decision, distances (and colours) of vertices without a cube are harmonic: they join what
//   was predicted around smoothly.
// - Vertices of cubes keep their values, except that those without a sign and those on the border of the grid are outside.
//
// With `kept`, cells that are kept are closed as they were before: lattice vertices with kept cells alone around them have the
// values that they had, where the cubes of these cells have. So the surface of cells that touch kept cells alone is the same
// bit for bit. Nothing is kept where the band of both has no room, which is twice that of one.
//
// So every edge of the result has an even number of faces. A shell of which no cell lies inside, as of a sheet, gives the
// reference's surface, but for the border of the grid. Takes at most solid_scratch_bytes; the host reads 8 bytes per cell and
// writes one.
template <class Dev>
SurfaceMesh<Dev> extract_solid(
    Queue<Dev>& queue, In<Dev, std::int32_t, 2> cubes, In<Dev, float, 2> features, int resolution,
    const std::function<SurfaceMesh<Dev>(std::int64_t vertices, std::int64_t faces, bool colour)>& allocate, int block,
    SolidReport* report = nullptr, const KeptClosing* kept = nullptr);

// How extract_solid closes the cells without cubes, for later. Takes at most solid_scratch_bytes with `kept`. Empty while
// metering.
template <class Dev>
[[nodiscard]] SolidClosing close_solid(Queue<Dev>& queue, In<Dev, std::int32_t, 2> cubes, In<Dev, float, 2> features,
                                       int resolution, int block, const KeptClosing* kept = nullptr);

template <class Dev>
[[nodiscard]] std::size_t solid_scratch_bytes(std::int64_t cubes, int resolution, bool colour, int block, bool kept = false);

}  // namespace espalier
