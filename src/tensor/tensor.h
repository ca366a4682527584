// An owned host tensor with a run-time type: what files hold and what crosses module borders. Ops never see it:
// bind() is the only way to a typed view and names both sides when they differ.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "tensor/dtype.h"
#include "tensor/view.h"

namespace espalier {

class HostTensor {
 public:
  HostTensor() = default;
  // Zero-filled. Throws invalid_argument when the size overflows.
  HostTensor(DType type, std::vector<std::int64_t> extents);

  template <class T>
  static HostTensor from(const std::vector<T>& values, std::vector<std::int64_t> extents) {
    HostTensor t(dtype_of<T>::value, std::move(extents));
    require(static_cast<std::int64_t>(values.size()) == t.size(), "HostTensor::from", values.size(), " values for ", t.size(),
            " elements");
    t.assign(values.data());
    return t;
  }

  [[nodiscard]] DType dtype() const { return type_; }
  [[nodiscard]] const std::vector<std::int64_t>& extents() const { return extents_; }
  [[nodiscard]] std::int64_t size() const { return size_; }
  [[nodiscard]] std::size_t bytes() const { return bytes_.size(); }
  [[nodiscard]] const std::byte* data() const { return bytes_.data(); }
  [[nodiscard]] std::byte* data() { return bytes_.data(); }

  // Typed view of the elements; `name` is used in the error when type or extents are not as wanted. An extent of -1
  // accepts any size.
  template <class T, int Rank>
  [[nodiscard]] View<Cpu, const T, Rank> bind(const std::string& name, const Extents<Rank>& wanted) const {
    check(name, dtype_of<T>::value, {wanted.begin(), wanted.end()});
    Extents<Rank> e;
    for (int i = 0; i < Rank; ++i) e[static_cast<std::size_t>(i)] = extents_[static_cast<std::size_t>(i)];
    return {reinterpret_cast<const T*>(bytes_.data()), e};
  }
  template <class T>
  [[nodiscard]] View<Cpu, const T, 1> flat(const std::string& name) const {
    check(name, dtype_of<T>::value, extents_);
    return {reinterpret_cast<const T*>(bytes_.data()), {size_}};
  }
  template <class T>
  [[nodiscard]] std::vector<T> to_vector(const std::string& name) const {
    const auto v = flat<T>(name);
    return {v.data(), v.data() + v.size()};
  }
  // All elements as float64, whatever the numeric type.
  [[nodiscard]] std::vector<double> to_doubles() const;

 private:
  void check(const std::string& name, DType wanted, const std::vector<std::int64_t>& extents) const;
  void assign(const void* source);

  DType type_ = DType::f32;
  std::vector<std::int64_t> extents_;
  std::int64_t size_ = 0;
  std::vector<std::byte> bytes_;
};

// Product of extents; throws invalid_argument on a negative extent or when it does not fit into 2^62.
[[nodiscard]] std::int64_t checked_size(const std::vector<std::int64_t>& extents);
// "[2, 3, 4]"
[[nodiscard]] std::string to_string(const std::vector<std::int64_t>& extents);

}  // namespace espalier
