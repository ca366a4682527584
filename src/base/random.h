// The random stream of PyTorch's CPU generator, so that a seed gives the same noise here and there.
#pragma once

#include <cstdint>
#include <optional>
#include <random>
#include <span>

namespace espalier {

// MT19937 with torch's two ways of drawing normal values. One object is one stream: draws must happen in the order in
// which the reference draws. Not thread safe.
class TorchGenerator {
 public:
  // Same stream as torch.manual_seed(seed) on the CPU; only the low 32 bits of the seed matter.
  explicit TorchGenerator(std::uint64_t seed) : engine_(static_cast<std::uint32_t>(seed)) {}

  // Fills `out` like torch.randn of as many float32 values. Sixteen or more values come from float32 uniforms in blocks
  // of sixteen; fewer come in pairs of float64, of which an unused second value is kept for the next short draw.
  void randn(std::span<float> out);

 private:
  [[nodiscard]] float uniform24();
  [[nodiscard]] double uniform53();
  void fill_blocks(std::span<float> out);
  [[nodiscard]] double next_of_pair();

  std::mt19937 engine_;
  std::optional<double> second_of_pair_;
};

}  // namespace espalier
