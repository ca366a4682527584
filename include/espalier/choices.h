// Choices that requests and the algorithms below them share. Enumerators in their order have the names that options have.
#pragma once

namespace espalier {

// How a sampling step follows from the velocities that the flow gave.
enum class Solver {
  euler,      // the velocity at its beginning
  multistep,  // Adams-Bashforth: the mean, over the step, of the polynomial through the last velocities
};

// What several images of one object are to a flow.
enum class MultiImageMode {
  stochastic,      // step i uses the condition of image i mod n
  multidiffusion,  // every step averages over the conditions of all
};

// How a texture is baked from views.
enum class BakeMode {
  fast,  // mean of the views that see a texel
  best,  // the texture that reproduces the views
};

}  // namespace espalier
