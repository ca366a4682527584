// Synthetic tensor values: a pure function of seed string, tensor name and element index, so that a network of any size can
// be built without files. Used by benchmarks and by the golden runner, which share the rule with the reference's data.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "weights/loader.h"

namespace espalier {

// Element i: (2 u - 1) a + c, where u in [0, 1) has 24 bits of a splitmix64 hash of fnv1a64(seed ":" name) and i; formed in
// float64, rounded to float32.
[[nodiscard]] std::vector<float> hashed_values(const std::string& seed, const std::string& name, std::int64_t count, double a,
                                               double c);

// Amplitude and centre that keep activations of a network in range: sqrt(3 / fan in) for matrices, 0.1 around 1 for gains,
// 0.05 for biases.
struct ValueRange {
  double amplitude = 0.0, centre = 0.0;
};
[[nodiscard]] ValueRange customary_range(const std::string& name, const std::vector<std::int64_t>& extents);

// The tensors that a network declares, as float32.
class SyntheticSource final : public TensorSource {
 public:
  SyntheticSource(std::string seed, const std::vector<Declaration>& declared);
  [[nodiscard]] const std::string& label() const override { return seed_; }
  [[nodiscard]] const std::map<std::string, TensorEntry>& entries() const override { return entries_; }
  [[nodiscard]] TensorEntry read(const std::string& name) const override;

 private:
  std::string seed_;
  std::map<std::string, TensorEntry> entries_;
  mutable std::vector<float> buffer_;
};

// Synthetic tensors for Model(config): the network's own constructor says which.
template <class Model, class Dev, class Config>
[[nodiscard]] std::shared_ptr<const TensorSource> synthetic_for(Queue<Dev>& queue, const std::string& seed,
                                                                const Config& config) {
  const SyntheticSource nothing(seed, {});
  Arena<Dev> meter;
  WeightLoader<Dev> loader(queue, meter, nothing);
  const Model probe(config, loader);
  return std::make_shared<SyntheticSource>(seed, loader.declared());
}

}  // namespace espalier
