#include "weights/selected.h"

#include <utility>

namespace espalier {

SelectedTensors::SelectedTensors(std::shared_ptr<const TensorSource> all,
                                 const std::function<bool(const std::string& name)>& wanted)
    : all_(std::move(all)) {
  metadata_ = all_->metadata();
  for (const auto& [name, entry] : all_->entries()) {
    if (wanted(name)) entries_.emplace(name, entry);
  }
}

}  // namespace espalier
