#include "hub/digest.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <fstream>
#include <vector>

#include "base/error.h"

namespace espalier::hub {

namespace {

constexpr std::size_t kBlock = std::size_t{4} << 20U;

bool is_hex(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

}  // namespace

Digest digest_of_etag(const std::string& etag) {
  std::string text = etag;
  if (text.starts_with("W/")) text.erase(0, 2);
  std::erase(text, '"');
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (!is_hex(text)) return {};
  if (text.size() == 64) return {DigestKind::sha256, text};
  if (text.size() == 40) return {DigestKind::git_sha1, text};
  return {};
}

Digest sha256_digest(const std::string& hex) { return hex.empty() ? Digest{} : Digest{DigestKind::sha256, hex}; }

struct DigestStream::State {
  EVP_MD_CTX* context = nullptr;
  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { EVP_MD_CTX_free(context); }
};

DigestStream::DigestStream(DigestKind kind, std::uint64_t total) : state_(std::make_unique<State>()) {
  if (kind == DigestKind::none) return;
  state_->context = EVP_MD_CTX_new();
  const EVP_MD* const method = kind == DigestKind::sha256 ? EVP_sha256() : EVP_sha1();
  if (state_->context == nullptr || EVP_DigestInit_ex(state_->context, method, nullptr) != 1) {
    fail(ErrorCode::internal, "OpenSSL refuses to compute a hash", hint("check the system's OpenSSL configuration"));
  }
  if (kind != DigestKind::git_sha1) return;
  const std::string head = str("blob ", total);
  update(std::as_bytes(std::span(head.c_str(), head.size() + 1)));  // with the zero byte
}

DigestStream::~DigestStream() = default;

void DigestStream::update(std::span<const std::byte> bytes) {
  if (state_->context != nullptr && EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) != 1)
    fail(ErrorCode::internal, "OpenSSL refuses to go on with a hash", hint("check the system's OpenSSL configuration"));
}

std::string DigestStream::finish() {
  if (state_->context == nullptr) return {};
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int length = 0;
  if (EVP_DigestFinal_ex(state_->context, digest.data(), &length) != 1)
    fail(ErrorCode::internal, "OpenSSL refuses to finish a hash", hint("check the system's OpenSSL configuration"));
  constexpr const char* kDigits = "0123456789abcdef";
  std::string text;
  for (unsigned int i = 0; i < length; ++i) {
    text += kDigits[digest[i] >> 4U];
    text += kDigits[digest[i] & 15U];
  }
  return text;
}

Digest digest_of_file(const std::filesystem::path& path, DigestKind kind, const HashProgress& progress) {
  std::error_code error;
  const std::uint64_t size = std::filesystem::file_size(path, error);
  if (error) fail(ErrorCode::not_found, "cannot read ", path.string(), ": ", error.message(), hint("check the path"));
  DigestStream stream(kind, size);
  std::ifstream file(path, std::ios::binary);
  std::vector<char> block(kBlock);
  std::uint64_t done = 0;
  while (file) {
    file.read(block.data(), static_cast<std::streamsize>(block.size()));
    const auto n = static_cast<std::size_t>(file.gcount());
    if (n == 0) break;
    stream.update(std::as_bytes(std::span(block.data(), n)));
    done += n;
    if (progress) progress(n);
  }
  if (done != size)
    fail(ErrorCode::io, "cannot read ", path.string(), " to its end", hint("check the disk, or remove the file"));
  return {kind, stream.finish()};
}

}  // namespace espalier::hub
