// Files of weights in any format that is read, told apart by their content and not by their names.
#pragma once

#include <array>
#include <filesystem>
#include <memory>

#include "weights/tensor_source.h"

namespace espalier {

// What such files are called, in the order in which they are looked for.
inline constexpr std::array kWeightEndings{".safetensors", ".pth", ".pt", ".bin"};

// Maps a safetensors file or one of torch.save (.pth, .pt, .bin). Throws what SafetensorsFile and TorchFile do, and format
// for everything else: a Git LFS pointer, a page that a server sent instead of the file, another format.
[[nodiscard]] std::unique_ptr<const TensorSource> open_weights(const std::filesystem::path& path);

// BASE with the first of the endings that exists; BASE.safetensors where none does.
[[nodiscard]] std::filesystem::path find_weights(const std::filesystem::path& base);

}  // namespace espalier
