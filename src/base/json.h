// JSON that anybody may have written, read in time and memory in proportion to its length. Parsing with a callback of
// nlohmann::json looks at all members of a parent at the end of each of its children, so that is not used anywhere here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace espalier {

// The most that a document may hold; all of it is checked before anything is built.
struct JsonLimits {
  std::size_t bytes = std::size_t{1} << 20U;   // of the whole text
  std::size_t values = 100'000;                // objects, lists, strings, numbers and words; keys are not counted
  std::size_t string = std::size_t{1} << 20U;  // bytes of one string or key as they stand in the text
  std::size_t depth = 64;                      // of objects and lists in each other
};

// What of the text is beyond the limits, as the end of a sentence that begins with the name of the document ("has more than
// 10 values"); empty when nothing is. Allocates nothing else. Does not check that the text is JSON.
[[nodiscard]] std::string json_excess(std::string_view text, const JsonLimits& limits);

// At most `most` bytes of a name from outside, with "..." in place of what was cut off: for messages.
[[nodiscard]] std::string shortened(std::string_view text, std::size_t most = 80);

namespace detail {

// Builds the document in one pass, and stops at a key that its object has already.
template <class Json>
class JsonBuilder {
 public:
  using number_integer_t = typename Json::number_integer_t;
  using number_unsigned_t = typename Json::number_unsigned_t;
  using number_float_t = typename Json::number_float_t;
  using string_t = typename Json::string_t;
  using binary_t = typename Json::binary_t;

  JsonBuilder(Json& root, std::string& problem) : root_(root), problem_(problem) {}

  bool null() { return put(nullptr); }
  bool boolean(bool value) { return put(value); }
  bool number_integer(number_integer_t value) { return put(value); }
  bool number_unsigned(number_unsigned_t value) { return put(value); }
  bool number_float(number_float_t value, const string_t& /*text*/) { return put(value); }
  bool string(string_t& value) { return put(std::move(value)); }
  bool binary(binary_t& /*value*/) { return false; }
  bool start_object(std::size_t /*size*/) { return open(Json::object()); }
  bool start_array(std::size_t /*size*/) { return open(Json::array()); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }
  bool key(string_t& name) {
    auto& members = *open_.back()->template get_ptr<typename Json::object_t*>();
    const auto [at, fresh] = members.emplace(name, nullptr);
    if (!fresh) problem_ = "has the key \"" + shortened(name) + "\" twice";
    member_ = &at->second;
    return fresh;
  }
  template <class Reason>
  bool parse_error(std::size_t position, const std::string& /*token*/, const Reason& /*reason*/) {
    problem_ = "is not valid JSON at byte " + std::to_string(position);
    return false;
  }

 private:
  Json* place(Json&& value) {
    if (open_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    if (auto* list = open_.back()->template get_ptr<typename Json::array_t*>()) {
      list->push_back(std::move(value));
      return &list->back();
    }
    *member_ = std::move(value);
    return member_;
  }
  template <class Value>
  bool put(Value&& value) {
    place(Json(std::forward<Value>(value)));
    return true;
  }
  // Nothing is added to an object or list while one inside it is open, so the pointers stay valid.
  bool open(Json&& empty) {
    open_.push_back(place(std::move(empty)));
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  Json& root_;
  std::string& problem_;
  std::vector<Json*> open_;
  Json* member_ = nullptr;
};

}  // namespace detail

// The document, or a discarded value and in `problem` why it is none, in the words of json_excess. A key that comes twice in
// one object is refused: readers of JSON differ in which of the two holds. With nlohmann::ordered_json a key costs time in
// proportion to the members before it, so keep `values` small there.
template <class Json>
[[nodiscard]] Json read_json(std::string_view text, const JsonLimits& limits, std::string& problem) {
  Json root(Json::value_t::discarded);
  problem = json_excess(text, limits);
  if (!problem.empty()) return root;
  detail::JsonBuilder<Json> builder(root, problem);
  if (!Json::sax_parse(text.begin(), text.end(), &builder)) return Json(Json::value_t::discarded);
  return root;
}

}  // namespace espalier
