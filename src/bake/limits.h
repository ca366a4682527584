// How many views may be baked from, and how large. The option table has its ranges from here.
#pragma once

namespace espalier::baking {

inline constexpr int kMostViews = 1000;
inline constexpr int kLeastViewSize = 64, kMostViewSize = 4096;  // pixels on a side

}  // namespace espalier::baking
