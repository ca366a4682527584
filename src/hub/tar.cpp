#include "hub/tar.h"

#include <algorithm>
#include <cstdio>
#include <numeric>

#include "base/error.h"

namespace espalier::hub {

namespace {

// Fields of the header: where they begin and how long they are.
struct Field {
  std::size_t at, size;
};
constexpr Field kName{0, 100}, kMode{100, 8}, kOwner{108, 8}, kGroup{116, 8}, kSize{124, 12}, kTime{136, 12}, kSum{148, 8};
constexpr std::size_t kType = 156;
constexpr Field kMagic{257, 8};
constexpr std::uint64_t kMaxOctal = (std::uint64_t{1} << 33U) - 1;  // 11 digits

void put(std::string& block, Field field, const std::string& text) { block.replace(field.at, text.size(), text); }

std::string octal(std::uint64_t value, std::size_t digits) {
  std::string text(digits, '0');
  for (std::size_t i = digits; i > 0 && value > 0; --i, value >>= 3U) text[i - 1] = static_cast<char>('0' + (value & 7U));
  return text;
}

// The header's bytes added up, with spaces where the sum stands.
unsigned sum_of(std::span<const char> block) {
  unsigned sum = 0;
  for (std::size_t i = 0; i < block.size(); ++i) {
    const bool of_sum = i >= kSum.at && i < kSum.at + kSum.size;
    sum += of_sum ? ' ' : static_cast<unsigned char>(block[i]);
  }
  return sum;
}

std::optional<std::uint64_t> parse_octal(std::span<const char> text) {
  std::uint64_t value = 0;
  bool any = false;
  for (const char c : text) {
    if (c >= '0' && c <= '7') {
      if (value > (kMaxOctal >> 3U)) return std::nullopt;
      value = value << 3U | static_cast<std::uint64_t>(c - '0');
      any = true;
    } else if (c == '\0' || c == ' ') {
      if (any) break;
    } else {
      return std::nullopt;
    }
  }
  return any ? std::optional(value) : std::nullopt;
}

// Octal digits, or 0x80 and a big-endian number.
std::optional<std::uint64_t> parse_size(std::span<const char> text) {
  if (static_cast<unsigned char>(text[0]) != 0x80) return parse_octal(text);
  std::uint64_t value = 0;
  for (const char c : text.subspan(1)) {
    if (value >> 54U != 0) return std::nullopt;
    value = value << 8U | static_cast<unsigned char>(c);
  }
  return value;
}

}  // namespace

std::string tar_header(const std::string& name, std::uint64_t bytes) {
  require(name.size() < kName.size, "tar_header", "the name is too long: ", name);
  std::string block(kTarBlock, '\0');
  put(block, kName, name);
  put(block, kMode, "0000644");
  put(block, kOwner, "0000000");
  put(block, kGroup, "0000000");
  if (bytes <= kMaxOctal) {
    put(block, kSize, octal(bytes, kSize.size - 1));
  } else {
    block[kSize.at] = static_cast<char>(0x80);
    for (std::size_t i = 0; i < 8; ++i) block[kSize.at + kSize.size - 1 - i] = static_cast<char>(bytes >> (8 * i) & 0xFFU);
  }
  put(block, kTime, "00000000000");
  block[kType] = '0';
  put(block, kMagic, std::string("ustar\00000", 8));
  put(block, kSum, octal(sum_of(block), 6) + std::string("\0 ", 2));
  return block;
}

std::string tar_padding(std::uint64_t bytes) { return std::string((kTarBlock - bytes % kTarBlock) % kTarBlock, '\0'); }

std::string tar_end() { return std::string(2 * kTarBlock, '\0'); }

std::uint64_t tar_size(std::uint64_t bytes) { return kTarBlock + (bytes + kTarBlock - 1) / kTarBlock * kTarBlock; }

std::optional<TarEntry> parse_tar_header(const std::string& where, std::span<const char, kTarBlock> block) {
  if (std::all_of(block.begin(), block.end(), [](char c) { return c == '\0'; })) return std::nullopt;
  const auto sum = parse_octal(block.subspan(kSum.at, kSum.size));
  const auto bytes = parse_size(block.subspan(kSize.at, kSize.size));
  if (!sum || *sum != sum_of(block) || !bytes || (block[kType] != '0' && block[kType] != '\0')) {
    fail(ErrorCode::format, where, " is not a bundle, or damaged",
         hint("make it again with: espalier pull NAME --bundle FILE"));
  }
  const auto name = block.subspan(kName.at, kName.size);
  return TarEntry{std::string(name.begin(), std::find(name.begin(), name.end(), '\0')), *bytes};
}

}  // namespace espalier::hub
