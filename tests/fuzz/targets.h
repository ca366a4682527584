// Every reader of foreign bytes as one function, with valid inputs to start from.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace espalier::test {

using Bytes = std::vector<std::byte>;

struct FuzzTarget {
  const char* name;
  // Whether the bytes were accepted; they may be refused with an Error, and anything else that is thrown is a defect.
  bool (*read)(std::span<const std::byte> bytes);
  std::vector<Bytes> (*seeds)();
};

[[nodiscard]] const std::vector<FuzzTarget>& fuzz_targets();

}  // namespace espalier::test
