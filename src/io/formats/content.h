// What a file of another program holds, by its content.
#pragma once

#include <filesystem>

namespace espalier {

// Whether it holds Gaussians rather than a mesh. False also for a file that cannot be read, of which reading will say more.
[[nodiscard]] bool holds_gaussians(const std::filesystem::path& path);

}  // namespace espalier
