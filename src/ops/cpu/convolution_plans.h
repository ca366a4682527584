// How the parts of a divided convolution are computed by oneDNN.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <vector>

#include "runtime/cpu/native.h"

namespace espalier {

// One plan for each shape of a part. All take the weights in the order that the first shape wants, but for those that oneDNN
// could then compute by its reference loops alone, many times as slow: they have the weights in an order of their own.
template <class Shape>
class ConvolutionPlans {
 public:
  using Plan = dnnl::convolution_forward::primitive_desc;
  using Desc = dnnl::memory::desc;

  struct Part {
    Plan plan;
    std::size_t order;  // of the weights: index into orders()
  };

  // make(weights) plans the shape for weights of that description, or lets oneDNN choose where it says "any".
  template <class Make>
  void add(const Shape& shape, const Desc& any, Make make) {
    if (parts_.contains(shape)) return;
    for (std::size_t order = 0; order < orders_.size(); ++order) {
      if (Plan plan = make(orders_[order]); !by_reference(plan)) {
        parts_.emplace(shape, Part{std::move(plan), order});
        return;
      }
    }
    Plan plan = make(any);
    const auto found = std::find(orders_.begin(), orders_.end(), plan.weights_desc());
    const auto order = static_cast<std::size_t>(found - orders_.begin());
    if (found == orders_.end()) {
      offsets_.push_back(bytes_);
      bytes_ += (static_cast<std::int64_t>(plan.weights_desc().get_size()) + kAligned - 1) / kAligned * kAligned;
      orders_.push_back(plan.weights_desc());
    }
    parts_.emplace(shape, Part{std::move(plan), order});
  }

  [[nodiscard]] const Part& at(const Shape& shape) const { return parts_.at(shape); }
  [[nodiscard]] const Desc& weights_of(const Part& part) const { return orders_[part.order]; }
  [[nodiscard]] std::byte* weights_of(const Part& part, std::byte* all) const { return all + offsets_[part.order]; }

  // Of the weights in all orders.
  [[nodiscard]] std::int64_t weight_bytes() const { return bytes_; }

  // Puts weights of that description into all orders.
  void block_weights(Queue<Cpu>& queue, const Desc& file, const float* from, std::byte* to) const {
    const OneThread here;
    auto& native = queue.native();
    // oneDNN's handles are not const, whatever it does with them.
    dnnl::memory source(file, native.engine, const_cast<float*>(from));
    for (std::size_t order = 0; order < orders_.size(); ++order) {
      dnnl::memory blocked(orders_[order], native.engine, to + offsets_[order]);
      dnnl::reorder(source, blocked).execute(native.stream, source, blocked);
    }
  }

 private:
  static constexpr std::int64_t kAligned = 64;

  [[nodiscard]] static bool by_reference(const Plan& plan) { return std::strncmp(plan.impl_info_str(), "ref", 3) == 0; }

  std::vector<Desc> orders_;
  std::vector<std::int64_t> offsets_;
  std::int64_t bytes_ = 0;
  std::map<Shape, Part> parts_;
};

}  // namespace espalier
