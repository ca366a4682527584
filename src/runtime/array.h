// Array<Dev, T>: values in memory of a device, with their owner. What lives for one stage comes from the queue's arena instead.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

#include "runtime/queue.h"

namespace espalier {

// Move-only; freed on destruction. Throws out_of_memory naming `what`.
template <class Dev, class T>
class Array {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  Array() = default;
  // Uninitialised.
  Array(const Queue<Dev>& queue, std::int64_t count, const char* what)
      : count_(count), buffer_(bytes_of(count), queue.ordinal(), what) {}
  // A copy of host values.
  Array(Queue<Dev>& queue, std::span<const T> values, const char* what)
      : Array(queue, static_cast<std::int64_t>(values.size()), what) {
    set(queue, values);
  }

  [[nodiscard]] T* data() const { return reinterpret_cast<T*>(buffer_.data()); }
  [[nodiscard]] std::int64_t size() const { return count_; }
  template <int Rank>
  [[nodiscard]] View<Dev, T, Rank> view(const Extents<Rank>& extents) const {
    std::int64_t values = 1;
    for (const std::int64_t e : extents) values *= e;
    require(values <= count_, "Array::view", values, " values of ", count_);
    return {data(), extents};
  }

  // Memory for `count` values; what was held is lost. Memory that is large enough is kept, and an eighth more than needed is
  // taken when it grows, so that a little more the next time does not make it grow again.
  T* resize(const Queue<Dev>& queue, std::int64_t count, const char* what) {
    const std::size_t bytes = bytes_of(count);
    if (buffer_.bytes() < bytes) {
      const std::size_t spare = buffer_.bytes() == 0 ? 0 : bytes / 8;
      buffer_ = {};  // before the larger one is taken
      buffer_ = Buffer<Dev>(bytes + spare, queue.ordinal(), what);
    }
    count_ = count;
    return data();
  }

  void zero(Queue<Dev>& queue) const { zero_bytes(queue, buffer_.data(), held()); }
  void set(Queue<Dev>& queue, std::span<const T> values) const {
    require(static_cast<std::int64_t>(values.size()) == count_, "Array::set", values.size(), " values for ", count_);
    upload_bytes(queue, values.data(), buffer_.data(), held());
  }
  [[nodiscard]] std::vector<T> host(Queue<Dev>& queue) const {
    std::vector<T> values(static_cast<std::size_t>(count_));
    download_bytes(queue, buffer_.data(), values.data(), held());
    return values;
  }

 private:
  [[nodiscard]] static std::size_t bytes_of(std::int64_t count) {
    require(count >= 0 && count <= PTRDIFF_MAX / static_cast<std::int64_t>(sizeof(T)), "Array", count, " values");
    return static_cast<std::size_t>(std::max<std::int64_t>(count, 1)) * sizeof(T);
  }
  [[nodiscard]] std::size_t held() const { return static_cast<std::size_t>(count_) * sizeof(T); }

  std::int64_t count_ = 0;
  Buffer<Dev> buffer_;
};

}  // namespace espalier
