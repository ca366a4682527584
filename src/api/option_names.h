// Names of enumerators, in their order: what options, JSON and reports call them.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "espalier/options.h"

namespace espalier {

template <class Enum>
inline constexpr std::array<const char*, 0> kNames{};
template <>
inline constexpr std::array kNames<Precision>{"auto", "full", "half", "int8", "fp8"};
template <>
inline constexpr std::array kNames<MemoryTier>{"auto", "high", "medium", "low"};
template <>
inline constexpr std::array kNames<SamplerPreset>{"checkpoint", "app", "fast"};
template <>
inline constexpr std::array kNames<Solver>{"euler", "multistep"};
template <>
inline constexpr std::array kNames<MultiImageMode>{"stochastic", "multidiffusion"};
template <>
inline constexpr std::array kNames<Background>{"auto", "alpha", "none", "plain", "network"};
template <>
inline constexpr std::array kNames<SurfaceChoice>{"auto", "solid", "reference"};
template <>
inline constexpr std::array kNames<BakeMode>{"fast", "best"};
template <>
inline constexpr std::array kNames<TextureFormat>{"png", "jpeg", "webp", "auto"};
template <>
inline constexpr std::array kNames<MeshCompression>{"none", "meshopt", "draco"};
template <>
inline constexpr std::array kNames<Origin>{"auto", "source", "centre", "bottom"};
template <>
inline constexpr std::array kNames<UpAxis>{"auto", "y", "z"};
template <>
inline constexpr std::array kNames<ProgressStyle>{"auto", "json"};
template <>
inline constexpr std::array kNames<Shell>{"bash", "zsh", "fish"};
template <>
inline constexpr std::array kNames<VideoFormat>{"mp4", "webp"};
template <>
inline constexpr std::array kNames<LogFormat>{"none", "json"};
template <>
inline constexpr std::array kNames<RenderStyle>{"auto",      "textured",   "colour", "clay",          "normals",
                                                "wireframe", "uv-checker", "splats", "radiance-field"};
// What a texture is baked from: FinishRequest::bake_radiance_field.
inline constexpr std::array kBakeSources{"gaussians", "radiance-field"};
// The members of Decoded.
inline constexpr std::array kDecoded{"mesh", "gaussians", "radiance-field"};
// What a key of a person may do.
inline constexpr std::array kScopes{"submit", "read", "admin"};
// None, or the members of TextureMaps.
inline constexpr std::array kMaps{"none", "normal", "ao"};
inline constexpr std::array kVoxelSets{"12k", "24k"};

template <class Enum>
std::string_view enumerator_name(Enum value) {
  const auto index = static_cast<std::size_t>(value);
  if (index >= kNames<Enum>.size()) fail(ErrorCode::invalid_argument, "the number ", index, " names no choice");
  return kNames<Enum>[index];
}

template <std::size_t N>
std::vector<std::string> list_of(const std::array<const char*, N>& names) {
  return {names.begin(), names.end()};
}

}  // namespace espalier
