// What the settings of a sampler may be, from pipeline.json or from options. The option table has its ranges from here.
#pragma once

namespace espalier {

inline constexpr int kMostSamplingSteps = 1000;  // and of the steps from one evaluation to the next
inline constexpr int kMostReuseOrder = 2;        // degree of the polynomials in time
inline constexpr double kMostGuidance = 100.0;
inline constexpr double kLeastRescale = 0.01, kMostRescale = 100.0;

}  // namespace espalier
