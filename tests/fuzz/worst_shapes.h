// Inputs of the shapes that once took minutes or gigabytes, in any size.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace espalier::test {

struct WorstShape {
  const char* reader;  // a name of fuzz_targets, or the ending of a file of Gaussians
  const char* name;
  std::string (*make)(std::size_t bytes);  // about so many
  std::size_t largest = std::size_t{60} << 20U;
};

[[nodiscard]] const std::vector<WorstShape>& worst_shapes();
// Those among them that are pictures.
[[nodiscard]] std::vector<WorstShape> picture_shapes();

// `unit` again and again until there are so many bytes.
[[nodiscard]] inline std::string repeated(std::string_view unit, std::size_t bytes) {
  std::string out;
  out.reserve(bytes + unit.size());
  while (out.size() < bytes) out += unit;
  return out;
}

}  // namespace espalier::test
