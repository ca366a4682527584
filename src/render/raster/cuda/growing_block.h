// Device memory that grows to the largest size asked for.
#pragma once

#include <algorithm>
#include <cstdint>

#include "runtime/queue.h"

namespace espalier {

class GrowingBlock {
 public:
  // Memory for n elements. What the block held before is lost when it grows.
  template <class T>
  T* take(const Queue<Cuda>& queue, std::uint64_t n, const char* what) {
    const std::uint64_t bytes = std::max<std::uint64_t>(n, 1) * sizeof(T);
    if (buffer_.bytes() < bytes) {
      buffer_ = {};                                                      // before the larger one is taken
      buffer_ = Buffer<Cuda>(bytes + bytes / 8, queue.ordinal(), what);  // so that a little more does not grow it again
    }
    return reinterpret_cast<T*>(buffer_.data());
  }

  // The elements of a host array. The array may end once the queue is synchronised.
  template <class Values, class T = typename Values::value_type>
  const T* upload(Queue<Cuda>& queue, const Values& values, const char* what) {
    T* const device = take<T>(queue, values.size(), what);
    upload_bytes(queue, values.data(), device, values.size() * sizeof(T));
    return device;
  }

 private:
  Buffer<Cuda> buffer_;
};

}  // namespace espalier
