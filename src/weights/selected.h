// A part of the tensors of a file.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "weights/tensor_source.h"

namespace espalier {

// The tensors of `all` whose names are wanted, as if the others did not exist.
class SelectedTensors final : public TensorSource {
 public:
  SelectedTensors(std::shared_ptr<const TensorSource> all, const std::function<bool(const std::string& name)>& wanted);
  [[nodiscard]] const std::string& label() const override { return all_->label(); }
  [[nodiscard]] const std::map<std::string, TensorEntry>& entries() const override { return entries_; }
  [[nodiscard]] TensorEntry read(const std::string& name) const override { return all_->read(name); }
  void check_intact() const override { all_->check_intact(); }

 private:
  std::shared_ptr<const TensorSource> all_;
  std::map<std::string, TensorEntry> entries_;
};

}  // namespace espalier
