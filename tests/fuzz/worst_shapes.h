// Inputs of the shapes that once took minutes or gigabytes, in any size.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace espalier::test {

struct WorstShape {
  const char* reader;  // a name of fuzz_targets, or the ending of a file that one of them reads
  const char* name;
  std::string (*make)(std::size_t bytes);  // about so many
  std::size_t largest = std::size_t{60} << 20U;
};

[[nodiscard]] const std::vector<WorstShape>& worst_shapes();
// Those among them that are images, that are packed, and that hold weights or lists of them.
[[nodiscard]] std::vector<WorstShape> image_shapes();
[[nodiscard]] std::vector<WorstShape> packed_shapes();
[[nodiscard]] std::vector<WorstShape> weight_shapes();

// The name among fuzz_targets of what reads the shape.
[[nodiscard]] inline std::string_view target_of(const WorstShape& shape) {
  const std::string_view reader = shape.reader;
  return reader == "spz" ? "gaussians" : reader == "3mf" ? "archive" : reader;
}

// `unit` again and again until there are so many bytes.
[[nodiscard]] inline std::string repeated(std::string_view unit, std::size_t bytes) {
  std::string out;
  out.reserve(bytes + unit.size());
  while (out.size() < bytes) out += unit;
  return out;
}

}  // namespace espalier::test
