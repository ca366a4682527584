#include "base64.h"

#include <algorithm>

namespace espalier::server {

namespace {

constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int value_of(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

[[noreturn]] void refuse(char c, std::uint64_t position) {
  const std::string where = " at character " + std::to_string(position);
  if (c == ' ' || c == '\n' || c == '\r' || c == '\t')
    throw Base64Error("has white space" + where, "encode it without line breaks (base64 -w0)");
  if (c == '-' || c == '_')
    throw Base64Error("has the alphabet of addresses" + where, "encode it with + and / instead of - and _");
  throw Base64Error("is not base64" + where, "send base64 as RFC 4648 has it, with padding, or a data: URL of it");
}

}  // namespace

void Base64Decoder::take_group(std::string& out) {
  const std::size_t padding = group_[3] != '=' ? 0 : group_[2] != '=' ? 1 : 2;
  std::uint32_t bits = 0;
  for (std::size_t i = 0; i < group_.size(); ++i) {
    const int value = i < group_.size() - padding ? value_of(group_.at(i)) : 0;
    if (value < 0) refuse(group_.at(i), position_ - group_.size() + i);
    bits = bits << 6U | static_cast<std::uint32_t>(value);
  }
  const std::uint32_t unused = padding == 0 ? 0 : padding == 1 ? 0xFFU : 0xFFFFU;
  if ((bits & unused) != 0)
    throw Base64Error("has bits behind its last byte", "it was cut off or changed on its way: encode it again");
  for (std::size_t i = 0; i < 3 - padding; ++i) out += static_cast<char>(bits >> (16U - 8U * i) & 0xFFU);
  padded_ = padding > 0;
  in_group_ = 0;
}

void Base64Decoder::decode(std::string_view text, std::string& out) {
  for (const char c : text) {
    if (padded_) refuse(c, position_);
    if (value_of(c) < 0 && !(c == '=' && in_group_ >= 2)) refuse(c, position_);
    group_.at(in_group_++) = c;
    ++position_;
    if (in_group_ == group_.size()) take_group(out);
  }
}

void Base64Decoder::finish() const {
  if (in_group_ != 0)
    throw Base64Error("ends within a group of four characters", "send all of it, with the padding (=) at its end");
}

std::string base64_of(std::string_view bytes) {
  std::string text;
  text.reserve(base64_length(bytes.size()));
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - at);
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < 3; ++i) bits = bits << 8U | (i < count ? static_cast<unsigned char>(bytes[at + i]) : 0U);
    for (std::size_t i = 0; i < 4; ++i) text += i <= count ? kDigits[bits >> (18U - 6U * i) & 63U] : '=';
  }
  return text;
}

}  // namespace espalier::server
