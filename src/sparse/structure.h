// Sparse structures: which cells of a cubic grid exist, and the tables that sparse operators read. Tables are built once
// per asset on the host (tens of thousands of rows: a few milliseconds) and uploaded; docs/decisions says why.
#pragma once

#include <cstdint>
#include <vector>

#include "assets/voxels.h"
#include "ops/attention.h"
#include "runtime/queue.h"

namespace espalier {

// [rows * 27]: row of the neighbour at offset (kx, ky, kz) - 1 for tap (kx * 3 + ky) * 3 + kz, -1 where none exists.
[[nodiscard]] std::vector<std::int32_t> neighbour_map(const Voxels& voxels);

// Cells of half the resolution that have children, ascending in (batch, x, y, z).
struct Coarsened {
  Voxels coarse;
  std::vector<std::int32_t> parent;  // [fine rows]: row of the coarse cell
  std::vector<std::int32_t> begin;   // [coarse rows + 1]
  std::vector<std::int32_t> child;   // [fine rows]: children of each coarse cell, ascending
};
[[nodiscard]] Coarsened coarsen(const Voxels& voxels);

// Rows grouped for attention, on the host. Windows: sequence = voxels of one batch element with equal
// (coord + shift) / window per axis; sequences ascending in (batch, wx, wy, wz), rows ascending inside. No cyclic wrap.
struct HostPacking {
  std::vector<std::int32_t> begin;
  std::vector<std::int32_t> order;
  std::int64_t longest = 0;
};
[[nodiscard]] HostPacking windows(const Voxels& voxels, int window, int shift);
// One sequence per batch element, no order.
[[nodiscard]] HostPacking whole_batches(const Voxels& voxels);
[[nodiscard]] HostPacking equal_batches(std::int64_t batch, std::int64_t length);

// Batch element of each row.
[[nodiscard]] std::vector<std::int32_t> row_batches(const Voxels& voxels);

// A host table in the memory of a device, taken from `arena`; copied when the arena is real.
template <class Dev, class T, int Rank>
[[nodiscard]] View<Dev, const T, Rank> place(Queue<Dev>& queue, Arena<Dev>& arena, const std::vector<T>& values,
                                             Extents<Rank> extents) {
  View<Dev, T, Rank> view = arena.template take<T, Rank>(extents);
  require(view.size() == static_cast<std::int64_t>(values.size()), "place", values.size(), " values for ", view.size(),
          " elements");
  if (!arena.metering()) upload_bytes(queue, values.data(), view.data(), values.size() * sizeof(T));
  return view;
}
template <class Dev>
[[nodiscard]] Packing<Dev> place(Queue<Dev>& queue, Arena<Dev>& arena, const HostPacking& packing) {
  Packing<Dev> p;
  p.begin = place<Dev, std::int32_t, 1>(queue, arena, packing.begin, {static_cast<std::int64_t>(packing.begin.size())});
  if (!packing.order.empty()) {
    p.order = place<Dev, std::int32_t, 1>(queue, arena, packing.order, {static_cast<std::int64_t>(packing.order.size())});
  }
  p.longest = packing.longest;
  return p;
}

}  // namespace espalier
