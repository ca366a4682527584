#include "base/hash.h"

#include <openssl/evp.h>

#include <array>

#include "base/error.h"
#include "base/file.h"

namespace espalier {

struct Sha256::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { EVP_MD_CTX_free(context); }

  // OpenSSL's calls return 1 when they worked.
  static void check(int result) {
    if (result != 1) {
      fail(ErrorCode::internal, "OpenSSL refuses to compute SHA-256", hint("check the system's OpenSSL configuration"));
    }
  }
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  State::check(state_->context != nullptr ? EVP_DigestInit_ex(state_->context, EVP_sha256(), nullptr) : 0);
}

Sha256::~Sha256() = default;

void Sha256::update(std::span<const std::byte> bytes) {
  State::check(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()));
}

std::string Sha256::finish() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int length = 0;
  State::check(EVP_DigestFinal_ex(state_->context, digest.data(), &length));
  constexpr const char* kDigits = "0123456789abcdef";
  std::string text;
  for (unsigned int i = 0; i < length; ++i) {
    text += kDigits[digest[i] >> 4U];
    text += kDigits[digest[i] & 15U];
  }
  return text;
}

std::string sha256(std::span<const std::byte> bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.finish();
}

std::string sha256_of_file(const std::filesystem::path& path) {
  const MappedFile file(path);
  std::string digest = sha256(file.bytes());
  file.check_intact();
  return digest;
}

}  // namespace espalier
