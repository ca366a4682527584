// Device memory: Buffer owns it, Arena hands it out in stack order. Nothing below pipeline/ allocates any other way.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>

#include "tensor/view.h"

namespace espalier {

inline constexpr std::size_t kAlignment = 256;  // of every block an arena hands out, in bytes

// One block of memory of a device. Move-only; freed on destruction. Throws out_of_memory naming `what` and the sizes.
template <class Dev>
class Buffer {
 public:
  Buffer() = default;
  Buffer(std::size_t bytes, int ordinal, const std::string& what);
  Buffer(Buffer&& other) noexcept { swap(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    Buffer(std::move(other)).swap(*this);
    return *this;
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer();

  [[nodiscard]] std::byte* data() const { return data_; }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  void swap(Buffer& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    std::swap(ordinal_, other.ordinal_);
  }

 private:
  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
  int ordinal_ = 0;
};

// A stack of blocks inside one buffer. Views stay valid until the frame they were taken in ends. A metering arena has
// no memory: it hands out empty-handed views (addresses that must not be read) and only counts.
template <class Dev>
class Arena {
 public:
  // A metering arena.
  Arena() = default;
  Arena(std::size_t capacity, int ordinal, std::string what) : buffer_(capacity, ordinal, what), what_(std::move(what)) {}

  [[nodiscard]] bool metering() const { return buffer_.data() == nullptr; }
  [[nodiscard]] std::size_t used() const { return used_; }
  [[nodiscard]] std::size_t peak() const { return peak_; }
  [[nodiscard]] std::size_t capacity() const { return buffer_.bytes(); }
  void reset_peak() { peak_ = used_; }

  // Uninitialised memory for the extents. Throws out_of_memory when the plan was too small (naming the arena).
  template <class T, int Rank>
  [[nodiscard]] View<Dev, T, Rank> take(const Extents<Rank>& extents) {
    std::int64_t n = 1;
    for (const std::int64_t e : extents) n *= e;
    return {reinterpret_cast<T*>(take_bytes(static_cast<std::size_t>(n) * sizeof(T))), extents};
  }

  // Restores the stack when it goes out of scope.
  class Frame {
   public:
    explicit Frame(Arena& arena) : arena_(arena), mark_(arena.used_) {}
    Frame(const Frame&) = delete;
    Frame& operator=(const Frame&) = delete;
    ~Frame() { arena_.used_ = mark_; }

   private:
    Arena& arena_;
    std::size_t mark_;
  };

 private:
  std::byte* take_bytes(std::size_t bytes) {
    const std::size_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
    std::byte* base =
        metering() ? reinterpret_cast<std::byte*>(kAlignment) : buffer_.data();  // NOLINT(performance-no-int-to-ptr)
    if (!metering() && rounded > buffer_.bytes() - used_) {
      fail(ErrorCode::internal, what_, " arena: planned ", buffer_.bytes(), " bytes, but ", used_ + rounded, " are needed");
    }
    std::byte* block = base + used_;
    used_ += rounded;
    peak_ = std::max(peak_, used_);
    return block;
  }

  Buffer<Dev> buffer_;
  std::string what_;
  std::size_t used_ = 0;
  std::size_t peak_ = 0;
};

}  // namespace espalier
