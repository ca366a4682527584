// How the fields of Options become rows of the option table: of(&FinishRequest::texture_size, 512, 4096) knows type, range,
// how to read and to set the field, and how people type its value.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <sstream>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "api/option_names.h"
#include "espalier/options.h"

namespace espalier {

// ---- From text

// The whole of `text` as a number, or nothing.
template <class T>
std::optional<T> parsed_number(std::string_view text) {
  T value{};
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || stop != text.data() + text.size()) return std::nullopt;
  return value;
}

// "0.5,1" as so many numbers.
std::optional<std::vector<double>> parsed_numbers(const std::string& text, std::size_t count);
// "64", "2G", "512MiB" in bytes; `unit`: bytes of a number without suffix. Nothing where it is no such amount.
std::optional<std::int64_t> parsed_bytes(const std::string& text, std::int64_t unit);
// "8cm", "1.8m", "100mm", "100" in millimetres.
std::optional<double> parsed_length(const std::string& text);
// "transparent", "white" or "#20a0ff" as red, green and blue; no numbers for transparent.
std::optional<std::vector<double>> parsed_colour(const std::string& text);
std::vector<std::string> split_at_commas(const std::string& text);
// "a, b, c"
std::string joined(const std::vector<std::string>& words);

template <class T>
std::string in_words(T value) {
  std::ostringstream out;
  out.precision(15);
  out << value;
  return out.str();
}

// ---- Where a field is

// The struct of Options that owns fields of type Part; structs that occur twice are named by through().
template <class Part, class Root>
auto& part_of(Root& options) {
  if constexpr (std::is_same_v<Part, Options>) {
    return options;
  } else if constexpr (std::is_same_v<Part, FinishRequest>) {
    return options.finish;
  } else if constexpr (std::is_same_v<Part, EditRequest>) {
    return options.edit;
  } else if constexpr (std::is_same_v<Part, SaveOptions>) {
    return options.save;
  } else if constexpr (std::is_same_v<Part, ViewRequest>) {
    return options.look;
  } else if constexpr (std::is_same_v<Part, ModelSettings>) {
    return options.weights;
  } else if constexpr (std::is_same_v<Part, TurntableOptions>) {
    return options.video;
  } else if constexpr (std::is_same_v<Part, BatchOptions>) {
    return options.batch;
  } else {
    static_assert(std::is_same_v<Part, ServerOptions>, "Options has no such part");
    return options.serve;
  }
}

template <class Part, class T>
auto access(T Part::*field) {
  return [field](auto& options) -> auto& { return part_of<Part>(options).*field; };
}
template <class Part, class T>
auto through(Part Options::*part, T Part::*field) {
  return [ part, field ](auto& options) -> auto& { return options.*part.*field; };
}

// ---- Values

template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};

template <class T>
struct Plain {
  using type = T;
};
template <class T>
struct Plain<std::optional<T>> {
  using type = T;
};
template <class Access>
using FieldType = std::remove_reference_t<decltype(std::declval<Access>()(std::declval<Options&>()))>;

// Adds get and set: `to` makes an OptionValue of the plain field, `from` gives the field's value or nothing.
template <class Access, class To, class From>
OptionField field_of(OptionField field, Access access, To to, From from) {
  using T = FieldType<Access>;
  field.unset = IsOptional<T>::value;
  field.get = [=](const Options& options) -> OptionValue {
    const auto& value = access(options);
    if constexpr (IsOptional<T>::value) {
      return value ? OptionValue(to(*value)) : OptionValue();
    } else {
      return to(value);
    }
  };
  field.set = [=](Options& options, const OptionValue& value) {
    if constexpr (IsOptional<T>::value) {
      if (std::holds_alternative<std::monostate>(value)) {
        access(options).reset();
        return true;
      }
    }
    auto taken = from(value);
    if (!taken) return false;
    access(options) = std::move(*taken);
    return true;
  };
  return field;
}

template <class Access>
OptionField number_field(Access access, double low, double high, const char* meta) {
  using T = typename Plain<FieldType<Access>>::type;
  OptionField field{.low = low, .high = high, .meta = meta};
  const std::string range = " number from " + in_words(low) + " to " + in_words(high);
  if constexpr (std::is_integral_v<T>) {
    field.type = OptionType::whole;
    field.accept = "a whole" + range;
    field.parse = [](const std::string& text) -> std::optional<OptionValue> { return parsed_number<std::int64_t>(text); };
    return field_of(
        field, access, [](T value) { return static_cast<std::int64_t>(value); },
        [=](const OptionValue& value) -> std::optional<T> {
          const auto* const whole = std::get_if<std::int64_t>(&value);
          if (whole == nullptr || !(static_cast<double>(*whole) >= low && static_cast<double>(*whole) <= high))
            return std::nullopt;
          return static_cast<T>(*whole);
        });
  } else {
    field.type = OptionType::number;
    field.accept = "a" + range;
    field.parse = [](const std::string& text) -> std::optional<OptionValue> { return parsed_number<double>(text); };
    return field_of(
        field, access, [](T value) { return value; },
        [=](const OptionValue& value) -> std::optional<T> {
          const auto* const whole = std::get_if<std::int64_t>(&value);
          const auto* const real = std::get_if<double>(&value);
          if (whole == nullptr && real == nullptr) return std::nullopt;
          const double number = whole != nullptr ? static_cast<double>(*whole) : *real;
          return number >= low && number <= high ? std::optional<T>(number) : std::nullopt;
        });
  }
}

// One of `names`, whose index is the value: of an enumeration, or of a bool.
template <class Access, std::size_t N>
OptionField choice_field(Access access, const std::array<const char*, N>& names) {
  using T = typename Plain<FieldType<Access>>::type;
  OptionField field{.type = OptionType::choice, .choices = list_of(names), .meta = "NAME"};
  field.accept = "one of " + joined(field.choices);
  field.parse = [](const std::string& text) -> std::optional<OptionValue> { return text; };
  return field_of(
      field, access,
      [names](T value) {
        const auto index = static_cast<std::size_t>(value);  // a cast in the caller's program may have made any number of it
        return index < N ? OptionValue(std::string(names[index])) : OptionValue(static_cast<std::int64_t>(index));
      },
      [names](const OptionValue& value) -> std::optional<T> {
        const auto* const text = std::get_if<std::string>(&value);
        const auto found = text == nullptr ? names.end() : std::find(names.begin(), names.end(), *text);
        return found == names.end() ? std::nullopt : std::optional(static_cast<T>(found - names.begin()));
      });
}

// Several of `choices`; `to` and `from` convert the field and the list of names.
template <class Access, class To, class From>
OptionField choices_field(Access access, std::vector<std::string> choices, To to, From from) {
  using T = FieldType<Access>;
  OptionField field{.type = OptionType::choices, .most = choices.size(), .choices = std::move(choices), .meta = "LIST"};
  field.accept = "some of " + joined(field.choices) + ", separated by commas";
  field.parse = [](const std::string& text) -> std::optional<OptionValue> { return split_at_commas(text); };
  return field_of(field, access, to, [choices = field.choices, from](const OptionValue& value) -> std::optional<T> {
    const auto* const words = std::get_if<std::vector<std::string>>(&value);
    if (words == nullptr || words->empty()) return std::nullopt;
    const bool known = std::all_of(words->begin(), words->end(), [&](const std::string& word) {
      return std::find(choices.begin(), choices.end(), word) != choices.end();
    });
    return known ? from(*words) : std::optional<T>();
  });
}

// ---- of(field, ...), one for each kind of field

template <class Part>
OptionField of(bool Part::*member) {
  OptionField field{.type = OptionType::flag};
  field.parse = [](const std::string&) -> std::optional<OptionValue> { return std::nullopt; };
  return field_of(
      field, access(member), [](bool value) { return value; },
      [](const OptionValue& value) {
        const auto* const on = std::get_if<bool>(&value);
        return on == nullptr ? std::nullopt : std::optional(*on);
      });
}

template <class Part, class T>
requires std::is_arithmetic_v<typename Plain<T>::type> OptionField of(T Part::*member, double low, double high,
                                                                      const char* meta = "") {
  const bool whole = std::is_integral_v<typename Plain<T>::type>;
  return number_field(access(member), low, high, *meta != '\0' ? meta : whole ? "N" : "X");
}

template <class Part, class T>
requires std::is_enum_v<typename Plain<T>::type> OptionField of(T Part::*member) {
  return choice_field(access(member), kNames<typename Plain<T>::type>);
}

// A path or a text; not empty unless `may_be_empty`.
template <class Part, class T>
requires std::is_same_v<T, std::string> || std::is_same_v<T, std::filesystem::path> OptionField of(T Part::*member,
                                                                                                   const char* meta,
                                                                                                   bool may_be_empty = false) {
  OptionField field{.type = OptionType::text, .meta = meta};
  field.parse = [](const std::string& text) -> std::optional<OptionValue> { return text; };
  return field_of(
      field, access(member), [](const T& value) { return std::filesystem::path(value).string(); },
      [may_be_empty](const OptionValue& value) -> std::optional<T> {
        const auto* const text = std::get_if<std::string>(&value);
        return text == nullptr || (text->empty() && !may_be_empty) ? std::nullopt : std::optional<T>(*text);
      });
}

// Paths or texts, one with every use of the flag.
template <class Part, class T>
requires std::is_same_v<T, std::string> || std::is_same_v<T, std::filesystem::path> OptionField of(std::vector<T> Part::*member,
                                                                                                   const char* meta) {
  OptionField field{.type = OptionType::texts, .most = 0, .meta = meta, .repeats = true};
  field.parse = [](const std::string& text) -> std::optional<OptionValue> { return std::vector<std::string>{text}; };
  return field_of(
      field, access(member),
      [](const std::vector<T>& values) {
        std::vector<std::string> texts;
        for (const T& value : values) texts.push_back(std::filesystem::path(value).string());
        return texts;
      },
      [](const OptionValue& value) -> std::optional<std::vector<T>> {
        const auto* const texts = std::get_if<std::vector<std::string>>(&value);
        if (texts == nullptr || std::any_of(texts->begin(), texts->end(), [](const auto& t) { return t.empty(); }))
          return std::nullopt;
        return std::vector<T>(texts->begin(), texts->end());
      });
}

}  // namespace espalier
