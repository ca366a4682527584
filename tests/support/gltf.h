// glTF files that tests write, read back with tinygltf and kept for Khronos' validator, which runs after these tests.
#pragma once

#include <gtest/gtest.h>
#include <tiny_gltf.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "base/file.h"

namespace espalier::test {

// A name of its own for every file that the running test keeps.
inline std::string kept_name() {
  static int counter = 0;
  const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
  return std::string(info->test_suite_name()) + "." + info->name() + "." + std::to_string(counter++);
}

inline std::filesystem::path kept_folder() {
  std::filesystem::path folder = ESPALIER_KEPT_GLTF;
  std::filesystem::create_directories(folder);
  return folder;
}

inline tinygltf::Model read_glb(const std::vector<std::byte>& bytes) {
  write_file(kept_folder() / (kept_name() + ".glb"), bytes);
  tinygltf::TinyGLTF reader;
  // Encoded images are wanted as they lie in the file, whatever their format.
  reader.SetImageLoader(
      [](tinygltf::Image* image, int, std::string*, std::string*, int, int, const unsigned char* data, int size, void*) {
        image->image.assign(data, data + size);
        return true;
      },
      nullptr);
  tinygltf::Model model;
  std::string error, warning;
  const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
  EXPECT_TRUE(reader.LoadBinaryFromMemory(&model, &error, &warning, data, static_cast<unsigned>(bytes.size()), "",
                                          tinygltf::REQUIRE_VERSION));
  EXPECT_EQ(error + warning, "");
  return model;
}

template <class T>
std::vector<T> read_accessor(const tinygltf::Model& model, int index) {
  const auto& accessor = model.accessors.at(static_cast<std::size_t>(index));
  const auto& view = model.bufferViews.at(static_cast<std::size_t>(accessor.bufferView));
  std::vector<T> values(accessor.count *
                        static_cast<std::size_t>(tinygltf::GetNumComponentsInType(static_cast<std::uint32_t>(accessor.type))));
  EXPECT_EQ(view.byteLength, values.size() * sizeof(T));
  EXPECT_EQ((view.byteOffset + accessor.byteOffset) % 4, 0U);
  std::memcpy(values.data(), model.buffers.at(0).data.data() + view.byteOffset + accessor.byteOffset,
              values.size() * sizeof(T));
  return values;
}

// Indices of 16 or 32 bits.
inline std::vector<std::uint32_t> read_indices(const tinygltf::Model& model, int index) {
  const auto& accessor = model.accessors.at(static_cast<std::size_t>(index));
  if (accessor.componentType == TINYGLTF_COMPONENT_TYPE_UNSIGNED_INT) return read_accessor<std::uint32_t>(model, index);
  EXPECT_EQ(accessor.componentType, TINYGLTF_COMPONENT_TYPE_UNSIGNED_SHORT);
  const auto narrow = read_accessor<std::uint16_t>(model, index);
  return {narrow.begin(), narrow.end()};
}

}  // namespace espalier::test
