// Gaussians as the PLY file that 3D Gaussian splatting viewers read.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "assets/gaussians.h"

namespace espalier {

// Binary little-endian PLY with the reference's 17 float columns: x y z, normal (zero), f_dc_0..2, opacity as logit,
// scale_0..2 as logarithm, rot_0..3 as w x y z with the largest component positive. Positions and rotations are turned
// by (x, y, z) -> (x, -z, y), as the reference does. Comments (single lines of ASCII) go behind the format line;
// without any the header is the reference's. An opacity that float32 rounded to 0 or 1 is written as the nearest finite
// logit. Harmonics of degree 1 and higher (9, 24 or 45 columns f_rest_*, all of red first) stand behind f_dc_2, turned with the
// rest. Throws invalid_argument when there are no Gaussians, arrays differ in length, or a value is not finite, a scale
// not positive or a rotation zero.
[[nodiscard]] std::vector<std::byte> encode_gaussian_ply(const Gaussians& gaussians, std::span<const std::string> comments);

}  // namespace espalier
