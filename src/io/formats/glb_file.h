// The two chunks of a GLB as one file.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace espalier {

// `binary` is a multiple of four bytes long. Throws invalid_argument beyond 4 GiB.
[[nodiscard]] std::vector<std::byte> glb_of(std::string json, const std::vector<std::byte>& binary);

}  // namespace espalier
