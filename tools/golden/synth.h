// Synthetic tensors by the hash rule of a golden folder: every element is a pure function of a seed string, the tensor's
// name and the element's index, so a checkpoint of any size follows from its manifest.
#pragma once

#include <nlohmann/json.hpp>

#include "session/checkpoint.h"
#include "weights/synthetic.h"

namespace espalier::golden {

// Variance 1: a = sqrt(3), c = 0.
[[nodiscard]] std::vector<float> unit_values(const std::string& seed, const std::string& name, std::int64_t count);

// The tensors of one checkpoint of a manifest, made when they are read.
class SyntheticTensors final : public TensorSource {
 public:
  // seed: of the checkpoint, e.g. "nano/ss_flow_img_dit_nano_fp16"; tensors: the manifest's table.
  SyntheticTensors(std::string seed, const nlohmann::json& tensors);
  [[nodiscard]] const std::string& label() const override { return seed_; }
  [[nodiscard]] const std::map<std::string, TensorEntry>& entries() const override { return entries_; }
  [[nodiscard]] TensorEntry read(const std::string& name) const override;

 private:
  [[nodiscard]] std::vector<float> values(const std::string& name, const nlohmann::json& spec, const TensorEntry& entry) const;

  std::string seed_;
  nlohmann::json specs_;
  std::map<std::string, TensorEntry> entries_;
  mutable std::vector<std::byte> buffer_;
};

// One configuration of a folder's manifests.
class Manifest {
 public:
  explicit Manifest(const std::filesystem::path& file);
  // The module of a checkpoint by its last path component. Throws not_found.
  [[nodiscard]] ModuleSource module(const std::string& checkpoint) const;
  // The whole pipeline, as if it had been read from a folder.
  [[nodiscard]] Checkpoint checkpoint() const;

 private:
  std::string where_;
  nlohmann::json json_;
};

}  // namespace espalier::golden
