// Every reader of foreign bytes as one function, with valid inputs to start from.
#pragma once

#include <cstddef>
#include <cstring>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/error.h"

namespace espalier::test {

using Bytes = std::vector<std::byte>;

struct FuzzTarget {
  const char* name;
  // Whether the bytes were accepted; they may be refused with an Error, and anything else that is thrown is a defect.
  bool (*read)(std::span<const std::byte> bytes);
  std::vector<Bytes> (*seeds)();
};

[[nodiscard]] const std::vector<FuzzTarget>& fuzz_targets();
// Those among them that read files of torch.save.
[[nodiscard]] std::vector<FuzzTarget> weight_targets();
// Those among them that read images.
[[nodiscard]] std::vector<FuzzTarget> image_targets();
// Those among them that read meshes and Gaussians.
[[nodiscard]] std::vector<FuzzTarget> asset_targets();

// Runs `read` and checks what a refusal must be: an Error with a message that blames the bytes. False when refused.
template <class Read>
bool attempt(Read&& read) {
  try {
    read();
    return true;
  } catch (const Error& error) {
    if (std::strlen(error.what()) == 0) throw std::logic_error("an error without words");
    if (error.code() == ErrorCode::internal)
      throw std::logic_error(std::string("foreign bytes broke a rule of ours: ") + error.what());
    return false;
  }
}

}  // namespace espalier::test
