// What the parts of the C interface share: handles, errors, structs that carry their size.
#pragma once

#include <cstddef>
#include <cstring>
#include <new>
#include <string>
#include <type_traits>
#include <vector>

#include "base/error.h"
#include "espalier/espalier.h"
#include "espalier/espalier_c.h"

// The handles of the C interface, at global scope because C knows no other.
struct espalier_pipeline {
  espalier::Pipeline pipeline;
  std::string device, precision, tier;
};
struct espalier_asset {
  espalier::Asset asset;
};
struct espalier_files {
  std::vector<espalier::NamedBytes> files;
};

namespace espalier::c {

// Size of a struct in its first version. When a struct gets more fields, behind its old end, its first size stays here as a
// specialisation.
template <class T>
inline constexpr std::size_t kFirstSize = sizeof(T);
template <>
inline constexpr std::size_t kFirstSize<espalier_options> = offsetof(espalier_options, text_encoder);
template <>
inline constexpr std::size_t kFirstSize<espalier_request> = offsetof(espalier_request, prompt);
template <>
inline constexpr std::size_t kFirstSize<espalier_finish> = offsetof(espalier_finish, watertight);
template <>
inline constexpr std::size_t kFirstSize<espalier_save_options> = offsetof(espalier_save_options, quantise);

[[nodiscard]] constexpr espalier_code code_of(ErrorCode code) { return static_cast<espalier_code>(static_cast<int>(code) + 1); }

// False for an error that the library must not write to.
[[nodiscard]] bool can_fill(const espalier_error* error);
// Returns `code`.
espalier_code report(espalier_error* error, espalier_code code, std::string_view message, std::string_view hint = {});

// Runs `body`; what it throws becomes a code and a message.
template <class Body>
espalier_code guarded(espalier_error* error, Body body) {
  if (error != nullptr && !can_fill(error)) return ESPALIER_INVALID_ARGUMENT;
  report(error, ESPALIER_OK, "");
  try {
    body();
    return ESPALIER_OK;
  } catch (const Error& e) {
    return report(error, code_of(e.code()), e.message(), e.hint());
  } catch (const std::bad_alloc&) {
    return report(error, ESPALIER_OUT_OF_MEMORY, "out of memory on the host",
                  "close other programs, or use a lower memory tier");
  } catch (const std::exception& e) {
    return report(error, ESPALIER_INTERNAL, e.what());
  } catch (...) {
    return report(error, ESPALIER_INTERNAL, "a callback threw something that is not a std::exception");
  }
}

template <class T>
const T& given(const T* pointer, const char* what) {
  if (pointer == nullptr) fail(ErrorCode::invalid_argument, what, " is NULL");
  return *pointer;
}
[[nodiscard]] inline std::string text_of(const char* text, const char* what) { return &given(text, what); }
[[nodiscard]] inline std::string device_of(const char* device) { return device == nullptr ? "auto" : device; }

// The enumerator of a value that came from C, where any number may stand.
template <class Enum>
Enum enumerator(int value, Enum last, const char* what) {
  if (value < 0 || value > static_cast<int>(last)) fail(ErrorCode::invalid_argument, what, ": ", value, " has no meaning");
  return static_cast<Enum>(value);
}

template <class T>
[[nodiscard]] bool known_size(std::size_t size) {
  static_assert(std::is_trivially_copyable_v<T> && offsetof(T, size) == 0);
  return size >= kFirstSize<T> && size <= sizeof(T);
}

// A struct of a caller: what its version of the header does not know is as in `defaults`.
template <class T>
T taken(const T* from, const T& defaults, const char* what) {
  std::size_t size = 0;
  std::memcpy(&size, &given(from, what), sizeof size);
  if (!known_size<T>(size)) {
    fail(ErrorCode::invalid_argument, what, ": its size is ", size, ", but this library knows ", kFirstSize<T>, " to ",
         sizeof(T), " bytes", hint("set it with the _defaults function, or install a newer library"));
  }
  T out = defaults;
  std::memcpy(&out, from, size);
  return out;
}

// As much of `value` as the caller's version of the header knows.
template <class T>
void hand_over(T value, T* to, std::size_t size, const char* what) {
  (void)given(to, what);
  if (!known_size<T>(size)) {
    fail(ErrorCode::invalid_argument, what, ": a size of ", size, ", but this library knows ", kFirstSize<T>, " to ", sizeof(T),
         " bytes", hint("give sizeof of the struct, or install a newer library"));
  }
  value.size = size;
  std::memcpy(to, &value, size);
}

// For functions without an error: what cannot be filled keeps a size of 0, which every other function refuses.
template <class T>
void fill_defaults(T value, T* to, std::size_t size) {
  if (to == nullptr || size < sizeof(std::size_t)) return;
  constexpr std::size_t kNone = 0;
  if (!known_size<T>(size)) {
    std::memcpy(to, &kNone, sizeof kNone);
    return;
  }
  value.size = size;
  std::memcpy(to, &value, size);
}

[[nodiscard]] Observer observer_of(const espalier_observer* observer);

}  // namespace espalier::c
