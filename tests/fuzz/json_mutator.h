// Changes JSON documents as documents: what comes out parses, so that readers look at what it says. The header of a
// safetensors file and the first chunk of a GLB keep their lengths right.
#pragma once

#include <nlohmann/json.hpp>
#include <random>
#include <string>

#include "targets.h"

namespace espalier::test {

class JsonMutator {
 public:
  explicit JsonMutator(unsigned seed) : random_(seed) {}

  // One to eight changes to the JSON in `seed`; the seed itself when there is none, or when it is nested so deeply that writing
  // it would need more stack than there is. At most about `longest` bytes of JSON.
  Bytes next(const Bytes& seed, std::size_t longest) {
    const std::string all(reinterpret_cast<const char*>(seed.data()), seed.size());
    const Place place = find(all);
    if (place.document.is_discarded()) return seed;
    Json document = place.document;
    for (std::size_t n = 1 + below(8); n > 0; --n) change(document, longest);
    std::string text = document.dump(-1, ' ', false, Json::error_handler_t::replace);
    text.append((4 - text.size() % 4) % 4, ' ');
    std::string out = all.substr(0, place.begin) + text + all.substr(place.end);
    if (place.length_bytes > 0) {
      for (std::size_t i = 0; i < place.length_bytes; ++i)
        out[place.length_at + i] = static_cast<char>(text.size() >> (8U * i) & 0xFFU);
    }
    const auto* data = reinterpret_cast<const std::byte*>(out.data());
    return {data, data + out.size()};
  }

 private:
  static constexpr std::size_t kDeepest = 1000;
  using Json = nlohmann::json;
  struct Place {
    std::size_t begin = 0, end = 0, length_at = 0, length_bytes = 0;
    Json document = Json(Json::value_t::discarded);  // braces would make a list
  };

  std::size_t below(std::size_t n) { return random_() % n; }

  static std::uint64_t number_at(const std::string& all, std::size_t at, std::size_t size) {
    std::uint64_t value = 0;
    for (std::size_t i = size; i-- > 0;) value = value << 8U | static_cast<unsigned char>(all[at + i]);
    return value;
  }
  // Of the brackets, those in strings included.
  static std::size_t depth_of(const std::string& all) {
    std::size_t depth = 0, deepest = 0;
    for (const char c : all) {
      if (c == '[' || c == '{') deepest = std::max(deepest, ++depth);
      if ((c == ']' || c == '}') && depth > 0) --depth;
    }
    return deepest;
  }
  static Place find(const std::string& all) {
    constexpr std::size_t kGlbHead = 20, kLength = 8;
    Place place{0, all.size()};
    if (all.starts_with("glTF") && all.size() > kGlbHead) {
      place = {kGlbHead, kGlbHead + static_cast<std::size_t>(number_at(all, 12, 4)), 12, 4};
    } else if (!all.starts_with("{") && all.size() > kLength) {
      place = {kLength, kLength + static_cast<std::size_t>(number_at(all, 0, kLength)), 0, kLength};
    }
    if (place.end >= place.begin && place.end <= all.size() && depth_of(all) < kDeepest)
      place.document = Json::parse(all.substr(place.begin, place.end - place.begin), nullptr, false);
    return place;
  }

  // Any value of the document.
  Json& somewhere(Json& from) {
    Json* at = &from;
    while (at->is_structured() && !at->empty() && below(5) != 0) {
      auto child = at->begin();
      std::advance(child, static_cast<Json::difference_type>(below(at->size())));
      at = &*child;
    }
    return *at;
  }

  Json extreme() {
    switch (below(12)) {
      case 0: return 0;
      case 1: return -1;
      case 2: return 1;
      case 3: return 255 + below(3);
      case 4: return 0xFFFFFFFFULL + below(3);
      case 5: return 0x7FFFFFFFFFFFFFFFULL + below(3);
      case 6: return 0xFFFFFFFFFFFFFFFFULL;
      case 7: return 1e308;
      case 8: return nullptr;
      case 9: return Json::array();
      case 10: return Json::object();
      default: return std::string(below(2000), 'x');
    }
  }

  void change(Json& document, std::size_t longest) {
    Json& at = somewhere(document);
    switch (below(7)) {
      case 0: at = extreme(); return;
      case 1: at = Json(somewhere(document)); return;
      case 2:
        if (at.is_number_unsigned()) {
          at = at.get<std::uint64_t>() + below(5) - 2;
        } else if (at.is_number_integer()) {
          at = static_cast<std::int64_t>(at.get<std::uint64_t>() + below(5) - 2);
        }
        return;
      case 3:
        if (at.is_structured() && !at.empty()) {
          auto child = at.begin();
          std::advance(child, static_cast<Json::difference_type>(below(at.size())));
          at.erase(child);
        }
        return;
      case 4: repeat(at, longest); return;
      case 5:
        if (at.is_object()) at["k" + std::to_string(below(5))] = extreme();
        return;
      default: {  // deeper
        Json inner = std::move(at);
        for (std::size_t n = 1 + below(70); n > 0; --n) inner = Json::array({std::move(inner)});
        at = std::move(inner);
        return;
      }
    }
  }

  // Many children where there were few: the shape of quadratic work.
  void repeat(Json& at, std::size_t longest) {
    if (!at.is_structured() || at.empty()) return;
    const Json child = *at.begin();
    const std::size_t size = child.dump(-1, ' ', false, Json::error_handler_t::replace).size() + 12;
    const std::size_t most = std::max<std::size_t>(1, longest / size);
    const std::size_t count = below(4) == 0 ? most : 1 + below(std::min<std::size_t>(most, 50));
    for (std::size_t i = 0; i < count; ++i) {
      if (at.is_array()) {
        at.push_back(child);
      } else {
        at[str("r", i)] = child;
      }
    }
  }

  std::mt19937 random_;
};

}  // namespace espalier::test
