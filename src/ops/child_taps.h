// Which taps of a 3x3x3 convolution meet the same row when the 8 children of every voxel have their parent's features. Along an
// axis, the taps k = 0, 1, 2 of child half h lie in the parent's neighbours at offsets floor((h + k - 1) / 2), which are two:
// h - 1 and h. So 27 taps become 2 x 2 x 2, and their weights can be added up beforehand.
//
// Children and taps are numbered with z fastest: child 4 x + 2 y + z, child tap likewise, tap (kx * 3 + ky) * 3 + kz.
#pragma once

#include "parallel/device_code.h"

namespace espalier {

inline constexpr int kChildren = 8;
inline constexpr int kChildTaps = 8;

// Taps of an axis that add up to its child tap `side` (0 or 1) for the child half `half`.
struct TapRange {
  int first, count;
};
ESPALIER_DEVICE_CODE constexpr TapRange taps_of_side(int half, int side) {
  return {side == 0 ? 0 : 1 + half, side == half ? 1 : 2};
}

// The tap of the parents' own neighbourhood that child tap `tap` of a child meets.
ESPALIER_DEVICE_CODE constexpr int parent_tap(int child, int tap) {
  const int x = child / 4 + tap / 4;  // 0, 1, 2 for the offsets -1, 0, 1
  const int y = child / 2 % 2 + tap / 2 % 2;
  const int z = child % 2 + tap % 2;
  return (x * 3 + y) * 3 + z;
}

// The sum of w[tap] over the taps of a 3x3x3 kernel that child tap `tap` of a child stands for, in ascending order.
template <class Weight>
ESPALIER_DEVICE_CODE float fold_child_tap(int child, int tap, Weight w) {
  const TapRange x = taps_of_side(child / 4, tap / 4);
  const TapRange y = taps_of_side(child / 2 % 2, tap / 2 % 2);
  const TapRange z = taps_of_side(child % 2, tap % 2);
  float sum = 0.0F;
  for (int i = x.first; i < x.first + x.count; ++i) {
    for (int j = y.first; j < y.first + y.count; ++j) {
      for (int k = z.first; k < z.first + z.count; ++k) sum += w((i * 3 + j) * 3 + k);
    }
  }
  return sum;
}

}  // namespace espalier
