// The records that a binary FBX file is made of, version 7.4: named nodes with typed properties and nodes of their own.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/formats/byte_writer.h"

namespace espalier {

class FbxNode {
 public:
  explicit FbxNode(std::string name);

  // Properties, in order; the letters are the format's.
  FbxNode& flag(bool value);                                // C
  FbxNode& integer(std::int32_t value);                     // I
  FbxNode& id(std::int64_t value);                          // L
  FbxNode& number(double value);                            // D
  FbxNode& text(std::string_view value);                    // S
  FbxNode& raw(std::span<const std::byte> value);           // R
  FbxNode& integers(std::span<const std::int32_t> values);  // i, packed by zlib unless it is short
  FbxNode& numbers(std::span<const double> values);         // d

  // A node inside of this one, behind those that are there.
  FbxNode& add(std::string name);
  void append(FbxNode node);

  [[nodiscard]] std::uint64_t bytes() const;  // as a record
  // The record; `out` holds all that comes before it in the file.
  void put(ByteWriter& out) const;

 private:
  template <class T>
  FbxNode& array(char type, std::span<const T> values);
  [[nodiscard]] bool has_list() const { return !nodes_.empty() || count_ == 0; }

  std::string name_;
  ByteWriter properties_{0};
  std::uint32_t count_ = 0;
  std::list<FbxNode> nodes_;
};

// The values behind 16 numbers that name a file and the end of it, which belong to the time of creation that goes with them.
struct FbxIdentity {
  static constexpr const char* kCreated = "1970-01-01 10:00:00:000";
  static const std::array<std::uint8_t, 16> kFile;
};

// The whole file. Throws invalid_argument where it would reach 4 GiB, which the format cannot count.
[[nodiscard]] std::vector<std::byte> encode_fbx_nodes(const std::list<FbxNode>& nodes);

}  // namespace espalier
