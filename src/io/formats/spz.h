// Numbers of the SPZ format, for its writer and its reader.
#pragma once

#include <cstddef>
#include <cstdint>

namespace espalier::spz {

inline constexpr std::uint32_t kMagic = 0x5053474E;  // "NGSP"
inline constexpr std::size_t kHeaderBytes = 16;
inline constexpr std::int64_t kMaxPoints = 10'000'000;
inline constexpr double kColourScale = 0.15;  // bytes per unit of f_dc, divided by 255
inline constexpr double kScaleOffset = 10.0, kScaleSteps = 16.0;
inline constexpr double kHarmonicZero = 128.0, kHarmonicSteps = 128.0;  // of harmonics of degree 1 and higher
inline constexpr std::uint32_t kMagnitude = 511;                        // of the nine bits beside a sign

}  // namespace espalier::spz
