// Text for people: amounts with units, aligned tables.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace espalier::cli {

// "512 B", "1.5 MiB"
[[nodiscard]] std::string byte_count(std::uint64_t bytes);
// "12,345"
[[nodiscard]] std::string thousands(std::int64_t n);
// "0.52 s", "1:05 min", "2:03:00 h"
[[nodiscard]] std::string duration(double seconds);
// With `decimals` digits behind the point.
[[nodiscard]] std::string fixed(double value, int decimals);
// Line breaks become spaces.
[[nodiscard]] std::string one_line(const std::string& text);

// What a text is about, on a terminal.
enum class Paint { error, warning, title };
[[nodiscard]] std::string painted(const std::string& text, Paint paint, bool colours);
// Whether the file is a terminal and colours are wanted there (NO_COLOR).
[[nodiscard]] bool colours_on(int file);

// Rows of cells; the first row is the heading. The first column and those named in `left` are aligned left, others right.
class Table {
 public:
  explicit Table(std::vector<std::string> heading, std::vector<std::size_t> left = {});
  void add(std::vector<std::string> row);
  [[nodiscard]] std::string text() const;

 private:
  std::vector<std::vector<std::string>> rows_;
  std::vector<std::size_t> left_;
};

}  // namespace espalier::cli
