#include "io/formats/fbx_node.h"

#include <limits>

#include "base/error.h"
#include "io/formats/deflate.h"

namespace espalier {

namespace {

constexpr std::uint32_t kVersion = 7400;
constexpr std::size_t kRecord = 13;  // end, count of properties, their bytes, length of the name; zeros end a list

void put_zeros(ByteWriter& out, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) out.put('\0');
}

constexpr std::uint64_t kLimit = std::numeric_limits<std::uint32_t>::max();

void check_size(std::uint64_t bytes, const char* what) {
  if (bytes > kLimit) {
    fail(ErrorCode::invalid_argument, "FBX: ", what, " would have ", bytes, " bytes, but the format counts to 4 GiB",
         hint("simplify the mesh"));
  }
}

}  // namespace

FbxNode::FbxNode(std::string name) : name_(std::move(name)) {}

FbxNode& FbxNode::flag(bool value) {
  properties_.put('C');
  properties_.put(static_cast<char>(value ? 1 : 0));
  ++count_;
  return *this;
}

FbxNode& FbxNode::integer(std::int32_t value) {
  properties_.put('I');
  properties_.put(value);
  ++count_;
  return *this;
}

FbxNode& FbxNode::id(std::int64_t value) {
  properties_.put('L');
  properties_.put(value);
  ++count_;
  return *this;
}

FbxNode& FbxNode::number(double value) {
  properties_.put('D');
  properties_.put(value);
  ++count_;
  return *this;
}

FbxNode& FbxNode::text(std::string_view value) {
  properties_.put('S');
  properties_.put(static_cast<std::uint32_t>(value.size()));
  properties_.text(value);
  ++count_;
  return *this;
}

FbxNode& FbxNode::raw(std::span<const std::byte> value) {
  check_size(value.size(), "an image");
  properties_.put('R');
  properties_.put(static_cast<std::uint32_t>(value.size()));
  properties_.raw(value.data(), value.size());
  ++count_;
  return *this;
}

template <class T>
FbxNode& FbxNode::array(char type, std::span<const T> values) {
  constexpr std::size_t kShort = 128;  // bytes that are not worth packing
  constexpr std::uint32_t kPlain = 0, kZlib = 1;
  const std::span<const std::byte> bytes = std::as_bytes(values);
  check_size(bytes.size(), "an array");
  const bool packed = bytes.size() > kShort;
  const std::vector<std::byte> zlib = packed ? zlib_deflated(bytes) : std::vector<std::byte>();
  const std::span<const std::byte> body = packed ? zlib : bytes;
  properties_.put(type);
  properties_.put(static_cast<std::uint32_t>(values.size()));
  properties_.put(packed ? kZlib : kPlain);
  properties_.put(static_cast<std::uint32_t>(body.size()));
  properties_.raw(body.data(), body.size());
  ++count_;
  return *this;
}

FbxNode& FbxNode::integers(std::span<const std::int32_t> values) { return array('i', values); }
FbxNode& FbxNode::numbers(std::span<const double> values) { return array('d', values); }

FbxNode& FbxNode::add(std::string name) { return nodes_.emplace_back(std::move(name)); }

void FbxNode::append(FbxNode node) { nodes_.push_back(std::move(node)); }

std::uint64_t FbxNode::bytes() const {
  std::uint64_t sum = kRecord + name_.size() + properties_.size();
  for (const FbxNode& node : nodes_) sum += node.bytes();
  return has_list() ? sum + kRecord : sum;
}

void FbxNode::put(ByteWriter& out) const {
  out.put(static_cast<std::uint32_t>(out.size() + bytes()));
  out.put(count_);
  out.put(static_cast<std::uint32_t>(properties_.size()));
  out.put(static_cast<std::uint8_t>(name_.size()));
  out.text(name_);
  out.raw(properties_.data(), properties_.size());
  for (const FbxNode& node : nodes_) node.put(out);
  if (has_list()) put_zeros(out, kRecord);
}

const std::array<std::uint8_t, 16> FbxIdentity::kFile = {0x28, 0xB3, 0x2A, 0xEB, 0xB6, 0x24, 0xCC, 0xC2,
                                                         0xBF, 0xC8, 0xB0, 0x2A, 0xA9, 0x2B, 0xFC, 0xF1};

std::vector<std::byte> encode_fbx_nodes(const std::list<FbxNode>& nodes) {
  constexpr std::array<std::uint8_t, 16> kEndOfFile = {0xFA, 0xBC, 0xAB, 0x09, 0xD0, 0xC8, 0xD4, 0x66,
                                                       0xB1, 0x76, 0xFB, 0x83, 0x1C, 0xF7, 0x26, 0x7E};
  constexpr std::array<std::uint8_t, 16> kMark = {0xF8, 0x5A, 0x8C, 0x6A, 0xDE, 0xF5, 0xD9, 0x7E,
                                                  0xEC, 0xE9, 0x0C, 0xE3, 0x75, 0x8F, 0x29, 0x0B};
  constexpr std::uint64_t kFrame = 512;  // more than what is around the nodes
  std::uint64_t bytes = kFrame;
  for (const FbxNode& node : nodes) bytes += node.bytes();
  check_size(bytes, "the file");
  constexpr std::array<char, 23> kMagic = {'K', 'a', 'y', 'd', 'a', 'r', 'a', ' ', 'F',  'B',    'X', ' ',
                                           'B', 'i', 'n', 'a', 'r', 'y', ' ', ' ', '\0', '\x1A', '\0'};
  ByteWriter out(static_cast<std::size_t>(bytes));
  for (const char c : kMagic) out.put(c);
  out.put(kVersion);
  for (const FbxNode& node : nodes) node.put(out);
  put_zeros(out, kRecord);
  out.raw(kEndOfFile.data(), kEndOfFile.size());
  constexpr std::size_t kAlignment = 16, kReserved = 120;
  put_zeros(out, 4);
  put_zeros(out, kAlignment - out.size() % kAlignment);  // 16 where it is aligned already
  out.put(kVersion);
  put_zeros(out, kReserved);
  out.raw(kMark.data(), kMark.size());
  return out.take();
}

}  // namespace espalier
