// Compaction: the items of n groups in one list without gaps, where only a group itself knows how many it has.
//
//   for_each(queue, where, n, count);     // begin[g] = items of group g
//   place_items(queue, begin, workspace);
//   ... take memory for item_count(queue, begin) items ...
//   for_each(queue, where, n, write);     // the items of group g from begin[g] on
//
// The list is in the order of the groups, whatever the device.
#pragma once

#include <cstdint>

#include "parallel/scan.h"
#include "runtime/queue.h"

namespace espalier {

// begin [n + 1]: the counts of the groups, and one more element, whatever it holds. Every count becomes the number of items in
// the groups before, and the last element the number of all, which has to fit into 32 bits. Workspace: sum_bytes<Dev>(n + 1).
template <class Dev>
void place_items(Queue<Dev>& queue, View<Dev, std::int32_t, 1> begin, View<Dev, std::byte, 1> workspace) {
  zero_bytes(queue, begin.data() + begin.extent(0) - 1, sizeof(std::int32_t));
  exclusive_sum<Dev>(queue, begin, workspace);
}

// The number of all items behind place_items. The host waits for it.
template <class Dev>
[[nodiscard]] std::int64_t item_count(Queue<Dev>& queue, View<Dev, std::int32_t, 1> begin) {
  std::int32_t count = 0;
  download_bytes(queue, begin.data() + begin.extent(0) - 1, &count, sizeof count);
  return count;
}

}  // namespace espalier
