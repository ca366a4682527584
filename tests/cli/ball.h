// A saved asset that takes no network to make.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "image/codec.h"
#include "weights/safetensors.h"

namespace espalier::test {

inline constexpr int kRings = 60, kSectors = 120;
inline constexpr int kBallFaces = 2 * kSectors * (kRings - 1);
inline constexpr std::array<float, 3> kFieldColour{0.2F, 0.7F, 0.4F};

// A radiance field of one colour in the cells that the ball's surface crosses.
inline void add_field(std::map<std::string, HostTensor>& tensors, std::map<std::string, std::string>& metadata) {
  constexpr int kSide = 16;
  std::vector<float> position, features;
  for (int cell = 0; cell < kSide * kSide * kSide; ++cell) {
    const std::array<int, 3> at{cell / (kSide * kSide), cell / kSide % kSide, cell % kSide};
    float squared = 0.0F;
    for (const int i : at) squared += std::pow((static_cast<float>(i) + 0.5F) / kSide - 0.5F, 2.0F);
    if (std::abs(std::sqrt(squared) - 0.4F) > 0.08F) continue;
    for (const int i : at) position.push_back((static_cast<float>(i) + 0.5F) / kSide);
    for (const float v : kFieldColour) features.push_back((v - 0.5F) / 0.28209479F);
  }
  const auto count = static_cast<std::int64_t>(position.size()) / 3;
  tensors.emplace("radiance_field.position", HostTensor::from(position, {count, 3}));
  tensors.emplace("radiance_field.trivec",
                  HostTensor::from(std::vector<float>(static_cast<std::size_t>(count) * 6, 1.0F), {count, 6}));
  tensors.emplace("radiance_field.density",
                  HostTensor::from(std::vector<float>(static_cast<std::size_t>(count), 500.0F), {count, 1}));
  tensors.emplace("radiance_field.features_dc", HostTensor::from(features, {count, 3}));
  metadata["radiance_field.resolution"] = std::to_string(kSide);
  metadata["radiance_field.rank"] = "1";
  metadata["radiance_field.dim"] = "2";
}

// What the ball looks like, nearly: a striped disc, cut out.
inline void add_image(std::map<std::string, HostTensor>& tensors) {
  constexpr int kSide = 96;
  Image image(kSide, kSide, 4);
  for (int y = 0; y < kSide; ++y) {
    for (int x = 0; x < kSide; ++x) {
      if (std::hypot(static_cast<float>(x) - 47.5F, static_cast<float>(y) - 47.5F) > 37.0F) continue;
      const auto stripe = static_cast<std::uint8_t>(y / 6 % 2 == 0 ? 150 : 90);
      const std::array<std::uint8_t, 4> colour{static_cast<std::uint8_t>(180 - y), stripe, 120, 255};
      std::copy(colour.begin(), colour.end(), image.at(x, y));
    }
  }
  const std::vector<std::byte> png = encode_png(image, PngEffort::quick);
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(png.data());
  tensors.emplace("image.1", HostTensor::from(std::vector<std::uint8_t>(bytes, bytes + png.size()),
                                              {static_cast<std::int64_t>(png.size()), 1}));
}

// A ball with bumps, Z up, and Gaussians on its surface, as save_asset writes them.
inline void write_ball(const std::filesystem::path& path) {
  std::vector<float> vertices, colours, dc, scale, rotation, opacity;
  std::vector<std::int32_t> faces;
  const auto point = [&](float ring, float sector) {
    const float theta = 3.14159265F * ring / kRings, phi = 6.2831853F * sector / kSectors;
    const float radius = 0.4F + 0.02F * std::sin(8.0F * phi) * std::sin(6.0F * theta);
    for (const float v : {std::sin(theta) * std::cos(phi), std::sin(theta) * std::sin(phi), std::cos(theta)})
      vertices.push_back(radius * v);
    for (const float v : {0.5F + 0.4F * std::cos(theta), 0.5F, 0.5F + 0.3F * std::sin(3 * phi)}) {
      colours.push_back(v);
      dc.push_back((v - 0.5F) / 0.28209479F);
    }
    scale.insert(scale.end(), 3, 0.012F);
    rotation.insert(rotation.end(), {1, 0, 0, 0});
    opacity.push_back(0.98F);
  };
  point(0, 0);
  for (int ring = 1; ring < kRings; ++ring) {
    for (int sector = 0; sector < kSectors; ++sector) point(static_cast<float>(ring), static_cast<float>(sector));
  }
  point(kRings, 0);
  const auto index = [](int ring, int sector) {
    return ring == 0 ? 0 : 1 + (ring - 1) * kSectors + (ring == kRings ? 0 : sector % kSectors);
  };
  for (int ring = 0; ring < kRings; ++ring) {
    for (int sector = 0; sector < kSectors; ++sector) {
      const int a = index(ring, sector), b = index(ring + 1, sector), c = index(ring + 1, sector + 1),
                d = index(ring, sector + 1);
      if (ring + 1 < kRings) faces.insert(faces.end(), {a, b, c});
      if (ring > 0) faces.insert(faces.end(), {a, ring + 1 < kRings ? c : b, d});
    }
  }
  const auto count = static_cast<std::int64_t>(opacity.size());
  std::map<std::string, HostTensor> tensors;
  tensors.emplace("mesh.vertices", HostTensor::from(vertices, {count, 3}));
  tensors.emplace("mesh.colours", HostTensor::from(colours, {count, 3}));
  tensors.emplace("mesh.faces", HostTensor::from(faces, {static_cast<std::int64_t>(faces.size()) / 3, 3}));
  tensors.emplace("gaussians.xyz", HostTensor::from(vertices, {count, 3}));
  tensors.emplace("gaussians.dc", HostTensor::from(dc, {count, 3}));
  tensors.emplace("gaussians.scale", HostTensor::from(scale, {count, 3}));
  tensors.emplace("gaussians.rotation", HostTensor::from(rotation, {count, 4}));
  tensors.emplace("gaussians.opacity", HostTensor::from(opacity, {count, 1}));
  std::map<std::string, std::string> metadata{{"format", "espalier-asset-1"}, {"record: seed", "7"}};
  add_field(tensors, metadata);
  add_image(tensors);
  save_safetensors(path, tensors, metadata);
}

}  // namespace espalier::test
