// What the attention kernels take, and how a block finds its part of the work.
#pragma once

#include <cstdint>

namespace espalier::cuda {

// Rows of a packing: first index, count, and the table that turns indices into rows (null: they are rows).
struct Rows {
  const std::int32_t* order;
  std::int64_t first;
  std::int64_t count;

  [[nodiscard]] __device__ __forceinline__ std::int64_t row(std::int64_t i) const {
    return order == nullptr ? first + i : static_cast<std::int64_t>(order[first + i]);
  }
};

// Pointers are at head 0; strides are in elements.
template <class T>
struct AttentionArgs {
  const T *q, *k, *v;
  T* out;
  int q_stride, k_stride, v_stride, out_stride;
  const std::int32_t *query_begin, *query_order, *key_begin, *key_order;
  int heads, width;
  int tiles;    // of queries, of the longest sequence
  float scale;  // times log2(e)
};

// Blocks are numbered [sequence][head][tile of queries], so that blocks that run together share keys.
struct AttentionBlock {
  Rows queries, keys;  // the tile's queries (at most `tile_rows`), all keys
  int head;

  template <class T>
  __device__ __forceinline__ AttentionBlock(const AttentionArgs<T>& args, int tile_rows) {
    const unsigned pair = blockIdx.x / static_cast<unsigned>(args.tiles);
    const std::int64_t tile = blockIdx.x % static_cast<unsigned>(args.tiles);
    const unsigned sequence = pair / static_cast<unsigned>(args.heads);
    head = static_cast<int>(pair % static_cast<unsigned>(args.heads));
    const std::int64_t begin = args.query_begin[sequence] + tile * tile_rows;
    queries = {args.query_order, begin, args.query_begin[sequence + 1] - begin};
    queries.count = queries.count < tile_rows ? queries.count : tile_rows;
    keys = {args.key_order, args.key_begin[sequence], std::int64_t{args.key_begin[sequence + 1]} - args.key_begin[sequence]};
  }
};

}  // namespace espalier::cuda
