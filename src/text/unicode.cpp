#include "text/unicode.h"

#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/ustring.h>
#include <unicode/utf16.h>
#include <unicode/utf8.h>

#include <array>

#include "base/error.h"

namespace espalier {
namespace {

void check(UErrorCode code, const char* what) {
  if (U_FAILURE(code)) fail(ErrorCode::internal, what, ": ICU reports ", u_errorName(code));
}

std::u16string to_utf16(std::string_view text) {
  std::u16string out(text.size(), u'\0');  // never longer than the UTF-8
  std::int32_t length = 0;
  UErrorCode code = U_ZERO_ERROR;
  u_strFromUTF8(out.data(), static_cast<std::int32_t>(out.size()), &length, text.data(), static_cast<std::int32_t>(text.size()),
                &code);
  check(code, "to_utf16");
  out.resize(static_cast<std::size_t>(length));
  return out;
}

std::u16string composed(const std::u16string& text) {
  UErrorCode code = U_ZERO_ERROR;
  const UNormalizer2* const nfc = unorm2_getNFCInstance(&code);
  check(code, "composed");
  std::u16string out(text.size() * 3 + 16, u'\0');  // Unicode promises no more than three times the length
  const std::int32_t length = unorm2_normalize(nfc, text.data(), static_cast<std::int32_t>(text.size()), out.data(),
                                               static_cast<std::int32_t>(out.size()), &code);
  check(code, "composed");
  out.resize(static_cast<std::size_t>(length));
  return out;
}

}  // namespace

std::size_t first_bad_byte(std::string_view text) {
  const auto size = static_cast<std::int32_t>(text.size());
  for (std::int32_t at = 0; at < size;) {
    const std::int32_t before = at;
    UChar32 c = 0;
    U8_NEXT(text.data(), at, size, c);
    if (c < 0) return static_cast<std::size_t>(before);
  }
  return std::string_view::npos;
}

std::vector<char32_t> normal_lower_case(std::string_view text) {
  const std::u16string units = composed(to_utf16(text));
  const auto size = static_cast<std::int32_t>(units.size());
  std::vector<char32_t> out;
  out.reserve(units.size());
  for (std::int32_t at = 0; at < size;) {
    UChar32 c = 0;
    U16_NEXT(units.data(), at, size, c);
    if (c == 0x130) {  // the only character whose lower case is two, whatever stands beside it
      out.insert(out.end(), {U'i', U'\u0307'});
    } else {
      out.push_back(static_cast<char32_t>(u_tolower(c)));
    }
  }
  return out;
}

CharacterClass class_of(char32_t character) {
  const auto c = static_cast<UChar32>(character);
  if (u_isUWhiteSpace(c)) return CharacterClass::space;
  const auto mask = U_GET_GC_MASK(c);
  if ((mask & U_GC_L_MASK) != 0) return CharacterClass::letter;
  return (mask & U_GC_N_MASK) != 0 ? CharacterClass::number : CharacterClass::other;
}

std::string to_utf8(const char32_t* begin, const char32_t* end) {
  std::string out;
  for (const char32_t* at = begin; at != end; ++at) {
    std::array<std::uint8_t, U8_MAX_LENGTH> bytes{};
    std::int32_t length = 0;
    U8_APPEND_UNSAFE(bytes.data(), length, static_cast<UChar32>(*at));
    out.append(bytes.begin(), bytes.begin() + length);
  }
  return out;
}

}  // namespace espalier
